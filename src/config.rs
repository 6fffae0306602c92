//! The config file's shape: `/etc/carryout/carryout.toml`, one section a room.
//!
//! Nothing in it is required: an empty file runs a shop whose files lie in `shop/` beside it. Each room's options are its
//! own small struct with its defaults; `config/carryout.toml` explains every key, and a test keeps the two the same.
//! Durations are whole numbers with their unit in the key. Relative paths are relative to the config file. Secrets are
//! never in it: it names the files that hold them.

mod sections;

pub use crate::carts::PolicyOptions;
pub use crate::floor::DeviceClocks;
pub use crate::fusion::StepOptions;
pub use crate::perception::VisionOptions;
pub use crate::sensors::camera::CameraOptions;
pub use crate::sensors::mqtt::MqttOptions;
pub use crate::sync::SyncOptions as UpstreamOptions;

use crate::base::SecretFile;
use crate::carts::policy::Handoff;
use crate::shop::Problem;
use crate::shop::read::read_text;
use sections::{Sections, keys_of};
use serde::Deserialize;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

#[derive(Clone, Debug, Default)]
pub struct Config {
    pub shop: ShopOptions,
    pub state: StateOptions,
    pub mqtt: MqttOptions,
    pub web: WebOptions,
    pub upstream: UpstreamOptions,
    pub policy: PolicyOptions,
    pub steps: StepOptions,
    pub vision: VisionOptions,
    pub clock: ClockOptions,
}

/// Where a packaged daemon looks.
pub const CONFIG_FILE: &str = "/etc/carryout/carryout.toml";

#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ShopOptions {
    /// Holds shop.toml, planogram.csv and catalogue.csv.
    pub directory: PathBuf,
}

