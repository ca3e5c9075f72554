package resolver

import (
	"context"
	"encoding/base64"
	"strings"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/journey"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/graph/engine"
	"github.com/headwater-cdp/headwater/graph/gen"
	"github.com/headwater-cdp/headwater/graph/view"
)

// Enrollments answers Query.enrollments.
func (r query) Enrollments(ctx context.Context, journeyID string, status *journey.Status, first *int, after *string, last *int, before *string) (*view.EnrollmentConnection, error) {
	w, err := window(first, after, last, before)
	if err != nil {
		return nil, err
	}
	ws, f := workspace(ctx), journey.EnrollmentFilter{Journey: journeyID, Status: value(status)}
	page, err := r.Resolver.Journeys.ShowEnrollments(ctx, ws, f, w)
	if err != nil {
		return nil, err
	}
	return listed(page, func(ctx context.Context) (int64, error) { return r.Resolver.Journeys.CountShownEnrollments(ctx, ws, f) }), nil
}

// JourneyToDos answers Query.journeyToDos.
func (r query) JourneyToDos(ctx context.Context, journeyID *string, state *gen.JourneyToDoState, first *int, after *string, last *int, before *string) (*view.JourneyToDoConnection, error) {
	w, err := window(first, after, last, before)
	if err != nil {
		return nil, err
	}
	ws, f := workspace(ctx), journey.ToDoFilter{Journey: value(journeyID), State: string(value(state))}
	page, err := r.Resolver.Journeys.ShowToDos(ctx, ws, f, w)
	if err != nil {
		return nil, err
	}
	return listed(page, func(ctx context.Context) (int64, error) { return r.Resolver.Journeys.CountShownToDos(ctx, ws, f) }), nil
}

// Enrollments answers Profile.enrollments.
func (r profileFields) Enrollments(ctx context.Context, p *profile.Profile) ([]*journey.Enrollment, error) {
	ws := workspace(ctx)
	all, err := r.Journeys.EnrollmentsOf(ctx, ws, p.Parts)
	if err != nil {
		return nil, err
	}
	all, err = r.Journeys.Shown(ctx, ws, all)
	out := []*journey.Enrollment{}
	for _, e := range all {
		if e != nil {
			out = append(out, e)
		}
	}
	return out, err
}

// Journey answers Enrollment.journey.
func (r enrollmentFields) Journey(ctx context.Context, e *journey.Enrollment) (*journey.Journey, error) {
	j, err := r.Journeys.Journey(ctx, workspace(ctx), e.Journey)
	if err == nil && j == nil {
		err = core.Errorf(core.NotFound, "JOURNEY", "the journey is gone")
	}
	return j, err
}

// Profile answers Enrollment.profile.
func (r enrollmentFields) Profile(ctx context.Context, e *journey.Enrollment) (*profile.Profile, error) {
	return loadProfile(ctx, e.Part)
}

// Key answers Enrollment.key.
func (r enrollmentFields) Key(_ context.Context, e *journey.Enrollment) (*string, error) {
	return text(e.Key), nil
}

// Node answers Enrollment.node.
func (r enrollmentFields) Node(_ context.Context, e *journey.Enrollment) (*string, error) {
	return text(e.State.Node), nil
}

// WaitsFor answers Enrollment.waitsFor.
func (r enrollmentFields) WaitsFor(_ context.Context, e *journey.Enrollment) (*journey.Await, error) {
	if e.Status != journey.Waiting || e.State.For == "" {
		return nil, nil
	}
	return &e.State.For, nil
}

// DueAt answers Enrollment.dueAt.
func (r enrollmentFields) DueAt(_ context.Context, e *journey.Enrollment) (*time.Time, error) {
	return instant(e.Due), nil
}

// EndedAt answers Enrollment.endedAt.
func (r enrollmentFields) EndedAt(_ context.Context, e *journey.Enrollment) (*time.Time, error) {
	return instant(e.EndedAt), nil
}

// Fault answers Enrollment.fault.
func (r enrollmentFields) Fault(_ context.Context, e *journey.Enrollment) (*string, error) {
	return text(e.Fault), nil
}

