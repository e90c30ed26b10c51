//! What a plan asks a team to say of itself when it subscribes, and who may change it later.

use entities::columns::{Answer, Answers, PropertyDefinition, PropertyDefinitions};

use super::{form, outgoing::Reach};
use crate::{Problem, ProblemCode, error::Problems};

const PATH: &str = "customProperties";

/// Whose hand an answer comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hand {
    /// The team: what is read-only is not for it to set.
    Team,
    Staff,
}

/// Definitions that may be stored.
pub fn definitions(problems: &mut Problems, given: &[PropertyDefinition]) -> PropertyDefinitions {
    for (i, property) in given.iter().enumerate() {
        if property.read_only && property.required {
            let say = "a read-only property cannot be required: teams could not subscribe";
            problems.add(ProblemCode::Invalid, &format!("{PATH}.{i}.required"), say);
        }
        if property.applies_to.is_some() {
            let say = "only an answer that is approved goes somewhere: put it into the submission form";
            problems.add(ProblemCode::Invalid, &format!("{PATH}.{i}.appliesTo"), say);
        }
    }
    PropertyDefinitions(form::fields(problems, PATH, given, &mut Vec::new()))
}

/// The answers that a team gives when it subscribes.
pub fn on_subscribing(defined: &[PropertyDefinition], given: &[Answer]) -> Result<Answers, Vec<Problem>> {
    allowed(defined, given, Hand::Team)?;
    form::answers(PATH, defined, given, Reach::Public)
}

/// The answers after some were changed: those left out stay, null clears. Staff need not fill in what the team left open.
pub fn on_change(defined: &[PropertyDefinition], held: &Answers, given: &[Answer], by: Hand) -> Result<Answers, Vec<Problem>> {
    allowed(defined, given, by)?;
    let is_given = |answer: &&Answer| given.iter().any(|new| new.key == answer.key);
    let kept = held.iter().filter(|answer| !is_given(answer) && defined.iter().any(|p| p.key == answer.key));
    let all: Vec<_> = kept.chain(given).cloned().collect();
    let mine = |property: &PropertyDefinition| by == Hand::Team || given.iter().any(|new| new.key == property.key);
    let asked: Vec<_> = defined.iter().map(|p| PropertyDefinition { required: p.required && mine(p), ..p.clone() }).collect();
    form::answers(PATH, &asked, &all, Reach::Public)
}

/// The answers that another plan's definitions take; what it requires beside stays open until the team says it.
pub fn carried_over(defined: &[PropertyDefinition], held: &Answers) -> Answers {
    let fits = |answer: &&Answer| {
        let property = defined.iter().filter(|p| p.key == answer.key);
        form::answers(PATH, property, std::slice::from_ref(*answer), Reach::Public).is_ok()
    };
    held.iter().filter(fits).cloned().collect()
}

fn allowed(defined: &[PropertyDefinition], given: &[Answer], by: Hand) -> Result<(), Vec<Problem>> {
    let mut problems = Problems::default();
    let read_only = |key: &str| by == Hand::Team && defined.iter().any(|p| p.key == key && p.read_only);
    for answer in given.iter().filter(|answer| read_only(&answer.key)) {
        problems.add(ProblemCode::FormInvalid, &format!("{PATH}.{}", answer.key), "is set by the provider");
    }
    let list = problems.into_list();
    if list.is_empty() { Ok(()) } else { Err(list) }
}

#[cfg(test)]
mod tests {
    use entities::enums::{FormTarget, PropertyType};
    use serde_json::{Value, json};

    use super::*;

    fn property(key: &str, required: bool, read_only: bool) -> PropertyDefinition {
        PropertyDefinition {
            key: key.to_owned(),
            label: key.to_owned(),
            description: None,
            kind: PropertyType::String,
            required,
            read_only,
            in_wizard: true,
            options: Vec::new(),
            applies_to: None,
        }
    }

    fn answers(list: &[(&str, Value)]) -> Answers {
        list.iter().map(|(key, value)| Answer { key: (*key).to_owned(), value: value.clone() }).collect()
    }

    fn said(outcome: Result<Answers, Vec<Problem>>) -> String {
        match outcome {
            Ok(kept) => kept.iter().map(|a| format!("{}={}", a.key, a.value)).collect::<Vec<_>>().join(" "),
            Err(problems) => {
                problems.iter().map(|p| format!("{}: {}", p.path.join("."), p.message)).collect::<Vec<_>>().join(", ")
            }
        }
    }

    #[test]
    fn a_team_says_what_is_its_own_to_say() {
        let defined = [property("country", true, false), property("note", false, false), property("account", false, true)];
        let first = |list: &[(&str, Value)]| said(on_subscribing(&defined, &answers(list)));
        assert_eq!(first(&[("country", json!("DE"))]), "country=\"DE\"");
        assert_eq!(first(&[]), "customProperties.country: country has to be filled in");
        let both = [("country", json!("DE")), ("account", json!("42"))];
        assert_eq!(first(&both), "customProperties.account: is set by the provider");
        let held = answers(&[("country", json!("DE")), ("account", json!("42"))]);
        let later = |list: &[(&str, Value)], by| said(on_change(&defined, &held, &answers(list), by));
        assert_eq!(later(&[("note", json!("hello"))], Hand::Team), "country=\"DE\" note=\"hello\" account=\"42\"");
        assert_eq!(later(&[("country", json!(null))], Hand::Team), "customProperties.country: country has to be filled in");
        assert_eq!(later(&[("account", json!("43"))], Hand::Team), "customProperties.account: is set by the provider");
        assert_eq!(later(&[("account", json!("43"))], Hand::Staff), "country=\"DE\" account=\"43\"");
        let open = on_change(&defined, &Answers::default(), &answers(&[("account", json!("1"))]), Hand::Staff);
        assert_eq!(said(open), "account=\"1\"", "what the team left open is not the staff's to fill in");
    }

    #[test]
    fn what_another_plan_asks_too_is_carried_over() {
        let number = PropertyDefinition { kind: PropertyType::Number, ..property("note", false, false) };
        let defined = [property("country", false, false), number, property("new", true, false)];
        let held = answers(&[("country", json!("DE")), ("note", json!("a text")), ("gone", json!("x"))]);
        assert_eq!(said(Ok(carried_over(&defined, &held))), "country=\"DE\"");
    }

    #[test]
    fn definitions_that_could_not_be_answered_are_refused() {
        let mut problems = Problems::default();
        let mut target = property("ips", false, false);
        (target.kind, target.applies_to) = (PropertyType::IpList, Some(FormTarget::IpAllowlist));
        definitions(&mut problems, &[property("a", true, true), target, property("a", false, false)]);
        let paths: Vec<_> = problems.into_list().iter().map(|p| p.path.join(".")).collect();
        assert_eq!(paths, ["customProperties.0.required", "customProperties.1.appliesTo", "customProperties.2.key"]);
    }
}
