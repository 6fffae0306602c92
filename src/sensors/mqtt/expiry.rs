//! Certificates that end soon: the CA's, ours, and the one that the broker shows. The daemon learns it when it is too late;
//! `carryout doctor` asks beforehand.
//!
//! The date is rustls' own word on a certificate: it is asked whether it would be believed later, and says when it ended.

use super::MqttOptions;
use super::tls::{self, BadFile};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConnection, RootCertStore};
use std::io::{self, ErrorKind};
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

/// A `ca_file` with more than these is a bundle of public CAs: that one of them ends is nobody's concern here.
const BUNDLE: usize = 8;

/// The broker has answered a moment ago.
const ANSWER: Duration = Duration::from_secs(5);

/// A certificate that ends too soon.
#[derive(Debug, PartialEq)]
pub struct Ending {
    /// "the CA in ca.crt"
    pub whose: String,
    /// Its last second, since 1970.
    pub not_after_s: u64,
}

/// Of the files that `[mqtt]` names, those whose certificates end before `by_s` (seconds since 1970).
pub fn of_files(options: &MqttOptions, by_s: u64) -> Result<Vec<Ending>, BadFile> {
    let Some(ca_file) = &options.ca_file else { return Ok(Vec::new()) };
    let cas = tls::certificates("ca_file", ca_file)?;
    let mut found = Vec::new();
    if cas.len() <= BUNDLE {
        found.extend(ending(&format!("the CA in {}", ca_file.display()), &cas, &cas, by_s));
    }
    if let Some(file) = &options.client_cert_file {
        let ours = tls::certificates("client_cert_file", file)?;
        found.extend(ending(&format!("our certificate in {}", file.display()), &ours, &cas, by_s));
    }
    Ok(found)
}

/// The certificate that the broker shows, if it ends before `by_s`. Connects, and waits for the network.
pub fn of_broker(options: &MqttOptions, by_s: u64) -> io::Result<Option<Ending>> {
    let Some(config) = tls::config(options).map_err(io::Error::other)? else { return Ok(None) };
    let name = ServerName::try_from(options.host.clone()).map_err(io::Error::other)?;
    let mut addresses = (options.host.as_str(), options.port).to_socket_addrs()?;
    let address = addresses.next().ok_or_else(|| io::Error::from(ErrorKind::NotFound))?;
    let mut line = TcpStream::connect_timeout(&address, ANSWER)?;
    line.set_read_timeout(Some(ANSWER))?;
    line.set_write_timeout(Some(ANSWER))?;
    let mut handshake = ClientConnection::new(config, name).map_err(io::Error::other)?;
    while handshake.is_handshaking() {
        handshake.complete_io(&mut line)?;
    }
    let shown = handshake.peer_certificates().unwrap_or_default();
    let ca_file = options.ca_file.as_ref().ok_or_else(|| io::Error::from(ErrorKind::NotFound))?;
    let cas = tls::certificates("ca_file", ca_file).map_err(io::Error::other)?;
    Ok(ending(&format!("the certificate of {}", options.host), shown, &cas, by_s))
}

/// The first of a chain to end, if it does before `by_s`.
fn ending(whose: &str, chain: &[CertificateDer<'_>], cas: &[CertificateDer<'static>], by_s: u64) -> Option<Ending> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(cas.iter().cloned());
    let provider = Arc::new(ring::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build().ok()?;
    // The dates come before everything else that might be wrong: name and issuer play no part.
    let nobody = ServerName::try_from("nobody.invalid").ok()?;
    let then = UnixTime::since_unix_epoch(Duration::from_secs(by_s));
    let ends = chain.iter().filter_map(|certificate| {
        match verifier.verify_server_cert(certificate, &[], &nobody, &[], then) {
            Err(rustls::Error::InvalidCertificate(CertificateError::ExpiredContext { not_after, .. })) => {
                Some(not_after.as_secs())
            }
            _ => None,
        }
    });
    ends.min().map(|not_after_s| Ending { whose: whose.to_owned(), not_after_s })
}
