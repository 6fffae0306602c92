//! What somebody wears, as numbers: to tell two bodies apart that met and parted, for as long as the shop is open.
//!
//! Clothes only. The upper third of a box, where a face would be, is never read; nothing is learned of faces or bodies. The
//! numbers are turned by a random rotation that is drawn when the program starts, lives in memory and is never written
//! anywhere: within one opening the angle between two people is kept, across openings it is meaningless.
//!
//! A colour histogram (hue, saturation, lightness in soft bins) of what of the box differs from the shop without people
//! ([`super::background`]), each colour first divided by the picture's mean colour, so that a lamp that is warmer or weaker changes little
//! (the "grey world" of Buchsbaum, 1980). Square roots of shares: their dot product is the Bhattacharyya coefficient of the histograms.
//!
//! Torso and legs together: of half hidden people nobody knows which part of the box is which. In crowds of fifteen one look picks the right one
//! of all inside 73 times in 100; with torso and legs apart and the shop read along it was 61 (three drawn shops, docs/decisions/0023).

use super::background::Foreground;
use super::boxes::Box2;
use super::detection::Detection;
use crate::events::Vector;
use crate::sensors::camera::{Frame, Pixels};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Hues, each in three kinds from dark to light, then greys from black to white.
const HUES: usize = 12;
const LIGHTS: usize = 3;
const GREYS: usize = 6;

/// Numbers of a vector.
pub const NUMBERS: usize = LIGHTS * HUES + GREYS;

/// Shares of a box's height, from its top: the head's third is left out, and shoes.
const CLOTHES: (f64, f64) = (0.34, 0.94);

/// Share of a box's width that is mostly body: bags and the floor are left out.
const BODY: (f64, f64) = (0.2, 0.8);

/// The part of a box that holds a head and is never read.
const HEAD: f64 = 1.0 / 3.0;

/// Samples across and down, whatever the box's size in the picture.
const SAMPLES: (usize, usize) = (12, 30);

/// Pixels between samples of the picture's mean colour: some 1 200 of a 640 x 480 picture.
const MEAN_STEP: usize = 16;

/// Grey that the mean colour is brought to, of 255.
const GREY: f32 = 110.0;

/// Share of the samples that must be of them for it to say anything: with a tenth, one look is right 80 times where it would be 85.
const VISIBLE_MIN: f32 = 0.25;

pub struct Wardrobe {
    space: String,
    /// Rows of the rotation.
    turn: Vec<[f32; NUMBERS]>,
}

impl Wardrobe {
    /// With a rotation nobody knows. The error is the system's: it has no randomness to give.
    pub fn open() -> std::io::Result<Wardrobe> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(|cause| std::io::Error::other(cause.to_string()))?;
        Ok(Wardrobe::seeded(seed))
    }

    fn seeded(seed: [u8; 32]) -> Wardrobe {
        let mut chance = ChaCha8Rng::from_seed(seed);
        let space = format!("clothes-{:016x}", chance.random::<u64>());
        Wardrobe { space, turn: rotation(&mut chance) }
    }

    /// Names this opening: vectors of another are never compared with ours.
    pub fn space(&self) -> &str {
        &self.space
    }

    /// Gives everybody found in a picture (in fractions of it) the look of their clothes, where enough of them is seen.
    pub fn dress(&self, frame: &Frame, foreground: Option<&Foreground>, people: &mut [Detection]) {
        if people.is_empty() {
            return;
        }
        let colours = Colours::of(frame, foreground, people);
        for person in people.iter_mut() {
            person.appearance = colours.clothes(&person.bounds).map(|plain| Vector {
                space: self.space.clone(),
                v: self.turn.iter().map(|row| row.iter().zip(&plain).map(|(r, p)| r * p).sum()).collect(),
            });
        }
    }
}

