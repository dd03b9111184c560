//! `set_no_cache`.

use std::sync::atomic::Ordering;

use crate::manager::Manager;

impl Manager {
    /// Whether every later step runs, whatever its record says.
    pub fn set_no_cache(&self, no_cache: bool) {
        self.no_cache.store(no_cache, Ordering::Relaxed);
    }
}
