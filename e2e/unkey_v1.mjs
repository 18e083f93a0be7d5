// What @unkey/api 0.38 does against a server: an API and a key are made, the key
// is verified with each code as the answer, and revoked. The server is at
// LATCHKEY_URL; LATCHKEY_ROOT_KEY is one of its root keys. What is not as it
// should be ends the program with an error.
import assert from "node:assert/strict";
import { Unkey, and, or } from "@unkey/api";

const baseUrl = process.env.LATCHKEY_URL;
const rootKey = process.env.LATCHKEY_ROOT_KEY;
const options = { baseUrl, retry: { attempts: 0 } };
const unkey = new Unkey({ rootKey, ...options });
const anybody = new Unkey({ rootKey: "public", ...options });

// result returns what a call has answered, which must be no error.
async function result(call) {
  const answer = await call;
  assert.equal(answer.error, undefined, JSON.stringify(answer.error));
  return answer.result;
}

// refusal checks that a call is refused with a code.
async function refusal(call, code) {
  const { error } = await call;
  assert.equal(error?.code, code);
  assert.ok(error.message && error.requestId && error.docs.endsWith(code), JSON.stringify(error));
}

const { apiId } = await result(unkey.apis.create({ name: "end to end" }));
assert.equal((await result(unkey.apis.get({ apiId }))).name, "end to end");

const { keyId, key } = await result(
  unkey.keys.create({
    apiId,
    prefix: "e2e",
    byteLength: 24,
    name: "a key",
    externalId: "customer_1",
    meta: { plan: "pro" },
    roles: ["reader"],
    permissions: ["docs.read"],
    remaining: 100,
    refill: { interval: "monthly", amount: 100, refillDay: 31 },
    ratelimit: { type: "fast", limit: 50, duration: 3_600_000 },
    expires: Date.now() + 3_600_000,
    environment: "test",
  }),
);
assert.match(key, /^e2e_[1-9A-HJ-NP-Za-km-z]{20,}$/);

// verify asks about the key as anybody and checks the code.
async function verify(code, more = {}) {
  const verdict = await result(anybody.keys.verify({ key, ...more }));
  assert.equal(verdict.code, code, JSON.stringify(verdict));
  assert.equal(verdict.valid, code === "VALID");
  assert.ok(verdict.requestId);
  return verdict;
}

const whole = await verify("VALID", {
  apiId,
  authorization: { permissions: or("docs.admin", and("docs.read", undefined)) },
  tags: ["path=/v1"],
});
assert.equal(whole.keyId, keyId);
assert.equal(whole.name, "a key");
assert.equal(whole.ownerId, "customer_1");
assert.deepEqual(whole.meta, { plan: "pro" });
assert.deepEqual(whole.permissions, ["docs.read"]);
assert.deepEqual(whole.roles, ["reader"]);
assert.equal(whole.environment, "test");
assert.equal(whole.identity.externalId, "customer_1");
assert.equal(whole.remaining, 99);
assert.equal(whole.ratelimit.limit, 50);
assert.equal(whole.ratelimit.remaining, 49);
assert.ok(whole.ratelimit.reset > Date.now() && whole.expires > Date.now());

// Each code.
await verify("FORBIDDEN", { apiId: "api_of_somebody_else" });
await verify("INSUFFICIENT_PERMISSIONS", { authorization: { permissions: and("docs.read", "docs.write") } });
const limited = await verify("RATE_LIMITED", { ratelimits: [{ name: "default", cost: 51 }] });
assert.equal(limited.ratelimit.limit, 50);
await verify("RATE_LIMITED", { ratelimits: [{ name: "emails", cost: 2, limit: 1, duration: 60_000 }] });
assert.equal((await result(unkey.keys.updateRemaining({ keyId, op: "set", value: 0 }))).remaining, 0);
await verify("USAGE_EXCEEDED");
assert.equal((await result(unkey.keys.updateRemaining({ keyId, op: "set", value: null }))).remaining, null);
await result(unkey.keys.update({ keyId, enabled: false }));
await verify("DISABLED");
await result(unkey.keys.update({ keyId, enabled: true, expires: Date.now() - 1000 }));
await verify("EXPIRED");
await result(unkey.keys.update({ keyId, expires: null, name: null, ratelimit: null }));
assert.equal((await verify("VALID")).name, undefined);

