//! The report of a score: what it says is what the score says, and it is a page that stands by itself.

use carryout::commands::score::{Billed, ScoreArgs, score};
use carryout::commands::simulate::simulate;
use quick_xml::Reader;
use quick_xml::events::Event;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;

const SHOP: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/config/demo-shop");

/// Five visits of two who cross hands at one shelf, into truth.jsonl and receipts.jsonl of `dir`.
async fn play(dir: &Path) {
    let to = dir.to_str().expect("a path");
    let args = crate::typed(&[
        "--shop",
        SHOP,
        "--family",
        "crossing",
        "--cases",
        "5",
        "--seed",
        "3",
        "--record",
        to,
        "--receipts",
    ]);
    simulate(&args).await.expect("the demo shop plays");
}

fn args(dir: &Path) -> ScoreArgs {
    ScoreArgs {
        truth: dir.join("truth.jsonl"),
        receipts: dir.join("receipts.jsonl"),
        handoff: Billed::Picker,
        shop: Some(SHOP.into()),
        ceiling: Some(dir.join("ceiling.jsonl")).filter(|file| file.exists()),
        json: true,
        report: Some(dir.join("report.html")),
    }
}

/// (name, full value, as told) of every figure in the page; on the way every tag is closed, every entity known.
fn figures(page: &str) -> Vec<(String, f64, String)> {
    let mut reader = Reader::from_str(page);
    let (mut figures, mut open, mut text) = (Vec::new(), None, String::new());
    let mut depth = 0;
    loop {
        match reader.read_event().unwrap_or_else(|err| panic!("at byte {}: {err}", reader.buffer_position())) {
            Event::Start(tag) => {
                depth += 1;
                if tag.name().as_ref() == "data" {
                    let of = |name: &str| {
                        let attribute = tag.try_get_attribute(name).expect("attributes").expect(name);
                        attribute.value.into_owned()
                    };
                    open = Some((of("class"), of("value").parse().expect("a number")));
                    text.clear();
                }
                tag.attributes().for_each(|attribute| drop(attribute.expect("an attribute with quotes, once")));
            }
            Event::End(tag) => {
                depth -= 1;
                if tag.name().as_ref() == "data" {
                    let (name, value) = open.take().expect("an open figure");
                    figures.push((name, value, text.clone()));
                }
            }
            Event::Text(words) => text += &words,
            Event::GeneralRef(entity) => {
                let known = ["amp", "lt", "gt", "quot"].iter().any(|known| entity.as_ref() == *known);
                assert!(known, "{entity:?}");
            }
            Event::Eof => break,
            _ => {}
        }
    }
    assert_eq!(depth, 0, "tags left open");
    figures
}

