//! Why a team sees a product, and whether it can call it: the verdicts of the catalog's rule and of the gateway's checks, with
//! the reasons for and against them as sentences to be read out.

use chrono::{DateTime, Utc};
use entities::{
    enums::{AuthMethod, CredentialStatus, DenialReason, EndpointStatus, Environment, ProductStatus, Visibility},
    id::{ClientId, CredentialId, EndpointId, SpecVersionId},
};

use super::{
    admission::standing::{Lane, Obstacle, Proof, Standing, proof},
    denial,
    view::{Allowlist, Client, Profile},
    visibility::{Onlooker, Reach, Verdict, verdict},
};

/// What is known of a team and a product.
#[derive(Debug, Clone)]
pub struct Facts {
    pub team: String,
    /// Its registration was approved: assignments count.
    pub team_is_active: bool,
    pub tier: Option<String>,
    pub status: ProductStatus,
    pub visibility: Visibility,
    pub reach: Reach,
    pub standing: Standing,
    /// The product's versions that no call reaches any more.
    pub retired: Vec<SpecVersionId>,
    /// What people call the clients and the credentials.
    pub client_names: Vec<(ClientId, String)>,
    pub credential_names: Vec<(CredentialId, String)>,
}

/// One operation of the product's, where it is the question.
#[derive(Debug, Clone, Copy)]
pub struct Operation {
    pub id: EndpointId,
    pub status: EndpointStatus,
    /// The version that defines it.
    pub spec: SpecVersionId,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// The team's members see it in the catalog.
    pub visible: bool,
    /// Some credential of the team's, or a profile that asks for none, could call it now; limits aside.
    pub callable: bool,
    /// Sentences, what is decisive first.
    pub because: Vec<String>,
}

/// What holds for the product: callable is one some endpoint of which is.
pub fn product(facts: &Facts, now: DateTime<Utc>) -> Explanation {
    explain(facts, None, now)
}

/// What holds for one operation of the product.
pub fn operation(facts: &Facts, operation: Operation, now: DateTime<Utc>) -> Explanation {
    explain(facts, Some(operation), now)
}

fn explain(facts: &Facts, operation: Option<Operation>, now: DateTime<Utc>) -> Explanation {
    let mut because = Vec::new();
    let mut visible = sees(facts, &mut because);
    if let Some(operation) = operation {
        visible &= shown(facts, operation, &mut because);
    }
    let callable = calls(facts, operation.map(|operation| operation.id), now, &mut because);
    Explanation { visible, callable, because }
}

fn sees(facts: &Facts, because: &mut Vec<String>) -> bool {
    let verdict = verdict(facts.status, facts.visibility, Onlooker::SignedIn);
    let visible = match verdict {
        Verdict::Seen => true,
        Verdict::IfReached => facts.reach.any(),
        Verdict::Hidden => false,
    };
    because.push(match (facts.status, facts.visibility) {
        (ProductStatus::Draft, _) => "The product is a draft: only staff see it, and no call reaches it.".to_owned(),
        (ProductStatus::Retired, _) => "The product is retired: only staff see it, and no call reaches it.".to_owned(),
        (_, Visibility::Public) => "The product is public: everybody sees it in the catalog.".to_owned(),
        (_, Visibility::Members) => "The product is for members: everybody who is signed in sees it in the catalog.".to_owned(),
        (_, Visibility::Assigned) if visible => {
            format!("The product is only for those whom it is assigned to, and {} sees it: it is {}.", facts.team, ways(facts))
        }
        (_, Visibility::Assigned) => format!(
            "The product is only for those whom it is assigned to, and {} does not see it: it is assigned neither to the team, nor \
             to its tier ({}), nor to a client of it, and no subscription of the team's to it is in force.",
            facts.team,
            facts.tier.as_deref().unwrap_or("it is in none"),
        ),
    });
    if !facts.team_is_active {
        because.push(format!("The registration of {} is not approved: what is assigned to it does not count yet.", facts.team));
    }
    visible
}

/// By which ways it is assigned, as a part of a sentence.
fn ways(facts: &Facts) -> String {
    let Reach { tier, team, client, subscription } = facts.reach;
    let tier = tier.then(|| format!("assigned to the team's tier {}", facts.tier.as_deref().unwrap_or_default()));
    let ways = [
        team.then(|| "assigned to the team".to_owned()),
        tier,
        client.then(|| "assigned to a client of the team's".to_owned()),
        subscription.then(|| "what a subscription of the team's is for".to_owned()),
    ];
    ways.into_iter().flatten().collect::<Vec<_>>().join(", and ")
}

fn shown(facts: &Facts, operation: Operation, because: &mut Vec<String>) -> bool {
    let retired = facts.retired.contains(&operation.spec);
    if operation.status == EndpointStatus::Draft {
        because.push("The endpoint is a draft: only staff see it, and no call reaches it.".to_owned());
    }
    if retired {
        because.push("The endpoint belongs to a version that is retired: no call reaches it.".to_owned());
    }
    operation.status == EndpointStatus::Published && !retired
}

