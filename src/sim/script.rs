//! Scripts: `case,t_s,action,gondola,shelf,plates,product,quantity,weight_g,shopper` (wire.md, scripts).
//!
//! Script time is order, not a stopwatch. Rows keep their order; two shoppers in one second act at once; a shopper who
//! has to walk comes later, and what follows in the file follows in the shop. Entering and leaving are supplied. What
//! cannot happen is refused with case, line and reason before anything is played.
//!
//! Beside what happens at shelves, a row may say who a shopper is ([`Role`]), before anything else of theirs:
//! `with:<shopper>` comes in with them on one card, `child:<shopper>` too and is a child, `tailgate:<shopper>` slips in behind
//! them, `no-tap` walks in, `pays-at-exit` taps on the way out, `staff` fills shelves (`restock`).

use super::chance::Chance;
use super::person::{Party, Person, Stature};
use super::plan::{AT_READER_US, Body, Goods, Planner};
use super::world::{WALK_M_S, World};
use crate::base::{PlateNo, ProductId, ShelfId};
use crate::events::Credential;
use crate::shop::problems::shown;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

/// Quiet before anybody comes, us: scales learn where they stand.
pub const QUIET_US: i64 = 10_000_000;
/// Quiet after the last one left, us: shelves calm down (2 s), visits close (3 s), receipts are written.
const AFTER_US: i64 = 8_000_000;

#[derive(Clone, Debug)]
pub struct Script {
    /// In the order of the file.
    pub cases: Vec<Case>,
}

#[derive(Clone, Debug)]
pub struct Case {
    pub name: String,
    rows: Vec<Row>,
}

#[derive(Clone, Debug)]
struct Row {
    line: u64,
    t_us: i64,
    action: Action,
    gondola: String,
    shelf: String,
    plates: Vec<PlateNo>,
    product: String,
    quantity: u32,
    weight_g: Option<f64>,
    shopper: String,
}

#[derive(Clone, Debug, PartialEq)]
enum Action {
    Take,
    /// Lifted gram by gram.
    SlowTake,
    Put,
    Restock,
    HandOff(String),
    Drop,
    Lean,
    Enter,
    Exit,
    Role(Role),
}

/// Who a shopper is, where that is not somebody with a card of their own.
#[derive(Clone, Debug, PartialEq)]
enum Role {
    With(String),
    Child(String),
    Tailgate(String),
    NoTap,
    PaysAtExit,
    Staff,
}

impl Role {
    /// Through whose opening they come in.
    fn leader(&self) -> Option<&str> {
        match self {
            Role::With(leader) | Role::Child(leader) | Role::Tailgate(leader) => Some(leader),
            Role::NoTap | Role::PaysAtExit | Role::Staff => None,
        }
    }
}

/// What may stand under `action`.
const ACTIONS: &str = "take, slow-take, put, restock, handoff:<shopper>, drop, lean, enter, exit, with:<shopper>, \
                       child:<shopper>, tailgate:<shopper>, no-tap, pays-at-exit or staff";

impl Action {
    fn parse(text: &str) -> Option<Action> {
        let named = |to: &str| Some(to.trim().to_owned()).filter(|to| !to.is_empty());
        Some(match text.split_once(':') {
            Some(("handoff", to)) => Action::HandOff(named(to)?),
            Some(("with", to)) => Action::Role(Role::With(named(to)?)),
            Some(("child", to)) => Action::Role(Role::Child(named(to)?)),
            Some(("tailgate", to)) => Action::Role(Role::Tailgate(named(to)?)),
            Some(_) => return None,
            None => match text {
                "take" => Action::Take,
                "slow-take" => Action::SlowTake,
                "put" => Action::Put,
                "restock" => Action::Restock,
                "drop" => Action::Drop,
                "lean" => Action::Lean,
                "enter" => Action::Enter,
                "exit" => Action::Exit,
                "no-tap" => Action::Role(Role::NoTap),
                "pays-at-exit" => Action::Role(Role::PaysAtExit),
                "staff" => Action::Role(Role::Staff),
                _ => return None,
            },
        })
    }

