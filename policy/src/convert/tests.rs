//! Faults and forms from `tests/testdata`.

use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::{String, ToString};

use serde::Deserialize;

use super::*;
use crate::key::{PolicyKey, PolicyKind};
use crate::model::{
    GlobalNetworkPolicySpec, GlobalNetworkSetSpec, HostEndpointSpec, NetworkPolicySpec, ProfileSpec,
    StagedGlobalNetworkPolicySpec, StagedNetworkPolicySpec,
};

#[derive(Deserialize)]
struct File {
    case: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    kind: String,
    spec: String,
    name: Option<String>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    want: Option<Vec<String>>,
    written: Option<String>,
    error: Option<String>,
}

fn cases(text: &str) -> Vec<Case> {
    let file: File = toml::from_str(text).unwrap();
    assert!(file.case.len() > 10);
    file.case
}

fn faults(case: &Case) -> Vec<FieldError> {
    match case.kind.as_str() {
        "NetworkPolicy" => serde_json::from_str::<NetworkPolicySpec>(&case.spec).unwrap().validate(),
        "GlobalNetworkPolicy" => {
            serde_json::from_str::<GlobalNetworkPolicySpec>(&case.spec).unwrap().validate()
        }
        "Profile" => {
            let name = case.name.as_deref().unwrap_or("unnamed");
            serde_json::from_str::<ProfileSpec>(&case.spec).unwrap().validate(name)
        }
        "StagedNetworkPolicy" => {
            serde_json::from_str::<StagedNetworkPolicySpec>(&case.spec).unwrap().validate()
        }
        "StagedGlobalNetworkPolicy" => {
            serde_json::from_str::<StagedGlobalNetworkPolicySpec>(&case.spec).unwrap().validate()
        }
        "Tier" => {
            let name = case.name.as_deref().unwrap_or("security");
            serde_json::from_str::<TierSpec>(&case.spec).unwrap().validate(name)
        }
        "HostEndpoint" => serde_json::from_str::<HostEndpointSpec>(&case.spec).unwrap().validate(),
        "GlobalNetworkSet" => {
            serde_json::from_str::<GlobalNetworkSetSpec>(&case.spec).unwrap().validate(&case.labels)
        }
        other => panic!("{other}"),
    }
}

