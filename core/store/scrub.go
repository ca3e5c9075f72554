package store

import (
	"context"
	"time"
)

// Scrubber is an engine that can overwrite what deleted documents left behind in its
// own files.
type Scrubber interface {
	// Scrub overwrites what was deleted and replaced before the call, and takes the
	// given keys, which hold values, out of the log of changes: whoever reads that log
	// meets another key in their place. It waits for readers of older states.
	Scrub(ctx context.Context, keys ...string) error
}

// Remains is what an engine cannot overwrite and time ends.
type Remains struct {
	Where, What string
	For         time.Duration // at least; 0: nobody knows
}

// Remainer is an engine that keeps more than Scrub reaches.
type Remainer interface {
	// Remains says what is left of deleted documents, and for how long.
	Remains() []Remains
}
