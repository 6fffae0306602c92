//! Device messages to observations: one device kind a file.

use crate::base::Ack;
use crate::events::Stamped;

/// An observation on its way to the floor, with the acknowledgement owed once what it causes is durable.
#[derive(Debug)]
pub struct Incoming {
    pub stamped: Stamped,
    pub ack: Option<Ack>,
}
