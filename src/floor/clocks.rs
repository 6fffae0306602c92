//! Device clocks to shop time. Each device runs on its own line; we learn how far off it is.
//!
//! Event time = min(arrival, device time + learned offset). The offset is the smallest arrival delay seen (the fastest
//! way here), rising slowly so that a drifting clock is followed.

use crate::base::ShopTime;
use crate::base::limits::FUTURE_US;
use serde::{Deserialize, Serialize};

/// Whose word counts for when something happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeviceClocks {
    /// Each device's offset is learned from when its messages arrive.
    #[default]
    Learned,
    /// Times are taken as sent, and the shop's time is the senders': for playback faster than real time. When they lie in
    /// the past, all are moved by the same amount.
    Sender,
}

impl std::str::FromStr for DeviceClocks {
    type Err = String;

    fn from_str(text: &str) -> Result<DeviceClocks, String> {
        match text {
            "learned" => Ok(DeviceClocks::Learned),
            "sender" => Ok(DeviceClocks::Sender),
            _ => Err(format!("\"{text}\" is nobody's clock; known: learned, sender")),
        }
    }
}

/// Shop time when the senders' clocks count: it follows their messages, and runs on by itself while they are silent.
#[derive(Clone, Copy, Debug)]
pub struct SenderTime {
    moved_us: i64,
    /// The latest sender time (moved), and when that message arrived.
    latest: (ShopTime, ShopTime),
}

impl SenderTime {
    pub fn from_first(device_us: i64, arrival: ShopTime) -> SenderTime {
        let moved_us = (arrival.0 - device_us).max(0);
        SenderTime { moved_us, latest: (ShopTime(device_us + moved_us), arrival) }
    }

    pub fn event_time(&self, device_us: i64) -> ShopTime {
        ShopTime(device_us + self.moved_us)
    }

    /// Now, given what has just arrived: a stamped message, or something without a sender's time.
    pub fn now(&mut self, device_us: Option<i64>, arrival: ShopTime) -> ShopTime {
        match device_us.map(|device_us| self.event_time(device_us)) {
            Some(t) if t > self.latest.0 => {
                self.latest = (t, arrival);
                t
            }
            _ => ShopTime(self.latest.0.0 + arrival.since(self.latest.1).max(0)),
        }
    }
}

/// Further off its own line than this, a device may have been set anew, us.
const JUMP_US: i64 = 2_000_000;
/// It has been, if it stays on the new line for this long by both clocks, us.
const SETTLED_US: i64 = 2_000_000;
/// Clocks that run slow are followed at 200 ppm, four times a poor quartz.
const DRIFT: f64 = 200e-6;

#[derive(Clone, Debug, Default)]
pub struct DeviceClock {
    line: Option<Line>,
    candidate: Option<(Line, i64)>,
    /// The line is from before a restart, and nothing has been heard since.
    remembered: bool,
    /// How often the device started a new line.
    pub jumps: u64,
}

#[derive(Clone, Copy, Debug)]
struct Line {
    /// arrival - device time, us.
    offset: i64,
    arrival: ShopTime,
}

/// The device claims a time that has not come yet: more than 5 s ahead of its line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FutureDated;

impl DeviceClock {
    /// A clock as it was known before a restart. Without it the first message after a start is taken for new, however
    /// long it has waited: a gate would open for somebody who has left.
    pub fn remembered(noted: ShopTime, offset_us: i64) -> DeviceClock {
        let line = Some(Line { offset: offset_us, arrival: noted });
        DeviceClock { line, remembered: true, ..DeviceClock::default() }
    }

    /// arrival - device time, us, of the fastest way here; `None` before the first message.
    pub fn offset_us(&self) -> Option<i64> {
        self.line.map(|line| line.offset)
    }

