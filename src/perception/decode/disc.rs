//! Discs: one score a cell and size, already thinned to local peaks by the model (`models/make_disc.py`).

use super::{DecodeError, Tensor};
use crate::perception::boxes::Box2;

/// `[1, radii, height, width] f32`: the score that a disc of `radii[i]` pixels has its middle at that cell.
pub fn decode(radii: &[f32], answer: &[Tensor], threshold: f64) -> Result<Vec<Box2>, DecodeError> {
    let wrong = |problem: String| DecodeError { kind: "disc", problem };
    let [Tensor { shape, data }] = answer else {
        return Err(wrong(format!("{} outputs instead of one", answer.len())));
    };
    let &[1, sizes, height, width] = shape.as_slice() else {
        return Err(wrong(format!("shape {shape:?} instead of [1, {}, height, width]", radii.len())));
    };
    if sizes != radii.len() || data.len() != sizes * height * width {
        return Err(wrong(format!("shape {shape:?} and {} values for {} radii", data.len(), radii.len())));
    }
    let mut boxes = Vec::new();
    for (plane, &radius) in data.chunks_exact((height * width).max(1)).zip(radii) {
        let radius = f64::from(radius);
        for (i, &score) in plane.iter().enumerate() {
            if f64::from(score) >= threshold && score > 0.0 {
                // A pixel's middle is half a pixel in.
                let (x, y) = ((i % width) as f64 + 0.5, (i / width) as f64 + 0.5);
                let score = f64::from(score).min(1.0);
                boxes.push(Box2 { x: x - radius, y: y - radius, w: 2.0 * radius, h: 2.0 * radius, score });
            }
        }
    }
    Ok(boxes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peak_becomes_a_box_around_it() {
        let mut data = vec![0.0; 2 * 4 * 6];
        data[6 + 2] = 0.8; // first size, x = 2, y = 1
        data[24 + 3 * 6 + 5] = 0.3; // second size, too faint
        let answer = [Tensor { shape: vec![1, 2, 4, 6], data }];
        let found = decode(&[2.0, 3.0], &answer, 0.5).unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].middle(), (2.5, 1.5));
        assert_eq!((found[0].w, found[0].h), (4.0, 4.0));
        assert!(decode(&[2.0], &answer, 0.5).unwrap_err().to_string().contains("for 1 radii"));
        assert!(decode(&[2.0], &[], 0.5).is_err());
    }
}
