//! The auditor: reads a ledger from end to end and says in plain sentences what does not add up.
//!
//! Checked: the file itself (SQLite), the hash chain, every personal part against its commitment (a missing one needs an
//! `Erased` entry, or be past its time: whereabouts an hour, a tap that opened no visit a day), the books against a fold of the journal, every open
//! demand against the outbox, receipt numbers for gaps, and for every visit: charged less refunded comes to the total of
//! its latest final receipt. The chain cannot tell that its newest entries were cut off: the report's `head` is to be
//! compared with one noted elsewhere.

use super::chain::{self, Hash};
use super::error::{Doing, LedgerError};
use super::{LONE_TAP_KEPT, Reader, WHEREABOUTS_KEPT, entries, word};
use crate::base::{Cents, ChargeId, RefundId, ShopTime, TapId, VisitId};
use crate::carts::{ChargeState, ReceiptStatus};
use crate::events::{Fact, Outcome};
use rusqlite::{Connection, Row};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    pub entries: u64,
    pub visits: u64,
    pub erased_visits: u64,
    pub receipts: u64,
    pub charges: u64,
    /// Not captured and not written off yet.
    pub open_charges: u64,
    pub refunds: u64,
    pub outbox_rows: u64,
    /// Hash of the last entry, hex.
    pub head: String,
    /// What does not add up, a sentence each. Empty is well.
    pub findings: Vec<String>,
}

/// More are not listed: the first few name the cause.
const FINDINGS: usize = 200;

impl Report {
    pub fn is_clean(&self) -> bool {
        self.findings.is_empty()
    }

    fn find(&mut self, what: String) {
        match self.findings.len() {
            n if n < FINDINGS => self.findings.push(what),
            FINDINGS => self.findings.push("and more that is not listed".into()),
            _ => {}
        }
    }
}

/// Audits the ledger file at `path`; a running shop goes on meanwhile. `Err` only if it cannot be read at all.
pub fn verify(path: &Path) -> Result<Report, LedgerError> {
    let reader = Reader::open(path)?;
    // One snapshot for everything.
    reader.db.execute_batch("BEGIN").doing("beginning to verify")?;
    let mut report = Report::default();
    the_file(&reader.db, &mut report)?;
    let books = the_journal(&reader.db, &mut report)?;
    the_books(&reader.db, &books, &mut report)?;
    the_outbox(&reader.db, &books, &mut report)?;
    the_balances(&books, &mut report);
    Ok(report)
}

