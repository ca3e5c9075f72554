package conditiontest_test

import (
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core/condition"
	"github.com/headwater-cdp/headwater/core/condition/conditiontest"
)

// The reference is checked by hand: everything else is checked by the reference.
func TestEvaluate(t *testing.T) {
	t.Parallel()
	bucharest, err := time.LoadLocation("Europe/Bucharest")
	if err != nil {
		t.Fatal(err)
	}
	history := &conditiontest.History{
		ProfileID: "prof_00000000000000000000000001",
		Traits: document(t, `{"plan": "gold", "age": 42, "none": null, "tags": ["a", "b"], "empty": [], "birthday": "1990-11-21T12:00:00Z",
			"a.b": 1, "price": {"amount": 2.5, "currency": "EUR"}, "home": {"lat": 44.4268, "lon": 26.1025}, "seen": "2026-11-01T00:00:00Z",
			"items": [{"sku": "x", "n": 1}, {"sku": "y", "n": 5}], "lists": [[1, 2], [3]],
			"nulls": [null], "leap": "2004-02-29", "today": "2001-11-21", "huge": 1e300}`),
		Events: []conditiontest.Event{
			event(t, "1", "Order", "2026-11-01T10:00:00Z", `{"total": 10, "price": {"amount": 1, "currency": "EUR"}}`),
			event(t, "2", "View", "2026-11-02T10:00:00Z", `{}`),
			event(t, "3", "Order", "2026-11-02T10:00:00Z", `{"total": "20", "price": {"amount": 7, "currency": "RON"}}`),
			event(t, "3", "Order", "2026-11-02T10:00:00Z", `{"total": "20", "price": {"amount": 7, "currency": "RON"}}`), // once more
			event(t, "4", "Order", "2026-11-20T10:00:00Z", `{"total": [1, 2.5], "kind": "big"}`),
			event(t, "5", "Order", "2026-12-01T00:00:00Z", `{"total": 1000}`), // to come
			system(event(t, "6", "Message Opened", "2026-11-10T00:00:00Z", `{"campaignId": "c", "nodeId": "n"}`)),
			event(t, "7", "Message Opened", "2026-11-19T00:00:00Z", `{"campaignId": "d"}`), // says a client
			system(event(t, "8", "Prediction Computed", "2026-11-10T00:00:00Z", `{"name": "churn", "value": 0.8}`)),
			system(event(t, "9", "Prediction Computed", "2026-11-11T00:00:00Z", `{"name": "churn", "value": 0.3}`)),
		},
		Consents:    map[[2]string]string{{"marketing", "EMAIL"}: "GRANTED"},
		Records:     []conditiontest.Record{{Type: "sub", Relation: "owner", Fields: document(t, `{"on": true, "n": 1}`)}, {Type: "sub", Relation: "payer", Fields: document(t, `{"on": false, "n": 2}`)}},
		Memberships: []conditiontest.Membership{{ID: "seg_1", Since: instant(t, "2026-11-20T10:00:00Z")}},
	}
	now := instant(t, "2026-11-21T10:00:00Z")
	for text, want := range evaluations {
		n, err := condition.ParseJSON([]byte(text))
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got := conditiontest.Evaluate(n, history, now, condition.Zone{Location: bucharest}); got != want {
			t.Errorf("%s is %v, want %v", text, got, want)
		}
	}
}

