//! Giving money back on a captured charge: never more than it took, and a request sent twice pays once.
//!
//! One refund is handled at a time, so that two of them cannot both see the same money as not yet given back. An
//! `Idempotency-Key` names the refund in the ledger: who heard no answer, because the power went just then, asks again
//! under the same key, and it is given once.

use super::body::{Id, Json};
use super::evidence::{self, ChargeView};
use super::tell::{Told, tell};
use super::{Problem, Web};
use crate::base::limits::ID_CHARS;
use crate::base::{Cents, ChargeId, RefundId, VisitId};
use crate::carts::{ChargeState, Refund};
use crate::events::{Entry, Fact, Observation};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::json;
use std::sync::Arc;

/// Characters of a reason. More: malformed.
const REASON_CHARS: usize = 200;

#[derive(Deserialize)]
pub struct RefundBody {
    /// Minor units.
    amount: Cents,
    reason: String,
}

pub async fn post(
    State(web): State<Arc<Web>>,
    Id(id): Id,
    headers: HeaderMap,
    Json(body): Json<RefundBody>,
) -> Result<Response, Problem> {
    let charge = ChargeId(id);
    if body.amount <= Cents::ZERO {
        return Err(Problem::malformed("`amount` must be at least 1 minor unit."));
    }
    if body.reason.trim().is_empty() || body.reason.chars().count() > REASON_CHARS {
        return Err(Problem::malformed(format!("`reason` must have 1 to {REASON_CHARS} characters.")));
    }
    let refund = key(&headers)?.map(|key| RefundId::keyed(charge, key));
    let _one_at_a_time = web.refunds.lock().await;
    let Known { visit, view, before } = look_up(&web, charge, refund).await?;
    if let Some(before) = before {
        if before.amount != body.amount || before.reason != body.reason {
            return Err(Problem::conflict("This Idempotency-Key was used for another refund of this charge."));
        }
        return Ok(axum::Json(view).into_response());
    }
    if view.state != ChargeState::Captured {
        return Err(Problem::conflict("This charge has not been captured; contest the receipt instead."));
    }
    if body.amount > view.total - view.refunded {
        let (total, refunded) = (view.total, view.refunded);
        return Err(Problem::conflict(format!("The charge took {total}, of which {refunded} was given back already.")));
    }
    let RefundBody { amount, reason } = body;
    match tell(&web, visit, Observation::RefundAsked { charge, amount, reason, refund }).await? {
        Told::Durable => {
            let now = look_up(&web, charge, refund).await?.view;
            if now.refunded <= view.refunded {
                return Err(Problem::conflict(
                    "The floor did not take this: nothing was given back. Read the charge again.",
                ));
            }
            Ok(axum::Json(now).into_response())
        }
        Told::Pending => Ok((StatusCode::ACCEPTED, axum::Json(json!({ "charge_id": charge }))).into_response()),
    }
}

fn key(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    let Some(key) = headers.get("idempotency-key") else { return Ok(None) };
    match key.to_str() {
        Ok(key) if (1..=ID_CHARS).contains(&key.len()) => Ok(Some(key)),
        _ => Err(Problem::malformed(format!("`Idempotency-Key` must have 1 to {ID_CHARS} plain characters."))),
    }
}

/// A charge, and the refund on it that the asker means, if it was made before.
struct Known {
    visit: VisitId,
    view: ChargeView,
    before: Option<Refund>,
}

async fn look_up(web: &Web, id: ChargeId, refund: Option<RefundId>) -> Result<Known, Problem> {
    let of_visit = move |visit, entries: &[Entry]| {
        let view = evidence::charges(entries).into_iter().find(|view| view.charge_id == id)?;
        let before = entries.iter().find_map(|entry| match &entry.fact {
            Fact::RefundQueued { refund: made } if Some(made.refund_id) == refund => Some(made.clone()),
            _ => None,
        });
        Some(Known { visit, view, before })
    };
    let found = web.books(move |books| match books.charge(id)? {
        Some(charge) => Ok(of_visit(charge.visit_id, &books.visit_entries(charge.visit_id)?)),
        None => Ok(None),
    });
    found.await?.ok_or_else(|| Problem::unknown("There is no charge of this id."))
}
