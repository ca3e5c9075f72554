package segment

import (
	"context"
	"encoding/base64"
	"strings"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/condition"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/store"
)

// PeopleInput asks for people: everybody, those who meet a condition, the members of
// a segment, or the members who meet a condition.
type PeopleInput struct {
	Where     any    // as in CreateInput; nil: no condition
	SegmentID string // "" for none
	// Descending lists the last first.
	Descending bool
}

// peopleTime is how long one page is looked for; a page that found fewer people by
// then ends there, and the next one goes on.
const peopleTime = 3 * time.Second

// People is a page of people. Its cursors are places in the order of ids, so that a
// page on which nobody was found has an end too.
type People struct {
	store.Page[profile.Profile]
	// Start and End are the cursors of the page's ends: where it was looked from and
	// to; "" for an empty workspace.
	Start, End string
}

// People returns a window of the people asked for, in the order of their ids. A
// condition that few people meet may give pages of fewer than the window's limit,
// of nobody even, although there are more: HasNext (HasPrev backwards) says so.
func (s *Service) People(ctx context.Context, ws string, in PeopleInput, w core.Window) (*People, error) {
	after, err := personAt(w.After, "after")
	if err != nil {
		return nil, err
	}
	before, err := personAt(w.Before, "before")
	if err != nil {
		return nil, err
	}
	by, err := s.look(ctx, ws)
	if err != nil {
		return nil, err
	}
	var q *question
	if in.Where != nil {
		if q, err = s.wonder(ctx, by, in); err != nil {
			return nil, fail(err)
		}
	}
	if in.SegmentID != "" {
		if _, err := by.among(in.SegmentID, "segmentId"); err != nil {
			return nil, err
		}
	}
	whose, err := by.audience()
	if err != nil {
		return nil, fail(err)
	}
	low, high := after, before
	if in.Descending {
		low, high = before, after
	}
	walk := &peopleWalk{s: s, ws: ws, q: q, whose: whose, segment: in.SegmentID, limit: w.Limit, reverse: in.Descending != w.Backward, until: time.Now().Add(peopleTime)}
	out, err := walk.page(ctx, low, high)
	if err == nil {
		err = by.show(ctx, out.Items)
	}
	if err != nil {
		return nil, fail(err)
	}
	return out.turn(w, walk.more, after != "", before != ""), nil
}

// wonder checks the condition and prepares it.
func (s *Service) wonder(ctx context.Context, by *sight, in PeopleInput) (*question, error) {
	voc, err := by.vocabulary()
	if err != nil {
		return nil, err
	}
	n, faults, _, err := s.checkWhere(ctx, voc, in.Where, "", by, false)
	if err != nil {
		return nil, err
	}
	seg := &Segment{}
	if n != nil {
		faults = append(faults, define(seg, n)...)
	}
	if err := faultsAt(faults); err != nil {
		return nil, err
	}
	return s.ask(ctx, by, seg)
}

// checkWhere is vocabulary.check for a condition that is not saved. What is wrong by
// what a cache says is looked at again: a type or a trait that was just made is there.
func (s *Service) checkWhere(ctx context.Context, voc *vocabulary, where any, self string, by *sight, zoned bool) (*condition.Node, []*core.Error, []condition.Warning, error) {
	n, faults, warnings, err := voc.check(where, self, Dynamic, by, zoned)
	if core.CodeOf(err) == core.Forbidden {
		return nil, nil, nil, err
	}
	if err == nil && len(faults)+len(warnings) == 0 {
		return n, nil, nil, nil
	}
	if voc, err = s.vocabularyNow(ctx, voc.ws); err != nil {
		return nil, nil, nil, err
	}
	return voc.check(where, self, Dynamic, by, zoned)
}

// turn puts a page in the order that was asked for; it was filled in the order of
// the walk.
func (p *People) turn(w core.Window, more, bounded, boundedAbove bool) *People {
	if w.Backward {
		for i, j := 0, len(p.Items)-1; i < j; i, j = i+1, j-1 {
			p.Items[i], p.Items[j] = p.Items[j], p.Items[i]
			p.Cursors[i], p.Cursors[j] = p.Cursors[j], p.Cursors[i]
		}
		p.Start, p.End = p.End, p.Start
		p.HasPrev, p.HasNext = more, boundedAbove
		return p
	}
	p.HasNext, p.HasPrev = more, bounded
	return p
}

