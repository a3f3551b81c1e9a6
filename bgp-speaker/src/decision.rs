//! Which of several paths is the best (RFC 4271 §9.1.2.2, RFC 4456 §9).

use alloc::sync::Arc;
use core::cmp::Reverse;
use core::net::{IpAddr, Ipv4Addr};

use smallvec::SmallVec;

use crate::event::{PeerId, Source};
use crate::rib::PathAttributes;

/// The session that a path came in by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Neighbor {
    pub(crate) peer: PeerId,
    pub(crate) address: IpAddr,
    pub(crate) router_id: Ipv4Addr,
    pub(crate) external: bool,
}

/// A path to a prefix.
#[derive(Debug, Clone)]
pub(crate) struct Path {
    /// Whence; `None` for what we announce.
    pub(crate) from: Option<Arc<Neighbor>>,
    pub(crate) attributes: Arc<PathAttributes>,
}

impl Path {
    pub(crate) fn source(&self) -> Source {
        self.from.as_ref().map_or(Source::Local, |neighbor| Source::Peer(neighbor.peer))
    }

    /// Whether both are the same: attributes are interned, so that equal ones are one.
    pub(crate) fn same(&self, other: &Self) -> bool {
        self.source() == other.source() && Arc::ptr_eq(&self.attributes, &other.attributes)
    }
}

/// Indices of the paths that are still in the race.
type Race = SmallVec<[usize; 8]>;

/// The best of `paths`; `None` if there is none. No two may have the same source.
///
/// Local paths first; highest LOCAL_PREF; shortest AS_PATH; lowest ORIGIN; lowest MED among paths of one neighbouring AS; external
/// before internal; lowest BGP identifier, that of the originator where a reflector names it; shortest CLUSTER_LIST; lowest address.
pub(crate) fn best(paths: &[Path], default_local_pref: u32) -> Option<usize> {
    if paths.len() < 2 {
        return paths.len().checked_sub(1);
    }
    let mut race: Race = (0..paths.len()).collect();
    keep_least(&mut race, paths, |path| path.from.is_some());
    keep_least(&mut race, paths, |path| Reverse(path.attributes.local_pref().unwrap_or(default_local_pref)));
    keep_least(&mut race, paths, |path| path.attributes.as_path().hops());
    keep_least(&mut race, paths, |path| path.attributes.origin());
    if race.len() > 1 {
        keep_least_med(&mut race, paths);
    }
    keep_least(&mut race, paths, |path| path.from.as_ref().is_some_and(|neighbor| !neighbor.external));
    keep_least(&mut race, paths, |path| {
        path.attributes.originator_id().or_else(|| path.from.as_ref().map(|neighbor| neighbor.router_id))
    });
    keep_least(&mut race, paths, |path| path.attributes.cluster_list().len());
    keep_least(&mut race, paths, |path| path.from.as_ref().map(|neighbor| neighbor.address));
    race.first().copied()
}

/// Keeps the paths with the least key.
fn keep_least<K: Ord>(race: &mut Race, paths: &[Path], key: impl Fn(&Path) -> K) {
    if race.len() < 2 {
        return;
    }
    let key_of = |i: &usize| paths.get(*i).map(&key);
    if let Some(least) = race.iter().map(key_of).min() {
        race.retain(|i| key_of(i) == least);
    }
}

/// Drops each path that another path of the same neighbouring AS beats by MED; no MED is the lowest.
fn keep_least_med(race: &mut Race, paths: &[Path]) {
    let key = |i: &usize| {
        let attributes = paths.get(*i).map(|path| &path.attributes);
        (attributes.and_then(|a| a.as_path().neighbor()), attributes.and_then(|a| a.med()).unwrap_or(0))
    };
    let mut least: SmallVec<[(Option<u32>, u32); 8]> = race.iter().map(key).collect();
    least.sort_unstable();
    least.dedup_by_key(|(neighbor, _)| *neighbor);
    race.retain(|i| least.contains(&key(i)));
}

#[cfg(test)]
mod tests {
    use alloc::boxed::Box;
    use alloc::vec::Vec;

    use proptest::prelude::*;

