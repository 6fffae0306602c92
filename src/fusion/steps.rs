//! Turns raw plate readings into weight steps.
//!
//! A *step* is "this shelf became 330 g lighter between t0 and t1, mostly on plate 4". Plates ring for two seconds after
//! a touch, so we speak twice: a draft at once, the settled figure when calm. Only settled levels are compared, never
//! excursions: footsteps and doors shake every plate of a shop, and leave the levels where they were.
//!
//! How it goes, five times a second (`judge`):
//!
//! 1. A plate that leaves its level opens a movement; its level is frozen as the "before".
//! 2. Neighbouring moving plates are one movement. Its short mean gives drafts.
//! 3. When all of them are calm again, levels before and after are compared, the plates cut into groups, each group into
//!    changes in time (`segment`), and each change is a step.
//! 4. Calm plates follow their drift slowly.
//!
//! Drafts are in `drafts`, settling in `settle`; what one plate knows of itself is in `plate`.
//!
//! Who did it is `nearest`'s and the model's question.

mod drafts;
mod settle;

use super::options::StepOptions;
use super::plate::{Fault, Plate, Window};
use super::{Step, StepEvent};
use crate::base::{PlateNo, ShopTime};
use crate::events::PlateSamples;

/// Readings are judged in slices of at most this, microseconds: as often as a shelf usually sends.
const SLICE_US: i64 = 200_000;
/// A device this far behind its own past has begun a new line of time, microseconds.
const NEW_LINE_US: i64 = 10_000_000;
/// Batches kept waiting for a missing one. More: the hole is accepted at once.
const HELD_BATCHES: usize = 8;
/// Batches at a faster rate after which the bins become narrower: ten seconds of an ordinary shelf.
const NARROWER_BATCHES: u32 = 50;
/// A movement as old as this without rest is several people's: its past is settled while it goes on, microseconds.
const CROWDED_US: i64 = 3_200_000;
/// Plates ring so long after a touch. Readings at 10 Hz and slower cannot see it: it may fall on the same swing every
/// time and look like a level. They wait instead, microseconds.
const RINGING_US: i64 = 2_000_000;
const BLIND_TO_RINGING_US: i64 = 100_000;
/// A flickering cell that repeats itself so long is broken, and no movement waits for it, microseconds.
const FROZEN_US: i64 = 1_000_000;
/// Drift worth a journal entry, grams.
const CALM_G: f64 = 3.0;

/// The scale of one shelf.
#[derive(Clone, Debug)]
pub struct ShelfScale {
    options: StepOptions,
    plates: Vec<Plate>,
    /// What each plate last said of itself, refreshed by `judge`.
    windows: Vec<Option<Window>>,
    drafts: Vec<Draft>,
    next_id: u64,
    held: Vec<Held>,
    /// Width of a bin, microseconds; 0 before the first batch.
    bin_us: i64,
    /// Batches in a row that asked for narrower ones.
    narrower: u32,
    newest_us: i64,
    /// When the levels were last seen in the journal.
    restored_at: Option<ShopTime>,
    told: Vec<Option<f64>>,
    late_batches: u64,
    bad_samples: u64,
}

#[derive(Clone, Debug)]
struct Draft {
    id: u64,
    peak: usize,
    begin: ShopTime,
    made_us: i64,
    delta_g: f64,
    profile_g: Vec<f64>,
}

#[derive(Clone, Debug)]
struct Held {
    t0_us: i64,
    dt_us: i64,
    plates: Vec<PlateSamples>,
}

impl Held {
    fn end_us(&self) -> i64 {
        self.t0_us + self.dt_us * self.plates.iter().map(|plate| plate.grams.len()).max().unwrap_or(0) as i64
    }
}

