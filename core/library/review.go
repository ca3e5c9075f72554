package library

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/core/condition"
	"github.com/headwater-cdp/headwater/core/segment"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/template"
)

// vocabulary tells Lint, Submit and Publish what data there is; nil when the service has
// no source.
func (s *Service) vocabulary(ctx context.Context, ws string) (template.Vocabulary, error) {
	if s.Data == nil {
		return nil, nil
	}
	return s.Data.Vocabulary(ctx, ws)
}

// pins returns the newest versions of the blocks that a content names.
func (s *Service) pins(ctx context.Context, ws string, c *Content) (map[string]Pinned, error) {
	keys := blocksIn(c.sources())
	ids := make([]string, len(keys))
	for i, k := range keys {
		ids[i] = store.Key(ws, k)
	}
	found, err := Blocks.GetMany(ctx, s.Store, ids)
	if err != nil {
		return nil, fail(err)
	}
	out := map[string]Pinned{}
	for _, b := range found {
		if b != nil && !b.Archived {
			out[b.Key()] = Pinned{Version: b.Number, Kind: b.Kind, Source: b.Source}
		}
	}
	return out, nil
}

// examine compiles a content with the newest blocks.
func (s *Service) examine(ctx context.Context, ws, channel string, c *Content) (*compiled, map[string]Pinned, []Problem, error) {
	pinned, err := s.pins(ctx, ws, c)
	if err != nil {
		return nil, nil, nil, err
	}
	voc, err := s.vocabulary(ctx, ws)
	if err != nil {
		return nil, nil, nil, err
	}
	made, problems := compile(channel, c, pinned, voc)
	if made != nil {
		more := made.clashes()
		asked, err := s.asked(ctx, ws, made)
		if err != nil {
			return nil, nil, nil, err
		}
		if more = append(more, asked...); len(more) > 0 {
			made, problems = nil, append(problems, more...)
		}
	}
	return made, pinned, problems, nil
}

// asked tells of conditions of layouts that cannot be asked, or not by the caller.
func (s *Service) asked(ctx context.Context, ws string, made *compiled) ([]Problem, error) {
	if s.Condition == nil {
		return nil, nil
	}
	var out []Problem
	for _, name := range slices.Sorted(maps.Keys(made.show)) {
		tree, err := treeOf(made.show[name])
		if err != nil {
			return nil, err
		}
		err = s.Condition(ctx, ws, tree)
		var many segment.Faults
		switch one := core.AsError(err); {
		case err == nil:
			continue
		case errors.As(err, &many):
		case one.Code == core.Unavailable || one.Code == core.Internal:
			return nil, err
		default:
			many = segment.Faults{one}
		}
		for _, f := range many {
			out = append(out, Problem{made.of[name], "layout", template.Finding{
				Line: 1, Column: 1, Level: template.LevelError, Code: template.CodeUnknownField, Message: strings.Join(append([]string{"condition"}, f.Path...), ".") + ": " + f.Message,
			}})
		}
	}
	return out, nil
}

