//! The closed vocabulary between the rooms: what is observed, what is durably so, what is to be done about it.
//!
//!     Observation --Floor::apply--> Effects { now, entries, then }
//!
//! An [`Observation`] comes in with its arrival time. `now` effects may happen at once; `entries` go to the ledger in
//! one transaction with `outbox`; `then` effects happen once that transaction is durable. Replaying the same
//! observations gives the same entries, byte for byte.

mod cloud;
mod effect;
mod entry;
mod observation;
mod weigh;

pub use cloud::cloud_event;
pub use effect::{CartEvent, Decision, Effect, Effects, Outgoing, Reason};
pub use entry::{Claim, Entry, Fact, Hold, InteractionKind, Opening, Outcome, Position, Subject, Track};
pub use observation::{
    Answer, Authorised, ChargeAnswer, Credential, Direction, Observation, Passage, People, Person, PlateSamples,
    Stamped, Tap, Vector, Weights,
};
pub use weigh::{Actor, Guess, Held, Interaction, InteractionId, WeighRequest, Weighed};
