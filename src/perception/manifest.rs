//! What a model file is: who made it, what it eats, how its answer reads. `models/*.toml`, one file a model.
//!
//! A detector is added by writing a manifest, never by writing code for one model's quirks: the kinds of output are the
//! few that detectors share ([`Output`]). The file's hash is part of the manifest and is checked whenever it is loaded,
//! so that a model is known by what it is and not by where it lies.

use crate::shop::problems::told_by_parser;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    pub name: String,
    /// Beside the manifest, or an absolute path.
    pub file: PathBuf,
    /// Of the file, hex.
    pub sha256: String,
    /// SPDX.
    pub licence: String,
    /// Boxes with a lower score are not people, unless the config says otherwise.
    #[serde(default = "likely")]
    pub confidence_min: f64,
    pub input: Input,
    pub output: Output,
    #[serde(default)]
    pub people: Placing,
    /// Where the manifest was read from; [`Manifest::read`] sets it.
    #[serde(skip)]
    pub path: PathBuf,
}

fn likely() -> f64 {
    0.4
}

/// Pictures as a tensor `[n, channels, height, width] f32`, value = (pixel - mean) / std.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// The tensor's name in the graph.
    pub name: String,
    /// Name of a second input `[n, 2] i64` that is told width and height, for models that answer in a picture's pixels:
    /// the input's own size is what it is told.
    #[serde(default)]
    pub size_name: Option<String>,
    /// Width, height.
    pub size: (usize, usize),
    pub layout: Layout,
    pub channels: Channels,
    /// One a channel, in the order of `channels`, on the scale 0..=255.
    #[serde(default)]
    pub mean: Vec<f32>,
    #[serde(default)]
    pub std: Vec<f32>,
    pub fit: Fit,
    /// Grey level of what the picture does not fill; nothing differs there.
    #[serde(default)]
    pub pad: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Layout {
    Nchw,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Channels {
    /// The luma plane as it is: no colour conversion at all.
    Grey,
    /// The luma plane, and beside it how much each pixel differs from the shop without people: levels of luma and both colours together,
    /// 255 where nothing is known of the shop ([`super::background`]).
    #[serde(rename = "grey_and_change")]
    GreyAndChange,
    Bgr,
    Rgb,
}

impl Input {
    /// RGB as it is, stretched: for a model about which nothing else is known.
    pub fn plain(name: &str, size: (usize, usize)) -> Input {
        let (mean, std) = (Vec::new(), Vec::new());
        let (layout, channels, fit) = (Layout::Nchw, Channels::Rgb, Fit::Stretch);
        Input { name: name.to_owned(), size_name: None, size, layout, channels, mean, std, fit, pad: 0 }
    }

    /// A pixel of a channel, 0..=255, on the scale the model was trained on.
    pub fn level(&self, channel: usize, value: u8) -> f32 {
        let mean = self.mean.get(channel).copied().unwrap_or(0.0);
        let std = self.std.get(channel).copied().unwrap_or(1.0);
        (f32::from(value) - mean) / std
    }

    /// What stands in a channel where the picture does not, on the model's scale.
    pub fn padding(&self, channel: usize) -> f32 {
        let is_change = self.channels == Channels::GreyAndChange && channel == 1;
        self.level(channel, if is_change { 0 } else { self.pad })
    }

    /// Numbers in one picture's tensor.
    pub fn len(&self) -> usize {
        self.channels.count() * self.size.0 * self.size.1
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What the model is given where there is no picture.
    pub fn blank(&self) -> Vec<f32> {
        let area = self.size.0 * self.size.1;
        (0..self.channels.count()).flat_map(|channel| vec![self.padding(channel); area]).collect()
    }
}

impl Channels {
    pub fn count(self) -> usize {
        match self {
            Channels::Grey => 1,
            Channels::GreyAndChange => 2,
            Channels::Bgr | Channels::Rgb => 3,
        }
    }
}

/// How the picture comes to the tensor's size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fit {
    /// Keeps its proportions, stands top left, the rest is `pad`.
    LetterboxTopLeft,
    /// Fills the tensor, whatever its proportions.
    Stretch,
}

/// How the answer reads; the files of `decode` say it in full. Every kind yields boxes with a score in 0..=1.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum Output {
    /// `[n, sizes, height, width]`: a score at each cell that is the middle of a disc of `radii[i]` input pixels.
    Disc { radii: Vec<f32>, overlap: f32 },
    /// `[n, cells, 5 + classes]`, raw grid: middle = (o + cell) * stride, size = exp(o) * stride, score = obj * class.
    Yolox { strides: Vec<usize>, class: usize, overlap: f32 },
    /// A pair of outputs a stride, told apart by shape: scores `[n, cells, classes]` and edge distances as
    /// distributions over `bins` `[n, cells, 4 * bins]` (left, top, right, bottom).
    Nanodet { strides: Vec<usize>, class: usize, classes: usize, bins: usize, overlap: f32 },
    /// `[n, 4 + classes (+ 3 * keypoints), cells]`: middle, width, height in input pixels, a score a class.
    Yolov8 { class: usize, classes: usize, keypoints: Option<Skeleton>, overlap: f32 },
    /// `labels`, `boxes`, `scores`, or a single `[n, queries, 4 + classes]`. It needs no merging.
    Rtdetr {
        class: usize,
        #[serde(default = "no_merging")]
        overlap: f32,
    },
    /// Our own: `heat`, `box`, `points`, `seen` on a grid of `stride` input pixels.
    Carryout { stride: usize, keypoints: Vec<Keypoint>, overlap: f32 },
}

