//! Typed values in serde formats, those that not every number is. The others derive it: registries are their numbers.

use alloc::vec::Vec;

use ipnet::Ipv4Net;
use serde::de::{Deserialize, Deserializer, Error};
use serde::ser::{Serialize, Serializer};

use crate::attribute::Origin;
use crate::family::{Family, FamilySet};
use crate::nlri::{ClassicPrefix, RouteTargetPrefix};
use crate::open::HoldTime;

impl Serialize for Origin {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(self.get())
    }
}

/// 0 to 2.
impl<'de> Deserialize<'de> for Origin {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = u8::deserialize(deserializer)?;
        Self::new(value).ok_or_else(|| D::Error::custom("an ORIGIN is 0, 1 or 2"))
    }
}

/// Seconds.
impl Serialize for HoldTime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u16(self.seconds())
    }
}

/// 0, or 3 and more.
impl<'de> Deserialize<'de> for HoldTime {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let seconds = u16::deserialize(deserializer)?;
        Self::new(seconds).ok_or_else(|| D::Error::custom("a hold time is 0, or 3 seconds and more"))
    }
}

/// The families, one after the other.
impl Serialize for FamilySet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

/// Any families that this crate types.
impl<'de> Deserialize<'de> for FamilySet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let families = Vec::<Family>::deserialize(deserializer)?;
        match families.iter().find(|family| !family.is_known()) {
            Some(family) => Err(D::Error::custom(format_args!("{family} is not among the families known"))),
            None => Ok(families.into_iter().collect()),
        }
    }
}

/// The path identifier, and the prefix as it was sent.
impl Serialize for ClassicPrefix {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (self.path_id(), self.sent()).serialize(serializer)
    }
}

/// Bits that are not sent, beyond the last octet, are cleared.
impl<'de> Deserialize<'de> for ClassicPrefix {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (path_id, sent) = <(Option<u32>, Ipv4Net)>::deserialize(deserializer)?;
        Ok(Self::from_sent(path_id, sent))
    }
}

/// The number of bits, the origin AS and the route target.
impl Serialize for RouteTargetPrefix {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (self.bits(), self.origin(), self.target()).serialize(serializer)
    }
}

/// Bits beyond the number are cleared.
impl<'de> Deserialize<'de> for RouteTargetPrefix {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (bits, origin, target) = <(u8, u32, [u8; 8])>::deserialize(deserializer)?;
        Self::of_bits(bits, origin, target)
            .ok_or_else(|| D::Error::custom("a route target constraint has 0, or 32 to 96, bits"))
    }
}
