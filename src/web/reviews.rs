//! What waits for staff: each receipt with the reasons why it does, in sentences, and what a customer says against it.
//!
//! The decision itself is `receipts::review`. The reasons are read from the receipt and its visit's entries: the floor
//! decides what has to be looked at, this file only says it.

use super::receipts::as_charged;
use super::{Problem, Web};
use crate::base::{Cents, Probability, ProductId, RefundId};
use crate::carts::pricing::{self, Units};
use crate::carts::{Line, Receipt, ReceiptStatus};
use crate::events::{Entry, Fact};
use crate::shop::Shop;
use axum::Json;
use axum::extract::State;
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;

/// A receipt that waits, and what staff have to know about it.
#[derive(Debug, Serialize)]
struct Review {
    #[serde(flatten)]
    receipt: Receipt,
    /// Sentences: why a human decides.
    why: Vec<String>,
    /// `line_id`s of goods that not everybody may buy.
    restricted: Vec<String>,
    /// What the customer says otherwise; empty unless contested.
    claims: Vec<Claimed>,
    /// What staff may want to add: goods of the shelves that changed in the dark.
    perhaps: Vec<Good>,
}

/// A product, and what one more unit of it on the receipt costs today: tax and deposit included.
#[derive(Debug, PartialEq, Serialize)]
struct Good {
    product: ProductId,
    name: String,
    unit_total: Cents,
}

#[derive(Debug, PartialEq, Serialize)]
struct Claimed {
    #[serde(flatten)]
    good: Good,
    /// Units on the receipt.
    charged: i64,
    /// Units the customer says it should be.
    claimed: i64,
}

/// Oldest first.
pub async fn list(State(web): State<Arc<Web>>) -> Result<Json<Value>, Problem> {
    let shop = web.given.shop.clone();
    let read = move |books: &dyn super::Books| {
        let waiting = books.reviews()?.into_iter();
        let explained = waiting.map(|receipt| {
            let entries = books.visit_entries(receipt.cart.visit_id)?;
            Ok(explain(receipt, &entries, &shop))
        });
        explained.collect::<Result<Vec<Review>, String>>()
    };
    Ok(Json(json!({ "reviews": web.books(read).await? })))
}

fn explain(receipt: Receipt, entries: &[Entry], shop: &Shop) -> Review {
    let goods = receipt.cart.lines.iter();
    let restricted: Vec<&Line> =
        goods.filter(|line| shop.catalogue.get(&line.product).is_some_and(|product| product.restricted)).collect();
    // What was decided before is done with.
    let decided = entries.iter().rposition(|entry| matches!(entry.fact, Fact::Reviewed { .. }));
    let entries = &entries[decided.map_or(0, |last| last + 1)..];
    let claims = if receipt.status == ReceiptStatus::Contested { claims(&receipt, entries, shop) } else { Vec::new() };
    let why = match receipt.status {
        ReceiptStatus::Contested => contested(&claims, &refused(entries)),
        _ => in_doubt(&receipt, &restricted, entries),
    };
    let restricted = restricted.into_iter().map(|line| line.line_id.clone()).collect();
    let perhaps = perhaps(&receipt, entries, shop);
    Review { receipt, why, restricted, claims, perhaps }
}

fn in_doubt(receipt: &Receipt, restricted: &[&Line], entries: &[Entry]) -> Vec<String> {
    let mut why = Vec::new();
    for line in restricted {
        why.push(format!("{} is restricted: only sold after you have seen that the customer may buy it.", line.name));
    }
    for entry in entries {
        let Fact::Doubted { why: doubt, shelf } = &entry.fact else { continue };
        let several = if shelf.is_some() { "; this customer is one of several who could have done it" } else { "" };
        let doubt = format!("The visit was not followed all the way: {doubt}{several}.");
        if !why.contains(&doubt) {
            why.push(doubt);
        }
    }
    let named = |line: &&Line| receipt.in_doubt.contains(&line.line_id) && !restricted.iter().any(|r| r == line);
    for line in receipt.cart.lines.iter().filter(named) {
        let sure = line.probability.get() * 100.0;
        why.push(format!("Only {sure:.0} % sure: {} × {}.", line.quantity, line.name));
    }
    if why.is_empty() {
        let sure = receipt.cart.lines.iter().fold(Probability::CERTAIN, |sure, line| sure.and(line.probability));
        why.push(format!("All lines together are only {:.0} % sure.", sure.get() * 100.0));
    }
    why
}

/// What upstream would not give back.
fn refused(entries: &[Entry]) -> Vec<Cents> {
    let amount = |id: RefundId| {
        entries.iter().find_map(|entry| match &entry.fact {
            Fact::RefundQueued { refund } if refund.refund_id == id => Some(refund.amount),
            _ => None,
        })
    };
    let refused = entries.iter().filter_map(|entry| match &entry.fact {
        Fact::RefundAnswered { refund_id, done: false } => amount(*refund_id),
        _ => None,
    });
    refused.collect()
}

