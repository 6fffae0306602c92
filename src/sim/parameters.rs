//! How the synthetic shop behaves: one file of figures, each with its source (`parameters.toml`), and what its keys mean.
//!
//! A file given by `carryout simulate --parameters` names only what it changes. What it names must exist.

use super::faults::Severity;
use super::looks::Looks;
use super::people::Sight;
use super::shelves::Physics;
use super::shoppers::Mix;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::LazyLock;

/// The figures that come with the program.
const PARAMETERS: &str = include_str!("parameters.toml");

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parameters {
    pub shelves: Physics,
    pub goods: Goods,
    pub sight: Sight,
    pub looks: Looks,
    pub faults: Severity,
    /// Behaviours by name: `ordinary` is what comes if nothing is said.
    pub people: BTreeMap<String, Mix>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Goods {
    /// Sigma of one package's weight around its product's.
    pub package_sigma: f64,
}

static SHIPPED: LazyLock<Parameters> =
    LazyLock::new(|| Parameters::shipped_but(&[]).expect("parameters.toml, which every test of the simulator reads"));

impl Default for Parameters {
    fn default() -> Parameters {
        SHIPPED.clone()
    }
}

impl Parameters {
    /// Those that come with the program, without a copy.
    pub fn shipped() -> &'static Parameters {
        &SHIPPED
    }

    /// What a file changes: a table for [`Parameters::shipped_but`]. It is looked at as a whole.
    pub fn read(path: &Path) -> Result<toml::Table, String> {
        let at = path.display();
        let text = std::fs::read_to_string(path).map_err(|err| format!("reading parameters {at}: {err}"))?;
        let changes: toml::Table =
            toml::from_str(&text).map_err(|err| format!("parameters {at}: {}", err.to_string().trim_end()))?;
        Parameters::shipped_but(&[&changes]).map_err(|err| format!("parameters {at}: {err}"))?;
        Ok(changes)
    }

    /// The figures that come with the program, but for these; later tables come over earlier ones.
    pub fn shipped_but(changes: &[&toml::Table]) -> Result<Parameters, String> {
        let mut all: toml::Table = toml::from_str(PARAMETERS).map_err(|err| err.to_string())?;
        for table in changes {
            overlay(&mut all, (*table).clone(), "")?;
        }
        let parameters: Parameters = all.try_into().map_err(|err: toml::de::Error| err.message().to_owned())?;
        parameters.check()?;
        Ok(parameters)
    }

    pub fn mix(&self, name: &str) -> Result<&Mix, String> {
        self.people.get(name).ok_or_else(|| {
            let known: Vec<&str> = self.people.keys().map(String::as_str).collect();
            format!("nobody behaves as \"{name}\"; there are {}", known.join(", "))
        })
    }

    /// What would make no shop: shares beyond 1, ranges from high to low, nothing to look with.
    fn check(&self) -> Result<(), String> {
        let wrong = |what: String| if what.is_empty() { Ok(()) } else { Err(what) };
        wrong(self.shelves.problem())?;
        wrong(self.sight.problem())?;
        wrong(self.looks.problem())?;
        wrong(self.faults.problem())?;
        if !(0.0..0.3).contains(&self.goods.package_sigma) {
            return Err("goods.package_sigma must lie within 0..0.3".to_owned());
        }
        self.people
            .iter()
            .try_for_each(|(name, mix)| wrong(mix.problem()).map_err(|what| format!("people.{name}.{what}")))
    }
}

/// Tables go into tables; anything else takes the place of what was there.
fn overlay(under: &mut toml::Table, over: toml::Table, path: &str) -> Result<(), String> {
    for (key, value) in over {
        let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        match (under.get_mut(&key), value) {
            (Some(toml::Value::Table(under)), toml::Value::Table(over)) => overlay(under, over, &path)?,
            (Some(toml::Value::Table(_)), other) => {
                return Err(format!("{path} must be a table of figures, not {}", other.type_str()));
            }
            (_, value) => {
                under.insert(key, value);
            }
        }
    }
    Ok(())
}

/// The first key whose figure lies outside its bounds, as a sentence; empty if all is well.
pub(super) fn first_outside(figures: &[(&str, f64, f64, f64)]) -> String {
    let outside = figures.iter().find(|(_, value, low, high)| !(*low..=*high).contains(value));
    outside
        .map_or(String::new(), |(key, value, low, high)| format!("{key} is {value}; it must lie within {low}..={high}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Parameters, String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("parameters.toml");
        std::fs::write(&path, text).unwrap();
        Parameters::shipped_but(&[&Parameters::read(&path)?])
    }

    #[test]
    fn a_file_changes_what_it_names_and_nothing_else() {
        let changed = parse("[sight]\nreach_seen = 0.9\n[looks]\nclothes = { noise = 0.5 }").unwrap();
        assert_eq!((changed.sight.reach_seen, changed.sight.hand_missed), (0.9, 0.1));
        assert_eq!((changed.looks.clothes.noise, changed.looks.clothes.numbers), (0.5, 32));
        let mixed = parse("[people.ordinary]\nput_back = 0.5").unwrap();
        assert_eq!(mixed.mix("ordinary").unwrap().put_back, 0.5);
    }

    #[test]
    fn what_makes_no_shop_is_refused_by_name() {
        for (text, says) in [
            ("[sight]\nreach_sen = 0.9", "unknown field `reach_sen`"),
            ("[sight]\nreach_seen = 1.2", "sight.reach_seen is 1.2; it must lie within 0..=1"),
            ("[shelves]\npush_g = [30.0, 10.0]", "shelves.push_g"),
            ("[shelves]\nbase_g = []", "shelves.base_g"),
            ("[people.ordinary]\nparty = [0.9, 0.9, 0.0, 0.0]", "people.ordinary.party"),
            ("[people.ordinary]\nitems = [3, 1]", "people.ordinary.items"),
            ("[people.rude]\nparty = [1.0, 0.0, 0.0, 0.0]", "missing field"),
            ("[looks]\ngoods = { numbers = 0 }", "looks.goods.numbers"),
            ("sight = 3", "sight must be a table of figures, not integer"),
            ("[sight", "TOML parse error"),
        ] {
            let refused = parse(text).err().unwrap_or_else(|| panic!("{text} was taken"));
            assert!(refused.contains(says), "{text}: {refused}");
        }
        let refused = Parameters::default().mix("rude").unwrap_err();
        assert_eq!(refused, "nobody behaves as \"rude\"; there are ordinary, quick");
    }
}
