//! Weighing shelves as they were measured (docs: field notes): raw grams that are not zeroed, a gain error on every
//! plate, noise, drift, a push before a take and two seconds of ringing after it, vibration from elsewhere.
//!
//! A plate's reading is `base + gain * load change + drift + noise + touches + vibration`, rounded to 0.24 g. Every
//! plate and every shelf draws from its own stream of chance. Samples are made in order, twelve to a batch.

use super::chance::Chance;
use crate::base::{PlateNo, ShelfId};
use crate::events::{PlateSamples, Weights};
use std::f64::consts::TAU;

/// 60 Hz.
pub const SAMPLE_US: i64 = 16_667;
pub const BATCH: usize = 12;
/// What the converter resolves, grams.
const RESOLUTION_G: f64 = 0.24;
/// A touch is over after this long, us: by then ringing is below 0.02 g.
const TOUCH_US: i64 = 6_000_000;
/// A touch may push this long before the step, us. Touches are told to the shelf at least this much ahead.
pub const PUSH_US: i64 = 500_000;

/// Raw grams of a plate at rest with goods on it: -2 900 to +17 700, median 998.
const BASE_G: [(f64, f64); 6] =
    [(0.0, -2900.0), (0.06, 0.0), (0.25, 480.0), (0.5, 998.0), (0.9, 4200.0), (1.0, 17700.0)];
/// Noise sigma over 4 s: p10 0.47, median 0.80, p75 1.19, p90 3.3, p99 9.6 g.
const SIGMA_G: [(f64, f64); 7] =
    [(0.0, 0.35), (0.1, 0.47), (0.5, 0.80), (0.75, 1.19), (0.9, 3.3), (0.99, 9.6), (1.0, 11.0)];
/// Drift over 33 s: central half within 0.1 g, tails -18 to +2 g.
const DRIFT_G_33S: [(f64, f64); 7] =
    [(0.0, -18.0), (0.03, -3.0), (0.2, -0.1), (0.75, 0.05), (0.9, 0.4), (0.97, 1.0), (1.0, 2.0)];

/// What the physics may be told to do; the defaults are the measured shop.
#[derive(Clone, Debug)]
pub struct Physics {
    /// Sigma of the plates' gain around 1. Seen: a 538 g bottle read 562, a 105.5 g bag 100.6.
    pub gain_sigma: f64,
    /// Bursts of vibration a second on every shelf: 44 in 33 s on 29 shelves were strong enough to look like a take;
    /// the weaker ones come on top.
    pub bursts_per_s: f64,
    /// Median and spread (sigma of the logarithm) of a burst's amplitude on one plate, grams.
    pub burst_g: (f64, f64),
    /// Doors and heavy steps felt by every shelf at once, a second.
    pub slams_per_s: f64,
}

impl Default for Physics {
    fn default() -> Physics {
        Physics { gain_sigma: 0.035, bursts_per_s: 0.065, burst_g: (5.0, 1.05), slams_per_s: 1.0 / 45.0 }
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
}

pub struct ShelfSim {
    pub id: ShelfId,
    physics: Physics,
    boot: String,
    seq: u64,
    start_us: i64,
    /// Samples made so far.
    samples: i64,
    plates: Vec<PlateSim>,
    touches: Vec<Ringing>,
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
    /// Correlation of consecutive noise samples: median -0.16, p10 -0.46, p90 +0.16.
    correlation: f64,
    noise_g: f64,
    /// Drift is one slow wave: amplitude g, period s, phase.
    drift: (f64, f64, f64),
    chance: Chance,
}

/// A touch as every plate of the shelf feels it.
struct Ringing {
    t_us: i64,
    push_us: i64,
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
    pub fn new(id: ShelfId, plates: usize, seed: u64, start_us: i64, physics: Physics) -> ShelfSim {
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
            chance,
            next_burst_us,
            bursts: Vec::new(),
        }
    }

    /// When the last sample of the next batch is taken.
    pub fn next_batch_us(&self) -> i64 {
        self.start_us + (self.samples + BATCH as i64 - 1) * SAMPLE_US
    }

