//! A reconciler and a kernel, run together.

use core::convert::Infallible;
use core::time::Duration;

use tokio::time::Instant;

use super::{Error, Kernel};
use crate::{Errno, Reconciler};

/// Operations per batch.
const BATCH: usize = 384;

/// Runs a [`Reconciler`] against a [`Kernel`].
///
/// [`Driver::run`] never ends, and may be dropped at any time without losing anything: give it a place in a `select!`
/// beside whatever changes the desired routes.
///
/// ```no_run
/// # async fn example(mut desired: tokio::sync::mpsc::Receiver<Vec<tortie_routes::Route>>) -> Result<(), tortie_routes::netlink::Error> {
/// use tortie_routes::{Config, Ownership, Reconciler, netlink::{Driver, Kernel}};
///
/// let reconciler = Reconciler::new(Config::new(Ownership::agent("cali")));
/// let mut driver = Driver::new(reconciler, Kernel::open()?);
/// loop {
///     tokio::select! {
///         Err(error) = driver.run() => return Err(error),
///         Some(routes) = desired.recv() => {
///             driver.reconciler().replace_all(routes);
///             driver.reconciler().set_in_sync();
///         }
///     }
/// }
/// # }
/// ```
///
/// A scan or a batch is done without a pause: of 100,000 routes a scan takes some tens of milliseconds. Whoever has that
/// many should give the driver a task of its own on a runtime with several threads.
#[derive(Debug)]
pub struct Driver {
    reconciler: Reconciler,
    kernel: Kernel,
    epoch: Instant,
}

impl Driver {
    /// Time begins now.
    #[must_use]
    pub fn new(reconciler: Reconciler, kernel: Kernel) -> Self {
        Self { reconciler, kernel, epoch: Instant::now() }
    }

    /// The reconciler, to change what is desired and to ask how it fares. What is changed takes effect when
    /// [`Driver::run`] is polled again.
    pub const fn reconciler(&mut self) -> &mut Reconciler {
        &mut self.reconciler
    }

    /// Keeps the kernel's routes as desired, until a socket fails.
    ///
    /// # Errors
    /// Those of [`Kernel::read_news`] and [`Kernel::readable`]; then a new driver is needed. Refusals of the kernel are
    /// no errors but [`Notice`](crate::Notice)s.
    pub async fn run(&mut self) -> Result<Infallible, Error> {
        loop {
            if self.work()? {
                tokio::task::yield_now().await;
            } else {
                self.wait(None).await?;
            }
        }
    }

    /// The same until nothing is left to do, or for this long at most; says whether it is done
    /// ([`Reconciler::is_settled`]).
    ///
    /// # Errors
    /// Those of [`Driver::run`].
    pub async fn settle(&mut self, within: Duration) -> Result<bool, Error> {
        let end = self.now().saturating_add(within);
        loop {
            if self.work()? {
                tokio::task::yield_now().await;
            } else if self.reconciler.is_settled() {
                return Ok(true);
            } else if self.now() >= end {
                return Ok(false);
            } else {
                self.wait(Some(end)).await?;
            }
        }
    }

    fn now(&self) -> Duration {
        self.epoch.elapsed()
    }

    /// One round: news, time, one scan or one batch. Says whether there may be more to do at once.
    fn work(&mut self) -> Result<bool, Error> {
        let now = self.now();
        let Self { reconciler, kernel, .. } = self;
        kernel.read_news(|event| reconciler.handle_event(event, now))?;
        reconciler.handle_timeout(now);
        if let Some(scan) = reconciler.poll_scan(now) {
            let outcome = kernel.scan(scan).map_err(|error| error.errno().unwrap_or(Errno::EINTR));
            // First what happened before it was read.
            kernel.read_news(|event| reconciler.handle_event(event, now))?;
            let now = self.now();
            self.reconciler.handle_scan(scan, outcome, now);
            return Ok(true);
        }
        let Some(batch) = reconciler.poll_batch(BATCH, now) else { return Ok(false) };
        let results = kernel.apply(&batch);
        // First what others did before: of our own work we hear nothing, so later it would seem to come after.
        kernel.read_news(|event| reconciler.handle_event(event, now))?;
        for (id, result) in results {
            reconciler.handle_result(id, result, now);
        }
        Ok(true)
    }

    async fn wait(&mut self, end: Option<Duration>) -> Result<(), Error> {
        let wake = [self.reconciler.poll_timeout(), end].into_iter().flatten().min();
        let Some(wake) = wake else { return self.kernel.readable().await };
        match tokio::time::timeout_at(self.epoch + wake, self.kernel.readable()).await {
            Ok(ready) => ready,
            Err(_elapsed) => Ok(()),
        }
    }
}
