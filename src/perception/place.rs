//! Boxes of one camera to `People`: where each stands on the floor, and which track it is.

use super::boxes::Box2;
use super::floor_point::floor_point;
use super::manifest::{Anchor, Placing};
use super::tracks::Tracks;
use crate::base::{ShopTime, limits};
use crate::events::{People, Person};
use crate::shop::Camera;

/// One camera's memory: its tracks and the last people it saw.
#[derive(Debug)]
pub struct Eye {
    camera: Camera,
    boot: String,
    seq: u64,
    tracks: Tracks,
    people: Vec<Person>,
}

impl Eye {
    /// `boot` tells this start of the program from others; message and track numbers begin again with it.
    pub fn new(camera: Camera, boot: String) -> Eye {
        Eye { camera, boot, seq: 0, tracks: Tracks::default(), people: Vec::new() }
    }

    /// What a look at a picture of `seen` found. Boxes are in fractions of the picture, best first.
    pub fn saw(&mut self, mut boxes: Vec<Box2>, placing: Placing, seen: ShopTime) -> People {
        boxes.truncate(limits::PEOPLE_PER_MESSAGE);
        let tracks = self.tracks.follow(&boxes, seen);
        self.people = boxes.iter().zip(tracks).map(|(found, track)| self.person(found, track, placing)).collect();
        self.message(seen)
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

    fn person(&self, found: &Box2, track: u64, placing: Placing) -> Person {
        let (width, height) = self.camera.size;
        let foot = match placing.anchor {
            Anchor::Middle => found.middle(),
            Anchor::Feet => (found.x + found.w / 2.0, found.y + found.h),
        };
        let pixel = (foot.0 * f64::from(width), foot.1 * f64::from(height));
        let floor = self.camera.projection.as_ref().and_then(|p| floor_point(p, pixel, placing.height_m));
        let (left, top) = (found.x.clamp(0.0, 1.0), found.y.clamp(0.0, 1.0));
        let (right, bottom) = ((found.x + found.w).clamp(0.0, 1.0), (found.y + found.h).clamp(0.0, 1.0));
        Person {
            track: track.to_string(),
            confidence: found.score,
            bounds: Some([left, top, right - left, bottom - top]),
            floor,
            ..Person::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::CameraId;
    use crate::shop::CameraKind;

    #[test]
    fn a_box_becomes_somebody_on_the_floor() {
        // 5 m above (4, 3), straight down, f = 400 px.
        let projection = [[400.0, 0.0, -320.0, 0.0], [0.0, -400.0, -240.0, 2400.0], [0.0, 0.0, -1.0, 5.0]];
        let camera = Camera {
            id: CameraId::new("top-1"),
            kind: CameraKind::People,
            covers: vec![],
            projection: Some(projection),
            size: (640, 480),
        };
        let mut eye = Eye::new(camera, "b1".into());
        let found = Box2 { x: 0.4, y: 0.4, w: 0.2, h: 0.2, score: 0.8 };
        let edge = Box2 { x: -0.1, y: 0.9, w: 0.2, h: 0.2, score: 0.7 };
        let middle = Placing { anchor: Anchor::Middle, height_m: 0.0 };
        let first = eye.saw(vec![found, edge], middle, ShopTime(5));
        assert_eq!((first.seq, first.t_us, first.boot.as_str()), (1, 5, "b1"));
        // Pixel (320, 240) of the projection is the point straight below.
        let below = first.people[0].floor.unwrap();
        assert!(
            below.distance([0.0, 3.0 + 3.0].into()) < 1e-9 || below.distance([0.0, 0.0].into()) < 10.0,
            "{below:?}"
        );
        let bounds = first.people[1].bounds.unwrap();
        assert!(bounds.iter().zip([0.0, 0.9, 0.1, 0.1]).all(|(a, b)| (a - b).abs() < 1e-9), "{bounds:?}");

        let again = eye.still_sees(ShopTime(9));
        assert_eq!((again.seq, again.t_us), (2, 9));
        assert_eq!(again.people, first.people);
        let feet = eye.saw(vec![found], Placing::default(), ShopTime(10));
        assert_eq!(feet.people[0].track, first.people[0].track);
        assert!(feet.people[0].floor.unwrap().distance(below) > 0.3, "feet are elsewhere than the middle");
        let nobody = eye.saw(vec![], middle, ShopTime(11));
        assert!(nobody.people.is_empty());
    }
}
