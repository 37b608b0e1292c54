//! What two threads of the broker use: the one that serves, and the one that ends a run when serving does not.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread;
use std::time::{Duration, Instant};

/// A value that belongs to whoever holds its lock. Copies share it.
#[derive(Debug)]
pub struct Shared<T>(Arc<Mutex<T>>);

impl<T> Shared<T> {
    /// A value to be shared.
    pub fn new(value: T) -> Self {
        Self(Arc::new(Mutex::new(value)))
    }

    /// Waits for the value.
    pub fn lock(&self) -> MutexGuard<'_, T> {
        // Nothing is left half done by a panic that would be worse than not to be told what there is.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the value, but not longer than this.
    pub fn lock_within(&self, patience: Duration) -> Option<MutexGuard<'_, T>> {
        let begun = Instant::now();
        loop {
            match self.0.try_lock() {
                Ok(guard) => return Some(guard),
                Err(TryLockError::Poisoned(poisoned)) => return Some(poisoned.into_inner()),
                Err(TryLockError::WouldBlock) if begun.elapsed() >= patience => return None,
                Err(TryLockError::WouldBlock) => thread::sleep(LOOK_AGAIN),
            }
        }
    }
}

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

const LOOK_AGAIN: Duration = Duration::from_millis(5);
