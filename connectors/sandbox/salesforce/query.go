package salesforce

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/headwater-cdp/headwater/connectors/sandbox"
)

// cursor is a result whose pages are still to come.
type cursor struct {
	query *soql
	rows  []*row
	size  int
	end   time.Time
}

// locatorLife is how long a cursor is kept.
const locatorLife = 48 * time.Hour

// prepare reads a query and says which rows answer it.
func (s *server) prepare(query string, deleted bool) (*soql, []*row, *fault) {
	q, bad := parseSOQL(query, func(name string) *object {
		if t := s.store.tables[strings.ToLower(name)]; t != nil {
			return t.object
		}
		return nil
	})
	if bad != nil {
		return nil, nil, bad
	}
	return q, q.run(s.store.tables[strings.ToLower(q.object.name)].live(deleted)), nil
}

func (s *server) query(w http.ResponseWriter, r *http.Request) *fault {
	text := r.URL.Query().Get("q")
	if text == "" {
		return failed(http.StatusBadRequest, "MALFORMED_QUERY", "A query string has to be specified")
	}
	q, rows, bad := s.prepare(text, strings.HasSuffix(r.URL.Path, "/queryAll"))
	if bad != nil {
		return bad
	}
	if q.count {
		sandbox.WriteJSON(w, http.StatusOK, map[string]any{"totalSize": len(rows), "done": true, "records": []any{}})
		return nil
	}
	size := 2000
	if options := r.Header.Get("Sforce-Query-Options"); options != "" {
		name, value, _ := strings.Cut(strings.ReplaceAll(options, " ", ""), "=")
		if n, err := strconv.Atoi(value); name == "batchSize" && err == nil {
			size = min(max(n, 200), 2000)
		}
	}
	s.made++
	s.page(w, r, makeID("01g", s.made), &cursor{query: q, rows: rows, size: size, end: s.desk.Clock.Now().Add(locatorLife)}, 0)
	return nil
}

// more answers a nextRecordsUrl: the cursor's id and how many records came before.
func (s *server) more(w http.ResponseWriter, r *http.Request) *fault {
	id, offset, _ := strings.Cut(r.PathValue("locator"), "-")
	at, err := strconv.Atoi(offset)
	c := s.locators[id]
	if err != nil || c == nil || at < 0 || at > len(c.rows) || !c.end.After(s.desk.Clock.Now()) {
		return failed(http.StatusBadRequest, "INVALID_QUERY_LOCATOR", "invalid query locator")
	}
	s.page(w, r, id, c, at)
	return nil
}

func (s *server) page(w http.ResponseWriter, r *http.Request, id string, c *cursor, at int) {
	end := min(at+c.size, len(c.rows))
	records := make([]map[string]any, 0, end-at)
	for _, row := range c.rows[at:end] {
		records = append(records, shown(c.query.object, row, c.query.fields, base(r)))
	}
	answer := map[string]any{"totalSize": len(c.rows), "done": end == len(c.rows), "records": records}
	if end < len(c.rows) {
		s.locators[id] = c
		answer["nextRecordsUrl"] = fmt.Sprintf("%s/query/%s-%d", base(r), id, end)
	}
	sandbox.WriteJSON(w, http.StatusOK, answer)
}
