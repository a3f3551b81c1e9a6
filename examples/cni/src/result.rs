//! The result of ADD, in the form of the version that was asked for.

use core::net::IpAddr;

use ipnet::IpNet;
use serde_json::{Value, json};

use crate::error::{Code, Error};
use crate::version::Version;

/// What was set up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Attachment {
    /// Name of the host's end.
    pub(crate) host_interface: String,
    /// Name of the container's end.
    pub(crate) interface: String,
    /// MAC address of the container's end.
    pub(crate) mac: String,
    /// Path of the container's namespace.
    pub(crate) sandbox: String,
    /// Addresses of the container's end, IPv4 first.
    pub(crate) addresses: Vec<IpAddr>,
}

impl Attachment {
    /// The result, after those of the plugins before this one in the chain.
    ///
    /// Each address has a route to itself, as the reference system says it (calico@87c15906f2
    /// cni-plugin/pkg/ipamplugin).
    ///
    /// # Errors
    /// Code 7 when `previous` has not the form of a result.
    pub(crate) fn to_json(&self, version: Version, previous: Option<&Value>) -> Result<Value, Error> {
        if version.has_lists() { self.lists(version, previous) } else { Ok(self.families(version)) }
    }

    /// The form of 0.3.0 and 0.3.1.
    fn lists(&self, version: Version, previous: Option<&Value>) -> Result<Value, Error> {
        let mut interfaces = list(previous, "interfaces")?;
        let mut ips = list(previous, "ips")?;
        let mut routes = list(previous, "routes")?;
        let inside = interfaces.len() + 1;
        interfaces.push(json!({"name": self.host_interface}));
        interfaces.push(json!({"name": self.interface, "mac": self.mac, "sandbox": self.sandbox}));
        for &address in &self.addresses {
            let family = if address.is_ipv4() { "4" } else { "6" };
            let net = IpNet::from(address).to_string();
            ips.push(json!({"version": family, "interface": inside, "address": net}));
            routes.push(json!({"dst": net}));
        }
        let dns = previous.and_then(|previous| previous.get("dns")).filter(|dns| !dns.is_null());
        Ok(json!({
            "cniVersion": version.as_str(),
            "interfaces": interfaces,
            "ips": ips,
            "routes": routes,
            "dns": dns.cloned().unwrap_or_else(|| json!({})),
        }))
    }

    /// The form of 0.1.0 and 0.2.0: one address of each family.
    fn families(&self, version: Version) -> Value {
        let mut result = json!({"cniVersion": version.as_str(), "dns": {}});
        for &address in &self.addresses {
            let key = if address.is_ipv4() { "ip4" } else { "ip6" };
            let net = IpNet::from(address).to_string();
            if let Some(result) = result.as_object_mut() {
                result.entry(key).or_insert_with(|| json!({"ip": net, "routes": [{"dst": net}]}));
            }
        }
        result
    }
}

fn list(previous: Option<&Value>, field: &str) -> Result<Vec<Value>, Error> {
    match previous.and_then(|previous| previous.get(field)) {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(items)) => Ok(items.clone()),
        Some(_) => Err(Error::new(Code::BadConfig, format!("field prevResult.{field} must be a list"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attachment() -> Attachment {
        Attachment {
            host_interface: "cali01234567890".into(),
            interface: "eth0".into(),
            mac: "02:00:00:00:00:01".into(),
            sandbox: "/run/netns/x".into(),
            addresses: vec!["10.0.0.2".parse().unwrap(), "fd00::2".parse().unwrap()],
        }
    }

    #[test]
    fn lists_since_0_3_0() {
        let want = json!({
            "cniVersion": "0.3.1",
            "interfaces": [
                {"name": "cali01234567890"},
                {"name": "eth0", "mac": "02:00:00:00:00:01", "sandbox": "/run/netns/x"}],
            "ips": [
                {"version": "4", "interface": 1, "address": "10.0.0.2/32"},
                {"version": "6", "interface": 1, "address": "fd00::2/128"}],
            "routes": [{"dst": "10.0.0.2/32"}, {"dst": "fd00::2/128"}],
            "dns": {},
        });
        assert_eq!(attachment().to_json(Version::V0_3_1, None).unwrap(), want);
    }

    #[test]
    fn families_before() {
        let want = json!({
            "cniVersion": "0.2.0",
            "ip4": {"ip": "10.0.0.2/32", "routes": [{"dst": "10.0.0.2/32"}]},
            "ip6": {"ip": "fd00::2/128", "routes": [{"dst": "fd00::2/128"}]},
            "dns": {},
        });
        assert_eq!(attachment().to_json(Version::V0_2_0, None).unwrap(), want);
    }

    #[test]
    fn the_previous_result_is_passed_on_and_indexes_still_point_at_their_interface() {
        let previous = json!({
            "cniVersion": "0.3.1",
            "interfaces": [{"name": "dummy0"}, {"name": "x", "sandbox": "/s"}],
            "ips": [{"version": "4", "interface": 1, "address": "192.0.2.1/24"}],
            "dns": {"nameservers": ["192.0.2.53"]},
        });
        let result = attachment().to_json(Version::V0_3_0, Some(&previous)).unwrap();
        assert_eq!(result["interfaces"].as_array().unwrap().len(), 4);
        for (ip, name) in [(0, "x"), (1, "eth0"), (2, "eth0")] {
            let index = usize::try_from(result["ips"][ip]["interface"].as_u64().unwrap()).unwrap();
            assert_eq!(result["interfaces"][index]["name"], name);
        }
        assert_eq!(result["dns"], previous["dns"]);
        let wrong = json!({"ips": 3});
        assert_eq!(attachment().to_json(Version::V0_3_0, Some(&wrong)).unwrap_err().code, Code::BadConfig);
    }
}
