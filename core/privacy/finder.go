package privacy

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/journey"
	"github.com/headwater-cdp/headwater/core/object"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/segment"
	"github.com/headwater-cdp/headwater/core/staging"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// own returns the finders of collections that name people in their own way, by name.
func (s *Service) own() map[string]found {
	return map[string]found{
		event.Events.Spec.Name:        {find: s.events, count: s.countEvents},
		event.Quarantine.Spec.Name:    s.counted(s.quarantine),
		event.Fields.Spec.Name:        s.counted(s.samples),
		object.Records.Spec.Name:      s.counted(s.records),
		profile.Merges.Spec.Name:      s.counted(s.merges),
		segment.Memberships.Spec.Name: s.memberships(),
		segment.Behaviours.Spec.Name:  s.counted(s.behaviours),
		work.JobDocs.Spec.Name:        s.counted(s.jobs),
		journey.Enrollments.Spec.Name: s.counted(s.enrollments),
	}
}

// scan is a read of some documents of a person, at most limit (0: all).
type scan func(ctx context.Context, sub *Subject, limit int, take func(ops []store.Op)) error

// counted makes a finder of a scan; what it counts is what it would take.
func (s *Service) counted(f scan) found {
	return found{
		find: func(ctx context.Context, sub *Subject) (finding, error) {
			var out finding
			size := 0
			err := f(ctx, sub, sweepSlice, func(ops []store.Op) {
				more := 0
				for _, op := range ops {
					more += len(op.Doc)
				}
				if out.count > 0 && (size+more > sliceBytes || len(out.ops)+len(ops) > sliceOps) {
					return // the next slice finds it again
				}
				out.ops, size = append(out.ops, ops...), size+more
				out.count++
			})
			return out, err
		},
		count: func(ctx context.Context, sub *Subject) (int64, error) {
			var n int64
			err := f(ctx, sub, 0, func([]store.Op) { n++ })
			return n, err
		},
	}
}

// quarantine deletes what was kept aside and names the person.
func (s *Service) quarantine(ctx context.Context, sub *Subject, limit int, take func([]store.Op)) error {
	seen := map[string]bool{}
	for _, id := range sub.Identifiers {
		for _, token := range quarantineTokens(id) {
			items, err := event.Quarantine.Find(ctx, s.o.Store, store.Query{
				Workspace: sub.Workspace, Where: []store.Cond{store.Eq("ids", token)},
			}, limit)
			if err != nil {
				return err
			}
			for _, item := range items {
				if !seen[item.ID] {
					seen[item.ID] = true
					take([]store.Op{event.Quarantine.Delete(item)})
				}
			}
			if limit > 0 && len(seen) >= limit {
				return nil
			}
		}
	}
	return nil
}

// quarantineTokens lists how what was kept aside may name who has an identifier.
func quarantineTokens(id event.Identifier) []string {
	kinds := []string{id.Namespace}
	switch id.Namespace {
	case profile.UserID:
		kinds = []string{"userId", "previousId"}
	case profile.AnonymousID:
		kinds = []string{"anonymousId", "previousId"}
	}
	for i, kind := range kinds {
		kinds[i] = kind + "/" + id.Value
	}
	return kinds
}

// samples drops the examples of fields that are the person's identifiers. The events
// finder has taken the rest of what was theirs; what a field whose category is
// harmless holds besides is nobody's.
func (s *Service) samples(ctx context.Context, sub *Subject, limit int, take func([]store.Op)) error {
	n := namesOf(sub)
	return event.Fields.Each(ctx, s.o.Store, store.Query{Workspace: sub.Workspace}, func(set *event.FieldSet) error {
		hit := false
		for i := range set.Fields {
			f := &set.Fields[i]
			var kept []bson.RawValue
			for _, v := range f.Samples {
				if n.inValue(v) {
					hit = true
				} else {
					kept = append(kept, v)
				}
			}
			f.Samples = kept
		}
		if hit {
			take([]store.Op{event.Fields.Replace(set)})
		}
		return nil
	})
}

// records takes the person out of records.
func (s *Service) records(ctx context.Context, sub *Subject, limit int, take func([]store.Op)) error {
	tokens, err := s.o.Objects.TokensOf(ctx, sub.Workspace, sub.Identifiers, sub.Parts)
	if err != nil {
		return err
	}
	seen := map[string]bool{}
	for _, token := range tokens {
		found, err := object.Records.Find(ctx, s.o.Store, store.Query{Workspace: sub.Workspace, Where: []store.Cond{store.Eq("links", token)}}, min(limit, 40))
		if err != nil {
			return err
		}
		for _, r := range found {
			if seen[r.ID] {
				continue
			}
			seen[r.ID] = true
			ops, err := s.o.Objects.EraseOps(ctx, sub.Workspace, r, sub.Identifiers, sub.Parts)
			if err != nil {
				return err
			}
			if sub.anonymise && len(ops) > 0 && ops[0].Kind == store.OpDelete {
				row, err := s.anonymousRecord(ctx, sub.Workspace, r)
				if err != nil {
					return err
				}
				ops = append(ops, row...)
			}
			take(ops)
		}
		if limit > 0 && len(seen) >= limit/3 {
			return nil
		}
	}
	return nil
}

