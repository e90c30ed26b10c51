"""authlib and requests_oauth2client, each by every method, and a call with every token."""
import json, os, time

import requests
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from joserfc.jwk import ECKey, OKPKey, RSAKey
from jwskate import Jwk
from requests_oauth2client import ClientSecretBasic, ClientSecretPost, OAuth2Client, PrivateKeyJwt, PublicApp

API, GATEWAY = os.environ["PORTICO_API"], os.environ["PORTICO_GATEWAY"]
TOKENS = f"{API}/oauth2/token"
with open(os.environ["PARTNER"]) as file:
    partner = json.load(file)
secret, keys, certificate = partner["secret"], partner["keys"], partner["certificate"]


CERT = (os.environ["CALLER_CERT"], os.environ["CALLER_KEY"])


def call(name, path, token, status=200, **more):
    headers = {"authorization": f"Bearer {token}", **more.pop("headers", {})}
    answer = requests.get(f"{GATEWAY}/{path}/shipments", headers=headers, **more)
    assert answer.status_code == status, (name, answer.status_code, answer.text)
    print(f"ok {name}")


for method in ("client_secret_basic", "client_secret_post"):
    session = OAuth2Session(secret["client"], secret["secret"], scope="ship:read", token_endpoint_auth_method=method)
    call(f"authlib {method}", secret["path"], session.fetch_token(TOKENS, grant_type="client_credentials")["access_token"])
for where, jwk in ((where, jwk) for where in ("given", "published") for jwk in keys["keys"]):
    key = {"RSA": RSAKey, "EC": ECKey, "OKP": OKPKey}[jwk["kty"]].import_key(jwk)
    session = OAuth2Session(keys[where], key, token_endpoint_auth_method="private_key_jwt")
    # Of itself it names the token endpoint, for an hour: an assertion is for the issuer, for five minutes at most.
    method = PrivateKeyJWT(API, claims={"exp": int(time.time()) + 60}, headers={"kid": jwk["kid"]}, alg=jwk["alg"])
    session.register_client_auth_method(method)
    token = session.fetch_token(TOKENS, grant_type="client_credentials")
    call(f"authlib private_key_jwt {jwk['alg']}, keys {where}", keys["path"], token["access_token"])

session = OAuth2Session(certificate["client"], token_endpoint_auth_method="none")
session.cert = CERT
token = session.fetch_token(f"{GATEWAY}/oauth2/token", grant_type="client_credentials")["access_token"]
call("authlib by certificate", certificate["path"], token, cert=CERT)
call("authlib, its token without the certificate", certificate["path"], token, status=401)

for name, auth in (("client_secret_basic", ClientSecretBasic), ("client_secret_post", ClientSecretPost)):
    client = OAuth2Client(TOKENS, auth=auth(secret["client"], secret["secret"]), testing=True)
    call(f"requests_oauth2client {name}", secret["path"], client.client_credentials(scope="ship:read").access_token)
for where, jwk in ((where, jwk) for where in ("given", "published") for jwk in keys["keys"]):
    auth = PrivateKeyJwt(keys[where], Jwk(jwk), alg=jwk["alg"], aud=API)
    client = OAuth2Client(TOKENS, auth=auth, testing=True)
    call(f"requests_oauth2client private_key_jwt {jwk['alg']}, keys {where}", keys["path"], client.client_credentials().access_token)
session = requests.Session()
session.cert = CERT
client = OAuth2Client(f"{GATEWAY}/oauth2/token", auth=PublicApp(certificate["client"]), session=session, testing=True)
call("requests_oauth2client by certificate", certificate["path"], client.client_credentials().access_token, cert=CERT)

# Tokens of an outside issuer.
outside = partner["outside"]
issuer = OAuth2Session("acme-program", "of-the-issuer").fetch_token(f"{os.environ['ISSUER']}/token", grant_type="client_credentials")
who = {"x-client-id": outside["client"], "x-profile-id": "sandbox"}
call("oidc-provider's token", outside["path"], issuer["access_token"], headers=who)
call("oidc-provider's token, cut", outside["path"], issuer["access_token"][:-2], status=401, headers=who)
