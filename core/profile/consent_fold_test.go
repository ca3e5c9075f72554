package profile

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core/consent"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/store"
)

func TestConsentsOfOldVersionsAreFoldedAnew(t *testing.T) {
	f := newFixture(t)
	f.send(f.in(event.Page, user("u"), minute(10), consentSaid("ads", false, "mail", true)))
	f.send(f.in(event.Page, user("u"), minute(20), consentSaid("mail", false)))
	f.send(f.in(event.Page, user("nothing said"), minute(20)))
	f.exact()
	p := f.must(UserID, "u")
	want := p.Consents
	p.Consents = nil
	for _, c := range want { // as version 1 stored them
		c.Status, c.FirstYes = consent.Withdrawn, time.Time{}
		p.Consents = append(p.Consents, c)
	}
	require.NoError(t, commitOps(f.ctx, f.db, Profiles.Replace(p)))
	var looked int64
	require.NoError(t, FoldConsents(f.ctx, f.db, f.ws, "", func(ctx context.Context, _ string, done int64, ops ...store.Op) error {
		looked = done
		return commitOps(ctx, f.db, ops...)
	}))
	require.EqualValues(t, 2, looked)
	require.Equal(t, want, f.must(UserID, "u").Consents)
	f.exact()
}

// What was recorded is another register than preferences, in whatever order they come,
// and clients cannot write what only the ledger may say.
func TestRecordedWordsInAnyOrder(t *testing.T) {
	say := func(status string, minutes int, expires time.Time) Consent {
		return Consent{Purpose: "ads", Recorded: true, Status: status, At: epoch.Add(time.Duration(minutes) * time.Minute), ExpiresAt: expires,
			Parts: []string{"prof_1"}, Event: status + "_" + time.Duration(minutes).String()}
	}
	until := epoch.Add(time.Hour)
	all := []Consent{say(consent.Granted, 1, until), say(consent.Denied, 2, time.Time{}), say(consent.Granted, 3, until), say(consent.Pending, 0, until), say(consent.Denied, 0, time.Time{})}
	var want []Consent
	permute(len(all), func(order []int) {
		var regs []Consent
		for _, i := range order {
			regs = putConsent(regs, all[i])
		}
		if want == nil {
			want = regs
		}
		require.Equal(t, want, regs)
	})
	p := &Profile{Parts: []string{"prof_1"}, Consents: want}
	require.Equal(t, consent.Granted, p.Words(epoch)[0].Status)
	require.Equal(t, until, p.Words(epoch)[0].ExpiresAt)
	require.Equal(t, consent.Granted, p.Words(until.Add(-time.Millisecond))[0].Status)
	require.Equal(t, consent.Expired, p.Words(until)[0].Status)

	f := newFixture(t)
	forged := consent.Saying{Purpose: "ads", Status: consent.Granted}
	f.send(f.in(event.Page, user("u"), func(in *event.Input) { in.Context = forged.Context() }))
	require.Empty(t, f.must(UserID, "u").Consents)
	f.send(f.in(event.Page, user("u"), ctxDoc(bson.D{{Key: "gpc", Value: true}})))
	require.Equal(t, consent.Denied, status(f.must(UserID, "u"), consent.GPC))
	f.exact()
}

func permute(n int, f func([]int)) {
	order := make([]int, n)
	for i := range order {
		order[i] = i
	}
	var walk func(int)
	walk = func(k int) {
		if k == n {
			f(order)
			return
		}
		for i := k; i < n; i++ {
			order[k], order[i] = order[i], order[k]
			walk(k + 1)
			order[k], order[i] = order[i], order[k]
		}
	}
	walk(0)
}
