package event_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/store"
)

func inputs(t testing.TB, raws ...string) []*event.Input {
	t.Helper()
	out := make([]*event.Input, len(raws))
	for i, raw := range raws {
		out[i] = decodeP(raw)
		require.Nil(t, out[i].Err, raw)
	}
	return out
}

// observe commits what the catalogue asks for, as the pipeline would, and returns
// how many operations that was.
func observe(t testing.TB, f *fixture, raws ...string) int {
	t.Helper()
	ins := inputs(t, raws...)
	for {
		ops, done, err := f.Observe(t.Context(), ws, ins, f.clock.Now())
		require.NoError(t, err)
		if len(ops) == 0 {
			done()
			return 0
		}
		if err := f.commit(t, ops...); err != nil {
			require.ErrorIs(t, err, store.ErrConflict)
			f.Forget(ws)
			continue
		}
		done()
		return len(ops)
	}
}

func fields(t testing.TB, f *fixture, owner string) map[string]event.Field {
	t.Helper()
	list, err := f.FieldDefinitions(t.Context(), ws, owner, "")
	require.NoError(t, err)
	out := map[string]event.Field{}
	for _, d := range list {
		require.Equal(t, owner, d.Owner)
		out[d.Path] = d.Field
	}
	return out
}

func bought(props string) string {
	return `{"type":"track","event":"Order Completed","userId":"u","properties":` + props + `}`
}

func TestFieldsAreFoundWithTypesAndCategories(t *testing.T) {
	f := open(t)
	observe(t, f,
		bought(`{"order_id":"A-1","total":12.5,"paid":true,"at":"2026-11-21T10:00:00Z","note":null,"products":[{"sku":"S","quantity":1},{"sku":"T","tags":["x"]}],"shop":{"a.b":1,"empty":{}}}`),
		bought(`{"total":12,"order_id":7}`),
		`{"type":"identify","userId":"u","traits":{"email":"ana@example.com","address":{"city":"Cluj"},"plan":"pro","shoe":43}}`,
		`{"type":"page","userId":"u","context":{"traits":{"age":30}},"name":"Home","properties":{"url":"/","x":1}}`,
	)
	got := map[string]string{}
	for path, d := range fields(t, f, "Order Completed") {
		got[path] = d.Types.String() + " " + string(d.Category)
		assert.Equal(t, receipt, d.FirstSeenAt)
		assert.Equal(t, receipt.Truncate(24*time.Hour), d.LastSeenAt)
		assert.Equal(t, event.ByDefault, d.By)
	}
	assert.Equal(t, map[string]string{
		"order_id": "STRING|INTEGER TRANSACTION", "total": "INTEGER|DECIMAL TRANSACTION", "paid": "BOOLEAN UNCLASSIFIED", "at": "DATETIME UNCLASSIFIED",
		"note": "NULL UNCLASSIFIED", "products": "ARRAY TRANSACTION", "products.sku": "STRING BEHAVIOUR", "products.quantity": "INTEGER BEHAVIOUR",
		"products.tags": "STRING|ARRAY UNCLASSIFIED", `shop.a\.b`: "INTEGER UNCLASSIFIED", "shop.empty": "OBJECT UNCLASSIFIED",
	}, got)
	traits := fields(t, f, event.OwnerTrait)
	assert.Equal(t, core.Contact, traits["email"].Category)
	assert.Equal(t, core.Location, traits["address.city"].Category)
	assert.Equal(t, core.Demographic, traits["age"].Category)
	assert.Equal(t, core.Behaviour, traits["plan"].Category)
	assert.Equal(t, core.Unclassified, traits["shoe"].Category)
	assert.Contains(t, fields(t, f, "Page Viewed"), "url")
	assert.Equal(t, core.Behaviour, fields(t, f, "Page Viewed")["name"].Category)

	all, err := f.FieldDefinitions(t.Context(), ws, "", "")
	require.NoError(t, err)
	assert.Len(t, all, 11+5+3)
	some, err := f.FieldDefinitions(t.Context(), ws, "Order Completed", "products.")
	require.NoError(t, err)
	assert.Len(t, some, 3)
	other, err := f.FieldDefinitions(t.Context(), "ws_other", "", "")
	require.NoError(t, err)
	assert.Empty(t, other)
}

