//! The watch across lost connections, killed servers and forgotten revisions.

use core::time::Duration;
use std::collections::BTreeMap;

use tortie_datastore::{Error, Etcd, EtcdWatch, Event, EventKind, Revision, WatchError};

use super::server::{self, Server};
use crate::{block_on, child, scaled};

/// Longer than any change takes to be seen, even on a busy machine.
const SLOW: Duration = Duration::from_secs(30);
const WRITES: u32 = 60;

async fn next(watch: &mut EtcdWatch) -> Event {
    tokio::time::timeout(SLOW, watch.next()).await.expect("a change is missing").unwrap()
}

async fn nothing_more(watch: &mut EtcdWatch) {
    let more = tokio::time::timeout(Duration::from_millis(300), watch.next()).await;
    assert!(more.is_err(), "a change too many: {more:?}");
}

/// A read is repeated until there is an answer; of a write to the connection that is dead nobody would know.
async fn reconnect(store: &Etcd) {
    store.revision().await.unwrap();
}

fn put(key: &str, value: &str, revision: Revision) -> Event {
    Event::new(key, EventKind::Put(value.into()), revision)
}

#[test]
fn a_killed_server_costs_no_change() {
    if !server::present() {
        return;
    }
    let mut server = Server::start();
    block_on(async {
        let store = server.store();
        let from = store.revision().await.unwrap();
        let mut watch = store.watch("/a/", from);
        let mut wanted = Vec::new();
        for round in 0..4 {
            let key = format!("/a/{round}");
            let created = store.create(&key, b"1").await.unwrap();
            assert_eq!(next(&mut watch).await, put(&key, "1", created));
            server.kill();
            server.restart();
            reconnect(&store).await;
            // While the watch is away.
            let updated = store.update(&key, b"2", created).await.unwrap();
            wanted.push(put(&key, "2", updated));
            store.create(&format!("/b/{round}"), b"").await.unwrap();
            let deleted = store.delete(&key, updated).await.unwrap();
            wanted.push(Event::new(&key, EventKind::Delete, deleted));
            for event in wanted.drain(..) {
                assert_eq!(next(&mut watch).await, event);
            }
        }
        nothing_more(&mut watch).await;
    });
}

#[test]
fn forgotten_changes_are_made_up_for() {
    if !server::present() {
        return;
    }
    let mut server = Server::start();
    block_on(async {
        let store = server.store();
        let first = store.create("/a/first", b"1").await.unwrap();
        let early = store.create("/a/early", b"1").await.unwrap();
        let mut watch = store.watch("/a/", first);
        assert_eq!(next(&mut watch).await, put("/a/early", "1", early));
        let mut idle = store.watch("/nothing/", first);
        assert_eq!(idle.ready().await.unwrap(), []);
        server.kill();
        server.restart();
        reconnect(&store).await;
        // Nobody sees these: the watch asks again only when it is asked.
        let same = store.create("/a/same", b"1").await.unwrap();
        let gone = store.create("/a/never-seen", b"1").await.unwrap();
        store.delete("/a/never-seen", gone).await.unwrap();
        store.delete("/a/first", first).await.unwrap();
        let again = store.delete("/a/early", early).await.unwrap();
        assert!(again > early);
        let again = store.create("/a/early", b"2").await.unwrap();
        let last = store.create("/b", b"").await.unwrap();
        store.compact(last).await.unwrap();
        store.compact(last).await.unwrap();

        let events = [next(&mut watch).await, next(&mut watch).await, next(&mut watch).await];
        let first_gone = Event::new("/a/first", EventKind::Delete, last);
        assert_eq!(events, [put("/a/same", "1", same), put("/a/early", "2", again), first_gone]);
        nothing_more(&mut watch).await;
        nothing_more(&mut idle).await;
        // And on it goes.
        let newer = store.update("/a/same", b"2", same).await.unwrap();
        assert_eq!(next(&mut watch).await, put("/a/same", "2", newer));
        let late = store.create("/nothing/1", b"1").await.unwrap();
        assert_eq!(next(&mut idle).await, put("/nothing/1", "1", late));

        // Who begins in what is forgotten has to list.
        let mut late = store.watch("/a/", first);
        assert!(matches!(late.next().await, Err(WatchError::Compacted { .. })));
        assert!(matches!(late.next().await, Err(WatchError::Compacted { .. })), "and so it remains");
    });
}

#[test]
fn a_cluster_that_was_set_back_is_noticed() {
    if !server::present() {
        return;
    }
    let mut server = Server::start();
    block_on(async {
        let store = server.store();
        for number in 0..5 {
            store.create(&format!("/a/{number}"), b"").await.unwrap();
        }
        let mut watch = store.watch("/a/", store.revision().await.unwrap());
        assert_eq!(watch.ready().await.unwrap(), []);
        server.kill();
        server.forget();
        server.restart();
        reconnect(&store).await;
        store.create("/a/new", b"").await.unwrap();
        let result = tokio::time::timeout(SLOW, watch.next()).await.expect("it waits for ever");
        assert!(matches!(result, Err(WatchError::Compacted { .. })), "{result:?}");
    });
}

#[test]
fn a_server_that_stays_away_is_an_error_and_the_watch_goes_on_afterwards() {
    if !server::present() {
        return;
    }
    let mut server = Server::start();
    block_on(async {
        let store = Etcd::new(&server.options().timeout(Duration::from_secs(1))).unwrap();
        let first = store.create("/a/1", b"1").await.unwrap();
        let mut watch = store.watch("/a/", first);
        assert_eq!(watch.ready().await.unwrap(), []);
        server.kill();
        let result = tokio::time::timeout(SLOW, watch.next()).await.expect("it waits for ever");
        assert!(matches!(result, Err(WatchError::Store(Error::Unavailable(_)))), "{result:?}");
        server.restart();
        let second = server.store().create("/a/2", b"2").await.unwrap();
        assert_eq!(next(&mut watch).await, put("/a/2", "2", second));
    });
}

#[test]
fn dropped_waits_and_many_writers_lose_nothing() {
    if !server::present() {
        return;
    }
    let server = Server::start();
    let count = scaled(WRITES);
    let endpoint = server.endpoint();
    let events = block_on(async {
        let store = server.store();
        let from = store.revision().await.unwrap();
        let mut watch = store.watch("/log/", from);
        let children: Vec<_> = ["one", "two", "three"]
            .iter()
            .map(|name| child::spawn("write", endpoint.as_ref(), name, count))
            .collect();
        let mut events = Vec::new();
        while events.len() < 3 * (count + count.div_ceil(3)) as usize {
            // Shorter than most waits.
            if let Ok(event) = tokio::time::timeout(Duration::from_micros(300), watch.next()).await {
                events.push(event.unwrap());
            }
        }
        for mut child in children {
            assert!(child.wait().unwrap().success());
        }
        nothing_more(&mut watch).await;
        events
    });
    let mut records = BTreeMap::new();
    let mut last = Revision::new(0);
    for event in events {
        assert!(event.revision > last, "out of order, or twice");
        last = event.revision;
        match event.kind {
            EventKind::Put(value) => drop(records.insert(event.key, value)),
            EventKind::Delete => assert!(records.remove(&event.key).is_some(), "{}", event.key),
        }
    }
    let listing = block_on(async { server.store().list("/log/").await.unwrap() });
    assert!(listing.items.into_iter().map(|item| (item.key, item.value)).eq(records));
}
