package sync

import (
	"context"
	"maps"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/store"
)

// linkSecret names the secret of the hashes in links.
const linkSecret = "sync.links"

// hashes returns the hasher of a workspace.
func (s *Service) hashes(ctx context.Context, ws string) (hasher, error) {
	s.mu.Lock()
	have := s.secrets[ws]
	s.mu.Unlock()
	if have != nil {
		return have, nil
	}
	sum, err := s.Keys.MAC(ctx, ws, linkSecret, []byte("key"))
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	s.secrets[ws] = sum
	s.mu.Unlock()
	return sum, nil
}

func linkKey(ws, place, remote string) string {
	return store.Key(ws, core.HashID(core.PrefixLink, place, remote))
}

// linkOf returns the link of a record, made when there is none.
func newLink(ws, place, remote string) *Link {
	return &Link{
		Meta: store.Meta{ID: linkKey(ws, place, remote)}, Place: place, Remote: remote,
		Theirs: map[string]string{}, Ours: map[string]string{},
	}
}

// copyLink returns a copy whose maps can be changed.
func copyLink(l *Link) *Link {
	out := *l
	out.Theirs, out.Ours = maps.Clone(l.Theirs), maps.Clone(l.Ours)
	if out.Theirs == nil {
		out.Theirs = map[string]string{}
	}
	if out.Ours == nil {
		out.Ours = map[string]string{}
	}
	return &out
}

// linkFor returns the link of somebody at a place, nil where there is none. Of several,
// after a merge here, that of a record which is still there, then the one with the lowest key.
func (s *Service) linkFor(ctx context.Context, ws, place string, locals []string) (*Link, error) {
	var best *Link
	for _, local := range locals {
		list, err := Links.Find(ctx, s.Store, store.Query{
			Workspace: ws, Where: []store.Cond{store.Eq("place", place), store.Eq("local", local)},
		}, 10)
		if err != nil {
			return nil, err
		}
		for _, l := range list {
			if best == nil || best.Gone && !l.Gone || best.Gone == l.Gone && l.ID < best.ID {
				best = l
			}
		}
	}
	if best == nil {
		return nil, nil
	}
	return copyLink(best), nil
}

// linksOf returns all links of a person at the places of a connection.
func (s *Service) linksOf(ctx context.Context, ws, connection string, locals []string) ([]*Link, error) {
	var out []*Link
	for _, local := range locals {
		list, err := Links.Find(ctx, s.Store, store.Query{Workspace: ws, Where: []store.Cond{store.Eq("local", local)}}, 0)
		if err != nil {
			return nil, err
		}
		for _, l := range list {
			if connectionOf(l.Place) == connection {
				out = append(out, l)
			}
		}
	}
	return out, nil
}

func connectionOf(place string) string {
	for i := range place {
		if place[i] == '/' {
			return place[:i]
		}
	}
	return place
}

func streamOf(place string) string {
	for i := range place {
		if place[i] == '/' {
			return place[i+1:]
		}
	}
	return ""
}

// partsOf lists the ids of a person, the profile's own first.
func partsOf(p *profile.Profile) []string {
	if len(p.Parts) == 0 {
		return []string{p.ProfileID()}
	}
	return p.Parts
}
