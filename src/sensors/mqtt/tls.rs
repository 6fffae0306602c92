//! TLS to the broker: whom we believe, who we say we are, and what is wrong when it fails, in words.
//!
//! With `ca_file` the broker must show a certificate of that CA for the name in `host`; no other CA is asked, not even the
//! system's (to believe those, name the system's own bundle). With `client_cert_file` and `client_key_file` we show one
//! too. All are read at every connect, so certificates may be renewed under a running shop.

use super::MqttOptions;
use super::link::Why;
use crate::base::SecretFile;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{AlertDescription, CertificateError, ClientConfig, RootCertStore};
use std::error::Error;
use std::path::Path;
use std::sync::Arc;

/// What is wrong with a file of ours; names the key and the file, and holds nothing of its content.
#[derive(Debug, thiserror::Error)]
#[error("the {key} of [mqtt]: {what}")]
pub struct BadFile {
    pub key: &'static str,
    pub what: String,
}

impl BadFile {
    fn new(key: &'static str, what: impl ToString) -> BadFile {
        BadFile { key, what: what.to_string() }
    }
}

/// The TLS that `[mqtt]` asks for, from its files as they are now; `None`: it asks for none.
pub fn config(options: &MqttOptions) -> Result<Option<Arc<ClientConfig>>, BadFile> {
    let Some(ca_file) = &options.ca_file else { return Ok(None) };
    let mut roots = RootCertStore::empty();
    let certificates = certificates("ca_file", ca_file)?;
    if roots.add_parsable_certificates(certificates).0 == 0 {
        return Err(BadFile::new("ca_file", format_args!("{} holds no CA's certificate", ca_file.display())));
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring speaks TLS 1.2 and 1.3")
        .with_root_certificates(roots);
    let config = match (&options.client_cert_file, &options.client_key_file) {
        (Some(cert_file), Some(key_file)) => {
            let chain = self::certificates("client_cert_file", cert_file)?;
            let key = key(key_file)?;
            builder.with_client_auth_cert(chain, key).map_err(|error| {
                BadFile::new("client_key_file", format_args!("{key_file} does not go with client_cert_file: {error}"))
            })?
        }
        // The config refuses one without the other.
        _ => builder.with_no_client_auth(),
    };
    Ok(Some(Arc::new(config)))
}

/// Everything that is wrong with the files at once, for a check before a shop opens.
pub fn problems(options: &MqttOptions) -> Vec<BadFile> {
    let ca = options.ca_file.as_deref().and_then(|path| certificates("ca_file", path).err());
    let chain = options.client_cert_file.as_deref().and_then(|path| certificates("client_cert_file", path).err());
    let key = options.client_key_file.as_ref().and_then(|file| key(file).err());
    let found: Vec<BadFile> = [ca, chain, key].into_iter().flatten().collect();
    // Each by itself is well: do they go together?
    if found.is_empty() { config(options).err().into_iter().collect() } else { found }
}

/// What a file of certificates holds: one at least.
pub fn certificates(key: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, BadFile> {
    let text =
        std::fs::read(path).map_err(|why| BadFile::new(key, format_args!("cannot read {}: {why}", path.display())))?;
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    match read {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        _ => {
            let what = format_args!("{} is no certificate in PEM (-----BEGIN CERTIFICATE-----)", path.display());
            Err(BadFile::new(key, what.to_string()))
        }
    }
}

fn key(file: &SecretFile) -> Result<PrivateKeyDer<'static>, BadFile> {
    const KEY: &str = "client_key_file";
    let text = file.text().map_err(|error| BadFile::new(KEY, error))?;
    PrivateKeyDer::from_pem_slice(text.as_bytes()).map_err(|_| {
        BadFile::new(
            KEY,
            format_args!("{file} is no private key in PEM without a passphrase (-----BEGIN PRIVATE KEY-----)"),
        )
    })
}

/// Why a connection broke, as far as TLS knows. `fresh`: before the broker had said that we may speak.
pub fn why(error: &(dyn Error + 'static), fresh: bool) -> Why {
    let mut next = Some(error);
    let mut closed = false;
    while let Some(error) = next {
        if let Some(error) = error.downcast_ref::<rustls::Error>() {
            return Why::Tls(error.clone());
        }
        next = match error.downcast_ref::<std::io::Error>() {
            Some(io) => {
                use std::io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
                closed |= [BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof].contains(&io.kind());
                // Its own `source` skips what it holds.
                io.get_ref().map(|inner| inner as &(dyn Error + 'static))
            }
            None => error.source(),
        };
    }
    if fresh && closed { Why::Unanswered } else { Why::Network }
}

/// The same of a handshake that did not end.
pub fn handshake(error: &(dyn Error + 'static)) -> Why {
    match why(error, true) {
        Why::Unanswered => Why::NoHandshake,
        why => why,
    }
}

/// A counter's name, and what staff and log are told of a failure that a certificate, a key or a password caused.
pub struct Trouble {
    pub counter: &'static str,
    /// Goes on from "The message broker does not answer: shelves and gates are not heard."
    pub sentence: String,
}

/// `None`: the broker is simply not there.
pub fn trouble(why: &Why, options: &MqttOptions) -> Option<Trouble> {
    let host = &options.host;
    let theirs = |sentence: String| Some(Trouble { counter: "mqtt.broker_certificate", sentence });
    let ours = |sentence: String| Some(Trouble { counter: "mqtt.client_certificate", sentence });
    let has_certificate = options.client_cert_file.is_some();
    match why {
        Why::Tls(rustls::Error::InvalidCertificate(wrong)) => theirs(match wrong {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                format!("The certificate of {host} has expired: renew it at the broker.")
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                format!("The certificate of {host} is not valid yet: look at the clocks of both machines.")
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                format!("The certificate it shows is not for {host}: correct `host` of [mqtt], or the certificate.")
            }
            CertificateError::UnknownIssuer => format!(
                "The certificate of {host} is of another CA than the `ca_file` of [mqtt]: correct one of the two."
            ),
            wrong => format!("The certificate of {host} is not accepted: {wrong}."),
        }),
        Why::Tls(rustls::Error::AlertReceived(alert)) => match alert {
            AlertDescription::CertificateRequired | AlertDescription::NoCertificate => {
                ours(wants_ours(has_certificate))
            }
            AlertDescription::CertificateExpired => {
                ours("It says that our `client_cert_file` has expired: renew it.".into())
            }
            AlertDescription::UnknownCA
            | AlertDescription::BadCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::DecryptError
            | AlertDescription::AccessDenied => ours(format!(
                "It does not accept our `client_cert_file` ({alert:?}): it must be of the CA that the broker asks."
            )),
            // What brokers say to a client without a certificate under TLS 1.2.
            AlertDescription::HandshakeFailure if !has_certificate => ours(wants_ours(false)),
            alert => theirs(format!("It ends the TLS handshake ({alert:?}): look at its TLS settings and its log.")),
        },
        Why::NoHandshake | Why::Tls(rustls::Error::InvalidMessage(_)) => {
            theirs(format!("Port {} of {host} does not speak TLS: correct `port` of [mqtt], often 8883.", options.port))
        }
        Why::Tls(error) => theirs(format!("TLS with {host} fails: {error}.")),
        // Some brokers only hang up.
        Why::Unanswered if options.ca_file.is_some() && !has_certificate => ours(wants_ours(false)),
        Why::Unanswered if options.ca_file.is_some() => {
            ours("It hangs up on us: it may not accept our `client_cert_file`; its log says why.".into())
        }
        Why::Unanswered => Some(Trouble {
            counter: "mqtt.unanswered",
            sentence: format!(
                "{host} hangs up at port {}: if it expects TLS, name its CA in `ca_file` of [mqtt].",
                options.port
            ),
        }),
        Why::Login => Some(Trouble {
            counter: "mqtt.login_refused",
            sentence: "It refuses our `user` and `password_file` of [mqtt]: correct them, or the broker's.".into(),
        }),
        Why::Network | Why::Oversized(_) => None,
    }
}

fn wants_ours(has_certificate: bool) -> String {
    match has_certificate {
        false => "It wants a certificate of ours: name `client_cert_file` and `client_key_file` in [mqtt].".into(),
        true => "It wants a certificate and did not take ours: it must be of the CA that the broker asks.".into(),
    }
}
