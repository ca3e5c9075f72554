// Package smtp sends e-mail through a mail server, over SMTP with TLS, and signs it with
// DKIM.
//
// # What nobody knows
//
// SMTP drops no message that comes twice. Until the dot that ends a message was sent
// nothing has happened, and whatever breaks may be tried again; once it was sent and no
// answer came, the server may have taken the message: that is UnknownOutcome. A server's
// answer of 4xx is a fault to retry, of 5xx one about this message, or about the account.
//
// # What becomes of a message
//
// A server that took a message says no more over SMTP. Its reports (RFC 3464) and the
// complaints of a feedback loop (RFC 5965) come as mails, to the bounce address: whoever
// receives those posts them to the connection's webhook as they are, signed. The message
// is known by its Message-ID, which is made of its key, and by its address in the envelope.
// Both carry a code that only the connection can make, because a report is a mail that
// anybody could write. Nothing is fetched from mailboxes.
package smtp
