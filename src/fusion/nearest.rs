//! The rule baseline: the nearest person took what best fits the plates. Kept for ever as the yardstick.
//!
//! [`NearestAttributor::published`] is the method of the best public competition entry with its constants, never tuned;
//! a tuned rule gets another name. It answers through the same door as a model and knows only the request and the
//! catalogue.
//!
//! Where its written description and its code differ we take the description: a plate contributes above 5 g everywhere,
//! and the detector looks 5 samples before and after (see `published`). [`NearestAttributor::as_coded`] takes the code's
//! plates: its published scores were made with them, so the yardstick has them, too. Two things it leaves open: groups of plates are split only if each group
//! changed by more than 10 g, the smallest event its detector knows; equal scores go to the lower product id.
//!
//! The planogram update (what was put back now stands on those plates) is the floor's: `Interaction::stock` carries it.

use super::interaction::event_plates;
use crate::base::{BodyId, PlateNo, Probability, ProductId};
use crate::events::{Actor, Guess, Interaction, WeighRequest, Weighed};
use crate::shop::Catalogue;
use std::collections::BTreeSet;

/// Which plates contribute to an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlateRule {
    /// Those that changed by more than 5 g.
    Written,
    /// In a put-back those with a fifth of the change; for a split those with a third of the lightest thing that stands
    /// there; else as written.
    Code,
}

/// The rule and its constants.
#[derive(Clone, Debug, PartialEq)]
pub struct NearestAttributor {
    /// What it signs its answers with.
    pub model: &'static str,
    /// A plate contributes when it changed by more than this, grams.
    pub plate_g: f64,
    /// Smallest event, grams.
    pub event_g: f64,
    /// Standard deviation of the measured and of the catalogue weight, grams.
    pub sigma_g: f64,
    /// Share of the arrangement in the score; the rest is the weight's.
    pub arrangement_share: f64,
    /// Alternatives told, the answer included.
    pub alternatives: usize,
    /// Scores to probabilities: `p ~ exp(sharpness * score)`. Uncalibrated: an order with a shape, no more. At 20 a lead
    /// of 0.1 in score reads as 7 to 1.
    pub sharpness: f64,
    /// Whether events over separated plate groups are split. Off only to measure what splitting is worth.
    pub split: bool,
    pub plates: PlateRule,
}

impl NearestAttributor {
    pub fn published() -> NearestAttributor {
        NearestAttributor {
            model: "nearest-published-1",
            plate_g: 5.0,
            event_g: 10.0,
            sigma_g: 10.0,
            arrangement_share: 0.8,
            alternatives: 8,
            sharpness: 20.0,
            split: true,
            plates: PlateRule::Written,
        }
    }

    /// The same with its code's plates instead of its description's: what its published scores were made with.
    pub fn as_coded() -> NearestAttributor {
        NearestAttributor { model: "nearest-published-1c", plates: PlateRule::Code, ..NearestAttributor::published() }
    }

    /// Explains every interaction of the request, in its order. The first alternative of each guess is the rule's answer.
    pub fn weigh(&self, request: &WeighRequest, catalogue: &Catalogue) -> Weighed {
        let guesses = request.interactions.iter().map(|interaction| self.explain(interaction, catalogue)).collect();
        Weighed { batch: request.batch, model: self.model.to_owned(), guesses }
    }

    fn explain(&self, interaction: &Interaction, catalogue: &Catalogue) -> Vec<Guess> {
        let groups = self.groups(interaction, catalogue);
        if groups.len() > 1 {
            return groups
                .iter()
                .map(|plates| {
                    let delta_g = plates.iter().map(|no| interaction.profile_g[usize::from(*no) - 1]).sum();
                    self.guess(interaction, catalogue, plates, delta_g)
                })
                .collect();
        }
        let least_g = match self.plates {
            PlateRule::Code if interaction.delta_g > 0.0 => PUT_SHARE * interaction.delta_g,
            _ => self.plate_g,
        };
        let plates = contributing(&interaction.profile_g, least_g);
        vec![self.guess(interaction, catalogue, &plates, interaction.delta_g)]
    }

    /// Runs of contributing plates with a gap between them, each big enough to be an event.
    fn groups(&self, interaction: &Interaction, catalogue: &Catalogue) -> Vec<Vec<PlateNo>> {
        let mut groups: Vec<Vec<PlateNo>> = Vec::new();
        if !self.split {
            return groups;
        }
        let profile_g = &interaction.profile_g;
        let weights_g = || {
            let stands = interaction.stock.iter().filter_map(|(_, product)| catalogue.get(product));
            stands.map(|product| product.weight_g).filter(|weight_g| *weight_g > 0.0)
        };
        let least_g = match (self.plates, weights_g().min_by(f64::total_cmp)) {
            (PlateRule::Code, Some(lightest_g)) => SPLIT_SHARE * lightest_g,
            _ => self.plate_g,
        };
        for no in contributing(profile_g, least_g) {
            match groups.last_mut() {
                Some(group) if group.last() == Some(&(no - 1)) => group.push(no),
                _ => groups.push(vec![no]),
            }
        }
        groups.retain(|group| {
            let delta_g: f64 = group.iter().map(|no| profile_g[usize::from(*no) - 1]).sum();
            delta_g.abs() > self.event_g
        });
        groups
    }

    fn guess(&self, interaction: &Interaction, catalogue: &Catalogue, plates: &[PlateNo], delta_g: f64) -> Guess {
        let alternatives = if delta_g > 0.0 {
            self.put_back(&interaction.actors, catalogue, delta_g)
        } else {
            self.taken(interaction, catalogue, plates, delta_g)
        };
        Guess { plates: plates.to_vec(), alternatives }
    }

