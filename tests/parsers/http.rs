//! Requests over HTTP, through everything behind the socket: door, route, body, floor, answer.
//!
//! An input reads like a request without its version: `POST /api/v1/reviews/…`, header lines, an empty line, the body.
//! Name, token and content type are those of an honest caller unless a header line says otherwise.

use super::families::{self, SECRET, readable_detail};
use super::sample::sample_shop;
use super::stubs::{FloorDoes, TOKEN, Wired};
use axum::body::{Body, Bytes, to_bytes};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, header};
use carryout::base::card;
use carryout::events::Observation;
use carryout::shop::Shop;
use carryout::web::{Web, router};
use serde_json::Value;
use std::sync::{Arc, LazyLock};
use tokio::runtime::Runtime;
use tower_service::Service;

static SHOP: LazyLock<Arc<Shop>> = LazyLock::new(|| Arc::new(sample_shop()));

static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime"));

/// What came of a request.
struct Answered {
    status: StatusCode,
    headers: HeaderMap,
    /// Empty for the live stream, which never ends.
    body: Bytes,
    told: Vec<Observation>,
}

pub fn http(data: &[u8]) -> bool {
    let end = data.windows(2).position(|two| two == b"\n\n");
    let (head, body) = end.map_or((data, &[][..]), |end| (&data[..end], &data[end + 2..]));
    let Ok(head) = std::str::from_utf8(head) else { return false };
    let Some(request) = request(head, body) else { return false };
    let method = request.method().clone();
    let answered = RUNTIME.block_on(ask(request));
    assert!(answered.headers.contains_key(header::CONTENT_SECURITY_POLICY), "an answer past the door");
    for observation in &answered.told {
        let json = serde_json::to_value(observation).expect("an observation is JSON");
        assert!(!card::holds_card_number(&json), "the floor was told a card number: {json}");
        families::reads_back(observation);
    }
    if answered.status.is_success() {
        return true;
    }
    assert!(answered.told.len() <= 1 && answered.status.is_client_error(), "{}", answered.status);
    if method != Method::HEAD {
        is_a_problem(&answered, head);
    }
    false
}

fn request(head: &str, body: &[u8]) -> Option<Request<Body>> {
    let mut lines = head.lines();
    let (method, target) = lines.next()?.split_once(' ')?;
    let request = Request::builder().method(method).uri(target).header(header::HOST, "localhost:8080");
    let request = request.header(header::AUTHORIZATION, format!("Bearer {TOKEN}"));
    let request = request.header(header::CONTENT_TYPE, "application/json");
    let mut request = request.body(Body::from(body.to_vec())).ok()?;
    for line in lines {
        let (name, value) = line.split_once(": ")?;
        let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
        request.headers_mut().insert(name, HeaderValue::from_bytes(value.as_bytes()).ok()?);
    }
    Some(request)
}

/// A daemon's web side that has seen nothing before, and its answer.
async fn ask(request: Request<Body>) -> Answered {
    let mut wired = Wired::new(SHOP.clone());
    let floor = tokio::spawn(wired.floor(FloorDoes::Answers));
    let Wired { given, told, .. } = wired;
    let stopping = tokio::sync::watch::channel(false).1;
    let answer = router(Web::new(given, stopping)).call(request).await.expect("a router always answers");
    let (parts, body) = answer.into_parts();
    let stream = parts.headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind == "text/event-stream");
    let body = if stream {
        // It holds on to the floor.
        drop(body);
        Bytes::new()
    } else {
        to_bytes(body, usize::MAX).await.expect("a whole answer")
    };
    // Nobody can tell the floor anything any more; what went wrong in it goes wrong here.
    floor.await.expect("the floor did not stumble");
    let told = std::mem::take(&mut *told.lock().expect("told"));
    Answered { status: parts.status, headers: parts.headers, body, told }
}

/// A refusal has a name and a sentence, and does not repeat what it refused.
fn is_a_problem(answered: &Answered, head: &str) {
    let text = String::from_utf8_lossy(&answered.body);
    let kind = answered.headers.get(header::CONTENT_TYPE);
    assert!(kind.is_some_and(|kind| kind == "application/problem+json"), "{}: {text:.200}", answered.status);
    let problem: Value = serde_json::from_str(&text).expect("a problem is JSON");
    assert_eq!(problem["status"], answered.status.as_u16(), "{problem}");
    assert!(problem["type"].as_str().is_some_and(|name| name.starts_with("urn:carryout:problem:")), "{problem}");
    readable_detail(problem["detail"].as_str().expect("a sentence"));
    // A gate is named as its path names it.
    assert!(head.contains(SECRET) || !text.contains(SECRET), "the body is quoted: {problem}");
}
