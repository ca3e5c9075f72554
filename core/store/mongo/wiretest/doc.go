// Package wiretest runs the conformance suite of the storage port through the
// MongoDB engine and its driver against FerretDB, which speaks MongoDB's protocol
// in this process over SQLite. It proves what the scripted server cannot: that
// documents, conditions, queries, sorts and pages mean to a server what the engine
// takes them to mean. It is a module of its own, so that FerretDB and what it needs
// stay out of the product's.
//
// FerretDB 1.24 has neither transactions nor change streams nor partial indexes.
// The cases that need them are excepted by name, with the reason; they run against
// a real server when HEADWATER_TEST_MONGO_URI is set, and their wire traffic is
// asserted in core/store/mongo.
package wiretest
