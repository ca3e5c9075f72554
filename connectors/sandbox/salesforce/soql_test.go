package salesforce

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// fixture is an organisation with three contacts a second apart.
func fixture(t *testing.T) *server {
	t.Helper()
	s := &server{}
	at := time.Date(2026, 3, 1, 10, 0, 0, 5e8, time.UTC)
	s.store = newStore(func() time.Time { at = at.Add(time.Second); return at })
	for _, in := range []map[string]any{
		{"LastName": "Ward", "Email": "ward@example.com", "Loyalty_Points__c": 10.0, "DoNotCall": true},
		{"LastName": "O'Hara", "Loyalty_Points__c": 2.0, "Birthdate": "1990-05-01"},
		{"LastName": "100% Öl_", "Email": "oel@example.com"},
	} {
		if _, bad := s.store.insert(s.store.tables["contact"], in); bad != nil {
			t.Fatal(bad)
		}
	}
	return s
}

func TestSOQL(t *testing.T) {
	s := fixture(t)
	for query, want := range map[string]string{
		"SELECT LastName FROM Contact":                                                                   "Ward,O'Hara,100% Öl_",
		"select lastname from contact where email = 'WARD@example.com'":                                  "Ward",
		`SELECT LastName FROM Contact WHERE LastName = 'o\'hara'`:                                        "O'Hara",
		`SELECT LastName FROM Contact WHERE LastName LIKE '100\% ö_\_'`:                                  "100% Öl_",
		"SELECT LastName FROM Contact WHERE LastName LIKE '%a%'":                                         "Ward,O'Hara",
		"SELECT LastName FROM Contact WHERE Email = null":                                                "O'Hara",
		"SELECT LastName FROM Contact WHERE Email != null AND DoNotCall = false":                         "100% Öl_",
		"SELECT LastName FROM Contact WHERE Loyalty_Points__c > 1 AND (NOT LastName = 'Ward')":           "O'Hara",
		"SELECT LastName FROM Contact WHERE Loyalty_Points__c < 5":                                       "O'Hara",
		"SELECT LastName FROM Contact WHERE LastName IN ('ward','O\\'Hara')":                             "Ward,O'Hara",
		"SELECT LastName FROM Contact WHERE LastName NOT IN ('ward')":                                    "O'Hara,100% Öl_",
		"SELECT LastName FROM Contact WHERE Birthdate >= 1990-05-01":                                     "O'Hara",
		"SELECT LastName FROM Contact WHERE SystemModstamp > 2026-03-01T10:00:01Z":                       "O'Hara,100% Öl_",
		"SELECT LastName FROM Contact WHERE SystemModstamp <= 2026-03-01T11:00:02+01:00":                 "Ward,O'Hara",
		"SELECT LastName FROM Contact ORDER BY Loyalty_Points__c":                                        "100% Öl_,O'Hara,Ward",
		"SELECT LastName FROM Contact ORDER BY Loyalty_Points__c DESC NULLS LAST LIMIT 2":                "Ward,O'Hara",
		"SELECT LastName FROM Contact ORDER BY LastName ASC, Id LIMIT 1 OFFSET 1":                        "O'Hara",
		"SELECT LastName FROM Contact WHERE (Email = null OR DoNotCall = true) AND LastName LIKE '%ard'": "Ward",
	} {
		q, rows, bad := s.prepare(query, false)
		if bad != nil {
			t.Errorf("%s: %v", query, bad)
			continue
		}
		var got []string
		for _, r := range rows {
			got = append(got, asText(r.get(q.fields[0].name)))
		}
		if strings.Join(got, ",") != want {
			t.Errorf("%s: %v, want %s", query, got, want)
		}
	}
}

