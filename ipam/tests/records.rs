//! Records in the shapes in which Calico stores them, each read and written again.
//!
//! Shapes, not contents: names, addresses and numbers are made up. What the shapes are was seen in two places:
//!
//! - projectcalico/calico, libcalico-go/lib/backend/model (block.go, block_affinity.go, ipam_handle.go, ipam_config.go):
//!   fields, their order, and which are left out; lib/ipam/ipam_block.go: `newBlock` leaves `attributes` nil, and deleting
//!   the last makes them an empty list; owners that are set to nothing are nil maps. Go writes nil as `null`.
//! - what `etcdctl get /calico/ipam/v2/...` and `kubectl get ipamblocks -o yaml` print, as users published it. Until
//!   2019 or so blocks had `strictAffinity` and no `deleted`, and owners without attributes; then `deleted`, and tunnel
//!   addresses with `node` and `type`; from 2021 on sequence numbers, and attributes `namespace`, `pod`, `timestamp`.

#![expect(clippy::unwrap_used, reason = "a test")]

use core::time::Duration;

use serde_json::Value;
use tortie_ipam::{Affinity, Block, BlockAffinity, ConfigRecord, Handle};

fn block(stored: &str) -> Block {
    Block::decode(stored.as_bytes()).unwrap()
}

fn text(value: Vec<u8>) -> String {
    String::from_utf8(value).unwrap()
}

/// As the reference writes blocks now.
const CURRENT: [&str; 5] = [
    // Made, and nothing assigned yet.
    concat!(
        r#"{"cidr":"10.244.219.64/30","affinity":"host:worker-2","affinity_claim_time":"2026-08-28T12:00:00Z","#,
        r#""allocations":[null,null,null,null],"unallocated":[0,1,2,3],"attributes":null,"#,
        r#""sequenceNumber":1690113884806720472,"sequenceNumberForAllocation":{},"deleted":false}"#
    ),
    // A tunnel and two pods; the fourth address was in use, and is free again.
    concat!(
        r#"{"cidr":"10.244.219.64/30","affinity":"host:worker-2","allocations":[0,1,2,null],"unallocated":[3],"#,
        r#""attributes":[{"handle_id":"vxlan-tunnel-addr-worker-2","secondary":{"node":"worker-2","#,
        r#""type":"vxlanTunnelAddress"}},{"handle_id":"k8s-pod-network.0a1b2c3d4e5f","secondary":{"#,
        r#""namespace":"kube-system","node":"worker-2","pod":"coredns-0","#,
        r#""timestamp":"2026-07-26 17:15:10.43794577 +0000 UTC"}},{"handle_id":"k8s-pod-network.f5e4d3c2b1a0","#,
        r#""secondary":{"namespace":"default","node":"worker-2","pod":"web-0","#,
        r#""timestamp":"2026-07-26 17:15:13.461429435 +0000 UTC"}}],"sequenceNumber":1690113884806720496,"#,
        r#""sequenceNumberForAllocation":{"0":1690113884806720472,"1":1690113884806720479,"#,
        r#""2":1690113884806720481},"deleted":false}"#
    ),
    // One handle in four places, of which two have two digits.
    concat!(
        r#"{"cidr":"fd00:10::/124","affinity":"host:worker-2","allocations":[0,null,0,null,null,null,null,null,"#,
        r#"null,null,0,0,null,null,null,null],"unallocated":[12,13,14,15,1,3,4,5,6,7,8,9],"#,
        r#""attributes":[{"handle_id":"net.a","secondary":{"node":"worker-2"}}],"sequenceNumber":9,"#,
        r#""sequenceNumberForAllocation":{"0":1,"10":2,"11":3,"2":4},"deleted":false}"#
    ),
    // Nobody's; one address rests, another is held by an owner without attributes.
    concat!(
        r#"{"cidr":"10.244.219.64/30","affinity":null,"allocations":[0,null,1,null],"unallocated":[3,1],"#,
        r#""attributes":[{"handle_id":null,"secondary":null,"releasedAt":"2026-08-28T12:05:00Z"},"#,
        r#"{"handle_id":"net.b","secondary":null}],"sequenceNumber":12,"#,
        r#""sequenceNumberForAllocation":{"0":11,"2":7},"deleted":false}"#
    ),
    // A service's, and a virtual machine that moves; marked as deleted.
    concat!(
        r#"{"cidr":"10.244.219.64/31","affinity":"virtual:load-balancer","allocations":[0,null],"unallocated":[1],"#,
        r#""attributes":[{"handle_id":"lb-q3w","secondary":{"namespace":"default","service":"web","#,
        r#""timestamp":"2026-07-26 17:15:10 +0000 UTC","type":"LoadBalancer"},"alternateOwnerAttrs":{"pod":"web-1"}}],"#,
        r#""sequenceNumber":3,"sequenceNumberForAllocation":{"0":2},"deleted":true}"#
    ),
];

