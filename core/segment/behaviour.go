package segment

import (
	"hash/fnv"
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
	Key    string
	Months []Spilled // the oldest first

	packed []byte            // as it is stored; nil where it is not packed yet
	ledger *condition.Ledger // as opened; nil before
}

// Spilled says that entries of a calendar month are kept in documents of their own,
// numbered From to To, To excluded.
type Spilled struct {
	Month    int32 // 202611
	From, To int32
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

// sweepShards is over how many tasks the sweep of a workspace is spread.
const sweepShards = 4

func newBehaviour(ws, profileID string) *Behaviour {
	h := fnv.New32a()
	_, _ = h.Write([]byte(profileID))
	return &Behaviour{Meta: store.Meta{ID: store.Key(ws, profileID)}, Shard: int64(h.Sum32() % sweepShards)}
}

// ProfileID returns the profile's id.
func (b *Behaviour) ProfileID() string { return store.Rest(b.ID) }

// Member returns since when the profile is in a segment. A nil Behaviour is in none.
func (b *Behaviour) Member(segmentID string) (since time.Time, in bool) {
	if b == nil {
		return time.Time{}, false
	}
	return memberSince(b.Members, segmentID)
}

func memberSince(members []Member, segmentID string) (time.Time, bool) {
	i, ok := findMember(members, segmentID)
	if !ok {
		return time.Time{}, false
	}
	return time.UnixMilli(members[i].Since).UTC(), true
}

func findMember(members []Member, segmentID string) (int, bool) {
	return slices.BinarySearchFunc(members, segmentID, func(m Member, id string) int { return strings.Compare(m.Segment, id) })
}

func compareMembers(a, b Member) int { return strings.Compare(a.Segment, b.Segment) }

// clone returns a copy that may be changed; ledgers are copied when they are.
func (b *Behaviour) clone() *Behaviour {
	c := *b
	c.Parts = make([]PartState, len(b.Parts))
	for i := range b.Parts {
		c.Parts[i] = b.Parts[i].clone()
	}
	c.Members, c.Nexts = slices.Clone(b.Members), slices.Clone(b.Nexts)
	return &c
}

func (p *PartState) clone() PartState {
	return PartState{Part: p.Part, Ledgers: slices.Clone(p.Ledgers), Lists: slices.Clone(p.Lists)}
}

// empty reports whether there is nothing to keep.
func (b *Behaviour) empty() bool {
	return len(b.Parts) == 0 && len(b.Members) == 0 && len(b.Nexts) == 0
}

// part returns the state of a part, nil when it holds nothing.
func (b *Behaviour) part(id string) *PartState {
	i, ok := slices.BinarySearchFunc(b.Parts, id, func(p PartState, id string) int { return strings.Compare(p.Part, id) })
	if !ok {
		return nil
	}
	return &b.Parts[i]
}

// ensure is part, made when it is missing. The result is valid until the next call.
func (b *Behaviour) ensure(id string) *PartState {
	i, ok := slices.BinarySearchFunc(b.Parts, id, func(p PartState, id string) int { return strings.Compare(p.Part, id) })
	if !ok {
		b.Parts = slices.Insert(b.Parts, i, PartState{Part: id})
	}
	return &b.Parts[i]
}

// find returns the place of a ledger.
func (p *PartState) find(key string) (int, bool) {
	return slices.BinarySearchFunc(p.Ledgers, key, func(l LedgerState, key string) int { return strings.Compare(l.Key, key) })
}

// open returns the ledger with the key for reading, nil when the part has none.
func (p *PartState) open(key string) (*condition.Ledger, error) {
	i, ok := p.find(key)
	if !ok {
		return nil, nil
	}
	return p.Ledgers[i].open()
}

func (l *LedgerState) open() (*condition.Ledger, error) {
	if l.ledger == nil {
		var err error
		if l.ledger, err = unpackLedger(l.packed); err != nil {
			return nil, err
		}
	}
	return l.ledger, nil
}

// change returns a copy of the ledger with the key, to be changed and put back.
func (p *PartState) change(key string) (*condition.Ledger, error) {
	l, err := p.open(key)
	if err != nil || l == nil {
		return &condition.Ledger{}, err
	}
	c := *l
	c.Entries = append(make([]condition.Entry, 0, len(l.Entries)+1), l.Entries...)
	c.Total.Distinct = slices.Clone(l.Total.Distinct)
	return &c, nil
}

// put puts a ledger in the place of the one with the key; one that holds nothing is
// left out.
func (p *PartState) put(key string, l *condition.Ledger) {
	i, ok := p.find(key)
	if !ok {
		p.Ledgers = slices.Insert(p.Ledgers, i, LedgerState{Key: key})
	}
	p.Ledgers[i].ledger, p.Ledgers[i].packed = l, nil
	if p.Ledgers[i].hollow() {
		p.Ledgers = slices.Delete(p.Ledgers, i, i+1)
	}
}

func (l *LedgerState) hollow() bool {
	return l.ledger != nil && len(l.ledger.Entries) == 0 && len(l.Months) == 0 && noTotal(&l.ledger.Total)
}

// list returns the latest word on a list.
func (p *PartState) list(segmentID string) *ListState {
	for i := range p.Lists {
		if p.Lists[i].Segment == segmentID {
			return &p.Lists[i]
		}
	}
	return nil
}

// say adds a word on a list and reports whether it is the latest.
func (p *PartState) say(w ListState) bool {
	i, ok := slices.BinarySearchFunc(p.Lists, w.Segment, func(l ListState, id string) int { return strings.Compare(l.Segment, id) })
	if !ok {
		p.Lists = slices.Insert(p.Lists, i, w)
		return true
	}
	if old := &p.Lists[i]; !w.over(old) {
		return false
	}
	p.Lists[i] = w
	return true
}

// over reports whether w was said after o.
func (w *ListState) over(o *ListState) bool {
	return w.At > o.At || w.At == o.At && w.Event > o.Event
}

// tidy drops parts that hold nothing and computes Due.
func (b *Behaviour) tidy() {
	b.Parts = slices.DeleteFunc(b.Parts, func(p PartState) bool { return len(p.Ledgers) == 0 && len(p.Lists) == 0 })
	b.Due = time.Time{}
	for _, n := range b.Nexts {
		if at := time.UnixMilli(n.At).UTC(); b.Due.IsZero() || at.Before(b.Due) {
			b.Due = at
		}
	}
}
