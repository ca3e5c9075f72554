package profile

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"
	"pgregory.net/rapid"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
)

// spec is an event as a property draws it: who it names and what it says.
type spec struct {
	id     string
	typ    event.Type
	user   string
	anon   string
	email  string
	minute int
	traits bson.D
	ads    int // -1: withdrawn, 1: granted
}

func (s spec) input(f *fixture) *event.Input {
	in := f.in(s.typ, msg(s.id), user(s.user), anon(s.anon), minute(s.minute))
	d := slices.Clone(s.traits)
	if s.email != "" {
		d = append(d, bson.E{Key: "email", Value: s.email})
	}
	if len(d) > 0 {
		traits(d)(in)
	}
	if s.ads != 0 {
		consentSaid("ads", s.ads > 0)(in)
	}
	return in
}

// genSpec draws an event of one of n people, who hold nothing in common unless
// shared, when a device or an address may be anybody's.
func genSpec(t *rapid.T, i, n int, shared bool) spec {
	who := rapid.IntRange(0, n-1).Draw(t, "who")
	owner := func(label string) int {
		if shared && rapid.IntRange(0, 3).Draw(t, label+" is shared") == 0 {
			return rapid.IntRange(0, n-1).Draw(t, label+" of")
		}
		return who
	}
	s := spec{id: fmt.Sprintf("e%03d", i), typ: event.Identify, minute: 10*rapid.IntRange(0, 50).Draw(t, "minute") + i%10}
	if rapid.Bool().Draw(t, "user") {
		s.user = fmt.Sprintf("u%d", who)
	}
	if rapid.Bool().Draw(t, "email") {
		s.email = fmt.Sprintf("p%d.%d@x.io", owner("email"), rapid.IntRange(0, 2).Draw(t, "email"))
	}
	if s.user == "" && s.email == "" || rapid.Bool().Draw(t, "anon") {
		s.anon = fmt.Sprintf("a%d.%d", owner("device"), rapid.IntRange(0, 3).Draw(t, "device"))
	}
	for _, key := range []string{"city", "address", "plan"} {
		switch rapid.IntRange(0, 5).Draw(t, key) {
		case 0:
			s.traits = append(s.traits, bson.E{Key: key, Value: fmt.Sprintf("v%d", i)})
		case 1:
			s.traits = append(s.traits, bson.E{Key: key, Value: bson.D{{Key: fmt.Sprintf("k%d", i%3), Value: int64(i)}}})
		case 2:
			s.traits = append(s.traits, bson.E{Key: key, Value: nil})
		}
	}
	s.ads = rapid.IntRange(-1, 1).Draw(t, "ads")
	return s
}

// picture is who is who and what is known of them, without the ids.
func (f *fixture) picture() string {
	var out []string
	for _, p := range f.profiles() {
		lines := []string{strings.Join(names(p), " ")}
		for _, t := range p.Traits {
			lines = append(lines, fmt.Sprintf("%s=%s %s %s", t.Path, t.Value, t.Event, t.At.Format(time.RFC3339)))
		}
		lines = append(lines, fmt.Sprint(p.FirstSeenAt, p.LastSeenAt))
		out = append(out, strings.Join(lines, "\n  "))
	}
	slices.Sort(out)
	return strings.Join(out, "\n")
}

// sendAll commits the events in units of the given sizes.
func (f *fixture) sendAll(specs []spec, sizes []int) {
	for i := 0; len(specs) > 0; i++ {
		n := min(sizes[i%len(sizes)], len(specs))
		inputs := make([]*event.Input, n)
		for j, s := range specs[:n] {
			inputs[j] = s.input(f)
		}
		f.send(inputs...)
		f.tick()
		specs = specs[n:]
	}
}

func TestWithoutConflictsEveryOrderOfArrivalConverges(t *testing.T) {
	base := openFixture(t, t, filepath.Join(t.TempDir(), "hw.db"))
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 14).Draw(t, "events")
		specs := make([]spec, n)
		for i := range specs {
			specs[i] = genSpec(t, i, 2, false)
		}
		sizes := rapid.SliceOfN(rapid.IntRange(1, 6), 3, 3)
		var pictures []string
		for _, order := range [][]spec{specs, rapid.Permutation(specs).Draw(t, "order")} {
			// The same workspace id gives the same event ids; a store of its own costs
			// more than clearing one.
			f := *base
			f.t, f.ws = t, ws
			f.wipe()
			f.s = NewService(f.db, f.clock)
			f.sendAll(order, sizes.Draw(t, "units"))
			require.Empty(t, f.pending())
			f.exact()
			pictures = append(pictures, f.picture())
		}
		require.Equal(t, pictures[0], pictures[1])
	})
}

