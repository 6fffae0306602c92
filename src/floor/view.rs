//! The floor as the page sees it.

use super::{BodyView, CameraView, Floor, GateView, ShelfView, Snapshot, State, VisitView};
use crate::base::limits::CAMERA_DEAD_MS;
use crate::base::time::{MS_US, SECOND_US};
use crate::carts::Receipt;
use std::collections::BTreeMap;

/// Receipts the page shows.
const RECEIPTS: usize = 20;

impl Floor {
    /// A picture of now. `state.since` is when up, degraded or closed began.
    pub fn snapshot(&mut self) -> Snapshot {
        let shelves = self.shelf_views();
        let reasons = self.reasons(&shelves);
        let state = match (self.closed.is_none(), reasons.is_empty()) {
            (false, _) => State::Closed,
            (true, false) => State::Degraded,
            (true, true) => State::Up,
        };
        if state != self.state.0 {
            self.state = (state, self.now);
        }
        let bodies = self.plan.bodies().map(|body| {
            let visit = self.books.open_visit_of(body.id);
            BodyView {
                body: body.id,
                floor: body.last().floor,
                hands: body.last().hands.clone(),
                visit: visit.map(|visit| visit.id),
                staff: visit.is_some_and(|visit| visit.is_staff()),
                seen: self.now.since(body.last().t) < SECOND_US,
            }
        });
        let mut visits: Vec<VisitView> = self
            .books
            .open_visits()
            .map(|visit| VisitView {
                cart: self.books.cart(visit, &self.desk.drafts_of(visit), self.now),
                entered_us: visit.opened,
                bodies: visit.inside().collect(),
                staff: visit.is_staff(),
                doubts: visit.doubts.clone(),
            })
            .collect();
        visits.sort_by_key(|view| (view.entered_us, view.cart.visit_id));
        let gates = self.gates.iter().map(|(id, gate)| GateView {
            gate: id.clone(),
            open_until_us: gate.openings.iter().map(|opened| opened.until).max().filter(|until| *until > self.now),
            last: gate.last,
        });
        let cameras = self.cameras.iter().map(|(id, camera)| CameraView {
            camera: id.clone(),
            alive: camera.last.is_some_and(|(at, _)| self.now.since(at) <= CAMERA_DEAD_MS * MS_US),
            last_seen_us: camera.last.map(|(at, _)| at),
        });
        let mut receipts: Vec<&Receipt> = self.books.visits.values().filter_map(|v| v.receipt.as_ref()).collect();
        receipts.sort_unstable_by_key(|receipt| std::cmp::Reverse(receipt.number));
        receipts.truncate(RECEIPTS);
        Snapshot {
            t_us: self.now,
            state,
            since_us: self.state.1,
            bodies: bodies.collect(),
            visits,
            gates: gates.collect(),
            shelves,
            cameras: cameras.collect(),
            receipts: receipts.into_iter().cloned().collect(),
            durable_seq: self.durable_seq,
            reasons,
        }
    }

    /// What is wrong, in sentences for staff.
    fn reasons(&self, shelves: &[ShelfView]) -> Vec<String> {
        let mut reasons = Vec::new();
        match self.closed.as_deref() {
            Some("") => reasons.push("The shop is closed for new visits.".to_owned()),
            Some(why) => reasons.push(why.to_owned()),
            None => {}
        }
        if !self.broker_up {
            let what_to_do = self.broker_why.as_deref().unwrap_or("Check mosquitto.");
            reasons.push(format!("The message broker does not answer: shelves and gates are not heard. {what_to_do}"));
        }
        if let Some(since) = self.offline_since {
            let lasting = lasting(self.now.since(since));
            reasons.push(format!(
                "The payment service has not answered a tap for {lasting}: gates open by the offline rule, up to its limits."
            ));
        }
        reasons.extend(
            self.unhealthy(shelves).into_iter().map(|(device, fault)| format!("{} {fault}.", capital(&device))),
        );
        reasons
    }

    /// Devices with something wrong, each with what, to be read as one sentence: (`camera top-1`, `has been silent …`).
    fn unhealthy(&self, shelves: &[ShelfView]) -> BTreeMap<String, String> {
        // A device that has not spoken in the first 10 s after a start is missing; before that it may be on its way.
        let settled = self.now.since(self.started) > 10 * SECOND_US;
        let mut unhealthy = BTreeMap::new();
        for (id, camera) in &self.cameras {
            let fault = match camera.last {
                Some((at, _)) if self.now.since(at) > 5 * SECOND_US => {
                    "has been silent for more than 5 s: check its power and network"
                }
                None if settled => "has shown nothing since the start: check its power and network",
                _ => continue,
            };
            unhealthy.insert(format!("camera {id}"), fault.to_owned());
        }
        let faults = shelves.iter().filter_map(|shelf| Some((&shelf.shelf, shelf.fault.clone()?)));
        unhealthy.extend(faults.filter(|_| settled).map(|(shelf, fault)| (format!("shelf {shelf}:"), fault)));
        unhealthy
    }

    /// Tells `device.unhealthy` once for every device that has become so, or is so in another way.
    pub(super) fn health_tick(&mut self) {
        let now_unhealthy = self.unhealthy(&self.shelf_views());
        for (device, fault) in &now_unhealthy {
            if self.known_unhealthy.get(device) != Some(fault) {
                let name = device.trim_end_matches(':').to_owned();
                let data = serde_json::json!({ "device": name, "fault": fault, "since_us": self.now });
                self.tell("device.unhealthy", name, self.now.0 as u64, data);
            }
        }
        self.known_unhealthy = now_unhealthy;
    }
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// As one says it: seconds at first, then minutes, then hours.
fn lasting(us: i64) -> String {
    match us / SECOND_US {
        s @ ..90 => format!("{s} s"),
        s @ 90..5_400 => format!("{} min", s / 60),
        s => format!("{} h", s / 3_600),
    }
}
