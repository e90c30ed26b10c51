//! An answer's body on its way to the caller. It streams, gives the upstream's connection back when it has ended, and tells the
//! meter how the call ended, whichever way that is. Where the call would not be let in any more, it breaks off.

use std::{
    pin::Pin,
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep, sleep_until};

use super::{headers, meter::Call, open::Watch, upstream::Lease};

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
    /// It may take a while: the stream is kept with the call's place on the list of those that stay open.
    Open(Watch),
}

/// An upstream's answer, as far as it has come.
pub struct Stream {
    body: Incoming,
    /// What came with the head.
    early: Option<Result<Bytes, hyper::Error>>,
    lease: Option<Lease>,
    /// `None`: it may be silent for as long as it likes.
    limit: Option<Duration>,
    waiting: Option<Pin<Box<Sleep>>>,
}

/// Answers that are no longer than this may be over before they are sent.
const SHORT: u64 = 64 * 1024;

#[derive(Debug, thiserror::Error)]
#[error("the call would not be let in any more: {0:?}")]
struct Over(entities::enums::DenialReason);

#[derive(Debug, thiserror::Error)]
#[error("the upstream sent nothing for {0:?}")]
struct Silent(Duration);

impl Answer {
    pub fn text(text: impl Into<Bytes>, mut call: Call) -> Self {
        call.completed();
        Self { source: Source::Text(text.into()), call }
    }

    /// `watch`: none for what is whole already.
    pub fn upstream(stream: Stream, watch: Option<Watch>, mut call: Call) -> Self {
        let source = match (stream.early, watch) {
            (None, _) if stream.body.is_end_stream() => Source::Text(Bytes::new()),
            (Some(Ok(whole)), _) if stream.body.is_end_stream() => Source::Text(whole),
            (early, None) => Source::Upstream(Stream { early, ..stream }),
            (early, Some(watch)) => {
                watch.keep(Stream { early, ..stream });
                Source::Open(watch)
            }
        };
        if matches!(source, Source::Text(_)) {
            call.completed();
        }
        Self { source, call }
    }
}

impl Source {
    fn is_sent(&self) -> bool {
        match self {
            Self::Text(text) => text.is_empty(),
            Self::Upstream(stream) => stream.is_sent(),
            Self::Open(watch) => watch.over().is_none() && watch.stream().as_ref().is_none_or(Stream::is_sent),
        }
    }
}

impl Stream {
    pub fn new(body: Incoming, lease: Lease, limit: Option<Duration>) -> Self {
        let mut stream = Self { body, early: None, lease: Some(lease), limit, waiting: None };
        if stream.body.size_hint().exact().is_some_and(|length| length <= SHORT) {
            stream.look();
        }
        stream.release_at_end();
        stream
    }

    /// Takes what has come already. Whoever sends the answer polls again.
    fn look(&mut self) {
        let polled = Pin::new(&mut self.body).poll_frame(&mut Context::from_waker(Waker::noop()));
        if let Poll::Ready(Some(frame)) = polled {
            self.early = Some(frame.map(|frame| frame.into_data().unwrap_or_default()));
        }
    }

    /// Whether nothing more comes of the upstream.
    fn is_over(&self) -> bool {
        self.body.is_end_stream()
    }

    fn is_sent(&self) -> bool {
        self.early.is_none() && self.is_over()
    }

    fn size_hint(&self) -> SizeHint {
        let (rest, early) = (self.body.size_hint(), self.early.as_ref());
        let early = early.and_then(|early| early.as_ref().ok()).map_or(0, |early| early.len() as u64);
        // A body of unknown length is not looked into beforehand.
        rest.exact().map_or(rest, |rest| SizeHint::with_exact(rest + early))
    }

    /// Whether all of it is here.
    pub fn is_whole(&self) -> bool {
        self.is_over() && !matches!(self.early, Some(Err(_)))
    }

    fn release_at_end(&mut self) {
        if self.body.is_end_stream()
            && let Some(lease) = self.lease.take()
        {
            lease.give_back();
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if let Some(early) = self.early.take() {
            if early.is_err() {
                self.lease = None;
            }
            return Poll::Ready(Some(early.map(Frame::data).map_err(Into::into)));
        }
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
        let Self { source, call } = self.get_mut();
        let frame = match source {
            Source::Text(text) if text.is_empty() => None,
            Source::Text(text) => Some(Ok(Frame::data(std::mem::take(text)))),
            Source::Upstream(stream) => ready!(stream.poll(cx)),
            Source::Open(watch) => {
                if let Poll::Ready(ended) = watch.poll_ended(cx) {
                    call.ended(ended);
                    return Poll::Ready(Some(Err(Over(ended.reason).into())));
                }
                let polled = watch.stream().as_mut().map_or(Poll::Ready(None), |stream| stream.poll(cx));
                watch.gave(polled.is_ready());
                ready!(polled)
            }
        };
        match &frame {
            Some(Err(_)) => call.broke_off(),
            Some(Ok(_)) if !source.is_sent() => {}
            Some(Ok(_)) | None => call.completed(),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.source.is_sent()
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Text(text) => SizeHint::with_exact(text.len() as u64),
            Source::Upstream(stream) => stream.size_hint(),
            Source::Open(watch) => watch.stream().as_ref().map_or_else(SizeHint::default, Stream::size_hint),
        }
    }
}
