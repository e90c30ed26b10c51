//! One call that stays open: what it presented, what it was let in by, and whether it would be let in again.

use std::{
    cell::{Cell, OnceCell, RefCell},
    net::IpAddr,
    sync::Arc,
    task::Waker,
};

use chrono::{DateTime, TimeDelta, Utc};
use domain::rules::{
    admission::{self, Admitted, Denial},
    certificate::Shown,
    jose::{Jws, KeySet},
    view::{Client, Moment, Product, Team, View},
};
use entities::enums::DenialReason;
use http::{Method, Uri};
use tokio::time::Instant;

use super::{
    super::{
        Core,
        answer::Stream,
        claims::{Claims, Kept},
    },
    Ended,
};

/// Between two looks at what is past its end and still let in, as by a clock's skew; in seconds.
const LOOK_AGAIN: TimeDelta = TimeDelta::seconds(1);
/// Between two looks at what hangs on keys that are published outside: no revision tells of them.
const LOOK_OUTSIDE: TimeDelta = TimeDelta::seconds(60);

/// What a call presented, as far as decisions look at it.
pub struct Presented {
    pub method: Method,
    pub target: Uri,
    pub claims: Kept,
    pub certificate: Option<Shown>,
    pub caller: IpAddr,
}

/// A call on the list.
pub(super) struct Held {
    pub presented: Presented,
    pub judged: RefCell<Judged>,
    pub ended: OnceCell<Ended>,
    /// Its answer on its way: given up with the call, also where its caller takes nothing of it.
    pub stream: RefCell<Option<Stream>>,
    /// When a part of the answer was last given to the caller's connection, where that has not asked for more since.
    pub offered: Cell<Option<Instant>>,
    pub waiting: RefCell<Option<Waker>>,
}

/// What it was let in by, and what that hangs on.
pub(super) struct Judged {
    pub admitted: Admitted,
    /// `None`: not known, so that the next change makes it be judged.
    on: Option<Basis>,
    pub until: Moment,
}

/// All that a change can replace; `None` for what is not there.
struct Basis {
    client: Option<Arc<Client>>,
    product: Option<Arc<Product>>,
    team: Option<Arc<Team>>,
    token_keys: KeySet,
}

pub(super) enum Verdict {
    Stays,
    Ends(Ended),
    /// Other keys of an outside issuer could let it stay.
    Asks(Box<Denial>),
}

impl Held {
    pub fn new(presented: Presented, admitted: Admitted, now: DateTime<Utc>) -> Self {
        let until = next_look(&presented, &admitted, now);
        let judged = RefCell::new(Judged { admitted, on: None, until });
        let (ended, stream, offered, waiting) = (OnceCell::new(), RefCell::default(), Cell::default(), RefCell::default());
        Self { presented, judged, ended, stream, offered, waiting }
    }

    pub fn end(&self, why: Ended) {
        if self.ended.set(why).is_err() {
            return;
        }
        self.stream.take();
        if let Some(waker) = self.waiting.take() {
            waker.wake();
        }
    }

    /// Whether anything that it was judged on was replaced.
    pub fn has_changed(&self, view: &impl View) -> bool {
        let judged = self.judged.borrow();
        judged.on.as_ref().is_none_or(|on| !on.is(&Basis::of(&judged.admitted, view)))
    }

    pub fn judge(&self, core: &Core) -> Verdict {
        let (snapshot, now) = (core.live.snapshot(), core.ctx.env.now());
        // Read before it is decided: what is replaced meanwhile is seen as a change the next time.
        let on = Basis::of(&self.judged.borrow().admitted, snapshot);
        let presented = &self.presented;
        let Claims { client_id, profile_id, api_key, bearer, fault } = presented.claims.claims();
        let call = admission::Call {
            method: presented.method.as_str(),
            path: presented.target.path(),
            framing: fault,
            client_id,
            profile_id,
            api_key,
            bearer,
            certificate: presented.certificate.as_ref(),
            peer: presented.caller,
            now,
            tokens: core.settings.expected_tokens(),
        };
        let admitted = match admission::admit(snapshot, &call) {
            Ok(admitted) => admitted,
            Err(denial) if denial.wants.is_some() => return Verdict::Asks(denial),
            Err(denial) => return Verdict::Ends(denial.into()),
        };
        let mut judged = self.judged.borrow_mut();
        if let Some(ended) = taken_away(&judged.admitted, &admitted) {
            return Verdict::Ends(ended);
        }
        // Of what it was let in by at first: what the upstream was told then is what may not become less.
        judged.until = next_look(presented, &admitted, now);
        judged.on = Some(on);
        Verdict::Stays
    }
}

/// What a call that would be let in again would be let in for less by.
fn taken_away(then: &Admitted, now: &Admitted) -> Option<Ended> {
    if then.profile().id != now.profile().id {
        return Some(Ended::of(DenialReason::ProfileUnknown, "its identity means another profile now"));
    }
    // The upstream was told of them, and goes on with that for as long as the call is open.
    let lost = then.scopes().find(|scope| !now.scopes().any(|held| held == *scope))?;
    Some(Ended::of(DenialReason::ScopeMissing, now.lacks(lost)))
}

/// When a call has to be judged again though nothing changes.
fn next_look(presented: &Presented, admitted: &Admitted, now: DateTime<Utc>) -> Moment {
    let bearer = presented.claims.claims().bearer;
    let token = bearer.and_then(|token| Jws::parse(token).ok()?.claimed_end());
    let certificate = presented.certificate.map(|shown| shown.certificate.not_after);
    let outside = admitted.profile().outside.is_some().then(|| now + LOOK_OUTSIDE);
    let ends = [token, certificate, outside].into_iter().flatten().map(Moment::from);
    let end = ends.fold(admitted.ends_at(), Moment::min);
    if end <= Moment::from(now) { Moment::from(now + LOOK_AGAIN) } else { end }
}

impl Basis {
    fn of(admitted: &Admitted, view: &impl View) -> Self {
        Self {
            client: view.client(admitted.client.id),
            product: view.product(&admitted.product.base_path),
            team: view.team(admitted.client.team),
            token_keys: view.token_keys(),
        }
    }

    fn is(&self, other: &Self) -> bool {
        fn same<T>(one: &Option<Arc<T>>, other: &Option<Arc<T>>) -> bool {
            one.as_ref().map(Arc::as_ptr) == other.as_ref().map(Arc::as_ptr)
        }
        same(&self.client, &other.client)
            && same(&self.product, &other.product)
            && same(&self.team, &other.team)
            && self.token_keys == other.token_keys
    }
}