/// Name of a kind of fault. No wildcard: a new kind needs a name here, and a case in [`KINDS`].
fn name(kind: &FieldErrorKind) -> &'static str {
    match kind {
        FieldErrorKind::UnknownField => "UnknownField",
        FieldErrorKind::Selector { .. } => "Selector",
        FieldErrorKind::CombinedSelector { .. } => "CombinedSelector",
        FieldErrorKind::SelectorTooLong { .. } => "SelectorTooLong",
        FieldErrorKind::MisplacedGlobal => "MisplacedGlobal",
        FieldErrorKind::Net { .. } => "Net",
        FieldErrorKind::PrefixTooLong { .. } => "PrefixTooLong",
        FieldErrorKind::MixedFamilies => "MixedFamilies",
        FieldErrorKind::ExcludesAll => "ExcludesAll",
        FieldErrorKind::TooMany { .. } => "TooMany",
        FieldErrorKind::Action { .. } => "Action",
        FieldErrorKind::PolicyType { .. } => "PolicyType",
        FieldErrorKind::Duplicate => "Duplicate",
        FieldErrorKind::IpVersion { .. } => "IpVersion",
        FieldErrorKind::Protocol { .. } => "Protocol",
        FieldErrorKind::ProtocolZero => "ProtocolZero",
        FieldErrorKind::ProtocolOfOtherFamily => "ProtocolOfOtherFamily",
        FieldErrorKind::PortsWithoutProtocol => "PortsWithoutProtocol",
        FieldErrorKind::PortRange { .. } => "PortRange",
        FieldErrorKind::PortName => "PortName",
        FieldErrorKind::IcmpWithoutProtocol => "IcmpWithoutProtocol",
        FieldErrorKind::IcmpType { .. } => "IcmpType",
        FieldErrorKind::IcmpCode { .. } => "IcmpCode",
        FieldErrorKind::IcmpCodeWithoutType => "IcmpCodeWithoutType",
        FieldErrorKind::MisplacedHttp => "MisplacedHttp",
        FieldErrorKind::HttpPathForm => "HttpPathForm",
        FieldErrorKind::HttpPath { .. } => "HttpPath",
        FieldErrorKind::ServiceName => "ServiceName",
        FieldErrorKind::ServiceNamespace => "ServiceNamespace",
        FieldErrorKind::MisplacedServices => "MisplacedServices",
        FieldErrorKind::ExcludesServices => "ExcludesServices",
        FieldErrorKind::ExcludesNodes => "ExcludesNodes",
        FieldErrorKind::ServiceAccount { .. } => "ServiceAccount",
        FieldErrorKind::DefaultAction { .. } => "DefaultAction",
        FieldErrorKind::BuiltInTier => "BuiltInTier",
        FieldErrorKind::BuiltInProfile => "BuiltInProfile",
        FieldErrorKind::StagedAction { .. } => "StagedAction",
        FieldErrorKind::StagedDelete => "StagedDelete",
        FieldErrorKind::OtherKind { .. } => "OtherKind",
        FieldErrorKind::NodeName => "NodeName",
        FieldErrorKind::NoInterface => "NoInterface",
        FieldErrorKind::InterfaceName { .. } => "InterfaceName",
        FieldErrorKind::Address { .. } => "Address",
        FieldErrorKind::PortProtocol => "PortProtocol",
        FieldErrorKind::OrderNotANumber => "OrderNotANumber",
        FieldErrorKind::Namespace { .. } => "Namespace",
        FieldErrorKind::ReservedLabel => "ReservedLabel",
        FieldErrorKind::UntrackedAndPreDnat => "UntrackedAndPreDnat",
        FieldErrorKind::PreDnatEgress => "PreDnatEgress",
        FieldErrorKind::NeedsApplyOnForward => "NeedsApplyOnForward",
        // Kinds that documents of Kubernetes alone have: tests/kubernetes/faults.rs produces them all.
        FieldErrorKind::NotOneOf { .. }
        | FieldErrorKind::ExactlyOne { .. }
        | FieldErrorKind::Empty
        | FieldErrorKind::LabelSelector { .. }
        | FieldErrorKind::Priority { .. }
        | FieldErrorKind::PortNumber { .. }
        | FieldErrorKind::NeedsPort
        | FieldErrorKind::DomainNames
        | FieldErrorKind::NamedPortOfNoPod => "Kubernetes",
    }
}

/// How many kinds [`name`] knows.
const KINDS: usize = 50;

/// Faults that JSON of a readable size cannot show.
fn faults_in_code() -> Vec<(String, FieldError)> {
    let mut found = Vec::new();
    let mut case = |want: &str, spec: NetworkPolicySpec| {
        let mut faults = spec.validate();
        assert_eq!(faults.len(), 1, "{faults:?}");
        found.push((want.to_string(), faults.remove(0)));
    };
    let allow = || model::Rule::new(Action::Allow);
    let base = NetworkPolicySpec::default;
    case("spec.order: order is not a number", NetworkPolicySpec { order: Some(f64::NAN), ..base() });
    let selector = Some(format!("a == '{}'", "x".repeat(1018)));
    case(
        "spec.selector: selector has 1025 characters, 1024 are allowed",
        NetworkPolicySpec { selector, ..base() },
    );
    case(
        "spec.ingress: has 1025 items, 1024 are allowed",
        NetworkPolicySpec { ingress: vec![allow(); 1025], ..base() },
    );
    let mut rule = allow();
    rule.source.not_nets = vec!["10.0.0.0/8".to_string(); 257];
    case(
        "spec.ingress[0].source.notNets: has 257 items, 256 are allowed",
        NetworkPolicySpec { ingress: vec![rule], ..base() },
    );
    let mut rule = allow();
    rule.protocol = Some(model::Protocol::Number(6));
    rule.destination.ports = vec![model::Port::Number(1); 51];
    case(
        "spec.egress[0].destination.ports: has 51 items, 50 are allowed",
        NetworkPolicySpec { egress: vec![rule.clone()], ..base() },
    );
    rule.destination.ports = vec![model::Port::Range { min: 2, max: 1 }];
    case(
        "spec.egress[0].destination.ports[0]: port range 2:1 ends before it begins",
        NetworkPolicySpec { egress: vec![rule.clone()], ..base() },
    );
    rule.destination.ports = vec![model::Port::Named("a b".to_string())];
    case(
        "spec.egress[0].destination.ports[0]: is no port name: expected 1 to 128 of [a-zA-Z0-9_.-]",
        NetworkPolicySpec { egress: vec![rule], ..base() },
    );
    let mut rule = allow();
    rule.source.namespace_selector = Some(format!("has({})", "x".repeat(512)));
    case(
        "spec.ingress[0].source.selector: selector is too large in combination with its namespace: label of 517 bytes \
         exceeds 512 at byte 0",
        NetworkPolicySpec { ingress: vec![rule], ..base() },
    );
    let converted = namespaced_policy(&PolicyKey::namespaced("'\"", "x").into(), None, &base());
    let want = r#"metadata.namespace: namespace "'\"" cannot be quoted in a selector"#;
    found.extend(converted.errors.into_iter().map(|error| (want.to_string(), error)));
    assert!(converted.value.selector.is_none(), "it governs nothing");
    let mut inputs = crate::Inputs::new();
    let key = PolicyKey::of_kind(PolicyKind::GlobalNetworkPolicy, Some("shop"), "x");
    let faults = inputs.insert_policy(key, &base());
    let kind = "does not belong to a GlobalNetworkPolicy";
    let want = [format!("spec: {kind}"), format!("metadata.namespace: {kind}")];
    assert_eq!(faults.len(), want.len());
    found.extend(want.into_iter().zip(faults));
    let ingress =
        |rule: model::Rule| NetworkPolicySpec { ingress: vec![rule], ..base() }.validate().remove(0);
    let mut rule = allow();
    rule.source.node_selector = Some("has(x)".to_string());
    rule.source.selector = Some("has(x)".to_string());
    found.push(("spec.ingress[0].source.selector: excludes a selector of nodes".to_string(), ingress(rule)));
    let mut rule = allow();
    let names = vec!["a".to_string(), "b'\"".to_string()];
    rule.source.service_accounts = Some(model::ServiceAccountMatch { names, ..Default::default() });
    let want = r#"spec.ingress[0].source.serviceAccounts.names[1]: service account "b'\"" cannot be quoted in a selector"#;
    found.push((want.to_string(), ingress(rule)));
    found
}

