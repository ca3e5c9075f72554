package resolver

import (
	"context"
	"slices"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/consent"
	"github.com/headwater-cdp/headwater/graph/gen"
)

// Processors answers Query.processors.
func (r query) Processors(ctx context.Context, archived bool) ([]*consent.Processor, error) {
	list, err := r.Consent.Processors(ctx, workspace(ctx))
	return slices.DeleteFunc(list, func(p *consent.Processor) bool { return p.Archived && !archived }), err
}

// Purposes answers Processor.purposes.
func (r processorFields) Purposes(_ context.Context, p *consent.Processor) ([]string, error) {
	return append([]string{}, p.Purposes...), nil
}

// Categories answers Processor.categories.
func (r processorFields) Categories(_ context.Context, p *consent.Processor) ([]core.Category, error) {
	return append([]core.Category{}, p.Categories...), nil
}

// Agreement answers Processor.agreement.
func (r processorFields) Agreement(_ context.Context, p *consent.Processor) (*string, error) {
	return text(p.Agreement), nil
}

// TransferMechanism answers Processor.transferMechanism.
func (r processorFields) TransferMechanism(_ context.Context, p *consent.Processor) (gen.TransferMechanism, error) {
	return gen.TransferMechanism(p.TransferMechanism), nil
}

// SetProcessor answers Mutation.setProcessor.
func (r mutation) SetProcessor(ctx context.Context, in gen.SetProcessorInput) (*gen.SetProcessorPayload, error) {
	p, err := r.Consent.SetProcessor(ctx, workspace(ctx), value(in.ID), value(in.IdempotencyKey), consent.Processor{
		Name: in.Name, Country: in.Country, Purposes: in.Purposes, Categories: in.Categories, Agreement: value(in.Agreement),
		AgreementSignedOn: in.AgreementSignedOn, AgreementExpires: in.AgreementExpires, TransferMechanism: string(in.TransferMechanism),
	}, consent.Edit{ExpectedVersion: long(in.ExpectedVersion), DryRun: value(in.DryRun)})
	out := &gen.SetProcessorPayload{Processor: p}
	out.UserErrors, err = problems(err)
	return out, err
}

// ArchiveProcessor answers Mutation.archiveProcessor.
func (r mutation) ArchiveProcessor(ctx context.Context, in gen.ArchiveProcessorInput) (*gen.ArchiveProcessorPayload, error) {
	p, err := r.Consent.ArchiveProcessor(ctx, workspace(ctx), in.ID, in.Archive, consent.Edit{ExpectedVersion: long(in.ExpectedVersion), DryRun: value(in.DryRun)})
	out := &gen.ArchiveProcessorPayload{Processor: p}
	out.UserErrors, err = problems(err)
	return out, err
}
