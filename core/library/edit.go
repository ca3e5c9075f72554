package library

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/core/segment"
	"github.com/headwater-cdp/headwater/core/store"
)

// Input describes a new template.
type Input struct {
	Name        string
	Description string
	Channel     string
	Family      string // OTHER when empty
	Tags        []string
	Content     Content
	Edit
}

// Update changes a template; nil leaves things as they are.
type Update struct {
	ID          string
	Name        *string
	Description *string
	Family      *string
	Tags        *[]string
	Content     *Content // replaces the draft, in all languages
	Edit
}

// design refuses who may not make templates.
func design(ctx context.Context) error { return access.Allow(ctx, access.Design) }

// Create makes a template; its draft need not be free of problems yet. The same
// idempotency key with the same input gives the same template.
func (s *Service) Create(ctx context.Context, ws string, in Input) (*Template, error) {
	if err := design(ctx); err != nil {
		return nil, err
	}
	if in.Family == "" {
		in.Family = "OTHER"
	}
	now := s.now()
	t := &Template{
		Number: 1, Name: strings.TrimSpace(in.Name), Description: in.Description, Channel: in.Channel, Family: in.Family, Tags: tidyTags(in.Tags),
		Status: Draft, Draft: in.Content, Authors: []string{actorID(ctx)}, Sum: sumOf(in),
		CreatedAt: now, CreatedBy: actorID(ctx), UpdatedAt: now, UpdatedBy: actorID(ctx),
	}
	id := core.NewID(core.PrefixTemplate, now)
	if in.IdempotencyKey != "" {
		id = core.HashID(core.PrefixTemplate, ws, "create", in.IdempotencyKey)
		if old, err := s.made(ctx, ws, id, t.Sum); old != nil || err != nil {
			return old, err
		}
	}
	t.ID = store.Key(ws, id)
	if err := t.check(); err != nil {
		return nil, err
	}
	n, err := Templates.Count(ctx, s.Store, store.Query{Workspace: ws})
	if err == nil && n >= MaxTemplates {
		return nil, invalid("TOO_MANY", "a workspace has at most %d templates; delete those that nobody uses", MaxTemplates)
	}
	if err != nil {
		return nil, fail(err)
	}
	t.notes(ws, nil)
	err = s.commit(ctx, ws, "template.create", id, nil, Templates.Insert(t))
	if in.IdempotencyKey != "" && errors.Is(err, store.ErrConflict) {
		return s.made(ctx, ws, id, t.Sum)
	}
	if err != nil {
		return nil, fail(err)
	}
	t.V = 1
	return t, nil
}

// made returns what an idempotency key made before, or nil.
func (s *Service) made(ctx context.Context, ws, id, sum string) (*Template, error) {
	old, err := Templates.Get(ctx, s.Store, store.Key(ws, id))
	if err != nil || old == nil {
		return nil, fail(err)
	}
	if old.Sum != sum {
		return nil, core.Errorf(core.Conflict, "IDEMPOTENCY_KEY_REUSED", "the idempotency key was used for another template; use a new one").At("idempotencyKey")
	}
	return old, nil
}

func sumOf(in Input) string {
	in.Edit = Edit{}
	raw, _ := json.Marshal(in)
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:16])
}

// check tells everything that is wrong with the form of a template.
func (t *Template) check() error {
	var faults segment.Faults
	if t.Name == "" || len(t.Name) > 200 || !utf8.ValidString(t.Name) {
		faults = append(faults, invalid("NAME", "a name has 1 to 200 bytes").At("name"))
	}
	if len(t.Description) > 2000 {
		faults = append(faults, invalid("DESCRIPTION", "a description has at most 2000 bytes").At("description"))
	}
	if !slices.Contains(Families, t.Family) {
		faults = append(faults, invalid("FAMILY", "a family is one of %s", strings.Join(Families, ", ")).At("family"))
	}
	faults = append(faults, checkTags(t.Tags)...)
	if !slices.Contains(Channels, t.Channel) {
		faults = append(faults, invalid("CHANNEL", "a channel is one of %s", strings.Join(Channels, ", ")).At("channel"))
	} else {
		faults = append(faults, t.Draft.check(t.Channel)...)
	}
	if len(faults) > 0 {
		return faults
	}
	return nil
}

func checkTags(tags []string) (faults []*core.Error) {
	for _, tag := range tags {
		if len(tag) > 50 {
			faults = append(faults, invalid("TAG", "a tag has at most 50 bytes").At("tags"))
		}
	}
	if len(tags) > MaxTags {
		faults = append(faults, invalid("TAG", "there are at most %d tags", MaxTags).At("tags"))
	}
	return faults
}

// tidyTags trims tags, and says each once, in order.
func tidyTags(tags []string) []string {
	var out []string
	for _, t := range tags {
		if t = strings.TrimSpace(t); t != "" {
			out = append(out, t)
		}
	}
	return sorted(out)
}

var (
	blockUse   = regexp.MustCompile(`\{%-?\s*block\s+\\?["']([a-z0-9][a-z0-9_-]{0,63})\\?["']|"shared"\s*:\s*\{\s*"key"\s*:\s*"([a-z0-9][a-z0-9_-]{0,63})"`)
	segmentUse = regexp.MustCompile(`seg_[0-9A-Z]{26}`)
	assetUse   = regexp.MustCompile(`/assets/(ws_[0-9A-Z]{10})/([0-9a-f]{64})`)
)

