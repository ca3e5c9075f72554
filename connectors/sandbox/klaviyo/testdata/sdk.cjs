// The vendor's own package against the emulator: node sdk.cjs URL KEY
const assert = require('node:assert')
const k = require('klaviyo-api')
const [url, key] = process.argv.slice(2)
const session = new k.ApiKeySession(key, new k.RetryWithExponentialBackoff({ numRetries: 4 }))
const api = (Api) => { const a = new Api(session); a.basePath = url; return a }
const profiles = api(k.ProfilesApi), lists = api(k.ListsApi), events = api(k.EventsApi), hooks = api(k.WebhooksApi)
const metrics = api(k.MetricsApi), privacy = api(k.DataPrivacyApi), accounts = api(k.AccountsApi)
const P = k.ProfileEnum.Profile
const until = async (what, done) => { for (let i = 0; i < 50; i++) { const r = await what(); if (done(r)) return r; await new Promise((f) => setTimeout(f, 50)) } throw new Error('never') }

async function main() {
  const acc = await accounts.getAccounts()
  console.log('account', acc.body.data[0].id)

  const made = await profiles.createOrUpdateProfile({ data: { type: P, attributes: { email: 'sdk@example.com', firstName: 'S', externalId: 'sdk-1', properties: { tier: 'gold' } } } })
  assert.equal(made.response.status, 201)
  const id = made.body.data.id
  const again = await profiles.createOrUpdateProfile({ data: { type: P, attributes: { externalId: 'sdk-1', lastName: 'K' } } })
  assert.equal(again.response.status, 200)
  assert.equal(again.body.data.id, id)
  assert.equal(again.body.data.attributes.firstName, 'S')
  await profiles.updateProfile(id, { data: { type: P, id, attributes: { title: 'Dr' } } })
  const one = await profiles.getProfile(id, { additionalFieldsProfile: ['subscriptions'] })
  assert.equal(one.body.data.attributes.title, 'Dr')
  assert.equal(one.body.data.attributes.subscriptions.email.marketing.consent, 'NEVER_SUBSCRIBED')
  assert.ok(one.body.data.attributes.created instanceof Date)
  console.log('profile made, updated, read')

  await assert.rejects(profiles.createProfile({ data: { type: P, attributes: { email: 'sdk@example.com' } } }), (e) => e.response.status === 409 && e.response.data.errors[0].code === 'duplicate_profile')

  const list = await lists.createList({ data: { type: 'list', attributes: { name: 'SDK' } } })
  const job = await profiles.bulkImportProfiles({ data: { type: 'profile-bulk-import-job', attributes: { profiles: { data: [
    { type: P, attributes: { email: 'b1@example.com' } }, { type: P, attributes: { email: 'nonsense' } }, { type: P, attributes: { email: 'b2@example.com' } },
  ] } }, relationships: { lists: { data: [{ type: 'list', id: list.body.data.id }] } } } })
  assert.equal(job.response.status, 202)
  const done = await until(() => profiles.getBulkImportProfilesJob(job.body.data.id), (r) => r.body.data.attributes.status === 'complete')
  assert.equal(done.body.data.attributes.completedCount, 2)
  const errors = await profiles.getErrorsForBulkImportProfilesJob(job.body.data.id)
  assert.equal(errors.body.data[0].attributes.code, 'invalid')
  console.log('bulk import:', done.body.data.attributes.completedCount, 'done,', errors.body.data.length, 'failed')

  await lists.addProfilesToList(list.body.data.id, { data: [{ type: P, id }] })
  assert.equal((await lists.getProfilesForList(list.body.data.id)).body.data.length, 3)
  await lists.removeProfilesFromList(list.body.data.id, { data: [{ type: P, id }] })
  assert.equal((await lists.getProfileIdsForList(list.body.data.id)).body.data.length, 2)

  let found = [], cursor
  do {
    const page = await profiles.getProfiles({ pageSize: 2, pageCursor: cursor, sort: 'created' })
    found.push(...page.body.data)
    cursor = page.body.links.next && new URL(page.body.links.next).searchParams.get('page[cursor]')
  } while (cursor)
  assert.equal(found.length, 3)
  console.log('pages followed:', found.length, 'profiles')

  await events.createEvent({ data: { type: 'event', attributes: { properties: { total: 3 }, uniqueId: 'u1', value: 3, time: new Date(),
    metric: { data: { type: 'metric', attributes: { name: 'SDK Event' } } }, profile: { data: { type: P, attributes: { email: 'sdk@example.com' } } } } } })
  const told = await events.getEvents({ include: ['metric'] })
  assert.equal(told.body.data.length, 1)
  assert.equal((await metrics.getMetrics()).body.data[0].attributes.name, 'SDK Event')

  await profiles.bulkSubscribeProfiles({ data: { type: 'profile-subscription-bulk-create-job', attributes: { profiles: { data: [
    { type: P, attributes: { email: 'sdk@example.com', subscriptions: { email: { marketing: { consent: 'SUBSCRIBED' } } } } }] } } } })
  const state = () => profiles.getProfile(id, { additionalFieldsProfile: ['subscriptions'] })
  await until(state, (r) => r.body.data.attributes.subscriptions.email.marketing.consent === 'SUBSCRIBED')
  const hold = await profiles.bulkSuppressProfiles({ data: { type: 'profile-suppression-bulk-create-job', attributes: { profiles: { data: [{ type: P, attributes: { email: 'sdk@example.com' } }] } } } })
  await until(() => profiles.getBulkSuppressProfilesJob(hold.body.data.id), (r) => r.body.data.attributes.status === 'complete')
  const held = await state()
  assert.equal(held.body.data.attributes.subscriptions.email.marketing.canReceiveEmailMarketing, false)
  assert.equal(held.body.data.attributes.subscriptions.email.marketing.suppression[0].reason, 'USER_SUPPRESSED')
  console.log('subscribed, then suppressed')

  const hook = await hooks.createWebhook({ data: { type: 'webhook', attributes: { name: 'h', endpointUrl: 'https://shop.example.com/h', secretKey: 'secret-of-16-byte' },
    relationships: { webhookTopics: { data: [{ type: 'webhook-topic', id: 'event:klaviyo.bounced_email' }] } } } })
  await hooks.deleteWebhook(hook.body.data.id)

  // Two a minute are too many here: the package waits as Retry-After says.
  await fetch(url + '/_sandbox/faults', { method: 'PUT', body: JSON.stringify([{ kind: 'rate_limited', times: 1, retryAfter: 1 }]) })
  const t = Date.now()
  await profiles.getProfiles()
  assert.ok(Date.now() - t >= 1000, 'waited as Retry-After says')
  console.log('waited for a 429')

  await privacy.requestProfileDeletion({ data: { type: 'data-privacy-deletion-job', attributes: { profile: { data: { type: P, attributes: { email: 'sdk@example.com' } } } } } })
  await until(() => profiles.getProfiles({ filter: 'equals(email,"sdk@example.com")' }), (r) => r.body.data.length === 0)
  console.log('deleted')
}
main().then(() => console.log('klaviyo-api is content'), (e) => { console.error(e.response?.status, JSON.stringify(e.response?.data), e); process.exit(1) })
