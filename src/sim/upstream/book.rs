//! What the reference upstream knows, and how it keeps it: every change is a line, written and flushed before it counts.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Error, ErrorKind, Write};
use std::path::Path;

/// A charge and how often money was taken for it: 1 is right, 0 is lost, 2 is a scandal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChargeRecord {
    pub charge_id: String,
    pub visit_id: String,
    pub sequence: u64,
    pub token: Option<String>,
    pub total: i64,
    pub captured: u32,
    pub declined: u32,
    /// captured or declined.
    pub state: String,
    pub body: Value,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AuthorizationRecord {
    pub authorization_id: String,
    pub tap_id: String,
    pub token: String,
    pub amount: i64,
    pub expires_us: i64,
    pub released: bool,
    /// A charge used it.
    pub used: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RefundRecord {
    pub refund_id: String,
    pub charge_id: String,
    pub amount: i64,
    /// How often money was given back: 1 is right.
    pub given: u32,
}

/// Everything, in the order it first happened.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Records {
    pub charges: Vec<ChargeRecord>,
    pub authorizations: Vec<AuthorizationRecord>,
    pub refunds: Vec<RefundRecord>,
    /// CloudEvents, each id once.
    pub events: Vec<Value>,
    /// `POST /v1/charges` and so on, as they came, since it was started.
    pub calls: Vec<String>,
}

impl Records {
    pub fn charge(&self, id: impl ToString) -> Option<&ChargeRecord> {
        let id = id.to_string();
        self.charges.iter().find(|charge| charge.charge_id == id)
    }

    /// Charges for which money was taken otherwise than once.
    pub fn not_once(&self) -> Vec<&ChargeRecord> {
        self.charges.iter().filter(|charge| charge.captured != 1).collect()
    }
}

/// One line of the file.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "did")]
pub(super) enum Change {
    Authorized(AuthorizationRecord),
    /// By authorisation or tap, known or not yet.
    Released {
        reference: String,
    },
    /// `captured` and `declined` are of this attempt.
    Charged(ChargeRecord),
    Refunded(RefundRecord),
    Told {
        event: Value,
    },
    Answered {
        key: String,
        body: Value,
        status: u16,
        answer: Value,
    },
    KeysForgotten,
}

#[derive(Default)]
pub(super) struct Book {
    records: Records,
    released: BTreeSet<String>,
    events: BTreeSet<String>,
    /// Key -> (body, status, answer).
    keys: BTreeMap<String, (Value, u16, Value)>,
    catalogue: Vec<Value>,
    file: Option<File>,
}

/// Calls remembered; a soak need not remember them all.
const CALLS: usize = 100_000;

impl Book {
    pub fn open(path: Option<&Path>) -> std::io::Result<Book> {
        let mut book = Book::default();
        let Some(path) = path else { return Ok(book) };
        let file = OpenOptions::new().create(true).read(true).append(true).open(path)?;
        let lines: Vec<String> = BufReader::new(&file).lines().collect::<Result<_, _>>()?;
        for (n, line) in lines.iter().enumerate() {
            match serde_json::from_str(line) {
                Ok(change) => book.apply(change),
                // The power went in the middle of it: it was never answered.
                Err(_) if n + 1 == lines.len() => {
                    let whole: usize = lines[..n].iter().map(|line| line.len() + 1).sum();
                    file.set_len(whole as u64)?;
                }
                Err(e) => {
                    let what = format!("{} line {}: {e}", path.display(), n + 1);
                    return Err(Error::new(ErrorKind::InvalidData, what));
                }
            }
        }
        book.file = Some(file);
        Ok(book)
    }

    /// Durable, then so.
    pub fn record(&mut self, change: Change) -> std::io::Result<()> {
        if let Some(file) = &mut self.file {
            let mut line = serde_json::to_vec(&change)?;
            line.push(b'\n');
            file.write_all(&line)?;
            file.sync_data()?;
        }
        self.apply(change);
        Ok(())
    }

    fn apply(&mut self, change: Change) {
        match change {
            Change::Authorized(hold) => self.records.authorizations.push(hold),
            Change::Released { reference } => {
                for hold in &mut self.records.authorizations {
                    hold.released |= [&hold.authorization_id, &hold.tap_id].contains(&&reference);
                }
                self.released.insert(reference);
            }
            Change::Charged(attempt) => {
                let used = attempt.body["authorization_id"].as_str().filter(|_| attempt.captured > 0);
                if let Some(hold) =
                    used.and_then(|id| self.records.authorizations.iter_mut().find(|h| h.authorization_id == id))
                {
                    hold.used = true;
                }
                match self.records.charges.iter_mut().find(|charge| charge.charge_id == attempt.charge_id) {
                    Some(known) => {
                        let (captured, declined) =
                            (known.captured + attempt.captured, known.declined + attempt.declined);
                        let state = if captured > 0 { "captured".into() } else { attempt.state };
                        *known = ChargeRecord { captured, declined, state, ..attempt };
                    }
                    None => self.records.charges.push(attempt),
                }
            }
            Change::Refunded(attempt) => {
                match self.records.refunds.iter_mut().find(|refund| refund.refund_id == attempt.refund_id) {
                    Some(known) => known.given += attempt.given,
                    None => self.records.refunds.push(attempt),
                }
            }
            Change::Told { event } => {
                if self.events.insert(event["id"].as_str().unwrap_or_default().to_owned()) {
                    self.records.events.push(event);
                }
            }
            Change::Answered { key, body, status, answer } => {
                self.keys.insert(key, (body, status, answer));
            }
            Change::KeysForgotten => self.keys.clear(),
        }
    }

    pub fn forget_keys(&mut self) -> std::io::Result<()> {
        self.record(Change::KeysForgotten)
    }

    pub fn note_call(&mut self, call: String) {
        if self.records.calls.len() < CALLS {
            self.records.calls.push(call);
        }
    }

    pub fn records(&self) -> Records {
        self.records.clone()
    }

    /// What was answered under this key, and to which body.
    pub fn answered(&self, key: &str) -> Option<&(Value, u16, Value)> {
        self.keys.get(key)
    }

    pub fn charge(&self, id: &str) -> Option<&ChargeRecord> {
        self.records.charge(id)
    }

    pub fn refund(&self, id: &str) -> Option<&RefundRecord> {
        self.records.refunds.iter().find(|refund| refund.refund_id == id)
    }

    pub fn given_back(&self, charge_id: &str) -> i64 {
        let of_charge = self.records.refunds.iter().filter(|refund| refund.charge_id == charge_id);
        of_charge.map(|refund| refund.amount * i64::from(refund.given)).sum()
    }

    pub fn hold(&self, authorization_id: &str) -> Option<&AuthorizationRecord> {
        self.records.authorizations.iter().find(|hold| hold.authorization_id == authorization_id)
    }

    pub fn holds(&self) -> usize {
        self.records.authorizations.len()
    }

    pub fn was_released(&self, reference: &str) -> bool {
        self.released.contains(reference)
    }

    pub fn add_to_catalogue(&mut self, items: Vec<Value>) {
        self.catalogue.extend(items);
    }

    /// Items after the first `since`, and the number to ask with next time.
    pub fn catalogue(&self, since: usize) -> (Vec<Value>, usize) {
        (self.catalogue.get(since..).unwrap_or_default().to_vec(), self.catalogue.len())
    }
}
