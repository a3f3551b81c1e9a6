//! The threads that own the database connections.

use core::time::Duration;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::Instant;

use rusqlite::Connection;
use tokio::sync::oneshot;
use tokio::sync::watch::Sender;

use super::schema;
use crate::error::{Error, Stopped};

type Job = Box<dyn FnOnce(&mut Connection) + Send>;

/// A thread that does jobs on its own connection, in order, until the last handle is gone.
#[derive(Debug)]
pub(super) struct Worker {
    jobs: mpsc::Sender<Job>,
}

impl Worker {
    /// A thread that only does jobs.
    pub(super) fn writer(mut connection: Connection) -> Result<Self, Error> {
        Self::spawn("datastore-write", move |jobs| {
            while let Ok(job) = jobs.recv() {
                job(&mut connection);
            }
        })
    }

    /// A thread that does jobs, and announces changes by other processes while somebody listens to `latest`.
    pub(super) fn reader(
        mut connection: Connection,
        latest: Sender<u64>,
        interval: Duration,
    ) -> Result<Self, Error> {
        Self::spawn("datastore-read", move |jobs| {
            let mut poller = Poller { latest, interval, version: None, polled: Instant::now() };
            while let Some(job) = poller.wait(&jobs) {
                if let Some(job) = job {
                    job(&mut connection);
                }
                poller.poll(&connection);
            }
        })
    }

    fn spawn(name: &str, body: impl FnOnce(Receiver<Job>) + Send + 'static) -> Result<Self, Error> {
        let (jobs, queue) = mpsc::channel();
        thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || body(queue))
            .map_err(Error::unavailable)?;
        Ok(Self { jobs })
    }

    /// Does `job` on the thread, and waits for its result.
    pub(super) async fn run<T, F>(&self, job: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&mut Connection) -> Result<T, Error> + Send + 'static,
    {
        let (reply, result) = oneshot::channel();
        let job: Job = Box::new(move |connection| {
            // Nobody waits any more: the caller dropped its future.
            let _ = reply.send(job(connection));
        });
        self.jobs.send(job).map_err(|_job| Error::unavailable(Stopped))?;
        result.await.map_err(|_closed| Error::unavailable(Stopped))?
    }

    /// Lets the thread look around: whether somebody listens has changed.
    pub(super) fn nudge(&self) {
        // If the thread has ended, the next job reports it.
        let _ = self.jobs.send(Box::new(|_connection| {}));
    }
}

/// Raises the newest known revision, and wakes whoever listens; never lowers it.
pub(super) fn announce(latest: &Sender<u64>, revision: u64) {
    latest.send_if_modified(|known| {
        let newer = revision > *known;
        *known = revision.max(*known);
        newer
    });
}

struct Poller {
    latest: Sender<u64>,
    interval: Duration,
    /// `PRAGMA data_version` at the last look.
    version: Option<i64>,
    polled: Instant,
}

impl Poller {
    /// The next job; `Some(None)` when it is time to look; `None` when all handles are gone.
    fn wait(&self, jobs: &Receiver<Job>) -> Option<Option<Job>> {
        if self.latest.receiver_count() == 0 {
            return jobs.recv().ok().map(Some);
        }
        match jobs.recv_timeout(self.interval.saturating_sub(self.polled.elapsed())) {
            Ok(job) => Some(Some(job)),
            Err(RecvTimeoutError::Timeout) => Some(None),
            Err(RecvTimeoutError::Disconnected) => None,
        }
    }

    /// Announces the newest revision if another connection has committed since the last look.
    fn poll(&mut self, connection: &Connection) {
        if self.latest.receiver_count() == 0
            || (self.version.is_some() && self.polled.elapsed() < self.interval)
        {
            return;
        }
        self.polled = Instant::now();
        // A failed look is repeated at the next one; whoever waits for a change also finds the fault by reading.
        let version = connection.pragma_query_value(None, "data_version", |row| row.get(0));
        match version {
            Ok(version) if self.version == Some(version) => {}
            Ok(version) => {
                if let Ok(state) = schema::state(connection) {
                    self.version = Some(version);
                    announce(&self.latest, state.revision);
                }
            }
            Err(error) => tracing::warn!(%error, "cannot look for changes in the datastore"),
        }
    }
}
