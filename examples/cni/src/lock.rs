//! Locks between the plugins that run on one host: one for address allocations, and some for workloads.

use core::time::Duration;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::Path;
use std::time::Instant;

use rustix::fs::{FlockOperation, flock};

use crate::config::Config;
use crate::endpoint::INTERFACE_PREFIX;
use crate::error::{Code, Error};

/// How often a held lock is tried again.
const RETRY: Duration = Duration::from_millis(10);

/// How long the other verbs for one workload are waited for: longer than an ADD waits for the agent by default.
const TURN_PATIENCE: Duration = Duration::from_secs(30);

/// A held lock: released when dropped, or by the kernel when the process dies.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock, waiting for its holder up to `patience`.
    ///
    /// # Errors
    /// The file cannot be made or locked; `TimedOut` when the holder keeps it.
    pub(crate) fn take(path: &Path, patience: Duration) -> io::Result<Self> {
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        let file = OpenOptions::new().create(true).truncate(false).read(true).write(true).open(path)?;
        let start = Instant::now();
        loop {
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(Self { _file: file }),
                Err(rustix::io::Errno::WOULDBLOCK) if start.elapsed() < patience => std::thread::sleep(RETRY),
                Err(rustix::io::Errno::WOULDBLOCK) => {
                    return Err(io::Error::new(io::ErrorKind::TimedOut, "somebody else holds the lock"));
                }
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// Waits until no other verb works on that workload, so that the late DEL of an old sandbox does not remove the link that its
/// successor's ADD has just made: both have the same name.
///
/// Workloads share 256 lock files by the digest in the interface's name, since a file for each would pile up. Where a file
/// cannot be made, there is no turn to wait for: the risk is said and taken.
///
/// # Errors
/// Code 11 when the other verb takes too long.
pub(crate) fn turn(config: &Config, host_interface: &str) -> Result<Option<Lock>, Error> {
    let slot =
        host_interface.strip_prefix(INTERFACE_PREFIX).and_then(|digest| digest.get(..2)).unwrap_or("00");
    let mut path = config.lock_file.clone().into_os_string();
    path.push(format!(".{slot}"));
    match Lock::take(Path::new(&path), TURN_PATIENCE.max(config.setup_timeout.saturating_mul(2))) {
        Ok(lock) => Ok(Some(lock)),
        Err(error) if error.kind() == io::ErrorKind::TimedOut => {
            Err(Error::caused(Code::TryAgain, "another call for this workload takes too long", &error))
        }
        Err(error) => {
            tracing::warn!(%error, ?path, "working without the workload's lock");
            Ok(None)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_holder_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("run/ipam.lock");
        let held = Lock::take(&path, Duration::ZERO).unwrap();
        let error = Lock::take(&path, Duration::from_millis(20)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        drop(held);
        Lock::take(&path, Duration::ZERO).unwrap();
    }

    #[test]
    fn a_waiter_gets_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ipam.lock");
        let held = Lock::take(&path, Duration::ZERO).unwrap();
        let waiter = std::thread::spawn(move || Lock::take(&path, Duration::from_secs(10)).map(drop));
        drop(held);
        waiter.join().unwrap().unwrap();
    }
}
