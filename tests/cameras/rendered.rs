//! A rendered camera over real RTSP: what arrives is what was drawn, and what it suffers is noticed.

use crate::streams::Threads;
use carryout::base::{CameraId, Point3};
use carryout::sensors::camera::State;
use carryout::shop::pose::Pose;
use carryout::shop::{Camera, CameraKind, Lens, Shop};
use carryout::sim::eyes::{KNOCK_DEG, Rendered, SimCamera, Trouble};
use carryout::sim::render::{Cast, Goods, Now, Renderer, Scene, Studio, View};
use carryout::sim::{Gates, suite};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Small enough to be drawn ten times a second by unoptimised code.
const SIZE: (u32, u32) = (160, 90);
const LENS: Lens = Lens { fx: 90.0, fy: 90.0, cx: 80.5, cy: 44.0, k1: -0.045, k2: 0.004, p1: 0.0, p2: 0.0, k3: 0.0 };
const SECOND: Duration = Duration::from_secs(1);

/// Nobody in the demonstration's shop, and two moments with people in it.
struct Set {
    studio: Arc<Studio>,
    view: View,
    empty: Scene,
    moments: [Scene; 2],
}

fn set() -> Set {
    let shop = Shop::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("config/demo-shop")).expect("the demo shop").0;
    let shop = Arc::new(shop);
    let pose = Pose::looking_at(Point3::new(0.2, 4.7, 2.7), Point3::new(2.6, 1.8, 0.7)).unwrap();
    let camera = Camera {
        id: CameraId::new("north-west"),
        kind: CameraKind::People,
        covers: Vec::new(),
        projection: Some(LENS.projection(&pose)),
        size: SIZE,
    };
    let view = View { camera, lens: Some(LENS) };
    let studio = Arc::new(Studio::new(shop.clone(), 1, std::slice::from_ref(&view)));
    let goods = Arc::new(Goods::of(&shop, 1));
    let play = suite::crowd("crowd".to_owned(), shop, 6, 0.0).unwrap();
    let planned = play.plan(1, 0).unwrap();
    let mut cast = Cast::new(planned.seed, play.world.parameters.looks.clone());
    let mut playback = play.playback(0, Gates::Assumed, planned);
    playback.stock(goods.clone());
    let mut moment = |from_s: i64| {
        while playback.now_us() < from_s * 1_000_000 || playback.people() == 0 {
            playback.step();
        }
        cast.scene(&playback)
    };
    let moments = [moment(20), moment(26)];
    Set { studio, view, empty: Scene { goods, ..Scene::default() }, moments }
}

impl Set {
    fn camera(&self, now: &Now) -> SimCamera {
        let painter = Rendered::new(self.studio.clone(), self.view.clone(), now.clone()).unwrap();
        SimCamera::showing(&self.view.camera.id, SIZE, painter, 0).unwrap()
    }

    /// The luma of a scene, drawn here.
    fn drawn(&self, view: &View, scene: &Scene) -> Vec<u8> {
        let mut renderer = Renderer::new(&self.studio, view, &scene.goods).unwrap();
        renderer.picture(scene)[..(SIZE.0 * SIZE.1) as usize].to_vec()
    }
}

/// Mean difference of the pixels that count, grey levels.
fn apart(a: &[u8], b: &[u8], counts: impl Fn(usize) -> bool) -> f64 {
    let of: Vec<f64> = (0..a.len()).filter(|k| counts(*k)).map(|k| f64::from(a[k].abs_diff(b[k]))).collect();
    of.iter().sum::<f64>() / of.len().max(1) as f64
}

#[test]
fn camera_that_is_rendered_shows_over_rtsp_what_was_drawn() {
    let _machine = crate::shared();
    let set = set();
    let now = Now::default();
    now.set(set.empty.clone());
    let mut sim = set.camera(&now);
    let eyes = Threads::open(&[sim.url().to_owned()]);
    let hung = set.view.clone();
    let knocked = set.view.turned(KNOCK_DEG);
    let [early, late] = &set.moments;
    /// A story; what is to be seen from where, what the camera suffers, and what should arrive.
    type Row<'a> = (&'a str, &'a Scene, &'a View, Option<Trouble>, (&'a Scene, &'a View));
    let rows: [Row; 4] = [
        ("people", early, &hung, None, (&set.empty, &hung)),
        ("people six seconds later", late, &hung, None, (early, &hung)),
        ("knocked", late, &knocked, Some(Trouble::Moved), (late, &hung)),
        ("hung again, and nobody there", &set.empty, &hung, None, (late, &knocked)),
    ];
    for (story, scene, view, trouble, (before, from)) in rows {
        now.set(scene.clone());
        sim.suffer(trouble).unwrap();
        let (drawn, before) = (set.drawn(view, scene), set.drawn(from, before));
        let changed = |k: usize| drawn[k].abs_diff(before[k]) > 25;
        let n = (0..drawn.len()).filter(|k| changed(*k)).count();
        assert!(n > 200, "{story}: only {n} pixels are others, so nothing is tried");
        // Pictures of before are still on their way.
        let began = Instant::now();
        loop {
            let frame = eyes.frame();
            let arrived = frame.luma();
            assert_eq!(arrived.len(), drawn.len(), "{story}: {frame:?}");
            let (all, here) = (apart(arrived, &drawn, |_| true), apart(arrived, &drawn, changed));
            if all < 10.0 && here < 12.0 {
                println!("{story}: {all:.1} levels apart, {here:.1} in the {n} pixels that changed");
                break;
            }
            assert!(began.elapsed() < 10 * SECOND, "{story}: {all:.1} levels apart, {here:.1} where it changed");
        }
    }
    let (_, health) = eyes.wait(0, "at the end", |_| true);
    assert_eq!(health.state, State::Alive, "a camera that is knocked goes on: {health:?}");
}

#[test]
fn camera_that_is_rendered_is_known_by_what_it_suffers() {
    let _machine = crate::shared();
    let set = set();
    let now = Now::default();
    now.set(set.moments[0].clone());
    let mut sim = set.camera(&now);
    let eyes = Threads::open(&[sim.url().to_owned()]);
    eyes.wait_for(0, "at first", State::Alive);
    for (trouble, state) in [
        (Trouble::Frozen, State::Frozen),
        (Trouble::Stuck, State::Frozen),
        (Trouble::Black, State::Dark),
        (Trouble::Gone, State::Dead),
    ] {
        let story = format!("{trouble:?}");
        sim.suffer(Some(trouble)).unwrap();
        let noticed = eyes.wait_for(0, &story, state);
        sim.suffer(None).unwrap();
        let back = eyes.wait_for(0, &format!("after {story}"), State::Alive);
        println!("{story}: {state:?} after {noticed:.1?}, alive again after {back:.1?}");
    }
}
