//! Statistics of a peer (RFC 7854 §4.8, RFC 8671 §6.2).

use crate::bmp::error::{BmpError, BmpErrorKind};
use crate::bmp::peer::{PEER_LEN, PeerHeader};
use crate::cursor::Writer;
use crate::entries::{Entries, Entry};
use crate::error::EncodeError;
use crate::family::{Afi, Family, Safi};
use crate::fields::{Cut, Fields, short};

/// What a [`Statistic`] counts, any 16-bit value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct StatisticType(u16);

impl StatisticType {
    /// Prefixes that inbound policy rejected.
    pub const REJECTED: Self = Self(0);
    /// Announcements of what was announced already.
    pub const DUPLICATE_PREFIX: Self = Self(1);
    /// Withdrawals of what was not there.
    pub const DUPLICATE_WITHDRAW: Self = Self(2);
    /// Routes with our own cluster in CLUSTER_LIST.
    pub const CLUSTER_LOOP: Self = Self(3);
    /// Routes with our own AS in AS_PATH.
    pub const AS_PATH_LOOP: Self = Self(4);
    /// Routes with our own identifier in ORIGINATOR_ID.
    pub const ORIGINATOR_ID: Self = Self(5);
    /// Routes with our own AS in a confederation segment.
    pub const CONFEDERATION_LOOP: Self = Self(6);
    /// Routes in the Adj-RIB-In, before policy.
    pub const ADJ_RIB_IN: Self = Self(7);
    /// Routes in the Loc-RIB.
    pub const LOC_RIB: Self = Self(8);
    /// Routes in the Adj-RIB-In of a family.
    pub const ADJ_RIB_IN_FAMILY: Self = Self(9);
    /// Routes in the Loc-RIB of a family.
    pub const LOC_RIB_FAMILY: Self = Self(10);
    /// UPDATEs that were treated as withdrawn.
    pub const TREATED_UPDATES: Self = Self(11);
    /// Prefixes that were treated as withdrawn.
    pub const TREATED_PREFIXES: Self = Self(12);
    /// UPDATEs that changed nothing.
    pub const DUPLICATE_UPDATES: Self = Self(13);
    /// Routes in the Adj-RIB-Out, before policy (RFC 8671).
    pub const ADJ_RIB_OUT_PRE: Self = Self(14);
    /// Routes in the Adj-RIB-Out, after policy (RFC 8671).
    pub const ADJ_RIB_OUT_POST: Self = Self(15);
    /// Routes in the Adj-RIB-Out of a family, before policy (RFC 8671).
    pub const ADJ_RIB_OUT_PRE_FAMILY: Self = Self(16);
    /// Routes in the Adj-RIB-Out of a family, after policy (RFC 8671).
    pub const ADJ_RIB_OUT_POST_FAMILY: Self = Self(17);

    /// The type with this number, assigned or not.
    pub const fn new(value: u16) -> Self {
        Self(value)
    }

    /// The number.
    pub const fn get(self) -> u16 {
        self.0
    }
}

/// A value that a router counts.
///
/// ```text
/// | type (2) | length (2) | value |
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Statistic<'a> {
    /// What is counted.
    pub kind: StatisticType,
    /// How much of it.
    pub value: StatisticValue<'a>,
}

/// How much of something there is. The length on the wire decides which it is, whatever the type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub enum StatisticValue<'a> {
    /// Four octets: it only goes up, until the session goes down.
    Counter(u32),
    /// Eight octets: it goes up and down.
    Gauge(u64),
    /// Eight octets after a family.
    FamilyGauge {
        /// The family.
        #[cfg_attr(feature = "serde", serde(serialize_with = "crate::serial::text"))]
        family: Family,
        /// The value.
        value: u64,
    },
    /// Octets of any other number.
    #[cfg_attr(feature = "serde", serde(serialize_with = "crate::serial::octets"))]
    Other(&'a [u8]),
}

impl<'a> Statistic<'a> {
    /// A value.
    pub const fn new(kind: StatisticType, value: StatisticValue<'a>) -> Self {
        Self { kind, value }
    }
}