/// Says of every client, profile and credential whether calls by it pass; true where some do.
fn calls(facts: &Facts, to: Option<EndpointId>, now: DateTime<Utc>, because: &mut Vec<String>) -> bool {
    if facts.standing.clients.is_empty() {
        because.push(format!("{} has no client: a subscription to a plan makes one.", facts.team));
        return false;
    }
    let mut passing = Vec::new();
    let mut refused = Vec::new();
    for client in &facts.standing.clients {
        let name = name_of(&facts.client_names, client.id);
        let against = facts.standing.of_client(client, now);
        if !against.is_empty() {
            refused.push(format!("Calls by the client {name} are refused: {}", sentences(&against)));
            continue;
        }
        if client.profiles.is_empty() {
            refused.push(format!("The client {name} has no profile: nothing can call by it."));
        }
        for (at, profile) in client.profiles.iter().enumerate() {
            let lane = facts.standing.of_profile(client, profile, to, now);
            of_profile(facts, (client, at), &lane, now, (&mut passing, &mut refused));
        }
    }
    let callable = !passing.is_empty();
    because.append(&mut passing);
    because.append(&mut refused);
    callable
}

fn of_profile(
    facts: &Facts,
    (client, at): (&Client, usize),
    lane: &Lane,
    now: DateTime<Utc>,
    (passing, refused): (&mut Vec<String>, &mut Vec<String>),
) {
    let profile = &client.profiles[at];
    let place =
        format!("the client {} in the {} ({})", name_of(&facts.client_names, client.id), word(lane.environment), profile.name);
    if !lane.against.is_empty() {
        refused.push(format!("Calls by {place} are refused: {}", sentences(&lane.against)));
        return;
    }
    let networks = networks(profile);
    if proof(client, profile) == Proof::None {
        let against = facts.standing.of_nobody(client, lane);
        if against.is_empty() {
            passing.push(format!("Calls by {place} pass without a credential of the portal's{networks}."));
        } else {
            refused.push(format!("Calls by {place} are refused: {}", sentences(&against)));
        }
        return;
    }
    let mut credentials = client.credentials.iter().enumerate().filter(|(_, c)| usize::from(c.profile) == at).peekable();
    if credentials.peek().is_none() {
        refused.push(format!("There is no credential of {place} yet: make one."));
    }
    let mut revoked = 0;
    for (at, credential) in credentials {
        if credential.status == CredentialStatus::Revoked {
            revoked += 1;
            continue;
        }
        let against = facts.standing.of_credential(client, at, lane, now);
        let which = format!("{} {} of {place}", kind(credential.kind), name_of(&facts.credential_names, credential.id));
        if against.is_empty() {
            passing.push(format!("Calls with the {which} pass{networks}."));
        } else {
            refused.push(format!("Calls with the {which} are refused: {}", sentences(&against)));
        }
    }
    if revoked > 0 {
        refused.push(format!("Credentials of {place} that were revoked, and are refused: {revoked}."));
    }
}

/// From where calls are taken, where that is not from anywhere.
fn networks(profile: &Profile) -> String {
    match &profile.allowlist {
        Allowlist::Anywhere => String::new(),
        Allowlist::Only(nets) => {
            let nets: Vec<_> = nets.iter().map(ToString::to_string).collect();
            format!(" when they come from {}", nets.join(", "))
        }
    }
}

fn name_of<K: PartialEq + std::fmt::Display>(names: &[(K, String)], id: K) -> String {
    names.iter().find(|(named, _)| *named == id).map_or_else(|| id.to_string(), |(_, name)| format!("“{name}”"))
}

fn word(environment: Environment) -> &'static str {
    match environment {
        Environment::Sandbox => "sandbox",
        Environment::Production => "production environment",
    }
}

fn kind(kind: AuthMethod) -> &'static str {
    match kind {
        AuthMethod::ApiKey => "API key",
        AuthMethod::Token => "token",
        AuthMethod::SignedJwt => "signing secret",
        AuthMethod::Oauth2ClientSecret => "OAuth client secret",
        AuthMethod::Oauth2PrivateKeyJwt => "public key",
        AuthMethod::Mtls => "certificate",
        AuthMethod::Oidc | AuthMethod::None => "credential",
    }
}

/// As the gateway tells them; of a credential more than callers are told.
fn sentences(against: &[Obstacle]) -> String {
    let tell = |obstacle: &Obstacle| match (obstacle.reason, obstacle.about.as_deref()) {
        (DenialReason::CredentialInvalid, Some(about)) => format!("{about}."),
        (reason, about) => denial::told(reason, about).detail(about),
    };
    against.iter().map(tell).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests;
