package privacy

import (
	"bytes"
	"fmt"
	"log/slog"
	"math/big"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/consent"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/ingest"
	"github.com/headwater-cdp/headwater/core/object"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// mark is in every canary, and in nothing else.
const canaryMark = "cnry7f"

// canaries makes values that are found again.
type canaries struct{ n int }

func (c *canaries) next() string {
	c.n++
	return fmt.Sprintf("%s%06dz", canaryMark, c.n)
}

// TestNoCanaryIsLeft plants values in every field of people, through the real doors,
// erases them, and looks for a single byte of any in the store's files. Others must not
// notice, and totals must not change.
func TestNoCanaryIsLeft(t *testing.T) {
	total := 1000
	switch {
	case testing.Short():
		total = 200
	case os.Getenv("HEADWATER_TEST_LONG") != "":
		total = 10_000
	}
	said := &log{}
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewJSONHandler(said, &slog.HandlerOptions{Level: slog.LevelDebug})))
	defer slog.SetDefault(before)
	r := newRig(t)
	_, err := r.objects.CreateType(r.ctx, rigWS, object.TypeInput{
		Key: "order", Name: "Order",
		Fields: []object.FieldInput{
			{Key: "note", Label: "Note", Type: object.Text}, {Key: "code", Label: "Code", Type: object.String, Unique: true},
		},
		Relations: []object.RelationInput{{Key: "buyer", Label: "Buyer", Many: true}},
	})
	require.NoError(t, err)
	c := &canaries{}
	var people []string
	var keepers []string
	file := &bytes.Buffer{}
	for i := 0; c.n < total; i++ {
		people = append(people, r.plant(c, i, file))
		keepers = append(keepers, r.identify(fmt.Sprintf("keeper-%d", i), fmt.Sprintf(`{"email":"keeper-%d@example.com","city":"Bacau"}`, i)))
		r.send(fmt.Sprintf(`{"type":"track","userId":"keeper-%d","event":"Order Completed","properties":{"total":3.5,"currency":"EUR"}}`, i))
	}
	require.NoError(t, r.events.Flush(r.ctx, rigWS))
	job, err := r.pipeline.StageImport(r.ctx, r.jobs, rigWS, ingest.ImportOptions{Format: ingest.NDJSON}, bytes.NewReader(file.Bytes()))
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		j, err := r.jobs.Get(r.ctx, rigWS, job.JobID())
		return err == nil && j.Status.Final()
	}, 30*time.Second, 20*time.Millisecond)
	// A file that nobody reads yet.
	_, err = ingest.Files.In(r.store, r.clock).Put(r.ctx, rigWS, bytes.NewReader(file.Bytes()))
	require.NoError(t, err)
	require.Positive(t, r.hits(), "what is planted can be found")

	events, sums := r.totals()
	began := time.Now()
	var last []string
	for _, id := range people {
		out, err := r.Erase(r.ctx, rigWS, EraseInput{ProfileID: id, Reason: "ticket"})
		require.NoError(t, err)
		last = append(last, out.Request.RequestID())
	}
	for _, id := range last {
		q := r.await(id, func(q *Request) bool { return q.Status.Final() })
		require.Equal(t, Completed, q.Status)
	}
	t.Logf("%d canaries in %d people, erased in %s", c.n, len(people), time.Since(began).Round(time.Millisecond))
	after, sumsAfter := r.totals()
	require.Equal(t, events, after)
	require.Zero(t, sums.Cmp(sumsAfter), "%s became %s", sums.FloatString(3), sumsAfter.FloatString(3))
	for _, id := range keepers {
		p, err := r.people.Get(r.ctx, rigWS, id)
		require.NoError(t, err)
		require.NotNil(t, p)
		require.EqualValues(t, 2, p.Events)
	}
	diffs, err := r.people.Check(r.ctx, rigWS, nil)
	require.NoError(t, err)
	require.Empty(t, diffs)
	require.Zero(t, r.hits(), "in the files of the running store")
	r.export(t)
	r.close()
	require.Zero(t, r.hits(), "in the file of the closed store")
	require.NotContains(t, strings.ToLower(said.String()), canaryMark, "in what is logged")
}

// log is what a process logs.
type log struct {
	mu sync.Mutex
	bytes.Buffer
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.Buffer.Write(p)
}

