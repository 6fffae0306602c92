//! RT-DETR: a fixed number of queries, each perhaps a person (Zhao et al., "DETRs Beat YOLOs on Real-time Object
//! Detection", 2023). Two exports are about, told apart by their outputs.

use super::{DecodeError, Part, sure, told};
use crate::perception::boxes::Box2;
use crate::perception::detection::Detection;

/// Either three outputs a picture, post-processed in the graph: `labels` `[queries]`, `boxes` `[queries, 4]` as left, top,
/// right, bottom in pixels of the picture size the model is told (the input's), `scores` `[queries]`.
/// Or a single one `[queries, 4 + classes]`: middle, width, height in 0..=1 of the input and a score a class, sigmoids already.
pub fn decode(
    class: usize,
    size: (usize, usize),
    parts: &[Part<'_>],
    threshold: f64,
) -> Result<Vec<Detection>, DecodeError> {
    let wrong = |problem: String| DecodeError { kind: "rtdetr", problem };
    if let [Part { name, shape, data }] = parts {
        let &&[_, width] = shape else {
            return Err(wrong(format!("output `{name}` is {shape:?} instead of [queries, 4 + classes]")));
        };
        if width <= 4 + class {
            return Err(wrong(format!("output `{name}` is {shape:?} instead of [queries, more than {}]", 4 + class)));
        }
        let (across, down) = (size.0 as f64, size.1 as f64);
        let people = data.chunks_exact(width).filter_map(|query| {
            let [x, y, w, h] = [query[0], query[1], query[2], query[3]].map(f64::from);
            person([x - w / 2.0, y - h / 2.0, x + w / 2.0, y + h / 2.0], query[4 + class], threshold)
        });
        return Ok(people.map(|person| person.scaled(1.0 / across, 1.0 / down)).collect());
    }
    let find = |name: &str| {
        let missing = || wrong(format!("no output `{name}` among {}", told(parts)));
        parts.iter().find(|part| part.name == name).ok_or_else(missing)
    };
    let (labels, boxes, scores) = (find("labels")?, find("boxes")?, find("scores")?);
    let queries = scores.data.len();
    if labels.data.len() != queries || boxes.shape != [queries, 4] {
        let wanted = format!("[{queries}], [{queries}, 4] and [{queries}] of labels, boxes and scores");
        return Err(wrong(format!("{} instead of {wanted}", told(parts))));
    }
    let rows = labels.data.iter().zip(boxes.data.chunks_exact(4)).zip(scores.data);
    let people = rows.filter(|((label, _), _)| **label == class as f32);
    Ok(people
        .filter_map(|((_, b), score)| person([b[0], b[1], b[2], b[3]].map(f64::from), *score, threshold))
        .collect())
}

fn person([left, top, right, bottom]: [f64; 4], score: f32, threshold: f64) -> Option<Detection> {
    let score = sure(f64::from(score), threshold)?;
    let bounds = Box2 { x: left, y: top, w: right - left, h: bottom - top, score };
    let is_box = bounds.area().is_finite() && bounds.w > 0.0 && bounds.h > 0.0;
    is_box.then(|| Detection::of(bounds))
}

#[cfg(test)]
mod tests {
    use super::super::part;
    use super::*;

    #[test]
    fn both_exports_name_the_same_person() {
        // A 640 x 320 input; the person is 64 x 160 around (320, 160). The second query sees a class-1 thing, the third is
        // too faint, the fourth has no width.
        let queries = [
            [0.5, 0.5, 0.1, 0.5, 0.9, 0.1],
            [0.2, 0.2, 0.1, 0.1, 0.1, 0.9],
            [0.8, 0.5, 0.1, 0.5, 0.2, 0.1],
            [0.8, 0.5, 0.0, 0.5, 0.9, 0.1],
        ];
        let single = queries.concat();
        let boxes: Vec<f32> = queries
            .iter()
            .flat_map(|[x, y, w, h, ..]| {
                [(x - w / 2.0) * 640.0, (y - h / 2.0) * 320.0, (x + w / 2.0) * 640.0, (y + h / 2.0) * 320.0]
            })
            .collect();
        let (labels, scores) = ([0.0, 1.0, 0.0, 0.0], [0.9, 0.9, 0.2, 0.9]);
        let triple = [part("labels", &[4], &labels), part("boxes", &[4, 4], &boxes), part("scores", &[4], &scores)];
        for (export, parts) in [("queries", &[part("output0", &[4, 6], &single)][..]), ("post-processed", &triple)] {
            let found = decode(0, (640, 320), parts, 0.4).unwrap();
            assert_eq!(found.len(), 1, "{export}: {found:?}");
            let Box2 { x, y, w, h, score } = found[0].bounds;
            for (value, expected) in [(x, 288.0), (y, 80.0), (w, 64.0), (h, 160.0), (score, 0.9)] {
                assert!((value - expected).abs() < 1e-4, "{export}: {:?}", found[0].bounds);
            }
        }
        for (parts, says) in [
            (&[part("output0", &[24], &single)][..], "`output0` is [24] instead of [queries, 4 + classes]"),
            (&[part("output0", &[6, 4], &single)], "instead of [queries, more than 4]"),
            (&triple[..2], "no output `scores` among 2 outputs `labels` [4], `boxes` [4, 4]"),
            (
                &[triple[0], part("boxes", &[2, 8], &boxes), triple[2]],
                "`boxes` [2, 8], `scores` [4] instead of [4], [4, 4]",
            ),
        ] {
            let told = decode(0, (640, 320), parts, 0.4).unwrap_err().to_string();
            assert!(told.contains(says), "{told}");
        }
    }
}