    /// Whether it needs something to act on.
    fn is_of_goods(&self) -> bool {
        !matches!(self, Action::Enter | Action::Exit | Action::Lean | Action::Role(_))
    }
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("script line {line}, case {case}: {reason}", case = shown(case))]
pub struct ScriptError {
    pub case: String,
    pub line: u64,
    pub reason: String,
}

/// A case in time: play these people from `start_us` to `until_us`.
#[derive(Clone, Debug)]
pub struct Planned {
    pub people: Vec<Person>,
    pub until_us: i64,
    /// The seed of this case, for its playback.
    pub seed: u64,
}

const COLUMNS: [&str; 10] =
    ["case", "t_s", "action", "gondola", "shelf", "plates", "product", "quantity", "weight_g", "shopper"];

impl Script {
    pub fn read(path: &Path) -> Result<Script, ScriptError> {
        let text = std::fs::read_to_string(path).map_err(|err| ScriptError {
            case: String::new(),
            line: 0,
            reason: format!("reading {}: {err}", path.display()),
        })?;
        Script::parse(&text)
    }

    pub fn parse(text: &str) -> Result<Script, ScriptError> {
        let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).flexible(true).from_reader(text.as_bytes());
        let at = |line: u64, case: &str, reason: String| ScriptError { case: case.to_owned(), line, reason };
        let headers = reader.headers().map_err(|err| at(1, "", err.to_string()))?.clone();
        let mut column = [0; COLUMNS.len()];
        for (place, name) in column.iter_mut().zip(COLUMNS) {
            let mut found = headers.iter().enumerate().filter(|(_, header)| *header == name).map(|(at, _)| at);
            let (first, second) = (found.next(), found.next());
            if second.is_some() {
                return Err(at(1, "", format!("column {name} is there twice")));
            }
            *place = first.ok_or_else(|| at(1, "", format!("column {name} is missing: {}", COLUMNS.join(","))))?;
        }
        let mut cases: Vec<Case> = Vec::new();
        for record in reader.records() {
            let record = record.map_err(|err| at(err.position().map_or(0, |p| p.line()), "", err.to_string()))?;
            let line = record.position().map_or(0, |position| position.line());
            let cell = |k: usize| record.get(column[k]).unwrap_or("");
            let name = cell(0).to_owned();
            let row = row(line, &cell).map_err(|reason| at(line, &name, reason))?;
            match cases.iter_mut().find(|case| case.name == name) {
                Some(case) => case.rows.push(row),
                None => cases.push(Case { name, rows: vec![row] }),
            }
        }
        Ok(Script { cases })
    }
}

fn row<'a>(line: u64, cell: &dyn Fn(usize) -> &'a str) -> Result<Row, String> {
    let number = |k: usize| {
        let text: &str = cell(k);
        let value = text.parse::<f64>().ok().filter(|value| value.is_finite() && *value >= 0.0);
        value.ok_or_else(|| format!("{} \"{}\" is not a number from 0 up", COLUMNS[k], shown(text)))
    };
    let action =
        Action::parse(cell(2)).ok_or_else(|| format!("unknown action \"{}\"; it may be {ACTIONS}", shown(cell(2))))?;
    let goods = action.is_of_goods();
    let plates = cell(5).split_whitespace().map(|plate| plate.parse::<PlateNo>());
    let plates =
        plates.collect::<Result<Vec<_>, _>>().map_err(|_| format!("plates \"{}\" are not numbers", shown(cell(5))))?;
    let quantity = match cell(7) {
        "" => 1,
        text => text
            .parse::<u32>()
            .ok()
            .filter(|n| (1..=50).contains(n))
            .ok_or_else(|| format!("quantity \"{}\" is not a whole number from 1 to 50", shown(text)))?,
    };
    if goods && cell(6).is_empty() {
        return Err(format!("{} of nothing: product is empty", cell(2)));
    }
    if cell(9).is_empty() {
        return Err("shopper is empty".to_owned());
    }
    Ok(Row {
        line,
        t_us: (number(1)? * 1e6) as i64,
        action,
        gondola: cell(3).to_owned(),
        shelf: cell(4).to_owned(),
        plates,
        product: cell(6).to_owned(),
        quantity,
        weight_g: if cell(8).is_empty() { None } else { Some(number(8)?) },
        shopper: cell(9).to_owned(),
    })
}

