//! Frames to people: prepare, ask the model, decode. One detector serves all cameras.
//!
//! What a model answers is tried when it is opened, on a blank picture: a manifest that does not fit its model stops the
//! start with the name of the output that is wrong, and not the first frame of a shop that is already open.

use super::background::Foreground;
use super::decode::{self, DecodeError};
use super::detection::Detection;
use super::guess;
use super::manifest::{Input, Manifest, ManifestError};
use super::ort::{Declared, Runtime, RuntimeError, Session};
use super::picture::{self, PictureError};
use super::{Provider, VisionOptions, locate};
use crate::sensors::camera::Frame;
use std::path::Path;
use std::time::{Duration, Instant};

/// Of `confidence_min`, what a box has at least.
const FAINT: f64 = 0.5;

pub struct Detector {
    manifest: Manifest,
    session: Session,
    /// Scores that boxes have at least, and that somebody must have who was not there before.
    threshold: f64,
    sure: f64,
    /// The model takes any number of pictures at once.
    takes_many: bool,
    provider: Provider,
    /// Pictures on their way into the model, kept from look to look: two megabytes each at 416 x 416.
    tensor: Vec<f32>,
    spent: Duration,
}

/// A model that cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    #[error(transparent)]
    Picture(#[from] PictureError),
    #[error("opening model {model} as {manifest} says: {problem}")]
    Misfit { model: String, manifest: String, problem: String },
}

