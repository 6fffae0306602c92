//! Families of cases, written as scripts: who does what where, in which order. The same engine plays them that plays a
//! recorded shop's script, and anybody can read what was asked for.
//!
//! A family is drawn from a seed and a shop; nothing in it knows what will be difficult for whom.

use super::chance::Chance;
use crate::base::{PlateNo, ProductId, ShelfId};
use crate::shop::Shop;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt::Write;

/// The families that come with the program, and why each is there.
const FAMILIES: &str = include_str!("families.toml");

/// How a family's cases are made: shares are chances a movement.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Family {
    /// What it is for, in a few words.
    pub why: String,
    /// Chance of one, two and three shoppers.
    pub shoppers: [f64; 3],
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
    /// Something that was put where it does not belong is taken, where there is such a thing.
    pub misplaced: f64,
    /// Two of the same in one movement.
    pub two: f64,
    /// Seconds from one movement to the next: least, most.
    pub pause_s: [f64; 2],
}

impl Default for Family {
    fn default() -> Family {
        Family {
            why: String::new(),
            shoppers: [1.0, 0.0, 0.0],
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
            misplaced: 0.0,
            two: 0.0,
            pause_s: [1.0, 7.0],
        }
    }
}

impl Family {
    /// Every family by its name.
    pub fn all() -> BTreeMap<String, Family> {
        toml::from_str(FAMILIES).expect("families.toml, which a test reads")
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
}

struct Shopper {
    name: usize,
    /// What they hold and where it was.
    holds: Vec<Facing>,
}

struct Writer<'a> {
    facings: &'a [Facing],
    family: &'a Family,
    chance: Chance,
    /// What stands where it does not belong, and on which plates.
    astray: Vec<Facing>,
    case: String,
    t_s: f64,
    events: usize,
    rows: String,
}

const HEADER: &str = "case,t_s,action,gondola,shelf,plates,product,quantity,weight_g,shopper\n";

/// The script of `cases` cases in `shop`, named `{name}-1` and so on.
pub fn script(shop: &Shop, name: &str, family: &Family, seed: u64, cases: usize) -> String {
    let facings = facings(shop);
    let mut text = HEADER.to_owned();
    if facings.is_empty() {
        return text;
    }
    for n in 1..=cases {
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
            }),
        }
    }
    facings
}

impl Writer<'_> {
    fn write(mut self) -> String {
        let u = self.chance.unit();
        let [one, two, _] = self.family.shoppers;
        let people = if u < one {
            1
        } else if u < one + two {
            2
        } else {
            3
        };
        let [fewest, most] = self.family.events;
        let more = -self.family.more_events * libm::log(1.0 - self.chance.unit());
        let events = (fewest + more as usize).min(most);
        let mut shoppers: Vec<Shopper> = (1..=people).map(|name| Shopper { name, holds: Vec::new() }).collect();
        while self.events < events {
            let who = self.chance.below(shoppers.len());
            self.movement(&mut shoppers, who);
            let [least, most] = self.family.pause_s;
            self.t_s += self.chance.between(least, most).round();
        }
        self.rows
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
            let found = self.astray.swap_remove(which);
            self.row("take", Some(&found), &found, 1, shoppers[who].name);
            return shoppers[who].holds.push(found);
        }
        let taken = self.choose(None);
        self.take(&mut shoppers[who], &taken);
        if self.chance.yes(self.family.both_hands) {
            let other = self.choose(Some(&taken));
            self.take(&mut shoppers[who], &other);
        }
        if shoppers.len() > 1 && self.chance.yes(self.family.crossing) {
            let another = (who + 1 + self.chance.below(shoppers.len() - 1)) % shoppers.len();
            let beside = if self.chance.yes(self.family.same) { taken } else { self.choose(Some(&taken)) };
            self.take(&mut shoppers[another], &beside);
        }
    }

    fn take(&mut self, shopper: &mut Shopper, facing: &Facing) {
        let two = facing.weight_g < 400.0 && self.chance.yes(self.family.two);
        let at = self.stands(facing);
        let quantity = if two { 2 } else { 1 };
        self.row("take", Some(&at), &at, quantity, shopper.name);
        (0..quantity).for_each(|_| shopper.holds.push(at.clone()));
    }

    fn put(&mut self, shopper: &mut Shopper) {
        let item = self.give(shopper);
        let to = if self.chance.yes(self.family.elsewhere) {
            let other = self.choose(None);
            let Facing { shelf, plates, .. } = self.stands(&other);
            let there = Facing { shelf, plates, ..item.clone() };
            self.astray.push(there.clone());
            there
        } else {
            item.clone()
        };
        self.row("put", Some(&to), &item, 1, shopper.name);
    }

    fn give(&mut self, shopper: &mut Shopper) -> Facing {
        let which = self.chance.below(shopper.holds.len());
        shopper.holds.swap_remove(which)
    }

    /// What is taken next: anything; `beside`: something else of the same shelf, if there is.
    fn choose(&mut self, beside: Option<&Facing>) -> Facing {
        let near = |facing: &&Facing| beside.is_none_or(|b| facing.shelf == b.shelf && facing.product != b.product);
        let mut choice: Vec<&Facing> = self.facings.iter().filter(near).collect();
        if choice.is_empty() {
            choice = self.facings.iter().collect();
        }
        if self.chance.yes(self.family.equal_weight) {
            let twin = |facing: &&&Facing| {
                self.facings.iter().any(|other| {
                    other.shelf == facing.shelf
                        && other.product != facing.product
                        && (other.weight_g - facing.weight_g).abs() <= 5.0
                })
            };
            let twins: Vec<&Facing> = choice.iter().filter(twin).copied().collect();
            if !twins.is_empty() {
                choice = twins;
            }
        }
        (*self.chance.pick(&choice).expect("a shop with goods")).clone()
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
            let text = script(&shop, &name, &family, 1, 60);
            assert_eq!(text, script(&shop, &name, &family, 1, 60), "{name}: the same seed");
            assert_ne!(text, script(&shop, &name, &family, 2, 60), "{name}: another seed");
            let mut actions: BTreeMap<&str, usize> = BTreeMap::new();
            for line in text.lines().skip(1) {
                let action = line.split(',').nth(2).expect("an action").split(':').next().expect("a word");
                *actions.entry(action).or_default() += 1;
            }
            let has = |action: &str| actions.get(action).copied().unwrap_or(0);
            for (action, share) in [("put", family.put_back), ("handoff", family.hand_off), ("drop", family.dropped)] {
                assert_eq!(share > 0.0, has(action) > 0, "{name}: {actions:?}");
            }
            let played = Script::parse(&text).expect("a script");
            for case in &played.cases {
                case.plan(&world, 1, 0).unwrap_or_else(|err| panic!("{err}"));
            }
        }
    }

    #[test]
    fn an_unknown_family_is_refused_with_the_known_ones() {
        let refused = Family::named("holding").unwrap_err();
        assert!(refused.starts_with("there is no family holding; there are both-hands, crossing"), "{refused}");
    }
}
