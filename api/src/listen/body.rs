//! A request's body as it comes: in its time, or not at all. Who sends a byte now and then holds a connection, and whatever waits
//! for the rest, for no more than seconds.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep, sleep_until};

use super::Limits;

/// How long a body may be waited for. Only the time counts in which somebody would take more of it.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Before a rate is asked for.
    pub grace: Duration,
    /// Bytes a second.
    pub rate: u32,
    /// In all, for what comes with less than `brisk` bytes a second.
    pub whole: Duration,
    pub brisk: u32,
}

impl Default for Pace {
    fn default() -> Self {
        Self { grace: Duration::from_secs(10), rate: 1024, whole: Duration::from_secs(600), brisk: 64 * 1024 }
    }
}

impl Pace {
    /// How long it may have been waited for when so many bytes have come.
    fn allows(&self, came: u64) -> Duration {
        let at = |rate: u32| Duration::from_secs_f64(came as f64 / f64::from(rate));
        (self.grace + at(self.rate)).min(self.whole.max(at(self.brisk)))
    }
}

/// The body did not come in its time.
#[derive(Debug, thiserror::Error)]
#[error("the body came too slowly: {came} bytes in the {waited:?} in which it was waited for")]
pub struct TooSlow {
    came: u64,
    waited: Duration,
}

/// Whether a request's body was too slow, for who answers the request.
#[derive(Debug, Clone, Default)]
pub struct Late(Arc<AtomicBool>);

impl Late {
    pub fn is_so(&self) -> bool {
        self.0.load(Relaxed)
    }
}

/// A request's body that fails when it is waited for in vain.
pub struct GuardedBody {
    body: Incoming,
    /// Without one byte.
    stall: Duration,
    pace: Pace,
    /// Its answer has begun: both go on for as long as they like.
    streams: bool,
    came: u64,
    waited: Duration,
    since: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
    late: Option<Late>,
}

impl GuardedBody {
    pub fn new(body: Incoming, limits: &Limits) -> Self {
        let (stall, pace) = (limits.body_progress, limits.pace);
        Self { body, stall, pace, streams: false, came: 0, waited: Duration::ZERO, since: None, timer: None, late: None }
    }

    /// One that tells whether it was too slow.
    pub fn telling(body: Incoming, limits: &Limits, late: Late) -> Self {
        Self { late: Some(late), ..Self::new(body, limits) }
    }

    /// No rate is asked for any more.
    pub fn let_stream(&mut self) {
        self.streams = true;
    }

    /// How long this wait may last.
    fn patience(&self) -> Duration {
        let rest = self.pace.allows(self.came).saturating_sub(self.waited);
        if self.streams { self.stall } else { self.stall.min(rest) }
    }

    fn too_slow(&self, waiting: Duration) -> TooSlow {
        if let Some(late) = &self.late {
            late.0.store(true, Relaxed);
        }
        TooSlow { came: self.came, waited: self.waited + waiting }
    }
}

impl Body for GuardedBody {
    type Data = Bytes;
    type Error = Box<dyn std::error::Error + Send + Sync>;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let this = self.get_mut();
        if let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(cx) {
            if let Some(since) = this.since.take() {
                this.waited += since.elapsed();
            }
            if let Some(Ok(frame)) = &frame {
                this.came += frame.data_ref().map_or(0, |data| data.len() as u64);
            }
            return Poll::Ready(frame.map(|f| f.map_err(Into::into)));
        }
        let since = *this.since.get_or_insert_with(Instant::now);
        let until = since + this.patience();
        let timer = this.timer.get_or_insert_with(|| Box::pin(sleep_until(until)));
        if timer.deadline() != until {
            timer.as_mut().reset(until);
        }
        ready!(timer.as_mut().poll(cx));
        Poll::Ready(Some(Err(this.too_slow(since.elapsed()).into())))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_after_the_grace_and_an_end_for_what_is_not_brisk() {
        let pace = Pace::default();
        let allowed = |came: u64| pace.allows(came).as_secs();
        assert_eq!([allowed(0), allowed(1024), allowed(100 << 10), allowed(590 << 10)], [10, 11, 110, 600]);
        assert_eq!([allowed(10 << 20), allowed(37 << 20)], [600, 600], "ten minutes in all");
        assert_eq!(allowed(10 << 30), (10 << 30) / (64 << 10), "unless it really flows");
    }
}
