package journey

import (
	"context"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/condition"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/store"
)

// Reads tells whether the caller may read in clear all that the conditions of a version ask
// about. Where people stand, and how many of them, tells of it.
func (s *Service) Reads(ctx context.Context, ws string, v *Version) (bool, error) {
	d, err := ParseJSON([]byte(v.Definition))
	if err != nil {
		return false, err
	}
	faults, err := s.readable(ctx, ws, d, false)
	return len(faults) == 0, storeError("read what may be seen", err)
}

// sees refuses whoever may not follow the people of a journey: see Reads.
func (s *Service) sees(ctx context.Context, ws, id string) error {
	list, err := s.Versions(ctx, ws, id)
	if err != nil {
		return err
	}
	if len(list) == 0 {
		return errThisJourney
	}
	for _, v := range list {
		if v.PublishedAt.IsZero() {
			continue
		}
		ok, err := s.Reads(ctx, ws, v)
		if err != nil {
			return err
		}
		if !ok {
			return core.Errorf(core.Forbidden, ReasonProtected, "the conditions of this journey ask about data that may not be read here for this purpose").At("journeyId")
		}
	}
	return nil
}

// ReasonProtected is the reason of the refusal of those who may not read in clear what the
// conditions of a journey ask about.
const ReasonProtected = "PROTECTED_JOURNEY"

// keep puts nil in the place of whatever is about people whom the caller may not see. That
// the others were looked at is noted in the audit log.
func keep[T any](ctx context.Context, s *Service, ws string, list []*T, part func(*T) string) error {
	g, err := s.Profiles.Gate(ctx, ws)
	if err != nil {
		return err
	}
	ids := make([]string, len(list))
	for i, item := range list {
		ids[i] = part(item)
	}
	people, err := g.ShowMany(ctx, ids)
	if err != nil {
		return err
	}
	for i, p := range people {
		if p == nil {
			list[i] = nil
		}
	}
	return nil
}

func partOf(e *Enrollment) string { return e.Part }
func askedOf(t *ToDo) string      { return t.Part }

// ShowEnrollments is ListEnrollments of those that the caller may see.
func (s *Service) ShowEnrollments(ctx context.Context, ws string, f EnrollmentFilter, w core.Window) (profile.Listed[Enrollment], error) {
	if err := s.sees(ctx, ws, f.Journey); err != nil {
		return profile.Listed[Enrollment]{}, err
	}
	return profile.VisiblePage(w,
		func(w core.Window) (store.Page[Enrollment], error) { return s.ListEnrollments(ctx, ws, f, w) },
		func(list []*Enrollment) error { return keep(ctx, s, ws, list, partOf) })
}

// CountShownEnrollments returns how many ShowEnrollments lists in all. Where the caller does
// not see everybody, it walks them.
func (s *Service) CountShownEnrollments(ctx context.Context, ws string, f EnrollmentFilter) (int64, error) {
	if err := s.sees(ctx, ws, f.Journey); err != nil {
		return 0, err
	}
	return countShown(ctx, s, ws, partOf, func(w core.Window) (store.Page[Enrollment], error) { return s.ListEnrollments(ctx, ws, f, w) })
}

// ShowToDos is ListToDos of those that the caller may see.
func (s *Service) ShowToDos(ctx context.Context, ws string, f ToDoFilter, w core.Window) (profile.Listed[ToDo], error) {
	return profile.VisiblePage(w,
		func(w core.Window) (store.Page[ToDo], error) { return s.ListToDos(ctx, ws, f, w) },
		func(list []*ToDo) error { return keep(ctx, s, ws, list, askedOf) })
}

// CountShownToDos returns how many ShowToDos lists in all.
func (s *Service) CountShownToDos(ctx context.Context, ws string, f ToDoFilter) (int64, error) {
	return countShown(ctx, s, ws, askedOf, func(w core.Window) (store.Page[ToDo], error) { return s.ListToDos(ctx, ws, f, w) })
}

// countShown counts what may be seen.
func countShown[T any](ctx context.Context, s *Service, ws string, part func(*T) string, read func(core.Window) (store.Page[T], error)) (int64, error) {
	g, err := s.Profiles.Gate(ctx, ws)
	if err != nil {
		return 0, err
	}
	var n int64
	for w := (core.Window{Limit: 500}); ; {
		page, err := read(w)
		if err != nil {
			return 0, err
		}
		ids := make([]string, len(page.Items))
		for i, item := range page.Items {
			ids[i] = part(item)
		}
		people, err := s.Profiles.GetMany(ctx, ws, ids)
		if err != nil {
			return 0, storeError("read the people", err)
		}
		for _, p := range people {
			if ok, _ := g.Admits(ctx, p); ok {
				n++
			}
		}
		if !page.HasNext || len(page.Cursors) == 0 {
			return n, nil
		}
		w.After = page.Cursors[len(page.Cursors)-1]
	}
}

