//! What a peer is told, and with which attributes (RFC 4271 §9.1.3, §9.2).

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

use ipnet::IpNet;
use smallvec::SmallVec;
use tortie_bgp_wire::{
    Attribute, AttributeCode, AttributeFlags, Communities, Community, EncodeError, Family, MAX_LEN, NextHop,
    RawAttribute, Session, UpdateBuilder,
};

use crate::decision::Path;
use crate::event::{PeerId, Source};
use crate::rib::{PathAttributes, Table};

/// The receiving end of an export.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Receiver {
    pub(crate) peer: PeerId,
    pub(crate) slot: usize,
    pub(crate) session: Session,
    pub(crate) local_as: u32,
    pub(crate) default_local_pref: u32,
    /// What the family's routes are sent with; `None` sends none.
    pub(crate) next_hop: Option<NextHop>,
}

/// What one call of [`fill`] did.
#[derive(Debug, Default)]
pub(crate) struct Filled {
    /// Whole messages.
    pub(crate) bytes: Vec<u8>,
    /// How many.
    pub(crate) messages: u64,
    /// Prefixes that no message can carry with their attributes.
    pub(crate) unsendable: usize,
    /// Whether the receiver now knows everything.
    pub(crate) caught_up: bool,
}

/// Octets of messages that one call of [`fill`] aims at.
const CHUNK: usize = 32 * 1024;
/// Changes that one call of [`fill`] looks at.
const CHANGES: usize = 8 * 1024;

impl Receiver {
    /// Whether the best path to a prefix is for this peer.
    fn wants(&self, path: &Path) -> bool {
        if self.next_hop.is_none() || path.source() == Source::Peer(self.peer) {
            return false;
        }
        // Between internal peers only a reflector passes routes on (RFC 4271 §9.2.1).
        if !self.session.external && path.from.as_ref().is_some_and(|neighbor| !neighbor.external) {
            return false;
        }
        let barred = |community: &Community| match *community {
            Community::NO_ADVERTISE => path.from.is_some(),
            Community::NO_EXPORT | Community::NO_EXPORT_SUBCONFED => {
                self.session.external && path.from.is_some()
            }
            _ => false,
        };
        !path.attributes.communities().iter().any(barred)
    }

    /// Begins a message that announces prefixes with these attributes.
    fn announce<'b>(
        &self,
        buf: &'b mut [u8],
        family: Family,
        attributes: &PathAttributes,
        local: bool,
    ) -> Result<UpdateBuilder<'b>, EncodeError> {
        let next_hop = self.next_hop.ok_or(EncodeError::WrongFamily { family })?;
        let path = attributes.as_path();
        let mut octets: SmallVec<[u8; 256]> = SmallVec::new();
        let path = if self.session.external {
            octets.resize(path.encoded_len(true) + 6, 0);
            let len = path.encode_prepended(self.local_as, true, &mut octets)?;
            octets
                .get(..len)
                .and_then(|octets| tortie_bgp_wire::AsPath::from_wire(octets, true))
                .unwrap_or(path)
        } else {
            path
        };
        let mut list: SmallVec<[Attribute<'_>; 12]> = SmallVec::new();
        list.push(Attribute::Origin(attributes.origin()));
        list.push(Attribute::AsPath(path));
        // MED goes to the neighbouring AS only from us (RFC 4271 §5.1.4).
        if let Some(med) = attributes.med().filter(|_| local || !self.session.external) {
            list.push(Attribute::Med(med));
        }
        if !self.session.external {
            list.push(Attribute::LocalPref(attributes.local_pref().unwrap_or(self.default_local_pref)));
        }
        if attributes.atomic_aggregate() {
            list.push(Attribute::AtomicAggregate);
        }
        list.extend(attributes.aggregator().map(Attribute::Aggregator));
        if !attributes.communities().is_empty() {
            list.push(Attribute::Communities(Communities::list(attributes.communities())));
        }
        list.extend(attributes.unknown.iter().map(|unknown| {
            let flags = AttributeFlags::new(unknown.flags).with(AttributeFlags::PARTIAL);
            Attribute::Unknown(RawAttribute::new(flags, AttributeCode::new(unknown.code), &unknown.value))
        }));
        UpdateBuilder::announce(buf, &self.session, family, next_hop, &list)
    }
}

