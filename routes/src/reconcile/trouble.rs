//! Keys that fail or that others change: when they are tried again.

use alloc::collections::{BTreeMap, BTreeSet};
use core::time::Duration;

use crate::config::Config;
use crate::error::Errno;
use crate::route::Key;

#[derive(Clone, Copy, Debug, Default)]
struct Trouble {
    /// Changes by others in a row.
    outside: u32,
    /// Refusals in a row.
    refused: u32,
    /// When the last of either was.
    last: Duration,
    /// Not to be tried before.
    until: Duration,
    /// The refusal that was told last.
    told: Option<Errno>,
}

/// What a strike was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// Somebody else changed the key: the first time it is repaired at once.
    Outside,
    /// The kernel refused: a pause is due already.
    Refused,
}

#[derive(Debug, Default)]
pub(super) struct Troubles {
    by_key: BTreeMap<Key, Trouble>,
    /// Keys whose state in the kernel is not known until the next scan.
    unknown: BTreeSet<Key>,
    /// Keys of which news left open what they hold. Most are foreign, and nobody's concern.
    doubted: BTreeSet<Key>,
    /// When to look at a key again.
    timers: BTreeSet<(Duration, Key)>,
}

impl Troubles {
    /// Notes a strike and answers how many of its cause that makes in a row. While a key waits, outside changes do not
    /// count (`None`), lest they put it off for ever.
    pub(super) fn strike(&mut self, key: Key, cause: Cause, config: &Config, now: Duration) -> Option<u32> {
        let trouble = self.by_key.entry(key).or_default();
        if now < trouble.until && cause == Cause::Outside {
            return None;
        }
        if now.saturating_sub(trouble.last) >= calm(config) {
            *trouble = Trouble::default();
        }
        let (count, steps) = match cause {
            Cause::Outside => {
                trouble.outside = trouble.outside.saturating_add(1);
                (trouble.outside, trouble.outside.saturating_sub(1))
            }
            Cause::Refused => {
                trouble.refused = trouble.refused.saturating_add(1);
                (trouble.refused, trouble.refused)
            }
        };
        trouble.last = now;
        trouble.until = now.saturating_add(pause(steps, config));
        let until = trouble.until;
        if until > now {
            self.timers.insert((until, key));
        }
        self.timers.insert((now.saturating_add(calm(config)), key));
        Some(count)
    }

    /// The kernel took an operation on the key: refusals are over.
    pub(super) fn succeed(&mut self, key: &Key) {
        if let Some(trouble) = self.by_key.get_mut(key) {
            trouble.refused = 0;
            trouble.told = None;
        }
    }

    /// Whether this refusal of the key is news.
    pub(super) fn tell(&mut self, key: &Key, errno: Errno) -> bool {
        let Some(trouble) = self.by_key.get_mut(key) else { return true };
        trouble.told.replace(errno) != Some(errno)
    }

    /// The key may be tried at once: something that bears on it has changed.
    pub(super) fn relieve(&mut self, key: &Key) {
        if let Some(trouble) = self.by_key.get_mut(key) {
            trouble.until = Duration::ZERO;
        }
    }

    /// Forgets what happened to the key.
    pub(super) fn forget(&mut self, key: &Key) {
        self.by_key.remove(key);
    }

    pub(super) fn set_unknown(&mut self, key: Key) {
        self.unknown.insert(key);
    }

    pub(super) fn doubt(&mut self, key: Key) {
        self.doubted.insert(key);
    }

    pub(super) fn is_doubted(&self, key: &Key) -> bool {
        self.doubted.contains(key)
    }

    /// A scan has shown what these keys hold: no more doubts. Answers with those that waited for it.
    pub(super) fn clear_up(&mut self, of: impl Fn(&Key) -> bool) -> BTreeSet<Key> {
        self.doubted.retain(|key| !of(key));
        let (taken, kept) = core::mem::take(&mut self.unknown).into_iter().partition(of);
        self.unknown = kept;
        taken
    }

    /// Whether the key must wait: for a time, or for a scan.
    pub(super) fn is_waiting(&self, key: &Key, now: Duration) -> bool {
        self.unknown.contains(key) || self.by_key.get(key).is_some_and(|trouble| now < trouble.until)
    }

    pub(super) fn has_unknown(&self) -> bool {
        !self.unknown.is_empty()
    }

    pub(super) fn set_timer(&mut self, key: Key, at: Duration) {
        self.timers.insert((at, key));
    }

    pub(super) fn next_timer(&self) -> Option<Duration> {
        self.timers.first().map(|(at, _)| *at)
    }

    /// The next key whose time has come. Troubles long past are forgotten on the way.
    pub(super) fn expire(&mut self, config: &Config, now: Duration) -> Option<Key> {
        let (at, key) = *self.timers.first()?;
        if at > now {
            return None;
        }
        self.timers.pop_first();
        let past = |trouble: &Trouble| now.saturating_sub(trouble.last) >= calm(config);
        if self.by_key.get(&key).is_some_and(past) {
            self.by_key.remove(&key);
        }
        Some(key)
    }
}

/// Longer than the longest pause, so that a slow fight is still one fight.
const fn calm(config: &Config) -> Duration {
    config.backoff_max.saturating_mul(2)
}

fn pause(steps: u32, config: &Config) -> Duration {
    let Some(doublings) = steps.checked_sub(1) else { return Duration::ZERO };
    let factor = 1_u32.checked_shl(doublings).unwrap_or(u32::MAX);
    config.backoff_min.saturating_mul(factor).min(config.backoff_max)
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;
    use crate::{Ownership, Table};

    #[test]
    fn pauses_double_and_end() {
        let config = Config::new(Ownership::new());
        let pauses: Vec<u128> = (0..12).map(|steps| pause(steps, &config).as_millis()).collect();
        assert_eq!(pauses, [0, 100, 200, 400, 800, 1600, 3200, 6400, 12800, 25600, 30000, 30000]);
        assert_eq!(pause(u32::MAX, &config).as_millis(), 30000);
    }

    #[test]
    fn a_waiting_key_is_not_put_off_for_ever() {
        let config = Config::new(Ownership::new());
        let key = Key::new(Table::MAIN, "10.0.0.0/8".parse().unwrap(), 0);
        let mut troubles = Troubles::default();
        let ms = Duration::from_millis;
        assert_eq!(troubles.strike(key, Cause::Outside, &config, ms(0)), Some(1));
        assert!(!troubles.is_waiting(&key, ms(0)));
        assert_eq!(troubles.strike(key, Cause::Outside, &config, ms(1)), Some(2));
        for now in 2..101 {
            assert_eq!(troubles.strike(key, Cause::Outside, &config, ms(now)), None);
            assert!(troubles.is_waiting(&key, ms(now)));
        }
        assert!(!troubles.is_waiting(&key, ms(101)));
        assert_eq!(troubles.expire(&config, ms(101)), Some(key));
        assert_eq!(troubles.expire(&config, ms(101)), None);
        // Left in peace, it starts afresh, and nothing is kept.
        while troubles.expire(&config, ms(70_000)).is_some() {}
        assert!(troubles.by_key.is_empty() && troubles.next_timer().is_none());
    }
}
