package privacy

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"slices"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/object"
	"github.com/headwater-cdp/headwater/core/store"
)

// Anonymous is what is left of an event or a record of somebody who was made
// anonymous: what it was, on which day, and what it says that is nobody's. Nothing ties
// it to the person, nor to another one of the same person: its key is chance, it has a
// day and no time, and the ids, the names and the free words are gone. The residuals
// count it already.
type Anonymous struct {
	store.Meta `bson:",inline"` // key: workspace/2026-11-22/32 random hex digits
	Kind       AnonymousKind    `bson:"kind"`
	Name       string           `bson:"name"`             // of the event, or the key of the record's type
	Source     string           `bson:"source,omitempty"` // src_…, of an event
	Values     bson.Raw         `bson:"values,omitempty"` // properties, or fields by their keys
}

// Day returns the day on which it happened or was made, in UTC.
func (a *Anonymous) Day() time.Time {
	day, _, _ := strings.Cut(store.Rest(a.ID), "/")
	at, _ := time.Parse(time.DateOnly, day)
	return at
}

// AnonymousKind is what something anonymous was.
type AnonymousKind string

// The kinds.
const (
	AnonymousEvent  AnonymousKind = "EVENT"
	AnonymousRecord AnonymousKind = "RECORD"
)

// AnonymousRows are nobody's.
var AnonymousRows = store.Declare[Anonymous](store.Spec{
	Name: "anonymous_rows", Reach: store.ReachNobody,
	Data: map[string]core.Category{"values": core.Transaction},
})

// anonymousOf returns the operation that keeps what is nobody's.
func anonymousOf(ws string, at time.Time, a Anonymous) (op store.Op, bytes int) {
	var random [16]byte
	_, _ = rand.Read(random[:]) // never fails
	a.ID = store.Key(ws, at.UTC().Format(time.DateOnly), hex.EncodeToString(random[:]))
	return AnonymousRows.Insert(&a), len(a.Values)
}

// anonymousEvent returns the operations that keep what an event says that is nobody's,
// and their size; none for what Headwater itself noted.
func (s *Service) anonymousEvent(ctx context.Context, ws string, e *event.Event) ([]store.Op, int, error) {
	if e.Type == event.System {
		return nil, 0, nil
	}
	owner := event.OwnerOf(e.Name)
	categories, err := s.o.Events.Categories(ctx, ws, owner)
	if err != nil {
		return nil, 0, err
	}
	values := kept(e.Properties, nil, func(path string) core.Category {
		if c, known := categories[path]; known {
			return c
		}
		return event.DefaultCategory(owner, path)
	})
	op, n := anonymousOf(ws, e.Timestamp, Anonymous{Kind: AnonymousEvent, Name: e.Name, Source: e.Source, Values: values})
	return []store.Op{op}, n, nil
}

// anonymousRecord is anonymousEvent for a record that goes with its person.
func (s *Service) anonymousRecord(ctx context.Context, ws string, r *object.Record) ([]store.Op, error) {
	if r.Deleted() {
		return nil, nil
	}
	t, err := s.o.Objects.Type(ctx, ws, r.Type)
	if err != nil {
		if core.CodeOf(err) == core.NotFound {
			err = nil
		}
		return nil, err
	}
	values := kept(t.Document(r), nil, func(path string) core.Category {
		f := t.Field(event.SplitPath(path)[0])
		switch {
		case f == nil || slices.Contains([]object.FieldType{object.Email, object.Phone, object.Geo, object.Reference}, f.Type) || f.Unique:
			return core.IdentifierID
		case f.Type == object.Enum && impersonal(f.Category):
			return core.None // one of a few words
		}
		return f.Category
	})
	op, _ := anonymousOf(ws, r.CreatedAt, Anonymous{Kind: AnonymousRecord, Name: r.Type, Values: values})
	return []store.Op{op}, nil
}

// impersonal reports whether numbers of a category are nobody's once it is not known
// whose they were.
func impersonal(c core.Category) bool {
	return c == core.None || c == core.Behaviour || c == core.Transaction
}