#[test]
fn every_fault_is_named_with_its_path() {
    let mut seen = BTreeSet::new();
    for case in cases(include_str!("../../tests/testdata/faults.toml")) {
        let faults = faults(&case);
        seen.extend(faults.iter().map(|fault| name(fault.kind())));
        let found: Vec<_> = faults.iter().map(ToString::to_string).collect();
        assert_eq!(Some(found), case.want, "{}", case.spec);
        for fault in faults {
            assert_eq!(
                fault.render_selector().is_some(),
                matches!(fault.kind(), FieldErrorKind::Selector { .. })
            );
        }
    }
    for (want, fault) in faults_in_code() {
        assert_eq!(fault.to_string(), want);
        seen.insert(name(fault.kind()));
    }
    assert_eq!(seen.len(), KINDS, "{seen:?}");
}

#[test]
fn specs_are_written_as_they_were_read() {
    fn again<T: for<'de> Deserialize<'de> + serde::Serialize>(text: &str) -> Result<String, String> {
        let spec = serde_json::from_str::<T>(text).map_err(|error| error.to_string())?;
        serde_json::to_string(&spec).map_err(|error| error.to_string())
    }
    for case in cases(include_str!("../../tests/testdata/forms.toml")) {
        let got = match case.kind.as_str() {
            "NetworkPolicy" => again::<NetworkPolicySpec>(&case.spec),
            "GlobalNetworkPolicy" => again::<GlobalNetworkPolicySpec>(&case.spec),
            "Profile" => again::<ProfileSpec>(&case.spec),
            "StagedNetworkPolicy" => again::<StagedNetworkPolicySpec>(&case.spec),
            "StagedGlobalNetworkPolicy" => again::<StagedGlobalNetworkPolicySpec>(&case.spec),
            "Tier" => again::<TierSpec>(&case.spec),
            "HostEndpoint" => again::<HostEndpointSpec>(&case.spec),
            "GlobalNetworkSet" => again::<GlobalNetworkSetSpec>(&case.spec),
            other => panic!("{other}"),
        };
        let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        match (got, case.error) {
            (Ok(got), None) => {
                assert_eq!(value(&got), value(case.written.as_ref().unwrap_or(&case.spec)), "{}", case.spec);
            }
            (Err(got), Some(want)) => assert!(got.starts_with(&want), "{got}\n{want}"),
            (got, want) => panic!("{}: {got:?}, {want:?}", case.spec),
        }
    }
}
