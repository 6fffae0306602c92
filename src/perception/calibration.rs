//! Where a camera hangs, from points of the shop that somebody found in its picture.
//!
//! A point on the floor (or at a known height) and its pixel are two equations. Four points give the pose of a camera whose
//! lens is known; of another one the focal length too, which is searched for: the one whose best pose draws the points
//! nearest to their pixels. Whether the points tell it at all is asked of them: a camera that looks straight down on a flat
//! floor sees the same from higher up through a longer lens. With eight points one term of distortion is tried as well.
//!
//! Poses are OpenCV's (SQPNP, IPPE, then Levenberg-Marquardt); what is wrong by how much is computed with our own lens and
//! pose, as the shop will use them. Lenses measured with a board are `checkerboard`'s.

use crate::base::{Point2, Point3};
use crate::shop::decompose::{Absurd, absurd};
use crate::shop::edit::View;
use crate::shop::lens::Lens;
use crate::shop::pose::Pose;
use crate::shop::projection::{floor_point, pixel_of};
use opencv::calib3d;
use opencv::core::{Mat, Point2d, Point2f, Point3d, Point3f, Size, TermCriteria, Vector};
use opencv::prelude::*;

/// A point of the shop, and where it is in the picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Spot {
    pub name: String,
    pub pixel: (f64, f64),
    /// Metres.
    pub at: Point3,
}

