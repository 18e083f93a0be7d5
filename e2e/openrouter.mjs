// What @openrouter/sdk 1.3 does against a server: every call for keys and for
// codes, every error that a caller can bring about, typed as the client types it,
// and the figures after money was spent through latchkey's own API. The client
// decodes strictly: an answer that lacks a member, or has null where that may not
// be, is an error.
//
// The server is at LATCHKEY_URL, another whose database is closed at
// LATCHKEY_CLOSED_URL, and one that cannot read what it has kept at
// LATCHKEY_DAMAGED_URL: a key with its hash, and a code. LATCHKEY_ROOT_KEY is a
// root key of all. What is not as it
// should be ends the program with an error.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { HTTPClient, OpenRouter } from "@openrouter/sdk";
import * as errors from "@openrouter/sdk/models/errors";

const url = process.env.LATCHKEY_URL;
const rootKey = process.env.LATCHKEY_ROOT_KEY;
delete process.env.OPENROUTER_API_KEY;

// client returns the vendor's client with a key, or without one.
function client(apiKey, more = {}) {
  return new OpenRouter({ apiKey, serverURL: `${url}/api/v1`, retryConfig: { strategy: "none" }, ...more });
}

// native asks latchkey's own API.
async function native(method, path, body) {
  const answer = await fetch(`${url}/latchkey/v1/${path}`, {
    method,
    headers: { Authorization: `Bearer ${rootKey}`, "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
  assert.ok(answer.ok, `${method} ${path}: ${answer.status}`);
  return answer.json();
}

const { apiKeys, credits, oAuth } = client(rootKey);

async function names(request) {
  return (await apiKeys.list(request)).data.map((k) => k.name);
}

const unused = {
  usage: 0, usageDaily: 0, usageWeekly: 0, usageMonthly: 0,
  byokUsage: 0, byokUsageDaily: 0, byokUsageWeekly: 0, byokUsageMonthly: 0,
};

// self returns what a key is told about itself, where k is told to those who
// manage it.
function self(k) {
  const { hash, name, disabled, createdAt, updatedAt, externalUser, ...shared } = k;
  return {
    ...shared,
    isFreeTier: false,
    isManagementKey: false,
    isProvisioningKey: false,
    organizationId: null,
    allowedDataRegions: ["global"],
    freeModelDailyRequests: { limit: 50, remaining: 50, used: 0 },
    rateLimit: { requests: -1, interval: "10s", note: "This field is deprecated and safe to ignore." },
  };
}

// Created with all members, and with as few as may be.
const workspaceId = (await native("GET", "workspaces/default")).uuid;
const expiresAt = new Date("2099-12-31T23:59:59Z");
const made = await apiKeys.create({
  requestBody: {
    name: "Analytics Service Key", limit: 50.25, limitReset: "monthly", includeByokInLimit: true,
    creatorUserId: "user_1", expiresAt, workspaceId, external: { user: "customer_1" },
  },
});
assert.match(made.key, /^sk-or-v1-[0-9a-f]{64}$/);
assert.ok(Math.abs(Date.parse(made.data.createdAt) - Date.now()) < 60_000, made.data.createdAt);
let whole = {
  hash: createHash("sha256").update(made.key).digest("hex"),
  label: `${made.key.slice(0, 12)}...${made.key.slice(-3)}`,
  name: "Analytics Service Key", disabled: false,
  limit: 50.25, limitRemaining: 50.25, limitReset: "monthly", includeByokInLimit: true,
  ...unused,
  createdAt: made.data.createdAt, updatedAt: null, expiresAt,
  creatorUserId: "user_1", externalUser: "customer_1", workspaceId,
};
assert.deepEqual(made.data, whole);
const { hash } = whole;

const least = await apiKeys.create({ requestBody: { name: "least" } });
assert.deepEqual(least.data, {
  ...whole,
  hash: least.data.hash, label: least.data.label, name: "least", createdAt: least.data.createdAt,
  limit: null, limitRemaining: null, limitReset: null, includeByokInLimit: false,
  expiresAt: null, creatorUserId: least.data.creatorUserId, externalUser: null,
});

// Read: alone, in a list, by itself, and the root key by itself.
assert.deepEqual((await apiKeys.get({ hash })).data, whole);
assert.deepEqual((await apiKeys.list()).data, [least.data, whole]);
const holder = client(made.key);
assert.deepEqual((await holder.apiKeys.getCurrentKeyMetadata()).data, self(whole));
const root = (await apiKeys.getCurrentKeyMetadata()).data;
assert.deepEqual([root.isManagementKey, root.isProvisioningKey, root.limit], [true, true, null]);
assert.deepEqual((await client(rootKey, { serverURL: `${url}/api/v1/` }).apiKeys.get({ hash })).data, whole);

// Updated: by the vendor's example, by nothing, and to nothing.
async function update(requestBody) {
  return (await apiKeys.update({ hash, requestBody })).data;
}
const changed = await update({
  disabled: false, includeByokInLimit: true, limit: 75, limitReset: "daily", name: "Updated API Key Name",
});
assert.ok(Date.parse(changed.updatedAt) >= Date.parse(whole.createdAt), changed.updatedAt);
whole = { ...whole, name: "Updated API Key Name", limit: 75, limitRemaining: 75, limitReset: "daily", updatedAt: changed.updatedAt };
assert.deepEqual(changed, whole);
assert.deepEqual(await update({}), whole);
const cleared = await update({ limit: null, limitReset: null, includeByokInLimit: false });
whole = { ...whole, limit: null, limitRemaining: null, limitReset: null, includeByokInLimit: false, updatedAt: cleared.updatedAt };
assert.deepEqual(cleared, whole);

// Deleted: it is gone, and lets nobody in any more.
assert.deepEqual(await apiKeys.delete({ hash: least.data.hash }), { deleted: true });
await refused(client(least.key).apiKeys.getCurrentKeyMetadata(), "Unauthorized", 401, "User not found.");
await refused(apiKeys.delete({ hash: least.data.hash }), "NotFound", 404, "Resource not found");
assert.equal((await native("POST", "verify", { key: least.key })).outcome, "not_found");
assert.deepEqual((await apiKeys.list({ includeDisabled: true })).data, [whole]);

// Workspaces.
const below = (await native("POST", "workspaces", { slug: "below" })).uuid;
const there = (await apiKeys.create({ requestBody: { name: "below", workspaceId: below } })).data;
assert.equal(there.workspaceId, below);
assert.deepEqual(await names(), [whole.name]);
assert.deepEqual((await apiKeys.list({ workspaceId: below })).data, [there]);
assert.deepEqual(await names({ workspaceId: "0df9e665-d932-5740-b2c7-b52af166bc11" }), []);

// What is spent, all on one day.
const today = () => new Date().toISOString().slice(0, 10);
for (let day; day !== today(); ) {
  day = today();
  const before = (await credits.getCredits()).data;
  const { key, data } = await apiKeys.create({
    requestBody: { name: "spender", limit: 1, limitReset: "weekly", includeByokInLimit: true },
  });
  const use = async (micros) => native("POST", "verify", { key, spend_micros: micros });
  const verdict = await use(250_000);
  await native("POST", `keys/${verdict.key.id}/spend`, { amount_micros: 500_001, kind: "byok" });
  const spent = {
    ...data, limitRemaining: 0.249999,
    usage: 0.25, usageDaily: 0.25, usageWeekly: 0.25, usageMonthly: 0.25,
    byokUsage: 0.500001, byokUsageDaily: 0.500001, byokUsageWeekly: 0.500001, byokUsageMonthly: 0.500001,
  };
  const got = (await apiKeys.get({ hash: data.hash })).data;
  const told = (await client(key).apiKeys.getCurrentKeyMetadata()).data;
  const after = (await credits.getCredits()).data;

  // Exhausted: nothing goes any more, and the key is told so.
  await use(249_999);
  assert.equal((await use(0)).outcome, "usage_exceeded");
  const rest = (await client(key).apiKeys.getCurrentKeyMetadata()).data;
  await apiKeys.delete({ hash: data.hash });
  if (day !== today()) continue;
  assert.deepEqual(got, spent);
  assert.deepEqual(told, self(spent));
  assert.deepEqual([rest.limit, rest.limitRemaining, rest.usage], [1, 0, 0.499999]);
  assert.equal(after.totalUsage.toFixed(6), (before.totalUsage + 0.25).toFixed(6));
}
await native("PATCH", "workspaces/default", { prepaid_micros: 100_500_000 });
assert.equal((await credits.getCredits()).data.totalCredits, 100.5);

// Codes: a key for an app, which proves that the code was issued for it.
const app = client().oAuth;
const callbackUrl = "https://myapp.com/auth/callback";
const { codeChallenge, codeVerifier } = await app.createSHA256CodeChallenge();
const issued = (await oAuth.createAuthCode({
  requestBody: {
    callbackUrl, codeChallenge, codeChallengeMethod: "S256",
    limit: 100.5, usageLimitType: "monthly", expiresAt, keyLabel: "My Custom Key", workspaceId,
  },
})).data;
const proof = { code: issued.id, codeVerifier, codeChallengeMethod: "S256" };
const exchange = (more) => app.exchangeAuthCodeForAPIKey({ requestBody: { ...proof, ...more } });
await refused(exchange({ codeChallengeMethod: "plain" }), "BadRequest", 400, "Invalid code_challenge_method");
await refused(exchange({ codeVerifier: codeChallenge }), "Forbidden", 403, "Invalid code or code_verifier");
const exchanged = await exchange();
await refused(exchange(), "Forbidden", 403, "Invalid code or code_verifier");
const [custom] = (await apiKeys.list()).data;
assert.equal(custom.name, "My Custom Key");
assert.equal(custom.creatorUserId, exchanged.userId);
assert.deepEqual((await client(exchanged.key).apiKeys.getCurrentKeyMetadata()).data, self(custom));
assert.deepEqual([custom.limit, custom.limitReset, custom.expiresAt], [100.5, "monthly", expiresAt]);
await apiKeys.delete({ hash: custom.hash });

// Pages of a hundred, the newest first; the disabled only where they are asked for.
const expected = [whole.name];
for (let i = 1; i <= 100; i++) {
  expected.unshift(`key ${i}`);
  await apiKeys.create({ requestBody: { name: `key ${i}` } });
}
assert.deepEqual(await names(), expected.slice(0, 100));
assert.deepEqual(await names({ offset: 100 }), expected.slice(100));
assert.deepEqual(await names({ offset: 101 }), []);
assert.equal((await names({ offset: null })).length, 100);
await update({ disabled: true });
assert.deepEqual(await names({ offset: 100 }), []);
assert.deepEqual(await names({ includeDisabled: false, offset: 100 }), []);
assert.deepEqual(await names({ includeDisabled: true, offset: 100 }), expected.slice(100));

// refused checks that a call is refused with an error of a type, or, where type
// is "", with the one that has none.
async function refused(call, type, status, message) {
  const err = await call.then(() => assert.fail("it is not refused"), (err) => err);
  const name = type === "" ? "OpenRouterDefaultError" : `${type}ResponseError`;
  assert.ok(err instanceof errors[name], `${err.name}, want ${name}: ${err}`);
  assert.equal(err.statusCode, status);
  const told = JSON.parse(err.body).error;
  assert.equal(told.code, status);
  assert.equal(told.message, message ?? told.message);
  assert.notEqual(told.message, "");
  if (type !== "") assert.deepEqual([err.error.code, err.error.message], [told.code, told.message]);
}

// typed says for which statuses a call has an error of its own type.
const typed = {
  getCurrentKeyMetadata: [401, 500],
  list: [400, 401, 429, 500],
  create: [400, 401, 403, 429, 500],
  get: [401, 404, 429, 500],
  update: [400, 401, 404, 429, 500],
  delete: [401, 404, 429, 500],
  getCredits: [401, 403, 500],
  createAuthCode: [400, 401, 403, 409, 500],
  exchangeAuthCodeForAPIKey: [400, 403, 500],
};
const types = { 400: "BadRequest", 401: "Unauthorized", 403: "Forbidden", 404: "NotFound", 429: "TooManyRequests", 500: "InternalServer" };

// refusal checks that an operation is refused as it says, and that a client which
// tries again for an hour does not: it sends one request.
async function refusal(apiKey, operation, request, status, message) {
  let sent = 0;
  const httpClient = new HTTPClient({ fetcher: (...args) => (sent++, fetch(...args)) });
  const or = client(apiKey, { httpClient, retryConfig: undefined });
  const calls = [or.apiKeys, or.credits, or.oAuth].find((calls) => operation in calls);
  await refused(calls[operation](request), typed[operation].includes(status) ? types[status] : "", status, message);
  assert.equal(sent, 1, `${operation} was sent ${sent} times`);
}

const throttled = (await native("POST", "root-keys", {
  permissions: ["*"],
  limits: [{ name: "calls", max: 1, window: "1h", algorithm: "fixed_from_first" }],
})).secret;
await client(throttled).apiKeys.list();
const ordinary = (await apiKeys.create({ requestBody: { name: "ordinary" } })).key;

// Callers.
const requests = (hash) => ({
  getCurrentKeyMetadata: undefined,
  list: undefined,
  create: { requestBody: { name: "n" } },
  get: { hash },
  update: { hash, requestBody: {} },
  delete: { hash },
  getCredits: undefined,
  createAuthCode: { requestBody: { callbackUrl } },
});
for (const [operation, request] of Object.entries(requests(hash))) {
  await refusal(undefined, operation, request, 401, "Missing Authentication header");
  await refusal(`sk-or-v1-${"0123456789abcdef".repeat(4)}`, operation, request, 401, "User not found.");
  await refusal(made.key, operation, request, 401, "User not found."); // it is disabled
  if (operation === "getCurrentKeyMetadata") continue;
  await refusal(ordinary, operation, request, 403, "Only management keys can perform this operation");
  await refusal(throttled, operation, request, 429, "Rate limit exceeded");
}

// Hashes of nothing.
for (const nobody of ["0".repeat(64), hash.toUpperCase(), "no hash", "a/b?x"]) {
  for (const operation of ["get", "update", "delete"]) {
    await refusal(rootKey, operation, requests(nobody)[operation], 404, "Resource not found");
  }
}

// Requests with something wrong.
const bad = [
  ["list", { offset: -1 }],
  ["list", { workspaceId: "home" }],
  ...[
    { name: "" },
    { name: "n", limit: -1 },
    { name: "n", limitReset: "hourly" },
    { name: "n", expiresAt: new Date("2001-09-09T01:46:40Z") },
    { name: "n", creatorUserId: "" },
    { name: "n", workspaceId: "home" },
    { name: "n", workspaceId: "0df9e665-d932-5740-b2c7-b52af166bc11" },
    { name: "n", external: { user: "" } },
  ].map((requestBody) => ["create", { requestBody }]),
  ...[{ name: "" }, { limit: -1 }, { limitReset: "hourly" }].map((requestBody) => ["update", { hash, requestBody }]),
  ...[
    { callbackUrl: "" },
    { callbackUrl: "/callback" },
    { callbackUrl, limit: -1 },
    { callbackUrl, codeChallenge: "short" },
    { callbackUrl, codeChallenge, codeChallengeMethod: "S512" },
  ].map((requestBody) => ["createAuthCode", { requestBody }]),
];
for (const [operation, request] of bad) await refusal(rootKey, operation, request, 400, "Invalid request parameters");
const code = "0".repeat(32);
await refusal(undefined, "exchangeAuthCodeForAPIKey", { requestBody: { code } }, 403, "Invalid code or code_verifier");
await refusal(undefined, "exchangeAuthCodeForAPIKey", { requestBody: { code, codeChallengeMethod: "S512" } }, 400, "Invalid code_challenge_method");
const long = { name: "n".repeat(1 << 17) };
await refusal(rootKey, "create", { requestBody: long }, 413);
await refusal(rootKey, "update", { hash, requestBody: long }, 413);

// A server that has a fault.
const { LATCHKEY_DAMAGED_URL, LATCHKEY_DAMAGED_HASH, LATCHKEY_DAMAGED_KEY, LATCHKEY_DAMAGED_CODE } = process.env;
const spoilt = {
  ...requests(LATCHKEY_DAMAGED_HASH),
  exchangeAuthCodeForAPIKey: { requestBody: { code: LATCHKEY_DAMAGED_CODE } },
};
for (const [operation, request] of Object.entries(spoilt)) {
  const key = operation === "getCurrentKeyMetadata" ? LATCHKEY_DAMAGED_KEY : rootKey;
  const or = client(key, { serverURL: `${LATCHKEY_DAMAGED_URL}/api/v1` });
  const calls = [or.apiKeys, or.credits, or.oAuth].find((calls) => operation in calls);
  await refused(calls[operation](request), types[500], 500, "Internal Server Error");
}

// A server that cannot answer now is the only error that is tried again.
const closed = process.env.LATCHKEY_CLOSED_URL;
await refused(client(rootKey, { serverURL: `${closed}/api/v1` }).apiKeys.get({ hash }), "", 503);
let sent = 0;
const fetcher = (req) => fetch(new Request(req.url.replace(url, sent++ === 0 ? closed : url), req));
const patient = client(rootKey, { httpClient: new HTTPClient({ fetcher }), retryConfig: undefined });
assert.equal((await patient.apiKeys.get({ hash })).data.hash, hash);
assert.equal(sent, 2);
