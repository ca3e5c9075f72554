package sync

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/headwater-cdp/headwater/core/object"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/store"
)

// externalOf splits the Local of a link of a record: "type/external id".
func externalOf(local string) string {
	_, id, _ := strings.Cut(local, "/")
	return id
}

// takeObjects keeps records of a custom type.
func (j *job) takeObjects(ctx context.Context, list []Record) error {
	t, err := j.Objects.Type(ctx, j.ws, j.sync.Type)
	if err != nil {
		return err
	}
	if t == nil {
		return &Fault{Kind: FaultInvalidConfig, Origin: FromConfig, Reason: "TYPE", Message: "the object type of this sync is gone"}
	}
	in, err := j.meetObjects(ctx, t, list)
	if err != nil {
		return err
	}
	var items []object.Item
	var of []*coming
	var gone []string
	var goneOf []*coming
	for _, c := range in {
		ext := ""
		if c.link != nil {
			ext = externalOf(c.link.Local)
		}
		switch {
		case c.skip || c.fault != nil:
		case c.r.Deleted:
			if c.link == nil || c.link.Gone {
				c.skip = true
				break
			}
			c.link.Gone = true
			if j.sync.Deletions == DeleteDeleted {
				gone, goneOf = append(gone, ext), append(goneOf, c)
			}
		default:
			if item, ok := j.objectItem(c, ext); ok {
				items, of = append(items, item), append(of, c)
			}
		}
	}
	wrote := map[*coming]bool{}
	if len(items) > 0 {
		results, err := j.Objects.Upsert(ctx, j.ws, j.sync.Type, items)
		if err != nil {
			return err
		}
		for i, r := range results {
			if r.Err != nil {
				of[i].fault = &Fault{Kind: FaultInvalidRecord, Origin: FromVendor, Reason: r.Err.Reason, Message: r.Err.Message, Path: strings.Join(r.Err.Path, ".")}
			}
			wrote[of[i]] = r.Outcome != object.Unchanged
		}
	}
	if len(gone) > 0 {
		results, err := j.Objects.Delete(ctx, j.ws, j.sync.Type, gone)
		if err != nil {
			return err
		}
		for i, r := range results {
			wrote[goneOf[i]] = r.Err == nil
		}
	}
	var ops []store.Op
	var put []*Link
	var taken []string
	for _, c := range in {
		j.run.Read++
		switch {
		case c.fault != nil:
			op, err := j.dead(ctx, Pull, "", c.r, c.fault)
			if err != nil {
				return err
			}
			ops = append(ops, op)
			j.run.Failed++
			continue
		case wrote[c]:
			j.run.Written++
		default:
			j.run.Skipped++
		}
		if c.link != nil && c.link.Local != "" {
			ops, put = append(ops, Links.Put(c.link)), append(put, c.link)
			taken = append(taken, c.r.ID)
		}
	}
	over, err := j.overtaken(ctx, taken)
	if err != nil {
		return err
	}
	ops = append(ops, over...)
	more, err := j.paired(ctx, j.ws, put)
	if err != nil {
		return err
	}
	return j.save(ctx, append(ops, more...)...)
}

// meetObjects finds what is known of the records.
func (j *job) meetObjects(ctx context.Context, t *object.Type, list []Record) ([]*coming, error) {
	keys := make([]string, len(list))
	for i := range list {
		keys[i] = linkKey(j.ws, j.sync.place(), list[i].ID)
	}
	links, err := Links.GetMany(ctx, j.Store, keys)
	if err != nil {
		return nil, err
	}
	out := make([]*coming, len(list))
	externals := make([]string, len(list))
	last := map[string]int{}
	for i := range list {
		c := &coming{r: &list[i]}
		out[i] = c
		if links[i] != nil {
			c.link = copyLink(links[i])
		}
		if at, ok := last[keys[i]]; ok {
			out[at].skip, out[at].link = true, nil
		}
		last[keys[i]] = i
		if c.fault = c.r.wrong(); c.fault != nil {
			continue
		}
		if c.link == nil && !c.r.Deleted {
			c.link = newLink(j.ws, j.sync.place(), c.r.ID)
			c.link.Local = j.sync.Type + "/" + j.externalFor(c.r)
		}
		if c.link != nil {
			externals[i] = externalOf(c.link.Local)
		}
	}
	var ask []string
	for _, e := range externals {
		if e != "" && !slices.Contains(ask, e) {
			ask = append(ask, e)
		}
	}
	found := map[string]*object.Record{}
	if len(ask) > 0 {
		have, err := j.Objects.GetMany(ctx, j.ws, j.sync.Type, ask)
		if err != nil {
			return nil, err
		}
		for i, r := range have {
			if r != nil {
				found[ask[i]] = r
			}
		}
	}
	if err := j.learnThere(ctx, slices.Collect(maps.Values(found))); err != nil {
		return nil, err
	}
	if err := j.learnHere(ctx, list); err != nil {
		return nil, err
	}
	for i, c := range out {
		if r := found[externals[i]]; r != nil && !r.Deleted() {
			doc := t.Document(r)
			c.get = func(place string) any { return recordOf(t, r, doc, place) }
			c.since = func(string) time.Time { return r.UpdatedAt }
		}
	}
	return out, nil
}

