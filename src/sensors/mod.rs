//! Device messages to observations: one device kind a file.

pub mod camera; // RTSP, USB and files -> frames

use crate::base::Ack;
use crate::events::Stamped;

/// An observation on its way to the floor, with the acknowledgement owed once what it causes is durable.
#[derive(Debug)]
pub struct Incoming {
    pub stamped: Stamped,
    pub ack: Option<Ack>,
}
