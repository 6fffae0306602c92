//! What a frame costs that nobody looks at: decoding, the copy and the motion gate, over gstreamer's decoding alone. Processor time of
//! the whole process; five rounds, one after the other.

use super::super::figure::{ROUNDS, median_if_steady};
use super::super::processor::process_s;
use crate::perception::motion::{self, MotionGate};
use crate::sensors::camera::gst::{decode_file, read_file};
use std::path::Path;

/// The film is short: so many times a round.
const FILMS: usize = 4;

/// `None`: the rounds lie too far apart; each round's ratio is told.
pub fn ratio(video: &Path, notes: &mut Vec<String>) -> Result<Option<f64>, String> {
    let mut ratios = Vec::new();
    for _ in 0..ROUNDS {
        let start = process_s();
        for _ in 0..FILMS {
            decode_file(video)?;
        }
        let bare = process_s() - start;
        let mut gate = MotionGate::default();
        let mut moved = 0;
        let start = process_s();
        for _ in 0..FILMS {
            read_file(video, |frame| {
                let cells = motion::cells(frame.luma(), (frame.width(), frame.height()));
                moved += usize::from(gate.moved(&cells));
            })?;
        }
        let ours = process_s() - start;
        std::hint::black_box(moved);
        ratios.push(ours / bare);
    }
    let told: Vec<String> = ratios.iter().map(|ratio| format!("{ratio:.2}")).collect();
    notes.push(format!("decoding, copy and motion gate over decoding alone, round by round: {}", told.join(", ")));
    Ok(median_if_steady(&mut ratios))
}
