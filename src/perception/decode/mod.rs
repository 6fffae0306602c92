//! A model's answer to people, in pixels of its input. One kind of answer a file; which kind a model has is in its
//! manifest. Plain numbers in, plain boxes and points out: nothing here knows of a runtime.

pub mod carryout;
pub mod coco17;
pub mod disc;
pub mod nanodet;
pub mod rtdetr;
pub mod yolov8;
pub mod yolox;

use super::boxes::suppress;
use super::detection::Detection;
use super::manifest::{Input, Output};
use std::borrow::Cow;

/// One output of a model, for all pictures of a batch. Borrowed from the runtime: a megabyte a look is not copied.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor<'a> {
    pub name: Cow<'a, str>,
    pub shape: Vec<usize>,
    pub data: Cow<'a, [f32]>,
}

/// One picture's share of an output, the batch's dimension taken off.
#[derive(Clone, Copy, Debug)]
pub struct Part<'a> {
    pub name: &'a str,
    pub shape: &'a [usize],
    pub data: &'a [f32],
}

#[derive(Debug, thiserror::Error, PartialEq)]
#[error("reading the model's answer as {kind}: {problem}; is it the model its manifest speaks of?")]
pub struct DecodeError {
    pub kind: &'static str,
    pub problem: String,
}

/// People of at least `threshold` in each of `pictures`, overlapping ones merged, best first.
pub fn decode(
    output: &Output,
    input: &Input,
    answer: &[Tensor<'_>],
    pictures: usize,
    threshold: f64,
) -> Result<Vec<Vec<Detection>>, DecodeError> {
    (0..pictures).map(|picture| one(output, input, &parts(output, answer, picture, pictures)?, threshold)).collect()
}

fn one(output: &Output, input: &Input, parts: &[Part<'_>], threshold: f64) -> Result<Vec<Detection>, DecodeError> {
    let (found, overlap) = match output {
        Output::Disc { radii, overlap } => (disc::decode(radii, parts, threshold)?, overlap),
        Output::Yolox { strides, class, overlap } => {
            (yolox::decode(strides, *class, input.size, parts, threshold)?, overlap)
        }
        Output::Nanodet { strides, class, classes, bins, overlap } => {
            (nanodet::decode(strides, *class, *classes, *bins, input.size, parts, threshold)?, overlap)
        }
        Output::Yolov8 { class, classes, keypoints, overlap } => {
            (yolov8::decode(*class, *classes, *keypoints, parts, threshold)?, overlap)
        }
        Output::Rtdetr { class, overlap } => (rtdetr::decode(*class, input.size, parts, threshold)?, overlap),
        Output::Carryout { stride, keypoints, overlap } => {
            (carryout::decode(*stride, keypoints, input.size, parts, threshold)?, overlap)
        }
    };
    Ok(suppress(found, |found| found.bounds, f64::from(*overlap)))
}

/// One picture's share of each output. With a single picture the batch's dimension may be missing: some exports drop it.
fn parts<'a>(
    output: &Output,
    answer: &'a [Tensor<'_>],
    picture: usize,
    pictures: usize,
) -> Result<Vec<Part<'a>>, DecodeError> {
    let share = |tensor: &'a Tensor<'_>| {
        let Tensor { name, shape, data } = tensor;
        let wrong = |problem: String| DecodeError { kind: output.kind(), problem };
        if shape.iter().product::<usize>() != data.len() {
            return Err(wrong(format!("output `{name}` is {shape:?} and has {} values", data.len())));
        }
        match shape.as_slice() {
            [n, shape @ ..] if *n == pictures => {
                let each = data.len() / pictures.max(1);
                Ok(Part { name, shape, data: &data[picture * each..(picture + 1) * each] })
            }
            shape if pictures == 1 => Ok(Part { name, shape, data }),
            shape => Err(wrong(format!("output `{name}` is {shape:?}, which does not begin with {pictures} pictures"))),
        }
    };
    answer.iter().map(share).collect()
}

/// Cells across and down at each stride: the grid covers the input, a broken cell at the edge included.
fn grids(strides: &[usize], size: (usize, usize)) -> impl Iterator<Item = (usize, usize, usize)> + '_ {
    strides.iter().map(move |&stride| (stride, size.0.div_ceil(stride), size.1.div_ceil(stride)))
}

/// A score that counts, at most 1. A model gone wrong answers what is no number, and that is nobody.
fn sure(score: f64, threshold: f64) -> Option<f64> {
    (score >= threshold && score > 0.0).then(|| score.min(1.0))
}

/// The only output; its name and shape in the error of whoever wanted another.
fn single<'a>(kind: &'static str, parts: &'a [Part<'a>]) -> Result<Part<'a>, DecodeError> {
    match parts {
        [part] => Ok(*part),
        _ => Err(DecodeError { kind, problem: format!("{} instead of one", told(parts)) }),
    }
}

/// "outputs `a` [3549, 85], `b` [4]", shapes a picture.
fn told(parts: &[Part<'_>]) -> String {
    let each: Vec<String> = parts.iter().map(|part| format!("`{}` {:?}", part.name, part.shape)).collect();
    format!("{} outputs {}", parts.len(), each.join(", "))
}

#[cfg(test)]
pub(super) fn part<'a>(name: &'a str, shape: &'a [usize], data: &'a [f32]) -> Part<'a> {
    assert_eq!(shape.iter().product::<usize>(), data.len(), "a test's own tensor `{name}`");
    Part { name, shape, data }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_picture_of_a_batch_has_its_own_people() {
        let output = Output::Disc { radii: vec![1.0, 2.0], overlap: 0.3 };
        let input = Input::plain("x", (2, 2));
        let tensor = |shape: &[usize], data: &[f32]| Tensor {
            name: "score".into(),
            shape: shape.to_vec(),
            data: data.to_vec().into(),
        };
        let two = [tensor(&[2, 2, 1, 2], &[0.0, 0.9, 0.0, 0.0, 0.8, 0.0, 0.0, 0.0])];
        let found = decode(&output, &input, &two, 2, 0.5).unwrap();
        let middles: Vec<Vec<_>> = found.iter().map(|f| f.iter().map(|d| d.bounds.middle()).collect()).collect();
        assert_eq!(middles, [vec![(1.5, 0.5)], vec![(0.5, 0.5)]]);
        for (story, answer, pictures, says) in [
            ("a single picture without the batch's dimension", tensor(&[2, 1, 2], &[0.0; 4]), 1, ""),
            ("three pictures asked, two answered", two[0].clone(), 3, "does not begin with 3 pictures"),
            ("values that do not fill the shape", tensor(&[2, 2, 1, 2], &[0.0; 7]), 2, "and has 7 values"),
        ] {
            let told = decode(&output, &input, &[answer], pictures, 0.5).map_or_else(|e| e.to_string(), |_| "".into());
            assert!(told.contains(says) && told.is_empty() == says.is_empty(), "{story}: {told}");
        }
    }
}
