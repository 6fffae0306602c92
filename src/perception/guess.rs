//! What kind of model this is, by the shapes of what it answers: for `carryout models add`, and to say what a manifest
//! that does not fit would need.
//!
//! Shapes tell kind, classes and strides. They do not tell channel order, scaling or padding: those are what models of the
//! kind were published with, and a model's own card has the last word.

use super::manifest::Keypoint;
use std::fmt::Write;

/// The strides of nearly every detector; some have a fourth.
const STRIDES: [&[usize]; 3] = [&[8, 16, 32], &[8, 16, 32, 64], &[16, 32]];

/// Of yolov8-pose: 17 points of x, y, probability.
const COCO17_ROWS: usize = 51;

#[derive(Clone, Debug, PartialEq)]
pub struct Guess {
    /// Lines of `[output]`.
    pub output: String,
    /// Lines of `[input]` that shapes cannot tell.
    pub usual: &'static str,
}

/// `shapes` are a run's outputs on one picture of `size` (width, height), by name, with or without the batch's 1.
pub fn output(shapes: &[(String, Vec<usize>)], size: (usize, usize)) -> Option<Guess> {
    let shapes: Vec<(&str, &[usize])> = shapes.iter().map(|(name, shape)| (name.as_str(), inner(shape))).collect();
    own(&shapes, size)
        .or_else(|| post_processed(&shapes))
        .or_else(|| pairs(&shapes, size))
        .or_else(|| single(&shapes, size))
}

/// Without the batch's dimension.
fn inner(shape: &[usize]) -> &[usize] {
    match shape {
        [1, rest @ ..] if !rest.is_empty() => rest,
        other => other,
    }
}

fn cells(strides: &[usize], (width, height): (usize, usize)) -> usize {
    strides.iter().map(|stride| width.div_ceil(*stride) * height.div_ceil(*stride)).sum()
}

fn own(shapes: &[(&str, &[usize])], (width, _): (usize, usize)) -> Option<Guess> {
    let find = |name: &str| shapes.iter().find(|(n, _)| *n == name).map(|(_, shape)| *shape);
    let (heat, _, _, seen) = (find("heat")?, find("box")?, find("points")?, find("seen")?);
    let (&across, &points) = (heat.last()?, seen.get(seen.len().checked_sub(3)?)?);
    // The contract's order; other numbers of points must be named by hand.
    const ORDER: [Keypoint; 4] = [Keypoint::Head, Keypoint::LeftHand, Keypoint::RightHand, Keypoint::Floor];
    let stride = width.checked_div(across).filter(|stride| *stride > 0)?;
    (points == ORDER.len()).then(|| Guess {
        output: format!(
            "kind = \"carryout\"\nstride = {stride}\nkeypoints = [\"head\", \"left_hand\", \"right_hand\", \"floor\"]\n\
             overlap = 0.6"
        ),
        usual: "channels = \"rgb\"\nstd = [255.0, 255.0, 255.0]\nfit = \"letterbox_top_left\"",
    })
}

fn post_processed(shapes: &[(&str, &[usize])]) -> Option<Guess> {
    let has = |name: &str| shapes.iter().any(|(n, _)| *n == name);
    (shapes.len() == 3 && has("labels") && has("boxes") && has("scores")).then(rtdetr)
}

fn rtdetr() -> Guess {
    Guess {
        output: "kind = \"rtdetr\"\nclass = 0".into(),
        usual: "channels = \"rgb\"\nstd = [255.0, 255.0, 255.0]\nfit = \"stretch\"",
    }
}

/// NanoDet: as many pairs `[cells, classes]` and `[cells, 4 * bins]` as strides.
fn pairs(shapes: &[(&str, &[usize])], size: (usize, usize)) -> Option<Guess> {
    let twice = |stride: usize| {
        let of_stride = shapes.iter().filter(|(_, shape)| shape.len() == 2 && shape[0] == cells(&[stride], size));
        of_stride.count() == 2
    };
    let fits = |strides: &&[usize]| shapes.len() == 2 * strides.len() && strides.iter().all(|&stride| twice(stride));
    let strides = STRIDES.into_iter().find(fits)?;
    let widths: Vec<usize> = shapes.iter().filter_map(|(_, shape)| shape.get(1).copied()).collect();
    let (low, high) = (*widths.iter().min()?, *widths.iter().max()?);
    // 32 = four edges of 8 bins is what all of them have; the other width is the classes.
    let (classes, bins) = if low == 32 { (high, 8) } else { (low, high / 4) };
    if high % 4 != 0 && low != 32 {
        return None;
    }
    Some(Guess {
        output: format!(
            "kind = \"nanodet\"\nstrides = {strides:?}\nclass = 0\nclasses = {classes}\nbins = {bins}\noverlap = 0.5"
        ),
        usual: "channels = \"bgr\"\nmean = [103.53, 116.28, 123.675]\nstd = [57.375, 57.12, 58.395]\n\
                fit = \"letterbox_top_left\"",
    })
}

