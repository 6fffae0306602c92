//! A real mosquitto of our own for demonstrations and tests: on a loopback port of the system's choice, in a directory
//! that is handed in, killed with whoever started it.

use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

pub struct Mosquitto {
    child: Child,
    pub port: u16,
}

#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    #[error("mosquitto is not installed; ./dev setup installs it (on Debian: apt-get install mosquitto)")]
    Missing,
    #[error("starting mosquitto: {0}")]
    Start(#[from] std::io::Error),
    #[error("mosquitto does not come up; what it says is in {0}")]
    Silent(PathBuf),
}

/// It is up within 50 ms; a machine under load may take longer.
const UP: Duration = Duration::from_secs(10);

/// Where distributions put it; `PATH` often lacks the first.
fn program() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let places = ["/usr/sbin", "/usr/local/sbin", "/opt/homebrew/sbin"].into_iter().map(PathBuf::from);
    places.chain(std::env::split_paths(&path)).map(|dir| dir.join("mosquitto")).find(|path| path.is_file())
}

/// A child out of our terminal's group (Ctrl-C stops us, and we stop the child when it is its turn) that is told to stop
/// when we die without a word.
pub fn bind_to_us(command: &mut Command) {
    command.process_group(0);
    #[cfg(target_os = "linux")]
    // SAFETY: between fork and exec only this one system call is made, which takes plain numbers and allocates nothing.
    unsafe {
        command.pre_exec(|| match libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM as libc::c_ulong, 0, 0, 0) {
            0 => Ok(()),
            _ => Err(std::io::Error::last_os_error()),
        });
    }
}

impl Mosquitto {
    /// Writes its config and log into `dir`. No persistence: measurements die with it, events live in the daemon's
    /// ledger.
    pub fn start(dir: &Path) -> Result<Mosquitto, BrokerError> {
        let program = program().ok_or(BrokerError::Missing)?;
        let log = dir.join("mosquitto.log");
        // Between asking for a free port and using it somebody else may take it: then another.
        for _ in 0..5 {
            let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
            let config = dir.join("mosquitto.conf");
            std::fs::write(
                &config,
                format!(
                    "listener {port} 127.0.0.1\nallow_anonymous true\npersistence false\nset_tcp_nodelay true\n\
                     log_dest stderr\nlog_type error\nlog_type warning\n"
                ),
            )?;
            let mut command = Command::new(&program);
            command.arg("-c").arg(&config).stdin(Stdio::null()).stdout(Stdio::null());
            // Our file, not mosquitto's: as root it gives its rights away before it opens one.
            command.stderr(std::fs::File::create(&log)?);
            bind_to_us(&mut command);
            let mut child = command.spawn()?;
            let since = Instant::now();
            while since.elapsed() < UP && child.try_wait()?.is_none() {
                if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                    return Ok(Mosquitto { child, port });
                }
                std::thread::sleep(Duration::from_millis(5));
            }
            let _ = child.kill();
            let _ = child.wait();
        }
        Err(BrokerError::Silent(log))
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
