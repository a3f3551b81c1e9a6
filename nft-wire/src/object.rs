//! Counters, quotas and limits with a name, and flow tables.

use crate::attr::{Attrs, Bytes, Field, NESTED, Writer, record};
use crate::chain::Devices;
use crate::comment::{COMMENT, commented};
use crate::expr::{Connlimit, Counter, Limit, ObjectType, Quota};
use crate::name::Name;

/// What an object is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ObjectData {
    /// A counter.
    Counter(Counter),
    /// A quota.
    Quota(Quota),
    /// A limit.
    Limit(Limit),
    /// A limit of connections.
    Connlimit(Connlimit),
    /// Something else: its kind, and its attributes as they were read. Without attributes it serves to delete any object.
    Other {
        /// Its kind.
        kind: ObjectType,
        /// Its attributes.
        attributes: Bytes,
    },
}

impl ObjectData {
    /// Its kind.
    #[must_use]
    pub const fn kind(&self) -> ObjectType {
        match self {
            Self::Counter(_) => ObjectType::COUNTER,
            Self::Quota(_) => ObjectType::QUOTA,
            Self::Limit(_) => ObjectType::LIMIT,
            Self::Connlimit(_) => ObjectType::CONNLIMIT,
            Self::Other { kind, .. } => *kind,
        }
    }

    fn put(&self, writer: &mut Writer<'_>) {
        match self {
            Self::Counter(counter) => writer.put(4, counter),
            Self::Quota(quota) => writer.put(4, quota),
            Self::Limit(limit) => writer.put(4, limit),
            Self::Connlimit(limit) => writer.put(4, limit),
            Self::Other { attributes, .. } if attributes.is_empty() => {}
            Self::Other { attributes, .. } => writer.nest(4, |writer| writer.raw(attributes)),
        }
    }

    fn read(kind: ObjectType, bytes: &[u8]) -> Self {
        let known = match kind {
            ObjectType::COUNTER => Counter::read(bytes).map(Self::Counter),
            ObjectType::QUOTA => Quota::read(bytes).map(Self::Quota),
            ObjectType::LIMIT => Limit::read(bytes).map(Self::Limit),
            ObjectType::CONNLIMIT => Connlimit::read(bytes).map(Self::Connlimit),
            _ => None,
        };
        known.unwrap_or_else(|| Self::Other { kind, attributes: Bytes::from_slice(bytes) })
    }
}

/// An object of a table, which rules and maps refer to by its name.
///
/// # Example
///
/// ```
/// use tortie_nft_wire::expr::{Counter, ObjectType, Quota};
/// use tortie_nft_wire::{Batch, Family, Name, Object};
///
/// let (table, name) = (Name::new("demo")?, Name::new("month")?);
/// let mut batch = Batch::new();
/// // add quota inet demo month { over 500 mbytes }
/// let quota = Quota { flags: Some(Quota::OVER), ..Quota::new(500 << 20) };
/// batch.add(Family::INET, &Object::quota(table.clone(), name.clone(), quota))?;
/// // delete quota inet demo month
/// batch.delete(Family::INET, &Object::named(table, name, ObjectType::QUOTA))?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "it is made field by field, as in the kernel's header")]
pub struct Object {
    /// Its table.
    pub table: Name,
    /// Its name.
    pub name: Name,
    /// What it is.
    pub data: ObjectData,
    /// In an answer: how many rules and elements use it.
    pub uses: Option<u32>,
    /// The kernel's number of it.
    pub handle: Option<u64>,
    /// Whatever its maker wants to remember, at most 256 bytes.
    pub userdata: Option<Bytes>,
    /// Attributes that this crate does not know, as they were read.
    pub unknown: Option<Bytes>,
}

impl Object {
    /// An object that is this.
    #[must_use]
    pub const fn new(table: Name, name: Name, data: ObjectData) -> Self {
        Self { table, name, data, uses: None, handle: None, userdata: None, unknown: None }
    }

    /// Any object of this name and kind, to delete it.
    #[must_use]
    pub fn named(table: Name, name: Name, kind: ObjectType) -> Self {
        Self::new(table, name, ObjectData::Other { kind, attributes: Bytes::new() })
    }

    /// A counter.
    #[must_use]
    pub const fn counter(table: Name, name: Name, counter: Counter) -> Self {
        Self::new(table, name, ObjectData::Counter(counter))
    }

