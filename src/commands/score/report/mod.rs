//! The score as a page for who runs the shop: one file that needs nothing else, to read on a screen or on paper.
//!
//! The figures in words first, then a drawing for every question one may have of them, each with a sentence on how to read
//! it and its numbers in a table. The markup is XML, too, and every figure stands in a `<data>` with its full value, so
//! that a program finds in the page what `--json` says. No scripts, no addresses, no date: the same files, the same page.

mod headline;
mod plots;
mod words;
mod worst;

use super::certainty::{WANTED, review_curve};
use super::latency::{BAR_S, waits_s};
use super::{Crowd, Family, Score, money};
use crate::base::Cents;
use crate::shop::money::format_amount;
use std::collections::BTreeMap;
use std::fmt::Write;
use words::{counted, data, escaped, intervals, percent};

/// Families in the drawing, at most: the worst of them.
const FAMILIES_DRAWN: usize = 25;

/// What a page says of its score beyond the score.
pub struct About {
    /// Where both files were.
    pub truth: String,
    pub receipts: String,
    /// Names of products.
    pub names: BTreeMap<String, String>,
}

pub fn page(score: &Score, about: &About) -> String {
    let mut page = format!(
        "<!DOCTYPE html>\n<html xmlns=\"http://www.w3.org/1999/xhtml\" lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n\
         <meta name=\"viewport\" content=\"width=device-width\"/>\n<title>How right were the carts?</title>\n\
         <style>\n{}</style>\n</head>\n<body>\n<header>\n<h1>How right were the carts?</h1>\n\
         <p class=\"quiet\">{} in {}: receipts of {} held against the truth of {}</p>\n</header>\n",
        include_str!("style.css"),
        counted(score.visits, "cart"),
        counted(score.cases.len(), "case"),
        escaped(&about.receipts),
        escaped(&about.truth),
    );
    page += &headline::headline(score);
    for section in [families, crowding, calibration, review, charged, waits] {
        page += &section(score);
    }
    page += &worst::section(score, &about.names);
    page + "</body>\n</html>\n"
}

/// One question with its drawing: how to read it, what it says here, and a table of the numbers behind it.
fn section(title: &str, aid: &str, drawing: &str, said: &str, table: &str) -> String {
    let table = match table {
        "" => String::new(),
        table => format!("<details>\n<summary>The numbers</summary>\n{table}</details>\n"),
    };
    format!(
        "<section>\n<h2>{title}</h2>\n<p class=\"aid\">{aid}</p>\n<figure>\n{drawing}\n</figure>\n<p>{said}</p>\n{table}</section>\n"
    )
}

fn families(score: &Score) -> String {
    let mut families: Vec<&Family> = score.by_family.iter().collect();
    families.sort_by(|a, b| a.f1.value.total_cmp(&b.f1.value).then_with(|| a.family.cmp(&b.family)));
    let drawn = &families[..families.len().min(FAMILIES_DRAWN)];
    let mut table =
        "<table>\n<tr><th>family</th><th>cases</th><th>carts</th><th>F1</th><th>exact</th><th>F1 at best</th></tr>\n"
            .to_owned();
    let at_best = |family: &Family| {
        let known = score.ceiling.iter().flat_map(|ceiling| &ceiling.by_family);
        known.into_iter().find(|best| best.family == family.family).map_or(String::new(), |best| intervals(&best.f1))
    };
    for f in &families {
        let (f1, exact, best) = (intervals(&f.f1), intervals(&f.exact), at_best(f));
        let name = escaped(&f.family);
        let _ = writeln!(
            table,
            "<tr><td>{name}</td><td>{}</td><td>{}</td><td>{f1}</td><td>{exact}</td><td>{best}</td></tr>",
            f.cases, f.carts
        );
    }
    let worst = match families.len() {
        n if n > FAMILIES_DRAWN => {
            format!("The {FAMILIES_DRAWN} worst of {n} families are drawn, the worst on top; the numbers are of all.")
        }
        _ => "The worst family is on top.".to_owned(),
    };
    section(
        "Which kind of visit is hard?",
        "The further right a family's marks, the better its cases went: the round mark is F1, the square one the share of \
         exact carts, and the lines through them are their 95 % intervals.",
        &plots::families(drawn),
        &format!(
            "{worst} A family without lines has a single case; very short lines mean that its cases went alike, not that \
             we are certain."
        ),
        &(table + "</table>\n"),
    )
}

fn crowding(score: &Score) -> String {
    let mut table = "<table>\n<tr><th>visits inside at once</th><th>carts</th><th>exact</th></tr>\n".to_owned();
    for Crowd { inside, carts, exact } in &score.by_crowding {
        let _ = writeln!(table, "<tr><td>{inside}</td><td>{carts}</td><td>{}</td></tr>", intervals(exact));
    }
    section(
        "Does it get worse when the shop is full?",
        "Every cart is counted where the shop was fullest during its visit, staff and people without a tap included: marks \
         that sink to the right say that crowds cost exactness.",
        &plots::crowding(&score.by_crowding),
        "Families differ in how full they are, too: a sinking line can have either cause.",
        &(table + "</table>\n"),
    )
}

