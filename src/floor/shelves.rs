//! Weights to claims: scales find steps, bodies near them become an interaction, the model weighs it, carts change.
//!
//! A step is a *draft* in the snapshot at once; when it has settled and every live camera has caught up with it, it is
//! weighed. One batch is out at a time, and an interaction waits for earlier unsettled ones of the same people: what
//! somebody holds must be known before a put-back can be explained.

use super::FloorOptions;
use super::{Books, Device, Floor, Visit};
use crate::base::limits::{WATERMARK_MS, WEIGH_BUDGET_MS};
use crate::base::time::{MS_US, SECOND_US};
use crate::base::{BodyId, CameraId, Cents, Point2, Point3, Probability, ProductId, ShelfId, ShopTime, VisitId};
use crate::events::{
    Actor, Claim, Effect, Fact, Guess, Interaction, InteractionId, InteractionKind, WeighRequest, Weighed, Weights,
};
use crate::fusion::interaction::reach_distance;
use crate::fusion::{NearestAttributor, Scale, Step, StepEvent};
use crate::shop::Shop;
use std::collections::{BTreeMap, BTreeSet};

/// Bodies whose head and hands all stayed further than this from the plates did not do it, metres: an arm is 0.7 m,
/// and the head of somebody reaching to the lowest shelf is 1.6 m above it.
const REACH_M: f64 = 2.5;
/// A body out of view moves at most this fast, m/s, for at most [`UNSEEN_S`].
pub(super) const UNSEEN_M_S: f64 = 1.5;
const UNSEEN_S: f64 = 10.0;
/// Who stood within this of the plates when we went blind, or when we saw again, is the likely one, metres.
pub(super) const LIKELY_M: f64 = 1.5;
/// The hand is at the shelf from this long before the scale moves, us.
const BEFORE_US: i64 = 400 * MS_US;
/// A movement is over after this however long the plates ring, us.
const MOVEMENT_US: i64 = 2_500 * MS_US;
/// Longest wait for an earlier unsettled step of the same people, us.
const ORDER_US: i64 = 3_500 * MS_US;
/// After a start, gap steps wait this long for bodies to be found again, us.
const GAP_WAIT_US: i64 = 2 * SECOND_US;
/// Calm shelves' levels are journalled this often, us.
const LEVELS_US: i64 = 60 * SECOND_US;
/// A leap of message numbers beyond what a shelf sends in a day is a wrong number, not so many lost messages.
const DAY_OF_BATCHES: u64 = 432_000;
/// Message numbers remembered a shelf, to know a repeated one.
const SEQS: usize = 64;

pub(super) struct ShelfDesk {
    shelves: BTreeMap<ShelfId, Desk>,
    /// By shelf and step.
    drafts: BTreeMap<(ShelfId, u64), Draft>,
    /// Shelves whose plates move, each with since when.
    ringing: BTreeMap<ShelfId, ShopTime>,
    /// Settled steps that wait to be weighed.
    pending: Vec<Pending>,
    asked: Option<Asked>,
    next_batch: u64,
    next_interaction: u64,
    /// When the youngest step in a visit's cart began.
    pub claimed: BTreeMap<VisitId, ShopTime>,
}

struct Desk {
    scale: Scale,
    online: bool,
    boot: String,
    seqs: BTreeSet<u64>,
    /// Shop time of the newest sample.
    newest: Option<ShopTime>,
    /// Cameras that see it.
    seen_by: Vec<CameraId>,
    last_step: Option<(ShopTime, f64)>,
    last_arrival: Option<ShopTime>,
    /// When levels were last journalled, and whether they changed since.
    noted: ShopTime,
    dirty: bool,
}

struct Draft {
    begin: ShopTime,
    claims: Vec<(VisitId, ProductId, i64, Probability)>,
}

#[derive(Clone)]
struct Pending {
    id: InteractionId,
    shelf: ShelfId,
    step: Step,
    settled_at: ShopTime,
}

struct Asked {
    since: ShopTime,
    request: WeighRequest,
    pending: Vec<Pending>,
}

