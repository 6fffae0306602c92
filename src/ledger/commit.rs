//! One transaction: entries onto the chain, their projections, outbox rows, sync's notes.

use super::error::{Doing, LedgerError};
use super::outbox::Mark;
use super::{Head, Ledger, chain};
use crate::events::{Entry, Fact, Outgoing};
use rusqlite::{OptionalExtension, Params, params};

/// What is to become durable together.
#[derive(Clone, Copy, Debug, Default)]
pub struct Work<'a> {
    pub entries: &'a [Entry],
    pub outbox: &'a [Outgoing],
    pub marks: &'a [Mark],
}

impl Work<'_> {
    fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.outbox.is_empty() && self.marks.is_empty()
    }
}

impl Ledger {
    /// Makes entries and outbox rows durable in one transaction; returns the last sequence number. With nothing to write
    /// it writes nothing. On an error nothing of it was written, and the daemon must end.
    pub fn commit(&mut self, entries: &[Entry], outbox: &[Outgoing]) -> Result<u64, LedgerError> {
        self.commit_all(&[Work { entries, outbox, marks: &[] }])
    }

    /// Several pieces of work, in order, in one transaction.
    pub fn commit_all(&mut self, work: &[Work]) -> Result<u64, LedgerError> {
        if work.iter().all(Work::is_empty) {
            return Ok(self.head.seq);
        }
        self.batch("BEGIN IMMEDIATE")?;
        let before = self.head;
        match self.carry_in(work).and_then(|erased| self.batch("COMMIT").map(|()| erased)) {
            Ok(erased) => {
                // The last of the deaths a test may ask for: committed, and nobody was told.
                self.step()?;
                if erased {
                    self.flush_out_keys()?;
                }
                Ok(self.head.seq)
            }
            Err(error) => {
                self.head = before;
                // If even this fails the connection is gone, and with it the transaction.
                let _ = self.db.execute_batch("ROLLBACK");
                Err(error)
            }
        }
    }

    /// Whether something was erased.
    fn carry_in(&mut self, work: &[Work]) -> Result<bool, LedgerError> {
        let (mut charges, mut refunds, mut erased) = (Vec::new(), Vec::new(), false);
        for Work { entries, outbox, marks } in work {
            for entry in *entries {
                self.append(entry)?;
                match &entry.fact {
                    Fact::ChargeQueued { charge } => charges.push(charge.charge_id.to_string()),
                    Fact::RefundQueued { refund } => refunds.push(refund.refund_id.to_string()),
                    Fact::Erased { .. } => erased = true,
                    _ => {}
                }
            }
            // Outbox rows are as old as the newest entry: they were decided together.
            let now = self.head.t;
            for outgoing in *outbox {
                self.queue(outgoing, now)?;
            }
            self.demands_are_queued(&charges, &refunds)?;
            charges.clear();
            refunds.clear();
            for mark in *marks {
                self.mark(mark)?;
            }
        }
        self.sweep()?;
        Ok(erased)
    }

    fn append(&mut self, entry: &Entry) -> Result<(), LedgerError> {
        let (kind, body) = chain::canonical(&entry.fact)?;
        let seq = self.head.seq + 1;
        let sealed = match &entry.subject {
            Some(subject) => {
                let key_id = key_of(entry, &kind)?;
                let key = self.key(&key_id)?;
                Some((key_id, chain::seal(&key, seq, &kind, subject)?))
            }
            None => None,
        };
        let commitment = sealed.as_ref().map_or(chain::ZERO, |(_, sealed)| sealed.commitment);
        let prev = self.head.hash;
        let hash = chain::hash(&prev, seq, &kind, entry.t, entry.visit, &body, &commitment);
        self.write(
            "INSERT INTO entries (seq, prev, kind, t_us, visit, body, commitment, hash)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            params![seq, prev, kind, entry.t.0, entry.visit.map(|v| v.to_string()), body, commitment, hash],
        )?;
        if let Some((key_id, sealed)) = sealed {
            let kept = match (&entry.fact, entry.visit) {
                (Fact::Whereabouts, _) => Some(super::WHEREABOUTS_KEPT),
                // Until it turns out to pay for a visit after all.
                (_, None) => Some(super::LONE_TAP_KEPT),
                _ => None,
            };
            let expires = kept.map(|kept| (entry.t + kept).0);
            self.write(
                "INSERT INTO subject_data (seq, key_id, salt, ciphertext, expires_us) VALUES (?1, ?2, ?3, ?4, ?5)",
                params![seq, key_id, sealed.salt, sealed.ciphertext, expires],
            )?;
        }
        self.head = Head { seq, hash, t: self.head.t.max(entry.t) };
        self.project(seq, entry)
    }

