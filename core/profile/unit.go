package profile

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/store"
)

// Unit is the working set of one unit of work: what is stored about the people
// that some events name, and what becomes of it as the events are applied. Reads
// happen in Begin, Apply is pure, Ops is what to commit together with the events.
// The versions of what was read are conditions of the operations, so that a race
// ends in a conflict. A Unit is for one goroutine and one commit.
//
// What it costs: a unit whose identifiers are remembered reads its profiles, each
// once, in one request, and writes each profile that an event went to, once,
// however many events. A new identifier, a new part, a merge and a proposal cost
// one small document each.
type Unit struct {
	s     *Service
	ws    string
	rules *rules
	now   time.Time // commit time of the unit's events, unless a profile is ahead

	named    map[*event.Input]*named
	ids      map[string]string   // identifier key → part
	slots    map[string]*slot    // profile id → state
	partOf   map[string]string   // part → profile id
	partDocs map[string]*Part    // parts read because a merge may move them
	newIDs   []*Identifier       // to insert
	newParts map[string]struct{} // to insert
	moved    map[string]struct{} // parts to replace
	merges   []*Merge
	props    []*Proposal
	seps     []*Separation
	oldIDs   []*Identifier // to delete: released
	releases []*Release
	events   []*event.Event // system events
	undo     []func()       // takes back what the current event changed

	freed      map[string]*Identifier // documents of identifiers whose part was erased, by key
	looked     bool                   // identifiers were read from the store
	erased     map[string]time.Time   // identifier key → when who held it was erased
	suppressed []string               // purposes that a new profile of an erased person is out of
	erases     bool                   // see Erases

	applied []*event.Event    // every event applied, while there is a Fold
	owners  map[string]string // see OwnerBefore
}

// slot is one profile: as stored and as it is now.
type slot struct {
	stored *Profile // nil: not stored
	before *Profile // as the unit found it: stored, or folded anew when the stored one was thrown away
	now    *Profile // nil: merged away
}

func (s *Service) newUnit(ws string, r *rules) *Unit {
	return &Unit{
		s: s, ws: ws, rules: r, now: s.clock.Now().UTC().Truncate(time.Millisecond),
		named: map[*event.Input]*named{}, ids: map[string]string{}, slots: map[string]*slot{},
		partOf: map[string]string{}, partDocs: map[string]*Part{},
		newParts: map[string]struct{}{}, moved: map[string]struct{}{},
	}
}

// Begin reads what is known of the people that the inputs name, and of the
// profiles with the given ids (for ApplyTo). Inputs with an Err are left out. The
// error is the store's, as a core.Error.
func (s *Service) Begin(ctx context.Context, ws string, inputs []*event.Input, profiles ...string) (*Unit, error) {
	r, err := s.rules(ctx, ws)
	if err != nil {
		return nil, storeError("read settings", err)
	}
	u := s.newUnit(ws, r)
	var keys []string
	for _, in := range inputs {
		if in.Err != nil {
			continue
		}
		n := r.extract(in)
		u.named[in] = n
		n.keys(func(id event.Identifier) { keys = append(keys, identifierKey(ws, id)) })
	}
	slices.Sort(keys)
	keys = slices.Compact(keys)
	if err := u.load(ctx, keys, slices.DeleteFunc(slices.Clone(profiles), func(id string) bool { return !isPart(id) })); err != nil {
		return nil, storeError("read profiles", err)
	}
	if err := u.wait(ctx, keys); err != nil {
		return nil, storeError("read profiles", err)
	}
	if err := u.remember(ctx); err != nil {
		return nil, storeError("read tombstones", err)
	}
	if err := u.loadParts(ctx, u.mergeable()); err != nil {
		return nil, storeError("read parts", err)
	}
	return u, nil
}

