package resolver

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/core/library"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/graph/gen"
	"github.com/headwater-cdp/headwater/graph/scalar"
	"github.com/headwater-cdp/headwater/graph/view"
)

type (
	templateFields        struct{ *Resolver }
	templateVersionFields struct{ *Resolver }
	templateBlockFields   struct{ *Resolver }
	assetFields           struct{ *Resolver }
)

// Template implements gen.ResolverRoot.
func (r *Resolver) Template() gen.TemplateResolver { return templateFields{r} }

// TemplateVersion implements gen.ResolverRoot.
func (r *Resolver) TemplateVersion() gen.TemplateVersionResolver { return templateVersionFields{r} }

// TemplateBlock implements gen.ResolverRoot.
func (r *Resolver) TemplateBlock() gen.TemplateBlockResolver { return templateBlockFields{r} }

// Asset implements gen.ResolverRoot.
func (r *Resolver) Asset() gen.AssetResolver { return assetFields{r} }

// counted makes a connection of a page whose number was counted with it.
func counted[T any](page store.Page[T], n int64) *view.Connection[T] {
	return view.NewConnection(page, func(context.Context) (int64, error) { return n, nil })
}

// Template answers Query.template.
func (r query) Template(ctx context.Context, id string) (*library.Template, error) {
	return r.Library.Template(ctx, workspace(ctx), id)
}

// Templates answers Query.templates.
func (r query) Templates(ctx context.Context, where *gen.TemplateFilter, first *int, after *string, last *int, before *string) (*view.TemplateConnection, error) {
	w, err := window(first, after, last, before)
	if err != nil {
		return nil, err
	}
	var f library.Filter
	if where != nil {
		f = library.Filter{Family: string(value(where.Family)), Channel: string(value(where.Channel)), Status: value(where.Status), Tag: value(where.Tag)}
	}
	page, n, err := r.Library.List(ctx, workspace(ctx), f, w)
	if err != nil {
		return nil, err
	}
	return counted(page, n), nil
}

// Description answers Template.description.
func (r templateFields) Description(_ context.Context, t *library.Template) (*string, error) {
	return text(t.Description), nil
}

// Channel answers Template.channel.
func (r templateFields) Channel(_ context.Context, t *library.Template) (gen.Channel, error) {
	return gen.Channel(t.Channel), nil
}

// Family answers Template.family.
func (r templateFields) Family(_ context.Context, t *library.Template) (gen.TemplateFamily, error) {
	return gen.TemplateFamily(t.Family), nil
}

// Tags answers Template.tags.
func (r templateFields) Tags(_ context.Context, t *library.Template) ([]string, error) {
	return some(t.Tags), nil
}

// Draft answers Template.draft.
func (r templateFields) Draft(_ context.Context, t *library.Template) (*gen.TemplateContent, error) {
	return contentOf(&t.Draft), nil
}

// Problems answers Template.problems.
func (r templateFields) Problems(ctx context.Context, t *library.Template) ([]*gen.TemplateProblem, error) {
	found, err := r.Library.Lint(ctx, workspace(ctx), t.TemplateID())
	return problemsOf(found), err
}

// Published answers Template.published.
func (r templateFields) Published(ctx context.Context, t *library.Template) (*library.TemplateVersion, error) {
	page, err := r.Library.VersionsOf(ctx, workspace(ctx), t.TemplateID(), core.Window{Limit: 1})
	if err != nil || len(page.Items) == 0 {
		return nil, err
	}
	return page.Items[0], nil
}

// Versions answers Template.versions.
func (r templateFields) Versions(ctx context.Context, t *library.Template, first *int, after *string, last *int, before *string) (*view.TemplateVersionConnection, error) {
	w, err := window(first, after, last, before)
	if err != nil {
		return nil, err
	}
	page, err := r.Library.VersionsOf(ctx, workspace(ctx), t.TemplateID(), w)
	if err != nil {
		return nil, err
	}
	return counted(page, t.Newest), nil
}

// Approval answers Template.approval.
func (r templateFields) Approval(ctx context.Context, t *library.Template) (*access.Approval, error) {
	if t.Approval == "" {
		return nil, nil
	}
	return r.Access.Approval(ctx, t.Approval)
}

// UsedBy answers Template.usedBy.
func (r templateFields) UsedBy(ctx context.Context, t *library.Template) ([]*library.User, error) {
	users, err := r.Library.UsedBy(ctx, workspace(ctx), library.KindTemplate, t.TemplateID())
	return pointers(users), err
}

