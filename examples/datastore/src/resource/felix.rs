//! `FelixConfiguration`: choices about hosts that are no policy.

mod settings;
mod value;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tortie_policy::FailsafePort;

use super::field::FieldError;
use super::text;
use super::{Kind, Metadata, Unknown, UnknownFields};

pub use settings::FelixSettings;
use value::Word;

/// What names of objects for one node begin with.
const OF_NODE: &str = "node.";

/// `spec` of a `FelixConfiguration`: of the object named `default` for all hosts, of `node.<name>` for one.
///
/// Fields have the words that they were written with; [`FelixConfigurationSpec::settings`] reads them.
///
/// Source: calico@87c15906f2 api/pkg/apis/projectcalico/v3/felixconfig.go.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[expect(clippy::exhaustive_structs, reason = "vocabulary that callers build with literals")]
pub struct FelixConfigurationSpec {
    /// `Drop` (the default), `Accept` or `Return`, in any case of letters.
    #[serde(deserialize_with = "text::null_default", skip_serializing_if = "String::is_empty")]
    pub default_endpoint_to_host_action: String,
    /// The UDP port that VXLAN uses; by default 4789.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vxlan_port: Option<i64>,
    /// Whether workloads may send VXLAN packets that policy allows; by default not.
    #[serde(rename = "allowVXLANPacketsFromWorkloads", skip_serializing_if = "Option::is_none")]
    pub allow_vxlan_packets_from_workloads: Option<bool>,
    /// Whether workloads may send IP in IP packets that policy allows; by default not.
    #[serde(rename = "allowIPIPPacketsFromWorkloads", skip_serializing_if = "Option::is_none")]
    pub allow_ipip_packets_from_workloads: Option<bool>,
    /// Ports of hosts that host policy never closes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failsafe_inbound_host_ports: Option<Vec<ProtoPort>>,
    /// Ports of others that host policy never closes for hosts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failsafe_outbound_host_ports: Option<Vec<ProtoPort>>,
    /// The ports that sources are translated to: a number, or a text such as `32000:33000`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nat_port_range: Option<Value>,
    /// The address that sources are translated to, instead of that of the interface.
    #[serde(deserialize_with = "text::null_default", skip_serializing_if = "String::is_empty")]
    pub nat_outgoing_address: String,
    /// Where sources are kept: `IPPoolsOnly` (the default), or `IPPoolsAndHostIPs`.
    #[serde(deserialize_with = "text::null_default", skip_serializing_if = "String::is_empty")]
    pub nat_outgoing_exclusions: String,
    /// The interface by which what is translated leaves; with a `+` at its end all whose names begin so.
    #[serde(
        rename = "iptablesNATOutgoingInterfaceFilter",
        deserialize_with = "text::null_default",
        skip_serializing_if = "String::is_empty"
    )]
    pub nat_outgoing_interface_filter: String,
    /// What becomes of packets to addresses of services that nobody takes: `Drop` (the default), `Reject` or `Disabled`.
    #[serde(deserialize_with = "text::null_default", skip_serializing_if = "String::is_empty")]
    pub service_loop_prevention: String,
    /// How names of workloads' interfaces begin; by default `cali`. One prefix alone.
    #[serde(deserialize_with = "text::null_default", skip_serializing_if = "String::is_empty")]
    pub interface_prefix: String,
    /// How the kernel's lines for Log rules begin, before `: `; by default `calico-packet`.
    #[serde(deserialize_with = "text::null_default", skip_serializing_if = "String::is_empty")]
    pub log_prefix: String,
    /// The mask that bits of marks are taken from; by default `0xffff0000`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nftables_mark_mask: Option<i64>,
    /// Whether policy is asked about packets that connection tracking calls invalid; by default they are dropped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disable_conntrack_invalid_check: Option<bool>,
    /// Fields that this version does not know, or does not act upon.
    #[serde(flatten)]
    pub unknown: Unknown,
}

/// A failsafe port.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[expect(clippy::exhaustive_structs, reason = "vocabulary that callers build with literals")]
pub struct ProtoPort {
    /// `TCP`, `UDP` or `SCTP`, in any case of letters; empty means TCP.
    #[serde(deserialize_with = "text::null_default", skip_serializing_if = "String::is_empty")]
    pub protocol: String,
    /// The port.
    pub port: i64,
    /// Of whom, or to whom: a CIDR or an address; empty means anybody.
    #[serde(deserialize_with = "text::null_default", skip_serializing_if = "String::is_empty")]
    pub net: String,
    /// Fields that this version does not know.
    #[serde(flatten)]
    pub unknown: Unknown,
}

impl FelixConfigurationSpec {
    /// The object of this name holds for one node: which.
    pub fn node_of(name: &str) -> Option<&str> {
        name.strip_prefix(OF_NODE).filter(|node| !node.is_empty())
    }

