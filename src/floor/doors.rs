//! People in and out: openings, passages, crossings of lines.
//!
//! A tap opens its gate (`taps`). Whoever passes on an opening shops on that visit; whoever passes on none is a visit
//! without payer. A passage and a track crossing the line within 1.5 s of each other are one person. Who is first seen in the middle of the shop
//! is looked for among the missing ([`super::missing`]).

use super::missing::OWED_US;
use super::{CameraState, Device, Floor};
use crate::base::geometry::Line;
use crate::base::time::{MS_US, SECOND_US};
use crate::base::{BodyId, CameraId, GateId, Point2, ShopTime, VisitId};
use crate::carts::policy::Join;
use crate::events::{Direction, Fact, Opening, Passage, People, Reason};
use crate::tracking::Body;
use std::collections::BTreeMap;

/// Nobody further from the reader than this made the tap, metres.
const READER_M: f64 = 1.5;
/// Nobody further from the gate line than this made the passage, metres,
const BEAM_M: f64 = 1.5;
/// from so long before it on, ms.
const NEAR_MS: i64 = 500;
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
/// A body that appears in the middle of the shop is a visit of its own after this long,
const STRAY_US: i64 = 3 * SECOND_US;
/// and where the nearest door has a beam that counts, after this: they miss who walks close behind another, but a double of somebody, or a thing that looks
/// like somebody, is more frequent.
const UNCOUNTED_US: i64 = 15 * SECOND_US;
/// Who beams have not counted is believed in as long as a camera has seen them within this, us.
const GHOST_US: i64 = 3 * SECOND_US;

/// Why a cart filled meanwhile is looked at.
const EXCHANGED: &str = "for a while they were taken for somebody else";

