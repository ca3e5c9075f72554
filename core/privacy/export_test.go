package privacy

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/consent"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/object"
	"github.com/headwater-cdp/headwater/core/staging"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// tokenOf is how a collection names a person among others.
func (b *bureau) tokenOf(spec *store.Spec, part string) string {
	switch spec.Name {
	case object.Records.Spec.Name:
		return object.LinkToken("order", object.Link{Relation: "buyer", Namespace: object.ProfileNamespace, Value: part})
	case event.Quarantine.Spec.Name:
		p, err := b.people.Get(b.ctx, deskWS, part)
		require.NoError(b.t, err)
		for _, h := range p.Identifiers {
			if h.Namespace == "user_id" {
				return "userId/" + h.Value
			}
		}
	}
	return part
}

// orders makes a type of records that name people.
func (b *bureau) orders() {
	b.t.Helper()
	_, err := b.o.Objects.CreateType(officer(context.Background()), deskWS, object.TypeInput{
		Key: "order", Name: "Order", Fields: []object.FieldInput{{Key: "street", Label: "Street", Type: object.Text}},
		Relations: []object.RelationInput{{Key: "buyer", Label: "Buyer", Many: true}, {Key: "product", Label: "Product", Target: "order", Many: true}},
	})
	require.NoError(b.t, err)
}

// plant puts a document into a collection that says of the person whatever the
// collection declares, and returns the values that it holds.
func (b *bureau) plant(spec *store.Spec, part string, n int) []string {
	b.t.Helper()
	key := store.Key(deskWS, fmt.Sprintf("zz%d", n))
	doc := bson.M{"_v": int64(1)}
	set := func(path string, v any) {
		at := doc
		keys := strings.Split(path, ".")
		for _, k := range keys[:len(keys)-1] {
			if _, ok := at[k].(bson.M); !ok {
				at[k] = bson.M{}
			}
			at = at[k].(bson.M)
		}
		at[keys[len(keys)-1]] = v
	}
	var values []string
	for path, category := range spec.Data {
		if path == "_id" || path == spec.Subject || category == core.None {
			continue
		}
		if path == "*" {
			path = "anything"
		}
		v := fmt.Sprintf("canary-%s-%s-%d", spec.Name, path, n)
		if spec.Subject == "" { // searched: only what names the person is found
			v = "ana@example.com"
		}
		set(path, v)
		values = append(values, v)
	}
	switch {
	case spec.Subject == "_id":
		key = store.Key(deskWS, part, fmt.Sprintf("zz%d", n))
	case spec.Subject != "":
		multi := spec.Subject != "part" && spec.Subject != "profile"
		if multi {
			set(spec.Subject, bson.A{"other/ben@example.com", b.tokenOf(spec, part)})
		} else {
			set(spec.Subject, part)
		}
	}
	for _, ix := range spec.Indexes {
		if ix.Fields[0].Path == spec.Subject {
			for _, f := range ix.Fields[1:] {
				set(f.Path, dayOne)
			}
		}
	}
	doc["_id"] = key
	raw, err := bson.Marshal(doc)
	require.NoError(b.t, err)
	_, err = b.db.Commit(b.ctx, store.Batch{ID: key + spec.Name, Ops: []store.Op{{Kind: store.OpInsert, Spec: spec, ID: key, Doc: raw}}})
	require.NoError(b.t, err, spec.Name)
	return values
}

