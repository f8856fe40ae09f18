// A real OpenID provider on a free port of loopback: node provider.mjs NODE_MODULES REDIRECT_URI
import http from "node:http";
import { pathToFileURL } from "node:url";

const [modules, redirect] = process.argv.slice(2);
const { Provider } = await import(pathToFileURL(`${modules}/oidc-provider/lib/index.js`));

const server = http.createServer();
server.listen(0, "127.0.0.1", () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(issuer, {
    clients: [
      {
        client_id: "errands",
        client_secret: "the-client-secret",
        redirect_uris: [redirect],
        grant_types: ["authorization_code", "refresh_token"],
        response_types: ["code"],
      },
    ],
    features: { devInteractions: { enabled: true }, revocation: { enabled: true } },
    pkce: { required: () => true },
    rotateRefreshToken: true,
    cookies: { keys: ["of a test"] },
  });
  server.on("request", provider.callback());
  console.log(`provider: ready ${issuer}`);
});
