package profile

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/store"
)

func TestTimelineMergesTheParts(t *testing.T) {
	if testing.Short() {
		t.Skip("much of the same, and nothing at once")
	}
	f := newFixture(t)
	var want []*event.Event
	add := func(in *event.Input) { want = append(want, f.send(in)...) }
	for i, who := range []string{"a", "b", "c"} {
		for j := range 30 {
			add(f.in(event.Track, anon(who), minute(100+(j*(i+1))%17), func(in *event.Input) {
				in.Name = []string{"Viewed", "Bought"}[j%2]
			}))
		}
		f.tick()
	}
	for _, who := range []string{"a", "b", "c"} {
		add(f.in(event.Identify, anon(who), user("u"), minute(90)))
	}
	p := f.must(UserID, "u")
	require.Len(t, p.Parts, 3)
	slices.SortFunc(want, func(a, b *event.Event) int {
		if c := b.Timestamp.Compare(a.Timestamp); c != 0 {
			return c
		}
		return strings.Compare(a.ID, b.ID)
	})
	ids := func(list []*event.Event) (out []string) {
		for _, e := range list {
			if e.Type != event.System {
				out = append(out, e.ID)
			}
		}
		return out
	}
	filters := map[string]TimelineFilter{"all": {}, "names": {Names: []string{"Bought", "IDENTIFY"}}}
	from, to := want[60].Timestamp, want[20].Timestamp
	filters["times"] = TimelineFilter{From: &from, To: &to}
	for name, filter := range filters {
		var wanted []*event.Event
		for _, e := range want {
			if filter.Names != nil && !slices.Contains(filter.Names, e.Name) || filter.From != nil && (e.Timestamp.Before(from) || !e.Timestamp.Before(to)) {
				continue
			}
			wanted = append(wanted, e)
		}
		for _, size := range []int{1, 7, 200} {
			var forward, backward []*event.Event
			var cursors []string
			w := core.Window{Limit: size}
			for {
				page := f.timeline(p, filter, w)
				require.Equal(t, w.After != "", page.HasPrev)
				forward = append(forward, page.Items...)
				cursors = append(cursors, page.Cursors...)
				if !page.HasNext {
					break
				}
				w.After = page.Cursors[len(page.Cursors)-1]
			}
			require.Equal(t, ids(wanted), ids(forward), "%s by %d", name, size)
			w = core.Window{Limit: size, Backward: true}
			for {
				page := f.timeline(p, filter, w)
				backward = append(slices.Clone(page.Items), backward...)
				if !page.HasPrev {
					break
				}
				w.Before = page.Cursors[0]
			}
			require.Equal(t, ids(wanted), ids(backward), "%s by %d, backwards", name, size)
			between := f.timeline(p, filter, core.Window{Limit: 200, After: cursors[1], Before: cursors[5]})
			require.Equal(t, ids(forward[2:5]), ids(between.Items))
		}
	}
	_, err := f.s.Timeline(f.ctx, p, TimelineFilter{}, core.Window{Limit: 5, After: "nonsense"})
	require.Equal(t, "BAD_CURSOR", reason(err))
}

func (f *fixture) timeline(p *Profile, filter TimelineFilter, w core.Window) store.Page[event.Event] {
	f.t.Helper()
	page, err := f.s.Timeline(f.ctx, p, filter, w)
	require.NoError(f.t, err)
	require.Len(f.t, page.Cursors, len(page.Items))
	return page
}
