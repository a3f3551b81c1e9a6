//! Values of a host's configuration, as objects and the environment write them.

use core::net::IpAddr;
use core::ops::RangeInclusive;

use tortie_policy::model::{Port, Protocol};
use tortie_policy::nftables::{Network, Options, ServiceLoop};
use tortie_policy::{FailsafePort, HostAction};

use crate::resource::text::parse_cidr_or_ip;

/// One of a few words, in any case of letters.
pub(super) trait Word: Copy + 'static {
    const WORDS: &'static [(&'static str, Self)];

    fn read(text: &str) -> Result<Self, String> {
        let found = Self::WORDS.iter().find(|(word, _)| word.eq_ignore_ascii_case(text));
        found.map(|(_, value)| *value).ok_or_else(|| {
            let words: Vec<_> = Self::WORDS.iter().map(|(word, _)| *word).collect();
            format!("`{text}` is not one of {}", words.join(", "))
        })
    }
}

impl Word for HostAction {
    const WORDS: &'static [(&'static str, Self)] =
        &[("Drop", Self::Drop), ("Accept", Self::Accept), ("Return", Self::Return)];
}

impl Word for ServiceLoop {
    const WORDS: &'static [(&'static str, Self)] =
        &[("Drop", Self::Drop), ("Reject", Self::Reject), ("Disabled", Self::Pass)];
}

/// Whether addresses of hosts are excluded, too.
impl Word for bool {
    const WORDS: &'static [(&'static str, Self)] = &[("IPPoolsOnly", false), ("IPPoolsAndHostIPs", true)];
}

pub(super) fn nonzero_port(port: i64) -> Result<u16, String> {
    u16::try_from(port)
        .ok()
        .filter(|port| *port > 0)
        .ok_or_else(|| format!("{port} is not between 1 and 65535"))
}

pub(super) fn port_range(text: &str) -> Result<RangeInclusive<u16>, String> {
    let wrong =
        |why: String| format!("`{text}` is not a port, nor a range of ports such as 32000:33000: {why}");
    match Port::parse(text).map_err(|error| wrong(error.to_string()))? {
        Port::Number(port) if port > 0 => Ok(port..=port),
        Port::Range { min, max } if min > 0 => Ok(min..=max),
        Port::Number(_) | Port::Range { .. } => Err(wrong("there is no port 0".to_owned())),
        Port::Named(_) => Err(wrong("it is a name".to_owned())),
    }
}

pub(super) fn address(text: &str) -> Result<IpAddr, String> {
    let address: IpAddr = text.parse().map_err(|_error| format!("`{text}` is not an address"))?;
    if address.is_unspecified() || address.is_multicast() || address.is_loopback() {
        return Err(format!("{address} is not an address that others can answer to"));
    }
    Ok(address.to_canonical())
}

pub(super) fn interface(text: &str) -> Result<String, String> {
    Network::new().interface(text).map_err(|error| error.to_string())?;
    Ok(text.to_owned())
}

pub(super) fn interface_prefix(text: &str) -> Result<String, String> {
    if text.contains(',') {
        return Err("more than one prefix is not supported".to_owned());
    }
    Options::default().workload_prefix(text).map_err(|error| error.to_string())?;
    Ok(text.to_owned())
}

pub(super) fn log_prefix(text: &str) -> Result<String, String> {
    if text.contains('%') {
        return Err("specifiers, such as %t, are not supported".to_owned());
    }
    Options::default().log_prefix(&format!("{text}: ")).map_err(|error| error.to_string())?;
    Ok(text.to_owned())
}

pub(super) fn mark_mask(mask: u32) -> Result<u32, String> {
    Options::default().mark_mask(mask).map_err(|error| error.to_string())?;
    Ok(mask)
}

pub(super) fn protocol(text: &str) -> Result<u8, String> {
    let number = Protocol::parse(text).number();
    let has_ports = |number: &u8| matches!(*number, Protocol::TCP | Protocol::UDP | Protocol::SCTP);
    number.filter(has_ports).ok_or_else(|| format!("`{text}` is not one of TCP, UDP, SCTP"))
}

/// `port`, `protocol:port` or `protocol:net:port`, where the net may be in brackets.
pub(super) fn failsafe_port(text: &str) -> Result<FailsafePort, String> {
    let (rest, port) = text.rsplit_once(':').map_or((None, text), |(rest, port)| (Some(rest), port));
    let port = port.trim().parse().map_err(|_error| format!("`{text}`: `{port}` is not a port"))?;
    let parts = rest.map(|rest| rest.split_once(':').unwrap_or((rest, "")));
    let (name, net) = parts.unwrap_or(("tcp", ""));
    let net = net.strip_prefix('[').and_then(|net| net.strip_suffix(']')).unwrap_or(net);
    let net = Some(net).filter(|net| !net.is_empty()).map(parse_cidr_or_ip).transpose()?;
    Ok(FailsafePort { protocol: protocol(name.trim())?, port, net })
}

pub(super) fn failsafe_ports(text: &str) -> Result<Vec<FailsafePort>, String> {
    text.split(',').map(str::trim).filter(|port| !port.is_empty()).map(failsafe_port).collect()
}

pub(super) fn flag(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "y" | "t" => Ok(true),
        "false" | "0" | "no" | "n" | "f" => Ok(false),
        _ => Err(format!("`{text}` is neither true nor false")),
    }
}

pub(super) fn mask(text: &str) -> Result<u32, String> {
    let hexadecimal = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    let mask = hexadecimal.map_or_else(|| text.parse(), |digits| u32::from_str_radix(digits, 16));
    mask.map_err(|_error| format!("`{text}` is not a mask")).and_then(mark_mask)
}
