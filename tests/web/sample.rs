//! A sample shop of nine metres, its receipts and a busy minute in it.

use carryout::base::geometry::Line as FloorLine;
use carryout::base::*;
use carryout::carts::*;
use carryout::events::Reason;
use carryout::floor::*;
use carryout::shop::*;

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
