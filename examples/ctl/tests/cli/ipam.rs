//! `ipam show`.

use core::time::Duration;

use serde_json::Value;
use tortie_datastore::convert;
use tortie_ipam::{Allocator, AssignRequest, Use};

use crate::{Shop, block_on, manifests};

#[test]
fn pools_blocks_and_addresses() {
    let shop = Shop::new();
    shop.run(&["apply", "-f", manifests().to_str().unwrap()]).good();
    let empty = shop.run(&["ipam", "show"]).good();
    assert_eq!(
        empty,
        "\
+----------+--------------+-----------+------------+--------------+-------------+
| GROUPING |     CIDR     | IPS TOTAL | IPS IN USE | IPS RESERVED |  IPS FREE   |
+----------+--------------+-----------+------------+--------------+-------------+
| IP Pool  | 10.77.0.0/24 | 256       | 0 (0%)     | 0 (0%)       | 256 (100%)  |
| IP Pool  | fd77::/116   | 4096      | 0 (0%)     | 0 (0%)       | 4096 (100%) |
| IP Pool  | 10.78.0.0/29 | 8         | 0 (0%)     | 0 (0%)       | 8 (100%)    |
+----------+--------------+-----------+------------+--------------+-------------+
"
    );
    let store = shop.store();
    let address = block_on(async {
        let view = convert::view(&store, "node-1", Some("blue")).await.unwrap();
        let mut request = AssignRequest::new("net.c0ffee", "node-1", Use::Workload)
            .pools4(["10.78.0.0/29".parse().unwrap()])
            .attribute("pod", "db-1")
            .attribute("namespace", "blue");
        request.num4 = 1;
        let now = Duration::from_secs(1_000_000);
        let assigned = Allocator::new(store.clone()).auto_assign(&request, &view, now).await.unwrap();
        let address = assigned.addresses().next().unwrap().addr();
        address.to_string()
    });
    let plain = shop.run(&["ipam", "show"]).good();
    assert!(plain.contains("| 1 (12%)    | 0 (0%)       | 7 (88%)") && !plain.contains("Block"), "{plain}");
    let blocks = shop.run(&["ipam", "show", "--show-blocks"]).good();
    assert!(blocks.contains("| Block    | 10.78.0.") && blocks.contains("| 1 (25%)"), "{blocks}");

    let json: Value =
        serde_json::from_str(&shop.run(&["ipam", "show", "--show-blocks", "-o", "json"]).good()).unwrap();
    let small = json["pools"].as_array().unwrap().iter().find(|pool| pool["name"] == "small-v4").unwrap();
    assert_eq!((&small["total"], &small["inUse"], &small["free"]), (&8.into(), &1.into(), &7.into()));
    assert_eq!(small["blocks"][0]["affinity"], "host:node-1");

    let shown = shop.run(&["ipam", "show", "--ip", &address]).good();
    let want = format!(
        "IP {address} is in use\nHandle ID: net.c0ffee\nActive Owner attributes:\n  namespace: blue\n  pod: db-1\n"
    );
    assert!(shown.starts_with(&want[..want.find("Active").unwrap()]), "{shown}");
    assert!(shown.contains("  namespace: blue\n") && shown.contains("  pod: db-1\n"), "{shown}");
    assert_eq!(shop.run(&["ipam", "show", "--ip", "10.99.0.1"]).good(), "10.99.0.1 is not assigned\n");
    let json: Value =
        serde_json::from_str(&shop.run(&["ipam", "show", "--ip", &address, "-o", "json"]).good()).unwrap();
    assert_eq!((&json["assigned"], &json["handle"]), (&true.into(), &"net.c0ffee".into()));
}

#[test]
fn reserved_ranges_are_not_assigned() {
    let shop = Shop::new();
    shop.run(&["apply", "-f", manifests().to_str().unwrap()]).good();
    let reservation = "apiVersion: projectcalico.org/v3\nkind: IPReservation\nmetadata: {name: kept}\n\
                       spec: {reservedCIDRs: [10.78.0.0/30, 10.78.0.4, 10.78.0.5/32]}\n";
    assert_eq!(shop.apply(reservation).good(), "created IPReservation kept\n");
    let shown = shop.run(&["get", "ipr", "-o", "yaml"]).good();
    assert_eq!(shop.apply(&shown).good(), "unchanged IPReservation kept\n");
    assert!(shop.run(&["get", "ipreservations"]).good().contains("10.78.0.0/30,10.78.0.4,10.78.0.5/32"));
    let table = shop.run(&["ipam", "show"]).good();
    assert!(table.contains("| 10.78.0.0/29 | 8         | 0 (0%)     | 6 (75%)      | 2 (25%)"), "{table}");
    let store = shop.store();
    let assigned = block_on(async {
        let view = convert::view(&store, "node-1", None).await.unwrap();
        let request = AssignRequest::new("net.c0ffee", "node-1", Use::Workload).v4(8);
        let request = request.pools4(["10.78.0.0/29".parse().unwrap()]);
        Allocator::new(store.clone()).auto_assign(&request, &view, Duration::from_secs(9)).await.unwrap()
    });
    let mut addresses: Vec<String> = assigned.addresses().map(|net| net.addr().to_string()).collect();
    addresses.sort();
    assert_eq!(addresses, ["10.78.0.6", "10.78.0.7"]);
    let wrong = reservation.replace("10.78.0.4,", "10.78.0.400,");
    assert!(shop.apply(&wrong).bad().contains("spec.reservedCIDRs[1]"));
}
