//! Packets, counted by the kernel of a namespace.

use core::cell::RefCell;
use core::fmt::Write as _;
use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::{Command, Stdio};

use tortie_nft_wire::{Entry, Family, Listing, ObjectData, Socket};
use tortie_routes::netlink::NetNs;

/// A flow by protocol and port, such as `("udp", 81)`: that of who is asked.
pub(crate) type Count = (&'static str, u16);

/// Counters of what comes in and what goes out.
pub(crate) struct Meter(RefCell<Socket>);

impl Meter {
    /// Counts the packets of these flows, from now on; of either direction.
    pub(crate) fn new(namespace: &NetNs, flows: &[Count]) -> Self {
        let mut text = String::from("table inet tally {\n");
        let hooks = [("in", "input priority 300"), ("out", "postrouting priority 300")];
        for (way, hook) in hooks {
            let mut chain = String::new();
            for (protocol, port) in flows {
                let _ = writeln!(text, "counter {protocol}-{port}-{way} {{ }}");
                for end in ["dport", "sport"] {
                    let _ = writeln!(chain, "{protocol} {end} {port} counter name {protocol}-{port}-{way}");
                }
            }
            let _ = writeln!(text, "chain count-{way} {{ type filter hook {hook};\n{chain}}}");
        }
        text.push('}');
        namespace
            .run(|| {
                let mut nft = Command::new("nft").args(["-f", "-"]).stdin(Stdio::piped()).spawn().unwrap();
                nft.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
                assert!(nft.wait().unwrap().success(), "{text}");
            })
            .unwrap();
        Self(RefCell::new(namespace.run(|| Socket::open().unwrap()).unwrap()))
    }

    fn read(&self, (protocol, port): Count, way: &str) -> u64 {
        let entries = self.0.borrow_mut().list(Family::INET, Listing::Objects).unwrap();
        let counters: BTreeMap<String, u64> = entries
            .iter()
            .filter_map(|(_, entry)| match entry {
                Entry::Object(object) => match &object.data {
                    ObjectData::Counter(counter) => Some((object.name.to_string(), counter.packets?)),
                    _ => None,
                },
                _ => None,
            })
            .collect();
        counters[&format!("{protocol}-{port}-{way}")]
    }

    /// How many packets of a flow have come in.
    pub(crate) fn received(&self, flow: Count) -> u64 {
        self.read(flow, "in")
    }

    /// How many have gone out.
    pub(crate) fn sent(&self, flow: Count) -> u64 {
        self.read(flow, "out")
    }
}
