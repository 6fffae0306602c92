//! Keeps one number on one person while one camera sees them.
//!
//! Only local: it may break or swap, and nobody believes more of it than "probably the same as a moment ago". Who is who
//! across cameras, and what to do when bodies merge, is `tracking`'s question on the floor plan.

use super::boxes::Box2;
use crate::base::ShopTime;

/// Overlap from which two boxes of successive looks are surely one person.
const SURE_IOU: f64 = 0.3;

/// Without overlap, a box may have moved by this many of its own sizes: at 10 looks/s and 1.5 m/s a body half a metre
/// wide moves 0.3 sizes a look, so this bridges two lost looks.
const REACH_SIZES: f64 = 1.0;

/// A track unseen for this long is over. Longer than a blink of the detector, shorter than somebody else's arrival.
const FORGET_MS: i64 = 1_000;

#[derive(Debug, Default)]
pub struct Tracks {
    open: Vec<Track>,
    last: u64,
}

#[derive(Debug)]
struct Track {
    id: u64,
    at: Box2,
    seen: ShopTime,
}

impl Tracks {
    /// The track of each box, in the boxes' order. `boxes` are in fractions of the picture.
    pub fn follow(&mut self, boxes: &[Box2], now: ShopTime) -> Vec<u64> {
        self.open.retain(|track| now.since(track.seen) <= FORGET_MS * 1_000);

        // Every pair that could be one person, best first: overlapping ones by overlap, then near ones by nearness.
        let mut pairs = Vec::new();
        for (t, track) in self.open.iter().enumerate() {
            for (b, found) in boxes.iter().enumerate() {
                let fit = fit(&track.at, found);
                if fit > 0.0 {
                    pairs.push((fit, t, b));
                }
            }
        }
        pairs.sort_by(|a, b| b.0.total_cmp(&a.0).then((a.1, a.2).cmp(&(b.1, b.2))));

        let mut ids = vec![0; boxes.len()];
        let mut taken = vec![false; self.open.len()];
        for (_, t, b) in pairs {
            if !taken[t] && ids[b] == 0 {
                taken[t] = true;
                self.open[t] = Track { id: self.open[t].id, at: boxes[b], seen: now };
                ids[b] = self.open[t].id;
            }
        }
        for (id, found) in ids.iter_mut().zip(boxes) {
            if *id == 0 {
                self.last += 1;
                *id = self.last;
                self.open.push(Track { id: *id, at: *found, seen: now });
            }
        }
        ids
    }
}

/// 1..=2 for overlap, 0..1 for nearness, 0 for "cannot be".
fn fit(before: &Box2, now: &Box2) -> f64 {
    let iou = before.iou(now);
    if iou >= SURE_IOU {
        return 1.0 + iou;
    }
    let ((ax, ay), (bx, by)) = (before.middle(), now.middle());
    // Each axis in the boxes' own size there, so that the picture's proportions do not matter.
    let across = (ax - bx) / ((before.w + now.w) / 2.0).max(1e-9);
    let down = (ay - by) / ((before.h + now.h) / 2.0).max(1e-9);
    let sizes = (across * across + down * down).sqrt();
    (1.0 - sizes / REACH_SIZES).max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(x: f64, y: f64) -> Box2 {
        Box2 { x, y, w: 0.1, h: 0.1, score: 0.9 }
    }

    #[test]
    fn a_person_keeps_their_number() {
        let mut tracks = Tracks::default();
        let mut now = ShopTime(0);
        let mut look = |boxes: &[Box2], after_ms: i64| {
            now = now.plus_ms(after_ms);
            tracks.follow(boxes, now)
        };
        for (story, boxes, after_ms, ids) in [
            ("two come in", vec![body(0.1, 0.1), body(0.5, 0.5)], 0, vec![1, 2]),
            ("they walk, named in another order", vec![body(0.5, 0.53), body(0.13, 0.1)], 100, vec![2, 1]),
            ("one is missed once", vec![body(0.16, 0.1)], 100, vec![1]),
            ("and found again", vec![body(0.19, 0.1), body(0.5, 0.58)], 100, vec![1, 2]),
            ("a third appears", vec![body(0.22, 0.1), body(0.5, 0.6), body(0.9, 0.9)], 100, vec![1, 2, 3]),
            ("all are gone for two seconds", vec![], 2_000, vec![]),
            ("somebody stands where one was", vec![body(0.22, 0.1)], 100, vec![4]),
        ] {
            assert_eq!(look(&boxes, after_ms), ids, "{story}");
        }
    }
}
