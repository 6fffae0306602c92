//! The floor plan with everybody on it. Deterministic: same people messages, same bodies.

use super::body::{Body, FASTEST_M_S, Sighting};
use crate::base::{BodyId, CameraId, Point2, ShopTime};
use crate::events::{People, Person, Position, Track};
use crate::shop::{Camera, Layout};
use std::collections::BTreeMap;

/// How far a sighting may lie from where its body is expected, metres, plus [`RUN_M_S`] for each second unseen.
/// 0.7 m: two people side by side stand about that far apart, and camera noise is 0.05-0.10 m.
const GATE_M: f64 = 0.7;
const RUN_M_S: f64 = 2.0;
/// Beyond this a track that goes on under the same number is somebody else, metres a sighting.
const JUMP_M: f64 = 1.5;
/// Within this, plus [`RUN_M_S`] for each second unseen, a track is believed; beyond, whoever is closer may be meant: when
/// two people cross, trackers take one for the other, and another camera may know better.
const BELIEVED_M: f64 = 0.5;
/// A lost body's reach stops growing after this, s.
const BRIDGE_S: f64 = 5.0;
/// A body unseen for longer than this is nobody's any more, s. A restarted daemon finds people again within it.
const LOST_S: f64 = 60.0;
/// Where people come in, a new track is a new person unless its body was seen this lately, s, or stood just there.
const DOORWAY_BRIDGE_S: f64 = 1.0;
/// Two lost bodies this close to equally good, metres: which of them came back is a guess.
const AMBIGUOUS_M: f64 = 1.0;
/// A camera's track number may be reused after this, us.
const TRACK_REUSE_US: i64 = 60_000_000;

/// Two bodies this close to each other, metres, for this long, us, that no camera ever sees both of, are one human.
const TWIN_M: f64 = 0.5;
const TWIN_US: i64 = 1_000_000;

#[derive(Clone, Debug, Default)]
pub struct Plan {
    bodies: BTreeMap<BodyId, Body>,
    /// Bodies that may be one human, and since when they look like it.
    twins: BTreeMap<(BodyId, BodyId), ShopTime>,
    by_track: BTreeMap<Track, BodyId>,
    next: u64,
    /// Tracks that jumped further than a person can.
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
    /// Bodies seen in this look with where they were before (first sightings: the same place).
    pub moved: Vec<(BodyId, Point2, Point2)>,
}

/// A sighting whose track does not settle who it is.
struct Loose<'a> {
    person: &'a Person,
    sighting: Sighting,
    /// The body of its track, and by how much it strayed from there, metres.
    strayed: Option<(BodyId, f64)>,
}

impl Plan {
    /// Bodies are numbered from `next` on; numbers are never reused within a ledger.
    pub fn numbered_from(next: u64) -> Plan {
        Plan { next, ..Plan::default() }
    }

    pub fn bodies(&self) -> impl Iterator<Item = &Body> {
        self.bodies.values()
    }

    pub fn body(&self, id: BodyId) -> Option<&Body> {
        self.bodies.get(&id)
    }

    /// A body that no camera has seen, put where it must be: a beam counted a passage and nobody was in view.
    pub fn imagine(&mut self, t: ShopTime, floor: Point2) -> BodyId {
        let id = self.bear(Sighting { t, floor, head: None, hands: Vec::new() });
        self.bodies.get_mut(&id).expect("just born").imagined = true;
        id
    }

    /// Puts a body back where the journal last knew it. A camera that has gone on following it knows it at once.
    pub fn restore(&mut self, at: Position, t: ShopTime) {
        let id = at.body;
        self.next = self.next.max(id.0 + 1);
        let mut body = Body::born(id, Sighting { t, floor: at.floor, head: None, hands: Vec::new() });
        body.restored = true;
        for track in at.tracks {
            self.by_track.insert(track.clone(), id);
            body.tracks.insert(track.camera.clone(), (track, t));
        }
        self.bodies.insert(id, body);
    }

    fn bear(&mut self, sighting: Sighting) -> BodyId {
        let id = BodyId(self.next);
        self.next += 1;
        self.bodies.insert(id, Body::born(id, sighting));
        id
    }

    pub fn forget(&mut self, id: BodyId) {
        self.bodies.remove(&id);
        self.by_track.retain(|_, body| *body != id);
    }

    /// Takes `new`'s tracks and last sighting over into `old`: they are the same human.
    pub fn merge(&mut self, old: BodyId, new: BodyId) {
        let Some(gone) = self.bodies.remove(&new) else { return };
        for body in self.by_track.values_mut().filter(|body| **body == new) {
            *body = old;
        }
        if let Some(kept) = self.bodies.get_mut(&old) {
            let from = gone.born.t;
            gone.during(from, gone.last().t).for_each(|sighting| kept.see(sighting.clone()));
            kept.tracks.extend(gone.tracks);
        }
    }

