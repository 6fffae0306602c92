//! One picture in the camera's own colours: a grey plane and two small colour planes. Never written anywhere: `Frame`
//! cannot be serialised, and only this room and `perception` may name it.

use crate::base::ShopTime;

/// How the colour samples lie, one pair for every 2 x 2 pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pixels {
    /// A plane of U, then a plane of V.
    I420,
    /// One plane of U, V pairs.
    Nv12,
}

/// Rows lie without gaps (stride = width; what the decoder pads is left behind when the frame is copied out of its
/// buffer), width and height are even: an odd last row or column is cut off.
#[derive(Clone)]
pub struct Frame {
    width: usize,
    height: usize,
    pixels: Pixels,
    data: Vec<u8>,
    /// When it reached us.
    pub arrival: ShopTime,
    /// When it was taken, if its camera says so and has been believed (`sender`).
    pub captured: Option<ShopTime>,
}

impl std::fmt::Debug for Frame {
    /// The log never shows a picture.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Frame({}x{} {:?})", self.width, self.height, self.pixels)
    }
}

/// A plane as a decoder hands it out: rows of `stride` bytes.
#[derive(Clone, Copy)]
pub struct Plane<'a> {
    pub data: &'a [u8],
    pub stride: usize,
}

impl Frame {
    /// Copies the visible part out of a decoder's planes (three for I420, two for NV12). `None` if they are too small
    /// for a picture of that size.
    ///
    /// Holding the decoder's buffer instead would save 3 % of what decoding costs (0.016 ms of 0.5 ms for 768 x 576 in
    /// H.264, one thread) and would take a buffer out of the decoder's pool for as long as somebody looks at it.
    pub fn copy(
        (width, height): (usize, usize),
        pixels: Pixels,
        planes: &[Plane<'_>],
        arrival: ShopTime,
    ) -> Option<Frame> {
        let (width, height) = (width & !1, height & !1);
        let parts: &[(usize, usize)] = match pixels {
            Pixels::I420 => &[(width, height), (width / 2, height / 2), (width / 2, height / 2)],
            Pixels::Nv12 => &[(width, height), (width, height / 2)],
        };
        if width == 0 || height == 0 || planes.len() != parts.len() {
            return None;
        }
        let mut data = Vec::with_capacity(width * height * 3 / 2);
        for (plane, &(across, rows)) in planes.iter().zip(parts) {
            for row in 0..rows {
                let start = row * plane.stride;
                data.extend_from_slice(plane.data.get(start..start + across)?);
            }
        }
        Some(Frame { width, height, pixels, data, arrival, captured: None })
    }

    /// From packed 8-bit RGB, as MJPEG cameras decode to (BT.601, the range 16..=235 that cameras send).
    pub fn from_rgb((width, height): (usize, usize), rgb: &[u8], arrival: ShopTime) -> Option<Frame> {
        let (even_width, even_height) = (width & !1, height & !1);
        if even_width == 0 || even_height == 0 || rgb.len() < width * height * 3 {
            return None;
        }
        let at = |x: usize, y: usize| {
            let i = (y * width + x) * 3;
            [rgb[i], rgb[i + 1], rgb[i + 2]].map(i32::from)
        };
        let mut data = Vec::with_capacity(even_width * even_height * 3 / 2);
        for y in 0..even_height {
            for x in 0..even_width {
                let [r, g, b] = at(x, y);
                data.push((((66 * r + 129 * g + 25 * b + 128) >> 8) + 16) as u8);
            }
        }
        for [red, green, blue] in [[-38, -74, 112], [112, -94, -18]] {
            for y in (0..even_height).step_by(2) {
                for x in (0..even_width).step_by(2) {
                    let mut sum = 0;
                    for (dx, dy) in [(0, 0), (1, 0), (0, 1), (1, 1)] {
                        let [r, g, b] = at(x + dx, y + dy);
                        sum += red * r + green * g + blue * b;
                    }
                    data.push((((sum + 512) >> 10) + 128) as u8);
                }
            }
        }
        Some(Frame { width: even_width, height: even_height, pixels: Pixels::I420, data, arrival, captured: None })
    }

    /// When it was taken, as well as is known.
    pub fn taken(&self) -> ShopTime {
        self.captured.unwrap_or(self.arrival)
    }

    pub fn width(&self) -> usize {
        self.width
    }

    pub fn height(&self) -> usize {
        self.height
    }

    pub fn pixels(&self) -> Pixels {
        self.pixels
    }

    /// The grey picture, free of charge: `width * height` bytes.
    pub fn luma(&self) -> &[u8] {
        &self.data[..self.width * self.height]
    }

    /// The colour planes: U then V (I420), or U, V pairs (NV12); `width * height / 2` bytes.
    pub fn chroma(&self) -> &[u8] {
        &self.data[self.width * self.height..]
    }

    /// All planes, one below the other.
    pub fn planes(&self) -> &[u8] {
        &self.data
    }

    /// Nearly every pixel (99.5 %) is nearly black: a cover, a dead sensor, a shop without any light. A cheap sensor's
    /// noise in the dark stays below 40 of 16..=235.
    pub fn is_dark(&self) -> bool {
        let samples = self.luma().iter().step_by(13);
        let (seen, bright) = samples.fold((0, 0), |(n, bright), &level| (n + 1, bright + usize::from(level >= 40)));
        bright * 200 <= seen
    }

    /// A fingerprint of the grey picture: equal for equal pictures, and different for any two of a living sensor.
    /// Every 13th pixel is enough: noise is everywhere.
    pub fn fingerprint(&self) -> u64 {
        // FNV-1a.
        self.luma()
            .iter()
            .step_by(13)
            .fold(0xcbf2_9ce4_8422_2325, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_padded_picture_is_copied_without_its_padding() {
        let y: Vec<u8> = (0..8 * 5).map(|i| if i % 8 < 5 { 10 + i as u8 } else { 255 }).collect();
        let uv = [1, 2, 3, 4, 255, 255, 255, 255].repeat(3);
        let planes = [Plane { data: &y, stride: 8 }, Plane { data: &uv, stride: 8 }];
        let frame = Frame::copy((5, 5), Pixels::Nv12, &planes, ShopTime(7)).unwrap();
        assert_eq!((frame.width(), frame.height()), (4, 4), "odd edges are cut");
        assert_eq!(frame.luma()[..5], [10, 11, 12, 13, 18]);
        assert_eq!(frame.chroma(), [1, 2, 3, 4, 1, 2, 3, 4]);
        let short = [Plane { data: &y[..20], stride: 8 }, Plane { data: &uv, stride: 8 }];
        assert!(Frame::copy((5, 5), Pixels::Nv12, &short, ShopTime(7)).is_none(), "a short plane is refused");
        assert!(Frame::copy((5, 5), Pixels::I420, &planes, ShopTime(7)).is_none(), "a missing plane is refused");
        assert_eq!(format!("{frame:?}"), "Frame(4x4 Nv12)");
    }

    #[test]
    fn colours_survive_as_bt601() {
        for (name, rgb, yuv) in [
            ("black", [0, 0, 0], [16, 128, 128]),
            ("white", [255, 255, 255], [235, 128, 128]),
            ("red", [255, 0, 0], [82, 90, 240]),
            ("blue", [0, 0, 255], [41, 240, 110]),
        ] {
            let frame = Frame::from_rgb((2, 2), &rgb.repeat(4), ShopTime(0)).unwrap();
            let found = [frame.luma()[0], frame.chroma()[0], frame.chroma()[1]];
            assert_eq!(found, yuv, "{name}");
        }
    }

    #[test]
    fn dark_is_nearly_every_pixel_nearly_black() {
        let picture = |levels: &[(usize, u8)]| {
            let rgb: Vec<u8> = levels.iter().flat_map(|&(pixels, grey)| vec![grey; pixels * 3]).collect();
            Frame::from_rgb((100, 100), &rgb, ShopTime(0)).unwrap()
        };
        for (story, levels, dark) in [
            ("a cover", vec![(10_000, 0)], true),
            ("noise in the dark", vec![(5_000, 10), (5_000, 22)], true),
            ("a lamp of an exit sign", vec![(9_980, 0), (20, 255)], true),
            ("a strip of light below the door", vec![(9_800, 0), (200, 255)], false),
            ("a shop at dusk", vec![(10_000, 40)], false),
        ] {
            assert_eq!(picture(&levels).is_dark(), dark, "{story}");
        }
    }

    #[test]
    fn a_fingerprint_tells_a_living_picture_from_a_frozen_one() {
        let frame = |levels: u8| Frame::from_rgb((8, 8), &[levels; 192], ShopTime(0)).unwrap();
        assert_eq!(frame(10).fingerprint(), frame(10).fingerprint());
        assert_ne!(frame(10).fingerprint(), frame(20).fingerprint());
    }
}
