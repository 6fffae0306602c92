//! A model nobody has written a manifest for: what it says of itself, and of what kind it must be.
//!
//! It is run once on nothing. What shapes cannot tell is [`super::guess`]'s to say; whoever takes the model in compares it
//! with the model's card.

use super::VisionOptions;
use super::guess::{self, Guess};
use super::manifest::{Channels, Input};
use super::ort::{Declared, Session};

/// The input a model declares (as RGB or grey, unscaled) and the kind its answer has. `size`: width and height, for models
/// that take any. The error is a sentence.
pub fn look_into(
    name: &str,
    bytes: &[u8],
    size: Option<(usize, usize)>,
    options: &VisionOptions,
) -> Result<(Input, Guess), String> {
    let mut session = Session::open(name, bytes, &options.into()).map_err(|error| error.to_string())?;
    let input = input(&session.inputs(), size)?;
    let (width, height) = input.size;
    let shape = [1, input.channels.count(), height, width];
    let sizes = [width as i64, height as i64];
    let sizes = input.size_name.as_deref().map(|name| (name, &sizes[..]));
    let shapes = session.run(&input.name, shape, &input.blank(), sizes, |answer| {
        answer.iter().map(|output| (output.name.to_string(), output.shape.clone())).collect::<Vec<_>>()
    });
    let shapes = shapes.map_err(|error| error.to_string())?;
    let Some(guess) = guess::output(&shapes, input.size) else {
        let told: Vec<String> = shapes.iter().map(|(name, shape)| format!("`{name}` {shape:?}")).collect();
        return Err(format!(
            "its outputs are {}, and of no kind known here (yolox, nanodet, yolov8, rtdetr, carryout); export it anew, or \
             write its manifest by hand (docs/setup.md)",
            told.join(", ")
        ));
    };
    Ok((input, guess))
}

/// The pictures' input, and the one that is told their size if there is one.
fn input(declared: &[Declared], size: Option<(usize, usize)>) -> Result<Input, String> {
    let is_pictures = |d: &&Declared| d.is_f32 && d.shape.len() == 4;
    let Some(pictures) = declared.iter().find(is_pictures) else {
        let told: Vec<String> =
            declared.iter().map(|d| format!("`{}` {:?} of {}", d.name, d.shape, d.kind())).collect();
        return Err(format!("it takes {}, not pictures [n, channels, height, width] of f32", told.join(", ")));
    };
    let side = |at: usize| usize::try_from(pictures.shape[at]).ok().filter(|side| *side > 0);
    let own = side(3).zip(side(2));
    let size = match (own, size) {
        (Some(own), Some(size)) if own != size => {
            return Err(format!("it takes pictures of {} x {} only; leave --size out", own.0, own.1));
        }
        (Some(own), _) => own,
        (None, Some(size)) => size,
        (None, None) => return Err("it takes pictures of any size; say --size, like 640x640".into()),
    };
    let mut input = Input::plain(&pictures.name, size);
    input.channels = match pictures.shape[1] {
        1 => Channels::Grey,
        2 => Channels::GreyAndChange,
        3 | -1 => Channels::Rgb,
        n => return Err(format!("its pictures have {n} channels, not 1, 2 or 3")),
    };
    let is_size = |d: &&Declared| !d.is_f32 && d.shape.len() == 2;
    input.size_name = declared.iter().find(is_size).map(|d| d.name.clone());
    Ok(input)
}