/// The books as the journal alone tells them.
#[derive(Default)]
struct Books {
    visits: BTreeMap<VisitId, Visit>,
    charges: BTreeMap<ChargeId, (VisitId, Cents, ChargeState)>,
    refunds: BTreeMap<RefundId, (VisitId, Cents, &'static str)>,
}

#[derive(Default)]
struct Visit {
    outcome: Option<Outcome>,
    erased: Option<u64>,
    /// Number, total and status as they now stand.
    receipt: Option<(u64, Cents, ReceiptStatus)>,
    final_total: Option<Cents>,
}

fn the_file(db: &Connection, report: &mut Report) -> Result<(), LedgerError> {
    let deed = "checking the file";
    let mut query = db.prepare("PRAGMA integrity_check(20)").doing(deed)?;
    for line in query.query_map([], |row| row.get::<_, String>(0)).doing(deed)? {
        match line.doing(deed)?.as_str() {
            "ok" => {}
            damage => report.find(format!("the file is damaged: {damage}")),
        }
    }
    let mut query = db.prepare("PRAGMA foreign_key_check").doing(deed)?;
    for table in query.query_map([], |row| row.get::<_, String>(0)).doing(deed)? {
        report.find(format!("a row of {} points at a row that does not exist", table.doing(deed)?));
    }
    Ok(())
}

/// A personal part that the chain remembers and the file no longer has.
struct Missing {
    seq: u64,
    visit: Option<VisitId>,
    tap: Option<TapId>,
    t: ShopTime,
    whereabouts: bool,
}

fn the_journal(db: &Connection, report: &mut Report) -> Result<Books, LedgerError> {
    let deed = "reading the journal";
    let mut books = Books::default();
    let mut taps: BTreeMap<TapId, VisitId> = BTreeMap::new();
    let mut missing = Vec::new();
    let (mut head, mut last_seq, mut last_t) = (chain::ZERO, 0, ShopTime(i64::MIN));
    let mut query = db
        .prepare(
            "SELECT e.seq, e.prev, e.kind, e.t_us, e.visit, e.body, e.commitment, e.hash, s.salt, s.ciphertext, k.key
             FROM entries e LEFT JOIN subject_data s ON s.seq = e.seq LEFT JOIN visit_keys k ON k.key_id = s.key_id
             ORDER BY e.seq",
        )
        .doing(deed)?;
    let mut rows = query.query([]).doing(deed)?;
    while let Some(row) = rows.next().doing(deed)? {
        let line = Line::of(row).doing(deed)?;
        let seq = line.seq;
        report.entries += 1;
        if seq != last_seq + 1 {
            report.find(format!("the journal goes from entry {last_seq} to {seq}: what was between is gone"));
        }
        if line.prev != head {
            report.find(format!("entry {seq} does not hang from the one before: one of them was changed"));
        }
        (head, last_seq, last_t) = (line.hash, seq, last_t.max(line.t));
        let (visit, fact) = match line.read() {
            Ok(read) => read,
            Err(what) => {
                report.find(format!("entry {seq}: {what}"));
                continue;
            }
        };
        if !line.is_as_written(visit) {
            report.find(format!("entry {seq} ({}) was changed after it was written: its hash is another", line.kind));
        }
        match line.personal_part() {
            Ok(true) => {}
            Ok(false) => missing.push(Missing {
                seq,
                visit,
                tap: tap_of(&fact),
                t: line.t,
                whereabouts: matches!(fact, Fact::Whereabouts),
            }),
            Err(what) => report.find(format!("entry {seq} ({}): {what}", line.kind)),
        }
        fold(&mut books, &mut taps, seq, visit, fact, report);
    }
    for Missing { seq, visit, tap, t, whereabouts } in missing {
        let visit = visit.or_else(|| tap.and_then(|tap| taps.get(&tap).copied()));
        let erased = visit.and_then(|visit| books.visits.get(&visit)?.erased).is_some_and(|at| at > seq);
        let expired = (whereabouts && t + WHEREABOUTS_KEPT < last_t) || (visit.is_none() && t + LONE_TAP_KEPT < last_t);
        if !erased && !expired {
            report.find(format!("the personal part of entry {seq} is gone and no entry says that it was erased"));
        }
    }
    report.visits = books.visits.len() as u64;
    report.erased_visits = books.visits.values().filter(|visit| visit.erased.is_some()).count() as u64;
    report.head = head.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(books)
}

/// One entry as it lies in the file.
pub(super) struct Line {
    pub seq: u64,
    pub prev: Hash,
    kind: String,
    t: ShopTime,
    visit: Option<String>,
    body: String,
    commitment: Hash,
    pub hash: Hash,
    salt: Option<Vec<u8>>,
    ciphertext: Option<Vec<u8>>,
    key: Option<Vec<u8>>,
}

impl Line {
    /// What to select, in this order; personal parts may be null for who does not look at them.
    pub fn of(row: &Row) -> rusqlite::Result<Line> {
        Ok(Line {
            seq: row.get(0)?,
            prev: row.get(1)?,
            kind: row.get(2)?,
            t: ShopTime(row.get(3)?),
            visit: row.get(4)?,
            body: row.get(5)?,
            commitment: row.get(6)?,
            hash: row.get(7)?,
            salt: row.get(8)?,
            ciphertext: row.get(9)?,
            key: row.get(10)?,
        })
    }

    pub fn visit(&self) -> Result<Option<VisitId>, String> {
        self.visit.as_deref().map(entries::visit_of).transpose()
    }

    /// Whether it is what was written: its hash is over all of it.
    pub fn is_as_written(&self, visit: Option<VisitId>) -> bool {
        chain::hash(&self.prev, self.seq, &self.kind, self.t, visit, &self.body, &self.commitment) == self.hash
    }

    fn read(&self) -> Result<(Option<VisitId>, Fact), String> {
        let visit = self.visit()?;
        let fact = serde_json::from_str(&self.body).map_err(|e| format!("its body does not read: {e}"))?;
        Ok((visit, fact))
    }

