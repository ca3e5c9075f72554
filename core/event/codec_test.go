package event

import (
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core/store"
)

// tagged is Event as reflection writes it.
type tagged Event

func TestAnEventIsWrittenAsItsTagsSay(t *testing.T) {
	doc, err := bson.Marshal(bson.D{{Key: "price", Value: 12.5}})
	require.NoError(t, err)
	at := time.UnixMilli(1_700_000_000_123).UTC()
	full := Event{
		Meta: store.Meta{ID: "ws_1/evt_1", V: 3}, MessageID: "m", Part: "prof_1", Seq: 7, Type: Track, Name: "Bought",
		Timestamp: at, ReceivedAt: at.Add(1e6), CommittedAt: at.Add(2e6), Source: "src_1",
		UserID: "u", AnonymousID: "a", GroupID: "g", PreviousID: "p",
		Identifiers: []Identifier{{"user_id", "u"}, {"email", "ana@example.com"}},
		Properties:  doc, Traits: doc, Context: doc, Integrations: doc, Sum: []byte("0123456789abcdef"),
	}
	v := reflect.ValueOf(full)
	for i := range v.NumField() {
		if v.Type().Field(i).Tag.Get("bson") == "-" {
			continue // is not stored
		}
		require.False(t, v.Field(i).IsZero(), "%s has a value here, so that this test sees it", v.Type().Field(i).Name)
	}
	for name, e := range map[string]Event{
		"full":  full,
		"empty": {Meta: store.Meta{ID: "ws_1/evt_1"}, Identifiers: []Identifier{}, Properties: bson.Raw{}},
	} {
		plain := tagged(e)
		want, err := bson.Marshal(&plain)
		require.NoError(t, err)
		got, err := e.MarshalBSON()
		require.NoError(t, err)
		require.Equal(t, bson.Raw(want).String(), bson.Raw(got).String(), name)
		require.Equal(t, want, got, name)
	}
	raw, err := Events.Encode(&full)
	require.NoError(t, err)
	back, err := Events.Decode(raw)
	require.NoError(t, err)
	require.Equal(t, &full, back)
}
