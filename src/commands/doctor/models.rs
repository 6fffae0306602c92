//! The detector: its file is the one its manifest speaks of, the runtime loads it, and it looks at an empty picture.

use super::finding::Findings;
use crate::commands::check::has_pictures;
use crate::perception::VisionOptions;
use crate::shop::{Problem, Shop};

pub async fn run(findings: &mut Findings, shop: Option<&Shop>, options: &VisionOptions, problems: &[Problem]) {
    for problem in problems {
        findings.failed("model", problem);
    }
    let needed = shop.is_some_and(has_pictures);
    if !problems.is_empty() {
        return;
    }
    if !needed {
        return findings.skipped("model", "no camera sends pictures, so nobody looks at any");
    }
    look(findings, options).await;
}

#[cfg(not(all(feature = "cameras", feature = "onnx")))]
async fn look(findings: &mut Findings, _: &VisionOptions) {
    let what = "this carryout was built without cameras or models and cannot look at pictures; install the full one";
    findings.failed("model", what);
}

#[cfg(all(feature = "cameras", feature = "onnx"))]
async fn look(findings: &mut Findings, options: &VisionOptions) {
    use super::ms;
    use crate::base::ShopTime;
    use crate::perception::detector::Detector;
    use crate::sensors::camera::Frame;
    use std::time::{Duration, Instant};

    /// A look later than this is late for a draft line (docs/spec.md).
    const SLOW: Duration = Duration::from_millis(250);

    let options = options.clone();
    let trial = move || -> Result<(String, Duration, usize), String> {
        let mut detector = Detector::of(&options).map_err(|error| error.to_string())?;
        let empty = Frame::from_rgb((640, 480), &vec![96; 640 * 480 * 3], ShopTime(0)).ok_or("no picture")?;
        // The first look sets things up.
        detector.look(&empty, None).map_err(|error| error.to_string())?;
        let began = Instant::now();
        let seen = detector.look(&empty, None).map_err(|error| error.to_string())?;
        // Fainter ones are nobody.
        let ghosts = seen.iter().filter(|found| found.bounds.score >= detector.sure()).count();
        Ok((detector.manifest().name.clone(), began.elapsed(), ghosts))
    };
    match tokio::task::spawn_blocking(trial).await.unwrap_or_else(|error| Err(error.to_string())) {
        Ok((name, _, ghosts @ 1..)) => findings.warning(
            "model",
            format_args!("`{name}` sees {ghosts} people in an empty picture; raise `confidence_min` of [vision]"),
        ),
        Ok((name, took, _)) if took > SLOW => findings.warning(
            "model",
            format_args!("`{name}` takes {} a picture; more `threads` of [vision], or a smaller model", ms(took)),
        ),
        Ok((name, took, _)) => findings.ok("model", format_args!("`{name}` looks at a picture in {}", ms(took))),
        Err(why) => findings.failed("model", why),
    }
}
