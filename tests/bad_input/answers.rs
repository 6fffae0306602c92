//! One bad answer of upstream, and what came of it: at once, and in the end.
//!
//!     sync --> a go-between --> the reference upstream
//!
//! The go-between spoils the first answer to one kind of call; whether upstream did what it was asked before is the
//! cell's choice. Every call of that kind after it waits until we have looked. Then the shop is started again, upstream is
//! well, and everybody must have been charged once and been given back once.

use crate::support::{self, State, entry, receipt, refund, visit};
use crate::synced::{Shop, hurried};
use carryout::base::{ChargeId, RefundId};
use carryout::carts::ReceiptStatus;
use carryout::events::{Fact, Observation, Outgoing};
use carryout::ledger::verify;
use carryout::sim::upstream::Upstream;
use carryout::sync::SyncOptions;
use std::sync::atomic::{AtomicU32, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    Charge,
    /// Of a charge whose first answer was 500.
    LookUp,
    Refund,
    Release,
    Events,
}

/// Whether upstream did what it was asked before its answer was spoilt.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Effect {
    Had,
    None,
}

#[derive(Clone, Debug)]
pub struct Way {
    bytes: Vec<u8>,
    then: Then,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Then {
    HangsUp,
    /// Says no more, and stays.
    Stays,
    /// Says the same again, for ever.
    GoesOn,
}

impl Way {
    pub fn says(status: &str, body: &[u8]) -> Way {
        Way::with(status, &format!("content-length: {}", body.len()), body)
    }

    pub fn with(status: &str, headers: &str, body: &[u8]) -> Way {
        let head = format!("HTTP/1.1 {status}\r\nconnection: close\r\n{headers}\r\n\r\n");
        Way { bytes: [head.as_bytes(), body].concat(), then: Then::HangsUp }
    }

    pub fn raw(bytes: &str, then: Then) -> Way {
        Way { bytes: bytes.as_bytes().to_vec(), then }
    }

