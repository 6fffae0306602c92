//! Discs: one score a cell and size, already thinned to local peaks by the model (`models/make_disc.py`).

use super::{DecodeError, Part, single, sure};
use crate::perception::boxes::Box2;
use crate::perception::detection::Detection;

/// `[radii, height, width] f32` a picture: the score that a disc of `radii[i]` pixels has its middle at that cell.
pub fn decode(radii: &[f32], parts: &[Part<'_>], threshold: f64) -> Result<Vec<Detection>, DecodeError> {
    let Part { name, shape, data } = single("disc", parts)?;
    let &[sizes, height, width] = shape else {
        return Err(wrong(format!("output `{name}` is {shape:?} instead of [{}, height, width]", radii.len())));
    };
    if sizes != radii.len() {
        return Err(wrong(format!("output `{name}` is {shape:?} for {} radii", radii.len())));
    }
    let mut found = Vec::new();
    for (plane, &radius) in data.chunks_exact((height * width).max(1)).zip(radii) {
        let radius = f64::from(radius);
        for (i, &score) in plane.iter().enumerate() {
            if let Some(score) = sure(f64::from(score), threshold) {
                // A pixel's middle is half a pixel in.
                let (x, y) = ((i % width) as f64 + 0.5, (i / width) as f64 + 0.5);
                let bounds = Box2 { x: x - radius, y: y - radius, w: 2.0 * radius, h: 2.0 * radius, score };
                found.push(Detection::of(bounds));
            }
        }
    }
    Ok(found)
}

fn wrong(problem: String) -> DecodeError {
    DecodeError { kind: "disc", problem }
}

#[cfg(test)]
mod tests {
    use super::super::part;
    use super::*;

    #[test]
    fn a_peak_becomes_a_box_around_it() {
        let mut data = vec![0.0; 2 * 4 * 6];
        data[6 + 2] = 0.8; // first size, x = 2, y = 1
        data[24 + 3 * 6 + 5] = 0.3; // second size, too faint
        let answer = [part("score", &[2, 4, 6], &data)];
        let found = decode(&[2.0, 3.0], &answer, 0.5).unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].bounds.middle(), (2.5, 1.5));
        assert_eq!((found[0].bounds.w, found[0].bounds.h), (4.0, 4.0));
        assert!(decode(&[2.0], &answer, 0.5).unwrap_err().to_string().contains("for 1 radii"));
        assert!(decode(&[2.0], &[], 0.5).unwrap_err().to_string().contains("0 outputs"));
    }
}
