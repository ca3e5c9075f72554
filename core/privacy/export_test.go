package privacy

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/consent"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/staging"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

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
			set(spec.Subject, bson.A{"other/ben@example.com", part})
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
	w := person{ws: deskWS, parts: []string{ana}, values: []string{"ana@example.com", "ana"}}
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
		require.Contains(t, all, ana, spec.Name)
		require.NotContains(t, all, fmt.Sprintf("-%d\"", 1000+i), "%s shows what is somebody else's", spec.Name)
		require.NotContains(t, all, "ben@example.com", spec.Name)
	}
	require.Greater(t, planted, 12)
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