impl ShelfDesk {
    pub fn new(shop: &Shop, options: &FloorOptions, books: &Books) -> ShelfDesk {
        let desk = |shelf: &crate::shop::Shelf| {
            let mut scale = Scale::new(options.detector, shelf.plates.len(), options.steps.clone());
            if let Some((seen, levels)) = books.levels.get(&shelf.id) {
                scale.restore(levels, *seen);
            }
            Desk {
                scale,
                online: true,
                boot: String::new(),
                seqs: BTreeSet::new(),
                newest: None,
                seen_by: shop.layout.cameras_seeing(&shelf.id),
                last_step: None,
                last_arrival: None,
                noted: ShopTime(0),
                dirty: false,
            }
        };
        ShelfDesk {
            shelves: shop.layout.shelves.values().map(|shelf| (shelf.id.clone(), desk(shelf))).collect(),
            drafts: BTreeMap::new(),
            ringing: BTreeMap::new(),
            pending: Vec::new(),
            asked: None,
            next_batch: 1,
            next_interaction: books.next_interaction,
            claimed: BTreeMap::new(),
        }
    }

    /// Whether a step that began since then is in a visit's cart.
    pub fn claimed_since(&self, visit: VisitId, since: ShopTime) -> bool {
        self.claimed.get(&visit).is_some_and(|begin| *begin >= since)
    }

    pub fn set_online(&mut self, shelf: &ShelfId, online: bool) {
        if let Some(desk) = self.shelves.get_mut(shelf) {
            desk.online = online;
        }
    }

    /// Units drafted into a visit's cart.
    pub fn drafts_of(&self, visit: &Visit) -> Vec<(ProductId, i64, Probability)> {
        let drafts = self.drafts.values().flat_map(|draft| &draft.claims);
        drafts.filter(|(v, ..)| *v == visit.id).map(|(_, product, count, p)| (product.clone(), *count, *p)).collect()
    }

    /// Shelves that move or wait to be explained, each with since when.
    fn unsettled(&self) -> impl Iterator<Item = (&ShelfId, ShopTime)> {
        let ringing = self.ringing.iter().map(|(id, since)| (id, *since));
        let asked = self.asked.iter().flat_map(|asked| &asked.pending);
        ringing.chain(self.pending.iter().chain(asked).map(|p| (&p.shelf, p.step.begin)))
    }

    /// Nothing moves there and nothing is drafted: its levels may be journalled.
    fn is_calm(&self, shelf: &ShelfId) -> bool {
        let drafts = (shelf.clone(), 0)..=(shelf.clone(), u64::MAX);
        !self.ringing.contains_key(shelf) && self.drafts.range(drafts).next().is_none()
    }

    /// Settled levels without the steps that are not claimed yet: what the journal may say.
    fn claimed_levels(&self, shelf: &ShelfId) -> Vec<Option<f64>> {
        let mut levels = self.shelves[shelf].scale.levels();
        let asked = self.asked.iter().flat_map(|asked| &asked.pending);
        for open in self.pending.iter().chain(asked).filter(|open| open.shelf == *shelf) {
            for (level, change) in levels.iter_mut().zip(&open.step.profile_g) {
                *level = level.map(|grams| grams - change);
            }
        }
        // Journalled to 0.1 g: below the plates' resolution of 0.24 g.
        levels.into_iter().map(|level| level.map(|grams| (grams * 10.0).round() / 10.0)).collect()
    }
}

impl Floor {
    pub(super) fn weights(&mut self, weights: Weights) {
        let Some(shelf) = self.shop.layout.shelves.get(&weights.shelf) else {
            let shelf = &weights.shelf;
            return self.counters.refuse("weights.unknown_shelf", format!("shelf {shelf}: not in shop.toml"));
        };
        if weights.plates.iter().any(|samples| shelf.plate(samples.plate).is_none()) {
            let (id, n) = (&shelf.id, shelf.plates.len());
            return self.counters.refuse("weights.unknown_plate", format!("shelf {id} has plates 1 to {n}"));
        }
        let id = weights.shelf.clone();
        let length_us = weights.length_us();
        // Before its number is believed: a message from the future must not make all later ones look old.
        let Some(end) = self.event_time(Device::Shelf(id.clone()), weights.end_us()) else { return };
        let desk = self.desk.shelves.get_mut(&id).expect("every shelf has a desk");
        if desk.boot != weights.boot {
            if !desk.boot.is_empty() {
                self.counters.count("weights.reboots");
            }
            desk.boot = weights.boot.clone();
            desk.seqs.clear();
        }
        let far_back = |newest: u64| weights.seq.saturating_add(SEQS as u64) < newest;
        if desk.seqs.last().is_some_and(|newest| far_back(*newest)) && desk.newest.is_none_or(|newest| newest < end) {
            // Old by its number and newer than all by its time: the counting has begun anew, or one number was wrong.
            self.counters.count("weights.recounted");
            desk.seqs.clear();
        }
        desk.newest = desk.newest.max(Some(end));
        let newest = desk.seqs.last().copied();
        if !desk.seqs.insert(weights.seq) || newest.is_some_and(far_back) {
            return self.counters.count("weights.repeated");
        }
        match newest.map_or(0, |newest| weights.seq.saturating_sub(newest.saturating_add(1))) {
            missing @ 0..DAY_OF_BATCHES => self.counters.add("weights.missing", missing),
            _ => self.counters.count("weights.recounted"),
        }
        if desk.seqs.len() > SEQS {
            desk.seqs.pop_first();
        }
        desk.last_arrival = Some(self.now);
        desk.online = true;
        let events = desk.scale.feed(ShopTime(end.0 - length_us), weights.dt_us, &weights.plates);
        self.step_events(&id, events);
    }

