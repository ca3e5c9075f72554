package privacy

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/core/audit"
	"github.com/headwater-cdp/headwater/core/consent"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/ingest"
	"github.com/headwater-cdp/headwater/core/keyring"
	"github.com/headwater-cdp/headwater/core/message"
	"github.com/headwater-cdp/headwater/core/object"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/segment"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/store/sqlite"
	"github.com/headwater-cdp/headwater/core/work"
)

const deskWS = "ws_DESK000001"

// deskClock stands still until it is moved, and sleeps for real, but short.
type deskClock struct {
	mu sync.Mutex
	at time.Time
}

func (c *deskClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *deskClock) Sleep(ctx context.Context, d time.Duration) error {
	return core.SystemClock{}.Sleep(ctx, min(d, 5*time.Millisecond))
}

func (c *deskClock) set(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = t
}

// bureau is a desk with everything around it.
type bureau struct {
	*Desk
	t        *testing.T
	ctx      context.Context
	db       *sqlite.Store
	clock    *deskClock
	people   *profile.Service
	pipe     *ingest.Pipeline
	segments *segment.Service
	objects  *object.Service
	eraser   *Service
	queue    *message.Service
	said     []ObjectionWord
	dests    []Destination
	n        int
}

func bureauSpecs() []*store.Spec {
	specs := store.Specs()
	for _, list := range [][]*store.Spec{
		access.Specs(), audit.Specs(), keyring.Specs(), event.Specs(), consent.Specs(), profile.Specs(), work.Specs(), ingest.Specs(), object.Specs(), segment.Specs(), message.Specs(), Specs(), DeskSpecs(),
	} {
		specs = append(specs, list...)
	}
	return specs
}

func newBureau(t *testing.T, start time.Time) *bureau {
	t.Helper()
	clock := &deskClock{at: start}
	db, err := sqlite.Open(context.Background(), sqlite.Options{Path: filepath.Join(t.TempDir(), "hw.db")})
	require.NoError(t, err)
	require.NoError(t, db.Declare(context.Background(), bureauSpecs()...))
	master, err := keyring.NewMaster(bytes.Repeat([]byte{1}, 32))
	require.NoError(t, err)
	ring := keyring.New(db, clock, master)
	b := &bureau{t: t, db: db, clock: clock}
	b.ctx = core.WithActor(context.Background(), &core.Actor{ID: "key_officer", Workspace: deskWS, Roles: []string{access.Compliance}, Reason: "ticket 9"})
	b.ctx = audit.WithWitness(b.ctx, trail{})
	runner := work.New(work.Options{Store: db, Clock: clock, Poll: 5 * time.Millisecond})
	jobs := work.NewJobs(runner)
	events := event.NewService(db, clock)
	b.people = profile.NewService(db, clock)
	b.pipe = ingest.New(ingest.Options{Store: db, Clock: clock, Events: events, Profiles: b.people})
	objects := object.NewService(object.Options{Store: db, Clock: clock, Committer: b.pipe, People: b.people, Events: events, Jobs: jobs})
	b.objects = objects
	b.segments = segment.New(segment.Options{
		Store: db, Clock: clock, Profiles: b.people, Objects: objects, ObjectTypes: objects.Vocabulary, Events: events, Committer: b.pipe, Jobs: jobs, Runner: runner,
	})
	b.people.SetFold(b.segments)
	log := audit.New(audit.Options{Store: db, Keys: ring, Clock: clock})
	destinations := func(context.Context, string) ([]Destination, error) { return b.dests, nil }
	b.eraser = New(Options{
		Store: db, Clock: clock, Keys: ring, Events: events, Profiles: b.people, Objects: objects, Segments: b.segments, Jobs: jobs, Runner: runner, Specs: bureauSpecs(),
		Destinations: destinations,
	})
	b.queue = message.New(message.Options{Store: db, Clock: clock, Keys: ring, Committer: b.pipe, Events: events, Profiles: b.people})
	b.Desk = NewDesk(DeskOptions{
		Store: db, Clock: clock, Keys: ring, Committer: b.pipe, Events: events, Profiles: b.people, Segments: b.segments, Objects: objects,
		Consent: consent.NewService(consent.Options{Store: db, Clock: clock}), Audit: log, Jobs: jobs, Runner: runner, Specs: bureauSpecs,
		Destinations: destinations, Erasure: b.eraser, Messages: b.queue,
		Object: func(_ context.Context, o ObjectionWord) (string, error) {
			b.said = append(b.said, o)
			return "con_" + o.Purpose, nil
		},
	})
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { _ = runner.Run(ctx) })
	t.Cleanup(func() {
		cancel()
		wg.Wait()
		require.NoError(t, b.pipe.Close(context.Background()))
		require.NoError(t, db.Close(context.Background()))
	})
	return b
}

