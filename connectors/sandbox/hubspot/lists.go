package hubspot

import (
	"cmp"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/headwater-cdp/headwater/connectors/sandbox"
)

// list is a static list, or a dynamic one that the vendor fills.
type list struct {
	id, name, typeID, processing string
	created, updated             time.Time
	members                      map[string]time.Time
	version                      int
}

func (l *list) shown() map[string]any {
	return map[string]any{
		"listId": l.id, "name": l.name, "objectTypeId": l.typeID, "processingType": l.processing, "processingStatus": "COMPLETE",
		"listVersion": l.version, "size": len(l.members), "createdAt": stamp(l.created), "updatedAt": stamp(l.updated), "createdById": "48150342",
	}
}

func (s *server) listRoutes(api func(pattern, scope string, do handler)) {
	api("POST /crm/v3/lists", "lists.write", s.createList)
	api("POST /crm/v3/lists/{$}", "lists.write", s.createList)
	api("POST /crm/v3/lists/search", "lists.read", s.searchLists)
	api("GET /crm/v3/lists/{id}", "lists.read", s.withList(s.getList))
	api("DELETE /crm/v3/lists/{id}", "lists.write", s.withList(s.deleteList))
	api("GET /crm/v3/lists/object-type-id/{type}/name/{name}", "lists.read", s.listByName)
	api("GET /crm/v3/lists/{id}/memberships", "lists.read", s.withList(s.memberships))
	api("PUT /crm/v3/lists/{id}/memberships/add", "lists.write", s.withList(s.changeMembers))
	api("PUT /crm/v3/lists/{id}/memberships/remove", "lists.write", s.withList(s.changeMembers))
	api("PUT /crm/v3/lists/{id}/memberships/add-and-remove", "lists.write", s.withList(s.changeMembers))
}

func (s *server) withList(do func(*list, http.ResponseWriter, *http.Request) *fault) handler {
	return func(w http.ResponseWriter, r *http.Request) *fault {
		l := s.lists[r.PathValue("id")]
		if l == nil {
			f := failed(http.StatusNotFound, "OBJECT_NOT_FOUND", "List does not exist with ID "+r.PathValue("id")+".")
			return f
		}
		return do(l, w, r)
	}
}

func (s *server) createList(w http.ResponseWriter, r *http.Request) *fault {
	in, bad := body[struct {
		Name       string `json:"name"`
		TypeID     string `json:"objectTypeId"`
		Processing string `json:"processingType"`
	}](r)
	if bad != nil {
		return bad
	}
	t, bad := s.store.table(in.TypeID)
	switch {
	case bad != nil:
		return bad
	case in.Name == "":
		return invalid("Some required fields were not set: [name]")
	case !slices.Contains([]string{"MANUAL", "DYNAMIC", "SNAPSHOT"}, in.Processing):
		return invalid("Invalid processingType: %s", in.Processing)
	case s.named(t.kind.id, in.Name) != nil:
		return invalid("A list already exists with the name '%s'", in.Name)
	}
	s.made++
	now := s.desk.Clock.Now()
	l := &list{id: strconv.Itoa(s.made), name: in.Name, typeID: t.kind.id, processing: in.Processing, created: now, updated: now, members: map[string]time.Time{}, version: 1}
	s.lists[l.id] = l
	sandbox.WriteJSON(w, http.StatusOK, map[string]any{"list": l.shown()})
	return nil
}

func (s *server) named(typeID, name string) *list {
	for _, l := range s.lists {
		if l.typeID == typeID && strings.EqualFold(l.name, name) {
			return l
		}
	}
	return nil
}

func (s *server) getList(l *list, w http.ResponseWriter, _ *http.Request) *fault {
	sandbox.WriteJSON(w, http.StatusOK, map[string]any{"list": l.shown()})
	return nil
}

func (s *server) deleteList(l *list, w http.ResponseWriter, _ *http.Request) *fault {
	delete(s.lists, l.id)
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *server) listByName(w http.ResponseWriter, r *http.Request) *fault {
	t, bad := s.store.table(r.PathValue("type"))
	if bad != nil {
		return bad
	}
	l := s.named(t.kind.id, r.PathValue("name"))
	if l == nil {
		return failed(http.StatusNotFound, "OBJECT_NOT_FOUND", "List does not exist with name "+r.PathValue("name")+" and object type ID "+t.kind.id+".")
	}
	return s.getList(l, w, r)
}