    pub(super) fn shelves_tick(&mut self) {
        // Most shelves have nothing to say: one walk finds those that have.
        let (now, ringing) = (self.now, &self.desk.ringing);
        let mut due: Vec<(ShelfId, Vec<StepEvent>, bool)> = Vec::new();
        for (id, desk) in &mut self.desk.shelves {
            let events = desk.scale.tick(now);
            let levels = desk.last_arrival.is_some() && now.since(desk.noted) >= LEVELS_US;
            let changed = !events.is_empty() || desk.dirty || desk.scale.is_ringing() != ringing.contains_key(id);
            if changed || levels {
                due.push((id.clone(), events, levels));
            }
        }
        for (id, events, levels) in due {
            self.step_events(&id, events);
            if levels && self.desk.is_calm(&id) && now.since(self.desk.shelves[&id].noted) >= LEVELS_US {
                self.note_levels(&id);
            }
        }
        if let Some(asked) = self.desk.asked.take_if(|asked| self.now.since(asked.since) >= WEIGH_BUDGET_MS * MS_US) {
            self.counters.count("weigh.late");
            let mut rule = NearestAttributor::published().weigh(&asked.request, &self.shop.catalogue);
            rule.model = format!("{} (in time's stead)", rule.model);
            self.settle(asked, rule);
        }
        self.weigh_ready();
    }

    fn note_levels(&mut self, id: &ShelfId) {
        let plates_g = self.desk.claimed_levels(id);
        let desk = self.desk.shelves.get_mut(id).expect("listed");
        desk.noted = self.now;
        desk.dirty = false;
        if plates_g.iter().any(Option::is_some) && self.books.levels.get(id).is_none_or(|(_, known)| *known != plates_g)
        {
            self.emit(None, Fact::Levels { shelf: id.clone(), plates_g }, None);
        }
    }

    fn step_events(&mut self, shelf: &ShelfId, events: Vec<StepEvent>) {
        for event in events {
            match event {
                StepEvent::Draft(step) => self.draft(shelf, step),
                StepEvent::Settled(step) => {
                    let desk = self.desk.shelves.get_mut(shelf).expect("known shelf");
                    desk.last_step = Some((step.begin, step.delta_g));
                    self.counters.count("steps.settled");
                    let id = InteractionId(self.desk.next_interaction);
                    self.desk.next_interaction += 1;
                    self.desk.pending.push(Pending { id, shelf: shelf.clone(), step, settled_at: self.now });
                }
                StepEvent::Withdrawn { id } => {
                    self.counters.count("steps.withdrawn");
                    self.undraft(shelf, id);
                }
                StepEvent::Calm => self.desk.shelves.get_mut(shelf).expect("known shelf").dirty = true,
            }
        }
        let desk = self.desk.shelves.get_mut(shelf).expect("known shelf");
        let dirty = desk.dirty;
        if desk.scale.is_ringing() {
            self.desk.ringing.entry(shelf.clone()).or_insert(self.now);
        } else {
            self.desk.ringing.remove(shelf);
        }
        if dirty && self.desk.pending.is_empty() && self.desk.is_calm(shelf) {
            self.note_levels(shelf);
        }
    }

