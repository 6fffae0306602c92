//! One load cell: its last seconds in bins, its settled level, its noise, its faults.
//!
//! Readings are averaged into bins on a grid of shop time that all plates of a shelf share, so that changes on
//! neighbours can be compared. Everything a bin costs is a few additions; judging is done by `steps`, five times a second.

use super::options::StepOptions;
use serde::{Deserialize, Serialize};

/// Bins remembered: 12.8 s at 50 ms. A movement longer than that loses its beginning, not its size.
pub(super) const BINS: usize = 256;

/// A reading beyond this is no weight: plates are rated 20 kg, offsets reach 18 kg.
const ABSURD_G: f32 = 100_000.0;

/// Readings missing for longer than this are a hole: means do not reach across it, microseconds.
const HOLE_US: i64 = 200_000;

/// A flickering cell does not repeat itself so often by chance.
const FROZEN_SAMPLES: u32 = 20;

/// More noise than this is never learned, grams: twice the noisiest plate that was measured. Beyond, something is wrong.
const NOISIEST_G: f64 = 20.0;

/// How fast noise is learned, seconds.
const NOISE_S: f64 = 10.0;

/// What is wrong with a plate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// Silent, or exactly zero, for long.
    Dead,
    /// One exact value for long, while others vary.
    Stuck,
    /// Creeping up or down while nobody is there.
    Drifting,
    /// So noisy that light products are missed.
    Noisy,
}

/// The last stretch of a plate.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    pub mean_g: f64,
    pub std_g: f64,
    /// Mean of the later half less mean of the earlier.
    pub trend_g: f64,
}

#[derive(Clone, Debug)]
pub(super) struct Plate {
    bin_us: i64,
    ring: Vec<f32>,
    /// Newest closed bin on the shop's grid.
    pub last: Option<i64>,
    /// First bin that means may use: the first ever, or the first after a hole.
    resumed: i64,
    /// The open bin.
    open: i64,
    sum_g: f64,
    n: u32,
    /// Where the next batch should begin, microseconds.
    pub next_us: Option<i64>,
    /// Settled grams; while moving, those from before.
    pub level: Option<f64>,
    /// First bin the level speaks of: what was read earlier is explained already.
    pub level_since: i64,
    /// The level comes from the journal; nothing was read yet that agrees.
    pub restored: bool,
    /// First bin of the open movement.
    pub moving: Option<i64>,
    /// Noise of a bin, standard deviation, grams.
    pub sigma_g: f64,
    deviation_g: f64,
    // Faults.
    value: f32,
    value_since_us: i64,
    value_samples: u32,
    heard_us: i64,
    /// Share of readings that differ from the one before, learned: 1 for a noisy cell, near 0 for whole grams.
    liveliness: f64,
    drift_g: f64,
    drift_us: i64,
    drift_g_per_min: Option<f64>,
    pub bad: u64,
}

impl Plate {
    pub fn new() -> Plate {
        Plate {
            bin_us: 0,
            ring: Vec::new(),
            last: None,
            resumed: 0,
            open: i64::MIN,
            sum_g: 0.0,
            n: 0,
            next_us: None,
            level: None,
            level_since: i64::MIN,
            restored: false,
            moving: None,
            sigma_g: 1.0,
            deviation_g: 0.8,
            value: f32::NAN,
            value_since_us: 0,
            value_samples: 0,
            heard_us: 0,
            liveliness: 0.0,
            drift_g: 0.0,
            drift_us: 0,
            drift_g_per_min: None,
            bad: 0,
        }
    }

    /// Forgets the readings, keeps the level: a device began a new line of time, or another rate.
    /// What changed meanwhile shows against the level.
    pub fn restart(&mut self, bin_us: i64) {
        self.bin_us = bin_us;
        self.ring = vec![f32::NAN; BINS];
        self.last = None;
        self.open = i64::MIN;
        self.n = 0;
        self.sum_g = 0.0;
        self.moving = None;
        self.next_us = None;
        self.level_since = i64::MIN;
    }

