//! `models/disc.onnx` is what `models/make_disc.py` writes, and finds discs where they are.

use carryout::base::ShopTime;
use carryout::perception::detector::Detector;
use carryout::sensors::camera::{Frame, Pixels, Plane};
use std::path::{Path, PathBuf};
use std::process::Command;

fn models() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("models")
}

#[test]
fn camera_disc_model_is_what_its_script_writes() {
    if Command::new("python3").arg("--version").output().is_err() {
        println!("SKIPPED: no python3 here");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    std::fs::copy(models().join("make_disc.py"), dir.path().join("make_disc.py")).unwrap();
    let done = Command::new("python3").arg(dir.path().join("make_disc.py")).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let written = std::fs::read(dir.path().join("disc.onnx")).unwrap();
    assert!(written == std::fs::read(models().join("disc.onnx")).unwrap(), "disc.onnx is not what make_disc.py writes");
}

/// 640 x 480 of `floor` grey with discs (x, y, radius) that are `contrast` brighter.
fn picture(floor: u8, contrast: u8, discs: &[(f64, f64, f64)]) -> Frame {
    let mut luma = vec![floor; 640 * 480];
    for (i, pixel) in luma.iter_mut().enumerate() {
        let (x, y) = ((i % 640) as f64 + 0.5, (i / 640) as f64 + 0.5);
        if discs.iter().any(|(cx, cy, r)| (x - cx).powi(2) + (y - cy).powi(2) <= r * r) {
            *pixel = floor + contrast;
        }
    }
    let chroma = vec![128; 640 * 240];
    let planes = [Plane { data: &luma, stride: 640 }, Plane { data: &chroma, stride: 640 }];
    Frame::copy((640, 480), Pixels::Nv12, &planes, ShopTime(0)).unwrap()
}

#[test]
fn camera_disc_model_finds_discs_and_nothing_else() {
    let mut detector = Detector::open(&models().join("disc.toml"), None, 1, 0.4).unwrap();
    for (story, floor, contrast, discs, found) in [
        ("an empty floor", 100, 110, vec![], 0),
        ("one body", 100, 110, vec![(320.0, 240.0, 28.0)], 1),
        ("in the dark", 30, 80, vec![(320.0, 240.0, 28.0)], 1),
        ("too faint", 100, 30, vec![(320.0, 240.0, 28.0)], 0),
        ("smaller and larger", 100, 110, vec![(150.0, 240.0, 18.0), (400.0, 240.0, 40.0)], 2),
        ("half out of the picture", 100, 110, vec![(4.0, 240.0, 28.0)], 1),
        ("shoulder to shoulder", 100, 110, vec![(300.0, 240.0, 28.0), (357.0, 240.0, 28.0)], 2),
        (
            "a group of four",
            100,
            110,
            vec![(300.0, 200.0, 28.0), (360.0, 200.0, 28.0), (300.0, 260.0, 28.0), (360.0, 260.0, 28.0)],
            4,
        ),
        ("a spot of light", 100, 110, vec![(320.0, 240.0, 6.0)], 0),
        ("a bright table", 100, 110, vec![(320.0, 240.0, 150.0)], 0),
    ] {
        let boxes = detector.look(&picture(floor, contrast, &discs), None).unwrap();
        assert_eq!(boxes.len(), found, "{story}: {boxes:?}");
        for found in &boxes {
            let (x, y) = (found.bounds.middle().0 * 640.0, found.bounds.middle().1 * 480.0);
            let off =
                discs.iter().map(|(cx, cy, _)| ((x - cx).powi(2) + (y - cy).powi(2)).sqrt()).fold(f64::MAX, f64::min);
            // A pixel of the model's is four of the picture's; at its edge a disc's visible part is off its middle.
            let allowed = if story.starts_with("half") { 16.0 } else { 6.0 };
            assert!(off <= allowed, "{story}: {off:.1} pixels off");
        }
    }
}
