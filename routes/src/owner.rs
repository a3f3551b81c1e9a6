//! Whose routes are whose.

use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::vec::Vec;

use crate::number::{Protocol, Table};
use crate::route::Route;

#[derive(Clone, Debug, PartialEq, Eq)]
enum Interfaces {
    Any,
    Prefix(String),
}

/// Which routes in the kernel are ours to change and remove: a predicate of table, protocol and interface.
///
/// Everything else is foreign: never removed, and replaced only where [`Ownership::take_over`] names its protocol.
///
/// ```
/// use tortie_routes::{Ownership, Protocol, Table};
///
/// let ours = Ownership::new().protocol(Protocol::AGENT).protocol_on(Protocol::BOOT, "cali");
/// assert!(ours.owns(Table::MAIN, Protocol::AGENT, None));
/// assert!(ours.owns(Table::MAIN, Protocol::BOOT, Some("cali12")));
/// assert!(!ours.owns(Table::MAIN, Protocol::BOOT, Some("eth0")));
/// assert!(!ours.owns(Table::new(100), Protocol::AGENT, None));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ownership {
    tables: BTreeSet<Table>,
    rules: Vec<(Protocol, Interfaces)>,
    take_over: BTreeSet<Protocol>,
}

impl Ownership {
    /// Owns nothing, in table main.
    #[must_use]
    pub fn new() -> Self {
        Self { tables: BTreeSet::from([Table::MAIN]), rules: Vec::new(), take_over: BTreeSet::new() }
    }

    /// What a Calico node's agent owns: protocol 80 everywhere, protocol 3 on interfaces that begin with `prefix`
    /// (by default `cali`); it takes over what BIRD wrote (calico@87c15906f2 felix/routetable/ownershippol).
    #[must_use]
    pub fn agent(prefix: impl Into<String>) -> Self {
        Self::new().protocol(Protocol::AGENT).protocol_on(Protocol::BOOT, prefix).take_over(Protocol::BIRD)
    }

    /// Also in this table. Every rule holds in every table.
    #[must_use]
    pub fn table(mut self, table: Table) -> Self {
        self.tables.insert(table);
        self
    }

    /// Owns every route of this protocol, with whatever interface or none.
    #[must_use]
    pub fn protocol(mut self, protocol: Protocol) -> Self {
        self.rules.push((protocol, Interfaces::Any));
        self
    }

    /// Owns the routes of this protocol that leave through an interface whose name begins with `prefix`.
    #[must_use]
    pub fn protocol_on(mut self, protocol: Protocol, prefix: impl Into<String>) -> Self {
        self.rules.push((protocol, Interfaces::Prefix(prefix.into())));
        self
    }

    /// May replace a foreign route of this protocol, where a desired route has its key. Never removes one otherwise.
    #[must_use]
    pub fn take_over(mut self, protocol: Protocol) -> Self {
        self.take_over.insert(protocol);
        self
    }

    /// Whether a route is ours. `interface` is `None` where the route has none, or one whose name is not known.
    #[must_use]
    pub fn owns(&self, table: Table, protocol: Protocol, interface: Option<&str>) -> bool {
        let applies = |interfaces: &Interfaces| match interfaces {
            Interfaces::Any => true,
            Interfaces::Prefix(prefix) => interface.is_some_and(|name| name.starts_with(prefix.as_str())),
        };
        self.tables.contains(&table)
            && self.rules.iter().any(|(of, interfaces)| *of == protocol && applies(interfaces))
    }

    /// Whether we may write this route: it would be ours once written.
    #[must_use]
    pub fn admits(&self, route: &Route) -> bool {
        self.owns(route.table, route.protocol, route.interface())
    }

    /// The tables that are looked at.
    pub fn tables(&self) -> impl Iterator<Item = Table> + '_ {
        self.tables.iter().copied()
    }

    pub(crate) fn takes_over(&self, protocol: Protocol) -> bool {
        self.take_over.contains(&protocol)
    }
}

impl Default for Ownership {
    fn default() -> Self {
        Self::new()
    }
}
