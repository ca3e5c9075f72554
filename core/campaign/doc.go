// Package campaign sends one thing once to many: to those who are in some segments and not
// in others, as they are when it starts.
//
// At its start the campaign writes down whom it is for, a document for each person
// (freeze). Who enters or leaves a segment later changes nothing. Then a task of core/work
// takes these people in small batches, at the campaign's pace; each batch is one commit
// that puts their messages into the outbox, takes them off the list and moves the run's
// counts. So whoever dies leaves either all of a batch or none of it, and the next process
// goes on: nobody is left out. That nobody is written to twice is the message's id, which
// is made of the campaign and the person, and a look at all ids that a merged person has had.
//
// Every commit of the run checks the campaign's own document, and so does, as a guard of
// core/message, every hand-off of its messages. A pause or a cancellation changes that
// document: once it is acknowledged, nothing of the campaign is queued or handed over.
//
// With a test, a part of the people is written to first, with arms that say different
// things. After a time the arm that did best by a stated rule goes to the rest; what was
// decided, and from which counts, is kept.
package campaign
