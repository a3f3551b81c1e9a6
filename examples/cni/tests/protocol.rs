//! The protocol, as far as it needs neither root nor a namespace.

mod kit;

use std::path::Path;

use kit::{Shared, call, pod_variables};
use serde_json::{Value, json};

const ARGS: &str = "IgnoreUnknown=1;K8S_POD_NAMESPACE=blue;K8S_POD_UID=u;K8S_POD_NAME=web-1";

#[test]
fn version_is_answered_whatever_comes() {
    for (input, version) in
        [(r#"{"cniVersion":"0.3.0"}"#, "0.3.0"), (r#"{"cniVersion":"1.0.0"}"#, "0.3.1"), ("", "0.3.1")]
    {
        let answer = call(&[("CNI_COMMAND", "VERSION")], input).expect_ok();
        let supported = json!(["0.1.0", "0.2.0", "0.3.0", "0.3.1"]);
        assert_eq!(answer, json!({"cniVersion": version, "supportedVersions": supported}));
    }
}

#[test]
fn missing_variables_are_named() {
    let answer = call(&[("CNI_COMMAND", "ADD"), ("CNI_IFNAME", "eth0")], "{}");
    assert_eq!(answer.code(), 4);
    let message = answer.said["msg"].as_str().unwrap();
    assert!(message.contains("CNI_CONTAINERID") && message.contains("CNI_NETNS"), "{message}");
    assert!(!message.contains("CNI_IFNAME"), "{message}");
    assert_eq!(call(&[], "").code(), 4);
    assert_eq!(call(&[("CNI_COMMAND", "CHECK")], "{}").code(), 4);
}

#[tokio::test]
async fn bad_configurations_leave_nothing() {
    let shared = Shared::new().await;
    let good = shared.config();
    let with = |field: &str, value: Value| {
        let mut config = good.clone();
        config[field] = value;
        config.to_string()
    };
    let vectors = [
        ("{".to_owned(), 6, "0.3.1"),
        (String::new(), 6, "0.3.1"),
        (with("cniVersion", json!("9.9.9")), 1, "0.3.1"),
        (with("cniVersion", json!("0.4.0")), 1, "0.3.1"),
        (with("name", json!("a b")), 7, "0.3.1"),
        (with("ipam", json!({"type": "host-local"})), 2, "0.3.1"),
        (with("ipam", json!({"type": "calico-ipam", "ipv4_pools": "x"})), 7, "0.3.1"),
        (with("mtu", json!("big")), 7, "0.3.1"),
        (with("datastore", Value::Null), 7, "0.3.1"),
        (with("args", json!({"cni": {"labels": [{"key": "a b", "value": ""}]}})), 7, "0.3.1"),
        (with("cniVersion", json!("0.2.0")).replace("calico-ipam", "x"), 2, "0.2.0"),
    ];
    for command in ["ADD", "DEL"] {
        for (input, code, version) in &vectors {
            let answer = call(&pod_variables(command, "c1", Path::new("/proc/self/ns/net"), ARGS), input);
            assert_eq!(answer.code(), *code, "{command} {input}: {answer:?}");
            assert_eq!(answer.said["cniVersion"], *version, "{input}");
            assert!(answer.said["msg"].is_string());
        }
    }
    shared.assert_clean().await;
}

#[tokio::test]
async fn a_namespace_that_is_not_there_is_an_unknown_container() {
    let shared = Shared::new().await;
    for path in ["/nonexistent/netns", "/dev/null"] {
        let answer = call(&pod_variables("ADD", "c1", Path::new(path), ARGS), &shared.config().to_string());
        assert_eq!(answer.code(), 3, "{answer:?}");
        assert!(answer.said["msg"].as_str().unwrap().contains("CNI_NETNS"), "{answer:?}");
    }
    shared.assert_clean().await;
}

#[tokio::test]
async fn del_of_what_never_was_succeeds_and_says_nothing() {
    let shared = Shared::new().await;
    for netns in ["", "/nonexistent/netns"] {
        for _ in 0..2 {
            let answer =
                call(&pod_variables("DEL", "c1", Path::new(netns), ARGS), &shared.config().to_string());
            assert_eq!(answer.expect_ok(), Value::Null);
        }
    }
    shared.assert_clean().await;
}

#[tokio::test]
async fn a_datastore_that_is_not_there_is_tried_again_and_not_made() {
    let shared = Shared::new().await;
    let mut config = shared.config();
    let path = shared.path("other.db");
    config["datastore"] = json!(path);
    let answer = call(&pod_variables("DEL", "c1", Path::new(""), ARGS), &config.to_string());
    assert_eq!(answer.code(), 11, "{answer:?}");
    assert!(!path.exists());
}

#[tokio::test]
async fn the_log_goes_to_standard_error_and_to_its_file() {
    let shared = Shared::new().await;
    let mut config = shared.config();
    config["log_file_path"] = json!(shared.path("log/cni.log"));
    config["log_level"] = json!("Info");
    let answer = call(&pod_variables("DEL", "c1", Path::new(""), ARGS), &config.to_string());
    assert!(answer.ok && answer.log.contains("c1"), "{answer:?}");
    let file = std::fs::read_to_string(shared.path("log/cni.log")).unwrap();
    assert!(file.contains("c1"), "{file}");
    config["log_level"] = json!("error");
    let answer = call(&pod_variables("DEL", "c2", Path::new(""), ARGS), &config.to_string());
    assert!(answer.ok && answer.log.is_empty(), "{answer:?}");
}
