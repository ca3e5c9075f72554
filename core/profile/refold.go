package profile

import (
	"context"
	"slices"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/store"
)

// facts reads the event log for the fold.
var facts = &store.Collection[fact]{Spec: event.Events.Spec}

// ledger returns every merge, undone or not, that can ever have touched the
// profile of a part: the closure over all edges.
func (s *Service) ledger(ctx context.Context, ws, part string) ([]*Merge, error) {
	seen := map[string]bool{part: true}
	have := map[string]bool{}
	var out []*Merge
	for queue := []string{part}; len(queue) > 0; queue = queue[1:] {
		edges, err := Merges.Find(ctx, s.db, store.Query{Workspace: ws, Where: []store.Cond{store.Eq("parts", queue[0])}}, 0)
		if err != nil {
			return nil, err
		}
		for _, m := range edges {
			if !have[m.ID] {
				have[m.ID] = true
				out = append(out, m)
			}
			for _, p := range m.Parts {
				if !seen[p] {
					seen[p] = true
					queue = append(queue, p)
				}
			}
		}
	}
	return out, nil
}

// refoldPart folds the profile that a part belonged to at an instant (nil: now)
// from primary documents alone.
func (s *Service) refoldPart(ctx context.Context, ws, part string, at *time.Time) (*Profile, error) {
	r, err := s.rules(ctx, ws)
	if err != nil {
		return nil, err
	}
	ledger, err := s.ledger(ctx, ws, part)
	if err != nil {
		return nil, err
	}
	return s.refold(ctx, ws, replay(ledger, part, at), ledger, r, bound{at: at})
}

// bound leaves out of a refold what came later.
type bound struct {
	at  *time.Time // commit time; nil: no bound
	seq int64      // of events and identifiers; 0: no bound
}

func (b bound) holds(t time.Time, seq int64) bool {
	return (b.at == nil || !t.After(*b.at)) && (b.seq == 0 || seq <= b.seq)
}

// Refold returns the profile that parts belonged to at an instant (nil: now),
// folded anew from the events and the ledger and not from any derived document. Its
// version is 0. All parts must belong to one profile then; nil when it had no
// events.
func (s *Service) Refold(ctx context.Context, ws string, parts []string, asOf *time.Time) (*Profile, error) {
	if len(parts) == 0 {
		return nil, core.Errorf(core.Invalid, "NO_PARTS", "name at least one part")
	}
	p, err := s.refoldPart(ctx, ws, parts[0], asOf)
	if err != nil {
		return nil, storeError("refold", err)
	}
	for _, part := range parts {
		if !slices.Contains(p.Parts, part) {
			return nil, core.Errorf(core.Invalid, "NOT_ONE_PROFILE", "the parts must belong to one profile")
		}
	}
	if p.Events == 0 {
		return nil, nil
	}
	return p, nil
}

// AsOf returns the profile that an id belonged to at an instant of commit time, as
// it was then: merges made since are not seen, merges undone since are. Nil before
// its first event. The id of an erased person is NOT_FOUND, reason ERASED, for every
// instant.
func (s *Service) AsOf(ctx context.Context, ws, id string, at time.Time) (*Profile, error) {
	if !isPart(id) {
		return nil, nil
	}
	// An id that was marked and is not swept yet must not be folded once more.
	if err := s.gone(ctx, ws, id); err != nil {
		now, rerr := s.GetMany(ctx, ws, []string{id})
		if rerr != nil || now[0] == nil {
			return nil, err
		}
	}
	p, err := s.refoldPart(ctx, ws, id, &at)
	if err != nil {
		return nil, storeError("profile as of an instant", err)
	}
	if p.Events == 0 {
		return nil, nil
	}
	return p, nil
}

// AsOfIdentifier returns the profile that held an identifier at an instant of
// commit time, as it was then: that of the part that owned the identifier. Nil when
// nobody had it.
func (s *Service) AsOfIdentifier(ctx context.Context, ws string, id event.Identifier, at time.Time) (*Profile, error) {
	r, err := s.rules(ctx, ws)
	if err != nil {
		return nil, storeError("read settings", err)
	}
	n, ok := r.normalise(id.Namespace, id.Value)
	if !ok {
		return nil, nil
	}
	parts, err := s.everHeld(ctx, ws, n)
	if err != nil {
		return nil, storeError("find profile", err)
	}
	for _, part := range parts {
		p, err := s.AsOf(ctx, ws, part, at)
		if err != nil {
			return nil, err
		}
		if p != nil && slices.ContainsFunc(p.Identifiers, func(h Held) bool { return h.Namespace == n.Namespace && h.Value == n.Value }) {
			return p, nil
		}
	}
	return nil, nil
}

