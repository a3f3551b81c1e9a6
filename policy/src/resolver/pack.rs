//! Values as bytes: lengths and numbers, texts, selectors, prefixes.

use alloc::string::String;
use alloc::vec::Vec;
use core::net::{Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use tortie_selector::{Limits, Selector};

use crate::key::{Direction, Owner};

/// Longest text of a selector that is parsed again.
pub(super) const LONG: usize = 4096;

#[derive(Default)]
pub(super) struct Writer {
    pub(super) bytes: Vec<u8>,
    selectors: Vec<Selector>,
    pub(super) odd: Vec<Selector>,
}

pub(super) struct Reader<'a> {
    bytes: core::slice::Iter<'a, u8>,
    selectors: Vec<Selector>,
    odd: core::slice::Iter<'a, Selector>,
    pub(super) owner: Owner,
    pub(super) direction: Direction,
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8], odd: &'a [Selector], owner: Owner) -> Self {
        let (bytes, odd) = (bytes.iter(), odd.iter());
        Self { bytes, selectors: Vec::new(), odd, owner, direction: Direction::Ingress }
    }

    pub(super) fn byte(&mut self) -> Option<u8> {
        self.bytes.next().copied()
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (array, rest) = self.bytes.as_slice().split_first_chunk()?;
        self.bytes = rest.iter();
        Some(*array)
    }
}

/// What becomes bytes, and is made of them again.
pub(super) trait Pack: Sized {
    fn pack(&self, to: &mut Writer);
    fn unpack(from: &mut Reader<'_>) -> Option<Self>;
}

macro_rules! numbers {
    ($($number:ty),*) => {$(
        impl Pack for $number {
            fn pack(&self, to: &mut Writer) {
                to.bytes.extend(self.to_be_bytes());
            }

            fn unpack(from: &mut Reader<'_>) -> Option<Self> {
                from.array().map(Self::from_be_bytes)
            }
        }
    )*};
}

numbers!(u8, u16, u64);

/// In groups of seven bits, the lowest first.
impl Pack for usize {
    fn pack(&self, to: &mut Writer) {
        let mut rest = *self;
        while rest >= 0x80 {
            to.bytes.push(0x80 | rest.to_le_bytes().first().map_or(0, |low| low & 0x7F));
            rest >>= 7;
        }
        to.bytes.extend(rest.to_le_bytes().first());
    }

    fn unpack(from: &mut Reader<'_>) -> Option<Self> {
        let (mut number, mut shift) = (0, 0);
        loop {
            let byte = from.byte()?;
            number |= Self::from(byte & 0x7F).checked_shl(shift)?;
            if byte < 0x80 {
                return Some(number);
            }
            shift += 7;
        }
    }
}

impl Pack for bool {
    fn pack(&self, to: &mut Writer) {
        u8::from(*self).pack(to);
    }

    fn unpack(from: &mut Reader<'_>) -> Option<Self> {
        from.byte().map(|byte| byte != 0)
    }
}

impl Pack for String {
    fn pack(&self, to: &mut Writer) {
        self.len().pack(to);
        to.bytes.extend(self.bytes());
    }

    fn unpack(from: &mut Reader<'_>) -> Option<Self> {
        let len = usize::unpack(from)?;
        let (text, rest) = from.bytes.as_slice().split_at_checked(len)?;
        from.bytes = rest.iter();
        core::str::from_utf8(text).ok().map(Self::from)
    }
}

impl<T: Pack> Pack for Option<T> {
    fn pack(&self, to: &mut Writer) {
        self.is_some().pack(to);
        if let Some(value) = self {
            value.pack(to);
        }
    }

    fn unpack(from: &mut Reader<'_>) -> Option<Self> {
        if bool::unpack(from)? { T::unpack(from).map(Some) } else { Some(None) }
    }
}

impl<T: Pack> Pack for Vec<T> {
    fn pack(&self, to: &mut Writer) {
        self.len().pack(to);
        self.iter().for_each(|item| item.pack(to));
    }

    fn unpack(from: &mut Reader<'_>) -> Option<Self> {
        let len = usize::unpack(from)?;
        (0..len).map(|_| T::unpack(from)).collect()
    }
}

/// By its place among those that were there before, or with its text.
impl Pack for Selector {
    fn pack(&self, to: &mut Writer) {
        let known = to.selectors.iter().position(|known| known == self);
        known.unwrap_or(to.selectors.len()).pack(to);
        if known.is_some() {
            return;
        }
        to.selectors.push(self.clone());
        let text = self.canonical();
        // `!(!x)` keeps both signs, which its text, parsed again, does not.
        let is_odd = text.len() > LONG || text.contains("!!");
        is_odd.pack(to);
        if is_odd {
            to.odd.push(self.clone());
        } else {
            text.len().pack(to);
            to.bytes.extend(text.bytes());
        }
    }

    fn unpack(from: &mut Reader<'_>) -> Option<Self> {
        let place = usize::unpack(from)?;
        if let Some(known) = from.selectors.get(place) {
            return Some(known.clone());
        }
        let selector = if bool::unpack(from)? {
            from.odd.next()?.clone()
        } else {
            let limits = Limits::default().depth(Limits::MAX_DEPTH);
            Self::parse_with(&String::unpack(from)?, &limits).ok()?
        };
        from.selectors.push(selector.clone());
        Some(selector)
    }
}

impl Pack for IpNet {
    fn pack(&self, to: &mut Writer) {
        matches!(self, Self::V6(_)).pack(to);
        self.prefix_len().pack(to);
        match self {
            Self::V4(net) => to.bytes.extend(net.addr().octets()),
            Self::V6(net) => to.bytes.extend(net.addr().octets()),
        }
    }

    fn unpack(from: &mut Reader<'_>) -> Option<Self> {
        let (is_v6, len) = (bool::unpack(from)?, from.byte()?);
        if is_v6 {
            let address = from.array().map(|octets: [u8; 16]| Ipv6Addr::from(octets))?;
            return Ipv6Net::new(address, len).ok().map(Self::V6);
        }
        let address = from.array().map(|octets: [u8; 4]| Ipv4Addr::from(octets))?;
        Ipv4Net::new(address, len).ok().map(Self::V4)
    }
}
