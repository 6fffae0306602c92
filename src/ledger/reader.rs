//! Read-only questions to the ledger: the page's, sync's and the auditor's. A reader never waits for the writer and the
//! writer never for a reader (WAL).

use super::error::{Doing, LedgerError};
use super::outbox::Due;
use super::{entries, schema};
use crate::base::{Cents, ChargeId, ReceiptId, RefundId, ShopTime, VisitId};
use crate::carts::{Charge, ChargeState, Payer, Receipt, Refund};
use crate::events::{Credential, Entry, Fact, Subject};
use rusqlite::{Connection, OpenFlags, OptionalExtension, Row, params};
use serde::Serialize;
use std::path::Path;
use std::time::Duration;

pub struct Reader {
    pub(super) db: Connection,
}

/// Which receipts. All parts must match; an empty filter gives the newest.
#[derive(Clone, Debug, Default)]
pub struct ReceiptFilter {
    /// Of the payer's credential; an erased payer never matches.
    pub last4: Option<String>,
    /// Left the shop in `[from, to)`.
    pub left: Option<(ShopTime, ShopTime)>,
    pub amount: Option<Cents>,
    /// Newest first, at most so many.
    pub limit: usize,
}

/// A charge as the books have it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ChargeView {
    pub charge_id: ChargeId,
    pub sequence: u32,
    pub total: Cents,
    pub state: ChargeState,
    pub reason: Option<String>,
    /// Given back and confirmed.
    pub refunded: Cents,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct OutboxCounts {
    pub rows: u64,
    pub oldest: Option<ShopTime>,
    pub charges: u64,
    pub refunds: u64,
    pub releases: u64,
    pub events: u64,
}

