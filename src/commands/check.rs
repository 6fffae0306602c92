//! `carryout check`: everything a shop is configured by, looked at before it opens; every problem at once.
//!
//! Config, secret files, shop files and models; the detector looks at one blank picture. It starts nothing, writes nothing and
//! asks nobody.

use super::credentials::{cameras_readable_here, readable_here};
use crate::base::{SecretError, SecretFile};
use crate::config::{CONFIG_FILE, Config};
use crate::perception::manifest::Manifest;
use crate::perception::{VisionOptions, locate};
use crate::sensors::mqtt::tls;
use crate::shop::problems::{Problem, Problems};
use crate::shop::{CameraKind, LoginError, RtspAddress, Shop};
use crate::sim::render::{FloorShown, floor_shown, known};
use std::fmt::Write;
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Look at config, shop files and models; tell every problem at once.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct CheckArgs {
    /// The config file [default: /etc/carryout/carryout.toml, unless --shop is given].
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Directory of shop.toml, planogram.csv and catalogue.csv, instead of the one the config names.
    #[arg(long, value_name = "DIR")]
    pub shop: Option<PathBuf>,
}

/// Prints the report; a failing exit code when a shop could not open with this.
pub fn run(args: &CheckArgs) -> std::io::Result<ExitCode> {
    let report = check(args);
    std::io::Write::write_all(&mut std::io::stdout(), report.text.as_bytes())?;
    Ok(if report.is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

pub struct Report {
    pub text: String,
    /// No errors; warnings perhaps.
    pub is_well: bool,
}

/// What was read, and what is wrong with it.
#[derive(Default)]
pub struct Looked {
    /// Its secrets are named where they can be read here.
    pub config: Option<Config>,
    pub shop: Option<Shop>,
    /// Where the shop files were looked for.
    pub directory: PathBuf,
    /// Of config, secrets and shop files.
    pub problems: Vec<Problem>,
    pub model_problems: Vec<Problem>,
    /// A line for the shop, a line a model.
    pub summary: Vec<String>,
}

/// The config file that `args` mean; `None` when only a shop's directory is asked about.
fn config_file(args: &CheckArgs) -> Option<PathBuf> {
    match (&args.config, &args.shop) {
        (Some(file), _) => Some(file.clone()),
        (None, Some(_)) => None,
        (None, None) => Some(CONFIG_FILE.into()),
    }
}

pub fn look(args: &CheckArgs) -> Looked {
    let mut looked = Looked::default();
    if let Some(file) = &config_file(args) {
        let (mut read, mut found) = Config::read_anyway(file);
        readable_here(&mut read, file);
        looked.problems.append(&mut found);
        looked.problems.append(&mut secrets(&read));
        looked.problems.append(&mut certificates(&read));
        looked.config = Some(read);
    }
    looked.directory = match (&args.shop, &looked.config) {
        (Some(directory), _) => directory.clone(),
        (None, Some(config)) => config.shop.directory.clone(),
        (None, None) => PathBuf::from("."),
    };
    match Shop::read(&looked.directory) {
        Ok((read, mut warnings)) => {
            looked.problems.append(&mut warnings);
            looked.summary.push(told(&read));
            looked.shop = Some(read);
        }
        Err(mut found) => looked.problems.append(&mut found),
    }
    looked.problems.extend(looked.shop.iter().flat_map(|shop| logins(shop, config_file(args).as_deref())));
    if let Some(config) = &looked.config {
        let pictures = looked.shop.as_ref().is_some_and(has_pictures);
        let (found, mut names) = models(&config.vision.model, pictures);
        looked.model_problems = found;
        // A running shop asks here before it opens anew: with a model that cannot be opened it would not open again.
        if pictures && looked.model_problems.is_empty() {
            looked.model_problems = tried(&config.vision);
        }
        looked.summary.append(&mut names);
        looked.problems.extend(looked.shop.as_ref().and_then(|shop| too_light(shop, config)));
        looked.problems.extend(looked.shop.iter().flat_map(|shop| scales_of_nowhere(shop, config)));
    }
    looked
}

pub fn check(args: &CheckArgs) -> Report {
    let mut looked = look(args);
    let mut text = String::new();
    if let Some(file) = config_file(args) {
        let _ = writeln!(text, "config {}", file.display());
    }
    let _ = writeln!(text, "shop {}", looked.directory.display());
    let problems: Vec<&Problem> = looked.problems.iter().chain(&looked.model_problems).collect();
    let errors = problems.iter().filter(|problem| problem.is_error()).count();
    for problem in &problems {
        let _ = writeln!(text, "{} {problem}", if problem.is_error() { "error  " } else { "warning" });
    }
    // Not in `look`: a start and a reload have no use for it.
    looked.summary.extend(looked.shop.as_ref().and_then(shown));
    for line in looked.summary {
        let _ = writeln!(text, "{line}");
    }
    let warnings = problems.len() - errors;
    let _ = match (errors, warnings) {
        (0, 0) => writeln!(text, "all is well"),
        (0, n) => writeln!(text, "ready to open, with {}", counted(n, "warning")),
        (n, 0) => writeln!(text, "not ready: {}", counted(n, "error")),
        (n, w) => writeln!(text, "not ready: {}, {}", counted(n, "error"), counted(w, "warning")),
    };
    Report { text, is_well: errors == 0 }
}

pub(crate) fn counted(n: usize, thing: &str) -> String {
    match (n, thing.strip_suffix('f')) {
        (1, _) => format!("1 {thing}"),
        (n, Some(stem)) => format!("{n} {stem}ves"),
        (n, None) => format!("{n} {thing}s"),
    }
}

/// "shop `corner`: 3 bays, 9 shelves, 72 plates, 2 gates, 1 camera, 24 products"
fn told(shop: &Shop) -> String {
    let layout = &shop.layout;
    let plates = layout.shelves.values().map(|shelf| shelf.plates.len()).sum();
    let counts = [
        (layout.bays.len(), "bay"),
        (layout.shelves.len(), "shelf"),
        (plates, "plate"),
        (layout.gates.len(), "gate"),
        (layout.cameras.len(), "camera"),
        (shop.catalogue.len(), "product"),
    ];
    format!("shop `{}`: {}", shop.id, counts.map(|(n, thing)| counted(n, thing)).join(", "))
}

/// "pictures show 96 % of the floor, 88 % from near enough to know people; the largest part in none: 0.8 m2 around 3.25, 5.5"; of cameras
/// whose places are known.
fn shown(shop: &Shop) -> Option<String> {
    let views = known(&shop.layout);
    if views.is_empty() {
        return None;
    }
    let FloorShown { at_all, well, blind } = floor_shown(shop, &views);
    let mut line = format!(
        "pictures show {:.0} % of the floor, {:.0} % from near enough to know people",
        100.0 * at_all,
        100.0 * well
    );
    if let Some((at, m2)) = blind {
        let _ = write!(line, "; the largest part in none: {m2} m2 around {:.1}, {:.1}", at.x, at.y);
    }
    Some(line)
}

pub(crate) fn has_pictures(shop: &Shop) -> bool {
    shop.layout.cameras.values().any(|camera| camera.kind != CameraKind::People)
}

/// Files that hold secrets: there, not empty, and for our eyes only.
fn secrets(config: &Config) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (key, secret) in [
        ("password_file of [mqtt]", &config.mqtt.password_file),
        ("client_key_file of [mqtt]", &config.mqtt.client_key_file),
        ("token_file of [web]", &config.web.token_file),
        ("token_file of [upstream]", &config.upstream.token_file),
    ] {
        let Some(secret) = secret else { continue };
        let mut found = match secret {
            SecretFile::File(path) => Problems::of(file_name(path)),
            SecretFile::Credential(_) => Problems::of(secret.to_string()),
        };
        match (secret.first_line(), secret) {
            // By hand there are no credentials; that says nothing about the service.
            (Err(SecretError::NoDirectory(_)), _) => {
                found
                    .warning(None, format!("the {key} cannot be looked at here: only the service is handed it"))
                    .try_this("as root it is read from secrets/ beside the config, if it is there");
            }
            (Err(error), _) => {
                found.error(None, format!("the {key}: {error}"));
            }
            (Ok(_), SecretFile::Credential(_)) => {}
            (Ok(_), SecretFile::File(path)) => {
                let mode = std::fs::metadata(path).map_or(0, |metadata| metadata.permissions().mode());
                if mode & 0o007 != 0 {
                    found
                        .warning(None, format!("everybody may read {}, the {key}", path.display()))
                        .try_this(format!("chmod o= {}", path.display()));
                }
            }
        }
        problems.append(&mut found.into_sorted());
    }
    problems
}

/// Logins that camera addresses name: there, and user:password. The others sell on without that camera, so it is a warning.
fn logins(shop: &Shop, config_file: Option<&Path>) -> Vec<Problem> {
    let mut shop = shop.clone();
    if let Some(file) = config_file {
        cameras_readable_here(&mut shop, file);
    }
    let mut problems = Problems::of("shop.toml");
    for camera in shop.layout.cameras.values() {
        let CameraKind::Rtsp { url } = &camera.kind else { continue };
        match RtspAddress::parse(url).map(|address| address.login()) {
            // Told already, or nothing wrong.
            Err(_) | Ok(Ok(_)) => {}
            Ok(Err(LoginError::Secret(SecretError::NoDirectory(name)))) => {
                let what = format!("the login of camera {} cannot be looked at here", camera.id);
                problems.warning(None, what).try_this(format!(
                    "only the service is handed credential:{name}; as root it is read from secrets/{name} beside the config"
                ));
            }
            Ok(Err(error)) => {
                problems.warning(None, format!("the login of camera {}: {error}", camera.id));
            }
        }
    }
    problems.into_sorted()
}

/// Certificates for the broker: there, PEM, and going together. The key is looked at with them, unless it is a credential
/// that nobody hands us here.
fn certificates(config: &Config) -> Vec<Problem> {
    let mut mqtt = config.mqtt.clone();
    let key = mqtt.client_key_file.as_ref().map(|key| key.first_line());
    if key.is_some_and(|key| key.is_err()) {
        // Told already.
        mqtt.client_key_file = None;
    }
    let mut found = Problems::of("carryout.toml");
    for tls::BadFile { key, what } in tls::problems(&mqtt) {
        found.error(None, format!("the {key} of [mqtt]: {what}"));
    }
    let here = mqtt.host == "localhost" || mqtt.host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
    if mqtt.user.is_some() && mqtt.ca_file.is_none() && !here {
        let what = format!("[mqtt] has a `user` and no `ca_file`: the password travels to {} in the open", mqtt.host);
        found.warning(None, what).try_this("speak TLS (docs/broker.md)");
    }
    found.into_sorted()
}

/// The detector's manifest and all others beside it: each names a model file that is there and has the sha256 it says.
/// Without a camera that sends pictures nobody needs a detector, and a missing one is no problem.
fn models(detector: &Path, needed: bool) -> (Vec<Problem>, Vec<String>) {
    let (mut problems, mut names) = (Vec::new(), Vec::new());
    let detector = locate::file(detector);
    if !detector.exists() {
        if needed {
            let mut missing = Problems::of(file_name(&detector));
            missing
                .error(None, format!("no model manifest {}", detector.display()))
                .try_this("name one in `model` of [vision], or declare the cameras kind = \"people\"");
            problems = missing.into_sorted();
        }
        return (problems, names);
    }
    let directory = detector.parent().unwrap_or(Path::new("."));
    let listed = std::fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut manifests: Vec<PathBuf> = listed.filter(|path| path.extension().is_some_and(|e| e == "toml")).collect();
    if !manifests.contains(&detector) {
        manifests.push(detector);
    }
    manifests.sort();
    for path in manifests {
        match Manifest::read(&path).and_then(|manifest| manifest.model_bytes().map(|_| manifest.name)) {
            Ok(name) => names.push(format!("model `{name}`: {}", path.display())),
            Err(error) => {
                let mut found = Problems::of(file_name(&path));
                found.error(None, error.to_string().replace('\n', " "));
                problems.append(&mut found.into_sorted());
            }
        }
    }
    (problems, names)
}

/// The detector, run once on a blank picture: whether the runtime loads it and its outputs are what the manifest says.
#[cfg(all(feature = "cameras", feature = "onnx"))]
fn tried(vision: &VisionOptions) -> Vec<Problem> {
    let mut found = Problems::of(file_name(&vision.model));
    if let Err(error) = crate::perception::detector::Detector::of(vision) {
        found.error(None, error.to_string().replace('\n', " "));
    }
    found.into_sorted()
}

/// Nobody here can run it; the daemon says so when it starts.
#[cfg(not(all(feature = "cameras", feature = "onnx")))]
fn tried(_: &VisionOptions) -> Vec<Problem> {
    Vec::new()
}

/// The smallest step must stay under two thirds of the lightest product, or it leaves unseen.
fn too_light(shop: &Shop, config: &Config) -> Option<Problem> {
    let on_shelves = shop.planogram.iter().filter_map(|(_, _, id)| shop.catalogue.get(id));
    let lightest = on_shelves.min_by(|a, b| a.weight_g.total_cmp(&b.weight_g))?;
    if lightest.weight_g * 2.0 / 3.0 >= config.steps.step_g {
        return None;
    }
    let mut problems = Problems::of("catalogue.csv");
    let what = format!(
        "{} weighs {} g, too little for `step_g` = {} of [steps]",
        lightest.id, lightest.weight_g, config.steps.step_g
    );
    problems.warning(None, what).try_this("it may leave unseen: sell it in larger packs, or lower step_g");
    problems.into_sorted().pop()
}

/// Scales whose shelf or plate, written beside their topic, is not in the shop: all they say would be refused.
fn scales_of_nowhere(shop: &Shop, config: &Config) -> Vec<Problem> {
    let mut problems = Problems::of("carryout.toml");
    for scale in &config.mqtt.scales {
        let Some(id) = &scale.shelf else { continue };
        let topic = &scale.topic;
        match (shop.layout.shelves.get(id), scale.plate) {
            (None, _) => {
                problems.error(
                    None,
                    format!("[mqtt] scales: topic `{topic}` is of shelf {id}, which shop.toml does not have"),
                );
            }
            (Some(shelf), Some(plate)) if shelf.plate(plate).is_none() => {
                let what = format!("[mqtt] scales: topic `{topic}` is of plate {plate} of shelf {id}");
                problems.error(None, what).try_this(format!("it has plates 1 to {}", shelf.plates.len()));
            }
            _ => {}
        }
    }
    problems.into_sorted()
}

fn file_name(path: &Path) -> String {
    path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into())
}
