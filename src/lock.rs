//! Locks a mutex, poisoned or not.
//!
//! Few threads can panic under a lock of this crate: code of a user's runs outside it, or its panic
//! is caught. Where that can't be (a writer that records a trace, a request's body), the value is
//! whole at each point that may panic. So a poisoned mutex says nothing about its value, and one
//! panic doesn't make every later call panic.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks the mutex, and ignores that a thread may have panicked while it held it.
pub(crate) fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
