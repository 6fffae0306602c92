//! The motion gate: is there anything in this picture worth the detector's 50 ms?
//!
//! Luma only, on a grid of cell means: a cell has moved when it differs from its own running mean by more than the
//! noise of a cheap sensor. Slow light changes drift into the mean; somebody who stands still does too, and is
//! remembered by the worker instead.

/// Cells across and down. 64 x 48 cells of 10 x 10 pixels at 640 x 480: a hand is two or three cells.
pub const GRID: (usize, usize) = (64, 48);

/// Mean grey level of each cell of [`GRID`], row by row; `luma` is `width * height` bytes. Cells of a picture whose size the grid does not
/// divide differ by a pixel. Plain sums: ten times as fast as a scaler that weighs the pixels at the edges.
pub fn cells(luma: &[u8], (width, height): (usize, usize)) -> Vec<u8> {
    let (across, down) = GRID;
    if width < across || height < down || luma.len() < width * height {
        return vec![0; across * down];
    }
    let ends: Vec<usize> = (0..=across).map(|column| column * width / across).collect();
    let mut cells = Vec::with_capacity(across * down);
    for row in 0..down {
        let (top, bottom) = (row * height / down, (row + 1) * height / down);
        let mut sums = vec![0u32; across];
        for line in luma[top * width..bottom * width].chunks_exact(width) {
            for (sum, ends) in sums.iter_mut().zip(ends.windows(2)) {
                *sum += line[ends[0]..ends[1]].iter().map(|&level| u32::from(level)).sum::<u32>();
            }
        }
        let size = |column: usize| ((ends[column + 1] - ends[column]) * (bottom - top)) as u32;
        cells.extend(sums.iter().enumerate().map(|(column, sum)| ((sum + size(column) / 2) / size(column)) as u8));
    }
    cells
}

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
    fn cells_are_means_whatever_the_size() {
        for (width, height) in [(640, 360), (480, 360), (101, 77), (64, 48)] {
            // Brighter to the right.
            let luma: Vec<u8> = (0..width * height).map(|i| (i % width * 200 / width) as u8).collect();
            let cells = cells(&luma, (width, height));
            assert_eq!(cells.len(), GRID.0 * GRID.1);
            for (i, cell) in cells.iter().enumerate() {
                let middle = ((i % GRID.0) as f64 + 0.5) * 200.0 / GRID.0 as f64;
                // A cell's edges are off by a pixel at most.
                let step = 200.0 / width as f64 + 1.5;
                assert!((f64::from(*cell) - middle).abs() < step, "{width}x{height}, cell {i}: {cell} for {middle:.1}");
            }
        }
        assert_eq!(cells(&[9; 10], (5, 2)), [0; GRID.0 * GRID.1], "smaller than the grid: nothing moves");
    }

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
