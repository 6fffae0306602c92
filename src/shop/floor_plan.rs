//! shop.toml: the shop's name and money, and where everything stands (docs/shop-files.md draws it).
//!
//! Poses are hierarchical: a bay stands in the shop, a shelf in its bay, a plate on its shelf. Here they are worked out
//! into shop metres. What the numbers mean together (does the shelf stand on the floor?) is `checks`' question.

use super::cameras::read_camera;
use super::fields::{Fields, integer};
use super::furniture::read_bay;
use super::problems::{did_you_mean, shown};
use super::{Gate, GateDirection, Layout, TaxClass, Zone, ZoneKind};
use crate::base::geometry::Line;
use crate::base::limits::ID_CHARS;
use crate::base::{BayId, CameraId, GateId, ShelfId, ShopId};
use std::collections::BTreeMap;
use toml::de::DeValue;

/// What shop.toml says, and where: lines for problems found later.
#[derive(Debug, Default)]
pub struct FloorPlan {
    pub id: Option<ShopId>,
    pub name: String,
    pub currency: String,
    pub timezone: String,
    pub tax_included: bool,
    pub taxes: BTreeMap<String, TaxClass>,
    pub layout: Layout,
    pub lines: PlanLines,
}

#[derive(Debug, Default)]
pub struct PlanLines {
    pub outline: Option<usize>,
    pub zones: Vec<Option<usize>>,
    pub exit_lines: Vec<Option<usize>>,
    pub gates: BTreeMap<GateId, Option<usize>>,
    pub shelves: BTreeMap<ShelfId, Option<usize>>,
    pub cameras: BTreeMap<CameraId, Option<usize>>,
}

pub fn read(file: Fields<'_>) -> FloorPlan {
    let mut plan = FloorPlan {
        id: file.need_text("id").filter(|id| is_id(&file, id)).map(ShopId::new),
        name: file.text("name").unwrap_or_default(),
        tax_included: file.truth("tax_included").unwrap_or(true),
        ..FloorPlan::default()
    };
    if plan.name.is_empty() {
        plan.name = plan.id.as_ref().map_or(String::new(), ToString::to_string);
    }
    plan.currency = currency(&file).unwrap_or_default();
    plan.timezone = timezone(&file).unwrap_or_default();
    plan.taxes = taxes(&file);
    if let Some(floor) = file.need_table("floor", "[floor]") {
        plan.layout.outline = floor.need_polygon("outline").unwrap_or_default();
        plan.lines.outline = floor.line_of("outline");
        floor.finish();
    }
    for zone in file.tables("zones", "zone") {
        plan.lines.zones.push(zone.line());
        plan.layout.zones.extend(read_zone(&zone));
        zone.finish();
    }
    for exit in file.tables("exit_lines", "exit line") {
        plan.lines.exit_lines.push(exit.line());
        plan.layout.exit_lines.extend(line(&exit));
        exit.finish();
    }
    for gate in file.tables("gates", "gate") {
        let Some((id, gate)) = identified(gate, "gate") else { continue };
        let (id, at) = (GateId::new(id), gate.line());
        if plan.lines.gates.insert(id.clone(), at).is_some() {
            twice(&gate, "gate", id.as_str());
        }
        plan.layout.gates.extend(read_gate(&gate, &id).map(|gate| (id, gate)));
        gate.finish();
    }
    for bay in file.tables("bays", "bay") {
        let Some((id, bay)) = identified(bay, "bay") else { continue };
        read_bay(bay, BayId::new(id), &mut plan);
    }
    for camera in file.tables("cameras", "camera") {
        let Some((id, camera)) = identified(camera, "camera") else { continue };
        let (id, at) = (CameraId::new(id), camera.line());
        if plan.lines.cameras.insert(id.clone(), at).is_some() {
            twice(&camera, "camera", id.as_str());
        }
        if let Some((read, lens)) = read_camera(&camera, &id) {
            plan.layout.lenses.extend(lens.map(|lens| (id.clone(), lens)));
            plan.layout.cameras.insert(id, read);
        }
        camera.finish();
    }
    file.finish();
    plan
}

/// A table's id, and the table under its own name.
pub(super) fn identified<'d>(table: Fields<'d>, kind: &str) -> Option<(String, Fields<'d>)> {
    let id = table.need_text("id").filter(|id| is_id(&table, id))?;
    let named = table.named(format!("{kind} {id}"));
    Some((id, named))
}

/// Ids stand in MQTT topics, so `/`, `+`, `#` and spaces cannot be in them.
pub fn may_be_id(id: &str) -> bool {
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | ':');
    !id.is_empty() && id.chars().count() <= ID_CHARS && id.chars().all(plain)
}

fn is_id(table: &Fields<'_>, id: &str) -> bool {
    let plain = may_be_id(id);
    if !plain {
        table
            .error("id", format!("id `{}` cannot stand in a topic", shown(id)))
            .try_this(format!("use letters, digits, - _ . and :, at most {ID_CHARS}"));
    }
    plain
}

