package access

import (
	"context"
	"slices"
	"strconv"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/sync/singleflight"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
)

// freshness is how long what was read of a key is believed, whatever happens.
const freshness = time.Second

// Authenticate returns the actor that a secret stands for, acting for purpose (""
// means the key's default, else DefaultPurpose). The error is UNAUTHENTICATED with the reason
// MISSING_KEY, UNKNOWN_KEY, KEY_REVOKED, KEY_EXPIRED or WORKSPACE_DELETED, or
// FORBIDDEN with the reason PURPOSE_NOT_ALLOWED.
func (s *Service) Authenticate(ctx context.Context, secret, purpose string) (*core.Actor, error) {
	if secret == "" {
		return nil, errMissingKey
	}
	if !wellFormed(secret) {
		return nil, errMalformed
	}
	hash := hashSecret(secret)
	e, err := s.lookup(ctx, hash)
	if err != nil {
		return nil, err
	}
	k := e.key
	if k == nil {
		return nil, errUnknownKey
	}
	now := s.clock.Now()
	if err := k.state(e.workspace, now); err != nil {
		return nil, err
	}
	if purpose == "" {
		purpose = k.defaultPurpose()
	}
	if len(k.Purposes) > 0 && !slices.Contains(k.Purposes, purpose) {
		return nil, core.Errorf(core.Forbidden, "PURPOSE_NOT_ALLOWED", "this key may not be used for that purpose; name one of those that it allows in X-Purpose, or none")
	}
	s.usage.touch(k, now)
	s.quotas.set(k.KeyID, k.Quota, now)
	a := &core.Actor{
		Workspace: k.Workspace, ID: k.KeyID, Name: k.Name, Roles: k.Roles, Source: k.Source,
		Purposes: k.Purposes, Purpose: purpose, Scopes: k.Scopes,
	}
	if p := s.Policy(); p != nil {
		a.Decider = &credential{s: s, policy: p, hash: hash, purpose: purpose}
	}
	return a, nil
}

// defaultPurpose is the purpose of a request that names none: the key's own, else
// DefaultPurpose where the key may be used for it, else the first that it may.
func (k *Key) defaultPurpose() string {
	switch {
	case k.Purpose != "":
		return k.Purpose
	case len(k.Purposes) > 0 && !slices.Contains(k.Purposes, DefaultPurpose):
		return k.Purposes[0]
	}
	return DefaultPurpose
}

// entry is what is known of a key; both nil when there is none.
type entry struct {
	key       *Key
	workspace *Workspace
	read      time.Time
}

// cache keeps entries by the hash of the secret. A drop outdates also the reads
// that are on their way: their generation is not the current one.
type cache struct {
	flight singleflight.Group
	mu     sync.Mutex
	gen    uint64
	lru    *lru.Cache[string, entry]
}

func newCache(size int) *cache {
	l, err := lru.New[string, entry](size)
	if err != nil {
		panic(err) // the size is not positive
	}
	return &cache{lru: l}
}

func (c *cache) drop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.gen++
	c.lru.Purge()
}

func (c *cache) get(hash string) (entry, uint64, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.lru.Get(hash)
	return e, c.gen, ok && time.Since(e.read) < freshness
}

func (c *cache) put(hash string, gen uint64, e entry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if gen == c.gen {
		c.lru.Add(hash, e)
	}
}

// lookup returns the entry, read anew when it is not fresh. Those who ask at once
// share one read, which does not end with the first one's request.
func (s *Service) lookup(ctx context.Context, hash string) (entry, error) {
	e, gen, ok := s.cache.get(hash)
	if ok {
		return e, nil
	}
	read := s.cache.flight.DoChan(hash+strconv.FormatUint(gen, 10), func() (any, error) {
		rctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), store.MaxTime)
		defer cancel()
		e := entry{read: time.Now()}
		var err error
		if e.key, err = Keys.Get(rctx, s.store, hash); err != nil || e.key == nil {
			return e, err
		}
		if e.workspace, err = Workspaces.Get(rctx, s.store, e.key.Workspace); err != nil {
			return e, err
		}
		s.cache.put(hash, gen, e)
		return e, nil
	})
	select {
	case r := <-read:
		e, _ := r.Val.(entry)
		return e, r.Err
	case <-ctx.Done():
		return entry{}, ctx.Err()
	}
}
