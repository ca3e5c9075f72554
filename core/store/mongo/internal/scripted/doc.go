// Package scripted is a MongoDB server for tests that stores nothing: it says
// hello as the primary of a replica set, records every command that a client
// sends, and answers each with what the test scripted for it, or else with the
// plain success that a server would give. It proves what goes over the wire where
// no real server is at hand: transactions, read and write concerns, retries after
// labelled errors, change streams.
package scripted
