//! The reference config is the documentation of the config: it names every key there is, at its true default, and says
//! of each what it is and what too much and too little of it do. And a config that cannot be is told in full.

use carryout::base::SecretFile;
use carryout::config::Config;
use carryout::shop::Shop;
use carryout::sim::daemon::Household;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn reference() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/carryout.toml");
    std::fs::read_to_string(path).expect("config/carryout.toml")
}

/// One key of the reference: its section, comment, value as written, and whether it is only a comment itself.
struct Entry {
    section: String,
    key: String,
    comment: String,
    value: String,
    unset: bool,
}

fn entries(text: &str) -> Vec<Entry> {
    let (mut section, mut comment, mut entries) = (String::new(), String::new(), Vec::new());
    for line in text.lines() {
        let (unset, bare) = match line.strip_prefix("# ") {
            Some(rest) if is_assignment(rest) => (true, rest),
            _ => (false, line),
        };
        if let Some(name) = bare.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            (section, comment) = (name.into(), String::new());
        } else if is_assignment(bare) {
            let (key, value) = bare.split_once(" = ").unwrap();
            let (key, value) = (key.to_string(), value.to_string());
            entries.push(Entry { section: section.clone(), key, comment: std::mem::take(&mut comment), value, unset });
        } else if let Some(said) = line.strip_prefix('#') {
            comment += said;
        } else {
            comment.clear();
        }
    }
    entries
}

fn is_assignment(line: &str) -> bool {
    let word = |c: char| c.is_ascii_lowercase() || c == '_';
    line.split_once(" = ").is_some_and(|(key, _)| !key.is_empty() && key.chars().all(word))
}

#[test]
fn the_reference_names_every_key_and_no_other() {
    let named: BTreeSet<(String, String)> = entries(&reference()).into_iter().map(|e| (e.section, e.key)).collect();
    let mut known = BTreeSet::new();
    for (section, keys) in Config::keys() {
        assert!(!keys.is_empty(), "[{section}] has no keys");
        // A nested section is not a key of its parent.
        let nested = |key: &&&str| !Config::keys().iter().any(|(s, _)| *s == format!("{section}.{key}"));
        known.extend(keys.iter().filter(nested).map(|key| (section.to_string(), key.to_string())));
    }
    assert_eq!(named, known);
    assert_eq!(entries(&reference()).len(), known.len(), "a key is named twice");
}

#[test]
fn the_reference_states_the_true_defaults() {
    let read = Config::parse("carryout.toml", &reference()).unwrap_or_else(|problems| panic!("{problems:#?}"));
    assert_eq!(format!("{read:#?}"), format!("{:#?}", Config::default()));
    let empty = Config::parse("carryout.toml", "").unwrap();
    assert_eq!(format!("{empty:#?}"), format!("{:#?}", Config::default()));
}

#[test]
fn the_reference_explains_each_key() {
    let mut wanting = Vec::new();
    for Entry { section, key, comment, value, unset } in entries(&reference()) {
        let mut want = |ok: bool, what: &str| {
            if !ok {
                wanting.push(format!("[{section}] {key} {what}: {comment}"));
            }
        };
        let stated = if unset { "default unset".to_string() } else { format!("default {value}") };
        let rest = comment.trim_start().strip_prefix("Optional, ").and_then(|rest| rest.strip_prefix(&stated));
        let ends = rest.is_some_and(|rest| rest.starts_with(['.', ',', ':']));
        want(ends, &format!("does not begin with `Optional, {stated}`"));
        let is_number = value.starts_with(|c: char| c.is_ascii_digit() || c == '[') && !unset;
        want(!is_number || comment.contains("Too low"), "does not say what too low does");
        want(!is_number || comment.to_lowercase().contains("too high"), "does not say what too high does");
        for (suffix, unit) in
            [("_ms", "milliseconds"), ("_s", "seconds"), ("max_min", "minutes"), ("_h", "hours"), ("_g", "grams")]
        {
            want(!is_number || !key.ends_with(suffix) || comment.contains(unit), "does not state its unit");
        }
    }
    assert!(wanting.is_empty(), "{wanting:#?}");
}

#[test]
fn unset_keys_are_shown_as_they_would_be_written() {
    let uncommented: String = reference()
        .lines()
        .map(|line| line.strip_prefix("# ").filter(|rest| is_assignment(rest)).unwrap_or(line).to_string() + "\n")
        .collect();
    Config::parse("carryout.toml", &uncommented).unwrap_or_else(|problems| panic!("{problems:#?}"));
}

fn told(text: &str) -> Vec<String> {
    Config::parse("carryout.toml", text).err().unwrap_or_default().iter().map(ToString::to_string).collect()
}

