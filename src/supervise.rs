//! Start, watch and stop: what the service manager and the operator are told, and when we count as alive.
//!
//! Alive is not "the process exists": it is a tick through the floor and a ping through the ledger's queue, so that an
//! empty shop at night is alive and a stuck one is not.

use crate::base::Ack;
use crate::ledger::{Batch, Disk};
use sd_notify::NotifyState;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

/// Without a service manager the same checks run this often, and only log.
const CHECK_EVERY: Duration = Duration::from_secs(5);

pub fn ready(status: &str) {
    notify(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// A start that takes longer, and why: nobody loses patience for `more`.
pub fn starting(status: &str, more: Duration) {
    let more_us = more.as_micros().try_into().unwrap_or(u32::MAX);
    notify(&[NotifyState::Status(status), NotifyState::ExtendTimeoutUsec(more_us)]);
}

/// The shop closes to open again at once; [`ready`] ends it.
pub fn reloading() {
    let mut states = vec![NotifyState::Reloading];
    states.extend(NotifyState::monotonic_usec_now());
    notify(&states);
}

pub fn stopping() {
    notify(&[NotifyState::Stopping]);
}

fn notify(states: &[NotifyState]) {
    if let Err(error) = sd_notify::notify(false, states) {
        tracing::warn!(%error, "service manager could not be told");
    }
}

/// Tells systemd's watchdog that we are alive, for as long as we are. Missed proofs are logged; systemd acts on them.
///
/// Waiting for room on the disk is no fault that a restart would mend.
pub async fn watch_progress(
    ticks: Arc<AtomicU64>,
    batches: mpsc::Sender<Batch>,
    disk: Arc<Disk>,
    mut shutdown: watch::Receiver<bool>,
) {
    let mut usec = 0;
    let every =
        if sd_notify::watchdog_enabled(false, &mut usec) { Duration::from_micros(usec / 3) } else { CHECK_EVERY };
    let mut seen = ticks.load(Ordering::Acquire);
    loop {
        tokio::select! {
            () = tokio::time::sleep(every) => {}
            _ = shutdown.wait_for(|stop| *stop) => return,
        }
        let now = ticks.load(Ordering::Acquire);
        let ledger = ping(&batches, every).await;
        match (now > seen, ledger) {
            (true, true) => notify(&[NotifyState::Watchdog]),
            _ if disk.is_waiting() => notify(&[NotifyState::Watchdog]),
            (floor, ledger) => tracing::error!(floor, ledger, "no progress"),
        }
        seen = now;
    }
}

/// Whether the ledger's writer gets through its queue within `within`.
async fn ping(batches: &mpsc::Sender<Batch>, within: Duration) -> bool {
    let (answer, answered) = oneshot::channel();
    let ack = Ack::new(move || {
        let _ = answer.send(());
    });
    let through = async { batches.send(Batch::ping(ack)).await.is_ok() && answered.await.is_ok() };
    tokio::time::timeout(within, through).await.unwrap_or(false)
}

/// Starts a task that must live as long as the shop: ended or panicked before `stopping`, it is named in `failed`.
pub fn keep<F>(
    name: &'static str,
    task: F,
    stopping: watch::Receiver<bool>,
    failed: watch::Sender<Option<&'static str>>,
) -> JoinHandle<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    let guard = Guard { name, stopping, failed };
    tokio::spawn(async move {
        let _guard = guard;
        task.await
    })
}

struct Guard {
    name: &'static str,
    stopping: watch::Receiver<bool>,
    failed: watch::Sender<Option<&'static str>>,
}

impl Drop for Guard {
    fn drop(&mut self) {
        if !*self.stopping.borrow() {
            self.failed.send_replace(Some(self.name));
        }
    }
}

/// SIGTERM and SIGINT. Lives as long as the process: one that comes while a shop opens anew is not lost.
pub struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl StopSignals {
    pub fn listen() -> std::io::Result<StopSignals> {
        Ok(StopSignals { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Waits for one of them.
    pub async fn told(&mut self) {
        let signal = tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        };
        tracing::info!(signal, "stopping");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_task_that_dies_is_named_and_one_that_is_stopped_is_not() {
        for (story, panics, stopped, named) in [
            ("ends by itself", false, false, Some("clerk")),
            ("panics", true, false, Some("clerk")),
            ("ends because the shop does", false, true, None),
        ] {
            let (stop, stopping) = watch::channel(stopped);
            let (failed, failing) = watch::channel(None);
            let task = async move { assert!(!panics, "on purpose") };
            let _ = keep("clerk", task, stopping, failed).await;
            assert_eq!(*failing.borrow(), named, "{story}");
            drop(stop);
        }
    }
}
