//! The tool on files that are right, wrong, strange and broken.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "test code: what is printed says why one was skipped"
)]

use std::path::Path;
use std::process::Command;

/// Whether it succeeded, and what it printed, both streams.
fn run(paths: &[&Path]) -> (bool, String) {
    run_with(&[], paths)
}

fn run_with(options: &[&str], paths: &[&Path]) -> (bool, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tortie-conformance"));
    let output = command.args(options).args(paths).output().unwrap();
    let mut text = String::from_utf8(output.stdout).unwrap();
    text.push_str(core::str::from_utf8(&output.stderr).unwrap());
    (output.status.success(), text)
}

/// Runs one file with this text.
fn run_text(name: &str, text: &str) -> (bool, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, text).unwrap();
    run(&[&path])
}

#[test]
fn a_folder_of_good_cases_passes_and_names_what_it_skips() {
    let (success, text) = run(&[&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests")]);
    assert!(success, "{text}");
    assert!(text.contains("somebody-else/7 is not understood"), "{text}");
    assert!(text.contains("     3      0  calico-selector/1 "), "{text}");
    assert!(text.contains("    10      0  np-case/1 "), "{text}");
    assert!(text.contains("     6      0  calico-rules/1 "), "{text}");
    assert!(text.contains("   157      0      0  evaluator    all\n"), "{text}");
    assert!(text.contains("   157      0      0  interpreter  all\n"), "{text}");
    assert!(text.ends_with("all 20 cases pass\n"), "{text}");
}

/// Whether namespaces can be made; says why if not.
fn has_namespaces() -> bool {
    let probe = "ip link add probe0 type veth peer name probe1 && nft add table inet probe";
    let run = Command::new("unshare").args(["-n", "-m", "sh", "-c", probe]).output();
    if !run.as_ref().is_ok_and(|output| output.status.success()) {
        println!("skipped: cannot make network namespaces with nftables in them as this user: {run:?}");
        return false;
    }
    true
}

/// The kernel gives the same verdicts on real packets.
#[test]
fn netns_the_kernel_gives_the_same_verdicts() {
    if !has_namespaces() {
        return;
    }
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/testdata");
    let (success, text) = run_with(&["--kernel", "nftables"], &[&cases]);
    assert!(success, "{text}");
    assert!(text.contains("   140      0     17  kernel       all\n"), "{text}");
}

/// Random policy sets, each an incremental change of the kernel's one table: a small share; two thousand with
/// `TORTIE_PROVE=1`.
#[test]
fn netns_the_kernel_agrees_on_random_policy() {
    if !has_namespaces() {
        return;
    }
    let prove = std::env::var_os("TORTIE_PROVE").is_some_and(|value| value == "1");
    let sets = if prove { "2000" } else { "30" };
    let (success, text) = run_with(&["--kernel", "nftables", "--random", sets], &[]);
    println!("{text}");
    assert!(success, "{text}");
    assert!(
        text.contains(&format!("{sets} policy sets")) && text.contains("from the host to workload"),
        "{text}"
    );
    assert!(!text.contains(" 0 of them sent past"), "{text}");
}

#[test]
fn a_wrong_verdict_is_named_by_whoever_gives_it() {
    let text = |allowed: bool| {
        format!(
            r#"{{"schema":"np-case/1","id":"one","steps":[{{"namespaces":{{"a":{{}}}},"policies":[],
                "pods":[{{"namespace":"a","name":"p","ip":"10.0.0.1","labels":{{}},"ports":[]}}],
                "expect":[["ip:192.0.2.1","a/p","TCP",80,{allowed}]]}}]}}"#
        )
    };
    assert!(run_text("right.json", &text(true)).0);
    let (success, found) = run_text("wrong.json", &text(false));
    assert!(!success && found.contains("FAILED one "), "{found}");
    assert!(found.contains("must be denied, but the evaluator says allow: tcp 192.0.2.1:20000"), "{found}");
    assert!(found.contains("but not by the program of its endpoints"), "{found}");
    for (broken, want) in [
        ("\"expect\":[]", "nothing is expected"),
        (r#""expect":[["a/q","a/p","TCP",80,true]]"#, "there is no pod"),
        (r#""expect":[["a/p","ip:192.0.2.1","GRE",80,true]]"#, "is not known"),
        (r#""expect":3"#, "not a case of this format"),
    ] {
        let whole = text(true);
        let start = whole.find("\"expect\"").unwrap();
        let (success, found) = run_text("broken.json", &format!("{}{broken}}}]}}", &whole[..start]));
        assert!(!success && found.contains(want), "{found}");
    }
}

#[test]
fn a_failing_case_is_named_with_what_went_wrong() {
    let case = |id: &str, selector: &str, matches: &str, others: &str| {
        format!(
            r#"{{"schema":"calico-selector/1","id":"{id}","selector":"{selector}","matches":{matches},"non_matches":{others}}}"#
        )
    };
    let lines = [
        case("good", "has(a)", r#"[{"a":""}]"#, "[{}]"),
        case("missed", "has(a)", r#"[{"b":""}]"#, "[]"),
        case("caught", "!has(a)", "[]", r#"[{"b":"x"}]"#),
        case("refused", "a = 'b'", "[{}]", "[]"),
        case("empty", "all()", "[]", "[]"),
        case("shape", "all()", "{}", "[]"),
    ];
    let (success, text) = run_text("cases.jsonl", &lines.join("\n"));
    assert!(!success);
    assert!(!text.contains("FAILED good"), "{text}");
    for id in ["missed", "caught", "refused", "empty", "shape"] {
        assert!(text.contains(&format!("FAILED {id} (")), "{id}: {text}");
    }
    assert!(text.contains(":2)\n    has(a) should match but does not: {\"b\": \"\"}\n"), "{text}");
    assert!(text.contains("!has(a) should not match but does: {\"b\": \"x\"}\n"), "{text}");
    assert!(text.contains("has(a), parsed from its canonical text, should match"), "{text}");
    assert!(text.contains("    hint: operators are written twice"), "{text}");
    assert!(text.ends_with("5 of 6 cases fail\n"), "{text}");
}

#[test]
fn nothing_run_is_an_error() {
    for (name, text) in [
        ("none.jsonl", "\n"),
        ("none.json", "[]"),
        ("strange.jsonl", r#"{"schema":"somebody-else/7"}"#),
        ("without.json", r#"{"selector":"all()"}"#),
    ] {
        let (success, text) = run_text(name, text);
        assert!(!success, "{name}: {text}");
        assert!(text.contains("no case was run"), "{name}: {text}");
        assert!(text.contains("calico-selector/1"), "{name}: {text}");
    }
}

#[test]
fn what_cannot_be_read_is_an_error_with_its_place() {
    let (success, text) = run_text("broken.jsonl", "{}\n{\n");
    assert!(!success);
    assert!(text.contains("broken.jsonl:2 is not JSON"), "{text}");
    let (success, text) = run_text("broken.json", "[");
    assert!(!success);
    assert!(text.contains("broken.json is not JSON"), "{text}");
    let (success, text) = run(&[Path::new("/nowhere/at/all")]);
    assert!(!success);
    assert!(text.contains("there is no /nowhere/at/all"), "{text}");
}
