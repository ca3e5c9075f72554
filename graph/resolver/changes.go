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
		return changeCursor{}, core.Errorf(core.Invalid, "BAD_CURSOR", "use Profile.cursor or the cursor of a change").At("after")
	}
	return changeCursor{store.Token(token), n}, nil
}

// ProfileChanged answers Subscription.profileChanged.
func (r subscription) ProfileChanged(ctx context.Context, id string, after *string) (<-chan *view.ProfileChange, error) {
	s := &profileStream{r: r.Resolver, ws: workspace(ctx), id: id, out: make(chan *view.ProfileChange)}
	var at changeCursor
	var err error
	if after != nil {
		at, err = decodeChangeCursor(*after)
	} else {
		at.token, err = r.Hub.Now(ctx)
	}
	if err != nil {
		return nil, err
	}
	s.seq = at.seq
	p, err := s.read(ctx)
	if err == nil && p == nil {
		err = core.Errorf(core.NotFound, "PROFILE", "there is no profile with this id").At("id")
	}
	if err != nil {
		return nil, err
	}
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
	r      *Resolver
	ws, id string
	seq    int64  // that the subscriber knows
	last   string // key of the profile that the subscriber knows; "" before the first
	out    chan *view.ProfileChange
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

// tell sends a state that the subscriber does not know; always sends any.
func (s *profileStream) tell(ctx context.Context, p *profile.Profile, token store.Token, always bool) error {
	paths := p.ChangedSince(s.seq)
	moved := s.last != "" && s.last != p.ID
	if moved && len(paths) == 0 {
		paths = []string{"merges"}
	}
	s.last = p.ID
	if len(paths) == 0 && !always {
		return nil
	}
	c := &view.ProfileChange{
		Cursor: changeCursor{token, p.Seq}.encode(), Profile: p, Paths: paths, Cause: segment.CauseEvent, At: p.UpdatedAt,
	}
	if moved || p.MergedSeq > s.seq {
		c.Cause = segment.CauseMerge
	}
	s.seq = p.Seq
	select {
	case s.out <- c:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Profile answers ProfileChange.profile.
func (r changeFields) Profile(ctx context.Context, c *view.ProfileChange) (*profile.Profile, error) {
	if c.Profile != nil {
		scopeOf(ctx).place(c.Profile, c.Cursor)
	}
	return shown(ctx, c.Profile, nil)
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
