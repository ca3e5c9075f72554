package main

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/condition"
	"github.com/headwater-cdp/headwater/core/library"
	"github.com/headwater-cdp/headwater/core/message"
	"github.com/headwater-cdp/headwater/core/segment"
	"github.com/headwater-cdp/headwater/core/template"
)

// shelf is the library as messages see it.
type shelf struct {
	library  *library.Service
	segments *segment.Service
}

// Published implements message.Templates.
func (s shelf) Published(ctx context.Context, ws, id string, number int64) (message.Template, error) {
	v, err := s.library.Published(ctx, ws, id, number)
	if err != nil {
		return nil, err
	}
	return volume{s, v}, nil
}

// volume is a published version as messages see it.
type volume struct {
	shelf
	v *library.Version
}

// Number implements message.Template.
func (t volume) Number() int64 { return t.v.Number }

// Channel implements message.Template.
func (t volume) Channel() string { return t.v.Channel }

// Reads tells whether the template reads something below a root.
func (t volume) Reads(root string) bool {
	return slices.ContainsFunc(t.v.Paths(), func(r template.Read) bool { return r.Root == root })
}

// Render implements message.Template.
func (t volume) Render(ctx context.Context, profileID, locale string, roots map[string]any) (message.Content, error) {
	show, err := t.shown(ctx, profileID)
	if err != nil {
		return message.Content{}, err
	}
	roots["show"] = show
	data := template.Data{Roots: roots}
	if err := t.library.Gather(ctx, t.v.Workspace, profileID, t.v.Lookups(locale), &data); err != nil {
		return message.Content{}, err
	}
	out, err := t.v.Render(ctx, locale, data)
	if err != nil {
		return message.Content{}, err
	}
	c := message.Content{
		Locale: out.Locale, Subject: out.Subject, FromName: out.FromName, HTML: out.HTML, Text: out.Text, Title: out.Title, URL: out.URL,
	}
	if out.Skip != nil {
		c.Missing = append([]string{}, out.Skip.Missing...)
	}
	return c, nil
}

// shown asks which parts of a layout a person sees.
func (t volume) shown(ctx context.Context, profileID string) (map[string]any, error) {
	out := map[string]any{}
	if profileID == "" {
		return out, nil
	}
	for name, n := range t.v.Conditions() {
		raw, err := condition.MarshalJSON(n)
		if err != nil {
			return nil, err
		}
		d := json.NewDecoder(bytes.NewReader(raw))
		d.UseNumber()
		var tree any
		if err := d.Decode(&tree); err != nil {
			return nil, err
		}
		explained, err := t.segments.ExplainWhere(ctx, t.v.Workspace, segment.PreviewInput{Where: tree}, profileID)
		switch core.CodeOf(err) {
		case core.Unavailable, core.Internal:
			return nil, err
		}
		out[name] = err == nil && explained.Member
	}
	return out, nil
}
