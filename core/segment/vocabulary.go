package segment

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/condition"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/store"
)

// CacheTTL is how long a process may go on with names and definitions that another
// process has changed; what is decided by them is decided on fresh ones.
const CacheTTL = time.Second

// desk is what a Service keeps for the definitions' half.
type desk struct {
	objectTypes func(ctx context.Context, ws string) (map[string]condition.ObjectVocabulary, error)
	purposes    func(ctx context.Context, ws string) ([]string, error)
	users       []Uses
	limits      Limits // nil: nobody is limited to segments

	mu     sync.Mutex
	vocs   map[string]*vocabulary   // by workspace
	people map[string]peopleCounted // by workspace
	parsed map[string]parsedWhere   // by key of the segment
}

func (d *desk) open(o Options) {
	d.objectTypes, d.purposes = o.ObjectTypes, o.Purposes
	d.vocs, d.people, d.parsed = map[string]*vocabulary{}, map[string]peopleCounted{}, map[string]parsedWhere{}
}

// vocabulary is what a workspace knows at an instant: its segments, its object
// types, its purposes, and, read when first asked for, the fields of its events. It
// implements condition.Vocabulary.
type vocabulary struct {
	ws       string
	at       time.Time
	segments map[string]*Segment // by id
	objects  map[string]condition.ObjectVocabulary
	purposes []string // nil: not known

	mu     sync.Mutex
	fields func() ([]event.FieldDefinition, []string, error) // and the names of planned events
	owners map[string]owner                                  // nil: not read yet
	err    error
}

// owner is what is known of one event's properties, or of the traits: by path the
// types seen, "object" for the paths above fields.
type owner map[string][]string

var (
	_ condition.Vocabulary = (*vocabulary)(nil)
	_ condition.Purposes   = purposed{}
)

// vocabulary returns what the workspace knows, at most CacheTTL old.
func (s *Service) vocabulary(ctx context.Context, ws string) (*vocabulary, error) {
	now := time.Now()
	s.desk.mu.Lock()
	v := s.desk.vocs[ws]
	s.desk.mu.Unlock()
	if v != nil && now.Sub(v.at) < CacheTTL {
		return v, nil
	}
	return s.vocabularyNow(ctx, ws)
}

// vocabularyNow reads what the workspace knows.
func (s *Service) vocabularyNow(ctx context.Context, ws string) (*vocabulary, error) {
	v := &vocabulary{ws: ws, at: time.Now(), segments: map[string]*Segment{}}
	list, err := Segments.Find(ctx, s.db, store.Query{Workspace: ws}, 0)
	if err != nil {
		return nil, err
	}
	for _, seg := range list {
		if !seg.others() {
			v.segments[seg.SegmentID()] = seg
		}
	}
	if s.desk.objectTypes != nil {
		if v.objects, err = s.desk.objectTypes(ctx, ws); err != nil {
			return nil, err
		}
	}
	if s.desk.purposes != nil {
		if v.purposes, err = s.desk.purposes(ctx, ws); err != nil {
			return nil, err
		}
	}
	fields := context.WithoutCancel(ctx) // the cache outlives the request
	v.fields = func() ([]event.FieldDefinition, []string, error) {
		defs, err := s.events.FieldDefinitions(fields, ws, "", "")
		if err != nil {
			return nil, nil, err
		}
		plan, err := s.events.Plan(fields, ws)
		if err != nil {
			return nil, nil, err
		}
		planned := make([]string, len(plan.Rules))
		for i, r := range plan.Rules {
			planned[i] = r.Event
		}
		return defs, planned, nil
	}
	s.desk.mu.Lock()
	defer s.desk.mu.Unlock()
	if len(s.desk.vocs) >= maxCachedWorkspaces {
		clear(s.desk.vocs)
	}
	s.desk.vocs[ws] = v
	return v, nil
}

// maxCachedWorkspaces bounds what is kept: beyond it everything is read again.
const maxCachedWorkspaces = 1000

// forget drops what is kept of a workspace: after a change.
func (s *Service) forget(ws string) {
	s.desk.mu.Lock()
	defer s.desk.mu.Unlock()
	delete(s.desk.vocs, ws)
}

// Drop forgets everything that is kept in memory of a workspace: to be called when
// it was deleted.
func (s *Service) Drop(ws string) {
	s.sets.Delete(ws)
	s.desk.drop(ws)
}

func (d *desk) drop(ws string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.vocs, ws)
	delete(d.people, ws)
	for key := range d.parsed {
		if store.WorkspaceOf(key) == ws {
			delete(d.parsed, key)
		}
	}
}

