package quality

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// Field names a field: of traits (event.OwnerTrait), of an event by its name, of the
// records of a type ("type:KEY"), or a namespace of identifiers (OwnerIdentifier).
type Field struct{ Owner, Path string }

// OwnerIdentifier owns the identifiers of people: a path is a namespace.
const OwnerIdentifier = "IDENTIFIER"

// OwnerType returns the owner of the fields of the records of a type.
func OwnerType(key string) string { return "type:" + key }

// covers reports whether a thing that names f has to do with g: it is the same field, or
// one holds the other.
func (f Field) covers(g Field) bool {
	if f.Owner != g.Owner {
		return false
	}
	a, b := f.Path, g.Path
	return a == b || a == "" || b == "" || strings.HasPrefix(a, b+".") || strings.HasPrefix(b, a+".")
}

// Thing is something that reads or writes fields, or is made of things that do.
type Thing struct {
	Kind   string   // "source", "sync", "form", "segment", "template", "journey", "campaign"
	ID     string   // src_…, syn_…, frm_…, seg_…, tpl_…, jrn_…, cmp_…
	Name   string   //
	Reads  []Field  //
	Writes []Field  //
	Uses   []string // ids of what it is made of: a journey of segments and templates
	Sends  bool     // what it reads leaves by it: a campaign, a sync that pushes
}

// Knower tells of the things of a workspace.
type Knower func(ctx context.Context, ws string) ([]Thing, error)

// Role says where a thing stands on the way of a field.
type Role string

// The roles, in the order of the way.
const (
	Writer Role = "WRITER" // it brings the field
	Reader Role = "READER" // it asks for the field, or shows it
	User   Role = "USER"   // it is made of something that reads the field
	Sender Role = "SENDER" // by it the field, or what was decided by it, leaves
)

// Station is a thing on the way of a field.
type Station struct {
	Thing
	Role   Role
	Via    []string  // ids of the things on the way through which it came to be here; none: the field itself
	People int64     // of a source that writes a trait: how many have it from there, when they were last walked
	Count  int64     // of a source that writes a property: events in the last days that were tallied; of what sends: its messages
	Latest time.Time // of a source: when it last wrote
}

// Trace is the way of a field.
type Trace struct {
	Field    Field
	Stations []Station // writers, readers, users, senders; each by kind and name
	AsOf     time.Time // when everybody was last walked, for People; zero: never
}

// Lineage traces a field. A path above others takes them in: "address" holds
// "address.city". Errors: INVALID without owner or path.
func (s *Service) Lineage(ctx context.Context, ws string, f Field) (*Trace, error) {
	switch {
	case f.Owner == "" || len(f.Owner) > 200:
		return nil, core.Errorf(core.Invalid, "OWNER", `name whose field it is: TRAIT, IDENTIFIER, the name of an event, or "type:" and the key of a type`).At("owner")
	case f.Path == "" || len(f.Path) > event.MaxPath:
		return nil, core.Errorf(core.Invalid, "PATH", "name the field by its path").At("path")
	}
	var things []Thing
	for _, know := range s.Knowers {
		more, err := know(ctx, ws)
		if err != nil {
			return nil, work.Outward(err)
		}
		things = append(things, more...)
	}
	t := &Trace{Field: f}
	if err := s.sources(ctx, ws, t); err != nil {
		return nil, work.Outward(err)
	}
	t.follow(things)
	if s.Sent != nil {
		for i := range t.Stations {
			if st := &t.Stations[i]; st.Role == Sender && st.Kind != "sync" {
				n, err := s.Sent(ctx, ws, st.ID)
				if err != nil {
					return nil, work.Outward(err)
				}
				st.Count = n
			}
		}
	}
	return t, nil
}