// plant makes a person whose every field holds a canary, and returns the profile's id.
func (r *rig) plant(c *canaries, i int, file *bytes.Buffer) string {
	t := r.t
	user, anon, email := c.next(), c.next(), c.next()+"@example.com"
	msg := fmt.Sprintf
	res := r.send(
		msg(`{"type":"identify","messageId":%q,"userId":%q,"traits":{"email":%q,"name":%q,"plan":%q,"address":{"street":%q},"tags":[%q],"bio":%q},"context":{"page":{"url":%q},"userAgent":%q,"externalIds":[{"id":%q,"type":"card","collection":"users","encoding":"none"}]}}`,
			c.next(), user, email, c.next(), c.next(), c.next(), c.next(), c.next(), c.next(), c.next(), c.next()),
		msg(`{"type":"track","userId":%q,"anonymousId":%q,"event":"Order Completed","properties":{"total":12.25,"currency":"EUR","sku":%q,"coupon":%q,"note":%q,"products":[{"name":%q,"sku":%q}]},"integrations":{"x":%q}}`,
			user, anon, c.next(), c.next(), c.next(), c.next(), c.next(), c.next()),
		msg(`{"type":"group","userId":%q,"groupId":%q,"traits":{"name":%q}}`, user, c.next(), c.next()),
		msg(`{"type":"alias","userId":%q,"previousId":%q}`, user, c.next()),
		msg(`{"type":"page","anonymousId":%q,"properties":{"title":%q}}`, anon, c.next()),
	)
	for _, one := range res {
		require.Equal(t, event.Accepted, one.Status, "%v", one.Err)
	}
	id := res[0].ProfileID
	// Kept aside.
	aside := r.send(
		msg(`{"type":"track","userId":%q,"event":"Bad","timestamp":"2999-01-01T00:00:00Z","properties":{"x":%q}}`, user, c.next()),
		msg(`{"type":"track","event":"Bad","properties":{"x":%q},"context":{"traits":{"email":%q}}}`, c.next(), email),
	)
	for _, one := range aside {
		require.Equal(t, event.Quarantined, one.Status)
	}
	// Merged by hand, with words.
	other := r.send(msg(`{"type":"track","anonymousId":%q,"event":"Seen","properties":{"title":%q}}`, c.next(), c.next()))[0]
	_, err := r.people.Merge(r.ctx, rigWS, profile.MergeInput{WinnerID: id, LoserID: other.ProfileID, Reason: "said " + c.next()})
	require.NoError(t, err)
	// Records.
	items, err := r.objects.Upsert(r.ctx, rigWS, "order", []object.Item{
		{ExternalID: c.next(), Fields: map[string]any{"note": c.next(), "code": c.next()}, Links: map[string][]object.Link{"buyer": {{Namespace: "user_id", Value: user}}}},
		{ExternalID: c.next(), Fields: map[string]any{"note": c.next()}, Links: map[string][]object.Link{"buyer": {{Namespace: "profile", Value: id}}}},
	})
	require.NoError(t, err)
	require.Nil(t, items[0].Err)
	require.Nil(t, items[1].Err)
	// Evidence of a consent.
	_, err = r.consents.Record(r.ctx, rigWS, consent.RecordInput{ProfileID: id, Purpose: "marketing", Evidence: &consent.Evidence{
		NoticeHash: c.next(), Locale: "de-AT", Surface: c.next(), Method: c.next(),
	}})
	require.NoError(t, err)
	// A dead letter, a file.
	payload, err := bson.Marshal(bson.D{{Key: "to", Value: email}, {Key: "text", Value: c.next()}})
	require.NoError(t, err)
	require.NoError(t, work.Commit(r.ctx, r.store, work.Dead.Insert(&work.DeadTask{
		Meta: store.Meta{ID: store.Key(rigWS, core.NewID(core.PrefixDeadTask, time.Now()))}, Kind: "send", Name: fmt.Sprint(i), Payload: payload, At: time.Now(),
	})))
	fmt.Fprintf(file, `{"type":"identify","userId":%q,"traits":{"nickname":%q}}`+"\n", user, c.next())
	fmt.Fprintf(file, `{"type":"identify","userId":"keeper-%d","timestamp":"2020-01-01T00:00:00Z","traits":{}}`+"\n", 1_000_000+i)
	return id
}

// hits counts canaries in the store's files.
func (r *rig) hits() int {
	n := 0
	for _, suffix := range []string{"", "-wal", "-shm"} {
		raw, err := os.ReadFile(r.path + suffix)
		if os.IsNotExist(err) {
			continue
		}
		require.NoError(r.t, err)
		raw = bytes.ToLower(raw)
		for at := 0; ; {
			i := bytes.Index(raw[at:], []byte(canaryMark))
			if i < 0 {
				break
			}
			if n++; n <= 5 {
				from := max(0, at+i-60)
				r.t.Logf("%s at %d: %q", suffix, at+i, raw[from:min(len(raw), at+i+30)])
			}
			at += i + len(canaryMark)
		}
	}
	return n
}

// totals counts the orders and sums what they cost, erased ones too.
func (r *rig) totals() (n int64, sum *big.Rat) {
	sum = new(big.Rat)
	require.NoError(r.t, event.Events.Each(r.ctx, r.store, store.Query{Workspace: rigWS}, func(e *event.Event) error {
		if e.Name == "Order Completed" {
			n++
			eachNumber(e.Properties, nil, func(keys []string, v *big.Rat) {
				if strings.Join(keys, ".") == "total" {
					sum.Add(sum, v)
				}
			})
		}
		return nil
	}))
	left, err := r.Totals(r.ctx, rigWS, time.Now().AddDate(0, 0, -2), time.Now().AddDate(0, 0, 2))
	require.NoError(r.t, err)
	for _, t := range left {
		if t.Name != "Order Completed" {
			continue
		}
		n += t.Events
		for _, s := range t.Sums {
			if s.Path == "total" {
				require.Equal(r.t, "EUR", s.Currency)
				sum.Add(sum, s.Amount)
			}
		}
	}
	return n, sum
}

// export looks for canaries in everything that a backup of the store holds.
func (r *rig) export(t testing.TB) {
	snap, err := r.store.Snapshot(r.ctx)
	require.NoError(t, err)
	for _, spec := range allSpecs() {
		require.NoError(t, snap.Each(r.ctx, spec, func(raw bson.Raw) error {
			require.NotContains(t, strings.ToLower(string(raw)), canaryMark, "in a backup, in %s", spec.Name)
			return nil
		}))
	}
	require.NoError(t, snap.Close())
}
