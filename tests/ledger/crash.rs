//! Whatever write the power goes at, what comes back is a whole number of steps, and the day goes on to the same end.

use crate::support::*;
use carryout::base::Ack;
use carryout::events::{Decision, Effect, Entry, Reason};
use carryout::ledger::{Batch, LedgerError, Reader, Work, spawn_writer, verify};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use tokio::sync::{Notify, mpsc};

/// Everything durable that does not depend on random keys.
fn books(state: &State) -> (Vec<(u64, Entry)>, String) {
    let ledger = state.open();
    let entries = ledger.entries(1).collect::<Result<_, _>>().unwrap();
    let outbox = format!("{:?}", Reader::open(&state.file()).unwrap().outbox().unwrap());
    (entries, outbox)
}

#[test]
fn power_fails_at_every_write_of_a_morning() {
    let steps = a_morning();
    let expected = {
        let state = State::new();
        play(&mut state.open(), &steps).unwrap();
        books(&state)
    };
    let mut deaths = 0;
    for n in 1.. {
        let state = State::new();
        let mut ledger = state.open();
        ledger.stop_at_write(n);
        let acknowledged = match play(&mut ledger, &steps) {
            Ok(_) => break,
            Err((done, LedgerError::Stopped)) => done,
            Err((done, error)) => panic!("write {n}, step {:?}: {error}", steps[done].what),
        };
        assert!(matches!(ledger.commit(&[levels(1, "x", &[])], &[]), Err(LedgerError::Stopped)), "dead is dead");
        drop(ledger);
        deaths += 1;

        let mut ledger = state.open();
        let ends: Vec<u64> = steps
            .iter()
            .scan(0, |sum, step| {
                *sum += step.entries.len() as u64;
                Some(*sum)
            })
            .collect();
        let before = acknowledged.checked_sub(1).map_or(0, |last| ends[last]);
        let story = format!("write {n}, in {:?}", steps[acknowledged].what);
        let seq = ledger.last_seq();
        assert!(seq == before || seq == ends[acknowledged], "{story}: {seq} entries is half a step");
        assert_eq!(verify(&state.file()).unwrap().findings, Vec::<String>::new(), "{story}");

        let resume = if seq == before { acknowledged } else { acknowledged + 1 };
        play(&mut ledger, &steps[resume..]).unwrap_or_else(|(_, error)| panic!("{story}: {error}"));
        drop(ledger);
        assert!(books(&state) == expected, "{story}: another end");
    }
    assert!(deaths > 100, "the morning has only {deaths} writes");
}

#[test]
fn stopping_before_and_after_the_commit_are_two_deaths() {
    let entry = [levels(1, "3/2", &[1.0])];
    let mut kept = Vec::new();
    for n in 1.. {
        let state = State::new();
        let mut ledger = state.open();
        ledger.stop_at_write(n);
        if ledger.commit(&entry, &[]).is_ok() {
            break;
        }
        drop(ledger);
        kept.push(state.open().last_seq() == 1);
    }
    let lost = kept.len() - 1;
    assert!(lost >= 4, "BEGIN, the entry, its projection, COMMIT");
    assert_eq!(kept, [vec![false; lost], vec![true]].concat(), "only the death after COMMIT keeps the entry");
}

fn decision(n: i64) -> Effect {
    let decision =
        Decision { tap_id: tap("ann"), open: true, valid_ms: n, reason: Reason::Ok, visit_id: None, t_us: at(n) };
    Effect::Decide { gate: carryout::base::GateId::new("gate-1"), decision }
}

#[test]
fn effects_and_acknowledgements_follow_the_disk_in_order() {
    let state = State::new();
    let told = Arc::new(Mutex::new(Vec::new()));
    let durable = Arc::new(AtomicU64::new(0));
    let (sender, batches) = mpsc::channel(8);
    let log = told.clone();
    let on_disk = durable.clone();
    let carry_out = move |effect: Effect| {
        let Effect::Decide { decision, .. } = effect else { unreachable!("only decisions were given") };
        assert!(on_disk.load(Ordering::Acquire) >= decision.valid_ms as u64, "the gate opened before the disk had it");
        log.lock().unwrap().push(decision.valid_ms);
    };
    let writer = spawn_writer(state.open(), batches, carry_out, durable.clone(), Arc::new(Notify::new()), nowhere());
    let (ponged, pong) = std::sync::mpsc::channel();
    for n in 1..=50 {
        let ponged = ponged.clone();
        let ack = Ack::new(move || ponged.send(n).unwrap());
        let batch = Batch {
            entries: vec![levels(n, "3/2", &[1.0])],
            then: vec![decision(n)],
            acks: vec![ack],
            ..Batch::default()
        };
        sender.blocking_send(batch).unwrap();
    }
    sender.blocking_send(Batch::ping(Ack::new(move || ponged.send(0).unwrap()))).unwrap();
    drop(sender);
    writer.join().unwrap().expect("it ends well when nobody sends any more");
    let expected: Vec<i64> = (1..=50).collect();
    assert_eq!(*told.lock().unwrap(), expected);
    assert_eq!(pong.iter().collect::<Vec<i64>>(), [expected, vec![0]].concat());
    assert_eq!(durable.load(Ordering::Acquire), 50);
    assert_eq!(state.open().last_seq(), 50);
}

