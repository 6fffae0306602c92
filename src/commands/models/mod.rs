//! `carryout models`: which detectors lie in the models folder, and taking in another one.
//!
//! A model comes from a file or from an address the user names; nothing else is ever asked, and nothing is looked up. What
//! is taken in has its hash and its licence written down beside it, and has been run once.

#[cfg(all(feature = "cameras", feature = "onnx"))]
mod add;
mod list;

use crate::config::{CONFIG_FILE, Config};
use crate::perception::{VisionOptions, locate};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Look at the models folder, or take a detector in.
#[derive(Clone, Debug, clap::Args)]
pub struct ModelsArgs {
    #[command(subcommand)]
    pub what: What,
    /// Where models lie [default: the folder of the model that the config names]
    #[arg(long, value_name = "DIR", global = true)]
    pub models: Option<PathBuf>,
    /// For its [vision]: which model and which ONNX Runtime
    #[arg(long, value_name = "FILE", default_value = CONFIG_FILE, global = true)]
    pub config: PathBuf,
}

#[derive(Clone, Debug, clap::Subcommand)]
pub enum What {
    /// Take a model in: copy or download it, note hash and licence, guess its manifest, try it once.
    Add(AddArgs),
    /// What is there, and whether hash and shapes fit.
    List,
}

#[derive(Clone, Debug, clap::Args)]
pub struct AddArgs {
    /// An .onnx file, or an https:// address of one
    #[arg(value_name = "FILE|URL")]
    pub source: String,
    /// Its licence, as SPDX names it (Apache-2.0): look at where the model comes from
    #[arg(long, value_name = "SPDX")]
    pub licence: String,
    /// What to call it [default: the file's name]
    #[arg(long)]
    pub name: Option<String>,
    /// The sha256 that its makers publish; another file is refused
    #[arg(long, value_name = "HEX")]
    pub sha256: Option<String>,
    /// Width and height of its input, for models that take any
    #[arg(long, value_name = "WIDTHxHEIGHT", value_parser = size)]
    pub size: Option<(usize, usize)>,
    /// Replace a model of that name
    #[arg(long)]
    pub force: bool,
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Prints what was done or found; a failing exit code when a listed model does not fit.
pub async fn run(args: &ModelsArgs) -> Result<ExitCode, Failure> {
    let vision = vision(&args.config)?;
    let directory = args.models.clone().unwrap_or_else(|| folder_of(&locate::file(&vision.model)));
    match &args.what {
        What::List => Ok(list::list(&directory, &vision)),
        What::Add(add) => {
            take_in(add, &directory, &vision).await?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

#[cfg(all(feature = "cameras", feature = "onnx"))]
async fn take_in(args: &AddArgs, directory: &Path, vision: &VisionOptions) -> Result<(), Failure> {
    add::add(args, directory, vision).await
}

#[cfg(not(all(feature = "cameras", feature = "onnx")))]
async fn take_in(_: &AddArgs, _: &Path, _: &VisionOptions) -> Result<(), Failure> {
    Err("taking a model in: this carryout was built without cameras or models and cannot try it; use the full one"
        .into())
}

/// The config's, or the defaults where there is no config yet.
fn vision(config: &Path) -> Result<VisionOptions, Failure> {
    if !config.exists() && config == Path::new(CONFIG_FILE) {
        return Ok(VisionOptions::default());
    }
    let told =
        |problems: Vec<crate::shop::Problem>| problems.iter().map(|p| p.to_string()).collect::<Vec<_>>().join("\n");
    Config::read(config).map(|config| config.vision).map_err(|problems| told(problems).into())
}

fn folder_of(manifest: &Path) -> PathBuf {
    manifest.parent().unwrap_or(Path::new("")).to_owned()
}

fn size(text: &str) -> Result<(usize, usize), String> {
    let sides = text.split_once(['x', 'X']).and_then(|(w, h)| Some((w.trim().parse().ok()?, h.trim().parse().ok()?)));
    sides.ok_or_else(|| format!("\"{text}\" is not a size; write 640x640"))
}
