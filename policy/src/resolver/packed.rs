//! Rules as a few bytes, for the many policies and profiles that are not in use.
//!
//! Most policies of a cluster govern nothing on this host. A rule that is ready to use takes half a kilobyte, packed it
//! takes some forty bytes and its selectors; each of these is there once.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use tortie_selector::Selector;

use super::pack::{Pack, Reader, Writer};
use crate::key::{Direction, Origin, Owner, PolicyKey};
use crate::policy::{Policy, Profile, Scope};
use crate::rule::{Criteria, Deed, Entity, Family, IcmpMatch, PortRange, Ports, Rule};
use crate::set::ServiceKey;

/// What was packed. Equal values are packed equally.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Packed {
    bytes: Box<[u8]>,
    /// Selectors that are not what is parsed from their canonical text, or that take long to parse.
    odd: Box<[Selector]>,
}

impl Packed {
    fn reader(&self, owner: Owner) -> Reader<'_> {
        Reader::new(&self.bytes, &self.odd, owner)
    }

    /// A policy without its key; nothing of one that is staged, for that is never enforced.
    pub(super) fn policy(policy: &Policy) -> Self {
        let mut writer = Writer::default();
        if policy.staged.is_none() {
            // What it governs stands first, to be found without the rest.
            policy.selector.pack(&mut writer);
            policy.ingress.pack(&mut writer);
            policy.egress.pack(&mut writer);
            String::from(&*policy.tier).pack(&mut writer);
            policy.order.map(f64::to_bits).pack(&mut writer);
            let scope = match policy.scope {
                Scope::Normal { on_forward: false } => 0,
                Scope::Normal { on_forward: true } => 1,
                Scope::PreDnat => 2,
                Scope::Untracked => 3,
            };
            writer.bytes.push(scope);
        }
        writer.into()
    }

    /// The rules of a profile.
    pub(super) fn profile(profile: &Profile) -> Self {
        let mut writer = Writer::default();
        profile.ingress.pack(&mut writer);
        profile.egress.pack(&mut writer);
        writer.into()
    }

    /// The policy again; `None` of one that is staged.
    pub(super) fn to_policy(&self, key: &Arc<PolicyKey>) -> Option<Policy> {
        let mut reader = self.reader(Owner::Policy(Arc::clone(key)));
        let selector = Option::unpack(&mut reader)?;
        let mut rules = |direction| {
            reader.direction = direction;
            Option::unpack(&mut reader)
        };
        let (ingress, egress) = (rules(Direction::Ingress)?, rules(Direction::Egress)?);
        let tier = String::unpack(&mut reader)?.into();
        let order = Option::unpack(&mut reader)?.map(f64::from_bits);
        let scope = match reader.byte()? {
            0 => Scope::Normal { on_forward: false },
            1 => Scope::Normal { on_forward: true },
            2 => Scope::PreDnat,
            _ => Scope::Untracked,
        };
        Some(Policy { key: Arc::clone(key), tier, order, staged: None, scope, selector, ingress, egress })
    }

    /// What a policy governs, if it is enforced.
    pub(super) fn governed(&self, key: &Arc<PolicyKey>) -> Option<Selector> {
        Option::unpack(&mut self.reader(Owner::Policy(Arc::clone(key))))?
    }

    /// The profile again, without labels.
    pub(super) fn to_profile(&self, name: &Arc<str>) -> Option<Profile> {
        let mut reader = self.reader(Owner::Profile(Arc::clone(name)));
        let mut rules = |direction| {
            reader.direction = direction;
            Vec::unpack(&mut reader)
        };
        let (ingress, egress) = (rules(Direction::Ingress)?, rules(Direction::Egress)?);
        Some(Profile { ingress, egress, ..Profile::default() })
    }
}

impl From<Writer> for Packed {
    fn from(writer: Writer) -> Self {
        Self { bytes: writer.bytes.into(), odd: writer.odd.into() }
    }
}

impl Pack for Family {
    fn pack(&self, to: &mut Writer) {
        (*self == Self::V6).pack(to);
    }