    /// Pairs (older, newer) that have walked as one for a second, each seen by other cameras: one human, born twice because
    /// two cameras did not agree on where they came in.
    pub fn twins(&mut self, now: ShopTime) -> Vec<(BodyId, BodyId)> {
        let fresh =
            |body: &Body| -> Vec<CameraId> { body.fresh_tracks(now).map(|track| track.camera.clone()).collect() };
        let mut row: Vec<(Point2, BodyId, Vec<CameraId>)> =
            self.bodies.values().map(|body| (body.last().floor, body.id, fresh(body))).collect();
        row.retain(|(_, _, cameras)| !cameras.is_empty());
        row.sort_by(|a, b| a.0.x.total_cmp(&b.0.x).then(a.1.cmp(&b.1)));
        let mut close = BTreeMap::new();
        for (i, (at, id, cameras)) in row.iter().enumerate() {
            for (other_at, other, other_cameras) in row[i + 1..].iter().take_while(|(p, _, _)| p.x - at.x <= TWIN_M) {
                let apart = cameras.iter().all(|camera| !other_cameras.contains(camera));
                if apart && at.distance(*other_at) <= TWIN_M {
                    let pair = (*id.min(other), *id.max(other));
                    close.insert(pair, self.twins.get(&pair).copied().unwrap_or(now));
                }
            }
        }
        self.twins = close;
        self.twins.iter().filter(|(_, since)| now.since(**since) >= TWIN_US).map(|(pair, _)| *pair).collect()
    }

    /// Takes in one camera's look at time `t` (shop time).
    pub fn look(&mut self, people: &People, t: ShopTime, layout: &Layout) -> Look {
        let camera = layout.cameras.get(&people.camera);
        let seen = people.people.iter().filter_map(|person| {
            let floor = person.floor.or_else(|| floor_of_box(camera?, person.bounds?))?;
            Some((person, Sighting { t, floor, head: person.head, hands: person.hands.clone() }))
        });
        let named = |person: &Person| Track {
            camera: people.camera.clone(),
            boot: people.boot.clone(),
            track: person.track.clone(),
        };
        let mut look = Look::default();
        let mut taken: Vec<BodyId> = Vec::new();

        // Known tracks first: the camera followed them itself, as long as they did not jump.
        let mut loose: Vec<Loose> = Vec::new();
        for (person, sighting) in seen {
            let key = named(person);
            let Some(body) = self.by_track.get(&key).and_then(|id| self.bodies.get_mut(id)) else {
                loose.push(Loose { person, sighting, strayed: None });
                continue;
            };
            let id = body.id;
            let last_here = body.tracks.get(&people.camera).map_or(body.last().t, |(_, at)| *at);
            let gap_us = t.since(last_here);
            let run_m = |us: i64| RUN_M_S * (us as f64 / 1e6).clamp(0.0, BRIDGE_S);
            let before = body.last().floor;
            let distance = before.distance(sighting.floor);
            if gap_us > TRACK_REUSE_US || taken.contains(&id) || distance > JUMP_M + run_m(gap_us) {
                self.broken_tracks += 1;
                self.by_track.remove(&key);
                loose.push(Loose { person, sighting, strayed: None });
                continue;
            }
            let stray_m = distance - BELIEVED_M - run_m(t.since(body.last().t));
            if stray_m > 0.0 {
                loose.push(Loose { person, sighting, strayed: Some((id, stray_m)) });
                continue;
            }
            look.moved.push((id, before, sighting.floor));
            body.see(sighting);
            body.tracks.insert(people.camera.clone(), (key, t));
            taken.push(id);
        }

        // New, broken and doubtful tracks: nearest expected body first, each body once a look. A doubtful track's own body
        // counts as nearer by what a track is believed.
        let mut pairs: Vec<(f64, usize, BodyId)> = Vec::new();
        for (i, Loose { sighting, strayed, .. }) in loose.iter().enumerate() {
            let doorway = layout.is_doorway(sighting.floor);
            let own = strayed.filter(|(id, _)| !taken.contains(id));
            pairs.extend(own.map(|(id, stray_m)| (stray_m, i, id)));
            let others = |body: &&Body| !taken.contains(&body.id) && own.is_none_or(|(id, _)| id != body.id);
            for body in self.bodies.values().filter(others) {
                let unseen_s = t.secs_since(body.last().t).max(0.0);
                if unseen_s > LOST_S {
                    continue;
                }
                let coast = unseen_s.min(1.0);
                let at = body.last().floor;
                // Most bodies are far away: no need to know which way they were going.
                if at.distance(sighting.floor) > GATE_M + RUN_M_S * unseen_s.min(BRIDGE_S) + FASTEST_M_S * coast + 1e-6
                {
                    continue;
                }
                let (vx, vy) = body.velocity();
                let expected = Point2::new(at.x + vx * coast, at.y + vy * coast);
                let distance = expected.distance(sighting.floor).min(at.distance(sighting.floor));
                let came_in = doorway && unseen_s > DOORWAY_BRIDGE_S && !body.restored;
                let run_m = if came_in { 0.0 } else { RUN_M_S * unseen_s.min(BRIDGE_S) };
                if distance <= GATE_M + run_m {
                    pairs.push((distance, i, body.id));
                }
            }
        }
        pairs.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)).then(a.2.cmp(&b.2)));
        let mut matched: BTreeMap<usize, BodyId> = BTreeMap::new();
        for &(distance, i, id) in &pairs {
            if !matched.contains_key(&i) && !taken.contains(&id) {
                matched.insert(i, id);
                let lost = |id: BodyId| t.secs_since(self.bodies[&id].last().t) > 1.0;
                // Another lost body for this sighting, or another sighting for this lost body.
                let rival = pairs.iter().find(|(d, j, other)| {
                    let body = *j == i && *other != id && !taken.contains(other) && lost(*other);
                    let sighting = *j != i && *other == id && !matched.contains_key(j);
                    (body || sighting) && d - distance < AMBIGUOUS_M
                });
                if let (true, Some((_, _, other))) = (lost(id), rival) {
                    look.ambiguous.push((id, *other));
                }
                taken.push(id);
            }
        }
        for (i, Loose { person, sighting, .. }) in loose.into_iter().enumerate() {
            let floor = sighting.floor;
            let id = match matched.get(&i) {
                Some(&id) => {
                    let body = self.bodies.get_mut(&id).expect("matched bodies live");
                    look.moved.push((id, body.last().floor, floor));
                    body.see(sighting);
                    id
                }
                None => {
                    let id = self.bear(sighting);
                    look.born.push(id);
                    look.moved.push((id, floor, floor));
                    id
                }
            };
            let body = self.bodies.get_mut(&id).expect("just seen");
            if let Some((old, _)) = body.tracks.insert(people.camera.clone(), (named(person), t)) {
                // Two that were taken for each other have just exchanged their names.
                if self.by_track.get(&old) == Some(&id) {
                    self.by_track.remove(&old);
                }
            }
            self.by_track.insert(named(person), id);
        }
        look
    }
}

