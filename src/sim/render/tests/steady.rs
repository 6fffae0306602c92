//! A camera that was moved, as perception notices it, in drawn pictures of a shop.

use super::*;
use crate::base::ShopTime;
use crate::perception::motion::GRID;
use crate::perception::steady::{Moved, Steady};

/// Of a cell, each way.
const PIXELS: usize = 2;
const BIG: (usize, usize) = (GRID.0 * PIXELS, GRID.1 * PIXELS);

/// 75 degrees across; `turned`: degrees to the left and up, from where it hangs.
fn turned(pan: f64, tilt: f64) -> View {
    let f = 0.65 * BIG.0 as f64;
    let lens = Lens { fx: f, fy: f, cx: BIG.0 as f64 / 2.0, cy: BIG.1 as f64 / 2.0, k1: -0.05, ..Lens::default() };
    let eye = Point3::new(0.5, -0.3, 2.5);
    let (heading, down) = ((65.0 + pan).to_radians(), (28.0 - tilt).to_radians());
    let target =
        Point3::new(eye.x + heading.cos() * down.cos(), eye.y + heading.sin() * down.cos(), eye.z - down.sin());
    let pose = Stand::looking_at(eye, target).unwrap();
    let camera = Camera {
        id: CameraId::new("c"),
        kind: CameraKind::People,
        covers: Vec::new(),
        projection: Some(lens.projection(&pose)),
        size: (BIG.0 as u32, BIG.1 as u32),
    };
    View { camera, lens: Some(lens) }
}

fn cells(picture: &[u8]) -> Vec<u8> {
    let mean = |cx: usize, cy: usize| {
        let at = |k: usize| (cy * PIXELS + k / PIXELS) * BIG.0 + cx * PIXELS + k % PIXELS;
        let pixels = (0..PIXELS * PIXELS).map(|k| u32::from(picture[at(k)]));
        (pixels.sum::<u32>() / (PIXELS * PIXELS) as u32) as u8
    };
    (0..GRID.1).flat_map(|cy| (0..GRID.0).map(move |cx| (cx, cy))).map(|(cx, cy)| mean(cx, cy)).collect()
}

#[test]
fn a_camera_that_is_moved_is_noticed_and_nothing_else_is() {
    let shop = shop();
    let full = Goods::of(&shop, 1);
    let mut empty = full.clone();
    // A third of everything is sold.
    empty.shelves.values_mut().flatten().step_by(3).for_each(|standing| standing.count = 0);
    let drawn = |renderer: &mut Renderer, goods: &Goods, people: Vec<Figure>| {
        let scene = Scene { t_us: 1_000_000, figures: people, goods: Arc::new(goods.clone()) };
        cells(&renderer.picture(&scene))
    };
    let still = &mut renderer(&shop, &turned(0.0, 0.0), &full);
    let here = drawn(still, &full, Vec::new());
    let person = |x: f64| figure("a", [x, 1.7], [0.0, 1.0], None, Stature::Grown);
    let sold = drawn(still, &empty, Vec::new());
    let stands = drawn(still, &full, vec![person(1.4)]);
    let walks: Vec<Vec<u8>> = (0..4).map(|n| drawn(still, &full, vec![person(0.9 + 0.35 * f64::from(n))])).collect();
    let lit = |gain: f32, slope: f32| -> Vec<u8> {
        let light = |at: usize| gain * (1.0 + slope * (at % GRID.0) as f32 / GRID.0 as f32);
        here.iter().enumerate().map(|(at, cell)| (f32::from(*cell) * light(at)).min(235.0) as u8).collect()
    };
    let (dim, sun, dark) = (lit(0.6, 0.0), lit(0.9, 0.5), lit(0.12, 0.0));
    let noisy: Vec<u8> = here.iter().enumerate().map(|(at, cell)| cell.saturating_add((at * 7 % 5) as u8)).collect();
    let bag: Vec<u8> = (0..here.len()).map(|at| 110 + (at % GRID.0 / 8) as u8).collect();
    let [pan, tilt, far] = [(3.0, 0.0), (0.0, 3.0), (60.0, 0.0)]
        .map(|(pan, tilt)| drawn(&mut renderer(&shop, &turned(pan, tilt), &full), &full, Vec::new()));
    let lit_pan: Vec<u8> = pan.iter().map(|cell| (f32::from(*cell) * 0.7) as u8).collect();
    type Fits = fn(Option<Moved>) -> bool;
    type Picture<'p> = &'p dyn Fn(i64) -> &'p Vec<u8>;
    // The picture of each second; what is said after 45 of them.
    let rows: [(&str, Picture<'_>, Fits); 12] = [
        ("nothing", &|_| &here, |moved| moved.is_none()),
        ("an encoder's blocks", &|s| if s % 2 == 0 { &here } else { &noisy }, |moved| moved.is_none()),
        ("people walk, all day", &|s| &walks[s as usize % 4], |moved| moved.is_none()),
        ("somebody stands and stands", &|_| &stands, |moved| moved.is_none()),
        ("a third of the goods is sold", &|_| &sold, |moved| moved.is_none()),
        ("half of the lamps go out", &|_| &dim, |moved| moved.is_none()),
        ("the sun comes in from the side", &|_| &sun, |moved| moved.is_none()),
        ("the shop closes, a lamp stays on", &|_| &dark, |moved| moved.is_none()),
        ("knocked by 3 degrees to the side", &|_| &pan, |moved| matches!(moved, Some(Moved::Shifted(2..=4, -1..=1)))),
        ("by 3 degrees upward", &|_| &tilt, |moved| matches!(moved, Some(Moved::Shifted(-1..=1, 2..=4)))),
        ("turned to the door", &|_| &far, |moved| moved.is_some()),
        ("a bag over it", &|_| &bag, |moved| moved == Some(Moved::Gone)),
    ];
    let mut wrong = Vec::new();
    for (story, picture, fits) in rows {
        let mut steady = Steady::default();
        let at = |s: i64| ShopTime(1_000_000_000 + s * 1_000_000);
        assert!((0..40).all(|s| steady.look(&here, at(s)).is_none()), "{story}: nobody knows yet");
        let said: Vec<Option<Moved>> = (40..85).map(|s| steady.look(picture(s), at(s))).collect();
        assert!(said[..29].iter().all(Option::is_none), "{story}: said within half a minute");
        if !fits(said[44]) {
            wrong.push(format!("{story}: {:?}", said[44]));
        }
        // Turned back, it is well again.
        let back: Vec<Option<Moved>> = (85..95).map(|s| steady.look(&here, at(s))).collect();
        assert_eq!(back.last(), Some(&None), "{story}, and back");
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    let mut steady = Steady::default();
    let said = (0..90).map(|s| steady.look(if s < 40 { &here } else { &lit_pan }, ShopTime(s * 1_000_000)));
    assert!(matches!(said.last(), Some(Some(Moved::Shifted(2..=4, _)))), "turned, and the light is another");
}
