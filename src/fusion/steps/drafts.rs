//! Drafts: what a movement looks like before it is over.
//!
//! The last 0.3 s of the moving plates, less what was drafted already, is a draft when both its halves agree. Ringing
//! and pushes agree with themselves for a moment too; a draft that came to nothing is withdrawn.

use super::{Draft, ShelfScale, Step, StepEvent};

impl ShelfScale {
    /// Compares the last 0.3 s with the level and what was drafted already.
    pub(super) fn draft(&mut self, from: usize, to: usize, events: &mut Vec<StepEvent>) {
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

    pub(super) fn withdraw_orphans(&mut self, events: &mut Vec<StepEvent>) {
        let moving: Vec<bool> = self.plates.iter().map(|plate| plate.moving.is_some()).collect();
        self.drafts.retain(|draft| {
            let owned = moving[draft.peak.saturating_sub(1)..(draft.peak + 2).min(moving.len())].iter().any(|m| *m);
            if !owned {
                events.push(StepEvent::Withdrawn { id: draft.id });
            }
            owned
        });
    }
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