func TestAnExportHoldsWhatEveryCollectionDeclares(t *testing.T) {
	b := newBureau(t, dayOne)
	ana := b.send(`{"type":"identify","userId":"ana","traits":{"email":"ana@example.com","city":"Bern"}}`)
	ben := b.send(`{"type":"identify","userId":"ben","traits":{"email":"ben@example.com","city":"Basel"}}`)
	b.orders()
	p, err := b.people.Get(b.ctx, deskWS, ana)
	require.NoError(t, err)
	w, err := b.person(b.ctx, deskWS, p, nil)
	require.NoError(t, err)
	planted, searched := 0, 0
	for i, spec := range b.personal() {
		values := b.plant(spec, ana, i)
		b.plant(spec, ben, 1000+i)
		all := ""
		require.NoError(t, b.each(b.ctx, spec, w, func(doc bson.Raw) error {
			text, err := event.ToJSON(doc)
			all += string(text)
			return err
		}))
		for _, v := range values {
			require.Contains(t, all, v, "%s", spec.Name)
			planted++
		}
		if spec.Subject == "" {
			searched++
			continue
		}
		require.Contains(t, all, strings.ReplaceAll(b.tokenOf(spec, ana), "\x1f", "\\u001f"), spec.Name)
		require.NotContains(t, all, fmt.Sprintf("-%d\"", 1000+i), "%s shows what is somebody else's", spec.Name)
		require.NotContains(t, all, "ben@example.com", spec.Name)
	}
	require.Greater(t, planted, 12)
}

// A value under another namespace, or of something that is nobody, is not the person.
func TestAnExportHoldsNobodyElsesData(t *testing.T) {
	b := newBureau(t, dayOne)
	b.orders()
	id := b.send(`{"type":"identify","userId":"42","traits":{"email":"ana@example.com"}}`)
	ctx := officer(context.Background())
	put := func(externalID, street string, links map[string][]object.Link) {
		t.Helper()
		items, err := b.o.Objects.Upsert(ctx, deskWS, "order", []object.Item{{ExternalID: externalID, Fields: map[string]any{"street": street}, Links: links}})
		require.NoError(t, err)
		require.Nil(t, items[0].Err)
	}
	put("42", "shop window", nil)
	put("o1", "her street", map[string][]object.Link{"buyer": {{Namespace: "user_id", Value: "42"}, {Namespace: "user_id", Value: "7"}}})
	put("o2", "his street", map[string][]object.Link{"product": {{Value: "42"}}})
	put("o3", "their street", map[string][]object.Link{"buyer": {{Namespace: "anonymous_id", Value: "42"}}})
	bad := func(who, secret string) {
		t.Helper()
		b.n++
		in := event.DecodeMessage([]byte(`{"type":"track","event":"Bad","timestamp":"2999-01-01T00:00:00Z",`+who+`,"properties":{"x":"`+secret+`"}}`),
			event.Defaults{ReceivedAt: b.clock.Now(), MessageID: fmt.Sprint("bad", b.n)})
		out, err := b.pipe.Ingest(b.ctx, deskWS, "src_web", []event.Input{in})
		require.NoError(t, err)
		require.Equal(t, event.Quarantined, out[0].Status)
	}
	bad(`"userId":"42"`, "her words")
	bad(`"anonymousId":"42"`, "their words")
	for _, in := range []OpenInput{{ProfileID: id}, {Identifier: &event.Identifier{Namespace: "user_id", Value: "42"}}} {
		in.Type = Access
		r := b.open(in)
		b.verify(r)
		files := b.downloads(b.until(r, Completed))
		for _, text := range []string{b.fetch(files[FormatJSON]), b.fetch(files[FormatHTML])} {
			require.Contains(t, text, "her street")
			require.Contains(t, text, "userId/42")
			for _, others := range []string{"his street", "their street", "anonymousId/42", "shop window", "\\u001f7\""} {
				require.NotContains(t, text, others)
			}
		}
	}
}

