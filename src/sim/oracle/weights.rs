//! What the scales said of one reach: how much every plate changed.
//!
//! The change is the mean of a quiet stretch after the reach less that of one before it, plate by plate, out of batches
//! that arrived. When a batch was weighed is told by its number, not by its clock: batches are of equal length, and one of
//! them had the fastest way here. So late, doubled, lost and overtaken messages and clocks that run wrong cost nothing. How
//! likely a change is if this or that was moved: `loads`.

use super::super::shelves::{BATCH, SAMPLE_US};
use super::loads::Load;
use super::timeline::Timeline;
use crate::events::Weights;
use std::collections::BTreeMap;

/// The last sample of a batch is on its way for at least this long: the shelf's computer and the network, us.
const ON_ITS_WAY_US: i64 = 9_000;
/// A push begins up to this long before the step; a step is heard until this long after it, us.
const PUSH_US: i64 = 450_000;
const HEARD_US: i64 = 150_000;
/// A quiet stretch before a reach ends this long before it and lasts so long; the one after begins when it has rung out (2 s).
const BEFORE_US: (i64, i64) = (500_000, 600_000);
const AFTER_US: (i64, i64) = (2_500_000, 1_000_000);
/// Between two reaches too near for that: half a second right before the push of the second.
const SHORT_US: i64 = 500_000;
/// Reaches further apart than this have nothing to do with each other, us.
const APART_US: i64 = 8_000_000;
/// An elbow lies on a shelf for up to 2.5 s, a slow take lasts up to 4 s: further stretches to look at, us.
const FURTHER_US: [i64; 3] = [1_300_000, 2_600_000, 3_900_000];
/// While it rings a load reads 2.5 % too much, give or take, and less by a third every 0.8 s.
const RINGS: f64 = 0.03;
const RINGS_S: f64 = 0.8;
/// What rings less than this share is calm: a tenth of a gram.
const CALM: f64 = 1e-4;
/// Drift and rounding between two stretches, grams on a plate.
const DRIFT_G: f64 = 0.3;
/// A stretch needs this share of its samples.
const ENOUGH: f64 = 0.4;

/// A stretch of time, us.
type Stretch = (i64, i64);

/// All readings of one shelf that arrived.
pub struct Scale {
    first_us: i64,
    /// `[plate][sample]`; NaN where none arrived.
    plates: Vec<Vec<f32>>,
}

/// A reach that is known, and what it may have moved.
#[derive(Clone, Debug)]
pub struct Known {
    pub t_us: i64,
    pub load: Load,
}

/// How every plate changed over one reach.
pub struct Change {
    /// Change in grams and its variance; `None`: the plate says nothing.
    pub plates: Vec<Option<(f64, f64)>>,
    /// What of the others it holds: which, how much of its load (1: it lies in between), and how much it still rings.
    pub others: Vec<(usize, f64, f64)>,
    /// How much this reach still rings, as a share of its load.
    pub rings: f64,
}

struct Level {
    mean_g: f64,
    variance: f64,
}

impl Scale {
    /// Out of batches by their number, each with when it arrived.
    pub fn read(batches: &BTreeMap<u64, (i64, &Weights)>) -> Option<Scale> {
        let (&first, &(_, some)) = batches.first_key_value()?;
        let batch_us = BATCH as i64 * SAMPLE_US;
        let line = Timeline::of(batches.iter().map(|(seq, (arrived_us, _))| (*seq, *arrived_us)), batch_us)?;
        let first_us = line.at(first) - ON_ITS_WAY_US - (BATCH as i64 - 1) * SAMPLE_US;
        let last = *batches.last_key_value()?.0;
        let samples = (last - first + 1) as usize * BATCH;
        let mut plates = vec![vec![f32::NAN; samples]; some.plates.len()];
        for (seq, (_, batch)) in batches {
            let at = (seq - first) as usize * BATCH;
            for row in &batch.plates {
                let Some(plate) = usize::from(row.plate).checked_sub(1).and_then(|i| plates.get_mut(i)) else {
                    continue;
                };
                for (sample, grams) in plate[at..].iter_mut().zip(row.grams.iter().take(BATCH)) {
                    *sample = grams.unwrap_or(f32::NAN);
                }
            }
        }
        Some(Scale { first_us, plates })
    }

    pub fn plates(&self) -> usize {
        self.plates.len()
    }

    /// `None` where too little arrived, or where readings do not move at all: the plate is dead or stuck.
    fn level(&self, plate: usize, (from_us, to_us): Stretch) -> Option<Level> {
        let sample = |t_us: i64| (t_us - self.first_us).div_euclid(SAMPLE_US);
        let readings = &self.plates[plate];
        let (from, to) = (sample(from_us).max(0) as usize, sample(to_us).clamp(0, readings.len() as i64) as usize);
        let heard: Vec<f64> = readings.get(from..to)?.iter().filter(|g| g.is_finite()).map(|g| f64::from(*g)).collect();
        let n = heard.len() as f64;
        if n < ENOUGH * (to_us - from_us) as f64 / SAMPLE_US as f64 || heard.iter().all(|g| *g == heard[0]) {
            return None;
        }
        let mean_g = heard.iter().sum::<f64>() / n;
        let variance = heard.iter().map(|g| (g - mean_g).powi(2)).sum::<f64>() / (n * n);
        Some(Level { mean_g, variance })
    }

