package privacy

import (
	"context"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/object"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/store"
)

// person is whom an export is about, as collections may name them.
type person struct {
	ws     string
	parts  []string
	ids    []event.Identifier
	tokens map[string][]string // by the names of collections that name people by tokens of their own
}

// person returns whom an export is about: a profile, which may be nil, and the
// identifier by which was asked, if any.
func (d *Desk) person(ctx context.Context, ws string, p *profile.Profile, asked *event.Identifier) (person, error) {
	out := person{ws: ws, tokens: map[string][]string{}}
	if p != nil {
		out.parts = slices.Clone(p.Parts)
		for _, h := range p.Identifiers {
			out.ids = append(out.ids, event.Identifier{Namespace: h.Namespace, Value: h.Value})
		}
	}
	if asked != nil {
		n, ok, err := d.o.Profiles.Normalise(ctx, ws, *asked)
		if err != nil {
			return out, err
		}
		if ok && !slices.Contains(out.ids, n) {
			out.ids = append(out.ids, n)
		}
	}
	for _, id := range out.ids {
		out.tokens[event.Quarantine.Spec.Name] = append(out.tokens[event.Quarantine.Spec.Name], quarantineTokens(id)...)
	}
	if d.o.Objects == nil {
		return out, nil
	}
	var err error
	out.tokens[object.Records.Spec.Name], err = d.o.Objects.TokensOf(ctx, ws, out.ids, out.parts)
	return out, err
}

// is reports whether an entry of the list of subjects of a collection is the person.
// The same value under another namespace is somebody else.
func (w person) is(spec *store.Spec, text string) bool {
	return slices.Contains(w.parts, text) || slices.Contains(w.tokens[spec.Name], text)
}

// mentioned reports whether a text that may be anything is a name of the person: an id,
// an identifier with its namespace, or a value that is long enough to be nobody else's.
func (w person) mentioned(text string) bool {
	return slices.Contains(w.parts, text) || slices.ContainsFunc(w.ids, func(id event.Identifier) bool {
		return len(id.Value) >= enough && text == id.Value || text == id.Namespace+"/"+id.Value || slices.Contains(quarantineTokens(id), text)
	})
}

// bare are the paths that hold ids of parts and nothing else, so that an index over one
// finds them.
var bare = []string{"part", "parts", "profile"}

// anyDoc is any document.
type anyDoc struct {
	store.Meta `bson:",inline"`
	doc        bson.Raw
}

// UnmarshalBSON implements bson.Unmarshaler.
func (r *anyDoc) UnmarshalBSON(doc []byte) error {
	r.doc = slices.Clone(doc)
	return nil
}

// howFound says how a collection's documents of a person are found; "" when it holds none.
func howFound(spec *store.Spec) string {
	switch {
	case spec.Global, len(spec.Data) == 0, spec.Reach == store.ReachNobody:
		return ""
	case spec.Subject == "_id":
		return "key"
	case spec.Subject != "" && slices.Contains(bare, spec.Subject) && indexed(spec, spec.Subject):
		return "index"
	case spec.Subject != "" && indexed(spec, spec.Subject):
		return "tokens"
	case spec.Subject != "":
		return "scan"
	}
	return "search"
}

func indexed(spec *store.Spec, path string) bool {
	return slices.ContainsFunc(spec.Indexes, func(ix store.Index) bool { return ix.Fields[0].Path == path })
}

// each calls f with every document of a collection that is about the person. Of one that
// several people share, what names the others is left out.
func (d *Desk) each(ctx context.Context, spec *store.Spec, w person, f func(bson.Raw) error) error {
	c := &store.Collection[anyDoc]{Spec: spec}
	if spec == profile.Releases.Spec {
		f = d.ownReleases(ctx, w, f)
	}
	switch howFound(spec) {
	case "key":
		return d.byKey(ctx, c, w, f)
	case "index":
		return d.byIndex(ctx, c, w, w.parts, f)
	case "tokens":
		return d.byIndex(ctx, c, w, w.tokens[spec.Name], f)
	case "scan":
		return c.Each(ctx, d.o.Store, store.Query{Workspace: w.ws}, func(r *anyDoc) error {
			if !subjectIs(r.doc, spec, w) {
				return nil
			}
			return f(onlyOwn(r.doc, spec, w))
		})
	case "search":
		return c.Each(ctx, d.o.Store, store.Query{Workspace: w.ws}, func(r *anyDoc) error {
			if found := mentions(r.doc, w); len(found) > 0 {
				return f(found)
			}
			return nil
		})
	}
	return nil
}

