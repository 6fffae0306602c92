//! The page in a real browser: it logs in, draws the floor, follows it, and says when the daemon is gone.
//!
//! Debian's chromium is driven over its own pipe, so nothing but the daemon's page is contacted. Without chromium the
//! test says so and passes. `CARRYOUT_SCREENSHOTS=DIR` keeps a picture of every view.

mod web_support;

use carryout::base::Point2;
use carryout::floor::Snapshot;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};
use web_support::*;

const CHROMIUM: &str = "/usr/bin/chromium";

/// A word from the browser must come within this. Slow machines start it in several seconds.
const PATIENCE: Duration = Duration::from_secs(60);

/// Chromium with one page, spoken to over `--remote-debugging-pipe`: JSON messages ended by a zero byte.
struct Browser {
    child: Child,
    to: ChildStdin,
    from: mpsc::Receiver<Value>,
    session: String,
    sent: u64,
    /// What the page's console said, and what it could not load.
    complaints: Vec<String>,
    _profile: tempfile::TempDir,
}

impl Browser {
    fn start() -> Option<Browser> {
        if !Path::new(CHROMIUM).exists() {
            println!("SKIPPED: no {CHROMIUM} here, so the page was not looked at in a browser (apt install chromium)");
            return None;
        }
        let profile = tempfile::tempdir().expect("a directory for the browser's profile");
        // The shell moves its own stdin and stdout to 3 and 4, where the browser looks for its pipe.
        let mut child = Command::new("/bin/sh")
            .args(["-c", "exec \"$@\" 3<&0 4>&1 </dev/null >/dev/null 2>&1", "sh", CHROMIUM])
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--remote-debugging-pipe"])
            .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
            .args(["--disable-dev-shm-usage", "--disable-default-apps", "--disable-extensions"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg("about:blank")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromium starts");
        let to = child.stdin.take().expect("piped");
        let from = listen(child.stdout.take().expect("piped"));
        let mut browser =
            Browser { child, to, from, session: String::new(), sent: 0, complaints: Vec::new(), _profile: profile };
        let target = browser.call("Target.createTarget", json!({"url": "about:blank"}));
        let attach = json!({"targetId": target["targetId"], "flatten": true});
        browser.session =
            browser.call("Target.attachToTarget", attach)["sessionId"].as_str().expect("a session").into();
        // So that sums and times read the same on every machine.
        browser.call("Emulation.setLocaleOverride", json!({"locale": "en-GB"}));
        for domain in ["Page", "Runtime", "Log", "Network"] {
            browser.call(&format!("{domain}.enable"), json!({}));
        }
        Some(browser)
    }

    fn call(&mut self, method: &str, params: Value) -> Value {
        self.sent += 1;
        let id = self.sent;
        let mut message = json!({"id": id, "method": method, "params": params});
        if !self.session.is_empty() {
            message["sessionId"] = json!(self.session);
        }
        self.to.write_all(format!("{message}\0").as_bytes()).expect("the browser listens");
        let until = Instant::now() + PATIENCE;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let word = self.from.recv_timeout(left).unwrap_or_else(|_| panic!("{method} was not answered"));
            if word["id"] == id {
                assert!(word["error"].is_null(), "{method}: {}", word["error"]);
                return word["result"].clone();
            }
            self.note(&word);
        }
    }

    fn note(&mut self, word: &Value) {
        match word["method"].as_str() {
            Some("Runtime.exceptionThrown") => self.complaints.push(word["params"]["exceptionDetails"].to_string()),
            // Below a warning the browser only recommends.
            Some("Log.entryAdded") if word["params"]["entry"]["level"] != "verbose" => {
                self.complaints.push(word["params"]["entry"].to_string())
            }
            _ => {}
        }
    }

    fn script(&mut self, expression: &str) -> Value {
        let params = json!({"expression": expression, "awaitPromise": true, "returnByValue": true});
        let result = self.call("Runtime.evaluate", params);
        assert!(result["exceptionDetails"].is_null(), "{expression}: {}", result["exceptionDetails"]);
        result["result"]["value"].clone()
    }

    /// Waits inside the page until `condition` holds there, looking again whenever the page changes.
    fn until(&mut self, condition: &str) {
        let watch = format!(
            "new Promise((done) => {{
               const look = () => {{ try {{ return Boolean({condition}); }} catch {{ return false; }} }};
               if (look()) return done(true);
               const watcher = new MutationObserver(() => look() && (watcher.disconnect(), done(true)));
               watcher.observe(document, {{subtree: true, childList: true, attributes: true, characterData: true}});
               setTimeout(() => done(false), 20000);
             }})"
        );
        let held = self.script(&watch);
        let text = if held == true { Value::Null } else { self.script("document.body.innerText") };
        assert_eq!(held, true, "never held: {condition}\ncomplaints: {:#?}\npage:\n{text}", self.complaints);
    }

    fn open(&mut self, url: &str) {
        // Away first: an address that differs only behind `#` would not load again.
        self.call("Page.navigate", json!({"url": "about:blank"}));
        self.call("Page.navigate", json!({"url": url}));
    }

    fn window(&mut self, width: u32, height: u32, phone: bool, dark: bool) {
        let scale = if phone { 2 } else { 1 };
        let size = json!({"width": width, "height": height, "deviceScaleFactor": scale, "mobile": phone});
        self.call("Emulation.setDeviceMetricsOverride", size);
        let scheme = if dark { "dark" } else { "light" };
        let features = json!([{"name": "prefers-color-scheme", "value": scheme}]);
        self.call("Emulation.setEmulatedMedia", json!({"features": features}));
        self.script("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))");
    }

    /// Keeps a picture if somebody wants to look.
    fn picture(&mut self, name: &str, whole: bool) {
        let Some(dir) = std::env::var_os("CARRYOUT_SCREENSHOTS") else { return };
        let shot = self.call("Page.captureScreenshot", json!({"format": "png", "captureBeyondViewport": whole}));
        let bytes = from_base64(shot["data"].as_str().expect("a picture"));
        std::fs::create_dir_all(&dir).expect("a directory for pictures");
        std::fs::write(Path::new(&dir).join(format!("{name}.png")), bytes).expect("a picture on disk");
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.to.write_all(b"{\"id\":0,\"method\":\"Browser.close\"}\0");
        // It closes its end when it is gone, and its children with it.
        let until = Instant::now() + Duration::from_secs(10);
        loop {
            match self.from.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(_) => {}
                Err(mpsc::RecvTimeoutError::Disconnected) => break,
                Err(mpsc::RecvTimeoutError::Timeout) => {
                    let _ = self.child.kill();
                    break;
                }
            }
        }
        let _ = self.child.wait();
    }
}

