//! Second thoughts: people who met may have been taken for each other.
//!
//! When a look could be read with two bodies exchanged nearly as well, that reading is kept beside the plan's own: where each of the
//! two would be, and how much likelier it is. A reading goes on by itself: later looks are read its way too, whoever it comes to
//! disagree about joins it, and where it could be read with two exchanged it is kept both ways. When one becomes likelier than the
//! plan's own, it becomes the plan's; while none is sure, who is who is a distribution ([`SecondThoughts::of`]). Keeping readings and
//! deciding late is Reid's "An algorithm for tracking multiple targets" (1979); his readings are of everybody, and ours
//! only of those they disagree about, so that two doubts in two corners of a shop are two and not four.

use super::assign::assign;
use super::motion::Motion;
use super::plan::ALONE;
use super::seen::{Forecast, Pair, Seen, bridged};
use super::shape::news;
use super::watch::{Expected, Watch};
use crate::base::{BodyId, ShopTime};
use std::collections::{BTreeMap, BTreeSet};

/// A reading this much less likely than the plan's own is not kept, natural log odds: one in 3000. One camera that sees half of
/// somebody is worth 6.
const KEPT: f64 = -8.0;
/// A reading this much likelier, 7 to 1, replaces the plan's own. Above 0: nobody is exchanged to and fro.
const BETTER: f64 = 2.0;
/// A look that a second reading could take another way, so much less likely, is taken both ways: one in 400.
const BOTH_WAYS: f64 = 6.0;
/// Of the readings of anybody only so many are kept, the likeliest.
const MOST: usize = 16;
/// One look says no more than this of two people, natural log odds: a box that fits nobody is no evidence for anybody.
const LOUDEST: f64 = 6.0;
/// Two readings that have somebody this close, m, and as fast, m/s, say the same of them.
const SAME_M: f64 = 0.1;
const SAME_M_S: f64 = 0.15;
/// Who is further than this from where anybody stands is not them, m.
const ELSEWHERE_M: f64 = 1.0;

/// A few bodies, by id, and where they are.
#[derive(Clone, Debug, Default)]
struct Places(Vec<(BodyId, Motion)>);

impl Places {
    fn iter(&self) -> impl Iterator<Item = (BodyId, &Motion)> {
        self.0.iter().map(|(id, at)| (*id, at))
    }

    fn ids(&self) -> impl Iterator<Item = BodyId> {
        self.0.iter().map(|(id, _)| *id)
    }

    fn get(&self, id: BodyId) -> Option<&Motion> {
        self.iter().find(|(own, _)| *own == id).map(|(_, at)| at)
    }

    fn insert(&mut self, id: BodyId, at: Motion) {
        match self.0.binary_search_by_key(&id, |(own, _)| *own) {
            Ok(place) => self.0[place].1 = at,
            Err(place) => self.0.insert(place, (id, at)),
        }
    }

    fn remove(&mut self, id: BodyId) {
        self.0.retain(|(own, _)| *own != id);
    }
}

/// Some bodies, and where they would be.
#[derive(Clone, Debug)]
struct SecondThought {
    at: Places,
    /// Natural log odds against the plan's own reading.
    odds: f64,
    /// Since when it differs.
    since: ShopTime,
}

/// By the first of their bodies: those that a look touches are found without asking the rest of a shop.
#[derive(Clone, Debug, Default)]
pub struct SecondThoughts(BTreeMap<BodyId, Vec<SecondThought>>);

/// A look as the plan reads it.
pub struct Reading<'a> {
    pub seen: &'a [Seen<'a>],
    /// Bodies that some sighting could be, by id.
    pub ids: &'a [BodyId],
    /// `[sighting][body]`.
    pub pairs: &'a [Vec<Option<Pair>>],
    /// How unlikely it is that each body is not seen, -ln.
    pub missing: &'a [f64],
    /// The body of each sighting, and the sighting of each body.
    pub matched: &'a [Option<usize>],
    pub sighted: &'a [Option<usize>],
    /// Where a body was before the look; `None` for those it is too early to take for anybody.
    pub before: &'a dyn Fn(BodyId) -> Option<&'a Motion>,
    pub watch: &'a Watch<'a>,
    pub t: ShopTime,
}

