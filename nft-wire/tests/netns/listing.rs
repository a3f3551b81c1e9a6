//! Rules: `nft` lists each as its vector says, as text and as JSON, and what `nft` itself sends for that text means the same.

use std::collections::{BTreeMap, HashMap};
use std::process::Command;

use serde_json::Value;
use tortie_nft_wire::expr::BitwiseOp;
use tortie_nft_wire::{Batch, CommitError, Element, Entry, Expr, Family, Set, Socket};

use crate::rules::{Vector, vectors};
use crate::spoken::spoken;
use crate::{must, name, namespaced, rule};

const FAMILIES: [(Family, &str, &str); 6] = [
    (Family::INET, "inet", include_str!("../testdata/ground/inet.nft")),
    (Family::IPV4, "ip", include_str!("../testdata/ground/ip.nft")),
    (Family::IPV6, "ip6", include_str!("../testdata/ground/ip6.nft")),
    (Family::ARP, "arp", include_str!("../testdata/ground/arp.nft")),
    (Family::BRIDGE, "bridge", include_str!("../testdata/ground/bridge.nft")),
    (Family::NETDEV, "netdev", include_str!("../testdata/ground/netdev.nft")),
];

/// How `nft -j` lists the expressions of each rule: by `family chain | text`, where `*` is every family but inet.
fn json() -> HashMap<&'static str, Value> {
    let lines: Vec<&str> = include_str!("../testdata/listing.txt").lines().collect();
    lines.chunks(2).map(|pair| (pair[0], serde_json::from_str(pair[1]).unwrap())).collect()
}

/// A batch of one rule and the sets that it brings.
fn batch(vector: &Vector) -> Batch {
    let mut batch = Batch::new();
    for (set, elements) in &vector.sets {
        batch.add(vector.family, set).unwrap();
        batch.add_elements(vector.family, set, elements).unwrap();
    }
    batch.add(vector.family, &vector.rule()).unwrap();
    batch
}

fn nft_takes(line: &str) -> bool {
    Command::new("nft").arg(line).output().unwrap().status.success()
}

/// Commits the rules of a family, and says which the kernel took. What it does not take it does not take from `nft` either.
fn commit(family: &str, vectors: &[Vector]) -> Vec<Vector> {
    let mut socket = Socket::open().unwrap();
    let mut taken = Vec::new();
    for vector in vectors {
        match socket.commit(&mut batch(vector)) {
            Ok(()) => taken.push(vector.clone()),
            Err(CommitError::Refused(refusals)) => {
                let line = format!("add rule {family} t {} {}", vector.chain, vector.said);
                assert!(!nft_takes(&line), "only ours is refused: {line}: {refusals:?}");
                println!("this kernel does not take: {family} {}", vector.text);
            }
            Err(error) => panic!("{family} {}: {error}", vector.text),
        }
    }
    taken
}

/// The rules of each chain, as `nft` lists them.
fn listed_rules(family: &str) -> BTreeMap<String, Vec<String>> {
    let (mut chains, mut chain) = (BTreeMap::<String, Vec<String>>::new(), None);
    for line in must("nft", &["-y", "-n", "list", "table", family, "t"]).lines().map(str::trim) {
        match (line.strip_prefix("chain ").and_then(|rest| rest.strip_suffix(" {")), &chain) {
            (Some(name), _) => chain = Some(name.to_owned()),
            (None, Some(_)) if line == "}" => chain = None,
            (None, Some(name)) if !line.starts_with("type ") => {
                chains.entry(name.clone()).or_default().push(line.to_owned());
            }
            _ => {}
        }
    }
    chains
}

#[test]
fn netns_nft_lists_each_rule_as_its_vector_says() {
    namespaced("netns_nft_lists_each_rule_as_its_vector_says", &["nft"], || {
        let json = json();
        let (mut compared, mut refused) = (0, 0);
        for (family, word, ground) in FAMILIES {
            crate::load(ground);
            let all: Vec<Vector> = vectors().into_iter().filter(|vector| vector.family == family).collect();
            let taken = commit(word, &all);
            refused += all.len() - taken.len();
            let listed = listed_rules(word);
            let whole: Value =
                serde_json::from_str(&must("nft", &["-y", "-n", "-j", "list", "table", word, "t"])).unwrap();
            let rules: Vec<&Value> =
                whole["nftables"].as_array().unwrap().iter().filter_map(|entry| entry.get("rule")).collect();
            for (chain, lines) in &listed {
                let mine: Vec<&Vector> = taken.iter().filter(|vector| vector.chain == chain).collect();
                assert_eq!(
                    mine.iter().map(|vector| vector.text).collect::<Vec<_>>(),
                    *lines,
                    "{word} {chain}"
                );
                let told = rules.iter().filter(|rule| rule["chain"] == **chain);
                for (vector, told) in mine.iter().zip(told) {
                    let text = format!("{chain} | {}", vector.text);
                    let want =
                        json.get(&*format!("{word} {text}")).or_else(|| json.get(&*format!("* {text}")));
                    assert_eq!(want, Some(&told["expr"]), "{word} {text}");
                    compared += 1;
                }
            }
        }
        println!(
            "{compared} rules are listed as they should be, as text and as JSON; this kernel lacks {refused}"
        );
        assert!(compared > 400, "{compared}");
    });
}

