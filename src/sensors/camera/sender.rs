//! When a picture was taken, by the camera's own clock, moved to ours.
//!
//! A camera that sends RTCP reports says when each picture was taken, by a clock that may be right, an hour off or in 1970. So
//! only its pace is believed: the offset is the shortest way a picture ever took to us (as `floor::clocks` does for messages),
//! and a picture was taken when its time plus that offset says. What is left out is how long the shortest way itself
//! takes, encoding included (20 to 100 ms on a shop's network): without agreeing clocks nobody can know it. What is gained is
//! that a picture which was held up on the way is not taken for a late one.
//!
//! Without reports pictures are stamped with their arrival; so they are until the first report, a few seconds after the start.

use crate::base::ShopTime;
use crate::base::time::MS_US;

/// Clocks that run slow are followed at 200 ppm, four times a poor quartz.
const DRIFT: f64 = 200e-6;

/// Further off its own line, us, the clock was set anew, or the stream has a hole: a new line begins.
const JUMP_US: i64 = 2_000 * MS_US;

/// One stream's clock. Every opening of a camera begins a new one.
#[derive(Clone, Debug, Default)]
pub struct SenderClock {
    /// arrival - sender time of the shortest way, and when that was last corrected.
    line: Option<(i64, ShopTime)>,
    /// The last picture was taken then.
    last: Option<ShopTime>,
}

impl SenderClock {
    /// When the picture was taken that the sender stamped `sent_us` and that has arrived. Never after its arrival, and never
    /// before the picture before it. `sent_us` is `None` as long as the sender has not reported.
    pub fn taken(&mut self, sent_us: Option<i64>, arrival: ShopTime) -> Option<ShopTime> {
        let Some(sent_us) = sent_us else {
            self.last = Some(arrival);
            return None;
        };
        let delay = arrival.0.saturating_sub(sent_us);
        let offset = match self.line {
            Some((offset, since)) if delay.abs_diff(offset) <= JUMP_US as u64 => {
                let risen = offset + (arrival.since(since) as f64 * DRIFT) as i64;
                risen.min(delay)
            }
            _ => delay,
        };
        self.line = Some((offset, arrival));
        let taken = ShopTime(sent_us.saturating_add(offset)).min(arrival);
        let taken = self.last.map_or(taken, |last| taken.max(ShopTime(last.0 + 1)).min(arrival));
        self.last = Some(taken);
        Some(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: i64 = 1_790_000_000_000_000;

    /// Pictures every 100 ms from a clock that is `off_us` off and runs `ppm` too fast; each takes 20 ms and what `late_ms`
    /// says. The largest difference between when it was taken and what is said, less those 20 ms, ms.
    fn worst_ms(off_us: i64, ppm: f64, late_ms: impl Fn(i64) -> i64) -> f64 {
        let mut clock = SenderClock::default();
        let mut worst = 0.0f64;
        let mut before = ShopTime(0);
        for i in 0..6_000 {
            let real_us = i * 100_000;
            let sent_us = START + off_us + (real_us as f64 * (1.0 + ppm * 1e-6)) as i64;
            let arrival = ShopTime(START + real_us + (20 + late_ms(i)) * MS_US);
            let taken = clock.taken(Some(sent_us), arrival).unwrap();
            assert!(taken <= arrival && taken > before, "picture {i}");
            before = taken;
            if i >= 50 {
                worst = worst.max((taken.0 - (START + real_us + 20 * MS_US)).abs() as f64 / 1e3);
            }
        }
        worst
    }

    #[test]
    fn what_is_held_up_on_the_way_is_not_late() {
        let jitter = |i: i64| i * 7919 % 61;
        for (story, off_us, ppm, most_ms) in [
            ("a right clock", 0, 0.0, 3.0),
            ("an hour ahead", 3_600_000_000, 0.0, 3.0),
            ("a camera in 1970", -START, 0.0, 3.0),
            ("a poor quartz, fast", 0, 50.0, 4.0),
            ("a poor quartz, slow", 0, -50.0, 4.0),
        ] {
            let worst = worst_ms(off_us, ppm, jitter);
            assert!(worst <= most_ms, "{story}: {worst:.1} ms off with 60 ms of jitter");
        }
    }

    #[test]
    fn a_clock_that_jumps_begins_a_new_line_and_a_silent_one_leaves_arrivals() {
        let mut clock = SenderClock::default();
        for (story, sent_us, arrival_ms, taken_ms) in [
            ("no report yet", None, 0, None),
            ("the first way is the shortest known", Some(5_000_000), 100, Some(100)),
            ("held up for 30 ms", Some(5_100_000), 230, Some(200)),
            ("its clock was set", Some(9_905_100_000), 300, Some(300)),
            ("held up for 50 ms", Some(9_905_200_000), 450, Some(400)),
            ("a clock that begins anew", Some(0), 500, Some(500)),
            ("silent again", None, 600, None),
        ] {
            let taken = clock.taken(sent_us, ShopTime(START + arrival_ms * MS_US));
            // To the millisecond: between two pictures the offset rises by a few microseconds.
            let ms = taken.map(|at| (at.since(ShopTime(START)) as f64 / 1e3).round() as i64);
            assert_eq!(ms, taken_ms, "{story}");
        }
    }
}
