package segment

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/store"
)

const (
	whereRecent  = `{"event":{"name":"Order","window":{"last":"P7D"}}}`
	whereLoyal   = `{"event":{"name":"Order","count":{"gte":2},"window":{"last":"P30D"}}}`
	whereLapsed  = `{"not":{"event":{"name":"Order"}}}`
	whereCountry = `{"trait":{"path":"address.country","in":["RO","DE"]}}`
	whereSpender = `{"aggregate":{"event":{"name":"Order"},"fn":"SUM","path":"total","value":{"gte":100}}}`
)

const day = 24 * time.Hour

func TestEnterAndLeaveByEvent(t *testing.T) {
	r := newRig(t)
	r.live("seg_recent", whereRecent)
	r.live("seg_lapsed", whereLapsed)
	ana := r.identify("ana", `{"x":1}`)
	require.True(t, r.in("seg_lapsed", ana), "true of somebody of whom nothing is known")
	require.False(t, r.in("seg_recent", ana))
	r.clock.Advance(time.Second)
	r.track("ana", "Order", 0, `{"total":10}`)
	require.False(t, r.in("seg_lapsed", ana))
	require.True(t, r.in("seg_recent", ana))
	require.Equal(t, []string{"ENTERED EVENT", "LEFT EVENT"}, r.news("seg_lapsed", ana))
	require.Equal(t, []string{"ENTERED EVENT"}, r.news("seg_recent", ana))
	require.EqualValues(t, 1, r.size("seg_recent"))
	require.EqualValues(t, 0, r.size("seg_lapsed"))
	r.consistent()
}

func TestLateAndOutOfOrder(t *testing.T) {
	r := newRig(t)
	r.live("seg_loyal", whereLoyal)
	r.live("seg_spender", whereSpender)
	ana := r.track("ana", "Order", 0, `{"total":60}`)
	r.track("ana", "Order", 40*day, `{"total":30}`) // too old for the window, not for the sum
	require.False(t, r.in("seg_loyal", ana))
	require.False(t, r.in("seg_spender", ana))
	r.track("ana", "Order", 20*day, `{"total":10}`)
	require.True(t, r.in("seg_loyal", ana))
	require.True(t, r.in("seg_spender", ana))
	r.clock.Advance(11 * day) // the second latest is 31 days old
	r.sweepAll()
	require.False(t, r.in("seg_loyal", ana))
	require.True(t, r.in("seg_spender", ana))
	require.Equal(t, []string{"ENTERED EVENT", "LEFT TIME"}, r.news("seg_loyal", ana))
	r.consistent()
}

func TestTraits(t *testing.T) {
	r := newRig(t)
	r.live("seg_country", whereCountry)
	r.live("seg_object", `{"trait":{"path":"address","exists":true}}`)
	ana := r.identify("ana", `{"address":{"city":"Cluj","country":"RO"}}`)
	require.True(t, r.in("seg_country", ana))
	require.True(t, r.in("seg_object", ana))
	r.clock.Advance(time.Second)
	r.identify("ana", `{"address":{"country":"FR"}}`)
	require.False(t, r.in("seg_country", ana))
	r.clock.Advance(time.Second)
	r.identify("ana", `{"address":null}`)
	require.False(t, r.in("seg_object", ana))
	require.Equal(t, []string{"ENTERED EVENT", "LEFT EVENT"}, r.news("seg_country", ana))
	r.consistent()
}

func TestConsent(t *testing.T) {
	r := newRig(t)
	r.live("seg_marketing", `{"consent":{"purpose":"marketing","status":"GRANTED"}}`)
	say := func(granted string) string {
		return r.send(`{"type":"track","userId":"ana","event":"Choice","context":{"consent":{"categoryPreferences":{"marketing":` + granted + `}}}}`)[0]
	}
	ana := say("true")
	require.True(t, r.in("seg_marketing", ana))
	r.clock.Advance(time.Second)
	say("false")
	require.False(t, r.in("seg_marketing", ana))
	require.Equal(t, []string{"ENTERED CONSENT", "LEFT CONSENT"}, r.news("seg_marketing", ana))
	r.consistent()
}

func TestNested(t *testing.T) {
	r := newRig(t)
	r.live("seg_z_base", whereRecent)
	r.live("seg_a_top", `{"and":[{"segment":{"id":"seg_z_base"}},`+whereCountry+`]}`)
	r.live("seg_m_none", `{"not":{"segment":{"id":"seg_a_top"}}}`)
	ana := r.identify("ana", `{"address":{"country":"DE"}}`)
	require.True(t, r.in("seg_m_none", ana))
	r.clock.Advance(time.Second)
	r.track("ana", "Order", 0, `{}`)
	require.True(t, r.in("seg_a_top", ana))
	require.False(t, r.in("seg_m_none", ana))
	r.clock.Advance(8 * day)
	r.sweepAll()
	require.False(t, r.in("seg_a_top", ana))
	require.True(t, r.in("seg_m_none", ana))
	require.Equal(t, []string{"ENTERED EVENT", "LEFT TIME"}, r.news("seg_a_top", ana))
	require.Equal(t, []string{"ENTERED EVENT", "LEFT EVENT", "ENTERED TIME"}, r.news("seg_m_none", ana))
	r.consistent()
}

