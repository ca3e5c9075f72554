package audit_test

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/audit"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/internal/auditverify"
)

func TestATrailIsOneEntry(t *testing.T) {
	p := newLog(t, openStore(t, filepath.Join(t.TempDir(), "a.db")))
	forbidden := core.Errorf(core.Forbidden, "ROLE", "no")
	for name, c := range map[string]struct {
		do    func(*audit.Trail)
		err   error
		count int // -1: no entry
		want  core.Effect
	}{
		"nothing":      {func(*audit.Trail) {}, nil, -1, ""},
		"nobody found": {func(tr *audit.Trail) { tr.Select([]string{"Profile.traits"}) }, nil, 0, core.Allow},
		"people":       {func(tr *audit.Trail) { saw(tr, audit.Seen{Profiles: []string{"a", "b", "a"}}) }, nil, 2, core.Allow},
		"many": {func(tr *audit.Trail) {
			for i := range 5000 {
				saw(tr, audit.Seen{Profiles: []string{fmt.Sprint(i % 2500)}})
			}
		}, nil, 2500, core.Allow},
		"masked":         {func(tr *audit.Trail) { saw(tr, audit.Seen{Profiles: []string{"a"}, Decision: core.Mask}) }, nil, 1, core.Mask},
		"partly denied":  {func(tr *audit.Trail) { saw(tr, audit.Seen{Count: 7}); saw(tr, audit.Seen{Decision: core.Deny}) }, nil, 7, core.Mask},
		"denied":         {func(tr *audit.Trail) { saw(tr, audit.Seen{Decision: core.Deny}) }, nil, 0, core.Deny},
		"refused":        {func(tr *audit.Trail) {}, forbidden, 0, core.Deny},
		"refused change": {func(tr *audit.Trail) { tr.Force() }, forbidden, 0, core.Deny},
		"change":         {func(tr *audit.Trail) { tr.Force() }, nil, 0, core.Allow},
		"failed read":    {func(tr *audit.Trail) { saw(tr, audit.Seen{Profiles: []string{"a"}}) }, core.Errorf(core.Internal, "INTERNAL", "no"), -1, ""},
		"failed change":  {func(tr *audit.Trail) { tr.Force() }, core.Errorf(core.Internal, "INTERNAL", "no"), 0, core.Allow},
		"flushed in part": {func(tr *audit.Trail) {
			saw(tr, audit.Seen{Profiles: []string{"a"}})
			_ = tr.Flush(as(t, "key_1"))
			saw(tr, audit.Seen{Profiles: []string{"b"}})
		}, nil, 2, core.Allow},
	} {
		t.Run(name, func(t *testing.T) {
			action := "query." + name
			ctx, trail := p.Begin(as(t, "key_1"), action, "")
			c.do(trail)
			require.NoError(t, trail.Close(ctx, c.err))
			require.NoError(t, p.Settle(t.Context(), ws))
			got := all(t, p.Log, audit.Filter{Action: action})
			if c.count < 0 {
				require.Empty(t, got)
				return
			}
			require.Len(t, got, 1)
			require.Equal(t, c.count, got[0].SubjectCount)
			require.Equal(t, c.want, got[0].Decision)
		})
	}
}

func saw(tr *audit.Trail, s audit.Seen) { _ = tr.Saw(nil, s) } //nolint:staticcheck // a trail needs no context

func TestWhatIsNotAuditedIsNotShown(t *testing.T) {
	err := core.AsError(audit.Note(as(t, "key_1"), audit.Seen{Profiles: []string{"prof_1"}}))
	require.Equal(t, audit.ReasonNoTrail, err.Reason)
	require.Error(t, audit.Note(t.Context(), audit.Seen{}), "nobody")
	require.NoError(t, audit.Note(as(t, "system:worker"), audit.Seen{}))
}