/// Where the middle of a box's lower edge stands on the floor (z = 0), through the camera's 3x4 projection.
///
/// `bounds` are x, y, width, height in fractions of the picture.
pub fn floor_of_box(camera: &Camera, bounds: [f64; 4]) -> Option<Point2> {
    let p = camera.projection?;
    let (width, height) = camera.size;
    let u = (bounds[0] + bounds[2] / 2.0) * f64::from(width);
    let v = (bounds[1] + bounds[3]) * f64::from(height);
    // On z = 0: (P0 - u P2) . (x, y, 1) = 0 and (P1 - v P2) . (x, y, 1) = 0, with columns 0, 1 and 3 of P.
    let row = |a: [f64; 4], k: f64| [a[0] - k * p[2][0], a[1] - k * p[2][1], a[3] - k * p[2][3]];
    let (a, b) = (row(p[0], u), row(p[1], v));
    let det = a[0] * b[1] - a[1] * b[0];
    (det.abs() > 1e-12).then(|| Point2::new((a[1] * b[2] - a[2] * b[1]) / det, (a[2] * b[0] - a[0] * b[2]) / det))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shop::CameraKind;

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
            ("one camera sees two: they are two", "a", [2.5, 1.0], 0),
        ];
        for (story, camera, start, twins) in rows {
            let mut plan = Plan::default();
            let mut found = 0;
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
                found = plan.twins(t).len();
            }
            assert_eq!((plan.bodies().count(), found), (2, *twins), "{story}");
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

    #[test]
    fn a_box_stands_where_the_projection_says() {
        // Ceiling camera at (3, 2, 5) looking straight down, 300 px focal length: u = 320 + 300 (x - 3) / (5 - z).
        let camera = Camera {
            id: CameraId::new("top"),
            kind: CameraKind::People,
            covers: Vec::new(),
            projection: Some([[300.0, 0.0, -320.0, 700.0], [0.0, -300.0, -240.0, 1800.0], [0.0, 0.0, -1.0, 5.0]]),
            size: (640, 480),
        };
        let (u, v) = (320.0 + 300.0 * 1.0 / 5.0, 240.0 - 300.0 * 0.5 / 5.0);
        let at = floor_of_box(&camera, [(u - 10.0) / 640.0, (v - 50.0) / 480.0, 20.0 / 640.0, 50.0 / 480.0]).unwrap();
        assert!((at.x - 4.0).abs() < 1e-9 && (at.y - 2.5).abs() < 1e-9, "{at:?}");
    }
}
