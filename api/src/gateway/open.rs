//! Calls that stay open: event streams, WebSockets, downloads, uploads. When something changes that one hangs on, the gateway's own
//! checks judge it again, and where it would not be let in now it ends; so it does at the moment at which what let it in ends by
//! itself. Short calls never come on this list.

mod held;

use std::{
    borrow::Cow,
    cell::{Cell, RefCell, RefMut},
    collections::HashMap,
    future::poll_fn,
    pin::pin,
    rc::Rc,
    task::{Context, Poll},
    time::Duration,
};

use domain::{
    rules::{
        admission::{Admitted, Denial},
        method::Methods,
        view::Moment,
    },
    snapshot::{self, Follower},
};
use entities::enums::DenialReason;
use tokio::time::{Instant, sleep, timeout};

pub use self::held::Presented;
use self::held::{Held, Verdict};
use super::{Core, answer::Stream, refusal::Refusal};

/// How long a call waits for its answer's head before it is on the list.
pub const BRIEF: Duration = Duration::from_millis(20);
/// How long a revision's receipt waits for calls that are not on the list yet.
const LATEST: Duration = Duration::from_millis(50);
/// Judged without a pause.
const AT_ONCE: usize = 64;

const STALE: &str = "the portal cannot be reached, and what is known of credentials may be out of date";
const STOPPING: &str = "the gateway stops";

/// Why a call that was open has ended.
#[derive(Debug, Clone)]
pub struct Ended {
    pub reason: DenialReason,
    pub about: Option<Cow<'static, str>>,
    allow: Methods,
}

impl Ended {
    fn of(reason: DenialReason, about: impl Into<Cow<'static, str>>) -> Self {
        Self { reason, about: Some(about.into()), allow: Methods::NONE }
    }

    /// What the caller is told where it has no answer yet.
    pub fn refusal(&self) -> Refusal<'_> {
        Refusal { allow: self.allow, ..Refusal::of(self.reason, self.about.as_deref()) }
    }
}

impl From<Box<Denial>> for Ended {
    fn from(denial: Box<Denial>) -> Self {
        Self { reason: denial.reason, about: denial.about, allow: denial.allow }
    }
}

/// A call that has been let in and is not on the list: dropped when it has ended, or is.
pub struct Brief(Rc<i64>);

/// A core's open calls.
pub struct Open {
    /// What calls are decided on by: held by those that are not on the list yet.
    revision: RefCell<Rc<i64>>,
    calls: RefCell<HashMap<u64, Rc<Held>>>,
    count: Cell<u64>,
    /// The first moment at which one has to be looked at again.
    due: Cell<Moment>,
    /// Ended by changes, and not told yet.
    ended: RefCell<Vec<snapshot::Ended>>,
}

/// A call's place on the list.
pub struct Watch {
    open: Rc<Open>,
    id: u64,
    held: Rc<Held>,
}

impl Open {
    pub fn new(revision: i64) -> Self {
        Self {
            revision: RefCell::new(Rc::new(revision)),
            calls: RefCell::default(),
            count: Cell::new(0),
            due: Cell::new(Moment::NEVER),
            ended: RefCell::default(),
        }
    }

    /// For a call that is about to be decided on.
    pub fn begin(&self) -> Brief {
        Brief(self.revision.borrow().clone())
    }

    /// Puts a call on the list that was decided on after `since` began.
    pub fn hold(core: &Rc<Core>, presented: Presented, admitted: Admitted, since: &Brief) -> Result<Watch, Ended> {
        let open = &core.open;
        let held = Rc::new(Held::new(presented, admitted, core.ctx.env.now()));
        let until = held.judged.borrow().until;
        let id = open.count.get();
        open.count.set(id.wrapping_add(1));
        open.calls.borrow_mut().insert(id, held.clone());
        open.due.set(open.due.get().min(until));
        let watch = Watch { open: open.clone(), id, held };
        if *since.0 != **open.revision.borrow() {
            open.settle(core, &watch.held, true);
        }
        watch.over().cloned().map_or(Ok(watch), Err)
    }

    /// Judges what is open by each revision, and says so when it is done.
    pub async fn follow(core: Rc<Core>, mut follower: Follower) {
        while let Some(revision) = follower.next().await {
            let before = core.open.revision.replace(Rc::new(revision));
            for (at, held) in core.open.all().into_iter().enumerate() {
                if held.has_changed(core.live.snapshot()) {
                    core.open.settle(&core, &held, true);
                }
                if at % AT_ONCE == AT_ONCE - 1 {
                    tokio::task::yield_now().await;
                }
            }
            // Those that are not on the list come on it, and are judged then, or end by themselves.
            let latest = Instant::now() + LATEST;
            while Rc::strong_count(&before) > 1 && Instant::now() < latest {
                sleep(Duration::from_millis(1)).await;
            }
            follower.settle(revision, core.open.ended.take());
        }
    }

