//! Reading what was sent: bounded, without card numbers, as JSON. Path ids are parsed here too.
//!
//! A refusal says which key is wrong and never quotes a value: a value may be a token.

use super::{Problem, Web};
use crate::base::limits::PAYLOAD_BYTES;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::{header, request::Parts};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::sync::Arc;
use uuid::Uuid;

/// A JSON body. Refused and counted as `http.oversized`, `http.card_number` or `http.malformed`.
pub struct Json<T>(pub T);

impl<T: DeserializeOwned> FromRequest<Arc<Web>> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, web: &Arc<Web>) -> Result<Self, Problem> {
        read(request, web, "http").await.map(Json)
    }
}

/// Reads a body and counts a refusal under `{kind}.oversized`, `{kind}.card_number` or `{kind}.malformed`.
pub async fn read<T: DeserializeOwned>(request: Request, web: &Web, kind: &str) -> Result<T, Problem> {
    let refuse = |what: &str, problem: Problem| {
        web.given.counters.refuse(&format!("{kind}.{what}"), &problem.detail);
        problem
    };
    // A browser form cannot send this type, so no foreign form gets this far.
    let json = request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).is_some_and(is_json);
    if !json {
        return Err(refuse(
            "malformed",
            Problem::malformed("The body must be sent as `Content-Type: application/json`."),
        ));
    }
    let bytes = match axum::body::to_bytes(request.into_body(), PAYLOAD_BYTES).await {
        Ok(bytes) => bytes,
        Err(error) if is_too_long(&error) => return Err(refuse("oversized", Problem::oversized())),
        Err(_) => return Err(refuse("malformed", Problem::malformed("The body broke off."))),
    };
    let text = std::str::from_utf8(&bytes)
        .map_err(|_| refuse("malformed", Problem::malformed("The body is not text in UTF-8.")))?;
    if refuses_card(text) {
        return Err(refuse("card_number", Problem::card_number()));
    }
    serde_json::from_str(text).map_err(|error| refuse("malformed", Problem::malformed(what_is_wrong(&error))))
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

/// An id in a path, as a uuid.
pub struct Id(pub Uuid);

impl FromRequestParts<Arc<Web>> for Id {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, web: &Arc<Web>) -> Result<Self, Problem> {
        let axum::extract::Path(text) = axum::extract::Path::<String>::from_request_parts(parts, web)
            .await
            .map_err(|_| Problem::malformed("The path cannot be read."))?;
        let id = Uuid::try_parse(&text).map_err(|_| Problem::malformed("The id in the path is not a uuid."))?;
        Ok(Id(id))
    }
}

/// Whether JSON text holds anything that could be a card number: 13 to 19 digits, single spaces or dashes between
/// them allowed, beginning as cards do (2 to 6) and with a right Luhn digit.
///
/// Left alone are uuids, times (`…_us`) and product codes: a GTIN has 13 digits, and one in ten passes Luhn by chance.
pub fn refuses_card(text: &str) -> bool {
    match serde_json::from_str(text) {
        Ok(value) => value_holds_card(&value),
        Err(_) => text_holds_card(text),
    }
}

fn value_holds_card(value: &Value) -> bool {
    match value {
        Value::String(text) => text_holds_card(text),
        Value::Number(number) => text_holds_card(&number.to_string()),
        Value::Array(items) => items.iter().any(value_holds_card),
        Value::Object(keys) => keys.iter().any(|(key, value)| {
            let exempt = match value {
                Value::Number(_) => key.ends_with("_us"),
                Value::String(_) => key == "product",
                _ => false,
            };
            text_holds_card(key) || (!exempt && value_holds_card(value))
        }),
        Value::Null | Value::Bool(_) => false,
    }
}

fn text_holds_card(text: &str) -> bool {
    if Uuid::try_parse(text).is_ok() {
        return false;
    }
    // Runs of digits, as groups: `4242 4242 …` is one run of four, and so is a card number with a figure before it.
    let mut groups: Vec<Vec<u8>> = vec![Vec::new()];
    let mut separated = false;
    for byte in text.bytes().chain([b'.']) {
        match byte {
            b'0'..=b'9' => {
                if std::mem::take(&mut separated) {
                    groups.push(Vec::new());
                }
                groups.last_mut().expect("never empty").push(byte - b'0');
            }
            b' ' | b'-' if !separated && !groups[0].is_empty() => separated = true,
            _ => {
                if some_groups_are_card(&groups) {
                    return true;
                }
                groups = vec![Vec::new()];
                separated = false;
            }
        }
    }
    false
}

fn some_groups_are_card(groups: &[Vec<u8>]) -> bool {
    (0..groups.len()).any(|first| {
        let mut digits = Vec::new();
        groups[first..].iter().take(19).any(|group| {
            digits.extend_from_slice(group);
            is_card(&digits)
        })
    })
}

fn is_card(digits: &[u8]) -> bool {
    (13..=19).contains(&digits.len()) && (2..=6).contains(&digits[0]) && luhn(digits)
}

fn luhn(digits: &[u8]) -> bool {
    let doubled = |digit: u8| if digit > 4 { 2 * u32::from(digit) - 9 } else { 2 * u32::from(digit) };
    let sum: u32 =
        digits.iter().rev().enumerate().map(|(i, &d)| if i % 2 == 1 { doubled(d) } else { u32::from(d) }).sum();
    sum.is_multiple_of(10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn card_numbers_are_seen_and_other_numbers_are_let_through() {
        for (text, card) in [
            (r#"{"token":"4242424242424242"}"#, true),
            (r#"{"token":"tok_4242 4242 4242 4242"}"#, true),
            (r#"{"note":["paid with 3782-822463-10005 yesterday"]}"#, true),
            (r#"{"note":"order 7 4242424242424242 2026"}"#, true),
            (r#"{"pan":4242424242424242}"#, true),
            (r#"{"4242424242424242":1}"#, true),
            ("4242424242424242, no JSON at all", true),
            (r#"{"token":"4242424242424241"}"#, false), // wrong Luhn digit
            (r#"{"t_us":4242424242424242}"#, false),    // a time
            (r#"{"tap_id":"42424242-4242-4242-8242-424242424242"}"#, false), // a uuid
            (r#"{"lines":[{"product":"4006381333931"}]}"#, false), // a GTIN
            (r#"{"token":"tok_4242","last4":"4242"}"#, false),
            (r#"{"token":"9999999999999995"}"#, false), // no card begins with 9
        ] {
            assert_eq!(refuses_card(text), card, "{text}");
        }
    }

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