    fn unpack(from: &mut Reader<'_>) -> Option<Self> {
        Some(if bool::unpack(from)? { Self::V6 } else { Self::V4 })
    }
}

impl Pack for Deed {
    fn pack(&self, to: &mut Writer) {
        let number: u8 = match self {
            Self::Allow => 0,
            Self::Deny => 1,
            Self::Pass => 2,
            Self::Log => 3,
        };
        number.pack(to);
    }

    fn unpack(from: &mut Reader<'_>) -> Option<Self> {
        Some(match from.byte()? {
            0 => Self::Allow,
            1 => Self::Deny,
            2 => Self::Pass,
            _ => Self::Log,
        })
    }
}

/// Structs, field by field.
macro_rules! structs {
    ($($name:ident { $($field:ident),* })*) => {$(
        impl Pack for $name {
            fn pack(&self, to: &mut Writer) {
                $(self.$field.pack(to);)*
            }

            fn unpack(from: &mut Reader<'_>) -> Option<Self> {
                Some(Self { $($field: Pack::unpack(from)?),* })
            }
        }
    )*};
}

structs! {
    PortRange { min, max }
    IcmpMatch { kind, code }
    ServiceKey { namespace, name }
    Ports { ranges, names }
    Criteria { family, protocol, not_protocol, icmp, not_icmp, source, destination }
}

/// A bit for each criterion that is there, and then those.
impl Pack for Entity {
    fn pack(&self, to: &mut Writer) {
        let Self { nets, not_nets, selector, not_selector, nodes, service, ports, not_ports } = self;
        let there = [
            !nets.is_empty(),
            !not_nets.is_empty(),
            selector.is_some(),
            not_selector.is_some(),
            nodes.is_some(),
            service.is_some(),
            !ports.is_empty(),
            !not_ports.is_empty(),
        ];
        to.bytes.push(there.iter().fold(0, |bits, there| bits << 1 | u8::from(*there)));
        let lists = [nets, not_nets].into_iter().filter(|nets| !nets.is_empty());
        lists.for_each(|nets| nets.pack(to));
        [selector, not_selector, nodes].into_iter().flatten().for_each(|selector| selector.pack(to));
        service.iter().for_each(|service| service.pack(to));
        let lists = [ports, not_ports].into_iter().filter(|ports| !ports.is_empty());
        lists.for_each(|ports| ports.pack(to));
    }

    fn unpack(from: &mut Reader<'_>) -> Option<Self> {
        let bits = from.byte()?;
        let is_there = |place: u8| bits & 0x80 >> place != 0;
        fn part<T: Pack>(there: bool, from: &mut Reader<'_>) -> Option<Option<T>> {
            if there { T::unpack(from).map(Some) } else { Some(None) }
        }
        Some(Self {
            nets: part(is_there(0), from)?.unwrap_or_default(),
            not_nets: part(is_there(1), from)?.unwrap_or_default(),
            selector: part(is_there(2), from)?,
            not_selector: part(is_there(3), from)?,
            nodes: part(is_there(4), from)?,
            service: part(is_there(5), from)?,
            ports: part(is_there(6), from)?.unwrap_or_default(),
            not_ports: part(is_there(7), from)?.unwrap_or_default(),
        })
    }
}

/// Without its origin, which its place tells, unless its owner is invalid.
impl Pack for Rule {
    fn pack(&self, to: &mut Writer) {
        let Self { origin, deed, unenforced, never, http, criteria } = self;
        // The place in the document, counted from 1: one rule of a document may become several.
        let place = match origin {
            Origin::Rule { index, .. } => index.saturating_add(1),
            _ => 0,
        };
        place.pack(to);
        deed.pack(to);
        unenforced.pack(to);
        never.pack(to);
        http.pack(to);
        criteria.pack(to);
    }

