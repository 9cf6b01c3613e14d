//! Tells on which line of its input the CSV reader is.
//!
//! The CSV reader's own line numbers skip empty lines, and are one behind where lines end in
//! `\r\n`. It does report byte positions, so [`LineReader`] counts line breaks up to those.

use std::{
    cell::RefCell,
    io::{self, Read},
    rc::Rc,
};

/// A reader that counts the line breaks in what it reads.
pub(super) struct LineReader<R> {
    from: R,
    counter: LineCounter,
}

/// A counter of the line breaks that a [`LineReader`] has read, shared with the reader of the
/// trace.
#[derive(Clone, Default)]
pub(super) struct LineCounter(Rc<RefCell<Chunk>>);

/// A chunk of input: the bytes of the last read, and the counts of all before.
#[derive(Default)]
struct Chunk {
    bytes: Vec<u8>,
    bytes_before: u64,
    breaks_before: u64,
}

impl<R> LineReader<R> {
    pub(super) fn new(from: R) -> Self {
        Self {
            from,
            counter: LineCounter::default(),
        }
    }

    pub(super) fn line_counter(&self) -> LineCounter {
        self.counter.clone()
    }
}

impl LineCounter {
    /// Returns the line, counted from 1, of the last byte before position `end`.
    ///
    /// The position must lie in the last chunk that was read.
    pub(super) fn line_before(&self, end: u64) -> u64 {
        let chunk = self.0.borrow();
        let end = usize::try_from(end.saturating_sub(chunk.bytes_before + 1)).unwrap_or(usize::MAX);
        1 + chunk.breaks_before + count_breaks(&chunk.bytes[..end.min(chunk.bytes.len())])
    }

    /// Returns whether the last byte that was read is no line break.
    pub(super) fn ends_within_line(&self) -> bool {
        self.0.borrow().bytes.last() != Some(&b'\n')
    }
}

impl<R: Read> Read for LineReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.from.read(buffer)?;
        if read > 0 {
            let mut chunk = self.counter.0.borrow_mut();
            chunk.bytes_before += chunk.bytes.len() as u64;
            chunk.breaks_before += count_breaks(&chunk.bytes);
            chunk.bytes.clear();
            chunk.bytes.extend_from_slice(&buffer[..read]);
        }
        Ok(read)
    }
}

fn count_breaks(bytes: &[u8]) -> u64 {
    bytes.iter().filter(|byte| **byte == b'\n').count() as u64
}
