//! The page of `carryout calibrate --page`, by HTTP and, where there is one, in a browser.

use super::calibrate::{LENS, furnish, real};
use crate::browser::Browser;
use carryout::base::{Point2, Point3};
use carryout::shop::projection::pixel_of;
use carryout::sim::eyes::SimCamera;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

/// Ended with the test, however it goes.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The head and the body of an answer.
fn ask(host: &str, method: &str, path: &str, body: &str) -> (String, Vec<u8>) {
    let mut asked = TcpStream::connect(host).unwrap();
    let kind = if body.is_empty() { "" } else { "Content-Type: application/json\r\n" };
    let length = body.len();
    write!(
        asked,
        "{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{kind}Content-Length: {length}\r\n\r\n{body}"
    )
    .unwrap();
    let mut answer = Vec::new();
    asked.read_to_end(&mut answer).unwrap();
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    (String::from_utf8_lossy(&answer[..end]).into_owned(), answer[end + 4..].to_vec())
}

#[test]
fn camera_calibrated_on_its_page_is_written_from_there() {
    let _machine = crate::shared();
    let dir = tempfile::tempdir().unwrap();
    let projected = furnish(dir.path(), "rtsp://127.0.0.1/nowhere");
    let sim = SimCamera::start(&projected, &[], || vec![Point2::new(3.0, 3.0)], 0).unwrap();
    furnish(dir.path(), sim.url());
    let mut command = Command::new(env!("CARGO_BIN_EXE_carryout"));
    command.current_dir(dir.path()).args(["calibrate", "--config", "carryout.toml", "--camera", "door", "--page"]);
    let mut child = Running(command.stdout(Stdio::piped()).spawn().unwrap());
    let mut address = String::new();
    BufReader::new(child.0.stdout.take().unwrap()).read_line(&mut address).unwrap();
    let (host, secret) = address.trim().strip_prefix("http://").unwrap().split_once('/').unwrap();
    let at = |name: &str| format!("/{secret}{name}");
    let json_of = |body: Vec<u8>| serde_json::from_slice::<Value>(&body).unwrap();

    assert!(ask(host, "GET", "/still.jpg", "").0.starts_with("HTTP/1.1 404"), "without the address there is nothing");
    let (head, still) = ask(host, "GET", &at("still.jpg"), "");
    assert!(head.contains("image/jpeg") && still.starts_with(b"\xff\xd8\xff"), "{head}");
    let shop = json_of(ask(host, "GET", &at("shop.json"), "").1);
    assert_eq!((&shop["camera"], &shop["size"]), (&json!("door"), &json!([640, 480])));
    let known = shop["known"].as_array().unwrap();
    assert!(known.iter().any(|known| known["name"].as_str().unwrap().starts_with("corner 1 of bay")), "{shop}");

    // The points a person would find, where the real camera shows them.
    let projection = LENS.projection(&real());
    let seen = |known: &&Value| {
        let at: [f64; 3] = serde_json::from_value(known["at"].clone()).unwrap();
        let pixel = pixel_of(&projection, Point3::from(at))?;
        let inside = (5.0..635.0).contains(&pixel.x) && (5.0..475.0).contains(&pixel.y);
        inside.then(|| json!({"name": known["name"], "pixel": [pixel.x, pixel.y], "at": at}))
    };
    let points: Vec<Value> = known.iter().filter_map(|known| seen(&known)).collect();
    assert!(points.len() >= 8, "the camera sees {} of them", points.len());
    let fit = json_of(ask(host, "POST", &at("fit"), &json!({"points": points}).to_string()).1);
    assert!(fit["told"].as_str().unwrap().contains("error 0.0"), "{fit}");
    assert_eq!(fit["misses"].as_array().unwrap().len(), points.len());
    assert!(fit["grid"].as_array().unwrap().len() > 5, "lines of the floor: {}", fit["grid"]);
    let few = json_of(ask(host, "POST", &at("fit"), &json!({"points": points[..3]}).to_string()).1);
    assert!(few["error"].as_str().unwrap().contains("3 points are too few"), "{few}");

    match Browser::start() {
        Some(mut browser) => in_a_browser(&mut browser, address.trim(), &points),
        None => {
            let done = json_of(ask(host, "POST", &at("write"), &json!({"points": points}).to_string()).1);
            assert!(done["written"].as_str().unwrap().contains("shop.toml.bak"), "{done}");
        }
    }
    let (shop, _) = carryout::shop::Shop::read(dir.path().join("shop")).unwrap();
    let lens = shop.layout.lenses.values().next().unwrap();
    assert!((lens.fx - LENS.fx).abs() < 2.0, "{lens:?}");
}

/// Clicks the points one by one and types where they are; then writes.
fn in_a_browser(browser: &mut Browser, address: &str, points: &[Value]) {
    browser.window(1440, 1000, false, true);
    browser.open(address);
    browser.until("document.title === 'calibrate door' && document.getElementById('still').naturalWidth === 640");
    browser.script(
        "window.put = (point) => {
           const box = document.getElementById('still').getBoundingClientRect();
           const [u, v] = point.pixel;
           const where = {clientX: box.left + u / 640 * box.width, clientY: box.top + v / 480 * box.height, bubbles: true};
           document.getElementById('still').dispatchEvent(new MouseEvent('click', where));
           const type = (id, value) => {
             document.getElementById(id).value = value;
             document.getElementById(id).dispatchEvent(new Event('input', {bubbles: true}));
           };
           type('name', point.name);
           ['x', 'y', 'z'].forEach((id, axis) => type(id, point.at[axis]));
           document.getElementById('add').click();
         }",
    );
    for (n, point) in points.iter().take(8).enumerate() {
        browser.script(&format!("put({point})"));
        browser.until(&format!("document.querySelectorAll('#points tr').length === {}", n + 1));
        if n == 2 {
            browser.until("document.getElementById('said').textContent === '3 of at least 4 points'");
            assert_eq!(browser.script("document.getElementById('write').disabled"), true);
        }
    }
    browser.until("!document.getElementById('write').disabled");
    browser.until("document.querySelectorAll('#grid polyline').length > 5");
    browser.picture("calibrate", true);
    browser.script("document.getElementById('write').click()");
    browser.until("document.getElementById('said').textContent.startsWith('written into')");
    assert!(browser.complaints.iter().all(|complaint| complaint.contains("favicon")), "{:#?}", browser.complaints);
}
