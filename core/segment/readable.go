package segment

import (
	"context"
	"slices"
	"strings"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/condition"
	"github.com/headwater-cdp/headwater/core/profile"
)

// hidden is what keeps a condition from an actor: nothing, when it may be asked.
type hidden struct {
	paths      []string        // that it names itself, and which may not be read in clear
	segments   []string        // seg_… that it names, and which rest on such
	categories []core.Category // of all that, in the order of the schema
}

func (h *hidden) none() bool { return len(h.categories) == 0 }

func (h *hidden) add(c core.Category) {
	if !slices.Contains(h.categories, c) {
		h.categories = append(h.categories, c)
		slices.SortFunc(h.categories, func(a, b core.Category) int {
			return slices.Index(core.Categories, a) - slices.Index(core.Categories, b)
		})
	}
}

// maxProtected is how many paths or segments a refusal names.
const maxProtected = 5

// err is the refusal of a condition that the caller gave: it names what the caller
// wrote and categories, never values. Nil when nothing is hidden.
func (h *hidden) err() error {
	switch {
	case h.none():
		return nil
	case len(h.paths) > 0:
		return core.Errorf(core.Forbidden, "PROTECTED_FIELD", "%s may not be asked about: this key may not read %s data in clear for this purpose",
			someOf(h.paths), namesOf(h.categories))
	}
	return core.Errorf(core.Forbidden, "PROTECTED_SEGMENT", "%s may not be asked about: what it rests on is %s data, which this key may not read in clear for this purpose",
		someOf(h.segments), namesOf(h.categories))
}

func someOf(list []string) string {
	out := make([]string, 0, maxProtected)
	for _, s := range list[:min(len(list), maxProtected)] {
		if s = strings.ToValidUTF8(s, "\ufffd"); len(s) > 100 {
			s = strings.ToValidUTF8(s[:100], "") + "…"
		}
		out = append(out, s)
	}
	return strings.Join(out, ", ")
}

// namesOf lists categories: "CONTACT, DEVICE and LOCATION".
func namesOf(list []core.Category) string {
	texts := make([]string, len(list))
	for i, c := range list {
		texts[i] = string(c)
	}
	if n := len(texts); n > 1 {
		return strings.Join(texts[:n-1], ", ") + " and " + texts[n-1]
	}
	return strings.Join(texts, "")
}

// Readable returns nil when the actor of a gate may read in clear everything that the
// members of a segment depend on: traits, properties of events, fields of records,
// consents and predictions, its own and those of the segments that it names. Else the
// error is FORBIDDEN, reason PROTECTED_SEGMENT, and names categories only.
func (s *Service) Readable(ctx context.Context, ws string, g *profile.Gate, seg *Segment) error {
	return (&sight{s: s, ctx: ctx, ws: ws, gate: g}).readable(seg)
}

// ReadableWhere is Readable for a condition that is not saved, as the caller gave it.
// The reason is PROTECTED_FIELD, and the message names paths, where the condition
// itself asks about them.
func (s *Service) ReadableWhere(ctx context.Context, ws string, g *profile.Gate, n *condition.Node) error {
	return (&sight{s: s, ctx: ctx, ws: ws, gate: g}).may(n, false)
}

// Hidden returns the categories of what a segment rests on that the actor of ctx may not
// read in clear; none: the segment may be read.
func (s *Service) Hidden(ctx context.Context, ws string, seg *Segment) ([]core.Category, error) {
	v, err := s.look(ctx, ws)
	if err != nil {
		return nil, err
	}
	h, err := v.hiddenIn(seg)
	if err != nil {
		return nil, fail(err)
	}
	return h.categories, nil
}

// HiddenVersion is Hidden for a former definition of a segment.
func (s *Service) HiddenVersion(ctx context.Context, ws string, old *Version) ([]core.Category, error) {
	v, err := s.look(ctx, ws)
	if err != nil || v.all() || old.Where == "" {
		return nil, err
	}
	raw, err := condition.Upgrade(old.WhereVersion, []byte(old.Where))
	if err != nil {
		return nil, fail(err)
	}
	n, err := condition.ParseJSON(raw)
	if err != nil {
		return nil, fail(err)
	}
	h, err := v.hides(n, old.ZoneOfProfile)
	if err != nil {
		return nil, fail(err)
	}
	return h.categories, nil
}

// CoverWords stand for the words of a condition that may not be read.
func CoverWords(hidden []core.Category) string { return "a condition on " + namesOf(hidden) + " data" }

// readable is Readable.
func (v *sight) readable(seg *Segment) error {
	h, err := v.hiddenIn(seg)
	if err != nil {
		return fail(err)
	}
	if h.none() {
		return nil
	}
	return core.Errorf(core.Forbidden, "PROTECTED_SEGMENT", "what the segment rests on is %s data, which this key may not read in clear for this purpose", namesOf(h.categories))
}

// may returns nil when a condition may be asked; zoned as in footingOf.
func (v *sight) may(n *condition.Node, zoned bool) error {
	h, err := v.hides(n, zoned)
	if err != nil {
		return fail(err)
	}
	return h.err()
}

