//! Addresses of services of type LoadBalancer.

#![expect(clippy::unwrap_used, reason = "a test")]

use core::net::IpAddr;
use core::time::Duration;

use tortie_ipam::{
    Allocator, AssignErrorKind, AssignRequest, AssignmentMode, IPV4_POOLS, IPV6_POOLS, LOAD_BALANCER_IPS,
    MemoryStore, Pool, Service, ServiceAddresses, ServiceError, ServiceMode, Use, View, block_on,
};

const NOW: Duration = Duration::from_secs(1_800_000_000);

fn pool(name: &str, cidr: &str) -> Pool {
    Pool::new(name, cidr.parse().unwrap()).allowed_uses([Use::LoadBalancer])
}

fn view() -> View {
    let manual = pool("manual", "198.51.100.0/28").assignment_mode(AssignmentMode::Manual).block_len(30);
    View::new([
        pool("any", "192.0.2.0/28").block_len(30),
        pool("six", "fd00:5::/120").block_len(124),
        manual,
        Pool::new("pods", "10.0.0.0/24".parse().unwrap()),
    ])
}

fn service(name: &str) -> Service {
    Service {
        name: name.into(),
        namespace: "shop".into(),
        uid: "6a3e-1".into(),
        is_load_balancer: true,
        ipv4: true,
        ..Service::default()
    }
}

fn annotated(name: &str, annotation: &str, value: &str) -> Service {
    let annotations = [(annotation.to_owned(), value.to_owned())].into();
    Service { annotations, ..service(name) }
}

fn sync(allocator: &Allocator<MemoryStore>, service: &Service, view: &View) -> ServiceAddresses {
    block_on(allocator.sync_service(service, ServiceMode::All, view, NOW)).unwrap()
}

fn texts(addresses: &[IpAddr]) -> Vec<String> {
    addresses.iter().map(ToString::to_string).collect()
}

/// `printf %s web-shop-6a3e-1 | sha256sum`, in base64 of URLs, less what no name may have.
#[test]
fn the_handle_is_the_references() {
    let handle = service("Web").handle();
    assert_eq!(handle, "lb-oq3jsXNLlKODpKrHUTud5fNWCGuAd1kCmtvZGQOX4U");
    assert!(handle.len() <= 46 && handle.bytes().skip(3).all(|byte| byte.is_ascii_alphanumeric()));
}

#[test]
fn who_is_served() {
    let of_class = |class: &str| Service { class: Some(class.into()), ..service("s") };
    let asks = annotated("s", IPV4_POOLS, "[]");
    let named = Service { address: Some("192.0.2.1".parse().unwrap()), ..service("s") };
    for (service, all, requested) in [
        (service("s"), true, false),
        (of_class("calico"), true, true),
        (of_class("other"), false, false),
        (asks.clone(), true, true),
        (Service { class: Some("other".into()), ..asks.clone() }, false, false),
        (named, true, true),
        (Service { is_load_balancer: false, ..asks }, false, false),
    ] {
        assert_eq!(service.is_served(ServiceMode::All), all, "{service:?}");
        assert_eq!(service.is_served(ServiceMode::Requested), requested, "{service:?}");
    }
}

#[test]
fn one_address_of_each_family_and_the_second_is_not_forgotten() {
    let (allocator, view) = (Allocator::new(MemoryStore::new()), view());
    let mut web = service("web");
    let first = sync(&allocator, &web, &view);
    assert_eq!(first.addresses.len(), 1);
    assert!(first.addresses[0].is_ipv4() && first.missing.is_empty());
    let found = block_on(allocator.assignment(first.addresses[0], &view)).unwrap();
    let owner = &found.attributes.active_owner;
    assert_eq!((owner["service"].as_str(), owner["namespace"].as_str()), ("web", "shop"));
    assert_eq!(
        (owner["type"].as_str(), owner["timestamp"].as_str()),
        ("LoadBalancer", "2027-01-15T08:00:00Z")
    );

    // The reference leaves the IPv6 address out where there is an IPv4 one.
    web.ipv6 = true;
    let both = sync(&allocator, &web, &view);
    assert_eq!((both.addresses.len(), &both.addresses[0]), (2, &first.addresses[0]));
    assert_eq!(sync(&allocator, &web, &view), both, "nothing is left to do");
    web.ipv4 = false;
    let six = sync(&allocator, &web, &view);
    assert_eq!((&six.addresses[..], &six.released), (&both.addresses[1..], &first.addresses));
    web.is_load_balancer = false;
    assert_eq!(sync(&allocator, &web, &view).released, six.addresses);
}