fn single(shapes: &[(&str, &[usize])], size: (usize, usize)) -> Option<Guess> {
    let &[(_, &[rows, columns])] = shapes else { return None };
    let mut text = String::new();
    for strides in STRIDES {
        let cells = cells(strides, size);
        if rows == cells && columns > 5 {
            let _ = write!(text, "kind = \"yolox\"\nstrides = {strides:?}\nclass = 0\noverlap = 0.5");
            let usual = "channels = \"bgr\"\nfit = \"letterbox_top_left\"\npad = 114";
            return Some(Guess { output: text, usual });
        }
        if columns == cells && rows > 4 {
            // One class and 17 points; 52 classes and none are as many rows, and nobody has 52 classes.
            let pose = rows == 4 + 1 + COCO17_ROWS;
            let classes = if pose { 1 } else { rows - 4 };
            let _ = write!(text, "kind = \"yolov8\"\nclass = 0\nclasses = {classes}");
            let _ = if pose { write!(text, "\nkeypoints = \"coco17\"") } else { Ok(()) };
            let _ = write!(text, "\noverlap = 0.5");
            let usual = "channels = \"rgb\"\nstd = [255.0, 255.0, 255.0]\nfit = \"letterbox_top_left\"\npad = 114";
            return Some(Guess { output: text, usual });
        }
    }
    // A few hundred queries, each a box and its classes.
    ((10..=1_000).contains(&rows) && columns > 4 && columns <= 512).then(rtdetr)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::perception::manifest::Manifest;
    use std::path::Path;

    #[test]
    fn a_kind_is_known_by_its_shapes() {
        let nanodet: Vec<(&str, Vec<usize>)> = [1600, 400, 100]
            .into_iter()
            .flat_map(|cells| [("cls", vec![1, cells, 80]), ("dis", vec![1, cells, 32])])
            .collect();
        let bare: Vec<(&str, Vec<usize>)> = nanodet.iter().map(|(name, shape)| (*name, shape[1..].to_vec())).collect();
        let rows = [
            ("yolox", (416, 416), vec![("output", vec![1, 3549, 85])], "strides = [8, 16, 32]"),
            ("nanodet", (320, 320), nanodet, "classes = 80\nbins = 8"),
            ("nanodet", (320, 320), bare, "classes = 80\nbins = 8"),
            ("yolov8", (640, 640), vec![("output0", vec![1, 84, 8400])], "classes = 80"),
            ("yolov8", (640, 640), vec![("output0", vec![1, 56, 8400])], "classes = 1\nkeypoints = \"coco17\""),
            ("rtdetr", (640, 640), vec![("output0", vec![1, 300, 84])], ""),
            (
                "rtdetr",
                (640, 640),
                vec![("labels", vec![1, 300]), ("boxes", vec![1, 300, 4]), ("scores", vec![1, 300])],
                "",
            ),
            (
                "carryout",
                (640, 384),
                vec![
                    ("heat", vec![1, 1, 96, 160]),
                    ("box", vec![1, 4, 96, 160]),
                    ("points", vec![1, 8, 96, 160]),
                    ("seen", vec![1, 4, 96, 160]),
                ],
                "stride = 4",
            ),
            ("", (416, 416), vec![("features", vec![1, 512, 7, 7])], ""),
            ("", (416, 416), vec![("score", vec![1, 1000])], ""),
            ("", (416, 416), vec![], ""),
        ];
        for (kind, size, shapes, says) in rows {
            let shapes: Vec<_> = shapes.into_iter().map(|(name, shape)| (name.to_owned(), shape)).collect();
            let guess = output(&shapes, size);
            let Some(guess) = guess else {
                assert_eq!(kind, "", "{shapes:?} was not recognised");
                continue;
            };
            assert!(guess.output.contains(&format!("kind = \"{kind}\"")) && guess.output.contains(says), "{guess:?}");
            // What is guessed is a manifest.
            let text = format!(
                "name = \"n\"\nfile = \"n.onnx\"\nsha256 = \"{}\"\nlicence = \"MIT\"\n[input]\nname = \"x\"\nsize = [{}, {}]\n\
                 layout = \"nchw\"\n{}\n[output]\n{}\n",
                "0".repeat(64),
                size.0,
                size.1,
                guess.usual,
                guess.output
            );
            Manifest::parse(&text, Path::new("n.toml")).unwrap_or_else(|error| panic!("{kind}: {error}\n{text}"));
        }
    }
}
