//! What a vision system says of people: ten looks a second, places wrong by 5-10 cm, hands and bodies hidden by others and
//! by furniture, tracks that break, swap and see ghosts.
//!
//! A `people` camera of the shop files stands for cameras in the corners of what it covers, 2.5 m up. A point is seen from
//! a corner when neither a bay nor another body is in between; a head needs one corner, a hand two (it has to be placed
//! in depth). Of a hand that reaches into a shelf the shelf itself hides more: it is seen or not for the whole reach.

use super::chance::Chance;
use super::person::Pose;
use super::world::World;
use crate::base::geometry::within;
use crate::base::{CameraId, Point2, Point3};
use crate::events::{People, Person};
use crate::shop::Camera;
use std::collections::BTreeMap;
use std::sync::Arc;

/// 10 looks a second.
const LOOK_US: i64 = 100_000;
/// Height of the cameras, metres.
const MOUNT_M: f64 = 2.5;
/// A body hides what is behind it: a cylinder, metres.
const BODY_RADIUS_M: f64 = 0.2;
const BODY_HEIGHT_M: f64 = 1.7;

#[derive(Clone, Debug)]
pub struct Sight {
    /// Sigma of a place along one axis, metres; each camera draws its own. 0.035-0.07 makes 5-10 cm on the floor.
    pub sigma_m: (f64, f64),
    /// Hands are smaller and quicker: times as wrong.
    pub hand_times: f64,
    /// Seen from one corner only: times as wrong.
    pub alone_times: f64,
    /// Correlation of the error from one look to the next: keypoints wander, they do not jump.
    pub wander: f64,
    /// A body begins to be missed, and is found again, with these probabilities a look: 3.8 % of looks are missed.
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
    /// From picture to message, us.
    pub latency_us: (f64, f64),
}

impl Default for Sight {
    fn default() -> Sight {
        Sight {
            sigma_m: (0.035, 0.07),
            hand_times: 1.3,
            alone_times: 1.5,
            wander: 0.7,
            lose: 0.02,
            find: 0.5,
            hand_missed: 0.1,
            reach_seen: 0.6,
            breaks_per_s: 1.0 / 180.0,
            swap_m: 0.45,
            swaps_per_s: 0.05,
            ghosts_per_s: 1.0 / 120.0,
            ghost_s: (0.3, 1.5),
            latency_us: (80_000.0, 180_000.0),
        }
    }
}