    /// Whether everything personal that the chain remembers is there; `Err` if it is not what the chain remembers.
    fn personal_part(&self) -> Result<bool, String> {
        match (&self.salt, &self.ciphertext) {
            (Some(salt), Some(ciphertext)) => {
                if chain::commitment(salt, ciphertext) != self.commitment {
                    return Err("its personal part was changed: the chain remembers another".into());
                }
                let Some(key) = &self.key else { return Err("the key of its personal part is gone".into()) };
                chain::unseal(key, salt, self.seq, &self.kind, ciphertext).map_err(|e| e.to_string())?;
                Ok(true)
            }
            _ => Ok(self.commitment == chain::ZERO),
        }
    }
}

fn tap_of(fact: &Fact) -> Option<TapId> {
    match fact {
        Fact::Asked { tap_id, .. } | Fact::Decided { tap_id, .. } => Some(tap_id.clone()),
        _ => None,
    }
}

fn fold(
    books: &mut Books,
    taps: &mut BTreeMap<TapId, VisitId>,
    seq: u64,
    visit: Option<VisitId>,
    fact: Fact,
    report: &mut Report,
) {
    let mut of_visit = visit.map(|visit| (visit, books.visits.entry(visit).or_default()));
    match (fact, &mut of_visit) {
        (
            Fact::Decided { tap_id, open: true, .. } | Fact::PayerBound { tap_id: Some(tap_id), .. },
            Some((visit, _)),
        ) => {
            taps.insert(tap_id, *visit);
        }
        (Fact::Asked { tap_id, .. }, Some((visit, _))) => {
            taps.insert(tap_id, *visit);
        }
        (Fact::VisitClosed { outcome, .. }, Some((_, visit))) => visit.outcome = Some(outcome),
        (Fact::Erased { .. }, Some((_, visit))) => visit.erased = Some(seq),
        (Fact::Receipt { receipt }, Some((_, visit))) => {
            visit.receipt = Some((receipt.number, receipt.cart.total, receipt.status));
            if matches!(receipt.status, ReceiptStatus::Final | ReceiptStatus::Adjusted) {
                visit.final_total = Some(receipt.cart.total);
            }
        }
        (Fact::ChargeQueued { charge }, _) => {
            let one = (charge.visit_id, charge.total, ChargeState::Queued);
            if books.charges.insert(charge.charge_id, one).is_some() {
                report.find(format!("charge {} was queued twice", charge.charge_id));
            }
        }
        (Fact::ChargeAnswered { charge_id, state, .. }, _) => match books.charges.get_mut(&charge_id) {
            Some((_, _, now)) => *now = state,
            None => report.find(format!("entry {seq} answers charge {charge_id}, which was never queued")),
        },
        (Fact::RefundQueued { refund }, _) => {
            books.refunds.insert(refund.refund_id, (refund.visit_id, refund.amount, "queued"));
        }
        (Fact::RefundAnswered { refund_id, done }, _) => match books.refunds.get_mut(&refund_id) {
            Some((_, _, now)) => *now = if done { "done" } else { "refused" },
            None => report.find(format!("entry {seq} answers refund {refund_id}, which was never queued")),
        },
        _ => {}
    }
}

/// The projected tables say what the journal says.
fn the_books(db: &Connection, books: &Books, report: &mut Report) -> Result<(), LedgerError> {
    let told = |(id, (visit, total, state)): (&ChargeId, &(VisitId, Cents, ChargeState))| {
        (id.to_string(), format!("{} of visit {visit}, {}", total.0, word(*state)))
    };
    report.charges = books.charges.len() as u64;
    let sql = "SELECT charge_id, total || ' of visit ' || visit_id || ', ' || state FROM charges";
    compare(db, report, "charge", sql, books.charges.iter().map(told))?;

    let told = |(id, (visit, amount, state)): (&RefundId, &(VisitId, Cents, &str))| {
        (id.to_string(), format!("{} of visit {visit}, {state}", amount.0))
    };
    report.refunds = books.refunds.len() as u64;
    let sql = "SELECT refund_id, amount || ' of visit ' || visit_id || ', ' || state FROM refunds";
    compare(db, report, "refund", sql, books.refunds.iter().map(told))?;

    let told = |(visit, (number, total, status)): (&VisitId, (u64, Cents, ReceiptStatus))| {
        (visit.to_string(), format!("number {number}, {}, {}", total.0, word(status)))
    };
    let receipts = || books.visits.iter().filter_map(|(id, visit)| Some((id, visit.receipt?)));
    report.receipts = receipts().count() as u64;
    let sql = "SELECT visit, 'number ' || number || ', ' || total || ', ' || status FROM receipts";
    compare(db, report, "receipt of visit", sql, receipts().map(|(id, receipt)| told((id, receipt))))?;

    let mut numbers: Vec<u64> = receipts().map(|(_, (number, ..))| number).collect();
    numbers.sort_unstable();
    for (expected, number) in (1..).zip(&numbers) {
        if expected != *number {
            report.find(format!("receipt numbers are not gap-free: where {expected} should be there is {number}"));
            break;
        }
    }
    Ok(())
}

fn compare(
    db: &Connection,
    report: &mut Report,
    what: &str,
    sql: &str,
    told: impl Iterator<Item = (String, String)>,
) -> Result<(), LedgerError> {
    let deed = "reading the books";
    let mut query = db.prepare(sql).doing(deed)?;
    let rows = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).doing(deed)?;
    let mut written: BTreeMap<String, String> = rows.collect::<Result<_, _>>().doing(deed)?;
    for (id, told) in told {
        match written.remove(&id) {
            None => report.find(format!("{what} {id} is in the journal ({told}) but not in the books")),
            Some(written) if written != told => {
                report.find(format!("{what} {id}: the books say {written}; the journal says {told}"))
            }
            Some(_) => {}
        }
    }
    for (id, written) in written {
        report.find(format!("{what} {id} is in the books ({written}) but not in the journal"));
    }
    Ok(())
}

