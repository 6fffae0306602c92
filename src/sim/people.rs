//! What a `people` camera says: ten looks a second, places wrong by 5-10 cm, a few per cent of bodies and hands missed.
//!
//! Occlusion, ghosts, swapped tracks, appearance and in-hand vectors belong here too and come with the harder shop.

use super::chance::Chance;
use super::person::Pose;
use crate::base::geometry::within;
use crate::base::{CameraId, Point2, Point3};
use crate::events::{People, Person};
use crate::shop::Camera;
use std::collections::BTreeMap;

/// 10 looks a second.
const LOOK_US: i64 = 100_000;

#[derive(Clone, Debug)]
pub struct Sight {
    /// Sigma of a place along one axis, metres; each camera draws its own. 0.035-0.07 makes 5-10 cm on the floor.
    pub sigma_m: (f64, f64),
    /// Correlation of the error from one look to the next: keypoints wander, they do not jump.
    pub wander: f64,
    /// A body begins to be missed, and is found again, with these probabilities a look: 3.8 % of looks are missed.
    pub lose: f64,
    pub find: f64,
    /// A hand is hidden, of a body that is seen.
    pub hand_hidden: f64,
    /// A track breaks and goes on under another name, a second.
    pub track_breaks_per_s: f64,
    /// From picture to message, us.
    pub latency_us: (f64, f64),
}

impl Default for Sight {
    fn default() -> Sight {
        Sight {
            sigma_m: (0.035, 0.07),
            wander: 0.5,
            lose: 0.02,
            find: 0.5,
            hand_hidden: 0.08,
            track_breaks_per_s: 1.0 / 180.0,
            latency_us: (80_000.0, 180_000.0),
        }
    }
}

pub struct Eye {
    pub camera: CameraId,
    covers: Vec<Point2>,
    sight: Sight,
    sigma_m: f64,
    boot: String,
    seq: u64,
    next_us: i64,
    chance: Chance,
    tracks: BTreeMap<String, Track>,
    next_track: u64,
}

struct Track {
    name: u64,
    missed: bool,
    /// Errors of floor point, head and both hands.
    error: [[f64; 3]; 4],
}

impl Eye {
    pub fn new(camera: &Camera, seed: u64, start_us: i64, sight: Sight) -> Eye {
        let mut chance = Chance::new(seed, &format!("camera/{}", camera.id));
        Eye {
            camera: camera.id.clone(),
            covers: camera.covers.clone(),
            sigma_m: chance.between(sight.sigma_m.0, sight.sigma_m.1),
            boot: format!("c{:04x}", chance.below(0x10000)),
            seq: chance.below(500) as u64,
            next_us: start_us + chance.below(LOOK_US as usize) as i64,
            next_track: 1 + chance.below(90) as u64,
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
        let seen: Vec<&Pose> = poses.iter().filter(|pose| within(&self.covers, pose.floor)).collect();
        self.tracks.retain(|body, _| seen.iter().any(|pose| &pose.body == body));
        let people = seen.into_iter().filter_map(|pose| self.see(pose)).collect();
        let seq = self.seq;
        self.seq += 1;
        let sent_us = t_us + self.chance.between(self.sight.latency_us.0, self.sight.latency_us.1) as i64;
        (sent_us, People { camera: self.camera.clone(), boot: self.boot.clone(), seq, t_us, people })
    }

    fn see(&mut self, pose: &Pose) -> Option<Person> {
        let (sight, chance) = (&self.sight, &mut self.chance);
        if !self.tracks.contains_key(&pose.body) {
            let track = Track { name: self.next_track, missed: false, error: [[0.0; 3]; 4] };
            self.next_track += 1;
            self.tracks.insert(pose.body.clone(), track);
        }
        let track = self.tracks.get_mut(&pose.body).expect("just inserted");
        track.missed = if track.missed { !chance.yes(sight.find) } else { chance.yes(sight.lose) };
        if chance.yes(sight.track_breaks_per_s * LOOK_US as f64 * 1e-6) {
            track.name = self.next_track;
            self.next_track += 1;
        }
        let fresh = libm::sqrt(1.0 - sight.wander * sight.wander) * self.sigma_m;
        for axis in track.error.as_flattened_mut() {
            *axis = sight.wander * *axis + fresh * chance.normal();
        }
        let [floor, head, left, right] = track.error;
        let hands = [(pose.hands[0], left), (pose.hands[1], right)];
        let hidden = [chance.yes(sight.hand_hidden), chance.yes(sight.hand_hidden)];
        let confidence = chance.between(0.78, 0.98);
        if track.missed {
            return None;
        }
        let hands = hands.iter().zip(hidden).filter(|(_, hidden)| !hidden).map(|((at, error), _)| off(*at, *error));
        Some(Person {
            track: track.name.to_string(),
            confidence: (confidence * 100.0).round() / 100.0,
            floor: Some(off(pose.floor.at_height(0.0), floor).floor()),
            head: Some(off(pose.head, head)),
            hands: hands.collect(),
            ..Person::default()
        })
    }
}

/// Millimetres are enough for anybody.
fn off(at: Point3, error: [f64; 3]) -> Point3 {
    let round = |m: f64| (m * 1000.0).round() / 1000.0;
    Point3::new(round(at.x + error[0]), round(at.y + error[1]), round(at.z + error[2]))
}
