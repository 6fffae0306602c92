//! The files of a shop, as `carryout init` writes them: config, secrets, shop files. Texts first; the disk comes last
//! and at once, when everything is known to be right. What was there is kept beside what is new, under another name.

use super::tls::Tls;
use crate::base::{SecretFile, secret};
use crate::commands::credentials::SECRETS;
use crate::config::Config;
use crate::shop::read::{CATALOGUE_FILE, PLANOGRAM_FILE, SHOP_FILE};
use crate::shop::{Problem, Shop};
use std::fmt::Write;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, chown};
use std::path::{Path, PathBuf};

pub const CONFIG: &str = "carryout.toml";
const SHOP: &str = "shop";

/// What differs from the defaults.
#[derive(Debug, Default)]
pub struct Wanted {
    pub host: String,
    pub port: u16,
    pub user: Option<String>,
    /// With a user there must be one.
    pub password: Option<String>,
    pub tls: Tls,
    pub state: Option<PathBuf>,
    pub page: Option<String>,
    pub upstream: Option<String>,
    pub upstream_token: Option<String>,
    /// Secrets come through the service manager.
    pub systemd: bool,
    /// Sentences at the head of shop.toml.
    pub assumed: Vec<String>,
    /// The rows of somebody's own catalogue, instead of the shop's.
    pub catalogue: Option<String>,
}

/// One file to be.
struct NewFile {
    path: PathBuf,
    text: String,
    mode: u32,
}

pub struct Household {
    dir: PathBuf,
    files: Vec<NewFile>,
}

/// What stands in the way of writing into `dir`; `None` when nothing does. Makes the directory.
pub fn obstacle(dir: &Path, force: bool) -> Option<String> {
    if let Err(error) = fs::create_dir_all(dir) {
        return Some(format!("cannot make {}: {error}; choose another --dir, or use sudo", dir.display()));
    }
    let probe = dir.join(".carryout-init");
    let tried = OpenOptions::new().create_new(true).write(true).open(&probe).map(drop);
    let _ = fs::remove_file(&probe);
    if let Err(error) = tried {
        return Some(format!("cannot write into {}: {error}; choose another --dir, or use sudo", dir.display()));
    }
    let names = [CONFIG.into(), format!("{SHOP}/{SHOP_FILE}"), format!("{SHOP}/{PLANOGRAM_FILE}")];
    let there = names.iter().find(|name| dir.join(name).exists())?;
    (!force).then(|| {
        format!(
            "{} is there already; --force writes new files and keeps the old ones as .bak, or choose another --dir",
            dir.join(there).display()
        )
    })
}

impl Household {
    /// All files of the shop, checked as `carryout run` will read them; or every problem.
    pub fn draft(dir: &Path, wanted: &Wanted, shop: &Shop) -> Result<Household, Vec<Problem>> {
        let catalogue = wanted.catalogue.clone().unwrap_or_else(|| shop.catalogue_csv());
        let (layout, planogram) = (head(shop, wanted) + &shop.shop_toml(), shop.planogram_csv());
        Shop::parse(&layout, &planogram, &catalogue)?;
        let config = config(wanted);
        Config::parse(CONFIG, &config)?;
        // An address of a camera may hold its password.
        let shop_mode = if layout.contains("rtsp") { 0o640 } else { 0o644 };
        let mut files = vec![
            NewFile { path: CONFIG.into(), text: config, mode: 0o644 },
            NewFile { path: Path::new(SHOP).join(SHOP_FILE), text: layout, mode: shop_mode },
            NewFile { path: Path::new(SHOP).join(PLANOGRAM_FILE), text: planogram, mode: 0o644 },
            NewFile { path: Path::new(SHOP).join(CATALOGUE_FILE), text: catalogue, mode: 0o644 },
        ];
        for (name, given) in
            [("mqtt-password", &wanted.password), ("upstream-token", &wanted.upstream_token), ("web-token", &None)]
        {
            let path = Path::new(SECRETS).join(name);
            let text = match (given, name) {
                (Some(given), _) => given.clone(),
                // A token that staff know already goes on being theirs.
                (None, "web-token") if !dir.join(&path).exists() => secret::drawn(),
                _ => continue,
            };
            files.push(NewFile { path, text: text + "\n", mode: 0o600 });
        }
        files.extend(wanted.tls.files().map(|(path, text, mode)| NewFile { path, text, mode }));
        Ok(Household { dir: dir.to_owned(), files })
    }

    /// Writes everything; answers with a line a file. Files that say what they would say are left alone.
    pub fn write(&self) -> io::Result<Vec<String>> {
        let told = |path: &Path, error: io::Error| {
            io::Error::new(error.kind(), format!("writing {}: {error}", self.dir.join(path).display()))
        };
        let group = group_of_the_daemon();
        let mut report = Vec::new();
        for (name, mode) in [(SHOP, 0o755), (SECRETS, 0o700)] {
            let made = fs::DirBuilder::new().recursive(true).mode(mode).create(self.dir.join(name));
            made.map_err(|error| told(Path::new(name), error))?;
        }
        for NewFile { path, text, mode } in &self.files {
            let whole = self.dir.join(path);
            let mut line = whole.display().to_string();
            if let Ok(before) = fs::read(&whole) {
                if before == text.as_bytes() {
                    continue;
                }
                let kept = keep(&whole).map_err(|error| told(path, error))?;
                let _ = write!(line, " (what was there is now {})", kept.display());
            }
            let mut file = OpenOptions::new()
                .create_new(true)
                .write(true)
                .mode(*mode)
                .open(&whole)
                .map_err(|error| told(path, error))?;
            file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(|error| told(path, error))?;
            if let (Some(group), 0o640) = (group, mode) {
                chown(&whole, None, Some(group)).map_err(|error| told(path, error))?;
            }
            report.push(line);
        }
        Ok(report)
    }
}

