package audit

import (
	"context"
	"fmt"
	"slices"

	"github.com/headwater-cdp/headwater/core/store"
)

// The bounds of a batch that folds; one run it takes in any case.
const (
	foldBytes = 1 << 20
	foldOps   = 500
)

// loadTail reads the last run of a log's index.
func loadTail(ctx context.Context, r store.Reader, ws string) (*tail, error) {
	found, err := runs.Find(ctx, r, store.Query{Workspace: ws, Where: []store.Cond{store.Prefix("_id", "t/")}, Order: []string{"-_id"}}, 1)
	t := &tail{ws: ws}
	if err != nil || len(found) == 0 {
		return t, err
	}
	first, err := tailFirst(found[0])
	t.doc, t.era, t.marks = found[0], eras.number(first), found[0].marks()
	return t, err
}

// tailFirst returns with which entry a run of the tail began.
func tailFirst(d *runDoc) (n int64, err error) {
	_, err = fmt.Sscanf(store.Rest(d.ID), "t/%x", &n)
	return n, err
}

// fold makes eras of the tail where they are over, and ages of the eras. It may be cut off
// anywhere, and is done again then.
func (s *sequencer) fold(ctx context.Context) error {
	now := eras.number(s.head.Size)
	if s.folded == now+1 {
		return nil
	}
	old, err := runs.Find(ctx, s.log.o.Store, store.Query{Workspace: s.ws, Where: []store.Cond{
		store.Gte("_id", tailKey(s.ws, 0)), store.Lt("_id", tailKey(s.ws, now*eras.entries)),
	}, Order: []string{"_id"}}, 0)
	for len(old) > 0 && err == nil {
		var first int64
		if first, err = tailFirst(old[0]); err != nil {
			return err
		}
		era, n := eras.number(first), len(old)
		if i := slices.IndexFunc(old, func(d *runDoc) bool { return d.ID >= tailKey(s.ws, (era+1)*eras.entries) }); i > 0 {
			n = i
		}
		err = s.foldTail(ctx, era, old[:n])
		old = old[n:]
	}
	if err != nil {
		return err
	}
	if s.tail.era < now {
		s.tail = &tail{ws: s.ws}
	}
	for {
		oldest, err := runs.Find(ctx, s.log.o.Store, store.Query{Workspace: s.ws, Where: []store.Cond{
			store.Gte("_id", eras.key(s.ws, 0, 0)), store.Lt("_id", eras.key(s.ws, ages.number(s.head.Size)*(ages.entries/eras.entries), 0)),
		}, Order: []string{"_id"}}, 1)
		if err != nil {
			return err
		}
		if len(oldest) == 0 {
			break
		}
		era, err := eras.numberOf(oldest[0].ID)
		if err != nil {
			return err
		}
		if err := s.foldEras(ctx, ages.number(era*eras.entries)); err != nil {
			return err
		}
	}
	s.folded = now + 1
	return nil
}

// foldTail makes runs of the tail the parts of an era. The runs go last: what is there of
// the era already is kept, so that it may be cut off in between.
func (s *sequencer) foldTail(ctx context.Context, era int64, old []*runDoc) error {
	parts := make([][]mark, 1<<eras.bits)
	for _, d := range old {
		for _, m := range d.marks() {
			p := eras.part(m)
			parts[p] = append(parts[p], m)
		}
	}
	f := folding{s: s}
	if err := f.put(ctx, eras, era, 0, parts); err != nil {
		return err
	}
	for _, d := range old {
		if err := f.add(ctx, runs.Delete(d), 0); err != nil {
			return err
		}
	}
	return f.commit(ctx)
}

// foldEras makes the eras of an age its parts. Each part of the eras goes in the batch in
// which its marks come into the age.
func (s *sequencer) foldEras(ctx context.Context, age int64) error {
	each := ages.entries / eras.entries
	wider := 1 << (ages.bits - eras.bits)
	f := folding{s: s}
	for part := range 1 << eras.bits {
		ids := make([]string, each)
		for i := range ids {
			ids[i] = eras.key(s.ws, age*each+int64(i), part)
		}
		docs, err := runs.GetMany(ctx, s.log.o.Store, ids)
		if err != nil {
			return err
		}
		parts := make([][]mark, wider)
		for i, d := range docs {
			if d == nil {
				continue
			}
			for _, m := range d.marks() {
				p := ages.part(m) - part*wider
				parts[p] = append(parts[p], m+mark(int64(i)*eras.entries))
			}
		}
		if err := f.put(ctx, ages, age, part*wider, parts); err != nil {
			return err
		}
		for _, d := range docs {
			if d != nil {
				if err := f.add(ctx, runs.Delete(d), 0); err != nil {
					return err
				}
			}
		}
	}
	return f.commit(ctx)
}