impl Case {
    /// Puts the case into time. Same seed, same plan; cases of one seed are different days.
    pub fn plan(&self, world: &Arc<World>, seed: u64, start_us: i64) -> Result<Planned, ScriptError> {
        let seed = Chance::seed_of(seed, &self.name);
        let mut planner = Planner::new(world.clone(), seed);
        let roles = self.roles()?;
        let zero_us = self.enter_all(&mut planner, world, &roles, start_us)?;
        let mut left: BTreeMap<&str, u64> = BTreeMap::new();
        let mut latest_us = zero_us;
        let mut entered: BTreeSet<&str> = BTreeSet::new();
        for row in &self.rows {
            let fail = |reason: String| self.refuse(row, reason);
            for shopper in row.shoppers() {
                if let Some(line) = left.get(shopper) {
                    return Err(fail(format!("shopper {shopper} has left the shop on line {line}")));
                }
                if row.action == Action::Enter && entered.contains(shopper) {
                    return Err(fail(format!("shopper {shopper} is inside already")));
                }
                entered.insert(shopper);
            }
            let body = body(&row.shopper);
            let not_before_us = latest_us.max(zero_us + row.t_us);
            let staff = roles.get(row.shopper.as_str()) == Some(&&Role::Staff);
            let played = match &row.action {
                Action::Role(_) => Ok(latest_us),
                Action::Enter => Ok(not_before_us),
                Action::Exit => {
                    left.insert(&row.shopper, row.line);
                    planner.exit(&body, not_before_us).map(|_| not_before_us)
                }
                Action::Take => self
                    .goods(world, row)
                    .and_then(|goods| planner.take(&body, not_before_us, &shelf(world, row)?, &row.plates, &goods)),
                Action::SlowTake => self.goods(world, row).and_then(|goods| {
                    planner.take_slowly(&body, not_before_us, &shelf(world, row)?, &row.plates, &goods)
                }),
                Action::Restock if !staff => {
                    Err(format!("shopper {} fills a shelf and is no staff; say so first", row.shopper))
                }
                Action::Restock => self
                    .goods(world, row)
                    .and_then(|goods| planner.restock(&body, not_before_us, &shelf(world, row)?, &row.plates, &goods)),
                Action::Put => shelf(world, row).and_then(|shelf| {
                    planner.put(&body, not_before_us, &shelf, &row.plates, &row.product, row.quantity)
                }),
                Action::HandOff(to) if to == &row.shopper => Err(format!("shopper {to} hands over to nobody else")),
                Action::HandOff(to) => {
                    planner.hand_off(&body, not_before_us, &row.product, row.quantity, &self::body(to))
                }
                Action::Drop => planner.drop(&body, not_before_us, &row.product, row.quantity),
                Action::Lean => {
                    shelf(world, row).and_then(|shelf| planner.lean(&body, not_before_us, &shelf, &row.plates))
                }
            };
            latest_us = played.map_err(fail)?;
        }
        let mut until_us = latest_us;
        let mut people = Vec::new();
        for shopper in entered {
            if !left.contains_key(shopper) {
                let cannot = |reason| ScriptError { case: self.name.clone(), line: 0, reason };
                planner.exit(&body(shopper), latest_us + 3_000_000).map_err(cannot)?;
            }
            let person = planner.finish(&body(shopper)).expect("entered above");
            until_us = until_us.max(person.way.last().map_or(0, |(t, _)| *t));
            people.push(person);
        }
        Ok(Planned { people, until_us: until_us + AFTER_US, seed })
    }