fn contested(claims: &[Claimed], refused: &[Cents]) -> Vec<String> {
    let unpaid = refused
        .iter()
        .map(|amount| format!("The payment service refused to give back {amount}; it was not given back."));
    let unpaid: Vec<String> = unpaid.collect();
    if claims.is_empty() && unpaid.is_empty() {
        return vec!["The customer contests this receipt.".to_owned()];
    }
    let sentence = |claim: &Claimed| {
        let Claimed { good: Good { name, .. }, charged, claimed } = claim;
        match charged {
            0 => format!("The customer says {claimed} × {name} is missing here."),
            _ if *claimed == 0 => format!("The customer says they did not take {name}."),
            _ => format!("The customer says it was {claimed} × {name}, not {charged}."),
        }
    };
    claims.iter().map(sentence).chain(unpaid).collect()
}

/// Where the newest contest differs from the receipt.
fn claims(receipt: &Receipt, entries: &[Entry], shop: &Shop) -> Vec<Claimed> {
    let newest = entries.iter().rev().find_map(|entry| match &entry.fact {
        Fact::Contested { lines } => Some(lines),
        _ => None,
    });
    let Some(newest) = newest else { return Vec::new() };
    let charged = as_charged(receipt);
    let differing = newest.iter().filter_map(|(product, claimed)| {
        let charged = charged.get(product).copied().unwrap_or(0);
        (charged != *claimed).then(|| Claimed { good: good(product, shop), charged, claimed: *claimed })
    });
    differing.collect()
}

/// What belongs on a shelf that changed in the dark and is not on the receipt.
fn perhaps(receipt: &Receipt, entries: &[Entry], shop: &Shop) -> Vec<Good> {
    let shelves = entries.iter().filter_map(|entry| match &entry.fact {
        Fact::Doubted { shelf, .. } => shelf.as_ref(),
        _ => None,
    });
    let known = as_charged(receipt);
    let products: BTreeSet<&ProductId> =
        shelves.flat_map(|shelf| shop.planogram.on_shelf(shelf).map(|(_, product)| product)).collect();
    products.into_iter().filter(|product| !known.contains_key(product)).map(|product| good(product, shop)).collect()
}

