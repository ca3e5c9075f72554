package segment

import (
	"cmp"
	"context"
	"encoding/base64"
	"slices"
	"strconv"
	"strings"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/condition"
	"github.com/headwater-cdp/headwater/core/store"
)

// isSegment tells what may be the id of a segment, so that nothing else reaches a
// key.
func isSegment(id string) bool {
	return core.IDPrefix(id) == core.PrefixSegment && len(id) <= 64 && !strings.ContainsAny(id, "/\x00")
}

// Get returns the segment with an id, or nil.
func (s *Service) Get(ctx context.Context, ws, id string) (*Segment, error) {
	out, err := s.GetMany(ctx, ws, []string{id})
	if err != nil {
		return nil, err
	}
	return out[0], nil
}

// GetMany returns the segments with the ids, in that order, nil where there is none.
func (s *Service) GetMany(ctx context.Context, ws string, ids []string) ([]*Segment, error) {
	keys := make([]string, 0, len(ids))
	place := make([]int, 0, len(ids))
	for i, id := range ids {
		if isSegment(id) {
			keys, place = append(keys, store.Key(ws, id)), append(place, i)
		}
	}
	docs, err := Segments.GetMany(ctx, s.db, keys)
	if err != nil {
		return nil, fail(err)
	}
	out := make([]*Segment, len(ids))
	for i, d := range docs {
		out[place[i]] = d
	}
	return out, nil
}

// Filter chooses segments; what is empty chooses all.
type Filter struct {
	Kinds    []Kind
	Statuses []Status
	Tag      string
	Text     string // somewhere in the name, in any letter case
}

func (f Filter) has(seg *Segment) bool {
	return (len(f.Kinds) == 0 || slices.Contains(f.Kinds, seg.Kind)) &&
		(len(f.Statuses) == 0 || slices.Contains(f.Statuses, seg.Status)) &&
		(f.Tag == "" || slices.Contains(seg.Tags, f.Tag)) &&
		(f.Text == "" || strings.Contains(strings.ToLower(seg.Name), strings.ToLower(f.Text)))
}

// List returns a window of the segments that a filter chooses, the latest made
// first, and how many it chooses in all. What another process changed shows within
// CacheTTL.
func (s *Service) List(ctx context.Context, ws string, f Filter, w core.Window) (store.Page[Segment], int64, error) {
	var page store.Page[Segment]
	voc, err := s.vocabulary(ctx, ws)
	if err != nil {
		return page, 0, fail(err)
	}
	var list []*Segment
	for _, seg := range voc.segments {
		if f.has(seg) {
			list = append(list, seg)
		}
	}
	slices.SortFunc(list, comparePlace)
	from, to := 0, len(list)
	if w.After != "" {
		if from, err = passed(list, "after", w.After, 1); err != nil {
			return page, 0, err
		}
	}
	if w.Before != "" {
		if to, err = passed(list, "before", w.Before, 0); err != nil {
			return page, 0, err
		}
	}
	from = min(from, to)
	if w.Backward {
		from = max(from, to-w.Limit)
	} else {
		to = min(to, from+w.Limit)
	}
	page.HasPrev, page.HasNext = from > 0, to < len(list)
	for _, seg := range list[from:to] {
		own := *seg // the cache's is shared
		page.Items = append(page.Items, &own)
		page.Cursors = append(page.Cursors, cursorOf(seg))
	}
	return page, int64(len(list)), nil
}

// comparePlace orders segments: the latest first, of one instant by id.
func comparePlace(a, b *Segment) int {
	return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), strings.Compare(a.ID, b.ID))
}

func cursorOf(seg *Segment) string {
	return base64.RawURLEncoding.EncodeToString(strconv.AppendInt(nil, seg.CreatedAt.UnixMilli(), 36)) + "." + seg.SegmentID()
}

// passed returns how many of a list stand before the place that a cursor names, the
// one at the place counted as given.
func passed(list []*Segment, argument, cursor string, self int) (int, error) {
	head, id, ok := strings.Cut(cursor, ".")
	raw, err := base64.RawURLEncoding.DecodeString(head)
	ms, perr := strconv.ParseInt(string(raw), 36, 64)
	if !ok || err != nil || perr != nil || !isSegment(id) {
		return 0, store.ErrBadCursor.At(argument)
	}
	i, found := slices.BinarySearchFunc(list, ms, func(seg *Segment, ms int64) int {
		return cmp.Or(cmp.Compare(ms, seg.CreatedAt.UnixMilli()), strings.Compare(seg.SegmentID(), id))
	})
	if found {
		i += self
	}
	return i, nil
}

