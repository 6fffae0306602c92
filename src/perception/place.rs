//! What one camera found, as `People`: where each stands on the floor, where head and hands are, and which track it is.
//!
//! Pixels are straightened by the camera's lens first. A floor point is told when it was seen as such; a box goes out as it is, and
//! `tracking` asks which place on the floor would make it, knowing who stands before whom. Only to give heads and hands a depth we
//! guess it here: the box's lower edge, or where the picture cuts it off, a usual person's height below the head, left out
//! where that height would be a guess of more than half a metre (a head level with the camera says nothing).

use super::boxes::Box2;
use super::detection::{Detection, Spot};
use super::manifest::{Anchor, Placing};
use crate::base::{Point2, Point3, ShopTime, limits};
use crate::events::{People, Person};
use crate::shop::Camera;
use crate::shop::lens::Lens;
use crate::shop::projection::{Projection, floor_point, ray};
use crate::tracking::CameraTracks;
use std::ops::Range;

/// A point that is less likely than this to be seen is left out.
const SEEN_MIN: f64 = 0.5;

/// Share of the picture's height: a box that ends this near its edge was cut off by it. Detectors end such boxes a few
/// pixels short of the edge or beyond it.
const CUT: f64 = 0.01;

/// A person's usual height and the middle of the head in it, metres; adults differ by 0.1 m (one standard deviation).
const HEIGHT_M: f64 = 1.70;
const HEAD_M: f64 = 1.58;
const HEIGHT_SPREAD_M: f64 = 0.10;

/// A place reckoned from the head is left out when people 0.1 m taller or smaller would stand further away than this.
const OFF_M_MAX: f64 = 0.5;

/// Metres above the floor where a head or a hand can be; elsewhere it is a mistake.
const HEADS_M: Range<f64> = 0.8..2.3;
const HANDS_M: Range<f64> = 0.0..2.4;

/// Pixels that a straightened pixel may miss itself by when it is bent again; more, and the lens does not reach there.
const BENT_PX: f64 = 0.5;

/// One camera's memory: its tracks and the last people it saw.
#[derive(Debug)]
pub struct Eye {
    camera: Camera,
    lens: Option<Lens>,
    boot: String,
    seq: u64,
    tracks: CameraTracks,
    people: Vec<Person>,
    boxes: Vec<[f64; 4]>,
}

impl Eye {
    /// `boot` tells this start of the program from others; message and track numbers begin again with it. A box of score `sure` is
    /// somebody; a fainter one only where somebody was expected.
    pub fn new(camera: Camera, lens: Option<Lens>, boot: String, sure: f64) -> Eye {
        Eye { camera, lens, boot, seq: 0, tracks: CameraTracks::new(sure), people: Vec::new(), boxes: Vec::new() }
    }

    /// What a look at a picture of `seen` found. In fractions of the picture, best first.
    pub fn saw(&mut self, mut found: Vec<Detection>, placing: Placing, seen: ShopTime) -> People {
        found.truncate(limits::PEOPLE_PER_MESSAGE);
        let (width, height) = (f64::from(self.camera.size.0.max(1)), f64::from(self.camera.size.1.max(1)));
        let pixels =
            |Box2 { x, y, w, h, score }: Box2| Box2 { x: x * width, y: y * height, w: w * width, h: h * height, score };
        let boxes: Vec<Box2> = found.iter().map(|found| pixels(found.bounds)).collect();
        let tracks = self.tracks.follow(&boxes, seen);
        let somebody: Vec<(Detection, u64)> =
            found.into_iter().zip(tracks).filter_map(|(found, track)| Some((found, track?))).collect();
        self.boxes = somebody.iter().map(|(found, _)| within(found.bounds)).collect();
        self.people = somebody.into_iter().map(|(found, track)| self.person(found, track, placing)).collect();
        self.message(seen)
    }

    /// The boxes of the people last seen, in their order, whether or not they are outlines: left, top, width, height in fractions of the
    /// picture.
    pub fn boxes(&self) -> &[[f64; 4]] {
        &self.boxes
    }

    /// The last people once more: the camera looks, and nothing has moved since.
    pub fn still_sees(&mut self, now: ShopTime) -> People {
        self.message(now)
    }

