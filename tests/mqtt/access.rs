//! The broker we ship a configuration for: every identity can do its own and nothing of another's. The files are the ones of
//! config/mosquitto; only their paths are the test's.

use crate::device::{Device, PATIENCE};
use crate::mosquitto::Mosquitto;
use crate::pki::Ca;
use carryout::base::time::Clock;
use carryout::base::{Counters, GateId, ShopTime, TapId};
use carryout::events::Observation;
use carryout::sensors::mqtt::{self, MqttOptions, MqttVersion};
use carryout::sensors::publish::Publish;
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use tokio::sync::{mpsc, watch};

const IDENTITIES: [&str; 11] = [
    "carryout",
    "display",
    "perceive",
    "shelf/1-1",
    "shelf/1-2",
    "gate/gate-1",
    "gate/1-1",
    "camera/cam-1",
    // Names that try to be more than one.
    "shelf/+",
    "+/1-1",
    // Sees everything, and is only in this test.
    "watcher",
];

/// Every topic there is, of more than one device of each kind; two kinds share an id.
const TOPICS: [&str; 22] = [
    "carryout/v1/corner/shelf/1-1/weights",
    "carryout/v1/corner/shelf/1-1/status",
    "carryout/v1/corner/shelf/1-2/weights",
    "carryout/v1/corner/gate/gate-1/tap",
    "carryout/v1/corner/gate/gate-1/passage",
    "carryout/v1/corner/gate/gate-1/status",
    "carryout/v1/corner/gate/gate-1/decision",
    "carryout/v1/corner/gate/1-1/tap",
    "carryout/v1/corner/gate/1-1/decision",
    "carryout/v1/corner/camera/cam-1/people",
    "carryout/v1/corner/camera/1-1/people",
    "carryout/v1/corner/camera/cam-1/look",
    "carryout/v1/corner/camera/1-1/look",
    "carryout/v1/corner/visit/v1/cart",
    "carryout/v1/corner/events",
    "carryout/v1/corner/status",
    "scales/shelf/1-1/plate-1/state",
    "scales/shelf/1-2/plate-1/state",
    "scales/gate/1-1/state",
    "carryout/v1/corner/shelf/weights",
    "carryout/v2/anything",
    "elsewhere",
];

fn shipped(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/mosquitto").join(name);
    std::fs::read_to_string(path).expect("a file we ship")
}

/// Settings for all listeners, and those of the one with TLS.
fn parts() -> (String, String) {
    let conf = shipped("carryout.conf");
    let (all, listeners) = conf.split_once("\nlistener 1883 127.0.0.1\n").expect("a listener for this machine");
    let (_, tls) = listeners.split_once("\nlistener 8883\n").expect("a listener with TLS");
    (all.to_owned(), tls.to_owned())
}

/// Rules and passwords, where the settings look for them.
fn furnish(dir: &Path, settings: &str) -> String {
    let mut rules = shipped("carryout.acl");
    rules += "\nuser watcher\ntopic readwrite #\n";
    for identity in IDENTITIES {
        rules += &format!("user {identity}\ntopic read the-end\n");
    }
    std::fs::write(dir.join("carryout.acl"), rules).expect("the rules");
    let passwords = dir.join("carryout.passwd");
    std::fs::write(&passwords, "").expect("an empty file of passwords");
    for identity in IDENTITIES {
        // As docs/broker.md tells a technician to.
        let made = Command::new("mosquitto_passwd").arg("-b").arg(&passwords).args([identity, "secret"]).status();
        assert!(made.expect("mosquitto_passwd comes with mosquitto").success(), "{identity}");
    }
    settings.replace("/etc/mosquitto/", &format!("{}/", dir.display()))
}

fn options(port: u16, identity: &str, client_id: &str) -> rumqttc::MqttOptions {
    let mut options = rumqttc::MqttOptions::new(client_id, "127.0.0.1", port);
    options.set_credentials(identity, "secret");
    options
}

