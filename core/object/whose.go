package object

import (
	"context"
	"slices"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
)

// A record that leads to people tells of them: it may be seen where one of them may, and
// its links lead to those only. One that leads to nobody is nobody's secret.

// Show puts nil in the place of records that may not be seen by the actor of ctx, all of
// whose people are hidden, and tells the audit whose the others are. nil stays nil.
func (s *Service) Show(ctx context.Context, ws string, records ...*Record) error {
	g, err := s.gate(ctx, ws)
	if err != nil || g.Open() {
		return err
	}
	people, err := whoseOf(ctx, g, records)
	if err != nil {
		return outward(err)
	}
	var shown []string
	for i, r := range records {
		if hiddenFrom(people, r) {
			records[i] = nil
			continue
		}
		for _, id := range r.people() {
			if p := people[id]; p.Seen && p.Profile != "" {
				shown = append(shown, p.Profile)
			}
		}
	}
	slices.Sort(shown)
	return g.Note(ctx, "record", slices.Compact(shown)...)
}

// visible returns those of a record's links that lead to records, or to people who may be
// seen.
func (s Sight) visible(ctx context.Context, r *Record) ([]Link, error) {
	links := r.LinksOf()
	if s.gate.Open() {
		return links, nil
	}
	people, err := whoseOf(ctx, s.gate, []*Record{r})
	if err != nil || len(people) == 0 {
		return links, outward(err)
	}
	return slices.DeleteFunc(links, func(l Link) bool {
		return l.Namespace != "" && !people[event.Identifier{Namespace: l.Namespace, Value: l.Value}].Seen
	}), nil
}

// people lists whom a record's links name.
func (r *Record) people() []event.Identifier { return peopleOf(r) }

// whoseOf finds the people whom records lead to.
func whoseOf(ctx context.Context, g Gate, records []*Record) (map[event.Identifier]core.Whose, error) {
	var ids []event.Identifier
	known := map[event.Identifier]core.Whose{}
	for _, id := range peopleOf(records...) {
		if _, ok := known[id]; !ok {
			known[id] = core.Whose{}
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 {
		return nil, nil
	}
	found, err := g.Whose(ctx, ids)
	if err != nil {
		return nil, err
	}
	for i, id := range ids {
		known[id] = found[i]
	}
	return known, nil
}

// hiddenFrom reports whether a record leads to people of whom none may be seen.
func hiddenFrom(people map[event.Identifier]core.Whose, r *Record) bool {
	ids := r.people()
	return len(ids) > 0 && !slices.ContainsFunc(ids, func(id event.Identifier) bool { return people[id].Seen })
}

// drop takes out of what a stream holds the records that meet the condition and may not
// be seen; it returns how many.
func (st *stream) drop(ctx context.Context) (int, error) {
	g := st.walk.gate
	if g == nil {
		return 0, nil
	}
	meeting := make([]*Record, 0, len(st.held))
	for _, r := range st.held {
		if st.walk.q.meets(r) {
			meeting = append(meeting, r)
		}
	}
	people, err := whoseOf(ctx, g, meeting)
	if err != nil || len(people) == 0 {
		return 0, err
	}
	n := 0
	for i, r := range st.held {
		if hiddenFrom(people, r) { // or it does not meet the condition
			continue
		}
		st.held[n], st.cursors[n] = r, st.cursors[i]
		n++
	}
	dropped := len(st.held) - n
	st.held, st.cursors = st.held[:n], st.cursors[:n]
	return dropped, nil
}
