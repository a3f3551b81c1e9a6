//! What `nft` itself sends to the kernel, as strace sees it.

use std::io::Write as _;
use std::process::{Command, Stdio};

use tortie_nft_wire::{Entry, Family, Messages};

/// A message of `nft`: what it is about, and whether it adds that.
#[derive(Debug)]
pub(crate) struct Spoken {
    pub(crate) family: Family,
    pub(crate) kind: u8,
    pub(crate) entry: Entry,
}

/// The messages that change something, of those that `nft` sends for this text. Whether the kernel took them is another matter.
pub(crate) fn spoken(text: &str) -> Vec<Spoken> {
    let bytes = sent(text);
    let messages = Messages::new(&bytes).filter_map(|message| {
        let [subsystem, kind] = message.kind().to_be_bytes();
        let (family, entry) = message.entry()?;
        (subsystem == 10 && !QUESTIONS.contains(&kind)).then_some(Spoken { family, kind, entry })
    });
    messages.collect()
}

/// Types of the messages that ask.
const QUESTIONS: [u8; 10] = [1, 4, 7, 10, 13, 16, 19, 21, 23, 25];

/// All bytes that `nft` sends for this text.
pub(crate) fn sent(text: &str) -> Vec<u8> {
    let traced = ["-f", "-e", "trace=sendmsg,sendto", "-e", "write=all", "-o", "/dev/stdout"];
    let mut child = Command::new("strace")
        .args(traced)
        .args(["nft", "-f", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    // Lines of a dump: ` | 00010  14 00 00 00 10 0a 01 00  00 00 00 00 00 00 00 00  ................ |`.
    let lines = text.lines().filter_map(|line| line.strip_prefix(" | ")?.split_once("  "));
    let octets = lines.flat_map(|(_, line)| {
        let hex = line.get(..48).unwrap_or(line).split_whitespace();
        hex.map_while(|octet| u8::from_str_radix(octet, 16).ok().filter(|_| octet.len() == 2))
            .collect::<Vec<_>>()
    });
    octets.collect()
}
