package check

import (
	"encoding/json"
	"slices"
	"sync"

	"github.com/headwater-cdp/headwater/plugins/sdk"
)

var configRules = []Rule{
	{
		Name:   "config/unopened",
		Must:   "a call before Open is refused, and does no harm",
		Remedy: "answer with INTERNAL, origin HOST, reason NOT_OPEN; sdk.Serve does it",
		Run: func(x *Exam) {
			i := x.start()
			early := i.Remote.Unopened()
			if f := x.fault("Check before Open", early.Check(x.ctx), sdk.FaultInternal); f != nil && f.Reason != "NOT_OPEN" {
				x.Errorf("Check before Open has the reason %q", f.Reason)
			}
			if _, err := i.Remote.Spec(x.ctx); err != nil {
				x.Errorf("Spec afterwards: %v", err)
			}
		},
	},
	{
		Name:   "config/fits",
		Must:   "the configuration that works fits the schema",
		Remedy: "bring Spec.ConfigSchema and Kit's configuration together",
		Run: func(x *Exam) {
			v := x.Vendor()
			schema, err := compile(x.spec().ConfigSchema)
			if err != nil {
				x.Failf("the schema does not compile: %v", err)
			}
			var doc any
			if err := json.Unmarshal(v.config(), &doc); err != nil {
				x.Failf("the configuration is not JSON")
			}
			if err := schema.Validate(doc); err != nil {
				x.Errorf("the configuration does not fit: %v", err)
			}
		},
	},
	{
		Name:   "config/refused",
		Must:   "a configuration of another form is refused as INVALID_CONFIG, or passed over until Check",
		Remedy: "decode with Config.Into and return sdk.InvalidConfig; never panic on what is missing",
		Run: func(x *Exam) {
			for _, config := range []string{`{}`, `[]`, `null`, `"x"`, `{"unknown":{"deeply":[1,2]}}`} {
				c, err := x.start().Remote.Open(x.ctx, sdk.Config(config), nil)
				if err != nil {
					x.refuses("Open with "+config, err, sdk.FaultInvalidConfig)
					continue
				}
				if err := c.Check(x.ctx); err != nil {
					x.refuses("Check with "+config, err, sdk.FaultInvalidConfig, sdk.FaultUnauthorized, sdk.FaultRetry)
				}
			}
		},
	},
	{
		Name:   "config/check",
		Must:   "Check is content with a configuration that works, and again, and many at once",
		Remedy: "Check asks the vendor for something small; it keeps no state",
		Run: func(x *Exam) {
			_, c := x.open()
			var all sync.WaitGroup
			for range 8 {
				all.Go(func() {
					if err := c.Check(x.ctx); err != nil {
						x.Errorf("Check: %v", err)
					}
				})
			}
			all.Wait()
		},
	},
	{
		Name:   "config/offers",
		Must:   "what the spec claims is implemented, and what is implemented is claimed",
		Remedy: "bring Spec.Capabilities and the interfaces of your Connection together",
		Run:    offers,
	},
	{
		Name:   "config/streams",
		Must:   "streams have names, schemas that compile, and modes that suit the capabilities",
		Remedy: "mend what Discover returns",
		Run:    streams,
	},
	{
		Name:   "config/reopen",
		Must:   "a connection that is closed can be opened again, and closing returns within a second",
		Remedy: "let go of everything in Close",
		Run: func(x *Exam) {
			i, c := x.open()
			x.closes(c)
			again := x.openOn(i, x.vendor.config())
			if err := again.Check(x.ctx); err != nil {
				x.Errorf("Check after opening again: %v", err)
			}
		},
	},
}

// implemented says which method stands behind a capability.
var implemented = map[sdk.Capability]sdk.Offer{
	sdk.CanPull: sdk.OffersPull, sdk.CanReceive: sdk.OffersReceive, sdk.CanUpsert: sdk.OffersUpsert,
	sdk.CanDelete: sdk.OffersUpsert, sdk.CanLists: sdk.OffersLists, sdk.CanForward: sdk.OffersForward,
	sdk.CanConsents: sdk.OffersConsents, sdk.CanErase: sdk.OffersErase, sdk.CanSend: sdk.OffersSend,
	sdk.CanStatus: sdk.OffersStatus,
}

