//! Reading and writing allocate nothing: counted, not assumed.

#![expect(unsafe_code, reason = "an allocator that counts")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "test code")]

mod support;

use core::alloc::{GlobalAlloc, Layout};
use core::cell::Cell;
use std::alloc::System;

use support::{four, hex, update};
use tortie_bgp_wire::{Attribute, FlaggedAttribute, Message, Session, UpdateParts};

struct Counting;

thread_local! {
    static COUNT: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: every call goes to the system's allocator as it is.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller's promise is the one that is asked for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(place, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// How many allocations `work` makes.
fn allocations(work: impl FnOnce()) -> usize {
    let before = COUNT.with(Cell::get);
    work();
    COUNT.with(Cell::get) - before
}

/// An UPDATE with most kinds of attributes and destinations.
fn rich() -> Vec<u8> {
    let attributes = "40010100 4002100202 0000fc00 0000fc01 0101 0000fc02 4003040a000001 80040400000007 40050400000064
        400600 c007080000fc000a000001 c00808fc000001ffffff01 8009040a000002 800a080a0000030a000004
        c010080002fc0000000001 c0200c0000fc000000000100000002 f063 0003 010203
        800e2f 000201 20 fd000000000000000000000000000001 fe800000000000000000000000000001 00 40fd00000000000001 00
        800f0d 000201 40fd00000000000002 00";
    update(&[8, 11, 32, 1, 2, 3, 4], &hex(attributes), &[0, 26, 10, 0, 0, 64])
}

/// Touches every value.
fn read(bytes: &[u8], session: &Session) -> u64 {
    let Message::Update(update) = Message::decode(bytes, session).unwrap().0 else { panic!("no UPDATE") };
    let mut sum = 0_u64;
    for attribute in update.attributes() {
        sum += match attribute.unwrap() {
            Attribute::AsPath(path) => path.asns().map(u64::from).sum(),
            Attribute::Communities(list) => list.iter().map(|community| u64::from(community.get())).sum(),
            Attribute::ExtendedCommunities(list) => list.iter().map(|c| u64::from(c.octets()[7])).sum(),
            Attribute::LargeCommunities(list) => list.iter().map(|c| u64::from(c.global)).sum(),
            Attribute::ClusterList(list) => list.iter().map(|id| u64::from(u32::from(id))).sum(),
            other => u64::from(other.code().get()),
        };
    }
    let prefixes = update.announcements().chain(update.withdrawals()).filter_map(|nlri| nlri.prefix());
    sum += prefixes.map(|prefix| u64::from(prefix.prefix_len())).sum::<u64>();
    sum + u64::from(update.disposition().is_some())
}

#[test]
fn the_counter_counts() {
    assert_eq!(allocations(|| drop(core::hint::black_box(vec![1]))), 1);
}

#[test]
fn reading_allocates_nothing() {
    let (bytes, session) = (rich(), four());
    let mut sum = 0;
    assert_eq!(allocations(|| sum = read(&bytes, &session)), 0);
    assert_ne!(sum, 0);
}

#[test]
fn writing_allocates_nothing() {
    let (bytes, session) = (rich(), four());
    let (message, _) = Message::decode(&bytes, &session).unwrap();
    let Message::Update(update) = message else { panic!("no UPDATE") };
    let attributes: Vec<FlaggedAttribute<'_>> = update.attributes().flagged().map(Result::unwrap).collect();
    let announced: Vec<_> = update.classic_announcements().collect();
    let withdrawn: Vec<_> = update.classic_withdrawals().collect();
    let parts = UpdateParts { withdrawn: &withdrawn, attributes: &attributes, announced: &announced };
    let mut buf = [0; 4096];
    for encode in
        [&|buf: &mut [u8]| message.encode(buf, &session), &|buf: &mut [u8]| parts.encode(buf, &session)]
            as [&dyn Fn(&mut [u8]) -> _; 2]
    {
        let mut len = Ok(0);
        assert_eq!(allocations(|| len = encode(&mut buf)), 0);
        assert_eq!(&buf[..len.unwrap()], bytes);
    }
}

#[cfg(feature = "mrt")]
#[test]
fn records_allocate_nothing() {
    use tortie_bgp_wire::mrt::{Body, PathAttributes, Record, Rib, RibEntry, Timestamp};
    let attributes = hex("40010100 4002060201 0000fc00 400304c0000201");
    let routes = [RibEntry::new(0, 5, PathAttributes::new(&attributes)); 3];
    let mut buf = [0; 256];
    let mut sum = 0;
    let work = || {
        let rib = Body::Rib(Rib::unicast(0, "10.0.0.0/8".parse().unwrap(), &routes));
        let len = Record::new(Timestamp::new(5), rib).encode(&mut buf).unwrap();
        let Body::Rib(rib) = Record::decode(&buf[..len]).unwrap().0.body else { panic!("no routes") };
        sum = rib.entries().iter().map(|route| route.attributes.iter().count()).sum();
    };
    assert_eq!(allocations(work), 0);
    assert_eq!(sum, 9);
}

#[cfg(feature = "bmp")]
#[test]
fn monitoring_allocates_nothing() {
    use tortie_bgp_wire::bmp::{Message as Report, PeerHeader, RouteMonitoring};
    let peer = PeerHeader::new([192, 0, 2, 1].into(), 64512, [192, 0, 2, 1].into());
    let (bytes, session) = (rich(), peer.session());
    let mut buf = [0; 1024];
    let mut sum = 0;
    let work = || {
        let len = Report::RouteMonitoring(RouteMonitoring::new(peer, &bytes)).encode(&mut buf).unwrap();
        let Report::RouteMonitoring(routes) = Report::decode(&buf[..len]).unwrap().0 else {
            panic!("no routes")
        };
        sum = read(routes.message, &session);
    };
    assert_eq!(allocations(work), 0);
    assert_ne!(sum, 0);
}