fn listen(stdout: ChildStdout) -> mpsc::Receiver<Value> {
    let (words, heard) = mpsc::sync_channel(1024);
    std::thread::spawn(move || {
        let mut reader = BufReader::new(stdout);
        let mut message = Vec::new();
        while reader.read_until(0, &mut message).is_ok_and(|n| n > 0) {
            message.pop();
            if let Ok(word) = serde_json::from_slice(&message)
                && words.send(word).is_err()
            {
                break;
            }
            message.clear();
        }
    });
    heard
}

fn from_base64(text: &str) -> Vec<u8> {
    let value = |byte| match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        _ => 63,
    };
    let digits: Vec<u32> = text.bytes().filter(|byte| *byte != b'=').map(|byte| u32::from(value(byte))).collect();
    let mut bytes = Vec::with_capacity(digits.len() * 3 / 4);
    for four in digits.chunks(4) {
        let word = four.iter().enumerate().fold(0, |word, (i, digit)| word | digit << (18 - 6 * i));
        bytes.extend_from_slice(&word.to_be_bytes()[1..four.len()]);
    }
    bytes
}

#[test]
fn staff_watch_the_shop_in_a_browser() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let Some(mut browser) = Browser::start() else { return };
    let daemon = runtime.block_on(Daemon::start());
    browser.window(1440, 900, false, false);

    // A stranger sees whether the shop is up and why not, and nothing about anybody.
    browser.open(&daemon.url("/"));
    browser.until(
        "!document.getElementById('log-in').hidden && document.getElementById('state').dataset.state === 'degraded'",
    );
    let text = browser.script("document.body.innerText").to_string();
    assert!(text.contains("Camera ceiling-west is dark") && !text.contains("4242"), "{text}");
    browser.picture("log-in", false);
    browser
        .script("document.getElementById('token').value = 'wrong'; document.querySelector('#log-in button').click()");
    browser.until("document.getElementById('log-in-error').textContent.includes('not the daemon')");

    // The printed address logs in and keeps no token in the address bar.
    browser.complaints.clear(); // the browser itself notes every 401
    browser.open(&daemon.url(&format!("/#token={TOKEN}")));
    browser.until("document.body.dataset.live === 'yes'");
    assert_eq!(browser.script("location.href"), daemon.url("/"));
    assert_eq!(browser.script("document.cookie"), "", "scripts see no session");
    let drawn_ms = browser.script("performance.now()").as_f64().unwrap();
    println!("from opening the address to the live floor: {drawn_ms:.0} ms");

    for (what, count) in [
        ("#plan .body", 7),
        ("#plan .hand", 6),
        ("#plan .body.nobody", 1),
        ("#plan .body.staff", 1),
        ("#plan .shelf", 25),
        ("#plan .shelf.ringing", 2),
        ("#plan .gate.open", 1),
        (".visit", 4),
        (".visit .lines li.draft", 1),
        (".visit .doubts:not([hidden])", 1),
        (".receipt", 8),
        (".shelf-tile", 25),
        (".shelf-tile.fault", 2),
        ("#cameras li", 3),
        ("#gates li", 2),
    ] {
        assert_eq!(browser.script(&format!("document.querySelectorAll('{what}').length")), count, "{what}");
    }
    let ann = browser.script("[...document.querySelectorAll('.visit')].pop().innerText").to_string();
    assert!(ann.contains("Visa ·· 4242") && ann.contains("settling") && ann.contains("€3.83"), "{ann}");

    // A receipt opens on a click and stays open while pictures come in.
    browser.script("document.querySelector('.receipt summary').click()");
    move_body(&daemon, 3.9, "Cola <img src=x onerror=alert(1)> & \"co\"");
    browser.until("document.querySelector('.visit:nth-child(2)').innerText.includes('<img src=x')");
    assert_eq!(browser.script("document.querySelectorAll('.visit img').length"), 0, "a name became markup");
    browser.until("document.querySelector('#plan .body').style.transform.includes('390')");
    let open = "document.querySelector('.receipt details').open && document.querySelector('.receipt').innerText";
    assert!(browser.script(open).as_str().unwrap().contains("Cheese sandwich"));

    // Nothing hangs over the edge, wide or narrow, light or dark.
    browser.script("document.getElementById('coverage').click()");
    move_body(&daemon, 3.4, "Cola 0.33 l");
    browser.until("document.querySelector('.visit:nth-child(2)').innerText.includes('Cola 0.33 l')");
    for (name, width, height, phone, dark) in [
        ("wide-light", 1440, 900, false, false),
        ("wide-dark", 1440, 900, false, true),
        ("phone-light", 390, 844, true, false),
        ("phone-dark", 390, 844, true, true),
    ] {
        browser.window(width, height, phone, dark);
        let over = browser.script("document.documentElement.scrollWidth - document.documentElement.clientWidth");
        assert_eq!(over, 0, "{name}: the page is wider than its window");
        browser.picture(name, false);
        browser.picture(&format!("{name}-whole"), true);
        for part in ["visits", "receipts", "shelves"] {
            browser.script(&format!("document.querySelector('section.{part}').scrollIntoView()"));
            browser.picture(&format!("{name}-{part}"), false);
        }
        browser.script("scrollTo(0, 0)");
    }
    assert!(browser.complaints.is_empty(), "the browser complains: {:#?}", browser.complaints);

    // The daemon goes: the page says so and since when.
    runtime.block_on(daemon.stop()).expect("an orderly stop");
    browser.until("!document.getElementById('lost').hidden");
    let lost = browser.script("document.getElementById('lost').innerText").to_string();
    assert!(lost.contains("No connection to the daemon since"), "{lost}");
    browser.picture("lost", false);
}

/// Ann walks to x, and the second visit's first line gets another name.
fn move_body(daemon: &Daemon, x: f64, name: &str) {
    let mut snapshot: Snapshot = (**daemon.snapshot.borrow()).clone();
    snapshot.bodies[0].floor = Point2::new(x, 2.3);
    snapshot.visits[1].cart.lines[0].name = name.to_owned();
    daemon.snapshot.send_replace(Arc::new(snapshot));
}
