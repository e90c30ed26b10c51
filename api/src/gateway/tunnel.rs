//! After a 101 both sides speak a protocol of their own: bytes go both ways until one side ends. The gateway speaks none of it, so
//! that where it ends a tunnel, each side sees its connection end (as WebSocket's code 1006).

use std::{
    cell::Cell,
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
    time::Duration,
};

use http::{Request, Response};
use hyper::{
    body::Incoming,
    upgrade::{OnUpgrade, Upgraded},
};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf, copy_bidirectional},
    time::{Instant, sleep_until, timeout},
};

use super::{open::Watch, upstream::Lease};

/// How long the end of the caller's side may take.
const FAREWELL: Duration = Duration::from_secs(2);

/// The caller's half of an upgrade; taken before its request is answered.
pub fn caller_side(request: &mut Request<Incoming>) -> OnUpgrade {
    hyper::upgrade::on(request)
}

/// Joins both halves once the caller has its 101. Ends with either side, when the call would not be let in any more, or when
/// neither side has said anything for `idle`.
pub fn join(caller: OnUpgrade, answer: &mut Response<Incoming>, lease: Lease, watch: Watch, idle: Duration) {
    let upstream = hyper::upgrade::on(answer);
    tokio::task::spawn_local(async move {
        let joined = async { tokio::try_join!(caller, upstream) };
        let (caller, upstream) = tokio::select! {
            joined = joined => match joined {
                Ok(both) => both,
                Err(_) => return,
            },
            _ = watch.ended() => return,
        };
        let heard = Rc::new(Cell::new(Instant::now()));
        let mut caller = Side { io: TokioIo::new(caller), heard: heard.clone() };
        let mut upstream = Side { io: TokioIo::new(upstream), heard: heard.clone() };
        tokio::select! {
            // Either side hanging up is how tunnels end.
            _ = copy_bidirectional(&mut caller, &mut upstream) => {}
            _ = watch.ended() => {}
            () = silence(&heard, idle) => {}
        }
        drop((upstream, lease));
        // Dropped with bytes unread, it would be reset, and what was sent last be lost. Who is gone already cannot be told.
        let _ = timeout(FAREWELL, caller.shutdown()).await;
    });
}

/// Waits until nobody has said anything for so long.
async fn silence(heard: &Cell<Instant>, limit: Duration) {
    while heard.get().elapsed() < limit {
        sleep_until(heard.get() + limit).await;
    }
}

/// One side of a tunnel, which notes when it was heard.
struct Side {
    io: TokioIo<Upgraded>,
    heard: Rc<Cell<Instant>>,
}

impl AsyncRead for Side {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        let read = Pin::new(&mut this.io).poll_read(cx, buf);
        if buf.filled().len() > before {
            this.heard.set(Instant::now());
        }
        read
    }
}

impl AsyncWrite for Side {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().io).poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(cx)
    }
}
