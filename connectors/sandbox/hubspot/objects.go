package hubspot

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/headwater-cdp/headwater/connectors/sandbox"
)

// alwaysShown are the properties that an answer has when none are asked for.
var alwaysShown = map[string][]string{
	"0-1": {"email", "firstname", "lastname"},
	"0-2": {"name", "domain"},
	"0-3": {"dealname", "amount", "closedate", "dealstage", "pipeline"},
}

// shown is a record in an answer with these properties, and the ones it always has.
func (t *table) shown(r *row, properties []string) map[string]any {
	if len(properties) == 0 {
		properties = alwaysShown[t.kind.id]
	}
	values := map[string]any{}
	for _, name := range append([]string{"createdate", t.kind.changed, "hs_object_id"}, properties...) {
		name = strings.TrimSpace(name)
		if _, known := t.kind.property(name); !known {
			continue // the vendor passes over what it does not know when reading
		}
		if v := r.values[name]; v != "" {
			values[name] = v
		} else {
			values[name] = nil
		}
	}
	return t.object(r, values)
}

func (t *table) object(r *row, values map[string]any) map[string]any {
	out := map[string]any{
		"id": strconv.FormatInt(r.id, 10), "properties": values, "createdAt": stamp(r.created), "updatedAt": stamp(r.updated),
		"archived": !r.archived.IsZero(),
	}
	if !r.archived.IsZero() {
		out["archivedAt"] = stamp(r.archived)
	}
	return out
}

// written is a record in the answer to a write: with all it has.
func (t *table) written(r *row) map[string]any {
	values := map[string]any{}
	for name, v := range r.values {
		if v != "" {
			values[name] = v
		}
	}
	return t.object(r, values)
}

func wanted(r *http.Request) []string {
	var names []string
	for _, v := range r.URL.Query()["properties"] {
		names = append(names, strings.Split(v, ",")...)
	}
	return names
}

func (s *server) listObjects(w http.ResponseWriter, r *http.Request) *fault {
	t, bad := s.store.table(r.PathValue("type"))
	if bad != nil {
		return bad
	}
	q := r.URL.Query()
	limit := 10
	if text := q.Get("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > 100 {
			return invalid("limit must be from 1 to 100")
		}
		limit = n
	}
	from := 0
	if text := q.Get("after"); text != "" {
		after, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return invalid("after is not valid: %s", text)
		}
		from, _ = slices.BinarySearch(t.order, after)
	}
	archived := q.Get("archived") == "true"
	results := []map[string]any{}
	answer := map[string]any{}
	for _, id := range t.order[from:] {
		row := t.rows[id]
		if row.archived.IsZero() == archived {
			continue
		}
		if len(results) == limit {
			answer["paging"] = paging(r, strconv.FormatInt(id, 10))
			break
		}
		one := t.shown(row, wanted(r))
		if to := q.Get("associations"); to != "" {
			one["associations"] = s.associationsOf(t, row, strings.Split(to, ","))
		}
		results = append(results, one)
	}
	answer["results"] = results
	sandbox.WriteJSON(w, http.StatusOK, answer)
	return nil
}

// paging says where the next page begins; the link is whole, with the host.
func paging(r *http.Request, after string) map[string]any {
	q := r.URL.Query()
	q.Set("after", after)
	return map[string]any{"next": map[string]string{"after": after, "link": sandbox.BaseURL(r) + r.URL.Path + "?" + q.Encode()}}
}

func (s *server) createObject(w http.ResponseWriter, r *http.Request) *fault {
	t, bad := s.store.table(r.PathValue("type"))
	if bad != nil {
		return bad
	}
	in, bad := body[struct {
		Properties   map[string]any `json:"properties"`
		Associations []struct {
			To    endpoint `json:"to"`
			Types []spec   `json:"types"`
		} `json:"associations"`
	}](r)
	if bad != nil {
		return bad
	}
	row, bad := s.store.create(t, in.Properties, byApp)
	if bad != nil {
		return bad
	}
	for _, a := range in.Associations {
		if bad := s.associate(t, strconv.FormatInt(row.id, 10), nil, a.To.ID, a.Types); bad != nil {
			return bad
		}
	}
	sandbox.WriteJSON(w, http.StatusCreated, t.written(row))
	return nil
}

