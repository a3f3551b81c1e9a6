//! What is said about hosts, by whomever, and what it comes to.

use core::net::IpAddr;
use core::ops::RangeInclusive;

use tortie_policy::nftables::{Network, Options, ServiceLoop};
use tortie_policy::{Encapsulation, Failsafe, FailsafePort, HostAction};

use super::value::{self, Word};

/// What is said about hosts; `None` where nothing is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "vocabulary that callers build with literals")]
pub struct FelixSettings {
    /// `defaultEndpointToHostAction`.
    pub endpoint_to_host: Option<HostAction>,
    /// `vxlanPort`.
    pub vxlan_port: Option<u16>,
    /// `allowVXLANPacketsFromWorkloads`.
    pub allow_vxlan: Option<bool>,
    /// `allowIPIPPacketsFromWorkloads`.
    pub allow_ipip: Option<bool>,
    /// `failsafeInboundHostPorts`.
    pub failsafe_inbound: Option<Vec<FailsafePort>>,
    /// `failsafeOutboundHostPorts`.
    pub failsafe_outbound: Option<Vec<FailsafePort>>,
    /// `natPortRange`.
    pub nat_ports: Option<RangeInclusive<u16>>,
    /// `natOutgoingAddress`.
    pub nat_address: Option<IpAddr>,
    /// `natOutgoingExclusions`: whether addresses of hosts are excluded, too.
    pub nat_excludes_hosts: Option<bool>,
    /// `iptablesNATOutgoingInterfaceFilter`.
    pub nat_interface: Option<String>,
    /// `serviceLoopPrevention`.
    pub service_loop: Option<ServiceLoop>,
    /// `interfacePrefix`.
    pub interface_prefix: Option<String>,
    /// `logPrefix`.
    pub log_prefix: Option<String>,
    /// `nftablesMarkMask`.
    pub mark_mask: Option<u32>,
    /// `disableConntrackInvalidCheck`.
    pub judges_invalid: Option<bool>,
}

impl FelixSettings {
    /// Takes a value as the environment has it, by the name of its parameter in any case of letters: what follows `FELIX_`.
    /// An empty text says nothing, and so does `none`, but for failsafe ports: of them there are none then. `None` if this
    /// version does not act upon such a parameter.
    ///
    /// Source: calico@87c15906f2 felix/config.
    ///
    /// # Errors
    ///
    /// What is wrong with the value.
    pub fn set(&mut self, parameter: &str, text: &str) -> Option<Result<(), String>> {
        let parameter = parameter.to_ascii_lowercase();
        let is_none = text.eq_ignore_ascii_case("none");
        let text = Some(text.trim()).filter(|text| !text.is_empty() && !is_none);
        fn put<T>(
            to: &mut Option<T>,
            text: Option<&str>,
            read: impl Fn(&str) -> Result<T, String>,
        ) -> Result<(), String> {
            *to = text.map(read).transpose()?.or_else(|| to.take());
            Ok(())
        }
        let ports = if is_none { Some("") } else { text };
        Some(match parameter.as_str() {
            "defaultendpointtohostaction" => put(&mut self.endpoint_to_host, text, Word::read),
            "vxlanport" => put(&mut self.vxlan_port, text, |text| {
                text.parse().map_err(|_error| format!("`{text}` is not a port")).and_then(value::nonzero_port)
            }),
            "allowvxlanpacketsfromworkloads" => put(&mut self.allow_vxlan, text, value::flag),
            "allowipippacketsfromworkloads" => put(&mut self.allow_ipip, text, value::flag),
            "failsafeinboundhostports" => put(&mut self.failsafe_inbound, ports, value::failsafe_ports),
            "failsafeoutboundhostports" => put(&mut self.failsafe_outbound, ports, value::failsafe_ports),
            "natportrange" => put(&mut self.nat_ports, text, value::port_range),
            "natoutgoingaddress" => put(&mut self.nat_address, text, value::address),
            "natoutgoingexclusions" => put(&mut self.nat_excludes_hosts, text, Word::read),
            "iptablesnatoutgoinginterfacefilter" => put(&mut self.nat_interface, text, value::interface),
            "serviceloopprevention" => put(&mut self.service_loop, text, Word::read),
            "interfaceprefix" => put(&mut self.interface_prefix, text, value::interface_prefix),
            "logprefix" => put(&mut self.log_prefix, text, value::log_prefix),
            "nftablesmarkmask" => put(&mut self.mark_mask, text, value::mask),
            "disableconntrackinvalidcheck" => put(&mut self.judges_invalid, text, value::flag),
            _ => return None,
        })
    }

