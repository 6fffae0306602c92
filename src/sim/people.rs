//! What a vision system says of people: ten looks a second, places wrong by 5-10 cm, hands and bodies hidden by others and
//! by furniture, tracks that break, swap and see ghosts.
//!
//! A `people` camera of the shop files stands for cameras in the corners of what it covers, 2.5 m up. A point is seen from
//! a corner when neither a bay nor another body is in between; a head needs one corner, a hand two (it has to be placed
//! in depth). Of a hand that reaches into a shelf the shelf itself hides more: it is seen or not for the whole reach, and
//! so is what it holds. Clothes and goods are vectors (`looks`).

use super::chance::Chance;
use super::looks::Wardrobe;
use super::parameters::{Parameters, first_outside};
use super::person::Pose;
use super::world::World;
use crate::base::geometry::within;
use crate::base::{CameraId, Point2, Point3};
use crate::events::{People, Person};
use crate::shop::Camera;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Height of the cameras, metres.
const MOUNT_M: f64 = 2.5;
/// A body hides what is behind it: a cylinder of this radius and as tall as it is, metres.
const BODY_RADIUS_M: f64 = 0.2;

/// How well cameras see; `parameters.toml` has the figures and their sources.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sight {
    pub looks_per_s: u32,
    /// Sigma of a place along one axis, metres; each camera draws its own.
    pub sigma_m: (f64, f64),
    /// Hands are smaller and quicker: times as wrong.
    pub hand_times: f64,
    /// Seen from one corner only: times as wrong.
    pub alone_times: f64,
    /// Correlation of the error from one look to the next.
    pub wander: f64,
    /// A body begins to be missed, and is found again, with these probabilities a look.
    pub lose: f64,
    pub find: f64,
    /// A hand that could be seen is missed in a look.
    pub hand_missed: f64,
    /// Share of reaches in which the hand at the shelf is seen.
    pub reach_seen: f64,
    /// A track breaks and goes on under another name, a second.
    pub breaks_per_s: f64,
    /// Two bodies closer than this, metres, swap their names this often, a second.
    pub swap_m: f64,
    pub swaps_per_s: f64,
    /// Somebody is seen who is not there: how often, a second, and for how long, seconds.
    pub ghosts_per_s: f64,
    pub ghost_s: (f64, f64),
    /// From picture to message.
    pub latency_s: (f64, f64),
}

impl Default for Sight {
    fn default() -> Sight {
        Parameters::shipped().sight.clone()
    }
}

impl Sight {
    pub(super) fn problem(&self) -> String {
        let ranges =
            [("sight.sigma_m", self.sigma_m), ("sight.ghost_s", self.ghost_s), ("sight.latency_s", self.latency_s)];
        if let Some((key, _)) = ranges.iter().find(|(_, (low, high))| !(0.0 <= *low && low <= high)) {
            return format!("{key} must be [least, most]");
        }
        first_outside(&[
            ("sight.looks_per_s", self.looks_per_s.into(), 1.0, 60.0),
            ("sight.hand_times", self.hand_times, 0.0, 100.0),
            ("sight.alone_times", self.alone_times, 0.0, 100.0),
            ("sight.wander", self.wander, 0.0, 1.0),
            ("sight.lose", self.lose, 0.0, 1.0),
            ("sight.find", self.find, 0.0, 1.0),
            ("sight.hand_missed", self.hand_missed, 0.0, 1.0),
            ("sight.reach_seen", self.reach_seen, 0.0, 1.0),
            ("sight.breaks_per_s", self.breaks_per_s, 0.0, 100.0),
            ("sight.swap_m", self.swap_m, 0.0, 10.0),
            ("sight.swaps_per_s", self.swaps_per_s, 0.0, 100.0),
            ("sight.ghosts_per_s", self.ghosts_per_s, 1e-9, 100.0),
        ])
    }
}

pub struct Eye {
    pub camera: CameraId,
    /// Where bays stand; `None`: an open floor.
    world: Option<Arc<World>>,
    covers: Vec<Point2>,
    mounts: Vec<Point3>,
    sight: Sight,
    look_us: i64,
    sigma_m: f64,
    boot: String,
    seq: u64,
    next_us: i64,
    chance: Chance,
    /// Of what is worn and carried: a stream of its own, so that places do not depend on vectors.
    glances: Chance,
    tracks: BTreeMap<String, Track>,
    next_track: u64,
    ghost: Option<Ghost>,
    next_ghost_us: i64,
}

struct Track {
    name: u64,
    missed: bool,
    /// The reach that is being looked at, by its moment, and whether its hand is seen.
    reach: Option<(i64, bool)>,
    /// Errors of head, left and right hand, in sigmas; and of the floor point, which is found by itself: were it wrong as the
    /// head is, one less the other would tell who leans forward, to the millimetre.
    error: [[f64; 3]; 3],
    floor_error: [f64; 3],
    /// Noise of the clothes, and of what the reach that is looked at holds; one number a dimension, in sigmas.
    clothes: Vec<f64>,
    carried: Vec<f64>,
}