func TestLists(t *testing.T) {
	r := newRig(t)
	r.define("seg_list", whereRecent, Live, func(d *Segment) { d.Kind, d.Where = Static, "" })
	r.live("seg_on", `{"list":{"id":"seg_list"}}`)
	ana := r.identify("ana", `{}`)
	r.system(ana, NameListJoined, "segmentId", "seg_list")
	require.True(t, r.in("seg_list", ana))
	require.True(t, r.in("seg_on", ana))
	r.clock.Advance(time.Second)
	r.system(ana, NameListLeft, "segmentId", "seg_list")
	require.False(t, r.in("seg_list", ana))
	require.False(t, r.in("seg_on", ana))
	require.Equal(t, []string{"ENTERED DEFINITION", "LEFT DEFINITION"}, r.news("seg_list", ana))
	r.consistent()
}

func TestMergeAndUnmerge(t *testing.T) {
	r := newRig(t)
	r.live("seg_loyal", whereLoyal)
	r.live("seg_recent", whereRecent)
	r.live("seg_country", whereCountry)
	r.live("seg_lapsed", whereLapsed)
	r.define("seg_list", whereRecent, Live, func(d *Segment) { d.Kind, d.Where = Static, "" })
	ana := r.identify("ana", `{"a":1}`)
	r.track("ana", "Order", 2*day, `{"total":1}`)
	r.clock.Advance(time.Minute)
	bob := r.identify("bob", `{"address":{"country":"RO"}}`)
	r.track("bob", "Order", 3*day, `{"total":1}`)
	r.system(bob, NameListJoined, "segmentId", "seg_list")
	eve := r.identify("eve", `{}`)
	require.True(t, r.in("seg_lapsed", eve))
	early, _ := r.behaviour(ana).Member("seg_recent")
	r.clock.Advance(time.Minute)
	m, err := r.people.Merge(t.Context(), rigWS, profile.MergeInput{WinnerID: bob, LoserID: ana, Reason: "test"})
	require.NoError(t, err)
	for _, id := range []string{"seg_loyal", "seg_recent", "seg_country", "seg_list"} {
		require.True(t, r.in(id, bob), id)
		require.False(t, r.in(id, ana), id)
	}
	require.Nil(t, r.behaviour(ana))
	since, _ := r.behaviour(bob).Member("seg_recent")
	require.Equal(t, early, since, "the earliest entry is kept")
	require.Equal(t, []string{"ENTERED MERGE"}, r.news("seg_loyal", bob))
	require.Equal(t, []string{"ENTERED EVENT", "LEFT MERGE"}, r.news("seg_recent", ana))
	require.EqualValues(t, 1, r.size("seg_recent"))
	r.consistent()

	_, err = r.people.Merge(t.Context(), rigWS, profile.MergeInput{WinnerID: bob, LoserID: eve, Reason: "test"})
	require.NoError(t, err)
	require.False(t, r.in("seg_lapsed", bob))
	r.consistent()

	r.clock.Advance(time.Minute)
	_, err = r.people.Unmerge(t.Context(), rigWS, profile.UnmergeInput{MergeID: m.Merge.MergeID()})
	require.NoError(t, err)
	require.False(t, r.in("seg_loyal", bob))
	require.True(t, r.in("seg_recent", bob))
	require.True(t, r.in("seg_recent", ana))
	require.False(t, r.in("seg_country", ana))
	require.False(t, r.in("seg_list", ana))
	require.False(t, r.in("seg_lapsed", ana))
	require.Equal(t, []string{"ENTERED MERGE", "LEFT MERGE"}, r.news("seg_loyal", bob))
	require.EqualValues(t, 2, r.size("seg_recent"))
	r.consistent()
}

func (r *rig) behaviour(id string) *Behaviour {
	r.t.Helper()
	b, err := Behaviours.Get(r.t.Context(), r.store, store.Key(rigWS, id))
	require.NoError(r.t, err)
	return b
}

// What touches nothing costs nothing but the check of the definitions.
func TestUntouchedIsFree(t *testing.T) {
	r := newRig(t)
	r.live("seg_recent", whereRecent)
	ana := r.identify("ana", `{"x":1}`)
	r.track("ana", "Page", 0, `{}`)
	require.Nil(t, r.behaviour(ana))
	r.track("ana", "Order", 9*day, `{}`)
	b := r.behaviour(ana)
	r.track("ana", "Page", 0, `{}`)
	r.identify("ana", `{"x":2}`)
	after := r.behaviour(ana)
	require.Equal(t, b, after)
}

// A process that knows old definitions cannot commit under them.
func TestStaleProcess(t *testing.T) {
	r := newRig(t)
	old := rigOver(t, r.store, r.clock)
	r.live("seg_recent", whereRecent)
	old.track("eve", "Order", 0, `{}`)
	r.live("seg_country", whereCountry)
	ana := old.identify("ana", `{"address":{"country":"RO"}}`)
	require.True(t, r.in("seg_country", ana))
	r.live("seg_recent", `{"event":{"name":"Visit","window":{"last":"P7D"}}}`)
	old.track("ana", "Visit", 0, `{}`)
	require.True(t, r.in("seg_recent", ana))
}
