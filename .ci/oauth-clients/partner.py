"""Offers an API on a mock, has a partner subscribe to it, and prints what the partner's clients need as JSON.

By a secret and by keys that are given; with PUBLISHED, also by keys that are published, by a certificate and by an outside issuer."""
import json, os, pathlib, sys, time

import requests
from jwskate import Jwk, JwkSet

API = os.environ["PORTICO_API"]
DOCUMENT = json.dumps({
    "openapi": "3.1.0", "info": {"title": "Shipments", "version": "1.0"},
    "components": {"securitySchemes": {"o": {"type": "oauth2", "flows": {"clientCredentials": {
        "tokenUrl": "https://ship.example/token", "scopes": {"ship:read": ""}}}}}},
    "paths": {"/shipments": {"get": {"security": [{"o": ["ship:read"]}], "responses": {"200": {
        "description": "a list", "content": {"application/json": {"example": []}}}}}}},
})


def mutate(token, field, kind, given, select):
    query = f"mutation($input: {kind}!) {{ {field}(input: $input) {{ {select} userErrors {{ code message path }} }} }}"
    answer = requests.post(f"{API}/graphql", json={"query": query, "variables": {"input": given}},
                           headers={"authorization": f"Bearer {token}"}).json()
    done = (answer.get("data") or {}).get(field)
    if answer.get("errors") or not done or done["userErrors"]:
        sys.exit(f"{field}: {json.dumps(answer)}")
    return done


def offered(kind, **more):
    provider = os.environ["PROVIDER_TOKEN"]
    slug = kind.lower().replace("_", "-")
    product = mutate(provider, "createProduct", "CreateProductInput",
                     {"slug": slug, "name": slug, "summary": "Parcels", "basePath": slug, "visibility": "PUBLIC"}, "product { id }")["product"]["id"]
    mutate(provider, "setProductEnvironment", "SetProductEnvironmentInput",
           {"productId": product, "environment": "SANDBOX", "backend": "MOCK"}, "product { id }")
    mutate(provider, "publishSpec", "PublishSpecInput",
           {"productId": product, "document": DOCUMENT, "version": "1.0", "publishEndpoints": True}, "product { id }")
    mutate(provider, "setProductStatus", "SetProductStatusInput", {"productId": product, "status": "PUBLISHED"}, "product { id }")
    environments = [{"environment": e, "authMethod": kind, **more} for e in ("SANDBOX", "PRODUCTION")]
    plan = mutate(provider, "createPlan", "CreatePlanInput",
                  {"productId": product, "slug": slug, "name": slug, "pricing": {"model": "FREE"}, "hasSandbox": True,
                   "environments": environments, "scopes": [{"name": "ship:read", "grant": "DEFAULT"}]}, "plan { id }")["plan"]["id"]
    mutate(provider, "setPlanStatus", "SetPlanStatusInput", {"planId": plan, "status": "ACTIVE"}, "plan { id }")
    return slug, plan


def subscribed(team, plan):
    return mutate(os.environ["PARTNER_TOKEN"], "subscribe", "SubscribeInput",
                  {"planId": plan, "teamId": team, "name": "Ours"},
                  "subscription { lanes { profile { id } } } issued { secret clientId }")


def credential(profile, **given):
    return mutate(os.environ["PARTNER_TOKEN"], "createCredential", "CreateCredentialInput",
                  {"profileId": profile, **given}, "credential { id clientId }")["credential"]


def sandbox(team, plan):
    return subscribed(team, plan)["subscription"]["lanes"][0]["profile"]["id"]


team = mutate(os.environ["PARTNER_TOKEN"], "createTeam", "CreateTeamInput", {"name": "Acme"}, "team { id }")["team"]["id"]
secret_path, plan = offered("OAUTH2_CLIENT_SECRET")
issued = subscribed(team, plan)["issued"]

key_path, plan = offered("OAUTH2_PRIVATE_KEY_JWT")
profile = sandbox(team, plan)
keys = [Jwk.generate(alg=alg).with_kid_thumbprint() for alg in ("RS256", "PS256", "ES256", "EdDSA")]
public = JwkSet(keys=[key.public_jwk() for key in keys]).to_json()
needed = {
    "secret": {"path": secret_path, "client": issued["clientId"], "secret": issued["secret"]},
    "keys": {"path": key_path, "given": credential(profile, jwks=json.loads(public))["id"],
             "keys": [json.loads(key.to_json()) for key in keys]},
}
if "PUBLISHED" in os.environ:
    pathlib.Path(os.environ["PUBLISHED_IN"], "keys.json").write_text(public)
    needed["keys"]["published"] = credential(profile, jwksUrl=f"{os.environ['PUBLISHED']}/keys.json")["id"]
    path, plan = offered("MTLS")
    certificate = credential(sandbox(team, plan), certificatePem=pathlib.Path(os.environ["CALLER_CERT"]).read_text())["id"]
    needed["certificate"] = {"path": path, "client": certificate}
    path, plan = offered("OIDC", issuer=os.environ["ISSUER"], audience="urn:portico:ship")
    needed["outside"] = {"path": path, "client": credential(sandbox(team, plan), subject="acme-program")["clientId"]}
time.sleep(1)
print(json.dumps(needed))
