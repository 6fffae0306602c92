//! Random ordinary visits from a seed: who comes, what they want, what they put back.
//!
//! A [`Crowd`] knows the shop's stock and plans one party after the other through `plan`. The mix of behaviours is
//! plain data (`parameters.toml`); what is hard for its own sake is a family's (`family`).

use super::chance::Chance;
use super::parameters::{Parameters, first_outside};
use super::person::{Party, Person, Stature};
use super::plan::{Body, Goods, Planner};
use super::world::World;
use crate::base::{PlateNo, ShelfId};
use crate::events::Credential;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::Arc;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    Ordinary,
    /// Two to four on one card.
    Group,
    /// Takes, thinks better of it and puts it back where it was.
    PutBack,
    /// Puts it back on another shelf.
    PutElsewhere,
    /// Looks and takes nothing.
    Empty,
    /// The card is refused at the gate.
    Declined,
    /// Nobody taps for them.
    NoTap,
    /// Taps on the way out.
    PaysAtExit,
    /// Staff fill a shelf, or carry back what stands where it does not belong.
    Staff,
}

/// How a crowd behaves; `parameters.toml` has mixes and says where they come from. Shares are chances a party or a movement.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mix {
    /// Parties of one, two, three and four.
    pub party: [f64; 4],
    /// Of parties of two and more: with a child.
    pub child: f64,
    /// Items a shopper takes: at least, at most.
    pub items: (usize, usize),
    /// A take is followed by a put-back; of those, how many end on another shelf.
    pub put_back: f64,
    pub elsewhere: f64,
    /// What stands where it does not belong is taken, where there is such a thing.
    pub misplaced: f64,
    /// Two of one in a movement.
    pub two: f64,
    /// What was taken is dropped or eaten.
    pub dropped: f64,
    /// What was taken is handed to another of the party.
    pub hand_off: f64,
    /// A look at a shelf before a movement, without touching anything; an elbow on the shelf before a take.
    pub browse: f64,
    pub lean: f64,
    pub empty: f64,
    pub declined: f64,
    pub no_tap: f64,
    pub pay_at_exit: f64,
    pub staff: f64,
    /// Of the errands of staff: tidying up, where there is something to tidy.
    pub tidy: f64,
    /// Seconds of looking between two movements: at least, at most; and how many of these are a phone call.
    pub linger_s: (f64, f64),
    pub long_pause: f64,
    pub long_pause_s: (f64, f64),
}

impl Default for Mix {
    fn default() -> Mix {
        Mix::named("ordinary")
    }
}

impl Mix {
    /// Short visits of 8-25 s, for a demonstration that fits into a minute.
    pub fn quick() -> Mix {
        Mix::named("quick")
    }

    fn named(name: &str) -> Mix {
        Parameters::shipped().mix(name).expect("a mix that comes with the program").clone()
    }

    /// What makes no crowd; empty if all is well.
    pub(super) fn problem(&self) -> String {
        let whole =
            |shares: &[f64]| shares.iter().all(|share| *share >= 0.0) && shares.iter().sum::<f64>() <= 1.0 + 1e-9;
        if !whole(&self.party) || self.party.iter().sum::<f64>() < 1.0 - 1e-9 {
            return "party must be four shares that add up to 1".to_owned();
        }
        if !whole(&[self.empty, self.declined, self.no_tap, self.pay_at_exit, self.staff]) {
            return "empty, declined, no_tap, pay_at_exit and staff are more than all".to_owned();
        }
        if self.items.0 > self.items.1 || self.items.1 > 100 {
            return "items must be [least, most], at most 100".to_owned();
        }
        for (key, (least, most)) in [("linger_s", self.linger_s), ("long_pause_s", self.long_pause_s)] {
            if !(0.0 <= least && least <= most && most <= 3_600.0) {
                return format!("{key} must be [least, most], at most 3600");
            }
        }
        first_outside(&[
            ("child", self.child, 0.0, 1.0),
            ("put_back", self.put_back, 0.0, 1.0),
            ("elsewhere", self.elsewhere, 0.0, 1.0),
            ("misplaced", self.misplaced, 0.0, 1.0),
            ("two", self.two, 0.0, 1.0),
            ("dropped", self.dropped, 0.0, 1.0),
            ("hand_off", self.hand_off, 0.0, 1.0),
            ("browse", self.browse, 0.0, 1.0),
            ("lean", self.lean, 0.0, 1.0),
            ("tidy", self.tidy, 0.0, 1.0),
            ("long_pause", self.long_pause, 0.0, 1.0),
        ])
    }
}

