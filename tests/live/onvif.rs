//! Cameras that answer `carryout init`: simulated ones on loopback, over UDP and HTTP as real ones do it, some of them odd.

use crate::init::{Guarded, Terminal, carryout, mode, said, text};
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use carryout::shop::{CameraKind, Shop};
use jiff::{SignedDuration, Timestamp};
use sha1::{Digest, Sha1};
use std::fs;
use std::sync::{Arc, Mutex};
use tokio::net::{TcpListener, UdpSocket};
use tokio::task::JoinSet;

/// With everything that an address cannot hold as it is.
const PASSWORD: &str = "p&ss:w/rd";

/// How a camera behaves.
#[derive(Clone, Copy, PartialEq)]
enum Manner {
    /// Its clock is two hours ahead, and it believes nobody whose token is not of its own time.
    Well,
    /// It knows another password.
    OtherPassword,
    /// Its stream is said to be somewhere else.
    PointsElsewhere,
    /// It answers HTTP with something that is no XML.
    Babbles,
}

struct Camera {
    manner: Manner,
    port: u16,
    /// Bodies it was sent.
    heard: Mutex<Vec<String>>,
}

/// Cameras, and the address where the question who is a camera is heard.
struct Network {
    cameras: Vec<Arc<Camera>>,
    address: String,
    _tasks: JoinSet<()>,
}

impl Network {
    async fn start(manners: &[Manner]) -> Network {
        let mut tasks = JoinSet::new();
        let mut cameras = Vec::new();
        for manner in manners {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let port = listener.local_addr().unwrap().port();
            let camera = Arc::new(Camera { manner: *manner, port, heard: Mutex::default() });
            let router = Router::new().route("/onvif/{service}", post(answer)).with_state(camera.clone());
            tasks.spawn(async move { axum::serve(listener, router).await.expect("a camera serves") });
            cameras.push(camera);
        }
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap().to_string();
        let ports: Vec<u16> = cameras.iter().map(|camera| camera.port).collect();
        tasks.spawn(hear_questions(socket, ports));
        Network { cameras, address, _tasks: tasks }
    }
}

/// Every question is answered by every camera, by somebody who answers another question, and by something broken.
async fn hear_questions(socket: UdpSocket, ports: Vec<u16>) {
    let mut bytes = vec![0; 65_536];
    while let Ok((length, from)) = socket.recv_from(&mut bytes).await {
        let question = String::from_utf8_lossy(&bytes[..length]).into_owned();
        assert!(question.contains("dn:NetworkVideoTransmitter"), "{question}");
        let id = inside(&question, "MessageID").expect("a question has an id");
        let mut answers = vec![
            "this is <not XML".to_owned(),
            probe_match(&id, "<d:XAddrs></d:XAddrs>"),
            probe_match("uuid:of-somebody-else", "<d:XAddrs>http://127.0.0.1:9/onvif/device_service</d:XAddrs>"),
        ];
        for (n, port) in ports.iter().enumerate() {
            answers.push(probe_match(
                &id,
                &format!(
                    "<d:Scopes>onvif://www.onvif.org/name/Ceiling%20{n} onvif://www.onvif.org/hardware/SIM-1</d:Scopes>\
                     <d:XAddrs>http://169.254.7.7/onvif/device_service http://127.0.0.1:{port}/onvif/device_service</d:XAddrs>"
                ),
            ));
        }
        for answer in answers {
            socket.send_to(answer.as_bytes(), from).await.expect("answering");
        }
    }
}

fn probe_match(id: &str, device: &str) -> String {
    format!(
        "<?xml version=\"1.0\"?><s:Envelope xmlns:s=\"s\" xmlns:a=\"a\" xmlns:d=\"d\"><s:Header><a:RelatesTo>{id}</a:RelatesTo>\
         </s:Header><s:Body><d:ProbeMatches><d:ProbeMatch>{device}</d:ProbeMatch></d:ProbeMatches></s:Body></s:Envelope>"
    )
}

/// The text of an element, whatever its prefix: enough for what our own program sends.
fn inside(text: &str, name: &str) -> Option<String> {
    let begins = |part: &&str| {
        let tag = part.split(['>', ' ']).next().unwrap_or_default();
        tag.rsplit(':').next() == Some(name)
    };
    let rest = text.split('<').skip(1).find(begins)?;
    rest.split_once('>').map(|(_, inner)| inner.to_owned())
}

