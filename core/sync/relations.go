package sync

import (
	"context"
	"slices"
	"strings"

	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/object"
	"github.com/headwater-cdp/headwater/core/profile"
)

// inRelations is the form of Field.Local for a relation of a type: "relations.KEY". The
// vendor's field holds ids of records of another stream, one or several; here the record is
// linked to whom, or what, those are linked with.
const inRelations = "relations."

// relationUnknown is the reason of a record that points at one which was not carried over
// yet: it is tried again by itself, for some runs.
const relationUnknown = "RELATION_UNKNOWN"

// triesOfRelation is how often.
const triesOfRelation = 10

// lookup translates what a relation points at. Here that is a token, namespace and value of
// an object.Link; there the id of a record.
type lookup struct {
	place  string            // of the links: connection/stream
	target string            // the key of the type here; "" for people
	many   bool              // there
	there  map[string]string // by token
	here   map[string]string // tokens by id
}

const tokenSep = "\x1f"

func tokenOf(l object.Link) string { return l.Namespace + tokenSep + l.Value }

// unknown marks, in the vendor's form, what it does not have yet.
const unknown = "?"

func errRelation(path, stream string) *Fault {
	return &Fault{
		Kind: FaultInvalidRecord, Origin: FromConfig, Reason: relationUnknown, Path: path,
		Message: "the record points at one of " + stream + " that was not carried over: it is tried again by itself for some runs, then replay it when that one is there",
	}
}

// relate readies the fields of relations; shape is that of the stream.
func (j *job) relate(t *object.Type) error {
	for i := range j.m.fields {
		f := &j.m.fields[i]
		key, ok := strings.CutPrefix(f.Local, inRelations)
		if !ok {
			continue
		}
		r := t.Relation(key)
		if j.shape == nil || j.shape.Relations[f.Remote] == "" || r == nil {
			return &Fault{Kind: FaultInvalidConfig, Origin: FromConfig, Reason: "FIELD_MAP", Path: f.Remote, Message: "this field does not point at records of a stream any more; update the sync"}
		}
		f.rel = &lookup{
			place: j.sync.Connection + "/" + j.shape.Relations[f.Remote], target: r.Target,
			many: slices.Contains(j.shape.properties[f.Remote].types(), "array"), there: map[string]string{}, here: map[string]string{},
		}
	}
	return nil
}

// tokensOf lists what a record is linked to by a relation; nil when it is to nothing.
func tokensOf(r *object.Record, relation string) any {
	var out []any
	for _, l := range r.LinksOf() {
		if l.Relation == relation {
			out = append(out, tokenOf(l))
		}
	}
	if out == nil {
		return nil
	}
	return out
}