func (b *bureau) send(message string) string {
	b.t.Helper()
	b.n++
	in := event.DecodeMessage([]byte(message), event.Defaults{ReceivedAt: b.clock.Now(), MessageID: fmt.Sprint("m", b.n)})
	out, err := b.pipe.Ingest(b.ctx, deskWS, "src_web", []event.Input{in})
	require.NoError(b.t, err)
	require.Equal(b.t, event.Accepted, out[0].Status, "%v", out[0].Err)
	return out[0].ProfileID
}

func (b *bureau) open(in OpenInput) *Request {
	b.t.Helper()
	r, err := b.Open(b.ctx, deskWS, in)
	require.NoError(b.t, err)
	return r
}

func (b *bureau) verify(r *Request) {
	b.t.Helper()
	_, err := b.Verify(b.ctx, deskWS, VerifyInput{Step: Step{ID: r.RequestID()}, How: "passport at the counter"})
	require.NoError(b.t, err)
}

func (b *bureau) until(r *Request, s RequestStatus) *Request {
	b.t.Helper()
	var now *Request
	defer func() {
		if b.t.Failed() {
			b.t.Logf("it is %s: %+v", now.Status, now.Tasks)
			js, _ := work.JobDocs.Find(b.ctx, b.db, store.Query{Workspace: deskWS}, 0)
			for _, j := range js {
				b.t.Logf("job %s %s %+v", j.Kind, j.Status, j.Error)
			}
		}
	}()
	require.Eventually(b.t, func() bool {
		var err error
		now, err = b.Get(b.ctx, deskWS, r.RequestID())
		require.NoError(b.t, err)
		return now.Status == s
	}, 10*time.Second, 5*time.Millisecond)
	return now
}

func whyNot(err error) string {
	if err == nil {
		return ""
	}
	return core.AsError(err).Reason
}

var dayOne = time.Date(2026, 1, 31, 9, 0, 0, 0, time.UTC)

func TestMonthsAreClamped(t *testing.T) {
	for _, c := range []struct {
		from   string
		months int
		to     string
	}{
		{"2026-01-31", 1, "2026-02-28"}, {"2028-01-31", 1, "2028-02-29"}, {"2026-03-31", 1, "2026-04-30"}, {"2026-12-31", 1, "2027-01-31"},
		{"2026-11-30", 3, "2027-02-28"}, {"2026-02-28", 1, "2026-03-28"}, {"2026-12-15", 3, "2027-03-15"},
	} {
		from, err := time.Parse(time.DateOnly, c.from)
		require.NoError(t, err)
		require.Equal(t, c.to, monthsAfter(from.Add(9*time.Hour), c.months).Format(time.DateOnly), c.from)
	}
}

