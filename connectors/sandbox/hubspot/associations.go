package hubspot

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/headwater-cdp/headwater/connectors/sandbox"
)

type endpoint struct {
	ID string `json:"id"`
}

// spec is the kind of an association.
type spec struct {
	Category string `json:"associationCategory"`
	TypeID   int    `json:"associationTypeId"`
}

// pair is two types of records, by id.
type pair struct{ from, to string }

// unlabelled are the vendor's numbers of the plain kinds; custom types get theirs
// from the ids of the two.
var unlabelled = map[pair]int{
	{"0-1", "0-2"}: 279, {"0-2", "0-1"}: 280, {"0-3", "0-1"}: 3, {"0-1", "0-3"}: 4, {"0-3", "0-2"}: 341, {"0-2", "0-3"}: 342,
	{"0-1", "0-1"}: 449,
}

// primary is the kind that has a label: a contact's first company, and back.
var primary = map[pair]int{{"0-1", "0-2"}: 1, {"0-2", "0-1"}: 2, {"0-3", "0-2"}: 5, {"0-2", "0-3"}: 6}

func plain(p pair) spec {
	if id, ok := unlabelled[p]; ok {
		return spec{"HUBSPOT_DEFINED", id}
	}
	var n int
	for _, c := range p.from + "|" + p.to {
		n = (n*31 + int(c)) % 9000
	}
	return spec{"USER_DEFINED", 1000 + n}
}

// origin is one end of associations: a record, and the type it is linked with.
type origin struct {
	pair
	id int64
}

// links are the associations with their kinds, by both ends; each stands there the
// other way round too.
type links map[origin]map[int64][]spec

// add tells whether anything is new.
func (l links) add(from origin, to int64, types []spec) bool {
	if l[from] == nil {
		l[from] = map[int64][]spec{}
	}
	had := l[from][to]
	for _, kind := range types {
		if !slices.Contains(had, kind) {
			had = append(had, kind)
		}
	}
	added := len(had) > len(l[from][to])
	l[from][to] = had
	return added
}

// remove tells whether it was there.
func (l links) remove(from origin, to int64) bool {
	_, had := l[from][to]
	delete(l[from], to)
	return had
}

func (s *server) associationRoutes(api func(pattern, scope string, do handler)) {
	api("POST /crm/v4/associations/{type}/{to}/batch/create", "write", s.associateMany)
	api("POST /crm/v4/associations/{type}/{to}/batch/associate/default", "write", s.associatePlain)
	api("POST /crm/v4/associations/{type}/{to}/batch/archive", "write", s.dissociateMany)
	api("POST /crm/v4/associations/{type}/{to}/batch/read", "read", s.readMany)
	api("PUT /crm/v4/objects/{type}/{id}/associations/default/{to}/{toId}", "write", s.associateOne)
	api("PUT /crm/v4/objects/{type}/{id}/associations/{to}/{toId}", "write", s.associateOne)
	api("DELETE /crm/v4/objects/{type}/{id}/associations/{to}/{toId}", "write", s.dissociateOne)
	api("GET /crm/v4/objects/{type}/{id}/associations/{to}", "read", s.readOne)
}

func (s *server) ends(r *http.Request) (from, to *table, bad *fault) {
	if from, bad = s.store.table(r.PathValue("type")); bad != nil {
		return nil, nil, bad
	}
	to, bad = s.store.table(r.PathValue("to"))
	return from, to, bad
}

// associate links two records. Without the other's type the kind says what it is.
func (s *server) associate(from *table, fromID string, to *table, toID string, types []spec) *fault {
	if to == nil {
		for p, id := range unlabelled {
			if p.from == from.kind.id && len(types) > 0 && (types[0].TypeID == id || types[0].TypeID == primary[p]) {
				to = s.store.tables[p.to]
			}
		}
		if to == nil {
			return invalid("Invalid association type for object type %s", from.kind.id)
		}
	}
	there := pair{from.kind.id, to.kind.id}
	back := pair{to.kind.id, from.kind.id}
	for _, kind := range types {
		if kind != plain(there) && (kind.TypeID != primary[there] || kind.TypeID == 0) {
			return invalid("One or more association types in the request is not valid: typeId %d between %s and %s", kind.TypeID, there.from, there.to)
		}
	}
	a, bad := from.find(fromID)
	if bad != nil {
		return missing(from, fromID)
	}
	b, bad := to.find(toID)
	if bad != nil {
		return missing(to, toID)
	}
	if types == nil {
		types = []spec{plain(there)}
	}
	added := s.links.add(origin{there, a.id}, b.id, types)
	backwards := []spec{plain(back)}
	for _, kind := range types {
		if kind.TypeID == primary[there] && kind.TypeID != 0 {
			backwards = append(backwards, spec{"HUBSPOT_DEFINED", primary[back]})
		}
	}
	s.links.add(origin{back, b.id}, a.id, backwards)
	if added {
		s.emit(change{table: from, kind: "associationChange", row: a, other: b.id, to: to, by: byApp})
	}
	return nil
}