    /// The live cart shows at once what seems to have happened.
    fn draft(&mut self, shelf: &ShelfId, step: Step) {
        let cameras = self.desk.shelves[shelf].seen_by.clone();
        if !cameras.is_empty() {
            self.fx.now.push(Effect::Look { cameras });
        }
        let interaction = self.interaction(InteractionId(0), shelf, &step);
        let request = WeighRequest { batch: 0, interactions: vec![interaction] };
        let rule = NearestAttributor::published().weigh(&request, &self.shop.catalogue);
        let mut claims = Vec::new();
        for guess in rule.guesses.iter().flatten() {
            let Some((Some(body), Some(product), count, p)) = guess.alternatives.first() else { continue };
            let Some(visit) = self.books.open_visit_of(*body).filter(|visit| !visit.is_staff()) else { continue };
            claims.push((visit.id, product.clone(), *count, *p));
        }
        let changed: BTreeSet<VisitId> = claims.iter().map(|(visit, ..)| *visit).collect();
        self.desk.drafts.insert((shelf.clone(), step.id), Draft { begin: step.begin, claims });
        changed.into_iter().for_each(|visit| self.publish_cart(visit, false));
    }

    fn undraft(&mut self, shelf: &ShelfId, step: u64) {
        let draft = self.desk.drafts.remove(&(shelf.clone(), step));
        let changed: BTreeSet<VisitId> = draft.into_iter().flat_map(|d| d.claims).map(|(visit, ..)| visit).collect();
        changed.into_iter().for_each(|visit| self.publish_cart(visit, false));
    }

    /// The plates a step happened on, in the shop frame: those with a tenth of the largest change.
    fn places(&self, shelf: &ShelfId, profile_g: &[f64]) -> Vec<Point3> {
        let shelf = &self.shop.layout.shelves[shelf];
        let most = profile_g.iter().fold(0.0_f64, |most, g| most.max(g.abs()));
        let touched = |(_, g): &(&crate::shop::Plate, &f64)| g.abs() >= 0.1 * most;
        shelf.plates.iter().zip(profile_g).filter(touched).map(|(plate, _)| plate.centre).collect()
    }

    /// Everything known about a step: what stands there, who was near, what they hold.
    fn interaction(&self, id: InteractionId, shelf: &ShelfId, step: &Step) -> Interaction {
        let places = self.places(shelf, &step.profile_g);
        let blind = step.begin < self.started;
        let mut near: Vec<(BodyId, f64)> = if blind {
            self.could_have_reached(&places, step)
        } else {
            let from = ShopTime(step.begin.0 - BEFORE_US);
            let end = if step.gap { step.end } else { step.end.min(ShopTime(step.begin.0 + MOVEMENT_US)) };
            let distance = |body: &crate::tracking::Body| {
                let seen = body.during(from, end.max(step.begin));
                let d = seen.map(|s| reach_distance(&places, s.head, &s.hands, s.floor)).fold(f64::INFINITY, f64::min);
                (d <= REACH_M).then_some((body.id, d))
            };
            let around = || places.iter().map(|place| place.floor());
            let bodies = self.plan.bodies().filter(|body| body.may_have_been_near(around(), REACH_M, from));
            bodies.filter_map(distance).collect()
        };
        if near.is_empty() && !blind {
            near = self.unseen_near(&places, step.begin);
        }
        near.sort_by(|a, b| a.1.total_cmp(&b.1).then(a.0.cmp(&b.0)));
        // Staff put on shelves what nobody saw them take. Who stands further off and happens to hold something did not.
        let is_staff = |body: BodyId| self.books.open_visit_of(body).is_some_and(Visit::is_staff);
        if step.delta_g > 0.0 && near.first().is_some_and(|(body, _)| is_staff(*body)) {
            near.truncate(1);
        }
        let holds = |body: BodyId| self.books.visit_of(body).map(Visit::held).unwrap_or_default();
        let actor = |(body, distance_m): (BodyId, f64)| Actor { body, distance_m, holds: holds(body) };
        Interaction {
            id,
            shelf: shelf.clone(),
            begin: step.begin,
            end: step.end,
            delta_g: step.delta_g,
            profile_g: step.profile_g.clone(),
            stock: self.books.stock.on_shelf(shelf).map(|(plate, product)| (plate, product.clone())).collect(),
            actors: near.into_iter().map(actor).collect(),
        }
    }

