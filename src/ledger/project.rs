//! What each fact does to the books: visits, charges, refunds, receipts, taps, levels.
//!
//! Every rule of money is asserted here, in the transaction that would break it.

use super::Ledger;
use super::error::{Doing, LedgerError};
use crate::base::{Cents, ChargeId, RefundId, TapId, VisitId};
use crate::carts::{Charge, ChargeState, Receipt, ReceiptStatus, Refund};
use crate::events::{Entry, Fact, Subject};
use rusqlite::types::FromSql;
use rusqlite::{OptionalExtension, Params, params};
use serde::Serialize;

/// The word an enum of ours has in JSON, and so in the book.
pub(super) fn word(of: impl Serialize) -> String {
    match serde_json::to_value(of) {
        Ok(serde_json::Value::String(word)) => word,
        other => unreachable!("a unit variant is a word, not {other:?}"),
    }
}

/// The ways of a charge. Upstream may say the same thing twice; nothing comes back from captured or written off.
pub fn charge_may_become(from: ChargeState, to: ChargeState) -> bool {
    use ChargeState::*;
    match (from, to) {
        _ if from == to => true,
        (Captured | WrittenOff, _) => false,
        // Captured, declined or unknown may be the first word on a charge: that it was sent is the outbox's note.
        (_, Sent | Captured | Declined | Unknown) => true,
        // Tried again by its schedule, or with another credential.
        (Declined, Queued) => true,
        (_, Queued) => false,
        // Only what was declined (or what nobody can be asked for) is given up.
        (_, WrittenOff) => true,
    }
}

impl Ledger {
    pub(super) fn project(&mut self, seq: u64, entry: &Entry) -> Result<(), LedgerError> {
        if let Some(visit) = entry.visit {
            self.write(
                "INSERT INTO visits (visit, first_seq) VALUES (?1, ?2) ON CONFLICT (visit) DO NOTHING",
                params![visit.to_string(), seq],
            )?;
        }
        let credential = matches!(entry.subject, Some(Subject::Credential(_)));
        match &entry.fact {
            Fact::Asked { tap_id, .. } => {
                if credential {
                    self.tap(tap_id, seq, entry.visit)?;
                }
            }
            Fact::Decided { tap_id, open, .. } => {
                if credential {
                    self.tap(tap_id, seq, entry.visit)?;
                }
                if let (true, Some(visit)) = (open, entry.visit) {
                    self.tap_is_of(tap_id, visit)?;
                }
            }
            Fact::PayerBound { tap_id, .. } => {
                let visit = about(entry, "payer_bound")?;
                let payer = match tap_id {
                    _ if credential => Some(seq),
                    Some(tap_id) => self.ask("SELECT seq FROM taps WHERE tap_id = ?1", [tap_id.as_str()])?,
                    None => None,
                };
                let Some(payer) = payer else {
                    return Err(LedgerError::Refused(format!(
                        "visit {visit} was bound to a payer whose credential is in no entry"
                    )));
                };
                if let Some(tap_id) = tap_id {
                    self.tap_is_of(tap_id, visit)?;
                }
                self.on_visit("UPDATE visits SET payer_seq = ?2 WHERE visit = ?1", visit, payer)?;
            }
            Fact::VisitOpened { .. } => {
                let visit = about(entry, "visit_opened")?;
                self.on_visit("UPDATE visits SET entered_us = ?2 WHERE visit = ?1", visit, entry.t.0)?;
            }
            Fact::Whereabouts => {
                let visit = about(entry, "whereabouts")?;
                self.on_visit("UPDATE visits SET whereabouts_seq = ?2 WHERE visit = ?1", visit, seq)?;
            }
            Fact::VisitClosed { outcome, entered_us, left_us } => {
                let visit = about(entry, "visit_closed")?;
                self.write(
                    "UPDATE visits SET entered_us = ?2, left_us = ?3, outcome = ?4 WHERE visit = ?1",
                    params![visit.to_string(), entered_us.0, left_us.0, word(*outcome)],
                )?;
            }
            Fact::Levels { shelf, .. } => {
                self.write(
                    "INSERT INTO levels (shelf, seq) VALUES (?1, ?2) ON CONFLICT (shelf) DO UPDATE SET seq = ?2",
                    params![shelf.as_str(), seq],
                )?;
            }
            Fact::Receipt { receipt } => self.receipt(seq, about(entry, "receipt")?, receipt)?,
            Fact::ChargeQueued { charge } => self.charge_queued(seq, charge)?,
            Fact::ChargeAnswered { charge_id, state, reason } => {
                self.charge_answered(seq, entry, *charge_id, *state, reason.as_deref())?
            }
            Fact::RefundQueued { refund } => self.refund_queued(seq, refund)?,
            Fact::RefundAnswered { refund_id, done } => self.refund_answered(seq, *refund_id, *done)?,
            Fact::Erased { .. } => self.erase(seq, about(entry, "erased")?)?,
            Fact::Started { .. }
            | Fact::HoldAdopted { .. }
            | Fact::HoldReleased { .. }
            | Fact::Joined { .. }
            | Fact::Left { .. }
            | Fact::Mistaken { .. }
            | Fact::Passed { .. }
            | Fact::Blind { .. }
            | Fact::GateClock { .. }
            | Fact::Reviewed { .. }
            | Fact::Contested { .. }
            | Fact::Claimed { .. }
            | Fact::Doubted { .. }
            | Fact::Loss { .. } => {}
        }
        Ok(())
    }

