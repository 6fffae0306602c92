//! A daemon's web side for tests: a sample shop, a busy snapshot, a floor that answers, books in memory, on a port of
//! the system's choice. Dropping [`Daemon`] stops it.

use carryout::base::geometry::Line as FloorLine;
use carryout::base::time::Clock;
use carryout::base::*;
use carryout::carts::*;
use carryout::events::*;
use carryout::floor::*;
use carryout::ledger::Disk;
use carryout::sensors::Incoming;
use carryout::shop::*;
use carryout::sync::SyncStatus;
use carryout::web::{Books, WebState, serve};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::sync::{broadcast, mpsc, watch};
use tokio::task::JoinHandle;

pub const TOKEN: &str = "a-token-for-tests-only";

/// The credential token in the sample ledger: must never be seen from outside.
pub const SECRET: &str = "tok_secret_of_ann";

/// The token of somebody who pays for another open visit.
pub const PAYS_ELSEWHERE: &str = "tok_pays_elsewhere";

pub const VISIT: &str = "3f0c8a52-50b1-5c64-9d0c-0a1b2c3d4e5f";
pub const CLOSED_VISIT: &str = "9d41f7be-7c66-5d0b-8a53-6b8f0a4f11c2";
pub const CHECKED_VISIT: &str = "c2aa1d0e-11f4-5a30-b9c7-2f6f0f2f9a10";

pub fn visit(text: &str) -> VisitId {
    VisitId(text.parse().expect("a uuid"))
}

fn p(x: f64, y: f64) -> Point2 {
    Point2::new(x, y)
}

fn rectangle(x: f64, y: f64, w: f64, h: f64) -> Vec<Point2> {
    vec![p(x, y), p(x + w, y), p(x + w, y + h), p(x, y + h)]
}

const GOODS: [(&str, &str, i64, i64); 10] = [
    ("4006381333931", "Sparkling water 0.5 l", 109, 25),
    ("5449000000996", "Cola 0.33 l", 139, 25),
    ("4008400404127", "Hazelnut bar", 129, 0),
    ("7622210449283", "Chocolate biscuits", 249, 0),
    ("20431108", "Cheese sandwich", 349, 0),
    ("4104420053823", "Oat drink", 199, 0),
    ("4001724819806", "Salted crisps", 219, 0),
    ("4337185400100", "Greek yoghurt with honey and walnuts, family size", 379, 0),
    ("4311501657218", "Apple", 60, 0),
    ("4045317058593", "Ground coffee", 649, 0),
];

