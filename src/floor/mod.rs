//! The one owner of live state: bodies, scales, interactions, visits, carts. `apply(Observation) -> Effects`, no more.
//!
//! No I/O, no clock, no randomness. What must survive is emitted as entries and known through [`Books`], which the same
//! entries rebuild after a restart; what may be lost (bodies, drafts, open steps) is seen again or weighed again.
//! `taps` decides who may come in, `doors` sees them in and out, `shelves` turns weights into claims, `leaving` closes
//! visits and bills them; `dark` is what is done about the time when nobody looked.

mod books;
mod clocks;
mod dark;
mod doors;
mod invariants;
mod leaving;
mod missing;
mod money;
mod shelves;
mod snapshot;
mod taps;
mod view;

pub use books::{Books, Visit};
pub use clocks::DeviceClocks;
pub use snapshot::{BodyView, CameraView, GateView, ShelfView, Snapshot, State, VisitView};

use crate::base::limits::{self, CAMERA_DEAD_MS};
use crate::base::time::{MS_US, SECOND_US};
use crate::base::{BodyId, CameraId, Counters, GateId, ShopTime, VisitId};
use crate::carts::PolicyOptions;
use crate::events::{CartEvent, Effect, Effects, Entry, Fact, Observation, Outgoing, Position, Stamped, Subject};
use crate::fusion::{DetectorKind, StepOptions};
use crate::shop::Shop;
use crate::tracking::Plan;
use clocks::{DeviceClock, SenderTime};
use dark::Dark;
use doors::{Crossing, Followed, GateState, Passing};
use shelves::ShelfDesk;
use std::collections::BTreeMap;
use std::sync::Arc;
use taps::Asking;

/// Whereabouts are journalled this often while somebody is inside.
const WHEREABOUTS_US: i64 = SECOND_US;
/// A gate's clock is journalled anew when it is this far from where it was, us: less makes no tap older or younger.
const CLOCK_NOTED_US: i64 = 500_000;
/// A body in no visit is forgotten when unseen for this long.
const STRANGER_US: i64 = 5 * SECOND_US;

#[derive(Clone, Debug, Default)]
pub struct FloorOptions {
    pub policy: PolicyOptions,
    pub steps: StepOptions,
    /// The published one is for the yardstick: never for a shop.
    pub detector: DetectorKind,
    pub device_clocks: DeviceClocks,
}

