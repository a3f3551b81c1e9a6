//! What the user sees: a progress bar while something is awaited, lines, and one line per claim.

use core::time::Duration;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal as _;
use std::path::Path;

/// Where all output goes through, so that lines and the progress bar do not mix.
pub(crate) struct Screen {
    bar: ProgressBar,
    /// Plain lines on standard error in place of a bar.
    plain: bool,
    /// Nothing but claims on standard output.
    terse: bool,
    held: usize,
    failed: usize,
}

impl Screen {
    pub(crate) fn new(terse: bool) -> Self {
        let plain = !std::io::stderr().is_terminal();
        let target = if plain { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        let bar = ProgressBar::with_draw_target(Some(1), target);
        if let Ok(style) = ProgressStyle::with_template("{spinner} [{elapsed}] {bar:24} {pos}/{len} {msg}") {
            bar.set_style(style);
        }
        bar.set_message("begins");
        bar.enable_steady_tick(Duration::from_millis(100));
        Self { bar, plain, terse, held: 0, failed: 0 }
    }

    /// Begins to wait for `total` things.
    pub(crate) fn stage(&self, what: impl Into<String>, total: usize) {
        let what = what.into();
        if self.plain {
            eprintln!("[{:5.1}s] {what}", self.bar.elapsed().as_secs_f32());
        }
        self.bar.set_length(u64::try_from(total).unwrap_or(u64::MAX));
        self.bar.set_position(0);
        self.bar.set_message(what);
    }

    /// So many of them are there.
    pub(crate) fn reached(&self, count: usize) {
        self.bar.set_position(u64::try_from(count).unwrap_or(u64::MAX));
    }

    /// One more is there.
    pub(crate) fn step(&self) {
        self.bar.inc(1);
    }

    /// A line on standard output, unless only claims are wanted.
    pub(crate) fn show(&self, text: impl AsRef<str>) {
        if !self.terse {
            self.line(text.as_ref());
        }
    }

    /// A heading, likewise.
    pub(crate) fn title(&self, text: &str) {
        self.show(format!("\n== {text}"));
    }

    /// A line on standard output in any case.
    pub(crate) fn line(&self, text: &str) {
        self.bar.suspend(|| println!("{text}"));
    }

    /// A claim that holds, or the reason why it does not.
    pub(crate) fn claim(&mut self, what: &str, result: anyhow::Result<String>) -> bool {
        match result {
            Ok(detail) if detail.is_empty() => self.line(&format!("ok   {what}")),
            Ok(detail) => self.line(&format!("ok   {what} ({detail})")),
            Err(error) => {
                self.failed += 1;
                self.line(&format!("FAIL {what}: {error:#}"));
                return false;
            }
        }
        self.held += 1;
        true
    }

    /// A claim that cannot be made here, and why.
    pub(crate) fn left_out(&self, what: &str, why: &str) {
        self.line(&format!("--   {what}: left out: {why}"));
    }

    /// The last line; whether all claims held.
    pub(crate) fn end(&self) -> bool {
        self.bar.finish_and_clear();
        let seconds = self.bar.elapsed().as_secs_f32();
        println!("{} claims hold, {} do not, in {seconds:.0} s", self.held, self.failed);
        self.failed == 0 && self.held > 0
    }

    /// Whether some claim has failed.
    pub(crate) fn has_failed(&self) -> bool {
        self.failed > 0
    }

    /// The ends of all logs in a folder.
    pub(crate) fn tails(&self, logs: &Path, lines: usize) {
        let Ok(entries) = std::fs::read_dir(logs) else { return };
        let mut files: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
        files.sort();
        for file in files {
            let text = String::from_utf8_lossy(&std::fs::read(&file).unwrap_or_default()).into_owned();
            let all: Vec<_> = text.lines().collect();
            if all.is_empty() {
                continue;
            }
            let tail = all.get(all.len().saturating_sub(lines)..).unwrap_or_default().join("\n");
            self.line(&format!("\n-- the end of {}:\n{tail}", file.display()));
        }
    }
}