func TestSOQLIsRefusedInTheVendorsWords(t *testing.T) {
	s := fixture(t)
	for query, want := range map[string][2]string{
		"SELECT FROM Contact": {"MALFORMED_QUERY", "unexpected token: 'FROM'"},
		"SELECT Id FROM":      {"MALFORMED_QUERY", "unexpected token: '<EOF>'"},
		"SELECT Id FROM Contact WHERE LastName = 'x' OR Email = 'y' AND Name = 'z'":    {"MALFORMED_QUERY", "unexpected token: 'AND'"},
		"SELECT Id FROM Contact WHERE LastName = 'open":                                {"MALFORMED_QUERY", "mismatched character"},
		"SELECT Id FROM Contact LIMIT many":                                            {"MALFORMED_QUERY", "unexpected token: 'many'"},
		"SELECT Id FROM Contact; DROP":                                                 {"MALFORMED_QUERY", "no viable alternative at character ';'"},
		"SELECT Id FROM Contact WHERE Description = 'x'":                               {"INVALID_FIELD", "can not be filtered"},
		"SELECT Nope__c FROM Contact":                                                  {"INVALID_FIELD", "No such column 'Nope__c' on entity 'Contact'"},
		"SELECT Id FROM Contact WHERE SystemModstamp > '2026-03-01T10:00:01Z'":         {"INVALID_FIELD", "must be of type dateTime and should not be enclosed in quotes"},
		"SELECT Id FROM Contact WHERE LastName = 5":                                    {"INVALID_FIELD", "must be of type string and should be enclosed in quotes"},
		"SELECT Id FROM Nothing__c":                                                    {"INVALID_TYPE", "sObject type 'Nothing__c' is not supported"},
		"SELECT Id FROM Contact WHERE AccountId = 'x'":                                 {"INVALID_QUERY_FILTER_OPERATOR", "invalid ID field: x"},
		"SELECT Id FROM Contact WHERE Email = 'a' OR Email = 'b' AND DoNotCall = true": {"MALFORMED_QUERY", "unexpected token: 'AND'"},
	} {
		_, _, bad := s.prepare(query, false)
		if bad == nil || bad.code != want[0] || !strings.Contains(bad.message, want[1]) {
			t.Errorf("%s: %v, want %v", query, bad, want)
		}
	}
	_, _, bad := s.prepare("SELECT Id\nFROM Contact WHERE Shoe = 1", false)
	if want := "\nFROM Contact WHERE Shoe = 1\n                   ^\nERROR at Row:2:Column:20\nNo such column 'Shoe'"; bad == nil || !strings.HasPrefix(bad.message, want) {
		t.Errorf("the place is shown as %q", bad.message)
	}
}

func TestAResultStaysWhatItWas(t *testing.T) {
	s := fixture(t)
	_, rows, bad := s.prepare("SELECT LastName FROM Contact ORDER BY Id", false)
	if bad != nil {
		t.Fatal(bad)
	}
	if bad := s.store.update(s.store.tables["contact"], rows[0].id, map[string]any{"LastName": "New"}); bad != nil {
		t.Fatal(bad)
	}
	if got := rows[0].get("LastName"); got != "Ward" {
		t.Errorf("the row changed to %v beneath the query", got)
	}
}

func TestATransactionIsUndone(t *testing.T) {
	s := fixture(t)
	contacts := s.store.tables["contact"]
	before := contacts.live(false)
	s.store.begin()
	if _, _, bad := s.store.upsert(contacts, "K-1", map[string]any{"LastName": "New"}); bad != nil {
		t.Fatal(bad)
	}
	if bad := s.store.remove(contacts, before[0].id, ""); bad != nil {
		t.Fatal(bad)
	}
	s.store.end(false)
	if !slices.Equal(contacts.live(false), before) || len(contacts.external) != 0 {
		t.Errorf("left behind: %d rows, external ids %v", len(contacts.live(false)), contacts.external)
	}
}

func TestIDs(t *testing.T) {
	if got, want := id18("0015000000Gv7qJ"), "0015000000Gv7qJAAR"; got != want {
		t.Errorf("the longer form is %s, want %s", got, want)
	}
	if id := makeID("003", 61); len(id) != 18 || id15(id) == "" || id18(id[:15]) != id {
		t.Errorf("made %q", id)
	}
}

func FuzzSOQL(f *testing.F) {
	for _, seed := range []string{"SELECT Id FROM Contact WHERE LastName LIKE '%a' ORDER BY Id DESC LIMIT 1", "SELECT COUNT() FROM Lead", "'\\", "SELECT Id FROM Contact WHERE (((", "é"} {
		f.Add(seed)
	}
	contact := objects()[1]
	f.Fuzz(func(_ *testing.T, query string) {
		if q, bad := parseSOQL(query, func(string) *object { return contact }); bad == nil {
			q.run([]*row{{id: makeID("003", 1), values: map[string]any{"LastName": "x"}}})
		}
	})
}
