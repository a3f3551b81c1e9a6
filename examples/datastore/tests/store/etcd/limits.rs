//! Large lists, large commits, and servers that are absent, broken or not etcd.

use core::time::Duration;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::Instant;

use tortie_datastore::{Error, Etcd, EtcdOptions, Op, Revision, WatchError};
use tortie_ipam::{ListOptions, Store, StoreError};

use super::server::{self, Server};
use crate::{block_on, child, scaled};

fn create(key: String, value: Vec<u8>) -> Op {
    Op::Create { key, value }
}

#[test]
fn lists_longer_than_a_page_are_of_one_revision() {
    if !server::present() {
        return;
    }
    let server = Server::start();
    block_on(async {
        let store = server.store();
        let all: Vec<String> = (0..2_500).map(|number| format!("/many/{number:04}")).collect();
        for keys in all.chunks(100) {
            store.commit(keys.iter().map(|key| create(key.clone(), b"v".to_vec())).collect()).await.unwrap();
        }
        store.create("/other", b"").await.unwrap();
        let keys = |items: Vec<tortie_datastore::Versioned>| items.into_iter().map(|item| item.key);
        let listing = store.list("/many/").await.unwrap();
        assert_eq!(listing.revision, store.revision().await.unwrap());
        assert!(keys(listing.items).eq(all.iter().cloned()));
        let together = store.list_all(&["/other", "/many/", "/none/"]).await.unwrap();
        let lengths: Vec<usize> = together.iter().map(|listing| listing.items.len()).collect();
        assert_eq!(lengths, [1, 2_500, 0]);
        assert!(together.iter().all(|listing| listing.revision == together[0].revision));
        let options = ListOptions::new().keys_only().after("/many/0099").limit(1_900);
        let some = Store::list(&store, "/many/", &options).await.unwrap();
        assert!(some.iter().all(|item| item.value.is_empty()));
        assert!(keys(some).eq(all[100..2_000].iter().cloned()));
        // A watch that has to read all the keys begins all the same.
        let mut watch = store.watch("/many/", together[0].revision);
        let revision = store.create("/many/x", b"").await.unwrap();
        assert_eq!(watch.next().await.unwrap().revision, revision);
    });
}

#[test]
fn lists_larger_than_an_answer_may_be_are_read_in_parts() {
    if !server::present() {
        return;
    }
    let server = Server::start();
    block_on(async {
        let store = server.store();
        let value = vec![7; 1 << 20];
        for number in 0..70 {
            store.create(&format!("/large/{number:02}"), &value).await.unwrap();
        }
        let listing = store.list("/large/").await.unwrap();
        assert!(listing.items.len() == 70 && listing.items.iter().all(|item| item.value == value));
        let together = store.list_all(&["/large/", "/none"]).await.unwrap();
        assert_eq!(together[0].items.len(), 70);
    });
}

#[test]
fn what_a_server_does_not_do_is_a_typed_error() {
    if !server::present() {
        return;
    }
    let server = Server::start();
    block_on(async {
        let store = server.store();
        let many =
            |count| (0..count).map(|number| create(format!("/{number}"), Vec::new())).collect::<Vec<_>>();
        let error = store.commit(many(129)).await.unwrap_err();
        assert!(matches!(error, Error::TooManyOps { ops: 129 }), "{error}");
        // The allocator then does the parts one after the other.
        assert_eq!(Store::commit(&store, &many(129)).await, Err(StoreError::Unsupported));
        let error = store.create("/large", &vec![0; 2 << 20]).await.unwrap_err();
        assert!(matches!(error, Error::Refused(_)) && !error.is_retryable(), "{error}");
        let error = store.create("", b"").await.unwrap_err();
        assert!(matches!(error, Error::Refused(_)), "{error}");
        assert_eq!(store.list("").await.unwrap().items, []);
        store.commit(many(128)).await.unwrap();
        assert_eq!(store.list("/").await.unwrap().items.len(), 128);
    });
}

#[test]
fn an_absent_server_is_waited_for_as_long_as_was_said() {
    block_on(async {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let options = EtcdOptions::new([format!("http://127.0.0.1:{port}")]);
        let store = Etcd::new(&options.timeout(Duration::from_millis(700))).unwrap();
        for write in [false, true] {
            let begun = Instant::now();
            let error = match write {
                false => store.get("/a").await.map(drop).unwrap_err(),
                true => store.create("/a", b"").await.map(drop).unwrap_err(),
            };
            assert!(matches!(error, Error::Unavailable(_)) && error.is_retryable(), "{error}");
            assert!(begun.elapsed() < Duration::from_secs(5));
            assert!(error.to_string().contains("refused"), "{error}");
        }
    });
}

/// An agent looks around every few seconds while it waits for changes.
#[test]
fn waits_that_are_dropped_end_as_one_does() {
    block_on(async {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let options = EtcdOptions::new([format!("http://127.0.0.1:{port}")]);
        let store = Etcd::new(&options.timeout(Duration::from_secs(1))).unwrap();
        let mut watch = store.watch("/", Revision::new(1));
        let begun = Instant::now();
        let error = loop {
            match tokio::time::timeout(Duration::from_millis(200), watch.next()).await {
                Ok(ended) => break ended.unwrap_err(),
                Err(_) => assert!(begun.elapsed() < Duration::from_secs(20), "it never says so"),
            }
        };
        assert!(matches!(error, WatchError::Store(Error::Unavailable(_))), "{error}");
        assert!(begun.elapsed() >= Duration::from_millis(800), "{:?}", begun.elapsed());
    });
}

