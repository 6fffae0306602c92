//! A real broker for a test: mosquitto on a port from the system, in a temporary directory, gone when dropped.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

pub struct Mosquitto {
    child: Child,
    pub port: u16,
    /// Holds the configuration, and what persists over a restart.
    dir: tempfile::TempDir,
    /// Lines of its configuration after the listener.
    settings: String,
}

impl Mosquitto {
    /// `None`, with a plain sentence on standard error, where mosquitto is not installed.
    pub fn start() -> Option<Mosquitto> {
        Mosquitto::start_with(|_| "allow_anonymous true\n".to_owned())
    }

    /// With settings of its own for its one listener; files that they name may be written into the directory.
    pub fn start_with(settings: impl Fn(&Path) -> String) -> Option<Mosquitto> {
        let Some(program) = program() else {
            eprintln!("SKIPPED: mosquitto is not installed; `./dev setup` installs it");
            return None;
        };
        // Another process may take the port between our looking and mosquitto's binding: look again.
        for _ in 0..5 {
            let port = TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("its number").port();
            let dir = tempfile::tempdir().expect("a temporary directory");
            let settings = settings(dir.path());
            if let Some(child) = launch(&program, port, &dir, &settings) {
                return Some(Mosquitto { child, port, dir, settings });
            }
        }
        panic!("mosquitto did not start on five free ports in turn");
    }

    /// Kills the broker and starts it again on the same port, with nothing remembered.
    #[allow(dead_code)]
    pub fn restart(&mut self) {
        self.stop();
        let program = program().expect("it was there");
        self.child = launch(&program, self.port, &self.dir, &self.settings).expect("the port is still free");
    }

    /// Where its files are.
    #[allow(dead_code)]
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    #[allow(dead_code)]
    pub fn stop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        self.stop();
    }
}

fn program() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    // Debian keeps it in a directory that is not in an ordinary user's PATH.
    let places = std::env::split_paths(&path).chain(["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from));
    places.map(|dir| dir.join("mosquitto")).find(|file| file.is_file())
}

/// Starts mosquitto and waits for it to say that it runs. `None`: it could not have the port.
fn launch(program: &Path, port: u16, dir: &tempfile::TempDir, settings: &str) -> Option<Child> {
    let config = dir.path().join("mosquitto.conf");
    // Nagle's algorithm and delayed acknowledgements together cost 44 ms a message.
    // It stays root where it is started as root: its own user could not read the files of a temporary directory.
    let text = format!(
        "user root\npersistence false\nset_tcp_nodelay true\nlog_dest stderr\nlistener {port} 127.0.0.1\n{settings}"
    );
    std::fs::write(&config, text).expect("writing mosquitto.conf");
    let mut child = Command::new(program)
        .arg("-c")
        .arg(&config)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("starting mosquitto");
    let mut log = BufReader::new(child.stderr.take().expect("its log")).lines();
    let running = log.by_ref().map_while(Result::ok).any(|line| line.contains("running"));
    if !running {
        let _ = child.wait();
        return None;
    }
    // A full pipe would stop it.
    std::thread::spawn(move || log.for_each(drop));
    Some(child)
}