    fn tap(&mut self, tap_id: &TapId, seq: u64, visit: Option<VisitId>) -> Result<(), LedgerError> {
        self.write(
            "INSERT INTO taps (tap_id, seq, visit) VALUES (?1, ?2, ?3)
             ON CONFLICT (tap_id) DO UPDATE SET seq = ?2, visit = coalesce(?3, visit)",
            params![tap_id.as_str(), seq, visit.map(|v| v.to_string())],
        )?;
        Ok(())
    }

    /// The tap's credential is now this visit's: it is erased with it, and pays unless somebody else does.
    fn tap_is_of(&mut self, tap_id: &TapId, visit: VisitId) -> Result<(), LedgerError> {
        let visit = visit.to_string();
        self.write("UPDATE taps SET visit = ?2 WHERE tap_id = ?1", params![tap_id.as_str(), visit])?;
        self.write(
            "UPDATE subject_data SET expires_us = NULL WHERE seq = (SELECT seq FROM taps WHERE tap_id = ?1)",
            [tap_id.as_str()],
        )?;
        self.write(
            "UPDATE visits SET payer_seq = (SELECT seq FROM taps WHERE tap_id = ?2) WHERE visit = ?1 AND payer_seq IS NULL",
            params![visit, tap_id.as_str()],
        )?;
        Ok(())
    }

    fn receipt(&mut self, seq: u64, visit: VisitId, receipt: &Receipt) -> Result<(), LedgerError> {
        let number = receipt.number;
        let refuse = |why: String| Err(LedgerError::Refused(format!("receipt {number} of visit {visit}: {why}")));
        if receipt.cart.visit_id != visit {
            return refuse(format!("its cart is of visit {}", receipt.cart.visit_id));
        }
        if receipt.cart.payer.is_some() {
            return refuse("it names its payer, who could then never be erased; leave `payer` empty".into());
        }
        let known: Option<u64> = self.ask("SELECT number FROM receipts WHERE visit = ?1", [visit.to_string()])?;
        let expected = known.map_or_else(|| self.next_receipt_number(), Ok)?;
        if number != expected {
            return refuse(format!("its number should be {expected}; receipt numbers have no gaps and never change"));
        }
        let total: Cents = receipt.cart.lines.iter().map(|line| line.total).sum();
        if total != receipt.cart.total {
            return refuse(format!("its lines come to {total}, it says {}", receipt.cart.total));
        }
        let owed = matches!(receipt.status, ReceiptStatus::Final | ReceiptStatus::Adjusted).then_some(total.0);
        self.write(
            "INSERT INTO receipts (visit, receipt_id, number, seq, date_us, total, final_total, status)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
             ON CONFLICT (visit) DO UPDATE
             SET seq = ?4, date_us = ?5, total = ?6, final_total = coalesce(?7, final_total), status = ?8",
            params![
                visit.to_string(),
                receipt.receipt_id.to_string(),
                number,
                seq,
                receipt.left_us.0,
                total.0,
                owed,
                word(receipt.status)
            ],
        )?;
        Ok(())
    }

