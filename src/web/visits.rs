//! Visits: who is inside with what, what is known about it and why, and binding a payer by hand.

use super::body::{self, Id};
use super::evidence::{self, ChargeView, Evidence};
use super::tell::{Told, tell};
use super::{Problem, Web};
use crate::base::{BodyId, Cents, ReceiptId, ShopTime, VisitId};
use crate::carts::{Cart, CartState, Receipt};
use crate::events::{Credential, Entry, Fact, Observation, Subject};
use crate::floor::VisitView;
use crate::sensors::gate;
use crate::sensors::wire::{self, Fields, Origin, Refusal};
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::sync::Arc;

/// A visit: its cart as on the wire, and what the page knows beside it.
#[derive(Serialize)]
struct Visit {
    #[serde(flatten)]
    cart: Cart,
    entered_us: ShopTime,
    left_us: Option<ShopTime>,
    bodies: Vec<BodyId>,
    staff: bool,
    doubts: Vec<String>,
    receipt_id: Option<ReceiptId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    charges: Option<Vec<ChargeView>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    evidence: Option<Vec<Evidence>>,
}

impl Visit {
    fn open(view: &VisitView) -> Visit {
        Visit {
            cart: view.cart.clone(),
            entered_us: view.entered_us,
            left_us: None,
            bodies: view.bodies.clone(),
            staff: view.staff,
            doubts: view.doubts.clone(),
            receipt_id: None,
            charges: None,
            evidence: None,
        }
    }

    fn closed(receipt: Receipt) -> Visit {
        Visit {
            cart: receipt.cart,
            entered_us: receipt.entered_us,
            left_us: Some(receipt.left_us),
            bodies: Vec::new(),
            staff: false,
            doubts: Vec::new(),
            receipt_id: Some(receipt.receipt_id),
            charges: None,
            evidence: None,
        }
    }

    /// A visit that left no receipt: nothing taken, staff, or a loss.
    fn without_receipt(visit_id: VisitId, currency: &str, entries: &[Entry]) -> Visit {
        let closed = entries.iter().rev().find_map(|entry| match entry.fact {
            Fact::VisitClosed { entered_us, left_us, .. } => Some((entered_us, left_us)),
            _ => None,
        });
        let first = entries.first().map_or(ShopTime::default(), |entry| entry.t);
        let (entered_us, left_us) = closed.map_or((first, None), |(entered, left)| (entered, Some(left)));
        let cart = Cart {
            visit_id,
            payer: None,
            state: CartState::Closed,
            revision: 0,
            currency: currency.to_owned(),
            lines: Vec::new(),
            total: Cents::ZERO,
            tax_total: Cents::ZERO,
            t_us: left_us.unwrap_or(first),
        };
        let (bodies, doubts) = (Vec::new(), Vec::new());
        Visit {
            cart,
            entered_us,
            left_us,
            bodies,
            staff: false,
            doubts,
            receipt_id: None,
            charges: None,
            evidence: None,
        }
    }
}

#[derive(Deserialize)]
pub struct Which {
    open: Option<String>,
}

/// Open visits, oldest first; without `?open` the visits of the newest receipts follow.
pub async fn list(
    State(web): State<Arc<Web>>,
    query: Result<Query<Which>, QueryRejection>,
) -> Result<Response, Problem> {
    let Query(which) = query.map_err(|_| Problem::malformed("The query may hold `open`, once."))?;
    let snapshot = web.now_snapshot();
    let mut visits: Vec<Visit> = snapshot.visits.iter().map(Visit::open).collect();
    if which.open.is_none_or(|open| open == "false") {
        let receipts = web.books(|books| books.receipts(None, None, None)).await?;
        let open: Vec<VisitId> = visits.iter().map(|visit| visit.cart.visit_id).collect();
        let closed = receipts.into_iter().filter(|receipt| !open.contains(&receipt.cart.visit_id));
        visits.extend(closed.map(Visit::closed));
    }
    Ok(axum::Json(json!({ "visits": visits })).into_response())
}

pub async fn get(State(web): State<Arc<Web>>, Id(id): Id) -> Result<Response, Problem> {
    Ok(axum::Json(look_up(&web, VisitId(id)).await?).into_response())
}

async fn look_up(web: &Web, id: VisitId) -> Result<Visit, Problem> {
    let open = web.now_snapshot().visits.iter().find(|view| view.cart.visit_id == id).map(Visit::open);
    let (entries, receipt) =
        web.books(move |books| Ok((books.visit_entries(id)?, books.receipt(ReceiptId::of(id))?))).await?;
    let mut visit = match (open, receipt) {
        (Some(open), _) => open,
        (None, Some(receipt)) => Visit::closed(receipt),
        (None, None) if entries.is_empty() => return Err(Problem::unknown("There is no visit of this id.")),
        (None, None) => Visit::without_receipt(id, &web.given.shop.currency, &entries),
    };
    visit.charges = Some(evidence::charges(&entries));
    visit.evidence = Some(entries.iter().map(|entry| evidence::of(entry, id, &web.given.shop)).collect());
    Ok(visit)
}

/// Staff bind a payer: `{"credential": …}` as in a tap. 200 with the visit once it is on disk, 202 while it is not. The
/// floor has the last word: who is not its payer by now was not bound, and nobody may believe that they pay.
pub async fn bind_payer(State(web): State<Arc<Web>>, Id(id): Id, request: Request) -> Result<Response, Problem> {
    let payload = body::bytes(request, &web, "payer").await?;
    let credential = read_payer(&id.to_string(), &payload).map_err(|refusal| body::refused(&web, refusal))?;
    let visit = VisitId(id);
    look_up(&web, visit).await?;
    let token = credential.token.clone();
    match tell(&web, visit, Observation::Bind { visit, credential }).await? {
        Told::Durable => {
            let entries = web.books(move |books| books.visit_entries(visit)).await?;
            if !entries.iter().any(|entry| binds(entry, &token)) {
                return Err(Problem::conflict(
                    "The floor did not take this: the visit has a payer already, or this one still pays for another \
                     visit; bind them when they have left. Read it again.",
                ));
            }
            Ok(axum::Json(look_up(&web, visit).await?).into_response())
        }
        Told::Pending => Ok((StatusCode::ACCEPTED, axum::Json(json!({ "visit_id": visit }))).into_response()),
    }
}

/// Whether an entry made the holder of `token` the payer. Sent twice, the second time finds the first one's.
fn binds(entry: &Entry, token: &str) -> bool {
    let of_token = matches!(&entry.subject, Some(Subject::Credential(credential)) if credential.token == token);
    of_token && matches!(entry.fact, Fact::PayerBound { .. })
}

fn read_payer(visit: &str, payload: &[u8]) -> Result<Credential, Refusal> {
    let from = Origin { what: "payer", device: "visit", id: visit };
    let map = wire::object(from, payload)?;
    wire::refuse_cards(from, &map)?;
    gate::credential(&Fields::of(from, &map).object("credential")?)
}
