package library_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/library"
	"github.com/headwater-cdp/headwater/core/segment"
	"github.com/headwater-cdp/headwater/core/template"
	"github.com/headwater-cdp/headwater/core/work"
)

func TestLocales(t *testing.T) {
	r := newRig(t)
	tpl, err := r.Create(r.ana, ws, library.Input{Name: "Hi", Channel: library.SMS, Content: library.Content{
		Default: "en", Skips: true, Locales: map[string]library.Text{"en": {Text: "Hello {{ profile.firstName }}"}, "ro": {Text: "Salut"}, "ro-MD": {Text: "Noroc"}},
	}})
	require.NoError(t, err)
	r.publish(tpl.TemplateID())
	v, err := r.Published(t.Context(), ws, tpl.TemplateID(), 0)
	require.NoError(t, err)
	for locale, want := range map[string]string{"ro-RO": "Salut", "ro_ro": "Salut", "ro": "Salut", "RO-md": "Noroc", "ro-MD": "Noroc", "de-AT": "Hello <Ana>", "": "Hello <Ana>"} {
		out, err := v.Render(t.Context(), locale, hello)
		require.NoError(t, err)
		require.Nil(t, out.Skip)
		require.Equal(t, want, out.Text, locale)
	}
	out, err := v.Render(t.Context(), "de", template.Data{})
	require.NoError(t, err)
	require.Equal(t, &library.Skip{Missing: []string{"profile.firstName"}}, out.Skip)
	require.Empty(t, out.Text)
	require.Equal(t, v.Hash, out.Hash)
	same, err := r.Published(t.Context(), ws, tpl.TemplateID(), 1)
	require.NoError(t, err)
	require.Same(t, v, same, "compiled once")
	_, err = r.Published(t.Context(), ws, tpl.TemplateID(), 9)
	requireReason(t, err, core.NotFound, "TEMPLATE_VERSION")
	_, err = r.Published(t.Context(), "ws_OTHER00001", tpl.TemplateID(), 1)
	requireReason(t, err, core.NotFound, "TEMPLATE_VERSION")
}

func TestInUse(t *testing.T) {
	r := newRig(t)
	tpl := r.create(mail("Hello", "<p>x</p>"))
	id := tpl.TemplateID()
	uses := []library.User{{ID: "jrn_1", Name: "Cart"}}
	r.Register(func(_ context.Context, _, kind, name string) ([]library.User, error) {
		if kind == library.KindTemplate && name == id {
			return uses, nil
		}
		return nil, nil
	})
	_, err := r.Archive(r.ana, ws, id, library.Edit{})
	requireReason(t, err, core.Conflict, "IN_USE")
	require.ErrorContains(t, err, "Cart (jrn_1)")
	uses = nil
	gone, err := r.Archive(r.ana, ws, id, library.Edit{})
	require.NoError(t, err)
	require.Equal(t, library.Archived, gone.Status)
	_, err = r.Published(t.Context(), ws, id, 0)
	requireReason(t, err, core.Conflict, "TEMPLATE_ARCHIVED")
	back, err := r.Restore(r.ana, ws, id, library.Edit{})
	require.NoError(t, err)
	require.Equal(t, library.Draft, back.Status)
}

func TestPermissionsAndConflicts(t *testing.T) {
	r := newRig(t)
	in := library.Input{Name: "Hi", Channel: library.SMS, Content: library.Content{Default: "en", Locales: map[string]library.Text{"en": {Text: "x"}}}, Edit: library.Edit{IdempotencyKey: "k"}}
	_, err := r.Create(r.cora, ws, in)
	requireReason(t, err, core.Forbidden, "ROLE")
	one, err := r.Create(r.ana, ws, in)
	require.NoError(t, err)
	two, err := r.Create(r.ana, ws, in)
	require.NoError(t, err)
	require.Equal(t, one.ID, two.ID)
	in.Name = "Other"
	_, err = r.Create(r.ana, ws, in)
	requireReason(t, err, core.Conflict, "IDEMPOTENCY_KEY_REUSED")
	stale, name := int64(7), "New"
	_, err = r.Update(r.ana, ws, library.Update{ID: one.TemplateID(), Name: &name, Edit: library.Edit{ExpectedVersion: &stale}})
	requireReason(t, err, core.Conflict, "VERSION")
	_, err = r.Update(r.cora, ws, library.Update{ID: one.TemplateID(), Name: &name})
	requireReason(t, err, core.Forbidden, "ROLE")
	_, _, err = r.Submit(r.cora, ws, one.TemplateID(), library.Edit{})
	requireReason(t, err, core.Forbidden, "ROLE")

	// A block that changes after the approval makes it void.
	_, err = r.CreateBlock(r.ana, ws, library.BlockInput{Key: "b", Name: "B", Kind: "TEXT", Source: "old"})
	require.NoError(t, err)
	c := library.Content{Default: "en", Locales: map[string]library.Text{"en": {Text: `{% block "b" %}`}}}
	_, err = r.Update(r.ana, ws, library.Update{ID: one.TemplateID(), Content: &c})
	require.NoError(t, err)
	_, a, err := r.Submit(r.ana, ws, one.TemplateID(), library.Edit{})
	require.NoError(t, err)
	_, err = r.access.DecideApproval(r.ben, a.ApprovalID, true, "")
	require.NoError(t, err)
	_, err = r.UpdateBlock(r.ana, ws, library.BlockInput{Key: "b", Name: "B", Source: "new"})
	require.NoError(t, err)
	_, _, err = r.Publish(r.ana, ws, one.TemplateID(), library.Edit{})
	requireReason(t, err, core.Conflict, "NOT_APPROVED")
	v := r.publish(one.TemplateID())
	require.EqualValues(t, 2, v.Pinned["b"].Version)

	// A refusal makes it a draft again.
	c.Skips = true
	_, err = r.Update(r.ana, ws, library.Update{ID: one.TemplateID(), Content: &c})
	require.NoError(t, err)
	_, a, err = r.Submit(r.ana, ws, one.TemplateID(), library.Edit{})
	require.NoError(t, err)
	tpl, _, err := r.Decide(r.ben, ws, one.TemplateID(), a.ContentHash, false, "no")
	require.NoError(t, err)
	require.Equal(t, library.Draft, tpl.Status)
}

