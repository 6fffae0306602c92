//! Reading what was sent: bounded, without card numbers, as JSON. Path ids are parsed here too.
//!
//! A refusal says which key is wrong and never quotes a value: a value may be a token.

use super::{Problem, Web};
use crate::base::card;
use crate::base::limits::PAYLOAD_BYTES;
use crate::sensors::wire::{Refusal, Why};
use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::{header, request::Parts};
use serde::de::DeserializeOwned;
use std::sync::Arc;
use uuid::Uuid;

/// A JSON body. Refused and counted as `http.oversized`, `http.card_number` or `http.malformed`.
pub struct Json<T>(pub T);

impl<T: DeserializeOwned> FromRequest<Arc<Web>> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, web: &Arc<Web>) -> Result<Self, Problem> {
        let bytes = bytes(request, web, "http").await?;
        let refuse = |what: &str, problem: Problem| count(web, &format!("http.{what}"), problem);
        let text = std::str::from_utf8(&bytes)
            .map_err(|_| refuse("malformed", Problem::malformed("The body is not text in UTF-8.")))?;
        let holds_card = match serde_json::from_str(text) {
            Ok(value) => card::holds_card_number(&value),
            Err(_) => card::looks_like_card_number(text),
        };
        if holds_card {
            return Err(refuse("card_number", Problem::card_number()));
        }
        serde_json::from_str(text)
            .map(Json)
            .map_err(|error| refuse("malformed", Problem::malformed(what_is_wrong(&error))))
    }
}

/// The body's bytes. Too many, or of another type than JSON: refused and counted as `{kind}.oversized` or
/// `{kind}.malformed`.
pub async fn bytes(request: Request, web: &Web, kind: &str) -> Result<Bytes, Problem> {
    // A browser form cannot send this type, so no foreign form gets this far.
    let json = request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).is_some_and(is_json);
    let (what, problem) = if json {
        match axum::body::to_bytes(request.into_body(), PAYLOAD_BYTES).await {
            Ok(bytes) => return Ok(bytes),
            Err(error) if is_too_long(&error) => ("oversized", Problem::oversized()),
            Err(_) => ("malformed", Problem::malformed("The body broke off.")),
        }
    } else {
        ("malformed", Problem::malformed("The body must be sent as `Content-Type: application/json`."))
    };
    Err(count(web, &format!("{kind}.{what}"), problem))
}

/// Counts what a device's parser refused and says it as a problem.
pub fn refused(web: &Web, refusal: Refusal) -> Problem {
    refusal.count(&web.given.counters);
    match refusal.why {
        Why::CardNumber => Problem::card_number(),
        Why::UnknownId => Problem::unknown(refusal.detail),
        Why::Oversized => Problem::oversized(),
        Why::Malformed | Why::OutOfRange | Why::FutureDated | Why::Retained => Problem::malformed(refusal.detail),
    }
}

fn count(web: &Web, kind: &str, problem: Problem) -> Problem {
    web.given.counters.refuse(kind, &problem.detail);
    problem
}

fn is_json(content_type: &str) -> bool {
    content_type.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
}

fn is_too_long(error: &axum::Error) -> bool {
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = cause {
        if error.to_string().contains("length limit exceeded") {
            return true;
        }
        cause = error.source();
    }
    false
}

/// What serde says, without the values it quotes: where, and for a missing key which.
fn what_is_wrong(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let place = format!("line {}, column {}", error.line(), error.column());
    match text.strip_prefix("missing field `").and_then(|rest| rest.split_once('`')) {
        Some((key, _)) => format!("The key `{key}` is missing ({place})."),
        None if error.is_data() => format!("A value is of the wrong kind or out of range ({place})."),
        None => format!("This is not JSON ({place})."),
    }
}

/// A name in a path.
pub struct Name(pub String);

impl FromRequestParts<Arc<Web>> for Name {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, web: &Arc<Web>) -> Result<Self, Problem> {
        let path = axum::extract::Path::<String>::from_request_parts(parts, web).await;
        path.map(|path| Name(path.0)).map_err(|_| Problem::malformed("The path cannot be read."))
    }
}

/// An id in a path, as a uuid.
pub struct Id(pub Uuid);

impl FromRequestParts<Arc<Web>> for Id {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, web: &Arc<Web>) -> Result<Self, Problem> {
        let Name(text) = Name::from_request_parts(parts, web).await?;
        let id = Uuid::try_parse(&text).map_err(|_| Problem::malformed("The id in the path is not a uuid."))?;
        Ok(Id(id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_names_the_key_and_never_the_value() {
        #[derive(serde::Deserialize)]
        #[allow(dead_code)]
        struct Two {
            token: String,
            size: u32,
        }
        let wrong = |text| what_is_wrong(&serde_json::from_str::<Two>(text).err().expect("refused"));
        assert_eq!(wrong(r#"{"size":1}"#), "The key `token` is missing (line 1, column 10).");
        assert!(!wrong(r#"{"token":"a","size":"secret"}"#).contains("secret"));
        assert!(!wrong(r#"{"token":"secret"#).contains("secret"));
    }
}
