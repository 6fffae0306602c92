//! `carryout score --truth T --receipts R`: how right carts are, for anybody's receipts.
//!
//! Visits are matched by token only. Per case: micro F1 over (visit, product, unit); a visit that took nothing and is
//! charged nothing scores 1, one that took nothing and is charged scores 0. Then the mean over cases, the share of
//! carts exactly right, how many a human must look at, and what was charged too much and too little (docs/accuracy.md).

mod carts;
mod events;
mod interval;

pub use carts::{CaseScore, Prices, Score, VisitScore, of};
pub use events::{ClaimedEvent, EventScore, score as score_events};
pub use interval::{Estimate, bootstrap};

use crate::carts::Receipt;
use crate::shop::Shop;
use crate::sim::truth::{TruthLine, VisitTruth};
use serde::{Deserialize, Serialize};
use std::fmt::Write;
use std::path::{Path, PathBuf};

#[derive(Clone, Debug, clap::Args)]
pub struct ScoreArgs {
    /// truth.jsonl of what really happened
    #[arg(long)]
    pub truth: PathBuf,
    /// receipts.jsonl: receipts with their token, one a line
    #[arg(long)]
    pub receipts: PathBuf,
    /// Who pays for what is handed over
    #[arg(long, value_enum, default_value_t = Billed::Picker)]
    pub handoff: Billed,
    /// Directory of the shop's files: prices of what was taken and never charged
    #[arg(long, value_name = "DIR")]
    pub shop: Option<PathBuf>,
    /// One JSON object instead of a table
    #[arg(long)]
    pub json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Billed {
    Picker,
    Receiver,
}

/// A line of receipts.jsonl.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TokenReceipt {
    pub token: String,
    #[serde(flatten)]
    pub receipt: Receipt,
}

/// Reads both files and scores; the text is ready to print.
pub fn score(args: &ScoreArgs) -> Result<String, String> {
    let truth: Vec<TruthLine> = lines(&args.truth)?;
    let receipts: Vec<TokenReceipt> = lines(&args.receipts)?;
    let visits: Vec<VisitTruth> = truth
        .into_iter()
        .filter_map(|line| match line {
            TruthLine::Visit(visit) => Some(visit),
            _ => None,
        })
        .collect();
    if visits.is_empty() {
        return Err(format!("{} tells of no visit", args.truth.display()));
    }
    let prices = match &args.shop {
        Some(dir) => prices(
            &Shop::read(dir)
                .map_err(|problems| {
                    let first = problems.first().map(ToString::to_string).unwrap_or_default();
                    format!("{}: {first}; carryout check --shop lists every problem", dir.display())
                })?
                .0,
        ),
        None => Prices::new(),
    };
    let score = of(&visits, &receipts, args.handoff, &prices);
    if args.json { Ok(serde_json::to_string(&score).expect("a score is JSON") + "\n") } else { Ok(table(&score)) }
}

/// What a shop's products cost.
pub fn prices(shop: &Shop) -> Prices {
    shop.catalogue.iter().map(|product| (product.id.to_string(), product.price.0)).collect()
}

fn lines<T: serde::de::DeserializeOwned>(path: &Path) -> Result<Vec<T>, String> {
    let text = std::fs::read_to_string(path).map_err(|err| format!("reading {}: {err}", path.display()))?;
    let parse = |(n, line): (usize, &str)| {
        serde_json::from_str(line).map_err(|err| format!("reading {} line {}: {err}", path.display(), n + 1))
    };
    text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()).map(parse).collect()
}

