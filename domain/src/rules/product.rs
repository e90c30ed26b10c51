//! What a product may be called, and how it moves from draft to retired.

use entities::enums::ProductStatus;

use crate::{Problem, ProblemCode};

/// First segments of the gateway's own routes.
pub const RESERVED_BASE_PATHS: [&str; 3] = ["oauth2", ".well-known", "_portico"];

const BASE_PATH_MAX: usize = 60;

/// The first segment of every call's path, without slashes: letters, digits and inner `-`, `_`, `.`, lower case.
pub fn base_path(path: &str, value: &str) -> Result<String, Problem> {
    let invalid = |message: &str| Problem::new(ProblemCode::Invalid, path, message);
    let segment = value.trim().trim_matches('/');
    if segment.is_empty() {
        return Err(Problem::new(ProblemCode::Required, path, "must not be empty: give one path segment such as payments"));
    }
    if segment.contains('/') {
        return Err(invalid("must be one path segment without a slash inside, such as payments"));
    }
    if RESERVED_BASE_PATHS.contains(&segment) {
        return Err(invalid("is one of the gateway's own paths (oauth2, .well-known, _portico): choose another"));
    }
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let fine = segment.len() <= BASE_PATH_MAX
        && segment.chars().all(|c| plain(c) || matches!(c, '-' | '_' | '.'))
        && segment.starts_with(plain)
        && segment.ends_with(plain);
    if fine { Ok(segment.to_owned()) } else { Err(invalid("must have 1 to 60 lower case letters, digits and inner - _ .")) }
}

/// Whether a product may go from one status to another. Partners are told of an end by a time as DEPRECATED, so nothing
/// goes from PUBLISHED to RETIRED at once; what was published by mistake goes back to DRAFT.
pub fn transition(from: ProductStatus, to: ProductStatus) -> Result<(), Problem> {
    use ProductStatus::{Deprecated, Draft, Published, Retired};
    let wrong = |message: &str| Err(Problem::new(ProblemCode::WrongState, "status", message));
    match (from, to) {
        (Draft, Draft) | (Published, Published) | (Deprecated, Deprecated) | (Retired, Retired) => {
            Err(Problem::new(ProblemCode::AlreadyDone, "status", "the product has this status already"))
        }
        (Draft, Published | Retired)
        | (Published, Draft | Deprecated)
        | (Deprecated, Published | Retired)
        | (Retired, Draft | Deprecated) => Ok(()),
        (Draft, Deprecated) => wrong("product cannot become DEPRECATED while DRAFT: publish it first"),
        (Published, Retired) => wrong("product cannot become RETIRED while PUBLISHED: deprecate it first"),
        (Deprecated, Draft) => wrong("product cannot become DRAFT while DEPRECATED: retire it first"),
        (Retired, Published) => wrong("product cannot become PUBLISHED while RETIRED: make it a DRAFT first"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_move() {
        use ProductStatus::{Deprecated, Draft, Published, Retired};
        let all = [Draft, Published, Deprecated, Retired];
        let table: String = all
            .map(|from| {
                let cells = all.map(|to| match transition(from, to) {
                    Ok(()) => "yes".to_owned(),
                    Err(problem) => format!("{:?}", problem.code),
                });
                format!("{from:?}: {}\n", cells.join(" "))
            })
            .concat();
        // To: draft, published, deprecated, retired.
        insta::assert_snapshot!(table, @r"
        Draft: AlreadyDone yes WrongState yes
        Published: yes AlreadyDone yes WrongState
        Deprecated: WrongState yes AlreadyDone yes
        Retired: yes WrongState yes AlreadyDone
        ");
    }

    #[test]
    fn base_paths() {
        for fine in ["payments", "/payments", "payments/", "v2", "a.b-c_d", "7"] {
            assert_eq!(base_path("basePath", fine).as_deref(), Ok(fine.trim_matches('/')), "{fine}");
        }
        let long = "a".repeat(61);
        for wrong in [
            "",
            "/",
            "a/b",
            "oauth2",
            "/oauth2/",
            ".well-known",
            "_portico",
            "Payments",
            "-a",
            "a.",
            "..",
            "a b",
            "a%20",
            "ä",
            &long,
        ] {
            assert!(base_path("basePath", wrong).is_err(), "{wrong:?}");
        }
    }
}
