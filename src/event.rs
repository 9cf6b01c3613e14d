use std::{
    collections::VecDeque,
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    task::{Context, Poll, Waker},
};

use futures_core::Stream;

use crate::{
    call_record::{BackupRecord, CallRecord, Look},
    machine::{Timestamp, Transition, TripReason},
};

/// Something that changed, at which breaker, and when.
///
/// Observers on several threads may see events out of order; [`sequence`](Self::sequence) is their order.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Event {
    /// The breaker's name.
    pub breaker: Arc<str>,
    /// The generation of calls that began with it, or that it happened in.
    pub generation: u64,
    /// Counts a breaker's events, from 0.
    pub sequence: u64,
    /// When, by the breaker's clock.
    pub at: Timestamp,
    /// What changed.
    pub transition: Transition,
}

impl fmt::Display for Event {
    /// One line for whoever is on call.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.breaker.escape_debug(), self.transition)
    }
}

/// Whoever wants to be told of events, and of each call where it says so. A closure will do for events.
///
/// It is called on the task that caused the event, outside every lock and after the state is stored. It should not
/// block; if it panics, the panic goes no further.
pub trait Observer: Send + Sync + 'static {
    /// Something changed.
    fn on_event(&self, event: &Event);

    /// Whether it wants to be told of each call. Asked once, when the breaker is built: where nobody does, calls pay nothing for it.
    /// Default: no.
    fn wants_calls(&self) -> bool {
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
    fn on_look(&self, look: &Look) {
        let _ = look;
    }
}

impl<F: Fn(&Event) + Send + Sync + 'static> Observer for F {
    fn on_event(&self, event: &Event) {
        self(event);
    }
}

/// A breaker's events, as a stream that ends with the breaker.
///
/// A reader that falls behind loses the oldest ones, and [`lost`](Self::lost) counts them.
///
/// ```
/// use futures::StreamExt;
/// use tower_breaker::CircuitBreakerLayer;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), tower_breaker::ConfigError> {
/// let breaker = CircuitBreakerLayer::builder().name("payments").build()?.breaker().clone();
/// let mut events = breaker.subscribe();
///
/// breaker.disable("the breaker is wrong", None);
/// let event = events.next().await.expect("the breaker lives");
/// assert_eq!(event.to_string(), "payments: automatic → disabled: the breaker is wrong");
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Events {
    queue: Arc<Mutex<Queue>>,
}

#[derive(Debug, Default)]
struct Queue {
    events: VecDeque<Event>,
    lost: u64,
    ended: bool,
    reader: Option<Waker>,
}

impl Events {
    /// How many unread events are kept.
    pub const CAPACITY: usize = 256;

    /// How many events this reader was too slow for.
    #[must_use]
    pub fn lost(&self) -> u64 {
        lock(&self.queue).lost
    }

    /// The next event that is already there.
    pub fn try_next(&mut self) -> Option<Event> {
        lock(&self.queue).events.pop_front()
    }
}

impl Stream for Events {
    type Item = Event;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        let mut queue = lock(&self.queue);
        match queue.events.pop_front() {
            Some(event) => Poll::Ready(Some(event)),
            None if queue.ended => Poll::Ready(None),
            None => {
                let old = queue.reader.replace(cx.waker().clone());
                drop(queue);
                drop(old); // It may run anything, so not under the lock.
                Poll::Pending
            }
        }
    }
}

/// Everybody who is told: the log, the observers, the streams.
pub(crate) struct Listeners {
    observers: Arc<Observers>,
    streams: Streams,
}

/// The observers of all breakers of a layer.
#[derive(Default)]
pub(crate) struct Observers {
    all: Vec<Box<dyn Observer>>,
    /// Those of them that want to be told of calls.
    wanting_calls: Vec<usize>,
}

/// Those who read events as streams.
#[derive(Debug, Default)]
pub(crate) struct Streams {
    queues: Mutex<Vec<Weak<Mutex<Queue>>>>,
}

impl Observers {
    pub(crate) fn new(all: Vec<Box<dyn Observer>>) -> Self {
        let wants =
            |observer: &dyn Observer| catch_unwind(AssertUnwindSafe(|| observer.wants_calls())).unwrap_or(false);
        Self {
            wanting_calls: (0..all.len()).filter(|index| wants(&*all[*index])).collect(),
            all,
        }
    }
}

impl Streams {
    pub(crate) fn subscribe(&self) -> Events {
        let queue = Arc::new(Mutex::default());
        let mut queues = lock(&self.queues);
        queues.retain(|queue| queue.strong_count() > 0);
        queues.push(Arc::downgrade(&queue));
        Events { queue }
    }