func TestLiveStateEqualsRefoldThroughMergesUnmergesAndConflicts(t *testing.T) {
	base := openFixture(t, t, filepath.Join(t.TempDir(), "hw.db"))
	rapid.Check(t, func(t *rapid.T) {
		f := *base
		f.t, f.ws = t, core.NewWorkspaceID()
		type memory struct {
			id  string
			at  time.Time
			raw string
		}
		var past []memory
		var merges []*Merge
		serial := 0
		pick := func(label string) *Profile {
			all := f.profiles()
			if len(all) == 0 {
				return nil
			}
			return rapid.SampledFrom(all).Draw(t, label)
		}
		steps := rapid.IntRange(1, 12).Draw(t, "steps")
		for range steps {
			f.tick()
			switch rapid.SampledFrom([]string{"send", "send", "send", "merge", "unmerge", "unmerge", "decide"}).Draw(t, "step") {
			case "send":
				specs := make([]spec, rapid.IntRange(1, 5).Draw(t, "events"))
				for i := range specs {
					serial++
					specs[i] = genSpec(t, serial, 3, true)
				}
				f.sendAll(specs, []int{len(specs)})
			case "merge":
				if w, l := pick("winner"), pick("loser"); w != nil && w.ID != l.ID {
					f.merge(w, l)
				}
			case "unmerge":
				merges = merges[:0]
				all, err := Merges.Find(f.ctx, f.db, everything(f.ws), 0)
				require.NoError(t, err)
				for _, m := range all {
					if m.UndoneAt == nil {
						merges = append(merges, m)
					}
				}
				if len(merges) > 0 {
					f.unmerge(rapid.SampledFrom(merges).Draw(t, "merge"))
				}
			case "decide":
				if open := f.pending(); len(open) > 0 {
					pr := rapid.SampledFrom(open).Draw(t, "proposal")
					_, err := f.s.DecideProposal(f.ctx, f.ws, pr.ProposalID(), rapid.Bool().Draw(t, "accept"))
					require.NoError(t, err)
				}
			}
			f.exact()
			if p := pick("remembered"); p != nil {
				c := *p
				c.V = 0
				raw, _ := c.MarshalBSON()
				past = append(past, memory{p.ProfileID(), f.clock.Now(), string(raw)})
			}
		}
		for _, m := range past {
			p, err := f.s.AsOf(f.ctx, f.ws, m.id, m.at)
			require.NoError(t, err)
			require.NotNil(t, p)
			raw, _ := p.MarshalBSON()
			require.Equal(t, bson.Raw(m.raw).String(), bson.Raw(raw).String(), "as of %s", m.at)
		}
		live := f.profiles()
		for _, p := range live {
			require.NoError(t, commitOps(f.ctx, f.db, Profiles.Delete(p)))
		}
		require.NoError(t, f.s.Rebuild(f.ctx, RebuildOptions{Workspace: f.ws, Mode: ModeRebuild}))
		again := f.profiles()
		require.Len(t, again, len(live))
		for i := range live {
			require.Empty(t, differences(live[i], again[i]))
		}
	})
}

func TestUnmergeGivesWhatSeparateHistoriesWouldHaveGiven(t *testing.T) {
	base := openFixture(t, t, filepath.Join(t.TempDir(), "hw.db"))
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(2, 16).Draw(t, "events")
		specs := make([]spec, n)
		for i := range specs {
			specs[i] = genSpec(t, i, 2, false)
			specs[i].user = fmt.Sprintf("u%d", i%2) // everybody is known by name, so that the histories are two
			specs[i].email, specs[i].anon = "", ""
			specs[i].minute = 10*specs[i].minute + i // no ties: event ids differ between the runs
		}
		cut := rapid.IntRange(2, n).Draw(t, "merged after")
		show := func(f *fixture) string {
			var out []string
			for _, id := range []string{"u0", "u1"} {
				p := f.must(UserID, id)
				out = append(out, f.json(p), fmt.Sprint(status(p, "ads"), p.FirstSeenAt, p.LastSeenAt))
			}
			return strings.Join(out, "\n")
		}
		apart, joined := *base, *base
		apart.t, apart.ws = t, core.NewWorkspaceID()
		joined.t, joined.ws = t, core.NewWorkspaceID()
		apart.sendAll(specs, []int{3})
		joined.sendAll(specs[:cut], []int{3})
		m := joined.merge(joined.must(UserID, "u0"), joined.must(UserID, "u1"))
		if cut < n {
			joined.sendAll(specs[cut:], []int{3})
		}
		joined.unmerge(m)
		require.Equal(t, show(&apart), show(&joined))
		joined.exact()
	})
}
