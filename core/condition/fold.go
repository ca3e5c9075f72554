package condition

import (
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core"
)

// LedgerEvent is an event of a ledger's name, to be folded.
type LedgerEvent struct {
	ID         string // evt_…
	At         time.Time
	Properties bson.Raw
}

// LedgerFold folds events into ledgers of one spec. It is safe for concurrent use;
// the ledgers are not.
//
// Each event that was added is either among a ledger's entries or counted in its
// Total, never both; without Keep.Total those that are not needed are forgotten.
// So the events of all time are Total and the entries together, of one part as of
// several. After Prune a ledger is the same whatever the order in which its events
// were added, if nothing was dropped at a later instant.
type LedgerFold struct {
	spec  LedgerSpec
	where []*member
	keys  []string // nil without a path
}

// margin is how much longer than needed entries are kept, for processes whose
// clocks differ.
const margin = day

// CompileLedger prepares the folding of a ledger. The error is a *core.Error.
// Predicates are asked when an event is folded; dates in them that have no zone
// are taken in UTC.
func CompileLedger(spec *LedgerSpec) (*LedgerFold, error) {
	where, err := newMembers(spec.Where)
	if err != nil {
		return nil, at(err, "where")
	}
	f := &LedgerFold{spec: *spec, where: where}
	switch spec.Kind {
	case Times, Latest:
	case Numbers, Values, Last:
		if spec.Path == "" {
			return nil, core.Errorf(core.Invalid, "REQUIRED", "a ledger of values needs a path")
		}
		f.keys = SplitPath(spec.Path)
	default:
		return nil, core.Errorf(core.Invalid, "UNKNOWN_VALUE", "%q is no kind of ledger", spec.Kind)
	}
	return f, nil
}

// Add folds an event that has the ledger's name and was not added before. It tells
// whether the ledger is another one now.
func (f *LedgerFold) Add(l *Ledger, e LedgerEvent, now time.Time) (changed bool) {
	entry, ok := f.Take(e)
	return ok && f.Put(l, entry, now)
}

// Put is the second half of Add: it folds what Take made of an event.
func (f *LedgerFold) Put(l *Ledger, entry Entry, now time.Time) (changed bool) {
	at := now.UnixMilli()
	if f.only() && entry.At <= at {
		if past := upper(l.Entries, at); past > 0 && compareEntries(entry, l.Entries[past-1]) <= 0 {
			return false
		}
	} else if !f.only() && entry.At <= at && !f.needs(entry.At, at) {
		if f.spec.Keep.Total {
			l.Total.add(entry)
		}
		return f.spec.Keep.Total
	}
	i, _ := slices.BinarySearchFunc(l.Entries, entry, compareEntries)
	l.Entries = slices.Insert(l.Entries, i, entry)
	return true
}

// Take is the first half of Add, which needs no ledger: it returns what one keeps
// of an event; false for nothing.
func (f *LedgerFold) Take(e LedgerEvent) (Entry, bool) {
	entry := Entry{At: milli(e.At)}
	properties := bson.RawValue{Type: bson.TypeEmbeddedDocument, Value: e.Properties}
	met, _ := meets(f.where, properties, clock{entry.At, time.UTC})
	if f.spec.Kind == Latest {
		entry.Event, entry.Match = e.ID, met
		return entry, true
	}
	if !met {
		return entry, false
	}
	if f.spec.IDs || f.spec.Kind == Last {
		entry.Event = e.ID
	}
	var found []bson.RawValue
	if f.keys != nil {
		found = collect(nil, properties, f.keys)
	}
	switch f.spec.Kind {
	case Last:
		if len(found) > 0 {
			entry.Text = []string{canonical(found[0])}
		}
		return entry, true
	case Numbers:
		entry.Num = f.numbers(found)
		return entry, len(entry.Num) > 0
	case Values:
		entry.Text = scalars(found)
		return entry, len(entry.Text) > 0
	}
	return entry, true
}

// numbers returns the numbers among the values, arrays opened; with a currency the
// amounts of money in it.
func (f *LedgerFold) numbers(found []bson.RawValue) []Decimal {
	var out []Decimal
	for _, v := range found {
		for _, v := range open(nil, v) {
			if f.spec.Currency != "" {
				amount, currency, ok := moneyOf(v)
				if !ok || string(currency) != f.spec.Currency {
					continue
				}
				v = amount
			}
			if d, ok := ParseNumber(v); ok {
				out = append(out, d)
			}
		}
	}
	return out
}