struct Ghost {
    name: u64,
    at: Point2,
    until_us: i64,
}

/// How much of somebody can be seen at all.
struct InSight {
    head: usize,
    hands: [usize; 2],
}

impl Eye {
    /// `world` knows what stands in the way; without it the floor is open.
    pub fn new(camera: &Camera, world: Option<Arc<World>>, seed: u64, start_us: i64, sight: Sight) -> Eye {
        let mut chance = Chance::new(seed, &format!("camera/{}", camera.id));
        let look_us = 1_000_000 / i64::from(sight.looks_per_s);
        Eye {
            camera: camera.id.clone(),
            world,
            covers: camera.covers.clone(),
            mounts: camera.covers.iter().map(|corner| corner.at_height(MOUNT_M)).collect(),
            sigma_m: chance.between(sight.sigma_m.0, sight.sigma_m.1),
            boot: format!("c{:04x}", chance.below(0x10000)),
            seq: chance.below(500) as u64,
            next_us: start_us + chance.below(look_us as usize) as i64,
            look_us,
            next_track: 1 + chance.below(90) as u64,
            ghost: None,
            next_ghost_us: start_us + chance.wait_us(sight.ghosts_per_s),
            glances: Chance::new(seed, &format!("camera/{}/glances", camera.id)),
            sight,
            chance,
            tracks: BTreeMap::new(),
        }
    }

    pub fn next_us(&self) -> i64 {
        self.next_us
    }

    /// One look at everybody, and when the message about it is sent. `dim`: what light there is makes everything so many
    /// times harder to see, 1 by day.
    pub fn look(&mut self, poses: &[Pose], wardrobe: &mut Wardrobe, dim: f64) -> (i64, People) {
        let t_us = self.next_us;
        self.next_us += self.look_us;
        let there: Vec<&Pose> = poses.iter().filter(|pose| within(&self.covers, pose.floor)).collect();
        self.tracks.retain(|body, _| there.iter().any(|pose| &pose.body == body));
        self.swap(&there);
        let mut people: Vec<Person> = Vec::new();
        for pose in &there {
            let in_sight = self.in_sight(pose, poses);
            people.extend(self.see(pose, &in_sight, wardrobe, dim));
        }
        people.extend(self.haunt(t_us));
        let seq = self.seq;
        self.seq += 1;
        let (soon, late) = self.sight.latency_s;
        let sent_us = t_us + (self.chance.between(soon, late) * 1e6) as i64;
        (sent_us, People { camera: self.camera.clone(), boot: self.boot.clone(), seq, t_us, people })
    }

    /// Bodies that brush past each other swap names now and then.
    fn swap(&mut self, there: &[&Pose]) {
        let each_look = self.sight.swaps_per_s * self.look_us as f64 * 1e-6;
        for (i, one) in there.iter().enumerate() {
            for other in &there[i + 1..] {
                if one.floor.distance(other.floor) >= self.sight.swap_m || !self.chance.yes(each_look) {
                    continue;
                }
                let names = [one, other].map(|pose| self.tracks.get(&pose.body).map(|track| track.name));
                if let [Some(a), Some(b)] = names {
                    self.tracks.get_mut(&one.body).expect("named").name = b;
                    self.tracks.get_mut(&other.body).expect("named").name = a;
                }
            }
        }
    }

    /// From how many corners head and hands are to be seen.
    fn in_sight(&self, pose: &Pose, all: &[Pose]) -> InSight {
        let others: Vec<&Pose> = all.iter().filter(|other| other.body != pose.body).collect();
        let from = |p: Point3| {
            let clear = |mount: &&Point3| {
                let bays = self.world.as_ref().is_some_and(|world| world.is_behind_a_bay(**mount, p));
                !bays && !others.iter().any(|other| hides(other, **mount, p))
            };
            self.mounts.iter().filter(clear).count()
        };
        InSight { head: from(pose.head), hands: pose.hands.map(from) }
    }

