//! Encryption, certificates, users and passwords.

use core::time::Duration;
use std::path::PathBuf;

use etcd_client::{Client, Permission, PermissionType, RoleGrantPermissionResponse};
use tortie_datastore::{Error, Etcd, EtcdOptions};

use super::server::{self, Server};
use crate::block_on;

/// Longer than any change takes to be seen, even on a busy machine.
const SLOW: Duration = Duration::from_secs(30);

fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/testdata/tls").join(name)
}

fn path(name: &str) -> String {
    file(name).display().to_string()
}

fn is_refused<T: core::fmt::Debug>(result: &Result<T, Error>) -> bool {
    matches!(result, Err(Error::Refused(_)))
}

#[test]
fn encrypted_connections_are_made_with_certificates_alone() {
    if !server::present() {
        return;
    }
    let (cert, key, ca) = (path("server.pem"), path("server-key.pem"), path("ca.pem"));
    let arguments =
        ["--cert-file", &cert, "--key-file", &key, "--client-cert-auth", "--trusted-ca-file", &ca];
    let server = Server::start_with("https", &arguments);
    let good = server.options().ca_cert(file("ca.pem")).identity(file("client.pem"), file("client-key.pem"));
    let quick = |options: EtcdOptions| Etcd::new(&options.timeout(Duration::from_millis(700)));
    block_on(async {
        let store = quick(good.clone()).unwrap();
        let revision = store.create("/a", b"1").await.unwrap();
        let mut watch = store.watch("/", revision);
        let second = store.update("/a", b"2", revision).await.unwrap();
        assert_eq!(watch.next().await.unwrap().revision, second);

        // Without a certificate of ours; with an authority that has not signed the server's.
        let nobody = quick(server.options().ca_cert(file("ca.pem"))).unwrap();
        assert!(nobody.get("/a").await.is_err());
        let stranger = quick(good.clone().ca_cert(file("client.pem"))).unwrap();
        assert!(stranger.get("/a").await.is_err());
    });
    let absent = Etcd::new(&good.ca_cert("/no/such/file"));
    assert!(is_refused(&absent) && absent.unwrap_err().to_string().contains("/no/such/file"));
    let unencrypted = Etcd::new(&EtcdOptions::new(["http://127.0.0.1:1"]).ca_cert(file("ca.pem")));
    assert!(is_refused(&unencrypted));
}

#[test]
fn files_that_are_no_certificates_are_refused() {
    let options = EtcdOptions::new(["https://127.0.0.1:1"]).ca_cert(file("ca.pem"));
    let mixed_up = options.identity(file("README.md"), file("ca.pem")).timeout(Duration::from_millis(300));
    let result = block_on(async { Etcd::new(&mixed_up).unwrap().get("/a").await });
    assert!(is_refused(&result), "{result:?}");
}

/// Users `root` and `reader`, who may read everything and write nothing; from then on the server asks who we are.
async fn set_up_users(server: &Server) {
    let mut client = Client::connect([server.endpoint()], None).await.unwrap();
    for (user, password) in [("root", "toor"), ("reader", "daer")] {
        client.user_add(user, password, None).await.unwrap();
        client.role_add(user).await.unwrap();
        client.user_grant_role(user, user).await.unwrap();
    }
    let all = Permission::new(PermissionType::Read, "").with_all_keys();
    let _: RoleGrantPermissionResponse = client.role_grant_permission("reader", all).await.unwrap();
    client.auth_enable().await.unwrap();
}

#[test]
fn users_may_what_their_role_says() {
    if !server::present() {
        return;
    }
    let mut server = Server::start();
    let store = |server: &Server, user: &str, password: &str| {
        Etcd::new(&server.options().credentials(user, password)).unwrap()
    };
    block_on(async {
        set_up_users(&server).await;
        assert!(is_refused(&server.store().get("/a").await));
        assert!(is_refused(&store(&server, "root", "wrong").get("/a").await));
        let root = store(&server, "root", "toor");
        let reader = store(&server, "reader", "daer");
        let first = root.create("/a", b"1").await.unwrap();
        assert!(is_refused(&reader.update("/a", b"2", first).await));
        assert_eq!(reader.get("/a").await.unwrap().unwrap().revision, first);
        let mut watch = reader.watch("/", first);
        assert_eq!(watch.ready().await.unwrap(), []);

        // The server has forgotten the tokens that it gave out.
        server.kill();
        server.restart();
        // A read is repeated; of a write to the connection that is dead nobody would know.
        assert_eq!(root.get("/a").await.unwrap().unwrap().revision, first);
        let second = root.update("/a", b"2", first).await.unwrap();
        let event = tokio::time::timeout(SLOW, watch.next()).await.expect("a change is missing").unwrap();
        assert_eq!(event.revision, second);
        assert_eq!(reader.get("/a").await.unwrap().unwrap().revision, second);

        // A user whose role is taken away: no retry helps.
        let mut client = Client::connect(
            [server.endpoint()],
            Some(etcd_client::ConnectOptions::new().with_user("root", "toor")),
        )
        .await
        .unwrap();
        client.user_revoke_role("reader", "reader").await.unwrap();
        assert!(is_refused(&reader.get("/a").await));
    });
}
