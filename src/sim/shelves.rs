//! Weighing shelves as they were measured (docs: field notes): raw grams that are not zeroed, a gain error on every
//! plate, noise, drift, a push before a take and two seconds of ringing after it, vibration from elsewhere.
//!
//! A plate's reading is `base + gain * load change + drift + noise + touches + vibration`, rounded to 0.24 g. Every
//! plate and every shelf draws from its own stream of chance. Samples are made in order, twelve to a batch.

use super::chance::Chance;
use super::parameters::{Parameters, first_outside};
use crate::base::{PlateNo, ShelfId};
use crate::events::{PlateSamples, Weights};
use serde::Deserialize;
use std::f64::consts::TAU;
use std::sync::Arc;

/// 60 Hz.
pub const SAMPLE_US: i64 = 16_667;
pub const BATCH: usize = 12;
/// What the converter resolves, grams.
const RESOLUTION_G: f64 = 0.24;
/// A touch is over after this long, us: by then ringing is below 0.02 g.
const TOUCH_US: i64 = 10_000_000;
/// Width of a plate, metres: 4 inches.
const PLATE_M: f64 = 0.1016;
/// A load comes and goes within this, us.
const PRESS_US: f64 = 200_000.0;
/// What a plate with a broken wire adds to its noise, and how fast a drowned one drifts.
const BROKEN_NOISE_G: f64 = 60.0;
const DROWNED_G_PER_S: f64 = 0.6;
/// No take takes longer, us.
pub const SLOWEST_US: i64 = 4_000_000;
/// A step is this wide.
const STEP_S: f64 = 0.1;
/// A touch may push this long before the step, us. Touches are told to the shelf at least this much ahead.
pub const PUSH_US: i64 = 500_000;

/// A share of the whole, and the figure that so many stay below.
pub type Quantiles = Vec<(f64, f64)>;

/// What scales do; `parameters.toml` has the figures and their sources. Grams, seconds, shares of 1.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Physics {
    /// A plate at rest with goods on it, raw.
    pub base_g: Quantiles,
    pub noise_g: Quantiles,
    /// Of consecutive samples: mean and sigma over plates.
    pub noise_correlation: (f64, f64),
    /// Over 33 s.
    pub drift_g: Quantiles,
    pub drift_period_s: (f64, f64),
    /// Sigma of the plates' gain around 1.
    pub gain_sigma: f64,
    /// What stands on a plate and is carried by each neighbour.
    pub neighbour_share: f64,
    pub push_chance: f64,
    pub push_g: (f64, f64),
    pub push_s: (f64, f64),
    /// Of the step, while settling.
    pub overshoot: (f64, f64),
    /// On the plate touched, on its neighbours, on the rest of the shelf.
    pub ring_g: [f64; 3],
    pub ring_hz: (f64, f64),
    /// Ringing is down to a third after this.
    pub ring_s: f64,
    /// A slow take takes so long.
    pub slow_s: (f64, f64),
    /// Vibration of every shelf.
    pub bursts_per_s: f64,
    /// On one plate: median and sigma of the logarithm.
    pub burst_g: (f64, f64),
    pub burst_s: (f64, f64),
    pub burst_hz: (f64, f64),
    /// Doors and heavy steps felt by every shelf at once, and how strong they are beside a burst.
    pub slams_per_s: f64,
    pub slam: f64,
    /// Somebody leans on a shelf.
    pub lean_g: (f64, f64),
    pub lean_s: (f64, f64),
    pub lean_width_m: (f64, f64),
}

impl Default for Physics {
    /// The measured shop.
    fn default() -> Physics {
        Parameters::shipped().shelves.clone()
    }
}

