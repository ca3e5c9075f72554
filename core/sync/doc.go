// Package sync keeps people and records here and at other vendors in agreement.
//
// A Connection is a connector with a configuration; a Sync is a flow between one stream
// of it and what is kept here; a Run is one execution. Records that come in go through the
// same pipeline as everybody's events, records that go out pass the hand-off: consent,
// suppression, the agreement with who gets them, the categories of their fields.
//
// The package knows connectors by the port Host alone.
package sync