impl ShelfScale {
    /// A shelf of so many plates, nothing known yet.
    pub fn new(plates: usize, options: StepOptions) -> ShelfScale {
        ShelfScale {
            options,
            plates: vec![Plate::new(); plates],
            windows: vec![None; plates],
            drafts: Vec::new(),
            next_id: 1,
            held: Vec::new(),
            bin_us: 0,
            narrower: 0,
            newest_us: 0,
            restored_at: None,
            told: vec![None; plates],
            late_batches: 0,
            bad_samples: 0,
        }
    }

    /// Journalled levels after a restart, and when they held. The first settled levels are compared with them: what
    /// differs by more than noise becomes a gap step that begins at `seen`.
    pub fn restore(&mut self, levels_g: &[Option<f64>], seen: ShopTime) {
        for (plate, level) in self.plates.iter_mut().zip(levels_g) {
            if let Some(grams) = level {
                plate.level = Some(*grams);
                plate.restored = true;
            }
        }
        self.told = self.levels();
        self.restored_at = Some(seen);
    }

    /// One batch, the first sample at `t0` of shop time. Batches may come late by one; a hole stays open for
    /// `hold_ms`. Repeats are refused by time.
    pub fn feed(&mut self, t0: ShopTime, dt_us: i64, plates: &[PlateSamples]) -> Vec<StepEvent> {
        let mut events = Vec::new();
        let dt_us = dt_us.clamp(1_000, 10_000_000);
        let usual = plates.iter().all(|row| !self.is_behind_hole(row.plate, t0.0, dt_us));
        if usual && self.held.is_empty() {
            self.take(t0.0, dt_us, plates, &mut events);
            return events;
        }
        self.held.push(Held { t0_us: t0.0, dt_us, plates: plates.to_vec() });
        self.held.sort_by_key(|held| held.t0_us);
        let newest = self.held.iter().map(Held::end_us).max().unwrap_or(t0.0);
        self.release(newest, &mut events);
        events
    }

    /// Time passes: gives up waiting for missing batches, and settles what can be settled if batches have stopped.
    pub fn tick(&mut self, now: ShopTime) -> Vec<StepEvent> {
        let mut events = Vec::new();
        if !self.held.is_empty() {
            self.release(now.0, &mut events);
        }
        if self.is_ringing() && now.0 - self.newest_us > self.options.settle_max_ms * 1_000 {
            self.give_up(&mut events);
        }
        events
    }

    /// Settled grams per plate, not zeroed; while a plate moves, those from before.
    pub fn levels(&self) -> Vec<Option<f64>> {
        self.plates.iter().map(|plate| plate.level).collect()
    }

    /// Whether a movement is open: a step may still come.
    pub fn is_ringing(&self) -> bool {
        self.plates.iter().any(|plate| plate.moving.is_some())
    }

    pub fn faults(&self) -> Vec<(PlateNo, Fault)> {
        let varies = |plate: &Plate| plate.same_us() < 1_000_000 && !plate.is_silent(self.newest_us);
        let varying = self.plates.iter().filter(|plate| varies(plate)).count();
        let others_vary = self.plates.len() > 1 && varying * 2 >= self.plates.len() - 1 && varying > 0;
        let fault = |(i, plate): (usize, &Plate)| {
            plate.fault(self.newest_us, others_vary, &self.options).map(|fault| (i as PlateNo + 1, fault))
        };
        self.plates.iter().enumerate().filter_map(fault).collect()
    }

    /// Readings refused: not finite, beyond 100 kg, or of a plate this shelf does not have.
    pub fn bad_samples(&self) -> u64 {
        self.bad_samples + self.plates.iter().map(|plate| plate.bad).sum::<u64>()
    }

    /// Batches older than what was already judged.
    pub fn late_batches(&self) -> u64 {
        self.late_batches
    }

    fn is_behind_hole(&self, no: PlateNo, t0_us: i64, dt_us: i64) -> bool {
        let expected = self.plate(no).and_then(|plate| plate.next_us);
        expected.is_some_and(|expected| t0_us - expected > (dt_us * 3 / 2).max(60_000))
    }

