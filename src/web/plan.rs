//! The shop as the page draws it: outline, zones, bays, shelves, gates, cameras. Metres in the shop frame.

use super::Web;
use crate::base::geometry::Line;
use crate::base::{Point2, ShelfId};
use crate::shop::{CameraKind, GateDirection, Shop, ZoneKind};
use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};
use std::sync::Arc;

pub async fn get(State(web): State<Arc<Web>>) -> Json<Value> {
    Json(plan(&web.given.shop))
}

/// Never says where a camera is reached: an address may hold a password.
fn plan(shop: &Shop) -> Value {
    let layout = &shop.layout;
    let zones = layout.zones.iter().map(|zone| {
        let kind = match zone.kind {
            ZoneKind::Entry => "entry",
            ZoneKind::Exit => "exit",
            ZoneKind::Staff => "staff",
        };
        json!({ "kind": kind, "polygon": zone.polygon })
    });
    let gates = layout.gates.values().map(|gate| {
        let direction = match gate.direction {
            GateDirection::In => "in",
            GateDirection::Out => "out",
            GateDirection::Both => "both",
        };
        json!({ "id": gate.id, "reader": gate.reader, "line": line(&gate.line), "direction": direction })
    });
    let shelves = layout.shelves.values().map(|shelf| {
        let corners: Vec<Point2> = shelf.corners.iter().map(|corner| corner.floor()).collect();
        json!({
            "id": shelf.id,
            "bay": shelf.bay,
            "corners": corners,
            "height_m": shelf.centre().z,
            "plates": shelf.plates.len(),
            "products": products(shop, &shelf.id),
        })
    });
    let cameras = layout.cameras.values().map(|camera| {
        let kind = match camera.kind {
            CameraKind::Rtsp { .. } => "rtsp",
            CameraKind::Usb { .. } => "usb",
            CameraKind::File { .. } => "file",
            CameraKind::People => "people",
        };
        json!({ "id": camera.id, "kind": kind, "covers": camera.covers })
    });
    json!({
        "id": shop.id,
        "name": shop.name,
        "currency": shop.currency,
        "timezone": shop.timezone,
        "tax_included": shop.tax_included,
        "outline": layout.outline,
        "zones": zones.collect::<Vec<_>>(),
        "exit_lines": layout.exit_lines.iter().map(line).collect::<Vec<_>>(),
        "gates": gates.collect::<Vec<_>>(),
        "bays": layout.bays.values().map(|bay| json!({ "id": bay.id, "footprint": bay.footprint })).collect::<Vec<_>>(),
        "shelves": shelves.collect::<Vec<_>>(),
        "cameras": cameras.collect::<Vec<_>>(),
    })
}

fn line(line: &Line) -> Value {
    json!({ "from": line.from, "to": line.to, "inside": line.inside })
}

/// Names of what belongs on a shelf, in plate order, each once.
fn products(shop: &Shop, shelf: &ShelfId) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for (_, id) in shop.planogram.on_shelf(shelf) {
        let name = shop.catalogue.get(id).map_or_else(|| id.to_string(), |product| product.name.clone());
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}
