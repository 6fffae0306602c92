//! What durability costs: one charge a transaction against a bare append of the same bytes, both flushed to the disk.

use super::{Ledger, Work, chain, file_in};
use crate::base::{Cents, ChargeId, ProductId, ReceiptId, ShopId, ShopTime, TapId, VisitId};
use crate::carts::{Cart, CartState, Charge, ChargeLine, Line, Receipt, ReceiptStatus};
use crate::events::{Credential, Entry, Fact, Opening, Outcome, Outgoing, Subject};
use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::time::Instant;

/// What was measured, a figure a round.
#[derive(Clone, Debug, Default)]
pub struct Rounds {
    /// Commits a second over appends a second: 1 is durability for free.
    pub ratios: Vec<f64>,
    pub commits_per_s: Vec<f64>,
}

/// Runs in `dir`, on the disk that is meant; leaves nothing behind but what was there.
pub fn rounds(dir: &Path, rounds: usize, transactions: u32) -> Result<Rounds, Box<dyn std::error::Error>> {
    let place = dir.join(format!("ledger-bench-{}", std::process::id()));
    std::fs::create_dir_all(&place)?;
    let measured = measure(&place, rounds, transactions);
    std::fs::remove_dir_all(&place)?;
    measured
}

fn measure(place: &Path, rounds: usize, transactions: u32) -> Result<Rounds, Box<dyn std::error::Error>> {
    let mut ledger = Ledger::open(&file_in(place))?;
    let mut bare = OpenOptions::new().create(true).append(true).open(place.join("bare"))?;
    let (mut measured, mut n) = (Rounds::default(), 0);
    // The first pair of rounds warms up files and caches and is not counted.
    for round in 0..=rounds {
        let (mut committed, mut appended) = (0.0, 0.0);
        // They came in and tapped long before: that was another transaction.
        let openings: Vec<Vec<Entry>> = (n..n + transactions).map(opening).collect();
        let openings: Vec<Work> = openings.iter().map(|entries| Work { entries, outbox: &[], marks: &[] }).collect();
        ledger.commit_all(&openings)?;
        for _ in 0..transactions {
            let (entries, outbox) = closing(n);
            n += 1;
            let facts = entries.iter().map(|e| chain::canonical(&e.fact)).collect::<Result<Vec<_>, _>>()?;
            let text: String = facts.iter().map(|(_, body)| body.as_str()).collect();
            // Turn by turn, so that both meet the same disk; who goes first changes, too.
            for turn in [n % 2, (n + 1) % 2] {
                let began = Instant::now();
                if turn == 0 {
                    ledger.commit(&entries, &outbox)?;
                    committed += began.elapsed().as_secs_f64();
                } else {
                    bare.write_all(text.as_bytes())?;
                    bare.sync_all()?;
                    appended += began.elapsed().as_secs_f64();
                }
            }
        }
        if round > 0 {
            measured.ratios.push(appended / committed);
            measured.commits_per_s.push(f64::from(transactions) / committed);
        }
    }
    Ok(measured)
}

/// Which visit, and when it was.
fn visit(n: u32) -> (TapId, VisitId, ShopTime) {
    let tap_id = TapId::new(format!("bench-{n}"));
    let visit = VisitId::begun_by(&ShopId::new("bench"), tap_id.as_str());
    (tap_id, visit, ShopTime(1_700_000_000_000_000 + i64::from(n) * 1_000_000))
}

fn opening(n: u32) -> Vec<Entry> {
    let (tap_id, visit, t) = visit(n);
    let credential =
        Credential { kind: "card".into(), token: format!("tok_{n}"), brand: None, last4: Some("4242".into()) };
    let opened = Fact::VisitOpened { by: Opening::Tap, gate: None };
    let bound = Fact::PayerBound { tap_id: Some(tap_id), hold: None, offline: false };
    let entry = |fact, subject| Entry { t, visit: Some(visit), fact, subject };
    vec![entry(opened, None), entry(bound, Some(Subject::Credential(credential)))]
}

/// The end of a visit with three lines: closing, receipt and charge, as one observation makes them.
fn closing(n: u32) -> (Vec<Entry>, Vec<Outgoing>) {
    let (_, visit, t) = visit(n);
    let names = ["Cola 0.5 l", "Sandwich, cheese", "Chewing gum, mint"];
    let lines: Vec<Line> = (1..)
        .zip(names)
        .map(|(i, name)| Line {
            line_id: format!("{visit}/{i}"),
            product: ProductId::new(format!("400000000000{i}")),
            name: name.into(),
            quantity: 1,
            unit_price: Cents(250),
            tax: Cents(40),
            deposit: Cents::ZERO,
            total: Cents(250),
            probability: crate::base::Probability::from_f64(0.98),
            draft: false,
        })
        .collect();
    let charge = Charge {
        charge_id: ChargeId::of(visit, 0),
        visit_id: visit,
        sequence: 0,
        entered_us: t,
        left_us: t,
        authorization_id: Some(format!("auth-{n}")),
        currency: "EUR".into(),
        lines: lines
            .iter()
            .map(|line| ChargeLine {
                product: line.product.clone(),
                name: line.name.clone(),
                quantity: line.quantity,
                unit_price: line.unit_price,
                tax: line.tax,
                deposit: line.deposit,
                total: line.total,
            })
            .collect(),
        total: Cents(750),
        tax_total: Cents(120),
    };
    let receipt = Receipt {
        cart: Cart {
            visit_id: visit,
            payer: None,
            state: CartState::Closed,
            revision: 4,
            currency: "EUR".into(),
            lines,
            total: Cents(750),
            tax_total: Cents(120),
            t_us: t,
        },
        receipt_id: ReceiptId::of(visit),
        number: u64::from(n) + 1,
        status: ReceiptStatus::Final,
        charge_ids: vec![charge.charge_id],
        in_doubt: Vec::new(),
        entered_us: t,
        left_us: t,
    };
    let entry = |fact| Entry { t, visit: Some(visit), fact, subject: None };
    let outbox = vec![Outgoing::Charge { charge_id: charge.charge_id, visit }];
    let entries = vec![
        entry(Fact::VisitClosed { outcome: Outcome::Charged, entered_us: t, left_us: t }),
        entry(Fact::ChargeQueued { charge }),
        entry(Fact::Receipt { receipt }),
    ];
    (entries, outbox)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_round_counts_and_nothing_is_left_behind() {
        let dir = tempfile::tempdir().unwrap();
        let measured = rounds(dir.path(), 3, 5).unwrap();
        assert_eq!((measured.ratios.len(), measured.commits_per_s.len()), (3, 3));
        assert!(measured.ratios.iter().chain(&measured.commits_per_s).all(|figure| *figure > 0.0), "{measured:?}");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
