//! The shop without people, as one camera sees it: what differs from it is where somebody may be, and what does not is a shelf.
//!
//! A picture at half its size, luma and both colours, that follows what the camera sees by one level a look (Manzanera and Richefeu, "A
//! new motion detection algorithm based on Sigma-Delta background estimation", 2007): who walks by changes it by a few levels, a moved
//! pack is part of it after seconds. Where somebody is found it follows a hundred times more slowly, so that who stands before a shelf for
//! minutes does not become the shelf. Where nothing has stirred for long nobody is found: people sway, crates do not. It lives in memory
//! alone.

use super::boxes::Box2;
use super::detection::Detection;
use crate::sensors::camera::{Frame, Pixels};

/// A pixel differs when luma and both colours together do by more than this, levels: noise and a cheap encoder's blocks make 10.
const DIFFERS: u8 = 25;
/// Nobody is in a box of which less than this share differs: of people of whom half is to be seen 1 in 2 000 has less, of a
/// detector's false alarms 4 of 5 (three drawn shops of fifteen people).
const CHANGED: f64 = 0.1;
/// Unless the detector is surer than this: who stands still since the camera began to look is part of the shop, too.
const BEYOND_DOUBT: f64 = 0.6;
/// Who stands still stirs some pixels of their box within so many looks, 20 seconds of ten a second,
const STILL: u32 = 200;
/// a greater share of it than this; a crate that a detector takes for somebody does not.
const STIRS: f64 = 0.01;
/// Looks for one level where somebody is found: 60 levels, a dark coat before a white shelf, in 13 minutes of ten looks a second.
const SLOWER: u32 = 128;

/// What a camera sees when nobody is there.
#[derive(Debug, Default)]
pub struct Background {
    size: (usize, usize),
    /// Y, U, V: a plane after the other.
    levels: Vec<u8>,
    looks: u32,
    /// The picture in which each pixel last differed from itself, a plane after the other, and at which look that was.
    stirred: Vec<u8>,
    stirred_at: Vec<u32>,
}

/// How a picture differs from the shop without people.
#[derive(Debug)]
pub struct Foreground {
    size: (usize, usize),
    /// The picture itself at this size: Y, U, V.
    picture: Vec<u8>,
    /// Levels of luma and both colours together.
    change: Vec<u8>,
}

impl Background {
    /// `None` for the first picture.
    pub fn compare(&mut self, frame: &Frame) -> Option<Foreground> {
        let size = (frame.width() / 2, frame.height() / 2);
        let picture = halved(frame);
        if size != self.size {
            let stirred_at = vec![0; size.0 * size.1];
            *self = Background { size, levels: picture.clone(), looks: 0, stirred: picture, stirred_at };
            return None;
        }
        let change = change(&self.levels, &picture);
        Some(Foreground { size, picture, change })
    }

    /// Leaves out of `found` (in fractions of the picture) what is part of the shop, and learns from the picture.
    pub fn learn(&mut self, foreground: &Foreground, found: &mut Vec<Detection>) {
        let Foreground { size, picture, .. } = foreground;
        debug_assert_eq!(*size, self.size, "of another picture");
        self.looks = self.looks.wrapping_add(1);
        self.stir(picture);
        let is_thing = |bounds: &Box2| foreground.share(bounds) < CHANGED || self.is_still(bounds);
        found.retain(|found| found.bounds.score > BEYOND_DOUBT || !is_thing(&found.bounds));
        let (width, height) = self.size;
        let mut follows = vec![1u8; width * height];
        if !self.looks.is_multiple_of(SLOWER) {
            for found in found.iter().filter(|found| !self.is_still(&found.bounds)) {
                let (columns, rows) = cells(&found.bounds, self.size);
                rows.for_each(|row| follows[row * width..][columns.clone()].fill(0));
            }
        }
        for (levels, picture) in self.levels.chunks_exact_mut(width * height).zip(picture.chunks_exact(width * height))
        {
            for ((level, now), follows) in levels.iter_mut().zip(picture).zip(&follows) {
                *level = *level + (*follows & u8::from(*now > *level)) - (*follows & u8::from(*now < *level));
            }
        }
    }

    /// Notes which pixels have changed.
    fn stir(&mut self, picture: &[u8]) {
        let plane = self.stirred_at.len();
        let change = change(&self.stirred, picture);
        for (i, _) in change.into_iter().enumerate().filter(|(_, change)| *change > DIFFERS) {
            self.stirred_at[i] = self.looks;
            [i, plane + i, 2 * plane + i].into_iter().for_each(|k| self.stirred[k] = picture[k]);
        }
    }

