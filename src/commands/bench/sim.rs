//! Is the synthetic shop as hard as the real one? The published rule, never tuned, must score in it what it really scored
//! (docs/accuracy.md). And how fast is a synthetic day?
//!
//! * `practice`: the labelled cases of the real shop, as told in CARRYOUT_FIELD_DATA; `hard`: generated cases there.
//! * `f1` mean over cases, `exact` share of carts; `shopper_right` and `product_right` of matched takes and puts.
//! * `gain`: F1 of the rule less F1 of the rule without that part, on the same recordings.
//! * `render.ms_per_picture`: 640 x 360 with five people and more in the shop, one thread.
//! * `rush30.times_real_time`: 30 parties come at once into 20 bays, physics and core on one thread.

use super::figure::{Bar, Figure, Promise};
use super::summary::{self, Summary, mean};
use super::{Length, Measure};
use crate::base::time::SECOND_US;
use crate::carts::PolicyOptions;
use crate::commands::fast::{self, Method};
use crate::commands::score::EventScore;
use crate::commands::simulate::RECORDED_START_US;
use crate::commands::trial::{Tried, tries};
use crate::fusion::NearestAttributor;
use crate::sim::record::Arrivals;
use crate::sim::render::{Filming, views};
use crate::sim::shoppers::Mix;
use crate::sim::shops::{self, Part};
use crate::sim::strip::strip;
use crate::sim::{Crowd, Gates, Playback, Setting, World, suite};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

const fn promise(figure: &'static str, bar: Bar) -> Promise {
    Promise { figure, bar, unit: "" }
}

pub const PROMISES: [Promise; 10] = [
    promise("sim.nearest.practice.f1", Bar::Within(0.90, 0.97)),
    promise("sim.nearest.practice.shopper_right", Bar::Within(0.95, 0.995)),
    promise("sim.nearest.practice.product_right", Bar::Within(0.95, 0.995)),
    promise("sim.nearest.hard.f1", Bar::Within(0.78, 0.90)),
    promise("sim.nearest.hard.exact", Bar::Within(0.45, 0.75)),
    promise("sim.nearest.gain.planogram", Bar::Within(0.02, 0.08)),
    promise("sim.nearest.gain.split", Bar::AtLeast(0.0)),
    promise("sim.nearest.gain.split.hard", Bar::AtLeast(0.02)),
    promise("sim.rush30.times_real_time", Bar::AtLeast(20.0)),
    Promise { figure: "sim.render.ms_per_picture", bar: Bar::AtMost(10.0), unit: "ms" },
];

/// The rule, what is left of it without a part, with its description's plates, and what the shop runs.
const METHODS: [&str; 5] = ["published rule", "without split", "without update", "as described", "shop"];

fn methods() -> [Method; 5] {
    let published = Method::published();
    let rule = NearestAttributor { split: false, ..NearestAttributor::as_coded() };
    let unsplit = Method { rule, ..published.clone() };
    let unfollowed = Method { stock_follows: false, ..published.clone() };
    let described = Method { rule: NearestAttributor::published(), ..published.clone() };
    [published, unsplit, unfollowed, described, Method::default()]
}

pub fn measure(how: Measure, notes: &mut Vec<String>) -> Result<Vec<Figure>, String> {
    let [f1, shopper, product, hard_f1, hard_exact, planogram, split, hard_split, speed, picture] = &PROMISES;
    let mut figures = Vec::new();
    match std::env::var_os("CARRYOUT_FIELD_DATA").map(|dir| PathBuf::from(dir).join("nanostore")) {
        Some(dir) => {
            let [practice, hard] = suites(&dir, how, notes)?;
            let (rule, hard_rule) = (&practice[0], &hard[0]);
            let n = (rule.carts, hard_rule.carts);
            let gain = |of: &[Summary], without: usize| Some(of[0].f1.value - of[without].f1.value);
            figures.extend([
                f1.measured(Some(rule.f1.value), n.0),
                shopper.measured(Some(rule.events.shopper_rate()), n.0),
                product.measured(Some(rule.events.product_rate()), n.0),
                hard_f1.measured(Some(hard_rule.f1.value), n.1),
                hard_exact.measured(Some(hard_rule.exact.value), n.1),
                planogram.measured(gain(&practice, 2), n.0),
                split.measured(gain(&practice, 1), n.0),
                hard_split.measured(gain(&hard, 1), n.1),
            ]);
        }
        None => {
            eprintln!(
                "carryout bench sim: the real shop's tables are not here: CARRYOUT_FIELD_DATA names no directory"
            );
            figures.extend(PROMISES[..8].iter().map(|promise| promise.measured(None, 0)));
        }
    }
    figures.push(speed.measured(Some(rush(30, 60.0, how.seed)?), 1));
    let (ms, pictures) = drawing(how.seed)?;
    figures.push(picture.measured(Some(ms), pictures));
    Ok(figures)
}

