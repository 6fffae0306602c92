//! The thread that owns the floor: queue A in, `apply`, queue B out; a snapshot for the page; the recording.

use super::taster::Taster;
use crate::base::{Counters, ShopTime};
use crate::events::{Effect, Entry, Observation, Stamped};
use crate::floor::{Floor, Snapshot};
use crate::ledger::{Batch, Disk};
use crate::sensors::Incoming;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use tokio::sync::{mpsc, watch};

/// Snapshots a second at most: the page shows five, health probes want a fresh one.
const SNAPSHOT_EVERY_US: i64 = 100_000;

pub struct FloorThread {
    pub floor: Floor,
    pub incoming: mpsc::Receiver<Incoming>,
    pub batches: mpsc::Sender<Batch>,
    /// Last entry on disk, as the ledger says.
    pub durable: Arc<AtomicU64>,
    pub snapshot: watch::Sender<Arc<Snapshot>>,
    /// Set before a last tick is sent: what is still queued is taken in, then the thread ends. (Waiting for every sender
    /// to be gone would wait for the ledger's thread, which waits for this one.)
    pub stop: Arc<AtomicBool>,
    /// Counts ticks that came through: the watchdog's proof of life.
    pub ticks: Arc<AtomicU64>,
    pub recording: Option<Recording>,
    pub taster: Taster,
    pub disk: Arc<Disk>,
    pub counters: Counters,
}

/// Where observations and the entries they caused are written down, for replay.
pub struct Recording {
    pub observe: Observe,
}

type Observe = Box<dyn FnMut(&Stamped, &[Entry]) -> std::io::Result<()> + Send>;

impl FloorThread {
    /// Runs until told to stop, or until the ledger is gone. `carry_out` does what need not wait for the
    /// ledger; it must not block.
    pub fn run(mut self, started: Stamped, mut carry_out: impl FnMut(Effect)) {
        let (mut durable_seq, mut pictured) = (0, ShopTime(0));
        if !self.take(Incoming { stamped: started, ack: None }, &mut carry_out) {
            return;
        }
        while let Some(incoming) = self.incoming.blocking_recv() {
            let arrival = incoming.stamped.arrival;
            let tick = incoming.stamped.observation == Observation::Tick;
            if tick {
                let seq = self.durable.load(Ordering::Acquire);
                if seq > durable_seq {
                    durable_seq = seq;
                    let stamped = Stamped { arrival, observation: Observation::Durable { seq } };
                    if !self.take(Incoming { stamped, ack: None }, &mut carry_out) {
                        return;
                    }
                }
            }
            if !self.take(incoming, &mut carry_out) {
                return;
            }
            if tick {
                self.ticks.fetch_add(1, Ordering::Release);
                if arrival.since(pictured) >= SNAPSHOT_EVERY_US {
                    pictured = arrival;
                    let mut snapshot = self.floor.snapshot();
                    self.taster.tell(&mut snapshot);
                    if let Some(why) = self.disk.warning() {
                        snapshot.complain(why);
                    }
                    self.snapshot.send_replace(Arc::new(snapshot));
                }
                if self.stop.load(Ordering::Acquire) {
                    while let Ok(incoming) = self.incoming.try_recv() {
                        if !self.take(incoming, &mut carry_out) {
                            return;
                        }
                    }
                    return;
                }
            }
        }
    }

    /// One observation through the floor; `false` when the ledger is gone.
    fn take(&mut self, incoming: Incoming, carry_out: &mut impl FnMut(Effect)) -> bool {
        let Incoming { stamped, ack } = incoming;
        let tasted = match self.taster.taste(&stamped) {
            Ok(None) => {
                self.counters.count("taster.set_aside");
                if let Some(ack) = ack {
                    ack.done(); // it must not come again
                }
                return true;
            }
            Ok(tasted) => tasted,
            // A file that cannot be written must not stop the shop.
            Err(error) => {
                self.counters.refuse("taster.failed", format!("writing down what is being taken in: {error}"));
                None
            }
        };
        let for_record = self.recording.is_some().then(|| stamped.clone());
        let effects = self.floor.apply(stamped);
        let writes = !(effects.entries.is_empty() && effects.outbox.is_empty());
        let refused = tasted.as_ref().filter(|_| writes).and_then(|tasted| self.taster.blame(tasted));
        if let Some(tasted) = tasted {
            let _ = self.taster.survived(tasted); // counted when the next one is tasted
        }
        if let (Some(recording), Some(stamped)) = (&mut self.recording, for_record)
            && let Err(error) = (recording.observe)(&stamped, &effects.entries)
        {
            // A recording is a convenience: the shop goes on without it.
            tracing::error!(%error, "recording stopped");
            self.counters.count("recording.failed");
            self.recording = None;
        }
        effects.now.into_iter().for_each(carry_out);
        if effects.entries.is_empty() && effects.outbox.is_empty() && effects.then.is_empty() {
            if let Some(ack) = ack {
                ack.done();
            }
            return true;
        }
        let (entries, outbox, then) = (effects.entries, effects.outbox, effects.then);
        let batch = Batch { entries, outbox, then, acks: ack.into_iter().collect(), refused, ..Batch::default() };
        // Full: the floor waits (integrity before availability); the counter is the alarm.
        if let Err(mpsc::error::TrySendError::Full(batch)) = self.batches.try_send(batch) {
            self.counters.count("ledger.queue_full");
            return self.batches.blocking_send(batch).is_ok();
        }
        !self.batches.is_closed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::floor::{Books, FloorOptions};
    use crate::shop::Shop;

    /// The ledger does not keep up: the floor waits, an alarm counts, and nothing is left out.
    #[test]
    fn a_full_queue_to_the_ledger_makes_the_floor_wait() {
        let dir = tempfile::tempdir().unwrap();
        let shop = Shop::read(concat!(env!("CARGO_MANIFEST_DIR"), "/config/demo-shop")).unwrap().0;
        let shop = Arc::new(shop);
        let counters = Counters::default();
        let (to_floor, incoming) = mpsc::channel(8);
        let (batches, mut to_ledger) = mpsc::channel(1);
        let books = Books::new(shop.clone());
        let floor = FloorThread {
            floor: Floor::new(shop, FloorOptions::default(), books, counters.clone()),
            incoming,
            batches,
            durable: Arc::default(),
            snapshot: watch::channel(Arc::default()).0,
            stop: Arc::default(),
            ticks: Arc::default(),
            recording: None,
            taster: Taster::open(dir.path()).unwrap(),
            disk: Arc::new(Disk::of(dir.path(), 0)),
            counters: counters.clone(),
        };
        // Every start is an entry of its own.
        let started = |t| Stamped { arrival: ShopTime(t), observation: Observation::Started { anchor_us: t } };
        let running = std::thread::spawn(move || floor.run(started(1), |_| {}));
        for t in [2, 3] {
            to_floor.blocking_send(Incoming { stamped: started(t), ack: None }).unwrap();
        }
        while counters.get("ledger.queue_full") == 0 {
            std::thread::yield_now();
        }
        drop(to_floor);
        let mut entries = Vec::new();
        while let Some(batch) = to_ledger.blocking_recv() {
            entries.extend(batch.entries);
        }
        running.join().unwrap();
        let times: Vec<i64> = entries.iter().map(|entry| entry.t.0).collect();
        assert_eq!(times, [1, 2, 3]);
    }
}
