//! The reference upstream is as strict as the real one may be: a client that is careless is seen to be.

use carryout::sim::upstream::{Faults, Records, Upstream, UpstreamOptions};
use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};
use std::time::Duration;

struct Caller {
    http: Client,
    url: String,
}

impl Caller {
    fn of(url: String) -> Caller {
        carryout::sync::install_tls_provider();
        let http = Client::builder().no_proxy().tls_certs_only([]).timeout(Duration::from_secs(20)).build().unwrap();
        Caller { http, url }
    }

    async fn call(&self, method: Method, path: &str, key: Option<&str>, body: Value) -> (u16, Value) {
        let mut request = self.http.request(method, format!("{}{path}", self.url));
        if let Some(key) = key {
            request = request.header("Idempotency-Key", key);
        }
        let kind = if path == "/v1/events" { "application/cloudevents-batch+json" } else { "application/json" };
        let answer = request.header("content-type", kind).body(body.to_string()).send().await.unwrap();
        let status = answer.status();
        (status.as_u16(), answer.json().await.unwrap_or(Value::Null))
    }

    async fn post(&self, path: &str, key: &str, body: Value) -> (u16, Value) {
        self.call(Method::POST, path, Some(key), body).await
    }
}

fn charge(id: &str, token: &str, total: i64) -> Value {
    json!({"charge_id": id, "visit_id": "v1", "sequence": 0, "credential": {"token": token}, "total": total,
           "lines": [{"total": total}]})
}