func TestKnownFieldsCostNothing(t *testing.T) {
	f := open(t)
	raw := bought(`{"order_id":"A-1","total":12.5,"currency":"EUR","products":[{"sku":"S"}]}`)
	assert.Equal(t, 1, observe(t, f, raw))
	ins := inputs(t, raw)
	commits, reads := f.db.commits.Load(), f.db.reads.Load()
	for range 1000 {
		ops, done, err := f.Observe(t.Context(), ws, ins, f.clock.Now())
		require.NoError(t, err)
		require.Empty(t, ops)
		done()
	}
	assert.Equal(t, commits, f.db.commits.Load())
	assert.Equal(t, reads, f.db.reads.Load())
	allocs := testing.AllocsPerRun(100, func() { _, _, _ = f.Observe(context.Background(), ws, ins, receipt) })
	assert.Less(t, allocs, 10.0)
}

func TestOneWriteADayForWhatIsSeenDaily(t *testing.T) {
	f := open(t)
	raw := bought(`{"order_id":"A-1"}`)
	observe(t, f, raw)
	n := 0
	for range 48 { // two days, hour by hour
		f.clock.Advance(time.Hour)
		n += observe(t, f, raw)
	}
	assert.Equal(t, 2, n)
	assert.Equal(t, f.clock.Now().Truncate(24*time.Hour), fields(t, f, "Order Completed")["order_id"].LastSeenAt)
	assert.Equal(t, receipt, fields(t, f, "Order Completed")["order_id"].FirstSeenAt)
}

func samples(d event.Field) []string {
	var out []string
	for _, v := range d.Samples {
		text, _ := event.ValueToJSON(v)
		out = append(out, string(text))
	}
	return out
}

func TestSamplesOnlyWhereNothingIsPersonal(t *testing.T) {
	f := open(t)
	observe(t, f,
		bought(`{"currency":"EUR","total":5,"customer":"Ana","email":"a@b.c","url":"/p?email=a","path":"/u/ana@example.com","title":"`+strings.Repeat("x", 65)+`","query":"0722 123 456","rating":4,"page":true}`),
		bought(`{"currency":"RON","total":5,"currency":"RON"}`))
	got := fields(t, f, "Order Completed")
	assert.Equal(t, []string{`"EUR"`, `"RON"`}, samples(got["currency"]))
	assert.Equal(t, []string{`5`}, samples(got["total"]))
	assert.Equal(t, []string{`true`}, samples(got["page"]))
	for _, path := range []string{"customer", "email", "url", "path", "title", "query"} {
		assert.Empty(t, got[path].Samples, path)
	}
}

func TestSamplesAreFewAndWrittenAtAPace(t *testing.T) {
	f := open(t)
	observe(t, f, bought(`{"coupon":"C-0"}`))
	writes := 0
	for i := 1; i < 100; i++ {
		f.clock.Advance(10 * time.Millisecond)
		writes += observe(t, f, bought(fmt.Sprintf(`{"coupon":"C-%d"}`, i)))
	}
	assert.LessOrEqual(t, writes, 1)
	assert.Len(t, fields(t, f, "Order Completed")["coupon"].Samples, event.MaxSamples, "a reader finds what waited")
}

