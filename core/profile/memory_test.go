package profile

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/store"
)

func TestMemoryKeepsWhatIsUsed(t *testing.T) {
	if testing.Short() {
		t.Skip("much of the same, and nothing at once")
	}
	m := newMemory()
	part := core.NewID(core.PrefixProfile, time.Now())
	m.Add("ws_1/email:ana@example.com", part)
	for i := range generation {
		m.Add(fmt.Sprintf("ws_1/user_id:%d", i), part)
	}
	got, ok := m.Get("ws_1/email:ana@example.com") // in the old half by now, and used
	require.True(t, ok)
	require.Equal(t, part, got)
	require.False(t, m.full())
	for i := range generation {
		m.Add(fmt.Sprintf("ws_1/user_id:x%d", i), part)
	}
	_, ok = m.Get("ws_1/email:ana@example.com")
	require.True(t, ok)
	_, ok = m.Get("ws_1/user_id:0")
	require.False(t, ok, "what is not used is pushed out")
	m.Remove("ws_1/email:ana@example.com")
	_, ok = m.Get("ws_1/email:ana@example.com")
	require.False(t, ok)
}

func TestMemoryTakesOnlyPartsOfOurs(t *testing.T) {
	m := newMemory()
	for _, part := range []string{"", "prof_1", "ws_01JD2Q3V8Z7F4M5N6P7Q8R9S0T", "prof_01JD2Q3V8Z7F4M5N6P7Q8R9S0U", "prof_91JD2Q3V8Z7F4M5N6P7Q8R9S0T"} {
		m.Add("ws_1/email:a", part)
		_, ok := m.Get("ws_1/email:a")
		require.False(t, ok, part)
	}
}

func TestWarmRemembersWhatIsStored(t *testing.T) {
	f := newFixture(t)
	f.send(f.in(event.Track, user("ana")))
	p := f.must(UserID, "ana")
	fresh := NewService(f.db, f.clock)
	require.NoError(t, fresh.Warm(t.Context(), ws))
	part, ok := fresh.ids.Get(store.Key(ws, "user_id:ana"))
	require.True(t, ok)
	require.Equal(t, p.ProfileID(), part)
}
