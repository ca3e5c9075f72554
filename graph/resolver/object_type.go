package resolver

import (
	"context"
	"strings"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/object"
	"github.com/headwater-cdp/headwater/core/work"
	"github.com/headwater-cdp/headwater/graph/gen"
	"github.com/headwater-cdp/headwater/graph/scalar"
	"github.com/headwater-cdp/headwater/graph/view"
)

// ObjectTypes answers Query.objectTypes.
func (r query) ObjectTypes(ctx context.Context) ([]*object.Type, error) {
	return r.Resolver.Objects.Types(ctx, workspace(ctx))
}

// ObjectType answers Query.objectType.
func (r query) ObjectType(ctx context.Context, key string) (*object.Type, error) {
	return found(r.Resolver.Objects.Type(ctx, workspace(ctx), key))
}

// found makes null of what is not there.
func found[T any](thing *T, err error) (*T, error) {
	if core.CodeOf(err) == core.NotFound {
		return nil, nil
	}
	return thing, err
}

// CreateObjectType answers Mutation.createObjectType.
func (r mutation) CreateObjectType(ctx context.Context, in gen.CreateObjectTypeInput) (*gen.CreateObjectTypePayload, error) {
	ws, def := workspace(ctx), object.TypeInput{
		Key: in.Key, Name: in.Name, Plural: value(in.Plural), Description: value(in.Description),
		Fields: fieldInputs(in.Fields), Relations: relationInputs(in.Relations), DisplayField: value(in.DisplayField),
	}
	t, err := r.Objects.CreateType(ctx, ws, def)
	if in.IdempotencyKey != nil && core.AsError(err) != nil && core.AsError(err).Reason == "TYPE_EXISTS" {
		// A key names one type for ever: who made it as it is here has asked before.
		if there, _ := r.Objects.Type(ctx, ws, in.Key); there != nil && made(there, def) {
			t, err = there, nil
		}
	}
	out := &gen.CreateObjectTypePayload{ObjectType: t}
	if out.UserErrors, err = problems(err); err != nil {
		return nil, err
	}
	return out, nil
}

// made tells whether a type is as a definition made it, as far as its shape goes.
func made(t *object.Type, def object.TypeInput) bool {
	if t.Version != 1 || t.Name != strings.TrimSpace(def.Name) || t.Description != def.Description || t.DisplayField != def.DisplayField ||
		len(t.Fields) != len(def.Fields) || len(t.Relations) != len(def.Relations) {
		return false
	}
	for i, f := range def.Fields {
		have := t.Fields[i]
		if have.Key != f.Key || have.Type != f.Type || have.Many != f.Many || have.Required != f.Required || have.Unique != f.Unique || have.Target != f.Target {
			return false
		}
	}
	for i, rel := range def.Relations {
		if have := t.Relations[i]; have.Key != rel.Key || have.Many != rel.Many || have.Target != rel.Target {
			return false
		}
	}
	return true
}

func fieldInputs(list []*gen.ObjectFieldInput) []object.FieldInput {
	out := make([]object.FieldInput, len(list))
	for i, f := range list {
		out[i] = object.FieldInput{
			Key: f.Key, Label: value(f.Label), Description: value(f.Description), Type: f.Type,
			Many: value(f.Many), Required: value(f.Required), Unique: value(f.Unique), Default: decoded(f.Default),
			Category: value(f.Category), Constraints: constraints(f.Constraints), Target: value(f.Target),
		}
	}
	return out
}

func relationInputs(list []*gen.ObjectRelationInput) []object.RelationInput {
	out := make([]object.RelationInput, len(list))
	for i, rel := range list {
		out[i] = object.RelationInput{Key: rel.Key, Label: value(rel.Label), Target: value(rel.Target), Many: value(rel.Many)}
	}
	return out
}

func constraints(in *gen.FieldConstraintsInput) object.Constraints {
	if in == nil {
		return object.Constraints{}
	}
	return object.Constraints{
		Min: value(in.Min), Max: value(in.Max), MinLength: value(in.MinLength), MaxLength: value(in.MaxLength),
		MaxItems: value(in.MaxItems), Pattern: value(in.Pattern), Values: in.Values, Scale: in.Scale,
	}
}

// UpdateObjectType answers Mutation.updateObjectType.
func (r mutation) UpdateObjectType(ctx context.Context, in gen.UpdateObjectTypeInput) (*gen.UpdateObjectTypePayload, error) {
	u := object.TypeUpdate{
		Key: in.Key, ExpectedVersion: long(in.ExpectedVersion), Name: in.Name, Plural: in.Plural,
		AddFields: fieldInputs(in.AddFields), ChangeFields: fieldChanges(in.ChangeFields), RemoveFields: in.RemoveFields,
		AddRelations: relationInputs(in.AddRelations), RemoveRelations: in.RemoveRelations, DryRun: value(in.DryRun),
	}
	u.Description, _ = patched(in.Description, "description", new(string))
	u.DisplayField, _ = patched(in.DisplayField, "displayField", new(string))
	for _, rename := range in.RenameFields {
		u.Rename = append(u.Rename, object.Rename{From: rename.From, To: rename.To})
	}
	for _, change := range in.ChangeRelations {
		c := object.RelationChange{Key: change.Key, Many: change.Many}
		c.Label, _ = patched(change.Label, "label", new(string))
		u.ChangeRelations = append(u.ChangeRelations, c)
	}
	done, err := r.Objects.UpdateType(ctx, workspace(ctx), u)
	if errs, err := problems(err); err != nil || errs != nil {
		return &gen.UpdateObjectTypePayload{UserErrors: errs}, err
	}
	return &gen.UpdateObjectTypePayload{ObjectType: done.Type, Checked: int(done.Checked), Breaks: pointers(done.Breaks)}, nil
}