impl Reader {
    /// Opens the ledger file of a running or stopped shop. Never creates or migrates it.
    pub fn open(path: &Path) -> Result<Reader, LedgerError> {
        let deed = format!("opening ledger {} for reading", path.display());
        let db = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)
            .doing(&deed)?;
        db.busy_timeout(Duration::from_secs(5)).doing(&deed)?;
        schema::expect_current(&db, path)?;
        Ok(Reader { db })
    }

    /// Newest first, each with its payer filled in unless that was erased.
    pub fn receipts(&self, filter: &ReceiptFilter) -> Result<Vec<Receipt>, LedgerError> {
        let deed = "looking for receipts";
        let (from, to) = filter.left.map_or((i64::MIN, i64::MAX), |(from, to)| (from.0, to.0));
        let mut query = self
            .db
            .prepare_cached(
                "SELECT seq, visit FROM receipts WHERE date_us >= ?1 AND date_us < ?2 AND (?3 IS NULL OR total = ?3)
                 ORDER BY date_us DESC, number DESC",
            )
            .doing(deed)?;
        let mut rows = query.query(params![from, to, filter.amount.map(|a| a.0)]).doing(deed)?;
        let mut found = Vec::new();
        while found.len() < filter.limit
            && let Some(row) = rows.next().doing(deed)?
        {
            let receipt = self.receipt_at(row.get(0).doing(deed)?, &row.get::<_, String>(1).doing(deed)?)?;
            let last4 = receipt.cart.payer.as_ref().and_then(|payer| payer.last4.as_deref());
            if filter.last4.is_none() || filter.last4.as_deref() == last4 {
                found.push(receipt);
            }
        }
        Ok(found)
    }

    /// Visits that nobody has closed yet.
    pub fn open_visits(&self) -> Result<u64, LedgerError> {
        let open = "SELECT count(*) FROM visits WHERE left_us IS NULL AND entered_us IS NOT NULL";
        self.db.query_row(open, [], |row| row.get(0)).doing("counting open visits")
    }

    /// Receipts a human has to decide, oldest first, at most `limit`.
    pub fn undecided(&self, limit: usize) -> Result<Vec<Receipt>, LedgerError> {
        let deed = "looking for receipts to decide";
        let sql =
            "SELECT seq, visit FROM receipts WHERE status IN ('being_checked', 'contested') ORDER BY date_us LIMIT ?1";
        let mut query = self.db.prepare_cached(sql).doing(deed)?;
        let mut rows = query.query(params![limit as i64]).doing(deed)?;
        let mut found = Vec::new();
        while let Some(row) = rows.next().doing(deed)? {
            found.push(self.receipt_at(row.get(0).doing(deed)?, &row.get::<_, String>(1).doing(deed)?)?);
        }
        Ok(found)
    }

    pub fn receipt(&self, id: ReceiptId) -> Result<Option<Receipt>, LedgerError> {
        self.receipt_where("receipt_id", &id.to_string())
    }

    pub fn receipt_of(&self, visit: VisitId) -> Result<Option<Receipt>, LedgerError> {
        self.receipt_where("visit", &visit.to_string())
    }

    /// A visit's entries in order: the evidence.
    pub fn entries_of(&self, visit: VisitId) -> Result<Vec<(u64, Entry)>, LedgerError> {
        entries::of_visit(&self.db, visit)
    }

    /// Who pays for a visit, token included; `None` when nobody does or it was erased.
    pub fn credential_of(&self, visit: VisitId) -> Result<Option<Credential>, LedgerError> {
        let seq: Option<Option<u64>> =
            self.optional("SELECT payer_seq FROM visits WHERE visit = ?1", &visit.to_string(), |r| r.get(0))?;
        seq.flatten().map_or(Ok(None), |seq| self.credential_at(seq))
    }

    pub fn charges_of(&self, visit: VisitId) -> Result<Vec<ChargeView>, LedgerError> {
        let deed = "reading a visit's charges";
        let mut query = self
            .db
            .prepare_cached(
                "SELECT charge_id, n, total, state, reason,
                 (SELECT coalesce(sum(amount), 0) FROM refunds r WHERE r.charge_id = c.charge_id AND r.state = 'done')
                 FROM charges c WHERE visit_id = ?1 ORDER BY n",
            )
            .doing(deed)?;
        let rows = query
            .query_map([visit.to_string()], |row| {
                Ok(ChargeView {
                    charge_id: ChargeId(parsed(row, 0)?),
                    sequence: row.get(1)?,
                    total: Cents(row.get(2)?),
                    state: serde_json::from_value(row.get::<_, String>(3)?.into())
                        .expect("states in the book are ours"),
                    reason: row.get(4)?,
                    refunded: Cents(row.get(5)?),
                })
            })
            .doing(deed)?;
        rows.collect::<Result<_, _>>().doing(deed)
    }

    pub fn outbox(&self) -> Result<OutboxCounts, LedgerError> {
        self.db
            .query_row(
                "SELECT count(*), min(first_queued_us), count(*) FILTER (WHERE what = 'charge'),
                 count(*) FILTER (WHERE what = 'refund'), count(*) FILTER (WHERE what = 'release'),
                 count(*) FILTER (WHERE what = 'event') FROM outbox",
                [],
                |row| {
                    Ok(OutboxCounts {
                        rows: row.get(0)?,
                        oldest: row.get::<_, Option<i64>>(1)?.map(ShopTime),
                        charges: row.get(2)?,
                        refunds: row.get(3)?,
                        releases: row.get(4)?,
                        events: row.get(5)?,
                    })
                },
            )
            .doing("counting the outbox")
    }

    /// A charge's body, its visit's payer and how it stands; for sync.
    pub fn charge(&self, id: ChargeId) -> Result<Option<(Charge, Option<Credential>)>, LedgerError> {
        let found: Option<(u64, Option<u64>)> =
            self.optional("SELECT seq, payer_seq FROM charges WHERE charge_id = ?1", &id.to_string(), |row| {
                Ok((row.get(0)?, row.get(1)?))
            })?;
        let Some((seq, payer)) = found else { return Ok(None) };
        let Fact::ChargeQueued { charge } = entries::one(&self.db, seq)?.fact else {
            return Err(LedgerError::Corrupt { seq, what: format!("it should be charge {id}") });
        };
        let credential = payer.map_or(Ok(None), |payer| self.credential_at(payer))?;
        Ok(Some((charge, credential)))
    }

    pub fn refund(&self, id: RefundId) -> Result<Option<Refund>, LedgerError> {
        let seq = self.optional("SELECT seq FROM refunds WHERE refund_id = ?1", &id.to_string(), |row| row.get(0))?;
        let Some(seq) = seq else { return Ok(None) };
        match entries::one(&self.db, seq)?.fact {
            Fact::RefundQueued { refund } => Ok(Some(refund)),
            _ => Err(LedgerError::Corrupt { seq, what: format!("it should be refund {id}") }),
        }
    }

    /// Charges, refunds and releases whose turn it is: the head of each visit's queue. What was declined holds nobody up;
    /// a refund waits for its charge. Oldest tries first.
    pub fn due(&self, now: ShopTime, limit: usize) -> Result<Vec<Due>, LedgerError> {
        self.due_where(
            "o.what != 'event' AND o.next_try_us <= ?1
             AND NOT EXISTS (SELECT 1 FROM outbox b WHERE b.visit = o.visit AND b.id < o.id AND b.what != 'event'
                             AND b.state != 'declined')
             AND (o.what != 'refund' OR (SELECT c.state FROM refunds r JOIN charges c USING (charge_id)
                                         WHERE r.refund_id = o.ref) IN ('captured', 'written_off'))
             ORDER BY o.next_try_us, o.id",
            now,
            limit,
        )
    }

    /// Events in order, up to the first whose time has not come.
    pub fn due_events(&self, now: ShopTime, limit: usize) -> Result<Vec<Due>, LedgerError> {
        self.due_where(
            "o.what = 'event' AND NOT EXISTS (SELECT 1 FROM outbox b
             WHERE b.what = 'event' AND b.id <= o.id AND b.next_try_us > ?1) ORDER BY o.id",
            now,
            limit,
        )
    }

    /// When the next row that is not due yet will be.
    pub fn next_due(&self, now: ShopTime) -> Result<Option<ShopTime>, LedgerError> {
        self.db
            .query_row("SELECT min(next_try_us) FROM outbox WHERE next_try_us > ?1", [now.0], |row| {
                Ok(row.get::<_, Option<i64>>(0)?.map(ShopTime))
            })
            .doing("looking for the next row due")
    }

    fn due_where(&self, condition: &str, now: ShopTime, limit: usize) -> Result<Vec<Due>, LedgerError> {
        let deed = "reading the outbox";
        let sql = format!(
            "SELECT o.id, o.what, o.ref, o.visit, o.body, o.state, o.attempts, o.declines, o.declined_us,
             o.first_queued_us, (SELECT state FROM charges c WHERE c.charge_id = o.charge_id)
             FROM outbox o WHERE {condition} LIMIT ?2"
        );
        let mut query = self.db.prepare_cached(&sql).doing(deed)?;
        let rows = query
            .query_map(params![now.0, limit], |row| {
                Ok(Due {
                    row: row.get(0)?,
                    what: row.get(1)?,
                    reference: row.get(2)?,
                    visit: row.get(3)?,
                    body: row.get(4)?,
                    state: row.get(5)?,
                    attempts: row.get(6)?,
                    declines: row.get(7)?,
                    declined: row.get::<_, Option<i64>>(8)?.map(ShopTime),
                    first_queued: ShopTime(row.get(9)?),
                    charge_state: row.get(10)?,
                })
            })
            .doing(deed)?;
        rows.collect::<Result<_, _>>().doing(deed)
    }

    fn receipt_where(&self, column: &str, id: &str) -> Result<Option<Receipt>, LedgerError> {
        let found: Option<(u64, String)> =
            self.optional(&format!("SELECT seq, visit FROM receipts WHERE {column} = ?1"), id, |row| {
                Ok((row.get(0)?, row.get(1)?))
            })?;
        found.map(|(seq, visit)| self.receipt_at(seq, &visit)).transpose()
    }

    fn receipt_at(&self, seq: u64, visit: &str) -> Result<Receipt, LedgerError> {
        let corrupt = |what: String| LedgerError::Corrupt { seq, what };
        let Fact::Receipt { mut receipt } = entries::one(&self.db, seq)?.fact else {
            return Err(corrupt(format!("it should be the receipt of visit {visit}")));
        };
        let credential = self.credential_of(entries::visit_of(visit).map_err(corrupt)?)?;
        receipt.cart.payer = credential.map(|Credential { kind, brand, last4, token: _ }| Payer { kind, brand, last4 });
        Ok(receipt)
    }

    fn credential_at(&self, seq: u64) -> Result<Option<Credential>, LedgerError> {
        Ok(match entries::one(&self.db, seq)?.subject {
            Some(Subject::Credential(credential)) => Some(credential),
            _ => None,
        })
    }

    fn optional<T>(
        &self,
        sql: &str,
        id: &str,
        read: impl FnOnce(&Row) -> rusqlite::Result<T>,
    ) -> Result<Option<T>, LedgerError> {
        self.db
            .prepare_cached(sql)
            .and_then(|mut query| query.query_row([id], read).optional())
            .doing("reading the books")
    }
}

fn parsed(row: &Row, column: usize) -> rusqlite::Result<uuid::Uuid> {
    let text: String = row.get(column)?;
    text.parse()
        .map_err(|e| rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, Box::new(e)))
}
