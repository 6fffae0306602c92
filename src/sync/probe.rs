//! One harmless question to upstream, for who wants to know whether it is there and knows us: the state of a charge that
//! never was. Nothing of a customer is in it, and nothing comes of it.

use super::client::Client;
use std::time::Duration;

/// What upstream answered, unjudged.
#[derive(Clone, Debug)]
pub struct Answered {
    pub status: u16,
    /// Its clock, from the `Date` header; seconds since 1970.
    pub date_s: Option<i64>,
    /// With the way there: name, connection, TLS.
    pub first: Duration,
    /// On the connection that was then open, as a tap at the gate finds it.
    pub second: Duration,
}

/// Why there was no answer.
#[derive(Clone, Debug)]
pub enum Unanswered {
    /// Name, connection or TLS: upstream has seen nothing.
    NoConnection(String),
    /// Connected, and then nothing.
    Silent(String),
}

impl Client {
    /// Asks twice; each time at most `patience`.
    pub async fn probe(&self, patience: Duration) -> Result<Answered, Unanswered> {
        let charge = uuid::Uuid::new_v4().to_string();
        let mut first = None;
        loop {
            let began = std::time::Instant::now();
            let answer = self.ask_of_charge(&charge, patience).await?;
            let took = began.elapsed();
            let Some(first) = first else {
                first = Some(took);
                continue;
            };
            let date = answer.headers().get("date").and_then(|value| value.to_str().ok());
            let date = date.and_then(|text| jiff::fmt::rfc2822::parse(text).ok());
            let date_s = date.map(|date| date.timestamp().as_second());
            return Ok(Answered { status: answer.status().as_u16(), date_s, first, second: took });
        }
    }
}