func TestAccessAndPortability(t *testing.T) {
	b := newBureau(t, dayOne)
	ana := b.send(`{"type":"identify","userId":"ana","traits":{"email":"ana@example.com","city":"<b>Bern</b>"},"context":{"consent":{"categoryPreferences":{"marketing":true}}}}`)
	for i := range 40 {
		b.send(fmt.Sprintf(`{"type":"track","userId":"ana","event":"Note Written","properties":{"n":%d,"text":%q}}`, i, strings.Repeat("x", 20_000)))
	}
	_, err := b.SetController(b.ctx, deskWS, Controller{Name: "Example AG", Officer: "Office of Dr Muster"}, nil)
	require.NoError(t, err)
	r := b.open(OpenInput{Type: Access, ProfileID: ana})
	b.verify(r)
	r = b.until(r, Completed)
	files := b.downloads(r)
	require.Len(t, files, 2)
	text := b.fetch(files[FormatJSON])
	var all struct {
		About struct {
			Known      bool
			Controller struct{ Name string }
			Purposes   []any
			Consents   []struct{ Purpose, Status string }
		}
		Data map[string][]map[string]any
	}
	require.NoError(t, json.Unmarshal([]byte(text), &all))
	require.True(t, all.About.Known)
	require.Equal(t, "Example AG", all.About.Controller.Name)
	require.Len(t, all.About.Purposes, len(consent.Builtin()))
	require.Equal(t, "marketing", all.About.Consents[0].Purpose)
	require.Len(t, all.Data["profiles"], 1)
	require.GreaterOrEqual(t, len(all.Data["events"]), 42)
	page := b.fetch(files[FormatHTML])
	require.Contains(t, page, "Example AG")
	require.Contains(t, page, "&lt;b&gt;Bern")
	require.NotContains(t, page, "<b>Bern")
	require.NotContains(t, files[FormatJSON].URL, "ana")

	// What is stored is sealed.
	require.NoError(t, exports.Chunks.Each(b.ctx, b.db, store.Query{Workspace: deskWS}, func(c *staging.Chunk) error {
		require.NotContains(t, string(c.Data), "ana@example.com")
		return nil
	}))

	port := b.open(OpenInput{Type: Portability, ProfileID: ana})
	b.verify(port)
	port = b.until(port, Completed)
	files = b.downloads(port)
	require.Len(t, files, 3)
	lines := strings.Split(strings.TrimSpace(b.fetch(files[FormatNDJSON])), "\n")
	require.Len(t, lines, 41)
	var given struct {
		Identifiers []map[string]string
		Traits      map[string]string
		Events      []map[string]any
	}
	require.NoError(t, json.Unmarshal([]byte(b.fetch(files[FormatJSON])), &given))
	require.Len(t, given.Identifiers, 2)
	require.Equal(t, "ana@example.com", given.Traits["email"])
	require.Len(t, given.Events, 41)

	// A link is good for an hour, and for nothing else.
	token := strings.TrimPrefix(files[FormatJSON].URL, DownloadPath)
	_, err = b.Fetch(b.ctx, token[:len(token)-2]+"AA")
	require.Equal(t, "TOKEN_INVALID", whyNot(err))
	b.clock.set(dayOne.Add(2 * time.Hour))
	_, err = b.Fetch(b.ctx, token)
	require.Equal(t, "TOKEN_EXPIRED", whyNot(err))

	// After its time the file is deleted.
	b.clock.set(dayOne.Add(8 * 24 * time.Hour))
	require.Empty(t, b.downloads(port))
	require.Eventually(t, func() bool {
		n, err := exports.Chunks.Count(b.ctx, b.db, store.Query{Workspace: deskWS})
		return err == nil && n == 0
	}, 10*time.Second, 5*time.Millisecond)
}