// check reads a condition for a segment with an id ("" for none) and returns what is
// wrong with it and what may be, with paths below "where". The error is FORBIDDEN when
// the caller may not ask it; nothing else is said of it then.
func (v *vocabulary) check(where any, self string, kind Kind, by *sight, zoned bool) (*condition.Node, []*core.Error, []condition.Warning, error) {
	if where == nil {
		return nil, []*core.Error{invalid("CONDITION_MISSING", "a segment needs a condition, such as {\"trait\":{\"path\":\"email\",\"exists\":true}}").At("where")}, nil, nil
	}
	voc, err := v.heard(where, by, zoned)
	if err != nil {
		return nil, nil, nil, err
	}
	n, faults, warnings := condition.Faults(where, voc, condition.Options{Self: self})
	if err := v.failed(); err != nil {
		return nil, nil, nil, err
	}
	for i := range faults {
		faults[i] = faults[i].At("where")
	}
	for i := range warnings {
		warnings[i].Path = append([]string{"where"}, warnings[i].Path...)
	}
	if n != nil && kind == Predictive && !predicts(n) {
		faults = append(faults, invalid("NOT_PREDICTIVE", "the condition of a predictive segment asks for a prediction, such as {\"prediction\":{\"path\":\"churn\",\"gte\":0.8}}").At("where"))
		n = nil
	}
	return n, faults, warnings, nil
}

// heard returns what a caller may hear of the vocabulary while a condition is checked,
// or the refusal of the condition.
func (v *vocabulary) heard(where any, by *sight, zoned bool) (condition.Vocabulary, error) {
	if by.all() {
		if v.purposes != nil {
			return purposed{v}, nil
		}
		return v, nil
	}
	if n, err := condition.Parse(where); err == nil { // else what is wrong is told below
		if err := by.may(n, zoned); err != nil {
			return nil, core.AsError(err).At("where")
		}
	}
	g := guarded{v, by}
	if v.purposes != nil && by.gate.Category(core.Consent).Allowed() {
		return guardedPurposes{g}, nil
	}
	return g, nil
}

// inUse returns how many segments are not archived.
func (v *vocabulary) inUse() int {
	n := 0
	for _, seg := range v.segments {
		if seg.Status != Archived {
			n++
		}
	}
	return n
}

func (v *vocabulary) failed() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.err
}

// owner returns what is known of an owner's fields, nil for nothing.
func (v *vocabulary) owner(name string) owner {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.owners == nil && v.err == nil {
		defs, planned, err := v.fields()
		v.owners, v.err = map[string]owner{}, err
		for _, name := range planned {
			v.owners[event.OwnerOf(name)] = owner{}
		}
		for _, d := range defs {
			o := v.owners[d.Owner]
			if o == nil {
				o = owner{}
				v.owners[d.Owner] = o
			}
			o.add(d.Path, d.Types)
		}
	}
	return v.owners[name]
}

// add notes a field: it, and the objects that it is in.
func (o owner) add(path string, types event.Types) {
	for _, name := range types.Names() {
		o.see(path, strings.ToLower(name))
	}
	for i := len(path) - 1; i > 0; i-- {
		if path[i] == '.' && path[i-1] != '\\' {
			o.see(path[:i], "object")
		}
	}
}

func (o owner) see(path, t string) {
	if !slices.Contains(o[path], t) {
		o[path] = append(o[path], t)
	}
}

// TraitTypes implements condition.Vocabulary.
func (v *vocabulary) TraitTypes(path string) ([]string, bool) {
	types, known := v.owner(event.OwnerTrait)[path]
	return types, known
}

// EventKnown implements condition.Vocabulary. An event without properties leaves no
// trace in the catalogue, which makes it a warning and no more.
func (v *vocabulary) EventKnown(name string) bool {
	return v.owner(event.OwnerOf(name)) != nil || slices.Contains(plainEvents, name)
}

// plainEvents may come without properties.
var plainEvents = []string{event.NameIdentified, event.NamePageViewed, event.NameScreenViewed, event.NameGrouped, event.NameAliased}

// PropertyTypes implements condition.Vocabulary.
func (v *vocabulary) PropertyTypes(name, path string) ([]string, bool) {
	types, known := v.owner(event.OwnerOf(name))[path]
	return types, known
}

// ObjectType implements condition.Vocabulary.
func (v *vocabulary) ObjectType(key string) (condition.ObjectVocabulary, bool) {
	t, ok := v.objects[key]
	return t, ok
}

// Segment implements condition.Vocabulary.
func (v *vocabulary) Segment(id string) (condition.SegmentInfo, bool) {
	seg := v.segments[id]
	if seg == nil {
		return condition.SegmentInfo{}, false
	}
	return condition.SegmentInfo{Static: seg.Kind == Static, Archived: seg.Status == Archived, Refers: seg.Refers}, true
}

// ObjectTypes implements condition.Vocabulary.
func (v *vocabulary) ObjectTypes() []string {
	out := make([]string, 0, len(v.objects))
	for key := range v.objects {
		out = append(out, key)
	}
	slices.Sort(out)
	return out
}

// Events implements condition.Vocabulary.
func (v *vocabulary) Events() []string {
	v.owner("")
	out := slices.Clone(plainEvents)
	v.mu.Lock()
	defer v.mu.Unlock()
	for name := range v.owners {
		if name != event.OwnerTrait && !slices.Contains(plainEvents, name) {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

// purposed is a vocabulary that knows the workspace's purposes.
type purposed struct{ *vocabulary }

// PurposeKeys implements condition.Purposes.
func (v purposed) PurposeKeys() []string { return v.purposes }