impl<'a> Reading<'a> {
    fn pair(&self, i: usize, k: usize) -> Option<&'a Pair> {
        self.pairs[i][k].as_ref()
    }

    /// The place of a body in the tables.
    fn index(&self, id: BodyId) -> Option<usize> {
        self.ids.binary_search(&id).ok()
    }

    /// What it says of a place that sighting `i` is body `k` there; what a camera calls people is a reading itself, and left out.
    fn cost(&self, i: usize, k: usize) -> f64 {
        self.pair(i, k).map_or(f64::INFINITY, |pair| pair.fit + pair.clothes - self.missing[k])
    }

    /// Where the plan has a body after this look.
    fn after(&self, id: BodyId) -> Option<&'a Motion> {
        let seen = self.index(id).and_then(|k| self.pair(self.sighted[k]?, k));
        seen.map(|pair| &pair.motion).or_else(|| (self.before)(id))
    }
}

/// The plan's own reading is another one from now on.
pub struct Settled {
    /// Bodies to be exchanged, one pair after the other.
    pub exchanged: Vec<(BodyId, BodyId)>,
    /// Where they are then.
    pub motions: Vec<(BodyId, Motion)>,
    pub since: ShopTime,
}

impl SecondThoughts {
    /// Reads a look every way, and notes new ways that it can be read.
    pub fn look(&mut self, reading: &Reading) {
        let mut thoughts = Vec::new();
        for thought in reading.ids.iter().filter_map(|id| self.0.remove(id)).flatten() {
            thought.follow(reading, &mut thoughts);
        }
        for b in 0..reading.ids.len() {
            thoughts.extend((0..b).filter_map(|a| SecondThought::first(reading, (a, b))));
        }
        thoughts.sort_by(|x, y| y.odds.total_cmp(&x.odds));
        let mut kept: Vec<SecondThought> = Vec::new();
        let mut count: BTreeMap<BodyId, usize> = BTreeMap::new();
        for thought in thoughts {
            let many = thought.at.ids().any(|id| count.get(&id).is_some_and(|count| *count >= MOST));
            if !many && !kept.iter().any(|kept| kept.says_the_same(&thought)) {
                thought.at.ids().for_each(|id| *count.entry(id).or_default() += 1);
                kept.push(thought);
            }
        }
        kept.into_iter().for_each(|thought| self.keep(thought));
    }

    fn keep(&mut self, thought: SecondThought) {
        let Some((first, _)) = thought.at.0.first() else { return };
        self.0.entry(*first).or_default().push(thought);
    }

    /// Takes the likeliest reading of these bodies for the plan's own, if it is likelier by far. `motion`: where the plan has everybody.
    pub fn settle(&mut self, bodies: &[BodyId], motion: impl Fn(BodyId) -> Motion) -> Option<Settled> {
        let of = |id: BodyId| {
            self.0.get(&id).into_iter().flatten().enumerate().map(move |(at, thought)| (id, at, thought.odds))
        };
        let (first, at, odds) = bodies.iter().flat_map(|id| of(*id)).max_by(|a, b| a.2.total_cmp(&b.2))?;
        if odds <= BETTER {
            return None;
        }
        let new = self.0.get_mut(&first)?.remove(at);
        let old = Places(new.at.ids().map(|id| (id, motion(id))).collect());
        for mut other in std::mem::take(&mut self.0).into_values().flatten() {
            // What it differs in, it differs in from the new reading now.
            if other.at.ids().any(|id| old.get(id).is_some()) {
                for (id, at) in old.iter() {
                    if other.at.get(id).is_none() {
                        other.at.insert(id, at.clone());
                    }
                }
                other.odds -= new.odds;
            }
            self.keep(other);
        }
        let exchanged = exchanges(&old, &new.at);
        self.keep(SecondThought { at: old, odds: -new.odds, since: new.since });
        Some(Settled { exchanged, motions: new.at.0, since: new.since })
    }

