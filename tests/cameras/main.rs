//! The camera path on real parts. Without its features there is none.
#![cfg(all(feature = "cameras", feature = "onnx"))]

mod disc;
mod live;
mod walkers;