    fn refuse(&self, row: &Row, reason: String) -> ScriptError {
        ScriptError { case: self.name.clone(), line: row.line, reason }
    }

    /// Who is somebody special. Said once, before they do anything, and led only by who comes in by themselves.
    fn roles(&self) -> Result<BTreeMap<&str, &Role>, ScriptError> {
        let mut roles: BTreeMap<&str, &Role> = BTreeMap::new();
        let mut seen: BTreeSet<&str> = BTreeSet::new();
        for row in &self.rows {
            let who = row.shopper.as_str();
            if let Action::Role(role) = &row.action {
                if seen.contains(who) || roles.insert(who, role).is_some() {
                    return Err(self.refuse(row, format!("who shopper {who} is must be said once, and first")));
                }
            } else {
                seen.extend(row.shoppers());
                if row.action == Action::Enter && roles.get(who).is_some_and(|role| role.leader().is_some()) {
                    return Err(self.refuse(row, format!("shopper {who} comes in with another, so enters with them")));
                }
            }
        }
        for row in &self.rows {
            let leader = roles.get(row.shopper.as_str()).and_then(|role| role.leader());
            let Some(leader) = leader.filter(|_| matches!(row.action, Action::Role(_))) else { continue };
            let known = seen.contains(leader) || roles.contains_key(leader);
            if !known || roles.get(leader).is_some_and(|role| role.leader().is_some()) {
                let why = format!("shopper {leader} does not come in by themselves, so nobody comes in with them");
                return Err(self.refuse(row, why));
            }
        }
        Ok(roles)
    }

    /// Lets everybody in, in the order they are needed, each just early enough to walk there; answers when the script's
    /// second 0 is. Who is named first is named in the truth as `s1`, `s2` by the script's own numbers.
    fn enter_all(
        &self,
        planner: &mut Planner,
        world: &World,
        roles: &BTreeMap<&str, &Role>,
        start_us: i64,
    ) -> Result<i64, ScriptError> {
        // Everybody in the order they are named, with what they do first.
        let mut first: Vec<(&str, Option<&Row>)> = Vec::new();
        for row in &self.rows {
            for shopper in row.shoppers() {
                let acts = Some(row).filter(|row| !matches!(row.action, Action::Role(_)));
                match first.iter_mut().find(|(known, _)| *known == shopper) {
                    Some((_, does)) => *does = does.or(acts),
                    None => first.push((shopper, acts)),
                }
            }
        }
        let leader_of = |shopper: &str| roles.get(shopper).and_then(|role| role.leader());
        let parties: Vec<Vec<(&str, Option<&Row>)>> = first
            .iter()
            .filter(|(shopper, _)| leader_of(shopper).is_none())
            .map(|leader| {
                let follows = first.iter().filter(|(shopper, _)| leader_of(shopper) == Some(leader.0));
                std::iter::once(leader).chain(follows).copied().collect()
            })
            .collect();
        let quiet_us = start_us + QUIET_US;
        // From the tap to the first movement at the shelf, with a moment to look.
        let way_us = |row: &Row| {
            let way = &world.ways_in()[0];
            let front = shelf(world, row).ok().and_then(|shelf| world.front(&shelf, &row.plates));
            let path = front.map_or(Vec::new(), |front| world.path(way.inside, front.spot));
            let metres: f64 = path.windows(2).map(|pair| pair[0].distance(pair[1])).sum();
            let metres = metres + way.reader.distance(way.crossing) + way.crossing.distance(way.inside);
            AT_READER_US + (metres / WALK_M_S * 1e6) as i64 + 1_500_000
        };
        let needs = parties.iter().enumerate().flat_map(|(i, party)| {
            let gate_us = quiet_us + i as i64 * 2_600_000;
            party.iter().filter_map(|(_, row)| *row).map(move |row| {
                if row.action == Action::Enter { gate_us - row.t_us } else { gate_us + way_us(row) - row.t_us }
            })
        });
        let zero_us = needs.max().unwrap_or(quiet_us).max(quiet_us);
        for party in parties {
            let due = party.iter().filter_map(|(_, row)| *row).map(|row| {
                let early_us = if row.action == Action::Enter { 0 } else { way_us(row) + 2_000_000 };
                zero_us + row.t_us - early_us
            });
            let not_before_us = due.min().unwrap_or(quiet_us).max(quiet_us);
            let (leader, role) = (party[0].0, roles.get(party[0].0).copied());
            let mut bodies = vec![Body::grown(body(leader))];
            for (shopper, _) in &party[1..] {
                match roles[shopper] {
                    Role::With(_) => bodies.push(Body::grown(body(shopper))),
                    Role::Child(_) => bodies.push(Body { name: body(shopper), stature: Stature::Child }),
                    _ => {}
                }
            }
            planner.enter(&self.party(leader, role), &bodies, not_before_us);
            for (shopper, _) in party[1..].iter().filter(|(who, _)| matches!(roles[who], Role::Tailgate(_))) {
                let slips = self.party(shopper, Some(&Role::NoTap));
                let cannot = |reason| ScriptError { case: self.name.clone(), line: 0, reason };
                planner.enter_behind(&slips, &Body::grown(body(shopper)), &body(leader)).map_err(cannot)?;
            }
        }
        Ok(zero_us)
    }

