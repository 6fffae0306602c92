//! What goes out when: the head of each visit's queue, events in batches, nobody while upstream is in trouble.
//!
//! A row's life: due -> noted as sent (durable) -> sent -> answer -> observation -> the floor's entry takes the row away.
//! Between the last two the row is *awaited*: it is left alone until the books say something new of it. While upstream
//! is in trouble one call at a time finds out whether it is back, after pauses with full jitter, so that a hundred shops
//! do not come back in step.

use super::answer::Verdict;
use super::call::{Call, carry};
use super::client::Client;
use super::{SyncError, SyncOptions, SyncStatus, body};
use crate::base::time::Clock;
use crate::base::{Ack, ChargeId, Counters, RefundId, ShopTime};
use crate::carts::ChargeState;
use crate::events::{CartEvent, ChargeAnswer, Observation, Stamped, cloud_event};
use crate::ledger::{Batch, Due, LedgerError, Mark, Reader, RowState};
use crate::sensors::Incoming;
use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{Notify, mpsc, oneshot, watch};

/// Everything sync is wired to.
pub struct SyncTask {
    pub options: SyncOptions,
    /// `None`: no upstream is configured; only the queue is counted.
    pub client: Option<Client>,
    /// The ledger file, for reading.
    pub ledger: PathBuf,
    /// The ledger's writer, for notes on rows.
    pub writer: mpsc::Sender<Batch>,
    /// Answers go here.
    pub floor: mpsc::Sender<Incoming>,
    /// The writer's word that there may be something new.
    pub wake: Arc<Notify>,
    pub clock: Clock,
    pub counters: Counters,
    pub status: watch::Sender<SyncStatus>,
    /// `true` ends it.
    pub shutdown: watch::Receiver<bool>,
}

/// Looks at the outbox at least this often, whatever it was told.
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// An answer that the books have not taken up by then is asked for again.
const AWAITED: Duration = Duration::from_secs(60);

/// Rows read at a time, beyond those that cannot go now.
const LOOK_ROWS: usize = 64;

impl SyncTask {
    /// Runs until shutdown. An error says what ended it; the caller starts it again.
    pub async fn run(mut self) -> Result<(), SyncError> {
        let reader = Reader::open(&self.ledger)?;
        let mut shutdown = self.shutdown.clone();
        let Some(client) = self.client.take() else {
            tracing::info!("no upstream.url is configured: charges wait in the outbox");
            loop {
                publish(&self.status, &reader, None, None)?;
                tokio::select! {
                    _ = shutdown.wait_for(|over| *over) => return Ok(()),
                    () = self.wake.notified() => {}
                    () = tokio::time::sleep(LOOK_EVERY) => {}
                }
            }
        };
        let events_limit = self.options.events_per_batch.max(1);
        let mut worker = Worker {
            sync: self,
            client,
            reader,
            in_flight: BTreeSet::new(),
            awaited: BTreeMap::new(),
            failures: 0,
            not_before: ShopTime(0),
            events_limit,
            reachable: None,
            last_error: None,
        };
        tokio::select! {
            // What is in flight is dropped; its rows say `sent` and are asked for at the next start.
            _ = shutdown.wait_for(|over| *over) => Ok(()),
            ended = worker.work() => ended,
        }
    }
}

struct Worker {
    sync: SyncTask,
    client: Client,
    reader: Reader,
    /// Calls under way, each by its first row.
    in_flight: BTreeSet<i64>,
    /// Reported rows: how often they had been declined, and since when we wait.
    awaited: BTreeMap<i64, (u32, Instant)>,
    /// In a row, of upstream as a whole.
    failures: u32,
    not_before: ShopTime,
    /// Events in the next batch: one after a refusal, to find out which it was.
    events_limit: usize,
    reachable: Option<bool>,
    last_error: Option<String>,
}

/// A call that has ended.
struct Ended {
    rows: Vec<Due>,
    call: Call,
    verdict: Verdict,
}

type Calls = FuturesUnordered<BoxFuture<'static, Ended>>;

