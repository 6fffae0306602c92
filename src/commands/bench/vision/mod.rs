//! How well the shop sees, on recordings of real rooms that lie beside the project (`CARRYOUT_FIELD_DATA`), never in it.
//!
//! * `mot`: one camera's tracker on MOT15 sequences with real detections; `below_rival` is how far the worst of them is below the
//!   best published tracker on the same boxes.
//! * `sim`: drawn pictures of the synthetic shop through our own detector to bodies, about 5 and about 15 people inside.
//! * `decode_ratio`: what a frame costs that nobody looks at, over decoding alone.
//! * `cmc1`, `cmc2`: four cameras in one room, three and ten people, on the floor in metres. `without_one` is the worst with any one
//!   camera taken away.

mod cmc;
mod data;
#[cfg(all(feature = "cameras", feature = "onnx"))]
mod decoding;
mod floor;
#[cfg(all(feature = "cameras", feature = "onnx"))]
mod looks;
mod measures;
mod mot;
#[cfg(all(feature = "cameras", feature = "onnx"))]
pub mod rendered;

use super::Measure;
use super::figure::{Bar, Figure, Promise};
use measures::Scores;
use std::path::{Path, PathBuf};

const fn percent(figure: &'static str, bar: Bar) -> Promise {
    Promise { figure, bar, unit: "%" }
}

const fn share(figure: &'static str, bar: Bar) -> Promise {
    Promise { figure, bar, unit: "" }
}

pub const PROMISES: [Promise; 16] = [
    Promise { figure: "vision.evaluator.off", bar: Bar::AtMost(0.1), unit: "points" },
    percent("vision.mot.mean_hota", Bar::AtLeast(51.2)),
    Promise { figure: "vision.mot.below_rival", bar: Bar::AtMost(2.0), unit: "points" },
    percent("vision.cmc1.mota", Bar::AtLeast(100.0)),
    Promise { figure: "vision.cmc1.error_cm", bar: Bar::None, unit: "cm" },
    percent("vision.cmc2.mota", Bar::AtLeast(94.0)),
    percent("vision.cmc2.idf1", Bar::AtLeast(96.7)),
    Promise { figure: "vision.cmc2.error_cm", bar: Bar::AtMost(13.9), unit: "cm" },
    percent("vision.cmc2.without_one.mota", Bar::AtLeast(85.0)),
    percent("vision.cmc2.without_one.idf1", Bar::AtLeast(85.0)),
    Promise { figure: "vision.cmc2.without_one.error_cm", bar: Bar::None, unit: "cm" },
    share("vision.sim.recall", Bar::AtLeast(0.97)),
    Promise { figure: "vision.sim.floor_error_m", bar: Bar::AtMost(0.15), unit: "m" },
    share("vision.sim.idf1_5", Bar::AtLeast(0.95)),
    share("vision.sim.idf1_15", Bar::AtLeast(0.85)),
    share("vision.decode_ratio", Bar::AtMost(1.2)),
];

/// Recordings first, then drawn pictures, then decoding.
const RECORDED: usize = 11;
const DRAWN: usize = 4;

pub fn measure(how: Measure, notes: &mut Vec<String>) -> Result<Vec<Figure>, String> {
    let data = std::env::var_os("CARRYOUT_FIELD_DATA").map(PathBuf::from).filter(|dir| dir.is_dir());
    let unmeasured = |promises: &[Promise]| promises.iter().map(|promise| promise.measured(None, 0)).collect();
    let (of_recordings, of_pictures) = (&PROMISES[..RECORDED], &PROMISES[RECORDED..RECORDED + DRAWN]);
    let mut figures: Vec<Figure> = match &data {
        Some(data) => recorded(data, notes)?,
        None => {
            eprintln!("carryout bench vision: the recordings are not here: CARRYOUT_FIELD_DATA names no directory");
            unmeasured(of_recordings)
        }
    };
    figures.extend(drawn(how, notes).unwrap_or_else(|why| {
        eprintln!("carryout bench vision: drawn pictures were not looked at: {why}");
        unmeasured(of_pictures)
    }));
    figures.push(decode_ratio(data.as_deref(), notes).unwrap_or_else(|why| {
        eprintln!("carryout bench vision: decoding was not measured: {why}");
        let [.., ratio] = &PROMISES;
        ratio.measured(None, 0)
    }));
    Ok(figures)
}

/// In the order of their promises: recall, error on the floor, identity of about five and of about fifteen people.
#[cfg(all(feature = "cameras", feature = "onnx"))]
fn drawn(how: Measure, notes: &mut Vec<String>) -> Result<Vec<Figure>, String> {
    use super::Length;
    use looks::{Boxes, Seen};
    use rendered::Crowd;
    let (shops, seconds) = match how.length {
        Length::Brief => (1, 4.0),
        // Of two shops identity moves by 0.07 with a change of nothing much.
        Length::Short => (4, 30.0),
        Length::Long => (8, 120.0),
    };
    let mut detector = rendered::detector()?;
    let mut all = Vec::new();
    for crowd in [Crowd { parties: 5, floor_m2: 30.0, people: 5 }, Crowd { parties: 20, floor_m2: 60.0, people: 15 }] {
        let looks = (0..shops).map(|shop| rendered::look(crowd, how.seed + shop, seconds, &mut detector));
        let looks = looks.collect::<Result<Vec<_>, _>>()?;
        let followed = |boxes: Boxes| {
            let mut seen = Seen::default();
            looks.iter().for_each(|looks| seen.add(looks.follow(boxes)));
            seen
        };
        let seen = followed(Boxes::Found);
        let name = format!("{:.1} people, {} m2", seen.people(), crowd.floor_m2);
        let shown = looks.iter().map(|looks| 100.0 * looks.floor_shown);
        notes.push(format!(
            "{}; recall {:.3}, {:.3} m off, {shops} shops, seed {}, four cameras that show {:.0} to {:.0} % of the floor",
            line(&name, &seen.scores()),
            seen.recall(),
            seen.error_m(),
            how.seed,
            shown.clone().fold(f64::INFINITY, f64::min),
            shown.fold(0.0, f64::max),
        ));
        for (boxes, name) in [(Boxes::FoundOfPeople, "  boxes of people only"), (Boxes::True, "  the right boxes")] {
            let seen = followed(boxes);
            notes.push(format!("{}; {:.3} m off", line(name, &seen.scores()), seen.error_m()));
        }
        all.push(seen);
    }
    let [five, fifteen] = [&all[0], &all[1]];
    let (found, there) = (five.found + fifteen.found, five.there + fifteen.there);
    let [.., recall, error, idf1_5, idf1_15, _] = &PROMISES;
    Ok(vec![
        recall.measured(Some(found as f64 / there.max(1) as f64), there),
        error.measured(Some((five.error_m() + fifteen.error_m()) / 2.0), there),
        idf1_5.measured(Some(five.scores().idf1), shops as usize),
        idf1_15.measured(Some(fifteen.scores().idf1), shops as usize),
    ])
}

