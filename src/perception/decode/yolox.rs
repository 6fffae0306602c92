//! YOLOX: every cell of three grids names one box, raw. As published with the model (Ge et al., "YOLOX: Exceeding YOLO
//! Series in 2021", anchor-free head): middle = (offset + cell) * stride, size = exp(offset) * stride,
//! score = objectness * class.

use super::{DecodeError, Part, grids, single, sure};
use crate::perception::boxes::Box2;
use crate::perception::detection::Detection;

/// `[cells, 5 + classes] f32` a picture, cells row by row, grid after grid in the order of `strides`.
pub fn decode(
    strides: &[usize],
    class: usize,
    size: (usize, usize),
    parts: &[Part<'_>],
    threshold: f64,
) -> Result<Vec<Detection>, DecodeError> {
    let Part { name, shape, data } = single("yolox", parts)?;
    let cells: usize = grids(strides, size).map(|(_, across, down)| across * down).sum();
    let width = match *shape {
        [rows, width] if rows == cells && width > 5 + class => width,
        _ => {
            let problem = format!("output `{name}` is {shape:?} instead of [{cells}, more than {}]", 5 + class);
            return Err(DecodeError { kind: "yolox", problem });
        }
    };
    let places = grids(strides, size).flat_map(|(stride, across, down)| {
        (0..down).flat_map(move |row| (0..across).map(move |column| (stride as f64, column as f64, row as f64)))
    });
    let mut found = Vec::new();
    for (row, (stride, column, line)) in data.chunks_exact(width).zip(places) {
        let Some(score) = sure(f64::from(row[4]) * f64::from(row[5 + class]), threshold) else { continue };
        let (w, h) = (libm::exp(f64::from(row[2])) * stride, libm::exp(f64::from(row[3])) * stride);
        let (x, y) = ((f64::from(row[0]) + column) * stride, (f64::from(row[1]) + line) * stride);
        if [x, y, w, h].iter().all(|value| value.is_finite()) {
            found.push(Detection::of(Box2 { x: x - w / 2.0, y: y - h / 2.0, w, h, score }));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::super::part;
    use super::*;

    #[test]
    fn a_cell_names_its_box() {
        // A 32 x 16 input with strides 8 and 16: 4 x 2 and 2 x 1 cells, one class.
        let mut data = vec![0.0f32; 10 * 6];
        data[5 * 6..6 * 6].copy_from_slice(&[0.5, 0.25, 0.0, 1.0, 0.9, 0.8]); // stride 8, column 1, row 1
        data[9 * 6..10 * 6].copy_from_slice(&[0.0, 0.0, 0.0, 0.0, 0.5, 0.5]); // stride 16, too faint
        let answer = [part("output", &[10, 6], &data)];
        let found = decode(&[8, 16], 0, (32, 16), &answer, 0.4).unwrap();
        assert_eq!(found.len(), 1);
        let found = [found[0].bounds];
        let (x, y) = found[0].middle();
        assert!((x - 12.0).abs() < 1e-9 && (y - 10.0).abs() < 1e-9, "{found:?}");
        assert!((found[0].w - 8.0).abs() < 1e-9 && (found[0].h - 8.0 * 1f64.exp()).abs() < 1e-9, "{found:?}");
        assert!((found[0].score - 0.72).abs() < 1e-6);
        for (strides, class) in [(vec![8usize], 0), (vec![8, 16], 1)] {
            assert!(decode(&strides, class, (32, 16), &answer, 0.4).is_err(), "{strides:?} class {class}");
        }
    }
}