#[tokio::test]
async fn the_report_says_what_the_score_says() {
    let dir = tempfile::tempdir().unwrap();
    play(dir.path()).await;
    let json = score(&args(dir.path())).expect("a score");
    let json: Value = serde_json::from_str(&json).expect("JSON");
    let page = std::fs::read_to_string(dir.path().join("report.html")).expect("a page");

    let figures = figures(&page);
    for (name, value, told) in &figures {
        let scored = json.pointer(&format!("/{}", name.replace('.', "/"))).and_then(Value::as_f64);
        let interval = name.ends_with(".low") || name.ends_with(".high");
        assert_eq!(scored, Some(*value), "{name}");
        let digits = |factor: f64, n: usize| format!("{:.n$}", factor * value);
        let wanted = match name.as_str() {
            name if name.ends_with("_s") => digits(1.0, 1) + " s",
            "calibration_error" => digits(100.0, 1) + " points",
            "overcharge" | "undercharge" => digits(100.0, 2) + " %",
            _ if interval => told.replace(told.trim_end_matches(" %"), &digits(100.0, 1)),
            _ => digits(100.0, 1) + " %",
        };
        assert_eq!(*told, wanted, "{name}");
    }
    let named: BTreeSet<&str> = figures.iter().map(|(name, ..)| name.as_str()).collect();
    for name in ["exact_share", "exact_interval.low", "f1_mean", "f1_interval.high", "review_rate", "overcharge"] {
        assert!(named.contains(name), "{name} is not in the page: {named:?}");
    }
    assert_eq!(page.matches("<svg ").count(), 6, "six drawings");
    let said = page.replace("http://www.w3.org/2000/svg", "").replace("http://www.w3.org/1999/xhtml", "");
    for word in ["http://", "https://", "<script", "@import", "url(", " src="] {
        assert!(!said.contains(word), "the page needs something from elsewhere: {word}");
    }
    assert!(!page.contains("NaN"), "what is not known is not told as a number");

    // What is new in the score adds up.
    let carts = json["visits"].as_u64();
    for list in ["by_family", "by_crowding", "calibration"] {
        let sum = json[list].as_array().expect(list).iter().map(|group| group["carts"].as_u64()).sum::<Option<u64>>();
        assert_eq!(sum, carts, "{list}");
    }
    let latency = &json["latency"];
    let counted = ["receipts", "before_leaving", "missing", "needless", "still_inside"];
    assert_eq!(counted.iter().map(|key| latency[key].as_u64()).sum::<Option<u64>>(), carts, "{latency}");
    assert_eq!(json["by_family"][0]["family"], "crossing");
    assert_eq!(json["by_family"][0]["f1"]["value"], json["f1_mean"]);

    score(&args(dir.path())).expect("the score again");
    let again = std::fs::read_to_string(dir.path().join("report.html")).expect("the page again");
    assert_eq!(again, page, "the same files, the same page");

    let abroad = std::fs::read_to_string(dir.path().join("receipts.jsonl")).unwrap().replace("EUR", "CHF");
    std::fs::write(dir.path().join("receipts.jsonl"), abroad).unwrap();
    let refused = score(&args(dir.path())).expect_err("another currency than the shop's");
    assert!(refused.contains("receipts are in CHF and the shop's prices in EUR"), "{refused}");
}

/// Names are other people's; days may have one case, no receipt, nobody who pays.
#[test]
fn odd_files_make_a_page_as_well() {
    let visit = |case: &str, visit: &str, token: Option<&str>, left_us: Option<i64>| {
        let cart = [serde_json::json!({"product": "<b>&\u{1}", "quantity": 1})];
        serde_json::json!({"kind": "visit", "case": case, "visit": visit, "token": token, "entered_us": 1,
            "left_us": left_us, "cart": cart, "payer": token.is_some()})
        .to_string()
    };
    let many: Vec<String> =
        (0..60).map(|n| visit(&format!("<f{n}>&\u{1}"), "s", Some(&format!("t{n}")), None)).collect();
    for (story, truth, families) in [
        ("one case", vec![visit("a", "s1", Some("t1"), Some(9)), visit("a", "s2", None, Some(9))], None),
        ("more families than fit", many, Some("The 25 worst of 60 families are drawn")),
    ] {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("truth.jsonl"), truth.join("\n")).unwrap();
        std::fs::write(dir.path().join("receipts.jsonl"), "").unwrap();
        let told = score(&ScoreArgs { shop: None, json: false, ..args(dir.path()) }).expect(story);
        assert!(told.contains("no receipt at all") && told.contains("report.html"), "{story}: {told}");
        let page = std::fs::read_to_string(dir.path().join("report.html")).expect("a page");
        assert!(figures(&page).len() > 5, "{story}");
        assert!(page.contains("There is no receipt at all") && !page.contains("NaN"), "{story}");
        assert!(families.is_none_or(|said| page.contains(said)), "{story}");
        assert!(!page.contains('\u{1}'), "{story}");
    }
}

#[test]
fn a_report_that_cannot_be_written_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let truth =
        r#"{"kind":"visit","case":"a","visit":"s","token":"t","entered_us":1,"left_us":2,"cart":[],"payer":true}"#;
    std::fs::write(dir.path().join("truth.jsonl"), truth).unwrap();
    std::fs::write(dir.path().join("receipts.jsonl"), "").unwrap();
    let report = Some(dir.path().join("nowhere/report.html"));
    let refused = score(&ScoreArgs { report, ..args(dir.path()) }).expect_err("no such folder");
    assert!(refused.starts_with("writing ") && refused.contains("report.html: "), "{refused}");
}
