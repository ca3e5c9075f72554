package privacy

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/object"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// ended stores a job of a kind that is over, and returns its id.
func ended(t *testing.T, db store.Store, ws, kind string, status work.Status) string {
	t.Helper()
	j := &work.Job{Meta: store.Meta{ID: store.Key(ws, core.NewID(core.PrefixJob, time.Now()))}, Kind: kind, Status: status}
	require.NoError(t, work.Commit(context.Background(), db, work.JobDocs.Insert(j)))
	return j.JobID()
}

// An erasure and an answer are carried through: nobody cancels them, and one whose job is
// over all the same goes on in another.
func TestNothingIsHalfDoneForEver(t *testing.T) {
	r := newRig(t)
	for _, kind := range []string{EraseKind} {
		_, err := r.jobs.Cancel(r.ctx, rigWS, ended(t, r.store, rigWS, kind, work.Queued))
		require.Equal(t, "NOT_CANCELLABLE", reason(err))
	}
	id := r.identify("ana", `{"email":"ana@example.com"}`)
	p, err := r.people.Get(r.ctx, rigWS, id)
	require.NoError(t, err)
	now := millis(r.clock.Now())
	q := &Request{
		Meta: store.Meta{ID: store.Key(rigWS, core.NewID(core.PrefixPrivacy, now))}, Type: Erasure, Status: InProgress, ReceivedAt: now, DueAt: DueAt(now),
		Profile: id, ErasedAt: &now, Tasks: []Task{{Target: targetHere, Status: work.Queued}}, Job: ended(t, r.store, rigWS, EraseKind, work.Cancelled),
	}
	sealed, err := r.subjectOp(r.ctx, rigWS, q.RequestID(), p.Parts, (&target{profile: p}).identifiers())
	require.NoError(t, err)
	require.NoError(t, work.Commit(r.ctx, r.store, Requests.Insert(q), sealed))
	q.V = 1
	before := q.Job
	require.NoError(t, r.lookAfter(r.ctx, q))
	q = r.await(q.RequestID(), func(q *Request) bool { return q.Status.Final() })
	require.Equal(t, Completed, q.Status)
	require.NotEqual(t, before, q.Job)
	require.Contains(t, q.Counts, Count{"events", 1})
	require.NotNil(t, q.Receipt)
}

func TestAnAnswerGoesOnInAnotherJob(t *testing.T) {
	b := newBureau(t, dayOne)
	_, err := b.o.Jobs.Cancel(b.ctx, deskWS, ended(t, b.db, deskWS, JobAnswer, work.Queued))
	require.Equal(t, "NOT_CANCELLABLE", whyNot(err))
	ana := b.send(`{"type":"identify","userId":"ana"}`)
	r := b.open(OpenInput{Type: Access, ProfileID: ana})
	r.Status, r.Job = InProgress, ended(t, b.db, deskWS, JobAnswer, work.Failed)
	require.NoError(t, work.Commit(b.ctx, b.db, Requests.Replace(r)))
	r.V++
	require.NoError(t, b.eraser.lookAfter(b.ctx, r))
	require.NotEmpty(t, b.downloads(b.until(r, Completed)))
}

// mute is a store that commits nothing.
type mute struct{ store.Store }

func (mute) Commit(context.Context, store.Batch) (store.Token, error) {
	var none store.Token
	return none, store.ErrUnavailable
}

// To verify an identity and to begin the work is one commit: what could come in between
// would leave the request in progress with nobody at work.
func TestVerifyingBeginsTheWorkInOneCommit(t *testing.T) {
	b := newBureau(t, dayOne)
	ana := b.send(`{"type":"identify","userId":"ana"}`)
	r := b.open(OpenInput{Type: Access, ProfileID: ana})
	b.o.Jobs = work.NewJobs(work.New(work.Options{Store: mute{b.db}, Clock: b.clock}))
	b.verify(r)
	r = b.until(r, Completed)
	require.NotEmpty(t, r.Job)
	j, err := work.JobDocs.Get(b.ctx, b.db, store.Key(deskWS, r.Job))
	require.NoError(t, err)
	require.Equal(t, JobAnswer, j.Kind)
}

// slow is a destination that answers when it is let.
type slow struct {
	asked, let chan struct{}
	answer     Answer
}