/// A planned party.
#[derive(Debug)]
pub struct Visit {
    pub style: Style,
    pub party: Party,
    pub people: Vec<Person>,
    /// When they tap, and when the last of them crosses the line on the way out (if the gate opens at all).
    pub tap_us: i64,
    pub left_us: i64,
}

pub struct Crowd {
    world: Arc<World>,
    planner: Planner,
    chance: Chance,
    mix: Mix,
    case: String,
    facings: Vec<Facing>,
    astray: Vec<Astray>,
    visits: u64,
    bodies: u64,
}

/// One product on one shelf.
#[derive(Clone, Debug)]
struct Facing {
    shelf: ShelfId,
    plates: Vec<PlateNo>,
    goods: Goods,
    /// Stands across two plates (bags do, bottles do not).
    wide: bool,
    stock: u32,
    /// Height of its plates above the floor, metres.
    z_m: f64,
}

impl Facing {
    /// Within a child's reach.
    fn is_low(&self) -> bool {
        Stature::Child.reaches(self.z_m)
    }
}

/// What somebody did last, to be undone by a put-back.
struct Took {
    facing: usize,
    plates: Vec<PlateNo>,
}

/// Stands where it does not belong since then.
struct Astray {
    facing: usize,
    shelf: ShelfId,
    plates: Vec<PlateNo>,
    since_us: i64,
}

/// Somebody who shops, and how much they still want.
struct Shopping {
    body: String,
    stature: Stature,
    wants: usize,
}

impl Crowd {
    pub fn new(world: Arc<World>, seed: u64, case: &str, mix: Mix) -> Crowd {
        let mut facings: BTreeMap<(ShelfId, String), Facing> = BTreeMap::new();
        for (shelf, plate, product) in world.shop.planogram.iter() {
            let Some(known) = world.shop.catalogue.get(product).filter(|known| !known.restricted) else { continue };
            let goods = Goods { product: product.to_string(), quantity: 1, mean_g: known.weight_g, in_catalogue: true };
            let mut chance = Chance::new(seed, &format!("facing/{shelf}/{product}"));
            let facing = facings.entry((shelf.clone(), product.to_string())).or_insert_with(|| Facing {
                shelf: shelf.clone(),
                plates: Vec::new(),
                goods,
                wide: chance.yes(0.5),
                stock: 6 + chance.below(12) as u32,
                z_m: world.shop.layout.shelves.get(shelf).map_or(0.0, |shelf| shelf.centre().z),
            });
            facing.plates.push(plate);
        }
        Crowd {
            planner: Planner::new(world.clone(), seed),
            chance: Chance::new(seed, "crowd"),
            facings: facings.into_values().collect(),
            astray: Vec::new(),
            case: case.to_owned(),
            world,
            mix,
            visits: 0,
            bodies: 0,
        }
    }

    /// Somebody as the mix has them.
    pub fn anybody(&mut self) -> Style {
        let u = self.chance.unit();
        let mix = &self.mix;
        let mut edge = 0.0;
        for (share, style) in [
            (mix.empty, Style::Empty),
            (mix.declined, Style::Declined),
            (mix.no_tap, Style::NoTap),
            (mix.pay_at_exit, Style::PaysAtExit),
            (mix.staff, Style::Staff),
        ] {
            edge += share;
            if u < edge {
                return style;
            }
        }
        if self.chance.yes(mix.party[0]) { Style::Ordinary } else { Style::Group }
    }