/// Five bays of five shelves, two gates, three cameras; 9.4 by 6.2 metres.
pub fn sample_shop() -> Shop {
    let mut layout = Layout { outline: rectangle(0.0, 0.0, 9.4, 6.2), ..Layout::default() };
    for (kind, polygon) in [
        (ZoneKind::Entry, rectangle(0.0, 0.0, 1.9, 1.5)),
        (ZoneKind::Exit, rectangle(0.0, 4.7, 1.9, 1.5)),
        (ZoneKind::Staff, rectangle(7.9, 0.0, 1.5, 1.5)),
    ] {
        layout.zones.push(Zone { kind, polygon });
    }
    let out = FloorLine { from: p(0.0, 5.0), to: p(0.0, 6.0), inside: p(1.0, 5.5) };
    layout.exit_lines.push(out);
    for (id, reader, line, direction) in [
        (
            "entrance",
            p(0.35, 1.35),
            FloorLine { from: p(0.0, 0.3), to: p(0.0, 1.2), inside: p(1.0, 0.7) },
            GateDirection::In,
        ),
        ("exit", p(0.35, 4.85), out, GateDirection::Out),
    ] {
        let id = GateId::new(id);
        layout.gates.insert(id.clone(), Gate { id, reader, line, direction });
    }
    let mut catalogue = Catalogue::default();
    let tax = TaxClass { name: "standard".into(), rate_bp: 1900 };
    for (id, name, price, deposit) in GOODS {
        catalogue.insert(Product {
            id: ProductId::new(id),
            name: name.into(),
            price: Cents(price),
            tax: tax.clone(),
            deposit: Cents(deposit),
            weight_g: 330.0,
            weight_tolerance_g: 8.0,
            restricted: false,
        });
    }
    let mut planogram = Planogram::default();
    for (bay, (x, y, w, h)) in
        [(2.6, 5.5, 2.6, 0.5), (5.6, 5.5, 2.6, 0.5), (2.6, 2.9, 2.6, 0.5), (5.6, 2.9, 2.6, 0.5), (2.9, 0.2, 4.2, 0.5)]
            .into_iter()
            .enumerate()
    {
        let bay_id = BayId::new(format!("{}", bay + 1));
        layout.bays.insert(bay_id.clone(), Bay { id: bay_id.clone(), footprint: rectangle(x, y, w, h) });
        for no in 1..=5_u16 {
            let id = ShelfId::new(format!("{}-{no}", bay + 1));
            let z = 0.2 + 0.3 * f64::from(no);
            let (y, h) = (y - 0.12 + 0.02 * f64::from(no), h * 0.6);
            let corners = [[x, y, z], [x + w, y, z], [x + w, y + h, z], [x, y + h, z]].map(Point3::from);
            let plates = (1..=4).map(|plate| Plate {
                no: plate,
                centre: Point3::new(x + w * (f64::from(plate) - 0.5) / 4.0, y + h / 2.0, z),
            });
            let shelf = Shelf { id: id.clone(), bay: bay_id.clone(), corners, plates: plates.collect() };
            layout.shelves.insert(id.clone(), shelf);
            for plate in 1..=4_u16 {
                let good = GOODS[(bay * 3 + usize::from(no) * 2 + usize::from(plate)) % GOODS.len()].0;
                planogram.put(id.clone(), plate, ProductId::new(good));
            }
        }
    }
    for (id, covers) in [
        ("ceiling-west", rectangle(0.3, 0.4, 4.9, 5.4)),
        ("ceiling-east", rectangle(4.3, 0.4, 4.8, 5.4)),
        ("door", rectangle(0.0, 0.0, 2.3, 6.2)),
    ] {
        let id = CameraId::new(id);
        let kind = CameraKind::Rtsp { url: "rtsp://user:password@127.0.0.1/door".into() };
        layout.cameras.insert(id.clone(), Camera { id, kind, covers, projection: None, size: (640, 480) });
    }
    Shop {
        id: ShopId::new("corner"),
        name: "Corner shop".into(),
        currency: "EUR".into(),
        timezone: "Europe/Berlin".into(),
        tax_included: true,
        layout,
        planogram,
        catalogue,
    }
}

pub fn cart(id: VisitId, last4: Option<&str>, goods: &[(usize, i64, bool)], t: ShopTime) -> Cart {
    let lines: Vec<Line> = goods
        .iter()
        .enumerate()
        .map(|(i, &(good, quantity, draft))| {
            let (product, name, price, deposit) = GOODS[good];
            let total = Cents(price + deposit).times(quantity);
            Line {
                line_id: format!("l{}", i + 1),
                product: ProductId::new(product),
                name: name.into(),
                quantity,
                unit_price: Cents(price),
                tax: Cents(price).times(quantity).tax(1900, true),
                deposit: Cents(deposit).times(quantity),
                total,
                probability: Probability::from_f64(if i == 1 { 0.74 } else { 0.98 }),
                draft,
            }
        })
        .collect();
    let payer = last4.map(|last4| Payer { kind: "card".into(), brand: Some("visa".into()), last4: Some(last4.into()) });
    Cart {
        visit_id: id,
        payer,
        state: CartState::Shopping,
        revision: 7,
        currency: "EUR".into(),
        total: lines.iter().map(|line| line.total).sum(),
        tax_total: lines.iter().map(|line| line.tax).sum(),
        lines,
        t_us: t,
    }
}

pub fn receipt(
    id: &str,
    number: u64,
    status: ReceiptStatus,
    last4: &str,
    goods: &[(usize, i64, bool)],
    t: ShopTime,
) -> Receipt {
    let id = visit(id);
    let mut cart = cart(id, Some(last4), goods, t);
    cart.state = CartState::Closed;
    let in_doubt = if status == ReceiptStatus::BeingChecked { vec!["l2".into()] } else { Vec::new() };
    Receipt {
        cart,
        receipt_id: ReceiptId::of(id),
        number,
        status,
        charge_ids: vec![ChargeId::of(id, 0)],
        in_doubt,
        entered_us: t.plus_ms(-300_000),
        left_us: t,
    }
}

