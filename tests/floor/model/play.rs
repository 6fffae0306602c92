//! Plays a story of the model: the small shop behind a wire that glitches, a daemon that dies, an upstream with moods.
//!
//! A story is text, a line `seconds who does what`, so that any part of one is a story too, and a failing one can be
//! read. What nobody can do just then (leave without having come) does not happen.

use super::bookkeeper::Bookkeeper;
use super::upstream::Upstream;
use super::wire::Wire;
use crate::common::START;
use crate::common::world::{self, World};
use carryout::base::*;
use carryout::carts::PolicyOptions;
use carryout::carts::policy::{Doubt, Join};
use carryout::events::*;
use carryout::floor::{Books, Floor, FloorOptions};
use carryout::fusion::NearestAttributor;
use carryout::ledger::Ledger;
use carryout::shop::Shop;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// Entries, rows and effects of one observation, and the delivery that is acknowledged once they are durable.
struct Transaction {
    entries: Vec<Entry>,
    outbox: Vec<Outgoing>,
    then: Vec<Effect>,
    ack: Option<u64>,
    made_at_step: u64,
}

pub struct Play {
    shop: Arc<Shop>,
    world: World,
    wire: Wire,
    floor: Floor,
    options: FloorOptions,
    upstream: Upstream,
    pub bookkeeper: Bookkeeper,
    step: u64,
    /// What is on disk.
    journal: Vec<Entry>,
    /// The same by transaction, with its rows for upstream.
    written: Vec<(Vec<Entry>, Vec<Outgoing>)>,
    waiting: VecDeque<Transaction>,
    /// Steps until a transaction is durable.
    lag: u64,
    /// Steps for which the daemon is down.
    down: u64,
    deliveries: u64,
    /// Taps and passages the broker keeps until they are acknowledged.
    unacked: Vec<(u64, Observation)>,
    /// `answers`, `late`, `silent`, `twice`, `raves`.
    model: String,
    model_raved: bool,
    said_by_model: Vec<(u64, Observation)>,
    /// Every observation of this life of the daemon, the entries it made, and the books it began with.
    life: (Books, Vec<Stamped>, Vec<Entry>),
    /// Story time stands still over a night.
    nights_s: f64,
    pub observations: u64,
    pub visits: usize,
    pub restarts: u64,
}

