package salesforce

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/headwater-cdp/headwater/connectors/sandbox"
)

// control reads the body of a control request and does it under the lock.
func control[T any](s *server, w http.ResponseWriter, r *http.Request, do func(in T) error) {
	var in T
	dec := json.NewDecoder(r.Body)
	dec.DisallowUnknownFields()
	err := dec.Decode(&in)
	if err == nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		err = do(in)
	}
	if err != nil {
		sandbox.WriteJSON(w, http.StatusBadRequest, map[string]string{"error": err.Error()})
		return
	}
	sandbox.WriteJSON(w, http.StatusOK, map[string]bool{"done": true})
}

func (s *server) controlOAuth(w http.ResponseWriter, r *http.Request) {
	type input struct {
		Rotate      *bool   `json:"rotateRefreshTokens"`
		Certificate string  `json:"certificate"`
		Scopes      *string `json:"scopes"`
	}
	control(s, w, r, func(in input) error {
		if in.Certificate != "" {
			key, err := certificate(in.Certificate)
			if err != nil {
				return err
			}
			s.auth.key = key
		}
		if in.Rotate != nil {
			s.auth.rotate = *in.Rotate
		}
		if in.Scopes != nil {
			s.auth.scopes = *in.Scopes
		}
		return nil
	})
}

func (s *server) controlBulk(w http.ResponseWriter, r *http.Request) {
	type input struct {
		Polls int `json:"polls"`
	}
	control(s, w, r, func(in input) error {
		s.polls = in.Polls
		return nil
	})
}

// controlMerge does what people do in the vendor's pages: the losers go, and say
// into which record.
func (s *server) controlMerge(w http.ResponseWriter, r *http.Request) {
	type input struct {
		Object string   `json:"object"`
		Winner string   `json:"winner"`
		Losers []string `json:"losers"`
	}
	control(s, w, r, func(in input) error {
		t, bad := s.table(in.Object)
		if bad != nil {
			return bad
		}
		if !t.object.mergeable() {
			return fmt.Errorf("records of %s cannot be merged", t.object.name)
		}
		winner, bad := t.find(in.Winner)
		if bad != nil {
			return bad
		}
		for _, id := range in.Losers {
			if bad := s.store.remove(t, id, winner.id); bad != nil {
				return bad
			}
		}
		if bad := s.store.update(t, winner.id, nil); bad != nil { // the winner is touched
			return bad
		}
		return nil
	})
}

// controlPurge deletes a record and empties the recycle bin of it.
func (s *server) controlPurge(w http.ResponseWriter, r *http.Request) {
	type input struct {
		Object string `json:"object"`
		ID     string `json:"id"`
	}
	control(s, w, r, func(in input) error {
		t, bad := s.table(in.Object)
		if bad != nil {
			return bad
		}
		if bad := s.store.remove(t, in.ID, ""); bad != nil && bad.code != "ENTITY_IS_DELETED" {
			return bad
		}
		if bad := s.store.purge(t, in.ID); bad != nil {
			return bad
		}
		return nil
	})
}

func (s *server) controlExpire(w http.ResponseWriter, r *http.Request) {
	type input struct {
		Tokens   bool `json:"tokens"`
		Locators bool `json:"locators"`
		Jobs     bool `json:"jobs"`
		Refresh  bool `json:"refresh"`
	}
	control(s, w, r, func(in input) error {
		if in.Tokens {
			clear(s.auth.tokens)
		}
		if in.Refresh {
			clear(s.auth.refresh)
		}
		if in.Locators {
			clear(s.locators)
		}
		if in.Jobs {
			clear(s.jobs)
		}
		return nil
	})
}

// Names to make people up of.
var (
	firstNames = []string{"Mara", "Jonas", "Aïcha", "Wei", "Zoë", "Olu", "Ines", "Teodor", "Yuki", "Brigid"}
	lastNames  = []string{"Lindqvist", "Okafor", "Nakamura", "Brandt", "Ó Briain", "Costa", "Haddad", "Novák", "Silva", "Ward"}
	cities     = []string{"Graz", "Porto", "Malmö", "Gdańsk", "Utrecht"}
)

// seed makes n contacts, an account for every ten, and a few of the rest. Many share
// a second, as after an import.
func (s *server) seed(n int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	contacts, accounts := s.store.tables["contact"], s.store.tables["account"]
	begun := contacts.made
	start := s.store.stamp().Add(-time.Duration(n/50+1) * time.Second)
	account := ""
	for i := begun; i < begun+n; i++ {
		if i%10 == 0 {
			id, bad := s.store.insert(accounts, map[string]any{"Name": fmt.Sprintf("%s & Co. %d", lastNames[i/10%10], i/10), "BillingCity": cities[i/10%5]})
			if bad != nil {
				return bad
			}
			account = id
			if bad := s.seedRest(i, account); bad != nil {
				return bad
			}
		}
		in := map[string]any{
			"FirstName": firstNames[i%10], "LastName": lastNames[i/10%10], "Email": fmt.Sprintf("contact%d@example.com", i),
			"Phone": fmt.Sprintf("+4366010%06d", i%1_000_000), "MailingCity": cities[i%5], "Loyalty_Points__c": float64(i % 1000),
		}
		if account != "" {
			in["AccountId"] = account
		}
		id, bad := s.store.insert(contacts, in)
		if bad != nil {
			return bad
		}
		// A row is only shared once a query has seen it: this one is still ours.
		contacts.rows[id].at = start.Add(time.Duration((i-begun)/50) * time.Second)
	}
	return nil
}

// seedRest makes a lead, an opportunity and a subscription for every hundredth contact.
func (s *server) seedRest(i int, account string) *fault {
	if i%100 != 0 {
		return nil
	}
	for name, in := range map[string]map[string]any{
		"lead":            {"LastName": lastNames[i/100%10], "Company": fmt.Sprintf("Prospect %d", i/100), "Email": fmt.Sprintf("lead%d@example.com", i/100), "Status": "Open - Not Contacted"},
		"opportunity":     {"Name": fmt.Sprintf("Deal %d", i/100), "AccountId": account, "StageName": "Prospecting", "CloseDate": "2027-01-31", "Amount": float64(1000 + i)},
		"subscription__c": {"Name": fmt.Sprintf("Subscription %d", i/100), "Plan__c": "Plus", "Monthly_Price__c": 9.9, "Is_Active__c": true},
	} {
		if _, bad := s.store.insert(s.store.tables[name], in); bad != nil {
			return bad
		}
	}
	return nil
}
