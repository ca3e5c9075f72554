package salesforce

import (
	"cmp"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/headwater-cdp/headwater/connectors/sandbox"
)

func (s *server) describeGlobal(w http.ResponseWriter, r *http.Request) *fault {
	list := []map[string]any{}
	for _, t := range s.store.tables {
		list = append(list, t.object.describe(base(r)))
	}
	slices.SortFunc(list, func(a, b map[string]any) int { return cmp.Compare(a["name"].(string), b["name"].(string)) })
	sandbox.WriteJSON(w, http.StatusOK, map[string]any{"encoding": "UTF-8", "maxBatchSize": 200, "sobjects": list})
	return nil
}

func (s *server) describeBasic(w http.ResponseWriter, r *http.Request) *fault {
	t, bad := s.table(r.PathValue("type"))
	if bad != nil {
		return bad
	}
	sandbox.WriteJSON(w, http.StatusOK, map[string]any{"objectDescribe": t.object.describe(base(r)), "recentItems": []any{}})
	return nil
}

func (s *server) describe(w http.ResponseWriter, r *http.Request) *fault {
	t, bad := s.table(r.PathValue("type"))
	if bad != nil {
		return bad
	}
	sandbox.WriteJSON(w, http.StatusOK, t.object.describeFields(base(r)))
	return nil
}

// shown is a record in an answer: its attributes and these fields.
func shown(o *object, r *row, fields []field, base string) map[string]any {
	out := make(map[string]any, len(fields)+1)
	out["attributes"] = map[string]string{"type": o.name, "url": base + "/sobjects/" + o.name + "/" + r.id}
	for _, f := range fields {
		out[f.name] = asJSON(r.get(f.name))
	}
	return out
}

// chosen are the fields that ?fields= names, or all.
func chosen(o *object, names string) ([]field, *fault) {
	if names == "" {
		return o.fields, nil
	}
	var fields []field
	for name := range strings.SplitSeq(names, ",") {
		f, ok := o.field(strings.TrimSpace(name))
		if !ok {
			return nil, failed(http.StatusBadRequest, "INVALID_FIELD", "No such column '"+name+"' on sobject of type "+o.name)
		}
		fields = append(fields, f)
	}
	return fields, nil
}

func (s *server) retrieve(w http.ResponseWriter, r *http.Request) *fault {
	return s.retrieveRow(w, r, r.PathValue("id"))
}

func (s *server) retrieveExternal(w http.ResponseWriter, r *http.Request) *fault {
	id, bad := s.external(r)
	if bad != nil {
		return bad
	}
	return s.retrieveRow(w, r, id)
}

func (s *server) retrieveRow(w http.ResponseWriter, r *http.Request, id string) *fault {
	t, bad := s.table(r.PathValue("type"))
	if bad != nil {
		return bad
	}
	fields, bad := chosen(t.object, r.URL.Query().Get("fields"))
	if bad != nil {
		return bad
	}
	found, bad := t.find(id)
	if bad != nil {
		return bad
	}
	sandbox.WriteJSON(w, http.StatusOK, shown(t.object, found, fields, base(r)))
	return nil
}

// external is the id of the record that the path names by an external id.
func (s *server) external(r *http.Request) (string, *fault) {
	t, bad := s.table(r.PathValue("type"))
	if bad != nil {
		return "", bad
	}
	if bad := t.lookup(r.PathValue("field")); bad != nil {
		return "", bad
	}
	if id, ok := t.external[strings.ToLower(r.PathValue("key"))]; ok {
		return id, nil
	}
	return "", notFound()
}

// lookup refuses a field that no record can be found by.
func (t *table) lookup(name string) *fault {
	if f, ok := t.object.field(name); !ok || !f.external {
		return failed(http.StatusNotFound, "NOT_FOUND", "Provided external ID field does not exist or is not accessible: "+name)
	}
	return nil
}

func saved(id string, extra ...any) map[string]any {
	out := map[string]any{"id": id, "success": true, "errors": []any{}}
	for i := 0; i+1 < len(extra); i += 2 {
		out[extra[i].(string)] = extra[i+1]
	}
	return out
}

func (s *server) create(w http.ResponseWriter, r *http.Request) *fault {
	t, bad := s.table(r.PathValue("type"))
	if bad != nil {
		return bad
	}
	in, bad := body[map[string]any](r)
	if bad != nil {
		return bad
	}
	id, bad := s.store.insert(t, in)
	if bad != nil {
		return bad
	}
	w.Header().Set("Location", base(r)+"/sobjects/"+t.object.name+"/"+id)
	sandbox.WriteJSON(w, http.StatusCreated, saved(id))
	return nil
}

