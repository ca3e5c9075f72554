package object

import (
	"context"
	"slices"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/store"
)

// Tombstones remembers who was erased. core/privacy implements it.
type Tombstones interface {
	// Erased returns when the person who held each identifier was last erased, in their
	// order; zero: nobody was.
	Erased(ctx context.Context, ws string, ids []event.Identifier) ([]time.Time, error)
	// NoneSince returns an operation that conflicts when somebody of the workspace was
	// erased after it was asked for.
	NoneSince(ctx context.Context, ws string) (store.Op, error)
}

// SetTombstones sets who remembers the erased; nil is nobody, as before the first call.
// It is called once, before the service is used.
func (s *Service) SetTombstones(t Tombstones) { s.tombs = t }

// ReasonErased is the reason of the error about an item that would bring data of an erased
// person back.
const ReasonErased = "ERASED"

// findErased asks which of those whom the drafts name and whom nobody is now were erased.
// From then on the commit holds only if nobody was erased meanwhile: an erasure that this
// has not seen makes it look again.
func (b *bundle) findErased(ctx context.Context) error {
	t := b.w.s.tombs
	if t == nil || b.w.said == nil {
		return nil
	}
	var ask []event.Identifier
	for _, i := range b.order {
		for _, id := range peopleOf(b.drafts[i].after) {
			if b.people[id] == "" {
				ask = append(ask, id)
			}
		}
	}
	if len(ask) == 0 {
		return nil
	}
	var err error
	if b.noneSince, err = t.NoneSince(ctx, b.w.ws); err != nil {
		return err
	}
	b.erased = map[event.Identifier]time.Time{}
	for some := range slices.Chunk(ask, readSlice) {
		times, err := t.Erased(ctx, b.w.ws, some)
		if err != nil {
			return err
		}
		for j, at := range times {
			if !at.IsZero() {
				b.erased[some[j]] = at
			}
		}
	}
	return nil
}

// outdated refuses an item that links to somebody who was erased and says nothing newer: a
// file, and what another system still holds, would bring back what was deleted. Who came
// back since is somebody again.
func (b *bundle) outdated(i int) *core.Error {
	if len(b.erased) == 0 {
		return nil
	}
	said := b.w.said(i)
	for _, token := range b.drafts[i].after.Links {
		l := parseLink(token)
		at, erased := b.erased[event.Identifier{Namespace: l.Namespace, Value: l.Value}]
		if erased && !said.After(at) {
			return core.Errorf(core.Conflict, ReasonErased,
				"the person whom this links to was erased, and nothing says that this is newer; leave it out here and where it comes from").At("links", l.Relation)
		}
	}
	return nil
}

// checkErased returns the operation that holds the answer of findErased, where it was asked.
func (g *group) checkErased() []store.Op {
	if g.b.erased == nil {
		return nil
	}
	return []store.Op{g.b.noneSince}
}