async fn answer(State(camera): State<Arc<Camera>>, body: String) -> (StatusCode, String) {
    camera.heard.lock().unwrap().push(body.clone());
    let well =
        |inside: &str| (StatusCode::OK, format!("<s:Envelope xmlns:s=\"s\"><s:Body>{inside}</s:Body></s:Envelope>"));
    if camera.manner == Manner::Babbles {
        return (StatusCode::OK, "<html><p>It works!".to_owned());
    }
    let its_now = Timestamp::now() + SignedDuration::from_hours(2);
    if body.contains("GetSystemDateAndTime") {
        let (date, time) = (its_now.strftime("%Y-%-m-%-d").to_string(), its_now.strftime("%-H:%-M:%-S").to_string());
        let [year, month, day] = [0, 1, 2].map(|n| date.split('-').nth(n).unwrap().to_owned());
        let [hour, minute, second] = [0, 1, 2].map(|n| time.split(':').nth(n).unwrap().to_owned());
        return well(&format!(
            "<R><UTCDateTime><Time><Hour>{hour}</Hour><Minute>{minute}</Minute><Second>{second}</Second></Time>\
             <Date><Year>{year}</Year><Month>{month}</Month><Day>{day}</Day></Date></UTCDateTime></R>"
        ));
    }
    let password = if camera.manner == Manner::OtherPassword { "another" } else { PASSWORD };
    if !is_proven(&body, password, its_now) {
        let fault = "<s:Fault><s:Code><s:Value>s:Sender</s:Value><s:Subcode><s:Value>ter:NotAuthorized</s:Value>\
                     </s:Subcode></s:Code></s:Fault>";
        return (StatusCode::BAD_REQUEST, format!("<s:Envelope xmlns:s=\"s\"><s:Body>{fault}</s:Body></s:Envelope>"));
    }
    let port = camera.port;
    if body.contains("GetCapabilities") {
        return well(&format!("<C><Media><XAddr>http://127.0.0.1:{port}/onvif/media</XAddr></Media></C>"));
    }
    if body.contains("GetProfiles") {
        let profile = |token: &str, name: &str, width: u32, height: u32| {
            format!(
                "<t:Profiles xmlns:t=\"t\" token=\"{token}\"><Name>{name}</Name><VideoEncoderConfiguration><Resolution>\
                 <Width>{width}</Width><Height>{height}</Height></Resolution></VideoEncoderConfiguration></t:Profiles>"
            )
        };
        let profiles =
            [profile("main", "4K", 3840, 2160), profile("a&amp;b", "Sub", 1280, 720), profile("s", "Small", 320, 240)];
        return well(&profiles.concat());
    }
    assert!(body.contains("<ProfileToken>a&amp;b</ProfileToken>"), "the widest that is not too wide: {body}");
    let host = if camera.manner == Manner::PointsElsewhere { "10.9.9.9" } else { "127.0.0.1" };
    well(&format!("<M><Uri>rtsp://{host}:554/live?channel=1&amp;subtype=0</Uri></M>"))
}

