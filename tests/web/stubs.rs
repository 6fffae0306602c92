//! What the web side is wired to, for tests: books in memory and a floor that answers.

use super::sample::{VISIT, sample_receipts, sample_snapshot, visit};
use carryout::base::geometry::Point2;
use carryout::base::time::Clock;
use carryout::base::*;
use carryout::carts::*;
use carryout::events::*;
use carryout::floor::Snapshot;
use carryout::ledger::Disk;
use carryout::sensors::Incoming;
use carryout::shop::Shop;
use carryout::sync::SyncStatus;
use carryout::web::{Books, Sessions, WebState};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use tokio::sync::{broadcast, mpsc, watch};

pub const TOKEN: &str = "a-token-for-tests-only";

/// The credential token in the sample ledger: must never be seen from outside.
pub const SECRET: &str = "tok_secret_of_ann";

/// The token of somebody who pays for another open visit.
pub const PAYS_ELSEWHERE: &str = "tok_pays_elsewhere";

/// What the web side is given, and the other ends of it.
pub struct Wired {
    pub given: WebState,
    pub books: Arc<MemoryBooks>,
    pub snapshot: watch::Sender<Arc<Snapshot>>,
    pub sync: watch::Sender<SyncStatus>,
    /// Everything the floor was told.
    pub told: Arc<Mutex<Vec<Observation>>>,
    inbox: mpsc::Receiver<Incoming>,
}

impl Wired {
    pub fn new(shop: Arc<Shop>) -> Wired {
        let clock = Clock::anchored_after(ShopTime(0));
        let books = Arc::new(MemoryBooks::sample(clock.now()));
        let (snapshot, snapshot_seen) = watch::channel(Arc::new(sample_snapshot(&shop, clock.now())));
        let (sync, sync_seen) = watch::channel(SyncStatus { reachable: Some(true), ..SyncStatus::default() });
        let (floor, inbox) = mpsc::channel(16);
        let given = WebState {
            shop,
            snapshot: snapshot_seen,
            sync: sync_seen,
            floor,
            decisions: broadcast::channel(16).0,
            counters: Counters::default(),
            clock,
            sessions: Arc::new(Sessions::new(TOKEN)),
            closed: watch::channel(None).1,
            disk: Arc::new(Disk::of(&std::env::temp_dir(), 0)),
            refused: watch::channel(None).1,
            eyes: Default::default(),
            books: books.clone(),
        };
        Wired { given, books, snapshot, sync, told: Arc::default(), inbox }
    }

    /// The floor at work, as long as anybody can tell it something.
    pub fn floor(&mut self, does: FloorDoes) -> impl Future<Output = ()> + Send + 'static {
        let inbox = std::mem::replace(&mut self.inbox, mpsc::channel(1).1);
        fake_floor(does, inbox, self.given.decisions.clone(), self.told.clone(), self.books.clone())
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
            Some(Subject::Whereabouts(vec![Position {
                body: BodyId(9),
                floor: Point2::new(4.321, 1.0),
                tracks: vec![],
            }])),
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
