//! The reconciler's settings.

use alloc::string::String;
use core::time::Duration;

use crate::owner::Ownership;

/// How a [`Reconciler`](crate::Reconciler) behaves. The defaults are a Calico node's, or better.
///
/// ```
/// use core::time::Duration;
/// use tortie_routes::{Config, Ownership};
///
/// let config = Config::new(Ownership::agent("cali"))
///     .grace("cali", Duration::from_secs(10))
///     .resync_interval(Duration::from_secs(90));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    pub(crate) ownership: Ownership,
    pub(crate) grace_prefix: Option<String>,
    pub(crate) grace: Duration,
    pub(crate) resync_interval: Duration,
    pub(crate) scan_spacing: Duration,
    pub(crate) result_timeout: Duration,
    pub(crate) backoff_min: Duration,
    pub(crate) backoff_max: Duration,
}

impl Config {
    /// The defaults, for these routes.
    #[must_use]
    pub const fn new(ownership: Ownership) -> Self {
        Self {
            ownership,
            grace_prefix: None,
            grace: Duration::from_secs(10),
            resync_interval: Duration::from_secs(90),
            scan_spacing: Duration::from_secs(1),
            result_timeout: Duration::from_secs(5),
            backoff_min: Duration::from_millis(100),
            backoff_max: Duration::from_secs(30),
        }
    }

    /// For this long an unexpected route stays on an interface whose name begins with `prefix`, unless a route through
    /// that interface is desired: a CNI plugin writes the route before the agent hears of the endpoint. No prefix and
    /// so no grace by default; 10 s is the reference's (calico@87c15906f2 felix `routeCleanupGracePeriod`).
    #[must_use]
    pub fn grace(mut self, prefix: impl Into<String>, period: Duration) -> Self {
        self.grace_prefix = Some(prefix.into());
        self.grace = period;
        self
    }

    /// How often everything is compared anew although nothing was heard; 90 s by default.
    #[must_use]
    pub const fn resync_interval(mut self, interval: Duration) -> Self {
        self.resync_interval = interval;
        self
    }

    /// The least time between two scans of the same routes that something out of the ordinary called for; 1 s by
    /// default. It grows to ten times a scan's own duration, so that scans take no more than a tenth of the time, but not
    /// beyond ten times what is set here.
    #[must_use]
    pub const fn scan_spacing(mut self, spacing: Duration) -> Self {
        self.scan_spacing = spacing;
        self
    }

    /// After this long without a result an operation counts as lost, and its outcome is looked up; 5 s by default.
    #[must_use]
    pub const fn result_timeout(mut self, timeout: Duration) -> Self {
        self.result_timeout = timeout;
        self
    }

    /// The least and the greatest pause before a key that failed, or that somebody else keeps changing, is tried again;
    /// 100 ms and 30 s by default. Pauses double. A key left in peace for twice the greatest pause starts afresh.
    #[must_use]
    pub const fn backoff(mut self, min: Duration, max: Duration) -> Self {
        self.backoff_min = min;
        self.backoff_max = max;
        self
    }
}
