//! What a rule does.

use core::net::IpAddr;
use core::ops::RangeInclusive;

use super::Rule;
use crate::attr::Bytes;
use crate::comment;
use crate::expr::{
    Connlimit, Counter, Ct, CtKey, FlowOffload, Immediate, Last, Limit, Log, Masq, Meta, MetaKey, Nat,
    NatType, Notrack, ObjectType, Objref, Queue, Quota, Redir, Reject, RejectType, Tproxy,
};
use crate::name::Name;
use crate::verdict::{Data, Register, Verdict};

/// Most bytes before each line of a log.
const PREFIX: usize = 127;

impl Rule {
    /// `counter`.
    #[must_use]
    pub fn counter(self) -> Self {
        self.expr(Counter::new())
    }

    /// `counter name "..."`: counts in an object of the table.
    #[must_use]
    pub fn counter_named(self, counter: Name) -> Self {
        self.object(ObjectType::COUNTER, counter)
    }

    /// `quota name "..."`, `limit name "..."` and so on: an object of the table, by its kind.
    #[must_use]
    pub fn object(self, kind: ObjectType, name: Name) -> Self {
        self.expr(Objref { kind: Some(kind), name: Some(name), ..Objref::new() })
    }

    /// `quota over 10 mbytes`: what comes after so many bytes.
    #[must_use]
    pub fn quota_over(self, bytes: u64) -> Self {
        self.expr(Quota { flags: Some(Quota::OVER), ..Quota::new(bytes) })
    }

    /// `ct count over 20`: while there are more connections than these.
    #[must_use]
    pub fn connections_over(self, count: u32) -> Self {
        self.expr(Connlimit { flags: Some(Connlimit::OVER), ..Connlimit::new(count) })
    }

    /// `last`: remembers when a packet came this far.
    #[must_use]
    pub fn last(self) -> Self {
        self.expr(Last::new())
    }

    /// `limit rate 10/second burst 5 packets`: as long as there are no more.
    #[must_use]
    pub fn limit_per_second(self, packets: u64, burst: u32) -> Self {
        self.expr(Limit { burst: Some(burst), ..Limit::new(packets, 1) })
    }

    /// `limit rate over 10/second burst 5 packets`: what is more.
    #[must_use]
    pub fn over_per_second(self, packets: u64, burst: u32) -> Self {
        self.expr(Limit { burst: Some(burst), flags: Some(Limit::OVER), ..Limit::new(packets, 1) })
    }

    /// `log prefix "..."`: to the log of the kernel. A prefix has at most 127 bytes, no control characters and double quotes.
    #[must_use]
    pub fn log(self, prefix: &str) -> Self {
        self.log_with(prefix, Log::new())
    }

    /// `log prefix "..." group 1`: to who listens to the group.
    #[must_use]
    pub fn log_group(self, prefix: &str, group: u16) -> Self {
        self.log_with(prefix, Log { group: Some(group), ..Log::new() })
    }

    fn log_with(mut self, prefix: &str, log: Log) -> Self {
        if let Err(fault) = comment::check(prefix, PREFIX) {
            self.fault(fault);
        }
        let mut bytes = Bytes::from_slice(prefix.as_bytes());
        bytes.push(0);
        let prefix = (!prefix.is_empty()).then_some(bytes);
        self.expr(Log { prefix, ..log })
    }

    /// `meta mark set 0x1`.
    #[must_use]
    pub fn set_mark(self, mark: u32) -> Self {
        self.value(mark.to_ne_bytes()).expr(Meta { sreg: Some(Register::R1), ..Meta::new(MetaKey::MARK) })
    }

    /// `meta mark set ct mark`.
    #[must_use]
    pub fn mark_from_ct(self) -> Self {
        let load = Ct { dreg: Some(Register::R1), ..Ct::new(CtKey::MARK) };
        self.expr(load).expr(Meta { sreg: Some(Register::R1), ..Meta::new(MetaKey::MARK) })
    }

    /// `ct mark set 0x1`.
    #[must_use]
    pub fn set_ct_mark(self, mark: u32) -> Self {
        self.value(mark.to_ne_bytes()).expr(Ct { sreg: Some(Register::R1), ..Ct::new(CtKey::MARK) })
    }

    /// `ct mark set meta mark`.
    #[must_use]
    pub fn ct_mark_from_mark(self) -> Self {
        self.meta(MetaKey::MARK).expr(Ct { sreg: Some(Register::R1), ..Ct::new(CtKey::MARK) })
    }

    /// `ct zone set 1`: connections of each zone are apart. In a chain with a priority before -200.
    #[must_use]
    pub fn set_ct_zone(self, zone: u16) -> Self {
        self.value(zone.to_ne_bytes()).expr(Ct { sreg: Some(Register::R1), ..Ct::new(CtKey::ZONE) })
    }

    /// `ct label set`: these 128 bits, bit 0 in the first byte.
    #[must_use]
    pub fn set_ct_labels(self, labels: [u8; 16]) -> Self {
        self.value(labels).expr(Ct { sreg: Some(Register::R1), ..Ct::new(CtKey::LABELS) })
    }

    /// `meta nftrace set 1`: the kernel tells what each rule does with the packet, see `nft monitor trace`.
    #[must_use]
    pub fn trace(self) -> Self {
        self.value([1_u8]).expr(Meta { sreg: Some(Register::R1), ..Meta::new(MetaKey::NFTRACE) })
    }

    fn value(self, bytes: impl AsRef<[u8]>) -> Self {
        self.load_into(Register::R1, bytes)
    }

    fn load_into(self, register: Register, bytes: impl AsRef<[u8]>) -> Self {
        self.expr(Immediate::new(register, Data::value(bytes)))
    }

