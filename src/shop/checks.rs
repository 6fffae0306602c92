//! Does the floor plan make sense? Shelves stand on the floor and not in each other, lines can be crossed, cameras look
//! at something. Each check is a pure function of the layout; lines come along for the problems.

use super::decompose::{absurd, decompose};
use super::floor_plan::PlanLines;
use super::lens::Lens;
use super::problems::{Problems, some};
use super::projection::pixel_of;
use super::{Camera, GateDirection, Layout, Shelf};
use crate::base::geometry::{Line, within};
use crate::base::{Point2, ShelfId};

/// A drawing made with a tape measure is off by this much, metres: what is closer to a border is on it.
const SLACK_M: f64 = 0.05;

/// Surfaces of two shelves closer in height than this are at one height, metres. The closest real ones measured were
/// 0.22 m apart.
const SAME_HEIGHT_M: f64 = 0.05;

/// A gate line may stand this far outside the outline, metres: a porch.
const PORCH_M: f64 = 1.0;

pub fn check(layout: &Layout, lines: &PlanLines, problems: &mut Problems) {
    let outline_holds = polygon(&layout.outline, "the outline", lines.outline, problems);
    for (zone, line) in layout.zones.iter().zip(&lines.zones) {
        polygon(&zone.polygon, "the polygon of a zone", *line, problems);
    }
    let outline = if outline_holds { layout.outline.as_slice() } else { &[] };
    for (id, gate) in &layout.gates {
        let at = lines.gates.get(id).copied().flatten();
        crossing(&gate.line, &format!("gate {id}"), outline, at, problems);
        if gate.line.distance(gate.reader) > 5.0 {
            problems
                .warning(at, format!("the reader of gate {id} is more than 5 m from its line"))
                .try_this("put it where a person stands to tap");
        }
    }
    for (line, at) in layout.exit_lines.iter().zip(&lines.exit_lines) {
        crossing(line, "an exit line", outline, *at, problems);
    }
    doors(layout, lines, problems);
    shelves(layout, outline, lines, problems);
    cameras(layout, lines, problems);
}

/// Whether a polygon has an area and does not cross itself.
fn polygon(points: &[Point2], name: &str, at: Option<usize>, problems: &mut Problems) -> bool {
    if points.len() < 3 {
        return false; // said when it was read
    }
    let n = points.len();
    let edge = |i: usize| (points[i], points[(i + 1) % n]);
    let crosses = (0..n).any(|i| (i + 2..n).any(|j| (j + 1) % n != i && segments_cross(edge(i), edge(j))));
    if crosses {
        problems.error(at, format!("{name} crosses itself")).try_this("list its corners in order, once around");
        return false;
    }
    if area(points).abs() < 1e-6 {
        problems.error(at, format!("{name} has no area")).try_this("its points lie on one line");
        return false;
    }
    true
}

/// Twice signed: positive when the corners run counter-clockwise.
fn area(points: &[Point2]) -> f64 {
    let next = points.iter().cycle().skip(1);
    points.iter().zip(next).map(|(a, b)| a.x * b.y - b.x * a.y).sum()
}

fn side(a: Point2, b: Point2, p: Point2) -> f64 {
    (b.x - a.x) * (p.y - a.y) - (b.y - a.y) * (p.x - a.x)
}

fn segments_cross((a, b): (Point2, Point2), (c, d): (Point2, Point2)) -> bool {
    side(a, b, c) * side(a, b, d) < 0.0 && side(c, d, a) * side(c, d, b) < 0.0
}

fn edge_distance(polygon: &[Point2], p: Point2) -> f64 {
    let next = polygon.iter().cycle().skip(1);
    let edges = polygon.iter().zip(next).map(|(a, b)| Line { from: *a, to: *b, inside: *a }.distance(p));
    edges.fold(f64::INFINITY, f64::min)
}

