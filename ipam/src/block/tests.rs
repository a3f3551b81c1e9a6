//! Golden vectors and arithmetic.

use alloc::collections::BTreeMap;

use super::*;
use crate::span::Spans;

fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

fn text(block: &Block) -> String {
    String::from_utf8(block.encode()).unwrap()
}

fn owner(pod: &str) -> BTreeMap<String, String> {
    BTreeMap::from([(String::from("pod"), String::from(pod))])
}

const NOW: Duration = Duration::new(1_787_918_700, 5);

/// What calico@87c15906f2 libcalico-go/lib/backend/model/block.go makes of a block with every field in use, written
/// by hand after its field tags; times as metav1.Time writes them.
const FULL: &str = concat!(
    r#"{"cidr":"10.0.1.0/30","affinity":"host:myhost","affinity_claim_time":"2026-08-28T12:00:00Z","#,
    r#""allocations":[0,1,null,null],"unallocated":[3,2],"attributes":["#,
    r#"{"handle_id":"k8s-pod-network.abc123","secondary":{"node":"myhost","pod":"nginx"},"#,
    r#""alternateOwnerAttrs":{"pod":"nginx-old"}},"#,
    r#"{"handle_id":null,"secondary":null,"releasedAt":"2026-08-28T12:05:00Z"}],"#,
    r#""sequenceNumber":1787918700000000005,"sequenceNumberForAllocation":{"0":4,"1":1787918700000000004},"#,
    r#""deleted":false}"#
);

#[test]
fn a_block_with_every_field_is_written_as_it_was_read() {
    let block = Block::decode(FULL.as_bytes()).unwrap();
    assert_eq!(text(&block), FULL);
    assert_eq!(block.affinity(), Some(Affinity::host("myhost")));
    assert_eq!(block.claimed_at(), Some(Duration::from_secs(1_787_918_400)));
    let rests: Vec<bool> = block.allocations().map(|allocation| allocation.rests()).collect();
    assert_eq!(rests, [false, true]);
    let held = block.allocation("10.0.1.0".parse().unwrap()).unwrap();
    assert_eq!((held.ordinal, held.sequence), (0, Some(4)));
    assert_eq!(held.handle(), Some("k8s-pod-network.abc123"));
    assert!(!block.is_empty());
}

#[test]
fn a_new_block_as_json() {
    let block = Block::new(net("fd00::/126"), &Affinity::host("a"), NOW).unwrap();
    let want = concat!(
        r#"{"cidr":"fd00::/126","affinity":"host:a","affinity_claim_time":"2026-08-28T12:05:00Z","#,
        r#""allocations":[null,null,null,null],"unallocated":[0,1,2,3],"attributes":null,"#,
        r#""sequenceNumber":1787918700000000005,"sequenceNumberForAllocation":{},"deleted":false}"#
    );
    assert_eq!(text(&block), want);
    assert!(block.is_empty());
}

#[test]
fn what_go_writes_as_null_reads_as_nothing() {
    let stored = concat!(
        r#"{"cidr":"10.0.0.0/31","affinity":null,"affinity_claim_time":null,"allocations":[0,null],"#,
        r#""unallocated":[1],"attributes":[{"handle_id":"h\rold","secondary":null}],"sequenceNumber":0,"#,
        r#""sequenceNumberForAllocation":null,"deleted":false}"#
    );
    let block = Block::decode(stored.as_bytes()).unwrap();
    assert_eq!(block.affinity(), None);
    assert_eq!(block.held_by("h").count(), 1, "cut at the carriage return");
    let empty = r#"{"cidr":"10.0.0.0/32","allocations":[null],"unallocated":[0],"attributes":null}"#;
    assert!(Block::decode(empty.as_bytes()).unwrap().is_empty());
}

