//! Stories of certificates, over a real broker with certificates made here: whom the daemon believes, what it says when it
//! does not, and that whoever puts a file right need not restart anything.

use crate::device::{Device, PATIENCE};
use crate::mosquitto::Mosquitto;
use crate::pki::Ca;
use carryout::base::time::Clock;
use carryout::base::{Counters, ShopTime};
use carryout::events::Observation;
use carryout::sensors::Incoming;
use carryout::sensors::mqtt::{self, MqttOptions, MqttVersion};
use carryout::sensors::publish::Publish;
use std::path::Path;
use std::sync::Arc;
use tokio::sync::{mpsc, watch};

/// A broker that shows this certificate and wants one of `ca`.
fn broker(ca: &Ca, (certificate, key): &(String, String)) -> Option<Mosquitto> {
    Mosquitto::start_with(|dir| {
        for (name, text) in [("ca.crt", &ca.pem), ("broker.crt", certificate), ("broker.key", key)] {
            std::fs::write(dir.join(name), text).expect("a file of the broker's");
        }
        let dir = dir.display();
        format!(
            "allow_anonymous true\ncafile {dir}/ca.crt\ncertfile {dir}/broker.crt\nkeyfile {dir}/broker.key\n\
             require_certificate true\n"
        )
    })
}

/// What the daemon's `[mqtt]` names: its own directory of certificates.
struct Files(tempfile::TempDir);

impl Files {
    fn new(ca: &Ca, (certificate, key): &(String, String)) -> Files {
        let files = Files(tempfile::tempdir().expect("a temporary directory"));
        files.write("ca.crt", &ca.pem);
        files.write("own.crt", certificate);
        files.write("own.key", key);
        files
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.0.path().join(name), text).expect("a file of the daemon's");
    }

    fn options(&self, port: u16, version: MqttVersion) -> MqttOptions {
        let at = |name: &str| self.0.path().join(name);
        MqttOptions {
            port,
            version,
            ca_file: Some(at("ca.crt")),
            client_cert_file: Some(at("own.crt")),
            client_key_file: Some(at("own.key").into()),
            ..MqttOptions::default()
        }
    }
}

struct Daemon {
    task: tokio::task::JoinHandle<()>,
    floor: mpsc::Receiver<Incoming>,
    counters: Counters,
    clock: Clock,
    _held: (mpsc::Sender<Publish>, watch::Sender<bool>),
}

impl Daemon {
    fn start(options: MqttOptions) -> Daemon {
        let (to_floor, floor) = mpsc::channel(64);
        let (publish, outgoing) = mpsc::channel(16);
        let (stop, shutdown) = watch::channel(false);
        let (counters, clock) = (Counters::default(), Clock::anchored_after(ShopTime(0)));
        let shop = Arc::new(crate::small_shop::small_shop());
        let task = tokio::spawn(mqtt::run(options, shop, to_floor, outgoing, clock, counters.clone(), shutdown));
        Daemon { task, floor, counters, clock, _held: (publish, stop) }
    }

    /// The next word on the broker: up, or not and why.
    async fn broker(&mut self) -> (bool, String) {
        loop {
            let incoming = tokio::time::timeout(PATIENCE, self.floor.recv()).await.expect("in time").expect("it runs");
            if let Observation::Broker { up, why } = incoming.stamped.observation {
                return (up, why.unwrap_or_default());
            }
        }
    }

    /// Waits for the sentence. A broker that hangs up at once may cut its own alert off, and an attempt later it is told.
    async fn says(&mut self, sentence: &str, story: &str) -> String {
        loop {
            let (up, why) = self.broker().await;
            assert!(!up, "{story}: it is let in");
            if why.contains(sentence) {
                return why;
            }
            assert!(why.contains("hangs up on us"), "{story}: wanted {sentence}, told {why}");
        }
    }

    async fn is_up(&mut self) {
        while !self.broker().await.0 {}
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.task.abort();
    }
}

const HERE: [&str; 2] = ["localhost", "127.0.0.1"];