func (s *server) update(w http.ResponseWriter, r *http.Request) *fault {
	t, bad := s.table(r.PathValue("type"))
	if bad != nil {
		return bad
	}
	in, bad := body[map[string]any](r)
	if bad != nil {
		return bad
	}
	if bad := s.store.update(t, r.PathValue("id"), in); bad != nil {
		return bad
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *server) upsert(w http.ResponseWriter, r *http.Request) *fault {
	t, bad := s.table(r.PathValue("type"))
	if bad != nil {
		return bad
	}
	if bad := t.lookup(r.PathValue("field")); bad != nil {
		return bad
	}
	in, bad := body[map[string]any](r)
	if bad != nil {
		return bad
	}
	if _, named := in[externalID.name]; named {
		return failed(http.StatusBadRequest, "INVALID_FIELD", "The "+externalID.name+" field should not be specified in the sobject data.")
	}
	id, created, bad := s.store.upsert(t, r.PathValue("key"), in)
	if bad != nil {
		return bad
	}
	status := http.StatusOK
	if created {
		status = http.StatusCreated
	}
	sandbox.WriteJSON(w, status, saved(id, "created", created))
	return nil
}

func (s *server) remove(w http.ResponseWriter, r *http.Request) *fault {
	return s.removeRow(w, r, r.PathValue("id"))
}

func (s *server) removeExternal(w http.ResponseWriter, r *http.Request) *fault {
	id, bad := s.external(r)
	if bad != nil {
		return bad
	}
	return s.removeRow(w, r, id)
}

func (s *server) removeRow(w http.ResponseWriter, r *http.Request, id string) *fault {
	t, bad := s.table(r.PathValue("type"))
	if bad != nil {
		return bad
	}
	if bad := s.store.remove(t, id, ""); bad != nil {
		return bad
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// between reads the range of /deleted and /updated.
func (s *server) between(r *http.Request) (from, to time.Time, bad *fault) {
	q := r.URL.Query()
	// A plus sign that nobody escaped comes as a space.
	from, ok := parseTime(strings.ReplaceAll(q.Get("start"), " ", "+"))
	to, also := parseTime(strings.ReplaceAll(q.Get("end"), " ", "+"))
	now := s.desk.Clock.Now()
	switch {
	case !ok || !also:
		return from, to, failed(http.StatusBadRequest, "INVALID_REPLICATION_DATE", "start and end are required ISO 8601 times")
	case from.Before(now.AddDate(0, 0, -30)):
		return from, to, failed(http.StatusBadRequest, "INVALID_REPLICATION_DATE", "startDate before org replication enabled date or more than 30 days ago")
	case to.Sub(from) < time.Minute:
		return from, to, failed(http.StatusBadRequest, "INVALID_REPLICATION_DATE", "endDate must be at least one minute greater than startDate")
	}
	return from, to, nil
}

func (s *server) deleted(w http.ResponseWriter, r *http.Request) *fault {
	t, bad := s.table(r.PathValue("type"))
	if bad != nil {
		return bad
	}
	from, to, bad := s.between(r)
	if bad != nil {
		return bad
	}
	list := []map[string]any{}
	for _, row := range t.rows { // purged ones too: this list knows them still
		if row.deleted && !row.at.Before(from) && row.at.Before(to) {
			list = append(list, map[string]any{"id": row.id, "deletedDate": row.at.Format(restTime)})
		}
	}
	slices.SortFunc(list, func(a, b map[string]any) int { return cmp.Compare(a["id"].(string), b["id"].(string)) })
	sandbox.WriteJSON(w, http.StatusOK, map[string]any{
		"deletedRecords": list, "earliestDateAvailable": s.desk.Clock.Now().AddDate(0, 0, -30).Format(restTime), "latestDateCovered": to.Format(restTime),
	})
	return nil
}

func (s *server) updated(w http.ResponseWriter, r *http.Request) *fault {
	t, bad := s.table(r.PathValue("type"))
	if bad != nil {
		return bad
	}
	from, to, bad := s.between(r)
	if bad != nil {
		return bad
	}
	ids := []string{}
	for _, row := range t.live(false) {
		if !row.at.Before(from) && row.at.Before(to) {
			ids = append(ids, row.id)
		}
	}
	sandbox.WriteJSON(w, http.StatusOK, map[string]any{"ids": ids, "latestDateCovered": to.Format(restTime)})
	return nil
}
