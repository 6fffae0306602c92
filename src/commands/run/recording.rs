//! Writing a day down for `carryout replay`: what was observed, what it caused, and what was known before.
//!
//! A recording holds people's movements and tokens. It is off by default and belongs where only its owner reads.

use super::floor_thread::Recording;
use crate::commands::replay::{BEFORE, Beginning, ENTRIES, OBSERVATIONS, RECORDING};
use crate::events::{Entry, Stamped};
use crate::shop::read::{CATALOGUE_FILE, PLANOGRAM_FILE, SHOP_FILE};
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

/// Begins a recording in `dir`. `shop` is the directory of the shop's files: they are copied as they are, because
/// figures written anew may differ in the last bit, and a replay with them.
pub fn start(dir: &Path, shop: &Path, beginning: &Beginning, before: &[Entry]) -> io::Result<Recording> {
    let private = |dir: &Path| DirBuilder::new().recursive(true).mode(0o700).create(dir);
    private(dir)?;
    private(&dir.join("shop"))?;
    for name in [SHOP_FILE, PLANOGRAM_FILE, CATALOGUE_FILE] {
        std::fs::copy(shop.join(name), dir.join("shop").join(name))?;
    }
    serde_json::to_writer_pretty(create(&dir.join(RECORDING))?, beginning)?;
    let mut known = BufWriter::new(create(&dir.join(BEFORE))?);
    for entry in before {
        ciborium::into_writer(entry, &mut known).map_err(io::Error::other)?;
    }
    known.flush()?;
    let mut observations = BufWriter::new(create(&dir.join(OBSERVATIONS))?);
    let mut entries = BufWriter::new(create(&dir.join(ENTRIES))?);
    let observe = move |stamped: &Stamped, caused: &[Entry]| {
        ciborium::into_writer(stamped, &mut observations).map_err(io::Error::other)?;
        for entry in caused {
            serde_json::to_writer(&mut entries, entry)?;
            entries.write_all(b"\n")?;
        }
        // What was observed is on its way to the disk before what it caused: a crash cuts both at about the same place.
        if !caused.is_empty() {
            observations.flush()?;
            entries.flush()?;
        }
        Ok(())
    };
    Ok(Recording { observe: Box::new(observe) })
}

/// A file that only its owner reads, also in a directory that others may look into.
fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)
}
