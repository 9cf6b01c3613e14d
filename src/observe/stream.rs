//! Streams of events: each reader has a bounded queue, to which the breaker sends without waiting.
//!
//! A queue belongs to its reader ([`Events`]); the breaker holds it weakly, so that a reader that
//! is dropped ends its queue. A full queue drops its oldest event and counts it as lost: a slow
//! reader never slows a breaker down. Wakers run, and are dropped, outside the lock, since they may
//! run any code.

use std::{
    collections::VecDeque,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, Weak},
    task::{Context, Poll, Waker},
};

use futures_core::Stream;

use super::event::Event;
use crate::lock::lock;

/// A stream of a breaker's events. It ends when the breaker does.
///
/// It holds up to [`CAPACITY`](Self::CAPACITY) unread events. Beyond that the oldest are dropped,
/// and [`lost`](Self::lost) counts them.
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
    /// The most unread events that a stream holds.
    pub const CAPACITY: usize = 256;

    /// Returns how many events were dropped unread, because this reader was too slow.
    #[must_use]
    pub fn lost(&self) -> u64 {
        lock(&self.queue).lost
    }

    /// Returns the next event if there is one, without waiting.
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
                drop(old); // A waker's drop may run any code.
                Poll::Pending
            }
        }
    }
}

/// The readers of a breaker's, or a registry's, events.
#[derive(Debug, Default)]
pub(crate) struct Subscribers {
    queues: Mutex<Vec<Weak<Mutex<Queue>>>>,
}

impl Subscribers {
    pub(crate) fn subscribe(&self) -> Events {
        let queue = Arc::new(Mutex::default());
        let mut queues = lock(&self.queues);
        queues.retain(|queue| queue.strong_count() > 0);
        queues.push(Arc::downgrade(&queue));
        Events { queue }
    }

    /// Sends an event to every reader that is still there.
    pub(crate) fn send(&self, event: &Event) {
        let mut queues = lock(&self.queues);
        queues.retain(|queue| queue.strong_count() > 0);
        let current = queues.clone();
        drop(queues);
        for queue in current.iter().filter_map(Weak::upgrade) {
            push(&queue, event);
        }
    }

    /// Ends every reader's stream, once it has read what is queued.
    pub(super) fn end(&self) {
        for queue in lock(&self.queues).iter().filter_map(Weak::upgrade) {
            let mut queue = lock(&queue);
            queue.ended = true;
            wake(queue);
        }
    }
}

impl Drop for Subscribers {
    fn drop(&mut self) {
        self.end();
    }
}

/// Queues an event. If the queue is full, drops its oldest event.
fn push(queue: &Mutex<Queue>, event: &Event) {
    let mut queue = lock(queue);
    if queue.events.len() == Events::CAPACITY {
        queue.events.pop_front();
        queue.lost += 1;
    }
    queue.events.push_back(event.clone());
    wake(queue);
}

/// Wakes the reader, after it has released the lock.
fn wake(mut queue: MutexGuard<'_, Queue>) {
    let reader = queue.reader.take();
    drop(queue);
    if let Some(reader) = reader {
        reader.wake();
    }
}
