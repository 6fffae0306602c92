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
//! Who did it is `nearest`'s and the model's question.

use super::options::StepOptions;
use super::plate::{BINS, Fault, Plate, Window};
use super::segment::{self, Piece, Rules};
use super::{Step, StepEvent};
use crate::base::{PlateNo, ShopTime};
use crate::events::PlateSamples;

/// Readings are judged in slices of at most this, microseconds: as often as a shelf usually sends.
const SLICE_US: i64 = 200_000;
/// A device this far behind its own past has begun a new line of time, microseconds.
const NEW_LINE_US: i64 = 10_000_000;
/// Batches kept waiting for a missing one. More: the hole is accepted at once.
const HELD_BATCHES: usize = 8;
/// A movement as old as this without rest is several people's: its past is settled while it goes on, microseconds.
const CROWDED_US: i64 = 3_500_000;
/// The past is what lies this far back and was followed by a plateau this long, milliseconds.
const PAST_MS: i64 = 2_500;
const PLATEAU_MS: i64 = 700;
/// A change in a hole this long happened while we were not looking, microseconds.
const GAP_US: i64 = 1_000_000;
/// Plates ring so long after a touch. Readings at 10 Hz and slower cannot see it: it may fall on the same swing every
/// time and look like a level. They wait instead, microseconds.
const RINGING_US: i64 = 2_000_000;
const BLIND_TO_RINGING_US: i64 = 100_000;
/// A flickering cell that repeats itself so long is broken, and no movement waits for it, microseconds.
const FROZEN_US: i64 = 1_000_000;
/// Somebody leaning presses at least so hard, and either this slowly or on so many plates at once.
const LEAN_G: f64 = 25.0;
const LEAN_US: i64 = 350_000;
const LEAN_PLATES: usize = 5;
/// Steps on plates that settle later than this after each other are journalled apart; a drift of this many grams too.
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

    // ---- batches in order ----

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
        let bin_us = (self.options.bin_ms * 1_000).max(dt_us);
        let mut late = false;
        for from in (0..samples).step_by(slice) {
            for row in rows {
                let Some(plate) = usize::from(row.plate).checked_sub(1).and_then(|i| self.plates.get_mut(i)) else {
                    self.bad_samples += row.grams[from.min(row.grams.len())..].len().min(slice) as u64;
                    continue;
                };
                let mut begin_us = t0_us + from as i64 * dt_us;
                let behind_us = plate.next_us.map_or(0, |next| next - begin_us);
                if plate.bin_us() != bin_us || behind_us > NEW_LINE_US {
                    plate.restart(bin_us);
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

    // ---- judging ----

    fn bin_us(&self) -> i64 {
        self.plates.iter().map(Plate::bin_us).max().unwrap_or(0).max(1)
    }

    /// Bins in so many milliseconds, at least `least`.
    fn bins(&self, ms: i64, least: i64) -> i64 {
        (ms * 1_000 / self.bin_us()).max(least)
    }

    /// Bins that must be calm. Slow scales need some too, lest two readings of a swing agree by luck: five, or 2.5 s.
    fn calm_bins(&self) -> i64 {
        self.bins(self.options.calm_ms, (2_500_000 / self.bin_us()).clamp(3, 5))
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
                } else if age_us > CROWDED_US.max(3 * calm_bins * self.bin_us()) {
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
        if self.bin_us() >= BLIND_TO_RINGING_US
            && let (Some(began), Some(last)) = (plate.moving, plate.last)
            && (last - began - calm_bins) * self.bin_us() < RINGING_US
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
        (last - began) * self.bin_us() > self.options.settle_max_ms * 1_000
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
        self.newest_bin(from, to).saturating_sub(self.began(from, to)).saturating_mul(self.bin_us())
    }

    fn time(&self, bin: i64) -> ShopTime {
        ShopTime(bin * self.bin_us())
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

    fn may_be_leaning(&self, from: usize, to: usize) -> bool {
        let pressed_g: f64 = (from..=to).filter_map(|i| Some(self.windows[i]?.mean_g - self.plates[i].level?)).sum();
        pressed_g >= LEAN_G && self.compare(from, to).iter().any(is_a_lean)
    }

    // ---- drafts ----

    /// Compares the last 0.3 s with the level and what was drafted already.
    fn draft(&mut self, from: usize, to: usize, events: &mut Vec<StepEvent>) {
        let (lo, hi) = self.widened(from, to);
        let end = self.newest_bin(from, to);
        let short = self.bins(self.options.draft_ms, 1);
        let mut rest = vec![0.0; self.plates.len()];
        for (i, plate) in self.plates.iter().enumerate().take(hi + 1).skip(lo) {
            let (Some(level), Some(mean)) = (plate.level, plate.mean(end, short)) else { continue };
            rest[i] = mean - level - self.drafts.iter().map(|draft| draft.profile_g[i]).sum::<f64>();
        }
        // Two people at once: two peaks, two drafts.
        for _ in 0..3 {
            let Some(peak) = (from..=to).max_by(|a, b| rest[*a].abs().total_cmp(&rest[*b].abs())) else { return };
            let (first, last) = around(&rest, peak, lo, hi);
            let delta_g: f64 = rest[first..=last].iter().sum();
            let profile_g: Vec<f64> =
                rest.iter().enumerate().map(|(i, g)| if (first..=last).contains(&i) { *g } else { 0.0 }).collect();
            rest[first..=last].fill(0.0);
            if !self.is_steady(first, last, delta_g, end, short) {
                continue;
            }
            // What was drafted a moment ago and is gone again was a lean or a second thought.
            let undone = self.drafts.iter().position(|draft| {
                (first..=last).contains(&draft.peak)
                    && (draft.delta_g + delta_g).abs() <= (0.25 * draft.delta_g.abs()).max(12.0)
                    && draft.delta_g * delta_g < 0.0
            });
            if let Some(undone) = undone {
                let draft = self.drafts.remove(undone);
                events.push(StepEvent::Withdrawn { id: draft.id });
                continue;
            }
            let newest_us = self.newest_us;
            let mut near = self.drafts.iter().filter(|draft| draft.peak.abs_diff(peak) <= 2);
            // Ringing on top of a fresh draft is no second one.
            if near.any(|draft| {
                newest_us - draft.made_us < 400_000 || delta_g.abs() < (0.25 * draft.delta_g.abs()).max(25.0)
            }) {
                continue;
            }
            let begin = self.time(self.draft_began(first, last, delta_g, end, short));
            let id = self.new_id();
            let noise_g = self.noise_g(first, last, short);
            let step =
                Step { id, begin, end: self.time(end + 1), delta_g, profile_g: profile_g.clone(), noise_g, gap: false };
            self.drafts.push(Draft { id, peak, begin, made_us: newest_us, delta_g, profile_g });
            events.push(StepEvent::Draft(step));
        }
    }

    /// Both halves of the draft's time agree; a press must last longer than a take, for hands press first.
    fn is_steady(&self, first: usize, last: usize, delta_g: f64, end: i64, short: i64) -> bool {
        let noise_g = self.noise_g(first, last, short);
        if delta_g.abs() < self.options.draft_g.max(5.0 * noise_g) {
            return false;
        }
        let drafted: f64 = self.drafts.iter().map(|draft| draft.profile_g[first..=last].iter().sum::<f64>()).sum();
        let off = |end: i64, bins: i64| -> Option<f64> {
            let mut sum = 0.0;
            for plate in &self.plates[first..=last] {
                sum += plate.mean(end, bins)? - plate.level?;
            }
            Some(sum - drafted)
        };
        let half = (short / 2).max(1);
        let agrees = |part: Option<f64>| {
            part.is_some_and(|part| part * delta_g > 0.0 && (part - delta_g).abs() <= (0.3 * delta_g.abs()).max(10.0))
        };
        if short >= 2 && !(agrees(off(end, half)) && agrees(off(end - half, half))) {
            return false;
        }
        if delta_g < 0.0 || short < 2 {
            return true;
        }
        // A push before a take is 10-30 g and lasts up to half a second.
        agrees(off(end - short, half)) && (delta_g > 40.0 || agrees(off(end - short - half, half)))
    }

    /// The bin in which half of a draft's change was done.
    fn draft_began(&self, first: usize, last: usize, delta_g: f64, end: i64, short: i64) -> i64 {
        let off_g = |bin: i64| -> f64 {
            let off = |i: usize| {
                let drafted: f64 = self.drafts.iter().map(|draft| draft.profile_g[i]).sum();
                f64::from(self.plates[i].bin_since_level(bin)) - self.plates[i].level.unwrap_or(0.0) - drafted
            };
            (first..=last).map(off).sum()
        };
        (end - 4 * short..=end).rev().find(|bin| off_g(*bin) / delta_g < 0.5).map_or(end - 4 * short, |bin| bin + 1)
    }

    fn withdraw_orphans(&mut self, events: &mut Vec<StepEvent>) {
        let moving: Vec<bool> = self.plates.iter().map(|plate| plate.moving.is_some()).collect();
        self.drafts.retain(|draft| {
            let owned = moving[draft.peak.saturating_sub(1)..(draft.peak + 2).min(moving.len())].iter().any(|m| *m);
            if !owned {
                events.push(StepEvent::Withdrawn { id: draft.id });
            }
            owned
        });
    }

    fn new_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id - 1
    }

    /// With the calm plate on either side, if there is one that belongs to nothing else.
    fn widened(&self, from: usize, to: usize) -> (usize, usize) {
        let free = |i: usize| self.plates.get(i).is_some_and(|plate| plate.moving.is_none() && plate.level.is_some());
        (if from > 0 && free(from - 1) { from - 1 } else { from }, if free(to + 1) { to + 1 } else { to })
    }

    fn noise_g(&self, first: usize, last: usize, bins: i64) -> f64 {
        let square: f64 =
            self.plates[first..=last].iter().map(|plate| plate.sigma_of_mean_g(bins)).map(|s| s * s).sum();
        square.sqrt()
    }

    // ---- settling ----

    /// Compares levels before and after, says what happened, and takes the new levels. True if levels changed.
    fn conclude(&mut self, from: usize, to: usize, events: &mut Vec<StepEvent>) -> bool {
        let calm_bins = self.calm_bins();
        let steps = self.compare(from, to);
        self.tell(from, to, None, steps, events);
        let (lo, hi) = self.widened(from, to);
        let mut changed = false;
        for (plate, window) in self.plates[lo..=hi].iter_mut().zip(&self.windows[lo..=hi]) {
            if let Some(window) = window {
                changed |= plate.level.is_none_or(|level| (level - window.mean_g).abs() > 1.0);
                plate.settle(*window, calm_bins);
            }
        }
        changed
    }

    /// The steps between the levels before a movement and the calm means now, in order of time.
    fn compare(&self, from: usize, to: usize) -> Vec<Step> {
        let calm_bins = self.calm_bins();
        let (lo, hi) = self.widened(from, to);
        let change: Vec<f64> = (0..self.plates.len())
            .map(|i| match (self.plates[i].level, self.windows[i]) {
                (Some(level), Some(window)) if (lo..=hi).contains(&i) => window.mean_g - level,
                _ => 0.0,
            })
            .collect();
        let shapes: Vec<bool> = (lo..=hi)
            .map(|i| {
                let noise_g = std::f64::consts::SQRT_2 * self.plates[i].sigma_of_mean_g(calm_bins);
                change[i].abs() > self.options.plate_g.max(4.5 * noise_g)
            })
            .collect();
        let mut steps = Vec::new();
        let groups = runs(&shapes);
        for (n, &(first, last)) in groups.iter().enumerate() {
            let (first, last) = (lo + first, lo + last);
            // The quiet plate beside belongs to the nearest group: a bottle leaves 1 % of its weight there.
            let left_is_free = first > lo && (n == 0 || lo + groups[n - 1].1 + 2 < first);
            let right_is_free = last < hi && groups.get(n + 1).is_none_or(|next| lo + next.0 > last + 1);
            let (left, right) = (first - usize::from(left_is_free), last + usize::from(right_is_free));
            self.steps_of(left, right, &change, calm_bins, &mut steps);
        }
        steps.sort_by_key(|step| step.begin);
        steps
    }

    fn steps_of(&self, first: usize, last: usize, change: &[f64], calm_bins: i64, steps: &mut Vec<Step>) {
        let total_g: f64 = change[first..=last].iter().sum();
        let noise_g = (2.0 * self.noise_g(first, last, calm_bins).powi(2) + 0.25).sqrt();
        let least_g = self.options.step_g.max(4.0 * noise_g);
        let most_g = change[first..=last].iter().fold(0.0, |most: f64, g| most.max(g.abs()));
        let (begin, rows) = self.rows(first, last);
        let before: Vec<f64> = (first..=last).map(|i| self.plates[i].level.unwrap_or(0.0)).collect();
        let after: Vec<f64> = before.iter().zip(&change[first..=last]).map(|(level, g)| level + g).collect();
        let pieces = segment::pieces(&rows, &before, &after, &self.rules());
        // Goods pushed along the shelf change plates, not the shelf. Two real changes at one time do not cancel.
        if pieces.len() == 1 && (total_g.abs() < least_g || (most_g > 100.0 && total_g.abs() < 0.08 * most_g)) {
            return;
        }
        for piece in &pieces {
            self.tell_apart(piece, first, &rows, begin, least_g, steps);
        }
    }

    /// A change's steps: one, or one for each group of plates.
    fn tell_apart(
        &self,
        piece: &Piece,
        first: usize,
        rows: &[Vec<f32>],
        begin: i64,
        least_g: f64,
        steps: &mut Vec<Step>,
    ) {
        let last = first + rows.len() - 1;
        let (earliest, latest, gap) = self.interval((first, last), rows, piece, begin);
        for (low, high) in valleys(piece) {
            let mut profile_g = vec![0.0; self.plates.len()];
            for i in low..=high {
                profile_g[first + i] = piece.to[i] - piece.from[i];
            }
            let delta_g: f64 = profile_g.iter().sum();
            let noise_g = (2.0 * self.noise_g(first + low, first + high, self.calm_bins()).powi(2) + 0.25).sqrt();
            if delta_g.abs() >= least_g {
                steps.push(Step { id: 0, begin: earliest, end: latest, delta_g, profile_g, noise_g, gap });
            }
        }
    }

    /// The movement of some plates in bins, with half a second before it, and its first bin.
    fn rows(&self, first: usize, last: usize) -> (i64, Vec<Vec<f32>>) {
        let end = self.newest_bin(first, last);
        let began = self.began(first, last).min(end);
        let begin = (began - self.bins(500, 2)).max(end - BINS as i64 + 1);
        let row = |plate: &Plate| (begin..=end).map(|bin| plate.bin_since_level(bin)).collect();
        (begin, self.plates[first..=last].iter().map(row).collect())
    }

    fn rules(&self) -> Rules {
        Rules {
            bin_s: self.bin_us() as f64 * 1e-6,
            apart_bins: self.bins(self.options.apart_ms, 4) as usize,
            step_g: self.options.step_g,
        }
    }

    /// A shelf where one hand follows the other is never calm. What lies 2.5 s back and was followed by a plateau is
    /// settled by that plateau's mean, though the movement goes on. True if levels changed.
    fn conclude_the_past(&mut self, from: usize, to: usize, age_us: i64, events: &mut Vec<StepEvent>) -> bool {
        let (begin, rows) = self.rows(from, to);
        let before: Vec<f64> = (from..=to).map(|i| self.plates[i].level.unwrap_or(0.0)).collect();
        let after: Option<Vec<f64>> = (from..=to).map(|i| Some(self.windows[i]?.mean_g)).collect();
        let Some(after) = after else { return false };
        let pieces = segment::pieces(&rows, &before, &after, &self.rules());
        let bins = rows.first().map_or(0, Vec::len);
        let (past, plateau) = (self.bins(PAST_MS, 4) as usize, self.bins(PLATEAU_MS, 4) as usize);
        let next_at = |i: usize| pieces.get(i + 1).map_or(bins, |next| next.at);
        let read =
            |bins: std::ops::Range<usize>| bins.filter(|bin| rows.iter().all(|row| row[*bin].is_finite())).count();
        let last = (0..pieces.len())
            .rfind(|i| pieces[*i].at + past <= bins && read(pieces[*i].at..next_at(*i).max(pieces[*i].at)) >= plateau);
        let Some(last) = last else { return false };
        let mut steps = Vec::new();
        for piece in &pieces[..=last] {
            self.tell_apart(&without_ringing(piece), from, &rows, begin, self.options.step_g, &mut steps);
        }
        if age_us < self.options.lean_ms * 1_000 && steps.iter().any(is_a_lean) {
            return false;
        }
        // The plateau's beginning explains its change; what follows is the movement that goes on.
        let goes_on = begin + if last + 1 < pieces.len() { pieces[last + 1].at - 1 } else { bins - plateau } as i64;
        self.tell(from, to, Some(self.time(goes_on)), steps, events);
        for (i, level_g) in (from..=to).zip(&pieces[last].to) {
            self.plates[i].carry_on(*level_g, goes_on);
        }
        true
    }

    /// From when to when a change went on, and whether we were not looking meanwhile.
    fn interval(
        &self,
        (first_plate, last_plate): (usize, usize),
        rows: &[Vec<f32>],
        piece: &Piece,
        begin: i64,
    ) -> (ShopTime, ShopTime, bool) {
        let delta_g = piece.delta_g();
        let bins = rows.first().map_or(0, Vec::len);
        // Share of the change that is done in a bin, over the plates that were read.
        let done = |bin: usize| -> Option<f64> {
            let mut sum = 0.0;
            for (row, from) in rows.iter().zip(&piece.from) {
                let grams = f64::from(row[bin]);
                if !grams.is_finite() {
                    return None;
                }
                sum += grams - from;
            }
            Some(sum / delta_g)
        };
        let reach = self.bins(1_000, 2) as usize;
        let mut first = piece.at.min(bins);
        let mut steps_back = 0;
        while first > 0 && steps_back < reach {
            match done(first - 1) {
                Some(share) if share <= 0.2 => break,
                Some(_) => steps_back += 1,
                None => {}
            }
            first -= 1;
        }
        let mut last = piece.at.min(bins);
        let mut steps_on = 0;
        while last < bins && steps_on < reach {
            match done(last) {
                Some(share) if share >= 0.75 => break,
                Some(_) => steps_on += 1,
                None => {}
            }
            last += 1;
        }
        let blind = (first..last).filter(|bin| rows.iter().any(|row| row[*bin].is_nan())).count() as i64;
        let (mut earliest, latest) =
            (self.time(begin + first as i64), self.time(begin + (last as i64).max(first as i64 + 1)));
        let unseen = blind * self.bin_us() >= GAP_US;
        let plates = &self.plates[first_plate..=last_plate];
        let restored = plates.iter().any(|plate| plate.restored && plate.moving.is_some());
        let from_the_start = rows.iter().all(|row| row[..piece.at.min(bins)].iter().all(|grams| grams.is_nan()));
        let gap = unseen || (restored && from_the_start);
        if from_the_start || unseen {
            // From before the hole, however long it was, or before the restart.
            let began = plates.iter().filter_map(|plate| plate.moving).min();
            earliest = began.map_or(earliest, |began| earliest.min(self.time(began)));
            if let (true, Some(seen)) = (restored, self.restored_at) {
                earliest = earliest.min(seen);
            }
        }
        (earliest, latest, gap)
    }

    /// Gives each step its draft's id where there is one, and withdraws drafts that came to nothing.
    /// Drafts begun at or after `until` belong to the movement that goes on.
    fn tell(&mut self, from: usize, to: usize, until: Option<ShopTime>, steps: Vec<Step>, events: &mut Vec<StepEvent>) {
        let plates = from.saturating_sub(1)..=to + 1;
        let owned = |draft: &Draft| plates.contains(&draft.peak) && until.is_none_or(|until| draft.begin < until);
        let (mut drafts, others): (Vec<Draft>, Vec<Draft>) =
            std::mem::take(&mut self.drafts).into_iter().partition(owned);
        self.drafts = others;
        for mut step in steps {
            let peak = peak_of(&step.profile_g);
            let fit = |draft: &Draft| {
                let apart_ms = (draft.begin.since(step.begin) / 1_000).unsigned_abs();
                (draft.peak.abs_diff(peak) as u64 * 1_000 + apart_ms, draft.id)
            };
            let best = (0..drafts.len())
                .filter(|i| drafts[*i].delta_g * step.delta_g > 0.0 && drafts[*i].peak.abs_diff(peak) <= 2)
                .min_by_key(|i| fit(&drafts[*i]));
            step.id = match best {
                Some(best) => drafts.remove(best).id,
                None => self.new_id(),
            };
            events.push(StepEvent::Settled(step));
        }
        events.extend(drafts.into_iter().map(|draft| StepEvent::Withdrawn { id: draft.id }));
    }

    /// Batches have stopped. What stood still at the end is settled; the rest keeps its old level, so that the next
    /// reading, whenever it comes, shows what happened as a gap.
    fn give_up(&mut self, events: &mut Vec<StepEvent>) {
        let short = self.bins(self.options.draft_ms, 2);
        for (from, to) in self.movements() {
            let mut steady = true;
            for i in from..=to {
                let plate = &self.plates[i];
                self.windows[i] = plate.last.and_then(|last| plate.window(last, short));
                steady &= self.windows[i].is_some_and(|window| window.std_g <= 4.0 + 2.5 * plate.sigma_g)
                    && !plate.is_frozen();
            }
            if steady && !self.may_be_leaning(from, to) {
                self.conclude(from, to, events);
            } else {
                self.plates[from..=to].iter_mut().for_each(|plate| plate.moving = None);
            }
        }
        self.withdraw_orphans(events);
        self.told = self.levels();
        events.push(StepEvent::Calm);
    }
}

/// A lean presses slowly, or on many plates at once, and only downward. A product is put down in a tenth of a second.
fn is_a_lean(step: &Step) -> bool {
    let most_g = step.profile_g.iter().fold(0.0, |most: f64, g| most.max(*g));
    let wide = step.profile_g.iter().filter(|g| **g > 0.25 * most_g).count() >= LEAN_PLATES;
    step.delta_g >= LEAN_G && !step.gap && (wide || step.end.since(step.begin) > LEAN_US)
}

/// A change between two plateaus that still rang: plates far from it, which only rang, are left out.
fn without_ringing(piece: &Piece) -> Piece {
    let change = |i: usize| (piece.to[i] - piece.from[i]).abs();
    let most_g = (0..piece.from.len()).map(change).fold(0.0, f64::max);
    let carries = |i: usize| i < piece.from.len() && change(i) >= (0.06 * most_g).max(6.0);
    let mut piece = piece.clone();
    for i in 0..piece.from.len() {
        if !(carries(i) || carries(i + 1) || i > 0 && carries(i - 1)) {
            piece.to[i] = piece.from[i];
        }
    }
    piece
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

/// The plates of one peak: its neighbours, and on as long as they carry a quarter of it with its sign.
fn around(rest: &[f64], peak: usize, lo: usize, hi: usize) -> (usize, usize) {
    let carries = |i: usize| rest[i] * rest[peak] > 0.0 && rest[i].abs() >= 0.25 * rest[peak].abs();
    let (mut first, mut last) = (peak, peak);
    while first > lo && (carries(first - 1) || first == peak) {
        first -= 1;
    }
    while last < hi && (carries(last + 1) || last == peak) {
        last += 1;
    }
    (first, last)
}

/// Cuts a change into groups of plates where the shelf hardly changed between two peaks: an item stands across one to
/// three plates, so two peaks with next to nothing between them are two items.
fn valleys(piece: &Piece) -> Vec<(usize, usize)> {
    let change: Vec<f64> = piece.from.iter().zip(&piece.to).map(|(from, to)| (to - from).abs()).collect();
    let mut cuts = Vec::new();
    let mut first = 0;
    for at in 1..change.len().saturating_sub(1) {
        let left = change[first..at].iter().fold(0.0, |most: f64, g| most.max(*g));
        let right = change[at + 1..].iter().fold(0.0, |most: f64, g| most.max(*g));
        if change[at] <= 0.1 * left.min(right) && left.min(right) > 15.0 {
            cuts.push((first, at));
            first = at + 1;
        }
    }
    cuts.push((first, change.len().max(1) - 1));
    cuts
}
