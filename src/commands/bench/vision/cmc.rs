//! Four cameras in a real room (Ong et al., "A Bayesian Filter for Multi-View 3D Multi-Object Tracking with Occlusion Handling",
//! TPAMI 2022): boxes of each camera through its own tracker to `People`, these to bodies on the floor plan, as in the daemon. Held
//! against where people were and against the published tracker's figures.

use super::data::{box_of, rows};
use super::floor::{Standing, moment, said};
use super::measures::{Scores, score};
use crate::base::{Box2, CameraId, Point2, ShopTime};
use crate::events::{People, Person};
use crate::shop::{Camera, CameraKind, Layout};
use crate::tracking::{CameraTracks, Plan};
use std::collections::BTreeMap;
use std::path::Path;

pub const CAMERAS: [usize; 4] = [1, 2, 3, 4];
/// Pictures: width, height, and one every so many us.
const SIZE: (u32, u32) = (1920, 1024);
const EVERY_US: i64 = 250_000;
/// The boxes come without a score: all are sure.
const SURE: f64 = 0.6;
/// Truth speaks of people within this part of the room only, m along its length; the rest of them walk in and out of it.
const KNOWN_X_M: std::ops::RangeInclusive<f64> = 2.03..=6.30;
/// The room, m.
const ROOM_Y_M: std::ops::RangeInclusive<f64> = 0.0..=3.41;

type Frames = BTreeMap<i64, Vec<Standing>>;

/// A sequence.
pub struct Room {
    truth: Frames,
    layout: Layout,
    /// Boxes by frame, of each camera.
    found: Vec<(CameraId, BTreeMap<i64, Vec<Box2>>)>,
}

impl Room {
    pub fn read(cmc: &Path, name: &str) -> Result<Room, String> {
        let truth = places(&cmc.join(name).join("GT_WORLD_CENTROID.txt"))?;
        let mut found = Vec::new();
        for camera in CAMERAS {
            let rows = rows(&cmc.join(name).join(format!("DET_Cam{camera}.txt")))?;
            // No score in these files: what follows the box says nothing.
            let boxes = |rows: Vec<Vec<f64>>| rows.iter().map(|row| Box2 { score: 1.0, ..box_of(row) }).collect();
            found.push((id(camera), rows.into_iter().map(|(frame, rows)| (frame, boxes(rows))).collect()));
        }
        Ok(Room { truth, layout: layout(cmc)?, found })
    }

    /// Follows everybody with all cameras but one, or all. Which camera's look of a moment comes first is chance, and one look read
    /// wrongly can make two people each other for the rest of a minute: scored in every order.
    pub fn track(&self, without: Option<usize>) -> Vec<Scores> {
        let cameras: Vec<usize> = (0..CAMERAS.len()).filter(|camera| Some(CAMERAS[*camera]) != without).collect();
        orders(&cameras).iter().map(|order| self.follow(order)).collect()
    }

    fn follow(&self, order: &[usize]) -> Scores {
        let mut tracks: Vec<CameraTracks> = self.found.iter().map(|_| CameraTracks::new(SURE)).collect();
        let mut plan = Plan::default();
        let mut moments = Vec::new();
        let nobody = Vec::new();
        for frame in 1..=self.truth.keys().copied().max().unwrap_or(0) {
            let t = ShopTime(frame * EVERY_US);
            for camera in order {
                let (id, found) = &self.found[*camera];
                let boxes = found.get(&frame).map_or(&[][..], Vec::as_slice);
                let named = tracks[*camera].follow(boxes, t).into_iter().zip(boxes);
                let people = named.filter_map(|(track, found)| Some(person(track?, found))).collect();
                let look = People { camera: id.clone(), boot: "1".into(), seq: frame as u64, t_us: t.0, people };
                plan.look(&look, t, &self.layout);
            }
            moments.push(moment(&known(self.truth.get(&frame).unwrap_or(&nobody)), &known(&said(&mut plan, t))));
        }
        score(&moments)
    }
}

fn orders(of: &[usize]) -> Vec<Vec<usize>> {
    let Some((last, others)) = of.split_last() else { return vec![Vec::new()] };
    let with = |order: Vec<usize>| {
        (0..=order.len()).rev().map(move |at| [&order[..at], &[*last], &order[at..]].concat()).collect::<Vec<_>>()
    };
    orders(others).into_iter().flat_map(with).collect()
}

fn id(camera: usize) -> CameraId {
    CameraId::new(format!("cam{camera}"))
}

fn person(track: u64, found: &Box2) -> Person {
    let (width, height) = (f64::from(SIZE.0), f64::from(SIZE.1));
    let bounds = [found.x / width, found.y / height, found.w / width, found.h / height];
    Person { track: track.to_string(), confidence: found.score, bounds: Some(bounds), ..Person::default() }
}

fn layout(cmc: &Path) -> Result<Layout, String> {
    let mut layout = Layout::default();
    for camera in CAMERAS {
        let path = cmc.join("calib").join(format!("cam{camera}_P_3x4.txt"));
        let text = std::fs::read_to_string(&path).map_err(|cause| format!("reading {}: {cause}", path.display()))?;
        let cells: Vec<f64> = text.split_whitespace().filter_map(|cell| cell.parse().ok()).collect();
        if cells.len() != 12 {
            return Err(format!("reading {}: {} numbers instead of 3 x 4", path.display(), cells.len()));
        }
        let projection = [0, 4, 8].map(|row| [0, 1, 2, 3].map(|column| cells[row + column]));
        let camera = Camera {
            id: id(camera),
            kind: CameraKind::People,
            covers: Vec::new(),
            projection: Some(projection),
            size: SIZE,
        };
        layout.cameras.insert(camera.id.clone(), camera);
    }
    Ok(layout)
}

/// `frame id -1 x5 X Y Z half_x half_y half_z`.
fn places(path: &Path) -> Result<Frames, String> {
    let mut frames = Frames::new();
    for (frame, rows) in rows(path)? {
        for row in rows {
            let [x, y] = [7, 8].map(|column| row.get(column).copied().unwrap_or(f64::NAN));
            frames.entry(frame).or_default().push((row[1] as u64, Point2::new(x, y)));
        }
    }
    Ok(frames)
}

fn known(people: &[Standing]) -> Vec<Standing> {
    let inside = |at: &Point2| KNOWN_X_M.contains(&at.x) && ROOM_Y_M.contains(&at.y);
    people.iter().copied().filter(|(_, at)| inside(at)).collect()
}
