//! A stage for stories: a small shop, people who walk and reach, plates that ring, an upstream that answers as told.
//!
//! Stories are lines `second who does what`; the stage plays them through the real floor at 10 looks and 5 weight
//! batches a second, answers weigh requests with the rule, and checks every invariant after every observation.
#![allow(dead_code)]

pub mod world;

use carryout::base::*;
use carryout::carts::{ChargeState, PolicyOptions, Receipt, RefundState};
use carryout::events::*;
use carryout::floor::{Books, Floor, FloorOptions};
use carryout::fusion::NearestAttributor;
use carryout::ledger::{Ledger, LedgerError};
use carryout::shop::{Camera, Shop};
use std::sync::Arc;
use world::World;

/// How upstream answers an authorisation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Upstream {
    Answers,
    Declines,
    /// Connections are refused: the answer "unreachable" comes at once.
    Gone,
    /// Holds, but tells only after this many ms.
    Late(i64),
}

pub struct Stage {
    pub world: World,
    pub floor: Floor,
    pub upstream: Upstream,
    pub captures: bool,
    pub decisions: Vec<Decision>,
    pub entries: Vec<Entry>,
    pub outbox: Vec<Outgoing>,
    pub events: Vec<CartEvent>,
    pub asked: Vec<(TapId, Cents)>,
    pub sent: Vec<Stamped>,
    answers: Vec<(ShopTime, Observation)>,
    policy: PolicyOptions,
    disk: Option<Disk>,
    /// Steps of the clock for which the daemon is down.
    down: u32,
    /// Taps and passages the broker keeps until they are acknowledged.
    unacked: Vec<Observation>,
    pub restarts: u32,
    /// The camera is the daemon's own and starts with it: it does not know anybody from before.
    pub own_camera: bool,
    /// How far our clock is ahead of everybody else's.
    pub skew_us: i64,
    /// The broker is gone: measurements are lost, and this is what it keeps of the rest.
    broker: Option<Vec<Observation>>,
}

/// A real ledger in a directory of its own.
struct Disk {
    dir: tempfile::TempDir,
    ledger: Option<Ledger>,
}

pub const START: ShopTime = ShopTime(1_790_000_000_000_000);

/// Where hundreds of ledgers need not wait for a disk: these tests stop the program, not the disk.
pub fn in_memory() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a temporary directory")
}

impl Stage {
    pub fn new() -> Stage {
        Stage::with(PolicyOptions::default())
    }

    pub fn with(policy: PolicyOptions) -> Stage {
        Stage::on(Arc::new(world::shop()), policy)
    }

    /// Gates with beams and a second camera on the same floor, `steps` tenths of a second late.
    pub fn with_late_eyes(steps: usize) -> Stage {
        let mut shop = world::shop();
        let first = shop.layout.cameras.values().next().expect("a camera").clone();
        let id = CameraId::new(world::LATE_EYES);
        shop.layout.cameras.insert(id.clone(), Camera { id, ..first });
        let mut stage = Stage::on(Arc::new(shop), PolicyOptions::default());
        stage.world.beams = true;
        stage.world.late_eyes = Some(steps);
        stage
    }

    pub fn on(shop: Arc<Shop>, policy: PolicyOptions) -> Stage {
        let options = FloorOptions { policy: policy.clone(), ..FloorOptions::default() };
        let floor = Floor::new(shop.clone(), options, Books::new(shop.clone()), Counters::default());
        let mut stage = Stage {
            world: World::new(shop, START),
            floor,
            upstream: Upstream::Answers,
            captures: true,
            decisions: Vec::new(),
            entries: Vec::new(),
            outbox: Vec::new(),
            events: Vec::new(),
            asked: Vec::new(),
            sent: Vec::new(),
            answers: Vec::new(),
            policy,
            disk: None,
            down: 0,
            unacked: Vec::new(),
            restarts: 0,
            own_camera: false,
            skew_us: 0,
            broker: None,
        };
        stage.observe(Observation::Started { anchor_us: START.0 });
        stage.run_to(5.0);
        stage
    }

    /// From now on everything goes through a real ledger on disk.
    pub fn on_disk(mut self) -> Stage {
        let dir = in_memory();
        let mut ledger = Ledger::open(&dir.path().join("ledger.db")).expect("a new ledger");
        ledger.commit(&self.entries, &self.outbox).expect("what happened so far");
        self.disk = Some(Disk { dir, ledger: Some(ledger) });
        self
    }

    pub fn ledger_path(&self) -> std::path::PathBuf {
        self.disk.as_ref().expect("on disk").dir.path().join("ledger.db")
    }

    /// The process dies at the `n`-th database write from now, and is started again.
    pub fn stop_at_write(&mut self, n: u64) {
        self.disk.as_mut().and_then(|disk| disk.ledger.as_mut()).expect("on disk").stop_at_write(n);
    }