// hiddenIn returns what hides a segment.
func (v *sight) hiddenIn(seg *Segment) (*hidden, error) {
	h := &hidden{}
	if v.all() {
		return h, nil
	}
	err := v.segment(h, seg, map[string]bool{seg.SegmentID(): true})
	return h, err
}

// hides returns what keeps a condition from being asked.
func (v *sight) hides(n *condition.Node, zoned bool) (*hidden, error) {
	h := &hidden{}
	if v.all() {
		return h, nil
	}
	err := v.condition(h, n, zoned, map[string]bool{}, true)
	return h, err
}

// segment adds what is hidden in a segment's definition; of a list made of other
// segments, what was in theirs when it was made.
func (v *sight) segment(h *hidden, seg *Segment, seen map[string]bool) error {
	for _, c := range seg.Rests {
		v.category(h, c)
	}
	n, err := v.s.nodeOf(seg)
	if err != nil || n == nil {
		return err
	}
	return v.condition(h, n, seg.ZoneOfProfile, seen, false)
}

// condition adds what is hidden in a condition, and names it where it is the caller's.
func (v *sight) condition(h *hidden, n *condition.Node, zoned bool, seen map[string]bool, name bool) error {
	r := footingOf(n, zoned)
	for _, f := range r.fields {
		cats, err := v.categoriesOf(f)
		if err != nil {
			return err
		}
		for _, c := range cats {
			if v.category(h, c) && name && !slices.Contains(h.paths, f.path) {
				h.paths = append(h.paths, f.path)
			}
		}
	}
	for _, c := range r.kinds {
		if what := kindNames[c]; v.category(h, c) && name && !slices.Contains(h.paths, what) {
			h.paths = append(h.paths, what)
		}
	}
	for _, id := range r.segments {
		if seen[id] {
			continue
		}
		seen[id] = true
		voc, err := v.vocabulary()
		if err != nil {
			return err
		}
		seg := voc.segments[id]
		if seg == nil {
			continue // which is said elsewhere
		}
		below := &hidden{}
		if err := v.segment(below, seg, seen); err != nil {
			return err
		}
		for _, c := range below.categories {
			h.add(c)
		}
		if !below.none() {
			h.segments = append(h.segments, id)
		}
	}
	return nil
}

// kindNames are what refusals call what has no path.
var kindNames = map[core.Category]string{
	core.Behaviour: "what people did", core.Consent: "consents", core.Inferred: "predictions",
}

// category adds a category that may not be read in clear, and reports whether it is one.
func (v *sight) category(h *hidden, c core.Category) bool {
	if v.gate.Category(c).Allowed() {
		return false
	}
	h.add(c)
	return true
}

// categoriesOf returns what a field holds: by the registry at its path and, where it is
// read with what is below it, there too. What nobody registered is UNCLASSIFIED, and may
// be anything that stands under what is above it.
func (v *sight) categoriesOf(f field) ([]core.Category, error) {
	known, err := v.known(f.owner)
	if err != nil {
		return nil, err
	}
	if strings.HasPrefix(f.owner, recordOwner) {
		if c, ok := known[condition.JoinPath(condition.SplitPath(f.path)[0])]; ok && c != "" {
			return []core.Category{c}, nil
		}
		return []core.Category{core.Unclassified}, nil
	}
	out := under(known, f.path, f.deep)
	if len(out) > 0 || f.known {
		return out, nil
	}
	out = []core.Category{core.Unclassified}
	for keys := condition.SplitPath(f.path); len(keys) > 1; {
		keys = keys[:len(keys)-1]
		if above := under(known, condition.JoinPath(keys...), true); len(above) > 0 {
			return append(out, above...), nil
		}
	}
	return out, nil
}

// under returns the categories at a path and, when deep, below it.
func under(known map[string]core.Category, path string, deep bool) []core.Category {
	var out []core.Category
	add := func(c core.Category) {
		if c == "" {
			c = core.Unclassified
		}
		if !slices.Contains(out, c) {
			out = append(out, c)
		}
	}
	if c, ok := known[path]; ok {
		add(c)
	}
	if deep {
		for p, c := range known {
			if len(p) > len(path) && p[len(path)] == '.' && p[:len(path)] == path {
				add(c)
			}
		}
	}
	return out
}

// known returns the categories of an owner's paths: of a type of records, of its fields.
func (v *sight) known(owner string) (map[string]core.Category, error) {
	if m, ok := v.cats[owner]; ok {
		return m, nil
	}
	var m map[string]core.Category
	var err error
	if key, record := strings.CutPrefix(owner, recordOwner); record {
		if v.s.desk.objectTypes != nil {
			var types map[string]condition.ObjectVocabulary
			if types, err = v.s.desk.objectTypes(v.ctx, v.ws); err == nil {
				m = types[key].Categories
			}
		}
	} else if v.s.events != nil {
		m, err = v.s.events.Categories(v.ctx, v.ws, owner)
	}
	if err != nil {
		return nil, err
	}
	if v.cats == nil {
		v.cats = map[string]map[string]core.Category{}
	}
	v.cats[owner] = m
	return m, nil
}
