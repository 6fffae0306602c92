//! The door: which callers come in at all, and what every answer tells the browser to refuse.
//!
//! Three strangers are kept out: a page of another site that had its own name point here (Host), a page that lets the
//! browser bring the session along (Origin), and anybody without the token. They learn nothing but which it was.

use super::session::{self, Key};
use super::{Problem, Web};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::sync::Arc;

/// How a caller showed who they are; in the request's extensions behind [`staff_only`].
#[derive(Clone, Debug, PartialEq)]
pub enum Caller {
    Token,
    Session(Key),
}

/// Own files only, framed by nobody; nothing here needs a foreign font, script or picture.
const POLICY: &str = "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; \
                      frame-ancestors 'none'";

const HEADERS: [(HeaderName, &str); 6] = [
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// Refuses names that are not this machine's own (DNS rebinding) and sets the security headers on every answer.
pub async fn this_host_only(request: Request, next: Next) -> Response {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    let named = request.uri().authority().map(|authority| authority.as_str());
    let ours = host.is_some_and(is_this_machine) && named.is_none_or(is_this_machine);
    let mut response = if ours { next.run(request).await } else { Problem::host().into_response() };
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    // Carts and receipts stay out of every cache; the page's own files say otherwise themselves.
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// Token or session, or 401. A session cookie also needs our own page to be the one asking, as a browser attaches it
/// to whatever page of this machine sends the request, on any port.
pub async fn staff_only(State(web): State<Arc<Web>>, mut request: Request, next: Next) -> Response {
    let caller = match caller(&web, request.headers()) {
        Some(caller) => caller,
        None => {
            let counted = if request.headers().contains_key(header::AUTHORIZATION) { "wrong" } else { "missing" };
            web.given.counters.count(&format!("web.token_{counted}"));
            return Problem::unauthorised().into_response();
        }
    };
    let changes = !matches!(*request.method(), Method::GET | Method::HEAD);
    if changes && matches!(caller, Caller::Session(_)) && !is_own_page(request.headers(), true) {
        web.given.counters.count("web.foreign_origin");
        return Problem::foreign("A session may change things only from this daemon's own page.").into_response();
    }
    request.extensions_mut().insert(caller);
    next.run(request).await
}

fn caller(web: &Web, headers: &HeaderMap) -> Option<Caller> {
    if let Some(given) = headers.get(header::AUTHORIZATION) {
        // A wrong token is not made good by a cookie: who sends one means it.
        let (scheme, token) = given.to_str().ok()?.split_once(' ')?;
        let fits = scheme.eq_ignore_ascii_case("bearer") && web.given.sessions.is_token(token.trim());
        return fits.then_some(Caller::Token);
    }
    let key = session::key_of(headers)?;
    web.given.sessions.is_open(&key).then_some(Caller::Session(key))
}

/// Whether the request came from a page served under the same name and port. Without an Origin: `!required`.
pub fn is_own_page(headers: &HeaderMap, required: bool) -> bool {
    let Some(origin) = headers.get(header::ORIGIN) else { return !required };
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let origin = origin.to_str().ok().and_then(|origin| origin.split_once("://")).map(|(_, authority)| authority);
    matches!((origin, host), (Some(origin), Some(host)) if origin.eq_ignore_ascii_case(host))
}

/// `localhost`, `127.0.0.1` or `[::1]`, with or without a port.
fn is_this_machine(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    };
    name.eq_ignore_ascii_case("localhost") || name == "127.0.0.1" || name == "[::1]"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machines_names_are_answered() {
        for (host, ours) in [
            ("localhost", true),
            ("LocalHost:8080", true),
            ("127.0.0.1:8080", true),
            ("[::1]", true),
            ("[::1]:8080", true),
            ("localhost.evil.example", false),
            ("127.0.0.1.evil.example:80", false),
            ("evil.example:8080", false),
            ("user@localhost", false),
            ("localhost:", false),
            ("localhost:80:80", false),
            ("", false),
        ] {
            assert_eq!(is_this_machine(host), ours, "{host:?}");
        }
    }
}
