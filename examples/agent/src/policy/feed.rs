//! What policy is made from, between who follows the datastore and who enforces.
//!
//! What is not enforced yet is kept nowhere but in the resolver, so it takes no more room the longer the kernel is away.

use core::future::Future;
use core::net::IpAddr;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;
use tortie_datastore::convert::{PolicyState, RecordFault};
use tortie_datastore::resource::{FelixSettings, Resource, WorkloadEndpointSpec};
use tortie_datastore::{Event, EventKind, Excerpt};
use tortie_policy::nftables::{Network, Options};
use tortie_policy::{Delta, Passes, Resolver};

/// How many faults of one record are told.
const MOST_FAULTS: usize = 8;
/// What the table says before the name of the cluster whose policy it holds.
pub(super) const OF_CLUSTER: &str = "cluster ";

/// The records of policy, as they are in the datastore.
pub(crate) struct Feed {
    node: String,
    held: Mutex<Held>,
    changed: Notify,
}

struct Held {
    state: PolicyState<Resolver>,
    /// The interfaces of the host that are none of workloads, with their addresses, once they are known.
    interfaces: Option<Interfaces>,
    /// Whether nothing of it was passed on yet.
    is_new: bool,
    /// Which endpoints were passed on.
    endpoints: Option<u64>,
    /// What pools and services ask for, once that is known.
    network: Option<Network>,
    /// Whether that was not passed on yet.
    is_network_new: bool,
    /// What settings ask for, once that is known.
    choices: Option<FelixSettings>,
    /// The cluster whose records these are, if they say so.
    cluster: Option<String>,
    /// How the table is laid out, if that was not passed on yet.
    options: Option<Options>,
    /// What was reported about endpoints, so that it is not reported again, and whether they have no rules at all.
    faults: BTreeMap<String, bool>,
}

/// Interfaces by name, each with its addresses.
pub(crate) type Interfaces = BTreeMap<String, Vec<IpAddr>>;

/// What is not as it was passed on before.
pub(super) struct Changes {
    /// What has changed in the program, optimised.
    pub(super) delta: Delta,
    /// Whether that is the whole program.
    pub(super) is_whole: bool,
    /// What pools and services ask for, if that has changed.
    pub(super) network: Option<Network>,
    /// How the table is laid out, if that has changed.
    pub(super) options: Option<Options>,
    /// The endpoints of this host that have rules, if they have changed.
    pub(super) endpoints: Option<Vec<Resource<WorkloadEndpointSpec>>>,
}

impl Feed {
    pub(crate) fn new(node: &str) -> Self {
        Self { node: node.to_owned(), held: Mutex::new(Held::new(node, None)), changed: Notify::new() }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins anew with these records of a cluster, which are all that there are.
    pub(crate) fn begin<'r>(
        &self,
        cluster: Option<&str>,
        records: impl Iterator<Item = (&'r str, &'r [u8])>,
    ) {
        let mut held = self.held();
        let before = core::mem::replace(&mut *held, Held::new(&self.node, None));
        let Held {
            state, interfaces, network, is_network_new, choices, options, faults, cluster: of, ..
        } = before;
        // The old one goes before the new one grows.
        drop(state);
        *held = Held {
            network,
            is_network_new,
            options,
            faults,
            choices: choices.clone(),
            cluster: cluster.map(ToOwned::to_owned),
            ..Held::new(&self.node, interfaces)
        };
        if let Some(choices) = &choices {
            choose(held.state.resolver(), choices);
            if of.as_deref() != cluster {
                held.options = Some(held.lay(choices));
            }
        }
        for (key, value) in records {
            report(held.state.insert(key, value));
        }
        held.state.resolver().set_in_sync();
        drop(held);
        self.changed.notify_one();
    }

    /// Takes these events.
    pub(crate) fn take(&self, events: &[Event]) {
        let mut held = self.held();
        let mut has_changed = false;
        for event in events {
            has_changed |= match &event.kind {
                EventKind::Put(value) => report(held.state.insert(&event.key, value)),
                EventKind::Delete => held.state.remove(&event.key),
            };
        }
        drop(held);
        if has_changed {
            self.changed.notify_one();
        }
    }

