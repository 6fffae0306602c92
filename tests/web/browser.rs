//! Debian's chromium with one page, driven over its own pipe: nothing but the page under test is contacted.
//!
//! Without chromium [`Browser::start`] says so and gives nothing. `CARRYOUT_SCREENSHOTS=DIR` keeps a picture of every view.

use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

const CHROMIUM: &str = "/usr/bin/chromium";

/// A word from the browser must come within this. Slow machines start it in several seconds.
const PATIENCE: Duration = Duration::from_secs(60);

/// Chromium with one page, spoken to over `--remote-debugging-pipe`: JSON messages ended by a zero byte.
pub struct Browser {
    child: Child,
    to: ChildStdin,
    from: mpsc::Receiver<Value>,
    session: String,
    sent: u64,
    /// What the page's console said, and what it could not load.
    pub complaints: Vec<String>,
    _profile: tempfile::TempDir,
}

impl Browser {
    pub fn start() -> Option<Browser> {
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

    pub fn call(&mut self, method: &str, params: Value) -> Value {
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

    pub fn script(&mut self, expression: &str) -> Value {
        let params = json!({"expression": expression, "awaitPromise": true, "returnByValue": true});
        let result = self.call("Runtime.evaluate", params);
        assert!(result["exceptionDetails"].is_null(), "{expression}: {}", result["exceptionDetails"]);
        result["result"]["value"].clone()
    }

    /// Waits inside the page until `condition` holds there, looking again whenever the page changes.
    pub fn until(&mut self, condition: &str) {
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

    /// A key on whatever has the focus.
    pub fn press(&mut self, key: &str) {
        let text = if key == "Enter" { "\r" } else { "" };
        for kind in ["keyDown", "keyUp"] {
            let event = json!({"type": kind, "key": key, "code": key, "text": text, "windowsVirtualKeyCode": 13});
            self.call("Input.dispatchKeyEvent", event);
        }
    }

    pub fn open(&mut self, url: &str) {
        // Away first: an address that differs only behind `#` would not load again.
        self.call("Page.navigate", json!({"url": "about:blank"}));
        self.call("Page.navigate", json!({"url": url}));
    }

    pub fn window(&mut self, width: u32, height: u32, phone: bool, dark: bool) {
        let scale = if phone { 2 } else { 1 };
        let size = json!({"width": width, "height": height, "deviceScaleFactor": scale, "mobile": phone});
        self.call("Emulation.setDeviceMetricsOverride", size);
        let scheme = if dark { "dark" } else { "light" };
        let features = json!([{"name": "prefers-color-scheme", "value": scheme}]);
        self.call("Emulation.setEmulatedMedia", json!({"features": features}));
        self.script("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))");
    }

    /// Keeps a picture if somebody wants to look.
    pub fn picture(&mut self, name: &str, whole: bool) {
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
