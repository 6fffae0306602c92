//! The floor cannot tell whose eyes they are: one simulated camera, looked through by the daemon's own perception and by
//! `carryout perceive` over a real broker, makes the same bodies, the same visits and the same carts.

use crate::common::Stage;
use crate::mosquitto::Mosquitto;
use carryout::base::time::Clock;
use carryout::base::{CameraId, Counters, Point2, ShopTime};
use carryout::commands::perceive::perceive;
use carryout::events::Observation;
use carryout::perception::{self, VisionOptions};
use carryout::sensors::mqtt::{self, MqttOptions};
use carryout::sensors::publish::Publish;
use carryout::sensors::{Incoming, camera::State};
use carryout::shop::{Camera, CameraKind, Shop};
use carryout::sim::eyes::SimCamera;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, watch};

/// Seconds, who, what.
const STORY: [(f64, &str, &[&str]); 9] = [
    (0.0, "ann", &["taps", "in"]),
    (0.5, "ann", &["enters"]),
    (4.0, "ann", &["takes", "cola"]),
    (6.0, "bob", &["taps", "in"]),
    (6.5, "bob", &["enters"]),
    (10.0, "bob", &["goes", "6.0", "1.5"]),
    (12.0, "ann", &["leaves"]),
    (19.0, "ann", &["is", "away"]),
    (19.0, "bob", &["leaves"]),
];
const ENDS_S: f64 = 34.0;

/// 9 m above (3.1, 2), straight down, f = 540 px.
fn camera(kind: CameraKind) -> Camera {
    Camera {
        id: CameraId::new("eyes"),
        kind,
        covers: [[-1.4, -0.5], [7.6, -0.5], [7.6, 4.5], [-1.4, 4.5]].map(Point2::from).to_vec(),
        projection: Some([[540.0, 0.0, -320.0, 1206.0], [0.0, -540.0, -240.0, 3240.0], [0.0, 0.0, -1.0, 9.0]]),
        size: (640, 480),
    }
}

fn seen_through(mut shop: Shop, kind: CameraKind) -> Shop {
    shop.layout.cameras = [(CameraId::new("eyes"), camera(kind))].into();
    shop
}

