package journey

import (
	"context"
	"slices"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/condition"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/segment"
	"github.com/headwater-cdp/headwater/core/store"
)

// audience reads people for a simulation, a page at a time.
type audience struct {
	s        *Service
	ws       string
	most     int
	programs []*condition.Program
	journey  string // only those who are inside it; "": everybody
	byJob    bool   // nobody is shown to a request, which would have to note it

	panel *segment.Panel
	place foot
	halt  int // Each returns once so many have been read, to go on later; 0: all
}

// foot is how far an audience has been read.
type foot struct {
	Seen  int    `bson:"seen"`
	Walk  int    `bson:"walk"`  // of those inside: the status
	After string `bson:"after"` // cursor
	Over  bool   `bson:"over"`
}

// audiencePage is how many are read at once.
const audiencePage = 200

// Each implements People. Called again, it goes on where it has stopped.
func (a *audience) Each(ctx context.Context, f func(*Person) error) error {
	if a.panel == nil {
		var err error
		if a.panel, err = a.s.Segments.Panel(ctx, a.ws, a.programs...); err != nil {
			return err
		}
	}
	for read := 0; !a.place.Over && (a.halt == 0 || read < a.halt); {
		some, err := a.next(ctx)
		if err != nil {
			return err
		}
		if some, err = a.admitted(ctx, some); err != nil {
			return err
		}
		some = some[:min(len(some), a.most-a.place.Seen)]
		facts, err := a.panel.Facts(ctx, some)
		if err != nil {
			return err
		}
		for i, p := range some {
			one, err := a.person(ctx, p, facts[i])
			if err != nil {
				return err
			}
			if err := f(one); err != nil {
				return err
			}
		}
		read += len(some)
		a.place.Seen += len(some)
		a.place.Over = a.place.Over || a.place.Seen >= a.most
	}
	return nil
}

// next reads the next people.
func (a *audience) next(ctx context.Context) ([]*profile.Profile, error) {
	w := core.Window{Limit: audiencePage, After: a.place.After}
	if a.halt > 0 {
		w.Limit = min(w.Limit, a.halt)
	}
	if a.journey != "" {
		return a.nextInside(ctx, w)
	}
	page, err := a.s.Profiles.List(ctx, a.ws, w)
	if err != nil {
		return nil, err
	}
	if a.place.Over = !page.HasNext || len(page.Cursors) == 0; !a.place.Over {
		a.place.After = page.Cursors[len(page.Cursors)-1]
	}
	return page.Items, nil
}

// nextInside reads the next people who are inside, each once however often they are.
func (a *audience) nextInside(ctx context.Context, w core.Window) ([]*profile.Profile, error) {
	page, err := a.s.ListEnrollments(ctx, a.ws, EnrollmentFilter{Journey: a.journey, Status: alive[a.place.Walk]}, w)
	if err != nil {
		return nil, err
	}
	if page.HasNext && len(page.Cursors) > 0 {
		a.place.After = page.Cursors[len(page.Cursors)-1]
	} else {
		a.place.Walk, a.place.After = a.place.Walk+1, ""
		a.place.Over = a.place.Walk == len(alive)
	}
	parts := make([]string, len(page.Items))
	for i, e := range page.Items {
		parts[i] = e.Part
	}
	people, err := a.s.Profiles.GetMany(ctx, a.ws, parts)
	if err != nil {
		return nil, err
	}
	var out []*profile.Profile
	for i, p := range people {
		if p == nil {
			continue
		}
		ids, err := a.live(ctx, p)
		if err != nil {
			return nil, err
		}
		if len(ids) > 0 && ids[0] == page.Items[i].EnrollmentID() {
			out = append(out, p)
		}
	}
	return out, nil
}

// live lists the live enrollments of a person in the journey, by id.
func (a *audience) live(ctx context.Context, p *profile.Profile) ([]string, error) {
	keys := make([]string, len(p.Parts))
	for i, part := range p.Parts {
		keys[i] = store.Key(a.ws, part)
	}
	docs, err := Presences.GetMany(ctx, a.s.Store, keys)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, doc := range docs {
		if doc == nil {
			continue
		}
		for _, one := range doc.Live {
			if one.Journey == a.journey {
				out = append(out, one.Enrollment)
			}
		}
	}
	slices.Sort(out)
	return out, nil
}