func TestScore(t *testing.T) {
	r := newRig(t)
	id := r.create(mail("Hello", "<p>x</p>")).TemplateID()
	for lane := range 3 {
		ops := library.OutcomeOps(ws, lane, []library.Outcome{{Template: id, Version: 1, Sent: 10, Reached: 2}, {Template: id, Version: 2, Sent: 20, Reached: 1}})
		require.NoError(t, work.Commit(t.Context(), r.store, ops...))
	}
	s, err := r.ScoreOf(r.cora, ws, id, 0)
	require.NoError(t, err)
	require.EqualValues(t, 90, s.Sent)
	require.EqualValues(t, 9, s.Reached)
	// Beta(9.5, 81.5): mean 9.5/91; quantiles as R's qbeta gives them.
	require.InDelta(t, 0.104396, s.Mean, 1e-6)
	require.InDelta(t, 0.0507, s.Low, 5e-4)
	require.InDelta(t, 0.1747, s.High, 5e-4)
	s, err = r.ScoreOf(r.cora, ws, id, 2)
	require.NoError(t, err)
	require.EqualValues(t, 60, s.Sent)
	none := library.Posterior(0, 0)
	require.InDelta(t, 0.5, none.Mean, 1e-9)
	require.Less(t, none.Low, 0.002)
	all := library.Posterior(5, 9)
	require.LessOrEqual(t, all.High, 1.0)
	require.Greater(t, all.Low, 0.5)
}

func TestLayoutTemplate(t *testing.T) {
	r := newRig(t)
	doc := `{"blocks": [{"heading": {"text": "Hi {{ profile.firstName }}"}}, {"text": {"text": "gold"}, "where": {"trait": {"path": "tier", "eq": "gold"}}}, {"footer": {"address": "Cluj"}}]}`
	tpl := r.create(library.Content{Default: "en", Skips: true, Locales: map[string]library.Text{"en": {Subject: "Hi", Layout: doc, Preheader: "Look <here>"}}})
	r.publish(tpl.TemplateID())
	v, err := r.Published(t.Context(), ws, tpl.TemplateID(), 0)
	require.NoError(t, err)
	require.Len(t, v.Conditions(), 1)
	require.NotNil(t, v.Conditions()["en_b1"])
	data := template.Data{Roots: map[string]any{"profile": map[string]any{"firstName": "Ana"}, "show": map[string]any{"en_b1": true}}}
	out, err := v.Render(t.Context(), "", data)
	require.NoError(t, err)
	require.Contains(t, out.HTML, ">gold</p>")
	require.Contains(t, out.HTML, `mso-hide:all">Look &lt;here&gt;</div>`)
	require.Equal(t, "Hi Ana\n\ngold\n\nCluj\n\nUnsubscribe Preferences\n", out.Text)
	data.Roots["show"] = map[string]any{}
	out, err = v.Render(t.Context(), "", data)
	require.NoError(t, err)
	require.NotContains(t, out.HTML, "gold")

	bad := r.create(library.Content{Default: "en", Locales: map[string]library.Text{"en": {Subject: "Hi", Layout: `{"blocks": [{"image": {"src": "x"}}]}`}}})
	_, _, err = r.Submit(r.ana, ws, bad.TemplateID(), library.Edit{})
	requireReason(t, err, core.Invalid, "TEMPLATE_LINT")
	require.ErrorContains(t, err, "blocks[0].image.alt")
}

// What cannot be asked is said when the template is looked at, and a segment that a
// template asks for knows of it.
func TestConditions(t *testing.T) {
	r := newRig(t)
	r.Condition = func(_ context.Context, _ string, where any) error {
		if where.(map[string]any)["segment"] == nil {
			return segment.Faults{core.Errorf(core.Invalid, "UNKNOWN", "no such thing").At("where", "trait")}
		}
		return nil
	}
	layout := func(where string) library.Content {
		return library.Content{Default: "en", Locales: map[string]library.Text{"en": {Subject: "Hi", Layout: `{"blocks": [{"text": {"text": "x"}, "where": ` + where + `}]}`}}}
	}
	const id = "seg_01JD2Q3V8Z7F4M5N6P7Q8R9S0T"
	tpl := r.create(layout(`{"segment": {"id": "` + id + `"}}`))
	_, _, err := r.Submit(r.ana, ws, tpl.TemplateID(), library.Edit{})
	require.NoError(t, err)
	users, err := r.SegmentUsers(t.Context(), ws, id)
	require.NoError(t, err)
	require.Equal(t, []segment.User{{ID: tpl.TemplateID(), Kind: "template", Name: "Welcome"}}, users)
	c := layout(`{"trait": {"path": "tier", "eq": "gold"}}`)
	_, err = r.Update(r.ana, ws, library.Update{ID: tpl.TemplateID(), Content: &c})
	require.NoError(t, err)
	_, _, err = r.Submit(r.ana, ws, tpl.TemplateID(), library.Edit{})
	requireReason(t, err, core.Invalid, "TEMPLATE_LINT")
	require.ErrorContains(t, err, "condition.where.trait: no such thing")
	users, err = r.SegmentUsers(t.Context(), ws, id)
	require.NoError(t, err)
	require.Empty(t, users)
}