    /// `notrack`.
    #[must_use]
    pub fn notrack(self) -> Self {
        self.expr(Notrack::new())
    }

    /// `dnat ip to 10.0.0.1`, `dnat ip6 to [2001:db8::1]:80`: to this address and, if there is one, this port. A port is only for
    /// rules that match TCP, UDP or their like.
    ///
    /// # Example
    ///
    /// ```
    /// use tortie_nft_wire::{Batch, Family, Name, Rule};
    ///
    /// let rule = Rule::new(Name::new("demo")?, Name::new("prerouting")?);
    /// // tcp dport 80 dnat ip to 10.0.0.1:8080
    /// Batch::new().add(Family::INET, &rule.dport(6, 80).dnat_to([10, 0, 0, 1], Some(8080)))?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn dnat_to(self, address: impl Into<IpAddr>, port: Option<u16>) -> Self {
        self.nat(NatType::DNAT, address.into(), port.map(|port| port..=port))
    }

    /// `snat ip to 192.0.2.1`, `snat ip to 192.0.2.1:1024-65535`: from this address and, if there are any, one of these ports.
    #[must_use]
    pub fn snat_to(self, address: impl Into<IpAddr>, ports: Option<RangeInclusive<u16>>) -> Self {
        self.nat(NatType::SNAT, address.into(), ports)
    }

    fn nat(self, kind: NatType, address: IpAddr, ports: Option<RangeInclusive<u16>>) -> Self {
        let (rule, family) = match address {
            IpAddr::V4(address) => (self.load_into(Register::R1, address.octets()), Nat::IPV4),
            IpAddr::V6(address) => (self.load_into(Register::R1, address.octets()), Nat::IPV6),
        };
        let (rule, port_min, port_max) = rule.ports(ports);
        rule.expr(Nat { addr_min: Some(Register::R1), port_min, port_max, ..Nat::new(kind, family) })
    }

    /// Loads the lowest and the highest port behind the first register.
    fn ports(self, ports: Option<RangeInclusive<u16>>) -> (Self, Option<Register>, Option<Register>) {
        let Some(ports) = ports else { return (self, None, None) };
        let rule = self.load_into(Register::R2, ports.start().to_be_bytes());
        if ports.start() == ports.end() {
            return (rule, Some(Register::R2), None);
        }
        let rule = rule.load_into(Register::R3, ports.end().to_be_bytes());
        (rule, Some(Register::R2), Some(Register::R3))
    }

    /// `masquerade`.
    #[must_use]
    pub fn masquerade(self) -> Self {
        self.expr(Masq::new())
    }

    /// `redirect to :8080`: to this host.
    #[must_use]
    pub fn redirect_to(self, port: u16) -> Self {
        let (rule, port_min, port_max) = self.ports(Some(port..=port));
        rule.expr(Redir { port_min, port_max, flags: Some(Nat::PROTO_SPECIFIED) })
    }

    /// `tproxy to :3128`: to a local socket that listens there with `IP_TRANSPARENT`, at the address that the packet is for.
    #[must_use]
    pub fn tproxy_to(self, port: u16) -> Self {
        let (rule, port, _) = self.ports(Some(port..=port));
        rule.expr(Tproxy { port, ..Tproxy::new(Tproxy::ANY) })
    }

    /// `queue num 0-3`: to a program, which spreads over these queues.
    #[must_use]
    pub fn queue(self, queues: RangeInclusive<u16>) -> Self {
        let total = queues.end().saturating_sub(*queues.start()).saturating_add(1);
        self.expr(Queue { num: Some(*queues.start()), total: Some(total), ..Queue::new() })
    }

    /// `flow add @fast`: packets of the connection pass through a flow table from now on.
    #[must_use]
    pub fn flow_add(self, flowtable: Name) -> Self {
        self.expr(FlowOffload::new(flowtable))
    }

    /// `reject`: with a port that cannot be reached; TCP is to be reset by an own rule.
    #[must_use]
    pub fn reject(self) -> Self {
        self.reject_with(Reject::PORT_UNREACHABLE)
    }

    /// `reject with icmpx host-unreachable`: with a code for both families, such as
    /// [`Reject::ADMIN_PROHIBITED`].
    #[must_use]
    pub fn reject_with(self, code: u8) -> Self {
        self.expr(Reject { icmp_code: Some(code), ..Reject::new(RejectType::ICMPX_UNREACH) })
    }

    /// `reject with tcp reset`.
    #[must_use]
    pub fn reset(self) -> Self {
        self.expr(Reject::new(RejectType::TCP_RST))
    }

    /// `accept`.
    #[must_use]
    pub fn accept(self) -> Self {
        self.verdict(Verdict::Accept)
    }

    /// `drop`.
    #[must_use]
    pub fn drop(self) -> Self {
        self.verdict(Verdict::Drop)
    }

    /// `continue`.
    #[must_use]
    pub fn continue_(self) -> Self {
        self.verdict(Verdict::Continue)
    }

    /// `return`.
    #[must_use]
    pub fn return_(self) -> Self {
        self.verdict(Verdict::Return)
    }

    /// `jump chain`.
    #[must_use]
    pub fn jump(self, chain: Name) -> Self {
        self.verdict(Verdict::Jump(chain))
    }

    /// `goto chain`.
    #[must_use]
    pub fn goto(self, chain: Name) -> Self {
        self.verdict(Verdict::Goto(chain))
    }

    /// Any verdict.
    #[must_use]
    pub fn verdict(self, verdict: Verdict) -> Self {
        self.expr(Immediate::new(Register::VERDICT, verdict.into()))
    }
}