#[derive(Clone, Debug, Default)]
pub(super) struct GateState {
    pub openings: Vec<Opened>,
    /// It has counted a passage: it has a beam.
    has_beam: bool,
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

impl Opened {
    /// Fewer have come in than the tap said would.
    fn has_room(&self) -> bool {
        self.admitted < self.group_size
    }
}

/// A passage that no track has explained yet, until when one is looked for.
#[derive(Clone, Debug)]
pub(super) struct Passing {
    pub t: ShopTime,
    pub gate: GateId,
    direction: Direction,
    pub until: ShopTime,
}

/// Bodies of a visit that beams counted.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counted {
    came: u32,
    went: u32,
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
    /// Nobody saw it: the body was first seen inside a gate that was open.
    unseen: bool,
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
        self.gates.get_mut(&gate.id).expect("a gate of the shop").has_beam = true;
        let seen = self
            .crossings
            .iter_mut()
            .find(|crossing| crossing.is(&gate.id, direction, t) && !crossing.counted && !crossing.unseen);
        if let Some(crossing) = seen {
            crossing.counted = true;
            let (body, seen_t) = (crossing.body, crossing.t);
            match direction {
                Direction::In => self.enter_counted(body, Some(&gate.id), seen_t),
                // Seen stepping out and counted by the beam: no need to wait for a return.
                Direction::Out if self.stepping_out.contains_key(&body) => self.leave_counted(body),
                Direction::Out => {}
            }
            return;
        }
        // The picture of it is usually on its way; without live cameras there is nothing to wait for.
        let wait_us = if self.is_blind() { 0 } else { PICTURE_US };
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
            let body = match direction {
                Direction::In => match self.who_came(&gate, &line, t) {
                    Some(body) => body,
                    None if t < self.started => {
                        self.expect_who_passed(&gate, t);
                        continue;
                    }
                    // Somebody who is still hidden; or a beam cut twice by one body, or by a bag.
                    None if !self.is_blind() => {
                        self.owed.push(Passing { t, gate, direction, until: ShopTime(t.0 + OWED_US) });
                        continue;
                    }
                    None => self.plan.imagine(self.now, line.from.toward(line.to, 0.5)),
                },
                Direction::Out => match self.who_went(&line, t) {
                    Some(body) => body,
                    None => {
                        self.counters.count("passage.nobody");
                        continue;
                    }
                },
            };
            match direction {
                Direction::In => self.enter_counted(body, Some(&gate), t),
                Direction::Out => self.leave_counted(body),
            }
            self.crossings.retain(|crossing| crossing.body != body || !crossing.unseen);
            self.crossings.push(Crossing { t, body, gate: Some(gate), direction, counted: true, unseen: false });
        }
    }

    /// Whom a beam counted in at `t`: of those whom no beam has counted yet who was nearest to the line.
    fn who_came(&self, gate: &GateId, line: &Line, t: ShopTime) -> Option<BodyId> {
        // Who was first seen inside may be a thing: who walked over the line is nearer to it.
        let unseen = |body: BodyId| {
            let theirs = |crossing: &Crossing| crossing.unseen && !crossing.counted && crossing.body == body;
            self.crossings.iter().any(|crossing| theirs(crossing) && crossing.is(gate, Direction::In, t))
        };
        let fresh = |floor: &Floor, body: BodyId| floor.books.open_visit_of(body).is_none();
        // Who has left before is more often a name that somebody else goes by.
        let new = |floor: &Floor, body: BodyId| floor.books.visit_of(body).is_none() || unseen(body);
        let passed = |body: &Body| self.passed_m(body, line, t);
        let at_line =
            |body: &BodyId| self.plan.body(*body).is_some_and(|body| passed(body) <= BEAM_M) && fresh(self, *body);
        let bound = self.gates[gate].openings.iter().filter_map(|opened| opened.body).find(at_line);
        let nearest = || self.nearest(passed, BEAM_M, new).or_else(|| self.nearest(passed, BEAM_M, fresh));
        bound.or_else(nearest)
    }

    /// Whom a beam counted out at `t`: who was nearest to the line, or else nearest of those nobody sees.
    fn who_went(&self, line: &Line, t: ShopTime) -> Option<BodyId> {
        // Who has just come in is near the gate too, and did not leave.
        let settled = |floor: &Floor, body: BodyId| {
            let visit = floor.books.open_visit_of(body);
            visit.is_some_and(|visit| t.since(visit.bodies[&body].joined) > RETURN_US)
        };
        let unseen = |floor: &Floor, body: BodyId| {
            let lost = floor.plan.body(body).is_some_and(|b| floor.now.since(b.last().t) > SECOND_US);
            lost && settled(floor, body)
        };
        let last = |body: &Body| line.distance(body.last().floor);
        self.nearest(|body| self.passed_m(body, line, t), BEAM_M, settled)
            .or_else(|| self.nearest(last, BEAM_M, settled))
            .or_else(|| self.nearest(last, f64::INFINITY, unseen))
    }

    /// How near to a line a body was just before `t` or since, metres. Without eyes, where it was last.
    fn passed_m(&self, body: &Body, line: &Line, t: ShopTime) -> f64 {
        if self.is_blind() {
            return line.distance(body.last().floor);
        }
        let seen = body.during(t.plus_ms(-NEAR_MS), self.now);
        seen.map(|sighting| line.distance(sighting.floor)).fold(f64::INFINITY, f64::min)
    }

    /// No camera tells anything.
    fn is_blind(&self) -> bool {
        self.live_cameras().next().is_none()
    }

    /// Whether a live camera sees this place.
    pub(super) fn is_watched(&self, at: Point2) -> bool {
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

    /// Two bodies had been taken for each other since some time: what either did at a door since, the other did. What was claimed
    /// meanwhile by who had come in before may be the other's: a human looks.
    fn exchanged(&mut self, a: BodyId, b: BodyId, since: ShopTime) {
        self.counters.count("bodies.exchanged");
        swap(&mut self.followed, a, b);
        swap(&mut self.stepping_out, a, b);
        swap(&mut self.stepping_in, a, b);
        // The visit each is in, and whether it came in since.
        let [one, two] = [a, b].map(|body| {
            let visit = self.books.open_visit_of(body)?;
            Some((visit.id, visit.bodies[&body].joined >= since))
        });
        for (body, other, visit, others) in [(a, b, one, two), (b, a, two, one)] {
            match (visit, others) {
                (Some((visit, _)), Some((others, _))) if visit == others => {}
                (Some((visit, true)), None | Some((_, true))) => {
                    self.emit(Some(visit), Fact::Mistaken { body, is: other }, None);
                }
                (Some((visit, false)), None) => self.left_as_another(visit, body, other, since),
                (Some((visit, _)), Some(_)) => self.doubt_claims(visit, since),
                (None, _) => {}
            }
        }
    }

    /// What the visit claimed since may be somebody else's.
    fn doubt_claims(&mut self, visit: VisitId, since: ShopTime) {
        if self.desk.claimed_since(visit, since) {
            self.doubt(visit, EXCHANGED, None);
        }
    }

    /// Of two that had been taken for each other `stayed` is in `visit`, or seemed to be, and `other` in none any more.
    fn left_as_another(&mut self, visit: VisitId, stayed: BodyId, other: BodyId, since: ShopTime) {
        let left = self.books.left_since(other, since).filter(|left| left.is_open()).map(|left| left.id);
        self.doubt_claims(visit, since);
        if let Some(left) = left {
            self.emit(Some(left), Fact::Joined { body: other }, None);
            self.emit(Some(visit), Fact::Left { body: stayed }, None);
        }
    }

    /// Notices lines being crossed by a body that `camera` sees at `at`, and that was seen by any at `last` before.
    fn follow(&mut self, body: BodyId, camera: &CameraId, last: Point2, at: Point2, t: ShopTime) {
        let shop = self.shop.clone();
        // A body new to this camera is on the side where it was last known (seen elsewhere, journalled, just born).
        let new = || Followed { at: t, to: last, astride: Vec::new() };
        let known = self.followed.get_mut(&body).and_then(|cameras| cameras.remove(camera));
        let known = known.filter(|followed| t.since(followed.at) <= SECOND_US);
        let Followed { to: from, astride, .. } = known.unwrap_or_else(new);
        let mut still_astride = Vec::new();
        for (i, (gate, line)) in shop.layout.lines().enumerate() {
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
                // Where a beam counts, who it did not count may have come no further than the line. The beam may be late, and
                // whoever goes on into the shop is a stray.
                Direction::In => match gate.filter(|gate| self.gates[*gate].has_beam) {
                    _ if self.crossed(body, gate, direction, t) => self.enter_counted(body, gate, t),
                    None => self.enter(body, gate, t),
                    Some(gate) => drop(self.stepping_in.insert(body, (t, gate.clone()))),
                },
                Direction::Out if inside => {
                    if self.crossed(body, gate, direction, t) {
                        self.leave_counted(body);
                    } else {
                        self.stepping_out.insert(body, self.now);
                    }
                }
                Direction::Out => drop(self.stepping_in.remove(&body)),
            }
        }
        let followed = Followed { at: t, to: at, astride: still_astride };
        self.followed.entry(body).or_default().insert(camera.clone(), followed);
    }

    /// Notes that a track crossed a line; whether a beam had counted it already.
    fn crossed(&mut self, body: BodyId, gate: Option<&GateId>, direction: Direction, t: ShopTime) -> bool {
        // Each camera sees it, and it is one.
        let again = |crossing: &Crossing| {
            crossing.body == body && crossing.direction == direction && crossing.t.since(t).abs() <= SAME_PASSAGE_US
        };
        if self.crossings.iter().any(|crossing| again(crossing) && crossing.counted) {
            return false;
        }
        self.crossings.retain(|crossing| !again(crossing));
        let same =
            |p: &Passing| Some(&p.gate) == gate && p.direction == direction && p.t.since(t).abs() <= SAME_PASSAGE_US;
        let waiting = self.passing.iter().position(same);
        waiting.into_iter().for_each(|i| drop(self.passing.remove(i)));
        let counted =
            waiting.is_some() || gate.is_some_and(|gate| direction == Direction::In && self.settle_owed(gate, t));
        self.crossings.push(Crossing { t, body, gate: gate.cloned(), direction, counted, unseen: false });
        counted
    }

    /// A body came in: on an opening it joins that visit, on none it is a visit without payer. Who has only just left has
    /// turned round, or was taken for somebody else at the gate: unless they tapped, it was not opened for them.
    fn enter(&mut self, body: BodyId, gate: Option<&GateId>, t: ShopTime) {
        self.stepping_in.remove(&body);
        if self.books.visit_of(body).is_some() {
            self.plan.undress(body);
        }
        let policy_join = self.options.policy.join;
        let books = &self.books;
        let turned = books.left_since(body, ShopTime(t.0 - RETURN_US)).map(|visit| (visit.id, visit.is_open()));
        let opening = gate.and_then(|gate| self.gates.get_mut(gate)).and_then(|state| {
            let valid = |o: &Opened| {
                o.since <= ShopTime(t.0 + LATE_US)
                    && t <= ShopTime(o.until.0 + LATE_US)
                    && books.visits.get(&o.visit).is_some_and(|visit| visit.is_open())
            };
            let room = |o: &Opened| policy_join == Join::Opening || o.has_room();
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

    /// A body came in, unless it is known to have, and a beam counted it.
    pub(super) fn enter_counted(&mut self, body: BodyId, gate: Option<&GateId>, t: ShopTime) {
        if self.books.open_visit_of(body).is_none() {
            self.enter(body, gate, t);
        }
        if let Some(visit) = self.books.open_visit_of(body) {
            self.counted.entry(visit.id).or_default().came += 1;
        }
    }

    fn leave_counted(&mut self, body: BodyId) {
        if let Some(visit) = self.books.open_visit_of(body) {
            self.counted.entry(visit.id).or_default().went += 1;
        }
        self.leave(body);
    }

    /// Beams have counted as many of a visit out as in: whoever of it no camera sees any more was never there, or was somebody else.
    fn nobody_stays_uncounted(&mut self) {
        let all_went = |visit: &&super::Visit| {
            let counted = self.counted.get(&visit.id).copied().unwrap_or_default();
            visit.opened >= self.started && counted.came > 0 && counted.went >= counted.came
        };
        let seen = |body: &BodyId| self.plan.body(*body).is_some_and(|b| self.now.since(b.last().t) < GHOST_US);
        let inside = self.books.open_visits().filter(all_went).flat_map(super::Visit::inside);
        let ghosts: Vec<BodyId> = inside.filter(|body| !seen(body)).collect();
        for body in ghosts {
            self.counters.count("bodies.ghosts");
            self.leave(body);
        }
    }

    pub(super) fn doors_tick(&mut self) {
        let old = ShopTime(self.now.0 - 2 * OWED_US);
        self.crossings.retain(|crossing| crossing.t > old);
        self.give_up_owed();
        for state in self.gates.values_mut() {
            state.openings.retain(|opened| opened.until > old);
        }
        self.passages_tick();
        self.find_who_passed();
        self.notice_outside();
        self.nobody_stays_uncounted();
        let gone: Vec<BodyId> = self
            .stepping_out
            .iter()
            .filter(|(_, since)| self.now.since(**since) >= RETURN_US)
            .map(|(body, _)| *body)
            .collect();
        gone.into_iter().for_each(|body| self.leave(body));
        self.join_twins();
        self.admit_uncounted();
        self.find_missing();
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
                let clear = |line: &Line| line.distance(at) >= CLEAR_M;
                !layout.is_inside(at) && layout.lines().map(|(_, line)| line).all(clear)
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
                (Some(a), Some(b)) if a.id == b.id && self.is_complete(a) => continue,
                (Some(a), Some(b)) if a.id == b.id => (older, newer),
                (Some(_), Some(ghost)) if ghost.payer.is_none() && ghost.claims.is_empty() => (older, newer),
                (Some(ghost), Some(_)) if ghost.payer.is_none() && ghost.claims.is_empty() => (newer, older),
                (Some(_), Some(_)) => continue,
                (None, Some(_)) => (newer, older),
                (_, None) => (older, newer),
            };
            self.counters.count("bodies.joined");
            self.leave(gone);
            self.become_one(kept, gone);
        }
    }

    /// Whether beams have counted as many in as are known to be.
    fn is_complete(&self, visit: &super::Visit) -> bool {
        let Counted { came, went } = self.counted.get(&visit.id).copied().unwrap_or_default();
        came > 0 && visit.inside().count() as u32 + went <= came
    }

    /// `gone` was `kept` all the time.
    pub(super) fn become_one(&mut self, kept: BodyId, gone: BodyId) {
        self.plan.merge(kept, gone);
        self.followed.remove(&gone);
        self.stepping_in.remove(&gone);
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
            // The beam counts them, has or will; if it was not somebody else.
            let counted = self.settle_owed(&gate, t);
            let (direction, of) = (Direction::In, Some(gate.clone()));
            self.crossings.push(Crossing { t, body, gate: of, direction, counted, unseen: true });
            if counted {
                self.enter_counted(body, Some(&gate), t);
            } else {
                self.enter(body, Some(&gate), t);
            }
        }
    }

    /// Seen just now in the shop, and in no visit.
    fn is_unclaimed(&self, body: &Body) -> bool {
        self.is_visitor(body) && !self.shop.layout.is_doorway(body.last().floor)
    }

    /// The same, or in a door.
    pub(super) fn is_visitor(&self, body: &Body) -> bool {
        self.now.since(body.last().t) < SECOND_US
            && self.shop.layout.is_inside(body.last().floor)
            && self.books.open_visit_of(body.id).is_none()
    }

    /// Whether a beam counts in the door nearest to there.
    fn is_counted_at(&self, at: Point2) -> bool {
        let nearest = self.shop.layout.lines().min_by(|a, b| a.1.distance(at).total_cmp(&b.1.distance(at)));
        nearest.and_then(|(gate, _)| gate).is_some_and(|gate| self.gates[gate].has_beam)
    }

    /// Whoever crossed a line whose beam has not counted them, and has gone on into the shop.
    fn admit_uncounted(&mut self) {
        let has_come_in = |(body, (t, _)): &(&BodyId, &(ShopTime, GateId))| {
            let Some(body) = self.plan.body(**body) else { return false };
            // Who has left is more often somebody taken for them than somebody who has slipped in again.
            let after_us = if self.books.visit_of(body.id).is_some() { UNCOUNTED_US } else { SAME_PASSAGE_US };
            self.now.since(*t) >= after_us && self.is_unclaimed(body)
        };
        let come_in: Vec<BodyId> = self.stepping_in.iter().filter(has_come_in).map(|(body, _)| *body).collect();
        for body in come_in {
            self.counters.count("bodies.uncounted");
            if let Some((t, gate)) = self.stepping_in.remove(&body) {
                self.enter(body, Some(&gate), t);
            }
        }
    }

    /// A body in the middle of the shop that belongs to no visit: somebody the cameras missed at the gate.
    fn adopt_strays(&mut self) {
        let lasts_us = |at: Point2| if self.is_counted_at(at) { UNCOUNTED_US } else { STRAY_US };
        let stray = |body: &&Body| {
            self.is_unclaimed(body)
                && self.now.since(body.born.t) >= lasts_us(body.born.floor)
                && self.books.visit_of(body.id).is_none()
                && self.shop.layout.is_inside(body.born.floor)
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
            // First seen in a gate that was open just then, and for more than have come in: that is how they came in. What else
            // appears in a gate is as often somebody seen twice, and would keep the visit of whoever tapped open.
            let born = &self.plan.body(body).expect("listed").born;
            let (t, at) = (born.t, born.floor);
            let awaits = |gate: &&crate::shop::Gate| self.gates[&gate.id].openings.iter().any(Opened::has_room);
            let near = |gate: &&crate::shop::Gate| gate.line.distance(at) <= BEAM_M;
            let gate = self.shop.layout.gates.values().filter(near).find(awaits);
            self.enter(body, gate.map(|gate| gate.id.clone()).as_ref(), t);
        }
    }

    pub(super) fn nearest_to_reader(&self, gate: &GateId, fits: impl Fn(&Floor, BodyId) -> bool) -> Option<BodyId> {
        let reader = self.shop.layout.gates.get(gate)?.reader;
        // With eyes on the shop, who was there a minute ago is not there now.
        let is_there = |floor: &Floor, body: BodyId| {
            let seen = |body: &Body| floor.now.since(body.last().t) <= SECOND_US;
            (floor.is_blind() || floor.plan.body(body).is_some_and(seen)) && fits(floor, body)
        };
        self.nearest(|body| reader.distance(body.last().floor), READER_M, is_there)
    }

    /// The body with the least `distance`, at most `within` metres, among those that fit.
    fn nearest(
        &self,
        distance: impl Fn(&Body) -> f64,
        within: f64,
        fits: impl Fn(&Floor, BodyId) -> bool,
    ) -> Option<BodyId> {
        let near = self.plan.bodies().map(|body| (distance(body), body.id));
        let near = near.filter(|(distance, body)| *distance <= within && fits(self, *body));
        near.min_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1))).map(|(_, body)| body)
    }
}

