//! Drawing on a copy of a frame, for somebody who looks on: boxes and trails on, faces off.
//!
//! A face becomes one flat tone, in brightness and colour: a blur that leaves nothing to sharpen again. It can only be taken
//! off whom the detector has found; whoever it misses is seen as the camera sees them.

use crate::sensors::camera::{Frame, Pixels};

/// Luma, U, V.
pub type Colour = [u8; 3];

/// Left, top, width, height, pixels.
pub type Rect = [f64; 4];

/// The head is in the upper part of somebody who is seen from the side, with some room for hair, hats and a box that is off.
const HEAD_SHARE: f64 = 0.35;
const ROOM: f64 = 0.15;

/// A box less than this many times as high as wide is of somebody seen from above, or sitting: the head may be anywhere.
const UPRIGHT: f64 = 1.5;

/// Thickness of a box's edge and of a trail, pixels.
const LINE: usize = 2;

#[derive(Clone)]
pub struct Canvas {
    width: usize,
    height: usize,
    pixels: Pixels,
    planes: Vec<u8>,
}

impl Canvas {
    pub fn of(frame: &Frame) -> Canvas {
        let planes = frame.planes().to_vec();
        Canvas { width: frame.width(), height: frame.height(), pixels: frame.pixels(), planes }
    }

    pub fn size(&self) -> (usize, usize) {
        (self.width, self.height)
    }

    pub fn pixels(&self) -> Pixels {
        self.pixels
    }

    /// One below the other, rows without gaps.
    pub fn planes(&self) -> &[u8] {
        &self.planes
    }

    /// Takes the face off whoever is in `body`.
    pub fn blur_face(&mut self, body: Rect) {
        self.flatten(head_of(body));
    }

    /// The mean of what is inside, everywhere inside.
    fn flatten(&mut self, area: Rect) {
        let Some((left, top, right, bottom)) = self.clip(area) else { return };
        // Whole pairs: a colour sample is of 2 x 2 pixels.
        let (left, top) = (left & !1, top & !1);
        let (right, bottom) = ((right + 1) & !1, (bottom + 1) & !1);
        let mean = |values: &mut dyn Iterator<Item = u8>| {
            let (sum, n) = values.fold((0u64, 0u64), |(sum, n), value| (sum + u64::from(value), n + 1));
            (sum / n.max(1)) as u8
        };
        let luma: Vec<usize> =
            (top..bottom).flat_map(|y| (left..right).map(move |x| (x, y))).map(|(x, y)| y * self.width + x).collect();
        let level = mean(&mut luma.iter().map(|at| self.planes[*at]));
        luma.iter().for_each(|at| self.planes[*at] = level);
        for part in 0..2 {
            let chroma: Vec<usize> = (top / 2..bottom / 2)
                .flat_map(|y| (left / 2..right / 2).map(move |x| (x, y)))
                .map(|(x, y)| self.chroma_at(x, y)[part])
                .collect();
            let level = mean(&mut chroma.iter().map(|at| self.planes[*at]));
            chroma.iter().for_each(|at| self.planes[*at] = level);
        }
    }

    /// The edge of a box.
    pub fn outline(&mut self, area: Rect, colour: Colour) {
        let Some((left, top, right, bottom)) = self.clip(area) else { return };
        for y in top..bottom {
            let on_edge_row = y < top + LINE || y + LINE >= bottom;
            for x in left..right {
                if on_edge_row || x < left + LINE || x + LINE >= right {
                    self.set(x, y, colour);
                }
            }
        }
    }

    /// A line through these points, pixels.
    pub fn trail(&mut self, points: &[(f64, f64)], colour: Colour) {
        for pair in points.windows(2) {
            let [(x0, y0), (x1, y1)] = [pair[0], pair[1]];
            // A point that is far outside says nothing, and would be walked to.
            let steps = (x1 - x0).abs().max((y1 - y0).abs()).ceil();
            if !steps.is_finite() || steps > (self.width + self.height) as f64 {
                continue;
            }
            for step in 0..=steps as usize {
                let share = if steps > 0.0 { step as f64 / steps } else { 0.0 };
                let (x, y) = (x0 + (x1 - x0) * share, y0 + (y1 - y0) * share);
                if x >= 0.0 && y >= 0.0 {
                    for (dx, dy) in [(0, 0), (1, 0), (0, 1), (1, 1)] {
                        self.set(x as usize + dx, y as usize + dy, colour);
                    }
                }
            }
        }
    }

