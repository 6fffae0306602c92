//! Where a secret is kept: the one place that opens such a file; and how a new one is drawn.
//!
//! A `..._file` key of the config names either a file or `credential:NAME`, which is the file NAME in the directory that
//! the service manager hands its service and nobody else (`LoadCredential=`, `$CREDENTIALS_DIRECTORY`). A secret is read
//! when it is needed, so that it may change, and is never part of an error.

use serde::{Deserialize, Deserializer, de::Error};
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

/// What a `..._file` key says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretFile {
    File(PathBuf),
    /// A name in the service manager's directory.
    Credential(String),
}

#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    #[error(
        "credential:{0} cannot be read: CREDENTIALS_DIRECTORY is not set, so this is not the service; \
         name a file, or start carryout by systemd with LoadCredential={0}"
    )]
    NoDirectory(String),
    #[error("credential:{0} was not handed over; add LoadCredential={0} to the service")]
    NoCredential(String),
    #[error("cannot read {name}: {why}")]
    Unreadable { name: String, why: std::io::Error },
    #[error("{0} is empty; write the secret into its first line")]
    Empty(String),
}

/// A new one that nobody can guess: 128 bits as 32 hexadecimal digits.
pub fn drawn() -> String {
    let mut bits = [0_u8; 16];
    getrandom::fill(&mut bits).expect("a Linux machine draws random bits once it has booted");
    bits.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// How the config marks a credential.
const MARK: &str = "credential:";

/// What systemd calls the directory.
const DIRECTORY: &str = "CREDENTIALS_DIRECTORY";

impl SecretFile {
    /// As the config writes it: a path, or `credential:NAME`.
    pub fn parse(text: &str) -> Result<SecretFile, &'static str> {
        let Some(name) = text.strip_prefix(MARK) else { return Ok(SecretFile::File(text.into())) };
        // What systemd takes for a credential's name; a slash would lead out of its directory.
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if name.is_empty() || name.len() > 255 || name.starts_with('.') || !name.chars().all(plain) {
            return Err("after `credential:` stands a name of letters, digits, dashes and dots");
        }
        Ok(SecretFile::Credential(name.to_owned()))
    }

    /// Relative paths begin at `directory`; a credential stays what it is.
    pub fn resolve(&mut self, directory: &Path) {
        if let SecretFile::File(path) = self {
            *path = directory.join(&*path);
        }
    }

    /// Where it lies now.
    pub fn path(&self) -> Result<PathBuf, SecretError> {
        self.path_in(std::env::var_os(DIRECTORY))
    }

    fn path_in(&self, directory: Option<OsString>) -> Result<PathBuf, SecretError> {
        match (self, directory.filter(|directory| !directory.is_empty())) {
            (SecretFile::File(path), _) => Ok(path.clone()),
            (SecretFile::Credential(name), Some(directory)) => Ok(Path::new(&directory).join(name)),
            (SecretFile::Credential(name), None) => Err(SecretError::NoDirectory(name.clone())),
        }
    }

    /// The whole text; an error if there is none.
    pub fn text(&self) -> Result<String, SecretError> {
        self.text_at(&self.path()?)
    }

    fn text_at(&self, path: &Path) -> Result<String, SecretError> {
        match (std::fs::read_to_string(path), self) {
            (Ok(text), _) if text.trim().is_empty() => Err(SecretError::Empty(self.to_string())),
            (Ok(text), _) => Ok(text),
            (Err(why), SecretFile::Credential(name)) if why.kind() == std::io::ErrorKind::NotFound => {
                Err(SecretError::NoCredential(name.clone()))
            }
            (Err(why), _) => Err(SecretError::Unreadable { name: self.to_string(), why }),
        }
    }

    /// The first line, without its line end.
    pub fn first_line(&self) -> Result<String, SecretError> {
        let text = self.text()?;
        match text.lines().next() {
            Some(line) if !line.trim().is_empty() => Ok(line.to_owned()),
            _ => Err(SecretError::Empty(self.to_string())),
        }
    }
}

/// As the config writes it.
impl fmt::Display for SecretFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SecretFile::File(path) => path.display().fmt(f),
            SecretFile::Credential(name) => write!(f, "{MARK}{name}"),
        }
    }
}

impl From<PathBuf> for SecretFile {
    fn from(path: PathBuf) -> SecretFile {
        SecretFile::File(path)
    }
}

impl<'de> Deserialize<'de> for SecretFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<SecretFile, D::Error> {
        SecretFile::parse(&String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<SecretFile, String> {
        let deserializer = serde::de::value::StrDeserializer::<serde::de::value::Error>::new(text);
        SecretFile::deserialize(deserializer).map_err(|error| error.to_string())
    }

    #[test]
    fn drawn_secrets_are_128_bits_and_never_the_same() {
        let (a, b) = (drawn(), drawn());
        assert_eq!((a.len(), a.chars().all(|c| c.is_ascii_hexdigit())), (32, true));
        assert_ne!(a, b);
    }

    #[test]
    fn a_credential_is_a_name_and_anything_else_a_path() {
        for (text, wanted) in [
            ("web-token", Some(SecretFile::File("web-token".into()))),
            ("/etc/credential:x", Some(SecretFile::File("/etc/credential:x".into()))),
            ("credential:web-token", Some(SecretFile::Credential("web-token".into()))),
            ("credential:", None),
            ("credential:../shadow", None),
            ("credential:..", None),
            ("credential:a b", None),
        ] {
            assert_eq!(read(text).ok(), wanted, "{text}");
        }
        let mut file = SecretFile::File("token".into());
        file.resolve(Path::new("/etc/carryout"));
        assert_eq!(file.to_string(), "/etc/carryout/token");
        let mut credential = SecretFile::Credential("token".into());
        credential.resolve(Path::new("/etc/carryout"));
        assert_eq!(credential.to_string(), "credential:token");
    }

    #[test]
    fn what_is_wrong_with_a_secret_is_said_without_it() {
        let dir = tempfile::tempdir().unwrap();
        let name = SecretFile::Credential("token".into());
        let look = |directory: Option<&Path>| {
            let path = name.path_in(directory.map(|directory| directory.into()))?;
            name.text_at(&path)
        };
        let said = |directory| look(directory).unwrap_err().to_string();
        assert!(said(None).starts_with("credential:token cannot be read: CREDENTIALS_DIRECTORY is not set"));
        assert!(said(Some(Path::new(""))).contains("CREDENTIALS_DIRECTORY is not set"));
        let at = Some(dir.path());
        assert!(said(at).starts_with("credential:token was not handed over; add LoadCredential=token"));
        std::fs::write(dir.path().join("token"), "\n").unwrap();
        assert_eq!(said(at), "credential:token is empty; write the secret into its first line");
        std::fs::write(dir.path().join("token"), b"\xff\xfe").unwrap();
        assert!(said(at).starts_with("cannot read credential:token: "), "{}", said(at));
        std::fs::write(dir.path().join("token"), "s3cret\nand more\n").unwrap();
        assert_eq!(look(at).unwrap(), "s3cret\nand more\n");
        let file = SecretFile::File(dir.path().join("token"));
        assert_eq!(file.first_line().unwrap(), "s3cret");
        std::fs::write(dir.path().join("token"), "\nsecond\n").unwrap();
        assert!(file.first_line().unwrap_err().to_string().ends_with("is empty; write the secret into its first line"));
    }
}
