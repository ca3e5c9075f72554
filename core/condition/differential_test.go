package condition_test

import (
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/headwater-cdp/headwater/core/condition"
	"github.com/headwater-cdp/headwater/core/condition/conditiontest"
)

// TestDifferential puts random histories and conditions to ledgers and programs,
// and to the reference evaluator, which starts from nothing each time. There must
// be no difference, and nothing may change before a program says so.
// HEADWATER_TEST_LONG makes it twenty times as long.
func TestDifferential(t *testing.T) {
	t.Parallel()
	cases := 15_000
	if testing.Short() {
		cases = 1_500
	}
	if os.Getenv("HEADWATER_TEST_LONG") != "" {
		cases *= 20
	}
	sum := tally{kinds: map[string]*[2]int{}}
	differences := 0
	for seed := uint64(1); sum.cases < cases && differences < 3; seed++ {
		d := draw(seed)
		sum.cases += len(d.conditions)
		sum.refused += d.refused
		if what := d.run(&sum); what != "" {
			differences++
			d, what = d.shrink(what)
			t.Errorf("seed %d: %s\n%s", seed, what, d)
		}
	}
	t.Logf("%d cases, %d answers (%d yes), %d next changes (%d to another answer), %d looks before them; %d draws refused",
		sum.cases, sum.answers, sum.yes, sum.nexts, sum.changes, sum.looks, sum.refused)
	// A test that finds nothing because nothing was asked is none.
	if len(sum.kinds) != 19 {
		t.Errorf("%d kinds of nodes were asked, want all 19", len(sum.kinds))
	}
	for kind, n := range sum.kinds {
		t.Logf("%s: %d no, %d yes", kind, n[0], n[1])
		if least := min(20, cases/750); n[0] < least || n[1] < least {
			t.Errorf("%s was answered no %d and yes %d times: hardly asked", kind, n[0], n[1])
		}
	}
	if sum.nexts < cases/4 || sum.changes < cases/8 {
		t.Errorf("%d answers could change by themselves and %d did: time hardly matters", sum.nexts, sum.changes)
	}
}

// tally counts what was compared.
type tally struct {
	cases   int // a history with a condition
	answers int // compared
	yes     int // of them
	nexts   int // answers that can change by themselves
	changes int // of them did
	looks   int // at instants before a next change
	refused int // conditions that were drawn in vain

	kinds map[string]*[2]int // answers no and yes, by kind of node
}

func (s *tally) count(kind string, answer bool) {
	n := s.kinds[kind]
	if n == nil {
		n = &[2]int{}
		s.kinds[kind] = n
	}
	s.answers++
	if answer {
		s.yes++
		n[1]++
	} else {
		n[0]++
	}
}

// compare puts what was folded until the clock to the test; it returns what is
// wrong, or "".
func (d *trial) compare(f *fold, known *conditiontest.History, s step, sum *tally) string {
	r := conditiontest.NewRandom(s.seed)
	for i, c := range d.conditions {
		instants := []time.Time{s.clock}
		for range 3 {
			instants = append(instants, d.edge(known, s.clock, r))
		}
		for _, now := range instants {
			if now.Before(s.clock) {
				continue // it may be pruned away
			}
			if what := d.follow(f, known, i, c, now, r, sum); what != "" {
				return what
			}
		}
	}
	return ""
}

// edge returns an instant at which something may happen: most often a period after
// an event or membership, or after the clock.
func (d *trial) edge(known *conditiontest.History, clock time.Time, r *conditiontest.Random) time.Time {
	switch n := len(known.Events) + len(known.Memberships) + 2; r.IntN(4) {
	case 0:
		return r.Around(r.Now())
	default:
		i := r.IntN(n)
		if i < len(known.Events) {
			return r.Beyond(known.Events[i].At)
		}
		if i -= len(known.Events); i < len(known.Memberships) {
			return r.Beyond(known.Memberships[i].Since)
		}
		return r.Beyond(clock)
	}
}

// follow compares at an instant, and at those that the answers name.
func (d *trial) follow(f *fold, known *conditiontest.History, i int, c *condition.Node, now time.Time, r *conditiontest.Random, sum *tally) string {
	for range 3 {
		w := &watched{Facts: known.Facts(f.all()), needs: f.programs[i].Needs()}
		a := f.programs[i].Evaluate(w, now)
		if w.undeclared != "" || !a.Next.IsZero() && !w.needs.Clock {
			return fmt.Sprintf("condition %d at %s changes next at %s and reads %s, but says it needs %+v", i, stamp(now), stamp(a.Next), w.undeclared, w.needs)
		}
		sum.count(d.kinds[i], a.Value)
		if want := conditiontest.Evaluate(c, known, now, d.zones[i]); a.Value != want {
			return fmt.Sprintf("condition %d is %v at %s, the reference says %v", i, a.Value, stamp(now), want)
		}
		if r.IntN(10) == 0 {
			if x := f.programs[i].Explain(known.Facts(f.all()), now); x.Value != a.Value || !x.Next.Equal(a.Next) {
				return fmt.Sprintf("condition %d at %s: answered %v until %s, explained %v until %s", i, stamp(now), a.Value, stamp(a.Next), x.Value, stamp(x.Next))
			}
		}
		if what := d.quiet(known, i, c, now, a, r, sum); what != "" || a.Next.IsZero() {
			return what
		}
		sum.nexts++
		if conditiontest.Evaluate(c, known, a.Next, d.zones[i]) != a.Value {
			sum.changes++
		}
		if now = a.Next; r.IntN(2) == 0 {
			f = f.clone()
			f.prune(now)
		}
	}
	return ""
}

// quiet checks that the answer at now holds until its next change.
func (d *trial) quiet(known *conditiontest.History, i int, c *condition.Node, now time.Time, a condition.Answer, r *conditiontest.Random, sum *tally) string {
	if !a.Next.IsZero() && !a.Next.After(now) {
		return fmt.Sprintf("condition %d at %s: its next change, %s, is not later", i, stamp(now), stamp(a.Next))
	}
	var looks []time.Time
	if !a.Next.IsZero() {
		looks = append(looks, a.Next.Add(-time.Millisecond), now.Add(a.Next.Sub(now)/2).Truncate(time.Millisecond))
	}
	for range 4 {
		looks = append(looks, d.edge(known, now, r))
	}
	for _, at := range looks {
		if !at.After(now) || !a.Next.IsZero() && !at.Before(a.Next) {
			continue
		}
		sum.looks++
		if conditiontest.Evaluate(c, known, at, d.zones[i]) != a.Value {
			return fmt.Sprintf("condition %d is %v at %s and should stay so until %s, but the reference says %v at %s",
				i, a.Value, stamp(now), stamp(a.Next), !a.Value, stamp(at))
		}
	}
	return ""
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return "ever"
	}
	return t.UTC().Format(time.RFC3339Nano)
}
