package resolver

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/condition"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/object"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/graph/gen"
	"github.com/headwater-cdp/headwater/graph/scalar"
	"github.com/headwater-cdp/headwater/graph/view"
)

// Object answers Query.object.
func (r query) Object(ctx context.Context, typeKey, externalID string, evenDeleted *bool) (*object.Record, error) {
	rec, err := found(r.Resolver.Objects.Get(ctx, workspace(ctx), typeKey, externalID))
	if err != nil || rec == nil || rec.Deleted() && !value(evenDeleted) {
		return nil, err
	}
	return r.shown(ctx, rec)
}

// shown returns a record as far as it may be seen at all: nil where all of its people are
// hidden.
func (r *Resolver) shown(ctx context.Context, rec *object.Record) (*object.Record, error) {
	list := []*object.Record{rec}
	if err := r.Objects.Show(ctx, workspace(ctx), list...); err != nil {
		return nil, err
	}
	return list[0], nil
}

// Objects answers Query.objects.
func (r query) Objects(ctx context.Context, typeKey string, where *view.Condition, first *int, after *string, last *int, before *string) (*view.RecordConnection, error) {
	w, err := window(first, after, last, before)
	if err != nil {
		return nil, err
	}
	ws := workspace(ctx)
	var n *condition.Node
	if where != nil {
		if n, err = r.recordsWhere(ctx, ws, typeKey, where); err != nil {
			return nil, each(ctx, err)
		}
	}
	page, err := r.Resolver.Objects.Page(ctx, ws, typeKey, n, w)
	if err != nil {
		return nil, each(ctx, noType(err))
	}
	return view.NewConnection(page, func(ctx context.Context) (int64, error) {
		count, err := r.Resolver.Objects.Count(ctx, ws, typeKey, n)
		return int64(count.Value), err
	}), nil
}

// UpsertObjects answers Mutation.upsertObjects.
func (r mutation) UpsertObjects(ctx context.Context, in gen.UpsertObjectsInput) (*gen.UpsertObjectsPayload, error) {
	items := make([]object.Item, len(in.Records))
	for i, rec := range in.Records {
		items[i] = object.Item{
			ExternalID: rec.ExternalID, Fields: decoded(rec.Fields), Links: links(rec.Links), ExpectedVersion: long(rec.ExpectedVersion),
		}
	}
	results, err := r.Objects.Upsert(ctx, workspace(ctx), in.Type, items)
	if errs, err := problems(noType(err)); err != nil || errs != nil {
		return &gen.UpsertObjectsPayload{UserErrors: errs}, err
	}
	shown := make([]*object.Record, len(results))
	for i, res := range results {
		shown[i] = res.Record
	}
	if err := r.Objects.Show(ctx, workspace(ctx), shown...); err != nil {
		return nil, err
	}
	out := &gen.UpsertObjectsPayload{Results: make([]*gen.RecordResult, len(results))}
	for i, res := range results {
		one := &gen.RecordResult{ExternalID: res.ExternalID, Outcome: res.Outcome, Record: shown[i]}
		if res.Err != nil {
			one.Error = res.Err.At("input", "records", strconv.Itoa(i))
		}
		out.Results[i] = one
	}
	return out, nil
}

func links(in []*gen.RelationLinksInput) map[string][]object.Link {
	if len(in) == 0 {
		return nil
	}
	out := map[string][]object.Link{}
	for _, rel := range in {
		list := out[rel.Relation]
		if list == nil {
			list = []object.Link{}
		}
		for _, to := range rel.To {
			l := object.Link{Relation: rel.Relation}
			switch {
			case to.Identifier != nil:
				l.Namespace, l.Value = to.Identifier.Namespace, to.Identifier.Value
			case to.ProfileID != nil:
				l.Namespace, l.Value = object.ProfileNamespace, *to.ProfileID
			default:
				l.Value = value(to.ExternalID)
			}
			list = append(list, l)
		}
		out[rel.Relation] = list
	}
	return out
}

// UpsertObject answers Mutation.upsertObject.
func (r mutation) UpsertObject(ctx context.Context, in gen.UpsertObjectInput) (*gen.UpsertObjectPayload, error) {
	res, err := one(r.Objects.Upsert(ctx, workspace(ctx), in.Type, []object.Item{{
		ExternalID: in.ExternalID, Fields: decoded(in.Fields), Links: links(in.Links), ExpectedVersion: long(in.ExpectedVersion),
	}}))
	if errs, err := problems(err); err != nil || errs != nil {
		return &gen.UpsertObjectPayload{UserErrors: errs}, err
	}
	rec, err := r.shown(ctx, res.Record)
	return &gen.UpsertObjectPayload{Record: rec, Outcome: &res.Outcome}, err
}

