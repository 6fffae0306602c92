//! Does a camera still look where it looked? Somebody knocks it, a ceiling tile sags, a banner is hung before it; pixels then
//! mean other places on the floor, and nobody would know.
//!
//! Kept is, of each cell of the motion gate's grid, which way its brightness rises: the edges of furniture, as they were
//! when the camera was opened. No picture, no people: cells that have moved lately say nothing. Directions stay when lamps
//! and sun change, and goods that are taken turn a few of a thousand. A camera that was turned shows the same edges some
//! cells further on; a covered one has none of them. Either has to stay so for half a minute.
//!
//! It finds what moves a picture by two cells (3 % of its width; 2 to 3 degrees for most shop cameras). Less is not seen, nor a
//! turn about the camera's own axis of some degrees, nor what happened while nobody looked: what it compares with is the
//! first half minute after opening, kept in memory alone. A stronger turn may be told as a cover.

use super::motion::GRID;
use crate::base::ShopTime;
use crate::base::time::SECOND_US;

/// Cells are looked at once in so long, us.
const EVERY_US: i64 = SECOND_US;

/// Looks that have to agree in a row, not counting those in which too much moves: half a minute.
const LOOKS: u32 = 30;

/// Grey levels: a cell that differs by more from its running mean has moved (as in `motion`).
const MOVED_LEVELS: f32 = 7.0;
/// Share of the running mean that a look replaces.
const FOLLOW: f32 = 0.2;
/// Looks for which a cell says nothing after it moved.
const RESTLESS: u32 = 5;

/// Grey levels over two cells that make an edge worth remembering; an encoder's blocks make up to 4.
const EDGE_LEVELS: f32 = 14.0;
/// And that are still one when it is looked for in another light.
const SEEN_LEVELS: f32 = 5.0;

/// Fewer edges than this are a bare wall, of which nothing can be said.
const EDGES: usize = 60;

/// Share of cells that must be calm for a look to count.
const CALM: f64 = 0.5;

/// Share of the edges that must lie in both pictures for a shift to be tried.
const SHARED: f64 = 0.3;

/// The furthest shift that is looked for, cells across and down.
const FAR: (i32, i32) = (12, 9);

/// Of all remembered edges, as they agree: 1, all run the same way; 0, as chance has it.
const STAYS: f64 = 0.6;
const FOUND: f64 = 0.55;
const CLEARLY_BETTER: f64 = 0.25;
const GONE: f64 = 0.2;

/// A picture with less of the light it had than this share has lost edges to the dark, not to a cover.
const LIGHT: f32 = 0.5;

/// Where a camera that moved looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moved {
    /// What it shows is this many cells to the right and down of where it was.
    Shifted(i32, i32),
    /// Nearly nothing of what stood still is there.
    Gone,
}

impl std::fmt::Display for Moved {
    /// For a person, of a camera.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Moved::Shifted(across, down) => {
                let share = f64::from(*across).hypot(f64::from(*down)) / GRID.0 as f64;
                write!(f, "it looks elsewhere than when it was opened, by {:.0} % of its picture", 100.0 * share)?;
                f.write_str("; turn it back, or calibrate it again and reload")
            }
            Moved::Gone => f.write_str(
                "nearly nothing of what stood still in its picture is there; is it covered, or was it turned away?",
            ),
        }
    }
}

/// One camera's.
#[derive(Debug, Default)]
pub struct Steady {
    mean: Vec<f32>,
    /// Looks until a cell may speak again.
    restless: Vec<u32>,
    looked: Option<ShopTime>,
    opened: Option<Opened>,
    wrong: u32,
    verdict: Option<Moved>,
}

/// As it was.
#[derive(Debug)]
struct Opened {
    edges: Vec<Edge>,
    light: f32,
}

#[derive(Clone, Copy, Debug)]
struct Edge {
    x: i32,
    y: i32,
    to: (f32, f32),
}

/// How brightness rises over a cell's neighbours.
#[derive(Clone, Copy, Debug)]
struct Rise {
    /// Where to, a direction of length one; of no length where it hardly does.
    to: (f32, f32),
    levels: f32,
}

