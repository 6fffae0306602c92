//! People in and out: openings, passages, crossings of lines.
//!
//! A tap opens its gate (`taps`). Whoever passes on an opening shops on that visit; whoever passes on none is a visit
//! without payer. A passage and a track crossing the line within 1.5 s of each other are one person.

use super::{CameraState, Device, Floor};
use crate::base::time::{MS_US, SECOND_US};
use crate::base::{BodyId, CameraId, GateId, Point2, ShopTime, VisitId};
use crate::carts::policy::Join;
use crate::events::{Direction, Fact, Opening, Passage, People, Reason};

/// Nobody further from the reader than this made the tap, metres.
const READER_M: f64 = 1.5;
/// Nobody further from the gate line than this made the passage, metres.
const BEAM_M: f64 = 1.5;
/// A beam and a track crossing within this are one person, us.
const SAME_PASSAGE_US: i64 = 1_500 * MS_US;
/// The picture of a passage is this late at most, us: 10 looks a second, and a body is clear of the line after 0.2 s.
const PICTURE_US: i64 = 700 * MS_US;
/// Out and back in within this was not leaving, us.
const RETURN_US: i64 = 3 * SECOND_US;
/// A body is on a side of a line only when this far from it, metres: camera noise is 0.05-0.10 m.
const CLEAR_M: f64 = 0.15;
/// Pictures and beams reach us this late, us: an opening still counts.
pub(super) const LATE_US: i64 = 500 * MS_US;
/// A body that appears in the middle of the shop is a visit of its own after this long.
const STRAY_US: i64 = 3 * SECOND_US;

/// Why a cart filled meanwhile is looked at.
const EXCHANGED: &str = "for a while they were taken for somebody else";

#[derive(Clone, Debug, Default)]
pub(super) struct GateState {
    pub openings: Vec<Opened>,
    pub last: Option<(ShopTime, Reason)>,
}

/// A gate that was opened for a visit.
#[derive(Clone, Debug)]
pub(super) struct Opened {
    pub visit: VisitId,
    since: ShopTime,
    pub until: ShopTime,
    body: Option<BodyId>,
    admitted: u32,
    group_size: u32,
}

/// A passage that no track has explained yet.
#[derive(Clone, Debug)]
pub(super) struct Passing {
    t: ShopTime,
    gate: GateId,
    direction: Direction,
    until: ShopTime,
}

/// How far a camera followed a body. Each camera by itself: they are late by different amounts, and from one's picture to
/// another's somebody walking out would step back in.
#[derive(Clone, Debug)]
pub(super) struct Followed {
    at: ShopTime,
    to: Point2,
    /// Lines it stood on there, each with the side it was last clearly on (inside or not), and where that was.
    astride: Vec<(usize, bool, Point2)>,
}

#[derive(Clone, Debug)]
pub(super) struct Crossing {
    t: ShopTime,
    body: BodyId,
    gate: Option<GateId>,
    direction: Direction,
    /// A beam has counted it (or it was counted by a beam alone).
    counted: bool,
}

impl Crossing {
    fn is(&self, gate: &GateId, direction: Direction, t: ShopTime) -> bool {
        let same = self.direction == direction && self.gate.as_ref() == Some(gate);
        same && self.t.since(t).abs() <= SAME_PASSAGE_US
    }
}

impl Floor {
    pub(super) fn open_gate(&mut self, gate: &GateId, visit: VisitId, body: Option<BodyId>, group_size: u32) {
        let (since, until) = (self.now, self.now.plus_ms(self.options.policy.valid_ms));
        if let Some(state) = self.gates.get_mut(gate) {
            state.openings.push(Opened { visit, since, until, body, admitted: 0, group_size: group_size.max(1) });
        }
    }

    /// After a restart: gates that were opened and are still valid.
    pub(super) fn reopen_gates(&mut self) {
        let valid = |tap: &super::books::TapRecord| {
            let decided = tap.decided.filter(|d| d.open && tap.direction == Direction::In)?;
            (decided.at.plus_ms(decided.valid_ms) > self.now).then_some((tap.gate.clone(), tap.visit?, tap.group_size))
        };
        let openings: Vec<_> = self.books.taps.values().filter_map(valid).collect();
        for (gate, visit, group_size) in openings {
            self.open_gate(&gate, visit, None, group_size);
        }
    }

