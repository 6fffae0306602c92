//! What the cameras said of one body around one reach, and how likely that is if it did this or that.
//!
//! A body's way is known from the truth, and so is whose every sighting is (the body that really stood nearest to it). What
//! is asked is only which hand was where: somebody is posed as if they had reached for a place, as the simulator poses them,
//! and held against the heads and hands that were seen. Errors wander from look to look, so each counts for what is new in it.
//! Hands are hidden for a while, not look by look. Whether somebody stood where one stands for that place, and whether they
//! could have been there at all, is taken from sightings only: who was not seen could be anywhere they could walk to.
//!
//! What is ignored: which corners a hand can be seen from (a camera hides a usual share of hands instead, see `watch`), the
//! light, and that head and floor point of a look share their error.

use super::super::parameters::Parameters;
use super::super::person::{Act, Deed, Party, Person, REACH_US, Stature};
use super::super::truth::TruthLine;
use super::super::world::{Front, WALK_M_S};
use super::goods::{Goods, Held};
use super::timeline::Timeline;
use super::watch::{Camera, Sighting, Watch};
use crate::base::Point2;
use crate::events::People;
use std::collections::BTreeMap;

/// From a look to its message's arrival: the fastest, us. The rest of the latency is the camera's.
const NETWORK_US: i64 = 1_000;
/// A sighting further from every body than this is nobody's, metres.
const NOBODYS_M: f64 = 0.8;
/// Heads of children are lower than this, metres.
const CHILD_M: f64 = 1.4;
/// Looks this long before and after a reach are held against a pose, beside those at what is carried, us.
const AROUND_US: i64 = 650_000;
/// A sighting this near in time says where somebody stands, us.
const STANDS_US: i64 = 300_000;
/// Nobody reaches further than this from where they stand: arm, lean and half a step, metres. From sightings, so a little more.
const ARM_M: f64 = 1.4;
/// Of those who reached for plates in four crowded families 134 of 171 stood at most this far from the spot before them,
/// metres; of the others within reach 34 of 89. So who stood beside it is this much less likely, log odds.
const BEFORE_M: f64 = 0.35;
const BESIDE: f64 = -1.7;
/// Log odds a look that it was the hand further away: where both are as near, millimetres decide.
const FURTHER_HAND: f64 = -0.5;
/// Goods in a hand that should be empty, log odds a look and at most.
const UNEXPLAINED: (f64, f64) = (-3.0, -12.0);

/// Everybody who was in the shop, and what was seen of them.
pub struct Sights<'a> {
    parameters: &'a Parameters,
    cameras: Vec<Camera>,
    pub bodies: Vec<Body<'a>>,
}

pub struct Body<'a> {
    pub visit: &'a str,
    stature: Stature,
    /// Ten times a second.
    way: Vec<(i64, Point2)>,
    /// By camera, oldest first.
    seen: Vec<Vec<Sighting<'a>>>,
}

/// What was seen of a body, held against what it is said to have done.
#[derive(Default)]
pub struct Told {
    /// Log likelihood, up to what all hypotheses have in common.
    pub likely: f64,
    /// A hand was seen where the reach should have had it.
    pub hand_seen: bool,
    /// Goods seen in its hand because of the reach, by camera.
    pub held: Vec<Held>,
}

impl<'a> Sights<'a> {
    /// `looks`: by camera, by number, with when they arrived.
    pub fn new(
        truth: &'a [TruthLine],
        looks: &BTreeMap<&str, BTreeMap<u64, (i64, &'a People)>>,
        parameters: &'a Parameters,
    ) -> Sights<'a> {
        let mut ways: BTreeMap<&str, Body<'a>> = BTreeMap::new();
        for line in truth {
            let TruthLine::Body { t_us, body, visit, floor } = line else { continue };
            let known = ways.entry(body).or_insert_with(|| Body {
                visit,
                stature: Stature::Grown,
                way: Vec::new(),
                seen: looks.keys().map(|_| Vec::new()).collect(),
            });
            known.way.push((*t_us, *floor));
        }
        let mut sights = Sights { parameters, cameras: Vec::new(), bodies: ways.into_values().collect() };
        for (camera, looks) in looks.values().enumerate() {
            sights.match_up(camera, looks);
        }
        for body in &mut sights.bodies {
            let mut heads: Vec<f64> = body.seen.iter().flatten().map(|sighting| sighting.head.z).collect();
            heads.sort_by(f64::total_cmp);
            if heads.get(heads.len() / 2).is_some_and(|head_m| *head_m < CHILD_M) {
                body.stature = Stature::Child;
            }
        }
        sights
    }

