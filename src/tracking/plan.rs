//! The floor plan with everybody on it. Deterministic: same people messages, same bodies.
//!
//! Every look is read as a whole: which of its people is which body, so that the sum of all is likeliest ([`super::assign`]); how
//! likely one is another is [`super::seen`]'s question, what to make of a second reading [`super::second`]'s. Who fits nobody is
//! somebody new.

use super::assign::assign;
use super::body::{Body, Sighting, Spot};
use super::clothes::{Clothes, Likeness};
use super::habits::Habits;
use super::lost::who_was_lost;
use super::motion::Motion;
use super::second::{Reading, SecondThoughts};
use super::seen::{Forecast, Pair, ROUGHLY_M, SIGMA_M, Seen, pair};
use super::shape::{Edges, Outline, View, area, inside, news, overlap};
use super::watch::{Expected, Sights, Watch};
use crate::base::{BodyId, CameraId, Point2, ShopTime};
use crate::events::{People, Person, Position, Track};
use crate::shop::Layout;
use std::collections::BTreeMap;

/// A sighting that costs more as anybody known is somebody new: 4.5 standard deviations.
pub const ALONE: f64 = 10.0;
/// A camera's track number may be reused after this, us.
const TRACK_REUSE_US: i64 = 60_000_000;
/// A body unseen for longer than this is nobody's any more, s. A restarted daemon finds people again within it.
const LOST_S: f64 = 60.0;
/// Who has left the shop and is unseen for this long has gone: whoever is seen then, inside or at the door, is somebody else, s.
const GONE_S: f64 = 3.0;
/// Two lost bodies this close to equally good, metres: which of them came back is a guess.
const AMBIGUOUS_M: f64 = 1.0;

/// Evidence that somebody is there, in natural log odds: a look that saw them, one that should have and did not. The feet of a
/// half hidden person are somewhere else in every camera, a person is not.
const SEEN: f64 = 1.0;
const NOT_SEEN: f64 = -2.0;
/// From here on it is somebody; below [`NOBODY`] it was nobody.
const SOMEBODY: f64 = 3.0;
const NOBODY: f64 = -5.0;
const SUREST: f64 = 6.0;
/// Somebody who was there once may be there again, unseen for however long.
const LEAST: f64 = -2.0;
/// A box that makes somebody unusually short or tall begins with so much against it, at most.
const UNUSUAL: f64 = 4.0;
/// An expected box of which so much lies in the picture and is not covered by others' boxes should have been seen.
const IN_SIGHT: f64 = 0.7;
/// Another camera has seen somebody just now, us.
const JUST_NOW_US: i64 = 300_000;
/// A doubtful body is given up after this, us.
const DOUBT_US: i64 = 2_000_000;
/// Two boxes of one look that overlap so much, intersection over union, are one person seen twice: where detectors draw that line.
const DOUBLED: f64 = 0.4;
/// A box nobody else is in, that lies so far within one of somebody known, is that somebody again.
const INSIDE: f64 = 0.6;

/// Two bodies this close to each other, metres, for this long, us, that no camera ever saw both in one look, are one human.
const TWIN_M: f64 = 0.5;
const TWIN_US: i64 = 1_000_000;

#[derive(Clone, Debug, Default)]
pub struct Plan {
    bodies: BTreeMap<BodyId, Body>,
    /// Bodies that may be one human, and since when they look like it.
    twins: BTreeMap<(BodyId, BodyId), ShopTime>,
    by_track: BTreeMap<Track, BodyId>,
    thoughts: SecondThoughts,
    likeness: Likeness,
    sights: BTreeMap<CameraId, Sights>,
    next: u64,
    /// Tracks that went on as somebody else.
    pub broken_tracks: u64,
}

/// What one look did to the plan.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Look {
    /// Bodies first seen in this look.
    pub born: Vec<BodyId>,
    /// Bodies found again after more than a second, where another lost body (the second of the pair) would have done
    /// nearly as well; or another sighting (then the second is the body itself).
    pub ambiguous: Vec<(BodyId, BodyId)>,
    /// Bodies that had been taken for each other since some time, and have been exchanged.
    pub exchanged: Vec<(BodyId, BodyId, ShopTime)>,
    /// Bodies seen in this look with where they were before (first sightings: the same place).
    pub moved: Vec<(BodyId, Point2, Point2)>,
}

impl Plan {
    /// Bodies are numbered from `next` on; numbers are never reused within a ledger.
    pub fn numbered_from(next: u64) -> Plan {
        Plan { next, ..Plan::default() }
    }

