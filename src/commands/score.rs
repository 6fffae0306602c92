//! `carryout score --truth T --receipts R`: how right carts are, for anybody's receipts.
//!
//! Visits are matched by token only. Per case: micro F1 over (visit, product, unit); a visit that took nothing and is
//! charged nothing scores 1, one that took nothing and is charged scores 0. Then the mean over cases, the share of
//! carts exactly right, and units charged that were not taken and taken that were not charged.

use crate::carts::Receipt;
use crate::sim::truth::{Taken, TruthLine, VisitTruth};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
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

/// Units per product.
type Units = BTreeMap<String, i64>;

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Score {
    pub cases: Vec<CaseScore>,
    pub visits: usize,
    pub f1_mean: f64,
    pub exact_share: f64,
    pub units_true: i64,
    /// Charged and not taken.
    pub units_over: i64,
    /// Taken and not charged.
    pub units_under: i64,
    /// Receipts whose token no visit has: their units count as over.
    pub receipts_of_nobody: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CaseScore {
    pub case: String,
    pub f1: f64,
    pub visits: Vec<VisitScore>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct VisitScore {
    pub visit: String,
    pub token: Option<String>,
    pub exact: bool,
    pub taken: Vec<Taken>,
    pub charged: Vec<Taken>,
    pub over: i64,
    pub under: i64,
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
    let score = of(&visits, &receipts, args.handoff);
    if args.json { Ok(serde_json::to_string(&score).expect("a score is JSON") + "\n") } else { Ok(table(&score)) }
}

fn lines<T: serde::de::DeserializeOwned>(path: &Path) -> Result<Vec<T>, String> {
    let text = std::fs::read_to_string(path).map_err(|err| format!("reading {}: {err}", path.display()))?;
    let parse = |(n, line): (usize, &str)| {
        serde_json::from_str(line).map_err(|err| format!("reading {} line {}: {err}", path.display(), n + 1))
    };
    text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()).map(parse).collect()
}

/// The score of these receipts against what really happened. Staff have no cart and are left out.
pub fn of(visits: &[VisitTruth], receipts: &[TokenReceipt], billed: Billed) -> Score {
    // Of one receipt the latest revision stands.
    let mut latest: BTreeMap<_, &TokenReceipt> = BTreeMap::new();
    for receipt in receipts {
        let known = latest.entry((&receipt.token, receipt.receipt.receipt_id)).or_insert(receipt);
        if receipt.receipt.cart.revision >= known.receipt.cart.revision {
            *known = receipt;
        }
    }
    let mut charged: BTreeMap<&str, Units> = BTreeMap::new();
    for receipt in latest.values() {
        let cart = charged.entry(&receipt.token).or_default();
        for line in receipt.receipt.cart.lines.iter().filter(|line| !line.draft) {
            *cart.entry(line.product.to_string()).or_default() += line.quantity;
        }
    }
    let mut cases: BTreeMap<&str, Vec<VisitScore>> = BTreeMap::new();
    let mut known: BTreeSet<&str> = BTreeSet::new();
    for visit in visits {
        known.extend(visit.token.as_deref());
        if visit.staff {
            continue;
        }
        let cart = match (billed, &visit.cart_receiver) {
            (Billed::Receiver, Some(cart)) => cart,
            _ => &visit.cart,
        };
        let nothing = Units::new();
        let charged = visit.token.as_deref().and_then(|token| charged.get(token)).unwrap_or(&nothing);
        cases.entry(&visit.case).or_default().push(compare(visit, cart, charged));
    }
    let of_nobody: Vec<_> = charged.iter().filter(|(token, _)| !known.contains(*token)).collect();
    let stray: i64 = of_nobody.iter().flat_map(|(_, units)| units.values()).sum();
    let cases: Vec<CaseScore> =
        cases.into_iter().map(|(case, visits)| CaseScore { case: case.to_owned(), f1: f1(&visits), visits }).collect();
    let all = || cases.iter().flat_map(|case| &case.visits);
    let n = all().count();
    let share = |part: f64, whole: usize| if whole == 0 { 0.0 } else { part / whole as f64 };
    Score {
        visits: n,
        f1_mean: share(cases.iter().map(|case| case.f1).sum(), cases.len()),
        exact_share: share(all().filter(|visit| visit.exact).count() as f64, n),
        units_true: all().flat_map(|visit| &visit.taken).map(|taken| taken.quantity).sum(),
        units_over: all().map(|visit| visit.over).sum::<i64>() + stray,
        units_under: all().map(|visit| visit.under).sum(),
        receipts_of_nobody: of_nobody.into_iter().map(|(token, _)| (*token).to_owned()).collect(),
        cases,
    }
}

fn compare(visit: &VisitTruth, cart: &[Taken], charged: &Units) -> VisitScore {
    let mut taken = Units::new();
    for line in cart {
        *taken.entry(line.product.clone()).or_default() += line.quantity;
    }
    let more = |a: &Units, b: &Units| -> i64 {
        a.iter().map(|(product, n)| (n - b.get(product).copied().unwrap_or(0)).max(0)).sum()
    };
    let (over, under) = (more(charged, &taken), more(&taken, charged));
    let list = |units: &Units| {
        let line = |(product, quantity): (&String, &i64)| Taken { product: product.clone(), quantity: *quantity };
        units.iter().filter(|(_, n)| **n != 0).map(line).collect()
    };
    VisitScore {
        visit: visit.visit.clone(),
        token: visit.token.clone(),
        exact: over == 0 && under == 0,
        taken: list(&taken),
        charged: list(charged),
        over,
        under,
    }
}

/// Micro F1 of a case's units. Nothing taken and nothing charged is right: 1.
fn f1(visits: &[VisitScore]) -> f64 {
    let under: i64 = visits.iter().map(|visit| visit.under).sum();
    let over: i64 = visits.iter().map(|visit| visit.over).sum();
    let right: i64 = visits.iter().flat_map(|visit| &visit.taken).map(|taken| taken.quantity).sum::<i64>() - under;
    let all = 2 * right + over + under;
    if all == 0 { 1.0 } else { 2.0 * right as f64 / all as f64 }
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
    let percent = |units: i64| 100.0 * units as f64 / (score.units_true.max(1)) as f64;
    let _ = writeln!(
        text,
        "\n{} visits in {} cases: mean F1 {:.1} %, {:.1} % of carts exactly right\n\
         {} units taken; charged and not taken {} ({:.1} %), taken and not charged {} ({:.1} %)",
        score.visits,
        score.cases.len(),
        100.0 * score.f1_mean,
        100.0 * score.exact_share,
        score.units_true,
        score.units_over,
        percent(score.units_over),
        score.units_under,
        percent(score.units_under)
    );
    for token in &score.receipts_of_nobody {
        let _ = writeln!(text, "a receipt for {token}: no visit in the truth has that token");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

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
            let score = of(&truth, &receipts, Billed::Picker);
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
        let by = |billed| of(std::slice::from_ref(&giver), &receipts, billed);
        assert_eq!(by(Billed::Picker).exact_share, 1.0);
        assert_eq!(by(Billed::Receiver).exact_share, 0.0);
        assert_eq!(by(Billed::Picker).receipts_of_nobody, ["t9"]);
        assert_eq!(by(Billed::Picker).units_over, 2);
        assert!(table(&by(Billed::Picker)).contains("no visit in the truth has that token"));
    }
}
