//! An upright human shape, as a box in a picture. What a detector's box says about where somebody stands depends on which of
//! its edges is really the body's: feet behind a shelf, a head above the picture's edge. So the box is never turned into a place;
//! the place is asked what box it would make, edge by edge ([`View::fit`]), and where the feet would be.

use super::habits::Habits;
use super::motion::{Motion, Row, STATES};
use crate::base::{Point2, Point3, ShopTime};
use crate::events::Person;
use crate::shop::projection::{Projection, depth_m, floor_point, pixel_of};
use crate::shop::{Camera, Layout, Lens};

/// Left, top, right, bottom, pixels of the picture.
pub type Edges = [f64; 4];

/// A person in a picture.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outline {
    pub edges: Edges,
    /// Which of them are the body's own as far as the other boxes of the look tell: not where somebody nearer begins.
    free: [bool; 4],
    /// Where the camera saw them stand, pixels.
    feet: Option<Point2>,
    /// How many times further off all that is than [`SIGMA`] and [`FEET`] ([`View::vague`]).
    vague: f64,
}

impl Outline {
    /// What [`SIGMA`] and [`FEET`] are shares of: its height, pixels.
    fn size(&self) -> f64 {
        (self.edges[3] - self.edges[1]).max(1.0)
    }
}

/// Rings of the body: radius in metres, height as a share of the body's. Feet a little apart, hips, shoulders with arms, top of
/// the head.
const RINGS: [(f64, f64); 4] = [(0.15, 0.0), (0.20, 0.5), (0.24, 0.80), (0.08, 1.0)];
/// Points of a ring: directions at 45 degrees.
const DIRECTIONS: [(f64, f64); 8] = {
    const D: f64 = std::f64::consts::FRAC_1_SQRT_2;
    [(1.0, 0.0), (D, D), (0.0, 1.0), (-D, D), (-1.0, 0.0), (-D, -D), (0.0, -1.0), (D, -D)]
};

/// How far an edge of a sure detector's box is off, as a share of the box's height: left, top, right, bottom. Arms and bags make
/// sides uncertain, steps the bottom.
const SIGMA: Edges = [0.08, 0.04, 0.08, 0.05];
/// And the feet it sees: across, down.
const FEET: [f64; 2] = [0.04, 0.06];
/// Less sure than this, a detector is further off: on drawn pictures our own one's edges by 0.055 of the height at a score of 0.75,
/// 0.12 at 0.55 and 0.16 at 0.35.
pub const SURE: f64 = 0.75;
const VAGUER: f64 = 1.5;
/// It does not get worse than at this score.
const FAINTEST: f64 = 0.3;
/// An edge where somebody nearer begins is off by so many times that.
const COVERED: f64 = 2.0;
/// An edge further off than this many standard deviations belongs to something else: a counter, somebody in front.
const OTHERS: f64 = 3.0;
/// Nobody who shops alone is shorter or taller, m.
const TALL_M: std::ops::RangeInclusive<f64> = 0.95..=2.15;
/// Closer to the border of the picture than this share of its size, an edge is the picture's.
const CUT: f64 = 0.005;
/// Steps of the numeric derivatives, m.
const STEP_M: f64 = 0.01;

/// What a camera needs to know to draw somebody.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    projection: &'a Projection,
    lens: Option<&'a Lens>,
    size: (f64, f64),
    /// How much of a look is news, 0..=1 ([`super::watch::Sights::look`]); the rest it has in common with the look before.
    pub news: f64,
}

/// The box that somebody expected somewhere would make, where their feet would be, and how that changes with where they really are.
pub struct Sketch {
    edges: Edges,
    slopes: [Row; 4],
    feet: Point2,
    feet_slopes: [Row; 2],
}