func TestARequestGoesItsWay(t *testing.T) {
	b := newBureau(t, dayOne)
	ana := b.send(`{"type":"identify","userId":"ana","traits":{"email":"ana@example.com"}}`)
	in := OpenInput{Type: Access, Identifier: &event.Identifier{Namespace: "email", Value: "ana@example.com"}, IdempotencyKey: "k1"}
	r := b.open(in)
	require.Equal(t, ana, r.Profile)
	require.Equal(t, time.Date(2026, 2, 28, 9, 0, 0, 0, time.UTC), r.DueAt)
	require.Equal(t, r.RequestID(), b.open(in).RequestID())
	in.Type = Portability
	_, err := b.Open(b.ctx, deskWS, in)
	require.Equal(t, "IDEMPOTENCY_KEY_REUSED", whyNot(err))

	stale := int64(7)
	_, err = b.Assign(b.ctx, deskWS, Step{r.RequestID(), &stale}, "mem_1")
	require.Equal(t, "VERSION_CONFLICT", whyNot(err))
	_, err = b.Close(b.ctx, deskWS, Step{ID: r.RequestID()}, "")
	require.Equal(t, "TASKS_OPEN", whyNot(err))
	far := dayOne.AddDate(0, 4, 0)
	_, err = b.Extend(b.ctx, deskWS, ExtendInput{Step: Step{ID: r.RequestID()}, Until: &far, Reason: "many requests"})
	require.Equal(t, "EXTENSION", whyNot(err))
	r, err = b.Extend(b.ctx, deskWS, ExtendInput{Step: Step{ID: r.RequestID()}, Reason: "many requests"})
	require.NoError(t, err)
	require.Equal(t, time.Date(2026, 4, 30, 9, 0, 0, 0, time.UTC), r.Deadline())
	_, err = b.Extend(b.ctx, deskWS, ExtendInput{Step: Step{ID: r.RequestID()}, Reason: "again"})
	require.Equal(t, "EXTENDED", whyNot(err))
	require.False(t, r.Overdue(dayOne.AddDate(0, 0, 60)))
	require.True(t, r.Overdue(dayOne.AddDate(0, 0, 90)))

	march := time.Date(2026, 3, 15, 0, 0, 0, 0, time.UTC)
	page, err := b.List(b.ctx, deskWS, RequestFilter{Status: Received, DueBefore: march}, core.Window{Limit: 10})
	require.NoError(t, err)
	require.Empty(t, page.Items, "it is extended")

	b.verify(r)
	_, err = b.Refuse(b.ctx, deskWS, RefuseInput{Step: Step{ID: r.RequestID()}, Reason: "late"})
	require.Equal(t, "REQUEST_STATUS", whyNot(err))
	require.Eventually(t, func() bool { // the person must still be told of the extension
		r, err = b.Get(b.ctx, deskWS, r.RequestID())
		return err == nil && r.Tasks[0].Status == work.Succeeded
	}, 10*time.Second, 5*time.Millisecond)
	require.Equal(t, InProgress, r.Status)
	r, err = b.SetTask(b.ctx, deskWS, TaskInput{Step: Step{ID: r.RequestID()}, Target: "the person: extension", Status: work.Succeeded, Evidence: "letter 17"})
	require.NoError(t, err)
	r, err = b.Close(b.ctx, deskWS, Step{ID: r.RequestID()}, "sent")
	require.NoError(t, err)
	require.Equal(t, Completed, r.Status)
	require.Empty(t, r.Handling.Sealed)

	p, err := b.people.Get(b.ctx, deskWS, ana)
	require.NoError(t, err)
	log, err := b.people.Timeline(b.ctx, p, profile.TimelineFilter{Names: []string{nameHandled}}, core.Window{Limit: 50})
	require.NoError(t, err)
	require.Len(t, log.Items, 6, "open, extend, verify, answer, task, close")
}

