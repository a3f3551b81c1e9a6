//! The stores against a stupid twin, other processes, and `kill -9`; with the feature `etcd`, also against real servers.

#![expect(clippy::unwrap_used, reason = "a test stops where it fails")]
#![expect(clippy::expect_used, reason = "a test stops where it fails")]
#![expect(clippy::panic, reason = "a test stops where it fails")]
#![expect(clippy::indexing_slicing, reason = "a test stops where it fails")]
#![expect(clippy::print_stdout, reason = "a child reports to its parent")]

mod child;
mod compaction;
mod contract;
mod crash;
#[cfg(feature = "etcd")]
mod etcd;
mod model;
mod place;
mod processes;

use core::time::Duration;

/// How much longer `TORTIE_PROVE=1` makes a test.
const PROVE: u32 = 50;

/// `cases`, or many more when a long proof is wanted.
fn scaled(cases: u32) -> u32 {
    if std::env::var_os("TORTIE_PROVE").is_some_and(|value| value == "1") { cases * PROVE } else { cases }
}

/// Longer than any test takes, even on a busy machine; in seconds.
const LIMIT: u32 = 60;

/// Runs a future to its end on a runtime of its own; one that hangs is a failure.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    within(Duration::from_secs(scaled(LIMIT).into()), future)
}

/// As [`block_on`], with a limit of its own.
fn within<T>(limit: Duration, future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(limit, future).await.expect("it hangs") })
}
