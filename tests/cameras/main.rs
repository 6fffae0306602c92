//! The camera path on real parts. Without its features there is none.
#![cfg(all(feature = "cameras", feature = "onnx"))]

mod disc;
mod live;
mod models;
mod onnx;
mod walkers;

use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// A stream that is decoded too late loses pictures, as it should; whether the camera path is right must not depend on it.
/// What lives in real time shares the machine, what needs or takes all of it runs alone.
static MACHINE: RwLock<()> = RwLock::new(());

fn shared() -> RwLockReadGuard<'static, ()> {
    MACHINE.read().unwrap_or_else(PoisonError::into_inner)
}

fn alone() -> RwLockWriteGuard<'static, ()> {
    MACHINE.write().unwrap_or_else(PoisonError::into_inner)
}