    /// A quota.
    #[must_use]
    pub const fn quota(table: Name, name: Name, quota: Quota) -> Self {
        Self::new(table, name, ObjectData::Quota(quota))
    }

    /// A limit.
    #[must_use]
    pub const fn limit(table: Name, name: Name, limit: Limit) -> Self {
        Self::new(table, name, ObjectData::Limit(limit))
    }

    /// A limit of connections.
    #[must_use]
    pub const fn connlimit(table: Name, name: Name, limit: Connlimit) -> Self {
        Self::new(table, name, ObjectData::Connlimit(limit))
    }
}

impl Field for Object {
    const FLAGS: u16 = NESTED;

    fn write(&self, writer: &mut Writer<'_>) {
        writer.put(1, &self.table);
        writer.put(2, &self.name);
        writer.put(3, &self.data.kind());
        self.data.put(writer);
        if let Some(uses) = &self.uses {
            writer.put(5, uses);
        }
        if let Some(handle) = &self.handle {
            writer.put(6, handle);
        }
        if let Some(userdata) = &self.userdata {
            writer.put(8, userdata);
        }
        if let Some(unknown) = &self.unknown {
            writer.raw(unknown);
        }
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let (mut table, mut name, mut kind) = (None, None, None);
        let mut data = None;
        let (mut uses, mut handle, mut userdata, mut unknown) = (None, None, None, None);
        let mut attrs = Attrs(bytes);
        for attr in attrs.by_ref() {
            match attr.kind {
                1 => table = Some(Name::read(attr.value)?),
                2 => name = Some(Name::read(attr.value)?),
                3 => kind = Some(ObjectType::read(attr.value)?),
                4 => data = Some(attr.value),
                5 => uses = Some(u32::read(attr.value)?),
                6 => handle = Some(u64::read(attr.value)?),
                7 => {}
                8 => userdata = Some(Bytes::read(attr.value)?),
                _ => attr.keep(&mut unknown),
            }
        }
        attrs.is_empty().then_some(())?;
        let data = match (kind?, data) {
            (kind, Some(data)) => ObjectData::read(kind, data),
            // Only named, as where it is deleted.
            (kind, None) => ObjectData::Other { kind, attributes: Bytes::new() },
        };
        Some(Self { table: table?, name: name?, data, uses, handle, userdata, unknown })
    }
}

record! {
    /// Where a flow table sees packets.
    pub struct FlowHook {
        must {
            /// 0, as a device gets them.
            hook: u32 = 1,
        }
        may {
            /// Lower ones come first.
            priority: i32 = 2,
            /// The devices.
            devices: Devices = 3,
        }
    }
}

record! {
    /// A flow table: connections in it pass from device to device without a chain.
    ///
    /// # Example
    ///
    /// ```
    /// use tortie_nft_wire::{Batch, Devices, Family, FlowHook, Flowtable, Name};
    ///
    /// // add flowtable inet demo fast { hook ingress priority filter; devices = { "eth0", "eth1" }; }
    /// let devices = Devices(vec![Name::new("eth0")?, Name::new("eth1")?]);
    /// let hook = FlowHook { priority: Some(0), devices: Some(devices), ..FlowHook::new(0) };
    /// let fast = Flowtable { hook: Some(hook), ..Flowtable::new(Name::new("demo")?, Name::new("fast")?) };
    /// Batch::new().add(Family::INET, &fast)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub struct Flowtable {
        must {
            /// Its table.
            table: Name = 1,
            /// Its name.
            name: Name = 2,
        }
        may {
            /// Where it sees packets.
            hook: FlowHook = 3,
            /// In an answer: how many rules use it.
            uses: u32 = 4,
            /// The kernel's number of it.
            handle: u64 = 5,
            /// Bits of [`HW_OFFLOAD`](Self::HW_OFFLOAD) and [`COUNTER`](Self::COUNTER).
            flags: u32 = 7,
        }
        keep {
            /// Attributes that this crate does not know, as they were read.
            unknown, but 6
        }
    }
}

impl Flowtable {
    /// The devices shall do it.
    pub const HW_OFFLOAD: u32 = 1;
    /// Packets and bytes are counted as those of connections.
    pub const COUNTER: u32 = 2;
}

commented!(Object, COMMENT);