// one returns the only result, or what was wrong with the item.
func one(results []object.ItemResult, err error) (object.ItemResult, error) {
	switch {
	case err != nil:
		return object.ItemResult{}, noType(err)
	case results[0].Err != nil:
		e := results[0].Err
		if e.Code == core.NotFound && len(e.Path) == 0 {
			e = e.At("externalId")
		}
		return object.ItemResult{}, e
	}
	return results[0], nil
}

// noType says where the key of a type that there is not stands.
func noType(err error) error {
	if fault := core.AsError(err); err != nil && fault.Code == core.NotFound && len(fault.Path) == 0 {
		return fault.At("type")
	}
	return err
}

// DeleteObject answers Mutation.deleteObject.
func (r mutation) DeleteObject(ctx context.Context, in gen.DeleteObjectInput) (*gen.DeleteObjectPayload, error) {
	res, err := one(r.Objects.Delete(ctx, workspace(ctx), in.Type, []string{in.ExternalID}))
	out := &gen.DeleteObjectPayload{}
	if out.UserErrors, err = problems(err); err != nil {
		return nil, err
	}
	out.Record, err = r.shown(ctx, res.Record)
	return out, err
}

// RestoreObject answers Mutation.restoreObject.
func (r mutation) RestoreObject(ctx context.Context, in gen.RestoreObjectInput) (*gen.RestoreObjectPayload, error) {
	res, err := one(r.Objects.Restore(ctx, workspace(ctx), in.Type, []string{in.ExternalID}))
	out := &gen.RestoreObjectPayload{}
	if out.UserErrors, err = problems(err); err != nil {
		return nil, err
	}
	out.Record, err = r.shown(ctx, res.Record)
	return out, err
}

// ImportObjects answers Mutation.importObjects.
func (r mutation) ImportObjects(ctx context.Context, in gen.ImportObjectsInput) (*gen.ImportObjectsPayload, error) {
	out := &gen.ImportObjectsPayload{}
	opt, content, err := objectImport(in)
	if err == nil && value(in.DryRun) {
		var rows []object.PreviewRow
		rows, err = r.Objects.PreviewImport(ctx, workspace(ctx), opt, strings.NewReader(content), previewRows)
		for _, row := range rows {
			out.Preview = append(out.Preview, &gen.ObjectImportRow{
				Line: int(row.Line), ExternalID: row.ExternalID, Outcome: row.Outcome, Error: row.Err,
			})
		}
	} else if err == nil {
		out.Job, err = r.Objects.StageImport(ctx, workspace(ctx), opt, strings.NewReader(content))
	}
	if errs, err := problems(noType(err)); err != nil || errs != nil {
		return &gen.ImportObjectsPayload{UserErrors: errs}, err
	}
	return out, nil
}

func objectImport(in gen.ImportObjectsInput) (object.ImportOptions, string, error) {
	opt := object.ImportOptions{Type: in.Type, Format: object.NDJSON}
	table := in.Content.CSV
	if table == nil {
		return opt, value(in.Content.Ndjson), nil
	}
	opt.Format = object.CSV
	var err error
	opt.Comma, opt.Mapping, err = columns(table)
	return opt, table.Text, err
}

// ObjectType answers Record.objectType.
func (r recordFields) ObjectType(ctx context.Context, rec *object.Record) (*object.Type, error) {
	return found(r.Objects.Type(ctx, workspace(ctx), rec.Type))
}

// sight returns what the actor may see of a record, and its type; nil for a type that is
// gone.
func (r recordFields) sight(ctx context.Context, rec *object.Record) (object.Sight, *object.Type, error) {
	gate, err := r.gateFor(ctx)
	if err != nil {
		return object.Sight{}, nil, err
	}
	t, err := r.ObjectType(ctx, rec)
	return object.Through(gate), t, err
}

// Fields answers Record.fields.
func (r recordFields) Fields(ctx context.Context, rec *object.Record, names []string) (scalar.JSON, error) {
	see, t, err := r.sight(ctx, rec)
	if err != nil || t == nil {
		return nil, err
	}
	doc, _ := see.Fields(t, rec)
	if names == nil {
		return document(doc)
	}
	some := bson.D{}
	elements, err := doc.Elements()
	if err != nil {
		return nil, err
	}
	for _, e := range elements {
		if slices.Contains(names, e.Key()) {
			some = append(some, bson.E{Key: e.Key(), Value: e.Value()})
		}
	}
	if doc, err = bson.Marshal(some); err != nil {
		return nil, err
	}
	return document(doc)
}

