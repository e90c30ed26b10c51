//! Who may give which access in a team, that somebody stays who can manage it, and what it is called in URLs.

use entities::enums::{AccessLevel, TeamStatus};

use super::policy::Access;
use crate::{Problem, ProblemCode};

/// Nobody gives more than they hold; what somebody has already may stay. `before` is `None` for who is new.
pub fn may_give(held: Access, before: Option<Access>, wanted: Access) -> Result<(), Problem> {
    let before = before.unwrap_or(Access::NONE);
    let areas = [
        ("team", held.team, before.team, wanted.team),
        ("credentials", held.credentials, before.credentials, wanted.credentials),
        ("billing", held.billing, before.billing, wanted.billing),
    ];
    match areas.into_iter().find(|(_, held, before, wanted)| wanted > held.max(before)) {
        None => Ok(()),
        Some((area, ..)) => {
            let message = format!("you can give no more access to {area} than you hold: choose less");
            Err(Problem::new(ProblemCode::Invalid, &format!("access.{area}"), message))
        }
    }
}

/// How many members have FULL access to an area.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Full {
    pub team: u64,
    pub credentials: u64,
    pub billing: u64,
}

/// A team keeps a member with full access to each area that somebody has full access to: members give no more than they hold, so
/// nobody of theirs could ever give it again. `others` have it beside the one that changes from `before` to `after` (`None`:
/// leaves).
pub fn keeps_each_area(others: Full, before: Access, after: Option<Access>) -> Result<(), Problem> {
    let areas = [
        ("team", others.team, before.team, after.map(|access| access.team)),
        ("credentials", others.credentials, before.credentials, after.map(|access| access.credentials)),
        ("billing", others.billing, before.billing, after.map(|access| access.billing)),
    ];
    let full = AccessLevel::Full;
    match areas.into_iter().find(|(_, others, before, after)| *others == 0 && *before == full && *after != Some(full)) {
        None => Ok(()),
        Some((area, ..)) => {
            let message = format!("this is the last member with FULL access to the {area} area: give it to somebody else first");
            Err(Problem::new(ProblemCode::WrongState, "userId", message))
        }
    }
}

/// Teams that one person founds within a day, at most: each of them may send invitations.
pub const MOST_FOUNDED: u64 = 10;

/// `founded`: by this person within the last day.
pub fn may_found(founded: u64) -> Result<(), Problem> {
    if founded < MOST_FOUNDED {
        return Ok(());
    }
    let message = format!("you founded {MOST_FOUNDED} teams within a day: try again tomorrow");
    Err(Problem::new(ProblemCode::LimitReached, "", message))
}

/// Whether a reviewer may decide on a team's registration.
pub fn decide(status: TeamStatus) -> Result<(), Problem> {
    let say = match status {
        TeamStatus::Pending => return Ok(()),
        TeamStatus::Active => "the team is in use: there is nothing to decide",
        TeamStatus::Declined => "the team was declined already",
    };
    Err(Problem::new(ProblemCode::WrongState, "teamId", say))
}

/// The first of `base`, `base-2`, `base-3` … that is free; `team` where a name has nothing that fits into a URL.
pub fn free_slug(base: &str, taken: &[String]) -> String {
    let base = if base.is_empty() { "team" } else { base };
    let free = |slug: &String| !taken.contains(slug);
    std::iter::once(base.to_owned()).chain((2u32..).map(|n| format!("{base}-{n}"))).find(free).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use AccessLevel::{Full, None as Nothing, Read};

    use super::{Full as Holders, *};

    fn access(team: AccessLevel, credentials: AccessLevel, billing: AccessLevel) -> Access {
        Access { team, credentials, billing }
    }

    #[test]
    fn nobody_gives_more_than_they_hold() {
        let held = access(Full, Read, Nothing);
        for (before, wanted, refused_in) in [
            (None, access(Full, Read, Nothing), None),
            (None, access(Nothing, Nothing, Nothing), None),
            (None, access(Full, Full, Nothing), Some("credentials")),
            (None, access(Full, Read, Read), Some("billing")),
            (Some(access(Read, Full, Full)), access(Full, Full, Full), None),
            (Some(access(Read, Full, Read)), access(Full, Full, Full), Some("billing")),
            (Some(Access::FULL), access(Read, Nothing, Nothing), None),
        ] {
            let path = may_give(held, before, wanted).err().map(|problem| problem.path.join("."));
            assert_eq!(path, refused_in.map(|area| format!("access.{area}")), "{before:?} {wanted:?}");
        }
        assert_eq!(may_give(Access::FULL, None, Access::FULL), Ok(()));
    }

    #[test]
    fn the_last_with_full_access_to_an_area_stays() {
        let others = |team, credentials, billing| Holders { team, credentials, billing };
        let (full, read) = (Access::FULL, access(Read, Read, Read));
        for (others, before, after, lacking) in [
            (others(0, 0, 0), full, None, Some("team")),
            (others(0, 0, 0), full, Some(access(Read, Full, Full)), Some("team")),
            (others(1, 0, 1), full, None, Some("credentials")),
            (others(1, 1, 0), full, None, Some("billing")),
            (others(1, 1, 0), full, Some(read), Some("billing")),
            (others(1, 1, 0), full, Some(access(Nothing, Nothing, Full)), None),
            (others(0, 1, 1), full, Some(access(Full, Nothing, Nothing)), None),
            (others(1, 1, 1), full, None, None),
            (others(0, 0, 0), read, None, None),
            (others(0, 0, 0), read, Some(full), None),
            (others(0, 0, 0), full, Some(full), None),
            (others(1, 0, 0), access(Full, Read, Nothing), None, None),
        ] {
            let problem = keeps_each_area(others, before, after).err();
            let area = problem.as_ref().map(|problem| {
                assert_eq!((problem.code, &*problem.path.join(".")), (ProblemCode::WrongState, "userId"));
                problem.message.clone()
            });
            let wanted = lacking.map(|area| format!("FULL access to the {area} area"));
            assert_eq!(area.is_some(), wanted.is_some(), "{others:?} {before:?} {after:?}");
            assert!(area.is_none_or(|said| said.contains(&wanted.unwrap_or_default())), "{others:?} {before:?} {after:?}");
        }
    }

    #[test]
    fn ten_teams_a_day() {
        assert!(may_found(9).is_ok() && may_found(10).is_err());
    }

    #[test]
    fn slugs_get_a_number_where_they_are_taken() {
        let taken = ["acme", "acme-3", "team"].map(str::to_owned);
        assert_eq!(free_slug("harbour", &taken), "harbour");
        assert_eq!(free_slug("acme", &taken), "acme-2");
        assert_eq!(free_slug("", &taken), "team-2");
    }
}
