//! The ledger keeps what it was given, refuses what would break the books, forgets whom it should.

use crate::support::*;
use carryout::base::*;
use carryout::carts::*;
use carryout::events::*;
use carryout::ledger::{Ledger, LedgerError, MIGRATIONS, Reader, ReceiptFilter, file_in, verify};
use rusqlite::Connection;

fn with_morning() -> (State, Ledger) {
    let state = State::new();
    let mut ledger = state.open();
    play(&mut ledger, &a_morning()).unwrap();
    (state, ledger)
}

fn audit(state: &State) -> Vec<String> {
    verify(&state.file()).unwrap().findings
}

#[test]
fn a_morning_adds_up_and_reads_back_as_it_was_said() {
    let (state, ledger) = with_morning();
    let report = verify(&state.file()).unwrap();
    assert_eq!(report.findings, Vec::<String>::new());
    assert_eq!((report.charges, report.open_charges, report.refunds, report.receipts), (3, 1, 1, 2));
    assert_eq!(report.erased_visits, 1);

    let said: Vec<Entry> = a_morning().into_iter().flat_map(|step| step.entries).collect();
    let read: Vec<(u64, Entry)> = ledger.entries(1).collect::<Result<_, _>>().unwrap();
    assert_eq!(read.len(), said.len());
    for (said, (seq, read)) in said.iter().zip(&read) {
        let mut said = said.clone();
        if said.visit == Some(visit("ann")) {
            said.subject = None; // she asked to be forgotten
        }
        assert_eq!(*read, said, "entry {seq}");
    }
    assert_eq!(ledger.last_seq(), said.len() as u64);
    assert_eq!(ledger.last_time(), Some(at(200)));
    assert_eq!(ledger.next_receipt_number().unwrap(), 3);
    assert_eq!(ledger.entries(read.len() as u64).count(), 1, "reading can begin anywhere");
}

#[test]
fn a_restart_reads_only_the_last_levels_and_two_minutes_of_whereabouts_of_who_is_inside() {
    let state = State::new();
    let mut ledger = state.open();
    play(&mut ledger, &a_morning()).unwrap();
    ledger.commit(&taps_in(300, "eve"), &[]).unwrap();
    for (seconds, x) in [(301, 1.0), (302, 2.0), (450, 3.0), (451, 4.0)] {
        ledger.commit(&[stands(seconds, "eve", x)], &[]).unwrap();
    }
    let all: Vec<Entry> = ledger.entries_for_recovery().map(|e| e.unwrap().1).collect();
    let levels: Vec<_> = all.iter().filter(|e| matches!(e.fact, Fact::Levels { .. })).collect();
    assert_eq!(levels.len(), 1, "one shelf, its latest");
    assert_eq!(levels[0].t, at(30));
    let whereabouts: Vec<_> = all.iter().filter(|e| matches!(e.fact, Fact::Whereabouts)).collect();
    assert_eq!(whereabouts, [&stands(450, "eve", 3.0), &stands(451, "eve", 4.0)]);
}

