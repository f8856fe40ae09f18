// A certified OpenID provider on a free port, and a few doors for tests. Arguments: node_modules, settings.
import { createServer } from 'node:http';

const [modules, text] = process.argv.slice(2);
const { default: Provider } = await import(`${modules}/oidc-provider/lib/index.js`);
const settings = JSON.parse(text);
const server = createServer();
await new Promise((ready) => server.listen(0, '127.0.0.1', ready));
const issuer = `http://127.0.0.1:${server.address().port}`;

const grant_types = ['authorization_code', 'refresh_token', 'client_credentials'];
const client = (client_id, more) => ({
  client_id,
  client_secret: settings.secret,
  redirect_uris: [settings.redirect],
  response_types: ['code'],
  grant_types,
  ...more,
});
const provider = new Provider(issuer, {
  clients: [
    client('errands', {}),
    client('posting', { token_endpoint_auth_method: 'client_secret_post' }),
    client('public', {
      client_secret: undefined,
      token_endpoint_auth_method: 'none',
      grant_types: grant_types.slice(0, 2),
    }),
    client('api', { redirect_uris: [], response_types: [], grant_types: [] }), // looks tokens up
  ],
  scopes: ['openid', 'offline_access', 'things:read', 'things:write'],
  rotateRefreshToken: true,
  pkce: { required: () => true },
  ttl: { AccessToken: settings.ttl, ClientCredentials: settings.ttl },
  cookies: { keys: ['a key of the tests'] },
  features: {
    introspection: { enabled: true, allowedPolicy: () => true },
    revocation: { enabled: true, allowedPolicy: () => true },
    clientCredentials: { enabled: true },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => undefined,
      useGrantedResource: () => true,
      getResourceServerInfo: () => ({ scope: 'things:read things:write', accessTokenFormat: 'opaque' }),
    },
  },
});

const counts = {};
const count = (name) => { counts[name] = (counts[name] ?? 0) + 1; };
provider.on('grant.success', (ctx) => count(ctx.oidc.params.grant_type));
provider.on('grant.success', (ctx) => { if (ctx.querystring) count(ctx.url); });
provider.on('grant.error', (ctx) => count(`failed ${ctx.oidc.params?.grant_type}`));
provider.on('access_token.destroyed', () => count('access destroyed'));
provider.on('refresh_token.destroyed', () => count('refresh destroyed'));

// Every token there is, so that a test can take it away.
const known = { AccessToken: new Set(), RefreshToken: new Set() };
provider.on('access_token.saved', (token) => known.AccessToken.add(token.jti));
provider.on('refresh_token.saved', (token) => known.RefreshToken.add(token.jti));
async function destroy(kind) {
  for (const id of known[kind]) await (await provider[kind].find(id))?.destroy();
  known[kind].clear();
}

const callback = provider.callback();
server.on('request', async (request, response) => {
  const [, door, name] = request.url.split('/');
  if (door !== '_') {
    callback(request, response);
    return;
  }
  if (name in known) await destroy(name);
  response.end(JSON.stringify(counts));
});
console.log(issuer);