    fn set(&mut self, x: usize, y: usize, [level, u, v]: Colour) {
        if x >= self.width || y >= self.height {
            return;
        }
        self.planes[y * self.width + x] = level;
        let [u_at, v_at] = self.chroma_at(x / 2, y / 2);
        (self.planes[u_at], self.planes[v_at]) = (u, v);
    }

    /// Where U and V of a pair of pixels lie.
    fn chroma_at(&self, x: usize, y: usize) -> [usize; 2] {
        let area = self.width * self.height;
        match self.pixels {
            Pixels::I420 => {
                let at = area + y * (self.width / 2) + x;
                [at, at + area / 4]
            }
            Pixels::Nv12 => {
                let at = area + y * self.width + 2 * x;
                [at, at + 1]
            }
        }
    }

    /// The part of it inside the picture: left, top, right, bottom, the last two beyond it. `None`: there is none.
    fn clip(&self, [x, y, w, h]: Rect) -> Option<(usize, usize, usize, usize)> {
        if ![x, y, w, h].iter().all(|value| value.is_finite()) {
            return None;
        }
        // Saturating casts: what is left of or above the picture begins at 0.
        let (left, top) = (x.floor() as usize, y.floor() as usize);
        let (right, bottom) = (((x + w).ceil() as usize).min(self.width), ((y + h).ceil() as usize).min(self.height));
        (left < right && top < bottom).then_some((left, top, right, bottom))
    }
}

/// Where the face may be.
fn head_of([x, y, w, h]: Rect) -> Rect {
    let high = if h < UPRIGHT * w { h } else { h * HEAD_SHARE };
    let (more_x, more_y) = (w * ROOM, high * ROOM);
    [x - more_x, y - more_y, w + 2.0 * more_x, high + 2.0 * more_y]
}

