//! What a benchmark tells `cargo xtask bench-report` about a row: whose work it is, and a proof that it was done.
//!
//! The report runs the benchmarks with [`CHECKS`] set to a folder, and finds a file there for each row. Without that
//! variable nothing is written. Criterion knows what a row took; a program that measures by itself says that, too.
//! What we aim at is in `benches/aims.toml`.

use core::fmt::Display;
use std::path::PathBuf;

use serde_json::{Value, json};

/// The variable that names the folder.
pub const CHECKS: &str = "TORTIE_BENCH_CHECKS";

/// Whose work a row is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    Tortie,
    Rival,
    Twin,
    Floor,
}

/// A row: some work, and one who did it.
///
/// The rows of one work stand beside each other in the report, and must have the same check.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    work: &'a str,
    name: &'a str,
    who: Who,
}

impl<'a> Row<'a> {
    /// A row of ours. The work is `crate/what`; the name is `tortie`, or what tells it from others of ours, or empty where
    /// the work is done in one way alone.
    #[must_use]
    pub const fn tortie(work: &'a str, name: &'a str) -> Self {
        Self { work, name, who: Who::Tortie }
    }

    /// The row of a crate, program or daemon that does the same.
    #[must_use]
    pub const fn rival(work: &'a str, name: &'a str) -> Self {
        Self { work, name, who: Who::Rival }
    }

    /// The row of the stupid twin.
    #[must_use]
    pub const fn twin(work: &'a str) -> Self {
        Self { work, name: "naive_twin", who: Who::Twin }
    }

    /// The row of another twin than the stupid one.
    #[must_use]
    pub const fn other_twin(work: &'a str, name: &'a str) -> Self {
        Self { work, name, who: Who::Twin }
    }

    /// The row of less than the whole work, that nobody can be faster than. Its check may differ.
    #[must_use]
    pub const fn floor(work: &'a str, name: &'a str) -> Self {
        Self { work, name, who: Who::Floor }
    }

    /// What is done: the group of criterion.
    #[must_use]
    pub const fn work(&self) -> &'a str {
        self.work
    }

    /// Who did it: the function of criterion.
    #[must_use]
    pub const fn name(&self) -> &'a str {
        self.name
    }

    /// `work/name`, as criterion makes it of a group and a function.
    #[must_use]
    pub fn id(&self) -> String {
        if self.name.is_empty() { self.work.into() } else { format!("{}/{}", self.work, self.name) }
    }

    /// Says, of a row that criterion measures, what proves the work: a sum of what was read, a count of what was found.
    pub fn check(&self, check: impl Display) {
        self.write(self.json(check));
    }

    /// Says the whole row, and prints it: `value` is the median, or the quantile that the name says, of so many samples.
    #[expect(clippy::print_stdout, reason = "the report follows the progress by these lines")]
    pub fn measured(&self, value: f64, unit: &str, samples: usize, check: impl Display) {
        let mut row = self.json(check);
        if let Value::Object(fields) = &mut row {
            fields.insert("value".into(), json!(value));
            fields.insert("unit".into(), unit.into());
            fields.insert("samples".into(), samples.into());
        }
        self.write(row);
        println!("measured {}: {value:.3} {unit}", self.id());
    }

    fn json(&self, check: impl Display) -> Value {
        let who = match self.who {
            Who::Tortie => "tortie",
            Who::Rival => "rival",
            Who::Twin => "twin",
            Who::Floor => "floor",
        };
        json!({ "id": self.id(), "work": self.work, "who": who, "check": check.to_string() })
    }

    #[expect(clippy::panic, reason = "a report that lacks this row would be wrong")]
    fn write(&self, row: Value) {
        let Some(folder) = std::env::var_os(CHECKS).map(PathBuf::from) else { return };
        let path = folder.join(format!("{}.json", self.id().replace('/', "__")));
        let written = std::fs::create_dir_all(&folder).and_then(|()| std::fs::write(&path, row.to_string()));
        if let Err(error) = written {
            panic!("cannot write {}: {error}", path.display());
        }
    }
}

/// What a program that measures by itself is asked for, by the same arguments as criterion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Mode {
    /// `--bench`: measure everything.
    Measure,
    /// Nothing, or `--test`: run each once, on small inputs.
    Test,
}

/// The mode; or, for `--list`, `None` after printing the ids of all rows.
#[expect(clippy::print_stdout, reason = "the list goes to whoever asked")]
#[must_use]
pub fn mode(rows: &[Row<'_>]) -> Option<Mode> {
    let given: Vec<String> = std::env::args().skip(1).collect();
    let has = |flag: &str| given.iter().any(|argument| argument == flag);
    if has("--list") {
        rows.iter().for_each(|row| println!("{}: benchmark", row.id()));
        return None;
    }
    Some(if has("--bench") && !has("--test") { Mode::Measure } else { Mode::Test })
}
