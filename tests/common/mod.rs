//! A stage for stories: a small shop, people who walk and reach, plates that ring, an upstream that answers as told.
//!
//! Stories are lines `second who does what`; the stage plays them through the real floor at 10 looks and 5 weight
//! batches a second, answers weigh requests with the rule, and checks every invariant after every observation.
#![allow(dead_code)]

use carryout::base::geometry::Line;
use carryout::base::*;
use carryout::carts::{ChargeState, PolicyOptions, Receipt};
use carryout::events::*;
use carryout::floor::{Books, Floor, FloorOptions};
use carryout::fusion::NearestAttributor;
use carryout::ledger::{Ledger, LedgerError};
use carryout::shop::*;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

pub fn shop() -> Shop {
    let gate = Gate {
        id: GateId::new("gate-1"),
        reader: Point2::new(0.4, 1.0),
        line: Line { from: Point2::new(1.0, 0.4), to: Point2::new(1.0, 1.6), inside: Point2::new(2.0, 1.0) },
        direction: GateDirection::Both,
    };
    let shelf = |id: &str, x: f64| Shelf {
        id: ShelfId::new(id),
        bay: BayId::new("bay"),
        corners: [[x, 3.2], [x + 0.4, 3.2], [x + 0.4, 3.6], [x, 3.6]].map(|[x, y]| Point3::new(x, y, 1.0)),
        plates: (1..=4).map(|no| Plate { no, centre: Point3::new(x + 0.1 * f64::from(no) - 0.05, 3.4, 1.0) }).collect(),
    };
    let camera = Camera {
        id: CameraId::new("eyes"),
        kind: CameraKind::People,
        covers: [[-1.0, -1.0], [9.0, -1.0], [9.0, 5.0], [-1.0, 5.0]].map(Point2::from).to_vec(),
        projection: None,
        size: (640, 480),
    };
    let mut catalogue = Catalogue::default();
    let mut planogram = Planogram::default();
    for (id, price, weight_g, shelf, plates, restricted) in [
        ("cola", 250, 538.0, "a", &[1, 2][..], false),
        ("chips", 150, 105.0, "a", &[4], false),
        ("wine", 900, 1200.0, "b", &[1], true),
        ("gum", 90, 36.0, "b", &[3], false),
        ("bread", 300, 400.0, "b", &[4], false),
    ] {
        catalogue.insert(Product {
            id: ProductId::new(id),
            name: id.to_uppercase(),
            price: Cents(price),
            tax: TaxClass { name: "standard".into(), rate_bp: 1900 },
            deposit: Cents::ZERO,
            weight_g,
            weight_tolerance_g: 5.0,
            restricted,
        });
        plates.iter().for_each(|plate| planogram.put(ShelfId::new(shelf), *plate, ProductId::new(id)));
    }
    let shelves = [shelf("a", 3.0), shelf("b", 6.0)].map(|shelf| (shelf.id.clone(), shelf));
    Shop {
        id: ShopId::new("stage"),
        name: "Stage".into(),
        currency: "EUR".into(),
        timezone: "UTC".into(),
        tax_included: true,
        layout: Layout {
            outline: [[1.0, 0.0], [8.0, 0.0], [8.0, 4.0], [1.0, 4.0]].map(Point2::from).to_vec(),
            gates: BTreeMap::from([(gate.id.clone(), gate)]),
            shelves: BTreeMap::from(shelves),
            cameras: BTreeMap::from([(camera.id.clone(), camera)]),
            ..Layout::default()
        },
        planogram,
        catalogue,
    }
}

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

pub struct Human {
    pub at: Point2,
    goal: VecDeque<Point2>,
    hand: Option<(Point3, ShopTime)>,
    /// What to do on arrival: shelf, plate, grams to add there.
    task: Option<(String, u16, f64)>,
    visible: bool,
    track: String,
}

struct Ring {
    at: ShopTime,
    grams: f64,
    plate: usize,
}

/// A shelf's physics: levels, steps under way, quiet noise.
struct Plates {
    base: Vec<f64>,
    rings: Vec<Ring>,
    seq: u64,
    online: bool,
    /// Messages kept back while the shelf is off the network.
    backlog: Vec<Observation>,
    noise: u64,
}

