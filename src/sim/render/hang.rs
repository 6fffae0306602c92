//! Where cameras hang in a shop that says nothing of pictures: four from a seed, in corners and on walls, 2.3 to 3.0 m up, now and then
//! on a high ceiling; 640 x 360, 70 to 95 degrees wide, lenses a little bent.
//!
//! At random ([`views`]) whoever trains sees all manner of pictures; whoever asks what a shop would get has them hung with care
//! ([`hung`]). A layout whose cameras have projections keeps those.

use super::sightlines::{Shown, Sightlines, is_walked, middle};
use super::views::View;
use crate::base::geometry::within;
use crate::base::{CameraId, Point2, Point3};
use crate::shop::pose::Pose;
use crate::shop::{Camera, CameraKind, Layout, Lens, Shop};
use crate::sim::chance::Chance;

const SIZE: (u32, u32) = (640, 360);
const CAMERAS: usize = 4;
/// Places an installer thinks of: of 32 the four best left up to a quarter of a floor of 60 m2 unseen, of 512 a tenth.
const TRIED: usize = 512;
/// What it is worth that a place is seen by a first, a second, a third camera: two tell where somebody stands, and one of them
/// is soon in somebody's shadow.
const WORTH: [f64; CAMERAS] = [1.0, 0.6, 0.2, 0.0];
/// Walls are taken to end here, metres; no camera hangs higher.
pub(super) const CEILING_M: f64 = 4.7;
/// A camera is not said to see further than this, metres.
const FAR_M: f64 = 8.0;

/// A layout's own cameras; where it has none with a projection, four that hang at random.
pub fn views(shop: &Shop, seed: u64) -> Vec<View> {
    let known = known(&shop.layout);
    if !known.is_empty() {
        return known;
    }
    let mut places = Places::new(shop, seed);
    (0..CAMERAS).map(|k| places.next().view(k)).collect()
}

/// The same, hung by somebody who looks at what they see: of many places at random the four that show most of the floor.
pub fn hung(shop: &Shop, seed: u64) -> Vec<View> {
    let known = known(&shop.layout);
    if known.is_empty() { best(TRIED, shop, seed) } else { known }
}

/// The best four of so many places.
pub(super) fn best(tried: usize, shop: &Shop, seed: u64) -> Vec<View> {
    let mut places = Places::new(shop, seed);
    let tried: Vec<Place> = (0..tried).map(|_| places.next()).collect();
    let sightlines = Sightlines::new(shop, seed);
    let seen: Vec<Vec<Shown>> = tried.iter().map(|place| sightlines.of(&place.view(0))).collect();
    let mut worth = vec![0; sightlines.floor.len()];
    let mut chosen: Vec<usize> = Vec::new();
    for _ in 0..CAMERAS {
        let gain =
            |n: usize| (0..worth.len()).filter(|&k| seen[n][k] == Shown::Well).map(|k| WORTH[worth[k]]).sum::<f64>();
        // The first of equals.
        let better = |a: &usize, b: &usize| gain(*a).total_cmp(&gain(*b)).then(b.cmp(a));
        let best = (0..tried.len()).filter(|n| !chosen.contains(n)).max_by(better).expect("more are tried than hang");
        worth.iter_mut().zip(&seen[best]).filter(|(_, seen)| **seen == Shown::Well).for_each(|(views, _)| *views += 1);
        chosen.push(best);
    }
    chosen.iter().enumerate().map(|(k, n)| tried[*n].view(k)).collect()
}

/// Cameras of the layout that pictures can be drawn for.
pub fn known(layout: &Layout) -> Vec<View> {
    let seen = layout.cameras.values().filter(|camera| camera.projection.is_some());
    seen.map(|camera| View { camera: camera.clone(), lens: layout.lenses.get(&camera.id).copied() })
        .filter(|view| view.camera.size.0 > 0)
        .collect()
}

/// A camera somewhere.
struct Place {
    lens: Lens,
    pose: Pose,
}

impl Place {
    /// As camera number `k` of a shop, from 0.
    fn view(&self, k: usize) -> View {
        let Place { lens, pose } = self;
        let id = CameraId::new(format!("cam-{}", k + 1));
        // Where the stream of a simulated camera will be.
        let kind = CameraKind::Rtsp { url: format!("rtsp://127.0.0.1:8554/{id}") };
        let covers = covers(lens, pose);
        let camera = Camera { id, kind, covers, projection: Some(lens.projection(pose)), size: SIZE };
        View { camera, lens: Some(*lens) }
    }
}

/// Places for cameras, at random: the corners in turn, now and then a wall or the ceiling.
struct Places<'a> {
    layout: &'a Layout,
    corners: Vec<Point2>,
    middle: Point2,
    chance: Chance,
    drawn: usize,
}

impl Places<'_> {
    fn new(shop: &Shop, seed: u64) -> Places<'_> {
        let layout = &shop.layout;
        let mut chance = Chance::new(seed, &format!("views/{}", shop.id));
        let mut corners = corners(&layout.outline);
        for i in (1..corners.len()).rev() {
            corners.swap(i, chance.below(i + 1));
        }
        Places { layout, corners, middle: middle(&layout.outline), chance, drawn: 0 }
    }

    fn next(&mut self) -> Place {
        let Places { layout, corners, middle, chance, drawn } = self;
        let (layout, middle) = (*layout, *middle);
        let lens = lens(chance);
        let kind = chance.unit();
        let (eye, target) = if kind < 0.25 {
            overhead(layout, middle, chance)
        } else {
            let low = chance.pick(&layout.outline).copied().unwrap_or(middle);
            let edge = layout.outline.iter().position(|p| *p == low).unwrap_or(0);
            let next = layout.outline.get((edge + 1) % layout.outline.len().max(1)).copied().unwrap_or(middle);
            let wall = low.toward(next, chance.between(0.3, 0.7)).toward(middle, 0.06);
            let corner = corners.get(*drawn % corners.len().max(1)).copied().unwrap_or(wall);
            on_wall(if kind < 0.45 { wall } else { corner }, middle, chance)
        };
        *drawn += 1;
        let pose = Pose::looking_at(eye, target).unwrap_or(Pose::new(eye, [std::f64::consts::PI, 0.0, 0.0]));
        Place { lens, pose: rolled(pose, chance.between(-0.04, 0.04)) }
    }
}

