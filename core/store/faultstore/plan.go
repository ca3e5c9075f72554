package faultstore

import (
	"math/rand/v2"
	"sync"
	"time"

	"github.com/headwater-cdp/headwater/core/store"
)

// Kind is what goes wrong.
type Kind uint8

// The faults. Reads know Error only: anything else lets them pass.
const (
	None        Kind = iota
	Error            // fails with store.ErrUnavailable; nothing happened
	LostReply        // is committed, fails with store.ErrUnavailable; the store goes on
	CrashBefore      // the store goes down; nothing happened
	CrashAfter       // is committed, then the store goes down before the reply
)

// Fault is what happens to a call: first the delay, then the fault. A batch that
// is delayed is not synced yet: a crash meanwhile drops it.
type Fault struct {
	Kind  Kind
	Delay time.Duration
}

// Call is a call of the store that a plan decides on.
type Call struct {
	N     int // of this kind, from 1
	Op    string
	Batch *store.Batch // of a commit, else nil
}

// Commit is the Op of a commit; that of a read is Read: Get, Scan, Count, Now, Watch,
// Snapshot, Ping.
const (
	Commit = "commit"
	Read   = "read"
)

// Plan decides what goes wrong with a call. It may be asked by many goroutines at
// once.
type Plan func(Call) Fault

// Script gives the commits the faults in order, and none when they are used up.
func Script(faults ...Fault) Plan {
	var mu sync.Mutex
	return func(c Call) Fault {
		mu.Lock()
		defer mu.Unlock()
		if c.Op != Commit || len(faults) == 0 {
			return Fault{}
		}
		f := faults[0]
		faults = faults[1:]
		return f
	}
}

// Rates are the shares of commits, 0 to 1, that meet each fault, and of reads that
// fail.
type Rates struct {
	Error, LostReply, CrashBefore, CrashAfter float64
	ReadError                                 float64
	Delay                                     time.Duration // up to this, of every commit
}

// Random draws faults: the same seed gives the same faults for the same order of
// calls.
func Random(seed uint64, r Rates) Plan {
	var mu sync.Mutex
	rnd := rand.New(rand.NewPCG(seed, 0))
	return func(c Call) Fault {
		mu.Lock()
		defer mu.Unlock()
		x := rnd.Float64()
		if c.Op != Commit {
			if x < r.ReadError {
				return Fault{Kind: Error}
			}
			return Fault{}
		}
		var f Fault
		if r.Delay > 0 {
			f.Delay = time.Duration(rnd.Int64N(int64(r.Delay)))
		}
		for _, k := range []struct {
			rate float64
			kind Kind
		}{{r.Error, Error}, {r.LostReply, LostReply}, {r.CrashBefore, CrashBefore}, {r.CrashAfter, CrashAfter}} {
			if x < k.rate {
				f.Kind = k.kind
				return f
			}
			x -= k.rate
		}
		return f
	}
}