#[test]
fn camera_seen_through_perceive_makes_the_same_bodies_and_carts() {
    let _machine = crate::alone();
    let Some(broker) = Mosquitto::start() else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let (mut own, mut other) = (Stage::new(), Stage::new());
    // The stage's own camera is off: what is seen is seen through ours.
    (own.world.eyes_open, other.world.eyes_open) = (false, false);
    let shop = Shop::clone(&own.world.shop);
    let whereabouts: Arc<Mutex<Vec<Point2>>> = Arc::default();
    let seen = whereabouts.clone();
    let sim = SimCamera::start(&camera(CameraKind::People), &[], move || seen.lock().unwrap().clone(), 0).unwrap();
    let rtsp = seen_through(shop.clone(), CameraKind::Rtsp { url: sim.url().to_owned() });
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/disc.toml");
    let vision = VisionOptions { model, ..VisionOptions::default() };

    // The daemon's own eyes.
    let (clock, stop) = (Clock::anchored_after(ShopTime(0)), Arc::new(AtomicBool::new(false)));
    let (_looks, looks) = mpsc::channel(8);
    let (to_own, mut own_queue) = mpsc::channel::<Incoming>(256);
    let eyes = perception::spawn(&rtsp.layout, &vision, clock, Counters::default(), looks, to_own, stop.clone());
    let eyes = eyes.unwrap();

    // Somebody else's, and the daemon's ears.
    let (shutdown, stopping) = watch::channel(false);
    let options = MqttOptions { port: broker.port, ..MqttOptions::default() };
    let remote = Counters::default();
    let perceiving = runtime.spawn(perceive(rtsp, options.clone(), vision, remote.clone(), stopping.clone()));
    let (to_other, mut other_queue) = mpsc::channel::<Incoming>(256);
    let (say, to_say) = mpsc::channel::<Publish>(8);
    let daemon = Arc::new(seen_through(shop, CameraKind::People));
    let heard = Counters::default();
    let hearing = runtime.spawn(mqtt::run(options, daemon, to_other, to_say, clock, heard.clone(), stopping));

    let id = CameraId::new("eyes");
    let waiting = Instant::now();
    while heard.get("people.received") == 0 || eyes.health.get(&id).is_none_or(|health| health.state != State::Alive) {
        assert!(
            waiting.elapsed() < Duration::from_secs(20),
            "{:?} {:?} {:?}",
            remote.all(),
            heard.all(),
            eyes.health.all()
        );
        std::thread::sleep(Duration::from_millis(10));
    }
    // A shelf moves: the word goes to the process that looks.
    let forced = || remote.get("perception.looks.forced");
    let before = forced();
    let asked = Instant::now();
    while forced() == before {
        let _ = say.try_send(Publish::look(&id, clock.now()));
        assert!(asked.elapsed() < Duration::from_secs(10), "asked, and nobody looks: {:?}", remote.all());
        std::thread::sleep(Duration::from_millis(100));
    }

    let drain = |queue: &mut mpsc::Receiver<Incoming>| -> Vec<Observation> {
        let all = std::iter::from_fn(|| queue.try_recv().ok()).map(|incoming| incoming.stamped.observation);
        all.filter(|observation| matches!(observation, Observation::People(_))).collect()
    };
    drain(&mut own_queue);
    drain(&mut other_queue);
    let (began, start_s) = (Instant::now(), own.secs() + 5.0);
    let mut story = STORY.iter().peekable();
    let (mut compared, mut apart_m, mut worst_m, mut different) = (0, 0.0, 0.0f64, 0);
    for step in 1.. {
        let at = f64::from(step) / 10.0;
        if at > ENDS_S {
            break;
        }
        std::thread::sleep((began + Duration::from_secs_f64(at)).saturating_duration_since(Instant::now()));
        while let Some((_, who, what)) = story.next_if(|(when, ..)| *when <= at) {
            for stage in [&mut own, &mut other] {
                let said = stage.world.act(who, what);
                said.into_iter().for_each(|observation| stage.observe(observation));
            }
        }
        for (stage, queue) in [(&mut own, &mut own_queue), (&mut other, &mut other_queue)] {
            stage.run_to(start_s + at);
            drain(queue).into_iter().for_each(|observation| stage.observe(observation));
        }
        *whereabouts.lock().unwrap() = own.world.humans.values().map(|human| human.at).collect();
        let bodies = [&mut own, &mut other].map(|stage| {
            let seen = stage.floor.snapshot().bodies.into_iter().filter(|body| body.seen);
            seen.map(|body| body.floor).collect::<Vec<Point2>>()
        });
        if bodies[0].len() != bodies[1].len() {
            different += 1;
            continue;
        }
        for a in &bodies[0] {
            let off = bodies[1].iter().map(|b| a.distance(*b)).fold(f64::MAX, f64::min);
            (compared, apart_m, worst_m) = (compared + 1, apart_m + off, worst_m.max(off));
        }
    }
    stop.store(true, Ordering::Relaxed);
    shutdown.send_replace(true);
    runtime.block_on(async {
        perceiving.await.unwrap().unwrap();
        hearing.await.unwrap();
    });
    drop((own_queue, other_queue));
    eyes.join();

    println!(
        "{compared} bodies compared: {:.1} cm apart on average, {:.1} cm at most; another number of them in {different} of {} \
         moments; {:?}; {:?}",
        100.0 * apart_m / f64::from(compared.max(1)),
        100.0 * worst_m,
        (ENDS_S * 10.0) as u32,
        own.outcomes(),
        remote.all(),
    );
    let kinds = |stage: &Stage| stage.events.iter().map(|event| event.kind.to_string()).collect::<Vec<_>>();
    assert_eq!(own.outcomes(), other.outcomes(), "other carts");
    assert_eq!(kinds(&own), kinds(&other), "other events");
    assert!(own.outcome("ann").contains("1 cola") && own.outcome("ann").contains("captured"), "{:?}", own.outcomes());
    assert_eq!(own.outcomes().len(), 2, "two came: {:?}", own.outcomes());
    assert!(compared > 200 && apart_m / f64::from(compared) < 0.1, "{compared} compared, {apart_m} m apart in all");
    // A look over the broker comes a little later: somebody may be there a moment sooner or later.
    assert!(different < 15, "{different} moments with other bodies");
}