pub fn sample_receipts(now: ShopTime) -> Vec<Receipt> {
    use ReceiptStatus::*;
    let other = |n: u64| format!("00000000-0000-5000-8000-{n:012}");
    let mut receipts = vec![
        receipt(
            CLOSED_VISIT,
            1042,
            Final,
            "4242",
            &[(1, 2, false), (2, 1, false), (4, 1, false)],
            now.plus_ms(-95_000),
        ),
        receipt(CHECKED_VISIT, 1041, BeingChecked, "1881", &[(7, 1, false), (3, 2, false)], now.plus_ms(-410_000)),
    ];
    for n in 0..6 {
        let status = if n == 3 { Adjusted } else { Final };
        let goods = [(n as usize, 1 + (n as i64 % 3), false), (9 - n as usize, 1, false)];
        receipts.push(receipt(&other(n), 1040 - n, status, "0005", &goods, now.plus_ms(-900_000 * (n as i64 + 1))));
    }
    receipts
}

/// A busy minute: four visits, somebody without one, a moving shelf, a faulty one, a dark camera.
pub fn sample_snapshot(shop: &Shop, now: ShopTime) -> Snapshot {
    let [ann, bob, pair, tail] = [
        VISIT,
        "71c0ffee-0000-5000-8000-000000000002",
        "85e2b1aa-0000-5000-8000-000000000003",
        "b9dd6420-0000-5000-8000-000000000004",
    ]
    .map(visit);
    let body = |n, x, y, hands: &[[f64; 2]], visit| BodyView {
        body: BodyId(n),
        floor: p(x, y),
        hands: hands.iter().map(|[x, y]| Point3::new(*x, *y, 1.1)).collect(),
        visit,
        staff: false,
        seen: true,
    };
    let mut bodies = vec![
        body(1, 3.4, 2.3, &[[3.5, 2.75], [3.1, 2.4]], Some(ann)),
        body(2, 6.6, 4.8, &[[6.7, 5.2]], Some(bob)),
        body(3, 4.9, 1.2, &[[4.8, 0.85], [5.2, 1.1]], Some(pair)),
        body(4, 5.6, 1.45, &[], Some(pair)),
        body(5, 1.3, 3.2, &[], Some(tail)),
        body(6, 2.2, 4.3, &[], None),
        body(7, 8.5, 0.9, &[[8.3, 1.1]], None),
    ];
    bodies[4].seen = false;
    bodies[6].staff = true;
    let view = |cart: Cart, s: i64, bodies: &[u64], doubts: &[&str]| VisitView {
        cart,
        entered_us: now.plus_ms(-1000 * s),
        bodies: bodies.iter().map(|n| BodyId(*n)).collect(),
        staff: false,
        doubts: doubts.iter().map(|doubt| (*doubt).into()).collect(),
    };
    let visits = vec![
        view(
            cart(pair, Some("0005"), &[(9, 1, false), (8, 4, false), (6, 2, false), (7, 1, false)], now),
            611,
            &[3, 4],
            &[],
        ),
        view(cart(bob, Some("1881"), &[(1, 2, false)], now), 222, &[2], &[]),
        view(cart(tail, None, &[(2, 1, false)], now), 140, &[5], &["shelf 4-4 changed while the shop was blind"]),
        view(cart(ann, Some("4242"), &[(0, 1, false), (3, 1, true)], now), 48, &[1], &[]),
    ];
    let shelves = shop.layout.shelves.keys().enumerate().map(|(i, shelf)| ShelfView {
        shelf: shelf.clone(),
        online: i != 13,
        ringing: i == 11 || i == 22,
        level_g: (i != 13).then_some(3_120.0 + 871.3 * i as f64),
        last_step: (i % 3 == 0)
            .then(|| (now.plus_ms(-9_000 * (i as i64 + 1)), if i % 2 == 0 { -330.0 } else { 1_012.0 })),
        fault: (i == 18).then(|| "Plate 2 is stuck at 1204 g: unplug and plug it.".into()),
    });
    let cameras = shop.layout.cameras.keys().enumerate().map(|(i, camera)| CameraView {
        camera: camera.clone(),
        alive: i != 1,
        last_seen_us: Some(now.plus_ms(if i == 1 { -74_000 } else { -80 })),
    });
    let gates = vec![
        GateView {
            gate: GateId::new("entrance"),
            open_until_us: Some(now.plus_ms(3_600_000)),
            last: Some((now.plus_ms(-900), Reason::Ok)),
        },
        GateView {
            gate: GateId::new("exit"),
            open_until_us: None,
            last: Some((now.plus_ms(-31_000), Reason::Declined)),
        },
    ];
    Snapshot {
        t_us: now,
        state: State::Degraded,
        since_us: now.plus_ms(-74_000),
        reasons: vec![
            "Camera ceiling-west is dark since 74 s: its shelves are judged by weight alone. Check its cable and power.".into(),
            "Shelf 4-4 has a stuck plate: what is taken there goes to a human.".into(),
        ],
        bodies,
        visits,
        gates,
        shelves: shelves.collect(),
        cameras: cameras.collect(),
        receipts: sample_receipts(now),
        durable_seq: 48_213,
    }
}