impl Physics {
    /// What makes no shelf; empty if all is well.
    pub(super) fn problem(&self) -> String {
        for (key, quantiles) in [("base_g", &self.base_g), ("noise_g", &self.noise_g), ("drift_g", &self.drift_g)] {
            let rises = quantiles.windows(2).all(|pair| pair[0].0 < pair[1].0 && pair[0].1 <= pair[1].1);
            if quantiles.len() < 2 || !rises || quantiles[0].0 != 0.0 || quantiles[quantiles.len() - 1].0 != 1.0 {
                return format!("shelves.{key} must rise from [0.0, least] to [1.0, most]");
            }
        }
        let ranges = [
            ("shelves.drift_period_s", self.drift_period_s, 1.0),
            ("shelves.push_g", self.push_g, 0.0),
            ("shelves.push_s", self.push_s, 0.01),
            ("shelves.overshoot", self.overshoot, 0.0),
            ("shelves.ring_hz", self.ring_hz, 0.0),
            ("shelves.slow_s", self.slow_s, STEP_S),
            ("shelves.burst_s", self.burst_s, 0.01),
            ("shelves.burst_hz", self.burst_hz, 0.0),
            ("shelves.lean_g", self.lean_g, 0.0),
            ("shelves.lean_s", self.lean_s, 0.01),
            ("shelves.lean_width_m", self.lean_width_m, 0.01),
        ];
        if let Some((key, ..)) = ranges.iter().find(|(_, (low, high), least)| !(least <= low && low <= high)) {
            return format!("{key} must be [least, most]");
        }
        first_outside(&[
            ("shelves.gain_sigma", self.gain_sigma, 0.0, 0.3),
            ("shelves.neighbour_share", self.neighbour_share, 0.0, 0.3),
            ("shelves.push_chance", self.push_chance, 0.0, 1.0),
            ("shelves.push_s, at most", self.push_s.1, 0.0, PUSH_US as f64 * 1e-6),
            ("shelves.ring_s", self.ring_s, 0.05, 1.0),
            ("shelves.slow_s, at most", self.slow_s.1, 0.0, SLOWEST_US as f64 * 1e-6),
            ("shelves.bursts_per_s", self.bursts_per_s, 1e-9, 10.0),
            ("shelves.slams_per_s", self.slams_per_s, 1e-9, 10.0),
            ("shelves.slam", self.slam, 0.0, 100.0),
        ])
    }
}

/// Something put on or lifted off a shelf.
#[derive(Clone, Debug)]
pub struct Touch {
    /// When the step begins.
    pub t_us: i64,
    /// Load change, grams: negative when taken.
    pub delta_g: f64,
    /// Middle of the goods along the shelf, in plates (plate 4's middle is 4.0), and how many plates wide they are.
    pub centre: f64,
    pub width: f64,
    /// Gram by gram instead of at once.
    pub slow: bool,
}

/// What can be wrong with a plate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlateFault {
    /// Reads exactly nothing.
    Dead,
    /// Says the same for ever.
    Stuck,
    /// A loose wire.
    Noisy,
    /// Water in the cell: it creeps.
    Drifting,
}

pub struct ShelfSim {
    pub id: ShelfId,
    physics: Arc<Physics>,
    boot: String,
    seq: u64,
    start_us: i64,
    /// Samples made so far.
    samples: i64,
    plates: Vec<PlateSim>,
    touches: Vec<Ringing>,
    leans: Vec<Lean>,
    chance: Chance,
    next_burst_us: i64,
    bursts: Vec<Burst>,
}

struct PlateSim {
    base_g: f64,
    /// Load change that is settled, times gain.
    moved_g: f64,
    gain: f64,
    sigma_g: f64,
    correlation: f64,
    noise_g: f64,
    /// Drift is one slow wave: amplitude g, period s, phase.
    drift: (f64, f64, f64),
    chance: Chance,
    /// Since when, us after the start.
    fault: Option<(i64, PlateFault)>,
    last_g: f64,
}

/// An elbow on the shelf: there and gone again.
struct Lean {
    from_us: i64,
    long_us: i64,
    plates_g: Vec<f64>,
}

