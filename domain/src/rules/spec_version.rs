//! Which versions of a product's document are served where. At one moment, one path prefix of an environment is one
//! version's; and where there are versions, exactly one is CURRENT.

use std::collections::HashMap;

use entities::{
    enums::{Environment, SpecStatus},
    id::SpecVersionId,
};

use super::openapi::shape;
use crate::{Problem, ProblemCode};

/// What matters of a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    pub id: SpecVersionId,
    pub version: String,
    pub status: SpecStatus,
    pub path_prefix: String,
    /// Empty where it is RETIRED.
    pub served_by: Vec<Environment>,
}

const VERSION_MAX: usize = 64;

/// A version's name: it stands in download addresses.
pub fn name(path: &str, value: &str) -> Result<String, Problem> {
    let fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '+' | '~');
    let value = value.trim();
    let invalid = |message: String| Err(Problem::new(ProblemCode::Invalid, path, message));
    if value == "latest" {
        return invalid("latest always means the current version: give another version".to_owned());
    }
    if value.is_empty()
        || value.len() > VERSION_MAX
        || !value.chars().all(fine)
        || !value.starts_with(|c: char| c.is_ascii_alphanumeric())
    {
        return invalid(format!(
            "{value:?} cannot stand in addresses: give a version of 1 to {VERSION_MAX} letters, digits and . _ - + ~"
        ));
    }
    Ok(value.to_owned())
}

/// What stands between the base path and the document's paths: empty, or segments such as `/v2`.
pub fn path_prefix(path: &str, value: &str) -> Result<String, Problem> {
    let value = value.trim().trim_end_matches('/');
    let segment = |s: &str| {
        !s.is_empty()
            && s != "."
            && s != ".."
            && s.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'~'))
    };
    let fine = value.is_empty() || value.len() <= 100 && value.strip_prefix('/').is_some_and(|rest| rest.split('/').all(segment));
    if fine {
        return Ok(value.to_owned());
    }
    Err(Problem::new(ProblemCode::Invalid, path, "must be empty or start with a slash, such as /v2"))
}

/// The versions that change when a new one is published: it becomes CURRENT, and takes its prefix over in the environments
/// that serve it. The former current one, and any other that loses its last environment, stays SUPPORTED or is RETIRED.
pub fn publish(all: &[Version], prefix: &str, served_by: &[Environment]) -> Vec<Version> {
    let changed = |old: &Version| {
        let mut new = old.clone();
        if old.path_prefix == prefix {
            new.served_by.retain(|environment| !served_by.contains(environment));
        }
        new.status = match old.status {
            SpecStatus::Retired => SpecStatus::Retired,
            SpecStatus::Current | SpecStatus::Supported if new.served_by.is_empty() => SpecStatus::Retired,
            SpecStatus::Current | SpecStatus::Supported => SpecStatus::Supported,
        };
        new
    };
    all.iter().map(changed).zip(all).filter(|(new, old)| new != *old).map(|(new, _)| new).collect()
}