    /// Plans a party of this style that taps at `not_before_us` or when the gate is free.
    pub fn come(&mut self, style: Style, not_before_us: i64) -> Visit {
        self.planner.forget_before(not_before_us - 60_000_000);
        self.visits += 1;
        let party = self.party(style);
        let bodies = self.bodies(style);
        let inside_us = self.planner.enter(&party, &bodies, not_before_us);
        // A plan that fails would be a fault of this file: nobody here wants what is not there.
        self.shop(&bodies, style, inside_us).expect("a crowd only does what can be done");
        let mut left_us = inside_us;
        // Who is ready waits for the others.
        let ready_us = bodies.iter().filter_map(|body| self.planner.free_us(&body.name)).max().unwrap_or(0);
        for body in &bodies {
            left_us = left_us.max(self.planner.exit(&body.name, ready_us).expect("who came in can go out"));
        }
        let people: Vec<Person> = bodies.iter().filter_map(|body| self.planner.finish(&body.name)).collect();
        let tap_us = people[0].acts.first().map_or(not_before_us, |act| act.t_us);
        Visit { style, party, people, tap_us, left_us }
    }

    fn bodies(&mut self, style: Style) -> Vec<Body> {
        let [_, two, three, four] = self.mix.party;
        let n = match style {
            Style::Group => {
                let u = self.chance.between(0.0, two + three + four);
                if u < two { 2 } else { 3 + usize::from(u >= two + three) }
            }
            _ => 1,
        };
        let child = n > 1 && self.chance.yes(self.mix.child) && self.facings.iter().any(Facing::is_low);
        let body = |k: usize| {
            self.bodies += 1;
            let stature = if child && k == n - 1 { Stature::Child } else { Stature::Grown };
            Body { name: format!("b{}", self.bodies), stature }
        };
        (0..n).map(body).collect()
    }

    fn party(&self, style: Style) -> Party {
        let n = self.visits;
        let (kind, token) = match style {
            Style::Staff => ("staff", format!("tok_staff_{}_{n}", self.case)),
            Style::Declined => ("card", format!("tok_declined_{}_{n}", self.case)),
            _ => ("card", format!("tok_{}_{n}", self.case)),
        };
        let card = kind == "card";
        let credential = Credential {
            kind: kind.to_owned(),
            token,
            brand: card.then(|| "visa".to_owned()),
            last4: card.then(|| format!("{:04}", 4000 + n % 6000)),
        };
        Party {
            case: self.case.clone(),
            visit: format!("s{n}"),
            credential: Some(credential).filter(|_| style != Style::NoTap),
            staff: style == Style::Staff,
            declined: style == Style::Declined,
            pays_at_exit: style == Style::PaysAtExit,
        }
    }

    fn shop(&mut self, bodies: &[Body], style: Style, inside_us: i64) -> Result<(), String> {
        let first = &bodies[0].name;
        match style {
            Style::Empty => {
                let i = self.want(first, Stature::Grown);
                let facing = self.facings[i].clone();
                self.planner.browse(first, inside_us, &facing.shelf, &facing.plates)?;
            }
            Style::Staff => {
                for _ in 0..1 + self.chance.below(2) {
                    let tidies = !self.astray.is_empty() && self.chance.yes(self.mix.tidy);
                    if tidies { self.tidy(first)? } else { self.restock(first)? }
                }
            }
            Style::PutBack | Style::PutElsewhere => {
                self.take(first, Stature::Grown)?;
                let second = self.take(first, Stature::Grown)?;
                self.put(first, Stature::Grown, second, style == Style::PutElsewhere)?;
            }
            Style::Ordinary | Style::Group | Style::Declined | Style::NoTap | Style::PaysAtExit => {
                let (least, most) = self.mix.items;
                let mut shopping: Vec<Shopping> = Vec::new();
                for Body { name, stature } in bodies {
                    let wants = least + self.chance.below(most - least + 1);
                    shopping.push(Shopping { body: name.clone(), stature: *stature, wants });
                }
                // Whoever is free first moves next.
                while let Some(i) = self.next(&shopping) {
                    shopping[i].wants -= 1;
                    let (body, stature) = (shopping[i].body.clone(), shopping[i].stature);
                    self.movement(&body, stature, &shopping)?;
                }
            }
        }
        Ok(())
    }

