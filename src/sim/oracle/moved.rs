//! What may have been moved in a reach, where, and what the scales say to that.

use super::super::person::Handling;
use super::events::Event;
use super::loads::{Beside, Load, Stands};
use super::weights::{Change, Known};
use super::{Oracle, UNLIKELY};
use crate::base::{PlateNo, ProductId};
use crate::shop::Shop;
use std::collections::BTreeMap;

/// How many of one are moved at once, by chance: mostly one.
const QUANTITIES: [f64; 4] = [0.85, 0.1, 0.03, 0.02];
/// Goods stand on one, two or three plates.
const SPREAD: [f64; 3] = [0.5, 0.4, 0.1];
/// What is put back goes to where it belongs in so many cases, else anywhere.
const HOME: f64 = 0.6;
/// Something is noticed if it is so much likelier than that nothing happened: twenty to one.
const NOTICED: f64 = 3.0;

/// Something that may have been moved, and where.
pub struct Moved<'a> {
    pub product: &'a str,
    pub quantity: i64,
    pub plates: Vec<PlateNo>,
    /// Log of prior and likelihood by the scales.
    pub likely: f64,
}

impl<'a> Oracle<'a> {
    /// What may have been moved in a reach, and whether the scales noticed it.
    pub fn moved(&self, i: usize) -> (Vec<Moved<'a>>, bool) {
        let event = &self.events[i];
        let scale = self.scales.get(&event.shelf);
        let others: Vec<Known> = scale.map_or(Vec::new(), |scale| self.others(i, scale.plates()));
        let change = scale.map(|scale| scale.change(event.truth.t_us, &others)).filter(|change| !change.is_silent());
        let takes = event.handling == Some(Handling::Take);
        let goods = if takes { self.stands(event) } else { self.in_hands(event) };
        let sign = if takes { -1 } else { 1 };
        let mut beside = Beside { others: &others, parameters: self.parameters, elbows: Vec::new() };
        let (mut all, mut best) = self.weighed(&goods, sign, change.as_ref(), &beside);
        if let Some(odd) = change.as_ref().filter(|change| change.is_odd(best)) {
            beside.elbows = odd.elbows(self.parameters);
            (all, best) = self.weighed(&goods, sign, change.as_ref(), &beside);
        }
        all.retain(|moved| moved.likely > best - UNLIKELY);
        let noticed = change.is_some_and(|change| best - change.of_nothing(&beside) > NOTICED);
        (all, noticed)
    }

