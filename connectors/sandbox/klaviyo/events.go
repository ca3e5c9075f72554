package klaviyo

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/headwater-cdp/headwater/connectors/sandbox"
)

// metric is a name of events.
type metric struct {
	id, name, integration string
	created               time.Time
}

// happening is one event.
type happening struct {
	id         string
	metric     *metric
	profile    *profile
	at         time.Time
	properties object
	uuid       string
}

// own is the integration of the vendor's own metrics; their topics begin with it.
const own = "Klaviyo"

// eventAttributes is what a client tells of one event.
type eventAttributes struct {
	Properties *object  `json:"properties"`
	Time       *string  `json:"time"`
	Value      *float64 `json:"value"`
	Currency   *string  `json:"value_currency"`
	UniqueID   *string  `json:"unique_id"`
	Metric     struct {
		Data struct {
			Attributes struct {
				Name    string  `json:"name"`
				Service *string `json:"service"`
			} `json:"attributes"`
		} `json:"data"`
	} `json:"metric"`
}

func (e eventAttributes) check(at string) *fault {
	if e.Metric.Data.Attributes.Name == "" {
		return invalid("'name' is a required field for the resource 'metric'.", at+"/metric/data/attributes/name")
	}
	if e.Properties == nil {
		return invalid("'properties' is a required field for the resource 'event'.", at+"/properties")
	}
	if e.Time != nil {
		if _, err := time.Parse(time.RFC3339, *e.Time); err != nil {
			return invalid("'time' is a time such as 2026-01-31T12:00:00Z.", at+"/time")
		}
	}
	return nil
}

func (s *Server) createEvent(_ *http.Request, body []byte) (int, any, *fault) {
	var in struct {
		Data struct {
			Type       string `json:"type"`
			Attributes struct {
				eventAttributes
				Profile struct {
					Data resource `json:"data"`
				} `json:"profile"`
			} `json:"attributes"`
		} `json:"data"`
	}
	if problem := decode(body, &in); problem != nil {
		return 0, nil, problem
	}
	if in.Data.Type != "event" {
		return 0, nil, invalid("The resource type must be `event`.", "/data/type")
	}
	if problem := in.Data.Attributes.check("/data/attributes"); problem != nil {
		return 0, nil, problem
	}
	const at = "/data/attributes/profile/data"
	c, problem := in.Data.Attributes.Profile.Data.check(at)
	if problem != nil {
		return 0, nil, problem
	}
	p, _, problem := s.upsert(c, at)
	if problem != nil {
		return 0, nil, problem
	}
	s.record(p, in.Data.Attributes.eventAttributes)
	return http.StatusAccepted, nil, nil
}

// maxEvents is how many events one job takes.
const maxEvents = 1000

func (s *Server) createEvents(_ *http.Request, body []byte) (int, any, *fault) {
	type group struct {
		Type       string `json:"type"`
		Attributes struct {
			Profile struct {
				Data resource `json:"data"`
			} `json:"profile"`
			Events struct {
				Data []struct {
					Type       string          `json:"type"`
					Attributes eventAttributes `json:"attributes"`
				} `json:"data"`
			} `json:"events"`
		} `json:"attributes"`
	}
	var in struct {
		Data struct {
			Type       string `json:"type"`
			Attributes struct {
				Events struct {
					Data []group `json:"data"`
				} `json:"events-bulk-create"`
			} `json:"attributes"`
		} `json:"data"`
	}
	if problem := decode(body, &in); problem != nil {
		return 0, nil, problem
	}
	if in.Data.Type != "event-bulk-create-job" {
		return 0, nil, invalid("The resource type must be `event-bulk-create-job`.", "/data/type")
	}
	groups, total := in.Data.Attributes.Events.Data, 0
	changes := make([]change, len(groups))
	for i, g := range groups {
		at := fmt.Sprintf("/data/attributes/events-bulk-create/data/%d/attributes", i)
		var problem *fault
		if changes[i], problem = g.Attributes.Profile.Data.check(at + "/profile/data"); problem != nil {
			return 0, nil, problem
		}
		for k, e := range g.Attributes.Events.Data {
			if problem := e.Attributes.check(fmt.Sprintf("%s/events/data/%d/attributes", at, k)); problem != nil {
				return 0, nil, problem
			}
			total++
		}
	}
	if total == 0 || total > maxEvents {
		return 0, nil, invalid(fmt.Sprintf("From 1 to %d events are taken at once.", maxEvents), "/data/attributes/events-bulk-create")
	}
	s.enqueue("events", total, func(*job) {
		for i, g := range groups {
			p, _, problem := s.upsert(changes[i], "/data")
			if problem != nil {
				continue // the vendor tells nobody: the job has no errors to read
			}
			for _, e := range g.Attributes.Events.Data {
				s.record(p, e.Attributes)
			}
		}
	})
	return http.StatusAccepted, nil, nil
}