// merges takes the words out of the ledger of merges, and out of the events that tell
// of them: what is left are ids that mean nothing, and the history of others.
func (s *Service) merges(ctx context.Context, sub *Subject, limit int, take func([]store.Op)) error {
	seen := map[string]bool{}
	for _, part := range sub.Parts {
		found, err := profile.Merges.Find(ctx, s.o.Store, store.Query{Workspace: sub.Workspace, Where: []store.Cond{store.Eq("parts", part)}}, 0)
		if err != nil {
			return err
		}
		for _, m := range found {
			if seen[m.ID] || m.Reason == profile.ReasonOfErased {
				continue
			}
			seen[m.ID] = true
			id := m.MergeID()
			m.Reason = profile.ReasonOfErased
			ops := []store.Op{profile.Merges.Replace(m)}
			keys := []string{event.SystemKey(sub.Workspace, "merge:"+id), event.SystemKey(sub.Workspace, "unmerge:"+id)}
			told, err := event.Events.GetMany(ctx, s.o.Store, keys)
			if err != nil {
				return err
			}
			for _, e := range told {
				if e != nil {
					e.Properties = without(e.Properties, "reason")
					ops = append(ops, event.Events.Replace(e))
				}
			}
			take(ops)
			if limit > 0 && len(seen) >= limit {
				return nil
			}
		}
	}
	return nil
}

// without returns a document without a key.
func without(doc bson.Raw, key string) bson.Raw {
	elems, err := doc.Elements()
	if err != nil {
		return doc
	}
	var d bson.D
	for _, e := range elems {
		if e.Key() != key {
			d = append(d, bson.E{Key: e.Key(), Value: e.Value()})
		}
	}
	raw, err := bson.Marshal(d)
	if err != nil {
		return doc
	}
	return raw
}

// behaviours ends what segments know; their memberships go with them.
func (s *Service) behaviours(ctx context.Context, sub *Subject, limit int, take func([]store.Op)) error {
	if limit == 0 {
		raws, err := s.keyed(ctx, segment.Behaviours.Spec, sub)
		for range raws {
			take(nil)
		}
		return err
	}
	ops, err := s.o.Segments.EraseOps(ctx, sub.Workspace, sub.Parts)
	if err == nil && len(ops) > 0 {
		take(ops)
	}
	return err
}

// enrollments deletes a person's ways through journeys. Where they stood they are counted as
// having left.
func (s *Service) enrollments(ctx context.Context, sub *Subject, limit int, take func([]store.Op)) error {
	most := min(limit, store.Lanes) // each one's count has a lane of its own
	n := 0
	for _, part := range sub.Parts {
		if limit > 0 && n >= most {
			return nil
		}
		list, err := journey.Enrollments.Find(ctx, s.o.Store, store.Query{
			Workspace: sub.Workspace, Where: []store.Cond{store.Eq("part", part)},
		}, max(0, most-n))
		if err != nil {
			return err
		}
		for _, e := range list {
			take(journey.Forget(e, n))
			n++
		}
	}
	return nil
}

// memberships are found by way of behaviours, which list them.
func (s *Service) memberships() found {
	return found{
		find: func(context.Context, *Subject) (finding, error) { return finding{}, nil },
		count: func(ctx context.Context, sub *Subject) (int64, error) {
			var n int64
			raws, err := s.keyed(ctx, segment.Behaviours.Spec, sub)
			for _, raw := range raws {
				b, derr := segment.Behaviours.Decode(raw)
				if derr != nil {
					return 0, derr
				}
				n += int64(len(b.Members))
			}
			return n, err
		},
	}
}

// staged overwrites the rows of staged files that name the person.
func (s *Service) staged(spec *store.Spec) found {
	f := func(ctx context.Context, sub *Subject) (finding, error) {
		ids := make([]staging.Identifier, len(sub.Identifiers))
		for i, id := range sub.Identifiers {
			ids[i] = staging.Identifier{Namespace: id.Namespace, Value: id.Value}
		}
		ops, err := staging.Redact(ctx, s.o.Store, spec, sub.Workspace, ids)
		return finding{ops, int64(len(ops))}, err
	}
	return found{spec: spec, find: f, count: func(ctx context.Context, sub *Subject) (int64, error) {
		some, err := f(ctx, sub)
		return some.count, err
	}}
}
