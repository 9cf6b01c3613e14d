//! Observers, event streams and the log: how a breaker reports what it does.
//!
//! A breaker notifies its [`Observer`]s, sends its events to the readers of [`Events`], and logs
//! them by `tracing`. It does so on the task that caused the event, after its state is stored and
//! its lock released. An observer's panic is caught and logged.

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

/// An observer of a breaker's events and, if it asks for them, of its calls. A closure will do for
/// events.
///
/// The breaker calls it on the task that caused the event, outside every lock and after the state
/// is stored. It should not block. If it panics, the panic is caught and logged.
pub trait Observer: Send + Sync + 'static {
    /// Receives an event: the breaker has changed.
    fn on_event(&self, event: &Event);

    /// Returns whether this observer wants a record of each call. Default: no.
    ///
    /// The breaker asks once, when it is built. If no observer wants calls, recording costs them
    /// nothing.
    fn observes_calls(&self) -> bool {
        false
    }

    /// Receives a call to the primary that has ended, or was refused.
    fn on_call(&self, call: &CallRecord) {
        let _ = call;
    }

    /// Receives a call to the backup that has ended, if this observer [wants
    /// calls](Self::observes_calls).
    fn on_backup_call(&self, call: &BackupRecord) {
        let _ = call;
    }

    /// Receives an evaluation, if this observer [wants calls](Self::observes_calls).
    ///
    /// The breaker evaluated between the starts and ends of calls, and found calls that were
    /// overdue, or a change that was due.
    fn on_evaluation(&self, evaluation: &Evaluation) {
        let _ = evaluation;
    }
}

impl<F: Fn(&Event) + Send + Sync + 'static> Observer for F {
    fn on_event(&self, event: &Event) {
        self(event);
    }
}

/// A breaker's receivers of events: the log, its observers, and its subscribers.
pub(crate) struct EventSinks {
    observers: Arc<Observers>,
    subscribers: Subscribers,
}

impl EventSinks {
    pub(crate) fn new(observers: Arc<Observers>) -> Self {
        Self {
            observers,
            subscribers: Subscribers::default(),
        }
    }

    /// Returns whether any observer wants a record of each call.
    pub(crate) fn observes_calls(&self) -> bool {
        !self.observers.of_calls.is_empty()
    }

    /// Sends an event to the subscribers, the log and the observers.
    pub(crate) fn notify(&self, event: &Event) {
        self.subscribers.send(event);
        log::log(event);
        for observer in &self.observers.all {
            catch_panic(&event.breaker, || observer.on_event(event));
        }
    }

    pub(crate) fn notify_call(&self, call: &CallRecord) {
        self.observers
            .notify_of_calls(&call.breaker, |observer| observer.on_call(call));
    }

    pub(crate) fn notify_backup_call(&self, call: &BackupRecord) {
        self.observers
            .notify_of_calls(&call.breaker, |observer| observer.on_backup_call(call));
    }

    pub(crate) fn notify_evaluation(&self, evaluation: &Evaluation) {
        self.observers
            .notify_of_calls(&evaluation.breaker, |observer| observer.on_evaluation(evaluation));
    }

    pub(crate) fn subscribe(&self) -> Events {
        self.subscribers.subscribe()
    }

    /// Ends all streams: there will be no more events.
    #[cfg(feature = "keyed")]
    pub(crate) fn end(&self) {
        self.subscribers.end();
    }
}

/// The observers of all breakers of a layer.
#[derive(Default)]
pub(crate) struct Observers {
    all: Vec<Box<dyn Observer>>,
    /// The indices in `all` of those that want calls.
    of_calls: Vec<usize>,
}

impl Observers {
    pub(crate) fn new(all: Vec<Box<dyn Observer>>) -> Self {
        let observes_calls =
            |observer: &dyn Observer| catch_unwind(AssertUnwindSafe(|| observer.observes_calls())).unwrap_or(false);
        Self {
            of_calls: (0..all.len()).filter(|index| observes_calls(&*all[*index])).collect(),
            all,
        }
    }

    fn notify_of_calls(&self, breaker: &str, notify: impl Fn(&dyn Observer)) {
        for index in &self.of_calls {
            catch_panic(breaker, || notify(&*self.all[*index]));
        }
    }
}

/// Calls an observer, and logs its panic.
fn catch_panic(breaker: &str, notify: impl FnOnce()) {
    if catch_unwind(AssertUnwindSafe(notify)).is_err() {
        tracing::error!(breaker, "an observer panicked");
    }
}
