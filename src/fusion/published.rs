//! The published event detector, for the yardstick only: what a good competition entry heard of a shelf.
//!
//! It watches the sum of the shelf: its standard deviation over the last 60 samples (1 s at 60 Hz) must stay above 20 g
//! for at least 30 samples. When it has been below for 5 samples the event is over, and its size is the mean 5 samples
//! after the end less the mean 5 samples before the beginning, if that is more than 10 g. Never tuned: it misses single
//! items under about 46 g, makes one event of two takes within a second, and gives no drafts.
//!
//! Windows trail (the last 60 samples up to now). Rates other than 60 Hz use the same counts of samples.

use super::{Step, StepEvent};
use crate::base::ShopTime;
use crate::events::PlateSamples;

const WINDOW: usize = 60;
const ACTIVE_G: f64 = 20.0;
const ACTIVE_SAMPLES: u64 = 30;
const STABLE_SAMPLES: u64 = 5;
const LEAST_G: f64 = 10.0;
/// Samples remembered: a window and the 5 before it.
const KEPT: usize = WINDOW + STABLE_SAMPLES as usize;

#[derive(Clone, Debug)]
pub struct PublishedScale {
    /// `[plate][sample]`, the last [`KEPT`] of them; a missing sample repeats the one before.
    kept: Vec<[f64; KEPT]>,
    sums: [f64; KEPT],
    /// Of the sums in the window, relative to `base`, so that the squares stay small.
    sum: f64,
    square: f64,
    base: f64,
    /// Samples seen.
    n: u64,
    active: Option<Active>,
    next_id: u64,
}

#[derive(Clone, Debug)]
struct Active {
    begin: ShopTime,
    before_g: Vec<f64>,
    /// Samples above the threshold in a row, and below it since.
    above: u64,
    below: u64,
    end: ShopTime,
}

impl PublishedScale {
    pub fn new(plates: usize) -> PublishedScale {
        PublishedScale {
            kept: vec![[0.0; KEPT]; plates],
            sums: [0.0; KEPT],
            sum: 0.0,
            square: 0.0,
            base: 0.0,
            n: 0,
            active: None,
            next_id: 1,
        }
    }

    pub fn feed(&mut self, t0: ShopTime, dt_us: i64, plates: &[PlateSamples]) -> Vec<StepEvent> {
        let mut events = Vec::new();
        let samples = plates.iter().map(|row| row.grams.len()).max().unwrap_or(0);
        for i in 0..samples {
            self.sample(i, plates);
            self.judge(ShopTime(t0.0 + i as i64 * dt_us), &mut events);
        }
        events
    }

    /// Means of the last second.
    pub fn levels(&self) -> Vec<Option<f64>> {
        (0..self.kept.len()).map(|plate| (self.n >= WINDOW as u64).then(|| self.mean(plate, 0))).collect()
    }

    pub fn is_ringing(&self) -> bool {
        self.active.is_some()
    }

    fn slot(&self, back: u64) -> usize {
        ((self.n + KEPT as u64 - 1 - back) % KEPT as u64) as usize
    }

    /// Takes sample `i` of every row into the window.
    fn sample(&mut self, i: usize, rows: &[PlateSamples]) {
        let (previous, at) = (self.slot(0), (self.n % KEPT as u64) as usize);
        for kept in &mut self.kept {
            kept[at] = kept[previous];
        }
        for row in rows {
            let plate = usize::from(row.plate).checked_sub(1).and_then(|plate| self.kept.get_mut(plate));
            if let (Some(kept), Some(Some(grams))) = (plate, row.grams.get(i))
                && grams.is_finite()
            {
                kept[at] = f64::from(*grams);
            }
        }
        let total: f64 = self.kept.iter().map(|kept| kept[at]).sum();
        if self.n == 0 {
            self.base = total;
        }
        if self.n >= WINDOW as u64 {
            let leaving = self.sums[self.slot(WINDOW as u64 - 1)] - self.base;
            self.sum -= leaving;
            self.square -= leaving * leaving;
        }
        self.sums[at] = total;
        self.sum += total - self.base;
        self.square += (total - self.base) * (total - self.base);
        self.n += 1;
        // Rounding must not gather over days: start over from the window once in a while.
        if self.n.is_multiple_of(4096) {
            self.base = total;
            let window: Vec<f64> = (0..WINDOW as u64).map(|back| self.sums[self.slot(back)] - self.base).collect();
            self.sum = window.iter().sum();
            self.square = window.iter().map(|g| g * g).sum();
        }
    }

    fn std_g(&self) -> f64 {
        let mean = self.sum / WINDOW as f64;
        (self.square / WINDOW as f64 - mean * mean).max(0.0).sqrt()
    }

    /// Mean of a plate over the window that ended `back` samples ago.
    fn mean(&self, plate: usize, back: u64) -> f64 {
        (back..back + WINDOW as u64).map(|back| self.kept[plate][self.slot(back)]).sum::<f64>() / WINDOW as f64
    }

    fn means(&self, back: u64) -> Vec<f64> {
        (0..self.kept.len()).map(|plate| self.mean(plate, back)).collect()
    }

    fn judge(&mut self, t: ShopTime, events: &mut Vec<StepEvent>) {
        if self.n < KEPT as u64 {
            return;
        }
        let above = self.std_g() > ACTIVE_G;
        let Some(mut active) = self.active.take() else {
            if above {
                let before_g = self.means(STABLE_SAMPLES);
                self.active = Some(Active { begin: t, before_g, above: 1, below: 0, end: t });
            }
            return;
        };
        if above {
            active.above += 1 + active.below;
            active.below = 0;
        } else {
            if active.below == 0 {
                active.end = t;
            }
            active.below += 1;
        }
        if active.below < STABLE_SAMPLES {
            self.active = Some(active);
            return;
        }
        if active.above < ACTIVE_SAMPLES {
            return;
        }
        let profile_g: Vec<f64> =
            self.means(0).iter().zip(&active.before_g).map(|(after, before)| after - before).collect();
        let delta_g: f64 = profile_g.iter().sum();
        if delta_g.abs() > LEAST_G {
            let id = self.next_id;
            self.next_id += 1;
            let (begin, end) = (active.begin, active.end);
            events.push(StepEvent::Settled(Step { id, begin, end, delta_g, profile_g, noise_g: LEAST_G, gap: false }));
        }
    }
}
