//! How right are the carts of the method the shop runs? Beside it in the same run, on the same recordings: the same
//! without cameras, the published rule, never tuned, and the ceiling: what anybody could know from what the sensors said.
//!
//! docs/accuracy.md says what the suites are. Nothing here was ever trained on.

use super::figure::{Bar, Figure, Promise};
use super::pixels;
use super::summary::{self, Summary};
use super::{Length, Measure};
use crate::commands::fast::Method;
use crate::commands::trial::{Tried, tries_and_ceiling};
use crate::sim::family::Family;
use crate::sim::play::Play;
use crate::sim::suite;
use std::path::PathBuf;

const fn promise(figure: &'static str, bar: Bar) -> Promise {
    Promise { figure, bar, unit: "" }
}

/// A family's F1 should come so near to its ceiling; of one whose ceiling is under `CLEAR`, so many wrong carts should be
/// looked at by a human.
const OF_CEILING: f64 = 0.95;
const CLEAR: f64 = 0.9;
const LOOKED_AT: f64 = 0.9;

pub const PROMISES: [Promise; 15] = [
    promise("accuracy.practice.f1", Bar::AtLeast(0.98)),
    promise("accuracy.practice.exact", Bar::AtLeast(0.94)),
    promise("accuracy.hard.f1", Bar::AtLeast(0.93)),
    promise("accuracy.hard.exact", Bar::AtLeast(0.80)),
    promise("accuracy.day.unreviewed_exact", Bar::AtLeast(0.99)),
    promise("accuracy.day.review_rate", Bar::AtMost(0.10)),
    promise("accuracy.day.overcharge", Bar::AtMost(0.002)),
    promise("accuracy.day.undercharge", Bar::AtMost(0.01)),
    promise("accuracy.day.ece", Bar::AtMost(0.02)),
    promise("accuracy.family.NAME.f1", Bar::None),
    promise("accuracy.family.NAME.ceiling", Bar::None),
    promise("accuracy.family.NAME.wrong_reviewed", Bar::AtLeast(LOOKED_AT)),
    promise("accuracy.rush30.f1", Bar::AtLeast(0.95)),
    promise("accuracy.rush30.exact", Bar::AtLeast(0.85)),
    pixels::PROMISES[0],
];

/// The shop's own method, the same without cameras, and the yardstick.
const METHODS: [&str; 3] = ["shop", "weights only", "published rule"];

fn methods() -> [Method; 3] {
    [Method::default(), Method { cameras: false, ..Method::default() }, Method::published()]
}

/// How much of each suite: seeds of practice, hard cases, cases a family, carts of the day, shops in a rush.
fn sizes(length: Length) -> (u64, usize, usize, u32, usize) {
    match length {
        Length::Brief => (1, 8, 8, 8, 1),
        Length::Short => (5, 150, 40, 3_000, 10),
        Length::Long => (60, 1_000, 300, 10_000, 40),
    }
}

pub fn measure(how: Measure, notes: &mut Vec<String>) -> Result<Vec<Figure>, String> {
    let [f1, exact, hard_f1, hard_exact, unreviewed_exact, review_rate, overcharge, undercharge, ece, ..] = &PROMISES;
    let [.., family_f1, ceiling, wrong_reviewed, rush_f1, rush_exact, _] = &PROMISES;
    let (seeds, hard_cases, cases, carts, rushes) = sizes(how.length);
    let seed = how.seed;
    notes
        .push(format!("seed {seed}; 95 % intervals by bootstrap over cases; ceiling: what anybody could know at best"));
    notes.push(summary::head());
    let mut figures = Vec::new();
    match std::env::var_os("CARRYOUT_FIELD_DATA").map(|dir| PathBuf::from(dir).join("nanostore")) {
        Some(dir) => {
            let (practice, _) = said("practice", &suite::nanostore(&dir, false)?, seed..seed + seeds, notes)?;
            said("stale planogram", &suite::nanostore(&dir, true)?, seed..seed + seeds, notes)?;
            let (hard, _) = said("hard", &suite::hard(&dir, seed, hard_cases)?, seed..seed + 1, notes)?;
            figures.push(f1.measured(Some(practice.f1.value), practice.carts));
            figures.push(exact.measured(Some(practice.exact.value), practice.carts));
            figures.push(hard_f1.measured(Some(hard.f1.value), hard.carts));
            figures.push(hard_exact.measured(Some(hard.exact.value), hard.carts));
        }
        None => {
            eprintln!(
                "carryout bench accuracy: the real shop's tables are not here: CARRYOUT_FIELD_DATA names no directory"
            );
            figures.extend(PROMISES[..4].iter().map(|promise| promise.measured(None, 0)));
        }
    }
    let (day, _) = said("day", &suite::day(seed, carts)?, seed..seed + 1, notes)?;
    notes.push(day.selective());
    figures.push(unreviewed_exact.measured(Some(day.unreviewed_exact), day.carts));
    figures.push(review_rate.measured(Some(day.review_rate), day.carts));
    figures.push(overcharge.measured(Some(day.overcharge), day.carts));
    figures.push(undercharge.measured(Some(day.undercharge), day.carts));
    figures.push(ece.measured(Some(day.calibration_error), day.carts));
    for (name, _) in Family::all() {
        let (own, best) = said(&name, &suite::drawn(&name, seed, cases)?, seed..seed + 1, notes)?;
        let best = best.f1.value;
        let bar = Bar::AtLeast(OF_CEILING * best);
        figures.push(family_f1.of(&name, bar).measured(Some(own.f1.value), own.carts));
        figures.push(ceiling.of(&name, Bar::None).measured(Some(best), own.carts));
        if best < CLEAR {
            figures.push(wrong_reviewed.of(&name, wrong_reviewed.bar).measured(Some(own.wrong_reviewed), own.carts));
        }
    }
    for people in [10, 30, 100] {
        let (rush, _) = said(&format!("rush of {people}"), &suite::rush(seed, people, rushes)?, seed..seed + 1, notes)?;
        if people == 30 {
            figures.push(rush_f1.measured(Some(rush.f1.value), rush.carts));
            figures.push(rush_exact.measured(Some(rush.exact.value), rush.carts));
        }
    }
    figures.extend(pixels::measure(how, notes).unwrap_or_else(|why| {
        eprintln!("carryout bench accuracy: pixels were not looked at: {why}");
        vec![pixels::PROMISES[0].measured(None, 0)]
    }));
    Ok(figures)
}

/// Tries a suite and writes its lines: the shop, the same without cameras, the yardstick, the ceiling. Answers with the
/// first and the last.
fn said(
    name: &str,
    plays: &[Play],
    seeds: std::ops::Range<u64>,
    notes: &mut Vec<String>,
) -> Result<(Summary, Summary), String> {
    let tried: Vec<Tried> = tries_and_ceiling(plays, seeds, &methods())?;
    let mut lines: Vec<Summary> = (0..METHODS.len())
        .map(|k| {
            let called = if k == 0 { name.to_owned() } else { format!("  {}", METHODS[k]) };
            Summary::of(called, &tried, move |tried| &tried.by_method[k])
        })
        .collect();
    let best = Summary::of("  ceiling", &tried, |tried| tried.ceiling.as_ref().expect("asked for"));
    notes.extend(lines.iter().chain([&best]).map(Summary::line));
    Ok((lines.swap_remove(0), best))
}
