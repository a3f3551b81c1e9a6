//! What the kernel, `nft` and packets make of our batches, in network namespaces of their own. Each test is skipped, and says
//! so, where namespaces may not be made or a program is not there.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "test code")]
#![expect(clippy::print_stdout, reason = "a test says what it compared, a skipped one why")]
#![expect(unsafe_code, reason = "rustix calls unshare unsafe because of FILES, which is not asked for here")]

mod examples;
mod lab;
mod listing;
mod nflog;
mod packets;
mod random;
mod refusals;
mod rules;
mod scenes;
mod sockets;
mod spoken;
mod transactions;
mod writers;

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::thread;

use tortie_nft_wire::{Name, Rule};

/// Runs a test in a network namespace of its own.
fn namespaced(test: &str, programs: &[&str], run: impl FnOnce() + Send) {
    thread::scope(|scope| {
        let ran = scope.spawn(|| {
            // SAFETY: the tables of files stay shared.
            let unshared = unsafe { rustix::thread::unshare_unsafe(rustix::thread::UnshareFlags::NEWNET) };
            if let Err(error) = unshared {
                println!("skipped {test}: {error}; run it as root");
                return;
            }
            let missing = programs.iter().find(|program| Command::new(program).arg("-V").output().is_err());
            match missing {
                Some(program) => println!("skipped {test}: there is no `{program}`"),
                None => run(),
            }
        });
        if let Err(panic) = ran.join() {
            std::panic::resume_unwind(panic);
        }
    });
}

fn name(name: &str) -> Name {
    Name::new(name).unwrap()
}

/// A rule of the table `t`.
fn rule(chain: &str) -> Rule {
    Rule::new(name("t"), name(chain))
}

/// What a program says; it has to succeed.
fn must(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap();
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Hands a text to `nft`.
fn load(text: &str) {
    let mut child = Command::new("nft").args(["-f", "-"]).stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success(), "{text}");
}

/// What `nft` lists, numbers where it knows names, line by line without the blanks at the margin.
fn listed() -> Vec<String> {
    let text = must("nft", &["-y", "-n", "list", "ruleset"]);
    text.lines().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty()).collect()
}
