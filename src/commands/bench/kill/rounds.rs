//! The campaign: people come and go in real time while the daemon is killed at moments of chance.

use super::staff::Staff;
use super::witness::{Verdict, Witness};
use crate::base::time::Clock;
use crate::base::{Cents, ShopTime};
use crate::carts::ReceiptStatus;
use crate::commands::demo::DemoArgs;
use crate::commands::demo::stage::Stage;
use crate::events::Observation;
use crate::ledger::{Reader, verify};
use crate::sim::chance::Chance;
use crate::sim::live::{Broker, Happened, Heard, Live};
use crate::sim::shoppers::{Crowd, Mix};
use crate::sim::upstream::Faults;
use crate::sim::{Gates, Playback, Setting, World};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// Parties are planned this far ahead, us.
const AHEAD_US: i64 = 10_000_000;
/// Somebody comes about this often, us.
const EVERY_US: (f64, f64) = (1.2e6, 3.5e6);
/// What does not happen within this is not waited for: the kill comes anyway.
const AT_LATEST: Duration = Duration::from_secs(3);
/// One life in ten is a whole one, ms: visits close, charges, refunds and reviews are under way when it ends. Visits of before a
/// start are not closed in a daemon's first 6 s, so shorter lives never see money.
const WHOLE_LIFE_MS: (f64, f64) = (7_000.0, 11_000.0);
/// At the end: the last leave, visits that nobody followed to the door are closed after a minute, queues empty.
const LAST_WORDS: Duration = Duration::from_secs(150);
/// A daemon that is not up within this does not come up.
const STARTS: Duration = Duration::from_secs(30);
/// Retries within seconds, and an end to visits that were lost in the dark.
const SETTINGS: &str = "timeout_ms = 1500\nbackoff_first_ms = 50\nbackoff_max_ms = 1000\n\
                        decline_retries_s = [2, 4, 8, 16, 32, 64]\nrefused_retry_s = 2\n\n\
                        [policy]\nvisit_max_min = 1\n";

/// When the power goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Moment {
    /// So many milliseconds after the start, whatever happens then.
    After(u64),
    OnTap,
    OnDecision,
    OnEvent,
    /// Upstream was called, and may not have answered yet.
    OnCall,
}

impl Moment {
    fn draw(chance: &mut Chance) -> Moment {
        match chance.below(10) {
            0 => Moment::After(chance.between(0.0, 300.0) as u64), // in the middle of recovering
            1..=4 => Moment::After(chance.between(300.0, 2_000.0) as u64),
            5 => Moment::OnTap,
            6 => Moment::OnDecision,
            7 => Moment::OnEvent,
            _ => Moment::OnCall,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Moment::After(ms) if ms < 300 => "while starting",
            Moment::After(_) => "at any time",
            Moment::OnTap => "upon a tap",
            Moment::OnDecision => "upon a decision",
            Moment::OnEvent => "upon an event",
            Moment::OnCall => "upon a call",
        }
    }

    fn has_come(self, happened: &Happened) -> bool {
        match happened {
            Happened::Device(Observation::Tap(_)) => self == Moment::OnTap,
            Happened::Heard(Heard::Decision { .. }) => self == Moment::OnDecision,
            Happened::Heard(Heard::Event { .. }) => self == Moment::OnEvent,
            _ => false,
        }
    }
}

pub async fn campaign(kills: u32, seed: u64) -> Result<Verdict, String> {
    let args = DemoArgs { seed, discs: true, ..DemoArgs::default() };
    let mut stage = Stage::set(&args)?;
    // Pictures are other figures' business: only cameras that send people.
    stage.close_eyes();
    stage.settle(SETTINGS.into());
    let told = play(&mut stage, kills, seed).await;
    let stopped = stage.strike().await;
    let told = told?;
    stopped?;
    Ok(told)
}

