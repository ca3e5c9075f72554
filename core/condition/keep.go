package condition

import "time"

// MergeKeep returns what keeps enough for both.
func MergeKeep(a, b Keep) Keep {
	m := Keep{For: max(a.For, b.For), From: a.From, Total: a.Total || b.Total, All: a.All || b.All}
	switch { // Latest speaks of the entries within For only
	case b.For == 0 && a.For > 0:
		m.Latest = a.Latest
	case a.For == 0 && b.For > 0:
		m.Latest = b.Latest
	case a.For > 0 && (a.Latest == 0 || b.Latest == 0):
	default:
		m.Latest = max(a.Latest, b.Latest)
	}
	if m.From.IsZero() || !b.From.IsZero() && b.From.Before(m.From) {
		m.From = b.From
	}
	return m
}

// Covers tells whether a ledger that was kept by k holds all that one kept by
// other would.
func (k Keep) Covers(other Keep) bool {
	if other.Total && !k.Total || other.All && !k.All {
		return false
	}
	if k.All {
		return true
	}
	if other.For > 0 && (k.For < other.For || k.Latest > 0 && (other.Latest == 0 || k.Latest < other.Latest)) {
		return false
	}
	if other.For == 0 && other.Latest > k.Latest {
		return false
	}
	return other.From.IsZero() || !k.From.IsZero() && !k.From.After(other.From)
}

// longestCalendar is the most days of a calendar unit.
var longestCalendar = map[Calendar]int{Day: 1, Week: 7, Month: 31, Quarter: 92, Year: 366}

// keepAll says what must be kept to see every event of a window. The longest bound
// of a window decides: entries younger than it are needed too, for they grow into
// it. Calendar units are rounded up, with a day more for clocks that change.
func keepAll(w *Window) Keep {
	switch {
	case w == nil:
		return Keep{Total: true}
	case w.Last != nil:
		return Keep{For: w.Last.longest()}
	case w.AgoFrom != nil:
		return Keep{For: w.AgoFrom.longest()}
	case w.Calendar != "":
		return Keep{For: oneDay * time.Duration(longestCalendar[w.Calendar]+1)}
	}
	return Keep{From: w.From}
}

// keepOf says what must be kept to tell whether the number of events in a window
// lies in a range. Where the window reaches up to now, only the latest can decide:
// so many as the largest count that tells one answer from the other. One more is
// kept for a process whose clock is a little behind, to which the very latest event
// has not come yet.
func keepOf(w *Window, count *Range) Keep {
	k := keepAll(w)
	if w == nil || w.Last == nil && w.Calendar == "" {
		return k
	}
	if count == nil {
		count = &Range{Gte: "1"}
	}
	decides := func(lit string, more int) {
		if lit != "" {
			k.Latest = max(k.Latest, int(parsed(lit).IntPart())+more+1)
		}
	}
	decides(count.Gte, 0)
	decides(count.Lt, 0)
	decides(count.Gt, 1)
	decides(count.Lte, 1)
	decides(count.Eq, 1)
	k.Latest = max(k.Latest, 1) // 0 would be all
	return k
}