    pub fn bodies(&self) -> impl Iterator<Item = &Body> {
        self.bodies.values().filter(|body| !body.doubtful)
    }

    pub fn body(&self, id: BodyId) -> Option<&Body> {
        self.bodies.get(&id).filter(|body| !body.doubtful)
    }

    /// Whom a body may really be, with the chance of it: they met, and may have been taken for each other.
    pub fn may_be(&self, body: BodyId) -> impl Iterator<Item = (BodyId, f64)> {
        self.thoughts.of(body, |id| self.bodies.get(&id).map(|body| &body.motion))
    }

    /// A body that no camera has seen, put where it must be: a beam counted a passage and nobody was in view.
    pub fn imagine(&mut self, t: ShopTime, floor: Point2) -> BodyId {
        let sighting = Sighting { t, floor, head: None, hands: Vec::new() };
        let id = self.bear(sighting, Motion::new(t, floor, ROUGHLY_M));
        self.bodies.get_mut(&id).expect("just born").imagined = true;
        id
    }

    /// Puts a body back where the journal last knew it. A camera that has gone on following it knows it at once.
    pub fn restore(&mut self, at: Position, t: ShopTime) {
        let id = at.body;
        self.next = self.next.max(id.0 + 1);
        let sighting = Sighting { t, floor: at.floor, head: None, hands: Vec::new() };
        let mut body = Body::born(id, sighting, Motion::new(t, at.floor, ROUGHLY_M));
        body.restored = true;
        for track in at.tracks {
            self.by_track.insert(track.clone(), id);
            body.tracks.insert(track.camera.clone(), (track, t));
        }
        self.bodies.insert(id, body);
    }

    /// Says of every body whether it has left the shop. Where it was stays known as long as it is not forgotten.
    pub fn depart(&mut self, has_left: impl Fn(BodyId) -> bool) {
        self.bodies.values_mut().for_each(|body| body.departed = has_left(body.id));
    }

    fn bear(&mut self, sighting: Sighting, motion: Motion) -> BodyId {
        let id = BodyId(self.next);
        self.next += 1;
        self.bodies.insert(id, Body::born(id, sighting, motion));
        id
    }

    pub fn forget(&mut self, id: BodyId) {
        self.thoughts.forget(id);
        self.bodies.remove(&id);
        self.by_track.retain(|_, body| *body != id);
    }

    /// Takes `new`'s tracks and last sighting over into `old`: they are the same human.
    pub fn merge(&mut self, old: BodyId, new: BodyId) {
        if !self.bodies.contains_key(&old) {
            return;
        }
        let Some(gone) = self.bodies.remove(&new) else { return };
        self.thoughts.forget(new);
        for body in self.by_track.values_mut().filter(|body| **body == new) {
            *body = old;
        }
        if let Some(kept) = self.bodies.get_mut(&old) {
            let from = gone.born.t;
            gone.during(from, gone.last().t).for_each(|sighting| kept.see(sighting.clone()));
            if gone.motion.at >= kept.motion.at {
                kept.motion = gone.motion.clone();
            }
            kept.tracks.extend(gone.tracks);
        }
    }

    /// Who comes in may be somebody else than who went out under that name: what they wear is seen anew.
    pub fn undress(&mut self, id: BodyId) {
        if let Some(body) = self.bodies.get_mut(&id) {
            body.clothes = Clothes::default();
        }
    }

    /// How much their clothes speak against two bodies being one human, natural log odds; 0 where nothing is known of either's.
    pub fn unlike(&self, one: BodyId, other: BodyId) -> f64 {
        let clothes = |id| self.bodies.get(&id).map(|body| &body.clothes);
        let seen = clothes(other).and_then(Clothes::vector);
        clothes(one).map_or(0.0, |clothes| self.likeness.cost(clothes, seen.as_ref()))
    }

