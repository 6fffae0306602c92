//! The page's view of the ledger: a read-only connection a question, so that reading never stands in the writer's way.

use crate::base::{Cents, ChargeId, ReceiptId, ShopTime, VisitId};
use crate::carts::{Charge, Receipt};
use crate::events::Entry;
use crate::ledger::{LedgerError, Reader, ReceiptFilter};
use crate::web::{Books, RECEIPTS_LISTED};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use std::path::PathBuf;

pub struct LedgerBooks {
    pub ledger: PathBuf,
    /// The shop's: receipts are asked for by the day on its clock.
    pub timezone: String,
}

impl LedgerBooks {
    fn read<T>(&self, ask: impl FnOnce(&Reader) -> Result<T, LedgerError>) -> Result<T, String> {
        Reader::open(&self.ledger).and_then(|reader| ask(&reader)).map_err(|error| error.to_string())
    }

    /// From midnight to midnight on the shop's clock (UTC where the machine does not know the shop's zone).
    fn day(&self, date: &str) -> Result<(ShopTime, ShopTime), String> {
        let zone = TimeZone::get(&self.timezone).unwrap_or(TimeZone::UTC);
        let date: Date = date.parse().map_err(|error| format!("date {date}: {error}"))?;
        let start = |date: Date| {
            let midnight = date.to_zoned(zone.clone()).map_err(|error| format!("date {date}: {error}"))?;
            Ok::<_, String>(ShopTime(midnight.timestamp().as_microsecond()))
        };
        Ok((start(date)?, start(date.tomorrow().map_err(|error| error.to_string())?)?))
    }
}

impl Books for LedgerBooks {
    fn receipts(&self, last4: Option<&str>, date: Option<&str>, amount: Option<Cents>) -> Result<Vec<Receipt>, String> {
        let left = date.map(|date| self.day(date)).transpose()?;
        let filter = ReceiptFilter { last4: last4.map(str::to_owned), left, amount, limit: RECEIPTS_LISTED };
        self.read(|reader| reader.receipts(&filter))
    }

    fn receipt(&self, id: ReceiptId) -> Result<Option<Receipt>, String> {
        self.read(|reader| reader.receipt(id))
    }

    fn reviews(&self) -> Result<Vec<Receipt>, String> {
        self.read(|reader| reader.undecided(RECEIPTS_LISTED))
    }

    fn charge(&self, id: ChargeId) -> Result<Option<Charge>, String> {
        Ok(self.read(|reader| reader.charge(id))?.map(|(charge, _)| charge))
    }

    fn visit_entries(&self, visit: VisitId) -> Result<Vec<Entry>, String> {
        Ok(self.read(|reader| reader.entries_of(visit))?.into_iter().map(|(_, entry)| entry).collect())
    }
}
