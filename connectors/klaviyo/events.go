package klaviyo

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/headwater-cdp/headwater/plugins/sdk"
)

// bulkEvents is from how many events on a job is used.
const bulkEvents = 5

// identifiers turns the host's namespaces into the vendor's names.
func identifiers(from map[string]string) object {
	out := object{}
	for _, pair := range [][2]string{{"email", "email"}, {"phone", "phone_number"}, {"user_id", "external_id"}, {"externalId", "external_id"}} {
		if value := from[pair[0]]; value != "" {
			out[pair[1]] = value
		}
	}
	return out
}

// Forward implements sdk.Forwarder. The vendor drops an event whose key it knows.
func (c *connection) Forward(ctx context.Context, all []sdk.Event) ([]sdk.Result, error) {
	results := make([]sdk.Result, len(all))
	var ready []outgoing
	for i, e := range all {
		o, fault := outgo(i, e)
		if fault != nil {
			results[i].Fault = fault
			continue
		}
		ready = append(ready, o)
	}
	sent := false
	for part := range slices.Chunk(ready, maxEvents) {
		var err error
		if len(part) < bulkEvents {
			err = c.forwardSome(ctx, part, results, &sent)
		} else {
			err = c.forwardMany(ctx, part, results)
		}
		if err != nil {
			if !sent && len(ready) == len(all) {
				return nil, err
			}
			for _, o := range ready {
				if r := &results[o.index]; r.Outcome == "" && r.Fault == nil {
					r.Fault = sdk.AsFault(err)
				}
			}
			return results, nil
		}
		sent = true
	}
	return results, nil
}

// outgoing is an event in the vendor's form, in its two parts, and its place.
type outgoing struct {
	index          int
	event, profile object
}

func outgo(index int, e sdk.Event) (outgoing, *sdk.Fault) {
	who := object{"type": "profile", "attributes": identifiers(e.Identifiers)}
	if id := e.IDs[profiles]; id != "" {
		who["id"] = id
	} else if len(who["attributes"].(object)) == 0 {
		return outgoing{}, sdk.InvalidRecord("", "the event's person has neither an e-mail address, a phone number nor an external id").Because("NO_IDENTIFIER")
	}
	if e.Name == "" {
		return outgoing{}, sdk.InvalidRecord("name", "an event needs a name")
	}
	properties := maps.Clone(e.Properties)
	if properties == nil {
		properties = object{}
	}
	attributes := object{
		"properties": properties, "unique_id": e.Key, "time": e.At.UTC().Format(time.RFC3339),
		"metric": object{"data": object{"type": "metric", "attributes": object{"name": e.Name}}},
	}
	if value, is := number(properties["value"]); is {
		attributes["value"] = value
		if currency, _ := properties["currency"].(string); len(currency) == 3 {
			attributes["value_currency"] = currency
		}
	}
	if _, err := json.Marshal(attributes); err != nil {
		return outgoing{}, sdk.InvalidRecord("", "a value cannot be written as JSON")
	}
	return outgoing{index, attributes, who}, nil
}

func number(v any) (any, bool) {
	switch n := v.(type) {
	case float64, int, int64:
		return n, true
	case json.Number:
		return n, true
	}
	return nil, false
}

func (c *connection) forwardSome(ctx context.Context, part []outgoing, results []sdk.Result, sent *bool) error {
	for _, o := range part {
		attributes := maps.Clone(o.event)
		attributes["profile"] = object{"data": o.profile}
		prob, err := c.post(ctx, http.MethodPost, "/api/events", object{"data": object{"type": "event", "attributes": attributes}}, nil)
		switch {
		case err != nil:
			return err
		case prob != nil:
			results[o.index].Fault = prob.fault(time.Now())
		default:
			results[o.index].Outcome = sdk.Accepted
		}
		*sent = true
	}
	return nil
}

var groupForm = regexp.MustCompile(`/events-bulk-create/data/(\d+)(/|$)`)

// forwardMany sends a job. The vendor refuses all of it for one bad event, and says
// which: that one is told and the others are sent again.
func (c *connection) forwardMany(ctx context.Context, part []outgoing, results []sdk.Result) error {
	part = slices.Clone(part)
	for tries := 0; len(part) > 0; tries++ {
		groups := make([]object, len(part))
		for i, o := range part {
			groups[i] = object{"type": "event-bulk-create", "attributes": object{
				"profile": object{"data": o.profile}, "events": object{"data": []object{{"type": "event", "attributes": o.event}}},
			}}
		}
		prob, err := c.post(ctx, http.MethodPost, "/api/event-bulk-create-jobs", object{"data": object{
			"type": "event-bulk-create-job", "attributes": object{"events-bulk-create": object{"data": groups}},
		}}, nil)
		if err != nil {
			return err
		}
		if prob == nil {
			for _, o := range part {
				results[o.index].Outcome = sdk.Accepted
			}
			return nil
		}
		m := groupForm.FindStringSubmatch(prob.first().Source.Pointer)
		if m == nil || tries == maxRejects {
			// Half of them, and half again: what is too large goes in parts.
			if len(part) > 1 && prob.status == http.StatusRequestEntityTooLarge {
				if err := c.forwardMany(ctx, part[:len(part)/2], results); err != nil {
					return err
				}
				part = part[len(part)/2:]
				continue
			}
			fault := prob.fault(time.Now())
			for _, o := range part {
				results[o.index].Fault = fault
			}
			return nil
		}
		i, err := strconv.Atoi(m[1])
		if err != nil || i >= len(part) {
			return sdk.Broken("Klaviyo refuses an event that was not sent")
		}
		results[part[i].index].Fault = rejected(prob.first())
		part = slices.Delete(part, i, i+1)
	}
	return nil
}
