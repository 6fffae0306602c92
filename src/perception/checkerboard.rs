//! A lens, from pictures of a checkerboard that somebody holds into them at a slant, near and far, in every corner.
//!
//! A board is found in a grey picture, its corners to a tenth of a pixel. Pictures in which it is where it already was say
//! nothing new. From eight different ones on, focal lengths, principal point and distortion (`k1 k2 p1 p2`) are what
//! draws all boards best (Zhang's method); boards that do not fit the others (blurred by movement) are left out, once,
//! and said. Where the camera hangs is `calibration`'s.

use super::calibration::{lens_from, rounds};
use crate::base::Point3;
use crate::sensors::camera::Frame;
use crate::shop::lens::Lens;
use crate::shop::pose::Pose;
use opencv::calib3d::{self, CALIB_CB_ADAPTIVE_THRESH, CALIB_CB_FAST_CHECK, CALIB_CB_NORMALIZE_IMAGE};
use opencv::core::{Mat, Point2f, Point3f, Size, Vector};
use opencv::imgproc;
use opencv::prelude::*;

/// Views of the board, at least: with fewer, distortion fits what it should not.
pub const VIEWS_MIN: usize = 8;
/// More say little more.
pub const VIEWS_ENOUGH: usize = 20;

/// A board has to be elsewhere by this share of the picture's width to be another view.
const ELSEWHERE: f64 = 0.04;

/// A view is bad when its corners are off by more than this, pixels, and by more than twice what views usually are.
const BAD_PX: f64 = 1.0;

/// Boards that face the camera look the same from further off through a longer lens: this many have to be held at least
/// this much, radians (12 degrees), at a slant.
const SLANTED: usize = 4;
const SLANT_RAD: f64 = 0.21;

/// And a focal length should be known to this share at least.
const FOCAL_KNOWN: f64 = 0.02;

/// Corners within the board, where four squares meet: across and down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Board {
    pub across: u32,
    pub down: u32,
    pub square_um: u32,
}

/// The board's corners in a picture, pixels, row by row.
pub type Corners = Vec<(f32, f32)>;

#[derive(Clone, Debug)]
pub struct BoardFit {
    pub lens: Lens,
    /// How well the focal length is known, one standard deviation in pixels.
    pub focal_std_px: f64,
    /// Of the views that were used.
    pub rms_px: f64,
    /// Of every view, in order: how far its corners are off, and whether it was used.
    pub views: Vec<(f64, bool)>,
    /// How much of the picture's width and height boards have been in.
    pub reach: (f64, f64),
}

#[derive(Debug, thiserror::Error)]
pub enum BoardError {
    #[error(
        "the board was seen in {0} different places, at least {VIEWS_MIN} are needed: near and far, in every corner, at a slant"
    )]
    TooFew(usize),
    #[error(
        "only {good} of {all} views fit together: hold the board still, keep it flat, count its inner corners again"
    )]
    Blurred { good: usize, all: usize },
    #[error(
        "the focal length stays open: only {slanted} views are at a slant; hold the board at 30 degrees or so, in several directions"
    )]
    Frontal { slanted: usize },
    #[error("{doing}: {cause}")]
    OpenCv { doing: &'static str, cause: opencv::Error },
}

/// The board in a picture; `None` when not all of it is seen.
pub fn find(frame: &Frame, board: Board) -> Result<Option<Corners>, BoardError> {
    let failed = |cause| BoardError::OpenCv { doing: "looking for the board", cause };
    let grey =
        Mat::new_rows_cols_with_data(frame.height() as i32, frame.width() as i32, frame.luma()).map_err(failed)?;
    let pattern = Size::new(board.across as i32, board.down as i32);
    let how = CALIB_CB_ADAPTIVE_THRESH | CALIB_CB_NORMALIZE_IMAGE | CALIB_CB_FAST_CHECK;
    let mut corners = Vector::<Point2f>::new();
    if !calib3d::find_chessboard_corners(&grey, pattern, &mut corners, how).map_err(failed)? {
        return Ok(None);
    }
    // The window must not reach the next corner.
    let apart = corners.iter().zip(corners.iter().skip(1)).map(|(a, b)| (a.x - b.x).hypot(a.y - b.y));
    let window = (apart.fold(f32::INFINITY, f32::min) / 3.0).clamp(2.0, 11.0) as i32;
    let none = Size::new(-1, -1);
    let enough = rounds().map_err(failed)?;
    imgproc::corner_sub_pix(&grey, &mut corners, Size::new(window, window), none, enough).map_err(failed)?;
    Ok(Some(corners.iter().map(|corner| (corner.x, corner.y)).collect()))
}

