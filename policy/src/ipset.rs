//! Sets of addresses that share no address among their members.

use alloc::vec::Vec;
use core::net::IpAddr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::rule::Family;

/// Addresses as prefixes, sorted, of which none overlaps another, by family.
///
/// Kernel sets with intervals refuse members that overlap, and some cannot hold a prefix of length 0; so what another
/// member covers is left out, and a prefix of length 0 becomes two of length 1.
///
/// Source: calico@87c15906f2 felix/labelindex, the overlap suppressor.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IpSet {
    v4: Vec<Ipv4Net>,
    v6: Vec<Ipv6Net>,
}

impl IpSet {
    /// The set of all addresses in these prefixes.
    #[must_use]
    pub fn new(nets: impl IntoIterator<Item = IpNet>) -> Self {
        let mut set = Self::default();
        for net in nets {
            // Only a prefix of length 0 has length 1 within its reach from so far above.
            match net {
                IpNet::V4(net) if net.prefix_len() == 0 => {
                    set.v4.extend(net.subnets(1).into_iter().flatten())
                }
                IpNet::V6(net) if net.prefix_len() == 0 => {
                    set.v6.extend(net.subnets(1).into_iter().flatten())
                }
                IpNet::V4(net) => set.v4.push(net.trunc()),
                IpNet::V6(net) => set.v6.push(net.trunc()),
            }
        }
        drop_covered(&mut set.v4, |outer, inner| outer.contains(inner));
        drop_covered(&mut set.v6, |outer, inner| outer.contains(inner));
        set
    }

    /// Takes away these members and then adds those, which overlap none that is left.
    pub(crate) fn change(&mut self, removed: &Self, added: &Self) {
        change(&mut self.v4, &removed.v4, &added.v4);
        change(&mut self.v6, &removed.v6, &added.v6);
    }

    /// Members of IPv4, in rising order.
    #[must_use]
    pub fn v4(&self) -> &[Ipv4Net] {
        &self.v4
    }

    /// Members of IPv6, in rising order.
    #[must_use]
    pub fn v6(&self) -> &[Ipv6Net] {
        &self.v6
    }

    /// Members of this family, in rising order.
    pub fn members(&self, family: Family) -> impl Iterator<Item = IpNet> + '_ {
        let v4 = self.v4.iter().filter(move |_| family == Family::V4).copied().map(IpNet::V4);
        let v6 = self.v6.iter().filter(move |_| family == Family::V6).copied().map(IpNet::V6);
        v4.chain(v6)
    }

    /// How many members there are of this family.
    #[must_use]
    pub fn len(&self, family: Family) -> usize {
        match family {
            Family::V4 => self.v4.len(),
            Family::V6 => self.v6.len(),
        }
    }

    /// Whether there are no members of either family.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.v4.is_empty() && self.v6.is_empty()
    }

    /// Whether the address is in a member. Linear in the members.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match address {
            IpAddr::V4(address) => self.v4.iter().any(|net| net.contains(&address)),
            IpAddr::V6(address) => self.v6.iter().any(|net| net.contains(&address)),
        }
    }
}

/// Sorted, a prefix stands right before those that it covers.
fn drop_covered<N: Ord + Copy>(nets: &mut Vec<N>, contains: impl Fn(&N, &N) -> bool) {
    nets.sort_unstable();
    nets.dedup_by(|later, earlier| contains(earlier, later));
}

/// From how many changes on a list is sorted anew.
const MANY: usize = 64;

fn change<N: Ord + Copy>(members: &mut Vec<N>, removed: &[N], added: &[N]) {
    if removed.len().saturating_add(added.len()) > MANY {
        members.retain(|member| removed.binary_search(member).is_err());
        members.extend_from_slice(added);
        members.sort_unstable();
        members.dedup();
        return;
    }
    for member in removed {
        if let Ok(place) = members.binary_search(member) {
            members.remove(place);
        }
    }
    for member in added {
        if let Err(place) = members.binary_search(member) {
            members.insert(place, *member);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use alloc::string::{String, ToString};

    fn members(texts: &[&str]) -> Vec<String> {
        let set = IpSet::new(texts.iter().map(|text| text.parse::<IpNet>().unwrap()));
        Family::ALL.into_iter().flat_map(|family| set.members(family)).map(|net| net.to_string()).collect()
    }

    #[test]
    fn covered_members_are_left_out_in_any_order() {
        let want = ["12.0.0.0/8", "13.0.0.0/8"];
        assert_eq!(members(&["12.0.0.0/8", "12.1.0.0/16", "12.1.2.142/32", "13.0.0.0/8"]), want);
        assert_eq!(
            members(&["13.0.0.0/8", "12.1.2.142/32", "12.0.0.0/8", "12.1.0.0/16", "12.0.0.0/8"]),
            want
        );
        assert_eq!(members(&["12.0.0.0/32", "12.0.0.0/8"]), ["12.0.0.0/8"]);
    }

    #[test]
    fn everything_is_two_halves() {
        let want = ["0.0.0.0/1", "128.0.0.0/1", "::/1", "8000::/1"];
        assert_eq!(members(&["0.0.0.0/0", "10.0.0.0/8", "::/0", "fd00::/8", "0.0.0.0/0"]), want);
    }
}