    pub fn and(self, then: Then) -> Way {
        Way { then, ..self }
    }
}

/// A name of its own for everybody, so that one upstream serves them all.
pub fn customer() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("ann-{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

pub struct Ids {
    pub charge: String,
    pub refund: String,
}

impl Ids {
    pub fn of(who: &str) -> Ids {
        Ids { charge: ChargeId::of(visit(who), 0).to_string(), refund: RefundId::of(visit(who), 0).to_string() }
    }
}

/// What came of it, and in which words: `ok`; `unknown`, `declined` or `refused`, and the row waits; `a person's`, of a
/// refund; `dropped`, of events. Panics when money was lost or taken twice.
pub async fn try_out(upstream: &Upstream, who: &str, call: Call, way: Way, effect: Effect) -> (String, String) {
    let story = format!("{call:?}, {:.120}, {effect:?}", String::from_utf8_lossy(&way.bytes));
    let state = State::new();
    // Only who never answers is not waited for.
    let timeout_ms = if way.then == Then::HangsUp { 20_000 } else { 400 };
    let (url, again) = go_between(upstream.url(), call, way, effect).await;
    let options =
        SyncOptions { timeout_ms, refused_retry_s: 0, decline_retries_s: vec![0], events_per_batch: 1, ..hurried(url) };
    let mut shop = Shop::open(&state, &options);
    demand(&shop, who, call).await;
    let mut tried_again = again.clone();
    tokio::select! {
        _ = tried_again.wait_for(|again| *again) => {}
        () = shop.all_said(&story) => {}
    }
    let dropped = shop.counters.get("sync.event_refused") > 0;
    let said = shop.close().await;

    let db = rusqlite::Connection::open(state.file()).expect("the ledger");
    let row =
        db.query_row("SELECT declines, coalesce(last_error, '') FROM outbox WHERE what = ?1", [word(call)], |row| {
            Ok((row.get::<_, u32>(0)?, row.get::<_, String>(1)?))
        });
    let given_back = !said.iter().any(|said| matches!(said, Observation::Refunded { done: false, .. }));
    let numbered = |error: &str| error.split_once(": ").is_some_and(|(status, _)| status.parse::<u16>().is_ok());
    let (name, detail) = match row {
        Err(_) if dropped => ("dropped", "counted as sync.event_refused".into()),
        Err(_) if !given_back => ("a person's", "in the log, and among the reviews".into()),
        Err(_) => ("ok", String::new()),
        Ok((1.., why)) => ("declined", why),
        Ok((0, why)) if numbered(&why) => ("refused", why),
        Ok((0, why)) => ("unknown", why),
    };
    // Upstream is well again, and so are we.
    let mut shop = Shop::open(&state, &hurried(upstream.url()));
    shop.all_said(&story).await;
    shop.close().await;
    let (ids, records) = (Ids::of(who), upstream.records());
    if !matches!(call, Call::Release) {
        assert_eq!(records.charge(&ids.charge).map(|charge| charge.captured), Some(1), "{story}: {name}");
    }
    let given = records.refunds.iter().find(|refund| refund.refund_id == ids.refund).map_or(0, |refund| refund.given);
    let meant = u32::from(call == Call::Refund && (given_back || effect == Effect::Had));
    assert_eq!(given, meant, "{story}: {name}: given back");
    let mut report = verify(&state.file()).expect("a ledger");
    if !given_back {
        // The real floor writes the receipt anew and puts it before a person (`tests/floor`).
        report.findings.retain(|finding| !finding.contains("charges less refunds come to 2.50"));
    }
    assert_eq!((report.findings, report.open_charges, report.outbox_rows), (vec![], 0, 0), "{story}: {name}");
    (name.into(), detail)
}

/// As the outbox has it.
fn word(call: Call) -> &'static str {
    match call {
        Call::Charge | Call::LookUp => "charge",
        Call::Refund => "refund",
        Call::Release => "release",
        Call::Events => "event",
    }
}

/// Something of `who`'s for upstream to answer.
async fn demand(shop: &Shop, who: &str, call: Call) {
    if call == Call::Release {
        shop.enter((support::taps_in(0, who), vec![])).await;
        let released = entry(0, who, Fact::HoldReleased { tap_id: support::tap(who), why: "nothing taken".into() });
        let row = Outgoing::Release { authorization_or_tap: format!("auth-{who}"), visit: Some(visit(who)) };
        return shop.enter((vec![released], vec![row])).await;
    }
    shop.sells(who, 1).await;
    if call == Call::Refund {
        let back = refund(who, 0, 100);
        let row = Outgoing::Refund { refund_id: back.refund_id, visit: visit(who) };
        let less = entry(0, who, Fact::Receipt { receipt: receipt(who, 1, ReceiptStatus::Adjusted, 150) });
        shop.enter((vec![less, entry(0, who, Fact::RefundQueued { refund: back })], vec![row])).await;
    }
}

/// Its address, and whether a spoilt call was made again: it is not answered then.
async fn go_between(upstream: String, call: Call, way: Way, effect: Effect) -> (String, watch::Receiver<bool>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port on loopback");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    let upstream = upstream.strip_prefix("http://").expect("on loopback").to_owned();
    let (again, seen) = watch::channel(false);
    tokio::spawn(async move {
        let (mut is_first, mut is_spoilt, mut held) = (true, false, Vec::new());
        while let Ok((mut socket, _)) = listener.accept().await {
            let asked = request(&mut socket).await;
            if asked.is_empty() {
                continue; // given up before it was asked
            }
            let ours = is_of(call, &asked);
            if ours && is_spoilt {
                again.send_replace(true);
                held.push(socket);
                continue;
            }
            // What a look-up is after: a charge of which nobody knows what became of it.
            let lost = call == Call::LookUp && asked.starts_with("POST /v1/charges") && std::mem::take(&mut is_first);
            is_spoilt |= ours;
            let carries = effect == Effect::Had || !(ours || lost);
            let answer = if carries { carried(&upstream, &asked).await } else { Vec::new() };
            let way = match (ours, lost) {
                (true, _) => way.clone(),
                (_, true) => Way::says("500 Internal Server Error", b""),
                _ => Way { bytes: answer, then: Then::HangsUp },
            };
            tokio::spawn(spoil(socket, way));
        }
    });
    (url, seen)
}

/// A lost charge is asked for before it is sent again.
fn is_of(call: Call, asked: &str) -> bool {
    match call {
        Call::Charge => asked.contains(" /v1/charges"),
        Call::LookUp => asked.starts_with("GET /v1/charges/"),
        Call::Refund => asked.starts_with("POST /v1/refunds"),
        Call::Release => asked.starts_with("POST /v1/authorizations/"),
        Call::Events => asked.starts_with("POST /v1/events"),
    }
}

/// Head and body.
async fn request(socket: &mut TcpStream) -> String {
    let (mut asked, mut part) = (Vec::new(), [0; 4096]);
    loop {
        let text = String::from_utf8_lossy(&asked);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= length.map_or(0, |length| length.parse().expect("a length")) {
                return text.into_owned();
            }
        }
        match socket.read(&mut part).await {
            Ok(n) if n > 0 => asked.extend_from_slice(&part[..n]),
            _ => return text.into_owned(),
        }
    }
}

/// The real upstream's answer, whole.
async fn carried(upstream: &str, asked: &str) -> Vec<u8> {
    let mut socket = TcpStream::connect(upstream).await.expect("an upstream");
    let asked = asked.replacen("\r\n", "\r\nconnection: close\r\n", 1);
    socket.write_all(asked.as_bytes()).await.expect("it listens");
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).await.expect("it answers");
    answer
}

async fn spoil(mut socket: TcpStream, way: Way) {
    // An error is the shop hanging up: it has heard enough.
    if socket.write_all(&way.bytes).await.is_err() {
        return;
    }
    match way.then {
        Then::HangsUp => drop(socket.shutdown().await),
        Then::Stays => std::future::pending().await,
        Then::GoesOn => while socket.write_all(&way.bytes).await.is_ok() {},
    }
}