    pub(super) fn passage(&mut self, passage: Passage) {
        let Some(gate) = self.shop.layout.gates.get(&passage.gate).cloned() else {
            let gate = &passage.gate;
            return self.counters.refuse("passage.unknown_gate", format!("passage at gate {gate}: not in shop.toml"));
        };
        let Some(t) = self.event_time(Device::Gate(gate.id.clone()), passage.t_us) else { return };
        if self.books.passages.contains_key(&passage.passage_id) {
            return self.counters.count("passage.repeated");
        }
        let direction = passage.direction;
        self.emit(None, Fact::Passed { passage_id: passage.passage_id, gate: gate.id.clone(), direction }, None);
        let seen = self.crossings.iter_mut().find(|crossing| crossing.is(&gate.id, direction, t) && !crossing.counted);
        if let Some(crossing) = seen {
            crossing.counted = true;
            let body = crossing.body;
            if direction == Direction::Out && self.stepping_out.contains_key(&body) {
                self.leave(body); // seen stepping out and counted by the beam: no need to wait for a return
            }
            return;
        }
        // The picture of it is usually on its way; without live cameras there is nothing to wait for.
        let wait_us = if self.live_cameras().next().is_some() { PICTURE_US } else { 0 };
        self.passing.push(Passing { t, gate: gate.id, direction, until: ShopTime(self.now.0 + wait_us) });
        self.passages_tick();
    }

    /// Passages that no track explains: the nearest body it could have been; failing that, one nobody has seen.
    fn passages_tick(&mut self) {
        let (due, waiting) = std::mem::take(&mut self.passing).into_iter().partition(|p| p.until <= self.now);
        self.passing = waiting;
        let due: Vec<Passing> = due;
        for Passing { t, gate, direction, .. } in due {
            let Some(line) = self.shop.layout.gates.get(&gate).map(|gate| gate.line) else { continue };
            let to_line = |at: Point2| line.distance(at);
            let body = match direction {
                Direction::In => {
                    let fresh = |floor: &Floor, body: BodyId| floor.books.open_visit_of(body).is_none();
                    let bound = self.gates[&gate].openings.iter().filter_map(|opened| opened.body).find(|body| {
                        let near = |b: &crate::tracking::Body| line.distance(b.last().floor) <= BEAM_M;
                        self.plan.body(*body).is_some_and(near) && fresh(self, *body)
                    });
                    let body = bound.or_else(|| self.nearest(to_line, BEAM_M, fresh));
                    let middle = line.from.toward(line.to, 0.5);
                    if body.is_none() && t < self.started {
                        self.expect_who_passed(&gate, t);
                        continue;
                    }
                    if body.is_none() && self.is_watched(middle) {
                        // A beam cut twice by one body, or by a bag: eyes on the gate saw nobody.
                        self.counters.count("passage.nobody");
                        continue;
                    }
                    let body = body.unwrap_or_else(|| self.plan.imagine(self.now, middle));
                    self.enter(body, Some(&gate), t);
                    body
                }
                Direction::Out => {
                    // Who has just come in is near the gate too, and did not leave.
                    let settled = |floor: &Floor, body: BodyId| {
                        let visit = floor.books.open_visit_of(body);
                        visit.is_some_and(|visit| t.since(visit.bodies[&body].joined) > RETURN_US)
                    };
                    let unseen = |floor: &Floor, body: BodyId| {
                        let lost = floor.plan.body(body).is_some_and(|b| floor.now.since(b.last().t) > SECOND_US);
                        lost && settled(floor, body)
                    };
                    let near = self.nearest(to_line, BEAM_M, settled);
                    let Some(body) = near.or_else(|| self.nearest(to_line, f64::INFINITY, unseen)) else {
                        self.counters.count("passage.nobody");
                        continue;
                    };
                    self.leave(body);
                    body
                }
            };
            self.crossings.push(Crossing { t, body, gate: Some(gate), direction, counted: true });
        }
    }

    /// Whether a live camera sees this place.
    fn is_watched(&self, at: Point2) -> bool {
        let covers = |id: &crate::base::CameraId| {
            self.shop.layout.cameras.get(id).is_some_and(|camera| crate::base::geometry::within(&camera.covers, at))
        };
        self.live_cameras().any(|(id, _)| covers(id))
    }

