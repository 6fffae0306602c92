//! Second thoughts: two who met may have been taken for each other.
//!
//! When a look could be read with two bodies exchanged nearly as well, that reading is kept beside the plan's own: where each of the
//! two would be, and how much likelier it is. Later looks weigh both. When the other reading becomes the likelier one, the two bodies
//! are exchanged; while neither is sure, who is who is a distribution ([`SecondThought::chance`]). Keeping readings and deciding late
//! is Reid's "An algorithm for tracking multiple targets" (1979), here for the one question that costs a shopper money.

use super::motion::Motion;
use super::plan::ALONE;
use super::seen::{Pair, Seen, bridged, late_m, weigh};
use super::shape::View;
use crate::base::{BodyId, ShopTime};
use std::collections::BTreeMap;

/// A reading this much less likely than the plan's own is not kept, natural log odds: one in 160 000. One camera that sees half of
/// somebody is worth 6.
const KEPT: f64 = -12.0;
/// A reading this much likelier, 7 to 1, replaces the plan's own. Above 0: nobody is exchanged to and fro.
const BETTER: f64 = 2.0;
/// Looks at the same clothes a tenth of a second apart say the same: each counts for so much.
const CLOTHES: f64 = 0.3;
/// One look says no more than this, natural log odds: a box that fits nobody is no evidence for anybody.
const LOUDEST: f64 = 6.0;

/// Of two bodies, that each is where the other is taken to be.
#[derive(Clone, Debug)]
pub struct SecondThought {
    /// Where the first and the second would be: they follow the other's sightings.
    pub exchanged: [Motion; 2],
    /// Natural log odds against the plan's own reading.
    odds: f64,
    /// When they were last sure to be told apart.
    pub since: ShopTime,
}

impl SecondThought {
    /// How likely the two are exchanged, 0..=1.
    pub fn chance(&self) -> f64 {
        1.0 / (1.0 + libm::exp(-self.odds))
    }
}

/// Pairs (smaller id, larger id) that may have been taken for each other.
#[derive(Clone, Debug, Default)]
pub struct SecondThoughts(BTreeMap<(BodyId, BodyId), SecondThought>);

/// A look as the plan reads it.
pub struct Reading<'a> {
    pub seen: &'a [Seen<'a>],
    /// Bodies that some sighting could be, by id.
    pub ids: &'a [BodyId],
    /// `[sighting][body]`.
    pub pairs: &'a [Vec<Option<Pair>>],
    /// The body of each sighting.
    pub matched: &'a [Option<usize>],
    pub view: Option<&'a View<'a>>,
    pub t: ShopTime,
}