/// A rotation (or its mirror image, which serves as well): rows of normal numbers, made orthogonal one after the other.
fn rotation(chance: &mut ChaCha8Rng) -> Vec<[f32; NUMBERS]> {
    let mut rows: Vec<[f64; NUMBERS]> = Vec::with_capacity(NUMBERS);
    while rows.len() < NUMBERS {
        let mut row = [0.0; NUMBERS];
        for value in &mut row {
            // Box and Muller: normal numbers have no preferred direction.
            let (u, angle) = (1.0 - chance.random::<f64>(), chance.random::<f64>() * std::f64::consts::TAU);
            *value = (-2.0 * libm::log(u)).sqrt() * libm::cos(angle);
        }
        // Twice: once leaves rounding errors.
        for other in rows.iter().chain(&rows) {
            let along: f64 = row.iter().zip(other).map(|(a, b)| a * b).sum();
            row.iter_mut().zip(other).for_each(|(a, b)| *a -= along * b);
        }
        let length = row.iter().map(|value| value * value).sum::<f64>().sqrt();
        // Within the others' span: as good as impossible.
        if length > 1e-6 {
            rows.push(row.map(|value| value / length));
        }
    }
    rows.into_iter().map(|row| row.map(|value| value as f32)).collect()
}

/// A picture's colours, as under a white lamp.
struct Colours<'a> {
    frame: &'a Frame,
    foreground: Option<&'a Foreground>,
    gain: [f32; 3],
}

impl<'a> Colours<'a> {
    fn of(frame: &'a Frame, foreground: Option<&'a Foreground>, people: &[Detection]) -> Colours<'a> {
        let (width, height) = (frame.width(), frame.height());
        let is_head = |x: usize, y: usize| {
            let (x, y) = (x as f64 / width as f64, y as f64 / height as f64);
            let head = |b: &Box2| x >= b.x && x <= b.x + b.w && y >= b.y && y <= b.y + b.h * HEAD;
            people.iter().any(|person| head(&person.bounds))
        };
        let mut sum = [1.0; 3];
        let mut n = 1.0;
        for y in (0..height).step_by(MEAN_STEP) {
            for x in (0..width).step_by(MEAN_STEP).filter(|&x| !is_head(x, y)) {
                rgb(frame, x, y).into_iter().zip(&mut sum).for_each(|(part, sum)| *sum += part);
                n += 1.0;
            }
        }
        // No lamp is four times off: a picture that is all one colour is the colour of things.
        Colours { frame, foreground, gain: sum.map(|sum| (GREY * n / sum).clamp(0.25, 4.0)) }
    }

    /// Of unit length. `None` when too little of somebody is in the picture.
    fn clothes(&self, bounds: &Box2) -> Option<[f32; NUMBERS]> {
        let (width, height) = (self.frame.width() as f64, self.frame.height() as f64);
        let along = |(from, to): (f64, f64), i: usize, n: usize| from + (to - from) * (i as f64 + 0.5) / n as f64;
        let (mut bins, mut n) = ([0.0; NUMBERS], 0.0);
        for row in 0..SAMPLES.1 {
            let y = (bounds.y + bounds.h * along(CLOTHES, row, SAMPLES.1)) * height;
            for column in 0..SAMPLES.0 {
                let x = (bounds.x + bounds.w * along(BODY, column, SAMPLES.0)) * width;
                if x >= 0.0 && y >= 0.0 && x < width && y < height && self.is_theirs(x as usize, y as usize) {
                    let colour = rgb(self.frame, x as usize, y as usize);
                    sort(std::array::from_fn(|i| (colour[i] * self.gain[i]).min(255.0)), &mut bins);
                    n += 1.0;
                }
            }
        }
        let enough = n >= VISIBLE_MIN * (SAMPLES.0 * SAMPLES.1) as f32;
        enough.then(|| bins.map(|bin| (bin / n).sqrt()))
    }

    /// Whether a pixel in somebody's box may be of their clothes: what is part of the shop is not.
    fn is_theirs(&self, x: usize, y: usize) -> bool {
        self.foreground.is_none_or(|foreground| foreground.differs(x, y))
    }
}

