//! Where the rules are hooked in, and how packets find theirs.

use alloc::string::String;
use core::fmt::{self, Write};

use super::text::{ELEMENTS, Text, list};
use crate::key::{Direction, ListKind};
use crate::model::Protocol;
use crate::program::{ChainKey, HostDispatch};
use crate::settings::HostAction;

/// A base chain that packets of host endpoints come to.
struct HostHook {
    list: ListKind,
    direction: Direction,
    name: &'static str,
    hook: &'static str,
    priority: &'static str,
}

const HOST_HOOKS: [HostHook; 7] = {
    const fn of(
        list: ListKind,
        direction: Direction,
        name: &'static str,
        hook: &'static str,
        priority: &'static str,
    ) -> HostHook {
        HostHook { list, direction, name, hook, priority }
    }
    [
        of(ListKind::Untracked, Direction::Ingress, "host-untracked-ingress", "prerouting", "raw"),
        of(ListKind::Untracked, Direction::Egress, "host-untracked-egress", "output", "raw"),
        of(ListKind::PreDnat, Direction::Ingress, "host-prednat-ingress", "prerouting", "mangle"),
        of(ListKind::Forward, Direction::Ingress, "host-forward-ingress", "forward", "filter + 2"),
        of(ListKind::Forward, Direction::Egress, "host-forward-egress", "forward", "filter + 3"),
        of(ListKind::Normal, Direction::Ingress, "host-ingress", "input", "filter + 2"),
        of(ListKind::Normal, Direction::Egress, "host-egress", "output", "filter"),
    ]
};

