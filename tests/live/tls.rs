//! A broker that speaks TLS and wants certificates: a daemon whose key is a credential and whose CA file is wrong at first,
//! `carryout init` that is told step by step what is missing, and `carryout doctor` that looks at what init wrote.

use crate::doctor::{Found, found};
use crate::init::{Terminal, carryout, devices, mode, said, text};
use crate::mosquitto::Mosquitto;
use crate::pki::Ca;
use crate::shop::LiveShop;
use std::fs;
use std::net::TcpListener;
use std::process::Command;

/// Devices speak in the open to its first listener, others over TLS to the second: its port. `settings` are the second's.
fn broker(ca: &Ca, settings: &str) -> Option<(Mosquitto, u16)> {
    let (certificate, key) = ca.issues("broker", &["127.0.0.1"], false);
    let tls_port = std::cell::Cell::new(0);
    let started = Mosquitto::start_with(|dir| {
        for (name, text) in [("ca.crt", &ca.pem), ("broker.crt", &certificate), ("broker.key", &key)] {
            fs::write(dir.join(name), text).expect("a file of the broker's");
        }
        let port = TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("its number").port();
        tls_port.set(port);
        let dir = dir.display();
        format!(
            "allow_anonymous true\nlistener {port} 127.0.0.1\ncafile {dir}/ca.crt\ncertfile {dir}/broker.crt\n\
             keyfile {dir}/broker.key\n{settings}"
        )
    });
    started.map(|broker| (broker, tls_port.get()))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_says_which_certificate_is_wrong_and_forgets_it_when_it_is_right() {
    let (ca, stranger) = (Ca::new("shop"), Ca::new("stranger"));
    let Some((broker, tls_port)) = broker(&ca, "require_certificate true\n") else { return };
    let plain_port = broker.port;
    let Some(mut shop) = LiveShop::build_around(broker).await else { return };

    let (certificate, key) = ca.issues("carryout", &[], false);
    let credentials = shop.path("credentials");
    fs::create_dir(&credentials).unwrap();
    fs::write(format!("{credentials}/mqtt-key"), &key).unwrap();
    fs::write(shop.path("own.crt"), &certificate).unwrap();
    fs::write(shop.path("ca.crt"), &stranger.pem).unwrap();
    let config = fs::read_to_string(shop.home.config()).unwrap();
    let tls = "ca_file = \"ca.crt\"\nclient_cert_file = \"own.crt\"\nclient_key_file = \"credential:mqtt-key\"";
    let port = |port: u16| format!("[mqtt]\nhost = \"127.0.0.1\"\nport = {port}\n");
    assert!(config.contains(&port(plain_port)), "{config}");
    let config = config.replace(&port(plain_port), &format!("{}{tls}\n", port(tls_port)));
    fs::write(shop.home.config(), config).unwrap();

    let mut carryout = Command::new(env!("CARGO_BIN_EXE_carryout"));
    carryout.env("CREDENTIALS_DIRECTORY", &credentials);
    shop.launch(carryout, &[]).await;
    let reasons = async |shop: &LiveShop| shop.get("/api/v1/health").await.1["reasons"].to_string();
    shop.until("the page names the CA", async |shop| {
        let said = reasons(shop).await;
        let wanted = "The message broker does not answer: shelves and gates are not heard. The certificate of 127.0.0.1 is \
                      of another CA than the `ca_file` of [mqtt]";
        said.contains(wanted).then_some(())
    })
    .await;
    assert!(shop.counter("mqtt.broker_certificate").await > 0);

    fs::write(shop.path("ca.crt"), &ca.pem).unwrap();
    shop.until("health is well", async |shop| (reasons(shop).await == "[]").then_some(())).await;
    // The other connection, which hears taps, may be an attempt behind; it speaks once it has subscribed.
    shop.until("the daemon speaks", async |shop| shop.everything_heard().contains("(\"status\"").then_some(())).await;
    shop.comes_in("ann").await;
    shop.takes("ann", "bread").await;
    shop.leaves("ann").await;
    shop.upstream_has("ann's charge", |records| records.charges.len() == 1).await;
    assert!(shop.stop().await.success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn init_says_what_tls_wants_and_doctor_looks_at_what_it_wrote() {
    let (ca, stranger) = (Ca::new("shop"), Ca::new("stranger"));
    let Some((broker, tls_port)) = broker(&ca, "require_certificate true\n") else { return };
    let (_, playing) = devices(broker.port).await;
    let dir = tempfile::tempdir().unwrap();
    let (certificate, key) = ca.issues("carryout", &[], false);
    let file = |name: &str, content: &str| {
        fs::write(dir.path().join(name), content).unwrap();
        dir.path().join(name).display().to_string()
    };
    let (right, wrong) = (file("ca.crt", &ca.pem), file("wrong.crt", &stranger.pem));
    let (own, own_key) = (file("own.crt", &certificate), file("own.key", &key));
    let (home, at) = (dir.path().join("etc"), format!("127.0.0.1:{tls_port}"));
    let init = async |more: &[&str]| {
        let words = ["init", "--yes", "--no-discovery", "--dir", text(&home), "--broker", &at, "--page", "127.0.0.1:0"];
        // What is heard is another test's.
        carryout(&[&words[..], &["--listen", "3s"], more].concat()).await
    };
    for (more, says) in [
        (vec![], "hangs up at port"),
        (vec!["--ca-file", &wrong], "is of another CA than the `ca_file`"),
        (vec!["--ca-file", &own_key], "is no certificate in PEM"),
        (vec!["--ca-file", &right], "It wants a certificate of ours"),
    ] {
        let output = init(&more).await;
        let told = said(&output);
        assert!(!output.status.success() && told.contains(says) && told.contains("--ca-file"), "{more:?}: {told}");
        assert_eq!(fs::read_dir(&home).map_or(0, |files| files.count()), 0, "{more:?}: something was written");
    }
    let output = init(&["--ca-file", &right, "--client-cert-file", &own, "--client-key-file", &own_key]).await;
    assert!(output.status.success(), "{}", said(&output));
    let config = fs::read_to_string(home.join("carryout.toml")).unwrap();
    let written =
        "ca_file = \"broker-ca.crt\"\nclient_cert_file = \"carryout.crt\"\nclient_key_file = \"secrets/mqtt-key\"";
    assert!(config.contains(written), "{config}");
    assert_eq!((mode(home.join("secrets/mqtt-key")), mode(home.join("carryout.crt"))), (0o600, 0o644));

    let doctor = async || found(&home.join("carryout.toml"), &["--listen", "2s"]).await.1;
    let line = |found: &Found, check: &str| {
        let line = found.iter().find(|[_, name, ..]| name == check);
        line.unwrap_or_else(|| panic!("no {check} in {found:#?}")).clone()
    };
    let well = doctor().await;
    for check in ["connection", "round trip", "certificate files", "broker's certificate", "broker key", "devices"] {
        assert_eq!(line(&well, check)[2], "ok", "{well:#?}");
    }

    // Ours ends in ten days.
    let last = jiff::Timestamp::now()
        .to_zoned(jiff::tz::TimeZone::UTC)
        .checked_add(jiff::Span::new().days(10))
        .unwrap()
        .date();
    let until = (i32::from(last.year()), last.month().unsigned_abs(), last.day().unsigned_abs());
    let (certificate, key) = ca.issues_until("carryout", &[], Some(until));
    fs::write(home.join("carryout.crt"), certificate).unwrap();
    fs::write(home.join("secrets/mqtt-key"), key).unwrap();
    let soon = doctor().await;
    let files = line(&soon, "certificate files");
    assert!(
        files[2] == "warning" && files[3].contains(&format!("carryout.crt ends in 9 days, on {last}")),
        "{files:?}"
    );
    assert_eq!(line(&soon, "connection")[2], "ok", "{soon:#?}");

    fs::write(home.join("broker-ca.crt"), &stranger.pem).unwrap();
    let refused = line(&doctor().await, "connection");
    assert!(refused[2] == "failed" && refused[3].contains("is of another CA than the `ca_file`"), "{refused:?}");
    playing.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_a_terminal_the_ca_is_asked_for_when_the_broker_hangs_up() {
    let ca = Ca::new("shop");
    let Some((broker, tls_port)) = broker(&ca, "") else { return };
    let (shop, playing) = devices(broker.port).await;
    let dir = tempfile::tempdir().unwrap();
    let ca_file = dir.path().join("ca.crt").display().to_string();
    fs::write(&ca_file, &ca.pem).unwrap();
    let home = dir.path().join("etc");
    let words = ["init", "--no-discovery", "--dir", text(&home), "--listen", "60s"].map(str::to_owned);
    // Weights take a moment longer than what the broker has kept.
    let plates: usize = shop.layout.shelves.values().map(|shelf| shelf.plates.len()).sum();
    let everything = format!("{} shelves, {plates} plates", shop.layout.shelves.len());
    let answers = move || {
        let mut terminal = Terminal::run(&words);
        terminal.answer("Message broker, HOST:PORT [127.0.0.1:1883]: ", &format!("127.0.0.1:{tls_port}"));
        terminal.answer("(none: another broker): ", "nowhere.crt");
        terminal.answer("there is no file nowhere.crt", &ca_file);
        terminal.answer(&everything, "");
        for question in
            ["Name of the shop", "Currency", "Time zone", "Tax classes", "Room", "catalogue", "payment service"]
        {
            terminal.answer(question, "");
        }
        terminal.answer("Write all this into ", "yes");
        terminal.ends()
    };
    let told = tokio::task::spawn_blocking(answers).await.expect("the interview");
    assert!(told.contains("if it expects TLS, name its CA"), "{told}");
    assert_eq!(fs::read_to_string(home.join("broker-ca.crt")).unwrap(), ca.pem);
    playing.abort();
}