    fn next(&self, shopping: &[Shopping]) -> Option<usize> {
        let want = (0..shopping.len()).filter(|&i| shopping[i].wants > 0);
        want.min_by_key(|&i| (self.planner.free_us(&shopping[i].body), i))
    }

    /// A take, and what may come before and after it.
    fn movement(&mut self, body: &str, stature: Stature, party: &[Shopping]) -> Result<(), String> {
        if self.chance.yes(self.mix.browse) {
            let i = self.want(body, stature);
            let (shelf, plates, after_us) = (self.facings[i].shelf.clone(), self.plates(i), self.linger(body));
            self.planner.browse(body, after_us, &shelf, &plates)?;
        }
        if self.chance.yes(self.mix.misplaced)
            && let Some(astray) = self.find(body, stature)
        {
            let (goods, after_us) = (self.facings[astray.facing].goods.clone(), self.linger(body));
            self.planner.take(body, after_us.max(astray.since_us), &astray.shelf, &astray.plates, &goods)?;
            return Ok(());
        }
        let took = self.take(body, stature)?;
        if self.chance.yes(self.mix.put_back) {
            let elsewhere = self.chance.yes(self.mix.elsewhere);
            return self.put(body, stature, took, elsewhere);
        }
        let product = self.facings[took.facing].goods.product.clone();
        if self.chance.yes(self.mix.dropped) {
            let after_us = self.linger(body);
            self.planner.drop(body, after_us, &product, 1)?;
        } else if party.len() > 1 && self.chance.yes(self.mix.hand_off) {
            let others: Vec<&Shopping> = party.iter().filter(|other| other.body != body).collect();
            let to = others[self.chance.below(others.len())].body.clone();
            let after_us = self.linger(body);
            self.planner.hand_off(body, after_us, &product, 1, &to)?;
        }
        Ok(())
    }

    fn take(&mut self, body: &str, stature: Stature) -> Result<Took, String> {
        let facing = self.want(body, stature);
        let plates = self.plates(facing);
        let mut goods = self.facings[facing].goods.clone();
        // Two at once where it is light enough for a hand.
        if goods.mean_g < 400.0 && self.facings[facing].stock > 2 && self.chance.yes(self.mix.two) {
            goods.quantity = 2;
        }
        let shelf = self.facings[facing].shelf.clone();
        let mut after_us = self.linger(body);
        if self.chance.yes(self.mix.lean) {
            after_us = self.planner.lean(body, after_us, &shelf, &plates)?;
        }
        self.planner.take(body, after_us, &shelf, &plates, &goods)?;
        self.facings[facing].stock = self.facings[facing].stock.saturating_sub(goods.quantity);
        Ok(Took { facing, plates })
    }

    fn put(&mut self, body: &str, stature: Stature, took: Took, elsewhere: bool) -> Result<(), String> {
        let product = self.facings[took.facing].goods.product.clone();
        let (shelf, plates) = if elsewhere {
            let other = self.want(body, stature);
            (self.facings[other].shelf.clone(), self.plates(other))
        } else {
            self.facings[took.facing].stock += 1;
            (self.facings[took.facing].shelf.clone(), took.plates)
        };
        let after_us = self.linger(body);
        let since_us = self.planner.put(body, after_us, &shelf, &plates, &product, 1)?;
        if elsewhere && shelf != self.facings[took.facing].shelf {
            self.astray.push(Astray { facing: took.facing, shelf, plates, since_us });
        }
        Ok(())
    }

