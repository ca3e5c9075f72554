package segment

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
)

// needed are conditions with the categories that one must be able to read in clear to ask
// them: the table that the gate is compared with.
var needed = []struct {
	where string
	needs []core.Category
}{
	{`{"trait":{"path":"email","contains":"canary"}}`, []core.Category{core.Contact}},
	{`{"trait":{"path":"plan","eq":"canary-pro"}}`, []core.Category{core.Behaviour}},
	{`{"trait":{"path":"age","gte":30}}`, []core.Category{core.Demographic}},
	{`{"trait":{"path":"address.city","startsWith":"canary"}}`, []core.Category{core.Location}},
	{`{"trait":{"path":"address","exists":true}}`, []core.Category{core.Location}},
	{`{"trait":{"path":"illness","exists":true}}`, []core.Category{core.Special}},
	{`{"not":{"trait":{"path":"illness","exists":false}}}`, []core.Category{core.Special}},
	{`{"trait":{"path":"bio","exists":true}}`, []core.Category{core.FreeText}},
	{`{"trait":{"path":"odd","exists":true}}`, []core.Category{core.Unclassified}},
	{`{"trait":{"path":"nobodyHasThis","exists":true}}`, []core.Category{core.Unclassified}},
	{`{"geo":{"path":"address","lat":1,"lon":1,"radiusKm":5}}`, []core.Category{core.Location}},
	{`{"event":{"name":"Order Completed"}}`, []core.Category{core.Behaviour}},
	{`{"event":{"name":"Order Completed","where":[{"path":"diagnosis","exists":true}]}}`, []core.Category{core.Behaviour, core.Special}},
	{`{"event":{"name":"Order Completed","where":[{"path":"products","any":[{"path":"sku","eq":"canary-sku"}]}]}}`, []core.Category{core.Behaviour, core.Transaction}},
	{`{"firstTime":{"name":"Order Completed","where":[{"path":"total","gt":1}]}}`, []core.Category{core.Behaviour, core.Transaction}},
	{`{"lastEvent":{"name":"Order Completed","where":[{"path":"diagnosis","exists":true}]}}`, []core.Category{core.Behaviour, core.Special}},
	{`{"stopped":{"name":"Order Completed","window":{"last":"P30D"}}}`, []core.Category{core.Behaviour}},
	{`{"sequence":{"steps":[{"name":"Order Completed"},{"name":"Order Completed","where":[{"path":"diagnosis","exists":true}]}]}}`, []core.Category{core.Behaviour, core.Special}},
	{`{"aggregate":{"event":{"name":"Order Completed"},"fn":"SUM","path":"total","value":{"gte":1}}}`, []core.Category{core.Behaviour, core.Transaction}},
	{`{"aggregate":{"event":{"name":"Order Completed"},"fn":"COUNT","path":"diagnosis","value":{"gte":1}}}`, []core.Category{core.Behaviour, core.Special}},
	{`{"consent":{"purpose":"marketing","status":"GRANTED"}}`, []core.Category{core.Consent}},
	{`{"prediction":{"path":"churn","gte":0.8}}`, []core.Category{core.Inferred}},
	{`{"message":{"status":"OPENED"}}`, []core.Category{core.Behaviour}},
	{`{"bucket":{"salt":"a","from":0,"to":10000}}`, nil},
	{`{"and":[{"trait":{"path":"age","exists":true}},{"or":[{"trait":{"path":"email","exists":true}},{"not":{"trait":{"path":"illness","exists":true}}}]}]}`,
		[]core.Category{core.Demographic, core.Contact, core.Special}},
}

// guardedBy returns whether a call must be refused, and compares.
func (o *office) comparesWith(name string, err error, allowed bool, reasons ...string) {
	o.t.Helper()
	if allowed {
		require.NoError(o.t, err, name)
		return
	}
	e := core.AsError(err)
	require.Error(o.t, err, "%s tells what may not be read", name)
	require.Equal(o.t, core.Forbidden, e.Code, "%s: %v", name, err)
	require.Contains(o.t, reasons, e.Reason, name)
	require.NotContains(o.t, err.Error(), canary, name)
}

var forms = map[string]core.Decision{
	"deny":      refused,
	"pseudonym": {Effect: core.Mask, Form: core.Pseudonym, Withheld: core.WithheldRole},
	"partial":   {Effect: core.Mask, Form: core.Partial, Withheld: core.WithheldPurpose},
}

