//! Models for tests, written byte by byte: constants as answers, or the picture itself. As much of protobuf and ONNX as that
//! needs (field numbers of onnx.proto3; `models/make_disc.py` says more).

/// A dimension of an input.
pub enum Side {
    Is(usize),
    /// As many as come.
    Any,
}

use Side::{Any, Is};

pub enum Values {
    F32(Vec<f32>),
    I64(Vec<i64>),
}

/// An answer that is the same whatever is seen.
pub struct Answer {
    pub name: &'static str,
    pub shape: Vec<usize>,
    pub values: Values,
}

impl Answer {
    pub fn zeros(name: &'static str, shape: &[usize]) -> Answer {
        Answer { name, shape: shape.to_vec(), values: Values::F32(vec![0.0; shape.iter().product()]) }
    }
}

/// Takes `[n, 1, height, width]` and answers `score` of the same shape: the picture.
pub fn mirror((width, height): (usize, usize), n: Side) -> Vec<u8> {
    let sides = [n, Is(1), Is(height), Is(width)];
    let node = node("Identity", "luma", "score");
    model(&[node, value(11, "luma", FLOAT, &sides), value(12, "score", FLOAT, &sides)].concat())
}

/// Takes pictures `[1, 3, height, width]` (and sizes, if they have a name) and answers always the same.
pub fn oracle((width, height): (usize, usize), sizes: Option<&str>, answers: &[Answer]) -> Vec<u8> {
    let mut graph = value(11, "images", FLOAT, &[Is(1), Is(3), Is(height), Is(width)]);
    graph.extend(sizes.map(|name| value(11, name, INT64, &[Any, Is(2)])).unwrap_or_default());
    for Answer { name, shape, values } in answers {
        let known = format!("known {name}");
        let (kind, raw): (u64, Vec<u8>) = match values {
            Values::F32(values) => (FLOAT, values.iter().flat_map(|v| v.to_le_bytes()).collect()),
            Values::I64(values) => (INT64, values.iter().flat_map(|v| v.to_le_bytes()).collect()),
        };
        let dims: Vec<u8> = shape.iter().flat_map(|&side| number(1, side as u64)).collect();
        let tensor = [dims, number(2, kind), text(8, &known), nested(9, &raw)].concat();
        graph.extend(node("Identity", &known, name));
        graph.extend(nested(5, &tensor));
        let sides: Vec<Side> = shape.iter().map(|&side| Is(side)).collect();
        graph.extend(value(12, name, kind, &sides));
    }
    model(&graph)
}

const FLOAT: u64 = 1;
const INT64: u64 = 7;

fn varint(mut n: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while n > 127 {
        bytes.push(n as u8 | 128);
        n >>= 7;
    }
    bytes.push(n as u8);
    bytes
}

fn number(field: u64, n: u64) -> Vec<u8> {
    [varint(field << 3), varint(n)].concat()
}

fn nested(field: u64, content: &[u8]) -> Vec<u8> {
    [varint(field << 3 | 2), varint(content.len() as u64), content.to_vec()].concat()
}

fn text(field: u64, content: &str) -> Vec<u8> {
    nested(field, content.as_bytes())
}

fn node(kind: &str, input: &str, output: &str) -> Vec<u8> {
    nested(1, &[text(1, input), text(2, output), text(3, output), text(4, kind)].concat())
}

/// An input (field 11) or output (field 12) of a graph.
fn value(field: u64, name: &str, kind: u64, sides: &[Side]) -> Vec<u8> {
    let sides = sides.iter().flat_map(|side| {
        nested(
            1,
            &match side {
                Is(n) => number(1, *n as u64),
                Any => text(2, "n"),
            },
        )
    });
    let tensor = [number(1, kind), nested(2, &sides.collect::<Vec<u8>>())].concat();
    nested(field, &[text(1, name), nested(2, &nested(1, &tensor))].concat())
}

fn model(nodes_and_values: &[u8]) -> Vec<u8> {
    let graph = [text(2, "for a test"), nodes_and_values.to_vec()].concat();
    // IR version 8 and operator set 13, as models/disc.onnx.
    [number(1, 8), nested(7, &graph), nested(8, &[text(1, ""), number(2, 13)].concat())].concat()
}
