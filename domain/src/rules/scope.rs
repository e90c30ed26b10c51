//! Which scopes a team can ask for.

use entities::{columns::PlanScope, enums::ScopeGrantKind};

use crate::{Problem, ProblemCode};

/// What is known of a scope that is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// `None`: the plan has no such scope.
    pub offered: Option<&'a PlanScope>,
    pub granted: bool,
    /// An earlier request is not decided yet.
    pub waiting: bool,
    pub reason: bool,
}

/// A scope can be asked for once, where the plan offers it and it is not held yet; a RESTRICTED one with a reason.
pub fn may_ask<'a>(path: &str, asked: Asked<'a>) -> Result<&'a PlanScope, Problem> {
    let refused = |code, path: &str, say: &str| Err(Problem::new(code, path, say));
    let Some(scope) = asked.offered else {
        return refused(ProblemCode::NotFound, path, "the plan does not offer this scope");
    };
    if asked.granted {
        return refused(ProblemCode::AlreadyDone, path, "the subscription holds this scope already");
    }
    if asked.waiting {
        return refused(ProblemCode::AlreadyDone, path, "this scope was asked for already, and waits for a decision");
    }
    if scope.grant == ScopeGrantKind::Restricted && !asked.reason {
        return refused(ProblemCode::ReasonRequired, "reason", "a RESTRICTED scope needs a reason: say what it is needed for");
    }
    Ok(scope)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_asked_for() {
        let scope = |grant| PlanScope { name: "orders:write".to_owned(), description: None, grant, environments: Vec::new() };
        let (default, optional, restricted) =
            (scope(ScopeGrantKind::Default), scope(ScopeGrantKind::Optional), scope(ScopeGrantKind::Restricted));
        for (offered, granted, waiting, reason, outcome) in [
            (None, false, false, true, Some(ProblemCode::NotFound)),
            (Some(&default), true, false, true, Some(ProblemCode::AlreadyDone)),
            // Renounced before: it can be had again.
            (Some(&default), false, false, false, None),
            (Some(&optional), false, false, false, None),
            (Some(&optional), false, true, false, Some(ProblemCode::AlreadyDone)),
            (Some(&restricted), false, false, false, Some(ProblemCode::ReasonRequired)),
            (Some(&restricted), false, false, true, None),
        ] {
            let found = may_ask("scopes.0", Asked { offered, granted, waiting, reason }).err().map(|p| p.code);
            assert_eq!(found, outcome, "{offered:?} {granted} {waiting} {reason}");
        }
    }
}
