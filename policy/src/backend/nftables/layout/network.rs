//! Chains for the network around policy.

use alloc::vec;
use alloc::vec::Vec;

use super::chains::rows;
use super::hooks::{at, said};
use super::{Catalogue, Deed, LaidChain, Line, Place, Priority, Side, Test, Tests};
use crate::backend::nftables::ServiceLoop;
use crate::backend::nftables::network::{Interface, Network};
use crate::model::Protocol;
use crate::program::{Addresses, End, Match};
use crate::rule::Family;
use crate::set::{NetworkSet, SetId};

/// Matches of one family, which a chain is laid out from.
#[derive(Clone, Debug)]
pub(in super::super) struct Matches {
    family: Family,
    translated: Option<Vec<Match>>,
    looped: Option<Vec<Match>>,
}

/// What is matched for each family.
pub(in super::super) fn matches(network: &Network) -> [Matches; 2] {
    let of = |end, family, set, negated| Match::Address {
        end,
        family,
        addresses: Addresses::Set(SetId::Network(set)),
        negated,
    };
    Family::ALL.map(|family| {
        let is_kept = [NetworkSet::Pools, NetworkSet::Excluded].into_iter();
        let is_kept = is_kept.filter(|set| network.uses(*set, family));
        let translated = network.uses(NetworkSet::Masqueraded, family).then(|| {
            [of(End::Source, family, NetworkSet::Masqueraded, false)]
                .into_iter()
                .chain(is_kept.map(|set| of(End::Destination, family, set, true)))
                .collect()
        });
        let looped = network
            .uses(NetworkSet::Services, family)
            .then(|| vec![of(End::Destination, family, NetworkSet::Services, false)]);
        Matches { family, translated, looped }
    })
}

/// The chains that the network asks for; none if it asks for nothing.
pub(in super::super) fn network_chains<'a>(
    network: &'a Network,
    matches: &'a [Matches; 2],
    catalogue: &'a impl Catalogue,
) -> Vec<LaidChain<'a>> {
    let (mut looped, mut translated) = (Vec::new(), Vec::new());
    for of in matches {
        if let Some(wanted) = &of.looped {
            let deed = if network.service_loop == ServiceLoop::Reject { Deed::Reject } else { Deed::Drop };
            let line = said(vec![Test::Translated(false)], deed, "no service has taken this");
            rows(catalogue, wanted, line, &mut looped);
        }
        if let Some(wanted) = &of.translated {
            translate(network, of.family, wanted, catalogue, &mut translated);
        }
    }
    let chain = |name: &str, hook, lines| LaidChain::new(name, Some(hook), lines);
    let chains = [
        chain("forward-service-loop", at(Place::Forward, Priority::Filter, 4), looped),
        chain("postrouting-nat-outgoing", at(Place::Postrouting, Priority::SrcNat, 10), translated),
    ];
    chains.into_iter().filter(|chain| !chain.lines.is_empty()).collect()
}

/// Ports are those of a protocol that has them; what has none is translated all the same.
fn translate<'a>(
    network: &'a Network,
    family: Family,
    wanted: &'a [Match],
    catalogue: &'a impl Catalogue,
    lines: &mut Vec<Line<'a>>,
) {
    let [v4, v6] = network.source.addresses;
    let address = if family == Family::V4 { v4 } else { v6 };
    let mut push = |protocol: Option<u8>, ports| {
        let interface = network.source.interface.iter().map(|interface| match interface {
            Interface::Named(name) => Test::Interface(Side::Out, name),
            Interface::Prefixed(prefix) => Test::Prefix(Side::Out, prefix),
        });
        let protocol = protocol.map(|number| Test::Protocol { number, negated: false });
        let tests: Tests<'_> = interface.chain(protocol).collect();
        rows(catalogue, wanted, said(tests, Deed::Translate { address, ports }, "leaves the pools"), lines);
    };
    if let Some(ports) = network.source.ports {
        push(Some(Protocol::TCP), Some(ports));
        push(Some(Protocol::UDP), Some(ports));
    }
    push(None, None);
}