// follow puts the things that have to do with the field into their order.
func (t *Trace) follow(things []Thing) {
	of := func(list []Field) bool {
		return slices.ContainsFunc(list, func(g Field) bool { return g.covers(t.Field) })
	}
	var rest []Thing
	on := map[string]bool{}
	for _, th := range things {
		if of(th.Writes) {
			t.Stations = append(t.Stations, Station{Thing: th, Role: Writer})
		}
		if !of(th.Reads) {
			rest = append(rest, th)
			continue
		}
		role := Reader
		if th.Sends {
			role = Sender
		}
		t.Stations = append(t.Stations, Station{Thing: th, Role: role})
		on[th.ID] = true
	}
	for grown := true; grown; { // a journey uses a segment that names another segment
		grown = false
		for i, th := range rest {
			if th.ID == "" {
				continue
			}
			var via []string
			for _, id := range th.Uses {
				if on[id] && !slices.Contains(via, id) {
					via = append(via, id)
				}
			}
			if len(via) == 0 {
				continue
			}
			role := User
			if th.Sends {
				role = Sender
			}
			t.Stations = append(t.Stations, Station{Thing: th, Role: role, Via: via})
			on[th.ID], grown = true, true
			rest[i].ID = ""
		}
	}
	for i := range t.Stations { // what reads the field itself may use other readers too
		st := &t.Stations[i]
		if st.Via != nil || st.Role == Writer {
			continue
		}
		for _, id := range st.Uses {
			if on[id] && id != st.ID && !slices.Contains(st.Via, id) {
				st.Via = append(st.Via, id)
			}
		}
	}
	order := []Role{Writer, Reader, User, Sender}
	slices.SortStableFunc(t.Stations, func(a, b Station) int {
		return cmp.Or(slices.Index(order, a.Role)-slices.Index(order, b.Role), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID))
	})
}

// tallied is over how many days Count of a source tells.
const tallied = 7

// sources adds the sources that write the field: of a trait by the walk over everybody,
// of an event's property by the tallies of the last days.
func (s *Service) sources(ctx context.Context, ws string, t *Trace) error {
	switch {
	case t.Field.Owner == event.OwnerTrait:
		all := map[string]Share{}
		err := Origins.Each(ctx, s.Store, store.Query{Workspace: ws}, func(o *Origin) error {
			if !t.Field.covers(Field{event.OwnerTrait, o.Path}) {
				return nil
			}
			t.AsOf = o.At
			for _, share := range o.Sources {
				have := all[share.Source]
				have.People = max(have.People, share.People)
				if share.Latest.After(have.Latest) {
					have.Latest = share.Latest
				}
				all[share.Source] = have
			}
			return nil
		})
		for id, share := range all {
			t.Stations = append(t.Stations, Station{Thing: Thing{Kind: "source", ID: id, Name: s.nameOf(ctx, ws, id)}, Role: Writer, People: share.People, Latest: share.Latest})
		}
		return err
	case t.Field.Owner == OwnerIdentifier || strings.HasPrefix(t.Field.Owner, OwnerType("")):
		return nil
	}
	today := day(s.now())
	var keys []string
	for i := range tallied {
		keys = append(keys, store.Key(ws, dayText(today.AddDate(0, 0, -i-1))))
	}
	docs, err := Tallies.GetMany(ctx, s.Store, keys)
	if err != nil {
		return err
	}
	all := map[string]Flow{}
	for _, doc := range docs {
		if doc == nil {
			continue
		}
		for _, from := range doc.From {
			if from.Name != t.Field.Owner {
				continue
			}
			have := all[from.Source]
			have.Count += from.Count
			if from.Latest.After(have.Latest) {
				have.Latest = from.Latest
			}
			all[from.Source] = have
		}
	}
	for id, f := range all {
		t.Stations = append(t.Stations, Station{Thing: Thing{Kind: "source", ID: id, Name: s.nameOf(ctx, ws, id)}, Role: Writer, Count: f.Count, Latest: f.Latest})
	}
	return nil
}

func (s *Service) nameOf(ctx context.Context, ws, source string) string {
	if s.SourceName == nil {
		return source
	}
	if name := s.SourceName(ctx, ws, source); name != "" {
		return name
	}
	return source
}