pub struct Floor {
    shop: Arc<Shop>,
    options: FloorOptions,
    books: Books,
    plan: Plan,
    clocks: BTreeMap<Device, DeviceClock>,
    /// Set by the first stamped message when the senders' clocks count.
    sender_time: Option<SenderTime>,
    last_tick: ShopTime,
    cameras: BTreeMap<CameraId, CameraState>,
    gates: BTreeMap<GateId, GateState>,
    asking: BTreeMap<crate::base::TapId, Asking>,
    crossings: Vec<Crossing>,
    passing: Vec<Passing>,
    /// Passages of somebody whom no camera has found yet.
    owed: Vec<Passing>,
    followed: BTreeMap<BodyId, BTreeMap<CameraId, Followed>>,
    /// Bodies that crossed out and may come back, by when they crossed.
    stepping_out: BTreeMap<BodyId, ShopTime>,
    /// Bodies that crossed in where a beam counts, which it has not: when, and through which gate.
    stepping_in: BTreeMap<BodyId, (ShopTime, GateId)>,
    /// How many of each open visit beams have counted in and out.
    counted: BTreeMap<VisitId, doors::Counted>,
    dark: Dark,
    desk: ShelfDesk,
    counters: Counters,
    started: ShopTime,
    /// Upstream last gave no answer since then; `None`: it answers.
    offline_since: Option<ShopTime>,
    /// Nobody new comes in, and why.
    closed: Option<String>,
    broker_up: bool,
    /// What is to be done about a broker that is away, where it is known.
    broker_why: Option<String>,
    durable_seq: u64,
    state: (State, ShopTime),
    known_unhealthy: BTreeMap<String, String>,
    last_whereabouts: ShopTime,
    last_tidy: ShopTime,
    now: ShopTime,
    fx: Effects,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Device {
    Shelf(crate::base::ShelfId),
    Gate(GateId),
    Camera(CameraId),
}

#[derive(Clone, Debug, Default)]
struct CameraState {
    /// Arrival and event time of the last look.
    last: Option<(ShopTime, ShopTime)>,
}

impl CameraState {
    /// Event time of its last look, if that arrived within the last second.
    fn live(&self, now: ShopTime) -> Option<ShopTime> {
        let (arrival, event) = self.last?;
        (now.since(arrival) <= CAMERA_DEAD_MS * MS_US).then_some(event)
    }
}

impl Floor {
    /// A floor that goes on from `books` (empty ones for a new shop). The first observation must be `Started`.
    pub fn new(shop: Arc<Shop>, options: FloorOptions, books: Books, counters: Counters) -> Floor {
        let desk = ShelfDesk::new(&shop, &options, &books);
        let plan = Plan::numbered_from(books.next_body);
        let remembered = books.gate_clocks.iter().map(|(gate, (noted, offset_us))| {
            (Device::Gate(gate.clone()), DeviceClock::remembered(*noted, *offset_us))
        });
        Floor {
            gates: shop.layout.gates.keys().map(|id| (id.clone(), GateState::default())).collect(),
            cameras: shop.layout.cameras.keys().map(|id| (id.clone(), CameraState::default())).collect(),
            clocks: remembered.collect(),
            sender_time: None,
            last_tick: ShopTime(0),
            asking: BTreeMap::new(),
            crossings: Vec::new(),
            passing: Vec::new(),
            owed: Vec::new(),
            followed: BTreeMap::new(),
            stepping_out: BTreeMap::new(),
            stepping_in: BTreeMap::new(),
            counted: BTreeMap::new(),
            dark: Dark::default(),
            started: ShopTime(0),
            offline_since: None,
            closed: None,
            broker_up: true,
            broker_why: None,
            durable_seq: 0,
            state: (State::Up, ShopTime(0)),
            known_unhealthy: BTreeMap::new(),
            last_whereabouts: ShopTime(0),
            last_tidy: ShopTime(0),
            now: books.last,
            fx: Effects::default(),
            shop,
            options,
            books,
            plan,
            desk,
            counters,
        }
    }

    /// Books as the ledger's entries tell them, oldest first; `last_seq` keeps body and interaction numbers rising.
    pub fn recover(
        shop: Arc<Shop>,
        entries: impl IntoIterator<Item = Entry>,
        last_seq: u64,
        next_receipt: u64,
    ) -> Books {
        let mut books = Books::new(shop);
        entries.into_iter().for_each(|entry| books.note(&entry));
        books.next_receipt = books.next_receipt.max(next_receipt);
        books.next_body = books.next_body.max(last_seq + 1);
        books.next_interaction = books.next_interaction.max(last_seq + 1);
        books
    }

    pub fn books(&self) -> &Books {
        &self.books
    }

    /// Takes in one observation. Arrival times never run backwards; an earlier one is taken as now.
    pub fn apply(&mut self, stamped: Stamped) -> Effects {
        if self.sender_time.is_none() {
            self.now = self.now.max(stamped.arrival);
        }
        if self.options.device_clocks == DeviceClocks::Sender {
            self.follow_senders(&stamped);
        }
        match stamped.observation {
            Observation::Started { anchor_us } => self.start(anchor_us),
            Observation::Weights(weights) => self.weights(weights),
            Observation::ShelfOnline { shelf, online } => self.desk.set_online(&shelf, online),
            Observation::Tap(tap) => self.tap(tap),
            Observation::Passage(passage) => self.passage(passage),
            Observation::GateClock { gate, t_us } => drop(self.event_time(Device::Gate(gate), t_us)),
            Observation::People(people) => self.people(people),
            Observation::Weighed(weighed) => self.weighed(weighed),
            Observation::Authorised(authorised) => self.authorised(authorised),
            Observation::Charged(answer) => self.charged(answer),
            Observation::Refunded { refund, done } => self.refunded(refund, done),
            Observation::Recalled { visit, entries } => self.books.recall(visit, &entries),
            Observation::Bind { visit, credential } => self.bind(visit, credential),
            Observation::Reviewed { visit, lines } => self.reviewed(visit, &lines),
            Observation::Contested { visit, lines } => self.contested(visit, &lines),
            Observation::RefundAsked { charge, amount, reason, refund } => {
                self.refund_asked(charge, amount, reason, refund)
            }
            Observation::Broker { up, why } => self.broker(up, why),
            Observation::Open { open, why } => self.closed = (!open).then_some(why),
            Observation::Durable { seq } => self.durable_seq = self.durable_seq.max(seq),
            Observation::Tick => self.tick(),
        }
        std::mem::take(&mut self.fx)
    }