    pub fn feed(&mut self, t0_us: i64, dt_us: i64, grams: &[Option<f32>], options: &StepOptions) {
        for (i, reading) in grams.iter().enumerate() {
            let t_us = t0_us + i as i64 * dt_us;
            match *reading {
                Some(grams) if grams.is_finite() && grams.abs() <= ABSURD_G => self.push(t_us, dt_us, grams, options),
                Some(_) => self.bad += 1,
                None => {}
            }
        }
        self.next_us = Some(t0_us + grams.len() as i64 * dt_us);
    }

    fn push(&mut self, t_us: i64, dt_us: i64, grams: f32, options: &StepOptions) {
        if grams == self.value {
            self.value_samples += 1;
        } else {
            self.value = grams;
            self.value_since_us = t_us;
            self.value_samples = 0;
        }
        self.heard_us = t_us;
        let bin = t_us.div_euclid(self.bin_us);
        if bin != self.open {
            self.close(options);
            self.open = bin;
        }
        self.sum_g += f64::from(grams);
        self.n += 1;
        // Do not wait for the next batch when the next reading falls into the next bin.
        if t_us + dt_us >= (bin + 1) * self.bin_us {
            self.close(options);
        }
    }

    fn close(&mut self, options: &StepOptions) {
        if self.n == 0 {
            return;
        }
        let grams = self.sum_g / f64::from(self.n);
        (self.sum_g, self.n) = (0.0, 0);
        let bin = self.open;
        let mut began = bin;
        match self.last {
            Some(last) if bin <= last => return, // rounding put two readings into one bin that was closed already
            Some(last) => {
                for missing in last + 1..bin.min(last + 1 + BINS as i64) {
                    self.ring[missing.rem_euclid(BINS as i64) as usize] = f32::NAN;
                }
                if (bin - last - 1) * self.bin_us > HOLE_US.max(self.bin_us) {
                    self.resumed = bin;
                    began = last + 1;
                }
            }
            None => self.resumed = bin,
        }
        self.ring[bin.rem_euclid(BINS as i64) as usize] = grams as f32;
        self.last = Some(bin);

        if self.is_frozen() {
            return; // neither a movement nor noise can be learned from it
        }
        if self.value_samples < FROZEN_SAMPLES {
            self.liveliness += 0.02 * (f64::from(u8::from(self.value_samples == 0)) - self.liveliness);
        }
        let Some(level) = self.level else { return };
        if self.moving.is_some() {
            return;
        }
        let off = (grams - level).abs();
        if off > options.depart_g.max(options.depart_sigma * self.sigma_g) {
            self.moving = Some(began);
        }
        // Clipped, so that a passing shake does not pass for noise; a lasting one still raises it.
        let share = self.bin_us as f64 * 1e-6 / NOISE_S;
        self.deviation_g += share.min(0.5) * (off.min(4.0 * self.sigma_g + 0.5) - self.deviation_g);
        self.sigma_g = (1.2533 * self.deviation_g).clamp(0.15, NOISIEST_G); // mean deviation of a normal is 0.798 sigma
    }

    /// Value of a bin, if it was read and is still remembered.
    pub fn bin(&self, bin: i64) -> f32 {
        match self.last {
            Some(last) if bin <= last && bin > last - BINS as i64 => self.ring[bin.rem_euclid(BINS as i64) as usize],
            _ => f32::NAN,
        }
    }

    /// Mean of `n` bins ending with `end`; `None` if most are missing or a hole lies between.
    pub fn mean(&self, end: i64, n: i64) -> Option<f64> {
        if self.last.is_none() || end - n + 1 < self.resumed {
            return None;
        }
        let (mut sum, mut count) = (0.0, 0);
        for bin in end - n + 1..=end {
            let grams = self.bin(bin);
            if grams.is_finite() {
                sum += f64::from(grams);
                count += 1;
            }
        }
        (count > 0 && count * 10 >= n * 6).then(|| sum / count as f64)
    }

