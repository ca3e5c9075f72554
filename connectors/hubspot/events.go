package hubspot

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/headwater-cdp/headwater/plugins/sdk"
)

// maxEvents is how many events one request takes.
const maxEvents = 500

// eventKind is a custom event that the account has defined.
type eventKind struct {
	FullName   string `json:"fullyQualifiedName"`
	Name       string `json:"name"`
	Archived   bool   `json:"archived"`
	Properties []struct {
		Name string `json:"name"`
	} `json:"properties"`
	has map[string]bool
}

// occurrence is an event as the API takes it.
type occurrence struct {
	Name       string            `json:"eventName"`
	UUID       string            `json:"uuid"`
	Email      string            `json:"email,omitempty"`
	Object     string            `json:"objectId,omitempty"`
	At         string            `json:"occurredAt"`
	Properties map[string]string `json:"properties"`
}

// Forward implements sdk.Forwarder: behavioural events. An event, or a property of
// one, that the account has not defined yet is defined first.
func (c *connection) Forward(ctx context.Context, events []sdk.Event) ([]sdk.Result, error) {
	results := make([]sdk.Result, len(events))
	var list []occurrence
	var places []int
	for i := range events {
		one, err := c.occurrence(ctx, &events[i])
		if f := sdk.AsFault(err); f != nil && f.Kind == sdk.FaultInvalidRecord {
			results[i].Fault = f
			continue
		}
		if err != nil {
			return nil, err
		}
		list, places = append(list, *one), append(places, i)
	}
	for done := 0; done < len(list); {
		end := min(done+maxEvents, len(list))
		if err := c.send(ctx, list[done:end], places[done:end], results); err != nil {
			if done == 0 {
				return nil, err
			}
			// What went before stays told.
			for _, i := range places[done:] {
				results[i] = sdk.Result{Fault: sdk.AsFault(err)}
			}
			break
		}
		done = end
	}
	return results, nil
}

// send sends events. One that is refused refuses its whole request: halves find it.
func (c *connection) send(ctx context.Context, list []occurrence, places []int, results []sdk.Result) error {
	err := c.call(ctx, http.MethodPost, "/events/v3/send/batch", true, map[string]any{"inputs": list}, nil)
	var refused *refusal
	switch {
	case err == nil:
		for _, i := range places {
			results[i].Outcome = sdk.Accepted
		}
		return nil
	case !errors.As(err, &refused):
		return err
	case len(list) == 1:
		c.eventsMu.Lock()
		c.events = nil // it may have been archived since
		c.eventsMu.Unlock()
		results[places[0]].Fault = sdk.InvalidRecord("", "HubSpot refuses the event").Because("REFUSED")
		return nil
	}
	half := len(list) / 2
	if err := c.send(ctx, list[:half], places[:half], results); err != nil {
		return err
	}
	return c.send(ctx, list[half:], places[half:], results)
}

// occurrence makes the API's form of an event.
func (c *connection) occurrence(ctx context.Context, e *sdk.Event) (*occurrence, error) {
	out := &occurrence{UUID: uuid(e.Key), Email: e.Identifiers["email"], Object: e.IDs["contacts"], Properties: map[string]string{}}
	if out.Object != "" {
		out.Email = ""
	}
	if out.Email == "" && !numeric(out.Object) {
		return nil, sdk.InvalidRecord("", "the event's person has no e-mail address and is no contact at HubSpot").Because("NOBODY")
	}
	out.At = e.At.UTC().Format("2006-01-02T15:04:05.000Z")
	names := make([]string, 0, len(e.Properties))
	for name, v := range e.Properties {
		key := internal(name)
		value, ok := text(v)
		if !ok {
			b, err := json.Marshal(v)
			if err != nil {
				continue
			}
			value = string(b)
		}
		if key != "" && len(names) < 50 && value != "" {
			out.Properties[key] = value
			names = append(names, key)
		}
	}
	slices.Sort(names)
	kind, err := c.eventKind(ctx, e.Name, names)
	if err != nil {
		return nil, err
	}
	out.Name = kind
	return out, nil
}

// uuid makes a key into the form of a UUID, the same each time.
func uuid(key string) string {
	sum := sha256.Sum256([]byte("headwater/" + key))
	sum[6], sum[8] = sum[6]&0x0f|0x80, sum[8]&0x3f|0x80
	t := hex.EncodeToString(sum[:16])
	return strings.Join([]string{t[:8], t[8:12], t[12:16], t[16:20], t[20:]}, "-")
}

var notInternal = regexp.MustCompile(`[^a-z0-9]+`)

// internal is a name as the API has internal names: "Order Completed" is order_completed.
func internal(name string) string {
	s := strings.Trim(notInternal.ReplaceAllString(strings.ToLower(name), "_"), "_")
	if s != "" && s[0] >= '0' && s[0] <= '9' {
		s = "n" + s
	}
	return s[:min(len(s), 50)]
}

// eventKind is the full name of an event's definition, which has these properties.
func (c *connection) eventKind(ctx context.Context, name string, properties []string) (string, error) {
	short := internal(name)
	if short == "" {
		return "", sdk.InvalidRecord("", "the event's name has no letter of a to z in it").Because("NO_NAME")
	}
	c.eventsMu.Lock()
	defer c.eventsMu.Unlock()
	if c.events == nil {
		if err := c.readEvents(ctx); err != nil {
			return "", err
		}
	}
	kind := c.events[short]
	if kind == nil {
		kind = &eventKind{}
		in := map[string]any{"name": short, "label": name, "primaryObject": "CONTACT", "description": "Sent by Headwater."}
		if err := c.call(ctx, http.MethodPost, "/events/v3/event-definitions", true, in, kind); err != nil {
			return "", err
		}
		kind.has = map[string]bool{}
		c.events[short] = kind
	}
	for _, p := range properties {
		if kind.has[p] {
			continue
		}
		in := map[string]any{"name": p, "label": p, "type": "string"}
		err := c.call(ctx, http.MethodPost, "/events/v3/event-definitions/"+kind.FullName+"/property", true, in, nil)
		var refused *refusal
		if err != nil && (!errors.As(err, &refused) || refused.category != "CONFLICT") {
			return "", err
		}
		kind.has[p] = true
	}
	return kind.FullName, nil
}

var eventName = regexp.MustCompile(`^[a-z0-9_]+$`)

// readEvents asks for the definitions. eventsMu is held.
func (c *connection) readEvents(ctx context.Context) error {
	found := map[string]*eventKind{}
	for offset := ""; ; {
		var answer struct {
			Results []*eventKind `json:"results"`
			Paging  struct {
				Next struct {
					After string `json:"after"`
				} `json:"next"`
			} `json:"paging"`
		}
		if err := c.call(ctx, http.MethodGet, "/events/v3/event-definitions?includeProperties=true&limit=100"+offset, false, nil, &answer); err != nil {
			return err
		}
		for _, k := range answer.Results {
			if k.Archived || !eventName.MatchString(k.FullName) {
				continue
			}
			k.has = map[string]bool{}
			for _, p := range k.Properties {
				k.has[p.Name] = true
			}
			found[k.Name] = k
		}
		if !numeric(answer.Paging.Next.After) {
			break
		}
		offset = "&after=" + answer.Paging.Next.After
	}
	c.events = found
	return nil
}
