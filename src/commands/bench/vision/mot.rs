//! One camera's tracker on other people's footage: MOT15 sequences with real detections (Bewley et al., "SORT", 2016), against what
//! published trackers make of the same boxes. And the evaluator itself, on outputs whose scores are known.

use super::data::{box_of, rows, setting};
use super::measures::{Moment, Scores, score};
use crate::base::time::SECOND_US;
use crate::base::{Box2, ShopTime};
use crate::tracking::CameraTracks;
use std::collections::BTreeMap;
use std::path::Path;

/// Sequences with the best HOTA of SORT, ByteTrack and OC-SORT on the same boxes, per cent.
pub const SEQUENCES: [(&str, f64); 4] =
    [("TUD-Campus", 48.6), ("TUD-Stadtmitte", 53.0), ("KITTI-17", 46.1), ("ETH-Sunnyday", 57.1)];

/// Outputs of another tracker with the scores that are known of them: HOTA, MOTA, IDF1, per cent.
const KNOWN: [(&str, [f64; 3]); 2] = [("TUD-Campus", [39.1, 52.6, 55.8]), ("TUD-Stadtmitte", [39.8, 56.4, 64.5])];

/// A box of this detector is somebody from here on (it says 0.5 and more of nearly all it finds).
const SURE: f64 = 0.6;

type Frames = BTreeMap<i64, Vec<(u64, Box2)>>;

/// How far our evaluation is from the known scores, percentage points at worst.
pub fn evaluator_off(mot: &Path) -> Result<f64, String> {
    let mut off: f64 = 0.0;
    for (name, known) in KNOWN {
        let truth = truth(mot, name)?;
        let said = frames(&mot.join("oracle_outputs").join(format!("{name}.txt")))?;
        let Scores { hota, mota, idf1, .. } = score(&moments(&truth, &said));
        let ours = [hota, mota, idf1].map(|share| 100.0 * share);
        off = ours.iter().zip(known).fold(off, |off, (ours, known)| off.max((ours - known).abs()));
    }
    Ok(off)
}

pub fn track(mot: &Path, name: &str) -> Result<Scores, String> {
    let truth = truth(mot, name)?;
    let found = frames(&mot.join(name).join("det_sort_frcnn/det.txt"))?;
    let fps = setting(&mot.join(name).join("seqinfo.ini"), "frameRate")?;
    let mut tracks = CameraTracks::new(SURE);
    let mut said = Frames::new();
    for frame in 1..=last(&truth) {
        let boxes: Vec<Box2> = found.get(&frame).into_iter().flatten().map(|(_, found)| *found).collect();
        let t = ShopTime((frame as f64 / fps * SECOND_US as f64) as i64);
        let ids = tracks.follow(&boxes, t);
        said.insert(frame, ids.into_iter().zip(boxes).filter_map(|(id, found)| Some((id?, found))).collect());
    }
    Ok(score(&moments(&truth, &said)))
}

/// Rows whose score is 0 are not to be found.
fn truth(mot: &Path, name: &str) -> Result<Frames, String> {
    let mut truth = frames(&mot.join(name).join("gt/gt.txt"))?;
    truth.values_mut().for_each(|people| people.retain(|(_, there)| there.score > 0.0));
    Ok(truth)
}

fn frames(path: &Path) -> Result<Frames, String> {
    let people = |rows: Vec<Vec<f64>>| rows.iter().map(|row| (row[1] as u64, box_of(row))).collect();
    Ok(rows(path)?.into_iter().map(|(frame, rows)| (frame, people(rows))).collect())
}

fn last(truth: &Frames) -> i64 {
    truth.keys().copied().max().unwrap_or(0)
}

fn moments(truth: &Frames, said: &Frames) -> Vec<Moment> {
    let nobody = Vec::new();
    let moment = |frame: i64| {
        let (truth, said) = (truth.get(&frame).unwrap_or(&nobody), said.get(&frame).unwrap_or(&nobody));
        Moment {
            truth: truth.iter().map(|(id, _)| *id).collect(),
            said: said.iter().map(|(id, _)| *id).collect(),
            similarity: truth.iter().map(|(_, a)| said.iter().map(|(_, b)| a.iou(b)).collect()).collect(),
        }
    };
    (1..=last(truth)).map(moment).collect()
}
