//! Sets that rules in use speak of, and all that may be a member of one.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::IpAddr;

use ipnet::IpNet;
use tortie_selector::{Event, Index, Selector};

use super::delta::{Delta, SetChange};
use super::nets::{Nets, Pending};
use super::slab::Slab;
use crate::endpoint::NamedPort;
use crate::ipset::IpSet;
use crate::service::EndpointSlice;
use crate::set::{Members, PortMember, ServiceKey, SetId};

/// What has labels, and addresses that may be members of sets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Item {
    addresses: Box<[IpAddr]>,
    /// What only few have.
    more: Option<Box<More>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct More {
    nets: Vec<IpNet>,
    ports: Vec<NamedPort>,
}

impl Item {
    pub(super) fn new(addresses: &[IpAddr], nets: &[IpNet], ports: &[NamedPort]) -> Self {
        let more = (!nets.is_empty() || !ports.is_empty())
            .then(|| Box::new(More { nets: nets.to_vec(), ports: ports.to_vec() }));
        Self { addresses: addresses.iter().map(IpAddr::to_canonical).collect(), more }
    }

    /// What it is in a set whose selector matches it.
    fn members(&self, set: &SetId, tell: &mut dyn FnMut(Member)) {
        match set {
            SetId::Selector(_) | SetId::Nodes(_) => {
                self.addresses.iter().for_each(|address| tell(Member::Net(IpNet::from(*address))));
                let nets = self.more.iter().flat_map(|more| &more.nets);
                nets.for_each(|net| tell(Member::Net(*net)));
            }
            SetId::NamedPort { protocol, name, .. } => {
                for port in self.more.iter().flat_map(|more| &more.ports) {
                    if port.name == *name && protocol.is_none_or(|protocol| protocol == port.protocol) {
                        of_port(&self.addresses, port.protocol, port.port, tell);
                    }
                }
            }
            SetId::Service(_) | SetId::ServiceAddresses(_) | SetId::Network(_) => {}
        }
    }
}

/// One member, as often as it comes to be one.
#[derive(Clone, Copy, Debug)]
enum Member {
    Net(IpNet),
    Port(PortMember),
}

fn of_port(addresses: &[IpAddr], protocol: u8, port: u16, tell: &mut dyn FnMut(Member)) {
    for address in addresses {
        tell(Member::Port(PortMember { address: address.to_canonical(), protocol, port }));
    }
}

/// What a slice is in the sets of its service.
fn of_slice(slice: &EndpointSlice, set: &SetId, tell: &mut dyn FnMut(Member)) {
    if set.has_ports() {
        slice.ports.iter().for_each(|port| of_port(&slice.addresses, port.protocol, port.port, tell));
    } else {
        slice.addresses.iter().for_each(|address| tell(Member::Net(IpNet::from(address.to_canonical()))));
    }
}

#[derive(Clone, Debug)]
struct Set {
    id: SetId,
    /// How many policies and profiles in use speak of it.
    uses: usize,
    contents: Contents,
    /// Whether it was not passed on yet.
    is_new: bool,
}

#[derive(Clone, Debug)]
enum Contents {
    Addresses { nets: Nets, pending: Pending<IpNet> },
    Ports { counts: BTreeMap<PortMember, u32>, pending: Pending<PortMember> },
}

impl Set {
    fn new(id: SetId) -> Self {
        let contents = if id.has_ports() {
            Contents::Ports { counts: BTreeMap::new(), pending: Pending::default() }
        } else {
            Contents::Addresses { nets: Nets::default(), pending: Pending::default() }
        };
        Self { id, uses: 0, contents, is_new: true }
    }

    fn members(&self) -> Members {
        match &self.contents {
            Contents::Addresses { nets, .. } => Members::Addresses(nets.members()),
            Contents::Ports { counts, .. } => Members::Ports(counts.keys().copied().collect()),
        }
    }

    /// What has changed since the last time.
    fn take(&mut self) -> (Members, Members) {
        match &mut self.contents {
            Contents::Addresses { pending, .. } => {
                let (gone, come) = pending.take();
                (Members::Addresses(IpSet::new(gone)), Members::Addresses(IpSet::new(come)))
            }
            Contents::Ports { pending, .. } => {
                let (gone, come) = pending.take();
                (Members::Ports(gone.into_iter().collect()), Members::Ports(come.into_iter().collect()))
            }
        }
    }
}

