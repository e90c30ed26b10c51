// An outside issuer: oidc-provider, whose tokens are JWTs for one API. Prints its address once it can be asked.
import Provider from 'oidc-provider'

const port = Number(process.argv[2])
const api = 'urn:portico:ship'
const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients: [{ client_id: 'acme-program', client_secret: 'of-the-issuer', grant_types: ['client_credentials'], redirect_uris: [], response_types: [] }],
  features: {
    clientCredentials: { enabled: true },
    devInteractions: { enabled: false },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => api,
      useGrantedResource: () => true,
      getResourceServerInfo: () => ({ scope: 'anything', accessTokenFormat: 'jwt', jwt: { sign: { alg: 'RS256' } } }),
    },
  },
})
provider.listen(port, '127.0.0.1', () => console.log('ready'))