fn calibration(score: &Score) -> String {
    let mut table =
        "<table>\n<tr><th>certainty</th><th>carts</th><th>mean certainty</th><th>exact</th></tr>\n".to_owned();
    for bin in score.calibration.iter().filter(|bin| bin.carts > 0) {
        let _ = writeln!(
            table,
            "<tr><td>{} to {}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
            percent(bin.from),
            percent(bin.to),
            bin.carts,
            percent(bin.certainty),
            percent(bin.exact)
        );
    }
    section(
        "Does the system know when it is wrong?",
        "Where certainty means what it says, dots lie on the dashed line; below it the system believes too much of itself, \
         above it too little (each dot is all carts of one bin of certainty, the number says how many).",
        &plots::calibration(&score.calibration),
        &format!(
            "On average certainty is off by {}. A cart without a receipt counts as a sure nothing.",
            words::points(score.calibration_error)
        ),
        &(table + "</table>\n"),
    )
}

/// Where the system's own decisions put it: share of carts that a human looks at, exactness of the others, if any.
fn really(score: &Score) -> Option<(f64, f64)> {
    let is_left = score.cases.iter().flat_map(|case| &case.visits).any(|visit| !visit.reviewed);
    is_left.then_some((score.review_rate, score.unreviewed_exact))
}

fn review(score: &Score) -> String {
    let wanted = format!("{:.0} %", 100.0 * WANTED);
    let needed = match score.review_needed {
        None => format!(
            "No threshold leaves {wanted} of the others exact: the system is wrong too often even where it is surest."
        ),
        Some(point) if point.review_rate == 0.0 => {
            format!("Without any review {} are exact already; {wanted} are wanted.", percent(point.unreviewed_exact))
        }
        Some(point) => format!(
            "To leave {wanted} of the others exact, a human would have to look at {} of carts: all of which the system is \
             less than {} sure.",
            data("review_needed.review_rate", point.review_rate, percent),
            percent(point.certainty_below)
        ),
    };
    let here = match really(score) {
        Some((rate, exact)) => format!(
            "By its own decisions it sends {} to a human, and {} of the others are exact: the square.",
            percent(rate),
            percent(exact)
        ),
        None => "By its own decisions it sends every cart to a human.".to_owned(),
    };
    section(
        "How much must a human look at?",
        "If a human looks at the most doubtful carts first, the line says how often the remaining ones are exact: the \
         faster it rises, the better the system knows its doubtful carts.",
        &plots::review(&review_curve(&score.cases), score.review_needed, really(score)),
        &format!("{needed} {here}"),
        "",
    )
}

fn charged(score: &Score) -> String {
    let wrong = money::wrong(&score.cases);
    let currency = score.currency.as_deref().unwrap_or("");
    let amount = |value: i64| escaped(format!("{} {currency}", format_amount(Cents(value), currency)).trim());
    let share = |value: i64| match score.value_true {
        0 => String::new(),
        all => format!(" ({} of all value)", words::percent_fine(value as f64 / all as f64)),
    };
    let said = format!(
        "{} of {} carts are right in money and not drawn; one that is wrong both ways stands on either side. As made, carts charge {}{} that was not taken and miss {}{} that \
         was; after the human's look {} and {} of all value are left.",
        wrong.right,
        score.visits,
        amount(score.value_over),
        share(score.value_over),
        amount(score.value_under),
        share(score.value_under),
        words::percent_fine(score.overcharge),
        words::percent_fine(score.undercharge),
    );
    section(
        "By how much are wrong carts wrong?",
        "Bars to the right are carts that charge too much, to the left too little, the outermost whatever is further out; \
         filled ones nobody looks at, hollow ones a human puts right.",
        &plots::money(&wrong, currency),
        &said,
        "",
    )
}

fn waits(score: &Score) -> String {
    let (latency, waits_s) = (&score.latency, waits_s(&score.cases));
    // As far as most receipts and the bar; a single straggler must not flatten the rest.
    let until_s = (1.15 * latency.p99_s.max(BAR_S)).max(6.0).ceil();
    let mut said = match latency.receipts {
        0 => "No receipt came after its shopper's leaving.".to_owned(),
        n => format!(
            "Of {}: half within {}, 95 of 100 within {}, 99 of 100 within {}.",
            counted(n, "receipt"),
            data("latency.p50_s", latency.p50_s, words::seconds),
            words::seconds(latency.p95_s),
            data("latency.p99_s", latency.p99_s, words::seconds),
        ),
    };
    let beyond = waits_s.iter().filter(|wait_s| **wait_s > until_s).count();
    for (n, what) in [
        (beyond, "took longer than is drawn"),
        (latency.before_leaving, "had the receipt before leaving (not drawn: a receipt too early is not a fast one)"),
        (latency.missing, "took something and got no receipt"),
        (latency.needless, "took nothing, got no receipt and needed none"),
        (latency.still_inside, "had a receipt and were still inside when the truth ended"),
    ] {
        if n > 0 {
            let _ = write!(said, " {} {what}.", counted(n, "shopper"));
        }
    }
    section(
        "How long until the receipt is there?",
        "The line says which share of receipts is there so many seconds after leaving; it should be at 95 % before the \
         dashed bar.",
        &plots::waits(&waits_s, latency, until_s),
        &said,
        "",
    )
}