/// `last4`, `date` and `amount` of a search.
pub type Asked = (Option<String>, Option<String>, Option<Cents>);

/// A ledger in memory. Receipts can be changed while served.
pub struct MemoryBooks {
    pub receipts: Mutex<Vec<Receipt>>,
    pub entries: Mutex<BTreeMap<VisitId, Vec<Entry>>>,
    /// The filters of the last search.
    pub asked: Mutex<Option<Asked>>,
}

impl MemoryBooks {
    fn sample(now: ShopTime) -> MemoryBooks {
        let receipts = sample_receipts(now);
        let mut entries: BTreeMap<VisitId, Vec<Entry>> = BTreeMap::new();
        for receipt in &receipts {
            entries.insert(receipt.cart.visit_id, entries_of(receipt, now));
        }
        MemoryBooks { receipts: Mutex::new(receipts), entries: Mutex::new(entries), asked: Mutex::default() }
    }

    fn find<T>(&self, find: impl Fn(&Entry) -> Option<T>) -> Option<T> {
        self.entries.lock().expect("entries").values().flatten().find_map(find)
    }
}

fn entries_of(receipt: &Receipt, now: ShopTime) -> Vec<Entry> {
    let visit = receipt.cart.visit_id;
    let credential = Credential {
        kind: "card".into(),
        token: SECRET.into(),
        brand: Some("visa".into()),
        last4: receipt.cart.payer.as_ref().and_then(|payer| payer.last4.clone()),
    };
    let entry = |fact, subject| Entry { t: now, visit: Some(visit), fact, subject };
    let claim = |visit, name: &str| Claim {
        visit: Some(visit),
        body: None,
        product: Some(ProductId::new(name)),
        count: 1,
        probability: Probability::from_f64(0.98),
        plates: vec![2],
        unit_price: Cents(139),
    };
    let charge = Charge {
        charge_id: ChargeId::of(visit, 0),
        visit_id: visit,
        sequence: 0,
        entered_us: receipt.entered_us,
        left_us: receipt.left_us,
        authorization_id: Some("auth-1".into()),
        currency: "EUR".into(),
        lines: Vec::new(),
        total: receipt.cart.total,
        tax_total: receipt.cart.tax_total,
    };
    let (charge_id, gate) = (charge.charge_id, GateId::new("entrance"));
    let mut entries = vec![
        entry(Fact::VisitOpened { by: Opening::Tap, gate: Some(gate) }, None),
        entry(
            Fact::PayerBound { tap_id: Some(TapId::new("t1")), hold: None, offline: false },
            Some(Subject::Credential(credential)),
        ),
        entry(
            Fact::Whereabouts,
            Some(Subject::Whereabouts(vec![Position { body: BodyId(9), floor: p(4.321, 1.0), tracks: vec![] }])),
        ),
        entry(
            Fact::Claimed {
                interaction: InteractionId(7),
                shelf: ShelfId::new("1-2"),
                how: InteractionKind::Step,
                begin: now,
                end: now,
                delta_g: -672.0,
                model: "nearest-published-1".into(),
                claims: vec![claim(visit, "5449000000996"), claim(VisitId(uuid::Uuid::nil()), "4045317058593")],
            },
            None,
        ),
    ];
    if receipt.status != ReceiptStatus::BeingChecked {
        entries.push(entry(Fact::ChargeQueued { charge }, None));
        let state = ChargeState::Captured;
        entries.push(entry(Fact::ChargeAnswered { charge_id, state, reason: None }, None));
    }
    entries
}