/// One colour (red, green, blue in 0..=255) into a region's bins, a share of 1 in all. Bins are soft: a colour between two
/// counts in both, so that a little more light moves a little of it.
fn sort([r, g, b]: [f32; 3], bins: &mut [f32; NUMBERS]) {
    let (high, low) = (r.max(g).max(b), r.min(g).min(b));
    let chroma = high - low;
    // Grey below a saturation of 0.15, colour above 0.40; what is nearly black has no colour to speak of.
    let colour = ((chroma / high.max(1.0) - 0.15) / 0.25).clamp(0.0, 1.0) * ((high - 20.0) / 30.0).clamp(0.0, 1.0);
    if colour > 0.0 {
        let sixth = match high {
            _ if high == r => (g - b) / chroma,
            _ if high == g => (b - r) / chroma + 2.0,
            _ => (r - g) / chroma + 4.0,
        };
        let at = (sixth / 6.0).rem_euclid(1.0) * HUES as f32;
        let (hue, further) = (at as usize % HUES, at.fract());
        let (light, lighter) = between((high - 50.0) / 150.0, LIGHTS);
        for (hue, share) in [(hue, 1.0 - further), ((hue + 1) % HUES, further)] {
            bins[light * HUES + hue] += colour * share * (1.0 - lighter);
            bins[(light + 1) * HUES + hue] += colour * share * lighter;
        }
    }
    let (grey, further) = between((high + low) / 2.0 / 255.0, GREYS);
    bins[LIGHTS * HUES + grey] += (1.0 - colour) * (1.0 - further);
    bins[LIGHTS * HUES + grey + 1] += (1.0 - colour) * further;
}

/// Where 0..=1 falls among so many bins: the lower one, and how far it is to the next.
fn between(share: f32, bins: usize) -> (usize, f32) {
    let at = share.clamp(0.0, 1.0) * (bins - 1) as f32;
    let lower = (at as usize).min(bins - 2);
    (lower, at - lower as f32)
}