/// Classes and bins, at most; more is a slip of the pen.
const MOST: usize = 100_000;

fn no_merging() -> f32 {
    1.0
}

impl Output {
    /// As a manifest says it.
    pub fn kind(&self) -> &'static str {
        match self {
            Output::Disc { .. } => "disc",
            Output::Yolox { .. } => "yolox",
            Output::Nanodet { .. } => "nanodet",
            Output::Yolov8 { .. } => "yolov8",
            Output::Rtdetr { .. } => "rtdetr",
            Output::Carryout { .. } => "carryout",
        }
    }

    /// Boxes that overlap more than this are one person.
    fn overlap(&self) -> f32 {
        match self {
            Output::Disc { overlap, .. }
            | Output::Yolox { overlap, .. }
            | Output::Nanodet { overlap, .. }
            | Output::Yolov8 { overlap, .. }
            | Output::Rtdetr { overlap, .. }
            | Output::Carryout { overlap, .. } => *overlap,
        }
    }

    fn problem(&self) -> Option<&'static str> {
        let bad = |strides: &[usize]| strides.is_empty() || strides.contains(&0);
        let wrong = match self {
            Output::Disc { radii, .. } => radii.is_empty(),
            Output::Yolox { strides, class, .. } => bad(strides) || *class >= MOST,
            Output::Nanodet { strides, classes, class, bins, .. } => {
                bad(strides) || class >= classes || *classes > MOST || *bins < 2 || *bins > MOST
            }
            Output::Yolov8 { class, classes, .. } => class >= classes || *classes > MOST,
            Output::Rtdetr { class, .. } => *class >= MOST,
            Output::Carryout { stride, keypoints, .. } => {
                let twice = keypoints.iter().enumerate().any(|(i, point)| keypoints[..i].contains(point));
                if twice {
                    return Some("output.keypoints names a point twice");
                }
                *stride == 0
            }
        };
        wrong.then_some("output: strides (or radii), classes and bins must be given, above 0 and below 100 000, class below classes")
    }
}

/// Joints of a body in an order that others defined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Skeleton {
    Coco17,
}

/// A point that our own detector names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Keypoint {
    Head,
    LeftHand,
    RightHand,
    Floor,
}