func TestOnlyOfficersHandleRequests(t *testing.T) {
	b := newBureau(t, dayOne)
	ana := b.send(`{"type":"identify","userId":"ana"}`)
	r := b.open(OpenInput{Type: Access, ProfileID: ana})
	ctx := core.WithActor(context.Background(), &core.Actor{ID: "key_m", Workspace: deskWS, Roles: []string{access.Marketer}})
	_, err := b.Open(ctx, deskWS, OpenInput{Type: Access, ProfileID: ana})
	require.Equal(t, core.Forbidden, core.CodeOf(err))
	_, err = b.Verify(ctx, deskWS, VerifyInput{Step: Step{ID: r.RequestID()}, How: "x"})
	require.Equal(t, core.Forbidden, core.CodeOf(err))
	_, err = b.Get(b.ctx, "ws_OTHER00001", r.RequestID())
	require.NoError(t, err)
	_, err = b.Refuse(b.ctx, "ws_OTHER00001", RefuseInput{Step: Step{ID: r.RequestID()}, Reason: "x"})
	require.Equal(t, core.NotFound, core.CodeOf(err))
}

// listener is a destination that takes notices.
type listener struct {
	mu    sync.Mutex
	heard []Notice
	asked int
}

func (l *listener) Name() string { return "crm" }

func (l *listener) Erase(context.Context, Subject) (Answer, error) {
	return Answer{Status: work.Succeeded}, nil
}

func (l *listener) Check(context.Context, string, string) (Answer, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.asked++
	return Answer{Status: work.Succeeded, Evidence: "ticket 9"}, nil
}

func (l *listener) Inform(_ context.Context, n Notice) (Answer, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.heard = append(l.heard, n)
	return Answer{Status: work.Running, Ref: "9", After: time.Millisecond}, nil
}

func TestARectificationCorrectsAndIsTold(t *testing.T) {
	b := newBureau(t, dayOne)
	crm := &listener{}
	b.dests = []Destination{crm}
	ana := b.send(`{"type":"identify","userId":"ana","traits":{"city":"Berlin","age":30}}`)
	b.clock.set(dayOne.Add(time.Hour))
	traits, err := bson.Marshal(bson.D{{Key: "city", Value: "Bern"}, {Key: "age", Value: nil}})
	require.NoError(t, err)
	r := b.open(OpenInput{Type: Rectification, ProfileID: ana, Traits: traits, Add: []event.Identifier{{Namespace: "email", Value: "Ana@Example.com"}}})
	require.NotContains(t, string(r.Handling.Sealed), "Bern")
	b.verify(r)
	require.Eventually(t, func() bool {
		r, err = b.Get(b.ctx, deskWS, r.RequestID())
		return err == nil && r.Status == AwaitingDestinations && r.Tasks[1].Ref == "9"
	}, 10*time.Second, 5*time.Millisecond)
	// The clock goes on: when it will look again may be written down a moment later.
	at := dayOne.Add(2 * time.Hour)
	require.Eventually(t, func() bool {
		at = at.Add(time.Second)
		b.clock.set(at)
		now, err := b.Get(b.ctx, deskWS, r.RequestID())
		return err == nil && now.Status == Completed
	}, 10*time.Second, 5*time.Millisecond)
	r = b.until(r, Completed)
	p, err := b.people.Get(b.ctx, deskWS, ana)
	require.NoError(t, err)
	got, err := profile.TraitsJSON(p, nil)
	require.NoError(t, err)
	require.JSONEq(t, `{"city":"Bern"}`, string(got))
	by, err := b.people.ByIdentifier(b.ctx, deskWS, event.Identifier{Namespace: "email", Value: "ana@example.com"})
	require.NoError(t, err)
	require.Equal(t, p.ID, by.ID)
	require.Len(t, crm.heard, 1)
	require.Contains(t, string(crm.heard[0].Traits), "Bern")
	require.Equal(t, "ticket 9", r.Tasks[1].Evidence)
	diffs, err := b.people.Check(b.ctx, deskWS, nil)
	require.NoError(t, err)
	require.Empty(t, diffs)

	b.send(`{"type":"identify","userId":"ben","traits":{"email":"ben@example.com"}}`)
	r = b.open(OpenInput{Type: Rectification, ProfileID: ana, Add: []event.Identifier{{Namespace: "email", Value: "ben@example.com"}}})
	b.verify(r)
	failed := func() bool {
		var err error
		r, err = b.Get(b.ctx, deskWS, r.RequestID())
		return err == nil && r.Tasks[0].Status == work.Failed
	}
	require.Eventually(t, failed, 10*time.Second, 5*time.Millisecond)
	require.Equal(t, "IDENTIFIER_TAKEN", r.Tasks[0].Evidence)
	require.Equal(t, InProgress, r.Status)
	require.NotEmpty(t, r.Handling.Sealed, "what was said is needed to try again")
	require.True(t, r.Overdue(r.DueAt.Add(time.Hour)))
	first := r.Job
	_, err = b.SetTask(b.ctx, deskWS, TaskInput{Step: Step{ID: r.RequestID()}, Target: targetHere, Status: work.Succeeded})
	require.Equal(t, "TARGET", whyNot(err))
	r, err = b.SetTask(b.ctx, deskWS, TaskInput{Step: Step{ID: r.RequestID()}, Target: targetHere, Status: work.Queued})
	require.NoError(t, err)
	require.NotEqual(t, first, r.Job, "a new job tries again")
	require.Eventually(t, failed, 10*time.Second, 5*time.Millisecond)
	r, err = b.Refuse(b.ctx, deskWS, RefuseInput{Step: Step{ID: r.RequestID()}, Reason: "the address is somebody else's"})
	require.NoError(t, err)
	require.Equal(t, Refused, r.Status)
	require.Empty(t, r.Handling.Sealed)
}

