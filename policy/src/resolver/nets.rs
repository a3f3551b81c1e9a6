//! Prefixes of which what another covers is left out, kept while they come and go.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::net::{Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::ipset::IpSet;

/// Prefixes that somebody holds, some of them more than once.
#[derive(Clone, Debug, Default)]
pub(super) struct Nets {
    v4: Held<u32>,
    v6: Held<u128>,
}

impl Nets {
    /// One more holds this prefix. Tells which members come (`true`) and go: each change of the relation once.
    pub(super) fn insert(&mut self, net: IpNet, mut tell: impl FnMut(IpNet, bool)) {
        match net {
            IpNet::V4(net) => halves(net.network().to_bits(), net.prefix_len())
                .for_each(|at| self.v4.insert(at, &mut |at, shown| tell(v4(at), shown))),
            IpNet::V6(net) => halves(net.network().to_bits(), net.prefix_len())
                .for_each(|at| self.v6.insert(at, &mut |at, shown| tell(v6(at), shown))),
        }
    }

    /// One less holds this prefix, who has held it.
    pub(super) fn remove(&mut self, net: IpNet, mut tell: impl FnMut(IpNet, bool)) {
        match net {
            IpNet::V4(net) => halves(net.network().to_bits(), net.prefix_len())
                .for_each(|at| self.v4.remove(at, &mut |at, shown| tell(v4(at), shown))),
            IpNet::V6(net) => halves(net.network().to_bits(), net.prefix_len())
                .for_each(|at| self.v6.remove(at, &mut |at, shown| tell(v6(at), shown))),
        }
    }

    /// The members: what is held, without what another covers.
    pub(super) fn members(&self) -> IpSet {
        IpSet::new(self.v4.shown().map(v4).chain(self.v6.shown().map(v6)))
    }
}

// Lengths are those of prefixes, and so within the bounds of their family.
fn v4((address, len): (u32, u8)) -> IpNet {
    let address = Ipv4Addr::from_bits(address);
    IpNet::V4(Ipv4Net::new(address, len).unwrap_or_else(|_| address.into()))
}

fn v6((address, len): (u128, u8)) -> IpNet {
    let address = Ipv6Addr::from_bits(address);
    IpNet::V6(Ipv6Net::new(address, len).unwrap_or_else(|_| address.into()))
}

/// The prefix; that of length 0 as two, see [`IpSet`].
fn halves<A: Bits>(address: A, len: u8) -> impl Iterator<Item = (A, u8)> {
    let whole = len == 0;
    let first = (address, if whole { 1 } else { len });
    [Some(first), whole.then_some((A::UPPER, 1))].into_iter().flatten()
}

/// An address as a number.
trait Bits: Copy + Ord {
    /// The first address of the upper half.
    const UPPER: Self;

    /// The first address of the prefix of this length, which is not 0.
    fn first(self, len: u8) -> Self;

    /// The last address of it.
    fn last(self, len: u8) -> Self;

    /// The address after this one.
    fn next(self) -> Option<Self>;
}

macro_rules! bits {
    ($($number:ty: $len:literal),*) => {$(
        impl Bits for $number {
            const UPPER: Self = 1 << ($len - 1);

            fn first(self, len: u8) -> Self {
                let rest = u32::from(u8::saturating_sub($len, len));
                self & Self::MAX.checked_shl(rest).unwrap_or(0)
            }

            fn last(self, len: u8) -> Self {
                self | Self::MAX.checked_shr(u32::from(len)).unwrap_or(0)
            }

            fn next(self) -> Option<Self> {
                self.checked_add(1)
            }
        }
    )*};
}

bits!(u32: 32, u128: 128);

/// Prefixes of one family: the first address and the length, none of length 0, and how many hold it. Sorted, a prefix
/// stands before those that it covers.
#[derive(Clone, Debug)]
struct Held<A> {
    counts: BTreeMap<(A, u8), u32>,
    /// How many prefixes there are of each length that there is.
    lens: BTreeMap<u8, u32>,
}

impl<A> Default for Held<A> {
    fn default() -> Self {
        Self { counts: BTreeMap::new(), lens: BTreeMap::new() }
    }
}

impl<A: Bits> Held<A> {
    fn insert(&mut self, at: (A, u8), tell: &mut dyn FnMut((A, u8), bool)) {
        let count = self.counts.entry(at).or_default();
        *count = count.saturating_add(1);
        if *count > 1 {
            return;
        }
        *self.lens.entry(at.1).or_default() += 1;
        if self.is_covered(at) {
            return;
        }
        self.beneath(at).for_each(|at| tell(at, false));
        tell(at, true);
    }

