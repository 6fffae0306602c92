//! Sessions of the page: the token is posted once, the browser keeps a cookie that its scripts cannot read.
//!
//! Sessions live in memory: a restart of the daemon logs everybody out, and the page asks for the token again. A reload
//! does not.

use super::body::Json;
use super::door::{self, Caller};
use super::{Problem, Web};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// A session ends this long after logging in: one long working day.
const SESSION_LASTS: Duration = Duration::from_secs(14 * 3600);

/// Sessions at once. More: the oldest is logged out.
const SESSIONS: usize = 64;

/// sha256 of the cookie's value; the value itself is kept nowhere.
pub type Key = [u8; 32];

pub struct Sessions {
    /// `None`: no token is set and nobody is let in.
    token: Option<Key>,
    open: Mutex<BTreeMap<Key, Instant>>,
}

impl Sessions {
    /// Of this bearer token. Empty: nobody is let in.
    pub fn new(token: &str) -> Sessions {
        Sessions { token: (!token.is_empty()).then(|| digest(token)), open: Mutex::default() }
    }

    /// Digests are compared, so that the time taken says nothing about the token.
    pub fn is_token(&self, given: &str) -> bool {
        self.token.is_some_and(|token| token == digest(given))
    }

    pub fn is_open(&self, key: &Key) -> bool {
        self.open.lock().expect("sessions").get(key).is_some_and(|begun| begun.elapsed() < SESSION_LASTS)
    }

    fn begin(&self) -> String {
        let mut bytes = [0_u8; 32];
        getrandom::fill(&mut bytes).expect("the system's random source, without which no session is safe");
        let value: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let mut open = self.open.lock().expect("sessions");
        open.retain(|_, begun| begun.elapsed() < SESSION_LASTS);
        if open.len() >= SESSIONS {
            let oldest = *open.iter().min_by_key(|(_, begun)| **begun).expect("not empty").0;
            open.remove(&oldest);
        }
        open.insert(digest(&value), Instant::now());
        value
    }

    fn end(&self, key: &Key) {
        self.open.lock().expect("sessions").remove(key);
    }
}

fn digest(text: &str) -> Key {
    Sha256::digest(text.as_bytes()).into()
}

/// Cookies do not tell ports apart, so two daemons on one machine each use a name of their own.
fn cookie_name(headers: &HeaderMap) -> String {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let port = host.rsplit_once(':').map_or("80", |(_, port)| port.trim_end_matches(']'));
    format!("carryout_session_{port}")
}

pub fn key_of(headers: &HeaderMap) -> Option<Key> {
    let name = cookie_name(headers);
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|cookie| cookie.to_str().ok());
    let mut pairs = cookies.flat_map(|cookie| cookie.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(key, _)| *key == name).map(|(_, value)| digest(value))
}

#[derive(Deserialize)]
pub struct LogIn {
    token: String,
}

pub async fn log_in(
    State(web): State<Arc<Web>>,
    headers: HeaderMap,
    Json(login): Json<LogIn>,
) -> Result<Response, Problem> {
    if !door::is_own_page(&headers, false) {
        web.given.counters.count("web.foreign_origin");
        return Err(Problem::foreign("Log in on this daemon's own page."));
    }
    if !web.given.sessions.is_token(login.token.trim()) {
        web.given.counters.refuse("web.token_wrong", "somebody tried to log in on the page with a wrong token");
        return Err(Problem::unauthorised());
    }
    let cookie = format!(
        "{}={}; HttpOnly; SameSite=Strict; Path=/; Max-Age={}",
        cookie_name(&headers),
        web.given.sessions.begin(),
        SESSION_LASTS.as_secs()
    );
    Ok(with_cookie(&cookie))
}

pub async fn log_out(
    State(web): State<Arc<Web>>,
    axum::Extension(caller): axum::Extension<Caller>,
    headers: HeaderMap,
) -> Response {
    if let Caller::Session(key) = caller {
        web.given.sessions.end(&key);
    }
    with_cookie(&format!("{}=; HttpOnly; SameSite=Strict; Path=/; Max-Age=0", cookie_name(&headers)))
}

fn with_cookie(cookie: &str) -> Response {
    let cookie = HeaderValue::from_str(cookie).expect("hex, digits and fixed words");
    (StatusCode::NO_CONTENT, [(header::SET_COOKIE, cookie)]).into_response()
}