/// Within the polygon or at most `slack` metres outside. True of everything when the polygon is unusable: one wrong
/// outline is one problem, not one a shelf.
fn is_on(polygon: &[Point2], p: Point2, slack: f64) -> bool {
    polygon.is_empty() || within(polygon, p) || edge_distance(polygon, p) <= slack
}

/// A line people cross, and the side that is the shop.
fn crossing(line: &Line, name: &str, outline: &[Point2], at: Option<usize>, problems: &mut Problems) {
    let length = line.from.distance(line.to);
    if length < SLACK_M {
        problems.error(at, format!("the line of {name} has no length")).try_this("give its two ends");
        return;
    }
    if (side(line.from, line.to, line.inside) / length).abs() < 0.01 {
        problems
            .error(at, format!("the inside point of {name} lies on its line"))
            .try_this("move it into the shop, so that in and out can be told apart");
    } else if !is_on(outline, line.inside, SLACK_M) {
        problems
            .error(at, format!("the inside point of {name} lies outside the outline"))
            .try_this("in and out would be swapped; move it into the shop");
    }
    if !is_on(outline, line.from.toward(line.to, 0.5), PORCH_M) {
        problems.error(at, format!("the line of {name} is outside the shop")).try_this("it belongs on the outline");
    }
}

fn doors(layout: &Layout, lines: &PlanLines, problems: &mut Problems) {
    let way_out = layout.gates.values().any(|gate| gate.direction != GateDirection::In);
    // A gate or line that could not be read has been said.
    let all_read = lines.gates.len() == layout.gates.len() && lines.exit_lines.len() == layout.exit_lines.len();
    if !way_out && layout.exit_lines.is_empty() && all_read {
        problems
            .error(None, "nobody can leave: there is no gate that leads out and no exit line")
            .try_this("add [[gates]] with direction = \"both\", or [[exit_lines]]");
    }
    if lines.gates.is_empty() {
        problems.warning(None, "there is no gate: nobody can tap").try_this("add [[gates]]");
    }
}

fn shelves(layout: &Layout, outline: &[Point2], lines: &PlanLines, problems: &mut Problems) {
    let at = |id: &ShelfId| lines.shelves.get(id).copied().flatten();
    for (id, shelf) in &layout.shelves {
        if shelf.corners.iter().any(|corner| !is_on(outline, corner.floor(), SLACK_M)) {
            problems
                .error(at(id), format!("shelf {id} is outside the outline"))
                .try_this(format!("its middle is at {}", place(shelf.centre().floor())));
        } else if shelf.corners.iter().any(|corner| corner.z < 0.0) {
            problems.error(at(id), format!("shelf {id} is below the floor")).try_this("z counts up from the floor");
        }
        if shelf.plates.is_empty() {
            problems.warning(at(id), format!("shelf {id} has no plates")).try_this("nothing on it will be weighed");
        }
    }
    let all: Vec<(&ShelfId, &Shelf)> = layout.shelves.iter().collect();
    for (i, (id, shelf)) in all.iter().enumerate() {
        for (other_id, other) in &all[i + 1..] {
            let height = (shelf.centre().z - other.centre().z).abs();
            if height < SAME_HEIGHT_M && overlap(shelf, other) {
                let later = at(id).max(at(other_id));
                problems
                    .error(later, format!("shelves {id} and {other_id} are in the same place"))
                    .try_this(format!("around {}", place(other.centre().floor())));
            }
        }
    }
    if lines.shelves.is_empty() {
        problems.error(None, "there is no shelf").try_this("add [[bays]] with [[bays.shelves]]");
    }
}

fn place(p: Point2) -> String {
    format!("[{:.2}, {:.2}]", p.x, p.y)
}

/// Whether two shelves seen from above share ground, by more than 1 cm. Two convex shapes are apart exactly when some
/// edge of one has the other wholly behind it.
fn overlap(a: &Shelf, b: &Shelf) -> bool {
    let (a, b) = (a.corners.map(|c| c.floor()), b.corners.map(|c| c.floor()));
    !(separated(&a, &b) || separated(&b, &a))
}