/// Whether the board is elsewhere than in all of `known`, or otherwise slanted.
pub fn is_new(corners: &Corners, known: &[Corners], width: u32) -> bool {
    let apart = |other: &Corners| {
        let sum: f32 = corners.iter().zip(other).map(|(a, b)| (a.0 - b.0).hypot(a.1 - b.1)).sum();
        f64::from(sum) / corners.len().max(1) as f64
    };
    known.iter().all(|other| apart(other) > ELSEWHERE * f64::from(width))
}

/// The lens that draws all these boards best. `size` is the picture's, pixels.
pub fn lens(views: &[Corners], board: Board, size: (u32, u32)) -> Result<BoardFit, BoardError> {
    if views.len() < VIEWS_MIN {
        return Err(BoardError::TooFew(views.len()));
    }
    let all: Vec<usize> = (0..views.len()).collect();
    let first = solve(views, &all, board, size)?;
    let mut sorted = first.off_px.clone();
    sorted.sort_by(f64::total_cmp);
    let usual = sorted[sorted.len() / 2];
    let good: Vec<usize> = all.iter().copied().filter(|at| first.off_px[*at] <= BAD_PX.max(2.0 * usual)).collect();
    if good.len() < VIEWS_MIN || usual > 2.0 * BAD_PX {
        let good = if usual > 2.0 * BAD_PX { 0 } else { good.len() };
        return Err(BoardError::Blurred { good, all: views.len() });
    }
    let solved = if good.len() < views.len() { solve(views, &good, board, size)? } else { first.clone() };
    let slanted = solved.slants_rad.iter().filter(|slant| **slant >= SLANT_RAD).count();
    if slanted < SLANTED || solved.focal_std_px > FOCAL_KNOWN * solved.lens.fx {
        return Err(BoardError::Frontal { slanted });
    }
    let mut told: Vec<(f64, bool)> = first.off_px.iter().map(|off_px| (*off_px, false)).collect();
    for (at, off_px) in good.iter().zip(&solved.off_px) {
        told[*at] = (*off_px, true);
    }
    let used = good.iter().flat_map(|at| &views[*at]);
    let low_high = used
        .fold([f32::INFINITY, f32::NEG_INFINITY, f32::INFINITY, f32::NEG_INFINITY], |[a, b, c, d], p| {
            [a.min(p.0), b.max(p.0), c.min(p.1), d.max(p.1)]
        });
    let [left, right, top, bottom] = low_high.map(f64::from);
    let reach = ((right - left) / f64::from(size.0), (bottom - top) / f64::from(size.1));
    Ok(BoardFit { lens: solved.lens, focal_std_px: solved.focal_std_px, rms_px: solved.rms_px, views: told, reach })
}

#[derive(Clone)]
struct Solved {
    lens: Lens,
    focal_std_px: f64,
    rms_px: f64,
    off_px: Vec<f64>,
    /// Between each board and one that faces the camera.
    slants_rad: Vec<f64>,
}

