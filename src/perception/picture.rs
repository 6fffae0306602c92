//! From a frame to the detector's tensor.
//! With `calibration` and `checkerboard`, the only file that names `opencv`.
//!
//! Colours are made of the whole picture and scaled afterwards, in the steps and the order of the models' own tools: a
//! detector's boxes are only as good as its input is like what it was trained on. It is paid for a look (which costs 20
//! times as much), never for a frame that is not looked at. Planes are borrowed from the frame, not copied.

use super::background::Foreground;
use super::manifest::{Channels, Fit, Input};
use crate::sensors::camera::{Frame, Pixels};
use opencv::core::{Mat, Size, ToInputArray};
use opencv::imgproc::{self, INTER_AREA, INTER_LINEAR};
use opencv::prelude::*;

#[derive(Debug, thiserror::Error)]
#[error("scaling a picture: {0}")]
pub struct PictureError(#[from] opencv::Error);

/// Keeps opencv on the caller's thread: a pool of its own would compete with the decoders. Once a process.
pub fn one_thread() -> Result<(), PictureError> {
    Ok(opencv::core::set_num_threads(1)?)
}

/// Writes one picture `[channels, height, width] f32` into `tensor`, which is as long as the input says, and returns how
/// many of its pixels the picture's whole width and height take up: the way back from the tensor to the picture.
pub fn prepare(
    frame: &Frame,
    foreground: Option<&Foreground>,
    input: &Input,
    tensor: &mut [f32],
) -> Result<(f64, f64), PictureError> {
    let (width, height) = input.size;
    let (picture_w, picture_h) = (frame.width() as f64, frame.height() as f64);
    let (filled, extent) = match input.fit {
        Fit::Stretch => ((width, height), (width as f64, height as f64)),
        Fit::LetterboxTopLeft => {
            let ratio = (width as f64 / picture_w).min(height as f64 / picture_h);
            let filled = |side: f64| ((side * ratio + 1e-9) as usize).max(1);
            ((filled(picture_w), filled(picture_h)), (picture_w * ratio, picture_h * ratio))
        }
    };
    let channels = input.channels.count();
    let small = match input.channels {
        Channels::Grey => scaled(&luma(frame)?, filled)?,
        Channels::GreyAndChange => {
            let planes = [scaled(&luma(frame)?, filled)?, change(foreground, filled)?];
            let mut both = Mat::default();
            opencv::core::merge(&opencv::core::Vector::<Mat>::from_iter(planes), &mut both)?;
            both
        }
        order => scaled(&coloured(frame, order)?, filled)?,
    };
    let bytes = small.data_bytes()?;
    for (channel, plane) in tensor.chunks_exact_mut(width * height).enumerate().take(channels) {
        let levels: [f32; 256] = std::array::from_fn(|value| input.level(channel, value as u8));
        let pad = input.padding(channel);
        for (row, line) in plane.chunks_exact_mut(width).enumerate() {
            let Some(from) = bytes.get(row * filled.0 * channels..(row + 1) * filled.0 * channels) else {
                line.fill(pad);
                continue;
            };
            let (picture, rest) = line.split_at_mut(filled.0);
            for (to, pixel) in picture.iter_mut().zip(from.chunks_exact(channels)) {
                *to = levels[usize::from(pixel[channel])];
            }
            rest.fill(pad);
        }
    }
    Ok(extent)
}

/// The whole picture in three interleaved channels: BT.601, luma 16..=235, what cameras of this kind send.
fn coloured(frame: &Frame, order: Channels) -> Result<Mat, PictureError> {
    let code = match (frame.pixels(), order) {
        (Pixels::I420, Channels::Rgb) => imgproc::COLOR_YUV2RGB_I420,
        (Pixels::I420, _) => imgproc::COLOR_YUV2BGR_I420,
        (Pixels::Nv12, Channels::Rgb) => imgproc::COLOR_YUV2RGB_NV12,
        (Pixels::Nv12, _) => imgproc::COLOR_YUV2BGR_NV12,
    };
    // The frame lies as opencv wants it: the colour planes right below the grey one, half as many rows.
    let rows = frame.height() * 3 / 2;
    let planes = Mat::new_rows_cols_with_data(rows as i32, frame.width() as i32, frame.planes())?;
    let mut picture = Mat::default();
    imgproc::cvt_color_def(&planes, &mut picture, code)?;
    Ok(picture)
}

fn luma(frame: &Frame) -> Result<opencv::boxed_ref::BoxedRef<'_, Mat>, PictureError> {
    Ok(Mat::new_rows_cols_with_data(frame.height() as i32, frame.width() as i32, frame.luma())?)
}

/// Everything differs from a shop of which nothing is known.
fn change(foreground: Option<&Foreground>, to: (usize, usize)) -> Result<Mat, PictureError> {
    let Some(((width, height), change)) = foreground.map(Foreground::change) else {
        let unknown = opencv::core::Scalar::all(255.0);
        return Ok(Mat::new_size_with_default(Size::new(to.0 as i32, to.1 as i32), opencv::core::CV_8UC1, unknown)?);
    };
    scaled(&Mat::new_rows_cols_with_data(height as i32, width as i32, change)?, to)
}

