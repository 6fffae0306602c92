//! Points of the shop and their pixels, as somebody wrote them down, and what they say of the camera.

use super::Failure;
use super::subject::in_words;
use crate::base::{CameraId, Point3};
use crate::perception::calibration::{self, Fit, Spot};
use crate::shop::Lens;
use crate::shop::problems::shown;
use std::fmt::Write;

/// Points that are further off than this, RMS, deserve a second look: a person clicks a pixel or two aside.
const FAIR_PX: f64 = 3.0;

/// Of `u,v=x,y[,z]` each, or the name of a file of such lines.
pub fn read(given: &[String]) -> Result<Vec<Spot>, Failure> {
    let mut spots = Vec::new();
    for word in given {
        if word.contains('=') {
            spots.push(spot(word, spots.len() + 1).map_err(|why| format!("--floor-points {}: {why}", shown(word)))?);
            continue;
        }
        let text = std::fs::read_to_string(word).map_err(|error| format!("--floor-points {word}: {error}"))?;
        for (n, line) in text.lines().enumerate() {
            if line.split('#').next().unwrap_or_default().trim().is_empty() {
                continue;
            }
            spots.push(spot(line, spots.len() + 1).map_err(|why| format!("{word} line {}: {why}", n + 1))?);
        }
    }
    Ok(spots)
}

/// `u v x y [z] # name`, with spaces, commas or `=` between.
fn spot(line: &str, number: usize) -> Result<Spot, String> {
    let (numbers, name) = line.split_once('#').unwrap_or((line, ""));
    let words = numbers.split(|c: char| c.is_whitespace() || c == ',' || c == '=').filter(|word| !word.is_empty());
    let numbers: Vec<f64> = words
        .map(|word| {
            let number = word.parse::<f64>().ok().filter(|number| number.is_finite());
            number.ok_or_else(|| format!("`{}` is not a number", shown(word)))
        })
        .collect::<Result<_, _>>()?;
    let (u, v, x, y, z) = match numbers[..] {
        [u, v, x, y] => (u, v, x, y, 0.0),
        [u, v, x, y, z] => (u, v, x, y, z),
        _ => return Err(format!("{} numbers; a point is `u v x y`, or `u v x y z` above the floor", numbers.len())),
    };
    let name = match name.trim() {
        "" => format!("point {number}"),
        name => name.to_owned(),
    };
    Ok(Spot { name, pixel: (u, v), at: Point3::new(x, y, z) })
}

pub fn place(
    camera: &CameraId,
    spots: &[Spot],
    size: (u32, u32),
    lens: Option<Lens>,
) -> Result<(Fit, String), Failure> {
    let failed = |error: calibration::CalibrationError| -> Failure {
        let more = match error {
            calibration::CalibrationError::FocalUnknown { .. } => {
                "; or --keep-lens, if shop.toml's intrinsics are right"
            }
            _ => "",
        };
        format!("camera {camera}: {error}{more}").into()
    };
    let fit = calibration::place(spots, size, lens).map_err(failed)?;
    let told = told(camera, spots, &fit, calibration::suspect(&fit, spots, lens));
    Ok((fit, told))
}

fn told(camera: &CameraId, spots: &[Spot], fit: &Fit, suspect: Option<(usize, f64)>) -> String {
    let lens = if fit.lens_given { "the lens as measured" } else { "lens found from the points" };
    let mut out = format!("camera {camera}: {} points, {lens}\n{}", spots.len(), in_words(&fit.view));
    let wide = spots.iter().map(|spot| spot.name.chars().count()).max().unwrap_or(0);
    let on_floor = |at: usize| fit.misses[at].floor_cm.map_or("beyond the horizon".into(), |cm| format!("{cm:.1} cm"));
    for (at, spot) in spots.iter().enumerate() {
        let (u, v) = spot.pixel;
        let (px, cm) = (fit.misses[at].px, on_floor(at));
        let _ = writeln!(out, "  {:wide$}  [{u:6.1}, {v:6.1}]  {px:5.1} px  {cm}", spot.name);
    }
    let _ = write!(out, "error {:.2} px", fit.rms_px);
    if let Some(worst) = fit.worst() {
        let _ = write!(
            out,
            "; worst: {}, {:.1} px, {} in the shop",
            spots[worst].name,
            fit.misses[worst].px,
            on_floor(worst)
        );
    }
    out.push('\n');
    if let Some((at, rms_px)) = suspect {
        let _ = writeln!(out, "without {} it would be {rms_px:.2} px: look at that point again", spots[at].name);
    } else if fit.rms_px > FAIR_PX {
        out.push_str("that is much: measure again, or the lens with a checkerboard first\n");
    }
    if spots.len() == 4 {
        out.push_str("four points hardly contradict each other: a fifth and sixth would show a slip\n");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_are_read_as_people_write_them() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("points.txt");
        std::fs::write(&file, "# u v x y\n\n10 20 1.5 -2 # corner of bay 1\n30, 40, 1, 2, 0.9\n").unwrap();
        let given = [file.display().to_string(), "5,6=0.5,0.25".to_owned()];
        let spots = read(&given).unwrap();
        let told: Vec<(&str, (f64, f64), [f64; 3])> =
            spots.iter().map(|spot| (spot.name.as_str(), spot.pixel, spot.at.into())).collect();
        assert_eq!(
            told,
            [
                ("corner of bay 1", (10.0, 20.0), [1.5, -2.0, 0.0]),
                ("point 2", (30.0, 40.0), [1.0, 2.0, 0.9]),
                ("point 3", (5.0, 6.0), [0.5, 0.25, 0.0]),
            ]
        );
        for (line, says) in [("1 2 3", "3 numbers"), ("1 2 3 x", "`x` is not a number"), ("1 2 nan 4", "`nan` is not")]
        {
            std::fs::write(&file, format!("{line}\n")).unwrap();
            let error = read(&given[..1]).unwrap_err().to_string();
            assert!(error.contains("points.txt line 1") && error.contains(says), "{error}");
        }
        assert!(read(&["nowhere.txt".to_owned()]).unwrap_err().to_string().contains("--floor-points nowhere.txt"));
    }
}
