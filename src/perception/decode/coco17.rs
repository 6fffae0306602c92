//! The 17 points of COCO's people (Lin et al., "Microsoft COCO", 2014): from joints to head, palms and the floor.
//!
//! Joints are not what a shop asks for. A palm is past the wrist, the floor is below the ankle: both are reached by going
//! on along the limb, which is right as far as hand and foot keep its direction.

use crate::perception::detection::{Detection, Spot};

pub const POINTS: usize = 17;

/// Points of COCO's order that matter here; left before right.
const FACE: [usize; 5] = [0, 1, 2, 3, 4]; // nose, eyes, ears
const ELBOWS: [usize; 2] = [7, 8];
const WRISTS: [usize; 2] = [9, 10];
const KNEES: [usize; 2] = [13, 14];
const ANKLES: [usize; 2] = [15, 16];

/// A point below this is guessed, not seen.
const SEEN_MIN: f64 = 0.5;

/// Of the forearm, from wrist to the middle of the palm: 9 cm beyond a forearm of 26 cm.
const PALM: f64 = 0.35;

/// Of the shank, from the ankle's middle to the sole: 8 cm below a shank of 40 cm.
const SOLE: f64 = 0.2;

/// Gives a person head, hands and floor out of `point(i)` = x, y, probability of joint `i`.
pub fn place(person: &mut Detection, point: impl Fn(usize) -> [f64; 3]) {
    let spot = |i: usize| {
        let [x, y, seen] = point(i);
        (x.is_finite() && y.is_finite() && seen >= SEEN_MIN).then_some(Spot { x, y, seen: seen.min(1.0) })
    };
    person.head = mean(FACE.iter().filter_map(|&i| spot(i)));
    for (hand, (elbow, wrist)) in person.hands.iter_mut().zip(ELBOWS.into_iter().zip(WRISTS)) {
        *hand = spot(wrist).map(|wrist| beyond(spot(elbow), wrist, PALM));
    }
    let feet = KNEES.into_iter().zip(ANKLES);
    person.floor = mean(feet.filter_map(|(knee, ankle)| Some(beyond(spot(knee), spot(ankle)?, SOLE))));
}

/// Past the end of a limb by a `share` of its length; the end itself when the other end is not seen.
fn beyond(from: Option<Spot>, end: Spot, share: f64) -> Spot {
    let Some(from) = from else { return end };
    Spot { x: end.x + (end.x - from.x) * share, y: end.y + (end.y - from.y) * share, seen: end.seen }
}

/// Their middle, as sure as the surest of them.
fn mean(spots: impl Iterator<Item = Spot>) -> Option<Spot> {
    let (mut sum, mut n) = (Spot::default(), 0.0);
    for spot in spots {
        sum = Spot { x: sum.x + spot.x, y: sum.y + spot.y, seen: sum.seen.max(spot.seen) };
        n += 1.0;
    }
    (n > 0.0).then(|| Spot { x: sum.x / n, y: sum.y / n, seen: sum.seen })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joints_become_head_palms_and_floor() {
        type Joints = &'static [(usize, [f64; 3])];
        let at = |x: f64, y: f64, seen: f64| Some(Spot { x, y, seen });
        let cases: [(&str, Joints, [Option<Spot>; 4]); 7] = [
            ("nothing is seen", &[], [None; 4]),
            (
                "nose and an ear",
                &[(0, [10.0, 20.0, 0.9]), (3, [14.0, 18.0, 0.7])],
                [at(12.0, 19.0, 0.9), None, None, None],
            ),
            ("an eye that is guessed", &[(1, [10.0, 20.0, 0.3])], [None; 4]),
            (
                "an arm stretched out to the side",
                &[(7, [100.0, 50.0, 0.8]), (9, [120.0, 50.0, 0.6])],
                [None, at(127.0, 50.0, 0.6), None, None],
            ),
            ("a wrist whose elbow is hidden", &[(10, [120.0, 50.0, 0.6])], [None, None, at(120.0, 50.0, 0.6), None]),
            (
                "both feet",
                &[(13, [10.0, 80.0, 0.9]), (15, [10.0, 100.0, 0.9]), (14, [20.0, 80.0, 0.9]), (16, [20.0, 100.0, 0.8])],
                [None, None, None, at(15.0, 104.0, 0.9)],
            ),
            ("an ankle that is no number", &[(15, [f64::NAN, 100.0, 0.9])], [None; 4]),
        ];
        for (story, joints, [head, left, right, floor]) in cases {
            let mut person = Detection::default();
            place(&mut person, |i| joints.iter().find(|(joint, _)| *joint == i).map_or([0.0; 3], |(_, point)| *point));
            assert_eq!((person.head, person.hands, person.floor), (head, [left, right], floor), "{story}");
        }
    }
}
