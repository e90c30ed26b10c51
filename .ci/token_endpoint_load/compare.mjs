// Drives both by wrk in turns and prints what came of it. Fails when an answer is not a token, or a token does not verify.
import { strict as assert } from 'node:assert'
import { execFileSync } from 'node:child_process'
import { createPrivateKey, randomUUID, sign } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { createRemoteJWKSet, jwtVerify } from 'jose'

const { PORTICO_API: ours, PROVIDER_API: theirs, PARTNER, WORK, SCRIPT } = process.env
const [seconds, ourProcess, theirProcess] = process.argv.slice(2).map(Number)
const { secret, keys } = JSON.parse(readFileSync(PARTNER))
const ROUNDS = 3
const GRANT = 'grant_type=client_credentials&scope=ship%3Aread'
const ASSERTIONS = `${WORK}/assertions`
const TYPE = encodeURIComponent('urn:ietf:params:oauth:client-assertion-type:jwt-bearer')

const basic = (client, password) => ({ FORM: GRANT, BASIC: Buffer.from(`${client}:${password}`).toString('base64') })
const post = (client, password) => ({ FORM: `${GRANT}&client_id=${client}&client_secret=${password}` })
const theirSecret = 'a-secret-of-the-same-length-as-those-of-the-other-one'
const sides = [
  { name: 'client_secret_basic, portico', url: `${ours}/oauth2/token`, pid: ourProcess, ...basic(secret.client, secret.secret) },
  { name: 'client_secret_basic, oidc-provider', url: `${theirs}/token`, pid: theirProcess, ...basic('by-basic', theirSecret) },
  { name: 'client_secret_post, portico', url: `${ours}/oauth2/token`, pid: ourProcess, ...post(secret.client, secret.secret) },
  { name: 'client_secret_post, oidc-provider', url: `${theirs}/token`, pid: theirProcess, ...post('by-post', theirSecret) },
  { name: 'private_key_jwt, portico', url: `${ours}/oauth2/token`, pid: ourProcess, ASSERTIONS,
    FORM: `${GRANT}&client_assertion_type=${TYPE}&client_assertion=` },
]
for (const side of sides) side.rounds = []

// A token that verifies, before anything is counted.
async function verified({ url, FORM, BASIC }, jwks) {
  const headers = { 'content-type': 'application/x-www-form-urlencoded', ...(BASIC && { authorization: `Basic ${BASIC}` }) }
  const answer = await fetch(url, { method: 'POST', headers, body: FORM })
  assert.equal(answer.status, 200, await answer.clone().text())
  const { access_token, token_type, expires_in, scope } = await answer.json()
  assert.deepEqual([token_type, expires_in, scope], ['Bearer', 600, 'ship:read'])
  const { payload } = await jwtVerify(access_token, createRemoteJWKSet(new URL(jwks)), { algorithms: ['ES256'], typ: 'at+jwt' })
  assert(payload.aud && payload.jti && payload.client_id && payload.scope === 'ship:read', JSON.stringify(payload))
  return access_token.length
}

const { alg, use, key_ops, ...jwk } = keys.keys.find((key) => key.alg === 'ES256')
const key = { key: createPrivateKey({ key: jwk, format: 'jwk' }), dsaEncoding: 'ieee-p1363' }
const encoded = (value) => Buffer.from(JSON.stringify(value)).toString('base64url')
const header = encoded({ alg, kid: jwk.kid })
function assertion() {
  const exp = Math.floor(Date.now() / 1000) + 290
  const signed = `${header}.${encoded({ iss: keys.given, sub: keys.given, aud: ours, exp, jti: randomUUID() })}`
  return `${signed}.${sign('sha256', Buffer.from(signed), key).toString('base64url')}`
}

/** Of a process and its threads, in seconds. */
function busy(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ')
  return (Number(fields[11]) + Number(fields[12])) / 100
}

function measured(side, seconds, assertions) {
  if (side.ASSERTIONS) writeFileSync(ASSERTIONS, Array.from({ length: assertions }, assertion).join('\n'))
  const before = busy(side.pid)
  const { name, url, pid, rounds, ...env } = side
  const options = ['--threads=1', '--connections=16', `--duration=${seconds}s`, '--timeout=10s', `--script=${SCRIPT}`, url]
  const told = execFileSync('wrk', options, { env: { ...process.env, ...env }, encoding: 'utf8' })
  const result = JSON.parse(told.split('\nRESULT ')[1])
  assert.deepEqual([result.refused, result.broken], [0, 0], `${name}: ${told}`)
  return { ...result, cpu: ((busy(pid) - before) / result.answers) * 1e6 }
}

const lengths = [await verified(sides[0], `${ours}/oauth2/jwks`), await verified(sides[2], `${ours}/oauth2/jwks`),
  await verified({ ...sides[4], FORM: sides[4].FORM + assertion() }, `${ours}/oauth2/jwks`),
  await verified(sides[1], `${theirs}/jwks`), await verified(sides[3], `${theirs}/jwks`)]
console.log(`tokens of both verify: of ${lengths.join(', ')} characters`)
let assertions = 20_000
for (const side of sides) {
  const { rate } = measured(side, 1, assertions)
  if (side.ASSERTIONS) assertions = Math.ceil(rate * (seconds + 1) * 2)
}
for (let round = 0; round < ROUNDS; round++) {
  for (const side of sides) side.rounds.push(measured(side, seconds, assertions))
}
const mean = (side, what) => side.rounds.reduce((sum, round) => sum + round[what], 0) / ROUNDS
console.log(`${ROUNDS} rounds of ${seconds} s each in turns, 16 connections, wrk beside the server on ${cpus().length} cores`)
for (const side of sides) {
  const each = side.rounds.map(({ rate }) => rate.toFixed(0)).join(' ')
  const answers = side.rounds.reduce((sum, round) => sum + round.answers, 0)
  const [rate, p50, p99, cpu] = ['rate', 'p50', 'p99', 'cpu'].map((what) => mean(side, what))
  console.log(`${side.name.padEnd(36)}${rate.toFixed(0).padStart(7)} tokens/s (${each}), p50 ${p50.toFixed(2)} ms, ` +
    `p99 ${p99.toFixed(2)} ms, ${cpu.toFixed(0)} us of CPU each; of ${answers} answers 0 refused, 0 broken`)
}
let met = true
for (const [ours, theirs] of [[sides[0], sides[1]], [sides[2], sides[3]]]) {
  const ratio = mean(ours, 'rate') / mean(theirs, 'rate')
  const good = ratio >= 5 && mean(ours, 'p99') < mean(theirs, 'p99')
  met &&= good
  console.log(`${ours.name.split(',')[0]}: ${ratio.toFixed(1)} times its rate, p99 ${mean(ours, 'p99').toFixed(2)} ms to ` +
    `${mean(theirs, 'p99').toFixed(2)} ms: ${good ? 'met' : 'MISSED'} (five times, and a lower p99)`)
}
// A moment tells that the comparison runs, and nothing of speed.
process.exit(met || seconds < 2 ? 0 : 1)
