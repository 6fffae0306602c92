//! How good a detector is: what was found of what happened on generated cells. Tests hold it to its promises, `carryout
//! bench floor` prints the figures.

use super::cells::{Cells, Deed, Dice, START};
use super::{DetectorKind, Scale, StepEvent, StepOptions};
use crate::base::{PlateNo, ShopTime};
use crate::events::PlateSamples;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a detector said, and when its message had arrived (20 ms after its last sample).
pub fn run(cells: &mut Cells, scale: &mut Scale, for_s: f64) -> Vec<(ShopTime, StepEvent)> {
    let mut said = Vec::new();
    while cells.now_s() < for_s {
        let (t0, dt_us, rows) = cells.batch();
        let arrival = ShopTime(t0.0 + dt_us * rows[0].grams.len() as i64).plus_ms(20);
        said.extend(scale.feed(t0, dt_us, &rows).into_iter().map(|event| (arrival, event)));
        said.extend(scale.tick(arrival).into_iter().map(|event| (arrival, event)));
    }
    said
}

/// Figures over many generated steps.
#[derive(Clone, Debug, Default, Serialize)]
pub struct StepFigures {
    pub detector: String,
    pub seed: u64,
    /// Things that happened.
    pub steps: usize,
    /// Found with the right sign at the right time.
    pub found: usize,
    /// Of those, off by more than 10 g and 10 % of the weight (gains are off by 4 %).
    pub wrong_size: usize,
    /// Settled steps that nothing caused.
    pub invented: usize,
    pub drafts: usize,
    pub withdrawn: usize,
    /// From the hand's leaving to the message that told it, milliseconds.
    pub draft_p50_ms: i64,
    pub draft_p95_ms: i64,
    pub settled_p50_ms: i64,
    pub settled_p95_ms: i64,
    /// Of the middle between a step's begin and end, milliseconds.
    pub time_error_p95_ms: i64,
}

struct Truth {
    at: ShopTime,
    delta_g: f64,
}

/// How often two hands meet at one shelf.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Crowd {
    /// One thing every 7-12 s.
    Alone,
    /// Two things so many seconds and plates apart, every 10-14 s.
    Pair { apart_s: f64, plates: usize },
    /// A shelf that never rests: one thing every so many seconds, half of it to twice, anywhere.
    Busy { every_s: f64 },
}

/// Takes and put-backs (a quarter) of 25 g to 1.5 kg on a shelf of 12 plates, shakes every 8 s or so.
pub fn measure(kind: DetectorKind, crowd: Crowd, steps: usize, seed: u64) -> StepFigures {
    let mut figures = StepFigures { detector: format!("{kind:?}").to_lowercase(), seed, ..StepFigures::default() };
    let (mut draft_ms, mut settled_ms, mut time_error_ms) = (Vec::new(), Vec::new(), Vec::new());
    let mut dice = Dice(seed);
    while figures.steps < steps {
        let (mut deeds, mut truths) = (Vec::new(), Vec::new());
        let mut at_s = 3.0;
        for _ in 0..20 {
            at_s += match crowd {
                Crowd::Alone => dice.within(7.0, 12.0),
                Crowd::Pair { .. } => dice.within(10.0, 14.0),
                Crowd::Busy { every_s } => every_s * dice.within(0.5, 1.5),
            };
            let mut happen = |dice: &mut Dice, at_s: f64, plate: usize| {
                let sign = if dice.within(0.0, 1.0) < 0.25 { 1.0 } else { -1.0 };
                let delta_g = sign * (130.0 * libm::exp(0.9 * dice.normal())).clamp(25.0, 1_500.0);
                let across = if dice.within(0.0, 1.0) < 0.6 { 2 } else { 1 };
                deeds.push(Deed::hand(dice, at_s, delta_g, plate, across));
                truths.push(Truth { at: ShopTime(START.0 + (at_s * 1e6) as i64), delta_g });
            };
            let plate = dice.within(1.0, 10.0) as usize;
            match crowd {
                Crowd::Alone | Crowd::Busy { .. } => happen(&mut dice, at_s, plate),
                Crowd::Pair { apart_s, plates } => {
                    let plate = dice.within(1.0, 10.0 - plates as f64) as usize;
                    happen(&mut dice, at_s, plate);
                    happen(&mut dice, at_s + apart_s, plate + plates);
                }
            }
        }
        let mut shake_s = 0.0;
        while shake_s < at_s {
            shake_s += dice.within(2.0, 14.0);
            deeds.push(Deed::shake(&mut dice, shake_s, 12));
        }
        let mut cells = Cells::new(12, dice.draw()).with(deeds);
        let mut scale = Scale::new(kind, 12, StepOptions::default());
        let said = run(&mut cells, &mut scale, at_s + 10.0);
        figures.steps += truths.len();

        let mut used = vec![false; truths.len()];
        let mut matched_id = vec![0; truths.len()];
        for (arrival, event) in &said {
            match event {
                StepEvent::Settled(step) => {
                    let fits = |i: &usize| {
                        let truth = &truths[*i];
                        !used[*i]
                            && truth.delta_g * step.delta_g > 0.0
                            && truth.at.since(step.begin) > -1_000_000
                            && step.end.since(truth.at) > -1_000_000
                    };
                    let off_g = |i: &usize| (truths[*i].delta_g - step.delta_g).abs();
                    let best = (0..truths.len()).filter(fits).min_by(|a, b| off_g(a).total_cmp(&off_g(b)));
                    let Some(best) = best else {
                        figures.invented += 1;
                        continue;
                    };
                    used[best] = true;
                    matched_id[best] = step.id;
                    figures.found += 1;
                    let truth = &truths[best];
                    let off_g = off_g(&best);
                    figures.wrong_size += usize::from(off_g > 10.0 && off_g > 0.1 * truth.delta_g.abs());
                    settled_ms.push(arrival.since(truth.at) / 1_000 - 100);
                    let middle_us = (step.begin.0 + step.end.0) / 2;
                    time_error_ms.push((middle_us - truth.at.0 - 50_000).abs() / 1_000);
                }
                StepEvent::Draft(_) => figures.drafts += 1,
                StepEvent::Withdrawn { .. } => figures.withdrawn += 1,
                StepEvent::Calm => {}
            }
        }
        for (arrival, event) in &said {
            if let StepEvent::Draft(step) = event
                && let Some(i) = matched_id.iter().position(|id| *id == step.id)
            {
                draft_ms.push(arrival.since(truths[i].at) / 1_000 - 100);
            }
        }
    }
    figures.draft_p50_ms = quantile(&mut draft_ms, 0.5);
    figures.draft_p95_ms = quantile(&mut draft_ms, 0.95);
    figures.settled_p50_ms = quantile(&mut settled_ms, 0.5);
    figures.settled_p95_ms = quantile(&mut settled_ms, 0.95);
    figures.time_error_p95_ms = quantile(&mut time_error_ms, 0.95);
    figures
}