// record keeps an event once per profile, metric and unique_id.
func (s *Server) record(p *profile, e eventAttributes) {
	m := s.metricOf(e.Metric.Data.Attributes.Name, "API")
	if e.UniqueID != nil {
		key := p.id + " " + m.id + " " + *e.UniqueID
		if s.unique[key] {
			return
		}
		s.unique[key] = true
	}
	at := s.now()
	if e.Time != nil {
		at, _ = time.Parse(time.RFC3339, *e.Time) // checked before
	}
	properties := maps.Clone(*e.Properties)
	if e.UniqueID != nil {
		properties["$event_id"] = *e.UniqueID
	}
	if e.Value != nil {
		properties["$value"] = *e.Value
	}
	if e.Currency != nil {
		properties["$value_currency"] = *e.Currency
	}
	s.happen(p, m, at, properties)
}

func (s *Server) happen(p *profile, m *metric, at time.Time, properties object) {
	e := &happening{id: s.short() + s.short()[:5], metric: m, profile: p, at: at, properties: properties, uuid: uuid()}
	s.events = append(s.events, e)
	if at.After(p.lastEvent) {
		p.lastEvent = at
	}
	s.announce(e)
}

// tell records what the vendor itself observed.
func (s *Server) tell(p *profile, name string, properties object) {
	s.happen(p, s.metricOf(name, own), s.now(), properties)
}

func (s *Server) metricOf(name, integration string) *metric {
	if m := s.metrics[name]; m != nil {
		return m
	}
	m := &metric{id: s.short(), name: name, integration: integration, created: s.now()}
	s.metrics[name] = m
	return m
}

// topic is the webhook topic of a metric: event:klaviyo.sent_sms.
func (m *metric) topic() string {
	snake := func(text string) string { return strings.ReplaceAll(strings.ToLower(text), " ", "_") }
	return "event:" + snake(m.integration) + "." + snake(m.name)
}

func presentMetric(base string, m *metric) object {
	self := base + "/api/metrics/" + m.id + "/"
	return object{
		"type": "metric", "id": m.id, "links": object{"self": self},
		"attributes": object{
			"name": m.name, "created": stamp(m.created), "updated": stamp(m.created),
			"integration": object{"object": "integration", "id": m.integration, "name": m.integration, "category": "API"},
		},
		"relationships": object{"flow-triggers": object{"links": object{
			"self": self + "relationships/flow-triggers/", "related": self + "flow-triggers/",
		}}},
	}
}

func (e *happening) present(base string) object {
	self := base + "/api/events/" + e.id + "/"
	related := func(name string) object {
		return object{"self": self + "relationships/" + name + "/", "related": self + name + "/"}
	}
	return object{
		"type": "event", "id": e.id, "links": object{"self": self},
		"attributes": object{
			"timestamp": e.at.Unix(), "event_properties": e.properties, "datetime": e.at.UTC().Format("2006-01-02T15:04:05+00:00"), "uuid": e.uuid,
		},
		"relationships": object{
			"profile":      object{"data": object{"type": "profile", "id": e.profile.id}, "links": related("profile")},
			"metric":       object{"data": object{"type": "metric", "id": e.metric.id}, "links": related("metric")},
			"attributions": object{"data": []object{}, "links": related("attributions")},
		},
	}
}