func fieldChanges(list []*gen.ObjectFieldChangeInput) []object.FieldChange {
	out := make([]object.FieldChange, len(list))
	for i, f := range list {
		c := object.FieldChange{
			Key: f.Key, Type: f.Type, Many: f.Many, Required: f.Required, Unique: f.Unique, Deprecated: f.Deprecated,
			Category: f.Category, Target: f.Target,
		}
		c.Label, _ = patched(f.Label, "label", new(string))
		c.Description, _ = patched(f.Description, "description", new(string))
		if v, set := f.Default.ValueOK(); set {
			c.Default, c.NoDefault = decoded(v), v.IsNull()
		}
		if f.Constraints != nil {
			narrow := constraints(f.Constraints)
			c.Constraints = &narrow
		}
		out[i] = c
	}
	return out
}

// DeleteObjectType answers Mutation.deleteObjectType.
func (r mutation) DeleteObjectType(ctx context.Context, in gen.DeleteObjectTypeInput) (*gen.DeleteObjectTypePayload, error) {
	done, err := r.Objects.DeleteType(ctx, workspace(ctx), object.TypeDeletion{
		Key: in.Key, ExpectedVersion: long(in.ExpectedVersion), Records: value(in.DeleteRecords), DryRun: value(in.DryRun),
	})
	if errs, err := problems(err); err != nil || errs != nil {
		return &gen.DeleteObjectTypePayload{UserErrors: errs}, err
	}
	return &gen.DeleteObjectTypePayload{ObjectType: done.Type, Records: int(done.Records), UsedBy: done.UsedBy, Job: done.Job}, nil
}

// Description answers ObjectType.description.
func (r typeFields) Description(_ context.Context, t *object.Type) (*string, error) {
	return text(t.Description), nil
}

// DisplayField answers ObjectType.displayField.
func (r typeFields) DisplayField(_ context.Context, t *object.Type) (*string, error) {
	return text(t.DisplayField), nil
}

// RecordCount answers ObjectType.recordCount.
func (r typeFields) RecordCount(ctx context.Context, t *object.Type) (*view.Count, error) {
	n, err := r.Objects.Count(ctx, workspace(ctx), t.Key, nil)
	if err != nil {
		return nil, err
	}
	out := &view.Count{Value: int64(n.Value), Exact: n.Exact}
	if !n.Exact {
		out.Low = &out.Value
	}
	return out, nil
}

// Deletion answers ObjectType.deletion.
func (r typeFields) Deletion(ctx context.Context, t *object.Type) (*work.Job, error) {
	if t.Deleting == "" {
		return nil, nil
	}
	return r.Jobs.Get(ctx, workspace(ctx), t.Deleting)
}

// Label answers ObjectField.label.
func (r objectFields) Label(_ context.Context, f *object.Field) (*string, error) {
	return text(f.Label), nil
}

// Description answers ObjectField.description.
func (r objectFields) Description(_ context.Context, f *object.Field) (*string, error) {
	return text(f.Description), nil
}

// Default answers ObjectField.default.
func (r objectFields) Default(_ context.Context, f *object.Field) (scalar.JSON, error) {
	if f.Default.IsZero() {
		return nil, nil
	}
	return event.ValueToJSON(f.Default)
}

// Target answers ObjectField.target.
func (r objectFields) Target(_ context.Context, f *object.Field) (*string, error) {
	return text(f.Target), nil
}

// Constraints answers ObjectField.constraints.
func (r objectFields) Constraints(_ context.Context, f *object.Field) (*gen.FieldConstraints, error) {
	c := f.Constraints
	return &gen.FieldConstraints{
		Min: text(c.Min), Max: text(c.Max), MinLength: number(c.MinLength), MaxLength: number(c.MaxLength),
		MaxItems: number(c.MaxItems), Pattern: text(c.Pattern), Values: c.Values, Scale: c.Scale,
	}, nil
}

// number returns nil for 0, which the schema writes as null.
func number(n int) *int {
	if n == 0 {
		return nil
	}
	return &n
}

// Label answers ObjectRelation.label.
func (r relationFields) Label(_ context.Context, rel *object.Relation) (*string, error) {
	return text(rel.Label), nil
}

// Target answers ObjectRelation.target.
func (r relationFields) Target(_ context.Context, rel *object.Relation) (*string, error) {
	return text(rel.Target), nil
}
