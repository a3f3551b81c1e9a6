//! The generic RIB entries of TABLE_DUMP_V2 (RFC 6396 §4.3.3, RFC 8050 §4.2).

use crate::cursor::Writer;
use crate::entries::Entries;
use crate::error::EncodeError;
use crate::family::{Afi, Family, Safi};
use crate::fields::{Fields, short};
use crate::mrt::error::{MrtError, MrtErrorKind};
use crate::mrt::peers::read_entries;
use crate::mrt::rib::RibEntry;
use crate::nlri::{Field, Nlri};

/// The routes to one destination of any family that this crate types.
///
/// ```text
/// | sequence (4) | AFI (2) | SAFI (1) | NLRI | entry count (2) | entries |        RFC 6396 §4.3.3
/// ```
///
/// With path identifiers RFC 8050 §4.2 has one before the destination, for all entries; GoBGP and OpenBGPD write one in
/// each entry instead, as in the other subtypes. Both are read, and written again as they were: the octets fit one alone.
#[derive(Debug, Clone, Copy)]
pub struct RibGeneric<'a> {
    sequence: u32,
    family: Family,
    path_id: Option<u32>,
    /// The destination alone.
    destination: Destination<'a>,
    entries: Entries<'a, RibEntry<'a>>,
}

#[cfg(feature = "serde")]
impl serde::Serialize for RibGeneric<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct as _;
        /// The destination as octets.
        struct Octets<'a>(&'a RibGeneric<'a>);
        impl serde::Serialize for Octets<'_> {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                match self.0.destination {
                    Destination::Wire(bytes) => crate::serial::octets(bytes, serializer),
                    Destination::Typed(nlri) => {
                        // The longest destination is a flow specification (RFC 8955 §4.1).
                        let mut buf = [0; 4097];
                        let len = nlri.encode(&mut buf).map_err(serde::ser::Error::custom)?;
                        crate::serial::octets(buf.get(..len).unwrap_or(&[]), serializer)
                    }
                }
            }
        }
        let mut rib = serializer.serialize_struct("RibGeneric", 5)?;
        rib.serialize_field("sequence", &self.sequence)?;
        rib.serialize_field("family", &format_args!("{}", self.family))?;
        rib.serialize_field("path_id", &self.path_id)?;
        rib.serialize_field("destination", &Octets(self))?;
        rib.serialize_field("entries", &self.entries)?;
        rib.end()
    }
}

impl PartialEq for RibGeneric<'_> {
    /// Whether they list the same, wherever the destination is kept.
    fn eq(&self, other: &Self) -> bool {
        let key = |rib: &Self| (rib.sequence, rib.family, rib.path_id);
        key(self) == key(other) && self.entries == other.entries && self.destination() == other.destination()
    }
}

impl Eq for RibGeneric<'_> {}

#[derive(Debug, Clone, Copy)]
enum Destination<'a> {
    Wire(&'a [u8]),
    Typed(Nlri<'a>),
}

impl<'a> RibGeneric<'a> {
    /// Routes to record. Path identifiers in the entries are written there.
    pub fn new(sequence: u32, destination: Nlri<'a>, entries: &'a [RibEntry<'a>]) -> Self {
        Self {
            sequence,
            family: destination.family(),
            path_id: None,
            destination: Destination::Typed(destination),
            entries: Entries::list(entries),
        }
    }

    /// The same with one path identifier for all entries, before the destination.
    #[must_use]
    pub const fn with_path_id(mut self, path_id: u32) -> Self {
        self.path_id = Some(path_id);
        self
    }

    /// The same with other routes.
    #[cfg(feature = "arbitrary")]
    pub(super) const fn with_entries(mut self, entries: Entries<'a, RibEntry<'a>>) -> Self {
        self.entries = entries;
        self
    }

    /// Number of the record, which begins at zero.
    pub const fn sequence(&self) -> u32 {
        self.sequence
    }

    /// The family.
    pub const fn family(&self) -> Family {
        self.family
    }

    /// The destination; `None` if it is of a family that this crate does not type, which no decoded record is.
    pub fn destination(&self) -> Option<Nlri<'a>> {
        match self.destination {
            Destination::Wire(bytes) => field(self.family, bytes, false).split().map(|(_, nlri, _)| nlri),
            Destination::Typed(nlri) => Some(nlri),
        }
    }

    /// The path identifier before the destination.
    pub const fn path_id(&self) -> Option<u32> {
        self.path_id
    }

    /// The routes.
    pub const fn entries(&self) -> Entries<'a, RibEntry<'a>> {
        self.entries
    }

    pub(super) fn subtype(&self) -> u16 {
        if self.path_id.is_some() || self.entries.is_extended() { 12 } else { 6 }
    }

    /// Reads it; `None` for a family that this crate does not type, whose destinations have no end that it knows.
    pub(super) fn decode(r: &mut Fields<'a>, add_path: bool) -> Result<Option<Self>, MrtError> {
        let (sequence, family) = (r.u32()?, Family::new(Afi::new(r.u16()?), Safi::new(r.u8()?)));
        if !family.is_known() {
            return Ok(None);
        }
        let mut other = *r;
        let ids = if add_path { PathIds::Before } else { PathIds::None };
        let mut result = Self::routes(r, sequence, family, ids);
        if add_path && (result.is_err() || !r.rest().is_empty()) {
            let in_entries = Self::routes(&mut other, sequence, family, PathIds::Within);
            if in_entries.is_ok() && other.rest().is_empty() {
                (result, *r) = (in_entries, other);
            }
        }
        result.map(Some)
    }

    /// Destination and entries.
    fn routes(r: &mut Fields<'a>, sequence: u32, family: Family, ids: PathIds) -> Result<Self, MrtError> {
        let path_id = if ids == PathIds::Before { Some(r.u32()?) } else { None };
        let bad = MrtError::new(MrtErrorKind::Destination, r.at());
        let (_, _, rest) = field(family, r.rest(), false).split().ok_or(bad)?;
        let destination = Destination::Wire(r.take(r.rest().len().saturating_sub(rest.len()))?);
        let count = usize::from(r.u16()?);
        let entries = read_entries(r, count, ids == PathIds::Within)?;
        Ok(Self { sequence, family, path_id, destination, entries })
    }

    fn destination_len(&self) -> usize {
        match self.destination {
            Destination::Wire(bytes) => bytes.len(),
            Destination::Typed(nlri) => nlri.encoded_len(),
        }
    }

    pub(super) fn encoded_len(&self) -> usize {
        let path_id = if self.path_id.is_some() { 4 } else { 0 };
        self.entries.encoded_len().saturating_add(self.destination_len()).saturating_add(path_id + 9)
    }

    pub(super) fn write(&self, w: &mut Writer<'_>) -> Result<(), EncodeError> {
        if self.path_id.is_some() && self.entries.is_extended() {
            return Err(EncodeError::MixedPathIdentifiers);
        }
        w.u32(self.sequence)?;
        w.u16(self.family.afi().get())?;
        w.u8(self.family.safi().get())?;
        self.path_id.map_or(Ok(()), |path_id| w.u32(path_id))?;
        match self.destination {
            Destination::Wire(bytes) => w.put(bytes)?,
            Destination::Typed(nlri) => nlri.write(w)?,
        }
        w.u16(short(self.entries.len())?)?;
        self.entries.write(w)
    }
}

/// Where path identifiers are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PathIds {
    None,
    /// One before the destination.
    Before,
    /// One in each entry.
    Within,
}

const fn field(family: Family, bytes: &[u8], add_path: bool) -> Field<'_> {
    Field { family, bytes, add_path, withdrawn: false }
}