    fn remove(&mut self, at: (A, u8), tell: &mut dyn FnMut((A, u8), bool)) {
        let Some(count) = self.counts.get_mut(&at) else { return };
        *count -= 1;
        if *count > 0 {
            return;
        }
        self.counts.remove(&at);
        if let Some(count) = self.lens.get_mut(&at.1) {
            *count -= 1;
            if *count == 0 {
                self.lens.remove(&at.1);
            }
        }
        if self.is_covered(at) {
            return;
        }
        tell(at, false);
        self.beneath(at).for_each(|at| tell(at, true));
    }

    fn is_covered(&self, (address, len): (A, u8)) -> bool {
        self.lens.range(..len).any(|(len, _)| self.counts.contains_key(&(address.first(*len), *len)))
    }

    /// What would be members within this prefix if nothing were held that covers it, nor it.
    fn beneath(&self, (address, len): (A, u8)) -> impl Iterator<Item = (A, u8)> {
        self.uncovered((address, len + 1), address.last(len))
    }

    fn shown(&self) -> impl Iterator<Item = (A, u8)> {
        let first = self.counts.keys().next().copied();
        first.into_iter().flat_map(|first| self.uncovered(first, A::UPPER.last(1)))
    }

    /// Prefixes from here up to an address, without those that another of them covers.
    fn uncovered(&self, from: (A, u8), last: A) -> impl Iterator<Item = (A, u8)> {
        let mut from = Some(from);
        core::iter::from_fn(move || {
            let (found, _) = self.counts.range(from?..).next().filter(|(found, _)| found.0 <= last)?;
            from = found.0.last(found.1).next().map(|next| (next, 0));
            Some(*found)
        })
    }
}

/// What was told and is not passed on yet: the last word about each member, unless it is as it was.
#[derive(Clone, Debug)]
pub(super) struct Pending<T>(BTreeMap<T, bool>);

impl<T> Default for Pending<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<T: Ord> Pending<T> {
    pub(super) fn tell(&mut self, member: T, shown: bool) {
        match self.0.remove(&member) {
            Some(_) => {}
            None => drop(self.0.insert(member, shown)),
        }
    }

    /// What went and what came.
    pub(super) fn take(&mut self) -> (Vec<T>, Vec<T>) {
        let (mut gone, mut come) = (Vec::new(), Vec::new());
        for (member, shown) in core::mem::take(&mut self.0) {
            if shown { come.push(member) } else { gone.push(member) }
        }
        (gone, come)
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::{Strategy, any, prop_assert_eq, proptest};

    use super::*;
    use alloc::collections::BTreeSet;

    fn net() -> impl Strategy<Value = IpNet> {
        let v4 = (any::<u8>(), 0..=32_u8).prop_map(|(bits, len)| {
            let address = u32::from(bits & 0xF0) << 24 | u32::from(bits & 0x0F);
            IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::from_bits(address), len)).trunc()
        });
        let v6 = (any::<u8>(), 0..=128_u8).prop_map(|(bits, len)| {
            let address = u128::from(bits & 0xF0) << 120 | u128::from(bits & 0x0F);
            IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::from_bits(address), len)).trunc()
        });
        proptest::prop_oneof![v4, v6]
    }

    proptest! {
        #[test]
        fn members_are_those_of_all_that_is_held(changes in vec((net(), any::<bool>()), 0..60)) {
            let (mut nets, mut held) = (Nets::default(), Vec::new());
            let (mut told, mut pending) = (BTreeSet::new(), Pending::default());
            let mut passed_on = BTreeSet::new();
            for (index, (net, comes)) in changes.into_iter().enumerate() {
                let mut tell = |net, shown| {
                    pending.tell(net, shown);
                    // Nothing comes that is there, nothing goes that is not, and never do two overlap.
                    assert!(if shown { told.insert(net) } else { told.remove(&net) });
                    let halves: Vec<_> = told.iter().copied().collect();
                    let members = IpSet::new(halves.iter().copied());
                    assert_eq!(members.v4().len() + members.v6().len(), halves.len());
                };
                if comes || held.is_empty() {
                    held.push(net);
                    nets.insert(net, &mut tell);
                } else {
                    nets.remove(held.swap_remove(index % held.len()), &mut tell);
                }
                let want = IpSet::new(held.iter().copied());
                prop_assert_eq!(&nets.members(), &want);
                prop_assert_eq!(&IpSet::new(told.iter().copied()), &want);
                if index % 3 == 0 {
                    let (gone, come) = pending.take();
                    gone.iter().for_each(|net| assert!(passed_on.remove(net)));
                    come.iter().for_each(|net| assert!(passed_on.insert(*net)));
                    prop_assert_eq!(&passed_on, &told);
                }
            }
            for net in held {
                nets.remove(net, |_, _| {});
            }
            prop_assert_eq!(nets.members(), IpSet::default());
            prop_assert_eq!(nets.v4.lens.len() + nets.v6.lens.len() + nets.v4.counts.len() + nets.v6.counts.len(), 0);
        }
    }
}
