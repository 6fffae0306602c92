//! Settling: levels before and after a movement, and the steps between them.

use super::{Draft, Plate, ShelfScale, Step, StepEvent, peak_of, runs};
use crate::base::ShopTime;
use crate::fusion::plate::BINS;
use crate::fusion::segment::{self, Piece, Rules};

/// The past is what lies this far back and was followed by a plateau this long, milliseconds.
const PAST_MS: i64 = 2_400;
const PLATEAU_MS: i64 = 700;
/// A change in a hole this long happened while we were not looking, microseconds.
const GAP_US: i64 = 1_000_000;
/// Somebody leaning presses at least so hard, and either this slowly or on so many plates at once.
const LEAN_G: f64 = 25.0;
const LEAN_US: i64 = 250_000;
const LEAN_PLATES: usize = 5;

impl ShelfScale {
    /// Compares levels before and after, says what happened, and takes the new levels. True if levels changed.
    pub(super) fn conclude(&mut self, from: usize, to: usize, events: &mut Vec<StepEvent>) -> bool {
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

    /// Whether what presses on these plates now looks like somebody leaning.
    pub(super) fn may_be_leaning(&self, from: usize, to: usize) -> bool {
        let pressed_g: f64 = (from..=to).filter_map(|i| Some(self.windows[i]?.mean_g - self.plates[i].level?)).sum();
        pressed_g >= LEAN_G && self.compare(from, to).iter().any(is_a_lean)
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
            self.steps_of(left, right, &change, &mut steps);
        }
        steps.sort_by_key(|step| step.begin);
        steps
    }

    fn steps_of(&self, first: usize, last: usize, change: &[f64], steps: &mut Vec<Step>) {
        let total_g: f64 = change[first..=last].iter().sum();
        let noise_g = self.step_noise_g(first, last);
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
            let noise_g = self.step_noise_g(first + low, first + high);
            if delta_g.abs() >= least_g {
                steps.push(Step { id: 0, begin: earliest, end: latest, delta_g, profile_g, noise_g, gap });
            }
        }
    }

    /// Noise of a difference of two levels, half a gram of creep included.
    fn step_noise_g(&self, first: usize, last: usize) -> f64 {
        let noise_g = self.noise_g(first, last, self.calm_bins());
        (2.0 * noise_g * noise_g + 0.25).sqrt()
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
            bin_s: self.bin_us as f64 * 1e-6,
            apart_bins: self.bins(self.options.apart_ms, 4) as usize,
            step_g: self.options.step_g,
        }
    }

    /// A shelf where one hand follows the other is never calm. What lies 2.5 s back and was followed by a plateau is
    /// settled by that plateau's mean, though the movement goes on. True if levels changed.
    pub(super) fn conclude_the_past(
        &mut self,
        from: usize,
        to: usize,
        age_us: i64,
        events: &mut Vec<StepEvent>,
    ) -> bool {
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
        let unseen = blind * self.bin_us >= GAP_US;
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
    pub(super) fn give_up(&mut self, events: &mut Vec<StepEvent>) {
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
