//! One camera's view, written into a shop.toml that somebody else wrote: comments, order and everything else stay.
//!
//! `write` makes whole files for importers; this is for files people keep. What a view is in words is [`told`], which is
//! also what a person pastes who would rather do it by hand.

use super::lens::Lens;
use super::pose::Pose;
use crate::base::CameraId;
use toml_edit::{Array, DocumentMut, InlineTable, Item, Table, Value};

/// Where a camera's pixels are on the floor.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct View {
    /// Of the picture that pixels are counted in.
    pub size: (u32, u32),
    pub lens: Lens,
    pub pose: Pose,
}

#[derive(Debug, thiserror::Error)]
pub enum EditError {
    #[error("shop.toml is not TOML: {0}")]
    NotToml(String),
    #[error("shop.toml has no camera {camera}{others}")]
    NoCamera { camera: CameraId, others: String },
    #[error(
        "camera {0} is written in shop.toml as part of one long line; write it as [[cameras]], or put the lines in by hand"
    )]
    Inline(CameraId),
}

/// What shop.toml says of one camera, as far as it is written: it need not be right.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Stands {
    pub size: Option<(u32, u32)>,
    pub lens: Option<Lens>,
    pub is_placed: bool,
}

/// The lines that say a view.
pub fn told(view: &View) -> String {
    let table = view_items(view);
    table.into_iter().map(|(key, value)| format!("{key} = {value}\n")).collect()
}

/// The same text with this camera's view in it; a `projection` that was there goes.
pub fn with_view(text: &str, camera: &CameraId, view: &View) -> Result<String, EditError> {
    let mut document = parse(text)?;
    let table = find(&mut document, camera)?;
    // What was said above the projection is still true of what comes in its place.
    let above = table.key("projection").and_then(|key| key.leaf_decor().prefix().cloned());
    table.remove("projection");
    for (key, mut value) in view_items(view) {
        match table.get_mut(key).and_then(Item::as_value_mut) {
            Some(old) => {
                *value.decor_mut() = old.decor().clone();
                *old = value;
            }
            // A table of its own, `[cameras.pose]`, becomes a line of the camera's.
            None => {
                table.remove(key);
                table.insert(key, Item::Value(value));
                if key == "intrinsics"
                    && let (Some(above), Some(mut key)) = (above.clone(), table.key_mut(key))
                {
                    key.leaf_decor_mut().set_prefix(above);
                }
            }
        }
    }
    Ok(document.to_string())
}

/// What is written of a camera now.
pub fn stands(text: &str, camera: &CameraId) -> Result<Stands, EditError> {
    let mut document = parse(text)?;
    let table = find(&mut document, camera)?;
    let number = |item: &Item| item.as_float().or(item.as_integer().map(|whole| whole as f64));
    let size = table.get("size").and_then(Item::as_array).and_then(|size| {
        let side = |i: usize| u32::try_from(size.get(i)?.as_integer()?).ok();
        Some((side(0)?, side(1)?)).filter(|(width, height)| *width > 0 && *height > 0)
    });
    let lens = table.get("intrinsics").and_then(|lens| {
        let term = |key: &str| lens.get(key).and_then(number);
        let or_nought = |key: &str| term(key).unwrap_or(0.0);
        let [k1, k2, p1, p2, k3] = ["k1", "k2", "p1", "p2", "k3"].map(or_nought);
        let lens = Lens { fx: term("fx")?, fy: term("fy")?, cx: term("cx")?, cy: term("cy")?, k1, k2, p1, p2, k3 };
        (lens.fx > 0.0 && lens.fy > 0.0).then_some(lens)
    });
    let is_placed =
        table.contains_key("projection") || (table.contains_key("intrinsics") && table.contains_key("pose"));
    Ok(Stands { size, lens, is_placed })
}

fn parse(text: &str) -> Result<DocumentMut, EditError> {
    text.parse()
        .map_err(|error: toml_edit::TomlError| EditError::NotToml(super::problems::told_by_parser(error.message())))
}

fn find<'d>(document: &'d mut DocumentMut, camera: &CameraId) -> Result<&'d mut Table, EditError> {
    let named = |table: &dyn toml_edit::TableLike| table.get("id").and_then(Item::as_str).map(str::to_owned);
    let mut ids: Vec<String> = Vec::new();
    if let Some(cameras) = document.get("cameras") {
        if let Some(array) = cameras.as_array() {
            let inline = array.iter().filter_map(Value::as_inline_table).filter_map(|table| named(table));
            if inline.into_iter().any(|id| id == camera.as_str()) {
                return Err(EditError::Inline(camera.clone()));
            }
        }
        ids = cameras.as_array_of_tables().into_iter().flatten().filter_map(|table| named(table)).collect();
    }
    let others = if ids.is_empty() { String::new() } else { format!("; it has {}", ids.join(", ")) };
    let at = ids.iter().position(|id| id == camera.as_str());
    at.and_then(|at| {
        let tables = document.get_mut("cameras")?.as_array_of_tables_mut()?;
        // Cameras without an id are not counted in `ids`.
        tables.iter_mut().filter(|table| named(*table as &Table).is_some()).nth(at)
    })
    .ok_or_else(|| EditError::NoCamera { camera: camera.clone(), others })
}

