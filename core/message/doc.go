// Package message sends: an outbox, its dispatch, and what became of each message.
//
// A message is decided in somebody else's commit: Queue makes the operations that store
// its document, and the decision commits them. From then on it is this package's. A
// dispatcher takes what is due, asks everything that may stand against it at that very
// moment (the Checks), and hands over what passes.
//
// The hand-off is a commit. It demands that nothing it rests on has changed since it was
// asked: the person (with every word of theirs), the suppressions of the address, the
// caps, the switches, the journey. So once a withdrawal, a switch or a pause is
// acknowledged, no later hand-off commits. Then the channel is called, with a deadline,
// and what it says is the next commit, together with an event on the person.
//
// Whoever dies between the two leaves a message HANDED. When its time is over it is sent
// again under the same key where the channel knows its keys again, asked about where the
// channel can be asked, and else it is INDETERMINATE: listed, and never sent by itself.
package message
