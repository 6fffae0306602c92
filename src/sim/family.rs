//! Families of cases, written as scripts: who does what where, in which order. The same engine plays them that plays a
//! recorded shop's script, and anybody can read what was asked for.
//!
//! A family is drawn from a seed and a shop; nothing in it knows what will be difficult for whom.

use super::chance::Chance;
use super::faults::Fault;
use super::parameters::Parameters;
use super::person::Stature;
use super::play::Conditions;
use super::shops::looks_of;
use crate::base::{PlateNo, ProductId, ShelfId};
use crate::carts::policy::Join;
use crate::shop::Shop;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::ops::RangeInclusive;

/// The families that come with the program, and why each is there.
const FAMILIES: &str = include_str!("families.toml");

/// How a family's cases are made: shares are chances a movement.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Family {
    /// What it is for, in a few words.
    pub why: String,
    /// Chance of one, two, three and four shoppers.
    pub shoppers: [f64; 4],
    /// Fewest and most events of a case, and the mean of what comes on top of the fewest.
    pub events: [usize; 2],
    pub more_events: f64,
    /// An event is a put-back, where somebody holds something; of those, how many go to another place.
    pub put_back: f64,
    pub elsewhere: f64,
    /// A hand-over, where there is somebody to take it.
    pub hand_off: f64,
    pub dropped: f64,
    /// A take is followed at once by another of the same shopper from the same shelf.
    pub both_hands: f64,
    /// Another shopper takes in the same second from the same shelf; of those, how many the same product.
    pub crossing: f64,
    pub same: f64,
    /// Something is chosen that weighs the same (within 5 g) as a neighbour on its shelf, where there is such a thing.
    pub equal_weight: f64,
    /// Something is chosen that looks like another thing of the shelf and weighs otherwise.
    pub equal_looks: f64,
    /// A take is gram by gram; somebody leans on a shelf before it.
    pub slow: f64,
    pub lean: f64,
    /// Every shopper but the first comes on the first one's card, as a child, in their wake without a tap; any shopper
    /// pays at the exit.
    pub with: f64,
    pub child: f64,
    pub tailgate: f64,
    pub pays_at_exit: f64,
    /// Staff are in the shop; a movement is theirs, and of these so many fill a shelf instead of carrying something back.
    pub staff: f64,
    pub restock: f64,
    /// Something that was put where it does not belong is taken, where there is such a thing.
    pub misplaced: f64,
    /// Two of the same in one movement.
    pub two: f64,
    /// Seconds from one movement to the next: least, most.
    pub pause_s: [f64; 2],
    /// How the shop behaves otherwise than usual, and what goes wrong with devices.
    pub parameters: toml::Table,
    pub faults: BTreeSet<Fault>,
    /// Half the bays without cameras, a quarter of the shelves without scales.
    pub sparse: bool,
    pub join: Join,
}

impl Default for Family {
    fn default() -> Family {
        Family {
            why: String::new(),
            shoppers: [1.0, 0.0, 0.0, 0.0],
            events: [3, 8],
            more_events: 3.0,
            put_back: 0.0,
            elsewhere: 0.0,
            hand_off: 0.0,
            dropped: 0.0,
            both_hands: 0.0,
            crossing: 0.0,
            same: 0.0,
            equal_weight: 0.0,
            equal_looks: 0.0,
            slow: 0.0,
            lean: 0.0,
            with: 0.0,
            child: 0.0,
            tailgate: 0.0,
            pays_at_exit: 0.0,
            staff: 0.0,
            restock: 0.0,
            misplaced: 0.0,
            two: 0.0,
            pause_s: [1.0, 7.0],
            parameters: toml::Table::new(),
            faults: BTreeSet::new(),
            sparse: false,
            join: Join::Opening,
        }
    }
}

impl Family {
    /// Every family by its name.
    pub fn all() -> BTreeMap<String, Family> {
        toml::from_str(FAMILIES).expect("families.toml, which a test reads")
    }

    /// How things behave in its shop: as shipped but for `changes`, and as the family has it.
    pub fn behaviour(&self, changes: &toml::Table) -> Result<Parameters, String> {
        Parameters::shipped_but(&[changes, &self.parameters])
    }

    pub fn conditions(&self) -> Conditions {
        Conditions { faults: self.faults.clone(), join: self.join }
    }

    pub fn named(name: &str) -> Result<Family, String> {
        let mut all = Family::all();
        let known = || all.keys().cloned().collect::<Vec<_>>().join(", ");
        let unknown = format!("there is no family {name}; there are {}", known());
        all.remove(name).ok_or(unknown)
    }
}

/// One product's place on a shelf.
#[derive(Clone, Debug, PartialEq)]
struct Facing {
    shelf: ShelfId,
    plates: Vec<PlateNo>,
    product: ProductId,
    weight_g: f64,
    /// Of its shelf above the floor, metres.
    z_m: f64,
}

