package hubspot

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/headwater-cdp/headwater/connectors/sandbox"
)

// maxBatch is how many inputs a batch may have.
const maxBatch = 100

// input is one input of a batch; each kind of batch reads what it needs.
type input struct {
	ID         string         `json:"id"`
	IDProperty string         `json:"idProperty"`
	Properties map[string]any `json:"properties"`
	Trace      string         `json:"objectWriteTraceId"`
}

type batch struct {
	Inputs     []input  `json:"inputs"`
	IDProperty string   `json:"idProperty"`
	Properties []string `json:"properties"`
}

func (s *server) batch(r *http.Request) (*table, batch, *fault) {
	t, bad := s.store.table(r.PathValue("type"))
	if bad != nil {
		return nil, batch{}, bad
	}
	in, bad := body[batch](r)
	switch {
	case bad != nil:
		return nil, in, bad
	case len(in.Inputs) == 0:
		return nil, in, invalid("Invalid input JSON on line 1, column 1: inputs must not be empty")
	case len(in.Inputs) > maxBatch:
		return nil, in, invalid("The maximum number of inputs supported in a batch request is %d, but this request has %d", maxBatch, len(in.Inputs))
	}
	return t, in, nil
}

// writeBatch does one thing per input. With a trace id on any input each stands for
// itself, and failures make the status 207; without, the first failure is the
// answer to all, and nothing is done.
func (s *server) writeBatch(w http.ResponseWriter, in batch, status int, check func(input) *fault, one func(input) (map[string]any, *fault)) *fault {
	traced := false
	for _, i := range in.Inputs {
		traced = traced || i.Trace != ""
	}
	begun := s.desk.Clock.Now()
	if !traced {
		for _, i := range in.Inputs {
			if bad := check(i); bad != nil {
				return bad
			}
		}
	}
	results, errors := []any{}, []any{}
	for _, i := range in.Inputs {
		result, bad := one(i)
		if bad != nil {
			if !traced {
				return bad
			}
			errors = append(errors, bad.inBatch(i.Trace))
			continue
		}
		if i.Trace != "" {
			result["objectWriteTraceId"] = i.Trace
		}
		results = append(results, result)
	}
	answerBatch(w, status, begun, s.desk.Clock.Now(), results, errors)
	return nil
}

func answerBatch(w http.ResponseWriter, status int, begun, done time.Time, results, errors []any) {
	answer := map[string]any{"status": "COMPLETE", "results": results, "startedAt": stamp(begun), "completedAt": stamp(done)}
	if len(errors) > 0 {
		status = http.StatusMultiStatus
		answer["numErrors"], answer["errors"] = len(errors), errors
	}
	sandbox.WriteJSON(w, status, answer)
}

func (s *server) batchCreate(w http.ResponseWriter, r *http.Request) *fault {
	t, in, bad := s.batch(r)
	if bad != nil {
		return bad
	}
	check := func(i input) *fault {
		values, bad := t.clean(i.Properties)
		if bad != nil {
			return bad
		}
		return t.taken(values, 0)
	}
	return s.writeBatch(w, in, http.StatusCreated, check, func(i input) (map[string]any, *fault) {
		row, bad := s.store.create(t, i.Properties, byApp)
		if bad != nil {
			return nil, bad
		}
		return t.written(row), nil
	})
}

func (s *server) batchUpdate(w http.ResponseWriter, r *http.Request) *fault {
	t, in, bad := s.batch(r)
	if bad != nil {
		return bad
	}
	check := func(i input) *fault {
		row, bad := t.lookup(i.IDProperty, i.ID)
		if bad != nil {
			return bad
		}
		values, bad := t.clean(i.Properties)
		if bad != nil {
			return bad
		}
		return t.taken(values, row.id)
	}
	return s.writeBatch(w, in, http.StatusOK, check, func(i input) (map[string]any, *fault) {
		row, bad := t.lookup(i.IDProperty, i.ID)
		if bad != nil {
			return nil, bad
		}
		if row, bad = s.store.update(t, row, i.Properties, byApp); bad != nil {
			return nil, bad
		}
		return t.written(row), nil
	})
}

func (s *server) batchUpsert(w http.ResponseWriter, r *http.Request) *fault {
	t, in, bad := s.batch(r)
	if bad != nil {
		return bad
	}
	seen := map[string]bool{}
	for _, i := range in.Inputs {
		if i.IDProperty == "" {
			return invalid("Some required fields were not set: [idProperty]")
		}
		if p, ok := t.kind.property(i.IDProperty); !ok || !p.HasUniqueValue {
			return invalid("Property %s is not a unique property on object type %s", i.IDProperty, t.kind.id)
		}
		key := strings.ToLower(i.ID)
		if seen[key] {
			return invalid("Duplicate IDs found in batch input: [%s]. IDs must be unique", i.ID)
		}
		seen[key] = true
	}
	check := func(i input) *fault {
		values, bad := t.clean(i.Properties)
		if bad != nil {
			return bad
		}
		var self int64
		if row, missing := t.lookup(i.IDProperty, i.ID); missing == nil {
			self = row.id
		}
		return t.taken(values, self)
	}
	return s.writeBatch(w, in, http.StatusOK, check, func(i input) (map[string]any, *fault) {
		row, missing := t.lookup(i.IDProperty, i.ID)
		isNew := missing != nil
		var bad *fault
		if isNew {
			with := map[string]any{i.IDProperty: i.ID}
			for name, v := range i.Properties {
				with[name] = v
			}
			row, bad = s.store.create(t, with, byApp)
		} else {
			row, bad = s.store.update(t, row, i.Properties, byApp)
		}
		if bad != nil {
			return nil, bad
		}
		out := t.written(row)
		out["new"] = isNew
		return out, nil
	})
}

func (s *server) batchRead(w http.ResponseWriter, r *http.Request) *fault {
	t, in, bad := s.batch(r)
	if bad != nil {
		return bad
	}
	begun := s.desk.Clock.Now()
	results, errors := []any{}, []any{}
	var missing []string
	for _, i := range in.Inputs {
		row, bad := t.lookup(in.IDProperty, i.ID)
		if bad != nil {
			if bad.category != "OBJECT_NOT_FOUND" {
				return bad
			}
			missing = append(missing, i.ID)
			continue
		}
		results = append(results, t.shown(row, in.Properties))
	}
	if missing != nil {
		f := failed(http.StatusNotFound, "OBJECT_NOT_FOUND", fmt.Sprintf("Could not get some %s objects, they may be deleted or not exist. Check that ids are valid.", strings.ToUpper(t.kind.singular)))
		f.context = map[string][]string{"ids": missing}
		errors = append(errors, f.inBatch(""))
	}
	answerBatch(w, http.StatusOK, begun, s.desk.Clock.Now(), results, errors)
	return nil
}

func (s *server) batchArchive(w http.ResponseWriter, r *http.Request) *fault {
	t, in, bad := s.batch(r)
	if bad != nil {
		return bad
	}
	for _, i := range in.Inputs {
		if _, err := strconv.ParseInt(i.ID, 10, 64); err != nil {
			return invalid("Invalid object ID: %s", i.ID)
		}
		if row, bad := t.find(i.ID); bad == nil {
			s.store.archive(t, row, byApp)
		}
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
