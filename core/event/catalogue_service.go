package event

import (
	"context"
	"time"

	"github.com/headwater-cdp/headwater/core/store"
)

// Observe notes the fields of a unit's events. It returns the operations that the
// unit's batch must carry, which for fields that are known are none, and a
// function to call once the batch is committed. When the batch is lost to a
// conflict call Forget; the next Observe returns what is then still missing.
func (s *Service) Observe(ctx context.Context, ws string, inputs []*Input, at time.Time) ([]store.Op, func(), error) {
	c := s.catalogueOf(ws)
	if err := s.load(ctx, ws, c, at); err != nil {
		return nil, nil, outward(err)
	}
	c.mu.RLock()
	o := observer{cat: c, day: dayOf(at)}
	for _, in := range inputs {
		if in.Err == nil {
			o.input(in)
		}
	}
	quiet := len(o.findings) == 0 && o.overflow == 0 && !c.waiting(at)
	c.mu.RUnlock()
	if quiet {
		return nil, func() {}, nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.overflow += o.overflow
	for _, f := range o.findings {
		c.learn(f, at)
	}
	ops, done := c.depart(ws, at)
	return ops, done, nil
}

// Forget makes the catalogue read again what it tried to write: to be called when
// a batch with operations of Observe was not committed.
func (s *Service) Forget(ws string) {
	c := s.catalogueOf(ws)
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, o := range c.active {
		if o.flight != nil {
			o.flight, o.stale = nil, true
		}
	}
}

// Flush writes what was met and not yet written, such as samples that wait for
// their time. Reads of the catalogue and a closing server call it.
func (s *Service) Flush(ctx context.Context, ws string) error {
	c := s.catalogueOf(ws)
	return retry(func() error {
		now := s.clock.Now()
		if err := s.load(ctx, ws, c, now); err != nil {
			return err
		}
		c.mu.Lock()
		for _, o := range c.active {
			o.hard = o.hard || o.soft
		}
		ops, done := c.depart(ws, now)
		c.mu.Unlock()
		if len(ops) == 0 {
			return nil
		}
		if err := s.commit(ctx, ops...); err != nil {
			s.Forget(ws)
			return err
		}
		done()
		return nil
	})
}

// Overflow returns how many fields and owners were met beyond the limits.
func (s *Service) Overflow(ctx context.Context, ws string) (int64, error) {
	sums, err := store.Sum(ctx, s.db, ws, overflowCounter)
	return sums["n"], outward(err)
}

const overflowCounter = "fields-overflow"

// Drop forgets everything that is kept in memory of a workspace: to be called when
// it was deleted.
func (s *Service) Drop(ws string) {
	s.mu.Lock()
	delete(s.catalogue, ws)
	s.mu.Unlock()
	s.plans.drop(ws)
	s.sources.drop(ws)
}

func (s *Service) catalogueOf(ws string) *catalogue {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.catalogue[ws]
	if c == nil {
		c = &catalogue{owners: map[string]*owned{}, active: map[string]*owned{}}
		s.catalogue[ws] = c
	}
	return c
}

// staleOwner makes the next Observe read an owner again.
func (s *Service) staleOwner(ws, owner string) {
	c := s.catalogueOf(ws)
	c.mu.Lock()
	defer c.mu.Unlock()
	if o := c.owners[owner]; o != nil {
		o.stale = true
		c.active[owner] = o
	}
}

// load reads the workspace's catalogue at first, later only what is stale.
func (s *Service) load(ctx context.Context, ws string, c *catalogue, at time.Time) error {
	c.mu.RLock()
	fine := c.loaded && !c.anyStale(at)
	c.mu.RUnlock()
	if fine {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.loaded {
		sets, err := Fields.Find(ctx, s.db, store.Query{Workspace: ws}, 0)
		if err != nil {
			return err
		}
		for _, set := range sets {
			c.adopt(set.Owner, set)
		}
		c.loaded = true
		return nil
	}
	var names, keys []string
	for name, o := range c.active {
		if o.isStale(at) {
			names, keys = append(names, name), append(keys, store.Key(ws, name))
		}
	}
	sets, err := Fields.GetMany(ctx, s.db, keys)
	if err != nil {
		return err
	}
	for i, set := range sets {
		c.adopt(names[i], set)
	}
	return nil
}
