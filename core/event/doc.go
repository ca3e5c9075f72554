// Package event holds what happened: the event as it is stored, how it is read
// from what a client sent, the sources it comes from, the plan that says what is
// expected, the registry of every field ever seen, and the quarantine for what
// could not be taken.
//
// Messages of the tracking protocol are read into BSON in one pass (scan.go,
// encode.go), numbers to the last digit; what is wrong with one is a reason and a
// path in its Input, never an error that would cost its neighbours. The same
// Input comes out of a CSV row, an NDJSON line and a corrected quarantine item.
//
// The event log is the truth; everything else in Headwater that can be derived is
// a fold of it. Code on higher floors that makes events does so through Committer.
package event