/// One of eight for each track, bright and far from the greys of a shop.
pub fn colour_of(track: u64) -> Colour {
    const COLOURS: [Colour; 8] = [
        [210, 16, 146],  // yellow
        [145, 54, 34],   // green
        [170, 166, 16],  // cyan
        [81, 90, 240],   // red
        [106, 202, 222], // magenta
        [170, 60, 190],  // orange
        [120, 220, 100], // blue
        [200, 90, 160],  // pink
    ];
    COLOURS[(track % COLOURS.len() as u64) as usize]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::ShopTime;
    use crate::sensors::camera::Plane;

    /// A checkerboard in brightness and colour: edges everywhere.
    fn checkers(width: usize, height: usize, pixels: Pixels) -> Frame {
        let board = |w: usize, h: usize, low: u8, high: u8| -> Vec<u8> {
            (0..w * h).map(|i| if (i % w + i / w).is_multiple_of(2) { low } else { high }).collect()
        };
        let (y, c) = (board(width, height, 30, 220), board(width, height / 2, 90, 160));
        let plane = |data, stride| Plane { data, stride };
        let planes = match pixels {
            Pixels::Nv12 => vec![plane(&y[..], width), plane(&c[..], width)],
            Pixels::I420 => {
                vec![plane(&y[..], width), plane(&c[..], width / 2), plane(&c[width * height / 4..], width / 2)]
            }
        };
        Frame::copy((width, height), pixels, &planes, ShopTime(0)).unwrap()
    }

    /// The sum of squared steps from pixel to pixel and from colour to colour inside [left, right) x [top, bottom).
    fn edges(canvas: &Canvas, (left, top, right, bottom): (usize, usize, usize, usize)) -> f64 {
        let mut energy = 0.0;
        let mut add =
            |a: usize, b: usize| energy += (f64::from(canvas.planes[a]) - f64::from(canvas.planes[b])).powi(2);
        for y in top..bottom - 1 {
            for x in left..right - 1 {
                let at = y * canvas.width + x;
                add(at, at + 1);
                add(at, at + canvas.width);
                let here = canvas.chroma_at(x / 2, y / 2);
                for (next, now) in canvas.chroma_at(x.div_ceil(2), y.div_ceil(2)).into_iter().zip(here) {
                    add(now, next);
                }
            }
        }
        energy
    }

    #[test]
    fn a_face_has_no_edge_left_and_the_rest_is_untouched() {
        for pixels in [Pixels::I420, Pixels::Nv12] {
            for (story, body, head, outside) in [
                ("upright", [20.0, 20.0, 20.0, 60.0], (20, 20, 40, 41), (20, 46, 40, 80)),
                ("seen from above", [20.0, 20.0, 30.0, 30.0], (20, 20, 50, 50), (60, 60, 90, 90)),
                ("half out of the picture", [-10.0, -10.0, 20.0, 60.0], (0, 0, 10, 11), (20, 40, 60, 90)),
                ("odd numbers", [21.3, 20.7, 21.1, 61.9], (22, 21, 42, 42), (22, 48, 42, 80)),
            ] {
                let frame = checkers(100, 100, pixels);
                let before = Canvas::of(&frame);
                let mut canvas = before.clone();
                canvas.blur_face(body);
                assert!(edges(&before, head) > 1e6, "{story}: the test has edges");
                assert_eq!(edges(&canvas, head), 0.0, "{story}, {pixels:?}");
                assert_eq!(edges(&canvas, outside), edges(&before, outside), "{story}, {pixels:?}");
            }
        }
    }

    #[test]
    fn boxes_and_trails_are_at_their_places() {
        let colour = colour_of(3);
        let grey = Frame::from_rgb((64, 48), &[90; 64 * 48 * 3], ShopTime(0)).unwrap();
        let mut canvas = Canvas::of(&grey);
        canvas.outline([10.0, 8.0, 20.0, 30.0], colour);
        canvas.trail(&[(40.0, 10.0), (60.0, 30.0)], colour_of(1));
        let level = |x: usize, y: usize| canvas.planes[y * 64 + x];
        for (story, x, y, drawn) in [
            ("left top corner", 10, 8, true),
            ("right bottom corner", 29, 37, true),
            ("two pixels thick", 11, 20, true),
            ("and no more", 12, 20, false),
            ("beside it", 30, 20, false),
            ("inside", 20, 20, false),
        ] {
            assert_eq!(level(x, y) == colour[0], drawn, "{story}");
            let [u, v] = canvas.chroma_at(x / 2, y / 2);
            assert_eq!([canvas.planes[u], canvas.planes[v]] == colour[1..], drawn, "{story}: its colour");
        }
        assert_eq!((level(40, 10), level(50, 20), level(60, 30)), (145, 145, 145), "the trail");
        assert_ne!(level(50, 10), 145, "beside the trail");
    }

    #[test]
    fn what_is_out_of_the_picture_is_left_out() {
        let grey = Frame::from_rgb((64, 48), &[90; 64 * 48 * 3], ShopTime(0)).unwrap();
        let before = Canvas::of(&grey);
        let mut canvas = before.clone();
        for area in [
            [100.0, 100.0, 10.0, 10.0],
            [-50.0, 0.0, 10.0, 10.0],
            [f64::NAN, 0.0, 10.0, 10.0],
            [0.0, 0.0, f64::INFINITY, 1.0],
            [10.0, 10.0, -5.0, 5.0],
        ] {
            canvas.outline(area, colour_of(0));
            canvas.flatten(area);
        }
        canvas.trail(&[(-1e9, 3.0), (1e9, 3.0), (f64::NAN, 0.0)], colour_of(0));
        assert!(canvas.planes == before.planes);
    }
}
