package profile

import (
	"cmp"
	"slices"
	"time"
)

// What the ledger of merges says, as pure functions over its entries.

// group is the parts that one profile had at some instant.
type group struct {
	id    string   // prof_…
	parts []string // sorted
	edges []*Merge // valid edges among them
}

// component returns the parts that edges connect to start, sorted. take chooses
// the edges.
func component(start string, edges []*Merge, take func(*Merge) bool) []string {
	seen := map[string]bool{start: true}
	for grown := true; grown; {
		grown = false
		for _, m := range edges {
			if seen[m.WinnerPart] != seen[m.LoserPart] && take(m) {
				seen[m.WinnerPart], seen[m.LoserPart], grown = true, true, true
			}
		}
	}
	out := make([]string, 0, len(seen))
	for part := range seen {
		out = append(out, part)
	}
	slices.Sort(out)
	return out
}

// split takes the edge m out of a group. The side that holds the group's id keeps
// it; the other gets back the id that it had before the merge, or, where a later
// unmerge took that away, the id of its eldest part.
func (g group) split(m *Merge) (winner, loser group) {
	edges := slices.DeleteFunc(slices.Clone(g.edges), func(e *Merge) bool { return e.ID == m.ID })
	side := func(part, former string) group {
		s := group{parts: component(part, edges, func(*Merge) bool { return true })}
		for _, e := range edges {
			if slices.Contains(s.parts, e.WinnerPart) {
				s.edges = append(s.edges, e)
			}
		}
		for _, id := range []string{g.id, former, s.parts[0]} {
			if _, own := slices.BinarySearch(s.parts, id); own {
				s.id = id
				break
			}
		}
		return s
	}
	return side(m.WinnerPart, m.WinnerID), side(m.LoserPart, m.LoserID)
}

// step is a merge, or the undoing of one, in the order of the Lamport clock.
type step struct {
	seq  int64
	undo bool
	m    *Merge
}

// replay returns the group that part was in at an instant (nil: now), given every
// ledger entry that can have touched it.
func replay(ledger []*Merge, part string, at *time.Time) group {
	var steps []step
	for _, m := range ledger {
		if at != nil && m.At.After(*at) {
			continue
		}
		steps = append(steps, step{m.Seq, false, m})
		if m.UndoneAt != nil && (at == nil || !m.UndoneAt.After(*at)) {
			steps = append(steps, step{m.UndoneSeq, true, m})
		}
	}
	// Steps that touch one profile have different numbers; the others commute.
	slices.SortStableFunc(steps, func(a, b step) int { return cmp.Compare(a.seq, b.seq) })
	of := map[string]*group{}
	get := func(part string) *group {
		g := of[part]
		if g == nil {
			g = &group{id: part, parts: []string{part}}
			of[part] = g
		}
		return g
	}
	place := func(g *group) {
		for _, p := range g.parts {
			of[p] = g
		}
	}
	for _, s := range steps {
		if s.undo {
			w, l := get(s.m.WinnerPart).split(s.m)
			place(&w)
			place(&l)
			continue
		}
		w, l := get(s.m.WinnerPart), get(s.m.LoserPart)
		if w == l {
			continue
		}
		g := &group{id: s.m.WinnerID, parts: sorted(append(slices.Clone(w.parts), l.parts...))}
		g.edges = append(append(g.edges, w.edges...), l.edges...)
		g.edges = append(g.edges, s.m)
		place(g)
	}
	return *get(part)
}

// coverage returns the parts that the profile of part had when the event numbered
// seq was committed, as far as the merges that made it so are still in force: the
// group's edges.
func (g group) coverage(part string, seq int64) []string {
	if len(g.edges) == 0 {
		return []string{part}
	}
	return component(part, g.edges, func(m *Merge) bool { return m.Seq < seq })
}
