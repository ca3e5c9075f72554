package klaviyo

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/headwater-cdp/headwater/connectors/sandbox"
)

// job is work that the vendor took on: it is done a while later, and what failed is
// told apart.
type job struct {
	id, kind                 string
	created, begins, due     time.Time
	total, completed, failed int
	skipped                  int
	done                     bool
	lists                    []string
	imported                 []string
	errors                   []object
	run                      func(*job)
}

// enqueue takes a job on.
func (s *Server) enqueue(kind string, total int, run func(*job)) *job {
	now := s.now()
	s.serial++
	j := &job{
		id:   base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "%s:%s.%d", AccountID, kind, s.serial)),
		kind: kind, created: now, begins: now.Add(jobTime / 2), due: now.Add(jobTime), total: total, run: run,
	}
	s.jobs[j.id] = j
	s.pending = append(s.pending, j)
	return j
}

// work does the jobs that are due. It runs before each request, so that nothing has
// to run beside them.
func (s *Server) work() {
	now := s.now()
	for len(s.pending) > 0 && !s.pending[0].due.After(now) {
		j := s.pending[0]
		s.pending = s.pending[1:]
		j.run(j)
		j.done, j.run = true, nil
	}
}

func (s *Server) status(j *job) string {
	switch {
	case j.done:
		return "complete"
	case s.now().Before(j.begins):
		return "queued"
	}
	return "processing"
}

const importKind = "profile-bulk-import-job"

// maxImport is how many profiles one job takes.
const maxImport = 10000

func (s *Server) createImport(r *http.Request, body []byte) (int, any, *fault) {
	var in struct {
		Data struct {
			Type       string `json:"type"`
			Attributes struct {
				Profiles struct {
					Data []json.RawMessage `json:"data"`
				} `json:"profiles"`
			} `json:"attributes"`
			Relationships struct {
				Lists struct {
					Data []struct {
						Type string `json:"type"`
						ID   string `json:"id"`
					} `json:"data"`
				} `json:"lists"`
			} `json:"relationships"`
		} `json:"data"`
	}
	if problem := decode(body, &in); problem != nil {
		return 0, nil, problem
	}
	profiles := in.Data.Attributes.Profiles.Data
	switch {
	case in.Data.Type != importKind:
		return 0, nil, invalid("The resource type must be `"+importKind+"`.", "/data/type")
	case len(profiles) == 0:
		return 0, nil, invalid("'profiles' must hold at least one profile.", "/data/attributes/profiles/data")
	case len(profiles) > maxImport:
		return 0, nil, invalid(fmt.Sprintf("A job takes at most %d profiles.", maxImport), "/data/attributes/profiles/data")
	}
	var joins []string
	for i, each := range in.Data.Relationships.Lists.Data {
		if s.lists[each.ID] == nil {
			return 0, nil, notFound("A list with the given id does not exist.", fmt.Sprintf("/data/relationships/lists/data/%d/id", i))
		}
		joins = append(joins, each.ID)
	}
	j := s.enqueue(importKind, len(profiles), func(j *job) { s.runImport(j, profiles) })
	j.lists = joins
	return http.StatusAccepted, object{"data": s.presentImport(r, j), "links": links(r, nil)}, nil
}

func (s *Server) runImport(j *job, profiles []json.RawMessage) {
	for i, raw := range profiles {
		var in resource
		at := fmt.Sprintf("/data/attributes/profiles/data/%d", i)
		problem := decode(raw, &in)
		var p *profile
		if problem == nil {
			var c change
			if c, problem = in.check(at); problem == nil {
				p, _, problem = s.upsert(c, at)
			}
		}
		if problem != nil {
			j.failed++
			j.errors = append(j.errors, importError(j, problem, in))
			continue
		}
		j.completed++
		j.imported = append(j.imported, p.id)
		for _, id := range j.lists {
			if l := s.lists[id]; l != nil {
				s.join(l, p)
			}
		}
	}
}

