package condition

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
