package library

import (
	"context"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/core/store"
)

// Filter narrows a list of templates by one of its fields; the zero Filter lists all.
type Filter struct {
	Family, Channel, Tag string
	Status               Status
}

func (f Filter) query(ws string) (store.Query, error) {
	q := store.Query{Workspace: ws, Order: []string{"-updatedAt"}}
	for field, v := range map[string]string{"family": f.Family, "channel": f.Channel, "tags": f.Tag, "status": string(f.Status)} {
		if v != "" {
			q.Where = append(q.Where, store.Eq(field, v))
		}
	}
	if len(q.Where) > 1 {
		return q, invalid("FILTER", "filter by one of family, channel, status and tag").At("where")
	}
	return q, nil
}

// Template returns a template, or nil.
func (s *Service) Template(ctx context.Context, ws, id string) (*Template, error) {
	if err := access.Allow(ctx, access.Read); err != nil {
		return nil, err
	}
	if core.IDPrefix(id) != core.PrefixTemplate {
		return nil, nil
	}
	t, err := Templates.Get(ctx, s.Store, store.Key(ws, id))
	return t, fail(err)
}

// List returns a window of the templates, the last edited first, and how many there are.
func (s *Service) List(ctx context.Context, ws string, f Filter, w core.Window) (store.Page[Template], int64, error) {
	if err := access.Allow(ctx, access.Read); err != nil {
		return store.Page[Template]{}, 0, err
	}
	q, err := f.query(ws)
	if err != nil {
		return store.Page[Template]{}, 0, err
	}
	page, err := Templates.Page(ctx, s.Store, q, w)
	if err != nil {
		return page, 0, fail(err)
	}
	n, err := Templates.Count(ctx, s.Store, q)
	return page, n, fail(err)
}

// VersionsOf returns a window of the versions of a template, the newest first.
func (s *Service) VersionsOf(ctx context.Context, ws, id string, w core.Window) (store.Page[TemplateVersion], error) {
	if err := access.Allow(ctx, access.Read); err != nil {
		return store.Page[TemplateVersion]{}, err
	}
	q := store.Query{Workspace: ws, Where: []store.Cond{store.Eq("template", id)}, Order: []string{"-number"}}
	page, err := Versions.Page(ctx, s.Store, q, w)
	return page, fail(err)
}