// treeOf returns a condition as decoded JSON.
func treeOf(n *condition.Node) (any, error) {
	raw, err := condition.MarshalJSON(n)
	if err != nil {
		return nil, err
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var tree any
	return tree, d.Decode(&tree)
}

// Lint returns what is wrong with a template's draft, warnings too.
func (s *Service) Lint(ctx context.Context, ws, id string) ([]Problem, error) {
	if err := access.Allow(ctx, access.Read); err != nil {
		return nil, err
	}
	t, err := s.must(ctx, ws, id)
	if err != nil {
		return nil, err
	}
	_, _, problems, err := s.examine(ctx, ws, t.Channel, &t.Draft)
	return problems, err
}

// LintContent is Lint of a content that is not stored.
func (s *Service) LintContent(ctx context.Context, ws, channel string, c Content) ([]Problem, error) {
	if err := access.Allow(ctx, access.Read); err != nil {
		return nil, err
	}
	if faults := c.check(channel); len(faults) > 0 {
		return nil, segment.Faults(faults)
	}
	_, _, problems, err := s.examine(ctx, ws, channel, &c)
	return problems, err
}

// faults returns the errors among problems, for whoever must not go on.
func faults(problems []Problem) error {
	var out segment.Faults
	for _, p := range problems {
		if p.Level != template.LevelError {
			continue
		}
		where := ""
		if p.Block != "" {
			where = "block " + p.Block + ", "
		}
		out = append(out, invalid("TEMPLATE_LINT", "%sline %d, column %d: %s", where, p.Line, p.Column, p.Message).At("draft", "locales", p.Locale, p.Field))
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

// Submit asks somebody else to agree to the draft as it is. It is refused while the
// draft has errors (INVALID, reason TEMPLATE_LINT, one for each). Submitting again what
// was submitted gives the same request.
func (s *Service) Submit(ctx context.Context, ws, id string, e Edit) (*Template, *access.Approval, error) {
	if err := design(ctx); err != nil {
		return nil, nil, err
	}
	t, err := s.must(ctx, ws, id)
	if err != nil {
		return nil, nil, err
	}
	if err := e.expects(t.Number); err != nil {
		return nil, nil, err
	}
	switch t.Status {
	case Archived:
		return nil, nil, core.Errorf(core.Conflict, "TEMPLATE_ARCHIVED", "an archived template is not reviewed; restore it first").At("id")
	case Published:
		return nil, nil, core.Errorf(core.Conflict, "UNCHANGED", "the draft is what version %d says already; edit it first", t.Newest).At("id")
	}
	made, pinned, problems, err := s.examine(ctx, ws, t.Channel, &t.Draft)
	if err != nil {
		return nil, nil, err
	}
	if made == nil {
		return nil, nil, faults(problems)
	}
	hash := hashOf(t.Channel, &t.Draft, pinned)
	if t.Hash == hash && (t.Status == InReview || t.Status == Approved) {
		a, err := s.Access.Approval(ctx, t.Approval)
		return t, a, err
	}
	a, ops, err := s.Access.ApprovalOps(ctx, id, hash)
	if err != nil {
		return nil, nil, fail(err)
	}
	t.Status, t.Hash, t.Approval = InReview, hash, a.ApprovalID
	t, err = s.change(ctx, ws, "template.submit", t, ops...)
	return t, a, err
}

// decided takes part in the decision on a template: nobody who wrote the draft agrees
// to it, and what was agreed to is what stands there.
func (s *Service) decided(ctx context.Context, a *access.Approval) ([]store.Op, func(), error) {
	ws := store.WorkspaceOf(a.ID)
	t, err := s.must(ctx, ws, a.SubjectID)
	if err != nil {
		return nil, nil, err
	}
	if t.Status != InReview || t.Approval != a.ApprovalID || t.Hash != a.ContentHash {
		return nil, nil, core.Errorf(core.Conflict, "NOT_PENDING", "this request is decided, or void because what it was asked for has changed").At("id")
	}
	t.Status = Draft
	if a.Status == access.ApprovalApproved {
		t.Status = Approved
		family, err := s.Access.Family(ctx, ws)
		if err != nil {
			return nil, nil, fail(err)
		}
		if slices.ContainsFunc(t.Authors, func(author string) bool { return family.Same(author, a.DecidedBy) }) {
			return nil, nil, core.Errorf(core.Forbidden, "OWN_REQUEST", "nobody approves what they wrote themselves, nor does a key that they made or rotated; ask somebody else")
		}
	}
	t.Number++
	return []store.Op{Templates.Replace(t)}, nil, nil
}

// Publish makes a version of what was agreed to. CONFLICT, reason NOT_APPROVED, when
// nobody else agreed to the draft, or when it or a block that it names has changed since.
func (s *Service) Publish(ctx context.Context, ws, id string, e Edit) (*Template, *TemplateVersion, error) {
	if err := design(ctx); err != nil {
		return nil, nil, err
	}
	t, err := s.must(ctx, ws, id)
	if err != nil {
		return nil, nil, err
	}
	if t.Status == Published { // said again
		v, err := s.newest(ctx, t)
		return t, v, err
	}
	if err := e.expects(t.Number); err != nil {
		return nil, nil, err
	}
	made, pinned, problems, err := s.examine(ctx, ws, t.Channel, &t.Draft)
	if err != nil {
		return nil, nil, err
	}
	if made == nil {
		return nil, nil, faults(problems)
	}
	hash := hashOf(t.Channel, &t.Draft, pinned)
	if t.Status != Approved || t.Hash != hash {
		return nil, nil, core.Errorf(core.Conflict, "NOT_APPROVED", "nobody else has agreed to the draft, with its blocks, as it is now; submit it and ask for a review").At("id")
	}
	a, err := s.Access.Approval(ctx, t.Approval)
	if err != nil {
		return nil, nil, fail(err)
	}
	if a == nil || a.Status != access.ApprovalApproved || a.ContentHash != hash {
		return nil, nil, core.Errorf(core.Conflict, "NOT_APPROVED", "what was agreed to is void; submit the draft again").At("id")
	}
	t.Newest++
	v := &TemplateVersion{
		Meta: store.Meta{ID: versionKey(ws, id, t.Newest)}, Template: id, Number: t.Newest, Name: t.Name, Channel: t.Channel, Family: t.Family,
		Content: t.Draft, Pinned: pinned, Hash: hash, PublishedAt: s.now(), PublishedBy: actorID(ctx), Approval: a.ApprovalID, ApprovedBy: a.DecidedBy,
	}
	t.Status = Published
	t.notes(ws, v)
	t, err = s.change(ctx, ws, "template.publish", t, Versions.Insert(v), access.Approvals.Check(a))
	if err != nil {
		return nil, nil, err
	}
	return t, v, nil
}

// Decide agrees to a draft in review, or refuses it: by the hash of what was looked at,
// so that nobody agrees to what they have not seen. See access.DecideApproval.
func (s *Service) Decide(ctx context.Context, ws, id, hash string, approve bool, note string) (*Template, *access.Approval, error) {
	t, err := s.must(ctx, ws, id)
	if err != nil {
		return nil, nil, err
	}
	if t.Approval == "" || t.Hash != hash {
		return nil, nil, core.Errorf(core.Conflict, "NOT_PENDING", "this is not what is in review now; look at the template again").At("contentHash")
	}
	a, err := s.Access.DecideApproval(ctx, t.Approval, approve, note)
	if err != nil {
		return nil, nil, fail(err)
	}
	t, err = s.must(ctx, ws, id)
	return t, a, err
}
