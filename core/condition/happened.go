package condition

import (
	"slices"
)

// gather returns the entries of a profile's parts in order. Of one part it is that
// part's own list.
func gather(ledgers []*Ledger) []Entry {
	var only []Entry
	several := false
	for _, l := range ledgers {
		switch {
		case l == nil || len(l.Entries) == 0:
		case only == nil:
			only = l.Entries
		default:
			several = true
		}
	}
	if !several {
		return only
	}
	var all []Entry
	for _, l := range ledgers {
		if l != nil {
			all = append(all, l.Entries...)
		}
	}
	slices.SortFunc(all, compareEntries)
	return all
}

// within returns the entries of the stretch at the clock as those from i to before
// j.
func (s *stretch) within(entries []Entry, c clock) (i, j int) {
	after, until := s.at(c)
	j = upper(entries, until)
	return min(upper(entries, after), j), j
}

// shift returns when the first entry leaves or the next enters the stretch.
func (s *stretch) shift(entries []Entry, i, j int, c clock) int64 {
	next := int64(never)
	if i < j {
		next = s.leaves(entries[i].At, c.loc)
	}
	if j < len(entries) {
		next = min(next, s.enters(entries[j].At, c.loc))
	}
	return next
}

// counting asks that the number of a ledger's events within a window lies in a
// range.
type counting struct {
	key    string
	window *stretch
	in     interval
}

func (k *counting) eval(c call) (bool, int64) {
	ledgers := c.facts.Ledgers(k.key)
	entries := gather(ledgers)
	i, j := k.window.within(entries, c.clock)
	before := k.before(ledgers)
	held := k.in.has(before + int64(j-i))
	return held, k.next(entries, before, held, c.clock)
}

// before counts the events that are no longer entries: of a window there are none.
func (k *counting) before(ledgers []*Ledger) (n int64) {
	if k.window.kind == kindAll {
		for _, l := range ledgers {
			if l != nil {
				n += l.Total.Count
			}
		}
	}
	return n
}

// maxJumps bounds how far next looks ahead where many events lie in the future.
// Beyond, it names an instant at which nothing may have changed.
const maxJumps = 64

// next returns the first instant at which the count enters or leaves the range.
// While no event enters, the count only falls, and it is known at which one it
// passes a bound of the range: so it jumps to that or to the next that enters,
// whichever is first, and looks again.
func (k *counting) next(entries []Entry, before int64, held bool, c clock) int64 {
	for range maxJumps {
		i, j := k.window.within(entries, c)
		count := before + int64(j-i)
		jump := int64(never)
		if j < len(entries) {
			jump = k.window.enters(entries[j].At, c.loc)
		}
		fall := int64(0) // how many must leave
		switch {
		case held:
			fall = count - k.in.lo + 1
		case count > k.in.hi:
			fall = count - k.in.hi
		}
		if fall > 0 && fall <= int64(j-i) {
			jump = min(jump, k.window.leaves(entries[i+int(fall)-1].At, c.loc))
		}
		if jump == never {
			return never
		}
		c.now = jump
		if i, j = k.window.within(entries, c); k.in.has(before+int64(j-i)) != held {
			return jump
		}
	}
	return c.now
}

func (k *compiler) event(n *Node, p *part) error {
	in, err := newInterval(n.Event.Count)
	if err != nil {
		return at(err, "count")
	}
	e := &counting{key: Ledgers(n)[0].Key, window: k.window(n.Event.Window), in: in}
	p.eval, p.decide = e.eval, e.decide
	return nil
}

func (k *compiler) message(n *Node, p *part) error {
	e := &counting{key: Ledgers(n)[0].Key, window: k.window(n.Message.Window), in: interval{lo: 1, hi: plenty}}
	p.eval, p.decide = e.eval, e.decide
	return nil
}

// firstOf returns the time of the first event ever; never when there is none.
func firstOf(ledgers []*Ledger) int64 {
	first := int64(never)
	for _, l := range ledgers {
		if l == nil {
			continue
		}
		if l.Total.Count > 0 {
			first = min(first, l.Total.First)
		}
		if len(l.Entries) > 0 {
			first = min(first, l.Entries[0].At)
		}
	}
	return first
}

