package profile

import (
	"context"
	"slices"

	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/store"
)

// Count returns how many profiles a workspace has. It walks them all.
func (s *Service) Count(ctx context.Context, ws string) (int64, error) {
	n, err := Profiles.Count(ctx, s.db, store.Query{Workspace: ws})
	return n, storeError("count profiles", err)
}

// CountProposals returns how many proposals have a status.
func (s *Service) CountProposals(ctx context.Context, ws string, status ProposalStatus) (int64, error) {
	n, err := Proposals.Count(ctx, s.db, store.Query{
		Workspace: ws, Where: []store.Cond{store.Eq("status", string(status))}, Order: []string{"-at"},
	})
	return n, storeError("count proposals", err)
}

// CountTimeline returns how many events Timeline lists. With names, and for a
// profile as of an instant, it reads them all.
func (s *Service) CountTimeline(ctx context.Context, p *Profile, f TimelineFilter) (int64, error) {
	var total int64
	for _, part := range p.Parts {
		q := f.query(p.Workspace(), part)
		if len(f.Names) == 0 && f.keep == nil && p.V != 0 {
			n, err := event.Events.Count(ctx, s.db, q)
			if err != nil {
				return 0, storeError("count timeline", err)
			}
			total += n
			continue
		}
		keep := p.keeper(f)
		err := event.Events.Each(ctx, s.db, q, func(e *event.Event) error {
			if keep(e) {
				total++
			}
			return nil
		})
		if err != nil {
			return 0, storeError("count timeline", err)
		}
	}
	return total, nil
}

// query selects the events of a part; names are not indexed and left to the reader.
func (f TimelineFilter) query(ws, part string) store.Query {
	q := store.Query{Workspace: ws, Where: []store.Cond{store.Eq("part", part)}, Order: []string{"-timestamp"}}
	if f.From != nil {
		q.Where = append(q.Where, store.Gte("timestamp", *f.From))
	}
	if f.To != nil {
		q.Where = append(q.Where, store.Lt("timestamp", *f.To))
	}
	return q
}

// keeper tells which events of the profile's parts are in its timeline, as far as
// no index does. What was refolded as of an instant is stored nowhere and has no
// version; whatever was committed after its latest change came later.
func (p *Profile) keeper(f TimelineFilter) func(*event.Event) bool {
	return func(e *event.Event) bool {
		return (f.keep == nil || f.keep(e)) && (len(f.Names) == 0 || slices.Contains(f.Names, e.Name)) && (p.V != 0 || !e.CommittedAt.After(p.UpdatedAt))
	}
}