    /// From now on the shelf is touched at `touch.t_us`, which lies at least [`PUSH_US`] ahead.
    pub fn touch(&mut self, touch: &Touch) {
        let chance = &mut self.chance;
        let taking = touch.delta_g < 0.0;
        // A push before a take is seen more often than not; who puts something down presses for a moment.
        let push_g = if chance.yes(0.7) { chance.between(10.0, 30.0) } else { 0.0 };
        let push_us = (chance.between(0.15, 0.45) * 1e6) as i64;
        // The bottle read -584 g while settling and -562 g settled.
        let overshoot = chance.between(0.0, 0.05);
        let shares = shares(touch.centre, touch.width, self.plates.len());
        let plates = shares
            .iter()
            .zip(&self.plates)
            .map(|(share, plate)| {
                let step_g = touch.delta_g * share * plate.gain;
                // +-20 g on the plate touched, +-10 g beside it, a little on the rest.
                let loud = if *share > 0.15 {
                    20.0
                } else if *share > 0.004 {
                    10.0
                } else {
                    2.0
                };
                Felt {
                    step_g,
                    push_g: push_g * share,
                    overshoot_g: step_g * overshoot,
                    ring_g: loud * chance.between(0.6, 1.3),
                    hz: chance.between(4.0, 9.0),
                    phase: chance.between(0.0, TAU),
                }
            })
            .collect();
        self.touches.push(Ringing { t_us: touch.t_us, push_us: if taking { push_us } else { -push_us }, plates });
    }

    /// Every shelf of the shop feels a door: called by the owner of all shelves.
    pub fn slam(&mut self, t_us: i64) {
        let strength = 0.5 * self.chance.unit();
        self.burst(t_us, strength);
    }

    fn burst(&mut self, from_us: i64, strength: f64) {
        let (median, sigma) = self.physics.burst_g;
        let chance = &mut self.chance;
        let amplitude_g = strength * median * libm::exp(sigma * chance.normal());
        self.bursts.push(Burst {
            from_us,
            long_us: (chance.between(0.7, 2.0) * 1e6) as i64,
            hz: chance.between(5.0, 13.0),
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
                let raw = self.plates[i].at(t_us - self.start_us) + touches + bursts;
                // Hundredths are what a load cell's firmware prints.
                let steps = (raw / RESOLUTION_G).round() * RESOLUTION_G;
                grams.push(Some(((steps * 100.0).round() / 100.0) as f32));
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
    }
}

impl PlateSim {
    fn new(seed: u64, shelf: &ShelfId, no: usize, physics: &Physics) -> PlateSim {
        let mut chance = Chance::new(seed, &format!("plate/{shelf}/{no}"));
        let period_s = chance.between(300.0, 900.0);
        let drift_g = chance.from_quantiles(&DRIFT_G_33S) * period_s / (TAU * 33.0);
        PlateSim {
            base_g: chance.from_quantiles(&BASE_G),
            moved_g: 0.0,
            gain: 1.0 + (physics.gain_sigma * chance.normal()).clamp(-0.09, 0.09),
            sigma_g: chance.from_quantiles(&SIGMA_G),
            correlation: (-0.20 + 0.25 * chance.normal()).clamp(-0.7, 0.6),
            noise_g: 0.0,
            drift: (drift_g, period_s, chance.between(-0.8, 0.8)),
            chance,
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
        // 0.1 s wide, smooth at both ends.
        let rise = (s / 0.1).min(1.0);
        let step = felt.step_g * rise * rise * (3.0 - 2.0 * rise);
        let after = (s - 0.1).max(0.0);
        let fade = rise * libm::exp(-after / 0.8);
        push + step + fade * (felt.overshoot_g + felt.ring_g * libm::sin(TAU * felt.hz * s + felt.phase))
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

/// How a load is carried: by the plates it stands on, by how much of it stands there, and 1.3 % by each neighbour
/// (a bottle on plate 10 read -6.5 / -562 / -8.4 g on 9 / 10 / 11). Sums to 1; goods at the end of a shelf lean on the
/// last plate.
fn shares(centre: f64, width: f64, plates: usize) -> Vec<f64> {
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
                shares[neighbour] += 0.013 * share;
                own -= 0.013 * share;
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
            let shares = shares(centre, width, 12);
            assert!((shares.iter().sum::<f64>() - 1.0).abs() < 1e-9, "{story}: {shares:?}");
            for (plate, share) in expect {
                assert!((shares[plate - 1] - share).abs() < 0.03, "{story}: plate {plate} of {shares:?}");
            }
        }
    }

    #[test]
    fn a_take_is_a_push_a_step_and_two_seconds_of_ringing() {
        let calm = Physics { bursts_per_s: 1e-9, ..Physics::default() };
        let mut pushes = 0;
        for seed in 0..20 {
            let mut shelf = ShelfSim::new(ShelfId::new("1-1"), 12, seed, 0, calm.clone());
            let touch_us = 2_000_000;
            shelf.touch(&Touch { t_us: touch_us, delta_g: -538.0, centre: 6.0, width: 0.7 });
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
}