pub struct Stage {
    pub shop: Arc<Shop>,
    pub floor: Floor,
    pub now: ShopTime,
    pub upstream: Upstream,
    pub captures: bool,
    pub humans: BTreeMap<String, Human>,
    pub decisions: Vec<Decision>,
    pub entries: Vec<Entry>,
    pub outbox: Vec<Outgoing>,
    pub events: Vec<CartEvent>,
    pub asked: Vec<(TapId, Cents)>,
    pub sent: Vec<Stamped>,
    answers: Vec<(ShopTime, Observation)>,
    plates: BTreeMap<String, Plates>,
    taps: u32,
    people_seq: u64,
    step: u64,
    policy: PolicyOptions,
    disk: Option<Disk>,
    /// Steps of the clock for which the daemon is down.
    down: u32,
    /// Taps and passages the broker keeps until they are acknowledged.
    unacked: Vec<Observation>,
    pub restarts: u32,
    /// The camera works.
    eyes_open: bool,
}

/// A real ledger in a directory of its own.
struct Disk {
    dir: tempfile::TempDir,
    ledger: Option<Ledger>,
}

pub const START: ShopTime = ShopTime(1_790_000_000_000_000);
const STEP_US: i64 = 100_000;

impl Stage {
    pub fn new() -> Stage {
        Stage::with(PolicyOptions::default())
    }

    pub fn with(policy: PolicyOptions) -> Stage {
        let shop = Arc::new(shop());
        let options = FloorOptions { policy: policy.clone(), ..FloorOptions::default() };
        let floor = Floor::new(shop.clone(), options, Books::new(shop.clone()), Counters::default());
        let plates = |n: usize| Plates {
            base: (0..n).map(|i| 3000.0 + 777.0 * i as f64).collect(),
            rings: Vec::new(),
            seq: 0,
            online: true,
            backlog: Vec::new(),
            noise: 88172645463325252 + n as u64,
        };
        let mut stage = Stage {
            plates: shop.layout.shelves.iter().map(|(id, s)| (id.to_string(), plates(s.plates.len()))).collect(),
            shop,
            floor,
            now: START,
            upstream: Upstream::Answers,
            captures: true,
            humans: BTreeMap::new(),
            decisions: Vec::new(),
            entries: Vec::new(),
            outbox: Vec::new(),
            events: Vec::new(),
            asked: Vec::new(),
            sent: Vec::new(),
            answers: Vec::new(),
            taps: 0,
            people_seq: 0,
            step: 0,
            policy,
            disk: None,
            down: 0,
            unacked: Vec::new(),
            restarts: 0,
            eyes_open: true,
        };
        stage.observe(Observation::Started { anchor_us: START.0 });
        stage.run_to(5.0);
        stage
    }

    /// From now on everything goes through a real ledger on disk.
    pub fn on_disk(mut self) -> Stage {
        let dir = tempfile::tempdir().expect("a temporary directory");
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
        let path = self.ledger_path();
        let ledger = Ledger::open(&path).expect("the ledger opens again");
        let entries: Vec<Entry> = ledger.entries_for_recovery().map(|row| row.expect("a good entry").1).collect();
        let next = ledger.next_receipt_number().expect("a readable ledger");
        let books = Floor::recover(self.shop.clone(), entries, ledger.last_seq(), next);
        let options = FloorOptions { policy: self.policy.clone(), ..FloorOptions::default() };
        self.floor = Floor::new(self.shop.clone(), options, books, Counters::default());
        self.disk.as_mut().expect("on disk").ledger = Some(ledger);
        self.observe(Observation::Started { anchor_us: self.now.0 });
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
        self.now.secs_since(START) - 5.0
    }

