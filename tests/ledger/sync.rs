//! Whatever upstream does, and whenever we die, everybody is charged exactly once.

use crate::support::*;
use crate::synced::*;
use carryout::base::time::Clock;
use carryout::base::*;
use carryout::carts::*;
use carryout::events::*;
use carryout::ledger::{LedgerError, Reader, verify};
use carryout::sim::upstream::{Faults, Upstream, UpstreamOptions};
use carryout::sync::{Client, SyncOptions, SyncStatus};
use std::collections::BTreeMap;
use tokio::sync::mpsc;

fn each_once(upstream: &Upstream, sold: usize, story: &str) {
    let records = upstream.records();
    assert_eq!(records.charges.len(), sold, "{story}: charges seen upstream");
    assert!(records.not_once().is_empty(), "{story}: not once: {:#?}", records.not_once());
}

fn books_are_settled(state: &State, who: &[&str], story: &str) {
    let report = verify(&state.file()).unwrap();
    assert_eq!((report.findings, report.open_charges, report.outbox_rows), (vec![], 0, 0), "{story}");
    let reader = Reader::open(&state.file()).unwrap();
    for who in who {
        let charges = reader.charges_of(visit(who)).unwrap();
        assert!(charges.iter().all(|charge| charge.state == ChargeState::Captured), "{story}: {who} {charges:?}");
    }
}