#[test]
fn blocks_of_today_are_written_as_they_were_read() {
    for stored in CURRENT {
        assert_eq!(text(block(stored).encode()), stored);
    }
    let pods = block(CURRENT[1]);
    let held: Vec<_> = pods.allocations().map(|held| (held.ordinal, held.handle(), held.sequence)).collect();
    assert_eq!(held[0], (0, Some("vxlan-tunnel-addr-worker-2"), Some(1_690_113_884_806_720_472)));
    assert_eq!(held[2], (2, Some("k8s-pod-network.f5e4d3c2b1a0"), Some(1_690_113_884_806_720_481)));
    let owner = pods.allocations().nth(1).unwrap().attributes().active_owner;
    assert_eq!(owner["timestamp"], "2026-07-26 17:15:10.43794577 +0000 UTC");
    assert!(block(CURRENT[3]).allocations().next().unwrap().rests() && block(CURRENT[4]).is_deleted());
}

#[test]
fn what_is_made_here_looks_the_same() {
    let owner = Affinity::host("worker-2");
    let now = Duration::from_nanos(1_787_918_400_000_000_007);
    let mut made = Block::new("10.244.219.64/30".parse().unwrap(), &owner, now).unwrap();
    let new = CURRENT[0].replace("1690113884806720472", "1787918400000000007");
    assert_eq!(text(made.encode()), new);
    let attributes =
        [("node", "worker-2"), ("pod", "web-0")].map(|(name, value)| (name.into(), value.into()));
    made.assign(1, "net.a", &attributes.into());
    let one = new
        .replace("[null,null,null,null]", "[0,null,null,null]")
        .replace("[0,1,2,3]", "[1,2,3]")
        .replace(
            "null,\"seq",
            r#"[{"handle_id":"net.a","secondary":{"node":"worker-2","pod":"web-0"}}],"seq"#,
        )
        .replace("{},\"del", "{\"0\":1787918400000000007},\"del");
    assert_eq!(text(made.encode()), one);
    made.release(&[0], now, Duration::from_secs(30));
    let rests = r#"[{"handle_id":null,"secondary":null,"releasedAt":"2026-08-28T12:00:00Z"}]"#;
    assert!(text(made.encode()).contains(rests));
    made.collect(now + Duration::from_secs(60), Duration::from_secs(30));
    let none = new.replace("\"attributes\":null", "\"attributes\":[]").replace("[0,1,2,3]", "[1,2,3,0]");
    assert_eq!(text(made.encode()), none);
}

