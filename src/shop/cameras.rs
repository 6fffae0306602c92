//! shop.toml's cameras: what they are, which floor they cover, and where their pixels lie.

use super::fields::Fields;
use super::lens::Lens;
use super::pose::Pose;
use super::problems::{did_you_mean, shown};
use super::{Camera, CameraKind, RtspAddress};
use crate::base::{CameraId, Point3};

pub fn read_camera(camera: &Fields<'_>, id: &CameraId) -> Option<(Camera, Option<Lens>)> {
    let kinds = ["rtsp", "usb", "file", "people"];
    let kind = match camera.need_text("kind").as_deref() {
        Some("rtsp") => rtsp(camera, id),
        Some("usb") => camera.need_text("device").map(|device| CameraKind::Usb { device }),
        Some("file") => camera.need_text("path").map(|path| CameraKind::File { path }),
        Some("people") => Some(CameraKind::People),
        Some(other) => {
            camera
                .error("kind", format!("unknown camera kind `{}`", shown(other)))
                .try_this(did_you_mean(other, kinds).unwrap_or_else(|| format!("use one of {}", kinds.join(", "))));
            // Keys of the other kinds are not also unknown.
            let _ = (camera.text("url"), camera.text("device"), camera.text("path"));
            None
        }
        None => None,
    };
    let covers = camera.need_polygon("covers");
    let size = if camera.has("size") { size(camera, id) } else { Some((0, 0)) };
    let (projection, lens) = view(camera, id)?;
    if projection.is_none() && !matches!(kind, Some(CameraKind::People) | None) {
        camera
            .error("kind", format!("camera {id} does not say where its pixels are on the floor"))
            .try_this("give a 3x4 `projection`, or `intrinsics` and `pose`");
        return None;
    }
    if projection.is_some() && !camera.has("size") {
        camera
            .error("projection", format!("camera {id} has no `size`"))
            .try_this("give width and height of the picture that its pixels are counted in");
    }
    let size = size?;
    Some((Camera { id: id.clone(), kind: kind?, covers: covers?, projection, size }, lens))
}

/// Whole pixels; 16384 is four times what any camera sends.
fn size(camera: &Fields<'_>, id: &CameraId) -> Option<(u32, u32)> {
    let [width, height] = camera.need_size::<2>("size")?;
    if [width, height].iter().any(|side| side.fract() != 0.0 || *side > 16_384.0) {
        camera.error("size", format!("`size` of camera {id} is not width and height in whole pixels"));
        return None;
    }
    Some((width as u32, height as u32))
}

fn rtsp(camera: &Fields<'_>, id: &CameraId) -> Option<CameraKind> {
    let url = camera.need_text("url")?;
    if let Err(why) = RtspAddress::parse(&url) {
        camera.error("url", format!("`url` of camera {id} {why}"));
        return None;
    }
    Some(CameraKind::Rtsp { url })
}

type View = (Option<[[f64; 4]; 3]>, Option<Lens>);

/// A projection as written, or made of intrinsics and pose. Outer `None`: something was wrong and has been said.
fn view(camera: &Fields<'_>, id: &CameraId) -> Option<View> {
    if camera.has("projection") && camera.has("intrinsics") {
        camera
            .error("intrinsics", format!("camera {id} has both a `projection` and `intrinsics`"))
            .try_this("keep one");
    }
    if camera.has("projection") {
        let _ = (camera.table("intrinsics", ""), camera.table("pose", ""));
        return camera.matrix("projection").map(|matrix| (Some(matrix), None));
    }
    let _ = camera.matrix("projection");
    let intrinsics = camera.table("intrinsics", &format!("the intrinsics of camera {id}"));
    let stand = camera.table("pose", &format!("the pose of camera {id}"));
    match (intrinsics, stand) {
        (None, None) => (!camera.has("intrinsics") && !camera.has("pose")).then_some((None, None)),
        (Some(intrinsics), Some(stand)) => {
            let (lens, pose) = (read_lens(intrinsics, id), camera_pose(stand, id));
            let (lens, pose) = (lens?, pose?);
            Some((Some(lens.projection(&pose)), Some(lens)))
        }
        (lens, _) => {
            let (has, lacks) = if lens.is_some() { ("intrinsics", "pose") } else { ("pose", "intrinsics") };
            camera.error(has, format!("camera {id} has `{has}` but no `{lacks}`")).try_this("give both");
            None
        }
    }
}

fn read_lens(table: Fields<'_>, id: &CameraId) -> Option<Lens> {
    let focal = |key: &'static str| {
        let length = table.need_number(key)?;
        if length > 0.0 {
            return Some(length);
        }
        table.error(key, format!("`{key}` of camera {id} is not above zero"));
        None
    };
    let (fx, fy) = (focal("fx"), focal("fy"));
    let (cx, cy) = (table.need_number("cx"), table.need_number("cy"));
    let term = |key: &'static str| table.number(key).unwrap_or(0.0);
    let [k1, k2, p1, p2, k3] = ["k1", "k2", "p1", "p2", "k3"].map(term);
    table.finish();
    Some(Lens { fx: fx?, fy: fy?, cx: cx?, cy: cy?, k1, k2, p1, p2, k3 })
}

fn camera_pose(table: Fields<'_>, id: &CameraId) -> Option<Pose> {
    let position = table.need_numbers("position").map(Point3::from);
    let (rotation, target) = (table.numbers("rotation"), table.point("look_at"));
    let found = match (position, rotation, target) {
        (Some(position), Some(rotation), None) => Some(Pose::new(position, rotation)),
        (Some(position), None, Some(target)) => {
            let pose = Pose::looking_at(position, target);
            if pose.is_none() {
                table.error("look_at", format!("camera {id} looks at the point it stands on"));
            }
            pose
        }
        (None, ..) => None,
        _ => {
            if table.has("rotation") == table.has("look_at") {
                table
                    .error("position", format!("the pose of camera {id} does not say where it looks"))
                    .try_this("give either `rotation` or `look_at`");
            }
            None
        }
    };
    table.finish();
    found
}