func (k *compiler) firstTime(n *Node, p *part) error {
	key, window := Ledgers(n)[0].Key, k.window(n.FirstTime.Window)
	p.eval = func(c call) (bool, int64) {
		first := firstOf(c.facts.Ledgers(key))
		if first == never {
			return false, never
		}
		return window.change(first, c.clock)
	}
	p.decide = func(c call) any {
		out := map[string]any{"first": nil, "window": window.shown(c.clock)}
		if first := firstOf(c.facts.Ledgers(key)); first <= c.now {
			out["first"] = stamp(first)
		}
		return out
	}
	return nil
}

// stopping asks that some number of events lie before a window and none in it.
type stopping struct {
	key    string
	window *stretch
	in     interval
}

// earlier counts the events before the window, and returns the entries in it as
// those from i to before j.
func (s *stopping) earlier(entries []Entry, ledgers []*Ledger, c clock) (n int64, i, j int) {
	after, until := s.window.at(c)
	if s.window.kind == kindAll {
		return 0, 0, upper(entries, until)
	}
	for _, l := range ledgers {
		if l != nil {
			n += l.Total.Count // older than the window, or cut off behind an entry in it
		}
	}
	i, j = upper(entries, min(after, c.now)), upper(entries, until)
	return n + int64(i), i, max(i, j)
}

func (s *stopping) eval(c call) (bool, int64) {
	ledgers := c.facts.Ledgers(s.key)
	entries := gather(ledgers)
	n, i, j := s.earlier(entries, ledgers, c.clock)
	if i < j {
		// Not before the latest of them has left the window.
		return false, s.window.leaves(entries[j-1].At, c.loc)
	}
	// Then only an event that comes can change it, if it is not too late for the window.
	next := int64(never)
	if j < len(entries) {
		next = s.window.enters(entries[j].At, c.loc)
	}
	return s.in.has(n), next
}

func (k *compiler) stopped(n *Node, p *part) error {
	in, err := newInterval(n.Stopped.Count)
	if err != nil {
		return at(err, "count")
	}
	s := &stopping{key: Ledgers(n)[0].Key, window: k.window(n.Stopped.Window), in: in}
	p.eval = s.eval
	p.decide = func(c call) any {
		ledgers := c.facts.Ledgers(s.key)
		entries := gather(ledgers)
		n, i, j := s.earlier(entries, ledgers, c.clock)
		return map[string]any{"before": n, "since": j - i, "last": lastOf(ledgers, entries, c.now), "window": s.window.shown(c.clock)}
	}
	return nil
}

func (k *compiler) lastEvent(n *Node, p *part) error {
	key, window := Ledgers(n)[0].Key, k.window(n.LastEvent.Window)
	p.eval = func(c call) (bool, int64) {
		entries := gather(c.facts.Ledgers(key))
		past, coming := upper(entries, c.now), int64(never)
		if past < len(entries) {
			coming = entries[past].At
		}
		if past == 0 || !entries[past-1].Match {
			return false, coming
		}
		in, change := window.change(entries[past-1].At, c.clock)
		return in, min(change, coming)
	}
	p.decide = func(c call) any {
		entries := gather(c.facts.Ledgers(key))
		past := upper(entries, c.now)
		if past == 0 {
			return map[string]any{"at": nil}
		}
		e := entries[past-1]
		return map[string]any{"at": stamp(e.At), "matches": e.Match, "window": window.shown(c.clock)}
	}
	return nil
}

func (k *compiler) prediction(n *Node, p *part) error {
	j, err := newJudge(n.Prediction)
	if err != nil {
		return err
	}
	k.judged(j)
	key := Ledgers(n)[0].Key
	p.eval = func(c call) (bool, int64) {
		entries := gather(c.facts.Ledgers(key))
		past, coming := upper(entries, c.now), int64(never)
		if past < len(entries) {
			coming = entries[past].At
		}
		if past == 0 || len(entries[past-1].Text) == 0 {
			return j.blank(), coming
		}
		held, change := j.of(valueOf(entries[past-1].Text[0]), nil, c.clock)
		return held, min(change, coming)
	}
	p.decide = func(c call) any {
		entries := gather(c.facts.Ledgers(key))
		past := upper(entries, c.now)
		if past == 0 || len(entries[past-1].Text) == 0 {
			return map[string]any{"value": nil}
		}
		value, _ := decode([]byte(entries[past-1].Text[0]))
		return map[string]any{"value": value, "at": stamp(entries[past-1].At)}
	}
	return nil
}
