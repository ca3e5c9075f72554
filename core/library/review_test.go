package library_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/library"
	"github.com/headwater-cdp/headwater/core/template"
)

var hello = template.Data{Roots: map[string]any{"profile": map[string]any{"firstName": "<Ana>"}}}

func TestReview(t *testing.T) {
	r := newRig(t)
	tpl := r.create(mail(`Hello {{ profile.firstName | default: "you" }}`, `<p>{{ profile.firstName | default: "you" }}</p>`))
	id := tpl.TemplateID()
	_, err := r.Published(t.Context(), ws, id, 0)
	requireReason(t, err, core.Conflict, "NOT_PUBLISHED")
	_, _, err = r.Publish(r.ana, ws, id, library.Edit{})
	requireReason(t, err, core.Conflict, "NOT_APPROVED")

	_, a, err := r.Submit(r.ana, ws, id, library.Edit{})
	require.NoError(t, err)
	_, again, err := r.Submit(r.ana, ws, id, library.Edit{})
	require.NoError(t, err)
	require.Equal(t, a.ApprovalID, again.ApprovalID, "asked twice")
	_, err = r.access.DecideApproval(r.ana, a.ApprovalID, true, "")
	requireReason(t, err, core.Forbidden, "OWN_REQUEST")
	_, err = r.access.DecideApproval(r.cora, a.ApprovalID, true, "")
	requireReason(t, err, core.Forbidden, "ROLE")
	_, err = r.access.DecideApproval(r.ben, a.ApprovalID, true, "fine")
	require.NoError(t, err)

	// Editing makes void what was agreed to.
	other := mail("Hello", "<p>Hello</p>")
	_, err = r.Update(r.ana, ws, library.Update{ID: id, Content: &other})
	require.NoError(t, err)
	_, _, err = r.Publish(r.ana, ws, id, library.Edit{})
	requireReason(t, err, core.Conflict, "NOT_APPROVED")
	void, err := r.access.Approval(r.ana, a.ApprovalID)
	require.NoError(t, err)
	require.EqualValues(t, "VOID", void.Status)

	// Who wrote it does not agree to it, even when somebody else asks.
	_, a, err = r.Submit(r.ben, ws, id, library.Edit{})
	require.NoError(t, err)
	_, err = r.access.DecideApproval(r.ana, a.ApprovalID, true, "")
	requireReason(t, err, core.Forbidden, "OWN_REQUEST")
	v := r.publish2(id)
	require.EqualValues(t, 1, v.Number)
	require.Equal(t, "key_ben", v.ApprovedBy)
}

// publish2 has ana submit anew what ben submitted.
func (r *rig) publish2(id string) *library.TemplateVersion {
	r.t.Helper()
	c := mail(`Hello {{ profile.firstName | default: "you" }}`, `<p>{{ profile.firstName | default: "you" }}</p>`)
	_, err := r.Update(r.ana, ws, library.Update{ID: id, Content: &c})
	require.NoError(r.t, err)
	return r.publish(id)
}

func TestPublishedIsImmutable(t *testing.T) {
	r := newRig(t)
	_, err := r.CreateBlock(r.ana, ws, library.BlockInput{Key: "footer", Name: "Footer", Kind: "HTML", Source: "<p>old {{ sender.name | default: 'us' }}</p>"})
	require.NoError(t, err)
	tpl := r.create(mail("Hello", `<p>{{ profile.firstName | default: "you" }}</p>{% block "footer" %}`))
	id := tpl.TemplateID()
	first := r.publish(id)
	_, err = r.UpdateBlock(r.ana, ws, library.BlockInput{Key: "footer", Name: "Footer", Source: "<p>new</p>"})
	require.NoError(t, err)
	v, err := r.Published(t.Context(), ws, id, 1)
	require.NoError(t, err)
	out, err := v.Render(t.Context(), "ro-RO", hello)
	require.NoError(t, err)
	require.Equal(t, "<p>&lt;Ana&gt;</p><p>old us</p>", out.HTML)
	require.Equal(t, "<Ana>\n\nold us\n", out.Text)
	require.Equal(t, first.Hash, out.Hash)

	_, err = r.ArchiveBlock(r.ana, ws, "footer", library.Edit{})
	requireReason(t, err, core.Conflict, "IN_USE")
	require.ErrorContains(t, err, "Welcome ("+id+")")

	c := mail("Hello again", `{% block "footer" %}`)
	_, err = r.Update(r.ana, ws, library.Update{ID: id, Content: &c})
	require.NoError(t, err)
	r.publish(id)
	v, err = r.Published(t.Context(), ws, id, 0)
	require.NoError(t, err)
	require.EqualValues(t, 2, v.Number)
	out, err = v.Render(t.Context(), "", hello)
	require.NoError(t, err)
	require.Equal(t, "<p>new</p>", out.HTML)
	v, err = r.Published(t.Context(), ws, id, 1)
	require.NoError(t, err)
	out, err = v.Render(t.Context(), "", hello)
	require.NoError(t, err)
	require.Contains(t, out.HTML, "old us")
}
