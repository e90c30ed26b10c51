//! The house as it is drawn in the README: who may know whom, and no circles.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// What each crate may know of ours, and what it never touches.
const CRATES: [(&str, &[&str], &[&str]); 5] = [
    ("entities", &[], &["axum", "async_graphql", "apalis", "hyper", "lettre", "tokio"]),
    ("migration", &[], &["axum", "async_graphql", "apalis", "hyper", "lettre"]),
    ("domain", &["entities"], &["axum", "async_graphql", "apalis", "hyper", "lettre"]),
    ("jobs", &["domain", "entities"], &["axum", "async_graphql"]),
    ("api", &["domain", "entities", "jobs", "migration"], &["apalis", "lettre"]),
];

/// The only files of `api` that may name a crate that is put together there, or that reads its settings.
const BUILDERS: [&str; 6] = ["main.rs", "app.rs", "app", "check.rs", "cli.rs", "demo"];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn sources(dir: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).expect("a source folder").map(|entry| entry.expect("an entry").path()) {
        if entry.is_dir() {
            found.extend(sources(&entry));
        } else if entry.extension().is_some_and(|e| e == "rs") {
            let text = fs::read_to_string(&entry).expect("a source file");
            let code = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
            found.push((entry, code));
        }
    }
    found
}

/// Whether `code` names the crate or module `name` in a path.
fn names(code: &str, name: &str) -> bool {
    code.match_indices(&format!("{name}::")).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':')
    })
}

#[test]
fn manifests_and_imports_keep_to_the_picture() {
    for (name, may_know, never) in CRATES {
        let manifest: toml::Table =
            fs::read_to_string(root().join(name).join("Cargo.toml")).expect("a manifest").parse().expect("TOML");
        let dependencies = manifest["dependencies"].as_table().expect("dependencies");
        for (other, _, _) in CRATES {
            let known = dependencies.contains_key(other);
            assert!(!known || may_know.contains(&other), "{name} must not depend on {other}");
        }
        for foreign in never {
            assert!(!dependencies.contains_key(&foreign.replace('_', "-")), "{name} must not depend on {foreign}");
            for (file, code) in sources(&root().join(name).join("src")) {
                assert!(!names(&code, foreign), "{} must not use {foreign}", file.display());
            }
        }
    }
}

#[test]
fn only_the_builder_names_jobs_and_migrations() {
    let src = root().join("api/src");
    for (file, code) in sources(&src) {
        let place = file.strip_prefix(&src).expect("below src");
        let builder = BUILDERS.iter().any(|b| place.starts_with(b));
        for name in ["jobs", "migration"] {
            assert!(builder || !names(&code, name), "{} must not use {name}", place.display());
        }
    }
}

#[test]
fn no_sql_in_resolvers_and_pages() {
    for folder in ["graphql", "http"] {
        for (file, code) in sources(&root().join("api/src").join(folder)) {
            let loaders = file.components().any(|part| part.as_os_str().to_string_lossy().contains("loaders"));
            assert!(loaders || !names(&code, "sea_orm"), "{} must leave SQL to the domain", file.display());
        }
    }
}

#[test]
fn rules_are_pure() {
    for (file, code) in sources(&root().join("domain/src/rules")) {
        let rules = code.split("#[cfg(test)]").next().unwrap_or_default();
        for forbidden in ["sea_orm", "tokio", "crate::ops", "crate::read", "crate::tx", "crate::env", "Domain"] {
            let used = rules.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':')).any(|word| word == forbidden);
            assert!(!used && !names(rules, forbidden), "{} must not know {forbidden}", file.display());
        }
        assert!(!rules.contains("async "), "{} must not wait", file.display());
    }
}

/// Files that show somebody's role, or put together who asks; none of them decides by it.
const NAME_ROLES: [&str; 2] = ["api/src/graphql/provider.rs", "api/src/graphql/viewer.rs"];

#[test]
fn permission_is_decided_by_the_policy_alone() {
    for folder in ["domain/src/ops", "domain/src/read", "api/src/graphql", "api/src/http"] {
        for (file, code) in sources(&root().join(folder)) {
            let place = file.strip_prefix(root()).expect("below the root").to_string_lossy().into_owned();
            let asks = [".staff_role()", "Who::User", "Who::Unproven", "Who::Nobody", "Asker::", "== StaffRole::"];
            let by_itself = asks.into_iter().find(|asks| code.contains(asks) && !NAME_ROLES.contains(&place.as_str()));
            assert_eq!(by_itself, None, "{place} must ask `domain::access`, which asks `rules::policy`");
        }
    }
}