    /// Every sighting of a camera goes to the body that stood nearest to it; who has no head is nobody.
    fn match_up(&mut self, camera: usize, looks: &BTreeMap<u64, (i64, &'a People)>) {
        let sight = &self.parameters.sight;
        let look_us = 1_000_000 / i64::from(sight.looks_per_s);
        let (mut squares, mut axes, mut hands, mut sightings) = (0.0, 0.0f64, 0.0, 0.0f64);
        if let Some(line) = Timeline::of(looks.iter().map(|(seq, (arrived_us, _))| (*seq, *arrived_us)), look_us) {
            let on_its_way_us = (sight.latency_s.0 * 1e6) as i64 + NETWORK_US;
            for (seq, (_, look)) in looks {
                let t_us = line.at(*seq) - on_its_way_us;
                let mut pairs: Vec<(f64, usize, usize)> = Vec::new();
                for (b, body) in self.bodies.iter().enumerate() {
                    let Some(at) = body.at(t_us) else { continue };
                    for (p, person) in look.people.iter().enumerate().filter(|(_, person)| person.head.is_some()) {
                        pairs.extend(person.floor.map(|floor| (floor.distance(at), b, p)));
                    }
                }
                pairs.retain(|(far_m, ..)| *far_m < NOBODYS_M);
                pairs.sort_by(|a, b| a.0.total_cmp(&b.0));
                let (mut named, mut given) = (vec![false; self.bodies.len()], vec![false; look.people.len()]);
                for (far_m, b, p) in pairs {
                    if named[b] || given[p] {
                        continue;
                    }
                    (named[b], given[p]) = (true, true);
                    let person = &look.people[p];
                    let (Some(floor), Some(head)) = (person.floor, person.head) else { continue };
                    squares += far_m * far_m;
                    axes += 2.0;
                    hands += person.hands.len() as f64;
                    sightings += 1.0;
                    let in_hand = person.in_hand.as_ref().map(|vector| vector.v.as_slice());
                    let sighting = Sighting { t_us, floor, head, hands: &person.hands, in_hand };
                    self.bodies[b].seen[camera].push(sighting);
                }
            }
        }
        // A camera that saw nobody has no error to measure, and needs none.
        let sigma_m = libm::sqrt(squares / axes.max(1.0)).max(0.01);
        let found = (1.0 - sight.hand_missed).max(0.01);
        let open = (hands / (2.0 * sightings.max(1.0)) / found).clamp(0.02, 0.98);
        self.cameras.push(Camera { sigma_m, open });
    }

    /// Whether this body could have stood within reach of `at`: by where it was seen before and after, walking briskly.
    pub fn could_reach(&self, body: usize, t_us: i64, at: Point2) -> bool {
        let body = &self.bodies[body];
        let near = |sighting: &Sighting<'_>| {
            let walked_m = 1.5 * WALK_M_S * (sighting.t_us - t_us).abs() as f64 * 1e-6;
            sighting.floor.distance(at) < ARM_M + walked_m
        };
        let around = body.seen.iter().all(|seen| {
            let after = seen.partition_point(|sighting| sighting.t_us <= t_us);
            seen[..after].last().is_none_or(near) && seen.get(after).is_none_or(near)
        });
        around && body.at(t_us).is_some()
    }

    /// Log odds of where a body was seen to stand, if it reached for plates with this front; 0 if it was not seen.
    pub fn stands(&self, body: usize, t_us: i64, front: &Front) -> f64 {
        let now = |sighting: &&Sighting<'_>| (sighting.t_us - t_us).abs() <= STANDS_US;
        let (mut n, mut x, mut y) = (0.0, 0.0, 0.0);
        for sighting in self.bodies[body].seen.iter().flatten().filter(now) {
            (n, x, y) = (n + 1.0, x + sighting.floor.x, y + sighting.floor.y);
        }
        let stood = Point2::new(x / n, y / n);
        match n > 0.0 {
            true if stood.distance(front.spot) > BEFORE_M => BESIDE,
            _ => 0.0,
        }
    }