// sources returns everything that a content says, in one text.
func (c *Content) sources() string {
	var b strings.Builder
	for _, locale := range slices.Sorted(maps.Keys(c.Locales)) {
		t := c.Locales[locale]
		for _, f := range allFields {
			b.WriteString(*t.field(f))
			b.WriteByte('\n')
		}
	}
	return b.String()
}

func blocksIn(source string) []string {
	var out []string
	for _, m := range blockUse.FindAllStringSubmatch(source, -1) {
		out = append(out, m[1]+m[2])
	}
	return sorted(out)
}

func assetsIn(ws, source string) []string {
	var out []string
	for _, m := range assetUse.FindAllStringSubmatch(source, -1) {
		if m[1] == ws {
			out = append(out, m[2])
		}
	}
	return sorted(out)
}

// notes writes down what the draft and the newest version name.
func (t *Template) notes(ws string, newest *TemplateVersion) {
	source := t.Draft.sources()
	if newest != nil {
		source += newest.Content.sources()
		for _, p := range newest.Pinned {
			source += "\n" + p.Source
		}
	}
	t.Blocks, t.Assets, t.Segments = blocksIn(source), assetsIn(ws, source), sorted(segmentUse.FindAllString(source, -1))
}

// must returns a template, or NOT_FOUND.
func (s *Service) must(ctx context.Context, ws, id string) (*Template, error) {
	if core.IDPrefix(id) != core.PrefixTemplate {
		return nil, errTemplate()
	}
	t, err := Templates.Get(ctx, s.Store, store.Key(ws, id))
	if err == nil && t == nil {
		err = errTemplate()
	}
	return t, fail(err)
}

// newest returns the newest version of a template, or nil.
func (s *Service) newest(ctx context.Context, t *Template) (*TemplateVersion, error) {
	if t.Newest == 0 {
		return nil, nil
	}
	v, err := Versions.Get(ctx, s.Store, versionKey(store.WorkspaceOf(t.ID), t.TemplateID(), t.Newest))
	return v, fail(err)
}

// Update changes a template. Another draft makes void what was asked for and agreed to.
func (s *Service) Update(ctx context.Context, ws string, in Update) (*Template, error) {
	if err := design(ctx); err != nil {
		return nil, err
	}
	t, err := s.must(ctx, ws, in.ID)
	if err != nil {
		return nil, err
	}
	if err := in.expects(t.Number); err != nil {
		return nil, err
	}
	if t.Status == Archived {
		return nil, core.Errorf(core.Conflict, "TEMPLATE_ARCHIVED", "an archived template is not edited; restore it first").At("id")
	}
	set(&t.Name, in.Name)
	t.Name = strings.TrimSpace(t.Name)
	set(&t.Description, in.Description)
	set(&t.Family, in.Family)
	if in.Tags != nil {
		t.Tags = tidyTags(*in.Tags)
	}
	var ops []store.Op
	if in.Content != nil {
		t.Draft = *in.Content
		if t.Status == Published {
			t.Authors = nil
		}
		t.Authors = sorted(append(t.Authors, actorID(ctx)))
		t.Status, t.Approval, t.Hash = Draft, "", ""
		newest, err := s.newest(ctx, t)
		if err != nil {
			return nil, err
		}
		t.notes(ws, newest)
		if ops, err = s.Access.VoidOps(ctx, ws, in.ID); err != nil {
			return nil, fail(err)
		}
	}
	if err := t.check(); err != nil {
		return nil, err
	}
	return s.change(ctx, ws, "template.update", t, ops...)
}

// change stores a changed template.
func (s *Service) change(ctx context.Context, ws, action string, t *Template, ops ...store.Op) (*Template, error) {
	t.Number++
	t.UpdatedAt, t.UpdatedBy = s.now(), actorID(ctx)
	if err := s.commit(ctx, ws, action, t.TemplateID(), nil, append(ops, Templates.Replace(t))...); err != nil {
		return nil, fail(err)
	}
	t.V++
	return t, nil
}

func set(to *string, from *string) {
	if from != nil {
		*to = *from
	}
}

// Archive takes a template out of use; whoever uses it still is told in an error
// (CONFLICT, reason IN_USE). Its versions stay for those who pinned them.
func (s *Service) Archive(ctx context.Context, ws, id string, e Edit) (*Template, error) {
	if err := design(ctx); err != nil {
		return nil, err
	}
	t, err := s.must(ctx, ws, id)
	if err != nil {
		return nil, err
	}
	if t.Status == Archived {
		return t, nil
	}
	if err := e.expects(t.Number); err != nil {
		return nil, err
	}
	if err := s.unused(ctx, ws, KindTemplate, id); err != nil {
		return nil, err
	}
	ops, err := s.Access.VoidOps(ctx, ws, id)
	if err != nil {
		return nil, fail(err)
	}
	t.Status, t.Approval, t.Hash = Archived, "", ""
	return s.change(ctx, ws, "template.archive", t, ops...)
}

// Restore takes an archived template back into use, as a draft.
func (s *Service) Restore(ctx context.Context, ws, id string, e Edit) (*Template, error) {
	if err := design(ctx); err != nil {
		return nil, err
	}
	t, err := s.must(ctx, ws, id)
	if err != nil || t.Status != Archived {
		return t, err
	}
	if err := e.expects(t.Number); err != nil {
		return nil, err
	}
	t.Status = Draft
	return s.change(ctx, ws, "template.restore", t)
}
