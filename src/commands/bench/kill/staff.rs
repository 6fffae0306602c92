//! Staff at the web API through all the kills: they give money back, contest receipts and decide reviews, and what gets
//! no answer they ask again, under the same key, until it has one.

use super::witness::Promised;
use crate::base::{ChargeId, ReceiptId, VisitId};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What is given back each time, minor units: no product costs so little, so it cannot be taken for a correction.
pub const AMOUNT: i64 = 1;
/// A daemon that is dead or starting is asked again after this.
const AGAIN: Duration = Duration::from_millis(250);
/// An answer that takes longer counts as none.
const PATIENCE: Duration = Duration::from_secs(5);
/// Reviews are looked for this often.
const LOOK_EVERY: Duration = Duration::from_millis(1_500);

#[derive(Clone)]
pub struct Staff {
    http: reqwest::Client,
    base: String,
    token: String,
    pub promised: Arc<Mutex<Promised>>,
}

impl Staff {
    pub fn new((base, token): (String, String)) -> Result<Staff, String> {
        let http = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build();
        let http = http.map_err(|error| format!("an HTTP client: {error}"))?;
        Ok(Staff { http, base, token, promised: Arc::default() })
    }

    /// Money back on a charge; `key` is this refund's own.
    pub async fn gives_back(self, charge: ChargeId, key: String) {
        self.with(|promised| *promised.asked.entry(charge).or_default() += 1);
        let body = json!({"amount": AMOUNT, "reason": "a dented tin"});
        let path = format!("/api/v1/charges/{charge}/refunds");
        if self.insist(&path, Some(&key), &body).await == 200 {
            self.with(|promised| promised.refunds.push((charge, AMOUNT)));
        }
    }

    /// The customer says there was none of it.
    pub async fn contests(self, receipt: ReceiptId, visit: VisitId, line: String) {
        let body = json!({"lines": [{"line_id": line, "quantity": 0}]});
        if self.insist(&format!("/api/v1/receipts/{receipt}/contest"), None, &body).await == 200 {
            self.with(|promised| promised.contests.push(visit));
        }
    }

    /// Decides what waits, as it is, for ever.
    pub async fn decides(self) {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let asked = self.http.get(format!("{}/api/v1/reviews", self.base)).bearer_auth(&self.token).send().await;
            let Ok(answer) = asked else { continue };
            let Ok(list) = answer.json::<Value>().await else { continue };
            for review in list["reviews"].as_array().into_iter().flatten() {
                let (Some(receipt), Ok(visit)) =
                    (review["receipt_id"].as_str(), serde_json::from_value(review["visit_id"].clone()))
                else {
                    continue;
                };
                let decided = self.post(&format!("/api/v1/reviews/{receipt}"), None, &json!({"lines": []})).await;
                if decided == Some(200) {
                    self.with(|promised| promised.reviews.push(visit));
                }
            }
        }
    }

    /// Until something definite is answered: done (200), or refused (4xx).
    async fn insist(&self, path: &str, key: Option<&str>, body: &Value) -> u16 {
        loop {
            match self.post(path, key, body).await {
                Some(status) if status == 200 || (400..500).contains(&status) => return status,
                // Taken up but not yet on disk (202), in trouble (5xx), or no answer at all.
                _ => tokio::time::sleep(AGAIN).await,
            }
        }
    }

    async fn post(&self, path: &str, key: Option<&str>, body: &Value) -> Option<u16> {
        let mut request = self.http.post(format!("{}{path}", self.base)).bearer_auth(&self.token).json(body);
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        Some(request.send().await.ok()?.status().as_u16())
    }

    fn with(&self, note: impl FnOnce(&mut Promised)) {
        note(&mut self.promised.lock().expect("staff's notes"));
    }
}
