package sync

import (
	"context"
	"maps"
	"slices"

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
	out.was = l.Local
	out.Theirs, out.Ours = maps.Clone(l.Theirs), maps.Clone(l.Ours)
	if out.Theirs == nil {
		out.Theirs = map[string]string{}
	}
	if out.Ours == nil {
		out.Ours = map[string]string{}
	}
	return &out
}

// Pair leads from somebody, or a record, here to their links at one place: found by key, for
// a whole batch at once.
type Pair struct {
	store.Meta `bson:",inline"` // key: workspace/lnk_…, the hash of place and Local
	Links      []string         `bson:"links"` // keys
}

var pairs = store.Declare[Pair](store.Spec{Name: "sync_pairs", Reach: store.ReachNobody}) // hashes; gone with the links

func pairKey(ws, place, local string) string {
	return store.Key(ws, core.HashID(core.PrefixLink, "local", place, local))
}

// paired returns the operations that make links findable from here. A link whose Local
// became another is found from both: who follows a pair looks whether it still holds.
func (s *Service) paired(ctx context.Context, ws string, links []*Link) ([]store.Op, error) {
	var keys []string
	byKey := map[string][]*Link{}
	for _, l := range links {
		if l.V > 0 && l.was == l.Local {
			continue
		}
		key := pairKey(ws, l.Place, l.Local)
		if byKey[key] == nil {
			keys = append(keys, key)
		}
		byKey[key] = append(byKey[key], l)
	}
	if len(keys) == 0 {
		return nil, nil
	}
	found, err := pairs.GetMany(ctx, s.Store, keys)
	if err != nil {
		return nil, err
	}
	var ops []store.Op
	for i, key := range keys {
		p := found[i]
		if p == nil {
			p = &Pair{Meta: store.Meta{ID: key}}
		}
		n := len(p.Links)
		for _, l := range byKey[key] {
			if !slices.Contains(p.Links, l.ID) {
				p.Links = append(p.Links, l.ID)
			}
		}
		if len(p.Links) > n {
			ops = append(ops, pairs.Put(p))
		}
	}
	return ops, nil
}

// linksFor returns the link at a place of each of some people, or records, that have the
// ids locals; nil where there is none. Of several, after a merge here, that of a record which is
// still there, then the one with the lowest key.
func (s *Service) linksFor(ctx context.Context, ws, place string, locals [][]string) ([]*Link, error) {
	var keys []string
	var of []int
	for i, ids := range locals {
		for _, id := range ids {
			keys, of = append(keys, pairKey(ws, place, id)), append(of, i)
		}
	}
	out := make([]*Link, len(locals))
	var links []string
	var whose []int
	for from := 0; from < len(keys); from += 1000 {
		to := min(from+1000, len(keys))
		found, err := pairs.GetMany(ctx, s.Store, keys[from:to])
		if err != nil {
			return nil, err
		}
		for k, p := range found {
			if p != nil {
				for _, id := range p.Links {
					links, whose = append(links, id), append(whose, of[from+k])
				}
			}
		}
	}
	for from := 0; from < len(links); from += 1000 {
		to := min(from+1000, len(links))
		found, err := Links.GetMany(ctx, s.Store, links[from:to])
		if err != nil {
			return nil, err
		}
		for k, l := range found {
			i := whose[from+k]
			if l == nil || l.Place != place || !slices.Contains(locals[i], l.Local) {
				continue
			}
			if best := out[i]; best == nil || best.Gone && !l.Gone || best.Gone == l.Gone && l.ID < best.ID {
				out[i] = copyLink(l)
			}
		}
	}
	return out, nil
}

// linkFor is linksFor of one.
func (s *Service) linkFor(ctx context.Context, ws, place string, locals []string) (*Link, error) {
	out, err := s.linksFor(ctx, ws, place, [][]string{locals})
	if err != nil {
		return nil, err
	}
	return out[0], nil
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
