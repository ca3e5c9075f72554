package event

import (
	"bytes"
	"context"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
)

// QuarantineFilter selects items; the zero value is everything that is OPEN.
// Reason and Source cannot be given together.
type QuarantineFilter struct {
	Status   QuarantineStatus
	Reason   string
	Source   string
	From, To *time.Time // of receipt; To is exclusive
}

func (f QuarantineFilter) query(ws string) (store.Query, error) {
	q := store.Query{Workspace: ws}
	if f.Status == "" {
		f.Status = QuarantineOpen
	}
	if !slices.Contains(quarantineStatuses, f.Status) {
		return q, invalid("STATUS", "the status is one of %s", joined(quarantineStatuses)).At("status")
	}
	q.Where = append(q.Where, store.Eq("status", string(f.Status)))
	switch {
	case f.Reason != "" && f.Source != "":
		return q, invalid("FILTER", "filter by reason or by source, not by both").At("source")
	case f.Reason != "":
		q.Where = append(q.Where, store.Eq("reason", f.Reason))
	case f.Source != "":
		q.Where = append(q.Where, store.Eq("source", f.Source))
	}
	if f.From != nil {
		q.Where = append(q.Where, store.Gte("receivedAt", *f.From))
	}
	if f.To != nil {
		q.Where = append(q.Where, store.Lt("receivedAt", *f.To))
	}
	q.Order = []string{"-receivedAt"}
	return q, nil
}

// Quarantined lists items, the latest first.
func (s *Service) Quarantined(ctx context.Context, ws string, f QuarantineFilter, w core.Window) (store.Page[QuarantineItem], error) {
	q, err := f.query(ws)
	if err != nil {
		return store.Page[QuarantineItem]{}, err
	}
	page, err := Quarantine.Page(ctx, s.db, q, w)
	return page, outward(err)
}

// CountQuarantined returns how many items a filter selects.
func (s *Service) CountQuarantined(ctx context.Context, ws string, f QuarantineFilter) (int64, error) {
	q, err := f.query(ws)
	if err != nil {
		return 0, err
	}
	n, err := Quarantine.Count(ctx, s.db, q)
	return n, outward(err)
}

// QuarantineItem returns the item with an id, or nil.
func (s *Service) QuarantineItem(ctx context.Context, ws, id string) (*QuarantineItem, error) {
	q, err := Quarantine.Get(ctx, s.db, store.Key(ws, id))
	return q, outward(err)
}

// Replay returns the item's event as it would be taken now: the correction where
// there is one, else the payload, read as at its receipt. Its message id does not
// change from one replay to the next, so that it cannot become two events.
func (q *QuarantineItem) Replay(now time.Time) Input {
	raw := q.Raw
	if len(q.Correction) > 0 {
		raw = q.Correction
	}
	return q.decode(raw, now)
}

func (q *QuarantineItem) decode(raw []byte, now time.Time) Input {
	// The id that the message had without saying so, of its place in a file: the file
	// may have been imported again meanwhile.
	id := q.MessageID
	if id == "" || utf8.RuneCountInString(id) > MaxMessageID {
		id = q.QuarantineID()
	}
	return DecodeMessage(raw, Defaults{
		Type: q.DefaultType, ReceivedAt: q.ReceivedAt, Now: now, SentAt: q.SentAt, Context: q.Context, Integrations: q.Integrations,
		MessageID: id, GPC: q.GPC, Historical: q.Historical,
	})
}

// Correction is what a person makes of an item.
type Correction struct {
	ID              string
	Raw             []byte // the message as it should have been, JSON
	ExpectedVersion *int64
	DryRun          bool // only say whether it would be taken
}

// Corrected is what became of a correction.
type Corrected struct {
	Item *QuarantineItem
	Err  *core.Error // why it would still not be taken; nil when a replay would take it
}