/// What is known of one body is known of the other, and the other way round.
fn swap<T>(of: &mut BTreeMap<BodyId, T>, a: BodyId, b: BodyId) {
    let (one, two) = (of.remove(&a), of.remove(&b));
    of.extend(one.map(|known| (b, known)).into_iter().chain(two.map(|known| (a, known))));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Counters;
    use crate::floor::{Books, FloorOptions};
    use crate::shop::Shop;
    use std::sync::Arc;

    const A: BodyId = BodyId(1);
    const B: BodyId = BodyId(2);
    const IN: bool = true;
    const OUT: bool = false;

    /// At which second who came in, on a visit of their own, or left.
    type Did = (i64, BodyId, bool);
    /// What they did, and who is in the first visit and in the second then.
    type Story = (&'static str, &'static [Did], [&'static [BodyId]; 2]);

    fn played(story: &[Did]) -> (Floor, Vec<VisitId>) {
        let shop =
            Arc::new(Shop::read(concat!(env!("CARGO_MANIFEST_DIR"), "/config/demo-shop")).expect("the demo shop").0);
        let mut floor = Floor::new(shop.clone(), FloorOptions::default(), Books::new(shop), Counters::default());
        let mut visits = Vec::new();
        for (second, body, comes_in) in story {
            floor.now = ShopTime(second * SECOND_US);
            if *comes_in {
                let visit = VisitId::begun_by(&floor.shop.id, &format!("{body} {second}"));
                floor.open_visit(visit, Opening::Tailgate, None);
                floor.emit(Some(visit), Fact::Joined { body: *body }, None);
                visits.push(visit);
            } else {
                floor.leave(*body);
            }
        }
        (floor, visits)
    }

    #[test]
    fn what_either_did_at_a_door_while_they_were_mistaken_the_other_did() {
        // Exchanged at 10 s, mistaken since 5 s.
        let stories: &[Story] = &[
            ("who came in since is the other", &[(6, A, IN)], [&[B], &[]]),
            ("both came in since", &[(6, A, IN), (7, B, IN)], [&[B], &[A]]),
            ("both were in before", &[(1, A, IN), (2, B, IN)], [&[A], &[B]]),
            ("one was in before, one came in since", &[(1, A, IN), (6, B, IN)], [&[A], &[B]]),
            ("one was in before, the other nowhere", &[(1, A, IN)], [&[A], &[]]),
            ("who left since is the other", &[(1, A, IN), (2, B, IN), (6, B, OUT)], [&[], &[B]]),
            ("who left before has left", &[(1, A, IN), (2, B, IN), (4, B, OUT)], [&[A], &[]]),
        ];
        for (told, story, wanted) in stories {
            for (a, b) in [(A, B), (B, A)] {
                let (mut floor, visits) = played(story);
                floor.now = ShopTime(10 * SECOND_US);
                floor.exchanged(a, b, ShopTime(5 * SECOND_US));
                let inside = |visit: &VisitId| floor.books.visits[visit].inside().collect::<Vec<_>>();
                let mut found: Vec<Vec<BodyId>> = visits.iter().map(inside).collect();
                found.resize(2, Vec::new());
                assert_eq!(found, *wanted, "{told}");
            }
        }
    }
}
