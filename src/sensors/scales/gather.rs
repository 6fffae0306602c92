//! Single readings as they come in, to the batches a shelf would have sent.
//!
//! A plate that publishes plain numbers knows no time: a reading is stamped when it arrives, early or late by what the
//! network did to it, and each plate of a shelf comes for itself. The step detector wants equal steps of time with all
//! plates side by side. So time is cut into slots of one reading's length, and when a slot is over the shelf's batch of one
//! sample is made: for each plate the mean of what came in it; of what did not come in time the last reading, for two and a
//! half slots (one lost, or two that came close together); after that nothing, and a shelf of which nothing is heard is
//! silent.

use crate::base::{PlateNo, ShelfId, ShopTime, limits};
use crate::events::{PlateSamples, Weights};
use std::collections::BTreeMap;

pub struct Gather {
    shelf: ShelfId,
    /// New with every start of the daemon, as a device's would be.
    boot: String,
    seq: u64,
    slot_us: i64,
    /// The slot that readings fall into now; `None`: nothing has come for a while.
    open: Option<i64>,
    plates: BTreeMap<PlateNo, Plate>,
}

#[derive(Default)]
struct Plate {
    /// The last reading and when it came.
    grams: f64,
    came: ShopTime,
    /// Of the open slot.
    sum_g: f64,
    n: u32,
}

/// Half slots for which a last reading stands in for a missing one.
const STANDS_FOR: i64 = 5;

impl Gather {
    pub fn new(shelf: ShelfId, boot: &str, slot_us: i64) -> Gather {
        Gather { shelf, boot: boot.to_owned(), seq: 0, slot_us, open: None, plates: BTreeMap::new() }
    }

    /// Takes a reading in; the batch of the slots that are over by then, if there is one. The slowest scale of a shelf
    /// gives its rhythm.
    pub fn reading(&mut self, plate: PlateNo, grams: f64, came: ShopTime, slot_us: i64) -> Option<Weights> {
        let batch = self.close(came);
        if slot_us > self.slot_us {
            self.slot_us = slot_us;
            self.open = None;
        }
        self.open.get_or_insert(came.0.div_euclid(self.slot_us));
        let plate = self.plates.entry(plate).or_default();
        plate.sum_g += grams;
        plate.n += 1;
        (plate.grams, plate.came) = (grams, came);
        batch
    }

    /// Whether a plate was missing before this reading: its last one no longer stood for it.
    pub fn is_late(&self, plate: PlateNo, now: ShopTime) -> bool {
        self.plates.get(&plate).is_some_and(|plate| !plate.stands(now, self.slot_us))
    }

    /// When the open slot is over.
    pub fn due(&self) -> Option<ShopTime> {
        self.open.map(|slot| ShopTime((slot + 1) * self.slot_us))
    }

    /// The batch of the slots that are over, if there is one.
    pub fn close(&mut self, now: ShopTime) -> Option<Weights> {
        let first = self.open?;
        let mut rows: BTreeMap<PlateNo, Vec<Option<f32>>> =
            self.plates.keys().map(|plate| (*plate, Vec::new())).collect();
        let mut slot = first;
        let mut heard = true;
        while heard && (slot + 1) * self.slot_us <= now.0 && slot - first < limits::BATCH_SAMPLES as i64 {
            slot += 1;
            heard = false;
            for (plate, row) in self.plates.values_mut().zip(rows.values_mut()) {
                let sample = plate.sample(ShopTime(slot * self.slot_us), self.slot_us);
                heard |= sample.is_some();
                row.push(sample);
            }
        }
        self.open = heard.then_some(slot);
        rows.retain(|_, row| row.iter().any(Option::is_some));
        if rows.is_empty() {
            return None;
        }
        self.seq += 1;
        Some(Weights {
            shelf: self.shelf.clone(),
            boot: self.boot.clone(),
            seq: self.seq,
            t0_us: first * self.slot_us,
            dt_us: self.slot_us,
            plates: rows.into_iter().map(|(plate, grams)| PlateSamples { plate, grams }).collect(),
        })
    }
}

