//! The scopes that a client may use: of the product that its subscription is to, those that were granted to the subscription; of
//! one that it holds otherwise, what assignments by hand give.

use std::collections::BTreeSet;

use entities::enums::Environment;

use super::{
    Call,
    checks::{Decision, subscribed},
};
use crate::rules::view::{Client, Moment, Product, Scopes, View, place};

/// Of one product. An assignment gives all that the product's operations ask for, or the part that it names; of several, all count.
pub(super) fn granted(view: &impl View, client: &Client, product: &Product, environment: Environment) -> Scopes {
    if subscribed(client, product.id) {
        return client.grants[place(environment)].clone();
    }
    let team = view.team(client.team);
    let tier = team.as_ref().and_then(|team| team.tier);
    let theirs = team.iter().flat_map(|team| team.products.iter());
    let assigned = client.products.iter().chain(theirs).filter(|assigned| assigned.product == product.id);
    let by_tier = product.tiers.iter().filter(|(assigned, _)| Some(*assigned) == tier).map(|(_, scopes)| scopes.as_ref());
    together(assigned.map(|assigned| assigned.scopes.as_ref()).chain(by_tier), &product.scopes)
}

/// One part is shared as it is, so that no call copies it.
fn together<'a>(given: impl Iterator<Item = Option<&'a Scopes>>, all: &Scopes) -> Scopes {
    let mut held: Option<Scopes> = None;
    for part in given {
        let Some(part) = part else { return all.clone() };
        held = Some(match held {
            None => part.clone(),
            Some(before) => before.iter().chain(part.iter()).cloned().collect::<BTreeSet<_>>().into_iter().collect(),
        });
    }
    held.unwrap_or_default()
}

/// Of all products that the client holds, for what is not of one call: access tokens.
pub fn granted_in_all(view: &impl View, client: &Client, environment: Environment) -> Scopes {
    let own = client.subscription.map(|held| held.product);
    let nothing_else = client.products.iter().all(|assigned| Some(assigned.product) == own);
    if own.is_some() && nothing_else && view.team(client.team).is_none() {
        // As most are: not a look at each product.
        return client.grants[place(environment)].clone();
    }
    let nobody = Call::of_nobody(chrono::DateTime::UNIX_EPOCH);
    let decision = Decision { view, call: &nobody, now: Moment(0) };
    let mut scopes: BTreeSet<Box<str>> = BTreeSet::new();
    if client.subscription.is_some() {
        scopes.extend(client.grants[place(environment)].iter().cloned());
    }
    for product in view.products() {
        if decision.holds(client, &product).is_ok() {
            scopes.extend(granted(view, client, &product, environment).iter().cloned());
        }
    }
    scopes.into_iter().collect()
}
