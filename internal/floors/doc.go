// Package floors keeps the house in order: which package may import which, what
// a package may be called, how long a file may grow.
//
// The idea: every package stands on a floor, and an import goes strictly down.
// Two packages on one floor do not know each other. What may happen where is
// then read off one table (Plan), and a change to the architecture is a change to
// that table, seen in review. The tests of this package read the project with the
// go command and fail with the importer, the import and the rule.
//
// Test files are held to the floors too, but may also use the engines and the
// test kits, which code above the storage port never touches.
package floors
