//! Secrets that a service manager hands over, looked at by hand.
//!
//! The packaged unit takes `credential:NAME` from `secrets/NAME` beside the config and shows it to the daemon alone. Whoever
//! runs `carryout check` or `doctor` in a shell is handed nothing, but may be able to read where it comes from.

use crate::base::{SecretError, SecretFile};
use crate::config::Config;
use crate::shop::{CameraKind, RtspAddress, Shop};
use std::fs::File;
use std::path::Path;

/// Where the unit takes credentials from, beside the config; `init` writes them there.
pub const SECRETS: &str = "secrets";

/// Names every secret of the config where it can be read from here. A credential that nobody hands us and whose source we
/// may not open stays what it is: only the service can look at it.
pub fn readable_here(config: &mut Config, config_file: &Path) {
    for secret in config.secrets_mut() {
        if let Some(source) = source(secret, config_file) {
            *secret = source;
        }
    }
}

/// The same for the logins that camera addresses name.
pub fn cameras_readable_here(shop: &mut Shop, config_file: &Path) {
    for camera in shop.layout.cameras.values_mut() {
        if let CameraKind::Rtsp { url } = &mut camera.kind
            && let Ok(address) = RtspAddress::parse(url)
            && let Some(source) = address.secret().and_then(|secret| source(secret, config_file))
        {
            *url = address.with_secret(&std::path::absolute(source.to_string()).unwrap_or_default().into());
        }
    }
}

fn source(secret: &SecretFile, config_file: &Path) -> Option<SecretFile> {
    let SecretFile::Credential(name) = secret else { return None };
    if !matches!(secret.path(), Err(SecretError::NoDirectory(_))) {
        return None;
    }
    let source = config_file.with_file_name(SECRETS).join(name);
    File::open(&source).is_ok().then_some(SecretFile::File(source))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_is_looked_for_where_the_unit_takes_it_from() {
        let dir = tempfile::tempdir().unwrap();
        let config = dir.path().join("carryout.toml");
        let named = SecretFile::Credential("web-token".into());
        assert_eq!(source(&named, &config), None, "there is no source: the name as it stands");
        std::fs::create_dir(dir.path().join(SECRETS)).unwrap();
        let file = dir.path().join("secrets/web-token");
        std::fs::write(&file, "x").unwrap();
        assert_eq!(source(&named, &config), Some(SecretFile::File(file)));
        let own = SecretFile::File(dir.path().join("web-token"));
        assert_eq!(source(&own, &config), None, "a plain file is itself");
    }
}