    /// Whom a body may really be, with the chance of it.
    pub fn of<'b>(
        &self,
        body: BodyId,
        motion: impl Fn(BodyId) -> Option<&'b Motion>,
    ) -> impl Iterator<Item = (BodyId, f64)> {
        let about = self.0.values().flatten().filter(|thought| thought.at.get(body).is_some());
        // Readings of the same two exchanged differ in what became of others: the likeliest speaks for all of them.
        let mut odds: BTreeMap<BodyId, f64> = BTreeMap::new();
        if let Some(here) = motion(body).map(Motion::floor) {
            for thought in about {
                let stands = thought.at.iter().map(|(id, at)| (at.floor().distance(here), id));
                let nearest = stands.min_by(|a, b| a.0.total_cmp(&b.0)).filter(|(away_m, _)| *away_m <= ELSEWHERE_M);
                if let Some((_, id)) = nearest.filter(|(_, id)| *id != body) {
                    let likeliest = odds.entry(id).or_insert(f64::NEG_INFINITY);
                    *likeliest = likeliest.max(thought.odds);
                }
            }
        }
        let all = 1.0 + odds.values().map(|odds| libm::exp(*odds)).sum::<f64>();
        odds.into_iter().map(move |(id, odds)| (id, libm::exp(odds) / all))
    }

    pub fn forget(&mut self, body: BodyId) {
        self.0.values_mut().for_each(|thoughts| thoughts.retain(|thought| thought.at.get(body).is_none()));
        self.0.retain(|_, thoughts| !thoughts.is_empty());
    }
}

/// Pairs of bodies whose exchange, one after the other, brings everybody nearest to where they are in the new reading.
fn exchanges(old: &Places, new: &Places) -> Vec<(BodyId, BodyId)> {
    let ids: Vec<BodyId> = old.ids().collect();
    let apart_m = |i: usize, k: usize| new.0[i].1.floor().distance(old.0[k].1.floor());
    let places = assign(ids.len(), ids.len(), ELSEWHERE_M, apart_m);
    let mut exchanged = Vec::new();
    // Whose old place everybody has by now.
    let mut has: Vec<usize> = (0..ids.len()).collect();
    for (i, place) in places.into_iter().enumerate() {
        let now = place.and_then(|place| has.iter().position(|had| *had == place)).unwrap_or(i);
        if now != i {
            has.swap(i, now);
            exchanged.push((ids[i].min(ids[now]), ids[i].max(ids[now])));
        }
    }
    exchanged
}

/// Somebody a second reading speaks of in a look.
struct Column {
    id: BodyId,
    /// It has them elsewhere than the plan.
    differs: bool,
    /// Sightings that could be them: how badly each fits, and where they are with it taken in.
    fits: Vec<(usize, f64, Motion)>,
}

impl Column {
    fn fit(&self, i: usize) -> Option<&(usize, f64, Motion)> {
        self.fits.iter().find(|(own, ..)| *own == i)
    }
}

impl SecondThought {
    /// When a look can be read with two bodies exchanged.
    fn first(reading: &Reading, (a, b): (usize, usize)) -> Option<SecondThought> {
        let (i, j) = (reading.sighted[a], reading.sighted[b]);
        // Nobody saw either.
        i.or(j)?;
        let cost = |i: Option<usize>, k: usize| match i {
            Some(i) => reading.pair(i, k).map(|pair| pair.cost - reading.missing[k]),
            None => Some(0.0),
        };
        let odds = cost(i, a)? + cost(j, b)? - cost(i, b)? - cost(j, a)?;
        // What is not a number is no reading either.
        if odds.is_nan() || odds <= KEPT {
            return None;
        }
        let follows = |i: Option<usize>, k: usize| {
            let motion = (reading.before)(reading.ids[k])?;
            match i {
                Some(i) => reading.pair(i, k).map(|pair| pair.motion.clone()),
                None => Some(bridged(motion, reading.t)),
            }
        };
        let at = Places(vec![(reading.ids[a], follows(j, a)?), (reading.ids[b], follows(i, b)?)]);
        Some(SecondThought { at, odds, since: reading.t })
    }