    use super::*;

    fn path() -> impl Strategy<Value = Path> {
        let attributes = (
            prop::option::of(99..102u32),
            prop::collection::vec(1..4u32, 0..3),
            0..2u8,
            prop::option::of(0..3u32),
            prop::option::of(1..4u32),
            0..2usize,
        );
        (attributes, any::<bool>(), 1..4u32).prop_map(
            |((local_pref, asns, origin, med, originator, clusters), external, id)| {
                let mut as_path = [0; 64];
                let len = tortie_bgp_wire::AsPath::sequence(&asns).encode(true, &mut as_path).unwrap();
                let attributes = PathAttributes {
                    origin,
                    as_path: Box::from(&as_path[..len]),
                    med,
                    local_pref,
                    originator_id: originator.map(Ipv4Addr::from),
                    cluster_list: (0..clusters).map(|_| Ipv4Addr::LOCALHOST).collect(),
                    ..PathAttributes::default()
                };
                let neighbor = Neighbor {
                    peer: PeerId(0),
                    address: Ipv4Addr::UNSPECIFIED.into(),
                    router_id: Ipv4Addr::from(id),
                    external,
                };
                Path { from: Some(Arc::new(neighbor)), attributes: Arc::new(attributes) }
            },
        )
    }

    /// Whether the first path removes the second from consideration.
    type Rule<'a> = &'a dyn Fn(&Path, &Path) -> bool;

    /// The twin: RFC 4271 §9.1.2.2 as it is written, one elimination after the other, every pair compared.
    fn slow(paths: &[Path]) -> Option<usize> {
        let pref = |p: &Path| p.attributes.local_pref().unwrap_or(100);
        let id = |p: &Path| p.attributes.originator_id().unwrap_or(p.from.as_ref().unwrap().router_id);
        let external = |p: &Path| p.from.as_ref().unwrap().external;
        let neighbor_as = |p: &Path| p.attributes.as_path().neighbor();
        let med = |p: &Path| p.attributes.med().unwrap_or(0);
        let rules: [Rule<'_>; 8] = [
            &|a, b| pref(a) > pref(b),
            &|a, b| a.attributes.as_path().asns().count() < b.attributes.as_path().asns().count(),
            &|a, b| a.attributes.origin < b.attributes.origin,
            &|a, b| neighbor_as(a) == neighbor_as(b) && med(a) < med(b),
            &|a, b| external(a) && !external(b),
            &|a, b| id(a) < id(b),
            &|a, b| a.attributes.cluster_list().len() < b.attributes.cluster_list().len(),
            &|a, b| a.from.as_ref().unwrap().address < b.from.as_ref().unwrap().address,
        ];
        let mut alive: Vec<usize> = (0..paths.len()).collect();
        for beats in rules {
            let before = alive.clone();
            alive.retain(|b| !before.iter().any(|a| beats(&paths[*a], &paths[*b])));
        }
        alive.first().copied()
    }

    /// Cases of the property.
    const CASES: u32 = 500;

    proptest! {
        #![proptest_config(crate::prove::config(CASES))]

        #[test]
        fn the_race_equals_the_rfc(mut paths in prop::collection::vec(path(), 0..7), turn in 0..7usize) {
            for (i, path) in paths.iter_mut().enumerate() {
                let mut neighbor = (**path.from.as_ref().unwrap()).clone();
                neighbor.peer = PeerId(u64::try_from(i).unwrap());
                neighbor.address = Ipv4Addr::from(u32::try_from(i).unwrap()).into();
                path.from = Some(Arc::new(neighbor));
            }
            let winner = best(&paths, 100);
            prop_assert_eq!(winner, slow(&paths));
            // The order in which paths came in does not matter.
            let source = winner.map(|i| paths[i].source());
            let len = paths.len().max(1);
            paths.rotate_left(turn % len);
            prop_assert_eq!(best(&paths, 100).map(|i| paths[i].source()), source);
            // A local path beats all.
            paths.push(Path { from: None, attributes: Arc::default() });
            prop_assert_eq!(best(&paths, 100), Some(paths.len() - 1));
        }
    }
}