    fn charge_queued(&mut self, seq: u64, charge: &Charge) -> Result<(), LedgerError> {
        let id = charge.charge_id;
        let refuse = |why: String| {
            Err(LedgerError::Refused(format!("charge {} of visit {}: {why}", charge.sequence, charge.visit_id)))
        };
        if id != ChargeId::of(charge.visit_id, charge.sequence) {
            return refuse(format!("its id {id} is not the one of that visit and number"));
        }
        let lines: Cents = charge.lines.iter().map(|line| line.total).sum();
        if lines != charge.total || charge.total <= Cents::ZERO {
            return refuse(format!("it demands {}, its lines come to {lines}", charge.total));
        }
        let known: Option<String> = self.ask("SELECT state FROM charges WHERE charge_id = ?1", [id.to_string()])?;
        if let Some(state) = known {
            return refuse(format!("it is already in the books ({state}); a changed body is a new number"));
        }
        self.write(
            "INSERT INTO charges (charge_id, visit_id, n, seq, total, payer_seq, state)
             SELECT ?1, visit, ?3, ?4, ?5, payer_seq, 'queued' FROM visits WHERE visit = ?2",
            params![id.to_string(), charge.visit_id.to_string(), charge.sequence, seq, charge.total.0],
        )
        .and_then(|rows| match rows {
            1 => Ok(()),
            _ => refuse("the journal knows no such visit".into()),
        })
    }

    fn charge_answered(
        &mut self,
        seq: u64,
        entry: &Entry,
        id: ChargeId,
        to: ChargeState,
        reason: Option<&str>,
    ) -> Result<(), LedgerError> {
        let refuse = |why: String| Err(LedgerError::Refused(format!("answer to charge {id}: {why}")));
        let Some(from) = self.ask::<String>("SELECT state FROM charges WHERE charge_id = ?1", [id.to_string()])? else {
            return refuse("no such charge is in the books".into());
        };
        let state: ChargeState = serde_json::from_value(from.clone().into()).expect("states in the book are ours");
        if !charge_may_become(state, to) {
            return refuse(format!("a {from} charge cannot become {}", word(to)));
        }
        self.write(
            "UPDATE charges SET state = ?2, reason = ?3, answered_seq = ?4 WHERE charge_id = ?1",
            params![id.to_string(), word(to), reason, seq],
        )?;
        let charge = id.to_string();
        match to {
            ChargeState::Captured | ChargeState::WrittenOff => {
                self.write("DELETE FROM outbox WHERE what = 'charge' AND ref = ?1", [charge])?;
            }
            ChargeState::Declined => {
                // Due at once: sync then puts it off by its retry schedule, or gives it up.
                self.write(
                    "UPDATE outbox SET state = 'declined', declines = declines + 1, declined_us = ?2, next_try_us = ?2,
                     last_error = ?3 WHERE what = 'charge' AND ref = ?1",
                    params![charge, entry.t.0, reason],
                )?;
            }
            ChargeState::Queued | ChargeState::Sent | ChargeState::Unknown => {}
        }
        Ok(())
    }

