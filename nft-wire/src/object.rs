//! Counters, quotas and limits with a name, and flow tables.

use crate::attr::{Bytes, Field, Writer, record};
use crate::chain::Devices;
use crate::expr::{Connlimit, Counter, Limit, ObjectType, Quota};
use crate::name::Name;
use alloc::vec::Vec;

record! {
    /// An object of a table, which rules and maps refer to by its name.
    pub struct Object {
        must {
            /// Its table.
            table: Name = 1,
            /// Its name.
            name: Name = 2,
            /// Its kind.
            kind: ObjectType = 3,
        }
        may {
            /// Its attributes; [`counter`](Self::counter) and its like make them.
            data: Bytes = 4,
            /// In an answer: how many rules and elements use it.
            uses: u32 = 5,
            /// The kernel's number of it.
            handle: u64 = 6,
            /// Whatever its maker wants to remember, at most 256 bytes.
            userdata: Bytes = 8,
        }
    }
}

impl Object {
    fn with(table: Name, name: Name, kind: ObjectType, data: &impl Field) -> Self {
        let mut bytes = Vec::new();
        data.write(&mut Writer::new(&mut bytes));
        let data = Some(Bytes::from_slice(&bytes));
        Self { data, ..Self::new(table, name, kind) }
    }

    /// A counter.
    #[must_use]
    pub fn counter(table: Name, name: Name, counter: &Counter) -> Self {
        Self::with(table, name, ObjectType::COUNTER, counter)
    }

    /// A quota.
    #[must_use]
    pub fn quota(table: Name, name: Name, quota: &Quota) -> Self {
        Self::with(table, name, ObjectType::QUOTA, quota)
    }

    /// A limit.
    #[must_use]
    pub fn limit(table: Name, name: Name, limit: &Limit) -> Self {
        Self::with(table, name, ObjectType::LIMIT, limit)
    }

    /// A limit of connections.
    #[must_use]
    pub fn connlimit(table: Name, name: Name, limit: &Connlimit) -> Self {
        Self::with(table, name, ObjectType::CONNLIMIT, limit)
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
            /// 1: for the device to do.
            flags: u32 = 7,
        }
    }
}
