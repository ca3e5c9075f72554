package salesforce

import (
	"net/http"
	"strings"

	"github.com/headwater-cdp/headwater/connectors/sandbox"
)

// maxCollection is how many records one request to a collection may have.
const maxCollection = 200

// collection is the body of the collections that write.
type collection struct {
	AllOrNone bool             `json:"allOrNone"`
	Records   []map[string]any `json:"records"`
}

// write does one thing per record and answers 200 with the results in order, even
// when some or all failed.
func (s *server) write(w http.ResponseWriter, in collection, one func(record map[string]any) (map[string]any, *fault)) *fault {
	if len(in.Records) > maxCollection {
		return failed(http.StatusBadRequest, "EXCEEDED_ID_LIMIT", "record limit reached. cannot submit more than 200 records in this call", []string{}...)
	}
	results := make([]map[string]any, 0, len(in.Records))
	good := true
	s.store.begin()
	for _, record := range in.Records {
		result, bad := one(record)
		if bad != nil {
			good, result = false, bad.result()
		}
		results = append(results, result)
	}
	keep := good || !in.AllOrNone
	s.store.end(keep)
	if !keep {
		for i, result := range results {
			if result["success"] == true {
				results[i] = failed(0, "ALL_OR_NONE_OPERATION_ROLLED_BACK", "Record rolled back because not all records were valid and the request was using AllOrNone header").result()
			}
		}
	}
	sandbox.WriteJSON(w, http.StatusOK, results)
	return nil
}

// typed is the table that a record's attributes name.
func (s *server) typed(record map[string]any) (*table, *fault) {
	attributes, _ := record["attributes"].(map[string]any)
	name, _ := attributes["type"].(string)
	if name == "" {
		return nil, failed(http.StatusBadRequest, "INVALID_INPUT", "Include attributes.type in each record")
	}
	if t := s.store.tables[strings.ToLower(name)]; t != nil {
		return t, nil
	}
	return nil, failed(http.StatusBadRequest, "INVALID_TYPE", "sObject type '"+name+"' is not supported.")
}

func (s *server) createMany(w http.ResponseWriter, r *http.Request) *fault {
	in, bad := body[collection](r)
	if bad != nil {
		return bad
	}
	return s.write(w, in, func(record map[string]any) (map[string]any, *fault) {
		t, bad := s.typed(record)
		if bad != nil {
			return nil, bad
		}
		id, bad := s.store.insert(t, record)
		return saved(id), bad
	})
}

func (s *server) updateMany(w http.ResponseWriter, r *http.Request) *fault {
	in, bad := body[collection](r)
	if bad != nil {
		return bad
	}
	return s.write(w, in, func(record map[string]any) (map[string]any, *fault) {
		t, bad := s.typed(record)
		if bad != nil {
			return nil, bad
		}
		var id string
		fields := map[string]any{}
		for name, v := range record {
			if strings.EqualFold(name, "Id") {
				id, _ = v.(string)
				continue
			}
			fields[name] = v
		}
		if id == "" {
			return nil, failed(http.StatusBadRequest, "MISSING_ARGUMENT", "Id not specified in an update call")
		}
		if bad := s.store.update(t, id, fields); bad != nil {
			return nil, gone(bad)
		}
		return saved(id18(id)), nil
	})
}

// gone is how a collection says that there is no such record.
func gone(bad *fault) *fault {
	if bad.code == "NOT_FOUND" {
		return failed(http.StatusBadRequest, "INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id")
	}
	return bad
}

func (s *server) upsertMany(w http.ResponseWriter, r *http.Request) *fault {
	t, bad := s.table(r.PathValue("type"))
	if bad != nil {
		return bad
	}
	if bad := t.lookup(r.PathValue("field")); bad != nil {
		return bad
	}
	in, bad := body[collection](r)
	if bad != nil {
		return bad
	}
	seen := map[string]int{}
	for _, record := range in.Records {
		key, _ := record[externalID.name].(string)
		seen[strings.ToLower(key)]++
	}
	return s.write(w, in, func(record map[string]any) (map[string]any, *fault) {
		if named, bad := s.typed(record); bad != nil {
			return nil, bad
		} else if named != t {
			return nil, failed(http.StatusBadRequest, "INVALID_TYPE", "all records of an upsert have the type of the request's address")
		}
		key, _ := record[externalID.name].(string)
		switch {
		case key == "":
			return nil, failed(http.StatusBadRequest, "MISSING_ARGUMENT", externalID.name+" not specified", []string{}...)
		case seen[strings.ToLower(key)] > 1:
			return nil, failed(http.StatusBadRequest, "DUPLICATE_VALUE", "Duplicate external id specified: "+key, externalID.name)
		}
		id, created, bad := s.store.upsert(t, key, record)
		return saved(id, "created", created), bad
	})
}

func (s *server) removeMany(w http.ResponseWriter, r *http.Request) *fault {
	ids := strings.Split(r.URL.Query().Get("ids"), ",")
	in := collection{AllOrNone: r.URL.Query().Get("allOrNone") == "true"}
	for _, id := range ids {
		in.Records = append(in.Records, map[string]any{"Id": id})
	}
	return s.write(w, in, func(record map[string]any) (map[string]any, *fault) {
		id, _ := record["Id"].(string)
		t := s.byPrefix(id)
		if t == nil {
			return nil, failed(http.StatusBadRequest, "MALFORMED_ID", "malformed id "+id, []string{}...)
		}
		if bad := s.store.remove(t, id, ""); bad != nil {
			return nil, gone(bad)
		}
		return saved(id18(id)), nil
	})
}

// byPrefix finds the object by an id's first three characters.
func (s *server) byPrefix(id string) *table {
	if id15(id) == "" {
		return nil
	}
	for _, t := range s.store.tables {
		if t.object.prefix == id[:3] {
			return t
		}
	}
	return nil
}

// retrieveMany answers records by id in their order, null for those it has not.
func (s *server) retrieveMany(w http.ResponseWriter, r *http.Request) *fault {
	t, bad := s.table(r.PathValue("type"))
	if bad != nil {
		return bad
	}
	in, bad := body[struct {
		IDs    []string `json:"ids"`
		Fields []string `json:"fields"`
	}](r)
	if bad != nil {
		return bad
	}
	if len(in.IDs) > 2000 {
		return failed(http.StatusBadRequest, "EXCEEDED_ID_LIMIT", "record limit reached. cannot submit more than 2000 records in this call", []string{}...)
	}
	fields, bad := chosen(t.object, strings.Join(in.Fields, ","))
	if bad != nil {
		return bad
	}
	records := make([]any, len(in.IDs))
	for i, id := range in.IDs {
		if row, bad := t.find(id); bad == nil {
			records[i] = shown(t.object, row, fields, base(r))
		}
	}
	sandbox.WriteJSON(w, http.StatusOK, records)
	return nil
}
