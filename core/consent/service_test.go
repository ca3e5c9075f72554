package consent_test

import (
	"bytes"
	"context"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/audit"
	"github.com/headwater-cdp/headwater/core/consent"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/ingest"
	"github.com/headwater-cdp/headwater/core/keyring"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/store/sqlite"
	"github.com/headwater-cdp/headwater/core/work"
)

const ws = "ws_TEST000001"

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// process is the services of one process over a file that others may have open.
type process struct {
	*consent.Service
	t        *testing.T
	db       store.Store
	clock    core.Clock
	virtual  *core.VirtualClock
	profiles *profile.Service
	pipeline *ingest.Pipeline
	mu       sync.Mutex
	traces   []audit.Entry
	n        int
}

func open(t *testing.T) *process {
	clock := core.NewVirtualClock(start)
	p := openAt(t, filepath.Join(t.TempDir(), "hw.db"), clock)
	p.virtual = clock
	return p
}

func openAt(t *testing.T, path string, clock core.Clock) *process {
	t.Helper()
	ctx := context.Background()
	db, err := sqlite.Open(ctx, sqlite.Options{Path: path})
	require.NoError(t, err)
	specs := store.Specs()
	for _, s := range [][]*store.Spec{work.Specs(), event.Specs(), profile.Specs(), consent.Specs(), keyring.Specs(), ingest.Specs()} {
		specs = append(specs, s...)
	}
	require.NoError(t, db.Declare(ctx, specs...))
	master, err := keyring.NewMaster(bytes.Repeat([]byte{1}, 32))
	require.NoError(t, err)
	p := &process{t: t, db: db, clock: clock, profiles: profile.NewService(db, clock)}
	p.pipeline = ingest.New(ingest.Options{Store: db, Clock: clock, Events: event.NewService(db, clock), Profiles: p.profiles})
	p.Service = consent.NewService(consent.Options{
		Store: db, Clock: clock, People: p.profiles.ConsentPeople(), Committer: p.pipeline, Tokens: keyring.New(db, clock, master), Audit: p,
	})
	t.Cleanup(func() {
		require.NoError(t, p.pipeline.Close(ctx))
		require.NoError(t, db.Close(ctx))
	})
	return p
}

// Op notes what the audit log would be told; its operation writes something of its own,
// as an entry does.
func (p *process) Op(_ context.Context, e audit.Entry) (store.Op, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.traces = append(p.traces, e)
	return store.AddTo(ws, "audit", 0, map[string]int64{"n": 1}), nil
}

func (p *process) reason(err error, code core.Code, reason string, path ...string) {
	p.t.Helper()
	require.Error(p.t, err)
	e := core.AsError(err)
	require.Equal(p.t, code, e.Code, "%v", err)
	require.Equal(p.t, reason, e.Reason, "%v", err)
	require.Equal(p.t, path, e.Path)
}

func (p *process) ctx() context.Context {
	return core.WithActor(context.Background(), &core.Actor{Workspace: ws, ID: "key_1"})
}

// page sends a page view of a user, with an edit, and returns the profile's id.
func (p *process) page(user string, context bson.D, minutes int) string {
	p.t.Helper()
	p.n++
	in := event.Input{Type: event.Page, Name: event.NamePageViewed, UserID: user, MessageID: core.NewID("m", start), Timestamp: start.Add(time.Duration(minutes) * time.Minute)}
	if context != nil {
		raw, err := bson.Marshal(context)
		require.NoError(p.t, err)
		in.Context = raw
	}
	in.Seal(in.Timestamp)
	out, err := p.pipeline.Ingest(p.ctx(), ws, "src_web", []event.Input{in})
	require.NoError(p.t, err)
	require.Equal(p.t, event.Accepted, out[0].Status)
	return out[0].ProfileID
}

func prefs(pairs ...any) bson.D {
	d := bson.D{}
	for i := 0; i < len(pairs); i += 2 {
		d = append(d, bson.E{Key: pairs[i].(string), Value: pairs[i+1]})
	}
	return bson.D{{Key: "consent", Value: bson.D{{Key: "categoryPreferences", Value: d}}}}
}