    pub(super) fn people(&mut self, people: People) {
        let Some(t) = self.event_time(Device::Camera(people.camera.clone()), people.t_us) else { return };
        let Some(CameraState { last }) = self.cameras.get_mut(&people.camera) else {
            let camera = &people.camera;
            return self
                .counters
                .refuse("people.unknown_camera", format!("people of camera {camera}: not in shop.toml"));
        };
        *last = Some((self.now, t));
        let look = self.plan.look(&people, t, &self.shop.clone().layout);
        if self.now.since(self.started) <= super::dark::REBIND_US {
            for (body, rival) in &look.ambiguous {
                let visits = [body, rival].map(|body| self.books.open_visit_of(*body).map(|visit| visit.id));
                if body == rival || visits[0] != visits[1] {
                    visits.into_iter().flatten().for_each(|visit| self.doubt(visit, super::dark::MISTAKABLE, None));
                }
            }
        }
        for (a, b, since) in look.exchanged {
            self.exchanged(a, b, since);
        }
        for body in look.born {
            self.counters.count("bodies.born");
            let at = self.plan.body(body).expect("just born").last().floor;
            self.enter_unseen(body, at, t);
            let staff_zone = self.shop.layout.in_zone(crate::shop::ZoneKind::Staff, at);
            if staff_zone && self.books.open_visit_of(body).is_none() {
                let visit = VisitId::begun_by(&self.shop.id, &format!("body/{body}"));
                self.open_visit(visit, Opening::Staff, None);
                self.emit(Some(visit), Fact::Joined { body }, None);
            }
        }
        for (body, before, at) in look.moved {
            self.follow(body, &people.camera, before, at, t);
        }
    }

    /// Two bodies had been taken for each other since some time. What was claimed meanwhile may be the other's: a human looks.
    fn exchanged(&mut self, a: BodyId, b: BodyId, since: ShopTime) {
        self.counters.count("bodies.exchanged");
        let (one, two) = (self.followed.remove(&a), self.followed.remove(&b));
        self.followed.extend(one.map(|cameras| (b, cameras)).into_iter().chain(two.map(|cameras| (a, cameras))));
        let (one, two) = (self.stepping_out.remove(&a), self.stepping_out.remove(&b));
        self.stepping_out.extend(one.map(|since| (b, since)).into_iter().chain(two.map(|since| (a, since))));
        let visits = [a, b].map(|body| self.books.open_visit_of(body).map(|visit| visit.id));
        if visits[0] != visits[1] {
            let filled = |visit: &VisitId| self.desk.claimed_since(*visit, since);
            let mistaken: Vec<VisitId> = visits.into_iter().flatten().filter(filled).collect();
            mistaken.into_iter().for_each(|visit| self.doubt(visit, EXCHANGED, None));
        }
    }

    /// Notices lines being crossed by a body that `camera` sees at `at`, and that was seen by any at `last` before.
    fn follow(&mut self, body: BodyId, camera: &CameraId, last: Point2, at: Point2, t: ShopTime) {
        let shop = self.shop.clone();
        let gates = shop.layout.gates.values().map(|gate| (Some(&gate.id), &gate.line));
        let exits = shop.layout.exit_lines.iter().map(|line| (None, line));
        // A body new to this camera is on the side where it was last known (seen elsewhere, journalled, just born).
        let new = || Followed { at: t, to: last, astride: Vec::new() };
        let known = self.followed.get_mut(&body).and_then(|cameras| cameras.remove(camera));
        let known = known.filter(|followed| t.since(followed.at) <= SECOND_US);
        let Followed { to: from, astride, .. } = known.unwrap_or_else(new);
        let mut still_astride = Vec::new();
        for (i, (gate, line)) in gates.chain(exits).enumerate() {
            let stood = astride.iter().find(|(line, ..)| *line == i);
            if stood.is_none() && line.is_far_from_way(from, at) {
                continue;
            }
            let (_, was_in, was_at) = stood.copied().unwrap_or((i, line.is_inside(from), from));
            if line.distance(at) < CLEAR_M {
                still_astride.push((i, was_in, was_at));
                continue;
            }
            if was_in == line.is_inside(at) || line.crossed(was_at, at).is_none() {
                continue;
            }
            let direction = if was_in { Direction::Out } else { Direction::In };
            let inside = self.books.open_visit_of(body).is_some();
            match direction {
                Direction::In if inside => drop(self.stepping_out.remove(&body)),
                Direction::In => {
                    self.crossed(body, gate, direction, t);
                    self.enter(body, gate, t);
                }
                Direction::Out if inside => {
                    if self.crossed(body, gate, direction, t) {
                        self.leave(body);
                    } else {
                        self.stepping_out.insert(body, self.now);
                    }
                }
                Direction::Out => {}
            }
        }
        let followed = Followed { at: t, to: at, astride: still_astride };
        self.followed.entry(body).or_default().insert(camera.clone(), followed);
    }

