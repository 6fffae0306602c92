//! The house rules that a compiler does not hold: which room knows which, and what the core never does.
//!
//! Every rule is a table and says why. A rule that stands in the way is changed here, in the open, with its reason.
//! `every_rule_catches_what_it_forbids` breaks each rule once, so that none of them sleeps.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Who may name whom. base <- shop <- carts <- events <- everything else; floor in the middle, the rest beside it.
const MAY_NAME: &[(&str, &[&str])] = &[
    ("base", &[]),
    ("shop", &["base"]),
    ("carts", &["base", "shop"]),
    ("events", &["base", "shop", "carts"]),
    ("tracking", &["base", "shop", "carts", "events"]),
    ("fusion", &["base", "shop", "carts", "events"]),
    // Frames come from sensors::camera; `Incoming` is how all of these reach the floor; tracking numbers a camera's boxes.
    ("perception", &["base", "shop", "carts", "events", "sensors", "tracking"]),
    // The status message shows what the page shows: floor's snapshot and sync's state (NAMES_OF_FLOOR).
    ("sensors", &["base", "shop", "carts", "events", "floor", "sync"]),
    ("floor", &["base", "shop", "carts", "events", "tracking", "fusion"]),
    ("ledger", &["base", "shop", "carts", "events"]),
    ("sync", &["base", "shop", "carts", "events", "ledger", "sensors"]),
    ("web", &["base", "shop", "carts", "events", "floor", "ledger", "sensors", "sync"]),
];

/// Rooms that know everything, because they wire it or play against it.
const WIRING: &[&str] = &["commands", "config", "lib", "main", "sim", "supervise"];

/// What the rooms beside the floor may know of it: the picture it gives away, never its state.
const NAMES_OF_FLOOR: &[&str] =
    &["BodyView", "CameraView", "GateView", "ShelfView", "Snapshot", "State", "VisitView", "snapshot"];

/// Same observations, same entries: no clock, no order that differs from run to run, nothing printed.
const CORE: &[&str] = &["base", "shop", "carts", "events", "tracking", "fusion", "floor"];

/// A foreign library's types stay in its adapter.
const ADAPTERS: &[(&str, &[&str])] = &[
    (
        "gstreamer",
        &[
            "src/sensors/camera/gst.rs",
            "src/sensors/camera/gst/*",
            "src/sensors/camera/jpeg.rs",
            "src/sim/eyes/server.rs",
        ],
    ),
    // Pictures for models; cameras that are measured.
    ("opencv", &["src/perception/picture.rs", "src/perception/calibration.rs", "src/perception/checkerboard.rs"]),
    ("ort", &["src/perception/ort.rs"]),
    ("nokhwa", &["src/sensors/camera/usb.rs"]),
    ("rumqttc", &["src/sensors/mqtt/link.rs", "src/sensors/mqtt/link/*", "src/sim/*"]),
    ("plotters", &["src/commands/score/report/plots/*"]),
    ("quick_xml", &["src/sensors/onvif/*"]),
    ("rusqlite", &["src/ledger/*", "src/sync/*", "src/commands/*"]),
];

/// Lines of a file, at most.
const LONGEST: usize = 1_500;

/// A source file as the rules see it.
struct Source {
    /// From the repository's root, with slashes.
    path: String,
    /// First component below src/: the room.
    room: String,
    text: String,
    /// Without comments, and without the unit tests at its end.
    code: String,
}

impl Source {
    fn new(path: &str, text: &str) -> Source {
        let below = path.strip_prefix("src/").unwrap_or(path);
        let room = below.split('/').next().unwrap_or_default().trim_end_matches(".rs").to_owned();
        let end = text.find("\n#[cfg(test)]\nmod ").unwrap_or(text.len());
        let code = text[..end].lines().map(without_comment).collect::<Vec<_>>().join("\n");
        Source { path: path.to_owned(), room, text: text.to_owned(), code }
    }

    /// A file of tests beside the code it tests.
    fn is_test(&self) -> bool {
        self.path.ends_with("tests.rs") || self.path.contains("/tests/")
    }

