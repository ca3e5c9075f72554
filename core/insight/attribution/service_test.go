package attribution

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/ingest"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/store/sqlite"
	"github.com/headwater-cdp/headwater/core/work"
)

const rigWS = "ws_RIG0000001"

var rigStart = time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)

// rig is one process over a store, under a clock that the test moves.
type rig struct {
	*Service
	t        testing.TB
	ctx      context.Context
	clock    *core.VirtualClock
	db       store.Store
	pipeline *ingest.Pipeline
	people   *profile.Service
	runner   *work.Runner
	mu       sync.Mutex
	ids      int
}

func newRig(t testing.TB) *rig {
	t.Helper()
	clock := core.NewVirtualClock(rigStart.AddDate(0, 0, 60)) // after all that is told
	db, err := sqlite.Open(context.Background(), sqlite.Options{Path: filepath.Join(t.TempDir(), "headwater.db"), Clock: clock})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close(context.Background())) })
	specs := store.Specs()
	for _, list := range [][]*store.Spec{event.Specs(), profile.Specs(), work.Specs(), ingest.Specs(), Specs()} {
		specs = append(specs, list...)
	}
	require.NoError(t, db.Declare(context.Background(), specs...))
	return rigOver(t, db, clock)
}

// rigOver is another process over the same store.
func rigOver(t testing.TB, db store.Store, clock *core.VirtualClock) *rig {
	t.Helper()
	events, people := event.NewService(db, clock), profile.NewService(db, clock)
	pipeline := ingest.New(ingest.Options{Store: db, Clock: clock, Events: events, Profiles: people})
	runner := work.New(work.Options{Store: db, Clock: clock})
	s := NewService(Options{Store: db, Clock: clock, Profiles: people, Jobs: work.NewJobs(runner), View: func(context.Context, string, []string, string) (*core.View, error) { return nil, nil }})
	people.SetFold(profile.Folds{s})
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		require.NoError(t, pipeline.Close(ctx))
	})
	ctx := core.WithActor(t.Context(), access.System(rigWS, "test"))
	return &rig{Service: s, t: t, ctx: ctx, clock: clock, db: db, pipeline: pipeline, people: people, runner: runner}
}

// send ingests one message, so many days after the start, and returns its profile.
func (r *rig) send(days float64, message string) string {
	r.t.Helper()
	r.mu.Lock()
	r.ids++
	id := fmt.Sprintf("m-%p-%d", r, r.ids)
	r.mu.Unlock()
	return r.sendAs(id, days, message)
}

func (r *rig) sendAs(id string, days float64, message string) string {
	r.t.Helper()
	at := rigStart.Add(time.Duration(days * 24 * float64(time.Hour))).Format(time.RFC3339Nano)
	text := fmt.Sprintf(`{"messageId":%q,"timestamp":%q,%s`, id, at, message[1:])
	in := event.DecodeMessage([]byte(text), event.Defaults{ReceivedAt: r.clock.Now(), MessageID: id})
	out, err := r.pipeline.Ingest(r.ctx, rigWS, "src_web", []event.Input{in})
	require.NoError(r.t, err)
	require.Contains(r.t, []event.Status{event.Accepted, event.Duplicate}, out[0].Status, "%v", out[0].Err)
	return out[0].ProfileID
}

func visit(user, medium, campaign string) string {
	return fmt.Sprintf(`{"type":"page","userId":%q,"context":{"page":{"url":"https://shop.example/?utm_medium=%s&utm_campaign=%s"}}}`, user, medium, campaign)
}

func order(user, total string) string {
	return fmt.Sprintf(`{"type":"track","event":"Order Completed","userId":%q,"properties":{"total":%s,"currency":"EUR"}}`, user, total)
}

func (r *rig) ask(m Model, by ...Dimension) *Report {
	r.t.Helper()
	if len(by) == 0 {
		by = []Dimension{Channel}
	}
	out, err := r.Compute(r.ctx, rigWS, Query{Model: m, With: Usual, Conversion: "purchase", From: rigStart.AddDate(0, 0, -5), To: rigStart.AddDate(0, 0, 60), By: by})
	require.NoError(r.t, err)
	return out
}

// credits returns the conversions and cents of each row; "-" is nobody's.
func credits(r *Report) map[string]string {
	out := map[string]string{}
	for _, row := range r.Rows {
		key := row.Key
		if row.None {
			key = "-"
		}
		out[key] = fmt.Sprintf("%d/%d", row.Conversions, row.Minor["EUR"])
	}
	return out
}

