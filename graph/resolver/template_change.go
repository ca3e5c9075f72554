package resolver

import (
	"context"

	"github.com/headwater-cdp/headwater/core/library"
	"github.com/headwater-cdp/headwater/graph/gen"
)

func expecting(v *int) library.Edit { return library.Edit{ExpectedVersion: long(v)} }

// CreateTemplate answers Mutation.createTemplate.
func (r mutation) CreateTemplate(ctx context.Context, in gen.CreateTemplateInput) (*gen.CreateTemplatePayload, error) {
	content, err := contentFrom(in.Content)
	var t *library.Template
	if err == nil {
		t, err = r.Library.Create(ctx, workspace(ctx), library.Input{
			Name: in.Name, Description: value(in.Description), Channel: string(in.Channel), Family: string(in.Family), Tags: in.Tags,
			Content: content, Edit: library.Edit{IdempotencyKey: value(in.IdempotencyKey)},
		})
	}
	out := &gen.CreateTemplatePayload{Template: t}
	out.UserErrors, err = problems(err)
	return out, err
}

// UpdateTemplate answers Mutation.updateTemplate.
func (r mutation) UpdateTemplate(ctx context.Context, in gen.UpdateTemplateInput) (*gen.UpdateTemplatePayload, error) {
	u := library.Update{ID: in.ID, Name: in.Name, Description: in.Description, Edit: expecting(in.ExpectedVersion)}
	if in.Family != nil {
		family := string(*in.Family)
		u.Family = &family
	}
	if in.Tags != nil {
		u.Tags = &in.Tags
	}
	var err error
	if in.Content != nil {
		var c library.Content
		if c, err = contentFrom(in.Content); err == nil {
			u.Content = &c
		}
	}
	var t *library.Template
	if err == nil {
		t, err = r.Library.Update(ctx, workspace(ctx), u)
	}
	out := &gen.UpdateTemplatePayload{Template: t}
	out.UserErrors, err = problems(err)
	return out, err
}

// SubmitTemplate answers Mutation.submitTemplate.
func (r mutation) SubmitTemplate(ctx context.Context, in gen.SubmitTemplateInput) (*gen.SubmitTemplatePayload, error) {
	t, a, err := r.Library.Submit(ctx, workspace(ctx), in.ID, expecting(in.ExpectedVersion))
	out := &gen.SubmitTemplatePayload{Template: t, Approval: a}
	out.UserErrors, err = problems(err)
	return out, err
}

// ApproveTemplate answers Mutation.approveTemplate.
func (r mutation) ApproveTemplate(ctx context.Context, in gen.ApproveTemplateInput) (*gen.ApproveTemplatePayload, error) {
	t, a, err := r.Library.Decide(ctx, workspace(ctx), in.ID, in.ContentHash, in.Approve, value(in.Note))
	out := &gen.ApproveTemplatePayload{Template: t, Approval: a}
	out.UserErrors, err = problems(err)
	return out, err
}

// PublishTemplate answers Mutation.publishTemplate.
func (r mutation) PublishTemplate(ctx context.Context, in gen.PublishTemplateInput) (*gen.PublishTemplatePayload, error) {
	t, v, err := r.Library.Publish(ctx, workspace(ctx), in.ID, expecting(in.ExpectedVersion))
	out := &gen.PublishTemplatePayload{Template: t, Published: v}
	out.UserErrors, err = problems(err)
	return out, err
}

// ArchiveTemplate answers Mutation.archiveTemplate.
func (r mutation) ArchiveTemplate(ctx context.Context, in gen.ArchiveTemplateInput) (*gen.ArchiveTemplatePayload, error) {
	t, err := r.Library.Archive(ctx, workspace(ctx), in.ID, expecting(in.ExpectedVersion))
	out := &gen.ArchiveTemplatePayload{Template: t}
	out.UserErrors, err = problems(err)
	return out, err
}

// RestoreTemplate answers Mutation.restoreTemplate.
func (r mutation) RestoreTemplate(ctx context.Context, in gen.RestoreTemplateInput) (*gen.RestoreTemplatePayload, error) {
	t, err := r.Library.Restore(ctx, workspace(ctx), in.ID, expecting(in.ExpectedVersion))
	out := &gen.RestoreTemplatePayload{Template: t}
	out.UserErrors, err = problems(err)
	return out, err
}

// CreateTemplateBlock answers Mutation.createTemplateBlock.
func (r mutation) CreateTemplateBlock(ctx context.Context, in gen.CreateTemplateBlockInput) (*gen.CreateTemplateBlockPayload, error) {
	b, err := r.Library.CreateBlock(ctx, workspace(ctx), library.BlockInput{Key: in.Key, Name: in.Name, Kind: string(in.Kind), Source: in.Source, Tags: in.Tags})
	out := &gen.CreateTemplateBlockPayload{Block: b}
	out.UserErrors, err = problems(err)
	return out, err
}

// UpdateTemplateBlock answers Mutation.updateTemplateBlock.
func (r mutation) UpdateTemplateBlock(ctx context.Context, in gen.UpdateTemplateBlockInput) (*gen.UpdateTemplateBlockPayload, error) {
	b, err := r.Library.UpdateBlock(ctx, workspace(ctx), library.BlockInput{Key: in.Key, Name: in.Name, Source: in.Source, Tags: in.Tags, Edit: expecting(in.ExpectedVersion)})
	out := &gen.UpdateTemplateBlockPayload{Block: b}
	out.UserErrors, err = problems(err)
	return out, err
}

// ArchiveTemplateBlock answers Mutation.archiveTemplateBlock.
func (r mutation) ArchiveTemplateBlock(ctx context.Context, in gen.ArchiveTemplateBlockInput) (*gen.ArchiveTemplateBlockPayload, error) {
	b, err := r.Library.ArchiveBlock(ctx, workspace(ctx), in.Key, expecting(in.ExpectedVersion))
	out := &gen.ArchiveTemplateBlockPayload{Block: b}
	out.UserErrors, err = problems(err)
	return out, err
}

// UpdateAsset answers Mutation.updateAsset.
func (r mutation) UpdateAsset(ctx context.Context, in gen.UpdateAssetInput) (*gen.UpdateAssetPayload, error) {
	var tags *[]string
	if in.Tags != nil {
		tags = &in.Tags
	}
	a, err := r.Library.TagAsset(ctx, workspace(ctx), in.ID, in.Name, tags, expecting(in.ExpectedVersion))
	out := &gen.UpdateAssetPayload{Asset: a}
	out.UserErrors, err = problems(err)
	return out, err
}

// ArchiveAsset answers Mutation.archiveAsset.
func (r mutation) ArchiveAsset(ctx context.Context, in gen.ArchiveAssetInput) (*gen.ArchiveAssetPayload, error) {
	a, err := r.Library.ArchiveAsset(ctx, workspace(ctx), in.ID, expecting(in.ExpectedVersion))
	out := &gen.ArchiveAssetPayload{Asset: a}
	out.UserErrors, err = problems(err)
	return out, err
}
