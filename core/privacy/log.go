package privacy

import (
	"context"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/store"
)

// maxEventOps bounds the operations that the events of a slice bring, of which one may leave
// several to what figures keep.
const maxEventOps = 700

// eventBytes bounds the descriptions of fields that a slice writes, and what is kept of
// anonymous events.
const eventBytes = 2 << 20

// events deletes events of the person from the log. The same batch adds what they
// counted to the residuals, and takes the samples that may be theirs out of the
// catalogue of fields. Every owner is written, whether it has such a sample or not: a
// process that has met one and not written it yet then reads the owner again, and
// forgets it.
func (s *Service) events(ctx context.Context, sub *Subject) (finding, error) {
	var out finding
	sets, values := map[string]*event.FieldSet{}, map[string]map[string]bool{}
	size := 0
	for _, part := range sub.Parts {
		some, err := event.Events.Find(ctx, s.o.Store, store.Query{
			Workspace: sub.Workspace, Where: []store.Cond{store.Eq("part", part)}, Order: []string{"-timestamp"},
		}, sweepSlice-int(out.count))
		if err != nil {
			return out, err
		}
		for _, e := range some {
			for _, owner := range ownersOf(e) {
				if values[owner] == nil {
					n, err := s.fieldSet(ctx, sub.Workspace, owner, sets)
					if err != nil {
						return out, err
					}
					values[owner], size = map[string]bool{}, size+n
				}
			}
			collect(e, values)
			left, err := s.residualOps(ctx, sub.Workspace, e)
			if err != nil {
				return out, err
			}
			if sub.anonymise {
				row, n, err := s.anonymousEvent(ctx, sub.Workspace, e)
				if err != nil {
					return out, err
				}
				left, size = append(left, row...), size+n
			}
			out.ops = append(append(out.ops, left...), event.Events.Delete(e))
			if out.count++; size > eventBytes || len(out.ops) > maxEventOps {
				break
			}
		}
		if out.count >= sweepSlice || size > eventBytes || len(out.ops) > maxEventOps {
			break
		}
	}
	for owner, set := range sets {
		for i := range set.Fields {
			set.Fields[i].Samples = slices.DeleteFunc(set.Fields[i].Samples, func(v bson.RawValue) bool {
				return v.Type != bson.TypeBoolean && values[owner][valueKey(v)]
			})
		}
		out.ops = append(out.ops, event.Fields.Replace(set))
	}
	return out, nil
}

// fieldSet reads what is known of an owner's fields, and returns its size.
func (s *Service) fieldSet(ctx context.Context, ws, owner string, sets map[string]*event.FieldSet) (int, error) {
	set, err := event.Fields.Get(ctx, s.o.Store, store.Key(ws, owner))
	if err != nil || set == nil {
		return 0, err
	}
	sets[owner] = set
	raw, err := event.Fields.Encode(set)
	return len(raw), err
}

// ownersOf lists the owners of what an event holds.
func ownersOf(e *event.Event) []string {
	return []string{event.OwnerTrait, event.OwnerOf(e.Name)}
}

// collect notes all values of an event under all of its owners.
func collect(e *event.Event, values map[string]map[string]bool) {
	var walk func(doc bson.Raw)
	walk = func(doc bson.Raw) {
		for it := event.Elements(doc); it.Next(); {
			v := it.Value()
			if v.Type == bson.TypeEmbeddedDocument || v.Type == bson.TypeArray {
				walk(v.Value)
				continue
			}
			for _, owner := range ownersOf(e) {
				values[owner][valueKey(v)] = true
			}
		}
	}
	for _, doc := range []bson.Raw{e.Properties, e.Traits, e.Context} {
		walk(doc)
	}
}

func valueKey(v bson.RawValue) string { return string([]byte{byte(v.Type)}) + string(v.Value) }

func (s *Service) countEvents(ctx context.Context, sub *Subject) (int64, error) {
	var total int64
	for _, part := range sub.Parts {
		n, err := event.Events.Count(ctx, s.o.Store, store.Query{Workspace: sub.Workspace, Where: []store.Cond{store.Eq("part", part)}})
		if err != nil {
			return 0, err
		}
		total += n
	}
	return total, nil
}
