package main

import (
	"context"

	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/core/condition"
	"github.com/headwater-cdp/headwater/core/object"
	"github.com/headwater-cdp/headwater/core/profile"
)

// gates puts the services that read personal data behind one gate.
func (a *app) gates() {
	a.profiles.SetGate(profile.GateOptions{
		View: access.ViewOf, Purposes: a.consent.Register, Events: a.events, Pseudonyms: a.ring.Pseudonymise, Members: a.segments,
	})
	a.segments.SetLimits(a.access.MayRedefine)
	a.objects.SetGate(func(ctx context.Context, ws string) (object.Gate, error) { return a.profiles.Gate(ctx, ws) })
}

// mayAsk refuses a condition on what the actor of ctx may not read.
func (a *app) mayAsk(ctx context.Context, ws string, n *condition.Node) error {
	g, err := a.profiles.Gate(ctx, ws)
	if err != nil {
		return err
	}
	return a.segments.ReadableWhere(ctx, ws, g, n)
}