/// What one suite says of the methods, in their order.
fn suites(dir: &Path, how: Measure, notes: &mut Vec<String>) -> Result<[Vec<Summary>; 2], String> {
    let (seeds, cases) = match how.length {
        Length::Brief => (1, 10),
        Length::Short => (20, 300),
        Length::Long => (60, 1_000),
    };
    let practice = tries(&suite::nanostore(dir, false)?, how.seed..how.seed + seeds, &methods())?;
    let hard = tries(&suite::hard(dir, how.seed, cases)?, how.seed..how.seed + 1, &methods())?;
    notes.push(format!("seed {}; 95 % intervals by bootstrap over cases", how.seed));
    notes.push(summary::head());
    Ok([said("practice", &practice, notes), said("hard", &hard, notes)])
}

fn said(suite: &str, tried: &[Tried], notes: &mut Vec<String>) -> Vec<Summary> {
    let line = |(k, name): (usize, &str)| {
        let summary = Summary::of(format!("{suite} {name}"), tried, move |tried| &tried.by_method[k]);
        notes.push(summary.line());
        summary
    };
    let summaries = METHODS.into_iter().enumerate().map(line).collect();
    notes.push(why_wrong(suite, tried));
    summaries
}

/// Of the cases in which the rule got a cart wrong: in how many it mistook somebody or something, and missed an event.
fn why_wrong(suite: &str, tried: &[Tried]) -> String {
    let of_rule = tried.iter().map(|t| &t.by_method[0]);
    let wrong: Vec<EventScore> = of_rule.filter(|made| made.score.exact_share < 1.0).map(|made| made.events).collect();
    let share = |is: fn(&EventScore) -> bool| mean(wrong.iter().map(|events| f64::from(is(events))));
    format!(
        "of {} {suite} cases {} have a wrong cart; of these {:.0} % have a wrong shopper, {:.0} % a wrong product, {:.0} % a \
         missed event",
        tried.len(),
        wrong.len(),
        100.0 * share(|e| e.shopper_right < e.matched),
        100.0 * share(|e| e.product_right < e.matched),
        100.0 * share(|e| e.matched < e.happened),
    )
}

/// Shop seconds a second of this thread in 20 bays of four shelves: physics, looks and core. So many parties come in as
/// fast as two gates let them, and go when they have what they came for; it is timed from the first tap to `seconds`
/// after the last.
fn rush(people: usize, seconds: f64, seed: u64) -> Result<f64, String> {
    let shop = Arc::new(strip(80));
    let world = Arc::new(World::new(shop.clone())?);
    let mut crowd = Crowd::new(world.clone(), seed, "rush", Mix::default());
    let mut playback = Playback::new(world, Setting::new(seed, RECORDED_START_US, Gates::Assumed));
    let mut full_us = RECORDED_START_US;
    for _ in 0..people {
        let style = crowd.anybody();
        let visit = crowd.come(style, RECORDED_START_US);
        full_us = full_us.max(visit.tap_us);
        visit.people.into_iter().for_each(|person| playback.add(person));
    }
    let until_us = full_us + (seconds * SECOND_US as f64) as i64;
    let began = Instant::now();
    let outcome =
        fast::run(shop, PolicyOptions::default(), Arrivals::new(&mut playback, seed, until_us), &Method::default());
    std::hint::black_box(outcome);
    Ok((until_us - RECORDED_START_US) as f64 * 1e-6 / began.elapsed().as_secs_f64())
}

/// Milliseconds a picture, the mean over four cameras and 25 moments a second apart at which five people and more are in a
/// shop of 30 square metres; and how many pictures.
fn drawing(seed: u64) -> Result<(f64, usize), String> {
    let shop = Arc::new(shops::sized(Part::Training, seed, 30.0));
    let play = suite::crowd("render".to_owned(), shop.clone(), 12, 0.0)?;
    let planned = play.plan(seed, RECORDED_START_US)?;
    let (until_us, seen_from) = (planned.until_us, views(&shop, planned.seed));
    let mut filming = Filming::new(&play, planned, RECORDED_START_US, &seen_from)?;
    let (mut spent_s, mut pictures, mut t_us) = (0.0, 0, RECORDED_START_US);
    while pictures < 100 && t_us < until_us {
        let scene = filming.scene(t_us);
        t_us += SECOND_US;
        if scene.figures.len() >= 5 {
            let began = Instant::now();
            for camera in &mut filming.cameras {
                std::hint::black_box(camera.picture(&scene));
                pictures += 1;
            }
            spent_s += began.elapsed().as_secs_f64();
        }
    }
    if pictures == 0 {
        return Err("nobody came to be drawn".to_owned());
    }
    Ok((spent_s * 1e3 / pictures as f64, pictures))
}