/// Red, green, blue of a pixel, BT.601 with luma 16..=235 (ITU-R BT.601-7), not cut to 0..=255 above.
fn rgb(frame: &Frame, x: usize, y: usize) -> [f32; 3] {
    let (width, chroma) = (frame.width(), frame.chroma());
    let pair = (y / 2) * (width / 2) + x / 2;
    let (u, v) = match frame.pixels() {
        Pixels::I420 => (chroma[pair], chroma[chroma.len() / 2 + pair]),
        Pixels::Nv12 => (chroma[2 * pair], chroma[2 * pair + 1]),
    };
    let luma = 1.164 * (f32::from(frame.luma()[y * width + x]) - 16.0);
    let (u, v) = (f32::from(u) - 128.0, f32::from(v) - 128.0);
    [luma + 1.596 * v, luma - 0.392 * u - 0.813 * v, luma + 2.017 * u].map(|part| part.max(0.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::ShopTime;

    type Colour = [u8; 3];

    struct Worn {
        head: Colour,
        torso: Colour,
        legs: Colour,
    }

    /// A shop of 320 x 240 with coloured shelves and one person in the middle, under a lamp of some colour.
    fn picture(worn: &Worn, lamp: [f32; 3]) -> Frame {
        let mut rgb = Vec::with_capacity(320 * 240 * 3);
        for y in 0..240u32 {
            for x in 0..320u32 {
                let body = (130..190).contains(&x) && (40..220).contains(&y);
                let colour = match y.saturating_sub(40) * 100 / 180 {
                    0..34 if body => worn.head,
                    34..60 if body => worn.torso,
                    _ if body => worn.legs,
                    _ => [(60 + x / 3) as u8, (90 + (x * 7 + y * 3) % 60) as u8, (150 - y / 3) as u8],
                };
                rgb.extend(colour.into_iter().zip(lamp).map(|(part, lamp)| (f32::from(part) * lamp).min(255.0) as u8));
            }
        }
        Frame::from_rgb((320, 240), &rgb, ShopTime(0)).unwrap()
    }

    fn person() -> Detection {
        let (w, h) = (320.0, 240.0);
        Detection::of(Box2 { x: 130.0 / w, y: 40.0 / h, w: 60.0 / w, h: 180.0 / h, score: 0.9 })
    }

    fn worn(wardrobe: &Wardrobe, frame: &Frame) -> Vec<f32> {
        let mut people = [person()];
        wardrobe.dress(frame, None, &mut people);
        let [Detection { appearance: Some(Vector { space, v }), .. }] = people else { panic!("nothing seen") };
        assert_eq!((space.as_str(), v.len()), (wardrobe.space(), NUMBERS));
        v
    }

    fn alike(a: &[f32], b: &[f32]) -> f32 {
        a.iter().zip(b).map(|(a, b)| a * b).sum()
    }

    const DAY: [f32; 3] = [1.0, 1.0, 1.0];
    const EVENING: [f32; 3] = [0.75, 0.6, 0.45];
    const SKIN: Colour = [200, 160, 140];

    #[test]
    fn clothes_are_known_again_in_another_light_and_told_from_others() {
        let wardrobe = Wardrobe::seeded([1; 32]);
        let wear = |torso, legs| Worn { head: SKIN, torso, legs };
        let wardrobes = [
            ("red and jeans", wear([180, 40, 40], [50, 60, 110])),
            ("green and black", wear([50, 140, 60], [25, 25, 28])),
            ("white and jeans", wear([220, 220, 215], [50, 60, 110])),
            ("red and grey", wear([180, 40, 40], [120, 120, 120])),
            ("black and black", wear([25, 25, 28], [25, 25, 28])),
        ];
        let day: Vec<Vec<f32>> = wardrobes.iter().map(|(_, worn_)| worn(&wardrobe, &picture(worn_, DAY))).collect();
        for (i, (name, worn_)) in wardrobes.iter().enumerate() {
            assert!((alike(&day[i], &day[i]) - 1.0).abs() < 1e-4, "{name} is of unit length");
            let evening = worn(&wardrobe, &picture(worn_, EVENING));
            let same = alike(&day[i], &evening);
            for (j, (other, _)) in wardrobes.iter().enumerate().filter(|(j, _)| *j != i) {
                let different = alike(&day[j], &evening);
                assert!(same > different + 0.1, "{name} in the evening: {same:.2} itself, {different:.2} {other}");
            }
        }
    }

    #[test]
    fn a_head_is_never_read() {
        let wardrobe = Wardrobe::seeded([1; 32]);
        let with = |head| picture(&Worn { head, torso: [180, 40, 40], legs: [50, 60, 110] }, DAY);
        let plain = worn(&wardrobe, &with(SKIN));
        for head in [[0, 0, 0], [255, 255, 255], [10, 240, 10]] {
            assert_eq!(worn(&wardrobe, &with(head)), plain, "a head of {head:?}");
        }
    }

    #[test]
    fn two_openings_cannot_be_compared() {
        let frame = picture(&Worn { head: SKIN, torso: [180, 40, 40], legs: [50, 60, 110] }, DAY);
        let openings: Vec<Wardrobe> = (1..9).map(|seed| Wardrobe::seeded([seed; 32])).collect();
        let looks: Vec<Vec<f32>> = openings.iter().map(|wardrobe| worn(wardrobe, &frame)).collect();
        for (i, a) in openings.iter().enumerate() {
            for (j, b) in openings.iter().enumerate().filter(|(j, _)| *j > i) {
                assert_ne!(a.space(), b.space());
                // The same clothes: 1 within an opening; between two, chance (standard deviation 1 / sqrt 42 = 0.15).
                let alike = alike(&looks[i], &looks[j]);
                assert!(alike.abs() < 0.6, "openings {i} and {j}: {alike:.2}");
            }
        }
        let (a, b) = (Wardrobe::open().unwrap(), Wardrobe::open().unwrap());
        assert_ne!(a.space(), b.space());
    }

    #[test]
    fn who_is_hardly_in_the_picture_has_no_clothes() {
        let wardrobe = Wardrobe::seeded([1; 32]);
        let frame = picture(&Worn { head: SKIN, torso: [180, 40, 40], legs: [50, 60, 110] }, DAY);
        let at = |y: f64| Detection::of(Box2 { x: 0.4, y, w: 0.2, h: 0.75, score: 0.9 });
        for (story, person, seen) in [
            ("legs below the edge", at(0.55), true),
            ("nothing but a head", at(0.75), false),
            ("outside altogether", at(2.0), false),
            ("a box that is no number", at(f64::NAN), false),
        ] {
            let mut people = [person];
            wardrobe.dress(&frame, None, &mut people);
            assert_eq!(people[0].appearance.is_some(), seen, "{story}");
        }
    }
}