    /// Whether nothing has changed in a box lately, as far as it lies in the picture.
    fn is_still(&self, bounds: &Box2) -> bool {
        share(bounds, self.size, &self.stirred_at, |at| self.looks.wrapping_sub(*at) < STILL) < STIRS
    }
}

impl Foreground {
    /// Width, height, and how many levels each pixel differs, of luma and both colours together, 255 at most.
    pub fn change(&self) -> ((usize, usize), &[u8]) {
        (self.size, &self.change)
    }

    /// The share of a box, as far as it lies in the picture, that differs.
    pub fn share(&self, bounds: &Box2) -> f64 {
        share(bounds, self.size, &self.change, |change| *change > DIFFERS)
    }

    /// Whether a pixel of the whole picture, which must be in it, differs.
    pub fn differs(&self, x: usize, y: usize) -> bool {
        self.change[y / 2 * self.size.0 + x / 2] > DIFFERS
    }
}

/// The share of a box, as far as it lies in a picture of `size`, of which something is true.
fn share<T>(bounds: &Box2, size: (usize, usize), of: &[T], is_so: impl Fn(&T) -> bool) -> f64 {
    let (columns, rows) = cells(bounds, size);
    let all = columns.len() * rows.len();
    let so: usize =
        rows.map(|row| of[row * size.0..][columns.clone()].iter().filter(|pixel| is_so(pixel)).count()).sum();
    if all > 0 { so as f64 / all as f64 } else { 0.0 }
}

/// Columns and rows of a box that lie in a picture of `size`.
fn cells(bounds: &Box2, (width, height): (usize, usize)) -> (std::ops::Range<usize>, std::ops::Range<usize>) {
    let Box2 { x, y, w, h, .. } = bounds.in_picture();
    let within = |from: f64, length: f64, all: usize| {
        let at = |share: f64| (share * all as f64).round() as usize;
        at(from)..at(from + length).max(at(from))
    };
    (within(x, w, width), within(y, h, height))
}

fn change(one: &[u8], other: &[u8]) -> Vec<u8> {
    let plane = one.len() / 3;
    let apart = |i: usize| one[i].abs_diff(other[i]);
    (0..plane).map(|i| apart(i).saturating_add(apart(plane + i)).saturating_add(apart(2 * plane + i))).collect()
}

