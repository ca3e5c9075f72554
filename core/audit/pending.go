package audit

import (
	"context"
	"runtime"
	"sync"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/audit/journal"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// group lets concurrent writers share a batch: while one batch is on its way to the
// disk, the entries that come gather for the next. Nobody waits for a timer.
type group struct {
	commit func([]owned) error

	mu      sync.Mutex
	waiting []*write
	busy    bool
}

// owned is an item and its workspace.
type owned struct {
	ws   string
	item item
}

// write is one caller's part of a batch.
type write struct {
	items []owned
	done  chan error
}

var writes = sync.Pool{New: func() any { return &write{done: make(chan error, 1)} }}

func newWrite() *write {
	w := writes.Get().(*write)
	w.items = w.items[:0]
	return w
}

func (g *group) write(ctx context.Context, ws string, it item) error {
	w := newWrite()
	w.items = append(w.items, owned{ws, it})
	return g.join(ctx, w)
}

// join waits until what the caller has is durable. When ctx ends before, nobody knows
// whether it is.
func (g *group) join(ctx context.Context, w *write) error {
	g.mu.Lock()
	g.waiting = append(g.waiting, w)
	first := !g.busy
	g.busy = true
	g.mu.Unlock()
	if first {
		go g.run()
	}
	select {
	case err := <-w.done:
		writes.Put(w)
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// The bounds of one shared batch.
const (
	groupEntries = 2000
	groupBytes   = 2 << 20
)

// run commits what waits until nothing does.
func (g *group) run() {
	var all []owned
	for {
		g.gather()
		g.mu.Lock()
		n, entries, bytes := 0, 0, 0
		for n < len(g.waiting) && entries < groupEntries && bytes < groupBytes {
			for _, o := range g.waiting[n].items {
				bytes += o.item.size()
			}
			entries += len(g.waiting[n].items)
			n++
		}
		batch := g.waiting[:n:n]
		g.waiting = g.waiting[n:]
		if n == 0 {
			g.busy, g.waiting = false, nil
			g.mu.Unlock()
			return
		}
		g.mu.Unlock()
		all = all[:0]
		for _, w := range batch {
			all = append(all, w.items...)
		}
		err := g.commit(all)
		for _, w := range batch {
			w.done <- err
		}
	}
}

// gather lets those run who can: on a busy processor some of them are about to come, and
// a batch costs the more the fewer share it. On an idle one it costs nothing.
func (g *group) gather() {
	for came := -1; ; {
		g.mu.Lock()
		n := len(g.waiting)
		g.mu.Unlock()
		if n <= came || n >= groupEntries {
			return
		}
		came = n
		runtime.Gosched()
	}
}

// A pending document holds at most so much.
const (
	pendingEntries = blockEntries
	pendingBytes   = 1 << 20
)

// commitGroup makes the items durable: in the journal, or as documents of the store.
func (l *Log) commitGroup(all []owned) error {
	var err error
	if l.o.Journal != nil {
		err = l.appendGroup(all)
	} else {
		err = l.storeGroup(all)
	}
	if err != nil {
		return err
	}
	for i, o := range all {
		if i == 0 || o.ws != all[i-1].ws {
			l.kick(o.ws)
		}
	}
	return nil
}

// appendGroup writes the items into the journal.
func (l *Log) appendGroup(all []owned) error {
	records := make([]journal.Record, len(all))
	for i, o := range all {
		records[i] = journal.Record{Workspace: o.ws, Data: o.item.Body, More: o.item.Sets}
	}
	return l.o.Journal.Append(records)
}

// storeGroup writes the items as few documents, all or none of them.
func (l *Log) storeGroup(all []owned) error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*store.MaxTime)
	defer cancel()
	byWorkspace := map[string][]item{}
	var order []string
	for _, o := range all {
		if _, ok := byWorkspace[o.ws]; !ok {
			order = append(order, o.ws)
		}
		byWorkspace[o.ws] = append(byWorkspace[o.ws], o.item)
	}
	var ops []store.Op
	for _, ws := range order {
		items := byWorkspace[ws]
		for from := 0; from < len(items); {
			to, bytes := from, 0
			for to < len(items) && to-from < pendingEntries && (to == from || bytes+items[to].size() < pendingBytes) {
				bytes += items[to].size()
				to++
			}
			ops = append(ops, l.pendingOp(ws, items[from:to]))
			from = to
		}
	}
	return work.Commit(ctx, l.o.Store, ops...)
}

func (l *Log) pendingOp(ws string, items []item) store.Op {
	return pendings.Insert(newPending(store.Key(ws, pendingID(time.Now())), items))
}

// pendingID makes the last part of a pending document's key.
func pendingID(at time.Time) string { return core.NewID("p", at)[len("p_"):] }
