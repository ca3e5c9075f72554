package segment

import (
	"context"
	"errors"

	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/store"
)

// The bounds of a commit about many people.
const (
	maxBatchOps   = 800
	maxBatchBytes = 3 << 20
)

// batch commits what became of many people, some of them at a time. Each person's
// operations are conditional by themselves: who lost a race is left out and told
// of, the others go on.
type batch struct {
	s      *Service
	set    *Set
	commit func([]store.Op) error
	people []*outcome
	ops    int
	bytes  int
	lost   []*outcome // who lost a race, after a commit
}

func (s *Service) newBatch(t *Set, commit func([]store.Op) error) *batch {
	return &batch{s: s, set: t, commit: commit}
}

// add takes one person's outcome, and commits when enough are together.
func (b *batch) add(o *outcome) error {
	if len(o.ops) == 0 {
		return nil
	}
	n, size := len(o.ops)+len(o.sizes), 0
	for i := range o.ops {
		size += len(o.ops[i].Doc)
	}
	if b.ops+n > maxBatchOps || b.bytes+size > maxBatchBytes {
		if err := b.flush(); err != nil {
			return err
		}
	}
	b.people = append(b.people, o)
	b.ops, b.bytes = b.ops+n, b.bytes+size
	return nil
}

// flush commits what is together.
func (b *batch) flush() error {
	for len(b.people) > 0 {
		whole := b.s.newOutcome(b.set, b.people[0].now)
		for _, o := range b.people {
			whole.ops = append(whole.ops, o.ops...)
			for id, n := range o.sizes {
				whole.sizes[id] += n
			}
		}
		err := b.commit(whole.all())
		if err == nil {
			break
		}
		var c *store.ConflictError
		if !errors.As(err, &c) {
			return err
		}
		if c.Collection == Epochs.Spec.Name {
			b.s.suspect(b.set.ws)
			b.lost = append(b.lost, b.people...)
			break
		}
		kept := b.people[:0:0]
		for _, o := range b.people {
			if o.names(c) {
				b.lost = append(b.lost, o)
			} else {
				kept = append(kept, o)
			}
		}
		if len(kept) == len(b.people) {
			return err
		}
		b.people = b.unmoved(kept)
	}
	b.people, b.ops, b.bytes = nil, 0, 0
	return nil
}

// unmoved leaves out, after somebody has lost a race, all others who have lost theirs
// too: a commit tells of one at a time, and while it is tried again and again for the
// next one, more are lost.
func (b *batch) unmoved(people []*outcome) []*outcome {
	ctx, cancel := context.WithTimeout(context.Background(), store.MaxTime) // where this fails, the commit tells
	defer cancel()
	moved := map[*outcome]bool{}
	for _, spec := range []*store.Spec{profile.Profiles.Spec, Behaviours.Spec} {
		var of []*outcome
		var ops []*store.Op
		var keys []string
		for _, o := range people {
			for i := range o.ops {
				if op := &o.ops[i]; op.Spec == spec && op.Kind != store.OpInsert {
					of, ops, keys = append(of, o), append(ops, op), append(keys, op.ID)
				}
			}
		}
		docs, err := b.s.db.Get(ctx, spec, keys)
		if err != nil {
			return people
		}
		for i, doc := range docs {
			if v, ok := doc.Lookup("_v").AsInt64OK(); !ok || v != ops[i].V {
				moved[of[i]] = true
			}
		}
	}
	kept := people[:0:0]
	for _, o := range people {
		if moved[o] {
			b.lost = append(b.lost, o)
		} else {
			kept = append(kept, o)
		}
	}
	return kept
}

// names reports whether one of the operations is about the document of a conflict.
func (o *outcome) names(c *store.ConflictError) bool {
	for i := range o.ops {
		if o.ops[i].ID == c.ID && o.ops[i].Spec.Name == c.Collection {
			return true
		}
	}
	return false
}
