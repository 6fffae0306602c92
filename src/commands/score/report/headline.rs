//! The figures in words, and what to know before believing them.

use super::really;
use super::words::{self, between, counted, data, escaped, percent};
use crate::commands::score::Score;
use crate::commands::score::latency::BAR_S;
use std::fmt::Write;

pub fn headline(score: &Score) -> String {
    let latency = &score.latency;
    let tile = |figure: &str, words: &str| format!("<li><strong>{figure}</strong><span>{words}</span></li>\n");
    let mut text = "<ul class=\"tiles\">\n".to_owned();
    text += &tile(
        &data("exact_share", score.exact_share, percent),
        &format!("of carts are exactly right, to the unit{}.", between(&score.exact_interval, "exact_interval")),
    );
    text += &tile(
        &data("f1_mean", score.f1_mean, percent),
        &format!(
            "agreement (F1) of what is charged with what was taken, unit by unit, mean over cases; 100 % is perfect{}.",
            between(&score.f1_interval, "f1_interval")
        ),
    );
    if let Some(ceiling) = &score.ceiling {
        text += &tile(
            &data("ceiling.exact.value", ceiling.exact.value, percent),
            &format!(
                "of carts anybody could have had exactly right at best, from what the sensors said; the best agreement is {}.",
                data("ceiling.f1.value", ceiling.f1.value, percent)
            ),
        );
    }
    text += &tile(
        &data("review_rate", score.review_rate, percent),
        &match really(score) {
            Some(_) => format!(
                "of carts wait for a human; of the others {} are exactly right.",
                data("unreviewed_exact", score.unreviewed_exact, percent)
            ),
            None => "of carts wait for a human: none is left to the system alone.".to_owned(),
        },
    );
    text += &tile(
        &data("overcharge", score.overcharge, words::percent_fine),
        &format!(
            "of all value is charged and was not taken, after the human's look; {} was taken and is not charged.",
            data("undercharge", score.undercharge, words::percent_fine)
        ),
    );
    text += &match latency.receipts {
        0 => tile("no receipt", "came after anybody's leaving, so there is no wait to tell."),
        _ => tile(
            &data("latency.p95_s", latency.p95_s, words::seconds),
            &format!("after leaving, 95 of 100 receipts are there; at most {BAR_S} s is the bar."),
        ),
    };
    text += &tile(
        &data("calibration_error", score.calibration_error, words::points),
        "is how far the system's certainty lies from how often it is right.",
    );
    text += "</ul>\n";
    let notes = notes(score);
    if !notes.is_empty() {
        text += "<section>\n<h2>Before you read on</h2>\n<ul class=\"notes\">\n";
        notes.iter().for_each(|note| _ = writeln!(text, "<li>{note}</li>"));
        text += "</ul>\n</section>\n";
    }
    text
}

/// What was not as it should be, or may surprise.
fn notes(score: &Score) -> Vec<String> {
    let mut notes = Vec::new();
    if score.cases.len() < 2 {
        notes.push(
            "All carts are of one case, so no interval can be told: how another day would go is not known.".into(),
        );
    }
    if score.receipts == 0 {
        notes.push("There is no receipt at all: nobody was charged.".into());
    }
    if score.without_payer > 0 {
        let visits = counted(score.without_payer, "visit");
        notes.push(format!("{visits} had nobody to pay (somebody came in without a tap) and are not scored."));
    }
    if let n @ 1.. = score.receipts_of_nobody.len() {
        let payers = counted(n, "payer");
        notes.push(format!("{payers} got receipts and are no visit of the truth: what they paid counts as too much."));
    }
    if !score.without_price.is_empty() {
        let products = escaped(&score.without_price.join(", "));
        notes.push(format!("No price is known of {products}: they count for nothing in money (--shop tells prices)."));
    }
    notes
}
