package resolver

import (
	"context"
	"sync"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vikstrous/dataloadgen"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/journey"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/segment"
	"github.com/headwater-cdp/headwater/core/store"
)

// scope is what the fields of one answer share: loaders that gather reads, and
// where in the stream of changes the answer was read. It is made anew for every
// operation and for every event of a subscription, so that nothing stale or of
// another caller can be met.
type scope struct {
	gate     func() (*profile.Gate, error) // what the actor may see: one for the whole answer
	seal     func(changeCursor) (string, error)
	profiles *dataloadgen.Loader[string, *profile.Profile]
	segments *dataloadgen.Loader[string, *segment.Segment]
	stays    *dataloadgen.Loader[string, []segment.Stay] // present ones, by profile
	enrolled *dataloadgen.Loader[string, *journey.Enrollment]
	token    store.Token // taken before anything was read; "" when no field asks
	tokenErr error
	mu       sync.Mutex
	cursors  map[*profile.Profile]string
}

type scopeKey struct{}

const (
	loaderWait  = time.Millisecond
	loaderBatch = core.MaxPage
)

// Each returns the context that the fields of one answer are resolved in.
func (r *Resolver) Each(ctx context.Context) context.Context {
	ws := workspace(ctx)
	s := &scope{cursors: map[*profile.Profile]string{}, seal: func(c changeCursor) (string, error) { return r.sealCursor(ctx, c) }}
	s.gate = sync.OnceValues(func() (*profile.Gate, error) { return r.Profiles.Gate(ctx, ws) })
	s.profiles = dataloadgen.NewLoader(func(ctx context.Context, ids []string) ([]*profile.Profile, []error) {
		gate, err := s.gate()
		if err != nil {
			return nil, []error{err}
		}
		found, err := gate.ShowMany(ctx, ids)
		if err != nil {
			return nil, []error{err}
		}
		return found, nil
	}, dataloadgen.WithWait(loaderWait), dataloadgen.WithBatchCapacity(loaderBatch))
	s.segments = dataloadgen.NewLoader(func(ctx context.Context, ids []string) ([]*segment.Segment, []error) {
		found, err := r.Segments.GetMany(ctx, ws, ids)
		if err != nil {
			return nil, []error{err}
		}
		return found, nil
	}, dataloadgen.WithWait(loaderWait), dataloadgen.WithBatchCapacity(loaderBatch))
	s.stays = dataloadgen.NewLoader(func(ctx context.Context, ids []string) ([][]segment.Stay, []error) {
		found, err := r.Segments.PresentMemberships(ctx, ws, ids)
		if err != nil {
			return nil, []error{err}
		}
		return found, nil
	}, dataloadgen.WithWait(loaderWait), dataloadgen.WithBatchCapacity(loaderBatch))
	s.enrolled = dataloadgen.NewLoader(func(ctx context.Context, ids []string) ([]*journey.Enrollment, []error) {
		found, err := r.Journeys.ShowEnrollmentsOf(ctx, ws, ids)
		if err != nil {
			return nil, []error{err}
		}
		return found, nil
	}, dataloadgen.WithWait(loaderWait), dataloadgen.WithBatchCapacity(loaderBatch))
	if op := operation(ctx); op != nil && (asks(op.SelectionSet, "Profile", "cursor") || asks(op.SelectionSet, "Segment", "cursor") || asks(op.SelectionSet, "Journey", "cursor")) {
		s.token, s.tokenErr = r.Hub.Now(ctx)
	}
	return context.WithValue(ctx, scopeKey{}, s)
}

func operation(ctx context.Context) *ast.OperationDefinition {
	if !graphql.HasOperationContext(ctx) {
		return nil
	}
	return graphql.GetOperationContext(ctx).Operation
}

// asks reports whether a selection asks for a field of a type. The document is
// known to be small.
func asks(set ast.SelectionSet, typeName, field string) bool {
	for _, sel := range set {
		var below ast.SelectionSet
		switch sel := sel.(type) {
		case *ast.Field:
			if sel.Name == field && sel.ObjectDefinition != nil && sel.ObjectDefinition.Name == typeName {
				return true
			}
			below = sel.SelectionSet
		case *ast.InlineFragment:
			below = sel.SelectionSet
		case *ast.FragmentSpread:
			if sel.Definition != nil {
				below = sel.Definition.SelectionSet
			}
		}
		if asks(below, typeName, field) {
			return true
		}
	}
	return false
}

func scopeOf(ctx context.Context) *scope {
	s, _ := ctx.Value(scopeKey{}).(*scope)
	return s
}

// loadProfile gathers the profiles that the fields of one answer ask for.
func loadProfile(ctx context.Context, id string) (*profile.Profile, error) {
	if id == "" {
		return nil, nil
	}
	return scopeOf(ctx).profiles.Load(ctx, id)
}

// place remembers the cursor that belongs to a profile's state.
func (s *scope) place(p *profile.Profile, cursor string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cursors[p] = cursor
}

// cursorOf returns where profileChanged continues from the state of p.
func (s *scope) cursorOf(p *profile.Profile) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c, ok := s.cursors[p]; ok {
		return c, nil
	}
	if s.tokenErr != nil {
		return "", s.tokenErr
	}
	return s.seal(changeCursor{s.token, p.Seq})
}

// membershipCursor returns where segmentMembershipChanged continues from what this
// answer reads.
func (s *scope) membershipCursor() (string, error) {
	return encodeMembershipCursor(s.token), s.tokenErr
}

// enrollmentCursor returns where enrollmentChanged continues from what this answer reads.
func (s *scope) enrollmentCursor() (string, error) {
	return encodeEnrollmentCursor(s.token), s.tokenErr
}
