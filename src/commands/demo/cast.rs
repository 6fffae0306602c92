//! Who comes to the demonstration, and when: first one party of every kind, then an ordinary mix.

use crate::sim::World;
use crate::sim::shoppers::{Crowd, Mix, Style, Visit};
use std::sync::Arc;
use std::time::Duration;

/// The first tap, us after the opening: scales have learned their noise by the time somebody reaches them.
const FIRST_US: i64 = 3_000_000;
/// Parties are planned this far ahead, us.
pub const AHEAD_US: i64 = 15_000_000;
/// Before the end of a demonstration with `--for` everybody has left for this long, us: shelves calm down (2 s), visits
/// close (3 s), charges are captured.
pub const NOBODY_AFTER_US: i64 = 8_000_000;
/// Without `--for` somebody comes about this often, us: a dozen are inside at the busiest.
const EVERY_US: (f64, f64) = (2.6e6, 9e6);

/// Everything that a first look should show, early enough to be paid for within a minute.
const OPENING: [Style; 10] = [
    Style::Ordinary,
    Style::Group,
    Style::PutBack,
    Style::Ordinary,
    Style::Declined,
    Style::Staff,
    Style::PutElsewhere,
    Style::Ordinary,
    Style::Ordinary,
    Style::Empty,
];

pub struct Cast {
    crowd: Crowd,
    chance: crate::sim::chance::Chance,
    /// Everybody has left by then.
    close_us: Option<i64>,
    at_most: u32,
    came: u32,
    next_us: i64,
    over: bool,
}

impl Cast {
    pub fn new(world: Arc<World>, seed: u64, start_us: i64, for_: Option<Duration>, at_most: Option<u32>) -> Cast {
        // Short visits of one or two things, so that many fit into a minute; who puts back is in the cast list.
        let mix = Mix { put_back: 0.0, ..Mix::quick() };
        Cast {
            crowd: Crowd::new(world, seed, "demo", mix),
            chance: crate::sim::chance::Chance::new(seed, "cast"),
            close_us: for_.map(|time| start_us + time.as_micros() as i64 - NOBODY_AFTER_US),
            at_most: at_most.unwrap_or(u32::MAX),
            came: 0,
            next_us: start_us + FIRST_US,
            over: false,
        }
    }

    /// Whether as many have come as were asked for.
    pub fn is_over(&self) -> bool {
        self.came >= self.at_most
    }

    /// The parties that tap before `us`, planned.
    pub fn until(&mut self, us: i64) -> Vec<Visit> {
        let mut visits = Vec::new();
        while !self.over && self.next_us < us && self.came < self.at_most {
            let style = match OPENING.get(self.came as usize) {
                Some(style) => *style,
                // In a short demonstration everybody pays; with time there is a mix.
                None if self.close_us.is_some() => Style::Ordinary,
                None => self.crowd.anybody(),
            };
            let visit = self.crowd.come(style, self.next_us);
            if self.close_us.is_some_and(|close_us| visit.left_us > close_us) {
                self.over = true;
                break;
            }
            self.came += 1;
            let pause_us = match self.close_us {
                Some(_) => 100_000,
                None => self.chance.between(EVERY_US.0, EVERY_US.1) as i64,
            };
            self.next_us = visit.tap_us + pause_us;
            visits.push(visit);
        }
        visits
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shop::Shop;

    #[test]
    fn a_minute_has_room_for_ten_who_pay_and_every_kind_of_visit() {
        let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/config/demo-shop");
        let world = Arc::new(World::new(Arc::new(Shop::read(dir).unwrap().0)).unwrap());
        for seed in 1..=20 {
            let mut cast = Cast::new(world.clone(), seed, 0, Some(Duration::from_secs(60)), None);
            let mut visits = Vec::new();
            for second in 0..60 {
                visits.extend(cast.until(second * 1_000_000 + AHEAD_US));
            }
            for style in OPENING {
                assert!(visits.iter().any(|visit| visit.style == style), "seed {seed}: nobody is {style:?}");
            }
            let pays = |visit: &&Visit| !matches!(visit.style, Style::Empty | Style::Declined | Style::Staff);
            let paying = visits.iter().filter(pays).count();
            let last_s = visits.iter().map(|visit| visit.left_us).max().unwrap() / 1_000_000;
            assert!(paying >= 10, "seed {seed}: {paying} of {} pay, the last leaves at {last_s} s", visits.len());
            assert!(last_s <= 52, "seed {seed}: the last leaves at {last_s} s");
            for visit in visits.iter().filter(pays) {
                let stay_s = (visit.left_us - visit.tap_us) as f64 * 1e-6;
                assert!((4.0..=30.0).contains(&stay_s), "seed {seed}: {:?} stays {stay_s} s", visit.style);
            }
        }
    }
}