    /// Nobody in view was near: bodies out of view that may have walked there.
    fn unseen_near(&self, places: &[Point3], at: ShopTime) -> Vec<(BodyId, f64)> {
        let to_shelf = |p: Point2| places.iter().map(|c| c.floor().distance(p)).fold(f64::INFINITY, f64::min);
        let reachable = |body: &crate::tracking::Body| {
            let unseen_s = at.secs_since(body.last().t);
            let shopping = self.books.open_visit_of(body.id).is_some();
            let distance = to_shelf(body.last().floor);
            let within = body.imagined || distance <= 1.0 + UNSEEN_M_S * unseen_s.min(UNSEEN_S);
            (shopping && unseen_s > 0.3 && within).then_some((body.id, distance))
        };
        self.plan.bodies().filter_map(reachable).collect()
    }

    /// Sends what is ready to be weighed: settled, seen by every live camera, nothing earlier open for the same people.
    fn weigh_ready(&mut self) {
        if self.desk.asked.is_some() || self.desk.pending.is_empty() {
            return;
        }
        self.desk.pending.sort_by_key(|p| (p.step.begin, p.id));
        let mut batch: Vec<(Pending, Interaction)> = Vec::new();
        let mut busy: BTreeSet<VisitId> = BTreeSet::new();
        let mut shelves: BTreeSet<&ShelfId> = BTreeSet::new();
        for pending in &self.desk.pending {
            let interaction = self.interaction(pending.id, &pending.shelf, &pending.step);
            let visits: BTreeSet<VisitId> =
                interaction.actors.iter().filter_map(|a| self.books.visit_of(a.body)).map(|visit| visit.id).collect();
            let clash = !visits.is_disjoint(&busy) || shelves.contains(&pending.shelf);
            if !clash && self.is_ready(pending, &interaction) {
                shelves.insert(&pending.shelf);
                batch.push((pending.clone(), interaction));
            }
            busy.extend(visits);
        }
        if batch.is_empty() {
            return;
        }
        let sent: BTreeSet<InteractionId> = batch.iter().map(|(pending, _)| pending.id).collect();
        self.desk.pending.retain(|pending| !sent.contains(&pending.id));
        let (pending, interactions): (Vec<_>, Vec<_>) = batch.into_iter().unzip();
        let request = WeighRequest { batch: self.desk.next_batch, interactions };
        self.desk.next_batch += 1;
        self.fx.now.push(Effect::Weigh(request.clone()));
        self.desk.asked = Some(Asked { since: self.now, request, pending });
    }

    fn is_ready(&self, pending: &Pending, interaction: &Interaction) -> bool {
        let waited = self.now.since(pending.settled_at);
        if pending.step.begin < self.started && self.now.since(self.started) < GAP_WAIT_US {
            return false;
        }
        let behind = self.live_of(&self.desk.shelves[&pending.shelf].seen_by).any(|event| event < pending.step.end);
        if behind && waited < WATERMARK_MS * MS_US {
            return false;
        }
        // An earlier movement elsewhere by one of these people is still ringing: it may be what they hold.
        let elsewhere = self.desk.drafts.iter().filter(|((shelf, _), _)| *shelf != pending.shelf);
        let mut earlier = elsewhere.filter(|(_, draft)| draft.begin < pending.step.begin);
        let same = earlier.any(|((shelf, _), draft)| {
            interaction.actors.iter().any(|actor| self.was_near(actor.body, shelf, draft.begin, pending.step.begin))
        });
        !same || waited >= ORDER_US
    }

    fn was_near(&self, body: BodyId, shelf: &ShelfId, from: ShopTime, to: ShopTime) -> bool {
        let Some(body) = self.plan.body(body) else { return false };
        let plates = &self.shop.layout.shelves[shelf].plates;
        let near = |p: Point2| plates.iter().any(|plate| plate.centre.floor().distance(p) <= LIKELY_M);
        let from = ShopTime(from.0 - BEFORE_US);
        body.may_have_been_near(plates.iter().map(|plate| plate.centre.floor()), LIKELY_M, from)
            && body.during(from, to).any(|sighting| near(sighting.floor))
    }

    /// Whether a shelf this visit was near still moves or waits for its explanation.
    pub(super) fn may_still_change(&self, visit: &Visit) -> bool {
        self.desk.unsettled().any(|(shelf, since)| {
            visit.bodies.keys().any(|body| self.was_near(*body, shelf, ShopTime(since.0 - SECOND_US), self.now))
        })
    }