/// The group that reads files which hold camera passwords; only root can give them to it.
fn group_of_the_daemon() -> Option<u32> {
    // SAFETY: geteuid takes nothing and cannot fail. getgrnam takes a text that lives for ever and answers with null or
    // a pointer to a static record, which is read at once; no other thread here asks for groups.
    unsafe {
        if libc::geteuid() != 0 {
            return None;
        }
        let group = libc::getgrnam(c"carryout".as_ptr());
        (!group.is_null()).then(|| (*group).gr_gid)
    }
}

/// Moves a file out of the way: `.bak`, `.bak.2`, ….
fn keep(path: &Path) -> io::Result<PathBuf> {
    let named = |end: String| PathBuf::from(format!("{}{end}", path.display()));
    let names = std::iter::once(named(".bak".into())).chain((2..).map(|n| named(format!(".bak.{n}"))));
    let free = names.into_iter().find(|name| !name.exists()).expect("numbers do not end");
    fs::rename(path, &free).map(|()| free)
}

fn head(shop: &Shop, wanted: &Wanted) -> String {
    let name: String = shop.name.chars().filter(|c| !c.is_control()).collect();
    let mut head = format!(
        "# {name}: a first plan, written by `carryout init`. Measure, edit, and let `carryout check` look at it.\n\
         # docs/shop-files.md explains every key. Metres; x to the right, y away from the street, z up from the floor.\n"
    );
    for line in &wanted.assumed {
        let line: String = line.chars().filter(|c| !c.is_control()).collect();
        let _ = writeln!(head, "# Assumed: {line}.");
    }
    head.push('\n');
    head
}

fn config(wanted: &Wanted) -> String {
    let quoted = |text: &str| toml::Value::String(text.to_owned()).to_string();
    let secret = |name: &str| match wanted.systemd {
        true => SecretFile::Credential(name.to_owned()),
        false => SecretFile::File(Path::new(SECRETS).join(name)),
    };
    let secret = |name: &str| quoted(&secret(name).to_string());
    let mut out = String::from(
        "# Written by `carryout init`. What is not here has its default: config/carryout.toml of Carryout's source and\n\
         # package explains every key. Relative paths begin at this file. `carryout check` looks at it.\n",
    );
    if wanted.systemd {
        out +=
            "# `credential:NAME` is secrets/NAME beside this file; carryout.service is handed it, and nobody else.\n";
    }
    if let Some(state) = &wanted.state {
        let _ = write!(out, "\n[state]\n# The ledger; back it up.\ndirectory = {}\n", quoted(&state.to_string_lossy()));
    }
    let _ = write!(out, "\n[mqtt]\nhost = {}\nport = {}\n", quoted(&wanted.host), wanted.port);
    out += &wanted.tls.keys(quoted, secret);
    if let Some(user) = &wanted.user {
        let _ = write!(out, "user = {}\npassword_file = {}\n", quoted(user), secret("mqtt-password"));
    }
    out += "\n[web]\n";
    if let Some(page) = &wanted.page {
        let _ = writeln!(out, "listen = {}", quoted(page));
    }
    let _ = writeln!(out, "# What staff log in with on the page.\ntoken_file = {}", secret("web-token"));
    match &wanted.upstream {
        Some(url) => {
            let _ = write!(out, "\n[upstream]\nurl = {}\n", quoted(url));
            if wanted.upstream_token.is_some() {
                let _ = writeln!(out, "token_file = {}", secret("upstream-token"));
            }
        }
        None => out += "\n# No payment service yet: the shop is offline, and charges wait. Set `url` in [upstream].\n",
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_config_says_what_differs_and_the_daemon_reads_it() {
        let plain = Wanted { host: "10.0.0.4".into(), port: 1883, ..Wanted::default() };
        let full = Wanted {
            host: "10.0.0.4".into(),
            port: 1883,
            user: Some("till \"one\"".into()),
            password: Some("p".into()),
            state: Some("state".into()),
            page: Some("127.0.0.1:0".into()),
            upstream: Some("https://pay.example".into()),
            upstream_token: Some("t".into()),
            systemd: true,
            ..Wanted::default()
        };
        let read = |wanted: &Wanted| Config::parse(CONFIG, &config(wanted)).unwrap_or_else(|p| panic!("{p:#?}"));
        let (first, second) = (read(&plain), read(&full));
        assert_eq!((first.mqtt.host.as_str(), first.mqtt.user), ("10.0.0.4", None));
        assert_eq!(first.web.token_file, Some(SecretFile::File("secrets/web-token".into())));
        assert_eq!(first.state.directory, Config::default().state.directory);
        assert_eq!(second.mqtt.user.as_deref(), Some("till \"one\""));
        for (file, name) in [
            (second.mqtt.password_file, "mqtt-password"),
            (second.web.token_file, "web-token"),
            (second.upstream.token_file, "upstream-token"),
        ] {
            assert_eq!(file, Some(SecretFile::Credential(name.into())), "as the unit hands it over");
        }
        assert_eq!(second.state.directory, Path::new("state"));
    }

    #[test]
    fn what_was_there_is_kept_under_one_name_after_another() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("shop.toml");
        for (text, kept) in [("one", "shop.toml.bak"), ("two", "shop.toml.bak.2"), ("three", "shop.toml.bak.3")] {
            fs::write(&path, text).unwrap();
            assert_eq!(keep(&path).unwrap(), dir.path().join(kept));
            assert_eq!(fs::read_to_string(dir.path().join(kept)).unwrap(), text);
        }
    }
}