#[cfg(not(all(feature = "cameras", feature = "onnx")))]
fn drawn(_: Measure, _: &mut Vec<String>) -> Result<Vec<Figure>, String> {
    Err("this carryout was built without cameras and onnx".to_owned())
}

#[cfg(all(feature = "cameras", feature = "onnx"))]
fn decode_ratio(data: Option<&Path>, notes: &mut Vec<String>) -> Result<Figure, String> {
    let video = data.ok_or("the recordings are not here")?.join("video/walkers_480x360.mp4");
    let [.., ratio] = &PROMISES;
    Ok(ratio.measured(decoding::ratio(&video, notes)?, super::figure::ROUNDS))
}

#[cfg(not(all(feature = "cameras", feature = "onnx")))]
fn decode_ratio(_: Option<&Path>, _: &mut Vec<String>) -> Result<Figure, String> {
    Err("this carryout was built without cameras and onnx".to_owned())
}

fn recorded(data: &Path, notes: &mut Vec<String>) -> Result<Vec<Figure>, String> {
    let [off, mean_hota, below, mota1, error1, mota2, idf1, error2, less_mota, less_idf1, less_error, ..] = &PROMISES;
    let (rooms, streets) = (data.join("cmc"), data.join("mot"));
    notes.push("nothing is left to chance; HOTA / MOTA / IDF1 / identity switches".to_owned());

    let (mut sum, mut worst) = (0.0, f64::NEG_INFINITY);
    for (name, rival) in mot::SEQUENCES {
        let scores = mot::track(&streets, name)?;
        notes.push(format!("{}, best rival {rival}", line(name, &scores)));
        sum += 100.0 * scores.hota;
        worst = worst.max(rival - 100.0 * scores.hota);
    }
    let mut figures = vec![
        off.measured(Some(mot::evaluator_off(&streets)?), 2),
        mean_hota.measured(Some(sum / mot::SEQUENCES.len() as f64), mot::SEQUENCES.len()),
        below.measured(Some(worst), mot::SEQUENCES.len()),
    ];

    let two = cmc::Room::read(&rooms, "CMC2")?;
    let all = [("CMC1", cmc::Room::read(&rooms, "CMC1")?.track(None)), ("CMC2", two.track(None))];
    let less = cmc::CAMERAS.map(|gone| (format!("CMC2 without camera {gone}"), two.track(Some(gone))));
    let named = all.iter().map(|(name, orders)| (*name, orders));
    for (name, orders) in named.chain(less.iter().map(|(name, orders)| (name.as_str(), orders))) {
        let idf1 = orders.iter().map(|scores| 100.0 * scores.idf1);
        let (least, most) = (idf1.clone().fold(f64::INFINITY, f64::min), idf1.fold(0.0, f64::max));
        let mean = line(name, &Scores::mean(orders));
        notes.push(format!("{mean}; mean of {} orders of the cameras, IDF1 {least:.1} to {most:.1}", orders.len()));
    }
    let all = all.map(|(_, orders)| Scores::mean(&orders));
    let less = less.map(|(_, orders)| Scores::mean(&orders));
    let n = |scores: &Scores| scores.found + scores.missed;
    let worst = |of: fn(&Scores) -> f64| less.iter().map(of).fold(f64::INFINITY, f64::min);
    let furthest = less.iter().map(floor::error_cm).fold(0.0, f64::max);
    figures.extend([
        mota1.measured(Some(100.0 * all[0].mota), n(&all[0])),
        error1.measured(Some(floor::error_cm(&all[0])), n(&all[0])),
        mota2.measured(Some(100.0 * all[1].mota), n(&all[1])),
        idf1.measured(Some(100.0 * all[1].idf1), n(&all[1])),
        error2.measured(Some(floor::error_cm(&all[1])), n(&all[1])),
        less_mota.measured(Some(100.0 * worst(|scores| scores.mota)), less.len()),
        less_idf1.measured(Some(100.0 * worst(|scores| scores.idf1)), less.len()),
        less_error.measured(Some(furthest), less.len()),
    ]);
    Ok(figures)
}

fn line(name: &str, scores: &Scores) -> String {
    let Scores { hota, mota, idf1, switches, invented, missed, .. } = scores;
    let [hota, mota, idf1] = [hota, mota, idf1].map(|share| 100.0 * share);
    format!("{name:<22} {hota:5.1} / {mota:5.1} / {idf1:5.1} / {switches:3}   {invented} invented, {missed} missed")
}
