//! The lock that serialises the address allocations of one host.

use core::time::Duration;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::Path;
use std::time::Instant;

use rustix::fs::{FlockOperation, flock};

/// How often a held lock is tried again.
const RETRY: Duration = Duration::from_millis(10);

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
                    return Err(io::Error::new(io::ErrorKind::TimedOut, "another allocation holds the lock"));
                }
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
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