func (p *process) record(id, purpose string, edit ...func(*consent.RecordInput)) *consent.Record {
	p.t.Helper()
	in := consent.RecordInput{ProfileID: id, Purpose: purpose}
	for _, e := range edit {
		e(&in)
	}
	r, err := p.Record(p.ctx(), ws, in)
	require.NoError(p.t, err)
	return r
}

// ask decides and returns the reason, with "!" in front of a no.
func (p *process) ask(id, purpose, channel string) string {
	p.t.Helper()
	d, err := p.Decide(p.ctx(), ws, consent.Question{ProfileID: id, Purpose: purpose, Channel: channel})
	require.NoError(p.t, err)
	if !d.Allowed {
		return "!" + d.Reason
	}
	return d.Reason
}

func (p *process) exact() {
	p.t.Helper()
	diffs, err := p.profiles.Check(p.ctx(), ws, nil)
	require.NoError(p.t, err)
	require.Empty(p.t, diffs)
}

var evidence = &consent.Evidence{NoticeHash: "sha256:1", Locale: "de", Surface: "checkout", Method: "checkbox"}

func TestRecordAndWithdraw(t *testing.T) {
	p := open(t)
	id := p.page("ana", nil, 0)
	require.Equal(t, "!CONSENT_UNKNOWN", p.ask(id, consent.Marketing, consent.Email))
	r := p.record(id, consent.Marketing, func(in *consent.RecordInput) { in.Channel, in.Evidence = consent.Email, evidence })
	require.Equal(t, consent.Granted, r.Entry.Status)
	require.Equal(t, "key_1", r.Entry.Actor)
	require.Contains(t, r.Entry.Evidence.String(), "checkout")
	require.Equal(t, "CONSENT_GRANTED", p.ask(id, consent.Marketing, consent.Email))
	require.Equal(t, "!CONSENT_UNKNOWN", p.ask(id, consent.Marketing, consent.SMS))
	w, err := p.Withdraw(p.ctx(), ws, consent.WithdrawInput{Identifier: &event.Identifier{Namespace: "user_id", Value: "ana"}})
	require.NoError(t, err)
	require.Equal(t, id, w.ProfileID)
	require.Equal(t, "!CONSENT_WITHDRAWN", p.ask(id, consent.Marketing, consent.Email))
	require.Equal(t, "!CONSENT_WITHDRAWN", p.ask(id, consent.Analytics, ""))
	require.Equal(t, "CONSENT_NOT_REQUIRED", p.ask(id, consent.Operations, ""))

	p.page("ana", prefs("marketing", true), 600)
	require.Equal(t, "!CONSENT_WITHDRAWN", p.ask(id, consent.Marketing, consent.Email), "a banner takes no recorded withdrawal back")
	p.record(id, consent.Marketing, func(in *consent.RecordInput) { in.Channel, in.Evidence = consent.Email, evidence })
	require.Equal(t, "CONSENT_GRANTED", p.ask(id, consent.Marketing, consent.Email), "agreeing anew does")
	p.page("ana", prefs("marketing", false), 700)
	require.Equal(t, "!CONSENT_WITHDRAWN", p.ask(id, consent.Marketing, consent.Email), "a banner may refuse")
	p.exact()

	page, err := p.Ledger(p.ctx(), ws, id, core.Window{Limit: 2})
	require.NoError(t, err)
	require.Len(t, page.Items, 2)
	require.True(t, page.HasNext)
	require.Equal(t, consent.Denied, page.Items[0].Status)
	require.Equal(t, "PREFERENCE", page.Items[0].Evidence.Lookup("method").StringValue())
	all, err := p.Ledger(p.ctx(), ws, id, core.Window{Limit: 50, After: page.Cursors[1]})
	require.NoError(t, err)
	n, err := p.CountLedger(p.ctx(), ws, id)
	require.NoError(t, err)
	require.EqualValues(t, n, len(all.Items)+2)
}

