//! Random ordinary visits from a seed: who comes, what they want, what they put back.
//!
//! A [`Crowd`] knows the shop's stock and plans one party after the other through `plan`. The mix of behaviours is
//! plain data; the harder families (crossing hands, hand-offs, children, tailgaters) become more [`Style`]s.

use super::chance::Chance;
use super::person::{Party, Person};
use super::plan::{Goods, Planner};
use super::world::World;
use crate::base::{PlateNo, ShelfId};
use crate::events::Credential;
use std::collections::BTreeMap;
use std::sync::Arc;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    Ordinary,
    /// Two or three on one card.
    Group,
    /// Takes, thinks better of it and puts it back where it was.
    PutBack,
    /// Puts it back on another shelf.
    PutElsewhere,
    /// Looks and takes nothing.
    Empty,
    /// The card is refused at the gate.
    Declined,
    /// Staff fill a shelf.
    Staff,
}

/// How a crowd behaves.
#[derive(Clone, Debug)]
pub struct Mix {
    /// Items a shopper takes: at least, at most.
    pub items: (usize, usize),
    /// Chance that a take is followed by a put-back: a third, so that a quarter of all events are put-backs.
    pub put_back: f64,
    /// Of those, how many end on another shelf.
    pub elsewhere: f64,
    pub group: f64,
    pub empty: f64,
    pub declined: f64,
    pub staff: f64,
    /// Seconds of looking between two movements: at least, at most.
    pub linger_s: (f64, f64),
}

impl Default for Mix {
    fn default() -> Mix {
        Mix {
            items: (1, 5),
            put_back: 1.0 / 3.0,
            elsewhere: 0.2,
            group: 0.15,
            empty: 0.06,
            declined: 0.03,
            staff: 0.05,
            linger_s: (1.0, 8.0),
        }
    }
}

impl Mix {
    /// Short visits of 8-25 s, for a demonstration that fits into a minute.
    pub fn quick() -> Mix {
        Mix { items: (1, 2), put_back: 0.15, linger_s: (0.0, 0.8), ..Mix::default() }
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
}

/// What somebody did last, to be undone by a put-back.
struct Took {
    facing: usize,
    plates: Vec<PlateNo>,
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
            });
            facing.plates.push(plate);
        }
        Crowd {
            planner: Planner::new(world.clone(), seed),
            chance: Chance::new(seed, "crowd"),
            facings: facings.into_values().collect(),
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
            (mix.group, Style::Group),
            (mix.empty, Style::Empty),
            (mix.declined, Style::Declined),
            (mix.staff, Style::Staff),
        ] {
            edge += share;
            if u < edge {
                return style;
            }
        }
        Style::Ordinary
    }

    /// Plans a party of this style that taps at `not_before_us` or when the gate is free.
    pub fn come(&mut self, style: Style, not_before_us: i64) -> Visit {
        self.planner.forget_before(not_before_us - 60_000_000);
        self.visits += 1;
        let party = self.party(style);
        let n = if style == Style::Group { 2 + self.chance.below(2).min(self.mix.items.1 / 4) } else { 1 };
        let bodies: Vec<String> = (0..n)
            .map(|_| {
                self.bodies += 1;
                format!("b{}", self.bodies)
            })
            .collect();
        let inside_us = self.planner.enter(&party, &bodies, not_before_us);
        let mut left_us = inside_us;
        for body in &bodies {
            // A plan that fails would be a fault of this file: nobody here wants what is not there.
            self.shop(body, style, inside_us).expect("a crowd only does what can be done");
            left_us = left_us.max(self.planner.exit(body, 0).expect("who came in can go out"));
        }
        let people: Vec<Person> = bodies.iter().filter_map(|body| self.planner.finish(body)).collect();
        let tap_us = people[0].acts.first().map_or(not_before_us, |act| act.t_us);
        Visit { style, party, people, tap_us, left_us }
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
            credential: Some(credential),
            staff: style == Style::Staff,
            declined: style == Style::Declined,
        }
    }

    fn shop(&mut self, body: &str, style: Style, inside_us: i64) -> Result<(), String> {
        match style {
            Style::Empty => {
                let i = self.want(body);
                let facing = self.facings[i].clone();
                self.planner.browse(body, inside_us, &facing.shelf, &facing.plates)?;
            }
            Style::Staff => {
                for _ in 0..1 + self.chance.below(2) {
                    self.restock(body)?;
                }
            }
            Style::PutBack | Style::PutElsewhere => {
                self.take(body)?;
                let second = self.take(body)?;
                self.put(body, second, style == Style::PutElsewhere)?;
            }
            Style::Ordinary | Style::Group | Style::Declined => {
                let (least, most) = self.mix.items;
                let items = least + self.chance.below(most - least + 1);
                for _ in 0..items {
                    let took = self.take(body)?;
                    if self.chance.yes(self.mix.put_back) {
                        let elsewhere = self.chance.yes(self.mix.elsewhere);
                        self.put(body, took, elsewhere)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn take(&mut self, body: &str) -> Result<Took, String> {
        let facing = self.want(body);
        let plates = self.plates(facing);
        let mut goods = self.facings[facing].goods.clone();
        // One in twelve takes is of two at once, where it is light enough for a hand.
        if goods.mean_g < 400.0 && self.facings[facing].stock > 2 && self.chance.yes(1.0 / 12.0) {
            goods.quantity = 2;
        }
        let after_us = self.linger(body);
        let shelf = self.facings[facing].shelf.clone();
        self.planner.take(body, after_us, &shelf, &plates, &goods)?;
        self.facings[facing].stock = self.facings[facing].stock.saturating_sub(goods.quantity);
        Ok(Took { facing, plates })
    }

    fn put(&mut self, body: &str, took: Took, elsewhere: bool) -> Result<(), String> {
        let product = self.facings[took.facing].goods.product.clone();
        let (shelf, plates) = if elsewhere {
            let other = self.want(body);
            (self.facings[other].shelf.clone(), self.plates(other))
        } else {
            self.facings[took.facing].stock += 1;
            (self.facings[took.facing].shelf.clone(), took.plates)
        };
        let after_us = self.linger(body);
        self.planner.put(body, after_us, &shelf, &plates, &product, 1)?;
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

    /// Of three things in mind the nearest, if it is in stock.
    fn want(&mut self, body: &str) -> usize {
        let in_stock: Vec<usize> = (0..self.facings.len()).filter(|&i| self.facings[i].stock > 0).collect();
        let minds: Vec<usize> = (0..3).filter_map(|_| self.chance.pick(&in_stock).copied()).collect();
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
        let (least, most) = self.mix.linger_s;
        let wait_us = (self.chance.between(least, most) * 1e6) as i64;
        self.planner.free_us(body).unwrap_or(0) + wait_us
    }

    pub fn world(&self) -> &Arc<World> {
        &self.world
    }
}
