//! The calls of wire.md's upstream table: requests out, answers in. What an answer means is `answer`'s question.

use super::answer::{self, Failed};
use super::body;
use super::options::{SyncError, SyncOptions, install_tls_provider};
use super::probe::Unanswered;
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
        answer::authorised(tap, self.call(post).await)
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

    /// `GET /v1/charges/{id}`; 404 when upstream never saw it.
    pub(super) async fn find_charge(&self, id: &str) -> Result<Value, Failed> {
        self.call(Request { method: Method::GET, ..Request::bare(&["charges", id]) }).await
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
        answer::read(status.as_u16(), &bytes)
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