// Shown returns those of some enrollments of any journeys that the caller may see, nil in
// the place of the others.
func (s *Service) Shown(ctx context.Context, ws string, list []*Enrollment) ([]*Enrollment, error) {
	out := make([]*Enrollment, len(list))
	follows := map[string]bool{}
	var there []*Enrollment
	var places []int
	for i, e := range list {
		if e == nil {
			continue
		}
		ok, asked := follows[e.Journey]
		if !asked {
			err := s.sees(ctx, ws, e.Journey)
			if code := core.CodeOf(err); err != nil && code != core.Forbidden && code != core.NotFound {
				return nil, err
			}
			ok = err == nil
			follows[e.Journey] = ok
		}
		if ok {
			there, places = append(there, e), append(places, i)
		}
	}
	if err := keep(ctx, s, ws, there, partOf); err != nil {
		return nil, storeError("read what may be seen", err)
	}
	for i, e := range there {
		out[places[i]] = e
	}
	return out, nil
}

// ShowEnrollment returns the enrollment with an id as far as the caller may see it, or nil.
func (s *Service) ShowEnrollment(ctx context.Context, ws, id string) (*Enrollment, error) {
	list, err := s.ShowEnrollmentsOf(ctx, ws, []string{id})
	if err != nil {
		return nil, err
	}
	return list[0], nil
}

// ShowEnrollmentsOf returns the enrollments with some ids, in their order; nil in the place
// of what there is not and of what the caller may not see.
func (s *Service) ShowEnrollmentsOf(ctx context.Context, ws string, ids []string) ([]*Enrollment, error) {
	out := make([]*Enrollment, len(ids))
	var keys []string
	var places []int
	for i, id := range ids {
		if isID(core.PrefixEnrollment, id) {
			keys, places = append(keys, store.Key(ws, id)), append(places, i)
		}
	}
	found, err := s.EnrollmentsAt(ctx, keys)
	if err != nil {
		return nil, err
	}
	if found, err = s.Shown(ctx, ws, found); err != nil {
		return nil, err
	}
	for i, e := range found {
		out[places[i]] = e
	}
	return out, nil
}

// EnrollmentsAt returns the enrollments with some keys of the store, in their order, nil for
// those that are gone.
func (s *Service) EnrollmentsAt(ctx context.Context, keys []string) ([]*Enrollment, error) {
	list, err := Enrollments.GetMany(ctx, s.Store, keys)
	return list, storeError("read the enrollments", err)
}

// Heard returns those of some enrollments that the caller may see of one journey; nil in the
// place of the others, and an error when the journey may not be followed.
func (s *Service) Heard(ctx context.Context, ws, id string, list []*Enrollment) ([]*Enrollment, error) {
	if err := s.sees(ctx, ws, id); err != nil {
		return nil, err
	}
	of := make([]*Enrollment, len(list))
	for i, e := range list {
		if e != nil && e.Journey == id {
			of[i] = e
		}
	}
	return s.Shown(ctx, ws, of)
}

// Moved tells of the last step of an enrollment: the node where the person stood before, ""
// for who entered by it, and when it was.
func (e *Enrollment) Moved() (from string, at Passage) {
	if len(e.Trail) == 0 {
		return "", Passage{At: e.EnteredAt}
	}
	last := e.Trail[len(e.Trail)-1]
	first := last
	for i := len(e.Trail) - 1; i >= 0 && e.Trail[i].At.Equal(last.At); i-- {
		first = e.Trail[i]
	}
	if first.Did == DidEnter {
		return "", last
	}
	return first.Node, last
}

// ShowToDo returns the to-do with an id as far as the caller may see it, or nil.
func (s *Service) ShowToDo(ctx context.Context, ws, id string) (*ToDo, error) {
	t, err := s.ToDo(ctx, ws, id)
	if t == nil || err != nil {
		return nil, err
	}
	list := []*ToDo{t}
	if err := keep(ctx, s, ws, list, askedOf); err != nil {
		return nil, storeError("read what may be seen", err)
	}
	return list[0], nil
}

// titles gives the names of what journeys hold by id.
type titles struct {
	condition.Names
	ctx      context.Context //nolint:containedctx // lives as long as one drawing
	s        *Service
	ws       string
	journeys map[string]string
}

func (n *titles) Journey(id string) string { return n.journeys[id] }

func (n *titles) Template(id string) string {
	if n.s.Title == nil {
		return ""
	}
	return n.s.Title(n.ctx, n.ws, id)
}

// Names calls segments, templates and journeys by their names, for a drawing that is made
// before ctx ends.
func (s *Service) Names(ctx context.Context, ws string) (Names, error) {
	segments, err := s.Segments.Names(ctx, ws)
	if err != nil {
		return nil, err
	}
	all, err := Journeys.Find(ctx, s.Store, store.Query{Workspace: ws}, 0)
	if err != nil {
		return nil, storeError("read the journeys", err)
	}
	n := &titles{Names: segments, ctx: ctx, s: s, ws: ws, journeys: map[string]string{}}
	for _, j := range all {
		n.journeys[j.JourneyID()] = j.Name
	}
	return n, nil
}
