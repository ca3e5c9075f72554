package object

import (
	"context"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/store"
)

// bundle is the drafts of some items with what they need to know.
type bundle struct {
	w      *writing
	t      *Type
	order  []int // of the items that are not committed yet
	drafts map[int]*draft
	byKey  map[string]int // record key → item

	targets   map[string]*Record         // that are referred to
	claims    map[string]*store.ClaimDoc // that exist
	people    map[event.Identifier]string
	committed map[string]*Record             // by earlier groups
	erased    map[event.Identifier]time.Time // those who are nobody now; nil: nobody was asked for
	noneSince store.Op
}

// examine reads what the drafts refer to and claim, and fails those that may not.
func (b *bundle) examine(ctx context.Context) error {
	b.committed = map[string]*Record{}
	if err := b.readTargets(ctx); err != nil {
		return err
	}
	if err := b.readClaims(ctx); err != nil {
		return err
	}
	if err := b.findPeople(ctx); err != nil {
		return err
	}
	if err := b.findErased(ctx); err != nil {
		return err
	}
	// A draft that fails takes those that refer to what it would have made along.
	for again := true; again; {
		again = false
		kept := b.order[:0]
		taken := map[string]bool{}
		for _, i := range b.order {
			err := b.outdated(i)
			if err == nil {
				err = b.judge(b.drafts[i], taken)
			}
			if err == nil {
				kept = append(kept, i)
				continue
			}
			again = true
			delete(b.byKey, b.drafts[i].after.ID)
			delete(b.drafts, i)
			b.w.results[i].Outcome, b.w.results[i].Err = Failed, err
		}
		b.order = kept
	}
	return nil
}

func (b *bundle) readTargets(ctx context.Context) error {
	var keys []string
	b.targets = map[string]*Record{}
	for _, i := range b.order {
		for _, r := range b.drafts[i].refs {
			if _, asked := b.targets[r.key]; !asked {
				b.targets[r.key] = nil
				keys = append(keys, r.key)
			}
		}
	}
	for from := 0; from < len(keys); from += readSlice {
		some := keys[from:min(from+readSlice, len(keys))]
		found, err := Records.GetMany(ctx, b.w.s.o.Store, some)
		if err != nil {
			return err
		}
		for j, r := range found {
			if r != nil && !r.Deleted() {
				b.targets[some[j]] = r
			}
		}
	}
	return nil
}

// readSlice is how many keys are read at once.
const readSlice = 1000

func (b *bundle) readClaims(ctx context.Context) error {
	var keys []string
	for _, i := range b.order {
		d := b.drafts[i]
		keys = append(keys, d.release...)
		for _, c := range d.claims {
			keys = append(keys, c.ID)
		}
	}
	b.claims = map[string]*store.ClaimDoc{}
	for from := 0; from < len(keys); from += readSlice {
		found, err := store.Claims.GetMany(ctx, b.w.s.o.Store, keys[from:min(from+readSlice, len(keys))])
		if err != nil {
			return err
		}
		for _, c := range found {
			if c != nil {
				b.claims[c.ID] = c
			}
		}
	}
	return nil
}

// judge says why a draft cannot be: a value is another's, a reference leads nowhere.
func (b *bundle) judge(d *draft, taken map[string]bool) *core.Error {
	for _, r := range d.refs {
		if _, made := b.byKey[r.key]; b.targets[r.key] == nil && !made {
			return core.Errorf(core.NotFound, ReasonReference, "no record of the target type has this external id; write it first").At(r.path...)
		}
	}
	for n, c := range d.claims {
		known := b.claims[c.ID]
		if known != nil && known.Owner != c.Owner || taken[c.ID] {
			if f := d.t.exactly(d.fields[n]); f != nil && f.Claim != "" {
				if f.hidden(b.w.hidden) {
					return core.Errorf(core.Conflict, ReasonFieldUnique, "another record has a value that only one may have, and that this key may not read")
				}
				return notUnique(f).At("fields", f.Key)
			}
			return errChanging // only a rule on trial forbids it
		}
	}
	for _, c := range d.claims {
		taken[c.ID] = true
	}
	return nil
}

// findPeople asks once who is named by any of the drafts' links.
func (b *bundle) findPeople(ctx context.Context) error {
	b.people = map[event.Identifier]string{}
	var ids []event.Identifier
	for _, i := range b.order {
		d := b.drafts[i]
		d.people = peopleOf(d.before, d.after)
		for _, id := range d.people {
			if _, asked := b.people[id]; !asked {
				b.people[id] = ""
				ids = append(ids, id)
			}
		}
	}
	found, err := b.w.s.resolve(ctx, b.w.ws, ids)
	for j := range found {
		b.people[ids[j]] = found[j]
	}
	return err
}

// resolve asks the port in slices.
func (s *Service) resolve(ctx context.Context, ws string, ids []event.Identifier) ([]string, error) {
	if s.o.People == nil {
		return make([]string, len(ids)), nil
	}
	out := make([]string, 0, len(ids))
	for from := 0; from < len(ids); from += readSlice {
		found, err := s.o.People.Resolve(ctx, ws, ids[from:min(from+readSlice, len(ids))])
		if err != nil {
			return nil, err
		}
		out = append(out, found...)
	}
	return out, nil
}
