package main

import (
	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/core/profile"
)

// gate is what people's data leaves through.
func (a *app) gate() profile.GateOptions {
	return profile.GateOptions{View: access.ViewOf, Purposes: a.consent.Register, Events: a.events, Pseudonyms: a.ring.Pseudonymise}
}
