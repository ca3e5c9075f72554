package hubspot

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/headwater-cdp/headwater/connectors/sandbox"
)

// hooks are the app's subscriptions.
type hooks struct {
	subscriptions map[string]*subscription
	lastEvent     int64
}

// subscription is one kind of change that the app wants to hear of.
type subscription struct {
	ID           string `json:"id"`
	EventType    string `json:"eventType"`
	PropertyName string `json:"propertyName,omitempty"`
	ObjectTypeID string `json:"objectTypeId,omitempty"`
	Active       bool   `json:"active"`
	CreatedAt    string `json:"createdAt"`
	UpdatedAt    string `json:"updatedAt"`
}

// change is something that happened to a record.
type change struct {
	table    *table
	kind     string // creation, propertyChange, deletion, privacyDeletion, merge, associationChange
	row      *row
	property string
	loser    int64  // of a merge
	other    int64  // the far end of an association
	to       *table // and its type
	removed  bool
	by       who
}

// emit sends a change to the app as often as it subscribed to it. The lock is held.
func (s *server) emit(c change) {
	for _, sub := range s.hooks.subscriptions {
		kind, what, _ := strings.Cut(sub.EventType, ".")
		if !sub.Active || what != c.kind || sub.PropertyName != "" && sub.PropertyName != c.property {
			continue
		}
		if kind != c.table.kind.singular && (kind != "object" || sub.ObjectTypeID != c.table.kind.id) {
			continue
		}
		s.hooks.lastEvent++
		id, _ := strconv.Atoi(sub.ID)
		event := map[string]any{
			"eventId": 100_000_000 + s.hooks.lastEvent, "subscriptionId": id, "portalId": json.Number(portal), "appId": json.Number(appID),
			"occurredAt": s.desk.Clock.Now().UnixMilli(), "subscriptionType": sub.EventType, "attemptNumber": 0, "objectId": c.row.id,
			"changeSource": c.by.source, "sourceId": c.by.id,
		}
		if kind == "object" {
			event["objectTypeId"] = c.table.kind.id
		}
		switch c.kind {
		case "creation":
			event["changeFlag"] = "CREATED"
		case "deletion", "privacyDeletion":
			event["changeFlag"] = "DELETED"
		case "propertyChange":
			event["propertyName"], event["propertyValue"] = c.property, c.row.values[c.property]
		case "merge":
			event["primaryObjectId"], event["mergedObjectIds"] = c.row.id, []int64{c.loser}
			event["newObjectId"], event["numberOfPropertiesMoved"] = c.row.id, len(c.row.values)
		case "associationChange":
			delete(event, "objectId")
			event["fromObjectId"], event["toObjectId"], event["associationRemoved"] = c.row.id, c.other, c.removed
			event["associationType"] = strings.ToUpper(c.table.kind.singular + "_to_" + c.to.kind.singular)
			event["isPrimaryAssociation"] = false
		}
		s.deliver(event)
	}
}

// deliver queues a webhook of one event; each attempt counts up and is signed anew.
func (s *server) deliver(event map[string]any) {
	url := s.desk.Outbox.URL()
	if url == "" {
		return
	}
	attempt := -1
	s.desk.Outbox.Send(func(now time.Time) sandbox.Delivery {
		attempt++
		event["attemptNumber"] = attempt
		body, err := json.Marshal([]any{event})
		if err != nil {
			return sandbox.Delivery{} // numbers and text always encode
		}
		at := strconv.FormatInt(now.UnixMilli(), 10)
		mac := hmac.New(sha256.New, []byte(clientSecret))
		mac.Write([]byte(http.MethodPost + url + string(body) + at))
		old := sha256.Sum256(append([]byte(clientSecret), body...))
		return sandbox.Delivery{URL: url, Body: body, Header: http.Header{
			"Content-Type":                {"application/json"},
			"X-Hubspot-Signature-Version": {"v1"},
			"X-Hubspot-Signature":         {hex.EncodeToString(old[:])},
			"X-Hubspot-Signature-V3":      {base64.StdEncoding.EncodeToString(mac.Sum(nil))},
			"X-Hubspot-Request-Timestamp": {at},
			"User-Agent":                  {"HubSpot Connect 2.0 (http://dev.hubspot.com/) (namespace: webhooks-nio-http-client)"},
		}}
	})
}