    fn message(&mut self, t: ShopTime) -> People {
        self.seq += 1;
        People {
            camera: self.camera.id.clone(),
            boot: self.boot.clone(),
            seq: self.seq,
            t_us: t.0,
            people: self.people.clone(),
        }
    }

    fn person(&self, found: Detection, track: u64, placing: Placing) -> Person {
        let bounds = Some(within(found.bounds));
        let (track, confidence) = (track.to_string(), found.bounds.score);
        let mut person = Person { track, confidence, bounds, ..Person::default() };
        if let Some(p) = &self.camera.projection
            && let Some(floor) = self.stands(p, &found, placing)
        {
            let point = |spot: Option<Spot>, heights: &Range<f64>| self.upright(p, seen(spot)?, floor, heights);
            let told = placing.anchor == Anchor::Middle || seen(found.floor).is_some();
            person.floor = told.then_some(floor);
            // What is found by its middle, from above, is nobody's outline: its box would say something wrong of where they stand.
            person.bounds = person.bounds.filter(|_| placing.anchor != Anchor::Middle);
            person.head = point(found.head, &HEADS_M);
            person.hands = found.hands.into_iter().filter_map(|hand| point(hand, &HANDS_M)).collect();
        }
        person.appearance = found.appearance;
        person
    }

    /// Where they stand, as far as this picture alone tells.
    fn stands(&self, p: &Projection, found: &Detection, placing: Placing) -> Option<Point2> {
        let Box2 { x, y, w, h, .. } = found.bounds;
        if placing.anchor == Anchor::Middle {
            return floor_point(p, self.straight(found.bounds.middle())?, placing.height_m);
        }
        if let Some(floor) = seen(found.floor) {
            return floor_point(p, self.straight((floor.x, floor.y))?, 0.0);
        }
        if y + h < 1.0 - CUT {
            return floor_point(p, self.straight((x + w / 2.0, y + h))?, placing.height_m);
        }
        let (pixel, height_m) = match seen(found.head) {
            Some(head) => ((head.x, head.y), HEAD_M),
            None if y > CUT => ((x + w / 2.0, y), HEIGHT_M),
            None => return None,
        };
        let pixel = self.straight(pixel)?;
        let [low, place, high] = [-1.0, 0.0, 1.0].map(|off| floor_point(p, pixel, height_m + off * HEIGHT_SPREAD_M));
        (low?.distance(high?) <= 2.0 * OFF_M_MAX).then_some(place?)
    }

    /// A point of a person who stands at `floor`, in the upright plane that faces the camera.
    fn upright(&self, p: &Projection, spot: Spot, floor: Point2, heights_m: &Range<f64>) -> Option<Point3> {
        let at = ray(p, self.straight((spot.x, spot.y))?)?.upright(floor)?;
        heights_m.contains(&at.z).then_some(at)
    }

    /// The pixel of the projection's straight picture for a point in fractions of the camera's.
    fn straight(&self, (x, y): (f64, f64)) -> Option<Point2> {
        let (width, height) = self.camera.size;
        let bent = Point2::new(x * f64::from(width), y * f64::from(height));
        let Some(lens) = self.lens.filter(|lens| !lens.is_straight()) else { return Some(bent) };
        let straight = lens.undistort(bent);
        // Beyond where its polynomial turns back, a lens has no straight pixel.
        (lens.distort(straight).distance(bent) <= BENT_PX).then_some(straight)
    }
}

/// What of a box is in the picture: left, top, width, height.
fn within(bounds: Box2) -> [f64; 4] {
    let Box2 { x, y, w, h, .. } = bounds.in_picture();
    [x, y, w, h]
}