    /// Ends what is past its time.
    pub fn look(&self, core: &Rc<Core>) {
        if self.calls.borrow().is_empty() {
            return;
        }
        if !core.live.is_current(std::time::Instant::now()) {
            return self.end_all(&Ended::of(DenialReason::Unavailable, STALE));
        }
        let now = Moment::from(core.ctx.env.now());
        if self.due.get() > now {
            return;
        }
        let all = self.all();
        for held in all.iter().filter(|held| held.judged.borrow().until <= now) {
            self.settle(core, held, false);
        }
        let open = all.iter().filter(|held| held.ended.get().is_none());
        self.due.set(open.map(|held| held.judged.borrow().until).min().unwrap_or(Moment::NEVER));
    }

    /// Gives up answers of which nobody takes anything for so long: over HTTP/2 a caller can leave them where they are.
    pub fn give_up(&self, limit: Duration) {
        for held in self.all() {
            if held.offered.get().is_some_and(|at| at.elapsed() > limit) {
                held.end(Ended::of(DenialReason::RequestTimeout, "its caller takes nothing of the answer"));
            }
        }
    }

    /// Ends what is still open as the gateway stops.
    pub fn stop(&self) {
        self.end_all(&Ended::of(DenialReason::Unavailable, STOPPING));
    }

    fn end_all(&self, why: &Ended) {
        self.all().iter().for_each(|held| held.end(why.clone()));
    }

    fn all(&self) -> Vec<Rc<Held>> {
        self.calls.borrow().values().filter(|held| held.ended.get().is_none()).cloned().collect()
    }

    /// Judges one anew. `counts`: where it ends, a change was why.
    fn settle(&self, core: &Rc<Core>, held: &Rc<Held>, counts: bool) {
        match held.judge(core) {
            Verdict::Stays => self.note_due(held),
            Verdict::Ends(ended) => {
                if counts {
                    self.note(held);
                }
                held.end(ended);
            }
            Verdict::Asks(denial) => {
                let (core, held) = (core.clone(), held.clone());
                tokio::task::spawn_local(async move {
                    if let Some(source) = &denial.wants {
                        core.ctx.key_sets.refresh(source).await;
                    }
                    match held.judge(&core) {
                        Verdict::Stays => core.open.note_due(&held),
                        Verdict::Ends(ended) => held.end(ended),
                        Verdict::Asks(denial) => held.end(denial.into()),
                    }
                });
            }
        }
    }

    /// A change may have brought its end nearer.
    fn note_due(&self, held: &Held) {
        self.due.set(self.due.get().min(held.judged.borrow().until));
    }

    fn note(&self, held: &Held) {
        let admitted = &held.judged.borrow().admitted;
        let (client, product, team) = (admitted.client.id, admitted.product.id, admitted.client.team);
        self.ended.borrow_mut().push(snapshot::Ended { client, product, team });
    }
}

/// Does what may have to wait for the caller, and ends with the call.
pub async fn as_long_as_let_in<T>(
    work: impl Future<Output = T>,
    hold: impl FnOnce() -> Result<Watch, Ended>,
) -> Result<T, Ended> {
    let mut work = pin!(work);
    if let Ok(done) = timeout(BRIEF, work.as_mut()).await {
        return Ok(done);
    }
    let watch = hold()?;
    tokio::select! {
        biased;
        ended = watch.ended() => Err(ended),
        done = work => Ok(done),
    }
}

impl Watch {
    /// Why it has ended; `None` while it is open.
    pub fn over(&self) -> Option<&Ended> {
        self.held.ended.get()
    }

    /// Keeps the answer that the call is held for.
    pub fn keep(&self, stream: Stream) {
        self.held.stream.replace(Some(stream));
    }

    /// The answer that is kept; `None` once it was given up.
    pub fn stream(&self) -> RefMut<'_, Option<Stream>> {
        self.held.stream.borrow_mut()
    }

    /// Whether the caller's connection was given a part of the answer, or waits for one.
    pub fn gave(&self, part: bool) {
        self.held.offered.set(part.then(Instant::now));
    }

    pub fn poll_ended(&self, cx: &mut Context<'_>) -> Poll<&Ended> {
        if let Some(ended) = self.held.ended.get() {
            return Poll::Ready(ended);
        }
        let mut waiting = self.held.waiting.borrow_mut();
        if !waiting.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            *waiting = Some(cx.waker().clone());
        }
        Poll::Pending
    }

    pub async fn ended(&self) -> Ended {
        poll_fn(|cx| self.poll_ended(cx).map(Clone::clone)).await
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.open.calls.borrow_mut().remove(&self.id);
    }
}
