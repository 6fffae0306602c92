//! Every path of the daemon and who may walk it, in one table. A path that is not in it does not exist.

use super::{
    Problem, Web, assets, door, health, metrics, plan, receipts, refunds, reviews, session, stream, taps, visits,
};
use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{MethodRouter, delete, get, post};
use std::sync::Arc;

/// Who may walk a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Anybody on this machine: says nothing about any person and changes nothing.
    Anybody,
    /// Bearer token or session.
    Staff,
}

type Route = (&'static str, &'static str, Access, MethodRouter<Arc<Web>>);

fn table() -> Vec<Route> {
    use Access::{Anybody, Staff};
    vec![
        ("get", "/", Anybody, get(assets::index)),
        ("get", "/style.css", Anybody, get(assets::style)),
        ("get", "/app.js", Anybody, get(assets::script)),
        ("get", "/decide.js", Anybody, get(assets::decide)),
        ("get", "/favicon.svg", Anybody, get(assets::favicon)),
        ("get", "/metrics", Anybody, get(metrics::get)),
        ("get", "/api/v1/health", Anybody, get(health::get)),
        // Logging in is how one becomes staff; it checks the token itself.
        ("post", "/api/v1/session", Anybody, post(session::log_in)),
        ("delete", "/api/v1/session", Staff, delete(session::log_out)),
        ("get", "/api/v1/shop", Staff, get(plan::get)),
        ("get", "/api/v1/stream", Staff, get(stream::get)),
        ("post", "/api/v1/gates/{gate}/taps", Staff, post(taps::post)),
        ("get", "/api/v1/visits", Staff, get(visits::list)),
        ("get", "/api/v1/visits/{id}", Staff, get(visits::get)),
        ("post", "/api/v1/visits/{id}/payer", Staff, post(visits::bind_payer)),
        ("get", "/api/v1/receipts", Staff, get(receipts::list)),
        ("get", "/api/v1/receipts/{id}", Staff, get(receipts::get)),
        ("post", "/api/v1/receipts/{id}/contest", Staff, post(receipts::contest)),
        ("get", "/api/v1/reviews", Staff, get(reviews::list)),
        ("post", "/api/v1/reviews/{id}", Staff, post(receipts::review)),
        ("post", "/api/v1/charges/{id}/refunds", Staff, post(refunds::post)),
    ]
}

/// Method (lower case), path and access of everything served; the tests hold docs/openapi.json against it.
pub fn route_list() -> Vec<(&'static str, &'static str, Access)> {
    table().into_iter().map(|(method, path, access, _)| (method, path, access)).collect()
}

pub fn router(web: Arc<Web>) -> Router {
    let mut all = Router::new();
    for (_, path, access, answer) in table() {
        let answer = match access {
            Access::Anybody => answer,
            Access::Staff => answer.route_layer(from_fn_with_state(web.clone(), door::staff_only)),
        };
        all = all.route(path, answer);
    }
    all.fallback(async || Problem::unknown("Nothing is served at this path; docs/openapi.json lists what is."))
        .method_not_allowed_fallback(async || Problem::method())
        .layer(from_fn(door::this_host_only))
        .with_state(web)
}
