package object

import (
	"context"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/store"
)

// values reads a record's values by the fields' ids, with the defaults of fields
// that came after it. Those of fields that are gone are left out.
func (t *Type) values(r *Record) map[string]bson.RawValue {
	vals := map[string]bson.RawValue{}
	if r == nil {
		return vals
	}
	for it := event.Elements(r.Values); it.Next(); {
		vals[string(it.Key())] = it.Value()
	}
	known := make(map[string]bson.RawValue, len(vals))
	for i := range t.Fields {
		f := &t.Fields[i]
		v, ok := vals[f.ID]
		if !ok && r.Schema < f.Since && !f.Default.IsZero() {
			v, ok = f.Default, true
		}
		if !ok {
			continue
		}
		if f.Many {
			v = asMany(v) // from before it held several
		}
		known[f.ID] = v
	}
	return known
}

// asMany makes an array of a single value.
func asMany(v bson.RawValue) bson.RawValue {
	if v.Type == bson.TypeArray {
		return v
	}
	return bson.RawValue{Type: bson.TypeArray, Value: raw([]pair{{"0", v}})}
}

// encode writes values by field id, in the order of the fields.
func (t *Type) encode(vals map[string]bson.RawValue) bson.Raw {
	pairs := make([]pair, 0, len(vals))
	for i := range t.Fields {
		if v, ok := vals[t.Fields[i].ID]; ok {
			pairs = append(pairs, pair{t.Fields[i].ID, v})
		}
	}
	return raw(pairs)
}

// Document returns the record's values under the present keys of their fields,
// defaults filled in, without aliases: what is shown to people.
func (t *Type) Document(r *Record) bson.Raw { return t.document(r, false) }

func (t *Type) document(r *Record, aliases bool) bson.Raw {
	vals := t.values(r)
	pairs := make([]pair, 0, len(vals))
	for i := range t.Fields {
		if v, ok := vals[t.Fields[i].ID]; ok {
			pairs = append(pairs, pair{t.Fields[i].Key, v})
		}
	}
	for i := range t.Fields {
		if v, ok := vals[t.Fields[i].ID]; ok && aliases {
			for _, key := range t.Fields[i].Aliases {
				pairs = append(pairs, pair{key, v})
			}
		}
	}
	return raw(pairs)
}

// present fills in the Fields of records of the type.
func (t *Type) present(records ...*Record) {
	for _, r := range records {
		if r != nil {
			r.Fields = t.document(r, true)
		}
	}
}

// Present fills in the Fields of records that were decoded elsewhere. Nil records
// are passed over; a record whose type is gone gets an empty document.
func (s *Service) Present(ctx context.Context, ws string, records ...*Record) error {
	if len(records) == 0 {
		return nil
	}
	types, err := s.schema(ctx, ws)
	if err != nil {
		return err
	}
	for _, r := range records {
		if r == nil {
			continue
		}
		if t := types.byKey[r.Type]; t != nil {
			t.present(r)
		} else {
			r.Fields = raw(nil)
		}
	}
	return nil
}

// Pending returns the records that operations of a batch write, with their Fields:
// what a fold overlays on what Related returned. Deleted ones are among them.
func (s *Service) Pending(ctx context.Context, ws string, ops []store.Op) ([]*Record, error) {
	var out []*Record
	for i := range ops {
		op := &ops[i]
		if op.Spec.Name != Records.Spec.Name || op.Kind != store.OpInsert && op.Kind != store.OpReplace {
			continue
		}
		r, err := Records.Decode(op.Doc)
		if err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, s.Present(ctx, ws, slices.Clip(out)...)
}