/// How a box fits a body that was expected somewhere.
#[derive(Clone, Debug)]
pub struct Fit {
    /// -ln of how likely such a box is, in units in which a box exactly where a surely known body is expected costs 0.
    pub cost: f64,
    /// The body with the box taken in.
    pub motion: Motion,
    /// Edges that agreed: left, top, right, bottom.
    pub own: [bool; 4],
    /// How far edges are off from where they were expected, shares of the box's height: of those that agreed and that nobody hides.
    pub off: [Option<f64>; 4],
}

impl Fit {
    /// Takes in a figure that came out `off` pixels larger than `expected` has it. False: it is not theirs.
    fn learn(&mut self, expected: &Motion, row: &Row, off: f64, sigma: f64) -> bool {
        let moved: f64 = (0..STATES).map(|k| row[k] * (self.motion.state[k] - expected.state[k])).sum();
        let surprise = off - moved;
        let variance = self.motion.variance(row, sigma);
        let off = surprise * surprise / variance;
        if off > OTHERS * OTHERS {
            self.cost += OTHERS * OTHERS / 2.0;
            return false;
        }
        self.cost += off / 2.0 + libm::log(variance / (sigma * sigma)) / 2.0;
        self.motion.learn(row, surprise, sigma);
        true
    }
}

impl<'a> View<'a> {
    pub fn of(camera: &'a Camera, layout: &'a Layout) -> Option<View<'a>> {
        let size = (f64::from(camera.size.0), f64::from(camera.size.1));
        let projection = camera.projection.as_ref().filter(|_| size.0 > 0.0 && size.1 > 0.0)?;
        Some(View { projection, lens: layout.lenses.get(&camera.id), size, news: 1.0 })
    }

    /// Of a look of which so much is news.
    pub fn with_news(self, news: f64) -> View<'a> {
        View { news, ..self }
    }

    /// From x, y, width, height in fractions of the picture.
    pub fn edges(&self, [x, y, w, h]: [f64; 4]) -> Edges {
        let (width, height) = self.size;
        [x * width, y * height, (x + w) * width, (y + h) * height]
    }

    /// Where a point of the shop is in the picture; `None` behind the camera.
    fn pixel(&self, at: Point3) -> Option<Point2> {
        let pixel = pixel_of(self.projection, at)?;
        Some(self.lens.map_or(pixel, |lens| lens.distort(pixel)))
    }

    /// The box of somebody who stands at `floor`; `None` when part of them is behind the camera.
    pub fn expect(&self, floor: Point2, height_m: f64) -> Option<Edges> {
        let mut edges = [f64::INFINITY, f64::INFINITY, f64::NEG_INFINITY, f64::NEG_INFINITY];
        for (radius, share) in RINGS {
            for (dx, dy) in DIRECTIONS {
                let at = Point2::new(floor.x + radius * dx, floor.y + radius * dy).at_height(share * height_m);
                let pixel = self.pixel(at)?;
                edges[0] = edges[0].min(pixel.x);
                edges[1] = edges[1].min(pixel.y);
                edges[2] = edges[2].max(pixel.x);
                edges[3] = edges[3].max(pixel.y);
            }
        }
        Some(edges)
    }

    /// How far in front of the camera somebody stands, metres along its axis.
    pub fn depth_m(&self, floor: Point2) -> f64 {
        depth_m(self.projection, floor.at_height(1.0))
    }

    /// The share of a box that lies within the picture.
    pub fn share_in_picture(&self, edges: &Edges) -> f64 {
        inside(edges, &[0.0, 0.0, self.size.0, self.size.1])
    }

    /// `None` when part of them is behind the camera.
    pub fn sketch(&self, motion: &Motion) -> Option<Sketch> {
        let (floor, height) = (motion.floor(), motion.height_m());
        let edges = self.expect(floor, height)?;
        let feet = self.pixel(floor.at_height(0.0))?;
        let (mut slopes, mut feet_slopes) = ([[0.0; STATES]; 4], [[0.0; STATES]; 2]);
        let moved = [
            (0, Point2::new(floor.x + STEP_M, floor.y), height),
            (1, Point2::new(floor.x, floor.y + STEP_M), height),
            (4, floor, height + STEP_M),
        ];
        for (state, floor, height) in moved {
            let there = self.expect(floor, height)?;
            for edge in 0..4 {
                slopes[edge][state] = (there[edge] - edges[edge]) / STEP_M;
            }
            let there = self.pixel(floor.at_height(0.0))?;
            feet_slopes[0][state] = (there.x - feet.x) / STEP_M;
            feet_slopes[1][state] = (there.y - feet.y) / STEP_M;
        }
        Some(Sketch { edges, slopes, feet, feet_slopes })
    }

    /// The people of one look as the picture shows them, with what they hide of each other; `None` for who has no box. Whose feet are
    /// lower in the picture stands nearer. `habits`: how this camera's boxes are off.
    pub fn outlines(&self, people: &[Person], habits: &Habits) -> Vec<Option<Outline>> {
        let edges = |person: &Person| Some(self.edges(person.bounds?));
        let boxes: Vec<Edges> = people.iter().filter_map(edges).collect();
        let free = |of: &Edges| {
            let [left, top, right, bottom] = *of;
            let size = bottom - top;
            let nearer = boxes.iter().filter(|other| other[3] > bottom + 0.02 * size);
            let mut free = [true; 4];
            for other in nearer {
                let across = right.min(other[2]) - left.max(other[0]);
                let down = bottom.min(other[3]) - top.max(other[1]);
                if across <= 0.0 || down <= 0.0 {
                    continue;
                }
                let beside = down > 0.4 * size;
                let (covers_left, covers_right) = (other[0] < left + 0.1 * size, other[2] > right - 0.1 * size);
                free[0] &= !(beside && covers_left);
                free[2] &= !(beside && covers_right);
                free[3] &= across < 0.3 * (right - left);
                free[1] &= !(covers_left && covers_right && other[1] <= top);
            }
            free
        };
        let outline = |person: &Person| {
            let edges = edges(person)?;
            let feet = person.floor.and_then(|floor| self.pixel(floor.at_height(0.0)));
            let (free, cut, off) = (free(&edges), self.cut(&edges), habits.off(edges[3] - edges[1]));
            let edges = [0, 1, 2, 3].map(|edge| if cut[edge] { edges[edge] } else { edges[edge] - off[edge] });
            Some(Outline { edges, free, feet, vague: self.vague(person) })
        };
        people.iter().map(outline).collect()
    }

    /// Edges that are the picture's and not the body's.
    fn cut(&self, edges: &Edges) -> [bool; 4] {
        let (width, height) = self.size;
        let (across, down) = (CUT * width, CUT * height);
        [edges[0] <= across, edges[1] <= down, edges[2] >= width - across, edges[3] >= height - down]
    }

    /// Whether somebody upright, expected there, would make such a box. Some detectors' boxes are of heads, or of shoulders from above.
    pub fn is_of(&self, outline: &Outline, there: &Motion) -> bool {
        let Some(fit) = self.sketch(there).and_then(|sketch| self.fit(there, &sketch, outline)) else { return false };
        let cut = self.cut(&outline.edges);
        (0..4).all(|edge| fit.own[edge] || cut[edge] || !outline.free[edge])
    }

    /// A box held against a body expected there. `None` when too little of it agrees to be the same body: one side and one of
    /// top and bottom.
    pub fn fit(&self, expected: &Motion, sketch: &Sketch, outline: &Outline) -> Option<Fit> {
        let (cut, sigmas) = (self.cut(&outline.edges), self.sigmas(outline));
        let mut fit = Fit { cost: 0.0, motion: expected.clone(), own: [false; 4], off: [None; 4] };
        for edge in (0..4).filter(|&edge| !cut[edge]) {
            let off = outline.edges[edge] - sketch.edges[edge];
            fit.own[edge] = fit.learn(expected, &sketch.slopes[edge], off, sigmas[edge]);
            fit.off[edge] = (fit.own[edge] && outline.free[edge]).then(|| off / outline.size());
        }
        if let Some(feet) = outline.feet {
            let off = [feet.x - sketch.feet.x, feet.y - sketch.feet.y];
            let size = outline.size() * outline.vague;
            for axis in 0..2 {
                fit.learn(expected, &sketch.feet_slopes[axis], off[axis], FEET[axis] * size);
            }
        }
        let [left, top, right, bottom] = fit.own;
        ((left || right) && (top || bottom)).then_some(fit)
    }

    /// How many times further off a person's box, and what was read off it, is than a sure detector's whose look is all news. What a look
    /// has in common with the one before was told then.
    pub fn vague(&self, person: &Person) -> f64 {
        libm::pow(SURE / person.confidence.clamp(FAINTEST, SURE), VAGUER) / self.news.sqrt()
    }

    /// How far each edge is off, pixels.
    fn sigmas(&self, outline: &Outline) -> Edges {
        let size = outline.size() * outline.vague;
        [0, 1, 2, 3].map(|edge| SIGMA[edge] * size * if outline.free[edge] { 1.0 } else { COVERED })
    }

    /// Where somebody stands who was never seen before, from their box alone. `None` when it is not clear at all.
    pub fn place(&self, outline: &Outline, t: ShopTime) -> Option<Motion> {
        let (seen, sigmas) = (&outline.edges, self.sigmas(outline));
        let cut = self.cut(seen);
        let middle = (seen[0] + seen[2]) / 2.0;
        // Where the ray through the feet meets the floor; through the head, a usual person's height, when the feet are cut off.
        let (pixel, height_m) = if cut[3] { ([middle, seen[1]], 1.70) } else { ([middle, seen[3]], 0.0) };
        let pixel = Point2::from(pixel);
        let pixel = self.lens.map_or(pixel, |lens| lens.undistort(pixel));
        let mut motion = Motion::new(t, floor_point(self.projection, pixel, height_m)?, 1.0);
        // The edges are not linear in the place: three rounds of the same measurement around the better guess.
        let prior = motion.clone();
        for _ in 0..3 {
            let Sketch { edges: here, slopes: rows, .. } = self.sketch(&motion)?;
            let around = motion.state;
            motion = prior.clone();
            for edge in (0..4).filter(|&edge| !cut[edge]) {
                let moved: f64 = (0..STATES).map(|k| rows[edge][k] * (motion.state[k] - around[k])).sum();
                motion.learn(&rows[edge], seen[edge] - here[edge] - moved, sigmas[edge]);
            }
        }
        // A body makes the box it was placed by; half of one makes another.
        let here = self.expect(motion.floor(), motion.height_m())?;
        let off = |edge: usize| (seen[edge] - here[edge]).abs() / (SIGMA[edge] * outline.size());
        let agrees = (0..4).all(|edge| cut[edge] || !outline.free[edge] || off(edge) <= OTHERS);
        (agrees && TALL_M.contains(&motion.height_m())).then_some(motion)
    }
}

/// How much of a look is news, 0..=1. Who only says floor points has thought about them, and is believed each time.
pub fn news(view: Option<&View>) -> f64 {
    view.map_or(1.0, |view| view.news)
}

/// Square pixels.
pub fn area(edges: &Edges) -> f64 {
    (edges[2] - edges[0]) * (edges[3] - edges[1])
}

/// Intersection over union.
pub fn overlap(one: &Edges, other: &Edges) -> f64 {
    let shared = inside(one, other) * area(one);
    let either = area(one) + area(other) - shared;
    if either > 0.0 { shared / either } else { 0.0 }
}

/// The share of `small` that lies within `large`.
pub fn inside(small: &Edges, large: &Edges) -> f64 {
    let across = small[2].min(large[2]) - small[0].max(large[0]);
    let down = small[3].min(large[3]) - small[1].max(large[1]);
    let area = area(small);
    if across <= 0.0 || down <= 0.0 || area <= 0.0 { 0.0 } else { across * down / area }
}