// Correct stores another payload for an item, to be replayed. One that would still
// not be taken changes nothing, and is answered with the reason.
func (s *Service) Correct(ctx context.Context, ws string, c Correction) (Corrected, error) {
	if len(c.Raw) == 0 || len(c.Raw) > MaxBatch {
		return Corrected{}, invalid("CORRECTION", "a correction is a message of 1 to %d bytes", MaxBatch).At("raw")
	}
	var out Corrected
	err := retry(func() error {
		q, err := s.replayable(ctx, ws, c.ID)
		if err != nil {
			return err
		}
		if c.ExpectedVersion != nil && *c.ExpectedVersion != q.V {
			return staleVersion("the item", q.V, *c.ExpectedVersion)
		}
		now := s.clock.Now()
		in := q.decode(c.Raw, now)
		if in.Err == nil {
			verdict, err := s.Check(ctx, ws, &in)
			if err != nil {
				return err
			}
			in.Err = verdict.Err()
		}
		out = Corrected{q, in.Err}
		if in.Err != nil || c.DryRun {
			return nil //nolint:nilerr // why it would not be taken is the answer
		}
		more, err := s.claimed(ctx, ws, &in)
		if err != nil {
			return err
		}
		q.Correction, q.Status, q.IDs = bytes.Clone(c.Raw), QuarantineCorrected, merged(merged(q.IDs, quarantineIDs(&in)), more)
		q.touch(ctx, now)
		if err := s.commit(ctx, Quarantine.Replace(q)); err != nil {
			return err
		}
		q.V++
		return nil
	})
	return out, err
}

func merged(a, b []string) []string {
	out := append(slices.Clone(a), b...)
	slices.Sort(out)
	return slices.Compact(out)
}

func (q *QuarantineItem) touch(ctx context.Context, at time.Time) {
	q.UpdatedAt, q.UpdatedBy = at.UTC().Truncate(time.Millisecond), actorID(ctx)
}

// replayable returns an item that is OPEN or CORRECTED.
func (s *Service) replayable(ctx context.Context, ws, id string) (*QuarantineItem, error) {
	q, err := Quarantine.Get(ctx, s.db, store.Key(ws, id))
	switch {
	case err != nil:
		return nil, err
	case q == nil:
		return nil, core.Errorf(core.NotFound, "QUARANTINE_ITEM", "nothing in the quarantine has this id").At("id")
	case q.Status != QuarantineOpen && q.Status != QuarantineCorrected:
		return nil, core.Errorf(core.Conflict, "ALREADY_"+string(q.Status), "the item is no longer open").At("id")
	}
	return q, nil
}

// ReplayedOp returns the operation that notes that the item became an event: to be
// committed together with it. The item's version guards against two replays.
func (q *QuarantineItem) ReplayedOp(ctx context.Context, eventID string, at time.Time) store.Op {
	c := *q
	c.Status, c.EventID = QuarantineReplayed, eventID
	c.touch(ctx, at)
	return Quarantine.Replace(&c)
}

// FailedOp returns the operation that notes that a replay was refused again.
func (q *QuarantineItem) FailedOp(ctx context.Context, why *core.Error, at time.Time) store.Op {
	c := *q
	c.Attempts++
	c.because(why)
	c.touch(ctx, at)
	return Quarantine.Replace(&c)
}

// MaxDiscard is how many items one call discards.
const MaxDiscard = 500

// Discard gives items up: their payloads are dropped, their keys stay, so that a
// client that goes on sending them does not fill the quarantine again. It returns
// how many it discarded; those that are unknown or no longer open are passed over.
func (s *Service) Discard(ctx context.Context, ws string, ids []string) (int, error) {
	if len(ids) > MaxDiscard {
		return 0, invalid("TOO_MANY", "at most %d items are discarded at once", MaxDiscard).At("ids")
	}
	keys := make([]string, len(ids))
	for i, id := range ids {
		keys[i] = store.Key(ws, id)
	}
	slices.Sort(keys)
	keys = slices.Compact(keys)
	n := 0
	for chunk := range slices.Chunk(keys, 50) { // a payload may have half a megabyte, but what is written has none
		err := retry(func() error {
			items, err := Quarantine.GetMany(ctx, s.db, chunk)
			if err != nil {
				return err
			}
			var ops []store.Op
			for _, q := range items {
				if q == nil || q.Status != QuarantineOpen && q.Status != QuarantineCorrected {
					continue
				}
				q.Status, q.Raw, q.Correction, q.Context, q.IDs = QuarantineDiscarded, nil, nil, nil, nil
				q.touch(ctx, s.clock.Now())
				ops = append(ops, Quarantine.Replace(q))
			}
			if len(ops) == 0 {
				return nil
			}
			if err := s.commit(ctx, ops...); err != nil {
				return err
			}
			n += len(ops)
			return nil
		})
		if err != nil {
			return n, err
		}
	}
	return n, nil
}
