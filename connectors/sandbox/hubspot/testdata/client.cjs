// Drives the emulator with HubSpot's own client. Base URL and credentials in argv.
const { createRequire } = require('node:module');
const assert = require('node:assert/strict');
const http = require('node:http');
const from = createRequire(process.env.HEADWATER_VENDOR_SDKS + '/package.json');
const { Client, Signature } = from('@hubspot/api-client');

const base = process.argv[2];
const app = JSON.parse(process.argv[3]);
const control = (method, name, body) => fetch(`${base}/_sandbox/${name}`, { method, body: body && JSON.stringify(body) }).then(async (r) => {
  assert.equal(r.status, 200, await r.clone().text());
  return r.json();
});
const step = async (name, f) => { await f(); console.log('ok', name); };
const fails = (promise, code, category) => assert.rejects(promise, (e) => {
  assert.equal(e.code, code, String(e));
  if (category) assert.equal(e.body.category, category);
  assert.ok(e.body.correlationId);
  return true;
});
const client = (options) => new Client({ basePath: base, numberOfApiCallRetries: 0, ...options });

(async () => {
  const hs = client({ accessToken: app.accessToken });

  await step('OAuth: refresh, info, expired, wrong', async () => {
    const oauth = client({});
    const t = await oauth.oauth.tokensApi.create('refresh_token', undefined, undefined, app.clientId, app.clientSecret, app.refreshToken);
    assert.equal(t.expiresIn, 1800);
    const signed = client({ accessToken: t.accessToken });
    assert.equal((await signed.oauth.accessTokensApi.get(t.accessToken)).hubId, 26487001);
    await signed.crm.contacts.basicApi.getPage();
    await control('POST', 'expire', { tokens: true });
    await fails(signed.crm.contacts.basicApi.getPage(), 401, 'EXPIRED_AUTHENTICATION');
    await fails(client({ accessToken: 'no' }).crm.contacts.basicApi.getPage(), 401, 'INVALID_AUTHENTICATION');
  });

  let ann;
  await step('contacts one by one', async () => {
    ann = await hs.crm.contacts.basicApi.create({ properties: { email: 'Ann@Example.com', firstname: 'Ann' }, associations: [] });
    assert.equal(ann.properties.email, 'ann@example.com');
    assert.ok(ann.createdAt instanceof Date);
    assert.equal((await hs.crm.contacts.basicApi.getById('ann@example.com', ['phone'], undefined, undefined, false, 'email')).properties.phone, null);
    await fails(hs.crm.contacts.basicApi.create({ properties: { email: 'ann@example.com' } }), 409, 'CONFLICT');
    await fails(hs.crm.contacts.basicApi.create({ properties: { shoe: '1' } }), 400, 'VALIDATION_ERROR');
    await fails(hs.crm.contacts.basicApi.getById('999'), 404, 'OBJECT_NOT_FOUND');
    assert.equal((await hs.crm.contacts.basicApi.update(ann.id, { properties: { city: 'Graz' } })).properties.city, 'Graz');
  });

  await step('batches, 207 with trace ids', async () => {
    const up = await hs.crm.contacts.batchApi.upsert({ inputs: [
      { id: 'h-1', idProperty: 'headwater_id', properties: { email: 'one@example.com' }, objectWriteTraceId: 't1' },
      { id: 'h-2', idProperty: 'headwater_id', properties: { email: 'not an address' }, objectWriteTraceId: 't2' },
      { id: 'h-3', idProperty: 'headwater_id', properties: { firstname: 'Three' }, objectWriteTraceId: 't3' },
    ] });
    assert.equal(up.numErrors, 1);
    assert.deepEqual(up.results.map((r) => [r.objectWriteTraceId, r._new]), [['t1', true], ['t3', true]]);
    assert.deepEqual(up.errors[0].context.objectWriteTraceId, ['t2']);
    const again = await hs.crm.contacts.batchApi.upsert({ inputs: [{ id: 'h-1', idProperty: 'headwater_id', properties: { firstname: 'One' } }] });
    assert.deepEqual([again.status, again.results[0]._new, again.results[0].id], ['COMPLETE', false, up.results[0].id]);
    const read = await hs.crm.contacts.batchApi.read({ inputs: [{ id: ann.id }, { id: '777' }], properties: ['email'], propertiesWithHistory: [] });
    assert.equal(read.errors[0].category, 'OBJECT_NOT_FOUND');
    assert.equal((await hs.crm.contacts.batchApi.create({ inputs: [{ properties: { firstname: 'B' }, associations: [] }] })).results.length, 1);
    assert.equal((await hs.crm.contacts.batchApi.update({ inputs: [{ id: ann.id, properties: { city: 'Linz' } }] })).results[0].properties.city, 'Linz');
    await fails(hs.crm.contacts.batchApi.upsert({ inputs: [{ id: 'a', idProperty: 'city', properties: {} }] }), 400, 'VALIDATION_ERROR');
    await fails(hs.crm.contacts.batchApi.update({ inputs: Array.from({ length: 101 }, () => ({ id: ann.id, properties: {} })) }), 400);
    await hs.crm.contacts.batchApi.archive({ inputs: [{ id: up.results[1].id }] });
    assert.equal((await hs.crm.contacts.basicApi.getPage(10, undefined, [], [], [], true)).results[0].id, up.results[1].id);
  });

  await step('paging and search', async () => {
    await control('PUT', 'limits', { off: true });
    await control('POST', 'seed', { count: 250 });
    assert.equal((await hs.crm.contacts.getAll(100)).length, 253);
    const search = (after) => hs.crm.contacts.searchApi.doSearch({ filterGroups: [{ filters: [{ propertyName: 'lastname', operator: 'EQ', value: 'ward' }] }], sorts: ['hs_object_id'], properties: ['lastname'], limit: 20, after });
    const page = await search();
    assert.equal(page.total, 20);
    await fails(hs.crm.contacts.searchApi.doSearch({ filterGroups: [], limit: 100, after: '9950', sorts: [], properties: [] }), 400, 'VALIDATION_ERROR');
    await control('PUT', 'limits', { off: false });
  });

  await step('merge and privacy deletion', async () => {
    const a = await hs.crm.contacts.basicApi.create({ properties: { email: 'a@example.com', city: 'Wels' }, associations: [] });
    const b = await hs.crm.contacts.basicApi.create({ properties: { email: 'b@example.com', phone: '1' }, associations: [] });
    const m = await hs.crm.contacts.basicApi.merge({ primaryObjectId: a.id, objectIdToMerge: b.id });
    assert.deepEqual([m.id, m.properties.phone, m.properties.hs_merged_object_ids], [a.id, '1', b.id]);
    assert.equal((await hs.crm.contacts.basicApi.getById(b.id)).id, a.id);
    await hs.crm.contacts.basicApi.purge({ objectId: 'a@example.com', idProperty: 'email' });
    await fails(hs.crm.contacts.basicApi.getById(a.id), 404);
  });

  await step('associations v4', async () => {
    const c = await hs.crm.companies.basicApi.create({ properties: { name: 'ACME' }, associations: [] });
    const made = await hs.crm.associations.v4.batchApi.create('contacts', 'companies', { inputs: [
      { _from: { id: ann.id }, to: { id: c.id }, types: [{ associationCategory: 'HUBSPOT_DEFINED', associationTypeId: 279 }] },
      { _from: { id: ann.id }, to: { id: '9' }, types: [{ associationCategory: 'HUBSPOT_DEFINED', associationTypeId: 279 }] },
    ] });
    assert.equal(made.results[0].toObjectId, c.id);
    assert.equal(made.numErrors, 1);
    const list = await hs.crm.associations.v4.basicApi.getPage('companies', c.id, 'contacts');
    assert.equal(String(list.results[0].toObjectId), ann.id);
    const read = await hs.crm.associations.v4.batchApi.getPage('contacts', 'companies', { inputs: [{ id: ann.id }] });
    assert.equal(read.results[0].to[0].associationTypes[0].typeId, 279);
    await hs.crm.associations.v4.batchApi.archive('contacts', 'companies', { inputs: [{ _from: { id: ann.id }, to: [{ id: c.id }] }] });
    assert.equal((await hs.crm.associations.v4.basicApi.getPage('contacts', ann.id, 'companies')).results.length, 0);
  });

  await step('properties and custom types', async () => {
    const props = await hs.crm.properties.coreApi.getAll('contacts');
    assert.ok(props.results.find((p) => p.name === 'headwater_id' && p.hasUniqueValue));
    await hs.crm.properties.coreApi.create('contacts', { name: 'shoe_size', label: 'Shoe size', type: 'number', fieldType: 'number', groupName: 'contactinformation' });
    const schemas = await hs.crm.schemas.coreApi.getAll();
    assert.equal(schemas.results[0].objectTypeId, '2-1001');
    const one = await hs.crm.objects.basicApi.create('2-1001', { properties: { title: 'Plus', plan: 'plus' }, associations: [] });
    assert.equal((await hs.crm.objects.basicApi.getById('subscription', one.id, ['plan'])).properties.plan, 'plus');
  });

  await step('lists', async () => {
    const { list } = await hs.crm.lists.listsApi.create({ name: 'VIPs', objectTypeId: '0-1', processingType: 'MANUAL' });
    const res = await hs.crm.lists.membershipsApi.addAndRemove(list.listId, { recordIdsToAdd: [ann.id, '5'], recordIdsToRemove: [] });
    assert.deepEqual([res.recordsIdsAdded, res.recordIdsMissing], [[ann.id], ['5']]);
    assert.equal((await hs.crm.lists.listsApi.getByName('VIPs', '0-1')).list.listId, list.listId);
    assert.equal((await hs.crm.lists.membershipsApi.getPage(list.listId)).results[0].recordId, ann.id);
    await hs.crm.lists.membershipsApi.remove(list.listId, [ann.id]);
  });

  await step('behavioural events', async () => {
    const made = await hs.apiRequest({ method: 'POST', path: '/events/v3/event-definitions', body: { name: 'order_done', label: 'Order done' } });
    const name = (await made.json()).fullyQualifiedName;
    const event = { eventName: name, email: 'ann@example.com', uuid: 'u-1', occurredAt: new Date(), properties: { total: '5' } };
    await hs.events.send.basicApi.send(event);
    await hs.events.send.batchApi.send({ inputs: [event, { ...event, uuid: 'u-2' }] });
    assert.equal((await control('GET', 'events')).length, 2);
  });

  await step('webhooks v3, signed as the client checks', async () => {
    const dev = client({ developerApiKey: app.developerKey });
    const got = [];
    const server = http.createServer((req, res) => {
      let body = '';
      req.on('data', (d) => { body += d; });
      req.on('end', () => {
        const timestamp = Number(req.headers['x-hubspot-request-timestamp']);
        const valid = Signature.isValid({ method: 'POST', signatureVersion: 'v3', signature: req.headers['x-hubspot-signature-v3'], clientSecret: app.clientSecret, requestBody: body, url: target, timestamp });
        got.push(...JSON.parse(body).map((e) => ({ ...e, valid })));
        res.end();
      });
    }).listen(0, '127.0.0.1');
    await new Promise((done) => { server.on('listening', done); });
    const target = `http://127.0.0.1:${server.address().port}/hook`;
    await dev.webhooks.settingsApi.configure(Number(app.appId), { targetUrl: target, throttling: { maxConcurrentRequests: 10 } });
    const sub = await dev.webhooks.subscriptionsApi.create(Number(app.appId), { eventType: 'contact.propertyChange', propertyName: 'city', active: true });
    assert.equal(sub.eventType, 'contact.propertyChange');
    await hs.crm.contacts.basicApi.update(ann.id, { properties: { city: 'Enns' } });
    await control('POST', 'webhook/flush');
    assert.equal(got.length, 1);
    assert.deepEqual([got[0].valid, got[0].propertyValue, String(got[0].objectId), got[0].changeSource], [true, 'Enns', ann.id, 'INTEGRATION']);
    server.close();
  });

  await step('429, and the client\'s own retry', async () => {
    await control('PUT', 'faults', [{ kind: 'rate_limited', variant: 'secondly', times: 1 }]);
    await client({ accessToken: app.accessToken, numberOfApiCallRetries: 2 }).crm.contacts.basicApi.getPage(1);
    await control('PUT', 'faults', [{ kind: 'quota_spent', times: 1 }]);
    await fails(hs.crm.contacts.basicApi.getPage(1), 429);
  });
})().catch((e) => { console.error(e); process.exit(1); });