    /// Where a body truly stood: to tell which body of a visit did a reach that is known.
    pub fn floor(&self, body: usize, t_us: i64) -> Option<Point2> {
        self.bodies[body].at(t_us)
    }

    /// What was seen of `body` around `t_us`, had it done just these things. Goods that the reach at `t_us` puts in sight
    /// are handed back; those of the others must fit what was taken or put then.
    pub fn told(&self, body: usize, t_us: i64, acts: &[Act], goods: &Goods<'_>) -> Told {
        let body = &self.bodies[body];
        let carried_us = (self.parameters.looks.carried_s * 1e6) as i64;
        let (from_us, to_us) = (t_us - AROUND_US.max(carried_us), t_us + AROUND_US.max(carried_us));
        let within = |t: i64| (from_us - 1_000_000..to_us + 1_000_000).contains(&t);
        let way: Vec<(i64, Point2)> = body.way.iter().filter(|(t, _)| within(*t)).copied().collect();
        let (party, stature) = (Party::default(), body.stature);
        let person = Person { body: String::new(), party, stature, way, acts: acts.to_vec(), next: 0 };
        let mut told = Told::default();
        for (camera, seen) in self.cameras.iter().zip(&body.seen) {
            let first = seen.partition_point(|sighting| sighting.t_us < from_us);
            let last = seen.partition_point(|sighting| sighting.t_us <= to_us);
            let mut watch = Watch::new(camera, self.parameters);
            let mut held: BTreeMap<i64, (&str, Held)> = BTreeMap::new();
            let mut unexplained = 0.0;
            for sighting in &seen[first..last] {
                let Some(floor) = person.at(sighting.t_us) else { continue };
                let near = (sighting.t_us - t_us).abs() <= AROUND_US;
                if !near && sighting.in_hand.is_none() {
                    continue;
                }
                let pose = person.pose(sighting.t_us, floor, carried_us);
                if near {
                    let mut further = watch;
                    watch.look(sighting, &pose, t_us);
                    // Who stands right before the plates takes either hand: the way in which it was seen.
                    further.likely += FURTHER_HAND;
                    if acts.iter().any(|act| (act.t_us - sighting.t_us).abs() < REACH_US) {
                        further.look(sighting, &person.pose_with(sighting.t_us, floor, carried_us, true), t_us);
                        watch = if further.likely > watch.likely { further } else { watch };
                    }
                }
                let Some(vector) = sighting.in_hand else { continue };
                let of = pose.reach.as_ref().filter(|reach| reach.carries.is_some()).map(|reach| reach.t_us);
                match of.and_then(|of| Some((of, carried(&person.acts, of)?))) {
                    Some((of, product)) => held.entry(of).or_insert((product, Held::default())).1.see(vector),
                    None => unexplained += UNEXPLAINED.0,
                }
            }
            told.likely += watch.likely + f64::max(unexplained, UNEXPLAINED.1);
            told.hand_seen |= watch.hand_seen;
            for (of, (product, held)) in held {
                if of == t_us {
                    told.held.push(held);
                } else {
                    told.likely += goods.fits(&held, product);
                }
            }
        }
        told
    }
}

/// What the reach of that moment has in its hand.
fn carried(acts: &[Act], of_us: i64) -> Option<&str> {
    acts.iter().find_map(|act| match &act.deed {
        Deed::Reach(reach) if act.t_us == of_us => Some(reach.units.first()?.product.as_str()),
        _ => None,
    })
}

impl Body<'_> {
    fn at(&self, t_us: i64) -> Option<Point2> {
        let after = self.way.partition_point(|(t, _)| *t <= t_us);
        let (t0, from) = *self.way.get(after.checked_sub(1)?)?;
        match self.way.get(after) {
            Some((t1, to)) => Some(from.toward(*to, (t_us - t0) as f64 / (t1 - t0).max(1) as f64)),
            None => (t_us - t0 < 100_000).then_some(from),
        }
    }
}