    pub fn window(&self, end: i64, n: i64) -> Option<Window> {
        let mean_g = self.mean(end, n)?;
        let half = n / 2;
        let (early, late) = (self.mean(end - half, half), self.mean(end, half));
        let (mut square, mut count) = (0.0, 0.0);
        for bin in end - n + 1..=end {
            let grams = f64::from(self.bin(bin));
            if grams.is_finite() {
                square += (grams - mean_g) * (grams - mean_g);
                count += 1.0;
            }
        }
        let trend_g = late.unwrap_or(mean_g) - early.unwrap_or(mean_g);
        Some(Window { mean_g, std_g: (square / count).sqrt(), trend_g })
    }

    /// Noise of a mean over `n` bins, standard deviation, grams. 1.3: the noise is not quite independent; 0.1: rounding.
    pub fn sigma_of_mean_g(&self, n: i64) -> f64 {
        1.3 * self.sigma_g / (n as f64).sqrt() + 0.1
    }

    /// A cell that used to flicker and now repeats itself is dying, not calm.
    pub fn is_frozen(&self) -> bool {
        self.liveliness > 0.4 && self.value_samples >= FROZEN_SAMPLES
    }

    pub fn is_silent(&self, newest_us: i64) -> bool {
        newest_us - self.heard_us > 1_500_000.max(3 * self.bin_us)
    }

    /// What a bin departs from, for judging a movement: readings that an earlier step explained count as the level.
    pub fn bin_since_level(&self, bin: i64) -> f32 {
        match self.level {
            Some(level) if bin < self.level_since => level as f32,
            _ => self.bin(bin),
        }
    }

    /// The first level, or the one after a movement: the mean of a window of `bins`.
    pub fn settle(&mut self, window: Window, bins: i64) {
        // A plate that became noisy would otherwise open a movement with every bin.
        let noise_g = if self.level.is_none() { window.std_g } else { self.sigma_g.max(0.5 * window.std_g) };
        self.sigma_g = noise_g.clamp(0.3, NOISIEST_G);
        self.deviation_g = self.sigma_g / 1.2533;
        self.level = Some(window.mean_g);
        self.level_since = self.last.map_or(i64::MIN, |last| last - bins + 1);
        self.restored = false;
        self.moving = None;
    }

    /// A new level in the middle of a movement that goes on from a bin.
    pub fn carry_on(&mut self, level_g: f64, from: i64) {
        self.level = Some(level_g);
        self.level_since = from;
        self.restored = false;
        self.moving = Some(from);
    }

    /// Moves the level a share of the way to the calm mean.
    pub fn follow(&mut self, mean_g: f64, share: f64, now_us: i64) {
        let Some(level) = self.level else { return };
        let by = (mean_g - level) * share;
        self.level = Some(level + by);
        self.drift_g += by;
        let lasted_us = now_us - self.drift_us;
        if self.drift_us == 0 || lasted_us < 0 {
            (self.drift_us, self.drift_g) = (now_us, 0.0);
        } else if lasted_us >= 120_000_000 {
            self.drift_g_per_min = Some(self.drift_g / (lasted_us as f64 / 60e6));
            (self.drift_us, self.drift_g) = (now_us, 0.0);
        }
    }

    /// How long the exact same value has been read, microseconds.
    pub fn same_us(&self) -> i64 {
        if self.value_samples == 0 { 0 } else { self.heard_us - self.value_since_us }
    }

    /// `others_vary`: most other plates of the shelf change; `newest_us`: newest reading of the shelf.
    pub fn fault(&self, newest_us: i64, others_vary: bool, options: &StepOptions) -> Option<Fault> {
        let dead_us = (options.dead_s * 1e6) as i64;
        if self.heard_us > 0 && newest_us - self.heard_us > dead_us {
            return Some(Fault::Dead);
        }
        if self.value == 0.0 && self.same_us() > dead_us && others_vary {
            return Some(Fault::Dead);
        }
        if others_vary && self.same_us() as f64 > options.stuck_s * 1e6 {
            return Some(Fault::Stuck);
        }
        if self.sigma_g > options.noisy_g {
            return Some(Fault::Noisy);
        }
        if self.drift_g_per_min.is_some_and(|g| g.abs() > options.drift_g_per_min) {
            return Some(Fault::Drifting);
        }
        None
    }
}