impl Default for ShopOptions {
    fn default() -> Self {
        ShopOptions { directory: "shop".into() }
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StateOptions {
    /// Holds the ledger: every cart, charge and receipt. On a disk that survives, with room for years.
    pub directory: PathBuf,
}

impl Default for StateOptions {
    fn default() -> Self {
        StateOptions { directory: "/var/lib/carryout".into() }
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WebOptions {
    /// Loopback only; a reverse proxy lets others in.
    pub listen: SocketAddr,
    /// The bearer token in its first line. Unset: nobody may write or see personal data.
    pub token_file: Option<SecretFile>,
}

impl Default for WebOptions {
    fn default() -> Self {
        WebOptions { listen: SocketAddr::new(IpAddr::from([127, 0, 0, 1]), 8080), token_file: None }
    }
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ClockOptions {
    pub devices: DeviceClocks,
}

impl Config {
    /// The config, its relative paths made relative to the file's directory; or every problem of it.
    pub fn read(path: impl AsRef<Path>) -> Result<Config, Vec<Problem>> {
        match Config::read_anyway(path.as_ref()) {
            (config, problems) if problems.is_empty() => Ok(config),
            (_, problems) => Err(problems),
        }
    }

    /// What could be understood, and every problem: for a check that wants to go on to the shop files.
    pub fn read_anyway(path: &Path) -> (Config, Vec<Problem>) {
        let (mut config, problems) = match read_text(path) {
            Ok(text) => {
                let name = path.file_name().map_or("carryout.toml".into(), |name| name.to_string_lossy());
                Config::parse_anyway(&name, &text)
            }
            Err(mut problem) => {
                if !path.exists() {
                    problem.try_this("copy config/carryout.toml there, or say --config FILE");
                }
                (Config::default(), vec![problem])
            }
        };
        config.resolve(path.parent().unwrap_or(Path::new("")));
        (config, problems)
    }

    /// From a text; `name` is what problems call it. Paths stay as written.
    pub fn parse(name: &str, text: &str) -> Result<Config, Vec<Problem>> {
        match Config::parse_anyway(name, text) {
            (config, problems) if problems.is_empty() => Ok(config),
            (_, problems) => Err(problems),
        }
    }

    fn parse_anyway(name: &str, text: &str) -> (Config, Vec<Problem>) {
        let mut sections = Sections::parse(name, text);
        let config = Config {
            shop: sections.read("shop"),
            state: sections.read("state"),
            mqtt: sections.read("mqtt"),
            web: sections.read("web"),
            upstream: sections.read("upstream"),
            policy: sections.read("policy"),
            steps: sections.read("steps"),
            vision: VisionOptions { cameras: sections.read("vision.cameras"), ..sections.read("vision") },
            clock: sections.read("clock"),
        };
        config.check(&mut sections);
        (config, sections.finish().into_sorted())
    }

    /// Every section and its keys, as the structs have them.
    pub fn keys() -> Vec<(&'static str, &'static [&'static str])> {
        vec![
            ("shop", keys_of::<ShopOptions>()),
            ("state", keys_of::<StateOptions>()),
            ("mqtt", keys_of::<MqttOptions>()),
            ("web", keys_of::<WebOptions>()),
            ("upstream", keys_of::<UpstreamOptions>()),
            ("policy", keys_of::<PolicyOptions>()),
            ("steps", keys_of::<StepOptions>()),
            ("vision", keys_of::<VisionOptions>()),
            ("vision.cameras", keys_of::<CameraOptions>()),
            ("clock", keys_of::<ClockOptions>()),
        ]
    }

    /// What types cannot say: ranges, and keys that need each other.
    fn check(&self, sections: &mut Sections) {
        let Config { mqtt, web, upstream, policy, vision, .. } = self;
        let count = |n: usize| n as i64;
        for (section, key, value, low, high) in [
            ("mqtt", "port", mqtt.port.into(), 1, 65_535),
            ("upstream", "timeout_ms", whole(upstream.timeout_ms), 500, 120_000),
            ("upstream", "authorise_timeout_ms", whole(upstream.authorise_timeout_ms), 100, 60_000),
            ("upstream", "backoff_first_ms", whole(upstream.backoff_first_ms), 10, 60_000),
            ("upstream", "backoff_max_ms", whole(upstream.backoff_max_ms), 10, 3_600_000),
            ("upstream", "refused_retry_s", whole(upstream.refused_retry_s), 1, 7 * 86_400),
            // Payment idempotency keys may be forgotten after 24 h and would then charge again.
            ("upstream", "ask_after_h", whole(upstream.ask_after_h), 0, 23),
            ("upstream", "events_per_batch", count(upstream.events_per_batch), 1, 1_000),
            ("upstream", "parallel", count(upstream.parallel), 1, 64),
            ("policy", "hold_amount", policy.hold_amount.0, 0, 10_000_000),
            ("policy", "valid_ms", policy.valid_ms, 500, 30_000),
            ("policy", "offline_credential_cap", policy.offline_credential_cap.0, 0, 1_000_000_000),
            ("policy", "offline_shop_cap", policy.offline_shop_cap.0, 0, 100_000_000_000),
            ("policy", "offline_max_h", policy.offline_max_h, 0, 24 * 365),
            ("policy", "visit_max_min", policy.visit_max_min, 1, 24 * 60),
            ("policy", "restart_grace_s", policy.restart_grace_s, 0, 3_600),
            ("vision", "threads", count(vision.threads), 1, 256),
            ("vision", "batch_wait_ms", whole(vision.batch_wait_ms), 0, 1_000),
            ("vision", "look_ms_max", vision.look_ms_max, 100, 600_000),
            ("vision.cameras", "no_frame_ms", whole(vision.cameras.no_frame_ms), 200, 600_000),
            ("vision.cameras", "same_frame_ms", whole(vision.cameras.same_frame_ms), 1_000, 86_400_000),
            ("vision.cameras", "retry_ms_max", whole(vision.cameras.retry_ms_max), 250, 600_000),
        ] {
            if !(low..=high).contains(&value) {
                let what = format!("`{key}` of [{section}] is {value}");
                sections.error(section, key, what).try_this(format!("use {low} to {high}"));
            }
        }
        if let Some(sure) = vision.confidence_min.filter(|sure| !(0.0..=1.0).contains(sure)) {
            let what = format!("`confidence_min` of [vision] is {sure}");
            sections.error("vision", "confidence_min", what).try_this("use 0.0 to 1.0");
        }
        if !(0.1..=120.0).contains(&vision.cameras.fps_max) {
            let what = format!("`fps_max` of [vision.cameras] is {}", vision.cameras.fps_max);
            sections.error("vision.cameras", "fps_max", what).try_this("use 0.1 to 120.0");
        }
        for what in self.steps.problems() {
            let key = what.split(' ').next().unwrap_or_default().to_string();
            sections.error("steps", &key, format!("[steps]: {what}"));
        }
        if upstream.backoff_first_ms > upstream.backoff_max_ms {
            sections
                .error("upstream", "backoff_max_ms", "`backoff_max_ms` of [upstream] is below `backoff_first_ms`")
                .try_this("make it at least as long");
        }
        if policy.handoff == Handoff::Receiver {
            sections
                .error(
                    "policy",
                    "handoff",
                    "`handoff` of [policy] is \"receiver\", but this version does not see hand-overs",
                )
                .try_this("use \"picker\": who took it from the shelf pays");
        }
        for (key, is_set, needed, is_there) in [
            ("client_cert_file", mqtt.client_cert_file.is_some(), "client_key_file", mqtt.client_key_file.is_some()),
            ("client_key_file", mqtt.client_key_file.is_some(), "client_cert_file", mqtt.client_cert_file.is_some()),
            ("client_cert_file", mqtt.client_cert_file.is_some(), "ca_file", mqtt.ca_file.is_some()),
        ] {
            if is_set && !is_there {
                let what = format!("[mqtt] has a `{key}` but no `{needed}`");
                sections.error("mqtt", key, what).try_this("a certificate is shown over TLS only, with its key");
            }
        }
        for (n, scale) in mqtt.scales.iter().enumerate() {
            let mut problems = scale.problems();
            if mqtt.scales[..n].iter().any(|earlier| earlier.reads_the_same(scale)) {
                problems.push("stands there twice".into());
            }
            for what in problems {
                sections.error("mqtt", "scales", format!("`scales` of [mqtt]: topic `{}` {what}", scale.topic));
            }
        }
        if mqtt.user.is_some() && mqtt.password_file.is_none() {
            sections
                .error("mqtt", "user", "[mqtt] has a `user` but no `password_file`")
                .try_this("name a file with the password in its first line");
        }
        if !web.listen.ip().is_loopback() {
            sections
                .error("web", "listen", format!("`listen` of [web] is {}, which others can reach", web.listen))
                .try_this("use 127.0.0.1 or [::1], and a reverse proxy with TLS before it");
        }
        if let Some(url) = &upstream.url
            && !is_safe_url(url)
        {
            sections
                .error("upstream", "url", "`url` of [upstream] is neither https:// nor http:// on this machine")
                .try_this("charges would travel in the open; use https://");
        }
    }

    /// Every secret that is named.
    pub fn secrets_mut(&mut self) -> impl Iterator<Item = &mut SecretFile> {
        let Config { mqtt, web, upstream, .. } = self;
        let secrets =
            [&mut mqtt.password_file, &mut mqtt.client_key_file, &mut web.token_file, &mut upstream.token_file];
        secrets.into_iter().flatten()
    }

    fn resolve(&mut self, directory: &Path) {
        let join = |path: &mut PathBuf| *path = directory.join(&*path);
        join(&mut self.shop.directory);
        join(&mut self.state.directory);
        let Config { mqtt, vision, .. } = self;
        let optional = [&mut vision.onnx_library, &mut mqtt.ca_file, &mut mqtt.client_cert_file];
        optional.into_iter().flatten().for_each(join);
        self.secrets_mut().for_each(|secret| secret.resolve(directory));
        // Models come with the program as often as with the config: perception goes on looking.
        let model = directory.join(&self.vision.model);
        if model.exists() {
            self.vision.model = model;
        }
    }
}

/// For the range table; what does not fit is out of every range.
fn whole(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// HTTPS anywhere, HTTP only where nobody can listen in.
fn is_safe_url(url: &str) -> bool {
    let Some(rest) = url.strip_prefix("http://") else { return url.starts_with("https://") && url.len() > 8 };
    let host = rest.split('/').next().unwrap_or("");
    let host = match host.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or(""),
        None => host.rsplit_once(':').map_or(host, |(host, _)| host),
    };
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}
