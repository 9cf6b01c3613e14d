//! The events of a breaker, as lines of text.

use std::sync::{Arc, Mutex};

use tower_breaker::Event;

/// Lines that an observer has written. Clones share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    pub(crate) fn observer(&self) -> impl Fn(&Event) + Send + Sync + use<> {
        let lines = self.0.clone();
        move |event| lines.lock().unwrap().push(event.to_string())
    }

    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}
