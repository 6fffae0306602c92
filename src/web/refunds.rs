//! Giving money back on a captured charge: never more than it took, and a request sent twice pays once.
//!
//! One refund is handled at a time, so that two of them cannot both see the same money as not yet given back. An
//! `Idempotency-Key` makes a repeat harmless while this process lives; the cap holds beyond that.

use super::body::{Id, Json};
use super::evidence::{self, ChargeView};
use super::tell::{Told, tell};
use super::{Problem, Web};
use crate::base::limits::ID_CHARS;
use crate::base::{Cents, ChargeId, VisitId};
use crate::carts::ChargeState;
use crate::events::{Entry, Observation};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::json;
use std::sync::Arc;
use std::time::Instant;

/// Idempotency keys remembered. More: the oldest is forgotten.
const KEYS: usize = 1024;

/// Characters of a reason. More: malformed.
const REASON_CHARS: usize = 200;

#[derive(Clone, PartialEq, Deserialize)]
pub struct RefundBody {
    /// Minor units.
    amount: Cents,
    reason: String,
}

/// A refund that was told to the floor under a key.
pub struct Given {
    charge: ChargeId,
    body: RefundBody,
    at: Instant,
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
    let key = key(&headers)?;
    let mut given = web.refunds.lock().await;
    if let Some(before) = key.as_ref().and_then(|key| given.get(key)) {
        if before.charge != charge || before.body != body {
            return Err(Problem::conflict("This Idempotency-Key was used for another refund."));
        }
        return Ok(axum::Json(look_up(&web, charge).await?.1).into_response());
    }
    let (visit, view) = look_up(&web, charge).await?;
    if view.state != ChargeState::Captured {
        return Err(Problem::conflict("This charge has not been captured; contest the receipt instead."));
    }
    if body.amount > view.total - view.refunded {
        let (total, refunded) = (view.total, view.refunded);
        return Err(Problem::conflict(format!("The charge took {total}, of which {refunded} was given back already.")));
    }
    let (amount, reason) = (body.amount, body.reason.clone());
    let answer = match tell(&web, visit, Observation::RefundAsked { charge, amount, reason }).await? {
        Told::Durable => {
            let (_, now) = look_up(&web, charge).await?;
            if now.refunded <= view.refunded {
                return Err(Problem::conflict(
                    "The floor did not take this: nothing was given back. Read the charge again.",
                ));
            }
            axum::Json(now).into_response()
        }
        Told::Pending => (StatusCode::ACCEPTED, axum::Json(json!({ "charge_id": charge }))).into_response(),
    };
    if let Some(key) = key {
        if given.len() >= KEYS {
            let oldest = given.iter().min_by_key(|(_, given)| given.at).expect("not empty").0.clone();
            given.remove(&oldest);
        }
        given.insert(key, Given { charge, body, at: Instant::now() });
    }
    Ok(answer)
}

fn key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(key) = headers.get("idempotency-key") else { return Ok(None) };
    match key.to_str() {
        Ok(key) if (1..=ID_CHARS).contains(&key.len()) => Ok(Some(key.to_owned())),
        _ => Err(Problem::malformed(format!("`Idempotency-Key` must have 1 to {ID_CHARS} plain characters."))),
    }
}

async fn look_up(web: &Web, id: ChargeId) -> Result<(VisitId, ChargeView), Problem> {
    let of_visit = move |visit, entries: &[Entry]| {
        evidence::charges(entries).into_iter().find(|view| view.charge_id == id).map(|view| (visit, view))
    };
    let found = web.books(move |books| match books.charge(id)? {
        Some(charge) => Ok(of_visit(charge.visit_id, &books.visit_entries(charge.visit_id)?)),
        None => Ok(None),
    });
    found.await?.ok_or_else(|| Problem::unknown("There is no charge of this id."))
}
