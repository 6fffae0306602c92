//! A tap at a gate over HTTP: the same body as on MQTT, answered with the gate's decision.
//! `sensors::gate` reads both.
//!
//! Repeating a tap is harmless: the floor knows the id and gives the same decision again.

use super::body::{self, Name};
use super::{FLOOR_BUDGET, Problem, Web, tell};
use crate::events::{Decision, Observation};
use crate::sensors::gate;
use axum::Json;
use axum::extract::{Request, State};
use std::sync::Arc;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::timeout;

pub async fn post(State(web): State<Arc<Web>>, Name(gate): Name, request: Request) -> Result<Json<Decision>, Problem> {
    let payload = body::bytes(request, &web, "tap").await?;
    let arrival = web.given.clock.now();
    let tap = gate::tap(&gate, &payload, arrival, &web.given.shop).map_err(|refusal| body::refused(&web, refusal))?;
    let tap_id = tap.tap_id.clone();
    // Before sending: the decision may be out before we come back from it.
    let mut decisions = web.given.decisions.subscribe();
    tell::send(&web, Observation::Tap(tap), None).await?;
    let decided = timeout(FLOOR_BUDGET, async {
        loop {
            match decisions.recv().await {
                Ok(decision) if decision.tap_id == tap_id => return Some(decision),
                // Lagged: ours may still come; if it was among the lost ones, asking again brings it back.
                Ok(_) | Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return None,
            }
        }
    });
    match decided.await {
        Ok(Some(decision)) => Ok(Json(decision)),
        Ok(None) => Err(Problem::busy("The daemon is stopping. Send the same tap again in a moment.")),
        Err(_) => {
            web.given.counters.count("tap.no_answer");
            Err(Problem::no_answer("Send the same tap again: the same `tap_id` gets the same decision."))
        }
    }
}
