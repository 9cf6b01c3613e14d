use std::{
    env,
    fmt::Display,
    io::{IsTerminal, stdout},
};

#[derive(Clone, Copy, Debug)]
pub(crate) enum Colour {
    Red = 31,
    Green = 32,
    Yellow = 33,
    Blue = 34,
}

/// Colours text, where someone watches and hasn't set `NO_COLOR`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Paint {
    colourful: bool,
}

impl Paint {
    pub(crate) fn for_stdout() -> Self {
        let unwanted = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self {
            colourful: stdout().is_terminal() && !unwanted,
        }
    }

    /// Pad the text first: the escape codes take no room on the screen.
    pub(crate) fn with(self, colour: Colour, text: impl Display) -> String {
        if self.colourful {
            format!("\x1b[{}m{text}\x1b[0m", colour as u8)
        } else {
            text.to_string()
        }
    }
}
