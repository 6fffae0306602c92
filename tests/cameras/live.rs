//! The camera path on real parts: a simulated camera on a real RTSP server, gstreamer, the disc model in the ONNX
//! Runtime, and the floor's queue at the end.

use carryout::base::time::Clock;
use carryout::base::{CameraId, Counters, Point2, ShopTime};
use carryout::events::{Observation, People};
use carryout::perception::{self, Look, Vision, VisionOptions};
use carryout::sensors::Incoming;
use carryout::sensors::camera::State;
use carryout::shop::{Camera, CameraKind, Layout};
use carryout::sim::eyes::SimCamera;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// 640 x 480, f = 400 px, 5 m above (4, 3), straight down; it sees 8 m x 6 m of floor.
fn ceiling(kind: CameraKind) -> Camera {
    Camera {
        id: CameraId::new("top-1"),
        kind,
        covers: [[0.0, 0.0], [8.0, 0.0], [8.0, 6.0], [0.0, 6.0]].map(Point2::from).to_vec(),
        projection: Some([[400.0, 0.0, -320.0, 0.0], [0.0, -400.0, -240.0, 2400.0], [0.0, 0.0, -1.0, 5.0]]),
        size: (640, 480),
    }
}

fn bay() -> Vec<Point2> {
    [[1.0, 4.6], [3.0, 4.6], [3.0, 5.2], [1.0, 5.2]].map(Point2::from).to_vec()
}

fn layout(camera: Camera) -> Layout {
    Layout { cameras: [(camera.id.clone(), camera)].into(), ..Layout::default() }
}

fn options() -> VisionOptions {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut options = VisionOptions { model: root.join("models/disc.toml"), ..VisionOptions::default() };
    options.cameras.no_frame_ms = 1_000;
    options.cameras.retry_ms_max = 500;
    options
}

/// The eyes of a one-camera shop, with the floor's end of the queue in hand.
struct Eyes {
    clock: Clock,
    counters: Counters,
    looks: mpsc::Sender<Look>,
    floor: mpsc::Receiver<Incoming>,
    vision: Option<Vision>,
    stop: Arc<AtomicBool>,
}

impl Eyes {
    fn open(camera: Camera, options: &VisionOptions) -> Eyes {
        let (clock, counters) = (Clock::anchored_after(ShopTime(0)), Counters::default());
        let (looks, look_rx) = mpsc::channel(8);
        let (floor_tx, floor) = mpsc::channel(64);
        let stop = Arc::new(AtomicBool::new(false));
        let vision =
            perception::spawn(&layout(camera), options, clock, counters.clone(), look_rx, floor_tx, stop.clone());
        let vision = Some(vision.expect("the eyes open"));
        Eyes { clock, counters, looks, floor, vision, stop }
    }

    /// The next message; `None` when none comes within `wait`.
    fn people(&mut self, wait: Duration) -> Option<People> {
        let until = Instant::now() + wait;
        loop {
            match self.floor.try_recv() {
                Ok(Incoming { stamped, ack: None }) => match stamped.observation {
                    Observation::People(people) => return Some(people),
                    other => panic!("cameras only see people, not {other:?}"),
                },
                Ok(_) => panic!("people are not acknowledged"),
                Err(_) if Instant::now() > until => return None,
                Err(_) => std::thread::sleep(Duration::from_millis(2)),
            }
        }
    }

    fn wait_for(&mut self, state: State) -> Duration {
        let (from, camera) = (Instant::now(), CameraId::new("top-1"));
        loop {
            let health = self.vision.as_ref().expect("open").health.get(&camera);
            if health.as_ref().is_some_and(|health| health.state == state) {
                return from.elapsed();
            }
            assert!(from.elapsed() < Duration::from_secs(12), "camera is {health:?} and not {state:?} after 12 s");
            // Messages are taken so that nothing waits for us.
            self.people(Duration::from_millis(5));
        }
    }
}

impl Drop for Eyes {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.floor.close();
        if let Some(vision) = self.vision.take() {
            vision.join();
        }
    }
}