// TestEntriesAreFoundByAnything asks for each entry by everything that it can be found
// by, and compares with looking at all of them.
func TestEntriesAreFoundByAnything(t *testing.T) {
	p := newLog(t, openStore(t, filepath.Join(t.TempDir(), "a.db")))
	start := time.Now().UTC().Truncate(time.Millisecond).Add(-time.Hour)
	for round := range 6 { // blocks of their own
		var entries []audit.Entry
		for i := range 60 {
			n := round*60 + i
			e := audit.Entry{
				Actor: fmt.Sprintf("key_%d", n%3), Action: fmt.Sprintf("query.%d", n%5), Purpose: []string{"support", "analytics"}[n%2],
				Decision: []core.Effect{core.Allow, core.Mask, core.Deny}[n%3], RequestID: fmt.Sprintf("req_%d", n), At: start.Add(time.Duration(n) * time.Second),
				Subjects: []string{fmt.Sprintf("prof_%d", n%7)},
			}
			if n%11 == 0 {
				e.Identifiers = []audit.Subject{{Namespace: "email", Value: fmt.Sprintf("P%d@x.com", n%4)}}
			}
			if n%90 == 1 {
				for k := range 300 {
					e.Subjects = append(e.Subjects, fmt.Sprintf("prof_many_%d", k))
				}
			}
			entries = append(entries, e)
		}
		require.NoError(t, p.WriteAll(as(t, "x"), entries))
		require.NoError(t, p.Settle(t.Context(), ws))
	}
	whole := all(t, p.Log, audit.Filter{})
	require.Len(t, whole, 361)
	at := func(n int) time.Time { return start.Add(time.Duration(n) * time.Second) }
	psn := func(kind, v string) string {
		s, err := p.ring.Pseudonym(t.Context(), ws, kind, v)
		require.NoError(t, err)
		return s
	}
	has := func(list []string, v string) bool {
		for _, s := range list {
			if s == v {
				return true
			}
		}
		return false
	}
	for name, c := range map[string]struct {
		f    audit.Filter
		want func(r *audit.Record) bool
	}{
		"actor":           {audit.Filter{Actor: "key_1"}, func(r *audit.Record) bool { return r.Actor == "key_1" }},
		"action, purpose": {audit.Filter{Action: "query.3", Purpose: "support"}, func(r *audit.Record) bool { return r.Action == "query.3" && r.Purpose == "support" }},
		"decision":        {audit.Filter{Decision: core.Deny}, func(r *audit.Record) bool { return r.Decision == core.Deny }},
		"purpose":         {audit.Filter{Purpose: "analytics"}, func(r *audit.Record) bool { return r.Purpose == "analytics" }},
		"request":         {audit.Filter{RequestID: "req_77"}, func(r *audit.Record) bool { return r.RequestID == "req_77" }},
		"profile": {audit.Filter{ProfileID: "prof_3"}, func(r *audit.Record) bool {
			return has(r.Subjects, psn("profile", "prof_3")) || len(r.SubjectSet) > 0 && r.Index%7 == 4
		}},
		"one of many":      {audit.Filter{ProfileID: "prof_many_299"}, func(r *audit.Record) bool { return len(r.SubjectSet) > 0 }},
		"nobody":           {audit.Filter{ProfileID: "prof_9"}, func(*audit.Record) bool { return false }},
		"identifier":       {audit.Filter{Subject: &audit.Subject{Namespace: "email", Value: " p2@X.com"}}, func(r *audit.Record) bool { return has(r.Identifiers, psn("email", "p2@x.com")) }},
		"from":             {audit.Filter{From: at(100)}, func(r *audit.Record) bool { return !r.At.Before(at(100)) }},
		"to":               {audit.Filter{To: at(100)}, func(r *audit.Record) bool { return !r.At.After(at(100)) }},
		"between, actor":   {audit.Filter{From: at(100), To: at(200), Actor: "key_2"}, func(r *audit.Record) bool { return !r.At.Before(at(100)) && !r.At.After(at(200)) && r.Actor == "key_2" }},
		"profile, request": {audit.Filter{ProfileID: "prof_0", RequestID: "req_7"}, func(r *audit.Record) bool { return r.RequestID == "req_7" }},
	} {
		t.Run(name, func(t *testing.T) {
			var want, got []int64
			for _, r := range whole {
				if c.want(r) {
					want = append(want, r.Index)
				}
			}
			for _, r := range all(t, p.Log, c.f) {
				got = append(got, r.Index)
			}
			require.Equal(t, want, got)
			n, err := p.Count(t.Context(), ws, c.f)
			require.NoError(t, err)
			require.Equal(t, int64(len(want)), n)
			// By small pages from the end.
			var back []int64
			w := core.Window{Limit: 7, Backward: true}
			for {
				page, err := p.Entries(t.Context(), ws, c.f, w)
				require.NoError(t, err)
				for i := len(page.Items) - 1; i >= 0; i-- {
					back = append([]int64{page.Items[i].Index}, back...)
				}
				if !page.HasPrev {
					break
				}
				w.Before = page.Cursors[0]
			}
			require.Equal(t, want, back)
		})
	}
}

