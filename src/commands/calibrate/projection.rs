//! A 3x4 projection of somebody else's tool: taken apart, doubted, told.

use super::Failure;
use super::subject::in_words;
use crate::shop::decompose::{absurd, apart_px, decompose};
use crate::shop::edit::View;
use crate::shop::projection::Projection;
use std::path::Path;

/// What a lens and a pose may draw elsewhere than the projection they come from, pixels: a slant is let go.
const SAME_PX: f64 = 0.5;

pub fn import(file: &Path, size: (u32, u32)) -> Result<(View, String), Failure> {
    let failed = |why: String| Failure::from(format!("projection {}: {why}", file.display()));
    let text = std::fs::read_to_string(file).map_err(|error| failed(error.to_string()))?;
    let projection = read(&text).map_err(failed)?;
    let (lens, pose) = decompose(&projection).map_err(|why| failed(why.to_string()))?;
    if let Some(why) = absurd(&lens, &pose, size) {
        return Err(failed(why.to_string()));
    }
    let view = View { size, lens, pose };
    let apart = apart_px(&projection, &lens.projection(&pose), size);
    if apart > SAME_PX {
        return Err(failed(format!(
            "its pixels are slanted, which shop.toml's `intrinsics` cannot say: points would be drawn up to {apart:.1} px \
             elsewhere; write it as `projection`"
        )));
    }
    let told =
        format!("projection {}\n{}  draws within {apart:.2} px of the projection\n", file.display(), in_words(&view));
    Ok((view, told))
}

/// Twelve numbers with whatever between them: spaces, commas, brackets, lines; `#` begins a comment.
fn read(text: &str) -> Result<Projection, String> {
    let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default());
    let words = lines.flat_map(|line| line.split(|c: char| c.is_whitespace() || ",;[]()".contains(c)));
    let numbers: Vec<f64> = words
        .filter(|word| !word.is_empty())
        .map(|word| word.parse().map_err(|_| format!("`{}` is not a number", crate::shop::problems::shown(word))))
        .collect::<Result<_, _>>()?;
    let rows: Vec<[f64; 4]> = numbers.chunks_exact(4).map(|row| [row[0], row[1], row[2], row[3]]).collect();
    match <[[f64; 4]; 3]>::try_from(rows) {
        Ok(rows) if numbers.len() == 12 => Ok(rows),
        _ => Err(format!("{} numbers, and 3 rows of 4 are 12", numbers.len())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The four cameras of a real room with people's own measure of it.
    #[test]
    fn projections_of_a_real_room_come_apart() {
        let Ok(field) = std::env::var("CARRYOUT_FIELD_DATA") else {
            eprintln!("skipped: CARRYOUT_FIELD_DATA names no folder of field data");
            return;
        };
        for camera in 1..=4 {
            let file = Path::new(&field).join(format!("cmc/calib/cam{camera}_P_3x4.txt"));
            let projection = read(&std::fs::read_to_string(&file).unwrap()).unwrap();
            let (view, told) = import(&file, (1920, 1080)).unwrap();
            let apart = apart_px(&projection, &view.lens.projection(&view.pose), view.size);
            assert!(apart < 0.1, "camera {camera}: {apart} px");
            let z = view.pose.position.z;
            assert!((2.1..2.3).contains(&z), "camera {camera} hangs at 2.2 m: {told}");
            assert!(import(&file, (640, 480)).unwrap_err().to_string().contains("principal point"), "another picture");
        }
    }

    #[test]
    fn twelve_numbers_are_read_however_they_are_written() {
        let expected = [[1.0, 0.0, 0.0, 0.5], [0.0, -2e3, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0]];
        for text in [
            "1 0 0 .5\n0 -2e3 0 0\n0 0 1 0\n",
            "[[1, 0, 0, 0.5],\n [0, -2000, 0, 0], # y\n [0, 0, 1, 0]]",
            "1;0;0;0.5;0;-2000;0;0;0;0;1;0",
        ] {
            assert_eq!(read(text).unwrap(), expected, "{text}");
        }
        for (text, says) in [("1 2 3", "3 numbers"), ("1 2 x", "`x` is not a number"), ("", "0 numbers")] {
            assert!(read(text).unwrap_err().contains(says), "{text}");
        }
        let thirteen = "1 0 0 .5 0 2 0 0 0 0 1 0 7";
        assert!(read(thirteen).unwrap_err().contains("13 numbers"));
    }
}
