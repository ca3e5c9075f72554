package journey_test

import (
	"context"
	"fmt"
	"strings"
	stdsync "sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/journey"
	"github.com/headwater-cdp/headwater/core/message"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// pool is a pool of coupons that has so many codes.
type pool struct {
	mu    stdsync.Mutex
	codes int
	given map[string]string
}

// Take implements journey.Coupons.
func (p *pool) Take(_ context.Context, _, _, _, key string, _ time.Time, _ ...store.Op) (*journey.Taken, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.given == nil {
		p.given = map[string]string{}
	}
	if p.given[key] == "" {
		if len(p.given) >= p.codes {
			return nil, nil
		}
		p.given[key] = fmt.Sprint("CODE", len(p.given))
	}
	return &journey.Taken{Code: p.given[key]}, nil
}

// Release implements journey.Coupons.
func (*pool) Release(context.Context, string, string, string, ...store.Op) error { return nil }

// passages lists an enrollment's history, as "node DID detail", without the ids of messages.
func (h *house) passages(e *journey.Enrollment) []string {
	h.t.Helper()
	list, err := h.Timeline(h.ctx(), e)
	require.NoError(h.t, err)
	var out []string
	for _, p := range list {
		if p.Did == journey.DidQueue {
			p.Detail = ""
		}
		out = append(out, strings.TrimSpace(p.Node+" "+p.Did+" "+p.Detail))
	}
	return out
}

// A journey that is entered by what becomes of its own messages would send without end.
func TestItsOwnMessageLetsNobodyIn(t *testing.T) {
	h := newHouse(t)
	j := h.published(drawing("", []string{
		`in {"entry":{"event":{"name":"Start"}}}`, `again {"entry":{"event":{"name":"Message Sent"}}}`, mail("m1"),
	}, "in next m1", "again next m1"))
	ana := h.track("ana", "Start", `{}`)
	h.after(time.Minute)
	require.Len(t, h.sent(), 1)
	tell := func(id, journeyID string) {
		_, err := h.pipeline.CommitAll(h.ctx(), ws, []event.SystemEvent{{ProfileID: ana, Input: event.Input{
			MessageID: "message:" + id, Name: "Message Sent", Timestamp: h.clock.Now(), Properties: document(t, `{"journeyId":"`+journeyID+`"}`),
		}}})
		require.NoError(t, err)
	}
	tell("1", j.JourneyID())
	h.after(time.Minute)
	require.Len(t, h.sent(), 1, "by its own message nobody enters")
	tell("2", "jrn_another")
	h.after(time.Minute)
	require.Len(t, h.sent(), 2, "by another's they do")
}

// Two things that bring each other about without a pause come to an end.
func TestWhatBringsItselfAboutEnds(t *testing.T) {
	h := newHouse(t)
	h.Ledger = &echo{h: h}
	j := h.published(drawing(`,"key":"n"`, []string{
		`in {"entry":{"event":{"name":"Points Earned"}}}`, `p {"points":{"amount":1,"reason":"round"}}`, mail("m1"),
	}, "in next p", "p next m1"))
	h.Ledger.(*echo).earn("first", h.track("ana", "Signed Up", `{}`))
	for range 5 * journey.MaxRounds {
		require.NoError(t, h.Turn(h.ctx(), ws))
		h.clock.Advance(time.Second)
	}
	require.Len(t, h.sent(), journey.MaxRounds)
	v, err := h.Version(h.ctx(), ws, j.JourneyID(), 1)
	require.NoError(t, err)
	stats, err := h.Stats(h.ctx(), ws, v)
	require.NoError(t, err)
	require.EqualValues(t, 1, stats.Refused["TOO_OFTEN"])
}

// echo tells of points as the real ledger does.
type echo struct {
	h *house
	n int
}

func (l *echo) earn(key, who string) {
	l.n++
	_, err := l.h.pipeline.CommitAll(l.h.ctx(), ws, []event.SystemEvent{{ProfileID: who, Input: event.Input{
		MessageID: "points:" + key, Name: "Points Earned", Timestamp: l.h.clock.Now(), Properties: document(l.h.t, fmt.Sprintf(`{"n":%d}`, l.n)),
	}}})
	require.NoError(l.h.t, err)
}

// Points implements journey.Ledger.
func (l *echo) Points(_ context.Context, _, who, key string, _ journey.Points) (string, error) {
	l.earn(key, who)
	return "", nil
}

// Score implements journey.Ledger.
func (*echo) Score(context.Context, string, string, string, string, journey.Score) (string, error) {
	return "", nil
}

// What can be written for one person never holds up nobody else.
func TestOneWhoCannotGoOnHoldsNobodyUp(t *testing.T) {
	h := newHouse(t)
	j := h.published(drawing("", []string{
		`in {"entry":{"event":{"name":"Start"}}}`, `t {"updateTrait":{"path":"more","value":"{{ event.more }}"}}`, mail("m1"),
	}, "in next t", "t next m1"))
	// The biggest person that there may be has no room for another trait.
	big := strings.Repeat("x", 30<<10)
	for i := range 8 {
		h.send(fmt.Sprintf(`{"type":"identify","userId":"ana","traits":{"t%d":%q}}`, i, big))
	}
	ana := h.track("ana", "Start", fmt.Sprintf(`{"more":%q}`, big[:20<<10]))
	others := map[string]bool{}
	for i := range 64 { // somebody of each lane
		others[h.track(fmt.Sprint("u", i), "Start", `{"more":"little"}`)] = true
	}
	h.after(10 * time.Minute)
	require.Empty(t, h.sent(ana))
	require.Len(t, h.sent(), len(others), "everybody else has gone on")
	for _, e := range h.enrollments(j.JourneyID()) {
		if e.Part == ana {
			require.Contains(t, e.Fault, "PROFILE_TOO_LARGE")
		}
	}
}

// Of two updates of one trait in a row the later stays.
func TestTheLaterUpdateOfATraitStays(t *testing.T) {
	h := newHouse(t)
	nodes, edges, last := []string{`in {"entry":{"event":{"name":"Start"}}}`}, []string{}, "in"
	for i := range 8 {
		at := fmt.Sprint("t", i)
		nodes, edges = append(nodes, fmt.Sprintf(`%s {"updateTrait":{"path":"stage","value":%d}}`, at, i)), append(edges, last+" next "+at)
		last = at
	}
	h.published(drawing("", nodes, edges...))
	ana := h.track("ana", "Start", `{}`)
	h.after(time.Minute)
	p, err := h.people.Get(h.ctx(), ws, ana)
	require.NoError(t, err)
	stage, _ := p.TraitAt("stage").Value.AsInt64OK()
	require.EqualValues(t, 7, stage)
}

// Placeholders make nothing of a few bytes that no store holds.
func TestPlaceholdersStayWithinBounds(t *testing.T) {
	h := newHouse(t)
	j := h.published(drawing("", []string{
		`in {"entry":{"event":{"name":"Start"}}}`,
		fmt.Sprintf(`t {"updateTrait":{"path":"bomb","value":%q}}`, strings.Repeat("{{event.a}}", 1000)),
		fmt.Sprintf(`w {"webhook":{"url":"https://example.com","body":{"a":%q}}}`, strings.Repeat("{{event.a}}", 1000)), mail("m1"),
	}, "in next t", "t next w", "w next m1"))
	h.track("ana", "Start", fmt.Sprintf(`{"a":%q}`, strings.Repeat("x", 20<<10)))
	h.after(time.Minute)
	require.Len(t, h.sent(), 1)
	require.Equal(t, []string{"in ENTERED", "t SKIPPED TOO_LARGE", "w SKIPPED TOO_LARGE", "m1 QUEUED"}, h.passages(h.enrollments(j.JourneyID())[0]))
}

// What no message can carry is left out, and told.
func TestAMessageThatCannotBeIsSkipped(t *testing.T) {
	h := newHouse(t)
	h.Outbox = refusing{}
	j := h.published(drawing("", []string{`in {"entry":{"event":{"name":"Start"}}}`, mail("m1"), `x {"exit":true}`}, "in next m1", "m1 next x"))
	h.track("ana", "Start", `{}`)
	h.after(time.Minute)
	require.Equal(t, []string{"COMPLETED@x"}, h.statuses(j.JourneyID()))
	history := h.passages(h.enrollments(j.JourneyID())[0])
	require.Contains(t, history, "m1 SKIPPED DATA_TOO_LARGE")
	require.NotContains(t, history, "m1 QUEUED")
}

// A definition that no step could carry out, or no store hold, is refused when it is saved.
func TestHostileDefinitions(t *testing.T) {
	h := newHouse(t)
	one := func(step string) string {
		return drawing("", []string{`in {"entry":{"event":{"name":"Start"}}}`, "n " + step, `x {"exit":true}`}, "in next n", "n next x")
	}
	var arms []string
	for i := range 18 {
		arms = append(arms, fmt.Sprintf(`{"name":"a%d","where":{"trait":{"path":"p","in":[%s"z"]}}}`, i, strings.Repeat(`"`+strings.Repeat("v", 200)+`",`, 900)))
	}
	for name, text := range map[string]string{
		"a number beyond all numbers": one(`{"updateTrait":{"path":"a","value":1e99999}}`),
		"a field beyond all numbers":  one(`{"upsertObject":{"type":"contract","externalId":"1","fields":{"n":1e99999}}}`),
		"a negative wait":             one(`{"wait":{"duration":"-PT1H"}}`),
		"a wait of no time":           one(`{"wait":{"duration":"PT0S"}}`),
		"a wait of ages":              one(`{"wait":{"duration":"P99999999999D"}}`),
		"a wait for the year 9999":    one(`{"wait":{"until":"9999-12-31T23:59:59Z"}}`),
		"a wait for the year 10000":   one(`{"wait":{"until":"9999-12-31T23:59:59-14:00"}}`),
		"25 o'clock":                  one(`{"wait":{"localTime":"25:00"}}`),
		"a path without an end":       one(`{"updateTrait":{"path":"` + strings.Repeat("a.", 60) + `a","value":1}}`),
		"NaN points":                  one(`{"points":{"amount":"NaN","reason":"x"}}`),
		"points beyond all points":    one(`{"points":{"amount":1e300,"reason":"x"}}`),
		"a webhook to a file":         one(`{"webhook":{"url":"file:///etc/passwd"}}`),
		"a webhook with a password":   one(`{"webhook":{"url":"https://a:b@example.com/"}}`),
		"a host out of an event":      one(`{"webhook":{"url":"https://{{ event.host }}.example.com/"}}`),
		"a zone of a path":            strings.Replace(one(`{"exit":true}`), `"UTC"`, `"../../etc/passwd"`, 1),
		"weights that overflow":       one(`{"split":{"salt":"s","arms":[{"name":"a","weight":9223372036854775807},{"name":"b","weight":1}]}}`),
		"a megabyte of conditions":    drawing("", []string{`in {"entry":{"event":{"name":"Start"}}}`, `n {"branch":[` + strings.Join(arms, ",") + `]}`, `x {"exit":true}`}, append(edgesOf("n", 18, "x"), "in next n", "n else x")...),
	} {
		_, _, err := h.Create(h.ctx(), ws, journey.CreateInput{Name: "hostile", Definition: decoded(t, text)})
		require.Error(t, err, name)
		require.Equal(t, core.Invalid, core.CodeOf(err), "%s: %v", name, err)
	}
}

func edgesOf(from string, n int, to string) []string {
	var out []string
	for i := range n {
		out = append(out, fmt.Sprintf("%s a%d %s", from, i, to))
	}
	return out
}

// A date that no calendar of people has keeps nobody from being listed, and lets nobody on.
func TestADateAtTheEndOfTime(t *testing.T) {
	h := newHouse(t)
	j := h.published(drawing("", []string{`in {"entry":{"event":{"name":"Start"}}}`, `w {"wait":{"trait":"until"}}`, mail("m1")}, "in next w", "w next m1"))
	for i, until := range []string{"9999-12-31T23:59:59.9999-14:00", "9999-12-31", "0000-01-01", "-0001-01-01", "2026-13-45", "NaN"} {
		user := fmt.Sprint("u", i)
		h.send(fmt.Sprintf(`{"type":"identify","userId":%q,"traits":{"until":%q}}`, user, until))
		h.track(user, "Start", `{}`)
	}
	h.after(time.Hour)
	require.Len(t, h.sent(), 4, "who has no such date goes on at once")
	require.Len(t, h.enrollments(j.JourneyID()), 6)
	_, job, err := h.Stop(h.ctx(), ws, j.JourneyID(), journey.Edit{})
	require.NoError(t, err)
	h.finish(job)
	for _, e := range h.enrollments(j.JourneyID()) {
		require.True(t, e.Ended())
	}
}

// Who may not read a trait in clear may not have a journey carry it elsewhere.
func TestNobodyCarriesOutWhatTheyMayNotRead(t *testing.T) {
	h := newHouse(t)
	h.send(`{"type":"identify","userId":"ana","traits":{"diagnosis":"x","plan":"pro"}}`)
	member := h.as("mem_M", "marketer")
	core.ActorFrom(member).Decider.(*all).Data[core.Unclassified] = core.Decision{Effect: core.Mask}
	for name, step := range map[string]string{
		"webhook body":   `{"webhook":{"url":"https://example.com","body":{"a":"{{ profile.diagnosis }}"}}}`,
		"webhook url":    `{"webhook":{"url":"https://example.com/{{ profile.diagnosis }}"}}`,
		"webhook header": `{"webhook":{"url":"https://example.com","headers":{"X-A":"{{ profile.diagnosis }}"},"body":{}}}`,
		"whole event":    `{"webhook":{"url":"https://example.com"}}`,
		"other trait":    `{"updateTrait":{"path":"free","value":"{{ profile.diagnosis }}"}}`,
		"record":         `{"upsertObject":{"type":"contract","externalId":"{{ profile.diagnosis }}"}}`,
		"task":           `{"task":{"title":"{{ profile.diagnosis }}","assignee":"sales"}}`,
		"event":          `{"task":{"title":"{{ event.diagnosis }}","assignee":"sales"}}`,
		"wait":           `{"wait":{"trait":"diagnosis"}}`,
	} {
		text := drawing("", []string{`in {"entry":{"event":{"name":"Start"}}}`, "n " + step, `x {"exit":true}`}, "in next n", "n next x")
		_, _, err := h.Create(member, ws, journey.CreateInput{Name: "curious", Definition: decoded(t, text)})
		if name == "record" && core.CodeOf(err) == core.Invalid {
			continue // the types are looked at first
		}
		require.Equal(t, core.Forbidden, core.CodeOf(err), "%s: %v", name, err)
	}
	text := drawing("", []string{`in {"entry":{"event":{"name":"Start"}}}`, `n {"webhook":{"url":"https://example.com","body":{"who":"{{ enrollment.id }}"}}}`}, "in next n")
	_, _, err := h.Create(member, ws, journey.CreateInput{Name: "harmless", Definition: decoded(t, text)})
	require.NoError(t, err)
}

// Who made a version with a key of theirs does not approve of it under their own name.
func TestAKeyOfOnesOwnIsNobodyElse(t *testing.T) {
	h := newHouse(t)
	other := h.as("mem_OTHER", access.Admin)
	key := &access.Key{Meta: store.Meta{ID: store.Key(ws, "key_OFAUTHOR")}, KeyID: "key_OFAUTHOR", Workspace: ws, CreatedBy: "mem_AUTHOR"}
	require.NoError(t, work.Commit(h.ctx(), h.store, access.Keys.Insert(key)))
	j, _, err := h.Create(h.as("key_OFAUTHOR", access.Admin), ws, journey.CreateInput{Name: "risky", Approval: true, Definition: decoded(t, cart())})
	require.NoError(t, err)
	out, err := h.Publish(other, ws, journey.PublishInput{ID: j.JourneyID()})
	require.NoError(t, err)
	_, err = h.access.DecideApproval(h.as("mem_AUTHOR", access.Admin), out.Approval.ApprovalID, true, "")
	require.Equal(t, "OWN_CHANGE", core.AsError(err).Reason)
	_, err = h.access.DecideApproval(h.as("mem_THIRD", access.Admin), out.Approval.ApprovalID, true, "")
	require.NoError(t, err)
}

// document is a BSON document of JSON.
func document(t testing.TB, text string) bson.Raw {
	t.Helper()
	raw, fault := event.FromJSON([]byte(text))
	require.Nil(t, fault)
	return raw
}

// refusing is an outbox for which everything is too large.
type refusing struct{}

// Queue implements journey.Outbox.
func (refusing) Queue(context.Context, string, message.Intent) ([]store.Op, error) {
	return nil, core.Errorf(core.Invalid, "DATA_TOO_LARGE", "too large")
}

// Attained implements journey.Outbox.
func (refusing) Attained(string, string, string, time.Time) []store.Op { return nil }
