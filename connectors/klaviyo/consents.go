package klaviyo

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/headwater-cdp/headwater/plugins/sdk"
)

// SetConsents implements sdk.ConsentSetter.
//
// A withdrawal always goes. A consent goes when the vendor has no withdrawal of the
// person, or when it is fresh and younger than that one: the vendor's subscription
// would lift it, whoever made it.
func (c *connection) SetConsents(ctx context.Context, changes []sdk.ConsentChange) ([]sdk.Result, error) {
	results := make([]sdk.Result, len(changes))
	states, err := c.states(ctx, changes)
	if err != nil {
		return nil, err
	}
	type job struct{ list, source string }
	grants, withdrawals := map[job][]int{}, map[job][]int{}
	for i, change := range changes {
		if fault := carried(change); fault != nil {
			results[i].Fault = fault
			continue
		}
		if !change.Granted {
			withdrawals[job{list: change.List}] = append(withdrawals[job{list: change.List}], i)
			continue
		}
		state := states[change.Identifiers[namespace(change.Channel)]]
		switch s := state.of(change.Channel); {
		case s.bounced:
			results[i].Fault = sdk.InvalidRecord(namespace(change.Channel), "the address bounced at Klaviyo, and no consent changes that").Because("BOUNCED")
		case s.consent == "SUBSCRIBED" && !s.held && change.List == "":
			results[i].Outcome = sdk.Unchanged
		case (s.held || s.consent == "UNSUBSCRIBED") && !change.Fresh:
			results[i].Fault = sdk.InvalidRecord("", "the person withdrew at Klaviyo, and did not agree again since: nothing is lifted").Because("NOT_FRESH")
		case (s.held || s.consent == "UNSUBSCRIBED") && !change.At.After(s.withdrawn):
			results[i].Fault = sdk.InvalidRecord("", "the person withdrew at Klaviyo after this consent: nothing is lifted").Because("WITHDRAWN_SINCE")
		default:
			key := job{change.List, change.Source}
			grants[key] = append(grants[key], i)
		}
	}
	// Withdrawals first: they are the ones that must not wait.
	for key, all := range withdrawals {
		for part := range slices.Chunk(all, maxUnsubscribe) {
			c.subscription(ctx, "delete", key.list, "", part, changes, results)
		}
	}
	for key, all := range grants {
		for part := range slices.Chunk(all, maxSubscribe) {
			c.subscription(ctx, "create", key.list, key.source, part, changes, results)
		}
	}
	return results, nil
}

// namespace is what a channel's consent is about.
func namespace(channel string) string {
	if channel == "SMS" {
		return "phone"
	}
	return "email"
}

func carried(change sdk.ConsentChange) *sdk.Fault {
	if change.Channel != "EMAIL" && change.Channel != "SMS" {
		return sdk.Unsupported("Klaviyo is told of consents to EMAIL and SMS").Because("CHANNEL")
	}
	if n := namespace(change.Channel); change.Identifiers[n] == "" {
		return sdk.InvalidRecord(n, "the person has none of these: a consent is to an address or a number").Because("NO_IDENTIFIER")
	}
	return nil
}

// subscription sends one job and fills the results of its changes.
func (c *connection) subscription(ctx context.Context, what, list, source string, part []int, changes []sdk.ConsentChange, results []sdk.Result) {
	state := map[string]string{"create": "SUBSCRIBED", "delete": "UNSUBSCRIBED"}[what]
	data := make([]object, len(part))
	for n, i := range part {
		choice := object{"marketing": object{"consent": state}}
		attributes := object{}
		if changes[i].Channel == "SMS" {
			attributes["phone_number"], attributes["subscriptions"] = changes[i].Identifiers["phone"], object{"sms": choice}
		} else {
			attributes["email"], attributes["subscriptions"] = changes[i].Identifiers["email"], object{"email": choice}
		}
		data[n] = object{"type": "profile", "attributes": attributes}
	}
	attributes := object{"profiles": object{"data": data}}
	if what == "create" && source != "" {
		attributes["custom_source"] = source
	}
	document := object{"type": "profile-subscription-bulk-" + what + "-job", "attributes": attributes}
	if list != "" {
		document["relationships"] = object{"list": object{"data": object{"type": "list", "id": list}}}
	}
	prob, err := c.post(ctx, http.MethodPost, "/api/profile-subscription-bulk-"+what+"-jobs", object{"data": document}, nil)
	switch {
	case err == nil && prob == nil:
		for _, i := range part {
			results[i].Outcome = sdk.Accepted
		}
	case prob != nil && len(part) > 1 && prob.status == http.StatusBadRequest:
		// One spoils all: halves, and halves again, find it.
		c.subscription(ctx, what, list, source, part[:len(part)/2], changes, results)
		c.subscription(ctx, what, list, source, part[len(part)/2:], changes, results)
	default:
		if prob != nil {
			err = prob.fault(time.Now())
		}
		for _, i := range part {
			results[i].Fault = sdk.AsFault(err)
		}
	}
}

// standing is what the vendor has of one channel of a person.
type standing struct {
	consent   string
	held      bool // by something that a subscription lifts
	bounced   bool // by something that it does not
	withdrawn time.Time
}

func (p profile) of(channel string) standing {
	s := standing{consent: "NEVER_SUBSCRIBED"}
	known := p.Attributes.Subscriptions
	if known == nil {
		return s
	}
	if channel == "SMS" {
		m := known.SMS.Marketing
		s.consent = m.Consent
		if m.At != nil {
			s.withdrawn = *m.At
		}
		return s
	}
	m := known.Email.Marketing
	s.consent = m.Consent
	if m.Consent == "UNSUBSCRIBED" && m.At != nil {
		s.withdrawn = *m.At
	}
	for _, each := range m.Suppressions {
		switch each.Reason {
		case "HARD_BOUNCE", "INVALID_EMAIL":
			s.bounced = true
		default:
			s.held = true
			if each.At.After(s.withdrawn) {
				s.withdrawn = each.At
			}
		}
	}
	return s
}

// states reads what the vendor has of those who are to be subscribed, by address or
// number.
func (c *connection) states(ctx context.Context, changes []sdk.ConsentChange) (map[string]profile, error) {
	wanted := map[string]map[string]bool{"email": {}, "phone_number": {}}
	for _, change := range changes {
		if !change.Granted || carried(change) != nil {
			continue
		}
		n := namespace(change.Channel)
		wanted[strings.Replace(n, "phone", "phone_number", 1)][change.Identifiers[n]] = true
	}
	out := map[string]profile{}
	for name, values := range wanted {
		found, err := c.lookup(ctx, name, slices.Sorted(maps.Keys(values)), true)
		if err != nil {
			return nil, err
		}
		for value, p := range found {
			out[value] = p
		}
	}
	return out, nil
}
