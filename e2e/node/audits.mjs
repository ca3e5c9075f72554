// Runs graphql-http's audits of the GraphQL-over-HTTP specification against a
// server. The only thing added to its requests is the key. Prints an array of
// {id, name, status, reason, answer}.
import { auditServer } from 'graphql-http'

const { HEADWATER_URL, HEADWATER_KEY } = process.env

const results = await auditServer({
  url: `${HEADWATER_URL}/graphql`,
  fetchFn: (url, init = {}) =>
    fetch(url, { redirect: 'error', ...init, headers: { ...init.headers, authorization: `Bearer ${HEADWATER_KEY}` } }),
})

const told = []
for (const { id, name, status, reason, response } of results) {
  let answer
  if (response) {
    const body = response.bodyUsed ? '' : (await response.text()).slice(0, 500)
    answer = `${response.status} ${response.headers.get('content-type')} ${body}`
  }
  told.push({ id, name, status, reason, answer })
}
console.log(JSON.stringify(told))
