use std::{
    cell::RefCell,
    io::{self, Read},
    rc::Rc,
};

/// Passes on what it reads, and knows on which line a byte of it stands.
///
/// The reader of CSV that it is for skips empty lines, and is a line behind where lines end in `\r\n`.
pub(super) struct LineReader<R> {
    from: R,
    lines: Lines,
}

/// The lines of what was read, shared with whoever asks.
#[derive(Clone, Default)]
pub(super) struct Lines(Rc<RefCell<Chunk>>);

/// What was read last, and how much came before it.
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
            lines: Lines::default(),
        }
    }

    pub(super) fn lines(&self) -> Lines {
        self.lines.clone()
    }
}

impl Lines {
    /// The line, from 1, of the last byte before `end`, which is in what was read last.
    pub(super) fn line_before(&self, end: u64) -> u64 {
        let chunk = self.0.borrow();
        let end = usize::try_from(end.saturating_sub(chunk.bytes_before + 1)).unwrap_or(usize::MAX);
        1 + chunk.breaks_before + breaks(&chunk.bytes[..end.min(chunk.bytes.len())])
    }

    /// Whether the last thing that was read is not a line break.
    pub(super) fn ends_within_one(&self) -> bool {
        self.0.borrow().bytes.last() != Some(&b'\n')
    }
}

impl<R: Read> Read for LineReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.from.read(buffer)?;
        if read > 0 {
            let mut chunk = self.lines.0.borrow_mut();
            chunk.bytes_before += chunk.bytes.len() as u64;
            chunk.breaks_before += breaks(&chunk.bytes);
            chunk.bytes.clear();
            chunk.bytes.extend_from_slice(&buffer[..read]);
        }
        Ok(read)
    }
}

fn breaks(bytes: &[u8]) -> u64 {
    bytes.iter().filter(|byte| **byte == b'\n').count() as u64
}
