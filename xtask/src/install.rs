//! The Debian packages that the integration tests and the demo need.

use crate::shell;
use anyhow::bail;
use std::path::Path;
use std::process::Command;

/// A program that some test needs, the package that has it, and what goes without it.
struct Need {
    program: &'static str,
    package: &'static str,
    used_by: &'static str,
}

const NEEDS: [Need; 7] = [
    Need {
        program: "nft",
        package: "nftables",
        used_by: "the tests that compare the kernel with what `nft` says, and look at rules from outside",
    },
    Need { program: "bird", package: "bird2", used_by: "the tests that speak BGP with BIRD" },
    Need { program: "ip", package: "iproute2", used_by: "the tests that look at links from outside" },
    Need { program: "ping", package: "iputils-ping", used_by: "the tests that count lost echoes" },
    Need {
        program: "strace",
        package: "strace",
        used_by: "the tests that read what `nft` itself sends to the kernel",
    },
    Need { program: "etcd", package: "etcd-server", used_by: "the tests against a real etcd" },
    Need {
        program: "protoc",
        package: "protobuf-compiler",
        used_by: "the feature `etcd`, which is then neither built nor tested",
    },
];

/// What Debian's `protoc` compiles nothing of use without, and in which package it is.
const PROTOC_FILES: (&str, &str) = ("/usr/include/google/protobuf/descriptor.proto", "libprotobuf-dev");

/// Whether the feature `etcd` can be built here: there is a `protoc`, and what it includes.
pub(crate) fn builds_etcd() -> bool {
    let elsewhere = ["PROTOC", "PROTOC_INCLUDE"].iter().any(|name| std::env::var_os(name).is_some());
    elsewhere || (shell::find("protoc").is_some_and(|protoc| !lacks_files(&protoc)))
}

/// A `protoc` that was not installed by Debian brings its files with it.
fn lacks_files(protoc: &Path) -> bool {
    protoc == Path::new("/usr/bin/protoc") && !Path::new(PROTOC_FILES.0).exists()
}

fn missing() -> Vec<&'static Need> {
    NEEDS.iter().filter(|need| shell::find(need.program).is_none()).collect()
}

/// Installs what is missing, with apt-get, as root.
pub(crate) fn run() -> anyhow::Result<()> {
    let mut packages: Vec<_> = missing().iter().map(|need| need.package).collect();
    if !builds_etcd() {
        packages.push(PROTOC_FILES.1);
    }
    if packages.is_empty() {
        return Ok(());
    }
    if !shell::is_root() {
        bail!("--install needs root, to install {}", packages.join(", "));
    }
    let apt = |arguments: &[&str]| {
        let mut command = Command::new("apt-get");
        command.env("DEBIAN_FRONTEND", "noninteractive").args(arguments);
        command
    };
    shell::run(apt(&["update", "-qq"]))?;
    let mut install = apt(&["install", "-y", "-qq", "--no-install-recommends"]);
    install.args(&packages);
    shell::run(install)
}

/// Says, a line each, what will be skipped for want of a program, and how to get it.
pub(crate) fn report() {
    for need in missing() {
        println!(
            "skipped: {}: they need `{}`; `cargo xtask test --install` as root installs {}",
            need.used_by, need.program, need.package
        );
    }
    if shell::find("protoc").is_some_and(|protoc| lacks_files(&protoc)) {
        println!(
            "skipped: the feature `etcd`: `protoc` needs {}; `cargo xtask test --install` as root installs {}",
            PROTOC_FILES.0, PROTOC_FILES.1
        );
    }
}