fn seen(spot: Option<Spot>) -> Option<Spot> {
    spot.filter(|spot| spot.seen >= SEEN_MIN)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::CameraId;
    use crate::shop::CameraKind;
    use crate::shop::pose::Pose;
    use crate::shop::projection::pixel_of;

    fn camera(projection: Projection) -> Camera {
        let (id, kind) = (CameraId::new("top-1"), CameraKind::People);
        Camera { id, kind, covers: vec![], projection: Some(projection), size: (640, 480) }
    }

    #[test]
    fn a_box_becomes_somebody_on_the_floor() {
        // 5 m above (4, 3), straight down, f = 400 px.
        let projection = [[400.0, 0.0, -320.0, 0.0], [0.0, -400.0, -240.0, 2400.0], [0.0, 0.0, -1.0, 5.0]];
        let mut eye = Eye::new(camera(projection), None, "b1".into(), 0.4);
        let found = Detection::of(Box2 { x: 0.4, y: 0.4, w: 0.2, h: 0.2, score: 0.8 });
        let edge = Detection::of(Box2 { x: -0.1, y: 0.9, w: 0.2, h: 0.2, score: 0.7 });
        let middle = Placing { anchor: Anchor::Middle, height_m: 0.0 };
        let first = eye.saw(vec![found.clone(), edge], middle, ShopTime(5));
        assert_eq!((first.seq, first.t_us, first.boot.as_str()), (1, 5, "b1"));
        let below = first.people[0].floor.unwrap();
        assert!(below.distance(Point2::new(4.0, 3.0)) < 1e-9, "{below:?}");
        assert!(first.people.iter().all(|person| person.bounds.is_none()), "a middle is nobody's outline");
        let bounds = eye.boxes()[1];
        assert!(bounds.iter().zip([0.0, 0.9, 0.1, 0.1]).all(|(a, b)| (a - b).abs() < 1e-9), "{bounds:?}");

        let again = eye.still_sees(ShopTime(9));
        assert_eq!((again.seq, again.t_us), (2, 9));
        assert_eq!(again.people, first.people);
        let feet = eye.saw(vec![found], Placing::default(), ShopTime(10));
        assert_eq!(feet.people[0].track, first.people[0].track);
        assert!(feet.people[0].floor.is_none(), "where a box stands is tracking's to say");
        let nobody = eye.saw(vec![], middle, ShopTime(11));
        assert!(nobody.people.is_empty());
    }

    /// 2.5 m up in a corner, looking into the shop, with the lens of a cheap wide camera.
    const LENS: Lens =
        Lens { fx: 400.0, fy: 400.0, cx: 320.0, cy: 240.0, k1: -0.28, k2: 0.07, p1: 0.001, p2: -0.0005, k3: 0.0 };

    fn corner() -> (Camera, Pose) {
        let pose = Pose::looking_at(Point3::new(0.0, 0.0, 2.5), Point3::new(2.5, 2.5, 0.9)).unwrap();
        (camera(LENS.projection(&pose)), pose)
    }

    /// Fractions of the picture as the lens shows a point; beyond the picture too.
    fn shown(camera: &Camera, at: Point3) -> (f64, f64) {
        let pixel = LENS.distort(pixel_of(&camera.projection.unwrap(), at).unwrap());
        (pixel.x / 640.0, pixel.y / 480.0)
    }

    /// Somebody 1.70 m tall who stands at `at` with a hand to each side of the line of sight.
    fn body(camera: &Camera, at: Point2, hands_z: f64) -> (Detection, [Point3; 3]) {
        let away = at.distance(Point2::default());
        let side = |d: f64| Point3::new(at.x - at.y / away * d, at.y + at.x / away * d, hands_z);
        let points = [at.at_height(HEAD_M), side(-0.5), side(0.5)];
        let spot = |point: Point3| {
            let (x, y) = shown(camera, point);
            Some(Spot { x, y, seen: 0.9 })
        };
        let (top, foot) = (shown(camera, at.at_height(HEIGHT_M)), shown(camera, at.at_height(0.0)));
        let bounds = Box2 { x: foot.0 - 0.05, y: top.1, w: 0.1, h: foot.1 - top.1, score: 0.8 };
        let [head, left, right] = points.map(spot);
        let floor = spot(at.at_height(0.0));
        (Detection { bounds, head, hands: [left, right], floor, appearance: None }, points)
    }

    #[test]
    fn a_bent_picture_is_straightened_before_anybody_is_placed() {
        let (camera, _) = corner();
        let mut worst_m: f64 = 0.0;
        for at in [[1.5, 2.5], [2.5, 2.5], [4.0, 2.0], [1.0, 4.5]].map(Point2::from) {
            let mut eye = Eye::new(camera.clone(), Some(LENS), "b1".into(), 0.4);
            let mut blind = Eye::new(camera.clone(), None, "b1".into(), 0.4);
            let (whole, points) = body(&camera, at, 1.2);
            let people = eye.saw(vec![whole.clone()], Placing::default(), ShopTime(0));
            let person = &people.people[0];
            assert!(person.floor.unwrap().distance(at) < 0.01, "{at:?}: {person:?}");
            assert_eq!(person.confidence, 0.8);
            let found = [person.head.unwrap(), person.hands[0], person.hands[1]];
            for (found, point) in found.into_iter().zip(points) {
                assert!(found.distance(point) < 0.01, "{at:?}: {point:?} came back as {found:?}");
            }
            let boxed = Detection { floor: Some(Spot { seen: 0.2, ..whole.floor.unwrap() }), ..whole.clone() };
            let place = eye.stands(&camera.projection.unwrap(), &boxed, Placing::default()).unwrap();
            assert!(place.distance(at) < 0.01, "{at:?}: by the box's foot");
            let person = eye.saw(vec![boxed], Placing::default(), ShopTime(0)).people.remove(0);
            assert!(person.floor.is_none() && person.bounds.is_some(), "a box is left to tracking: {person:?}");
            let bent = blind.saw(vec![whole], Placing::default(), ShopTime(0)).people[0].floor;
            worst_m = worst_m.max(bent.map_or(f64::MAX, |bent| bent.distance(at)));
        }
        assert!(worst_m > 0.15, "the lens would not have mattered: {worst_m:.2} m");
    }

    #[test]
    fn points_that_cannot_be_are_left_out() {
        let (camera, _) = corner();
        let mut eye = Eye::new(camera.clone(), Some(LENS), "b1".into(), 0.4);
        let at = Point2::new(2.5, 2.5);
        for (story, hands_z, head_seen, hands, head) in [
            ("all is well", 1.2, 0.9, 2, true),
            ("a head that is guessed", 1.2, 0.3, 2, false),
            ("hands below the floor", -0.3, 0.9, 0, true),
            ("hands at the ceiling", 2.45, 0.9, 0, true),
        ] {
            let (mut found, _) = body(&camera, at, hands_z);
            found.head = found.head.map(|head| Spot { seen: head_seen, ..head });
            let person = eye.saw(vec![found], Placing::default(), ShopTime(0)).people.remove(0);
            assert_eq!((person.hands.len(), person.head.is_some()), (hands, head), "{story}: {person:?}");
        }
    }

    #[test]
    fn feet_below_the_pictures_edge_are_reckoned_from_the_head() {
        let (camera, _) = corner();
        let eye = Eye::new(camera.clone(), Some(LENS), "b1".into(), 0.4);
        // 1.3 m before the camera: the picture ends at the knees.
        let near = Point2::new(0.9, 0.9);
        let (whole, _) = body(&camera, near, 1.2);
        assert!(whole.bounds.y + whole.bounds.h > 1.0, "the story needs hidden feet: {:?}", whole.bounds);
        let hidden = Detection { floor: None, ..whole };
        let cut = Box2 { h: 0.995 - hidden.bounds.y, ..hidden.bounds };
        // Level with a head, a camera cannot tell how far away it is.
        let level = Pose::looking_at(Point3::new(0.0, 0.0, 1.7), Point3::new(3.0, 0.0, 1.7)).unwrap();
        let level = self::camera(LENS.projection(&level));
        let level = Eye::new(level, Some(LENS), "b1".into(), 0.4);
        for (story, is_level, found, placed) in [
            ("by the head", false, Detection { bounds: cut, ..hidden.clone() }, true),
            ("by the box's top", false, Detection { bounds: cut, head: None, ..hidden.clone() }, true),
            ("a body from edge to edge", false, Detection::of(Box2 { y: 0.0, h: 1.0, ..cut }), false),
            (
                "level with the camera",
                true,
                Detection::of(Box2 { x: 0.4, y: 0.49, w: 0.2, h: 0.51, score: 0.8 }),
                false,
            ),
        ] {
            let eye = if is_level { &level } else { &eye };
            match eye.stands(&eye.camera.projection.unwrap(), &found, Placing::default()) {
                Some(floor) => assert!(placed && floor.distance(near) < 0.05, "{story}: {floor:?}"),
                None => assert!(!placed, "{story}"),
            }
        }
    }
}
