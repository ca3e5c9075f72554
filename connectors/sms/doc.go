// Package sms sends text messages, through Twilio's REST API or to a message centre
// over SMPP 3.4.
//
// # What nobody knows
//
// Neither has a key by which a message that comes twice is dropped. A send without an
// answer is therefore UnknownOutcome and never tried again here. With Twilio the key of
// the message goes along in the address of the status callback: the first report tells
// the host what became of it after all.
//
// # Who does not want any more
//
// STOP, START and HELP, and their usual synonyms, are recognised in what people write;
// STOP and START become changes of consent. Twilio itself refuses to write to somebody
// who wrote STOP: that is STOP_WORD.
package sms