impl Contents {
    /// A member comes once more, or once less. Of a new set no change is kept.
    fn change(&mut self, member: Member, comes: bool, is_new: bool) {
        match (self, member) {
            (Self::Addresses { nets, pending }, Member::Net(net)) => {
                let tell = |net, shown| {
                    if !is_new {
                        pending.tell(net, shown);
                    }
                };
                if comes { nets.insert(net, tell) } else { nets.remove(net, tell) }
            }
            (Self::Ports { counts, pending }, Member::Port(port)) => {
                let count = counts.entry(port).or_default();
                *count = if comes { count.saturating_add(1) } else { count.saturating_sub(1) };
                let (is_first, is_last) = (comes && *count == 1, *count == 0);
                if is_last {
                    counts.remove(&port);
                }
                if !is_new && (is_first || is_last) {
                    pending.tell(port, comes);
                }
            }
            // A set has members of one kind.
            _ => {}
        }
    }
}

/// All sets in use, and all that may be in one.
#[derive(Clone, Debug, Default)]
pub(super) struct Sets {
    items: Slab<Item>,
    /// Items, profiles, and the selectors of sets.
    index: Index<u32, Arc<str>, u32>,
    nodes: BTreeMap<Box<str>, u32>,
    node_items: Slab<Item>,
    node_index: Index<u32, (), u32>,
    /// By namespace and name.
    slices: BTreeMap<(String, String), EndpointSlice>,
    services: BTreeMap<ServiceKey, BTreeSet<(String, String)>>,
    numbers: BTreeMap<SetId, u32>,
    sets: Slab<Set>,
    /// Sets whose members may have changed.
    touched: BTreeSet<u32>,
    /// How many members began or ceased to be one of a set.
    changes: u64,
}

impl Sets {
    /// How many sets there are.
    pub(super) fn len(&self) -> usize {
        self.sets.len()
    }

    pub(super) const fn changes(&self) -> u64 {
        self.changes
    }

    /// How many items there are.
    pub(super) fn item_count(&self) -> usize {
        self.items.len()
    }

    pub(super) const fn index(&self) -> &Index<u32, Arc<str>, u32> {
        &self.index
    }

