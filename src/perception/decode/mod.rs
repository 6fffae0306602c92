//! A model's answer to boxes, in pixels of its input. One kind of answer a file; which kind a model has is in its
//! manifest. Plain numbers in, plain boxes out: nothing here knows of a runtime.

pub mod disc;
pub mod nanodet;
pub mod yolox;

use super::boxes::{Box2, suppress};
use super::manifest::{Input, Output};

/// One output of a model.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    pub shape: Vec<usize>,
    pub data: Vec<f32>,
}

#[derive(Debug, thiserror::Error, PartialEq)]
#[error("reading the model's answer as {kind}: {problem}; is it the model its manifest speaks of?")]
pub struct DecodeError {
    pub kind: &'static str,
    pub problem: String,
}

/// Boxes of at least `threshold`, overlapping ones merged, best first.
pub fn decode(output: &Output, input: &Input, answer: &[Tensor], threshold: f64) -> Result<Vec<Box2>, DecodeError> {
    let (boxes, overlap) = match output {
        Output::Disc { radii, overlap } => (disc::decode(radii, answer, threshold)?, overlap),
        Output::Yolox { strides, class, overlap } => {
            (yolox::decode(strides, *class, input.size, answer, threshold)?, overlap)
        }
        Output::Nanodet { strides, class, classes, bins, overlap } => {
            (nanodet::decode(strides, *class, *classes, *bins, input.size, answer, threshold)?, overlap)
        }
    };
    Ok(suppress(boxes, f64::from(*overlap)))
}

/// Cells across and down at each stride: the grid covers the input, a broken cell at the edge included.
fn grids(strides: &[usize], size: (usize, usize)) -> impl Iterator<Item = (usize, usize, usize)> + '_ {
    strides.iter().map(move |&stride| (stride, size.0.div_ceil(stride), size.1.div_ceil(stride)))
}