fn table(score: &Score) -> String {
    let mut text = format!("{:<28} {:>6} {:>6}  {:>5} {:>6}\n", "case", "F1 %", "exact", "over", "under");
    for case in &score.cases {
        let exact = case.visits.iter().filter(|visit| visit.exact).count();
        let sum = |of: fn(&VisitScore) -> i64| case.visits.iter().map(of).sum::<i64>();
        let _ = writeln!(
            text,
            "{:<28} {:>6.1} {:>6}  {:>5} {:>6}",
            case.case,
            100.0 * case.f1,
            format!("{exact}/{}", case.visits.len()),
            sum(|visit| visit.over),
            sum(|visit| visit.under)
        );
    }
    let units = |units: i64| 100.0 * units as f64 / (score.units_true.max(1)) as f64;
    let percent = |share: f64| 100.0 * share;
    let interval = |estimate: &Estimate| match estimate.low.is_nan() {
        true => String::new(),
        false => format!(" ({:.1}-{:.1})", percent(estimate.low), percent(estimate.high)),
    };
    let _ = writeln!(
        text,
        "\n{} visits in {} cases: mean F1 {:.1} %{}, {:.1} %{} of carts exactly right\n\
         {} units taken; charged and not taken {} ({:.1} %), taken and not charged {} ({:.1} %)\n\
         {:.1} % of carts for a human to look at; of the others {:.1} % exactly right\n\
         after that charged too much {:.2} % and too little {:.2} % of all value; certainty is off by {:.1} points",
        score.visits,
        score.cases.len(),
        percent(score.f1_mean),
        interval(&score.f1_interval),
        percent(score.exact_share),
        interval(&score.exact_interval),
        score.units_true,
        score.units_over,
        units(score.units_over),
        score.units_under,
        units(score.units_under),
        percent(score.review_rate),
        percent(score.unreviewed_exact),
        percent(score.overcharge),
        percent(score.undercharge),
        percent(score.calibration_error),
    );
    if !score.without_price.is_empty() {
        let products = score.without_price.join(", ");
        let _ =
            writeln!(text, "no price is known of {products}: they count for nothing in money; --shop DIR tells prices");
    }
    for token in &score.receipts_of_nobody {
        let _ = writeln!(text, "a receipt for {token}: no visit in the truth has that token");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::truth::Taken;

    fn visit(case: &str, token: &str, cart: &[(&str, i64)]) -> VisitTruth {
        VisitTruth {
            case: case.into(),
            visit: token.into(),
            token: Some(token.into()),
            entered_us: 0,
            left_us: Some(1),
            cart: cart.iter().map(|(p, n)| Taken { product: (*p).into(), quantity: *n }).collect(),
            cart_receiver: None,
            payer: true,
            staff: false,
        }
    }

    fn receipt(token: &str, revision: u64, lines: &[(&str, i64)]) -> TokenReceipt {
        let lines: Vec<_> = lines
            .iter()
            .map(|(product, quantity)| {
                serde_json::json!({"line_id": product, "product": product, "name": product, "quantity": quantity,
                    "unit_price": 100, "tax": 0, "deposit": 0, "total": 100 * quantity, "probability": 1.0,
                    "draft": false})
            })
            .collect();
        let id = uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_OID, token.as_bytes());
        serde_json::from_value(serde_json::json!({
            "token": token, "visit_id": id, "payer": null, "state": "closed", "revision": revision,
            "currency": "EUR", "lines": lines, "total": 0, "tax_total": 0, "t_us": 0, "receipt_id": id, "number": 1,
            "status": "final", "charge_ids": [], "in_doubt": [], "entered_us": 0, "left_us": 1
        }))
        .expect("a receipt")
    }

    #[test]
    fn carts_are_scored_by_unit() {
        for (story, truth, receipts, f1, exact, over, under) in [
            ("right", vec![visit("a", "t1", &[("cola", 2)])], vec![receipt("t1", 1, &[("cola", 2)])], 1.0, 1.0, 0, 0),
            ("nothing taken, no receipt", vec![visit("a", "t1", &[])], vec![], 1.0, 1.0, 0, 0),
            (
                "nothing taken, charged",
                vec![visit("a", "t1", &[])],
                vec![receipt("t1", 1, &[("cola", 1)])],
                0.0,
                0.0,
                1,
                0,
            ),
            ("taken, no receipt", vec![visit("a", "t1", &[("cola", 1)])], vec![], 0.0, 0.0, 0, 1),
            (
                "one too few of one, a wrong one besides",
                vec![visit("a", "t1", &[("cola", 2), ("gum", 1)])],
                vec![receipt("t1", 1, &[("cola", 1), ("gum", 1), ("bread", 1)])],
                2.0 / 3.0,
                0.0,
                1,
                1,
            ),
            (
                "the later revision stands",
                vec![visit("a", "t1", &[("cola", 1)])],
                vec![receipt("t1", 2, &[("cola", 1)]), receipt("t1", 1, &[("gum", 4)])],
                1.0,
                1.0,
                0,
                0,
            ),
            (
                "swapped between two visits of a case",
                vec![visit("a", "t1", &[("cola", 1)]), visit("a", "t2", &[])],
                vec![receipt("t2", 1, &[("cola", 1)])],
                0.0,
                0.0,
                1,
                1,
            ),
            (
                "the mean is over cases, exactness over visits",
                vec![visit("a", "t1", &[("cola", 1)]), visit("b", "t2", &[("gum", 1)]), visit("b", "t3", &[])],
                vec![receipt("t1", 1, &[("cola", 1)])],
                0.5,
                2.0 / 3.0,
                0,
                1,
            ),
        ] {
            let score = of(&truth, &receipts, Billed::Picker, &Prices::new());
            let figures = (score.units_over, score.units_under);
            assert_eq!(figures, (over, under), "{story}");
            assert!((score.f1_mean - f1).abs() < 1e-9, "{story}: F1 {} instead of {f1}", score.f1_mean);
            assert!((score.exact_share - exact).abs() < 1e-9, "{story}: exact {}", score.exact_share);
        }
    }

    #[test]
    fn a_hand_off_is_billed_as_asked_and_strangers_are_named() {
        let mut giver = visit("a", "t1", &[("cola", 1)]);
        giver.cart_receiver = Some(vec![]);
        let receipts = [receipt("t1", 1, &[("cola", 1)]), receipt("t9", 1, &[("gum", 2)])];
        let by = |billed| of(std::slice::from_ref(&giver), &receipts, billed, &Prices::new());
        assert_eq!(by(Billed::Picker).exact_share, 1.0);
        assert_eq!(by(Billed::Receiver).exact_share, 0.0);
        assert_eq!(by(Billed::Picker).receipts_of_nobody, ["t9"]);
        assert_eq!(by(Billed::Picker).units_over, 2);
        assert!(table(&by(Billed::Picker)).contains("no visit in the truth has that token"));
    }

    /// Four carts of 2.00: right and sure, right and under review, wrong and under review, wrong and sure of itself.
    #[test]
    fn a_human_puts_right_what_is_looked_at_and_money_counts_the_rest() {
        let truth: Vec<VisitTruth> =
            (1..=4).map(|n| visit(&format!("c{n}"), &format!("t{n}"), &[("cola", 2)])).collect();
        let made = |token: &str, units: i64, status: &str, probability: f64| {
            let mut receipt = receipt(token, 1, &[("cola", units)]);
            receipt.receipt.status = serde_json::from_value(status.into()).expect("a status");
            receipt.receipt.cart.lines[0].probability = crate::base::Probability::from_f64(probability);
            receipt
        };
        let receipts = [
            made("t1", 2, "final", 0.95),
            made("t2", 2, "being_checked", 0.45),
            made("t3", 5, "being_checked", 0.45),
            made("t4", 3, "final", 0.95),
        ];
        let score = of(&truth, &receipts, Billed::Picker, &Prices::new());
        assert_eq!((score.exact_share, score.review_rate, score.unreviewed_exact), (0.5, 0.5, 0.5));
        assert_eq!((score.overcharge, score.undercharge), (100.0 / 800.0, 0.0));
        // Two bins: sure 0.45, right 1 of 2; sure 0.95, right 1 of 2.
        assert!((score.calibration_error - (0.05 + 0.45) / 2.0).abs() < 1e-3, "{}", score.calibration_error);
        assert!(score.f1_interval.low < score.f1_mean && score.f1_mean < score.f1_interval.high);
        assert!(table(&score).contains("50.0 % of carts for a human"), "{}", table(&score));
    }

    #[test]
    fn what_has_no_price_is_named_and_the_shops_prices_are_used() {
        let truth = [visit("a", "t1", &[("cola", 1), ("gum", 1)])];
        let receipts = [receipt("t1", 1, &[("cola", 1)])];
        let nothing_told = of(&truth, &receipts, Billed::Picker, &Prices::new());
        assert_eq!((nothing_told.without_price.as_slice(), nothing_told.undercharge), (&["gum".to_owned()][..], 0.0));
        let told = of(&truth, &receipts, Billed::Picker, &Prices::from([("gum".into(), 300)]));
        assert_eq!((told.without_price.len(), told.undercharge), (0, 0.75));
    }
}
