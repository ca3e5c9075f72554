package klaviyo

import (
	"net/http"
	"slices"
	"strings"

	"github.com/headwater-cdp/headwater/connectors/sandbox"
)

// endpoints is everything the emulator answers.
func (s *Server) endpoints() []endpoint {
	write, read := []string{"profiles:write"}, []string{"profiles:read"}
	listWrite, listRead := []string{"lists:write", "profiles:write"}, []string{"lists:read"}
	subscribe := []string{"profiles:write", "subscriptions:write"}
	hookRead, hookWrite := []string{"webhooks:read"}, []string{"webhooks:write"}
	return []endpoint{
		{"GET /api/accounts", tierXS, []string{"accounts:read"}, s.accounts},

		{"GET /api/profiles", tierL, read, s.listProfiles},
		{"POST /api/profiles", tierL, write, s.createProfile},
		{"GET /api/profiles/{id}", tierL, read, s.getProfile},
		{"PATCH /api/profiles/{id}", tierL, write, s.patchProfile},
		{"POST /api/profile-import", tierL, write, s.importProfile},

		{"POST /api/profile-bulk-import-jobs", tierM, []string{"lists:write", "profiles:write"}, s.createImport},
		{"GET /api/profile-bulk-import-jobs", tierM, read, s.listImports},
		{"GET /api/profile-bulk-import-jobs/{id}", tierM, read, s.getImport},
		{"GET /api/profile-bulk-import-jobs/{id}/import-errors", tierM, read, s.importErrors},

		{"POST /api/profile-subscription-bulk-create-jobs", tierL, subscribe, s.subscribe},
		{"POST /api/profile-subscription-bulk-delete-jobs", tierL, subscribe, s.unsubscribe},
		{"POST /api/profile-suppression-bulk-create-jobs", tierL, subscribe, s.suppress},
		{"GET /api/profile-suppression-bulk-create-jobs/{id}", tierL, []string{"subscriptions:read"}, s.getSuppression},
		{"POST /api/profile-suppression-bulk-delete-jobs", tierL, subscribe, s.unsuppress},
		{"GET /api/profile-suppression-bulk-delete-jobs/{id}", tierL, []string{"subscriptions:read"}, s.getSuppression},

		{"GET /api/events", tierXL, []string{"events:read"}, s.listEvents},
		{"POST /api/events", tierXL, []string{"events:write"}, s.createEvent},
		{"GET /api/events/{id}", tierXL, []string{"events:read"}, s.getEvent},
		{"POST /api/event-bulk-create-jobs", tierM, []string{"events:write"}, s.createEvents},
		{"GET /api/metrics", tierM, []string{"metrics:read"}, s.listMetrics},
		{"GET /api/metrics/{id}", tierM, []string{"metrics:read"}, s.getMetric},

		{"GET /api/lists", tierL, listRead, s.listLists},
		{"POST /api/lists", tierM, []string{"lists:write"}, s.createList},
		{"GET /api/lists/{id}", tierL, listRead, s.getList},
		{"PATCH /api/lists/{id}", tierM, []string{"lists:write"}, s.patchList},
		{"DELETE /api/lists/{id}", tierM, []string{"lists:write"}, s.deleteList},
		{"GET /api/lists/{id}/profiles", tierL, []string{"lists:read", "profiles:read"}, s.listMembers},
		{"GET /api/lists/{id}/relationships/profiles", tierL, []string{"lists:read", "profiles:read"}, s.listMemberIDs},
		{"POST /api/lists/{id}/relationships/profiles", tierM, listWrite, s.addMembers},
		{"DELETE /api/lists/{id}/relationships/profiles", tierM, listWrite, s.removeMembers},

		{"POST /api/data-privacy-deletion-jobs", tierS, []string{"data-privacy:write"}, s.requestDeletion},

		{"GET /api/webhooks", tierXS, hookRead, s.listWebhooks},
		{"POST /api/webhooks", tierXS, hookWrite, s.createWebhook},
		{"GET /api/webhooks/{id}", tierXS, hookRead, s.getWebhook},
		{"PATCH /api/webhooks/{id}", tierXS, hookWrite, s.patchWebhook},
		{"DELETE /api/webhooks/{id}", tierXS, hookWrite, s.deleteWebhook},
		{"GET /api/webhook-topics", tierXS, hookRead, s.listTopics},
	}
}

func (s *Server) accounts(r *http.Request, _ []byte) (int, any, *fault) {
	self := sandbox.BaseURL(r) + "/api/accounts/" + AccountID + "/"
	return http.StatusOK, object{"data": []object{{
		"type": "account", "id": AccountID, "links": object{"self": self},
		"attributes": object{
			"test_account": true, "industry": nil, "timezone": "UTC", "preferred_currency": "EUR",
			"public_api_key": AccountID, "locale": "en-GB",
			"contact_information": object{
				"default_sender_name": "Sandbox", "default_sender_email": "shop@example.com", "website_url": "https://shop.example.com",
				"organization_name": "Sandbox", "street_address": object{
					"address1": nil, "address2": nil, "city": nil, "region": nil, "country": nil, "zip": nil,
				},
			},
		},
	}}, "links": links(r, nil)}, nil
}

// document reads the resource of a request and checks it.
func document(body []byte) (change, *fault) {
	var in struct {
		Data resource `json:"data"`
	}
	if problem := decode(body, &in); problem != nil {
		return change{}, problem
	}
	if len(body) > 100<<10 {
		return change{}, invalid("A profile is at most 100KB.", "/data")
	}
	return in.Data.check("/data")
}

func (s *Server) createProfile(r *http.Request, body []byte) (int, any, *fault) {
	c, problem := document(body)
	if problem != nil {
		return 0, nil, problem
	}
	found, problem := s.find(c, "/data")
	if problem != nil {
		return 0, nil, problem
	}
	if found != nil {
		return 0, nil, duplicate(found.id, "/data/attributes")
	}
	return s.imported(r, c)
}

func (s *Server) importProfile(r *http.Request, body []byte) (int, any, *fault) {
	c, problem := document(body)
	if problem != nil {
		return 0, nil, problem
	}
	return s.imported(r, c)
}

func (s *Server) imported(r *http.Request, c change) (int, any, *fault) {
	p, fresh, problem := s.upsert(c, "/data")
	if problem != nil {
		return 0, nil, problem
	}
	status := http.StatusOK
	if fresh {
		status = http.StatusCreated
	}
	return status, object{"data": s.present(r, p, wantsSubscriptions(r)), "links": links(r, nil)}, nil
}

func (s *Server) getProfile(r *http.Request, _ []byte) (int, any, *fault) {
	p := s.profiles[r.PathValue("id")]
	if p == nil {
		return 0, nil, notFound("A profile with the given id does not exist.", "")
	}
	return http.StatusOK, object{"data": s.present(r, p, wantsSubscriptions(r)), "links": links(r, nil)}, nil
}

func (s *Server) patchProfile(r *http.Request, body []byte) (int, any, *fault) {
	c, problem := document(body)
	if problem != nil {
		return 0, nil, problem
	}
	if c.id != r.PathValue("id") {
		return 0, nil, invalid("The id of the resource must be the id of the path.", "/data/id")
	}
	return s.imported(r, c)
}

// wants says whether a request asks for a relationship to be included.
func wants(r *http.Request, name string) bool {
	return slices.Contains(strings.Split(r.URL.Query().Get("include"), ","), name)
}
