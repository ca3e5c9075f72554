package condition

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// town is a small workspace.
type town struct{ segments map[string]SegmentInfo }

func (town) TraitTypes(path string) ([]string, bool) {
	types, ok := map[string][]string{
		"age": {"integer"}, "name": {"STRING"}, "born": {"datetime"}, "tags": {"array", "string"}, "vip": {"boolean", "null"},
		"spent.amount": {"decimal"}, "home": {"object"}, "cart.sku": {"string"}, "cart": {"array"}, "gone": {"null"},
	}[path]
	return types, ok
}

func (town) EventKnown(name string) bool { return name == "Order Completed" }

func (town) PropertyTypes(event, path string) ([]string, bool) {
	types, ok := map[string][]string{"total": {"decimal", "integer"}, "coupon": {"string"}, "paid": {"object"}, "items": {"array"}}[path]
	return types, ok && event == "Order Completed"
}

func (town) ObjectType(key string) (ObjectVocabulary, bool) {
	return ObjectVocabulary{
		Fields:    map[string][]string{"status": {"string"}, "price": {"decimal"}, "extra": {"object"}},
		Relations: []string{"owner"},
	}, key == "subscription"
}

func (v town) Segment(id string) (SegmentInfo, bool) {
	s, ok := v.segments[id]
	return s, ok
}

func (town) ObjectTypes() []string { return []string{"subscription", "visit"} }
func (town) Events() []string      { return []string{"Order Completed"} }
func (town) PurposeKeys() []string { return []string{"marketing"} }

func testTown() town {
	return town{map[string]SegmentInfo{
		"seg_a": {Refers: []string{"seg_b", "seg_list"}}, "seg_b": {Refers: []string{"seg_c"}}, "seg_c": {Refers: []string{"seg_b"}},
		"seg_d": {Refers: []string{"seg_b", "seg_self"}}, "seg_e": {Refers: []string{"seg_d"}},
		"seg_list": {Static: true}, "seg_old": {Archived: true}, "seg_self": {},
	}}
}