/// Four pieces of work wait, the third breaks a rule: the first two are durable and done, the third is blamed, nothing of the
/// fourth is written. Of a disk that fails nobody is to blame.
#[test]
fn what_the_ledger_refuses_is_told_by_name_and_what_came_before_it_is_durable() {
    let nobody_sends_it =
        Entry { t: at(3), visit: Some(visit("ann")), fact: leaves(3, "ann", 1, 250).0[2].fact.clone(), subject: None };
    for (story, third, dies_at, durable, blamed) in [
        ("a charge without its outbox row", nobody_sends_it, None, 2, vec![3]),
        ("the disk fails at the third", levels(3, "3/2", &[1.0]), Some(4), 0, vec![]),
    ] {
        let state = State::new();
        let mut ledger = state.open();
        if let Some(n) = dies_at {
            ledger.stop_at_write(n);
        }
        let (sender, batches) = mpsc::channel(8);
        let told = Arc::new(Mutex::new((Vec::new(), Vec::new())));
        for (n, entry) in
            (1..).zip([levels(1, "3/2", &[1.0]), levels(2, "3/2", &[1.0]), third, levels(4, "3/2", &[1.0])])
        {
            let (done, refused) = (told.clone(), told.clone());
            let batch = Batch {
                entries: vec![entry],
                then: vec![decision(n)],
                acks: vec![Ack::new(move || done.lock().unwrap().0.push(n))],
                refused: Some(Ack::new(move || refused.lock().unwrap().1.push(n))),
                ..Batch::default()
            };
            sender.blocking_send(batch).unwrap();
        }
        let decided = Arc::new(Mutex::new(Vec::new()));
        let log = decided.clone();
        let carry_out = move |effect: Effect| match effect {
            Effect::Decide { decision, .. } => log.lock().unwrap().push(decision.valid_ms),
            other => panic!("{other:?}"),
        };
        let writer = spawn_writer(ledger, batches, carry_out, Arc::default(), Arc::new(Notify::new()), nowhere());
        let error = writer.join().unwrap().expect_err(story);
        assert_eq!(error.refused(), dies_at.is_none(), "{story}: {error}");
        let acknowledged: Vec<i64> = (1..=durable).collect();
        assert_eq!(*told.lock().unwrap(), (acknowledged.clone(), blamed), "{story}");
        assert_eq!(*decided.lock().unwrap(), acknowledged, "{story}");
        assert_eq!(state.open().last_seq(), durable as u64, "{story}");
    }
}

#[test]
fn a_failed_commit_acknowledges_nothing_and_ends_the_writer() {
    let state = State::new();
    let mut ledger = state.open();
    ledger.stop_at_write(2);
    let (sender, batches) = mpsc::channel(8);
    let durable = Arc::new(AtomicU64::new(0));
    let nothing = |effect| panic!("happened although nothing was written: {effect:?}");
    let writer = spawn_writer(ledger, batches, nothing, durable.clone(), Arc::new(Notify::new()), nowhere());
    let ack = Ack::new(|| panic!("acknowledged although nothing was written"));
    let batch =
        Batch { entries: vec![levels(1, "3/2", &[1.0])], then: vec![decision(1)], acks: vec![ack], ..Batch::default() };
    sender.blocking_send(batch).unwrap();
    assert!(matches!(writer.join().unwrap(), Err(LedgerError::Stopped)));
    assert!(sender.is_closed(), "whoever waits for the ledger learns that it is gone");
    assert_eq!(durable.load(Ordering::Acquire), 0);
}

#[test]
fn several_pieces_of_work_are_one_transaction() {
    let state = State::new();
    let mut ledger = state.open();
    let steps = a_morning();
    let work: Vec<Work> =
        steps.iter().map(|s| Work { entries: &s.entries, outbox: &s.outbox, marks: &s.marks }).collect();
    // BEGIN is the only write that may come before all of them fail together.
    ledger.stop_at_write(60);
    assert!(matches!(ledger.commit_all(&work), Err(LedgerError::Stopped)));
    drop(ledger);
    let mut ledger = state.open();
    assert_eq!(ledger.last_seq(), 0);
    ledger.commit_all(&work).unwrap();
    assert_eq!(verify(&state.file()).unwrap().findings, Vec::<String>::new());
}
