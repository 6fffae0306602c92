//! Reading the journal back, personal parts opened where they are still kept.

use super::Ledger;
use super::chain;
use super::error::{Doing, LedgerError};
use crate::base::{ShopTime, VisitId};
use crate::events::{Entry, Fact};
use rusqlite::{Connection, Row, params};
use std::collections::VecDeque;

/// Entries read at a time: enough to make the query's cost small, little enough to hold.
const PAGE: usize = 512;

const COLUMNS: &str = "SELECT e.seq, e.kind, e.t_us, e.visit, e.body, s.salt, s.ciphertext, k.key FROM entries e
    LEFT JOIN subject_data s ON s.seq = e.seq LEFT JOIN visit_keys k ON k.key_id = s.key_id";

/// What a restart needs of `levels` and `whereabouts`, which are most of a journal, is the latest of each, and of who is
/// inside where they were in the last two minutes.
const FOR_RECOVERY: &str = "(e.kind NOT IN ('levels', 'whereabouts')
    OR (e.kind = 'levels' AND e.seq IN (SELECT seq FROM levels))
    OR (e.kind = 'whereabouts' AND e.visit IN (SELECT visit FROM visits WHERE left_us IS NULL) AND (
        e.seq IN (SELECT whereabouts_seq FROM visits WHERE left_us IS NULL) OR e.t_us >= (SELECT max(t_us) - 120000000
        FROM entries WHERE seq > (SELECT max(seq) - 1000 FROM entries)))))";

/// `(seq, entry)` in order. Ends after the first error.
pub struct Entries<'a> {
    db: &'a Connection,
    filter: &'static str,
    next_seq: u64,
    page: VecDeque<(u64, Entry)>,
    over: bool,
}

impl Ledger {
    /// Every entry from `from_seq` on.
    pub fn entries(&self, from_seq: u64) -> Entries<'_> {
        Entries::new(&self.db, from_seq, "TRUE")
    }

    /// Everything the floor must fold after a start: all entries but superseded levels and whereabouts.
    pub fn entries_for_recovery(&self) -> Entries<'_> {
        Entries::new(&self.db, 1, FOR_RECOVERY)
    }
}

impl<'a> Entries<'a> {
    pub(super) fn new(db: &'a Connection, from_seq: u64, filter: &'static str) -> Entries<'a> {
        Entries { db, filter, next_seq: from_seq, page: VecDeque::new(), over: false }
    }

    fn read_page(&mut self) -> Result<(), LedgerError> {
        let sql = format!("{COLUMNS} WHERE e.seq >= ?1 AND {} ORDER BY e.seq LIMIT ?2", self.filter);
        let mut query = self.db.prepare_cached(&sql).doing("reading the journal")?;
        let mut rows = query.query(params![self.next_seq, PAGE]).doing("reading the journal")?;
        while let Some(row) = rows.next().doing("reading the journal")? {
            let (seq, entry) = entry_of(row)?;
            self.next_seq = seq + 1;
            self.page.push_back((seq, entry));
        }
        self.over = self.page.len() < PAGE;
        Ok(())
    }
}

impl Iterator for Entries<'_> {
    type Item = Result<(u64, Entry), LedgerError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.page.is_empty()
            && !self.over
            && let Err(error) = self.read_page()
        {
            self.over = true;
            self.page.clear();
            return Some(Err(error));
        }
        self.page.pop_front().map(Ok)
    }
}

/// Entries of one visit, in order.
pub(super) fn of_visit(db: &Connection, visit: VisitId) -> Result<Vec<(u64, Entry)>, LedgerError> {
    let deed = "reading a visit's entries";
    let mut query = db.prepare_cached(&format!("{COLUMNS} WHERE e.visit = ?1 ORDER BY e.seq")).doing(deed)?;
    let mut rows = query.query([visit.to_string()]).doing(deed)?;
    let mut entries = Vec::new();
    while let Some(row) = rows.next().doing(deed)? {
        entries.push(entry_of(row)?);
    }
    Ok(entries)
}

/// One entry by number.
pub(super) fn one(db: &Connection, seq: u64) -> Result<Entry, LedgerError> {
    let deed = format!("reading entry {seq}");
    let mut query = db.prepare_cached(&format!("{COLUMNS} WHERE e.seq = ?1")).doing(&deed)?;
    let mut rows = query.query([seq]).doing(&deed)?;
    match rows.next().doing(&deed)? {
        Some(row) => entry_of(row).map(|(_, entry)| entry),
        None => Err(LedgerError::Corrupt { seq, what: "it is missing".into() }),
    }
}

fn entry_of(row: &Row) -> Result<(u64, Entry), LedgerError> {
    let deed = "reading an entry";
    let seq: u64 = row.get(0).doing(deed)?;
    let corrupt = |what: String| LedgerError::Corrupt { seq, what };
    let kind: String = row.get(1).doing(deed)?;
    let visit: Option<String> = row.get(3).doing(deed)?;
    let visit = visit.map(|text| visit_of(&text)).transpose().map_err(corrupt)?;
    let body: String = row.get(4).doing(deed)?;
    let fact: Fact = serde_json::from_str(&body).map_err(|e| corrupt(format!("its body does not read: {e}")))?;
    let bytes = |column| row.get::<_, Option<Vec<u8>>>(column).doing(deed);
    let subject = match (bytes(5)?, bytes(6)?, bytes(7)?) {
        (Some(salt), Some(ciphertext), Some(key)) => Some(chain::unseal(&key, &salt, seq, &kind, &ciphertext)?),
        _ => None,
    };
    Ok((seq, Entry { t: ShopTime(row.get(2).doing(deed)?), visit, fact, subject }))
}

pub(super) fn visit_of(text: &str) -> Result<VisitId, String> {
    text.parse().map(VisitId).map_err(|e| format!("visit {text:?} is no uuid: {e}"))
}
