//! What the reference upstream answers: wire.md's upstream table.
//!
//! A decline is an answer of the moment: it takes no effect, so no key remembers it, and the same body may be tried again.
//! Tokens that begin with `tok_declined` are always declined, those with `tok_broke` get a hold and no charge.

use super::book::{AuthorizationRecord, Book, Change, ChargeRecord, RefundRecord};
use super::{Shared, faults, lock};
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Json, Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

pub(super) fn routes(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/v1/authorizations", post(authorize))
        .route("/v1/authorizations/{reference}/release", post(release))
        .route("/v1/charges", post(charge))
        .route("/v1/charges/{id}", get(find_charge))
        .route("/v1/refunds", post(refund))
        .route("/v1/events", post(events))
        .route("/v1/catalogue", get(catalogue))
        .layer(middleware::from_fn_with_state(shared.clone(), faults::around))
        .with_state(shared)
}

/// An answer, or the reason for none.
type Answer = Result<(StatusCode, Value), (StatusCode, String)>;

fn refuse<T>(status: StatusCode, reason: impl Into<String>) -> Result<T, (StatusCode, String)> {
    Err((status, reason.into()))
}

fn reply(answer: Answer) -> Response {
    match answer {
        Ok((StatusCode::NO_CONTENT, _)) => StatusCode::NO_CONTENT.into_response(),
        Ok((status, body)) => (status, Json(body)).into_response(),
        Err((status, reason)) => (status, Json(json!({"reason": reason}))).into_response(),
    }
}

/// The same key and body: the same answer. Another body: 409. Otherwise `act`, and its success is remembered.
fn once(shared: &Shared, headers: &HeaderMap, body: &Bytes, act: impl FnOnce(&mut Book, &Value) -> Answer) -> Answer {
    let Some(key) = headers.get("idempotency-key").and_then(|key| key.to_str().ok()).filter(|key| !key.is_empty())
    else {
        return refuse(StatusCode::BAD_REQUEST, "no Idempotency-Key");
    };
    let body: Value = serde_json::from_slice(body).map_err(|e| (StatusCode::BAD_REQUEST, format!("not JSON: {e}")))?;
    let mut book = lock(&shared.book);
    if let Some((known, status, answer)) = book.answered(key) {
        if *known != body {
            return refuse(StatusCode::CONFLICT, "this Idempotency-Key was used with another body");
        }
        return Ok((StatusCode::from_u16(*status).expect("it was a status when it was kept"), answer.clone()));
    }
    let (status, answer) = act(&mut book, &body)?;
    keep(&mut book, Change::Answered { key: key.to_owned(), body, status: status.as_u16(), answer: answer.clone() })?;
    Ok((status, answer))
}

fn keep(book: &mut Book, change: Change) -> Result<(), (StatusCode, String)> {
    book.record(change).map_err(|e| (StatusCode::INTERNAL_SERVER_ERROR, format!("writing the book: {e}")))
}

fn text<'a>(body: &'a Value, key: &str) -> Result<&'a str, (StatusCode, String)> {
    match body[key].as_str().filter(|text| !text.is_empty()) {
        Some(text) => Ok(text),
        None => refuse(StatusCode::UNPROCESSABLE_ENTITY, format!("{key} is missing")),
    }
}

fn amount(body: &Value, key: &str) -> Result<i64, (StatusCode, String)> {
    match body[key].as_i64().filter(|amount| *amount > 0) {
        Some(amount) => Ok(amount),
        None => refuse(StatusCode::UNPROCESSABLE_ENTITY, format!("{key} should be a positive number of minor units")),
    }
}

fn now_us() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as i64)
}

async fn authorize(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: Bytes) -> Response {
    let expires_us = now_us() + shared.hold.as_micros() as i64;
    reply(once(&shared, &headers, &body, |book, body| {
        // Staff are let in on our word alone: nothing is held for them.
        let amount = if body["amount"] == 0 { 0 } else { amount(body, "amount")? };
        let tap_id = text(body, "tap_id")?;
        let token = text(&body["credential"], "token")?;
        if token.starts_with("tok_declined") {
            return refuse(StatusCode::PAYMENT_REQUIRED, "declined");
        }
        if book.was_released(tap_id) {
            return refuse(StatusCode::PAYMENT_REQUIRED, "released before it was made");
        }
        let hold = AuthorizationRecord {
            authorization_id: format!("auth-{}", book.holds() + 1),
            tap_id: tap_id.to_owned(),
            token: token.to_owned(),
            amount,
            expires_us,
            released: false,
            used: false,
        };
        let answer = json!({"authorization_id": hold.authorization_id, "amount": amount, "expires_us": expires_us});
        keep(book, Change::Authorized(hold))?;
        Ok((StatusCode::CREATED, answer))
    }))
}

async fn release(State(shared): State<Arc<Shared>>, Path(reference): Path<String>) -> Response {
    let mut book = lock(&shared.book);
    reply(keep(&mut book, Change::Released { reference }).map(|()| (StatusCode::NO_CONTENT, Value::Null)))
}