    /// Notes that a track crossed a line; whether a beam had counted it already.
    fn crossed(&mut self, body: BodyId, gate: Option<&GateId>, direction: Direction, t: ShopTime) -> bool {
        let same =
            |p: &Passing| Some(&p.gate) == gate && p.direction == direction && p.t.since(t).abs() <= SAME_PASSAGE_US;
        let counted = self.passing.iter().position(same).map(|i| self.passing.remove(i)).is_some();
        self.crossings.push(Crossing { t, body, gate: gate.cloned(), direction, counted });
        counted
    }

    /// A body came in: on an opening it joins that visit, on none it is a visit without payer. Who has only just left has
    /// turned round, or was taken for somebody else at the gate: unless they tapped, it was not opened for them.
    fn enter(&mut self, body: BodyId, gate: Option<&GateId>, t: ShopTime) {
        let policy_join = self.options.policy.join;
        let books = &self.books;
        let turned = books.left_since(body, ShopTime(t.0 - RETURN_US)).map(|visit| (visit.id, visit.is_open()));
        let opening = gate.and_then(|gate| self.gates.get_mut(gate)).and_then(|state| {
            let valid = |o: &Opened| {
                o.since <= ShopTime(t.0 + LATE_US)
                    && t <= ShopTime(o.until.0 + LATE_US)
                    && books.visits.get(&o.visit).is_some_and(|visit| visit.is_open())
            };
            let room = |o: &Opened| policy_join == Join::Opening || o.admitted < o.group_size;
            let own = state.openings.iter().position(|o| valid(o) && o.body == Some(body));
            let any = || state.openings.iter().rposition(|o| valid(o) && room(o)).filter(|_| turned.is_none());
            let index = own.or_else(any)?;
            Some(&mut state.openings[index])
        });
        let visit = match (opening, turned) {
            (Some(opened), _) => {
                opened.admitted += 1;
                opened.visit
            }
            (None, Some((visit, true))) => visit,
            (None, _) => {
                let visit = VisitId::begun_by(&self.shop.id, &format!("body/{body}/{}", t.0));
                self.counters.count("visits.no_opening");
                self.open_visit(visit, Opening::Tailgate, gate.cloned());
                visit
            }
        };
        self.emit(Some(visit), Fact::Joined { body }, None);
        // At once: whoever comes in just before a crash is otherwise taken for the next one in the door.
        self.note_whereabouts_of(visit);
    }

    pub(super) fn leave(&mut self, body: BodyId) {
        self.stepping_out.remove(&body);
        if let Some(visit) = self.books.open_visit_of(body).map(|visit| visit.id) {
            // Somebody left; that it was them is a guess.
            if self.dark.unresolved.contains(&body) && self.is_unseen(body) {
                self.doubt(visit, super::dark::NOT_FOUND, None);
            }
            self.emit(Some(visit), Fact::Left { body }, None);
        }
    }

    pub(super) fn doors_tick(&mut self) {
        let old = ShopTime(self.now.0 - 10 * SECOND_US);
        self.crossings.retain(|crossing| crossing.t > old);
        for state in self.gates.values_mut() {
            state.openings.retain(|opened| opened.until > old);
        }
        self.passages_tick();
        self.find_who_passed();
        self.notice_outside();
        let gone: Vec<BodyId> = self
            .stepping_out
            .iter()
            .filter(|(_, since)| self.now.since(**since) >= RETURN_US)
            .map(|(body, _)| *body)
            .collect();
        gone.into_iter().for_each(|body| self.leave(body));
        self.join_twins();
        self.adopt_strays();
    }

    /// A body of a visit that stands outside has stepped out, whether or not its crossing was seen (it may have happened
    /// while we were blind). Just after joining it may still be on its way in.
    fn notice_outside(&mut self) {
        let layout = &self.shop.layout;
        if layout.outline.is_empty() {
            return;
        }
        let old = ShopTime(self.now.0 - 2 * RETURN_US);
        let joined = |visit: &super::Visit, body: BodyId| visit.bodies[&body].joined < old;
        let inside = self
            .books
            .open_visits()
            .flat_map(|visit| visit.inside().filter(move |body| joined(visit, *body)).collect::<Vec<_>>());
        let is_out = |body: &BodyId| {
            self.plan.body(*body).is_some_and(|b| {
                let at = b.last().floor;
                let clear = |line: &crate::base::geometry::Line| line.distance(at) >= CLEAR_M;
                !layout.is_inside(at)
                    && layout.gates.values().map(|gate| &gate.line).chain(&layout.exit_lines).all(clear)
            })
        };
        let out: Vec<BodyId> = inside.filter(is_out).collect();
        for body in out {
            self.stepping_out.entry(body).or_insert(self.now);
        }
    }

