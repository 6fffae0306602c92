//! All cores at work: jobs are taken in order and done at once, results come in the jobs' order, and a bar shows how far it
//! is (on a terminal; anything over two seconds should say that it is alive).

use indicatif::{ProgressBar, ProgressStyle};
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// `work` done on every job.
pub fn each<J: Sync, R: Send>(jobs: &[J], work: impl Fn(&J) -> R + Sync) -> Vec<R> {
    let bar = ProgressBar::new(jobs.len() as u64);
    bar.set_style(ProgressStyle::with_template("{bar:40} {pos}/{len} {eta}").expect("a template"));
    let (next, done) = (AtomicUsize::new(0), Mutex::new(BTreeMap::new()));
    let worker = || {
        loop {
            let n = next.fetch_add(1, Ordering::Relaxed);
            let Some(job) = jobs.get(n) else { return };
            let result = work(job);
            done.lock().expect("no worker dies").insert(n, result);
            bar.inc(1);
        }
    };
    let workers = std::thread::available_parallelism().map_or(1, usize::from).min(jobs.len());
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(worker);
        }
    });
    bar.finish_and_clear();
    done.into_inner().expect("no worker died").into_values().collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn results_come_in_the_order_of_the_jobs() {
        let jobs: Vec<u64> = (0..200).collect();
        assert_eq!(super::each(&jobs, |n| n * n), jobs.iter().map(|n| n * n).collect::<Vec<_>>());
        assert!(super::each(&[] as &[u64], |n| *n).is_empty());
    }
}
