//! What comes from cameras and what is said of them: codecs, capture times, faults within five seconds, errors with names,
//! logins that nobody sees. Against real RTSP servers, and against some that lie.

use crate::server::{H264, H265, Liar, Lie, MJPEG, Pictures, SIZE, Server, Wire, picture};
use carryout::base::time::Clock;
use carryout::base::{CameraId, Counters, ShopTime};
use carryout::sensors::camera::{CameraOptions, Frame, Health, Healths, Mailroom, State, Watch, watch};
use carryout::shop::{Camera, CameraKind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

const SECOND: Duration = Duration::from_secs(1);

/// Some cameras' threads, with the worker's end of the mailroom in hand.
pub struct Threads {
    ids: Vec<CameraId>,
    mailroom: Arc<Mailroom>,
    healths: Healths,
    counters: Counters,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Threads {
    pub fn open(urls: &[String]) -> Threads {
        Threads::look(urls.iter().map(|url| CameraKind::Rtsp { url: url.clone() }).collect())
    }

    pub fn look(kinds: Vec<CameraKind>) -> Threads {
        let (counters, healths) = (Counters::default(), Healths::default());
        let mailroom = Arc::new(Mailroom::new(kinds.len(), 30.0, counters.clone()));
        let stop = Arc::new(AtomicBool::new(false));
        let ids: Vec<CameraId> = (0..kinds.len()).map(|n| CameraId::new(format!("eye-{n}"))).collect();
        let open = |(slot, kind): (usize, CameraKind)| {
            let camera = Camera { id: ids[slot].clone(), kind, covers: vec![], projection: None, size: (320, 240) };
            let watched = watch(Watch {
                camera,
                slot,
                mailroom: mailroom.clone(),
                healths: healths.clone(),
                options: CameraOptions::default(),
                clock: Clock::anchored_after(ShopTime(0)),
                counters: counters.clone(),
                stop: stop.clone(),
            });
            watched.unwrap().expect("it has pictures")
        };
        let threads = kinds.into_iter().enumerate().map(open).collect();
        Threads { ids, mailroom, healths, counters, stop, threads }
    }

    pub fn frame(&self) -> Frame {
        self.mailroom.take(10 * SECOND).unwrap_or_else(|| panic!("no frame in ten seconds: {:?}", self.healths.all())).1
    }

    /// How long until `wanted`, and what was known then.
    pub fn wait(&self, camera: usize, story: &str, wanted: impl Fn(&Health) -> bool) -> (Duration, Health) {
        let began = Instant::now();
        loop {
            while self.mailroom.take(Duration::ZERO).is_some() {}
            let health = self.healths.get(&self.ids[camera]);
            if let Some(health) = health.clone().filter(|health| wanted(health)) {
                return (began.elapsed(), health);
            }
            assert!(began.elapsed() < 15 * SECOND, "{story}: {health:?} after 15 s");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    pub fn wait_for(&self, camera: usize, story: &str, state: State) -> Duration {
        self.wait(camera, story, |health| health.state == state).0
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.threads.drain(..).for_each(|thread| drop(thread.join()));
    }
}

fn living() -> Pictures {
    Arc::new(|n| Some(picture(n, 40 + n * 3 % 200, 5)))
}

#[test]
fn camera_streams_of_every_codec_are_decoded_and_say_when_they_were_taken() {
    let _machine = crate::shared();
    for (codec, encoder, decoders) in [
        ("H.264", H264, ["avdec_h264", "openh264dec"]),
        ("H.265", H265, ["avdec_h265", "libde265dec"]),
        ("MJPEG", MJPEG, ["jpegdec", "avdec_mjpeg"]),
    ] {
        if gstreamer::init().is_ok() && gstreamer::ElementFactory::find(encoder.split(' ').next().unwrap()).is_none() {
            println!("SKIPPED {codec}: no {encoder}");
            continue;
        }
        let server = Server::start(encoder, living());
        let eyes = Threads::open(&[server.url()]);
        let began = Instant::now();
        let (mut frames, mut taken) = (0, Vec::new());
        while taken.len() < 20 {
            let frame = eyes.frame();
            frames += 1;
            assert_eq!((frame.width(), frame.height()), SIZE, "{codec}");
            let mean = frame.luma().iter().map(|level| f64::from(*level)).sum::<f64>() / frame.luma().len() as f64;
            assert!((80.0..110.0).contains(&mean), "{codec}: grey of {mean:.0}");
            if let Some(at) = frame.captured {
                assert!(at <= frame.arrival, "{codec}: taken after it came");
                taken.push(at);
            }
            assert!(began.elapsed() < 20 * SECOND, "{codec}: of {frames} frames {} say when", taken.len());
        }
        let (_, health) = eyes.wait(0, codec, |health| health.decoder.is_some());
        let decoder = health.decoder.unwrap();
        // A machine with a graphics card has other ones.
        assert!(decoders.contains(&decoder.as_str()) || decoder.starts_with(['v', 'n']), "{codec} by {decoder}");
        let steps: Vec<i64> = taken.windows(2).map(|pair| pair[1].since(pair[0]) / 1_000).collect();
        println!("{codec} by {decoder}: taken {steps:?} ms apart, first report after {} frames", frames - taken.len());
        assert!(steps.iter().all(|ms| *ms > 0), "{codec}: {steps:?}");
    }
}

#[test]
fn camera_faults_are_noticed_within_five_seconds_whatever_they_are() {
    let _machine = crate::alone();
    // What the pictures of each server are: 0 living, 1 none, 2 always the same, 3 the last second again and again, 4 black.
    const LIVING: u8 = 0;
    let pictures = |mode: &Arc<AtomicU8>| -> Pictures {
        let mode = mode.clone();
        Arc::new(move |n| match mode.load(Ordering::Relaxed) {
            1 => None,
            2 => Some(picture(7, 100, 5)),
            3 => Some(picture(n % 10, 40 + n % 10 * 3, 5)),
            4 => Some([vec![16; SIZE.0 * SIZE.1], vec![128; SIZE.0 * SIZE.1 / 2]].concat()),
            _ => Some(picture(n + 1_000, 40 + n * 3 % 200, 5)),
        })
    };
    for (codec, encoder) in [("H.264", H264), ("MJPEG", MJPEG)] {
        let modes: [Arc<AtomicU8>; 6] = Default::default();
        let mut servers: Vec<Option<Server>> =
            modes.iter().map(|mode| Some(Server::start(encoder, pictures(mode)))).collect();
        let ports: Vec<u16> = servers.iter().flatten().map(Server::port).collect();
        let wire = Wire::to(ports[5]);
        let mut urls: Vec<String> = servers.iter().flatten().map(Server::url).collect();
        urls[5] = wire.url();
        let eyes = Threads::open(&urls);
        for camera in 0..6 {
            eyes.wait_for(camera, "at first", State::Alive);
        }

        // (story, what happens, what is said)
        let stories = [
            ("the server is killed", 0, State::Dead),
            ("the server hangs", 1, State::Frozen),
            ("the sensor hangs", 2, State::Frozen),
            ("it plays its last second in a loop", 3, State::Frozen),
            ("somebody covers it", 4, State::Dark),
            ("the network swallows everything", 0, State::Frozen),
        ];
        let began = Instant::now();
        servers[0] = None;
        wire.hole(true);
        stories.iter().zip(&modes).for_each(|((_, mode, _), now)| now.store(*mode, Ordering::Relaxed));
        // All six at once; each is looked at until it is noticed.
        let mut noticed = [None; 6];
        while noticed.contains(&None) {
            while eyes.mailroom.take(Duration::ZERO).is_some() {}
            for (camera, (story, _, state)) in stories.iter().enumerate() {
                let health = eyes.healths.get(&eyes.ids[camera]).unwrap();
                if noticed[camera].is_none() && health.state == *state {
                    assert!(!health.reason.is_empty(), "{story}");
                    noticed[camera] = Some(began.elapsed());
                    println!("{codec}: {story}: {:?} after {:.1?}: {}", state, began.elapsed(), health.reason);
                }
                let late = noticed[camera].is_none() && began.elapsed() > 5 * SECOND;
                assert!(!late, "{codec}: {story}: {health:?} after five seconds");
            }
            std::thread::sleep(Duration::from_millis(5));
        }

        let healed = Instant::now();
        modes.iter().for_each(|mode| mode.store(LIVING, Ordering::Relaxed));
        wire.hole(false);
        servers[0] = Some(Server::start_on(ports[0], encoder, pictures(&modes[0]), None));
        for (camera, (story, ..)) in stories.iter().enumerate() {
            eyes.wait_for(camera, story, State::Alive);
        }
        println!("{codec}: all back after {:.1?}; {:?}", healed.elapsed(), eyes.counters.all());
    }
}

#[test]
fn camera_that_looks_at_a_still_scene_is_not_frozen() {
    let _machine = crate::shared();
    // So few bits that the encoder says "nothing has changed" between its whole pictures, two seconds apart.
    let miser = "x264enc tune=zerolatency speed-preset=ultrafast key-int-max=20 bitrate=10 ! \
        rtph264pay name=pay0 pt=96 config-interval=-1";
    let server = Server::start(miser, Arc::new(|n| Some(picture(n, 100, 1))));
    let eyes = Threads::open(&[server.url()]);
    eyes.wait_for(0, "at first", State::Alive);
    let (began, mut last, mut repeated, mut frames) = (Instant::now(), 0, 0, 0);
    while began.elapsed() < 9 * SECOND {
        let print = eyes.frame().fingerprint();
        (repeated, frames) = (repeated + u32::from(print == last), frames + 1);
        last = print;
        let health = eyes.healths.get(&eyes.ids[0]).unwrap();
        assert_eq!(health.state, State::Alive, "{health:?} after {repeated} repeated of {frames} pictures");
    }
    println!("{repeated} of {frames} pictures were the one before, byte for byte");
    assert!(
        repeated * 4 > frames,
        "only {repeated} of {frames}: this encoder repeats nothing, and the test proves nothing"
    );
}

#[test]
fn camera_that_is_a_short_film_is_not_frozen_when_it_begins_again() {
    use gstreamer::prelude::*;
    let _machine = crate::shared();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("film.mp4").display().to_string();
    gstreamer::init().unwrap();
    let film = gstreamer::parse::launch(&format!(
        "videotestsrc num-buffers=20 pattern=ball ! video/x-raw,width=320,height=240,framerate=10/1 ! \
         x264enc key-int-max=5 ! mp4mux ! filesink location={path}"
    ));
    let film = film.unwrap().downcast::<gstreamer::Pipeline>().unwrap();
    film.set_state(gstreamer::State::Playing).unwrap();
    let ends = [gstreamer::MessageType::Eos, gstreamer::MessageType::Error];
    let end = film.bus().unwrap().timed_pop_filtered(gstreamer::ClockTime::from_seconds(20), &ends).expect("an end");
    assert_eq!(end.type_(), gstreamer::MessageType::Eos, "{end:?}");
    film.set_state(gstreamer::State::Null).unwrap();
    let eyes = Threads::look(vec![CameraKind::File { path }]);
    let began = Instant::now();
    // Two seconds of film: it has begun again twice, and has shown nothing new for longer than a frozen camera may.
    while began.elapsed() < 7 * SECOND {
        eyes.frame();
        let health = eyes.healths.get(&eyes.ids[0]).unwrap();
        assert_eq!(health.state, State::Alive, "{health:?} after {:.1?}", began.elapsed());
    }
}

const VIDEO: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=x\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\n\
    m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=control:trackID=0\r\n";
const STRANGE: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=x\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\n\
    m=video 0 RTP/AVP 96\r\na=rtpmap:96 X-HOLOGRAM/90000\r\na=control:trackID=0\r\n";
const SOUND: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=x\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\n\
    m=audio 0 RTP/AVP 0\r\na=control:trackID=0\r\n";

#[test]
fn camera_errors_have_names_and_other_cameras_carry_on() {
    let _machine = crate::shared();
    crate::listen_to_the_log();
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let rows = [
        ("a wrong password", Some(Lie::Status("401 Unauthorized")), "refuses our user and password"),
        ("a wrong path", Some(Lie::Status("404 Not Found")), "no such stream"),
        ("a codec nobody knows", Some(Lie::Sdp(STRANGE)), "set it to H.264, H.265 or MJPEG"),
        ("sound only", Some(Lie::Sdp(SOUND)), "it sends no video that is understood"),
        ("broken pictures", Some(Lie::Sdp(VIDEO)), "picture"),
        ("no RTSP at all", Some(Lie::Http), "does not answer as a camera does"),
        ("nobody there", None, "cannot be reached"),
    ];
    let liars: Vec<Option<Liar>> = rows.iter().map(|(_, lie, _)| lie.clone().map(Liar::start)).collect();
    let server = Server::start(H264, living());
    let url =
        |liar: &Option<Liar>| format!("rtsp://ann:hush-hush@127.0.0.1:{}/x", liar.as_ref().map_or(nobody, Liar::port));
    let mut urls: Vec<String> = liars.iter().map(url).collect();
    urls.push(server.url());
    urls.push("rtsp://{credential:nobody-handed-this-over}@127.0.0.1/x".into());
    let eyes = Threads::open(&urls);
    let good = rows.len();
    eyes.wait_for(good, "the good one", State::Alive);
    let before = eyes.healths.get(&eyes.ids[good]).unwrap().frames;
    let began = Instant::now();
    for (camera, (story, _, says)) in rows.iter().enumerate() {
        let (after, health) = eyes.wait(camera, story, |health| health.state == State::Dead);
        println!("{story}: after {after:.1?}: {}", health.reason);
        assert!(!health.reason.is_empty() && health.reason.contains(says), "{story}: {}", health.reason);
    }
    let (_, health) = eyes.wait(good + 1, "a credential nobody has", |health| health.state == State::Dead);
    assert!(health.reason.contains("credential:nobody-handed-this-over"), "{}", health.reason);
    let (_, health) = eyes.wait(good, "the good one", |health| health.frames >= before + 20);
    let seconds = began.elapsed().as_secs_f64();
    println!("the good one: {} frames in {seconds:.1} s beside them", health.frames - before);
    assert_eq!(health.state, State::Alive, "{health:?}");
    let said = format!("{:?}{}{:?}", eyes.healths.all(), crate::log_so_far(), eyes.counters.all());
    assert!(said.contains("camera dead"), "the log was listened to");
    assert!(!said.contains("hush-hush"), "a password was said");
}

#[test]
fn camera_login_is_read_from_a_file_and_never_said() {
    let _machine = crate::shared();
    crate::listen_to_the_log();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("cameras");
    std::fs::write(&file, "ann:open-sesame-1\n").unwrap();
    let server = Server::start_on(0, H264, living(), Some(("ann", "open-sesame-2")));
    let port = server.port();
    let eyes = Threads::open(&[
        format!("rtsp://{{{}}}@127.0.0.1:{port}/eye", file.display()),
        format!("rtsp://ann:open%2Dsesame-2@127.0.0.1:{port}/eye"),
    ]);
    eyes.wait_for(1, "the right one, typed", State::Alive);
    let (_, health) = eyes.wait(0, "the wrong one", |health| health.state == State::Dead);
    assert!(health.reason.contains("refuses our user and password"), "{}", health.reason);
    // Somebody puts it right; nothing is restarted.
    std::fs::write(&file, "ann:open-sesame-2\n").unwrap();
    eyes.wait_for(0, "the right one", State::Alive);
    let json = serde_json::to_string(&eyes.healths.all()).unwrap();
    let said = format!("{json}{:?}{}{:?}", eyes.healths.all(), crate::log_so_far(), eyes.counters.all());
    assert!(said.contains("camera alive") && !said.contains("sesame"), "a password was said");
}
