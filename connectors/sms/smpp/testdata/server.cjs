// The npm package smpp as a message centre: node server.cjs SYSTEM_ID PASSWORD.
// Each line it prints is JSON about what it understood.
const smpp = require('smpp')
const [systemId, password] = process.argv.slice(2)
const print = (o) => console.log(JSON.stringify(o))
let count = 0, refusals = 0, enquiries = 0

const server = smpp.createServer((session) => {
  session.on('error', () => {})
  session.on('bind_transceiver', (pdu) => {
    if (pdu.system_id !== systemId || pdu.password !== password) {
      session.send(pdu.response({ command_status: smpp.ESME_RINVPASWD }))
      return
    }
    session.send(pdu.response({ system_id: 'npm' }))
  })
  session.on('enquire_link', (pdu) => { enquiries++; session.send(pdu.response()) })
  session.on('unbind', (pdu) => { session.send(pdu.response()); session.close() })
  session.on('query_sm', (pdu) => session.send(pdu.response({ message_id: pdu.message_id, message_state: 2 })))
  session.on('submit_sm', (pdu) => {
    const text = pdu.short_message.message
    if (text === 'throttle me' && refusals < 2) {
      refusals++
      session.send(pdu.response({ command_status: smpp.ESME_RTHROTTLED }))
      return
    }
    const id = 'npm-' + ++count
    const udh = pdu.short_message.udh && [...pdu.short_message.udh[0]]
    if (text === 'throttle me') print({ refused: refusals })
    else if (text !== 'hang up') print({ submitted: id, from: pdu.source_addr, to: pdu.destination_addr, text, udh, coding: pdu.data_coding, receipt: pdu.registered_delivery })
    if (text === 'hang up') { print({ hungUp: true, enquiries }); session.destroy(); return }
    session.send(pdu.response({ message_id: id }))
    session.deliver_sm({ source_addr: pdu.destination_addr, destination_addr: pdu.source_addr, esm_class: 4,
      short_message: `id:${id} sub:001 dlvrd:001 submit date:2611220959 done date:2611221000 stat:DELIVRD err:000 text:x` })
    if (text === 'reply') session.deliver_sm({ source_addr: pdu.destination_addr, destination_addr: pdu.source_addr, short_message: 'STOP Ä€', data_coding: 0 })
  })
})
server.listen(0, '127.0.0.1', () => print({ listening: '127.0.0.1:' + server.address().port }))
