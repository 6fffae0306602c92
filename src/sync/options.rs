//! Where upstream is, how we prove who we are, and how long we wait for what.

use crate::base::{SecretError, SecretFile};
use crate::ledger::LedgerError;
use reqwest::Url;
use serde::Deserialize;

/// The `[upstream]` part of the config file. Durations carry their unit in the name.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SyncOptions {
    /// `https://pay.example/shop`; plain `http` only to this machine. Without it the outbox grows and nothing is sent.
    pub url: Option<String>,
    /// Holds the bearer token and nothing else. Without it requests carry none.
    pub token_file: Option<SecretFile>,
    /// An answer to a charge, refund, release or event later than this counts as none. Too low: every charge is asked
    /// for a second time; too high: a hung upstream is noticed late.
    pub timeout_ms: u64,
    /// As above for an authorisation. The floor itself waits 400 ms; an answer until then is still adopted or released.
    pub authorise_timeout_ms: u64,
    /// The first pause after a failure is drawn from 0 to this, and the range doubles with every further failure.
    pub backoff_first_ms: u64,
    /// Up to this. Too low: an ailing upstream is pestered; too high: the queue waits although upstream is back.
    pub backoff_max_ms: u64,
    /// How long after a clear refusal (a 4xx that is no decline) the same thing is tried again; the page shows it.
    pub refused_retry_s: u64,
    /// When a declined charge is tried again, counted from each decline; after the last it is written off.
    pub decline_retries_s: Vec<u64>,
    /// A row older than this is asked for before it is sent: upstream may have forgotten its key.
    pub ask_after_h: u64,
    /// Events in one request.
    pub events_per_batch: usize,
    /// Visits served at the same time.
    pub parallel: usize,
}

impl Default for SyncOptions {
    fn default() -> Self {
        SyncOptions {
            url: None,
            token_file: None,
            timeout_ms: 10_000,
            authorise_timeout_ms: 5_000,
            backoff_first_ms: 500,
            backoff_max_ms: 60_000,
            refused_retry_s: 3600,
            decline_retries_s: vec![3600, 6 * 3600, 24 * 3600],
            ask_after_h: 20,
            events_per_batch: 100,
            parallel: 4,
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum SyncError {
    #[error("upstream.url {url:?}: {why}")]
    Url { url: String, why: String },

    #[error("upstream.token_file: {0}")]
    Token(#[from] SecretError),

    #[error("upstream.token_file {0} should hold the bearer token only, on one line")]
    TokenShape(SecretFile),

    #[error("setting up the upstream connection: {0}")]
    Setup(reqwest::Error),

    #[error("reading the outbox: {0}")]
    Ledger(#[from] LedgerError),

    /// The daemon is ending, or the ledger or floor died; both end the process.
    #[error("the {0} is gone")]
    Gone(&'static str),
}

impl SyncOptions {
    /// The base address, if there is one; refused unless encrypted or on this machine.
    pub fn address(&self) -> Result<Option<Url>, SyncError> {
        let Some(text) = &self.url else { return Ok(None) };
        let refuse = |why: &str| Err(SyncError::Url { url: text.clone(), why: why.into() });
        let url = match Url::parse(text) {
            Ok(url) => url,
            Err(e) => return refuse(&format!("{e}; write it like https://pay.example")),
        };
        let Some(host) = url.host_str() else { return refuse("it names no host") };
        let address = host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
        let here = host == "localhost" || address.is_ok_and(|ip| ip.is_loopback());
        if !url.username().is_empty() || url.password().is_some() {
            return refuse("a password does not belong in an address; put the token into upstream.token_file");
        }
        match url.scheme() {
            "https" => Ok(Some(url)),
            "http" if here => Ok(Some(url)),
            "http" => refuse("charges go over https, or over http to this machine only (127.0.0.1, ::1, localhost)"),
            other => refuse(&format!("{other} is not spoken here; use https")),
        }
    }

    pub(super) fn token(&self) -> Result<Option<String>, SyncError> {
        let Some(file) = &self.token_file else { return Ok(None) };
        let text = file.text()?;
        let token = text.trim();
        if !token.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(SyncError::TokenShape(file.clone()));
        }
        Ok(Some(token.to_owned()))
    }
}

/// One TLS provider for the whole program. May be called any number of times.
pub fn install_tls_provider() {
    // An error says that one is installed already, which is what is wanted.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn charges_leave_the_machine_encrypted_or_not_at_all() {
        for (url, well) in [
            ("https://pay.example/shop", true),
            ("http://127.0.0.1:9000", true),
            ("http://127.8.0.1:9000", true),
            ("http://[::1]:9000/", true),
            ("http://localhost:9000", true),
            ("http://pay.example", false),
            ("http://192.168.1.4", false),
            ("http://localhost.example", false),
            ("http://127.0.0.1.example", false),
            ("https://user:secret@pay.example", false),
            ("ftp://127.0.0.1", false),
            ("pay.example", false),
        ] {
            let options = SyncOptions { url: Some(url.into()), ..SyncOptions::default() };
            assert_eq!(options.address().is_ok(), well, "{url}");
        }
        assert!(SyncOptions::default().address().unwrap().is_none());
    }

    #[test]
    fn a_misspelt_key_is_noticed() {
        let error = toml::from_str::<SyncOptions>("ulr = \"https://pay.example\"").unwrap_err().to_string();
        assert!(error.contains("ulr"), "{error}");
    }

    #[test]
    fn the_token_is_one_line_of_a_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token");
        for (content, token) in
            [(Some("s3cret\n"), Some("s3cret")), (Some("\n"), None), (Some("two words"), None), (None, None)]
        {
            let _ = std::fs::remove_file(&path);
            if let Some(content) = content {
                std::fs::write(&path, content).unwrap();
            }
            let options = SyncOptions { token_file: Some(path.clone().into()), ..SyncOptions::default() };
            assert_eq!(options.token().ok().flatten().as_deref(), token, "{content:?}");
        }
    }
}
