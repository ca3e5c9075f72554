// Package journey leads people through drawings that somebody made: nodes that send,
// wait, choose and act, joined by edges.
//
// This half of the package is pure and knows no store. Parse and Check read what an
// author wrote (definition.go), with all faults at once; Compile makes a Program of a
// definition, and
//
//	outcome := program.Step(state, input)
//
// takes one enrollment from where it stands through all nodes that need no waiting,
// to the next wait, an end, or something whose answer it needs. It says what is to
// be done (effects, plain data, each with the key (node, visit)) and tells its
// history, and does nothing itself: the same input gives the same output. So a
// simulator can run people's pasts through a version under a virtual clock, and two
// versions can be compared.
//
// # Rules
//
// The exit condition and the journey's goal are asked at the beginning of a run and
// when an event comes that they listen to; a run sees the person as of its instant,
// and ends before a node that asks about what the run itself has changed. They speak
// of what happened since the person entered. Who waits is never let on early; who
// comes late is let on at once, and when that is later than OverdueAfter the
// messages until the next wait follow OnOverdue. A split's arm is stored: changed
// weights move nobody who has passed it.
package journey