    fn plate(&self, no: PlateNo) -> Option<&Plate> {
        self.plates.get(usize::from(no).checked_sub(1)?)
    }

    fn release(&mut self, now_us: i64, events: &mut Vec<StepEvent>) {
        let mut i = 0;
        while i < self.held.len() {
            let held = &self.held[i];
            let behind = held.plates.iter().any(|row| self.is_behind_hole(row.plate, held.t0_us, held.dt_us));
            let waited = now_us - held.end_us() >= self.options.hold_ms * 1_000;
            if !behind || waited || self.held.len() > HELD_BATCHES {
                let held = self.held.remove(i);
                self.take(held.t0_us, held.dt_us, &held.plates, events);
                i = 0; // what waited behind it may follow now
            } else {
                i += 1;
            }
        }
    }

    /// Feeds a batch to its plates, slice by slice, so that a long batch is judged as several short ones would be.
    fn take(&mut self, t0_us: i64, dt_us: i64, rows: &[PlateSamples], events: &mut Vec<StepEvent>) {
        let samples = rows.iter().map(|row| row.grams.len()).max().unwrap_or(0);
        let slice = usize::try_from(SLICE_US / dt_us).unwrap_or(1).max(1);
        self.agree_on_bins((self.options.bin_ms * 1_000).max(dt_us));
        let mut late = false;
        for from in (0..samples).step_by(slice) {
            for row in rows {
                let Some(plate) = usize::from(row.plate).checked_sub(1).and_then(|i| self.plates.get_mut(i)) else {
                    self.bad_samples += row.grams[from.min(row.grams.len())..].len().min(slice) as u64;
                    continue;
                };
                let mut begin_us = t0_us + from as i64 * dt_us;
                let behind_us = plate.next_us.map_or(0, |next| next - begin_us);
                if behind_us > NEW_LINE_US {
                    plate.restart(self.bin_us);
                } else if behind_us > 0 {
                    let length_us = (row.grams.len() - from.min(row.grams.len())).min(slice) as i64 * dt_us;
                    if behind_us * 2 > length_us {
                        late = true;
                        continue;
                    }
                    // The learned clock offset moved a little: keep the order.
                    begin_us += behind_us;
                }
                let to = (from + slice).min(row.grams.len());
                if from < to {
                    plate.feed(begin_us, dt_us, &row.grams[from..to], &self.options);
                }
            }
            let end_us = t0_us + (from + slice).min(samples) as i64 * dt_us;
            self.newest_us = if self.newest_us - end_us > NEW_LINE_US { end_us } else { self.newest_us.max(end_us) };
            self.judge(slice.min(samples - from) as f64 * dt_us as f64 * 1e-6, events);
        }
        self.late_batches += u64::from(late);
    }

    /// All plates of a shelf share one grid of bins, as wide as the slowest of them needs. A rate that was wrong once is
    /// forgotten after a while.
    fn agree_on_bins(&mut self, wanted_us: i64) {
        self.narrower = if wanted_us < self.bin_us { self.narrower + 1 } else { 0 };
        if wanted_us > self.bin_us || self.narrower > NARROWER_BATCHES {
            self.bin_us = wanted_us;
            self.narrower = 0;
            self.plates.iter_mut().for_each(|plate| plate.restart(wanted_us));
        }
    }

    /// Bins in so many milliseconds, at least `least`.
    fn bins(&self, ms: i64, least: i64) -> i64 {
        (ms * 1_000 / self.bin_us).max(least)
    }

    /// Bins that must be calm. Slow scales need some too, lest two readings of a swing agree by luck: five, or 2.5 s.
    fn calm_bins(&self) -> i64 {
        self.bins(self.options.calm_ms, (2_500_000 / self.bin_us).clamp(3, 5))
    }

