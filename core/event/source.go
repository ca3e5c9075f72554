package event

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
)

// SourceKind is the door that a source's events come through.
type SourceKind string

// The kinds of source.
const (
	SourceHTTP      SourceKind = "HTTP"
	SourceGraphQL   SourceKind = "GRAPHQL"
	SourceImport    SourceKind = "IMPORT"
	SourceConnector SourceKind = "CONNECTOR"
	SourceForm      SourceKind = "FORM"
	SourceSystem    SourceKind = "SYSTEM"
)

var sourceKinds = []SourceKind{SourceHTTP, SourceGraphQL, SourceImport, SourceConnector, SourceForm, SourceSystem}

// MaxSourceName is the length of a source's name, in bytes.
const MaxSourceName = 200

// MaxSourcePurposes is how many purposes a source may name.
const MaxSourcePurposes = 100

// Source is where events come from: a website, an import, Headwater itself.
type Source struct {
	store.Meta `bson:",inline"` // key: workspace/src_…
	Name       string           `bson:"name"`
	Kind       SourceKind       `bson:"kind"`
	Priority   int64            `bson:"priority"` // a trait that ranks sources takes the highest
	CreatedAt  time.Time        `bson:"createdAt"`
	// Purposes are what its data may be used for, the purposes below each among them;
	// none are all.
	Purposes []string `bson:"purposes,omitempty"`
}

// SourceID returns the source's id without its workspace.
func (s *Source) SourceID() string { return store.Rest(s.ID) }

// Sources holds the sources.
var Sources = store.Declare[Source](store.Spec{Name: "sources"})

// SourceInput describes a new source.
type SourceInput struct {
	Name     string
	Kind     SourceKind
	Priority int64
	Purposes []string // keys of the purpose register; none are all
	// IdempotencyKey makes CreateSource with the same key return the same source.
	IdempotencyKey string
}

// NewSource checks in and returns a source that is not stored yet, for callers
// that commit it together with other things.
func NewSource(ws string, in SourceInput, at time.Time) (*Source, error) {
	return newSource(ws, core.NewID(core.PrefixSource, at), in, at)
}

func newSource(ws, id string, in SourceInput, at time.Time) (*Source, error) {
	in.Name = strings.TrimSpace(in.Name)
	if in.Name == "" || len(in.Name) > MaxSourceName {
		return nil, invalid("NAME", "the name of a source has 1 to %d bytes", MaxSourceName).At("name")
	}
	if in.Kind == "" {
		in.Kind = SourceHTTP
	}
	if !slices.Contains(sourceKinds, in.Kind) {
		return nil, invalid("KIND", "the kind of a source is one of %s", joined(sourceKinds)).At("kind")
	}
	purposes := slices.Clone(in.Purposes)
	slices.Sort(purposes)
	if purposes = slices.Compact(purposes); len(purposes) > MaxSourcePurposes || slices.Contains(purposes, "") {
		return nil, invalid("PURPOSES", "a source has at most %d purposes, each a key of the purpose register", MaxSourcePurposes).At("purposes")
	}
	return &Source{
		Meta: store.Meta{ID: store.Key(ws, id)}, Name: in.Name, Kind: in.Kind, Priority: in.Priority,
		CreatedAt: at.UTC().Truncate(time.Millisecond), Purposes: purposes,
	}, nil
}

func joined[T ~string](list []T) string {
	parts := make([]string, len(list))
	for i, v := range list {
		parts[i] = string(v)
	}
	return strings.Join(parts, ", ")
}

// CreateSource stores a new source.
func (s *Service) CreateSource(ctx context.Context, ws string, in SourceInput) (*Source, error) {
	if in.IdempotencyKey == "" {
		src, err := NewSource(ws, in, s.clock.Now())
		if err != nil {
			return nil, err
		}
		return s.storeSource(ctx, ws, src)
	}
	src, err := newSource(ws, core.HashID(core.PrefixSource, ws, "idem", in.IdempotencyKey), in, s.clock.Now())
	if err != nil {
		return nil, err
	}
	made, err := s.storeSource(ctx, ws, src)
	if core.CodeOf(err) != core.Conflict {
		return made, err
	}
	old, err := Sources.Get(ctx, s.db, src.ID)
	if err == nil && old != nil && (old.Name != src.Name || old.Kind != src.Kind) {
		return nil, core.Errorf(core.Conflict, "IDEMPOTENCY_KEY_REUSED", "the idempotency key was used for another source; use a new one").At("idempotencyKey")
	}
	return old, outward(err)
}

// EnsureSource returns the source of a kind with a name, made at the first call:
// the same workspace, kind and name have the same source for ever.
func (s *Service) EnsureSource(ctx context.Context, ws string, in SourceInput) (*Source, error) {
	src, err := newSource(ws, core.HashID(core.PrefixSource, ws, string(in.Kind), in.Name), in, s.clock.Now())
	if err != nil {
		return nil, err
	}
	if old, err := Sources.Get(ctx, s.db, src.ID); old != nil || err != nil {
		return old, outward(err)
	}
	made, err := s.storeSource(ctx, ws, src)
	if core.CodeOf(err) != core.Conflict {
		return made, err
	}
	old, err := Sources.Get(ctx, s.db, src.ID) // another process was faster
	return old, outward(err)
}

func (s *Service) storeSource(ctx context.Context, ws string, src *Source) (*Source, error) {
	if err := s.commit(ctx, Sources.Insert(src)); err != nil {
		return nil, outward(err)
	}
	s.sources.drop(ws)
	src.V = 1
	return src, nil
}

