//! How long work may go on whose size somebody else has chosen: a document's author, a caller. It is asked on the way, and what
//! has come to its end goes no further.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering::Relaxed},
    },
};

/// Steps between two looks at the clock.
const STEPS: u32 = 16;

/// Clones share one end.
#[derive(Clone, Default)]
pub struct Patience(Option<Arc<Limited>>);

struct Limited {
    is_over: Box<dyn Fn() -> bool + Send + Sync>,
    steps: AtomicU32,
    ended: AtomicBool,
}

impl Patience {
    /// For what is bounded by itself, and for tests.
    pub fn endless() -> Self {
        Self(None)
    }

    /// `is_over` is asked every few steps, until it says so for the first time.
    pub fn until(is_over: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(Limited { is_over: Box::new(is_over), steps: AtomicU32::new(0), ended: AtomicBool::new(false) })))
    }

    /// Takes a step; true where no further one should be taken.
    pub fn ends(&self) -> bool {
        let Some(limited) = &self.0 else { return false };
        if limited.steps.fetch_add(1, Relaxed).is_multiple_of(STEPS) { self.has_ended() } else { limited.ended.load(Relaxed) }
    }

    /// Looks at the clock: what was made after the end may be less than it should be.
    pub fn has_ended(&self) -> bool {
        let Some(limited) = &self.0 else { return false };
        if !limited.ended.load(Relaxed) && (limited.is_over)() {
            limited.ended.store(true, Relaxed);
        }
        limited.ended.load(Relaxed)
    }
}

impl fmt::Debug for Patience {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Patience(limited)" } else { "Patience(endless)" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_ends_once_and_for_all() {
        let over = Arc::new(AtomicBool::new(false));
        let (asked, patience) = (
            Arc::clone(&over),
            Patience::until({
                let over = Arc::clone(&over);
                move || over.load(Relaxed)
            }),
        );
        assert!((0..100).all(|_| !patience.ends()) && !patience.has_ended());
        asked.store(true, Relaxed);
        let steps = (0..100).take_while(|_| !patience.ends()).count();
        assert!(steps < STEPS as usize, "{steps} steps beyond the end");
        asked.store(false, Relaxed);
        assert!(patience.ends() && patience.clone().has_ended());
        assert!((0..100).all(|_| !Patience::endless().ends()));
    }
}