/// A picture that could not be looked at.
#[derive(Debug, thiserror::Error)]
pub enum LookError {
    #[error(transparent)]
    Picture(#[from] PictureError),
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    #[error(transparent)]
    Decode(#[from] DecodeError),
}

impl Detector {
    /// As the config says, the manifest searched for beside the program too. It tells boxes half as sure as somebody must be: who was
    /// there a moment ago may be half hidden now, and is followed by those.
    pub fn of(options: &VisionOptions) -> Result<Detector, OpenError> {
        let manifest = Manifest::read(&locate::file(&options.model))?;
        let sure = options.confidence_min.unwrap_or(manifest.confidence_min);
        Ok(Detector { sure, ..Detector::reading(manifest, &Runtime::from(options), FAINT * sure)? })
    }

    /// On the CPU.
    pub fn open(
        manifest: &Path,
        library: Option<&Path>,
        threads: usize,
        threshold: f64,
    ) -> Result<Detector, OpenError> {
        let runtime = Runtime { library: library.map(Path::to_owned), threads, ..Runtime::default() };
        Detector::with(manifest, &runtime, threshold)
    }

    /// Reads the manifest, checks the model's hash, opens it and tries it once. Boxes under `threshold` are not people.
    pub fn with(manifest: &Path, runtime: &Runtime, threshold: f64) -> Result<Detector, OpenError> {
        Detector::reading(Manifest::read(manifest)?, runtime, threshold)
    }

    fn reading(manifest: Manifest, runtime: &Runtime, threshold: f64) -> Result<Detector, OpenError> {
        let session = Session::open(&manifest.name, &manifest.model_bytes()?, runtime)?;
        picture::one_thread()?;
        let (provider, takes_many, tensor, spent) = (runtime.provider, false, Vec::new(), Duration::ZERO);
        let mut detector =
            Detector { manifest, session, threshold, sure: threshold, takes_many, provider, tensor, spent };
        detector.try_once().map_err(|problem| OpenError::Misfit {
            model: detector.manifest.name.clone(),
            manifest: detector.manifest.path.display().to_string(),
            problem,
        })?;
        let Manifest { name, licence, .. } = &detector.manifest;
        tracing::info!(model = %name, %licence, %provider, takes_many = detector.takes_many, "detector opened");
        Ok(detector)
    }

    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// How sure it must be of somebody: what the config says, else what the model's manifest does.
    pub fn sure(&self) -> f64 {
        self.sure
    }

    /// Whether several pictures can go through the model at once.
    pub fn takes_many(&self) -> bool {
        self.takes_many
    }

    /// Whether it is worth waiting for several: with CUDA. On a CPU (OpenVINO's too) a batch of four takes at least as long
    /// as four pictures one after the other (yolox_nano, one thread: 86 ms against 58 ms), and the first waits for the last.
    pub fn batches(&self) -> bool {
        self.takes_many && self.provider == Provider::Cuda
    }

    /// Time the model itself has taken, since it was opened.
    pub fn spent(&self) -> Duration {
        self.spent
    }

    /// People in a picture, best first; boxes in fractions of its width and height, not cut at its edges. How the picture differs from the
    /// shop without people is for models that ask for it.
    pub fn look(&mut self, frame: &Frame, foreground: Option<&Foreground>) -> Result<Vec<Detection>, LookError> {
        self.look_at(&[(frame, foreground)]).pop().expect("an answer for each picture")
    }

    /// The same for several pictures, in one run of the model if it can. What is wrong with one picture stays with it; what
    /// is wrong with the run is everybody's.
    pub fn look_at(&mut self, pictures: &[(&Frame, Option<&Foreground>)]) -> Vec<Result<Vec<Detection>, LookError>> {
        if pictures.len() > 1 && !self.takes_many {
            return pictures.iter().map(|(frame, foreground)| self.look(frame, *foreground)).collect();
        }
        let one = self.manifest.input.len();
        let mut tensor = std::mem::take(&mut self.tensor);
        tensor.resize(one * pictures.len(), 0.0);
        let shares = tensor.chunks_exact_mut(one);
        let prepared: Vec<_> = pictures
            .iter()
            .zip(shares)
            .map(|((frame, foreground), share)| picture::prepare(frame, *foreground, &self.manifest.input, share))
            .collect();
        let answer = self.ask(&tensor, pictures.len());
        self.tensor = tensor;
        let mut answer = match answer {
            Ok(answer) => answer.into_iter(),
            Err(error) => {
                let failed = |_| Err(error.again());
                return (0..pictures.len()).map(failed).collect();
            }
        };
        let back = |prepared: Result<(f64, f64), PictureError>| {
            let found = answer.next().unwrap_or_default();
            let (across, down) = prepared?;
            Ok(found.into_iter().map(|person| person.scaled(across, down)).collect())
        };
        prepared.into_iter().map(back).collect()
    }

    /// One run: people in each of `pictures`, in pixels of the input.
    fn ask(&mut self, tensor: &[f32], pictures: usize) -> Result<Vec<Vec<Detection>>, LookError> {
        let Manifest { input, output, .. } = &self.manifest;
        let threshold = self.threshold;
        let sizes = [input.size.0 as i64, input.size.1 as i64].repeat(pictures);
        let sizes = input.size_name.as_deref().map(|name| (name, sizes.as_slice()));
        let began = Instant::now();
        let read = |answer: &[decode::Tensor<'_>]| {
            let spent = began.elapsed();
            (spent, decode::decode(output, input, answer, pictures, threshold))
        };
        let (spent, found) = self.session.run(&input.name, shape(input, pictures), tensor, sizes, read)?;
        self.spent += spent;
        Ok(found?)
    }

    /// A blank picture, to see whether model and manifest speak of the same thing; then two, to see whether the model
    /// really takes as many as it says. The error is what is wrong and what the manifest would need.
    fn try_once(&mut self) -> Result<(), String> {
        let declared = self.session.inputs();
        let Manifest { input, output, .. } = &self.manifest;
        if let Some(problem) = unfit(input, &declared) {
            return Err(problem);
        }
        let mut shapes = Vec::new();
        let (blank, sizes) = (input.blank(), [input.size.0 as i64, input.size.1 as i64]);
        let sizes = input.size_name.as_deref().map(|name| (name, &sizes[..]));
        let tried = self.session.run(&input.name, shape(input, 1), &blank, sizes, |answer| {
            shapes = answer.iter().map(|tensor| (tensor.name.to_string(), tensor.shape.clone())).collect();
            decode::decode(output, input, answer, 1, 1.0)
        });
        match tried {
            Err(error) => return Err(error.to_string()),
            Ok(Err(DecodeError { kind, problem })) => {
                let needs = guess::output(&shapes, input.size);
                let needs = needs.map_or_else(
                    || "no kind of output known here looks like that".to_owned(),
                    |guess| format!("by its shapes the manifest would need: {}", guess.output.replace('\n', ", ")),
                );
                return Err(format!("it cannot be read as `kind = \"{kind}\"`: {problem}; {needs}"));
            }
            Ok(Ok(_)) => {}
        }
        // TensorRT would build an engine for every number of pictures, minutes each.
        let says_many = declared.iter().all(|input| input.shape.first() == Some(&-1));
        let says_many = says_many && self.provider != Provider::Tensorrt;
        // Two of them: some graphs say "any number" and have a 1 built in further down.
        self.takes_many = says_many && self.ask(&blank.repeat(2), 2).is_ok();
        self.spent = Duration::ZERO;
        Ok(())
    }
}

impl LookError {
    /// The same once more, for the next picture of the batch.
    fn again(&self) -> LookError {
        match self {
            LookError::Decode(DecodeError { kind, problem }) => {
                LookError::Decode(DecodeError { kind, problem: problem.clone() })
            }
            LookError::Runtime(error) => LookError::Runtime(RuntimeError::Batch(error.to_string())),
            LookError::Picture(error) => LookError::Runtime(RuntimeError::Batch(error.to_string())),
        }
    }
}

fn shape(input: &Input, pictures: usize) -> [usize; 4] {
    [pictures, input.channels.count(), input.size.1, input.size.0]
}

/// What the manifest says of the input that the model does not.
fn unfit(input: &Input, declared: &[Declared]) -> Option<String> {
    let told = |d: &Declared| format!("`{}` {:?}", d.name, d.shape);
    let all = || declared.iter().map(told).collect::<Vec<_>>().join(", ");
    let Some(found) = declared.iter().find(|d| d.name == input.name) else {
        return Some(format!("it has no input `{}`; its inputs are {}", input.name, all()));
    };
    let ours = shape(input, 1).map(|side| side as i64);
    let fits = |(theirs, ours): (&i64, &i64)| *theirs < 0 || theirs == ours;
    if !found.is_f32 || found.shape.len() != 4 || !found.shape.iter().zip(&ours).all(fits) {
        let what = "the manifest would need its size (width, height) and channels";
        return Some(format!("its input is {} of {}, not {ours:?} of f32; {what}", told(found), found.kind()));
    }
    let others = declared.iter().filter(|d| d.name != input.name && Some(&d.name) != input.size_name.as_ref());
    let others: Vec<String> = others.map(told).collect();
    if !others.is_empty() {
        let what = "a picture's width and height go to the input that `size_name` names";
        return Some(format!("it wants more than pictures: {}; {what}", others.join(", ")));
    }
    let missing = input.size_name.as_ref().filter(|name| !declared.iter().any(|d| d.name == **name))?;
    Some(format!("it has no input `{missing}`, which `size_name` names; its inputs are {}", all()))
}
