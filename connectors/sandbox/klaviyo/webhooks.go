package klaviyo

import (
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/headwater-cdp/headwater/connectors/sandbox"
)

// webhook is a subscription to topics.
type webhook struct {
	id, name, url, secret string
	description           any
	topics                []string
	enabled               bool
	created, updated      time.Time
}

// ownMetrics are the names of what the vendor observes itself.
var ownMetrics = []string{
	"Received Email", "Opened Email", "Clicked Email", "Bounced Email", "Dropped Email", "Marked Email as Spam",
	"Subscribed to Email Marketing", "Unsubscribed from Email Marketing", "Manually Suppressed from Email Marketing",
	"Manually Unsuppressed from Email Marketing", "Sent SMS", "Received SMS", "Failed to Deliver SMS",
	"Subscribed to SMS Marketing", "Unsubscribed from SMS Marketing",
}

// topics are all that a webhook can be subscribed to.
func (s *Server) topics() []string {
	set := map[string]bool{}
	for _, name := range ownMetrics {
		set[(&metric{name: name, integration: own}).topic()] = true
	}
	for _, m := range s.metrics {
		set[m.topic()] = true
	}
	return slices.Sorted(maps.Keys(set))
}

func presentTopic(r *http.Request, topic string) object {
	return object{"type": "webhook-topic", "id": topic, "links": object{
		"self": sandbox.BaseURL(r) + "/api/webhook-topics/" + url.PathEscape(topic) + "/",
	}}
}

func (s *Server) listTopics(r *http.Request, _ []byte) (int, any, *fault) {
	data := []object{}
	for _, topic := range s.topics() {
		data = append(data, presentTopic(r, topic))
	}
	return http.StatusOK, object{"data": data, "links": links(r, nil)}, nil
}

func (h *webhook) present(r *http.Request) object {
	self := sandbox.BaseURL(r) + "/api/webhooks/" + h.id + "/"
	topics := []object{}
	for _, topic := range h.topics {
		topics = append(topics, object{"type": "webhook-topic", "id": topic})
	}
	return object{
		"type": "webhook", "id": h.id, "links": object{"self": self},
		"attributes": object{
			"name": h.name, "description": h.description, "endpoint_url": h.url, "enabled": h.enabled,
			"created_at": stamp(h.created), "updated_at": stamp(h.updated),
		},
		"relationships": object{"webhook-topics": object{"data": topics, "links": object{
			"self": self + "relationships/webhook-topics/", "related": self + "webhook-topics/",
		}}},
	}
}

func (s *Server) listWebhooks(r *http.Request, _ []byte) (int, any, *fault) {
	data := []object{}
	for _, h := range slices.SortedFunc(maps.Values(s.webhooks), func(a, b *webhook) int { return cmp.Compare(a.id, b.id) }) {
		data = append(data, h.present(r))
	}
	return http.StatusOK, object{"data": data, "links": links(r, nil)}, nil
}

type webhookDocument struct {
	Data struct {
		Type       string `json:"type"`
		ID         string `json:"id"`
		Attributes struct {
			Name        *string `json:"name"`
			Description *string `json:"description"`
			URL         *string `json:"endpoint_url"`
			Secret      *string `json:"secret_key"`
			Enabled     *bool   `json:"enabled"`
		} `json:"attributes"`
		Relationships struct {
			Topics *struct {
				Data []struct {
					ID string `json:"id"`
				} `json:"data"`
			} `json:"webhook-topics"`
		} `json:"relationships"`
	} `json:"data"`
}

// maxWebhooks is how many an account may have.
const maxWebhooks = 10

func (s *Server) createWebhook(r *http.Request, body []byte) (int, any, *fault) {
	var in webhookDocument
	if problem := decode(body, &in); problem != nil {
		return 0, nil, problem
	}
	a := in.Data.Attributes
	switch {
	case in.Data.Type != "webhook":
		return 0, nil, invalid("The resource type must be `webhook`.", "/data/type")
	case a.Name == nil || a.URL == nil || a.Secret == nil:
		return 0, nil, invalid("'name', 'endpoint_url' and 'secret_key' are required.", "/data/attributes")
	case in.Data.Relationships.Topics == nil || len(in.Data.Relationships.Topics.Data) == 0:
		return 0, nil, invalid("At least one topic is required.", "/data/relationships/webhook-topics")
	case len(s.webhooks) >= maxWebhooks:
		return 0, nil, invalid(fmt.Sprintf("An account has at most %d webhooks.", maxWebhooks), "/data")
	}
	now := s.now()
	h := &webhook{id: s.ulid(), enabled: true, created: now}
	if problem := s.change(h, in); problem != nil {
		return 0, nil, problem
	}
	s.webhooks[h.id] = h
	return http.StatusCreated, object{"data": h.present(r), "links": links(r, nil)}, nil
}

// change applies a document to a webhook, all of it or nothing.
func (s *Server) change(h *webhook, in webhookDocument) *fault {
	a, next := in.Data.Attributes, *h
	if a.Name != nil {
		next.name = *a.Name
	}
	if a.Description != nil {
		next.description = *a.Description
	}
	if a.URL != nil {
		// The vendor takes https only; a sandbox also takes what runs beside it.
		u, err := url.Parse(*a.URL)
		if err != nil || u.Host == "" || u.Scheme != "https" && !slices.Contains([]string{"127.0.0.1", "localhost", "::1"}, u.Hostname()) {
			return invalid("'endpoint_url' must be an https URL.", "/data/attributes/endpoint_url")
		}
		next.url = *a.URL
	}
	if a.Secret != nil {
		next.secret = *a.Secret
	}
	if a.Enabled != nil {
		next.enabled = *a.Enabled
	}
	if topics := in.Data.Relationships.Topics; topics != nil {
		next.topics = nil
		known := s.topics()
		for i, topic := range topics.Data {
			if !slices.Contains(known, topic.ID) {
				return invalid("There is no such topic.", fmt.Sprintf("/data/relationships/webhook-topics/data/%d/id", i))
			}
			next.topics = append(next.topics, topic.ID)
		}
	}
	next.updated = s.now()
	*h = next
	return nil
}