impl Worker {
    async fn work(&mut self) -> Result<(), SyncError> {
        let mut calls = Calls::new();
        loop {
            // One look at the clock for both: what comes due between two looks would be missed by both.
            let now = self.sync.clock.now();
            self.start_due(&mut calls, now).await?;
            publish(&self.sync.status, &self.reader, self.reachable, self.last_error.clone())?;
            let pause = self.pause(now)?;
            tokio::select! {
                Some(ended) = calls.next(), if !calls.is_empty() => {
                    self.in_flight.remove(&ended.rows[0].row);
                    self.settle(ended).await?;
                }
                () = self.sync.wake.notified() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// How long there is nothing to do.
    fn pause(&self, now: ShopTime) -> Result<Duration, SyncError> {
        let next = if now < self.not_before { Some(self.not_before) } else { self.reader.next_due(now)? };
        let wait = next.map_or(LOOK_EVERY, |at| Duration::from_micros(at.since(now).max(0) as u64));
        // A timer may fire a moment early; a millisecond more spares a turn of the loop.
        Ok(wait.min(LOOK_EVERY) + Duration::from_millis(1))
    }

    async fn start_due(&mut self, calls: &mut Calls, now: ShopTime) -> Result<(), SyncError> {
        if now < self.not_before {
            return Ok(());
        }
        let room = if self.failures > 0 { 1 } else { self.sync.options.parallel.max(1) };
        let look = LOOK_ROWS + self.in_flight.len() + self.awaited.len();
        for due in self.reader.due(now, look)? {
            if self.in_flight.len() >= room {
                break;
            }
            if self.in_flight.contains(&due.row) || self.is_awaited(&due) {
                continue;
            }
            if due.state == RowState::Declined && !self.may_try_again(&due, now).await? {
                continue;
            }
            let call = match self.call_of(&due, now) {
                Ok(call) => call,
                Err(error) => {
                    // The books hold it but it cannot be sent: a person must look, and the others go on.
                    tracing::error!(what = due.what, reference = due.reference, %error, "cannot be sent");
                    self.put_off(&due, due.state, self.in_an_hour_or_so(), Some(error.to_string())).await?;
                    continue;
                }
            };
            self.start(calls, vec![due], call).await?;
        }
        self.start_events(calls, now).await
    }

    /// One batch at a time, beside the rest; while upstream is in trouble only if nobody else finds out about it.
    async fn start_events(&mut self, calls: &mut Calls, now: ShopTime) -> Result<(), SyncError> {
        let rows = self.reader.due_events(now, self.events_limit)?;
        let under_way = rows.iter().any(|due| self.in_flight.contains(&due.row));
        if rows.is_empty() || under_way || (self.failures > 0 && !self.in_flight.is_empty()) {
            return Ok(());
        }
        let events = rows.iter().map(|due| {
            let event: CartEvent = serde_json::from_str(due.body.as_deref().unwrap_or("null")).map_err(|e| {
                LedgerError::Refused(format!("event {} in the outbox does not read: {e}", due.reference))
            })?;
            Ok(cloud_event(&self.client.shop, &event))
        });
        let batch = Value::Array(events.collect::<Result<_, LedgerError>>()?);
        self.start(calls, rows, Call::Events { batch }).await
    }

    /// Durably on its way, then on its way.
    async fn start(&mut self, calls: &mut Calls, rows: Vec<Due>, call: Call) -> Result<(), SyncError> {
        self.mark(vec![Mark::Sending { row: rows[0].row }]).await?;
        self.in_flight.insert(rows[0].row);
        let client = self.client.clone();
        calls.push(Box::pin(async move {
            let verdict = carry(&client, &call).await;
            Ended { rows, call, verdict }
        }));
        Ok(())
    }

    fn call_of(&self, due: &Due, now: ShopTime) -> Result<Call, LedgerError> {
        let unreadable = || LedgerError::Refused(format!("{} {} is not in the books", due.what, due.reference));
        let id = || due.reference.parse().map_err(|_| unreadable());
        match due.what.as_str() {
            "charge" => {
                let id = ChargeId(id()?);
                let (charge, credential) = self.reader.charge(id)?.ok_or_else(unreadable)?;
                let old = now.since(due.first_queued) >= self.sync.options.ask_after_h as i64 * 3_600_000_000;
                let ask_as = (due.state != RowState::Waiting || old).then_some(due.state);
                Ok(Call::Charge { id, body: body::charge(&self.client.shop, &charge, credential.as_ref()), ask_as })
            }
            "refund" => {
                let id = RefundId(id()?);
                let refund = self.reader.refund(id)?.ok_or_else(unreadable)?;
                Ok(Call::Refund { id, body: body::refund(&refund) })
            }
            "release" => Ok(Call::Release { authorization_or_tap: due.reference.clone() }),
            _ => Err(unreadable()),
        }
    }

    /// A declined charge keeps its retry schedule; after the last decline it is written off.
    async fn may_try_again(&mut self, due: &Due, now: ShopTime) -> Result<bool, SyncError> {
        let declined = due.declined.unwrap_or(due.first_queued);
        let retries = &self.sync.options.decline_retries_s;
        let Some(after_s) = retries.get(due.declines.saturating_sub(1) as usize) else {
            let times = due.declines;
            self.report_charge(due, ChargeState::WrittenOff, Some(format!("declined {times} times"))).await?;
            return Ok(false);
        };
        let at = declined + Duration::from_secs(*after_s);
        if now < at {
            self.put_off(due, RowState::Declined, at, None).await?;
            return Ok(false);
        }
        // The books say that it is tried again, so that a second decline is news and not the same answer twice.
        self.tell(due, ChargeState::Queued, Some(format!("try {}", due.declines + 1))).await?;
        Ok(true)
    }

    async fn settle(&mut self, Ended { rows, call, verdict }: Ended) -> Result<(), SyncError> {
        let due = &rows[0];
        self.note(&verdict);
        match (verdict, &call) {
            (Verdict::Captured, _) => self.report_charge(due, ChargeState::Captured, None).await,
            // We died on the way to another try: that decline is in the books already, and the try is still to come.
            (Verdict::Declined(_), Call::Charge { .. })
                if due.state != RowState::Declined && due.charge_state.as_deref() == Some("declined") =>
            {
                self.put_off(due, RowState::Declined, self.sync.clock.now(), None).await
            }
            (Verdict::Declined(reason), Call::Charge { .. }) => {
                self.report_charge(due, ChargeState::Declined, Some(reason)).await
            }
            (Verdict::Done, Call::Refund { id, .. }) => self.report_refund(due, *id, true).await,
            (Verdict::Refused { status, why }, Call::Refund { id, .. }) if !matches!(status, 401 | 403 | 409) => {
                tracing::error!(refund = %id, status, why, "upstream refused a refund");
                self.report_refund(due, *id, false).await
            }
            (Verdict::Done, _) => {
                if matches!(call, Call::Events { .. }) {
                    self.events_limit = (self.events_limit * 2).min(self.sync.options.events_per_batch.max(1));
                }
                self.mark(rows.iter().map(|due| Mark::Delivered { row: due.row }).collect()).await
            }
            // Nothing happened to the row; the pause is upstream's.
            (Verdict::NotSent(why), _) => self.put_off(due, kept(due.state), self.sync.clock.now(), Some(why)).await,
            (Verdict::Unknown(why), Call::Charge { .. }) => {
                self.put_off(due, RowState::Unknown, self.after_tries(due.attempts), Some(why.clone())).await?;
                if due.charge_state.as_deref() != Some("unknown") {
                    self.tell(due, ChargeState::Unknown, Some(why)).await?;
                }
                Ok(())
            }
            (Verdict::Unknown(why) | Verdict::Declined(why), _) => {
                let state = if matches!(call, Call::Refund { .. }) { RowState::Unknown } else { due.state };
                self.put_off(due, state, self.after_tries(due.attempts), Some(why)).await
            }
            (Verdict::Refused { status: status @ (400 | 413 | 422), why }, Call::Events { .. }) => {
                self.refused_events(&rows, status, why).await
            }
            (Verdict::Refused { status, why }, _) => {
                tracing::error!(what = due.what, reference = due.reference, status, why, "upstream refused");
                self.sync.counters.count(&format!("sync.refused.{}", due.what));
                let (state, at) = match status {
                    // The token: everybody waits for it, and nothing has happened to the row.
                    401 | 403 => (kept(due.state), self.sync.clock.now()),
                    409 => (RowState::Unknown, self.in_an_hour_or_so()),
                    _ => (kept(due.state), self.in_an_hour_or_so()),
                };
                self.put_off(due, state, at, Some(format!("{status}: {why}"))).await
            }
        }
    }

    /// Events are news, not money: one that upstream will never take does not hold up the rest.
    async fn refused_events(&mut self, rows: &[Due], status: u16, why: String) -> Result<(), SyncError> {
        if let [due] = rows {
            self.sync
                .counters
                .refuse("sync.event_refused", format!("event {} answered {status}: {why}", due.reference));
            return self.mark(vec![Mark::Delivered { row: due.row }]).await;
        }
        self.events_limit = 1;
        Ok(())
    }

    /// Upstream's health, and when the next may try.
    fn note(&mut self, verdict: &Verdict) {
        self.reachable = Some(!matches!(verdict, Verdict::NotSent(_) | Verdict::Unknown(_)));
        match verdict {
            Verdict::NotSent(why) | Verdict::Unknown(why) | Verdict::Refused { why, .. } => {
                if self.last_error.as_ref() != Some(why) {
                    tracing::warn!(why, "upstream");
                }
                self.last_error = Some(why.clone());
            }
            _ => self.last_error = None,
        }
        if verdict.is_trouble() {
            self.failures = self.failures.saturating_add(1);
            self.not_before = self.after_tries(self.failures);
        } else {
            self.failures = 0;
            self.not_before = ShopTime(0);
        }
    }

    fn is_awaited(&mut self, due: &Due) -> bool {
        match self.awaited.get(&due.row) {
            Some((declines, since)) if *declines == due.declines && since.elapsed() < AWAITED => true,
            Some(_) => {
                self.awaited.remove(&due.row);
                false
            }
            None => false,
        }
    }

    async fn report_charge(&mut self, due: &Due, state: ChargeState, reason: Option<String>) -> Result<(), SyncError> {
        self.awaits(due);
        self.tell(due, state, reason).await
    }

    async fn report_refund(&mut self, due: &Due, refund: RefundId, done: bool) -> Result<(), SyncError> {
        self.awaits(due);
        self.observe(Observation::Refunded { refund, done }).await
    }

    fn awaits(&mut self, due: &Due) {
        // Rows that were taken up meanwhile are gone and are not met again.
        self.awaited.retain(|_, (_, since)| since.elapsed() < AWAITED);
        self.awaited.insert(due.row, (due.declines, Instant::now()));
    }

    async fn tell(&mut self, due: &Due, state: ChargeState, reason: Option<String>) -> Result<(), SyncError> {
        let charge = ChargeId(due.reference.parse().expect("the call was made from it"));
        self.observe(Observation::Charged(ChargeAnswer { charge, state, reason })).await
    }

    async fn observe(&mut self, observation: Observation) -> Result<(), SyncError> {
        let stamped = Stamped { arrival: self.sync.clock.now(), observation };
        self.sync.floor.send(Incoming { stamped, ack: None }).await.map_err(|_| SyncError::Gone("floor"))
    }

    async fn put_off(
        &mut self,
        due: &Due,
        state: RowState,
        next_try: ShopTime,
        error: Option<String>,
    ) -> Result<(), SyncError> {
        self.mark(vec![Mark::Later { row: due.row, state, next_try, error }]).await
    }

    /// Durable when it returns.
    async fn mark(&mut self, marks: Vec<Mark>) -> Result<(), SyncError> {
        let (noted, done) = oneshot::channel();
        let ack = Ack::new(move || {
            let _ = noted.send(());
        });
        let batch = Batch { marks, acks: vec![ack], ..Batch::default() };
        self.sync.writer.send(batch).await.map_err(|_| SyncError::Gone("ledger"))?;
        done.await.map_err(|_| SyncError::Gone("ledger"))
    }

    /// Full jitter: anywhere between now and twice as far as last time.
    fn after_tries(&self, tries: u32) -> ShopTime {
        let SyncOptions { backoff_first_ms, backoff_max_ms, .. } = self.sync.options;
        let most = backoff_first_ms.saturating_mul(1 << tries.min(20)).min(backoff_max_ms);
        self.sync.clock.now() + drawn(Duration::from_millis(most))
    }

    fn in_an_hour_or_so(&self) -> ShopTime {
        let about = Duration::from_secs(self.sync.options.refused_retry_s);
        self.sync.clock.now() + about + drawn(about / 10)
    }
}

/// The state of a row after a try that cannot have had an effect.
fn kept(state: RowState) -> RowState {
    if state == RowState::Sent { RowState::Unknown } else { state }
}

/// Anywhere in `[0, most]`. Without random bytes: all of it.
fn drawn(most: Duration) -> Duration {
    let bytes = getrandom::u64().unwrap_or(u64::MAX);
    most.mul_f64(bytes as f64 / u64::MAX as f64)
}

fn publish(
    status: &watch::Sender<SyncStatus>,
    reader: &Reader,
    reachable: Option<bool>,
    last_error: Option<String>,
) -> Result<(), SyncError> {
    let counts = reader.outbox()?;
    let now = SyncStatus { reachable, queue_rows: counts.rows, queue_oldest_us: counts.oldest, last_error };
    status.send_if_modified(|was| {
        let changed = *was != now;
        *was = now;
        changed
    });
    Ok(())
}
