//! Where an RTSP camera is, and whose login goes with it.
//!
//! Before the `@` of an address stands `user:password`, or in braces what a `..._file` key of the config would say:
//! `rtsp://{credential:cameras}@10.0.0.5/live`, `rtsp://{/etc/carryout/secrets/door}@10.0.0.5/live`. Whatever stands there
//! is taken off first: what is left may be shown, logged and handed to libraries that put addresses into their errors. A
//! secret is read when the camera is called, so that it may change, and nobody but the camera is told.

use crate::base::{SecretError, SecretFile};
use std::fmt;

#[derive(Clone, PartialEq, Eq)]
pub struct RtspAddress {
    /// Without its login.
    pub location: String,
    login: Login,
}

#[derive(Clone, PartialEq, Eq)]
enum Login {
    None,
    /// As typed into the address, without its escapes.
    Typed(String, String),
    /// `user:password` in its first line.
    Secret(SecretFile),
}

#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    #[error(transparent)]
    Secret(#[from] SecretError),
    #[error("{0} does not hold user:password in its first line")]
    Shape(String),
}

impl RtspAddress {
    /// The error ends the sentence "`url` of camera door ...".
    pub fn parse(url: &str) -> Result<RtspAddress, String> {
        let scheme = ["rtsp://", "rtsps://"].into_iter().find(|scheme| url.starts_with(scheme));
        let Some(scheme) = scheme else { return Err("does not begin with rtsp://".into()) };
        let rest = &url[scheme.len()..];
        let (login, rest) = match rest.strip_prefix('{') {
            Some(inside) => {
                let (name, rest) = inside.split_once("}@").ok_or("opens a brace that `}@` does not close")?;
                let secret = SecretFile::parse(name).map_err(|why| format!("names no secret: {why}"))?;
                if let SecretFile::File(path) = &secret
                    && !path.is_absolute()
                {
                    return Err("names a secret that is neither `credential:NAME` nor a path from the root".into());
                }
                (Login::Secret(secret), rest)
            }
            None => {
                let host_ends = rest.find(['/', '?', '#']).unwrap_or(rest.len());
                match rest[..host_ends].rfind('@') {
                    Some(at) => {
                        let (user, password) = rest[..at].split_once(':').unwrap_or((&rest[..at], ""));
                        (Login::Typed(unescaped(user), unescaped(password)), &rest[at + 1..])
                    }
                    None => (Login::None, rest),
                }
            }
        };
        if rest.is_empty() || rest.starts_with(['/', ':', '?']) {
            return Err("has no host; write rtsp://host/path".into());
        }
        Ok(RtspAddress { location: format!("{scheme}{rest}"), login })
    }

    /// The secret that it names.
    pub fn secret(&self) -> Option<&SecretFile> {
        match &self.login {
            Login::Secret(secret) => Some(secret),
            _ => None,
        }
    }

    /// User and password, read now.
    pub fn login(&self) -> Result<Option<(String, String)>, LoginError> {
        match &self.login {
            Login::None => Ok(None),
            Login::Typed(user, password) => Ok(Some((user.clone(), password.clone()))),
            Login::Secret(secret) => {
                let line = secret.first_line()?;
                let (user, password) =
                    line.trim().split_once(':').ok_or_else(|| LoginError::Shape(secret.to_string()))?;
                Ok(Some((user.to_owned(), password.to_owned())))
            }
        }
    }

    /// The address with another secret in the same place.
    pub fn with_secret(&self, secret: &SecretFile) -> String {
        let scheme = self.location.find("://").map_or(0, |at| at + 3);
        format!("{}{{{secret}}}@{}", &self.location[..scheme], &self.location[scheme..])
    }
}

/// Never the login.
impl fmt::Debug for RtspAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.location)
    }
}

/// `%40` to `@`. What is no escape stays as it is: people paste passwords.
fn unescaped(text: &str) -> String {
    percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_is_taken_off_the_address() {
        let typed = |user: &str, password: &str| Login::Typed(user.into(), password.into());
        let named = |name: &str| Login::Secret(SecretFile::parse(name).unwrap());
        for (url, location, login) in [
            ("rtsp://10.0.0.5/live", "rtsp://10.0.0.5/live", Login::None),
            ("rtsp://ann:s3cret@10.0.0.5:554/live", "rtsp://10.0.0.5:554/live", typed("ann", "s3cret")),
            ("rtsps://ann:p%40ss%3A@[::1]/a?b=c@d", "rtsps://[::1]/a?b=c@d", typed("ann", "p@ss:")),
            ("rtsp://ann:50%@host", "rtsp://host", typed("ann", "50%")),
            ("rtsp://ann@host/", "rtsp://host/", typed("ann", "")),
            ("rtsp://{credential:cameras}@host/x", "rtsp://host/x", named("credential:cameras")),
            ("rtsp://{/etc/carryout/secrets/x}@host/x", "rtsp://host/x", named("/etc/carryout/secrets/x")),
        ] {
            let address = RtspAddress::parse(url).unwrap();
            assert_eq!(address.location, location, "{url}");
            assert!(address.login == login, "{url}");
            assert_eq!(format!("{address:?}"), location, "{url}: the log sees no login");
        }
    }

    #[test]
    fn an_address_that_leads_nowhere_is_refused_without_its_password() {
        for url in [
            "http://ann:s3cret@host/",
            "rtsp://",
            "rtsp://ann:s3cret@/live",
            "rtsp://:554/live",
            "rtsp://{credential:cameras@host/s3cret",
            "rtsp://{credential:../s3cret}@host/",
            "rtsp://{secrets/s3cret}@host/",
        ] {
            let why = RtspAddress::parse(url).unwrap_err();
            assert!(!why.contains("s3cret"), "{url}: {why}");
        }
    }

    #[test]
    fn a_named_login_is_read_when_it_is_needed() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("door");
        let url = format!("rtsp://{{{}}}@host/live", file.display());
        let address = RtspAddress::parse(&url).unwrap();
        assert_eq!(address.with_secret(address.secret().unwrap()), url);
        assert!(address.login().unwrap_err().to_string().starts_with("cannot read "));
        std::fs::write(&file, "s3cret\n").unwrap();
        let why = address.login().unwrap_err().to_string();
        assert!(why.ends_with("does not hold user:password in its first line") && !why.contains("s3cret"), "{why}");
        std::fs::write(&file, "ann:s3:cret\nand more\n").unwrap();
        assert_eq!(address.login().unwrap(), Some(("ann".to_owned(), "s3:cret".to_owned())));
    }
}
