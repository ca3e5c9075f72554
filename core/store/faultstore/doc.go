// Package faultstore breaks a store on purpose, so that tests can see what is left.
//
// It wraps any engine. A Plan says for each call what goes wrong: an error before
// anything happened, a delay, a commit whose reply is lost, a crash before or after
// a commit. A crash behaves like a power cut on a machine that syncs properly: every
// batch whose Commit returned is there after Reopen, every batch whose Commit had
// not returned is dropped, but for the one that crashed the store after it was
// committed. Until Reopen every call fails with store.ErrUnavailable, and so do the
// streams and snapshots that were open.
//
//	s := faultstore.New(inner)
//	s.Use(faultstore.Script(faultstore.Fault{}, faultstore.Fault{Kind: faultstore.LostReply}))
//	s.Use(faultstore.Random(seed, faultstore.Rates{Error: 0.1, LostReply: 0.05, CrashAfter: 0.01}))
//	<-s.Crashed()
//	s.Reopen()
package faultstore
