//! Cameras to frames: RTSP (H.264, H.265, MJPEG) and files through gstreamer, USB through V4L. Everything about a picture ends in
//! [`crate::perception`]; what leaves there is people.
//!
//!     camera thread --frame--> Mailroom (one slot a camera, newest wins) --> perception worker
//!
//! Each camera has one thread that opens it, watches it and opens it again, for ever. A slow detector costs frames, which
//! are counted by reason; it never costs memory or delays a camera.

mod frame;
pub mod fresh;
mod health;
mod mailroom;
pub mod sender;

#[cfg(feature = "cameras")]
pub mod gst;
#[cfg(feature = "cameras")]
pub mod jpeg;
#[cfg(feature = "cameras")]
mod peek;
#[cfg(feature = "cameras")]
pub mod usb;
#[cfg(feature = "cameras")]
mod watch;

pub use frame::{Frame, Pixels, Plane};
pub use fresh::Fault;
pub use health::{Health, Healths, State};
pub use mailroom::Mailroom;
#[cfg(feature = "cameras")]
pub use peek::Peek;
#[cfg(feature = "cameras")]
pub use watch::{Watch, watch};

use serde::Deserialize;

/// How cameras are watched. Part of the config's `[vision]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CameraOptions {
    /// A connected camera without a frame for this long is frozen and is opened anew. Too low: a camera with few
    /// frames a second is torn down for nothing. Too high: the shop is blind for longer before anybody knows.
    pub no_frame_ms: u64,
    /// A camera that sends no new picture for this long, a whole one among them, shows as frozen.
    pub same_frame_ms: u64,
    /// Longest wait before a dead camera is tried again; the first try comes after a quarter of a second.
    pub retry_ms_max: u64,
    /// Frames a second taken of one camera; the rest are dropped and counted.
    pub fps_max: f64,
    pub decoder: Decoder,
}

/// What may decode streams.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Decoder {
    /// The graphics card where there is one.
    #[default]
    Auto,
    Software,
}

impl Default for CameraOptions {
    fn default() -> Self {
        CameraOptions {
            no_frame_ms: 3_000,
            same_frame_ms: 2_500,
            retry_ms_max: 2_000,
            fps_max: 10.0,
            decoder: Decoder::Auto,
        }
    }
}