impl Steady {
    /// Takes cell means of [`GRID`] and says whether the camera has moved since the first calm half minute.
    pub fn look(&mut self, cells: &[u8], now: ShopTime) -> Option<Moved> {
        if cells.len() != GRID.0 * GRID.1 || self.looked.is_some_and(|looked| now.since(looked) < EVERY_US) {
            return self.verdict;
        }
        self.looked = Some(now);
        self.follow(cells);
        let calm = self.restless.iter().filter(|left| **left == 0).count();
        if (calm as f64) < CALM * cells.len() as f64 {
            return self.verdict;
        }
        let light = self.mean.iter().sum::<f32>() / self.mean.len() as f32;
        let Some(opened) = &self.opened else {
            self.wrong += 1;
            if self.wrong >= LOOKS {
                let edges = self.edges();
                // A bare wall or a dark shop: later, perhaps.
                self.opened = (edges.len() >= EDGES).then_some(Opened { edges, light });
                self.wrong = 0;
            }
            return None;
        };
        match self.judge(opened, light) {
            None => {}
            Some(None) => (self.wrong, self.verdict) = (0, None),
            Some(moved) => {
                self.wrong += 1;
                if self.wrong >= LOOKS {
                    self.verdict = moved;
                }
            }
        }
        self.verdict
    }

    fn follow(&mut self, cells: &[u8]) {
        if self.mean.is_empty() {
            self.mean = cells.iter().map(|&cell| f32::from(cell)).collect();
            self.restless = vec![RESTLESS; cells.len()];
        }
        for ((mean, left), &cell) in self.mean.iter_mut().zip(&mut self.restless).zip(cells) {
            let difference = f32::from(cell) - *mean;
            if difference.abs() > MOVED_LEVELS {
                (*mean, *left) = (f32::from(cell), RESTLESS);
            } else {
                *mean += difference * FOLLOW;
                *left = left.saturating_sub(1);
            }
        }
    }

    /// Outer `None`: nothing can be said.
    fn judge(&self, opened: &Opened, light: f32) -> Option<Option<Moved>> {
        let now = self.rises();
        let stays = agree(&opened.edges, &now, (0, 0))?;
        if stays >= STAYS {
            return Some(None);
        }
        let shifts = (-FAR.0..=FAR.0).flat_map(|dx| (-FAR.1..=FAR.1).map(move |dy| (dx, dy)));
        let found = shifts.filter_map(|shift| Some((agree(&opened.edges, &now, shift)?, shift)));
        let (best, (dx, dy)) = found.max_by(|a, b| a.0.total_cmp(&b.0))?;
        if best >= FOUND && best - stays >= CLEARLY_BETTER && dx * dx + dy * dy >= 4 {
            return Some(Some(Moved::Shifted(dx, dy)));
        }
        if stays < GONE && best < FOUND {
            return (light >= LIGHT * opened.light).then_some(Some(Moved::Gone));
        }
        Some(None)
    }

    fn edges(&self) -> Vec<Edge> {
        let cells = self.rises().into_iter().enumerate();
        let edge = |(at, rise): (usize, Option<Rise>)| {
            let Rise { to, levels } = rise?;
            let (x, y) = ((at % GRID.0) as i32, (at / GRID.0) as i32);
            (levels >= EDGE_LEVELS).then_some(Edge { x, y, to })
        };
        cells.filter_map(edge).collect()
    }

    /// Of each cell; `None` at the border and where something moves.
    fn rises(&self) -> Vec<Option<Rise>> {
        let mut rises = vec![None; GRID.0 * GRID.1];
        for y in 1..GRID.1 - 1 {
            for x in 1..GRID.0 - 1 {
                let at = y * GRID.0 + x;
                let around = [at + 1, at - 1, at + GRID.0, at - GRID.0];
                if around.iter().any(|&cell| self.restless[cell] > 0) {
                    continue;
                }
                let [right, left, below, above] = around.map(|cell| self.mean[cell]);
                let (gx, gy) = (right - left, below - above);
                let levels = gx.hypot(gy);
                let to = if levels >= SEEN_LEVELS { (gx / levels, gy / levels) } else { (0.0, 0.0) };
                rises[at] = Some(Rise { to, levels });
            }
        }
        rises
    }
}

/// How well edges agree with what is `shift` cells further: the mean cosine between their directions. `None`: too few
/// of them would lie in the picture.
fn agree(edges: &[Edge], now: &[Option<Rise>], (dx, dy): (i32, i32)) -> Option<f64> {
    let (width, height) = (GRID.0 as i32, GRID.1 as i32);
    let (mut seen, mut sum) = (0u32, 0.0f32);
    for edge in edges {
        let (x, y) = (edge.x + dx, edge.y + dy);
        if x < 0 || x >= width || y < 0 || y >= height {
            continue;
        }
        if let Some(rise) = now[(y * width + x) as usize] {
            seen += 1;
            sum += rise.to.0 * edge.to.0 + rise.to.1 * edge.to.1;
        }
    }
    (f64::from(seen) >= SHARED * edges.len() as f64 && seen > 0).then(|| f64::from(sum) / f64::from(seen))
}
