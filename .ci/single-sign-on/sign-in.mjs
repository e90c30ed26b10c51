// A team proves two domains. The people of one sign in by oidc-provider, those of the other by oauth2-mock-server, which lies.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { Resolver } from 'node:dns/promises'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { OAuth2Server } from 'oauth2-mock-server'
import Provider from 'oidc-provider'
import { Browser } from './browser.mjs'

const { PORTICO_API: api, MAILS: mails, DNS_PORT: dns } = process.env

// Whoever opens a way in has to be signed in: by a mailed link, as everybody.
const manager = new Browser()
await manager.go(`${api}/auth/sign-in`, { email: 'manager@partner.example' })
await manager.go(`${api}/auth/magic-link`, { token: await mailedToken() })

async function mailedToken() {
  for (let tries = 0; tries < 200; tries++) {
    const text = await readFile(mails, 'utf8').catch(() => '')
    const token = text.match(/magic-link\?token=([\w.-]+)/)?.[1]
    if (token) return token
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  throw new Error('no link was mailed')
}

async function mutate(field, type, input, select) {
  const query = `mutation($input: ${type}!) { ${field}(input: $input) { ${select} userErrors { code message path } } }`
  const answer = await manager.ask(`${api}/graphql`, { query, variables: { input } })
  const done = answer.data?.[field]
  assert.ok(done && done.userErrors.length === 0, `${field}: ${JSON.stringify(answer)}`)
  return done
}

const { team } = await mutate('createTeam', 'CreateTeamInput', { name: 'Acme' }, 'team { id }')
const callback = `${api}/auth/sso/callback/${team.id}`
const defaultAccess = { team: 'READ', credentials: 'FULL', billing: 'NONE' }
const domains = []
for (const domain of ['acme.example', 'globex.example']) {
  const input = { teamId: team.id, domain, autoJoin: true, defaultAccess }
  domains.push((await mutate('claimDomain', 'ClaimDomainInput', input, 'domain { id dnsRecordName dnsRecordValue }')).domain)
}
const records = domains.map((domain) => `--txt-record=${domain.dnsRecordName},${domain.dnsRecordValue}`)
const named = ['--keep-in-foreground', '--conf-file=/dev/null', `--port=${dns}`, '--listen-address=127.0.0.1', '--bind-interfaces']
const nameServer = spawn('dnsmasq', [...named, '--no-resolv', '--no-hosts', '--pid-file=', '--user=', ...records], { stdio: 'inherit' })
process.on('exit', () => nameServer.kill())
const resolver = new Resolver({ timeout: 200, tries: 1 })
resolver.setServers([`127.0.0.1:${dns}`])
for (let tries = 0; !(await resolver.resolveTxt(domains[0].dnsRecordName).catch(() => false)); tries++) {
  assert.ok(tries < 200, 'dnsmasq does not answer')
  await new Promise((resolve) => setTimeout(resolve, 50))
}
for (const domain of domains) {
  const verified = await mutate('verifyDomain', 'TeamDomainIdInput', { domainId: domain.id }, 'domain { verified }')
  assert.equal(verified.domain.verified, true)
}
console.log('dnsmasq: two domains are proven')

const told = async (email, then) => {
  const browser = new Browser()
  const page = await browser.go(`${api}/auth/sso`, { email, redirectTo: '/auth/signed-in' })
  return (then ? await then(browser, page) : page).told
}
await honest()
await lying()

async function honest() {
  const jwk = (type, options, more) => ({ ...generateKeyPairSync(type, options).privateKey.export({ format: 'jwk' }), use: 'sig', ...more })
  const keys = [
    jwk('rsa', { modulusLength: 2048 }, { kid: 'rsa' }),
    jwk('ec', { namedCurve: 'P-256' }, { kid: 'ec' }),
    jwk('ec', { namedCurve: 'P-384' }, { kid: 'ec384' }),
    jwk('ed25519', {}, { kid: 'ed', alg: 'EdDSA' }),
  ]
  const algorithms = ['RS256', 'PS256', 'ES256', 'ES384', 'EdDSA']
  const client = (alg) => ({
    client_id: alg, client_secret: `secret of ${alg}: 100%`, redirect_uris: [callback], id_token_signed_response_alg: alg,
  })
  const taken = createServer().listen(0, '127.0.0.1')
  await once(taken, 'listening')
  const { port } = taken.address()
  taken.close()
  const issuer = `http://127.0.0.1:${port}`
  const provider = new Provider(issuer, {
    jwks: { keys },
    clients: algorithms.map(client),
    enabledJWA: { idTokenSigningAlgValues: algorithms },
    claims: { openid: ['sub'], email: ['email', 'email_verified'] },
    pkce: { required: () => true },
    findAccount: (_, sub) => ({ accountId: sub, claims: () => ({ sub, email: sub, email_verified: !sub.startsWith('unverified') }) }),
  })
  const server = provider.listen(port, '127.0.0.1')
  await once(server, 'listening')
  const input = { teamId: team.id, name: 'Acme Login', issuer, domains: ['acme.example'], enforced: false }
  const configured = async (alg, clientSecret = client(alg).client_secret) => {
    const { provider } = await mutate('configureSso', 'ConfigureSsoInput', { ...input, clientId: alg, clientSecret }, 'provider { id }')
    input.providerId = provider.id
  }
  // The forms of the provider's own pages: who they are, and that it may tell.
  const logsIn = (login) => async (browser, page) => {
    page = await browser.go(page.url, { prompt: 'login', login, password: 'any' })
    return page.url.includes('/interaction/') ? browser.go(page.url, { prompt: 'consent' }) : page
  }
  for (const alg of algorithms) {
    await configured(alg)
    const email = `${alg.toLowerCase()}@acme.example`
    for (const _ of ['new', 'known']) assert.equal(await told(email, logsIn(email)), `You are signed in as ${email}.`)
  }
  assert.match(await told('eve@acme.example', logsIn('eve@evil.example')), /not at a domain that your organisation has proven/)
  assert.match(await told('eve@acme.example', logsIn('unverified@acme.example')), /does not say that your mail address is verified/)
  const refuses = async (browser, page) => browser.go(page.url.replace(/$/, '/abort'))
  assert.match(await told('ada@acme.example', refuses), /was not completed/)
  await configured('RS256', 'another secret')
  assert.match(await told('ada@acme.example', logsIn('ada@acme.example')), /refuses this portal/)
  await configured('RS256')
  assert.equal(await told('ada@acme.example', logsIn('ada@acme.example')), 'You are signed in as ada@acme.example.')
  server.close()
  server.closeAllConnections()
  console.log(`oidc-provider: ${algorithms.join(', ')} sign in; a foreign and an unverified address, a refusal and a wrong secret are told`)
}

async function lying() {
  const server = new OAuth2Server()
  await server.issuer.keys.generate('RS256')
  await server.start(0, '127.0.0.1')
  const input = { teamId: team.id, name: 'Globex', issuer: server.issuer.url, clientId: 'portico', domains: ['globex.example'], enforced: false }
  await mutate('configureSso', 'ConfigureSsoInput', input, 'provider { id }')
  const unproven = /does not hold, so nobody is signed in/
  const inIdToken = (change) => ({ beforeTokenSigning: (made) => made.payload.aud && change(made.payload, made.header) })
  const signed = (header, payload) => [header, payload].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.')
  const payload = (jwt) => JSON.parse(Buffer.from(jwt.split('.')[1], 'base64url'))
  const lies = {
    'another issuer': [inIdToken((claims) => { claims.iss = 'https://login.example' }), unproven],
    'another audience': [inIdToken((claims) => { claims.aud = 'another' }), unproven],
    'several audiences': [inIdToken((claims) => { claims.aud = ['portico', 'another'] }), unproven],
    'another nonce': [inIdToken((claims) => { claims.nonce = 'another' }), unproven],
    'no nonce': [inIdToken((claims) => { delete claims.nonce }), unproven],
    'expired': [inIdToken((claims) => { claims.exp = 1 }), unproven],
    'an unknown key': [inIdToken((_, header) => { header.kid = 'unknown' }), unproven],
    'no subject': [inIdToken((claims) => { delete claims.sub }), unproven],
    'unsigned': [{ beforeResponse: ({ body }) => { body.id_token = `${signed({ alg: 'none' }, payload(body.id_token))}.` } }, unproven],
    'a changed token': [{ beforeResponse: ({ body }) => {
      const [header, , signature] = body.id_token.split('.')
      const changed = { ...payload(body.id_token), email: 'boss@globex.example' }
      body.id_token = [header, Buffer.from(JSON.stringify(changed)).toString('base64url'), signature].join('.')
    } }, unproven],
    'no ID token': [{ beforeResponse: ({ body }) => { delete body.id_token } }, unproven],
    'a broken answer': [{ beforeResponse: (answer) => { answer.body = ['?'] } }, unproven],
    'an error': [{ beforeResponse: (answer) => { answer.statusCode = 401; answer.body = { error: 'invalid_client' } } }, /refuses this portal/],
    'somebody else at userinfo': [{
      ...inIdToken((claims) => { delete claims.email }),
      beforeUserinfo: ({ body }) => { body.sub = 'another'; body.email = 'john@globex.example' },
    }, unproven],
    'another state': [{ beforeAuthorizeRedirect: ({ url }) => url.searchParams.set('state', 'another') }, /not started in this browser/],
    'another issuer answers': [{ beforeAuthorizeRedirect: ({ url }) => url.searchParams.set('iss', 'https://login.example') }, /another identity provider/],
    'an address at another domain': [inIdToken((claims) => { Object.assign(claims, { sub: 'new', email_verified: true, email: 'manager@partner.example' }) }), /not at a domain/],
    'an address with another inside': [inIdToken((claims) => { Object.assign(claims, { sub: 'new', email_verified: true, email: 'john@globex.example, eve@evil.example' }) }), /tells no mail address/],
  }
  // After all others: the claims of an honest answer.
  const honest = inIdToken((claims) => { claims.email ??= 'john@globex.example' })
  const having = async (handlers, run) => {
    for (const [event, handler] of Object.entries(handlers)) server.service.on(event, handler)
    try { return await run() } finally { server.service.removeAllListeners() }
  }
  const signsIn = () => told('john@globex.example')
  assert.equal(await having(honest, signsIn), 'You are signed in as john@globex.example.')
  for (const [name, [handlers, expected]] of Object.entries(lies)) {
    const lie = handlers.beforeTokenSigning
    const both = { ...handlers, beforeTokenSigning: (made) => { honest.beforeTokenSigning(made); lie?.(made) } }
    assert.match(await having(both, signsIn), expected, name)
  }
  await server.stop()
  console.log(`oauth2-mock-server: signs in; ${Object.keys(lies).length} lies sign nobody in`)
}
nameServer.kill()
process.exit(0)