/// Where on a box a person stands.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Placing {
    pub anchor: Anchor,
    /// Height of the anchor above the floor, metres.
    pub height_m: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Anchor {
    /// Middle of the lower edge: cameras on walls.
    Feet,
    /// Middle of the box: cameras that look straight down.
    Middle,
}

impl Default for Placing {
    fn default() -> Self {
        Placing { anchor: Anchor::Feet, height_m: 0.0 }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    #[error("reading {what} {path}: {cause}", path = path.display())]
    Unreadable { what: &'static str, path: PathBuf, cause: std::io::Error },
    /// In the parser's words, without the line it would quote.
    #[error("reading model manifest {path} line {line}: {why}", path = path.display())]
    Malformed { path: PathBuf, line: usize, why: String },
    #[error("reading model manifest {path}: {problem}", path = path.display())]
    Wrong { path: PathBuf, problem: String },
    #[error(
        "loading model {path}: its sha256 is {found}, the manifest says {expected}; restore the file, or write the new \
         hash into the manifest if you meant to replace the model", path = path.display()
    )]
    OtherFile { path: PathBuf, expected: String, found: String },
}

impl Manifest {
    pub fn read(path: &Path) -> Result<Manifest, ManifestError> {
        let text = std::fs::read_to_string(path).map_err(|cause| ManifestError::Unreadable {
            what: "model manifest",
            path: path.to_owned(),
            cause,
        })?;
        Manifest::parse(&text, path)
    }

    /// `path` is where the text came from: the model file lies beside it.
    pub fn parse(text: &str, path: &Path) -> Result<Manifest, ManifestError> {
        let mut manifest: Manifest =
            toml::from_str(text).map_err(|error: toml::de::Error| ManifestError::Malformed {
                path: path.to_owned(),
                line: error.span().map_or(1, |span| text[..span.start].matches('\n').count() + 1),
                why: told_by_parser(error.message()),
            })?;
        manifest.path = path.to_owned();
        match manifest.problem() {
            Some(problem) => Err(ManifestError::Wrong { path: path.to_owned(), problem }),
            None => Ok(manifest),
        }
    }

    pub fn model_path(&self) -> PathBuf {
        self.path.parent().unwrap_or(Path::new("")).join(&self.file)
    }

    /// The model's bytes, if they are the ones the manifest speaks of.
    pub fn model_bytes(&self) -> Result<Vec<u8>, ManifestError> {
        let path = self.model_path();
        let bytes = std::fs::read(&path).map_err(|cause| ManifestError::Unreadable {
            what: "model file",
            path: path.clone(),
            cause,
        })?;
        let found: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        if !found.eq_ignore_ascii_case(&self.sha256) {
            return Err(ManifestError::OtherFile { path, expected: self.sha256.clone(), found });
        }
        Ok(bytes)
    }

