//! Taking a model in. Everything is tried in a folder of its own first: a model that does not work leaves nothing behind.

use super::{AddArgs, Failure};
use crate::base::ShopTime;
use crate::perception::VisionOptions;
use crate::perception::detector::Detector;
use crate::perception::guess::Guess;
use crate::perception::manifest::{Channels, Input};
use crate::perception::unknown;
use crate::sensors::camera::Frame;
use crate::sync::install_tls_provider;
use reqwest::Url;
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Bytes of a model, at most: the largest detector of people in use has a third of it.
const BYTES_MAX: usize = 1024 * 1024 * 1024;

/// A server that says nothing for so long is given up on.
const SILENT: Duration = Duration::from_secs(30);

pub async fn add(args: &AddArgs, directory: &Path, vision: &VisionOptions) -> Result<(), Failure> {
    let licence = licence(&args.licence)?;
    let name = name(args)?;
    let (file, manifest) = (directory.join(format!("{name}.onnx")), directory.join(format!("{name}.toml")));
    if !args.force
        && let Some(there) = [&file, &manifest].into_iter().find(|path| path.exists())
    {
        return Err(format!(
            "adding model {name}: {} is there already; say --force or another --name",
            there.display()
        )
        .into());
    }
    let bytes = fetch(&args.source).await.map_err(|why| format!("fetching model {}: {why}", args.source))?;
    let sha256: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    if let Some(published) = &args.sha256
        && !published.eq_ignore_ascii_case(&sha256)
    {
        return Err(format!("adding model {name}: its sha256 is {sha256}, not {published}; it is another file").into());
    }
    let (input, guess) =
        unknown::look_into(&name, &bytes, args.size, vision).map_err(|why| format!("adding model {name}: {why}"))?;
    let text = written(&name, &sha256, licence, &args.source, &input, &guess);

    let attempt = Attempt::in_folder(directory, &name)?;
    std::fs::write(attempt.0.join(format!("{name}.onnx")), &bytes)?;
    std::fs::write(attempt.0.join(format!("{name}.toml")), &text)?;
    let added = VisionOptions { model: attempt.0.join(format!("{name}.toml")), ..vision.clone() };
    let mut detector = Detector::of(&added)?;
    let took = speed(&mut detector)?;
    for path in [&file, &manifest] {
        std::fs::rename(attempt.0.join(path.file_name().unwrap_or_default()), path)?;
    }
    println!("{text}");
    println!("written to {}; a picture takes {:.0} ms", manifest.display(), took.as_secs_f64() * 1e3);
    println!(
        "kind, classes and sizes are the model's own; channels, mean, std, fit and pad are what models of this kind"
    );
    println!(
        "usually want: compare them with the model's card. To use it: model = \"{}\" in [vision].",
        manifest.display()
    );
    if licence.to_ascii_uppercase().contains("GPL") {
        println!(
            "{licence} asks something of whoever runs the model for others: make sure that the shop may and does."
        );
    }
    Ok(())
}

/// A folder that goes when it goes out of sight, with what did not work.
struct Attempt(PathBuf);

impl Attempt {
    fn in_folder(directory: &Path, name: &str) -> std::io::Result<Attempt> {
        let folder = directory.join(format!(".adding-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder)?;
        Ok(Attempt(folder))
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        // What remains is a hidden folder of a model that did not work.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// It stands in a text in quotes, and people read it.
fn licence(text: &str) -> Result<&str, String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || " .+-()".contains(c);
    if text.trim().is_empty() || !text.chars().all(plain) {
        return Err(format!("\"{text}\" is not a licence as SPDX names them, like Apache-2.0"));
    }
    Ok(text.trim())
}

fn name(args: &AddArgs) -> Result<String, String> {
    let path = args.source.split(['?', '#']).next().unwrap_or_default();
    let stem = Path::new(path).file_stem().map(|stem| stem.to_string_lossy().into_owned());
    let name = args.name.clone().or(stem).unwrap_or_default();
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if name.is_empty() || name.starts_with('.') || !name.chars().all(plain) {
        return Err(format!("\"{name}\" is no name for a model; say --name with letters, digits, `-`, `_` and `.`"));
    }
    Ok(name)
}

/// From the file or the address, and from nowhere else: a redirection is told, not followed.
async fn fetch(source: &str) -> Result<Vec<u8>, String> {
    if !source.contains("://") {
        let length = std::fs::metadata(source).map_err(|cause| cause.to_string())?.len();
        if length > BYTES_MAX as u64 {
            return Err(format!("{length} bytes are more than any detector has"));
        }
        return std::fs::read(source).map_err(|cause| cause.to_string());
    }
    let url = Url::parse(source).map_err(|cause| cause.to_string())?;
    let here = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
    if url.scheme() != "https" && !(url.scheme() == "http" && here) {
        return Err("use https://; on the way over http:// it could be exchanged".into());
    }
    install_tls_provider();
    let mut client = reqwest::Client::builder()
        .user_agent(concat!("carryout/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .read_timeout(SILENT);
    if here {
        // This machine itself: no way round, and no need to read the system's 150 certificates.
        client = client.no_proxy().tls_certs_only([]);
    }
    let told = |cause: reqwest::Error| cause.without_url().to_string();
    let mut response = client.build().map_err(told)?.get(url).send().await.map_err(told)?;
    let status = response.status();
    if status.is_redirection() {
        let to = response.headers().get("location").and_then(|to| to.to_str().ok()).unwrap_or("nowhere");
        return Err(format!("the server points to {to}; if you trust that place, name it yourself"));
    }
    if !status.is_success() {
        return Err(format!("the server says {status}"));
    }
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(told)? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > BYTES_MAX {
            return Err("it does not end: more bytes than any detector has".into());
        }
    }
    Ok(bytes)
}

/// The manifest. Names come from the model and are quoted as TOML wants it.
fn written(name: &str, sha256: &str, licence: &str, source: &str, input: &Input, guess: &Guess) -> String {
    let quoted = |text: &str| toml::Value::String(text.to_owned()).to_string();
    let (width, height) = input.size;
    let size_name = input.size_name.as_deref().map_or(String::new(), |n| format!("size_name = {}\n", quoted(n)));
    let usual = match input.channels {
        Channels::Grey => "channels = \"grey\"\nfit = \"letterbox_top_left\"",
        Channels::GreyAndChange => "channels = \"grey_and_change\"\nfit = \"letterbox_top_left\"",
        _ => guess.usual,
    };
    // An address may hold a signature after its `?`, or a password before its `@`.
    let from = source.split(['?', '#']).next().unwrap_or_default().rsplit('@').next().unwrap_or_default();
    format!(
        "# Taken in by `carryout models add` from {from}.\n\
         name = {name}\nfile = {file}\nsha256 = \"{sha256}\"\nlicence = {licence}\n\n\
         [input]\nname = {input_name}\n{size_name}size = [{width}, {height}]\nlayout = \"nchw\"\n{usual}\n\n\
         [output]\n{output}\n",
        name = quoted(name),
        file = quoted(&format!("{name}.onnx")),
        licence = quoted(licence),
        input_name = quoted(&input.name),
        output = guess.output,
    )
}

/// How long one picture takes, the second of two.
fn speed(detector: &mut Detector) -> Result<Duration, Failure> {
    let grey = Frame::from_rgb((640, 480), &vec![96; 640 * 480 * 3], ShopTime(0)).ok_or("no picture")?;
    detector.look(&grey, None)?;
    let began = Instant::now();
    detector.look(&grey, None)?;
    Ok(began.elapsed())
}