#[test]
fn the_page_finds_receipts_charges_and_evidence() {
    let (state, _ledger) = with_morning();
    let reader = Reader::open(&state.file()).unwrap();
    let find = |filter: ReceiptFilter| -> Vec<u64> {
        reader.receipts(&ReceiptFilter { limit: 10, ..filter }).unwrap().iter().map(|r| r.number).collect()
    };
    let last4 = card("dana").last4;
    for (story, filter, numbers) in [
        ("everything, newest first", ReceiptFilter::default(), vec![2, 1]),
        ("dana's card", ReceiptFilter { last4: last4.clone(), ..Default::default() }, vec![2]),
        ("ann's card, who was erased", ReceiptFilter { last4: card("ann").last4, ..Default::default() }, vec![]),
        ("an amount", ReceiptFilter { amount: Some(Cents(150)), ..Default::default() }, vec![1]),
        ("another day", ReceiptFilter { left: Some((at(86_400), at(2 * 86_400))), ..Default::default() }, vec![]),
        ("that day", ReceiptFilter { left: Some((MORNING, at(86_400))), ..Default::default() }, vec![2, 1]),
    ] {
        assert_eq!(find(filter), numbers, "{story}");
    }
    let receipt = reader.receipt(ReceiptId::of(visit("dana"))).unwrap().unwrap();
    assert_eq!(receipt.cart.payer.unwrap().last4, last4);
    assert_eq!(receipt.status, ReceiptStatus::Adjusted);
    assert_eq!(reader.receipt_of(visit("bob")).unwrap(), None);

    let states: Vec<_> = reader.charges_of(visit("dana")).unwrap().iter().map(|c| (c.sequence, c.state)).collect();
    assert_eq!(states, [(0, ChargeState::Captured), (1, ChargeState::Unknown)]);
    assert_eq!(reader.charges_of(visit("ann")).unwrap()[0].refunded, Cents(100));
    assert_eq!(reader.credential_of(visit("dana")).unwrap(), Some(card("dana")));
    assert_eq!(reader.credential_of(visit("ann")).unwrap(), None);
    assert_eq!(reader.entries_of(visit("bob")).unwrap().len(), 5);
    let outbox = reader.outbox().unwrap();
    assert_eq!((outbox.rows, outbox.charges, outbox.releases, outbox.events), (4, 1, 1, 2));
    assert_eq!(outbox.oldest, Some(at(40)));
}

#[test]
fn what_would_break_the_books_is_refused_and_nothing_is_written() {
    let queued = |who: &str, n, total| {
        let charge = charge(who, n, total);
        let out = Outgoing::Charge { charge_id: charge.charge_id, visit: visit(who) };
        (vec![entry(300, who, Fact::ChargeQueued { charge })], vec![out])
    };
    let given = |who: &str, n, amount| {
        let refund = refund(who, n, amount);
        let out = Outgoing::Refund { refund_id: refund.refund_id, visit: visit(who) };
        (vec![entry(300, who, Fact::RefundQueued { refund })], vec![out])
    };
    let receipted = |receipt: Receipt| (vec![entry(300, "dana", Fact::Receipt { receipt })], vec![]);
    let becomes = |who: &str, n, state| (vec![answered(300, who, n, state)], vec![]);
    let mut named = receipt("dana", 2, ReceiptStatus::Final, 600);
    named.cart.payer = Some(Payer { kind: "card".into(), brand: None, last4: Some("4242".into()) });
    let mut foreign = charge("dana", 2, 10);
    foreign.charge_id = ChargeId::of(visit("bob"), 2);
    let mut miscounted = charge("dana", 2, 10);
    miscounted.total = Cents(11);
    let homeless = Entry { visit: None, ..stands(300, "dana", 1.0) };
    let unbound = Fact::PayerBound { tap_id: Some(TapId::new("tap-nobody")), hold: None, offline: false };
    let (mut unsent, _) = queued("dana", 2, 10);
    unsent.truncate(1);

    for (story, (entries, outbox), why) in [
        ("a second charge under a number", queued("dana", 1, 120), "already in the books"),
        (
            "a charge under another visit's id",
            (vec![entry(300, "dana", Fact::ChargeQueued { charge: foreign })], vec![]),
            "not the one of that visit",
        ),
        (
            "a charge that its lines do not add up to",
            (vec![entry(300, "dana", Fact::ChargeQueued { charge: miscounted })], vec![]),
            "its lines come to",
        ),
        ("a charge of nothing", queued("dana", 2, 0), "it demands 0.00"),
        ("a charge that nobody will send", (unsent, vec![]), "not in the outbox"),
        (
            "an outbox row for no charge",
            (vec![], vec![Outgoing::Charge { charge_id: ChargeId::of(visit("bob"), 0), visit: visit("bob") }]),
            "FOREIGN KEY",
        ),
        (
            "a captured charge that is declined",
            becomes("ann", 0, ChargeState::Declined),
            "captured charge cannot become declined",
        ),
        (
            "a captured charge that is written off",
            becomes("ann", 0, ChargeState::WrittenOff),
            "cannot become written_off",
        ),
        ("an answer to no charge", becomes("bob", 0, ChargeState::Captured), "no such charge"),
        ("more money back than was paid", given("ann", 1, 151), "given back of a charge of 2.50"),
        (
            "a receipt number out of order",
            receipted(receipt("dana", 3, ReceiptStatus::Final, 600)),
            "its number should be 2",
        ),
        ("a receipt that names its payer", receipted(named), "names its payer"),
        ("a personal part that nobody could erase", (vec![homeless], vec![]), "nobody could ever erase it"),
        (
            "a payer whose credential is nowhere",
            (vec![entry(300, "dana", unbound)], vec![]),
            "credential is in no entry",
        ),
        (
            "erasing who still owes",
            (vec![entry(300, "dana", Fact::Erased { why: "asked".into() })], vec![]),
            "not settled yet",
        ),
    ] {
        let (state, mut ledger) = with_morning();
        let before = verify(&state.file()).unwrap();
        let error = ledger.commit(&entries, &outbox).expect_err(story).to_string();
        assert!(error.contains(why), "{story}: {error}");
        let after = verify(&state.file()).unwrap();
        assert_eq!((after.head, after.outbox_rows), (before.head, before.outbox_rows), "{story}: nothing was written");
        assert_eq!(after.findings, Vec::<String>::new(), "{story}");
        // The refused transaction is gone without a trace: the next one goes through.
        ledger.commit(&[levels(301, "3/2", &[1.0])], &[]).expect(story);
    }
}