    fn judge(&mut self, slice_s: f64, events: &mut Vec<StepEvent>) {
        let calm_bins = self.calm_bins();
        self.look(calm_bins);
        let mut calmer = self.first_levels(calm_bins);
        self.notice_small_departures(calm_bins);
        self.let_returned_plates_go(calm_bins);
        if self.is_ringing() {
            for (from, to) in self.movements() {
                self.draft(from, to, events);
                let age_us = self.age_us(from, to);
                if (from..=to).all(|plate| self.is_calm(plate, calm_bins)) {
                    if age_us >= self.options.lean_ms * 1_000 || !self.may_be_leaning(from, to) {
                        calmer |= self.conclude(from, to, events);
                    }
                } else if age_us > CROWDED_US.max(3 * calm_bins * self.bin_us) {
                    calmer |= self.conclude_the_past(from, to, age_us, events);
                }
            }
        }
        self.withdraw_orphans(events);
        self.follow_drift(slice_s);
        let crept = self.plates.iter().zip(&self.told).any(|(plate, told)| match (plate.level, told) {
            (Some(level), Some(told)) => (level - told).abs() > CALM_G,
            (level, told) => level.is_some() != told.is_some(),
        });
        if (calmer || crept) && !self.is_ringing() {
            self.told = self.levels();
            events.push(StepEvent::Calm);
        }
    }

    fn look(&mut self, calm_bins: i64) {
        let newest_us = self.newest_us;
        for (plate, window) in self.plates.iter_mut().zip(&mut self.windows) {
            *window = plate.last.and_then(|last| plate.window(last, calm_bins));
            if plate.is_silent(newest_us) || (plate.is_frozen() && plate.same_us() > FROZEN_US) {
                // Nothing can be said of it; its level waits for its return.
                plate.moving = None;
                *window = None;
            }
        }
    }

    fn first_levels(&mut self, calm_bins: i64) -> bool {
        let mut any = false;
        for i in 0..self.plates.len() {
            if self.plates[i].level.is_none()
                && let Some(window) = self.windows[i]
                && window.std_g <= 12.0
                && window.trend_g.abs() <= 6.0
            {
                self.plates[i].settle(window, calm_bins);
                any = true;
            }
        }
        any
    }

    /// A few grams on a quiet plate are no departure of one bin, but clear in the mean.
    fn notice_small_departures(&mut self, calm_bins: i64) {
        for (plate, window) in self.plates.iter_mut().zip(&self.windows) {
            if let (Some(level), None, Some(window)) = (plate.level, plate.moving, window)
                && (window.mean_g - level).abs() > small_g(plate, calm_bins, &self.options)
            {
                plate.moving = plate.last.map(|last| last - calm_bins);
            }
        }
    }

    /// A plate that is calm where it was before takes no part any more: it only shook.
    fn let_returned_plates_go(&mut self, calm_bins: i64) {
        for i in 0..self.plates.len() {
            let (Some(began), Some(last), Some(level)) =
                (self.plates[i].moving, self.plates[i].last, self.plates[i].level)
            else {
                continue;
            };
            if last - began >= calm_bins
                && self.is_calm(i, calm_bins)
                && self.windows[i].is_some_and(|window| {
                    (window.mean_g - level).abs() <= small_g(&self.plates[i], calm_bins, &self.options)
                })
            {
                self.plates[i].moving = None;
                self.plates[i].restored = false;
            }
        }
    }

    fn is_calm(&self, i: usize, calm_bins: i64) -> bool {
        let plate = &self.plates[i];
        let (Some(window), false) = (self.windows[i], plate.is_frozen()) else { return false };
        if self.bin_us >= BLIND_TO_RINGING_US
            && let (Some(began), Some(last)) = (plate.moving, plate.last)
            && (last - began - calm_bins) * self.bin_us < RINGING_US
        {
            return false;
        }
        let sigma_of_half_g = plate.sigma_of_mean_g(calm_bins / 2);
        if window.std_g <= self.options.calm_g.max(2.5 * plate.sigma_g)
            && window.trend_g.abs() <= (4.0 * sigma_of_half_g).max(1.5)
        {
            return true;
        }
        // It has rung long enough: under a lasting shake a mean that stands still must do.
        let (Some(began), Some(last)) = (plate.moving, plate.last) else { return false };
        (last - began) * self.bin_us > self.options.settle_max_ms * 1_000
            && window.std_g <= 12.0 + 2.0 * plate.sigma_g
            && plate.mean(last - calm_bins, calm_bins).is_some_and(|earlier| {
                (window.mean_g - earlier).abs() <= (4.0 * plate.sigma_of_mean_g(calm_bins)).max(3.0)
            })
    }