// hookRoutes are the app's own settings, which its developer sets by a key.
func (s *server) hookRoutes(mux *http.ServeMux) {
	api := func(pattern string, do handler) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
			if r.URL.Query().Get("hapikey") != developerKey && token != developerKey {
				failed(http.StatusUnauthorized, "INVALID_AUTHENTICATION", "The API key provided is invalid. View or manage your API key here: https://app.hubspot.com/l/api-key/").write(w)
				return
			}
			if r.PathValue("app") != appID {
				failed(http.StatusNotFound, "OBJECT_NOT_FOUND", "app not found").write(w)
				return
			}
			sandbox.Hold(w, func(w http.ResponseWriter) {
				s.mu.Lock()
				defer s.mu.Unlock()
				if bad := do(w, r); bad != nil {
					bad.write(w)
				}
			})
		})
	}
	api("GET /webhooks/v3/{app}/settings", s.getHookSettings)
	api("PUT /webhooks/v3/{app}/settings", s.setHookSettings)
	api("DELETE /webhooks/v3/{app}/settings", s.clearHookSettings)
	api("GET /webhooks/v3/{app}/subscriptions", s.listSubscriptions)
	api("POST /webhooks/v3/{app}/subscriptions", s.subscribe)
	api("GET /webhooks/v3/{app}/subscriptions/{id}", s.withSubscription(s.getSubscription))
	api("PATCH /webhooks/v3/{app}/subscriptions/{id}", s.withSubscription(s.setSubscription))
	api("DELETE /webhooks/v3/{app}/subscriptions/{id}", s.withSubscription(s.unsubscribe))
}

func (s *server) hookSettings(w http.ResponseWriter) *fault {
	if s.desk.Outbox.URL() == "" {
		return failed(http.StatusNotFound, "OBJECT_NOT_FOUND", "no webhook settings")
	}
	now := stamp(s.desk.Clock.Now())
	sandbox.WriteJSON(w, http.StatusOK, map[string]any{
		"targetUrl": s.desk.Outbox.URL(), "throttling": map[string]any{"period": "SECONDLY", "maxConcurrentRequests": 10}, "createdAt": now, "updatedAt": now,
	})
	return nil
}

func (s *server) getHookSettings(w http.ResponseWriter, _ *http.Request) *fault {
	return s.hookSettings(w)
}

func (s *server) setHookSettings(w http.ResponseWriter, r *http.Request) *fault {
	in, bad := body[struct {
		TargetURL string `json:"targetUrl"`
	}](r)
	if bad != nil {
		return bad
	}
	s.desk.Outbox.SetURL(in.TargetURL)
	return s.hookSettings(w)
}

func (s *server) clearHookSettings(w http.ResponseWriter, _ *http.Request) *fault {
	s.desk.Outbox.SetURL("")
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *server) listSubscriptions(w http.ResponseWriter, _ *http.Request) *fault {
	list := []*subscription{}
	for _, sub := range s.hooks.subscriptions {
		list = append(list, sub)
	}
	slices.SortFunc(list, func(a, b *subscription) int { return strings.Compare(a.ID, b.ID) })
	sandbox.WriteJSON(w, http.StatusOK, map[string]any{"results": list})
	return nil
}

// hookKinds are what can be subscribed to, after the type and a dot.
var hookKinds = []string{"creation", "propertyChange", "deletion", "privacyDeletion", "merge", "restore", "associationChange"}

func (s *server) subscribe(w http.ResponseWriter, r *http.Request) *fault {
	in, bad := body[subscription](r)
	if bad != nil {
		return bad
	}
	kind, what, _ := strings.Cut(in.EventType, ".")
	if !slices.Contains([]string{"contact", "company", "deal", "object"}, kind) || !slices.Contains(hookKinds, what) {
		return invalid("Invalid eventType: %s", in.EventType)
	}
	if what == "propertyChange" && in.PropertyName == "" {
		return invalid("propertyName is required for %s", in.EventType)
	}
	if kind == "object" && in.ObjectTypeID == "" {
		return invalid("objectTypeId is required for %s", in.EventType)
	}
	s.made++
	in.ID, in.CreatedAt = strconv.Itoa(s.made), stamp(s.desk.Clock.Now())
	in.UpdatedAt = in.CreatedAt
	s.hooks.subscriptions[in.ID] = &in
	sandbox.WriteJSON(w, http.StatusCreated, in)
	return nil
}

func (s *server) withSubscription(do func(*subscription, http.ResponseWriter, *http.Request) *fault) handler {
	return func(w http.ResponseWriter, r *http.Request) *fault {
		sub := s.hooks.subscriptions[r.PathValue("id")]
		if sub == nil {
			return failed(http.StatusNotFound, "OBJECT_NOT_FOUND", "subscription not found")
		}
		return do(sub, w, r)
	}
}

func (s *server) getSubscription(sub *subscription, w http.ResponseWriter, _ *http.Request) *fault {
	sandbox.WriteJSON(w, http.StatusOK, sub)
	return nil
}

func (s *server) setSubscription(sub *subscription, w http.ResponseWriter, r *http.Request) *fault {
	in, bad := body[struct {
		Active bool `json:"active"`
	}](r)
	if bad != nil {
		return bad
	}
	sub.Active, sub.UpdatedAt = in.Active, stamp(s.desk.Clock.Now())
	sandbox.WriteJSON(w, http.StatusOK, sub)
	return nil
}

func (s *server) unsubscribe(sub *subscription, w http.ResponseWriter, _ *http.Request) *fault {
	delete(s.hooks.subscriptions, sub.ID)
	w.WriteHeader(http.StatusNoContent)
	return nil
}
