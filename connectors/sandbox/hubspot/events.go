package hubspot

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/headwater-cdp/headwater/connectors/sandbox"
)

// eventKind is a custom event that somebody defined.
type eventKind struct {
	Name          string   `json:"name"`
	Label         string   `json:"label"`
	FullName      string   `json:"fullyQualifiedName"`
	PrimaryObject string   `json:"primaryObject"`
	Archived      bool     `json:"archived"`
	Properties    []named  `json:"properties"`
	TrackingType  string   `json:"trackingType"`
	CreatedAt     string   `json:"createdAt"`
	Associations  []string `json:"associations"`
}

// named is a property of an event's definition.
type named struct {
	Name  string `json:"name"`
	Label string `json:"label"`
	Type  string `json:"type"`
}

// sentEvent is one occurrence, as it was sent.
type sentEvent struct {
	Name       string         `json:"eventName"`
	UUID       string         `json:"uuid,omitempty"`
	Email      string         `json:"email,omitempty"`
	ObjectID   string         `json:"objectId,omitempty"`
	UTK        string         `json:"utk,omitempty"`
	OccurredAt string         `json:"occurredAt,omitempty"`
	Properties map[string]any `json:"properties"`
}

func (s *server) createEventKind(w http.ResponseWriter, r *http.Request) *fault {
	in, bad := body[eventKind](r)
	if bad != nil {
		return bad
	}
	if in.Name == "" {
		in.Name = strings.ToLower(strings.ReplaceAll(in.Label, " ", "_"))
	}
	if !propertyName.MatchString(in.Name) || in.Label == "" {
		return invalid("Invalid event name or label")
	}
	in.FullName = "pe" + portal + "_" + in.Name
	if _, had := s.kinds[in.FullName]; had {
		return failed(http.StatusConflict, "CONFLICT", "An event definition named "+in.FullName+" already exists")
	}
	in.PrimaryObject, in.TrackingType, in.CreatedAt, in.Properties = "CONTACT", "MANUAL", stamp(s.desk.Clock.Now()), []named{}
	s.kinds[in.FullName] = in
	sandbox.WriteJSON(w, http.StatusCreated, in)
	return nil
}

func (s *server) createEventProperty(w http.ResponseWriter, r *http.Request) *fault {
	kind, ok := s.kinds[r.PathValue("name")]
	if !ok {
		return failed(http.StatusNotFound, "OBJECT_NOT_FOUND", "No event definition was found for event name "+r.PathValue("name"))
	}
	p, bad := body[named](r)
	if bad != nil {
		return bad
	}
	if !propertyName.MatchString(p.Name) || p.Type == "" {
		return invalid("Invalid property name or type")
	}
	if slices.ContainsFunc(kind.Properties, func(had named) bool { return had.Name == p.Name }) {
		return failed(http.StatusConflict, "CONFLICT", "A property named '"+p.Name+"' already exists.")
	}
	kind.Properties = append(kind.Properties, p)
	s.kinds[kind.FullName] = kind
	sandbox.WriteJSON(w, http.StatusCreated, p)
	return nil
}

func (s *server) listEventKinds(w http.ResponseWriter, _ *http.Request) *fault {
	list := []eventKind{}
	for _, k := range s.kinds {
		list = append(list, k)
	}
	slices.SortFunc(list, func(a, b eventKind) int { return strings.Compare(a.FullName, b.FullName) })
	sandbox.WriteJSON(w, http.StatusOK, map[string]any{"total": len(list), "results": list})
	return nil
}

// checkEvent refuses an event that belongs to nobody or has no definition.
func (s *server) checkEvent(e sentEvent) *fault {
	if _, ok := s.kinds[e.Name]; !ok {
		return invalid("No event definition was found for event name %s", e.Name)
	}
	if e.Email == "" && e.ObjectID == "" && e.UTK == "" {
		return invalid("One of email, objectId or utk is required")
	}
	if e.OccurredAt != "" {
		if _, err := time.Parse(time.RFC3339Nano, e.OccurredAt); err != nil {
			return invalid("occurredAt is not a valid time")
		}
	}
	if len(e.Properties) > 50 {
		return invalid("An event can have 50 properties")
	}
	return nil
}

// keep takes an event, once per uuid. Properties that are not defined are dropped.
func (s *server) keep(e sentEvent) {
	kept := map[string]any{}
	for _, p := range s.kinds[e.Name].Properties {
		if v, ok := e.Properties[p.Name]; ok {
			kept[p.Name] = v
		}
	}
	e.Properties = kept
	if e.UUID == "" || !s.uuids[e.UUID] {
		s.events = append(s.events, e)
		s.uuids[e.UUID] = true
	}
}

func (s *server) sendEvent(w http.ResponseWriter, r *http.Request) *fault {
	e, bad := body[sentEvent](r)
	if bad != nil {
		return bad
	}
	if bad := s.checkEvent(e); bad != nil {
		return bad
	}
	s.keep(e)
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// sendEvents takes up to 500; one that is wrong refuses all.
func (s *server) sendEvents(w http.ResponseWriter, r *http.Request) *fault {
	in, bad := body[struct {
		Inputs []sentEvent `json:"inputs"`
	}](r)
	if bad != nil {
		return bad
	}
	if len(in.Inputs) > 500 {
		return invalid("The maximum number of events in a request is 500")
	}
	for _, e := range in.Inputs {
		if bad := s.checkEvent(e); bad != nil {
			return bad
		}
	}
	for _, e := range in.Inputs {
		s.keep(e)
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
