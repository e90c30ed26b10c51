//! What stands against calls is what the gateway would say to one.

use entities::enums::DenialReason;

use super::*;
use crate::rules::admission::tests::{Fault, KEY_FAULTS, LIVE, TOKEN_FAULTS, World, now};

/// The endpoint that the worlds' calls go to.
const CHARGES: u128 = 1;

fn endpoint() -> EndpointId {
    EndpointId(uuid::Uuid::from_u128(CHARGES))
}

/// What stands against calls with the world's live credential to its endpoint.
fn against(world: &World) -> Vec<DenialReason> {
    let client = View::client(world, world.client.id).unwrap();
    let product = View::product(world, &world.product.base_path).unwrap();
    let standing = Standing { product, team: View::team(world, client.team), clients: vec![client.clone()] };
    let lane = standing.of_profile(&client, &client.profiles[LIVE], Some(endpoint()), now());
    let credential = standing.of_credential(&client, LIVE, &lane, now());
    let all = standing.of_client(&client, now()).into_iter().chain(lane.against).chain(credential);
    all.map(|obstacle| obstacle.reason).collect()
}

/// A world whose call is faultless again, and only what is known of its client is not.
fn broken(world: fn() -> World, faults: &[&Fault]) -> World {
    let mut broken = world();
    faults.iter().for_each(|(_, _, fault)| fault(&mut broken));
    let World { method, path, framing, client_id, profile_id, api_key, bearer, peer, client_is_there, .. } = world();
    World { method, path, framing, client_id, profile_id, api_key, bearer, peer, client_is_there, ..broken }
}

/// Faults that only a call shows: where it comes from, and what it presents.
fn is_of_a_call(fault: &Fault) -> bool {
    matches!(fault.0, DenialReason::IpNotAllowed | DenialReason::CredentialInvalid)
}

#[test]
fn nothing_stands_against_a_call_that_is_admitted() {
    for world in [World::token as fn() -> World, World::key] {
        assert!(world().admit().is_ok());
        assert_eq!(against(&world()), []);
    }
}

#[test]
fn what_is_refused_has_its_reason_here_and_what_passes_has_none() {
    let mut refused = 0;
    for (world, faults) in [(World::token as fn() -> World, TOKEN_FAULTS), (World::key, KEY_FAULTS)] {
        let faults: Vec<&Fault> = faults.iter().filter(|fault| !is_of_a_call(fault)).collect();
        for (i, first) in faults.iter().enumerate() {
            for more in std::iter::once(vec![*first]).chain(faults[i + 1..].iter().map(|second| vec![*first, *second])) {
                let broken = broken(world, &more);
                let said = against(&broken);
                match broken.admit() {
                    Ok(_) => assert_eq!(said, [], "{:?}", more.iter().map(|fault| fault.0).collect::<Vec<_>>()),
                    Err(denial) => {
                        refused += 1;
                        assert!(said.contains(&denial.reason), "{:?} is not in {said:?}", denial.reason);
                    }
                }
            }
        }
    }
    assert!(refused > 100, "only {refused} were refused");
}

#[test]
fn a_product_is_callable_where_one_of_its_endpoints_is() {
    let mut world = World::key();
    world.client.grants[1] = super::super::tests::scopes(&["write"]);
    let client = View::client(&world, world.client.id).unwrap();
    let product = View::product(&world, &world.product.base_path).unwrap();
    let standing = Standing { product, team: None, clients: vec![client.clone()] };
    let lane = standing.of_profile(&client, &client.profiles[LIVE], None, now());
    assert_eq!((lane.against.len(), standing.of_credential(&client, LIVE, &lane, now()).len()), (0, 0));
}
