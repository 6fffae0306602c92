//! What is said of a picture is what is in it.

use super::backdrop::Backdrop;
use super::dress::Dress;
use super::goods::Board;
use super::hang::best;
use super::optics::Optics;
use super::room::Room;
use super::scene::Figure;
use super::solid::V3;
use super::stance::{Stance, Walk};
use super::{Filming, Goods, Label, Renderer, Scene, Studio, View, views};
use crate::base::geometry::within;
use crate::base::{CameraId, Point2, Point3, ProductId};
use crate::shop::pose::Pose as Stand;
use crate::shop::projection::pixel_of;
use crate::shop::{Camera, CameraKind, Lens, Shop};
use crate::sim::chance::Chance;
use crate::sim::person::{Handling, Pose, Reach, Stature, Unit};
use crate::sim::shops::{self, Part};
use crate::sim::strip::strip;
use crate::sim::suite;
use std::sync::Arc;

mod steady;

const WIDE: usize = 160;
const HIGH: usize = 90;

/// Barrel-shaped: its corners are 8 % further in than a straight lens's.
const BENT: Lens = Lens { fx: 75.0, fy: 75.0, cx: 81.0, cy: 44.5, k1: -0.05, k2: 0.004, p1: 5e-4, p2: -4e-4, k3: 0.0 };

fn view(name: &str, eye: [f64; 3], target: [f64; 3]) -> View {
    let pose = Stand::looking_at(eye.into(), target.into()).unwrap();
    let camera = Camera {
        id: CameraId::new(name),
        kind: CameraKind::People,
        covers: Vec::new(),
        projection: Some(BENT.projection(&pose)),
        size: (WIDE as u32, HIGH as u32),
    };
    View { camera, lens: Some(BENT) }
}

/// A strip of one bay: its back at y = 2.8, x from 0.9 to 2.1, 1.93 m high.
fn shop() -> Arc<Shop> {
    Arc::new(strip(4))
}

fn renderer(shop: &Arc<Shop>, view: &View, goods: &Goods) -> Renderer {
    let studio = Studio::new(shop.clone(), 1, std::slice::from_ref(view));
    Renderer::new(&studio, view, goods).unwrap()
}

/// Somebody at `floor` who faces along `facing`, hands at rest.
fn standing(body: &str, floor: [f64; 2], facing: [f64; 2], stature: Stature) -> Pose {
    let (floor, facing) = (Point2::from(floor), Point2::from(facing));
    let tall_m = if stature == Stature::Child { 1.24 } else { 1.70 };
    let head = floor.at_height(tall_m - 0.05);
    let pose = Pose { body: body.into(), floor, facing, tall_m, head, hands: Default::default(), reach: None };
    Pose { hands: pose.rest_hands(), ..pose }
}

/// The same with the right hand where it is put.
fn figure(body: &str, floor: [f64; 2], facing: [f64; 2], hand: Option<[f64; 3]>, stature: Stature) -> Figure {
    let mut pose = standing(body, floor, facing, stature);
    if let Some(hand) = hand {
        pose.hands[1] = hand.into();
    }
    let mut chance = Chance::new(3, body);
    let clothes: Vec<f64> = (0..32).map(|_| chance.normal() / 5.7).collect();
    let dress = Arc::new(Dress::of(3, body, stature, &clothes));
    let walk = Walk { walked_m: 0.4, speed_m_s: if hand.is_none() { 1.3 } else { 0.0 }, t_us: 0 };
    Figure { body: body.into(), stance: Stance::of(&pose, &dress, walk), dress, items: [None, None] }
}

fn scene(figures: Vec<Figure>) -> Scene {
    Scene { t_us: 1_000_000, figures, goods: Arc::default() }
}

fn label_of(renderer: &mut Renderer, figures: Vec<Figure>, body: &str) -> Label {
    let labels = renderer.labelled(&scene(figures)).1;
    labels.into_iter().find(|label| label.id == body).unwrap_or_else(|| panic!("{body} is not in the picture"))
}

