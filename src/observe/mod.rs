//! Who is told of what a breaker does: observers, readers of streams, and the log.

mod call_record;
mod event;
mod log;
mod stream;

pub use crate::machine::{Completion, Transition};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

pub(crate) use self::stream::Subscribers;
pub use self::{
    call_record::{BackupRecord, CallRecord, Evaluation, Stamp},
    event::Event,
    stream::Events,
};

/// Whoever wants to be told of events, and of each call where it says so. A closure will do for events.
///
/// It is called on the task that caused the event, outside every lock and after the state is stored. It should not
/// block; if it panics, the panic goes no further.
pub trait Observer: Send + Sync + 'static {
    /// Something changed.
    fn on_event(&self, event: &Event);

    /// Whether it wants to be told of each call. Asked once, when the breaker is built: where nobody does, calls pay nothing for it.
    /// Default: no.
    fn observes_calls(&self) -> bool {
        false
    }

    /// A call to the primary has ended, or was refused.
    fn on_call(&self, call: &CallRecord) {
        let _ = call;
    }

    /// A call to the backup has ended. Told to those who want calls.
    fn on_backup_call(&self, call: &BackupRecord) {
        let _ = call;
    }

    /// The breaker looked at its evidence between the starts and ends of calls, and found something: calls that were overdue, or a
    /// change that was due. Told to those who want calls.
    fn on_evaluation(&self, look: &Evaluation) {
        let _ = look;
    }
}

impl<F: Fn(&Event) + Send + Sync + 'static> Observer for F {
    fn on_event(&self, event: &Event) {
        self(event);
    }
}

/// Everybody who is told: the log, the observers, the streams.
pub(crate) struct EventSinks {
    observers: Arc<Observers>,
    subscribers: Subscribers,
}

/// The observers of all breakers of a layer.
#[derive(Default)]
pub(crate) struct Observers {
    all: Vec<Box<dyn Observer>>,
    /// Those of them that want to be told of calls.
    wanting_calls: Vec<usize>,
}

impl Observers {
    pub(crate) fn new(all: Vec<Box<dyn Observer>>) -> Self {
        let wants =
            |observer: &dyn Observer| catch_unwind(AssertUnwindSafe(|| observer.observes_calls())).unwrap_or(false);
        Self {
            wanting_calls: (0..all.len()).filter(|index| wants(&*all[*index])).collect(),
            all,
        }
    }
}

impl EventSinks {
    pub(crate) fn new(observers: Arc<Observers>) -> Self {
        Self {
            observers,
            subscribers: Subscribers::default(),
        }
    }

    /// Whether anybody wants to be told of calls.
    pub(crate) fn observes_calls(&self) -> bool {
        !self.observers.wanting_calls.is_empty()
    }

    pub(crate) fn notify_call(&self, call: &CallRecord) {
        self.tell_those_wanting_calls(&call.breaker, |observer| observer.on_call(call));
    }

    pub(crate) fn notify_backup_call(&self, call: &BackupRecord) {
        self.tell_those_wanting_calls(&call.breaker, |observer| observer.on_backup_call(call));
    }

    pub(crate) fn notify_evaluation(&self, look: &Evaluation) {
        self.tell_those_wanting_calls(&look.breaker, |observer| observer.on_evaluation(look));
    }

    fn tell_those_wanting_calls(&self, breaker: &str, tell: impl Fn(&dyn Observer)) {
        for index in &self.observers.wanting_calls {
            telling(breaker, || tell(&*self.observers.all[*index]));
        }
    }

    pub(crate) fn subscribe(&self) -> Events {
        self.subscribers.subscribe()
    }

    /// There will be no more events.
    #[cfg(feature = "keyed")]
    pub(crate) fn end(&self) {
        self.subscribers.end();
    }

    pub(crate) fn tell(&self, event: &Event) {
        self.subscribers.tell(event);
        log::log(event);
        for observer in &self.observers.all {
            telling(&event.breaker, || observer.on_event(event));
        }
    }
}

/// An observer's panic goes no further.
fn telling(breaker: &str, tell: impl FnOnce()) {
    if catch_unwind(AssertUnwindSafe(tell)).is_err() {
        tracing::error!(breaker, "an observer panicked");
    }
}
