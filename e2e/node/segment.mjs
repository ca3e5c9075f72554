// One person on two devices, told by Segment's own SDK for Node as any shop would
// tell it. Prints {"messageIds":{...},"statuses":[...]}; ends with 1 on any error.
import { Analytics } from '@segment/analytics-node'

const { HEADWATER_URL, HEADWATER_WRITE_KEY, PERSON } = process.env

const analytics = new Analytics({
  host: HEADWATER_URL,
  writeKey: HEADWATER_WRITE_KEY,
  maxRetries: 0,
  flushAt: 3,
})

const errors = []
const statuses = []
analytics.on('error', (err) => errors.push(String(err.reason ?? err.code ?? err)))
analytics.on('http_response', ({ status }) => statuses.push(status))

const messageIds = {}
const send = (label, method, message) =>
  new Promise((resolve, reject) =>
    analytics[method](message, (err, ctx) => {
      if (err) return reject(err)
      messageIds[label] = ctx.event.messageId
      resolve()
    })
  )

const userId = `user-${PERSON}`
const laptop = `laptop-${PERSON}`
const phone = `phone-${PERSON}`
const shop = { page: { url: 'https://shop.example/lamps' } }

const sent = [
  send('page', 'page', { anonymousId: laptop, name: 'Lamps', properties: { path: '/lamps' }, context: shop }),
  send('screen', 'screen', { anonymousId: phone, name: 'Basket' }),
  send('anonymous', 'track', { anonymousId: laptop, event: 'Product Viewed', properties: { sku: 'lamp-1', price: 39.9 } }),
  send('identify', 'identify', {
    userId,
    anonymousId: laptop,
    traits: { email: ` ${PERSON}@Shop.Example `, firstName: 'Ana', address: { city: 'Porto' } },
  }),
  send('group', 'group', { userId, groupId: `household-${PERSON}`, traits: { size: 3 } }),
  send('order', 'track', { userId, event: 'Order Completed', properties: { orderId: 'o-1', revenue: 39.9, currency: 'EUR' } }),
  send('alias', 'alias', { userId, previousId: phone }),
]

await analytics.closeAndFlush({ timeout: 20_000 })
await Promise.all(sent)
if (errors.length > 0) {
  console.error(errors.join('\n'))
  process.exit(1)
}
console.log(JSON.stringify({ messageIds, statuses }))