    /// Every place in the code where `word` stands as a whole word: line numbers, from 1.
    fn lines_with(&self, word: &str) -> Vec<usize> {
        let whole = |line: &str| {
            line.match_indices(word).any(|(at, _)| {
                // `super::ort::` is our own module of that name.
                let before = line[..at].chars().next_back().is_some_and(is_word) || line[..at].ends_with("super::");
                let after = line[at + word.len()..].chars().next().is_some_and(is_word);
                !(before && word.starts_with(is_word) || after && word.ends_with(is_word))
            })
        };
        self.code.lines().enumerate().filter(|(_, line)| whole(line)).map(|(n, _)| n + 1).collect()
    }

    /// Paths that begin with `crate::`, groups opened up one level: `floor::Snapshot`.
    fn paths(&self) -> BTreeSet<String> {
        let flat = self.code.split_whitespace().collect::<Vec<_>>().join(" ");
        let mut paths = BTreeSet::new();
        for (at, _) in flat.match_indices("crate::") {
            let foreign = flat[..at].chars().next_back().is_some_and(|c| is_word(c) || c == '$');
            if !foreign {
                for path in open_group(&flat[at + "crate::".len()..]) {
                    let (room, rest) = path.split_once("::").unwrap_or((&path, ""));
                    for inner in open_group(rest) {
                        paths.insert(format!("{room}::{}", inner.split("::").next().unwrap_or_default()));
                    }
                }
            }
        }
        paths
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Cuts a `//` comment off, unless it is inside a text such as an address.
fn without_comment(line: &str) -> &str {
    match line.find("//") {
        Some(at) if line[..at].matches('"').count().is_multiple_of(2) => &line[..at],
        _ => line,
    }
}

/// `{a::b, c as d}` to `a::b`, `c`; without braces, the path itself up to where it ends.
fn open_group(text: &str) -> Vec<String> {
    let Some(inside) = text.strip_prefix('{') else {
        let end = text.find(|c: char| !(is_word(c) || c == ':' || c == '{')).unwrap_or(text.len());
        let end = text[..end].find('{').map_or(end, |_| text.len());
        return vec![text[..end].trim_end_matches([';', ':']).to_owned()];
    };
    let (mut depth, mut part, mut parts) = (0, String::new(), Vec::new());
    for c in inside.chars() {
        match c {
            '}' if depth == 0 => break,
            ',' if depth == 0 => parts.push(std::mem::take(&mut part)),
            _ => {
                depth += i32::from(c == '{') - i32::from(c == '}');
                part.push(c);
            }
        }
    }
    parts.push(part);
    parts.into_iter().map(|part| part.split(" as ").next().unwrap_or_default().trim().to_owned()).collect()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn rust_files(dir: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut dirs = vec![root().join(dir)];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(&dir).into_iter().flatten() {
            let path = entry.expect("reading a directory").path();
            if path.is_dir() {
                dirs.push(path);
            } else if path.extension().is_some_and(|ext| ext == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

fn sources(dir: &str) -> Vec<Source> {
    let read = |path: PathBuf| {
        let text = fs::read_to_string(&path).expect("reading a source file");
        let below = path.strip_prefix(root()).expect("below the root").to_string_lossy().replace('\\', "/");
        Source::new(&below, &text)
    };
    rust_files(dir).into_iter().map(read).collect()
}

/// All rules, over one file of src/.
fn faults(source: &Source) -> Vec<String> {
    let mut faults = Vec::new();
    let mut fault = |line: usize, what: String| faults.push(format!("{}:{line}: {what}", source.path));

    if !source.text.starts_with("//!") {
        fault(1, "a file opens with its story: begin it with //!".into());
    }
    if source.text.lines().count() > LONGEST {
        fault(LONGEST, format!("more than {LONGEST} lines; what is the second idea in here?"));
    }
    for word in ["unbounded", "unbounded_channel", "mpsc::channel()"] {
        for line in source.lines_with(word) {
            fault(line, format!("`{word}`: a queue is a promise with a size (base/limits.rs)"));
        }
    }
    for (library, homes) in ADAPTERS {
        let home =
            |home: &&str| home.strip_suffix('*').map_or(*home == source.path, |dir| source.path.starts_with(dir));
        if !homes.iter().any(home) && !source.is_test() {
            for line in source.lines_with(&format!("{library}::")) {
                fault(line, format!("`{library}` outside its adapter ({})", homes.join(", ")));
            }
        }
    }
    if source.is_test() {
        return faults;
    }

    if !WIRING.contains(&source.room.as_str()) {
        match MAY_NAME.iter().find(|(room, _)| *room == source.room) {
            None => fault(1, format!("room `{}` has no arrows yet: add it to MAY_NAME in tests/tidy.rs", source.room)),
            Some((_, known)) => {
                for path in source.paths() {
                    let (room, name) = path.split_once("::").unwrap_or((&path, ""));
                    if room != source.room && !known.contains(&room) {
                        fault(1, format!("`{}` must not know `crate::{path}`", source.room));
                    }
                    if room == "floor" && source.room != "floor" && !NAMES_OF_FLOOR.contains(&name) {
                        fault(1, format!("`crate::{path}`: only the floor's snapshot is for others to see"));
                    }
                }
            }
        }
    }

    if CORE.contains(&source.room.as_str()) {
        let reads_clock = ["src/base/time.rs", "src/base/counters.rs"].contains(&source.path.as_str());
        for word in ["Instant::now", "SystemTime::now", "Timestamp::now", "Zoned::now", "thread_rng", "rand::rng"] {
            for line in source.lines_with(word).into_iter().filter(|_| !reads_clock) {
                fault(line, format!("`{word}`: the core reads no clock and draws no lots; times come in as arguments"));
            }
        }
        for word in ["HashMap", "HashSet"] {
            for line in source.lines_with(word) {
                fault(line, format!("`{word}`: its order differs from run to run; use a BTreeMap or BTreeSet"));
            }
        }
        for word in ["println!", "print!", "eprintln!", "eprint!", "dbg!"] {
            for line in source.lines_with(word) {
                fault(line, format!("`{word}`: the core says things by entries and counters"));
            }
        }
    }
    if source.room == "carts" {
        for word in ["f32", "f64"] {
            for line in source.lines_with(word) {
                fault(line, format!("`{word}`: money is whole cents"));
            }
        }
    }
    faults
}

#[test]
fn the_rooms_keep_the_house_rules() {
    let sources = sources("src");
    assert!(sources.len() > 20, "found only {} files: looking in the wrong place?", sources.len());
    let faults: Vec<String> = sources.iter().flat_map(faults).collect();
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

#[test]
fn tests_and_benches_are_not_endless_either() {
    for source in ["tests", "benches"].into_iter().flat_map(sources) {
        assert!(source.text.lines().count() <= LONGEST, "{} has more than {LONGEST} lines", source.path);
    }
}

#[test]
fn every_rule_catches_what_it_forbids() {
    for (path, code, wrong) in [
        ("src/base/a.rs", "use crate::shop::Shop;", true),
        ("src/shop/a.rs", "use crate::base::{Cents, ids::ShelfId};", false),
        ("src/shop/a.rs", "// use crate::floor::Floor;", false),
        ("src/carts/a.rs", "use crate::{base::Cents, events::Tap};", true),
        ("src/events/a.rs", "fn f(x: crate::tracking::Body) {}", true),
        ("src/tracking/a.rs", "use crate::fusion::Step;", true),
        ("src/fusion/a.rs", "use crate::events::{Weights,\n    Tap};", false),
        ("src/floor/a.rs", "use crate::ledger::Writer;", true),
        ("src/floor/a.rs", "use crate::floor::Floor;", false),
        ("src/ledger/a.rs", "use crate::floor::Snapshot;", true),
        ("src/web/a.rs", "use crate::floor::{Snapshot, VisitView as View};", false),
        ("src/web/a.rs", "use crate::floor::{Snapshot, Floor};", true),
        ("src/web/a.rs", "use crate::{base::Cents, floor::{Snapshot, Floor}};", true),
        ("src/sim/a.rs", "use crate::{floor::Floor, ledger::Writer};", false),
        ("src/attic/a.rs", "", true),
        ("src/floor/a.rs", "let t = std::time::Instant::now();", true),
        ("src/base/time.rs", "let t = std::time::Instant::now();", false),
        ("src/ledger/a.rs", "let t = std::time::Instant::now();", false),
        ("src/floor/a.rs", "let m: HashMap<u8, u8>;", true),
        ("src/floor/a.rs", "let m: BTreeMap<u8, u8>; // not a HashMap", false),
        ("src/floor/a.rs", "fn f() {}\n\n#[cfg(test)]\nmod tests { use std::collections::HashMap; }", false),
        ("src/web/a.rs", "let m: HashMap<u8, u8>;", false),
        ("src/fusion/a.rs", "println!(\"hello\");", true),
        ("src/fusion/a.rs", "eprintln!(\"hello\");", true),
        ("src/carts/a.rs", "fn total(x: f64) {}", true),
        ("src/carts/a.rs", "fn total(x: i64) {}", false),
        ("src/sync/a.rs", "let (a, b) = tokio::sync::mpsc::unbounded_channel();", true),
        ("src/sync/a.rs", "let (a, b) = std::sync::mpsc::channel();", true),
        ("src/sync/a.rs", "let (a, b) = std::sync::mpsc::sync_channel(3);", false),
        ("src/perception/a.rs", "use ort::Session;", true),
        ("src/perception/a.rs", "let a = port::x(); super::ort::y();", false),
        ("src/web/a.rs", "let url = \"http://ort.example\";", false),
        ("src/perception/a.rs", "use gstreamer::Pipeline;", true),
        ("src/sensors/camera/gst.rs", "use gstreamer as gst; use gstreamer::Pipeline;", false),
    ] {
        let source = Source::new(path, &format!("//! A story.\n{code}\n"));
        assert_eq!(!faults(&source).is_empty(), wrong, "{path}: {code}: {:?}", faults(&source));
    }
    assert!(!faults(&Source::new("src/base/a.rs", "use std::fmt;")).is_empty(), "a file without its story");
    assert!(!faults(&Source::new("src/base/a.rs", &"//! x\n".repeat(LONGEST + 1))).is_empty(), "an endless file");
}

/// Text that must not be in any tracked file, put together here so that this file does not hold it.
fn private_places() -> Vec<(String, &'static str)> {
    let host = |name: &str, end: &str| (format!("{name}.{end}"), "a package registry's host; name the package instead");
    let path = |parts: &[&str]| (format!("/{}/", parts.join("/")), "a path of one machine; make it relative");
    vec![
        host("crates", "io"),
        host("pypi", "org"),
        host("pythonhosted", "org"),
        host("npmjs", "org"),
        host("npmjs", "com"),
        host("golang", "org"),
        host("deb.debian", "org"),
        host("archive.ubuntu", "com"),
        host("ghcr", "io"),
        path(&["work", "main"]),
        path(&["work", "wt"]),
        path(&["work", "shared"]),
        path(&["root"]),
        path(&["home", "user"]),
        path(&["home", "runner"]),
        path(&["Users"]),
    ]
}

#[test]
fn nothing_tracked_names_a_registry_or_somebodys_machine() {
    let listed = Command::new("git").args(["ls-files", "-z"]).current_dir(root()).output();
    let Some(listed) = listed.ok().filter(|output| output.status.success()) else {
        eprintln!("SKIPPED: not a git checkout, so there are no tracked files to look at");
        return;
    };
    let mut faults = Vec::new();
    for file in String::from_utf8_lossy(&listed.stdout).split('\0').filter(|file| !file.is_empty()) {
        // A file may be listed and gone; binary files are models and pictures.
        let Ok(text) = fs::read_to_string(root().join(file)) else { continue };
        for (n, line) in text.lines().enumerate() {
            // cargo writes this one itself, for every package of a lock file.
            if file.ends_with("Cargo.lock") && line.starts_with("source = ") {
                continue;
            }
            for (text, why) in private_places().iter().filter(|(text, _)| line.contains(text.as_str())) {
                faults.push(format!("{file}:{}: `{text}`: {why}", n + 1));
            }
        }
    }
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}
