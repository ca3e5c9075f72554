package condition

import (
	"time"
)

// LedgerKind says what a ledger keeps of each matching event.
type LedgerKind string

// The kinds.
const (
	Times   LedgerKind = "TIMES"   // when
	Numbers LedgerKind = "NUMBERS" // when, and the numbers at the path
	Values  LedgerKind = "VALUES"  // when, and the scalars at the path, as canonical text
	Latest  LedgerKind = "LATEST"  // the latest event of the name: when, its id, and whether it meets Where
	Last    LedgerKind = "LAST"    // the latest value at the path: when, the event's id, the value
)

// LedgerSpec says what is kept about a profile's events for the conditions that ask
// the same of them. Key is a hash of everything but Keep: conditions that ask the
// same share a ledger, and it keeps what the greediest of them needs.
type LedgerSpec struct {
	Key      string // 16 characters
	Event    string // the name of the events
	Where    []*Predicate
	Kind     LedgerKind
	Path     string
	Currency string
	System   bool // only Headwater's own events (type SYSTEM) count; else only the others
	IDs      bool // entries of kind Times hold the events' ids, which order those of one instant in a sequence
	Keep     Keep
}

// Keep says which entries a ledger may not drop. The zero Keep needs nothing.
type Keep struct {
	For    time.Duration // entries younger than this (calendar periods rounded up, and a day of margin)
	Latest int           // of those that For demands and whose time has come only the latest so many are needed; 0: all. 1 without For for the kinds Latest and Last
	From   time.Time     // entries from here on, for absolute windows; zero: none
	Total  bool          // totals over all time
	All    bool          // every entry (a sequence over all time)
}

// Ledger is what a spec keeps of one part's events. Entries are sorted by At, then
// Event.
type Ledger struct {
	Entries []Entry
	Total   Total // of the events that are no longer among Entries; only when Keep.Total
}

// Entry is one matching event.
type Entry struct {
	At    int64     // Unix milliseconds
	Event string    // evt_…, kept for Latest, Last and sequences; else ""
	Num   []Decimal // Numbers: the numbers at the path
	Text  []string  // Values: canonical texts; Last: the value as canonical JSON
	Match bool      // Latest
}

// MaxDistinct is how many different values a Total knows: of more it says so many.
const MaxDistinct = 10_000

// Total is what is known of events that are not among the entries: with Keep.Total
// each event is either an entry or counted here, never both, so that the two
// together, of all parts, are the events of all time.
type Total struct {
	Count       int64
	First, Last int64 // Unix milliseconds; 0 when Count is 0
	N           int64 // numbers seen
	Sum         Decimal
	Min, Max    Decimal
	Distinct    []string // Values: sorted canonical texts
}
