package object

import (
	"context"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core"
)

// drafter works out what becomes of one record; nil is a record that is not there.
type drafter func(t *Type, r *Record, now time.Time) (*draft, *core.Error)

// Delete deletes records, softly: they keep their values and links, are found by
// no condition, give their unique values up, and can be restored. A deleted record
// is UNCHANGED, an unknown one FAILED.
func (s *Service) Delete(ctx context.Context, ws, typeKey string, externalIDs []string) ([]ItemResult, error) {
	return s.write(ctx, ws, typeKey, externalIDs, nil, func(int) drafter { return draftDelete })
}

// Restore brings deleted records back as they were. It fails for a record that no
// longer fits its type, or whose unique value another has taken meanwhile. A record
// that lives is UNCHANGED.
func (s *Service) Restore(ctx context.Context, ws, typeKey string, externalIDs []string) ([]ItemResult, error) {
	return s.write(ctx, ws, typeKey, externalIDs, nil, func(int) drafter { return draftRestore })
}

var errNoRecord = core.Errorf(core.NotFound, "RECORD", "no record of the type has this external id")

func draftDelete(t *Type, r *Record, now time.Time) (*draft, *core.Error) {
	if r == nil {
		return nil, errNoRecord
	}
	d := &draft{t: t, before: r, after: r, outcome: Unchanged}
	if r.Deleted() {
		return d, nil
	}
	old := t.values(r)
	after := *r
	after.DeletedAt = now.UTC().Truncate(time.Millisecond)
	after.UpdatedAt, after.Tokens = after.DeletedAt, nil
	after.Version++
	d.outcome, d.after = Deleted, &after
	d.claimAndRefer(old) // against no values: all are given up
	return d, nil
}

func draftRestore(t *Type, r *Record, now time.Time) (*draft, *core.Error) {
	switch {
	case r == nil:
		return nil, errNoRecord
	case t.Deleting != "":
		return nil, errDeleting
	case !r.Deleted():
		return &draft{t: t, before: r, after: r, outcome: Unchanged}, nil
	}
	d := &draft{t: t, before: r, vals: map[string]bson.RawValue{}}
	for id, v := range t.values(r) {
		f := fieldByID(t.Fields, id)
		fits, err := f.value(v)
		if err == nil {
			err = d.onTrial(id, fits)
		}
		if err != nil {
			return nil, err.At("fields", f.Key)
		}
		d.vals[id] = fits
	}
	if err := t.complete(d.vals); err != nil {
		return nil, err.At("fields")
	}
	after := *r
	after.DeletedAt, after.UpdatedAt = time.Time{}, now.UTC().Truncate(time.Millisecond)
	after.Values, after.Schema, after.Tokens = t.encode(d.vals), t.Version, tokens(t, d.vals)
	after.Version++
	d.outcome, d.after = Restored, &after
	d.claimAndRefer(nil)
	return d, nil
}
