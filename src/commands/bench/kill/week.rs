//! Seven days without upstream, then everything at once.
//!
//! People shop for some minutes of every day of a week that ended just now, straight into floor and ledger; upstream answers
//! nobody, the offline rule lets them in, charges pile up in the outbox. The machine is started anew each morning. Then
//! upstream is back, ill-tempered, and the daemon's own sync empties the queue in real time.

use crate::base::time::{Clock, SECOND_US};
use crate::base::{Cents, Counters, ShopTime, limits};
use crate::carts::PolicyOptions;
use crate::commands::demo::stage::{demo_shop, without_pictures};
use crate::events::{Answer, Authorised, Effect, Effects, Observation, Stamped};
use crate::floor::{Floor, FloorOptions};
use crate::fusion::NearestAttributor;
use crate::ledger::{self, Batch, Disk, Ledger, LedgerError, Reader, spawn_writer, verify};
use crate::sensors::Incoming;
use crate::shop::Shop;
use crate::sim::record::Arrivals;
use crate::sim::shoppers::{Crowd, Mix, Style};
use crate::sim::truth::TruthLine;
use crate::sim::upstream::{Faults, Records, Upstream, UpstreamOptions};
use crate::sim::{Gates, Playback, Setting, World};
use crate::sync::{Client, SyncOptions, SyncStatus, SyncTask};
use std::collections::{BTreeSet, VecDeque};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;
use tokio::sync::{Notify, mpsc, watch};

const DAYS: i64 = 7;
const DAY_US: i64 = 24 * 3600 * SECOND_US;
/// The queue of a week is sent within this, or something is stuck.
const PATIENCE: Duration = Duration::from_secs(180);

#[derive(Debug, Default)]
pub struct Week {
    pub charges: usize,
    pub lost: Vec<String>,
    pub doubled: Vec<String>,
    findings: Vec<String>,
    /// Who left with goods and was not asked for anything: the rule's errors, not the week's.
    pub unpaid: Vec<String>,
}

impl Week {
    pub fn faults(&self) -> impl Iterator<Item = &String> {
        self.lost.iter().chain(&self.doubled).chain(&self.findings)
    }
}

pub async fn offline(visits_a_day: usize, seed: u64) -> Result<Week, String> {
    let dir = std::env::temp_dir().join(format!("carryout-week-{}", uuid::Uuid::new_v4()));
    let told = lived(&dir, visits_a_day, seed).await;
    let _ = std::fs::remove_dir_all(&dir);
    told
}

async fn lived(dir: &Path, visits_a_day: usize, seed: u64) -> Result<Week, String> {
    let file = ledger::file_in(dir);
    let shop = Arc::new(without_pictures(demo_shop()?));
    let monday_us = Clock::anchored_after(ShopTime(0)).now().0 - DAYS * DAY_US;
    let mut goods_left = BTreeSet::new();
    {
        let (file, shop) = (file.clone(), shop.clone());
        let days = move || -> Result<BTreeSet<String>, String> {
            for day in 0..DAYS {
                let opening_us = monday_us + day * DAY_US;
                Desk::open(&file, &shop)?.day(opening_us, visits_a_day, seed + day as u64 * 1_000, &mut goods_left)?;
            }
            Ok(goods_left)
        };
        goods_left = tokio::task::spawn_blocking(days).await.map_err(|error| format!("the week: {error}"))??;
    }
    let read = |error: LedgerError| format!("reading the week's ledger: {error}");
    let queued = Reader::open(&file).and_then(|reader| reader.outbox()).map_err(read)?.charges as usize;
    let upstream = Upstream::start(UpstreamOptions::default()).map_err(|error| format!("upstream: {error}"))?;
    upstream.set_faults(Faults { fail_before: 5, fail_after: 25, hang_after: 5, ..Faults::default() });
    let records = catch_up(&file, &shop, &upstream).await?;

    let report = verify(&file).map_err(read)?;
    let mut week = Week { charges: queued, findings: report.findings, ..Week::default() };
    if report.outbox_rows > 0 {
        week.lost.push(format!("{} rows are still in the outbox", report.outbox_rows));
    }
    if records.charges.len() != queued {
        week.lost.push(format!("{queued} charges were queued, upstream saw {}", records.charges.len()));
    }
    for charge in records.not_once() {
        let (list, what) = match charge.captured {
            0 => (&mut week.lost, "never captured"),
            _ => (&mut week.doubled, "captured more than once"),
        };
        list.push(format!("charge {} was {what}", charge.charge_id));
    }
    let paid: BTreeSet<&str> = records.charges.iter().filter_map(|charge| charge.token.as_deref()).collect();
    week.unpaid = goods_left.into_iter().filter(|token| !paid.contains(token.as_str())).collect();
    Ok(week)
}

fn options() -> FloorOptions {
    let policy = PolicyOptions {
        offline_shop_cap: Cents(100_000_000),
        offline_max_h: 24 * (DAYS + 1),
        ..PolicyOptions::default()
    };
    FloorOptions { policy, ..FloorOptions::default() }
}

/// Floor and ledger of one day.
struct Desk {
    shop: Arc<Shop>,
    floor: Floor,
    ledger: Ledger,
    rule: NearestAttributor,
}

fn recovered(ledger: &Ledger, shop: &Arc<Shop>) -> Result<Floor, LedgerError> {
    let entries: Vec<_> =
        ledger.entries_for_recovery().map(|row| row.map(|(_, entry)| entry)).collect::<Result<_, _>>()?;
    let books = Floor::recover(shop.clone(), entries, ledger.last_seq(), ledger.next_receipt_number()?);
    Ok(Floor::new(shop.clone(), options(), books, Counters::default()))
}