#[test]
fn a_body_fills_its_box() {
    use Stature::{Child, Grown};
    let view = view("c", [0.4, 0.3, 2.6], [2.0, 2.4, 0.9]);
    let mut renderer = renderer(&shop(), &view, &Goods::default());
    let rows = [
        ("walks", figure("a", [1.5, 1.6], [0.6, 0.8], None, Grown)),
        ("walks towards us", figure("b", [1.7, 1.5], [-0.8, -0.6], None, Grown)),
        ("reaches high", figure("c", [1.5, 1.9], [0.0, 1.0], Some([1.6, 2.5, 1.68]), Grown)),
        ("bends down", figure("d", [1.3, 1.9], [0.0, 1.0], Some([1.3, 2.5, 0.3]), Grown)),
        ("a child", figure("e", [1.9, 1.7], [1.0, 0.0], None, Child)),
        ("at the picture's left edge", figure("f", [0.5, 2.1], [0.0, 1.0], None, Grown)),
    ];
    for (what, figure) in rows {
        let body = figure.body.clone();
        let label = label_of(&mut renderer, vec![figure], &body);
        let [x, y, w, h] = label.whole;
        let [vx, vy, vw, vh] = label.visible_box.unwrap();
        // The box as the picture cuts it; a pixel is drawn when its middle is covered.
        let (left, right) = (x.max(0.0), (x + w).min(WIDE as f64));
        let (top, bottom) = (y.max(0.0), (y + h).min(HIGH as f64));
        for (edge, drawn) in [(left, vx), (right, vx + vw), (top, vy), (bottom, vy + vh)] {
            assert!((edge - drawn).abs() <= 1.0, "{what}: box {:?}, drawn {:?}", label.whole, label.visible_box);
        }
        assert!(label.visible > 0.97 && label.head.2, "{what}: {label:?}");
        assert!(label.head.1 < label.floor.1, "{what} stands on their head: {label:?}");
    }
}

#[test]
fn who_stands_sways_by_millimetres_over_planted_feet() {
    let pose = standing("ann", [1.5, 1.0], [0.0, 1.0], Stature::Grown);
    let dress = figure("ann", [1.5, 1.0], [0.0, 1.0], None, Stature::Grown).dress;
    let at = |t_us: i64| Stance::of(&pose, &dress, Walk { walked_m: 0.0, speed_m_s: 0.0, t_us });
    let first = at(0);
    let stances: Vec<Stance> = (1..200).map(|k| at(k * 100_000)).collect();
    assert!(stances.iter().all(|stance| stance.ankles == first.ankles), "feet stay");
    let widest = stances.iter().map(|stance| (stance.head - first.head).length()).fold(0.0, f32::max);
    assert!((0.008..0.04).contains(&widest), "the head moves by {widest} m within twenty seconds");
    let fastest = stances.windows(2).map(|two| (two[1].head - two[0].head).length()).fold(0.0, f32::max);
    assert!(fastest < 0.004, "by {fastest} m within a tenth of a second");
}

#[test]
fn a_hand_at_a_shelf_is_where_the_simulator_has_it() {
    for target in [[1.5, 2.5, 1.68], [1.4, 2.6, 0.88], [1.5, 2.5, 0.48], [1.6, 2.45, 0.28]] {
        let stance = figure("a", [1.5, 1.98], [0.0, 1.0], Some(target), Stature::Grown).stance;
        let hand: Point3 = stance.hands[1].into();
        assert!(hand.distance(target.into()) < 1e-5, "{target:?}: {hand:?}");
        let arm = (stance.hands[1] - stance.shoulders[1]).length() / stance.scale;
        assert!(arm < 0.72, "an arm of {arm} m to {target:?}");
    }
}

#[test]
fn what_is_hidden_is_said_to_be() {
    // From the street side at the height of a chest; the bay's panel is at y 2.8.
    let view = view("c", [1.5, 0.3, 1.2], [1.5, 3.0, 1.0]);
    let mut renderer = renderer(&shop(), &view, &Goods::of(&shop(), 1));
    let at = |x: f64, y: f64| figure("a", [x, y], [0.0, -1.0], None, Stature::Grown);
    let near = || figure("near", [1.5, 1.4], [0.0, 1.0], None, Stature::Grown);
    let rows = [
        ("before the bay", vec![at(1.5, 1.9)], 1.0..=1.0, true),
        ("half behind it", vec![at(2.45, 3.4)], 0.1..=0.9, true),
        ("behind it", vec![at(1.5, 3.4)], 0.0..=0.0, false),
        ("half behind somebody", vec![near(), at(2.0, 2.0)], 0.2..=0.9, true),
        ("behind somebody, whoever is drawn first", vec![at(1.5, 2.0), near()], 0.0..=0.45, false),
    ];
    for (what, figures, visible, head) in rows {
        let label = label_of(&mut renderer, figures, "a");
        assert!(visible.contains(&label.visible), "{what}: {} is visible", label.visible);
        assert_eq!((label.visible_box.is_some(), label.head.2), (label.visible > 0.0, head), "{what}: {label:?}");
    }
}

