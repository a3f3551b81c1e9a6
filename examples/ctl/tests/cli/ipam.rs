//! `ipam show`.

use core::time::Duration;

use serde_json::Value;
use tortie_datastore::convert;
use tortie_ipam::{Allocator, AssignRequest, Service, ServiceMode, Use};

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

/// A shop with the demo's objects, and an address of `10.78.0.0/29` for a handle.
fn with_leak() -> (Shop, String) {
    let shop = Shop::new();
    shop.run(&["apply", "-f", manifests().to_str().unwrap()]).good();
    let address = assign(&shop, "net.c0ffee");
    (shop, address)
}

fn assign(shop: &Shop, handle: &str) -> String {
    let store = shop.store();
    block_on(async {
        let view = convert::view(&store, "node-1", Some("blue")).await.unwrap();
        let request = AssignRequest::new(handle, "node-1", Use::Workload)
            .v4(1)
            .pools4(["10.78.0.0/29".parse().unwrap()])
            .attribute("pod", "db-1")
            .attribute("node", "node-2");
        let assigned =
            Allocator::new(store.clone()).auto_assign(&request, &view, Duration::from_secs(9)).await.unwrap();
        assigned.addresses().next().unwrap().addr().to_string()
    })
}

#[test]
fn what_a_check_finds_is_released_unless_it_changed() {
    let (shop, address) = with_leak();
    let found = shop.run(&["ipam", "check"]);
    assert_eq!(found.code, Some(1));
    let leak = format!("leaked   {address}  handle net.c0ffee of node-2/-/db-1");
    assert!(found.out.contains(&leak) && found.out.contains("and 1 problems"), "{found:?}");
    let report = shop.run(&["ipam", "check", "-o", "json"]).out;
    let path = shop.write("report.json", &report);
    let path = path.to_str().unwrap();
    let json: Value = serde_json::from_str(&report).unwrap();
    assert_eq!((&json["problems"], &json["leaked"][0]["ip"]), (&1.into(), &address.as_str().into()));

    // Released and assigned again meanwhile: another address of the same handle.
    assert_eq!(shop.run(&["ipam", "release", "--ip", &address]).good(), format!("released {address}\n"));
    assert_eq!(shop.run(&["ipam", "check"]).good(), "0 addresses in use, and no problems\n");
    let again = shop.run(&["ipam", "release", "--ip", &address]);
    assert_eq!((again.code, again.out), (Some(1), format!("{address} is not assigned\n")));
    let other = assign(&shop, "net.c0ffee");
    let stale = shop.run(&["ipam", "release", "--from-report", path]).bad();
    assert!(stale.contains("the report is stale") && stale.contains(&address), "{stale}");
    assert!(shop.run(&["ipam", "show", "--ip", &other]).good().contains("is in use"));

    shop.write("report.json", &shop.run(&["ipam", "check", "-o", "json"]).out);
    let released = shop.run(&["ipam", "release", "--from-report", path]).good();
    assert_eq!(released, format!("released {other}\n"));
    assert_eq!(shop.run(&["ipam", "check"]).good(), "0 addresses in use, and no problems\n");
    shop.write("report.json", "{}");
    assert!(shop.run(&["ipam", "release", "--from-report", path]).bad().contains("is no report"));
}

#[test]
fn what_is_borrowed_is_shown() {
    let (shop, address) = with_leak();
    let shown = shop.run(&["ipam", "show", "--show-borrowed"]).good();
    assert!(
        shown.contains("| BORROWING-NODE |") && shown.contains(&format!("| {address} | node-2")),
        "{shown}"
    );
    let json = shop.run(&["ipam", "show", "--show-borrowed", "-o", "json"]).good();
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["borrowed"][0]["blockOwner"], "node-1");
    assert_eq!(json["withoutNode"], 0);
}

