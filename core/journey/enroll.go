package journey

import (
	"context"
	"slices"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/store"
)

// EnrollInput lets somebody into a journey that can be entered by the API. One of ProfileID
// and Identifier says whom.
type EnrollInput struct {
	Journey        string
	ProfileID      string
	Identifier     *event.Identifier
	Event          any // a JSON object that stands for the properties of an entering event; nil: none
	IdempotencyKey string
}

// Enroll asks to let somebody in. Whether they may enter (re-entry, the pilot) is decided
// where all are: shortly after. The same idempotency key asks once.
func (s *Service) Enroll(ctx context.Context, ws string, in EnrollInput) (enrollmentID string, err error) {
	if !access.Can(ctx, access.Ingest) && !access.Can(ctx, access.Design) {
		return "", access.Allow(ctx, access.Ingest)
	}
	j, err := s.Journey(ctx, ws, in.Journey)
	switch {
	case err != nil:
		return "", err
	case j == nil:
		return "", errThisJourney
	case j.Mode != Live:
		return "", core.Errorf(core.Conflict, "JOURNEY_MODE", "a journey that is %s cannot be entered", j.Mode).At("journeyId")
	case in.IdempotencyKey == "" || len(in.IdempotencyKey) > 200:
		return "", core.Errorf(core.Invalid, "IDEMPOTENCY_KEY", "give an idempotency key of 1 to 200 bytes, the same for the same request").At("idempotencyKey")
	}
	p, err := s.program(ctx, ws, in.Journey, j.Entry)
	if err != nil {
		return "", storeError("read the version", err)
	}
	i := slices.IndexFunc(p.Entrances(), func(e *Entrance) bool { return e.API })
	if i < 0 {
		return "", core.Errorf(core.Invalid, "NO_API_ENTRY", "this version has no entry node that is entered by the API").At("journeyId")
	}
	who, err := s.find(ctx, ws, in.ProfileID, in.Identifier)
	if err != nil {
		return "", err
	}
	if !j.pilots(who) {
		return "", core.Errorf(core.Conflict, "NOT_IN_PILOT", "the person is not among the %d percent who may enter", j.Pilot).At("profileId")
	}
	t := &Trigger{Part: who, Journey: in.Journey, Version: j.Entry, Node: p.Entrances()[i].Node, Cause: CauseAPI, At: s.now()}
	if in.Event != nil {
		raw, fault := event.FromJSON(in.Event)
		if fault != nil {
			return "", fault.At("event")
		}
		t.Data = raw
	}
	op := s.trigger(ws, t, in.Journey, "api", in.IdempotencyKey)
	id := core.HashID(core.PrefixEnrollment, t.ID)
	// One that was used up already has its enrollment.
	if old, err := Enrollments.Get(ctx, s.Store, store.Key(ws, id)); err != nil || old != nil {
		return id, storeError("read the enrollment", err)
	}
	ops, err := s.recorded(ctx, ws, "journey.enroll", in.Journey, map[string]string{"enrollment": id}, op)
	if err != nil {
		return "", err
	}
	if err := s.commit(ctx, ops); err != nil && !isConflict(err) {
		return "", storeError("write the trigger", err)
	}
	s.poke(ws, map[string]bool{t.Lane: true})
	return id, nil
}

// find returns the part of whoever is meant.
func (s *Service) find(ctx context.Context, ws, profileID string, id *event.Identifier) (string, error) {
	if (profileID == "") == (id == nil) {
		return "", core.Errorf(core.Invalid, "WHO", "name one of profileId and identifier")
	}
	g, err := s.Profiles.Gate(ctx, ws)
	if err != nil {
		return "", err
	}
	if id != nil {
		p, err := s.Profiles.ByIdentifier(ctx, ws, *id)
		if err != nil {
			return "", err
		}
		if ok, _ := g.Admits(ctx, p); p == nil || !ok {
			return "", core.Errorf(core.NotFound, "PROFILE", "nobody has this identifier").At("identifier")
		}
		return p.ProfileID(), nil
	}
	p, err := s.Profiles.Get(ctx, ws, profileID)
	if err != nil {
		return "", err
	}
	if p == nil {
		return "", core.Errorf(core.NotFound, "PROFILE", "no profile has this id").At("profileId")
	}
	if ok, _ := g.Admits(ctx, p); !ok {
		return "", core.Errorf(core.NotFound, "PROFILE", "no profile has this id").At("profileId")
	}
	return p.ProfileID(), nil
}

