//! Which block next: the first free one on the host's own walk, else an empty one of somebody else.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use core::time::Duration;

use ipnet::IpNet;

use super::affinity::ReleaseBlock;
use super::job::Job;
use super::{Allocator, Slot};
use crate::block::Block;
use crate::error::{AffinityError, Fault};
use crate::pool::Pool;
use crate::record::{Affinity, BlockAffinity};
use crate::span::{Family, Spans, number, range};
use crate::store::Store;

/// How long a block stays its owner's before others may take it for being empty.
const RECLAIM_AGE: Duration = Duration::from_secs(60);

/// A block to try next.
pub(super) enum Found {
    /// The host's own, claimed by another process of it meanwhile.
    Own(IpNet, Slot<BlockAffinity>),
    /// Nobody's.
    Free(IpNet),
    /// There is none, as this look at all blocks says.
    Nothing(Survey),
}

/// FNV-1, 32 bits.
fn fnv(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |hash: u32, byte| hash.wrapping_mul(0x0100_0193) ^ u32::from(byte))
}

/// The finisher of splitmix64: spreads a seed over 64 bits.
const fn spread(seed: u64) -> u64 {
    let mixed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// A walk over the blocks of a pool: from a place of the host's own to the end, then from the beginning.
///
/// A host always walks the same way, so that its processes meet at the same block; different hosts start at different
/// places. Where a block is a single address, the start is by the clock instead.
#[derive(Clone, Copy, Debug)]
pub(super) struct Walk {
    family: Family,
    first: u128,
    /// Index of the last block.
    last_index: u128,
    host_bits: u8,
    block_len: u8,
    start: u128,
}

impl Walk {
    /// The walk of a host through a pool that is [divisible](Pool::is_divisible).
    pub(super) fn new(pool: &Pool, host: &str, now: Duration) -> Self {
        let family = Family::of(&pool.cidr);
        let host_bits = family.bits().saturating_sub(pool.block_len);
        let (first, last) = range(&pool.cidr);
        let last_index = (last - first) >> host_bits;
        let seed = match host_bits {
            0 => u64::try_from(now.as_nanos()).unwrap_or(u64::MAX),
            _ => u64::from(fnv(host)),
        };
        let start = (u128::from(spread(seed)) << 64) | u128::from(spread(!seed));
        // The number of blocks is a power of two, so its predecessor is a mask.
        Self { family, first, last_index, host_bits, block_len: pool.block_len, start: start & last_index }
    }

    /// Where on the walk a block is.
    pub(super) fn place(&self, cidr: &IpNet) -> u128 {
        let index = number(cidr.network()).saturating_sub(self.first) >> self.host_bits;
        index.wrapping_sub(self.start) & self.last_index
    }

    /// The first block on the walk that shares no address with `existing` and is not wholly `reserved`.
    ///
    /// Jumps over spans: the cost grows with their number, not with that of the blocks.
    pub(super) fn first_free(&self, reserved: &Spans, existing: &Spans) -> Option<IpNet> {
        let found = self.first_free_within(self.start, self.last_index, reserved, existing);
        found.or_else(|| {
            let before = self.start.checked_sub(1)?;
            self.first_free_within(0, before, reserved, existing)
        })
    }

    fn first_free_within(&self, from: u128, to: u128, reserved: &Spans, existing: &Spans) -> Option<IpNet> {
        let mut index = from;
        while index <= to {
            let low = self.first + (index << self.host_bits);
            let high = low + ((1u128 << self.host_bits) - 1);
            let Some(end) = existing.touching(low, high).or_else(|| reserved.covering(low, high)) else {
                return IpNet::new(self.family.addr(low)?, self.block_len).ok();
            };
            let behind = (end.checked_add(1)?.checked_sub(self.first)?) >> self.host_bits;
            index = behind.max(index.checked_add(1)?);
        }
        None
    }
}

/// A block with an address to give, as one look at all of them found it.
struct Seen {
    cidr: IpNet,
    owner: Option<Affinity>,
    sequence: u64,
    slot: Slot<Block>,
    /// It may be taken from its owner, or from nobody.
    idle: bool,
}

/// One look at all blocks of a job's pools, of which it keeps those that have an address to give: for who has used up the blocks that nobody has.
///
/// What it says may be old, as anything read; whoever acts on it writes what was read, or reads again.
pub(super) struct Survey(Vec<Seen>);

impl Survey {
    /// Whether a block has an address to give.
    pub(super) fn has_space(&self, cidr: &IpNet) -> bool {
        self.0.iter().any(|seen| seen.cidr == *cidr)
    }

    /// The blocks that have an address to give.
    pub(super) fn with_space(&self) -> impl Iterator<Item = IpNet> {
        self.0.iter().map(|seen| seen.cidr)
    }
}

impl<S: Store> Allocator<S> {
    /// Looks at all blocks of a job's pools, a page at a time.
    async fn survey(&self, job: &Job<'_>) -> Result<Survey, Fault> {
        let mut found = Vec::new();
        self.scan(job.family, |cidr, mut slot| {
            let Some(mut block) = slot.value.take().filter(|_| job.serves(&cidr)) else { return };
            let (sequence, owner) = (block.sequence(), block.affinity());
            block.collect(job.now, job.config.ip_cooldown);
            let space = block.free_addresses().any(|address| !job.reserved.contains(number(address)));
            let old = owner.is_none()
                || block.claimed_at().is_none_or(|claimed| job.now.saturating_sub(claimed) >= RECLAIM_AGE);
            // Of full ones nothing is ever asked.
            if space {
                found.push(Seen { cidr, owner, sequence, slot, idle: old && block.is_empty() });
            }
        })
        .await?;
        Ok(Survey(found))
    }

    /// The first block on a job's way that nobody has.
    async fn first_free(&self, job: &Job<'_>) -> Result<Option<IpNet>, Fault> {
        let existing = Spans::of(job.family, &self.block_cidrs(job.family).await?);
        let free =
            |pool: &&Pool| Walk::new(pool, job.owner.name(), job.now).first_free(&job.reserved, &existing);
        Ok(job.pools.iter().find_map(free))
    }

    /// A look at all blocks, if nobody's are used up.
    pub(super) async fn survey_if_exhausted(&self, job: &Job<'_>) -> Result<Option<Survey>, Fault> {
        match self.first_free(job).await? {
            Some(_) => Ok(None),
            None => self.survey(job).await.map(Some),
        }
    }

    /// Finds a block for a job that has used up its own, where the first try believes what was `surveyed`.
    pub(super) async fn find_block(
        &self,
        job: &Job<'_>,
        tried: &BTreeSet<IpNet>,
        surveyed: Option<Survey>,
    ) -> Result<Found, Fault> {
        let survey = match surveyed {
            Some(survey) => survey,
            None => {
                if let Some(cidr) = self.first_free(job).await? {
                    return Ok(Found::Free(cidr));
                }
                self.survey(job).await?
            }
        };
        self.reclaim(job, tried, survey).await
    }

    /// A block of the owner's that another process of it has claimed meanwhile.
    pub(super) async fn find_own(
        &self,
        job: &Job<'_>,
        tried: &BTreeSet<IpNet>,
    ) -> Result<Option<Found>, Fault> {
        let own = self.affinities(&job.owner, job.family).await?.into_iter();
        let mut new = own.filter(|(cidr, _)| job.serves(cidr) && !tried.contains(cidr));
        Ok(new.next().map(|(cidr, affinity)| Found::Own(cidr, affinity)))
    }

    /// Takes an empty block from another owner, or finds one that was left behind.
    async fn reclaim(&self, job: &Job<'_>, tried: &BTreeSet<IpNet>, survey: Survey) -> Result<Found, Fault> {
        for Seen { cidr, owner, sequence, slot, idle, .. } in &survey.0 {
            if tried.contains(cidr) || !(*idle || owner.as_ref() == Some(&job.owner)) {
                continue;
            }
            match owner {
                // Ours without an affinity: claiming finds it so, and confirms.
                Some(owner) if *owner == job.owner => return Ok(Found::Free(*cidr)),
                Some(owner) => {
                    let how = ReleaseBlock { require_empty: true, sequence: Some(*sequence) };
                    match self.release_block(owner, cidr, how, job.config, job.now).await {
                        Ok(()) => return Ok(Found::Free(*cidr)),
                        Err(AffinityError::Fault(fault)) => return Err(fault),
                        Err(_) => {}
                    }
                }
                // Nobody's and empty: its last address rested when it was released, and nobody came back.
                None => {
                    let ops: Vec<_> = slot.delete().into_iter().collect();
                    match self.apply(&ops).await {
                        Ok(_) => return Ok(Found::Free(*cidr)),
                        Err(stopped) => stopped.retry()?,
                    };
                }
            }
        }
        Ok(Found::Nothing(survey))
    }
}

#[cfg(test)]
mod tests {
    use alloc::format;
    use core::net::{IpAddr, Ipv4Addr};

    use proptest::prelude::*;

    use super::*;

    fn net(text: &str) -> IpNet {
        text.parse().unwrap()
    }

    /// The stupid twin: every block of the pool, in the order of the walk.
    fn every_block(pool: &Pool, walk: &Walk) -> Vec<IpNet> {
        let mut blocks: Vec<IpNet> = match pool.cidr {
            IpNet::V4(cidr) => cidr.subnets(pool.block_len).unwrap().map(IpNet::V4).collect(),
            IpNet::V6(cidr) => cidr.subnets(pool.block_len).unwrap().map(IpNet::V6).collect(),
        };
        blocks.sort();
        blocks.rotate_left(usize::try_from(walk.start).unwrap());
        blocks
    }

    fn addresses(block: &IpNet) -> impl Iterator<Item = IpAddr> {
        let (first, last) = range(block);
        (first..=last).filter_map(|number| Family::V4.addr(number))
    }

    #[test]
    fn fnv_1_vectors() {
        // http://www.isthe.com/chongo/src/fnv/test_fnv.c, FNV-1 32 bit.
        assert_eq!(fnv(""), 0x811c_9dc5);
        assert_eq!(fnv("a"), 0x050c_5d7e);
        assert_eq!(fnv("foobar"), 0x31f0_b262);
    }

    #[test]
    fn a_walk_passes_every_block_once_and_is_the_hosts_own() {
        let pool = Pool::new("p", net("10.0.0.0/20"));
        let mut starts = BTreeSet::new();
        for host in 0..20 {
            let host = format!("host-{host}");
            let walk = Walk::new(&pool, &host, Duration::ZERO);
            assert_eq!(walk.start, Walk::new(&pool, &host, Duration::from_secs(9)).start);
            let mut seen = Vec::new();
            let mut existing = Spans::default();
            while let Some(block) = walk.first_free(&Spans::default(), &existing) {
                assert_eq!(walk.place(&block), u128::try_from(seen.len()).unwrap());
                seen.push(block);
                existing = Spans::of(Family::V4, &seen);
            }
            assert_eq!(seen, every_block(&pool, &walk));
            starts.insert(walk.start);
        }
        assert!(starts.len() > 8, "hosts start apart");
        let single = Pool::new("s", net("10.0.0.0/24")).block_len(32);
        let starts: BTreeSet<u128> =
            (0..50).map(|now| Walk::new(&single, "host", Duration::from_nanos(now)).start).collect();
        assert!(starts.len() > 20, "single addresses start by the clock");
    }

    #[test]
    fn a_huge_pool_with_a_huge_reservation_is_quick() {
        let pool = Pool::new("p", net("fd00::/16"));
        let walk = Walk::new(&pool, "host", Duration::ZERO);
        let reserved =
            Spans::of(Family::V6, &[net("fd00::/17"), net("fd00:8000::/18"), net("fd00:c000::/19")]);
        let found = walk.first_free(&reserved, &Spans::default()).unwrap();
        assert!(net("fd00:e000::/19").contains(&found));
        let all = Pool::new("all", net("::/0")).block_len(112);
        let whole = Spans::of(Family::V6, &[net("::/1"), net("8000::/1")]);
        assert!(Walk::new(&all, "host", Duration::ZERO).first_free(&whole, &Spans::default()).is_none());
    }

    const CASES: u32 = 256;

    proptest! {
        #![proptest_config(crate::proof::config(CASES))]

        #[test]
        fn first_free_agrees_with_trying_every_block(
            host in "[a-e]",
            pool_len in 24u8..=28,
            more in 0u8..=4,
            nets in proptest::collection::vec((0u32..256, 24u8..=32, any::<bool>()), 0..8),
        ) {
            let pool = Pool::new("p", IpNet::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 0)), pool_len).unwrap())
                .block_len(pool_len + more);
            let net = |addr: u32, len: u8| {
                IpNet::new(IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0000 + addr)), len).unwrap().trunc()
            };
            let reserved: Vec<IpNet> = nets.iter().filter(|n| n.2).map(|n| net(n.0, n.1)).collect();
            let existing: Vec<IpNet> = nets.iter().filter(|n| !n.2).map(|n| net(n.0, n.1)).collect();
            let walk = Walk::new(&pool, &host, Duration::ZERO);
            let free = |block: &IpNet| {
                let overlaps = existing.iter().any(|net| net.contains(block) || block.contains(net));
                let covered = addresses(block).all(|addr| reserved.iter().any(|net| net.contains(&addr)));
                !overlaps && !covered
            };
            let want = every_block(&pool, &walk).into_iter().find(|block| free(block));
            let spans = (Spans::of(Family::V4, &reserved), Spans::of(Family::V4, &existing));
            prop_assert_eq!(walk.first_free(&spans.0, &spans.1), want);
        }
    }
}
