package hubspot

import (
	"bytes"
	"cmp"
	"encoding/json"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/headwater-cdp/headwater/connectors/sandbox"
)

// maxSearch is how far a search can be paged.
const maxSearch = 10_000

type filter struct {
	Property string   `json:"propertyName"`
	Operator string   `json:"operator"`
	Value    string   `json:"value"`
	High     string   `json:"highValue"`
	Values   []string `json:"values"`
}

type query struct {
	Groups []struct {
		Filters []filter `json:"filters"`
	} `json:"filterGroups"`
	Sorts      []json.RawMessage `json:"sorts"`
	Text       string            `json:"query"`
	Properties []string          `json:"properties"`
	Limit      json.Number       `json:"limit"`
	After      json.Number       `json:"after"`
}

// searched is the last search of a table, so that its next page need not look again.
type searched struct {
	key     string
	version int
	ids     []int64
}

func (s *server) searchObjects(w http.ResponseWriter, r *http.Request) *fault {
	t, bad := s.store.table(r.PathValue("type"))
	if bad != nil {
		return bad
	}
	in, bad := body[query](r)
	if bad != nil {
		return bad
	}
	limit, from := 10, 0
	for _, n := range []struct {
		text json.Number
		into *int
	}{{in.Limit, &limit}, {in.After, &from}} {
		if n.text != "" {
			v, err := strconv.Atoi(n.text.String())
			if err != nil || v < 0 {
				return invalid("Invalid input JSON on line 1, column 1: not a number: %s", n.text)
			}
			*n.into = v
		}
	}
	if limit < 1 || limit > 200 {
		return invalid("limit must be from 1 to 200")
	}
	if from+limit > maxSearch {
		return invalid("The total number of results that can be paged through is %d; request a smaller page or use filters", maxSearch)
	}
	ids, bad := t.search(in)
	if bad != nil {
		return bad
	}
	end := min(from+limit, len(ids))
	results := []any{}
	for _, id := range ids[min(from, end):end] {
		results = append(results, t.shown(t.rows[id], in.Properties))
	}
	answer := map[string]any{"total": len(ids), "results": results}
	if end < len(ids) {
		answer["paging"] = map[string]any{"next": map[string]string{"after": strconv.Itoa(end)}}
	}
	sandbox.WriteJSON(w, http.StatusOK, answer)
	return nil
}

// search returns the ids that match, in the order that is asked for.
func (t *table) search(in query) ([]int64, *fault) {
	key := in
	key.After, key.Limit, key.Properties = "", "", nil
	text, err := json.Marshal(key)
	if err != nil {
		return nil, invalid("Invalid input JSON: %v", err)
	}
	if t.last.key == string(text) && t.last.version == t.version && in.After != "" {
		return t.last.ids, nil
	}
	if len(in.Groups) > 5 {
		return nil, invalid("Too many filterGroups: there can be 5")
	}
	for _, g := range in.Groups {
		if len(g.Filters) > 6 {
			return nil, invalid("Too many filters: a group can have 6")
		}
		for _, f := range g.Filters {
			if bad := t.checkFilter(f); bad != nil {
				return nil, bad
			}
		}
	}
	var rows []*row
	for _, id := range t.order {
		if r := t.rows[id]; r.archived.IsZero() && t.matches(r, in) {
			rows = append(rows, r)
		}
	}
	if bad := t.sort(rows, in.Sorts); bad != nil {
		return nil, bad
	}
	ids := make([]int64, len(rows))
	for i, r := range rows {
		ids[i] = r.id
	}
	t.last = searched{key: string(text), version: t.version, ids: ids}
	return ids, nil
}

func (t *table) checkFilter(f filter) *fault {
	if _, ok := t.kind.property(f.Property); !ok {
		return invalid("There was a problem with the request.: property %q does not exist", f.Property)
	}
	switch f.Operator {
	case "IN", "NOT_IN":
		if len(f.Values) == 0 {
			return invalid("operator %s requires values", f.Operator)
		}
	case "BETWEEN":
		if f.Value == "" || f.High == "" {
			return invalid("operator BETWEEN requires value and highValue")
		}
	case "EQ", "NEQ", "LT", "LTE", "GT", "GTE", "CONTAINS_TOKEN", "NOT_CONTAINS_TOKEN":
		if f.Value == "" {
			return invalid("operator %s requires a value", f.Operator)
		}
	case "HAS_PROPERTY", "NOT_HAS_PROPERTY":
	default:
		return invalid("Invalid operator: %s", f.Operator)
	}
	return nil
}

