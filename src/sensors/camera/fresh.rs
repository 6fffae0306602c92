//! Whether a camera that sends pictures sees anything: new pictures, and light.
//!
//! No two pictures of a living sensor are the same, because of its noise. But an encoder may say "nothing has changed" for as
//! long as it likes, and then the decoded pictures of a still scene are the same byte for byte. It cannot say so with a whole
//! picture (a key frame), which it makes anew from what the sensor sees. So: no new picture for a while, *and* a whole one
//! among them, is a frozen sensor. A camera that repeats its last second over and over shows no new picture either: a picture
//! is new when it has not been seen for some seconds. A test picture without noise counts as frozen: nobody can tell.
//!
//! An encoder whose rate control does not rest makes other pictures of the same input: with x264 at 500 to 2000 kbit/s it was
//! noticed after 3.7 to 8.8 s, and not at all where the bits were never enough. A tolerance would not help: it takes a still
//! scene, whose noise such an encoder wipes away, for a frozen one.
//!
//! That the camera is frozen or dark is said and nothing else: its pictures are looked at all the same, and the first new
//! one ends it (`docs/decisions/0015`).

use super::Frame;
use crate::base::ShopTime;
use crate::base::time::MS_US;
use std::collections::VecDeque;

/// Pictures are remembered this long, us: longer than what a stuck camera plays in a loop.
const MEMORY_US: i64 = 10_000 * MS_US;

/// And so many at most: ten seconds at 30 a second.
const MEMORY: usize = 300;

/// Black for this long is dark, us: longer than a camera takes to switch to its night mode and its lamps on.
const DARK_US: i64 = 2_500 * MS_US;

/// Without a whole picture, this many times as long is frozen too: a camera that sends none for so long cannot be joined
/// after an interruption either.
const WITHOUT_WHOLE: i64 = 5;

/// What is wrong with pictures that come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    NothingNew,
    Dark,
}

#[derive(Debug)]
pub struct Fresh {
    same_us: i64,
    /// Fingerprints, oldest first, with when each was last seen.
    seen: VecDeque<(u64, ShopTime)>,
    /// The last new picture: when, and how many whole ones had come by then.
    new: Option<(ShopTime, u64)>,
    /// Black since.
    dark: Option<ShopTime>,
}

impl Fresh {
    /// `same_ms`: without a new picture for so long, the camera is frozen.
    pub fn new(same_ms: u64) -> Fresh {
        Fresh { same_us: same_ms as i64 * MS_US, seen: VecDeque::new(), new: None, dark: None }
    }

    /// `whole`: how many whole pictures the stream has had up to this one.
    pub fn look(&mut self, frame: &Frame, whole: u64) -> Option<Fault> {
        let now = frame.arrival;
        self.dark = if frame.is_dark() { self.dark.or(Some(now)) } else { None };
        let known = self.remember(frame.fingerprint(), now);
        let (new, whole_then) = match self.new {
            Some(new) if known => new,
            _ => *self.new.insert((now, whole)),
        };
        let same_us = now.since(new);
        let frozen = same_us > self.same_us && (whole > whole_then || same_us > WITHOUT_WHOLE * self.same_us);
        match self.dark {
            Some(since) if now.since(since) > DARK_US => Some(Fault::Dark),
            _ if frozen => Some(Fault::NothingNew),
            _ => None,
        }
    }

    /// Whether this picture was there within the memory. It is the newest now.
    fn remember(&mut self, print: u64, now: ShopTime) -> bool {
        while self.seen.front().is_some_and(|(_, at)| now.since(*at) > MEMORY_US) || self.seen.len() >= MEMORY {
            self.seen.pop_front();
        }
        let known = self.seen.iter().rposition(|(seen, _)| *seen == print);
        if let Some(at) = known {
            self.seen.remove(at);
        }
        self.seen.push_back((print, now));
        known.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A picture that differs from another's by `n`, at `level`.
    fn frame(n: usize, level: u8, ms: i64) -> Frame {
        let mut rgb = vec![level; 64 * 64 * 3];
        for bit in 0..16 {
            if n >> bit & 1 == 1 {
                // Every thirteenth pixel is looked at.
                rgb[bit * 13 * 3..][..3].fill(level.saturating_add(20));
            }
        }
        Frame::from_rgb((64, 64), &rgb, ShopTime(1_000_000_000 + ms * MS_US)).unwrap()
    }

    #[test]
    fn frozen_is_told_from_still() {
        // Ten pictures a second; `whole_every`: pictures from one whole one to the next.
        type Picture = fn(usize) -> (usize, u8);
        type Expected = Option<(Fault, std::ops::RangeInclusive<i64>)>;
        let table: [(&str, usize, Picture, Expected); 8] = [
            ("a living sensor", 10, |i| (i, 100), None),
            ("a still scene, new with every whole picture", 20, |i| (i / 20, 100), None),
            ("the same, four seconds between whole ones", 40, |i| (i / 40, 100), None),
            ("a frozen sensor", 10, |_| (1, 100), Some((Fault::NothingNew, 2_500..=2_700))),
            ("every picture whole (MJPEG)", 1, |_| (1, 100), Some((Fault::NothingNew, 2_500..=2_700))),
            ("its last second in a loop", 10, |i| (i % 10, 100), Some((Fault::NothingNew, 3_400..=3_700))),
            ("never a whole picture", 100_000, |_| (1, 100), Some((Fault::NothingNew, 12_500..=12_700))),
            ("a cover, with noise below it", 10, |i| (i, 0), Some((Fault::Dark, 2_500..=2_700))),
        ];
        for (story, whole_every, picture, expected) in table {
            let mut fresh = Fresh::new(2_500);
            let first = (0..200).find_map(|i| {
                let (n, level) = picture(i);
                let fault = fresh.look(&frame(n, level, i as i64 * 100), (i / whole_every) as u64 + 1)?;
                Some((fault, i as i64 * 100))
            });
            match (first, expected) {
                (None, None) => {}
                (Some((fault, ms)), Some((wanted, within))) if fault == wanted && within.contains(&ms) => {}
                other => panic!("{story}: {other:?}"),
            }
        }
    }

    #[test]
    fn the_first_new_picture_ends_it() {
        let mut fresh = Fresh::new(1_000);
        let looks: Vec<_> = (0..20).map(|i| fresh.look(&frame(1, 100, i * 100), i as u64)).collect();
        assert_eq!((looks[10], looks[11]), (None, Some(Fault::NothingNew)));
        assert_eq!(fresh.look(&frame(2, 100, 2_000), 20), None);
        assert!(fresh.seen.len() <= 2, "one picture is remembered once");
    }
}