impl SecondThoughts {
    /// Weighs both readings of every pair by this look, and notes pairs that it can be read with exchanged. `motion` tells where
    /// a body was before the look; `None` for those it is too early to take for anybody.
    pub fn look<'b>(&mut self, reading: &Reading, motion: impl Fn(BodyId) -> Option<&'b Motion>) {
        let mut of: Vec<Option<usize>> = vec![None; reading.ids.len()];
        for (i, k) in reading.matched.iter().enumerate() {
            if let Some(k) = k {
                of[*k] = Some(i);
            }
        }
        for a in 0..of.len() {
            for b in a + 1..of.len() {
                let (ids, seen) = ((reading.ids[a], reading.ids[b]), (of[a], of[b]));
                let (Some(one), Some(two)) = (motion(ids.0), motion(ids.1)) else { continue };
                if seen == (None, None) {
                    continue;
                }
                if let Some(thought) = self.0.get_mut(&ids) {
                    thought.weigh(reading, (a, b), seen);
                }
                // However sure it was that they are not exchanged: now they may be.
                let sure = self.0.get(&ids).map_or(KEPT, |thought| thought.odds);
                let fresh = SecondThought::first(reading, (a, b), seen, (one, two));
                self.0.extend(fresh.filter(|fresh| fresh.odds > sure).map(|fresh| (ids, fresh)));
            }
        }
        self.0.retain(|_, thought| thought.odds > KEPT);
    }

    /// The pair that is likelier exchanged than not, if there is one.
    pub fn better(&self) -> Option<(BodyId, BodyId)> {
        let better = self.0.iter().filter(|(_, thought)| thought.odds > BETTER);
        better.max_by(|a, b| a.1.odds.total_cmp(&b.1.odds)).map(|(pair, _)| *pair)
    }

    /// Takes the other reading of a pair that [`SecondThoughts::better`] named for the plan's own: the bodies' motions become the other
    /// reading's. Since when it is.
    pub fn settle(&mut self, (a, b): (BodyId, BodyId), one: &mut Motion, two: &mut Motion) -> ShopTime {
        let mut settled = self.0.remove(&(a, b)).expect("a pair that `better` named");
        std::mem::swap(one, &mut settled.exchanged[0]);
        std::mem::swap(two, &mut settled.exchanged[1]);
        settled.exchanged.swap(0, 1);
        settled.odds = -settled.odds;
        let since = settled.since;
        // What either was to a third, the other is now.
        let renamed = |id: BodyId| {
            if id == a {
                b
            } else if id == b {
                a
            } else {
                id
            }
        };
        let thirds = std::mem::take(&mut self.0).into_iter().map(|((x, y), mut third)| {
            let (x, y) = (renamed(x), renamed(y));
            if x > y {
                third.exchanged.swap(0, 1);
            }
            ((x.min(y), x.max(y)), third)
        });
        self.0 = thirds.collect();
        self.0.insert((a, b), settled);
        since
    }

    /// Whom a body may really be, with the chance of it.
    pub fn of(&self, body: BodyId) -> impl Iterator<Item = (BodyId, f64)> {
        self.0.iter().filter_map(move |((a, b), thought)| match body {
            id if id == *a => Some((*b, thought.chance())),
            id if id == *b => Some((*a, thought.chance())),
            _ => None,
        })
    }

    pub fn forget(&mut self, body: BodyId) {
        self.0.retain(|(a, b), _| *a != body && *b != body);
    }
}

impl SecondThought {
    /// When a look can be read both ways. `(i, j)` are what the plan takes for `(a, b)`.
    fn first(
        reading: &Reading,
        (a, b): (usize, usize),
        (i, j): (Option<usize>, Option<usize>),
        (one, two): (&Motion, &Motion),
    ) -> Option<SecondThought> {
        let cost = |i: Option<usize>, k: usize| match i {
            Some(i) => reading.pairs[i][k].as_ref().map(|pair| pair.cost),
            None => Some(0.0),
        };
        let odds = cost(i, a)? + cost(j, b)? - cost(i, b)? - cost(j, a)?;
        let follows = |motion: &Motion, i: Option<usize>, k: usize| match i {
            Some(i) => reading.pairs[i][k].as_ref().map(|pair| pair.motion.clone()),
            None => Some(bridged(motion, reading.t)),
        };
        let exchanged = || Some([follows(one, j, a)?, follows(two, i, b)?]);
        if odds <= KEPT {
            return None;
        }
        Some(SecondThought { exchanged: exchanged()?, odds, since: reading.t })
    }

    fn weigh(&mut self, reading: &Reading, (a, b): (usize, usize), (i, j): (Option<usize>, Option<usize>)) {
        let own =
            |i: Option<usize>, k: usize| i.map_or(0.0, |i| reading.pairs[i][k].as_ref().map_or(ALONE, |pair| pair.fit));
        let mut other = 0.0;
        for (exchanged, i) in self.exchanged.iter_mut().zip([j, i]) {
            let Some(i) = i else { continue };
            let expected = bridged(exchanged, reading.t);
            match weigh(&expected, late_m(exchanged, reading.t), &reading.seen[i], reading.view) {
                Some(weighed) => {
                    other += weighed.cost;
                    *exchanged = weighed.motion;
                }
                None => other += ALONE,
            }
        }
        let clothes = |i: Option<usize>, k: usize| {
            i.map_or(0.0, |i| reading.pairs[i][k].as_ref().map_or(0.0, |pair| pair.clothes))
        };
        let worn = CLOTHES * (clothes(i, a) + clothes(j, b) - clothes(i, b) - clothes(j, a));
        self.odds += (own(i, a) + own(j, b) - other).clamp(-LOUDEST, LOUDEST) + worn;
    }
}
