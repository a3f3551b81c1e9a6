//! Routing information bases: Adj-RIB-In, Loc-RIB and Adj-RIB-Out in one table per family.

mod attributes;
mod intern;
mod table;

use ipnet::IpNet;
use tortie_bgp_wire::Family;

pub use attributes::PathAttributes;
pub(crate) use intern::Interner;
pub(crate) use table::Table;

/// The tables of both families.
#[derive(Debug)]
pub(crate) struct Rib {
    tables: [Table; 2],
    pub(crate) interner: Interner,
}

/// The families in the order of the tables.
pub(crate) const FAMILIES: [Family; 2] = [Family::IPV4_UNICAST, Family::IPV6_UNICAST];

/// The family of a prefix.
pub(crate) const fn family_of(prefix: &IpNet) -> Family {
    match prefix {
        IpNet::V4(_) => Family::IPV4_UNICAST,
        IpNet::V6(_) => Family::IPV6_UNICAST,
    }
}

impl Rib {
    pub(crate) fn new(default_local_pref: u32) -> Self {
        Self {
            tables: [Table::new(default_local_pref), Table::new(default_local_pref)],
            interner: Interner::default(),
        }
    }

    /// The table of a family: that of IPv6 for every family but IPv4 unicast.
    pub(crate) const fn table(&self, family: Family) -> &Table {
        let [v4, v6] = &self.tables;
        if is_v4(family) { v4 } else { v6 }
    }

    pub(crate) const fn table_mut(&mut self, family: Family) -> &mut Table {
        let [v4, v6] = &mut self.tables;
        if is_v4(family) { v4 } else { v6 }
    }

    pub(crate) const fn tables(&self) -> &[Table; 2] {
        &self.tables
    }

    pub(crate) const fn tables_mut(&mut self) -> &mut [Table; 2] {
        &mut self.tables
    }
}

const fn is_v4(family: Family) -> bool {
    family.afi().get() == 1
}
