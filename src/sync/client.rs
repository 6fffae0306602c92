//! The calls of wire.md's upstream table, each with what came of it.
//!
//! What matters about a failure is whether upstream can have acted on the request, so that is what [`Failed`] says.

use super::body;
use super::options::{SyncError, SyncOptions, install_tls_provider};
use super::probe::Unanswered;
use crate::base::card::{holds_card_number, looks_like_card_number};
use crate::base::time::Clock;
use crate::base::{Cents, ShopId, TapId};
use crate::events::{Answer, Authorised, Credential, Observation, Stamped};
use crate::sensors::Incoming;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Method, Url};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc};

/// Authorisations under way at once. More: answered `Unreachable` at once, and the offline rule decides.
const AUTHORISATIONS: usize = 64;

/// Characters of an authorisation's id, as of a token. More: not meant as one.
const AUTHORIZATION_ID_CHARS: usize = 256;

/// Characters of a reason that are kept: it goes into the ledger for good.
const REASON_CHARS: usize = 200;

/// Bytes of an answer that are read; more is cut off and does not parse.
const ANSWER_BYTES: usize = 4 * 1024 * 1024;

/// Upstream, as this shop speaks to it. Cheap to clone.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    base: Url,
    pub(super) shop: ShopId,
    currency: String,
    timeout: Duration,
    authorise_timeout: Duration,
    authorisations: Arc<Semaphore>,
}

/// Why a call did not end in 2xx.
#[derive(Debug)]
pub(super) enum Failed {
    /// No connection: upstream has seen nothing.
    NotSent(String),
    /// The request may have arrived; timeout, broken connection.
    NoAnswer(String),
    /// 402 with its reason.
    Declined(String),
    /// 5xx, a redirect, "later": it may have had its effect.
    Ill(String),
    /// Another 4xx: refused without effect.
    Refused { status: u16, why: String },
}

impl Client {
    /// `None` when no address is configured: the shop then works offline.
    pub fn new(options: &SyncOptions, shop: ShopId, currency: &str) -> Result<Option<Client>, SyncError> {
        let Some(base) = options.address()? else { return Ok(None) };
        install_tls_provider();
        let mut headers = HeaderMap::new();
        if let Some(token) = options.token()? {
            let mut bearer =
                HeaderValue::from_str(&format!("Bearer {token}")).expect("the token was checked to be plain");
            bearer.set_sensitive(true);
            headers.insert(AUTHORIZATION, bearer);
        }
        let mut http = reqwest::Client::builder()
            .user_agent(concat!("carryout/", env!("CARGO_PKG_VERSION")))
            .default_headers(headers)
            // A charge that is redirected elsewhere is a charge gone astray.
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(Duration::from_millis(options.timeout_ms.min(3_000)))
            .tcp_nodelay(true);
        if base.scheme() == "http" {
            // This machine itself: no way round, and no need to read the system's 150 certificates.
            http = http.no_proxy().tls_certs_only([]);
        }
        Ok(Some(Client {
            http: http.build().map_err(SyncError::Setup)?,
            base,
            shop,
            currency: currency.to_owned(),
            timeout: Duration::from_millis(options.timeout_ms),
            authorise_timeout: Duration::from_millis(options.authorise_timeout_ms),
            authorisations: Arc::new(Semaphore::new(AUTHORISATIONS)),
        }))
    }

    /// Asks upstream to keep `amount` ready. Waits up to `authorise_timeout_ms`: the floor's own 400 ms pass by its ticks,
    /// and it still wants to know of a hold made later.
    pub async fn authorise(&self, tap: &TapId, credential: &Credential, amount: Cents) -> Answer {
        let body = body::authorization(&self.shop, tap, credential, amount, &self.currency);
        let post = Request {
            key: Some(tap.as_str()),
            timeout: self.authorise_timeout,
            ..Request::post(&["authorizations"], &body)
        };
        match self.call(post).await {
            Ok(answer) => held(&answer).unwrap_or_else(|| {
                tracing::warn!(%tap, "upstream accepted an authorisation without saying what it holds");
                Answer::Unreachable
            }),
            Err(Failed::Declined(reason)) => Answer::Declined { reason },
            Err(failed) => {
                tracing::info!(%tap, ?failed, "no authorisation");
                Answer::Unreachable
            }
        }
    }

    /// Carries out `Effect::Authorise`: the answer reaches the floor whenever it comes.
    pub fn authorise_for(
        &self,
        runtime: &tokio::runtime::Handle,
        floor: mpsc::Sender<Incoming>,
        clock: Clock,
        tap_id: TapId,
        credential: Credential,
        amount: Cents,
    ) {
        let client = self.clone();
        runtime.spawn(async move {
            let answer = match client.authorisations.clone().try_acquire_owned() {
                Ok(_turn) => client.authorise(&tap_id, &credential, amount).await,
                Err(_) => Answer::Unreachable,
            };
            let observation = Observation::Authorised(Authorised { tap_id, answer });
            let stamped = Stamped { arrival: clock.now(), observation };
            // The floor is gone only when the daemon ends.
            let _ = floor.send(Incoming { stamped, ack: None }).await;
        });
    }