fn rtsp(sim: &SimCamera) -> Camera {
    ceiling(CameraKind::Rtsp { url: sim.url().to_owned() })
}

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn camera_sees_three_people_walk_and_keeps_them_apart() {
    let _machine = crate::alone();
    let began = Instant::now();
    let path = move |body: usize, t: f64| match body {
        0 => Point2::new(1.0 + 0.5 * t, 1.0),
        1 => Point2::new(6.5, 1.0 + 0.4 * t),
        // Along the dark bay, and back.
        _ => Point2::new(2.0 + (0.6 * t).sin(), 4.2),
    };
    // When each picture's positions were asked for; three seconds of them are enough.
    type Drawn = Vec<(f64, [Point2; 3])>;
    let drawn: Arc<Mutex<Drawn>> = Arc::default();
    let record = drawn.clone();
    let positions = move || {
        let t = began.elapsed().as_secs_f64();
        let now = [0, 1, 2].map(|body| path(body, t));
        record.lock().unwrap().push((t, now));
        now.to_vec()
    };
    let sim = SimCamera::start(&ceiling(CameraKind::People), &[bay()], positions, 0).unwrap();
    let mut eyes = Eyes::open(rtsp(&sim), &options());
    let first = loop {
        let people = eyes.people(10 * SECOND).expect("somebody is seen within ten seconds");
        if people.people.len() == 3 {
            break people;
        }
    };
    let tracks: Vec<String> = first.people.iter().map(|person| person.track.clone()).collect();
    let (mut looks, mut worst_m, mut sum_m, mut delay_s) = (0, 0.0f64, 0.0, 0.0);
    let until = Instant::now() + 5 * SECOND;
    let mut last = first.seq;
    while Instant::now() < until {
        let people = eyes.people(2 * SECOND).expect("people who walk are seen all the time");
        assert_eq!((people.seq, &people.boot), (last + 1, &first.boot), "no message is missing");
        last = people.seq;
        assert_eq!(people.people.len(), 3, "{people:?}");
        let seen = people.people.iter().map(|person| person.floor.expect("a place on the floor"));
        let seen: Vec<Point2> = seen.collect();
        // The picture it must have been: the best one of the last two seconds. The error is against that one, the
        // delay is its age.
        let now = began.elapsed().as_secs_f64();
        let off = |truth: &[Point2; 3]| {
            seen.iter().map(|at| truth.iter().map(|t| t.distance(*at)).fold(f64::MAX, f64::min)).fold(0.0, f64::max)
        };
        let drawn = drawn.lock().unwrap();
        let recent = drawn.iter().filter(|(t, _)| now - t < 2.0);
        let (t, error_m) = recent.map(|(t, truth)| (*t, off(truth))).min_by(|a, b| a.1.total_cmp(&b.1)).unwrap();
        assert!(error_m < 0.25, "{error_m:.3} m off: saw {seen:?}");
        (worst_m, sum_m, delay_s, looks) = (worst_m.max(error_m), sum_m + error_m, delay_s + now - t, looks + 1);
        for person in &people.people {
            assert!(tracks.contains(&person.track), "{} is new; there were {tracks:?}", person.track);
            assert!(person.bounds.is_none(), "a disc from above is nobody's outline: {person:?}");
        }
    }
    assert!(looks >= 20, "only {looks} looks in 5 s of 10 frames/s");
    println!(
        "{looks} looks: worst body {:.1} cm off on average, {:.1} cm at most, said {:.0} ms after it was drawn; {:?}",
        100.0 * sum_m / f64::from(looks),
        100.0 * worst_m,
        1000.0 * delay_s / f64::from(looks),
        eyes.counters.all(),
    );
}

#[test]
fn camera_says_who_stands_still_and_that_nobody_is_there() {
    let _machine = crate::shared();
    let bodies: Arc<Mutex<Vec<Point2>>> = Arc::new(Mutex::new(vec![Point2::new(3.0, 2.0)]));
    let here = bodies.clone();
    let sim =
        SimCamera::start(&ceiling(CameraKind::People), &[bay()], move || here.lock().unwrap().clone(), 0).unwrap();
    let mut options = options();
    options.look_ms_max = 60_000;
    let mut eyes = Eyes::open(rtsp(&sim), &options);
    let mut track = None;
    for (story, stand) in [("one stands", vec![Point2::new(3.0, 2.0)]), ("nobody is there", vec![])] {
        *bodies.lock().unwrap() = stand.clone();
        // Until the picture has come to rest: three messages on end that were not looks.
        let (mut looks, mut calm, began) = (0, 0, Instant::now());
        while calm < 3 {
            let people = eyes.people(2 * SECOND).unwrap_or_else(|| panic!("{story}: nothing said for two seconds"));
            let now = eyes.counters.get("perception.looks");
            calm = if people.people.len() == stand.len() && now == looks { calm + 1 } else { 0 };
            looks = now;
            assert!(began.elapsed() < 10 * SECOND, "{story}: no rest after ten seconds: {:?}", eyes.counters.all());
        }
        println!("{story}: at rest after {:.1?}", began.elapsed());
        let (mut last, mut said) = (None, 0);
        let until = Instant::now() + 2 * SECOND;
        while Instant::now() < until {
            let people = eyes.people(SECOND).unwrap_or_else(|| panic!("{story}: nothing said for a second"));
            assert_eq!(people.people.len(), stand.len(), "{story}");
            if let Some(person) = people.people.first() {
                assert_eq!(track.get_or_insert(person.track.clone()), &person.track, "{story}");
            }
            if let Some(last) = last {
                // 400 ms and the next frame, with a frame's delay of grace.
                assert!(people.t_us - last <= 650_000, "{story}: silent for {} ms", (people.t_us - last) / 1_000);
            }
            (last, said) = (Some(people.t_us), said + 1);
        }
        assert!((3..=8).contains(&said), "{story}: {said} messages in two seconds without movement");

        // A shelf moves: the camera looks although the picture rests.
        let forced = eyes.counters.get("perception.looks.forced");
        eyes.looks.blocking_send(Look { cameras: vec![CameraId::new("top-1"), CameraId::new("other")] }).unwrap();
        let asked = Instant::now();
        while eyes.counters.get("perception.looks.forced") == forced {
            assert!(asked.elapsed() < SECOND, "{story}: no look within a second of being asked");
            eyes.people(Duration::from_millis(5));
        }
    }
    assert!(eyes.counters.get("perception.still") > 20, "{:?}", eyes.counters.all());
}