func (s *slow) Name() string { return "crm" }

func (s *slow) Erase(ctx context.Context, _ Subject) (Answer, error) {
	select {
	case s.asked <- struct{}{}:
	default:
	}
	select {
	case <-s.let:
		return s.answer, nil
	case <-ctx.Done():
		return Answer{}, context.Cause(ctx)
	}
}

func (s *slow) Check(context.Context, string, string) (Answer, error) { return s.answer, nil }

// What an erasure waits for is in it from the moment that it waits, and nobody closes
// it before its receipt.
func TestAnErasureEndsWithItsReceipt(t *testing.T) {
	b := newBureau(t, dayOne)
	crm := &slow{asked: make(chan struct{}, 1), let: make(chan struct{}), answer: Answer{Status: work.Running, Ref: "77", After: time.Millisecond}}
	b.dests = []Destination{crm}
	ana := b.send(`{"type":"identify","userId":"ana"}`)
	out, err := b.eraser.Erase(b.ctx, deskWS, EraseInput{ProfileID: ana})
	require.NoError(t, err)
	require.NotEmpty(t, out.Request.Job)
	<-crm.asked
	id := Step{ID: out.Request.RequestID()}
	r, err := b.Get(b.ctx, deskWS, id.ID)
	require.NoError(t, err)
	require.Equal(t, AwaitingDestinations, r.Status)
	require.Equal(t, work.Queued, r.statusOf("crm"))
	require.NotEmpty(t, r.statusOf(targetFiles))
	_, err = b.Close(b.ctx, deskWS, id, "done")
	require.Equal(t, "REQUEST_TYPE", whyNot(err))
	_, err = b.Refuse(b.ctx, deskWS, RefuseInput{Step: id, Reason: "no"})
	require.Equal(t, "REQUEST_STATUS", whyNot(err))
	for _, target := range []string{targetFiles, targetHere} {
		_, err = b.SetTask(b.ctx, deskWS, TaskInput{Step: id, Target: target, Status: work.Succeeded, Evidence: "looks fine"})
		require.Equal(t, "TARGET", whyNot(err), target)
	}
	_, err = b.SetTask(b.ctx, deskWS, TaskInput{Step: id, Target: "crm", Status: work.Succeeded, Evidence: "looks fine"})
	require.Equal(t, "TASK_RUNNING", whyNot(err))

	// It goes on for ever: the officer gives it up, with what is known of it.
	close(crm.let)
	require.Eventually(t, func() bool {
		r, err = b.Get(b.ctx, deskWS, id.ID)
		return err == nil && slices.ContainsFunc(r.Tasks, func(t Task) bool { return t.Ref == "77" })
	}, 10*time.Second, 5*time.Millisecond)
	_, err = b.SetTask(b.ctx, deskWS, TaskInput{Step: id, Target: "crm", Status: work.Failed})
	require.Equal(t, "TASK_RUNNING", whyNot(err))
	require.Eventually(t, func() bool { // the server writes into the request as well
		_, err = b.SetTask(b.ctx, deskWS, TaskInput{Step: id, Target: "crm", Status: work.Failed, Evidence: "the vendor is bankrupt"})
		return err == nil
	}, 10*time.Second, time.Millisecond)
	b.clock.set(dayOne.Add(time.Hour))
	r = b.until(r, Failed)
	require.NotNil(t, r.Receipt)
	require.True(t, r.Overdue(r.DueAt.Add(time.Minute)), "not everybody has erased her")
	r, err = b.Close(b.ctx, deskWS, id, "their disks were destroyed, certificate 5")
	require.NoError(t, err)
	require.Equal(t, Completed, r.Status)
	r, err = b.Verify(b.ctx, deskWS, VerifyInput{Step: id, By: "mem_1", How: "letter with a copy of the passport"})
	require.NoError(t, err, "the check of an erasure is noted also when it is over")
	require.Equal(t, "mem_1", r.VerifiedBy)
}