    fn act(&mut self, who: &str, what: &[&str]) {
        let gate = GateId::new("gate-1");
        match what {
            ["taps", direction, with @ ..] => {
                self.taps += 1;
                let token = with.first().map_or_else(|| format!("tok_{who}"), |token| (*token).to_owned());
                let kind = if token.starts_with("tok_staff") { "staff" } else { "card" };
                let out = *direction == "out";
                self.humans.entry(who.to_owned()).or_insert_with(|| Human::at(Point2::new(0.4, 1.0), who));
                self.look();
                self.observe(Observation::Tap(Tap {
                    gate,
                    tap_id: TapId::new(format!("tap-{}", self.taps)),
                    t_us: self.now.0,
                    direction: if out { Direction::Out } else { Direction::In },
                    credential: Credential {
                        kind: kind.into(),
                        token,
                        brand: Some("visa".into()),
                        last4: Some("4242".into()),
                    },
                    group_size: 1,
                }));
            }
            ["passes", direction] => {
                self.taps += 1;
                self.observe(Observation::Passage(Passage {
                    gate,
                    passage_id: PassageId::new(format!("passage-{}", self.taps)),
                    t_us: self.now.0,
                    direction: if *direction == "out" { Direction::Out } else { Direction::In },
                }));
            }
            ["enters"] => {
                let human = self.humans.entry(who.to_owned()).or_insert_with(|| Human::at(Point2::new(0.4, 1.0), who));
                human.goal = VecDeque::from([Point2::new(2.0, 1.0)]);
            }
            ["leaves"] => {
                let human = self.humans.get_mut(who).expect("only who is here can leave");
                human.goal = VecDeque::from([Point2::new(2.0, 1.0), Point2::new(-0.8, 1.0)]);
            }
            ["goes", x, y] => {
                let to = Point2::new(x.parse().unwrap(), y.parse().unwrap());
                self.humans.get_mut(who).unwrap().goal = VecDeque::from([to]);
            }
            ["takes", product] => self.reach(who, product, None, -1.0, 1),
            ["takes", product, "from", place] => self.reach(who, product, Some(place), -1.0, 1),
            ["takes", n, product] => self.reach(who, product, None, -1.0, n.parse().unwrap()),
            ["puts", product] => self.reach(who, product, None, 1.0, 1),
            ["puts", product, "on", place] => self.reach(who, product, Some(place), 1.0, 1),
            ["is", "hidden"] => self.humans.get_mut(who).unwrap().visible = false,
            ["is", "seen"] => self.humans.get_mut(who).unwrap().visible = true,
            ["close"] => self.eyes_open = false,
            ["offline"] => self.plates.get_mut(who).unwrap().online = false,
            ["online"] => {
                let backlog = {
                    let plates = self.plates.get_mut(who).unwrap();
                    plates.online = true;
                    std::mem::take(&mut plates.backlog)
                };
                backlog.into_iter().for_each(|observation| self.observe(observation));
            }
            ["is", "gone"] if who == "upstream" => self.upstream = Upstream::Gone,
            ["declines"] => self.upstream = Upstream::Declines,
            ["answers"] => self.upstream = Upstream::Answers,
            ["is", "late", ms] => self.upstream = Upstream::Late(ms.parse().unwrap()),
            ["waits"] => {}
            _ => panic!("nobody on this stage can: {who} {what:?}"),
        }
    }

    /// Walks up to where `product` (or `place`, "a/4") is, and moves `n` units there on arrival.
    fn reach(&mut self, who: &str, product: &str, place: Option<&str>, sign: f64, n: i64) {
        let id = ProductId::new(product);
        let (shelf, plate) = match place {
            Some(place) => {
                let (shelf, plate) = place.split_once('/').expect("a place is shelf/plate");
                (shelf.to_owned(), plate.parse().unwrap())
            }
            None => {
                let mut places = self.shop.planogram.iter().filter(|(_, _, p)| **p == id);
                let (shelf, plate, _) = places.next().expect("a product has a place");
                (shelf.to_string(), plate)
            }
        };
        let centre = self.shop.layout.shelves[&ShelfId::new(&shelf)].plate(plate).unwrap().centre;
        let human = self.humans.get_mut(who).expect("only who is here can reach");
        human.goal = VecDeque::from([Point2::new(centre.x, 2.9)]);
        let grams = sign * n as f64 * self.shop.catalogue.get(&id).unwrap().weight_g;
        human.task = Some((shelf, plate, grams));
    }

    /// Whoever has arrived does what they came for: hand on the plate, and 0.3 s later the weight moves.
    fn reach_out(&mut self) {
        for human in self.humans.values_mut().filter(|human| human.goal.is_empty()) {
            let Some((shelf, plate, grams)) = human.task.take() else { continue };
            let centre = self.shop.layout.shelves[&ShelfId::new(&shelf)].plate(plate).unwrap().centre;
            human.hand = Some((centre, self.now.plus_ms(800)));
            let at = self.now.plus_ms(300);
            self.plates.get_mut(&shelf).unwrap().rings.push(Ring { at, grams, plate: usize::from(plate) - 1 });
        }
    }

