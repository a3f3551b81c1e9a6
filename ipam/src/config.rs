//! Configuration of allocation, common to all nodes.

use core::time::Duration;

/// Blocks a node may own when nobody says otherwise (calico@87c15906f2 libcalico-go/lib/ipam).
pub const DEFAULT_MAX_BLOCKS_PER_HOST: u32 = 20;

/// Configuration of allocation. The default is what an absent record means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[expect(clippy::exhaustive_structs, reason = "plain settings that callers build with a literal")]
pub struct Config {
    /// A node uses its own blocks only: no borrowing. Default false.
    pub strict_affinity: bool,
    /// New blocks may be claimed. Default true.
    pub auto_allocate_blocks: bool,
    /// Blocks of one family and use that a node may own; 0 (default) means [`DEFAULT_MAX_BLOCKS_PER_HOST`].
    pub max_blocks_per_host: u32,
    /// How long a released address rests before it can be assigned again, in whole seconds. Default zero.
    pub ip_cooldown: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            strict_affinity: false,
            auto_allocate_blocks: true,
            max_blocks_per_host: 0,
            ip_cooldown: Duration::ZERO,
        }
    }
}

impl Config {
    /// The limit that holds for a request: the smaller of this one's and the request's, where each says something.
    #[must_use]
    pub fn block_limit(&self, requested: Option<u32>) -> u32 {
        let own = Some(self.max_blocks_per_host).filter(|limit| *limit > 0);
        let requested = requested.filter(|limit| *limit > 0);
        match (own, requested) {
            (Some(own), Some(requested)) => own.min(requested),
            (own, requested) => own.or(requested).unwrap_or(DEFAULT_MAX_BLOCKS_PER_HOST),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smaller_limit_holds() {
        for (global, request, limit) in
            [(0, None, 20), (0, Some(0), 20), (0, Some(3), 3), (5, None, 5), (5, Some(3), 3), (3, Some(5), 3)]
        {
            let config = Config { max_blocks_per_host: global, ..Config::default() };
            assert_eq!(config.block_limit(request), limit, "{global} {request:?}");
        }
    }
}