    /// These goods in every quantity, with their likelihood, and the greatest there is by the scales alone. `sign`: of
    /// what is put there.
    fn weighed(
        &self,
        goods: &[(&'a str, Vec<PlateNo>, f64)],
        sign: i64,
        change: Option<&Change>,
        beside: &Beside<'_>,
    ) -> (Vec<Moved<'a>>, f64) {
        let (mut all, mut best) = (Vec::new(), f64::NEG_INFINITY);
        let mut stands: BTreeMap<&[PlateNo], Stands> = BTreeMap::new();
        for (product, plates, share) in goods {
            let Some(known) = self.world.shop.catalogue.get(&ProductId::new(product)) else { continue };
            for (quantity, chance) in (1..).zip(QUANTITIES) {
                let weighs = change.map_or(0.0, |change| {
                    let on = || Stands::on(plates, change.plates.len(), self.parameters);
                    change.of(known.weight_g, sign * quantity, stands.entry(plates).or_insert_with(on), beside)
                });
                best = f64::max(best, weighs);
                let likely = libm::log(share * chance) + weighs;
                all.push(Moved { product, quantity, plates: plates.clone(), likely });
            }
        }
        (all, best)
    }

    /// The other reaches into the same shelf, oldest first.
    fn others(&self, i: usize, plates: usize) -> Vec<Known> {
        let mut others: Vec<Known> = Vec::new();
        for (k, other) in self.events.iter().enumerate() {
            let Some(handling) = other.handling.filter(|_| k != i && other.shelf == self.events[i].shelf) else {
                continue;
            };
            let truth = other.truth;
            let weight_g = self.world.shop.catalogue.get(&ProductId::new(&truth.product)).map(|known| known.weight_g);
            let units = if handling == Handling::Take { -truth.quantity } else { truth.quantity };
            let load = Load::new(weight_g, units, &truth.plates, plates, self.parameters);
            others.push(Known { t_us: truth.t_us, load });
        }
        others.sort_by_key(|other| other.t_us);
        others
    }

    /// What stands on a shelf, on which plates, and how likely it is to be taken from there: what belongs there, every
    /// facing alike, and what was put there before.
    fn stands(&self, event: &Event<'a>) -> Vec<(&'a str, Vec<PlateNo>, f64)> {
        let Shop { planogram, catalogue, .. } = &*self.world.shop;
        let mut facings: Vec<(&'a str, Vec<PlateNo>)> = Vec::new();
        for (plate, product) in planogram.on_shelf(&event.shelf) {
            let Some(product) = catalogue.get(product).map(|known| known.id.as_str()) else { continue };
            let known = facings.iter_mut().rev().find(|(of, at)| *of == product && at.last() == Some(&(plate - 1)));
            match known {
                Some((_, plates)) => plates.push(plate),
                None => facings.push((product, vec![plate])),
            }
        }
        let mut stands: Vec<(&'a str, Vec<PlateNo>, f64)> = Vec::new();
        for (product, plates) in &facings {
            stands.extend(runs(plates).into_iter().map(|(plates, share)| (*product, plates, share)));
        }
        let put = |other: &&Event<'a>| {
            other.handling == Some(Handling::Put) && other.shelf == event.shelf && other.truth.t_us <= event.truth.t_us
        };
        for other in self.events.iter().filter(put) {
            let (product, plates) = (other.truth.product.as_str(), &other.truth.plates);
            let belongs = |(of, at): &(&str, Vec<PlateNo>)| *of == product && plates.iter().all(|no| at.contains(no));
            if !facings.iter().any(belongs) {
                stands.push((product, plates.clone(), 1.0));
            }
        }
        stands
    }

    /// What anybody holds who may put it here, and onto which plates.
    fn in_hands(&self, event: &Event<'a>) -> Vec<(&'a str, Vec<PlateNo>, f64)> {
        let world = self.world;
        let Some(shelf) = world.shop.layout.shelves.get(&event.shelf) else { return Vec::new() };
        let plates: Vec<PlateNo> = shelf.plates.iter().map(|plate| plate.no).collect();
        let anywhere = runs(&plates);
        let mut products: Vec<&'a str> = event.held.iter().map(|(_, product, _)| *product).collect();
        products.sort_unstable();
        products.dedup();
        let mut goods = Vec::new();
        for product in products {
            let belongs = world.shop.planogram.on_shelf(&event.shelf).filter(|(_, of)| of.as_str() == product);
            let home: Vec<PlateNo> = belongs.map(|(plate, _)| plate).collect();
            let at_home = if home.is_empty() { 0.0 } else { HOME };
            goods.extend(runs(&home).into_iter().map(|(plates, share)| (product, plates, at_home * share)));
            let else_where = anywhere.iter().map(|(plates, share)| (product, plates.clone(), (1.0 - at_home) * share));
            goods.extend(else_where);
        }
        goods
    }
}

/// One, two and three plates side by side, with how often goods stand so; sums to 1.
fn runs(plates: &[PlateNo]) -> Vec<(Vec<PlateNo>, f64)> {
    let mut runs: Vec<(Vec<PlateNo>, f64)> = Vec::new();
    for (long, share) in (1..).zip(SPREAD) {
        let side_by_side = |run: &&[PlateNo]| usize::from(run[long - 1] - run[0]) == long - 1;
        let of: Vec<&[PlateNo]> = plates.windows(long).filter(side_by_side).collect();
        runs.extend(of.iter().map(|run| (run.to_vec(), share / of.len() as f64)));
    }
    let all: f64 = runs.iter().map(|(_, share)| share).sum();
    runs.iter_mut().for_each(|(_, share)| *share /= all);
    runs
}