// TestErasedPeopleAreFoundByTheirIdentifier has nothing left but the link of pseudonyms.
func TestErasedPeopleAreFoundByTheirIdentifier(t *testing.T) {
	p := newLog(t, openStore(t, filepath.Join(t.TempDir(), "a.db")))
	require.NoError(t, p.Write(as(t, "key_1"), audit.Entry{Action: "query.profile", Subjects: []string{"prof_1"}}))
	require.NoError(t, p.Settle(t.Context(), ws))
	f := audit.Filter{Subject: &audit.Subject{Namespace: "email", Value: "ann@example.com"}}
	require.Empty(t, all(t, p.Log, f))
	p.SetResolve(nil)
	ops, err := p.Link(t.Context(), ws, []audit.Subject{{Namespace: "email", Value: "Ann@example.com"}, {Namespace: "email", Value: "ann@example.com"}}, []string{"prof_1", "prof_2"})
	require.NoError(t, err)
	require.Len(t, ops, 1)
	_, err = p.db.Commit(t.Context(), store.Batch{ID: core.NewID(core.PrefixBatch, time.Now()), Ops: ops})
	require.NoError(t, err)
	require.Len(t, all(t, p.Log, f), 1)
}

// TestRetentionDropsBodiesAndKeepsProofs waits for months on a virtual clock.
func TestRetentionDropsBodiesAndKeepsProofs(t *testing.T) {
	clock := core.NewVirtualClock(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	path := filepath.Join(t.TempDir(), "a.db")
	p := newLog(t, openStore(t, path), func(o *audit.Options) { o.Clock = clock })
	many := make([]string, 300)
	for i := range many {
		many[i] = fmt.Sprintf("prof_%d", i)
	}
	require.NoError(t, p.Write(as(t, "key_1"), audit.Entry{Action: "export.segment", Subjects: many}))
	fill(t, p, 300, "key_1")
	before, err := p.Checkpoint(t.Context(), ws, nil)
	require.NoError(t, err)
	clock.Advance(100 * 24 * time.Hour)
	fill(t, p, 10, "key_2")
	plan, err := p.SetRetention(as(t, "key_1"), ws, 3, nil, true)
	require.NoError(t, err)
	require.Equal(t, [3]int64{3, 302, 0}, [3]int64{int64(plan.Months), plan.Drops, plan.Version})
	plan, err = p.SetRetention(as(t, "key_1"), ws, 3, nil, false)
	require.NoError(t, err)
	require.Equal(t, clock.Now().Add(audit.RetentionDelay), plan.From)
	require.NoError(t, p.Settle(t.Context(), ws))
	last := all(t, p.Log, audit.Filter{Action: "audit.setRetention"})
	require.Len(t, last, 1)

	q := running(t, openStore(t, path), func(o *audit.Options) { o.Clock = clock })
	for range 2 { // the shorter retention waits, and the clock has just jumped by months
		require.NoError(t, q.Write(as(t, "key_3"), audit.Entry{Action: "query.y"}))
		require.NoError(t, q.Settle(t.Context(), ws))
		time.Sleep(100 * time.Millisecond) // the sequencer looks for what is due when it has nothing else to do
		require.Len(t, all(t, q.Log, audit.Filter{Actor: "key_1", Action: "query.profile"}), 300)
		clock.Advance(audit.RetentionDelay / 2)
	}
	clock.Advance(time.Hour)
	require.NoError(t, q.Write(as(t, "key_3"), audit.Entry{Action: "query.x"}))
	require.Eventually(t, func() bool { return len(all(t, q.Log, audit.Filter{Action: "audit.drop"})) == 1 }, 10*time.Second, 10*time.Millisecond)
	require.Empty(t, all(t, q.Log, audit.Filter{Actor: "key_1", Action: "query.profile"}))
	require.Len(t, all(t, q.Log, audit.Filter{Actor: "key_2"}), 10)
	res, err := verify(export(t, q, audit.ExportInput{Format: audit.JSONL}), optionsWith(t, q, before.SignedNote))
	require.NoError(t, err)
	require.Equal(t, int64(302), res.Dropped)
	proof, err := q.Proof(t.Context(), ws, 5, before.Size)
	require.NoError(t, err)
	require.NotEmpty(t, proof)
}

// TestAnIdentifierIsFoundInWhateverForm asks as it was not written.
func TestAnIdentifierIsFoundInWhateverForm(t *testing.T) {
	p := newLog(t, openStore(t, filepath.Join(t.TempDir(), "a.db")), func(o *audit.Options) {
		o.Normal = func(_ context.Context, space string, s audit.Subject) (audit.Subject, bool, error) {
			require.Equal(t, ws, space)
			digits := strings.NewReplacer(" ", "", "+", "").Replace(s.Value)
			return audit.Subject{Namespace: s.Namespace, Value: "+" + strings.TrimPrefix(digits, "00")}, s.Namespace == "phone", nil
		}
	})
	ctx, trail := p.Begin(as(t, "key_1"), "query.profile", "Profile")
	audit.Lookup(ctx, "phone", "+40 721 000 111")
	audit.Lookup(ctx, "user_id", "00 U7")
	trail.Force()
	require.NoError(t, trail.Intend(ctx))
	require.NoError(t, trail.Close(ctx, nil))
	require.NoError(t, p.Write(as(t, "key_1"), audit.Entry{Action: "query.x", Subjects: []string{"prof_gone"}}))
	ops, err := p.Link(t.Context(), ws, []audit.Subject{{Namespace: "phone", Value: "0040 721000222"}}, []string{"prof_gone"})
	require.NoError(t, err)
	require.NoError(t, commitOps(t, p.db, ops...))
	require.NoError(t, p.Settle(t.Context(), ws))
	for _, s := range []audit.Subject{{"phone", "0040721000111"}, {"phone", "+40721000111"}, {"user_id", " 00 u7"}, {"phone", "+40721000222"}} {
		require.Len(t, all(t, p.Log, audit.Filter{Subject: &s}), 1, s.Value)
	}
	require.Empty(t, all(t, p.Log, audit.Filter{Subject: &audit.Subject{Namespace: "user_id", Value: "u7"}}))
}

// TestAChangeThatWasCutOffLeavesItsEntry begins changes that never end, many of them
// before the one that is looked for, and one that does.
func TestAChangeThatWasCutOffLeavesItsEntry(t *testing.T) {
	clock := core.NewVirtualClock(time.Now().Add(-time.Hour))
	p := newLog(t, openStore(t, filepath.Join(t.TempDir(), "a.db")), func(o *audit.Options) { o.Clock = clock })
	begin := func(action string) (context.Context, *audit.Trail) {
		ctx, trail := p.Begin(as(t, "key_1"), action, "Profile")
		trail.Force()
		require.NoError(t, trail.Intend(ctx))
		return ctx, trail
	}
	for range 150 {
		begin("mutation.many")
	}
	clock.Advance(time.Millisecond) // the ids go by time: this one is behind the others
	ctx, trail := begin("mutation.mergeProfiles")
	audit.Lookup(ctx, "email", "Ann@example.com")
	require.NoError(t, audit.Note(ctx, audit.Seen{Profiles: []string{"prof_1"}}))
	trail.Detail("winner", "prof_1")
	require.NoError(t, trail.Flush(ctx))
	ctx, trail = begin("mutation.whole")
	saw(trail, audit.Seen{Profiles: []string{"prof_2"}})
	require.NoError(t, trail.Close(ctx, nil))
	clock.Advance(11 * time.Minute)
	begin("mutation.young")
	sweeping, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { _ = p.Run(sweeping) })
	require.Eventually(t, func() bool {
		require.NoError(t, p.Settle(t.Context(), ws))
		return len(all(t, p.Log, audit.Filter{Action: "mutation.mergeProfiles"})) == 1
	}, 5*time.Second, 20*time.Millisecond)
	cancel()
	wg.Wait()
	require.NoError(t, p.Settle(t.Context(), ws))
	got := all(t, p.Log, audit.Filter{Action: "mutation.mergeProfiles"})[0]
	require.Equal(t, map[string]string{"winner": "prof_1", "failed": "ABANDONED"}, got.Details)
	require.Len(t, all(t, p.Log, audit.Filter{Subject: &audit.Subject{Namespace: "email", Value: "ann@example.com"}}), 1)
	require.Len(t, all(t, p.Log, audit.Filter{ProfileID: "prof_1"}), 1)
	require.Len(t, all(t, p.Log, audit.Filter{Action: "mutation.many"}), 150)
	require.Empty(t, all(t, p.Log, audit.Filter{Action: "mutation.young"}))
	whole := all(t, p.Log, audit.Filter{Action: "mutation.whole"})
	require.Len(t, whole, 1, "what ended is there once")
	require.Empty(t, whole[0].Details)
	require.Len(t, whole[0].Subjects, 1)
}