    fn restock(&mut self, body: &str) -> Result<(), String> {
        let lowest = (0..self.facings.len()).min_by_key(|&i| self.facings[i].stock).unwrap_or(0);
        let facing = &self.facings[lowest];
        // What two hands carry.
        let quantity = ((2500.0 / facing.goods.mean_g) as u32).clamp(1, 4);
        let goods = Goods { quantity, ..facing.goods.clone() };
        let (shelf, plates) = (facing.shelf.clone(), self.plates(lowest));
        let after_us = self.linger(body);
        self.planner.restock(body, after_us, &shelf, &plates, &goods)?;
        self.facings[lowest].stock += quantity;
        Ok(())
    }

    /// Carries something back to where it belongs.
    fn tidy(&mut self, body: &str) -> Result<(), String> {
        let Some(astray) = self.find(body, Stature::Grown) else { return self.restock(body) };
        let goods = self.facings[astray.facing].goods.clone();
        let after_us = self.linger(body).max(astray.since_us + 2_000_000);
        self.planner.take(body, after_us, &astray.shelf, &astray.plates, &goods)?;
        let home = Took { facing: astray.facing, plates: self.facings[astray.facing].plates[..1].to_vec() };
        self.put(body, Stature::Grown, home, false)
    }

    /// Something that stands where it does not belong, for whoever can be there in time and reach it.
    fn find(&mut self, body: &str, stature: Stature) -> Option<Astray> {
        let soon_us = self.planner.free_us(body).unwrap_or(0) + 20_000_000;
        let low = |shelf: &ShelfId| self.facings.iter().any(|facing| facing.shelf == *shelf && facing.is_low());
        let there = |astray: &Astray| {
            astray.since_us + 2_000_000 < soon_us && (stature == Stature::Grown || low(&astray.shelf))
        };
        let which = self.astray.iter().position(there)?;
        Some(self.astray.remove(which))
    }

    /// Of three things in mind the nearest, if it is in stock and within reach.
    fn want(&mut self, body: &str, stature: Stature) -> usize {
        let reach = |i: &usize| stature == Stature::Grown || self.facings[*i].is_low();
        let all: Vec<usize> = (0..self.facings.len()).filter(reach).collect();
        let in_stock: Vec<usize> = all.iter().copied().filter(|&i| self.facings[i].stock > 0).collect();
        // Where everything is sold out there is one more at the back.
        let choice = if in_stock.is_empty() { &all } else { &in_stock };
        let minds: Vec<usize> = (0..3).filter_map(|_| self.chance.pick(choice).copied()).collect();
        let distance = |i: &usize| {
            let facing = &self.facings[*i];
            self.planner.reach_us(body, &facing.shelf, &facing.plates).unwrap_or(i64::MAX)
        };
        minds.into_iter().min_by_key(distance).unwrap_or(0)
    }

    fn plates(&mut self, facing: usize) -> Vec<PlateNo> {
        let Facing { plates, wide, .. } = &self.facings[facing];
        let k = self.chance.below(plates.len());
        match plates.get(k + 1) {
            Some(next) if *wide && *next == plates[k] + 1 => vec![plates[k], *next],
            _ => vec![plates[k]],
        }
    }

    fn linger(&mut self, body: &str) -> i64 {
        let long = self.chance.yes(self.mix.long_pause);
        let (least, most) = if long { self.mix.long_pause_s } else { self.mix.linger_s };
        let wait_us = (self.chance.between(least, most) * 1e6) as i64;
        self.planner.free_us(body).unwrap_or(0) + wait_us
    }

    pub fn world(&self) -> &Arc<World> {
        &self.world
    }
}
