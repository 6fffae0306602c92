//! `ShopTime`: microseconds on the monotonic boot clock, anchored to UTC when the daemon started.
//!
//! Its figures read as Unix microseconds, so a label is the number itself; but a step of the wall clock moves no
//! `ShopTime`. The core never reads a clock: times come in with observations. The one reader is [`Clock`].

use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::{Add, Sub};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ShopTime(pub i64);

/// Microseconds in a second.
pub const SECOND_US: i64 = 1_000_000;
/// Microseconds in a millisecond.
pub const MS_US: i64 = 1_000;

impl ShopTime {
    pub fn plus_ms(self, ms: i64) -> ShopTime {
        ShopTime(self.0 + ms * MS_US)
    }

    /// Microseconds since `earlier`; negative if `earlier` is later.
    pub fn since(self, earlier: ShopTime) -> i64 {
        self.0 - earlier.0
    }

    /// Seconds since `earlier`.
    pub fn secs_since(self, earlier: ShopTime) -> f64 {
        (self.0 - earlier.0) as f64 / SECOND_US as f64
    }
}

impl Add<Duration> for ShopTime {
    type Output = ShopTime;
    fn add(self, by: Duration) -> ShopTime {
        ShopTime(self.0 + by.as_micros() as i64)
    }
}

impl Sub<Duration> for ShopTime {
    type Output = ShopTime;
    fn sub(self, by: Duration) -> ShopTime {
        ShopTime(self.0 - by.as_micros() as i64)
    }
}

impl fmt::Display for ShopTime {
    /// UTC, to the millisecond.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_microsecond(self.0) {
            Ok(t) => write!(f, "{t:.3}"),
            Err(_) => write!(f, "{} us", self.0),
        }
    }
}

/// The one place that reads the machine's clocks: anchored once, monotonic from then on.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    anchor_us: i64,
    started: Instant,
}

impl Clock {
    /// Anchors to the wall clock now, but never before `not_before` (the last time the ledger knows), so that time
    /// does not run backwards over a restart with a wrong wall clock.
    pub fn anchored_after(not_before: ShopTime) -> Clock {
        let utc_us = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_micros() as i64);
        Clock { anchor_us: utc_us.max(not_before.0 + 1), started: Instant::now() }
    }

    pub fn now(&self) -> ShopTime {
        ShopTime(self.anchor_us + self.started.elapsed().as_micros() as i64)
    }

    pub fn anchor(&self) -> ShopTime {
        ShopTime(self.anchor_us)
    }
}