func TestSetField(t *testing.T) {
	f := open(t)
	g := f.second(t)
	observe(t, f, bought(`{"coupon":"C-1","shoe":43}`))
	observe(t, g, bought(`{"coupon":"C-1"}`))
	ctx := core.WithActor(context.Background(), &core.Actor{ID: "key_1"})

	d, err := f.SetField(ctx, ws, event.FieldUpdate{Owner: "Order Completed", Path: "shoe", ExpectedVersion: ptr(int64(0)), Category: ptr(core.None), Description: ptr("Size")})
	require.NoError(t, err)
	assert.Equal(t, "key_1", d.By)
	assert.EqualValues(t, 1, d.Version)
	_, err = f.SetField(ctx, ws, event.FieldUpdate{Owner: "Order Completed", Path: "shoe", ExpectedVersion: ptr(int64(0))})
	assert.Equal(t, "VERSION_CONFLICT", reason(t, err))
	_, err = f.SetField(ctx, ws, event.FieldUpdate{Owner: "Order Completed", Path: "coupon", Category: ptr(core.Special)})
	require.NoError(t, err)
	assert.Empty(t, fields(t, f, "Order Completed")["coupon"].Samples, "what turned out personal is dropped")

	// Neither this process nor another, which has not heard, samples it again.
	f.clock.Advance(time.Minute)
	observe(t, g, bought(`{"coupon":"C-2","new":1}`))
	observe(t, f, bought(`{"coupon":"C-3","shoe":44}`))
	got := fields(t, f, "Order Completed")
	assert.Empty(t, got["coupon"].Samples)
	assert.Equal(t, core.Special, got["coupon"].Category)
	assert.Equal(t, []string{"44"}, samples(got["shoe"]), "what turned out harmless is sampled")
	assert.Equal(t, "Size", got["shoe"].Description)
	assert.Contains(t, got, "new")

	cats, err := g.Categories(t.Context(), ws, "Order Completed")
	require.NoError(t, err)
	assert.Equal(t, core.Special, cats["coupon"])
	_, err = f.SetField(ctx, ws, event.FieldUpdate{Owner: event.OwnerTrait, Path: "vip", Category: ptr(core.Behaviour)})
	require.NoError(t, err, "a field can be described before it is seen")
	assert.True(t, fields(t, f, event.OwnerTrait)["vip"].FirstSeenAt.IsZero())
	observe(t, f, `{"type":"identify","userId":"u","traits":{"vip":true}}`)
	assert.False(t, fields(t, f, event.OwnerTrait)["vip"].FirstSeenAt.IsZero())
	assert.Equal(t, core.Behaviour, fields(t, f, event.OwnerTrait)["vip"].Category)
}

func TestBadFieldUpdates(t *testing.T) {
	f := open(t)
	for want, u := range map[string]event.FieldUpdate{
		"OWNER":       {Path: "a"},
		"PATH":        {Owner: "x"},
		"CATEGORY":    {Owner: "x", Path: "a", Category: ptr(core.Category("ODD"))},
		"DESCRIPTION": {Owner: "x", Path: "a", Description: ptr(strings.Repeat("x", 2001))},
	} {
		_, err := f.SetField(t.Context(), ws, u)
		assert.Equal(t, want, reason(t, err))
	}
}

func TestCategoriesAreHeardOfWithinASecond(t *testing.T) {
	f := open(t)
	g := f.second(t)
	observe(t, f, bought(`{"shoe":43}`))
	cats, err := f.Categories(t.Context(), ws, "Order Completed")
	require.NoError(t, err)
	require.Equal(t, core.Unclassified, cats["shoe"])
	_, err = g.SetField(t.Context(), ws, event.FieldUpdate{Owner: "Order Completed", Path: "shoe", Category: ptr(core.None)})
	require.NoError(t, err)
	f.clock.Advance(event.CacheTTL)
	cats, err = f.Categories(t.Context(), ws, "Order Completed")
	require.NoError(t, err)
	assert.Equal(t, core.None, cats["shoe"])
}

func TestTwoProcessesMeetTheSameFieldAtOnce(t *testing.T) {
	f := open(t)
	g := f.second(t)
	a, b := inputs(t, bought(`{"same":1,"a":1}`)), inputs(t, bought(`{"same":1,"b":1}`))
	opsA, doneA, err := f.Observe(t.Context(), ws, a, receipt)
	require.NoError(t, err)
	opsB, _, err := g.Observe(t.Context(), ws, b, receipt)
	require.NoError(t, err)
	require.Len(t, opsA, 1)
	require.Len(t, opsB, 1)
	require.NoError(t, f.commit(t, opsA...))
	doneA()
	require.ErrorIs(t, g.commit(t, opsB...), store.ErrConflict)
	g.Forget(ws)
	opsB, doneB, err := g.Observe(t.Context(), ws, b, receipt)
	require.NoError(t, err)
	require.Len(t, opsB, 1)
	require.NoError(t, g.commit(t, opsB...))
	doneB()
	got := fields(t, f, "Order Completed")
	assert.Len(t, got, 3)
	assert.Zero(t, observe(t, g, bought(`{"same":1,"b":1,"a":1}`)))
}