func offers(x *Exam) {
	s := x.spec()
	_, c := x.open()
	has := c.Offers()
	needed := map[sdk.Offer]bool{}
	for _, capability := range s.Capabilities {
		offer, ok := implemented[capability]
		if !ok {
			if !slices.Contains([]sdk.Capability{sdk.DedupesUpserts, sdk.DedupesEvents, sdk.DedupesSends}, capability) {
				x.Errorf("capability %q is not known", capability)
			}
			continue
		}
		needed[offer] = true
		if !slices.Contains(has, offer) {
			x.Errorf("%q is claimed and not implemented", capability)
		}
	}
	for _, offer := range has {
		switch offer {
		case sdk.OffersDiscover, sdk.OffersUpgrade:
		case sdk.OffersAuthorize:
			if !s.OAuth {
				x.Errorf("Authorizer is implemented and Spec.OAuth is not set")
			}
		default:
			if !needed[offer] {
				x.Errorf("%q is implemented and not claimed", offer)
			}
		}
	}
	if s.OAuth && !slices.Contains(has, sdk.OffersAuthorize) {
		x.Errorf("Spec.OAuth is set and Authorizer is not implemented")
	}
	if (claims(s, sdk.CanPull) || claims(s, sdk.CanUpsert)) && !slices.Contains(has, sdk.OffersDiscover) {
		x.Errorf("records come or go and Discoverer is not implemented")
	}
}

func streams(x *Exam) {
	s := x.spec()
	if !claims(s, sdk.CanPull) && !claims(s, sdk.CanUpsert) {
		x.Skipf("the connector has no streams")
	}
	_, c := x.open()
	found, err := c.Discover(x.ctx)
	if err != nil {
		x.Failf("Discover: %v", err)
	}
	if len(found) == 0 {
		x.Errorf("there are none")
	}
	names := map[string]bool{}
	for _, stream := range found {
		if names[stream.Name] || stream.Name == "" {
			x.Errorf("the name %q is empty, or there twice", stream.Name)
		}
		names[stream.Name] = true
	}
	for _, stream := range found {
		x.stream(s, stream, names)
	}
	if v := x.vendor; v.Stream != "" && !names[v.Stream] {
		x.Errorf("Vendor.Stream %q is not among them", v.Stream)
	}
}

func (x *Exam) stream(s sdk.Spec, stream sdk.Stream, names map[string]bool) {
	if stream.Title == "" {
		x.Errorf("stream %s has no title", stream.Name)
	}
	if _, err := compile(stream.Schema); err != nil {
		x.Errorf("the schema of %s does not compile: %v", stream.Name, err)
		return
	}
	var root struct {
		Properties map[string]any `json:"properties"`
	}
	if err := json.Unmarshal(stream.Schema, &root); err != nil || len(root.Properties) == 0 {
		x.Errorf("the schema of %s has no properties", stream.Name)
	}
	if len(stream.Modes) == 0 {
		x.Errorf("stream %s has no modes", stream.Name)
	}
	for _, m := range stream.Modes {
		needs, ok := map[sdk.Mode]sdk.Capability{
			sdk.PullFull: sdk.CanPull, sdk.PullChanges: sdk.CanPull, sdk.PushUpsert: sdk.CanUpsert, sdk.PushDelete: sdk.CanDelete,
		}[m]
		if !ok {
			x.Errorf("stream %s: mode %q is not known", stream.Name, m)
		} else if !claims(s, needs) {
			x.Errorf("stream %s has the mode %q, and the spec does not claim %q", stream.Name, m, needs)
		}
	}
	for _, k := range stream.Keys {
		if _, ok := root.Properties[k]; !ok {
			x.Errorf("stream %s: key %q is no field of its schema", stream.Name, k)
		}
	}
	for field, target := range stream.Relations {
		if _, ok := root.Properties[field]; !ok || !names[target] {
			x.Errorf("stream %s: the relation %s to %s names what is not there", stream.Name, field, target)
		}
	}
}
