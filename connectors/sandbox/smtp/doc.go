// Package smtp is a mail server that delivers nothing: it keeps what it is given, in
// memory, and shows it.
//
// It listens on a port of its own, offers STARTTLS with a certificate that it makes when
// it starts, and wants a user and a password (PLAIN or LOGIN). As an emulator it serves
// over HTTP, beside the control API, what came: a list at its root, each mail as a mailbox
// would show it at messages/N, and as it came at messages/N/raw.
//
//	GET    /_sandbox/messages   the mails, as JSON, the newest at the end
//	DELETE /_sandbox/messages   forget them
//	POST   /_sandbox/bounce     {"id":"MESSAGE-ID","status":"5.1.1"}: report a failure to the webhook
//	POST   /_sandbox/complaint  {"id":"MESSAGE-ID"}: report a complaint to the webhook
//
// Faults are met by commands: their method is EHLO, AUTH, MAIL, RCPT or DATA, and their path
// the beginning of the address that a RCPT names. rate_limited is 421, quota_spent 550 5.4.5,
// token_expired 535, server_error 451; a variant such as "550 5.1.1" is answered instead.
// reply_lost takes a message and breaks off before its answer; truncated breaks off within
// one; redirected means nothing here.
//
// Webhooks are signed as the connector demands, with [WebhookSecret].
package smtp