func TestARefusedErasureForgetsThePerson(t *testing.T) {
	b := newBureau(t, dayOne)
	ana := b.send(`{"type":"identify","userId":"ana"}`)
	_, err := b.eraser.Erase(b.ctx, deskWS, EraseInput{ProfileID: ana, VerifiedBy: "mem_1"})
	require.Equal(t, "REASON", whyNot(err), "who checked, and not how")
	h, err := b.eraser.PlaceHold(b.ctx, deskWS, HoldInput{ProfileID: ana, Reason: "case 1"})
	require.NoError(t, err)
	out, err := b.eraser.Erase(b.ctx, deskWS, EraseInput{ProfileID: ana, VerifiedHow: "passport"})
	require.NoError(t, err)
	require.Equal(t, "key_officer", out.Request.VerifiedBy)
	require.NotNil(t, out.Request.Handling.VerifiedAt)
	sealed, err := subjects.Get(b.ctx, b.db, out.Request.ID)
	require.NoError(t, err)
	require.NotNil(t, sealed)
	r, err := b.Refuse(b.ctx, deskWS, RefuseInput{Step: Step{ID: out.Request.RequestID()}, Reason: "we must keep it"})
	require.NoError(t, err)
	require.Equal(t, Refused, r.Status)
	sealed, err = subjects.Get(b.ctx, b.db, out.Request.ID)
	require.NoError(t, err)
	require.Nil(t, sealed)
	_, err = b.eraser.LiftHold(b.ctx, deskWS, h.HoldID(), "over")
	require.NoError(t, err)
	p, err := b.people.Get(b.ctx, deskWS, ana)
	require.NoError(t, err)
	require.NotNil(t, p)
}

// An erasure that waits for a hold begins when the hold is lifted, whatever came in
// between.
func TestAParkedErasureIsFoundByItsHold(t *testing.T) {
	r := newRig(t)
	done := func(id string) {
		t.Helper()
		require.Equal(t, Completed, r.await(id, func(q *Request) bool { return q.Status.Final() }).Status)
	}
	// The one under the hold was merged into somebody else since.
	ana, cookie := r.identify("ana", `{}`), r.send(`{"type":"track","anonymousId":"c","event":"Seen"}`)[0].ProfileID
	h, err := r.PlaceHold(r.ctx, rigWS, HoldInput{ProfileID: cookie, Reason: "case 1"})
	require.NoError(t, err)
	_, err = r.people.Merge(r.ctx, rigWS, profile.MergeInput{WinnerID: ana, LoserID: cookie, Reason: "same"})
	require.NoError(t, err)
	out, err := r.Erase(r.ctx, rigWS, EraseInput{ProfileID: ana})
	require.NoError(t, err)
	require.Equal(t, Received, out.Request.Status)
	_, err = r.LiftHold(r.ctx, rigWS, h.HoldID(), "closed")
	require.NoError(t, err)
	done(out.Request.RequestID())

	// It is lifted while the request is being parked.
	ben := r.identify("ben", `{}`)
	h, err = r.PlaceHold(r.ctx, rigWS, HoldInput{ProfileID: ben, Reason: "case 2"})
	require.NoError(t, err)
	seen := *h
	_, err = r.LiftHold(r.ctx, rigWS, h.HoldID(), "closed")
	require.NoError(t, err)
	q, err := r.entered(r.ctx, rigWS, EraseInput{ProfileID: ben})
	require.NoError(t, err)
	who, err := r.target(r.ctx, rigWS, ben, nil)
	require.NoError(t, err)
	require.NoError(t, r.name(r.ctx, q, who))
	_, err = r.park(r.ctx, q, who, []*Hold{&seen})
	require.ErrorIs(t, err, store.ErrConflict, "it would wait for a hold that is over")

	// The process ends between the lifting and what follows from it.
	h, err = r.PlaceHold(r.ctx, rigWS, HoldInput{ProfileID: ben, Reason: "case 3"})
	require.NoError(t, err)
	out, err = r.Erase(r.ctx, rigWS, EraseInput{ProfileID: ben})
	require.NoError(t, err)
	q = out.Request
	require.NoError(t, r.lookAfter(r.ctx, q))
	still, err := Requests.Get(r.ctx, r.store, q.ID)
	require.NoError(t, err)
	require.Equal(t, q.V, still.V, "it waits, and nothing is written")
	now := r.clock.Now()
	h.LiftedAt = &now
	require.NoError(t, work.Commit(r.ctx, r.store, Holds.Replace(h)))
	task, err := work.Find(r.ctx, r.store, rigWS, taskWatch, q.RequestID())
	require.NoError(t, err)
	require.NotNil(t, task, "somebody looks after it")
	require.NoError(t, work.Commit(r.ctx, r.store, work.Move(task, now)))
	done(q.RequestID())
}

