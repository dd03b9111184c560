//! Who waits for something to happen in the store, and how they hear of it.

use tokio::sync::Notify;

/// Wakes everybody who waits and, should nobody wait just now, the next one to ask.
#[derive(Default)]
pub(super) struct Bell(Notify);

impl Bell {
    pub(super) fn ring(&self) {
        self.0.notify_waiters();
        self.0.notify_one();
    }

    pub(super) async fn heard(&self) {
        self.0.notified().await;
    }
}

/// What may have happened: something for workers, something for the reporter. `elsewhere` asks the one task that tells
/// other processes, where there may be any; however often it is asked meanwhile, it speaks once.
#[derive(Default)]
pub(super) struct News {
    pub(super) queue: Bell,
    pub(super) reports: Bell,
    pub(super) elsewhere: Notify,
}

impl News {
    /// Something may be ready for a worker.
    pub(super) fn tell_queue(&self) {
        self.queue.ring();
        self.elsewhere.notify_one();
    }

    /// A report may differ from what is shown.
    pub(super) fn tell_reports(&self) {
        self.reports.ring();
        self.elsewhere.notify_one();
    }

    /// What another replica did: both may be so, and nobody else need be told.
    pub(super) fn heard_from_elsewhere(&self) {
        self.queue.ring();
        self.reports.ring();
    }
}