/// 25 cm into the room from each corner that stands out.
fn corners(outline: &[Point2]) -> Vec<Point2> {
    let n = outline.len();
    let inward = |i: usize| {
        let (before, at, after) = (outline[(i + n - 1) % n], outline[i], outline[(i + 1) % n]);
        let (a, b) = (at.distance(before).max(1e-9), at.distance(after).max(1e-9));
        let x = (before.x - at.x) / a + (after.x - at.x) / b;
        let y = (before.y - at.y) / a + (after.y - at.y) / b;
        let length = (x * x + y * y).sqrt().max(1e-9);
        Point2::new(at.x + x / length * 0.25, at.y + y / length * 0.25)
    };
    (0..n).map(inward).filter(|p| within(outline, *p)).collect()
}

/// Looks into the room, a little to one side of its middle, at what is 2 to 4.5 m away.
fn on_wall(at: Point2, middle: Point2, chance: &mut Chance) -> (Point3, Point3) {
    let (dx, dy) = (middle.x - at.x, middle.y - at.y);
    let away = (dx * dx + dy * dy).sqrt().max(0.1);
    let (sin, cos) = libm::sincos(chance.between(-0.3, 0.3));
    let far = away.clamp(2.0, 4.5) * chance.between(0.7, 1.1) / away;
    let target = Point2::new(at.x + (dx * cos - dy * sin) * far, at.y + (dx * sin + dy * cos) * far);
    (at.at_height(chance.between(2.3, 3.0)), target.at_height(chance.between(0.5, 1.2)))
}

/// On a high ceiling, nearly straight down, over a way where people walk.
fn overhead(layout: &Layout, middle: Point2, chance: &mut Chance) -> (Point3, Point3) {
    let mut at = middle;
    for _ in 0..20 {
        let (a, b) = (chance.pick(&layout.outline), chance.pick(&layout.outline));
        let Some((a, b)) = a.zip(b) else { break };
        at = a.toward(*b, chance.unit()).toward(middle, chance.unit());
        if is_walked(layout, at) {
            break;
        }
    }
    let (sin, cos) = libm::sincos(chance.between(0.0, std::f64::consts::TAU));
    let out = chance.between(0.3, 1.8);
    let eye = at.at_height(chance.between(3.0, 4.6));
    (eye, Point2::new(at.x + cos * out, at.y + sin * out).at_height(0.0))
}

/// Bent by at most a tenth at the picture's corners, mostly inwards.
fn lens(chance: &mut Chance) -> Lens {
    let (w, h) = (f64::from(SIZE.0), f64::from(SIZE.1));
    let fx = w / 2.0 / libm::tan(chance.between(70.0, 95.0).to_radians() / 2.0);
    let corner2 = (w * w + h * h) / 4.0 / (fx * fx);
    Lens {
        fx,
        fy: fx * chance.between(0.995, 1.005),
        cx: w / 2.0 + chance.between(-8.0, 8.0),
        cy: h / 2.0 + chance.between(-6.0, 6.0),
        k1: -chance.between(-0.02, 0.10) / corner2,
        k2: chance.between(0.0, 0.015) / (corner2 * corner2),
        p1: chance.between(-0.0008, 0.0008),
        p2: chance.between(-0.0008, 0.0008),
        k3: 0.0,
    }
}

/// Turned about the way it looks, radians: nobody hangs a camera quite straight.
fn rolled(pose: Pose, by: f64) -> Pose {
    let (sin, cos) = libm::sincos(by);
    let rotation = pose.rotation.map(|[x, y, z]| [x * cos + y * sin, y * cos - x * sin, z]);
    Pose { rotation, ..pose }
}

/// Where the picture's edge meets the floor, or [`FAR_M`] from the camera where it does not.
fn covers(lens: &Lens, pose: &Pose) -> Vec<Point2> {
    let (w, h) = (f64::from(SIZE.0), f64::from(SIZE.1));
    let edge = [[0.0, 0.0], [w / 2.0, 0.0], [w, 0.0], [w, h / 2.0], [w, h], [w / 2.0, h], [0.0, h], [0.0, h / 2.0]];
    let eye = pose.position;
    let on_floor = |seen: [f64; 2]| {
        let ideal = lens.undistort(Point2::from(seen));
        let toward = Point3::new((ideal.x - lens.cx) / lens.fx, (ideal.y - lens.cy) / lens.fy, 1.0);
        let p = pose.apply(toward);
        let (dx, dy, dz) = (p.x - eye.x, p.y - eye.y, p.z - eye.z);
        let flat = (dx * dx + dy * dy).sqrt().max(1e-9);
        let t = if dz < -1e-6 { (-eye.z / dz).min(FAR_M / flat) } else { FAR_M / flat };
        let to = |m: f64| (m * 1e3).round() / 1e3 + 0.0;
        Point2::new(to(eye.x + dx * t), to(eye.y + dy * t))
    };
    edge.map(on_floor).to_vec()
}