func TestARestrictionRestrictsUntilItIsResumed(t *testing.T) {
	b := newBureau(t, dayOne)
	ana := b.send(`{"type":"identify","userId":"ana"}`)
	r := b.open(OpenInput{Type: Restriction, ProfileID: ana, Purposes: []string{"marketing"}})
	b.verify(r)
	r = b.until(r, Completed)
	p, err := b.people.Get(b.ctx, deskWS, ana)
	require.NoError(t, err)
	require.True(t, p.RestrictedFor([]string{"personalisation", "marketing"}))
	require.False(t, p.RestrictedFor([]string{"operations"}))
	b.clock.set(dayOne.Add(time.Hour))
	_, err = b.Resume(b.ctx, deskWS, Step{ID: r.RequestID()}, "the data was found to be right")
	require.NoError(t, err)
	p, err = b.people.Get(b.ctx, deskWS, ana)
	require.NoError(t, err)
	require.False(t, p.IsRestricted())
}

func TestAnObjectionIsWrittenIntoTheLedger(t *testing.T) {
	b := newBureau(t, dayOne)
	ana := b.send(`{"type":"identify","userId":"ana"}`)
	_, err := b.Open(b.ctx, deskWS, OpenInput{Type: Objection, ProfileID: ana, Purposes: []string{"operations"}})
	require.Equal(t, "OBJECTION_DOES_NOT_APPLY", whyNot(err))
	r := b.open(OpenInput{Type: Objection, ProfileID: ana, Purposes: []string{"marketing", "analytics"}})
	b.verify(r)
	r = b.until(r, Completed)
	require.Equal(t, "con_analytics con_marketing", r.Tasks[0].Evidence)
	require.Len(t, b.said, 2)
}

// fetch reads a download as the edge does.
func (b *bureau) fetch(d *Download) string {
	b.t.Helper()
	f, err := b.Fetch(context.Background(), strings.TrimPrefix(d.URL, DownloadPath))
	require.NoError(b.t, err)
	out, err := io.ReadAll(f)
	require.NoError(b.t, err)
	sum := sha256.Sum256(out)
	require.Equal(b.t, d.SHA256, hex.EncodeToString(sum[:]))
	return string(out)
}

func (b *bureau) downloads(r *Request) map[string]*Download {
	b.t.Helper()
	list, err := b.Downloads(b.ctx, r)
	require.NoError(b.t, err)
	out := map[string]*Download{}
	for _, d := range list {
		out[d.Format] = d
	}
	return out
}
