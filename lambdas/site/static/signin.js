// Signing in where the API takes tokens: authorization code with PKCE (RFC 7636), in a window of its own, so that the worklist stays.

import { limited, Problem, useSecret } from "./api.js";

/** @type {{client_id: string, authorization_endpoint: string, token_endpoint: string, scope: string} | null} */
export const SIGN_IN = JSON.parse(document.documentElement.dataset.signIn || "null");

const CHANNEL = "cxr-sign-in";
const RENEW_SECONDS = 60; // before a token ends
let timer = 0; // until the token is renewed

// The page, from /docs too: the one address that is registered with the issuer, whose script hands the answer on.
const here = () => new URL("./", location.href).href;

const failed = (detail) => new Problem({ title: "Not signed in", detail });
const base64url = (bytes) => btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
const random = () => base64url(crypto.getRandomValues(new Uint8Array(32)));

/** Whether this window is the one that the issuer sent back: then it has told the other and closes. */
export function returned() {
  const answer = new URLSearchParams(location.search);
  if (!SIGN_IN || !answer.get("state")) return false;
  new BroadcastChannel(CHANNEL).postMessage(Object.fromEntries(answer));
  window.close();
  return true;
}

/**
 * Have the person sign in, and use the token for every request from then on.
 * @param {() => void} ended called when a token has ended that could not be renewed
 * @param {(token: string) => void} [taken] takes each token instead
 * @throws {Problem}
 */
export async function signIn(ended, taken = useSecret) {
  const [state, verifier] = [random(), random()];
  const challenge = base64url(new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(verifier))));
  const { client_id, authorization_endpoint: address, scope } = SIGN_IN;
  const asked = new URLSearchParams({ response_type: "code", client_id, scope, state, redirect_uri: here(), code_challenge: challenge, code_challenge_method: "S256" });
  const answered = answer(state);
  if (!window.open(`${address}?${asked}`, CHANNEL, "popup,width=520,height=720")) throw failed("The browser did not open the window to sign in: allow it for this page.");
  const { code, error, error_description: why } = await answered;
  if (!code) throw failed(`The issuer did not sign you in: ${why ?? error ?? "no reason was given"}.`);
  await use({ grant_type: "authorization_code", code, code_verifier: verifier, redirect_uri: here() }, ended, taken);
}

// What the issuer said to the window that was opened for this state; another's is not listened to.
function answer(state) {
  return new Promise((resolve) => {
    const channel = new BroadcastChannel(CHANNEL);
    channel.onmessage = ({ data }) => {
      if (data.state !== state) return;
      channel.close();
      resolve(data);
    };
  });
}

async function use(grant, ended, taken) {
  let response, token;
  try {
    response = await fetch(SIGN_IN.token_endpoint, { method: "POST", signal: limited(), body: new URLSearchParams({ ...grant, client_id: SIGN_IN.client_id }) });
    token = await response.json();
  } catch {
    throw failed("The issuer of tokens could not be reached, or does not answer this page: it has to allow its origin.");
  }
  if (!response.ok || !token.access_token) throw failed(`The issuer gave no token: ${token.error_description ?? token.error ?? response.status}.`);
  taken(token.access_token);
  clearTimeout(timer);
  if (!token.expires_in) return;
  const renewal = token.refresh_token ?? grant.refresh_token;
  timer = setTimeout(
    () => {
      if (renewal) use({ grant_type: "refresh_token", refresh_token: renewal }, ended, taken).catch(ended);
      else ended();
    },
    1000 * Math.max(1, token.expires_in - RENEW_SECONDS),
  );
}