#[test]
fn what_is_taken_is_gone_from_the_picture_and_what_is_put_back_is_there_again() {
    let shop = shop();
    let view = view("c", [1.5, 1.3, 2.0], [1.5, 2.5, 1.0]);
    let full = Goods::of(&shop, 1);
    let mut renderer = renderer(&shop, &view, &full);
    let shelf = shop.layout.shelves.keys().nth(2).unwrap().clone();
    let standing = full.shelves[&shelf].iter().find(|s| s.count > 0).unwrap().clone();
    let unit = Unit { id: 1, product: standing.product.to_string(), grams: 1.0, in_catalogue: true };
    let target = shop.layout.shelves[&shelf].centre();
    let reach = |handling| Reach {
        handling,
        slow: false,
        shelf: shelf.clone(),
        plates: vec![standing.plates.0],
        units: vec![unit.clone()],
        centre: 1.0,
        width: 1.0,
        target,
    };
    let mut picture =
        |goods: &Goods| renderer.picture(&Scene { t_us: 5, figures: Vec::new(), goods: Arc::new(goods.clone()) });
    let before = picture(&full);
    let mut goods = full.clone();
    goods.touched(&reach(Handling::Take));
    let taken = picture(&goods);
    let changed: Vec<usize> = (0..WIDE * HIGH).filter(|k| before[*k] != taken[*k]).collect();
    let optics = Optics::new(&view.camera, Some(&BENT), 1).unwrap();
    let board = Board::of(&shop, &shop.layout.shelves[&shelf]);
    let corners = [0.0, 1.0].map(|x| board.origin + board.along * (x * board.long_m));
    let [left, right] = corners.map(|p| optics.pixel(p).unwrap());
    assert!(changed.len() > 4, "{} pixels changed", changed.len());
    for k in changed {
        let (x, y) = ((k % WIDE) as f32, (k / WIDE) as f32);
        assert!(x > left.0 - 4.0 && x < right.0 + 4.0 && y < left.1 + 6.0, "pixel {x} {y} is not of the shelf");
    }
    goods.touched(&reach(Handling::Put));
    assert!(picture(&goods) == before, "put back, and the picture is another");
}

#[test]
fn what_a_hand_holds_is_drawn() {
    let view = view("c", [0.4, 0.3, 2.6], [2.0, 2.4, 0.9]);
    let mut renderer = renderer(&shop(), &view, &Goods::default());
    let mut holds = figure("a", [1.6, 1.6], [-0.7, -0.7], None, Stature::Grown);
    let empty = renderer.labelled(&scene(vec![holds.clone()]));
    holds.items[1] = Some(ProductId::new("1-1-1"));
    let full = renderer.labelled(&scene(vec![holds]));
    assert!(empty.0 != full.0);
    assert_eq!(full.1[0].items, [None, Some("1-1-1".to_owned())]);
    assert_eq!(empty.1[0].whole, full.1[0].whole, "a box is the body's, without what it holds");
}

#[test]
fn a_straight_edge_is_drawn_where_the_lens_bends_it() {
    let shop = shop();
    let view = view("c", [1.2, 1.5, 2.3], [2.3, 2.3, 1.0]);
    let room = Arc::new(Room::new(&shop, 1, 2.5));
    let backdrop = Backdrop::new(shop.clone(), room, &view.camera, view.lens.as_ref(), &Goods::default()).unwrap();
    // The front edge of the highest shelf, from end to end.
    let board = Board::of(&shop, shop.layout.shelves.values().last().unwrap());
    let projection = view.camera.projection.unwrap();
    let mut bent: f64 = 0.0;
    for k in 1..40 {
        let at = board.origin + board.along * (board.long_m * k as f32 / 40.0);
        let pixel = |p: V3| {
            let ideal = pixel_of(&projection, p.into()).unwrap();
            (ideal, BENT.distort(ideal))
        };
        let shown = |p: V3| {
            let (_, seen) = pixel(p);
            let within = (0.0..WIDE as f64).contains(&seen.x) && (0.0..HIGH as f64).contains(&seen.y);
            within.then(|| backdrop.depth[seen.y as usize * WIDE + seen.x as usize])
        };
        let row = projection[2];
        let depth =
            |p: V3| (row[0] * f64::from(p.x) + row[1] * f64::from(p.y) + row[2] * f64::from(p.z) + row[3]) as f32;
        // A centimetre below the edge is the shelf; three above it is what stands behind.
        let (below, above) = (at - V3 { z: 0.015, ..V3::default() }, at + V3 { z: 0.03, ..V3::default() });
        if let (Some(low), Some(high)) = (shown(below), shown(above)) {
            assert!((low - depth(below)).abs() < 0.03, "{k}: {low} m instead of {} m", depth(below));
            assert!(high > depth(above) + 0.02, "{k}: something stands above the edge, {high} m away");
            let (ideal, seen) = pixel(at);
            bent = bent.max(ideal.distance(seen));
        }
    }
    assert!(bent > 1.5, "the lens bends by {bent} px: nothing is tried");
}

