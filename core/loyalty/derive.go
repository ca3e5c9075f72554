package loyalty

import (
	"context"
	"fmt"
	"slices"

	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/store"
)

var _ profile.Fold = (*Service)(nil)

// Derive implements profile.Fold: it writes the entries of the unit's events and the
// accounts that they change. A unit without such events that moves no parts costs
// nothing.
func (s *Service) Derive(ctx context.Context, u *profile.Unit, _ []store.Op) (profile.Derived, error) {
	d := &derivation{s: s, u: u, ws: u.Workspace(), fresh: map[string][]*Entry{}}
	changes := u.Changes()
	var keys []string
	for i := range changes {
		c := &changes[i]
		d.note(c)
		if c.Before != nil && (u.Moved(c) || len(d.fresh[c.ID]) > 0) {
			keys = append(keys, store.Key(d.ws, c.ID))
		}
	}
	if len(keys) == 0 && len(d.fresh) == 0 {
		return profile.Derived{}, nil
	}
	if err := d.read(ctx, keys); err != nil {
		return profile.Derived{}, err
	}
	p, err := s.Program(ctx, d.ws)
	if err != nil {
		return profile.Derived{}, err
	}
	d.program = p
	for i := range changes {
		if err := d.change(ctx, &changes[i]); err != nil {
			return profile.Derived{}, err
		}
	}
	return profile.Derived{Ops: d.ops}, nil
}

// derivation is one call of Derive.
type derivation struct {
	s       *Service
	u       *profile.Unit
	ws      string
	program *Program
	fresh   map[string][]*Entry // of the unit's events, by profile
	stored  map[string]*Account // by profile
	guards  map[string]*guard   // of accounts that move, by profile
	ops     []store.Op
}

// note takes the entries of a change's events.
func (d *derivation) note(c *profile.Change) {
	for _, e := range c.Events {
		if entry := entryOf(e); entry != nil {
			d.fresh[c.ID] = append(d.fresh[c.ID], entry)
			d.ops = append(d.ops, Entries.Insert(entry))
		}
	}
}

// read reads the accounts with the keys, and the guards of those that there are.
func (d *derivation) read(ctx context.Context, keys []string) error {
	d.stored, d.guards = map[string]*Account{}, map[string]*guard{}
	for chunk := range slices.Chunk(keys, 500) {
		found, err := Accounts.GetMany(ctx, d.s.Store, chunk)
		if err != nil {
			return fmt.Errorf("loyalty: read accounts: %w", err)
		}
		var have []string
		for _, a := range found {
			if a != nil {
				d.stored[a.ProfileID()] = a
				have = append(have, a.ID)
			}
		}
		held, err := guards.GetMany(ctx, d.s.Store, have)
		if err != nil {
			return fmt.Errorf("loyalty: read guards: %w", err)
		}
		for i, g := range held {
			if g == nil {
				g = &guard{Meta: store.Meta{ID: have[i]}}
			}
			d.guards[store.Rest(have[i])] = g
		}
	}
	return nil
}

// change works out what becomes of one account.
func (d *derivation) change(ctx context.Context, c *profile.Change) error {
	old, fresh := d.stored[c.ID], d.fresh[c.ID]
	moved := d.u.Moved(c)
	if moved && old != nil { // nobody who read it takes points from what it has become
		d.ops = append(d.ops, bump(d.guards[c.ID]))
	}
	switch {
	case c.After == nil:
		if old != nil {
			d.ops = append(d.ops, Accounts.Delete(old))
		}
		return nil
	case moved && len(d.stored) > 0:
		entries, err := d.s.entries(ctx, d.ws, c.After.Parts)
		if err != nil {
			return err
		}
		d.put(c.ID, old, fold(store.Key(d.ws, c.ID), append(entries, fresh...)))
	case len(fresh) > 0:
		a := newAccount(store.Key(d.ws, c.ID))
		if old != nil {
			a = old.clone()
		}
		for _, e := range fresh {
			a.apply(e)
		}
		d.put(c.ID, old, a)
	}
	return nil
}

func (d *derivation) put(id string, old, a *Account) {
	if a != nil {
		d.program.plan(a, d.u.Now())
	}
	switch {
	case a == nil && old == nil:
	case a == nil:
		d.ops = append(d.ops, Accounts.Delete(old))
	case old == nil:
		// Above every version that the id had before it was deleted: what was read of one
		// of those must not pass for this.
		a.V = d.u.Now().UnixMilli()
		d.ops = append(d.ops, Accounts.Insert(a))
	default:
		a.V = old.V
		d.ops = append(d.ops, Accounts.Replace(a))
	}
}

func bump(g *guard) store.Op {
	next := *g
	next.N++
	return guards.Put(&next)
}

// entries returns the entries of parts, in no order.
func (s *Service) entries(ctx context.Context, ws string, parts []string) ([]*Entry, error) {
	var all []*Entry
	for _, part := range parts {
		found, err := Entries.Find(ctx, s.Store, store.Query{Workspace: ws, Where: []store.Cond{store.Eq("part", part)}}, 0)
		if err != nil {
			return nil, fmt.Errorf("loyalty: read entries: %w", err)
		}
		all = append(all, found...)
	}
	return all, nil
}
