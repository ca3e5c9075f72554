package profile

import (
	"context"
	"slices"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/object"
	"github.com/headwater-cdp/headwater/core/store"
)

var _ object.Gate = (*Gate)(nil)

// Everyone implements object.Gate: whether everybody is admitted, restrictions of
// processing looked up.
func (g *Gate) Everyone(ctx context.Context) (bool, error) {
	switch {
	case g.open:
		return true, nil
	case !g.everybody():
		return false, nil
	case g.compliance():
		return true, nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.everyone == nil {
		q := store.Query{Workspace: g.ws, Where: []store.Cond{store.Eq("restricted", 1)}}
		found, err := Profiles.Find(ctx, g.svc.db, q, 1)
		if err != nil {
			return false, storeError("find restricted profiles", err)
		}
		yes := len(found) == 0
		g.everyone = &yes
	}
	return *g.everyone, nil
}

// Whose implements object.Gate: who holds each of some identifiers, and whether they are
// admitted; a name that is nobody's is as what belongs to nobody. It remembers.
func (g *Gate) Whose(ctx context.Context, ids []event.Identifier) ([]core.Whose, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.whose == nil {
		g.whose = map[event.Identifier]core.Whose{}
	}
	var parts, names []event.Identifier
	for _, id := range ids {
		if _, known := g.whose[id]; known {
			continue
		}
		if id.Namespace == object.ProfileNamespace {
			parts = append(parts, id)
		} else {
			names = append(names, id)
		}
	}
	for chunk := range slices.Chunk(parts, maxGet) {
		keys := make([]string, len(chunk))
		for i, id := range chunk {
			keys[i] = id.Value
		}
		if err := g.learn(ctx, chunk, func() ([]*Profile, error) { return g.svc.GetMany(ctx, g.ws, keys) }); err != nil {
			return nil, err
		}
	}
	for chunk := range slices.Chunk(names, maxGet) {
		if err := g.learn(ctx, chunk, func() ([]*Profile, error) { return g.svc.ByIdentifiers(ctx, g.ws, chunk) }); err != nil {
			return nil, err
		}
	}
	out := make([]core.Whose, len(ids))
	for i, id := range ids {
		out[i] = g.whose[id]
	}
	return out, nil
}

func (g *Gate) learn(ctx context.Context, ids []event.Identifier, read func() ([]*Profile, error)) error {
	people, err := read()
	if err != nil {
		return err
	}
	for i, p := range people {
		if p == nil {
			g.whose[ids[i]] = core.Whose{Seen: g.nobodys()}
			continue
		}
		ok, _ := g.Admits(ctx, p)
		g.whose[ids[i]] = core.Whose{Profile: p.ProfileID(), Seen: ok}
	}
	return nil
}