    /// Says which interfaces the host has, besides those of workloads.
    pub(crate) fn set_interfaces(&self, interfaces: Interfaces) {
        let mut held = self.held();
        if held.interfaces.as_ref() != Some(&interfaces) {
            held.state.resolver().set_interfaces(interfaces.clone());
            held.interfaces = Some(interfaces);
            drop(held);
            self.changed.notify_one();
        }
    }

    /// Settings ask for this.
    pub(crate) fn set_choices(&self, choices: &FelixSettings) {
        let mut held = self.held();
        if held.choices.as_ref() != Some(choices) {
            choose(held.state.resolver(), choices);
            let options = held.lay(choices);
            if held.choices.as_ref().is_none_or(|before| held.lay(before) != options) {
                held.options = Some(options);
            }
            held.choices = Some(choices.clone());
            drop(held);
            self.changed.notify_one();
        }
    }

    /// Pools and services ask for this.
    pub(crate) fn set_network(&self, network: Network) {
        let mut held = self.held();
        if held.network.as_ref() != Some(&network) {
            held.network = Some(network);
            held.is_network_new = true;
            drop(held);
            self.changed.notify_one();
        }
    }

    /// Waits until anything may have changed since the last time.
    pub(super) fn changed(&self) -> impl Future<Output = ()> {
        self.changed.notified()
    }

    /// Why endpoints of this host have no rules of their own, or `false` and why they do not have all of them.
    pub(super) fn faults(&self) -> Vec<(String, bool)> {
        self.held().faults.iter().map(|(text, is_closed)| (text.clone(), *is_closed)).collect()
    }

    /// What has changed since the last time; `None` before the datastore is in sync and interfaces, settings and network are
    /// known. Without them, host endpoints that are found by their addresses would lose the rules of an earlier run, pools
    /// their translation, and hosts their failsafe ports.
    pub(super) fn flush(&self, passes: &Passes) -> Option<Changes> {
        let mut held = self.held();
        let Held {
            state,
            interfaces,
            is_new,
            endpoints,
            network,
            is_network_new,
            choices,
            options,
            faults,
            cluster: _,
        } = &mut *held;
        if !state.resolver().is_in_sync() || interfaces.is_none() || network.is_none() || choices.is_none() {
            return None;
        }
        let mut delta = state.resolver().flush();
        for removed in delta.optimise(passes) {
            tracing::debug!(rule = ?removed.origin, reason = ?removed.reason, "a rule never decides");
        }
        let is_whole = core::mem::take(is_new);
        let before = endpoints.replace(state.workload_changes());
        let has_changed =
            before != *endpoints || !delta.dispatch.is_empty() || !delta.dispatch_removed.is_empty();
        let found = state.resolver().faults();
        let endpoints = has_changed.then(|| {
            let closed: BTreeSet<&str> =
                found.iter().filter(|fault| fault.is_closed()).map(|fault| fault.id()).collect();
            let open = state.workloads().iter().filter(|(id, _)| !closed.contains(id.as_str()));
            open.map(|(_, endpoint)| endpoint.clone()).collect()
        });
        let texts: BTreeMap<String, bool> =
            found.iter().map(|fault| (fault.to_string(), fault.is_closed())).collect();
        for (fault, is_closed) in texts.iter().filter(|(text, _)| !faults.contains_key(*text)) {
            let fault = Excerpt(fault);
            if *is_closed {
                tracing::warn!(%fault, "endpoint gets no rules of its own");
            } else {
                tracing::warn!(%fault, "endpoint gets its rules, but for those of a policy");
            }
        }
        *faults = texts;
        let network = network.as_ref().filter(|_| core::mem::take(is_network_new)).cloned();
        Some(Changes { delta, is_whole, network, options: options.take(), endpoints })
    }
}

impl Held {
    fn new(node: &str, interfaces: Option<Interfaces>) -> Self {
        let host = tortie_policy::Host {
            interfaces: interfaces.clone().unwrap_or_default(),
            ..tortie_policy::Host::new(node)
        };
        let local = node.to_owned();
        let resolver = Resolver::new(host, move |endpoint| endpoint.node == local);
        let state = PolicyState::of_node(node, resolver);
        Self {
            state,
            interfaces,
            is_new: true,
            endpoints: None,
            network: None,
            is_network_new: false,
            choices: None,
            cluster: None,
            options: None,
            faults: BTreeMap::new(),
        }
    }

