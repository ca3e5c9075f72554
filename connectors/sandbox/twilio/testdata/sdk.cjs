// The vendor's own package against the emulator: node sdk.cjs URL SID TOKEN NUMBER VERIFY
const assert = require('node:assert')
const http = require('node:http')
const twilio = require('twilio')
const [url, sid, token, number, verify] = process.argv.slice(2)

// The package knows only its own hosts: requests to them go to the emulator instead.
class Sandboxed extends twilio.RequestClient {
  request(opts) { return super.request({ ...opts, uri: opts.uri.replace(/^https:\/\/(api|verify)\.twilio\.com/, url) }) }
}
const client = twilio(sid, token, { httpClient: new Sandboxed() })
const control = (method, path, body) => fetch(url + '/_sandbox/' + path, { method, body: body && JSON.stringify(body) }).then((r) => r.json())

async function main() {
  const hooks = []
  const server = http.createServer((req, res) => {
    let body = ''
    req.on('data', (d) => { body += d }).on('end', () => { hooks.push({ url: `http://${req.headers.host}${req.url}`, signature: req.headers['x-twilio-signature'], body }); res.end() })
  })
  await new Promise((f) => server.listen(0, '127.0.0.1', f))
  const base = `http://127.0.0.1:${server.address().port}`
  const hook = async () => { for (let i = 0; i < 200 && !hooks.length; i++) await new Promise((f) => setTimeout(f, 20)); return hooks.shift() }

  const account = await client.api.v2010.accounts(sid).fetch()
  assert.equal(account.status, 'active')

  const m = await client.messages.create({ to: '+393331234567', from: number, body: 'Ciao €', statusCallback: base + '/status?key=a%20b' })
  assert.equal(m.status, 'queued')
  assert.equal(m.numSegments, '1')
  assert.ok(m.dateCreated instanceof Date)
  for (const want of ['sent', 'delivered']) {
    const h = await hook()
    const params = Object.fromEntries(new URLSearchParams(h.body))
    assert.equal(params.MessageStatus, want)
    assert.ok(twilio.validateRequest(token, h.signature, h.url, params), 'signature of ' + want)
    assert.ok(!twilio.validateRequest('another', h.signature, h.url, params))
  }
  assert.equal((await client.messages(m.sid).fetch()).status, 'delivered')
  console.log('message sent, told twice, signatures hold')

  await control('PUT', 'callbacks', { json: true })
  await client.messages.create({ to: '+393331234567', from: number, body: 'x', statusCallback: base + '/json' })
  const h = await hook()
  assert.ok(twilio.validateRequestWithBody(token, h.signature, h.url, h.body), 'signature of JSON')
  await hook()
  await control('PUT', 'callbacks', { json: false })

  for (let i = 0; i < 5; i++) await client.messages.create({ to: '+393337654321', from: number, body: 'n' + i })
  const all = await client.messages.list({ to: '+393337654321', pageSize: 2 })
  assert.equal(all.length, 5)
  console.log('pages followed:', all.length, 'messages')

  await control('PUT', 'webhook', { url: base + '/in' })
  await control('POST', 'inbound', { from: '+393331234567', body: 'STOP' })
  const stop = await hook()
  const params = Object.fromEntries(new URLSearchParams(stop.body))
  assert.equal(params.OptOutType, 'STOP')
  assert.ok(twilio.validateRequest(token, stop.signature, stop.url, params))
  await assert.rejects(client.messages.create({ to: '+393331234567', from: number, body: 'x' }), (e) => e.code === 21610 && e.status === 400 && /21610/.test(e.moreInfo))
  console.log('STOP holds: 21610')

  const redacted = await client.messages(m.sid).update({ body: '' })
  assert.equal(redacted.body, '')
  assert.equal(await client.messages(m.sid).remove(), true)
  await assert.rejects(client.messages(m.sid).fetch(), (e) => e.code === 20404)

  await client.verify.v2.services(verify).verifications.create({ to: '+393330000001', channel: 'sms' })
  const { code } = await control('GET', 'code?to=%2B393330000001')
  const check = await client.verify.v2.services(verify).verificationChecks.create({ to: '+393330000001', code })
  assert.equal(check.status, 'approved')
  console.log('verified')

  await control('PUT', 'faults', [{ kind: 'rate_limited', times: 1 }])
  await assert.rejects(client.messages.list({ limit: 1 }), (e) => e.code === 20429 && e.status === 429)
  server.close()
}
main().then(() => { console.log('twilio is content'); process.exit(0) }, (e) => { console.error(e); process.exit(1) })