    fn taken(
        &self,
        interaction: &Interaction,
        catalogue: &Catalogue,
        plates: &[PlateNo],
        delta_g: f64,
    ) -> Vec<Alternative> {
        let body = interaction.actors.first().map(|actor| actor.body);
        let stands: BTreeSet<&ProductId> = interaction.stock.iter().map(|(_, product)| product).collect();
        // The best few, best first; equal scores in the order of product ids. A catalogue is too long to sort.
        let mut scored: Vec<(f64, &ProductId, i64)> = Vec::with_capacity(self.alternatives + 1);
        for product in catalogue.iter().filter(|product| product.weight_g > 0.0) {
            let here = stands.contains(&product.id);
            let arrangement = if here { self.arrangement(interaction, &product.id, plates, delta_g) } else { 0.0 };
            let weight = self.common_area(delta_g.abs() - product.weight_g);
            let score = self.arrangement_share * arrangement + (1.0 - self.arrangement_share) * weight;
            let place = scored.partition_point(|better| better.0.total_cmp(&score).is_ge());
            if place < self.alternatives {
                scored.insert(place, (score, &product.id, units(delta_g, product.weight_g)));
                scored.truncate(self.alternatives);
            }
        }
        let scores: Vec<f64> = scored.iter().map(|(score, ..)| self.sharpness * score).collect();
        let answers = scored.iter().map(|(_, product, count)| (body, Some((*product).clone()), *count));
        or_unknown(weighted(answers, &scores), body, 1)
    }

    /// Share of the event's change that lies on plates where the product stands.
    fn arrangement(&self, interaction: &Interaction, product: &ProductId, plates: &[PlateNo], delta_g: f64) -> f64 {
        let stands = |no: &&PlateNo| interaction.stock.iter().any(|(plate, stock)| plate == *no && stock == product);
        plates.iter().filter(stands).map(|no| interaction.profile_g[usize::from(*no) - 1] / delta_g).sum()
    }

    /// Common area of two normal distributions of equal width whose means lie `off_g` apart: `2 Phi(-|d| / 2 sigma)`.
    fn common_area(&self, off_g: f64) -> f64 {
        libm::erfc(off_g.abs() / (2.0 * std::f64::consts::SQRT_2 * self.sigma_g))
    }

    /// What the nearest person who holds anything holds, nearest in weight first.
    fn put_back(&self, actors: &[Actor], catalogue: &Catalogue, delta_g: f64) -> Vec<Alternative> {
        let nearest = actors.first().map(|actor| actor.body);
        let Some(actor) = actors.iter().find(|actor| actor.holds.iter().any(|held| held.quantity > 0)) else {
            return or_unknown(Vec::new(), nearest, -1);
        };
        let mut pairs: Vec<(f64, &ProductId, i64)> = Vec::new();
        for held in &actor.holds {
            let Some(product) = catalogue.get(&held.product) else { continue };
            // Nobody puts more back at once than a shelf can weigh; the bound keeps a wild quantity from costing time.
            for n in 1..=held.quantity.min(100) {
                pairs.push(((n as f64 * product.weight_g - delta_g).abs(), &held.product, n));
            }
        }
        pairs.sort_by(|a, b| a.0.total_cmp(&b.0).then_with(|| a.1.cmp(b.1)).then(a.2.cmp(&b.2)));
        pairs.truncate(self.alternatives);
        // Both weights are uncertain, so their difference has twice the variance of one.
        let unlikely = |off_g: f64| off_g * off_g / (4.0 * self.sigma_g * self.sigma_g);
        let scores: Vec<f64> = pairs.iter().map(|(off_g, ..)| -unlikely(*off_g)).collect();
        let answers = pairs.iter().map(|(_, product, n)| (Some(actor.body), Some((*product).clone()), -*n));
        or_unknown(weighted(answers, &scores), Some(actor.body), -1)
    }
}

/// Plates that changed by more than `least_g`, else the one that changed most.
fn contributing(profile_g: &[f64], least_g: f64) -> Vec<PlateNo> {
    let changed: Vec<PlateNo> =
        (0..profile_g.len()).filter(|i| profile_g[*i].abs() > least_g).map(|i| i as PlateNo + 1).collect();
    if changed.is_empty() { event_plates(profile_g) } else { changed }
}

/// Of the code's plate rule: a share of a put-back's change, and of the lightest candidate's weight.
const PUT_SHARE: f64 = 0.2;
const SPLIT_SHARE: f64 = 1.0 / 3.0;

type Answer = (Option<BodyId>, Option<ProductId>, i64);
type Alternative = (Option<BodyId>, Option<ProductId>, i64, Probability);

/// How many units of a product make a change, at least one.
fn units(delta_g: f64, weight_g: f64) -> i64 {
    ((delta_g.abs() / weight_g).round() as i64).max(1)
}

/// Softmax over the candidates, best first, rounded down to whole steps so that the sum never exceeds 1.
fn weighted(answers: impl Iterator<Item = Answer>, scores: &[f64]) -> Vec<Alternative> {
    let best = scores.first().copied().unwrap_or(0.0);
    let shares: Vec<f64> = scores.iter().map(|score| libm::exp(score - best)).collect();
    let total: f64 = shares.iter().sum();
    let steps = f64::from(Probability::STEPS);
    answers
        .zip(&shares)
        .map(|((body, product, count), share)| {
            (body, product, count, Probability::from_f64((share / total * steps).floor() / steps))
        })
        .collect()
}

/// The rule always answers: with no candidate at all, an unknown product of the nearest body.
fn or_unknown(mut alternatives: Vec<Alternative>, body: Option<BodyId>, count: i64) -> Vec<Alternative> {
    if alternatives.is_empty() {
        alternatives.push((body, None, count, Probability::CERTAIN));
    }
    alternatives
}