// scalars returns the texts of the different scalars among the values.
func scalars(found []bson.RawValue) []string {
	var out []string
	for _, v := range found {
		for _, v := range open(nil, v) {
			if text, ok := scalar(v); ok {
				out = append(out, brief(text))
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// longValue is from how many bytes on a value is kept as its hash.
const longValue = 48

// brief returns what stands for a value: equal for equal ones. Values are counted,
// not shown, and one event may hold kilobytes of them.
func brief(text string) string {
	if len(text) < longValue {
		return text
	}
	h := sha256.Sum256([]byte(text))
	return "#" + base64.RawStdEncoding.EncodeToString(h[:16]) // no JSON begins so
}

// only tells whether the ledger is about the latest event and nothing else.
func (f *LedgerFold) only() bool {
	return (f.spec.Kind == Latest || f.spec.Kind == Last) && !f.spec.Keep.All
}

// needs tells whether an entry of the past is needed for its age.
func (f *LedgerFold) needs(at, now int64) bool {
	k := f.spec.Keep
	return k.All || k.For == 0 && k.Latest > 0 || f.young(at, now) || f.from(at)
}

func (f *LedgerFold) young(at, now int64) bool {
	return f.spec.Keep.For > 0 && at > now-millis(f.spec.Keep.For)-margin
}

func (f *LedgerFold) from(at int64) bool {
	return !f.spec.Keep.From.IsZero() && at >= f.spec.Keep.From.UnixMilli()
}

// Prune drops what Keep does not need at now and later (with a day to spare), and
// moves into Total what only the totals need. Entries whose time has not come stay.
func (f *LedgerFold) Prune(l *Ledger, now time.Time) {
	at, k := now.UnixMilli(), f.spec.Keep
	past := upper(l.Entries, at)
	latest := k.Latest
	if f.only() {
		latest = 1
	}
	kept := l.Entries[:0]
	for i, e := range l.Entries {
		recent := latest > 0 && past-i <= latest
		var keep bool
		switch {
		case i >= past, k.All:
			keep = true
		case f.only(), k.For == 0 && k.Latest > 0:
			keep = recent || f.from(e.At)
		default:
			keep = f.from(e.At) || f.young(e.At, at) && (recent || latest == 0)
		}
		if keep {
			kept = append(kept, e)
		} else if k.Total {
			l.Total.add(e)
		}
	}
	clear(l.Entries[len(kept):])
	l.Entries = kept
	if !k.Total { // what it holds is from a time when somebody asked for it
		l.Total = Total{}
	}
}

// add counts an entry in the totals.
func (t *Total) add(e Entry) {
	if t.Count == 0 || e.At < t.First {
		t.First = e.At
	}
	if t.Count == 0 || e.At > t.Last {
		t.Last = e.At
	}
	t.Count++
	for _, n := range e.Num {
		if t.N == 0 || beyond(t.Min, n) {
			t.Min = n
		}
		if t.N == 0 || beyond(n, t.Max) {
			t.Max = n
		}
		t.N++
		t.Sum = t.Sum.Add(n)
	}
	for _, text := range e.Text {
		if i, found := slices.BinarySearch(t.Distinct, text); !found {
			t.Distinct = slices.Insert(t.Distinct, i, text)
		}
		if len(t.Distinct) > MaxDistinct { // the first ones stay, whatever came first
			t.Distinct = t.Distinct[:MaxDistinct]
		}
	}
}

// beyond orders numbers; equal ones by how they are written, so that the totals do
// not depend on which came first.
func beyond(a, b Decimal) bool {
	if c := a.Cmp(b); c != 0 {
		return c > 0
	}
	return a.Exponent() > b.Exponent()
}

// compareEntries orders entries by time, then by id, then by what they hold.
func compareEntries(a, b Entry) int {
	if c := cmp.Compare(a.At, b.At); c != 0 {
		return c
	}
	if c := cmp.Compare(a.Event, b.Event); c != 0 {
		return c
	}
	numbers := func(x, y Decimal) int {
		if c := x.Cmp(y); c != 0 {
			return c
		}
		return cmp.Compare(x.Exponent(), y.Exponent())
	}
	if c := slices.CompareFunc(a.Num, b.Num, numbers); c != 0 {
		return c
	}
	return slices.Compare(a.Text, b.Text)
}

// upper returns how many of the sorted entries are at or before at.
func upper(entries []Entry, at int64) int {
	low, high := 0, len(entries)
	for low < high {
		if mid := int(uint(low+high) >> 1); entries[mid].At <= at {
			low = mid + 1
		} else {
			high = mid
		}
	}
	return low
}
