package segment

import (
	"slices"
	"strings"
	"time"

	"github.com/headwater-cdp/headwater/core/condition"
	"github.com/headwater-cdp/headwater/core/store"
)

// Behaviour is what the segments know of one profile: what the ledgers hold of
// each of its parts, which segments it is in, and when an answer can next change
// by itself. A profile of which there is nothing to know has none.
//
// What is known of events is kept per part, so that a merge puts lists together
// and an unmerge takes them apart.
type Behaviour struct {
	store.Meta `bson:",inline"` // key: workspace/prof_…
	Rev        int64            `bson:"rev"`           // what was published up to here, and is still being built, is complete in it
	Shard      int64            `bson:"shard"`         // of the sweep
	Due        time.Time        `bson:"due,omitempty"` // the earliest of Nexts; zero: never
	Parts      []PartState      `bson:"p,omitempty"`   // those that hold something, sorted by part
	Members    []Member         `bson:"m,omitempty"`   // sorted by segment
	Nexts      []Next           `bson:"n,omitempty"`   // sorted by segment
}

// PartState is what is known of one part's events.
type PartState struct {
	Part    string
	Ledgers []LedgerState // those that hold something, sorted by key
	Lists   []ListState   // sorted by segment
}

// LedgerState is a ledger of one part. Of a long one the older entries are kept in
// documents of their own, one or more for each calendar month.
type LedgerState struct {
	Key string
	condition.Ledger
	Months []Spilled // the oldest first
}

// Spilled says that entries of a calendar month are kept elsewhere.
type Spilled struct {
	Month   int32 // 202611
	Chunks  int32 // documents
	Entries int32
	V       int64 // of the last document, the only one that is ever added to
}

// ListState is the latest word on whether a part is on a list.
type ListState struct {
	Segment string
	At      int64 // event time, Unix milliseconds
	Event   string
	In      bool
}

// Member is a segment that the profile is in.
type Member struct {
	Segment string
	Since   int64 // Unix milliseconds
	V       int64 // version of the membership's document
}

// Next says when a segment's answer can next change by itself.
type Next struct {
	Segment string
	At      int64 // Unix milliseconds
}

// ProfileID returns the profile's id.
func (b *Behaviour) ProfileID() string { return store.Rest(b.ID) }

// Member returns since when the profile is in a segment.
func (b *Behaviour) Member(segmentID string) (since time.Time, in bool) {
	if b == nil {
		return time.Time{}, false
	}
	i, ok := slices.BinarySearchFunc(b.Members, segmentID, func(m Member, id string) int { return strings.Compare(m.Segment, id) })
	if !ok {
		return time.Time{}, false
	}
	return time.UnixMilli(b.Members[i].Since).UTC(), true
}