#[test]
fn charges_go_only_the_ways_of_money() {
    use ChargeState::*;
    for (ways, allowed) in [
        (&[Captured][..], true),
        (&[Captured, Captured], true), // upstream said it twice
        (&[Sent, Captured], true),
        (&[Unknown, Captured], true),
        (&[Declined, Captured], true),
        (&[Declined, Queued, Declined, Unknown, Declined, WrittenOff], true),
        (&[Unknown, Queued], false),
        (&[Captured, Unknown], false),
        (&[Declined, WrittenOff, Captured], false),
        (&[Declined, WrittenOff, Queued], false),
    ] {
        let state = State::new();
        let mut ledger = state.open();
        ledger.commit(&taps_in(1, "ann"), &[]).unwrap();
        let (entries, outbox) = leaves(60, "ann", 1, 250);
        ledger.commit(&entries, &outbox).unwrap();
        let refused = (61..).zip(ways).find_map(|(t, way)| ledger.commit(&[answered(t, "ann", 0, *way)], &[]).err());
        assert_eq!(refused.is_none(), allowed, "{ways:?}: {refused:?}");
        assert_eq!(audit(&state), Vec::<String>::new(), "{ways:?}");
    }
}

#[test]
fn who_was_forgotten_is_nowhere_in_the_files() {
    let state = State::new();
    let mut ledger = state.open();
    let steps = a_morning();
    play(&mut ledger, &steps[..steps.len() - 1]).unwrap();
    let key: Vec<u8> = Connection::open(state.file())
        .unwrap()
        .query_row("SELECT key FROM visit_keys WHERE key_id = ?1", [visit("ann").to_string()], |row| row.get(0))
        .unwrap();
    let last4 = card("ann").last4.unwrap();
    let anywhere = |needle: &[u8]| {
        std::fs::read_dir(state.0.path())
            .unwrap()
            .any(|file| std::fs::read(file.unwrap().path()).unwrap().windows(needle.len()).any(|w| w == needle))
    };
    let waiting = format!("\"last4\":\"{last4}\"");
    assert!(anywhere(&key) && anywhere(waiting.as_bytes()), "before: the key and the waiting event are there");
    assert!(!anywhere(b"tok_ann"), "a token is never in clear");
    ledger.commit(&steps[steps.len() - 1].entries, &[]).unwrap();
    assert!(!anywhere(&key), "the key is overwritten in the database and cut from the log");
    assert!(!anywhere(waiting.as_bytes()), "the event that still waits names nobody");
    assert_eq!(audit(&state), Vec::<String>::new());
}

