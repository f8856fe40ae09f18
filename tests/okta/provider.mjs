// A certified OpenID provider that knows one service app, and the API of that app beside it.
// Arguments: node_modules, settings.
import { createServer } from 'node:http';

const [modules, text] = process.argv.slice(2);
const { default: Provider } = await import(`${modules}/oidc-provider/lib/index.js`);
const settings = JSON.parse(text);
const server = createServer();
await new Promise((ready) => server.listen(0, '127.0.0.1', ready));
const issuer = `http://127.0.0.1:${server.address().port}`;

const provider = new Provider(issuer, {
  clients: [
    {
      client_id: 'app',
      token_endpoint_auth_method: 'private_key_jwt',
      token_endpoint_auth_signing_alg: 'RS256',
      jwks: { keys: [settings.jwk] },
      grant_types: ['client_credentials'],
      redirect_uris: [],
      response_types: [],
    },
  ],
  scopes: ['okta.users.read'],
  clientAuthMethods: ['private_key_jwt'],
  ttl: { ClientCredentials: settings.ttl },
  features: { clientCredentials: { enabled: true }, devInteractions: { enabled: false } },
});

const counts = { tokens: 0, refused: 0 };
const tokens = new Set();
provider.on('grant.success', () => { counts.tokens += 1; });
provider.on('grant.error', () => { counts.refused += 1; });
provider.on('client_credentials.saved', (token) => tokens.add(token.jti));

async function users(request, response) {
  const given = (request.headers.authorization ?? '').replace(/^Bearer /, '');
  const token = await provider.ClientCredentials.find(given);
  const good = token && token.clientId === 'app' && token.scope === 'okta.users.read';
  response.writeHead(good ? 200 : 401, { 'content-type': 'application/json' });
  response.end(JSON.stringify(good ? { users: [], echo: request.headers } : { errorSummary: `no ${given}` }));
}

const callback = provider.callback();
server.on('request', async (request, response) => {
  if (request.url === '/api/v1/users') {
    await users(request, response);
  } else if (request.url === '/_/forget') {
    for (const id of tokens) await (await provider.ClientCredentials.find(id))?.destroy();
    response.end('{}');
  } else if (request.url === '/_/counts') {
    response.end(JSON.stringify(counts));
  } else {
    callback(request, response);
  }
});
console.log(issuer);
