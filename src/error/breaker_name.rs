//! A breaker's name in a [`CircuitOpen`](super::CircuitOpen), at the cost of a few words.

use std::{fmt, str::from_utf8, sync::Arc};

/// A breaker's name in an error. A short name is copied with the error: counting references to it
/// would take longer.
#[derive(Clone)]
pub(crate) struct BreakerName {
    /// The bytes of a short name, and their number in the last one.
    short: [u8; SHORT + 1],
    // Twice on the heap, so that it is a word here.
    long: Option<Arc<Box<str>>>,
}

const SHORT: usize = 23;

impl BreakerName {
    pub(crate) fn new(name: &str) -> Self {
        let mut short = [0; SHORT + 1];
        if name.len() > SHORT {
            let long = Some(Arc::new(name.into()));
            return Self { short, long };
        }
        short[..name.len()].copy_from_slice(name.as_bytes());
        short[SHORT] = name.len() as u8;
        Self { short, long: None }
    }

    /// Moves the name out of its place part by part, as it was written: a processor stalls if it
    /// reads at once what was written in parts.
    #[inline(always)]
    pub(crate) fn take(&mut self) -> Self {
        Self {
            short: self.short,
            long: if self.long.is_some() { self.long.take() } else { None },
        }
    }

    pub(crate) fn as_str(&self) -> &str {
        match &self.long {
            Some(long) => long,
            None => {
                let length = self.short[SHORT].into();
                from_utf8(&self.short[..length]).expect("it was a whole string")
            }
        }
    }
}

impl PartialEq for BreakerName {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for BreakerName {}

impl fmt::Debug for BreakerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_what_it_was_made_of_however_long() {
        let longest = "e".repeat(SHORT);
        let cut = format!("{}é", "e".repeat(SHORT - 1));
        for name in ["", "payments", "é", &longest, &cut, &"payments/".repeat(9)] {
            let mut made = BreakerName::new(name);
            assert_eq!(made.clone().as_str(), name);
            assert_eq!(made.take().as_str(), name);
        }
    }
}
