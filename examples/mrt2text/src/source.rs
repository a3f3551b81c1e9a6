//! Where octets come from: a file or standard input, compressed or not.

use std::fs::File;
use std::io::{self, BufRead, BufReader, IsTerminal as _, Read};
use std::path::Path;

use bzip2::bufread::MultiBzDecoder;
use flate2::bufread::MultiGzDecoder;
use indicatif::{ProgressBar, ProgressBarIter, ProgressStyle};

/// Files from here on have a progress bar, in octets as they lie on the disk.
const LARGE: u64 = 8 << 20;

type Raw = BufReader<ProgressBarIter<Box<dyn Read>>>;

/// Octets after decompression.
pub(crate) struct Source {
    form: Form,
    bar: ProgressBar,
}

enum Form {
    Plain(Raw),
    Gzip(MultiGzDecoder<Raw>),
    Bzip2(MultiBzDecoder<Raw>),
}

impl Source {
    /// A file, or standard input for `-`; its first octets say how it is compressed.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let (raw, len): (Box<dyn Read>, u64) = if path == Path::new("-") {
            (Box::new(io::stdin()), 0)
        } else {
            let file = File::open(path)?;
            let len = file.metadata()?.len();
            (Box::new(file), len)
        };
        let bar = if len >= LARGE && io::stderr().is_terminal() {
            let bar = ProgressBar::new(len);
            if let Ok(style) = ProgressStyle::with_template("{bar:40} {bytes}/{total_bytes} {eta} {msg}") {
                bar.set_style(style);
            }
            bar.set_message(path.display().to_string());
            bar
        } else {
            ProgressBar::hidden()
        };
        let mut raw = BufReader::with_capacity(64 << 10, bar.wrap_read(raw));
        let form = match raw.fill_buf()? {
            [0x1f, 0x8b, ..] => Form::Gzip(MultiGzDecoder::new(raw)),
            [b'B', b'Z', b'h', ..] => Form::Bzip2(MultiBzDecoder::new(raw)),
            _ => Form::Plain(raw),
        };
        Ok(Self { form, bar })
    }

    /// The bar that shows how far it is; hidden for what is not large.
    pub(crate) fn bar(&self) -> ProgressBar {
        self.bar.clone()
    }
}

impl Read for Source {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match &mut self.form {
            Form::Plain(source) => source.read(buf),
            Form::Gzip(source) => source.read(buf),
            Form::Bzip2(source) => source.read(buf),
        }
    }
}
