//! The ONNX Runtime, loaded from a shared library when the first model is opened. The only file that names `ort`.
//!
//! Where the library is looked for, first hit wins: the config's `onnx_library`, `ORT_DYLIB_PATH`, `lib/carryout/` and
//! `third_party/onnxruntime/` beside the executable and its ancestors, and last the system's loader. The path is always
//! given explicitly: the runtime's own search panics when it finds nothing.

use super::decode::Tensor;
use super::locate;
use ort::environment::Environment;
use ort::session::Session as Native;
use ort::value::TensorRef;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// What `./dev setup` and the package install; any other version found is taken too, if it is new enough.
const LIBRARY: &str = "libonnxruntime.so.1.31.1";

/// Folders searched beside the executable and each of its ancestors.
const FOLDERS: [&str; 2] = ["lib/carryout", "third_party/onnxruntime"];

#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    #[error(
        "loading the ONNX Runtime from {path}: {cause}; run `./dev setup`, install the package's library, or set \
         `onnx_library` in the config", path = path.display()
    )]
    Library { path: PathBuf, cause: String },
    #[error("opening model {model}: {cause}")]
    Model { model: String, cause: String },
    #[error("running model {model}: {cause}")]
    Run { model: String, cause: String },
}

/// One loaded model. Shared by all cameras: memory and threads are paid once.
pub struct Session {
    model: String,
    native: Native,
}

/// The process has one runtime; whoever opens the first model says from where.
static RUNTIME: Mutex<Option<Environment>> = Mutex::new(None);

impl Session {
    /// Opens a model from its bytes (already checked against its manifest). `threads` work on one picture; they sleep
    /// between pictures instead of spinning, because a shop's server has other things to do.
    pub fn open(model: &str, bytes: &[u8], library: Option<&Path>, threads: usize) -> Result<Session, RuntimeError> {
        let mut runtime = RUNTIME.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if runtime.is_none() {
            *runtime = Some(load(&find_library(library))?);
        }
        let environment = runtime.as_ref().expect("loaded above");
        let native = build(environment, bytes, threads.max(1))
            .map_err(|cause| RuntimeError::Model { model: model.to_owned(), cause })?;
        Ok(Session { model: model.to_owned(), native })
    }

    /// Runs one input tensor through the model; all its outputs as plain numbers, in the model's order.
    pub fn run(&mut self, input: &str, shape: &[usize], data: &[f32]) -> Result<Vec<Tensor>, RuntimeError> {
        let model = &self.model;
        let failed = |cause: ort::Error| RuntimeError::Run { model: model.clone(), cause: cause.to_string() };
        let tensor = TensorRef::from_array_view((shape, data)).map_err(failed)?;
        let outputs = self.native.run(ort::inputs![input => tensor]).map_err(failed)?;
        let mut answer = Vec::with_capacity(outputs.len());
        for (_, value) in outputs.iter() {
            let (shape, data) = value.try_extract_tensor::<f32>().map_err(failed)?;
            let shape = shape.iter().map(|&n| usize::try_from(n).unwrap_or(0)).collect();
            answer.push(Tensor { shape, data: data.to_vec() });
        }
        Ok(answer)
    }
}

fn load(path: &Path) -> Result<Environment, RuntimeError> {
    let failed = |cause: String| RuntimeError::Library { path: path.to_owned(), cause };
    let environment = ort::init_from(path)
        .map_err(|cause| failed(cause.to_string()))?
        .with_name("carryout")
        .build()
        .map_err(|cause| failed(cause.to_string()))?;
    tracing::info!(library = %path.display(), "onnx runtime loaded");
    Ok(environment)
}

fn build(environment: &Environment, bytes: &[u8], threads: usize) -> Result<Native, String> {
    let text = |cause: ort::Error<_>| cause.to_string();
    Native::builder(environment)
        .map_err(|cause| cause.to_string())?
        .with_intra_threads(threads)
        .map_err(text)?
        .with_inter_threads(1)
        .map_err(text)?
        .with_intra_op_spinning(false)
        .map_err(text)?
        .with_inter_op_spinning(false)
        .map_err(text)?
        .commit_from_memory(bytes)
        .map_err(|cause| cause.to_string())
}

fn find_library(configured: Option<&Path>) -> PathBuf {
    if let Some(path) = configured {
        return path.to_owned();
    }
    if let Some(path) = std::env::var_os("ORT_DYLIB_PATH").filter(|path| !path.is_empty()) {
        return path.into();
    }
    let beside = locate::beside_executable(|folder| FOLDERS.iter().find_map(|name| newest_in(&folder.join(name))));
    beside.unwrap_or_else(|| PathBuf::from("libonnxruntime.so"))
}

/// The pinned version if it is there, else the last by name.
fn newest_in(folder: &Path) -> Option<PathBuf> {
    let pinned = folder.join(LIBRARY);
    if pinned.is_file() {
        return Some(pinned);
    }
    let is_library = |path: &PathBuf| {
        path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with("libonnxruntime.so"))
    };
    std::fs::read_dir(folder).ok()?.flatten().map(|entry| entry.path()).filter(is_library).max()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_library_is_found_by_name() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(newest_in(dir.path()), None);
        assert_eq!(newest_in(&dir.path().join("missing")), None);
        for (file, newest) in [
            ("README", None),
            ("libonnxruntime.so.1.30.0", Some("libonnxruntime.so.1.30.0")),
            ("libonnxruntime.so.1.32.0", Some("libonnxruntime.so.1.32.0")),
            (LIBRARY, Some(LIBRARY)),
        ] {
            std::fs::write(dir.path().join(file), b"").unwrap();
            assert_eq!(newest_in(dir.path()), newest.map(|name| dir.path().join(name)), "after {file}");
        }
        assert_eq!(find_library(Some(Path::new("/x/y.so"))), Path::new("/x/y.so"));
    }
}
