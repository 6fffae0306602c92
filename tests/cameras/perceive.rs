//! The floor cannot tell whose eyes they are: one simulated camera, looked through by the daemon's own perception and by
//! `carryout perceive` over a real broker, makes the same bodies, the same visits and the same carts.

use crate::common::Stage;
use crate::mosquitto::Mosquitto;
use carryout::base::time::Clock;
use carryout::base::{CameraId, Counters, Point2, ShopTime};
use carryout::commands::perceive::perceive;
use carryout::events::{Observation, People};
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

/// The stage's own camera is off: what is seen is seen through ours.
fn stage() -> Stage {
    let mut stage = Stage::new();
    stage.world.eyes_open = false;
    stage
}

/// Plays the story in steps of a tenth of a second; `looks` come in when they were taken, in seconds, and `then` is told
/// the second of each step.
fn play(stage: &mut Stage, looks: &[(f64, Observation)], mut then: impl FnMut(&mut Stage, f64)) {
    let (mut story, mut looks) = (STORY.iter().peekable(), looks.iter().peekable());
    let start_s = stage.secs() + 5.0;
    for at in (1..=(ENDS_S * 10.0) as u32).map(|step| f64::from(step) / 10.0) {
        while let Some((_, who, what)) = story.next_if(|(when, ..)| *when <= at) {
            stage.world.act(who, what).into_iter().for_each(|observation| stage.observe(observation));
        }
        stage.run_to(start_s + at);
        while let Some((_, look)) = looks.next_if(|(taken, _)| *taken <= at) {
            stage.observe(look.clone());
        }
        then(stage, at);
    }
}

/// What one perception said of people, and when it came to us.
#[derive(Default)]
struct Looks(Vec<(ShopTime, People)>);

impl Looks {
    fn take_from(&mut self, queue: &mut mpsc::Receiver<Incoming>) {
        while let Ok(incoming) = queue.try_recv() {
            if let Observation::People(people) = incoming.stamped.observation {
                self.0.push((incoming.stamped.arrival, people));
            }
        }
    }

    /// Seconds from `start` to when each was taken, whenever it came: the quickest on its way sets the camera's clock.
    fn since(&self, start: ShopTime) -> Vec<(f64, Observation)> {
        let ahead_us = self.0.iter().map(|(arrival, look)| arrival.0 - look.t_us).min().unwrap_or(0);
        let taken = |look: &People| ShopTime(look.t_us + ahead_us).secs_since(start);
        let timed = self.0.iter().map(|(_, look)| (taken(look), Observation::People(look.clone())));
        timed.filter(|(taken, _)| *taken >= 0.0).collect()
    }
}

#[test]
fn camera_seen_through_perceive_makes_the_same_bodies_and_carts() {
    let _machine = crate::alone();
    let Some(broker) = Mosquitto::start() else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let mut acting = stage();
    let shop = Shop::clone(&acting.world.shop);
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

    // The film: who acts is seen by both, and each look is kept with the moment it speaks of.
    let (mut own_looks, mut other_looks) = (Looks::default(), Looks::default());
    let (began, began_at) = (Instant::now(), clock.now());
    play(&mut acting, &[], |stage, at_s| {
        std::thread::sleep((began + Duration::from_secs_f64(at_s)).saturating_duration_since(Instant::now()));
        *whereabouts.lock().unwrap() = stage.world.humans.values().map(|human| human.at).collect();
        own_looks.take_from(&mut own_queue);
        other_looks.take_from(&mut other_queue);
    });
    stop.store(true, Ordering::Relaxed);
    shutdown.send_replace(true);
    runtime.block_on(async {
        perceiving.await.unwrap().unwrap();
        hearing.await.unwrap();
    });
    own_looks.take_from(&mut own_queue);
    other_looks.take_from(&mut other_queue);
    drop((own_queue, other_queue));
    eyes.join();

    // The same story twice, each with its own looks.
    let [(own, own_bodies), (other, other_bodies)] = [own_looks, other_looks].map(|looks| {
        let (mut stage, mut bodies) = (stage(), Vec::new());
        play(&mut stage, &looks.since(began_at), |stage, _| {
            // Seen just now or not: who stands still is looked at twice a second, and was seen or was not from moment to moment.
            bodies.push(stage.floor.snapshot().bodies.into_iter().map(|body| body.floor).collect::<Vec<Point2>>());
        });
        (stage, bodies)
    });
    let (mut compared, mut apart_m, mut worst_m) = (0, 0.0, 0.0f64);
    let (mut different, mut in_a_row, mut longest) = (0, 0, 0);
    for (ours, theirs) in own_bodies.iter().zip(&other_bodies) {
        in_a_row = if ours.len() == theirs.len() { 0 } else { in_a_row + 1 };
        (different, longest) = (different + u32::from(in_a_row > 0), longest.max(in_a_row));
        for a in ours.iter().filter(|_| in_a_row == 0) {
            let off = theirs.iter().map(|b| a.distance(*b)).fold(f64::MAX, f64::min);
            (compared, apart_m, worst_m) = (compared + 1, apart_m + off, worst_m.max(off));
        }
    }
    println!(
        "{compared} bodies compared: {:.1} cm apart on average, {:.1} cm at most; another number of them in {different} of {} \
         moments, {longest} in a row; {:?}; {:?}",
        100.0 * apart_m / f64::from(compared.max(1)),
        100.0 * worst_m,
        own_bodies.len(),
        own.outcomes(),
        remote.all(),
    );
    let kinds = |stage: &Stage| stage.events.iter().map(|event| event.kind.to_string()).collect::<Vec<_>>();
    assert_eq!(own.outcomes(), other.outcomes(), "other carts");
    assert_eq!(kinds(&own), kinds(&other), "other events");
    assert!(own.outcome("ann").contains("1 cola") && own.outcome("ann").contains("captured"), "{:?}", own.outcomes());
    assert_eq!(own.outcomes().len(), 2, "two came: {:?}", own.outcomes());
    assert!(compared > 200 && apart_m / f64::from(compared) < 0.1, "{compared} compared, {apart_m} m apart in all");
    // On a busy machine the two look at different frames: somebody may be there a moment sooner or later, and no longer.
    assert!(longest < 10, "{longest} moments in a row with other bodies");
}