fn view_items(view: &View) -> [(&'static str, Value); 3] {
    let size = Array::from_iter([i64::from(view.size.0), i64::from(view.size.1)]);
    let lens = &view.lens;
    let mut intrinsics = InlineTable::new();
    // A hundredth of a pixel; distortion to what moves a corner by as much.
    for (key, pixels) in [("fx", lens.fx), ("fy", lens.fy), ("cx", lens.cx), ("cy", lens.cy)] {
        intrinsics.insert(key, round(pixels, 1e2).into());
    }
    for (key, term) in [("k1", lens.k1), ("k2", lens.k2), ("p1", lens.p1), ("p2", lens.p2), ("k3", lens.k3)] {
        if round(term, 1e6) != 0.0 {
            intrinsics.insert(key, round(term, 1e6).into());
        }
    }
    let mut pose = InlineTable::new();
    // A tenth of a millimetre, and an angle that moves a point 10 m away by less.
    let position = <[f64; 3]>::from(view.pose.position).map(|part| round(part, 1e4));
    let rotation = view.pose.rotation_rad().map(|part| round(part, 1e6));
    pose.insert("position", Array::from_iter(position).into());
    pose.insert("rotation", Array::from_iter(rotation).into());
    [("size", size.into()), ("intrinsics", intrinsics.into()), ("pose", pose.into())]
}

/// Without a minus before nought.
fn round(value: f64, steps: f64) -> f64 {
    (value * steps).round() / steps + 0.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shop::decompose::apart_px;

    const SHOP: &str = r#"id = "corner" # the small one
[floor]
outline = [[0, 0], [6, 0], [6, 5], [0, 5]]

[[cameras]] # no id: somebody is still typing

[[cameras]]
# above the till
id = "till"
kind = "people"
covers = [[0, 0], [6, 0], [6, 5], [0, 5]]   # all of it

[[cameras]]
kind = "usb"
id = "top-1"
device = "/dev/video0"
size = [640, 480]            # as it sends
# measured by Ada, in May
projection = [[400, 0, -320, 0], [0, -400, -240, 2400], [0, 0, -1, 5]]
covers = [[0, 0], [6, 0], [6, 5], [0, 5]]

[[gates]]  # after the cameras
id = "gate-1"
"#;

    fn view() -> View {
        let lens = Lens { fx: 512.345678, fy: 512.345678, cx: 320.0, cy: 240.0, k1: -0.1234567, ..Lens::default() };
        let pose = Pose::looking_at([0.123456, 0.2, 2.6].into(), [3.0, 2.5, 0.0].into()).unwrap();
        View { size: (640, 480), lens, pose }
    }

    #[test]
    fn one_camera_changes_and_nothing_else() {
        let camera = CameraId::new("top-1");
        let written = with_view(SHOP, &camera, &view()).unwrap();
        let kept = |text: &str| -> Vec<String> {
            let ours = ["size", "intrinsics", "pose", "projection"];
            let kept = text.lines().filter(|line| !ours.iter().any(|key| line.starts_with(key)));
            // What was said above the projection goes along with what comes for it.
            let (moved, mut rest): (Vec<&str>, Vec<&str>) = kept.partition(|line| line.contains("Ada"));
            rest.extend(moved);
            rest.into_iter().map(str::to_owned).collect()
        };
        assert_eq!(kept(&written), kept(SHOP), "{written}");
        assert!(written.contains("# measured by Ada, in May\nintrinsics = { fx = 512.35, fy = 512.35"), "{written}");
        assert!(written.contains("size = [640, 480]            # as it sends"), "{written}");
        assert!(!written.contains("projection"), "{written}");
        assert_eq!(with_view(&written, &camera, &view()).unwrap(), written, "the second time changes nothing");
        let stands = stands(&written, &camera).unwrap();
        assert_eq!((stands.size, stands.is_placed), (Some((640, 480)), true));
        let (lens, exact) = (stands.lens.unwrap(), view());
        let apart = apart_px(&exact.lens.projection(&exact.pose), &lens.projection(&exact.pose), exact.size);
        assert!(apart < 0.02 && (lens.k1 - exact.lens.k1).abs() < 1e-6, "{apart} px, {lens:?}");
    }

    #[test]
    fn a_view_in_tables_of_its_own_becomes_lines() {
        let text = "[[cameras]]\nid = \"a\"\n[cameras.intrinsics]\nfx = 1\nfy = 1\ncx = 1\ncy = 1\n[cameras.pose]\nlook_at = [0, 0, 0]\n";
        let written = with_view(text, &CameraId::new("a"), &view()).unwrap();
        assert_eq!(written, format!("[[cameras]]\nid = \"a\"\n{}", told(&view())));
    }

    #[test]
    fn what_cannot_be_written_is_said() {
        for (text, says) in [
            ("[[cameras", "shop.toml is not TOML"),
            ("id = \"x\"", "shop.toml has no camera top-1"),
            (
                SHOP.split("[[gates]]").next().unwrap().split("kind = \"usb\"").next().unwrap(),
                "no camera top-1; it has till",
            ),
            ("cameras = [{ id = \"top-1\" }]", "as part of one long line"),
        ] {
            let error = with_view(text, &CameraId::new("top-1"), &view()).unwrap_err().to_string();
            assert!(error.contains(says), "{says}: {error}");
        }
    }
}
