package klaviyo

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/headwater-cdp/headwater/connectors/internal/vendorhttp"
	"github.com/headwater-cdp/headwater/plugins/sdk"
)

// overlap is how far behind the last thing seen a pull begins: what the vendor shows a
// little late is not passed over. Within it, what was seen is remembered.
const (
	overlap = 5 * time.Second
	maxSeen = 500
)

const suppressedAt = "subscriptions.email.marketing.suppression.timestamp"

// eventSchema is what the vendor puts into the properties of events; the others are
// those that somebody sent.
const eventSchema = `{"type":"object","properties":{"$event_id":{"type":"string"},"$value":{"type":"number"}},"additionalProperties":true}`

// Discover implements sdk.Discoverer.
func (c *connection) Discover(context.Context) ([]sdk.Stream, error) {
	pull := []sdk.Mode{sdk.PullFull, sdk.PullChanges}
	return []sdk.Stream{
		{Name: profiles, Title: "Profiles", Schema: schema(), Modes: append(pull, sdk.PushUpsert), Keys: keys, Person: true},
		{Name: suppressions, Title: "Profiles whose e-mail is suppressed", Schema: schema(), Modes: pull, Person: true},
		{Name: events, Title: "Events", Schema: []byte(eventSchema), Modes: pull, Person: true},
	}, nil
}

// place is the cursor of a stream: until when it was read, and what of the last moments.
type place struct {
	At   time.Time         `json:"at"`
	Seen map[string]string `json:"seen,omitempty"` // id to the time it had
}

// source is how a stream is read: in the order of a time that only grows.
type source struct {
	path, field string
	query       url.Values
	// read takes the resources of an answer apart, and says when each changed.
	read func(data, included []json.RawMessage) ([]row, error)
}

type row struct {
	id  string
	at  time.Time
	add func(*sdk.Page)
}

var sources = map[string]source{
	profiles:     {"/api/profiles", "updated", profileQuery, readProfiles(func(p profile) time.Time { return p.record().UpdatedAt })},
	suppressions: {"/api/profiles", suppressedAt, profileQuery, readProfiles(lastSuppression)},
	events:       {"/api/events", "datetime", url.Values{"page[size]": {"200"}, "include": {"metric,profile"}}, readEvents},
}

var profileQuery = url.Values{"page[size]": {strconv.Itoa(pageSize)}, "additional-fields[profile]": {"subscriptions"}}

// Pull implements sdk.Puller.
func (c *connection) Pull(ctx context.Context, from sdk.PullRequest, emit func(sdk.Page) error) error {
	s, known := sources[from.Stream]
	if !known {
		return sdk.SchemaChanged("", "there is no such stream: discover again")
	}
	at := place{At: from.Since, Seen: map[string]string{}}
	if from.Cursor != nil {
		if err := json.Unmarshal(from.Cursor, &at); err != nil || at.At.IsZero() {
			return sdk.CursorLost("the cursor is not one of this connector: begin again")
		}
	}
	query := url.Values{"sort": {s.field}}
	for name, values := range s.query {
		query[name] = values
	}
	if !at.At.IsZero() {
		begin := at.At.Add(-overlap).UTC().Truncate(time.Second).Format(time.RFC3339)
		query.Set("filter", "greater-than("+s.field+","+begin+")")
	} else if from.Stream == suppressions {
		query.Set("filter", "greater-than("+s.field+",2010-01-01T00:00:00Z)")
	}
	path := s.path
	for {
		var answer struct {
			Data     []json.RawMessage `json:"data"`
			Included []json.RawMessage `json:"included"`
			Links    struct {
				Next string `json:"next"`
			} `json:"links"`
		}
		if err := c.page(ctx, path, query, &answer); err != nil {
			return err
		}
		rows, err := s.read(answer.Data, answer.Included)
		if err != nil {
			return err
		}
		var page sdk.Page
		at = at.advance(rows, &page)
		if len(page.Records)+len(page.Events) > 0 {
			if page.Cursor, err = json.Marshal(at); err != nil {
				return err
			}
			if err := emit(page); err != nil {
				return err
			}
		}
		if answer.Links.Next == "" {
			return nil
		}
		if path, err = c.client.Path(answer.Links.Next); err != nil {
			return err
		}
		query = nil // it stands in the link
	}
}

// page reads one page. A link that the vendor no longer honours ends this pull only:
// the saved cursor is a time, and goes on.
func (c *connection) page(ctx context.Context, path string, query url.Values, v any) error {
	var status int
	prob, err := c.call(ctx, vendorhttp.Call{Method: http.MethodGet, Path: path, Query: query}, v, &status)
	if err == nil && prob != nil {
		if query == nil {
			return sdk.RetryAfter(time.Second, "Klaviyo let go of the page that was next; the pull goes on from the last one").Because("PAGE_LOST")
		}
		return sdk.Broken("Klaviyo does not take the question for this stream; the connector needs an upgrade")
	}
	return err
}

