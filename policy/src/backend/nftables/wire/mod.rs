//! The table as netlink messages.

mod exprs;
mod line;

use alloc::vec::Vec;
use core::net::IpAddr;

use ipnet::IpNet;
use tortie_nft_wire as nft;
use tortie_nft_wire::expr::{Counter, ObjectType};
use tortie_nft_wire::{Attachment, Batch, EncodeError, Family as NftFamily, Name, Object, Set, Table, Type};

use exprs::Appender;

use super::TABLE;
use super::layout::{Head, Leads, Line, Origins, Part, PartKind, Place, Priority, comment, room};
use super::options::Options;
use crate::rule::Family;
use crate::set::{Members, PortMember, SetId};

/// Family of the table.
const INET: NftFamily = NftFamily::INET;

/// What a rule takes in a batch, more or less.
const RULE_OCTETS: usize = 512;

/// Writes what is laid out into a batch.
pub(super) struct Writer<'b> {
    batch: &'b mut Batch,
    options: &'b Options,
    table: Name,
    /// Number of the last set of the batch.
    set: u32,
    origins: Origins,
    /// Who writes rules, between chains.
    appender: Option<Appender>,
}

/// What is done to members of a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Add,
    Delete,
}

type Result = core::result::Result<(), EncodeError>;

impl<'b> Writer<'b> {
    pub(super) fn new(batch: &'b mut Batch, options: &'b Options) -> core::result::Result<Self, EncodeError> {
        Ok(Self {
            batch,
            options,
            table: Name::new(TABLE)?,
            set: 0,
            origins: Origins::default(),
            appender: None,
        })
    }

    /// The table, without anything that it has had.
    pub(super) fn fresh_table(&mut self) -> Result {
        self.remove_table()?;
        let mut table = Table::new(self.table.clone());
        if !self.options.comment.is_empty() {
            table = table.comment(&self.options.comment)?;
        }
        // Alone, the first would remove it with its owner.
        let flags = if self.options.owned { Table::OWNER | Table::PERSIST } else { 0 };
        self.batch.add(INET, &table.flags(flags))
    }

    /// Removes the table if it is there.
    pub(super) fn remove_table(&mut self) -> Result {
        let table = Table::new(self.table.clone());
        if self.options.owned {
            return self.batch.destroy(INET, &table);
        }
        // To add what is there does nothing, and makes that there is something to delete.
        self.batch.add(INET, &table)?;
        self.batch.delete(INET, &table)
    }

    /// The table, if there is none.
    pub(super) fn create_table(&mut self) -> Result {
        self.batch.create(INET, &Table::new(self.table.clone()))
    }

    const fn next_set(&mut self) -> u32 {
        self.set = self.set.saturating_add(1);
        self.set
    }

    /// What a set of the kernel is declared with.
    fn part(&mut self, part: &Part) -> core::result::Result<Set, EncodeError> {
        let (address, len) = match part.family {
            Family::V4 => (Type::IPV4_ADDR, 4),
            Family::V6 => (Type::IPV6_ADDR, 16),
        };
        let (key_type, key_len) = match part.kind {
            PartKind::Ports => (address.then(Type::INET_PROTO).then(Type::INET_SERVICE), len + 8),
            _ => (address, len),
        };
        let set = Set::of(self.table.clone(), Name::new(&part.name)?, self.next_set(), key_type, key_len);
        Ok(if part.kind == PartKind::Intervals { set.flags(Set::INTERVAL) } else { set })
    }

    /// Declares a set, or gives it another size.
    pub(super) fn declare(&mut self, part: &Part, size: u32, about: &SetId) -> Result {
        let set = self.sized(part, size, about)?;
        self.batch.add(INET, &set)
    }

    fn sized(&mut self, part: &Part, size: u32, about: &SetId) -> core::result::Result<Set, EncodeError> {
        self.part(part)?.size(size).comment(&comment(&alloc::format!("{about}")))
    }

    /// Declares a set with its members.
    pub(super) fn begin(&mut self, part: &Part, size: u32, about: &SetId, members: &Members) -> Result {
        let set = self.sized(part, size, about)?;
        self.batch.add(INET, &set)?;
        self.put(&set, part, members, Change::Add)
    }

