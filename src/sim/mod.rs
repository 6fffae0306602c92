//! A synthetic shop: shoppers, shelves, gates, cameras, upstream, truth.
//!
//! One seed is one day in the shop, byte for byte. It is made in rooms that grow apart from each other:
//!
//!     script | family | shoppers --wishes--> plan --people--> playback --messages--> live (MQTT) | record (CBOR)
//!                                    |                  |  \--> truth
//!                                  world             shelves, people (cameras), looks, faults, wire
//!
//! | where | says |
//! |---|---|
//! | `parameters.toml` | how things and people behave, every figure with its source |
//! | `families.toml` | what is hard, one difficulty at a time |
//! | `shops` | shops drawn from a seed, half of them held back from training |
//! | `suite` | what attributors are tried on |
//! | `oracle` | what anybody could know at best |
//! | `render` | pictures: what cameras would see of it |
//!
//! Nothing here knows how the daemon explains what it sees; it only ever speaks to it over the wire.

mod aside;
pub mod broker;
pub mod chance;
pub mod daemon;
#[cfg(feature = "cameras")]
pub mod eyes;
pub mod family;
pub mod faults;
pub mod live;
pub mod looks;
pub mod oracle;
pub mod parameters;
pub mod people;
pub mod person;
pub mod plan;
pub mod play;
pub mod playback;
pub mod record;
pub mod render;
pub mod script;
pub mod shelves;
pub mod shoppers;
pub mod shops;
pub mod strip;
pub mod suite;
pub mod truth;
pub mod upstream;
pub mod wire;
pub mod world;

pub use playback::{DeviceMessage, Gates, Playback, Setting};
pub use script::{Script, ScriptError};
pub use shoppers::{Crowd, Style};
pub use truth::{Truth, TruthLine};
pub use world::World;
