//! Processor time. Not the time of day: what else a shared machine does in between is nobody's here.

/// Seconds all threads of this process have worked.
#[cfg(all(feature = "cameras", feature = "onnx"))]
pub fn process_s() -> f64 {
    spent_s(libc::CLOCK_PROCESS_CPUTIME_ID)
}

/// Seconds this thread has worked.
pub fn thread_s() -> f64 {
    spent_s(libc::CLOCK_THREAD_CPUTIME_ID)
}

fn spent_s(clock: libc::clockid_t) -> f64 {
    let mut spent = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: a plain system call that fills the structure it is given.
    unsafe { libc::clock_gettime(clock, &mut spent) };
    spent.tv_sec as f64 + spent.tv_nsec as f64 * 1e-9
}
