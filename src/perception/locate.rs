//! Files that come with the program: beside the working directory, or beside the executable and its ancestors, so that
//! a checkout (`target/release/carryout`), a package (`/usr/bin/carryout`) and a test binary all find theirs.

use std::path::{Path, PathBuf};

/// Folders under an ancestor of the executable where a package keeps what a checkout has at its root.
const PACKAGED: &str = "share/carryout";

/// `path` itself when it is absolute or exists from here, else the first hit beside the executable; `path` unchanged
/// when there is none, so that the error names what was asked for.
pub fn file(path: &Path) -> PathBuf {
    if path.is_absolute() || path.exists() {
        return path.to_owned();
    }
    let found = beside_executable(|folder| {
        [folder.join(path), folder.join(PACKAGED).join(path)].into_iter().find(|candidate| candidate.exists())
    });
    found.unwrap_or_else(|| path.to_owned())
}

/// The first answer for the executable's folder or one of its ancestors, nearest first.
pub fn beside_executable(find: impl Fn(&Path) -> Option<PathBuf>) -> Option<PathBuf> {
    let executable = std::env::current_exe().ok()?;
    executable.ancestors().skip(1).find_map(find)
}
