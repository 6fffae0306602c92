//! `carryout watch` as somebody uses it: a page with a picture that moves, tracks in a file, and an end.

use carryout::base::Point2;
use carryout::shop::{Camera, CameraKind};
use carryout::sim::eyes::SimCamera;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

/// The demonstration's shop with this camera, and a config beside it.
fn furnish(dir: &Path, url: &str) -> Camera {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let from = root.join("config/demo-shop");
    let (mut shop, _) = carryout::shop::Shop::read(&from).unwrap();
    let id = carryout::base::CameraId::new("door");
    let camera = Camera {
        id: id.clone(),
        kind: CameraKind::Rtsp { url: url.to_owned() },
        covers: [[0.0, 0.0], [8.0, 0.0], [8.0, 6.0], [0.0, 6.0]].map(Point2::from).to_vec(),
        projection: Some([[400.0, 0.0, -320.0, 0.0], [0.0, -400.0, -240.0, 2400.0], [0.0, 0.0, -1.0, 5.0]]),
        size: (640, 480),
    };
    shop.layout.cameras = [(id, camera.clone())].into();
    let files = dir.join("shop");
    std::fs::create_dir_all(&files).unwrap();
    shop.write(&files).unwrap();
    let model = root.join("models/disc.toml");
    std::fs::write(dir.join("carryout.toml"), format!("[vision]\nmodel = {:?}\n", model.display().to_string()))
        .unwrap();
    camera
}

#[test]
fn camera_watched_shows_a_moving_picture_and_writes_tracks() {
    let _machine = crate::shared();
    let dir = tempfile::tempdir().unwrap();
    let began = Instant::now();
    let walk = move || vec![Point2::new(2.0 + 0.4 * began.elapsed().as_secs_f64().min(10.0), 3.0)];
    let projected = furnish(dir.path(), "rtsp://127.0.0.1/nowhere");
    let sim = SimCamera::start(&projected, &[], walk, 0).unwrap();
    furnish(dir.path(), sim.url());
    let tracks = dir.path().join("tracks.txt");
    let run = |camera: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_carryout"));
        command.args(["watch", "--camera", camera, "--for", "6s", "--config"]).arg(dir.path().join("carryout.toml"));
        command.arg("--tracks").arg(&tracks).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().unwrap()
    };
    let output = run("nowhere").wait_with_output().unwrap();
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("shop.toml has no camera nowhere; it has door"), "{said}");

    let mut child = run("door");
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    let mut address = String::new();
    lines.read_line(&mut address).unwrap();
    let (host, path) = address.trim().strip_prefix("http://").unwrap().split_once('/').unwrap();
    assert_eq!(path.len(), 33, "an address nobody can guess: {path}");
    let ask = |path: &str| {
        let mut asked = TcpStream::connect(host).unwrap();
        write!(asked, "GET /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").unwrap();
        asked
    };
    let mut page = String::new();
    ask(path).read_to_string(&mut page).unwrap();
    assert!(page.contains("<img src=live") && page.contains("nothing is stored"), "{page}");
    let mut nothing = String::new();
    ask("live").read_to_string(&mut nothing).unwrap();
    assert!(nothing.starts_with("HTTP/1.1 404"), "{nothing}");
    // Until the stream ends with the command: a few pictures, no two the same.
    let mut stream = Vec::new();
    let _ = ask(&format!("{path}live")).read_to_end(&mut stream);
    let starts: Vec<usize> =
        stream.windows(3).enumerate().filter(|(_, w)| w == b"\xff\xd8\xff").map(|(i, _)| i).collect();
    assert!(starts.len() >= 5, "{} pictures", starts.len());
    assert_ne!(&stream[starts[0]..starts[1]], &stream[starts[1]..starts[2]], "the picture moves");

    let mut said = String::new();
    lines.read_to_string(&mut said).unwrap();
    assert!(child.wait().unwrap().success(), "{said}");
    let text = std::fs::read_to_string(&tracks).unwrap();
    let rows: Vec<Vec<f64>> =
        text.lines().map(|line| line.split(',').map(|field| field.parse().unwrap()).collect()).collect();
    assert!(rows.len() >= 10, "{text}");
    for row in &rows {
        assert_eq!((row.len(), row[1], &row[7..]), (10, 1.0, &[-1.0; 3][..]), "one body, one track: {row:?}");
        // A disc of 0.25 m, 3.6 m below a lens of 400 px.
        assert!((40.0..80.0).contains(&row[4]) && (40.0..80.0).contains(&row[5]) && row[6] > 0.4, "{row:?}");
    }
    let (first, last) = (&rows[0], &rows[rows.len() - 1]);
    assert!(first[0] < last[0] && first[2] + 20.0 < last[2], "it walks to the right: {first:?} to {last:?}");
    println!("{} rows, {} pictures seen; {}", rows.len(), starts.len(), said.trim());
}
