package resolver

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/consent"
	"github.com/headwater-cdp/headwater/graph/gen"
)

// Purposes answers Query.purposes.
func (r query) Purposes(ctx context.Context, archived bool) ([]*consent.Purpose, error) {
	reg, err := r.Consent.Register(ctx, workspace(ctx))
	if err != nil {
		return nil, err
	}
	list := slices.DeleteFunc(reg.Purposes(), func(p consent.Purpose) bool { return p.Archived && !archived })
	return pointers(list), nil
}

// Parent answers Purpose.parent.
func (r purposeFields) Parent(_ context.Context, p *consent.Purpose) (*string, error) {
	return text(p.Parent), nil
}

// Retention answers Purpose.retention.
func (r purposeFields) Retention(_ context.Context, p *consent.Purpose) (*time.Duration, error) {
	if p.Retention == 0 {
		return nil, nil
	}
	return &p.Retention, nil
}

// ConfirmWithin answers Purpose.confirmWithin.
func (r purposeFields) ConfirmWithin(_ context.Context, p *consent.Purpose) (*time.Duration, error) {
	if p.ConfirmWithin == 0 {
		return nil, nil
	}
	return &p.ConfirmWithin, nil
}

// Jurisdictions answers Purpose.jurisdictions.
func (r purposeFields) Jurisdictions(_ context.Context, p *consent.Purpose) ([]*gen.PurposeJurisdiction, error) {
	out := []*gen.PurposeJurisdiction{}
	for country, rule := range p.Jurisdictions {
		out = append(out, &gen.PurposeJurisdiction{Country: country, Rule: gen.JurisdictionRule(rule)})
	}
	slices.SortFunc(out, func(a, b *gen.PurposeJurisdiction) int { return strings.Compare(a.Country, b.Country) })
	return out, nil
}

// CreatePurpose answers Mutation.createPurpose.
func (r mutation) CreatePurpose(ctx context.Context, in gen.CreatePurposeInput) (*gen.CreatePurposePayload, error) {
	rules, err := purposeRules(in.Jurisdictions)
	out := &gen.CreatePurposePayload{}
	if err == nil {
		out.Purpose, err = r.Consent.CreatePurpose(ctx, workspace(ctx), consent.Purpose{
			Key: in.Key, Name: in.Name, Description: value(in.Description), Parent: value(in.Parent), LegalBasis: string(in.LegalBasis),
			ConsentRequired: in.ConsentRequired, EvidenceRequired: in.EvidenceRequired, DoubleOptIn: in.DoubleOptIn,
			ConfirmWithin: value(in.ConfirmWithin), SaleOrSharing: in.SaleOrSharing, Retention: value(in.Retention), Jurisdictions: rules,
		}, consent.Edit{DryRun: value(in.DryRun)})
	}
	out.UserErrors, err = problems(err)
	return out, err
}

// UpdatePurpose answers Mutation.updatePurpose.
func (r mutation) UpdatePurpose(ctx context.Context, in gen.UpdatePurposeInput) (*gen.UpdatePurposePayload, error) {
	rules, err := purposeRules(in.Jurisdictions)
	out := &gen.UpdatePurposePayload{}
	if err == nil {
		out.Purpose, out.Approval, err = r.Consent.ChangePurpose(ctx, workspace(ctx), in.Key, consent.Edit{ExpectedVersion: long(in.ExpectedVersion), DryRun: value(in.DryRun)}, func(p *consent.Purpose) {
			change(&p.Name, in.Name)
			change(&p.Description, in.Description)
			change(&p.Parent, in.Parent)
			change(&p.ConsentRequired, in.ConsentRequired)
			change(&p.EvidenceRequired, in.EvidenceRequired)
			change(&p.DoubleOptIn, in.DoubleOptIn)
			change(&p.ConfirmWithin, in.ConfirmWithin)
			change(&p.SaleOrSharing, in.SaleOrSharing)
			change(&p.Retention, in.Retention)
			if in.LegalBasis != nil {
				p.LegalBasis = string(*in.LegalBasis)
			}
			if in.Jurisdictions != nil {
				p.Jurisdictions = rules
			}
		})
	}
	out.UserErrors, err = problems(err)
	return out, err
}

// change sets what an input names.
func change[T any](to, from *T) {
	if from != nil {
		*to = *from
	}
}

func purposeRules(list []*gen.PurposeJurisdictionInput) (map[string]string, error) {
	if len(list) == 0 {
		return nil, nil
	}
	out := map[string]string{}
	for _, j := range list {
		if _, twice := out[j.Country]; twice {
			return nil, core.Errorf(core.Invalid, "JURISDICTION_TWICE", "there is one rule for a country and purpose").At("jurisdictions")
		}
		out[j.Country] = string(j.Rule)
	}
	return out, nil
}

// ArchivePurpose answers Mutation.archivePurpose.
func (r mutation) ArchivePurpose(ctx context.Context, in gen.ArchivePurposeInput) (*gen.ArchivePurposePayload, error) {
	p, err := r.Consent.ArchivePurpose(ctx, workspace(ctx), in.Key, in.Archive, consent.Edit{ExpectedVersion: long(in.ExpectedVersion), DryRun: value(in.DryRun)})
	out := &gen.ArchivePurposePayload{Purpose: p}
	out.UserErrors, err = problems(err)
	return out, err
}

// ConsentSettings answers Query.consentSettings.
func (r query) ConsentSettings(ctx context.Context) (*gen.ConsentSettings, error) {
	reg, err := r.Consent.Register(ctx, workspace(ctx))
	if err != nil {
		return nil, err
	}
	return consentSettings(reg.Settings()), nil
}

func consentSettings(s consent.Settings) *gen.ConsentSettings {
	out := &gen.ConsentSettings{CountryTraits: s.CountryTraits, Default: gen.JurisdictionRule(s.Default), Version: int(s.Version), Jurisdictions: []*gen.Jurisdiction{}}
	for _, j := range s.Jurisdictions {
		out.Jurisdictions = append(out.Jurisdictions, &gen.Jurisdiction{Country: j.Country, Purpose: text(j.Purpose), Rule: gen.JurisdictionRule(j.Rule)})
	}
	return out
}

// SetConsentSettings answers Mutation.setConsentSettings.
func (r mutation) SetConsentSettings(ctx context.Context, in gen.SetConsentSettingsInput) (*gen.SetConsentSettingsPayload, error) {
	next := consent.Settings{CountryTraits: in.CountryTraits, Default: string(in.Default)}
	for _, j := range in.Jurisdictions {
		next.Jurisdictions = append(next.Jurisdictions, consent.Jurisdiction{Country: j.Country, Purpose: value(j.Purpose), Rule: string(j.Rule)})
	}
	s, waits, err := r.Consent.ChangeSettings(ctx, workspace(ctx), next, consent.Edit{ExpectedVersion: long(in.ExpectedVersion), DryRun: value(in.DryRun)})
	out := &gen.SetConsentSettingsPayload{Approval: waits}
	if err == nil {
		out.ConsentSettings = consentSettings(s)
	}
	out.UserErrors, err = problems(err)
	return out, err
}

// LegalBasis answers Purpose.legalBasis.
func (r purposeFields) LegalBasis(_ context.Context, p *consent.Purpose) (gen.LegalBasis, error) {
	return gen.LegalBasis(p.LegalBasis), nil
}
