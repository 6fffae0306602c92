//! One camera for somebody who looks on: every picture is looked at by the detector, drawn on, and given away as a JPEG
//! without faces. What `carryout watch` shows; the daemon never does this.

use super::background::Background;
use super::detector::Detector;
use super::overlay::{Canvas, Rect, colour_of};
use super::place::Eye;
use super::{VisionError, VisionOptions};
use crate::base::time::SECOND_US;
use crate::base::{Box2, ShopTime};
use crate::sensors::camera::jpeg::JpegWriter;
use crate::sensors::camera::{Frame, Peek};
use crate::shop::Lens;
use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::Ordering;
use std::time::Duration;

/// How long a trail is, us.
const TRAIL_US: i64 = 3 * SECOND_US;

/// How long is waited for a frame before it is asked whether to stop.
const POLL: Duration = Duration::from_millis(50);

/// Somebody in a picture.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Seen {
    /// From 1, in the order of their first appearance.
    pub track: u64,
    /// Pixels.
    pub bounds: Rect,
    pub confidence: f64,
}

/// A picture for a person.
pub struct Shown {
    /// Pictures looked at, this one included.
    pub number: u64,
    pub people: Vec<Seen>,
    pub jpeg: Vec<u8>,
}

/// The detector's thread, which ends after the peek is told to stop.
pub fn show(
    peek: Peek,
    lens: Option<Lens>,
    options: &VisionOptions,
    mut give: impl FnMut(Shown) + Send + 'static,
) -> Result<std::thread::JoinHandle<()>, VisionError> {
    let mut detector = Detector::of(options).map_err(|error| VisionError::Detector(error.to_string()))?;
    let mut writer = JpegWriter::new().map_err(VisionError::Detector)?;
    let mut eye = Eye::new(peek.camera.clone(), lens, "watch".into(), detector.sure());
    let mut trails = Trails::default();
    let mut background = Background::default();
    let run = move || {
        let mut number = 0;
        while !peek.stop.load(Ordering::Relaxed) {
            let Some(frame) = peek.next(POLL) else { continue };
            number += 1;
            let foreground = background.compare(&frame);
            let mut found = match detector.look(&frame, foreground.as_ref()) {
                Ok(found) => found,
                Err(error) => {
                    // Not shown: nobody knows where the faces are.
                    peek.counters.refuse("watch.unseen", error);
                    continue;
                }
            };
            let bodies: Vec<Box2> = found.iter().map(|found| found.bounds).collect();
            // Faces are hidden in every box, people are told as the daemon would.
            if let Some(foreground) = &foreground {
                background.learn(foreground, &mut found);
            }
            let people = eye.saw(found, detector.manifest().people, frame.taken()).people;
            let people = trails.follow(&frame, people, eye.boxes());
            let canvas = trails.draw(&frame, &bodies, &people);
            match writer.write(canvas.size(), canvas.pixels(), canvas.planes()) {
                Ok(jpeg) => give(Shown { number, people, jpeg }),
                Err(error) => peek.counters.refuse("watch.unshown", error),
            }
        }
    };
    Ok(std::thread::Builder::new().name("watch".into()).spawn(run)?)
}

/// When, and at which pixel.
type Foot = (ShopTime, (f64, f64));

/// Where everybody's feet were lately.
#[derive(Default)]
struct Trails {
    /// A number for each of the eye's tracks.
    numbers: BTreeMap<String, u64>,
    feet: BTreeMap<u64, VecDeque<Foot>>,
}

impl Trails {
    fn follow(&mut self, frame: &Frame, people: Vec<crate::events::Person>, boxes: &[[f64; 4]]) -> Vec<Seen> {
        let (width, height) = (frame.width() as f64, frame.height() as f64);
        let mut seen = Vec::new();
        for (person, [x, y, w, h]) in people.into_iter().zip(boxes) {
            let next = self.numbers.len() as u64 + 1;
            let track = *self.numbers.entry(person.track).or_insert(next);
            let bounds = [x * width, y * height, w * width, h * height];
            let foot = (bounds[0] + bounds[2] / 2.0, bounds[1] + bounds[3]);
            self.feet.entry(track).or_default().push_back((frame.taken(), foot));
            seen.push(Seen { track, bounds, confidence: person.confidence });
        }
        self.feet.retain(|_, feet| {
            while feet.front().is_some_and(|(at, _)| frame.taken().since(*at) > TRAIL_US) {
                feet.pop_front();
            }
            !feet.is_empty()
        });
        seen
    }

    /// `bodies` are all that the detector found, whoever they may be: a face is a face before its body has a number.
    fn draw(&self, frame: &Frame, bodies: &[Box2], people: &[Seen]) -> Canvas {
        let mut canvas = Canvas::of(frame);
        let (width, height) = (frame.width() as f64, frame.height() as f64);
        // All faces first: a box that is drawn over a neighbour's face must not be flattened with it.
        for Box2 { x, y, w, h, .. } in bodies {
            canvas.blur_face([x * width, y * height, w * width, h * height]);
        }
        for (track, feet) in &self.feet {
            let points: Vec<(f64, f64)> = feet.iter().map(|(_, foot)| *foot).collect();
            canvas.trail(&points, colour_of(*track));
        }
        people.iter().for_each(|seen| canvas.outline(seen.bounds, colour_of(seen.track)));
        canvas
    }
}
