package condition

import "time"

// stretch is a compiled Window: at each instant it holds what lies after one
// instant and not after another. Neither ever moves back.
type stretch struct {
	kind     stretchKind
	from, to Period // last (from), ago
	lo, hi   int64  // absolute: after lo, at or before hi
	unit     Calendar
}

type stretchKind uint8

const (
	kindAll stretchKind = iota
	kindLast
	kindAbsolute
	kindAgo
	kindCalendar
)

func newStretch(w *Window) *stretch {
	switch {
	case w == nil:
		return &stretch{}
	case w.Last != nil:
		return &stretch{kind: kindLast, from: *w.Last}
	case w.AgoFrom != nil || w.AgoTo != nil:
		s := &stretch{kind: kindAgo}
		if w.AgoFrom != nil {
			s.from = *w.AgoFrom
		}
		if w.AgoTo != nil {
			s.to = *w.AgoTo
		}
		return s
	case w.Calendar != "":
		return &stretch{kind: kindCalendar, unit: w.Calendar}
	case w.From.IsZero() && w.To.IsZero():
		return &stretch{}
	}
	s := &stretch{kind: kindAbsolute, lo: always, hi: never}
	if !w.From.IsZero() {
		s.lo = milli(w.From) - 1
	}
	if !w.To.IsZero() {
		s.hi = milli(w.To) - 1
	}
	return s
}

// zoned tells whether the stretch depends on the time zone.
func (s *stretch) zoned() bool {
	return s.kind == kindCalendar || s.from.Months != 0 || s.to.Months != 0
}

// at returns the ends of the stretch: what it holds lies after the first and at or
// before the second, which is never later than now.
func (s *stretch) at(c clock) (after, until int64) {
	switch s.kind {
	case kindLast:
		return s.from.minus(c.now, c.loc), c.now
	case kindAbsolute:
		return s.lo, min(s.hi, c.now)
	case kindAgo:
		return s.from.minus(c.now, c.loc), min(s.to.minus(c.now, c.loc), c.now)
	case kindCalendar:
		this, _ := s.unit.began(wall(c.now, c.loc))
		return resolve(this, c.loc) - 1, c.now
	}
	return always, c.now
}

// enters returns the first instant at which the stretch reaches t.
func (s *stretch) enters(t int64, loc *time.Location) int64 {
	switch {
	case s.kind == kindAgo:
		return max(t, s.to.past(t, loc))
	case s.kind == kindAbsolute && t > s.hi:
		return never
	}
	return t
}

// leaves returns the first instant at which t has fallen out of the stretch.
func (s *stretch) leaves(t int64, loc *time.Location) int64 {
	switch s.kind {
	case kindLast, kindAgo:
		return s.from.past(t, loc)
	case kindAbsolute:
		if t <= s.lo {
			return always
		}
	case kindCalendar:
		_, next := s.unit.began(wall(t, loc))
		return resolve(next, loc)
	}
	return never
}

// change returns when t, that is looked at at now, next enters or leaves; never
// when it has left.
func (s *stretch) change(t int64, c clock) (in bool, next int64) {
	after, until := s.at(c)
	switch {
	case t <= after:
		return false, never
	case t <= until:
		return true, s.leaves(t, c.loc)
	}
	if next = s.enters(t, c.loc); next != never && s.leaves(t, c.loc) <= next {
		next = never // it leaves before it enters
	}
	return false, next
}
