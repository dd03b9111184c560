//! File work that may take long, such as removing whole trees, apart from the threads that everything else runs on.

use std::io;

/// Does the work on a thread for blocking calls. It goes on to its end even when nobody waits for it any more.
///
/// # Errors
/// Those of the work; also when it panicked.
pub(super) async fn apart<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}