// Score answers Template.score.
func (r templateFields) Score(ctx context.Context, t *library.Template, version *int) (*gen.TemplateScore, error) {
	s, err := r.Library.ScoreOf(ctx, workspace(ctx), t.TemplateID(), int64(value(version)))
	if err != nil {
		return nil, err
	}
	rate := func(f float64) scalar.Decimal { return scalar.Decimal(strconv.FormatFloat(f, 'f', 6, 64)) }
	return &gen.TemplateScore{Sent: int(s.Sent), Reached: int(s.Reached), Mean: rate(s.Mean), Low: rate(s.Low), High: rate(s.High)}, nil
}

// Content answers TemplateVersion.content.
func (r templateVersionFields) Content(_ context.Context, v *library.TemplateVersion) (*gen.TemplateContent, error) {
	return contentOf(&v.Content), nil
}

// Blocks answers TemplateVersion.blocks.
func (r templateVersionFields) Blocks(_ context.Context, v *library.TemplateVersion) ([]*gen.PinnedBlock, error) {
	out := []*gen.PinnedBlock{}
	for _, key := range slices.Sorted(maps.Keys(v.Pinned)) {
		out = append(out, &gen.PinnedBlock{Key: key, Version: int(v.Pinned[key].Version)})
	}
	return out, nil
}

func contentOf(c *library.Content) *gen.TemplateContent {
	out := &gen.TemplateContent{DefaultLocale: c.Default, OnMissing: gen.OnMissingFallback, Locales: []*gen.TemplateText{}}
	if c.Skips {
		out.OnMissing = gen.OnMissingSkipSend
	}
	for _, locale := range slices.Sorted(maps.Keys(c.Locales)) {
		t := c.Locales[locale]
		out.Locales = append(out.Locales, &gen.TemplateText{
			Locale: locale, Subject: text(t.Subject), Preheader: text(t.Preheader), FromName: text(t.FromName), HTML: text(t.HTML),
			Layout: scalar.JSON(t.Layout), Text: text(t.Text), Title: text(t.Title), URL: text(t.URL),
		})
	}
	return out
}

// contentFrom reads a content; a language said twice is a fault.
func contentFrom(in *gen.TemplateContentInput) (library.Content, error) {
	c := library.Content{Default: in.DefaultLocale, Skips: in.OnMissing == gen.OnMissingSkipSend, Locales: map[string]library.Text{}}
	for i, t := range in.Locales {
		if _, twice := c.Locales[t.Locale]; twice {
			return c, core.Errorf(core.Invalid, "LOCALE", "each language is said once").At("content", "locales", strconv.Itoa(i), "locale")
		}
		one := library.Text{
			Subject: value(t.Subject), Preheader: value(t.Preheader), FromName: value(t.FromName), HTML: value(t.HTML),
			Text: value(t.Text), Title: value(t.Title), URL: value(t.URL),
		}
		if !t.Layout.IsNull() {
			one.Layout = string(t.Layout)
		}
		c.Locales[t.Locale] = one
	}
	return c, nil
}

func problemsOf(found []library.Problem) []*gen.TemplateProblem {
	out := make([]*gen.TemplateProblem, len(found))
	for i, p := range found {
		out[i] = &gen.TemplateProblem{
			Locale: p.Locale, Field: p.Field, Block: text(p.Block), Line: p.Line, Column: p.Column,
			Level: gen.ProblemLevel(p.Level), Code: p.Code, Message: p.Message,
		}
	}
	return out
}

// LintTemplate answers Query.lintTemplate.
func (r query) LintTemplate(ctx context.Context, channel gen.Channel, content gen.TemplateContentInput) ([]*gen.TemplateProblem, error) {
	c, err := contentFrom(&content)
	if err != nil {
		return nil, err
	}
	found, err := r.Library.LintContent(ctx, workspace(ctx), string(channel), c)
	if err != nil {
		return nil, each(ctx, err)
	}
	return problemsOf(found), nil
}

// PreviewTemplate answers Query.previewTemplate.
func (r query) PreviewTemplate(ctx context.Context, in gen.PreviewTemplateInput) (*gen.TemplatePreviews, error) {
	p := library.PreviewInput{
		Template: in.ID, Version: int64(value(in.Version)), Locale: value(in.Locale), Profiles: in.ProfileIds, Random: value(in.Random), Nobody: in.Nobody,
	}
	if in.Content != nil {
		c, err := contentFrom(in.Content)
		if err != nil {
			return nil, err
		}
		p.Content = &c
	}
	if !in.Data.IsNull() {
		var ok bool
		if p.Data, ok = decoded(in.Data).(map[string]any); !ok {
			return nil, core.Errorf(core.Invalid, "DATA", "data is an object: event, coupon, sender and the like").At("input", "data")
		}
	}
	viewer := library.Previewer{Library: r.Library, Profiles: r.Resolver.Profiles, Segments: r.Resolver.Segments}
	if r.Outbox != nil {
		viewer.Predictions = r.Outbox.Predictions
	}
	made, found, err := viewer.Preview(ctx, workspace(ctx), p)
	if err != nil {
		return nil, each(ctx, err)
	}
	out := &gen.TemplatePreviews{Problems: problemsOf(found), Previews: make([]*gen.TemplatePreview, len(made))}
	for i := range made {
		out.Previews[i] = previewOf(&made[i])
	}
	return out, nil
}

