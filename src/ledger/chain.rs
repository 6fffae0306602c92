//! The chain and the seals: how entries hang together, and how their personal parts can be forgotten.
//!
//!     hash       = sha256(prev || seq || kind || t || visit || public body || commitment)
//!     commitment = sha256(salt || ciphertext), or zeros where there is no personal part
//!
//! The chain holds only the commitment. Take away key, salt and ciphertext and every hash still stands.

use super::error::LedgerError;
use crate::base::{ShopTime, VisitId};
use crate::events::{Fact, Subject};
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{ChaCha20Poly1305, Key, Nonce};
use sha2::{Digest, Sha256};

pub type Hash = [u8; 32];

/// What the first entry hangs from, and the commitment of an entry without a personal part.
pub const ZERO: Hash = [0; 32];

/// The hash of an entry. Every part is fixed in length or led by its length, so that no two entries read alike.
pub fn hash(
    prev: &Hash,
    seq: u64,
    kind: &str,
    t: ShopTime,
    visit: Option<VisitId>,
    body: &str,
    commitment: &Hash,
) -> Hash {
    let mut h = Sha256::new();
    h.update(prev);
    h.update(seq.to_be_bytes());
    h.update((kind.len() as u64).to_be_bytes());
    h.update(kind);
    h.update(t.0.to_be_bytes());
    h.update([u8::from(visit.is_some())]);
    h.update(visit.map_or([0; 16], |visit| *visit.0.as_bytes()));
    h.update((body.len() as u64).to_be_bytes());
    h.update(body);
    h.update(commitment);
    h.finalize().into()
}

pub fn commitment(salt: &[u8], ciphertext: &[u8]) -> Hash {
    let mut h = Sha256::new();
    h.update(salt);
    h.update(ciphertext);
    h.finalize().into()
}

/// The fact as JSON with sorted keys, and its kind. The same fact is the same bytes on any machine.
pub fn canonical(fact: &Fact) -> Result<(String, String), LedgerError> {
    let refuse = |e: String| LedgerError::Refused(format!("a fact cannot be written as JSON: {e}"));
    // A serde_json map sorts its keys.
    let value = serde_json::to_value(fact).map_err(|e| refuse(e.to_string()))?;
    let kind = value["kind"].as_str().ok_or_else(|| refuse("it has no kind".into()))?.to_owned();
    Ok((kind, value.to_string()))
}

/// A personal part, locked.
pub struct Sealed {
    pub salt: [u8; 16],
    pub ciphertext: Vec<u8>,
    pub commitment: Hash,
}

/// A new key or salt.
pub fn random<const N: usize>() -> Result<[u8; N], LedgerError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)
        .map_err(|e| LedgerError::Refused(format!("the system gives no random bytes for a visit's key: {e}")))?;
    Ok(bytes)
}

pub fn seal(key: &[u8; 32], seq: u64, kind: &str, subject: &Subject) -> Result<Sealed, LedgerError> {
    let plain = serde_json::to_vec(subject)
        .map_err(|e| LedgerError::Refused(format!("a personal part cannot be written as JSON: {e}")))?;
    let salt: [u8; 16] = random()?;
    let ciphertext = cipher(key)
        .encrypt(&nonce(&salt), Payload { msg: &plain, aad: &bound_to(seq, kind) })
        .map_err(|_| LedgerError::Refused("a personal part is too long to encrypt".into()))?;
    Ok(Sealed { salt, commitment: commitment(&salt, &ciphertext), ciphertext })
}

pub fn unseal(key: &[u8], salt: &[u8], seq: u64, kind: &str, ciphertext: &[u8]) -> Result<Subject, LedgerError> {
    let corrupt = |what: &str| LedgerError::Corrupt { seq, what: what.into() };
    let key = key.try_into().map_err(|_| corrupt("its visit's key is not 32 bytes"))?;
    let salt = salt.try_into().map_err(|_| corrupt("its salt is not 16 bytes"))?;
    let plain = cipher(key)
        .decrypt(&nonce(salt), Payload { msg: ciphertext, aad: &bound_to(seq, kind) })
        .map_err(|_| corrupt("its personal part does not open with its visit's key"))?;
    serde_json::from_slice(&plain).map_err(|e| corrupt(&format!("its personal part does not read: {e}")))
}

fn cipher(key: &[u8; 32]) -> ChaCha20Poly1305 {
    ChaCha20Poly1305::new(Key::from_slice(key))
}

/// The salt begins with it. Drawn, not counted: a sequence number comes again when its transaction did not commit.
fn nonce(salt: &[u8; 16]) -> Nonce {
    *Nonce::from_slice(&salt[..12])
}

/// A part cannot be moved to another entry.
fn bound_to(seq: u64, kind: &str) -> Vec<u8> {
    [&seq.to_be_bytes()[..], kind.as_bytes()].concat()
}
