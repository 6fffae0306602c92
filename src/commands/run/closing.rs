//! When nobody new may come in: no room on the ledger's disk, or a ledger that does not add up.
//!
//! Who is inside goes on shopping and pays; gates answer `shop_closed`, the page and the status topic say why and what to
//! do. Room is looked for all the time and the shop opens by itself. A ledger is audited after every start and once a
//! day; what it finds stays until a person has looked, because selling on a bad book makes it worse.

use super::Failure;
use crate::base::time::Clock;
use crate::events::{Observation, Stamped};
use crate::ledger::{Disk, Ledger, LedgerError, verify};
use crate::sensors::Incoming;
use crate::supervise;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, watch};

/// The disk is looked at this often.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// The ledger is audited this often; the first time right after the start.
const AUDIT_EVERY: Duration = Duration::from_secs(24 * 3600);
/// A ledger up to this size is looked through before anybody is let in: half a second. Larger ones meanwhile.
const LOOKED_THROUGH_BYTES: u64 = 64 << 20;
/// A start on a full disk tries again this often, and says so to the service manager.
const START_AGAIN: Duration = Duration::from_secs(2);

/// Opens the ledger, waiting for room on its disk as long as it takes; a damaged one is refused.
pub async fn open_ledger(file: &Path, disk: &Disk) -> Result<Ledger, Failure> {
    let mut said: Option<Instant> = None;
    loop {
        match try_open(file) {
            Err(error) if error.disk_full() => {
                if disk.release() {
                    tracing::error!(%error, "disk full: the ballast is thrown off");
                    continue;
                }
                let why = disk.complaint().unwrap_or_default();
                if said.is_none_or(|at| at.elapsed() >= Duration::from_secs(60)) {
                    tracing::error!(%error, why, "disk full: waiting for room to start");
                    said = Some(Instant::now());
                }
                supervise::starting(&why, START_AGAIN * 5);
                tokio::time::sleep(START_AGAIN).await;
            }
            opened => return Ok(opened?),
        }
    }
}

fn try_open(file: &Path) -> Result<Ledger, LedgerError> {
    let ledger = Ledger::open(file)?;
    if std::fs::metadata(file).is_ok_and(|file| file.len() <= LOOKED_THROUGH_BYTES) {
        ledger.look_through()?;
    }
    Ok(ledger)
}

/// Keeps the floor told whether the shop is open, and everybody else why it is not.
pub async fn keep_watch(
    disk: Arc<Disk>,
    ledger: PathBuf,
    floor: mpsc::Sender<Incoming>,
    clock: Clock,
    closed: watch::Sender<Option<String>>,
    mut stopping: watch::Receiver<bool>,
) {
    let (mut audited, mut bad) = (None::<Instant>, None::<String>);
    let (tell, mut told) = mpsc::channel(1);
    loop {
        if audited.is_none_or(|at| at.elapsed() >= AUDIT_EVERY) {
            audited = Some(Instant::now());
            let (ledger, tell) = (ledger.clone(), tell.clone());
            // The answer is nobody's when the shop stops meanwhile.
            std::thread::spawn(move || _ = tell.blocking_send(audit(&ledger)));
        }
        disk.look();
        let why = bad.clone().or_else(|| disk.complaint());
        if *closed.borrow() != why {
            let observation = Observation::Open { open: why.is_none(), why: why.clone().unwrap_or_default() };
            let stamped = Stamped { arrival: clock.now(), observation };
            match &why {
                Some(why) => tracing::error!(why, "the shop is closed"),
                None => tracing::info!("the shop is open again"),
            }
            // For the page first: the floor may be waiting for the disk.
            closed.send_replace(why);
            tokio::select! {
                sent = floor.send(Incoming { stamped, ack: None }) => if sent.is_err() { return },
                _ = stopping.wait_for(|stop| *stop) => return,
            }
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => {}
            Some(found) = told.recv() => bad = found,
            _ = stopping.wait_for(|stop| *stop) => return,
        }
        if !disk.is_held() {
            let disk = disk.clone();
            // Where a file system cannot reserve, 64 MiB are written.
            let held = tokio::task::spawn_blocking(move || disk.hold()).await;
            if let Ok(Err(error)) = held {
                tracing::debug!(%error, "no room for the ballast yet");
            }
        }
    }
}

/// What does not add up, as a sentence for staff.
fn audit(ledger: &Path) -> Option<String> {
    let report = match verify(ledger) {
        Ok(report) => report,
        Err(error) if error.disk_full() => return None,
        Err(error) => return Some(format!("The ledger cannot be read: {error}.")),
    };
    let first = report.findings.first()?;
    for finding in &report.findings {
        tracing::error!(finding, "the ledger does not add up");
    }
    let (first, more) = (first.trim_end_matches('.'), report.findings.len() - 1);
    let more = if more == 0 { String::new() } else { format!(" (and {more} more)") };
    Some(format!(
        "The ledger does not add up: {first}{more}. Stop carryout, keep the file, and restore the last good backup."
    ))
}
