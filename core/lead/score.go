package lead

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// Score is somebody's score at an instant.
type Score struct {
	Total, Fit, Engagement int64
	// Reasons are those of the rules, in their order, then of what was given beside them;
	// those that contribute nothing are left out.
	Reasons []Reason
}

// Reason is what one rule contributes, or whoever gave points beside the rules. The points
// of all reasons add up to the score.
type Reason struct {
	Key, Name string // of points beside the rules: who gave them, and why
	Kind      RuleKind
	Points    int64
	Count     int64 // of events, ever, of a rule about engagement; of adjustments
}

const dayLength = 24 * time.Hour

func dayOf(t time.Time) int64 { return t.Unix() / 86400 }

// add counts one event.
func (s *RuleState) add(r *rule, at time.Time) {
	s.Count++
	switch r.Decay {
	case HalfLife:
		if s.At.IsZero() {
			s.At = at
		}
		if at.Before(s.At) {
			s.Value += half(s.At.Sub(at), r.DecayDays)
			return
		}
		s.Value = s.Value*half(at.Sub(s.At), r.DecayDays) + 1
		s.At = at
	case Linear:
		day := dayOf(at)
		i, ok := slices.BinarySearchFunc(s.Days, day, func(d Day, day int64) int { return cmp.Compare(d.Day, day) })
		if !ok {
			s.Days = slices.Insert(s.Days, i, Day{Day: day})
		}
		s.Days[i].N++
		for len(s.Days) > 0 && s.Days[0].Day <= s.Days[len(s.Days)-1].Day-int64(r.DecayDays) {
			s.Days = s.Days[1:]
		}
	}
}

// half returns what is left of 1 after a time.
func half(after time.Duration, days int) float64 {
	return math.Exp2(-float64(after) / (float64(days) * float64(dayLength)))
}

// worth returns how many events' worth is left at an instant.
func (s *RuleState) worth(r *rule, now time.Time) float64 {
	switch r.Decay {
	case HalfLife:
		if s.At.IsZero() {
			return 0
		}
		return s.Value * half(max(0, now.Sub(s.At)), r.DecayDays)
	case Linear:
		var sum float64
		for _, d := range s.Days {
			if left := int64(r.DecayDays) - max(0, dayOf(now)-d.Day); left > 0 {
				sum += float64(d.N*left) / float64(r.DecayDays)
			}
		}
		return sum
	}
	return float64(s.Count)
}

// contribution returns the points of a rule about engagement over all parts: rounded to a
// whole number, halves away from 0, and bounded.
func (l *Lead) contribution(r *rule, now time.Time) (points, count int64) {
	var worth float64
	for i := range l.Parts {
		for j := range l.Parts[i].Rules {
			if s := &l.Parts[i].Rules[j]; s.Rule == r.id {
				worth += s.worth(r, now)
				count += s.Count
			}
		}
	}
	points = int64(math.Round(worth * float64(r.Points)))
	if r.Cap > 0 {
		points = min(max(points, -r.Cap), r.Cap)
	}
	return points, count
}

// score adds up what the rules contribute.
func (c *compiled) score(l *Lead, now time.Time) Score {
	var out Score
	for _, r := range c.rules {
		reason := Reason{Key: r.Key, Name: r.Name, Kind: r.Kind}
		if r.Kind == Engagement {
			reason.Points, reason.Count = l.contribution(r, now)
			out.Engagement += reason.Points
		} else if slices.ContainsFunc(l.Fits, func(f FitState) bool { return f.Rule == r.id && f.In }) {
			reason.Points = r.Points
			out.Fit += r.Points
		}
		if reason.Points != 0 {
			out.Reasons = append(out.Reasons, reason)
		}
	}
	for _, g := range l.given() {
		out.Engagement += g.Points
		if g.Points != 0 {
			out.Reasons = append(out.Reasons, Reason{Key: g.By, Name: g.Reason, Kind: Engagement, Points: g.Points, Count: g.Count})
		}
	}
	out.Total = out.Fit + out.Engagement
	return out
}

