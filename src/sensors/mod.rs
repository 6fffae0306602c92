//! Device messages to observations: one device kind a file.
//!
//!     broker --mqtt--> topic --> shelf | gate | people --door--> floor
//!                      scales -->
//!     floor --effects--> publish --mqtt--> broker
//!
//! Everything is checked here, at the door (`wire`, `base::card`); behind it nobody checks again. Bad input is a counted,
//! named refusal and stops nothing.

pub mod camera; // RTSP, USB and files -> frames

use crate::base::Ack;
use crate::events::Stamped;

mod door;
pub mod ear; // the broker, for those who only listen
pub mod gate;
pub mod mqtt;
pub mod onvif; // cameras that say where they are
mod outbox;
pub mod people;
pub mod publish;
pub mod scales; // plain numbers -> weights
pub mod shelf;
pub mod topic;
pub mod wire;

/// An observation on its way to the floor, with the acknowledgement owed once what it causes is durable.
#[derive(Debug)]
pub struct Incoming {
    pub stamped: Stamped,
    pub ack: Option<Ack>,
}
