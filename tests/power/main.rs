//! The power goes at every single write to the disk, and what was not synced is lost, kept, or torn into sectors: what was
//! promised is there, and the book is whole.
//!
//! `kill -9` leaves everything written in the system's memory; a power cut does not. So a morning in a small shop is played
//! once on a disk that remembers (`shim`), and then, for every moment of it, the disk is laid out as it may have looked
//! just then, and the ledger is opened on it.

#[path = "../ledger/support.rs"]
#[allow(dead_code)] // the other half is for tests/ledger
mod support;

mod shim;

use carryout::ledger::{self, Ledger, verify};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use shim::{Op, disk_after};
use support::{Step, a_morning, play};

/// What may have become of writes that nobody synced.
#[derive(Clone, Copy, Debug)]
enum Unsynced {
    Lost,
    Kept,
    /// Some whole, some gone, some in pieces, by chance.
    Torn(u64),
}

impl Unsynced {
    fn fate(self, moment: usize) -> impl FnMut(usize) -> Vec<bool> {
        let seed = if let Unsynced::Torn(seed) = self { seed } else { 0 };
        let mut chance = ChaCha8Rng::seed_from_u64(seed << 32 | moment as u64);
        move |sectors| match self {
            Unsynced::Lost => vec![false; sectors],
            Unsynced::Kept => vec![true; sectors],
            Unsynced::Torn(_) => match chance.random_range(0..4) {
                0 => vec![false; sectors],
                1 => vec![true; sectors],
                _ => (0..sectors).map(|_| chance.random()).collect(),
            },
        }
    }
}

/// Entries in the book after each step.
fn ends(steps: &[Step]) -> Vec<u64> {
    let sums = steps.iter().scan(0, |sum, step| {
        *sum += step.entries.len() as u64;
        Some(*sum)
    });
    std::iter::once(0).chain(sums).collect()
}

/// Plays the morning in three lives, so that logs are folded in, cut off and begun anew; everything the disk saw.
fn remembered_morning(steps: &[Step]) -> Vec<Op> {
    static ONE_AT_A_TIME: std::sync::Mutex<()> = std::sync::Mutex::new(());
    let _one = ONE_AT_A_TIME.lock().unwrap();
    let dir = tempfile::tempdir().unwrap();
    shim::remember(dir.path());
    let file = ledger::file_in(dir.path());
    let mut told = 0;
    for part in [&steps[..6], &steps[6..12], &steps[12..]] {
        let mut ledger = Ledger::open(&file).unwrap();
        for step in part {
            play(&mut ledger, std::slice::from_ref(step)).map_err(|(_, error)| error).unwrap();
            told += 1;
            shim::told(told);
        }
    }
    shim::recall()
}

#[test]
fn the_power_goes_at_every_write_and_nothing_promised_is_lost() {
    let steps = a_morning();
    let ends = ends(&steps);
    let ops = remembered_morning(&steps);
    let count = |wanted: fn(&Op) -> bool| ops.iter().filter(|op| wanted(op)).count();
    let (writes, syncs) = (count(|op| matches!(op, Op::Write { .. })), count(|op| matches!(op, Op::Sync { .. })));
    assert!(writes > 300 && syncs > steps.len(), "{writes} writes, {syncs} syncs");

    // All of them take minutes: CARRYOUT_POWER_EVERY=1. The short form takes every 7th moment.
    let every: usize = std::env::var("CARRYOUT_POWER_EVERY").ok().and_then(|n| n.parse().ok()).unwrap_or(7);
    let torn = if every == 1 { 4 } else { 1 };
    let ways: Vec<Unsynced> =
        [Unsynced::Lost, Unsynced::Kept].into_iter().chain((1..=torn).map(Unsynced::Torn)).collect();
    let mut cuts = 0;
    for moment in (0..=ops.len()).step_by(every) {
        let before = &ops[..moment];
        let promised =
            before.iter().filter_map(|op| if let Op::Told(n) = op { Some(*n) } else { None }).max().unwrap_or(0);
        for way in &ways {
            let story =
                format!("power cut after {moment} of {} ({:?}), unsynced {way:?}", ops.len(), before.last().map(kind));
            let dir = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
            for (name, content) in disk_after(before, way.fate(moment)) {
                std::fs::write(dir.path().join(name), content).unwrap();
            }
            let file = ledger::file_in(dir.path());
            let mut book = Ledger::open(&file).unwrap_or_else(|error| panic!("{story}: {error}"));
            let seq = book.last_seq();
            let whole = ends.get(promised..=(promised + 1).min(steps.len())).unwrap_or_default();
            assert!(
                whole.contains(&seq),
                "{story}: {seq} entries; {promised} steps were promised, {whole:?} are whole"
            );
            assert_eq!(verify(&file).unwrap().findings, Vec::<String>::new(), "{story}");
            let resume = ends.iter().position(|end| *end == seq).unwrap();
            play(&mut book, &steps[resume..]).unwrap_or_else(|(_, error)| panic!("{story}, going on: {error}"));
            cuts += 1;
        }
    }
    println!("{cuts} power cuts at {} moments of {writes} writes and {syncs} syncs", ops.len() / every + 1);
    assert!(cuts > 100, "{cuts} power cuts");
}

/// The measure itself: without its syncs the same morning does lose what was promised.
#[test]
fn a_disk_that_never_syncs_is_noticed() {
    let steps = a_morning();
    let ops: Vec<Op> = remembered_morning(&steps).into_iter().filter(|op| !matches!(op, Op::Sync { .. })).collect();
    let dir = tempfile::tempdir().unwrap();
    for (name, content) in disk_after(&ops, Unsynced::Lost.fate(0)) {
        std::fs::write(dir.path().join(name), content).unwrap();
    }
    let seq = Ledger::open(&ledger::file_in(dir.path())).unwrap().last_seq();
    assert!(seq < *ends(&steps).last().unwrap(), "{seq} entries survived without a single sync");
}

fn kind(op: &Op) -> String {
    match op {
        Op::Write { file, at, bytes } => format!("{} bytes at {at} of {file}", bytes.len()),
        Op::Truncate { file, size } => format!("{file} cut to {size}"),
        Op::Sync { file } => format!("{file} synced"),
        Op::Delete { file } => format!("{file} deleted"),
        Op::Told(n) => format!("step {n} promised"),
    }
}