impl Facing {
    /// Within a child's reach.
    fn is_low(&self) -> bool {
        Stature::Child.reaches(self.z_m)
    }

    /// Another thing of the same shelf that weighs the same.
    fn weighs_like(&self, other: &Facing) -> bool {
        let beside = other.shelf == self.shelf && other.product != self.product;
        beside && (other.weight_g - self.weight_g).abs() <= 5.0
    }

    /// Another thing of the same shelf that looks the same and weighs otherwise.
    fn looks_like(&self, other: &Facing) -> bool {
        let beside = other.shelf == self.shelf && other.product != self.product;
        beside && looks_of(&other.product) == looks_of(&self.product) && (other.weight_g - self.weight_g).abs() > 5.0
    }
}

/// The name of staff in a script: nobody else is ninth. Where they are, so many movements are theirs.
const STAFF: usize = 9;
const STAFF_MOVES: f64 = 0.4;

struct Shopper {
    name: usize,
    is_child: bool,
    /// What they hold and where it was.
    holds: Vec<Facing>,
}

impl Shopper {
    fn new(name: usize) -> Shopper {
        Shopper { name, is_child: false, holds: Vec::new() }
    }
}

struct Writer<'a> {
    facings: &'a [Facing],
    family: &'a Family,
    chance: Chance,
    /// What stands where it does not belong, on which plates, and where it came from.
    astray: Vec<(Facing, Facing)>,
    case: String,
    t_s: f64,
    events: usize,
    rows: String,
}

const HEADER: &str = "case,t_s,action,gondola,shelf,plates,product,quantity,weight_g,shopper\n";

/// The script of these cases in `shop`, named `{name}-1` and so on.
pub fn script(shop: &Shop, name: &str, family: &Family, seed: u64, cases: RangeInclusive<usize>) -> String {
    let facings = facings(shop);
    let mut text = HEADER.to_owned();
    if facings.is_empty() {
        return text;
    }
    for n in cases {
        let case = format!("{name}-{n}");
        let chance = Chance::new(seed, &format!("family/{case}"));
        let writer = Writer {
            facings: &facings,
            family,
            chance,
            astray: Vec::new(),
            case,
            t_s: 0.0,
            events: 0,
            rows: String::new(),
        };
        text += &writer.write();
    }
    text
}

/// Neighbouring plates with the same product are one facing.
fn facings(shop: &Shop) -> Vec<Facing> {
    let mut facings: Vec<Facing> = Vec::new();
    for (shelf, plate, product) in shop.planogram.iter() {
        let Some(known) = shop.catalogue.get(product).filter(|known| !known.restricted && known.weight_g > 0.0) else {
            continue;
        };
        let grown = facings.iter_mut().rev().take(4).find(|facing| {
            facing.shelf == *shelf && facing.product == *product && facing.plates.last().map(|p| p + 1) == Some(plate)
        });
        match grown {
            Some(facing) => facing.plates.push(plate),
            None => facings.push(Facing {
                shelf: shelf.clone(),
                plates: vec![plate],
                product: product.clone(),
                weight_g: known.weight_g,
                z_m: shop.layout.shelves.get(shelf).map_or(0.0, |shelf| shelf.centre().z),
            }),
        }
    }
    facings
}