impl Plate {
    /// What the plate says of the slot that ends at `end`.
    fn sample(&mut self, end: ShopTime, slot_us: i64) -> Option<f32> {
        let (sum_g, n) = (std::mem::take(&mut self.sum_g), std::mem::take(&mut self.n));
        if n > 0 {
            return Some((sum_g / f64::from(n)) as f32);
        }
        self.stands(end, slot_us).then_some(self.grams as f32)
    }

    fn stands(&self, at: ShopTime, slot_us: i64) -> bool {
        2 * at.since(self.came) <= STANDS_FOR * slot_us
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SLOT_US: i64 = 100_000;

    fn gather() -> Gather {
        Gather::new(ShelfId::new("1-1"), "b", SLOT_US)
    }

    fn at(slots: f64) -> ShopTime {
        ShopTime(1_000 * SLOT_US + (slots * SLOT_US as f64) as i64)
    }

    fn rows(batch: &Weights) -> Vec<(PlateNo, Vec<Option<f32>>)> {
        batch.plates.iter().map(|row| (row.plate, row.grams.clone())).collect()
    }

    #[test]
    fn a_slot_holds_every_plate_and_stands_in_for_the_late() {
        let mut gather = gather();
        assert_eq!((gather.due(), gather.close(at(0.0))), (None, None));
        assert_eq!(gather.reading(2, 20.0, at(0.2), SLOT_US), None);
        assert_eq!(gather.reading(1, 10.0, at(0.4), SLOT_US), None);
        assert_eq!(gather.reading(1, 12.0, at(0.6), SLOT_US), None, "the mean of two");
        assert_eq!(gather.due(), Some(at(1.0)));
        assert_eq!(gather.close(at(0.99)), None);
        let batch = gather.close(at(1.0)).unwrap();
        assert_eq!((batch.t0_us, batch.dt_us, batch.seq), (at(0.0).0, SLOT_US, 1));
        assert_eq!(rows(&batch), [(1, vec![Some(11.0)]), (2, vec![Some(20.0)])]);

        assert!(!gather.is_late(2, at(2.7)) && gather.is_late(2, at(2.8)));
        // Plate 1 comes again, plate 2 does not: its last reading stands for two and a half slots.
        let batch = gather.reading(1, 13.0, at(2.1), SLOT_US).unwrap();
        assert_eq!((rows(&batch), batch.seq), (vec![(1, vec![Some(12.0)]), (2, vec![Some(20.0)])], 2));
        let batch = gather.close(at(3.0)).unwrap();
        assert_eq!(rows(&batch), [(1, vec![Some(13.0)])], "2.8 slots are too long");
    }

    #[test]
    fn silence_ends_the_batches_and_the_next_reading_begins_anew() {
        let mut gather = gather();
        gather.reading(1, 10.0, at(0.9), SLOT_US);
        let batch = gather.close(at(50.0)).unwrap();
        assert_eq!(rows(&batch), [(1, vec![Some(10.0), Some(10.0), Some(10.0), None])]);
        assert_eq!(gather.due(), None);
        assert_eq!(gather.reading(1, 11.0, at(60.5), SLOT_US), None);
        assert_eq!(gather.close(at(61.0)).unwrap().t0_us, at(60.0).0);
    }

    #[test]
    fn the_slowest_plate_gives_the_rhythm() {
        let mut gather = gather();
        gather.reading(1, 10.0, at(0.5), SLOT_US);
        gather.reading(2, 20.0, at(0.6), 5 * SLOT_US);
        gather.reading(1, 10.0, at(1.5), SLOT_US);
        let batch = gather.close(at(5.0)).unwrap();
        assert_eq!(batch.dt_us, 5 * SLOT_US);
        assert_eq!(rows(&batch), [(1, vec![Some(10.0)]), (2, vec![Some(20.0)])]);
    }
}