    /// Adds an item, or changes the one with this number. The answer is its number.
    pub(super) fn set_item<'l>(
        &mut self,
        number: Option<u32>,
        item: Item,
        labels: impl Iterator<Item = (&'l str, &'l str)>,
        profiles: impl Iterator<Item = Arc<str>>,
    ) -> u32 {
        let number = match number {
            Some(number) => {
                self.replace(number, item);
                number
            }
            None => self.items.add(item),
        };
        let Self { index, items, sets, touched, changes, .. } = self;
        index.set_item(number, labels, profiles, |event| on(event, items, sets, touched, changes));
        number
    }

    /// Changes what an item is in the sets that it is in.
    fn replace(&mut self, number: u32, item: Item) {
        let Self { index, items, sets, touched, changes, .. } = self;
        let Some(place) = items.get_mut(number).filter(|place| **place != item) else { return };
        for selector in index.selectors(&number) {
            let Some(Set { id, contents, is_new, .. }) = sets.get_mut(*selector) else { continue };
            place.members(id, &mut |member| contents.change(member, false, *is_new));
            item.members(id, &mut |member| contents.change(member, true, *is_new));
            touched.insert(*selector);
            *changes += 1;
        }
        *place = item;
    }

    pub(super) fn remove_item(&mut self, number: u32) {
        let Self { index, items, sets, touched, changes, .. } = self;
        index.remove_item(&number, |event| on(event, items, sets, touched, changes));
        items.remove(number);
    }

    /// Sets the labels that items inherit from a profile.
    pub(super) fn set_profile<'l>(
        &mut self,
        name: Arc<str>,
        labels: impl Iterator<Item = (&'l str, &'l str)>,
    ) {
        let Self { index, items, sets, touched, changes, .. } = self;
        index.set_parent(name, labels, |event| on(event, items, sets, touched, changes));
    }

    pub(super) fn remove_profile(&mut self, name: &Arc<str>) {
        let Self { index, items, sets, touched, changes, .. } = self;
        index.remove_parent(name, |event| on(event, items, sets, touched, changes));
    }

    pub(super) fn set_node(&mut self, name: &str, labels: &BTreeMap<String, String>, addresses: &[IpAddr]) {
        let item = Item::new(addresses, &[], &[]);
        let number = match self.nodes.get(name) {
            // Nodes seldom change, and their addresses hardly ever.
            Some(number) if self.node_items.get(*number) == Some(&item) => *number,
            _ => {
                self.remove_node(name);
                let number = self.node_items.add(item);
                self.nodes.insert(name.into(), number);
                number
            }
        };
        let Self { node_index, node_items, sets, touched, changes, .. } = self;
        node_index.set_item(number, labels, [], |event| on(event, node_items, sets, touched, changes));
    }

    pub(super) fn remove_node(&mut self, name: &str) -> bool {
        let Some(number) = self.nodes.remove(name) else { return false };
        let Self { node_index, node_items, sets, touched, changes, .. } = self;
        node_index.remove_item(&number, |event| on(event, node_items, sets, touched, changes));
        node_items.remove(number);
        true
    }

    pub(super) fn set_slice(&mut self, slice: EndpointSlice) {
        let key = (slice.service.namespace.clone(), slice.name.clone());
        if self.slices.get(&key) == Some(&slice) {
            return;
        }
        self.remove_slice(&key);
        self.slice(&slice, true);
        self.services.entry(slice.service.clone()).or_default().insert(key.clone());
        self.slices.insert(key, slice);
    }

    pub(super) fn remove_slice(&mut self, key: &(String, String)) -> bool {
        let Some(slice) = self.slices.remove(key) else { return false };
        self.slice(&slice, false);
        if let Some(slices) = self.services.get_mut(&slice.service) {
            slices.remove(key);
            if slices.is_empty() {
                self.services.remove(&slice.service);
            }
        }
        true
    }

    /// A slice comes to the sets of its service, or goes.
    fn slice(&mut self, slice: &EndpointSlice, comes: bool) {
        let service = &slice.service;
        for id in [SetId::Service(service.clone()), SetId::ServiceAddresses(service.clone())] {
            let Some(number) = self.numbers.get(&id) else { continue };
            let Some(set) = self.sets.get_mut(*number) else { continue };
            of_slice(slice, &id, &mut |member| set.contents.change(member, comes, set.is_new));
            self.touched.insert(*number);
            self.changes += 1;
        }
    }

    /// One more policy or profile in use speaks of this set.
    pub(super) fn hold(&mut self, id: &SetId) {
        if let Some(set) = self.numbers.get(id).and_then(|number| self.sets.get_mut(*number)) {
            set.uses += 1;
            return;
        }
        let number = self.sets.add(Set { uses: 1, ..Set::new(id.clone()) });
        self.numbers.insert(id.clone(), number);
        self.touched.insert(number);
        match id {
            SetId::Selector(selector) | SetId::NamedPort { selector, .. } => {
                self.fill(number, selector);
            }
            SetId::Nodes(selector) => {
                let Self { node_index, node_items, sets, touched, changes, .. } = self;
                node_index.set_selector(number, selector, |event| {
                    on(event, node_items, sets, touched, changes);
                });
            }
            SetId::Network(_) => {}
            SetId::Service(service) | SetId::ServiceAddresses(service) => {
                let slices = self.services.get(service).into_iter().flatten();
                let Some(set) = self.sets.get_mut(number) else { return };
                for slice in slices.filter_map(|key| self.slices.get(key)) {
                    of_slice(slice, id, &mut |member| set.contents.change(member, true, true));
                    self.changes += 1;
                }
            }
        }
    }

    fn fill(&mut self, number: u32, selector: &Selector) {
        let Self { index, items, sets, touched, changes, .. } = self;
        index.set_selector(number, selector, |event| on(event, items, sets, touched, changes));
    }

    /// One policy or profile in use less speaks of this set. Once none does, it is no more.
    pub(super) fn release(&mut self, id: &SetId, delta: &mut Delta) {
        let Some(number) = self.numbers.get(id).copied() else { return };
        let Some(set) = self.sets.get_mut(number) else { return };
        set.uses -= 1;
        if set.uses > 0 {
            return;
        }
        self.index.remove_selector(&number, |_| {});
        self.node_index.remove_selector(&number, |_| {});
        self.numbers.remove(id);
        self.touched.remove(&number);
        if self.sets.remove(number).is_some_and(|set| !set.is_new) {
            delta.sets_removed.push(id.clone());
        }
    }

    /// Passes on what has changed.
    pub(super) fn flush(&mut self, delta: &mut Delta) {
        for number in core::mem::take(&mut self.touched) {
            let Some(set) = self.sets.get_mut(number) else { continue };
            if core::mem::take(&mut set.is_new) {
                delta.sets_added.push((set.id.clone(), set.members()));
                continue;
            }
            let (removed, added) = set.take();
            if !removed.is_empty() || !added.is_empty() {
                delta.sets_changed.push(SetChange { set: set.id.clone(), removed, added });
            }
        }
    }
}

/// An item begins or ceases to be matched by the selector of a set.
fn on(
    event: Event<'_, u32, u32>,
    items: &Slab<Item>,
    sets: &mut Slab<Set>,
    touched: &mut BTreeSet<u32>,
    changes: &mut u64,
) {
    let (number, item, comes) = match event {
        Event::MatchStarted { selector, item, .. } => (*selector, *item, true),
        Event::MatchStopped { selector, item, .. } => (*selector, *item, false),
        _ => return,
    };
    let (Some(Set { id, contents, is_new, .. }), Some(item)) = (sets.get_mut(number), items.get(item)) else {
        return;
    };
    *changes += 1;
    touched.insert(number);
    item.members(id, &mut |member| contents.change(member, comes, *is_new));
}