func TestFaultsVocabulary(t *testing.T) {
	order := func(rest string) string { return `{"event":{"name":"Order Completed","where":[` + rest + `]}}` }
	for _, c := range []struct{ in, faults, warnings string }{
		{`{"trait":{"path":"age","gte":18}}`, ``, ``},
		{`{"trait":{"path":"age","gte":"18"}}`, `trait/gte TYPE_MISMATCH`, ``},
		{`{"trait":{"path":"age","startsWith":"1"}}`, `trait/startsWith TYPE_MISMATCH`, ``},
		{`{"trait":{"path":"age","before":"2026-01-01T00:00:00Z"}}`, `trait/before TYPE_MISMATCH`, ``},
		{`{"trait":{"path":"age","size":{"gte":1},"any":[{"path":"","eq":1}]}}`, `trait/any TYPE_MISMATCH; trait/size TYPE_MISMATCH`, ``},
		{`{"trait":{"path":"age","exists":true}}`, ``, ``},
		{`{"trait":{"path":"age","in":["a",5]}}`, ``, ``},
		{`{"trait":{"path":"age","in":["a",true]}}`, `trait/in TYPE_MISMATCH`, ``},
		{`{"trait":{"path":"age","contains":1}}`, `trait/contains TYPE_MISMATCH`, ``},
		{`{"trait":{"path":"age","gt":{"amount":1,"currency":"EUR"}}}`, `trait/gt TYPE_MISMATCH`, ``},
		{`{"trait":{"path":"name","neq":5}}`, `trait/neq TYPE_MISMATCH`, ``},
		{`{"trait":{"path":"name","eq":"Ana","endsWith":"a"}}`, ``, ``},
		{`{"trait":{"path":"name","olderThan":"P1D"}}`, ``, `trait/olderThan UNSEEN_TYPE`},
		{`{"trait":{"path":"born","anniversary":{"next":"P7D"}}}`, ``, ``},
		{`{"trait":{"path":"vip","eq":true}}`, ``, ``},
		{`{"trait":{"path":"vip","between":[1,2]}}`, `trait/between TYPE_MISMATCH`, ``},
		{`{"trait":{"path":"tags","eq":5}}`, ``, ``},
		{`{"trait":{"path":"gone","eq":5}}`, ``, ``},
		{`{"trait":{"path":"cart","any":[{"path":"sku","gt":5}]}}`, `trait/any/0/gt TYPE_MISMATCH`, ``},
		{`{"trait":{"path":"cart","any":[{"path":"size","gt":5}]}}`, ``, `trait/any/0/path UNKNOWN_TRAIT`},
		{`{"trait":{"path":"spent","gt":{"amount":1,"currency":"EUR"}}}`, ``, ``},
		{`{"trait":{"path":"nick","eq":"x"}}`, ``, `trait/path UNKNOWN_TRAIT`},
		{`{"geo":{"path":"home","lat":1,"lon":1,"radiusKm":1}}`, ``, ``},
		{`{"geo":{"path":"name","lat":1,"lon":1,"radiusKm":1}}`, `geo/path TYPE_MISMATCH`, ``},
		{`{"geo":{"path":"work","lat":1,"lon":1,"radiusKm":1}}`, ``, `geo/path UNKNOWN_TRAIT`},
		{`{"event":{"name":"Order Complete","where":[{"path":"x","eq":1}]}}`, ``, `event/name UNKNOWN_EVENT`},
		{`{"event":{"name":"Profile Merged"}}`, ``, ``},
		{order(`{"path":"total","gte":1},{"path":"coupon","gte":1},{"path":"shop","eq":1}`), `event/where/1/gte TYPE_MISMATCH`, `event/where/2/path UNKNOWN_PROPERTY`},
		{`{"aggregate":{"event":{"name":"Order Completed"},"fn":"SUM","path":"total","value":{"gt":1}}}`, ``, ``},
		{`{"aggregate":{"event":{"name":"Order Completed"},"fn":"AVG","path":"coupon","value":{"gt":1}}}`, `aggregate/path TYPE_MISMATCH`, ``},
		{`{"aggregate":{"event":{"name":"Order Completed"},"fn":"SUM","path":"total","value":{"gt":1},"currency":"EUR"}}`, `aggregate/path TYPE_MISMATCH`, ``},
		{`{"aggregate":{"event":{"name":"Order Completed"},"fn":"SUM","path":"paid","value":{"gt":1},"currency":"EUR"}}`, ``, ``},
		{`{"aggregate":{"event":{"name":"Order Completed"},"fn":"DISTINCT","path":"paid","value":{"gt":1}}}`, `aggregate/path TYPE_MISMATCH`, ``},
		{`{"aggregate":{"event":{"name":"Order Completed"},"fn":"COUNT","path":"shop","value":{"gt":1}}}`, ``, `aggregate/path UNKNOWN_PROPERTY`},
		{`{"object":{"type":"subscripton"}}`, `object/type UNKNOWN_TYPE`, ``},
		{`{"object":{"type":"subscription","relation":"guest"}}`, `object/relation UNKNOWN_RELATION`, ``},
		{`{"object":{"type":"subscription","relation":"owner","where":[{"path":"status","eq":"A"},{"path":"extra.deep.er","eq":1}]}}`, ``, ``},
		{`{"object":{"type":"subscription","where":[{"path":"state","eq":"A"},{"path":"price","eq":"A"},{"path":"status.x","eq":1}]}}`,
			`object/where/0/path UNKNOWN_FIELD; object/where/1/eq TYPE_MISMATCH; object/where/2/path UNKNOWN_FIELD`, ``},
		{`{"segment":{"id":"seg_a"}}`, ``, ``},
		{`{"segment":{"id":"seg_list"}}`, ``, ``},
		{`{"list":{"id":"seg_list"}}`, ``, ``},
		{`{"list":{"id":"seg_a"}}`, `list/id NOT_A_LIST`, ``},
		{`{"segment":{"id":"seg_none"}}`, `segment/id UNKNOWN_SEGMENT`, ``},
		{`{"segment":{"id":"seg_old"}}`, `segment/id ARCHIVED_SEGMENT`, ``},
		{`{"segment":{"id":"seg_self"}}`, `segment CYCLE`, ``},
		{`{"or":[{"segment":{"id":"seg_b"}},{"not":{"segment":{"id":"seg_e"}}}]}`, `or/1/not/segment CYCLE`, ``},
		{`{"consent":{"purpose":"marketing","status":"GRANTED"}}`, ``, ``},
		{`{"consent":{"purpose":"marketting","status":"GRANTED"}}`, ``, `consent/purpose UNKNOWN_PURPOSE`},
		{`{"prediction":{"path":"a.b\\","gt":0.5}}`, ``, ``},
	} {
		fs, ws := faultsOf(t, c.in, testTown(), Options{Self: "seg_self"})
		assert.Equal(t, c.faults, strings.Join(fs, "; "), c.in)
		assert.Equal(t, c.warnings, strings.Join(ws, "; "), c.in)
	}
}