    fn see(&mut self, pose: &Pose, in_sight: &InSight, wardrobe: &mut Wardrobe, dim: f64) -> Option<Person> {
        let (sight, chance) = (&self.sight, &mut self.chance);
        if !self.tracks.contains_key(&pose.body) {
            let clothes = normals(&mut self.glances, wardrobe.looks().clothes.numbers);
            let (error, floor_error, carried) = ([[0.0; 3]; 3], [0.0; 3], Vec::new());
            let name = self.next_track;
            let track = Track { name, missed: false, reach: None, error, floor_error, clothes, carried };
            self.next_track += 1;
            self.tracks.insert(pose.body.clone(), track);
        }
        let track = self.tracks.get_mut(&pose.body).expect("just inserted");
        track.missed = if track.missed { !chance.yes(sight.find) } else { chance.yes(sight.lose * dim) };
        if chance.yes(sight.breaks_per_s * self.look_us as f64 * 1e-6) {
            track.name = self.next_track;
            self.next_track += 1;
        }
        let fresh = libm::sqrt(1.0 - sight.wander * sight.wander);
        for axis in track.error.as_flattened_mut() {
            *axis = sight.wander * *axis + fresh * chance.normal();
        }
        for axis in &mut track.floor_error {
            *axis = sight.wander * *axis + fresh * self.glances.normal();
        }
        let wander = wardrobe.looks().clothes.wander;
        let anew = libm::sqrt(1.0 - wander * wander);
        track.clothes.iter_mut().for_each(|n| *n = wander * *n + anew * self.glances.normal());
        if let Some(reach) = &pose.reach
            && track.reach.is_none_or(|(known_us, _)| known_us != reach.t_us)
        {
            track.reach = Some((reach.t_us, chance.yes(sight.reach_seen / dim)));
            track.carried = normals(&mut self.glances, wardrobe.looks().goods.numbers);
        }
        let reach_seen = track.reach.is_some_and(|(_, seen)| seen);
        let missed = [chance.yes(sight.hand_missed), chance.yes(sight.hand_missed)];
        let confidence = chance.between(0.78, 0.98);
        if track.missed || in_sight.head == 0 {
            return None;
        }
        let alone = if in_sight.head == 1 { sight.alone_times } else { 1.0 };
        let body_m = self.sigma_m * alone;
        let hands = (0..2).filter(|&hand| {
            let reaches = pose.reach.as_ref().is_some_and(|reach| reach.hand == hand && reach.at_shelf);
            in_sight.hands[hand] >= 2 && !missed[hand] && (!reaches || reach_seen)
        });
        let hands = hands.map(|hand| off(pose.hands[hand], track.error[1 + hand], self.sigma_m * sight.hand_times));
        let hands: Vec<Point3> = hands.collect();
        // A crop of a hand needs one corner; a reach that hides the hand hides what is in it.
        let carried = pose.reach.as_ref().and_then(|reach| Some((reach.hand, reach.carries.as_deref()?)));
        let in_hand = carried.filter(|(hand, _)| reach_seen && in_sight.hands[*hand] >= 1 && !missed[*hand]);
        let in_hand = in_hand.map(|(_, product)| {
            let look = normals(&mut self.glances, wardrobe.looks().goods.numbers);
            wardrobe.carried(product, &track.carried, &look, dim)
        });
        Some(Person {
            track: track.name.to_string(),
            confidence: (confidence * 100.0).round() / 100.0,
            floor: Some(off(pose.floor.at_height(0.0), track.floor_error, body_m).floor()),
            head: Some(off(pose.head, track.error[0], body_m)),
            hands,
            appearance: Some(wardrobe.seen(&pose.body, &track.clothes, dim)),
            in_hand,
            ..Person::default()
        })
    }

    /// Somebody who is not there: a reflection, a poster, a coat.
    fn haunt(&mut self, t_us: i64) -> Option<Person> {
        if t_us >= self.next_ghost_us && self.ghost.is_none() {
            let (least, most) = self.sight.ghost_s;
            let corner = self.chance.pick(&self.covers).copied().unwrap_or_default();
            let across = self.chance.pick(&self.covers).copied().unwrap_or_default();
            let at = corner.toward(across, self.chance.between(0.1, 0.9));
            let until_us = t_us + (self.chance.between(least, most) * 1e6) as i64;
            self.ghost = Some(Ghost { name: self.next_track, at, until_us });
            self.next_track += 1;
            self.next_ghost_us = until_us + self.chance.wait_us(self.sight.ghosts_per_s);
        }
        self.ghost.take_if(|ghost| ghost.until_us <= t_us);
        let ghost = self.ghost.as_ref()?;
        let error = [self.chance.normal(), self.chance.normal(), 0.0];
        let confidence = self.chance.between(0.35, 0.7);
        Some(Person {
            track: ghost.name.to_string(),
            confidence: (confidence * 100.0).round() / 100.0,
            floor: Some(off(ghost.at.at_height(0.0), error, self.sigma_m).floor()),
            ..Person::default()
        })
    }
}

/// Whether `other` is in the way from `mount` to `p`.
fn hides(other: &Pose, mount: Point3, p: Point3) -> bool {
    let (from, to) = (mount.floor(), p.floor());
    let (dx, dy) = (to.x - from.x, to.y - from.y);
    let length2 = dx * dx + dy * dy;
    if length2 < 1e-9 {
        return false;
    }
    let along = ((other.floor.x - from.x) * dx + (other.floor.y - from.y) * dy) / length2;
    if !(0.0..1.0).contains(&along) {
        return false;
    }
    let passes_m = from.toward(to, along).distance(other.floor);
    let height_m = mount.z + (p.z - mount.z) * along;
    passes_m < BODY_RADIUS_M && height_m < other.tall_m
}

fn normals(chance: &mut Chance, n: usize) -> Vec<f64> {
    (0..n).map(|_| chance.normal()).collect()
}

/// Millimetres are enough for anybody.
fn off(at: Point3, error: [f64; 3], sigma_m: f64) -> Point3 {
    let round = |m: f64| (m * 1000.0).round() / 1000.0;
    Point3::new(round(at.x + error[0] * sigma_m), round(at.y + error[1] * sigma_m), round(at.z + error[2] * sigma_m))
}