#[test]
fn camera_that_dies_or_freezes_comes_back_by_itself() {
    let _machine = crate::shared();
    let one = || vec![Point2::new(4.0, 3.0)];
    let sim = SimCamera::start(&ceiling(CameraKind::People), &[], one, 0).unwrap();
    let (camera, port) = (rtsp(&sim), sim.port());
    let mut eyes = Eyes::open(camera.clone(), &options());
    let opened = eyes.wait_for(State::Alive);

    sim.freeze(true);
    let frozen = eyes.wait_for(State::Frozen);
    sim.freeze(false);
    let thawed = eyes.wait_for(State::Alive);

    sim.stop();
    let dead = eyes.wait_for(State::Dead);
    // A dead camera says nothing: not even that nobody is there. What was on its way comes first.
    while eyes.people(Duration::from_millis(300)).is_some() {}
    assert!(eyes.people(SECOND).is_none(), "a dead camera spoke");
    let health = eyes.vision.as_ref().unwrap().health.get(&camera.id).unwrap();
    assert!(health.last_frame_us.is_some() && !health.reason.is_empty(), "{health:?}");
    assert!(eyes.clock.now() > health.since_us, "{health:?}");

    let sim = SimCamera::start(&ceiling(CameraKind::People), &[], one, port).unwrap();
    let back = eyes.wait_for(State::Alive);
    let seen = loop {
        let people = eyes.people(5 * SECOND).expect("somebody is seen again");
        if let Some(person) = people.people.first() {
            break person.floor.unwrap();
        }
    };
    assert!(seen.distance(Point2::new(4.0, 3.0)) < 0.25, "{seen:?}");
    println!(
        "opened in {opened:.1?}, frozen seen in {frozen:.1?}, thawed in {thawed:.1?}, dead seen in {dead:.1?}, back in {back:.1?}"
    );
    drop(sim);
}

#[test]
fn camera_that_is_not_there_is_dead_with_a_reason() {
    let _machine = crate::shared();
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    for (kind, says) in [
        (CameraKind::Rtsp { url: format!("rtsp://user:secret@127.0.0.1:{nobody}/x") }, ""),
        (CameraKind::Usb { device: "/dev/video63".into() }, "opening USB camera /dev/video63"),
        (CameraKind::Usb { device: "webcam".into() }, "not a device like /dev/video0"),
        (CameraKind::File { path: "/nowhere/film.mp4".into() }, ""),
    ] {
        let story = format!("{kind:?}");
        let mut eyes = Eyes::open(ceiling(kind), &options());
        eyes.wait_for(State::Dead);
        let reason = eyes.vision.as_ref().unwrap().health.get(&CameraId::new("top-1")).unwrap().reason;
        assert!(!reason.is_empty() && reason.contains(says), "{story}: {reason}");
        assert!(!reason.contains("secret"), "{story}: {reason}");
        println!("{story}: {reason}");
    }
}

#[test]
fn camera_shop_does_not_start_with_a_model_that_is_not_there() {
    let _machine = crate::shared();
    let (_, looks) = mpsc::channel(1);
    let (floor, _floor) = mpsc::channel(1);
    let missing = VisionOptions { model: "/nowhere/disc.toml".into(), ..options() };
    let camera = ceiling(CameraKind::File { path: "x".into() });
    let clock = Clock::anchored_after(ShopTime(0));
    let error = perception::spawn(&layout(camera), &missing, clock, Counters::default(), looks, floor, Arc::default())
        .map(|_| ())
        .unwrap_err()
        .to_string();
    assert!(error.contains("reading model manifest /nowhere/disc.toml"), "{error}");
}