    /// Adds or deletes those of these members that belong in this part.
    pub(super) fn members(&mut self, part: &Part, members: &Members, change: Change) -> Result {
        let set = self.part(part)?;
        self.put(&set, part, members, change)
    }

    fn put(&mut self, set: &Set, part: &Part, members: &Members, change: Change) -> Result {
        let add = change == Change::Add;
        match part.kind {
            PartKind::Addresses | PartKind::Masked(_) => match part.family {
                Family::V4 => {
                    let keys = part.nets(members).filter_map(|net| match net {
                        IpNet::V4(net) => Some(net.network().octets()),
                        IpNet::V6(_) => None,
                    });
                    if add {
                        self.batch.add_keys(INET, set, keys)
                    } else {
                        self.batch.delete_keys(INET, set, keys)
                    }
                }
                Family::V6 => {
                    let keys = part.nets(members).filter_map(|net| match net {
                        IpNet::V6(net) => Some(net.network().octets()),
                        IpNet::V4(_) => None,
                    });
                    if add {
                        self.batch.add_keys(INET, set, keys)
                    } else {
                        self.batch.delete_keys(INET, set, keys)
                    }
                }
            },
            PartKind::Intervals => {
                let intervals =
                    part.nets(members).map(|net| (octets(net.network()), octets(net.broadcast())));
                if add {
                    self.batch.add_intervals(INET, set, intervals)
                } else {
                    self.batch.delete_intervals(INET, set, intervals)
                }
            }
            PartKind::Ports => {
                let keys = part.ports(members).map(port_key);
                if add {
                    self.batch.add_keys(INET, set, keys)
                } else {
                    self.batch.delete_keys(INET, set, keys)
                }
            }
        }
    }

    /// Deletes a set that nothing speaks of any more.
    pub(super) fn delete_part(&mut self, part: &Part) -> Result {
        let set = Set::new(self.table.clone(), Name::new(&part.name)?);
        self.batch.delete(INET, &set)
    }

    fn map(&mut self, name: &str) -> core::result::Result<Set, EncodeError> {
        let set = Set::of(self.table.clone(), Name::new(name)?, self.next_set(), Type::IFNAME, 16);
        Ok(set.map(Type::VERDICT, 0))
    }

    /// Declares a map of interfaces, or gives it another size.
    pub(super) fn declare_map(&mut self, name: &str, size: u32) -> Result {
        let map = self.map(name)?.size(size);
        self.batch.add(INET, &map)
    }

    /// Deletes a map that nothing speaks of any more.
    pub(super) fn delete_map(&mut self, name: &str) -> Result {
        self.batch.delete(INET, &Set::new(self.table.clone(), Name::new(name)?))
    }