#[tokio::test(flavor = "multi_thread")]
async fn taps_come_over_tls_with_a_certificate_on_either_side() {
    let ca = Ca::new("shop");
    let Some(broker) = broker(&ca, &ca.issues("broker", &HERE, false)) else { return };
    let files = Files::new(&ca, &ca.issues("carryout", &[], false));
    for version in [MqttVersion::V3, MqttVersion::V5] {
        let mut daemon = Daemon::start(files.options(broker.port, version));
        daemon.is_up().await;
        let mut gate = gate(&files, broker.port).await;
        let t_us = daemon.clock.now().0;
        let status = format!(r#"{{"t_us":{t_us}}}"#);
        gate.publish("carryout/v1/corner/gate/gate-1/status", false, status).await;
        let incoming = tokio::time::timeout(PATIENCE, daemon.floor.recv()).await.expect("in time").expect("it runs");
        assert!(matches!(incoming.stamped.observation, Observation::GateClock { .. }), "{version:?}: {incoming:?}");
    }
}

/// A gate that shows a certificate too.
async fn gate(files: &Files, port: u16) -> Device {
    let read = |name: &str| std::fs::read(files.0.path().join(name)).expect("a file");
    let mut options = rumqttc::MqttOptions::new("gate", "127.0.0.1", port);
    carryout::sync::install_tls_provider();
    options.set_transport(rumqttc::Transport::tls(read("ca.crt"), Some((read("own.crt"), read("own.key"))), None));
    Device::with(options).await
}

/// What is wrong, in words and in numbers; and that putting it right is enough.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_certificate_is_said_and_repaired_without_a_restart() {
    let (ca, stranger) = (Ca::new("shop"), Ca::new("stranger"));
    let good = ca.issues("carryout", &[], false);
    let (expired, strange) = (ca.issues("carryout", &[], true), stranger.issues("carryout", &[], false));
    let Some(broker) = broker(&ca, &ca.issues("broker", &HERE, false)) else { return };
    type Files3<'a> = (&'a str, &'a str, &'a str);
    let right: Files3 = (&ca.pem, &good.0, &good.1);
    for (story, (ca_pem, certificate, key), counter, sentence) in [
        (
            "another CA",
            (stranger.pem.as_str(), right.1, right.2),
            "mqtt.broker_certificate",
            "of another CA than the `ca_file` of [mqtt]",
        ),
        ("no PEM at all", ("hello", right.1, right.2), "mqtt.tls_file", "ca.crt is no certificate in PEM"),
        ("an empty file", (right.0, "", right.2), "mqtt.tls_file", "own.crt is no certificate in PEM"),
        ("the key is not one", (right.0, right.1, right.1), "mqtt.tls_file", "own.key is no private key in PEM"),
        ("another's key", (right.0, right.1, strange.1.as_str()), "mqtt.tls_file", "does not go with client_cert_file"),
        (
            "ours has expired",
            (right.0, expired.0.as_str(), expired.1.as_str()),
            "mqtt.client_certificate",
            "`client_cert_file` has expired: renew it",
        ),
        (
            "ours is a stranger's",
            (right.0, strange.0.as_str(), strange.1.as_str()),
            "mqtt.client_certificate",
            "does not accept our `client_cert_file`",
        ),
    ] {
        for version in [MqttVersion::V3, MqttVersion::V5] {
            let files = Files::new(&ca, &good);
            for (name, text) in [("ca.crt", ca_pem), ("own.crt", certificate), ("own.key", key)] {
                files.write(name, text);
            }
            let mut daemon = Daemon::start(files.options(broker.port, version));
            let why = daemon.says(sentence, story).await;
            assert!(daemon.counters.get(counter) > 0, "{story}, {version:?}: {:?}", daemon.counters.all());
            assert!(
                !why.contains("BEGIN CERTIFICATE-----\n") && !why.contains("hello"),
                "{story}: quotes a file: {why}"
            );
            for (name, text) in [("ca.crt", right.0), ("own.crt", right.1), ("own.key", right.2)] {
                files.write(name, text);
            }
            daemon.is_up().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_is_another_or_wants_more_is_told_apart() {
    let ca = Ca::new("shop");
    let own = ca.issues("carryout", &[], false);
    let (elsewhere, expired) = (ca.issues("broker", &["broker.example"], false), ca.issues("broker", &HERE, true));
    let Some(plain) = Mosquitto::start() else { return };
    let started = |certificate: &(String, String)| broker(&ca, certificate).expect("the plain one started");
    let (elsewhere, expired) = (started(&elsewhere), started(&expired));
    let good = started(&ca.issues("broker", &HERE, false));
    let files = Files::new(&ca, &own);
    for version in [MqttVersion::V3, MqttVersion::V5] {
        let at = |broker: &Mosquitto| files.options(broker.port, version);
        let nobody = MqttOptions { client_cert_file: None, client_key_file: None, ..at(&good) };
        for (story, options, counter, sentence) in [
            ("another host's", at(&elsewhere), "mqtt.broker_certificate", "is not for 127.0.0.1: correct `host`"),
            ("expired", at(&expired), "mqtt.broker_certificate", "The certificate of 127.0.0.1 has expired"),
            ("no TLS there", at(&plain), "mqtt.broker_certificate", "does not speak TLS: correct `port`"),
            ("we show none", nobody.clone(), "mqtt.client_certificate", "wants a certificate of ours: name"),
            (
                "we speak no TLS",
                MqttOptions { ca_file: None, ..nobody },
                "mqtt.unanswered",
                "if it expects TLS, name its CA in `ca_file`",
            ),
            (
                "a file is missing",
                MqttOptions { ca_file: Some(Path::new("/nowhere/ca.crt").into()), ..at(&good) },
                "mqtt.tls_file",
                "the ca_file of [mqtt]: cannot read /nowhere/ca.crt",
            ),
            (
                "a credential nobody handed over",
                MqttOptions {
                    client_key_file: Some(carryout::base::SecretFile::Credential("mqtt-key".into())),
                    ..at(&good)
                },
                "mqtt.tls_file",
                "credential:mqtt-key cannot be read: CREDENTIALS_DIRECTORY is not set",
            ),
        ] {
            let mut daemon = Daemon::start(options);
            daemon.says(sentence, story).await;
            assert!(daemon.counters.get(counter) > 0, "{story}, {version:?}: {:?}", daemon.counters.all());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_are_renewed_under_a_running_shop() {
    let (old, new) = (Ca::new("old"), Ca::new("new"));
    let Some(mut broker) = broker(&old, &old.issues("broker", &HERE, false)) else { return };
    let files = Files::new(&old, &old.issues("carryout", &[], false));
    let mut daemon = Daemon::start(files.options(broker.port, MqttVersion::V3));
    daemon.is_up().await;

    // Everything is exchanged: the CA, the broker's certificate and ours.
    let (certificate, key) = new.issues("broker", &HERE, false);
    for (name, text) in [("ca.crt", &new.pem), ("broker.crt", &certificate), ("broker.key", &key)] {
        std::fs::write(broker.dir().join(name), text).unwrap();
    }
    broker.restart();
    while !daemon.broker().await.1.contains("of another CA") {}
    let (certificate, key) = new.issues("carryout", &[], false);
    for (name, text) in [("own.crt", &certificate), ("own.key", &key), ("ca.crt", &new.pem)] {
        files.write(name, text);
    }
    daemon.is_up().await;
}
