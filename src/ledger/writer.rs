//! The thread that owns the ledger: batches in, durable, then their effects and acknowledgements, in order.
//!
//!     floor --Batch--> [queue of 256] --> one transaction --> `then` effects --> acknowledgements
//!     sync  --Batch--/                                    \-> durable seq, sync woken
//!
//! Batches that wait while one is being written share the next transaction, so a busy minute costs a few disk flushes, not
//! hundreds; their effects still happen batch by batch in the order they came. When a commit fails nothing of it was
//! written, none of its effects happen, its acknowledgements are dropped (the broker sends again), and the thread ends:
//! the process follows it and the ordinary recovery begins. If it was a rule of the books that said no, the batches are
//! written one by one to find out whose it was, and that one is told ([`Batch::refused`]). `Sender::closed()` on the queue says so to anybody waiting.

use super::commit::Work;
use super::error::LedgerError;
use super::{Disk, Ledger, Mark};
use crate::base::Ack;
use crate::events::{Effect, Entry, Fact, Outgoing};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::{Notify, mpsc};

/// What becomes durable together. An empty one with an acknowledgement is a ping: the writer lives.
#[derive(Debug, Default)]
pub struct Batch {
    pub entries: Vec<Entry>,
    pub outbox: Vec<Outgoing>,
    /// Sync's notes on its rows.
    pub marks: Vec<Mark>,
    /// Happen once this is durable.
    pub then: Vec<Effect>,
    pub acks: Vec<Ack>,
    /// Told, before the thread ends, when this breaks a rule of the books; a disk that fails is nobody's fault.
    pub refused: Option<Ack>,
}

impl Batch {
    /// Answers once everything queued before it is durable.
    pub fn ping(ack: Ack) -> Batch {
        Batch { acks: vec![ack], ..Batch::default() }
    }
}

/// Batches that may share a transaction: bounds how long the first of them waits for its effects.
const GROUP: usize = 64;

/// On a full disk a commit is tried again after this.
const TRY_AGAIN: Duration = Duration::from_millis(500);
/// And the log says so this often.
const SAY_EVERY: Duration = Duration::from_secs(60);

/// Starts the writer on its own thread, named `ledger`. It ends with `Ok` when every sender of `batches` is gone, and with
/// the error otherwise. `durable` follows the last sequence number on disk; `wake_sync` is told when there may be
/// something new for upstream. A full disk ends nothing: see [`Disk`].
pub fn spawn_writer(
    ledger: Ledger,
    batches: mpsc::Receiver<Batch>,
    carry_out: impl FnMut(Effect) + Send + 'static,
    durable: Arc<AtomicU64>,
    wake_sync: Arc<Notify>,
    disk: Arc<Disk>,
) -> JoinHandle<Result<(), LedgerError>> {
    std::thread::Builder::new()
        .name("ledger".into())
        .spawn(move || write(ledger, batches, carry_out, &durable, &wake_sync, &disk))
        .expect("the system starts one more thread")
}

fn write(
    mut ledger: Ledger,
    mut batches: mpsc::Receiver<Batch>,
    mut carry_out: impl FnMut(Effect),
    durable: &AtomicU64,
    wake_sync: &Notify,
    disk: &Disk,
) -> Result<(), LedgerError> {
    durable.store(ledger.last_seq(), Ordering::Release);
    let mut group = Vec::with_capacity(GROUP);
    while let Some(first) = batches.blocking_recv() {
        group.push(first);
        while group.len() < GROUP
            && let Ok(next) = batches.try_recv()
        {
            group.push(next);
        }
        let mut settle = |group: &mut Vec<Batch>| -> Result<(), LedgerError> {
            let seq = commit(&mut ledger, &group.iter().map(work).collect::<Vec<_>>(), disk)?;
            durable.store(seq, Ordering::Release);
            if group.iter().any(concerns_upstream) {
                wake_sync.notify_one();
            }
            for batch in group.drain(..) {
                batch.then.into_iter().for_each(&mut carry_out);
                batch.acks.into_iter().for_each(Ack::done);
            }
            Ok(())
        };
        let settled = match settle(&mut group) {
            Err(error) if error.refused() => one_by_one(&mut group, settle),
            settled => settled,
        };
        settled.inspect_err(|error| tracing::error!(%error, "ledger stopped"))?;
    }
    Ok(())
}

/// A transaction was refused: what came before the fault becomes durable, whose fault it is is told, and no more is written.
fn one_by_one(
    group: &mut Vec<Batch>,
    mut settle: impl FnMut(&mut Vec<Batch>) -> Result<(), LedgerError>,
) -> Result<(), LedgerError> {
    for batch in group.drain(..) {
        let mut alone = vec![batch];
        if let Err(error) = settle(&mut alone) {
            if let Some(refused) = alone.pop().and_then(|batch| batch.refused).filter(|_| error.refused()) {
                refused.done();
            }
            return Err(error);
        }
    }
    Ok(())
}

fn work(batch: &Batch) -> Work<'_> {
    Work { entries: &batch.entries, outbox: &batch.outbox, marks: &batch.marks }
}

/// Commits; a full disk costs the ballast, and then time. Anything else is an error.
fn commit(ledger: &mut Ledger, work: &[Work], disk: &Disk) -> Result<u64, LedgerError> {
    let mut said: Option<Instant> = None;
    loop {
        match ledger.commit_all(work) {
            Err(error) if error.disk_full() => {
                if disk.release() {
                    tracing::error!(%error, "disk full: the ballast is thrown off, nobody new comes in");
                    continue;
                }
                disk.set_waiting(true);
                if said.is_none_or(|at| at.elapsed() >= SAY_EVERY) {
                    tracing::error!(%error, "disk full: waiting for room");
                    said = Some(Instant::now());
                }
                std::thread::sleep(TRY_AGAIN);
            }
            done => {
                disk.set_waiting(false);
                return done;
            }
        }
    }
}

fn concerns_upstream(batch: &Batch) -> bool {
    let answered = |e: &Entry| matches!(e.fact, Fact::ChargeAnswered { .. } | Fact::RefundAnswered { .. });
    !batch.outbox.is_empty() || batch.entries.iter().any(answered)
}
