//! shop.toml's bays, shelves and plates, worked out into shop metres.

use super::fields::Fields;
use super::floor_plan::{FloorPlan, identified, twice};
use super::pose::Pose;
use super::{Bay, Plate, Shelf};
use crate::base::{BayId, PlateNo, Point3, ShelfId};

pub fn read_bay(bay: Fields<'_>, id: BayId, plan: &mut FloorPlan) {
    let pose = pose(&bay);
    let size = bay.need_size::<3>("size");
    if plan.layout.bays.contains_key(&id) {
        twice(&bay, "bay", id.as_str());
    }
    if let (Some(pose), Some([width, depth, _])) = (pose, size) {
        let footprint = pose.corners(width, depth).map(Point3::floor).to_vec();
        plan.layout.bays.insert(id.clone(), Bay { id: id.clone(), footprint });
    }
    for shelf in bay.tables("shelves", &format!("bay {id}, shelf")) {
        let Some((shelf_id, shelf)) = identified(shelf, "shelf") else { continue };
        let (shelf_id, at) = (ShelfId::new(shelf_id), shelf.line());
        if plan.lines.shelves.insert(shelf_id.clone(), at).is_some() {
            twice(&shelf, "shelf", shelf_id.as_str());
        }
        // Without its bay's pose a shelf is still read, so that its own problems show.
        let frame = pose.unwrap_or(Pose::new(Point3::default(), [0.0; 3]));
        plan.layout.shelves.extend(read_shelf(&shelf, &shelf_id, &id, &frame).map(|shelf| (shelf_id, shelf)));
        shelf.finish();
    }
    bay.finish();
}

fn read_shelf(shelf: &Fields<'_>, id: &ShelfId, bay: &BayId, frame: &Pose) -> Option<Shelf> {
    let pose = pose(shelf).map(|pose| frame.compose(&pose));
    let size = shelf.need_size::<2>("size");
    let plates = if shelf.is_table("plates") { plate_row(shelf, id, size) } else { plate_list(shelf, id, size) };
    let (pose, [width, depth]) = (pose?, size?);
    let plates = plates?.into_iter().zip(1..).map(|(centre, no)| Plate { no, centre: pose.apply(centre) }).collect();
    Some(Shelf { id: id.clone(), bay: bay.clone(), corners: pose.corners(width, depth), plates })
}

/// Plates may stick out of their shelf, or lie over each other, by this much, metres: tape measures do.
const PLATE_SLACK_M: f64 = 0.01;

/// `plates = { count = 12, width = 0.1016, depth = 0.4064 }`: side by side from the shelf's origin.
fn plate_row(shelf: &Fields<'_>, id: &ShelfId, size: Option<[f64; 2]>) -> Option<Vec<Point3>> {
    let row = shelf.table("plates", &format!("the row of plates of shelf {id}"))?;
    let count = row.need_whole("count", 1..=i64::from(PlateNo::MAX));
    let (width, depth) = (row.need_number("width"), row.need_number("depth"));
    row.finish();
    let (count, width, depth) = (count?, width?, depth?);
    if width <= 0.0 || depth <= 0.0 {
        shelf.error("plates", format!("the plates of shelf {id} have no surface")).try_this("give metres above zero");
        return None;
    }
    if let Some([shelf_width, shelf_depth]) = size {
        let total = count as f64 * width;
        if total > shelf_width + PLATE_SLACK_M {
            let what = format!("{count} plates of {width} m are {total:.3} m wide, shelf {id} is {shelf_width} m");
            let fit = (((shelf_width + PLATE_SLACK_M) / width) as i64).max(1);
            shelf.error("plates", what).try_this(format!("{fit} would fit"));
            return None;
        }
        if depth > shelf_depth + PLATE_SLACK_M {
            shelf.error(
                "plates",
                format!("plates {depth} m deep stick out of shelf {id}, which is {shelf_depth} m deep"),
            );
            return None;
        }
    }
    Some((0..count).map(|i| Point3::new((i as f64 + 0.5) * width, depth / 2.0, 0.0)).collect())
}

/// `[[bays.shelves.plates]]`, each with its own pose and size, numbered from 1 in the order written.
fn plate_list(shelf: &Fields<'_>, id: &ShelfId, size: Option<[f64; 2]>) -> Option<Vec<Point3>> {
    let mut centres = Some(Vec::new());
    let mut taken: Vec<[f64; 4]> = Vec::new();
    for (i, plate) in shelf.tables("plates", &format!("shelf {id}, plate")).into_iter().enumerate() {
        let (pose, plate_size) = (pose(&plate), plate.need_size::<2>("size"));
        let at = "position";
        if let (Some(pose), Some([width, depth])) = (pose, plate_size) {
            let corners = pose.corners(width, depth);
            let (xs, ys) = (corners.map(|c| c.x), corners.map(|c| c.y));
            let (x0, x1) = (xs.into_iter().fold(f64::MAX, f64::min), xs.into_iter().fold(f64::MIN, f64::max));
            let (y0, y1) = (ys.into_iter().fold(f64::MAX, f64::min), ys.into_iter().fold(f64::MIN, f64::max));
            let slack = PLATE_SLACK_M;
            if size.is_some_and(|[w, d]| x0 < -slack || y0 < -slack || x1 > w + slack || y1 > d + slack) {
                plate.error(at, format!("plate {} sticks out of shelf {id}", i + 1));
            }
            let overlaps =
                |o: &[f64; 4]| x0 + slack < o[1] && o[0] + slack < x1 && y0 + slack < o[3] && o[2] + slack < y1;
            if let Some(other) = taken.iter().position(overlaps) {
                plate.error(at, format!("plates {} and {} of shelf {id} lie over each other", other + 1, i + 1));
            }
            taken.push([x0, x1, y0, y1]);
            if let Some(centres) = &mut centres {
                centres.push(pose.apply(Point3::new(width / 2.0, depth / 2.0, 0.0)));
            }
        } else {
            centres = None;
        }
        plate.finish();
    }
    centres
}

fn pose(table: &Fields<'_>) -> Option<Pose> {
    let position = table.need_numbers("position").map(Point3::from);
    // A wrong rotation has been said; reading on as if straight finds the other problems.
    let rotation = table.numbers("rotation").unwrap_or([0.0; 3]);
    Some(Pose::new(position?, rotation))
}