/// What a rule means: its expressions without the numbers and names of its anonymous sets, and those sets.
#[derive(Debug, PartialEq)]
struct Meaning {
    exprs: Vec<Expr>,
    comment: Option<Vec<u8>>,
    sets: Vec<(Set, Vec<Element>)>,
}

fn meaning(mut exprs: Vec<Expr>, comment: Option<&[u8]>, sets: &[(Set, Vec<Element>)]) -> Meaning {
    let mut used = Vec::new();
    for expr in &mut exprs {
        let (set, id) = match expr {
            Expr::Lookup(lookup) => (Some(&mut lookup.set), &mut lookup.set_id),
            Expr::Objref(objref) => (objref.set.as_mut(), &mut objref.set_id),
            Expr::Dynset(dynset) => (Some(&mut dynset.set), &mut dynset.set_id),
            Expr::Bitwise(bitwise) => {
                // Said or not, it is the same.
                bitwise.op.get_or_insert(BitwiseOp::MASK_XOR);
                continue;
            }
            _ => continue,
        };
        let id = id.take();
        if let Some(set) = set.filter(|set| set.as_bytes().starts_with(b"__")) {
            *set = name("anonymous");
            let (set, elements) = sets.iter().find(|(set, _)| set.id == id).unwrap();
            let mut elements = elements.clone();
            elements.sort_by_key(|element| format!("{element:?}"));
            // nft tells itself more about a set than the order of its keys.
            let set = Set { id: None, name: name("anonymous"), userdata: None, ..set.clone() };
            used.push((set, elements));
        }
    }
    Meaning { exprs, comment: comment.map(<[u8]>::to_vec), sets: used }
}

#[test]
fn netns_what_nft_sends_means_the_same() {
    namespaced("netns_what_nft_sends_means_the_same", &["nft", "strace"], || {
        let mut compared = 0;
        for (family, word, ground) in FAMILIES {
            crate::load(ground);
            let all: Vec<Vector> = vectors().into_iter().filter(|vector| vector.family == family).collect();
            let text: String = all
                .iter()
                .map(|vector| format!("add rule {word} t {} {}\n", vector.chain, vector.said))
                .collect();
            let (mut sets, mut rules) = (Vec::new(), Vec::new());
            for message in spoken(&text) {
                assert_eq!(message.family, family);
                match message.entry {
                    Entry::Set(set) => sets.push((set, Vec::new())),
                    Entry::Elements { elements, .. } => sets.last_mut().unwrap().1.extend(elements),
                    Entry::Rule(rule) => rules.push(rule),
                    other => panic!("{other:?}"),
                }
            }
            assert_eq!(rules.len(), all.len(), "{word}");
            for (vector, said) in all.iter().zip(rules) {
                let ours = vector.rule();
                let want = meaning(ours.exprs, ours.userdata.as_deref(), &vector.sets);
                assert_eq!(
                    meaning(said.exprs, said.userdata.as_deref(), &sets),
                    want,
                    "{word} {}",
                    vector.text
                );
                compared += 1;
            }
        }
        println!("{compared} rules of nft's own bytes are read as the vectors say");
        assert!(compared > 400, "{compared}");
    });
}

/// What this crate does not know is kept, and can be written again. (But for `osf`, whose own listing the kernel refuses.)
#[test]
fn netns_what_is_not_known_is_kept() {
    const UNKNOWN: [(&str, &str); 6] = [
        ("inet t input", "synproxy mss 1460 wscale 7 timestamp sack-perm"),
        ("inet t input", "ipsec in reqid 1"),
        ("ip t pre", "dup to 10.0.0.1"),
        ("netdev t ing", "dup to \"lo\""),
        ("netdev t ing", "fwd to \"lo\""),
        ("netdev t ing", "fwd ip to 10.0.0.1 device \"lo\""),
    ];
    namespaced("netns_what_is_not_known_is_kept", &["nft"], || {
        FAMILIES.into_iter().for_each(|(_, _, ground)| crate::load(ground));
        for (place, text) in UNKNOWN {
            must("nft", &["add", "rule", &format!("{place} {text}")]);
        }
        let before = crate::listed();
        let mut socket = Socket::open().unwrap();
        let rules = socket.list(Family::new(0), tortie_nft_wire::Listing::Rules).unwrap();
        assert_eq!(rules.len(), UNKNOWN.len());
        let mut batch = Batch::new();
        for (family, chain) in [(Family::INET, "input"), (Family::IPV4, "pre"), (Family::NETDEV, "ing")] {
            batch.delete(family, &rule(chain)).unwrap();
        }
        for (family, entry) in rules {
            let Entry::Rule(mut rule) = entry else { panic!("{entry:?}") };
            assert!(rule.exprs.iter().any(|expr| matches!(expr, Expr::Other { .. })), "{rule:?}");
            (rule.handle, rule.position) = (None, None);
            batch.add(family, &rule).unwrap();
        }
        socket.commit(&mut batch).unwrap();
        assert_eq!(crate::listed(), before);
    });
}