// TestAWildClockDropsNothing starts a server whose clock is years ahead.
func TestAWildClockDropsNothing(t *testing.T) {
	clock := core.NewVirtualClock(time.Date(2018, 1, 1, 0, 0, 0, 0, time.UTC))
	path := filepath.Join(t.TempDir(), "a.db")
	p := newLog(t, openStore(t, path), func(o *audit.Options) { o.Clock = clock })
	fill(t, p, 20, "key_1")
	_, err := p.SetRetention(as(t, "key_1"), ws, 3, nil, false)
	require.NoError(t, err)
	require.NoError(t, p.Settle(t.Context(), ws))
	clock.Advance(5 * 365 * 24 * time.Hour)
	q := running(t, openStore(t, path), func(o *audit.Options) { o.Clock = clock })
	require.Eventually(t, func() bool { return len(all(t, q.Log, audit.Filter{Action: "audit.holdRetention"})) == 1 }, 10*time.Second, 10*time.Millisecond)
	for range 5 {
		require.NoError(t, q.Write(as(t, "key_2"), audit.Entry{Action: "query.x"}))
		require.NoError(t, q.Settle(t.Context(), ws))
		time.Sleep(30 * time.Millisecond)
	}
	require.Len(t, all(t, q.Log, audit.Filter{Actor: "key_1", Action: "query.profile"}), 20)
	require.Len(t, all(t, q.Log, audit.Filter{Action: "audit.holdRetention"}), 1)
	clock.Advance(8 * 24 * time.Hour)
	require.NoError(t, q.Write(as(t, "key_2"), audit.Entry{Action: "query.x"}))
	require.Eventually(t, func() bool { return len(all(t, q.Log, audit.Filter{Action: "audit.drop"})) == 1 }, 10*time.Second, 10*time.Millisecond)
	_, err = verify(export(t, q, audit.ExportInput{Format: audit.JSONL}), auditverify.Options{Keys: []string{vkey(t, q)}})
	require.NoError(t, err)
}