func TestCreditFromEventsToFigures(t *testing.T) {
	r := newRig(t)
	r.send(0, visit("ana", "Email", "spring"))
	r.send(1, visit("ana", "cpc", "brand"))
	r.send(2, `{"type":"page","userId":"ana","context":{"page":{"url":"https://shop.example/a","referrer":"https://www.shop.example/b"}}}`) // its own page
	r.send(2, `{"type":"page","userId":"ana","context":{"page":{"url":"https://shop.example/","referrer":"https://www.search.example/?q=secret"}}}`)
	r.send(3, order("ana", "99.99"))
	r.send(4, order("ben", "10"))                                                          // out of the blue
	r.send(5, `{"type":"track","event":"Call Completed","userId":"eva"}`)                  // leads nowhere
	r.send(6, `{"type":"track","event":"Order Completed","userId":"eva","properties":{}}`) // without a value

	require.Equal(t, map[string]string{"email": "10000/9999", "cpc": "0/0", "referral": "0/0", "call": "10000/0", "-": "10000/1000"}, credits(r.ask(First)))
	require.Equal(t, map[string]string{"email": "0/0", "cpc": "0/0", "referral": "10000/9999", "call": "10000/0", "-": "10000/1000"}, credits(r.ask(Last)))
	require.Equal(t, map[string]string{"email": "3334/3333", "cpc": "3333/3333", "referral": "3333/3333", "call": "10000/0", "-": "10000/1000"}, credits(r.ask(Linear)))
	for _, m := range Models {
		out := r.ask(m)
		require.Equal(t, int64(3), out.Conversions)
		require.Equal(t, map[string]int64{"EUR": 10999}, out.Minor)
	}
	for _, row := range r.ask(First, Channel, Campaign).Rows {
		if row.Conversions > 0 && row.Minor["EUR"] == 9999 {
			require.Equal(t, []string{"email", "spring"}, row.Values())
		}
	}
	diffs, err := r.Check(r.ctx, rigWS)
	require.NoError(t, err)
	require.Empty(t, diffs)
}

func TestWindowsLateEventsAndDuplicates(t *testing.T) {
	r := newRig(t)
	r.send(0, visit("ana", "email", "x"))
	r.send(31, order("ana", "5")) // a day too late for the visit
	require.Equal(t, map[string]string{"-": "10000/500"}, credits(r.ask(Last)))
	// What comes late counts by its own time.
	r.sendAs("late", 30, visit("ana", "cpc", "x"))
	require.Equal(t, map[string]string{"cpc": "10000/500"}, credits(r.ask(Last)))
	// What comes twice counts once.
	r.sendAs("late", 30, visit("ana", "cpc", "x"))
	r.sendAs("twice", 32, order("ana", "7"))
	r.sendAs("twice", 32, order("ana", "7"))
	require.Equal(t, map[string]string{"cpc": "20000/1200"}, credits(r.ask(Last)))
	// A shorter window than the rule's.
	out, err := r.Compute(r.ctx, rigWS, Query{Model: Last, With: Usual, Conversion: "purchase", From: rigStart, To: rigStart.AddDate(0, 0, 60), By: []Dimension{Channel}, Window: 36 * time.Hour})
	require.NoError(t, err)
	require.Equal(t, map[string]string{"cpc": "10000/500", "-": "10000/700"}, credits(out))
}

// Whose a touchpoint is follows merges and their undoing, whichever part the points stand under.
func TestMergesArePutTogetherWhenAsked(t *testing.T) {
	r := newRig(t)
	phone := r.send(0, `{"type":"page","anonymousId":"phone","context":{"campaign":{"medium":"social","name":"s"}}}`)
	laptop := r.send(1, visit("ana", "email", "e"))
	r.send(2, order("ana", "30"))
	require.Equal(t, map[string]string{"email": "10000/3000"}, credits(r.ask(First)))
	m, err := r.people.Merge(r.ctx, rigWS, profile.MergeInput{WinnerID: laptop, LoserID: phone, Reason: "the same"})
	require.NoError(t, err)
	require.Equal(t, map[string]string{"social": "10000/3000", "email": "0/0"}, credits(r.ask(First)))
	diffs, err := r.Check(r.ctx, rigWS)
	require.NoError(t, err)
	require.Empty(t, diffs)
	_, err = r.people.Unmerge(r.ctx, rigWS, profile.UnmergeInput{MergeID: m.Merge.MergeID()})
	require.NoError(t, err)
	require.Equal(t, map[string]string{"email": "10000/3000"}, credits(r.ask(First)))
	require.Equal(t, int64(1), r.ask(Markov).Lost)
}

