//! The real daemon, started as a service manager would, with a real broker, a real ledger and the reference upstream.
//!
//! `shop` is the shop around it: people, plates, gates and a camera in real time. The stories are few and long, because
//! a second in here is a second; one program holds them all, so that they run side by side. Without mosquitto they are
//! skipped, and say so.

#[path = "../common/mosquitto.rs"]
mod mosquitto;
#[path = "../common/pki.rs"]
mod pki;
#[path = "../common/world.rs"]
mod world;

mod shop;

mod bad_input;
// Once a test run is enough: with everything, not with the core alone.
#[cfg(feature = "cameras")]
mod campaign;
mod demo;
mod disk;
mod doctor;
mod init;
mod kill;
mod onvif;
mod page;
mod poison;
mod reload;
mod replay;
mod scales;
mod secrets;
mod simulator;
mod tls;
mod unacked;
mod watchdog;
