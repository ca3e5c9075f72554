package segment_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/condition/conditiontest"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/object"
	"github.com/headwater-cdp/headwater/core/segment"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// world is a workspace in which random things happen, and what was seen of it.
type world struct {
	t     testing.TB
	ctx   context.Context
	seed  uint64
	clock *core.VirtualClock
	db    store.Store // without a seam
	procs []*process
	r     *conditiontest.Random
	sum   *tally

	ids     int
	sent    []event.Input // that may come once more
	list    string        // seg_… of the static one
	seen    map[string]bool
	merged  bool
	trace   []string
	asked   map[string]*asked
	allowed map[segment.Cause]bool // causes of what changes in this step
	before  map[string]bool        // see foresee
	expect  bool                   // before is about this step
	units   int                    // of work in this step

	meanwhile func() // what another process does in this step; nil: nothing
}

// newWorld opens a store with processes over it, each with a connection of its own.
func newWorld(t testing.TB, seed uint64, processes int, sum *tally) *world {
	w := &world{t: t, ctx: t.Context(), seed: seed, sum: sum, seen: map[string]bool{}, asked: map[string]*asked{}}
	w.r = conditiontest.NewRandom(seed)
	w.clock = core.NewVirtualClock(w.r.Centre.Add(-time.Duration(w.r.IntN(40*24)) * time.Hour))
	path := truthFile(t)
	for i := range processes {
		db := openTruth(t, path)
		if i == 0 {
			w.db = db
		}
		p := newProcess(db, w.clock)
		t.Cleanup(func() { p.close(t) })
		w.procs = append(w.procs, p)
	}
	return w
}

// draw makes what is drawn next follow from a seed alone; the difficult moment stays.
func (w *world) draw(seed uint64) { w.r.Rand = rand.New(rand.NewPCG(seed, w.seed)) }

func (w *world) note(format string, args ...any) {
	w.trace = append(w.trace, w.clock.Now().Format(time.RFC3339Nano)+" "+fmt.Sprintf(format, args...))
}

// may says that what changes in this step may have a cause.
func (w *world) may(causes ...segment.Cause) {
	for _, c := range causes {
		w.allowed[c] = true
	}
}

// failure is what a step panics with; only the step's own goroutine does.
type failure string

func (w *world) must(err error, what string) {
	if err != nil {
		panic(failure(what + ": " + err.Error()))
	}
}

// refused reports whether err is an answer that a caller may get.
func refused(err error) bool {
	var e *core.Error
	return errors.As(err, &e) && e.Code != core.Internal && e.Code != core.Unavailable
}

// begin defines the object types, the list and the first segments.
func (w *world) begin() {
	p := w.procs[0]
	for _, key := range []string{"subscription", "visit"} {
		in := object.TypeInput{Key: key, Name: key, Relations: []object.RelationInput{{Key: "owner", Label: "Owner", Many: true}, {Key: "payer", Label: "Payer", Many: true}}}
		for _, f := range []string{"x", "y", "list", "at", "price", "place"} {
			in.Fields = append(in.Fields, object.FieldInput{Key: f, Label: f, Type: object.JSON})
		}
		_, err := p.objects.CreateType(w.ctx, truthWS, in)
		w.must(err, "create a type")
	}
	out, err := p.segments.Create(w.ctx, truthWS, segment.CreateInput{Name: "list", Kind: segment.Static})
	w.must(err, "create the list")
	w.list = out.Segment.SegmentID()
	for range 5 + w.r.IntN(4) {
		w.create(p)
	}
	w.work(nil)
}

// work runs the jobs that are waiting, in a process of their own, to their end.
func (w *world) work(between func()) {
	p := newProcess(w.db, w.clock)
	if between != nil {
		p.db.between(between)
	}
	ctx, cancel := context.WithCancel(w.ctx)
	done := make(chan error, 1)
	go func() { done <- p.runner.Run(ctx) }()
	begun := time.Now()
	for {
		jobs, err := work.JobDocs.Find(ctx, w.db, store.Query{Workspace: truthWS}, 0)
		w.must(err, "read jobs")
		waiting := 0
		for _, j := range jobs {
			if !j.Status.Final() {
				waiting++
			}
			if j.Status == work.Failed {
				panic(failure(fmt.Sprintf("the job %s failed: %+v", j.JobID(), j.Error)))
			}
		}
		if waiting == 0 {
			break
		}
		if time.Since(begun) > 30*time.Second {
			panic(failure("a job does not end"))
		}
		time.Sleep(time.Millisecond)
		if time.Since(begun) > 20*time.Millisecond {
			w.clock.Advance(5 * time.Millisecond)
		}
	}
	cancel()
	w.must(<-done, "run jobs")
	p.db.between(nil)
	p.close(w.t)
}
