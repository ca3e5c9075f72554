// Package storetest proves an engine of the storage port: a case for every "must"
// in the port's comments, and a property test that drives two engines with the
// same random operations and compares all that they answer.
//
// An engine's own test is three lines:
//
//	func TestStore(t *testing.T) {
//		storetest.Run(t, func(t *testing.T) store.Store { return open(t) })
//	}
//
// The factory returns a fresh, empty store and arranges for its closing. An engine
// that cannot do everything names what it cannot, and why, with RunExcept. Model
// is the port in the fewest words, in memory: what the engines are compared with.
package storetest
