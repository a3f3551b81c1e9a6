//! One JSON object a line.

use core::fmt::Display;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::io::{self, Write};

use ipnet::IpNet;
use serde::{Serialize, Serializer};
use tortie_bgp_wire::{LargeCommunity, NextHop, Nlri, Origin, SegmentKind};

use crate::event::{Destination, Event, Values, What};

#[derive(Serialize)]
struct Line {
    #[serde(rename = "type")]
    form: &'static str,
    time: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    microseconds: Option<u32>,
    action: &'static str,
    peer: IpAddr,
    peer_as: u32,
    #[serde(flatten)]
    destination: Option<Place>,
    #[serde(flatten)]
    attributes: Option<Attributes>,
    #[serde(flatten)]
    states: Option<States>,
}

#[derive(Serialize)]
struct Place {
    #[serde(serialize_with = "text")]
    family: tortie_bgp_wire::Family,
    #[serde(skip_serializing_if = "Option::is_none")]
    prefix: Option<String>,
    /// Octets in hexadecimal: all of a destination that has more than a prefix, or none.
    #[serde(skip_serializing_if = "Option::is_none")]
    nlri: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path_id: Option<u32>,
}

#[derive(Serialize)]
struct States {
    old: u16,
    new: u16,
}

#[derive(Serialize)]
struct Attributes {
    #[serde(skip_serializing_if = "Option::is_none")]
    as_path: Option<Vec<Hop>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    origin: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_hop: Option<IpAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    link_local_next_hop: Option<Ipv6Addr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    local_pref: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    med: Option<u32>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    communities: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    large_communities: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    extended_communities: Vec<String>,
    atomic_aggregate: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    aggregator: Option<Aggregate>,
}

#[derive(Serialize)]
struct Aggregate {
    #[serde(rename = "as")]
    asn: u32,
    address: Ipv4Addr,
}

/// An AS number of a sequence, or a segment of another kind.
#[derive(Serialize)]
#[serde(untagged)]
enum Hop {
    As(u32),
    Set { set: Vec<u32> },
    ConfederationSequence { confederation_sequence: Vec<u32> },
    ConfederationSet { confederation_set: Vec<u32> },
}

fn text<S: Serializer>(value: &impl Display, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

/// Prints an event.
pub(crate) fn print(event: &Event<'_>, out: &mut impl Write) -> io::Result<()> {
    let mut line = Line {
        form: event.form,
        time: event.time.seconds,
        microseconds: event.time.microseconds,
        action: "state",
        peer: event.peer,
        peer_as: event.peer_as,
        destination: None,
        attributes: None,
        states: None,
    };
    match &event.what {
        What::Route { in_rib, destination, next_hop, attributes } => {
            line.action = if *in_rib { "rib" } else { "announce" };
            line.destination = Some(place(destination));
            line.attributes = Some(values(attributes, *next_hop));
        }
        What::Withdrawn(destination) => {
            line.action = "withdraw";
            line.destination = Some(place(destination));
        }
        What::State { old, new } => line.states = Some(States { old: old.get(), new: new.get() }),
    }
    serde_json::to_writer(&mut *out, &line)?;
    out.write_all(b"\n")
}

fn place(destination: &Destination<'_>) -> Place {
    let nlri = &destination.nlri;
    let plain = matches!(
        nlri,
        Nlri::Ipv4Unicast(_) | Nlri::Ipv6Unicast(_) | Nlri::Ipv4Multicast(_) | Nlri::Ipv6Multicast(_)
    );
    Place {
        family: nlri.family(),
        prefix: nlri.prefix().map(|prefix: IpNet| prefix.to_string()),
        nlri: if plain { None } else { octets(nlri) },
        path_id: destination.path_id,
    }
}

fn octets(nlri: &Nlri<'_>) -> Option<String> {
    let mut buf = vec![0; nlri.encoded_len()];
    let len = nlri.encode(&mut buf).ok()?;
    Some(buf.iter().take(len).map(|octet| format!("{octet:02x}")).collect())
}

fn values(values: &Values<'_>, next_hop: Option<NextHop>) -> Attributes {
    Attributes {
        as_path: values.path.map(|path| {
            path.segments()
                .flat_map(|segment| match segment.kind {
                    SegmentKind::SET => vec![Hop::Set { set: segment.asns.collect() }],
                    SegmentKind::CONFED_SEQUENCE => {
                        vec![Hop::ConfederationSequence { confederation_sequence: segment.asns.collect() }]
                    }
                    SegmentKind::CONFED_SET => {
                        vec![Hop::ConfederationSet { confederation_set: segment.asns.collect() }]
                    }
                    _ => segment.asns.map(Hop::As).collect(),
                })
                .collect()
        }),
        origin: values.origin.map(|origin| match origin {
            Origin::IGP => "IGP",
            Origin::EGP => "EGP",
            _ => "INCOMPLETE",
        }),
        next_hop: next_hop.map(NextHop::address),
        link_local_next_hop: match next_hop {
            Some(NextHop::Ipv6LinkLocal { link_local, .. }) => Some(link_local),
            _ => None,
        },
        local_pref: values.local_pref,
        med: values.med,
        communities: values
            .communities
            .into_iter()
            .flatten()
            .map(|community| community.to_string())
            .collect(),
        large_communities: values.large.into_iter().flatten().map(large).collect(),
        extended_communities: values
            .extended
            .into_iter()
            .flatten()
            .map(|community| community.to_string())
            .collect(),
        atomic_aggregate: values.atomic,
        aggregator: values.aggregator.map(|found| Aggregate { asn: found.asn, address: found.address }),
    }
}

fn large(community: LargeCommunity) -> String {
    format!("{}:{}:{}", community.global, community.local1, community.local2)
}