fn solve(views: &[Corners], which: &[usize], board: Board, size: (u32, u32)) -> Result<Solved, BoardError> {
    let failed = |cause| BoardError::OpenCv { doing: "computing the lens", cause };
    let square_m = board.square_um as f32 / 1e6;
    let flat: Vector<Point3f> = (0..board.down)
        .flat_map(|row| (0..board.across).map(move |column| (row, column)))
        .map(|(row, column)| Point3f::new(column as f32 * square_m, row as f32 * square_m, 0.0))
        .collect();
    let boards: Vector<Vector<Point3f>> = which.iter().map(|_| flat.clone()).collect();
    let pixels: Vector<Vector<Point2f>> =
        which.iter().map(|at| views[*at].iter().map(|(x, y)| Point2f::new(*x, *y)).collect::<Vector<_>>()).collect();
    let (mut matrix, mut terms) = (Mat::default(), Mat::default());
    let (mut turns, mut shifts) = (Vector::<Mat>::new(), Vector::<Mat>::new());
    let (mut lens_std, mut pose_std, mut off) = (Mat::default(), Mat::default(), Mat::default());
    let rms_px = calib3d::calibrate_camera_extended(
        &boards,
        &pixels,
        Size::new(size.0 as i32, size.1 as i32),
        &mut matrix,
        &mut terms,
        &mut turns,
        &mut shifts,
        &mut lens_std,
        &mut pose_std,
        &mut off,
        // A third radial term fits noise at the edges; mild lenses do without.
        calib3d::CALIB_FIX_K3,
        rounds().map_err(failed)?,
    )
    .map_err(failed)?;
    let off_px =
        (0..which.len()).map(|at| off.at::<f64>(at as i32).copied()).collect::<Result<_, _>>().map_err(failed)?;
    let focal_std_px = *lens_std.at::<f64>(0).map_err(failed)?;
    let slant = |turn: Mat| {
        let turn = [*turn.at::<f64>(0)?, *turn.at::<f64>(1)?, *turn.at::<f64>(2)?];
        let pose = Pose::new(Point3::default(), turn);
        Ok(libm::acos(pose.rotation[2][2].abs().min(1.0)))
    };
    let slants_rad = turns.iter().map(slant).collect::<Result<_, _>>().map_err(failed)?;
    Ok(Solved { lens: lens_from(&matrix, &terms).map_err(failed)?, focal_std_px, rms_px, off_px, slants_rad })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Point2, ShopTime};

    const SIZE: (usize, usize) = (640, 480);
    const BOARD: Board = Board { across: 9, down: 6, square_um: 25_000 };
    const REAL: Lens =
        Lens { fx: 520.0, fy: 520.0, cx: 326.0, cy: 235.0, k1: -0.22, k2: 0.05, p1: 0.0, p2: 0.0, k3: 0.0 };

    /// Four rays a pixel, bent back once for all pictures.
    fn rays() -> Vec<(f64, f64)> {
        let (width, height) = SIZE;
        let spots = (0..height).flat_map(|y| {
            (0..width).flat_map(move |x| {
                [(0.25, 0.25), (0.75, 0.25), (0.25, 0.75), (0.75, 0.75)]
                    .map(|(dx, dy)| (x as f64 + dx - 0.5, y as f64 + dy - 0.5))
            })
        });
        let ray = |(x, y)| {
            let ideal = REAL.undistort(Point2::new(x, y));
            ((ideal.x - REAL.cx) / REAL.fx, (ideal.y - REAL.cy) / REAL.fy)
        };
        spots.map(ray).collect()
    }

    /// A board whose middle is at `at` (metres before the camera), turned by `turn`; `bent` as by a wind, metres.
    fn picture(rays: &[(f64, f64)], at: [f64; 3], turn: [f64; 3], bent: f64) -> Frame {
        let pose = Pose::new(at.into(), turn);
        let (middle, normal) = (pose.position, pose.rotation.map(|row| row[2]));
        let towards = normal[0] * middle.x + normal[1] * middle.y + normal[2] * middle.z;
        let level = |(rx, ry): (f64, f64)| {
            let t = towards / (normal[0] * rx + normal[1] * ry + normal[2]);
            let p = pose.locate(Point3::new(t * rx, t * ry, t));
            // In squares from the board's corner; the white margin is one square wide.
            let x = (p.x + bent * (p.y * 40.0).sin()) / 0.025 + 5.0;
            let y = p.y / 0.025 + 3.5;
            if !(-1.0..11.0).contains(&x) || !(-1.0..8.0).contains(&y) || t <= 0.0 {
                return 120.0;
            }
            let inside = (0.0..10.0).contains(&x) && (0.0..7.0).contains(&y);
            if inside && (x as i32 + y as i32) % 2 == 0 { 25.0 } else { 230.0 }
        };
        let grey = rays.chunks_exact(4).map(|four| (four.iter().map(|ray| level(*ray)).sum::<f64>() / 4.0) as u8);
        let rgb: Vec<u8> = grey.flat_map(|level| [level; 3]).collect();
        Frame::from_rgb(SIZE, &rgb, ShopTime(0)).unwrap()
    }

    /// Near and far, in every corner, at a slant.
    const HELD: &[([f64; 3], [f64; 3])] = &[
        ([0.0, 0.0, 0.45], [0.0, 0.0, 0.0]),
        ([-0.1, -0.07, 0.5], [0.5, 0.0, 0.0]),
        ([0.12, -0.08, 0.5], [0.0, 0.5, 0.1]),
        ([-0.12, 0.08, 0.5], [-0.5, 0.2, 0.0]),
        ([0.1, 0.08, 0.5], [0.0, -0.6, 0.0]),
        ([0.0, 0.05, 0.6], [0.6, 0.3, 0.2]),
        ([0.15, 0.0, 0.6], [-0.4, -0.4, 0.0]),
        ([-0.18, -0.02, 0.6], [0.3, 0.6, -0.2]),
        ([-0.02, -0.12, 0.55], [-0.6, 0.0, 0.3]),
        ([0.2, 0.14, 0.7], [0.2, -0.5, 0.1]),
        ([-0.2, 0.14, 0.7], [0.4, 0.4, 0.0]),
    ];

    #[test]
    fn a_bent_lens_is_found_from_boards_and_a_board_in_the_wind_is_left_out() {
        let rays = rays();
        let look = |at, turn, bent| find(&picture(&rays, at, turn, bent), BOARD).unwrap();
        let mut views: Vec<Corners> = Vec::new();
        for (n, (at, turn)) in HELD.iter().enumerate() {
            let corners = look(*at, *turn, 0.0).unwrap_or_else(|| panic!("board {n} was not found"));
            assert!(is_new(&corners, &views, SIZE.0 as u32), "board {n} is another view");
            views.push(corners);
        }
        assert!(!is_new(&views[3].iter().map(|(x, y)| (x + 5.0, y - 5.0)).collect(), &views, 640), "hardly moved");
        let size = (SIZE.0 as u32, SIZE.1 as u32);
        let fit = lens(&views, BOARD, size).unwrap();
        let Lens { fx, fy, cx, cy, .. } = fit.lens;
        println!("{:?}: {:.3} px, focal +- {:.2}", fit.lens, fit.rms_px, fit.focal_std_px);
        assert!((fx - 520.0).abs() < 2.0 && (fy - 520.0).abs() < 2.0, "{:?}", fit.lens);
        assert!((cx - 326.0).abs() < 2.0 && (cy - 235.0).abs() < 2.0, "{:?}", fit.lens);
        assert!(fit.rms_px < 0.2 && fit.views.iter().all(|(_, used)| *used), "{fit:?}");
        // What it is for: pixels become straight as the real lens would have them.
        for seen in [[320.0, 240.0], [60.0, 60.0], [600.0, 430.0], [60.0, 430.0]] {
            let ray = |lens: &Lens| {
                let ideal = lens.undistort(seen.into());
                Point2::new((ideal.x - lens.cx) / lens.fx, (ideal.y - lens.cy) / lens.fy)
            };
            let off_px = 520.0 * ray(&fit.lens).distance(ray(&REAL));
            assert!(off_px < 1.5, "{seen:?} is {off_px} px off");
        }

        let bent = look([0.02, 0.02, 0.52], [0.2, 0.2, 0.0], 0.004).expect("found though it is bent");
        views.insert(4, bent);
        let fit = lens(&views, BOARD, size).unwrap();
        let left_out: Vec<usize> = (0..views.len()).filter(|at| !fit.views[*at].1).collect();
        assert_eq!(left_out, [4], "{:?}", fit.views);
        assert!((fit.lens.fx - 520.0).abs() < 2.0, "{:?}", fit.lens);

        let error = |views: &[Corners]| format!("{:?}", lens(views, BOARD, size).expect_err("too little"));
        assert!(error(&views[..7]).starts_with("TooFew(7)"));
        let frontal: Vec<Corners> = (0..8)
            .map(|n| look([0.03 * f64::from(n) - 0.1, 0.0, 0.6], [0.0; 3], 0.0).expect("a board that faces the camera"))
            .collect();
        assert!(error(&frontal).starts_with("Frontal"), "{}", error(&frontal));
        let other = Board { across: 8, ..BOARD };
        assert_eq!(find(&picture(&rays, HELD[0].0, HELD[0].1, 0.0), other).unwrap(), None, "another board");
    }
}