/// The versions that change when one is given a status. `served_by` stays as it is unless given; a version that comes back
/// from RETIRED is served everywhere unless it says where. Where it is given, the version takes the place there of another under
/// its prefix, at one moment, so that no call finds neither; one that loses its last environment so is RETIRED.
pub fn set_status(
    all: &[Version],
    id: SpecVersionId,
    status: SpecStatus,
    served_by: Option<&[Environment]>,
) -> Result<Vec<Version>, Problem> {
    let problem = |code, path: &str, message: String| Err(Problem::new(code, path, message));
    let Some(old) = all.iter().find(|version| version.id == id) else { return Ok(Vec::new()) };
    let mut new = old.clone();
    new.status = status;
    match (status, served_by) {
        (SpecStatus::Retired, None | Some([])) => new.served_by.clear(),
        (SpecStatus::Retired, Some(_)) => {
            return problem(
                ProblemCode::Invalid,
                "servedBy",
                "a RETIRED version is served nowhere: leave servedBy out".to_owned(),
            );
        }
        (_, Some([])) => {
            return problem(ProblemCode::Invalid, "servedBy", "name an environment, or set the status RETIRED".to_owned());
        }
        (_, Some(given)) => new.served_by = Environment::ALL.into_iter().filter(|e| given.contains(e)).collect(),
        (_, None) if new.served_by.is_empty() => new.served_by = Environment::ALL.to_vec(),
        (_, None) => {}
    }
    if new == *old {
        return problem(ProblemCode::AlreadyDone, "status", format!("version {} has this status already", old.version));
    }
    if old.status == SpecStatus::Current && status != SpecStatus::Current {
        return problem(
            ProblemCode::WrongState,
            "status",
            format!("version {} cannot become {} while CURRENT: make another version CURRENT first", old.version, shown(status)),
        );
    }
    let mut changed = Vec::new();
    for other in all.iter().filter(|other| other.id != id) {
        let mut after = other.clone();
        if other.path_prefix == new.path_prefix {
            after.served_by.retain(|environment| !new.served_by.contains(environment));
        }
        if after.served_by != other.served_by && served_by.is_none() {
            let place = if new.path_prefix.is_empty() { "without a path prefix" } else { &new.path_prefix };
            let say = format!(
                "version {} is served there {place} already: name in servedBy where this one is to take its place, or retire it",
                other.version
            );
            return problem(ProblemCode::Taken, "servedBy", say);
        }
        if other.status == SpecStatus::Current && status == SpecStatus::Current {
            after.status = SpecStatus::Supported;
        }
        if after.served_by.is_empty() && !other.served_by.is_empty() {
            if after.status == SpecStatus::Current {
                let say =
                    format!("version {} is CURRENT and would be served nowhere: make this one CURRENT instead", other.version);
                return problem(ProblemCode::WrongState, "servedBy", say);
            }
            after.status = SpecStatus::Retired;
        }
        if after != *other {
            changed.push(after);
        }
    }
    Ok(std::iter::once(new).chain(changed).collect())
}

/// The version that a new one is compared with: the one whose place it takes, or whose prefix it has; else the current one,
/// else the newest.
pub fn before(all: &[Version], prefix: &str, served_by: &[Environment]) -> Option<SpecVersionId> {
    let rank = |version: &&Version| {
        let same_prefix = version.path_prefix == prefix && version.status != SpecStatus::Retired;
        let replaced = same_prefix && version.served_by.iter().any(|environment| served_by.contains(environment));
        (replaced, same_prefix, version.status == SpecStatus::Current, version.id)
    };
    all.iter().max_by_key(rank).map(|version| version.id)
}

/// A method on a template, path prefix and all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route<'a> {
    pub method: &'a str,
    pub path: &'a str,
}

/// Whether two versions are served side by side with templates that can be the same: one prefix goes on where the other ends.
pub fn may_meet(one: &Version, other: &Version) -> bool {
    let goes_on = |long: &str, short: &str| long.strip_prefix(short).is_some_and(|rest| rest.starts_with('/'));
    let (a, b) = (&one.path_prefix, &other.path_prefix);
    one.id != other.id
        && one.served_by.iter().any(|environment| other.served_by.contains(environment))
        && (goes_on(a, b) || goes_on(b, a))
}

/// Refuses routes that another version has under its own prefix, naming some.
pub fn doubled<'a, 'b>(
    path: &str,
    routes: impl Iterator<Item = Route<'a>>,
    others: impl Iterator<Item = (&'b Version, Route<'b>)>,
) -> Result<(), Problem> {
    const NAMED: usize = 3;
    fn key(route: &Route<'_>) -> (String, String) {
        (route.method.to_owned(), shape(route.path).unwrap_or_else(|_| route.path.to_owned()))
    }
    let taken: HashMap<_, _> = others.map(|(version, route)| (key(&route), version)).collect();
    let found: Vec<_> = routes.filter_map(|route| Some((route, *taken.get(&key(&route))?))).collect();
    let Some((_, other)) = found.first() else { return Ok(()) };
    let named: Vec<_> = found.iter().take(NAMED).map(|(route, _)| format!("{} {}", route.method, route.path)).collect();
    let more = match found.len() - named.len() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let message = format!(
        "version {} answers {}{more} already: choose another path prefix or other environments, or retire that version",
        other.version,
        named.join(", "),
    );
    Err(Problem::new(ProblemCode::Taken, path, message))
}

