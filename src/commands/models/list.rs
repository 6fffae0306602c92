//! Every manifest of a folder: whose model it is, and whether it is the one that lies there.

use crate::perception::VisionOptions;
use crate::perception::manifest::Manifest;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

pub fn list(directory: &Path, vision: &VisionOptions) -> ExitCode {
    let listed = std::fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut manifests: Vec<PathBuf> = listed.filter(|path| path.extension().is_some_and(|e| e == "toml")).collect();
    manifests.sort();
    println!("models in {}", directory.display());
    if manifests.is_empty() {
        println!("none; `carryout models add FILE --licence SPDX` takes one in");
    }
    let mut all_fit = true;
    for path in manifests {
        match told(&path, vision) {
            Ok(line) => println!("fits    {line}"),
            Err(line) => {
                all_fit = false;
                println!("wrong   {line}");
            }
        }
    }
    if all_fit { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn told(path: &Path, vision: &VisionOptions) -> Result<String, String> {
    let manifest = Manifest::read(path).map_err(|error| error.to_string())?;
    let tried = tried(&manifest, vision)?;
    let ((width, height), kind) = (manifest.input.size, manifest.output.kind());
    Ok(format!("`{}`: {kind}, {width} x {height}, {}; {tried}", manifest.name, manifest.licence))
}

#[cfg(not(all(feature = "cameras", feature = "onnx")))]
fn tried(manifest: &Manifest, _: &VisionOptions) -> Result<String, String> {
    manifest.model_bytes().map_err(|error| error.to_string())?;
    Ok("its hash fits; not tried, as this carryout was built without models".into())
}

#[cfg(all(feature = "cameras", feature = "onnx"))]
fn tried(manifest: &Manifest, vision: &VisionOptions) -> Result<String, String> {
    use crate::perception::detector::Detector;
    let detector = Detector::of(&VisionOptions { model: manifest.path.clone(), ..vision.clone() });
    let detector = detector.map_err(|error| error.to_string())?;
    Ok(if detector.takes_many() { "several pictures at once" } else { "one picture at a time" }.into())
}
