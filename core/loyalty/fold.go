package loyalty

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/store"
)

// keepDays is for how long an account knows what was earned on which day: two calendar
// years, and the longest rolling period.
const keepDays = 2*366 + 1

const dayLength = 24 * time.Hour

func dayOf(t time.Time) int64 { return t.Unix() / int64(dayLength/time.Second) }

// entryOf returns the entry of an event; nil when the event is none of the ledger's.
// Only Headwater's own events are: what clients send under these names is nothing.
func entryOf(e *event.Event) *Entry {
	kind, ok := kindOf[e.Name]
	if !ok || e.Type != event.System || e.Source != profile.SystemSource {
		return nil
	}
	out := &Entry{
		Meta: store.Meta{ID: e.ID}, Part: e.Part, Kind: kind, At: e.CommittedAt, Seq: e.Seq,
		Reason: text(e, "reason"), Reference: text(e, "reference"), Tier: text(e, "to"),
	}
	out.Points, _ = e.Properties.Lookup("points").AsInt64OK()
	if ms, ok := e.Properties.Lookup("expiresAt").DateTimeOK(); ok {
		out.ExpiresAt = time.UnixMilli(ms).UTC()
	}
	return out
}

func text(e *event.Event, key string) string {
	s, _ := e.Properties.Lookup(key).StringValueOK()
	return s
}

// fold returns the account that entries make, in the order of their commits; nil for
// none.
func fold(key string, entries []*Entry) *Account {
	if len(entries) == 0 {
		return nil
	}
	slices.SortFunc(entries, func(a, b *Entry) int {
		return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Seq, b.Seq), strings.Compare(a.ID, b.ID))
	})
	a := newAccount(key)
	for _, e := range entries {
		a.apply(e)
	}
	return a
}

func newAccount(key string) *Account {
	return &Account{Meta: store.Meta{ID: key}, Shard: int64(profile.BucketOf(store.Rest(key), "")) % shards}
}

// clone returns a copy that shares nothing that changes.
func (a *Account) clone() *Account {
	c := *a
	c.Lots, c.Days, c.Told = slices.Clone(a.Lots), slices.Clone(a.Days), slices.Clone(a.Told)
	return &c
}

// apply folds one entry. The sum of the lots less the debt is always that of the
// entries: what was earned less what was spent and what expired.
func (a *Account) apply(e *Entry) {
	switch e.Kind {
	case Earned:
		a.earn(e)
	case Spent:
		rest := a.take(e.Points, func(l *Lot) bool { return !l.over(e.At) })
		a.Debt += rest
	case Expired:
		rest := a.take(e.Points, func(l *Lot) bool { return l.over(e.At) })
		// In a merged account another's spend may have used what this one's expiry was about.
		a.Debt += a.take(rest, func(*Lot) bool { return true })
	case Tiered:
		i, ok := slices.BinarySearchFunc(a.Told, e.Part, func(t Told, part string) int { return strings.Compare(t.Part, part) })
		if !ok {
			a.Told = slices.Insert(a.Told, i, Told{})
		}
		a.Told[i] = Told{Part: e.Part, Tier: e.Tier, At: e.At}
	}
}

func (a *Account) earn(e *Entry) {
	a.Earned += e.Points
	day := dayOf(e.At)
	i, ok := slices.BinarySearchFunc(a.Days, day, func(d Day, day int64) int { return cmp.Compare(d.Day, day) })
	if !ok {
		a.Days = slices.Insert(a.Days, i, Day{Day: day})
	}
	a.Days[i].Points += e.Points
	for len(a.Days) > 0 && a.Days[0].Day < a.Days[len(a.Days)-1].Day-keepDays {
		a.Days = a.Days[1:]
	}
	n := e.Points
	paid := min(n, a.Debt)
	if a.Debt, n = a.Debt-paid, n-paid; n == 0 {
		return
	}
	i, ok = slices.BinarySearchFunc(a.Lots, e.ExpiresAt, func(l Lot, at time.Time) int {
		if l.ExpiresAt.IsZero() || at.IsZero() { // never is the last
			return cmp.Compare(b2i(l.ExpiresAt.IsZero()), b2i(at.IsZero()))
		}
		return l.ExpiresAt.Compare(at)
	})
	if !ok {
		a.Lots = slices.Insert(a.Lots, i, Lot{ExpiresAt: e.ExpiresAt})
	}
	a.Lots[i].Points += n
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// take takes points from the lots that may be taken from, those that expire first, and
// returns how many there were not.
func (a *Account) take(n int64, from func(*Lot) bool) (rest int64) {
	for i := range a.Lots {
		if l := &a.Lots[i]; n > 0 && from(l) {
			took := min(n, l.Points)
			l.Points, n = l.Points-took, n-took
		}
	}
	a.Lots = slices.DeleteFunc(a.Lots, func(l Lot) bool { return l.Points == 0 })
	return n
}

// expired returns how many points have expired at an instant and are still in the
// account.
func (a *Account) expired(now time.Time) int64 {
	var n int64
	for _, l := range a.Lots {
		if l.over(now) {
			n += l.Points
		}
	}
	return n
}
