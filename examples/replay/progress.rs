use std::io::{self, IsTerminal, Read, Write};

/// Tells on the terminal how far a long task has come.
pub(crate) struct Progress {
    what: &'static str,
    of: u64,
    done: u64,
    told: u64,
    shown: bool,
}

/// A task this long is worth a word.
const LONG: u64 = 100_000;

impl Progress {
    /// `of` is how much there is to do; 0 where nobody knows.
    pub(crate) fn new(what: &'static str, of: u64) -> Self {
        Self {
            what,
            of,
            done: 0,
            told: 0,
            shown: io::stderr().is_terminal() && (of == 0 || of >= LONG),
        }
    }

    pub(crate) fn step(&mut self) {
        self.at(self.done + 1);
    }

    pub(crate) fn at(&mut self, done: u64) {
        self.done = done;
        if !self.shown || done < self.told + self.of / 100 {
            return;
        }
        self.told = done;
        let _ = match self.of {
            0 => write!(io::stderr(), "\r{} {done}", self.what),
            of => write!(io::stderr(), "\r{} {:3} %", self.what, 100 * done / of),
        };
    }

    pub(crate) fn end(&self) {
        if self.shown {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}

/// A file that tells how much of it has been read.
pub(crate) struct Counted<R> {
    from: R,
    progress: Progress,
}

impl<R> Counted<R> {
    pub(crate) fn new(from: R, progress: Progress) -> Self {
        Self { from, progress }
    }
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.from.read(buffer)?;
        self.progress.at(self.progress.done + read as u64);
        if read == 0 {
            self.progress.end();
        }
        Ok(read)
    }
}