func previewOf(p *library.Preview) *gen.TemplatePreview {
	out := &gen.TemplatePreview{ProfileID: text(p.ProfileID), Locale: text(p.Rendered.Locale), Missing: []string{}, Error: p.Err, Withheld: pointers(p.Withheld)}
	switch {
	case p.Err != nil:
	case p.Rendered.Skip != nil:
		out.Missing = p.Rendered.Skip.Missing
	default:
		d := &p.Rendered
		out.Content = &gen.RenderedTemplate{
			Subject: text(d.Subject), FromName: text(d.FromName), HTML: text(d.HTML), Text: text(d.Text), Title: text(d.Title), URL: text(d.URL),
		}
	}
	return out
}

// Asset answers Query.asset.
func (r query) Asset(ctx context.Context, id string) (*library.Asset, error) {
	return r.Library.Asset(ctx, workspace(ctx), id)
}

// Assets answers Query.assets.
func (r query) Assets(ctx context.Context, tag *string, first *int, after *string, last *int, before *string) (*view.AssetConnection, error) {
	w, err := window(first, after, last, before)
	if err != nil {
		return nil, err
	}
	page, n, err := r.Library.ListAssets(ctx, workspace(ctx), value(tag), w)
	if err != nil {
		return nil, err
	}
	return counted(page, n), nil
}

// Tags answers Asset.tags.
func (r assetFields) Tags(_ context.Context, a *library.Asset) ([]string, error) {
	return some(a.Tags), nil
}

// Versions answers Asset.versions.
func (r assetFields) Versions(ctx context.Context, a *library.Asset) ([]*gen.AssetVersion, error) {
	out := make([]*gen.AssetVersion, 0, len(a.Versions))
	for _, v := range slices.Backward(a.Versions) {
		at := v.At.In(time.UTC)
		out = append(out, &gen.AssetVersion{
			Number: int(v.Number), Hash: v.Hash, Path: library.AssetPath(workspace(ctx), v.Hash), Type: v.Type, Size: int(v.Size), At: at, By: v.By,
		})
	}
	return out, nil
}

// UsedBy answers Asset.usedBy.
func (r assetFields) UsedBy(ctx context.Context, a *library.Asset) ([]*library.User, error) {
	out := []*library.User{}
	for _, hash := range a.Hashes {
		users, err := r.Library.UsedBy(ctx, workspace(ctx), library.KindAsset, hash)
		if err != nil {
			return nil, err
		}
		for _, u := range users {
			if !slices.ContainsFunc(out, func(o *library.User) bool { return *o == u }) {
				out = append(out, &u)
			}
		}
	}
	return out, nil
}

// TemplateBlock answers Query.templateBlock.
func (r query) TemplateBlock(ctx context.Context, key string) (*library.Block, error) {
	return r.Library.Block(ctx, workspace(ctx), key)
}

// TemplateBlocks answers Query.templateBlocks.
func (r query) TemplateBlocks(ctx context.Context, first *int, after *string, last *int, before *string) (*view.TemplateBlockConnection, error) {
	w, err := window(first, after, last, before)
	if err != nil {
		return nil, err
	}
	page, n, err := r.Library.ListBlocks(ctx, workspace(ctx), w)
	if err != nil {
		return nil, err
	}
	return counted(page, n), nil
}

// Kind answers TemplateBlock.kind.
func (r templateBlockFields) Kind(_ context.Context, b *library.Block) (gen.BlockKind, error) {
	return gen.BlockKind(b.Kind), nil
}

// Tags answers TemplateBlock.tags.
func (r templateBlockFields) Tags(_ context.Context, b *library.Block) ([]string, error) {
	return some(b.Tags), nil
}

// UsedBy answers TemplateBlock.usedBy.
func (r templateBlockFields) UsedBy(ctx context.Context, b *library.Block) ([]*library.User, error) {
	users, err := r.Library.UsedBy(ctx, workspace(ctx), library.KindBlock, b.Key())
	return pointers(users), err
}