func (d *Desk) byKey(ctx context.Context, c *store.Collection[anyDoc], w person, f func(bson.Raw) error) error {
	for _, part := range w.parts {
		own, err := c.Get(ctx, d.o.Store, store.Key(w.ws, part))
		if err != nil {
			return err
		}
		if own != nil {
			if err := f(own.doc); err != nil {
				return err
			}
		}
		below := store.Query{Workspace: w.ws, Where: []store.Cond{store.Prefix("_id", part+"/")}}
		if err := c.Each(ctx, d.o.Store, below, func(r *anyDoc) error { return f(r.doc) }); err != nil {
			return err
		}
	}
	return nil
}

// byIndex visits the documents that an index finds under names of the person, each once.
func (d *Desk) byIndex(ctx context.Context, c *store.Collection[anyDoc], w person, names []string, f func(bson.Raw) error) error {
	seen := map[string]bool{}
	for _, name := range names {
		q := store.Query{Workspace: w.ws, Where: []store.Cond{store.Eq(c.Spec.Subject, name)}}
		err := c.Each(ctx, d.o.Store, q, func(r *anyDoc) error {
			id := event.Text(r.doc, "_id")
			if c.Spec.Subject == "part" || c.Spec.Subject == "profile" { // of one, who has no other name
				return f(r.doc)
			}
			if seen[id] {
				return nil
			}
			seen[id] = true
			return f(onlyOwn(r.doc, c.Spec, w))
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// subjectIs reports whether the text, or one of the texts, at a path names the person.
func subjectIs(doc bson.Raw, spec *store.Spec, w person) bool {
	v, ok := event.Lookup(doc, strings.Split(spec.Subject, ".")...)
	if !ok {
		return false
	}
	if v.Type != bson.TypeArray {
		s, ok := v.StringValueOK()
		return ok && w.is(spec, s)
	}
	for it := event.Elements(v.Value); it.Next(); {
		if s, ok := it.Value().StringValueOK(); ok && w.is(spec, s) {
			return true
		}
	}
	return false
}

// onlyOwn leaves out of the list of subjects of a document who is somebody else.
func onlyOwn(doc bson.Raw, spec *store.Spec, w person) bson.Raw {
	path := spec.Subject
	v, ok := event.Lookup(doc, path)
	if !ok || v.Type != bson.TypeArray {
		return doc
	}
	var own bson.A
	for it := event.Elements(v.Value); it.Next(); {
		if s, ok := it.Value().StringValueOK(); ok && w.is(spec, s) {
			own = append(own, s)
		}
	}
	var out bson.D
	for it := event.Elements(doc); it.Next(); {
		if key := string(it.Key()); key == path {
			out = append(out, bson.E{Key: key, Value: own})
		} else {
			out = append(out, bson.E{Key: key, Value: it.Value()})
		}
	}
	b, err := bson.Marshal(out)
	if err != nil {
		return doc
	}
	return b
}

// mentions returns the texts of a document that name the person, by their paths, with
// its id; nothing when none does. What else such a document holds is others'.
func mentions(doc bson.Raw, w person) bson.Raw {
	found := bson.D{}
	var walk func(v bson.RawValue, path string)
	walk = func(v bson.RawValue, path string) {
		switch v.Type {
		case bson.TypeEmbeddedDocument, bson.TypeArray:
			for it := event.Elements(v.Value); it.Next(); {
				walk(it.Value(), strings.TrimPrefix(path+"."+string(it.Key()), "."))
			}
		case bson.TypeString:
			if s := v.StringValue(); w.mentioned(s) {
				found = append(found, bson.E{Key: path, Value: s})
			}
		}
	}
	walk(bson.RawValue{Type: bson.TypeEmbeddedDocument, Value: doc}, "")
	if len(found) == 0 {
		return nil
	}
	b, _ := bson.Marshal(append(bson.D{{Key: "_id", Value: event.Text(doc, "_id")}}, found...)) // texts only
	return b
}