// ExternalID answers Record.externalId.
func (r recordFields) ExternalID(ctx context.Context, rec *object.Record) (*string, error) {
	see, _, err := r.sight(ctx, rec)
	if err != nil {
		return nil, err
	}
	return text(see.ExternalID(rec)), nil
}

// Withheld answers Record.withheld.
func (r recordFields) Withheld(ctx context.Context, rec *object.Record) ([]*core.Withheld, error) {
	see, t, err := r.sight(ctx, rec)
	if err != nil || t == nil {
		return []*core.Withheld{}, err
	}
	return pointers(see.Withheld(t, rec)), nil
}

// Links answers Record.links. Those to people who may not be seen are left out.
func (r recordFields) Links(ctx context.Context, rec *object.Record) ([]*gen.RecordLink, error) {
	out := []*gen.RecordLink{}
	see, t, err := r.sight(ctx, rec)
	if err != nil || t == nil {
		return out, err
	}
	list, err := see.Links(ctx, t, rec)
	if err != nil {
		return nil, err
	}
	for _, l := range list {
		link := &gen.RecordLink{Relation: l.Relation}
		switch l.Namespace {
		case "":
			link.ExternalID = text(l.Value)
		case object.ProfileNamespace:
			p, err := loadProfile(ctx, l.Value)
			if err != nil {
				return nil, err
			}
			if p == nil {
				continue
			}
			link.ProfileID = &l.Value
		default:
			link.Identifier = &profile.Held{Namespace: l.Namespace, Value: l.Value}
		}
		out = append(out, link)
	}
	return out, nil
}

// Related answers Record.related.
func (r recordFields) Related(ctx context.Context, rec *object.Record, relation string) ([]*object.Record, error) {
	see, t, err := r.sight(ctx, rec)
	if err != nil || t == nil {
		return nil, err
	}
	if err := see.Follows(t, relation); err != nil {
		return nil, err
	}
	list, err := r.Objects.LinkedTo(ctx, workspace(ctx), rec, relation)
	if err == nil {
		err = r.Objects.Show(ctx, workspace(ctx), list...)
	}
	return slices.DeleteFunc(list, func(rec *object.Record) bool { return rec == nil }), err
}

// Objects answers Profile.objects.
func (r profileFields) Objects(ctx context.Context, p *profile.Profile, typeKey string, relation *string, first *int, after *string, last *int, before *string) (*view.RecordConnection, error) {
	w, err := window(first, after, last, before)
	if err != nil {
		return nil, err
	}
	p = p.Whole()
	gate, err := r.gateFor(ctx)
	if err != nil {
		return nil, err
	}
	if err := gate.UsableCategory(core.Behaviour, "the records of a person"); err != nil {
		return nil, err
	}
	named := p // by whose names records are found, as they are and not as they are shown
	if !gate.Clear() {
		if named, err = r.Profiles.Get(ctx, workspace(ctx), p.ProfileID()); err != nil || named == nil {
			return nil, err
		}
	}
	ids := make([]event.Identifier, len(named.Identifiers))
	for i, id := range named.Identifiers {
		ids[i] = event.Identifier{Namespace: id.Namespace, Value: id.Value}
	}
	all, err := r.Resolver.Objects.Related(ctx, workspace(ctx), typeKey, ids, named.Parts)
	if err != nil {
		return nil, noType(err)
	}
	list := []*object.Record{}
	for _, rel := range all {
		if relation == nil || rel.Relation == *relation {
			list = append(list, rel.Record)
		}
	}
	key := func(rec *object.Record) string { return rec.ID }
	slices.SortFunc(list, func(a, b *object.Record) int { return strings.Compare(a.ID, b.ID) })
	list = slices.CompactFunc(list, func(a, b *object.Record) bool { return a.ID == b.ID })
	page, err := pageOf(list, key, w)
	if err != nil {
		return nil, err
	}
	return view.NewConnection(page, func(context.Context) (int64, error) { return int64(len(list)), nil }), nil
}

// recordsWhere reads a condition about the records of a type.
func (r *Resolver) recordsWhere(ctx context.Context, ws, typeKey string, where *view.Condition) (*condition.Node, error) {
	types, err := r.Objects.Vocabulary(ctx, ws)
	if err != nil {
		return nil, err
	}
	if _, ok := types[typeKey]; !ok {
		return nil, core.Errorf(core.NotFound, "OBJECT_TYPE", "there is no type with this key").At("type")
	}
	n, faults, _ := condition.Faults(where.Tree, recordVocabulary(types), condition.Options{Fields: true, Type: typeKey})
	if len(faults) > 0 {
		return nil, faultsAt(faults, "where")
	}
	return n, nil
}
