package main

import (
	"context"

	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/core/campaign"
	"github.com/headwater-cdp/headwater/core/library"
)

// campaign wires campaigns over the outbox, and lets the library know of the templates that
// they send.
func (a *app) campaign() {
	a.sendouts = campaign.New(campaign.Options{
		Store: a.store, Clock: a.e.clock, Profiles: a.profiles, Segments: a.segments, Consent: a.consent, Messages: a.messages, Hours: a.predicts, Access: a.access,
		Audit: access.Recorder(a.audit), Runner: a.runner, Logger: a.e.log,
	})
	a.library.Register(func(ctx context.Context, ws, kind, name string) ([]library.User, error) {
		if kind != library.KindTemplate {
			return nil, nil
		}
		list, err := a.sendouts.Users(ctx, ws, name)
		out := make([]library.User, len(list))
		for i, c := range list {
			out[i] = library.User{ID: c.CampaignID(), Name: c.Name}
		}
		return out, err
	})
}