/// Luma and both colours at half the picture's size, a plane after the other. Every other pixel of luma.
fn halved(frame: &Frame) -> Vec<u8> {
    let (width, chroma) = (frame.width(), frame.chroma());
    let mut picture = Vec::with_capacity(width * frame.height() / 4 * 3);
    for row in frame.luma().chunks_exact(width).step_by(2) {
        picture.extend(row.iter().step_by(2));
    }
    match frame.pixels() {
        Pixels::I420 => picture.extend(chroma),
        Pixels::Nv12 => (0..2).for_each(|which| picture.extend(chroma.iter().skip(which).step_by(2))),
    }
    picture
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::ShopTime;
    use crate::sensors::camera::Plane;

    const SIZE: (usize, usize) = (64, 48);
    /// Where somebody stands, and where a shelf does.
    const THEIRS: Box2 = Box2 { x: 0.25, y: 0.25, w: 0.25, h: 0.75, score: 0.5 };
    const SHELF: Box2 = Box2 { x: 0.6, y: 0.25, w: 0.25, h: 0.75, score: 0.5 };

    /// A grey shop in which some boxes have another colour.
    fn picture(things: &[(Box2, [u8; 3])]) -> Frame {
        let (width, height) = SIZE;
        let mut rgb = vec![120u8; width * height * 3];
        for (place, colour) in things {
            let (columns, rows) = cells(place, SIZE);
            for (y, x) in rows.flat_map(|y| columns.clone().map(move |x| (y, x))) {
                rgb[(y * width + x) * 3..][..3].copy_from_slice(colour);
            }
        }
        Frame::from_rgb(SIZE, &rgb, ShopTime(0)).unwrap()
    }

    fn found(bounds: Box2, score: f64) -> Detection {
        Detection::of(Box2 { score, ..bounds })
    }

    /// What the worker does with each picture.
    fn look(background: &mut Background, picture: &Frame, people: &mut Vec<Detection>) -> Option<Foreground> {
        let foreground = background.compare(picture)?;
        background.learn(&foreground, people);
        Some(foreground)
    }

    /// The share of a box that differs after `looks`, at one of these pictures after the other, in which the detector finds `people`.
    fn share_after(
        looks: usize,
        pictures: &[Frame],
        people: &[Detection],
        background: &mut Background,
        of: &Box2,
    ) -> f64 {
        let mut last = None;
        for picture in pictures.iter().cycle().take(looks) {
            last = look(background, picture, &mut people.to_vec());
        }
        last.expect("not the first picture").share(of)
    }

    #[test]
    fn a_shelf_is_nobody() {
        let shelf = (SHELF, [200, 40, 40]);
        let mut background = Background::default();
        assert!(
            look(&mut background, &picture(&[shelf]), &mut Vec::new()).is_none(),
            "nothing is known before the first picture"
        );
        let somebody = picture(&[shelf, (THEIRS, [30, 60, 160])]);
        for (story, bounds, score, kept) in [
            ("who has come", THEIRS, 0.4, true),
            ("a shelf that looks like somebody", SHELF, 0.4, false),
            ("who is surely somebody, and was there before", SHELF, 0.7, true),
            ("outside the picture", Box2 { x: 1.5, ..SHELF }, 0.4, false),
            ("no number", Box2 { x: f64::NAN, ..SHELF }, 0.4, false),
        ] {
            let mut people = vec![found(bounds, score)];
            let foreground = look(&mut background, &somebody, &mut people).unwrap();
            assert_eq!(!people.is_empty(), kept, "{story}");
            assert!(foreground.share(&THEIRS) > 0.95 && foreground.share(&SHELF) == 0.0, "{story}");
            assert!(foreground.differs(20, 40) && !foreground.differs(45, 40), "{story}");
        }
    }

    #[test]
    fn who_stands_for_minutes_is_not_a_shelf_and_what_was_moved_is() {
        let colour = [60, 60, 60];
        let set_down = [picture(&[(THEIRS, colour)])];
        // Everybody sways.
        let aside = Box2 { x: THEIRS.x + 1.0 / 32.0, ..THEIRS };
        let sways = [aside, THEIRS].map(|at| picture(&[(at, colour)]));
        let empty = [picture(&[])];
        let begin = || {
            let mut background = Background::default();
            look(&mut background, &empty[0], &mut Vec::new());
            background
        };
        let people = [found(THEIRS, 0.5)];
        // Ten looks a second.
        for (story, seconds, pictures, people, share) in [
            ("stands for three minutes", 180, &sways[..], &people[..], 1.0),
            ("a crate set down", 2, &set_down[..], &[][..], 1.0),
            ("a crate set down ten seconds ago", 10, &set_down[..], &[][..], 0.0),
            ("a crate that the detector takes for somebody", 15, &set_down[..], &people[..], 1.0),
            ("and half a minute later", 45, &set_down[..], &people[..], 0.0),
        ] {
            assert_eq!(share_after(10 * seconds, pictures, people, &mut begin(), &THEIRS), share, "{story}");
        }
        let mut background = begin();
        share_after(600, &sways, &people, &mut background, &THEIRS);
        assert_eq!(
            share_after(1, &empty, &[], &mut background, &THEIRS),
            0.0,
            "gone after a minute: nothing is left of them"
        );
    }

    #[test]
    fn light_that_changes_over_a_minute_is_nobody() {
        let mut background = Background::default();
        for level in 60..180u8 {
            let light = picture(&[(Box2 { x: 0.0, y: 0.0, w: 1.0, h: 1.0, score: 0.0 }, [level; 3])]);
            for _ in 0..5 {
                if let Some(foreground) = look(&mut background, &light, &mut Vec::new()) {
                    assert_eq!(foreground.share(&THEIRS), 0.0, "at level {level}");
                }
            }
        }
    }

    #[test]
    fn another_order_of_colours_is_the_same_picture() {
        let planar = picture(&[(THEIRS, [30, 60, 160])]);
        let (width, height) = SIZE;
        let (u, v) = planar.chroma().split_at(width * height / 4);
        let pairs: Vec<u8> = u.iter().zip(v).flat_map(|(u, v)| [*u, *v]).collect();
        let planes = [(planar.luma(), width), (&pairs[..], width)].map(|(data, stride)| Plane { data, stride });
        let paired = Frame::copy(SIZE, Pixels::Nv12, &planes, ShopTime(0)).unwrap();
        assert_eq!(halved(&planar), halved(&paired));
    }

    #[test]
    fn a_camera_that_changes_its_size_begins_anew() {
        let mut background = Background::default();
        look(&mut background, &picture(&[]), &mut Vec::new());
        let other = Frame::from_rgb((32, 32), &[90; 32 * 32 * 3], ShopTime(0)).unwrap();
        let mut people = vec![found(THEIRS, 0.4)];
        assert!(look(&mut background, &other, &mut people).is_none() && people.len() == 1);
    }
}
