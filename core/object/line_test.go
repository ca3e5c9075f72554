package object

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestLinksOfALine(t *testing.T) {
	ana, p1, s1 := Link{Namespace: "email", Value: "ana@example.com"}, Link{Namespace: ProfileNamespace, Value: "prof_1"}, Link{Value: "s1"}
	for text, want := range map[string]map[string][]Link{
		`[]`:   nil,
		`{}`:   nil,
		`null`: nil,
		// As upsertObjects takes them.
		`[{"relation":"buyer","to":[{"identifier":{"namespace":"email","value":"ana@example.com"}},{"profileId":"prof_1"}]},{"relation":"shop","to":[{"externalId":"s1"}]}]`: {"buyer": {ana, p1}, "shop": {s1}},
		`[{"relation":"buyer","to":[]}]`: {"buyer": {}},
		`[{"relation":"buyer","to":[{"profileId":"prof_1"}]},{"relation":"buyer","to":[{"identifier":{"namespace":"email","value":"ana@example.com"}}]}]`: {"buyer": {p1, ana}},
		// In short.
		`{"buyer":[{"namespace":"email","value":"ana@example.com"},{"profileId":"prof_1"}],"shop":[{"externalId":"s1"}]}`: {"buyer": {ana, p1}, "shop": {s1}},
		`{"buyer":[]}`: {"buyer": {}},
	} {
		it, err := decodeItem([]byte(`{"externalId":"o1","links":` + text + `}`))
		require.Nil(t, err, text)
		require.Equal(t, Item{ExternalID: "o1", Links: want}, it, text)
	}
	for _, text := range []string{
		`[{"relation":"buyer"}]`, `[{"to":[]}]`, `[{"relation":"buyer","to":[{}]}]`, `"buyer"`, `[["buyer"]]`,
		`[{"relation":"buyer","to":[{"profileId":"prof_1","externalId":"s1"}]}]`, `[{"relation":"buyer","to":[{"profil":"prof_1"}]}]`,
		`[{"relation":"buyer","to":[{"identifier":{"namespace":"email","value":"a","more":1}}]}]`, `{"buyer":[{}]}`, `{"buyer":[{"id":1}]}`,
	} {
		_, err := decodeItem([]byte(`{"externalId":"o1","links":` + text + `}`))
		require.NotNil(t, err, text)
		require.Equal(t, "LINE_SYNTAX", err.Reason, text)
	}
}