impl Play {
    /// Plays a whole story up to closing time and the audit. `Err`: what is wrong, one sentence a line.
    pub fn story(text: &str, with_ledger: bool) -> Result<Play, String> {
        let mut play = Play::new(text);
        let check = |play: &mut Play| -> Result<(), String> {
            let complaints = [&mut play.bookkeeper.complaints, &mut play.upstream.complaints];
            let all: Vec<String> = complaints.into_iter().flat_map(std::mem::take).collect();
            if all.is_empty() { Ok(()) } else { Err(format!("at {:.1} s: {}", play.secs(), all.join("\n"))) }
        };
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let words: Vec<&str> = line.split_whitespace().collect();
            let at: f64 = words[0].parse().map_err(|_| format!("a line without a time: {line}"))?;
            while play.secs() < at {
                play.pass()?;
                check(&mut play)?;
            }
            play.act(words[1], &words[2..])?;
            check(&mut play)?;
        }
        play.closing_time()?;
        check(&mut play)?;
        play.is_repeatable()?;
        if with_ledger {
            play.is_a_ledger()?;
        }
        play.visits = play.floor.books().visits.len();
        Ok(play)
    }

    fn new(text: &str) -> Play {
        let mut policy = PolicyOptions { visit_max_min: 10, ..PolicyOptions::default() };
        for line in text.lines() {
            match line.split_whitespace().collect::<Vec<_>>()[..] {
                [_, "policy", "favours", "customers"] => policy.doubt = Doubt::Favour,
                [_, "policy", "declared", "groups"] => policy.join = Join::Declared,
                [_, "policy", "small", "caps"] => {
                    (policy.offline_credential_cap, policy.offline_shop_cap) = (Cents(2_000), Cents(5_000));
                }
                _ => {}
            }
        }
        let shop = Arc::new(world::shop());
        let options = FloorOptions { policy, ..FloorOptions::default() };
        let books = Books::new(shop.clone());
        let mut world = World::new(shop.clone(), START);
        world.pace_m = 0.26; // at twice the pace of people stories are half as long
        world.beams = text.contains("gates have beams");
        let mut play = Play {
            world,
            wire: Wire::default(),
            floor: Floor::new(shop.clone(), options.clone(), books.clone(), Counters::default()),
            options,
            upstream: Upstream::new(),
            bookkeeper: Bookkeeper::of(shop.clone()),
            step: 0,
            journal: Vec::new(),
            written: Vec::new(),
            waiting: VecDeque::new(),
            lag: 0,
            down: 0,
            deliveries: 0,
            unacked: Vec::new(),
            model: "answers".into(),
            model_raved: false,
            said_by_model: Vec::new(),
            life: (books, Vec::new(), Vec::new()),
            nights_s: 0.0,
            observations: 0,
            visits: 0,
            restarts: 0,
            shop,
        };
        play.observe(Observation::Started { anchor_us: START.0 }, None).expect("an empty shop opens");
        for _ in 0..30 {
            play.pass().expect("an empty shop is quiet"); // the scales learn their noise
        }
        play
    }

    fn secs(&self) -> f64 {
        self.world.now.secs_since(START) - 3.0 - self.nights_s
    }

    /// A tenth of a second.
    fn pass(&mut self) -> Result<(), String> {
        self.step += 1;
        let said = self.world.step();
        self.wire.send(said, self.step);
        self.hear()
    }

    /// What is due by now, from everybody, and a tick.
    fn hear(&mut self) -> Result<(), String> {
        // Nobody asks upstream anything while the daemon is down.
        let answers = if self.down == 0 { self.upstream.says(self.world.now) } else { Vec::new() };
        for answer in answers {
            self.observe(answer, None)?;
        }
        let (due, later) = std::mem::take(&mut self.said_by_model).into_iter().partition(|(at, _)| *at <= self.step);
        self.said_by_model = later;
        let due: Vec<(u64, Observation)> = due;
        for (_, answer) in due {
            self.observe(answer, None)?;
        }
        for message in self.wire.arrives(self.step) {
            self.delivered(message)?;
        }
        self.observe(Observation::Tick, None)?;
        self.write_down(self.lag)?;
        if self.down > 0 {
            self.down -= 1;
            if self.down == 0 {
                self.start_again()?;
            }
        }
        Ok(())
    }

    /// A device's message: taps and passages are kept by the broker until they are acknowledged.
    fn delivered(&mut self, message: Observation) -> Result<(), String> {
        if let Observation::Tap(tap) = &message {
            self.bookkeeper.tapped(tap, self.world.now);
        }
        self.deliveries += 1;
        let kept = matches!(message, Observation::Tap(_) | Observation::Passage(_)).then_some(self.deliveries);
        if let Some(id) = kept {
            self.unacked.push((id, message.clone()));
        }
        self.observe(message, kept)
    }

    /// Puts an observation through the floor and checks every invariant.
    fn observe(&mut self, observation: Observation, ack: Option<u64>) -> Result<(), String> {
        if self.down > 0 {
            return Ok(());
        }
        self.observations += 1;
        let stamped = Stamped { arrival: self.world.now, observation };
        self.life.1.push(stamped.clone());
        let effects = self.floor.apply(stamped);
        self.life.2.extend(effects.entries.iter().cloned());
        let broken = self.floor.broken_invariants();
        if !broken.is_empty() {
            return Err(format!("at {:.1} s: {}", self.secs(), broken.join("\n")));
        }
        let Effects { now, entries, outbox, then } = effects;
        self.waiting.push_back(Transaction { entries, outbox, then, ack, made_at_step: self.step });
        for effect in now {
            self.carry_out(effect);
        }
        if self.lag == 0 { self.write_down(0) } else { Ok(()) }
    }

    /// What was made `lag` steps ago or earlier becomes durable, and what waited for that happens.
    fn write_down(&mut self, lag: u64) -> Result<(), String> {
        while self.waiting.front().is_some_and(|t| t.made_at_step + lag <= self.step) {
            let transaction = self.waiting.pop_front().expect("just seen");
            let ack = transaction.ack;
            let then = self.commit(transaction);
            then.into_iter().for_each(|effect| self.carry_out(effect));
            self.unacked.retain(|(id, _)| Some(*id) != ack);
        }
        Ok(())
    }

    fn commit(&mut self, transaction: Transaction) -> Vec<Effect> {
        let Transaction { entries, outbox, then, .. } = transaction;
        self.bookkeeper.reads(&entries, &outbox);
        if std::env::var_os("CARRYOUT_MODEL_STORY").is_some() {
            let told = |entry: &&Entry| !matches!(entry.fact, Fact::Whereabouts);
            for entry in entries.iter().filter(told) {
                println!("{:8.1} {:?} {:?}", self.secs(), entry.visit, entry.fact);
            }
        }
        for entry in &entries {
            if let Fact::RefundAnswered { refund_id, .. } = &entry.fact {
                self.upstream.refund_is_known(*refund_id);
            }
        }
        self.journal.extend(entries.iter().cloned());
        for row in &outbox {
            let facts = self.journal.iter().rev().map(|entry| &entry.fact);
            match row {
                Outgoing::Charge { charge_id, .. } => {
                    let body = facts.clone().find_map(|fact| match fact {
                        Fact::ChargeQueued { charge } if charge.charge_id == *charge_id => Some(charge),
                        _ => None,
                    });
                    self.upstream.charge(body.expect("a charge that goes out is in the books"), self.world.now);
                }
                Outgoing::Refund { refund_id, .. } => {
                    let body = facts.clone().find_map(|fact| match fact {
                        Fact::RefundQueued { refund } if refund.refund_id == *refund_id => Some(refund),
                        _ => None,
                    });
                    self.upstream.refund(body.expect("a refund that goes out is in the books"), self.world.now);
                }
                Outgoing::Release { authorization_or_tap, .. } => self.upstream.release(authorization_or_tap),
                Outgoing::Event(_) => {}
            }
        }
        if !entries.is_empty() || !outbox.is_empty() {
            self.written.push((entries, outbox));
        }
        then
    }

    fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Authorise { tap_id, credential, amount } => {
                self.upstream.authorise(&tap_id, &credential, amount, self.world.now);
            }
            Effect::Decide { decision, .. } => self.bookkeeper.told(&decision),
            Effect::Weigh(request) => {
                let mut weighed = NearestAttributor::published().weigh(&request, &self.shop.catalogue);
                let mut times = vec![1];
                match self.model.as_str() {
                    "silent" => times.clear(),
                    "late" => times = vec![12],
                    "twice" => times = vec![1, 2],
                    "raves" => {
                        self.model_raved = true;
                        weighed = super::author::raving(&request, self.step);
                    }
                    _ => {}
                }
                let said = times.into_iter().map(|n| (self.step + n, Observation::Weighed(weighed.clone())));
                self.said_by_model.extend(said);
            }
            Effect::PublishCart(_) | Effect::PublishEvent(_) | Effect::Look { .. } => {}
        }
    }

    /// The process is gone. `written`: what was on its way to the disk had arrived there, and nothing came of it.
    fn dies(&mut self, steps: u64, written: bool) {
        for transaction in std::mem::take(&mut self.waiting) {
            if written {
                drop(self.commit(transaction));
            }
        }
        self.said_by_model.clear();
        let bookkeeper = &self.bookkeeper;
        self.upstream.caller_died(self.world.now);
        self.upstream.recall_answers(|charge| bookkeeper.charge_state(charge));
        self.down = steps.max(1);
    }

    fn start_again(&mut self) -> Result<(), String> {
        self.is_repeatable()?;
        self.restarts += 1;
        let books = self.books_of_the_journal();
        self.floor = Floor::new(self.shop.clone(), self.options.clone(), books.clone(), Counters::default());
        self.life = (books, Vec::new(), Vec::new());
        self.observe(Observation::Started { anchor_us: self.world.now.0 }, None)?;
        for (id, message) in self.unacked.clone() {
            self.observe(message, Some(id))?;
        }
        Ok(())
    }

    fn books_of_the_journal(&self) -> Books {
        let receipts = self.journal.iter().filter_map(|entry| match &entry.fact {
            Fact::Receipt { receipt } => Some(receipt.number + 1),
            _ => None,
        });
        let next_receipt = receipts.max().unwrap_or(1);
        Floor::recover(self.shop.clone(), self.journal.iter().cloned(), self.journal.len() as u64, next_receipt)
    }

    /// The same observations make the same entries; and if nothing was lost, the journal's books are the floor's.
    fn is_repeatable(&self) -> Result<(), String> {
        let (books, observations, entries) = &self.life;
        let mut again = Floor::new(self.shop.clone(), self.options.clone(), books.clone(), Counters::default());
        let repeated: Vec<Entry> =
            observations.iter().flat_map(|stamped| again.apply(stamped.clone()).entries).collect();
        if repeated != *entries {
            let n = repeated.iter().zip(entries).take_while(|(a, b)| a == b).count();
            return Err(format!("the same observations made another entry {n}: {:?}", entries.get(n)));
        }
        if self.waiting.iter().all(|t| t.entries.is_empty()) && self.journal.ends_with(entries) {
            let told = |books: &Books| {
                let mut books = books.clone();
                books.forget_before(self.world.now);
                super::told(&books)
            };
            let (live, recovered) = (told(self.floor.books()), told(&self.books_of_the_journal()));
            if let Some((a, b)) = live.iter().zip(&recovered).find(|(a, b)| a != b) {
                return Err(format!("at {:.1} s the floor knows\n  {a}\nand the journal\n  {b}", self.secs()));
            }
            if live.len() != recovered.len() {
                return Err(format!("the floor knows {} things, the journal {}", live.len(), recovered.len()));
            }
        }
        Ok(())
    }

    /// The real ledger takes the whole journal: all its own rules of money hold.
    fn is_a_ledger(&self) -> Result<(), String> {
        let dir = crate::common::in_memory();
        let path = dir.path().join("ledger.db");
        let mut ledger = Ledger::open(&path).map_err(|e| e.to_string())?;
        for (entries, outbox) in &self.written {
            ledger.commit(entries, outbox).map_err(|e| format!("the ledger refuses {entries:?}: {e}"))?;
        }
        drop(ledger);
        let report = carryout::ledger::verify(&path).map_err(|e| e.to_string())?;
        if report.is_clean() { Ok(()) } else { Err(format!("the ledger does not verify: {report:?}")) }
    }

    /// Everything works again, everybody goes home, the night passes, staff decide what is open; then the audit.
    fn closing_time(&mut self) -> Result<(), String> {
        while self.down > 0 {
            self.pass()?;
        }
        self.wire.is_mended();
        self.upstream.taps = "answers".into();
        self.upstream.charges = "captured".into();
        self.upstream.refunds = "done".into();
        self.model = "answers".into();
        self.lag = 0;
        self.world.eyes_open = true;
        for line in ["a online", "b online", "broker up"] {
            let words: Vec<&str> = line.split(' ').collect();
            self.act(words[0], &words[1..])?;
        }
        // A reader that has heard nothing sends its tap again.
        for tap in self.bookkeeper.unanswered() {
            self.delivered(Observation::Tap(tap))?;
        }
        let who: Vec<String> = self.world.humans.keys().cloned().collect();
        for who in &who {
            self.act(who, &["is", "seen"])?;
            self.act(who, &["leaves"])?;
        }
        (0..70).try_for_each(|_| self.pass())?;
        for who in &who {
            self.act(who, &["is", "away"])?;
        }
        (0..30).try_for_each(|_| self.pass())?;
        for _ in 0..150 {
            self.world.now = self.world.now.plus_ms(5_000);
            self.step += 1;
            self.hear()?;
        }
        (0..60).try_for_each(|_| self.pass())?;
        let visits: Vec<VisitId> = self.floor.books().visits.keys().copied().collect();
        for visit in visits {
            let receipt = self.floor.books().visits[&visit].receipt.clone().filter(|receipt| receipt.status.waits());
            let Some(receipt) = receipt else { continue };
            let goods = receipt.cart.lines.iter().filter(|line| line.product.as_str() != "refund");
            let lines = goods.map(|line| (line.product.clone(), line.quantity)).collect::<BTreeMap<_, _>>();
            self.staff(visit, Observation::Reviewed { visit, lines: lines.into_iter().collect() })?;
        }
        (0..60).try_for_each(|_| self.pass())?;
        let weights = self.wire.changed_g();
        self.bookkeeper.audits(&self.upstream, &weights, self.options.policy.doubt, self.model_raved);
        Ok(())
    }

    /// Staff want something of a visit: the floor is reminded of it first, as the page does.
    fn staff(&mut self, visit: VisitId, wish: Observation) -> Result<(), String> {
        let entries = self.journal.iter().filter(|entry| entry.visit == Some(visit)).cloned().collect();
        self.observe(Observation::Recalled { visit, entries }, None)?;
        self.observe(wish, None)
    }

    fn act(&mut self, who: &str, what: &[&str]) -> Result<(), String> {
        let there = self.world.humans.contains_key(who);
        match (who, what) {
            ("policy" | "gates" | "night", _) if what != ["passes"] => {}
            ("upstream", mode) => self.upstream.taps = mode.join(" "),
            ("charges", ["are", mode]) => self.upstream.charges = (*mode).into(),
            ("refunds", ["are", mode]) => self.upstream.refunds = (*mode).into(),
            ("model", [mode]) => self.model = (*mode).into(),
            ("ledger", ["lags", steps]) => self.lag = steps.parse().unwrap_or(0),
            ("daemon", ["crashes" | "dies", steps]) if self.down == 0 => {
                self.dies(steps.parse().unwrap_or(1), what[0] == "dies");
            }
            ("daemon", _) => {}
            ("shop", [state]) => {
                self.observe(Observation::Open { open: *state == "opens", why: String::new() }, None)?
            }
            ("broker", [state]) => self.observe(Observation::Broker { up: *state == "up", why: None }, None)?,
            ("staff", wish) => self.staff_wish(wish)?,
            ("night", _) => {
                self.world.now = self.world.now.plus_ms(25 * 3_600_000);
                self.nights_s += 25.0 * 3_600.0;
                self.hear()?;
            }
            ("eyes", ["close"]) => self.world.eyes_open = false,
            ("eyes", ["open"]) => self.world.eyes_open = true,
            ("eyes", ["restart"]) => self.world.camera_boot += 1,
            ("eyes", ["swap", ann, bob]) => self.wire.swap_tracks(ann, bob),
            ("eyes", ["rename", ann]) => self.wire.rename_track(ann),
            (device, ["clock", secs]) => self.wire.set_clock(device, secs.parse().unwrap_or(0.0)),
            ("a" | "b", ["weights", "are", mode]) => self.wire.set_mode(who, mode),
            ("a" | "b", ["reboots"]) => self.wire.reboot(who),
            ("a" | "b", [state @ ("offline" | "online")]) => {
                let backlog = self.world.act(who, what);
                self.wire.send(backlog, self.step);
                let (shelf, online) = (ShelfId::new(who), *state == "online");
                self.observe(Observation::ShelfOnline { shelf, online }, None)?;
            }
            (who, ["taps", "again"]) => self.wire.repeat_tap(who, self.step),
            (who, ["passes", "again"]) => self.wire.repeat_passage(who, self.step),
            (who, ["taps", direction, "late", secs]) => {
                let late: f64 = secs.parse().unwrap_or(0.0);
                let said = self.world.act(who, &["taps", direction]);
                self.wire.send_late(who, said, self.step, (late * 10.0) as u64);
            }
            (who, ["taps", direction, "for", n]) => {
                let mut said = self.world.act(who, &["taps", direction]);
                for observation in &mut said {
                    if let Observation::Tap(tap) = observation {
                        tap.group_size = n.parse().unwrap_or(1);
                    }
                }
                self.wire.send_late(who, said, self.step, 0);
                self.arrive()?;
            }
            (who, ["taps", ..] | ["passes", _]) => {
                let said = self.world.act(who, what);
                self.wire.send_late(who, said, self.step, 0);
                self.arrive()?;
            }
            (_, ["enters" | "comes"] | ["waits"]) => drop(self.world.act(who, what)),
            (_, ["leaves"] | ["goes", ..] | ["takes", ..] | ["puts", ..] | ["is", ..]) if there => {
                drop(self.world.act(who, what));
            }
            _ => {}
        }
        Ok(())
    }

    fn arrive(&mut self) -> Result<(), String> {
        self.wire.arrives(self.step).into_iter().try_for_each(|message| self.delivered(message))
    }

    /// The n-th visit as the books know them, whoever that is.
    fn staff_wish(&mut self, wish: &[&str]) -> Result<(), String> {
        if self.down > 0 || wish.len() < 2 {
            return Ok(());
        }
        let visits = &self.floor.books().visits;
        let n: usize = wish[1].parse().unwrap_or(0);
        let Some(visit) = visits.values().nth(n % visits.len().max(1)) else { return Ok(()) };
        let id = visit.id;
        let word = |n: usize| wish.get(n).copied().unwrap_or_default();
        let lines = |quantity: i64| -> Vec<(ProductId, i64)> {
            let goods = visit.receipt.iter().flat_map(|receipt| &receipt.cart.lines);
            let goods = goods.filter(|line| line.product.as_str() != "refund");
            let named = goods.map(|line| (line.product.clone(), quantity)).chain([(ProductId::new("gum"), quantity)]);
            named.collect::<BTreeMap<_, _>>().into_iter().collect() // the page names a product once
        };
        let wish = match wish[0] {
            "binds" => {
                let credential =
                    Credential { kind: "card".into(), token: word(2).into(), brand: None, last4: Some("1111".into()) };
                Observation::Bind { visit: id, credential }
            }
            "contests" => Observation::Contested { visit: id, lines: lines(0) },
            "reviews" => Observation::Reviewed { visit: id, lines: lines(word(2).parse().unwrap_or(0)) },
            "refunds" => {
                let Some((charge, _)) = visit.charges.first() else { return Ok(()) };
                let (charge, amount) = (charge.charge_id, Cents(word(2).parse().unwrap_or(1)));
                Observation::RefundAsked { charge, amount, reason: "as staff saw fit".into(), refund: None }
            }
            _ => return Ok(()),
        };
        self.staff(id, wish)
    }
}