func (s *server) getObject(w http.ResponseWriter, r *http.Request) *fault {
	t, bad := s.store.table(r.PathValue("type"))
	if bad != nil {
		return bad
	}
	row, bad := t.lookup(r.URL.Query().Get("idProperty"), r.PathValue("id"))
	if bad != nil {
		id, _ := strconv.ParseInt(r.PathValue("id"), 10, 64)
		if row = t.rows[id]; row == nil || r.URL.Query().Get("archived") != "true" {
			return bad
		}
	}
	one := t.shown(row, wanted(r))
	if to := r.URL.Query().Get("associations"); to != "" {
		one["associations"] = s.associationsOf(t, row, strings.Split(to, ","))
	}
	sandbox.WriteJSON(w, http.StatusOK, one)
	return nil
}

func (s *server) updateObject(w http.ResponseWriter, r *http.Request) *fault {
	t, bad := s.store.table(r.PathValue("type"))
	if bad != nil {
		return bad
	}
	in, bad := body[struct {
		Properties map[string]any `json:"properties"`
	}](r)
	if bad != nil {
		return bad
	}
	row, bad := t.lookup(r.URL.Query().Get("idProperty"), r.PathValue("id"))
	if bad != nil {
		return bad
	}
	if row, bad = s.store.update(t, row, in.Properties, byApp); bad != nil {
		return bad
	}
	sandbox.WriteJSON(w, http.StatusOK, t.written(row))
	return nil
}

// archiveObject answers alike whether the record was there or not.
func (s *server) archiveObject(w http.ResponseWriter, r *http.Request) *fault {
	t, bad := s.store.table(r.PathValue("type"))
	if bad != nil {
		return bad
	}
	if row, bad := t.find(r.PathValue("id")); bad == nil {
		s.store.archive(t, row, byApp)
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *server) mergeObjects(w http.ResponseWriter, r *http.Request) *fault {
	t, bad := s.store.table(r.PathValue("type"))
	if bad != nil {
		return bad
	}
	in, bad := body[struct {
		Primary string `json:"primaryObjectId"`
		Merge   string `json:"objectIdToMerge"`
	}](r)
	if bad != nil {
		return bad
	}
	winner, bad := t.find(in.Primary)
	if bad != nil {
		return bad
	}
	loser, bad := t.find(in.Merge)
	if bad != nil {
		return bad
	}
	if winner.id == loser.id {
		return invalid("Unable to merge an object with itself")
	}
	sandbox.WriteJSON(w, http.StatusOK, t.written(s.store.merge(t, winner, loser, byApp)))
	return nil
}

// gdprDelete forgets a person for good. Somebody unknown by address is fine: the
// vendor notes the address all the same.
func (s *server) gdprDelete(w http.ResponseWriter, r *http.Request) *fault {
	t, bad := s.store.table(r.PathValue("type"))
	if bad != nil {
		return bad
	}
	in, bad := body[struct {
		ObjectID   string `json:"objectId"`
		IDProperty string `json:"idProperty"`
	}](r)
	if bad != nil {
		return bad
	}
	if t.kind.id != "0-1" {
		return invalid("GDPR delete is not supported for object type %s", t.kind.id)
	}
	row, bad := t.lookup(in.IDProperty, in.ObjectID)
	if bad != nil {
		// One in the recycle bin is forgotten too.
		id, _ := strconv.ParseInt(in.ObjectID, 10, 64)
		if row = t.rows[id]; row == nil {
			if in.IDProperty == "" {
				return bad
			}
			w.WriteHeader(http.StatusNoContent)
			return nil
		}
	}
	s.store.forget(t, row, byApp)
	s.dissociate(t, row.id)
	w.WriteHeader(http.StatusNoContent)
	return nil
}