// What it may do.
const { permissionId } = await result(unkey.permissions.createPermission({ name: "docs.write" }));
assert.equal((await result(unkey.permissions.getPermission({ permissionId }))).slug, "docs.write");
assert.ok((await result(unkey.permissions.listPermissions())).some((p) => p.id === permissionId));
const held = await result(unkey.keys.addPermissions({ keyId, permissions: [{ id: permissionId }] }));
assert.deepEqual(held.map((p) => p.name), ["docs.read", "docs.write"]);
await verify("VALID", { authorization: { permissions: and("docs.read", "docs.write") } });
await result(unkey.keys.setPermissions({ keyId, permissions: [{ name: "docs.write" }] }));
await result(unkey.keys.removePermissions({ keyId, permissions: [{ name: "docs.write" }] }));
assert.deepEqual((await verify("VALID")).permissions, []);
await result(unkey.permissions.deletePermission({ permissionId }));
await refusal(unkey.permissions.getPermission({ permissionId }), "NOT_FOUND");

const { roleId } = await result(unkey.permissions.createRole({ name: "editor" }));
await result(unkey.keys.setRoles({ keyId, roles: [{ id: roleId }] }));
assert.deepEqual((await verify("VALID")).roles, ["editor"]);
await result(unkey.keys.removeRoles({ keyId, roles: [{ name: "editor" }] }));
await result(unkey.permissions.deleteRole({ roleId }));

// Whose it is.
const ratelimits = [{ name: "tokens", limit: 1000, duration: 60_000 }];
const { identityId } = await result(unkey.identities.create({ externalId: "customer_2", meta: { a: 1 }, ratelimits }));
await refusal(unkey.identities.create({ externalId: "customer_2" }), "CONFLICT");
await result(unkey.keys.update({ keyId, externalId: "customer_2" }));
const owned = await verify("VALID", { ratelimits: [{ name: "tokens", cost: 400 }] });
assert.deepEqual(owned.identity, { id: identityId, externalId: "customer_2", meta: { a: 1 } });
assert.equal(owned.ratelimit.remaining, 600);
assert.deepEqual((await result(unkey.identities.get({ identityId }))).ratelimits, ratelimits);
assert.deepEqual((await result(unkey.identities.update({ identityId, meta: {} }))).meta, {});
assert.equal((await result(unkey.identities.list({ limit: 1 }))).total, 2);

// It is shown, and listed.
const shown = await result(unkey.keys.get({ keyId }));
assert.equal(shown.start, key.slice(0, 8));
assert.equal(shown.apiId, apiId);
const list = await result(unkey.apis.listKeys({ apiId, limit: 10, externalId: "customer_2" }));
assert.deepEqual(list.keys, [shown]);
assert.equal(list.total, 1);

// Errors are the envelope that the client passes on.
await refusal(unkey.keys.create({ apiId, remaining: 0 }), "BAD_REQUEST");
await refusal(unkey.keys.create({ apiId: "api_of_somebody_else" }), "NOT_FOUND");
await refusal(anybody.keys.create({ apiId }), "UNAUTHORIZED");
await refusal(anybody.keys.verify({ key, ratelimits: [{ name: "nothing" }] }), "BAD_REQUEST");

// Revoked, and for the next question already.
await result(unkey.keys.delete({ keyId }));
assert.equal((await verify("NOT_FOUND")).keyId, undefined);
await refusal(unkey.keys.delete({ keyId }), "NOT_FOUND");
await result(unkey.identities.delete({ identityId }));
await result(unkey.apis.delete({ apiId }));
await refusal(unkey.apis.get({ apiId }), "NOT_FOUND");