// goods are the properties whose words are those of what was looked at or bought, as
// anybody else who bought it has them.
var goods = strings.Fields("currency sku product_id productId category brand variant")

// longestWords is how many bytes of text are kept: what is longer is seldom said twice.
const longestWords = 64

// kept returns what of a document is nobody's: numbers and yes or no of categories that
// are impersonal and that are no one thing's name; words where somebody said that they
// are NONE of a person's, and those of goods.
func kept(doc bson.Raw, keys []string, category func(path string) core.Category) bson.Raw {
	var out bson.D
	for it := event.Elements(doc); it.Next(); {
		key := string(it.Key())
		if v, ok := keptValue(it.Value(), append(slices.Clone(keys), key), category); ok {
			out = append(out, bson.E{Key: key, Value: v})
		}
	}
	if len(out) == 0 {
		return nil
	}
	raw, err := bson.Marshal(out)
	if err != nil {
		return nil
	}
	return raw
}

func keptValue(v bson.RawValue, keys []string, category func(path string) core.Category) (any, bool) {
	last := keys[len(keys)-1]
	switch v.Type {
	case bson.TypeEmbeddedDocument:
		doc := kept(v.Value, keys, category)
		return doc, doc != nil
	case bson.TypeArray:
		var list bson.A
		for it := event.Elements(v.Value); it.Next(); {
			if one, ok := keptValue(it.Value(), keys, category); ok {
				list = append(list, one)
			}
		}
		return list, len(list) > 0
	case bson.TypeInt32, bson.TypeInt64, bson.TypeDouble, bson.TypeDecimal128:
		return v, !namesOne(last) && impersonal(category(event.JoinPath(keys...)))
	case bson.TypeBoolean:
		return v, impersonal(category(event.JoinPath(keys...)))
	case bson.TypeString:
		text := v.StringValue()
		if len(text) > longestWords || event.Personal(text) {
			return nil, false
		}
		c := category(event.JoinPath(keys...))
		return v, c == core.None || impersonal(c) && slices.Contains(goods, last)
	}
	return nil, false
}

// namesOne reports whether a key is of what tells one thing from all others of its kind,
// as the number of an order does, by which its buyer is found elsewhere.
func namesOne(key string) bool {
	if slices.Contains(goods, key) {
		return false
	}
	lower := strings.ToLower(key)
	for _, end := range []string{"_id", "-id", "number", "_no", "ref", "reference", "code", "token"} {
		if strings.HasSuffix(lower, end) {
			return true
		}
	}
	return lower == "id" || lower == "no" || strings.HasSuffix(key, "Id") || strings.HasSuffix(key, "ID")
}

// Anonymous lists what is left of whoever was made anonymous, by day, from a day to
// another, both included; the zero time is no bound.
func (s *Service) Anonymous(ctx context.Context, ws string, from, to time.Time, w core.Window) (store.Page[Anonymous], error) {
	if err := s.allow(ctx); err != nil {
		return store.Page[Anonymous]{}, err
	}
	page, err := AnonymousRows.Page(ctx, s.o.Store, anonymousQuery(ws, from, to), w)
	return page, outward(err)
}

// CountAnonymous returns how many rows Anonymous lists.
func (s *Service) CountAnonymous(ctx context.Context, ws string, from, to time.Time) (int64, error) {
	if err := s.allow(ctx); err != nil {
		return 0, err
	}
	n, err := AnonymousRows.Count(ctx, s.o.Store, anonymousQuery(ws, from, to))
	return n, outward(err)
}

func anonymousQuery(ws string, from, to time.Time) store.Query {
	q := store.Query{Workspace: ws}
	if !from.IsZero() {
		q.Where = append(q.Where, store.Gte("_id", store.Key(ws, from.UTC().Format(time.DateOnly))))
	}
	if !to.IsZero() {
		q.Where = append(q.Where, store.Lt("_id", store.Key(ws, to.UTC().Format(time.DateOnly)+"0")))
	}
	return q
}