// qualifies tells whether a score makes somebody qualify; cools, whether it makes
// somebody cool who has.
func (m *Model) qualifies(s Score) bool {
	return len(m.Rules) > 0 && s.Total >= m.Threshold && (m.MinFit == 0 || s.Fit >= m.MinFit) && (m.MinEngagement == 0 || s.Engagement >= m.MinEngagement)
}

func (m *Model) cools(s Score) bool { return s.Total < m.CoolBelow || len(m.Rules) == 0 }

// latch notes a crossing.
func (c *compiled) latch(l *Lead, now time.Time) {
	s := c.score(l, now)
	if l.Qualified && c.cools(s) || !l.Qualified && c.qualifies(s) {
		l.Qualified = !l.Qualified
		l.Latches = append(l.Latches, Latch{Up: l.Qualified, At: now, Score: s.Total})
	}
}

// change returns when the contribution of some rule next changes because time passes;
// zero: never.
func (c *compiled) change(l *Lead, now time.Time) time.Time {
	var next time.Time
	for i := range l.Parts {
		for j := range l.Parts[i].Rules {
			s := &l.Parts[i].Rules[j]
			r := c.byID[s.Rule]
			if r == nil {
				continue
			}
			if t := s.change(r, now); !t.IsZero() && (next.IsZero() || t.Before(next)) {
				next = t
			}
		}
	}
	return next
}

// change returns when the worth of the counts next changes by a point.
func (s *RuleState) change(r *rule, now time.Time) time.Time {
	switch r.Decay {
	case HalfLife:
		v := math.Abs(s.worth(r, now) * float64(r.Points))
		bound := math.Round(v) - 0.5 // below it one point less is left
		if bound < 0 {
			return time.Time{}
		}
		days := math.Log2(v/bound) * float64(r.DecayDays)
		// The next whole second after it, for what is computed again must have changed.
		return now.Add(time.Duration(days * float64(dayLength))).Truncate(time.Second).Add(time.Second)
	case Linear:
		if len(s.Days) > 0 && s.worth(r, now) > 0 {
			return time.Unix((dayOf(now)+1)*86400, 0).UTC()
		}
	}
	return time.Time{}
}

// maxSteps is how many changes of a score are looked through for the next crossing; after
// them the sweep looks again.
const maxSteps = 300

// crossing returns when the score next makes somebody cool or qualify because time
// passes, or when to look again; zero: never.
func (c *compiled) crossing(l *Lead, now time.Time) time.Time {
	rises := slices.ContainsFunc(c.rules, func(r *rule) bool { return r.Kind == Engagement && r.Points < 0 && r.Decay != NoDecay })
	if !l.Qualified && !rises {
		return time.Time{}
	}
	at := now
	for range maxSteps {
		if at = c.change(l, at); at.IsZero() {
			return at
		}
		s := c.score(l, at)
		if l.Qualified && c.cools(s) || !l.Qualified && c.qualifies(s) {
			return at
		}
	}
	return at
}

// publishEvery is the least time between two publications of a score; of what only decay
// changes, fadeEvery.
func (m *Model) publishEvery() time.Duration {
	return time.Duration(cmp.Or(m.PublishMinutes, UsualPublishMinutes)) * time.Minute
}

// UsualPublishMinutes is Model.PublishMinutes where it is 0.
const UsualPublishMinutes = 5

const fadeEvery = 24 * time.Hour

// plan sets when the sweep must look at somebody again.
func (c *compiled) plan(l *Lead, now time.Time) {
	var due time.Time
	sooner := func(t time.Time) {
		if !t.IsZero() && (due.IsZero() || t.Before(due)) {
			due = t
		}
	}
	if len(l.Latches) > 0 {
		sooner(now)
	}
	for _, f := range l.Fits {
		sooner(f.Next)
	}
	sooner(c.crossing(l, now))
	last, at := l.published()
	if c.score(l, now).Total != last {
		sooner(later(now, at.Add(c.publishEvery())))
	} else if t := c.change(l, now); !t.IsZero() {
		sooner(later(t, at.Add(fadeEvery)))
	}
	l.Due = due
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