// personAt reads a cursor; "" is none.
func personAt(cursor, argument string) (string, error) {
	if cursor == "" {
		return "", nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(cursor)
	id := string(raw)
	if err != nil || core.IDPrefix(id) != core.PrefixProfile || len(id) > 64 || strings.ContainsAny(id, "/\x00") {
		return "", store.ErrBadCursor.At(argument)
	}
	return id, nil
}

func personCursor(id string) string { return base64.RawURLEncoding.EncodeToString([]byte(id)) }

// peopleWalk looks for people between two ids, from either end.
type peopleWalk struct {
	s           *Service
	ws, segment string
	q           *question // nil: everybody
	whose       *audience // who may be seen at all
	limit       int
	reverse     bool
	until       time.Time
	more        bool // there may be more behind the page
}

// page collects people, those after low and before high ("" open), in the order of
// the walk.
func (w *peopleWalk) page(ctx context.Context, low, high string) (*People, error) {
	out := &People{}
	at := ""
	for {
		people, err := w.next(ctx, low, high, at)
		if err != nil || len(people) == 0 {
			return out, err
		}
		behaviours, err := w.behaviours(ctx, people)
		if err != nil {
			return nil, err
		}
		for i, p := range people {
			if len(out.Items) == w.limit {
				w.more = true
				return out, nil
			}
			in, err := w.in(ctx, p, behaviours[i])
			if err != nil {
				return nil, err
			}
			at = p.ProfileID()
			if !w.whose.admits(ctx, p) {
				continue // no cursor tells of them, unless the page must end here
			}
			out.End = personCursor(at)
			if out.Start == "" {
				out.Start = out.End
			}
			if in {
				out.Items = append(out.Items, p)
				out.Cursors = append(out.Cursors, out.End)
			}
		}
		if time.Now().After(w.until) {
			w.more = true
			if out.End = personCursor(at); out.Start == "" {
				out.Start = out.End
			}
			return out, nil
		}
	}
}

// behaviours reads what the condition needs beside the profiles: nil for nothing.
func (w *peopleWalk) behaviours(ctx context.Context, people []*profile.Profile) ([]*Behaviour, error) {
	if w.q == nil || !w.q.reads {
		return make([]*Behaviour, len(people)), nil
	}
	keys := make([]string, len(people))
	for i, p := range people {
		keys[i] = p.ID
	}
	return Behaviours.GetMany(ctx, w.s.db, keys)
}

// in tells whether a person meets the condition.
func (w *peopleWalk) in(ctx context.Context, p *profile.Profile, b *Behaviour) (bool, error) {
	if w.q == nil {
		return true, nil
	}
	f, err := w.q.facts(ctx, p, b)
	if err != nil {
		return false, err
	}
	return w.q.program.Evaluate(f, w.q.now).Value, f.fault
}

// CountPeople returns how many people who may be seen in describes, looking at everybody
// where a condition is given: TOO_COMPLEX, reason PREVIEW_TOO_LARGE, when that takes too
// long.
func (s *Service) CountPeople(ctx context.Context, ws string, in PeopleInput) (int64, error) {
	where := in.Where
	switch {
	case where == nil && in.SegmentID == "":
		return s.profiles.CountShown(ctx, ws)
	case where == nil:
		by, err := s.look(ctx, ws)
		if err != nil {
			return 0, err
		}
		seg, err := by.among(in.SegmentID, "segmentId")
		if err != nil {
			return 0, err
		}
		n, err := by.countMembers(ctx, seg)
		return n, fail(err)
	case in.SegmentID != "":
		member := map[string]any{"segment": map[string]any{"id": in.SegmentID}}
		where = map[string]any{"and": []any{member, where}}
	}
	p, err := s.Preview(ctx, ws, PreviewInput{Where: where, Exact: true})
	if err != nil {
		return 0, err
	}
	return p.Count.Value, nil
}

// peoplePage is how many people are read at once.
const peoplePage = 200

// next reads the people behind an id, in the order of the walk.
func (w *peopleWalk) next(ctx context.Context, low, high, at string) ([]*profile.Profile, error) {
	if at != "" && w.reverse {
		high = at
	} else if at != "" {
		low = at
	}
	spec, prefix := profile.Profiles.Spec, w.ws+"/"
	if w.segment != "" {
		spec, prefix = Memberships.Spec, store.Key(w.ws, w.segment)+"/"
	}
	plan := store.Plan{Spec: spec, Workspace: w.ws, Limit: peoplePage, Reverse: w.reverse,
		Low: &store.Bound{Value: prefix + low}, High: &store.Bound{Value: prefix + high}}
	if high == "" {
		plan.High.Value = prefix + "\U0010FFFF"
	}
	raws, err := w.s.db.Scan(ctx, plan)
	if err != nil {
		return nil, err
	}
	if w.segment == "" {
		out := make([]*profile.Profile, len(raws))
		for i, raw := range raws {
			if out[i], err = profile.Profiles.Decode(raw); err != nil {
				return nil, err
			}
		}
		return out, nil
	}
	ids := make([]string, len(raws))
	for i, raw := range raws {
		ids[i] = strings.TrimPrefix(rawKey(raw), prefix)
	}
	found, err := w.s.profiles.GetMany(ctx, w.ws, ids)
	if err != nil {
		return nil, err
	}
	out := found[:0]
	for _, p := range found {
		if p != nil {
			out = append(out, p)
		}
	}
	return out, nil
}