    /// How the table is laid out: as settings ask, and with the cluster's name on it.
    fn lay(&self, choices: &FelixSettings) -> Options {
        let options = choices.options();
        let Some(cluster) = &self.cluster else { return options };
        // Names of clusters are short and plain.
        options.clone().comment(&format!("{OF_CLUSTER}{cluster}")).unwrap_or(options)
    }
}

/// What settings say that the resolver has to know.
fn choose(resolver: &mut Resolver, choices: &FelixSettings) {
    resolver.set_to_host(choices.host_action());
    resolver.set_encapsulation(choices.encapsulation());
    resolver.set_failsafe(choices.failsafe());
}

/// Reports what is wrong with a record; whether it is one that policy is made from.
fn report(faults: Option<Vec<RecordFault>>) -> bool {
    let Some(faults) = faults else { return false };
    for fault in faults.iter().take(MOST_FAULTS) {
        let (key, error) = (Excerpt(&fault.key), fault.error.to_string());
        tracing::warn!(%key, error = %Excerpt(&error), "record has a fault: it is closed, or its last good version stays");
    }
    if let Some(more) = faults.len().checked_sub(MOST_FAULTS).filter(|more| *more > 0) {
        tracing::warn!(more, "it has more faults");
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::sync::Arc;
    use tortie_datastore::Revision;
    use tortie_policy::{HostAction, Program};

    const ROOT: &str = "/calico/resources/v3/projectcalico.org/";

    fn endpoint(name: &str, interface: &str, address: &str) -> (String, Vec<u8>) {
        let record = format!(
            r#"{{"apiVersion":"projectcalico.org/v3","kind":"WorkloadEndpoint","metadata":{{"name":"{name}","namespace":"red"}},
            "spec":{{"orchestrator":"k8s","node":"a","endpoint":"eth0","pod":"{name}","interfaceName":"{interface}",
            "ipNetworks":["{address}/32"]}}}}"#
        );
        (format!("{ROOT}workloadendpoints/red/{name}"), record.into_bytes())
    }

    fn begin(feed: &Feed, records: &[(String, Vec<u8>)]) {
        feed.begin(None, records.iter().map(|(key, value)| (key.as_str(), value.as_slice())));
    }

    fn put(feed: &Feed, record: &(String, Vec<u8>)) {
        feed.take(&[Event::new(record.0.clone(), EventKind::Put(record.1.clone()), Revision::new(1))]);
    }

    fn flush(feed: &Feed) -> Option<Changes> {
        feed.flush(&Passes::default())
    }

    /// One that knows all that it has to know besides records.
    fn told() -> Feed {
        let feed = Feed::new("a");
        feed.set_interfaces(Interfaces::new());
        feed.set_choices(&FelixSettings::default());
        feed.set_network(Network::new());
        feed
    }

    fn interfaces(changes: &Changes) -> Vec<&str> {
        let endpoints = changes.endpoints.iter().flatten();
        endpoints.map(|endpoint| endpoint.spec.interface_name.as_str()).collect()
    }

    /// In any order: until the last of them is told, nothing is passed on.
    #[test]
    fn nothing_is_passed_on_before_all_is_known() {
        let steps: [fn(&Feed); 4] = [
            |feed| begin(feed, &[endpoint("p", "cali1", "10.0.0.1")]),
            |feed| feed.set_interfaces(Interfaces::new()),
            |feed| feed.set_choices(&FelixSettings::default()),
            |feed| feed.set_network(Network::new()),
        ];
        for first in 0..4 {
            let feed = Feed::new("a");
            for step in 0..4 {
                assert!(flush(&feed).is_none(), "step {step} from {first}");
                // An event before the listing is none that could be enforced.
                steps[(first + step) % 4](&feed);
            }
            let changes = flush(&feed).unwrap();
            assert!(changes.is_whole && changes.network.is_some() && changes.options.is_some());
            assert_eq!(interfaces(&changes), ["cali1"]);
            let changes = flush(&feed).unwrap();
            assert!(!changes.is_whole && changes.network.is_none() && changes.options.is_none());
            assert!(changes.endpoints.is_none() && changes.delta.is_empty());
        }
    }

    /// After changes that were missed all is listed anew: what is passed on is what there is then, whole, and nothing before.
    #[test]
    fn what_is_listed_anew_is_whole() {
        let feed = told();
        let (old, both, new) = (
            endpoint("p", "cali1", "10.0.0.1"),
            endpoint("q", "cali2", "10.0.0.2"),
            endpoint("r", "cali3", "10.0.0.3"),
        );
        begin(&feed, &[old, both.clone()]);
        feed.set_choices(&FelixSettings {
            endpoint_to_host: Some(HostAction::Accept),
            ..FelixSettings::default()
        });
        let changes = flush(&feed).unwrap();
        assert_eq!(interfaces(&changes), ["cali1", "cali2"]);
        begin(&feed, &[both]);
        put(&feed, &new);
        let changes = flush(&feed).unwrap();
        assert!(changes.is_whole && changes.network.is_none() && changes.options.is_none());
        assert_eq!(interfaces(&changes), ["cali2", "cali3"]);
        let mut program = Program::default();
        program.apply(changes.delta);
        assert_eq!(program.dispatch.keys().collect::<Vec<_>>(), ["cali2", "cali3"]);
        assert_eq!(program.host_action, HostAction::Accept, "what settings say is not forgotten");
    }

    #[test]
    fn settings_are_passed_on_as_they_change() {
        let feed = told();
        begin(&feed, &[]);
        let _ = flush(&feed).unwrap();
        let changed = |settings: &FelixSettings| {
            feed.set_choices(settings);
            let changes = flush(&feed).unwrap();
            (changes.delta.host_action, changes.options.is_some(), changes.delta.guard.is_some())
        };
        let mut settings = FelixSettings::default();
        assert_eq!(changed(&settings), (None, false, false));
        settings.endpoint_to_host = Some(HostAction::Return);
        assert_eq!(changed(&settings), (Some(HostAction::Return), false, false));
        settings.vxlan_port = Some(4790);
        assert_eq!(changed(&settings), (None, false, true));
        settings.log_prefix = Some("x".into());
        assert_eq!(changed(&settings), (None, true, false));
        assert_eq!(changed(&settings), (None, false, false));
    }

    /// What is logged meanwhile.
    fn logged(work: impl FnOnce()) -> String {
        #[derive(Clone, Default)]
        struct Log(Arc<Mutex<Vec<u8>>>);
        impl Write for Log {
            fn write(&mut self, octets: &[u8]) -> std::io::Result<usize> {
                self.0.lock().unwrap().write(octets)
            }
            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
        let log = Log::default();
        let writer = log.clone();
        let subscriber =
            tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
        tracing::subscriber::with_default(subscriber, work);
        let octets = log.0.lock().unwrap().clone();
        String::from_utf8(octets).unwrap()
    }

    /// An endpoint whose interface is another's has no rules, is not acknowledged, and is told of once, until that changes.
    #[test]
    fn endpoints_with_faults_are_told_of_once() {
        let feed = told();
        let first = endpoint("p", "cali1", "10.0.0.1");
        begin(&feed, &[first.clone(), endpoint("q", "cali1", "10.0.0.2"), endpoint("r", "a/b", "10.0.0.3")]);
        let log = logged(|| {
            let changes = flush(&feed).unwrap();
            assert_eq!(interfaces(&changes), ["cali1"]);
        });
        assert_eq!(log.matches("endpoint gets no rules of its own").count(), 2, "{log}");
        assert!(log.contains("red/q") && log.contains("red/r"), "{log}");
        let log = logged(|| {
            put(&feed, &endpoint("s", "cali4", "10.0.0.4"));
            assert_eq!(interfaces(&flush(&feed).unwrap()), ["cali1", "cali4"]);
        });
        assert_eq!(log, "", "they were told of");
        // Listed anew, they are not told again; once mended and broken again, they are.
        let log = logged(|| {
            begin(&feed, &[first.clone(), endpoint("q", "cali1", "10.0.0.2")]);
            let _ = flush(&feed).unwrap();
            put(&feed, &endpoint("q", "cali2", "10.0.0.2"));
            let _ = flush(&feed).unwrap();
        });
        assert_eq!(log, "");
        let log = logged(|| {
            put(&feed, &endpoint("q", "cali1", "10.0.0.2"));
            let _ = flush(&feed).unwrap();
        });
        assert_eq!(log.matches("red/q").count(), 1, "{log}");
    }

    /// That of all interfaces has rules, but none of an untracked policy: this is what is told, when that policy comes.
    #[test]
    fn a_policy_that_does_not_count_is_told_as_such() {
        let feed = told();
        let object = |kind: &str, plural: &str, metadata: &str, spec: &str| {
            let record = format!(
                r#"{{"apiVersion":"projectcalico.org/v3","kind":"{kind}","metadata":{metadata},"spec":{spec}}}"#
            );
            (format!("{ROOT}{plural}/x"), record.into_bytes())
        };
        let all = object(
            "HostEndpoint",
            "hostendpoints",
            r#"{"name":"x","labels":{"role":"host"}}"#,
            r#"{"node":"a","interfaceName":"*"}"#,
        );
        begin(&feed, &[all, endpoint("p", "cali1", "10.0.0.1")]);
        assert_eq!(logged(|| drop(flush(&feed).unwrap())), "");
        let untracked = object(
            "GlobalNetworkPolicy",
            "globalnetworkpolicies",
            r#"{"name":"x"}"#,
            r#"{"selector":"role == 'host'","doNotTrack":true,"applyOnForward":true,"ingress":[{"action":"Allow"}]}"#,
        );
        let log = logged(|| {
            put(&feed, &untracked);
            drop(flush(&feed).unwrap());
        });
        assert!(log.contains("endpoint gets its rules, but for those of a policy"), "{log}");
        assert!(log.contains("host endpoint x: untracked policy does not count for all interfaces"), "{log}");
        let faults = feed.faults();
        assert!(
            matches!(&faults[..], [(text, false)] if text.contains("GlobalNetworkPolicy x")),
            "{faults:?}"
        );
        let closed = [("endpoint red/p: no".to_owned(), true)].into_iter().chain(faults).collect::<Vec<_>>();
        let notes = super::super::notes(&closed);
        assert_eq!(notes[0], "endpoints without rules of their own: endpoint red/p: no");
        assert!(
            notes[1].starts_with("endpoints without rules of some policies: host endpoint x: "),
            "{notes:?}"
        );
        let gone = Event::new(untracked.0, EventKind::Delete, Revision::new(2));
        feed.take(&[gone]);
        drop(flush(&feed).unwrap());
        assert_eq!(feed.faults(), []);
    }

    /// Whatever the datastore has under whatever key: it is told of in a line or a few, and changes nothing for others.
    #[test]
    fn a_hostile_datastore_costs_a_few_lines() {
        const LARGE: usize = 1_500_000;
        let feed = told();
        let good = endpoint("p", "cali1", "10.0.0.1");
        begin(&feed, &[good]);
        let _ = flush(&feed).unwrap();
        let text = "A".repeat(LARGE);
        let object = |kind: &str, spec: &str| {
            format!(
                r#"{{"apiVersion":"projectcalico.org/v3","kind":"{kind}","metadata":{{"name":"x","namespace":"red"}},"spec":{spec}}}"#
            )
        };
        let rules = vec![r#"{"action":"Nonsense"}"#; 60_000].join(",");
        let hostile: Vec<(String, Vec<u8>)> = vec![
            (format!("{ROOT}workloadendpoints/red/x"), vec![0xff; LARGE]),
            (
                format!("{ROOT}workloadendpoints/red/y"),
                object("WorkloadEndpoint", &format!(r#""{text}""#)).into(),
            ),
            (format!("{ROOT}workloadendpoints/red/z"), object("Node", "{}").into()),
            (
                format!("{ROOT}workloadendpoints/../../../etc/passwd"),
                object("WorkloadEndpoint", r#"{"node":"a","interfaceName":"cali9"}"#).into(),
            ),
            (
                format!("{ROOT}workloadendpoints/red/../evil"),
                object("WorkloadEndpoint", r#"{"node":"a","interfaceName":"cali9"}"#).into(),
            ),
            (
                format!("{ROOT}workloadendpoints/red/w"),
                object("WorkloadEndpoint", &format!(r#"{{"node":"a","interfaceName":"{text}"}}"#)).into(),
            ),
            (format!("{ROOT}globalnetworksets/x\n2026 ERROR forged"), b"{".to_vec()),
            (format!("{ROOT}globalnetworksets/{}", "k".repeat(100_000)), b"{".to_vec()),
            (
                format!("{ROOT}stagedglobalnetworkpolicies/x"),
                object("StagedGlobalNetworkPolicy", &format!(r#"{{"ingress":[{rules}]}}"#)).into(),
            ),
            (format!("{ROOT}profiles/x"), "[".repeat(LARGE).into()),
            (format!("{ROOT}kubernetesendpointslices/red/x"), object("EndpointSlice", "{}").into()),
            ("/calico/../../x".to_owned(), text.into()),
            (String::new(), vec![]),
        ];
        let log = logged(|| {
            for record in &hostile {
                put(&feed, record);
            }
            let changes = flush(&feed).unwrap();
            assert_eq!(interfaces(&changes), ["cali1"], "whoever was there before is as before");
            assert!(changes.delta.chains.is_empty() && changes.delta.dispatch.is_empty());
        });
        let lines: Vec<&str> = log.lines().collect();
        assert!(lines.iter().all(|line| line.len() < 2_000 && line.contains("WARN")), "{log:.10000}");
        assert!(lines.len() <= 2 * hostile.len() + MOST_FAULTS, "{log:.10000}");
        for told in [
            "workloadendpoints/red/x",
            "`Node` is not WorkloadEndpoint",
            "a-zA-Z0-9_.-",
            "\\n2026 ERROR forged",
        ] {
            assert!(log.contains(told), "{told}\n{log:.10000}");
        }
        // And it is forgotten as it came.
        let log = logged(|| {
            let gone =
                |(key, _): &(String, Vec<u8>)| Event::new(key.clone(), EventKind::Delete, Revision::new(2));
            feed.take(&hostile.iter().map(gone).collect::<Vec<_>>());
            let _ = flush(&feed).unwrap();
        });
        assert_eq!(log, "");
    }

    /// Records of 10 MB, which no store takes by default, but which may be in one: each is told of in a line. What there was
    /// before stays; else a policy closes what it selects, and an endpoint is not there. Others go on.
    #[test]
    fn records_that_are_too_long_close_themselves_alone() {
        let feed = told();
        let rule = r#"{"action":"Allow","source":{"nets":["10.0.0.0/8"]}}"#;
        let rules = vec![rule; 10_000_000 / rule.len()].join(",");
        let policy = |name: &str, rules: &str| {
            let record = format!(
                r#"{{"apiVersion":"projectcalico.org/v3","kind":"GlobalNetworkPolicy","metadata":{{"name":"{name}"}},
                "spec":{{"ingress":[{rules}],"selector":"has({name})"}}}}"#
            );
            (format!("{ROOT}globalnetworkpolicies/{name}"), record.into_bytes())
        };
        let labelled = |name: &str, interface: &str, labels: &str| {
            let (key, record) = endpoint(name, interface, "10.0.0.1");
            let record = String::from_utf8(record).unwrap();
            (key, record.replace(r#""namespace""#, &format!(r#""labels":{{{labels}}},"namespace""#)).into())
        };
        let endpoints = [
            labelled("o", "cali1", r#""old":"""#),
            labelled("p", "cali2", r#""late":"""#),
            labelled("q", "cali3", ""),
        ];
        let [o, p, q] = endpoints;
        begin(&feed, &[o, p, q, policy("old", rule)]);
        let mut program = Program::default();
        program.apply(flush(&feed).unwrap().delta);
        let before = program.dispatch.clone();
        let large = format!(r#""long":"{}""#, "x".repeat(10_000_000));
        let long = [policy("old", &rules), policy("late", &rules), labelled("x", "cali4", &large)];
        let log = logged(|| {
            long.iter().for_each(|record| put(&feed, record));
            let changes = flush(&feed).unwrap();
            program.apply(changes.delta);
            assert_eq!(
                changes.endpoints.map(|endpoints| endpoints.len()),
                Some(3),
                "nobody has come or gone"
            );
        });
        assert_eq!(log.matches("a record has at most 1572864 octets").count(), long.len(), "{log:.3000}");
        assert_eq!(log.lines().count(), long.len(), "{log:.3000}");
        assert!(log.lines().all(|line| line.len() < 600), "{log:.3000}");
        assert_ne!(program.dispatch["cali2"], before["cali2"], "what it selects is closed");
        program.dispatch.insert("cali2".to_owned(), before["cali2"].clone());
        assert_eq!(program.dispatch, before, "others are as before");
    }
}
