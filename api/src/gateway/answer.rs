//! An answer's body on its way to the caller. It streams, gives the upstream's connection back when it has ended, and tells the
//! meter how the call ended, whichever way that is.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep, sleep_until};

use super::{headers, meter::Call, upstream::Lease};

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// What the caller gets.
pub struct Answer {
    source: Source,
    /// Dropped with the body: the call is over.
    call: Call,
}

enum Source {
    Text(Bytes),
    Upstream(Stream),
}

struct Stream {
    body: Incoming,
    lease: Option<Lease>,
    /// `None`: it may be silent for as long as it likes.
    limit: Option<Duration>,
    waiting: Option<Pin<Box<Sleep>>>,
}

#[derive(Debug, thiserror::Error)]
#[error("the upstream sent nothing for {0:?}")]
struct Silent(Duration);

impl Answer {
    pub fn text(text: impl Into<Bytes>, call: Call) -> Self {
        Self { source: Source::Text(text.into()), call }
    }

    pub fn upstream(body: Incoming, lease: Lease, limit: Option<Duration>, call: Call) -> Self {
        let mut stream = Stream { body, lease: Some(lease), limit, waiting: None };
        stream.release_at_end();
        Self { source: Source::Upstream(stream), call }
    }
}

impl Stream {
    fn release_at_end(&mut self) {
        if self.body.is_end_stream()
            && let Some(lease) = self.lease.take()
        {
            lease.give_back();
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) {
            self.waiting = None;
            match &frame {
                Some(Ok(_)) => self.release_at_end(),
                Some(Err(_)) => self.lease = None,
                None => {
                    if let Some(lease) = self.lease.take() {
                        lease.give_back();
                    }
                }
            }
            return Poll::Ready(frame.map(|f| f.map(without_ours).map_err(Into::into)));
        }
        let Some(limit) = self.limit else { return Poll::Pending };
        let waiting = self.waiting.get_or_insert_with(|| Box::pin(sleep_until(Instant::now() + limit)));
        ready!(waiting.as_mut().poll(cx));
        Poll::Ready(Some(Err(Silent(limit).into())))
    }
}

/// An upstream's trailers are fields like its head's, and say nothing of the message's form (RFC 9110 section 6.5.1).
fn without_ours(frame: Frame<Bytes>) -> Frame<Bytes> {
    match frame.into_trailers() {
        Ok(mut trailers) => {
            headers::for_caller(&mut trailers);
            trailers.remove(CONTENT_LENGTH);
            Frame::trailers(trailers)
        }
        Err(data) => data,
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.get_mut();
        match &mut this.source {
            Source::Text(text) if text.is_empty() => Poll::Ready(None),
            Source::Text(text) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(text))))),
            Source::Upstream(stream) => {
                let frame = ready!(stream.poll(cx));
                if matches!(frame, Some(Err(_))) {
                    this.call.broke_off();
                }
                Poll::Ready(frame)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            Source::Text(text) => text.is_empty(),
            Source::Upstream(stream) => stream.body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Text(text) => SizeHint::with_exact(text.len() as u64),
            Source::Upstream(stream) => stream.body.size_hint(),
        }
    }
}
