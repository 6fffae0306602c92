//! The taster: a message that kills the daemon twice in a row is not served a third time.
//!
//! A message that was not acknowledged comes again after a crash, and a device goes on sending what it sends: one that
//! makes the floor panic would keep the shop in a loop of restarts. So the floor's thread notes what it is about to take
//! in, in a small file, and strikes it out when it is through. A start that finds something noted knows what the last one
//! died of. What two starts in a row died of is put into `quarantine/` and taken in no more: a tap or an answer by itself,
//! a device with everything it says. Everybody else goes on.
//!
//! What the floor survives may still die of the ledger, whose rules of money stop the daemon. The ledger's thread then
//! notes whose consequences it refused ([`Taster::blame`]), and two starts in a row that ended so put it aside just the
//! same. A disk that fails is nobody's fault and notes nothing.
//!
//! Two small writes an observation, into the system's memory: they need not reach the disk, only outlive the process.

use crate::base::Ack;
use crate::events::{Observation, Stamped};
use crate::floor::Snapshot;
use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Deaths in a row of the same thing that put it aside. One may be a power cut.
const DEATHS: u8 = 2;
/// A line of the file: deaths, and the name of what killed, filled up with zeros. Names are cut to fit.
const LINE: usize = 128;

pub struct Taster {
    noted: File,
    dir: PathBuf,
    /// What the last start died of, and how many did so in a row.
    last: Option<(String, u8)>,
    aside: BTreeSet<String>,
    /// Whose consequences the ledger refused to the last start.
    refused: Option<(String, u8)>,
    refusals: Arc<File>,
}

/// Noted under this name, if it has one.
#[must_use]
pub struct Tasted(Option<String>);

impl Taster {
    /// Reads what the last start died of. `state` is the state directory, which exists.
    pub fn open(state: &Path) -> io::Result<Taster> {
        let (noted, last) = read_line(&state.join("tasting"))?;
        let (refusals, refused) = read_line(&state.join("refused"))?;
        if let Some((what, deaths)) = &last {
            tracing::error!(what, deaths, "the last start died in the middle of this");
        }
        if let Some((what, times)) = &refused {
            tracing::error!(what, times, "the last start ended because the ledger refused what came of this");
        }
        let dir = state.join("quarantine");
        Ok(Taster { noted, aside: in_quarantine(&dir)?, dir, last, refused, refusals: Arc::new(refusals) })
    }

    /// `None`: not to be taken in. Otherwise [`Taster::survived`] follows, or we are dead.
    pub fn taste(&mut self, stamped: &Stamped) -> io::Result<Option<Tasted>> {
        let Some(name) = name(&stamped.observation) else { return Ok(Some(Tasted(None))) };
        if self.aside.contains(&name) {
            return Ok(None);
        }
        let deaths = count(&self.last, &name);
        if deaths >= DEATHS || count(&self.refused, &name) >= DEATHS {
            self.set_aside(&name, stamped)?;
            return Ok(None);
        }
        self.noted.write_all_at(&line(deaths + 1, &name), 0)?;
        Ok(Some(Tasted(Some(name))))
    }

    /// To be told when the ledger refuses what came of this, in the moment before the daemon ends. `None`: what comes of a
    /// tick has no message that could be set aside.
    pub fn blame(&self, tasted: &Tasted) -> Option<Ack> {
        let name = tasted.0.clone()?;
        let line = line(count(&self.refused, &name).saturating_add(1), &name);
        let refusals = self.refusals.clone();
        Some(Ack::new(move || {
            tracing::error!(what = name, "the ledger refused what came of this");
            if let Err(error) = refusals.write_all_at(&line, 0) {
                tracing::error!(%error, "that could not be noted");
            }
        }))
    }

    pub fn survived(&mut self, tasted: Tasted) -> io::Result<()> {
        if let Tasted(Some(name)) = tasted {
            self.noted.write_all_at(&[0], 0)?;
            if self.last.as_ref().is_some_and(|(last, _)| *last == name) {
                self.last = None; // whatever it was, it was not this
            }
        }
        Ok(())
    }

