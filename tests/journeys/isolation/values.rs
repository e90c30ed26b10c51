//! What is given to arguments and input fields: ids by what they are ids of, everything else by name or by type.
//! A new argument is one line here; the test that lacks it says which.

use async_graphql::parser::types::{FieldDefinition, InputValueDefinition, OperationType, Type};
use serde_json::{Map, Value, json};

use super::sdl::{Sdl, name_of};

/// Whose id an argument or an input field takes, by its name or, where that does not say it, by `Type.field`. Beside the types
/// that have ids: what names a call, and the slug of a product.
const IDS: &[(&str, &str)] = &[
    ("actorId", "User"),
    ("approvalGroupId", "ApprovalGroup"),
    ("categories", "Category"),
    ("categoryId", "Category"),
    ("clientId", "Client"),
    ("credentialId", "Credential"),
    ("domainId", "TeamDomain"),
    ("endpointId", "Endpoint"),
    ("groupId", "ApprovalGroup"),
    ("invitationId", "Invitation"),
    ("memberIds", "Reviewer"),
    ("planId", "Plan"),
    ("policyId", "Policy"),
    ("productId", "Product"),
    ("productIds", "Product"),
    ("profileId", "Profile"),
    ("providerId", "SsoProvider"),
    ("requestId", "RequestId"),
    ("scopeRequestId", "ScopeRequest"),
    ("sessionId", "Session"),
    ("specId", "SpecVersion"),
    ("subjectId", "Subscription"),
    ("submissionId", "Submission"),
    ("subscriptionId", "Subscription"),
    ("teamId", "Team"),
    ("tierId", "Tier"),
    ("userId", "User"),
    ("LiveUpdates.subscriptionChanged.id", "Subscription"),
    ("MarkNotificationsReadInput.ids", "Notification"),
    ("Query.subscription.id", "Subscription"),
    ("Query.team.id", "Team"),
    ("RevokeAccessTokenInput.id", "AccessToken"),
    ("Query.product.slug", "Slug"),
];

/// Other values, by name or by `Type.field`. None of them is anybody's.
fn named(name: &str) -> Option<Value> {
    Some(match name {
        "basePath" | "slug" => json!("harmless"),
        "domain" => json!("harmless.example"),
        "document" => json!("not a document"),
        "body" | "name" | "notes" | "reason" | "subject" | "summary" | "teamName" | "title" | "label" => json!("Harmless"),
        // A recovery code of nobody's: no app shows one by chance.
        "code" => json!("abcd-efgh-2345-6724"),
        "first" => json!(3),
        "from" => json!("2026-01-01T00:00:00Z"),
        "scope" => json!("ship:write"),
        "scopes" => json!("ship:write"),
        // A link's token is its bearer's: whoever has one was sent it.
        "token" => json!("not-a-token-of-ours"),
        // Refused before anybody is asked whether it is one.
        "ConfigureSsoInput.domains" => json!([]),
        "CreatePlanInput.environments" => json!([{ "environment": "PRODUCTION", "authMethod": "API_KEY" }]),
        "UpdateNetworkRulesInput.ipAllowlist" => json!([]),
        "CreateProfileInput.authMethod" => json!("API_KEY"),
        "PricingInput.model" => json!("FREE"),
        "SetEndpointStatusInput.status" | "SetProductStatusInput.status" => json!("PUBLISHED"),
        "SetPortalAccessInput.authorizedEmails" => json!([]),
        "SetPortalAccessInput.enabled" => json!(true),
        _ => return None,
    })
}

/// Optional fields without which an input says nothing.
const ALWAYS: &[&str] = &[
    "AssignProductInput.teamId",
    "DecideSubmissionInput.notes",
    "OnboardPartnerInput.teamId",
    "RequestScopesInput.reason",
    "UnassignProductInput.teamId",
];

/// A value that is no id, by place, name or type.
pub fn plain(place: &str, name: &str, ty: &str) -> Option<Value> {
    named(place).or_else(|| named(name)).or_else(|| {
        Some(match ty {
            "Boolean" => json!(false),
            "Int" | "BigInt" => json!(1),
            "Float" => json!(1.0),
            "JSON" => json!({}),
            "DateTime" => json!("2026-02-01T00:00:00Z"),
            "EmailAddress" => json!("somebody@elsewhere.example"),
            "URL" => json!("https://elsewhere.example/"),
            _ => return None,
        })
    })
}

pub fn missing(place: &str) -> ! {
    panic!(
        "{place} has no value: add its name to `named` in tests/journeys/isolation/values.rs, or, if it takes an id, a line to `IDS`"
    )
}

/// Kind by name; the place goes first.
fn kind_of(place: &str, name: &str) -> Option<&'static str> {
    let row = |wanted: &str| IDS.iter().find(|(named, _)| *named == wanted).map(|(_, kind)| *kind);
    row(place).or_else(|| row(name))
}

/// A call of a root field: the document and its variables.
pub struct Call {
    pub query: String,
    pub variables: Value,
}

/// The arguments of a root field: the variables' definitions, what is written behind its name, and the variables.
pub struct Given {
    pub defined: String,
    pub given: String,
    pub variables: Value,
}