func TestWithdrawalOutlivesTheMergeThatItWasSaidIn(t *testing.T) {
	p := open(t)
	ana, ben := p.page("ana", nil, 0), p.page("ben", nil, 0)
	for _, id := range []string{ana, ben} {
		p.record(id, consent.Marketing)
	}
	m, err := p.profiles.Merge(p.ctx(), ws, profile.MergeInput{WinnerID: ana, LoserID: ben, Reason: "one person"})
	require.NoError(t, err)
	w, err := p.Withdraw(p.ctx(), ws, consent.WithdrawInput{ProfileID: ana, Purpose: consent.Marketing})
	require.NoError(t, err)
	require.Len(t, w.Entries, 1)
	page, err := p.Ledger(p.ctx(), ws, ana, core.Window{Limit: 50})
	require.NoError(t, err)
	require.Len(t, page.Items, 3, "what was written under two parts is one word")
	_, err = p.profiles.Unmerge(p.ctx(), ws, profile.UnmergeInput{MergeID: m.Merge.MergeID()})
	require.NoError(t, err)
	require.Equal(t, "!CONSENT_WITHDRAWN", p.ask(ana, consent.Marketing, ""))
	require.Equal(t, "!CONSENT_WITHDRAWN", p.ask(ben, consent.Marketing, ""))
	p.exact()
}

func TestWithdrawalBeatsClocksThatAreAhead(t *testing.T) {
	p := open(t)
	id := p.page("ana", nil, 0)
	p.virtual.Advance(time.Hour) // the process that records is an hour ahead of the one that withdraws
	p.record(id, consent.Marketing)
	p.page("ana", prefs("marketing", true), 100000)
	p.virtual.Advance(-time.Hour)
	_, err := p.Withdraw(p.ctx(), ws, consent.WithdrawInput{ProfileID: id, Purpose: consent.Marketing})
	require.NoError(t, err)
	require.Equal(t, "!CONSENT_WITHDRAWN", p.ask(id, consent.Marketing, ""))
	p.exact()
}

func TestDoubleOptIn(t *testing.T) {
	p := open(t)
	id := p.page("ana", nil, 0)
	_, err := p.CreatePurpose(p.ctx(), ws, consent.Purpose{Key: "news", Name: "News", LegalBasis: consent.BasisConsent, ConsentRequired: true, EvidenceRequired: true, DoubleOptIn: true}, consent.Edit{})
	require.NoError(t, err)
	_, err = p.Record(p.ctx(), ws, consent.RecordInput{ProfileID: id, Purpose: "news"})
	p.reason(err, core.Invalid, "EVIDENCE_REQUIRED", "evidence")
	said := func(in *consent.RecordInput) { in.Evidence = evidence }
	r := p.record(id, "news", said)
	require.Equal(t, consent.Pending, r.Entry.Status)
	require.Equal(t, "!CONSENT_PENDING", p.ask(id, "news", ""))
	p.page("ana", prefs("news", true), 100)
	require.Equal(t, "!CONSENT_PENDING", p.ask(id, "news", ""), "a banner confirms nothing")
	_, err = p.Confirm(p.ctx(), "ws_OTHER00001", r.Token)
	p.reason(err, core.Invalid, "TOKEN_INVALID", "token")
	c, err := p.Confirm(p.ctx(), ws, r.Token)
	require.NoError(t, err)
	require.True(t, c.Entry.Confirmed)
	require.Equal(t, "CONSENT_GRANTED", p.ask(id, "news", ""))
	_, err = p.Confirm(p.ctx(), ws, r.Token)
	p.reason(err, core.Conflict, "TOKEN_USED", "token")

	// Who has confirmed and says it again is asked nothing; after a no they are asked anew.
	p.virtual.Advance(time.Minute)
	again := p.record(id, "news", said)
	require.Equal(t, []any{consent.Granted, true, ""}, []any{again.Entry.Status, again.Entry.Confirmed, again.Token})
	require.NotEqual(t, c.Entry.ID, again.Entry.ID, "with evidence of its own")
	require.Equal(t, "CONSENT_GRANTED", p.ask(id, "news", ""))
	_, err = p.Withdraw(p.ctx(), ws, consent.WithdrawInput{ProfileID: id})
	require.NoError(t, err)
	p.virtual.Advance(time.Minute)

	// A link that is opened after the withdrawal brings nothing back.
	late := p.record(id, "news", said)
	require.Equal(t, consent.Pending, late.Entry.Status)
	p.virtual.Advance(time.Minute)
	_, err = p.Withdraw(p.ctx(), ws, consent.WithdrawInput{ProfileID: id})
	require.NoError(t, err)
	_, err = p.Confirm(p.ctx(), ws, late.Token)
	p.reason(err, core.Conflict, "CONSENT_SUPERSEDED", "token")
	require.Equal(t, "!CONSENT_WITHDRAWN", p.ask(id, "news", ""))

	// What nobody confirms expires.
	over := p.record(id, "news", said)
	p.virtual.Advance(7*24*time.Hour - time.Millisecond)
	require.Equal(t, "!CONSENT_PENDING", p.ask(id, "news", ""))
	p.virtual.Advance(time.Millisecond)
	require.Equal(t, "!CONSENT_EXPIRED", p.ask(id, "news", ""))
	_, err = p.Confirm(p.ctx(), ws, over.Token)
	p.reason(err, core.Invalid, "TOKEN_EXPIRED", "token")
	p.exact()
}