#[test]
fn pools_are_named_and_change() {
    let (allocator, mut view) = (Allocator::new(MemoryStore::new()), view());
    let manual = annotated("web", IPV4_POOLS, r#"["manual"]"#);
    let has = sync(&allocator, &manual, &view).addresses;
    assert!(texts(&has)[0].starts_with("198.51.100."));
    // Without the annotation, a manual pool gives nothing, and what it gave goes.
    let plain = sync(&allocator, &service("web"), &view);
    assert_eq!(plain.released, has);
    assert!(texts(&plain.addresses)[0].starts_with("192.0.2."));
    let by_cidr = annotated("web", IPV4_POOLS, r#"["198.51.100.0/28", "any"]"#);
    assert_eq!(sync(&allocator, &by_cidr, &view).addresses, plain.addresses, "it may stay");
    // A pool that is no more.
    view.pools.retain(|pool| pool.name != "any");
    let none = sync(&allocator, &service("web"), &view);
    assert_eq!((none.addresses.len(), none.released), (0, plain.addresses));
    assert!(matches!(none.missing[..], [AssignErrorKind::Pool(_)]), "{:?}", none.missing);
}

#[test]
fn addresses_are_named() {
    let (allocator, view) = (Allocator::new(MemoryStore::new()), view());
    let named = annotated("web", LOAD_BALANCER_IPS, r#"["198.51.100.5", "fd00:5::7"]"#);
    let has = sync(&allocator, &named, &view);
    assert_eq!(texts(&has.addresses), ["198.51.100.5", "fd00:5::7"]);
    // Another wants the same, and a third what is no pool's, or pods'.
    let second = annotated("second", LOAD_BALANCER_IPS, r#"["198.51.100.5"]"#);
    assert!(matches!(
        sync(&allocator, &second, &view).missing[..],
        [AssignErrorKind::AlreadyAssigned { .. }]
    ));
    for (text, wrong) in [("203.0.113.1", "not in a configured pool"), ("10.0.0.1", "does not allow the use")]
    {
        let third = annotated("third", LOAD_BALANCER_IPS, &format!("[\"{text}\"]"));
        let missing = sync(&allocator, &third, &view).missing;
        assert!(missing[0].to_string().contains(wrong), "{missing:?}");
    }
    // The annotation counts more than the field; then the field alone.
    let field = Some("198.51.100.9".parse().unwrap());
    assert_eq!(sync(&allocator, &Service { address: field, ..named }, &view).addresses, has.addresses);
    let moved = sync(&allocator, &Service { address: field, ..service("web") }, &view);
    assert_eq!((texts(&moved.addresses), moved.released), (vec!["198.51.100.9".to_owned()], has.addresses));
    // What was taken is free for the second now.
    assert_eq!(texts(&sync(&allocator, &second, &view).addresses), ["198.51.100.5"]);
}

#[test]
fn annotations_that_cannot_be_read_change_nothing() {
    let (allocator, view) = (Allocator::new(MemoryStore::new()), view());
    let has = sync(&allocator, &service("web"), &view).addresses;
    for (annotation, value, wrong) in [
        (LOAD_BALANCER_IPS, "198.51.100.5", "is not a JSON array"),
        (LOAD_BALANCER_IPS, "[7]", "is not a JSON array"),
        (LOAD_BALANCER_IPS, r#"["198.51.100.500"]"#, "is not an address"),
        (LOAD_BALANCER_IPS, r#"["192.0.2.1", "192.0.2.2"]"#, "more than one IPv4 address"),
        (IPV4_POOLS, r#"["none"]"#, "is not an enabled pool"),
        (IPV4_POOLS, r#"["six"]"#, "is not an enabled pool"),
        (IPV4_POOLS, r#"["pods"]"#, "is not an enabled pool"),
        (IPV6_POOLS, r#"["192.0.2.0/28"]"#, "is not an enabled pool"),
    ] {
        let service = annotated("web", annotation, value);
        let error = block_on(allocator.sync_service(&service, ServiceMode::All, &view, NOW)).unwrap_err();
        assert!(error.to_string().contains(wrong) && !matches!(error, ServiceError::Fault(_)), "{error}");
    }
    assert_eq!(block_on(allocator.addresses_by_handle(&service("web").handle())).unwrap(), has);
}

#[test]
fn services_that_are_gone_are_collected() {
    let (allocator, view) = (Allocator::new(MemoryStore::new()), view());
    let (stays, goes) = (service("stays"), Service { ipv6: true, ..service("goes") });
    sync(&allocator, &stays, &view);
    let gone = sync(&allocator, &goes, &view).addresses;
    // Pods have nothing to do with it.
    let pod = AssignRequest::new("net.pod", "node", Use::Workload).v4(1).attribute("node", "node");
    block_on(allocator.assign_all(&pod, &view, NOW)).unwrap();
    assert_eq!(block_on(allocator.collect_services([&stays], &view, NOW)).unwrap(), gone);
    assert!(block_on(allocator.collect_services([&stays], &view, NOW)).unwrap().is_empty());
    assert_eq!(sync(&allocator, &stays, &view).addresses.len(), 1);
    assert_eq!(block_on(allocator.addresses_by_handle("net.pod")).unwrap().len(), 1);
}