func (s *Server) listEvents(r *http.Request, _ []byte) (int, any, *fault) {
	instants := []string{"greater-or-equal", "greater-than", "less-or-equal", "less-than"}
	filters, problem := parseFilter(r.URL.Query().Get("filter"), map[string][]string{
		"metric_id": {"equals"}, "profile_id": {"equals"}, "datetime": instants,
	})
	if problem != nil {
		return 0, nil, problem
	}
	sort := r.URL.Query().Get("sort")
	down := sort == "" || strings.HasPrefix(sort, "-")
	key := func(e *happening) string {
		k := []byte(stamp(e.at) + e.id)
		for i := range k {
			if down {
				k[i] = ^k[i]
			}
		}
		return string(k)
	}
	var found []*happening
	for _, e := range s.events {
		if e.match(filters) {
			found = append(found, e)
		}
	}
	slices.SortFunc(found, func(a, b *happening) int { return cmp.Compare(key(a), key(b)) })
	found, links, problem := page(r, found, key, 200, 1000)
	if problem != nil {
		return 0, nil, problem
	}
	data, included, seen := []object{}, []object{}, map[string]bool{}
	for _, e := range found {
		data = append(data, e.present(sandbox.BaseURL(r)))
		if wants(r, "metric") && !seen[e.metric.id] {
			seen[e.metric.id] = true
			included = append(included, presentMetric(sandbox.BaseURL(r), e.metric))
		}
		if wants(r, "profile") && !seen[e.profile.id] {
			seen[e.profile.id] = true
			included = append(included, s.present(r, e.profile, false))
		}
	}
	answer := object{"data": data, "links": links}
	if r.URL.Query().Get("include") != "" {
		answer["included"] = included
	}
	return http.StatusOK, answer, nil
}

func (e *happening) match(filters []filter) bool {
	for _, f := range filters {
		pass := false
		switch f.field {
		case "metric_id":
			pass = f.text(e.metric.id)
		case "profile_id":
			pass = f.text(e.profile.id)
		case "datetime":
			pass = f.instant(e.at)
		}
		if !pass {
			return false
		}
	}
	return true
}

func (s *Server) getEvent(r *http.Request, _ []byte) (int, any, *fault) {
	for _, e := range s.events {
		if e.id == r.PathValue("id") {
			return http.StatusOK, object{"data": e.present(sandbox.BaseURL(r)), "links": links(r, nil)}, nil
		}
	}
	return 0, nil, notFound("An event with the given id does not exist.", "")
}

func (s *Server) listMetrics(r *http.Request, _ []byte) (int, any, *fault) {
	found := slices.SortedFunc(maps.Values(s.metrics), func(a, b *metric) int { return cmp.Compare(a.id, b.id) })
	found, links, problem := page(r, found, func(m *metric) string { return m.id }, 200, 200)
	if problem != nil {
		return 0, nil, problem
	}
	data := make([]object, 0, len(found))
	for _, m := range found {
		data = append(data, presentMetric(sandbox.BaseURL(r), m))
	}
	return http.StatusOK, object{"data": data, "links": links}, nil
}

func (s *Server) getMetric(r *http.Request, _ []byte) (int, any, *fault) {
	for _, m := range s.metrics {
		if m.id == r.PathValue("id") {
			return http.StatusOK, object{"data": presentMetric(sandbox.BaseURL(r), m), "links": links(r, nil)}, nil
		}
	}
	return 0, nil, notFound("A metric with the given id does not exist.", "")
}

func (s *Server) requestDeletion(_ *http.Request, body []byte) (int, any, *fault) {
	var in struct {
		Data struct {
			Type       string `json:"type"`
			Attributes struct {
				Profile struct {
					Data resource `json:"data"`
				} `json:"profile"`
			} `json:"attributes"`
		} `json:"data"`
	}
	if problem := decode(body, &in); problem != nil {
		return 0, nil, problem
	}
	const at = "/data/attributes/profile/data"
	who := in.Data.Attributes.Profile.Data
	if in.Data.Type != "data-privacy-deletion-job" {
		return 0, nil, invalid("The resource type must be `data-privacy-deletion-job`.", "/data/type")
	}
	var find func() *profile
	told := 0
	if who.ID != nil {
		told++
		find = func() *profile { return s.profiles[*who.ID] }
	}
	for _, name := range []string{"email", "phone_number"} {
		var value *string
		if raw := who.Attributes[name]; raw == nil || json.Unmarshal(raw, &value) != nil || value == nil {
			continue
		}
		told++
		find = func() *profile { return s.byIdentifier[name+":"+normal(name, *value)] }
	}
	if told != 1 {
		return 0, nil, invalid("Exactly one of `email`, `phone_number`, `id` is required.", at)
	}
	s.enqueue("deletion", 1, func(*job) {
		if p := find(); p != nil {
			s.forget(p)
			s.deletions++
		}
	})
	return http.StatusAccepted, nil, nil
}