fn scaled(plane: &(impl MatTraitConst + ToInputArray), to: (usize, usize)) -> Result<Mat, PictureError> {
    let how = if (to.0 as i32) * 2 < plane.cols() { INTER_AREA } else { INTER_LINEAR };
    let mut small = Mat::default();
    imgproc::resize(plane, &mut small, Size::new(to.0 as i32, to.1 as i32), 0.0, 0.0, how)?;
    Ok(small)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::ShopTime;
    use crate::perception::background::Background;
    use crate::perception::manifest::Layout;
    use crate::sensors::camera::Plane;

    /// 64 x 32: left half red, right half blue.
    fn two_halves() -> Frame {
        let rgb: Vec<u8> = (0..64 * 32).flat_map(|i| if i % 64 < 32 { [255, 0, 0] } else { [0, 0, 255] }).collect();
        Frame::from_rgb((64, 32), &rgb, ShopTime(0)).unwrap()
    }

    fn as_nv12(frame: &Frame) -> Frame {
        let (width, height) = (frame.width(), frame.height());
        let (u, v) = frame.chroma().split_at(width * height / 4);
        let pairs: Vec<u8> = u.iter().zip(v).flat_map(|(&u, &v)| [u, v]).collect();
        let planes = [Plane { data: frame.luma(), stride: width }, Plane { data: &pairs, stride: width }];
        Frame::copy((width, height), Pixels::Nv12, &planes, ShopTime(0)).unwrap()
    }

    #[test]
    fn a_picture_stands_top_left_and_the_rest_is_padding() {
        let input = |channels, fit| Input {
            name: "images".into(),
            size_name: None,
            size: (16, 16),
            layout: Layout::Nchw,
            channels,
            mean: vec![],
            std: vec![],
            fit,
            pad: 114,
        };
        let frame = two_halves();
        let nv12 = as_nv12(&frame);
        for (name, frame) in [("I420", &frame), ("NV12", &nv12)] {
            let at = |tensor: &[f32], channel: usize, x: usize, y: usize| tensor[(channel * 16 + y) * 16 + x];
            let made = |input: Input| {
                // What the last picture left behind must not show through.
                let mut tensor = vec![-1.0; input.len()];
                let extent = prepare(frame, None, &input, &mut tensor).unwrap();
                (tensor, extent)
            };
            let (boxed, extent) = made(input(Channels::Bgr, Fit::LetterboxTopLeft));
            assert_eq!((boxed.len(), extent), (3 * 16 * 16, (16.0, 8.0)), "{name}");
            for (x, y, bgr) in [(2, 2, [0.0, 0.0, 255.0]), (13, 5, [255.0, 0.0, 0.0]), (2, 12, [114.0; 3])] {
                for (channel, expected) in bgr.into_iter().enumerate() {
                    let found = at(&boxed, channel, x, y);
                    assert!((found - expected).abs() <= 4.0, "{name} at {x},{y} channel {channel}: {found}");
                }
            }
            let (filled, extent) = made(input(Channels::Rgb, Fit::Stretch));
            assert_eq!(extent, (16.0, 16.0));
            assert!(at(&filled, 0, 2, 15) > 250.0, "{name}: red reaches the bottom when the picture is stretched");
            let mut scaled = input(Channels::Grey, Fit::Stretch);
            (scaled.mean, scaled.std) = (vec![82.0], vec![2.0]);
            assert!(at(&made(scaled).0, 0, 2, 2).abs() < 1.0, "{name}: red has luma 82");
        }
    }

    #[test]
    fn what_differs_stands_beside_the_picture() {
        let input = Input {
            name: "picture".into(),
            size_name: None,
            size: (64, 48),
            layout: Layout::Nchw,
            channels: Channels::GreyAndChange,
            mean: vec![0.0, 0.0],
            std: vec![1.0, 5.0],
            fit: Fit::LetterboxTopLeft,
            pad: 114,
        };
        let grey = |left: u8| {
            let rgb: Vec<u8> = (0..64 * 32).flat_map(|i| [if i % 64 < 32 { left } else { 120 }; 3]).collect();
            Frame::from_rgb((64, 32), &rgb, ShopTime(0)).unwrap()
        };
        let mut background = Background::default();
        background.compare(&grey(60));
        let somebody = grey(180);
        let foreground = background.compare(&somebody).expect("the second picture");
        let change = f32::from(somebody.luma()[0].abs_diff(grey(60).luma()[0]));
        for (story, foreground, left, right) in [
            ("somebody on the left", Some(&foreground), change, 0.0),
            ("nothing is known of the shop", None, 255.0, 255.0),
        ] {
            let mut tensor = vec![-1.0; input.len()];
            prepare(&somebody, foreground, &input, &mut tensor).unwrap();
            let at = |channel: usize, x: usize, y: usize| tensor[(channel * 48 + y) * 64 + x];
            for (x, differs) in [(0, left), (29, left), (34, right), (63, right)] {
                assert_eq!(at(0, x, 31), f32::from(somebody.luma()[x]), "{story}: the picture at {x}");
                assert_eq!(at(1, x, 31), differs / 5.0, "{story}: at {x}");
            }
            assert_eq!((at(0, 5, 32), at(1, 5, 32)), (114.0, 0.0), "{story}: below the picture");
        }
        assert_eq!(input.blank()[64 * 48 - 1..][..2], [114.0, 0.0]);
    }
}