/// Prefixes that share attributes.
struct Group {
    attributes: Arc<PathAttributes>,
    local: bool,
    /// Each with whether it is advertised already.
    prefixes: Vec<(IpNet, bool)>,
}

/// Tells the receiver what changed after `cursor`, up to some tens of kilobytes, and moves the cursor.
pub(crate) fn fill(table: &mut Table, family: Family, receiver: &Receiver, cursor: &mut u64) -> Filled {
    let mut withdrawn = Vec::new();
    let mut groups: Vec<Group> = Vec::new();
    let mut index = BTreeMap::new();
    let (mut octets, mut changes) = (0, 0);
    let mut filled = Filled::default();
    while octets < CHUNK && changes < CHANGES {
        let Some((version, prefix, entry)) = table.change_after(*cursor) else {
            filled.caught_up = true;
            break;
        };
        *cursor = version;
        changes += 1;
        let sent = entry.is_sent(receiver.slot);
        match entry.best().filter(|path| receiver.wants(path)) {
            Some(path) => {
                octets += 17;
                let local = path.from.is_none();
                let key = (Arc::as_ptr(&path.attributes), local);
                let i = *index.entry(key).or_insert_with(|| {
                    // A guess at the attributes: what is long are path, communities and the unknown.
                    octets += 64 + path.attributes.as_path.len() + 4 * path.attributes.communities.len();
                    octets += path.attributes.unknown.iter().map(|u| u.value.len()).sum::<usize>();
                    let attributes = Arc::clone(&path.attributes);
                    groups.push(Group { attributes, local, prefixes: Vec::new() });
                    groups.len() - 1
                });
                if let Some(group) = groups.get_mut(i) {
                    group.prefixes.push((prefix, sent));
                }
            }
            None if sent => {
                octets += 17;
                withdrawn.push(prefix);
            }
            None => {}
        }
    }
    let mut buf = vec![0; MAX_LEN];
    for group in groups {
        announce(&group, family, receiver, table, &mut buf, &mut filled, &mut withdrawn);
    }
    let mut rest = withdrawn.as_slice();
    while let Ok(mut builder) = UpdateBuilder::withdraw(&mut buf, &receiver.session, family) {
        let count = rest.iter().take_while(|prefix| builder.push(**prefix).is_ok()).count();
        let Some((done, next)) = rest.split_at_checked(count).filter(|_| count > 0) else { break };
        for prefix in done {
            table.mark_sent(prefix, receiver.slot, false);
        }
        filled.push(builder.finish());
        rest = next;
    }
    filled
}

/// Announces the prefixes of a group. Those that cannot be sent, because the attributes fill a message, are withdrawn if
/// the peer knows them with other attributes.
fn announce(
    group: &Group,
    family: Family,
    receiver: &Receiver,
    table: &mut Table,
    buf: &mut [u8],
    filled: &mut Filled,
    withdrawn: &mut Vec<IpNet>,
) {
    let mut rest = group.prefixes.as_slice();
    while let Ok(mut builder) = receiver.announce(buf, family, &group.attributes, group.local) {
        let count = rest.iter().take_while(|(prefix, _)| builder.push(*prefix).is_ok()).count();
        let Some((done, next)) = rest.split_at_checked(count).filter(|_| count > 0) else { break };
        for (prefix, _) in done {
            table.mark_sent(prefix, receiver.slot, true);
        }
        filled.push(builder.finish());
        rest = next;
    }
    filled.unsendable += rest.len();
    withdrawn.extend(rest.iter().filter(|(_, sent)| *sent).map(|(prefix, _)| *prefix));
}

impl Filled {
    /// Adds what another call did.
    pub(crate) fn append(&mut self, other: Self) {
        if self.bytes.is_empty() {
            self.bytes = other.bytes;
        } else {
            self.bytes.extend_from_slice(&other.bytes);
        }
        self.messages += other.messages;
        self.unsendable += other.unsendable;
    }

    /// Adds the End-of-RIB of a family (RFC 4724 §2).
    pub(crate) fn end_of_rib(&mut self, family: Family, session: &Session) {
        let mut buf = [0; 64];
        if let Ok(builder) = UpdateBuilder::withdraw(&mut buf, session, family) {
            self.push(builder.finish());
        }
    }

    fn push(&mut self, message: &[u8]) {
        self.bytes.extend_from_slice(message);
        self.messages += 1;
    }
}