    fn party(&self, shopper: &str, role: Option<&Role>) -> Party {
        let clean = |text: &str| -> String {
            text.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' }).collect()
        };
        let staff = role == Some(&Role::Staff);
        let token = format!("tok_{}{}_{}", if staff { "staff_" } else { "" }, clean(&self.name), clean(shopper));
        let credential = Credential {
            kind: if staff { "staff" } else { "card" }.to_owned(),
            token,
            brand: (!staff).then(|| "visa".to_owned()),
            last4: None,
        };
        Party {
            case: self.name.clone(),
            visit: format!("s{shopper}"),
            credential: Some(credential).filter(|_| role != Some(&Role::NoTap)),
            staff,
            declined: false,
            pays_at_exit: role == Some(&Role::PaysAtExit),
        }
    }

    fn goods(&self, world: &World, row: &Row) -> Result<Goods, String> {
        let known = world.shop.catalogue.get(&ProductId::new(&row.product));
        let mean_g = row.weight_g.filter(|g| *g > 0.0).or(known.map(|product| product.weight_g));
        let missing =
            || format!("product {} is not in the catalogue, so weight_g must say what it weighs", row.product);
        Ok(Goods {
            product: row.product.clone(),
            quantity: row.quantity,
            mean_g: mean_g.ok_or_else(missing)?,
            in_catalogue: known.is_some(),
        })
    }
}

impl Row {
    /// Who acts, and who is handed something. Who somebody comes with is named by their own rows.
    fn shoppers(&self) -> impl Iterator<Item = &str> {
        let to = match &self.action {
            Action::HandOff(to) => Some(to.as_str()),
            _ => None,
        };
        std::iter::once(self.shopper.as_str()).chain(to)
    }
}

fn body(shopper: &str) -> String {
    format!("b{shopper}")
}

/// `{gondola}-{shelf}` as the importer names it; in other shops gondola may be empty and shelf a name.
fn shelf(world: &World, row: &Row) -> Result<ShelfId, String> {
    let names = [format!("{}-{}", row.gondola, row.shelf), row.shelf.clone()];
    let known = names.iter().map(ShelfId::new).find(|id| world.shop.layout.shelves.contains_key(id));
    known.ok_or_else(|| format!("there is no shelf {} in gondola {}", row.shelf, row.gondola))
}