    /// Runs of neighbouring moving plates.
    fn movements(&self) -> Vec<(usize, usize)> {
        let moving: Vec<bool> = self.plates.iter().map(|plate| plate.moving.is_some()).collect();
        runs(&moving)
    }

    fn began(&self, from: usize, to: usize) -> i64 {
        self.plates[from..=to].iter().filter_map(|plate| plate.moving).min().unwrap_or(i64::MAX)
    }

    fn newest_bin(&self, from: usize, to: usize) -> i64 {
        self.plates[from..=to].iter().filter_map(|plate| plate.last).min().unwrap_or(i64::MIN)
    }

    fn age_us(&self, from: usize, to: usize) -> i64 {
        self.newest_bin(from, to).saturating_sub(self.began(from, to)).saturating_mul(self.bin_us)
    }

    fn time(&self, bin: i64) -> ShopTime {
        ShopTime(bin * self.bin_us)
    }

    fn follow_drift(&mut self, slice_s: f64) {
        let moving: Vec<bool> = self.plates.iter().map(|plate| plate.moving.is_some()).collect();
        let share = (slice_s / self.options.follow_s).min(1.0);
        let (calm_g, newest_us) = (self.options.calm_g, self.newest_us);
        for (i, (plate, window)) in self.plates.iter_mut().zip(&self.windows).enumerate() {
            // Beside a movement the level is part of the step's profile: it must not creep away meanwhile.
            let beside = moving[i.saturating_sub(2)..(i + 3).min(moving.len())].iter().any(|moving| *moving);
            if let (Some(window), false) = (window, beside)
                && window.std_g <= calm_g.max(2.5 * plate.sigma_g)
            {
                plate.follow(window.mean_g, share, newest_us);
            }
        }
    }

    fn new_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id - 1
    }

    /// With the calm plate on either side, if there is one that belongs to nothing else.
    fn widened(&self, from: usize, to: usize) -> (usize, usize) {
        let free = |i: usize| {
            let plate = self.plates.get(i);
            plate.is_some_and(|plate| plate.moving.is_none() && plate.level.is_some()) && self.windows[i].is_some()
        };
        (if from > 0 && free(from - 1) { from - 1 } else { from }, if free(to + 1) { to + 1 } else { to })
    }

    fn noise_g(&self, first: usize, last: usize, bins: i64) -> f64 {
        let square: f64 =
            self.plates[first..=last].iter().map(|plate| plate.sigma_of_mean_g(bins)).map(|s| s * s).sum();
        square.sqrt()
    }
}

/// Smallest difference of means that is more than noise, grams.
fn small_g(plate: &Plate, calm_bins: i64, options: &StepOptions) -> f64 {
    options.plate_g.max(6.0 * plate.sigma_of_mean_g(calm_bins))
}

/// `(first, last)` of every run of true.
fn runs(flags: &[bool]) -> Vec<(usize, usize)> {
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for (i, _) in flags.iter().enumerate().filter(|(_, flag)| **flag) {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == i => *last = i,
            _ => runs.push((i, i)),
        }
    }
    runs
}

fn peak_of(profile_g: &[f64]) -> usize {
    (0..profile_g.len()).max_by(|a, b| profile_g[*a].abs().total_cmp(&profile_g[*b].abs())).unwrap_or(0)
}
