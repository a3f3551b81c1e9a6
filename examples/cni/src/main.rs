//! The reference CNI plugin: a container gets its addresses, its link and its routes, and never a link without policy.
//!
//! It is called as the Container Network Interface specification says: verb and container in the environment, the network
//! configuration as JSON on standard input, result or error object as JSON on standard output, exit code 0 or 1. Verbs are
//! ADD, DEL and VERSION; versions those that have no other verbs, 0.1.0 to 0.3.1.
//!
//! ADD goes in an order in which every step can be undone, and in which no packet passes before policy is in place:
//! everything that was given is checked; addresses are assigned; the endpoint's record is written, for the agent; the
//! firewall is there, the agent's or one that drops all; then the link is made; then the agent acknowledges the endpoint,
//! or all of it is undone and the runtime is told to try again.
#![expect(clippy::print_stdout, reason = "the protocol is on standard output")]

mod ack;
mod address;
mod cmd;
mod config;
mod endpoint;
mod env;
mod error;
mod label;
mod lock;
mod log;
mod result;
mod shield;
mod store;
mod version;
mod veth;

use core::panic::AssertUnwindSafe;
use std::io::Read as _;
use std::panic::catch_unwind;
use std::process::ExitCode;

use config::{CONFIG_MAX, Config};
use env::{Command, Environment};
use error::{Code, Error};
use version::Version;

fn main() -> ExitCode {
    if std::env::args().skip(1).any(|argument| argument == "-v" || argument == "--version") {
        println!("tortie-cni {}", env!("CARGO_PKG_VERSION"));
        return ExitCode::SUCCESS;
    }
    // A panic is a defect; the runtime still gets an object that says so.
    let outcome = catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|_| {
        let error = Error::new(Code::Internal, "the plugin panicked: standard error has the details");
        Err((Version::NEWEST, error))
    });
    match outcome {
        Ok(answer) => {
            if !answer.is_empty() {
                println!("{answer}");
            }
            ExitCode::SUCCESS
        }
        Err((version, error)) => {
            tracing::error!(%error, code = error.code as u32, "failed");
            println!("{}", error.to_json(version));
            ExitCode::FAILURE
        }
    }
}

/// One call: what goes to standard output, or the error and the version to say it in.
fn run() -> Result<String, (Version, Error)> {
    let newest = |error| (Version::NEWEST, error);
    let environment = Environment::parse(|name| std::env::var(name).ok()).map_err(newest)?;
    let mut text = Vec::new();
    let limit = u64::try_from(CONFIG_MAX).unwrap_or(u64::MAX).saturating_add(1);
    std::io::stdin().take(limit).read_to_end(&mut text).map_err(|error| {
        newest(Error::caused(Code::Io, "the network configuration cannot be read", &error))
    })?;
    let (Some(container), command) = (environment.container, environment.command) else {
        return Ok(cmd::version::answer(&text));
    };
    let config = Config::parse(&text)?;
    let version = config.version;
    let said = |error| (version, error);
    log::start(&config);
    tracing::info!(?command, container = container.id, interface = container.interface, "called");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime
        .map_err(|error| said(Error::caused(Code::Internal, "the runtime cannot be started", &error)))?;
    match command {
        Command::Add => runtime.block_on(cmd::add::run(&config, &container)).map_err(said),
        Command::Del => {
            runtime.block_on(cmd::del::run(&config, &container)).map(|()| String::new()).map_err(said)
        }
        Command::Version => Ok(cmd::version::answer(&text)),
    }
}
