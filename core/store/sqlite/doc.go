// Package sqlite is the embedded engine of the storage port: one SQLite file, for
// a first run, a laptop and the tests.
//
// The idea: one goroutine writes. It takes the batches that wait, applies them in
// one transaction, and answers them all after one fsync; a batch that arrives
// alone is not delayed. Readers have connections of their own and see the state
// before or after a group, never between. Several processes may open one file:
// SQLite's locks order their groups, and the change log tells each of the others'
// commits.
//
// A collection is a table. Its rows hold the number of the workspace, the rest of
// the key, the version, one column for each indexed path, and the document
// without its _id and _v, which are put back on reading. An index is a native one
// over those columns, partial so that documents without a value are not in it; a
// multi-valued index is a table of its own. What exists is written down in the
// file (hw_collections, hw_fields, hw_indexes), and every writer follows what is
// written there, so that an older process fills the columns that a newer one
// added.
//
// The package calls the C interface of modernc.org/sqlite/lib itself and not
// through database/sql: a bound parameter costs no allocation, a row no column
// names.
package sqlite
