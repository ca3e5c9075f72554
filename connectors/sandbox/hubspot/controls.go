package hubspot

import (
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/headwater-cdp/headwater/connectors/sandbox"
)

// control reads the body of a control request and does it under the lock.
func control[T any](s *server, w http.ResponseWriter, r *http.Request, do func(in T) (any, *fault)) {
	var in T
	dec := json.NewDecoder(r.Body)
	dec.DisallowUnknownFields()
	dec.UseNumber()
	if err := dec.Decode(&in); err != nil {
		sandbox.WriteJSON(w, http.StatusBadRequest, map[string]string{"error": err.Error()})
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	out, bad := do(in)
	if bad != nil {
		sandbox.WriteJSON(w, http.StatusBadRequest, map[string]string{"error": bad.Error()})
		return
	}
	sandbox.WriteJSON(w, http.StatusOK, out)
}

type edit struct {
	ObjectType string         `json:"objectType"`
	ID         string         `json:"id"`
	Properties map[string]any `json:"properties"`
}

// controlEdit changes a record, or makes one, as somebody in the vendor's pages does.
func (s *server) controlEdit(w http.ResponseWriter, r *http.Request) {
	control(s, w, r, func(in edit) (any, *fault) {
		t, bad := s.store.table(in.ObjectType)
		if bad != nil {
			return nil, bad
		}
		var row *row
		if in.ID == "" {
			row, bad = s.store.create(t, in.Properties, byHand)
		} else if row, bad = t.find(in.ID); bad == nil {
			row, bad = s.store.update(t, row, in.Properties, byHand)
		}
		if bad != nil {
			return nil, bad
		}
		return t.written(row), nil
	})
}

func (s *server) controlRemove(w http.ResponseWriter, r *http.Request) {
	control(s, w, r, func(in edit) (any, *fault) {
		t, bad := s.store.table(in.ObjectType)
		if bad != nil {
			return nil, bad
		}
		row, bad := t.find(in.ID)
		if bad != nil {
			return nil, bad
		}
		s.store.archive(t, row, byHand)
		return map[string]bool{"removed": true}, nil
	})
}

func (s *server) controlExpire(w http.ResponseWriter, r *http.Request) {
	type input struct {
		Tokens  bool `json:"tokens"`
		Refresh bool `json:"refresh"`
	}
	control(s, w, r, func(in input) (any, *fault) {
		if in.Tokens {
			for token := range s.auth.tokens {
				s.auth.tokens[token] = s.desk.Clock.Now()
			}
		}
		if in.Refresh {
			clear(s.auth.refresh)
		}
		return in, nil
	})
}

func (s *server) controlOAuth(w http.ResponseWriter, r *http.Request) {
	type input struct {
		Scopes string `json:"scopes"`
	}
	control(s, w, r, func(in input) (any, *fault) {
		s.auth.scopes = in.Scopes
		return in, nil
	})
}

func (s *server) controlEvents(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := s.events
	if list == nil {
		list = []sentEvent{}
	}
	sandbox.WriteJSON(w, http.StatusOK, list)
}

// Names to make people up of.
var (
	firstNames = []string{"Mara", "Jonas", "Aïcha", "Wei", "Zoë", "Olu", "Ines", "Teodor", "Yuki", "Brigid"}
	lastNames  = []string{"Lindqvist", "Okafor", "Nakamura", "Brandt", "Ó Briain", "Costa", "Haddad", "Novák", "Silva", "Ward"}
	cities     = []string{"Graz", "Porto", "Malmö", "Gdańsk", "Utrecht"}
)

// seed makes n contacts, and a company and a deal for every tenth.
func (s *server) seed(n int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	begun := len(s.store.tables["0-1"].rows)
	for i := begun; i < begun+n; i++ {
		contact, bad := s.store.create(s.store.tables["0-1"], map[string]any{
			"email": fmt.Sprintf("person%d@example.com", i), "firstname": firstNames[i%10], "lastname": lastNames[i/10%10],
			"city": cities[i%5], "phone": fmt.Sprintf("+4366020%06d", i%1_000_000),
		}, byHand)
		if bad != nil {
			return bad
		}
		if i%10 != 0 {
			continue
		}
		company, bad := s.store.create(s.store.tables["0-2"], map[string]any{"name": fmt.Sprintf("%s & Co. %d", lastNames[i/10%10], i/10), "domain": fmt.Sprintf("company%d.example", i/10)}, byHand)
		if bad != nil {
			return bad
		}
		if _, bad := s.store.create(s.store.tables["0-3"], map[string]any{"dealname": fmt.Sprintf("Deal %d", i/10), "amount": fmt.Sprint(100 + i), "dealstage": "qualifiedtobuy", "pipeline": "default"}, byHand); bad != nil {
			return bad
		}
		if bad := s.associate(s.store.tables["0-1"], fmt.Sprint(contact.id), s.store.tables["0-2"], fmt.Sprint(company.id), nil); bad != nil {
			return bad
		}
	}
	return nil
}
