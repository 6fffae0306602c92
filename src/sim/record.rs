//! A played shop as a file: `observations.cbor`, one `events::Stamped` after the other, and `truth.jsonl`.
//!
//! The recording holds what devices say, the start and the ticks. Answers (weighed, authorised, durable) are not in it:
//! they are the business of whoever plays it.

use super::chance::Chance;
use super::playback::Playback;
use super::truth::TruthLine;
use crate::base::{ShopTime, limits};
use crate::events::{Observation, Stamped};
use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;

/// File names within a recording.
pub const OBSERVATIONS: &str = "observations.cbor";
pub const TRUTH: &str = "truth.jsonl";
pub const RECEIPTS: &str = "receipts.jsonl";
pub const CEILING: &str = "ceiling.jsonl";
pub const GALLERY: &str = "gallery.json";

/// Messages with their arrival: sent, plus a few milliseconds of network. Oldest arrival first.
pub struct Arrivals<'a> {
    playback: &'a mut Playback,
    until_us: i64,
    network: Chance,
    next_tick_us: i64,
    /// Arrived out of the order they were sent in.
    waiting: BTreeMap<(i64, u64), Observation>,
    n: u64,
}

/// No message is on its way for longer, us.
const SLOWEST_US: i64 = 12_000;

impl<'a> Arrivals<'a> {
    pub fn new(playback: &'a mut Playback, seed: u64, until_us: i64) -> Arrivals<'a> {
        let start_us = playback.now_us();
        let tick_us = limits::TICK.as_micros() as i64;
        let started = Observation::Started { anchor_us: start_us };
        Arrivals {
            playback,
            until_us,
            network: Chance::new(seed, "network"),
            next_tick_us: start_us + tick_us,
            waiting: BTreeMap::from([((start_us, 0), started)]),
            n: 1,
        }
    }
}

impl Iterator for Arrivals<'_> {
    type Item = Stamped;

    fn next(&mut self) -> Option<Stamped> {
        // What is on its way must have had the time to be overtaken.
        while self.playback.now_us() < self.until_us
            && self.waiting.first_key_value().is_none_or(|((t, _), _)| t + SLOWEST_US > self.playback.now_us())
        {
            for message in self.playback.step() {
                let arrival_us = message.t_us + self.network.between(1_000.0, SLOWEST_US as f64) as i64;
                self.waiting.insert((arrival_us, self.n), message.what);
                self.n += 1;
            }
            while self.next_tick_us <= self.playback.now_us() {
                self.waiting.insert((self.next_tick_us, self.n), Observation::Tick);
                self.n += 1;
                self.next_tick_us += limits::TICK.as_micros() as i64;
            }
        }
        let ((t_us, _), observation) = self.waiting.pop_first()?;
        Some(Stamped { arrival: ShopTime(t_us), observation })
    }
}

/// Plays to `until_us` and writes both files into `dir`, which is made if need be.
pub fn record(playback: &mut Playback, seed: u64, until_us: i64, dir: &Path) -> io::Result<()> {
    observations(Arrivals::new(playback, seed, until_us), dir)?;
    playback.finish();
    truth(&playback.truth(), dir)
}

/// What devices said, into `dir`, which is made if need be.
pub fn observations(arrivals: impl Iterator<Item = impl Borrow<Stamped>>, dir: &Path) -> io::Result<()> {
    std::fs::create_dir_all(dir)?;
    let mut file = io::BufWriter::new(std::fs::File::create(dir.join(OBSERVATIONS))?);
    for stamped in arrivals {
        ciborium::into_writer(stamped.borrow(), &mut file).map_err(io::Error::other)?;
    }
    file.flush()
}

/// What happened, into `dir`.
pub fn truth(lines: &[TruthLine], dir: &Path) -> io::Result<()> {
    write_lines(&dir.join(TRUTH), lines)
}

/// One JSON object a line.
pub fn write_lines<T: serde::Serialize>(path: &Path, items: &[T]) -> io::Result<()> {
    let mut file = io::BufWriter::new(std::fs::File::create(path)?);
    for item in items {
        writeln!(file, "{}", serde_json::to_string(item)?)?;
    }
    file.flush()
}