var evaluations = map[string]bool{
	`{"trait": {"path": "plan", "eq": "gold"}}`:                                                 true,
	`{"trait": {"path": "plan", "neq": "gold"}}`:                                                false,
	`{"trait": {"path": "age", "eq": 42.0}}`:                                                    true,
	`{"trait": {"path": "age", "eq": "42"}}`:                                                    false,
	`{"trait": {"path": "age", "gt": 41, "lt": 42}}`:                                            false,
	`{"trait": {"path": "none", "neq": 1}}`:                                                     false,
	`{"trait": {"path": "none", "neq": 1, "missing": "INCLUDE"}}`:                               true,
	`{"trait": {"path": "nothing", "notIn": [1]}}`:                                              false,
	`{"not": {"trait": {"path": "nothing", "eq": 1}}}`:                                          true,
	`{"trait": {"path": "nothing", "exists": false}}`:                                           true,
	`{"trait": {"path": "none", "exists": true}}`:                                               false,
	`{"trait": {"path": "tags", "eq": "b"}}`:                                                    true,
	`{"trait": {"path": "tags", "neq": "b"}}`:                                                   false,
	`{"trait": {"path": "tags", "neq": "c"}}`:                                                   true,
	`{"trait": {"path": "tags", "contains": "a"}}`:                                              true,
	`{"trait": {"path": "tags", "size": {"eq": 2}}}`:                                            true,
	`{"trait": {"path": "plan", "size": {"gte": 0}}}`:                                           false,
	`{"trait": {"path": "items.sku", "in": ["y", "z"]}}`:                                        true,
	`{"trait": {"path": "items.n", "gt": 1, "lt": 5}}`:                                          false, // no one element does both
	`{"trait": {"path": "items", "any": [{"path": "sku", "eq": "x"}, {"path": "n", "eq": 5}]}}`: false,
	`{"trait": {"path": "items", "any": [{"path": "sku", "eq": "y"}, {"path": "n", "eq": 5}]}}`: true,
	`{"trait": {"path": "items", "all": [{"path": "n", "gte": 1}]}}`:                            true,
	`{"trait": {"path": "items", "none": [{"path": "n", "gte": 6}]}}`:                           true,
	`{"trait": {"path": "empty", "all": [{"path": "", "eq": 1}]}}`:                              false,
	`{"trait": {"path": "empty", "none": [{"path": "", "eq": 1}]}}`:                             true,
	`{"trait": {"path": "plan", "none": [{"path": "", "eq": 1}]}}`:                              false,
	`{"trait": {"path": "lists", "eq": 3}}`:                                                     true,
	`{"trait": {"path": "a\\.b", "eq": 1}}`:                                                     true,
	`{"trait": {"path": "a.b", "exists": true}}`:                                                false,
	`{"trait": {"path": "price", "gte": {"amount": 2.5, "currency": "EUR"}}}`:                   true,
	`{"trait": {"path": "price", "gte": {"amount": 1, "currency": "RON"}}}`:                     false,
	`{"trait": {"path": "seen", "olderThan": "P20D"}}`:                                          true,
	`{"trait": {"path": "seen", "within": {"past": "P1M"}}}`:                                    true,
	`{"trait": {"path": "seen", "within": {"next": "P1M"}}}`:                                    false,
	`{"trait": {"path": "seen", "before": "2026-11-01T00:00:00Z"}}`:                             false,
	`{"trait": {"path": "seen", "before": "2026-11-01T02:00:00+01:00"}}`:                        true,
	`{"trait": {"path": "empty", "neq": 1}}`:                                                    true,
	`{"trait": {"path": "empty", "exists": true}}`:                                              true,
	`{"trait": {"path": "nulls", "exists": true}}`:                                              true,
	`{"trait": {"path": "nulls", "eq": 1, "missing": "INCLUDE"}}`:                               false,
	`{"trait": {"path": "items.none", "neq": 1}}`:                                               false,
	`{"trait": {"path": "huge", "gt": 1}}`:                                                      false,
	`{"trait": {"path": "huge", "neq": 1}}`:                                                     true,
	`{"trait": {"path": "birthday", "anniversary": {"past": "P1D"}}}`:                           true,
	`{"trait": {"path": "today", "anniversary": {"past": "P1D"}}}`:                              true,
	`{"trait": {"path": "today", "anniversary": {"next": "P1D"}}}`:                              false,
	`{"trait": {"path": "today", "after": "2001-11-20T21:59:59.999Z"}}`:                         true, // midnight in Bucharest
	`{"trait": {"path": "today", "after": "2001-11-20T22:00:00Z"}}`:                             false,
	`{"trait": {"path": "leap", "anniversary": {"next": "P98D"}}}`:                              false, // 27 February, 12:00
	`{"trait": {"path": "leap", "anniversary": {"next": "P99D"}}}`:                              true,
	`{"event": {"name": "Order"}}`:                                                              true,
	`{"event": {"name": "Order", "count": {"eq": 3}}}`:                                          true,  // neither twice nor yet
	`{"event": {"name": "Order", "window": {"last": "P1D"}}}`:                                   false, // at now − W: out
	`{"event": {"name": "Order", "window": {"last": "PT24H0.001S"}}}`:                           true,
	`{"event": {"name": "Order", "where": [{"path": "total", "gte": 10}]}}`:                     true,
	`{"event": {"name": "Order", "where": [{"path": "total", "gte": 11}]}}`:                     false,
	`{"event": {"name": "Order", "count": {"eq": 1}, "window": {"between": {"from": "2026-11-02T10:00:00Z", "to": "2026-11-20T10:00:00Z"}}}}`: true,
	`{"event": {"name": "Order", "count": {"eq": 2}, "window": {"ago": {"from": "P30D", "to": "P2D"}}}}`:                                      true,
	`{"event": {"name": "Order", "window": {"calendar": "DAY"}}}`:                                                                             false,
	`{"event": {"name": "Order", "count": {"eq": 1}, "window": {"calendar": "WEEK"}}}`:                                                        true,
	`{"firstTime": {"name": "Order", "window": {"last": "P30D"}}}`:                                                                            true,
	`{"firstTime": {"name": "Order", "window": {"last": "P7D"}}}`:                                                                             false,
	`{"stopped": {"name": "Order", "window": {"last": "P1D"}}}`:                                                                               true,
	`{"stopped": {"name": "Order", "window": {"last": "P2D"}}}`:                                                                               false,
	`{"stopped": {"name": "Order", "count": {"gte": 4}, "window": {"last": "P1D"}}}`:                                                          false,
	`{"lastEvent": {"name": "Order", "where": [{"path": "kind", "eq": "big"}]}}`:                                                              true,
	`{"lastEvent": {"name": "Order", "where": [{"path": "total", "eq": 10}]}}`:                                                                false,
	`{"aggregate": {"event": {"name": "Order"}, "fn": "SUM", "path": "total", "value": {"eq": 13.5}}}`:                                        true,
	`{"aggregate": {"event": {"name": "Order"}, "fn": "AVG", "path": "total", "value": {"eq": 4.5}}}`:                                         true,
	`{"aggregate": {"event": {"name": "Order"}, "fn": "MIN", "path": "total", "value": {"eq": 1}}}`:                                           true,
	`{"aggregate": {"event": {"name": "Order"}, "fn": "MAX", "path": "total", "value": {"eq": 10}}}`:                                          true,
	`{"aggregate": {"event": {"name": "Order"}, "fn": "COUNT", "path": "total", "value": {"eq": 3}}}`:                                         true,
	`{"aggregate": {"event": {"name": "Order"}, "fn": "DISTINCT", "path": "total", "value": {"eq": 4}}}`:                                      true,
	`{"aggregate": {"event": {"name": "Order"}, "fn": "SUM", "path": "price", "currency": "RON", "value": {"eq": 7}}}`:                        true,
	`{"aggregate": {"event": {"name": "View"}, "fn": "MIN", "path": "total", "value": {"gte": 0}}}`:                                           false,
	`{"aggregate": {"event": {"name": "View"}, "fn": "SUM", "path": "total", "value": {"eq": 0}}}`:                                            true,
	`{"sequence": {"steps": [{"name": "View"}, {"name": "Order"}], "within": "PT1H"}}`:                                                        true, // at one instant, by id
	`{"sequence": {"steps": [{"name": "Order"}, {"name": "View"}, {"name": "Order"}], "within": "PT24H"}}`:                                    true,
	`{"sequence": {"steps": [{"name": "Order"}, {"name": "View"}, {"name": "Order"}], "within": "PT23H"}}`:                                    false,
	`{"sequence": {"steps": [{"name": "Order"}, {"name": "Order"}], "without": [{"name": "View"}], "window": {"last": "P30D"}}}`:              true,
	`{"sequence": {"steps": [{"name": "Order", "where": [{"path": "total", "eq": 10}]}, {"name": "Order"}], "without": [{"name": "View"}]}}`:  false,
	`{"object": {"type": "sub", "where": [{"path": "on", "eq": true}, {"path": "n", "eq": 2}]}}`:                                              false,
	`{"object": {"type": "sub", "relation": "owner", "match": "ALL", "where": [{"path": "on", "eq": true}]}}`:                                 true,
	`{"object": {"type": "other", "match": "ALL"}}`:                                                                                           false,
	`{"object": {"type": "other", "match": "NONE"}}`:                                                                                          true,
	`{"object": {"type": "sub", "count": {"eq": 2}}}`:                                                                                         true,
	`{"segment": {"id": "seg_1", "entered": {"last": "P1D"}}}`:                                                                                false,
	`{"list": {"id": "seg_1", "entered": {"last": "P2D"}}}`:                                                                                   true,
	`{"segment": {"id": "seg_2"}}`: false,
	`{"consent": {"purpose": "marketing", "channel": "EMAIL", "status": "GRANTED"}}`: true,
	`{"consent": {"purpose": "marketing", "status": "UNKNOWN"}}`:                     true,
	`{"message": {"status": "OPENED", "campaignId": "c"}}`:                           true,
	`{"message": {"status": "OPENED", "window": {"last": "P7D"}}}`:                   false,
	`{"prediction": {"path": "churn", "lt": 0.5}}`:                                   true,
	`{"prediction": {"path": "ltv", "gt": 0}}`:                                       false,
	`{"bucket": {"salt": "s", "from": 0, "to": 10000}}`:                              true,
	`{"geo": {"path": "home", "lat": 44.4268, "lon": 26.1025, "radiusKm": 1}}`:       true,
	`{"geo": {"path": "home", "lat": 45.6427, "lon": 25.5887, "radiusKm": 140}}`:     false, // Brașov is 141 km away
	`{"geo": {"path": "home", "lat": 45.6427, "lon": 25.5887, "radiusKm": 142}}`:     true,
}

func document(t *testing.T, text string) bson.Raw {
	t.Helper()
	var d bson.D
	if err := bson.UnmarshalExtJSON([]byte(text), false, &d); err != nil {
		t.Fatal(err)
	}
	b, err := bson.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func instant(t *testing.T, text string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func event(t *testing.T, id, name, at, properties string) conditiontest.Event {
	t.Helper()
	return conditiontest.Event{ID: "evt_" + id, Name: name, Part: "prof_a", At: instant(t, at), Arrived: instant(t, at), Properties: document(t, properties)}
}

func system(e conditiontest.Event) conditiontest.Event {
	e.System = true
	return e
}