// Who gets data is what the register of processors says, under the purposes that they
// work for and those below.
func TestRecipientsComeFromTheRegister(t *testing.T) {
	b := newBureau(t, dayOne)
	b.o.Recipients = RecipientsFrom(b.o.Consent)
	b.o.Read = func(_ context.Context, _, purpose string) (map[core.Category]bool, error) {
		return map[core.Category]bool{core.Contact: purpose == "marketing"}, nil
	}
	signed := dayOne.AddDate(-1, 0, 0)
	for name, purpose := range map[string]string{"Post Ltd": "marketing", "Shop Host": "operations", "Gone Inc": "marketing"} {
		p, err := b.o.Consent.SetProcessor(b.ctx, deskWS, "", "", consent.Processor{
			Name: name, Country: "US", Purposes: []string{purpose}, Categories: []core.Category{core.Contact}, Agreement: "folder 3", AgreementSignedOn: &signed,
			TransferMechanism: consent.TransferClauses,
		}, consent.Edit{})
		require.NoError(t, err)
		if name == "Gone Inc" {
			_, err = b.o.Consent.ArchiveProcessor(b.ctx, deskWS, p.ProcessorID(), true, consent.Edit{})
			require.NoError(t, err)
		}
	}
	ana := b.send(`{"type":"identify","userId":"ana","traits":{"email":"ana@example.com","city":"Bern"}}`)
	require.NoError(t, b.o.Events.Flush(b.ctx, deskWS))
	r := b.open(OpenInput{Type: Access, ProfileID: ana})
	b.verify(r)
	page := b.fetch(b.downloads(b.until(r, Completed))[FormatHTML])
	require.Contains(t, page, "Post Ltd, US (CLAUSES): CONTACT")
	require.Contains(t, page, "Shop Host")
	require.NotContains(t, page, "Gone Inc")
	rec, err := b.Record(b.ctx, deskWS, nil)
	require.NoError(t, err)
	var activities []Activity
	require.NoError(t, json.Unmarshal(rec.Activities, &activities))
	for _, a := range activities {
		var names []string
		for _, one := range a.Recipients {
			names = append(names, one.Name)
		}
		switch a.Purpose {
		case "marketing":
			require.Equal(t, []string{"Post Ltd"}, names)
			require.Equal(t, map[string]int{"CONTACT": 1}, a.Data)
		case "advertising":
			require.Equal(t, b.under("advertising", "marketing"), len(names) == 1)
			require.Empty(t, a.Data)
		case "operations":
			require.Equal(t, []string{"Shop Host"}, names)
		}
	}
	text, err := rec.RecordFile(FormatMarkdown)
	require.NoError(t, err)
	require.Contains(t, string(text), "Post Ltd")
}

// under reports whether a purpose is another or below it.
func (b *bureau) under(purpose, of string) bool {
	reg, err := b.o.Consent.Register(b.ctx, deskWS)
	require.NoError(b.t, err)
	return slices.Contains(reg.Chain(purpose), of)
}

func TestNobodyIsAnsweredToo(t *testing.T) {
	b := newBureau(t, dayOne)
	r := b.open(OpenInput{Type: Access, Identifier: &event.Identifier{Namespace: "email", Value: "nobody@example.com"}})
	require.Empty(t, r.Profile)
	b.verify(r)
	r = b.until(r, Completed)
	require.Equal(t, work.Succeeded, r.Tasks[0].Status)
	require.Contains(t, b.fetch(b.downloads(r)[FormatHTML]), "Nothing is held")
}

func TestTheRecordOfProcessingIsKeptByVersions(t *testing.T) {
	b := newBureau(t, dayOne)
	_, err := b.SetController(b.ctx, deskWS, Controller{Name: "First AG"}, nil)
	require.NoError(t, err)
	b.clock.set(dayOne.Add(time.Hour))
	zero := int64(0)
	_, err = b.SetController(b.ctx, deskWS, Controller{Name: "Second AG"}, &zero)
	require.Equal(t, "VERSION_CONFLICT", whyNot(err))
	_, err = b.SetController(b.ctx, deskWS, Controller{Name: "=Second AG"}, nil)
	require.NoError(t, err)
	then := dayOne.Add(time.Minute)
	old, err := b.Record(b.ctx, deskWS, &then)
	require.NoError(t, err)
	require.Contains(t, string(old.Controller), "First")
	now, err := b.Record(b.ctx, deskWS, nil)
	require.NoError(t, err)
	require.Contains(t, string(now.Controller), "Second")
	again, err := b.Record(b.ctx, deskWS, nil)
	require.NoError(t, err)
	require.Equal(t, now.ID, again.ID, "nothing changed")
	before := dayOne.Add(-time.Hour)
	_, err = b.Record(b.ctx, deskWS, &before)
	require.Equal(t, "NO_RECORD", whyNot(err))
	for _, format := range []string{"json", "html", "csv"} {
		d, err := b.RecordDownload(b.ctx, now, format)
		require.NoError(t, err)
		require.Contains(t, b.fetch(d), "marketing")
	}
}