#[test]
fn unknown_fields_survive_reading_and_writing() {
    let stored = concat!(
        r#"{"cidr":"10.0.0.0/31","affinity":"host:a","allocations":[0,null],"unallocated":[1],"#,
        r#""attributes":[{"handle_id":"h","secondary":{},"colour":"red"}],"sequenceNumber":7,"#,
        r#""sequenceNumberForAllocation":{"0":6},"deleted":false,"tenant":{"id":[1,2.5,null]}}"#
    );
    let mut block = Block::decode(stored.as_bytes()).unwrap();
    assert_eq!(text(&block), stored);
    block.assign_outside(1, "other", &owner("p"), &Spans::default());
    block.collect(NOW, Duration::ZERO);
    assert!(text(&block).contains(r#""tenant":{"id":[1,2.5,null]}"#));
    assert!(text(&block).contains(r#""colour":"red""#));
}

#[test]
fn the_deprecated_host_affinity_becomes_the_affinity() {
    let stored =
        r#"{"cidr":"10.0.0.0/32","affinity":null,"allocations":[null],"unallocated":[0],"hostAffinity":"a"}"#;
    let block = Block::decode(stored.as_bytes()).unwrap();
    assert_eq!(block.affinity(), Some(Affinity::host("a")));
    assert!(!text(&block).contains("hostAffinity"));
}

#[test]
fn an_unsound_block_is_repaired() {
    let stored = concat!(
        r#"{"cidr":"10.0.0.0/30","affinity":null,"allocations":[5,0,null,null],"unallocated":[9,1,2,2],"#,
        r#""attributes":[{"handle_id":"h","secondary":{}}]}"#
    );
    let mut block = Block::decode(stored.as_bytes()).unwrap();
    assert_eq!(block.unallocated, [2, 3], "out of range, in use and double go; the lost one comes back");
    let held: Vec<_> = block.allocations().map(|found| (found.ordinal, found.handle())).collect();
    assert_eq!(held, [(0, None), (1, Some("h"))]);
    block.release(&[0, 1], NOW, Duration::ZERO);
    assert!(block.is_empty() && block.attributes.len() == 0);
}

#[test]
fn what_is_no_block_is_refused() {
    for stored in [
        "",
        "null",
        "[]",
        "{}",
        r#"{"cidr":"10.0.0.0/33"}"#,
        r#"{"cidr":"10.0.0.0/31","allocations":[null]}"#,
        r#"{"cidr":"10.0.0.0/15","allocations":[]}"#,
        r#"{"cidr":"10.0.0.0/32","allocations":[-1]}"#,
        r#"{"cidr":"10.0.0.0/32","allocations":[null],"unallocated":[4294967296]}"#,
    ] {
        assert!(Block::decode(stored.as_bytes()).is_err(), "{stored}");
    }
    assert_eq!(Block::new(net("10.0.0.0/15"), &Affinity::host("a"), NOW), None);
    assert_eq!(Block::new(net("10.0.0.0/16"), &Affinity::host("a"), NOW).unwrap().free(), 65_536);
}

#[test]
fn ordinals() {
    for (cidr, ordinal, address) in [
        ("10.0.0.64/30", 0, "10.0.0.64"),
        ("10.0.0.64/30", 3, "10.0.0.67"),
        ("10.0.0.64/32", 0, "10.0.0.64"),
        ("10.0.128.0/17", 256, "10.0.129.0"),
        ("255.255.255.252/30", 3, "255.255.255.255"),
        ("ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffc/126", 3, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
    ] {
        let block = Block::new(net(cidr), &Affinity::host("a"), NOW).unwrap();
        let address: IpAddr = address.parse().unwrap();
        assert_eq!(block.address(ordinal), Some(address));
        assert_eq!(block.ordinal(address), Some(ordinal));
        assert_eq!(block.address(block.capacity()), None);
    }
    let block = Block::new(net("10.0.0.64/30"), &Affinity::host("a"), NOW).unwrap();
    assert_eq!(block.ordinal("10.0.0.68".parse().unwrap()), None);
    assert_eq!(block.ordinal("::a00:40".parse().unwrap()), None);
}

#[test]
fn no_address_rests_for_less_than_the_cooldown() {
    let cooldown = Duration::from_secs(5);
    let mut block = Block::new(net("10.0.0.0/32"), &Affinity::host("a"), NOW).unwrap();
    block.assign_outside(1, "h", &owner("p"), &Spans::default());
    let released = Duration::new(NOW.as_secs(), 999_999_999);
    block.release(&[0], released, cooldown);
    assert!(!block.is_empty() && block.held_by("h").next().is_none());
    for tenths in 0..80 {
        let later = released + Duration::from_millis(100 * tenths);
        let mut block = block.clone();
        block.collect(later, cooldown);
        assert!(block.free() == 0 || later >= released + cooldown, "free after {tenths} tenths");
    }
    block.collect(released + cooldown + Duration::from_secs(1), cooldown);
    assert_eq!(block.free(), 1);
}

#[test]
fn windows_addresses_do_not_count() {
    let stored = concat!(
        r#"{"cidr":"10.0.0.0/31","affinity":"host:w","allocations":[0,null],"unallocated":[1],"#,
        r#""attributes":[{"handle_id":"Windows-Reserved-IPAM-Handle","secondary":{"note":"windows host rsvd"}}]}"#
    );
    assert!(Block::decode(stored.as_bytes()).unwrap().is_empty());
}