// TestConditionsNeedWhatTheyRead asks every condition of the table by every operation
// that takes one, as an actor who may not read one category in clear.
func TestConditionsNeedWhatTheyRead(t *testing.T) {
	if testing.Short() {
		t.Skip("much of the same, and nothing at once")
	}
	o := guardedOffice(t)
	ids := o.guardedPeople()
	page := core.Window{Limit: 10}
	for i, a := range needed {
		where := o.tree(a.where)
		for _, c := range core.Categories {
			for form, d := range forms {
				if form != "deny" && (c != core.Contact && c != core.Special) || c == core.None {
					continue
				}
				ctx := heard(o.as("operations", map[core.Category]core.Decision{c: d}))
				may := !slices.Contains(a.needs, c)
				name := fmt.Sprintf("%s without %s (%s): ", a.where, c, form)
				_, err := o.People(ctx, o.ws, PeopleInput{Where: where}, page)
				o.comparesWith(name+"people", err, may, "PROTECTED_FIELD")
				if may && c != core.Special && i%4 > 0 {
					continue // the rest of the operations asks the same function
				}
				_, err = o.CountPeople(ctx, o.ws, PeopleInput{Where: where})
				o.comparesWith(name+"count", err, may, "PROTECTED_FIELD")
				_, err = o.Preview(ctx, o.ws, PreviewInput{Where: where})
				o.comparesWith(name+"preview", err, may, "PROTECTED_FIELD")
				_, err = o.ExplainWhere(ctx, o.ws, PreviewInput{Where: where}, ids[0])
				o.comparesWith(name+"explain", err, may, "PROTECTED_FIELD")
				if !may {
					_, err = o.Create(ctx, o.ws, CreateInput{Name: "x", Where: where})
					o.comparesWith(name+"create", err, may, "PROTECTED_FIELD")
				}
			}
		}
	}
}

// TestSegmentsNeedWhatTheyRestOn asks of segments with the conditions of the table, and
// of one that names them, by every operation on a segment.
func TestSegmentsNeedWhatTheyRestOn(t *testing.T) {
	if testing.Short() {
		t.Skip("much of the same, and nothing at once")
	}
	o := guardedOffice(t)
	ids := o.guardedPeople()
	everybody := o.create("everybody", `{"bucket":{"salt":"a","from":0,"to":10000}}`)
	plain := o.tree(`{"bucket":{"salt":"a","from":0,"to":9999}}`)
	for i, a := range needed {
		seg := o.create(fmt.Sprint("direct ", i), a.where)
		above := o.create(fmt.Sprint("above ", i), `{"or":[{"segment":{"id":"`+seg.SegmentID()+`"}},{"bucket":{"salt":"b","from":0,"to":1}}]}`)
		listed, err := o.Snapshot(o.ctx, o.ws, SnapshotInput{SegmentID: above.SegmentID()})
		require.NoError(t, err)
		list := o.settled(listed)
		for _, c := range []core.Category{core.Contact, core.Behaviour, core.Special, core.Consent, core.Location, core.Unclassified} {
			ctx := heard(o.as("operations", map[core.Category]core.Decision{c: refused}))
			may := !slices.Contains(a.needs, c)
			for _, s := range []*Segment{seg, above, list} {
				o.segmentCompares(ctx, s, everybody, plain, ids[0], c, may)
			}
		}
	}
}

func (o *office) segmentCompares(ctx context.Context, seg, everybody *Segment, plain any, person string, c core.Category, may bool) {
	o.t.Helper()
	id, page := seg.SegmentID(), core.Window{Limit: 10}
	members := may && c != core.Behaviour // who is a member is behaviour itself
	name := fmt.Sprintf("%s %s without %s: ", seg.Name, seg.Where, c)
	refusals := []string{"PROTECTED_SEGMENT"}
	if c == core.Behaviour {
		refusals = append(refusals, "PROTECTED_FIELD")
	}
	check := func(what string, err error, allowed bool) { o.comparesWith(name+what, err, allowed, refusals...) }

	words, err := o.Words(ctx, o.ws, seg)
	require.NoError(o.t, err)
	require.Equal(o.t, !may, words == CoverWords([]core.Category{c}), name+words)
	_, err = o.Size(ctx, o.ws, seg)
	check("size", err, may)
	_, err = o.Members(ctx, o.ws, id, page)
	check("members", err, members)
	_, err = o.CountMembers(ctx, o.ws, id)
	check("count members", err, members)
	_, err = o.Changes(ctx, o.ws, id, page)
	check("history", err, members)
	_, err = o.CountChanges(ctx, o.ws, id)
	check("count history", err, members)
	_, err = o.People(ctx, o.ws, PeopleInput{SegmentID: id}, page)
	check("people", err, members)
	_, err = o.CountPeople(ctx, o.ws, PeopleInput{SegmentID: id})
	check("count people", err, members)
	_, err = o.People(ctx, o.ws, PeopleInput{Where: map[string]any{"segment": map[string]any{"id": id}}}, page)
	if seg.Kind != Static {
		check("people by a condition", err, may)
	}
	_, err = o.Preview(ctx, o.ws, PreviewInput{Where: plain, SegmentID: id})
	check("preview", err, members)
	_, err = o.Update(ctx, o.ws, UpdateInput{ID: id, Where: plain, DryRun: true})
	if seg.Kind != Static {
		check("update", err, may)
	}
	_, err = o.Explain(ctx, o.ws, id, person)
	check("explain", err, members)
	_, err = o.Overlap(ctx, o.ws, []string{everybody.SegmentID(), id})
	check("overlap", err, members)
	if !members {
		_, err = o.CreateFrom(ctx, o.ws, CombineInput{Operation: Union, Segments: []string{everybody.SegmentID(), id}, Name: "x"})
		check("combine", err, false)
		_, err = o.Snapshot(ctx, o.ws, SnapshotInput{SegmentID: id})
		check("snapshot", err, false)
	}
	_, err = o.Export(ctx, o.ws, ExportInput{SegmentID: id, Format: NDJSON}, func([]byte) error { return nil })
	check("export", err, members)
	_, err = o.Watch(ctx, o.ws, id)
	check("watch", err, members)
	_, err = o.Heard(ctx, o.ws, id, nil)
	check("hear", err, members)
	stays, err := o.MembershipsOf(ctx, o.ws, person, true)
	require.NoError(o.t, err)
	many, err := o.PresentMemberships(ctx, o.ws, []string{person})
	require.NoError(o.t, err)
	for _, list := range [][]Stay{stays, many[0]} {
		if slices.ContainsFunc(list, func(s Stay) bool { return s.SegmentID == id }) {
			require.True(o.t, members, name+"is listed with a person")
		}
	}
}