    /// How the plates changed over a reach at `t_us`, by those stretches that leave the least in doubt. `others`: the other
    /// reaches to this shelf, oldest first.
    pub fn change(&self, t_us: i64, others: &[Known]) -> Change {
        let doubt = |before: Stretch, after: Stretch| {
            let rung: f64 = others.iter().map(|o| (o.load.grams * rung(o.t_us, before, after)).powi(2)).sum();
            // 300 g: half of all goods weigh less.
            let own = (300.0 * rings(t_us, after)).powi(2);
            let moved: f64 = between(others, before, after).map(|k| others[k].load.doubt()).sum();
            rung + own + moved
        };
        let (befores, afters) = (befores(t_us, others), afters(t_us, others));
        let pairs = befores.iter().flat_map(|before| afters.iter().map(move |after| (*before, *after)));
        let best = pairs.min_by(|a, b| doubt(a.0, a.1).total_cmp(&doubt(b.0, b.1)));
        let nothing = Change { plates: vec![None; self.plates()], others: Vec::new(), rings: 0.0 };
        let Some((before, after)) = best else { return nothing };
        let (before, after) = (self.calm(before, -1, others), self.calm(after, 1, others));
        let plates = (0..self.plates())
            .map(|plate| {
                let (was, is) = (self.level(plate, before)?, self.level(plate, after)?);
                Some((is.mean_g - was.mean_g, was.variance + is.variance + DRIFT_G * DRIFT_G))
            })
            .collect();
        let within: Vec<usize> = between(others, before, after).collect();
        let held = others.iter().enumerate().map(|(k, other)| {
            let moved = if within.contains(&k) { 1.0 } else { 0.0 };
            (k, moved, rung(other.t_us, before, after))
        });
        let others = held.filter(|(_, moved, rung)| *moved > 0.0 || *rung > CALM).collect();
        Change { plates, others, rings: rings(t_us, after) }
    }

    /// The same stretch or one further from the reach, whichever weighs least by more than noise: elbows only add, and who
    /// lifts gram by gram has not done lifting.
    fn calm(&self, stretch: Stretch, side: i64, others: &[Known]) -> Stretch {
        let mut calm = stretch;
        for further_us in FURTHER_US {
            let further = (stretch.0 + side * further_us, stretch.1 + side * further_us);
            let (from, to) = (further.0.min(stretch.0), further.1.max(stretch.1));
            if others.iter().any(|o| (from - AFTER_US.0..to + PUSH_US).contains(&o.t_us)) {
                break;
            }
            let (mut lighter_g, mut variance) = (0.0, 0.0);
            for plate in 0..self.plates() {
                if let (Some(one), Some(other)) = (self.level(plate, calm), self.level(plate, further)) {
                    lighter_g += one.mean_g - other.mean_g;
                    variance += one.variance + other.variance;
                }
            }
            if lighter_g > 2.0 + 4.0 * libm::sqrt(variance) {
                calm = further;
            }
        }
        calm
    }
}

/// Stretches before the reach: right before it, or before those that came shortly before it.
fn befores(t_us: i64, others: &[Known]) -> Vec<Stretch> {
    let (gap_us, long_us) = BEFORE_US;
    let earlier = others.iter().rev().map(|o| o.t_us).filter(|o| (t_us - APART_US..=t_us).contains(o));
    let ends = std::iter::once(t_us).chain(earlier).map(|t| (t - gap_us - long_us, t - gap_us));
    ends.filter(|stretch| is_quiet(*stretch, others)).collect()
}

/// Stretches after it, when it has rung out or right before the next, or after those that came shortly after it.
fn afters(t_us: i64, others: &[Known]) -> Vec<Stretch> {
    let (gap_us, long_us) = AFTER_US;
    let later: Vec<i64> = others.iter().map(|o| o.t_us).filter(|o| (t_us..t_us + APART_US).contains(o)).collect();
    let ends = std::iter::once(t_us).chain(later.iter().copied()).map(|t| (t + gap_us, t + gap_us + long_us));
    let short = later.iter().map(|o| (o - PUSH_US - SHORT_US, o - PUSH_US)).filter(|s| s.0 > t_us + 400_000);
    ends.chain(short).filter(|stretch| is_quiet(*stretch, others)).collect()
}

/// Nobody pushes or lifts in it.
fn is_quiet((from_us, to_us): Stretch, others: &[Known]) -> bool {
    !others.iter().any(|o| o.t_us - PUSH_US < to_us && from_us < o.t_us + HEARD_US)
}

fn between(others: &[Known], before: Stretch, after: Stretch) -> impl Iterator<Item = usize> {
    let within = move |(_, o): &(usize, &Known)| (before.1..after.0).contains(&o.t_us);
    others.iter().enumerate().filter(within).map(|(k, _)| k)
}

/// How much more or less wrong a load of `t_us` reads in one stretch than in the other, as a share of it.
fn rung(t_us: i64, before: Stretch, after: Stretch) -> f64 {
    (rings(t_us, after) - rings(t_us, before)).abs()
}

/// How much a load of `t_us` still reads wrong in a stretch, as a share of it.
fn rings(t_us: i64, (from_us, _): Stretch) -> f64 {
    if from_us < t_us { 0.0 } else { RINGS * libm::exp(-(from_us - t_us) as f64 * 1e-6 / RINGS_S) }
}

impl Change {
    /// No plate says anything.
    pub fn is_silent(&self) -> bool {
        self.plates.iter().all(Option::is_none)
    }
}