// Tags lists the tags that segments of a workspace have, sorted.
func (s *Service) Tags(ctx context.Context, ws string) ([]string, error) {
	voc, err := s.vocabulary(ctx, ws)
	if err != nil {
		return nil, fail(err)
	}
	var out []string
	for _, seg := range voc.segments {
		out = append(out, seg.Tags...)
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

// maxWalked is up to how many members Size counts who of them may be seen; beyond that it
// estimates.
const maxWalked = 20_000

// Size returns how many members of a segment may be seen: from its counter where everybody
// may, exact when it is live or archived. While it is built it is what was found so far,
// without bounds: Low and High are 0. Where each must be asked, a large one is estimated.
// The error is FORBIDDEN, reason PROTECTED_SEGMENT, for whoever may not read what the
// segment rests on, and of a large archived one for whoever may not see everybody.
func (s *Service) Size(ctx context.Context, ws string, seg *Segment) (Count, error) {
	by, err := s.look(ctx, ws)
	if err != nil {
		return Count{}, err
	}
	if err := by.readable(seg); err != nil {
		return Count{}, err
	}
	whose, err := by.audience()
	if err != nil {
		return Count{}, fail(err)
	}
	n, err := s.size(ctx, ws, seg)
	if err == nil && !whose.everybody() {
		n, err = s.sizeFor(ctx, by, whose, seg, n, maxWalked)
	}
	return n, fail(err)
}

// sizeFor is Size for an actor who may not see everybody. n is the whole size; up to most
// members are counted one by one.
func (s *Service) sizeFor(ctx context.Context, by *sight, whose *audience, seg *Segment, n Count, most int64) (Count, error) {
	switch {
	case !whose.each:
		hidden, err := whose.hiddenMembers(ctx, seg.SegmentID())
		n.Value = max(0, n.Value-hidden)
		if seg.Status != Building {
			n = exactly(n.Value)
		}
		return n, err
	case n.Value <= most:
		counts, err := s.regions(ctx, by.ws, []string{seg.SegmentID()}, whose)
		if err != nil {
			return Count{}, err
		}
		if n.Value = counts[1]; seg.Status != Building {
			n = exactly(n.Value)
		}
		return n, nil
	case seg.Status == Archived:
		return Count{}, core.Errorf(core.Forbidden, "PROTECTED_SEGMENT", "how many members of an archived segment this key may see is not counted; read its members")
	}
	draft := &Segment{}
	member, err := condition.Parse(map[string]any{"segment": map[string]any{"id": seg.SegmentID()}})
	if err != nil {
		return Count{}, err
	}
	if err := faultsAt(define(draft, member)); err != nil {
		return Count{}, err
	}
	p, err := s.previewDraft(ctx, by, draft, false)
	if err != nil {
		return Count{}, err
	}
	return p.Count, nil
}

func (s *Service) size(ctx context.Context, ws string, seg *Segment) (Count, error) {
	sums, err := store.Sum(ctx, s.db, ws, sizeCounter(seg.SegmentID()))
	if err != nil {
		return Count{}, fail(err)
	}
	n := max(0, sums["members"])
	if seg.Status == Building {
		return Count{Value: n}, nil
	}
	return exactly(n), nil
}

// Words returns a segment's condition in English words, "" for a list. Nested
// segments are called by their names. Whoever may not read what it rests on gets the
// categories of that alone: see CoverWords.
func (s *Service) Words(ctx context.Context, ws string, seg *Segment) (string, error) {
	hidden, err := s.Hidden(ctx, ws, seg)
	if err != nil {
		return "", err
	}
	if len(hidden) > 0 {
		return CoverWords(hidden), nil
	}
	n, err := s.nodeOf(seg)
	if n == nil || err != nil {
		return "", fail(err)
	}
	voc, err := s.vocabulary(ctx, ws)
	if err != nil {
		return "", fail(err)
	}
	return condition.Words(n, voc.names()), nil
}

// names calls segments by their names.
type names struct{ voc *vocabulary }

func (v *vocabulary) names() condition.Names { return names{v} }

// Segment implements condition.Names.
func (n names) Segment(id string) string {
	if seg := n.voc.segments[id]; seg != nil {
		return seg.Name
	}
	return id
}

// ObjectType implements condition.Names.
func (n names) ObjectType(key string) string { return key }
