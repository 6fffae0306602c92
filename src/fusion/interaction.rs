//! Where on a shelf a step was, and how far a body was from there. Pure functions; the floor keeps the histories.

use crate::base::{PlateNo, Point2, Point3};
use crate::shop::Shelf;

/// A plate takes part in an event when it changed by more than this, grams (the published rule's figure).
pub const PLATE_CHANGED_G: f64 = 5.0;

/// The plates a step happened on: those that changed by more than 5 g, else the one that changed most.
pub fn event_plates(profile_g: &[f64]) -> Vec<PlateNo> {
    let no = |i: usize| i as PlateNo + 1;
    let changed: Vec<PlateNo> =
        (0..profile_g.len()).filter(|i| profile_g[*i].abs() > PLATE_CHANGED_G).map(no).collect();
    if !changed.is_empty() {
        return changed;
    }
    let most = (0..profile_g.len()).max_by(|a, b| profile_g[*a].abs().total_cmp(&profile_g[*b].abs()));
    most.map(no).into_iter().collect()
}

/// Middles of the plates a step happened on, shop frame.
pub fn event_plate_centres(shelf: &Shelf, profile_g: &[f64]) -> Vec<Point3> {
    event_plates(profile_g).into_iter().filter_map(|no| shelf.plate(no)).map(|plate| plate.centre).collect()
}

/// Middle of a step, shop frame: its plates weighted by how much they changed; the shelf's middle if it has no plates.
pub fn event_centre(shelf: &Shelf, profile_g: &[f64]) -> Point3 {
    let (mut sum, mut weight) = (Point3::default(), 0.0);
    for no in event_plates(profile_g) {
        let Some(plate) = shelf.plate(no) else { continue };
        let share = profile_g[usize::from(no) - 1].abs().max(1e-3);
        sum.x += plate.centre.x * share;
        sum.y += plate.centre.y * share;
        sum.z += plate.centre.z * share;
        weight += share;
    }
    if weight > 0.0 { Point3::new(sum.x / weight, sum.y / weight, sum.z / weight) } else { shelf.centre() }
}

/// Least distance of a head or hand to the event's plates, metres. Where the cameras gave neither: horizontal distance
/// from the floor point. Infinite if there are no plates.
pub fn reach_distance(plate_centres: &[Point3], head: Option<Point3>, hands: &[Point3], floor: Point2) -> f64 {
    let least = |from: Point3| plate_centres.iter().map(|plate| plate.distance(from)).fold(f64::INFINITY, f64::min);
    let seen = hands.iter().copied().chain(head).map(least).fold(f64::INFINITY, f64::min);
    if head.is_some() || !hands.is_empty() {
        return seen;
    }
    plate_centres.iter().map(|plate| plate.floor().distance(floor)).fold(f64::INFINITY, f64::min)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{BayId, ShelfId};
    use crate::shop::Plate;

    fn shelf() -> Shelf {
        let plates =
            (0..4u16).map(|i| Plate { no: i + 1, centre: Point3::new(f64::from(i) * 0.1, 0.0, 1.0) }).collect();
        Shelf {
            id: ShelfId::new("1-1"),
            bay: BayId::new("1"),
            corners: [[0.0, -0.1, 1.0], [0.4, -0.1, 1.0], [0.4, 0.1, 1.0], [0.0, 0.1, 1.0]].map(Point3::from),
            plates,
        }
    }

    #[test]
    fn the_middle_of_an_event_follows_its_weight() {
        for (profile_g, plates, x) in [
            (vec![0.0, -100.0, 0.0, 0.0], vec![2], 0.1),
            (vec![0.0, -100.0, -100.0, 0.0], vec![2, 3], 0.15),
            (vec![-3.0, -90.0, -4.0, 0.0], vec![2], 0.1), // neighbours under 5 g do not count
            (vec![-1.0, -2.0, 0.0, 0.0], vec![2], 0.1),   // nothing over 5 g: the most changed plate
        ] {
            assert_eq!(event_plates(&profile_g), plates, "{profile_g:?}");
            assert!((event_centre(&shelf(), &profile_g).x - x).abs() < 1e-9, "{profile_g:?}");
        }
        assert!((event_centre(&shelf(), &[]).x - 0.2).abs() < 1e-9, "no profile: the shelf's middle");
    }

    #[test]
    fn a_hand_counts_before_the_floor_point() {
        let plates = event_plate_centres(&shelf(), &[0.0, -100.0, 0.0, 0.0]);
        let head = Some(Point3::new(0.1, 0.5, 1.0));
        let hand = [Point3::new(0.1, 0.2, 1.0)];
        let floor = Point2::new(0.1, 0.4);
        for (story, head, hands, want_m) in [
            ("hand nearer than head", head, &hand[..], 0.2),
            ("head only", head, &[][..], 0.5),
            ("nothing but a floor point: horizontal", None, &[][..], 0.4),
        ] {
            assert!((reach_distance(&plates, head, hands, floor) - want_m).abs() < 1e-9, "{story}");
        }
        assert_eq!(reach_distance(&[], head, &hand, floor), f64::INFINITY);
    }
}