// Leave takes one person out of a journey, with nothing more sent.
func (s *Service) Leave(ctx context.Context, ws, enrollmentID string) (*Enrollment, error) {
	if err := mayDesign(ctx); err != nil {
		return nil, err
	}
	for range maxChanges {
		e, err := s.Enrollment(ctx, ws, enrollmentID)
		if err != nil {
			return nil, err
		}
		if e == nil {
			return nil, core.Errorf(core.NotFound, "ENROLLMENT", "no enrollment has this id").At("id")
		}
		if e.Ended() {
			return e, nil
		}
		if _, err := s.leaveAll(ctx, ws, []*Enrollment{e}, Removed, "BY_HAND"); err != nil {
			return nil, storeError("write the enrollment", err)
		}
	}
	return nil, core.Errorf(core.Unavailable, "BUSY", "the enrollment changes too often just now; try again").After(time.Second)
}

// Enrollment returns the enrollment with an id, or nil, with all of its trail.
func (s *Service) Enrollment(ctx context.Context, ws, id string) (*Enrollment, error) {
	if !isID(core.PrefixEnrollment, id) {
		return nil, nil
	}
	e, err := Enrollments.Get(ctx, s.Store, store.Key(ws, id))
	return e, storeError("read the enrollment", err)
}

// Timeline returns all passages of an enrollment, the earliest first. The detail of one that
// queued a message is the id of that.
func (s *Service) Timeline(ctx context.Context, e *Enrollment) ([]Passage, error) {
	older, err := Olders.Find(ctx, s.Store, store.Query{Workspace: e.Workspace(), Where: []store.Cond{store.Prefix("_id", e.EnrollmentID()+"/")}}, 0)
	if err != nil {
		return nil, storeError("read the timeline", err)
	}
	var out []Passage
	for _, o := range older {
		out = append(out, o.Trail...)
	}
	out = append(out, e.Trail...)
	for i := range out {
		if p := &out[i]; p.Did == DidQueue || p.Did == didSend {
			p.Did, p.Detail = DidQueue, messageOf(e.Workspace(), e.EnrollmentID(), p.Node, p.Visit)
		}
	}
	return out, nil
}

// EnrollmentFilter chooses enrollments.
type EnrollmentFilter struct {
	Journey string
	Status  Status // "" is any
}

func (f EnrollmentFilter) query(ws string) store.Query {
	q := store.Query{Workspace: ws, Where: []store.Cond{store.Eq("j", f.Journey)}, Order: []string{"-in"}}
	if f.Status != "" {
		q.Where = append(q.Where, store.Eq("status", string(f.Status)))
	}
	return q
}

// ListEnrollments returns a page of a journey's enrollments, the latest first.
func (s *Service) ListEnrollments(ctx context.Context, ws string, f EnrollmentFilter, w core.Window) (store.Page[Enrollment], error) {
	page, err := Enrollments.Page(ctx, s.Store, f.query(ws), w)
	return page, storeError("list the enrollments", err)
}

// CountEnrollments returns how many ListEnrollments lists.
func (s *Service) CountEnrollments(ctx context.Context, ws string, f EnrollmentFilter) (int64, error) {
	n, err := Enrollments.Count(ctx, s.Store, f.query(ws))
	return n, storeError("count the enrollments", err)
}

// EnrollmentsOf lists the enrollments of a person, of all parts.
func (s *Service) EnrollmentsOf(ctx context.Context, ws string, parts []string) ([]*Enrollment, error) {
	var out []*Enrollment
	for _, part := range parts {
		list, err := Enrollments.Find(ctx, s.Store, store.Query{Workspace: ws, Where: []store.Cond{store.Eq("part", part)}}, 500)
		if err != nil {
			return nil, storeError("read the enrollments", err)
		}
		out = append(out, list...)
	}
	slices.SortFunc(out, func(a, b *Enrollment) int { return b.EnteredAt.Compare(a.EnteredAt) })
	return out, nil
}

// List returns the journeys of a workspace, the latest first; archived ones only when asked
// for.
func (s *Service) List(ctx context.Context, ws string, archived bool) ([]*Journey, error) {
	all, err := Journeys.Find(ctx, s.Store, store.Query{Workspace: ws}, 0)
	if err != nil {
		return nil, storeError("list the journeys", err)
	}
	all = slices.DeleteFunc(all, func(j *Journey) bool { return (j.Mode == Archived) != archived })
	slices.SortFunc(all, func(a, b *Journey) int { return b.CreatedAt.Compare(a.CreatedAt) })
	return all, nil
}