/// What each identity may write and read of [`TOPICS`], below the shop where it begins with a slash.
fn rights(identity: &str) -> (BTreeSet<String>, BTreeSet<String>) {
    let (write, read): (&[&str], &[&str]) = match identity {
        "carryout" => (
            &[
                "/gate/gate-1/decision",
                "/gate/1-1/decision",
                "/camera/cam-1/look",
                "/camera/1-1/look",
                "/visit/v1/cart",
                "/events",
                "/status",
            ],
            &[
                "/shelf/1-1/weights",
                "/shelf/1-1/status",
                "/shelf/1-2/weights",
                "/gate/gate-1/tap",
                "/gate/gate-1/passage",
                "/gate/gate-1/status",
                "/gate/1-1/tap",
                "/camera/cam-1/people",
                "/camera/1-1/people",
                "scales/shelf/1-1/plate-1/state",
                "scales/shelf/1-2/plate-1/state",
                "scales/gate/1-1/state",
            ],
        ),
        "perceive" => (&["/camera/cam-1/people", "/camera/1-1/people"], &["/camera/cam-1/look", "/camera/1-1/look"]),
        "display" => (&[], &["/visit/v1/cart", "/events", "/status"]),
        "shelf/1-1" => (&["/shelf/1-1/weights", "/shelf/1-1/status", "scales/shelf/1-1/plate-1/state"], &[]),
        "shelf/1-2" => (&["/shelf/1-2/weights", "scales/shelf/1-2/plate-1/state"], &[]),
        "gate/gate-1" => {
            (&["/gate/gate-1/tap", "/gate/gate-1/passage", "/gate/gate-1/status"], &["/gate/gate-1/decision"])
        }
        "gate/1-1" => (&["/gate/1-1/tap", "scales/gate/1-1/state"], &["/gate/1-1/decision"]),
        "camera/cam-1" => (&["/camera/cam-1/people"], &["/camera/cam-1/look"]),
        _ => (&[], &[]),
    };
    let whole = |topics: &[&str]| -> BTreeSet<String> {
        let below = |topic: &&str| {
            if topic.starts_with('/') { format!("carryout/v1/corner{topic}") } else { topic.to_string() }
        };
        topics.iter().map(below).collect()
    };
    (whole(write), whole(read))
}

#[tokio::test(flavor = "multi_thread")]
async fn each_identity_does_its_own_and_nothing_of_anothers() {
    let Some(broker) = Mosquitto::start_with(|dir| furnish(dir, &parts().0)) else { return };
    let mut watcher = Device::with(options(broker.port, "watcher", "watcher")).await;
    let mut speaker = Device::with(options(broker.port, "watcher", "speaker")).await;
    watcher.subscribe("#").await;
    for identity in IDENTITIES.into_iter().filter(|identity| *identity != "watcher") {
        let (may_write, may_read) = rights(identity);
        let mut device = Device::with(options(broker.port, identity, "device")).await;
        device.subscribe("#").await;
        // It says everything, and what came through is heard; the broker acknowledges what it denies.
        for topic in TOPICS {
            device.publish(topic, false, "1").await;
        }
        speaker.publish("the-end", false, "1").await;
        assert_eq!(heard(&mut watcher).await, may_write, "{identity} writes");
        heard(&mut device).await;

        // Everything is said, and it hears its own.
        for topic in TOPICS {
            speaker.publish(topic, false, "2").await;
        }
        speaker.publish("the-end", false, "2").await;
        assert_eq!(heard(&mut device).await, may_read, "{identity} reads");
        heard(&mut watcher).await;
    }
}