/// Makes calls: `pick` answers the id for a place and a kind.
pub struct Maker<'a> {
    pub sdl: &'a Sdl,
    pub pick: &'a dyn Fn(&str, &'static str) -> Value,
    /// An optional input field (`Type.field`) that is given this once.
    pub with: Option<&'a str>,
}

impl Maker<'_> {
    /// A root field with everything that its answer can hold, so many objects deep.
    pub fn call(&self, operation: OperationType, field: &FieldDefinition, levels: usize) -> Call {
        let Given { defined, given, variables } = self.given(operation, field);
        let (name, ty) = (field.name.node.as_str(), name_of(&field.ty.node));
        let selection = match self.sdl.page_of(ty) {
            Some(row) => format!("{{ nodes {{ {} }} }}", self.sdl.selection(row, levels)),
            None if self.sdl.is_composite(ty) => format!("{{ {} }}", self.sdl.selection(ty, levels)),
            None => String::new(),
        };
        Call { query: format!("{operation}{defined} {{ {name}{given} {selection} }}"), variables }
    }

    /// What a root field is given.
    pub fn given(&self, operation: OperationType, field: &FieldDefinition) -> Given {
        let (root, _) = self.sdl.root(operation);
        let (mut defined, mut given, mut variables) = (Vec::new(), Vec::new(), Map::new());
        for argument in field.arguments.iter().map(|argument| &argument.node) {
            let key = argument.name.node.as_str();
            let place = format!("{root}.{}.{key}", field.name.node);
            if self.is_given(&place, argument) {
                variables.insert(key.to_owned(), self.value(&place, key, &argument.ty.node));
                defined.push(format!("${key}: {}", argument.ty.node));
                given.push(format!("{key}: ${key}"));
            }
        }
        let brackets = |parts: Vec<String>| if parts.is_empty() { String::new() } else { format!("({})", parts.join(", ")) };
        Given { defined: brackets(defined), given: brackets(given), variables: Value::Object(variables) }
    }

    fn is_given(&self, place: &str, input: &InputValueDefinition) -> bool {
        let needed = !input.ty.node.nullable && input.default_value.is_none();
        // A page is short: a document may not ask for too much at once.
        needed || input.name.node == "first" || ALWAYS.contains(&place) || self.with == Some(place)
    }

    fn value(&self, place: &str, name: &str, ty: &Type) -> Value {
        let scalar = name_of(ty);
        let one = if let Some(kind) = kind_of(place, name) {
            (self.pick)(place, kind)
        } else if let Some(value) = named(place) {
            return value;
        } else if let Some(fields) = self.sdl.inputs(scalar) {
            let mut object = Map::new();
            for field in fields {
                let (key, place) = (field.name.node.as_str(), format!("{scalar}.{}", field.name.node));
                if self.is_given(&place, field) {
                    object.insert(key.to_owned(), self.value(&place, key, &field.ty.node));
                }
            }
            Value::Object(object)
        } else if let Some(values) = self.sdl.enum_values(scalar) {
            json!(values[0])
        } else {
            match plain(place, name, scalar) {
                Some(value) if scalar != "ID" => value,
                _ => missing(place),
            }
        };
        let is_list = ty.to_string().trim_end_matches('!').ends_with(']');
        if is_list { json!([one]) } else { one }
    }
}

/// The optional places of a field's arguments and of their inputs that take an id, each with its kind and the argument that
/// it is, or is in.
pub struct OptionalId {
    pub place: String,
    kind: &'static str,
    argument: String,
    /// Of an input field.
    key: Option<String>,
}

impl OptionalId {
    /// As it is written in a document.
    pub fn literal(&self, pick: impl Fn(&str) -> Value) -> String {
        let id = pick(self.kind);
        match &self.key {
            Some(key) => format!("{}: {{ {key}: {id} }}", self.argument),
            None => format!("{}: {id}", self.argument),
        }
    }
}

pub fn optional_ids(sdl: &Sdl, owner: &str, field: &FieldDefinition) -> Vec<OptionalId> {
    let mut found = Vec::new();
    for argument in field.arguments.iter().map(|argument| &argument.node) {
        let (name, ty) = (argument.name.node.as_str(), name_of(&argument.ty.node));
        let place = format!("{owner}.{}.{name}", field.name.node);
        let own = [(place, name, None, argument)].into_iter();
        let inputs = sdl.inputs(ty).into_iter().flatten();
        let inner = inputs.map(|input| (format!("{ty}.{}", input.name.node), input.name.node.as_str(), Some(()), input));
        for (place, key, within, input) in own.chain(inner) {
            if !input.ty.node.nullable || ALWAYS.contains(&place.as_str()) {
                continue;
            }
            match kind_of(&place, key) {
                Some(kind) => {
                    let (argument, key) = (name.to_owned(), within.map(|()| key.to_owned()));
                    found.push(OptionalId { place, kind, argument, key });
                }
                None if name_of(&input.ty.node) == "ID" => missing(&place),
                None => {}
            }
        }
    }
    found
}
