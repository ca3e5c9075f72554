package klaviyo

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/headwater-cdp/headwater/connectors/sandbox"
)

// list is a list of profiles. Being on it says nothing of consent.
type list struct {
	id, name, optIn  string
	created, updated time.Time
	members          map[string]time.Time // when each joined
}

func (s *Server) presentList(r *http.Request, l *list) object {
	self := sandbox.BaseURL(r) + "/api/lists/" + l.id + "/"
	related := func(name string) object {
		return object{"links": object{"self": self + "relationships/" + name + "/", "related": self + name + "/"}}
	}
	return object{
		"type": "list", "id": l.id, "links": object{"self": self},
		"attributes": object{
			"name": l.name, "created": stamp(l.created), "updated": stamp(l.updated), "opt_in_process": l.optIn,
		},
		"relationships": object{"profiles": related("profiles"), "tags": related("tags"), "flow-triggers": related("flow-triggers")},
	}
}

func (s *Server) listLists(r *http.Request, _ []byte) (int, any, *fault) {
	filters, problem := parseFilter(r.URL.Query().Get("filter"), map[string][]string{
		"name": {"any", "equals"}, "id": {"any", "equals"}, "created": {"greater-than"}, "updated": {"greater-than"},
	})
	if problem != nil {
		return 0, nil, problem
	}
	var found []*list
	for _, l := range s.lists {
		if l.match(filters) {
			found = append(found, l)
		}
	}
	slices.SortFunc(found, func(a, b *list) int { return cmp.Compare(a.id, b.id) })
	found, links, problem := page(r, found, func(l *list) string { return l.id }, 10, 10)
	if problem != nil {
		return 0, nil, problem
	}
	data := make([]object, 0, len(found))
	for _, l := range found {
		data = append(data, s.presentList(r, l))
	}
	return http.StatusOK, object{"data": data, "links": links}, nil
}

func (l *list) match(filters []filter) bool {
	for _, f := range filters {
		pass := false
		switch f.field {
		case "id":
			pass = f.text(l.id)
		case "name":
			pass = f.text(l.name)
		case "created":
			pass = f.instant(l.created)
		case "updated":
			pass = f.instant(l.updated)
		}
		if !pass {
			return false
		}
	}
	return true
}

type listDocument struct {
	Data struct {
		Type       string `json:"type"`
		ID         string `json:"id"`
		Attributes struct {
			Name  string  `json:"name"`
			OptIn *string `json:"opt_in_process"`
		} `json:"attributes"`
	} `json:"data"`
}

func (s *Server) createList(r *http.Request, body []byte) (int, any, *fault) {
	var in listDocument
	if problem := decode(body, &in); problem != nil {
		return 0, nil, problem
	}
	if in.Data.Type != "list" || in.Data.Attributes.Name == "" {
		return 0, nil, invalid("'name' is a required field for the resource 'list'.", "/data/attributes/name")
	}
	now := s.now()
	l := &list{id: s.short(), name: in.Data.Attributes.Name, optIn: "single_opt_in", created: now, updated: now, members: map[string]time.Time{}}
	if in.Data.Attributes.OptIn != nil {
		l.optIn = *in.Data.Attributes.OptIn
	}
	s.lists[l.id] = l
	return http.StatusCreated, object{"data": s.presentList(r, l), "links": links(r, nil)}, nil
}

// listOf is the list of the path.
func (s *Server) listOf(r *http.Request) (*list, *fault) {
	if l := s.lists[r.PathValue("id")]; l != nil {
		return l, nil
	}
	return nil, notFound("A list with the given id does not exist.", "")
}

func (s *Server) getList(r *http.Request, _ []byte) (int, any, *fault) {
	l, problem := s.listOf(r)
	if problem != nil {
		return 0, nil, problem
	}
	return http.StatusOK, object{"data": s.presentList(r, l), "links": links(r, nil)}, nil
}

func (s *Server) patchList(r *http.Request, body []byte) (int, any, *fault) {
	l, problem := s.listOf(r)
	if problem != nil {
		return 0, nil, problem
	}
	var in listDocument
	if problem := decode(body, &in); problem != nil {
		return 0, nil, problem
	}
	if in.Data.Attributes.Name == "" {
		return 0, nil, invalid("'name' is a required field for the resource 'list'.", "/data/attributes/name")
	}
	l.name, l.updated = in.Data.Attributes.Name, s.now()
	if in.Data.Attributes.OptIn != nil {
		l.optIn = *in.Data.Attributes.OptIn
	}
	return http.StatusOK, object{"data": s.presentList(r, l), "links": links(r, nil)}, nil
}

