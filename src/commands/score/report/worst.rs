//! The cases that went worst, cart by cart: where to begin looking.

use super::words::{counted, escaped, percent};
use crate::base::Cents;
use crate::commands::score::{CaseScore, Score, VisitScore};
use crate::shop::money::format_amount;
use crate::sim::truth::Taken;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// Cases in the table, at most.
const CASES: usize = 20;
/// Wrong carts told of one case, at most: a whole day can be one case.
const CARTS: usize = 20;

/// Names of products by code.
type Names = BTreeMap<String, String>;

/// Lowest F1 first; cases without a wrong cart are left out.
fn worst(cases: &[CaseScore]) -> Vec<&CaseScore> {
    let mut wrong: Vec<&CaseScore> = cases.iter().filter(|case| case.visits.iter().any(|visit| !visit.exact)).collect();
    wrong.sort_by(|a, b| a.f1.total_cmp(&b.f1).then_with(|| a.case.cmp(&b.case)));
    wrong
}

pub fn section(score: &Score, names: &Names) -> String {
    let all = worst(&score.cases);
    let mut text = "<section>\n<h2>The cases that went worst</h2>\n".to_owned();
    text += &match all.len() {
        0 => "<p>No case has a wrong cart.</p>\n</section>\n".to_owned(),
        n => format!(
            "<p class=\"aid\">Every wrong cart of the {} with the lowest F1, of {} with a wrong cart: what was taken, what \
             was charged, and what is too much (+) or too little (-).</p>\n",
            counted(n.min(CASES), "case"),
            n
        ),
    };
    if all.is_empty() {
        return text;
    }
    text += "<table class=\"wide\">\n<tr><th>case</th><th>F1</th><th>visit</th><th>taken</th><th>charged</th>\
             <th>wrong</th><th>human</th></tr>\n";
    for case in all.iter().take(CASES) {
        let wrong: Vec<&VisitScore> = case.visits.iter().filter(|visit| !visit.exact).collect();
        for (k, visit) in wrong.iter().take(CARTS).enumerate() {
            let (name, f1) = if k == 0 { (escaped(&case.case), percent(case.f1)) } else { Default::default() };
            let _ = writeln!(
                text,
                "<tr><td>{name}</td><td>{f1}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
                escaped(&visit.visit),
                list(&visit.taken, names),
                list(&visit.charged, names),
                difference(visit, names, score.currency.as_deref().unwrap_or("")),
                if visit.reviewed { "looks" } else { "" }
            );
        }
        if wrong.len() > CARTS {
            let more = counted(wrong.len() - CARTS, "more wrong cart");
            let _ = writeln!(text, "<tr><td></td><td></td><td colspan=\"5\">and {more}</td></tr>");
        }
    }
    text + "</table>\n</section>\n"
}

fn list(units: &[Taken], names: &Names) -> String {
    let each = |taken: &Taken| format!("{} x {}", taken.quantity, name(&taken.product, names));
    if units.is_empty() { "nothing".to_owned() } else { units.iter().map(each).collect::<Vec<_>>().join("<br/>") }
}

/// `+1 Cola`, `-2 Crisps`, and what that comes to.
fn difference(visit: &VisitScore, names: &Names, currency: &str) -> String {
    let count = |units: &[Taken], product: &str| -> i64 {
        units.iter().filter(|taken| taken.product == product).map(|taken| taken.quantity).sum()
    };
    let products: BTreeSet<&str> =
        visit.taken.iter().chain(&visit.charged).map(|taken| taken.product.as_str()).collect();
    let mut parts: Vec<String> = products
        .into_iter()
        .map(|product| (count(&visit.charged, product) - count(&visit.taken, product), product))
        .filter(|(n, _)| *n != 0)
        .map(|(n, product)| format!("{n:+} {}", name(product, names)))
        .collect();
    let money = visit.over_value.saturating_sub(visit.under_value);
    if money != 0 {
        let sign = if money > 0 { "+" } else { "" };
        parts.push(format!("<span class=\"quiet\">{sign}{}</span>", format_amount(Cents(money), currency)));
    }
    parts.join("<br/>")
}

fn name(product: &str, names: &Names) -> String {
    escaped(names.get(product).map_or(product, String::as_str))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::score::tests::{cart, case};

    #[test]
    fn the_lowest_come_first_and_what_is_right_not_at_all() {
        let cases = [
            case("b", 0.5, vec![cart(false, 1.0)]),
            case("a", 0.5, vec![cart(false, 1.0), cart(true, 1.0)]),
            case("c", 1.0, vec![cart(true, 1.0)]),
            case("d", 0.1, vec![cart(false, 1.0)]),
        ];
        assert_eq!(worst(&cases).iter().map(|case| case.case.as_str()).collect::<Vec<_>>(), ["d", "a", "b"]);
    }

    #[test]
    fn what_is_wrong_is_told_by_name_and_in_money() {
        let unit = |product: &str, quantity| Taken { product: product.into(), quantity };
        let visit = VisitScore {
            taken: vec![unit("1", 2), unit("2", 1)],
            charged: vec![unit("1", 1), unit("2", 1), unit("3", 1)],
            over_value: 250,
            under_value: 100,
            ..cart(false, 1.0)
        };
        let names = Names::from([("1".to_owned(), "Cola & co".to_owned())]);
        assert_eq!(
            difference(&visit, &names, "EUR"),
            "-1 Cola &amp; co<br/>+1 3<br/><span class=\"quiet\">+1.50</span>"
        );
        assert_eq!(list(&visit.taken, &names), "2 x Cola &amp; co<br/>1 x 2");
        assert_eq!(list(&[], &names), "nothing");
    }
}
