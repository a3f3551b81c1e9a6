//! The threads that own the database connections.

use core::time::Duration;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::Instant;

use rusqlite::Connection;
use tokio::sync::oneshot;
use tokio::sync::watch::Sender;

use super::place::Place;
use super::schema;
use crate::error::{Error, Stopped};

type Job = Box<dyn FnOnce(&mut Connection) + Send>;

/// A thread that does jobs on its own connection, in order, until the last handle is gone.
#[derive(Debug)]
pub(super) struct Worker {
    jobs: mpsc::Sender<Job>,
    place: Place,
}

impl Worker {
    /// A thread that only does jobs.
    pub(super) fn writer(mut connection: Connection, place: Place) -> Result<Self, Error> {
        Self::spawn("datastore-write", place.clone(), move |jobs| {
            while let Ok(job) = jobs.recv() {
                job(&mut connection);
            }
            close(connection, &place);
        })
    }

    /// A thread that does jobs, and announces changes by other processes while somebody listens to `latest`.
    pub(super) fn reader(
        mut connection: Connection,
        place: Place,
        latest: Sender<u64>,
        interval: Duration,
    ) -> Result<Self, Error> {
        Self::spawn("datastore-read", place.clone(), move |jobs| {
            let mut poller =
                Poller { place, latest, interval, version: None, polled: Instant::now(), is_well: true };
            while let Some(job) = poller.wait(&jobs) {
                if let Some(job) = job {
                    job(&mut connection);
                }
                poller.poll(&connection);
            }
            close(connection, &poller.place);
        })
    }

    fn spawn(
        name: &str,
        place: Place,
        body: impl FnOnce(Receiver<Job>) + Send + 'static,
    ) -> Result<Self, Error> {
        let (jobs, queue) = mpsc::channel();
        thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || body(queue))
            .map_err(Error::unavailable)?;
        Ok(Self { jobs, place })
    }

    /// Does `job` on the thread, if the file is still what it was, and waits for its result.
    pub(super) async fn run<T, F>(&self, job: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&mut Connection) -> Result<T, Error> + Send + 'static,
    {
        let (reply, result) = oneshot::channel();
        let place = self.place.clone();
        let job: Job = Box::new(move |connection| {
            let done = place.check().and_then(|()| job(connection));
            // An error: nobody waits any more, as the caller dropped its future.
            let _ = reply.send(done);
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

/// Closes the file. Where another is in its place, or comes there meanwhile, that one's log is not ours to remove: SQLite would do
/// that by its name. So what is in the log is put into the file, and the log stays, without anything in it.
fn close(connection: Connection, place: &Place) {
    if place.check().is_ok()
        && let Err(error) = schema::empty_log(&connection)
    {
        tracing::debug!(%error, "the log beside the datastore's file stays as it is");
    }
    drop(connection);
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
    place: Place,
    latest: Sender<u64>,
    interval: Duration,
    /// `PRAGMA data_version` at the last look.
    version: Option<i64>,
    polled: Instant,
    /// Whether the last look found no fault.
    is_well: bool,
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

    /// Announces the newest revision if another connection has committed since the last look; wakes whoever listens also where
    /// a fault is found: they find it by reading.
    fn poll(&mut self, connection: &Connection) {
        if self.latest.receiver_count() == 0
            || (self.version.is_some() && self.polled.elapsed() < self.interval)
        {
            return;
        }
        self.polled = Instant::now();
        let looked = self.place.check().and_then(|()| self.look(connection));
        let was_well = core::mem::replace(&mut self.is_well, looked.is_ok());
        if let Err(error) = looked
            && was_well
        {
            tracing::warn!(%error, "cannot look for changes in the datastore");
            self.latest.send_modify(|_known| {});
        }
    }

    fn look(&mut self, connection: &Connection) -> Result<(), Error> {
        let version = connection.pragma_query_value(None, "data_version", |row| row.get(0))?;
        if self.version != Some(version) {
            let state = schema::state(connection)?;
            self.version = Some(version);
            announce(&self.latest, state.revision);
        }
        Ok(())
    }
}