fn shown(status: SpecStatus) -> &'static str {
    match status {
        SpecStatus::Current => "CURRENT",
        SpecStatus::Supported => "SUPPORTED",
        SpecStatus::Retired => "RETIRED",
    }
}

#[cfg(test)]
mod tests {
    use Environment::{Production, Sandbox};
    use SpecStatus::{Current, Retired, Supported};
    use entities::id::TypedId;
    use uuid::Uuid;

    use super::*;

    fn id(n: u128) -> SpecVersionId {
        SpecVersionId::from_uuid(Uuid::from_u128(n))
    }

    fn version(n: u128, status: SpecStatus, prefix: &str, served_by: &[Environment]) -> Version {
        Version { id: id(n), version: format!("{n}.0"), status, path_prefix: prefix.into(), served_by: served_by.into() }
    }

    const BOTH: &[Environment] = &[Sandbox, Production];

    #[test]
    fn a_new_version_takes_over_where_it_is_served() {
        let one = version(1, Current, "", BOTH);
        assert_eq!(publish(&[], "", BOTH), []);
        assert_eq!(publish(std::slice::from_ref(&one), "", BOTH), [version(1, Retired, "", &[])]);
        assert_eq!(publish(std::slice::from_ref(&one), "", &[Sandbox]), [version(1, Supported, "", &[Production])]);
        assert_eq!(publish(std::slice::from_ref(&one), "/v2", BOTH), [version(1, Supported, "", BOTH)]);
        let old = [version(1, Supported, "/v1", BOTH), version(2, Current, "/v2", BOTH), version(3, Retired, "/v1", &[])];
        assert_eq!(publish(&old, "/v1", BOTH), [version(1, Retired, "/v1", &[]), version(2, Supported, "/v2", BOTH)]);
    }

    #[test]
    fn every_change_of_status() {
        let all = [version(1, Retired, "", &[]), version(2, Supported, "/v2", &[Sandbox]), version(3, Current, "", BOTH)];
        let code = |n, status, served_by| set_status(&all, id(n), status, served_by).map_err(|problem| problem.code);
        assert_eq!(code(1, Retired, None), Err(ProblemCode::AlreadyDone));
        assert_eq!(code(1, Supported, None), Err(ProblemCode::Taken));
        assert_eq!(code(1, Current, None), Err(ProblemCode::Taken));
        assert_eq!(code(1, Current, Some(BOTH)), Ok(vec![version(1, Current, "", BOTH), version(3, Retired, "", &[])]));
        assert_eq!(
            code(1, Supported, Some(&[Sandbox])),
            Ok(vec![version(1, Supported, "", &[Sandbox]), version(3, Current, "", &[Production])])
        );
        assert_eq!(code(1, Supported, Some(BOTH)), Err(ProblemCode::WrongState));
        assert_eq!(code(2, Supported, None), Err(ProblemCode::AlreadyDone));
        assert_eq!(code(2, Supported, Some(BOTH)), Ok(vec![version(2, Supported, "/v2", BOTH)]));
        assert_eq!(code(2, Supported, Some(&[])), Err(ProblemCode::Invalid));
        assert_eq!(code(2, Retired, None), Ok(vec![version(2, Retired, "/v2", &[])]));
        assert_eq!(code(2, Retired, Some(BOTH)), Err(ProblemCode::Invalid));
        assert_eq!(code(2, Current, None), Ok(vec![version(2, Current, "/v2", &[Sandbox]), version(3, Supported, "", BOTH)]));
        assert_eq!(code(3, Supported, None), Err(ProblemCode::WrongState));
        assert_eq!(code(3, Retired, None), Err(ProblemCode::WrongState));
        assert_eq!(code(3, Current, None), Err(ProblemCode::AlreadyDone));
        assert_eq!(code(3, Current, Some(&[Production])), Ok(vec![version(3, Current, "", &[Production])]));
        assert_eq!(code(9, Current, None), Ok(Vec::new()));
    }