// externalFor returns the external id that a record of the vendor's has here.
func (j *job) externalFor(r *Record) string {
	for i := range j.m.fields {
		if f := &j.m.fields[i]; f.Local == localExternal {
			if v, err := f.local(r, allOf(r)); err == nil && asText(v) != "" {
				return asText(v)
			}
		}
	}
	return r.ID
}

// objectItem makes what is written of a record; false when nothing is.
func (j *job) objectItem(c *coming, external string) (object.Item, bool) {
	l := c.link
	if !c.r.UpdatedAt.IsZero() && c.r.UpdatedAt.Before(l.PushedAt) {
		c.skip = true
		return object.Item{}, false
	}
	l.Gone = false
	fields := map[string]any{}
	var related map[string][]object.Link
	_, changed, fault := j.winners(c, func(f *mapped, v any) {
		if key, ok := strings.CutPrefix(f.Local, inFields); ok {
			fields[key] = v
		}
		if key, ok := strings.CutPrefix(f.Local, inRelations); ok {
			if related == nil {
				related = map[string][]object.Link{}
			}
			related[key] = links(v)
		}
	})
	if fault != nil {
		c.fault = fault
		return object.Item{}, false
	}
	if !changed && c.get != nil {
		return object.Item{}, false
	}
	return object.Item{ExternalID: external, Fields: fields, Links: related, At: c.r.UpdatedAt}, true
}

// pushObjects hands over the records of a type that changed.
func (j *job) pushObjects(ctx context.Context) error {
	h, err := j.open(ctx)
	if err != nil {
		return err
	}
	t, err := j.Objects.Type(ctx, j.ws, j.sync.Type)
	if err != nil || t == nil {
		return err
	}
	specs := []*store.Spec{object.Records.Spec}
	if aboutPeople(t) {
		specs = append(specs, profile.Profiles.Spec)
	}
	prefix := j.sync.Type + "/"
	do := func(ids []string) error {
		keys := make([]string, 0, len(ids))
		for _, id := range ids {
			if strings.HasPrefix(id, prefix) {
				keys = append(keys, store.Key(j.ws, id))
			}
		}
		if len(specs) > 1 {
			more, err := j.ofPeople(ctx, ids)
			if err != nil {
				return err
			}
			keys = append(keys, more...)
		}
		for part := range slices.Chunk(keys, min(j.limit, slice)) {
			if err := j.pushRecords(ctx, h, part); err != nil {
				return err
			}
		}
		return nil
	}
	if err := j.eachDirty(ctx, func(locals []string) error {
		keys := make([]string, len(locals))
		for i, l := range locals {
			keys[i] = object.RecordKey(j.ws, j.sync.Type, externalOf(l))
		}
		return j.pushRecords(ctx, h, keys)
	}); err != nil {
		return err
	}
	return j.eachChanged(ctx, specs, func(from string) ([]string, error) {
		where := []store.Cond{store.Prefix("_id", prefix)}
		if from != "" {
			where = []store.Cond{store.Gt("_id", store.Key(j.ws, from)), store.Lt("_id", store.Key(j.ws, j.sync.Type+"0"))} // '0' follows '/'
		}
		list, err := object.Records.Find(ctx, j.Store, store.Query{Workspace: j.ws, Where: where}, slice)
		out := make([]string, len(list))
		for i, r := range list {
			out[i] = store.Rest(r.ID)
		}
		return out, err
	}, do)
}