    /// What it says, and what is wrong with it: a value that cannot be read counts as not said, and undoes no other.
    pub fn settings(&self) -> (FelixSettings, Vec<FieldError>) {
        let mut read = Reader::default();
        let settings = FelixSettings {
            endpoint_to_host: read.word("defaultEndpointToHostAction", &self.default_endpoint_to_host_action),
            vxlan_port: read.value("vxlanPort", self.vxlan_port.as_ref(), |port| value::nonzero_port(*port)),
            allow_vxlan: self.allow_vxlan_packets_from_workloads,
            allow_ipip: self.allow_ipip_packets_from_workloads,
            failsafe_inbound: read
                .ports("failsafeInboundHostPorts", self.failsafe_inbound_host_ports.as_deref()),
            failsafe_outbound: read
                .ports("failsafeOutboundHostPorts", self.failsafe_outbound_host_ports.as_deref()),
            nat_ports: read.value("natPortRange", self.nat_port_range.as_ref(), |value| match value {
                Value::String(text) => value::port_range(text),
                other => value::port_range(&other.to_string()),
            }),
            nat_address: read.text("natOutgoingAddress", &self.nat_outgoing_address, value::address),
            nat_excludes_hosts: read.word("natOutgoingExclusions", &self.nat_outgoing_exclusions),
            nat_interface: read.text(
                "iptablesNATOutgoingInterfaceFilter",
                &self.nat_outgoing_interface_filter,
                value::interface,
            ),
            service_loop: read.word("serviceLoopPrevention", &self.service_loop_prevention),
            interface_prefix: read.text("interfacePrefix", &self.interface_prefix, value::interface_prefix),
            log_prefix: read.text("logPrefix", &self.log_prefix, value::log_prefix),
            mark_mask: read.value("nftablesMarkMask", self.nftables_mark_mask.as_ref(), |mask| {
                u32::try_from(*mask)
                    .map_err(|_error| format!("{mask} has no 32 bits"))
                    .and_then(value::mark_mask)
            }),
            judges_invalid: self.disable_conntrack_invalid_check,
        };
        (settings, read.errors)
    }
}

/// Takes values, and notes what is wrong with them.
#[derive(Default)]
struct Reader {
    errors: Vec<FieldError>,
}

impl Reader {
    fn value<V: ?Sized, T>(
        &mut self,
        field: &str,
        value: Option<&V>,
        read: impl Fn(&V) -> Result<T, String>,
    ) -> Option<T> {
        let wrong = |message| FieldError::new(format!("spec.{field}"), message);
        read(value?).map_err(|message| self.errors.push(wrong(message))).ok()
    }

    fn text<T>(&mut self, field: &str, text: &str, read: impl Fn(&str) -> Result<T, String>) -> Option<T> {
        self.value(field, Some(text).filter(|text| !text.is_empty()), read)
    }

    fn word<T: Word>(&mut self, field: &str, text: &str) -> Option<T> {
        self.text(field, text, T::read)
    }

    /// A list in which anything is wrong counts as not said: nobody shall be locked out by what is left of it.
    fn ports(&mut self, field: &str, ports: Option<&[ProtoPort]>) -> Option<Vec<FailsafePort>> {
        let before = self.errors.len();
        let mut found = Vec::new();
        for (index, port) in ports?.iter().enumerate() {
            let path = format!("{field}[{index}]");
            let name = Some(port.protocol.as_str()).filter(|name| !name.is_empty()).unwrap_or("TCP");
            let protocol = self.value(&format!("{path}.protocol"), Some(name), value::protocol);
            let number = self.value(&format!("{path}.port"), Some(&port.port), |port| {
                u16::try_from(*port).map_err(|_error| format!("{port} is not between 0 and 65535"))
            });
            let net = self.text(&format!("{path}.net"), &port.net, text::parse_cidr_or_ip);
            if let (Some(protocol), Some(port)) = (protocol, number) {
                found.push(FailsafePort { protocol, port, net });
            }
        }
        (self.errors.len() == before).then_some(found)
    }
}

impl Kind for FelixConfigurationSpec {
    const KIND: &'static str = "FelixConfiguration";
    const PLURAL: &'static str = "felixconfigurations";
    const NAMESPACED: bool = false;
    const UNKNOWN: UnknownFields = UnknownFields::Told;

    fn validate(&self, metadata: &Metadata) -> Vec<FieldError> {
        let (_, mut errors) = self.settings();
        if metadata.name != "default" && Self::node_of(&metadata.name).is_none() {
            errors.push(FieldError::new("metadata.name", "neither `default` nor `node.<name>`"));
        }
        // Whoever writes one of these otherwise means it.
        let meant = self.unknown.keys().filter(|name| FelixSettings::default().set(name, "").is_some());
        let told =
            |name| FieldError::new(format!("spec.{name}"), "unknown field: some letters are of another case");
        errors.extend(meant.map(told));
        errors
    }

    fn unknown_fields(&self) -> Vec<String> {
        let mut fields: Vec<String> = self.unknown.keys().map(|name| format!("spec.{name}")).collect();
        for (field, ports) in [
            ("failsafeInboundHostPorts", &self.failsafe_inbound_host_ports),
            ("failsafeOutboundHostPorts", &self.failsafe_outbound_host_ports),
        ] {
            for (index, port) in ports.iter().flatten().enumerate() {
                fields.extend(port.unknown.keys().map(|name| format!("spec.{field}[{index}].{name}")));
            }
        }
        fields
    }
}