func TestNobodySendsOurOwnEvents(t *testing.T) {
	r := newRig(t)
	ana := r.send(0, `{"type":"track","event":"Message Clicked","userId":"ana","properties":{"channel":"EMAIL","campaignId":"cmp_1"}}`)
	r.send(1, order("ana", "1"))
	require.Equal(t, map[string]string{"-": "10000/100"}, credits(r.ask(Last)))
	props := []byte(`{"channel":"EMAIL","campaignId":"cmp_1","nodeId":"n"}`)
	in := event.DecodeMessage([]byte(fmt.Sprintf(`{"type":"track","event":"x","userId":"x","properties":%s}`, props)), event.Defaults{ReceivedAt: r.clock.Now(), MessageID: "x"})
	_, err := r.pipeline.Commit(r.ctx, rigWS, event.Input{Type: event.System, Name: "Message Clicked", MessageID: "click", Timestamp: rigStart, Properties: in.Properties, Sum: make([]byte, 16)}, ana)
	require.NoError(t, err)
	require.Equal(t, map[string]string{"email\x1fcmp_1\x1f\x1fn": "10000/100"}, credits(r.ask(Last, Channel, Campaign, Journey, Node)))
}

func TestRulesAreSetAndAppliedToThePast(t *testing.T) {
	r := newRig(t)
	other := rigOver(t, r.db, r.clock)
	r.send(0, `{"type":"track","event":"Fair Visited","userId":"ana","properties":{"stand":"7"}}`)
	r.send(1, order("ana", "20"))
	require.Equal(t, map[string]string{"-": "10000/2000"}, credits(r.ask(Last)))
	rules := UsualRules()
	bad := append(rules.Touches, Touch{Key: "fair", Event: "Fair Visited", Days: 400, Find: map[string][]Lookup{string(Channel): {{Text: "fair"}}}})
	_, _, err := r.SetRules(r.ctx, rigWS, 0, bad, rules.Conversions)
	require.Equal(t, []string{"touches", "5", "days"}, core.AsError(err).Path)
	bad[5].Days = 10
	bad[5].Find[string(Origin)] = []Lookup{{Path: "properties.stand"}}
	set, job, err := r.SetRules(r.ctx, rigWS, 0, bad, rules.Conversions)
	require.NoError(t, err)
	require.Equal(t, int64(1), set.Version())
	require.NotNil(t, job)
	_, _, err = r.SetRules(r.ctx, rigWS, 0, bad, rules.Conversions)
	require.Equal(t, "VERSION_CONFLICT", core.AsError(err).Reason)
	_, err = other.readRules(r.ctx, rigWS)
	require.NoError(t, err)
	diffs, err := other.Rebuild(r.ctx, rigWS)
	require.NoError(t, err)
	require.Len(t, diffs, 1)
	require.Equal(t, map[string]string{"fair\x1f7": "10000/2000"}, credits(r.ask(Last, Channel, Origin)))
	diffs, err = r.Check(r.ctx, rigWS)
	require.NoError(t, err)
	require.Empty(t, diffs)
}

func TestTwoProcessesWriteAtOnce(t *testing.T) {
	r := newRig(t)
	other := rigOver(t, r.db, r.clock)
	var wg sync.WaitGroup
	for _, p := range []*rig{r, other} {
		wg.Go(func() {
			for i := range 20 { // the same people, the same messages
				user := fmt.Sprint("user", i%7)
				p.sendAs(fmt.Sprint("v", i), float64(i), visit(user, "email", "c"))
				p.sendAs(fmt.Sprint("o", i), float64(i)+0.5, order(user, "1"))
			}
		})
	}
	wg.Wait()
	require.Equal(t, map[string]string{"email": "200000/2000"}, credits(r.ask(Linear)))
	diffs, err := r.Check(r.ctx, rigWS)
	require.NoError(t, err)
	require.Empty(t, diffs)
}