impl Writer<'_> {
    fn write(mut self) -> String {
        let u = self.chance.unit();
        let mut edge = 0.0;
        let people = 1 + self.family.shoppers[..3]
            .iter()
            .take_while(|share| {
                edge += **share;
                u >= edge
            })
            .count();
        let [fewest, most] = self.family.events;
        let more = -self.family.more_events * libm::log(1.0 - self.chance.unit());
        let events = (fewest + more as usize).min(most);
        let mut shoppers: Vec<Shopper> = (1..=people).map(Shopper::new).collect();
        for shopper in &mut shoppers {
            self.role(shopper);
        }
        let staff = self.chance.yes(self.family.staff);
        if staff {
            self.say("staff", STAFF);
        }
        // Everybody else may come in the wake of the first.
        self.movement(&mut shoppers, 0);
        while self.events < events {
            let [least, most] = self.family.pause_s;
            self.t_s += self.chance.between(least, most).round();
            if staff && self.chance.yes(STAFF_MOVES) {
                self.errand();
            } else {
                let who = self.chance.below(shoppers.len());
                self.movement(&mut shoppers, who);
            }
        }
        self.rows
    }

    /// Who comes how: the first by themselves, the others by the family's shares.
    fn role(&mut self, shopper: &mut Shopper) {
        let Family { with, child, tailgate, pays_at_exit, .. } = *self.family;
        let led = if shopper.name == 1 { 0.0 } else { 1.0 };
        let u = self.chance.unit();
        let roles = [
            (led * with, "with:1"),
            (led * child, "child:1"),
            (led * tailgate, "tailgate:1"),
            (pays_at_exit, "pays-at-exit"),
        ];
        let mut edge = 0.0;
        let role = roles.into_iter().find(|(share, _)| {
            edge += share;
            u < edge
        });
        if let Some((_, role)) = role {
            shopper.is_child = role.starts_with("child");
            self.say(role, shopper.name);
        }
    }

    /// Staff fill a shelf, or carry back what stands where it does not belong.
    fn errand(&mut self) {
        if !self.chance.yes(self.family.restock) && !self.astray.is_empty() {
            let which = self.chance.below(self.astray.len());
            let (found, home) = self.astray.swap_remove(which);
            self.row("take", Some(&found), &found, 1, STAFF);
            self.t_s += 2.0;
            return self.row("put", Some(&home), &home, 1, STAFF);
        }
        let facing = self.choose(None, false);
        let at = self.stands(&facing);
        let quantity = 1 + self.chance.below(((2_500.0 / facing.weight_g) as usize).clamp(1, 4)) as u32;
        self.row("restock", Some(&at), &at, quantity, STAFF);
    }

    fn movement(&mut self, shoppers: &mut [Shopper], who: usize) {
        let holds = !shoppers[who].holds.is_empty();
        if holds && self.chance.yes(self.family.put_back) {
            return self.put(&mut shoppers[who]);
        }
        if holds && shoppers.len() > 1 && self.chance.yes(self.family.hand_off) {
            let to = (who + 1 + self.chance.below(shoppers.len() - 1)) % shoppers.len();
            let item = self.give(&mut shoppers[who]);
            let name = shoppers[to].name;
            self.row(&format!("handoff:{name}"), None, &item, 1, shoppers[who].name);
            shoppers[to].holds.push(item);
            return;
        }
        if holds && self.chance.yes(self.family.dropped) {
            let item = self.give(&mut shoppers[who]);
            return self.row("drop", None, &item, 1, shoppers[who].name);
        }
        if !self.astray.is_empty() && self.chance.yes(self.family.misplaced) {
            let which = self.chance.below(self.astray.len());
            if shoppers[who].is_child && !self.astray[which].0.is_low() {
                return;
            }
            let (found, _) = self.astray.swap_remove(which);
            self.row("take", Some(&found), &found, 1, shoppers[who].name);
            return shoppers[who].holds.push(found);
        }
        let taken = self.choose(None, shoppers[who].is_child);
        if self.chance.yes(self.family.lean) {
            let at = self.stands(&taken);
            self.row("lean", Some(&at), &at, 1, shoppers[who].name);
        }
        self.take(&mut shoppers[who], &taken);
        if self.chance.yes(self.family.both_hands) {
            let other = self.choose(Some(&taken), shoppers[who].is_child);
            self.take(&mut shoppers[who], &other);
        }
        if shoppers.len() > 1 && self.chance.yes(self.family.crossing) {
            let another = (who + 1 + self.chance.below(shoppers.len() - 1)) % shoppers.len();
            let child = shoppers[another].is_child;
            let same = self.chance.yes(self.family.same) && (!child || taken.is_low());
            let beside = if same { taken } else { self.choose(Some(&taken), child) };
            self.take(&mut shoppers[another], &beside);
        }
    }

    fn take(&mut self, shopper: &mut Shopper, facing: &Facing) {
        let two = facing.weight_g < 400.0 && self.chance.yes(self.family.two);
        let at = self.stands(facing);
        let quantity = if two { 2 } else { 1 };
        let action = if self.chance.yes(self.family.slow) { "slow-take" } else { "take" };
        self.row(action, Some(&at), &at, quantity, shopper.name);
        (0..quantity).for_each(|_| shopper.holds.push(at.clone()));
    }

    fn put(&mut self, shopper: &mut Shopper) {
        let item = self.give(shopper);
        let to = if self.chance.yes(self.family.elsewhere) || (shopper.is_child && !item.is_low()) {
            let other = self.choose(None, shopper.is_child);
            let Facing { shelf, plates, z_m, .. } = self.stands(&other);
            let there = Facing { shelf, plates, z_m, ..item.clone() };
            self.astray.push((there.clone(), item));
            there
        } else {
            item.clone()
        };
        self.row("put", Some(&to), &to, 1, shopper.name);
    }

    fn give(&mut self, shopper: &mut Shopper) -> Facing {
        let which = self.chance.below(shopper.holds.len());
        shopper.holds.swap_remove(which)
    }

    /// What is taken next: anything (`low`: within a child's reach); `beside`: something else of the same shelf, if there is.
    fn choose(&mut self, beside: Option<&Facing>, low: bool) -> Facing {
        let reach = |facing: &&Facing| !low || facing.is_low();
        let near = |facing: &&Facing| beside.is_none_or(|b| facing.shelf == b.shelf && facing.product != b.product);
        let mut choice: Vec<&Facing> = self.facings.iter().filter(reach).filter(near).collect();
        if choice.is_empty() {
            choice = self.facings.iter().filter(reach).collect();
        }
        let (heavy, looks) = (self.chance.yes(self.family.equal_weight), self.chance.yes(self.family.equal_looks));
        for (wanted, is_twin) in
            [(heavy, Facing::weighs_like as fn(&Facing, &Facing) -> bool), (looks, Facing::looks_like)]
        {
            let twin = |facing: &&&Facing| self.facings.iter().any(|other| is_twin(facing, other));
            let twins: Vec<&Facing> = choice.iter().filter(twin).filter(|_| wanted).copied().collect();
            if !twins.is_empty() {
                choice = twins;
            }
        }
        (*self.chance.pick(&choice).expect("a shop with goods, some of them low")).clone()
    }

    /// The plates one unit of a facing stands on: one or two of them.
    fn stands(&mut self, facing: &Facing) -> Facing {
        let n = facing.plates.len();
        let k = self.chance.below(n);
        let plates = match facing.plates.get(k + 1) {
            Some(next) if self.chance.yes(0.5) => vec![facing.plates[k], *next],
            _ => vec![facing.plates[k]],
        };
        Facing { plates, ..facing.clone() }
    }

    /// Who somebody is: no event.
    fn say(&mut self, role: &str, shopper: usize) {
        let (case, t_s) = (&self.case, self.t_s);
        let _ = writeln!(self.rows, "{case},{t_s},{role},,,,,,,{shopper}");
    }

    fn row(&mut self, action: &str, at: Option<&Facing>, item: &Facing, quantity: u32, shopper: usize) {
        self.events += 1;
        let (gondola, shelf) = match at.map(|at| at.shelf.as_str()) {
            Some(shelf) => shelf.split_once('-').unwrap_or(("", shelf)),
            None => ("", ""),
        };
        let plates: Vec<String> = at.iter().flat_map(|at| &at.plates).map(PlateNo::to_string).collect();
        let (case, t_s, product, plates) = (&self.case, self.t_s, &item.product, plates.join(" "));
        let _ = writeln!(
            self.rows,
            "{case},{t_s},{action},{gondola},{shelf},{plates},{product},{quantity},{},{shopper}",
            item.weight_g
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::{Script, World};
    use std::sync::Arc;

    #[test]
    fn every_family_can_be_played_and_shows_what_it_is_for() {
        let shop = Shop::read(concat!(env!("CARGO_MANIFEST_DIR"), "/config/demo-shop")).expect("the demo shop").0;
        let world = Arc::new(World::new(Arc::new(shop.clone())).unwrap());
        for (name, family) in Family::all() {
            assert!(!family.why.is_empty() && !name.contains('_'), "{name}");
            let text = script(&shop, &name, &family, 1, 1..=60);
            assert_eq!(text, script(&shop, &name, &family, 1, 1..=60), "{name}: the same seed");
            assert_ne!(text, script(&shop, &name, &family, 2, 1..=60), "{name}: another seed");
            let mut actions: BTreeMap<&str, usize> = BTreeMap::new();
            for line in text.lines().skip(1) {
                let action = line.split(',').nth(2).expect("an action").split(':').next().expect("a word");
                *actions.entry(action).or_default() += 1;
            }
            let has = |action: &str| actions.get(action).copied().unwrap_or(0);
            for (action, share) in [
                ("put", family.put_back),
                ("handoff", family.hand_off),
                ("drop", family.dropped),
                ("slow-take", family.slow),
                ("lean", family.lean),
                ("with", family.with),
                ("child", family.child),
                ("tailgate", family.tailgate),
                ("pays-at-exit", family.pays_at_exit),
                ("staff", family.staff),
                ("restock", family.restock),
            ] {
                // What happens once in a hundred movements need not happen in sixty cases.
                assert!(has(action) > 0 || share < 0.03, "{name} has no {action}: {actions:?}");
                assert!(has(action) == 0 || share > 0.0, "{name} has {action}: {actions:?}");
            }
            family.behaviour(&toml::Table::new()).unwrap_or_else(|err| panic!("{name}: {err}"));
            let played = Script::parse(&text).expect("a script");
            for case in &played.cases {
                case.plan(&world, 1, 0).unwrap_or_else(|err| panic!("{err}"));
            }
        }
    }

    #[test]
    fn an_unknown_family_is_refused_with_the_known_ones() {
        let refused = Family::named("holding").unwrap_err();
        assert!(
            refused.starts_with("there is no family holding; there are both-hands, camera-dying, child"),
            "{refused}"
        );
    }
}
