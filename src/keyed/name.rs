//! The names of a layer's breakers: bounded, and different for different keys.

use std::{
    fmt::{self, Write},
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
};

use crate::config::LONGEST_NAME;

/// Returns the name of a key's breaker: `hosts["a.example"]`. The name of a long key is its
/// beginning and its hash.
pub(super) fn of_key<K: fmt::Debug + Hash>(layer: &str, key: &K) -> Arc<str> {
    let mut name = Bounded {
        text: String::new(),
        room: LONGEST_NAME - RESERVED,
    };
    let whole = write!(name, "{layer}[{key:?}");
    if whole.is_ok() {
        name.text.push(']');
    } else {
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        let _ = write!(name.text, "…#{:016x}]", hasher.finish());
    }
    name.text.into()
}

/// Returns the name of the breaker that all keys beyond `max_keys` share.
pub(super) fn of_overflow(layer: &str) -> Arc<str> {
    format!("{layer}{OVERFLOW}").into()
}

/// How many bytes of a breaker's name are free for its end: that of a long key, or the overflow's.
pub(super) const RESERVED: usize = "…#0123456789abcdef]".len();
const OVERFLOW: &str = " (overflow)";
const _: () = assert!(OVERFLOW.len() < RESERVED);

/// A writer that takes as much text as fits, and then fails.
struct Bounded {
    text: String,
    room: usize,
}

impl fmt::Write for Bounded {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = self.room - self.text.len();
        let fits = (0..=room.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
        let fits = fits.expect("a text begins with a boundary");
        self.text.push_str(&text[..fits]);
        if fits < text.len() { Err(fmt::Error) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_keys_are_written_out() {
        assert_eq!(&*of_key("hosts", &"a.example"), r#"hosts["a.example"]"#);
        assert_eq!(&*of_key("tenants", &7), "tenants[7]");
        assert_eq!(&*of_key("hosts", &"\"]\n"), r#"hosts["\"]\n"]"#);
    }

    #[test]
    fn long_keys_have_different_names_that_fit() {
        let long = "ä".repeat(1000);
        let names = [format!("{long}1"), format!("{long}2")].map(|key| of_key("hosts", &key));
        assert_ne!(names[0], names[1]);
        for name in names {
            assert!(name.len() <= LONGEST_NAME && name.starts_with("hosts[\"ää"), "{name}");
        }
    }
}