// admitted returns whom of some people the caller may see, as they are stored. That they
// were looked at is noted in the audit log.
func (a *audience) admitted(ctx context.Context, list []*profile.Profile) ([]*profile.Profile, error) {
	if a.byJob {
		g, err := a.s.Profiles.Gate(ctx, a.ws)
		if err != nil {
			return nil, err
		}
		return slices.DeleteFunc(list, func(p *profile.Profile) bool { ok, _ := g.Admits(ctx, p); return !ok }), nil
	}
	parts := make([]*Enrollment, len(list))
	for i, p := range list {
		parts[i] = &Enrollment{Part: p.ProfileID()}
	}
	if err := keep(ctx, a.s, a.ws, parts, partOf); err != nil {
		return nil, err
	}
	var out []*profile.Profile
	for i, e := range parts {
		if e != nil {
			out = append(out, list[i])
		}
	}
	return out, nil
}

// maxPast is how many events of one person a simulation replays.
const maxPast = 5000

func (a *audience) person(ctx context.Context, p *profile.Profile, f *segment.Facts) (*Person, error) {
	out := &Person{Profile: p.ProfileID(), Facts: func(time.Time) condition.Facts { return f }}
	err := a.s.Profiles.EachEventOf(ctx, a.ws, p.Parts, func(e *event.Event) error {
		if len(out.Events) < maxPast {
			out.Events = append(out.Events, e)
		}
		return nil
	})
	if len(p.Parts) > 1 {
		slices.SortStableFunc(out.Events, func(a, b *event.Event) int { return a.Timestamp.Compare(b.Timestamp) })
	}
	if err != nil || a.journey == "" {
		return out, err
	}
	return out, a.standing(ctx, p, out)
}

// standing says where somebody stands who is inside.
func (a *audience) standing(ctx context.Context, p *profile.Profile, out *Person) error {
	ids, err := a.live(ctx, p)
	if err != nil {
		return err
	}
	var keys, visits []string
	for _, id := range ids {
		keys = append(keys, store.Key(a.ws, id))
	}
	list, err := Enrollments.GetMany(ctx, a.s.Store, keys)
	if err != nil {
		return err
	}
	for _, e := range list {
		if e == nil || e.Ended() {
			continue
		}
		by := &batch{events: map[string]*event.Event{}}
		if e.Event != "" {
			if by.events[e.Event], err = event.Events.Get(ctx, a.s.Store, store.Key(a.ws, e.Event)); err != nil {
				return err
			}
		}
		out.Inside = append(out.Inside, Standing{
			Version: e.Version, Status: e.Status, State: e.State, Entered: by.enteredBy(e.Event, e.Data, e.EnteredAt), At: e.EnteredAt,
		})
	}
	slices.SortStableFunc(out.Inside, func(x, y Standing) int { return x.At.Compare(y.At) })
	for _, part := range p.Parts {
		visits = append(visits, visitKey(a.ws, a.journey, part, ""))
	}
	seen, err := Visits.GetMany(ctx, a.s.Store, visits)
	for _, v := range seen {
		if v != nil && v.At.After(out.Visited) {
			out.Visited = v.At
		}
	}
	return err
}

// of is how many people an audience has at most, by what is known beforehand.
func (a *audience) of(ctx context.Context) (int64, error) {
	var n int64
	if a.journey == "" {
		var err error
		n, err = profile.Profiles.Count(ctx, a.s.Store, store.Query{Workspace: a.ws})
		return min(n, int64(a.most)), err
	}
	for _, status := range alive {
		k, err := a.s.CountEnrollments(ctx, a.ws, EnrollmentFilter{Journey: a.journey, Status: status})
		if err != nil {
			return 0, err
		}
		n += k
	}
	return min(n, int64(a.most)), nil
}