/// A touch as every plate of the shelf feels it.
struct Ringing {
    t_us: i64,
    push_us: i64,
    step_s: f64,
    ring_s: f64,
    plates: Vec<Felt>,
}

#[derive(Clone, Copy, Default)]
struct Felt {
    step_g: f64,
    push_g: f64,
    overshoot_g: f64,
    ring_g: f64,
    hz: f64,
    phase: f64,
}

/// A vibration: one wave through the whole shelf, stronger on some plates.
struct Burst {
    from_us: i64,
    long_us: i64,
    hz: f64,
    phase: f64,
    plates_g: Vec<f64>,
}

impl ShelfSim {
    pub fn new(id: ShelfId, plates: usize, seed: u64, start_us: i64, physics: Arc<Physics>) -> ShelfSim {
        let mut chance = Chance::new(seed, &format!("shelf/{id}"));
        let plates = (1..=plates).map(|no| PlateSim::new(seed, &id, no, &physics)).collect();
        let boot = format!("b{:04x}", chance.below(0x10000));
        let seq = chance.below(5000) as u64;
        let phase_us = chance.below(BATCH) as i64 * SAMPLE_US;
        let next_burst_us = start_us + chance.wait_us(physics.bursts_per_s);
        ShelfSim {
            id,
            physics,
            boot,
            seq,
            start_us: start_us - phase_us,
            samples: 0,
            plates,
            touches: Vec::new(),
            leans: Vec::new(),
            chance,
            next_burst_us,
            bursts: Vec::new(),
        }
    }

    /// How many plates it has.
    pub fn plates(&self) -> usize {
        self.plates.len()
    }

    /// When the last sample of the next batch is taken.
    pub fn next_batch_us(&self) -> i64 {
        self.start_us + (self.samples + BATCH as i64 - 1) * SAMPLE_US
    }

    /// From now on the shelf is touched at `touch.t_us`, which lies at least [`PUSH_US`] ahead.
    pub fn touch(&mut self, touch: &Touch) {
        let (chance, physics) = (&mut self.chance, &self.physics);
        let within = |chance: &mut Chance, (low, high): (f64, f64)| chance.between(low, high);
        let taking = touch.delta_g < 0.0;
        // A push before a take; who puts something down presses for a moment.
        let push_g = if chance.yes(physics.push_chance) { within(chance, physics.push_g) } else { 0.0 };
        let push_us = (within(chance, physics.push_s) * 1e6) as i64;
        let overshoot = within(chance, physics.overshoot);
        let shares = shares(touch.centre, touch.width, self.plates.len(), physics.neighbour_share);
        let [touched_g, beside_g, rest_g] = physics.ring_g;
        let plates = shares
            .iter()
            .zip(&self.plates)
            .map(|(share, plate)| {
                let step_g = touch.delta_g * share * plate.gain;
                let loud = if *share > 0.15 {
                    touched_g
                } else if *share > 0.004 {
                    beside_g
                } else {
                    rest_g
                };
                Felt {
                    step_g,
                    push_g: push_g * share,
                    overshoot_g: step_g * overshoot,
                    ring_g: loud * chance.between(0.6, 1.3),
                    hz: within(chance, physics.ring_hz),
                    phase: chance.between(0.0, TAU),
                }
            })
            .collect();
        let push_us = if taking { push_us } else { -push_us };
        let step_s = if touch.slow { within(chance, physics.slow_s) } else { STEP_S };
        self.touches.push(Ringing { t_us: touch.t_us, push_us, step_s, ring_s: physics.ring_s, plates });
    }