// folding gathers operations for a batch.
type folding struct {
	s     *sequencer
	ops   []store.Op
	bytes int
}

// put adds marks to the parts of a layer from one on. Where they are many it commits in
// between, so what they were taken from must not go before.
func (f *folding) put(ctx context.Context, l layer, n int64, from int, parts [][]mark) error {
	ids := make([]string, len(parts))
	for i := range ids {
		ids[i] = l.key(f.s.ws, n, from+i)
	}
	docs, err := runs.GetMany(ctx, f.s.log.o.Store, ids)
	if err != nil {
		return err
	}
	for i, marks := range parts {
		if len(marks) == 0 {
			continue
		}
		d := docs[i]
		if d == nil {
			d = &runDoc{Meta: store.Meta{ID: ids[i]}}
		}
		d.set(append(marks, d.marks()...))
		if err := f.add(ctx, runs.Put(d), len(d.Marks)); err != nil {
			return err
		}
	}
	return nil
}

// add takes an operation, and commits those before it where it would be too much.
func (f *folding) add(ctx context.Context, op store.Op, bytes int) error {
	if f.bytes+bytes > foldBytes || len(f.ops) >= foldOps {
		if err := f.commit(ctx); err != nil {
			return err
		}
	}
	f.ops, f.bytes = append(f.ops, op), f.bytes+bytes
	return nil
}

func (f *folding) commit(ctx context.Context) error {
	if len(f.ops) == 0 {
		return nil
	}
	err := f.s.commit(ctx, f.ops...)
	f.ops, f.bytes = nil, 0
	return err
}

// clean takes the marks of entries whose bodies were dropped out of the index.
func (s *sequencer) clean(ctx context.Context) error {
	if err := s.load(ctx); err != nil || s.head.Cleaned >= s.head.Dropped {
		return err
	}
	dropped := s.head.Dropped
	if err := s.cleanRuns(ctx, "t/", tailKey(s.ws, dropped), eras.entries, tailFirst); err != nil {
		return err
	}
	for _, l := range []layer{eras, ages} {
		begin := func(d *runDoc) (int64, error) {
			n, err := l.numberOf(d.ID)
			return n * l.entries, err
		}
		if err := s.cleanRuns(ctx, l.name+"/", l.key(s.ws, l.number(dropped)+1, 0), l.entries, begin); err != nil {
			return err
		}
	}
	next := *s.head
	next.Cleaned = dropped
	if err := s.commit(ctx, heads.Put(&next)); err != nil {
		return err
	}
	next.V++
	s.head = &next
	s.tail, s.folded = nil, 0
	var err error
	s.tail, err = loadTail(ctx, s.log.o.Store, s.ws)
	return err
}

// cleanAtOnce is how many runs are looked at together.
const cleanAtOnce = 64

// cleanRuns cleans the runs under a prefix up to a key.
func (s *sequencer) cleanRuns(ctx context.Context, prefix, end string, entries int64, first func(*runDoc) (int64, error)) error {
	for after := store.Key(s.ws, prefix); ; {
		docs, err := runs.Find(ctx, s.log.o.Store, store.Query{Workspace: s.ws, Where: []store.Cond{store.Gt("_id", after), store.Lt("_id", end)}, Order: []string{"_id"}}, cleanAtOnce)
		if err != nil || len(docs) == 0 {
			return err
		}
		f := folding{s: s}
		for _, d := range docs {
			after = d.ID
			n, err := first(d)
			if err != nil {
				return err
			}
			begin, all := n-n%entries, d.marks()
			kept := slices.DeleteFunc(slices.Clone(all), func(m mark) bool { return begin+int64(m&placeMask) < s.head.Dropped })
			switch {
			case len(kept) == 0:
				err = f.add(ctx, runs.Delete(d), 0)
			case len(kept) < len(all):
				d.set(kept)
				err = f.add(ctx, runs.Put(d), len(d.Marks))
			}
			if err != nil {
				return err
			}
		}
		if err := f.commit(ctx); err != nil {
			return err
		}
	}
}
