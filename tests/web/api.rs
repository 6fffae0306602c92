//! The JSON API against a fake floor and books in memory: who comes in, what is refused, what the floor is told.

use crate::daemon::*;
use carryout::base::{Cents, ChargeId, Probability, ProductId, ReceiptId};
use carryout::events::{Direction, Observation};
use carryout::floor::{Snapshot, State};
use carryout::web::{Access, route_list};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{Duration, Instant};

fn tap() -> Value {
    json!({
        "tap_id": "6f1f2a1c-9b1e-4a5e-8f64-2b7a7c0f9d11", "t_us": 1_735_689_600_000_000_i64, "direction": "in",
        "credential": {"kind": "card", "token": "tok_4242", "brand": "visa", "last4": "4242"}, "group_size": 2
    })
}

/// Puts real ids into a path of the route table.
fn filled(path: &str) -> String {
    let closed = visit(CLOSED_VISIT);
    let id = match path {
        p if p.contains("/receipts/") || p.contains("/reviews/") => ReceiptId::of(closed).to_string(),
        p if p.contains("/charges/") => ChargeId::of(closed, 0).to_string(),
        _ => VISIT.to_owned(),
    };
    path.replace("{gate}", "entrance").replace("{id}", &id)
}

async fn ask(daemon: &Daemon, method: &str, path: &str, body: Option<Value>) -> (StatusCode, Value) {
    let method = Method::from_bytes(method.to_uppercase().as_bytes()).expect("a method");
    let mut request = client().request(method, daemon.url(path)).bearer_auth(TOKEN);
    if let Some(body) = body {
        request = request.json(&body);
    }
    let response = request.send().await.expect("an answer");
    let status = response.status();
    let kind = response.headers().get("content-type").map(|kind| kind.to_str().unwrap().to_owned());
    if status.is_client_error() || status.is_server_error() {
        assert_eq!(kind.as_deref(), Some("application/problem+json"), "{path} {status}");
    }
    let text = response.text().await.expect("a body");
    (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

#[tokio::test]
async fn nobody_without_the_token_reads_about_people_or_changes_anything() {
    let daemon = Daemon::start().await;
    let mut guarded = 0;
    for (method, path, access) in route_list() {
        for (story, token) in [("no token", None), ("a wrong token", Some("wrong")), ("an empty one", Some(""))] {
            let verb = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
            let mut request = client().request(verb, daemon.url(&filled(path))).json(&json!({}));
            if let Some(token) = token {
                request = request.bearer_auth(token);
            }
            let status = request.send().await.unwrap().status();
            let refused = status == StatusCode::UNAUTHORIZED;
            assert_eq!(refused, access == Access::Staff, "{method} {path} with {story}: {status}");
        }
        guarded += usize::from(access == Access::Staff);
        // The rule itself, not only the table: whatever writes or names people is guarded, but for logging in.
        let open = ["/", "/style.css", "/app.js", "/decide.js", "/favicon.svg", "/metrics", "/api/v1/health"];
        let is_open = (method == "get" && open.contains(&path)) || (method, path) == ("post", "/api/v1/session");
        assert_eq!(access == Access::Anybody, is_open, "{method} {path}");
    }
    assert!(guarded >= 13, "{guarded} guarded routes");
    assert!(daemon.told.lock().unwrap().is_empty(), "the floor heard of none of it");
}

#[tokio::test]
async fn only_names_of_this_machine_are_answered() {
    let daemon = Daemon::start().await;
    let port = daemon.address.port();
    for (host, ours) in [
        (format!("127.0.0.1:{port}"), true),
        (format!("localhost:{port}"), true),
        (format!("[::1]:{port}"), true),
        (format!("rebound.example:{port}"), false),
        ("192.168.1.10".to_owned(), false),
    ] {
        for path in ["/", "/api/v1/health", "/api/v1/visits", "/nothing"] {
            let request = client().get(daemon.url(path)).bearer_auth(TOKEN).header("host", &host);
            let answer = request.send().await.unwrap();
            let refused = answer.status() == StatusCode::MISDIRECTED_REQUEST;
            assert_eq!(refused, !ours, "{host} {path}");
            let policy = answer.headers().get("content-security-policy").map(|policy| policy.to_str().unwrap());
            assert!(policy.is_some_and(|p| p.contains("default-src 'self'") && p.contains("frame-ancestors 'none'")));
            assert_eq!(answer.headers()["x-content-type-options"], "nosniff", "{host} {path}");
        }
    }
}

#[tokio::test]
async fn a_tap_goes_to_the_floor_and_comes_back_decided() {
    let daemon = Daemon::start().await;
    let (status, decision) = ask(&daemon, "post", "/api/v1/gates/entrance/taps", Some(tap())).await;
    assert_eq!(status, StatusCode::OK, "{decision}");
    assert_eq!(decision["tap_id"], tap()["tap_id"]);
    assert_eq!((&decision["open"], &decision["reason"]), (&json!(true), &json!("ok")));
    assert_eq!(decision["visit_id"], VISIT);
    let Some(Observation::Tap(told)) = daemon.last_told() else { panic!("{:?}", daemon.last_told()) };
    assert_eq!((told.gate.as_str(), told.direction, told.group_size), ("entrance", Direction::In, 2));
    assert_eq!((told.credential.token.as_str(), told.credential.last4.as_deref()), ("tok_4242", Some("4242")));
}

#[tokio::test]
async fn a_gate_whose_name_cannot_be_read_is_a_problem_like_any_other() {
    let daemon = Daemon::start().await;
    let (status, problem) = ask(&daemon, "post", "/api/v1/gates/%ff/taps", Some(tap())).await;
    assert_eq!((status, &problem["type"]), (StatusCode::BAD_REQUEST, &json!("urn:carryout:problem:malformed")));
}

#[tokio::test]
async fn a_bad_tap_is_named_counted_and_never_reaches_the_floor() {
    let daemon = Daemon::start().await;
    let with = |key: &str, value: Value| {
        let mut tap = tap();
        tap[key] = value;
        tap.to_string()
    };
    let credential = |key: &str, value: Value| {
        let mut tap = tap();
        tap["credential"][key] = value;
        tap.to_string()
    };
    let without = |key: &str| {
        let mut tap = tap();
        tap.as_object_mut().unwrap().remove(key);
        tap.to_string()
    };
    let long = "x".repeat(65);
    let large = with("pad", json!("x".repeat(256 * 1024)));
    for (story, gate, body, status, counted) in [
        ("not JSON", "entrance", "{".to_owned(), 400, "tap.malformed"),
        ("no tap_id", "entrance", without("tap_id"), 400, "tap.malformed"),
        ("no credential", "entrance", without("credential"), 400, "tap.malformed"),
        ("an empty tap_id", "entrance", with("tap_id", json!("")), 400, "tap.malformed"),
        ("a tap_id of 65 characters", "entrance", with("tap_id", json!(long)), 400, "tap.malformed"),
        ("sideways", "entrance", with("direction", json!("sideways")), 400, "tap.malformed"),
        ("a time as text", "entrance", with("t_us", json!("now")), 400, "tap.malformed"),
        ("a time before 1970", "entrance", with("t_us", json!(-1)), 400, "tap.out_of_range"),
        ("a time in 2096", "entrance", with("t_us", json!(4_000_000_000_000_000_i64)), 400, "tap.future_dated"),
        ("a group of none", "entrance", with("group_size", json!(0)), 400, "tap.out_of_range"),
        ("a group of 51", "entrance", with("group_size", json!(51)), 400, "tap.out_of_range"),
        ("an unknown kind", "entrance", credential("kind", json!("cheque")), 400, "tap.malformed"),
        ("no token", "entrance", credential("token", json!("")), 400, "tap.malformed"),
        ("last4 with five digits", "entrance", credential("last4", json!("14242")), 400, "tap.malformed"),
        (
            "a card number as token",
            "entrance",
            credential("token", json!("4242 4242 4242 4242")),
            400,
            "tap.card_number",
        ),
        ("a card number anywhere", "entrance", with("x", json!([4242424242424242_i64])), 400, "tap.card_number"),
        ("too large", "entrance", large, 413, "tap.oversized"),
        ("an unknown gate", "back-door", tap().to_string(), 404, "tap.unknown_id"),
    ] {
        let before = daemon.counters.get(counted);
        let url = daemon.url(&format!("/api/v1/gates/{gate}/taps"));
        let request = client().post(url).bearer_auth(TOKEN).header("content-type", "application/json").body(body);
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status().as_u16(), status, "{story}");
        let problem: Value = answer.json().await.unwrap();
        assert_eq!(problem["status"], status, "{story}: {problem}");
        assert!(problem["type"].as_str().unwrap().starts_with("urn:carryout:problem:"), "{story}: {problem}");
        assert!(!problem.to_string().contains("4242"), "{story} quotes what was sent: {problem}");
        assert_eq!(daemon.counters.get(counted), before + 1, "{story} counts as {counted}");
    }
    let form = client().post(daemon.url("/api/v1/gates/entrance/taps")).bearer_auth(TOKEN).body(tap().to_string());
    assert_eq!(form.send().await.unwrap().status(), StatusCode::BAD_REQUEST, "a body without its type");
    assert!(daemon.told.lock().unwrap().is_empty(), "{:?}", daemon.told);
}

#[tokio::test]
async fn a_tap_nobody_answers_says_so_in_time() {
    let daemon = Daemon::with_floor(FloorDoes::StaysSilent).await;
    let asked = Instant::now();
    let (status, problem) = ask(&daemon, "post", "/api/v1/gates/entrance/taps", Some(tap())).await;
    assert_eq!(status, StatusCode::GATEWAY_TIMEOUT, "{problem}");
    assert!(asked.elapsed() < Duration::from_secs(3), "{:?}", asked.elapsed());
}

#[tokio::test]
async fn visits_are_listed_and_explained_without_tokens_or_other_people() {
    let daemon = Daemon::start().await;
    let (_, open) = ask(&daemon, "get", "/api/v1/visits?open", None).await;
    assert_eq!(open["visits"].as_array().unwrap().len(), 4);
    let ann = open["visits"].as_array().unwrap().iter().find(|v| v["visit_id"] == VISIT).expect("ann");
    assert_eq!((&ann["payer"]["last4"], &ann["lines"][1]["draft"]), (&json!("4242"), &json!(true)));
    let (_, all) = ask(&daemon, "get", "/api/v1/visits", None).await;
    assert_eq!(all["visits"].as_array().unwrap().len(), 12, "four open and eight with a receipt");

    let (status, closed) = ask(&daemon, "get", &format!("/api/v1/visits/{CLOSED_VISIT}"), None).await;
    assert_eq!(status, StatusCode::OK, "{closed}");
    assert_eq!(closed["charges"][0]["state"], "captured");
    let said: Vec<&str> = closed["evidence"].as_array().unwrap().iter().map(|e| e["what"].as_str().unwrap()).collect();
    let took = "Shelf 1-2 became 672 g lighter: took 1 × Cola 0.33 l, 98 % sure (by nearest-published-1).";
    assert!(said.contains(&took), "{said:#?}");
    let text = closed.to_string();
    assert!(!text.contains(SECRET), "a token left the house");
    assert!(!text.contains("4.321"), "whereabouts left the house");
    assert!(!text.contains("4045317058593"), "another visit's purchase is shown");

    for (id, status) in [("00000000-0000-5000-8000-00000000ffff", 404), ("ann", 400)] {
        assert_eq!(ask(&daemon, "get", &format!("/api/v1/visits/{id}"), None).await.0.as_u16(), status, "{id}");
    }
}

#[tokio::test]
async fn staff_bind_a_payer_to_a_visit() {
    let daemon = Daemon::start().await;
    let path = format!("/api/v1/visits/{VISIT}/payer");
    let body = json!({"credential": {"kind": "staff", "token": "tok_staff"}});
    let (status, seen) = ask(&daemon, "post", &path, Some(body.clone())).await;
    assert_eq!((status, &seen["visit_id"]), (StatusCode::OK, &json!(VISIT)));
    let Some(Observation::Bind { visit: bound, credential }) = daemon.last_told() else { panic!() };
    assert_eq!((bound, credential.token.as_str()), (visit(VISIT), "tok_staff"));
    let unknown = "/api/v1/visits/00000000-0000-5000-8000-00000000ffff/payer";
    assert_eq!(ask(&daemon, "post", unknown, Some(body)).await.0, StatusCode::NOT_FOUND);
    let card = json!({"credential": {"kind": "card", "token": "4242424242424242"}});
    assert_eq!(ask(&daemon, "post", &path, Some(card)).await.0, StatusCode::BAD_REQUEST);
    assert_eq!(daemon.told.lock().unwrap().len(), 1);
}

/// The floor binds nobody who still shops in another visit; staff must not walk away believing that it did.
#[tokio::test]
async fn a_payer_the_floor_will_not_bind_is_a_conflict_in_words() {
    let daemon = Daemon::start().await;
    let path = format!("/api/v1/visits/{VISIT}/payer");
    let body = |token: &str| json!({"credential": {"kind": "card", "token": token}});
    for (story, token, status) in [
        ("pays for another open visit", PAYS_ELSEWHERE, StatusCode::CONFLICT),
        ("free to pay", "tok_1", StatusCode::OK),
        ("the same request again", "tok_1", StatusCode::OK),
        ("still pays elsewhere", PAYS_ELSEWHERE, StatusCode::CONFLICT),
    ] {
        let (got, said) = ask(&daemon, "post", &path, Some(body(token))).await;
        assert_eq!(got, status, "{story}: {said}");
        if got == StatusCode::CONFLICT {
            assert_eq!(said["type"], "urn:carryout:problem:conflict", "{story}: {said}");
            assert!(said["detail"].as_str().unwrap().contains("bind them when they have left"), "{story}: {said}");
            assert!(!said.to_string().contains(token), "{story} quotes the token: {said}");
        }
    }
}

#[tokio::test]
async fn a_write_says_whether_it_is_on_disk() {
    let body = json!({"credential": {"kind": "card", "token": "tok_1"}});
    for (does, status) in [
        (FloorDoes::Answers, StatusCode::OK),
        (FloorDoes::StaysSilent, StatusCode::ACCEPTED),
        (FloorDoes::DropsAcks, StatusCode::SERVICE_UNAVAILABLE),
    ] {
        let daemon = Daemon::with_floor(does).await;
        let (got, said) = ask(&daemon, "post", &format!("/api/v1/visits/{VISIT}/payer"), Some(body.clone())).await;
        assert_eq!(got, status, "{does:?}: {said}");
    }
}

#[tokio::test]
async fn receipts_are_found_by_what_is_on_the_card_statement() {
    let daemon = Daemon::start().await;
    let (status, found) = ask(&daemon, "get", "/api/v1/receipts?last4=4242&date=2026-07-03&amount=806", None).await;
    assert_eq!((status, found["receipts"].as_array().unwrap().len()), (StatusCode::OK, 1), "{found}");
    let asked = daemon.books.asked.lock().unwrap().clone().unwrap();
    assert_eq!(asked, (Some("4242".to_owned()), Some("2026-07-03".to_owned()), Some(Cents(806))));
    assert_eq!(found["receipts"][0]["number"], 1042);
    for (query, story) in [
        ("last4=424", "three digits"),
        ("last4=4242424242424242", "a whole card number"),
        ("date=03.07.2026", "a date in another order"),
        ("date=2026-02-30", "a day that never was"),
        ("amount=8.06", "major units"),
        ("last4=4242&last4=1881", "twice"),
    ] {
        let (status, problem) = ask(&daemon, "get", &format!("/api/v1/receipts?{query}"), None).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{story}: {problem}");
        assert!(!problem.to_string().contains("4242424242424242"), "{story}");
    }
    let id = ReceiptId::of(visit(CLOSED_VISIT));
    assert_eq!(ask(&daemon, "get", &format!("/api/v1/receipts/{id}"), None).await.1["number"], 1042);
    assert_eq!(ask(&daemon, "get", &format!("/api/v1/receipts/{CLOSED_VISIT}"), None).await.0, StatusCode::NOT_FOUND);
}

fn quantities(told: Option<Observation>) -> Vec<(String, i64)> {
    let (Some(Observation::Contested { lines, .. }) | Some(Observation::Reviewed { lines, .. })) = told else {
        panic!("{told:?}")
    };
    lines.into_iter().map(|(product, quantity)| (product.to_string(), quantity)).collect()
}

#[tokio::test]
async fn a_customer_contests_lines_and_others_stand() {
    let daemon = Daemon::start().await;
    let path = format!("/api/v1/receipts/{}/contest", ReceiptId::of(visit(CLOSED_VISIT)));
    // The receipt: 2 cola (l1), 1 hazelnut bar (l2), 1 sandwich (l3).
    for (story, lines, status) in [
        ("nothing changed", json!([{"line_id": "l1", "original": 2, "claimed": 2}]), 400),
        ("an unknown line", json!([{"line_id": "l9", "claimed": 0}]), 400),
        ("an unknown product", json!([{"product": "42", "claimed": 1}]), 400),
        ("both names", json!([{"line_id": "l1", "product": "20431108", "claimed": 1}]), 400),
        ("no name", json!([{"claimed": 1}]), 400),
        ("the same line twice", json!([{"line_id": "l1", "claimed": 1}, {"line_id": "l1", "claimed": 0}]), 400),
        ("taken off twice", json!([{"line_id": "l1", "claimed": 0}, {"product": "5449000000996", "claimed": 0}]), 400),
        ("less than none", json!([{"line_id": "l1", "claimed": -1}]), 400),
        ("a thousand", json!([{"line_id": "l1", "claimed": 1000}]), 400),
        ("another original", json!([{"line_id": "l1", "original": 3, "claimed": 1}]), 409),
    ] {
        let (got, problem) = ask(&daemon, "post", &path, Some(json!({"lines": lines}))).await;
        assert_eq!(got.as_u16(), status, "{story}: {problem}");
    }
    assert!(daemon.told.lock().unwrap().is_empty());
    let lines = json!([
        {"line_id": "l1", "original": 2, "claimed": 1},
        {"product": "4311501657218", "original": 0, "claimed": 3},
    ]);
    let (status, receipt) = ask(&daemon, "post", &path, Some(json!({"lines": lines, "revision": 7}))).await;
    assert_eq!((status, &receipt["status"]), (StatusCode::OK, &json!("contested")));
    let told = [("20431108", 1), ("4008400404127", 1), ("4311501657218", 3), ("5449000000996", 1)];
    assert_eq!(quantities(daemon.last_told()), told.map(|(product, n)| (product.to_owned(), n)));
}

#[tokio::test]
async fn staff_decide_what_waits_for_them() {
    let daemon = Daemon::start().await;
    let (_, waiting) = ask(&daemon, "get", "/api/v1/reviews", None).await;
    assert_eq!(waiting["reviews"].as_array().unwrap().len(), 1);
    assert_eq!(waiting["reviews"][0]["in_doubt"], json!(["l2"]));
    let id = ReceiptId::of(visit(CHECKED_VISIT));
    let path = format!("/api/v1/reviews/{id}");
    let contest = format!("/api/v1/receipts/{id}/contest");
    let fewer = json!({"lines": [{"line_id": "l2", "quantity": 1}], "revision": 7});
    assert_eq!(ask(&daemon, "post", &contest, Some(fewer.clone())).await.0, StatusCode::CONFLICT);
    let stale = json!({"lines": [], "revision": 6});
    assert_eq!(ask(&daemon, "post", &path, Some(stale)).await.0, StatusCode::CONFLICT);
    let (status, receipt) = ask(&daemon, "post", &path, Some(fewer.clone())).await;
    assert_eq!((status, &receipt["status"]), (StatusCode::OK, &json!("adjusted")));
    let told = [("4337185400100", 1), ("7622210449283", 1)].map(|(product, n)| (product.to_owned(), n));
    assert_eq!(quantities(daemon.last_told()), told);
    assert_eq!(ask(&daemon, "post", &path, Some(fewer)).await.0, StatusCode::CONFLICT, "decided already");
}

#[tokio::test]
async fn money_goes_back_once_and_never_more_than_was_taken() {
    let daemon = Daemon::start().await;
    let charge = ChargeId::of(visit(CLOSED_VISIT), 0); // 8.06
    let url = daemon.url(&format!("/api/v1/charges/{charge}/refunds"));
    let refund = async |key: Option<&str>, amount: i64| {
        let mut request = client().post(&url).bearer_auth(TOKEN);
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        let answer = request.json(&json!({"amount": amount, "reason": "one sandwich too many"})).send().await.unwrap();
        (answer.status().as_u16(), answer.json::<Value>().await.unwrap())
    };
    for (story, key, amount, status, refunded) in [
        ("nothing", None, 0, 400, 0),
        ("a negative sum", None, -100, 400, 0),
        ("more than was taken", None, 807, 409, 0),
        ("one sandwich", Some("k1"), 349, 200, 349),
        ("the same request again", Some("k1"), 349, 200, 349),
        ("its key for another sum", Some("k1"), 100, 409, 349),
        ("more than is left", Some("k2"), 458, 409, 349),
        ("the rest", Some("k2"), 457, 200, 806),
        ("one cent more", None, 1, 409, 806),
    ] {
        let (got, said) = refund(key, amount).await;
        assert_eq!(got, status, "{story}: {said}");
        if status == 200 {
            assert_eq!(said["refunded"], refunded, "{story}: {said}");
        }
    }
    assert_eq!(daemon.told.lock().unwrap().len(), 2, "two refunds, told once each");
    let uncaptured = format!("/api/v1/charges/{}/refunds", ChargeId::of(visit(CHECKED_VISIT), 0));
    let body = json!({"amount": 1, "reason": "none"});
    assert_eq!(ask(&daemon, "post", &uncaptured, Some(body)).await.0, StatusCode::NOT_FOUND, "never charged");
}

#[tokio::test]
async fn the_page_logs_in_with_a_cookie_scripts_cannot_read() {
    let daemon = Daemon::start().await;
    let own = format!("http://{}", daemon.address);
    let log_in = |token: &str| client().post(daemon.url("/api/v1/session")).json(&json!({"token": token}));
    assert_eq!(log_in("wrong").send().await.unwrap().status(), StatusCode::UNAUTHORIZED);
    let foreign = log_in(TOKEN).header("origin", "http://127.0.0.1:1").send().await.unwrap();
    assert_eq!(foreign.status(), StatusCode::FORBIDDEN);
    let answer = log_in(TOKEN).header("origin", &own).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::NO_CONTENT);
    let cookie = answer.headers()["set-cookie"].to_str().unwrap().to_owned();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
    assert!(!cookie.contains(TOKEN));
    let pair = cookie.split(';').next().unwrap().to_owned();

    let payer = format!("/api/v1/visits/{VISIT}/payer");
    let body = json!({"credential": {"kind": "card", "token": "tok_1"}});
    let bind = || client().post(daemon.url(&payer)).header("cookie", &pair).json(&body);
    let read = || client().get(daemon.url("/api/v1/visits")).header("cookie", &pair);
    assert_eq!(read().send().await.unwrap().status(), StatusCode::OK);
    assert_eq!(read().bearer_auth("wrong").send().await.unwrap().status(), StatusCode::UNAUTHORIZED);
    assert_eq!(bind().send().await.unwrap().status(), StatusCode::FORBIDDEN, "a write without an origin");
    let other = bind().header("origin", "http://localhost:1").send().await.unwrap();
    assert_eq!(other.status(), StatusCode::FORBIDDEN, "a write from another page of this machine");
    assert_eq!(bind().header("origin", &own).send().await.unwrap().status(), StatusCode::OK);

    let out = client().delete(daemon.url("/api/v1/session")).header("cookie", &pair).header("origin", &own);
    assert_eq!(out.send().await.unwrap().status(), StatusCode::NO_CONTENT);
    assert_eq!(read().send().await.unwrap().status(), StatusCode::UNAUTHORIZED, "logged out");
}