impl Text<'_> {
    pub(super) fn write_hooks(&self, out: &mut String) -> fmt::Result {
        self.dispatch(out, Direction::Egress)?;
        self.dispatch(out, Direction::Ingress)?;
        self.judges(out)?;
        self.workload_hooks(out)?;
        if self.program.hosts.is_empty() && self.program.all_interfaces.is_none() {
            return Ok(());
        }
        HOST_HOOKS.iter().try_for_each(|hook| self.host_hook(out, hook))
    }

    /// The verdict map from interfaces of workloads to their chains.
    fn dispatch(&self, out: &mut String, direction: Direction) -> fmt::Result {
        let elements = self.program.dispatch.iter().map(|(interface, chains)| {
            alloc::format!("\"{interface}\" : goto {}", self.chain_name(chains.chain(direction)))
        });
        verdict_map(out, direction.as_str(), elements)
    }

    /// Chains that every packet of a workload comes to, one for each way that it can go.
    fn judges(&self, out: &mut String) -> fmt::Result {
        for (name, direction, to_host) in [
            ("judge-egress", Direction::Egress, false),
            ("judge-ingress", Direction::Ingress, false),
            ("judge-egress-to-host", Direction::Egress, true),
        ] {
            writeln!(out, "\tchain {name} {{")?;
            // Plain rules, not a map or a set: while the table is replaced, a packet may still run through the old chain,
            // where the elements are gone already; an established connection would then lose it.
            writeln!(out, "\t\tct state established,related accept")?;
            writeln!(out, "\t\tct state invalid drop")?;
            if to_host {
                self.program.to_host.iter().try_for_each(|step| self.step(out, step))?;
            }
            let name = if direction == Direction::Egress {
                self.program.guard.iter().try_for_each(|step| self.step(out, step))?;
                "iifname"
            } else {
                "oifname"
            };
            writeln!(out, "\t\t{name} vmap @{direction}")?;
            writeln!(out, "\t\tdrop comment \"unknown interface\"")?;
            writeln!(out, "\t}}")?;
        }

        writeln!(out, "\tchain to-host {{")?;
        writeln!(out, "\t\tct state established,related accept")?;
        self.program.to_host.iter().try_for_each(|step| self.step(out, step))?;
        let action = match self.program.host_action {
            HostAction::Drop => "drop",
            HostAction::Accept => "accept",
            HostAction::Return => "return",
        };
        writeln!(out, "\t\t{action} comment \"from a workload to its host\"")?;
        writeln!(out, "\t}}")?;

        // Link-local addresses are not forwarded, and each interface has its own; without any address yet, a workload
        // asks whether the one that it wants is taken.
        writeln!(out, "\tchain check-source {{")?;
        writeln!(out, "\t\tip6 saddr fe80::/10 accept")?;
        writeln!(out, "\t\tip6 saddr :: ip6 daddr ff02::/16 meta l4proto {} accept", Protocol::ICMPV6)?;
        writeln!(
            out,
            "\t\tfib saddr . iif oif missing drop comment \"source address is not of this workload\""
        )?;
        writeln!(out, "\t}}")
    }

    fn workload_hooks(&self, out: &mut String) -> fmt::Result {
        for (hook, priority, name, judge) in [
            ("prerouting", "raw", "iifname", "check-source"),
            ("forward", "filter", "iifname", "judge-egress"),
            ("forward", "filter + 1", "oifname", "judge-ingress"),
            ("input", "filter", "iifname", "judge-egress-to-host"),
            ("input", "filter + 1", "iifname", "to-host"),
        ] {
            writeln!(out, "\tchain {hook}-{judge} {{")?;
            writeln!(out, "\t\ttype filter hook {hook} priority {priority}; policy accept;")?;
            self.for_workloads(out, name, &alloc::format!("goto {judge}"))?;
            writeln!(out, "\t}}")?;
        }
        Ok(())
    }

    /// A rule for each name that an interface of a workload may have.
    fn for_workloads(&self, out: &mut String, name: &str, action: &str) -> fmt::Result {
        let prefix = &self.options.workload_prefix;
        writeln!(out, "\t\t{name} \"{prefix}*\" {action}")?;
        let others = self.program.dispatch.keys().filter(|interface| !interface.starts_with(prefix.as_str()));
        for interface in others {
            writeln!(out, "\t\t{name} \"{interface}\" {action}")?;
        }
        Ok(())
    }

    /// The chain of one host endpoint for this hook. Where there is none, the packet goes on.
    fn host_verdict(&self, host: &HostDispatch, hook: &HostHook) -> String {
        let chain: Option<&ChainKey> = host.lists.get(&(hook.list, hook.direction));
        chain.map_or_else(|| String::from("accept"), |key| alloc::format!("goto {}", self.chain_name(key)))
    }

    /// A base chain for host endpoints, with the map from their interfaces to their chains.
    fn host_hook(&self, out: &mut String, hook: &HostHook) -> fmt::Result {
        let HostHook { name, hook: place, priority, .. } = hook;
        let elements =
            self.program.hosts.iter().map(|(interface, host)| {
                alloc::format!("\"{interface}\" : {}", self.host_verdict(host, hook))
            });
        verdict_map(out, name, elements)?;
        writeln!(out, "\tchain hook-{name} {{")?;
        writeln!(out, "\t\ttype filter hook {place} priority {priority}; policy accept;")?;
        let interface = if hook.direction == Direction::Ingress { "iifname" } else { "oifname" };
        let mark = self.options.mark;
        // Whoever comes in does not say of himself that he is accepted.
        if hook.list == ListKind::Untracked {
            writeln!(out, "\t\tmeta mark set meta mark & {:#x}", !mark)?;
        }
        match (hook.list, hook.direction) {
            // What a workload sends its host has been decided on, unless that is left to others.
            (ListKind::Normal, Direction::Ingress) if self.program.host_action != HostAction::Return => {
                self.for_workloads(out, interface, "accept")?;
            }
            // What the host sends its workloads is not policed.
            (ListKind::Normal, Direction::Egress) => self.for_workloads(out, interface, "accept")?,
            // Before tracking, workloads have no policy of a host.
            (ListKind::Untracked, _) => self.for_workloads(out, interface, "accept")?,
            _ => {}
        }
        if self.program.all_interfaces.is_none() {
            // No packet of an interface without host endpoint meets a rule.
            let names = self.program.hosts.keys().map(|interface| alloc::format!("\"{interface}\""));
            write!(out, "\t\t{interface} != {{ ")?;
            list(out, ", ", names)?;
            writeln!(out, " }} accept")?;
        }
        if hook.list != ListKind::Untracked {
            writeln!(out, "\t\tct state established,related accept")?;
            if (hook.list, hook.direction) != (ListKind::Forward, Direction::Egress) {
                writeln!(out, "\t\tmeta mark & {mark:#x} != 0 accept")?;
            }
        }
        if matches!(hook.list, ListKind::Normal | ListKind::Forward) {
            writeln!(out, "\t\tct state invalid drop")?;
        }
        writeln!(out, "\t\t{interface} vmap @{name}")?;
        if let (Some(host), true) = (&self.program.all_interfaces, hook.list != ListKind::Untracked) {
            writeln!(out, "\t\t{}", self.host_verdict(host, hook))?;
        }
        writeln!(out, "\t}}")
    }
}

fn verdict_map(out: &mut String, name: &str, elements: impl ExactSizeIterator<Item = String>) -> fmt::Result {
    writeln!(out, "\tmap {name} {{")?;
    writeln!(out, "\t\ttype ifname : verdict")?;
    if elements.len() > 0 {
        write!(out, "\t\telements = {{ ")?;
        list(out, ELEMENTS, elements)?;
        writeln!(out, " }}")?;
    }
    writeln!(out, "\t}}")
}
