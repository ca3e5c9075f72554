// Package smpp is a client of SMPP 3.4, the protocol of message centres.
//
// A Client keeps one session as transceiver and makes a new one when it is lost. It
// sends texts of any length (by concatenation, with a user data header in each part),
// holds to a window of unanswered requests, keeps the session alive with enquire_link,
// backs off when the centre says that it is throttled, and hands out receipts and texts
// from people. What it was told to take is answered only after it was taken: the
// centre keeps the rest and sends it again.
//
// A submit without an answer is ErrUnknown: the centre may have it. Nothing here sends
// it again.
package smpp
