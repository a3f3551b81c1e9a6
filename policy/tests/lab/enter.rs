//! Namespaces of a test's own.

use std::fs;
use std::process::Command;

/// Set in the environment of the process that runs inside of the namespaces.
const INSIDE: &str = "TORTIE_TEST_NETNS";

/// Where a test runs.
pub(crate) enum Place {
    /// In namespaces of its own: go on.
    Inside,
    /// The test has run inside, or cannot: there is nothing more to do.
    Done,
}

/// Runs the test of this name again, in new network and mount namespaces. Says why if that is not possible.
pub(crate) fn enter(test: &str) -> Place {
    if std::env::var_os(INSIDE).is_some() {
        return Place::Inside;
    }
    for (program, argument) in [("unshare", "--version"), ("ip", "-V"), ("nft", "--version")] {
        let found = Command::new(program).arg(argument).output().is_ok_and(|output| output.status.success());
        if !found {
            println!(
                "skipped {test}: `{program}` is missing; `apt-get install nftables iproute2 util-linux` has it"
            );
            return Place::Done;
        }
    }
    let root = fs::read_to_string("/proc/self/status").is_ok_and(|status| status.contains("\nUid:\t0\t0"));
    let flags = if root { &["-n", "-m"][..] } else { &["-U", "-r", "-n", "-m"] };
    let rules = "table inet probe { chain c { type filter hook forward priority 0; fib saddr . iif oif missing drop; \
                 ct state established accept; log prefix \"x\"; }; }";
    let probe = format!("mount -t tmpfs none /run && echo '{rules}' | nft -f -");
    match Command::new("unshare").args(flags).args(["sh", "-c", &probe]).output() {
        Ok(output) if output.status.success() => {}
        Ok(output) => {
            let why = String::from_utf8_lossy(&output.stderr);
            println!("skipped {test}: cannot make namespaces with nftables in them: {}", why.trim());
            return Place::Done;
        }
        Err(error) => {
            println!("skipped {test}: {error}");
            return Place::Done;
        }
    }
    let executable = std::env::current_exe().unwrap();
    let output = Command::new("unshare")
        .args(flags)
        .arg(executable)
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(INSIDE, "1")
        .output()
        .unwrap();
    print!("{}", String::from_utf8_lossy(&output.stdout));
    assert!(output.status.success(), "{test} inside: {}", String::from_utf8_lossy(&output.stderr));
    let ran = String::from_utf8_lossy(&output.stdout).contains("1 passed");
    assert!(ran, "there is no test of the name {test}");
    Place::Done
}