#[test]
fn a_knocked_camera_hangs_where_it_hung_and_looks_to_its_right() {
    let hung = view("c", [0.4, 0.3, 2.6], [2.0, 2.4, 0.9]);
    for right_deg in [-20.0, 0.0, 12.0] {
        let knocked = hung.turned(right_deg);
        assert!(hung.eye().distance(knocked.eye()) < 1e-9, "{right_deg}: hangs at {:?}", knocked.eye());
        let projection = knocked.camera.projection.unwrap();
        let stand = BENT.pose_of(&projection).expect("the same lens");
        // What was in the middle is so much to the left of it.
        let target = pixel_of(&projection, Point3::new(2.0, 2.4, 0.9)).unwrap();
        let left = BENT.cx - BENT.fx * libm::tan(f64::to_radians(right_deg));
        assert!(
            (target.x - left).abs() < 1e-6 && (target.y - BENT.cy).abs() < 1e-6,
            "{right_deg}: {target:?} {stand:?}"
        );
    }
}

#[test]
fn a_seed_is_a_picture_in_whatever_order_they_are_drawn() {
    let shop = Arc::new(shops::sized(Part::Training, 5, 16.0));
    let play = suite::crowd("c".into(), shop.clone(), 6, 0.0).unwrap();
    let film = |seed: u64, moments_s: &[i64]| {
        let planned = play.plan(seed, 0).unwrap();
        let view = view("c", [0.6, 0.6, 2.6], [1.6, 2.6, 0.8]);
        let mut filming = Filming::new(&play, planned, 0, std::slice::from_ref(&view)).unwrap();
        let scenes: Vec<Scene> = moments_s.iter().map(|s| filming.scene(s * 1_000_000)).collect();
        let renderer = &mut filming.cameras[0];
        let mut pictures: Vec<_> = scenes.iter().rev().map(|scene| renderer.labelled(scene)).collect();
        pictures.reverse();
        assert!(pictures.last().unwrap() == &renderer.labelled(scenes.last().unwrap()));
        pictures
    };
    let once = film(4, &[12, 20, 28]);
    assert!(once == film(4, &[12, 20, 28]), "the same seed, another picture");
    assert!(once.last() == film(4, &[28]).last(), "what was drawn before shows");
    assert!(once[2].0 != film(5, &[28])[0].0, "another seed, the same picture");
    assert!(once.iter().any(|(_, labels)| !labels.is_empty()), "nobody came");
    for (picture, _) in &once {
        assert_eq!(picture.len(), WIDE * HIGH * 3 / 2);
        assert!(picture[..WIDE * HIGH].iter().all(|y| (16..=235).contains(y)), "luma beyond 16..=235");
    }
}

#[test]
fn four_cameras_hang_in_every_drawn_shop_and_see_its_floor() {
    for (part, seed) in [Part::Training, Part::HeldBack].into_iter().flat_map(|part| (0..8).map(move |s| (part, s))) {
        let shop = shops::sized(part, seed, 30.0);
        let (random, cared) = (views(&shop, seed), best(32, &shop, seed));
        for view in random.iter().chain(&cared) {
            let eye = view.eye();
            assert!(within(&shop.layout.outline, eye.floor()), "{} of {} hangs outside", view.camera.id, shop.id);
            assert!((2.3..=4.7).contains(&eye.z), "{} of {} hangs at {} m", view.camera.id, shop.id, eye.z);
        }
        let ids: Vec<&str> = cared.iter().map(|view| view.camera.id.as_str()).collect();
        assert_eq!((random.len(), ids), (4, vec!["cam-1", "cam-2", "cam-3", "cam-4"]), "{}", shop.id);
        let (mut seen, mut twice, mut all) = (0, 0, 0);
        for (i, j) in (0..60).flat_map(|i| (0..60).map(move |j| (i, j))) {
            let p = Point2::new(f64::from(i) * 0.25, f64::from(j) * 0.25);
            if within(&shop.layout.outline, p) && !shop.layout.bays.values().any(|bay| within(&bay.footprint, p)) {
                let is_seen = |view: &View| {
                    let ideal = pixel_of(&view.camera.projection.unwrap(), p.at_height(1.2))?;
                    let at = view.lens.map_or(ideal, |lens| lens.distort(ideal));
                    ((0.0..640.0).contains(&at.x) && (0.0..360.0).contains(&at.y)).then_some(())
                };
                all += 1;
                let by = |views: &[View]| views.iter().filter(|view| is_seen(view).is_some()).count();
                seen += usize::from(by(&random) > 0);
                twice += usize::from(by(&cared) > 1);
            }
        }
        let [seen, twice] = [seen, twice].map(|n| n as f64 / f64::from(all));
        println!("{}: {seen:.2} at random, {twice:.2} twice with care", shop.id);
        assert!(seen > 0.7, "{}: {seen:.2} of the floor is in some picture", shop.id);
        assert!(twice > 0.85, "{}: {twice:.2} of the floor is in two pictures that were hung with care", shop.id);
    }
}