func (s *Server) deleteList(r *http.Request, _ []byte) (int, any, *fault) {
	l, problem := s.listOf(r)
	if problem != nil {
		return 0, nil, problem
	}
	delete(s.lists, l.id)
	return http.StatusNoContent, nil, nil
}

// maxMembers is how many profiles one call moves.
const maxMembers = 1000

func (s *Server) members(r *http.Request, body []byte) (*list, []*profile, *fault) {
	l, problem := s.listOf(r)
	if problem != nil {
		return nil, nil, problem
	}
	var in struct {
		Data []resource `json:"data"`
	}
	if problem := decode(body, &in); problem != nil {
		return nil, nil, problem
	}
	if len(in.Data) == 0 || len(in.Data) > maxMembers {
		return nil, nil, invalid(fmt.Sprintf("From 1 to %d profiles are taken at once.", maxMembers), "/data")
	}
	var found []*profile
	for i, each := range in.Data {
		pointer := fmt.Sprintf("/data/%d/id", i)
		if each.Type != "profile" || each.ID == nil {
			return nil, nil, invalid("'id' is a required field for the resource 'profile'.", pointer)
		}
		p := s.profiles[*each.ID]
		if p == nil {
			return nil, nil, notFound("A profile with id "+*each.ID+" does not exist.", pointer)
		}
		found = append(found, p)
	}
	return l, found, nil
}

func (s *Server) addMembers(r *http.Request, body []byte) (int, any, *fault) {
	l, found, problem := s.members(r, body)
	if problem != nil {
		return 0, nil, problem
	}
	for _, p := range found {
		s.join(l, p)
	}
	return http.StatusNoContent, nil, nil
}

func (s *Server) join(l *list, p *profile) {
	if _, is := l.members[p.id]; !is {
		l.members[p.id] = s.now()
		l.updated = s.now()
	}
}

func (s *Server) removeMembers(r *http.Request, body []byte) (int, any, *fault) {
	l, found, problem := s.members(r, body)
	if problem != nil {
		return 0, nil, problem
	}
	for _, p := range found {
		delete(l.members, p.id)
		l.updated = s.now()
	}
	return http.StatusNoContent, nil, nil
}

// joined is one profile of a list.
type joined struct {
	*profile
	at time.Time
}

func (j joined) key() string { return stamp(j.at) + j.id }

func (s *Server) pageOfMembers(r *http.Request) ([]joined, object, *fault) {
	l, problem := s.listOf(r)
	if problem != nil {
		return nil, nil, problem
	}
	filters, problem := parseFilter(r.URL.Query().Get("filter"), map[string][]string{
		"email": {"any", "equals"}, "phone_number": {"any", "equals"},
		"joined_group_at": {"greater-or-equal", "greater-than", "less-or-equal", "less-than"},
	})
	if problem != nil {
		return nil, nil, problem
	}
	var found []joined
	for id, at := range l.members {
		p, rest := s.profiles[id], slices.Clone(filters)
		rest = slices.DeleteFunc(rest, func(f filter) bool { return f.field == "joined_group_at" && f.instant(at) })
		if p.match(rest) {
			found = append(found, joined{p, at})
		}
	}
	slices.SortFunc(found, func(a, b joined) int { return cmp.Compare(a.key(), b.key()) })
	return page(r, found, joined.key, 20, 100)
}

func (s *Server) listMembers(r *http.Request, _ []byte) (int, any, *fault) {
	found, links, problem := s.pageOfMembers(r)
	if problem != nil {
		return 0, nil, problem
	}
	data := make([]object, 0, len(found))
	for _, each := range found {
		o := s.present(r, each.profile, wantsSubscriptions(r))
		o["attributes"].(object)["joined_group_at"] = stamp(each.at)
		data = append(data, o)
	}
	return http.StatusOK, object{"data": data, "links": links}, nil
}

func (s *Server) listMemberIDs(r *http.Request, _ []byte) (int, any, *fault) {
	found, links, problem := s.pageOfMembers(r)
	if problem != nil {
		return 0, nil, problem
	}
	data := make([]object, 0, len(found))
	for _, each := range found {
		data = append(data, object{"type": "profile", "id": each.id})
	}
	return http.StatusOK, object{"data": data, "links": links}, nil
}