    /// Somebody leans on it around `centre` (in plates) from `t_us` on.
    pub fn lean(&mut self, t_us: i64, centre: f64) {
        let (chance, physics) = (&mut self.chance, &self.physics);
        let grams = chance.between(physics.lean_g.0, physics.lean_g.1);
        let width = chance.between(physics.lean_width_m.0, physics.lean_width_m.1) / PLATE_M;
        let long_us = (chance.between(physics.lean_s.0, physics.lean_s.1) * 1e6) as i64;
        let shares = shares(centre, width, self.plates.len(), physics.neighbour_share);
        let plates_g = shares.iter().zip(&self.plates).map(|(share, plate)| grams * share * plate.gain).collect();
        self.leans.push(Lean { from_us: t_us, long_us, plates_g });
    }

    /// From `t_us` on this plate is broken; nothing happens if there is none of that number.
    pub fn fail(&mut self, plate: PlateNo, t_us: i64, fault: PlateFault) {
        let plate = usize::from(plate).checked_sub(1).and_then(|i| self.plates.get_mut(i));
        plate.into_iter().for_each(|plate| plate.fault = Some((t_us - self.start_us, fault)));
    }

    /// Every shelf of the shop feels a door: called by the owner of all shelves.
    pub fn slam(&mut self, t_us: i64) {
        let strength = self.physics.slam * self.chance.unit();
        self.burst(t_us, strength);
    }

    fn burst(&mut self, from_us: i64, strength: f64) {
        let (median, sigma) = self.physics.burst_g;
        let (chance, physics) = (&mut self.chance, &self.physics);
        let amplitude_g = strength * median * libm::exp(sigma * chance.normal());
        self.bursts.push(Burst {
            from_us,
            long_us: (chance.between(physics.burst_s.0, physics.burst_s.1) * 1e6) as i64,
            hz: chance.between(physics.burst_hz.0, physics.burst_hz.1),
            phase: chance.between(0.0, TAU),
            plates_g: self.plates.iter().map(|_| amplitude_g * libm::exp(0.35 * chance.normal())).collect(),
        });
    }

    /// The next twelve samples of every plate.
    pub fn batch(&mut self) -> Weights {
        let t0_us = self.start_us + self.samples * SAMPLE_US;
        let end_us = t0_us + BATCH as i64 * SAMPLE_US;
        while self.next_burst_us < end_us {
            self.burst(self.next_burst_us, 1.0);
            self.next_burst_us += self.chance.wait_us(self.physics.bursts_per_s);
        }
        let mut plates = Vec::with_capacity(self.plates.len());
        for i in 0..self.plates.len() {
            let mut grams = Vec::with_capacity(BATCH);
            for k in 0..BATCH as i64 {
                let t_us = t0_us + k * SAMPLE_US;
                let touches: f64 = self.touches.iter().map(|touch| touch.at(i, t_us)).sum();
                let bursts: f64 = self.bursts.iter().map(|burst| burst.at(i, t_us)).sum();
                let leans: f64 = self.leans.iter().map(|lean| lean.at(i, t_us)).sum();
                let raw = self.plates[i].at(t_us - self.start_us) + touches + bursts + leans;
                // Hundredths are what a load cell's firmware prints.
                let steps = (raw / RESOLUTION_G).round() * RESOLUTION_G;
                let said = self.plates[i].says(t_us - self.start_us, (steps * 100.0).round() / 100.0);
                grams.push(Some(said as f32));
            }
            plates.push(PlateSamples { plate: i as PlateNo + 1, grams });
        }
        self.samples += BATCH as i64;
        let seq = self.seq;
        self.seq += 1;
        self.settle(end_us);
        Weights { shelf: self.id.clone(), boot: self.boot.clone(), seq, t0_us, dt_us: SAMPLE_US, plates }
    }

    fn settle(&mut self, now_us: i64) {
        let plates = &mut self.plates;
        self.touches.retain(|touch| {
            let over = now_us - touch.t_us > TOUCH_US;
            if over {
                for (plate, felt) in plates.iter_mut().zip(&touch.plates) {
                    plate.moved_g += felt.step_g;
                }
            }
            !over
        });
        self.bursts.retain(|burst| now_us < burst.from_us + burst.long_us);
        self.leans.retain(|lean| now_us < lean.from_us + lean.long_us);
    }
}

