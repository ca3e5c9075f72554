package loyalty

import (
	"bytes"
	"context"
	"time"

	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/store"
)

// RebuildKind is the kind of the job that compares the accounts and entries of everybody
// with what their events say: see profile.FoldRebuildHandler.
const RebuildKind = "loyalty.rebuild"

// Check compares the accounts and entries of everybody with what their events say.
func (s *Service) Check(ctx context.Context, ws string) ([]profile.Difference, error) {
	return s.Profiles.CheckFold(ctx, ws, profile.ModeCheck, s.refold)
}

// refold is a profile.Refold. Entries whose events retention has deleted are kept: they
// are all that is left of them.
func (s *Service) refold(ctx context.Context, p *profile.Profile) (profile.Refolded, error) {
	var out profile.Refolded
	ws := p.Workspace()
	have, err := s.entries(ctx, ws, p.Parts)
	if err != nil {
		return out, err
	}
	stored := make(map[string]*Entry, len(have))
	for _, e := range have {
		stored[e.ID] = e
	}
	var want []*Entry
	err = s.Profiles.EachEventOf(ctx, ws, p.Parts, func(e *event.Event) error {
		entry := entryOf(e)
		if entry == nil {
			return nil
		}
		old := stored[entry.ID]
		delete(stored, entry.ID)
		want = append(want, entry)
		switch {
		case old == nil:
			out.Differences = append(out.Differences, "entries."+entry.EntryID())
			out.Ops = append(out.Ops, Entries.Insert(entry))
		case !equal(Entries, old, entry):
			out.Differences = append(out.Differences, "entries."+entry.EntryID())
			entry.V = old.V
			out.Ops = append(out.Ops, Entries.Replace(entry))
		}
		return nil
	})
	if err != nil {
		return out, err
	}
	for _, e := range stored {
		want = append(want, e)
	}
	live, err := Accounts.Get(ctx, s.Store, p.ID)
	if err != nil {
		return out, err
	}
	anew := fold(p.ID, want)
	if anew != nil && live != nil {
		anew.Due = live.Due
	}
	switch {
	case anew == nil && live == nil, anew != nil && live != nil && equal(Accounts, live, anew):
		return out, nil
	case anew == nil:
		out.Ops = append(out.Ops, Accounts.Delete(live))
	default:
		program, err := s.Program(ctx, ws)
		if err != nil {
			return out, err
		}
		program.plan(anew, s.now())
		if live == nil {
			anew.V = time.Now().UnixMilli() // above every version that the id had before
			out.Ops = append(out.Ops, Accounts.Insert(anew))
		} else {
			anew.V = live.V
			out.Ops = append(out.Ops, Accounts.Replace(anew))
		}
	}
	out.Differences = append(out.Differences, "account")
	return out, nil
}

// equal compares two documents but for their versions.
func equal[T any](c *store.Collection[T], a, b *T) bool {
	x, errX := c.Encode(a)
	y, errY := c.Encode(b)
	return errX == nil && errY == nil && bytes.Equal(unversioned(x), unversioned(y))
}

// unversioned returns a document without its version.
func unversioned(doc []byte) []byte {
	var out []byte
	for it := event.Elements(doc); it.Next(); {
		if string(it.Key()) != "_v" {
			out = append(out, it.Key()...)
			out = append(out, 0, byte(it.Value().Type))
			out = append(out, it.Value().Value...)
		}
	}
	return out
}
