//! One body's way through the shop: where it is at any moment, where its hands are, what it does when.
//!
//! Planned beforehand by `plan`; a gate that answers late only moves everything after it.

use super::shelves::Touch;
use super::world::{Front, moved};
use crate::base::{GateId, PlateNo, Point2, Point3, ShelfId};
use crate::events::{Credential, Direction};

/// Middle of the head of a grown person above the floor, metres; they are a little taller.
pub const HEAD_M: f64 = 1.65;
const ABOVE_HEAD_M: f64 = 0.05;
/// Palms of hanging arms above the floor, and how far they swing out, metres.
const REST_M: f64 = 1.0;
const ARM_OUT_M: f64 = 0.24;
/// A child of seven is so much smaller, and takes what stands lower than this, metres.
const CHILD: f64 = 0.72;
const CHILD_REACHES_M: f64 = 1.25;
/// A hand goes this far above a plate, metres.
pub const HAND_M: f64 = 0.08;
/// A hand needs this long to the plate and as long back, us.
pub const REACH_US: i64 = 500_000;
/// It stays there from this long before the step to as long after it, us.
const HOLD_US: i64 = 150_000;

/// One thing that can be carried: a unit of a product with the weight it really has.
#[derive(Clone, Debug, PartialEq)]
pub struct Unit {
    pub id: u64,
    pub product: String,
    pub grams: f64,
    /// Unlabelled things happen and are not scored.
    pub in_catalogue: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handling {
    Take,
    Put,
    /// Staff put new goods on the shelf.
    Restock,
}

/// A hand at a shelf. One movement, however many units.
#[derive(Clone, Debug)]
pub struct Reach {
    pub handling: Handling,
    /// Lifted gram by gram.
    pub slow: bool,
    pub shelf: ShelfId,
    pub plates: Vec<PlateNo>,
    pub units: Vec<Unit>,
    /// Where the goods stand along the shelf, in plates.
    pub centre: f64,
    pub width: f64,
    pub target: Point3,
}

impl Reach {
    /// What the shelf feels of it.
    pub fn touch(&self, t_us: i64) -> Touch {
        let grams: f64 = self.units.iter().map(|unit| unit.grams).sum();
        let delta_g = if self.handling == Handling::Take { -grams } else { grams };
        Touch { t_us, delta_g, centre: self.centre, width: self.width, slow: self.slow }
    }
}

#[derive(Clone, Debug)]
pub enum Deed {
    Tap {
        gate: GateId,
        direction: Direction,
        credential: Credential,
        group_size: u32,
    },
    /// Through the beam of a gate, or over a line without one.
    Cross {
        gate: Option<GateId>,
        direction: Direction,
    },
    Reach(Reach),
    HandOff {
        to: String,
        unit: Unit,
    },
    Drop {
        unit: Unit,
    },
    /// Leans on a shelf around there, in plates, and touches nothing.
    Lean {
        shelf: ShelfId,
        centre: f64,
    },
    /// Out of every camera's sight.
    Gone,
}

#[derive(Clone, Debug)]
pub struct Act {
    pub t_us: i64,
    pub deed: Deed,
}

/// Who pays, and for whom: what the truth says about a visit before anybody acts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Party {
    pub case: String,
    pub visit: String,
    pub credential: Option<Credential>,
    pub staff: bool,
    /// The card is known to be refused; where nobody is asked, the gate stays shut.
    pub declined: bool,
    /// They tap on the way out, not on the way in.
    pub pays_at_exit: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stature {
    Grown,
    Child,
}

impl Stature {
    fn scale(self) -> f64 {
        if self == Stature::Child { CHILD } else { 1.0 }
    }

