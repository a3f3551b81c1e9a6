//! Typed objects: decoding, validation, read-modify-write, and what the libraries are given.

#![expect(clippy::unwrap_used, reason = "a test stops where it fails")]
#![expect(clippy::panic, reason = "a test stops where it fails")]

mod client;
mod convert;
mod felix;
mod resource;
mod service;

use tortie_datastore::resource::{Kind, Resource};
use tortie_datastore::{Datastore, Embedded};

/// Runs a test with a fresh store.
fn with_store<T>(body: impl AsyncFnOnce(Datastore) -> T) -> T {
    let dir = tempfile::tempdir().unwrap();
    let store = Embedded::open(dir.path().join("store.db")).unwrap();
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(body(store.into()))
}

/// An object of a kind, from the JSON of its spec.
fn object<K: Kind>(name: &str, spec: &str) -> Resource<K> {
    let namespace = if K::NAMESPACED { "\"namespace\":\"red\"," } else { "" };
    let json = format!(
        r#"{{"apiVersion":"projectcalico.org/v3","kind":"{}","metadata":{{{namespace}"name":"{name}"}},"spec":{spec}}}"#,
        K::KIND
    );
    Resource::decode(json.as_bytes()).unwrap_or_else(|error| panic!("{error}: {json}"))
}