    /// This reading after a look, and where it can be read in two ways, both; `into` grows by them.
    fn follow(self, reading: &Reading, into: &mut Vec<SecondThought>) {
        let mut columns: Vec<Column> = self.at.iter().map(|(id, at)| self.column(id, at, reading)).collect();
        let mut rows: BTreeSet<usize> =
            columns.iter().flat_map(|column| column.fits.iter().map(|(i, ..)| *i)).collect();
        rows.extend(self.at.ids().filter_map(|id| reading.sighted[reading.index(id)?]));
        if rows.is_empty() {
            return into.push(self);
        }
        // Whoever the plan takes those sightings for has a say in it.
        let others = rows.iter().filter_map(|i| reading.matched[*i]).map(|k| (k, reading.ids[k]));
        for (k, id) in others.filter(|(_, id)| self.at.get(*id).is_none() && (reading.before)(*id).is_some()) {
            let fit = |i: &usize| Some((*i, reading.cost(*i, k), reading.pair(*i, k)?.motion.clone()));
            columns.push(Column { id, differs: false, fits: rows.iter().filter_map(fit).collect() });
        }
        let rows: Vec<usize> = rows.into_iter().collect();
        let cost = |r: usize, c: usize| columns[c].fit(rows[r]).map_or(f64::INFINITY, |(_, cost, _)| *cost);
        let total = |pairs: &[Option<usize>]| -> f64 {
            pairs.iter().enumerate().map(|(r, c)| c.map_or(ALONE, |c| cost(r, c))).sum()
        };
        let planned = |i: &usize| reading.matched[*i].map_or(ALONE, |k| reading.cost(*i, k).min(ALONE));
        let planned: f64 = rows.iter().map(planned).sum();
        let loudest = LOUDEST * self.at.0.len() as f64 / 2.0;
        let read = |pairs: &[Option<usize>], cost: f64| {
            let odds = self.odds + news(reading.watch.view) * (planned - cost).clamp(-loudest, loudest);
            let sighting = |c: usize| pairs.iter().position(|pair| *pair == Some(c)).map(|r| rows[r]);
            let seen = columns.iter().enumerate().map(|(c, column)| (column, sighting(c)));
            (odds > KEPT).then(|| self.read(odds, seen, reading)).filter(|thought| !thought.at.0.is_empty())
        };

        let best = assign(rows.len(), columns.len(), ALONE, cost);
        let least = total(&best);
        into.extend(read(&best, least));
        for d in 0..columns.len() {
            for c in 0..d {
                let exchanged = |column: Option<usize>| match column {
                    Some(column) if column == c => Some(d),
                    Some(column) if column == d => Some(c),
                    column => column,
                };
                let other: Vec<Option<usize>> = best.iter().copied().map(exchanged).collect();
                let cost = total(&other);
                if other != best && cost - least < BOTH_WAYS {
                    into.extend(read(&other, cost));
                }
            }
        }
    }

    /// Which sightings could be somebody who stands where this reading has them.
    fn column(&self, id: BodyId, at: &Motion, reading: &Reading) -> Column {
        let forecast = Forecast::of(at, reading.t);
        let expected = reading.watch.view.and_then(|view| Expected::of(&forecast.motion, view));
        let missing = expected.map_or(0.0, |expected| reading.watch.missing(&expected));
        let fit = |(i, seen): (usize, &Seen)| {
            let weighed = forecast.weigh(seen, reading.watch.view)?;
            let clothes = reading.index(id).and_then(|k| reading.pair(i, k)).map_or(0.0, |pair| pair.clothes);
            let cost = weighed.cost + clothes - missing;
            (cost < ALONE).then_some((i, cost, weighed.motion))
        };
        Column { id, differs: true, fits: reading.seen.iter().enumerate().filter_map(fit).collect() }
    }

    /// This reading with a look taken in: every column and its sighting.
    fn read<'a>(
        &self,
        odds: f64,
        seen: impl Iterator<Item = (&'a Column, Option<usize>)>,
        reading: &Reading,
    ) -> SecondThought {
        let mut at = self.at.clone();
        for (column, sighting) in seen {
            let planned = reading.index(column.id).and_then(|k| reading.sighted[k]);
            if !column.differs && sighting == planned {
                continue;
            }
            let seen = sighting.and_then(|i| Some(column.fit(i)?.2.clone()));
            // Unseen, they are where they were.
            let motion = seen.or_else(|| self.at.get(column.id).or_else(|| (reading.before)(column.id)).cloned());
            let Some(motion) = motion else { continue };
            let agrees = |plan: &Motion| sighting == planned && is_same(&motion, plan);
            if reading.after(column.id).is_some_and(agrees) {
                at.remove(column.id);
            } else {
                at.insert(column.id, motion);
            }
        }
        SecondThought { at, odds, since: self.since }
    }

    fn says_the_same(&self, other: &SecondThought) -> bool {
        self.at.0.len() == other.at.0.len()
            && self.at.iter().zip(other.at.iter()).all(|((one, at), (two, there))| one == two && is_same(at, there))
    }
}

fn is_same(one: &Motion, other: &Motion) -> bool {
    let [dx, dy] = [2, 3].map(|i| (one.state[i] - other.state[i]).abs());
    one.floor().distance(other.floor()) < SAME_M && dx + dy < SAME_M_S
}
