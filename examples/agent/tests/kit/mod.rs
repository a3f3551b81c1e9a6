//! The built agent as a process, on a host that is a network namespace of the test's own.
//!
//! The host is the namespace into which [`enter`] puts the test; each pod has another, and a link as the plugin makes it. The
//! datastore is a file, written through the client as everybody writes it. Packets are counted by the kernels of both ends.
#![allow(dead_code, clippy::allow_attributes, reason = "each test file uses its own part of this module")]
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "test code: a panic is a failed test, and what is printed says why one was skipped"
)]

mod agent;
#[path = "../../../../policy/tests/lab/enter.rs"]
mod enter;
#[cfg(feature = "etcd")]
#[path = "../../../datastore/tests/store/etcd/server.rs"]
pub(crate) mod etcd;
mod host;
mod meter;
mod pod;
mod traffic;

use core::time::Duration;
use std::time::Instant;

pub(crate) use agent::Agent;
pub(crate) use enter::{Place, enter};
pub(crate) use host::{ADDRESSES as HOST, Host, NODE, STORE};
pub(crate) use meter::{Count, Meter};
pub(crate) use pod::{Pod, raise, record};
pub(crate) use traffic::{Knocks, Spoken, Stream, Talk, Traffic};

/// How long something that must happen is waited for, on a machine whose disk may be busy with other things.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// Waits until something holds, and says how long that took.
pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) -> Duration {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "not in {PATIENCE:?}: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
    begun.elapsed()
}

/// Whether the long proof is asked for.
pub(crate) fn proves() -> bool {
    std::env::var_os("TORTIE_PROVE").is_some_and(|value| value == "1")
}