    /// Whether a hand gets to what stands on a plate at this height, metres.
    pub fn reaches(self, plate_m: f64) -> bool {
        self == Stature::Grown || plate_m + HAND_M <= CHILD_REACHES_M
    }
}

#[derive(Clone, Debug)]
pub struct Person {
    pub body: String,
    pub party: Party,
    pub stature: Stature,
    /// Corners of the way with the time there; between them it walks straight at an even pace.
    pub way: Vec<(i64, Point2)>,
    pub acts: Vec<Act>,
    /// Acts before this one are done.
    pub next: usize,
}

/// What a camera could see of somebody at one moment.
#[derive(Clone, Debug)]
pub struct Pose {
    pub body: String,
    pub floor: Point2,
    /// Unit vector: where the body faces.
    pub facing: Point2,
    /// From the floor to the top, metres.
    pub tall_m: f64,
    pub head: Point3,
    pub hands: [Point3; 2],
    pub reach: Option<Reaching>,
}

/// A reach that is under way, or whose goods are still in the hand.
#[derive(Clone, Debug)]
pub struct Reaching {
    /// Its moment: which reach it is.
    pub t_us: i64,
    pub hand: usize,
    /// The hand is among the goods.
    pub at_shelf: bool,
    /// What is in the hand.
    pub carries: Option<String>,
}

impl Pose {
    /// Where the middle of the head is when it stands upright, metres.
    pub fn rest_head_m(&self) -> f64 {
        self.tall_m - ABOVE_HEAD_M
    }

    /// Where its hands are when they have nothing to do.
    pub fn rest_hands(&self) -> [Point3; 2] {
        at_rest(self.floor, self.facing, self.rest_head_m() / HEAD_M)
    }
}

/// Left and right hand of arms that hang.
fn at_rest(floor: Point2, facing: Point2, scale: f64) -> [Point3; 2] {
    let left = Point2::new(-facing.y, facing.x);
    [1.0, -1.0].map(|side| moved(moved(floor, left, side * ARM_OUT_M), facing, 0.1).at_height(REST_M * scale))
}

impl Person {
    /// Where it stands; `None` before it comes into sight and after it is gone.
    pub fn at(&self, t_us: i64) -> Option<Point2> {
        let after = self.way.partition_point(|(t, _)| *t <= t_us);
        if after == 0 || (after == self.way.len() && self.way.last()?.0 < t_us) {
            return None;
        }
        let (t0, from) = self.way[after - 1];
        let Some(&(t1, to)) = self.way.get(after) else { return Some(from) };
        Some(from.toward(to, (t_us - t0) as f64 / (t1 - t0).max(1) as f64))
    }

    /// Metres a second over the 0.8 s around `t_us`: nobody starts or stops at once.
    pub fn velocity(&self, t_us: i64) -> Point2 {
        let here = self.at(t_us).unwrap_or_default();
        let (a, b) = (self.at(t_us - 400_000).unwrap_or(here), self.at(t_us + 400_000).unwrap_or(here));
        Point2::new((b.x - a.x) / 0.8, (b.y - a.y) / 0.8)
    }

    /// The whole body, standing at `floor` (its way, stepped aside for others). Goods stay in the hand, in sight, for
    /// `carried_us` after a take and before a put.
    pub fn pose(&self, t_us: i64, floor: Point2, carried_us: i64) -> Pose {
        self.pose_with(t_us, floor, carried_us, false)
    }

    /// The same; `further`: had the hand that is further away done it.
    pub fn pose_with(&self, t_us: i64, floor: Point2, carried_us: i64, further: bool) -> Pose {
        let scale = self.stature.scale();
        let facing = self.facing(t_us, floor);
        let mut hands = at_rest(floor, facing, scale);
        let mut lean = 0.0;
        let mut reaching = None;
        if let Some((reach, t)) = self.reach_near(t_us, carried_us.max(REACH_US)) {
            let away = ((t_us - t).abs() - HOLD_US).max(0) as f64 / (REACH_US - HOLD_US) as f64;
            let out = (1.0 - away).clamp(0.0, 1.0);
            // The nearer hand does it.
            let right = hands[1].distance(reach.target) < hands[0].distance(reach.target);
            let hand = usize::from(right != further);
            let from = hands[hand];
            hands[hand] = Point3::new(
                from.x + (reach.target.x - from.x) * out,
                from.y + (reach.target.y - from.y) * out,
                from.z + (reach.target.z - from.z) * out,
            );
            // One leans to the back of a shelf and bends down to a low one.
            lean = 0.15 * out;
            let full = if reach.handling == Handling::Take { 0..=carried_us } else { -carried_us..=0 };
            let carries = reach.units.first().filter(|_| full.contains(&(t_us - t))).map(|unit| unit.product.clone());
            let at_shelf = out > 0.3;
            reaching = (at_shelf || carries.is_some()).then_some(Reaching { t_us: t, hand, at_shelf, carries });
        }
        let head_m = HEAD_M * scale;
        let head = moved(floor, facing, lean).at_height(head_m - lean * 0.3);
        let tall_m = head_m + ABOVE_HEAD_M;
        Pose { body: self.body.clone(), floor, facing, tall_m, head, hands, reach: reaching }
    }

