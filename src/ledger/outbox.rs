//! Rows on their way upstream: how they get into the outbox, and the notes sync makes on them.
//!
//! There is one writer, so sync does not write: it sends [`Mark`]s through the writer's queue, in the order it means them,
//! and no reader ever meets a half-written row or a busy database. A charge or refund row cannot be marked away: it goes
//! in the transaction of the entry that answers it.

use super::Ledger;
use super::error::{Doing, LedgerError};
use crate::base::ShopTime;
use crate::events::Outgoing;
use rusqlite::params;
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowState {
    Waiting,
    /// On its way, or was when we died: asked for before it is sent again.
    Sent,
    /// Upstream may or may not have it: asked for before it is sent again.
    Unknown,
    /// Upstream said no; it waits for another try and holds nobody up.
    Declined,
}

impl RowState {
    const ALL: [(RowState, &str); 4] = [
        (RowState::Waiting, "waiting"),
        (RowState::Sent, "sent"),
        (RowState::Unknown, "unknown"),
        (RowState::Declined, "declined"),
    ];
}

impl ToSql for RowState {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        let (_, word) = Self::ALL.iter().find(|(state, _)| state == self).expect("every state has a word");
        Ok(ToSqlOutput::from(*word))
    }
}

impl FromSql for RowState {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let found = value.as_str()?;
        Self::ALL.iter().find(|(_, word)| *word == found).map(|(state, _)| *state).ok_or(FromSqlError::InvalidType)
    }
}

/// A note of sync on an outbox row. A row that has gone meanwhile is no error: its answer was faster.
#[derive(Clone, Debug, PartialEq)]
pub enum Mark {
    /// About to be sent; durable before the first byte goes out.
    Sending { row: i64 },
    /// Not before `next_try`; `error` is for a person.
    Later { row: i64, state: RowState, next_try: ShopTime, error: Option<String> },
    /// Upstream has it and there is nothing to answer: a release or an event.
    Delivered { row: i64 },
}

/// A row whose turn it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Due {
    pub row: i64,
    /// charge, refund, release or event.
    pub what: String,
    pub reference: String,
    pub visit: Option<String>,
    /// An event's JSON.
    pub body: Option<String>,
    pub state: RowState,
    pub attempts: u32,
    pub declines: u32,
    pub declined: Option<ShopTime>,
    pub first_queued: ShopTime,
    /// What the books say of the charge, if it is one.
    pub charge_state: Option<String>,
}

impl Ledger {
    pub(super) fn queue(&mut self, outgoing: &Outgoing, now: ShopTime) -> Result<(), LedgerError> {
        let mut queued = now;
        let (what, reference, visit, body) = match outgoing {
            Outgoing::Charge { charge_id, visit } => ("charge", charge_id.to_string(), Some(*visit), None),
            Outgoing::Refund { refund_id, visit } => ("refund", refund_id.to_string(), Some(*visit), None),
            Outgoing::Release { authorization_or_tap, visit } => {
                ("release", authorization_or_tap.clone(), *visit, None)
            }
            Outgoing::Event(event) => {
                queued = event.t;
                let body = serde_json::to_string(event)
                    .map_err(|e| LedgerError::Refused(format!("event {} cannot be written as JSON: {e}", event.id)))?;
                let visit = event.subject.as_deref().and_then(|s| s.parse().ok()).map(crate::base::VisitId);
                ("event", event.id.clone(), visit, Some(body))
            }
        };
        let visit = visit.map(|visit| visit.to_string());
        // Said twice while still waiting is said once; a charge said twice never gets here.
        self.write(
            "INSERT INTO outbox (what, ref, visit, body, next_try_us, first_queued_us) VALUES (?1, ?2, ?3, ?4, ?5, ?5)
             ON CONFLICT (what, ref) DO NOTHING",
            params![what, reference, visit, body, queued.0],
        )?;
        Ok(())
    }

    pub(super) fn mark(&mut self, mark: &Mark) -> Result<(), LedgerError> {
        match mark {
            Mark::Sending { row } => {
                self.write("UPDATE outbox SET state = 'sent', attempts = attempts + 1 WHERE id = ?1", params![row])?
            }
            Mark::Later { row, state, next_try, error } => self.write(
                "UPDATE outbox SET state = ?2, next_try_us = ?3, last_error = coalesce(?4, last_error) WHERE id = ?1",
                params![row, state, next_try.0, error],
            )?,
            Mark::Delivered { row } => {
                self.write("DELETE FROM outbox WHERE id = ?1 AND what IN ('release', 'event')", params![row])?
            }
        };
        Ok(())
    }

    /// Every open demand has its row: a charge that nobody will ever send must not become durable.
    pub(super) fn demands_are_queued(&self, charges: &[String], refunds: &[String]) -> Result<(), LedgerError> {
        for (what, ids) in [("charge", charges), ("refund", refunds)] {
            for id in ids {
                let queued = self
                    .db
                    .prepare_cached("SELECT 1 FROM outbox WHERE what = ?1 AND ref = ?2")
                    .and_then(|mut q| q.exists(params![what, id]))
                    .doing(format!("looking for the outbox row of {what} {id}"))?;
                if !queued {
                    return Err(LedgerError::Refused(format!(
                        "{what} {id} is in the journal but not in the outbox: give both to the same commit"
                    )));
                }
            }
        }
        Ok(())
    }
}
