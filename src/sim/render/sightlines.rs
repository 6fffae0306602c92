//! What of a shop's floor cameras show, bays and walls considered: who hangs cameras asks ([`super::hang`]), and so does `carryout check`.

use super::hang::CEILING_M;
use super::room::Room;
use super::views::View;
use crate::base::geometry::within;
use crate::base::{Point2, Point3};
use crate::shop::projection::pixel_of;
use crate::shop::{Layout, Shop};

/// Hips and head of who has to be seen, metres, and how large: 62.5 pixels a metre from the floor to the head, which IEC 62676-4
/// asks for to observe somebody. Who is looked down upon from straight above is shorter than that.
const SHOWN_M: [f64; 2] = [0.9, 1.5];
const PIXELS_A_M: f64 = 62.5;
/// Between the places that are asked for, metres.
const STEP_M: f64 = 0.5;

/// How somebody shows in a picture who stands in a place, nobody else considered.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Shown {
    Not,
    /// From the hips up, nothing in the way.
    AtAll,
    /// And large enough.
    Well,
}

/// How much of a shop's floor cameras show.
#[derive(Clone, Copy, Debug)]
pub struct FloorShown {
    /// Share where somebody who stands there shows in some camera from the hips up, nothing in the way; nobody else is considered.
    pub at_all: f64,
    /// And is large enough in it: 62.5 pixels a metre.
    pub well: f64,
    /// The largest part that no camera shows at all: about where, and how many m2.
    pub blind: Option<(Point2, f64)>,
}

/// How much of the floor these cameras show, asked for every half metre.
pub fn floor_shown(shop: &Shop, seen_from: &[View]) -> FloorShown {
    // What stands in the way follows from the layout alone; the seed is for its colours.
    let sightlines = Sightlines::new(shop, 0);
    let mut best = vec![Shown::Not; sightlines.floor.len()];
    for view in seen_from {
        best.iter_mut().zip(sightlines.of(view)).for_each(|(best, shown)| *best = shown.max(*best));
    }
    let share = |least: Shown| best.iter().filter(|shown| **shown >= least).count() as f64 / best.len().max(1) as f64;
    let blind = best.iter().zip(&sightlines.floor).filter(|(shown, _)| **shown == Shown::Not).map(|(_, place)| *place);
    let largest = patches(blind.collect()).into_iter().max_by_key(Vec::len);
    FloorShown {
        at_all: share(Shown::AtAll),
        well: share(Shown::Well),
        blind: largest.map(|patch| (middle(&patch), patch.len() as f64 * STEP_M * STEP_M)),
    }
}

/// Places that touch, side by side.
fn patches(mut places: Vec<Point2>) -> Vec<Vec<Point2>> {
    let mut patches = Vec::new();
    while let Some(first) = places.pop() {
        let mut patch = vec![first];
        let mut reached = 0;
        while let Some(at) = patch.get(reached).copied() {
            reached += 1;
            let (touching, rest): (Vec<_>, Vec<_>) = places.into_iter().partition(|p| p.distance(at) < 1.2 * STEP_M);
            patch.extend(touching);
            places = rest;
        }
        patches.push(patch);
    }
    patches
}

/// A shop's floor, and what stands in the way.
pub(super) struct Sightlines {
    room: Room,
    /// Places where people walk.
    pub floor: Vec<Point2>,
}

impl Sightlines {
    pub fn new(shop: &Shop, seed: u64) -> Sightlines {
        let layout = &shop.layout;
        let (mut low, mut high) = (Point2::new(f64::MAX, f64::MAX), Point2::new(f64::MIN, f64::MIN));
        for p in &layout.outline {
            (low, high) = (Point2::new(low.x.min(p.x), low.y.min(p.y)), Point2::new(high.x.max(p.x), high.y.max(p.y)));
        }
        let steps = |from: f64, to: f64| {
            (0..((to - from).max(0.0) / STEP_M) as u32).map(move |k| from + STEP_M * (f64::from(k) + 0.5))
        };
        let floor = steps(low.x, high.x)
            .flat_map(|x| steps(low.y, high.y).map(move |y| Point2::new(x, y)))
            .filter(|p| is_walked(layout, *p))
            .collect();
        Sightlines { room: Room::new(shop, seed, CEILING_M), floor }
    }

    /// Of each place of the floor, how somebody shows who stands there.
    pub fn of(&self, view: &View) -> Vec<Shown> {
        let eye = view.eye();
        let (w, h) = view.camera.size;
        let pixel = |at: Point3| {
            let ideal = view.camera.projection.as_ref().and_then(|projection| pixel_of(projection, at))?;
            Some(view.lens.map_or(ideal, |lens| lens.distort(ideal)))
        };
        let is_seen = |at: Point3| {
            let in_picture = |at: Point2| (0.0..f64::from(w)).contains(&at.x) && (0.0..f64::from(h)).contains(&at.y);
            pixel(at).is_some_and(in_picture) && self.room.is_free(eye, at)
        };
        let [_, head_m] = SHOWN_M;
        let is_large = |p: Point2| {
            let ends = pixel(p.at_height(0.0)).zip(pixel(p.at_height(head_m)));
            ends.is_some_and(|(feet, head)| feet.distance(head) >= PIXELS_A_M * head_m)
        };
        let shown = |p: &Point2| match SHOWN_M.iter().all(|z| is_seen(p.at_height(*z))) {
            false => Shown::Not,
            true if is_large(*p) => Shown::Well,
            true => Shown::AtAll,
        };
        self.floor.iter().map(shown).collect()
    }
}

/// Whether people walk there: inside, and not in a bay.
pub(super) fn is_walked(layout: &Layout, p: Point2) -> bool {
    within(&layout.outline, p) && !layout.bays.values().any(|bay| within(&bay.footprint, p))
}

pub(super) fn middle(points: &[Point2]) -> Point2 {
    let n = points.len().max(1) as f64;
    Point2::new(points.iter().map(|p| p.x).sum::<f64>() / n, points.iter().map(|p| p.y).sum::<f64>() / n)
}
