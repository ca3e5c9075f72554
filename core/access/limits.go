package access

import (
	"slices"

	"github.com/headwater-cdp/headwater/core"
)

// nobody is the owner and segment that nobody has: limits that exclude each other
// leave nobody.
const nobody = "seg_none"

// narrow returns the limits of somebody to whom both apply. Where two lists have
// nothing in common nobody is left; it is never wider than either.
func narrow(a, b core.Limits) core.Limits {
	return core.Limits{Segments: common(a.Segments, b.Segments), Owners: common(a.Owners, b.Owners)}
}

func common(a, b []string) []string {
	switch {
	case len(a) == 0:
		return b
	case len(b) == 0:
		return a
	}
	var both []string
	for _, s := range a {
		if slices.Contains(b, s) {
			both = append(both, s)
		}
	}
	if both == nil {
		return []string{nobody}
	}
	return both
}

func sameLimits(a, b core.Limits) bool {
	return slices.Equal(a.Segments, b.Segments) && slices.Equal(a.Owners, b.Owners)
}

// sameList reports whether two lists hold the same, in whatever order.
func sameList(a, b []string) bool {
	return slices.Equal(a, b) || len(a) == len(b) && slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}

// inLimits reports whether who has the limits of inner sees nobody whom one with
// those of outer does not.
func inLimits(outer, inner core.Limits) bool { return sameLimits(narrow(inner, outer), inner) }

// checkLimits refuses what cannot be a limit.
func checkLimits(l core.Limits) error {
	invalid := func(path, format string, args ...any) error {
		return core.Errorf(core.Invalid, "LIMITS", format, args...).At("limits", path)
	}
	if len(l.Segments) > maxListed {
		return invalid("segments", "limits name at most %d segments", maxListed)
	}
	for _, s := range l.Segments {
		if core.IDPrefix(s) != core.PrefixSegment || len(s) > MaxName {
			return invalid("segments", "limits name segments by their ids, seg_…")
		}
	}
	if len(l.Owners) > maxListed {
		return invalid("owners", "limits name at most %d owners", maxListed)
	}
	for _, o := range l.Owners {
		if o == "" || len(o) > MaxName {
			return invalid("owners", "an owner is a value of the trait owner, of 1 to %d bytes", MaxName)
		}
	}
	return nil
}
