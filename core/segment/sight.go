package segment

import (
	"context"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/profile"
)

// sight is what the actor of one call may see: which conditions it may ask, and whose
// rows count. It is made for the call and not kept.
type sight struct {
	s    *Service
	ctx  context.Context
	ws   string
	gate *profile.Gate
	voc  *vocabulary // what nested segments are looked up in; read when first needed
	cats map[string]map[string]core.Category
}

// look returns what the actor of ctx may see now.
func (s *Service) look(ctx context.Context, ws string) (*sight, error) {
	g, err := s.gate(ctx, ws)
	if err != nil {
		return nil, fail(err)
	}
	return &sight{s: s, ctx: ctx, ws: ws, gate: g}, nil
}

// all reports whether every category may be read in clear, so that no condition needs
// to be taken apart.
func (v *sight) all() bool { return v == nil || v.gate.Clear() }

// vocabulary returns what the workspace knows.
func (v *sight) vocabulary() (*vocabulary, error) {
	if v.voc == nil {
		voc, err := v.s.vocabulary(v.ctx, v.ws)
		if err != nil {
			return nil, err
		}
		v.voc = voc
	}
	return v.voc, nil
}

// behaviour refuses whoever may not read behaviour: who is a member of what is such.
func (v *sight) behaviour() error {
	return v.gate.UsableCategory(core.Behaviour, "memberships")
}

// members refuses whoever may not see who is in a segment.
func (v *sight) members(seg *Segment) error {
	if v.gate.Open() {
		return nil
	}
	if err := v.behaviour(); err != nil {
		return err
	}
	return v.readable(seg)
}

// among returns a segment whose members the actor may see; what is wrong with the id
// stands at a path.
func (v *sight) among(id string, path ...string) (*Segment, error) {
	seg, err := v.s.Get(v.ctx, v.ws, id)
	if err != nil {
		return nil, err
	}
	if seg == nil {
		return nil, notFound(path...)
	}
	if err := v.members(seg); err != nil {
		return nil, core.AsError(err).At(path...)
	}
	return seg, nil
}

// show puts in the place of people, who were admitted, what the actor may see of them,
// and tells the audit.
func (v *sight) show(ctx context.Context, people []*profile.Profile) error {
	ids := make([]string, len(people))
	for i, p := range people {
		ids[i] = p.ProfileID()
		if v.gate.Clear() {
			continue
		}
		if people[i] = v.gate.Look(ctx, p); people[i] == nil { // admitted a moment ago
			return core.Errorf(core.Conflict, "MEMBER_GONE", "who may be seen changed while the page was read; read it again")
		}
	}
	return v.gate.Note(ctx, "profile", ids...)
}

// countMembers counts the members of a segment who may be seen: from its counter where
// that is everybody.
func (v *sight) countMembers(ctx context.Context, seg *Segment) (int64, error) {
	whose, err := v.audience()
	if err != nil {
		return 0, err
	}
	if whose.everybody() {
		n, err := v.s.size(ctx, v.ws, seg)
		return n.Value, err
	}
	counts, err := v.s.regions(ctx, v.ws, []string{seg.SegmentID()}, whose)
	if err != nil {
		return 0, err
	}
	return counts[1], nil
}

// restsOf returns the categories of everything that segments rest on: what a list of
// their members rests on from then on.
func (s *Service) restsOf(ctx context.Context, ws string, ids []string) ([]core.Category, error) {
	segs, err := s.GetMany(ctx, ws, ids)
	if err != nil {
		return nil, err
	}
	v := &sight{s: s, ctx: ctx, ws: ws, gate: &profile.Gate{}} // which shows nothing
	h := &hidden{}
	for _, seg := range segs {
		if seg == nil {
			continue
		}
		if err := v.segment(h, seg, map[string]bool{seg.SegmentID(): true}); err != nil {
			return nil, err
		}
	}
	return h.categories, nil
}