    pub fn run_to(&mut self, secs: f64) {
        let until = ShopTime(START.0 + (secs * 1e6) as i64);
        while self.now < until {
            self.now = ShopTime(self.now.0 + STEP_US);
            self.step += 1;
            let due: Vec<Observation> = {
                let now = self.now;
                let (due, later) = std::mem::take(&mut self.answers).into_iter().partition(|(at, _)| *at <= now);
                self.answers = later;
                due.into_iter().map(|(_, observation)| observation).collect()
            };
            due.into_iter().for_each(|observation| self.observe(observation));
            self.humans.values_mut().for_each(Human::walk);
            self.reach_out();
            self.look();
            if self.step.is_multiple_of(2) {
                self.weigh();
            }
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

    fn look(&mut self) {
        if !self.eyes_open {
            return;
        }
        self.people_seq += 1;
        let now = self.now;
        let person = |(_, human): (&String, &Human)| Person {
            track: human.track.clone(),
            confidence: 0.9,
            floor: Some(human.at),
            head: Some(human.at.at_height(1.65)),
            hands: human.hand.filter(|(_, until)| *until > now).map(|(hand, _)| hand).into_iter().collect(),
            ..Person::default()
        };
        let people = self.humans.iter().filter(|(_, human)| human.visible).map(person).collect();
        let camera = CameraId::new("eyes");
        self.observe(Observation::People(People {
            camera,
            boot: "c".into(),
            seq: self.people_seq,
            t_us: now.0,
            people,
        }));
    }

    fn weigh(&mut self) {
        let t0 = ShopTime(self.now.0 - 2 * STEP_US);
        let messages: Vec<(String, Observation)> =
            self.plates.iter_mut().map(|(id, plates)| (id.clone(), plates.batch(id, t0))).collect();
        for (id, message) in messages {
            let plates = self.plates.get_mut(&id).unwrap();
            if plates.online { self.observe(message) } else { plates.backlog.push(message) }
        }
    }

    /// Puts an observation through the floor, carries its effects out, checks every invariant.
    pub fn observe(&mut self, observation: Observation) {
        let event = matches!(observation, Observation::Tap(_) | Observation::Passage(_));
        if event && !self.unacked.contains(&observation) {
            self.unacked.push(observation.clone());
        }
        if self.down > 0 {
            return;
        }
        let event = event.then(|| observation.clone());
        let stamped = Stamped { arrival: self.now, observation };
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
                    let weighed = NearestAttributor::published().weigh(&request, &self.shop.catalogue);
                    replies.push((self.now, Observation::Weighed(weighed)));
                }
                Effect::Authorise { tap_id, amount, .. } => {
                    self.asked.push((tap_id.clone(), amount));
                    let hour = self.now.0 + 3_600_000_000;
                    let held = Answer::Held { authorization_id: format!("auth-{tap_id}"), amount, expires_us: hour };
                    let (ms, answer) = match self.upstream {
                        Upstream::Answers => (20, held),
                        Upstream::Declines => (20, Answer::Declined { reason: "declined".into() }),
                        Upstream::Gone => (1, Answer::Unreachable),
                        Upstream::Late(ms) => (ms, held),
                    };
                    self.answers.push((self.now.plus_ms(ms), Observation::Authorised(Authorised { tap_id, answer })));
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
        if !visit.refunds.is_empty() {
            let refunds: Vec<String> = visit.refunds.iter().map(|(refund, _)| refund.amount.to_string()).collect();
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

impl Human {
    fn at(at: Point2, who: &str) -> Human {
        Human { at, goal: VecDeque::new(), hand: None, task: None, visible: true, track: format!("track-{who}") }
    }

    /// 1.3 m/s, 10 times a second.
    fn walk(&mut self) {
        let Some(goal) = self.goal.front().copied() else { return };
        let distance = self.at.distance(goal);
        if distance <= 0.13 {
            self.at = goal;
            self.goal.pop_front();
        } else {
            self.at = self.at.toward(goal, 0.13 / distance);
        }
    }
}

impl Plates {
    fn batch(&mut self, shelf: &str, t0: ShopTime) -> Observation {
        const DT_US: i64 = 16_667;
        self.seq += 1;
        let n = self.base.len();
        let mut rows = vec![Vec::with_capacity(12); n];
        for i in 0..12 {
            let t = ShopTime(t0.0 + i * DT_US);
            for (plate, row) in rows.iter_mut().enumerate() {
                let mut grams = self.base[plate] + self.noise_g();
                for ring in &self.rings {
                    let age = t.secs_since(ring.at);
                    let share = if ring.plate == plate { 1.0 } else { 0.0 };
                    let near = ring.plate.abs_diff(plate) <= 1;
                    grams += share * ring.grams * (age / 0.1).clamp(0.0, 1.0);
                    if near && (0.1..2.0).contains(&age) {
                        let amplitude = if share > 0.0 { 20.0 } else { 8.0 };
                        grams += amplitude * (-(age - 0.1) / 0.5).exp() * (age * 40.0).sin();
                    }
                }
                row.push(Some(grams as f32));
            }
        }
        let plates = rows.into_iter().zip(1..).map(|(grams, plate)| PlateSamples { plate, grams }).collect();
        let (shelf, boot, seq) = (ShelfId::new(shelf), "b1".to_owned(), self.seq);
        Observation::Weights(Weights { shelf, boot, seq, t0_us: t0.0, dt_us: DT_US, plates })
    }

    /// About +-0.8 g, from a xorshift so that every run is the same.
    fn noise_g(&mut self) -> f64 {
        self.noise ^= self.noise << 13;
        self.noise ^= self.noise >> 7;
        self.noise ^= self.noise << 17;
        (self.noise % 1000) as f64 / 1000.0 * 1.6 - 0.8
    }
}