#[test]
fn modules_form_no_circle() {
    for (name, ..) in CRATES {
        let src = root().join(name).join("src");
        let exports = root_exports(&fs::read_to_string(src.join("lib.rs")).expect("lib.rs"));
        let mut uses: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (file, code) in sources(&src) {
            let place = file.strip_prefix(&src).expect("below src");
            let first = place.components().next().expect("a name").as_os_str().to_string_lossy();
            let module = first.trim_end_matches(".rs").to_owned();
            if ["lib", "main"].contains(&module.as_str()) {
                continue;
            }
            let known = used_from_root(&code).into_iter().map(|used| exports.get(&used).cloned().unwrap_or(used));
            uses.entry(module.clone()).or_default().extend(known.filter(|used| *used != module));
        }
        if let Some(circle) = circle(&uses) {
            panic!("{name}: modules import each other in a circle: {}", circle.join(" -> "));
        }
    }
}

/// `pub use module::{A, B}` in lib.rs: A -> module, B -> module.
fn root_exports(lib: &str) -> BTreeMap<String, String> {
    let mut exports = BTreeMap::new();
    for line in lib.lines().filter_map(|line| line.strip_prefix("pub use ")) {
        let (module, items) = line.trim_end_matches(';').split_once("::").expect("a path");
        for item in items.trim_matches(['{', '}']).split(',') {
            exports.insert(item.trim().to_owned(), module.to_owned());
        }
    }
    exports
}

/// The first names behind each `crate::`, of grouped imports too.
fn used_from_root(code: &str) -> BTreeSet<String> {
    let mut used = BTreeSet::new();
    for (at, _) in code.match_indices("crate::").filter(|(at, _)| !code[..*at].ends_with(['$', '_'])) {
        let rest = &code[at + "crate::".len()..];
        let Some(group) = rest.strip_prefix('{') else {
            used.extend(identifier(rest));
            continue;
        };
        let (mut depth, mut fresh) = (0, true);
        for (i, c) in group.char_indices() {
            match c {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                ',' if depth == 0 => fresh = true,
                c if fresh && !c.is_whitespace() => {
                    used.extend(identifier(&group[i..]));
                    fresh = false;
                }
                _ => {}
            }
        }
    }
    used
}

fn identifier(text: &str) -> Option<String> {
    let end = text.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(text.len());
    (end > 0).then(|| text[..end].to_owned())
}

fn circle(uses: &BTreeMap<String, BTreeSet<String>>) -> Option<Vec<String>> {
    fn visit(
        at: &str,
        uses: &BTreeMap<String, BTreeSet<String>>,
        path: &mut Vec<String>,
        done: &mut BTreeSet<String>,
    ) -> Option<Vec<String>> {
        if let Some(start) = path.iter().position(|seen| seen == at) {
            return Some(path[start..].iter().cloned().chain([at.to_owned()]).collect());
        }
        if !done.contains(at) {
            path.push(at.to_owned());
            for next in uses.get(at).into_iter().flatten() {
                if let Some(found) = visit(next, uses, path, done) {
                    return Some(found);
                }
            }
            path.pop();
            done.insert(at.to_owned());
        }
        None
    }
    let mut done = BTreeSet::new();
    uses.keys().find_map(|module| visit(module, uses, &mut Vec::new(), &mut done))
}

#[test]
fn a_circle_is_found() {
    let uses = |pairs: &[(&str, &str)]| {
        let mut map: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (from, to) in pairs {
            map.entry((*from).to_owned()).or_default().insert((*to).to_owned());
        }
        map
    };
    assert_eq!(circle(&uses(&[("a", "b"), ("b", "c"), ("a", "c")])), None);
    assert_eq!(circle(&uses(&[("a", "b"), ("b", "c"), ("c", "b")])), Some(["b", "c", "b"].map(str::to_owned).to_vec()));
    let code = "use crate::{Actor, ops::{a, b}, read::page};\nlet x = crate::tx::go();";
    assert_eq!(used_from_root(code), ["Actor", "ops", "read", "tx"].map(str::to_owned).into());
}
