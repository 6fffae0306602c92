//! The motion gate: is there anything in this picture worth the detector's 50 ms?
//!
//! Luma only, on a grid of cell means: a cell has moved when it differs from its own running mean by more than the
//! noise of a cheap sensor. Slow light changes drift into the mean; somebody who stands still does too, and is
//! remembered by the worker instead.

/// Cells across and down. 64 x 48 cells of 10 x 10 pixels at 640 x 480: a hand is two or three cells.
pub const GRID: (usize, usize) = (64, 48);

/// Grey levels. Noise of a sensor averages out to under one level in a cell, but a cheap encoder's blocks jump by up to
/// 4 (x264 ultrafast at 2 Mbit/s); a body on a floor makes 20 or more.
const MOVED_LEVELS: f32 = 7.0;

/// Share of the running mean that a new picture replaces: light that changes over seconds is followed.
const FOLLOW: f32 = 0.1;

/// Fewer moved cells than this are a flickering lamp or a fly.
const CELLS: usize = 2;

#[derive(Debug, Default)]
pub struct MotionGate {
    mean: Vec<f32>,
}

impl MotionGate {
    /// Takes a picture of [`GRID`] cell means; true when it moved against what was there before. The first picture
    /// counts as movement: nothing is known about it yet.
    pub fn moved(&mut self, cells: &[u8]) -> bool {
        if self.mean.len() != cells.len() {
            self.mean = cells.iter().map(|&cell| f32::from(cell)).collect();
            return true;
        }
        let mut moved = 0;
        for (mean, &cell) in self.mean.iter_mut().zip(cells) {
            let difference = f32::from(cell) - *mean;
            if difference.abs() > MOVED_LEVELS {
                moved += 1;
            }
            *mean += difference * FOLLOW;
        }
        moved >= CELLS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn movement_is_seen_and_noise_is_not() {
        let still = vec![100u8; GRID.0 * GRID.1];
        let noisy: Vec<u8> = (0..still.len()).map(|i| 99 + (i * 7 % 3) as u8).collect();
        let mut body = still.clone();
        body[200..205].fill(160);
        let mut fly = still.clone();
        fly[17] = 10;
        let brighter = |levels: u8| vec![100 + levels; GRID.0 * GRID.1];
        for (name, before, after, moved) in [
            ("nothing", &still, &still, false),
            ("noise", &still, &noisy, false),
            ("a body", &still, &body, true),
            ("a body leaves", &body, &still, true),
            ("a fly", &still, &fly, false),
            ("a lamp is switched on", &still, &brighter(30), true),
            ("the sun comes out", &still, &brighter(2), false),
        ] {
            let mut gate = MotionGate::default();
            assert!(gate.moved(before), "the first picture is always looked at");
            assert_eq!(gate.moved(after), moved, "{name}");
        }
    }

    #[test]
    fn slow_light_never_counts_as_movement() {
        let mut gate = MotionGate::default();
        gate.moved(&[60u8; GRID.0 * GRID.1]);
        for step in 0..600u32 {
            // 60 to 180 within a minute at 10 frames/s: dawn through a window is slower.
            let level = 60 + (step / 5) as u8;
            assert!(!gate.moved(&vec![level; GRID.0 * GRID.1]), "at level {level}");
        }
    }
}