    #[test]
    fn what_a_new_version_is_compared_with() {
        let all = [
            version(1, Retired, "", &[]),
            version(2, Supported, "", &[Production]),
            version(3, Supported, "", &[Sandbox]),
            version(4, Current, "/v2", BOTH),
            version(5, Supported, "/v3", BOTH),
        ];
        for (prefix, served_by, expected) in
            [("", BOTH, 3), ("", &[Production], 2), ("/v2", BOTH, 4), ("/v3", &[Sandbox], 5), ("/v9", BOTH, 4)]
        {
            assert_eq!(before(&all, prefix, served_by), Some(id(expected)), "{prefix} {served_by:?}");
        }
        assert_eq!(before(&[], "", BOTH), None);
        assert_eq!(before(&[version(1, Supported, "/v1", &[Sandbox])], "/v1", &[Production]), Some(id(1)));
        assert_eq!(before(&[version(1, Retired, "", &[]), version(2, Retired, "", &[])], "", BOTH), Some(id(2)));
    }

    #[test]
    fn routes_are_doubled_across_prefixes_only_where_these_meet() {
        let plain = version(1, Supported, "", &[Sandbox]);
        for (prefix, served_by, expected) in
            [("/v2", BOTH, true), ("/v2", &[Sandbox], true), ("/v2", &[Production], false), ("", BOTH, false)]
        {
            assert_eq!(may_meet(&version(2, Current, prefix, served_by), &plain), expected, "{prefix} {served_by:?}");
        }
        let meet = |a, b| may_meet(&version(1, Supported, a, BOTH), &version(2, Supported, b, BOTH));
        assert_eq!((meet("/v2", "/v2/b"), meet("/v2", "/v22"), meet("/v1", "/v2")), (true, false, false));
        assert!(!may_meet(&plain, &plain));

        let route = |text: &'static str| text.split_once(' ').map(|(method, path)| Route { method, path }).into_iter();
        let told = |mine: &[&'static str], theirs: &[&'static str]| {
            let others = theirs.iter().flat_map(|text| route(text)).map(|route| (&plain, route));
            doubled("pathPrefix", mine.iter().flat_map(|text| route(text)), others).map_err(|problem| problem.message)
        };
        assert_eq!(told(&["GET /v2/a", "GET /v2/{x}/b"], &["POST /v2/a", "GET /v2/a/b"]), Ok(()));
        let all = ["GET /v2/a", "GET /v2/b/{id}", "GET /v2/c", "GET /v2/d"];
        assert_eq!(
            told(&all, &["GET /v2/a", "GET /v2/b/{other}", "GET /v2/c", "GET /v2/d"]),
            Err("version 1.0 answers GET /v2/a, GET /v2/b/{id}, GET /v2/c and 1 more already: choose another path prefix or other \
                 environments, or retire that version"
                .to_owned())
        );
    }

    #[test]
    fn names_and_prefixes() {
        for fine in ["1.0.0", "2024-06-20.acacia", "v3", "1.1.4+build.7"] {
            assert_eq!(name("version", fine).as_deref(), Ok(fine));
        }
        for wrong in ["", "latest", "1/2", "a b", ".1", "ä", &"1".repeat(65)] {
            assert!(name("version", wrong).is_err(), "{wrong:?}");
        }
        for (given, kept) in [("", ""), ("/", ""), ("/v2", "/v2"), ("/v2/", "/v2"), ("/a/b.c", "/a/b.c")] {
            assert_eq!(path_prefix("pathPrefix", given).as_deref(), Ok(kept));
        }
        for wrong in ["v2", "//v2", "/a//b", "/..", "/{x}", "/a?b", "/a b", "/%2e"] {
            assert!(path_prefix("pathPrefix", wrong).is_err(), "{wrong:?}");
        }
    }
}
