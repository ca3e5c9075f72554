package privacy

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/message"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// Messages finds messages that are not needed any more. message.Service implements it.
type Messages interface {
	// Expired returns the operations that delete some of a person's old messages, and how
	// many documents those are; with all it only counts all of them.
	Expired(ctx context.Context, ws string, parts []string, x message.Expiry, all bool) ([]store.Op, int64, error)
	// ExpiredTests is Expired for a page of the messages that are no person's. The cursor of
	// the next page is "" after the last.
	ExpiredTests(ctx context.Context, ws string, x message.Expiry, after string, all bool) (ops []store.Op, n int64, next string, err error)
}

// maxDeletionRaces is how often a slice of deletions is tried that loses races.
const maxDeletionRaces = 50

// retainMessages deletes a person's messages to which nothing has happened since the cutoff.
// What was counted of them is counted elsewhere, and stays.
func (d *Desk) retainMessages(ctx context.Context, ws, id string, r *RetentionRule, cutoff time.Time, dryRun bool) (int64, error) {
	if d.o.Messages == nil {
		return 0, nil
	}
	x := message.Expiry{Purpose: r.Purpose, Before: cutoff}
	var n int64
	for races := 0; ; {
		p, err := d.o.Profiles.Get(ctx, ws, id)
		if err != nil || p == nil {
			if core.CodeOf(err) == core.NotFound {
				err = nil
			}
			return n, err
		}
		if held, err := d.held(ctx, p); err != nil || held {
			return n, cmp.Or(err, errHeld)
		}
		ops, some, err := d.o.Messages.Expired(ctx, ws, p.Parts, x, dryRun)
		if err != nil || dryRun || some == 0 {
			return n + some, err
		}
		// A hold that is placed later changes the person's version, and the batch conflicts.
		switch err := work.Commit(ctx, d.o.Store, append(ops, profile.Profiles.Check(p))...); {
		case err == nil:
			n, races = n+some, 0
		case !errors.Is(err, store.ErrConflict) || races == maxDeletionRaces:
			return n, err
		default:
			races++
			if err := d.o.Clock.Sleep(ctx, time.Duration(races)*time.Millisecond); err != nil {
				return n, err
			}
		}
	}
}

// retainTests is retainMessages for messages that are no person's.
func (d *Desk) retainTests(ctx context.Context, ws string, r *RetentionRule, in retentionInput) (int64, error) {
	if d.o.Messages == nil {
		return 0, nil
	}
	x := message.Expiry{Purpose: r.Purpose, Before: in.At.Add(-r.After)}
	var n int64
	after := ""
	for races := 0; ; {
		ops, some, next, err := d.o.Messages.ExpiredTests(ctx, ws, x, after, in.DryRun)
		if err != nil {
			return n, err
		}
		if !in.DryRun && len(ops) > 0 {
			err = work.Commit(ctx, d.o.Store, ops...)
		}
		switch {
		case err == nil:
			n, after, races = n+some, next, 0
			if next == "" {
				return n, nil
			}
		case !errors.Is(err, store.ErrConflict) || races == maxDeletionRaces:
			return n, err
		default:
			races++
			if err := d.o.Clock.Sleep(ctx, time.Duration(races)*time.Millisecond); err != nil {
				return n, err
			}
		}
	}
}