    pub(crate) fn tell(&self, event: &Event) {
        let mut queues = lock(&self.queues);
        queues.retain(|queue| queue.strong_count() > 0);
        let current = queues.clone();
        drop(queues);
        for queue in current.iter().filter_map(Weak::upgrade) {
            push(&queue, event);
        }
    }
}

impl Listeners {
    pub(crate) fn new(observers: Arc<Observers>) -> Self {
        Self {
            observers,
            streams: Streams::default(),
        }
    }

    /// Whether anybody wants to be told of calls.
    pub(crate) fn wants_calls(&self) -> bool {
        !self.observers.wanting_calls.is_empty()
    }

    pub(crate) fn tell_call(&self, call: &CallRecord) {
        self.tell_those_wanting_calls(&call.breaker, |observer| observer.on_call(call));
    }

    pub(crate) fn tell_backup_call(&self, call: &BackupRecord) {
        self.tell_those_wanting_calls(&call.breaker, |observer| observer.on_backup_call(call));
    }

    pub(crate) fn tell_look(&self, look: &Look) {
        self.tell_those_wanting_calls(&look.breaker, |observer| observer.on_look(look));
    }

    fn tell_those_wanting_calls(&self, breaker: &str, tell: impl Fn(&dyn Observer)) {
        for index in &self.observers.wanting_calls {
            telling(breaker, || tell(&*self.observers.all[*index]));
        }
    }

    pub(crate) fn subscribe(&self) -> Events {
        self.streams.subscribe()
    }

    /// There will be no more events.
    #[cfg(feature = "keyed")]
    pub(crate) fn end(&self) {
        self.streams.end();
    }

    pub(crate) fn tell(&self, event: &Event) {
        self.streams.tell(event);
        log(event);
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

impl Streams {
    fn end(&self) {
        for queue in lock(&self.queues).iter().filter_map(Weak::upgrade) {
            let mut queue = lock(&queue);
            queue.ended = true;
            wake(queue);
        }
    }
}

impl Drop for Streams {
    fn drop(&mut self) {
        self.end();
    }
}

fn push(queue: &Mutex<Queue>, event: &Event) {
    let mut queue = lock(queue);
    if queue.events.len() == Events::CAPACITY {
        queue.events.pop_front();
        queue.lost += 1;
    }
    queue.events.push_back(event.clone());
    wake(queue);
}

/// Wakes the reader, outside the lock.
fn wake(mut queue: MutexGuard<'_, Queue>) {
    let reader = queue.reader.take();
    drop(queue);
    if let Some(reader) = reader {
        reader.wake();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn log(event: &Event) {
    let breaker = &*event.breaker;
    let transition = &event.transition;
    match transition {
        Transition::Opened { from, reason, .. } => tracing::warn!(
            breaker,
            from = from.name(),
            to = "open",
            reason = reason.name(),
            measured = reason.measured(),
            threshold = reason.threshold(),
            "{transition}"
        ),
        Transition::WouldHaveTripped { reason } | Transition::HeldBack { reason } => tracing::warn!(
            breaker,
            reason = reason.name(),
            measured = reason.measured(),
            threshold = reason.threshold(),
            "{transition}"
        ),
        Transition::HalfOpened { .. } => {
            tracing::info!(
                breaker,
                from = "open",
                to = "half-open",
                reason = "open time is up",
                "{transition}"
            );
        }
        Transition::ShareChanged { from, to, reason } => tracing::info!(
            breaker,
            from = "half-open",
            to = "half-open",
            from_percent = from,
            to_percent = to,
            reason = reason.as_ref().map_or("stage passed", TripReason::name),
            measured = reason.as_ref().map(TripReason::measured),
            threshold = reason.as_ref().map(TripReason::threshold),
            "{transition}"
        ),
        Transition::Closed => {
            tracing::info!(
                breaker,
                from = "half-open",
                to = "closed",
                reason = "recovered",
                "{transition}"
            );
        }
        Transition::ModeChanged { from, to, reason, .. } => {
            tracing::warn!(
                breaker,
                from = from.name(),
                to = to.name(),
                reason = &**reason,
                "{transition}"
            );
        }
        Transition::Reset { reason } => {
            tracing::warn!(breaker, to = "closed", reason = &**reason, "{transition}");
        }
        Transition::Reconfigured | Transition::Evicted => tracing::info!(breaker, "{transition}"),
    }
}