impl Desk {
    fn open(file: &Path, shop: &Arc<Shop>) -> Result<Desk, String> {
        let ledger = Ledger::open(file).map_err(|error| error.to_string())?;
        let floor = recovered(&ledger, shop).map_err(|error| error.to_string())?;
        Ok(Desk { shop: shop.clone(), floor, ledger, rule: NearestAttributor::published() })
    }

    fn day(
        &mut self,
        opening_us: i64,
        visits: usize,
        seed: u64,
        goods_left: &mut BTreeSet<String>,
    ) -> Result<(), String> {
        let world = Arc::new(World::new(self.shop.clone())?);
        let mut playback = Playback::new(world.clone(), Setting::new(seed, opening_us, Gates::Assumed));
        let mix = Mix { declined: 0.0, staff: 0.0, ..Mix::quick() };
        let mut crowd = Crowd::new(world, seed, &format!("day{seed}"), mix);
        let mut last_us = opening_us + 3 * SECOND_US;
        for _ in 0..visits {
            let visit = crowd.come(Style::Ordinary, last_us);
            // One party after the other: who is taken for whom is not what is asked here.
            last_us = visit.left_us + 2 * SECOND_US;
            visit.people.into_iter().for_each(|person| playback.add(person));
        }
        for stamped in Arrivals::new(&mut playback, seed, last_us + 20 * SECOND_US) {
            self.take(stamped).map_err(|error| error.to_string())?;
        }
        playback.finish();
        for line in playback.truth() {
            if let TruthLine::Visit(visit) = line
                && !visit.cart.is_empty()
            {
                goods_left.extend(visit.token);
            }
        }
        Ok(())
    }

    fn take(&mut self, stamped: Stamped) -> Result<(), LedgerError> {
        let mut waiting = VecDeque::from([stamped]);
        while let Some(stamped) = waiting.pop_front() {
            let arrival = stamped.arrival;
            let Effects { now, entries, outbox, then } = self.floor.apply(stamped);
            let mut answers = Vec::new();
            if !entries.is_empty() || !outbox.is_empty() {
                answers.push(Observation::Durable { seq: self.ledger.commit(&entries, &outbox)? });
            }
            for effect in now.into_iter().chain(then) {
                match effect {
                    Effect::Weigh(request) => {
                        answers.push(Observation::Weighed(self.rule.weigh(&request, &self.shop.catalogue)));
                    }
                    Effect::Authorise { tap_id, .. } => {
                        answers.push(Observation::Authorised(Authorised { tap_id, answer: Answer::Unreachable }));
                    }
                    _ => {}
                }
            }
            waiting.extend(answers.into_iter().map(|observation| Stamped { arrival, observation }));
        }
        Ok(())
    }
}

/// Upstream is back: the daemon's own sync, writer and floor until nothing is left to say.
async fn catch_up(file: &Path, shop: &Arc<Shop>, upstream: &Upstream) -> Result<Records, String> {
    let ledger = Ledger::open(file).map_err(|error| error.to_string())?;
    let clock = Clock::anchored_after(ledger.last_time().unwrap_or_default());
    let mut floor = recovered(&ledger, shop).map_err(|error| error.to_string())?;
    let options = SyncOptions {
        url: Some(upstream.url()),
        timeout_ms: 1_000,
        backoff_first_ms: 20,
        backoff_max_ms: 500,
        ..SyncOptions::default()
    };
    let (to_ledger, batches) = mpsc::channel::<Batch>(limits::LEDGER_QUEUE);
    let (to_floor, mut heard) = mpsc::channel::<Incoming>(limits::FLOOR_QUEUE);
    let (wake, stop) = (Arc::new(Notify::new()), watch::channel(false));
    let writer = spawn_writer(
        ledger,
        batches,
        |_| {},
        Arc::new(AtomicU64::new(0)),
        wake.clone(),
        Arc::new(Disk::of(&std::env::temp_dir(), 0)),
    );
    let answers = to_ledger.clone();
    let flooring = tokio::task::spawn_blocking(move || {
        while let Some(Incoming { stamped, ack }) = heard.blocking_recv() {
            let Effects { entries, outbox, .. } = floor.apply(stamped);
            let batch = Batch { entries, outbox, acks: ack.into_iter().collect(), ..Batch::default() };
            if answers.blocking_send(batch).is_err() {
                return;
            }
        }
    });
    let client = Client::new(&options, shop.id.clone(), &shop.currency).map_err(|error| error.to_string())?;
    let (status, mut told) = watch::channel(SyncStatus { queue_rows: u64::MAX, ..SyncStatus::default() });
    let sync = SyncTask {
        options,
        client,
        ledger: file.to_owned(),
        writer: to_ledger,
        floor: to_floor,
        wake,
        clock,
        counters: Counters::default(),
        status,
        shutdown: stop.1.clone(),
    };
    let syncing = tokio::spawn(sync.run());
    // Late is told as lost by who asked.
    let _ = tokio::time::timeout(PATIENCE, told.wait_for(|status| status.queue_rows == 0)).await;
    let _ = stop.0.send(true);
    syncing.await.map_err(|error| format!("sync: {error}"))?.map_err(|error| format!("sync: {error}"))?;
    flooring.await.map_err(|error| format!("the floor: {error}"))?;
    let written = tokio::task::spawn_blocking(|| writer.join()).await.map_err(|error| error.to_string())?;
    written.map_err(|_| "the ledger's writer died".to_owned())?.map_err(|error| error.to_string())?;
    Ok(upstream.records())
}
