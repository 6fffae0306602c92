//! A morning in a small shop, as the floor would hand it to the ledger.

use carryout::base::*;
use carryout::carts::*;
use carryout::events::*;
use carryout::ledger::{self, Ledger, Mark};
use std::path::PathBuf;

/// 2026-03-02 08:00 UTC.
pub const MORNING: ShopTime = ShopTime(1_772_438_400_000_000);

/// A disk that never is full.
pub fn nowhere() -> std::sync::Arc<ledger::Disk> {
    std::sync::Arc::new(ledger::Disk::of(&std::env::temp_dir(), 0))
}

/// A state directory that goes when it is dropped. In memory where the system has that: these tests stop the program at
/// every write, not the disk, and hundreds of ledgers need not wait for one.
pub struct State(pub tempfile::TempDir);

impl State {
    pub fn new() -> State {
        let in_memory = tempfile::tempdir_in("/dev/shm");
        State(in_memory.or_else(|_| tempfile::tempdir()).expect("a temporary directory"))
    }
    pub fn file(&self) -> PathBuf {
        ledger::file_in(self.0.path())
    }
    pub fn open(&self) -> Ledger {
        Ledger::open(&self.file()).expect("the ledger opens")
    }
}

/// What one observation made durable.
#[derive(Clone, Debug, Default)]
pub struct Step {
    pub what: &'static str,
    pub entries: Vec<Entry>,
    pub outbox: Vec<Outgoing>,
    pub marks: Vec<Mark>,
}

pub fn shop() -> ShopId {
    ShopId::new("corner")
}

pub fn tap(who: &str) -> TapId {
    TapId::new(format!("tap-{who}"))
}

pub fn visit(who: &str) -> VisitId {
    VisitId::begun_by(&shop(), tap(who).as_str())
}

pub fn at(seconds: i64) -> ShopTime {
    MORNING.plus_ms(seconds * 1000)
}

pub fn card(who: &str) -> Credential {
    Credential {
        kind: "card".into(),
        token: format!("tok_{who}"),
        brand: Some("visa".into()),
        last4: Some(format!("{:04}", who.bytes().map(u32::from).sum::<u32>())),
    }
}

pub fn entry(seconds: i64, who: &str, fact: Fact) -> Entry {
    Entry { t: at(seconds), visit: Some(visit(who)), fact, subject: None }
}

/// `who` taps in and the gate opens.
pub fn taps_in(seconds: i64, who: &str) -> Vec<Entry> {
    let hold = Hold { authorization_id: format!("auth-{who}"), amount: Cents(5000), expires_us: at(seconds + 3600).0 };
    let asked = Fact::Asked {
        tap_id: tap(who),
        gate: GateId::new("gate-1"),
        direction: Direction::In,
        group_size: 1,
        amount: Cents(5000),
    };
    let bound = Fact::PayerBound { tap_id: Some(tap(who)), hold: Some(hold), offline: false };
    let mut entries = vec![
        entry(seconds, who, asked),
        entry(seconds, who, Fact::VisitOpened { by: Opening::Tap, gate: Some(GateId::new("gate-1")) }),
        entry(seconds, who, bound),
    ];
    entries[0].subject = Some(Subject::Credential(card(who)));
    entries
}

/// A tap that opened nothing: its credential lies under the tap's own key.
pub fn is_declined(seconds: i64, who: &str) -> Vec<Entry> {
    let fact = Fact::Decided {
        tap_id: tap(who),
        gate: GateId::new("gate-1"),
        direction: Direction::In,
        open: false,
        reason: Reason::Declined,
        valid_ms: 0,
        hold: None,
        offline: false,
        group_size: 1,
    };
    vec![Entry { t: at(seconds), visit: None, fact, subject: Some(Subject::Credential(card(who))) }]
}

pub fn stands(seconds: i64, who: &str, x: f64) -> Entry {
    let position = Position { body: BodyId(1), floor: Point2::new(x, 1.5), tracks: Vec::new() };
    Entry { subject: Some(Subject::Whereabouts(vec![position])), ..entry(seconds, who, Fact::Whereabouts) }
}

