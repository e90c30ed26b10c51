// oidc-provider, as it is but for what is asked of both: client credentials, and access tokens as JWTs signed with ES256.
import { createServer } from 'node:http'
import { exportJWK, generateKeyPair } from 'jose'
import Provider from 'oidc-provider'

const { privateKey } = await generateKeyPair('ES256', { extractable: true })
const client = (client_id, token_endpoint_auth_method) => ({
  client_id, token_endpoint_auth_method, client_secret: 'a-secret-of-the-same-length-as-those-of-the-other-one',
  grant_types: ['client_credentials'], response_types: [], redirect_uris: [], scope: 'ship:read',
  id_token_signed_response_alg: 'ES256',
})
const resource = 'https://api.example.com'
const server = createServer().listen(0, '127.0.0.1', () => {
  const address = `127.0.0.1:${server.address().port}`
  const provider = new Provider(`http://${address}`, {
    clients: [client('by-basic', 'client_secret_basic'), client('by-post', 'client_secret_post')],
    jwks: { keys: [{ ...jwk, alg: 'ES256', use: 'sig', kid: 'one' }] },
    scopes: ['ship:read'],
    ttl: { ClientCredentials: 600 },
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => resource,
        getResourceServerInfo: () => ({
          scope: 'ship:read', audience: resource, accessTokenFormat: 'jwt', accessTokenTTL: 600, jwt: { sign: { alg: 'ES256' } },
        }),
      },
    },
  })
  provider.on('server_error', (_, error) => console.error(error))
  server.on('request', provider.callback())
  console.log(`listening api=${address}`)
})
const jwk = await exportJWK(privateKey)
