package message

import (
	"context"
	stdsync "sync"
	"time"
)

// cacheAge is how long a process may go by what another process has changed meanwhile.
// What a hand-off may not happen without is checked in its commit instead.
const cacheAge = 500 * time.Millisecond

// cache keeps what was read a moment ago, by key.
type cache[T any] struct {
	mu   stdsync.Mutex
	kept map[string]cached[T]
}

type cached[T any] struct {
	value T
	at    time.Time // of the process's own clock
}

func (c *cache[T]) get(ctx context.Context, key string, read func(context.Context) (T, error)) (T, error) {
	c.mu.Lock()
	have, ok := c.kept[key]
	c.mu.Unlock()
	if ok && time.Since(have.at) < cacheAge {
		return have.value, nil
	}
	at := time.Now()
	v, err := read(ctx)
	if err != nil {
		return v, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.kept == nil || len(c.kept) > 10_000 {
		c.kept = map[string]cached[T]{}
	}
	c.kept[key] = cached[T]{v, at}
	return v, nil
}

// drop forgets a key; "" forgets everything.
func (c *cache[T]) drop(key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if key == "" {
		clear(c.kept)
		return
	}
	delete(c.kept, key)
}