    fn set_aside(&mut self, name: &str, stamped: &Stamped) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.dir)?;
        let mut private = OpenOptions::new();
        private.create(true).write(true).truncate(true).mode(0o600);
        let mut file = private.open(self.dir.join(format!("{name}.cbor")))?;
        ciborium::into_writer(stamped, &mut file).map_err(io::Error::other)?;
        file.sync_all()?;
        tracing::error!(what = name, dir = %self.dir.display(), "killed two starts in a row: put into quarantine");
        self.aside.insert(name.to_owned());
        for noted in [&self.noted, &*self.refusals] {
            noted.write_all_at(&[0], 0)?;
        }
        (self.last, self.refused) = (None, None);
        Ok(())
    }

    /// What is set aside shows on the page.
    pub fn tell(&self, snapshot: &mut Snapshot) {
        if self.aside.is_empty() {
            return;
        }
        let names: Vec<&str> = self.aside.iter().map(String::as_str).collect();
        snapshot.complain(format!(
            "Not heard any more, because it killed the daemon twice in a row: {}. It is kept in {}.",
            names.join(", "),
            self.dir.display()
        ));
    }
}

/// What it is called, as a file's name; `None`: it is our own, and nothing comes of leaving it out.
fn name(observation: &Observation) -> Option<String> {
    let name = match observation {
        Observation::Weights(weights) => format!("shelf-{}-weights", weights.shelf),
        Observation::ShelfOnline { shelf, .. } => format!("shelf-{shelf}-status"),
        Observation::GateClock { gate, .. } => format!("gate-{gate}-status"),
        Observation::People(people) => format!("camera-{}-people", people.camera),
        Observation::Tap(tap) => format!("tap-{}", tap.tap_id),
        Observation::Passage(passage) => format!("passage-{}", passage.passage_id),
        Observation::Authorised(answer) => format!("authorisation-{}", answer.tap_id),
        Observation::Charged(answer) => format!("charge-{}", answer.charge),
        Observation::Refunded { refund, .. } => format!("refund-{refund}"),
        Observation::Recalled { visit, .. } => format!("recall-{visit}"),
        Observation::Bind { visit, .. } => format!("payer-{visit}"),
        Observation::Reviewed { visit, .. } => format!("review-{visit}"),
        Observation::Contested { visit, .. } => format!("contest-{visit}"),
        Observation::RefundAsked { charge, .. } => format!("refund-of-{charge}"),
        // A batch of the model's is numbered anew by every start.
        Observation::Weighed(_) => return None,
        Observation::Started { .. }
        | Observation::Broker { .. }
        | Observation::Open { .. }
        | Observation::Durable { .. }
        | Observation::Tick => return None,
    };
    let plain = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '_' };
    Some(name.chars().map(plain).take(LINE - 1).collect())
}

/// The daemon has ended in order, its ledger too: no row of refusals goes on.
pub fn ended_well(state: &Path) {
    let _ = fs::remove_file(state.join("refused")); // at worst something is set aside one death early
}

/// How many starts in a row ended of this.
fn count(last: &Option<(String, u8)>, name: &str) -> u8 {
    last.as_ref().filter(|(last, _)| last == name).map_or(0, |(_, deaths)| *deaths)
}

fn line(deaths: u8, name: &str) -> [u8; LINE] {
    let mut line = [0; LINE];
    line[0] = deaths;
    line[1..1 + name.len()].copy_from_slice(name.as_bytes());
    line
}

/// Opened for writing, and what it says.
fn read_line(path: &Path) -> io::Result<(File, Option<(String, u8)>)> {
    let mut private = OpenOptions::new();
    private.create(true).read(true).write(true).truncate(false).mode(0o600);
    let file = private.open(path)?;
    let mut line = [0; LINE];
    let read = file.read_at(&mut line, 0)?;
    let name = String::from_utf8_lossy(&line[1..]).trim_end_matches('\0').to_owned();
    let said = read == LINE && line[0] > 0 && !name.is_empty();
    Ok((file, said.then_some((name, line[0]))))
}

