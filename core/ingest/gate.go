package ingest

import (
	"sync"
	"time"

	"github.com/headwater-cdp/headwater/core"
)

// gate bounds what the pipeline holds, so that a store slower than its clients
// costs them waiting and not the server its memory.
type gate struct {
	mu        sync.Mutex
	events    int   // limit
	bytes     int64 // limit
	heldCount int
	heldBytes int64
	closed    bool
}

// enter admits n events or none. A call larger than the limits enters when
// nothing else is held, so that it is not refused for ever.
func (g *gate) enter(n int, size int64) *core.Error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return errClosing()
	}
	if g.heldCount > 0 && (g.heldCount+n > g.events || g.heldBytes+size > g.bytes) {
		return core.Errorf(core.RateLimited, "OVERLOADED",
			"more events are waiting than can be written at once; send these again a little later").After(time.Second)
	}
	g.heldCount += n
	g.heldBytes += size
	return nil
}

func (g *gate) leave(n int, size int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.heldCount -= n
	g.heldBytes -= size
}

func (g *gate) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = true
}

// drained reports whether nothing is held and nothing can enter any more.
func (g *gate) drained() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.closed && g.heldCount == 0
}

func (g *gate) held() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.heldCount
}

func errClosing() *core.Error {
	return core.Errorf(core.Unavailable, "CLOSING", "the server is shutting down; send the events again").After(time.Second)
}