    /// Shop time by the senders' clocks, with as many ticks as it has moved on by.
    fn follow_senders(&mut self, stamped: &Stamped) {
        let sent = stamped.observation.sent_us();
        if let (None, Some(device_us)) = (&self.sender_time, sent) {
            self.sender_time = Some(SenderTime::from_first(device_us, stamped.arrival));
        }
        let Some(time) = &mut self.sender_time else { return };
        let until = time.now(sent, stamped.arrival);
        let step = limits::TICK.as_micros() as i64;
        while self.last_tick.0 > 0 && until.since(self.last_tick) > step {
            self.now = self.now.max(ShopTime(self.last_tick.0 + step));
            self.tick();
        }
        self.now = self.now.max(until);
    }

    fn start(&mut self, anchor_us: i64) {
        let down_us = anchor_us - self.books.last.0;
        self.started = self.now;
        self.state.1 = self.now;
        self.emit(None, Fact::Started { anchor_us, version: env!("CARGO_PKG_VERSION").into() }, None);
        let inside = self.books.open_visits().flat_map(Visit::inside).collect();
        self.look_for(inside, down_us);
        self.reopen_gates();
        for (t, gate) in self.books.came_in.clone() {
            self.expect_who_passed(&gate, t);
        }
        self.ask_again();
    }

    fn tick(&mut self) {
        self.last_tick = self.now;
        self.taps_tick();
        self.doors_tick();
        self.find_who_was_inside();
        self.shelves_tick();
        self.leaving_tick();
        self.strangers_tick();
        if self.now.since(self.last_whereabouts) >= WHEREABOUTS_US {
            self.last_whereabouts = self.now;
            self.note_whereabouts();
            self.health_tick();
        }
        if self.now.since(self.last_tidy) >= 3600 * SECOND_US {
            self.last_tidy = self.now;
            self.books.forget_before(self.now);
        }
    }

    fn note_whereabouts(&mut self) {
        let open: Vec<VisitId> = self.books.open_visits().map(|visit| visit.id).collect();
        open.into_iter().for_each(|visit| self.note_whereabouts_of(visit));
    }

    fn note_whereabouts_of(&mut self, id: VisitId) {
        let visit = &self.books.visits[&id];
        let at = |body: BodyId| {
            // Where somebody was before a restart is journalled; to say it again would make it look seen.
            let body = self.plan.body(body).filter(|body| !body.restored)?;
            let tracks = body.fresh_tracks(self.now).cloned().collect();
            Some(Position { body: body.id, floor: round_cm(body.last().floor), tracks })
        };
        let positions: Vec<Position> = visit.inside().filter_map(at).collect();
        let known = |p: &Position| visit.bodies[&p.body].last_at.as_ref().is_some_and(|(_, at)| at == p);
        if !positions.is_empty() && !positions.iter().all(known) {
            self.emit(Some(id), Fact::Whereabouts, Some(Subject::Whereabouts(positions)));
        }
    }

    /// Forgets bodies nobody needs: outside any open visit and unseen for 5 s. Who has left is not looked for any more.
    fn strangers_tick(&mut self) {
        let has_left = |body| self.books.open_visit_of(body).is_none() && self.books.visit_of(body).is_some();
        self.plan.depart(has_left);
        let stale: Vec<BodyId> = self
            .plan
            .bodies()
            .filter(|body| self.now.since(body.last().t) > STRANGER_US && self.books.open_visit_of(body.id).is_none())
            .filter(|body| {
                // A visit that has just closed may still get a correction: its bodies are kept for a minute.
                let visited = self.books.visit_of(body.id).is_some();
                !visited || self.now.since(body.last().t) > 60 * SECOND_US
            })
            .map(|body| body.id)
            .collect();
        for body in stale {
            self.plan.forget(body);
            self.followed.remove(&body);
            self.stepping_out.remove(&body);
            self.stepping_in.remove(&body);
        }
        let open = |visit: &VisitId| self.books.visits.get(visit).is_some_and(|visit| visit.is_open());
        self.desk.claimed.retain(|visit, _| open(visit));
        self.counted.retain(|visit, _| open(visit));
    }

