//! Units taken to priced lines and totals. Integer minor units; tax per line, rounded half up.

use super::bill::ChargeLine;
use super::cart::Line;
use crate::base::{Cents, Probability, ProductId};
use crate::shop::Product;

/// Units of one product at the price they were taken at.
#[derive(Clone, Debug, PartialEq)]
pub struct Units {
    pub product: ProductId,
    pub unit_price: Cents,
    pub quantity: i64,
    pub probability: Probability,
    pub draft: bool,
}

/// Prices units of `product`. `line_id` is the product's id, so that a draft and its settled line share it; a second
/// price within a visit gets its own line.
pub fn line(units: &Units, product: &Product, tax_included: bool, second_price: bool) -> Line {
    let net = units.unit_price.times(units.quantity);
    let tax = net.tax(product.tax.rate_bp, tax_included);
    let deposit = product.deposit.times(units.quantity);
    let total = if tax_included { net + deposit } else { net + tax + deposit };
    let line_id =
        if second_price { format!("{}@{}", units.product, units.unit_price.0) } else { units.product.to_string() };
    Line {
        line_id,
        product: units.product.clone(),
        name: product.name.clone(),
        quantity: units.quantity,
        unit_price: units.unit_price,
        tax,
        deposit,
        total,
        probability: units.probability,
        draft: units.draft,
    }
}

/// `(total, tax_total)` of lines.
pub fn totals(lines: &[Line]) -> (Cents, Cents) {
    (lines.iter().map(|line| line.total).sum(), lines.iter().map(|line| line.tax).sum())
}

impl From<&Line> for ChargeLine {
    fn from(line: &Line) -> ChargeLine {
        ChargeLine {
            product: line.product.clone(),
            name: line.name.clone(),
            quantity: line.quantity,
            unit_price: line.unit_price,
            tax: line.tax,
            deposit: line.deposit,
            total: line.total,
        }
    }
}

/// What changed between two sets of lines, as lines: positive quantities were added, negative taken away.
pub fn difference(before: &[ChargeLine], after: &[ChargeLine]) -> Vec<ChargeLine> {
    let key = |line: &ChargeLine| (line.product.clone(), line.unit_price);
    let mut changes: Vec<ChargeLine> = Vec::new();
    for new in after {
        match before.iter().find(|old| key(old) == key(new)) {
            Some(old) => changes.extend(minus(new, old)),
            None => changes.push(new.clone()),
        }
    }
    for old in before {
        if !after.iter().any(|new| key(new) == key(old)) {
            changes.push(ChargeLine {
                quantity: -old.quantity,
                tax: -old.tax,
                deposit: -old.deposit,
                total: -old.total,
                ..old.clone()
            });
        }
    }
    changes
}

fn minus(new: &ChargeLine, old: &ChargeLine) -> Option<ChargeLine> {
    (new.quantity != old.quantity).then(|| ChargeLine {
        quantity: new.quantity - old.quantity,
        tax: new.tax - old.tax,
        deposit: new.deposit - old.deposit,
        total: new.total - old.total,
        ..new.clone()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shop::TaxClass;

    fn cola() -> Product {
        Product {
            id: ProductId::new("cola"),
            name: "Cola 0.5 l".into(),
            price: Cents(119),
            tax: TaxClass { name: "standard".into(), rate_bp: 1900 },
            deposit: Cents(25),
            weight_g: 538.0,
            weight_tolerance_g: 10.0,
            restricted: false,
        }
    }

    fn units(quantity: i64) -> Units {
        let sure = Probability::CERTAIN;
        Units { product: ProductId::new("cola"), unit_price: Cents(119), quantity, probability: sure, draft: false }
    }

    #[test]
    fn a_line_has_tax_inside_or_on_top_and_its_deposit() {
        for (included, tax, total) in [(true, 38, 288), (false, 45, 333)] {
            let line = line(&units(2), &cola(), included, false);
            assert_eq!(
                (line.tax, line.deposit, line.total),
                (Cents(tax), Cents(50), Cents(total)),
                "included: {included}"
            );
        }
    }

    #[test]
    fn a_supplement_is_the_difference_of_two_receipts() {
        let lines = |quantity| vec![ChargeLine::from(&line(&units(quantity), &cola(), true, false))];
        for (before, after, quantity, total) in [(1, 3, 2, 288), (3, 1, -2, -288)] {
            let changes = difference(&lines(before), &lines(after));
            assert_eq!((changes[0].quantity, changes[0].total), (quantity, Cents(total)), "{before} -> {after}");
        }
        assert!(difference(&lines(2), &lines(2)).is_empty());
        assert_eq!(difference(&lines(2), &[])[0].total, Cents(-288));
        assert_eq!(difference(&[], &lines(2))[0].total, Cents(288));
    }
}
