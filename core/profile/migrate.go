package profile

import (
	"context"
	"errors"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
)

// fillSlice is how many profiles one step of FillBuckets reads.
const fillSlice = 100

// FillBuckets gives the profiles of a workspace their Bucket where it is missing or
// wrong: those whose key comes after after, which is "" for all. It is a part of a
// migration; the position of its steps is the key that it came to, and done how many
// profiles it has looked at since it was called.
func FillBuckets(ctx context.Context, s store.Store, ws, after string, step func(ctx context.Context, position string, done int64, ops ...store.Op) error) error {
	var done int64
	for {
		q := store.Query{Workspace: ws}
		if after != "" {
			q.Where = []store.Cond{store.Gt("_id", after)}
		}
		found, err := Profiles.Find(ctx, s, q, fillSlice)
		if err != nil || len(found) == 0 {
			return err
		}
		last, n, ops := fill(found)
		switch err := step(ctx, last, done+int64(n), ops...); {
		case errors.Is(err, store.ErrConflict): // read it again
		case err != nil:
			return err
		default:
			after, done = last, done+int64(n)
		}
	}
}

// fill returns the operations for as many of the profiles as one batch surely holds,
// the key of the last of them and how many they are.
func fill(found []*Profile) (last string, n int, ops []store.Op) {
	bytes := 0
	for _, p := range found {
		if want := bucket(p.ProfileID()); p.Bucket != want {
			p.Bucket = want
			op := Profiles.Replace(p)
			if bytes += len(op.Doc); len(ops) > 0 && bytes > store.MaxBytes/2 {
				return last, n, ops
			}
			ops = append(ops, op)
		}
		last, n = p.ID, n+1
	}
	return last, n, ops
}

// FoldConsents folds the consents of a workspace's profiles anew, as FillBuckets fills
// in their buckets: what versions before 2 stored does not tell a first no from one that
// took a yes back.
func FoldConsents(ctx context.Context, s store.Store, ws, after string, step func(ctx context.Context, position string, done int64, ops ...store.Op) error) error {
	fold := NewService(s, core.SystemClock{})
	var done int64
	for {
		q := store.Query{Workspace: ws}
		if after != "" {
			q.Where = []store.Cond{store.Gt("_id", after)}
		}
		found, err := Profiles.Find(ctx, s, q, fillSlice)
		if err != nil || len(found) == 0 {
			return err
		}
		last, n, bytes := "", 0, 0
		var ops []store.Op
		for _, p := range found {
			if len(p.Consents) > 0 {
				again, err := fold.refoldPart(ctx, ws, p.ProfileID(), nil)
				if err != nil {
					return err
				}
				p.Consents = again.Consents
				op := Profiles.Replace(p)
				if bytes += len(op.Doc); len(ops) > 0 && bytes > store.MaxBytes/2 {
					break
				}
				ops = append(ops, op)
			}
			last, n = p.ID, n+1
		}
		switch err := step(ctx, last, done+int64(n), ops...); {
		case errors.Is(err, store.ErrConflict): // read it again
		case err != nil:
			return err
		default:
			after, done = last, done+int64(n)
		}
	}
}
