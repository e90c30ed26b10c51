//! How the parts of the worker hear that it winds down.

use tokio::sync::watch;

/// Returns when it was asked to stop, or nobody is left to ask.
pub(crate) async fn stopped(stop: &mut watch::Receiver<bool>) {
    // An error says that the sender is gone.
    let _ = stop.wait_for(|stop| *stop).await;
}