func (s *server) searchLists(w http.ResponseWriter, r *http.Request) *fault {
	in, bad := body[struct {
		Query  string `json:"query"`
		Offset int    `json:"offset"`
		Count  int    `json:"count"`
	}](r)
	if bad != nil {
		return bad
	}
	if in.Count == 0 {
		in.Count = 20
	}
	found := []map[string]any{}
	for _, l := range s.lists {
		if strings.Contains(strings.ToLower(l.name), strings.ToLower(in.Query)) {
			found = append(found, l.shown())
		}
	}
	slices.SortFunc(found, func(a, b map[string]any) int { return cmp.Compare(a["listId"].(string), b["listId"].(string)) })
	from := min(max(in.Offset, 0), len(found))
	end := min(from+in.Count, len(found))
	sandbox.WriteJSON(w, http.StatusOK, map[string]any{"offset": end, "hasMore": end < len(found), "lists": found[from:end], "total": len(found)})
	return nil
}

func (s *server) memberships(l *list, w http.ResponseWriter, r *http.Request) *fault {
	ids := slices.SortedFunc(maps.Keys(l.members), func(a, b string) int {
		return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b))
	})
	limit := 100
	if n, err := strconv.Atoi(r.URL.Query().Get("limit")); err == nil && n > 0 && n <= 250 {
		limit = n
	}
	from, _ := strconv.Atoi(r.URL.Query().Get("after"))
	from = min(max(from, 0), len(ids))
	end := min(from+limit, len(ids))
	results := []map[string]string{}
	for _, id := range ids[from:end] {
		results = append(results, map[string]string{"recordId": id, "membershipTimestamp": stamp(l.members[id])})
	}
	answer := map[string]any{"results": results, "total": len(ids)}
	if end < len(ids) {
		answer["paging"] = paging(r, strconv.Itoa(end))
	}
	sandbox.WriteJSON(w, http.StatusOK, answer)
	return nil
}

// changeMembers adds and removes. Records that are not there are told apart, those
// that were in or out already are not mentioned.
func (s *server) changeMembers(l *list, w http.ResponseWriter, r *http.Request) *fault {
	var in struct {
		Add    []string `json:"recordIdsToAdd"`
		Remove []string `json:"recordIdsToRemove"`
	}
	var bad *fault
	switch {
	case strings.HasSuffix(r.URL.Path, "/add"):
		in.Add, bad = body[[]string](r)
	case strings.HasSuffix(r.URL.Path, "/remove"):
		in.Remove, bad = body[[]string](r)
	default:
		in, bad = body[struct {
			Add    []string `json:"recordIdsToAdd"`
			Remove []string `json:"recordIdsToRemove"`
		}](r)
	}
	switch {
	case bad != nil:
		return bad
	case l.processing == "DYNAMIC":
		return invalid("Cannot modify the memberships of a DYNAMIC list")
	case len(in.Add)+len(in.Remove) > 100_000:
		return invalid("The maximum number of records in a request is 100000")
	}
	t := s.store.tables[l.typeID]
	added, removed, missing := []string{}, []string{}, []string{}
	for _, id := range in.Add {
		row, bad := t.find(id)
		if bad != nil {
			missing = append(missing, id)
			continue
		}
		id = strconv.FormatInt(row.id, 10)
		if _, had := l.members[id]; !had {
			l.members[id] = s.desk.Clock.Now()
			added = append(added, id)
		}
	}
	for _, id := range in.Remove {
		if _, had := l.members[id]; had {
			delete(l.members, id)
			removed = append(removed, id)
		} else if _, bad := t.find(id); bad != nil {
			missing = append(missing, id)
		}
	}
	l.updated = s.desk.Clock.Now()
	sandbox.WriteJSON(w, http.StatusOK, map[string]any{"recordsIdsAdded": added, "recordIdsRemoved": removed, "recordIdsMissing": missing})
	return nil
}