// matches: any group all of whose filters hold, and the words of query somewhere.
func (t *table) matches(r *row, in query) bool {
	if in.Text != "" {
		found := false
		for _, name := range []string{"email", "firstname", "lastname", "phone", "company", "name", "domain", "dealname", "title"} {
			found = found || strings.Contains(strings.ToLower(r.values[name]), strings.ToLower(in.Text))
		}
		if !found {
			return false
		}
	}
	for _, g := range in.Groups {
		if !slices.ContainsFunc(g.Filters, func(f filter) bool { return !t.holds(r, f) }) {
			return true
		}
	}
	return len(in.Groups) == 0
}

func (t *table) holds(r *row, f filter) bool {
	p, _ := t.kind.property(f.Property)
	got := r.values[f.Property]
	switch f.Operator {
	case "HAS_PROPERTY":
		return got != ""
	case "NOT_HAS_PROPERTY":
		return got == ""
	case "NEQ":
		return got == "" || p.weigh(got, f.Value) != 0
	case "NOT_IN":
		return !slices.ContainsFunc(f.Values, func(v string) bool { return p.weigh(got, v) == 0 })
	case "NOT_CONTAINS_TOKEN":
		return !hasToken(got, f.Value)
	}
	if got == "" {
		return false
	}
	switch f.Operator {
	case "EQ":
		return p.weigh(got, f.Value) == 0
	case "LT":
		return p.weigh(got, f.Value) < 0
	case "LTE":
		return p.weigh(got, f.Value) <= 0
	case "GT":
		return p.weigh(got, f.Value) > 0
	case "GTE":
		return p.weigh(got, f.Value) >= 0
	case "BETWEEN":
		return p.weigh(got, f.Value) >= 0 && p.weigh(got, f.High) <= 0
	case "IN":
		return slices.ContainsFunc(f.Values, func(v string) bool { return p.weigh(got, v) == 0 })
	}
	return hasToken(got, f.Value)
}

// hasToken finds a word, in which a star stands for anything.
func hasToken(text, token string) bool {
	token = strings.ToLower(token)
	for word := range strings.FieldsFuncSeq(strings.ToLower(text), func(c rune) bool { return strings.ContainsRune(" ,;@", c) }) {
		if ok, err := path.Match(token, word); ok && err == nil {
			return true
		}
	}
	return strings.ToLower(text) == token
}

// weigh compares two values as the property's type does.
func (p property) weigh(a, b string) int {
	switch p.Type {
	case "number":
		x, errA := strconv.ParseFloat(a, 64)
		y, errB := strconv.ParseFloat(b, 64)
		if errA == nil && errB == nil {
			return cmp.Compare(x, y)
		}
	case "date", "datetime":
		x, okA := parseTime(a)
		y, okB := parseTime(b)
		if okA && okB {
			return x.Compare(y)
		}
	}
	return cmp.Compare(strings.ToLower(a), strings.ToLower(b))
}

// sort orders by the one sort that the vendor takes: a name, "-name", or an object.
func (t *table) sort(rows []*row, sorts []json.RawMessage) *fault {
	if len(sorts) == 0 {
		return nil
	}
	if len(sorts) > 1 {
		return invalid("Only one sort is supported")
	}
	var by struct {
		Property  string `json:"propertyName"`
		Direction string `json:"direction"`
	}
	if bytes.HasPrefix(sorts[0], []byte(`"`)) {
		var name string
		if err := json.Unmarshal(sorts[0], &name); err != nil {
			return invalid("Invalid sort")
		}
		by.Property = strings.TrimPrefix(name, "-")
		if by.Direction = "ASCENDING"; strings.HasPrefix(name, "-") {
			by.Direction = "DESCENDING"
		}
	} else if err := json.Unmarshal(sorts[0], &by); err != nil {
		return invalid("Invalid sort")
	}
	p, ok := t.kind.property(by.Property)
	if !ok {
		return invalid("There was a problem with the request.: property %q does not exist", by.Property)
	}
	slices.SortStableFunc(rows, func(a, b *row) int {
		c := p.weigh(a.values[p.Name], b.values[p.Name])
		if by.Direction == "DESCENDING" {
			return -c
		}
		return c
	})
	return nil
}