func missing(t *table, id string) *fault {
	f := failed(http.StatusNotFound, "OBJECT_NOT_FOUND", fmt.Sprintf("No %s with ID %s exists", strings.ToLower(t.kind.singular), id))
	f.context = map[string][]string{"objectId": {id}}
	return f
}

func (s *server) unlink(from *table, fromID string, to *table, toID string) {
	a, _ := strconv.ParseInt(fromID, 10, 64)
	b, _ := strconv.ParseInt(toID, 10, 64)
	gone := s.links.remove(origin{pair{from.kind.id, to.kind.id}, a}, b)
	s.links.remove(origin{pair{to.kind.id, from.kind.id}, b}, a)
	if r := from.rows[a]; gone && r != nil {
		s.emit(change{table: from, kind: "associationChange", row: r, other: b, to: to, removed: true, by: byApp})
	}
}

// dissociate takes all associations of a record away.
func (s *server) dissociate(t *table, id int64) {
	for _, to := range s.store.tables {
		here := origin{pair{t.kind.id, to.kind.id}, id}
		for other := range s.links[here] {
			s.links.remove(origin{pair{to.kind.id, t.kind.id}, other}, id)
		}
		delete(s.links, here)
	}
}

type multi struct {
	Inputs []struct {
		From  endpoint `json:"from"`
		To    endpoint `json:"to"`
		Types []spec   `json:"types"`
	} `json:"inputs"`
}

func (s *server) multi(r *http.Request) (from, to *table, in multi, bad *fault) {
	if from, to, bad = s.ends(r); bad != nil {
		return
	}
	if in, bad = body[multi](r); bad == nil && len(in.Inputs) > 2000 {
		bad = invalid("The maximum number of inputs supported in a batch request is 2000")
	}
	return
}

func (s *server) associateMany(w http.ResponseWriter, r *http.Request) *fault {
	from, to, in, bad := s.multi(r)
	if bad != nil {
		return bad
	}
	begun := s.desk.Clock.Now()
	results, errors := []any{}, []any{}
	for _, i := range in.Inputs {
		if len(i.Types) == 0 {
			return invalid("Some required fields were not set: [types]")
		}
		if bad := s.associate(from, i.From.ID, to, i.To.ID, i.Types); bad != nil {
			bad.context = map[string][]string{"fromObjectId": {i.From.ID}, "toObjectId": {i.To.ID}}
			errors = append(errors, bad.inBatch(""))
			continue
		}
		results = append(results, map[string]any{
			"fromObjectTypeId": from.kind.id, "fromObjectId": i.From.ID, "toObjectTypeId": to.kind.id, "toObjectId": i.To.ID, "labels": labelsOf(pair{from.kind.id, to.kind.id}, i.Types),
		})
	}
	answerBatch(w, http.StatusCreated, begun, s.desk.Clock.Now(), results, errors)
	return nil
}

func labelsOf(p pair, types []spec) []string {
	labels := []string{}
	for _, kind := range types {
		if kind.TypeID == primary[p] && kind.TypeID != 0 {
			labels = append(labels, "Primary")
		}
	}
	return labels
}

func (s *server) associatePlain(w http.ResponseWriter, r *http.Request) *fault {
	from, to, in, bad := s.multi(r)
	if bad != nil {
		return bad
	}
	begun := s.desk.Clock.Now()
	results, errors := []any{}, []any{}
	for _, i := range in.Inputs {
		if bad := s.associate(from, i.From.ID, to, i.To.ID, nil); bad != nil {
			bad.context = map[string][]string{"fromObjectId": {i.From.ID}, "toObjectId": {i.To.ID}}
			errors = append(errors, bad.inBatch(""))
			continue
		}
		results = append(results, map[string]any{"from": i.From, "to": i.To, "associationSpec": plain(pair{from.kind.id, to.kind.id})})
	}
	answerBatch(w, http.StatusOK, begun, s.desk.Clock.Now(), results, errors)
	return nil
}