    /// Pairs (older, newer) that have walked as one for a second while no camera ever saw both in one look: one human, born twice
    /// because two cameras did not agree on where they came in.
    pub fn twins(&mut self, now: ShopTime) -> Vec<(BodyId, BodyId)> {
        let mut row: Vec<(Point2, BodyId)> = self
            .bodies()
            .filter(|body| body.fresh_tracks(now).next().is_some())
            .map(|body| (body.last().floor, body.id))
            .collect();
        row.sort_by(|a, b| a.0.x.total_cmp(&b.0.x).then(a.1.cmp(&b.1)));
        let mut close = BTreeMap::new();
        for (i, (at, id)) in row.iter().enumerate() {
            for (other_at, other) in row[i + 1..].iter().take_while(|(p, _)| p.x - at.x <= TWIN_M) {
                if at.distance(*other_at) <= TWIN_M {
                    let pair = (*id.min(other), *id.max(other));
                    close.insert(pair, self.twins.get(&pair).copied().unwrap_or(now));
                }
            }
        }
        self.twins = close;
        self.twins.iter().filter(|(_, since)| now.since(**since) >= TWIN_US).map(|(pair, _)| *pair).collect()
    }

    /// Holds everybody of a look against everybody in it.
    fn learn_clothes(&mut self, seen: &[Seen], matched: &[Option<usize>], ids: &[BodyId]) {
        let there: Vec<(BodyId, &Person)> =
            seen.iter().zip(matched).filter_map(|(seen, k)| Some((ids[(*k)?], seen.person))).collect();
        for (id, person) in &there {
            let Some(appearance) = &person.appearance else { continue };
            for (other, _) in &there {
                if let Some(body) = self.bodies.get(other).filter(|body| !body.doubtful) {
                    self.likeness.learn(&body.clothes, appearance, id == other);
                }
            }
        }
    }

    /// Two that a camera saw in one look are two.
    fn seen_together(&mut self, ids: &[BodyId], t: ShopTime) {
        for ((a, b), since) in &mut self.twins {
            if ids.contains(a) && ids.contains(b) {
                *since = t;
            }
        }
    }

    /// Takes in one camera's look at time `t` (shop time).
    pub fn look(&mut self, people: &People, t: ShopTime, layout: &Layout) -> Look {
        let view = layout.cameras.get(&people.camera).and_then(|camera| View::of(camera, layout));
        let view = view.map(|view| view.with_news(self.sights.entry(people.camera.clone()).or_default().look(t)));
        let view = view.as_ref();
        let seen = self.seen(people, t, view);
        let looked_for_s = |body: &Body| if body.departed { GONE_S } else { LOST_S };
        let still = |body: &&Body| t.secs_since(body.last().t) <= looked_for_s(body);
        let bodies: Vec<&Body> = self.bodies.values().filter(still).collect();
        let of = |body: &&Body| -> Vec<Option<Pair>> {
            let forecast = Forecast::of(&body.motion, t);
            seen.iter().map(|seen| pair(body, &forecast, seen, t, view, layout, &self.likeness)).collect()
        };
        // Most bodies are nowhere near: columns that some sighting could be.
        let (bodies, columns): (Vec<&Body>, Vec<Vec<Option<Pair>>>) = bodies
            .into_iter()
            .map(|body| (body, of(&body)))
            .filter(|(_, column)| column.iter().any(Option::is_some))
            .unzip();
        let ids: Vec<BodyId> = bodies.iter().map(|body| body.id).collect();
        let unknown = Sights::default();
        let sights = self.sights.get(&people.camera).unwrap_or(&unknown);
        let expected = view.map(|view| self.expected(view, t)).unwrap_or_default();
        let standing = bodies.iter().filter(|body| !body.doubtful && body.is_likely());
        let watch = Watch::new(view, sights, standing.filter_map(|body| expected.get(&body.id)));
        let missing: Vec<f64> =
            ids.iter().map(|id| expected.get(id).map_or(0.0, |expected| watch.missing(expected))).collect();
        let mut pairs: Vec<Vec<Option<Pair>>> = seen.iter().map(|_| Vec::with_capacity(ids.len())).collect();
        for column in columns {
            pairs.iter_mut().zip(column).for_each(|(row, pair)| row.push(pair));
        }
        let cost = |i: usize, k: usize| pairs[i][k].as_ref().map_or(f64::INFINITY, |pair| pair.cost - missing[k]);
        let matched = assign(seen.len(), ids.len(), ALONE, cost);

        let mut look = Look { ambiguous: self.guesses(&pairs, &matched, &ids, t), ..Look::default() };
        let mut sighted = vec![None; ids.len()];
        for (i, k) in matched.iter().enumerate().filter_map(|(i, k)| Some((i, (*k)?))) {
            sighted[k] = Some(i);
        }
        let known = |id: BodyId| self.bodies.get(&id).filter(|body| !body.doubtful).map(|body| &body.motion);
        self.thoughts.look(&Reading {
            seen: &seen,
            ids: &ids,
            pairs: &pairs,
            missing: &missing,
            matched: &matched,
            sighted: &sighted,
            before: &known,
            watch: &watch,
            t,
        });
        self.learn_clothes(&seen, &matched, &ids);
        // Boxes of those who are known teach how this camera's are off.
        if let Some((view, sights)) = view.zip(self.sights.get_mut(&people.camera)) {
            let known = |k: &usize| !self.bodies[&ids[*k]].doubtful;
            let theirs = pairs.iter().zip(&matched).filter_map(|(row, k)| row[k.filter(known)?].as_ref());
            theirs.for_each(|pair| sights.habits.learn(pair.off, view.news));
        }
        let edges = |seen: &Seen| Some(view?.edges(seen.person.bounds?));
        let hits: Vec<(BodyId, Option<Edges>)> =
            seen.iter().zip(&matched).filter_map(|(seen, k)| Some((ids[(*k)?], edges(seen)))).collect();
        for ((seen, k), row) in seen.into_iter().zip(&matched).zip(pairs) {
            let of = k.and_then(|k| Some((ids[k], row.into_iter().nth(k)??)));
            if seen.known.is_some() && seen.known != of.as_ref().map(|(id, _)| *id) {
                self.broken_tracks += 1;
                self.by_track.remove(&seen.track);
            }
            let again =
                |own: &Edges| hits.iter().any(|(_, other)| other.is_some_and(|other| inside(own, &other) > INSIDE));
            if of.is_none() && seen.outline.is_some_and(|own| again(&own.edges)) {
                continue;
            }
            self.take(seen, of, view, t, &mut look);
        }
        if let Some(view) = view {
            self.unseen(&people.camera, view, &hits, &expected, t);
        }
        let together: Vec<BodyId> = matched.iter().flatten().map(|k| ids[*k]).collect();
        self.seen_together(&together, t);
        self.find_lost(&mut look, layout, t);
        self.exchange(&ids, &mut look);
        let nobody = |body: &&Body| body.doubtful && (t.since(body.last().t) > DOUBT_US || body.evidence <= NOBODY);
        let nobodies: Vec<BodyId> = self.bodies.values().filter(nobody).map(|body| body.id).collect();
        nobodies.into_iter().for_each(|id| self.forget(id));
        look
    }