// idsOf lists the ids in a vendor's field, in order.
func idsOf(v any) []string {
	var out []string
	list, many := v.([]any)
	if !many {
		list = []any{v}
	}
	for _, one := range list {
		if id := asText(one); id != "" {
			out = append(out, id)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// form is ids as the vendor's field has them.
func (r *lookup) form(ids []string) any {
	slices.Sort(ids)
	switch {
	case len(ids) == 0:
		return nil
	case !r.many:
		return ids[0]
	}
	out := make([]any, len(ids))
	for i, id := range ids {
		out[i] = id
	}
	return out
}

// remote translates tokens; what the vendor does not have is marked.
func (r *lookup) remote(tokens any) any {
	list, _ := tokens.([]any)
	var ids []string
	for _, token := range list {
		id, known := r.there[token.(string)]
		if !known {
			id = unknown + token.(string)
		}
		if !slices.Contains(ids, id) { // two links may name one person
			ids = append(ids, id)
		}
	}
	return r.form(ids)
}

// linked translates ids.
func (f *mapped) linked(v any) (any, error) {
	var out []any
	for _, id := range idsOf(v) {
		token, known := f.rel.here[id]
		if !known {
			return nil, errRelation(f.Remote, streamOf(f.rel.place))
		}
		out = append(out, token)
	}
	if out == nil {
		return nil, nil
	}
	return out, nil
}

// strange reports whether the vendor's form of a relation has something that the vendor
// does not have.
func (r *lookup) strange(v any) bool {
	return slices.ContainsFunc(idsOf(v), func(id string) bool { return strings.HasPrefix(id, unknown) })
}

// links makes links of tokens.
func links(tokens any) []object.Link {
	list, _ := tokens.([]any)
	out := []object.Link{}
	for _, token := range list {
		namespace, value, _ := strings.Cut(token.(string), tokenSep)
		out = append(out, object.Link{Namespace: namespace, Value: value})
	}
	return out
}

// learnHere finds what the vendor's records point at, and puts their lists of ids in order.
func (j *job) learnHere(ctx context.Context, list []Record) error {
	for i := range j.m.fields {
		f := &j.m.fields[i]
		if f.rel == nil {
			continue
		}
		var ids, keys []string
		for n := range list {
			if list[n].Fields == nil {
				continue
			}
			mine := idsOf(list[n].Fields[f.Remote])
			list[n].Fields[f.Remote] = f.rel.form(slices.Clone(mine))
			for _, id := range mine {
				if _, known := f.rel.here[id]; !known && !slices.Contains(ids, id) {
					ids, keys = append(ids, id), append(keys, linkKey(j.ws, f.rel.place, id))
				}
			}
		}
		for from := 0; from < len(keys); from += 1000 {
			found, err := Links.GetMany(ctx, j.Store, keys[from:min(from+1000, len(keys))])
			if err != nil {
				return err
			}
			for k, l := range found {
				if l == nil || l.Gone {
					continue
				}
				if token := f.rel.token(l.Local); token != "" {
					f.rel.here[ids[from+k]], f.rel.there[token] = token, ids[from+k]
				}
			}
		}
	}
	return nil
}

// token is that of what a link leads to here; "" when a relation cannot point at it.
func (r *lookup) token(local string) string {
	kind, external, record := strings.Cut(local, "/")
	switch {
	case r.target == "" && !record && local != "":
		return tokenOf(object.Link{Namespace: object.ProfileNamespace, Value: local})
	case r.target != "" && record && kind == r.target:
		return tokenOf(object.Link{Value: external})
	}
	return ""
}

// learnThere finds the vendor's ids of what records here point at.
func (j *job) learnThere(ctx context.Context, records []*object.Record) error {
	for i := range j.m.fields {
		f := &j.m.fields[i]
		if f.rel == nil {
			continue
		}
		var tokens []string
		for _, r := range records {
			list, _ := tokensOf(r, strings.TrimPrefix(f.Local, inRelations)).([]any)
			for _, token := range list {
				if _, known := f.rel.there[token.(string)]; !known && !slices.Contains(tokens, token.(string)) {
					tokens = append(tokens, token.(string))
				}
			}
		}
		if len(tokens) == 0 {
			continue
		}
		locals, err := j.localsOf(ctx, f.rel, tokens)
		if err != nil {
			return err
		}
		found, err := j.linksFor(ctx, j.ws, f.rel.place, locals)
		if err != nil {
			return err
		}
		for k, l := range found {
			if l != nil && !l.Gone {
				f.rel.there[tokens[k]] = l.Remote
			}
		}
	}
	return nil
}

// localsOf lists under which ids links may know what tokens name.
func (j *job) localsOf(ctx context.Context, r *lookup, tokens []string) ([][]string, error) {
	out := make([][]string, len(tokens))
	var ids []string
	var idOf []int
	var names []event.Identifier
	var nameOf []int
	for i, token := range tokens {
		namespace, value, _ := strings.Cut(token, tokenSep)
		switch {
		case r.target != "":
			out[i] = []string{r.target + "/" + value}
		case namespace == object.ProfileNamespace:
			ids, idOf = append(ids, value), append(idOf, i)
		default:
			names, nameOf = append(names, event.Identifier{Namespace: namespace, Value: value}), append(nameOf, i)
		}
	}
	add := func(found []*profile.Profile, of []int) {
		for k, p := range found {
			if p != nil {
				out[of[k]] = partsOf(p)
			}
		}
	}
	for from := 0; from < len(ids); from += 1000 {
		to := min(from+1000, len(ids))
		found, err := j.Profiles.GetMany(ctx, j.ws, ids[from:to])
		if err != nil {
			return nil, err
		}
		add(found, idOf[from:])
	}
	for from := 0; from < len(names); from += 1000 {
		to := min(from+1000, len(names))
		found, err := j.Profiles.ByIdentifiers(ctx, j.ws, names[from:to])
		if err != nil {
			return nil, err
		}
		add(found, nameOf[from:])
	}
	return out, nil
}