// Sources returns the workspace's sources, the oldest first. What another process
// added shows within CacheTTL.
func (s *Service) Sources(ctx context.Context, ws string) ([]*Source, error) {
	byID, err := s.sourcesOf(ctx, ws)
	if err != nil {
		return nil, outward(err)
	}
	out := make([]*Source, 0, len(byID))
	for _, src := range byID {
		out = append(out, src)
	}
	slices.SortFunc(out, func(a, b *Source) int {
		if c := a.CreatedAt.Compare(b.CreatedAt); c != 0 {
			return c
		}
		return strings.Compare(a.ID, b.ID)
	})
	return out, nil
}

// Source returns the source with an id, or nil.
func (s *Service) Source(ctx context.Context, ws, id string) (*Source, error) {
	byID, err := s.sourcesOf(ctx, ws)
	if err != nil {
		return nil, outward(err)
	}
	return byID[id], nil
}

// SourcePriorities returns the priority of each source that has one other than 0.
func (s *Service) SourcePriorities(ctx context.Context, ws string) (map[string]int64, error) {
	byID, err := s.sourcesOf(ctx, ws)
	if err != nil {
		return nil, outward(err)
	}
	out := map[string]int64{}
	for id, src := range byID {
		if src.Priority != 0 {
			out[id] = src.Priority
		}
	}
	return out, nil
}

// SourcePurposes returns what the data of each source may be used for, of those
// sources that name purposes.
func (s *Service) SourcePurposes(ctx context.Context, ws string) (map[string][]string, error) {
	byID, err := s.sourcesOf(ctx, ws)
	if err != nil {
		return nil, outward(err)
	}
	var out map[string][]string
	for id, src := range byID {
		if len(src.Purposes) > 0 {
			if out == nil {
				out = map[string][]string{}
			}
			out[id] = src.Purposes
		}
	}
	return out, nil
}

// SourceUpdate changes a source; nil leaves a field as it is.
type SourceUpdate struct {
	ID              string
	ExpectedVersion *int64
	Name            *string
	Priority        *int64
	Purposes        *[]string // none are all
}

// UpdateSource changes a source. An update that changes nothing keeps the version.
func (s *Service) UpdateSource(ctx context.Context, ws string, u SourceUpdate) (*Source, error) {
	var src *Source
	var changed bool
	err := retry(func() (err error) {
		if src, err = Sources.Get(ctx, s.db, store.Key(ws, u.ID)); err != nil {
			return err
		}
		if src == nil {
			return core.Errorf(core.NotFound, "SOURCE", "no source has this id").At("id")
		}
		if u.ExpectedVersion != nil && *u.ExpectedVersion != src.V {
			return staleVersion("the source", src.V, *u.ExpectedVersion)
		}
		in := SourceInput{Name: src.Name, Kind: src.Kind, Priority: src.Priority, Purposes: src.Purposes}
		if u.Name != nil {
			in.Name = *u.Name
		}
		if u.Priority != nil {
			in.Priority = *u.Priority
		}
		if u.Purposes != nil {
			in.Purposes = *u.Purposes
		}
		checked, err := newSource(ws, u.ID, in, src.CreatedAt)
		if err != nil {
			return err
		}
		if changed = src.Name != checked.Name || src.Priority != checked.Priority || !slices.Equal(src.Purposes, checked.Purposes); !changed {
			return nil
		}
		src.Name, src.Priority, src.Purposes = checked.Name, checked.Priority, checked.Purposes
		return s.commit(ctx, Sources.Replace(src))
	})
	if err != nil {
		return nil, err
	}
	if changed {
		s.sources.drop(ws)
		src.V++
	}
	return src, nil
}

// Collecting returns what to commit together with a key that collects for some purposes,
// and what to call after it: a source whose data may be used for everything is limited to
// them, since its data does not say by which key it came. One that is limited already
// must be so to purposes of the key: else the error is INVALID, reason SOURCE_PURPOSES. A source that is not there is left to whoever makes the key.
func (s *Service) Collecting(ctx context.Context, ws, id string, purposes []string) ([]store.Op, func(), error) {
	none := func() {}
	if id == "" || len(purposes) == 0 {
		return nil, none, nil
	}
	src, err := Sources.Get(ctx, s.db, store.Key(ws, id))
	if src == nil || err != nil {
		return nil, none, outward(err)
	}
	if len(src.Purposes) > 0 {
		for _, p := range src.Purposes {
			if !slices.Contains(purposes, p) {
				return nil, none, invalid("SOURCE_PURPOSES", "the source's data may be used for %s too: limit the source first, or give the key a source of its own", p).At("purposes")
			}
		}
		return nil, none, nil
	}
	checked, err := newSource(ws, id, SourceInput{Name: src.Name, Kind: src.Kind, Priority: src.Priority, Purposes: purposes}, src.CreatedAt)
	if err != nil {
		return nil, none, err
	}
	src.Purposes = checked.Purposes
	return []store.Op{Sources.Replace(src)}, func() { s.sources.drop(ws) }, nil
}

func (s *Service) sourcesOf(ctx context.Context, ws string) (map[string]*Source, error) {
	return s.sources.get(ws, s.clock.Now(), func(map[string]*Source) (map[string]*Source, error) {
		list, err := Sources.Find(ctx, s.db, store.Query{Workspace: ws}, 0)
		if err != nil {
			return nil, err
		}
		byID := make(map[string]*Source, len(list))
		for _, src := range list {
			byID[src.SourceID()] = src
		}
		return byID, nil
	})
}