    /// What the people of a look say; who says nothing about where they are is left out.
    fn seen<'a>(&self, people: &'a People, t: ShopTime, view: Option<&View>) -> Vec<Seen<'a>> {
        let sights = self.sights.get(&people.camera);
        let outlines = match view {
            Some(view) => view.outlines(&people.people, sights.map_or(&Habits::default(), |sights| &sights.habits)),
            None => vec![None; people.people.len()],
        };
        // Whose box is nobody's who stands where they say, is compared by that place alone.
        let is_theirs = |person: &Person, outline: &Outline| {
            let there = person.floor.map(|floor| Motion::new(t, floor, SIGMA_M));
            there.zip(view).is_none_or(|(there, view)| view.is_of(outline, &there))
        };
        let theirs =
            |(person, outline): (&Person, Option<Outline>)| outline.filter(|outline| is_theirs(person, outline));
        let outlines: Vec<Option<Outline>> = people.people.iter().zip(outlines).map(theirs).collect();
        let edges: Vec<Edges> = outlines.iter().flatten().map(|outline| outline.edges).collect();
        let doubled = |own: &Edges| edges.iter().any(|other| area(other) > area(own) && overlap(own, other) > DOUBLED);
        // What was read off a picture is off as a box is ([`View::vague`]).
        let off = |person: &Person| picture_of(person, view).map_or(1.0, |view| view.vague(person));
        let mut seen = Vec::new();
        for (person, outline) in people.people.iter().zip(outlines) {
            let track = Track { camera: people.camera.clone(), boot: people.boot.clone(), track: person.track.clone() };
            let is_fresh = |body: &Body| {
                let last = body.tracks.get(&people.camera);
                last.is_none_or(|(_, at)| t.since(*at) <= TRACK_REUSE_US)
            };
            let known = self.by_track.get(&track).copied().filter(|id| self.bodies.get(id).is_some_and(is_fresh));
            if outline.is_some_and(|outline| doubled(&outline.edges)) {
                continue;
            }
            let motion = match person.floor {
                Some(floor) => Some(Motion::new(t, floor, SIGMA_M * off(person))),
                None => outline.as_ref().zip(view).and_then(|(outline, view)| view.place(outline, t)),
            };
            if motion.is_some() || outline.is_some() {
                let unsure = picture_of(person, view).is_none()
                    && sights.is_some_and(|sights| !sights.is_sure(person.confidence));
                seen.push(Seen { person, track, known, motion, outline, unsure });
            }
        }
        seen
    }

    /// Bodies found again after more than a second where it was a guess which: another lost body for this sighting, or another
    /// sighting for this lost body.
    fn guesses(
        &self,
        pairs: &[Vec<Option<Pair>>],
        matched: &[Option<usize>],
        ids: &[BodyId],
        t: ShopTime,
    ) -> Vec<(BodyId, BodyId)> {
        let lost = |k: usize| t.secs_since(self.bodies[&ids[k]].last().t) > 1.0;
        let mut guesses = Vec::new();
        for (i, k) in matched.iter().enumerate() {
            let Some(k) = k.filter(|k| lost(*k)) else { continue };
            let Some(Pair { distance_m, named: false, .. }) = pairs[i][k] else { continue };
            let near = |pair: &Option<Pair>| {
                pair.as_ref().is_some_and(|other| !other.named && other.distance_m - distance_m < AMBIGUOUS_M)
            };
            let is_free = |other: usize| !matched.contains(&Some(other)) || matched[i] == Some(other);
            let body =
                (0..ids.len()).find(|&other| other != k && lost(other) && is_free(other) && near(&pairs[i][other]));
            let sighting = (0..pairs.len()).any(|other| other != i && near(&pairs[other][k]));
            match body {
                Some(other) => guesses.push((ids[k], ids[other])),
                None if sighting => guesses.push((ids[k], ids[k])),
                None => {}
            }
        }
        guesses
    }

    /// Who has just turned out to be somebody goes on as whoever was lost there.
    fn find_lost(&mut self, look: &mut Look, layout: &Layout, t: ShopTime) {
        for new in std::mem::take(&mut look.born) {
            let Some(old) = self.lost(new, layout, t) else {
                look.born.push(new);
                continue;
            };
            let (evidence, before) = (self.bodies[&new].evidence, self.bodies[&old].last().floor);
            self.merge(old, new);
            let body = self.bodies.get_mut(&old).expect("who is lost is known");
            body.evidence = evidence;
            let at = body.last().floor;
            look.moved.retain(|(id, ..)| *id != new);
            look.moved.push((old, before, at));
        }
    }

    fn lost(&self, new: BodyId, layout: &Layout, t: ShopTime) -> Option<BodyId> {
        // Who is surely seen is somebody at first sight; and in a door it may be somebody who comes in.
        let turned_out = |body: &&Body| body.born.t < t && !layout.is_doorway(body.born.floor);
        let new = self.bodies.get(&new).filter(turned_out)?;
        who_was_lost(new, self.bodies.values(), |body| self.unlike(body.id, new.id), t).map(|body| body.id)
    }

    /// Of these bodies, who is likelier to be another becomes the other.
    fn exchange(&mut self, ids: &[BodyId], look: &mut Look) {
        while let Some(settled) = self.thoughts.settle(ids, |id| self.bodies[&id].motion.clone()) {
            for (a, b) in settled.exchanged {
                let mut take = |id| self.bodies.remove(&id).expect("who is forgotten is in no second thought");
                let (mut one, mut two) = (take(a), take(b));
                one.exchange(&mut two, settled.since);
                self.bodies.extend([(a, one), (b, two)]);
                look.exchanged.push((a, b, settled.since));
                let renamed = |id: &mut BodyId| {
                    if *id == a || *id == b {
                        *id = if *id == a { b } else { a };
                    }
                };
                self.by_track.values_mut().for_each(renamed);
                look.moved.iter_mut().for_each(|(id, ..)| renamed(id));
            }
            for (id, motion) in settled.motions {
                self.bodies.get_mut(&id).expect("who is forgotten is in no second thought").motion = motion;
            }
        }
    }

    /// Where a camera would see each body that is known well enough.
    fn expected(&self, view: &View, t: ShopTime) -> BTreeMap<BodyId, Expected> {
        let expected = |body: &Body| Expected::of(&body.motion.ahead(t), view);
        self.bodies.iter().filter_map(|(id, body)| Some((*id, expected(body)?))).collect()
    }

    /// Bodies this look should have seen and did not are less likely to be there. `expected`: before the look.
    fn unseen(
        &mut self,
        camera: &CameraId,
        view: &View,
        hits: &[(BodyId, Option<Edges>)],
        expected: &BTreeMap<BodyId, Expected>,
        t: ShopTime,
    ) {
        let sights = self.sights.entry(camera.clone()).or_default();
        for body in hits.iter().filter_map(|(id, _)| self.bodies.get(id)) {
            sights.saw(body.motion.floor());
        }
        let nearer: Vec<(f64, Edges)> = hits
            .iter()
            .filter_map(|(id, edges)| Some((view.depth_m(self.bodies.get(id)?.motion.floor()), (*edges)?)))
            .collect();
        let hit = |id: BodyId| hits.iter().any(|(other, _)| *other == id);
        for body in self.bodies.values_mut().filter(|body| !hit(body.id) && body.born.t < t) {
            let Some(expected) = expected.get(&body.id) else { continue };
            let hidden = expected.hidden(nearer.iter().map(|(depth_m, edges)| (*depth_m, edges)));
            if view.share_in_picture(&expected.edges) - hidden < IN_SIGHT {
                continue;
            }
            let counts = sights.usually_see(expected.floor);
            // Half of somebody, seen by one camera alone, is no teacher.
            if t.since(body.last().t) <= JUST_NOW_US && (!body.doubtful || body.fresh_tracks(t).nth(1).is_some()) {
                sights.missed(expected.floor);
            }
            if counts {
                body.evidence =
                    (body.evidence + NOT_SEEN * view.news).max(if body.doubtful { f64::NEG_INFINITY } else { LEAST });
            }
        }
    }

    /// A sighting goes to its body, or to a new one.
    fn take(&mut self, seen: Seen, of: Option<(BodyId, Pair)>, view: Option<&View>, t: ShopTime, look: &mut Look) {
        let Seen { person, track, motion: alone, unsure, .. } = seen;
        let view = picture_of(person, view);
        let sighting = |motion: &Motion| Sighting {
            t,
            // What a camera says is kept as it says it; what is read off a picture is made of all pictures before.
            floor: person.floor.filter(|_| view.is_none()).unwrap_or(motion.floor()),
            head: person.head,
            hands: person.hands.clone(),
        };
        let edges = view.and_then(|view| Some(view.edges(person.bounds?)));
        let spot = edges.map(Spot::Box).or(person.floor.map(Spot::Floor));
        let is_sure = view.is_none() && !unsure;
        let mut share = 1.0;
        let id = match of {
            Some((id, Pair { motion, share: own, .. })) => {
                share = own;
                let body = self.bodies.get_mut(&id).expect("matched bodies live");
                let before = body.last().floor;
                let sighting = sighting(&motion);
                let at = sighting.floor;
                body.see(sighting);
                body.motion = motion;
                if !body.doubtful {
                    look.moved.push((id, before, at));
                }
                id
            }
            None => {
                let Some(alone) = alone else { return };
                let at = sighting(&alone);
                let floor = at.floor;
                let id = self.bear(at, alone);
                if is_sure {
                    look.born.push(id);
                    look.moved.push((id, floor, floor));
                } else {
                    let body = self.bodies.get_mut(&id).expect("just born");
                    body.doubtful = true;
                    body.evidence = -body.motion.unusual().min(UNUSUAL);
                    body.unmoved = spot.map(|spot| (track.camera.clone(), spot));
                }
                id
            }
        };
        let body = self.bodies.get_mut(&id).expect("just seen");
        if view.is_none() && body.has_walked() {
            self.sights.entry(track.camera.clone()).or_default().saw_walker(person.confidence);
        }
        body.evidence = (body.evidence + SEEN * share * news(view)).min(SUREST);
        if let Some(appearance) = &person.appearance {
            body.clothes.see(appearance);
        }
        match spot {
            _ if is_sure => body.unmoved = None,
            Some(spot) => body.seen_at(&track.camera, &spot),
            None => {}
        }
        if body.doubtful && body.evidence >= SOMEBODY && body.unmoved.is_none() {
            body.doubtful = false;
            look.born.push(id);
            look.moved.push((id, body.born.floor, body.last().floor));
        }
        if let Some((old, _)) = body.tracks.insert(track.camera.clone(), (track.clone(), t)) {
            // Two that were taken for each other have just exchanged their names.
            if old != track && self.by_track.get(&old) == Some(&id) {
                self.by_track.remove(&old);
            }
        }
        self.by_track.insert(track, id);
    }
}

