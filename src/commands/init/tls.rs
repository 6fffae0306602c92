//! Certificates for the broker: what the flags name, copied beside the config, because the service may not read where
//! somebody keeps them at home; and the keys of `[mqtt]` that name the copies.

use crate::commands::credentials::SECRETS;
use crate::sensors::mqtt::MqttOptions;
use std::fs;
use std::path::{Path, PathBuf};

/// What the broker is spoken to with beside a password. Unset: in the open.
#[derive(Debug, Default)]
pub struct Tls {
    ca: Option<Ca>,
    /// Our certificate and its key, PEM.
    own: Option<(String, String)>,
}

#[derive(Debug)]
enum Ca {
    /// PEM, to be copied.
    Copy(String),
    /// The system keeps it up to date.
    System(PathBuf),
}

/// Where systems keep the bundle of the CAs that everybody believes.
const SYSTEMS_OWN: &str = "/etc/ssl/certs";
const CA: &str = "broker-ca.crt";
const OWN: &str = "carryout.crt";
const KEY: &str = "mqtt-key";

impl Tls {
    /// Takes in the files that the broker was heard with.
    pub fn read(options: &MqttOptions) -> Result<Tls, String> {
        let read =
            |path: &Path| fs::read_to_string(path).map_err(|error| format!("reading {}: {error}", path.display()));
        let ca = match &options.ca_file {
            Some(path) if path.starts_with(SYSTEMS_OWN) => Some(Ca::System(path.clone())),
            Some(path) => Some(Ca::Copy(read(path)?)),
            None => None,
        };
        let own = match (&options.client_cert_file, &options.client_key_file) {
            (Some(certificate), Some(key)) => {
                Some((read(certificate)?, key.text().map_err(|error| error.to_string())?))
            }
            _ => None,
        };
        Ok(Tls { ca, own })
    }

    /// What is copied: path below the shop's directory, text and mode.
    pub fn files(&self) -> impl Iterator<Item = (PathBuf, String, u32)> {
        let ca = match &self.ca {
            Some(Ca::Copy(text)) => Some((CA.into(), text.clone(), 0o644)),
            _ => None,
        };
        let own = self.own.iter().flat_map(|(certificate, key)| {
            let key_file = Path::new(SECRETS).join(KEY);
            [(OWN.into(), certificate.clone(), 0o644), (key_file, key.clone(), 0o600)]
        });
        ca.into_iter().chain(own)
    }

    /// Lines of `[mqtt]`. `quoted` writes a text as TOML does, `secret` where a secret of a name lies.
    pub fn keys(&self, quoted: impl Fn(&str) -> String, secret: impl Fn(&str) -> String) -> String {
        let mut keys = match &self.ca {
            Some(Ca::Copy(_)) => format!("ca_file = {}\n", quoted(CA)),
            Some(Ca::System(path)) => format!("ca_file = {}\n", quoted(&path.to_string_lossy())),
            None => String::new(),
        };
        if self.own.is_some() {
            keys += &format!("client_cert_file = {}\nclient_key_file = {}\n", quoted(OWN), secret(KEY));
        }
        keys
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::SecretFile;

    #[test]
    fn files_are_copied_under_names_of_ours_and_the_systems_bundle_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let put = |name: &str| {
            fs::write(dir.path().join(name), name).unwrap();
            dir.path().join(name)
        };
        let mut options = MqttOptions {
            ca_file: Some(put("theirs.pem")),
            client_cert_file: Some(put("own.pem")),
            client_key_file: Some(SecretFile::File(put("own.key"))),
            ..MqttOptions::default()
        };
        let keys = |tls: &Tls| tls.keys(|text| format!("<{text}>"), |name| format!("<secret {name}>"));
        let all = Tls::read(&options).unwrap();
        let copied: Vec<_> = all.files().map(|(path, text, mode)| (path.display().to_string(), text, mode)).collect();
        let wanted = [
            ("broker-ca.crt", "theirs.pem", 0o644),
            ("carryout.crt", "own.pem", 0o644),
            ("secrets/mqtt-key", "own.key", 0o600),
        ];
        assert_eq!(copied, wanted.map(|(path, text, mode)| (path.to_owned(), text.to_owned(), mode)));
        let named =
            "ca_file = <broker-ca.crt>\nclient_cert_file = <carryout.crt>\nclient_key_file = <secret mqtt-key>\n";
        assert_eq!(keys(&all), named);

        options.client_cert_file = None;
        options.ca_file = Some("/etc/ssl/certs/ca-certificates.crt".into());
        let public = Tls::read(&options).unwrap();
        assert_eq!(
            (public.files().count(), keys(&public).as_str()),
            (0, "ca_file = </etc/ssl/certs/ca-certificates.crt>\n")
        );
        options.ca_file = Some(dir.path().join("gone"));
        assert!(Tls::read(&options).unwrap_err().contains("gone: "), "the file is named");
        assert_eq!(keys(&Tls::default()), "");
    }
}