    /// Two bodies that are one human become one. Where both are in visits that matter, they are left alone.
    fn join_twins(&mut self) {
        for (older, newer) in self.plan.twins(self.now) {
            let visit = |body: BodyId| self.books.open_visit_of(body);
            let (kept, gone) = match (visit(older), visit(newer)) {
                (Some(a), Some(b)) if a.id == b.id => (older, newer),
                (Some(_), Some(ghost)) if ghost.payer.is_none() && ghost.claims.is_empty() => (older, newer),
                (Some(ghost), Some(_)) if ghost.payer.is_none() && ghost.claims.is_empty() => (newer, older),
                (Some(_), Some(_)) => continue,
                (None, Some(_)) => (newer, older),
                (_, None) => (older, newer),
            };
            self.counters.count("bodies.joined");
            self.leave(gone);
            self.plan.merge(kept, gone);
            self.followed.remove(&gone);
        }
    }

    /// Somebody first seen just inside a gate that is open for a visit nobody has entered yet: they came in unseen.
    fn enter_unseen(&mut self, body: BodyId, at: Point2, t: ShopTime) {
        let awaited = |gate: &&crate::shop::Gate| {
            let openings = self.gates[&gate.id].openings.iter();
            let empty = |id: &VisitId| self.books.visits.get(id).is_some_and(|v| v.is_open() && v.bodies.is_empty());
            gate.line.is_inside(at)
                && gate.line.distance(at) <= BEAM_M
                && openings.filter(|o| o.since <= t && t <= o.until).any(|o| empty(&o.visit))
        };
        let gate = self.shop.layout.gates.values().find(awaited).map(|gate| gate.id.clone());
        if let Some(gate) = gate.filter(|_| self.books.visit_of(body).is_none()) {
            self.enter(body, Some(&gate), t);
        }
    }

    /// A body in the middle of the shop that belongs to no visit: somebody the cameras missed at the gate.
    fn adopt_strays(&mut self) {
        let stray = |body: &&crate::tracking::Body| {
            let (at, born) = (body.last().floor, &body.born);
            self.now.since(born.t) >= STRAY_US
                && self.now.since(body.last().t) < SECOND_US
                && self.books.visit_of(body.id).is_none()
                && self.shop.layout.is_inside(at)
                && !self.shop.layout.is_doorway(at)
                && self.shop.layout.is_inside(born.floor)
        };
        let strays: Vec<BodyId> = self.plan.bodies().filter(stray).map(|body| body.id).collect();
        let several = strays.len() > 1;
        for body in strays {
            self.counters.count("bodies.appeared_inside");
            if let Some((visit, _)) = self.dark.expected.pop() {
                self.emit(Some(visit), Fact::Joined { body }, None);
                if several {
                    self.doubt(visit, super::dark::MISTAKABLE, None);
                }
                continue;
            }
            // First seen in a gate that was open just then: that is how they came in.
            let born = &self.plan.body(body).expect("listed").born;
            let (t, at) = (born.t, born.floor);
            let gate = self.shop.layout.gates.values().find(|gate| gate.line.distance(at) <= BEAM_M);
            self.enter(body, gate.map(|gate| gate.id.clone()).as_ref(), t);
        }
    }

    pub(super) fn nearest_to_reader(&self, gate: &GateId, fits: impl Fn(&Floor, BodyId) -> bool) -> Option<BodyId> {
        let reader = self.shop.layout.gates.get(gate)?.reader;
        self.nearest(|at| reader.distance(at), READER_M, fits)
    }

    /// The body with the least `distance`, at most `within` metres, among those that fit.
    fn nearest(
        &self,
        distance: impl Fn(Point2) -> f64,
        within: f64,
        fits: impl Fn(&Floor, BodyId) -> bool,
    ) -> Option<BodyId> {
        let at = |body: &crate::tracking::Body| distance(body.last().floor);
        let near = self.plan.bodies().filter(|body| at(body) <= within && fits(self, body.id));
        near.min_by(|a, b| at(a).total_cmp(&at(b)).then(a.id.cmp(&b.id))).map(|body| body.id)
    }
}
