//! Generated load cells, for tests and figures.
//!
//! They behave as the one real recording did (306 plates, 60 Hz): offsets, noise of 0.5-10 g with negative lag-1
//! correlation, gains off by 4 %, a 10-30 g push before a touch, a 0.1 s change spread over neighbours, 2 s of +-20 g
//! ringing, shakes that reach 11 g (half of all plates in 33 s), 53 g (a tenth), 130 g (a hundredth). Same seed, same
//! cells, on any machine.

use crate::base::{PlateNo, ShopTime};
use crate::events::PlateSamples;
use std::f64::consts::{PI, TAU};

/// Where generated time begins.
pub const START: ShopTime = ShopTime(1_700_000_000_000_000);

/// Draws from a seed (splitmix64).
#[derive(Clone, Debug)]
pub struct Dice(pub u64);

impl Dice {
    /// 64 even bits.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Even over `low..high`.
    pub fn within(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * (self.draw() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Normal, mean 0, standard deviation 1.
    pub fn normal(&mut self) -> f64 {
        let (u, v) = (self.within(f64::MIN_POSITIVE, 1.0), self.within(0.0, 1.0));
        (-2.0 * libm::log(u)).sqrt() * libm::cos(TAU * v)
    }
}

/// Something done to the shelf. Times in seconds from the start, plates from 0.
#[derive(Clone, Debug)]
pub enum Deed {
    /// Grams on or off, at once; `shares` of it on the plates from `first` on.
    Move {
        at_s: f64,
        delta_g: f64,
        first: usize,
        shares: Vec<f64>,
        push_g: f64,
        push_s: f64,
        ring_g: f64,
        ring_hz: f64,
    },
    /// Somebody leans on the edge: slowly on, a while, slowly off.
    Lean { at_s: f64, lasts_s: f64, press_g: f64, first: usize, plates: usize },
    /// A footstep or a door: every plate by its own amplitude, gone after half a second.
    Shake { at_s: f64, swings_g: Vec<f64>, hz: f64 },
}

impl Deed {
    /// An ordinary take or put with pushes and ringing drawn. `across` plates: 1 stands on one plate, 2 over an edge.
    pub fn hand(dice: &mut Dice, at_s: f64, delta_g: f64, plate: usize, across: usize) -> Deed {
        let lean = dice.within(0.35, 0.65);
        let (first, shares) = match (across, plate) {
            (1, 0) => (0, vec![0.985, 0.015]),
            (1, _) => (plate - 1, vec![0.012, 0.976, 0.012]),
            (_, 0) => (0, vec![lean, 1.0 - lean]),
            (_, _) => (plate - 1, vec![0.18, 0.82 * lean, 0.82 * (1.0 - lean) - 0.05, 0.05]),
        };
        let push_g = if dice.within(0.0, 1.0) < 0.6 { dice.within(10.0, 30.0) } else { 0.0 };
        Deed::Move {
            at_s,
            delta_g,
            first,
            shares,
            push_g,
            push_s: dice.within(0.15, 0.5),
            ring_g: dice.within(10.0, 20.0),
            ring_hz: dice.within(2.5, 9.0),
        }
    }

    pub fn shake(dice: &mut Dice, at_s: f64, plates: usize) -> Deed {
        let swings_g = (0..plates).map(|_| 4.5 * libm::exp(1.2 * dice.normal())).collect();
        Deed::Shake { at_s, swings_g, hz: dice.within(4.0, 14.0) }
    }

    fn span_s(&self) -> (f64, f64) {
        match self {
            Deed::Move { at_s, push_s, .. } => (at_s - push_s, at_s + 4.0),
            Deed::Lean { at_s, lasts_s, .. } => (*at_s, at_s + lasts_s + 2.0),
            Deed::Shake { at_s, .. } => (*at_s, at_s + 1.5),
        }
    }

    /// Grams added to a plate at a time, weight that stays included.
    fn load_g(&self, plate: usize, t_s: f64) -> f64 {
        match self {
            Deed::Move { at_s, delta_g, first, shares, push_g, push_s, ring_g, ring_hz } => {
                let share = plate.checked_sub(*first).and_then(|i| shares.get(i)).copied().unwrap_or(0.0);
                let most = shares.iter().copied().fold(0.0, f64::max);
                // A plate rings by how much of the item stood on it; the ones beside at least half as much.
                let near = plate + 1 >= *first && plate <= first + shares.len();
                let touched = if share > 0.3 * most {
                    1.0
                } else if near {
                    0.5
                } else {
                    0.0
                };
                let since = t_s - at_s;
                if since < 0.0 {
                    return if since > -push_s { push_g * share / most * libm::sin(PI * -since / push_s) } else { 0.0 };
                }
                let done = (since / 0.1).min(1.0);
                let swing = 1.0 + 0.04 * libm::exp(-since / 0.5);
                let fade = if since < 2.0 { 1.0 - 0.4 * since } else { 0.2 * libm::exp(-(since - 2.0) / 0.15) };
                delta_g * share * done * swing + touched * ring_g * fade * libm::sin(TAU * ring_hz * since)
            }
            Deed::Lean { at_s, lasts_s, press_g, first, plates } => {
                let since = t_s - at_s;
                let on = (since / 0.9).clamp(0.0, 1.0) * ((lasts_s + 0.8 - since) / 0.8).clamp(0.0, 1.0);
                let here = (*first..first + plates).contains(&plate);
                if here { press_g / *plates as f64 * on * (1.0 + 0.08 * libm::sin(TAU * 0.9 * since)) } else { 0.0 }
            }
            Deed::Shake { at_s, swings_g, hz } => {
                let since = t_s - at_s;
                let swing = swings_g.get(plate).copied().unwrap_or(0.0);
                if since < 0.0 { 0.0 } else { swing * libm::exp(-since / 0.3) * libm::sin(TAU * hz * since) }
            }
        }
    }
}

/// A shelf of load cells and what will be done to it, in order of time.
#[derive(Clone, Debug)]
pub struct Cells {
    cells: Vec<Cell>,
    dice: Dice,
    dt_us: i64,
    batch: usize,
    n: i64,
    deeds: Vec<Deed>,
    next: usize,
    active: Vec<Deed>,
}

#[derive(Clone, Debug)]
struct Cell {
    level_g: f64,
    gain: f64,
    sigma_g: f64,
    drift_g_per_s: f64,
    last: f64,
}

/// One message: first sample's time, microseconds between samples, rows.
pub type Batch = (ShopTime, i64, Vec<PlateSamples>);

impl Cells {
    /// 60 Hz, 12 samples a message.
    pub fn new(plates: usize, seed: u64) -> Cells {
        let mut dice = Dice(seed);
        let cells = (0..plates)
            .map(|_| {
                let sigma_g = (0.85 * libm::exp(0.85 * dice.normal())).clamp(0.45, 9.6);
                let level_g = dice.within(-2_900.0, 6_000.0);
                Cell { level_g, gain: 1.0 + 0.04 * dice.normal(), sigma_g, drift_g_per_s: 0.0, last: 0.0 }
            })
            .collect();
        Cells { cells, dice, dt_us: 16_667, batch: 12, n: 0, deeds: Vec::new(), next: 0, active: Vec::new() }
    }

    pub fn at_rate(mut self, dt_us: i64, batch: usize) -> Cells {
        (self.dt_us, self.batch) = (dt_us, batch);
        self
    }

    /// The same noise on every plate.
    pub fn with_noise(mut self, sigma_g: f64) -> Cells {
        self.cells.iter_mut().for_each(|cell| cell.sigma_g = sigma_g);
        self
    }

    pub fn with_drift(mut self, g_per_s: f64) -> Cells {
        self.cells.iter_mut().for_each(|cell| cell.drift_g_per_s = g_per_s);
        self
    }

    pub fn with(mut self, mut deeds: Vec<Deed>) -> Cells {
        deeds.sort_by(|a, b| a.span_s().0.total_cmp(&b.span_s().0));
        self.deeds = deeds;
        self
    }

    /// Seconds generated so far.
    pub fn now_s(&self) -> f64 {
        (self.n * self.dt_us) as f64 * 1e-6
    }

    pub fn batch(&mut self) -> Batch {
        let t0 = ShopTime(START.0 + self.n * self.dt_us);
        let mut rows: Vec<PlateSamples> = (0..self.cells.len())
            .map(|i| PlateSamples { plate: i as PlateNo + 1, grams: Vec::with_capacity(self.batch) })
            .collect();
        for _ in 0..self.batch {
            let t_s = self.now_s();
            while self.deeds.get(self.next).is_some_and(|deed| deed.span_s().0 <= t_s) {
                self.active.push(self.deeds[self.next].clone());
                self.next += 1;
            }
            // A deed that is over leaves what it left.
            let (cells, active) = (&mut self.cells, &mut self.active);
            active.retain(|deed| {
                let over = deed.span_s().1 < t_s;
                if over && matches!(deed, Deed::Move { .. }) {
                    for (i, cell) in cells.iter_mut().enumerate() {
                        cell.level_g += cell.gain * deed.load_g(i, t_s + 100.0);
                    }
                }
                !over
            });
            for (i, (cell, row)) in self.cells.iter_mut().zip(&mut rows).enumerate() {
                let fresh = self.dice.normal();
                let noise_g = cell.sigma_g * (fresh - 0.16 * cell.last);
                cell.last = fresh;
                cell.level_g += cell.drift_g_per_s * self.dt_us as f64 * 1e-6;
                let load_g: f64 = self.active.iter().map(|deed| deed.load_g(i, t_s)).sum();
                let grams = cell.level_g + cell.gain * load_g + noise_g;
                row.grams.push(Some(((grams / 0.24).round() * 0.24) as f32)); // the cell's resolution
            }
            self.n += 1;
        }
        (t0, self.dt_us, rows)
    }
}
