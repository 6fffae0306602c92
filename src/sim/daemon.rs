//! The daemon as a child process, as a demonstration or a test runs one: config, shop files and secrets in a directory,
//! started, watched, stopped in order or killed. Dropped, it is killed.

use crate::shop::Shop;
use crate::sim::broker::bind_to_us;
use std::fs::{self, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// What differs from the defaults, and lies in one directory with everything the daemon keeps.
#[derive(Clone, Debug)]
pub struct Household {
    pub dir: PathBuf,
    pub mqtt_port: u16,
    /// 0: the system chooses; the daemon says it in its log and to its service manager.
    pub web_port: u16,
    pub web_token: String,
    pub upstream_url: String,
    pub upstream_token: String,
    /// Ends the config file: more keys of its last section, `[upstream]`, then other sections.
    pub more: String,
}

impl Household {
    pub fn state(&self) -> PathBuf {
        self.dir.join("state")
    }

    pub fn config(&self) -> PathBuf {
        self.dir.join("carryout.toml")
    }

    pub fn log(&self) -> PathBuf {
        self.dir.join("daemon.log")
    }

    /// Writes shop files, secrets and config. `who` is said in the config's first line.
    pub fn furnish(&self, shop: &Shop, who: &str) -> io::Result<()> {
        shop.write(self.dir.join("shop"))?;
        write_secret(&self.dir.join("web.token"), &self.web_token)?;
        write_secret(&self.dir.join("upstream.token"), &self.upstream_token)?;
        // As TOML writes a text: a directory may have quotation marks in its name.
        let at = |name: &str| format!("{:?}", self.dir.join(name).display().to_string());
        let (shop, state) = (at("shop"), at("state"));
        let (web_token, upstream_token) = (at("web.token"), at("upstream.token"));
        let (mqtt, web, upstream, more) = (self.mqtt_port, self.web_port, &self.upstream_url, &self.more);
        fs::write(
            self.config(),
            format!(
                "# Written by {who}.\n\
                 [shop]\ndirectory = {shop}\n\n\
                 [state]\ndirectory = {state}\n\n\
                 [mqtt]\nhost = \"127.0.0.1\"\nport = {mqtt}\n\n\
                 [web]\nlisten = \"127.0.0.1:{web}\"\ntoken_file = {web_token}\n\n\
                 [upstream]\nurl = \"{upstream}\"\ntoken_file = {upstream_token}\n{more}"
            ),
        )
    }
}

pub struct Daemon {
    child: Child,
}

impl Daemon {
    /// `carryout run` of this household, with `more` arguments; what it says is added to the household's log. `command`
    /// runs `carryout`, with whatever environment it is to have.
    pub fn start(mut command: Command, home: &Household, more: &[&str]) -> io::Result<Daemon> {
        let log = OpenOptions::new().create(true).append(true).open(home.log())?;
        let errors = log.try_clone()?;
        command.arg("run").arg("--config").arg(home.config()).args(more);
        command.stdin(Stdio::null()).stdout(log).stderr(errors);
        // Ctrl-C in our terminal is for us; the daemon gets its SIGTERM when shoppers have left.
        bind_to_us(&mut command);
        Ok(Daemon { child: command.spawn()? })
    }

    /// How it ended by itself, if it has.
    pub fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// As in a power cut: nothing more is said, nothing is put in order.
    pub fn kill(mut self) {
        self.end();
    }

    /// Asks it to stop and waits for it; after `patience` it is killed, and that is an error. Blocks.
    pub fn stop(mut self, patience: Duration) -> Result<ExitStatus, String> {
        // SAFETY: a plain system call; the child is ours and not yet waited for, so its id is not another's.
        unsafe { libc::kill(self.child.id() as libc::pid_t, libc::SIGTERM) };
        let since = Instant::now();
        loop {
            match self.child.try_wait() {
                Ok(Some(status)) => return Ok(status),
                Ok(None) if since.elapsed() < patience => std::thread::sleep(Duration::from_millis(20)),
                Ok(None) => {
                    return Err(format!("the daemon did not stop within {} s and was killed", patience.as_secs()));
                }
                Err(err) => return Err(format!("waiting for the daemon: {err}")),
            }
        }
    }

    fn end(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.end();
    }
}

/// The end of a daemon's log, also when it is gone.
pub fn last_words(log: &Path) -> String {
    const TAIL_BYTES: u64 = 3_000;
    let read = || -> io::Result<String> {
        let mut file = fs::File::open(log)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    match read() {
        Ok(text) if text.trim().is_empty() => "it wrote nothing to its log".to_owned(),
        Ok(text) => format!("the end of its log:\n{text}"),
        Err(err) => format!("its log cannot be read: {err}"),
    }
}

fn write_secret(path: &Path, secret: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    writeln!(file, "{secret}")
}
