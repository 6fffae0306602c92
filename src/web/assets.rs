//! The page's own files, inside the binary. Browsers keep them and ask whether they have changed.

use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};

const INDEX: &[u8] = include_bytes!("../../assets/index.html");
const STYLE: &[u8] = include_bytes!("../../assets/style.css");
const SCRIPT: &[u8] = include_bytes!("../../assets/app.js");
const DECIDE: &[u8] = include_bytes!("../../assets/decide.js");
const FAVICON: &[u8] = include_bytes!("../../assets/favicon.svg");

/// What a first visit loads, without HTTP's headers.
pub fn bytes() -> usize {
    [INDEX, STYLE, SCRIPT, DECIDE, FAVICON].iter().map(|file| file.len()).sum()
}

pub async fn index(headers: HeaderMap) -> Response {
    file(&headers, "text/html; charset=utf-8", INDEX)
}

pub async fn style(headers: HeaderMap) -> Response {
    file(&headers, "text/css; charset=utf-8", STYLE)
}

pub async fn script(headers: HeaderMap) -> Response {
    file(&headers, "text/javascript; charset=utf-8", SCRIPT)
}

pub async fn decide(headers: HeaderMap) -> Response {
    file(&headers, "text/javascript; charset=utf-8", DECIDE)
}

pub async fn favicon(headers: HeaderMap) -> Response {
    file(&headers, "image/svg+xml", FAVICON)
}

fn file(asked: &HeaderMap, kind: &'static str, bytes: &'static [u8]) -> Response {
    let digest = Sha256::digest(bytes);
    let tag: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    let tag = format!("\"{tag}\"");
    let same = asked.get(header::IF_NONE_MATCH).is_some_and(|have| have.as_bytes() == tag.as_bytes());
    let headers =
        [(header::CONTENT_TYPE, kind.to_owned()), (header::CACHE_CONTROL, "no-cache".to_owned()), (header::ETAG, tag)];
    if same { (StatusCode::NOT_MODIFIED, headers).into_response() } else { (headers, bytes).into_response() }
}
