package audit

import (
	"context"
	"fmt"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
)

// Retention is for how many months a workspace keeps the bodies of its entries; 0 is for
// ever.
type Retention struct {
	Months int
	// From is since when that counts: a shorter retention waits RetentionDelay. Zero: it
	// counts.
	From    time.Time
	Version int64 // 0 before it was ever set
	// Drops is how many entries would lose their bodies now, if that counted already.
	Drops int64
}

// RetentionDelay is how long a shorter retention waits before anything is dropped: who
// looks at the log can see it coming.
const RetentionDelay = 7 * 24 * time.Hour

// MaxRetention is the longest retention that can be stated, in months.
const MaxRetention = 1200

// inForce returns for how many months entries are kept at a time.
func (d *settingsDoc) inForce(now time.Time) int {
	if now.Before(d.From) {
		return d.Before
	}
	return d.Months
}

// state makes months what is stated. What is shorter than what is in force waits, but
// not anew when it does already.
func (d *settingsDoc) state(months int, now time.Time) {
	kept := d.inForce(now)
	switch waits := now.Before(d.From); {
	case months == 0 || kept > 0 && months >= kept:
		d.Months, d.Before, d.From = months, 0, time.Time{}
	case waits && d.Months > 0 && months >= d.Months:
		d.Months = months
	default:
		d.Months, d.Before, d.From = months, kept, now.Add(RetentionDelay).UTC().Truncate(time.Millisecond)
	}
}

func (l *Log) settings(ctx context.Context, ws string) (*settingsDoc, error) {
	d, err := settings.Get(ctx, l.o.Store, store.Key(ws, "settings"))
	if err == nil && d == nil {
		d = &settingsDoc{Meta: store.Meta{ID: store.Key(ws, "settings")}}
	}
	return d, storeFault(err)
}

// retention tells of settings, and counts what they would drop.
func (l *Log) retention(ctx context.Context, ws string, d *settingsDoc) (*Retention, error) {
	out := &Retention{Months: d.Months, Version: d.V}
	now := l.o.Clock.Now().UTC()
	if now.Before(d.From) {
		out.From = d.From
	}
	if d.Months == 0 {
		return out, nil
	}
	h, err := l.head(ctx, ws)
	if err != nil {
		return nil, err
	}
	young, err := blocks.Find(ctx, l.o.Store, store.Query{
		Workspace: ws, Where: []store.Cond{store.Gte("sealed", now.AddDate(0, -d.Months, 0))}, Order: []string{"sealed"},
	}, 1)
	if err != nil {
		return nil, storeFault(err)
	}
	end := h.Size
	if len(young) > 0 {
		end = young[0].First
	}
	out.Drops = max(end-h.Dropped, 0)
	return out, nil
}

// Retention returns what a workspace has stated.
func (l *Log) Retention(ctx context.Context, ws string) (*Retention, error) {
	d, err := l.settings(ctx, ws)
	if err != nil {
		return nil, err
	}
	return l.retention(ctx, ws, d)
}

// Shortens reports whether stating months would let go of entries that are kept now, or
// sooner, with the version of the settings that says so.
func (l *Log) Shortens(ctx context.Context, ws string, months int) (bool, int64, error) {
	d, err := l.settings(ctx, ws)
	if err != nil {
		return false, 0, err
	}
	was := *d
	d.state(months, l.o.Clock.Now())
	return !d.From.IsZero() && (d.Months != was.Months || !d.From.Equal(was.From)) && (was.Months == 0 || d.Months < was.Months), was.V, nil
}

// RetentionOps returns the operations that state for how many months bodies are kept,
// over the settings with a version; CONFLICT, reason VERSION_CONFLICT, when they have
// another.
func (l *Log) RetentionOps(ctx context.Context, ws string, months int, version int64) ([]store.Op, error) {
	d, err := l.settings(ctx, ws)
	if err != nil {
		return nil, err
	}
	return l.retentionOps(ctx, ws, d, months, &version)
}

func (l *Log) retentionOps(ctx context.Context, ws string, d *settingsDoc, months int, expected *int64) ([]store.Op, error) {
	if expected != nil && *expected != d.V {
		return nil, core.Errorf(core.Conflict, "VERSION_CONFLICT", "the retention has version %d, not %d; read it and try again", d.V, *expected).At("expectedVersion")
	}
	details := map[string]string{"before": fmt.Sprint(d.Months), "months": fmt.Sprint(months)}
	d.state(months, l.o.Clock.Now())
	if !d.From.IsZero() {
		details["from"] = d.From.Format(timeFormat)
	}
	op, err := l.Op(ctx, Entry{Workspace: ws, Action: "audit.setRetention", Resource: "audit", Details: details})
	return []store.Op{settings.Put(d), op}, err
}

// CheckMonths refuses what is no retention.
func CheckMonths(months int) error {
	if months < 0 || months > MaxRetention {
		return core.Errorf(core.Invalid, "RETENTION", "entries are kept for 1 to %d months, or for ever, which is 0", MaxRetention).At("months")
	}
	return nil
}

// SetRetention states for how many months bodies are kept: 0 is for ever. A shorter
// retention than the one in force counts after RetentionDelay. It refuses (CONFLICT,
// VERSION_CONFLICT) when expected is given and not the present version. A dry run changes
// nothing and returns what would be.
func (l *Log) SetRetention(ctx context.Context, ws string, months int, expected *int64, dryRun bool) (*Retention, error) {
	if err := CheckMonths(months); err != nil {
		return nil, err
	}
	for try := 0; ; try++ {
		d, err := l.settings(ctx, ws)
		if err != nil {
			return nil, err
		}
		if expected != nil && *expected != d.V {
			return nil, core.Errorf(core.Conflict, "VERSION_CONFLICT", "the retention has version %d, not %d; read it and try again", d.V, *expected).At("expectedVersion")
		}
		if dryRun {
			d.state(months, l.o.Clock.Now())
			return l.retention(ctx, ws, d)
		}
		ops, err := l.retentionOps(ctx, ws, d, months, nil)
		if err != nil {
			return nil, err
		}
		_, err = l.o.Store.Commit(ctx, store.Batch{ID: core.NewID(core.PrefixBatch, time.Now()), Ops: ops})
		if err == nil {
			l.kick(ws)
			d.V++
			return l.retention(ctx, ws, d)
		}
		if !conflict(err) || try == 20 {
			return nil, storeFault(err)
		}
	}
}