    fn refund_queued(&mut self, seq: u64, refund: &Refund) -> Result<(), LedgerError> {
        let charge = refund.charge_id.to_string();
        let refuse =
            |why: String| Err(LedgerError::Refused(format!("refund {} on charge {charge}: {why}", refund.refund_id)));
        let Some(total) = self.ask::<i64>("SELECT total FROM charges WHERE charge_id = ?1", [&charge])? else {
            return refuse("no such charge is in the books".into());
        };
        let given: i64 = self
            .ask("SELECT coalesce(sum(amount), 0) FROM refunds WHERE charge_id = ?1 AND state != 'refused'", [&charge])?
            .unwrap_or(0);
        let all = Cents(given) + refund.amount;
        if refund.amount <= Cents::ZERO || all > Cents(total) {
            return refuse(format!("{} would make {all} given back of a charge of {}", refund.amount, Cents(total)));
        }
        self.write(
            "INSERT INTO refunds (refund_id, visit_id, charge_id, seq, amount, state) VALUES (?1, ?2, ?3, ?4, ?5, 'queued')",
            params![refund.refund_id.to_string(), refund.visit_id.to_string(), charge, seq, refund.amount.0],
        )?;
        Ok(())
    }

    fn refund_answered(&mut self, seq: u64, id: RefundId, done: bool) -> Result<(), LedgerError> {
        let refuse = |why: String| Err(LedgerError::Refused(format!("answer to refund {id}: {why}")));
        let to = if done { "done" } else { "refused" };
        match self.ask::<String>("SELECT state FROM refunds WHERE refund_id = ?1", [id.to_string()])?.as_deref() {
            None => return refuse("no such refund is in the books".into()),
            Some("queued") => {}
            Some(state) if state == to => {}
            Some(state) => return refuse(format!("a {state} refund cannot become {to}")),
        }
        self.write(
            "UPDATE refunds SET state = ?2, answered_seq = ?3 WHERE refund_id = ?1",
            params![id.to_string(), to, seq],
        )?;
        self.write("DELETE FROM outbox WHERE what = 'refund' AND ref = ?1", [id.to_string()])?;
        Ok(())
    }

    /// Forgets a visit's person: parts, salts and keys, its taps' too, and the payer in events still waiting to go out.
    fn erase(&mut self, seq: u64, visit: VisitId) -> Result<(), LedgerError> {
        let id = visit.to_string();
        let open: Option<String> = self.ask(
            "SELECT charge_id FROM charges WHERE visit_id = ?1 AND state NOT IN ('captured', 'written_off')",
            [&id],
        )?;
        if let Some(charge) = open {
            return Err(LedgerError::Refused(format!(
                "erasing visit {visit}: charge {charge} is not settled yet and needs its credential; erase it afterwards"
            )));
        }
        let theirs = "SELECT ?1 UNION SELECT tap_id FROM taps WHERE visit = ?1";
        self.write(&format!("DELETE FROM subject_data WHERE key_id IN ({theirs})"), [&id])?;
        self.write(&format!("DELETE FROM visit_keys WHERE key_id IN ({theirs})"), [&id])?;
        self.write(
            "UPDATE outbox SET body = json_set(body, '$.data.payer', NULL)
             WHERE visit = ?1 AND what = 'event' AND json_type(body, '$.data.payer') = 'object'",
            [&id],
        )?;
        self.write("UPDATE visits SET erased_seq = ?2 WHERE visit = ?1", params![id, seq])?;
        Ok(())
    }

    fn on_visit(&mut self, sql: &str, visit: VisitId, value: impl rusqlite::ToSql) -> Result<(), LedgerError> {
        self.write(sql, params![visit.to_string(), value]).map(|_| ())
    }

    /// One value of one row, if there is one.
    fn ask<T: FromSql>(&self, sql: &str, params: impl Params) -> Result<Option<T>, LedgerError> {
        self.db
            .prepare_cached(sql)
            .and_then(|mut query| query.query_row(params, |row| row.get(0)).optional())
            .doing("reading the books")
    }
}

fn about(entry: &Entry, kind: &str) -> Result<VisitId, LedgerError> {
    entry.visit.ok_or_else(|| LedgerError::Refused(format!("a {kind} entry must name its visit")))
}
