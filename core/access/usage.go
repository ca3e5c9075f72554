package access

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/headwater-cdp/headwater/core/store"
)

// Usage says when a key or a member was last seen. It is not in the key's own document, so
// that using a key does not look like changing it. Its key is workspace/key_… or workspace/mem_….
type Usage struct {
	store.Meta `bson:",inline"`
	LastUsedAt time.Time `bson:"lastUsedAt"`
}

// Usages is the collection of usages.
var Usages = store.Declare[Usage](store.Spec{Name: "key_usage"})

const (
	usageEvery   = time.Minute
	usagePending = 10_000 // beyond it uses are not noted: they are noted again within a minute
)

// usage gathers the uses of keys until Run writes them.
type usage struct {
	mu      sync.Mutex
	noted   map[string]time.Time // when each key was last noted here
	pending map[string]time.Time
}

func newUsage() *usage {
	return &usage{noted: map[string]time.Time{}, pending: map[string]time.Time{}}
}

// touch notes a use, at most once a minute for each key. It never waits for the
// store.
func (u *usage) touch(workspace, credential string, now time.Time) {
	id := store.Key(workspace, credential)
	u.mu.Lock()
	defer u.mu.Unlock()
	if at, ok := u.noted[id]; ok && now.Sub(at) < usageEvery || len(u.pending) >= usagePending {
		return
	}
	u.noted[id], u.pending[id] = now, now
}

func (u *usage) take(now time.Time) map[string]time.Time {
	u.mu.Lock()
	defer u.mu.Unlock()
	for id, at := range u.noted {
		if now.Sub(at) >= usageEvery {
			delete(u.noted, id)
		}
	}
	p := u.pending
	u.pending = map[string]time.Time{}
	return p
}

// flushUsage writes what touch noted. What cannot be written is forgotten: it is
// coarse, and must never be in anybody's way. It goes on for a moment when ctx has
// ended.
func (s *Service) flushUsage(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	pending := s.usage.take(s.clock.Now())
	ids := make([]string, 0, len(pending))
	for id := range pending {
		ids = append(ids, id)
	}
	for ids := range slices.Chunk(ids, 100) {
		docs, err := Usages.GetMany(ctx, s.store, ids)
		if err != nil {
			s.log.Warn("access: last use of keys", "error", err.Error())
			return
		}
		var ops []store.Op
		for i, d := range docs {
			if d == nil {
				d = &Usage{Meta: store.Meta{ID: ids[i]}}
			}
			if at := pending[ids[i]]; at.After(d.LastUsedAt) {
				d.LastUsedAt = at
				ops = append(ops, Usages.Put(d))
			}
		}
		if len(ops) == 0 {
			continue
		}
		if err := s.write(ctx, ops...); conflict(err) {
			for _, op := range ops { // another process noted one of them: as good
				_ = s.write(ctx, op)
			}
		}
	}
}

// fillUsage sets LastUsedAt of the keys.
func (s *Service) fillUsage(ctx context.Context, keys []*Key) error {
	ids := make([]string, len(keys))
	for i, k := range keys {
		ids[i] = store.Key(k.Workspace, k.KeyID)
	}
	docs, err := Usages.GetMany(ctx, s.store, ids)
	for i, d := range docs {
		if d != nil {
			keys[i].LastUsedAt = d.LastUsedAt
		}
	}
	return err
}
