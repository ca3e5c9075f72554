package resolver

import (
	"context"
	"encoding/base64"
	"strconv"
	"strings"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/segment"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
	"github.com/headwater-cdp/headwater/graph/engine"
	"github.com/headwater-cdp/headwater/graph/view"
)

// changeCursor is a place in the life of a profile: a place in the stream of
// changes that is no later than the read, and the sequence number that was read.
// Changes after the token that the read saw already are told by the number.
type changeCursor struct {
	token store.Token
	seq   int64
}

func (c changeCursor) encode() string {
	return base64.RawURLEncoding.EncodeToString([]byte(strconv.FormatInt(c.seq, 36) + ":" + string(c.token)))
}

func decodeChangeCursor(s string) (changeCursor, error) {
	raw, err := base64.RawURLEncoding.DecodeString(s)
	seq, token, ok := strings.Cut(string(raw), ":")
	n, nerr := strconv.ParseInt(seq, 36, 64)
	if err != nil || nerr != nil || !ok || token == "" || len(s) > 4096 {
		return changeCursor{}, errChangeCursor
	}
	return changeCursor{store.Token(token), n}, nil
}

var errChangeCursor = core.Errorf(core.Invalid, "BAD_CURSOR", "use Profile.cursor or the cursor of a change").At("after")

// cursorUse is what sealed cursors of changes are bound to.
var cursorUse = []byte("cursor of profileChanged")

// sealCursor writes a cursor that only this server can read: the number in it tells how
// much is known of the person.
func (r *Resolver) sealCursor(ctx context.Context, c changeCursor) (string, error) {
	ws := workspace(ctx)
	sealed, err := r.Ring.Seal(ctx, ws, []byte(c.encode()), cursorUse)
	if err != nil {
		return "", err
	}
	return base64.RawURLEncoding.EncodeToString(sealed), nil
}

func (r *Resolver) openCursor(ctx context.Context, s string) (changeCursor, error) {
	sealed, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil || len(s) > 8192 {
		return changeCursor{}, errChangeCursor
	}
	plain, err := r.Ring.Open(ctx, workspace(ctx), sealed, cursorUse)
	if core.CodeOf(err) == core.Unavailable {
		return changeCursor{}, err
	}
	if err != nil {
		return changeCursor{}, errChangeCursor
	}
	return decodeChangeCursor(string(plain))
}

// ProfileChanged answers Subscription.profileChanged.
func (r subscription) ProfileChanged(ctx context.Context, id string, after *string) (<-chan *view.ProfileChange, error) {
	s := &profileStream{r: r.Resolver, ws: workspace(ctx), id: id, out: make(chan *view.ProfileChange)}
	var at changeCursor
	var err error
	if after != nil {
		at, err = r.openCursor(ctx, *after)
	} else {
		at.token, err = r.Hub.Now(ctx)
	}
	if err != nil {
		return nil, err
	}
	s.seq = at.seq
	p, err := s.read(ctx)
	var gate *profile.Gate
	if err == nil {
		gate, err = r.Profiles.Gate(ctx, s.ws)
	}
	if err == nil && (p == nil || gate.Look(ctx, p) == nil) {
		err = core.Errorf(core.NotFound, "PROFILE", "there is no profile with this id").At("id")
	}
	if err != nil {
		return nil, err
	}
	s.admitted = true
	f, err := s.subscribe(ctx, at.token, p)
	if err != nil {
		return nil, err
	}
	go func() {
		defer close(s.out)
		if err := s.run(ctx, f, p, at.token, after == nil); err != nil && ctx.Err() == nil {
			engine.EndStream(ctx, err)
		}
	}()
	return s.out, nil
}

// profileStream is one subscriber to a profile.
type profileStream struct {
	r        *Resolver
	ws, id   string
	seq      int64            // that the subscriber knows
	last     string           // key of the profile that the subscriber knows; "" before the first
	shown    *profile.Profile // as the subscriber saw it last; nil before the first
	admitted bool             // whether the subscriber knows that the person may be seen
	out      chan *view.ProfileChange
}

// read returns the profile that the id finds now.
func (s *profileStream) read(ctx context.Context) (*profile.Profile, error) {
	return s.r.Profiles.Get(ctx, s.ws, s.id)
}

// subscribe waits for changes of the profile, and of the part that says which
// profile the id finds.
func (s *profileStream) subscribe(ctx context.Context, after store.Token, p *profile.Profile) (store.Stream, error) {
	return s.r.Hub.Subscribe(ctx, after,
		store.Filter{Spec: profile.Profiles.Spec, Keys: []string{p.ID}},
		store.Filter{Spec: profile.Parts.Spec, Keys: []string{store.Key(s.ws, s.id)}})
}

