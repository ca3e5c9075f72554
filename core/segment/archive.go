package segment

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"

	"github.com/headwater-cdp/headwater/core/condition"
	"github.com/headwater-cdp/headwater/core/store"
)

// Archive takes a segment out of use: it is not evaluated any more, its members stay
// as they were, and nothing new can refer to it. While something refers to it, that is CONFLICT, reason IN_USE,
// with the names of what does. Archiving an archived segment does nothing.
func (s *Service) Archive(ctx context.Context, ws, id string, expectedVersion *int64) (*Outcome, error) {
	_, err := s.redefine(ctx, ws, "", func(rev int64) ([]store.Op, error) {
		voc, seg, err := s.subject(ctx, ws, id, expectedVersion)
		if err != nil || seg.Status == Archived {
			return nil, err
		}
		users, err := s.usedBy(ctx, voc, id)
		if err != nil {
			return nil, err
		}
		if len(users) > 0 {
			return nil, inUse("the segment", users).At("id")
		}
		if err := s.mayMove(ctx, voc, id); err != nil { // who is limited to an archived one sees nobody
			return nil, err
		}
		seg.Status, seg.UpdatedAt = Archived, millis(s.clock.Now())
		return []store.Op{Segments.Replace(seg)}, nil
	})
	if err != nil {
		return nil, fail(err)
	}
	out, err := s.follow(ctx, ws, id, "")
	return out, fail(err)
}

// Restore puts an archived segment to use again, or one that is stalled. Its
// condition is checked anew, for what it refers to may have gone, and its job looks
// at everybody. Restoring one that is in use does nothing.
func (s *Service) Restore(ctx context.Context, ws, id string, expectedVersion *int64) (*Outcome, error) {
	var warnings []condition.Warning
	job, err := s.redefine(ctx, ws, id, func(rev int64) ([]store.Op, error) {
		voc, seg, err := s.subject(ctx, ws, id, expectedVersion)
		if err != nil {
			return nil, err
		}
		stalled, err := s.Stalled(ctx, ws, seg)
		if err != nil || seg.Status != Archived && !stalled {
			return nil, err
		}
		seg.Status, seg.Since, seg.UpdatedAt = Building, rev, millis(s.clock.Now())
		if seg.Kind != Static {
			where, err := whereTree(seg.WhereVersion, seg.Where)
			if err != nil {
				return nil, err
			}
			n, faults, w, err := voc.check(where, id, seg.Kind, nil, false)
			if err != nil {
				return nil, err
			}
			if n != nil {
				faults = append(faults, define(seg, n)...)
			}
			if err := faultsAt(faults); err != nil {
				return nil, err
			}
			warnings = w
		}
		return []store.Op{Segments.Replace(seg)}, nil
	})
	if err != nil {
		return nil, fail(err)
	}
	out, err := s.follow(ctx, ws, id, job)
	if err != nil {
		return nil, fail(err)
	}
	out.Warnings = warnings
	return out, nil
}

// subject reads what the workspace knows and a copy of the segment to be changed.
func (s *Service) subject(ctx context.Context, ws, id string, expectedVersion *int64) (*vocabulary, *Segment, error) {
	voc, err := s.vocabularyNow(ctx, ws)
	if err != nil {
		return nil, nil, err
	}
	old := voc.segments[id]
	if old == nil {
		return nil, nil, notFound("id")
	}
	if expectedVersion != nil && *expectedVersion != old.Version {
		return nil, nil, stale(old.Version, *expectedVersion)
	}
	own := *old
	return voc, &own, nil
}

// whereTree decodes a stored condition into what Faults reads, numbers exact.
func whereTree(version int, where string) (any, error) {
	raw := []byte(where)
	if version != condition.Version {
		var err error
		if raw, err = condition.Upgrade(version, raw); err != nil {
			return nil, err
		}
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var v any
	err := d.Decode(&v)
	return v, err
}

func conflicted(err error) bool { return errors.Is(err, store.ErrConflict) }