impl Books for MemoryBooks {
    fn receipts(&self, last4: Option<&str>, date: Option<&str>, amount: Option<Cents>) -> Result<Vec<Receipt>, String> {
        *self.asked.lock().expect("asked") = Some((last4.map(str::to_owned), date.map(str::to_owned), amount));
        let fits = |receipt: &&Receipt| {
            let payer = receipt.cart.payer.as_ref();
            last4.is_none_or(|last4| payer.is_some_and(|payer| payer.last4.as_deref() == Some(last4)))
                && amount.is_none_or(|amount| receipt.cart.total == amount)
        };
        Ok(self.receipts.lock().expect("receipts").iter().filter(fits).cloned().collect())
    }

    fn receipt(&self, id: ReceiptId) -> Result<Option<Receipt>, String> {
        Ok(self.receipts.lock().expect("receipts").iter().find(|receipt| receipt.receipt_id == id).cloned())
    }

    fn reviews(&self) -> Result<Vec<Receipt>, String> {
        let waits = |r: &&Receipt| matches!(r.status, ReceiptStatus::BeingChecked | ReceiptStatus::Contested);
        Ok(self.receipts.lock().expect("receipts").iter().filter(waits).cloned().collect())
    }

    fn charge(&self, id: ChargeId) -> Result<Option<Charge>, String> {
        Ok(self.find(|entry| match &entry.fact {
            Fact::ChargeQueued { charge } if charge.charge_id == id => Some(charge.clone()),
            _ => None,
        }))
    }

    fn visit_entries(&self, visit: VisitId) -> Result<Vec<Entry>, String> {
        Ok(self.entries.lock().expect("entries").get(&visit).cloned().unwrap_or_default())
    }
}

/// What the fake floor does with what it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FloorDoes {
    Answers,
    /// Takes everything in and never says anything.
    StaysSilent,
    /// Lets go of the acknowledgement without honouring it, as on a stop.
    DropsAcks,
}

pub struct Daemon {
    pub address: SocketAddr,
    pub books: Arc<MemoryBooks>,
    pub counters: Counters,
    pub clock: Clock,
    pub snapshot: watch::Sender<Arc<Snapshot>>,
    pub sync: watch::Sender<SyncStatus>,
    /// Everything the floor was told.
    pub told: Arc<Mutex<Vec<Observation>>>,
    stop: watch::Sender<bool>,
    serving: Option<JoinHandle<std::io::Result<()>>>,
    floor: JoinHandle<()>,
}

impl Daemon {
    pub async fn start() -> Daemon {
        Daemon::with_floor(FloorDoes::Answers).await
    }

