//! What comes and goes over a real broker.

#[path = "../common/device.rs"]
mod device;
#[path = "../common/mosquitto.rs"]
mod mosquitto;
#[path = "../common/small_shop.rs"]
mod small_shop;

mod broker;
mod docs;
mod input;
mod scales;
mod tls;