#[test]
fn the_configuration_is_changed_within_its_rules() {
    let shop = Shop::new();
    shop.run(&["apply", "-f", manifests().to_str().unwrap()]).good();
    let configure = |arguments: &[&str]| shop.run(&[&["ipam", "configure"], arguments].concat());
    assert!(configure(&[]).bad().contains("required"));
    let refused = configure(&["--max-blocks-per-host", "4"]).bad();
    assert!(refused.contains("requires strict affinity"), "{refused}");
    let set = configure(&["--strict-affinity", "true", "--max-blocks-per-host", "4"]).good();
    assert!(
        set.contains("| StrictAffinity               | true    |")
            && set.contains("| MaxBlocksPerHost             | 4       |"),
        "{set}"
    );
    assert_eq!(shop.run(&["ipam", "show", "--show-configuration"]).good(), set);
    let json = shop.run(&["ipam", "show", "--show-configuration", "-o", "json"]).good();
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&json["maxBlocksPerHost"], &json["autoAllocateBlocks"]), (&4.into(), &true.into()));
    assert_eq!(json["kubeVirtVMAddressPersistence"], "Enabled");
    let disabled = configure(&["--kubevirt-ip-persistence", "Disabled"]).good();
    assert!(disabled.contains("| KubeVirtVMAddressPersistence | Disabled |"), "{disabled}");
    assert!(disabled.contains("| MaxBlocksPerHost             | 4        |"), "{disabled}");
    assert!(configure(&["--kubevirt-ip-persistence", "Perhaps"]).bad().contains("possible values"));
}

#[test]
fn a_pool_is_split_under_its_addresses() {
    let (shop, address) = with_leak();
    let split = |arguments: &[&str]| shop.run(&[&["ipam", "split"], arguments].concat());
    assert!(split(&["3", "--name", "small-v4"]).bad().contains("not a power of two"));
    assert!(split(&["4", "--name", "small-v4"]).bad().contains("has not 4 parts"));
    assert!(split(&["2", "--name", "none"]).bad().contains("no such pool"));
    let done = split(&["2", "--cidr", "10.78.0.0/29"]).good();
    let want = "created IPPool split-small-v4-0 (10.78.0.0/30)\n\
                created IPPool split-small-v4-1 (10.78.0.4/30)\ndeleted IPPool small-v4\n";
    assert_eq!(done, want);
    let pools = shop.run(&["get", "pools"]).good();
    assert!(pools.contains("split-small-v4-1") && !pools.contains("\nsmall-v4"), "{pools}");
    assert!(shop.run(&["ipam", "show", "--ip", &address]).good().contains("is in use"));
    let table = shop.run(&["ipam", "show"]).good();
    assert!(table.contains("10.78.0.0/30") && table.contains("10.78.0.4/30"), "{table}");
    assert_eq!(shop.run(&["ipam", "release", "--ip", &address]).good(), format!("released {address}\n"));
}

/// A pool for services, a tunnel's address and a service's.
fn with_tunnel_and_service() -> (Shop, [String; 2]) {
    let shop = Shop::new();
    shop.run(&["apply", "-f", manifests().to_str().unwrap()]).good();
    let pool = "apiVersion: projectcalico.org/v3\nkind: IPPool\nmetadata: {name: services}\n\
                spec: {cidr: 192.0.2.0/28, blockSize: 30, allowedUses: [LoadBalancer]}\n";
    shop.apply(pool).good();
    let store = shop.store();
    let addresses = block_on(async {
        let (view, now) = (convert::view(&store, "node-1", None).await.unwrap(), Duration::from_secs(9));
        let allocator = Allocator::new(store.clone());
        let tunnel = AssignRequest::new("vxlan-tunnel-addr-node-1", "node-1", Use::Tunnel).v4(1);
        let tunnel = tunnel.attribute("node", "node-1").attribute("type", "vxlanTunnelAddress");
        let tunnel = allocator.assign_all(&tunnel, &view, now).await.unwrap();
        let service =
            Service { name: "web".into(), is_load_balancer: true, ipv4: true, ..Service::default() };
        let service = allocator.sync_service(&service, ServiceMode::All, &view, now).await.unwrap();
        let tunnel = tunnel.addresses().next().unwrap().addr();
        [tunnel, *service.addresses.first().unwrap()].map(|address| address.to_string())
    });
    (shop, addresses)
}