    /// Adds interfaces to a map.
    pub(super) fn lead(&mut self, map: &str, elements: &[(&str, Leads<'_>)]) -> Result {
        let set = self.map(map)?;
        let element = |(name, leads): &(&str, Leads<'_>)| {
            let verdict = match leads {
                Leads::Accept => nft::Verdict::Accept,
                Leads::Drop => nft::Verdict::Drop,
                Leads::Jump(chain) => nft::Verdict::Jump(Name::new(chain)?),
            };
            Ok((interface(name), verdict))
        };
        let elements = elements.iter().map(element).collect::<core::result::Result<Vec<_>, EncodeError>>()?;
        self.batch.add_verdicts(INET, &set, elements.iter().map(|(name, verdict)| (name, verdict)))
    }

    /// Deletes interfaces from a map.
    pub(super) fn forget<'i>(&mut self, map: &str, names: impl Iterator<Item = &'i str>) -> Result {
        let set = self.map(map)?;
        self.batch.delete_keys(INET, &set, names.map(interface))
    }

    /// Adds a counter that begins with so many packets and octets.
    pub(super) fn add_counter(&mut self, name: &str, (packets, octets): (u64, u64)) -> Result {
        let counter = Counter { packets: Some(packets), bytes: Some(octets) };
        self.batch.add(INET, &Object::counter(self.table.clone(), Name::new(name)?, counter))
    }

    /// Deletes a counter that nothing speaks of any more.
    pub(super) fn delete_counter(&mut self, name: &str) -> Result {
        let counter = Object::named(self.table.clone(), Name::new(name)?, ObjectType::COUNTER);
        self.batch.delete(INET, &counter)
    }

    /// Adds a chain, with nothing in it.
    pub(super) fn add_chain(&mut self, head: &Head) -> Result {
        let mut chain = nft::Chain::new(self.table.clone(), Name::new(&head.name)?);
        if let Some(hook) = head.hook {
            let place = match hook.place {
                Place::Prerouting => nft::Hook::PREROUTING,
                Place::Input => nft::Hook::INPUT,
                Place::Forward => nft::Hook::FORWARD,
                Place::Output => nft::Hook::OUTPUT,
                Place::Postrouting => nft::Hook::POSTROUTING,
            };
            let priority = match hook.priority {
                Priority::Raw => Attachment::RAW,
                Priority::Mangle => Attachment::MANGLE,
                Priority::Filter => Attachment::FILTER,
                Priority::SrcNat => Attachment::SRCNAT,
            };
            let attachment = Attachment::new(place, priority.saturating_add(i32::from(hook.behind)));
            chain = chain.base(Name::new(hook.kind())?, attachment).policy(nft::Policy::ACCEPT);
        }
        if let Some(about) = &head.about {
            chain = chain.comment(&comment(about))?;
        }
        self.batch.add(INET, &chain)
    }

    /// Takes everything out of a chain.
    pub(super) fn flush_chain(&mut self, name: &str) -> Result {
        self.batch.flush_chain(INET, &self.table, &Name::new(name)?)
    }

    /// Deletes a chain that nothing leads to any more.
    pub(super) fn delete_chain(&mut self, name: &str) -> Result {
        let chain = nft::Chain::new(self.table.clone(), Name::new(name)?);
        self.batch.delete(INET, &chain)
    }

    /// Makes room for so many rules.
    pub(super) fn reserve(&mut self, rules: usize) {
        self.batch.reserve(rules.saturating_mul(RULE_OCTETS));
    }

    /// Puts rules into a chain.
    pub(super) fn fill(&mut self, name: &str, lines: &[Line<'_>]) -> Result {
        let chain = Name::new(name)?;
        let mut appender = match self.appender.take() {
            Some(mut appender) => {
                appender.set_chain(&self.table, &chain);
                appender
            }
            None => Appender::new(&self.table, &chain),
        };
        for line in lines {
            line::rule(self, &mut appender, line)?;
            self.batch.add(INET, appender.rule())?;
        }
        self.appender = Some(appender);
        Ok(())
    }
}

/// Octets of an address, as keys of either family.
#[derive(Clone, Copy)]
struct Octets([u8; 16], usize);

impl AsRef<[u8]> for Octets {
    fn as_ref(&self) -> &[u8] {
        self.0.get(..self.1).unwrap_or_default()
    }
}

fn octets(address: IpAddr) -> Octets {
    match address {
        IpAddr::V4(address) => {
            let mut octets = [0; 16];
            octets.iter_mut().zip(address.octets()).for_each(|(to, from)| *to = from);
            Octets(octets, 4)
        }
        IpAddr::V6(address) => Octets(address.octets(), 16),
    }
}

/// A key of several parts, each of which begins at a multiple of four.
#[derive(Clone, Copy, Default)]
struct Key {
    bytes: [u8; 24],
    len: usize,
}

impl Key {
    fn push(&mut self, part: &[u8]) {
        let place = self.bytes.iter_mut().skip(self.len);
        place.zip(part).for_each(|(to, from)| *to = *from);
        self.len = self.len.saturating_add(part.len().next_multiple_of(4)).min(self.bytes.len());
    }
}

impl AsRef<[u8]> for Key {
    fn as_ref(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

fn port_key(member: &PortMember) -> Key {
    let mut key = Key::default();
    key.push(octets(member.address).as_ref());
    key.push(&[member.protocol]);
    key.push(&member.port.to_be_bytes());
    key
}

/// Name of an interface as a key: with zeros behind it.
fn interface(name: &str) -> [u8; 16] {
    let mut bytes = [0; 16];
    // The last one stays.
    bytes.iter_mut().zip(name.bytes().take(15)).for_each(|(to, from)| *to = from);
    bytes
}

/// The size of a map for so many interfaces.
pub(super) fn map_room(len: usize) -> u32 {
    room(PartKind::Addresses, len)
}