fn good(product: &ProductId, shop: &Shop) -> Good {
    let Some(known) = shop.catalogue.get(product) else {
        return Good { product: product.clone(), name: product.to_string(), unit_total: Cents::ZERO };
    };
    let one = Units {
        product: product.clone(),
        unit_price: known.price,
        quantity: 1,
        probability: Probability::CERTAIN,
        draft: false,
    };
    let line = pricing::line(&one, known, shop.tax_included, false);
    Good { product: line.product, name: line.name, unit_total: line.total }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{ChargeId, ReceiptId, ShelfId, ShopId, ShopTime, VisitId};
    use crate::carts::{Cart, CartState, Refund};
    use crate::shop::{Catalogue, Layout, Planogram, Product, TaxClass};

    const GOODS: [(&str, &str, i64, bool); 3] =
        [("1", "Cola", 139, false), ("2", "Red wine", 599, true), ("3", "Apple", 60, false)];

    fn shop() -> Shop {
        let mut catalogue = Catalogue::default();
        for (id, name, price, restricted) in GOODS {
            catalogue.insert(Product {
                id: ProductId::new(id),
                name: name.into(),
                price: Cents(price),
                tax: TaxClass { name: "standard".into(), rate_bp: 1900 },
                deposit: Cents(if id == "1" { 25 } else { 0 }),
                weight_g: 330.0,
                weight_tolerance_g: 5.0,
                restricted,
            });
        }
        Shop {
            id: ShopId::new("test"),
            name: "Test".into(),
            currency: "EUR".into(),
            timezone: "UTC".into(),
            tax_included: true,
            layout: Layout::default(),
            planogram: Planogram::default(),
            catalogue,
        }
    }

    fn receipt(shop: &Shop, status: ReceiptStatus, goods: &[(&str, i64, f64)], in_doubt: &[&str]) -> Receipt {
        let visit_id = VisitId(uuid::Uuid::nil());
        let line = |&(id, quantity, probability): &(&str, i64, f64)| {
            let product = shop.catalogue.get(&ProductId::new(id)).expect("a product of the test");
            let probability = Probability::from_f64(probability);
            let units =
                Units { product: product.id.clone(), unit_price: product.price, quantity, probability, draft: false };
            pricing::line(&units, product, true, false)
        };
        let lines: Vec<Line> = goods.iter().map(line).collect();
        let (total, tax_total) = pricing::totals(&lines);
        Receipt {
            cart: Cart {
                visit_id,
                payer: None,
                state: CartState::Closed,
                revision: 1,
                currency: "EUR".into(),
                lines,
                total,
                tax_total,
                t_us: ShopTime(2),
            },
            receipt_id: ReceiptId::of(visit_id),
            number: 1,
            status,
            charge_ids: Vec::new(),
            in_doubt: in_doubt.iter().map(|id| (*id).to_owned()).collect(),
            entered_us: ShopTime(1),
            left_us: ShopTime(2),
        }
    }

    fn entry(fact: Fact) -> Entry {
        Entry { t: ShopTime(2), visit: None, fact, subject: None }
    }

    #[test]
    fn staff_read_why_they_are_asked() {
        use ReceiptStatus::{BeingChecked, Contested};
        let shop = shop();
        let doubt = |why: &str| entry(Fact::Doubted { why: why.into(), shelf: None });
        let dark = entry(Fact::Doubted { why: "shelf a changed in the dark".into(), shelf: Some(ShelfId::new("a")) });
        let claim = |lines: &[(&str, i64)]| {
            entry(Fact::Contested { lines: lines.iter().map(|(id, n)| (ProductId::new(*id), *n)).collect() })
        };
        type Row<'a> = (&'a str, ReceiptStatus, &'a [(&'a str, i64, f64)], &'a [&'a str], Vec<Entry>, &'a [&'a str]);
        let refund = Refund {
            refund_id: RefundId::of(VisitId(uuid::Uuid::nil()), 0),
            visit_id: VisitId(uuid::Uuid::nil()),
            charge_id: ChargeId::of(VisitId(uuid::Uuid::nil()), 0),
            amount: Cents(50),
            lines: Vec::new(),
            reason: "warm".into(),
        };
        let not_done = entry(Fact::RefundAnswered { refund_id: refund.refund_id, done: false });
        let queued = entry(Fact::RefundQueued { refund });
        let rows: [Row; 8] = [
            (
                "restricted goods, seen well",
                BeingChecked,
                &[("1", 1, 0.99), ("2", 1, 0.99)],
                &["2"],
                vec![],
                &["Red wine is restricted: only sold after you have seen that the customer may buy it."],
            ),
            (
                "one doubt told twice",
                BeingChecked,
                &[("1", 2, 0.99)],
                &[],
                vec![doubt("nobody saw them leave"), doubt("nobody saw them leave")],
                &["The visit was not followed all the way: nobody saw them leave."],
            ),
            (
                "one of several, with nothing on the receipt",
                BeingChecked,
                &[],
                &[],
                vec![dark],
                &[
                    "The visit was not followed all the way: shelf a changed in the dark; this customer is one of several \
                   who could have done it.",
                ],
            ),
            ("an unsure line", BeingChecked, &[("1", 2, 0.4)], &["1"], vec![], &["Only 40 % sure: 2 × Cola."]),
            (
                "lines that are only unsure together",
                BeingChecked,
                &[("1", 1, 0.8), ("3", 1, 0.8)],
                &[],
                vec![],
                &["All lines together are only 64 % sure."],
            ),
            (
                "contested twice: the newest word counts",
                Contested,
                &[("1", 2, 0.99), ("3", 1, 0.99)],
                &[],
                vec![claim(&[("1", 0), ("3", 1)]), claim(&[("1", 1), ("2", 1), ("3", 0)])],
                &[
                    "The customer says it was 1 × Cola, not 2.",
                    "The customer says 1 × Red wine is missing here.",
                    "The customer says they did not take Apple.",
                ],
            ),
            (
                "a refund that upstream refused after an older contest was decided",
                Contested,
                &[("1", 1, 0.99)],
                &[],
                vec![claim(&[("1", 0)]), entry(Fact::Reviewed { lines: vec![] }), queued, not_done],
                &["The payment service refused to give back 0.50; it was not given back."],
            ),
            (
                "contested, no word kept",
                Contested,
                &[("1", 1, 0.9)],
                &[],
                vec![],
                &["The customer contests this receipt."],
            ),
        ];
        for (story, status, goods, doubtful, entries, says) in rows {
            let review = explain(receipt(&shop, status, goods, doubtful), &entries, &shop);
            assert_eq!(review.why, says, "{story}");
        }
    }

    #[test]
    fn what_the_customer_misses_comes_with_todays_price() {
        let shop = shop();
        let receipt = receipt(&shop, ReceiptStatus::Contested, &[("2", 1, 0.99)], &[]);
        let said = entry(Fact::Contested { lines: vec![(ProductId::new("1"), 2), (ProductId::new("2"), 1)] });
        let review = explain(receipt, &[said], &shop);
        let cola = || Good { product: ProductId::new("1"), name: "Cola".into(), unit_total: Cents(164) };
        assert_eq!(review.claims, [Claimed { good: cola(), charged: 0, claimed: 2 }]);
        assert_eq!(review.restricted, ["2"]);
        // And what a shelf in the dark holds can be added, but for what is on the receipt already.
        let dark = entry(Fact::Doubted { why: "dark".into(), shelf: Some(ShelfId::new("a")) });
        let mut shop = shop;
        for (plate, product) in [(1, "2"), (2, "1"), (3, "1")] {
            shop.planogram.put(ShelfId::new("a"), plate, ProductId::new(product));
        }
        assert_eq!(explain(review.receipt, &[dark], &shop).perhaps, [cola()]);
    }
}
