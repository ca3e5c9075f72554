// Package twilio emulates the part of Twilio's API that sends text messages: messages
// with their status callbacks and replies, and Verify.
//
// As at the vendor, requests are forms with basic authentication, a message goes from
// queued to sent to delivered, undelivered or failed, each step is told to the status
// callback with an X-Twilio-Signature, there is no idempotency key, and somebody who
// wrote STOP is not written to again (21610) before START.
//
// What becomes of a message is decided by the end of its number:
//
//	…30003  undelivered, the handset cannot be reached
//	…30006  undelivered, a landline
//	…30007  undelivered, filtered by the carrier
//	…30008  failed, unknown
//	+15005550001 is no valid number (21211), +15005550009 no mobile (21614)
//	all others are delivered
//
// Beside the usual controls there are
//
//	POST /_sandbox/inbound   {"from":"+39…","to":"+1…","body":"STOP"}, to the webhook's URL
//	PUT  /_sandbox/callbacks {"json":true} for JSON bodies with bodySHA256
//	GET  /_sandbox/code?to=+39…  the code of the last verification
package twilio
