//! Nobody comes out of nothing: who is first seen in the middle of the shop is whoever is missing.
//!
//! Missing is whom a beam has counted in and no camera has seen since (the passage is *owed*), and who is inside and was lost from sight. Who
//! is nobody of these stays a stray, and becomes a visit of their own in time ([`super::doors`], `adopt_strays`). Who is lost for a moment, a step
//! away, has been found before that without doors and visits ([`crate::tracking::lost`]).

use super::doors::Passing;
use super::shelves::UNSEEN_M_S;
use super::{Floor, Visit};
use crate::base::time::SECOND_US;
use crate::base::{BodyId, GateId, Point2, ShopTime, VisitId};
use crate::tracking::lost::{FOUND_M, FOUND_S, NEARLY, OTHER_CLOTHES};
use crate::tracking::{Body, Sighting};

/// Whom a beam counted and no camera saw is looked for so long, us.
pub(super) const OWED_US: i64 = 10 * SECOND_US;
/// Whoever is missing is unseen for this long at least, and who is taken for them has been seen for as long, us.
const MISSING_US: i64 = SECOND_US;
/// Who stands so near to somebody who is seen may be them seen twice, metres, unless clothes agree with who is missing ([`OTHER_CLOTHES`]).
const DOUBLE_M: f64 = 1.0;
/// Clothes count as much as all the way that somebody can have gone when they say so much, natural log odds.
const CLOTHES: f64 = 3.0;

/// Why a cart is looked at whose people were lost and found.
const MISTAKABLE: &str = "they were lost from sight, and others who were could be taken for them";

/// Somebody who is in the shop and whom no camera sees.
#[derive(Clone, Copy, Debug)]
enum Missing {
    /// Counted by a beam: which passage.
    Owed(usize),
    Lost(BodyId),
}

impl Floor {
    /// Who is in the shop and in no visit is whoever is missing, if they can have come from there.
    pub(super) fn find_missing(&mut self) {
        // After the dark people are found in another way.
        if !self.dark.expected.is_empty() {
            return;
        }
        let appeared = |body: &&Body| {
            self.is_visitor(body) && self.now.since(body.born.t) >= MISSING_US && self.books.visit_of(body.id).is_none()
        };
        let appeared: Vec<BodyId> = self.plan.bodies().filter(appeared).map(|body| body.id).collect();
        for id in appeared {
            let mut missing = self.missing_for(id);
            missing.sort_by(|a, b| a.0.total_cmp(&b.0));
            let Some((best, found)) = missing.first().copied() else { continue };
            self.counters.count("bodies.found");
            match found {
                Missing::Owed(i) => {
                    let Passing { t, gate, .. } = self.owed.remove(i);
                    self.enter_counted(id, Some(&gate), t);
                }
                Missing::Lost(lost) => {
                    self.become_one(lost, id);
                    if let Some((second, Missing::Lost(other))) = missing.get(1).copied()
                        && second - best < NEARLY
                    {
                        self.doubt_found(lost, other);
                    }
                }
            }
        }
    }

    /// Whom of the missing a body can be, the less the likelier.
    fn missing_for(&self, id: BodyId) -> Vec<(f64, Missing)> {
        let Some(body) = self.plan.body(id) else { return Vec::new() };
        let at = body.last().floor;
        // In a door it may be somebody who is coming in.
        let at_door = self.shop.layout.is_doorway(at);
        let is_seen = |other: &&Body| other.id != id && self.now.since(other.last().t) < MISSING_US;
        let is_beside = self.plan.bodies().filter(is_seen).any(|other| other.last().floor.distance(at) < DOUBLE_M);
        let owed = self.owed.iter().enumerate().filter_map(|(i, passing)| {
            let line = &self.shop.layout.gates.get(&passing.gate)?.line;
            let way = walked(|at| line.distance(at), passing.t, body)?;
            Some((way, Missing::Owed(i)))
        });
        let lost = self.books.open_visits().flat_map(Visit::inside).filter_map(|lost| {
            let before = self.plan.body(lost).filter(|before| self.now.since(before.last().t) >= MISSING_US)?;
            let was = before.last();
            let way = walked(|at| was.floor.distance(at), was.t, body)?;
            let unlike = self.plan.unlike(lost, id);
            let theirs = !is_beside || unlike < OTHER_CLOTHES;
            // Who was inside when it grew dark is found again in another way (`dark`).
            (theirs && !before.restored && (before.imagined || !at_door))
                .then_some((way + unlike / CLOTHES, Missing::Lost(lost)))
        });
        owed.chain(lost).collect()
    }

    /// `found` was taken for one of two who were lost: where they are of two visits, a human looks.
    fn doubt_found(&mut self, found: BodyId, other: BodyId) {
        let [visit, others] = [found, other].map(|body| self.books.open_visit_of(body).map(|visit| visit.id));
        if let Some(visit) = visit.filter(|visit| Some(*visit) != others) {
            self.doubt(visit, MISTAKABLE, None);
        }
    }

    /// Whom a beam has counted and nobody has found is inside all the same, unless eyes on the gate would have seen them: then the beam was cut
    /// twice by one body, or by a bag.
    pub(super) fn give_up_owed(&mut self) {
        let (owed, over) = std::mem::take(&mut self.owed).into_iter().partition(|passing| passing.until > self.now);
        self.owed = owed;
        let over: Vec<Passing> = over;
        for Passing { t, gate, .. } in over {
            let Some(line) = self.shop.layout.gates.get(&gate).map(|gate| gate.line) else { continue };
            let middle = line.from.toward(line.to, 0.5);
            if self.is_watched(middle) {
                self.counters.count("passage.nobody");
                continue;
            }
            let body = self.plan.imagine(self.now, middle);
            self.enter_counted(body, Some(&gate), t);
        }
    }

    /// Somebody has come in at `t`: whether they are whom a beam had counted there.
    pub(super) fn settle_owed(&mut self, gate: &GateId, t: ShopTime) -> bool {
        let same = |passing: &Passing| passing.gate == *gate && (0..=OWED_US).contains(&t.since(passing.t));
        self.owed.iter().position(same).map(|i| self.owed.remove(i)).is_some()
    }

    /// Whether a beam has counted somebody in for this visit whom no camera has found yet.
    pub(super) fn is_owed(&self, visit: VisitId) -> bool {
        let opened = |passing: &Passing| self.gates[&passing.gate].openings.iter().any(|opened| opened.visit == visit);
        self.owed.iter().any(opened)
    }
}

/// Which share of the way that somebody can have gone unseen since `t` lies between there and where a body was seen next; `distance` to
/// there, metres. `None`: it is too far. Of who comes to light the first looks see a part and are off by a metre: the best of a second
/// counts.
fn walked(distance: impl Fn(Point2) -> f64, t: ShopTime, body: &Body) -> Option<f64> {
    let next = body.during(t, body.last().t).next()?.t;
    let share =
        |seen: &Sighting| distance(seen.floor) / (FOUND_M + UNSEEN_M_S * seen.t.secs_since(t).clamp(0.0, FOUND_S));
    let share = body.during(next, ShopTime(next.0 + MISSING_US)).map(share).fold(f64::INFINITY, f64::min);
    (share <= 1.0).then_some(share)
}
