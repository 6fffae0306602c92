//! What anybody could know at best: the oracle of a play, beside whose score an attributor's is read.
//!
//! It is told of every reach into a shelf when it was, on which shelf, and whether something was taken or put. Who did it,
//! what it was and how many it decides from what the sensors said, faults included, by the likelihoods of the simulator
//! that made them. Everything about all *other* reaches it knows from the truth. What the sensors did not tell apart it
//! draws by lot, so it is right about that as often as chance and no more.
//!
//!     weights, loads --how every plate changed--+
//!     sight, watch   --heads, hands, places-----+--> who x what x how many --> decision --> ledger --> carts
//!     goods          --what was in the hand-----+
//!
//! | it is more than a shop can have | it is less than the exact bound |
//! |---|---|
//! | knows when and on which shelf something happened | one reach at a time: gains of plates and people's habits are not learnt |
//! | knows whose every sighting is, and where everybody stood | hands are hidden by a usual share, not by geometry |
//! | knows what everybody held before a put | does not know how dark it is |
//! | knows what else moved on the shelf meanwhile | goods stand on up to three plates side by side |
//!
//! Reaches so close together that one body cannot have done both are decided as one: which of the people there did which,
//! no matter who it was. Otherwise knowing the others' would tell the last one's by elimination, which no sensor said.
//! So the score is a ceiling in spirit, not in proof: an attributor that scores above it by more than chance has found
//! something that is not modelled here, or a leak of the simulator's.

mod events;
mod goods;
mod ledger;
mod loads;
mod moved;
mod sight;
#[cfg(test)]
mod tests;
mod timeline;
mod watch;
mod weights;
mod who;

pub use ledger::carts;

use super::chance::Chance;
use super::looks::Gallery;
use super::parameters::Parameters;
use super::plan::BETWEEN_EVENTS_US;
use super::truth::TruthLine;
use super::world::World;
use crate::base::ShelfId;
use crate::events::{Observation, People, Stamped, Weights};
use events::Event;
use goods::Goods;
use sight::Sights;
use std::collections::BTreeMap;
use weights::Scale;
use who::{Suspect, Way, ways};

/// A played shop, as it is and as it was sensed.
pub struct Recording<'a> {
    pub arrivals: &'a [Stamped],
    pub truth: &'a [TruthLine],
    pub world: &'a World,
    /// What the shop knows of its products' looks.
    pub gallery: &'a Gallery,
}

/// Who did what, in a reach.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Answer {
    pub visit: String,
    pub product: String,
    pub quantity: i64,
}

/// What the oracle makes of one scored take or put.
#[derive(Clone, Debug)]
pub struct Decision {
    /// Which of the truth's events, counted from 0 in its order.
    pub event: usize,
    /// `None`: no sensor noticed.
    pub answer: Option<Answer>,
    /// Of the answer.
    pub probability: f64,
    /// Everything it may have been, likeliest first; sums to 1.
    alternatives: Vec<(Answer, f64)>,
}

/// What the scales say is less likely than something else by so much need not be looked for: no camera is so sure.
const UNLIKELY: f64 = 60.0;
/// Who can be here cannot be there, metres from shelf to shelf: two arms.
const TOGETHER_M: f64 = 2.8;
/// At most so many reaches are decided as one: four people have twenty-four ways to do four things.
const AT_ONCE: usize = 4;
/// Answers as likely as this are equally likely: figures differ in their last digits by the order of sums.
const TIE: f64 = 1e-6;

/// Every scored take and put of the recording, decided; in the truth's order. `seed` is of the lots.
pub fn decide(recording: &Recording<'_>, seed: u64) -> Vec<Decision> {
    let oracle = Oracle::new(recording);
    let mut decisions: Vec<Decision> =
        oracle.together().into_iter().flat_map(|events| oracle.judge(&events, seed)).collect();
    decisions.sort_by_key(|decision| decision.event);
    decisions
}

struct Oracle<'a> {
    world: &'a World,
    parameters: &'a Parameters,
    scales: BTreeMap<ShelfId, Scale>,
    sights: Sights<'a>,
    goods: Goods<'a>,
    events: Vec<Event<'a>>,
}