/// The picture a person was read off, if that is how they are known: a box and what was read off it may be a shelf; who only says a floor
/// point has thought about it.
fn picture_of<'v, 's>(person: &Person, view: Option<&'v View<'s>>) -> Option<&'v View<'s>> {
    view.filter(|_| person.bounds.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(camera: &str, people: &[(&str, f64, f64)]) -> People {
        let people = people.iter().map(|(track, x, y)| Person {
            track: (*track).into(),
            confidence: 0.9,
            floor: Some(Point2::new(*x, *y)),
            ..Person::default()
        });
        People { camera: CameraId::new(camera), boot: "c1".into(), seq: 0, t_us: 0, people: people.collect() }
    }

    /// Plays looks 100 ms apart and returns how many bodies there are at the end.
    fn bodies_after(looks: &[People]) -> usize {
        let mut plan = Plan::default();
        for (i, people) in looks.iter().enumerate() {
            plan.look(people, ShopTime(i as i64 * 100_000), &Layout::default());
        }
        plan.bodies().count()
    }

    #[test]
    fn one_human_is_one_body() {
        let rows: &[(&str, Vec<People>, usize)] = &[
            ("two cameras see the same person", vec![look("a", &[("1", 1.0, 1.0)]), look("b", &[("9", 1.2, 1.1)])], 1),
            ("two people of one camera", vec![look("a", &[("1", 1.0, 1.0), ("2", 1.5, 1.0)])], 2),
            ("the track breaks", vec![look("a", &[("1", 1.0, 1.0)]), look("a", &[("2", 1.1, 1.0)])], 1),
            (
                "the number jumps to somebody far off",
                vec![look("a", &[("1", 1.0, 1.0)]), look("a", &[("1", 5.0, 1.0)])],
                2,
            ),
            ("nobody", vec![look("a", &[])], 0),
        ];
        for (story, looks, bodies) in rows {
            assert_eq!(bodies_after(looks), *bodies, "{story}");
        }
    }

    #[test]
    fn one_human_born_twice_is_found_out() {
        let rows: &[(&str, &str, [f64; 2], usize)] = &[
            ("two cameras, one and a half metres apart at first", "b", [2.5, 1.0], 1),
            ("one camera sees two: they are two", "a", [2.5, 1.0], 2),
        ];
        for (story, camera, start, humans) in rows {
            let mut plan = Plan::default();
            for i in 0..20 {
                let t = ShopTime(i * 100_000);
                let x = 1.0 + 0.05 * i as f64;
                // The second sighting starts far off and comes to the first within half a second.
                let second = (start[0] - 0.4 * i as f64).max(x + 0.1);
                let both = [("1", x, 1.0), ("2", second, 1.0)];
                if *camera == "a" {
                    plan.look(&look("a", &both), t, &Layout::default());
                } else {
                    plan.look(&look("a", &both[..1]), t, &Layout::default());
                    plan.look(&look("b", &both[1..]), t, &Layout::default());
                }
                // As the floor does after each look.
                plan.twins(t).into_iter().for_each(|(older, newer)| plan.merge(older, newer));
            }
            assert_eq!(plan.bodies().count(), *humans, "{story}");
        }
    }

    /// One look of one camera: the number, how sure it is and where.
    fn unsure(camera: &str, people: &[(&str, f64, [f64; 2])]) -> People {
        let mut seen = look(camera, &people.iter().map(|(track, _, [x, y])| (*track, *x, *y)).collect::<Vec<_>>());
        seen.people.iter_mut().zip(people).for_each(|(person, (_, confidence, _))| person.confidence = *confidence);
        seen
    }

    #[test]
    fn a_false_alarm_does_not_take_over_who_is_missed_for_a_moment() {
        let mut plan = Plan::default();
        let mut at = 0;
        // They have come in, so that it is known how sure the camera is of people.
        let mut see = |people: &[(&str, f64, [f64; 2])]| {
            at += 100_000;
            plan.look(&unsure("a", people), ShopTime(at), &Layout::default());
            plan.bodies().map(|body| (body.id.0, body.last().floor.x)).collect::<Vec<_>>()
        };
        let (them, alarm) = (("47", 0.9, [3.8, 4.1]), ("48", 0.5, [2.9, 3.9]));
        (0..60).for_each(|step| drop(see(&[("47", 0.9, [0.8 + 0.05 * f64::from(step), 4.1])])));
        (0..20).for_each(|_| drop(see(&[them])));
        (0..3).for_each(|_| drop(see(&[])));
        for _ in 0..3 {
            assert_eq!(see(&[alarm]), [(0, 3.8)], "nobody is taken for it, and it is nobody");
        }
        for _ in 0..10 {
            assert_eq!(see(&[them, alarm]), [(0, 3.8)], "they are who they were");
        }
    }

    #[test]
    fn who_is_never_surely_seen_is_somebody_who_walks_or_whom_two_cameras_see() {
        let rows: &[(&str, f64, &[&str], usize)] = &[
            ("stands before one camera", 0.0, &["a"], 0),
            ("walks", 0.1, &["a"], 1),
            ("stands before two", 0.0, &["a", "b"], 1),
        ];
        for (story, step_m, cameras, bodies) in rows {
            let mut plan = Plan::default();
            for i in 0..100 {
                for camera in *cameras {
                    // Somebody else, of whom it is sure, walks all the time.
                    let other = ("9", 0.9, [20.0 + 0.05 * f64::from(i), 1.0]);
                    let them = ("1", 0.6, [1.0 + step_m * f64::from(i), 1.0]);
                    let both = [other, them];
                    let people = unsure(camera, if i < 70 { &both[..1] } else { &both });
                    plan.look(&people, ShopTime(i64::from(i) * 100_000), &Layout::default());
                }
            }
            assert_eq!(plan.bodies().count(), 1 + *bodies, "{story}");
        }
    }

    #[test]
    fn two_swapped_numbers_stay_two_bodies_where_they_were() {
        let mut plan = Plan::default();
        plan.look(&look("a", &[("1", 1.0, 1.0), ("2", 4.0, 1.0)]), ShopTime(0), &Layout::default());
        let first: Vec<_> = plan.bodies().map(|b| (b.id, b.last().floor.x)).collect();
        plan.look(&look("a", &[("2", 1.0, 1.0), ("1", 4.0, 1.0)]), ShopTime(100_000), &Layout::default());
        let second: Vec<_> = plan.bodies().map(|b| (b.id, b.last().floor.x)).collect();
        assert_eq!(first, second);
    }

    #[test]
    fn where_one_camera_confuses_two_the_other_knows_better() {
        // Two meet, and from then on camera b gives each the other's number; camera a does not.
        let mut plan = Plan::default();
        for i in 0..40 {
            let t = ShopTime(i * 100_000);
            let (x, y) = (1.0 + 0.1 * i as f64, 5.0 - 0.1 * i as f64);
            let swapped = i > 20;
            plan.look(&look("a", &[("1", x, 1.0), ("2", y, 1.3)]), t, &Layout::default());
            let (one, two) = if swapped { ("8", "7") } else { ("7", "8") };
            plan.look(&look("b", &[(one, x + 0.05, 1.05), (two, y + 0.05, 1.25)]), t, &Layout::default());
            let here: Vec<(BodyId, f64)> = plan.bodies().map(|body| (body.id, body.last().floor.x)).collect();
            assert_eq!(here.len(), 2, "look {i}: {here:?}");
            // Next to each other nobody can tell, and it does not matter.
            if (x - y).abs() > 0.8 {
                assert!((here[0].1 - x).abs() < 0.2 && (here[1].1 - y).abs() < 0.2, "look {i}: {here:?}");
            }
        }
    }

    #[test]
    fn a_restored_body_is_known_by_what_its_camera_calls_it() {
        // Two stood side by side and have changed places while we were down; only their numbers tell them apart.
        for (story, boot, swapped) in [("the camera went on", "c1", true), ("the camera restarted too", "c2", false)] {
            let mut before = Plan::default();
            before.look(&look("a", &[("1", 1.0, 1.0), ("2", 1.8, 1.0)]), ShopTime(0), &Layout::default());
            let mut after = Plan::default();
            for body in before.bodies() {
                let tracks = body.fresh_tracks(ShopTime(0)).cloned().collect();
                after.restore(Position { body: body.id, floor: body.last().floor, tracks }, ShopTime(0));
            }
            let people = People { boot: boot.into(), ..look("a", &[("1", 1.8, 1.0), ("2", 1.0, 1.0)]) };
            let seen = after.look(&people, ShopTime(2_000_000), &Layout::default());
            let at = |id| after.body(BodyId(id)).unwrap().last().floor.x;
            assert_eq!(([at(0), at(1)] == [1.8, 1.0], seen.ambiguous.is_empty()), (swapped, swapped), "{story}");
        }
    }
}
