package segment_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/headwater-cdp/headwater/core/segment"
)

// TestTruth has random things happen to a few people in many small workspaces, and
// compares who is in which segment with what the reference evaluator says, which
// reads the whole log each time. HEADWATER_TEST_LONG makes it twenty times as long.
func TestTruth(t *testing.T) { testTruth(t, 1, 30) }

// TestTruthOfTwo is TestTruth with two processes on one file, each of which does
// things between what the other reads and what it commits.
func TestTruthOfTwo(t *testing.T) { testTruth(t, 2, 20) }

func testTruth(t *testing.T, processes, cases int) {
	t.Parallel()
	if testing.Short() {
		cases /= 10
	}
	if os.Getenv("HEADWATER_TEST_LONG") != "" {
		cases *= 20
	}
	sum := &tally{changes: map[string]int{}}
	differences := 0
	first := uint64(1)
	if s := os.Getenv("HEADWATER_TEST_SEED"); s != "" { // "17", or "17 30" for so many from there
		cases = 1
		_, _ = fmt.Sscan(s, &first, &cases)
	}
	for seed := first; seed < first+uint64(cases) && differences < 3; seed++ {
		sum.cases++
		var what string
		var trace []string
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			w := newWorld(t, seed, processes, sum)
			list := plan(w, 40)
			if what = w.run(list); what != "" {
				trace = w.trace
				_, what, trace = shrink(t, seed, processes, list, what, trace)
			}
		})
		if what != "" {
			differences++
			t.Errorf("seed %d, %d processes: %s\n%s", seed, processes, what, strings.Join(trace, "\n"))
		}
	}
	t.Logf("%d cases, %d steps: %d answers compared (%d yes), %d looks before the next change; %d people were due; %d calls refused, %d duplicates; changes %v",
		sum.cases, sum.steps, sum.answers, sum.yes, sum.looks, sum.skipped, sum.refused, sum.duplicates, sum.changes)
}

// run does what was planned and returns what is wrong, or "".
func (w *world) run(list []deed) (what string) {
	defer func() {
		if p := recover(); p != nil {
			f, ok := p.(failure)
			if !ok {
				panic(p)
			}
			what = string(f)
		}
	}()
	w.allowed = map[segment.Cause]bool{}
	w.draw(w.seed)
	w.begin()
	for _, d := range list {
		if what := w.step(d); what != "" {
			return d.kind + " " + d.with + ": " + what
		}
	}
	w.draw(w.seed + 1)
	for _, kind := range []string{"work", "time"} {
		if what := w.step(deed{kind: kind, seed: w.r.Uint64()}); what != "" {
			return "at the end, " + kind + ": " + what
		}
	}
	for _, p := range w.procs {
		if what := w.rebuildable(p); what != "" {
			return what
		}
	}
	return ""
}

// rebuildable demands that a fold from nothing finds the same.
func (w *world) rebuildable(p *process) string {
	diffs, err := p.segments.Check(w.ctx, truthWS)
	w.must(err, "check")
	if len(diffs) > 0 {
		var about strings.Builder
		s := w.read()
		for _, d := range s.defs {
			fmt.Fprintf(&about, "\n%s %s since %d: %s", d.SegmentID(), d.Status, d.Since, d.Where)
		}
		for _, d := range diffs {
			fmt.Fprintf(&about, "\n%s, known %+v", s.history[d.Profile], s.known[d.Profile])
		}
		return fmt.Sprintf("the check finds %v%s", diffs, about.String())
	}
	return ""
}

func (w *world) step(d deed) string {
	w.sum.steps++
	w.draw(d.seed)
	w.pass(d.kind == "time")
	w.allowed = map[segment.Cause]bool{}
	p := w.procs[w.r.IntN(len(w.procs))]
	w.expect, w.units, w.meanwhile = false, 0, nil
	for _, def := range w.definitions() {
		if def.Status == segment.Building { // whom something happens to is caught up first
			w.may(segment.CauseDefinition)
		}
	}
	if d.with == "create" || d.with == "update" {
		w.may(segment.CauseDefinition)
	}
	if d.with == "" {
		w.foresee()
	} else {
		other := w.procs[0]
		if other == p {
			other = w.procs[1]
		}
		w.meanwhile = func() { w.do(other, d.with) }
		if d.kind != "work" { // which is another process's
			p.db.between(w.meanwhile)
		}
	}
	w.do(p, d.kind)
	p.db.between(nil)
	swept := (d.kind == "time" || d.kind == "sweep") && d.with == ""
	return w.compare(swept)
}

// pass lets time go on: a little, or to where something may change.
func (w *world) pass(far bool) {
	now := w.clock.Now()
	to := now.Add(time.Duration(1+w.r.IntN(3)) * time.Millisecond)
	if !far && w.r.IntN(2) == 0 {
		to = now.Add(time.Duration(w.r.IntN(5*3600)+1) * time.Second)
	}
	if far {
		var dues []time.Time
		for _, b := range w.read().known {
			if b.Due.After(now) {
				dues = append(dues, b.Due)
			}
		}
		slices.SortFunc(dues, time.Time.Compare)
		switch x := w.r.IntN(8); {
		case x < 3 && len(dues) > 0:
			to = dues[0]
		case x == 3 && len(dues) > 0:
			to = dues[0].Add(-time.Millisecond)
		case x == 4 && len(dues) > 0:
			to = dues[w.r.IntN(len(dues))].Add(time.Duration(w.r.IntN(3)-1) * time.Millisecond)
		case x == 5:
			to = w.r.Now()
		case x == 6:
			to = w.r.Beyond(now)
		default:
			to = now.Add(time.Duration(w.r.IntN(48*3600)) * time.Second)
		}
	}
	if to.After(now) {
		w.clock.Advance(to.Sub(now))
	} else {
		w.clock.Advance(time.Millisecond)
	}
}

// shrink leaves out of a plan that failed what it fails without.
func shrink(t *testing.T, seed uint64, processes int, list []deed, what string, trace []string) ([]deed, string, []string) {
	begun := time.Now()
	for again := true; again; {
		again = false
		for size := max(1, len(list)/4); size >= 1; size /= 2 {
			for i := len(list) - size; i >= 0; i-- {
				if time.Since(begun) > time.Minute {
					return list, what, trace
				}
				fewer := slices.Delete(slices.Clone(list), i, i+size)
				w := newWorld(t, seed, processes, &tally{changes: map[string]int{}})
				if now := w.run(fewer); now != "" {
					list, what, trace, again = fewer, now, w.trace, true
					i -= size - 1
				}
			}
		}
	}
	return list, what, trace
}