#[test]
fn whereabouts_go_by_themselves_after_an_hour() {
    let (state, mut ledger) = with_morning();
    ledger.commit(&taps_in(300, "eve"), &[]).unwrap();
    ledger.commit(&[stands(300, "eve", 1.0)], &[]).unwrap();
    ledger.commit(&[levels(300 + 3599, "3/2", &[1.0])], &[]).unwrap();
    let subjects = |ledger: &Ledger| {
        ledger.entries(1).filter(|e| matches!(e, Ok((_, Entry { subject: Some(Subject::Whereabouts(_)), .. })))).count()
    };
    assert_eq!(subjects(&ledger), 1);
    ledger.commit(&[levels(300 + 3700, "3/2", &[1.0])], &[]).unwrap();
    assert_eq!(subjects(&ledger), 0);
    assert_eq!(audit(&state), Vec::<String>::new(), "that is how it should be");
}

#[test]
fn a_tap_that_opened_nothing_is_forgotten_after_a_day_unless_it_pays_after_all() {
    let (state, mut ledger) = with_morning();
    let day = 24 * 3600;
    // Her tap is declined, then staff let it pay for the visit she began by walking in.
    ledger.commit(&is_declined(300, "eve"), &[]).unwrap();
    let bound = Fact::PayerBound { tap_id: Some(tap("eve")), hold: None, offline: false };
    ledger.commit(&[entry(310, "eve", bound)], &[]).unwrap();
    let kept = |ledger: &Ledger| -> Vec<i64> {
        let lone = |e: &Entry| matches!(e.fact, Fact::Decided { open: false, .. }) && e.subject.is_some();
        ledger.entries(1).map(|e| e.unwrap().1).filter(lone).map(|e| e.t.since(MORNING) / 1_000_000).collect()
    };
    assert_eq!(kept(&ledger), [12, 300]);
    ledger.commit(&[levels(310 + day, "3/2", &[1.0])], &[]).unwrap();
    assert_eq!(kept(&ledger), [300], "cem's is gone, eve's pays");
    let reader = Reader::open(&state.file()).unwrap();
    assert_eq!(reader.credential_of(visit("eve")).unwrap(), Some(card("eve")));
    assert_eq!(audit(&state), Vec::<String>::new());
    ledger.commit(&[entry(311 + day, "eve", Fact::Erased { why: "asked".into() })], &[]).unwrap();
    assert_eq!(kept(&ledger), Vec::<i64>::new(), "erasing the visit forgets its tap");
    assert_eq!(audit(&state), Vec::<String>::new());
}

#[test]
fn a_changed_byte_anywhere_is_found() {
    for (story, change, finding) in [
        (
            "a price in an entry",
            "UPDATE entries SET body = replace(body, '250', '150') WHERE kind = 'charge_queued'",
            "was changed after it was written",
        ),
        ("when it was", "UPDATE entries SET t_us = t_us + 1 WHERE seq = 3", "entry 3 (visit_opened) was changed"),
        ("whose it was", "UPDATE entries SET visit = NULL WHERE seq = 3", "entry 3 (visit_opened) was changed"),
        (
            "an entry and its hash",
            "UPDATE entries SET hash = zeroblob(32) WHERE seq = 4",
            "entry 5 does not hang from the one before",
        ),
        (
            "a personal part",
            "UPDATE subject_data SET ciphertext = zeroblob(length(ciphertext))",
            "its personal part was changed",
        ),
        (
            "a personal part, gone",
            "DELETE FROM subject_data WHERE seq = (SELECT payer_seq FROM visits ORDER BY first_seq DESC LIMIT 1)",
            "no entry says that it was erased",
        ),
        ("a key", "UPDATE visit_keys SET key = zeroblob(32)", "does not open with its visit's key"),
        ("a charge's total in the books", "UPDATE charges SET total = total + 1 WHERE n = 1", "the books say 121"),
        ("a charge's state in the books", "UPDATE charges SET state = 'captured'", "the journal says 120 of visit"),
        ("a receipt's number", "UPDATE receipts SET number = 7 WHERE number = 2", "the books say number 7"),
        ("a charge's way out", "DELETE FROM outbox WHERE what = 'charge'", "nobody will send it"),
        ("a refund in the books", "DELETE FROM refunds", "in the journal (100 of visit"),
    ] {
        let (state, ledger) = with_morning();
        drop(ledger);
        assert_eq!(audit(&state), Vec::<String>::new());
        let db = Connection::open(state.file()).unwrap();
        assert!(db.execute(change, []).unwrap() > 0, "{story}");
        drop(db);
        let findings = audit(&state);
        assert!(findings.iter().any(|f| f.contains(finding)), "{story}: {findings:#?}");
    }
}