impl PlateSim {
    fn new(seed: u64, shelf: &ShelfId, no: usize, physics: &Physics) -> PlateSim {
        let mut chance = Chance::new(seed, &format!("plate/{shelf}/{no}"));
        let period_s = chance.between(physics.drift_period_s.0, physics.drift_period_s.1);
        let drift_g = chance.from_quantiles(&physics.drift_g) * period_s / (TAU * 33.0);
        let (correlation, correlation_sigma) = physics.noise_correlation;
        PlateSim {
            base_g: chance.from_quantiles(&physics.base_g),
            moved_g: 0.0,
            gain: 1.0 + (physics.gain_sigma * chance.normal()).clamp(-0.09, 0.09),
            sigma_g: chance.from_quantiles(&physics.noise_g),
            correlation: (correlation + correlation_sigma * chance.normal()).clamp(-0.7, 0.6),
            noise_g: 0.0,
            drift: (drift_g, period_s, chance.between(-0.8, 0.8)),
            chance,
            fault: None,
            last_g: 0.0,
        }
    }

    /// Everything but touches and vibration, `t_us` after the start. Draws noise: called once a sample, in order.
    fn at(&mut self, t_us: i64) -> f64 {
        let fresh = libm::sqrt(1.0 - self.correlation * self.correlation);
        self.noise_g = self.correlation * self.noise_g + fresh * self.sigma_g * self.chance.normal();
        let (amplitude, period_s, phase) = self.drift;
        let drift = amplitude * (libm::sin(TAU * t_us as f64 * 1e-6 / period_s + phase) - libm::sin(phase));
        self.base_g + self.moved_g + drift + self.noise_g
    }

    /// What it says instead of `grams`, once it is broken.
    fn says(&mut self, t_us: i64, grams: f64) -> f64 {
        let hundredths = |grams: f64| (grams * 100.0).round() / 100.0;
        let said = match self.fault.filter(|(since_us, _)| t_us >= *since_us) {
            None => grams,
            Some((_, PlateFault::Dead)) => 0.0,
            Some((_, PlateFault::Stuck)) => self.last_g,
            Some((_, PlateFault::Noisy)) => hundredths(grams + BROKEN_NOISE_G * self.chance.normal()),
            Some((since_us, PlateFault::Drifting)) => {
                hundredths(grams - DROWNED_G_PER_S * (t_us - since_us) as f64 * 1e-6)
            }
        };
        self.last_g = said;
        said
    }
}

impl Ringing {
    fn at(&self, plate: usize, t_us: i64) -> f64 {
        let felt = &self.plates[plate];
        let dt = t_us - self.t_us;
        // The push is a hump that ends (a take) or begins (a put) with the step.
        let into_push = if self.push_us > 0 { dt + self.push_us } else { dt };
        let hump = into_push as f64 / self.push_us.abs() as f64;
        let push = if hump > 0.0 && hump < 1.0 { felt.push_g * libm::sin(hump * TAU / 2.0) } else { 0.0 };
        if dt <= 0 {
            return push;
        }
        let s = dt as f64 * 1e-6;
        // Smooth at both ends.
        let rise = (s / self.step_s).min(1.0);
        let step = felt.step_g * rise * rise * (3.0 - 2.0 * rise);
        let after = (s - self.step_s).max(0.0);
        // Gram by gram nothing rings.
        let calm = STEP_S / self.step_s;
        let fade = rise * libm::exp(-after / self.ring_s);
        push + step + calm * fade * (felt.overshoot_g + felt.ring_g * libm::sin(TAU * felt.hz * s + felt.phase))
    }
}

