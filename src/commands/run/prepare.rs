//! From files to what a shop opens with. Everything that can refuse is asked here, before anything starts; at SIGHUP it is
//! asked again, and the shop opens anew with the answer or goes on with what it had.
//!
//! Opening anew is the ordinary stop and the ordinary recovery, within one process: whoever is inside keeps their cart,
//! taps wait at the broker and requests at the page's socket. What a unit costs was settled when it was taken, so new
//! prices are for what is taken from then on.

use super::{Failure, RunArgs};
use crate::base::{Counters, SecretFile};
use crate::commands::check::{self, CheckArgs};
use crate::config::Config;
use crate::shop::problems::Problems;
use crate::shop::read::SHOP_FILE;
use crate::shop::{Problem, Shop};
use crate::sync::{self, Client};
use crate::web::Sessions;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

pub struct Prepared {
    pub config: Config,
    pub shop: Arc<Shop>,
    /// `None`: no address is configured.
    pub client: Option<Client>,
    /// Of the page; whoever is logged in stays so, as long as the token is the same.
    pub sessions: Arc<Sessions>,
    /// Stays open from one opening to the next, so that nobody is turned away between them.
    pub listener: TcpListener,
}

impl Prepared {
    /// Reads config and shop; every problem is told and refuses.
    pub fn read(args: &RunArgs) -> Result<Prepared, Vec<Problem>> {
        let config = Config::read(&args.config)?;
        let (shop, warnings) = Shop::read(&config.shop.directory)?;
        for warning in warnings {
            tracing::warn!(%warning, "shop files");
        }
        Prepared::with(args, config, shop, None)
    }

    /// Goes on with what is `open` where it is still the same.
    fn with(args: &RunArgs, config: Config, shop: Shop, open: Option<&Prepared>) -> Result<Prepared, Vec<Problem>> {
        Prepared::try_with(args, config, shop, open).map_err(|error| {
            let name = args.config.file_name().map_or("carryout.toml".into(), |name| name.to_string_lossy());
            let mut problems = Problems::of(name);
            problems.error(None, error.to_string());
            problems.into_sorted()
        })
    }

    fn try_with(args: &RunArgs, mut config: Config, shop: Shop, open: Option<&Prepared>) -> Result<Prepared, Failure> {
        config.clock.devices = args.clock.unwrap_or(config.clock.devices);
        sync::install_tls_provider();
        let client = Client::new(&config.upstream, shop.id.clone(), &shop.currency)?;
        let token = read_token(config.web.token_file.as_ref())?;
        let sessions = match open {
            Some(open) if open.sessions.is_token(&token) => open.sessions.clone(),
            _ => Arc::new(Sessions::new(&token)),
        };
        let listener = match open {
            Some(open) if open.config.web.listen == config.web.listen => open.listener.try_clone()?,
            _ => listen(config.web.listen)?,
        };
        Ok(Prepared { config, shop: Arc::new(shop), client, sessions, listener })
    }

    /// What the files say now, if a shop that is open can go on with it.
    fn again(&self, args: &RunArgs) -> Result<Prepared, Vec<Problem>> {
        let looked = check::look(&CheckArgs { config: Some(args.config.clone()), shop: None });
        let problems = looked.problems.into_iter().chain(looked.model_problems);
        let (errors, warnings): (Vec<Problem>, Vec<Problem>) = problems.partition(Problem::is_error);
        for warning in warnings {
            tracing::warn!(%warning, "files read again");
        }
        let (Some(config), Some(shop), true) = (looked.config, looked.shop, errors.is_empty()) else {
            return Err(errors);
        };
        self.stays_itself(&config, &shop)?;
        Prepared::with(args, config, shop, Some(self))
    }

    /// What the books are kept by cannot change while they are open.
    fn stays_itself(&self, config: &Config, shop: &Shop) -> Result<(), Vec<Problem>> {
        let mut problems = Problems::of(SHOP_FILE);
        if shop.id != self.shop.id {
            problems
                .error(
                    None,
                    format!("the shop's id is now {}, and the open ledger is that of {}", shop.id, self.shop.id),
                )
                .try_this("another shop needs a state directory of its own: stop carryout, change both, start it");
        }
        if shop.currency != self.shop.currency {
            let what = format!("the currency is now {}, and open carts are in {}", shop.currency, self.shop.currency);
            problems.error(None, what).try_this("stop carryout when nobody is inside, change it, start it");
        }
        if config.state.directory != self.config.state.directory {
            let (new, old) = (config.state.directory.display(), self.config.state.directory.display());
            problems
                .error(None, format!("`directory` of [state] is now {new}, and the open ledger lies in {old}"))
                .try_this("stop carryout, move the directory, start it");
        }
        match problems.into_sorted() {
            none if none.is_empty() => Ok(()),
            problems => Err(problems),
        }
    }
}

/// SIGHUP, and what came of it. Lives as long as the process: a signal during an opening is not lost.
pub struct Reloads {
    args: RunArgs,
    hangup: Signal,
    counters: Counters,
    /// Why the files as they now are were not taken, for the page.
    refused: watch::Sender<Option<String>>,
}

impl Reloads {
    pub fn listen(args: RunArgs, counters: Counters) -> std::io::Result<Reloads> {
        Ok(Reloads { args, hangup: signal(SignalKind::hangup())?, counters, refused: watch::Sender::default() })
    }

    pub fn refused(&self) -> watch::Receiver<Option<String>> {
        self.refused.subscribe()
    }

    /// Waits until the files are to be read again and can be opened with. Refusals are told; the shop goes on meanwhile.
    pub async fn next(&mut self, now: &Prepared) -> Prepared {
        loop {
            if self.hangup.recv().await.is_none() {
                std::future::pending::<()>().await;
            }
            tracing::info!("told to read the files again");
            // Models are read and hashed: tens of milliseconds, while gates wait for nobody.
            match tokio::task::block_in_place(|| now.again(&self.args)) {
                Ok(next) => {
                    self.counters.count("reload.taken");
                    self.refused.send_replace(None);
                    return next;
                }
                Err(problems) => {
                    for problem in &problems {
                        tracing::error!(%problem, "not taken");
                    }
                    self.counters.count("reload.refused");
                    let first = problems.first().map(|problem| problem.to_string().replace('\n', " "));
                    let more = match problems.len() {
                        0 | 1 => String::new(),
                        n => format!(" (and {} more, see the log)", n - 1),
                    };
                    self.refused.send_replace(Some(format!(
                        "The changed files were not taken: {}{more}. The shop goes on with what it had; run carryout \
                         check, mend them and reload again.",
                        first.unwrap_or_default().trim_end_matches('.')
                    )));
                }
            }
        }
    }
}

fn listen(address: SocketAddr) -> Result<TcpListener, Failure> {
    let bound = TcpListener::bind(address)
        .map_err(|error| format!("[web] listen {address}: {error}; is another carryout running?"))?;
    bound.set_nonblocking(true)?;
    Ok(bound)
}

fn read_token(file: Option<&SecretFile>) -> Result<String, Failure> {
    let Some(file) = file else {
        tracing::warn!("no [web] token_file: the page shows only whether the shop is up, and nobody may write");
        return Ok(String::new());
    };
    let line = file.first_line().map_err(|error| format!("[web] token_file: {error}"))?;
    match line.trim() {
        token if token.len() >= 16 => Ok(token.to_owned()),
        _ => Err(format!("[web] token_file {file}: its first line must be at least 16 characters").into()),
    }
}