#[tokio::test]
async fn health_says_why_and_fails_when_nobody_can_be_let_in() {
    let daemon = Daemon::start().await;
    let health = async || {
        let answer = client().get(daemon.url("/api/v1/health")).send().await.unwrap();
        (answer.status(), answer.json::<Value>().await.unwrap())
    };
    let (status, said) = health().await;
    assert_eq!((status, &said["state"], &said["people"]), (StatusCode::OK, &json!("degraded"), &json!(6)));
    assert!(said["reasons"][0].as_str().unwrap().starts_with("Camera ceiling-west"));
    assert!(!said.to_string().contains("4242"), "health names nobody");
    daemon.sync.send_modify(|sync| sync.reachable = Some(false));
    assert!(health().await.1["reasons"].to_string().contains("The payment service does not answer"));
    let closed = Snapshot { state: State::Closed, ..(**daemon.snapshot.borrow()).clone() };
    daemon.snapshot.send_replace(Arc::new(closed));
    assert_eq!(health().await.0, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn metrics_are_prometheus_text() {
    let daemon = Daemon::start().await;
    daemon.counters.add("weights.malformed", 3);
    daemon.counters.count("odd\"name\\");
    let answer = client().get(daemon.url("/metrics")).send().await.unwrap();
    assert_eq!(answer.headers()["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    let text = answer.text().await.unwrap();
    let mut typed = std::collections::BTreeSet::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert!(["gauge", "counter"].contains(&kind), "{line}");
            assert!(typed.insert(name), "{name} is declared twice");
        } else if !line.starts_with("# HELP ") {
            let (series, value) = line.rsplit_once(' ').unwrap();
            assert!(value.parse::<f64>().is_ok(), "{line}");
            let name = series.split('{').next().unwrap();
            assert!(typed.contains(name), "{name} comes before its type");
        }
    }
    for line in [
        "carryout_state{state=\"degraded\"} 1",
        "carryout_state{state=\"up\"} 0",
        "carryout_open_visits 4",
        "carryout_camera_alive{camera=\"ceiling-west\"} 0",
        "carryout_gate_open{gate=\"entrance\"} 1",
        "carryout_events_total{name=\"weights.malformed\"} 3",
        "carryout_events_total{name=\"odd\\\"name\\\\\"} 1",
    ] {
        assert!(text.lines().any(|found| found == line), "no {line:?} in\n{text}");
    }
}

#[tokio::test]
async fn the_plan_shows_the_shop_and_no_camera_password() {
    let daemon = Daemon::start().await;
    let (_, plan) = ask(&daemon, "get", "/api/v1/shop", None).await;
    assert_eq!((plan["shelves"].as_array().unwrap().len(), plan["bays"].as_array().unwrap().len()), (25, 5));
    assert!(plan["shelves"][0]["products"][0].is_string());
    assert!(!plan.to_string().contains("password"));
}

/// Reads one server-sent event: the data of the next `event: live`.
async fn next_live(answer: &mut reqwest::Response, held: &mut String) -> Value {
    loop {
        if let Some((event, rest)) = held.split_once("\n\n") {
            let data = event.lines().find_map(|line| line.strip_prefix("data: ")).map(str::to_owned);
            *held = rest.to_owned();
            if let Some(data) = data {
                return serde_json::from_str(&data).unwrap();
            }
            continue;
        }
        let chunk = tokio::time::timeout(Duration::from_secs(5), answer.chunk()).await.expect("within 5 s");
        held.push_str(std::str::from_utf8(&chunk.unwrap().expect("the stream goes on")).unwrap());
    }
}

#[tokio::test]
async fn the_stream_shows_the_newest_snapshot_and_skips_the_rest() {
    let daemon = Daemon::start().await;
    let mut stream = client().get(daemon.url("/api/v1/stream")).bearer_auth(TOKEN).send().await.unwrap();
    assert_eq!(stream.headers()["content-type"], "text/event-stream");
    let mut held = String::new();
    let first = next_live(&mut stream, &mut held).await;
    assert_eq!(first["snapshot"]["durable_seq"], 48_213, "the first picture comes at once");
    let begun = Instant::now();
    for seq in 1..=500 {
        let newer = Snapshot { durable_seq: seq, ..(**daemon.snapshot.borrow()).clone() };
        daemon.snapshot.send_replace(Arc::new(newer));
        tokio::task::yield_now().await;
    }
    let mut pictures = 0;
    loop {
        let live = next_live(&mut stream, &mut held).await;
        pictures += 1;
        assert!(live["sync"]["reachable"].is_boolean() && live["health"]["state"].is_string());
        if live["snapshot"]["durable_seq"] == 500 {
            break;
        }
    }
    let most = 2 + begun.elapsed().as_millis() / 200;
    assert!(pictures <= most, "{pictures} pictures in {:?}", begun.elapsed());
    // A quiet floor still shows a sign of life, and a stop ends the stream.
    next_live(&mut stream, &mut held).await;
    let stopped = daemon.stop().await;
    assert!(stopped.is_ok(), "{stopped:?}");
    while let Ok(Some(_)) = stream.chunk().await {}
}

#[tokio::test]
async fn a_full_house_of_watchers_is_told_so() {
    let daemon = Daemon::start().await;
    let client = client();
    let mut watching = Vec::new();
    for n in 0..=32 {
        let answer = client.get(daemon.url("/api/v1/stream")).bearer_auth(TOKEN).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), if n < 32 { 200 } else { 503 }, "watcher {n}");
        watching.push(answer);
    }
}