// Committed tells that the unit's operations are on disk.
func (s *Service) Committed(u *Unit) {
	for _, id := range u.newIDs {
		s.ids.Add(id.ID, id.Part)
	}
	for _, id := range u.oldIDs {
		s.ids.Remove(id.ID)
	}
	for part := range u.moved {
		s.hint(u.ws, part, u.partOf[part])
	}
	for part := range u.newParts {
		if id := u.partOf[part]; id != part {
			s.hint(u.ws, part, id)
		}
	}
}

// Conflicted tells that the unit lost a race: what it knew from memory is dropped.
func (s *Service) Conflicted(u *Unit) {
	for key := range u.ids {
		s.ids.Remove(key)
	}
	for part := range u.partOf {
		s.hints.Remove(store.Key(u.ws, part))
	}
}

func (s *Service) hint(ws, part, profile string) {
	if part == profile {
		s.hints.Remove(store.Key(ws, part))
		return
	}
	s.hints.Add(store.Key(ws, part), strings.Clone(profile))
}

// ProfileOf returns the id of the profile that a part belongs to after the unit,
// or "".
func (u *Unit) ProfileOf(part string) string { return u.partOf[part] }

// Profile returns the profile with an id as it is after the events applied so far,
// or nil. It must not be changed.
func (u *Unit) Profile(id string) *Profile { return u.profile(id) }

// Changed returns the profiles that the unit writes, in the order of their ids.
func (u *Unit) Changed() []*Profile {
	var out []*Profile
	for _, id := range u.slotIDs() {
		if sl := u.slots[id]; sl.now != nil && sl.now != sl.stored {
			out = append(out, sl.now)
		}
	}
	return out
}

func (u *Unit) slotIDs() []string {
	ids := make([]string, 0, len(u.slots))
	for id := range u.slots {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// profile returns the profile of a part as it is now, or nil.
func (u *Unit) profile(part string) *Profile {
	if id, ok := u.partOf[part]; ok {
		if sl := u.slots[id]; sl != nil {
			return sl.now
		}
	}
	return nil
}

// set puts a new state in the place of a profile; nil: it was merged away.
func (u *Unit) set(id string, p *Profile) {
	sl := u.slots[id]
	if sl == nil {
		sl = &slot{}
		u.slots[id] = sl
	}
	old := sl.now
	sl.now = p
	u.undo = append(u.undo, func() { sl.now = old })
}

// assign says which profile a part belongs to now.
func (u *Unit) assign(part, id string) {
	old, had := u.partOf[part]
	u.partOf[part] = id
	u.undo = append(u.undo, func() {
		if had {
			u.partOf[part] = old
		} else {
			delete(u.partOf, part)
		}
	})
}

func (u *Unit) rollback() {
	for i := len(u.undo) - 1; i >= 0; i-- {
		u.undo[i]()
	}
	u.undo = u.undo[:0]
}

// mergeable returns the parts of every profile that the unit's inputs could merge:
// those that a chain of shared identifiers connects to another profile.
func (u *Unit) mergeable() []string {
	parent := map[string]string{}
	var root func(string) string
	root = func(x string) string {
		if p, ok := parent[x]; ok && p != x {
			parent[x] = root(p)
			return parent[x]
		}
		return x
	}
	for _, n := range u.named {
		first := ""
		n.keys(func(id event.Identifier) {
			node := identifierKey(u.ws, id)
			if part, ok := u.ids[node]; ok {
				node = u.partOf[part]
			}
			if first == "" {
				first = root(node)
				return
			}
			parent[root(node)] = first
			first = root(first)
		})
	}
	members := map[string][]string{}
	for id := range u.slots {
		r := root(id)
		members[r] = append(members[r], id)
	}
	var parts []string
	for _, ids := range members {
		if len(ids) < 2 {
			continue
		}
		for _, id := range ids {
			parts = append(parts, u.slots[id].now.Parts...)
		}
	}
	return parts
}

// batchID names a commit of this package's own.
func (s *Service) batchID() string { return core.NewID(core.PrefixBatch, s.clock.Now()) }
