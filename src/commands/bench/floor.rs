//! How much the floor's thread can take: samples, observations, and how its cost grows with the shop.
//!
//! * `samples_per_s_core`: wire messages of one busy shelf parsed and judged on one thread.
//! * `us_per_observation.30_people_120_shelves`: mean over everything that reaches `Floor::apply` in a shop of 120 shelves
//!   of 12 plates with 30 people in it: 600 weight messages, 80 looks and 20 ticks a second, taps, passages, answers.
//! * `cost_exponent.shelves`: the floor's work (`apply` of everything, and the ten snapshots a second the daemon takes) a
//!   second of shop time, against the number of shelves, 10 to 1 000, one person for every four shelves: slope of the
//!   straight line through the logarithms. Floor space, cameras, gates and products grow with the shelves, so 1.0 means
//!   that a shop twice as long costs twice as much.
//! * `cost_exponent.people`: the same against the number of people, 10 to 1 000, in the crush: one person for every two
//!   shelves.
//!
//! A round plays every size for a while and gives one slope; sizes are interleaved, so that a machine that slows down
//! slows them all. Everything runs on the calling thread, and costs are that thread's own time, so that one core is one
//! core whatever else the machine does.

use super::crowd::{Crowd, FILL_S, Kind};
use super::figure::{Bar, Figure, Promise, ROUNDS, log_log_slope, median, median_if_steady, quantile};
use super::{Length, Measure};
use crate::fusion::measure::SamplesBench;
use crate::sim::strip::strip;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Instant;

pub const PROMISES: [Promise; 7] = [
    Promise { figure: "floor.samples_per_s_core", bar: Bar::AtLeast(1e6), unit: "1/s" },
    Promise { figure: "floor.us_per_observation.30_people_120_shelves", bar: Bar::AtMost(200.0), unit: "us" },
    Promise { figure: "floor.us_per_observation.30_people_120_shelves.p99", bar: Bar::None, unit: "us" },
    Promise { figure: "floor.observations_per_s.30_people_120_shelves", bar: Bar::None, unit: "1/s" },
    Promise { figure: "floor.us_per_snapshot.30_people_120_shelves", bar: Bar::None, unit: "us" },
    Promise { figure: "floor.cost_exponent.shelves", bar: Bar::AtMost(1.1), unit: "slope" },
    Promise { figure: "floor.cost_exponent.people", bar: Bar::AtMost(1.1), unit: "slope" },
];

const SEED: u64 = 1;
/// Steps of half a power of ten.
const SIZES: [usize; 5] = [10, 32, 100, 316, 1_000];

pub fn measure(how: Measure, notes: &mut Vec<String>) -> Result<Vec<Figure>, String> {
    let times = if how.length == Length::Long { 10 } else { 1 };
    let [samples, mean, p99, rate, snapshot, shelves, people] = &PROMISES;
    let mut figures = vec![samples.measured(Some(samples_per_s(times, notes)), ROUNDS)];

    let mut shop = Crowd::new(strip(120), 30, SEED);
    shop.play(FILL_S, |_, _| {});
    let (mut observations, mut pictures) = (Vec::new(), Vec::new());
    let seconds = 60.0 * f64::from(times);
    shop.play(seconds, |kind, us| if kind == Kind::Snapshot { pictures.push(us) } else { observations.push(us) });
    let n = observations.len();
    let mean_us = observations.iter().sum::<f64>() / n as f64;
    notes.push(format!(
        "30 people, 120 shelves: {seconds} s of shop time, seed {SEED}, {} visits closed, {} steps settled",
        shop.counters().get("visits.closed"),
        shop.counters().get("steps.settled"),
    ));
    figures.push(mean.measured(Some(mean_us), n));
    figures.push(p99.measured(Some(quantile(&mut observations, 0.99)), n));
    figures.push(rate.measured(Some(1e6 / mean_us), n));
    figures.push(snapshot.measured(Some(median(&mut pictures)), pictures.len()));
    drop(shop);

    for (promise, what, shop) in [
        (shelves, "shelves", (|n| (n, n.div_ceil(4))) as fn(usize) -> (usize, usize)),
        (people, "people", |n| (2 * n, n)),
    ] {
        let mut slopes = exponent(what, shop, f64::from(times), notes);
        figures.push(promise.measured(median_if_steady(&mut slopes), slopes.len()));
    }
    Ok(figures)
}

/// Median of several passes over the same messages; the first one warms up.
fn samples_per_s(times: u32, notes: &mut Vec<String>) -> f64 {
    let bench = SamplesBench::new(60 * times, SEED);
    let mut rates: Vec<f64> = (0..=ROUNDS)
        .map(|_| {
            let began = Instant::now();
            let (samples, _) = std::hint::black_box(bench.run());
            samples as f64 / began.elapsed().as_secs_f64()
        })
        .skip(1)
        .collect();
    notes.push(format!("samples: {ROUNDS} passes over {} s of a 12-plate shelf at 60 Hz, seed {SEED}", 60 * times));
    median(&mut rates)
}

/// A slope a round. `shop` makes (shelves, people) of a size.
fn exponent(what: &str, shop: fn(usize) -> (usize, usize), times: f64, notes: &mut Vec<String>) -> Vec<f64> {
    let mut shops: Vec<Crowd> = SIZES
        .iter()
        .map(|&size| {
            let (shelves, people) = shop(size);
            let mut crowd = Crowd::new(strip(shelves), people, SEED);
            crowd.play(FILL_S, |_, _| {});
            crowd
        })
        .collect();
    // Small shops are played for longer: a slope is as good as its worst point.
    let window_s = |size: usize| (2_000.0 / size as f64).clamp(3.0, 60.0) * times;
    let mut costs: Vec<BTreeMap<Kind, f64>> = vec![BTreeMap::new(); SIZES.len()];
    let slopes = (0..ROUNDS)
        .map(|_| {
            let mut points = Vec::new();
            for ((size, shop), costs) in SIZES.iter().zip(&mut shops).zip(&mut costs) {
                let mut spent_us = 0.0;
                shop.play(window_s(*size), |kind, us| {
                    spent_us += us;
                    *costs.entry(kind).or_default() += us / window_s(*size) / ROUNDS as f64;
                });
                points.push((*size as f64, spent_us / window_s(*size)));
            }
            log_log_slope(&points)
        })
        .collect();
    notes.push(format!("by {what}: {ROUNDS} rounds over sizes of {SIZES:?}, seed {SEED}; us of work a second:"));
    for (&size, costs) in SIZES.iter().zip(&costs) {
        let (shelves, people) = shop(size);
        let mut row = format!("  {shelves:>5} shelves {people:>5} people: {:>9.0} =", costs.values().sum::<f64>());
        costs.iter().for_each(|(kind, us)| write!(row, " {kind:?} {us:.0}").expect("to memory"));
        notes.push(row);
    }
    slopes
}