#[test]
fn configs_that_cannot_be() {
    for (text, wanted) in [
        ("[web\n", vec!["carryout.toml line 1: not TOML: unclosed table, expected `]`"]),
        ("[mqqt]\nport = 1\n", vec!["carryout.toml line 1: unknown section [mqqt]; did you mean mqtt?"]),
        ("[mqtt]\nprot = 1\n", vec!["carryout.toml line 2: unknown key `prot` in [mqtt]; did you mean port?"]),
        (
            "[clock]\nwhatever = 1\n",
            vec!["carryout.toml line 2: unknown key `whatever` in [clock]; known here: devices"],
        ),
        (
            "[mqtt]\nport = \"1883\"\nhost = 7\n",
            vec![
                "carryout.toml line 2: `port` of [mqtt]: invalid type: string \"1883\", expected u16",
                "carryout.toml line 3: `host` of [mqtt]: invalid type: integer `7`, expected a string",
            ],
        ),
        ("[mqtt]\nport = 0\n", vec!["carryout.toml line 2: `port` of [mqtt] is 0; use 1 to 65535"]),
        (
            "[mqtt]\nuser = \"shop\"\n",
            vec![
                "carryout.toml line 2: [mqtt] has a `user` but no `password_file`; \
                 name a file with the password in its first line",
            ],
        ),
        (
            "[mqtt]\nclient_cert_file = \"a.crt\"\n",
            vec![
                "carryout.toml line 2: [mqtt] has a `client_cert_file` but no `client_key_file`; \
                 a certificate is shown over TLS only, with its key",
                "carryout.toml line 2: [mqtt] has a `client_cert_file` but no `ca_file`; \
                 a certificate is shown over TLS only, with its key",
            ],
        ),
        (
            "[mqtt]\nversion = \"4\"\n",
            vec!["carryout.toml line 2: `version` of [mqtt]: unknown variant `4`, expected `3.1.1` or `5`"],
        ),
        (
            "[web]\nlisten = \"0.0.0.0:80\"\n",
            vec![
                "carryout.toml line 2: `listen` of [web] is 0.0.0.0:80, which others can reach; \
                 use 127.0.0.1 or [::1], and a reverse proxy with TLS before it",
            ],
        ),
        (
            "[upstream]\nurl = \"http://pay.example\"\n",
            vec![
                "carryout.toml line 2: `url` of [upstream] is neither https:// nor http:// on this machine; \
                 charges would travel in the open; use https://",
            ],
        ),
        ("[upstream]\nurl = \"http://127.0.0.1:9000/x\"\n", vec![]),
        ("[upstream]\nurl = \"http://[::1]:9000\"\n", vec![]),
        (
            "[policy]\nhandoff = \"reciever\"\nvalid_ms = 100\nreview_below = 1.5\n",
            vec![
                "carryout.toml line 2: `handoff` of [policy]: unknown variant `reciever`, expected `picker` or `receiver`; \
                 did you mean receiver?",
                "carryout.toml line 3: `valid_ms` of [policy] is 100; use 500 to 30000",
                "carryout.toml line 4: `review_below` of [policy]: probability 1.5 is not within 0..=1",
            ],
        ),
        (
            "[policy]\nhandoff = \"receiver\"\n",
            vec![
                "carryout.toml line 2: `handoff` of [policy] is \"receiver\", but this version does not see hand-overs; \
                 use \"picker\": who took it from the shelf pays",
            ],
        ),
        (
            "[vision]\nthreads = -1\n[vision.cameras]\nfps = 10\n",
            vec![
                "carryout.toml line 2: `threads` of [vision]: invalid value: integer `-1`, expected usize",
                "carryout.toml line 4: unknown key `fps` in [vision.cameras]; known here: no_frame_ms, same_frame_ms, \
                 retry_ms_max, fps_max, decoder",
            ],
        ),
        (
            "[web]\ntoken_file = \"credential:../shadow\"\n",
            vec![
                "carryout.toml line 2: `token_file` of [web]: after `credential:` stands a name of letters, digits, \
                 dashes and dots",
            ],
        ),
        ("[web]\ntoken_file = \"credential:web-token\"\n", vec![]),
        (
            "[[mqtt.scales]]\ntopic = \"tele/kitchen/SENSOR\"\nshelf = \"1-1\"\nplate = 1\nunit = \"kg\"\n\
             value = \"/HX711/Weight\"\n[[mqtt.scales]]\ntopic = \"e/{shelf}/{plate}\"\nunit = \"g\"\n",
            vec![],
        ),
        (
            "[mqtt]\nport = 1884\n[[mqtt.scales]]\ntopic = \"e/{bay}/{plate}\"\nunit = \"g\"\n",
            vec![
                "carryout.toml line 3: `scales` of [mqtt]: topic `e/{bay}/{plate}`: `{bay}` is unknown: there are \
                 {shelf} and {plate}",
            ],
        ),
        (
            "[[mqtt.scales]]\ntopic = \"e/{shelf}\"\n",
            vec!["carryout.toml line 1: `scales` of [mqtt]: missing field `unit`"],
        ),
        (
            "[[mqtt.scales]]\ntopic = \"e/state\"\nunit = \"g\"\ninterval_ms = 5000\nvalue = \"HX711\"\n\
             availability = \"e/{plate}\"\n",
            vec![
                "carryout.toml line 1: `scales` of [mqtt]: topic `e/state` has neither {shelf} in its topic nor a \
                 `shelf` beside it",
                "carryout.toml line 1: `scales` of [mqtt]: topic `e/state` has neither {plate} in its topic nor a \
                 `plate` beside it",
                "carryout.toml line 1: `scales` of [mqtt]: topic `e/state` has an `interval_ms` of 5000: use 20 to 2000",
                "carryout.toml line 1: `scales` of [mqtt]: topic `e/state` has a `value` that does not begin with `/`: \
                 write it like \"/HX711/Weight\"",
                "carryout.toml line 1: `scales` of [mqtt]: topic `e/state` has {plate} in its `availability`, which \
                 speaks of a whole shelf",
                "carryout.toml line 1: `scales` of [mqtt]: topic `e/state` has no {shelf} in its `availability`, and no \
                 `shelf` beside it",
            ],
        ),
        (
            "[mqtt]\nscales = [{ topic = \"e/{shelf}/{plate}\", unit = \"g\", plate = 1 }, \
             { topic = \"e/{shelf}/{plate}\", unit = \"kg\", plate = 1 }]\n",
            vec![
                "carryout.toml line 2: `scales` of [mqtt]: topic `e/{shelf}/{plate}` has {plate} in its topic and a \
                 `plate` beside it: one of them",
                "carryout.toml line 2: `scales` of [mqtt]: topic `e/{shelf}/{plate}` stands there twice",
            ],
        ),
        ("steps = 3\n", vec!["carryout.toml line 1: `steps` is not a section; write [steps]"]),
        ("[steps]\nbin_ms = 5000\n", vec!["carryout.toml line 2: [steps]: bin_ms must lie within 10..=1000"]),
    ] {
        let told = told(text);
        let matches = wanted.iter().all(|wanted| told.iter().any(|told| told == wanted));
        assert!(matches && (told.is_empty() == wanted.is_empty()), "{text}\nwanted {wanted:#?}\ntold {told:#?}");
    }
}

