package journey_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core/journey"
	"github.com/headwater-cdp/headwater/core/store"
)

// told lists what the outbox was told of goals: enrollments and when.
func (h *house) told() []string {
	h.t.Helper()
	list, err := store.Claims.Find(h.ctx(), h.store, store.Query{Workspace: ws}, 0)
	require.NoError(h.t, err)
	var out []string
	for _, c := range list {
		if kind, _, _ := strings.Cut(store.Rest(c.ID), "/"); kind == "attained" {
			out = append(out, c.Owner)
		}
	}
	return out
}

// The outbox hears once of each coming to a goal, the journey's or a node's, and its messages
// know that they are to wait for it.
func TestMessagesHearOfTheGoal(t *testing.T) {
	order := `{"event":{"name":"Order Completed"}}`
	for name, c := range map[string]struct {
		more  string
		nodes []string
		edges []string
		times int
	}{
		"the journey's": {`,"goal":` + order, []string{`in {"entry":{"event":{"name":"Signed Up"}}}`, mail("m1"), `w {"wait":{"duration":"P1D"}}`, mail("m2")},
			[]string{"in next m1", "m1 next w", "w next m2"}, 1},
		"a node's, and on": {"", []string{`in {"entry":{"event":{"name":"Signed Up"}}}`, mail("m1"), `w {"wait":{"duration":"P1D"}}`, `g {"goal":` + order + `}`, `w2 {"wait":{"duration":"PT1H"}}`, `g2 {"goal":` + order + `}`, `x {"exit":true}`},
			[]string{"in next m1", "m1 next w", "w next g", "g next w2", "g else x", "w2 next g2", "g2 next x", "g2 else x"}, 2},
		"none": {"", []string{`in {"entry":{"event":{"name":"Signed Up"}}}`, mail("m1"), `w {"wait":{"duration":"P1D"}}`, `x {"exit":true}`}, []string{"in next m1", "m1 next w", "w next x"}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			j := h.published(drawing(c.more, c.nodes, c.edges...))
			h.track("ana", "Signed Up", `{}`)
			h.track("ben", "Signed Up", `{}`) // never orders
			h.after(2 * time.Hour)
			h.track("ana", "Order Completed", `{}`)
			h.after(3 * 24 * time.Hour)
			require.Len(t, h.told(), c.times)
			for _, in := range h.outbox.sent {
				require.Equal(t, c.times > 0, in.Goal, in.Node)
			}
			if c.times == 1 {
				require.ElementsMatch(t, []string{"GOAL_REACHED@w", "COMPLETED@m2"}, h.statuses(j.JourneyID()))
				for _, e := range h.enrollments(j.JourneyID()) {
					if e.Status == journey.GoalReached {
						require.Equal(t, []string{e.EnrollmentID() + " 2h0m0s"}, h.told())
					}
				}
			}
		})
	}
}