const SHOPPERS: [&str; 6] = ["ann", "bob", "cem", "dana", "eve", "finn"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everybody_is_charged_once_whatever_upstream_does() {
    let charges = || "POST /v1/charges".to_owned();
    for (story, faults) in [
        ("all is well", Faults::default()),
        ("slow", Faults { delay_ms: 30, ..Faults::default() }),
        ("500 before the effect", Faults { fail_before: 5, ..Faults::default() }),
        ("500 after the effect", Faults { only: charges(), fail_after: 4, ..Faults::default() }),
        ("no answer after the effect", Faults { only: charges(), hang_after: 2, ..Faults::default() }),
        ("all of it", Faults { fail_before: 3, fail_after: 3, hang_after: 2, ..Faults::default() }),
        ("look-ups fail too", Faults { only: String::new(), fail_after: 8, ..Faults::default() }),
    ] {
        let upstream = Upstream::start(UpstreamOptions::default()).unwrap();
        upstream.set_faults(faults);
        let state = State::new();
        let mut shop = Shop::open(&state, &hurried(upstream.url()));
        for (number, who) in (1..).zip(SHOPPERS) {
            shop.sells(who, number).await;
        }
        shop.all_said(story).await;
        each_once(&upstream, SHOPPERS.len(), story);
        assert_eq!(upstream.records().events.len(), SHOPPERS.len(), "{story}: events, each id once");
        shop.close().await;
        books_are_settled(&state, &SHOPPERS, story);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_are_forgotten_while_we_are_down_and_nobody_pays_twice() {
    // Look-ups do not get through either, so that it is still unknown when we die.
    for (story, faults) in [
        ("it hung after the effect", Faults { hang_after: u32::MAX, ..Faults::default() }),
        ("it failed after the effect", Faults { fail_after: u32::MAX, ..Faults::default() }),
    ] {
        let upstream = Upstream::start(UpstreamOptions::default()).unwrap();
        upstream.set_faults(faults);
        let state = State::new();
        let shop = Shop::open(&state, &hurried(upstream.url()));
        shop.sells("ann", 1).await;
        upstream.until(PATIENCE, |records| records.charges.len() == 1).await.expect(story);
        shop.close().await;
        upstream.forget_keys().unwrap();
        upstream.set_faults(Faults::default());

        let mut shop = Shop::open(&state, &hurried(upstream.url()));
        shop.all_said(story).await;
        each_once(&upstream, 1, story);
        shop.close().await;
        books_are_settled(&state, &["ann"], story);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_was_never_entered_is_asked_for_again() {
    let upstream = Upstream::start(UpstreamOptions::default()).unwrap();
    let state = State::new();
    let shop = Shop::start(&state, state.open(), &hurried(upstream.url()), Floor::Deaf);
    shop.sells("ann", 1).await;
    upstream.until(PATIENCE, |records| records.charges.len() == 1).await.unwrap();
    shop.close().await;
    assert_eq!(verify(&state.file()).unwrap().open_charges, 1, "upstream has it, the books do not know");
    upstream.forget_keys().unwrap();
    let mut shop = Shop::open(&state, &hurried(upstream.url()));
    shop.all_said("after the restart").await;
    let said = shop.close().await;
    assert_eq!(said.len(), 1, "{said:?}");
    each_once(&upstream, 1, "after the restart");
    books_are_settled(&state, &["ann"], "after the restart");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn upstream_goes_away_and_comes_back() {
    let upstream = Upstream::start(UpstreamOptions::default()).unwrap();
    let state = State::new();
    let mut shop = Shop::open(&state, &hurried(upstream.url()));
    shop.sells("ann", 1).await;
    shop.all_said("before").await;
    upstream.go_away();
    for (number, who) in (2..).zip(&SHOPPERS[1..]) {
        shop.sells(who, number).await;
    }
    let status = shop.status_is("away", |s| s.reachable == Some(false) && s.queue_rows == 10).await;
    assert!(status.last_error.is_some() && status.queue_oldest_us.is_some(), "{status:?}");
    let unsent = Reader::open(&state.file()).unwrap().charges_of(visit("bob")).unwrap();
    assert_eq!(unsent[0].state, ChargeState::Queued, "a refused connection says nothing about a charge");
    upstream.come_back().unwrap();
    shop.all_said("back").await;
    shop.close().await;
    each_once(&upstream, SHOPPERS.len(), "back");
    books_are_settled(&state, &SHOPPERS, "back");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn we_die_at_every_write_of_an_evening_and_upstream_misbehaves() {
    // Several evenings at once: most of each is waiting for an upstream that hangs.
    const AT_ONCE: u64 = 12;
    for first in (1..).step_by(AT_ONCE as usize) {
        let evenings = (first..first + AT_ONCE).map(an_evening_until);
        let survived = futures_util::future::join_all(evenings).await;
        if survived.contains(&true) {
            assert!(first > AT_ONCE, "the evening has only {first} writes");
            return;
        }
    }
}

/// Dies at write `n` and goes on after a restart. Whether it was over before.
async fn an_evening_until(n: u64) -> bool {
    let story = format!("dead at write {n}");
    let upstream = Upstream::start(UpstreamOptions::default()).unwrap();
    upstream.set_faults(Faults { only: "POST /v1/charges".into(), fail_after: 1, hang_after: 1, ..Faults::default() });
    let state = State::new();
    let mut ledger = state.open();
    // The visits themselves are another test's; the deaths here are of what follows them.
    for (number, who) in [(1, "ann"), (2, "bob")] {
        ledger.commit(&without_hold(taps_in(0, who)), &[]).unwrap();
        let (entries, outbox) = leaves(0, who, number, 250);
        ledger.commit(&entries, &outbox).unwrap();
    }
    ledger.stop_at_write(n);
    let impatient = SyncOptions { timeout_ms: 100, ..hurried(upstream.url()) };
    let mut shop = Shop::start(&state, ledger, &impatient, Floor::Enters);
    let done = tokio::select! {
        () = shop.writer.closed() => false,
        status = tokio::time::timeout(PATIENCE, shop.status.wait_for(|s| s.queue_rows == 0)) => {
            status.expect("it goes on or it dies").is_ok() && !shop.writer.is_closed()
        }
    };
    let _ = shop.shutdown.send(true);
    let _ = shop.syncing.await.unwrap();
    shop.floor.abort();
    let _ = shop.floor.await;
    drop(shop.writer);
    let ended = tokio::task::spawn_blocking(|| shop.writing.join().unwrap()).await.unwrap();
    assert!(ended.is_ok() || matches!(ended, Err(LedgerError::Stopped)), "{story}: {ended:?}");
    assert_eq!(verify(&state.file()).unwrap().findings, Vec::<String>::new(), "{story}");

    upstream.forget_keys().unwrap();
    let mut shop = Shop::open(&state, &hurried(upstream.url()));
    shop.all_said(&story).await;
    shop.close().await;
    each_once(&upstream, 2, &story);
    books_are_settled(&state, &["ann", "bob"], &story);
    done
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_declined_charge_is_tried_again_and_in_the_end_written_off() {
    for (story, declines, states) in [
        ("the second try goes through", 1, vec![ChargeState::Declined, ChargeState::Queued, ChargeState::Captured]),
        ("it never does", 9, {
            use ChargeState::*;
            vec![Declined, Queued, Declined, Queued, Declined, WrittenOff]
        }),
    ] {
        let upstream = Upstream::start(UpstreamOptions::default()).unwrap();
        upstream.set_faults(Faults { decline_charges: true, ..Faults::default() });
        let state = State::new();
        let retry_s = if declines == 1 { 1 } else { 0 };
        let mut shop =
            Shop::open(&state, &SyncOptions { decline_retries_s: vec![retry_s, 0], ..hurried(upstream.url()) });
        shop.sells("ann", 1).await;
        if declines == 1 {
            upstream.until(PATIENCE, |r| r.charges.iter().any(|c| c.declined == 1)).await.expect(story);
            upstream.set_faults(Faults::default());
        }
        shop.all_said(story).await;
        let said: Vec<ChargeState> = shop
            .close()
            .await
            .into_iter()
            .map(|observation| match observation {
                Observation::Charged(answer) => answer.state,
                other => panic!("{story}: {other:?}"),
            })
            .collect();
        assert_eq!(said, states, "{story}");
        assert_eq!(upstream.records().charges[0].captured, u32::from(declines == 1), "{story}");
        assert_eq!(verify(&state.file()).unwrap().findings, Vec::<String>::new(), "{story}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dying_on_the_way_to_another_try_costs_no_try() {
    let upstream = Upstream::start(UpstreamOptions::default()).unwrap();
    upstream.set_faults(Faults { decline_charges: true, ..Faults::default() });
    let state = State::new();
    let mut shop = Shop::open(&state, &SyncOptions { decline_retries_s: vec![3600], ..hurried(upstream.url()) });
    shop.sells("ann", 1).await;
    let declined = tokio::time::timeout(PATIENCE, shop.entered.wait_for(|n| *n == 1)).await;
    assert!(declined.expect("an answer comes").is_ok());
    shop.close().await;
    // The row says that the next try was under way, the books have not heard of it.
    let charge = ChargeId::of(visit("ann"), 0).to_string();
    let db = rusqlite::Connection::open(state.file()).unwrap();
    let changed = db.execute("UPDATE outbox SET state = 'sent', next_try_us = 0 WHERE ref = ?1", [charge]).unwrap();
    assert_eq!(changed, 1);
    drop(db);
    upstream.set_faults(Faults::default());
    let mut shop = Shop::open(&state, &hurried(upstream.url()));
    shop.all_said("after the restart").await;
    let said = shop.close().await;
    let states: Vec<_> = said
        .iter()
        .map(|o| if let Observation::Charged(answer) = o { answer.state } else { panic!("{o:?}") })
        .collect();
    assert_eq!(states, [ChargeState::Queued, ChargeState::Captured]);
    each_once(&upstream, 1, "after the restart");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn order_is_kept_within_a_visit_and_a_decline_holds_nobody_up() {
    let upstream = Upstream::start(UpstreamOptions::default()).unwrap();
    upstream.set_faults(Faults { only: "POST /v1/charges".into(), fail_before: 4, delay_ms: 10, ..Faults::default() });
    let state = State::new();
    let mut shop = Shop::open(&state, &SyncOptions { decline_retries_s: vec![3600], ..hurried(upstream.url()) });
    for (number, who) in (1..).zip(["ann", "bob", "cem"]) {
        shop.sells(who, number).await;
        let mut more = charge(who, 1, 100);
        more.authorization_id = None;
        let row = Outgoing::Charge { charge_id: more.charge_id, visit: visit(who) };
        let receipt = receipt(who, number, ReceiptStatus::Adjusted, 350);
        shop.enter((
            vec![entry(0, who, Fact::Receipt { receipt }), entry(0, who, Fact::ChargeQueued { charge: more })],
            vec![row],
        ))
        .await;
        let back = refund(who, 0, 50);
        let row = Outgoing::Refund { refund_id: back.refund_id, visit: visit(who) };
        let receipt = carryout::carts::Receipt {
            status: ReceiptStatus::Adjusted,
            ..crate::support::receipt(who, number, ReceiptStatus::Final, 300)
        };
        shop.enter((
            vec![entry(0, who, Fact::Receipt { receipt }), entry(0, who, Fact::RefundQueued { refund: back })],
            vec![row],
        ))
        .await;
    }
    shop.all_said("three visits").await;
    let records = upstream.records();
    let mut sequences: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    for charge in &records.charges {
        sequences.entry(&charge.visit_id).or_default().push(charge.sequence);
    }
    assert!(sequences.values().all(|order| *order == [0, 1]), "{sequences:?}");
    assert_eq!(records.refunds.iter().map(|refund| refund.given).collect::<Vec<_>>(), [1, 1, 1]);
    each_once(&upstream, 6, "three visits");

    // Dana's first charge is declined and waits an hour; her supplement does not wait with it.
    upstream.set_faults(Faults { decline_charges: true, ..Faults::default() });
    shop.sells("dana", 4).await;
    upstream.until(PATIENCE, |r| r.charges.iter().any(|c| c.declined == 1)).await.expect("declined");
    upstream.set_faults(Faults::default());
    let mut more = charge("dana", 1, 100);
    more.authorization_id = None;
    let supplement = more.charge_id;
    let row = Outgoing::Charge { charge_id: supplement, visit: visit("dana") };
    let receipt = receipt("dana", 4, ReceiptStatus::Adjusted, 350);
    shop.enter((
        vec![entry(0, "dana", Fact::Receipt { receipt }), entry(0, "dana", Fact::ChargeQueued { charge: more })],
        vec![row],
    ))
    .await;
    upstream.until(PATIENCE, |r| r.charge(supplement).is_some_and(|c| c.captured == 1)).await.expect("not held up");
    shop.status_is("the declined one waits", |status| status.queue_rows == 1).await;
    shop.close().await;
    assert_eq!(verify(&state.file()).unwrap().findings, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_release_is_repeated_until_it_is_answered() {
    let upstream = Upstream::start(UpstreamOptions::default()).unwrap();
    let state = State::new();
    let options = hurried(upstream.url());
    let client = Client::new(&options, shop(), "EUR").unwrap().unwrap();
    let answer = client.authorise(&tap("bob"), &card("bob"), Cents(5000)).await;
    let Answer::Held { authorization_id, .. } = answer else { panic!("{answer:?}") };
    upstream.set_faults(Faults {
        only: "POST /v1/authorizations".into(),
        fail_after: 1,
        hang_after: 1,
        ..Faults::default()
    });
    let mut shop = Shop::open(&state, &options);
    shop.enter((taps_in(0, "bob"), vec![])).await;
    let released = Fact::HoldReleased { tap_id: tap("bob"), why: "nothing taken".into() };
    let by_id = Outgoing::Release { authorization_or_tap: authorization_id, visit: Some(visit("bob")) };
    // A hold that nobody ever heard of, by its tap.
    let by_tap = Outgoing::Release { authorization_or_tap: tap("cem").to_string(), visit: None };
    shop.enter((vec![entry(0, "bob", released)], vec![by_id, by_tap])).await;
    shop.all_said("released").await;
    let records = upstream.records();
    assert!(records.authorizations[0].released);
    let releases = records.calls.iter().filter(|call| call.ends_with("/release")).count();
    assert_eq!(releases, 4, "two rows, two lost answers");
    let late = client.authorise(&tap("cem"), &card("cem"), Cents(5000)).await;
    assert!(matches!(late, Answer::Declined { .. }), "released before it was made: {late:?}");
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn authorisations_are_answered_whenever_the_answer_comes() {
    let upstream = Upstream::start(UpstreamOptions::default()).unwrap();
    let options = SyncOptions { authorise_timeout_ms: 900, ..hurried(upstream.url()) };
    let client = Client::new(&options, shop(), "EUR").unwrap().unwrap();
    let clock = Clock::anchored_after(ShopTime(0));
    let (floor, mut heard) = mpsc::channel(8);
    let runtime = tokio::runtime::Handle::current();
    #[derive(Debug, PartialEq)]
    enum Kind {
        Held,
        Declined,
        Unreachable,
    }
    for (story, token, faults, away, expected) in [
        ("at once", "tok_ann", Faults::default(), false, Kind::Held),
        ("the same tap again", "tok_ann", Faults::default(), false, Kind::Held),
        ("after the budget", "tok_late", Faults { delay_ms: 500, ..Faults::default() }, false, Kind::Held),
        ("never", "tok_hung", Faults { hang_after: 1, ..Faults::default() }, false, Kind::Unreachable),
        ("ill", "tok_ill", Faults { fail_before: 1, ..Faults::default() }, false, Kind::Unreachable),
        ("declined", "tok_declined_4", Faults::default(), false, Kind::Declined),
        ("gone", "tok_gone", Faults::default(), true, Kind::Unreachable),
    ] {
        upstream.set_faults(faults);
        if away {
            upstream.go_away();
        }
        let credential = Credential { token: token.into(), ..card("ann") };
        client.authorise_for(&runtime, floor.clone(), clock, TapId::new(token), credential, Cents(5000));
        let heard = tokio::time::timeout(PATIENCE, heard.recv()).await.expect(story).unwrap();
        let Observation::Authorised(Authorised { tap_id, answer }) = heard.stamped.observation else {
            panic!("{story}")
        };
        assert_eq!(tap_id.as_str(), token, "{story}");
        let kind = match answer {
            Answer::Held { amount, .. } => {
                assert_eq!(amount, Cents(5000), "{story}");
                Kind::Held
            }
            Answer::Declined { .. } => Kind::Declined,
            Answer::Unreachable => Kind::Unreachable,
        };
        assert_eq!(kind, expected, "{story}");
    }
    assert_eq!(upstream.records().authorizations.len(), 3, "one a tap; the hung one was made all the same");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_token_is_said_and_repaired() {
    let upstream = Upstream::start(UpstreamOptions { token: Some("right".into()), ..Default::default() }).unwrap();
    let state = State::new();
    let file = state.0.path().join("upstream.token");
    let options = SyncOptions { token_file: Some(file.clone().into()), ..hurried(upstream.url()) };
    std::fs::write(&file, "wrong").unwrap();
    let mut shop = Shop::open(&state, &options);
    shop.sells("ann", 1).await;
    let said = |status: &SyncStatus| status.last_error.as_ref().is_some_and(|e| e.contains("upstream.token_file"));
    shop.status_is("wrong token", said).await;
    shop.close().await;
    std::fs::write(&file, "right\n").unwrap();
    let mut shop = Shop::open(&state, &options);
    shop.all_said("right token").await;
    shop.close().await;
    each_once(&upstream, 1, "right token");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_taken_by_another_body_is_a_persons_matter() {
    let upstream = Upstream::start(UpstreamOptions::default()).unwrap();
    carryout::sync::install_tls_provider();
    let id = ChargeId::of(visit("ann"), 0).to_string();
    let foreign = serde_json::json!({
        "charge_id": id, "visit_id": "x", "sequence": 0, "credential": {"token": "tok_x"}, "total": 999,
        "lines": [{"total": 999}]
    });
    let post = reqwest::Client::builder()
        .no_proxy()
        .tls_certs_only([])
        .build()
        .unwrap()
        .post(format!("{}/v1/charges", upstream.url()));
    let answer = post.header("Idempotency-Key", &id).json(&foreign).send().await.unwrap();
    assert_eq!(answer.status(), 201);
    let state = State::new();
    let mut shop = Shop::open(&state, &hurried(upstream.url()));
    shop.sells("ann", 1).await;
    shop.sells("bob", 2).await;
    shop.status_is("ann's stays, the rest goes", |status| status.queue_rows == 1).await;
    shop.close().await;
    let reader = Reader::open(&state.file()).unwrap();
    let states = ["ann", "bob"].map(|who| reader.charges_of(visit(who)).unwrap()[0].state);
    assert_eq!(states, [ChargeState::Queued, ChargeState::Captured]);
    each_once(&upstream, 2, "the foreign one and bob's");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_an_upstream_the_queue_is_counted() {
    let state = State::new();
    let mut shop = Shop::open(&state, &SyncOptions::default());
    shop.sells("ann", 1).await;
    let status = shop.status_is("offline", |status| status.queue_rows == 2).await;
    assert_eq!(status.reachable, None);
    shop.close().await;
}