#[test]
fn paths_are_relative_to_the_config_file() {
    let at = tempfile::tempdir().unwrap();
    let file = at.path().join("carryout.toml");
    std::fs::write(&file, "[shop]\ndirectory = \"corner\"\n[web]\ntoken_file = \"/run/token\"\n").unwrap();
    let config = Config::read(&file).unwrap();
    assert_eq!(config.shop.directory, at.path().join("corner"));
    assert_eq!(config.state.directory, PathBuf::from("/var/lib/carryout"));
    assert_eq!(config.web.token_file, Some(PathBuf::from("/run/token").into()));
    // Models come with the program: one that is not beside the config is looked for elsewhere.
    assert_eq!(config.vision.model, PathBuf::from("models/disc.toml"));
    std::fs::create_dir(at.path().join("models")).unwrap();
    std::fs::write(at.path().join("models/disc.toml"), "").unwrap();
    assert_eq!(Config::read(&file).unwrap().vision.model, at.path().join("models/disc.toml"));

    std::fs::write(&file, "[web]\ntoken_file = \"credential:web\"\n[upstream]\ntoken_file = \"pay\"\n").unwrap();
    let config = Config::read(&file).unwrap();
    assert_eq!(config.web.token_file, Some(SecretFile::Credential("web".into())), "it has no directory of ours");
    assert_eq!(config.upstream.token_file, Some(SecretFile::File(at.path().join("pay"))));

    let missing = Config::read(at.path().join("none.toml")).unwrap_err();
    assert!(missing[0].to_string().starts_with("none.toml: cannot read "), "{}", missing[0]);
}

/// What `carryout demo` and the live tests write for their daemon.
#[test]
fn a_households_config_is_understood_wherever_it_lies() {
    let dir = tempfile::tempdir().unwrap();
    let home = Household {
        dir: dir.path().join("a \"quoted\" shop"),
        mqtt_port: 1884,
        web_port: 8081,
        web_token: "web".into(),
        upstream_url: "http://127.0.0.1:9000".into(),
        upstream_token: "upstream".into(),
        more: String::new(),
    };
    let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/demo-shop");
    home.furnish(&Shop::read(&demo).expect("the demo shop").0, "a test").unwrap();
    let text = std::fs::read_to_string(home.config()).unwrap();
    let config = Config::parse("carryout.toml", &text).unwrap_or_else(|problems| panic!("{problems:?}\n{text}"));
    assert_eq!((config.mqtt.port, config.web.listen.port()), (1884, 8081));
    assert_eq!((config.shop.directory, config.state.directory), (home.dir.join("shop"), home.state()));
    assert_eq!(config.upstream.url.as_deref(), Some("http://127.0.0.1:9000"));
}