    /// What this says, and where it says nothing, what the other does.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            endpoint_to_host: self.endpoint_to_host.or(other.endpoint_to_host),
            vxlan_port: self.vxlan_port.or(other.vxlan_port),
            allow_vxlan: self.allow_vxlan.or(other.allow_vxlan),
            allow_ipip: self.allow_ipip.or(other.allow_ipip),
            failsafe_inbound: self.failsafe_inbound.or(other.failsafe_inbound),
            failsafe_outbound: self.failsafe_outbound.or(other.failsafe_outbound),
            nat_ports: self.nat_ports.or(other.nat_ports),
            nat_address: self.nat_address.or(other.nat_address),
            nat_excludes_hosts: self.nat_excludes_hosts.or(other.nat_excludes_hosts),
            nat_interface: self.nat_interface.or(other.nat_interface),
            service_loop: self.service_loop.or(other.service_loop),
            interface_prefix: self.interface_prefix.or(other.interface_prefix),
            log_prefix: self.log_prefix.or(other.log_prefix),
            mark_mask: self.mark_mask.or(other.mark_mask),
            judges_invalid: self.judges_invalid.or(other.judges_invalid),
        }
    }

    /// What becomes of packets from workloads to their host that policy allows.
    pub fn host_action(&self) -> HostAction {
        self.endpoint_to_host.unwrap_or_default()
    }

    /// Which encapsulated packets workloads may send.
    pub fn encapsulation(&self) -> Encapsulation {
        let default = Encapsulation::default();
        Encapsulation {
            vxlan_port: self.vxlan_port.unwrap_or(default.vxlan_port),
            allow_vxlan: self.allow_vxlan.unwrap_or(default.allow_vxlan),
            allow_ipip: self.allow_ipip.unwrap_or(default.allow_ipip),
        }
    }

    /// Which ports host policy never closes.
    pub fn failsafe(&self) -> Failsafe {
        let Failsafe { inbound, outbound } = Failsafe::default();
        Failsafe {
            inbound: self.failsafe_inbound.clone().unwrap_or(inbound),
            outbound: self.failsafe_outbound.clone().unwrap_or(outbound),
        }
    }

    /// How names of workloads' interfaces begin.
    pub fn prefix(&self) -> &str {
        self.interface_prefix.as_deref().unwrap_or("cali")
    }

    /// How the table is laid out, but for its network; what cannot stand there is as by default.
    pub fn options(&self) -> Options {
        let options = Options::default().judges_invalid(self.judges_invalid.unwrap_or(false));
        let options = kept(options, |options| options.workload_prefix(self.prefix()));
        let options = match &self.log_prefix {
            Some(prefix) => kept(options, |options| options.log_prefix(&format!("{prefix}: "))),
            None => options,
        };
        match self.mark_mask {
            Some(mask) => kept(options, |options| options.mark_mask(mask)),
            None => options,
        }
    }

    /// The network, as it is translated with these settings; `hosts` are the addresses of all hosts.
    pub fn network(&self, network: Network, hosts: impl IntoIterator<Item = IpAddr>) -> Network {
        let mut network = network.service_loop(self.service_loop.unwrap_or_default());
        if self.nat_excludes_hosts == Some(true) {
            network = network.excluded(hosts.into_iter().map(Into::into));
        }
        if let Some(ports) = &self.nat_ports {
            network = network.ports(ports.clone());
        }
        if let Some(address) = self.nat_address {
            network = network.address(address);
        }
        match &self.nat_interface {
            Some(name) => kept(network, |network| network.interface(name)),
            None => network,
        }
    }
}

/// What becomes of it with a value that may not fit: else it stays.
fn kept<T: Clone, E>(before: T, with: impl FnOnce(T) -> Result<T, E>) -> T {
    with(before.clone()).unwrap_or(before)
}