async fn play(stage: &mut Stage, kills: u32, seed: u64) -> Result<Verdict, String> {
    let broker = Broker { host: "127.0.0.1".to_owned(), port: stage.broker.port };
    let live = Live::connect(&broker, &stage.shop).await.map_err(|error| error.to_string())?;
    let clock = Clock::anchored_after(ShopTime(0));
    let world = Arc::new(World::new(stage.shop.clone())?);
    let start_us = clock.now().0;
    let staff = Staff::new(stage.api())?;
    let mut tasks = JoinSet::new();
    tasks.spawn(staff.clone().decides());
    let mut campaign = Campaign {
        playback: Playback::new(world.clone(), Setting::new(seed, start_us, Gates::Asked)),
        crowd: Crowd::new(world, seed, "kill", Mix::quick()),
        chance: Chance::new(seed, "kill"),
        witness: Witness::new(stage.shop.clone()),
        next_us: start_us + 3_000_000,
        starting: None,
        verdict: Verdict::default(),
        live,
        clock,
        stage,
        staff,
        tasks,
    };
    let mut moments = BTreeMap::<&str, u32>::new();
    for n in 1..=kills {
        let moment = campaign.round(n).await?;
        *moments.entry(moment.name()).or_default() += 1;
    }
    campaign.close().await?;
    let Campaign { mut verdict, witness, staff, stage, mut tasks, live, .. } = campaign;
    tasks.shutdown().await;
    live.close().await;
    let promised = staff.promised.lock().expect("staff's notes").clone();
    let judged = witness.judge(&stage.ledger(), &stage.upstream.records(), &promised);
    let Verdict { lost, doubled, visits, right, reviewed, over, under, wrong, .. } =
        judged.map_err(|error| format!("reading the ledger at the end: {error}"))?;
    verdict.lost.extend(lost);
    verdict.doubled.extend(doubled);
    Ok(Verdict {
        visits,
        right,
        reviewed,
        over,
        under,
        wrong,
        refunds: promised.refunds.len() as u32,
        contests: promised.contests.len() as u32,
        reviews: promised.reviews.len() as u32,
        moments: moments.iter().map(|(name, n)| format!("{n} {name}")).collect(),
        ..verdict
    })
}

struct Campaign<'a> {
    stage: &'a mut Stage,
    live: Live,
    clock: Clock,
    playback: Playback,
    crowd: Crowd,
    chance: Chance,
    witness: Witness,
    staff: Staff,
    tasks: JoinSet<()>,
    /// When the next party taps.
    next_us: i64,
    /// The daemon was started then and has not spoken yet.
    starting: Option<Instant>,
    verdict: Verdict,
}