// advance adds rows that were not seen to a page, and moves the place behind them.
func (p place) advance(rows []row, page *sdk.Page) place {
	next := place{At: p.At, Seen: map[string]string{}}
	for _, r := range rows {
		if r.at.After(next.At) {
			next.At = r.at
		}
	}
	edge := next.At.Add(-overlap).Truncate(time.Second)
	keep := func(id, at string) {
		if t, err := time.Parse(time.RFC3339Nano, at); err == nil && !t.Before(edge) && len(next.Seen) < maxSeen {
			next.Seen[id] = at
		}
	}
	for id, at := range p.Seen {
		keep(id, at)
	}
	for _, r := range rows {
		at := r.at.UTC().Format(time.RFC3339Nano)
		if p.Seen[r.id] == at {
			continue
		}
		r.add(page)
		keep(r.id, at)
	}
	return next
}

// decode reads JSON; a number that goes on to the host stays as it was written.
func decode(raw []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	return d.Decode(v)
}

func readProfiles(when func(profile) time.Time) func(data, _ []json.RawMessage) ([]row, error) {
	return func(data, _ []json.RawMessage) ([]row, error) {
		rows := make([]row, 0, len(data))
		for _, raw := range data {
			var p profile
			if err := decode(raw, &p); err != nil || p.ID == "" {
				return nil, sdk.Broken("Klaviyo's profile does not have the form that its revision promises")
			}
			rows = append(rows, row{p.ID, when(p), func(page *sdk.Page) {
				page.Records, page.Consents = append(page.Records, p.record()), append(page.Consents, p.withdrawals()...)
			}})
		}
		return rows, nil
	}
}

func lastSuppression(p profile) time.Time {
	var last time.Time
	if s := p.Attributes.Subscriptions; s != nil {
		for _, each := range s.Email.Marketing.Suppressions {
			if each.At.After(last) {
				last = each.At
			}
		}
	}
	return last
}

// happening is the vendor's resource of an event.
type happening struct {
	ID         string `json:"id"`
	Attributes struct {
		At         time.Time      `json:"datetime"`
		Properties map[string]any `json:"event_properties"`
	} `json:"attributes"`
	Relationships struct {
		Profile relation `json:"profile"`
		Metric  relation `json:"metric"`
	} `json:"relationships"`
}

type relation struct {
	Data struct {
		ID string `json:"id"`
	} `json:"data"`
}

// included sorts what came with events: names of metrics, and people.
func included(raw []json.RawMessage) (metrics map[string]string, people map[string]profile) {
	metrics, people = map[string]string{}, map[string]profile{}
	for _, each := range raw {
		var head struct {
			Type       string `json:"type"`
			ID         string `json:"id"`
			Attributes struct {
				Name string `json:"name"`
			} `json:"attributes"`
		}
		if json.Unmarshal(each, &head) != nil {
			continue // without it, the event still has the ids
		}
		switch head.Type {
		case "metric":
			metrics[head.ID] = head.Attributes.Name
		case "profile":
			var p profile
			if decode(each, &p) == nil {
				people[p.ID] = p
			}
		}
	}
	return metrics, people
}

func readEvents(data, with []json.RawMessage) ([]row, error) {
	metrics, people := included(with)
	rows := make([]row, 0, len(data))
	for _, raw := range data {
		var h happening
		if err := decode(raw, &h); err != nil || h.ID == "" {
			return nil, sdk.Broken("Klaviyo's event does not have the form that its revision promises")
		}
		e := h.event(metrics[h.Relationships.Metric.Data.ID], people[h.Relationships.Profile.Data.ID])
		rows = append(rows, row{h.ID, h.Attributes.At, func(page *sdk.Page) { page.Events = append(page.Events, e) }})
	}
	return rows, nil
}

func (h happening) event(name string, who profile) sdk.Event {
	e := sdk.Event{
		Key: h.ID, Name: name, At: h.Attributes.At, Properties: h.Attributes.Properties,
		Identifiers: who.namespaces(), IDs: map[string]string{},
	}
	if id := h.Relationships.Profile.Data.ID; id != "" {
		e.IDs[profiles] = id
	}
	return e
}

// namespaces is what a profile is known by, in the host's names.
func (p profile) namespaces() map[string]string {
	out := map[string]string{}
	for namespace, value := range map[string]*string{"email": p.Attributes.Email, "phone": p.Attributes.Phone, "externalId": p.Attributes.ExternalID} {
		if value != nil && *value != "" {
			out[namespace] = *value
		}
	}
	return out
}