    /// The key of a visit or tap, drawn when first needed.
    fn key(&mut self, key_id: &str) -> Result<[u8; 32], LedgerError> {
        let known = self
            .db
            .prepare_cached("SELECT key FROM visit_keys WHERE key_id = ?1")
            .and_then(|mut q| q.query_row([key_id], |row| row.get(0)).optional())
            .doing(format!("reading the key of {key_id}"))?;
        if let Some(key) = known {
            return Ok(key);
        }
        let key = chain::random()?;
        self.write("INSERT INTO visit_keys (key_id, key) VALUES (?1, ?2)", params![key_id, key])?;
        Ok(key)
    }

    /// Once a minute of shop time: whereabouts and lone taps' credentials that are too old go, keys that open nothing too.
    fn sweep(&mut self) -> Result<(), LedgerError> {
        const SWEEP_EVERY_US: i64 = 60_000_000;
        let now = self.head.t;
        if now.since(self.swept) >= SWEEP_EVERY_US {
            self.swept = now;
            if self.write("DELETE FROM subject_data WHERE expires_us < ?1", params![now.0])? > 0 {
                self.write("DELETE FROM visit_keys WHERE key_id NOT IN (SELECT key_id FROM subject_data)", [])?;
            }
        }
        Ok(())
    }

    /// A deleted key is overwritten in the database, but older copies of its page wait in the WAL: fold it in and cut
    /// it off. A reader in the middle of a query can keep it a while longer; the next checkpoint gets it.
    fn flush_out_keys(&self) -> Result<(), LedgerError> {
        self.db
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
            .doing("folding the write-ahead log into the ledger after an erasure")
    }

    /// One counted write.
    pub(super) fn write(&mut self, sql: &str, params: impl Params) -> Result<usize, LedgerError> {
        self.step()?;
        self.db
            .prepare_cached(sql)
            .and_then(|mut statement| statement.execute(params))
            .doing(format!("writing to the ledger ({})", sql.split_whitespace().take(3).collect::<Vec<_>>().join(" ")))
    }

    fn batch(&mut self, sql: &str) -> Result<(), LedgerError> {
        self.step()?;
        self.db.prepare_cached(sql).and_then(|mut statement| statement.execute([])).doing(format!("ledger {sql}"))?;
        Ok(())
    }

    /// Counts a write down to the death a test asked for.
    fn step(&mut self) -> Result<(), LedgerError> {
        match &mut self.writes_left {
            None => Ok(()),
            Some(0) => Err(LedgerError::Stopped),
            Some(n) => {
                *n -= 1;
                Ok(())
            }
        }
    }
}

/// A personal part is locked under its visit's key; that of a tap that opened no visit under the tap's own.
fn key_of(entry: &Entry, kind: &str) -> Result<String, LedgerError> {
    match (&entry.visit, &entry.fact) {
        (Some(visit), _) => Ok(visit.to_string()),
        (None, Fact::Asked { tap_id, .. } | Fact::Decided { tap_id, .. }) => Ok(tap_id.to_string()),
        (None, _) => Err(LedgerError::Refused(format!(
            "a {kind} entry has a personal part but no visit and no tap, so nobody could ever erase it"
        ))),
    }
}
