//! How likely it is to see somebody so, look by look, if they stand and reach as posed.
//!
//! Errors wander: of each only what is new since the last look counts. A hand is hidden for a while or open for a while; one
//! at a shelf is seen or not for the whole reach.

use super::super::parameters::Parameters;
use super::super::person::Pose;
use crate::base::{Point2, Point3};

/// A hand this near to where it should be is at the plates, metres.
const AT_PLATES_M: f64 = 0.3;
/// No single sighting can rule anything out: at most so many squared sigmas.
const MOST: f64 = 40.0;
/// A hidden hand is seen all the same, and how fast what hides it changes, a look.
const SEEN_HIDDEN: f64 = 0.01;
const CHANGES: f64 = 0.1;

/// How well a camera sees, as it turned out.
pub struct Camera {
    /// Of a place along one axis, metres.
    pub sigma_m: f64,
    /// Share of hands that are not hidden.
    pub open: f64,
}

/// One body in one look.
pub struct Sighting<'a> {
    pub t_us: i64,
    pub floor: Point2,
    pub head: Point3,
    pub hands: &'a [Point3],
    pub in_hand: Option<&'a [f32]>,
}

/// One camera following a body, look by look.
#[derive(Clone, Copy)]
pub struct Watch<'a> {
    camera: &'a Camera,
    parameters: &'a Parameters,
    /// Log likelihood so far.
    pub likely: f64,
    /// The hand of the reach in question was seen where it should be.
    pub hand_seen: bool,
    /// Last errors of head and hands, metres.
    errors: [Option<(i64, [f64; 3])>; 3],
    /// How likely each hand is not hidden, when it hangs down; and the one at the shelf.
    open: [f64; 2],
    open_at_shelf: f64,
    /// The reach that is being looked at, and by which hand.
    reach: Option<(i64, usize)>,
}

impl<'a> Watch<'a> {
    pub fn new(camera: &'a Camera, parameters: &'a Parameters) -> Watch<'a> {
        let (open, open_at_shelf) = ([camera.open; 2], 0.0);
        Watch { camera, parameters, likely: 0.0, hand_seen: false, errors: [None; 3], open, open_at_shelf, reach: None }
    }

    /// `of_us`: the reach in question.
    pub fn look(&mut self, sighting: &Sighting<'_>, pose: &Pose, of_us: i64) {
        let (sight, hands) = (&self.parameters.sight, pose.hands);
        self.place(0, sighting.t_us, sighting.head, pose.head, self.camera.sigma_m);
        let reaches = pose.reach.as_ref().filter(|reach| reach.at_shelf).map(|reach| (reach.t_us, reach.hand));
        if reaches.map(|(of_us, _)| of_us) != self.reach.map(|(of_us, _)| of_us) {
            self.open_at_shelf = self.camera.open * sight.reach_seen;
        }
        self.reach = reaches;
        // Two hands come left and right; a single one is the nearer.
        let seen: [Option<Point3>; 2] = match sighting.hands {
            [left, right, ..] => [Some(*left), Some(*right)],
            [one] if one.distance(hands[0]) < one.distance(hands[1]) => [Some(*one), None],
            [one] => [None, Some(*one)],
            [] => [None, None],
        };
        let hand_m = self.camera.sigma_m * sight.hand_times;
        for hand in 0..2 {
            self.visible(hand, seen[hand].is_some());
            let Some(at) = seen[hand] else { continue };
            self.place(1 + hand, sighting.t_us, at, hands[hand], hand_m);
            self.hand_seen |= reaches == Some((of_us, hand)) && at.distance(hands[hand]) < AT_PLATES_M;
        }
    }

    /// What is new in an error since the last look, in squared sigmas.
    fn place(&mut self, what: usize, t_us: i64, seen: Point3, should: Point3, sigma_m: f64) {
        let error = [seen.x - should.x, seen.y - should.y, seen.z - should.z];
        let sight = &self.parameters.sight;
        let looks = |since_us: i64| ((t_us - since_us) as f64 * 1e-6 * f64::from(sight.looks_per_s)).max(1.0);
        let (wander, last) = match self.errors[what] {
            Some((since_us, last)) => (libm::pow(sight.wander, looks(since_us)), last),
            None => (0.0, [0.0; 3]),
        };
        let fresh = (1.0 - wander * wander).max(0.01) * sigma_m * sigma_m;
        let squares: f64 = error.iter().zip(last).map(|(e, l)| (e - wander * l).powi(2)).sum::<f64>() / fresh;
        self.likely -= 0.5 * squares.min(MOST);
        self.errors[what] = Some((t_us, error));
    }

    /// A hand is hidden for a while or open for a while, and seen accordingly; at a shelf for the whole reach.
    fn visible(&mut self, hand: usize, seen: bool) {
        let missed = self.parameters.sight.hand_missed.clamp(0.01, 0.99);
        let at_shelf = self.reach.is_some_and(|(_, reaching)| reaching == hand);
        let usual = if at_shelf {
            self.open_at_shelf
        } else {
            self.open[hand] + (self.camera.open - self.open[hand]) * CHANGES
        };
        let (open, hidden) = if seen { (1.0 - missed, SEEN_HIDDEN) } else { (missed, 1.0 - SEEN_HIDDEN) };
        let both = usual * open + (1.0 - usual) * hidden;
        self.likely += libm::log(both);
        *if at_shelf { &mut self.open_at_shelf } else { &mut self.open[hand] } = usual * open / both;
    }
}