func TestCycleNamesTheChain(t *testing.T) {
	v, err := decode([]byte(`{"segment":{"id":"seg_e"}}`))
	require.NoError(t, err)
	_, faults, _ := Faults(v, testTown(), Options{Self: "seg_self"})
	require.Len(t, faults, 1)
	require.Contains(t, faults[0].Message, "(seg_self → seg_e → seg_d → seg_self)")
	n, faults, _ := Faults(v, testTown(), Options{}) // a new segment cannot be referred to yet
	require.Empty(t, faults)
	require.Equal(t, "seg_e", n.Segment.ID)
}

func TestFields(t *testing.T) {
	o := Options{Fields: true, Type: "subscription"}
	for _, c := range []struct{ in, want string }{
		{`{"and":[{"field":{"path":"status","eq":"A"}},{"or":[{"not":{"field":{"path":"price","gt":5}}}]}]}`, ``},
		{`{"field":{"path":"extra","any":[{"path":"x","olderThan":"P1D"}]}}`, `field/any TYPE_MISMATCH`},
		{`{"field":{"path":"extra.list","any":[{"path":"x","olderThan":"P1D"}]}}`, ``},
		{`{"field":{"path":"satus","eq":"A"}}`, `field/path UNKNOWN_FIELD`},
		{`{"field":{"path":"price","startsWith":"A"}}`, `field/startsWith TYPE_MISMATCH`},
		{`{"and":[{"trait":{"path":"p","eq":1}},{"event":{"name":"E"}}]}`, `and/0/trait NOT_ALLOWED; and/1/event NOT_ALLOWED`},
	} {
		fs, _ := faultsOf(t, c.in, testTown(), o)
		assert.Equal(t, c.want, strings.Join(fs, "; "), c.in)
	}
	_, err := ParseJSON([]byte(`{"and":[{"field":{"path":"p","eq":1}},{"trait":{"path":"p","eq":1}}]}`))
	require.NoError(t, err, "what is stored is read without knowing what for")
}

func TestSystemEvents(t *testing.T) {
	for _, status := range messageStatuses {
		require.True(t, IsSystemEvent(MessageEvent(status)), status)
	}
	require.Equal(t, "Message Opened", MessageEvent("OPENED"))
	for _, name := range []string{"Segment Entered", "Segment Left", "List Joined", "List Left", "Profile Merged", "Profile Unmerged", "Record Changed", "Prediction Computed"} {
		require.True(t, IsSystemEvent(name), name)
	}
	require.False(t, IsSystemEvent("Order Completed"))
}