impl<'a> Oracle<'a> {
    fn new(recording: &Recording<'a>) -> Oracle<'a> {
        let (world, parameters) = (recording.world, &*recording.world.parameters);
        let mut batches: BTreeMap<&ShelfId, BTreeMap<u64, (i64, &Weights)>> = BTreeMap::new();
        let mut looks: BTreeMap<&str, BTreeMap<u64, (i64, &People)>> = BTreeMap::new();
        for Stamped { arrival, observation } in recording.arrivals {
            // Of a message that came twice the first counts.
            match observation {
                Observation::Weights(batch) => {
                    batches.entry(&batch.shelf).or_default().entry(batch.seq).or_insert((arrival.0, batch));
                }
                Observation::People(look) => {
                    looks.entry(look.camera.as_str()).or_default().entry(look.seq).or_insert((arrival.0, look));
                }
                _ => {}
            }
        }
        let scales = batches.iter().filter_map(|(shelf, of)| Some(((*shelf).clone(), Scale::read(of)?))).collect();
        let sights = Sights::new(recording.truth, &looks, parameters);
        let goods = Goods::new(recording.gallery, parameters.looks.goods);
        let events = events::events(recording.truth, world, &sights);
        Oracle { world, parameters, scales, sights, goods, events }
    }

    /// Scored reaches, those together that one body cannot have done both of.
    fn together(&self) -> Vec<Vec<usize>> {
        let mut order: Vec<usize> = (0..self.events.len()).filter(|i| self.events[*i].is_scored()).collect();
        order.sort_by_key(|i| self.events[*i].truth.t_us);
        let middle = |i: usize| self.world.shop.layout.shelves.get(&self.events[i].shelf).map(|shelf| shelf.centre());
        let near = |i: usize, j: usize| {
            let at_once = (self.events[i].truth.t_us - self.events[j].truth.t_us).abs() < BETWEEN_EVENTS_US;
            at_once
                && matches!((middle(i), middle(j)), (Some(a), Some(b)) if a.floor().distance(b.floor()) < TOGETHER_M)
        };
        let mut together: Vec<Vec<usize>> = Vec::new();
        for i in order {
            match together.iter_mut().filter(|of| of.len() < AT_ONCE).find(|of| of.iter().any(|j| near(i, *j))) {
                Some(of) => of.push(i),
                None => together.push(vec![i]),
            }
        }
        together
    }

    /// Decides reaches that happened together.
    fn judge(&self, events: &[usize], seed: u64) -> Vec<Decision> {
        let (mut suspects, mut heard): (Vec<Vec<Suspect<'a>>>, Vec<bool>) = Default::default();
        for &i in events {
            let (moved, noticed) = self.moved(i);
            suspects.push(self.suspects(i, events, &moved));
            heard.push(noticed);
        }
        let ways = ways(&suspects, &events.iter().map(|i| self.events[*i].truth.t_us).collect::<Vec<_>>());
        // Bodies of a visit are one to its cart.
        let mut by_visits: BTreeMap<Vec<&str>, Vec<f64>> = BTreeMap::new();
        for way in &ways {
            let visits = way.who.iter().zip(&suspects).map(|(who, of)| who.map_or("", |who| of[who].visit)).collect();
            by_visits.entry(visits).or_default().push(way.likely);
        }
        let by_visits: Vec<(Vec<&str>, f64)> = by_visits.into_iter().map(|(who, logs)| (who, log_sum(&logs))).collect();
        let most = by_visits.iter().map(|(_, likely)| *likely).fold(f64::NEG_INFINITY, f64::max);
        let best: Vec<&Vec<&str>> =
            by_visits.iter().filter(|(_, likely)| *likely > most - TIE).map(|(visits, _)| visits).collect();
        let mut lots = Chance::new(seed, &format!("oracle/{}", events[0]));
        let chosen = lots.pick(&best).copied();
        let decide = |(k, &event): (usize, &usize)| {
            let alternatives = alternatives(&suspects[k], k, &ways);
            let who = chosen.map(|visits| visits[k]);
            let theirs = || alternatives.iter().filter(|(answer, _)| Some(answer.visit.as_str()) == who);
            let most = theirs().map(|(_, probability)| *probability).fold(0.0, f64::max);
            let equal: Vec<&(Answer, f64)> = theirs().filter(|(_, p)| *p > most * (1.0 - TIE)).collect();
            let seen = suspects[k].iter().any(|suspect| Some(suspect.visit) == who && suspect.is_seen);
            let answer = lots.pick(&equal).filter(|_| heard[k] || seen).map(|best| (*best).clone());
            let probability = answer.as_ref().map_or(0.0, |(_, probability)| *probability);
            Decision { event, answer: answer.map(|(answer, _)| answer), probability, alternatives }
        };
        events.iter().enumerate().map(decide).collect()
    }
}

/// Everything the `k`th of some reaches may have been, with its probability, likeliest first.
fn alternatives(suspects: &[Suspect<'_>], k: usize, ways: &[Way]) -> Vec<(Answer, f64)> {
    let total = log_sum(&ways.iter().map(|way| way.likely).collect::<Vec<_>>());
    let mut by_goods: BTreeMap<(&str, &str, i64), f64> = BTreeMap::new();
    for (i, suspect) in suspects.iter().enumerate() {
        let theirs = ways.iter().filter(|way| way.who[k] == Some(i));
        let share: f64 = theirs.map(|way| libm::exp(way.likely - total)).sum();
        let all = log_sum(&suspect.moved.values().copied().collect::<Vec<_>>());
        for ((product, quantity), likely) in &suspect.moved {
            *by_goods.entry((suspect.visit, product, *quantity)).or_default() += share * libm::exp(likely - all);
        }
    }
    let answer = |(visit, product, quantity): (&str, &str, i64)| Answer {
        visit: visit.to_owned(),
        product: product.to_owned(),
        quantity,
    };
    let mut alternatives: Vec<(Answer, f64)> = by_goods.into_iter().map(|(goods, p)| (answer(goods), p)).collect();
    alternatives.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    alternatives
}

/// Log of the sum of what these are logs of.
fn log_sum(logs: &[f64]) -> f64 {
    let most = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if most == f64::NEG_INFINITY { most } else { most + libm::log(logs.iter().map(|l| libm::exp(l - most)).sum()) }
}