#[tokio::test]
async fn the_page_is_small_and_kept_by_the_browser() {
    let daemon = Daemon::start().await;
    let mut bytes = 0;
    for path in ["/", "/style.css", "/app.js", "/decide.js", "/favicon.svg"] {
        let answer = client().get(daemon.url(path)).send().await.unwrap();
        let tag = answer.headers()["etag"].clone();
        let text = answer.text().await.unwrap();
        bytes += text.len();
        let foreign = text.replace("http://www.w3.org/", "");
        assert!(!foreign.contains("http://") && !foreign.contains("https://"), "{path} points elsewhere");
        assert!(!text.contains("innerHTML") && !text.contains("insertAdjacentHTML"), "{path} makes markup of text");
        let again = client().get(daemon.url(path)).header("if-none-match", tag).send().await.unwrap();
        assert_eq!(again.status(), StatusCode::NOT_MODIFIED, "{path}");
    }
    assert_eq!(bytes, carryout::web::page_bytes());
    println!("page.bytes {bytes}");
    assert!(bytes < 200_000, "{bytes} bytes");
    let (status, _) = ask(&daemon, "get", "/api/v1/nothing", None).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    let (status, _) = ask(&daemon, "put", "/api/v1/visits", None).await;
    assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED);
}

#[test]
fn the_sample_is_what_the_stories_say() {
    let receipt = &sample_receipts(carryout::base::ShopTime(1))[0];
    assert_eq!(receipt.cart.total, Cents(806));
    assert_eq!(receipt.cart.lines[0].product, ProductId::new("5449000000996"));
    assert_eq!(receipt.cart.lines[0].probability, Probability::from_f64(0.98));
}
