//! Cameras that say where they are: ONVIF, for whoever sets a shop up. The daemon itself never speaks it.
//!
//!     [probe]  "who is a camera?" --multicast--> every camera answers with its addresses
//!     [media]  "which streams have you?" --HTTP, with user and password--> an rtsp:// address
//!
//! What comes back was written by a device of any make: it is read whole by a real reader ([`xml`]), within limits, and
//! what cannot be understood is a named problem of that one device.

pub mod media;
pub mod probe;
mod xml;

pub use media::{Login, Stream, stream_of};
pub use probe::{Device, Discovery, discover};
