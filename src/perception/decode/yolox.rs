//! YOLOX: every cell of three grids names one box, raw. As published with the model (Ge et al., "YOLOX: Exceeding YOLO
//! Series in 2021", anchor-free head): middle = (offset + cell) * stride, size = exp(offset) * stride,
//! score = objectness * class.

use super::{DecodeError, Tensor, grids};
use crate::perception::boxes::Box2;

/// `[1, cells, 5 + classes] f32`, cells row by row, grid after grid in the order of `strides`.
pub fn decode(
    strides: &[usize],
    class: usize,
    size: (usize, usize),
    answer: &[Tensor],
    threshold: f64,
) -> Result<Vec<Box2>, DecodeError> {
    let wrong = |problem: String| DecodeError { kind: "yolox", problem };
    let [Tensor { shape, data }] = answer else {
        return Err(wrong(format!("{} outputs instead of one", answer.len())));
    };
    let cells: usize = grids(strides, size).map(|(_, across, down)| across * down).sum();
    let &[1, rows, width] = shape.as_slice() else {
        return Err(wrong(format!("shape {shape:?} instead of [1, {cells}, 5 + classes]")));
    };
    if rows != cells || width <= 5 + class || data.len() != rows * width {
        return Err(wrong(format!("shape {shape:?} instead of [1, {cells}, more than {}]", 5 + class)));
    }
    let places = grids(strides, size).flat_map(|(stride, across, down)| {
        (0..down).flat_map(move |row| (0..across).map(move |column| (stride as f64, column as f64, row as f64)))
    });
    let mut boxes = Vec::new();
    for (row, (stride, column, line)) in data.chunks_exact(width).zip(places) {
        let score = f64::from(row[4]) * f64::from(row[5 + class]);
        if score < threshold {
            continue;
        }
        let (w, h) = (libm::exp(f64::from(row[2])) * stride, libm::exp(f64::from(row[3])) * stride);
        let (x, y) = ((f64::from(row[0]) + column) * stride, (f64::from(row[1]) + line) * stride);
        if [x, y, w, h].iter().all(|value| value.is_finite()) {
            boxes.push(Box2 { x: x - w / 2.0, y: y - h / 2.0, w, h, score: score.min(1.0) });
        }
    }
    Ok(boxes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_names_its_box() {
        // A 32 x 16 input with strides 8 and 16: 4 x 2 and 2 x 1 cells, one class.
        let mut data = vec![0.0f32; 10 * 6];
        data[5 * 6..6 * 6].copy_from_slice(&[0.5, 0.25, 0.0, 1.0, 0.9, 0.8]); // stride 8, column 1, row 1
        data[9 * 6..10 * 6].copy_from_slice(&[0.0, 0.0, 0.0, 0.0, 0.5, 0.5]); // stride 16, too faint
        let answer = [Tensor { shape: vec![1, 10, 6], data }];
        let found = decode(&[8, 16], 0, (32, 16), &answer, 0.4).unwrap();
        assert_eq!(found.len(), 1);
        let (x, y) = found[0].middle();
        assert!((x - 12.0).abs() < 1e-9 && (y - 10.0).abs() < 1e-9, "{found:?}");
        assert!((found[0].w - 8.0).abs() < 1e-9 && (found[0].h - 8.0 * 1f64.exp()).abs() < 1e-9, "{found:?}");
        assert!((found[0].score - 0.72).abs() < 1e-6);
        for (strides, class) in [(vec![8usize], 0), (vec![8, 16], 1)] {
            assert!(decode(&strides, class, (32, 16), &answer, 0.4).is_err(), "{strides:?} class {class}");
        }
    }
}
