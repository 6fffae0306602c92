//! How the reference upstream misbehaves, and the admin address that says so.

use super::{Shared, lock};
use axum::extract::{Json, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Router, extract::Request, middleware::Next, response::IntoResponse, response::Response};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;

/// Counts are of calls: 1 is the next one, `u32::MAX` in practice all.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Faults {
    /// Only calls whose `METHOD /path` begins like this; empty: all.
    pub only: String,
    /// Before anything else, ms.
    pub delay_ms: u64,
    /// So many calls are answered 500 and have no effect.
    pub fail_before: u32,
    /// So many calls have their effect and are answered 500.
    pub fail_after: u32,
    /// So many calls have their effect and are never answered.
    pub hang_after: u32,
    /// Every charge is declined, whatever its token.
    pub decline_charges: bool,
}

#[derive(Clone, Copy, PartialEq)]
enum Fate {
    Well,
    FailBefore,
    FailAfter,
    HangAfter,
}

impl Faults {
    /// What becomes of this call; a counted fault is used up.
    fn draw(&mut self, call: &str) -> (Duration, Fate) {
        if !call.starts_with(&self.only) {
            return (Duration::ZERO, Fate::Well);
        }
        let fate = [
            (&mut self.fail_before, Fate::FailBefore),
            (&mut self.fail_after, Fate::FailAfter),
            (&mut self.hang_after, Fate::HangAfter),
        ]
        .into_iter()
        .find(|(left, _)| **left > 0)
        .map_or(Fate::Well, |(left, fate)| {
            *left -= 1;
            fate
        });
        (Duration::from_millis(self.delay_ms), fate)
    }
}

/// Around every call of a shop: the token, then what was asked to go wrong.
pub(super) async fn around(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let call = format!("{} {}", request.method(), request.uri().path());
    if let Some(token) = &shared.token {
        let shown = request.headers().get("authorization").and_then(|value| value.to_str().ok());
        if shown != Some(&format!("Bearer {token}")) {
            return (StatusCode::UNAUTHORIZED, Json(serde_json::json!({"reason": "wrong or no bearer token"})))
                .into_response();
        }
    }
    let (delay, fate) = lock(&shared.faults).draw(&call);
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
    lock(&shared.book).note_call(call);
    if fate == Fate::FailBefore {
        shared.something_happened();
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    let answer = next.run(request).await;
    shared.something_happened();
    match fate {
        Fate::FailAfter => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        // Until the shop gives up and closes the connection.
        Fate::HangAfter => std::future::pending().await,
        Fate::Well | Fate::FailBefore => answer,
    }
}

pub(super) fn routes(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/records", get(|State(shared): State<Arc<Shared>>| async move { Json(lock(&shared.book).records()) }))
        .route("/faults", get(show).post(set))
        .route("/away", post(away))
        .route("/forget-keys", post(forget))
        .with_state(shared)
}

async fn show(State(shared): State<Arc<Shared>>) -> Json<Faults> {
    Json(lock(&shared.faults).clone())
}

async fn set(State(shared): State<Arc<Shared>>, Json(faults): Json<Faults>) -> Json<Faults> {
    *lock(&shared.faults) = faults.clone();
    Json(faults)
}

#[derive(Deserialize)]
struct Away {
    away: bool,
}

async fn away(State(shared): State<Arc<Shared>>, Json(Away { away }): Json<Away>) -> Result<(), (StatusCode, String)> {
    let turn = move || match away {
        true => {
            shared.go_away();
            Ok(())
        }
        false => shared.come_back(),
    };
    let turned = tokio::task::spawn_blocking(turn).await.expect("going away does not panic");
    turned.map_err(|e| (StatusCode::INTERNAL_SERVER_ERROR, format!("coming back: {e}")))
}

async fn forget(State(shared): State<Arc<Shared>>) -> Result<(), (StatusCode, String)> {
    shared.forget_keys().map_err(|e| (StatusCode::INTERNAL_SERVER_ERROR, format!("forgetting keys: {e}")))
}