/// As earlier versions wrote blocks.
const OLD: [&str; 4] = [
    // 3.0 to 3.9: an IPIP tunnel had neither handle nor attributes, pods had only handles.
    concat!(
        r#"{"cidr":"172.20.36.64/30","affinity":"host:worker-1","strictAffinity":false,"allocations":[0,null,1,null],"#,
        r#""unallocated":[3,1],"attributes":[{"handle_id":null,"secondary":null},"#,
        r#"{"handle_id":"k8s-pod-network.0a1b2c3d4e5f","secondary":null}]}"#
    ),
    // The same, after the node was deleted.
    concat!(
        r#"{"cidr":"172.20.36.64/31","affinity":null,"strictAffinity":false,"allocations":[0,null],"#,
        r#""unallocated":[1],"attributes":[{"handle_id":null,"secondary":null}]}"#
    ),
    // Before sequence numbers.
    concat!(
        r#"{"cidr":"172.20.107.192/30","affinity":"host:worker-3","allocations":[0,null,null,null],"#,
        r#""unallocated":[3,1,2],"attributes":[{"handle_id":"ipip-tunnel-addr-worker-3","#,
        r#""secondary":{"node":"worker-3","type":"ipipTunnelAddress"}}],"deleted":false}"#
    ),
    // With indentation and in another order, as a tool may leave it.
    r#"{
  "affinity": "host:worker-3",
  "allocations": [ 0, null ],
  "attributes": [ { "secondary": { "pod": "web-0", "node": "worker-3" }, "handle_id": "net.a" } ],
  "cidr": "172.20.107.192/31",
  "deleted": false,
  "unallocated": [ 1 ]
}"#,
];

#[test]
fn old_blocks_keep_all_that_they_say() {
    for stored in OLD {
        let read = block(stored);
        let written: Value = serde_json::from_slice(&read.encode()).unwrap();
        let before: Value = serde_json::from_str(stored).unwrap();
        for (field, value) in before.as_object().unwrap() {
            assert_eq!(&written[field], value, "{field} of {stored}");
        }
        // What it did not say is what Go's zero values are.
        assert_eq!((&written["deleted"], &written["sequenceNumber"]), (&Value::Bool(false), &Value::from(0)));
        assert_eq!(written["sequenceNumberForAllocation"], Value::Null);
        assert_eq!(block(&written.to_string()), read);
    }
    // Old addresses can be released, and are assigned anew as now.
    let mut old = block(OLD[0]);
    assert_eq!(old.held_by("k8s-pod-network.0a1b2c3d4e5f").map(|held| held.ordinal).collect::<Vec<_>>(), [2]);
    old.release(&[2], Duration::ZERO, Duration::ZERO);
    old.assign(1, "net.a", &[("node".into(), "worker-1".into())].into());
    let written: Value = serde_json::from_slice(&old.encode()).unwrap();
    let nobody =
        r#"[{"handle_id":null,"secondary":null},{"handle_id":"net.a","secondary":{"node":"worker-1"}}]"#;
    assert_eq!(written["attributes"].to_string(), nobody);
    assert_eq!(written["sequenceNumberForAllocation"].to_string(), r#"{"3":0}"#);
    assert_eq!(written["strictAffinity"], Value::Bool(false));
}

#[test]
fn other_records_are_written_as_they_were_read() {
    for stored in [
        r#"{"block":{"10.244.219.64/26":1},"deleted":false}"#,
        r#"{"block":{"10.244.219.64/26":3,"fd00:10::40/122":1},"deleted":true}"#,
        r#"{"block":{},"deleted":false}"#,
    ] {
        assert_eq!(text(Handle::decode(stored.as_bytes()).unwrap().encode()), stored);
    }
    for state in ["pending", "confirmed", "pendingDeletion"] {
        let stored = format!(r#"{{"state":"{state}","deleted":false}}"#);
        assert_eq!(text(BlockAffinity::decode(stored.as_bytes()).unwrap().encode()), stored);
    }
    for stored in [
        "{}",
        r#"{"auto_allocate_blocks":true}"#,
        r#"{"strict_affinity":true,"auto_allocate_blocks":true,"maxBlocksPerHost":4}"#,
        r#"{"auto_allocate_blocks":true,"kubeVirtVMAddressPersistence":"Enabled","ipCooldownSeconds":30}"#,
    ] {
        assert_eq!(text(ConfigRecord::decode(stored.as_bytes()).unwrap().encode()), stored);
    }
    // The first versions kept affinities as empty values, handles without `deleted`.
    assert_eq!(
        text(BlockAffinity::decode(b"").unwrap().encode()),
        r#"{"state":"confirmed","deleted":false}"#
    );
    let old = Handle::decode(br#"{"block":{"10.244.219.64/26":1}}"#).unwrap();
    assert_eq!(text(old.encode()), r#"{"block":{"10.244.219.64/26":1},"deleted":false}"#);
}
