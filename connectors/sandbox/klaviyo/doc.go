// Package klaviyo emulates the part of Klaviyo's API that a customer data platform
// uses: profiles and their bulk import, events, metrics, lists, subscriptions and
// suppressions, deletion requests and webhooks.
//
// As at the vendor, every request names a revision and carries a private key or a
// bearer token; bodies are JSON:API; pages are followed by links.next; what is done in
// bulk is a job that takes a while and reports its failures apart; endpoints have limits
// of a second and of a minute of their own; webhooks are signed over body and time.
//
// Beside the usual controls there are what people do by themselves:
//
//	POST /_sandbox/person  {"email":"…","does":"unsubscribe|bounce|complain|reply_stop"}
//	GET  /_sandbox/state   counts of what there is
package klaviyo
