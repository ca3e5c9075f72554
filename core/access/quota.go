package access

import (
	"context"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/time/rate"

	"github.com/headwater-cdp/headwater/core"
)

// quotas are the rate limiters of the keys that have a quota, in this process.
type quotas struct {
	mu  sync.Mutex
	lru *lru.Cache[string, *limiter]
}

type limiter struct {
	quota Quota
	rate  *rate.Limiter
}

func newQuotas(size int) *quotas {
	l, err := lru.New[string, *limiter](size)
	if err != nil {
		panic(err) // the size is not positive
	}
	return &quotas{lru: l}
}

// set makes the key's limiter what its quota says, keeping what was spent.
func (q *quotas) set(key string, quota Quota, now time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	l, ok := q.lru.Get(key)
	switch {
	case quota.PerSecond <= 0:
		if ok {
			q.lru.Remove(key)
		}
	case !ok:
		q.lru.Add(key, &limiter{quota, rate.NewLimiter(rate.Limit(quota.PerSecond), quota.burst())})
	case l.quota != quota:
		l.quota = quota
		l.rate.SetLimitAt(now, rate.Limit(quota.PerSecond))
		l.rate.SetBurstAt(now, quota.burst())
	}
}

// Spend takes n events off the quota of ctx's actor, all or none. Beyond it the
// error is RATE_LIMITED (reason QUOTA_EXCEEDED) and says when to try again. More
// than the burst at once costs the whole burst: a large batch is slowed, never
// impossible.
func (s *Service) Spend(ctx context.Context, n int) error {
	a := core.ActorFrom(ctx)
	if a == nil {
		return errMissingKey
	}
	s.quotas.mu.Lock()
	l, ok := s.quotas.lru.Get(a.ID)
	s.quotas.mu.Unlock()
	if !ok || n <= 0 {
		return nil
	}
	now := s.clock.Now()
	r := l.rate.ReserveN(now, min(n, l.rate.Burst()))
	if wait := r.DelayFrom(now); wait > 0 {
		r.CancelAt(now)
		return core.Errorf(core.RateLimited, "QUOTA_EXCEEDED", "the quota of this key is used up; send less, or try again later").After(wait)
	}
	return nil
}