async fn charge(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: Bytes) -> Response {
    let declining = lock(&shared.faults).decline_charges;
    reply(once(&shared, &headers, &body, |book, body| {
        let (charge_id, total) = (text(body, "charge_id")?, amount(body, "total")?);
        let lines: i64 = body["lines"].as_array().into_iter().flatten().filter_map(|line| line["total"].as_i64()).sum();
        if lines != total {
            return refuse(StatusCode::UNPROCESSABLE_ENTITY, format!("the lines come to {lines}, total says {total}"));
        }
        let token = body["credential"]["token"].as_str();
        let hold = body["authorization_id"].as_str().and_then(|id| book.hold(id));
        let declined = match (hold, token) {
            _ if declining => Some("declined"),
            (_, Some(token)) if token.starts_with("tok_declined") || token.starts_with("tok_broke") => {
                Some("insufficient_funds")
            }
            (Some(hold), _) if hold.released => Some("authorization_released"),
            // Expired, or not ours: the credential has to do.
            (None, None) => Some("nobody to charge"),
            (Some(hold), None) if hold.expires_us < now_us() => Some("authorization_expired"),
            _ => None,
        };
        // Whoever posts again what upstream cannot recognise takes the money again.
        let attempt = ChargeRecord {
            charge_id: charge_id.to_owned(),
            visit_id: text(body, "visit_id")?.to_owned(),
            sequence: body["sequence"].as_u64().unwrap_or_default(),
            token: token.map(str::to_owned),
            total,
            captured: u32::from(declined.is_none()),
            declined: u32::from(declined.is_some()),
            state: if declined.is_none() { "captured" } else { "declined" }.into(),
            body: body.clone(),
        };
        keep(book, Change::Charged(attempt))?;
        match declined {
            Some(reason) => refuse(StatusCode::PAYMENT_REQUIRED, reason),
            None => Ok((StatusCode::CREATED, json!({"state": "captured", "total": total}))),
        }
    }))
}

async fn find_charge(State(shared): State<Arc<Shared>>, Path(id): Path<String>) -> Response {
    let book = lock(&shared.book);
    reply(match book.charge(&id) {
        Some(charge) => Ok((StatusCode::OK, json!({"state": charge.state, "total": charge.total}))),
        None => refuse(StatusCode::NOT_FOUND, "never seen"),
    })
}

async fn refund(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: Bytes) -> Response {
    reply(once(&shared, &headers, &body, |book, body| {
        let (refund_id, charge_id) = (text(body, "refund_id")?, text(body, "charge_id")?);
        let amount = amount(body, "amount")?;
        let done = Ok((StatusCode::CREATED, json!({"refund_id": refund_id, "state": "done"})));
        // A refund has no look-up, so its id is remembered for ever, like a charge's.
        if book.refund(refund_id).is_some() {
            return done;
        }
        let left = match book.charge(charge_id) {
            Some(charge) if charge.captured > 0 => charge.total - book.given_back(charge_id),
            _ => return refuse(StatusCode::NOT_FOUND, "no such charge was captured"),
        };
        if amount > left {
            return refuse(StatusCode::UNPROCESSABLE_ENTITY, format!("only {left} of it are left"));
        }
        let refund =
            RefundRecord { refund_id: refund_id.to_owned(), charge_id: charge_id.to_owned(), amount, given: 1 };
        keep(book, Change::Refunded(refund))?;
        done
    }))
}

async fn events(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: Bytes) -> Response {
    let batch = || -> Result<Vec<Value>, (StatusCode, String)> {
        let sent_as = headers.get("content-type").and_then(|value| value.to_str().ok()).unwrap_or_default();
        if sent_as.split(';').next() != Some("application/cloudevents-batch+json") {
            return refuse(StatusCode::UNSUPPORTED_MEDIA_TYPE, "events come as application/cloudevents-batch+json");
        }
        let batch: Vec<Value> =
            serde_json::from_slice(&body).map_err(|e| (StatusCode::BAD_REQUEST, format!("not a batch: {e}")))?;
        for event in &batch {
            for key in ["id", "source", "type", "specversion"] {
                text(event, key)?;
            }
        }
        Ok(batch)
    };
    let mut book = lock(&shared.book);
    reply(batch().and_then(|batch| {
        let n = batch.len();
        batch.into_iter().try_for_each(|event| keep(&mut book, Change::Told { event }))?;
        Ok((StatusCode::ACCEPTED, json!({"events": n})))
    }))
}

#[derive(Deserialize)]
struct Since {
    #[serde(default)]
    since: String,
}

async fn catalogue(State(shared): State<Arc<Shared>>, Query(Since { since }): Query<Since>) -> Response {
    let (items, next) = lock(&shared.book).catalogue(since.parse().unwrap_or(0));
    reply(Ok((StatusCode::OK, json!({"items": items, "next": next.to_string()}))))
}
