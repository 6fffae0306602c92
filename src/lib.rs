//! Carryout, in reading order. Imports go one way: base <- shop <- events <- everything else; `tests/tidy.rs` holds it.

pub mod base; //       units, ids, geometry, time, limits
pub mod carts; //      what a visit holds and costs: cart, prices, tax, receipt, charge
pub mod commands;
pub mod config; //     the config file's shape
pub mod events; //     observation in, entry and effect out: the closed vocabulary
pub mod floor; //      the one owner of live state; apply(observation) -> effects
pub mod fusion; //     weights -> steps -> interactions -> claims
pub mod ledger; //     the append-only journal on disk
pub mod perception; // frames -> people
pub mod sensors; //    MQTT and cameras -> observations
pub mod shop; //       the shop as built and stocked: layout, planogram, catalogue
pub mod sim; //        a synthetic shop to test against
pub mod supervise; //  start, watch and stop; the service manager
pub mod sync; //       outbox -> upstream and back
pub mod tracking; //   people -> bodies on the floor plan
pub mod web; //        status page and API //   the verbs of the command line