// Records that others share may be large: a slice takes what fits.
func TestSharedRecordsAreErasedInSlices(t *testing.T) {
	r := newRig(t)
	_, err := r.objects.CreateType(r.ctx, rigWS, object.TypeInput{
		Key: "contract", Name: "Contract", Fields: []object.FieldInput{{Key: "text", Label: "Text", Type: object.Text}},
		Relations: []object.RelationInput{{Key: "party", Label: "Party", Many: true}},
	})
	require.NoError(t, err)
	ana := r.identify("ana", `{}`)
	r.identify("ben", `{}`)
	long := strings.Repeat("ü", 30<<10)
	names := []object.Link{{Namespace: "user_id", Value: "ana"}, {Namespace: "profile", Value: ana}}
	for i := range 4 {
		var items []object.Item
		for j := range 20 {
			items = append(items, object.Item{
				ExternalID: string(rune('a'+i)) + string(rune('a'+j)), Fields: map[string]any{"text": long},
				Links: map[string][]object.Link{"party": {names[i%2], {Namespace: "user_id", Value: "ben"}}},
			})
		}
		results, err := r.objects.Upsert(r.ctx, rigWS, "contract", items)
		require.NoError(t, err)
		for _, one := range results {
			require.Nil(t, one.Err)
		}
	}
	q := r.erase(EraseInput{ProfileID: ana})
	require.Equal(t, Completed, q.Status)
	require.Contains(t, q.Counts, Count{"records", 80})
	n := 0
	require.NoError(t, object.Records.Each(r.ctx, r.store, store.Query{Workspace: rigWS}, func(one *object.Record) error {
		n++
		require.Len(t, one.Links, 1)
		return nil
	}))
	require.Equal(t, 80, n)
}

func TestRequestsAreListedByWhenTheyAreDue(t *testing.T) {
	b := newBureau(t, dayOne)
	ana := b.send(`{"type":"identify","userId":"ana"}`)
	at := func(days int) *time.Time {
		d := dayOne.AddDate(0, 0, -days)
		return &d
	}
	late := b.open(OpenInput{Type: Access, ProfileID: ana, ReceivedAt: at(20)}) // due on 11 February
	soon := b.open(OpenInput{Type: Access, ProfileID: ana, ReceivedAt: at(10)}) // 21 February
	over := b.open(OpenInput{Type: Access, ProfileID: ana, ReceivedAt: at(15)})
	ids := func(f RequestFilter) (out []string) {
		t.Helper()
		page, err := b.List(b.ctx, deskWS, f, core.Window{Limit: 10})
		require.NoError(t, err)
		for _, r := range page.Items {
			out = append(out, r.RequestID())
		}
		n, err := b.Count(b.ctx, deskWS, f)
		require.NoError(t, err)
		require.EqualValues(t, len(out), n)
		return out
	}
	march := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	due := RequestFilter{DueBefore: march}
	require.Equal(t, []string{late.RequestID(), over.RequestID(), soon.RequestID()}, ids(due))
	_, err := b.Extend(b.ctx, deskWS, ExtendInput{Step: Step{ID: late.RequestID()}, Reason: "many"})
	require.NoError(t, err)
	_, err = b.Refuse(b.ctx, deskWS, RefuseInput{Step: Step{ID: over.RequestID()}, Reason: "excessive"})
	require.NoError(t, err)
	require.Equal(t, []string{soon.RequestID()}, ids(due), "neither what was put off nor what was answered")
	require.Equal(t, []string{soon.RequestID(), late.RequestID()}, ids(RequestFilter{Status: Received}))
	require.Equal(t, []string{soon.RequestID()}, ids(RequestFilter{Status: Received, DueBefore: march}))
	require.Empty(t, ids(RequestFilter{Status: Refused, DueBefore: march}))
	require.Len(t, ids(RequestFilter{}), 3)
	got, err := b.Get(b.ctx, deskWS, late.RequestID())
	require.NoError(t, err)
	require.Equal(t, late.DueAt, *got.FirstDueAt)
	require.Equal(t, got.DueAt, *got.ExtendedTo)
}