pub fn levels(seconds: i64, shelf: &str, grams: &[f64]) -> Entry {
    let plates_g = grams.iter().map(|g| Some(*g)).collect();
    let fact = Fact::Levels { shelf: ShelfId::new(shelf), plates_g };
    Entry { t: at(seconds), visit: None, fact, subject: None }
}

pub fn charge(who: &str, n: u32, total: i64) -> Charge {
    Charge {
        charge_id: ChargeId::of(visit(who), n),
        visit_id: visit(who),
        sequence: n,
        entered_us: MORNING,
        left_us: at(60),
        authorization_id: Some(format!("auth-{who}")),
        currency: "EUR".into(),
        lines: vec![ChargeLine {
            product: ProductId::new("4000000000013"),
            name: "Cola 0.5 l".into(),
            quantity: 1,
            unit_price: Cents(total),
            tax: Cents(total).tax(1900, true),
            deposit: Cents::ZERO,
            total: Cents(total),
        }],
        total: Cents(total),
        tax_total: Cents(total).tax(1900, true),
    }
}

pub fn receipt(who: &str, number: u64, status: ReceiptStatus, total: i64) -> Receipt {
    let charge = charge(who, 0, total);
    let line = &charge.lines[0];
    Receipt {
        cart: Cart {
            visit_id: visit(who),
            payer: None,
            state: CartState::Closed,
            revision: 3,
            currency: "EUR".into(),
            lines: vec![Line {
                line_id: "1".into(),
                product: line.product.clone(),
                name: line.name.clone(),
                quantity: 1,
                unit_price: line.unit_price,
                tax: line.tax,
                deposit: line.deposit,
                total: line.total,
                probability: Probability::from_f64(0.97),
                draft: false,
            }],
            total: charge.total,
            tax_total: charge.tax_total,
            t_us: charge.left_us,
        },
        receipt_id: ReceiptId::of(visit(who)),
        number,
        status,
        charge_ids: vec![charge.charge_id],
        in_doubt: vec![],
        entered_us: MORNING,
        left_us: charge.left_us,
    }
}

/// `who` leaves with one thing and owes for it.
pub fn leaves(seconds: i64, who: &str, number: u64, total: i64) -> (Vec<Entry>, Vec<Outgoing>) {
    let charge = charge(who, 0, total);
    let outbox = vec![Outgoing::Charge { charge_id: charge.charge_id, visit: visit(who) }, receipt_event(seconds, who)];
    let closed = Fact::VisitClosed { outcome: Outcome::Charged, entered_us: MORNING, left_us: at(seconds) };
    let entries = vec![
        entry(seconds, who, closed),
        entry(seconds, who, Fact::Receipt { receipt: receipt(who, number, ReceiptStatus::Final, total) }),
        entry(seconds, who, Fact::ChargeQueued { charge }),
    ];
    (entries, outbox)
}

pub fn receipt_event(seconds: i64, who: &str) -> Outgoing {
    Outgoing::Event(CartEvent {
        id: format!("{}/receipt.final", visit(who)),
        kind: "receipt.final".into(),
        subject: Some(visit(who).to_string()),
        t: at(seconds),
        data: serde_json::json!({"payer": {"kind": "card", "brand": "visa", "last4": card(who).last4}, "total": 250}),
    })
}

pub fn answered(seconds: i64, who: &str, n: u32, state: ChargeState) -> Entry {
    let reason = (state == ChargeState::Declined).then(|| "insufficient_funds".to_owned());
    entry(seconds, who, Fact::ChargeAnswered { charge_id: ChargeId::of(visit(who), n), state, reason })
}

pub fn refund(who: &str, n: u32, amount: i64) -> Refund {
    Refund {
        refund_id: RefundId::of(visit(who), n),
        visit_id: visit(who),
        charge_id: ChargeId::of(visit(who), 0),
        amount: Cents(amount),
        lines: vec![],
        reason: "it was put back".into(),
    }
}