    fn problem(&self) -> Option<String> {
        let channels = self.input.channels.count();
        let (width, height) = self.input.size;
        if !(0.0..=1.0).contains(&self.confidence_min) {
            return Some(format!("confidence_min {} is not within 0.0..=1.0", self.confidence_min));
        }
        for (name, values) in [("mean", &self.input.mean), ("std", &self.input.std)] {
            if !values.is_empty() && values.len() != channels {
                return Some(format!("input.{name} has {} values for {channels} channels", values.len()));
            }
        }
        if self.input.std.iter().any(|&std| std.is_nan() || std <= 0.0) {
            return Some("input.std must be above 0".to_owned());
        }
        // 4096: four times what any detector of people reads; more is a slip of the pen and would eat the memory.
        if !(1..=4096).contains(&width) || !(1..=4096).contains(&height) {
            return Some(format!("input.size {width} x {height} is not within 1..=4096"));
        }
        if self.sha256.len() != 64 || !self.sha256.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Some("sha256 must be 64 hexadecimal digits; `sha256sum` prints them".to_owned());
        }
        if let Some(problem) = self.output.problem() {
            return Some(problem.to_owned());
        }
        let overlap = self.output.overlap();
        if !(0.0..=1.0).contains(&overlap) {
            return Some(format!("output.overlap {overlap} is not within 0..=1"));
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
        name = "n"
        file = "n.onnx"
        sha256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        licence = "Apache-2.0"
        [input]
        name = "images"
        size = [416, 416]
        layout = "nchw"
        channels = "bgr"
        fit = "letterbox_top_left"
        pad = 114
        [output]
        kind = "yolox"
        strides = [8, 16, 32]
        class = 0
        overlap = 0.45
    "#;
    const YOLOX: &str = r#"kind = "yolox"
        strides = [8, 16, 32]
        class = 0
        overlap = 0.45"#;

    #[test]
    fn a_manifest_says_what_is_wrong_with_it() {
        for (from, to, says) in [
            ("", "", ""),
            ("class = 0", "clas = 0", "unknown field `clas`"),
            ("\"yolox\"", "\"yolo\"", "unknown variant `yolo`"),
            ("pad = 114", "pad = 114\nmean = [1.0]", "input.mean has 1 values for 3 channels"),
            ("pad = 114", "pad = 114\nstd = [1.0, 0.0, 1.0]", "input.std must be above 0"),
            ("[416, 416]", "[416, 0]", "input.size 416 x 0"),
            ("[input]", "confidence_min = 0.35\n[input]", ""),
            ("[input]", "confidence_min = 35.0\n[input]", "confidence_min 35 is not within 0.0..=1.0"),
            ("\"bgr\"", "\"grey_and_change\"", ""),
            ("\"bgr\"", "\"grey_and_change\"\nmean = [128.0]", "input.mean has 1 values for 2 channels"),
            ("e3b0", "e3", "sha256 must be 64 hexadecimal digits"),
            ("[8, 16, 32]", "[]", "strides (or radii)"),
            ("overlap = 0.45", "overlap = 45.0", "output.overlap 45"),
            (YOLOX, "kind = \"rtdetr\"\nclass = 0", ""),
            (YOLOX, "kind = \"rtdetr\"\nclass = 9000000000000000000", "below 100 000"),
            (YOLOX, "kind = \"yolov8\"\nclass = 0\nclasses = 1\nkeypoints = \"coco17\"\noverlap = 0.6", ""),
            (YOLOX, "kind = \"yolov8\"\nclass = 1\nclasses = 1\noverlap = 0.6", "class below classes"),
            (YOLOX, "kind = \"carryout\"\nstride = 4\nkeypoints = [\"head\", \"left_hand\"]\noverlap = 0.6", ""),
            (YOLOX, "kind = \"carryout\"\nstride = 0\nkeypoints = []\noverlap = 0.6", "above 0"),
            (YOLOX, "kind = \"carryout\"\nstride = 4\nkeypoints = [\"head\", \"head\"]\noverlap = 0.6", "twice"),
        ] {
            let answer = Manifest::parse(&GOOD.replace(from, to), Path::new("models/n.toml"));
            match answer {
                Ok(_) => assert_eq!(says, "", "{from} -> {to} was accepted"),
                Err(error) => {
                    let text = error.to_string();
                    assert!(!says.is_empty() && text.contains(says), "{from} -> {to}: {text}");
                    assert!(text.contains("models/n.toml"), "{text}");
                }
            }
        }
    }

    #[test]
    fn a_model_that_is_not_the_one_meant_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let manifest = Manifest::parse(GOOD, &dir.path().join("n.toml")).unwrap();
        assert!(manifest.model_bytes().unwrap_err().to_string().contains("reading model file"));
        std::fs::write(dir.path().join("n.onnx"), b"").unwrap();
        assert!(manifest.model_bytes().unwrap().is_empty());
        std::fs::write(dir.path().join("n.onnx"), b"other").unwrap();
        assert!(manifest.model_bytes().unwrap_err().to_string().contains("its sha256 is"));
    }
}