func TestConsentBeforeAProfile(t *testing.T) {
	p := open(t)
	mail := &event.Identifier{Namespace: "email", Value: " Ana@Example.com "}
	r, err := p.Record(p.ctx(), ws, consent.RecordInput{Identifier: mail, Purpose: consent.Marketing})
	require.NoError(t, err)
	who, err := p.profiles.ByIdentifier(p.ctx(), ws, event.Identifier{Namespace: "email", Value: "ana@example.com"})
	require.NoError(t, err)
	require.Equal(t, r.ProfileID, who.ProfileID())
	require.Equal(t, "CONSENT_GRANTED", p.ask(r.ProfileID, consent.Marketing, ""))
	_, err = p.Record(p.ctx(), ws, consent.RecordInput{Identifier: &event.Identifier{Namespace: "nothing", Value: "x"}, Purpose: consent.Marketing})
	p.reason(err, core.Invalid, "IDENTIFIER", "identifier")
	w, err := p.Withdraw(p.ctx(), ws, consent.WithdrawInput{Identifier: &event.Identifier{Namespace: "phone", Value: "+40721234567"}, Purpose: consent.Marketing})
	require.NoError(t, err)
	require.Equal(t, "!CONSENT_WITHDRAWN", p.ask(w.ProfileID, consent.Marketing, ""))
	p.exact()
}

func TestIdempotency(t *testing.T) {
	p := open(t)
	id := p.page("ana", nil, 0)
	key := func(in *consent.RecordInput) { in.IdempotencyKey = "k" }
	first := p.record(id, consent.Marketing, key)
	p.virtual.Advance(time.Hour)
	require.Equal(t, first.Entry.ID, p.record(id, consent.Marketing, key).Entry.ID)
	_, err := p.Record(p.ctx(), ws, consent.RecordInput{ProfileID: id, Purpose: consent.Marketing, Channel: consent.SMS, IdempotencyKey: "k"})
	p.reason(err, core.Conflict, "IDEMPOTENCY_KEY_USED", "idempotencyKey")
	n, err := p.CountLedger(p.ctx(), ws, id)
	require.NoError(t, err)
	require.EqualValues(t, 1, n)
}

