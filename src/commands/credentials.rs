//! Secrets that a service manager hands over, looked at by hand.
//!
//! The packaged unit reads them from `secrets/` beside the config and shows them to the daemon alone, under
//! `/run/credentials/carryout.service/`. Whoever runs `carryout check` or `doctor` in a shell cannot see them there, but
//! may be able to read where they come from.

use std::path::{Path, PathBuf};

const HANDED_OVER: &str = "/run/credentials";

/// Where the secret can be read from here: as named, or what the unit makes it of.
pub fn readable_here(named: &Path, config_file: &Path) -> PathBuf {
    let source = named.file_name().map(|name| config_file.with_file_name("secrets").join(name));
    match source {
        Some(source) if named.starts_with(HANDED_OVER) && !named.exists() && source.exists() => source,
        _ => named.to_owned(),
    }
}

/// Whether the secret comes through the service manager.
pub fn is_handed_over(named: &Path) -> bool {
    named.starts_with(HANDED_OVER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_looked_for_where_the_unit_takes_it_from() {
        let dir = tempfile::tempdir().unwrap();
        let config = dir.path().join("carryout.toml");
        let named = Path::new("/run/credentials/carryout.service/web-token");
        assert_eq!(readable_here(named, &config), named, "there is no source: the name as it stands");
        std::fs::create_dir(dir.path().join("secrets")).unwrap();
        let source = dir.path().join("secrets/web-token");
        std::fs::write(&source, "x").unwrap();
        assert_eq!(readable_here(named, &config), source);
        let own = dir.path().join("web-token");
        assert_eq!(readable_here(&own, &config), own, "a plain file is itself");
    }
}