/// Every open demand is on its way, and nothing else is.
fn the_outbox(db: &Connection, books: &Books, report: &mut Report) -> Result<(), LedgerError> {
    let deed = "reading the outbox";
    let mut query = db.prepare("SELECT what, ref FROM outbox").doing(deed)?;
    let rows = query.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?))).doing(deed)?;
    let mut waiting: BTreeMap<(String, String), ()> = BTreeMap::new();
    for row in rows {
        report.outbox_rows += 1;
        waiting.insert(row.doing(deed)?, ());
    }
    let mut expect = |what: &str, id: String, open: bool| {
        match (open, waiting.contains_key(&(what.to_owned(), id.clone()))) {
            (true, false) => report.find(format!("{what} {id} is open but not in the outbox: nobody will send it")),
            (false, true) => report.find(format!("{what} {id} is settled but still in the outbox")),
            _ => {}
        };
        u64::from(open)
    };
    let mut open_charges = 0;
    for (id, (_, _, state)) in &books.charges {
        let open = !matches!(state, ChargeState::Captured | ChargeState::WrittenOff);
        open_charges += expect("charge", id.to_string(), open);
    }
    for (id, (_, _, state)) in &books.refunds {
        expect("refund", id.to_string(), *state == "queued");
    }
    report.open_charges = open_charges;
    Ok(())
}

/// Everything demanded of a visit, less everything given back, is what its latest final receipt says. What is not
/// captured yet, or was written off, is an open balance that its state explains.
fn the_balances(books: &Books, report: &mut Report) {
    let mut demanded: BTreeMap<VisitId, Cents> = BTreeMap::new();
    for (visit, total, _) in books.charges.values() {
        *demanded.entry(*visit).or_default() += *total;
    }
    let mut refused: BTreeSet<VisitId> = BTreeSet::new();
    for (visit, amount, state) in books.refunds.values() {
        if *state == "refused" {
            refused.insert(*visit);
        } else {
            let sum = demanded.entry(*visit).or_default();
            *sum = *sum - *amount;
        }
    }
    for (id, visit) in &books.visits {
        // A refund that upstream refused was none. Until a human has decided what then, the receipt is contested.
        if refused.contains(id) && visit.receipt.is_some_and(|(_, _, status)| status == ReceiptStatus::Contested) {
            continue;
        }
        let unpaid = matches!(visit.outcome, Some(Outcome::Loss | Outcome::Staff | Outcome::Empty));
        match (visit.final_total, demanded.get(id).copied()) {
            (Some(total), sum) if sum.unwrap_or_default() != total && !(sum.is_none() && unpaid) => {
                report.find(format!(
                    "visit {id}: charges less refunds come to {}, its final receipt says {total}",
                    sum.unwrap_or_default()
                ))
            }
            (None, Some(sum)) => report.find(format!("visit {id} was charged {sum} without a final receipt")),
            _ => {}
        }
    }
}