func TestReceiptsOfThePastAreReproduced(t *testing.T) {
	p := open(t)
	id := p.page("ana", nil, 0)
	type kept struct {
		at      time.Time
		receipt string
		allowed bool
	}
	var all []kept
	step := func(f func()) {
		f()
		p.virtual.Advance(time.Second)
		d, err := p.Decide(p.ctx(), ws, consent.Question{ProfileID: id, Purpose: "news", Channel: consent.Email})
		require.NoError(t, err)
		all = append(all, kept{d.AsOf, d.ReceiptID, d.Allowed})
		p.virtual.Advance(time.Second)
	}
	step(func() {})
	step(func() {
		_, err := p.CreatePurpose(p.ctx(), ws, consent.Purpose{Key: "news", Name: "News", LegalBasis: consent.BasisConsent, ConsentRequired: true}, consent.Edit{})
		require.NoError(t, err)
	})
	step(func() {
		until := p.virtual.Now().Add(time.Hour)
		p.record(id, "news", func(in *consent.RecordInput) { in.ExpiresAt = &until })
	})
	step(func() { p.virtual.Advance(time.Hour) })
	step(func() { p.record(id, "news") })
	step(func() {
		_, err := p.Withdraw(p.ctx(), ws, consent.WithdrawInput{ProfileID: id, Purpose: "news"})
		require.NoError(t, err)
	})
	step(func() {
		_, err := p.ArchivePurpose(p.ctx(), ws, "news", true, consent.Edit{})
		require.NoError(t, err)
	})
	ben := p.page("ben", nil, 0)
	p.record(ben, "marketing")
	_, err := p.profiles.Merge(p.ctx(), ws, profile.MergeInput{WinnerID: ben, LoserID: id, Reason: "one person"})
	require.NoError(t, err)
	var yes int
	for _, k := range all {
		d, err := p.Decide(p.ctx(), ws, consent.Question{ProfileID: id, Purpose: "news", Channel: consent.Email, AsOf: &k.at})
		require.NoError(t, err)
		require.Equal(t, k.receipt, d.ReceiptID)
		require.Equal(t, k.allowed, d.Allowed)
		r, err := p.Receipt(p.ctx(), ws, k.receipt)
		require.NoError(t, err)
		require.Equal(t, d, r)
		if k.allowed {
			yes++
		}
	}
	require.Equal(t, 2, yes)
	future := p.virtual.Now().Add(time.Hour)
	_, err = p.Decide(p.ctx(), ws, consent.Question{ProfileID: id, Purpose: "news", AsOf: &future})
	p.reason(err, core.Invalid, "AS_OF_FUTURE", "asOf")
}

func TestAHandOffCommitsOnlyWithoutAWithdrawal(t *testing.T) {
	p := open(t)
	id := p.page("ana", nil, 0)
	p.record(id, consent.Marketing)
	v, basis, err := p.Check(p.ctx(), ws, id, consent.Marketing, consent.Email)
	require.NoError(t, err)
	require.True(t, v.Allowed)
	require.NoError(t, work.Commit(p.ctx(), p.db, basis.Op, store.Claim(ws, "sent", "1", id)))
	_, err = p.Withdraw(p.ctx(), ws, consent.WithdrawInput{ProfileID: id})
	require.NoError(t, err)
	require.ErrorIs(t, work.Commit(p.ctx(), p.db, basis.Op, store.Claim(ws, "sent", "2", id)), store.ErrConflict)
}

func TestGlobalPrivacyControl(t *testing.T) {
	p := open(t)
	id := p.page("ana", nil, 0)
	p.record(id, consent.Advertising)
	p.record(id, consent.Marketing)
	require.Equal(t, "CONSENT_GRANTED", p.ask(id, consent.Advertising, ""))
	p.page("ana", bson.D{{Key: "consent", Value: bson.D{{Key: "gpc", Value: "1"}}}}, 60)
	require.Equal(t, "!CONSENT_DENIED", p.ask(id, consent.Advertising, ""))
	require.Equal(t, "CONSENT_GRANTED", p.ask(id, consent.Marketing, ""))
	gpc := *evidence
	gpc.Raw, gpc.RawFormat = "1", consent.FormatGPC
	_, err := p.Record(p.ctx(), ws, consent.RecordInput{ProfileID: id, Purpose: consent.Marketing, Evidence: &gpc})
	p.reason(err, core.Invalid, "GPC_IS_A_NO", "evidence", "rawFormat")
	ben := p.page("ben", nil, 0)
	r := p.record(ben, consent.Advertising, func(in *consent.RecordInput) { in.Evidence = &gpc })
	require.Equal(t, consent.Denied, r.Entry.Status)
	require.Equal(t, "!CONSENT_DENIED", p.ask(ben, consent.Advertising, ""))
	p.exact()
}

