//! The store in etcd, against a real server that each test starts for itself.

mod access;
mod limits;
pub(crate) mod proof;

mod server;
mod watch;

use server::Server;

use crate::{block_on, contract, model, scaled};

/// A server writes to the disk what the other stores do not: fewer cases, even for a long proof.
fn cases() -> u32 {
    scaled(12).min(120)
}

/// Deletes everything.
fn wipe(server: &Server) {
    block_on(async {
        let store = server.store();
        for record in store.list("").await.unwrap().items {
            store.delete(&record.key, record.revision).await.unwrap();
        }
    });
}

#[test]
fn etcd_and_twin_agree_after_every_commit() {
    if !server::present() {
        return;
    }
    let server = Server::start();
    model::agree(cases(), || {
        wipe(&server);
        ([0, 1].map(|_| server.store().into()), ())
    });
}

#[test]
fn etcd_keeps_the_contract() {
    if !server::present() {
        return;
    }
    let server = Server::start();
    block_on(contract::holds(&server.store()));
}

#[test]
fn etcd_is_like_the_store_in_memory() {
    if !server::present() {
        return;
    }
    let server = Server::start();
    contract::same(cases(), || {
        wipe(&server);
        (server.store(), ())
    });
}

#[test]
fn typed_objects_are_where_others_look_for_them() {
    use tortie_datastore::resource::{IpPoolSpec, Resource};
    use tortie_datastore::{Datastore, client};

    if !server::present() {
        return;
    }
    let server = Server::start();
    block_on(async {
        let store = Datastore::from(server.store());
        let pool = Resource::new("pods", IpPoolSpec::new("10.77.0.0/24".parse().unwrap()));
        let (pool, _) = client::apply(&store, pool).await.unwrap();
        let key = "/calico/resources/v3/projectcalico.org/ippools/pods";
        let stored = store.get(key).await.unwrap().unwrap();
        assert_eq!(pool.metadata.resource_version, Some(stored.revision.to_string()));
        assert_eq!(pool.metadata.uid.as_ref().map(String::len), Some(36));
        let mut newer = pool.clone();
        newer.spec.disabled = true;
        client::update(&store, newer).await.unwrap();
        assert!(client::update(&store, pool).await.unwrap_err().is_race());
        let pools = client::list::<IpPoolSpec>(&store, None).await.unwrap();
        assert!(pools.items[0].spec.disabled && pools.unreadable.is_empty());
        client::delete::<IpPoolSpec>(&store, None, "pods").await.unwrap();
        assert_eq!(store.get(key).await.unwrap(), None);
    });
}
