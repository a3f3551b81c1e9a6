//! Choices about this host: what command line and environment say, then what the datastore says of this host, then of all.

use crate::options::Host;
use crate::source::Source;
use anyhow::Context as _;
use core::time::Duration;
use tortie_datastore::resource::{
    FelixConfigurationSpec, FelixSettings, Kind as _, Resource, ResourceKey, prefix,
};
use tortie_datastore::{Datastore, Excerpt};

/// What names of settings begin with in the environment.
const PREFIX: &str = "FELIX_";
/// The pause before the datastore is asked again.
const RETRY: Duration = Duration::from_millis(500);

/// What is said, by whomever.
#[derive(Clone)]
pub(crate) struct Settings {
    node: String,
    /// By command line and environment.
    said: FelixSettings,
    /// By the object for this host.
    own: FelixSettings,
    /// By the object for all hosts.
    common: FelixSettings,
    /// How names of workloads' interfaces begin, since the start: routes and links are told apart by it.
    prefix: String,
}

impl Settings {
    /// What command line and environment say, where `variables` are those of the environment.
    ///
    /// # Errors
    /// A variable has a value that it cannot have.
    pub(crate) fn new(
        node: &str,
        flags: FelixSettings,
        variables: impl Iterator<Item = (String, String)>,
    ) -> anyhow::Result<Self> {
        let mut said = FelixSettings::default();
        let mut unheard = Vec::new();
        for (name, value) in variables {
            let Some(parameter) = name.strip_prefix(PREFIX) else { continue };
            match said.set(parameter, &value) {
                Some(Ok(())) => {}
                Some(Err(error)) => anyhow::bail!("{name}: {error}"),
                None => unheard.push(name),
            }
        }
        if !unheard.is_empty() {
            tracing::warn!(?unheard, "nothing comes of these variables");
        }
        let said = flags.or(said);
        let (own, common) = (FelixSettings::default(), FelixSettings::default());
        let mut settings = Self { node: node.to_owned(), said, own, common, prefix: String::new() };
        settings.start();
        Ok(settings)
    }

    /// Those of this process.
    pub(crate) fn of(host: &Host, flags: FelixSettings) -> anyhow::Result<Self> {
        Self::new(&host.node, flags.or(host.settings()?), std::env::vars())
    }

    /// Reads what the datastore says, once it can be read; from then on the prefix of interfaces is what it is.
    pub(crate) async fn load(&mut self, source: &mut Source, mut failed: impl FnMut(String)) -> Datastore {
        loop {
            let read = match source.open().await {
                Ok(store) => self.try_load(&store).await.map(|()| store).context("cannot read the datastore"),
                Err(error) => Err(error),
            };
            match read {
                Ok(store) => return store,
                Err(error) => failed(format!("{error:#}")),
            }
            tokio::time::sleep(RETRY).await;
        }
    }

    /// The same, if it can be read now.
    pub(crate) async fn try_load(&mut self, store: &Datastore) -> Result<(), tortie_datastore::Error> {
        let listing = store.list(&prefix::<FelixConfigurationSpec>(None)).await?;
        self.begin(listing.items.iter().map(|record| (record.key.as_str(), record.value.as_slice())));
        self.start();
        Ok(())
    }

    fn start(&mut self) {
        self.wished().prefix().clone_into(&mut self.prefix);
    }

    /// What all say together, the nearest first.
    fn wished(&self) -> FelixSettings {
        self.said.clone().or(self.own.clone()).or(self.common.clone())
    }

    /// Takes these records, which are all that there are. Of one that cannot be read, the last good version stays.
    pub(crate) fn begin<'r>(&mut self, records: impl Iterator<Item = (&'r str, &'r [u8])>) {
        let before = (core::mem::take(&mut self.own), core::mem::take(&mut self.common));
        let (mut has_own, mut has_common) = (false, false);
        let records: Vec<_> = records.filter(|(key, _)| self.slot(key).is_some()).collect();
        for (key, _) in &records {
            let is_own = self.slot(key) == Some(Slot::Own);
            has_own |= is_own;
            has_common |= !is_own;
        }
        if has_own {
            self.own = before.0;
        }
        if has_common {
            self.common = before.1;
        }
        for (key, value) in records {
            self.put(key, value);
        }
    }

    /// Takes a record; whether that changes anything.
    pub(crate) fn put(&mut self, key: &str, value: &[u8]) -> bool {
        let Some(slot) = self.slot(key) else { return false };
        let configuration = match Resource::<FelixConfigurationSpec>::decode(value) {
            Ok(object) => object,
            Err(error) => {
                let error = error.to_string();
                tracing::warn!(key, error = %Excerpt(&error), "record is malformed: its last good version stays");
                return false;
            }
        };
        let (settings, faults) = configuration.spec.settings();
        for fault in faults {
            let fault = fault.to_string();
            tracing::warn!(key, fault = %Excerpt(&fault), "a setting is wrong, and counts as not said");
        }
        let unheard = configuration.unknown_fields();
        if !unheard.is_empty() {
            let unheard = unheard.join(", ");
            tracing::warn!(key, fields = %Excerpt(&unheard), "nothing comes of these fields");
        }
        self.replace(slot, settings)
    }

    /// Forgets a record; whether that changes anything.
    pub(crate) fn remove(&mut self, key: &str) -> bool {
        self.slot(key).is_some_and(|slot| self.replace(slot, FelixSettings::default()))
    }

    fn replace(&mut self, slot: Slot, settings: FelixSettings) -> bool {
        let place = match slot {
            Slot::Own => &mut self.own,
            Slot::Common => &mut self.common,
        };
        let has_changed = *place != settings;
        *place = settings;
        has_changed
    }

    fn slot(&self, key: &str) -> Option<Slot> {
        let key = ResourceKey::parse(key)?;
        if (key.plural, key.namespace) != (FelixConfigurationSpec::PLURAL, None) {
            return None;
        }
        if key.name == "default" {
            return Some(Slot::Common);
        }
        (FelixConfigurationSpec::node_of(key.name) == Some(&self.node)).then_some(Slot::Own)
    }

    /// What holds now.
    pub(crate) fn now(&self) -> FelixSettings {
        FelixSettings { interface_prefix: Some(self.prefix.clone()), ..self.wished() }
    }

    /// How names of workloads' interfaces begin.
    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// What people should do about settings that hold only after the next start.
    pub(crate) fn note(&self) -> Option<String> {
        let wished = self.wished();
        let (wished, prefix) = (wished.prefix(), &self.prefix);
        (wished != prefix).then(|| {
            format!("interfacePrefix is `{wished}` now, and `{prefix}` holds until the agent starts anew")
        })
    }
}