func TestLongReportIsAJob(t *testing.T) {
	r := newRig(t)
	r.send(0, visit("ana", "email", "x"))
	r.send(1, order("ana", "2.5"))
	q := Query{Model: Markov, With: Usual, Conversion: "purchase", From: rigStart, To: rigStart.AddDate(0, 0, 9), By: []Dimension{Channel}}
	j, err := r.Request(r.ctx, rigWS, q, "k")
	require.NoError(t, err)
	again, err := r.Request(r.ctx, rigWS, q, "k")
	require.NoError(t, err)
	require.Equal(t, j.JobID(), again.JobID())
	none, err := r.Of(r.ctx, rigWS, j.JobID())
	require.NoError(t, err)
	require.Nil(t, none)
	ctx, cancel := context.WithCancel(r.ctx)
	done := make(chan error)
	go func() { done <- r.runner.Run(ctx) }()
	require.Eventually(t, func() bool {
		none, err = r.Of(r.ctx, rigWS, j.JobID())
		return err == nil && none != nil
	}, 20*time.Second, 20*time.Millisecond)
	cancel()
	<-done
	require.Equal(t, map[string]string{"email": "10000/250"}, credits(none))
	stranger := core.WithActor(r.ctx, access.System(rigWS, "somebody else"))
	hidden, err := r.Of(stranger, rigWS, j.JobID())
	require.NoError(t, err)
	require.Nil(t, hidden)
	_, err = r.compute(r.ctx, rigWS, q, 1, func(int) error { return nil })
	require.Equal(t, "TOO_MANY_POINTS", core.AsError(err).Reason)
	q.By = []Dimension{"COLOUR"}
	_, err = r.Request(r.ctx, rigWS, q, "k2")
	require.Equal(t, []string{"by", "0"}, core.AsError(err).Path)
}

func TestMinorUnits(t *testing.T) {
	r := newRig(t)
	for total, want := range map[string]string{"0.005": "1", "-0.005": "-1", "19.99": "1999", "1e3": "100000", `"12"`: "", "99999999999999": "", "0.1": "10"} {
		p := UsualRules().pointOf(decoded(r, order("u", total)))
		if want == "" {
			require.Empty(t, p.Gains[0].Currency, total)
			continue
		}
		require.Equal(t, want, fmt.Sprint(p.Gains[0].Minor), total)
	}
	require.Equal(t, "12.345", Amount(12345, "KWD"))
	require.Equal(t, "-5", Amount(-5, "JPY"))
	require.Equal(t, "0.07", Amount(7, "EUR"))
}

func decoded(r *rig, message string) *event.Event {
	in := event.DecodeMessage([]byte(message), event.Defaults{ReceivedAt: r.clock.Now(), MessageID: "x"})
	return &event.Event{Type: in.Type, Name: in.Name, Properties: in.Properties, Context: in.Context, Part: "prof_x"}
}

// A touchpoint goes with its event, and one that was left behind goes when points are made
// anew.
func TestPointsGoWithTheirEvents(t *testing.T) {
	r := newRig(t)
	r.send(0, visit("ana", "email", "spring"))
	r.send(3, order("ana", "10"))
	r.send(4, visit("ben", "cpc", "brand"))
	r.send(5, order("ben", "20"))
	require.Equal(t, map[string]string{"email": "10000/1000", "cpc": "10000/2000"}, credits(r.ask(Last)))
	list, err := event.Events.Find(r.ctx, r.db, store.Query{Workspace: rigWS}, 0)
	require.NoError(t, err)
	for _, e := range list {
		if e.Name != "Page Viewed" {
			continue
		}
		ops := []store.Op{event.Events.Delete(e)}
		if e.UserID == "ana" {
			more, err := r.Deleted(r.ctx, rigWS, e)
			require.NoError(t, err)
			require.Len(t, more, 1)
			ops = append(ops, more...)
		}
		require.NoError(t, work.Commit(r.ctx, r.db, ops...))
		more, err := r.Deleted(r.ctx, rigWS, e)
		require.NoError(t, err)
		if e.UserID == "ana" {
			require.Empty(t, more, "it is gone already")
		}
	}
	require.Equal(t, map[string]string{"-": "10000/1000", "cpc": "10000/2000"}, credits(r.ask(Last)))
	diffs, err := r.Rebuild(r.ctx, rigWS)
	require.NoError(t, err)
	require.Len(t, diffs, 1)
	require.Equal(t, map[string]string{"-": "20000/3000"}, credits(r.ask(Last)))
}
