//! What a caller did wrong or must wait for, as `application/problem+json` (RFC 9457).
//!
//! `type` is `urn:carryout:problem:<name>`, stable for programs; `detail` is a sentence for people that names the
//! thing and what to do, and never quotes what was sent.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

#[derive(Clone, Debug, PartialEq)]
pub struct Problem {
    pub status: StatusCode,
    pub name: &'static str,
    pub title: &'static str,
    pub detail: String,
}

impl Problem {
    fn new(status: StatusCode, name: &'static str, title: &'static str, detail: impl Into<String>) -> Problem {
        Problem { status, name, title, detail: detail.into() }
    }

    pub fn malformed(detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::BAD_REQUEST, "malformed", "The request cannot be read", detail)
    }

    pub fn card_number() -> Problem {
        let detail = "Something in the request looks like a card number. Nothing of it was kept. Send the token of \
                      your payment provider instead.";
        Problem::new(StatusCode::BAD_REQUEST, "card_number", "Card numbers are not taken here", detail)
    }

    pub fn unauthorised() -> Problem {
        let detail = "Send the daemon's token as `Authorization: Bearer …`, or log in on the page.";
        Problem::new(StatusCode::UNAUTHORIZED, "unauthorised", "A token is needed", detail)
    }

    pub fn foreign(detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::FORBIDDEN, "foreign_origin", "Another site's page asked", detail)
    }

    pub fn host() -> Problem {
        let detail = "Ask for localhost, 127.0.0.1 or [::1].";
        Problem::new(StatusCode::MISDIRECTED_REQUEST, "wrong_host", "Not this server's name", detail)
    }

    pub fn unknown(detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::NOT_FOUND, "unknown", "There is no such thing", detail)
    }

    pub fn method() -> Problem {
        let detail = "This path exists, but not with this method; docs/openapi.json lists both.";
        Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method", "Not with this method", detail)
    }

    pub fn conflict(detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::CONFLICT, "conflict", "Things have changed", detail)
    }

    pub fn oversized() -> Problem {
        let kib = crate::base::limits::PAYLOAD_BYTES / 1024;
        let detail = format!("A request may hold at most {kib} KiB.");
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "oversized", "Too much at once", detail)
    }

    pub fn ledger(detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "ledger", "The ledger could not be read", detail)
    }

    pub fn busy(detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "busy", "Not now", detail)
    }

    pub fn no_answer(detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::GATEWAY_TIMEOUT, "no_answer", "The floor did not answer in time", detail)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = json!({
            "type": format!("urn:carryout:problem:{}", self.name),
            "title": self.title,
            "status": self.status.as_u16(),
            "detail": self.detail,
        });
        let mut response = (self.status, body.to_string()).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"carryout\""));
        }
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("2"));
        }
        response
    }
}