/// A view, and how well it fits its spots.
#[derive(Clone, Debug)]
pub struct Fit {
    pub view: View,
    /// Whether the lens is the one that was given.
    pub lens_given: bool,
    /// Root mean square distance of the spots' pixels from where the view draws them.
    pub rms_px: f64,
    /// Of each spot, in order.
    pub misses: Vec<Miss>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Miss {
    pub px: f64,
    /// How far from the spot its pixel lies in the shop, at the spot's height; `None` when its ray never gets there.
    pub floor_cm: Option<f64>,
}

#[derive(Debug, thiserror::Error)]
pub enum CalibrationError {
    #[error("{0} points are too few: at least 4, far apart")]
    TooFew(usize),
    #[error("{name} is at pixel [{u:.0}, {v:.0}], outside the picture of {width} x {height}")]
    Outside { name: String, u: f64, v: f64, width: u32, height: u32 },
    #[error("all points lie on one line, or nearly; take some that are at least half a metre off it")]
    OnALine,
    #[error(
        "no camera above the floor sees these points at these pixels; is one of them another point, or are x and y swapped?"
    )]
    NoPose,
    #[error(
        "these points do not tell the focal length: from {low:.0} to {high:.0} px all fit. Measure the lens with a \
         checkerboard first, or add points at known heights (on a shelf, a door frame) or far away in the picture"
    )]
    FocalUnknown { low: f64, high: f64 },
    #[error(
        "the points do not fit together: they are {rms_px:.0} px off, {worst} most; is it another point than was meant?"
    )]
    Disagree { rms_px: f64, worst: String },
    #[error("what was found cannot be a camera: {0}")]
    Absurd(#[from] Absurd),
    #[error("{doing}: {cause}")]
    OpenCv { doing: &'static str, cause: opencv::Error },
}

/// Focal lengths that are tried, in widths of the picture: 128 to 14 degrees across.
const FOCAL_MIN: f64 = 0.25;
const FOCAL_MAX: f64 = 4.0;
const FOCAL_STEPS: usize = 48;

/// A focal length is known when one this much longer or shorter fits clearly worse ...
const FOCAL_DOUBT: f64 = 1.15;
/// ... by three standard deviations of somebody who clicks a pixel aside (squares of pixels, summed).
const CLEARLY_PX2: f64 = 9.0;

/// Points for a term of distortion: eight equations over.
const POINTS_FOR_K1: usize = 8;
/// Distortion is believed when it takes this share of the squares away; less is what a term more always takes.
const K1_SHARE: f64 = 0.4;
/// The lens model is for mild lenses (`Lens::undistort`).
const K1_MAX: f64 = 0.4;

/// Points further off than this share of the picture's width are not the points that were meant.
const DISAGREE: f64 = 0.03;

/// Points nearer to one line than this share of the greatest distance between two of them say nothing about turning around it.
const OFF_LINE: f64 = 0.1;

/// The view of a camera whose picture is `size` pixels from at least four spots, of which no three need be on a line.
/// With a `lens`, it is kept; without, focal length (fx = fy) and perhaps `k1` are found and the principal point is the middle.
pub fn place(spots: &[Spot], size: (u32, u32), lens: Option<Lens>) -> Result<Fit, CalibrationError> {
    if spots.len() < 4 {
        return Err(CalibrationError::TooFew(spots.len()));
    }
    let (width, height) = (f64::from(size.0), f64::from(size.1));
    for Spot { name, pixel: (u, v), .. } in spots {
        if !(0.0..=width).contains(u) || !(0.0..=height).contains(v) {
            let (name, u, v) = (name.clone(), *u, *v);
            return Err(CalibrationError::Outside { name, u, v, width: size.0, height: size.1 });
        }
    }
    if on_a_line(spots) {
        return Err(CalibrationError::OnALine);
    }
    let given = lens.is_some();
    let (lens, pose) = match lens {
        Some(lens) => (lens, stand(spots, &lens)?.ok_or(CalibrationError::NoPose)?.1),
        None => find_lens(spots, size)?,
    };
    let fit = Fit::of(View { size, lens, pose }, given, spots);
    if fit.rms_px > DISAGREE * width {
        let worst = fit.worst().map_or(String::new(), |at| spots[at].name.clone());
        return Err(CalibrationError::Disagree { rms_px: fit.rms_px, worst });
    }
    match absurd(&lens, &pose, size) {
        Some(why) => Err(why.into()),
        None => Ok(fit),
    }
}

/// The spot whose absence makes the rest fit at least three times better, and how well: a slip of the mouse, most likely.
/// Asked of six spots or more: fewer fit well without any of them.
pub fn suspect(fit: &Fit, spots: &[Spot], lens: Option<Lens>) -> Option<(usize, f64)> {
    if spots.len() < 6 {
        return None;
    }
    let without = |left_out: usize| {
        let rest: Vec<Spot> =
            spots.iter().enumerate().filter(|(at, _)| *at != left_out).map(|(_, s)| s.clone()).collect();
        Some((left_out, place(&rest, fit.view.size, lens).ok()?.rms_px))
    };
    let best = (0..spots.len()).filter_map(without).min_by(|a, b| a.1.total_cmp(&b.1))?;
    (best.1 * 3.0 < fit.rms_px && fit.rms_px > 1.5).then_some(best)
}

impl Fit {
    /// How well a view, wherever it is from, fits spots.
    pub fn of(view: View, lens_given: bool, spots: &[Spot]) -> Fit {
        let projection = view.lens.projection(&view.pose);
        let miss = |spot: &Spot| {
            let drawn = pixel_of(&projection, spot.at).map(|ideal| view.lens.distort(ideal));
            let px = drawn.map_or(f64::INFINITY, |drawn| (drawn.x - spot.pixel.0).hypot(drawn.y - spot.pixel.1));
            let seen = view.lens.undistort(Point2::new(spot.pixel.0, spot.pixel.1));
            let met = floor_point(&projection, seen, spot.at.z);
            Miss { px, floor_cm: met.map(|met| 100.0 * met.distance(spot.at.floor())) }
        };
        let misses: Vec<Miss> = spots.iter().map(miss).collect();
        let squares: f64 = misses.iter().map(|miss| miss.px * miss.px).sum();
        Fit { view, lens_given, rms_px: (squares / spots.len().max(1) as f64).sqrt(), misses }
    }

    /// Which spot is furthest off.
    pub fn worst(&self) -> Option<usize> {
        (0..self.misses.len()).max_by(|a, b| self.misses[*a].px.total_cmp(&self.misses[*b].px))
    }
}

/// The best pose of a camera with this lens, and its squares of pixels summed. `None`: none sees the spots from above the floor.
fn stand(spots: &[Spot], lens: &Lens) -> Result<Option<(f64, Pose)>, CalibrationError> {
    let doing = "looking for the camera's pose";
    let failed = |cause| CalibrationError::OpenCv { doing, cause };
    let things: Vector<Point3d> = spots.iter().map(|spot| Point3d::new(spot.at.x, spot.at.y, spot.at.z)).collect();
    let pixels: Vector<Point2d> = spots.iter().map(|spot| Point2d::new(spot.pixel.0, spot.pixel.1)).collect();
    let (matrix, bend) = (matrix_of(lens).map_err(failed)?, bend_of(lens).map_err(failed)?);
    let mut best: Option<(f64, Pose)> = None;
    for method in [calib3d::SOLVEPNP_SQPNP, calib3d::SOLVEPNP_IPPE] {
        let (mut turn, mut shift) = (Mat::default(), Mat::default());
        // IPPE refuses points that are not in one plane, and says so as an error.
        let solved = calib3d::solve_pnp(&things, &pixels, &matrix, &bend, &mut turn, &mut shift, false, method);
        if !matches!(solved, Ok(true)) {
            continue;
        }
        calib3d::solve_pnp_refine_lm_def(&things, &pixels, &matrix, &bend, &mut turn, &mut shift).map_err(failed)?;
        let pose = pose_of(&turn, &shift).map_err(failed)?;
        let squares = squares(spots, lens, &pose);
        let is_better = best.is_none_or(|(least, _)| squares < least);
        if pose.position.z > 0.0 && squares.is_finite() && is_better {
            best = Some((squares, pose));
        }
    }
    Ok(best)
}

/// Sum over the spots; infinite when one is behind the camera.
fn squares(spots: &[Spot], lens: &Lens, pose: &Pose) -> f64 {
    let fit = Fit::of(View { size: (0, 0), lens: *lens, pose: *pose }, true, spots);
    fit.rms_px * fit.rms_px * spots.len() as f64
}

fn find_lens(spots: &[Spot], size: (u32, u32)) -> Result<(Lens, Pose), CalibrationError> {
    let (width, height) = (f64::from(size.0), f64::from(size.1));
    let straight = |f: f64| Lens { fx: f, fy: f, cx: width / 2.0, cy: height / 2.0, ..Lens::default() };
    let tried =
        |f: f64| Ok::<_, CalibrationError>(stand(spots, &straight(f))?.map_or(f64::INFINITY, |(squares, _)| squares));
    // Evenly in ratios: a tenth longer is a tenth longer.
    let step = (FOCAL_MAX / FOCAL_MIN).powf(1.0 / FOCAL_STEPS as f64);
    let mut best = (f64::INFINITY, 0.0);
    for n in 0..=FOCAL_STEPS {
        let f = width * FOCAL_MIN * step.powi(n as i32);
        let squares = tried(f)?;
        if squares < best.0 {
            best = (squares, f);
        }
    }
    if best.0.is_infinite() {
        return Err(CalibrationError::NoPose);
    }
    // Golden section between the neighbours; 30 rounds are a millionth.
    let golden = (5f64.sqrt() - 1.0) / 2.0;
    let (mut low, mut high) = (best.1 / step, best.1 * step);
    for _ in 0..30 {
        let (a, b) = (high - golden * (high - low), low + golden * (high - low));
        if tried(a)? < tried(b)? { high = b } else { low = a }
    }
    let f = (low + high) / 2.0;
    let lens = straight(f);
    let (least, pose) = stand(spots, &lens)?.ok_or(CalibrationError::NoPose)?;
    let clearly = |other: f64| Ok::<_, CalibrationError>(tried(other)? > least + CLEARLY_PX2);
    if !clearly(f * FOCAL_DOUBT)? || !clearly(f / FOCAL_DOUBT)? {
        let all_fit = |n: &i32| Ok::<_, CalibrationError>(!clearly(f * FOCAL_DOUBT.powi(*n))?);
        let (mut low, mut high) = (f, f);
        for (end, sign) in [(&mut low, -1), (&mut high, 1)] {
            for n in 1..=8 {
                if !all_fit(&(n * sign))? {
                    break;
                }
                *end = f * FOCAL_DOUBT.powi(n * sign);
            }
        }
        return Err(CalibrationError::FocalUnknown { low, high });
    }
    if spots.len() >= POINTS_FOR_K1
        && let Some((bent, squares, stands)) = bend(spots, size, &lens)?
        && bent.k1.abs() <= K1_MAX
        && squares < least * (1.0 - K1_SHARE)
    {
        return Ok((bent, stands));
    }
    Ok((lens, pose))
}

/// The same with `k1`, from a straight lens that is nearly right.
fn bend(spots: &[Spot], size: (u32, u32), lens: &Lens) -> Result<Option<(Lens, f64, Pose)>, CalibrationError> {
    let doing = "looking for the lens";
    let failed = |cause| CalibrationError::OpenCv { doing, cause };
    let things: Vector<Point3f> =
        spots.iter().map(|spot| Point3f::new(spot.at.x as f32, spot.at.y as f32, spot.at.z as f32)).collect();
    let pixels: Vector<Point2f> =
        spots.iter().map(|spot| Point2f::new(spot.pixel.0 as f32, spot.pixel.1 as f32)).collect();
    let (things, pixels) =
        (Vector::<Vector<Point3f>>::from_iter([things]), Vector::<Vector<Point2f>>::from_iter([pixels]));
    let (mut matrix, mut terms) = (matrix_of(lens).map_err(failed)?, bend_of(lens).map_err(failed)?);
    let (mut turns, mut shifts) = (Vector::<Mat>::new(), Vector::<Mat>::new());
    let fixed = calib3d::CALIB_USE_INTRINSIC_GUESS
        | calib3d::CALIB_FIX_PRINCIPAL_POINT
        | calib3d::CALIB_FIX_ASPECT_RATIO
        | calib3d::CALIB_ZERO_TANGENT_DIST
        | calib3d::CALIB_FIX_K2
        | calib3d::CALIB_FIX_K3;
    let picture = Size::new(size.0 as i32, size.1 as i32);
    let enough = rounds().map_err(failed)?;
    let solved = calib3d::calibrate_camera(
        &things,
        &pixels,
        picture,
        &mut matrix,
        &mut terms,
        &mut turns,
        &mut shifts,
        fixed,
        enough,
    );
    // Points it cannot work with leave the straight lens as it is.
    if solved.is_err() {
        return Ok(None);
    }
    let bent = lens_from(&matrix, &terms).map_err(failed)?;
    Ok(stand(spots, &bent)?.map(|(squares, pose)| (bent, squares, pose)))
}

/// Nearly on one line, seen in the shop.
fn on_a_line(spots: &[Spot]) -> bool {
    let pairs = spots.iter().enumerate().flat_map(|(n, a)| spots[n + 1..].iter().map(move |b| (a.at, b.at)));
    let Some((a, b)) = pairs.max_by(|(a, b), (c, d)| a.distance(*b).total_cmp(&c.distance(*d))) else { return true };
    let longest = a.distance(b);
    let off = |p: Point3| {
        // Twice the triangle's area (Heron) over its base.
        let (c, d) = (a.distance(p), b.distance(p));
        let half = (longest + c + d) / 2.0;
        2.0 * (half * (half - longest) * (half - c) * (half - d)).max(0.0).sqrt() / longest.max(1e-9)
    };
    spots.iter().all(|spot| off(spot.at) <= OFF_LINE * longest)
}

/// Enough for what changes in the ninth digit.
pub(super) fn rounds() -> opencv::Result<TermCriteria> {
    use opencv::core::{TermCriteria_COUNT, TermCriteria_EPS};
    TermCriteria::new(TermCriteria_COUNT + TermCriteria_EPS, 100, 1e-9)
}

fn matrix_of(lens: &Lens) -> opencv::Result<Mat> {
    Mat::from_slice_2d(&[[lens.fx, 0.0, lens.cx], [0.0, lens.fy, lens.cy], [0.0, 0.0, 1.0]])
}

/// `k1 k2 p1 p2 k3`.
fn bend_of(lens: &Lens) -> opencv::Result<Mat> {
    Mat::from_slice_2d(&[[lens.k1, lens.k2, lens.p1, lens.p2, lens.k3]])
}

pub(super) fn lens_from(matrix: &Mat, terms: &Mat) -> opencv::Result<Lens> {
    let m = |row, column| matrix.at_2d::<f64>(row, column).copied();
    let term = |n: i32| terms.at::<f64>(n).copied();
    let (k1, k2, p1, p2, k3) = (term(0)?, term(1)?, term(2)?, term(3)?, term(4)?);
    Ok(Lens { fx: m(0, 0)?, fy: m(1, 1)?, cx: m(0, 2)?, cy: m(1, 2)?, k1, k2, p1, p2, k3 })
}

/// OpenCV turns the shop into the camera's frame; we place the camera in the shop.
fn pose_of(turn: &Mat, shift: &Mat) -> opencv::Result<Pose> {
    let of =
        |vector: &Mat| Ok::<_, opencv::Error>([*vector.at::<f64>(0)?, *vector.at::<f64>(1)?, *vector.at::<f64>(2)?]);
    Ok(Pose::new(Point3::from(of(shift)?), of(turn)?).inverse())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    const SIZE: (u32, u32) = (640, 480);

    fn view(eye: [f64; 3], target: [f64; 3], f: f64, k1: f64) -> View {
        let lens = Lens { fx: f, fy: f, cx: 320.0, cy: 240.0, k1, ..Lens::default() };
        View { size: SIZE, lens, pose: Pose::looking_at(eye.into(), target.into()).unwrap() }
    }

    /// Where a view shows points, clicked up to `aside_px` aside, both ways.
    fn clicked(view: &View, at: &[[f64; 3]], aside_px: f64, seed: u64) -> Vec<Spot> {
        let mut chance = ChaCha8Rng::seed_from_u64(seed);
        let mut aside = || chance.random_range(-1.0..=1.0) * aside_px;
        let spot = |at: &[f64; 3]| {
            let ideal = pixel_of(&view.lens.projection(&view.pose), (*at).into()).expect("before the camera");
            let seen = view.lens.distort(ideal);
            let pixel = (seen.x + aside(), seen.y + aside());
            Spot { name: format!("{at:?}"), pixel, at: (*at).into() }
        };
        at.iter().map(spot).collect()
    }

    /// How far off the floor is at worst, cm, among and between the points: what the shop will feel.
    fn floor_off_cm(real: &View, found: &View, at: &[[f64; 3]]) -> f64 {
        let off = |p: Point2| {
            let seen = real.lens.distort(pixel_of(&real.lens.projection(&real.pose), p.at_height(0.0))?);
            let ideal = found.lens.undistort(seen);
            Some(100.0 * floor_point(&found.lens.projection(&found.pose), ideal, 0.0)?.distance(p))
        };
        let points = at.iter().map(|[x, y, _]| Point2::new(*x, *y));
        let between =
            at.iter().zip(at.iter().skip(1)).map(|(a, b)| Point2::new((a[0] + b[0]) / 2.0, (a[1] + b[1]) / 2.0));
        points.chain(between).map(|p| off(p).unwrap_or(f64::INFINITY)).fold(0.0, f64::max)
    }

    const FOUR: &[[f64; 3]] = &[[1.2, 1.2, 0.0], [4.0, 1.5, 0.0], [1.5, 4.0, 0.0], [4.0, 4.0, 0.0]];
    const NINE: &[[f64; 3]] = &[
        [1.2, 1.2, 0.0],
        [4.0, 1.5, 0.0],
        [1.5, 4.0, 0.0],
        [4.0, 4.0, 0.0],
        [2.5, 2.5, 0.0],
        [2.5, 1.2, 0.0],
        [1.2, 2.5, 0.0],
        [4.0, 2.8, 0.0],
        [3.0, 4.0, 0.0],
    ];
    const SHELVES: &[[f64; 3]] =
        &[[1.2, 1.2, 0.9], [4.0, 1.5, 0.9], [1.5, 3.2, 1.4], [4.0, 4.0, 0.0], [2.4, 1.8, 0.0], [2.0, 3.0, 0.0]];

    #[test]
    fn a_camera_is_found_where_it_hangs() {
        let corner = |f, k1| view([0.1, 0.1, 2.6], [2.6, 2.6, 0.6], f, k1);
        let above = view([2.6, 2.4, 3.2], [2.6, 2.41, 0.0], 330.0, 0.0);
        let know = |view: &View| Some(view.lens);
        // Clicked up to a pixel aside; the worst of twenty times, of the floor, the position and the focal length.
        for (story, real, at, lens, aside_px, floor_cm, hangs_cm, focal) in [
            (
                "four points, known lens, exactly",
                corner(416.0, 0.0),
                FOUR,
                know(&corner(416.0, 0.0)),
                0.0,
                0.01,
                0.01,
                0.0,
            ),
            ("nine points, nothing known, exactly", corner(380.0, 0.0), NINE, None, 0.0, 0.1, 0.1, 1e-4),
            ("four points, known lens", corner(416.0, 0.0), FOUR, know(&corner(416.0, 0.0)), 1.0, 5.0, 5.0, 0.0),
            ("four points, known bent lens", corner(416.0, -0.2), FOUR, know(&corner(416.0, -0.2)), 1.0, 5.0, 5.0, 0.0),
            ("four points, unknown lens", corner(416.0, 0.0), FOUR, None, 1.0, 6.0, 25.0, 0.06),
            ("nine points, unknown lens", corner(416.0, 0.0), NINE, None, 1.0, 4.0, 15.0, 0.04),
            ("nine points, unknown bent lens", corner(416.0, -0.25), NINE, None, 1.0, 8.0, 40.0, 0.10),
            ("shelves' corners too, unknown lens", corner(416.0, 0.0), SHELVES, None, 1.0, 4.0, 15.0, 0.05),
            ("from the ceiling, known lens", above, NINE, know(&above), 1.0, 3.0, 5.0, 0.0),
            ("from the ceiling, with shelves, unknown lens", above, SHELVES, None, 1.0, 4.0, 25.0, 0.08),
        ] {
            let (mut worst, mut refused): ([f64; 3], usize) = ([0.0; 3], 0);
            for seed in 0..20 {
                let spots = clicked(&real, at, aside_px, seed);
                let fit = match place(&spots, SIZE, lens) {
                    Ok(fit) => fit,
                    Err(CalibrationError::FocalUnknown { .. }) => {
                        refused += 1;
                        continue;
                    }
                    Err(error) => panic!("{story}, seed {seed}: {error}"),
                };
                let off = floor_off_cm(&real, &fit.view, at);
                let hangs = 100.0 * fit.view.pose.position.distance(real.pose.position);
                let longer = (fit.view.lens.fx / real.lens.fx - 1.0).abs();
                worst = [worst[0].max(off), worst[1].max(hangs), worst[2].max(longer)];
                assert!(fit.rms_px <= 1.5 * aside_px.max(0.01), "{story}, seed {seed}: {} px", fit.rms_px);
            }
            println!("{story}: {:.2} cm, {:.2} cm, {:.2} %, {refused} refused", worst[0], worst[1], 100.0 * worst[2]);
            assert!(refused <= 2, "{story}: {refused} times the focal length was said to be unknown");
            assert!(
                worst[0] <= floor_cm && worst[1] <= hangs_cm && worst[2] <= focal + 1e-9,
                "{story}: floor {:.2} cm, position {:.2} cm, focal length {:.4}",
                worst[0],
                worst[1],
                worst[2]
            );
        }
    }

    #[test]
    fn what_points_do_not_say_is_not_made_up() {
        let corner = view([0.1, 0.1, 2.6], [2.6, 2.6, 0.6], 416.0, 0.0);
        let above = view([2.6, 2.4, 3.2], [2.6, 2.41, 0.0], 330.0, 0.0);
        let swapped = {
            let mut spots = clicked(&corner, NINE, 1.0, 1);
            spots.iter_mut().for_each(|spot| spot.at = Point3::new(spot.at.y, spot.at.x, spot.at.z));
            spots
        };
        let line: Vec<[f64; 3]> = (0..6).map(|n| [1.0 + 0.5 * f64::from(n), 2.0, 0.0]).collect();
        let mut aside = clicked(&corner, NINE, 1.0, 1);
        aside[3].pixel.0 = 700.0;
        let mut other = clicked(&corner, FOUR, 1.0, 1);
        other[2].at = Point3::new(4.0, 0.2, 0.0);
        for (story, spots, lens, says) in [
            ("three", clicked(&corner, &FOUR[..3], 0.0, 1), None, "TooFew"),
            ("outside", aside, None, "Outside"),
            ("on a line", clicked(&corner, &line, 1.0, 1), Some(corner.lens), "OnALine"),
            ("straight down on a floor", clicked(&above, NINE, 1.0, 1), None, "FocalUnknown"),
            ("x and y swapped: a mirror", swapped, Some(corner.lens), "NoPose|Disagree|Absurd"),
            ("one is another point", other, Some(corner.lens), "NoPose|Disagree|Absurd"),
        ] {
            let error = format!("{:?}", place(&spots, SIZE, lens).expect_err(story));
            assert!(says.split('|').any(|name| error.starts_with(name)), "{story}: {error}");
        }
    }

    #[test]
    fn a_slip_of_the_mouse_has_a_name() {
        let corner = view([0.1, 0.1, 2.6], [2.6, 2.6, 0.6], 416.0, 0.0);
        let mut spots = clicked(&corner, NINE, 0.5, 3);
        let fit = place(&spots, SIZE, Some(corner.lens)).unwrap();
        assert_eq!(suspect(&fit, &spots, Some(corner.lens)), None, "all are where they should be");
        spots[4].pixel.0 += 15.0;
        let fit = place(&spots, SIZE, Some(corner.lens)).unwrap();
        let (at, rms_px) = suspect(&fit, &spots, Some(corner.lens)).unwrap();
        assert!(at == 4 && rms_px < 1.0 && fit.rms_px > 3.0, "{at}: {rms_px} of {} px", fit.rms_px);
        assert!(fit.misses[4].floor_cm.unwrap() > 3.0, "{:?}", fit.misses);
    }
}
