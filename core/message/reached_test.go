package message_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core/message"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/sync"
	"github.com/headwater-cdp/headwater/core/work"
)

// A template's score counts each message once when it goes, and once when its person clicks
// or answers, however often and in whatever order vendors say so.
func TestTemplatesKnowWhatCameOfThem(t *testing.T) {
	r := newRig(t, newPostman())
	who := r.persons([]int{1, 2, 3})
	ids := r.queue(intent(who[0]), intent(who[1]), intent(who[2], func(in *message.Intent) { in.Template, in.Data = "", text("x") }))
	for _, id := range ids {
		r.becomes(id, message.Sent)
	}
	at := time.Now().Add(time.Minute)
	for range 2 {
		require.NoError(t, r.told(ids[0], "o", sync.DeliveryOpened, at))
		require.NoError(t, r.told(ids[0], "c1", sync.DeliveryClicked, at))
		require.NoError(t, r.told(ids[0], "c2", sync.DeliveryClicked, at.Add(time.Second)))
		require.NoError(t, r.told(ids[1], "d", sync.DeliveryDelivered, at))
		require.NoError(t, r.told(ids[2], "c", sync.DeliveryClicked, at)) // of no template
	}
	n, err := store.Sum(t.Context(), r.store, ws, "template:tpl_hello")
	require.NoError(t, err)
	require.Equal(t, map[string]int64{"sent": 2, "reached": 1}, n)
}

// A message of a journey with a goal reaches its own when the person comes to that after it
// left, and by nothing else; told however often, and before or after the vendor says that it
// took it.
func TestAJourneysGoalIsThatOfItsMessages(t *testing.T) {
	r := newRig(t, newPostman())
	who := r.persons([]int{1, 2})
	of := func(enrollment string) func(*message.Intent) {
		return func(in *message.Intent) { in.Enrollment, in.Goal = enrollment, true }
	}
	later := func(in *message.Intent) { in.DueAt = time.Now().Add(time.Hour) }
	ids := r.queue(intent(who[0], of("enr_1")), intent(who[0], of("enr_1"), later), intent(who[1], of("enr_2")),
		intent(who[0], func(in *message.Intent) { in.Enrollment = "enr_1" })) // of an earlier release
	for _, i := range []int{0, 2, 3} {
		r.becomes(ids[i], message.Sent)
	}
	require.NoError(t, r.told(ids[0], "c", sync.DeliveryClicked, time.Now()))
	score := func() map[string]int64 {
		n, err := store.Sum(t.Context(), r.store, ws, "template:tpl_hello")
		require.NoError(t, err)
		return n
	}
	require.Equal(t, map[string]int64{"sent": 3, "reached": 0}, score(), "a click is no goal")
	before := r.get(ids[0]).At.Add(-time.Minute)
	reach := func(enrollment, key string, at time.Time) {
		require.NoError(t, work.Commit(r.ctx, r.store, r.Attained(ws, enrollment, key, at)...))
		require.Eventually(t, func() bool {
			tasks, err := work.Tasks.Count(r.ctx, r.store, store.Query{Where: []store.Cond{store.Eq("kind", "message.goal")}})
			require.NoError(t, err)
			return tasks == 0
		}, 20*time.Second, 5*time.Millisecond)
	}
	reach("enr_2", "k0", before)
	require.Equal(t, map[string]int64{"sent": 3, "reached": 0}, score(), "it had not left")
	reach("enr_1", "k1", time.Now())
	reach("enr_1", "k2", time.Now())
	require.Equal(t, map[string]int64{"sent": 3, "reached": 1}, score())
	require.True(t, r.get(ids[0]).Attained)
	for _, i := range []int{1, 2, 3} {
		require.False(t, r.get(ids[i]).Attained)
	}
	require.NoError(t, r.told(ids[0], "c2", sync.DeliveryClicked, time.Now()))
	require.Equal(t, map[string]int64{"sent": 3, "reached": 1}, score())
}