    /// `GET /v1/charges/{id}`, whatever the answer is.
    pub(super) async fn ask_of_charge(&self, id: &str, patience: Duration) -> Result<reqwest::Response, Unanswered> {
        let mut url = self.base.clone();
        url.path_segments_mut().expect("http addresses have paths").pop_if_empty().extend(["v1", "charges", id]);
        let asked = self.http.get(url).timeout(patience).send().await;
        asked.map_err(|e| match e.is_connect() {
            true => Unanswered::NoConnection(said(&e)),
            false => Unanswered::Silent(said(&e)),
        })
    }

    /// `GET /v1/charges/{id}`; `None` when upstream never saw it.
    pub(super) async fn find_charge(&self, id: &str) -> Result<Option<Value>, Failed> {
        match self.call(Request { method: Method::GET, ..Request::bare(&["charges", id]) }).await {
            Ok(answer) => Ok(Some(answer)),
            Err(Failed::Refused { status: 404, .. }) => Ok(None),
            Err(failed) => Err(failed),
        }
    }

    pub(super) async fn send_charge(&self, id: &str, body: &Value) -> Result<Value, Failed> {
        self.call(Request { key: Some(id), ..Request::post(&["charges"], body) }).await
    }

    pub(super) async fn send_refund(&self, id: &str, body: &Value) -> Result<Value, Failed> {
        self.call(Request { key: Some(id), ..Request::post(&["refunds"], body) }).await
    }

    pub(super) async fn release(&self, authorization_or_tap: &str) -> Result<Value, Failed> {
        self.call(Request::bare(&["authorizations", authorization_or_tap, "release"])).await
    }

    pub(super) async fn send_events(&self, batch: &Value) -> Result<Value, Failed> {
        self.call(Request { content_type: "application/cloudevents-batch+json", ..Request::post(&["events"], batch) })
            .await
    }

    async fn call(&self, request: Request<'_>) -> Result<Value, Failed> {
        let mut url = self.base.clone();
        url.path_segments_mut().expect("http addresses have paths").pop_if_empty().push("v1").extend(request.path);
        let timeout = if request.timeout.is_zero() { self.timeout } else { request.timeout };
        let mut http = self.http.request(request.method, url).timeout(timeout);
        if let Some(key) = request.key {
            http = http.header("Idempotency-Key", key);
        }
        if let Some(body) = request.body {
            http = http.header(CONTENT_TYPE, request.content_type).body(body.to_string());
        }
        let mut answer = http
            .send()
            .await
            .map_err(|e| if e.is_connect() { Failed::NotSent(said(&e)) } else { Failed::NoAnswer(said(&e)) })?;
        let status = answer.status();
        let mut bytes = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(|e| Failed::NoAnswer(said(&e)))? {
            if bytes.len() + chunk.len() > ANSWER_BYTES {
                break;
            }
            bytes.extend_from_slice(&chunk);
        }
        let body: Value = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        match status.as_u16() {
            200..=299 => Ok(body),
            300..=399 => Err(Failed::Ill(format!(
                "upstream answered {status}, and no charge follows a redirect: set upstream.url to where it leads"
            ))),
            402 => Err(Failed::Declined(reason(&body))),
            // Neither says anything about the thing itself; both pass.
            408 | 425 | 429 => Err(Failed::Ill(format!("upstream answered {status}"))),
            status @ 400..=499 => Err(Failed::Refused { status, why: reason(&body) }),
            _ => Err(Failed::Ill(format!("upstream answered {status}"))),
        }
    }
}

/// One call; a zero timeout is the usual one.
struct Request<'a> {
    method: Method,
    path: &'a [&'a str],
    key: Option<&'a str>,
    content_type: &'static str,
    body: Option<&'a Value>,
    timeout: Duration,
}

impl<'a> Request<'a> {
    fn bare(path: &'a [&'a str]) -> Request<'a> {
        let content_type = "application/json";
        Request { method: Method::POST, path, key: None, content_type, body: None, timeout: Duration::ZERO }
    }

    fn post(path: &'a [&'a str], body: &'a Value) -> Request<'a> {
        Request { body: Some(body), ..Request::bare(path) }
    }
}

/// Why not, in upstream's words as far as they are fit for books and page.
pub(super) fn reason(answer: &Value) -> String {
    match answer["reason"].as_str() {
        None => "no reason given".to_owned(),
        Some(text) if looks_like_card_number(text) => "a reason that looks like a card number".to_owned(),
        Some(text) => text.chars().take(REASON_CHARS).collect(),
    }
}

/// What upstream holds; `None` for an answer that cannot be meant. The id goes into the ledger and into an address.
fn held(answer: &Value) -> Option<Answer> {
    let id = answer["authorization_id"].as_str()?;
    let plain = (1..=AUTHORIZATION_ID_CHARS).contains(&id.chars().count()) && !id.chars().any(char::is_control);
    let amount = answer["amount"].as_i64().filter(|amount| *amount >= 0)?;
    let expires_us = answer["expires_us"].as_i64()?;
    (plain && !holds_card_number(&answer["authorization_id"])).then(|| Answer::Held {
        authorization_id: id.to_owned(),
        amount: Cents(amount),
        expires_us,
    })
}

/// An error with its causes on one line; the address is known and may hold an id.
fn said(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "no answer in time".into();
    }
    let mut cause: &dyn std::error::Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}