// Timeline answers Enrollment.timeline.
func (r enrollmentFields) Timeline(ctx context.Context, e *journey.Enrollment) ([]*journey.Passage, error) {
	list, err := r.Journeys.Timeline(ctx, e)
	return pointers(list), err
}

// On answers JourneyPassage.on.
func (r passageFields) On(_ context.Context, p *journey.Passage) (*string, error) {
	return text(p.On), nil
}

// Detail answers JourneyPassage.detail.
func (r passageFields) Detail(_ context.Context, p *journey.Passage) (*string, error) {
	return text(p.Detail), nil
}

// enrollmentMark begins the cursors of enrollmentChanged.
const enrollmentMark = "~e:"

func encodeEnrollmentCursor(token store.Token) string {
	return base64.RawURLEncoding.EncodeToString([]byte(enrollmentMark + string(token)))
}

func decodeEnrollmentCursor(s string) (store.Token, error) {
	raw, err := base64.RawURLEncoding.DecodeString(s)
	token, ok := strings.CutPrefix(string(raw), enrollmentMark)
	if err != nil || !ok || token == "" || len(s) > 4096 {
		return "", core.Errorf(core.Invalid, "BAD_CURSOR", "use Journey.cursor or the cursor of a change").At("after")
	}
	return store.Token(token), nil
}

// EnrollmentChanged answers Subscription.enrollmentChanged.
func (r subscription) EnrollmentChanged(ctx context.Context, journeyID string, after *string) (<-chan *view.EnrollmentChange, error) {
	ws := workspace(ctx)
	var at store.Token
	var err error
	if after != nil {
		at, err = decodeEnrollmentCursor(*after)
	} else {
		at, err = r.Hub.Now(ctx)
	}
	if err != nil {
		return nil, err
	}
	if _, err := r.Journeys.Heard(ctx, ws, journeyID, nil); err != nil {
		return nil, err
	}
	f, err := r.Hub.Subscribe(ctx, at, store.Filter{Spec: journey.Enrollments.Spec, Prefix: store.Key(ws, "")})
	if err != nil {
		return nil, err
	}
	out := make(chan *view.EnrollmentChange)
	go func() {
		defer close(out)
		err := inOrder(ctx, f, func(changes []store.Change) error { return r.tellEnrollments(ctx, journeyID, changes, out) })
		if cerr := f.Close(); err == nil {
			err = cerr
		}
		if err != nil && ctx.Err() == nil {
			engine.EndStream(ctx, err)
		}
	}()
	return out, nil
}

// tellEnrollments reads the enrollments that changes of the store are about, and sends those
// of the journey. Of several changes of one that are ready, the last is told. The gate is
// asked anew when a subscriber takes its time.
func (r *Resolver) tellEnrollments(ctx context.Context, journeyID string, changes []store.Change, out chan<- *view.EnrollmentChange) error {
	last := map[string]int{}
	for i, c := range changes {
		last[c.Key] = i
	}
	keys := make([]string, len(changes))
	for i, c := range changes {
		keys[i] = c.Key
	}
	found, err := r.Journeys.EnrollmentsAt(ctx, keys)
	if err != nil {
		return err
	}
	mine := false
	for i, e := range found {
		if last[keys[i]] != i || e == nil || e.Journey != journeyID {
			found[i] = nil
		}
		mine = mine || found[i] != nil
	}
	if !mine {
		return nil
	}
	var asked time.Time
	var heard []*journey.Enrollment
	for i := range found {
		if found[i] == nil {
			continue
		}
		if heard == nil || time.Since(asked) > gateHolds {
			asked = time.Now()
			if heard, err = r.Journeys.Heard(ctx, workspace(ctx), journeyID, found); err != nil {
				return err
			}
		}
		e := heard[i]
		if e == nil {
			continue
		}
		from, did := e.Moved()
		select {
		case out <- &view.EnrollmentChange{
			Cursor: encodeEnrollmentCursor(changes[i].Token), Enrollment: e, From: text(from), To: text(e.State.Node), At: did.At,
		}:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}
