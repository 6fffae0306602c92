//! The camera path on real parts. Without its features there is none.
#![cfg(all(feature = "cameras", feature = "onnx"))]

// Not all of it is used here.
#[allow(dead_code)]
#[path = "../web/browser.rs"]
mod browser;
#[path = "../common/mod.rs"]
mod common;
#[path = "../common/mosquitto.rs"]
mod mosquitto;

mod calibrate;
mod calibrate_page;
mod campaign;
mod disc;
mod live;
mod models;
mod onnx;
mod perceive;
mod rendered;
mod server;
mod streams;
mod usb;
mod walkers;
mod watch;

use std::io::Write;
use std::sync::{Mutex, Once, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// A stream that is decoded too late loses pictures, as it should; whether the camera path is right must not depend on it.
/// What lives in real time shares the machine, what needs or takes all of it runs alone.
static MACHINE: RwLock<()> = RwLock::new(());

fn shared() -> RwLockReadGuard<'static, ()> {
    MACHINE.read().unwrap_or_else(PoisonError::into_inner)
}

fn alone() -> RwLockWriteGuard<'static, ()> {
    MACHINE.write().unwrap_or_else(PoisonError::into_inner)
}

/// Everything that was logged since somebody listened, by all tests of this program.
static LOG: Mutex<Vec<u8>> = Mutex::new(Vec::new());

struct Log;

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        LOG.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn listen_to_the_log() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_ansi(false).with_writer(|| Log).init();
    });
}

fn log_so_far() -> String {
    String::from_utf8_lossy(&LOG.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
}
