//! Typed values out of raw bytes, for fuzzing: those that not every number is, and those that borrow from the input.

use arbitrary::{Arbitrary, Error, Result, Unstructured};
use ipnet::Ipv4Net;

use crate::attribute::{Attribute, AttributeCode, AttributeFlags, Attributes, Origin, RawAttribute, Seen};
use crate::cursor::Reader;
use crate::family::{Family, FamilySet};
use crate::nlri::{ClassicPrefix, Field, Nlri, RouteTargetPrefix};
use crate::open::HoldTime;
use crate::session::Session;

impl<'a> Arbitrary<'a> for Origin {
    fn arbitrary(bytes: &mut Unstructured<'a>) -> Result<Self> {
        Self::new(bytes.int_in_range(0..=2)?).ok_or(Error::IncorrectFormat)
    }
}

impl<'a> Arbitrary<'a> for HoldTime {
    fn arbitrary(bytes: &mut Unstructured<'a>) -> Result<Self> {
        Ok(Self::new(bytes.arbitrary()?).unwrap_or(Self::NONE))
    }
}

impl<'a> Arbitrary<'a> for FamilySet {
    fn arbitrary(bytes: &mut Unstructured<'a>) -> Result<Self> {
        let chosen = u32::arbitrary(bytes)?;
        Ok(Self::ALL
            .iter()
            .enumerate()
            .filter(|(i, _)| chosen & 1 << i != 0)
            .map(|(_, family)| family)
            .collect())
    }
}

impl<'a> Arbitrary<'a> for ClassicPrefix {
    fn arbitrary(bytes: &mut Unstructured<'a>) -> Result<Self> {
        let (path_id, address) = (bytes.arbitrary()?, u32::arbitrary(bytes)?);
        let sent = Ipv4Net::new(address.into(), bytes.int_in_range(0..=32)?);
        Ok(Self::from_sent(path_id, sent.map_err(|_| Error::IncorrectFormat)?))
    }
}

impl<'a> Arbitrary<'a> for RouteTargetPrefix {
    fn arbitrary(bytes: &mut Unstructured<'a>) -> Result<Self> {
        let bits = if bytes.ratio(1, 8)? { 0 } else { bytes.int_in_range(32..=96)? };
        Self::of_bits(bits, bytes.arbitrary()?, bytes.arbitrary()?).ok_or(Error::IncorrectFormat)
    }
}

/// Any good attribute, as an internal peer with four-octet AS numbers sends it; its value is a piece of the input.
impl<'a> Arbitrary<'a> for Attribute<'a> {
    fn arbitrary(bytes: &mut Unstructured<'a>) -> Result<Self> {
        let code: AttributeCode = bytes.arbitrary()?;
        let flags = code.expected_flags().unwrap_or(AttributeFlags::OPTIONAL_TRANSITIVE);
        let len = bytes.arbitrary_len::<u8>()?;
        let raw = RawAttribute::new(flags, code, bytes.bytes(len)?);
        let mut rules = Session::default().rules();
        rules.four_octet_as = true;
        Attributes { rest: Reader::new(&[], 0), rules, seen: Seen::default() }
            .judge(raw)
            .map_err(|_| Error::IncorrectFormat)
    }
}

/// An announced destination of any family that this crate types, without path identifier, out of a piece of the input.
impl<'a> Arbitrary<'a> for Nlri<'a> {
    fn arbitrary(bytes: &mut Unstructured<'a>) -> Result<Self> {
        let families = FamilySet::ALL;
        let nth = bytes.choose_index(families.iter().count())?;
        let family = families.iter().nth(nth).unwrap_or(Family::IPV4_UNICAST);
        let len = bytes.arbitrary_len::<u8>()?;
        let field = Field { family, bytes: bytes.bytes(len)?, add_path: false, withdrawn: false };
        field.split().map(|(_, nlri, _)| nlri).ok_or(Error::IncorrectFormat)
    }
}
