package access

import (
	"context"
	"sync"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
)

// stream is something that lives as long as its credential does.
type stream struct {
	workspace, id string
	credential    *credential // nil: of an actor that was made by hand
	end           context.CancelCauseFunc
	expires       time.Time // zero: never, or not known yet
	late          error     // what ends it then
}

// live knows the streams of this process.
type live struct {
	mu      sync.Mutex
	streams map[*stream]struct{}
	behind  bool // a recheck could not read the store
}

func newLive() *live { return &live{streams: map[*stream]struct{}{}} }

// Live returns a context that ends when the key of ctx's actor is revoked or expires,
// when the member is suspended or removed or their token expires, when whom the actor
// may see is limited otherwise than before (FORBIDDEN, reason LIMITS_CHANGED), when its
// roles or purposes are others (reason ACCESS_CHANGED), or when the workspace is
// deleted; context.Cause then gives that, or the error that Admit would. For a subscription: close it with 4403. Call stop when the stream
// ends. The actor of a part of the server has no credential and lives on.
func (s *Service) Live(ctx context.Context) (live context.Context, stop context.CancelFunc) {
	live, end := context.WithCancelCause(ctx)
	a := core.ActorFrom(ctx)
	if a == nil {
		return live, func() { end(nil) }
	}
	c, _ := a.Decider.(*credential)
	if prefix := core.IDPrefix(a.ID); prefix != core.PrefixKey && (prefix != core.PrefixMember || c == nil) {
		return live, func() { end(nil) }
	}
	st := &stream{workspace: a.Workspace, id: a.ID, credential: c, end: end}
	if c != nil && !c.expires.IsZero() {
		st.expires, st.late = c.expires, errBearerExpired
	}
	s.live.mu.Lock()
	s.live.streams[st] = struct{}{}
	s.live.mu.Unlock()
	// The credential may have ended between Admit and now.
	s.recheckOne(ctx, a.Workspace, a.ID, []*stream{st})
	return live, func() {
		s.live.remove(st)
		end(nil)
	}
}

func (l *live) remove(st *stream) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.streams, st)
}

// byCredential groups the streams, and takes note that a check of all is under way.
func (l *live) byCredential() map[[2]string][]*stream {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.behind = false
	keys := map[[2]string][]*stream{}
	for st := range l.streams {
		k := [2]string{st.workspace, st.id}
		keys[k] = append(keys[k], st)
	}
	return keys
}

func (l *live) stale() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.behind
}

// expire ends the streams whose credential's time is up.
func (l *live) expire(now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for st := range l.streams {
		if !st.expires.IsZero() && !now.Before(st.expires) {
			st.end(st.late)
		}
	}
}

// recheck reads the credentials of all streams again.
func (s *Service) recheck(ctx context.Context) {
	for k, streams := range s.live.byCredential() {
		s.recheckOne(ctx, k[0], k[1], streams)
	}
}

func (s *Service) recheckOne(ctx context.Context, workspace, id string, streams []*stream) {
	rctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), store.MaxTime)
	defer cancel()
	now, why, expires, err := s.readStanding(rctx, workspace, id)
	s.live.mu.Lock()
	defer s.live.mu.Unlock()
	if err != nil {
		s.live.behind = true // Run tries again
		return
	}
	for _, st := range streams {
		switch {
		case why != nil:
			st.end(why)
		case st.credential != nil && st.credential.given.since(now.given()) != nil:
			st.end(st.credential.given.since(now.given()))
		case !expires.IsZero():
			st.expires, st.late = expires, errExpired
		}
	}
}

// readStanding reads, past the cache, how a key or a member stands: why says that it
// cannot be used.
func (s *Service) readStanding(ctx context.Context, workspace, id string) (st standing, why error, expires time.Time, err error) {
	w, err := Workspaces.Get(ctx, s.store, workspace)
	if err != nil {
		return st, nil, expires, err
	}
	if core.IDPrefix(id) == core.PrefixMember {
		m, err := Members.Get(ctx, s.store, store.Key(workspace, id))
		if err != nil {
			return st, nil, expires, err
		}
		if why = (seat{m, w}).state(); why == nil {
			st = seat{m, w}.standing()
		}
		return st, why, expires, nil
	}
	k, err := s.findKey(ctx, workspace, id)
	switch {
	case err != nil:
		return st, nil, expires, err
	case k == nil && (w == nil || w.Status != Active):
		return st, errDeleted, expires, nil
	case k == nil:
		return st, errUnknownKey, expires, nil
	}
	if why = k.state(w, s.clock.Now()); why == nil {
		st = k.standing(w)
	}
	return st, why, k.ExpiresAt, nil
}
