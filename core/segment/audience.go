package segment

import (
	"context"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// audience says of whom an answer may speak. The zero value is everybody, for a part of the
// system.
type audience struct {
	s    *Service
	ws   string
	gate *profile.Gate
	each bool            // everybody must be asked
	but  map[string]bool // else: parts of those who are not admitted, whose processing is restricted
}

// audience finds out whom the actor may see. Where nothing but a restriction of processing
// hides anybody, the restricted are looked up at once, by their index, and nobody else
// costs anything.
func (v *sight) audience() (*audience, error) {
	r := &audience{s: v.s, ws: v.ws, gate: v.gate}
	if v.gate.Open() {
		return r, nil
	}
	if !v.gate.Everybody() {
		r.each = true
		return r, nil
	}
	q := store.Query{Workspace: v.ws, Where: []store.Cond{store.Eq("restricted", 1)}}
	err := profile.Profiles.Each(v.ctx, v.s.db, q, func(p *profile.Profile) error {
		if ok, _ := v.gate.Admits(v.ctx, p); !ok {
			if r.but == nil {
				r.but = map[string]bool{}
			}
			for _, part := range p.Parts {
				r.but[part] = true
			}
			r.but[p.ProfileID()] = true
		}
		return nil
	})
	return r, err
}

// everybody reports whether nobody is left out.
func (r *audience) everybody() bool { return r == nil || !r.each && len(r.but) == 0 }

// admits reports whether a person counts, who was read whole.
func (r *audience) admits(ctx context.Context, p *profile.Profile) bool {
	if r == nil || !r.each {
		return p != nil && (r == nil || !r.but[p.ProfileID()])
	}
	ok, _ := r.gate.Admits(ctx, p)
	return ok
}

// admitsRaw is admits for a person as stored, who is decoded only where need be.
func (r *audience) admitsRaw(ctx context.Context, id string, raw bson.Raw) (bool, error) {
	if r == nil || !r.each {
		return r == nil || !r.but[id], nil
	}
	p, err := profile.Profiles.Decode(raw)
	if err != nil {
		return false, err
	}
	return r.admits(ctx, p), nil
}

// admitsIDs is admits for people by their ids. Who is not there any more is admitted
// where everybody is.
func (r *audience) admitsIDs(ctx context.Context, ids []string) ([]bool, error) {
	out := make([]bool, len(ids))
	if r == nil || !r.each {
		for i, id := range ids {
			out[i] = r == nil || !r.but[id]
		}
		return out, nil
	}
	at := 0
	for chunk := range slices.Chunk(ids, peopleChunk) {
		people, err := r.s.profiles.GetMany(ctx, r.ws, chunk)
		if err != nil {
			return nil, err
		}
		for _, p := range people {
			out[at] = r.admits(ctx, p)
			at++
		}
	}
	return out, nil
}

// peopleChunk is how many people are read at once to ask whether they are admitted.
const peopleChunk = 500

// hiddenMembers counts the members of a segment who are not admitted, where nothing but a
// restriction of processing hides anybody.
func (r *audience) hiddenMembers(ctx context.Context, segmentID string) (int64, error) {
	keys := make([]string, 0, len(r.but))
	for id := range r.but {
		keys = append(keys, membershipKey(r.ws, segmentID, id))
	}
	var n int64
	for chunk := range slices.Chunk(keys, peopleChunk) {
		found, err := r.s.db.Get(ctx, Memberships.Spec, chunk)
		if err != nil {
			return 0, err
		}
		for _, raw := range found {
			if raw != nil {
				n++
			}
		}
	}
	return n, nil
}

// Tells reports whether the actor of ctx may know what came of a job: the result of one
// about a segment counts members, whoever they are, and a list that is copied counts them
// as it goes. The results of uploads count lines, and jobs of other kinds are not judged.
func (s *Service) Tells(ctx context.Context, ws string, j *work.Job) (bool, error) {
	var id string
	switch j.Kind {
	case BackfillKind:
		var in BackfillInput
		if err := j.DecodeInput(&in); err != nil {
			return false, fail(err)
		}
		id = in.Segment
	case JobSnapshot:
		var in snapshotInput
		if err := j.DecodeInput(&in); err != nil {
			return false, fail(err)
		}
		id = in.List
	case RebuildKind:
	default:
		return true, nil
	}
	by, err := s.look(ctx, ws)
	if err != nil {
		return false, err
	}
	whose, err := by.audience()
	if err != nil || !whose.everybody() {
		return false, fail(err)
	}
	if by.all() {
		return true, nil
	}
	seg, err := s.Get(ctx, ws, id)
	if err != nil || seg == nil {
		return false, fail(err)
	}
	return by.readable(seg) == nil, nil
}

// keep puts nil in the place of what is about people who are not admitted.
func keep[T any](ctx context.Context, r *audience, list []*T, whom func(*T) string) error {
	ok, err := r.admitsIDs(ctx, idsOf(list, whom))
	if err != nil {
		return err
	}
	for i := range list {
		if !ok[i] {
			list[i] = nil
		}
	}
	return nil
}

func idsOf[T any](list []*T, whom func(*T) string) []string {
	out := make([]string, len(list))
	for i, item := range list {
		out[i] = whom(item)
	}
	return out
}

// InAny implements profile.Membership: whether a person is now a member of one of some
// segments. An archived segment has no members.
func (s *Service) InAny(ctx context.Context, ws, profileID string, segments []string) (bool, error) {
	voc, err := s.vocabulary(ctx, ws)
	if err != nil {
		return false, fail(err)
	}
	keys := make([]string, 0, len(segments))
	for _, id := range segments {
		if seg := voc.segments[id]; seg != nil && seg.Status != Archived {
			keys = append(keys, membershipKey(ws, id, profileID))
		}
	}
	if len(keys) == 0 {
		return false, nil
	}
	found, err := s.db.Get(ctx, Memberships.Spec, keys)
	if err != nil {
		return false, fail(err)
	}
	return slices.ContainsFunc(found, func(raw bson.Raw) bool { return raw != nil }), nil
}

var _ profile.Membership = (*Service)(nil)

// has is admits for the person with an id, who is read from a stream of profiles where
// each must be asked.
func (r *audience) has(ctx context.Context, people *keyStream, id string) (bool, error) {
	if people == nil {
		return r == nil || !r.but[id], nil
	}
	found, err := people.skipTo(id)
	if !found || err != nil {
		return false, err
	}
	return r.admitsRaw(ctx, id, people.doc())
}
