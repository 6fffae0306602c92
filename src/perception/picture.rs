//! From a frame to numbers: the motion gate's cells and the detector's tensor. The only file that names `opencv`.
//!
//! Planes are scaled first and coloured afterwards, so that only the pixels a model reads are ever converted; converting
//! whole frames costs as much as decoding them. Scaled planes borrow the frame: nothing is copied before it is small.

use super::manifest::{Channels, Fit, Input};
use super::motion;
use crate::sensors::camera::{Frame, Pixels};
use opencv::core::{Mat, Size, Vec2b};
use opencv::imgproc::{self, INTER_AREA, INTER_LINEAR};
use opencv::prelude::*;

#[derive(Debug, thiserror::Error)]
#[error("scaling a picture: {0}")]
pub struct PictureError(#[from] opencv::Error);

/// A tensor `[1, channels, height, width] f32` and how to come back from its pixels to the picture.
#[derive(Debug)]
pub struct Prepared {
    pub shape: [usize; 4],
    pub data: Vec<f32>,
    /// Tensor pixels that the picture's whole width and height take up.
    pub extent: (f64, f64),
}

/// Keeps opencv on the caller's thread: a pool of its own would compete with the decoders. Once a process.
pub fn one_thread() -> Result<(), PictureError> {
    Ok(opencv::core::set_num_threads(1)?)
}

/// Mean luma of each cell of [`motion::GRID`].
pub fn cells(frame: &Frame) -> Result<Vec<u8>, PictureError> {
    Ok(scaled(&luma(frame)?, motion::GRID, INTER_AREA)?.data_bytes()?.to_vec())
}

pub fn prepare(frame: &Frame, input: &Input) -> Result<Prepared, PictureError> {
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
    let how = if (filled.0 as f64) < picture_w / 2.0 { INTER_AREA } else { INTER_LINEAR };
    let channels = input.channels.count();
    let area = width * height;
    let mut data = Vec::with_capacity(channels * area);
    for channel in 0..channels {
        data.resize((channel + 1) * area, level(input, channel, f32::from(input.pad)));
    }
    let y = scaled(&luma(frame)?, filled, how)?;
    let y = y.data_bytes()?;
    match input.channels {
        Channels::Grey => {
            for (row, line) in y.chunks_exact(filled.0).enumerate() {
                for (column, &grey) in line.iter().enumerate() {
                    data[row * width + column] = level(input, 0, f32::from(grey));
                }
            }
        }
        order @ (Channels::Bgr | Channels::Rgb) => {
            let (u, v) = colours(frame, filled, how)?;
            for row in 0..filled.1 {
                for column in 0..filled.0 {
                    let i = row * filled.0 + column;
                    let mut pixel = rgb(y[i], u(i), v(i));
                    if order == Channels::Bgr {
                        pixel.reverse();
                    }
                    for (channel, value) in pixel.into_iter().enumerate() {
                        data[channel * area + row * width + column] = level(input, channel, value);
                    }
                }
            }
        }
    }
    Ok(Prepared { shape: [1, channels, height, width], data, extent })
}

/// On the scale the model was trained on.
fn level(input: &Input, channel: usize, value: f32) -> f32 {
    let mean = input.mean.get(channel).copied().unwrap_or(0.0);
    let std = input.std.get(channel).copied().unwrap_or(1.0);
    (value - mean) / std
}

/// BT.601, luma 16..=235: what cameras of this kind send. Rounded to whole levels, as the models' own tools do.
fn rgb(y: u8, u: u8, v: u8) -> [f32; 3] {
    let y = 1.164_383 * (f32::from(y) - 16.0);
    let (u, v) = (f32::from(u) - 128.0, f32::from(v) - 128.0);
    [y + 1.596_027 * v, y - 0.391_762 * u - 0.812_968 * v, y + 2.017_232 * u].map(|c| c.round().clamp(0.0, 255.0))
}

type Sample = Box<dyn Fn(usize) -> u8>;

/// U and V at each pixel of the scaled picture.
fn colours(frame: &Frame, to: (usize, usize), how: i32) -> Result<(Sample, Sample), PictureError> {
    let (width, height) = (frame.width() / 2, frame.height() / 2);
    let (rows, columns) = (height as i32, width as i32);
    Ok(match frame.pixels() {
        Pixels::I420 => {
            let mut planes =
                frame.chroma().chunks_exact(width * height).map(|plane| -> Result<Vec<u8>, PictureError> {
                    let plane = Mat::new_rows_cols_with_data(rows, columns, plane)?;
                    Ok(scaled(&plane, to, how)?.data_bytes()?.to_vec())
                });
            let mut next = || planes.next().expect("a frame has two colour planes");
            let (u, v) = (next()?, next()?);
            (Box::new(move |i| u[i]), Box::new(move |i| v[i]))
        }
        Pixels::Nv12 => {
            let pairs = Mat::new_rows_cols_with_bytes::<Vec2b>(rows, columns, frame.chroma())?;
            let u = scaled(&pairs, to, how)?.data_bytes()?.to_vec();
            let v = u.clone();
            (Box::new(move |i| u[2 * i]), Box::new(move |i| v[2 * i + 1]))
        }
    })
}

fn luma(frame: &Frame) -> Result<opencv::boxed_ref::BoxedRef<'_, Mat>, PictureError> {
    Ok(Mat::new_rows_cols_with_data(frame.height() as i32, frame.width() as i32, frame.luma())?)
}

fn scaled(plane: &impl opencv::core::ToInputArray, to: (usize, usize), how: i32) -> Result<Mat, PictureError> {
    let mut small = Mat::default();
    imgproc::resize(plane, &mut small, Size::new(to.0 as i32, to.1 as i32), 0.0, 0.0, how)?;
    Ok(small)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::ShopTime;
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
            let at =
                |prepared: &Prepared, channel: usize, x: usize, y: usize| prepared.data[(channel * 16 + y) * 16 + x];
            let boxed = prepare(frame, &input(Channels::Bgr, Fit::LetterboxTopLeft)).unwrap();
            assert_eq!((boxed.shape, boxed.extent), ([1, 3, 16, 16], (16.0, 8.0)), "{name}");
            for (x, y, bgr) in [(2, 2, [0.0, 0.0, 255.0]), (13, 5, [255.0, 0.0, 0.0]), (2, 12, [114.0; 3])] {
                for (channel, expected) in bgr.into_iter().enumerate() {
                    let found = at(&boxed, channel, x, y);
                    assert!((found - expected).abs() <= 4.0, "{name} at {x},{y} channel {channel}: {found}");
                }
            }
            let filled = prepare(frame, &input(Channels::Rgb, Fit::Stretch)).unwrap();
            assert_eq!(filled.extent, (16.0, 16.0));
            assert!(at(&filled, 0, 2, 15) > 250.0, "{name}: red reaches the bottom when the picture is stretched");
            let mut scaled = input(Channels::Grey, Fit::Stretch);
            (scaled.mean, scaled.std) = (vec![82.0], vec![2.0]);
            assert!(at(&prepare(frame, &scaled).unwrap(), 0, 2, 2).abs() < 1.0, "{name}: red has luma 82");
        }
    }

    #[test]
    fn cells_are_means() {
        let cells = cells(&two_halves()).unwrap();
        assert_eq!(cells.len(), motion::GRID.0 * motion::GRID.1);
        assert_eq!((cells[0], cells[motion::GRID.0 - 1]), (82, 41));
    }
}
