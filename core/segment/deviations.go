package segment

import (
	"bytes"
	"context"
	"slices"
	"strings"

	"github.com/headwater-cdp/headwater/core/condition"
	"github.com/headwater-cdp/headwater/core/profile"
)

// strip takes away what is folded from events: parts that the profile does not
// hold, lists, and ledgers that nobody asks for.
func (w *person) strip() {
	w.b.Parts = slices.DeleteFunc(w.b.Parts, func(p PartState) bool { return !slices.Contains(w.profile.Parts, p.Part) })
	for i := range w.b.Parts {
		p := &w.b.Parts[i]
		p.Lists = nil
		p.Ledgers = slices.DeleteFunc(p.Ledgers, func(l LedgerState) bool {
			gone := w.set.ledgers[l.Key] == nil
			if gone {
				w.drop(p.Part, &l)
			}
			return gone
		})
	}
}

// deviations compares two states of one person. What is still being built is left
// out where the live state has not been reached.
func deviations(ctx context.Context, t *Set, live, anew *person) ([]Deviation, error) {
	id := anew.b.ProfileID()
	var out []Deviation
	var rev int64
	if live.stored != nil {
		rev = live.stored.Rev
	}
	for _, c := range t.segments {
		if c.building && c.def.Since > rev {
			continue
		}
		_, was := findMember(live.b.Members, c.id)
		_, is := findMember(anew.b.Members, c.id)
		if was != is {
			out = append(out, Deviation{id, "segments." + c.id})
		}
		if at, ok := nextOf(anew.b, c.id); ok {
			if known, ok := nextOf(live.b, c.id); !ok || known > at {
				out = append(out, Deviation{id, "nexts." + c.id})
			}
		}
	}
	for key, l := range t.ledgers {
		if l.building > rev {
			continue
		}
		for _, part := range anew.profile.Parts {
			a, err := live.pruned(ctx, part, l)
			if err != nil {
				return nil, err
			}
			b, err := anew.pruned(ctx, part, l)
			if err != nil {
				return nil, err
			}
			if !bytes.Equal(packLedger(a), packLedger(b)) {
				out = append(out, Deviation{id, "ledgers." + key})
				break
			}
		}
	}
	slices.SortFunc(out, func(a, b Deviation) int { return strings.Compare(a.What, b.What) })
	return out, nil
}

func nextOf(b *Behaviour, id string) (int64, bool) {
	i, ok := slices.BinarySearchFunc(b.Nexts, id, func(n Next, id string) int { return strings.Compare(n.Segment, id) })
	if !ok {
		return 0, false
	}
	return b.Nexts[i].At, true
}

// pruned returns all of a ledger of a part as it needs to be at the person's
// instant.
func (w *person) pruned(ctx context.Context, part string, l *ledger) (*condition.Ledger, error) {
	p := w.b.part(part)
	if p == nil {
		return &condition.Ledger{}, nil
	}
	c, err := p.change(l.spec.Key)
	if err != nil {
		return nil, err
	}
	if i, ok := p.find(l.spec.Key); ok && len(p.Ledgers[i].Months) > 0 {
		whole, err := w.s.wholeLedger(ctx, w.ws, part, &p.Ledgers[i], w.late)
		if err != nil {
			return nil, err
		}
		c.Entries = slices.Clone(whole.Entries)
	}
	l.fold.Prune(c, w.now)
	return c, nil
}

// missing returns the segments that a behaviour names and that have no membership
// document, or another version of it.
func (r *rebuilding) missing(ctx context.Context, b *Behaviour) ([]string, error) {
	if b == nil || len(b.Members) == 0 {
		return nil, nil
	}
	keys := make([]string, len(b.Members))
	for i, m := range b.Members {
		keys[i] = membershipKey(r.ws, m.Segment, b.ProfileID())
	}
	docs, err := Memberships.GetMany(ctx, r.s.db, keys)
	if err != nil {
		return nil, err
	}
	var out []string
	for i, d := range docs {
		if d == nil || d.V != b.Members[i].V {
			out = append(out, b.Members[i].Segment)
		}
	}
	return out, nil
}

// replace puts the refold in the place of the live state.
func (r *rebuilding) replace(ctx context.Context, t *Set, anew *person, missing []string) (bool, error) {
	o := r.s.newOutcome(t, anew.now)
	if len(missing) > 0 {
		keys := make([]string, len(missing))
		for i, id := range missing {
			keys[i] = membershipKey(r.ws, id, anew.b.ProfileID())
		}
		docs, err := Memberships.GetMany(ctx, r.s.db, keys)
		if err != nil {
			return false, err
		}
		own := *anew.stored
		own.Members = slices.Clone(own.Members)
		for i, id := range missing {
			at, _ := findMember(own.Members, id)
			if docs[i] != nil {
				own.Members[at].V = docs[i].V
			} else {
				own.Members = slices.Delete(own.Members, at, at+1)
				o.sizes[id]-- // it is counted again when it enters
			}
		}
		anew.stored = &own
	}
	o.add(anew)
	o.ops = append(o.ops, profile.Profiles.Check(anew.profile))
	return r.repair(ctx, o)
}