fn quantile(values: &mut [i64], q: f64) -> i64 {
    values.sort_unstable();
    let at = (q * values.len().saturating_sub(1) as f64).round() as usize;
    values.get(at).copied().unwrap_or(0)
}

/// The work behind `floor.samples_per_s_core`: wire messages of one busy shelf, parsed and fed. Whoever calls holds the
/// watch.
pub struct SamplesBench {
    messages: Vec<String>,
    samples: u64,
}

#[derive(Serialize, Deserialize)]
struct Message {
    boot: String,
    seq: u64,
    t0_us: i64,
    dt_us: i64,
    plates: BTreeMap<PlateNo, Vec<Option<f32>>>,
}

impl SamplesBench {
    /// So many seconds of a 12-plate shelf at 60 Hz with a touch every 8 s and a shake every 5 s.
    pub fn new(seconds: u32, seed: u64) -> SamplesBench {
        let mut dice = Dice(seed);
        let end_s = f64::from(seconds);
        let mut deeds = Vec::new();
        let (mut touch_s, mut shake_s) = (3.0, 5.0);
        while touch_s < end_s {
            let (plate, delta_g) = (dice.within(1.0, 10.0) as usize, dice.within(-500.0, 200.0));
            deeds.push(Deed::hand(&mut dice, touch_s, delta_g, plate, 2));
            deeds.push(Deed::shake(&mut dice, shake_s, 12));
            (touch_s, shake_s) = (touch_s + 8.0, shake_s + 5.0);
        }
        let mut cells = Cells::new(12, seed).with(deeds);
        let (mut messages, mut samples, mut seq) = (Vec::new(), 0, 0);
        while cells.now_s() < end_s {
            let (t0, dt_us, rows) = cells.batch();
            samples += rows.iter().map(|row| row.grams.len() as u64).sum::<u64>();
            // The wire carries hundredths of a gram at most; f64 keeps 1012.3 from becoming 1012.29998.
            let row = |row: &PlateSamples| -> String {
                let grams: Vec<String> = row.grams.iter().map(|g| format!("{:.2}", g.unwrap_or(0.0))).collect();
                format!("\"{}\":[{}]", row.plate, grams.join(","))
            };
            let plates: Vec<String> = rows.iter().map(row).collect();
            messages.push(format!(
                "{{\"boot\":\"b1\",\"seq\":{seq},\"t0_us\":{},\"dt_us\":{dt_us},\"plates\":{{{}}}}}",
                t0.0,
                plates.join(",")
            ));
            seq += 1;
        }
        SamplesBench { messages, samples }
    }

    /// Parses and judges everything once, from a fresh scale. Returns samples processed and steps settled.
    pub fn run(&self) -> (u64, u64) {
        let mut scale = Scale::new(DetectorKind::Steps, 12, StepOptions::default());
        let mut settled = 0;
        for text in &self.messages {
            let message: Message = serde_json::from_str(text).expect("a message of our own");
            let rows: Vec<PlateSamples> =
                message.plates.into_iter().map(|(plate, grams)| PlateSamples { plate, grams }).collect();
            let events = scale.feed(ShopTime(message.t0_us), message.dt_us, &rows);
            settled += events.iter().filter(|event| matches!(event, StepEvent::Settled(_))).count() as u64;
        }
        (self.samples, settled)
    }
}
