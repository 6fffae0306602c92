//! What comes and goes over a real broker.

#[path = "../common/device.rs"]
mod device;
#[path = "../common/mosquitto.rs"]
mod mosquitto;
#[path = "../common/pki.rs"]
mod pki;
#[path = "../common/small_shop.rs"]
mod small_shop;

mod access;
mod broker;
mod docs;
mod input;
mod scales;
mod tls;