/// One of everything: a paid visit, an empty one, a declined tap, a card that pays at the second try, a refund, a
/// supplement, an erasure.
pub fn a_morning() -> Vec<Step> {
    let step = |what, entries: Vec<Entry>, outbox| Step { what, entries, outbox, marks: vec![] };
    let started = Fact::Started { anchor_us: MORNING.0, version: "0.1.0".into() };
    let empty = Fact::VisitClosed { outcome: Outcome::Empty, entered_us: at(10), left_us: at(40) };
    let released = Fact::HoldReleased { tap_id: tap("bob"), why: "nothing taken".into() };
    let release = Outgoing::Release { authorization_or_tap: "auth-bob".into(), visit: Some(visit("bob")) };
    let (ann, ann_out) = leaves(60, "ann", 1, 250);
    let (dana, dana_out) = leaves(80, "dana", 2, 480);
    let supplement = charge("dana", 1, 120);
    let supplement_out = vec![Outgoing::Charge { charge_id: supplement.charge_id, visit: visit("dana") }];
    let mut more = receipt("dana", 2, ReceiptStatus::Adjusted, 600);
    more.charge_ids.push(supplement.charge_id);
    let refund_out = vec![Outgoing::Refund { refund_id: RefundId::of(visit("ann"), 0), visit: visit("ann") }];
    let less = receipt("ann", 1, ReceiptStatus::Adjusted, 150);
    let refunded = Fact::RefundAnswered { refund_id: RefundId::of(visit("ann"), 0), done: true };
    let mut steps = vec![
        step("the shop opens", vec![Entry { t: MORNING, visit: None, fact: started, subject: None }], vec![]),
        step("ann taps in", taps_in(1, "ann"), vec![]),
        step("ann walks", vec![stands(2, "ann", 1.0), levels(2, "3/2", &[1012.3, 0.1 + 0.2])], vec![]),
        step("bob taps in", taps_in(10, "bob"), vec![]),
        step("cem is declined", is_declined(12, "cem"), vec![]),
        step("ann walks on", vec![stands(30, "ann", 4.25), levels(30, "3/2", &[682.1, 0.3])], vec![]),
        step("bob leaves with nothing", vec![entry(40, "bob", empty), entry(40, "bob", released)], vec![release]),
        step("dana taps in", taps_in(45, "dana"), vec![]),
        step("ann leaves", ann, ann_out),
        step("ann pays", vec![answered(61, "ann", 0, ChargeState::Captured)], vec![]),
        step("dana leaves", dana, dana_out),
        step("dana is declined", vec![answered(81, "dana", 0, ChargeState::Declined)], vec![]),
        step("dana pays after all", vec![answered(82, "dana", 0, ChargeState::Captured)], vec![]),
        step(
            "something of dana's turns up",
            vec![
                entry(90, "dana", Fact::Receipt { receipt: more }),
                entry(90, "dana", Fact::ChargeQueued { charge: supplement }),
            ],
            supplement_out,
        ),
        step("nobody knows of the supplement", vec![answered(95, "dana", 1, ChargeState::Unknown)], vec![]),
        step(
            "ann gets money back",
            vec![
                entry(100, "ann", Fact::Receipt { receipt: less }),
                entry(100, "ann", Fact::RefundQueued { refund: refund("ann", 0, 100) }),
            ],
            refund_out,
        ),
        step("upstream gave it back", vec![entry(101, "ann", refunded)], vec![]),
        step("ann asks to be forgotten", vec![entry(200, "ann", Fact::Erased { why: "asked".into() })], vec![]),
    ];
    steps[10].marks = vec![Mark::Sending { row: 1 }];
    steps
}

/// Writes steps until the ledger stops; how many were acknowledged.
pub fn play(ledger: &mut Ledger, steps: &[Step]) -> Result<usize, (usize, ledger::LedgerError)> {
    for (done, step) in steps.iter().enumerate() {
        let work = ledger::Work { entries: &step.entries, outbox: &step.outbox, marks: &step.marks };
        ledger.commit_all(&[work]).map_err(|error| (done, error))?;
    }
    Ok(steps.len())
}