/// The topics heard until the end.
async fn heard(device: &mut Device) -> BTreeSet<String> {
    let mut topics = BTreeSet::new();
    loop {
        let (topic, _) = device.next().await;
        if topic == "the-end" {
            return topics;
        }
        topics.insert(topic);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_daemon_lacks_nothing_and_says_when_it_does() {
    let Some(broker) = Mosquitto::start_with(|dir| furnish(dir, &parts().0)) else { return };
    let dir = tempfile::tempdir().unwrap();
    let password = dir.path().join("password");
    std::fs::write(&password, "secret\n").unwrap();
    let mut gate = Device::with(options(broker.port, "gate/gate-1", "gate")).await;
    gate.subscribe("carryout/v1/corner/gate/gate-1/decision").await;
    for (user, wanted) in [("carryout", true), ("display", false)] {
        let (to_floor, mut floor) = mpsc::channel(64);
        let (publish, outgoing) = mpsc::channel(16);
        let (_stop, shutdown) = watch::channel(false);
        let (counters, clock) = (Counters::default(), Clock::anchored_after(ShopTime(0)));
        let options = MqttOptions {
            port: broker.port,
            version: MqttVersion::V5,
            user: Some(user.into()),
            password_file: Some(password.clone().into()),
            ..MqttOptions::default()
        };
        let shop = Arc::new(crate::small_shop::small_shop());
        let daemon = tokio::spawn(mqtt::run(options, shop, to_floor, outgoing, clock, counters.clone(), shutdown));
        let up = tokio::time::timeout(PATIENCE, floor.recv()).await.expect("in time").expect("it runs");
        assert_eq!(up.stamped.observation, Observation::Broker { up: true, why: None }, "{user}");
        publish.send(Publish::malformed(&GateId::new("gate-1"), TapId::new("t1"), clock.now())).await.unwrap();
        if wanted {
            assert_eq!(gate.next().await.1["tap_id"], "t1", "the gate hears its decision");
            let t_us = clock.now().0;
            gate.publish("carryout/v1/corner/gate/gate-1/status", false, format!(r#"{{"t_us":{t_us}}}"#)).await;
            let told = tokio::time::timeout(PATIENCE, floor.recv()).await.expect("in time").expect("it runs");
            assert!(matches!(told.stamped.observation, Observation::GateClock { .. }), "{told:?}");
            assert_eq!(counters.get("mqtt.publish_refused") + counters.get("mqtt.subscription_refused"), 0);
        } else {
            // It says nothing else that could be waited for: only its counters tell.
            let since = std::time::Instant::now();
            while counters.get("mqtt.publish_refused") == 0 {
                assert!(since.elapsed() < PATIENCE, "{:?}", counters.all());
                tokio::task::yield_now().await;
            }
        }
        daemon.abort();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_no_password_or_a_wrong_one_is_not_let_in() {
    let Some(broker) = Mosquitto::start_with(|dir| furnish(dir, &parts().0)) else { return };
    let dir = tempfile::tempdir().unwrap();
    let password = dir.path().join("password");
    std::fs::write(&password, "wrong\n").unwrap();
    for (story, user) in [("nobody", None), ("a wrong password", Some("carryout".to_owned()))] {
        for version in [MqttVersion::V3, MqttVersion::V5] {
            let (to_floor, mut floor) = mpsc::channel(64);
            let (_publish, outgoing) = mpsc::channel(16);
            let (_stop, shutdown) = watch::channel(false);
            let (counters, clock) = (Counters::default(), Clock::anchored_after(ShopTime(0)));
            let options = MqttOptions {
                port: broker.port,
                version,
                password_file: user.is_some().then(|| password.clone().into()),
                user: user.clone(),
                ..MqttOptions::default()
            };
            let shop = Arc::new(crate::small_shop::small_shop());
            let daemon = tokio::spawn(mqtt::run(options, shop, to_floor, outgoing, clock, counters.clone(), shutdown));
            let told = tokio::time::timeout(PATIENCE, floor.recv()).await.expect("in time").expect("it runs");
            match told.stamped.observation {
                Observation::Broker { up: false, why: Some(why) } => {
                    assert!(why.contains("refuses our `user` and `password_file`"), "{story}, {version:?}: {why}")
                }
                other => panic!("{story}, {version:?}: {other:?}"),
            }
            assert!(counters.get("mqtt.login_refused") > 0, "{story}");
            daemon.abort();
        }
    }
    // A password that cannot be read is no empty one: nobody is called.
    let (to_floor, mut floor) = mpsc::channel(64);
    let (_publish, outgoing) = mpsc::channel(16);
    let (_stop, shutdown) = watch::channel(false);
    let (counters, clock) = (Counters::default(), Clock::anchored_after(ShopTime(0)));
    let file = dir.path().join("later");
    let options = MqttOptions {
        port: broker.port,
        user: Some("carryout".into()),
        password_file: Some(file.clone().into()),
        ..MqttOptions::default()
    };
    let shop = Arc::new(crate::small_shop::small_shop());
    let daemon = tokio::spawn(mqtt::run(options, shop, to_floor, outgoing, clock, counters.clone(), shutdown));
    let mut told = async || tokio::time::timeout(PATIENCE, floor.recv()).await.expect("in time").expect("it runs");
    match told().await.stamped.observation {
        Observation::Broker { up: false, why: Some(why) } => {
            assert!(why.contains("the password_file of [mqtt]"), "{why}")
        }
        other => panic!("{other:?}"),
    }
    assert!(counters.get("mqtt.password_file") > 0);
    std::fs::write(&file, "secret\n").unwrap();
    assert_eq!(told().await.stamped.observation, Observation::Broker { up: true, why: None });
    daemon.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_an_identity() {
    let ca = Ca::new("shop");
    let (certificate, key) = ca.issues("broker", &["127.0.0.1"], false);
    let started = Mosquitto::start_with(|dir| {
        let files = dir.join("carryout");
        std::fs::create_dir_all(&files).expect("a directory");
        for (name, text) in [("ca.crt", &ca.pem), ("broker.crt", &certificate), ("broker.key", &key)] {
            std::fs::write(files.join(name), text).expect("a file of the broker's");
        }
        let (all, tls) = parts();
        furnish(dir, &format!("{all}\n{tls}"))
    });
    let Some(broker) = started else { return };
    carryout::sync::install_tls_provider();
    let shown = |identity: &str, client_id: &str| {
        let (certificate, key) = ca.issues(identity, &[], false);
        let mut options = rumqttc::MqttOptions::new(client_id, "127.0.0.1", broker.port);
        let own = Some((certificate.into_bytes(), key.into_bytes()));
        options.set_transport(rumqttc::Transport::tls(ca.pem.clone().into_bytes(), own, None));
        options
    };
    let mut watcher = Device::with(shown("watcher", "watcher")).await;
    let mut speaker = Device::with(shown("watcher", "speaker")).await;
    watcher.subscribe("#").await;
    for identity in ["shelf/1-1", "gate/gate-1", "carryout"] {
        let mut device = Device::with(shown(identity, "device")).await;
        for topic in TOPICS {
            device.publish(topic, false, "1").await;
        }
        speaker.publish("the-end", false, "1").await;
        assert_eq!(heard(&mut watcher).await, rights(identity).0, "{identity} writes");
    }
}