// pushRecords hands over what changed of records, again where somebody whom they are about
// changed meanwhile.
func (j *job) pushRecords(ctx context.Context, h *handoff, keys []string) error {
	for round := 0; len(keys) > 0 && round <= 20; round++ {
		if err := j.freshRecords(ctx, keys); err != nil {
			return err
		}
		again, err := j.pushOnce(ctx, h, keys)
		if err != nil {
			return err
		}
		keys = nil
		for _, local := range again {
			keys = append(keys, object.RecordKey(j.ws, j.sync.Type, externalOf(local)))
		}
	}
	return nil
}

// freshRecords is fresh for the keys of records.
func (j *job) freshRecords(ctx context.Context, keys []string) error {
	if !j.sync.Direction.pulls() || j.now().Sub(j.asOf) < freshFor {
		return nil
	}
	records, err := object.Records.GetMany(ctx, j.Store, keys)
	if err != nil {
		return err
	}
	var locals [][]string
	for _, r := range records {
		if r != nil {
			locals = append(locals, []string{j.sync.Type + "/" + r.ExternalID})
		}
	}
	return j.fresh(ctx, locals)
}

func (j *job) pushOnce(ctx context.Context, h *handoff, keys []string) (again []string, err error) {
	t, err := j.Objects.Type(ctx, j.ws, j.sync.Type)
	if err != nil || t == nil {
		return nil, err
	}
	slices.Sort(keys)
	records, err := object.Records.GetMany(ctx, j.Store, slices.Compact(keys))
	if err != nil {
		return nil, err
	}
	records = slices.DeleteFunc(records, func(r *object.Record) bool { return r == nil })
	if err := j.Objects.Present(ctx, j.ws, records...); err != nil {
		return nil, err
	}
	if err := j.learnThere(ctx, records); err != nil {
		return nil, err
	}
	whose, err := j.aboutOf(ctx, t, records)
	if err != nil {
		return nil, err
	}
	var list []*leaving
	for i, r := range records {
		l := &leaving{local: j.sync.Type + "/" + r.ExternalID, about: whose[i].people, sent: map[string]string{}}
		if l.link, err = j.linkFor(ctx, j.ws, j.sync.place(), []string{l.local}); err != nil {
			return nil, err
		}
		doc := t.Document(r)
		fields, match, err := j.render(h, l.link, l.sent, func(place string) any { return recordOf(t, r, doc, place) })
		switch {
		case err != nil:
			if err := j.bury(ctx, l, AsFault(err)); err != nil {
				return nil, err
			}
			continue
		case r.Deleted():
			if l.link == nil || l.link.Gone || j.sync.Deletions != DeleteDeleted || !j.spec.Can(CanDelete) {
				continue
			}
			l.item = Item{ID: l.link.Remote, Delete: true}
			l.sent = nil
		case l.link != nil && l.link.Gone || len(fields) == 0:
			if l.link != nil {
				if err := j.clean(ctx, l.link); err != nil {
					return nil, err
				}
			}
			continue
		default:
			why, err := j.mayRecord(ctx, h, whose[i])
			if err != nil {
				return nil, err
			}
			if why != "" { // asked again when one of them changes
				j.run.Read++
				j.run.Skipped++
				if l.link != nil {
					if err := j.clean(ctx, l.link); err != nil {
						return nil, err
					}
				}
				continue
			}
			l.item = Item{Match: j.sync.Match, Fields: fields}
			if l.link != nil {
				l.item.ID = l.link.Remote
			} else if _, ok := fields[j.sync.Match]; !ok && j.sync.Match != "" {
				l.item.Fields[j.sync.Match] = match
			}
		}
		j.run.Read++
		key := []string{j.sync.place(), l.local}
		for _, f := range slices.Sorted(maps.Keys(l.sent)) {
			key = append(key, f, l.sent[f])
		}
		l.item.Key = j.hash.all(key...)
		list = append(list, l)
	}
	for part := range slices.Chunk(list, j.limit) {
		more, err := j.send(ctx, h, part)
		if err != nil {
			return nil, err
		}
		again = append(again, more...)
	}
	return again, nil
}
