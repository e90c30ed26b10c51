//! What a plan may say, and which way its status goes.

use entities::{
    columns::{
        PlanFeature, PlanScope, Pricing, PropertyDefinition, PropertyDefinitions, ReviewCheck, SandboxTestData, SandboxTestDatum,
        Strings, SubmissionForm,
    },
    enums::{ApprovalLevel, AuthMethod, Environment, LeakedKeyAction, PlanStatus, QuotaPeriod, RateWindow, ScopeGrantKind},
};

use super::{custom_property, evidence, form, outgoing::Reach, pricing, profile, rotation::LONGEST_OVERLAP, text, view::Outside};
use crate::{Problem, ProblemCode, error::Problems};

/// The largest quota: JavaScript holds whole numbers up to here exactly.
pub const MAX_QUOTA: i64 = 1 << 53;

const MAX_SCOPES: usize = 200;
const MAX_FEATURES: usize = 50;
const MAX_TEST_DATA: usize = 100;
/// Ten years.
const MAX_DAYS: i32 = 3650;
const DOCUMENTATION_MAX: usize = 20_000;

/// What a plan is to say, as it was given.
#[derive(Debug, Clone, PartialEq)]
pub struct Draft {
    pub slug: String,
    pub name: String,
    pub description: Option<String>,
    pub pricing: Pricing,
    pub approval: ApprovalLevel,
    pub has_sandbox: bool,
    pub environments: Vec<EnvironmentDraft>,
    pub scopes: Vec<ScopeDraft>,
    pub features: Vec<PlanFeature>,
    /// What is filled in at a submission for review.
    pub submission_form: Option<SubmissionForm>,
    pub custom_properties: Vec<PropertyDefinition>,
    pub sandbox_test_data: Vec<SandboxTestDatum>,
    /// What reviewers want to see of the sandbox work.
    pub review_checklist: Vec<ReviewCheck>,
    /// `None`: subscriptions do not expire.
    pub duration_days: Option<i32>,
    /// `None`: no cap.
    pub max_subscriptions_per_team: Option<i32>,
    /// `None`: credentials do not expire by themselves.
    pub credential_lifetime_days: Option<i32>,
    pub rotation_overlap_hours: i32,
    /// A rotation of its production credentials is decided on.
    pub elevated: bool,
    pub leaked_key_action: LeakedKeyAction,
    /// A new team holds it at once.
    pub auto_subscribe: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvironmentDraft {
    pub environment: Environment,
    pub auth_method: AuthMethod,
    /// For OIDC.
    pub issuer: Option<String>,
    /// For OIDC.
    pub audience: Option<String>,
    /// Empty allows all.
    pub allowed_methods: Vec<String>,
    pub limits: LimitDraft,
    pub documentation: Option<String>,
}

/// A rate limit and a quota, as given; none: unlimited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LimitDraft {
    pub rate: Option<(i32, RateWindow)>,
    pub quota: Option<(i64, QuotaPeriod)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScopeDraft {
    pub name: String,
    pub description: Option<String>,
    pub grant: ScopeGrantKind,
    /// `None`: all of the plan's.
    pub environments: Option<Vec<Environment>>,
}

/// A plan that may be stored.
#[derive(Debug, Clone, PartialEq)]
pub struct Checked {
    pub slug: String,
    pub name: String,
    pub description: Option<String>,
    pub pricing: Pricing,
    /// Sandbox first.
    pub environments: Vec<CheckedEnvironment>,
    pub scopes: Vec<PlanScope>,
    pub features: Vec<PlanFeature>,
    pub submission_form: Option<SubmissionForm>,
    pub custom_properties: PropertyDefinitions,
    pub sandbox_test_data: SandboxTestData,
    pub review_checklist: Vec<ReviewCheck>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct CheckedEnvironment {
    pub environment: Environment,
    pub auth_method: AuthMethod,
    pub outside: Option<Outside>,
    pub allowed_methods: Strings,
    pub limits: LimitDraft,
    pub documentation: Option<String>,
}

/// Everything that is wrong with a plan, by field. `reach`: which issuers it may name.
pub fn check(draft: &Draft, reach: Reach) -> Result<Checked, Vec<Problem>> {
    let mut problems = Problems::default();
    let slug = problems.take(text::slug("slug", &draft.slug));
    let name = problems.take(text::name("name", &draft.name, 80));
    let description = problems.take(text::prose("description", draft.description.as_deref(), 4000));
    let pricing = pricing::check(&mut problems, &draft.pricing);
    if draft.max_subscriptions_per_team.is_some_and(|cap| cap < 1) {
        problems.add(ProblemCode::Invalid, "maxSubscriptionsPerTeam", "must be 1 or more; leave it out for no cap");
    }
    terms(&mut problems, draft);
    let environments = environments(&mut problems, draft, reach);
    let scopes = scopes(&mut problems, draft);
    let features = features(&mut problems, &draft.features);
    let submission_form = submission_form(&mut problems, draft);
    let custom_properties = custom_property::definitions(&mut problems, &draft.custom_properties);
    let sandbox_test_data = test_data(&mut problems, &draft.sandbox_test_data);
    let review_checklist = evidence::checklist(&mut problems, &draft.review_checklist, draft.has_sandbox);
    match (slug, name, description) {
        (Some(slug), Some(name), Some(description)) => {
            let list = problems.into_list();
            if !list.is_empty() {
                return Err(list);
            }
            Ok(Checked {
                slug,
                name,
                description,
                pricing,
                environments,
                scopes,
                features,
                submission_form,
                custom_properties,
                sandbox_test_data,
                review_checklist,
            })
        }
        _ => Err(problems.into_list()),
    }
}

fn submission_form(problems: &mut Problems, draft: &Draft) -> Option<SubmissionForm> {
    let given = draft.submission_form.as_ref()?;
    if !draft.has_sandbox {
        problems.add(ProblemCode::Invalid, "submissionForm", "only a plan with a sandbox has submissions to fill a form in for");
        return None;
    }
    problems.take_all(form::form("submissionForm", given))
}

/// How long things last, and whom they come to by themselves.
fn terms(problems: &mut Problems, draft: &Draft) {
    for (path, days) in [("durationDays", draft.duration_days), ("credentialLifetimeDays", draft.credential_lifetime_days)] {
        if days.is_some_and(|days| !(1..=MAX_DAYS).contains(&days)) {
            problems.add(ProblemCode::Invalid, path, format!("must be from 1 to {MAX_DAYS}; leave it out for no end"));
        }
    }
    if !(0..=LONGEST_OVERLAP).contains(&draft.rotation_overlap_hours) {
        let say = format!("must be from 0, which ends the old secret at once, to {LONGEST_OVERLAP}");
        problems.add(ProblemCode::Invalid, "rotationOverlapHours", say);
    }
    if draft.auto_subscribe && !draft.has_sandbox {
        problems.add(ProblemCode::Invalid, "autoSubscribe", "only a plan with a sandbox comes to new teams by itself");
    } else if draft.auto_subscribe && draft.custom_properties.iter().any(|property| property.required) {
        let say = "a plan that comes by itself cannot require custom properties: nobody would fill them in";
        problems.add(ProblemCode::Invalid, "autoSubscribe", say);
    }
}

/// The environments that a plan has.
pub fn environments_of(has_sandbox: bool) -> &'static [Environment] {
    if has_sandbox { &Environment::ALL } else { &[Environment::Production] }
}

fn environments(problems: &mut Problems, draft: &Draft, reach: Reach) -> Vec<CheckedEnvironment> {
    let wanted = environments_of(draft.has_sandbox);
    let mut given: Vec<_> = draft.environments.iter().map(|e| e.environment).collect();
    given.sort_unstable();
    if given != wanted {
        let say = match draft.has_sandbox {
            true => "a plan with a sandbox has SANDBOX and PRODUCTION, each once",
            false => "a plan without a sandbox has PRODUCTION, once, and nothing else",
        };
        problems.add(ProblemCode::Invalid, "environments", say);
    }
    let checked = draft.environments.iter().enumerate().map(|(i, e)| {
        let path = |field: &str| format!("environments.{i}.{field}");
        let named = (e.issuer.as_deref(), e.audience.as_deref());
        let outside = profile::outside(problems, &format!("environments.{i}"), e.auth_method, named, reach);
        limits(problems, &format!("environments.{i}"), &e.limits);
        CheckedEnvironment {
            environment: e.environment,
            auth_method: e.auth_method,
            outside,
            allowed_methods: problems.take_all(profile::methods(&path("allowedMethods"), &e.allowed_methods)).unwrap_or_default(),
            limits: e.limits,
            documentation: problems
                .take(text::prose(&path("documentation"), e.documentation.as_deref(), DOCUMENTATION_MAX))
                .flatten(),
        }
    });
    let mut checked: Vec<_> = checked.collect();
    checked.sort_by_key(|e| e.environment);
    checked
}

/// What is wrong with a rate limit and a quota. `path` is what they are fields of; may be empty.
pub fn limits(problems: &mut Problems, path: &str, given: &LimitDraft) {
    if given.rate.is_some_and(|(requests, _)| requests < 1) {
        problems.add(ProblemCode::Invalid, &format!("{path}.rateLimit.requests"), "must be 1 or more; leave it out for no limit");
    }
    if given.quota.is_some_and(|(requests, _)| !(1..=MAX_QUOTA).contains(&requests)) {
        let say = "must be from 1 to 2^53; leave it out for no quota";
        problems.add(ProblemCode::Invalid, &format!("{path}.quota.requests"), say);
    }
}

fn scopes(problems: &mut Problems, draft: &Draft) -> Vec<PlanScope> {
    let wanted = environments_of(draft.has_sandbox);
    if draft.scopes.len() > MAX_SCOPES {
        problems.add(ProblemCode::LimitReached, "scopes", format!("at most {MAX_SCOPES} scopes"));
    }
    let scopes = draft.scopes.iter().enumerate().map(|(i, scope)| {
        let path = |field: &str| format!("scopes.{i}.{field}");
        problems.take(scope_name(&path("name"), &scope.name));
        if draft.scopes[..i].iter().any(|earlier| earlier.name == scope.name) {
            problems.add(ProblemCode::Taken, &path("name"), "is in the list already");
        }
        let mut environments = scope.environments.clone().unwrap_or_else(|| wanted.to_vec());
        environments.sort_unstable();
        environments.dedup();
        if environments.is_empty() || environments.iter().any(|e| !wanted.contains(e)) {
            let say = "must name environments that the plan has; leave it out for all of them";
            problems.add(ProblemCode::Invalid, &path("environments"), say);
        }
        PlanScope {
            name: scope.name.clone(),
            description: problems.take(text::prose(&path("description"), scope.description.as_deref(), 500)).flatten(),
            grant: scope.grant,
            environments,
        }
    });
    scopes.collect()
}

/// A scope's name: RFC 6749 section 3.3, 100 characters at most.
pub fn scope_name(path: &str, name: &str) -> Result<(), Problem> {
    let fine = |b: u8| matches!(b, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
    if name.is_empty() || name.len() > 100 || !name.bytes().all(fine) {
        let say = "must have 1 to 100 visible ASCII characters without spaces, quotes and backslashes, such as orders:read";
        return Err(Problem::new(ProblemCode::Invalid, path, say));
    }
    Ok(())
}

fn features(problems: &mut Problems, given: &[PlanFeature]) -> Vec<PlanFeature> {
    if given.len() > MAX_FEATURES {
        problems.add(ProblemCode::LimitReached, "features", format!("at most {MAX_FEATURES} features"));
    }
    let checked = given.iter().enumerate().map(|(i, feature)| PlanFeature {
        name: problems.take(text::name(&format!("features.{i}.name"), &feature.name, 80)).unwrap_or_default(),
        value: problems.take(text::name(&format!("features.{i}.value"), &feature.value, 200)).unwrap_or_default(),
    });
    checked.collect()
}

fn test_data(problems: &mut Problems, given: &[SandboxTestDatum]) -> SandboxTestData {
    if given.len() > MAX_TEST_DATA {
        problems.add(ProblemCode::LimitReached, "sandboxTestData", format!("at most {MAX_TEST_DATA} entries"));
    }
    let checked = given.iter().enumerate().map(|(i, datum)| {
        let path = |field: &str| format!("sandboxTestData.{i}.{field}");
        let line = |problems: &mut Problems, field: &str, text: &str, max| {
            problems.take(text::name(&path(field), text, max)).unwrap_or_default()
        };
        SandboxTestDatum {
            kind: line(problems, "type", &datum.kind, 40),
            name: line(problems, "name", &datum.name, 80),
            description: problems.take(text::prose(&path("description"), datum.description.as_deref(), 500)).flatten(),
            value: line(problems, "value", &datum.value, 1000),
        }
    });
    checked.collect()
}

/// Whether a plan may go from one status to another. `held`: how many subscriptions to it are not over.
pub fn set_status(from: PlanStatus, to: PlanStatus, held: u64) -> Result<(), Problem> {
    use PlanStatus::{Active, Archived, Deprecated, Draft, Inactive};
    if from == to {
        return Err(Problem::new(ProblemCode::AlreadyDone, "status", format!("the plan is {} already", text::word(from))));
    }
    let allowed = match from {
        Draft => matches!(to, Active | Inactive | Archived),
        Inactive => matches!(to, Active | Archived),
        Active => matches!(to, Inactive | Deprecated),
        Deprecated => matches!(to, Active | Archived),
        Archived => false,
    };
    if !allowed {
        let say = format!("the plan cannot become {} while {}", text::word(to), text::word(from));
        return Err(Problem::new(ProblemCode::WrongState, "status", say));
    }
    if to == Archived && held > 0 {
        let say = format!("the plan cannot become ARCHIVED while {held} subscriptions hold it: they have to be cancelled first");
        return Err(Problem::new(ProblemCode::WrongState, "status", say));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use entities::enums::{PricingModel, PropertyType};

    use super::*;

    fn environment(environment: Environment) -> EnvironmentDraft {
        EnvironmentDraft {
            environment,
            auth_method: AuthMethod::ApiKey,
            issuer: None,
            audience: None,
            allowed_methods: Vec::new(),
            limits: LimitDraft { rate: Some((200, RateWindow::Minute)), quota: Some((50_000, QuotaPeriod::Day)) },
            documentation: None,
        }
    }

    fn draft() -> Draft {
        Draft {
            slug: "free".to_owned(),
            name: "Free".to_owned(),
            description: None,
            pricing: Pricing::of(PricingModel::Free),
            approval: ApprovalLevel::Automatic,
            has_sandbox: true,
            environments: vec![environment(Environment::Production), environment(Environment::Sandbox)],
            scopes: Vec::new(),
            features: Vec::new(),
            submission_form: None,
            custom_properties: Vec::new(),
            sandbox_test_data: Vec::new(),
            review_checklist: Vec::new(),
            duration_days: None,
            max_subscriptions_per_team: None,
            credential_lifetime_days: None,
            rotation_overlap_hours: 24,
            elevated: false,
            leaked_key_action: LeakedKeyAction::Notify,
            auto_subscribe: false,
        }
    }

    fn scope(name: &str, environments: Option<Vec<Environment>>) -> ScopeDraft {
        ScopeDraft { name: name.to_owned(), description: None, grant: ScopeGrantKind::Default, environments }
    }

    fn wrong(change: impl FnOnce(&mut Draft)) -> String {
        let mut draft = draft();
        change(&mut draft);
        let problems = check(&draft, Reach::Public).expect_err("a plan with something wrong");
        problems.iter().map(|p| format!("{} {:?}", p.path.join("."), p.code)).collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn a_plan_that_is_right_is_put_in_order() {
        let mut draft = draft();
        draft.environments[0].allowed_methods = vec!["get".to_owned(), "POST".to_owned(), "GET".to_owned()];
        draft.scopes = vec![scope("orders:read", None), scope("orders:write", Some(vec![Environment::Production]))];
        let checked = check(&draft, Reach::Public).expect("nothing wrong");
        assert_eq!(checked.environments.iter().map(|e| e.environment).collect::<Vec<_>>(), Environment::ALL);
        assert_eq!(checked.environments[1].allowed_methods.0, ["GET", "POST"]);
        assert_eq!(checked.scopes[0].environments, Environment::ALL);
        assert_eq!(checked.scopes[1].environments, [Environment::Production]);
    }

    #[test]
    fn what_is_wrong_is_named_by_its_field() {
        assert_eq!(wrong(|d| d.name = " ".to_owned()), "name Required");
        assert_eq!(wrong(|d| d.slug = "Free!".to_owned()), "slug Invalid");
        assert_eq!(wrong(|d| d.pricing = Pricing::of(PricingModel::Contract)), "pricing.contactUrl Required");
        assert_eq!(wrong(|d| d.max_subscriptions_per_team = Some(0)), "maxSubscriptionsPerTeam Invalid");
        assert_eq!(wrong(|d| d.has_sandbox = false), "environments Invalid");
        assert_eq!(wrong(|d| d.duration_days = Some(0)), "durationDays Invalid");
        assert_eq!(wrong(|d| d.rotation_overlap_hours = LONGEST_OVERLAP + 1), "rotationOverlapHours Invalid");
        assert_eq!(wrong(|d| d.credential_lifetime_days = Some(MAX_DAYS + 1)), "credentialLifetimeDays Invalid");
        let by_itself = |change: fn(&mut Draft)| {
            wrong(|d| {
                d.auto_subscribe = true;
                change(d);
            })
        };
        assert_eq!(
            by_itself(|d| {
                d.has_sandbox = false;
                d.environments.truncate(1);
            }),
            "autoSubscribe Invalid"
        );
        let required = |d: &mut Draft| {
            d.custom_properties = vec![PropertyDefinition {
                key: "country".to_owned(),
                label: "Country".to_owned(),
                description: None,
                kind: PropertyType::String,
                required: true,
                read_only: false,
                in_wizard: true,
                options: Vec::new(),
                applies_to: None,
            }];
        };
        assert_eq!(by_itself(required), "autoSubscribe Invalid");
        let datum = |value: &str| SandboxTestDatum {
            kind: "card".to_owned(),
            name: "Visa".to_owned(),
            description: None,
            value: value.to_owned(),
        };
        assert_eq!(wrong(|d| d.sandbox_test_data = vec![datum("4111"), datum(" ")]), "sandboxTestData.1.value Required");
        assert_eq!(wrong(|d| d.environments.truncate(1)), "environments Invalid");
        assert_eq!(wrong(|d| d.environments[1] = d.environments[0].clone()), "environments Invalid");
        let issuer = Some("https://login.example.com".to_owned());
        assert_eq!(wrong(|d| d.environments[0].issuer = issuer.clone()), "environments.0.issuer Invalid");
        assert_eq!(
            wrong(|d| d.environments[0].allowed_methods = vec!["BREW".to_owned()]),
            "environments.0.allowedMethods.0 Invalid"
        );
        let rate = |n| wrong(|d| d.environments[1].limits.rate = Some((n, RateWindow::Hour)));
        assert_eq!((rate(0), rate(-1)), ("environments.1.rateLimit.requests Invalid".to_owned(), rate(0)));
        let quota = |n| wrong(|d| d.environments[0].limits.quota = Some((n, QuotaPeriod::Week)));
        assert_eq!((quota(0), quota(MAX_QUOTA + 1)), ("environments.0.quota.requests Invalid".to_owned(), quota(0)));
        assert_eq!(wrong(|d| d.scopes = vec![scope("a b", None)]), "scopes.0.name Invalid");
        let no_steps = Some(SubmissionForm { steps: Vec::new() });
        assert_eq!(wrong(|d| d.submission_form = no_steps.clone()), "submissionForm.steps Required");
        let without_sandbox = wrong(|d| {
            (d.submission_form, d.has_sandbox) = (no_steps.clone(), false);
            d.environments.truncate(1);
        });
        assert_eq!(without_sandbox, "submissionForm Invalid");
        assert_eq!(wrong(|d| d.scopes = vec![scope("a", None), scope("a", None)]), "scopes.1.name Taken");
        assert_eq!(wrong(|d| d.scopes = vec![scope("a", Some(Vec::new()))]), "scopes.0.environments Invalid");
    }

    #[test]
    fn all_that_is_wrong_is_said_at_once() {
        let all = wrong(|d| {
            d.name.clear();
            d.pricing = Pricing::of(PricingModel::PrepaidCredits);
            d.environments[1].auth_method = AuthMethod::Oidc;
            d.scopes = vec![scope("", None)];
        });
        let outside = "environments.1.issuer Required, environments.1.audience Required";
        assert_eq!(all, format!("name Required, pricing.unitLabel Required, {outside}, scopes.0.name Invalid"));
    }

    #[test]
    fn every_step_of_the_status() {
        use PlanStatus::{Active, Archived, Deprecated, Draft, Inactive};
        let all = [Draft, Inactive, Active, Deprecated, Archived];
        let table: String = all
            .map(|from| {
                let cells = all.map(|to| match set_status(from, to, 0) {
                    Ok(()) => "yes",
                    Err(p) if p.code == ProblemCode::AlreadyDone => "same",
                    Err(_) => "-",
                });
                format!("{from:?}: {}\n", cells.join(" "))
            })
            .concat();
        // to: Draft Inactive Active Deprecated Archived
        insta::assert_snapshot!(table, @"
        Draft: same yes yes - yes
        Inactive: - same yes - yes
        Active: - yes same yes -
        Deprecated: - - yes same yes
        Archived: - - - - same
        ");
        assert_eq!(set_status(Deprecated, Archived, 1).map_err(|p| p.code), Err(ProblemCode::WrongState));
    }
}
