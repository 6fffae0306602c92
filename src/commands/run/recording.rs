//! Writing a day down for `carryout replay`: what was observed, what it caused, and what was known before.
//!
//! A recording holds people's movements and tokens. It is off by default and belongs where only its owner reads.

use super::floor_thread::Recording;
use crate::commands::replay::{BEFORE, ENTRIES, OBSERVATIONS, POLICY, RecordedPolicy};
use crate::config::Config;
use crate::events::Entry;
use crate::shop::Shop;
use std::fs::{DirBuilder, File};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

pub fn start(dir: &Path, shop: &Shop, config: &Config, before: &[Entry]) -> io::Result<Recording> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    shop.write(dir.join("shop"))?;
    let policy = RecordedPolicy { policy: config.policy.clone() };
    std::fs::write(dir.join(POLICY), serde_json::to_vec_pretty(&policy)?)?;
    let mut known = BufWriter::new(File::create(dir.join(BEFORE))?);
    for entry in before {
        ciborium::into_writer(entry, &mut known).map_err(io::Error::other)?;
    }
    known.flush()?;
    let mut observations = BufWriter::new(File::create(dir.join(OBSERVATIONS))?);
    let mut entries = BufWriter::new(File::create(dir.join(ENTRIES))?);
    let observe = move |stamped: &crate::events::Stamped, caused: &[Entry]| {
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
