package object

import (
	"bytes"
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core"
)

// plan is a change of a type before it is published.
type plan struct {
	next     *Type
	narrowed []narrowing // what the records must be asked about
	uses     []use       // keys that nobody may use
	released []string    // claims that nobody holds any more
}

// narrowing is a part of a change that records may be in the way of.
type narrowing struct {
	path  []string // in the update
	field *Field   // as it would be; nil when it, or the relation, is removed
	id    string   // of the field that is removed
	link  string   // the key of a relation that is removed, or that becomes single
}

type use struct {
	key  string
	path []string
}

// UpdateType changes a type: what widens it at once, what narrows it once its
// records were found to agree. Records in the way are CONFLICT, reason
// RECORDS_BREAK, which names up to 10 of them. What a segment or another type uses
// cannot be removed: CONFLICT, reason IN_USE. Who may not read a field in clear can
// neither narrow it nor say that it holds something else: FORBIDDEN, PROTECTED_FIELD.
func (s *Service) UpdateType(ctx context.Context, ws string, u TypeUpdate) (*TypeResult, error) {
	var out *TypeResult
	err := s.retry(ctx, func() (err error) {
		out, err = s.update(ctx, ws, u)
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

func (s *Service) update(ctx context.Context, ws string, u TypeUpdate) (*TypeResult, error) {
	all, err := s.schema(ctx, ws)
	if err != nil {
		return nil, err
	}
	t := all.byKey[u.Key]
	if t == nil {
		return nil, unknownType(all, u.Key).At("key")
	}
	if t, err = s.settled(ctx, t); err != nil {
		return nil, err
	}
	if u.ExpectedVersion != nil && *u.ExpectedVersion != t.Version {
		return nil, stale("the object type", t.Version, *u.ExpectedVersion)
	}
	p, err := t.change(u, all)
	if err != nil {
		return nil, err
	}
	if err := s.unused(ctx, t, p.uses); err != nil {
		return nil, err
	}
	g, err := s.gate(ctx, ws)
	if err != nil {
		return nil, err
	}
	if err := p.guard(t, hidden(g)); err != nil {
		return nil, err
	}
	before, _ := Types.Encode(t)
	after, _ := Types.Encode(p.next)
	if bytes.Equal(before, after) {
		return &TypeResult{Type: t}, nil
	}
	p.next.Version, p.next.UpdatedAt = t.Version+1, s.o.Clock.Now().UTC().Truncate(time.Millisecond)
	switch {
	case u.DryRun:
		return s.rehearse(ctx, t, p)
	case len(p.narrowed) > 0:
		return s.try(ctx, t, p)
	}
	return s.publish(ctx, t, p, &TypeResult{})
}

// stale is the answer to a change that was based on an older version.
func stale(what string, have, want int64) *core.Error {
	return core.Errorf(core.Conflict, "VERSION_CONFLICT", "%s has version %d, not %d; read it and try again", what, have, want).At("expectedVersion")
}

// settled returns the type when nobody else is changing it. A trial or a
// deletion that was left behind is dropped.
func (s *Service) settled(ctx context.Context, t *Type) (*Type, error) {
	if t.Deleting == deletingJob {
		return nil, errDeleting
	}
	if t.Trial == nil && t.Deleting == "" {
		return t, nil
	}
	if t.Trial != nil && s.o.Clock.Now().Before(t.Trial.Until) {
		return nil, errChanging.After(time.Second)
	}
	return s.dropTrial(ctx, t)
}

var (
	errDeleting = core.Errorf(core.Conflict, "TYPE_DELETING", "the object type is being deleted")
	errChanging = core.Errorf(core.Conflict, "TYPE_CHANGING", "the object type is being changed; try again in a moment")
)

// publish stores the changed type and tells of it.
func (s *Service) publish(ctx context.Context, t *Type, p *plan, out *TypeResult) (*TypeResult, error) {
	p.next.V, p.next.Trial = t.V, nil
	if err := s.commitType(ctx, p.next, string(Updated), p.next.put(false)...); err != nil {
		return nil, err
	}
	p.next.V++
	for _, claim := range p.released {
		s.dropClaims(ctx, t.Workspace(), t.Key, claim)
	}
	out.Type = p.next
	return out, nil
}

// change works the update out.
func (t *Type) change(u TypeUpdate, all *types) (*plan, error) {
	next := *t
	next.Fields, next.Relations = slices.Clone(t.Fields), slices.Clone(t.Relations)
	next.Version = t.Version + 1 // what is added belongs to it
	p := &plan{next: &next}
	for dst, src := range map[*string]*string{&next.Name: u.Name, &next.Plural: u.Plural, &next.Description: u.Description} {
		if src != nil {
			*dst = strings.TrimSpace(*src)
		}
	}
	if err := next.names(); err != nil {
		return nil, err
	}
	for i, r := range u.Rename {
		if err := p.rename(r); err != nil {
			return nil, err.At("rename", strconv.Itoa(i))
		}
	}
	for i, key := range u.RemoveFields {
		if err := p.removeField(key, []string{"removeFields", strconv.Itoa(i)}); err != nil {
			return nil, err
		}
	}
	for i, c := range u.ChangeFields {
		path := []string{"changeFields", strconv.Itoa(i)}
		if err := p.changeField(c, all, path); err != nil {
			return nil, err.At(path...)
		}
	}
	for i, f := range u.AddFields {
		path := []string{"addFields", strconv.Itoa(i)}
		if err := p.addField(f, all, path); err != nil {
			return nil, err.At(path...)
		}
	}
	if err := p.relations(u, all); err != nil {
		return nil, err
	}
	if u.DisplayField != nil {
		next.DisplayField = *u.DisplayField
	}
	if err := next.whole(); err != nil {
		return nil, err
	}
	next.Version = t.Version
	return p, nil
}

func (p *plan) rename(r Rename) *core.Error {
	f := p.next.exactly(r.From)
	if f == nil {
		return unknownField(p.next, r.From).At("from")
	}
	if r.From == r.To {
		return nil
	}
	if err := p.next.freeKey("field", r.To); err != nil {
		return err
	}
	p.take(r.To, f.ID)
	f.Aliases = append(slices.Clone(f.Aliases), r.From)
	f.Aliases = slices.DeleteFunc(f.Aliases, func(a string) bool { return a == r.To })
	if len(f.Aliases) > maxAliases {
		return invalid("TOO_MANY_RENAMES", "a field keeps at most %d former keys", maxAliases)
	}
	if p.next.DisplayField == r.From {
		p.next.DisplayField = r.To
	}
	f.Key = r.To
	return nil
}

// take notes that a key that is an alias of another field passes to a field: what
// still uses it would come to mean something else.
func (p *plan) take(key, id string) {
	for i := range p.next.Fields {
		if f := &p.next.Fields[i]; f.ID != id && slices.Contains(f.Aliases, key) {
			f.Aliases = slices.DeleteFunc(slices.Clone(f.Aliases), func(a string) bool { return a == key })
			p.uses = append(p.uses, use{key, []string{"key"}})
		}
	}
}

func (p *plan) addField(in FieldInput, all *types, path []string) *core.Error {
	p.take(in.Key, "")
	if err := p.next.addField(in, all, true); err != nil {
		return err
	}
	f := &p.next.Fields[len(p.next.Fields)-1]
	if f.Required && f.Default.IsZero() {
		now := *f
		p.narrowed = append(p.narrowed, narrowing{path: append(path, "required"), field: &now})
	}
	return nil
}

func (p *plan) removeField(key string, path []string) *core.Error {
	f := p.next.exactly(key)
	if f == nil {
		return unknownField(p.next, key).At(path...)
	}
	for _, k := range append([]string{key}, f.Aliases...) {
		p.uses = append(p.uses, use{k, path})
	}
	p.narrowed = append(p.narrowed, narrowing{path: path, id: f.ID})
	if f.Claim != "" {
		p.released = append(p.released, f.Claim)
	}
	if p.next.DisplayField == key {
		p.next.DisplayField = ""
	}
	id := f.ID
	p.next.Fields = slices.DeleteFunc(p.next.Fields, func(f Field) bool { return f.ID == id })
	return nil
}

// exactly returns the field with the key, not with an alias.
func (t *Type) exactly(key string) *Field {
	for i := range t.Fields {
		if t.Fields[i].Key == key {
			return &t.Fields[i]
		}
	}
	return nil
}

func unknownField(t *Type, key string) *core.Error {
	var keys []string
	for i := range t.Fields {
		keys = append(keys, t.Fields[i].Key)
	}
	if len(key) > MaxKey || !plain(key) {
		key = "of that name"
	}
	return core.Errorf(core.Invalid, ReasonFieldUnknown, "the object type %s has no field %s; it has %s", t.Key, key, strings.Join(keys[:min(len(keys), 30)], ", "))
}

func (p *plan) relations(u TypeUpdate, all *types) *core.Error {
	for i, key := range u.RemoveRelations {
		path := []string{"removeRelations", strconv.Itoa(i)}
		if p.next.Relation(key) == nil {
			return invalid("RELATION_UNKNOWN", "the object type has no relation %q", key).At(path...)
		}
		p.next.Relations = slices.DeleteFunc(p.next.Relations, func(r Relation) bool { return r.Key == key })
		p.uses = append(p.uses, use{key, path})
		p.narrowed = append(p.narrowed, narrowing{path: path, link: key})
	}
	for i, c := range u.ChangeRelations {
		path := []string{"changeRelations", strconv.Itoa(i)}
		r := p.next.Relation(c.Key)
		if r == nil {
			return invalid("RELATION_UNKNOWN", "the object type has no relation %q", c.Key).At(path...)
		}
		if c.Label != nil {
			if err := checkLabel("label", *c.Label, false); err != nil {
				return err.At(path...)
			}
			r.Label = *c.Label
		}
		if c.Many != nil {
			if r.Many && !*c.Many {
				p.narrowed = append(p.narrowed, narrowing{path: append(path, "many"), link: c.Key})
			}
			r.Many = *c.Many
		}
	}
	for i, r := range u.AddRelations {
		if err := p.next.addRelation(r, all); err != nil {
			return err.At("addRelations", strconv.Itoa(i))
		}
	}
	return nil
}

// unset is a default that is none.
var unset bson.RawValue