func TestLanesOfOneProcessDoNotConflict(t *testing.T) {
	f := open(t)
	opsA, doneA, err := f.Observe(t.Context(), ws, inputs(t, bought(`{"a":1}`)), receipt)
	require.NoError(t, err)
	require.Len(t, opsA, 1)
	opsB, doneB, err := f.Observe(t.Context(), ws, inputs(t, bought(`{"a":1,"b":1}`)), receipt)
	require.NoError(t, err)
	require.Empty(t, opsB, "the owner is under way")
	doneB()
	require.NoError(t, f.commit(t, opsA...))
	doneA()
	assert.Equal(t, 1, observe(t, f, `{"type":"track","event":"Other","userId":"u"}`), "what waited goes with the next")
	assert.Len(t, fields(t, f, "Order Completed"), 2)
}

func TestAnOutcomeNeverHeardOfIsReadFromTheStore(t *testing.T) {
	f := open(t)
	ops, _, err := f.Observe(t.Context(), ws, inputs(t, bought(`{"a":1}`)), f.clock.Now())
	require.NoError(t, err)
	require.NoError(t, f.commit(t, ops...)) // and its reply was lost
	f.clock.Advance(11 * time.Second)
	assert.Equal(t, 1, observe(t, f, bought(`{"b":1}`)))
	assert.Len(t, fields(t, f, "Order Completed"), 2)
}

func TestRandomKeysDoNotFillTheStore(t *testing.T) {
	f := open(t)
	for i := range 30 {
		var b strings.Builder
		for j := range 100 {
			fmt.Fprintf(&b, `"k%d_%d":1,`, i, j)
		}
		observe(t, f, bought(`{`+strings.TrimSuffix(b.String(), ",")+`}`))
		f.clock.Advance(2 * time.Second)
	}
	assert.Len(t, fields(t, f, "Order Completed"), event.MaxOwnerPaths)
	observe(t, f, bought(`{"`+strings.Repeat("x", 200)+`":1}`))
	for i := range event.MaxOwners + 50 {
		observe(t, f, fmt.Sprintf(`{"type":"track","event":"E%d","userId":"u","properties":{"a":1}}`, i))
		f.clock.Advance(2 * time.Second)
	}
	n, err := event.Fields.Count(t.Context(), f.db, store.Query{Workspace: ws})
	require.NoError(t, err)
	assert.EqualValues(t, event.MaxOwners, n)
	over, err := f.Overflow(t.Context(), ws)
	require.NoError(t, err)
	assert.EqualValues(t, 1000+1+51, over)
	assert.Equal(t, 0, observe(t, f, bought(`{"k0_0":1}`)), "those that are known go on")
}

func TestAnEventCalledTraitDoesNotSpeakForTraits(t *testing.T) {
	f := open(t)
	observe(t, f, `{"type":"track","event":"TRAIT","userId":"u","properties":{"email":"x"}}`)
	assert.Empty(t, fields(t, f, event.OwnerTrait))
	assert.Len(t, fields(t, f, event.OwnerOf("TRAIT")), 1)
}

func TestBadEventsAreNotObserved(t *testing.T) {
	f := open(t)
	in := &event.Input{Type: event.Track, Name: "x", Err: core.Errorf(core.Invalid, "X", "x"), Properties: bson.Raw{5, 0, 0, 0, 0}}
	ops, _, err := f.Observe(t.Context(), ws, []*event.Input{in}, receipt)
	require.NoError(t, err)
	assert.Empty(t, ops)
}

func TestDefaultCategories(t *testing.T) {
	for _, c := range []struct {
		owner, path string
		want        core.Category
	}{
		{event.OwnerTrait, "email", core.Contact}, {event.OwnerTrait, "firstName", core.IdentifierID}, {event.OwnerTrait, "birthday", core.Demographic},
		{event.OwnerTrait, "address.street", core.Location}, {event.OwnerTrait, "secret", core.Unclassified}, {event.OwnerTrait, "company.name", core.Demographic},
		{"Order Completed", "revenue", core.Transaction}, {"Order Completed", "products.name", core.Behaviour}, {"Order Completed", "name", core.IdentifierID},
		{"Page Viewed", "referrer", core.Behaviour}, {"Page Viewed", "name", core.Behaviour}, {"x", "ip", core.Device}, {"x", "diagnosis", core.Unclassified},
	} {
		assert.Equal(t, c.want, event.DefaultCategory(c.owner, c.path), c.owner+" "+c.path)
	}
}