#[test]
fn a_server_that_comes_late_is_waited_for() {
    if !server::present() {
        return;
    }
    let mut server = Server::start();
    block_on(async {
        let store = server.store();
        let first = store.create("/a", b"1").await.unwrap();
        server.kill();
        let starting = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(500));
            server.restart();
            server
        });
        // The first attempt may find the old connection: then nobody knows whether it was received.
        let second = loop {
            match store.update("/a", b"2", first).await {
                Ok(revision) => break revision,
                Err(Error::Unavailable(_)) => {}
                Err(error) => panic!("{error}"),
            }
        };
        assert_eq!(store.get("/a").await.unwrap().unwrap().revision, second);
        drop(starting.join().unwrap());
    });
}

#[test]
fn garbage_is_an_error_in_time() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for (number, stream) in listener.incoming().enumerate() {
            let Ok(mut stream) = stream else { continue };
            let _ = match number % 4 {
                0 => stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi"),
                1 => stream.write_all(&[0xff; 4096]),
                2 => Ok(()),
                // A frame of HTTP/2 settings, and then nothing for ever.
                _ => {
                    let settled = stream.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]);
                    std::thread::spawn(move || std::io::copy(&mut stream, &mut std::io::sink()));
                    settled
                }
            };
        }
    });
    block_on(async {
        let store = Etcd::new(&EtcdOptions::new([endpoint]).timeout(Duration::from_millis(600))).unwrap();
        for _ in 0..6 {
            let begun = Instant::now();
            assert!(matches!(store.get("/a").await, Err(Error::Unavailable(_))));
            assert!(matches!(store.create("/a", b"").await, Err(Error::Unavailable(_))));
            assert!(store.watch("/", Revision::new(1)).next().await.is_err());
            assert!(begun.elapsed() < Duration::from_secs(10));
        }
    });
}

/// Counts by compare-and-swap through a proxy that cuts every connection after a while: what was acknowledged is there,
/// and nothing that was refused.
#[test]
fn cut_connections_lose_no_acknowledged_commit() {
    if !server::present() {
        return;
    }
    let server = Server::start();
    let proxy = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", proxy.local_addr().unwrap());
    let port = server.port();
    std::thread::spawn(move || {
        for (number, stream) in proxy.incoming().enumerate() {
            let (Ok(near), Ok(far)) = (stream, TcpStream::connect(("127.0.0.1", port))) else { continue };
            let pump = |mut from: TcpStream, mut to: TcpStream| {
                std::thread::spawn(move || {
                    let mut buffer = [0; 4096];
                    while let Ok(read @ 1..) = from.read(&mut buffer) {
                        if to.write_all(&buffer[..read]).is_err() {
                            break;
                        }
                    }
                });
            };
            let ends = [near.try_clone().unwrap(), far.try_clone().unwrap()];
            pump(near.try_clone().unwrap(), far.try_clone().unwrap());
            pump(far, near);
            std::thread::spawn(move || {
                std::thread::sleep(Duration::from_millis(30 + (number as u64 * 37) % 90));
                ends.map(|end| end.shutdown(std::net::Shutdown::Both))
            });
        }
    });
    block_on(async {
        let store = Etcd::new(&EtcdOptions::new([endpoint])).unwrap();
        let (mut acknowledged, mut unknown) = (0_u64, 0_u64);
        let mut watch = store.watch("/counter", Revision::new(0));
        while acknowledged < u64::from(scaled(400)) {
            let result = match store.get("/counter").await.unwrap() {
                None => store.create("/counter", b"1").await,
                Some(found) => {
                    let number: u64 = String::from_utf8(found.value).unwrap().parse().unwrap();
                    assert!(number >= acknowledged && number <= acknowledged + unknown, "{number}");
                    store.update("/counter", (number + 1).to_string().as_bytes(), found.revision).await
                }
            };
            match result {
                Ok(_) => acknowledged += 1,
                Err(Error::Unavailable(_)) => unknown += 1,
                // By one of ours that was still under way.
                Err(error) if error.is_race() => {}
                Err(error) => panic!("{error}"),
            }
        }
        println!("{acknowledged} commits acknowledged, of {unknown} nobody knows");
        let last = server.store().get("/counter").await.unwrap().unwrap();
        let number: u64 = String::from_utf8(last.value).unwrap().parse().unwrap();
        assert!(number >= acknowledged && number <= acknowledged + unknown);
        assert!(unknown > 0, "no connection was cut at a bad moment");
        for want in 1..=number {
            let event = watch.next().await.unwrap();
            assert_eq!(event.kind, tortie_datastore::EventKind::Put(want.to_string().into_bytes()));
        }
        assert_eq!(watch.ready().await.unwrap(), []);
    });
}

#[test]
fn no_increment_by_another_process_is_lost() {
    if !server::present() {
        return;
    }
    let server = Server::start();
    let count = scaled(60);
    let children: Vec<_> =
        (0..4).map(|_| child::spawn("increment", server.endpoint().as_ref(), "", count)).collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    let found = block_on(async { server.store().get("/counter").await.unwrap().unwrap() });
    assert_eq!(found.value, (4 * count).to_string().into_bytes());
}
