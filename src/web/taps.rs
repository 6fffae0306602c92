//! A tap at a gate over HTTP: the same body as on MQTT, answered with the gate's decision.
//!
//! Repeating a tap is harmless: the floor knows the id and gives the same decision again.

use super::{FLOOR_BUDGET, Problem, Web, body, tell};
use crate::base::limits::ID_CHARS;
use crate::base::{GateId, TapId};
use crate::events::{Credential, Decision, Direction, Observation, Tap};
use axum::Json;
use axum::extract::{Path, Request, State};
use serde::Deserialize;
use std::sync::Arc;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::timeout;

/// What a credential may be (wire.md).
const KINDS: [&str; 5] = ["card", "wallet", "code", "staff", "external"];

/// Characters of an opaque token. Longer: malformed.
const TOKEN_CHARS: usize = 256;

/// People one tap may let in. More: malformed.
const GROUP: u32 = 50;

#[derive(Deserialize)]
struct TapBody {
    tap_id: String,
    t_us: i64,
    direction: Direction,
    credential: Credential,
    #[serde(default = "one")]
    group_size: u32,
}

fn one() -> u32 {
    1
}

pub async fn post(
    State(web): State<Arc<Web>>,
    Path(gate): Path<String>,
    request: Request,
) -> Result<Json<Decision>, Problem> {
    let gate = GateId::new(gate);
    if !web.given.shop.layout.gates.contains_key(&gate) {
        web.given.counters.refuse("tap.unknown_gate", "a tap came by HTTP for a gate that shop.toml does not name");
        let gates: Vec<&str> = web.given.shop.layout.gates.keys().map(GateId::as_str).collect();
        return Err(Problem::unknown(format!("This shop has no such gate; it has {}.", gates.join(", "))));
    }
    let tap: TapBody = body::read(request, &web, "tap").await?;
    if let Err(why) = check(&tap) {
        web.given.counters.refuse("tap.malformed", &why);
        return Err(Problem::malformed(why));
    }
    let tap_id = TapId::new(&tap.tap_id);
    // Before sending: the decision may be out before we come back from it.
    let mut decisions = web.given.decisions.subscribe();
    let tap = Tap {
        gate,
        tap_id: tap_id.clone(),
        t_us: tap.t_us,
        direction: tap.direction,
        credential: tap.credential,
        group_size: tap.group_size,
    };
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

fn check(tap: &TapBody) -> Result<(), String> {
    if tap.tap_id.is_empty() || tap.tap_id.chars().count() > ID_CHARS {
        return Err(format!("`tap_id` must have 1 to {ID_CHARS} characters."));
    }
    if tap.t_us <= 0 {
        return Err("`t_us` must be microseconds since the Unix epoch.".to_owned());
    }
    if !(1..=GROUP).contains(&tap.group_size) {
        return Err(format!("`group_size` must be 1 to {GROUP}."));
    }
    check_credential(&tap.credential)
}

/// Shared with binding a payer by hand.
pub fn check_credential(credential: &Credential) -> Result<(), String> {
    if !KINDS.contains(&credential.kind.as_str()) {
        return Err(format!("`credential.kind` must be one of {}.", KINDS.join(", ")));
    }
    if credential.token.is_empty() || credential.token.chars().count() > TOKEN_CHARS {
        return Err(format!("`credential.token` must have 1 to {TOKEN_CHARS} characters."));
    }
    if credential.last4.as_ref().is_some_and(|last4| !is_last4(last4)) {
        return Err("`credential.last4` must be four digits.".to_owned());
    }
    if credential.brand.as_ref().is_some_and(|brand| brand.chars().count() > ID_CHARS) {
        return Err(format!("`credential.brand` must have at most {ID_CHARS} characters."));
    }
    Ok(())
}

pub fn is_last4(text: &str) -> bool {
    text.len() == 4 && text.bytes().all(|byte| byte.is_ascii_digit())
}
