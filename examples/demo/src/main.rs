//! A cluster on one machine: three hosts, nine pods, no root.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "this program exists to show things")]

mod bad;
mod bird;
mod cluster;
mod facts;
mod flow;
mod garbage;
mod hosts;
mod inside;
mod install;
mod keep;
mod look;
mod matrix;
mod network;
mod peers;
mod pod;
mod pods;
mod probe;
mod programs;
mod resume;
mod routes;
mod screen;
mod show;
mod story;
mod teardown;
mod tiers;
mod world;

use clap::Parser as _;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

/// Builds a cluster in namespaces of its own and shows that it works
#[derive(clap::Parser)]
#[command(name = "tortie-demo", version)]
struct Options {
    /// Print one line per claim; exit 0 only when all of them hold
    #[arg(long)]
    check: bool,
    /// Leave the cluster up and say how to look inside
    #[arg(long)]
    keep: bool,
    /// As root: first install what the demo needs, and allow user namespaces
    #[arg(long)]
    install: bool,
    #[command(subcommand)]
    inner: Option<Inner>,
}

impl Options {
    /// Hands the flags on to the process in the new namespaces.
    fn pass(&self, command: &mut std::process::Command) {
        for (given, flag) in [(self.check, "--check"), (self.keep, "--keep")] {
            if given {
                command.arg(flag);
            }
        }
    }
}

/// The parts that this program plays for itself.
#[derive(clap::Subcommand)]
enum Inner {
    /// The first process of the new namespaces
    #[command(name = "__world", hide = true)]
    World(world::Machine),
    /// Runs a program in a network namespace
    #[command(name = "__in", hide = true)]
    In {
        netns: PathBuf,
        #[arg(last = true)]
        command: Vec<OsString>,
    },
    /// A pod's process
    #[command(name = "__pod", hide = true)]
    Pod { name: String },
}

fn main() -> ExitCode {
    match play(&Options::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("tortie-demo: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn play(options: &Options) -> anyhow::Result<ExitCode> {
    match &options.inner {
        None => {
            if options.install {
                install::run()?;
            }
            world::start(options)
        }
        Some(Inner::World(machine)) => {
            let pid = world::settle()?;
            runtime()?.block_on(story::tell(options, machine, pid))
        }
        Some(Inner::In { netns, command }) => Err(inside::exec(netns, command)),
        Some(Inner::Pod { name }) => {
            runtime()?.block_on(pod::live(name))?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// One thread: namespaces belong to threads, and everything here waits for others most of the time.
fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}