pub(super) fn twice(table: &Fields<'_>, kind: &str, id: &str) {
    table.error("id", format!("{kind} {id} is there twice")).try_this("give each its own id");
}

fn currency(file: &Fields<'_>) -> Option<String> {
    let currency = file.need_text("currency")?;
    if currency.len() == 3 && currency.bytes().all(|b| b.is_ascii_uppercase()) {
        return Some(currency);
    }
    let upper = currency.to_uppercase();
    let mut problem = file.error("currency", format!("currency `{}` is not an ISO 4217 code", shown(&currency)));
    match upper.len() == 3 && upper.bytes().all(|b| b.is_ascii_uppercase()) {
        true => problem.try_this(format!("did you mean {upper}?")),
        false => problem.try_this("write three capital letters, such as EUR"),
    }
    None
}

fn timezone(file: &Fields<'_>) -> Option<String> {
    let name = file.need_text("timezone")?;
    let known = jiff::tz::db();
    if name == "UTC" || known.get(&name).is_ok() {
        return Some(name);
    }
    let names: Vec<String> = known.available().map(|known| known.to_string()).collect();
    if names.is_empty() {
        file.warning("timezone", format!("timezone `{}` cannot be checked: no time zones are installed", shown(&name)))
            .try_this("install tzdata");
        return Some(name);
    }
    let suggestion = did_you_mean(&name, names.iter().map(String::as_str));
    file.error("timezone", format!("unknown timezone `{}`", shown(&name)))
        .try_this(suggestion.unwrap_or_else(|| "write an IANA name, such as Europe/Berlin".into()));
    None
}

/// `standard = "19 %"` or `standard = 1900` (basis points).
fn taxes(file: &Fields<'_>) -> BTreeMap<String, TaxClass> {
    let mut taxes = BTreeMap::new();
    let Some(table) = file.need_table("tax", "[tax]") else { return taxes };
    for (name, _, value) in table.entries() {
        let rate_bp = match value.get_ref() {
            DeValue::String(text) => percent_bp(text),
            _ => integer(value).and_then(|bp| u32::try_from(bp).ok()),
        };
        match rate_bp.filter(|bp| *bp <= 10_000) {
            Some(rate_bp) => {
                taxes.insert(name.to_string(), TaxClass { name: name.into(), rate_bp });
            }
            None => {
                table
                    .error(name, format!("tax class `{}` has no rate from 0 % to 100 %", shown(name)))
                    .try_this("write \"19 %\", or 1900 for basis points");
            }
        }
    }
    if table.entries().next().is_none() {
        table.error("tax", "[tax] names no class").try_this("write at least one, such as standard = \"19 %\"");
    }
    taxes
}

/// "7.5 %" to 750, exactly.
fn percent_bp(text: &str) -> Option<u32> {
    let number = text.trim().strip_suffix('%')?.trim_end();
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || whole.len() > 3 || part.len() > 2 || !digits(whole) || !digits(part) {
        return None;
    }
    format!("{whole}{part:0<2}").parse().ok()
}

fn read_zone(zone: &Fields<'_>) -> Option<Zone> {
    let kind = match zone.need_text("kind").as_deref() {
        Some("entry") => Some(ZoneKind::Entry),
        Some("exit") => Some(ZoneKind::Exit),
        Some("staff") => Some(ZoneKind::Staff),
        Some(other) => {
            zone.error("kind", format!("unknown zone kind `{}`", shown(other)))
                .try_this(did_you_mean(other, ["entry", "exit", "staff"]).unwrap_or("use entry, exit or staff".into()));
            None
        }
        None => None,
    };
    let polygon = zone.need_polygon("polygon");
    Some(Zone { kind: kind?, polygon: polygon? })
}

fn line(table: &Fields<'_>) -> Option<Line> {
    let (from, to) = (table.need_floor_point("from"), table.need_floor_point("to"));
    let inside = table.need_floor_point("inside");
    Some(Line { from: from?, to: to?, inside: inside? })
}

fn read_gate(gate: &Fields<'_>, id: &GateId) -> Option<Gate> {
    let reader = gate.need_floor_point("reader");
    let line = gate.need_table("line", &format!("the line of gate {id}")).and_then(|table| {
        let line = line(&table);
        table.finish();
        line
    });
    let direction = match gate.text("direction").as_deref() {
        None | Some("both") => Some(GateDirection::Both),
        Some("in") => Some(GateDirection::In),
        Some("out") => Some(GateDirection::Out),
        Some(other) => {
            gate.error("direction", format!("gate {id} cannot lead `{}`", shown(other)))
                .try_this("use in, out or both");
            None
        }
    };
    Some(Gate { id: id.clone(), reader: reader?, line: line?, direction: direction? })
}
