//! Questions and answers. Every question has a flag; what was said there is not asked. With a terminal the rest is asked,
//! each with a default in brackets, and asked again with the reason when the answer cannot be; without one the default
//! is taken and noted, so that the end can say what was assumed.
//!
//! One thread reads the terminal for ever, because listening to the broker wants to know of Enter, too.

use std::io::{BufRead, IsTerminal, Write};
use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};

pub struct Interview {
    /// `None`: nobody is asked.
    lines: Option<Receiver<String>>,
    /// What nobody said: "time zone: UTC".
    pub assumed: Vec<String>,
    /// Questions put so far, and answers that had to be asked for again.
    pub asked: u32,
}

/// One thing to know.
pub struct Question<'a> {
    /// `--name`, for who is not asked.
    pub flag: &'static str,
    /// "name of the shop"
    pub what: &'a str,
    /// From the flag.
    pub given: Option<&'a str>,
    pub default: String,
    /// Whether taking the default is worth a word at the end.
    pub note: bool,
}

impl<'a> Question<'a> {
    /// One whose default is worth a word.
    pub fn new(flag: &'static str, what: &'a str, given: &'a Option<String>, default: &str) -> Question<'a> {
        Question { flag, what, given: given.as_deref(), default: default.to_owned(), note: true }
    }
}

/// An ending without an answer.
#[derive(Debug, thiserror::Error)]
pub enum NoAnswer {
    #[error("{flag} {given:?}: {why}")]
    Flag { flag: &'static str, given: String, why: String },
    /// A default that does not fit here: only a flag can say it.
    #[error("{what} is not known: {why}; say it with {flag}")]
    Unknown { what: String, flag: &'static str, why: String },
    #[error("the questions were broken off; nothing was written")]
    BrokenOff,
}

impl Interview {
    /// Asks when there is somebody at a terminal and `--yes` was not said.
    pub fn new(yes: bool) -> Interview {
        let somebody = !yes && std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
        let lines = somebody.then(|| {
            // One line ahead: typing faster than questions come is nobody's plan.
            let (tell, lines) = sync_channel(1);
            std::thread::spawn(move || {
                for line in std::io::stdin().lock().lines().map_while(Result::ok) {
                    if tell.send(line).is_err() {
                        return;
                    }
                }
            });
            lines
        });
        Interview { lines, assumed: Vec::new(), asked: 0 }
    }

    pub fn is_asking(&self) -> bool {
        self.lines.is_some()
    }

    /// The answer, checked.
    pub fn ask<T>(
        &mut self,
        question: &Question<'_>,
        check: impl Fn(&str) -> Result<T, String>,
    ) -> Result<T, NoAnswer> {
        let Question { flag, what, given, default, note } = question;
        if let Some(given) = given {
            let wrong = |why| NoAnswer::Flag { flag, given: (*given).to_owned(), why };
            return check(given.trim()).map_err(wrong);
        }
        if self.lines.is_none() {
            if *note {
                let shown = if default.is_empty() { "none" } else { default };
                // The thing itself, without how it is written.
                let thing = what.split([',', '(']).next().unwrap_or(what).trim();
                self.assumed.push(format!("{thing}: {shown} ({flag})"));
            }
            let unknown = |why| NoAnswer::Unknown { what: (*what).to_owned(), flag, why };
            return check(default).map_err(unknown);
        }
        loop {
            let shown = if default.is_empty() { String::new() } else { format!(" [{default}]") };
            let line = self.line(&format!("{}{}{shown}: ", what[..1].to_uppercase(), &what[1..]))?;
            let said = if line.is_empty() { default.as_str() } else { &line };
            match check(said) {
                Ok(answer) => return Ok(answer),
                Err(why) => println!("  That does not do: {why}."),
            }
        }
    }

    /// Something typed that is not shown; empty when nobody is asked.
    pub fn secret(&mut self, what: &str) -> Result<String, NoAnswer> {
        if self.lines.is_none() {
            return Ok(String::new());
        }
        let hidden = Hidden::begin();
        let line = self.line(&format!("{what} (not shown): "));
        drop(hidden);
        println!();
        line
    }

    /// Yes or no; `default` when nobody is asked.
    pub fn confirm(&mut self, what: &str, default: bool) -> Result<bool, NoAnswer> {
        if self.lines.is_none() {
            return Ok(default);
        }
        loop {
            let line = self.line(&format!("{what} [{}]: ", if default { "yes" } else { "no" }))?;
            match line.to_lowercase().as_str() {
                "" => return Ok(default),
                "y" | "yes" => return Ok(true),
                "n" | "no" => return Ok(false),
                _ => println!("  That does not do: say yes or no."),
            }
        }
    }

    /// Whether Enter was pressed since somebody last looked.
    pub fn enter_pressed(&self) -> bool {
        match &self.lines {
            Some(lines) => !matches!(lines.try_recv(), Err(TryRecvError::Empty)),
            None => false,
        }
    }

    fn line(&mut self, prompt: &str) -> Result<String, NoAnswer> {
        self.asked += 1;
        print!("{prompt}");
        let _ = std::io::stdout().flush();
        let line = self.lines.as_ref().ok_or(NoAnswer::BrokenOff)?.recv();
        line.map(|line| line.trim().to_owned()).map_err(|_| NoAnswer::BrokenOff)
    }
}

/// The terminal without its echo, for as long as this lives.
struct Hidden(Option<libc::termios>);

impl Hidden {
    fn begin() -> Hidden {
        // SAFETY: `before` is written whole by tcgetattr before it is used; both calls take our own standard input and
        // pointers to values that live on this stack.
        unsafe {
            let mut before: libc::termios = std::mem::zeroed();
            if libc::tcgetattr(libc::STDIN_FILENO, &mut before) != 0 {
                return Hidden(None);
            }
            let mut quiet = before;
            quiet.c_lflag &= !libc::ECHO;
            libc::tcsetattr(libc::STDIN_FILENO, libc::TCSANOW, &quiet);
            Hidden(Some(before))
        }
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        if let Some(before) = &self.0 {
            // SAFETY: as above; `before` is what the terminal was.
            unsafe { libc::tcsetattr(libc::STDIN_FILENO, libc::TCSANOW, before) };
        }
    }
}

/// What answers are checked by; each error ends a sentence.
pub mod answers {
    use crate::shop::{TaxClass, may_be_id};

    pub fn id(text: &str) -> Result<String, String> {
        match may_be_id(text) {
            true => Ok(text.to_owned()),
            false => Err("an id has letters, digits, - _ . and :, 64 at most".into()),
        }
    }

    pub fn some_text(text: &str) -> Result<String, String> {
        if text.is_empty() || text.chars().any(char::is_control) {
            return Err("it needs at least one printable character".into());
        }
        Ok(text.to_owned())
    }

    pub fn currency(text: &str) -> Result<String, String> {
        let upper = text.to_uppercase();
        match upper.len() == 3 && upper.bytes().all(|b| b.is_ascii_uppercase()) {
            true => Ok(upper),
            false => Err("a currency is three letters, such as EUR".into()),
        }
    }

    pub fn timezone(text: &str) -> Result<String, String> {
        match text == "UTC" || jiff::tz::db().get(text).is_ok() {
            true => Ok(text.to_owned()),
            false => Err(format!("`{text}` is no time zone known here; write an IANA name, such as Europe/Berlin")),
        }
    }

    /// `standard=19 %, reduced=7 %`
    pub fn taxes(text: &str) -> Result<Vec<TaxClass>, String> {
        let wrong = || "write name=percent, several with commas, such as standard=19, reduced=7".to_owned();
        let class = |part: &str| {
            let (name, rate) = part.split_once('=').ok_or_else(wrong)?;
            let percent: f64 = rate.trim().trim_end_matches('%').trim().parse().map_err(|_| wrong())?;
            let name = id(name.trim()).map_err(|_| wrong())?;
            if !(0.0..=100.0).contains(&percent) {
                return Err("a rate is 0 % to 100 %".to_owned());
            }
            Ok(TaxClass { name, rate_bp: (percent * 100.0).round() as u32 })
        };
        text.split(',').map(|part| class(part.trim())).collect()
    }

    /// `6 x 5` metres.
    pub fn room(text: &str) -> Result<(f64, f64), String> {
        let wrong = || "write width x depth in metres, such as 6 x 5".to_owned();
        let (width, depth) = text.split_once(['x', 'X', '*', '×']).ok_or_else(wrong)?;
        let metres = |text: &str| text.trim().replace(',', ".").parse::<f64>().map_err(|_| wrong());
        let (width, depth) = (metres(width)?, metres(depth)?);
        match [width, depth].iter().all(|side| (1.0..=200.0).contains(side)) {
            true => Ok((width, depth)),
            false => Err("a side is 1 to 200 metres".into()),
        }
    }

    /// `HOST`, `HOST:PORT` or `[v6]:PORT`.
    pub fn address(text: &str, usual_port: u16) -> Result<(String, u16), String> {
        let text = ["mqtt://", "mqtts://"].iter().find_map(|scheme| text.strip_prefix(scheme)).unwrap_or(text);
        let text = text.trim_end_matches('/');
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) if !host.contains(':') || host.starts_with('[') => {
                (host, port.parse().map_err(|_| format!("`{port}` is no port; write HOST:PORT"))?)
            }
            _ => (text, usual_port),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        match host.is_empty() || port == 0 || host.contains(['/', ' ']) {
            true => Err("write HOST:PORT, such as 192.168.1.10:1883".into()),
            false => Ok((host.to_owned(), port)),
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn answers_are_taken_as_people_write_them() {
            assert_eq!(address("10.0.0.4", 1883), Ok(("10.0.0.4".into(), 1883)));
            assert_eq!(address("mqtts://broker.shop", 8883), Ok(("broker.shop".into(), 8883)));
            assert_eq!(address("mqtt://broker.shop:1884/", 1883), Ok(("broker.shop".into(), 1884)));
            assert_eq!(address("[::1]:1885", 1883), Ok(("::1".into(), 1885)));
            assert_eq!(room("6,5 x 4"), Ok((6.5, 4.0)));
            assert_eq!(currency("eur"), Ok("EUR".into()));
            let rates: Vec<u32> = taxes("standard=19 %, low = 5.5").unwrap().iter().map(|t| t.rate_bp).collect();
            assert_eq!(rates, [1900, 550]);
            for wrong in [
                address("broker:mqtt", 1883).map(drop),
                address(":1883", 1883).map(drop),
                room("six by five").map(drop),
                room("0x5").map(drop),
                currency("Euro").map(drop),
                timezone("Berlin").map(drop),
                taxes("19 %").map(drop),
                taxes("a=200").map(drop),
                id("my shop").map(drop),
                some_text("").map(drop),
            ] {
                let why = wrong.expect_err("a wrong answer");
                assert!(!why.is_empty() && !why.ends_with('.'), "{why}");
            }
        }
    }
}
