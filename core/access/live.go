package access

import (
	"context"
	"sync"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
)

// stream is something that lives as long as its key does.
type stream struct {
	workspace, key string
	end            context.CancelCauseFunc
	expires        time.Time // zero: never, or not known yet
}

// live knows the streams of this process.
type live struct {
	mu      sync.Mutex
	streams map[*stream]struct{}
	behind  bool // a recheck could not read the store
}

func newLive() *live { return &live{streams: map[*stream]struct{}{}} }

// Live returns a context that ends when the key of ctx's actor is revoked,
// expires, or its workspace is deleted; context.Cause then gives the error that
// Authenticate would. For a subscription: close it with 4403. Call stop when the
// stream ends. The actor of a part of the server has no key and lives on.
func (s *Service) Live(ctx context.Context) (live context.Context, stop context.CancelFunc) {
	live, end := context.WithCancelCause(ctx)
	a := core.ActorFrom(ctx)
	if a == nil || core.IDPrefix(a.ID) != core.PrefixKey {
		return live, func() { end(nil) }
	}
	st := &stream{workspace: a.Workspace, key: a.ID, end: end}
	s.live.mu.Lock()
	s.live.streams[st] = struct{}{}
	s.live.mu.Unlock()
	// The key may have ended between Authenticate and now.
	s.recheckKey(ctx, a.Workspace, a.ID, []*stream{st})
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

// byKey groups the streams, and takes note that a check of all is under way.
func (l *live) byKey() map[[2]string][]*stream {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.behind = false
	keys := map[[2]string][]*stream{}
	for st := range l.streams {
		k := [2]string{st.workspace, st.key}
		keys[k] = append(keys[k], st)
	}
	return keys
}

func (l *live) stale() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.behind
}

// expire ends the streams whose key's time is up.
func (l *live) expire(now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for st := range l.streams {
		if !st.expires.IsZero() && !now.Before(st.expires) {
			st.end(errExpired)
		}
	}
}

// recheck reads the keys of all streams again.
func (s *Service) recheck(ctx context.Context) {
	for k, streams := range s.live.byKey() {
		s.recheckKey(ctx, k[0], k[1], streams)
	}
}

func (s *Service) recheckKey(ctx context.Context, workspace, id string, streams []*stream) {
	rctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), store.MaxTime)
	defer cancel()
	k, err := s.findKey(rctx, workspace, id)
	var w *Workspace
	if err == nil {
		w, err = Workspaces.Get(rctx, s.store, workspace)
	}
	s.live.mu.Lock()
	defer s.live.mu.Unlock()
	if err != nil {
		s.live.behind = true // Run tries again
		return
	}
	var why error = errUnknownKey
	switch {
	case k != nil:
		why = k.state(w, s.clock.Now())
	case w == nil || w.Status != Active:
		why = errDeleted
	}
	for _, st := range streams {
		if why != nil {
			st.end(why)
			continue
		}
		st.expires = k.ExpiresAt
	}
}