    /// How far it has come on its way, metres: where its feet are in their stride.
    pub fn walked_m(&self, t_us: i64) -> f64 {
        let leg = |pair: &[(i64, Point2)]| {
            let [(t0, from), (t1, to)] = [pair[0], pair[1]];
            from.distance(to) * ((t_us - t0) as f64 / (t1 - t0).max(1) as f64).clamp(0.0, 1.0)
        };
        self.way.windows(2).map(leg).sum()
    }

    fn reach_near(&self, t_us: i64, within_us: i64) -> Option<(&Reach, i64)> {
        let near = self.acts.iter().filter(|act| (act.t_us - t_us).abs() <= within_us);
        near.filter_map(|act| match &act.deed {
            Deed::Reach(reach) => Some((reach, act.t_us)),
            _ => None,
        })
        .min_by_key(|(_, t)| (t - t_us).abs())
    }

    /// The way it walks; standing, towards what it reaches for next or reached for last.
    fn facing(&self, t_us: i64, floor: Point2) -> Point2 {
        let v = self.velocity(t_us);
        let speed = libm::sqrt(v.x * v.x + v.y * v.y);
        if speed > 0.3 {
            return Point2::new(v.x / speed, v.y / speed);
        }
        let reaches = self.acts.iter().filter_map(|act| match &act.deed {
            Deed::Reach(reach) => Some(((act.t_us - t_us).abs(), reach.target.floor())),
            _ => None,
        });
        match reaches.min_by_key(|(away_us, _)| *away_us) {
            Some((_, target)) if target.distance(floor) > 1e-6 => {
                let d = target.distance(floor);
                Point2::new((target.x - floor.x) / d, (target.y - floor.y) / d)
            }
            _ => Point2::new(0.0, 1.0),
        }
    }

    /// Everything at or after `from_us` happens `by_us` later.
    pub fn delay(&mut self, from_us: i64, by_us: i64) {
        if let Some(here) = self.at(from_us) {
            let after = self.way.partition_point(|(t, _)| *t < from_us);
            self.way.insert(after, (from_us, here));
            for (t, _) in &mut self.way[after + 1..] {
                *t += by_us;
            }
            self.way.insert(after + 1, (from_us + by_us, here));
        }
        for act in &mut self.acts[self.next..] {
            if act.t_us >= from_us {
                act.t_us += by_us;
            }
        }
    }

    /// The gate stayed shut: back to where it came from, and nothing it had in mind.
    pub fn turn_back(&mut self, now_us: i64, walk_m_s: f64) {
        let (Some(here), Some(&(_, outside))) = (self.at(now_us), self.way.first()) else { return };
        let home_us = now_us + 600_000 + (here.distance(outside) / walk_m_s * 1e6) as i64;
        self.way.retain(|(t, _)| *t <= now_us);
        self.way.extend([(now_us + 600_000, here), (home_us, outside)]);
        self.acts.truncate(self.next);
        self.acts.push(Act { t_us: home_us, deed: Deed::Gone });
    }
}

/// `front.spot`, `aside` metres along the shelf.
pub fn beside(front: &Front, aside: f64) -> Point2 {
    moved(front.spot, front.along, aside)
}