impl Campaign<'_> {
    async fn round(&mut self, n: u32) -> Result<Moment, String> {
        self.misbehave()?;
        let moment = Moment::draw(&mut self.chance);
        let after_ms = match moment {
            Moment::After(_) => 0.0,
            // Into the middle of what follows from it.
            _ => self.chance.between(0.0, 6.0),
        };
        let whole = self.chance.yes(0.1);
        let at_least_ms = if whole { self.chance.between(WHOLE_LIFE_MS.0, WHOLE_LIFE_MS.1) as u64 } else { 0 };
        self.stage.start_daemon()?;
        self.starting = Some(Instant::now());
        self.play_until(Moment::After(at_least_ms), 0.0).await?;
        self.play_until(moment, after_ms).await?;
        self.stage.kill_daemon();
        self.verdict.kills += 1;
        self.audit(n)?;
        if self.chance.yes(0.15) {
            // The shop is blind for a while.
            let dark_us = (self.chance.between(0.2, 2.0) * 1e6) as i64;
            self.play_on(dark_us).await;
        }
        self.staff_act(n);
        Ok(moment)
    }

    /// Upstream is well in one of four rounds.
    fn misbehave(&mut self) -> Result<(), String> {
        let come_back = |error| format!("the reference upstream cannot come back: {error}");
        self.stage.upstream.come_back().map_err(come_back)?;
        let n = 1 + self.chance.below(6) as u32;
        let charges = || if n.is_multiple_of(2) { "POST /v1/charges".to_owned() } else { String::new() };
        let faults = match self.chance.below(8) {
            0 => Faults { fail_before: n, only: charges(), ..Faults::default() },
            1 => Faults { fail_after: n, only: charges(), ..Faults::default() },
            2 => Faults { hang_after: n, only: charges(), ..Faults::default() },
            3 => Faults { delay_ms: 150 * u64::from(n), ..Faults::default() },
            4 => Faults { decline_charges: true, ..Faults::default() },
            _ => Faults::default(),
        };
        self.stage.upstream.set_faults(faults);
        match self.chance.below(8) {
            0 => self.stage.upstream.go_away(),
            1 => self.stage.upstream.forget_keys().map_err(|error| format!("forgetting keys: {error}"))?,
            _ => {}
        }
        Ok(())
    }

    async fn play_until(&mut self, moment: Moment, after_ms: f64) -> Result<(), String> {
        let mut calls = self.stage.upstream.happenings();
        let since = Instant::now();
        let mut come = false;
        let limit = match moment {
            Moment::After(ms) => Duration::from_millis(ms),
            _ => AT_LATEST,
        };
        while !come && since.elapsed() < limit {
            self.invite();
            self.stage.daemon_lives()?;
            let until_us = self.playback.now_us() + 100_000;
            let Campaign { live, playback, clock, witness, starting, verdict, .. } = self;
            let playing = live.play(playback, clock, until_us, |_, happened| {
                witness.hear(&happened);
                if matches!(&happened, Happened::Heard(Heard::Status(s)) if s["state"] != "offline") {
                    verdict.up_ms.extend(starting.take().map(|since| since.elapsed().as_secs_f64() * 1e3));
                }
                come |= moment.has_come(&happened);
            });
            tokio::select! {
                () = playing => {}
                _ = calls.changed(), if moment == Moment::OnCall => come = true,
                () = tokio::time::sleep(limit.saturating_sub(since.elapsed())) => break,
            }
        }
        if come {
            tokio::time::sleep(Duration::from_secs_f64(after_ms * 1e-3)).await;
        }
        Ok(())
    }

    async fn play_on(&mut self, for_us: i64) {
        let until_us = self.playback.now_us() + for_us;
        let Campaign { live, playback, clock, witness, .. } = self;
        let playing = live.play(playback, clock, until_us, |_, happened| {
            witness.hear(&happened);
        });
        playing.await;
    }

    fn invite(&mut self) {
        while self.next_us < self.playback.now_us() + AHEAD_US {
            let style = self.crowd.anybody();
            let visit = self.crowd.come(style, self.next_us);
            self.witness.expect(&visit);
            self.next_us = visit.tap_us + self.chance.between(EVERY_US.0, EVERY_US.1) as i64;
            visit.people.into_iter().for_each(|person| self.playback.add(person));
        }
    }

    /// The auditor's and the witness's look at what the kill left.
    fn audit(&mut self, n: u32) -> Result<(), String> {
        let file = self.stage.ledger();
        let read = |error| format!("reading the ledger after kill {n}: {error}");
        // Killed before there was a table in it, or a file. With anything promised there must be one.
        let empty = std::fs::metadata(&file).map_or(true, |file| file.len() == 0);
        if empty && !self.witness.was_promised_anything() && Reader::open(&file).is_err() {
            return Ok(());
        }
        let report = verify(&file).map_err(read)?;
        self.verdict.findings.extend(report.findings.into_iter().map(|what| format!("after kill {n}: {what}")));
        let missing = self.witness.missing(&file).map_err(read)?;
        self.verdict.lost.extend(missing.into_iter().map(|what| format!("after kill {n}: {what}")));
        Ok(())
    }

    /// Now and then money back, or a customer who says it was not so.
    fn staff_act(&mut self, n: u32) {
        let finals: Vec<_> =
            self.witness.receipts.values().filter(|receipt| receipt.status == ReceiptStatus::Final).collect();
        let Some(receipt) = self.chance.pick(&finals).copied() else { return };
        let goods = |line: &&crate::carts::Line| line.quantity > 0 && line.total > Cents::ZERO;
        match (self.chance.below(3), receipt.charge_ids.first(), receipt.cart.lines.iter().find(goods)) {
            (0, Some(charge), _) => _ = self.tasks.spawn(self.staff.clone().gives_back(*charge, format!("kill-{n}"))),
            (1, _, Some(line)) => {
                let contested =
                    self.staff.clone().contests(receipt.receipt_id, receipt.cart.visit_id, line.line_id.clone());
                self.tasks.spawn(contested);
            }
            _ => {}
        }
    }

    /// The last leave, upstream is well, everything is settled.
    async fn close(&mut self) -> Result<(), String> {
        self.stage.upstream.come_back().map_err(|error| format!("the reference upstream: {error}"))?;
        self.stage.upstream.set_faults(Faults::default());
        self.stage.start_daemon()?;
        let since = Instant::now();
        while since.elapsed() < LAST_WORDS {
            self.stage.daemon_lives()?;
            self.play_on(500_000).await;
            if self.playback.people() == 0 && self.witness.all_left() && self.is_settled()? {
                return Ok(());
            }
            if since.elapsed() > STARTS && self.verdict.up_ms.is_empty() {
                return Err(format!("the daemon never came up; {}", self.stage.daemon_log()));
            }
        }
        // Not settled: the witness says what is missing.
        Ok(())
    }

    fn is_settled(&self) -> Result<bool, String> {
        let read = |error| format!("reading the ledger: {error}");
        let reader = Reader::open(&self.stage.ledger()).map_err(read)?;
        let queued = reader.outbox().map_err(read)?.rows;
        let waiting = reader.undecided(1).map_err(read)?.len();
        Ok(queued == 0 && waiting == 0 && reader.open_visits().map_err(read)? == 0)
    }
}
