//! How many occupied cameras one shop's server looks through: 640 x 360, ten pictures a second, somebody in every one of them.
//!
//! Four views of a drawn shop with a crowd in it are drawn and encoded first (H.264, by gst-launch-1.0); then as many cameras as wanted
//! play these films at their own speed through the daemon's whole perception, one process, no more cores than the machine has. Looked
//! for is the largest number of cameras of which each is looked at five times a second and 95 % of the answers come within 300 ms of the
//! picture. With our own detector; what a detector of YOLOX-nano's class costs is in docs/spec.md.

#[cfg(all(feature = "cameras", feature = "onnx"))]
mod load;

use super::Measure;
use super::figure::{Bar, Figure, Promise};

pub const PROMISES: [Promise; 4] = [
    Promise { figure: "density.cameras", bar: Bar::AtLeast(8.0), unit: "cameras" },
    Promise { figure: "density.p95_ms", bar: Bar::AtMost(300.0), unit: "ms" },
    Promise { figure: "density.looks_per_s", bar: Bar::AtLeast(5.0), unit: "1/s" },
    Promise { figure: "density.cores", bar: Bar::None, unit: "cores" },
];

#[cfg(all(feature = "cameras", feature = "onnx"))]
pub fn measure(how: Measure, notes: &mut Vec<String>) -> Result<Vec<Figure>, String> {
    use super::Length;
    use load::CAMERAS;
    // Seconds of film, and of looking.
    let lengths = match how.length {
        Length::Brief => (4.0, 5.0),
        Length::Short => (15.0, 20.0),
        Length::Long => (60.0, 120.0),
    };
    let dir = std::env::temp_dir().join(format!("carryout-density-{}", std::process::id()));
    std::fs::create_dir_all(&dir).map_err(|cause| format!("making {}: {cause}", dir.display()))?;
    let loads = load::loads(&dir, how.seed, lengths, notes);
    // What cannot be removed is in the temporary folder anyway.
    let _ = std::fs::remove_dir_all(&dir);
    let (cameras, at) = loads?;
    let [most, p95, looks, cores] = &PROMISES;
    Ok(vec![
        most.measured(Some(cameras as f64), 1),
        p95.measured(Some(at.p95_ms), CAMERAS),
        looks.measured(Some(at.looks_per_s), CAMERAS),
        cores.measured(Some(at.cores), CAMERAS),
    ])
}

#[cfg(not(all(feature = "cameras", feature = "onnx")))]
pub fn measure(_: Measure, _: &mut Vec<String>) -> Result<Vec<Figure>, String> {
    Err("this carryout was built without cameras and onnx".to_owned())
}
