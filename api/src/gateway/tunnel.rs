//! After a 101 both sides speak a protocol of their own: bytes go both ways until one side ends.

use http::{Request, Response};
use hyper::{body::Incoming, upgrade::OnUpgrade};
use hyper_util::rt::TokioIo;
use tokio::io::copy_bidirectional;
use tokio_util::sync::CancellationToken;

use super::upstream::Lease;

/// The caller's half of an upgrade; taken before its request is answered.
pub fn caller_side(request: &mut Request<Incoming>) -> OnUpgrade {
    hyper::upgrade::on(request)
}

/// Joins both halves once the caller has its 101. Ends with either side, or when the gateway stops.
pub fn join(caller: OnUpgrade, answer: &mut Response<Incoming>, lease: Lease, stop: CancellationToken) {
    let upstream = hyper::upgrade::on(answer);
    tokio::task::spawn_local(async move {
        let _lease = lease;
        let Ok((caller, upstream)) = tokio::try_join!(caller, upstream) else { return };
        let (mut caller, mut upstream) = (TokioIo::new(caller), TokioIo::new(upstream));
        tokio::select! {
            // Either side hanging up is how tunnels end.
            _ = copy_bidirectional(&mut caller, &mut upstream) => {}
            () = stop.cancelled() => {}
        }
    });
}