    fn unpack(from: &mut Reader<'_>) -> Option<Self> {
        let (owner, direction) = (from.owner.clone(), from.direction);
        let origin = match usize::unpack(from)?.checked_sub(1) {
            Some(index) => Origin::Rule { owner, direction, index },
            None => Origin::Invalid { owner },
        };
        Some(Self {
            origin,
            deed: Pack::unpack(from)?,
            unenforced: Pack::unpack(from)?,
            never: Pack::unpack(from)?,
            http: Pack::unpack(from)?,
            criteria: Pack::unpack(from)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::pack::LONG;
    use super::*;
    use crate::convert;

    fn policy(text: &str) -> Policy {
        let key = Arc::new(PolicyKey::global("p"));
        convert::global_policy(&key, None, &serde_json::from_str(text).unwrap()).value
    }

    fn policies() -> Vec<Policy> {
        let long = alloc::format!("name == '{}'", "x".repeat(LONG));
        let texts = [
            r#"{}"#.into(),
            r#"{ "selector": "!(!has(a)) && b == '!!'", "order": -0.0, "tier": "t", "types": ["Egress"] }"#.into(),
            r#"{ "selector": "has(", "types": ["Ingress", "Ingress"], "order": 1e300 }"#.into(),
            r#"{ "preDNAT": true, "applyOnForward": true, "moon": 1, "ingress": [{ "action": "Allow" }, { "action": "Pass" }] }"#
                .into(),
            r#"{ "doNotTrack": true, "applyOnForward": true,
                "egress": [{ "action": "Log", "protocol": 6, "destination": { "ports": [1, "a", "2:300"], "notPorts": ["b"] } }] }"#
                .into(),
            r#"{ "applyOnForward": true, "ingress": [
                { "action": "Allow", "http": { "methods": ["GET"] }, "source": { "nets": ["10.1.2.3/8", "::1"] } },
                { "action": "Deny", "protocol": "ICMPv6", "icmp": { "type": 1, "code": 255 }, "notICMP": { "type": 0 },
                  "source": { "notSelector": "!(!has(b))", "notNets": ["fd00::/8"] } },
                { "action": "Deny", "notProtocol": "udp", "ipVersion": 4, "source": { "selector": "a == 'b'" },
                  "destination": { "selector": "a == 'b'", "namespaceSelector": "all()" } },
                { "action": "Allow", "source": { "services": { "name": "s", "namespace": "n" } } }] }"#
                .into(),
            alloc::format!(r#"{{ "selector": "{long}", "ingress": [{{ "action": "Allow", "source": {{ "selector": "{long}" }} }}] }}"#),
        ];
        texts.iter().map(|text: &String| policy(text)).collect()
    }

    #[test]
    fn what_is_packed_comes_out_again() {
        for policy in policies() {
            let packed = Packed::policy(&policy);
            assert_eq!(packed.to_policy(&policy.key), Some(policy.clone()));
            assert_eq!(packed.governed(&policy.key), policy.selector);
            assert_eq!(Packed::policy(&policy.clone()), packed);
            let staged = Policy { staged: Some(crate::model::StagedAction::Set), ..policy.clone() };
            assert_eq!(Packed::policy(&staged).to_policy(&policy.key), None);
        }
        let mut owner = policies().pop().unwrap();
        owner.ingress.as_mut().unwrap().truncate(0);
        let profile = Profile { egress: owner.egress.unwrap_or_default(), ..Profile::default() };
        let name = Arc::from("p");
        assert_eq!(Packed::profile(&profile).to_profile(&name), Some(profile));
    }

    #[test]
    fn no_part_of_it_is_another() {
        for policy in policies() {
            let packed = Packed::policy(&policy);
            for len in 0..packed.bytes.len() {
                let bytes = packed.bytes.iter().take(len).copied().collect();
                let part = Packed { bytes, odd: packed.odd.clone() };
                assert_eq!(part.to_policy(&policy.key), None);
            }
        }
    }

    #[test]
    fn numbers_are_short() {
        for number in [0, 1, 127, 128, 300, usize::MAX] {
            let mut writer = Writer::default();
            number.pack(&mut writer);
            let packed = Packed::from(writer);
            let mut reader = packed.reader(Owner::Profile("p".into()));
            assert_eq!(usize::unpack(&mut reader), Some(number));
            assert!(reader.byte().is_none());
        }
    }
}