func TestEvidenceIsKeptAndDecoded(t *testing.T) {
	p := open(t)
	id := p.page("ana", nil, 0)
	for _, c := range []struct{ format, raw, wants string }{
		{"TCF", "COyiILmOyiILmADACHENAPCAAAAAAAAAAAAAE5QBgALgAqgD8AQACSwEygJyAAAAAA", `"purposes"`},
		{"GPP", "DBABBgA~xlgWEYCZAA", `"uspca"`},
	} {
		e := *evidence
		e.Raw, e.RawFormat = c.raw, c.format
		in := consent.RecordInput{ProfileID: id, Purpose: consent.Marketing, Evidence: &e}
		r, err := p.Record(p.ctx(), ws, in)
		require.NoError(t, err)
		require.Equal(t, c.raw, r.Entry.Evidence.Lookup("raw").StringValue())
		require.Contains(t, r.Entry.Evidence.String(), c.wants)
		e.Raw = "nonsense!"
		_, err = p.Record(p.ctx(), ws, in)
		p.reason(err, core.Invalid, "RAW_INVALID", "evidence", "raw")
	}
}

func TestPurposesAcrossProcesses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hw.db")
	a, b := openAt(t, path, core.SystemClock{}), openAt(t, path, core.SystemClock{})
	key := func(p *process) *consent.Purpose {
		r, err := p.Service.Register(p.ctx(), ws)
		require.NoError(t, err)
		return r.Purpose("news")
	}
	require.Nil(t, key(b))
	news := consent.Purpose{Key: "news", Name: "News", Parent: consent.Marketing, LegalBasis: consent.BasisConsent, ConsentRequired: true}
	_, err := a.CreatePurpose(a.ctx(), ws, news, consent.Edit{})
	require.NoError(t, err)
	require.NotNil(t, key(a), "at once where it was changed")
	require.Eventually(t, func() bool { return key(b) != nil }, time.Second, 10*time.Millisecond)
	_, err = b.CreatePurpose(b.ctx(), ws, news, consent.Edit{})
	require.NoError(t, err, "the same again")
	_, err = a.UpdatePurpose(a.ctx(), ws, consent.Marketing, consent.Edit{}, func(p *consent.Purpose) { p.Parent = "news" })
	a.reason(err, core.Invalid, "PARENT_CYCLE", "parent")
	old := int64(0)
	_, err = a.UpdatePurpose(a.ctx(), ws, "news", consent.Edit{ExpectedVersion: &old}, func(p *consent.Purpose) { p.Name = "Other" })
	a.reason(err, core.Conflict, "VERSION_CONFLICT", "expectedVersion")
	_, err = a.UpdatePurpose(a.ctx(), ws, "news", consent.Edit{}, func(p *consent.Purpose) { p.ConsentRequired = false })
	a.reason(err, core.Invalid, "CONSENT_NEEDED", "consentRequired")
	dry, err := a.UpdatePurpose(a.ctx(), ws, "news", consent.Edit{DryRun: true}, func(p *consent.Purpose) { p.Name = "Other" })
	require.NoError(t, err)
	require.Equal(t, "Other", dry.Name)
	require.Equal(t, "News", key(a).Name)
	s, err := a.SetSettings(a.ctx(), ws, consent.Settings{Jurisdictions: []consent.Jurisdiction{{Country: "US", Purpose: "news", Rule: consent.OptOut}}}, consent.Edit{})
	require.NoError(t, err)
	require.EqualValues(t, 1, s.Version)
	_, err = a.SetSettings(a.ctx(), ws, consent.Settings{Jurisdictions: []consent.Jurisdiction{{Country: "USA", Rule: consent.OptOut}}}, consent.Edit{})
	a.reason(err, core.Invalid, "COUNTRY", "jurisdictions", "0")
	require.NotEmpty(t, a.traces)
}
