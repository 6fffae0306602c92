//! What really happened, as `truth.jsonl` says it (wire.md, truth and score).
//!
//! A visit's cart is what its bodies took and did not put back: eaten or dropped counts as taken, a hand-over is billed
//! to who took it from the shelf (`picker`); where billing the receiver differs, `cart_receiver` says so.

use super::person::{Deed, Handling, Party, Reach, Unit};
use crate::base::{Point2, ShelfId};
use crate::events::Direction;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum TruthLine {
    Visit(VisitTruth),
    Event(EventTruth),
    Body { t_us: i64, body: String, visit: String, floor: Point2 },
}

impl TruthLine {
    pub fn as_visit(&self) -> Option<&VisitTruth> {
        if let TruthLine::Visit(visit) = self { Some(visit) } else { None }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VisitTruth {
    pub case: String,
    pub visit: String,
    pub token: Option<String>,
    pub entered_us: i64,
    /// `None`: still inside when the recording ended.
    pub left_us: Option<i64>,
    pub cart: Vec<Taken>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cart_receiver: Option<Vec<Taken>>,
    pub payer: bool,
    /// Staff carry a cart of nothing whatever they do; they are not scored.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub staff: bool,
}

impl VisitTruth {
    /// Somebody who came in without a tap, behind others: whatever they carry out, nobody can be charged for it.
    pub fn has_nobody_to_pay(&self) -> bool {
        !self.payer && self.token.is_none() && !self.staff
    }
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Taken {
    pub product: String,
    pub quantity: i64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EventTruth {
    pub case: String,
    pub t_us: i64,
    pub action: String,
    pub visit: String,
    /// The receiver of a hand-off.
    pub to: Option<String>,
    pub product: String,
    pub quantity: i64,
    /// Numbers where the shelf is named `{gondola}-{shelf}`, else its name under `shelf`.
    pub gondola: Value,
    pub shelf: Value,
    pub plates: Vec<u16>,
    /// False for an unlabelled item and for what staff do: it happens and is not scored.
    #[serde(default = "yes", skip_serializing_if = "Clone::clone")]
    pub scored: bool,
}

fn yes() -> bool {
    true
}

impl EventTruth {
    /// `{gondola}-{shelf}` where both are numbers, else the shelf's name.
    pub fn shelf_id(&self) -> String {
        match (&self.gondola, &self.shelf) {
            (gondola, shelf) if gondola.is_number() => format!("{gondola}-{shelf}"),
            (_, shelf) => shelf.as_str().unwrap_or_default().to_owned(),
        }
    }
}

/// Follows every unit from shelf to pocket.
#[derive(Default)]
pub struct Truth {
    visits: BTreeMap<String, Open>,
    units: BTreeMap<u64, Owned>,
    lines: Vec<TruthLine>,
}

struct Open {
    party: Party,
    entered_us: i64,
    left_us: Option<i64>,
    inside: usize,
}

struct Owned {
    product: String,
    picker: String,
    holder: String,
}

impl Truth {
    pub fn crossed(&mut self, t_us: i64, party: &Party, direction: Direction) {
        let open = self.visits.entry(party.visit.clone()).or_insert_with(|| Open {
            party: party.clone(),
            entered_us: t_us,
            left_us: None,
            inside: 0,
        });
        match direction {
            Direction::In => open.inside += 1,
            Direction::Out => open.inside = open.inside.saturating_sub(1),
        }
        open.left_us = (open.inside == 0).then_some(t_us);
        if direction == Direction::Out {
            self.close_settled();
        }
    }

    /// `to` is the visit of whoever gets a hand-off.
    pub fn did(&mut self, t_us: i64, party: &Party, deed: &Deed, to: Option<&Party>) {
        match deed {
            Deed::Reach(reach) => {
                for unit in &reach.units {
                    match reach.handling {
                        Handling::Take if unit.in_catalogue => {
                            self.units.insert(unit.id, Owned::by(unit, party));
                        }
                        Handling::Put => {
                            self.units.remove(&unit.id);
                        }
                        Handling::Take | Handling::Restock => {}
                    }
                }
                self.lines.push(TruthLine::Event(event(t_us, party, reach)));
            }
            Deed::HandOff { unit, .. } => {
                if let (Some(owned), Some(to)) = (self.units.get_mut(&unit.id), to) {
                    owned.holder = to.visit.clone();
                }
                self.lines.push(TruthLine::Event(loose(t_us, party, "handoff", unit, to)));
            }
            Deed::Drop { unit } => self.lines.push(TruthLine::Event(loose(t_us, party, "drop", unit, None))),
            Deed::Tap { .. } | Deed::Cross { .. } | Deed::Lean { .. } | Deed::Gone => {}
        }
    }

    pub fn body(&mut self, t_us: i64, body: &str, party: &Party, floor: Point2) {
        let round = |m: f64| (m * 1000.0).round() / 1000.0;
        let floor = Point2::new(round(floor.x), round(floor.y));
        self.lines.push(TruthLine::Body { t_us, body: body.to_owned(), visit: party.visit.clone(), floor });
    }

    /// A visit is told when it is over and nobody still inside holds anything of it (which may yet be put back).
    fn close_settled(&mut self) {
        let inside: Vec<&String> =
            self.visits.iter().filter(|(_, open)| open.inside > 0).map(|(visit, _)| visit).collect();
        let pending = |visit: &String| {
            self.units.values().any(|u| {
                (&u.picker == visit || &u.holder == visit) && {
                    inside.contains(&&u.holder) || inside.contains(&&u.picker)
                }
            })
        };
        let over = self.visits.iter().filter(|(visit, open)| open.inside == 0 && !pending(visit));
        let over: Vec<String> = over.map(|(visit, _)| visit.clone()).collect();
        for visit in over {
            self.close(&visit);
        }
        let visits = &self.visits;
        self.units.retain(|_, owned| visits.contains_key(&owned.picker) || visits.contains_key(&owned.holder));
    }

    fn close(&mut self, visit: &str) {
        let Some(open) = self.visits.remove(visit) else { return };
        let cart = |mine: &dyn Fn(&Owned) -> bool| {
            let mut counts: BTreeMap<&str, i64> = BTreeMap::new();
            for owned in self.units.values().filter(|owned| mine(owned)) {
                *counts.entry(&owned.product).or_default() += 1;
            }
            let taken = |(product, quantity): (&str, i64)| Taken { product: product.to_owned(), quantity };
            counts.into_iter().map(taken).collect::<Vec<_>>()
        };
        let staff = open.party.staff;
        let picked = if staff { Vec::new() } else { cart(&|owned| owned.picker == visit) };
        let received = if staff { Vec::new() } else { cart(&|owned| owned.holder == visit) };
        self.lines.push(TruthLine::Visit(VisitTruth {
            case: open.party.case,
            visit: visit.to_owned(),
            payer: open.party.credential.is_some() && !staff,
            token: open.party.credential.map(|credential| credential.token),
            entered_us: open.entered_us,
            left_us: open.left_us,
            cart_receiver: (received != picked).then_some(received),
            cart: picked,
            staff,
        }));
    }

    /// Lines that are certain by now, oldest first.
    pub fn drain(&mut self) -> Vec<TruthLine> {
        std::mem::take(&mut self.lines)
    }

    /// The end: visits still open are told as they stand.
    pub fn finish(&mut self) {
        let rest: Vec<String> = self.visits.keys().cloned().collect();
        for visit in rest {
            self.close(&visit);
        }
    }
}

impl Owned {
    fn by(unit: &Unit, party: &Party) -> Owned {
        Owned { product: unit.product.clone(), picker: party.visit.clone(), holder: party.visit.clone() }
    }
}

/// `1-4` is gondola 1, shelf 4; anything else is a shelf by name.
fn place(shelf: &ShelfId) -> (Value, Value) {
    let parts = shelf.as_str().split_once('-').map(|(g, s)| (g.parse::<u32>(), s.parse::<u32>()));
    match parts {
        Some((Ok(gondola), Ok(number))) => (gondola.into(), number.into()),
        _ => (Value::Null, shelf.as_str().into()),
    }
}

fn event(t_us: i64, party: &Party, reach: &Reach) -> EventTruth {
    let action = match reach.handling {
        Handling::Take => "take",
        Handling::Put => "put",
        Handling::Restock => "restock",
    };
    let (gondola, shelf) = place(&reach.shelf);
    EventTruth {
        case: party.case.clone(),
        t_us,
        action: action.to_owned(),
        visit: party.visit.clone(),
        to: None,
        product: reach.units.first().map_or(String::new(), |unit| unit.product.clone()),
        quantity: reach.units.len() as i64,
        gondola,
        shelf,
        plates: reach.plates.clone(),
        scored: !party.staff && reach.units.iter().all(|unit| unit.in_catalogue),
    }
}

fn loose(t_us: i64, party: &Party, action: &str, unit: &Unit, to: Option<&Party>) -> EventTruth {
    EventTruth {
        case: party.case.clone(),
        t_us,
        action: action.to_owned(),
        visit: party.visit.clone(),
        to: to.map(|party| party.visit.clone()),
        product: unit.product.clone(),
        quantity: 1,
        gondola: Value::Null,
        shelf: Value::Null,
        plates: Vec::new(),
        scored: unit.in_catalogue,
    }
}
