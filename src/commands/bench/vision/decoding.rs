//! What a frame costs that nobody looks at: decoding, the copy and the motion gate, over gstreamer's decoding alone. Processor time of
//! the whole process; five rounds, one after the other.

use super::super::figure::{ROUNDS, median_if_steady};
use crate::perception::motion::{self, MotionGate};
use crate::sensors::camera::gst::{decode_file, read_file};
use std::path::Path;

/// The film is short: so many times a round.
const FILMS: usize = 4;

/// `None`: the rounds lie too far apart; each round's ratio is told.
pub fn ratio(video: &Path, notes: &mut Vec<String>) -> Result<Option<f64>, String> {
    let mut ratios = Vec::new();
    for _ in 0..ROUNDS {
        let start = cpu_s();
        for _ in 0..FILMS {
            decode_file(video)?;
        }
        let bare = cpu_s() - start;
        let mut gate = MotionGate::default();
        let mut moved = 0;
        let start = cpu_s();
        for _ in 0..FILMS {
            read_file(video, |frame| {
                let cells = motion::cells(frame.luma(), (frame.width(), frame.height()));
                moved += usize::from(gate.moved(&cells));
            })?;
        }
        let ours = cpu_s() - start;
        std::hint::black_box(moved);
        ratios.push(ours / bare);
    }
    let told: Vec<String> = ratios.iter().map(|ratio| format!("{ratio:.2}")).collect();
    notes.push(format!("decoding, copy and motion gate over decoding alone, round by round: {}", told.join(", ")));
    Ok(median_if_steady(&mut ratios))
}

/// Seconds all threads of this process have worked.
fn cpu_s() -> f64 {
    let mut spent = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: a plain system call that fills the structure it is given.
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut spent) };
    spent.tv_sec as f64 + spent.tv_nsec as f64 * 1e-9
}