    pub(super) fn weighed(&mut self, weighed: Weighed) {
        let Some(asked) = self.desk.asked.take_if(|asked| asked.request.batch == weighed.batch) else {
            return self.counters.count("weigh.unasked");
        };
        if weighed.guesses.len() == asked.request.interactions.len() {
            self.settle(asked, weighed);
        } else {
            // Kept: the rule answers when its time is up.
            self.counters.refuse("weigh.malformed", format!("model {} answered another question", weighed.model));
            self.desk.asked = Some(asked);
        }
        self.weigh_ready();
    }

    /// Claims of a weighed batch become entries, carts and levels.
    fn settle(&mut self, asked: Asked, weighed: Weighed) {
        for ((pending, interaction), guesses) in
            asked.pending.iter().zip(&asked.request.interactions).zip(&weighed.guesses)
        {
            let blind = pending.step.begin < self.started;
            self.desk.drafts.remove(&(pending.shelf.clone(), pending.step.id));
            let suspects: BTreeSet<VisitId> =
                interaction.actors.iter().filter_map(|a| self.books.visit_of(a.body)).map(|visit| visit.id).collect();
            let mut by_visit: BTreeMap<Option<VisitId>, Vec<Claim>> = BTreeMap::new();
            for guess in guesses {
                let until = if pending.step.gap { pending.step.end } else { pending.step.begin };
                let mut claim = self.claim(guess, pending.step.begin, until);
                if blind && suspects.len() > 1 {
                    claim.visit = None; // could be any of several: nobody is charged on a guess
                }
                by_visit.entry(claim.visit).or_default().push(claim);
            }
            let gone = by_visit.get(&None).is_some_and(|claims| claims.iter().any(|claim| claim.count > 0));
            let changed: Vec<VisitId> = by_visit.keys().copied().flatten().collect();
            for (visit, claims) in by_visit {
                let closed = visit.and_then(|id| self.books.visits.get(&id)).is_some_and(|visit| !visit.is_open());
                let how = match (blind, closed) {
                    (true, _) => InteractionKind::Gap,
                    (false, true) => InteractionKind::Correction,
                    (false, false) => InteractionKind::Step,
                };
                let fact = Fact::Claimed {
                    interaction: pending.id,
                    shelf: pending.shelf.clone(),
                    how,
                    begin: pending.step.begin,
                    end: pending.step.end,
                    delta_g: (pending.step.delta_g * 10.0).round() / 10.0,
                    model: weighed.model.clone(),
                    claims,
                };
                self.emit(visit, fact, None);
            }
            self.note_levels(&pending.shelf);
            // One person who could have, after a short blink, is as good as seen; anything else a human looks at.
            let long = self.started.since(self.books.dark_from) > super::dark::BLINK_US;
            if blind && (suspects.len() > 1 || long) {
                let why = format!("shelf {} changed while the shop was blind", pending.shelf);
                let several = suspects.len() > 1;
                let shelf = several.then_some(&pending.shelf);
                suspects.into_iter().for_each(|visit| self.doubt(visit, &why, shelf));
            }
            if gone && !blind {
                // Taken by nobody known, while somebody known is nowhere to be seen.
                let why = format!("something was taken from shelf {} while nobody knew where they were", pending.shelf);
                let lost: Vec<VisitId> =
                    self.books.open_visits().filter(|v| self.is_lost_visit(v)).map(|v| v.id).collect();
                lost.into_iter().for_each(|visit| self.doubt(visit, &why, Some(&pending.shelf)));
            }
            self.tell_misplaced(pending, guesses);
            for visit in changed {
                let begin = self.desk.claimed.entry(visit).or_insert(pending.step.begin);
                *begin = pending.step.begin.max(*begin);
                self.publish_cart(visit, true);
                self.correct_if_closed(visit, pending.step.begin);
            }
        }
    }