    /// The process dies now and is started again `steps` tenths of a second later.
    pub fn kill(&mut self, steps: u32) {
        self.disk.as_mut().expect("on disk").ledger = None;
        self.answers.clear();
        self.down = steps.max(1);
    }

    fn start_again(&mut self) {
        self.restarts += 1;
        self.world.camera_boot += u32::from(self.own_camera);
        let path = self.ledger_path();
        let ledger = Ledger::open(&path).expect("the ledger opens again");
        let entries: Vec<Entry> = ledger.entries_for_recovery().map(|row| row.expect("a good entry").1).collect();
        let next = ledger.next_receipt_number().expect("a readable ledger");
        let books = Floor::recover(self.world.shop.clone(), entries, ledger.last_seq(), next);
        let options = FloorOptions { policy: self.policy.clone(), ..FloorOptions::default() };
        self.floor = Floor::new(self.world.shop.clone(), options, books, Counters::default());
        self.disk.as_mut().expect("on disk").ledger = Some(ledger);
        self.observe(Observation::Started { anchor_us: self.world.now.0 + self.skew_us });
        for observation in self.unacked.clone() {
            self.observe(observation);
        }
    }

    /// Plays a story; its seconds count from 5 s after the start, when the scales have learned their noise.
    pub fn play(&mut self, story: &str) -> &mut Stage {
        for line in story.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let words: Vec<&str> = line.split_whitespace().collect();
            let at: f64 = words[0].parse().unwrap_or_else(|_| panic!("story line without a time: {line}"));
            self.run_to(5.0 + at);
            self.act(words[1], &words[2..]);
        }
        self
    }

    pub fn secs(&self) -> f64 {
        self.world.now.secs_since(START) - 5.0
    }

    fn act(&mut self, who: &str, what: &[&str]) {
        match what {
            ["is", "gone"] if who == "upstream" => self.upstream = Upstream::Gone,
            ["is", "gone"] if who == "broker" => {
                self.broker = Some(Vec::new());
                self.observe(Observation::Broker { up: false, why: None });
            }
            ["is", "back"] if who == "broker" => {
                let kept = self.broker.take().unwrap_or_default();
                self.observe(Observation::Broker { up: true, why: None });
                kept.into_iter().for_each(|observation| self.observe(observation));
            }
            ["declines"] => self.upstream = Upstream::Declines,
            ["answers"] => self.upstream = Upstream::Answers,
            ["is", "late", ms] => self.upstream = Upstream::Late(ms.parse().unwrap()),
            what => self.world.act(who, what).into_iter().for_each(|observation| self.observe(observation)),
        }
    }

    pub fn run_to(&mut self, secs: f64) {
        let until = ShopTime(START.0 + (secs * 1e6) as i64);
        while self.world.now < until {
            let said = self.world.step();
            let now = self.world.now;
            let (due, later) = std::mem::take(&mut self.answers).into_iter().partition(|(at, _)| *at <= now);
            self.answers = later;
            let due: Vec<(ShopTime, Observation)> = due;
            due.into_iter().for_each(|(_, observation)| self.observe(observation));
            said.into_iter().for_each(|observation| self.observe(observation));
            self.observe(Observation::Tick);
            self.capture();
            if self.down > 0 {
                self.down -= 1;
                if self.down == 0 {
                    self.start_again();
                }
            }
        }
    }

    /// Upstream takes every charge that waits.
    fn capture(&mut self) {
        let waiting = |(charge, state): &(carryout::carts::Charge, ChargeState)| {
            (*state == ChargeState::Queued).then_some(charge.charge_id)
        };
        let visits = self.floor.books().visits.values();
        let due: Vec<ChargeId> = visits.flat_map(|visit| visit.charges.iter().filter_map(waiting)).collect();
        let captures = self.captures;
        for charge in due.into_iter().filter(|_| captures) {
            let answer = ChargeAnswer { charge, state: ChargeState::Captured, reason: None };
            self.observe(Observation::Charged(answer));
        }
    }

    /// Puts an observation through the floor, carries its effects out, checks every invariant.
    pub fn observe(&mut self, observation: Observation) {
        let event = matches!(observation, Observation::Tap(_) | Observation::Passage(_));
        if let Some(kept) = &mut self.broker {
            match observation {
                Observation::Tap(_) | Observation::Passage(_) => return kept.push(observation),
                Observation::Weights(_) | Observation::People(_) | Observation::GateClock { .. } => return,
                _ => {}
            }
        }
        if event && !self.unacked.contains(&observation) {
            self.unacked.push(observation.clone());
        }
        if self.down > 0 {
            return;
        }
        let event = event.then(|| observation.clone());
        let stamped = Stamped { arrival: ShopTime(self.world.now.0 + self.skew_us), observation };
        if self.disk.is_none() {
            self.sent.push(stamped.clone());
        }
        let effects = self.floor.apply(stamped);
        let broken = self.floor.broken_invariants();
        assert!(broken.is_empty(), "at {:.1} s: {}", self.secs(), broken.join("; "));
        if let Some(ledger) = self.disk.as_mut().and_then(|disk| disk.ledger.as_mut()) {
            match ledger.commit(&effects.entries, &effects.outbox) {
                Ok(_) => {}
                Err(LedgerError::Stopped) => return self.kill(1),
                Err(error) => panic!("at {:.1} s: {error}", self.secs()),
            }
        }
        if let Some(event) = event {
            self.unacked.retain(|known| *known != event);
        }
        self.entries.extend(effects.entries);
        self.outbox.extend(effects.outbox.iter().cloned());
        let mut replies = Vec::new();
        for effect in effects.now.into_iter().chain(effects.then) {
            match effect {
                Effect::Weigh(request) => {
                    let weighed = NearestAttributor::published().weigh(&request, &self.world.shop.catalogue);
                    replies.push((self.world.now, Observation::Weighed(weighed)));
                }
                Effect::Authorise { tap_id, amount, .. } => {
                    self.asked.push((tap_id.clone(), amount));
                    let hour = self.world.now.0 + 3_600_000_000;
                    let held = Answer::Held { authorization_id: format!("auth-{tap_id}"), amount, expires_us: hour };
                    let (ms, answer) = match self.upstream {
                        Upstream::Answers => (20, held),
                        Upstream::Declines => (20, Answer::Declined { reason: "declined".into() }),
                        Upstream::Gone => (1, Answer::Unreachable),
                        Upstream::Late(ms) => (ms, held),
                    };
                    self.answers
                        .push((self.world.now.plus_ms(ms), Observation::Authorised(Authorised { tap_id, answer })));
                }
                Effect::Decide { decision, .. } => self.decisions.push(decision),
                Effect::PublishEvent(event) => self.events.push(event),
                Effect::PublishCart(_) | Effect::Look { .. } => {}
            }
        }
        for (_, reply) in replies {
            self.observe(reply);
        }
    }

    /// The visits that `who` paid for or walked in, as one line each: what was charged, released, kept back.
    pub fn outcome(&self, who: &str) -> String {
        let token = format!("tok_{who}");
        let mine = |visit: &&carryout::floor::Visit| visit.payer.as_ref().is_some_and(|payer| payer.token == token);
        let mut visits: Vec<_> = self.floor.books().visits.values().filter(mine).collect();
        visits.sort_by_key(|visit| visit.opened);
        visits.into_iter().map(|visit| self.describe(visit)).collect::<Vec<_>>().join(" | ")
    }

    pub fn describe(&self, visit: &carryout::floor::Visit) -> String {
        let what = |receipt: &Receipt| {
            let lines = receipt.cart.lines.iter().map(|line| format!("{} {}", line.quantity, line.product));
            lines.collect::<Vec<_>>().join(", ")
        };
        let state = match (&visit.closed, visit.is_staff()) {
            (None, true) => "staff inside".to_owned(),
            (None, false) => "open".to_owned(),
            (Some((outcome, _)), _) => format!("{outcome:?}").to_lowercase(),
        };
        let mut parts = vec![state];
        match &visit.receipt {
            Some(receipt) => parts.push(format!("{}: {}", what(receipt), receipt.cart.total)),
            None => {
                let held: Vec<String> = visit.held().iter().map(|h| format!("{} {}", h.quantity, h.product)).collect();
                parts.push(held.join(", "));
            }
        }
        let captured = visit.charges.iter().filter(|(_, state)| *state == ChargeState::Captured);
        let captured: Vec<String> = captured.map(|(charge, _)| charge.total.to_string()).collect();
        if !captured.is_empty() {
            parts.push(format!("captured {}", captured.join(" + ")));
        }
        let given_back = visit.refunds.iter().filter(|(_, state)| *state != RefundState::Refused);
        let refunds: Vec<String> = given_back.map(|(refund, _)| refund.amount.to_string()).collect();
        if !refunds.is_empty() {
            parts.push(format!("refunded {}", refunds.join(" + ")));
        }
        parts.retain(|part| !part.is_empty());
        parts.join("; ")
    }

    pub fn released(&self) -> usize {
        self.outbox.iter().filter(|row| matches!(row, Outgoing::Release { .. })).count()
    }

    pub fn outcomes(&self) -> Vec<String> {
        let mut visits: Vec<_> = self.floor.books().visits.values().collect();
        visits.sort_by_key(|visit| (visit.opened, visit.id));
        visits.into_iter().map(|visit| self.describe(visit)).collect()
    }
}
