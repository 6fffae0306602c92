//! The score as text for a terminal: a row a case, then the figures in words, then what was not as it should be.

use super::carts::{Ceiling, Score, VisitScore};
use super::interval::Estimate;
use std::fmt::Write;

pub fn table(score: &Score) -> String {
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
    if let Some(Ceiling { f1, exact, .. }) = &score.ceiling {
        let (f1_percent, exact_percent) = (percent(f1.value), percent(exact.value));
        let _ = writeln!(
            text,
            "anybody could have known at best, from the same sensors: mean F1 {f1_percent:.1} %{}, {exact_percent:.1} %{} \
             exactly right",
            interval(f1),
            interval(exact)
        );
    }
    if score.receipts == 0 {
        text += "there is no receipt at all: nobody was charged\n";
    }
    match score.without_payer {
        0 => {}
        1 => text += "1 visit had nobody to pay and is not scored\n",
        n => _ = writeln!(text, "{n} visits had nobody to pay and are not scored"),
    }
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
