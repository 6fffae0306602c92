//! The time when nobody looked: before a start, and while the broker was away.
//!
//! The journal knows who was inside and where, and the shelves remember what is gone. Who was inside is looked for; who could
//! have taken what a shelf lost is asked of the ways they were seen on. What stays uncertain is doubted, and policy decides
//! what that means.

use super::books::{Presence, TapRecord};
use super::doors::LATE_US;
use super::shelves::{LIKELY_M, UNSEEN_M_S};
use super::{Floor, Visit};
use crate::base::time::SECOND_US;
use crate::base::{BodyId, GateId, Point2, Point3, ShopTime, VisitId};
use crate::events::{Direction, Fact, Position};
use crate::fusion::Step;
use std::collections::BTreeSet;

/// After the dark, doubts about who is who are raised for this long, and who passed before it is looked for, us: born
/// within a second, taken for a stray after three.
pub(super) const REBIND_US: i64 = 5 * SECOND_US;
/// Dark for no longer than this, a change that just one person could have made needs no human, us.
pub(super) const BLINK_US: i64 = 5 * SECOND_US;
/// Why a visit is doubted whose people are not seen after the dark,
pub(super) const NOT_FOUND: &str = "after a restart they were not found again";
/// or are seen where others may be, too.
pub(super) const MISTAKABLE: &str = "after a restart they could be taken for somebody else";
/// Whereabouts are journalled once a second, and a little late, s.
const JOURNALLED_S: f64 = 1.5;
/// After the dark people are found again within this, s: they walk meanwhile.
const FOUND_AGAIN_S: f64 = 3.0;
/// A step that still rang when it grew dark was not claimed, and its taker walked on, ms.
const RANG_MS: i64 = 3_000;
/// An arm's length at either end of a way, metres.
const ARMS_M: f64 = 2.0;
/// Somebody unseen for longer may be anywhere; more changes nothing, s.
const ANYWHERE_S: f64 = 60.0;

#[derive(Default)]
pub(super) struct Dark {
    /// Since when the broker is gone.
    pub broker_gone: Option<ShopTime>,
    /// Bodies from before the dark that no camera has found again yet.
    pub unresolved: BTreeSet<BodyId>,
    /// Visits of whom the beam had counted somebody before it, and nobody is on them; with their gates.
    pub expected: Vec<(VisitId, GateId)>,
}

/// A place where somebody was seen.
struct Seen {
    /// From the plates, metres.
    distance_m: f64,
    /// For how long nobody knows where they were before.
    unseen_s: f64,
}

impl Floor {
    /// The broker came or went. While it is gone shelves are not weighed and nobody is seen but by cameras of our own: its
    /// return after more than a blink is like a start, and what happened meanwhile is told by the shelves.
    pub(super) fn broker(&mut self, up: bool, why: Option<String>) {
        (self.broker_up, self.broker_why) = (up, why);
        if !up {
            self.dark.broker_gone.get_or_insert(self.now);
            return;
        }
        let Some(since) = self.dark.broker_gone.take() else { return };
        let dark_us = self.now.since(since);
        if dark_us <= BLINK_US {
            return;
        }
        self.started = self.now;
        self.emit(None, Fact::Blind { since }, None);
        let unseen = |body: &BodyId| self.plan.body(*body).is_none_or(|body| body.last().t <= since);
        let inside = self.books.open_visits().flat_map(Visit::inside).filter(unseen).collect();
        self.look_for(inside, dark_us);
    }

    /// People who were inside when it grew dark, `dark_us` ago, are looked for where the journal last had them.
    pub(super) fn look_for(&mut self, inside: BTreeSet<BodyId>, dark_us: i64) {
        for body in &inside {
            let visit = self.books.open_visit_of(*body).expect("inside");
            let (id, presence) = (visit.id, &visit.bodies[body]);
            let (t, at) = presence.last_at.clone().unwrap_or_else(|| {
                let floor = self.default_place();
                (presence.joined, Position { body: *body, floor, tracks: Vec::new() })
            });
            self.plan.restore(at, t);
            if dark_us > self.options.policy.restart_grace_s * SECOND_US {
                self.doubt(id, &format!("the shop was blind for {} s", dark_us / SECOND_US), None);
            }
        }
        self.dark.unresolved = inside;
    }

    /// Where a body is taken to be when nothing says: in the first gate.
    fn default_place(&self) -> Point2 {
        let gate = self.shop.layout.gates.values().next();
        gate.map_or_else(Default::default, |gate| gate.line.from.toward(gate.line.to, 0.5))
    }

    /// Somebody had passed, and nobody is known to be on the visit they were let in for. Somebody is.
    pub(super) fn expect_who_passed(&mut self, gate: &GateId, t: ShopTime) {
        let passed = |tap: &TapRecord| {
            let decided = tap.decided.filter(|d| d.open && tap.direction == Direction::In && tap.gate == *gate)?;
            let visit = self.books.visits.get(&tap.visit?).filter(|visit| is_awaited(visit))?;
            let valid = decided.at.0 - LATE_US..=decided.at.plus_ms(decided.valid_ms).0 + LATE_US;
            valid.contains(&t.0).then_some(visit.id)
        };
        let visit = self.books.taps.values().find_map(passed);
        let known = |id: &VisitId| self.dark.expected.iter().any(|(visit, _)| visit == id);
        self.dark.expected.extend(visit.filter(|id| !known(id)).map(|id| (id, gate.clone())));
    }

