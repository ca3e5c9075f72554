package segment

import (
	"context"
	"runtime"
	"slices"
	"sync"

	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/store"
)

// keyRange is a range of profile ids: [from, to), "" being open.
type keyRange struct{ from, to string }

// cutSample is from how many people the cuts are taken; maxCuts is how many ranges
// are made at most.
const (
	cutSample = 512
	maxCuts   = 32
)

// cuts divides a workspace's people into ranges of about as many, so that several
// goroutines can walk them by key: the quantiles of the ids of a few buckets, which
// fall evenly on all people.
func (s *Service) cuts(ctx context.Context, ws string) ([]keyRange, error) {
	plan, err := store.PlanQuery(profile.Profiles.Spec, buckets(ws, 0, bucketCount))
	if err != nil {
		return nil, err
	}
	plan.Limit = cutSample
	raws, err := s.db.Scan(ctx, plan)
	if err != nil {
		return nil, err
	}
	ids := make([]string, len(raws))
	for i, raw := range raws {
		ids[i] = store.Rest(rawKey(raw))
	}
	slices.Sort(ids)
	if len(ids) < cutSample {
		return []keyRange{{}}, nil // too few to be worth it
	}
	var out []keyRange
	from := ""
	for i := 1; i < maxCuts; i++ {
		to := ids[i*len(ids)/maxCuts]
		out = append(out, keyRange{from, to})
		from = to
	}
	return append(out, keyRange{from, ""}), nil
}

// parallel calls f with each item, as many at a time as there are processors, and
// returns the first error, which ends the others.
func parallel[T any](ctx context.Context, items []T, f func(context.Context, T) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	next := make(chan T, len(items))
	for _, it := range items {
		next <- it
	}
	close(next)
	var wg sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(items)) {
		wg.Go(func() {
			for it := range next {
				if ctx.Err() != nil {
					return
				}
				if err := f(ctx, it); err != nil {
					cancel(err)
					return
				}
			}
		})
	}
	wg.Wait()
	return context.Cause(ctx)
}
