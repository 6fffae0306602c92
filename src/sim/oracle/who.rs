//! Who may have done a reach, by what was seen of everybody who could have been there; and who of several people did which
//! of several reaches.

use super::super::person::{Act, Handling};
use super::super::plan::BETWEEN_EVENTS_US;
use super::events::{Event, act};
use super::moved::Moved;
use super::sight::Told;
use super::{Oracle, UNLIKELY, log_sum};
use std::collections::BTreeMap;

/// What one body is likely to have done in one reach.
pub struct Suspect<'a> {
    body: usize,
    pub visit: &'a str,
    /// Log likelihood of every product and quantity.
    pub moved: BTreeMap<(&'a str, i64), f64>,
    /// A camera saw its hand there, or the goods in it.
    pub is_seen: bool,
}

/// Who did which of several reaches.
pub struct Way {
    /// Of each reach's suspects; `None`: nobody.
    pub who: Vec<Option<usize>>,
    /// Log likelihood.
    pub likely: f64,
}

/// Of several reaches each has at most so many suspects, the likeliest: eight people have 1 680 ways to do four things.
const SUSPECTS: usize = 8;

impl<'a> Oracle<'a> {
    /// Who may have done reach `i`, and what of `moved` they are likely to have moved in it. `together`: the reaches that
    /// are decided with it, so that nobody is known to have done one of them.
    pub fn suspects(&self, i: usize, together: &[usize], moved: &[Moved<'a>]) -> Vec<Suspect<'a>> {
        let event = &self.events[i];
        let bodies = 0..self.sights.bodies.len();
        let mut suspects: Vec<Suspect<'a>> =
            bodies.filter_map(|body| self.suspect(body, event, together, moved)).collect();
        if together.len() > 1 {
            suspects.sort_by(|a, b| b.best().total_cmp(&a.best()));
            suspects.truncate(SUSPECTS);
        }
        suspects
    }

    /// `None`: it cannot have been this one.
    fn suspect(&self, body: usize, event: &Event<'a>, together: &[usize], moved: &[Moved<'a>]) -> Option<Suspect<'a>> {
        let (visit, t_us) = (self.sights.bodies[body].visit, event.truth.t_us);
        let takes = event.handling == Some(Handling::Take);
        let holds = |what: &Moved<'_>| {
            let held = event.held.iter().find(|(who, product, _)| *who == visit && *product == what.product);
            takes || held.is_some_and(|(.., n)| *n >= what.quantity)
        };
        let reaches = |what: &&Moved<'a>| {
            let front = self.world.front(&event.shelf, &what.plates);
            holds(what) && front.is_some_and(|front| self.sights.could_reach(body, t_us, front.target.floor()))
        };
        let theirs: Vec<&Moved<'a>> = moved.iter().filter(reaches).collect();
        if theirs.is_empty() {
            return None;
        }
        let did = self.acts(body, together);
        let idle = self.sights.told(body, t_us, &did, &self.goods).likely;
        // By the middle of the plates, in half plates: that is where a hand goes.
        let mut by_place: BTreeMap<u32, (f64, Told)> = BTreeMap::new();
        let mut by_goods: BTreeMap<(&'a str, i64), Vec<f64>> = BTreeMap::new();
        let (mut best, mut is_seen) = (f64::NEG_INFINITY, false);
        for what in theirs {
            let (first, last) = (what.plates.first()?, what.plates.last()?);
            let (place, told) = by_place.entry(u32::from(*first) + u32::from(*last)).or_insert_with(|| {
                let front = self.world.front(&event.shelf, &what.plates).expect("plates of the shelf");
                let mut acts = did.clone();
                acts.push(act(event, "", front.target));
                let told = self.sights.told(body, t_us, &acts, &self.goods);
                (told.likely - idle + self.sights.stands(body, t_us, &front), told)
            });
            let in_hand: f64 = told.held.iter().map(|held| self.goods.fits(held, what.product)).sum();
            let likely = what.likely + *place + in_hand;
            if likely > best {
                (best, is_seen) = (likely, told.hand_seen || !told.held.is_empty());
            }
            by_goods.entry((what.product, what.quantity)).or_default().push(likely);
        }
        let moved = by_goods.into_iter().map(|(goods, likely)| (goods, log_sum(&likely))).collect();
        Some(Suspect { body, visit, moved, is_seen })
    }

    /// What a body did, without what is to be decided.
    fn acts(&self, body: usize, without: &[usize]) -> Vec<Act> {
        let of = self.events.iter().enumerate().filter(|(k, event)| event.body == Some(body) && !without.contains(k));
        of.filter_map(|(_, event)| {
            let target = self.world.front(&event.shelf, &event.truth.plates)?.target;
            event.handling.map(|_| act(event, &event.truth.product, target))
        })
        .collect()
    }
}

impl Suspect<'_> {
    fn best(&self) -> f64 {
        self.moved.values().copied().fold(f64::NEG_INFINITY, f64::max)
    }
}

/// Every way in which these people may have done these reaches, with its log likelihood. Nobody did two that one body cannot
/// do both of; a reach for which nobody is left is nobody's, which is the least likely.
pub fn ways(suspects: &[Vec<Suspect<'_>>], t_us: &[i64]) -> Vec<Way> {
    let mut ways = vec![Way { who: Vec::new(), likely: 0.0 }];
    for (k, (of, at_us)) in suspects.iter().zip(t_us).enumerate() {
        let nobody = of.iter().map(Suspect::best).fold(0.0, f64::min) - UNLIKELY;
        let mut longer = Vec::new();
        for way in &ways {
            let is_free = |body: usize| {
                let did = |k: usize| way.who[k].is_some_and(|who| suspects[k][who].body == body);
                !(0..k).any(|k| did(k) && (t_us[k] - at_us).abs() < BETWEEN_EVENTS_US)
            };
            let free: Vec<usize> = (0..of.len()).filter(|who| is_free(of[*who].body)).collect();
            for who in free.iter().copied().map(Some).chain(free.is_empty().then_some(None)) {
                let likely = way.likely + who.map_or(nobody, |who| of[who].best());
                longer.push(Way { who: way.who.iter().copied().chain([who]).collect(), likely });
            }
        }
        ways = longer;
    }
    ways
}