// everHeld returns the parts that hold an identifier, or did before they let go of it.
func (s *Service) everHeld(ctx context.Context, ws string, id event.Identifier) ([]string, error) {
	var parts []string
	doc, err := Identifiers.Get(ctx, s.db, identifierKey(ws, id))
	if err != nil {
		return nil, err
	}
	if doc != nil {
		parts = append(parts, doc.Part)
	}
	list, err := Releases.Find(ctx, s.db, store.Query{Workspace: ws, Where: []store.Cond{store.Eq("identifier", id.Namespace+":"+id.Value)}}, 0)
	for _, r := range list {
		if !slices.Contains(parts, r.Part) {
			parts = append(parts, r.Part)
		}
	}
	return parts, err
}

// refold folds the profile of a group. ledger holds every merge that touched one
// of its parts.
func (s *Service) refold(ctx context.Context, ws string, g group, ledger []*Merge, r *rules, b bound) (*Profile, error) {
	p := &Profile{Meta: store.Meta{ID: store.Key(ws, g.id)}, Parts: orderParts(g.id, slices.Clone(g.parts)), Bucket: bucket(g.id)}
	for _, part := range g.parts {
		if err := s.eachFact(ctx, ws, part, func(f *fact) error {
			switch {
			case b.holds(f.CommittedAt, f.Seq):
				p.apply(f, r, g.cover(f))
			case f.folded() && b.at != nil && b.at.Before(f.CommittedAt):
				return beforeFolded(f.CommittedAt)
			}
			return nil
		}); err != nil {
			return nil, err
		}
		if err := s.gather(ctx, ws, part, p, b); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(p.Identifiers, compareHeld)
	p.Separations = tidy(p.Separations)
	p.Proposals = tidy(p.Proposals)
	p.Released = tidy(p.Released)
	p.numberMerges(ledger, b)
	return p, nil
}

// cover returns what an event of consent or restriction covers, nil for any other event.
func (g group) cover(f *fact) []string {
	if f.restricts() {
		return g.coverage(f.Part, f.Seq)
	}
	if len(f.Context) == 0 {
		return nil
	}
	if _, err := f.Context.LookupErr("consent"); err != nil && !event.Flag(f.Context, "gpc") {
		return nil
	}
	return g.coverage(f.Part, f.Seq)
}

// gather adds what else the primary collections hold about a part.
func (s *Service) gather(ctx context.Context, ws, part string, p *Profile, b bound) error {
	q := func(field string) store.Query {
		return store.Query{Workspace: ws, Where: []store.Cond{store.Eq(field, part)}}
	}
	ids, err := Identifiers.Find(ctx, s.db, q("part"), 0)
	if err != nil {
		return err
	}
	releases, err := Releases.Find(ctx, s.db, q("part"), 0)
	if err != nil {
		return err
	}
	for n, h := range b.hold(part, ids, releases) {
		if h.on {
			p.Identifiers = append(p.Identifiers, h.held)
		}
		if h.off {
			p.Released = append(p.Released, markOf(ws, n)+":"+part)
		}
	}
	seps, err := Separations.Find(ctx, s.db, q("parts"), 0)
	if err != nil {
		return err
	}
	for _, sep := range seps {
		if b.holds(sep.At, 0) {
			p.Separations = append(p.Separations, sep.side(part))
		}
	}
	props, err := Proposals.Find(ctx, s.db, q("parts"), 0)
	if err != nil {
		return err
	}
	for _, pr := range props {
		if b.holds(pr.At, 0) {
			p.Proposals = append(p.Proposals, pr.ProposalID())
		}
	}
	return nil
}

// side names the side that a part stands on, as Profile.Separations has it.
func (s *Separation) side(part string) string {
	if slices.Contains(s.A, part) {
		return store.Rest(s.ID) + ":a"
	}
	return store.Rest(s.ID) + ":b"
}

// numberMerges brings in the numbers and times of the merges and unmerges that
// touched the profile's parts: an unmerge numbers both sides but has its event on
// one.
func (p *Profile) numberMerges(ledger []*Merge, b bound) {
	step := func(seq int64, t time.Time) {
		if b.holds(t, 0) {
			p.MergedSeq = max(p.MergedSeq, seq)
			p.Seq = max(p.Seq, seq)
			p.UpdatedAt = later(p.UpdatedAt, t)
		}
	}
	for _, m := range ledger {
		if !slices.Contains(p.Parts, m.WinnerPart) && !slices.Contains(p.Parts, m.LoserPart) {
			continue
		}
		step(m.Seq, m.At)
		if m.UndoneAt != nil {
			step(m.UndoneSeq, *m.UndoneAt)
		}
	}
}

// eachFact streams the events of a part, the latest first.
func (s *Service) eachFact(ctx context.Context, ws, part string, f func(*fact) error) error {
	return facts.Each(ctx, s.db, store.Query{Workspace: ws, Where: []store.Cond{store.Eq("part", part)}, Order: []string{"-timestamp"}}, f)
}

func tidy(list []string) []string {
	slices.Sort(list)
	return slices.Compact(list)
}
