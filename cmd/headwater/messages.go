package main

import (
	"context"
	"slices"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/core/consent"
	"github.com/headwater-cdp/headwater/core/lead"
	"github.com/headwater-cdp/headwater/core/library"
	"github.com/headwater-cdp/headwater/core/message"
	"github.com/headwater-cdp/headwater/core/predict"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/store"
	vendor "github.com/headwater-cdp/headwater/core/sync"
)

// send wires the outbox: its messages go through the connections, and what vendors tell of
// them comes back to it.
func (a *app) send() {
	a.messages = message.New(message.Options{
		Store: a.store, Clock: a.e.clock, Keys: a.ring, Runner: a.runner, Committer: a.pipeline, Events: a.events, Profiles: a.profiles,
		Consent: a.consent, Vendors: a.syncs, Templates: shelf{a.library, a.segments}, Audit: a.audit, Logger: a.e.log, Uses: a.usedFor, URL: func() string { return a.url },
		Outcomes: func(ws string, lane int, batch []message.Outcome) []store.Op {
			list := make([]library.Outcome, len(batch))
			for i, o := range batch {
				list[i] = library.Outcome(o)
			}
			return library.OutcomeOps(ws, lane, list)
		},
		Predictions: a.predictions, Moved: a.metrics.Message,
		Signing: func(ctx context.Context, ws string) ([]string, error) { return a.journeys.SigningSecrets(ctx, ws, "") },
	})
	a.forms.Outbox = a.messages
	a.consent.InFlight = func(ctx context.Context, ws, profile string) ([]consent.InFlight, error) {
		list, err := a.messages.InFlight(ctx, ws, profile)
		out := make([]consent.InFlight, len(list))
		for i, f := range list {
			out[i] = consent.InFlight(f)
		}
		return out, err
	}
}

// convertedStage returns the stage of whoever is converted.
func (a *app) convertedStage(ctx context.Context, ws string) (string, error) {
	m, err := a.leads.Machine(ctx, ws)
	if err != nil {
		return "", err
	}
	return m.Converted, nil
}

// predictions returns what is predicted of a person now, by name.
func (a *app) predictions(ctx context.Context, ws string, p *profile.Profile) (map[string]any, error) {
	out := map[string]any{}
	score, l, err := a.leads.ScoreOf(ctx, ws, p.ProfileID())
	if err == nil && l != nil {
		out[lead.PredictionName], out["lead.fit"], out["lead.engagement"] = score.Total, score.Fit, score.Engagement
	}
	if err != nil {
		return out, err
	}
	list, err := a.predicts.Predictions(ctx, ws, p.ProfileID())
	for _, one := range list {
		if one.State == predict.OK { // what is not known is missing, and never 0
			out[one.Name] = one.Value
		}
	}
	return out, err
}

// reports hands what vendors tell of messages to the outbox, which is wired after them.
func (a *app) reports(ctx context.Context, c *vendor.Connection, d []vendor.Delivery, in []vendor.Inbound) error {
	return a.messages.Reports(ctx, c, d, in)
}

// usedFor returns the categories of data that may be put into messages for a purpose: those
// that somebody who works for it may read in clear. Owners, administrators and compliance
// read everything for reasons of their own.
func (a *app) usedFor(ctx context.Context, ws, purpose string) (map[core.Category]bool, error) {
	own, err := a.policies.OwnRoles(ctx, ws)
	if err != nil {
		return nil, err
	}
	roles := slices.DeleteFunc(append(own, access.Roles...), func(role string) bool {
		return role == access.Owner || role == access.Admin || role == access.Compliance
	})
	out := map[core.Category]bool{}
	for _, role := range roles {
		v, err := a.policies.View(ctx, ws, []string{role}, purpose)
		if err != nil {
			return nil, err
		}
		for _, c := range core.Categories {
			out[c] = out[c] || v.Reads(c).Allowed()
		}
	}
	return out, nil
}
