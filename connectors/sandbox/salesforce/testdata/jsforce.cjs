// Drives the emulator with jsforce as a customer's program would. Base URL in argv.
const { createRequire } = require('node:module');
const assert = require('node:assert/strict');
const crypto = require('node:crypto');
const from = createRequire(process.env.HEADWATER_VENDOR_SDKS + '/package.json');
const jsforce = from('jsforce');

const base = process.argv[2];
const app = JSON.parse(process.argv[3]);
const control = (method, name, body) => fetch(`${base}/_sandbox/${name}`, { method, body: body && JSON.stringify(body) }).then(async (r) => {
  assert.equal(r.status, 200, await r.clone().text());
  return r.json();
});
const step = async (name, f) => { await f(); console.log('ok', name); };
const fails = (promise, code) => assert.rejects(promise, (e) => { assert.equal(e.errorCode ?? e.name, code, String(e)); return true; });

(async () => {
  const oauth2 = { loginUrl: base, clientId: app.clientId, clientSecret: app.clientSecret, redirectUri: 'http://127.0.0.1/back' };
  const conn = new jsforce.Connection({ oauth2, version: '62.0', maxRequest: 50 });

  await step('client credentials', async () => {
    const user = await conn.authorize({ grant_type: 'client_credentials' });
    assert.match(user.organizationId, /^00D/);
    assert.equal(conn.instanceUrl, base);
    assert.equal((await conn.identity()).username, app.username);
  });

  await step('JWT bearer', async () => {
    const { privateKey, publicKey } = crypto.generateKeyPairSync('rsa', { modulusLength: 2048 });
    await control('PUT', 'oauth', { certificate: publicKey.export({ type: 'spki', format: 'pem' }) });
    const part = (o) => Buffer.from(JSON.stringify(o)).toString('base64url');
    const head = part({ alg: 'RS256' }) + '.' + part({ iss: app.clientId, sub: app.username, aud: base, exp: Math.floor(Date.now() / 1000) + 120 });
    const assertion = head + '.' + crypto.sign('sha256', Buffer.from(head), privateKey).toString('base64url');
    const c = new jsforce.Connection({ oauth2, version: '62.0' });
    await c.authorize({ grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer', assertion });
    await c.limits();
    await fails(new jsforce.Connection({ oauth2 }).authorize({ grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer', assertion: head + '.AAAA' }), 'invalid_grant');
  });

  await step('code, then refresh of an expired token with rotation', async () => {
    const flow = new jsforce.OAuth2({ ...oauth2, useVerifier: true });
    const page = await fetch(flow.getAuthorizationUrl({ state: 's' }), { redirect: 'manual' });
    const code = new URL(page.headers.get('location')).searchParams.get('code');
    const c = new jsforce.Connection({ oauth2: flow, version: '62.0' });
    await c.authorize(code, { code_verifier: flow.codeVerifier });
    assert.ok(c.refreshToken);
    await control('POST', 'expire', { tokens: true });
    let refreshed = 0;
    c.on('refresh', () => refreshed++);
    await c.limits();
    assert.equal(refreshed, 1);
    await control('POST', 'expire', { tokens: true });
    await conn.authorize({ grant_type: 'client_credentials' });
  });

  await step('create, retrieve, update, upsert, delete', async () => {
    const made = await conn.sobject('Contact').create({ LastName: 'Ward', FirstName: 'Zoë', Email: 'zoe@example.com' });
    assert.equal(made.success, true);
    assert.equal(made.id.length, 18);
    assert.equal((await conn.sobject('Contact').retrieve(made.id)).Name, 'Zoë Ward');
    assert.equal((await conn.sobject('Contact').update({ Id: made.id, Title: 'CTO' })).success, true);
    const up = await conn.sobject('Contact').upsert({ Headwater_Id__c: 'p-1', LastName: 'Haddad' }, 'Headwater_Id__c');
    assert.equal(up.success, true);
    assert.equal((await conn.sobject('Contact').upsert({ Headwater_Id__c: 'p-1', LastName: 'H.' }, 'Headwater_Id__c')).id, up.id);
    assert.equal((await conn.sobject('Contact').destroy(up.id)).success, true);
    await fails(conn.sobject('Contact').retrieve(up.id), 'ENTITY_IS_DELETED');
    await fails(conn.sobject('Contact').create({ FirstName: 'X' }), 'REQUIRED_FIELD_MISSING');
    await fails(conn.sobject('Contact').create({ LastName: 'X', Nope__c: 1 }), 'INVALID_FIELD');
    const gone = await conn.sobject('Contact').deleted(new Date(Date.now() - 3600e3), new Date(Date.now() + 60e3));
    assert.deepEqual(gone.deletedRecords.map((r) => r.id), [up.id]);
  });

  await step('describe', async () => {
    const all = await conn.describeGlobal();
    assert.ok(all.sobjects.find((o) => o.name === 'Subscription__c' && o.custom));
    const d = await conn.describe('Opportunity');
    assert.equal(d.fields.find((f) => f.name === 'AccountId').referenceTo[0], 'Account');
  });

  await step('collections: 200 even when some fail, in order', async () => {
    const res = await conn.sobject('Contact').upsert([
      { Headwater_Id__c: 'c-1', LastName: 'One' }, { Headwater_Id__c: 'c-2', LastName: 'Two', Email: 'no address' }, { Headwater_Id__c: 'c-3', LastName: 'Three' },
    ], 'Headwater_Id__c');
    assert.deepEqual(res.map((r) => r.success), [true, false, true]);
    assert.equal(res[1].errors[0].statusCode, 'INVALID_EMAIL_ADDRESS');
    const rolled = await conn.sobject('Contact').create([{ LastName: 'A' }, {}], { allOrNone: true });
    assert.equal(rolled[0].errors[0].statusCode, 'ALL_OR_NONE_OPERATION_ROLLED_BACK');
    const upd = await conn.sobject('Contact').update([{ Id: res[0].id, Title: 'x' }, { Id: '003gK0000000zzzAAA', Title: 'x' }]);
    assert.deepEqual(upd.map((r) => r.success), [true, false]);
    const del = await conn.sobject('Contact').destroy([res[0].id, res[2].id]);
    assert.ok(del.every((r) => r.success));
    const read = await conn.sobject('Contact').retrieve([res[0].id], {});
    assert.equal(read.length, 1);
  });

  await step('query, queryMore, queryAll, count, limit info', async () => {
    await control('POST', 'seed', { count: 4500 });
    const records = await conn.query("SELECT Id, Email, SystemModstamp FROM Contact WHERE Email LIKE 'contact%' ORDER BY SystemModstamp, Id").run({ autoFetch: true, maxFetch: 10000 });
    assert.equal(records.records.length, 4500);
    assert.match(records.records[0].SystemModstamp, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.000\+0000$/);
    assert.equal((await conn.query('SELECT COUNT() FROM Lead')).totalSize, 45);
    assert.equal((await conn.query('SELECT Id FROM Contact WHERE IsDeleted = true').run({ scanAll: true })).totalSize, 3);
    assert.equal(await conn.sobject('Contact').count({ LastName: { $in: ['Ward', 'Nobody'] } }), 451);
    await fails(conn.query('SELECT Id FROM Contact WHERE'), 'MALFORMED_QUERY');
    await fails(conn.query('SELECT Shoe FROM Contact'), 'INVALID_FIELD');
    assert.equal(conn.limitInfo.apiUsage.limit, 100000);
    assert.ok(conn.limitInfo.apiUsage.used > 5);
  });

  await step('bulk ingest and query', async () => {
    conn.bulk2.pollInterval = 5;
    const res = await conn.bulk2.loadAndWaitForResults({
      object: 'Contact', operation: 'upsert', externalIdFieldName: 'Headwater_Id__c',
      input: [{ Headwater_Id__c: 'b-1', LastName: 'Quote "d", and\nlines', Email: 'q@example.com' }, { Headwater_Id__c: 'b-2', LastName: 'B', Email: 'none' }, { Headwater_Id__c: 'b-3', LastName: 'C' }],
    });
    assert.equal(res.successfulResults.length, 2);
    assert.equal(res.successfulResults[0].LastName, 'Quote "d", and\nlines');
    assert.equal(res.successfulResults[0].sf__Created, 'true');
    assert.match(res.failedResults[0].sf__Error, /^INVALID_EMAIL_ADDRESS:/);
    assert.deepEqual(res.unprocessedRecords, []);
    const stream = await conn.bulk2.query("SELECT Id, LastName FROM Contact WHERE Headwater_Id__c LIKE 'b-%'", { pollInterval: 5, pollTimeout: 5000 });
    const rows = await stream.toArray();
    assert.deepEqual(rows.map((r) => r.LastName), ['Quote "d", and\nlines', 'C']);
  });

  await step('faults in the vendor\'s form', async () => {
    await control('PUT', 'faults', [{ kind: 'quota_spent', times: 1 }]);
    await fails(conn.query('SELECT Id FROM Lead LIMIT 1'), 'REQUEST_LIMIT_EXCEEDED');
    // jsforce tries 503 again by itself, for reads.
    await control('PUT', 'faults', [{ kind: 'server_error', times: 1 }]);
    await conn.query('SELECT Id FROM Lead LIMIT 1');
    await control('PUT', 'faults', [{ kind: 'server_error', status: 500, times: 1 }]);
    await fails(conn.sobject('Lead').create({ LastName: 'x', Company: 'y' }), 'UNKNOWN_EXCEPTION');
  });
})().catch((e) => { console.error(e); process.exit(1); });