pub struct Eye {
    pub camera: CameraId,
    /// Where bays stand; `None`: an open floor.
    world: Option<Arc<World>>,
    covers: Vec<Point2>,
    mounts: Vec<Point3>,
    sight: Sight,
    sigma_m: f64,
    boot: String,
    seq: u64,
    next_us: i64,
    chance: Chance,
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
    /// Errors of head (and floor point), left and right hand, in sigmas.
    error: [[f64; 3]; 3],
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
        Eye {
            camera: camera.id.clone(),
            world,
            covers: camera.covers.clone(),
            mounts: camera.covers.iter().map(|corner| corner.at_height(MOUNT_M)).collect(),
            sigma_m: chance.between(sight.sigma_m.0, sight.sigma_m.1),
            boot: format!("c{:04x}", chance.below(0x10000)),
            seq: chance.below(500) as u64,
            next_us: start_us + chance.below(LOOK_US as usize) as i64,
            next_track: 1 + chance.below(90) as u64,
            ghost: None,
            next_ghost_us: start_us + chance.wait_us(sight.ghosts_per_s),
            sight,
            chance,
            tracks: BTreeMap::new(),
        }
    }

    pub fn next_us(&self) -> i64 {
        self.next_us
    }

    /// One look at everybody, and when the message about it is sent.
    pub fn look(&mut self, poses: &[Pose]) -> (i64, People) {
        let t_us = self.next_us;
        self.next_us += LOOK_US;
        let there: Vec<&Pose> = poses.iter().filter(|pose| within(&self.covers, pose.floor)).collect();
        self.tracks.retain(|body, _| there.iter().any(|pose| &pose.body == body));
        self.swap(&there);
        let mut people: Vec<Person> = Vec::new();
        for pose in &there {
            let in_sight = self.in_sight(pose, poses);
            people.extend(self.see(pose, &in_sight));
        }
        people.extend(self.haunt(t_us));
        let seq = self.seq;
        self.seq += 1;
        let sent_us = t_us + self.chance.between(self.sight.latency_us.0, self.sight.latency_us.1) as i64;
        (sent_us, People { camera: self.camera.clone(), boot: self.boot.clone(), seq, t_us, people })
    }

    /// Bodies that brush past each other swap names now and then.
    fn swap(&mut self, there: &[&Pose]) {
        let each_look = self.sight.swaps_per_s * LOOK_US as f64 * 1e-6;
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
        let others: Vec<Point2> = all.iter().filter(|other| other.body != pose.body).map(|other| other.floor).collect();
        let from = |p: Point3| {
            let clear = |mount: &&Point3| {
                let bays = self.world.as_ref().is_some_and(|world| world.is_behind_a_bay(**mount, p));
                !bays && !others.iter().any(|other| hides(*other, **mount, p))
            };
            self.mounts.iter().filter(clear).count()
        };
        InSight { head: from(pose.head), hands: pose.hands.map(from) }
    }

    fn see(&mut self, pose: &Pose, in_sight: &InSight) -> Option<Person> {
        let (sight, chance) = (&self.sight, &mut self.chance);
        if !self.tracks.contains_key(&pose.body) {
            let track = Track { name: self.next_track, missed: false, reach: None, error: [[0.0; 3]; 3] };
            self.next_track += 1;
            self.tracks.insert(pose.body.clone(), track);
        }
        let track = self.tracks.get_mut(&pose.body).expect("just inserted");
        track.missed = if track.missed { !chance.yes(sight.find) } else { chance.yes(sight.lose) };
        if chance.yes(sight.breaks_per_s * LOOK_US as f64 * 1e-6) {
            track.name = self.next_track;
            self.next_track += 1;
        }
        let fresh = libm::sqrt(1.0 - sight.wander * sight.wander);
        for axis in track.error.as_flattened_mut() {
            *axis = sight.wander * *axis + fresh * chance.normal();
        }
        if let Some((t_us, _)) = pose.reach
            && track.reach.is_none_or(|(known_us, _)| known_us != t_us)
        {
            track.reach = Some((t_us, chance.yes(sight.reach_seen)));
        }
        let missed = [chance.yes(sight.hand_missed), chance.yes(sight.hand_missed)];
        let confidence = chance.between(0.78, 0.98);
        if track.missed || in_sight.head == 0 {
            return None;
        }
        let alone = if in_sight.head == 1 { sight.alone_times } else { 1.0 };
        let body_m = self.sigma_m * alone;
        let hands = (0..2).filter(|&hand| {
            let reaches = pose.reach.is_some_and(|(_, reaching)| reaching == hand);
            let hidden = reaches && track.reach.is_some_and(|(_, seen)| !seen);
            in_sight.hands[hand] >= 2 && !missed[hand] && !hidden
        });
        let hands = hands.map(|hand| off(pose.hands[hand], track.error[1 + hand], self.sigma_m * sight.hand_times));
        Some(Person {
            track: track.name.to_string(),
            confidence: (confidence * 100.0).round() / 100.0,
            floor: Some(off(pose.floor.at_height(0.0), track.error[0], body_m).floor()),
            head: Some(off(pose.head, track.error[0], body_m)),
            hands: hands.collect(),
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

/// Whether somebody standing at `other` is in the way from `mount` to `p`.
fn hides(other: Point2, mount: Point3, p: Point3) -> bool {
    let (from, to) = (mount.floor(), p.floor());
    let (dx, dy) = (to.x - from.x, to.y - from.y);
    let length2 = dx * dx + dy * dy;
    if length2 < 1e-9 {
        return false;
    }
    let along = ((other.x - from.x) * dx + (other.y - from.y) * dy) / length2;
    if !(0.0..1.0).contains(&along) {
        return false;
    }
    let passes_m = from.toward(to, along).distance(other);
    let height_m = mount.z + (p.z - mount.z) * along;
    passes_m < BODY_RADIUS_M && height_m < BODY_HEIGHT_M
}

/// Millimetres are enough for anybody.
fn off(at: Point3, error: [f64; 3], sigma_m: f64) -> Point3 {
    let round = |m: f64| (m * 1000.0).round() / 1000.0;
    Point3::new(round(at.x + error[0] * sigma_m), round(at.y + error[1] * sigma_m), round(at.z + error[2] * sigma_m))
}
