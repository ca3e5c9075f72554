package audit

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/headwater-cdp/headwater/core/store"
)

// due returns before when the bodies of a workspace's entries are to be dropped, and
// whether there are some.
func (l *Log) due(ctx context.Context, ws string) (time.Time, bool, error) {
	kept, err := l.Retention(ctx, ws)
	if err != nil || kept.Months == 0 {
		return time.Time{}, false, err
	}
	before := l.o.Clock.Now().UTC().AddDate(0, -kept.Months, 0)
	old, err := oldBlocks(ctx, l.o.Store, ws, before, 1)
	return before, len(old) > 0, err
}

func oldBlocks(ctx context.Context, r store.Reader, ws string, before time.Time, limit int) ([]*block, error) {
	return blocks.Find(ctx, r, store.Query{Workspace: ws, Where: []store.Cond{store.Lt("sealed", before)}, Order: []string{"sealed"}}, limit)
}

// expire drops the bodies of the blocks that went into the log before the stated time,
// some blocks at a time, each batch with the entry that says so. Their hashes stay.
func (s *sequencer) expire(ctx context.Context) (err error) {
	defer func() {
		if err != nil {
			s.head, s.tree = nil, nil
		}
	}()
	for {
		before, some, err := s.log.due(ctx, s.ws)
		if err != nil || !some {
			return err
		}
		old, err := oldBlocks(ctx, s.log.o.Store, s.ws, before, 50)
		if err != nil {
			return err
		}
		if err := s.load(ctx); err != nil {
			return err
		}
		var ops []store.Op
		for _, b := range old {
			if err := s.dropSets(ctx, b); err != nil {
				return err
			}
			ops = append(ops, blocks.Replace(&block{Meta: b.Meta, First: b.First, N: b.N, At: b.At}))
		}
		// Blocks go in the order of time, which is that of the log.
		last := old[len(old)-1]
		it, err := s.own(ctx, Entry{Action: actionDrop, Resource: "audit", Details: map[string]string{
			"from": fmt.Sprint(old[0].First), "to": fmt.Sprint(last.First + last.N), "before": before.Format(timeFormat),
		}})
		if err != nil {
			return err
		}
		s.head.Dropped = max(s.head.Dropped, last.First+last.N)
		if err := s.append(ctx, []item{it}, ops); err != nil {
			return err
		}
	}
}

// dropSets deletes the sets of subjects of a block's entries.
func (s *sequencer) dropSets(ctx context.Context, b *block) error {
	if b.Sets == 0 {
		return nil
	}
	bodies, err := b.bodiesOf()
	if err != nil {
		return err
	}
	for _, raw := range bodies {
		e, _, err := parseBody(raw)
		if err != nil || len(e.SubjectSet) == 0 {
			continue
		}
		docs, err := sets.Find(ctx, s.log.o.Store, store.Query{Workspace: s.ws, Where: []store.Cond{store.Prefix("_id", e.ID+"/")}}, 0)
		if err != nil {
			return err
		}
		for part := range slices.Chunk(docs, 500) {
			ops := make([]store.Op, len(part))
			for i, d := range part {
				ops[i] = sets.Delete(d)
			}
			if err := s.commit(ctx, ops...); err != nil {
				return err
			}
		}
	}
	return nil
}
