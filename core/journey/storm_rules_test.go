package journey_test

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/journey"
	"github.com/headwater-cdp/headwater/core/store"
)

// holds checks what is so whatever has happened, once everything was answered and all time
// has passed.
func (s *storm) holds() {
	s.t.Helper()
	h := s.houses[0]
	sends := map[string]bool{}
	present := map[string][]string{}
	for _, id := range s.ids {
		inside := map[string]int64{}
		for _, e := range s.all(h, id) {
			name := fmt.Sprintf("%s %s %s@%s", id, s.names[e.Part], e.Status, e.State.Node)
			require.Empty(s.t, e.Fault, name)
			// Nobody is lost or stuck.
			require.True(s.t, e.Ended(), name)
			if !e.Ended() {
				present[e.Part] = append(present[e.Part], e.EnrollmentID())
				inside[fmt.Sprintf("%d/%s", e.Version, e.State.Node)]++
			}
			s.way(h, e, sends, name)
		}
		s.figures(h, id, inside)
	}
	s.once(h)
	s.outboxIs(sends)
	triggers, err := journey.Triggers.Find(context.Background(), s.inner, store.Query{Workspace: ws, Order: []string{"lane", "due"}}, 0)
	require.NoError(s.t, err)
	require.Empty(s.t, triggers, "nothing is left undone")
	open, err := h.CountToDos(h.ctx(), ws, journey.ToDoFilter{})
	require.NoError(s.t, err)
	require.Zero(s.t, open, "nobody is asked about who has left")
	docs, err := journey.Presences.Find(context.Background(), s.inner, store.Query{Workspace: ws}, 0)
	require.NoError(s.t, err)
	for _, d := range docs {
		for _, p := range d.Live {
			require.Contains(s.t, present[store.Rest(d.ID)], p.Enrollment, "who is present is inside")
		}
	}
}

// joint is two enrollments of one journey whose people turned out to be one.
type joint struct {
	person      int
	at, until   time.Time // until: of the unmerge; zero: never
	enrollments []string
}

// join notes who is inside what when two people are merged.
func (s *storm) join(h *house, n int) {
	for _, id := range s.ids {
		j := &joint{person: n, at: s.clock.Now()}
		for _, e := range s.all(h, id) {
			if !e.Ended() && s.group(e.Part) == fmt.Sprint(n) {
				j.enrollments = append(j.enrollments, e.EnrollmentID())
			}
		}
		if len(j.enrollments) > 1 {
			s.joined = append(s.joined, j)
		}
	}
}

// once checks that of two enrollments of a merged person one at most goes on to send.
func (s *storm) once(h *house) {
	for _, j := range s.joined {
		sending := map[string]bool{}
		for _, id := range j.enrollments {
			e, err := h.Enrollment(h.ctx(), ws, id)
			require.NoError(s.t, err)
			list, err := h.Timeline(h.ctx(), e)
			require.NoError(s.t, err)
			for _, p := range list {
				if p.Did == journey.DidQueue && p.At.After(j.at) && (j.until.IsZero() || p.At.Before(j.until)) {
					sending[id] = true
				}
			}
		}
		require.LessOrEqual(s.t, len(sending), 1, "u%d and a%d are one since %s, and both were sent to", j.person, j.person, j.at)
	}
}

// way checks one enrollment's history: nothing early, nothing twice, nothing while it was
// paused or drained.
func (s *storm) way(h *house, e *journey.Enrollment, sends map[string]bool, name string) {
	list, err := h.Timeline(h.ctx(), e)
	require.NoError(s.t, err)
	did := map[string]bool{}
	var due time.Time
	for i, p := range list {
		if i > 0 {
			require.False(s.t, p.At.Before(list[i-1].At), "%s: time goes on", name)
		}
		switch p.Did {
		case journey.DidWait:
			due, _ = time.Parse(time.RFC3339, p.Detail)
		case journey.DidGoOn:
			if p.On == journey.OnNext && p.Detail == "" && !due.IsZero() {
				require.False(s.t, p.At.Before(due), "%s: %s early at %s", name, p.Node, p.At)
			}
			due = time.Time{}
		case journey.DidMove:
			due = time.Time{}
		case journey.DidQueue:
			step := fmt.Sprintf("%s/%d", p.Node, p.Visit)
			require.False(s.t, did[step], "%s: %s twice", name, step)
			did[step] = true
			key := core.HashID(core.PrefixMessage, ws, e.EnrollmentID(), p.Node, fmt.Sprint(p.Visit))
			require.False(s.t, sends[key])
			sends[key] = true
			for _, rest := range s.rests[e.Journey] {
				require.False(s.t, p.At.After(rest[0]) && p.At.Before(rest[1]), "%s: %s while it is paused", name, step)
			}
			if at, ok := s.purged[e.Journey][e.Version]; ok {
				require.False(s.t, p.At.After(at), "%s: %s after it was drained", name, step)
			}
		}
	}
}

// figures checks the counts of a journey's versions against who is there.
func (s *storm) figures(h *house, id string, inside map[string]int64) {
	versions, err := h.Versions(h.ctx(), ws, id)
	require.NoError(s.t, err)
	for _, v := range versions {
		stats, err := h.Stats(h.ctx(), ws, v)
		require.NoError(s.t, err)
		for _, n := range stats.Nodes {
			require.Equal(s.t, inside[fmt.Sprintf("%d/%s", v.Number, n.Node)], n.Inside, "version %d, node %s", v.Number, n.Node)
		}
	}
}

// outboxIs checks that what is queued, on disk, is what the histories say.
func (s *storm) outboxIs(sends map[string]bool) {
	claims, err := store.Claims.Find(context.Background(), s.inner, store.Query{Workspace: ws, Where: []store.Cond{store.Prefix("_id", "sent/")}}, 0)
	require.NoError(s.t, err)
	var want, got []string
	for key := range sends {
		want = append(want, store.Key(ws, "sent", key))
	}
	for _, c := range claims {
		got = append(got, c.ID)
	}
	slices.Sort(want)
	slices.Sort(got)
	require.Equal(s.t, want, got)
}
