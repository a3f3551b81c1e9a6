//! Where records live: keys as the reference lays them out in etcd.
//!
//! Source: calico@87c15906f2 libcalico-go/lib/backend/model (block.go, block_affinity.go, ipam_handle.go,
//! ipam_config.go).
//!
//! | record | key |
//! |---|---|
//! | [`Block`](crate::Block) | `/calico/ipam/v2/assignment/ipv{4,6}/block/<cidr>` |
//! | [`BlockAffinity`](crate::BlockAffinity) | `/calico/ipam/v2/{host,virtual}/<host>/ipv{4,6}/block/<cidr>` |
//! | [`Handle`](crate::Handle) | `/calico/ipam/v2/handle/<id>` |
//! | [`ConfigRecord`](crate::ConfigRecord) | `/calico/ipam/v2/config` |
//!
//! In `<cidr>` the slash is written as `-`. A host or handle id is one key segment: see [`is_segment`].

use alloc::format;
use alloc::string::String;

use ipnet::IpNet;

use crate::record::Affinity;
use crate::span::Family;

/// What all keys of this crate begin with.
pub const ROOT: &str = "/calico/ipam/v2/";
/// The key of the configuration.
pub const CONFIG: &str = "/calico/ipam/v2/config";
/// What the keys of all handles begin with.
pub const HANDLES: &str = "/calico/ipam/v2/handle/";
/// What the keys of all blocks of both families begin with.
pub const BLOCKS: &str = "/calico/ipam/v2/assignment/";

/// Whether a text can be a host name or handle id within a key: not empty, no slash, no control character.
#[must_use]
pub fn is_segment(text: &str) -> bool {
    !text.is_empty() && !text.chars().any(|c| c == '/' || c.is_control())
}

/// What the keys of all blocks of a family begin with.
#[must_use]
pub fn blocks(family: Family) -> String {
    format!("{BLOCKS}ipv{}/block/", family.version())
}

/// The key of a block.
#[must_use]
pub fn block(cidr: &IpNet) -> String {
    let cidr = cidr.trunc();
    format!("{}{}-{}", blocks(Family::of(&cidr)), cidr.addr(), cidr.prefix_len())
}

/// What the keys of all affinities of an owner in a family begin with.
#[must_use]
pub fn affinities(owner: &Affinity, family: Family) -> String {
    format!("{ROOT}{}/{}/ipv{}/block/", owner.kind(), owner.name(), family.version())
}

/// The key of the affinity of an owner for a block.
#[must_use]
pub fn affinity(owner: &Affinity, cidr: &IpNet) -> String {
    let cidr = cidr.trunc();
    format!("{}{}-{}", affinities(owner, Family::of(&cidr)), cidr.addr(), cidr.prefix_len())
}

/// The key of a handle.
#[must_use]
pub fn handle(id: &str) -> String {
    format!("{HANDLES}{id}")
}

/// A key, read back.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Key {
    /// A block.
    Block(IpNet),
    /// The affinity of an owner for a block.
    Affinity(Affinity, IpNet),
    /// A handle, by id.
    Handle(String),
    /// The configuration.
    Config,
}

impl Key {
    /// Reads a key; `None` if it is no record of this crate.
    #[must_use]
    pub fn parse(key: &str) -> Option<Self> {
        let rest = key.strip_prefix(ROOT)?;
        if rest == "config" {
            return Some(Self::Config);
        }
        let (room, rest) = rest.split_once('/')?;
        match room {
            "assignment" => parse_block(rest).map(Self::Block),
            "handle" => is_segment(rest).then(|| Self::Handle(String::from(rest))),
            "host" | "virtual" => {
                let (name, rest) = rest.split_once('/')?;
                let name = String::from(name);
                let owner = if room == "host" { Affinity::Host(name) } else { Affinity::Virtual(name) };
                parse_block(rest).map(|cidr| Self::Affinity(owner, cidr))
            }
            _ => None,
        }
    }

    /// The text of this key.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::Block(cidr) => block(cidr),
            Self::Affinity(owner, cidr) => affinity(owner, cidr),
            Self::Handle(id) => handle(id),
            Self::Config => String::from(CONFIG),
        }
    }
}

/// Reads `ipv4/block/10.0.0.0-26`.
fn parse_block(text: &str) -> Option<IpNet> {
    let (family, text) = text.split_once("/block/")?;
    let (addr, len) = text.rsplit_once('-')?;
    let cidr = IpNet::new(addr.parse().ok()?, len.parse().ok()?).ok()?;
    let same_family = family.strip_prefix("ipv")?.parse() == Ok(Family::of(&cidr).version());
    (same_family && cidr.addr() == cidr.network()).then_some(cidr)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_those_of_the_reference() {
        let v4: IpNet = "10.0.1.64/26".parse().unwrap();
        let v6: IpNet = "fd80:24e2:f998:72d6::40/122".parse().unwrap();
        let host = Affinity::Host(String::from("node-1"));
        let lb = Affinity::Virtual(String::from("load-balancer"));
        for (key, text) in [
            (Key::Block(v4), "/calico/ipam/v2/assignment/ipv4/block/10.0.1.64-26"),
            (Key::Block(v6), "/calico/ipam/v2/assignment/ipv6/block/fd80:24e2:f998:72d6::40-122"),
            (Key::Affinity(host, v4), "/calico/ipam/v2/host/node-1/ipv4/block/10.0.1.64-26"),
            (Key::Affinity(lb, v4), "/calico/ipam/v2/virtual/load-balancer/ipv4/block/10.0.1.64-26"),
            (Key::Handle(String::from("k8s-pod-network.abc")), "/calico/ipam/v2/handle/k8s-pod-network.abc"),
            (Key::Config, "/calico/ipam/v2/config"),
        ] {
            assert_eq!(key.text(), text);
            assert_eq!(Key::parse(text), Some(key));
        }
    }

    #[test]
    fn other_keys_are_none_of_ours() {
        for text in [
            "",
            "/calico/ipam/v2/host/node-1",
            "/calico/ipam/v2/assignment/ipv6/block/10.0.1.64-26",
            "/calico/ipam/v2/assignment/ipv4/block/10.0.1.65-26",
            "/calico/ipam/v2/assignment/ipv4/block/10.0.1.64",
            "/calico/ipam/v2/assignment/ipv4/block/10.0.1.64-33",
            "/calico/ipam/v2/handle/",
            "/calico/ipam/v2/handle/a/b",
        ] {
            assert_eq!(Key::parse(text), None, "{text}");
        }
    }
}
