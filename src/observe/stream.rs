use std::{
    collections::VecDeque,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    task::{Context, Poll, Waker},
};

use futures_core::Stream;

use super::event::Event;

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

/// Those who read events as streams.
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

impl Subscribers {
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