#[test]
fn a_damaged_file_is_found() {
    let (state, ledger) = with_morning();
    drop(ledger);
    let mut bytes = std::fs::read(state.file()).unwrap();
    let needle = b"\"kind\":\"charge_queued\"";
    let place = bytes.windows(needle.len()).position(|w| w == needle).expect("it is in clear");
    bytes[place] ^= 1;
    std::fs::write(state.file(), bytes).unwrap();
    assert!(!audit(&state).is_empty());
}

#[test]
fn two_daemons_do_not_share_a_ledger() {
    let state = State::new();
    let first = state.open();
    assert!(matches!(Ledger::open(&state.file()), Err(LedgerError::InUse(_))));
    drop(first);
    state.open();
}

#[test]
fn the_ledger_is_its_owners_only() {
    use std::os::unix::fs::PermissionsExt;
    let (state, _ledger) = with_morning();
    for file in std::fs::read_dir(state.0.path()).unwrap() {
        let file = file.unwrap();
        let mode = file.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{:?}", file.file_name());
    }
}

#[test]
fn the_command_speaks_plainly() {
    let (state, ledger) = with_morning();
    drop(ledger);
    let said = carryout::commands::verify::verify(state.0.path()).unwrap();
    assert!(said.contains("3 charges (1 open)") && said.ends_with("everything adds up\n"), "{said}");
    Connection::open(file_in(state.0.path())).unwrap().execute("DELETE FROM outbox WHERE what = 'charge'", []).unwrap();
    let said = carryout::commands::verify::verify(state.0.path()).unwrap_err();
    assert!(said.contains("nobody will send it") && said.contains("does not add up"), "{said}");
}

/// A v1 file is opened as any start would: migrated, added up, gone on with.
#[test]
fn a_ledger_of_version_1_goes_on() {
    let state = State::new();
    let db = Connection::open(state.file()).unwrap();
    db.execute_batch(MIGRATIONS[0]).unwrap();
    db.execute_batch(include_str!("v1.sql")).unwrap();
    db.pragma_update(None, "user_version", 1).unwrap();
    drop(db);
    let mut ledger = state.open();
    assert_eq!(audit(&state), Vec::<String>::new());
    let facts = |ledger: &Ledger| ledger.entries(1).map(|e| e.unwrap().1.fact).collect::<Vec<_>>();
    let said: Vec<Fact> = a_morning().into_iter().flat_map(|step| step.entries).map(|entry| entry.fact).collect();
    assert_eq!(facts(&ledger), said);
    let reader = Reader::open(&state.file()).unwrap();
    assert_eq!(reader.credential_of(visit("dana")).unwrap(), Some(card("dana")), "what was locked then opens now");
    ledger.commit(&taps_in(300, "eve"), &[]).unwrap();
    let (entries, outbox) = leaves(360, "eve", 3, 250);
    ledger.commit(&entries, &outbox).unwrap();
    assert_eq!(audit(&state), Vec::<String>::new());
}
