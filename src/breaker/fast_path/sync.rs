//! Atomics and locks, from std or from loom, which tries every order of events; and the numbers of
//! threads.

#[cfg(breaker_loom)]
pub(crate) use self::modelled::{lock, shards_needed, thread_number, thread_number_if_known};
#[cfg(not(breaker_loom))]
pub(crate) use self::real::{shards_needed, thread_number, thread_number_if_known};
#[cfg(not(breaker_loom))]
pub(crate) use crate::lock::lock;
#[cfg(breaker_loom)]
pub(crate) use loom::sync::{
    Mutex,
    atomic::{AtomicU64, Ordering},
};
#[cfg(not(breaker_loom))]
pub(crate) use std::sync::{
    Mutex,
    atomic::{AtomicU64, Ordering},
};

#[cfg(not(breaker_loom))]
mod real {
    use std::{
        cell::Cell,
        collections::BTreeSet,
        num::NonZero,
        sync::{Mutex, OnceLock},
        thread::available_parallelism,
    };

    use crate::lock::lock;

    thread_local! {
        static NUMBER: Cell<usize> = const { Cell::new(UNKNOWN) };
        static TAKEN: Taken = Taken::lowest();
    }

    /// Returns the calling thread's number: the lowest that no living thread has, so that
    /// long-lived threads have numbers close together, however many come and go. No two threads
    /// that live at once have the same number, except for those that are just ending: [`ENDING`].
    pub(crate) fn thread_number() -> usize {
        match thread_number_if_known() {
            UNKNOWN => take_number(),
            number => number,
        }
    }

    /// Like [`thread_number`], but returns a number above all others where the thread has none yet.
    #[inline(always)]
    pub(crate) fn thread_number_if_known() -> usize {
        NUMBER.get()
    }

    #[cold]
    fn take_number() -> usize {
        let number = TAKEN.try_with(|taken| taken.0).unwrap_or(ENDING);
        NUMBER.set(number);
        number
    }

    const UNKNOWN: usize = usize::MAX;
    /// The number of threads that have given theirs back, and still drop their thread-locals. It
    /// owns no shard.
    const ENDING: usize = usize::MAX - 1;

    /// A number that is given back when its thread ends.
    struct Taken(usize);

    static ALL: Mutex<BTreeSet<usize>> = Mutex::new(BTreeSet::new());

    impl Taken {
        fn lowest() -> Self {
            let mut all = lock(&ALL);
            let lowest = (0..)
                .zip(all.iter())
                .take_while(|(number, taken)| number == *taken)
                .count();
            all.insert(lowest);
            Self(lowest)
        }
    }

    impl Drop for Taken {
        fn drop(&mut self) {
            // First, since another thread may have the number right after this.
            NUMBER.set(ENDING);
            lock(&ALL).remove(&self.0);
        }
    }

    /// Returns how many shards a breaker has: as many as there are processors, but a power of 2,
    /// and at most 16.
    pub(crate) fn shards_needed() -> usize {
        static SHARDS: OnceLock<usize> = OnceLock::new();
        *SHARDS.get_or_init(|| {
            available_parallelism()
                .map_or(1, NonZero::get)
                .next_power_of_two()
                .min(16)
        })
    }

    #[cfg(test)]
    mod tests {
        use std::{sync::mpsc, thread};

        use super::{ENDING, thread_number};

        #[test]
        fn threads_that_live_at_once_have_different_numbers_and_those_that_follow_have_them_again() {
            let here = thread_number();
            let another = || thread::spawn(thread_number).join().expect("it doesn't panic");
            let first = another();
            assert!(first != here && thread_number() == here);
            // Other tests come and go meanwhile, but not a thousand of them at once.
            assert!((0..1000).map(|_| another()).max() < Some(1000));
        }

        #[test]
        fn a_thread_that_has_given_its_number_back_has_it_no_more() {
            struct Last(mpsc::Sender<usize>);

            impl Drop for Last {
                fn drop(&mut self) {
                    let _ = self.0.send(thread_number());
                }
            }

            thread_local! {
                static LAST: std::cell::OnceCell<Last> = const { std::cell::OnceCell::new() };
            }
            let (sender, receiver) = mpsc::channel();
            // What a thread made first it drops last, after the number.
            let ended = thread::spawn(|| {
                LAST.with(|last| last.set(Last(sender)).is_ok());
                thread_number()
            });
            assert!(ended.join().expect("it doesn't panic") != ENDING);
            assert_eq!(receiver.recv(), Ok(ENDING));
        }
    }
}

#[cfg(breaker_loom)]
mod modelled {
    use loom::{
        lazy_static,
        sync::atomic::{AtomicUsize, Ordering},
        thread_local,
    };

    lazy_static! {
        static ref NEXT: AtomicUsize = AtomicUsize::new(0);
    }

    thread_local! {
        static NUMBER: usize = NEXT.fetch_add(1, Ordering::Relaxed);
    }

    /// Like [`lock`](crate::lock::lock), for loom's mutex.
    pub(crate) fn lock<T>(mutex: &loom::sync::Mutex<T>) -> loom::sync::MutexGuard<'_, T> {
        mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    pub(crate) fn thread_number() -> usize {
        NUMBER.with(|number| *number)
    }

    pub(crate) use self::thread_number as thread_number_if_known;

    pub(crate) fn shards_needed() -> usize {
        2
    }
}