    /// Whom the cameras find in the shop, they are (`adopt_strays`); whom they do not find is inside all the same.
    pub(super) fn find_who_passed(&mut self) {
        let visits = &self.books.visits;
        self.dark.expected.retain(|(visit, _)| visits.get(visit).is_some_and(is_awaited));
        if self.now.since(self.started) <= REBIND_US {
            return;
        }
        for (visit, gate) in std::mem::take(&mut self.dark.expected) {
            let Some(line) = self.shop.layout.gates.get(&gate).map(|gate| gate.line) else { continue };
            let body = self.plan.imagine(self.now, line.from.toward(line.to, 0.5));
            self.emit(Some(visit), Fact::Joined { body }, None);
            self.doubt(visit, NOT_FOUND, None);
        }
    }

    /// Some seconds after the dark: whose visit is open and whom no camera has found again is somewhere, and what they do
    /// there is not known to be theirs.
    pub(super) fn find_who_was_inside(&mut self) {
        let mut unseen = std::mem::take(&mut self.dark.unresolved);
        unseen.retain(|body| self.is_unseen(*body));
        if self.now.since(self.started) <= REBIND_US {
            self.dark.unresolved = unseen;
            return;
        }
        let visits: BTreeSet<VisitId> =
            unseen.into_iter().filter_map(|body| self.books.open_visit_of(body)).map(|visit| visit.id).collect();
        visits.into_iter().for_each(|visit| self.doubt(visit, NOT_FOUND, None));
    }

    /// Whether one of its people is inside and not found again since the dark.
    pub(super) fn is_lost_visit(&self, visit: &Visit) -> bool {
        visit.opened < self.started && visit.bodies.keys().any(|body| self.is_unseen(*body))
    }

    /// Known from before the dark, and not seen since.
    pub(super) fn is_unseen(&self, body: BodyId) -> bool {
        self.plan.body(body).is_none_or(|body| body.restored || body.imagined)
    }

    /// Who could have been at the plates while it was dark, and most likely was: if somebody stood there, those; otherwise
    /// everybody who could have walked there between two places where they were seen. With their distance, metres.
    pub(super) fn could_have_reached(&self, places: &[Point3], step: &Step) -> Vec<(BodyId, f64)> {
        let was_inside = |presence: &Presence| {
            let came_later = presence.joined.since(step.end) > SECOND_US;
            !came_later && presence.left.is_none_or(|left| left >= step.begin)
        };
        let bodies = self.books.visits.values().flat_map(|visit| &visit.bodies);
        let mut reachable: Vec<(BodyId, f64)> = bodies
            .filter(|(_, presence)| was_inside(presence))
            .filter_map(|(body, presence)| Some((*body, self.reached(*body, presence, places, step)?)))
            .collect();
        if reachable.iter().any(|(_, nearest)| *nearest <= LIKELY_M) {
            reachable.retain(|(_, nearest)| *nearest <= LIKELY_M);
        }
        reachable
    }

    /// How near to the plates this body was seen, metres, if it could have been at them in the dark.
    fn reached(&self, body: BodyId, presence: &Presence, places: &[Point3], step: &Step) -> Option<f64> {
        let to_plates = |p: Point2| places.iter().map(|c| c.floor().distance(p)).fold(f64::INFINITY, f64::min);
        let from = step.begin.max(self.books.dark_from.plus_ms(-RANG_MS));
        let last = presence.trail.back().map(|spot| spot.t);
        let mut seen = on_the_trail(presence, from, to_plates);
        let found = self.plan.body(body).filter(|b| !b.restored && !b.imagined);
        if let Some(body) = found {
            let since = body.during(self.started, step.end.max(self.started));
            let distance_m = since.map(|s| to_plates(s.floor)).fold(to_plates(body.last().floor), f64::min);
            let unseen_s = self.started.secs_since(last.unwrap_or(from)) + FOUND_AGAIN_S;
            seen.push(Seen { distance_m, unseen_s });
        }
        let can_walk = |way_m: f64, s: f64| way_m <= ARMS_M + UNSEEN_M_S * s.clamp(0.0, ANYWHERE_S);
        let between = seen.windows(2).any(|two| can_walk(two[0].distance_m + two[1].distance_m, two[1].unseen_s));
        // Not seen since: they walk still. Never seen before: since they came in, or since it was dark.
        let open_s = match (found.is_some(), last) {
            (false, last) => step.end.secs_since(last.unwrap_or(from)),
            (true, None) => self.started.secs_since(from.max(presence.joined)).max(0.0) + FOUND_AGAIN_S,
            (true, Some(_)) => 0.0,
        };
        let beyond = seen.last().is_none_or(|seen| open_s > 0.0 && can_walk(seen.distance_m, open_s));
        let nearest = seen.iter().map(|seen| seen.distance_m).fold(f64::INFINITY, f64::min);
        (between || beyond || nearest <= LIKELY_M).then_some(nearest)
    }
}

/// Let in, passed, and nobody on it yet.
fn is_awaited(visit: &Visit) -> bool {
    visit.is_open() && visit.bodies.is_empty()
}

/// Where the journal had somebody: the last place before `from`, and every later one.
fn on_the_trail(presence: &Presence, from: ShopTime, to_plates: impl Fn(Point2) -> f64) -> Vec<Seen> {
    let mut seen = Vec::new();
    let mut last: Option<ShopTime> = None;
    for spot in &presence.trail {
        let unseen_s = last.map_or(0.0, |last| spot.t.secs_since(last));
        if spot.t < from {
            seen.clear();
        }
        // Somebody who stands still is journalled once: they set off a second before the next place.
        let unseen_s = if spot.after_dark { unseen_s } else { unseen_s.min(JOURNALLED_S) };
        seen.push(Seen { distance_m: to_plates(spot.floor), unseen_s });
        last = Some(spot.t);
    }
    seen
}