    /// Shop time of a device's stamp; `None` (counted) when it is dated ahead.
    fn event_time(&mut self, device: Device, t_us: i64) -> Option<ShopTime> {
        if let Some(time) = &self.sender_time {
            return Some(time.event_time(t_us));
        }
        let name = match &device {
            Device::Shelf(id) => format!("shelf {id}"),
            Device::Gate(id) => format!("gate {id}"),
            Device::Camera(id) => format!("camera {id}"),
        };
        let clock = self.clocks.entry(device.clone()).or_default();
        let jumps = clock.jumps;
        let time = clock.event_time(t_us, self.now);
        if clock.jumps > jumps {
            self.counters.count("clock.jumps");
        }
        if let (Device::Gate(gate), Some(offset_us)) = (device, clock.offset_us())
            && self.books.gate_clocks.get(&gate).is_none_or(|(_, known)| (offset_us - known).abs() >= CLOCK_NOTED_US)
        {
            self.emit(None, Fact::GateClock { gate, offset_us }, None);
        }
        time.inspect_err(|_| {
            self.counters
                .refuse("clock.future_dated", format!("{name} is more than 5 s ahead of its own line; set its clock"));
        })
        .ok()
    }

    /// Cameras that looked within the last second, with the event time of their last look.
    fn live_cameras(&self) -> impl Iterator<Item = (&CameraId, ShopTime)> {
        self.cameras.iter().filter_map(|(id, camera)| Some((id, camera.live(self.now)?)))
    }

    /// Event times of those of these cameras that are live.
    fn live_of<'a>(&'a self, cameras: &'a [CameraId]) -> impl Iterator<Item = ShopTime> + 'a {
        cameras.iter().filter_map(|id| self.cameras.get(id)?.live(self.now))
    }

    fn emit(&mut self, visit: Option<VisitId>, fact: Fact, subject: Option<Subject>) {
        let entry = Entry { t: self.now, visit, fact, subject };
        self.books.note(&entry);
        self.fx.entries.push(entry);
    }

    fn doubt(&mut self, visit: VisitId, why: &str, shelf: Option<&crate::base::ShelfId>) {
        let known = self.books.visits.get(&visit).is_some_and(|v| v.doubts.iter().any(|doubt| doubt == why));
        if !known {
            self.emit(Some(visit), Fact::Doubted { why: why.into(), shelf: shelf.cloned() }, None);
        }
    }

    /// An event for the broker (once durable) and for upstream (by the outbox). `nth` tells two of a kind apart.
    fn tell(&mut self, kind: &str, subject: String, nth: u64, data: serde_json::Value) {
        let id = format!("{}/{subject}/{kind}/{nth}", self.shop.id);
        let event = CartEvent { id, kind: kind.into(), subject: Some(subject), t: self.now, data };
        self.fx.outbox.push(Outgoing::Event(event.clone()));
        self.fx.then.push(Effect::PublishEvent(event));
    }

    /// Publishes a visit's cart with its drafts; `settled` ones wait for the ledger and are told as an event too.
    fn publish_cart(&mut self, visit: VisitId, settled: bool) {
        let Some(known) = self.books.visits.get(&visit) else { return };
        let cart = self.books.cart(known, &self.desk.drafts_of(known), self.now);
        if settled {
            let data = serde_json::to_value(&cart).expect("a cart is JSON");
            self.tell("cart.changed", visit.to_string(), cart.revision, data);
            self.fx.then.push(Effect::PublishCart(cart));
        } else {
            self.fx.now.push(Effect::PublishCart(cart));
        }
    }
}

/// Positions in the journal are good to a centimetre; more would only grow it.
fn round_cm(p: crate::base::Point2) -> crate::base::Point2 {
    let cm = |m: f64| (m * 100.0).round() / 100.0;
    crate::base::Point2::new(cm(p.x), cm(p.y))
}