    /// Something was put where the planogram does not have it: staff may want to tidy.
    fn tell_misplaced(&mut self, pending: &Pending, guesses: &[Guess]) {
        for (n, guess) in guesses.iter().enumerate() {
            let Some((_, Some(product), count, _)) = guess.alternatives.first() else { continue };
            let planogram = &self.shop.planogram;
            let belongs =
                guess.plates.iter().any(|plate| planogram.on_plate(&pending.shelf, *plate).any(|p| p == product));
            if *count < 0 && !belongs {
                let (shelf, plates, quantity) = (&pending.shelf, &guess.plates, -count);
                let data =
                    serde_json::json!({ "shelf": shelf, "plates": plates, "product": product, "quantity": quantity });
                // Several things put down at once are several events.
                self.tell("shelf.misplaced", shelf.to_string(), pending.id.0 * 100 + n as u64, data);
            }
        }
    }

    /// The best alternative of a guess as a claim, at today's price, checked against what the visit holds.
    fn claim(&mut self, guess: &Guess, from: ShopTime, until: ShopTime) -> Claim {
        let (body, product, count, probability) =
            guess.alternatives.first().cloned().unwrap_or((None, None, 0, Probability::NEVER));
        let visit = body.and_then(|body| self.books.visit_of(body));
        // Somebody who came in later, or had left before, did not do it.
        let there = |visit: &&Visit| {
            let presence = body.and_then(|body| visit.bodies.get(&body));
            presence.is_some_and(|p| p.joined.0 - SECOND_US <= until.0 && p.left.is_none_or(|left| from <= left))
        };
        let visit = visit.filter(there);
        let probability = probability.and(self.is_really(body, visit));
        let item = product.as_ref().and_then(|product| self.shop.catalogue.get(product));
        let holds = |visit: &&Visit| {
            count > 0
                || product
                    .as_ref()
                    .is_some_and(|p| visit.held().iter().any(|h| h.product == *p && h.quantity >= -count))
        };
        let explained = visit.filter(holds).is_some() && item.is_some();
        if !explained {
            self.counters.count(if count > 0 { "claims.unexplained_take" } else { "claims.unexplained_put" });
        }
        let visit = visit.filter(|_| item.is_some()).filter(holds).map(|visit| visit.id);
        let unit_price = if count > 0 { item.map_or(Cents::ZERO, |item| item.price) } else { Cents::ZERO };
        let product = item.map(|item| item.id.clone());
        Claim { visit, body, product, count, probability, plates: guess.plates.clone(), unit_price }
    }

    /// How sure it is that a body belongs to this visit: it may have been taken for one of another visit.
    fn is_really(&self, body: Option<BodyId>, visit: Option<&Visit>) -> Probability {
        let (Some(body), Some(visit)) = (body, visit) else { return Probability::CERTAIN };
        let elsewhere = |(other, _): &(BodyId, f64)| self.books.visit_of(*other).is_none_or(|of| of.id != visit.id);
        Probability::from_f64(1.0 - self.plan.may_be(body).filter(elsewhere).map(|(_, chance)| chance).sum::<f64>())
    }

    /// Health of the shelves, for the snapshot.
    pub(super) fn shelf_views(&self) -> Vec<super::ShelfView> {
        let view = |(id, desk): (&ShelfId, &Desk)| {
            let levels = desk.scale.levels();
            let known: Vec<f64> = levels.into_iter().flatten().collect();
            let silent = desk.last_arrival.is_some_and(|at| self.now.since(at) > 5 * SECOND_US);
            // A shelf without plates is there to stand goods on: nobody waits for its scale.
            let weighs = !self.shop.layout.shelves[id].plates.is_empty();
            let faults: Vec<String> = desk
                .scale
                .faults()
                .iter()
                .map(|(plate, fault)| format!("plate {plate} is {fault:?}").to_lowercase())
                .collect();
            let fault = match (desk.online, desk.last_arrival, silent) {
                _ if !weighs => None,
                (false, ..) => Some("offline: check its power and network".to_owned()),
                (true, None, _) => Some("has not weighed anything yet".to_owned()),
                (true, Some(_), true) => Some("silent for more than 5 s: check its power and network".to_owned()),
                _ if !faults.is_empty() => Some(faults.join(", ")),
                _ => None,
            };
            super::ShelfView {
                shelf: id.clone(),
                online: !weighs || (desk.online && desk.last_arrival.is_some() && !silent),
                ringing: self.desk.ringing.contains_key(id),
                level_g: (!known.is_empty()).then(|| known.iter().sum()),
                last_step: desk.last_step,
                fault,
            }
        };
        self.desk.shelves.iter().map(view).collect()
    }
}