impl Lean {
    fn at(&self, plate: usize, t_us: i64) -> f64 {
        let (into, left) = ((t_us - self.from_us) as f64, (self.from_us + self.long_us - t_us) as f64);
        let weight = (into.min(left) / PRESS_US).clamp(0.0, 1.0);
        self.plates_g[plate] * weight * weight * (3.0 - 2.0 * weight)
    }
}

impl Burst {
    fn at(&self, plate: usize, t_us: i64) -> f64 {
        let into = (t_us - self.from_us) as f64 / self.long_us as f64;
        if !(0.0..=1.0).contains(&into) {
            return 0.0;
        }
        let swell = libm::sin(into * TAU / 2.0);
        let s = (t_us - self.from_us) as f64 * 1e-6;
        self.plates_g[plate] * swell * libm::sin(TAU * self.hz * s + self.phase)
    }
}

/// How a load is carried: by the plates it stands on, by how much of it stands there, and `beside` of it by each
/// neighbour. Sums to 1; goods at the end of a shelf lean on the last plate.
pub(super) fn shares(centre: f64, width: f64, plates: usize, beside: f64) -> Vec<f64> {
    let (low, high) = (centre - width / 2.0, centre + width / 2.0);
    let mut stands: Vec<f64> = (1..=plates)
        .map(|no| {
            let no = no as f64;
            (high.min(no + 0.5) - low.max(no - 0.5)).max(0.0)
        })
        .collect();
    if stands.iter().all(|s| *s == 0.0) {
        let nearest = (centre.round().clamp(1.0, plates as f64)) as usize - 1;
        stands[nearest] = 1.0;
    }
    let whole: f64 = stands.iter().sum();
    let mut shares = vec![0.0; plates];
    for (i, s) in stands.iter().enumerate() {
        let share = s / whole;
        let mut own = share;
        for neighbour in [i.wrapping_sub(1), i + 1] {
            if neighbour < plates {
                shares[neighbour] += beside * share;
                own -= beside * share;
            }
        }
        shares[i] += own;
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_load_is_spread_over_plates_as_measured() {
        for (story, centre, width, expect) in [
            ("a bottle in the middle of plate 10", 10.0, 0.7, vec![(9, 0.013), (10, 0.974), (11, 0.013)]),
            ("a bag over plates 4 and 5, pushed to the left", 4.07, 1.7, vec![(3, 0.17), (4, 0.57), (5, 0.25)]),
            ("goods hanging over the end", 13.4, 0.4, vec![(11, 0.013), (12, 0.987)]),
        ] {
            let shares = shares(centre, width, 12, Physics::default().neighbour_share);
            assert!((shares.iter().sum::<f64>() - 1.0).abs() < 1e-9, "{story}: {shares:?}");
            for (plate, share) in expect {
                assert!((shares[plate - 1] - share).abs() < 0.03, "{story}: plate {plate} of {shares:?}");
            }
        }
    }

    #[test]
    fn a_take_is_a_push_a_step_and_two_seconds_of_ringing() {
        let calm = Arc::new(Physics { bursts_per_s: 1e-9, ..Physics::default() });
        let mut pushes = 0;
        for seed in 0..20 {
            let mut shelf = ShelfSim::new(ShelfId::new("1-1"), 12, seed, 0, calm.clone());
            let touch_us = 2_000_000;
            shelf.touch(&Touch { t_us: touch_us, delta_g: -538.0, centre: 6.0, width: 0.7, slow: false });
            let (sigma, gain) = (shelf.plates[5].sigma_g, shelf.plates[5].gain);
            let mut readings = Vec::new();
            while shelf.next_batch_us() < 8_000_000 {
                let batch = shelf.batch();
                readings.extend(batch.plates[5].grams.iter().enumerate().map(|(k, g)| {
                    let t_us = batch.t0_us + k as i64 * batch.dt_us;
                    ((t_us - touch_us) as f64 * 1e-6, f64::from(g.unwrap()))
                }));
            }
            let of = |from: f64, to: f64| {
                let part: Vec<f64> = readings.iter().filter(|(t, _)| (from..to).contains(t)).map(|(_, g)| *g).collect();
                let mean = part.iter().sum::<f64>() / part.len() as f64;
                let widest = part.iter().map(|g| (g - mean).abs()).fold(0.0, f64::max);
                (mean, widest)
            };
            let ((before, _), (after, _)) = (of(-2.0, -0.6), of(3.5, 5.5));
            let step = after - before;
            assert!((step + 538.0 * gain * 0.974).abs() < 2.0 + sigma, "seed {seed}: step {step}, gain {gain}");
            let (_, ringing) = of(0.15, 1.0);
            assert!((8.0..60.0 + 5.0 * sigma).contains(&ringing), "seed {seed}: rings by {ringing} g");
            let peak = readings.iter().filter(|(t, _)| (-0.5..0.0).contains(t)).map(|(_, g)| g - before);
            pushes += usize::from(peak.fold(0.0, f64::max) > 9.0 + 3.0 * sigma);
        }
        assert!((6..=19).contains(&pushes), "a push precedes most takes, not all: {pushes} of 20");
    }

    /// Means of plate 3 over whole seconds.
    fn seconds(shelf: &mut ShelfSim, until_s: i64) -> Vec<f64> {
        let mut grams: Vec<Vec<f64>> = vec![Vec::new(); until_s as usize];
        while shelf.next_batch_us() < until_s * 1_000_000 {
            let batch = shelf.batch();
            for (k, g) in batch.plates[2].grams.iter().enumerate() {
                let second = (batch.t0_us + k as i64 * batch.dt_us).max(0) as usize / 1_000_000;
                grams[second].push(f64::from(g.unwrap()));
            }
        }
        grams.into_iter().map(|of| of.iter().sum::<f64>() / of.len() as f64).collect()
    }

    fn calm(seed: u64) -> ShelfSim {
        let physics = Physics { bursts_per_s: 1e-9, gain_sigma: 0.0, ..Physics::default() };
        ShelfSim::new(ShelfId::new("1-1"), 6, seed, 0, Arc::new(physics))
    }

    #[test]
    fn who_leans_weighs_on_it_and_is_gone_again() {
        for seed in 0..10 {
            let mut shelf = calm(seed);
            shelf.lean(4_000_000, 3.0);
            let (noise_g, long_us) = (shelf.plates[2].sigma_g, shelf.leans[0].long_us);
            let grams = seconds(&mut shelf, 10);
            let most = grams[4..7].iter().copied().fold(f64::MIN, f64::max) - grams[2];
            assert!(most > 25.0, "seed {seed}: {most} g for {long_us} us");
            assert!((grams[9] - grams[2]).abs() < 3.0 + noise_g, "seed {seed}: {grams:?}");
        }
    }

    #[test]
    fn a_broken_plate_shows_what_broke() {
        let spread = |grams: &[f64]| grams.iter().fold(0.0f64, |most, g| most.max((g - grams[0]).abs()));
        for (fault, within) in [
            (PlateFault::Dead, (0.0, 0.0)),
            (PlateFault::Stuck, (0.0, 0.0)),
            (PlateFault::Noisy, (3.0, 60.0)),
            (PlateFault::Drifting, (3.0, 9.0)),
        ] {
            let mut shelf = calm(4);
            shelf.fail(3, 5_000_000, fault);
            shelf.fail(99, 0, fault);
            let grams = seconds(&mut shelf, 15);
            let got = spread(&grams[6..]);
            assert!((within.0..=within.1).contains(&got), "{fault:?}: {grams:?}");
            assert_eq!(grams[6] == 0.0, fault == PlateFault::Dead, "{fault:?}: {grams:?}");
            assert!(spread(&grams[..5]) < 3.0, "{fault:?} before it broke: {grams:?}");
        }
    }
}
