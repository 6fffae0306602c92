//! The ONNX Runtime, loaded from a shared library when the first model is opened. The only file that calls `ort`.
//!
//! Where the library is looked for, first hit wins: the config's `onnx_library`, `ORT_DYLIB_PATH`, `lib/carryout/` and
//! `third_party/onnxruntime/` beside the executable and its ancestors, and last the system's loader. The path is always
//! given explicitly: the runtime's own search panics when it finds nothing.
//!
//! What computes is the config's choice ([`Provider`]) and never falls back in silence: a shop that pays for a GPU and
//! runs on two cores looks too seldom, and nobody would know why.

use super::decode::Tensor;
use super::{Provider, VisionOptions, locate};
use ort::environment::Environment;
use ort::ep::{self, ExecutionProvider, ExecutionProviderDispatch};
use ort::session::{Session as Native, SessionInputValue};
use ort::value::{TensorElementType, TensorRef, ValueType};
use std::borrow::Cow;
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
    #[error(
        "starting the ONNX Runtime: this ONNX Runtime has no {wanted}; it has: {has}. Set `provider` of [vision] to what \
         it has, or name a library with {wanted} in `onnx_library`"
    )]
    Provider { wanted: &'static str, has: String },
    #[error("opening model {model}: {cause}")]
    Model { model: String, cause: String },
    #[error("running model {model}: {cause}")]
    Run { model: String, cause: String },
    /// Another picture of a batch whose run failed.
    #[error("{0}")]
    Batch(String),
}

/// From where the runtime comes and what it computes on.
#[derive(Clone, Debug, Default)]
pub struct Runtime {
    /// Unset: searched for.
    pub library: Option<PathBuf>,
    pub provider: Provider,
    /// Work on one picture; they sleep between pictures instead of spinning, because a shop's server has other things to
    /// do. 0 counts as 1.
    pub threads: usize,
}

impl From<&VisionOptions> for Runtime {
    fn from(options: &VisionOptions) -> Runtime {
        let VisionOptions { onnx_library, provider, threads, .. } = options;
        Runtime { library: onnx_library.clone(), provider: *provider, threads: *threads }
    }
}

/// One loaded model. Shared by all cameras: memory and threads are paid once.
pub struct Session {
    model: String,
    native: Native,
}

/// An input or output as the model declares it.
#[derive(Clone, Debug, PartialEq)]
pub struct Declared {
    pub name: String,
    /// -1: whatever comes.
    pub shape: Vec<i64>,
    /// f32, the only kind that pictures come in.
    pub is_f32: bool,
}

impl Declared {
    /// For a person.
    pub fn kind(&self) -> &'static str {
        if self.is_f32 { "f32" } else { "another kind than f32" }
    }
}

/// The process has one runtime; whoever opens the first model says from where.
static RUNTIME: Mutex<Option<Environment>> = Mutex::new(None);

impl Session {
    /// Opens a model from its bytes (already checked against its manifest).
    pub fn open(model: &str, bytes: &[u8], runtime: &Runtime) -> Result<Session, RuntimeError> {
        let mut loaded = RUNTIME.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if loaded.is_none() {
            *loaded = Some(load(&find_library(runtime.library.as_deref()))?);
        }
        let environment = loaded.as_ref().expect("loaded above");
        let provider = dispatch(runtime.provider)?;
        let native = build(environment, bytes, runtime.threads.max(1), provider)
            .map_err(|cause| RuntimeError::Model { model: model.to_owned(), cause })?;
        Ok(Session { model: model.to_owned(), native })
    }

    pub fn inputs(&self) -> Vec<Declared> {
        let declared = |input: &ort::value::Outlet| {
            let (shape, is_f32) = match input.dtype() {
                ValueType::Tensor { ty, shape, .. } => (shape.to_vec(), *ty == TensorElementType::Float32),
                _ => (Vec::new(), false),
            };
            Declared { name: input.name().to_owned(), shape, is_f32 }
        };
        self.native.inputs().iter().map(declared).collect()
    }

    /// Runs pictures of `shape` through the model and hands all its outputs, in the model's order, to `read`: they are
    /// the runtime's own memory. `sizes` is a second input `[n, 2] i64`, if the model has one.
    pub fn run<T>(
        &mut self,
        input: &str,
        shape: [usize; 4],
        data: &[f32],
        sizes: Option<(&str, &[i64])>,
        read: impl FnOnce(&[Tensor<'_>]) -> T,
    ) -> Result<T, RuntimeError> {
        let model = &self.model;
        let failed = |cause: ort::Error| RuntimeError::Run { model: model.clone(), cause: cause.to_string() };
        let pictures = TensorRef::from_array_view((shape, data)).map_err(failed)?;
        let mut inputs: Vec<(Cow<'_, str>, SessionInputValue<'_>)> = vec![(input.into(), pictures.into())];
        if let Some((name, sizes)) = sizes {
            let sizes = TensorRef::from_array_view(([shape[0], 2], sizes)).map_err(failed)?;
            inputs.push((name.into(), sizes.into()));
        }
        let outputs = self.native.run(inputs).map_err(failed)?;
        let values: Vec<_> = outputs.iter().collect();
        let mut answer = Vec::with_capacity(values.len());
        for (name, value) in &values {
            // Labels are whole numbers; everything else is f32.
            let (shape, data) = match value.try_extract_tensor::<f32>() {
                Ok((shape, data)) => (shape, Cow::Borrowed(data)),
                Err(_) => {
                    let (shape, labels) = value.try_extract_tensor::<i64>().map_err(failed)?;
                    (shape, Cow::Owned(labels.iter().map(|&label| label as f32).collect()))
                }
            };
            let shape = shape.iter().map(|&n| usize::try_from(n).unwrap_or(0)).collect();
            answer.push(Tensor { name: Cow::Borrowed(name), shape, data });
        }
        Ok(read(&answer))
    }
}

/// `None` for the CPU, which needs no asking.
fn dispatch(provider: Provider) -> Result<Option<ExecutionProviderDispatch>, RuntimeError> {
    let (is_there, wanted, dispatch) = match provider {
        Provider::Cpu => return Ok(None),
        Provider::Cuda => (ep::CUDA::is_available(), "CUDA", ep::CUDA::default().build()),
        Provider::Tensorrt => (ep::TensorRT::is_available(), "TensorRT", ep::TensorRT::default().build()),
        Provider::Openvino => (ep::OpenVINO::is_available(), "OpenVINO", ep::OpenVINO::default().build()),
    };
    if is_there.unwrap_or(false) {
        return Ok(Some(dispatch.error_on_failure()));
    }
    let has = [
        (ep::TensorRT::is_available(), ep::TensorRT::NAME),
        (ep::CUDA::is_available(), ep::CUDA::NAME),
        (ep::OpenVINO::is_available(), ep::OpenVINO::NAME),
        (ep::CPU::is_available(), ep::CPU::NAME),
    ];
    let has: Vec<&str> =
        has.into_iter().filter(|(there, _)| *there.as_ref().unwrap_or(&false)).map(|(_, n)| n).collect();
    Err(RuntimeError::Provider { wanted, has: has.join(", ") })
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

fn build(
    environment: &Environment,
    bytes: &[u8],
    threads: usize,
    provider: Option<ExecutionProviderDispatch>,
) -> Result<Native, String> {
    let text = |cause: ort::Error<_>| cause.to_string();
    Native::builder(environment)
        .map_err(|cause| cause.to_string())?
        .with_execution_providers(provider.as_slice())
        .map_err(text)?
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
