//! The built program, run as users run it.

#![expect(clippy::unwrap_used, reason = "a test stops where it fails")]

mod apply;
mod bad;
mod delete;
mod demo;
mod get;
mod ipam;
mod selector;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;
use tortie_datastore::{Datastore, Embedded};

/// A folder with a datastore, and the program to be run on it.
struct Shop {
    folder: TempDir,
}

/// What a run of the program came to.
#[derive(Debug)]
struct Ran {
    ok: bool,
    code: Option<i32>,
    out: String,
    err: String,
}

impl Ran {
    /// The output of a run that must succeed in silence.
    #[track_caller]
    fn good(self) -> String {
        assert!(self.ok && self.err.is_empty(), "{self:?}");
        self.out
    }

    /// The messages of a run that must fail.
    #[track_caller]
    fn bad(self) -> String {
        assert!(!self.ok && !self.err.is_empty(), "{self:?}");
        self.err
    }
}

impl Shop {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn datastore(&self) -> PathBuf {
        self.folder.path().join("store.db")
    }

    fn store(&self) -> Datastore {
        Embedded::open(self.datastore()).unwrap().into()
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        self.run_with(arguments, "")
    }

    fn run_with(&self, arguments: &[&str], input: &str) -> Ran {
        let mut child = Command::new(env!("CARGO_BIN_EXE_tortie-ctl"))
            .args(arguments)
            .env("TORTIE_DATASTORE", self.datastore())
            .current_dir(self.folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        // A program that fails at once does not read its input.
        let _closed = stdin.write_all(input.as_bytes());
        drop(stdin);
        let output = child.wait_with_output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Ran {
            ok: output.status.success(),
            code: output.status.code(),
            out: text(output.stdout),
            err: text(output.stderr),
        }
    }

    /// Applies text from standard input.
    fn apply(&self, text: &str) -> Ran {
        self.run_with(&["apply", "-f", "-"], text)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }
}

/// The manifests of the demo.
fn manifests() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../demo/manifests")
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

const POOL: &str =
    "apiVersion: projectcalico.org/v3\nkind: IPPool\nmetadata: {name: pods}\nspec: {cidr: 10.77.0.0/16}\n";