impl<'a> StatisticValue<'a> {
    fn decode(bytes: &'a [u8]) -> Self {
        if let Ok(octets) = <[u8; 4]>::try_from(bytes) {
            return Self::Counter(u32::from_be_bytes(octets));
        }
        if let Ok(octets) = <[u8; 8]>::try_from(bytes) {
            return Self::Gauge(u64::from_be_bytes(octets));
        }
        match bytes {
            [a1, a0, safi, value @ ..] => {
                let Ok(octets) = <[u8; 8]>::try_from(value) else { return Self::Other(bytes) };
                let family = Family::new(Afi::new(u16::from_be_bytes([*a1, *a0])), Safi::new(*safi));
                Self::FamilyGauge { family, value: u64::from_be_bytes(octets) }
            }
            _ => Self::Other(bytes),
        }
    }

    const fn len(&self) -> usize {
        match self {
            Self::Counter(_) => 4,
            Self::Gauge(_) => 8,
            Self::FamilyGauge { .. } => 11,
            Self::Other(bytes) => bytes.len(),
        }
    }
}

impl<'a> Entry<'a> for Statistic<'a> {
    fn read(bytes: &'a [u8], _: bool) -> Option<(Self, &'a [u8])> {
        let read = |r: &mut Fields<'a>| {
            let (kind, len) = (StatisticType(r.u16()?), r.u16()?);
            Ok::<_, Cut>(Self { kind, value: StatisticValue::decode(r.take(len.into())?) })
        };
        let mut r = Fields::new(bytes, 0);
        read(&mut r).ok().map(|statistic| (statistic, r.rest()))
    }

    fn encoded_len(&self) -> usize {
        self.value.len().saturating_add(4)
    }

    fn encode(&self, buf: &mut [u8]) -> Result<usize, EncodeError> {
        let mut w = Writer::new(buf);
        w.u16(self.kind.0)?;
        w.u16(short(self.value.len())?)?;
        match self.value {
            StatisticValue::Counter(value) => w.u32(value)?,
            StatisticValue::Gauge(value) => w.put(&value.to_be_bytes())?,
            StatisticValue::FamilyGauge { family, value } => {
                w.u16(family.afi().get())?;
                w.u8(family.safi().get())?;
                w.put(&value.to_be_bytes())?;
            }
            StatisticValue::Other(bytes) => w.put(bytes)?,
        }
        Ok(w.len())
    }
}

/// What a router counts of a peer.
///
/// ```text
/// | peer header | count (4) | statistics |        RFC 7854 §4.8
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct StatisticsReport<'a> {
    /// The peer.
    pub peer: PeerHeader,
    /// The values.
    pub statistics: Entries<'a, Statistic<'a>>,
}

impl<'a> StatisticsReport<'a> {
    /// Values of a peer.
    pub const fn new(peer: PeerHeader, statistics: &'a [Statistic<'a>]) -> Self {
        Self { peer, statistics: Entries::list(statistics) }
    }

    /// The first value of a type.
    pub fn value_of(&self, kind: StatisticType) -> Option<StatisticValue<'a>> {
        self.statistics.iter().find(|statistic| statistic.kind == kind).map(|statistic| statistic.value)
    }

    pub(super) fn decode(r: &mut Fields<'a>) -> Result<Self, BmpError> {
        let peer = PeerHeader::decode(r)?;
        let count = usize::try_from(r.u32()?).unwrap_or(usize::MAX);
        let end = r.at().saturating_add(r.rest().len());
        let (statistics, rest) = Entries::split(r.rest(), count, false)
            .map_err(|cut| BmpError::new(BmpErrorKind::Cut, end.saturating_sub(cut.len())))?;
        r.take(r.rest().len().saturating_sub(rest.len()))?;
        Ok(Self { peer, statistics })
    }

    pub(super) fn encoded_len(&self) -> usize {
        self.statistics.encoded_len().saturating_add(PEER_LEN + 4)
    }

    pub(super) fn write(&self, w: &mut Writer<'_>) -> Result<(), EncodeError> {
        self.peer.write(w)?;
        w.u32(u32::try_from(self.statistics.len()).map_err(|_| EncodeError::ValueTooLong)?)?;
        self.statistics.write(w)
    }
}