fn hold(tap: &str, token: &str) -> Value {
    json!({"tap_id": tap, "shop": "corner", "credential": {"token": token}, "amount": 5000, "currency": "EUR"})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_table_of_wire_md() {
    let upstream = Upstream::start(UpstreamOptions::default()).unwrap();
    let caller = Caller::of(upstream.url());
    let refund = |id: &str, amount: i64| json!({"refund_id": id, "charge_id": "c1", "amount": amount, "lines": [], "reason": "r"});
    let event = |id: &str| json!({"id": id, "source": "s", "type": "t", "specversion": "1.0"});
    upstream.add_to_catalogue(vec![json!({"product": "1", "name": "Cola", "price": 250})]);
    let get = |path| (Method::GET, path, "", Value::Null);
    let post = |path, key, body| (Method::POST, path, key, body);
    for (story, (method, path, key, body), status) in [
        ("a hold", post("/v1/authorizations", "t1", hold("t1", "tok_a")), 201),
        ("the same hold", post("/v1/authorizations", "t1", hold("t1", "tok_a")), 201),
        ("another under its key", post("/v1/authorizations", "t1", hold("t1", "tok_b")), 409),
        ("a hold on a bad card", post("/v1/authorizations", "t2", hold("t2", "tok_declined_b")), 402),
        ("a release", post("/v1/authorizations/auth-1/release", "", Value::Null), 204),
        ("again", post("/v1/authorizations/auth-1/release", "", Value::Null), 204),
        ("by a tap nobody knows", post("/v1/authorizations/t9/release", "", Value::Null), 204),
        ("whose hold then comes", post("/v1/authorizations", "t9", hold("t9", "tok_a")), 402),
        ("a charge", post("/v1/charges", "c1", charge("c1", "tok_a", 250)), 201),
        ("the same charge", post("/v1/charges", "c1", charge("c1", "tok_a", 250)), 201),
        ("another under its key", post("/v1/charges", "c1", charge("c1", "tok_a", 251)), 409),
        ("a charge without a key", post("/v1/charges", "", charge("c9", "tok_a", 250)), 400),
        ("a charge of nothing", post("/v1/charges", "c9", charge("c9", "tok_a", 0)), 422),
        ("a charge on an empty account", post("/v1/charges", "c2", charge("c2", "tok_broke_a", 250)), 402),
        (
            "a charge on a released hold",
            post("/v1/charges", "c3", {
                let mut body = charge("c3", "tok_a", 250);
                body["authorization_id"] = json!("auth-1");
                body
            }),
            402,
        ),
        ("what is with it", get("/v1/charges/c1"), 200),
        ("with one never seen", get("/v1/charges/c9"), 404),
        ("money back", post("/v1/refunds", "r1", refund("r1", 100)), 201),
        ("the same", post("/v1/refunds", "r1", refund("r1", 100)), 201),
        ("more than is left", post("/v1/refunds", "r2", refund("r2", 151)), 422),
        ("news", post("/v1/events", "", json!([event("e1"), event("e2"), event("e1")])), 202),
        ("news without a name", post("/v1/events", "", json!([event("e3"), {"source": "s"}])), 422),
        ("the catalogue", get("/v1/catalogue?since="), 200),
    ] {
        let (got, answer) = caller.call(method, path, Some(key).filter(|key| !key.is_empty()), body).await;
        assert_eq!(got, status, "{story}: {answer}");
    }
    let records = upstream.records();
    let taken: Vec<_> = records.charges.iter().map(|c| (c.charge_id.as_str(), c.captured, c.declined)).collect();
    assert_eq!(taken, [("c1", 1, 0), ("c2", 0, 1), ("c3", 0, 1)]);
    assert_eq!(records.refunds.iter().map(|r| r.given).collect::<Vec<_>>(), [1]);
    assert_eq!(records.events.len(), 2, "all or none, each once");
    let (_, page) = caller.call(Method::GET, "/v1/catalogue?since=1", None, Value::Null).await;
    assert_eq!(page, json!({"items": [], "next": "1"}));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_careless_client_is_seen_to_charge_twice() {
    let upstream = Upstream::start(UpstreamOptions::default()).unwrap();
    let caller = Caller::of(upstream.url());
    caller.post("/v1/charges", "c1", charge("c1", "tok_a", 250)).await;
    upstream.forget_keys().unwrap();
    caller.post("/v1/charges", "c1", charge("c1", "tok_a", 250)).await;
    let records = upstream.records();
    assert_eq!(records.not_once().len(), 1);
    assert_eq!(records.charge("c1").unwrap().captured, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn faults_are_had_from_another_process() {
    let upstream = Upstream::start(UpstreamOptions::default()).unwrap();
    let (shop, admin) = (Caller::of(upstream.url()), Caller::of(format!("http://{}", upstream.admin_addr)));
    let ask = async |path: &str, body: Value| admin.call(Method::POST, path, None, body).await.0;
    assert_eq!(ask("/faults", json!({"only": "POST /v1/charges", "fail_before": 1, "fail_after": 1})).await, 200);
    assert_eq!(ask("/faults", json!({"fail_befor": 1})).await, 422, "a misspelt fault is no fault");
    assert_eq!(shop.call(Method::GET, "/v1/charges/c1", None, Value::Null).await.0, 404, "not meant");
    assert_eq!(shop.post("/v1/charges", "c1", charge("c1", "tok_a", 250)).await.0, 500);
    assert_eq!(upstream.records().charges.len(), 0);
    assert_eq!(shop.post("/v1/charges", "c1", charge("c1", "tok_a", 250)).await.0, 500);
    assert_eq!(upstream.records().charges.len(), 1);
    assert_eq!(upstream.faults(), Faults { only: "POST /v1/charges".into(), ..Faults::default() }, "used up");

    assert_eq!(ask("/away", json!({"away": true})).await, 200);
    let refused = shop.http.get(format!("{}/v1/charges/c1", shop.url)).send().await.unwrap_err();
    assert!(refused.is_connect(), "{refused}");
    assert_eq!(ask("/away", json!({"away": false})).await, 200);
    assert_eq!(shop.call(Method::GET, "/v1/charges/c1", None, Value::Null).await.0, 200);
    assert_eq!(ask("/forget-keys", Value::Null).await, 200);
    let (_, records) = admin.call(Method::GET, "/records", None, Value::Null).await;
    assert_eq!(serde_json::from_value::<Records>(records).unwrap(), upstream.records());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restarted_upstream_knows_what_it_took() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("upstream.jsonl");
    let start = || Upstream::start(UpstreamOptions { file: Some(file.clone()), ..Default::default() }).unwrap();
    let upstream = start();
    let caller = Caller::of(upstream.url());
    caller.post("/v1/authorizations", "t1", hold("t1", "tok_a")).await;
    caller.post("/v1/charges", "c1", charge("c1", "tok_a", 250)).await;
    caller.post("/v1/authorizations/t1/release", "", Value::Null).await;
    let before = Records { calls: vec![], ..upstream.records() };
    drop(upstream);
    // The power went while a line was being written.
    let mut torn = std::fs::read(&file).unwrap();
    torn.extend_from_slice(b"{\"did\":\"char");
    std::fs::write(&file, torn).unwrap();

    for round in 1..=2 {
        let upstream = start();
        assert_eq!(upstream.records(), before, "start {round}");
        let caller = Caller::of(upstream.url());
        let (status, _) = caller.post("/v1/charges", "c1", charge("c1", "tok_a", 250)).await;
        assert_eq!(StatusCode::from_u16(status).unwrap(), StatusCode::CREATED, "its key is remembered");
        assert_eq!(upstream.records().charge("c1").unwrap().captured, 1, "start {round}");
    }
    std::fs::write(&file, "nonsense\n{}\n").unwrap();
    let refused = Upstream::start(UpstreamOptions { file: Some(file.clone()), ..Default::default() }).err().unwrap();
    assert!(refused.to_string().contains("line 1"), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shop_shows_its_token() {
    let upstream = Upstream::start(UpstreamOptions { token: Some("s3cret".into()), ..Default::default() }).unwrap();
    let caller = Caller::of(upstream.url());
    for (token, status) in
        [(None, 401), (Some("Bearer wrong"), 401), (Some("s3cret"), 401), (Some("Bearer s3cret"), 404)]
    {
        let mut request = caller.http.get(format!("{}/v1/charges/c1", caller.url));
        if let Some(token) = token {
            request = request.header("authorization", token);
        }
        assert_eq!(request.send().await.unwrap().status(), status, "{token:?}");
    }
}