func reasonOr(err error, reason string) string {
	if err == nil {
		return reason
	}
	return core.AsError(err).Reason
}

// TestNothingIsShownThatNobodyHears asks with no trail of an audit in the context.
func TestNothingIsShownThatNobodyHears(t *testing.T) {
	o := guardedOffice(t)
	o.guardedPeople()
	seg := o.create("everybody", `{"bucket":{"salt":"a","from":0,"to":10000}}`)
	ctx, page := o.as("operations", nil), core.Window{Limit: 10}
	_, err := o.Members(ctx, o.ws, seg.SegmentID(), page)
	require.Equal(t, "NO_AUDIT_TRAIL", reasonOr(err, ""))
	_, err = o.People(ctx, o.ws, PeopleInput{SegmentID: seg.SegmentID()}, page)
	require.Equal(t, "NO_AUDIT_TRAIL", reasonOr(err, ""))
	_, err = o.Export(ctx, o.ws, ExportInput{SegmentID: seg.SegmentID(), Format: NDJSON}, func([]byte) error { return nil })
	require.Equal(t, "NO_AUDIT_TRAIL", reasonOr(err, ""))
}

// TestFaultsTellNothingOfWhatIsHidden gives conditions with mistakes beside what may not
// be read: what is said must not depend on what is known of it.
func TestFaultsTellNothingOfWhatIsHidden(t *testing.T) {
	o := guardedOffice(t)
	o.guardedPeople()
	ctx := o.as("operations", map[core.Category]core.Decision{core.Special: refused, core.Behaviour: refused, core.Unclassified: refused})
	say := func(where string) string {
		_, err := o.Preview(ctx, o.ws, PreviewInput{Where: o.tree(where)})
		require.Error(t, err)
		var faults Faults
		if errors.As(err, &faults) {
			var out []string
			for _, f := range faults {
				out = append(out, f.Reason+" "+f.Message)
			}
			return strings.Join(out, "\n")
		}
		return err.Error()
	}
	broken := func(path string) string {
		return `{"and":[{"trait":{"path":"` + path + `","gt":5,"before":"2026-01-01T00:00:00Z"}},{"unheardOf":{}}]}`
	}
	require.Equal(t, say(broken("illness")), say(broken("unknown")))
	event := func(name string) string {
		return `{"and":[{"event":{"name":"` + name + `","where":[{"path":"diagnosis","gt":5}]}},{"unheardOf":{}}]}`
	}
	require.Equal(t, say(event("Order Completed")), say(event("Order Complete")), "no suggestion of what happened")
}

// TestExportsHoldWhatMayBeReadInClear exports with one category masked.
func TestExportsHoldWhatMayBeReadInClear(t *testing.T) {
	o := guardedOffice(t)
	ids := o.guardedPeople()
	seg := o.create("x", `{"bucket":{"salt":"a","from":0,"to":10000}}`)
	ctx := heard(o.as("operations", map[core.Category]core.Decision{core.Contact: forms["partial"], core.Special: refused}))
	export := func(fields ...string) (string, error) {
		var out bytes.Buffer
		_, err := o.Export(ctx, o.ws, ExportInput{SegmentID: seg.SegmentID(), Format: NDJSON, Fields: fields}, func(b []byte) error { out.Write(b); return nil })
		return out.String(), err
	}
	for _, field := range []string{"traits.email", "identifiers.email", "traits.illness"} {
		text, err := export("profileId", field)
		require.Empty(t, text)
		require.Equal(t, "PROTECTED_FIELD", reasonOr(err, ""), field)
	}
	text, err := export("profileId", "identifiers", "traits", "traits.plan", "identifiers.user_id")
	require.NoError(t, err)
	require.Equal(t, len(ids), strings.Count(text, "\n"))
	require.Contains(t, text, "canary-pro")
	require.NotContains(t, text, "example.com")
	require.NotContains(t, text, "flu")
	require.NotContains(t, text, "•")
}