fn in_quarantine(dir: &Path) -> io::Result<BTreeSet<String>> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeSet::new()),
        Err(error) => return Err(error),
    };
    let names = entries.map(|entry| Ok(entry?.file_name().to_string_lossy().strip_suffix(".cbor").map(str::to_owned)));
    names.filter_map(Result::transpose).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{PassageId, ShopTime};
    use crate::events::{Direction, Passage};
    use crate::floor::State;

    fn passage(id: &str) -> Stamped {
        let passage = Passage {
            gate: crate::base::GateId::new("gate-1"),
            passage_id: PassageId::new(id),
            t_us: 7,
            direction: Direction::In,
        };
        Stamped { arrival: ShopTime(9), observation: Observation::Passage(passage) }
    }

    /// A start that takes messages in until it dies of one; what it took in.
    fn start(state: &Path, messages: &[&str], deadly: &str) -> Vec<String> {
        let mut taster = Taster::open(state).unwrap();
        let mut taken = Vec::new();
        for id in messages {
            let message = passage(id);
            let Some(tasted) = taster.taste(&message).unwrap() else { continue };
            if *id == deadly {
                return taken; // the process is gone here
            }
            taster.survived(tasted).unwrap();
            taken.push((*id).to_owned());
        }
        taken
    }

    #[test]
    fn what_kills_twice_in_a_row_is_put_aside_and_everybody_else_goes_on() {
        let dir = tempfile::tempdir().unwrap();
        let messages = ["a", "bad", "c"];
        assert_eq!(start(dir.path(), &messages, "bad"), ["a"], "the first death");
        assert_eq!(start(dir.path(), &messages, "bad"), ["a"], "the second");
        assert_eq!(start(dir.path(), &messages, "bad"), ["a", "c"], "not a third");
        assert_eq!(start(dir.path(), &messages, "bad"), ["a", "c"], "and never again");
        let kept = fs::read(dir.path().join("quarantine/passage-bad.cbor")).unwrap();
        assert_eq!(ciborium::from_reader::<Stamped, _>(kept.as_slice()).unwrap(), passage("bad"));
        let mut snapshot = Snapshot { state: State::Up, ..Snapshot::default() };
        Taster::open(dir.path()).unwrap().tell(&mut snapshot);
        assert!(snapshot.reasons[0].contains("passage-bad"), "{:?}", snapshot.reasons);
        assert_eq!(snapshot.state, State::Degraded);
        // Somebody has mended what it was.
        fs::remove_file(dir.path().join("quarantine/passage-bad.cbor")).unwrap();
        assert_eq!(start(dir.path(), &messages, "nothing"), messages);
    }

    /// A start whose ledger refuses what comes of one message; what it took in.
    fn refusing_start(state: &Path, messages: &[&str], refused: &str) -> Vec<String> {
        let mut taster = Taster::open(state).unwrap();
        let mut taken = Vec::new();
        for id in messages {
            let Some(tasted) = taster.taste(&passage(id)).unwrap() else { continue };
            let blame = taster.blame(&tasted).unwrap();
            taster.survived(tasted).unwrap();
            if *id == refused {
                blame.done();
                return taken;
            }
            taken.push((*id).to_owned());
        }
        ended_well(state);
        taken
    }

    #[test]
    fn what_the_ledger_refuses_twice_in_a_row_is_put_aside() {
        let dir = tempfile::tempdir().unwrap();
        let messages = ["a", "bad", "c"];
        assert_eq!(refusing_start(dir.path(), &messages, "bad"), ["a"], "once");
        assert_eq!(refusing_start(dir.path(), &messages, "c"), ["a", "bad"], "another: no row");
        assert_eq!(refusing_start(dir.path(), &messages, "bad"), ["a"], "once again");
        assert_eq!(refusing_start(dir.path(), &["a"], "nothing"), ["a"], "an end in order: no row");
        for _ in 0..2 {
            assert_eq!(refusing_start(dir.path(), &messages, "bad"), ["a"]);
        }
        assert_eq!(refusing_start(dir.path(), &messages, "bad"), ["a", "c"], "not a third time");
        assert!(dir.path().join("quarantine/passage-bad.cbor").exists());
        assert_eq!(refusing_start(dir.path(), &messages, "c"), ["a"], "and the row begins anew");
        assert_eq!(refusing_start(dir.path(), &messages, "nothing"), ["a", "c"]);
    }

    #[test]
    fn two_power_cuts_are_nobodys_fault() {
        let dir = tempfile::tempdir().unwrap();
        for (messages, deadly) in [
            (&["a", "b"][..], "a"),
            (&["a", "b"], "b"), // a was survived: it was not a
            (&["a", "b"], "a"),
            (&["x", "b"], "b"), // not the same one twice
        ] {
            start(dir.path(), messages, deadly);
        }
        assert_eq!(start(dir.path(), &["a", "b", "x"], "nothing"), ["a", "b", "x"]);
        assert!(!dir.path().join("quarantine").exists());
    }
}
