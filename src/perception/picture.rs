//! From a frame to numbers: the motion gate's cells and the detector's tensor. The only file that names `opencv`.
//!
//! Colours are made of the whole picture and scaled afterwards, in the steps and the order of the models' own tools: a
//! detector's boxes are only as good as its input is like what it was trained on. It is paid for a look (which costs 20
//! times as much), never for a frame that is not looked at. Planes are borrowed from the frame, not copied.

use super::manifest::{Channels, Fit, Input};
use super::motion;
use crate::sensors::camera::{Frame, Pixels};
use opencv::core::{Mat, Size};
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
    let small = match input.channels {
        Channels::Grey => scaled(&luma(frame)?, filled, how)?,
        order => scaled(&coloured(frame, order)?, filled, how)?,
    };
    let rows = small.data_bytes()?.chunks_exact(filled.0 * channels);
    for (row, line) in rows.enumerate() {
        for (column, pixel) in line.chunks_exact(channels).enumerate() {
            for (channel, &value) in pixel.iter().enumerate() {
                data[channel * area + row * width + column] = level(input, channel, f32::from(value));
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