func (s *server) associateOne(w http.ResponseWriter, r *http.Request) *fault {
	from, to, bad := s.ends(r)
	if bad != nil {
		return bad
	}
	var types []spec
	if !strings.Contains(r.URL.Path, "/associations/default/") {
		if types, bad = body[[]spec](r); bad != nil {
			return bad
		}
	}
	if bad := s.associate(from, r.PathValue("id"), to, r.PathValue("toId"), types); bad != nil {
		return bad
	}
	if types == nil {
		now := s.desk.Clock.Now()
		answerBatch(w, http.StatusOK, now, now, []any{map[string]any{
			"from": endpoint{r.PathValue("id")}, "to": endpoint{r.PathValue("toId")}, "associationSpec": plain(pair{from.kind.id, to.kind.id}),
		}}, nil)
		return nil
	}
	sandbox.WriteJSON(w, http.StatusCreated, map[string]any{
		"fromObjectTypeId": from.kind.id, "fromObjectId": r.PathValue("id"), "toObjectTypeId": to.kind.id, "toObjectId": r.PathValue("toId"),
		"labels": labelsOf(pair{from.kind.id, to.kind.id}, types),
	})
	return nil
}

func (s *server) dissociateOne(w http.ResponseWriter, r *http.Request) *fault {
	from, to, bad := s.ends(r)
	if bad != nil {
		return bad
	}
	s.unlink(from, r.PathValue("id"), to, r.PathValue("toId"))
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *server) dissociateMany(w http.ResponseWriter, r *http.Request) *fault {
	from, to, bad := s.ends(r)
	if bad != nil {
		return bad
	}
	in, bad := body[struct {
		Inputs []struct {
			From endpoint   `json:"from"`
			To   []endpoint `json:"to"`
		} `json:"inputs"`
	}](r)
	if bad != nil {
		return bad
	}
	for _, i := range in.Inputs {
		for _, end := range i.To {
			s.unlink(from, i.From.ID, to, end.ID)
		}
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// linked are the records of a type that one is associated with, in order.
func (s *server) linked(from *table, id int64, to *table) []map[string]any {
	p := pair{from.kind.id, to.kind.id}
	ends := s.links[origin{p, id}]
	list := []map[string]any{}
	for _, other := range slices.Sorted(maps.Keys(ends)) {
		types := []map[string]any{}
		for _, kind := range ends[other] {
			var label any
			if len(labelsOf(p, []spec{kind})) > 0 {
				label = "Primary"
			}
			types = append(types, map[string]any{"category": kind.Category, "typeId": kind.TypeID, "label": label})
		}
		list = append(list, map[string]any{"toObjectId": other, "associationTypes": types})
	}
	return list
}

func (s *server) readOne(w http.ResponseWriter, r *http.Request) *fault {
	from, to, bad := s.ends(r)
	if bad != nil {
		return bad
	}
	row, bad := from.find(r.PathValue("id"))
	if bad != nil {
		return bad
	}
	sandbox.WriteJSON(w, http.StatusOK, map[string]any{"results": s.linked(from, row.id, to)})
	return nil
}

func (s *server) readMany(w http.ResponseWriter, r *http.Request) *fault {
	from, to, bad := s.ends(r)
	if bad != nil {
		return bad
	}
	in, bad := body[struct {
		Inputs []endpoint `json:"inputs"`
	}](r)
	if bad != nil {
		return bad
	}
	begun := s.desk.Clock.Now()
	results, errors := []any{}, []any{}
	for _, i := range in.Inputs {
		id, _ := strconv.ParseInt(i.ID, 10, 64)
		list := s.linked(from, id, to)
		if len(list) == 0 {
			f := failed(http.StatusNotFound, "OBJECT_NOT_FOUND", fmt.Sprintf("No %s is associated with %s %s.", to.kind.singular, from.kind.singular, i.ID))
			f.context = map[string][]string{"fromObjectId": {i.ID}}
			one := f.inBatch("")
			one["subCategory"] = "crm.associations.NO_ASSOCIATIONS_FOUND"
			errors = append(errors, one)
			continue
		}
		results = append(results, map[string]any{"from": i, "to": list})
	}
	answerBatch(w, http.StatusOK, begun, s.desk.Clock.Now(), results, errors)
	return nil
}

// associationsOf is what ?associations= adds to a record, in the older form.
func (s *server) associationsOf(t *table, r *row, names []string) map[string]any {
	out := map[string]any{}
	for _, name := range names {
		to, bad := s.store.table(strings.TrimSpace(name))
		if bad != nil {
			continue
		}
		results := []map[string]string{}
		for _, one := range s.linked(t, r.id, to) {
			results = append(results, map[string]string{"id": fmt.Sprint(one["toObjectId"]), "type": t.kind.singular + "_to_" + to.kind.singular})
		}
		if len(results) > 0 {
			out[to.kind.plural] = map[string]any{"results": results}
		}
	}
	return out
}
