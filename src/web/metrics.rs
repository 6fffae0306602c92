//! `/metrics` for Prometheus (text format 0.0.4): the counters, and the newest snapshot as gauges. Names nobody.

use super::Web;
use crate::floor::State as ShopState;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use std::fmt::{Display, Write};
use std::sync::Arc;

pub async fn get(State(web): State<Arc<Web>>) -> Response {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text(&web)).into_response()
}

fn text(web: &Web) -> String {
    let snapshot = web.now_snapshot();
    let sync = web.given.sync.borrow().clone();
    let health = web.health(&snapshot, &sync);
    let now = web.given.clock.now();
    let mut page = Page(String::new());

    page.head("carryout_state", "gauge", "1 for the state the shop is in.");
    for (name, state) in [("up", ShopState::Up), ("degraded", ShopState::Degraded), ("closed", ShopState::Closed)] {
        page.line("carryout_state", &[("state", name)], u8::from(health.state == state));
    }
    page.head("carryout_snapshot_age_seconds", "gauge", "Since the floor's last snapshot.");
    let heard = web.heard.lock().expect("heard").elapsed();
    page.line("carryout_snapshot_age_seconds", &[], heard.as_secs_f64());
    page.head("carryout_open_visits", "gauge", "Visits inside.");
    page.line("carryout_open_visits", &[], health.open_visits);
    page.head("carryout_people", "gauge", "Bodies seen within the last second.");
    page.line("carryout_people", &[], health.people);
    page.head("carryout_doubted_visits", "gauge", "Open visits a human will look at.");
    let doubted = snapshot.visits.iter().filter(|visit| !visit.doubts.is_empty()).count();
    page.line("carryout_doubted_visits", &[], doubted);
    page.head("carryout_ledger_durable_seq", "gauge", "Last ledger sequence number known to be on disk.");
    page.line("carryout_ledger_durable_seq", &[], snapshot.durable_seq);
    if let Some(free) = web.given.disk.free_seen() {
        page.head("carryout_disk_free_bytes", "gauge", "Room on the ledger's disk.");
        page.line("carryout_disk_free_bytes", &[], free);
    }

    page.head("carryout_queue_rows", "gauge", "Outbox rows waiting for upstream.");
    page.line("carryout_queue_rows", &[], sync.queue_rows);
    page.head("carryout_queue_oldest_seconds", "gauge", "Age of the oldest waiting row; 0 when none waits.");
    let oldest = sync.queue_oldest_us.map_or(0.0, |oldest| now.secs_since(oldest).max(0.0));
    page.line("carryout_queue_oldest_seconds", &[], oldest);
    if let Some(reachable) = sync.reachable {
        page.head("carryout_upstream_reachable", "gauge", "Whether the last call upstream was answered.");
        page.line("carryout_upstream_reachable", &[], u8::from(reachable));
    }

    page.head("carryout_shelf_online", "gauge", "Whether a shelf reports.");
    for shelf in &snapshot.shelves {
        page.line("carryout_shelf_online", &[("shelf", shelf.shelf.as_str())], u8::from(shelf.online));
    }
    page.head("carryout_shelf_fault", "gauge", "Whether something is wrong with a shelf.");
    for shelf in &snapshot.shelves {
        page.line("carryout_shelf_fault", &[("shelf", shelf.shelf.as_str())], u8::from(shelf.fault.is_some()));
    }
    page.head("carryout_shelf_level_grams", "gauge", "Sum over a shelf's plates, not zeroed.");
    for shelf in &snapshot.shelves {
        if let Some(level_g) = shelf.level_g.filter(|level_g| level_g.is_finite()) {
            page.line("carryout_shelf_level_grams", &[("shelf", shelf.shelf.as_str())], level_g);
        }
    }
    page.head("carryout_camera_alive", "gauge", "Whether a camera is looked through.");
    for camera in &snapshot.cameras {
        page.line("carryout_camera_alive", &[("camera", camera.camera.as_str())], u8::from(camera.alive));
    }
    page.head("carryout_gate_open", "gauge", "Whether a gate is open for a passage.");
    for gate in &snapshot.gates {
        let open = gate.open_until_us.is_some_and(|until| until > snapshot.t_us);
        page.line("carryout_gate_open", &[("gate", gate.gate.as_str())], u8::from(open));
    }

    page.head("carryout_events_total", "counter", "What happened and what was refused, by name.");
    for (name, n) in web.given.counters.all() {
        page.line("carryout_events_total", &[("name", &name)], n);
    }
    page.0
}

struct Page(String);

impl Page {
    fn head(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn line(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        let labels: Vec<String> = labels.iter().map(|(key, text)| format!("{key}=\"{}\"", escaped(text))).collect();
        let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        let _ = writeln!(self.0, "{name}{labels} {value}");
    }
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