fn separated(a: &[Point2; 4], b: &[Point2; 4]) -> bool {
    let turn = area(a).signum();
    (0..4).any(|i| {
        let (from, to) = (a[i], a[(i + 1) % 4]);
        let length = from.distance(to).max(1e-9);
        b.iter().all(|p| turn * side(from, to, *p) / length < 0.01)
    })
}

fn cameras(layout: &Layout, lines: &PlanLines, problems: &mut Problems) {
    for (id, camera) in &layout.cameras {
        let at = lines.cameras.get(id).copied().flatten();
        if !polygon(&camera.covers, &format!("`covers` of camera {id}"), at, problems) {
            continue;
        }
        picture(camera, layout.lenses.get(id), at, problems);
        if !layout.shelves.keys().any(|shelf| layout.cameras_seeing(shelf).contains(id)) {
            problems
                .warning(at, format!("camera {id} sees no shelf"))
                .try_this("its `covers` should reach the floor where people stand at a shelf");
        }
    }
    let unseen: Vec<&str> =
        layout.shelves.keys().filter(|shelf| layout.cameras_seeing(shelf).is_empty()).map(ShelfId::as_str).collect();
    // A camera that could not be read may be the one.
    if !unseen.is_empty() && lines.cameras.len() == layout.cameras.len() {
        problems
            .warning(None, format!("no camera sees shelf {}", some(&unseen)))
            .try_this("who takes something there cannot be told");
    }
}

/// Whether a projection can turn pixels into floor, and its picture shows what the camera is said to cover.
fn picture(camera: &Camera, lens: Option<&Lens>, at: Option<usize>, problems: &mut Problems) {
    let Some(p) = camera.projection else { return };
    let id = &camera.id;
    // Floor to pixels is columns 0, 1 and 3; it must be invertible. Scaled by its size, so that units do not matter.
    let [a, b, c] = p.map(|row| [row[0], row[1], row[3]]);
    let norm = |v: [f64; 3]| v.iter().map(|x| x * x).sum::<f64>().sqrt().max(1e-12);
    let determinant =
        a[0] * (b[1] * c[2] - b[2] * c[1]) - a[1] * (b[0] * c[2] - b[2] * c[0]) + a[2] * (b[0] * c[1] - b[1] * c[0]);
    if (determinant / (norm(a) * norm(b) * norm(c))).abs() < 1e-9 {
        problems
            .error(at, format!("the projection of camera {id} shows the floor as a line or not at all"))
            .try_this("its 12 numbers turn [x, y, z, 1] in metres into pixels");
        return;
    }
    // Intrinsics and pose are as they were written; a projection has to be taken apart.
    let parts = match lens.and_then(|lens| Some((*lens, lens.pose_of(&p)?))) {
        Some(parts) => Ok(parts),
        None => decompose(&p),
    };
    if let Err(why) | Ok(Some(why)) = parts.map(|(lens, pose)| absurd(&lens, &pose, camera.size)) {
        problems.error(at, format!("camera {id} cannot be: {why}")).try_this("carryout calibrate finds what is right");
        return;
    }
    let n = camera.covers.len() as f64;
    let middle = camera.covers.iter().fold(Point2::default(), |m, c| Point2::new(m.x + c.x / n, m.y + c.y / n));
    let (width, height) = (f64::from(camera.size.0), f64::from(camera.size.1));
    let in_picture = pixel_of(&p, middle.at_height(0.0))
        .is_some_and(|pixel| (0.0..=width).contains(&pixel.x) && (0.0..=height).contains(&pixel.y));
    if !in_picture {
        problems
            .warning(at, format!("the middle of what camera {id} covers is not in its picture"))
            .try_this("its `projection` or pose does not fit its `covers` or `size`");
    }
}
