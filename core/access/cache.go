package access

import (
	"context"
	"strconv"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/sync/singleflight"

	"github.com/headwater-cdp/headwater/core/store"
)

// cache keeps what was read, for freshness at most, and a bounded number of it. A
// drop outdates also the reads that are on their way: their generation is not the
// current one.
type cache[T any] struct {
	flight singleflight.Group
	mu     sync.Mutex
	gen    uint64
	lru    *lru.Cache[string, dated[T]]
}

// dated is something with the moment at which its reading began.
type dated[T any] struct {
	it   T
	read time.Time
}

func newCache[T any](size int) *cache[T] {
	l, err := lru.New[string, dated[T]](size)
	if err != nil {
		panic(err) // the size is not positive
	}
	return &cache[T]{lru: l}
}

func (c *cache[T]) drop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.gen++
	c.lru.Purge()
}

func (c *cache[T]) kept(key string) (T, uint64, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	d, ok := c.lru.Get(key)
	return d.it, c.gen, ok && time.Since(d.read) < freshness
}

func (c *cache[T]) put(key string, gen uint64, d dated[T]) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if gen == c.gen {
		c.lru.Add(key, d)
	}
}

// get returns what is kept under a key, read anew when it is not fresh. Those who ask
// at once share one read, which does not end with the first one's request. read also
// says whether to keep what it found: guesses must not push out what is used.
func (c *cache[T]) get(ctx context.Context, key string, read func(ctx context.Context) (it T, keep bool, err error)) (T, error) {
	it, gen, ok := c.kept(key)
	if ok {
		return it, nil
	}
	asked := c.flight.DoChan(key+strconv.FormatUint(gen, 10), func() (any, error) {
		rctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), store.MaxTime)
		defer cancel()
		begun := time.Now()
		it, keep, err := read(rctx)
		if err == nil && keep {
			c.put(key, gen, dated[T]{it, begun})
		}
		return it, err
	})
	select {
	case r := <-asked:
		it, _ := r.Val.(T)
		return it, r.Err
	case <-ctx.Done():
		var none T
		return none, ctx.Err()
	}
}
