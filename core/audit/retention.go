package audit

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/headwater-cdp/headwater/core/store"
)

// Time is believed when it goes on as it did. When the newest entry is older than
// clockJump the clock may be wrong, and what a wrong clock deletes is lost: nothing is
// dropped until the clock has gone on from there for clockHold. Whoever looks at the log
// sees it in the entry audit.holdRetention.
const (
	clockJump = 30 * 24 * time.Hour
	clockHold = 7 * 24 * time.Hour
)

// jumped reports whether time went on so far at once that it needs to be looked at.
func (h *headDoc) jumped(now time.Time) bool { return h.Size > 0 && now.Sub(h.At) > clockJump }

// held reports whether nothing is dropped because time has jumped lately. A clock that
// was put back since then deletes nothing too much.
func (h *headDoc) held(now time.Time) bool {
	return !h.Jumped.IsZero() && !now.Before(h.Jumped) && now.Sub(h.Jumped) < clockHold
}

// due returns before when the bodies of a workspace's entries are to be dropped, and
// whether there are some.
func (l *Log) due(ctx context.Context, ws string) (time.Time, bool, error) {
	now := l.o.Clock.Now().UTC()
	d, err := settings.Get(ctx, l.o.Store, store.Key(ws, "settings"))
	if err != nil || d == nil || d.inForce(now) == 0 {
		return time.Time{}, false, err
	}
	h, err := l.head(ctx, ws)
	if err != nil || h.held(now) {
		return time.Time{}, false, err
	}
	before := now.AddDate(0, -d.inForce(now), 0)
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
		if err := s.clean(ctx); err != nil {
			return err
		}
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
		if now := s.log.o.Clock.Now(); s.head.jumped(now) {
			return s.hold(ctx, now)
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
		if err := s.append(ctx, []item{it}, ops, nil); err != nil {
			return err
		}
	}
}

// hold writes that nothing is dropped for a while, which the jump of time of this very
// entry brings about.
func (s *sequencer) hold(ctx context.Context, now time.Time) error {
	until := now.Add(clockHold).UTC().Format(timeFormat)
	s.log.o.Logger.Warn("audit: the clock is far ahead of the newest entry; nothing is dropped for a while", "workspace", s.ws, "until", until)
	it, err := s.own(ctx, Entry{Action: actionHold, Resource: "audit", Details: map[string]string{
		"newest": s.head.At.Format(timeFormat), "until": until,
	}})
	if err != nil {
		return err
	}
	return s.append(ctx, []item{it}, nil, nil)
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