#[test]
fn tunnels_and_services_use_addresses() {
    let (shop, [tunnel, service]) = with_tunnel_and_service();
    // Until the node says so, the tunnel's is a leak; a service's is not called one.
    let found = shop.run(&["ipam", "check"]);
    assert!(found.out.contains(&tunnel) && !found.out.contains(&service), "{found:?}");
    assert!(found.err.contains("1 addresses of services were taken to be in use"), "{found:?}");
    // A record as other tools write it: this one's manifests have no such field.
    let store = shop.store();
    block_on(async {
        let key = "/calico/resources/v3/projectcalico.org/nodes/node-1";
        let found = store.get(key).await.unwrap().unwrap();
        let mut node: Value = serde_json::from_slice(&found.value).unwrap();
        node["spec"]["ipv4VXLANTunnelAddr"] = tunnel.as_str().into();
        store.update(key, &serde_json::to_vec(&node).unwrap(), found.revision).await.unwrap();
    });
    let clean = shop.run(&["ipam", "check"]);
    assert_eq!((clean.code, clean.out.as_str()), (Some(0), "2 addresses in use, and no problems\n"));

    let list = |ingress: &str| {
        let text = format!(
            r#"{{"items": [{{"spec": {{"type": "LoadBalancer"}}, "status": {{"loadBalancer": {{"ingress": [{ingress}]}}}}}}]}}"#
        );
        shop.write("services.json", &text).to_str().unwrap().to_owned()
    };
    let path = list(&format!(r#"{{"ip": "{service}"}}"#));
    assert_eq!(shop.run(&["ipam", "check", "--services", &path]).code, Some(0));
    list("");
    let gone = shop.run(&["ipam", "check", "--services", &path, "-o", "json"]);
    let json: Value = serde_json::from_str(&gone.out).unwrap();
    assert_eq!((gone.code, &json["leaked"][0]["ip"]), (Some(1), &service.as_str().into()));
    let report = shop.write("report.json", &gone.out);
    let release = ["ipam", "release", "--from-report", report.to_str().unwrap()];
    assert!(shop.run(&release).bad().contains("stale"));
    let released = shop.run(&[&release[..], &["--services", &path]].concat()).good();
    assert_eq!(released, format!("released {service}\n"));
}

#[test]
fn a_cluster_is_planned() {
    let shop = Shop::new();
    let plan = |arguments: &[&str]| shop.run(&[&["ipam", "plan"], arguments].concat());
    let of_pool = ["--pool", "10.65.0.0/20", "--nodes", "40", "--pods-per-node", "30"];
    let table = plan(&of_pool).good();
    let recommended = table.lines().find(|line| line.contains("recommended")).unwrap();
    assert!(
        recommended.starts_with("| /27 (32)") && recommended.contains("| 40      | 40     | 80 "),
        "{table}"
    );
    assert!(
        table.ends_with(
            "Take /27: 1200 pods on 40 nodes have 40 routes then, and 80 addresses are stranded\n"
        )
    );
    let picture = shop.write("plan.svg", "");
    let more =
        ["--growth", "50", "--block-sizes", "25,26,27", "-o", "json", "--svg", picture.to_str().unwrap()];
    let json: Value = serde_json::from_str(&plan(&[&of_pool[..], &more].concat()).good()).unwrap();
    assert_eq!((&json["recommended"], &json["sizes"][1]["grown"]["routes"]), (&26.into(), &40.into()));
    assert_eq!(json["sizes"].as_array().unwrap().len(), 3);
    assert!(std::fs::read_to_string(&picture).unwrap().starts_with("<svg "));
    // Lists, spreads, and a cluster that has no room.
    let listed = plan(&["--pool", "10.65.0.0/28", "--pods", "5,1x2", "--block-sizes", "30"]).good();
    assert!(listed.contains("7 pods on 3 nodes have 4 routes then, and 9 addresses"), "{listed}");
    let full = plan(&["--pool", "10.65.0.0/28", "--pods", "17"]);
    assert!(full.code == Some(1) && full.out.contains("enlarge the pools"), "{full:?}");
    let skewed = plan(&["--pool", "10.65.0.0/20", "--nodes", "40", "--spread", "skewed"]).good();
    assert!(skewed.contains("1200 pods on 40 nodes"), "{skewed}");
    for (arguments, wrong) in [
        (&["--pool", "10.65.0.1/20", "--nodes", "1"][..], "host bits"),
        (&["--pool", "10.65.0.0/20", "--pods", "many"], "neither a number"),
        (&["--pool", "10.65.0.0/20", "--nodes", "100000000"], "too many"),
        (&["--pool", "10.65.0.0/20", "--nodes", "1", "--block-sizes", "19"], "from 20 to 32"),
        (&["--pool", "10.65.0.0/20"], "--nodes"),
        (&["--nodes", "3"], "datastore"),
    ] {
        let error = plan(arguments).bad();
        assert!(error.contains(wrong), "{wrong}: {error}");
    }
    // The pools of the datastore.
    shop.run(&["apply", "-f", manifests().to_str().unwrap()]).good();
    assert!(plan(&["--nodes", "3", "--pods-per-node", "4"]).good().contains("12 pods on 3 nodes"));
}