/// Which object it is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Slot {
    Own,
    Common,
}

#[cfg(test)]
mod tests {
    use super::*;
    use tortie_policy::HostAction;

    fn variables(pairs: &[(&str, &str)]) -> impl Iterator<Item = (String, String)> {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect::<Vec<_>>()
            .into_iter()
    }

    fn settings(flags: FelixSettings, pairs: &[(&str, &str)]) -> Settings {
        Settings::new("a", flags, variables(pairs)).unwrap()
    }

    const COMMON: &str = "/calico/resources/v3/projectcalico.org/felixconfigurations/default";
    const OWN: &str = "/calico/resources/v3/projectcalico.org/felixconfigurations/node.a";

    fn record(name: &str, spec: &str) -> Vec<u8> {
        format!(
            r#"{{"apiVersion":"projectcalico.org/v3","kind":"FelixConfiguration","metadata":{{"name":"{name}"}},"spec":{spec}}}"#
        )
        .into_bytes()
    }

    /// For each port, who says it: the command line, the environment, the node's own object, that of all; else the default.
    #[test]
    fn the_nearest_says_what_holds() {
        let flags = FelixSettings { vxlan_port: Some(1), ..FelixSettings::default() };
        for (flags, variable, own, common, want) in [
            (flags, "2", r#"{"vxlanPort":3}"#, r#"{"vxlanPort":4}"#, 1),
            (FelixSettings::default(), "2", r#"{"vxlanPort":3}"#, r#"{"vxlanPort":4}"#, 2),
            (FelixSettings::default(), "", r#"{"vxlanPort":3}"#, r#"{"vxlanPort":4}"#, 3),
            (FelixSettings::default(), "none", "{}", r#"{"vxlanPort":4}"#, 4),
            (FelixSettings::default(), "", r#"{"vxlanPort":0}"#, r#"{"vxlanPort":4}"#, 4),
            (FelixSettings::default(), "", "{}", "{}", 4789),
        ] {
            let mut settings =
                settings(flags, &[("FELIX_VXLANPort", variable), ("HOME", "x"), ("FELIX_BPFENABLED", "1")]);
            assert_eq!(settings.put(OWN, &record("node.a", own)), own.contains(":3"));
            assert_eq!(settings.put(COMMON, &record("default", common)), common.contains(":4"));
            assert!(!settings.put(&OWN.replace("node.a", "node.b"), &record("node.b", r#"{"vxlanPort":5}"#)));
            assert_eq!(settings.now().encapsulation().vxlan_port, want);
        }
        let wrong = Settings::new("a", FelixSettings::default(), variables(&[("FELIX_NATPORTRANGE", "x")]));
        assert!(wrong.err().unwrap().to_string().starts_with("FELIX_NATPORTRANGE: "));
    }

    #[test]
    fn what_cannot_be_read_changes_nothing_and_what_is_gone_says_nothing() {
        let mut settings = settings(FelixSettings::default(), &[]);
        let to_host = |settings: &Settings| settings.now().host_action();
        assert!(settings.put(COMMON, &record("default", r#"{"defaultEndpointToHostAction":"Accept"}"#)));
        assert!(!settings.put(COMMON, &record("default", r#"{"defaultEndpointToHostAction":"Accept"}"#)));
        assert!(!settings.put(COMMON, b"{"));
        assert_eq!(to_host(&settings), HostAction::Accept);
        settings.begin([(COMMON, &b"{"[..])].into_iter());
        assert_eq!(to_host(&settings), HostAction::Accept);
        settings.begin([(OWN, &b"{"[..])].into_iter());
        assert_eq!(to_host(&settings), HostAction::Drop, "the object is not there any more");
        assert!(settings.put(OWN, &record("node.a", r#"{"defaultEndpointToHostAction":"Return"}"#)));
        assert!(settings.remove(OWN) && !settings.remove(OWN));
        assert_eq!(to_host(&settings), HostAction::Drop);
    }

    #[test]
    fn the_prefix_of_interfaces_is_that_of_the_start() {
        let mut settings = settings(FelixSettings::default(), &[]);
        assert_eq!((settings.prefix(), settings.note()), ("cali", None));
        assert!(settings.put(COMMON, &record("default", r#"{"interfacePrefix":"tap"}"#)));
        assert_eq!((settings.prefix(), settings.now().prefix()), ("cali", "cali"));
        assert!(settings.note().unwrap().contains("`tap` now, and `cali` holds"));
        settings.start();
        assert_eq!((settings.prefix(), settings.note()), ("tap", None));
    }
}