func (s *Server) webhookOf(r *http.Request) (*webhook, *fault) {
	if h := s.webhooks[r.PathValue("id")]; h != nil {
		return h, nil
	}
	return nil, notFound("A webhook with the given id does not exist.", "")
}

func (s *Server) getWebhook(r *http.Request, _ []byte) (int, any, *fault) {
	h, problem := s.webhookOf(r)
	if problem != nil {
		return 0, nil, problem
	}
	return http.StatusOK, object{"data": h.present(r), "links": links(r, nil)}, nil
}

func (s *Server) patchWebhook(r *http.Request, body []byte) (int, any, *fault) {
	h, problem := s.webhookOf(r)
	if problem != nil {
		return 0, nil, problem
	}
	var in webhookDocument
	if problem := decode(body, &in); problem != nil {
		return 0, nil, problem
	}
	if problem := s.change(h, in); problem != nil {
		return 0, nil, problem
	}
	return http.StatusOK, object{"data": h.present(r), "links": links(r, nil)}, nil
}

func (s *Server) deleteWebhook(r *http.Request, _ []byte) (int, any, *fault) {
	h, problem := s.webhookOf(r)
	if problem != nil {
		return 0, nil, problem
	}
	delete(s.webhooks, h.id)
	return http.StatusNoContent, nil, nil
}

// announce sends an event to the webhooks that follow its topic. What is sent is
// written now: the person may be gone when it goes out.
func (s *Server) announce(e *happening) {
	topic := e.metric.topic()
	for _, h := range s.webhooks {
		if !h.enabled || !slices.Contains(h.topics, topic) {
			continue
		}
		request, _ := http.NewRequest(http.MethodGet, "https://a.klaviyo.com/", nil) // constant: cannot fail
		payload, _ := json.Marshal(object{
			"data":     e.present("https://a.klaviyo.com"),
			"included": []object{s.present(request, e.profile, false), presentMetric("https://a.klaviyo.com", e.metric)},
		})
		id, address, secret, external := h.id, h.url, h.secret, e.id
		s.desk.Outbox.Send(func(now time.Time) sandbox.Delivery {
			body, _ := json.Marshal(object{
				"data": []object{{"external_id": external, "topic": topic, "payload": json.RawMessage(payload)}},
				"meta": object{"klaviyo_account_id": AccountID, "klaviyo_webhook_id": id, "timestamp": stamp(now), "version": "2026-07-15"},
			})
			at := now.Format(http.TimeFormat)
			return sandbox.Delivery{URL: address, Body: body, Header: http.Header{
				"Content-Type":        {"application/json"},
				"Klaviyo-Webhook-Id":  {id},
				"Klaviyo-Timestamp":   {at},
				"Klaviyo-Signature":   {Sign(secret, body, at)},
				"Klaviyo-Api-Version": {"2026-07-15"},
			}}
		})
	}
}

// Sign is the signature of a webhook: hex HMAC-SHA256 over the body and the timestamp as
// its header has it.
func Sign(secret string, body []byte, timestamp string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	mac.Write([]byte(timestamp))
	return hex.EncodeToString(mac.Sum(nil))
}

// person is the control by which a person does something by themselves.
func (s *Server) person(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Email string `json:"email"`
		Phone string `json:"phone"`
		Does  string `json:"does"`
	}
	refuse := func(why string) {
		sandbox.WriteJSON(w, http.StatusBadRequest, object{"error": why})
	}
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20)).Decode(&in); err != nil {
		refuse(`the body is {"email":"…","does":"unsubscribe"}`)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.work()
	p := s.byIdentifier["email:"+strings.ToLower(in.Email)]
	if p == nil {
		p = s.byIdentifier["phone_number:"+in.Phone]
	}
	if p == nil {
		refuse("nobody has this address or number")
		return
	}
	switch in.Does {
	case "unsubscribe":
		s.withdraw(p, "EMAIL", "PREFERENCE_PAGE")
	case "reply_stop":
		s.withdraw(p, "SMS", "INBOUND_MESSAGE")
	case "bounce":
		p.suppress(hardBounce, s.now())
		s.tell(p, "Bounced Email", object{"Bounce Type": "Hard"})
	case "complain":
		p.suppress(spamComplaint, s.now())
		s.tell(p, "Marked Email as Spam", object{})
	default:
		refuse("does is unsubscribe, reply_stop, bounce or complain")
		return
	}
	s.touch(p)
	sandbox.WriteJSON(w, http.StatusOK, object{"id": p.id})
}

// state is the control that counts.
func (s *Server) state(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.work()
	sandbox.WriteJSON(w, http.StatusOK, object{
		"profiles": len(s.profiles), "lists": len(s.lists), "metrics": len(s.metrics), "events": len(s.events),
		"webhooks": len(s.webhooks), "deletions": s.deletions,
	})
}

// seed makes up n people.
func (s *Server) seed(n int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for range n {
		i := len(s.order)
		_, _, problem := s.upsert(change{
			fields: object{
				"email": fmt.Sprintf("person%d@example.com", i), "external_id": fmt.Sprintf("seed-%d", i), "first_name": fmt.Sprintf("Person %d", i),
			},
			props: object{"points": i % 1000},
		}, "/data")
		if problem != nil {
			return fmt.Errorf("seed: %s", problem.Detail)
		}
	}
	return nil
}