    pub async fn with_floor(does: FloorDoes) -> Daemon {
        let clock = Clock::anchored_after(ShopTime(0));
        let shop = Arc::new(sample_shop());
        let books = Arc::new(MemoryBooks::sample(clock.now()));
        let (snapshot, snapshot_seen) = watch::channel(Arc::new(sample_snapshot(&shop, clock.now())));
        let sync = SyncStatus { reachable: Some(true), ..SyncStatus::default() };
        let (sync, sync_seen) = watch::channel(sync);
        let (floor, inbox) = mpsc::channel(16);
        let decisions = broadcast::channel(16).0;
        let (stop, stopping) = watch::channel(false);
        let told = Arc::new(Mutex::new(Vec::new()));
        let counters = Counters::default();
        let state = WebState {
            shop: shop.clone(),
            snapshot: snapshot_seen,
            sync: sync_seen,
            floor,
            decisions: decisions.clone(),
            counters: counters.clone(),
            clock,
            sessions: Arc::new(carryout::web::Sessions::new(TOKEN)),
            closed: watch::channel(None).1,
            disk: Arc::new(Disk::of(&std::env::temp_dir(), 0)),
            refused: watch::channel(None).1,
            books: books.clone(),
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port on loopback");
        let address = listener.local_addr().expect("bound");
        let serving = tokio::spawn(serve(listener, state, stopping));
        let floor = tokio::spawn(fake_floor(does, inbox, decisions, told.clone(), books.clone()));
        let serving = Some(serving);
        Daemon { address, books, counters, clock, snapshot, sync, told, stop, serving, floor }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub fn last_told(&self) -> Option<Observation> {
        self.told.lock().expect("told").last().cloned()
    }

    /// Stops as the daemon does and says how `serve` ended.
    pub async fn stop(mut self) -> std::io::Result<()> {
        self.stop.send_replace(true);
        self.serving.take().expect("stopped once").await.expect("serve did not panic")
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        self.floor.abort();
    }
}

async fn fake_floor(
    does: FloorDoes,
    mut inbox: mpsc::Receiver<Incoming>,
    decisions: broadcast::Sender<Decision>,
    told: Arc<Mutex<Vec<Observation>>>,
    books: Arc<MemoryBooks>,
) {
    let mut silent = Vec::new();
    // A visit that nobody reminded the floor of is forgotten, and what is wanted of it does not happen.
    let mut known = BTreeSet::new();
    while let Some(Incoming { stamped, ack }) = inbox.recv().await {
        let observation = stamped.observation;
        if let Observation::Recalled { visit, entries } = observation {
            assert!(entries.iter().all(|entry| entry.visit == Some(visit)));
            known.insert(visit);
            continue;
        }
        told.lock().expect("told").push(observation.clone());
        match does {
            FloorDoes::Answers => {}
            FloorDoes::StaysSilent => {
                silent.push(ack);
                continue;
            }
            FloorDoes::DropsAcks => continue,
        }
        match observation {
            Observation::Tap(tap) => {
                // Somebody else's decision first: nobody may mistake it for theirs.
                for (tap_id, open) in [(TapId::new("somebody-else"), false), (tap.tap_id, true)] {
                    let reason = if open { Reason::Ok } else { Reason::Declined };
                    let visit_id = open.then(|| visit(VISIT));
                    let t_us = stamped.arrival;
                    let _ = decisions.send(Decision { tap_id, open, valid_ms: 3_000, reason, visit_id, t_us });
                }
            }
            Observation::Bind { visit, credential } if known.contains(&visit) => books.bind(visit, credential),
            Observation::Contested { visit, .. } if known.contains(&visit) => {
                books.restate(visit, ReceiptStatus::Contested)
            }
            Observation::Reviewed { visit, .. } if known.contains(&visit) => {
                books.restate(visit, ReceiptStatus::Adjusted)
            }
            Observation::RefundAsked { charge, amount, reason, refund } => {
                let found = Books::charge(&*books, charge).expect("in memory");
                if found.is_some_and(|found| known.contains(&found.visit_id)) {
                    books.refund(charge, amount, reason, refund);
                }
            }
            _ => {}
        }
        if let Some(ack) = ack {
            ack.done();
        }
    }
}

impl MemoryBooks {
    /// As the floor does it: who still shops elsewhere is not bound, and nobody hears why.
    fn bind(&self, visit: VisitId, credential: Credential) {
        if credential.token != PAYS_ELSEWHERE {
            let fact = Fact::PayerBound { tap_id: None, hold: None, offline: false };
            let subject = Some(Subject::Credential(credential));
            let entry = Entry { t: ShopTime(0), visit: Some(visit), fact, subject };
            self.entries.lock().expect("entries").entry(visit).or_default().push(entry);
        }
    }

    fn restate(&self, visit: VisitId, status: ReceiptStatus) {
        for receipt in self.receipts.lock().expect("receipts").iter_mut() {
            if receipt.cart.visit_id == visit {
                receipt.status = status;
                receipt.cart.revision += 1;
            }
        }
    }

    fn refund(&self, charge: ChargeId, amount: Cents, reason: String, known: Option<RefundId>) {
        let found = Books::charge(self, charge).expect("in memory").expect("a known charge");
        let mut entries = self.entries.lock().expect("entries");
        let entries = entries.get_mut(&found.visit_id).expect("its visit");
        let refund_id = known.unwrap_or_else(|| RefundId::of(found.visit_id, entries.len() as u32));
        let refund =
            Refund { refund_id, visit_id: found.visit_id, charge_id: charge, amount, lines: Vec::new(), reason };
        entries.push(Entry {
            t: found.left_us,
            visit: Some(found.visit_id),
            fact: Fact::RefundQueued { refund },
            subject: None,
        });
    }
}

/// A client that talks to loopback only; no certificate is ever looked at.
pub fn client() -> reqwest::Client {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
    reqwest::Client::builder().no_proxy().tls_certs_only([]).build().expect("an http client")
}
