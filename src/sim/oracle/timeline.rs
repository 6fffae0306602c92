//! When a device's messages were made: by their numbers, not by its clock.

/// Messages made evenly, one of which had the fastest way here. Of a device that never starts anew, as the simulator's.
pub struct Timeline {
    first: u64,
    first_us: i64,
    each_us: i64,
}

impl Timeline {
    /// Out of numbers and arrivals; `each_us` from one message to the next.
    pub fn of(messages: impl Iterator<Item = (u64, i64)>, each_us: i64) -> Option<Timeline> {
        let mut line: Option<Timeline> = None;
        for (seq, arrived_us) in messages {
            let line = line.get_or_insert(Timeline { first: seq, first_us: arrived_us, each_us });
            line.first_us = line.first_us.min(arrived_us - (seq as i64 - line.first as i64) * each_us);
        }
        line
    }

    /// When the message of this number would have arrived, were it as fast as the fastest.
    pub fn at(&self, seq: u64) -> i64 {
        self.first_us + (seq as i64 - self.first as i64) * self.each_us
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn late_and_lost_messages_do_not_move_the_time() {
        // Made every 100 ms from 1 s on; 20 ms on their way, but the third late by 2 s and the fourth lost.
        let arrived = [(7, 1_030_000), (8, 1_120_000), (9, 3_220_000), (11, 1_425_000)];
        let line = Timeline::of(arrived.into_iter(), 100_000).expect("messages");
        assert_eq!([line.at(7), line.at(9), line.at(10)], [1_020_000, 1_220_000, 1_320_000]);
        assert!(Timeline::of(std::iter::empty(), 100_000).is_none());
    }
}
