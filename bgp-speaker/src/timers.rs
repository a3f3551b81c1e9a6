//! Deadlines by name.

use alloc::collections::{BTreeMap, BTreeSet};
use core::time::Duration;

use crate::event::{ConnectionId, PeerId};

/// What a deadline is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Timer {
    /// ConnectRetryTimer, also the end of a wait after an error.
    Connect(PeerId),
    /// HoldTimer.
    Hold(ConnectionId),
    /// KeepaliveTimer.
    Keepalive(ConnectionId),
    /// SendHoldTimer (RFC 9687).
    SendHold(ConnectionId),
}

/// Deadlines, each timer at most once.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    at: BTreeMap<Timer, Duration>,
    order: BTreeSet<(Duration, Timer)>,
}

impl Timers {
    /// Starts a timer, or moves it.
    pub(crate) fn set(&mut self, timer: Timer, at: Duration) {
        if let Some(old) = self.at.insert(timer, at) {
            self.order.remove(&(old, timer));
        }
        self.order.insert((at, timer));
    }

    /// Stops a timer.
    pub(crate) fn clear(&mut self, timer: Timer) {
        if let Some(old) = self.at.remove(&timer) {
            self.order.remove(&(old, timer));
        }
    }

    /// The earliest deadline.
    pub(crate) fn next(&self) -> Option<Duration> {
        self.order.first().map(|(at, _)| *at)
    }

    /// Takes the earliest timer whose deadline has come.
    pub(crate) fn pop(&mut self, now: Duration) -> Option<Timer> {
        let (at, timer) = *self.order.first()?;
        if at > now {
            return None;
        }
        self.clear(timer);
        Some(timer)
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, Clone)]
    enum Step {
        Set(u64, u64),
        Clear(u64),
        Pop(u64),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (0..6u64, 0..20u64).prop_map(|(t, at)| Step::Set(t, at)),
            (0..6u64).prop_map(Step::Clear),
            (0..20u64).prop_map(Step::Pop),
        ]
    }

    /// Cases of the property.
    const CASES: u32 = 300;

    proptest! {
        #![proptest_config(crate::prove::config(CASES))]

        /// The twin is a list that is scanned.
        #[test]
        fn timers_equal_a_scanned_list(steps in prop::collection::vec(step(), 0..60)) {
            let (mut timers, mut list) = (Timers::default(), Vec::<(Duration, Timer)>::new());
            for step in steps {
                match step {
                    Step::Set(t, at) => {
                        let (timer, at) = (Timer::Hold(ConnectionId(t)), Duration::from_secs(at));
                        timers.set(timer, at);
                        list.retain(|(_, other)| *other != timer);
                        list.push((at, timer));
                    }
                    Step::Clear(t) => {
                        timers.clear(Timer::Hold(ConnectionId(t)));
                        list.retain(|(_, other)| *other != Timer::Hold(ConnectionId(t)));
                    }
                    Step::Pop(now) => {
                        let now = Duration::from_secs(now);
                        let due = list.iter().filter(|(at, _)| *at <= now).min().copied();
                        prop_assert_eq!(timers.pop(now), due.map(|(_, timer)| timer));
                        list.retain(|entry| Some(*entry) != due);
                    }
                }
                prop_assert_eq!(timers.next(), list.iter().map(|(at, _)| *at).min());
                prop_assert_eq!(timers.at.len(), timers.order.len());
            }
        }
    }
}
