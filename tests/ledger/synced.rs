//! Ledger, writer and sync as in the daemon, with a floor that does nothing but enter upstream's answers.

use crate::support::*;
use carryout::base::time::Clock;
use carryout::base::*;
use carryout::events::*;
use carryout::ledger::{Batch, Ledger, LedgerError, Reader, spawn_writer};
use carryout::sensors::Incoming;
use carryout::sync::{Client, SyncError, SyncOptions, SyncStatus, SyncTask};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::{Notify, mpsc, watch};

/// Long enough for a busy machine; nothing waits this long when it is well.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Timeouts and pauses of a shop in a hurry.
pub fn hurried(url: String) -> SyncOptions {
    SyncOptions {
        url: Some(url),
        timeout_ms: 300,
        authorise_timeout_ms: 2_000,
        backoff_first_ms: 2,
        backoff_max_ms: 20,
        decline_retries_s: vec![0, 0],
        ..SyncOptions::default()
    }
}

pub struct Shop {
    pub writer: mpsc::Sender<Batch>,
    pub writing: JoinHandle<Result<(), LedgerError>>,
    pub floor: tokio::task::JoinHandle<Vec<Observation>>,
    pub syncing: tokio::task::JoinHandle<Result<(), SyncError>>,
    pub status: watch::Receiver<SyncStatus>,
    pub shutdown: watch::Sender<bool>,
    pub clock: Clock,
    pub counters: Counters,
    /// Answers that are durable.
    pub entered: watch::Receiver<usize>,
    pub file: std::path::PathBuf,
}

#[derive(Clone, Copy, PartialEq)]
pub enum Floor {
    Enters,
    /// Dies with every answer it gets.
    Deaf,
}

impl Shop {
    pub fn open(state: &State, options: &SyncOptions) -> Shop {
        Shop::start(state, state.open(), options, Floor::Enters)
    }

    pub fn start(state: &State, ledger: Ledger, options: &SyncOptions, kind: Floor) -> Shop {
        let clock = Clock::anchored_after(ledger.last_time().unwrap_or_default());
        let (writer, batches) = mpsc::channel(limits::LEDGER_QUEUE);
        let (answers, mut heard) = mpsc::channel::<Incoming>(limits::FLOOR_QUEUE);
        let wake = Arc::new(Notify::new());
        let nothing = |_: Effect| {};
        let writing = spawn_writer(ledger, batches, nothing, Arc::new(AtomicU64::new(0)), wake.clone(), nowhere());
        let to_ledger = writer.clone();
        let enters = watch::Sender::new(0);
        let entered = enters.subscribe();
        let floor = tokio::spawn(async move {
            let mut said = Vec::new();
            let mut states = BTreeMap::new();
            while let Some(Incoming { stamped: Stamped { arrival: t, observation }, .. }) = heard.recv().await {
                let fact = match observation.clone() {
                    // What it knows already makes no entry.
                    Observation::Charged(ChargeAnswer { charge, state, .. })
                        if states.insert(charge, state) == Some(state) =>
                    {
                        continue;
                    }
                    Observation::Charged(ChargeAnswer { charge, state, reason }) => {
                        Fact::ChargeAnswered { charge_id: charge, state, reason }
                    }
                    Observation::Refunded { refund, done } => Fact::RefundAnswered { refund_id: refund, done },
                    other => panic!("sync does not say {other:?}"),
                };
                said.push(observation);
                if kind == Floor::Enters {
                    let entry = Entry { t, visit: None, fact, subject: None };
                    let counted = enters.clone();
                    let acks = vec![Ack::new(move || counted.send_modify(|n| *n += 1))];
                    if to_ledger.send(Batch { entries: vec![entry], acks, ..Batch::default() }).await.is_err() {
                        break;
                    }
                }
            }
            said
        });
        let (status_sender, status) = watch::channel(SyncStatus { queue_rows: u64::MAX, ..SyncStatus::default() });
        let (shutdown, shut_down) = watch::channel(false);
        let counters = Counters::default();
        let sync = SyncTask {
            client: Client::new(options, shop(), "EUR").unwrap(),
            options: options.clone(),
            ledger: state.file(),
            writer: writer.clone(),
            floor: answers,
            wake,
            clock,
            counters: counters.clone(),
            status: status_sender,
            shutdown: shut_down,
        };
        Shop {
            writer,
            writing,
            floor,
            syncing: tokio::spawn(sync.run()),
            status,
            shutdown,
            clock,
            counters,
            entered,
            file: state.file(),
        }
    }

    /// Entries and rows, as old as now.
    pub async fn enter(&self, (entries, outbox): (Vec<Entry>, Vec<Outgoing>)) {
        let now = self.clock.now();
        let entries = entries.into_iter().map(|entry| Entry { t: now, ..entry }).collect();
        let outbox = outbox
            .into_iter()
            .map(|outgoing| match outgoing {
                Outgoing::Event(event) => Outgoing::Event(CartEvent { t: now, ..event }),
                other => other,
            })
            .collect();
        let (written, durable) = tokio::sync::oneshot::channel();
        let ack = Ack::new(move || written.send(()).unwrap());
        self.writer.send(Batch { entries, outbox, acks: vec![ack], ..Batch::default() }).await.unwrap();
        durable.await.expect("the ledger takes it");
    }

    /// `who` comes in and leaves with receipt `number`.
    pub async fn sells(&self, who: &str, number: u64) {
        self.enter((without_hold(taps_in(0, who)), vec![])).await;
        let (mut entries, outbox) = leaves(0, who, number, 250);
        for entry in &mut entries {
            if let Fact::ChargeQueued { charge } = &mut entry.fact {
                charge.authorization_id = None;
            }
        }
        self.enter((entries, outbox)).await;
    }

    pub async fn status_is(&mut self, story: &str, wanted: impl Fn(&SyncStatus) -> bool) -> SyncStatus {
        let came = tokio::time::timeout(PATIENCE, self.status.wait_for(|status| wanted(status))).await;
        if let Ok(status) = came {
            return status.expect("sync runs").clone();
        }
        drop(came);
        let lives = (!self.syncing.is_finished(), !self.floor.is_finished(), !self.writing.is_finished());
        panic!("{story}: never came; last {:?}; sync, floor, ledger live: {lives:?}", *self.status.borrow())
    }

    /// Nothing is left in the outbox. The status may be a moment old, hence both.
    pub async fn all_said(&mut self, story: &str) {
        let reader = Reader::open(&self.file).unwrap();
        self.status_is(story, |status| status.queue_rows == 0 && reader.outbox().unwrap().rows == 0).await;
    }

    /// Ends in order; what the floor was told.
    pub async fn close(self) -> Vec<Observation> {
        let Shop { writer, writing, floor, syncing, shutdown, .. } = self;
        shutdown.send(true).unwrap();
        syncing.await.unwrap().unwrap();
        let said = floor.await.unwrap();
        drop(writer);
        tokio::task::spawn_blocking(|| writing.join().unwrap()).await.unwrap().unwrap();
        said
    }
}

pub fn without_hold(mut entries: Vec<Entry>) -> Vec<Entry> {
    for entry in &mut entries {
        if let Fact::PayerBound { hold, .. } = &mut entry.fact {
            *hold = None;
        }
    }
    entries
}
