//! Random policy out of bytes: all zeros make the simplest, so that proptest shrinks towards it.

use core::net::IpAddr;

pub(crate) mod objects;
mod rules;

/// Bytes to take choices from; zeros when they are used up.
pub(crate) struct Choices<'a>(core::slice::Iter<'a, u8>);

impl<'a> Choices<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes.iter())
    }

    /// A number below `n`.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        usize::from(self.0.next().copied().unwrap_or(0)) % n
    }

    /// True once in `n` times; false if the bytes are used up.
    pub(crate) fn once_in(&mut self, n: usize) -> bool {
        self.below(n) == n - 1
    }

    pub(crate) fn one<'b, T>(&mut self, items: &'b [T]) -> &'b T {
        &items[self.below(items.len())]
    }

    pub(crate) fn some<T>(&mut self, max: usize, mut make: impl FnMut(&mut Self) -> T) -> Vec<T> {
        let len = self.below(max + 1);
        (0..len).map(|_| make(self)).collect()
    }
}

/// What addresses, ports and protocols there are to choose from.
#[derive(Clone)]
pub(crate) struct World {
    /// Addresses of endpoint number n, one of each family.
    pub(crate) endpoints: Vec<[IpAddr; 2]>,
    /// Addresses of no endpoint, one of each family.
    pub(crate) outside: Vec<[IpAddr; 2]>,
    pub(crate) ports: Vec<u16>,
    /// Addresses of the host itself, one of each family.
    pub(crate) host: [IpAddr; 2],
    /// Whether objects may have faults, and rules criteria that are not enforced.
    pub(crate) faults: bool,
    /// Interfaces that host endpoints may have; there are none of them if it is empty.
    pub(crate) interfaces: &'static [&'static str],
}

impl World {
    pub(crate) fn new() -> Self {
        let pair = |last: u8| {
            [IpAddr::from([10, 0, 0, last]), IpAddr::from([0xfd00, 0, 0, 0, 0, 0, 0, u16::from(last)])]
        };
        let outside = |last: u8| {
            [IpAddr::from([192, 0, 2, last]), IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, u16::from(last)])]
        };
        Self {
            endpoints: (1..=6).map(pair).collect(),
            outside: (1..=2).map(outside).collect(),
            ports: vec![80, 81, 443, 8080, 4789],
            host: ["10.255.0.1".parse().unwrap(), "fdff::1".parse().unwrap()],
            faults: true,
            interfaces: &["eth0", "*", "eth1", ""],
        }
    }

    pub(crate) fn nets(&self, family: usize) -> Vec<String> {
        let all = self.endpoints.iter().chain(&self.outside).chain([&self.host]);
        let mut nets: Vec<String> = all.map(|pair| pair[family].to_string()).collect();
        let more: &[&str] = match family {
            0 => &["10.0.0.0/30", "10.0.0.0/8", "10.0.0.4/30", "192.0.2.0/24", "0.0.0.0/0", "10.0.0.0/29"],
            _ => &["fd00::/126", "fd00::/16", "fd00::4/126", "2001:db8::/64", "::/0", "fd00::/8"],
        };
        nets.extend(more.iter().map(|net| (*net).to_string()));
        nets
    }
}
