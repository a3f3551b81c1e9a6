//! Tiers, and drafts of policies.

use tortie_policy::model::{StagedGlobalNetworkPolicySpec, StagedNetworkPolicySpec, TierSpec};
use tortie_policy::{
    ChainKey, Consulted, Direction, Host, Inputs, PolicyKey, PolicyKind, Program, Verdict, compile, resolve,
};

use crate::{DB, OTHER, WEB, allows, ask, denies, insert, tcp, world};

fn tier(inputs: &mut Inputs, name: &str, spec: &str) -> usize {
    let spec: TierSpec = serde_json::from_str(spec).unwrap();
    inputs.insert_tier(name, &spec).len()
}

/// The tiers that were consulted for a packet to the database, in order.
fn consulted(inputs: &Inputs) -> Vec<String> {
    let evaluation = ask(inputs, &tcp(WEB, DB, 80));
    let end = evaluation.trace.end(Direction::Ingress).unwrap();
    let name = |consulted: &Consulted| match consulted {
        Consulted::Tier { name, .. } => Some(name.to_string()),
        _ => None,
    };
    end.consulted.iter().filter_map(name).collect()
}

const PASS: &str = r#""ingress": [{ "action": "Pass" }]"#;

#[test]
fn tiers_are_sorted_by_order_then_name_and_unknown_ones_come_last() {
    let mut inputs = world();
    for (name, order) in [("b", "7"), ("a", "7"), ("early", "-1"), ("unsorted", "null"), ("late", "1e9")] {
        assert_eq!(tier(&mut inputs, name, &format!(r#"{{ "order": {order} }}"#)), 0);
    }
    for name in
        ["unsorted", "nowhere", "kube-baseline", "late", "b", "a", "kube-admin", "early", "default", "absent"]
    {
        let spec = format!(r#"{{ "tier": "{name}", {PASS} }}"#);
        assert_eq!(insert(&mut inputs, &format!("of-{name}"), &spec), 0);
    }
    let want = [
        "early",
        "a",
        "b",
        "kube-admin",
        "default",
        "kube-baseline",
        "late",
        "unsorted",
        "absent",
        "nowhere",
    ];
    assert_eq!(consulted(&inputs), want);
    let unknown: Vec<_> =
        inputs.policies_of_unknown_tiers().map(|(key, tier)| format!("{key} {tier}")).collect();
    assert_eq!(unknown, ["GlobalNetworkPolicy of-absent absent", "GlobalNetworkPolicy of-nowhere nowhere"]);
    // All passed: the profiles decide.
    allows(&inputs, WEB, DB, 80);
    // The tier appears.
    assert_eq!(tier(&mut inputs, "nowhere", r#"{ "order": -5 }"#), 0);
    assert_eq!(consulted(&inputs)[0], "nowhere");
    assert!(inputs.remove_tier("nowhere"));
    assert_eq!(consulted(&inputs), want);
}

#[test]
fn the_default_action_of_a_tier_ends_it() {
    let udp = r#""ingress": [{ "action": "Allow", "protocol": "UDP" }]"#;
    let with = |name: &str, spec: Option<&str>| {
        let mut inputs = world();
        if let Some(spec) = spec {
            assert_eq!(tier(&mut inputs, name, spec), 0);
        }
        assert_eq!(insert(&mut inputs, "p", &format!(r#"{{ "tier": "{name}", {udp} }}"#)), 0);
        inputs
    };
    denies(&with("t", Some("{}")), WEB, DB, 80);
    denies(&with("t", Some(r#"{ "defaultAction": "Deny" }"#)), WEB, DB, 80);
    allows(&with("t", Some(r#"{ "defaultAction": "Pass" }"#)), WEB, DB, 80);
    denies(&with("default", None), WEB, DB, 80);
    allows(&with("kube-admin", None), WEB, DB, 80);
    allows(&with("kube-baseline", None), WEB, DB, 80);
    denies(&with("unknown", None), WEB, DB, 80);
    // What is wrong denies, and what is always there stays as it is.
    let mut inputs = with("t", None);
    assert_eq!(tier(&mut inputs, "t", r#"{ "defaultAction": "Allow" }"#), 1);
    denies(&inputs, WEB, DB, 80);
    let mut inputs = with("default", None);
    assert_eq!(tier(&mut inputs, "default", r#"{ "order": 1, "defaultAction": "Pass" }"#), 2);
    denies(&inputs, WEB, DB, 80);
    assert!(!inputs.remove_tier("default"));
    // Pass goes to the next tier, past the rest of its own; there, what is not matched is denied.
    let mut inputs = with("kube-admin", None);
    assert_eq!(
        insert(
            &mut inputs,
            "a",
            r#"{ "tier": "kube-admin", "order": 1, "ingress": [{ "action": "Pass" }] }"#
        ),
        0
    );
    assert_eq!(
        insert(
            &mut inputs,
            "b",
            r#"{ "tier": "kube-admin", "order": 2, "ingress": [{ "action": "Deny" }] }"#
        ),
        0
    );
    allows(&inputs, WEB, DB, 80);
    assert_eq!(insert(&mut inputs, "c", r#"{ "ingress": [] }"#), 0);
    denies(&inputs, WEB, DB, 80);
}

/// The kernel counts every step from chain to chain, and refuses the sixteenth.
#[test]
fn chains_nest_no_deeper_with_more_tiers() {
    let mut inputs = world();
    for index in 0..40 {
        assert_eq!(tier(&mut inputs, &format!("t{index}"), &format!(r#"{{ "order": {index} }}"#)), 0);
        let spec = format!(
            r#"{{ "tier": "t{index}", "ingress": [{{ "action": "Deny", "protocol": "TCP", "destination": {{ "ports": [{}] }} }},
                {{ "action": "Pass" }}] }}"#,
            1000 + index
        );
        assert_eq!(insert(&mut inputs, &format!("p{index}"), &spec), 0);
        let spec = format!(r#"{{ "tier": "t{index}", "order": 1, "ingress": [{{ "action": "Log" }}] }}"#);
        assert_eq!(insert(&mut inputs, &format!("q{index}"), &spec), 0);
    }
    allows(&inputs, WEB, DB, 80);
    denies(&inputs, WEB, DB, 1039);
    let program = compile(&resolve(&inputs, &Host::new("host"), |_| true));
    fn depth(program: &Program, key: &ChainKey) -> usize {
        use tortie_policy::StepAction::{Goto, Jump};
        let steps = &program.chain(key).unwrap().steps;
        let next = steps.iter().filter_map(|step| match &step.action {
            Jump(key) | Goto(key) => Some(depth(program, key)),
            _ => None,
        });
        1 + next.max().unwrap_or(0)
    }
    let deepest = program.dispatch.values().map(|chains| depth(&program, &chains.ingress)).max().unwrap();
    assert!(deepest <= Program::MAX_DEPTH, "{deepest}");
}

/// What there is no chain for, the kernel need not go through when a rule changes.
#[test]
fn few_rules_of_the_only_policy_stand_in_the_chain_of_their_tier() {
    let chains = |inputs: &Inputs| {
        let program = compile(&resolve(inputs, &Host::new("host"), |_| true));
        program.chains.keys().filter(|key| matches!(key, ChainKey::Policy { .. })).count()
    };
    for (count, wanted) in [(1, 0), (16, 0), (17, 1)] {
        let mut inputs = world();
        let rule = |port| {
            format!(r#"{{ "action": "Allow", "protocol": "TCP", "destination": {{ "ports": [{port}] }} }}"#)
        };
        let rules: Vec<_> = (80..80 + count).map(rule).collect();
        assert_eq!(insert(&mut inputs, "p", &format!(r#"{{ "ingress": [{}] }}"#, rules.join(","))), 0);
        assert_eq!(chains(&inputs), wanted, "{count} rules");
        allows(&inputs, WEB, DB, 79 + count);
        denies(&inputs, WEB, DB, 80 + count);
        assert_eq!(insert(&mut inputs, "q", &format!(r#"{{ "ingress": [{}] }}"#, rule(443))), 0);
        assert_eq!(chains(&inputs), 2, "{count} rules, and another policy");
        allows(&inputs, WEB, DB, 443);
    }
}

fn draft(inputs: &mut Inputs, name: &str, spec: &str) -> usize {
    match name.split_once('/') {
        Some((namespace, name)) => {
            let spec: StagedNetworkPolicySpec = serde_json::from_str(spec).unwrap();
            let key = PolicyKey::of_kind(PolicyKind::StagedNetworkPolicy, Some(namespace), name);
            inputs.insert_policy(key, &spec).len()
        }
        None => {
            let spec: StagedGlobalNetworkPolicySpec = serde_json::from_str(spec).unwrap();
            let key = PolicyKey::of_kind(PolicyKind::StagedGlobalNetworkPolicy, None, name);
            inputs.insert_policy(key, &spec).len()
        }
    }
}

/// What would be said with staged policies enforced; `None` if they make no difference.
fn staged(inputs: &Inputs) -> Option<(Verdict, String)> {
    let evaluation = ask(inputs, &tcp(OTHER, DB, 80));
    let end = evaluation.trace.end(Direction::Ingress).unwrap();
    end.staged.as_ref().map(|staged| (staged.verdict, staged.decided_by.to_string()))
}

#[test]
fn drafts_are_told_but_not_enforced() {
    let (allow, deny) = (Verdict::Allow, Verdict::Deny);
    // A tier with drafts only does not end with its default action.
    let mut inputs = world();
    assert_eq!(draft(&mut inputs, "shop/p", r#"{ "ingress": [] }"#), 0);
    allows(&inputs, OTHER, DB, 80);
    assert_eq!(staged(&inputs), Some((deny, "end of tier default".to_string())));
    assert!(ask(&inputs, &tcp(OTHER, DB, 80)).to_string().contains("with staged policies enforced: deny"));
    // A draft takes the place of the policy of its name, and of no other.
    assert_eq!(insert(&mut inputs, "shop/p", r#"{ "ingress": [{ "action": "Allow" }] }"#), 0);
    allows(&inputs, OTHER, DB, 80);
    assert_eq!(staged(&inputs), Some((deny, "end of tier default".to_string())));
    assert_eq!(
        draft(&mut inputs, "shop/p", r#"{ "stagedAction": "Learn", "ingress": [{ "action": "Deny" }] }"#),
        0
    );
    assert_eq!(staged(&inputs), Some((deny, "StagedNetworkPolicy shop/p ingress[0]".to_string())));
    assert_eq!(
        draft(&mut inputs, "shop/p", r#"{ "stagedAction": "Ignore", "ingress": [{ "action": "Deny" }] }"#),
        0
    );
    assert_eq!(staged(&inputs), None);
    // To be deleted: as if it were gone.
    assert_eq!(insert(&mut inputs, "shop/p", r#"{ "ingress": [{ "action": "Deny" }] }"#), 0);
    assert_eq!(draft(&mut inputs, "shop/p", r#"{ "stagedAction": "Delete" }"#), 0);
    denies(&inputs, OTHER, DB, 80);
    assert_eq!(staged(&inputs), Some((allow, "Profile kns.bank ingress[0]".replace("bank", "shop"))));
    // One of another kind, or namespace, is not meant.
    assert_eq!(draft(&mut inputs, "bank/p", r#"{ "stagedAction": "Delete" }"#), 0);
    assert_eq!(draft(&mut inputs, "p", r#"{ "stagedAction": "Delete" }"#), 0);
    assert!(inputs.remove_policy(&PolicyKey::of_kind(PolicyKind::StagedNetworkPolicy, Some("shop"), "p")));
    assert_eq!(staged(&inputs), None);
    // A draft that is invalid would deny; it does not.
    let mut inputs = world();
    assert_eq!(draft(&mut inputs, "p", r#"{ "ingress": [{ "action": "Alow" }] }"#), 1);
    allows(&inputs, OTHER, DB, 80);
    assert_eq!(staged(&inputs), Some((deny, "StagedGlobalNetworkPolicy p is invalid".to_string())));
}