/// As a camera checks a UsernameToken.
fn is_proven(body: &str, password: &str, its_now: Timestamp) -> bool {
    assert!(!body.contains(PASSWORD) && !body.contains("p&amp;ss"), "the password itself was sent");
    let part = |name: &str| inside(body, name);
    let (Some(user), Some(proof), Some(nonce), Some(created)) =
        (part("Username"), part("Password"), part("Nonce"), part("Created"))
    else {
        return false;
    };
    let time: Timestamp = created.parse().expect("a time");
    let mut digest = Sha1::new();
    digest.update(BASE64.decode(nonce).expect("a nonce"));
    digest.update(created.as_bytes());
    digest.update(password.as_bytes());
    user == "admin" && BASE64.encode(digest.finalize()) == proof && time.duration_since(its_now).abs().as_secs() < 30
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cameras_on_the_network_say_where_their_streams_are() {
    let Some(broker) = Guarded::start("till", "right") else { return };
    let devices = broker.shelves(&["1-1"]).await;
    let manners = [Manner::Well, Manner::OtherPassword, Manner::PointsElsewhere, Manner::Babbles];
    let network = Network::start(&manners).await;
    let dir = tempfile::tempdir().unwrap();
    let (home, password, cameras) = (dir.path().join("etc"), dir.path().join("broker"), dir.path().join("cameras"));
    fs::write(&password, "right\n").unwrap();
    fs::write(&cameras, format!("{PASSWORD}\n")).unwrap();
    let address = format!("127.0.0.1:{}", broker.port);
    let words = [
        ["init", "--yes", "--dir", text(&home), "--listen", "1s", "--page", "127.0.0.1:0"].as_slice(),
        &["--broker", &address, "--user", "till", "--password-file", text(&password)],
        &["--discovery-address", &network.address, "--interface-address", "127.0.0.1", "--discover-for", "1s"],
        &["--camera", "till=rtsp://127.0.0.1:8554/till"],
    ]
    .concat();

    // Without a password they are listed, and left out by name.
    let listed = carryout(&words).await;
    let told = said(&listed);
    assert!(listed.status.success(), "{told}");
    assert!(told.contains("4 cameras answered.") && told.contains("Ceiling 0 (SIM-1) at 127.0.0.1"), "{told}");
    assert!(told.contains("the camera at 127.0.0.1 is left out (--camera NAME=rtsp://…)"), "{told}");
    assert_eq!(Shop::read(home.join("shop")).unwrap().0.layout.cameras.len(), 1);

    // With it, those that can be used are.
    let login = ["--force", "--camera-user", "admin", "--camera-password-file", text(&cameras)];
    let output = carryout(&[words.as_slice(), &login].concat()).await;
    let told = said(&output);
    assert!(output.status.success(), "{told}");
    for line in [
        "the answer of 127.0.0.1 is not understood: broken XML",
        "the answer of 127.0.0.1 is not understood: the device gives no address",
        "127.0.0.1: rtsp://127.0.0.1:554/live?channel=1&subtype=0 (Sub, 1280 x 720)",
        "127.0.0.1: user or password are wrong.",
        "127.0.0.1: it points to another host, 10.9.9.9.",
        "127.0.0.1: its answer (200 OK) is not understood: broken XML",
        "passwords of cameras stand in shop/shop.toml, mode 640",
    ] {
        assert!(told.contains(line), "{line}\n{told}");
    }
    assert!(!told.contains(PASSWORD) && !told.contains("p%26ss"), "a password was shown\n{told}");
    let (shop, _) = Shop::read(home.join("shop")).unwrap();
    let cameras: Vec<_> = shop.layout.cameras.values().map(|c| (c.id.as_str(), c.kind.clone(), c.size)).collect();
    let rtsp = |url: &str| CameraKind::Rtsp { url: url.into() };
    assert_eq!(
        cameras,
        [
            ("ceiling-0", rtsp("rtsp://admin:p&ss%3Aw%2Frd@127.0.0.1:554/live?channel=1&subtype=0"), (1280, 720)),
            ("till", rtsp("rtsp://127.0.0.1:8554/till"), (1920, 1080)),
        ]
    );
    assert_eq!(mode(home.join("shop/shop.toml")), 0o640);
    assert_eq!(network.cameras[0].heard.lock().unwrap().len(), 4, "time, capabilities, profiles, stream");
    devices.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_technician_confirms_a_stream_or_types_one() {
    let Some(broker) = Guarded::start("till", "right") else { return };
    let devices = broker.shelves(&["1-1"]).await;
    let network = Network::start(&[Manner::Well, Manner::OtherPassword]).await;
    let dir = tempfile::tempdir().unwrap();
    let (home, password) = (dir.path().join("etc"), dir.path().join("broker"));
    fs::write(&password, "right\n").unwrap();
    let address = format!("127.0.0.1:{}", broker.port);
    let words = [
        ["init", "--dir", text(&home), "--listen", "1s", "--page", "127.0.0.1:0"].as_slice(),
        &["--broker", &address, "--user", "till", "--password-file", text(&password)],
        &["--discovery-address", &network.address, "--interface-address", "127.0.0.1", "--discover-for", "1s"],
        &["--name", "Corner", "--currency", "EUR", "--timezone", "UTC", "--tax", "standard=19", "--room", "6 x 5"],
    ]
    .concat()
    .into_iter()
    .map(str::to_owned)
    .collect::<Vec<_>>();
    // Listed by address, which the ports decide.
    let mut manners: Vec<_> = network.cameras.iter().map(|camera| (camera.port.to_string(), camera.manner)).collect();
    manners.sort_by(|(a, _), (b, _)| a.cmp(b));
    let told = tokio::task::spawn_blocking(move || {
        let mut terminal = Terminal::run(&words);
        terminal.answer("User of the cameras (none: type addresses): ", "admin");
        terminal.answer("Password (not shown): ", PASSWORD);
        for (_, manner) in manners {
            if manner == Manner::Well {
                terminal.answer("to leave it out [rtsp://127.0.0.1:554/live?channel=1&subtype=0]: ", "");
            } else {
                terminal.answer("Another user or password for this one? [no]: ", "no");
                terminal.answer("to leave it out [no]: ", "http://127.0.0.1/");
                terminal.answer("That does not do: it does not begin with rtsp://host", "rtsp://127.0.0.1/typed");
            }
        }
        terminal.answer("a placeholder a plate): ", "");
        terminal.answer("(none: offline): ", "");
        terminal.answer("Write all this into ", "");
        terminal.ends()
    })
    .await
    .expect("the interview");
    assert!(!told.contains(PASSWORD) && !told.contains("p&ss%3A"), "a password was shown\n{told}");
    let (shop, _) = Shop::read(home.join("shop")).unwrap();
    let mut urls: Vec<_> = shop.layout.cameras.values().map(|camera| format!("{:?}", camera.kind)).collect();
    urls.sort();
    assert!(urls.len() == 2 && urls[0].contains("rtsp://127.0.0.1/typed") && urls[1].contains("admin:"), "{urls:?}");
    devices.abort();
}