    /// When the thing stamped `device_us` happened. Messages may be late by any amount.
    pub fn event_time(&mut self, device_us: i64, arrival: ShopTime) -> Result<ShopTime, FutureDated> {
        let delay = arrival.0 - device_us;
        let Some(line) = &mut self.line else {
            self.line = Some(Line { offset: delay, arrival });
            return Ok(arrival);
        };
        let off = delay - line.offset;
        if std::mem::take(&mut self.remembered) && off < -JUMP_US {
            // Nothing arrives before it is sent: one of the two clocks was set while we were down.
            *line = Line { offset: delay, arrival };
            self.jumps += 1;
            return Ok(arrival);
        }
        if off.abs() <= JUMP_US {
            self.candidate = None;
            let allowed = (DRIFT * arrival.since(line.arrival).max(0) as f64) as i64;
            line.offset = if off < 0 { delay } else { line.offset + off.min(allowed) };
            line.arrival = arrival;
        } else {
            // Off the line: late, dated ahead, or set anew. Set anew if it keeps this distance while time passes.
            match &mut self.candidate {
                Some((new, since_us)) if (delay - new.offset).abs() <= JUMP_US / 10 => {
                    new.offset = new.offset.min(delay);
                    let by_arrival = arrival.since(new.arrival);
                    let by_device = device_us - *since_us;
                    if by_arrival >= SETTLED_US && by_device >= SETTLED_US {
                        self.line = Some(Line { offset: new.offset, arrival });
                        self.candidate = None;
                        self.jumps += 1;
                    }
                }
                _ => self.candidate = Some((Line { offset: delay, arrival }, device_us)),
            }
            if off < -FUTURE_US && self.candidate.is_some() {
                return Err(FutureDated);
            }
        }
        let offset = self.line.expect("set above").offset;
        Ok(arrival.min(ShopTime(device_us + offset)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_remembered_clock_tells_old_messages_from_new_ones() {
        for (story, device_s, arrival_s, wanted_s) in [
            ("sent just now", 50.0, 150.0, 150.0),
            ("sent a minute ago, while we were down", 50.0, 210.0, 150.0),
            ("set ahead meanwhile: a new line", 3650.0, 150.0, 150.0),
        ] {
            let us = |s: f64| (s * 1e6) as i64;
            let mut clock = DeviceClock::remembered(ShopTime(us(100.0)), us(100.0));
            let got = clock.event_time(us(device_s), ShopTime(us(arrival_s))).expect("nothing is dated ahead");
            assert!((got.0 - us(wanted_s)).abs() < 100_000, "{story}: {got:?}");
        }
    }

    /// Messages as (device s, arrival s) after a first one at (0, 100); the event time wanted for the last, in s.
    fn check(story: &str, messages: &[(f64, f64)], wanted: Result<f64, FutureDated>) {
        let mut clock = DeviceClock::default();
        let us = |s: f64| (s * 1e6) as i64;
        assert_eq!(clock.event_time(0, ShopTime(us(100.0))), Ok(ShopTime(us(100.0))));
        let got = messages.iter().map(|(device, at)| clock.event_time(us(*device), ShopTime(us(*at)))).last().unwrap();
        match (got, wanted) {
            (Ok(got), Ok(wanted)) => {
                assert!((got.0 as f64 / 1e6 - wanted).abs() < 0.01, "{story}: {got:?}, not {wanted}")
            }
            (got, wanted) => assert_eq!(got.map(|t| t.0 as f64), wanted, "{story}"),
        }
    }

    #[test]
    fn event_times_follow_the_device_unless_it_lies() {
        check("on time", &[(1.0, 101.0)], Ok(101.0));
        check("30 s late", &[(1.0, 131.0)], Ok(101.0));
        check("a little ahead", &[(3.0, 101.0)], Ok(101.0));
        check("an hour ahead, once", &[(3601.0, 101.0)], Err(FutureDated));
        let ahead: Vec<(f64, f64)> = (1..30).map(|i| (3600.0 + i as f64 / 5.0, 100.0 + i as f64 / 5.0)).collect();
        check("an hour ahead for good: a new line", &ahead, Ok(100.0 + 29.0 / 5.0));
        let back: Vec<(f64, f64)> = (1..30).map(|i| (-50.0 + i as f64 / 5.0, 100.0 + i as f64 / 5.0)).collect();
        check("50 s back for good: a new line", &back, Ok(100.0 + 29.0 / 5.0));
        let burst: Vec<(f64, f64)> = (1..30).map(|i| (i as f64 / 5.0, 130.0 + i as f64 / 1000.0)).collect();
        check("a late burst is late, not a new line", &burst, Ok(100.0 + 29.0 / 5.0));
    }
}