// importError tells one failure with what was sent, flat, as the vendor does.
func importError(j *job, f *fault, sent resource) object {
	payload := object{}
	for name, value := range sent.Attributes {
		payload[name] = value
	}
	if sent.ID != nil {
		payload["id"] = *sent.ID
	}
	source := f.Source
	if source == nil {
		source = object{"pointer": "/data"}
	}
	return object{"type": "import-error", "id": fmt.Sprintf("%s-%06d", j.id, len(j.errors)), "attributes": object{
		"code": f.Code, "title": f.Title, "detail": f.Detail, "source": source, "original_payload": payload,
	}}
}

func (s *Server) presentImport(r *http.Request, j *job) object {
	self := sandbox.BaseURL(r) + "/api/profile-bulk-import-jobs/" + j.id + "/"
	attributes := object{
		"status": s.status(j), "created_at": stamp(j.created), "total_count": j.total, "completed_count": j.completed,
		"failed_count": j.failed, "completed_at": nil, "started_at": nil, "expires_at": stamp(j.created.Add(7 * 24 * time.Hour)),
	}
	if j.done {
		attributes["completed_at"] = stamp(j.due)
	}
	if s.status(j) != "queued" {
		attributes["started_at"] = stamp(j.begins)
	}
	related := func(name string) object {
		return object{"self": self + "relationships/" + name + "/", "related": self + name + "/"}
	}
	joins := []object{}
	for _, id := range j.lists {
		joins = append(joins, object{"type": "list", "id": id})
	}
	return object{
		"type": importKind, "id": j.id, "attributes": attributes, "links": object{"self": self},
		"relationships": object{
			"lists":         object{"data": joins, "links": related("lists")},
			"profiles":      object{"links": related("profiles")},
			"import-errors": object{"links": object{"related": self + "import-errors/"}},
		},
	}
}

func (s *Server) importOf(r *http.Request) (*job, *fault) {
	if j := s.jobs[r.PathValue("id")]; j != nil && j.kind == importKind {
		return j, nil
	}
	return nil, notFound("A bulk profile import job with the given id does not exist.", "")
}

func (s *Server) getImport(r *http.Request, _ []byte) (int, any, *fault) {
	j, problem := s.importOf(r)
	if problem != nil {
		return 0, nil, problem
	}
	return http.StatusOK, object{"data": s.presentImport(r, j), "links": links(r, nil)}, nil
}

func (s *Server) listImports(r *http.Request, _ []byte) (int, any, *fault) {
	filters, problem := parseFilter(r.URL.Query().Get("filter"), map[string][]string{"status": {"any", "equals"}})
	if problem != nil {
		return 0, nil, problem
	}
	var found []*job
	for _, j := range s.jobs {
		if j.kind == importKind && !slices.ContainsFunc(filters, func(f filter) bool { return !f.text(s.status(j)) }) {
			found = append(found, j)
		}
	}
	key := func(j *job) string { return stamp(j.created) + j.id }
	slices.SortFunc(found, func(a, b *job) int { return cmp.Compare(key(a), key(b)) })
	found, links, problem := page(r, found, key, 20, 100)
	if problem != nil {
		return 0, nil, problem
	}
	data := make([]object, 0, len(found))
	for _, j := range found {
		data = append(data, s.presentImport(r, j))
	}
	return http.StatusOK, object{"data": data, "links": links}, nil
}

func (s *Server) importErrors(r *http.Request, _ []byte) (int, any, *fault) {
	j, problem := s.importOf(r)
	if problem != nil {
		return 0, nil, problem
	}
	found, links, problem := page(r, j.errors, func(o object) string { return o["id"].(string) }, 20, 100)
	if problem != nil {
		return 0, nil, problem
	}
	if found == nil {
		found = []object{}
	}
	return http.StatusOK, object{"data": found, "links": links}, nil
}