// run tells of p, then of every change. When the id begins to find another
// profile it goes on with that one, from the change that said so.
func (s *profileStream) run(ctx context.Context, f store.Stream, p *profile.Profile, at store.Token, first bool) error {
	if err := s.tell(ctx, p, at, first); err != nil {
		_ = f.Close()
		return err
	}
	for {
		err := follow(ctx, f, func(token store.Token) (moved bool, err error) {
			now, err := s.read(ctx)
			if err != nil || now == nil {
				return false, err
			}
			moved, p, at = now.ID != p.ID, now, token
			return moved, s.tell(ctx, now, token, false)
		})
		if cerr := f.Close(); err == nil {
			err = cerr
		}
		if err != nil || ctx.Err() != nil {
			return err
		}
		if f, err = s.subscribe(ctx, at, p); err != nil {
			return err
		}
	}
}

// tell sends a state that the subscriber does not know, of what they may see now;
// always sends any. That a person may no longer be seen is told once.
func (s *profileStream) tell(ctx context.Context, p *profile.Profile, token store.Token, always bool) error {
	gate, err := s.r.Profiles.Gate(ctx, s.ws)
	if err != nil {
		return err
	}
	shown := gate.Look(ctx, p)
	c := &view.ProfileChange{Cause: segment.CauseEvent, At: p.UpdatedAt, Paths: []string{}}
	switch {
	case shown == nil && !s.admitted:
		return nil
	case shown == nil:
		s.admitted, s.shown, c.Cause = false, nil, segment.CauseConsent
	default:
		paths := gate.Told(p.ChangedSince(s.seq), shown, s.shown)
		moved := s.last != "" && s.last != p.ID
		if moved && len(paths) == 0 {
			paths = []string{"merges"}
		}
		if moved || p.MergedSeq > s.seq {
			c.Cause = segment.CauseMerge
		}
		always = always || !s.admitted
		c.Last = s.shown
		s.last, s.shown, s.admitted, s.seq = p.ID, shown, true, p.Seq
		if len(paths) == 0 && !always {
			return nil
		}
		c.Profile, c.Paths = p, paths
	}
	if c.Cursor, err = s.r.sealCursor(ctx, changeCursor{token, p.Seq}); err != nil {
		return err
	}
	select {
	case s.out <- c:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Profile answers ProfileChange.profile: by what may be seen as the change goes out,
// which may be long after it was found.
func (r changeFields) Profile(ctx context.Context, c *view.ProfileChange) (*profile.Profile, error) {
	if c.Profile == nil {
		return nil, nil
	}
	gate, err := gateOf(ctx)
	if err != nil {
		return nil, err
	}
	p := gate.Show(ctx, c.Profile)
	if p != nil {
		scopeOf(ctx).place(p, c.Cursor)
	}
	return p, nil
}

// Paths answers ProfileChange.paths, likewise.
func (r changeFields) Paths(ctx context.Context, c *view.ProfileChange) ([]string, error) {
	gate, err := gateOf(ctx)
	if err != nil || c.Profile == nil {
		return []string{}, err
	}
	shown := gate.Look(ctx, c.Profile)
	if shown == nil {
		return []string{}, nil
	}
	return gate.Told(c.Paths, shown, c.Last), nil
}

// JobChanged answers Subscription.jobChanged.
func (r subscription) JobChanged(ctx context.Context, id string) (<-chan *work.Job, error) {
	ws := workspace(ctx)
	token, err := r.Hub.Now(ctx)
	if err != nil {
		return nil, err
	}
	key := store.Key(ws, id)
	f, err := r.Hub.Subscribe(ctx, token, store.Filter{Spec: work.JobDocs.Spec, Keys: []string{key}})
	if err != nil {
		return nil, err
	}
	j, err := query{r.Resolver}.Job(ctx, id)
	if err == nil && j == nil {
		err = core.Errorf(core.NotFound, "JOB", "there is no job with this id").At("id")
	}
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	out := make(chan *work.Job)
	tell := func(j *work.Job) (bool, error) {
		select {
		case out <- j:
			return j.Status.Final(), nil
		case <-ctx.Done():
			return true, nil
		}
	}
	go func() {
		defer close(out)
		defer func() { _ = f.Close() }()
		if over, _ := tell(j); over {
			return
		}
		err := follow(ctx, f, func(store.Token) (bool, error) {
			j, err := r.Jobs.Get(ctx, ws, id)
			if err != nil || j == nil {
				return true, err
			}
			return tell(j)
		})
		if err != nil && ctx.Err() == nil {
			engine.EndStream(ctx, err)
		}
	}()
	return out, nil
}
