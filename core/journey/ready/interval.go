package ready

import (
	"slices"
	"time"
)

// Purchase is that somebody bought a thing.
type Purchase struct {
	Person, SKU string
	At          time.Time
}

// MinIntervals is of how many times between two purchases a usual one is told.
const MinIntervals = 5

// Intervals returns the usual time between two purchases of a thing by the same
// person, by SKU: the median over all such times, to the day, at least one. What was
// bought several times on one day was bought once. SKUs of which fewer than
// MinIntervals times are known are left out: nothing is guessed.
func Intervals(purchases []Purchase) map[string]time.Duration {
	const day = 24 * time.Hour
	type of struct{ person, sku string }
	times := map[of][]time.Time{}
	for _, p := range purchases {
		k := of{p.Person, p.SKU}
		times[k] = append(times[k], p.At)
	}
	gaps := map[string][]time.Duration{}
	for k, ts := range times {
		slices.SortFunc(ts, time.Time.Compare)
		last := ts[0]
		for _, t := range ts[1:] {
			if gap := t.Sub(last); gap >= day {
				gaps[k.sku] = append(gaps[k.sku], gap)
				last = t
			}
		}
	}
	out := map[string]time.Duration{}
	for sku, all := range gaps {
		if len(all) < MinIntervals {
			continue
		}
		slices.Sort(all)
		middle := all[len(all)/2]
		if len(all)%2 == 0 {
			middle = (all[len(all)/2-1] + middle) / 2
		}
		out[sku] = max(middle.Round(day), day)
	}
	return out
}
