// oauth4webapi and openid-client, each by every method, and a call with every token; introspection and revocation as well.
import { strict as assert } from 'node:assert'
import { readFileSync } from 'node:fs'
import * as oauth from 'oauth4webapi'
import * as openid from 'openid-client'
import { Agent, fetch as fetchBy } from 'undici'

const { PORTICO_API: api, PORTICO_GATEWAY: gateway, PARTNER, CALLER_CERT, CALLER_KEY, NODE_EXTRA_CA_CERTS } = process.env
const { secret, keys, certificate } = JSON.parse(readFileSync(PARTNER))
const [cert, key, ca] = [CALLER_CERT, CALLER_KEY, NODE_EXTRA_CA_CERTS].map((file) => readFileSync(file))
const dispatcher = new Agent({ connect: { cert, key, ca } })
const withCertificate = (url, options) => fetchBy(url, { ...options, dispatcher })
const insecure = { [oauth.allowInsecureRequests]: true }

async function call(name, path, token, status = 200, by = fetch) {
  for (let turn = 0; ; turn++) {
    const answer = await by(`${gateway}/${path}/shipments`, { headers: { authorization: `Bearer ${token}` } })
    if (answer.status === status) break
    assert(turn < 40, `${name}: ${answer.status} ${await answer.text()}`)
    await new Promise((later) => setTimeout(later, 50))
  }
  console.log(`ok ${name}`)
}

const algorithms = {
  RS256: { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' },
  PS256: { name: 'RSA-PSS', hash: 'SHA-256' },
  ES256: { name: 'ECDSA', namedCurve: 'P-256' },
  EdDSA: { name: 'Ed25519' },
}
async function privateKey(jwk) {
  const { alg, use, key_ops, ...bare } = jwk
  return { key: await crypto.subtle.importKey('jwk', bare, algorithms[alg], false, ['sign']), kid: jwk.kid }
}

// By discovery: RFC 8414.
const issuer = new URL(api)
const found = await oauth.discoveryRequest(issuer, { algorithm: 'oauth2', ...insecure })
const server = await oauth.processDiscoveryResponse(issuer, found)
async function granted(client, auth, more = {}) {
  const asked = await oauth.clientCredentialsGrantRequest(server, client, auth, { scope: 'ship:read' }, { ...insecure, ...more })
  return (await oauth.processClientCredentialsResponse(server, client, asked)).access_token
}
const own = { client_id: secret.client }
for (const [name, auth] of [['basic', oauth.ClientSecretBasic(secret.secret)], ['post', oauth.ClientSecretPost(secret.secret)]]) {
  await call(`oauth4webapi client_secret_${name}`, secret.path, await granted(own, auth))
}
const both = ['given', 'published'].flatMap((where) => keys.keys.map((jwk) => [where, jwk]))
for (const [where, jwk] of both) {
  const token = await granted({ client_id: keys[where] }, oauth.PrivateKeyJwt(await privateKey(jwk)))
  await call(`oauth4webapi private_key_jwt ${jwk.alg}, keys ${where}`, keys.path, token)
}
// By the alias that the metadata announces (RFC 8705 section 5).
const shown = { client_id: certificate.client, use_mtls_endpoint_aliases: true }
const bound = await granted(shown, oauth.TlsClientAuth(), { [oauth.customFetch]: withCertificate })
await call('oauth4webapi by certificate', certificate.path, bound, 200, withCertificate)
await call('oauth4webapi, its token without the certificate', certificate.path, bound, 401)
await assert.rejects(granted(shown, oauth.TlsClientAuth()), (error) => error.status === 401)
const auth = oauth.ClientSecretBasic(secret.secret)
const token = await granted(own, auth)
const told = await oauth.processIntrospectionResponse(server, own, await oauth.introspectionRequest(server, own, auth, token, insecure))
assert(told.active && told.client_id === secret.client && told.scope === 'ship:read', JSON.stringify(told))
await oauth.processRevocationResponse(await oauth.revocationRequest(server, own, auth, token, insecure))
await call('oauth4webapi introspection and revocation', secret.path, token, 401)

const options = { algorithm: 'oauth2', execute: [openid.allowInsecureRequests] }
async function configured(client, auth) {
  return openid.discovery(issuer, client, undefined, auth, options)
}
for (const [name, auth] of [['basic', openid.ClientSecretBasic(secret.secret)], ['post', openid.ClientSecretPost(secret.secret)]]) {
  const token = await openid.clientCredentialsGrant(await configured(secret.client, auth), { scope: 'ship:read' })
  await call(`openid-client client_secret_${name}`, secret.path, token.access_token)
}
for (const [where, jwk] of both) {
  const config = await configured(keys[where], openid.PrivateKeyJwt(await privateKey(jwk)))
  await call(`openid-client private_key_jwt ${jwk.alg}, keys ${where}`, keys.path, (await openid.clientCredentialsGrant(config)).access_token)
}
const byCertificate = await openid.discovery(issuer, certificate.client, { use_mtls_endpoint_aliases: true }, openid.TlsClientAuth(), {
  ...options,
  [openid.customFetch]: withCertificate,
})
const its = (await openid.clientCredentialsGrant(byCertificate)).access_token
await call('openid-client by certificate', certificate.path, its, 200, withCertificate)
const config = await configured(secret.client, openid.ClientSecretPost(secret.secret))
const last = (await openid.clientCredentialsGrant(config)).access_token
assert((await openid.tokenIntrospection(config, last)).active)
await openid.tokenRevocation(config, last)
await call('openid-client introspection and revocation', secret.path, last, 401)
