package library

import (
	"context"
	"fmt"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
)

// Published returns a version of a template; number 0 is the newest. It asks for no
// permission: sending does not read what a template says to whoever caused it. NOT_FOUND
// (reason TEMPLATE or TEMPLATE_VERSION) when there is none; CONFLICT for number 0 of a
// template that was never published (reason NOT_PUBLISHED) or is archived (reason
// TEMPLATE_ARCHIVED). Versions of archived templates stay for those who pinned them.
func (s *Service) Published(ctx context.Context, ws, templateID string, number int64) (*Version, error) {
	if core.IDPrefix(templateID) != core.PrefixTemplate {
		return nil, errTemplate()
	}
	if number == 0 {
		t, err := Templates.Get(ctx, s.Store, store.Key(ws, templateID))
		switch {
		case err != nil:
			return nil, fail(err)
		case t == nil:
			return nil, errTemplate()
		case t.Status == Archived:
			return nil, core.Errorf(core.Conflict, "TEMPLATE_ARCHIVED", "the template %s is archived; restore it, or take another", t.Name)
		case t.Newest == 0:
			return nil, core.Errorf(core.Conflict, "NOT_PUBLISHED", "the template %s was never published", t.Name)
		}
		number = t.Newest
	}
	key := versionKey(ws, templateID, number)
	if v, ok := s.cache.Get(key); ok {
		return v, nil
	}
	doc, err := Versions.Get(ctx, s.Store, key)
	if err != nil {
		return nil, fail(err)
	}
	if doc == nil {
		return nil, core.Errorf(core.NotFound, "TEMPLATE_VERSION", "the template has no version %d", number).At("version")
	}
	v, err := doc.ready()
	if err != nil {
		return nil, err
	}
	s.cache.Add(key, v)
	return v, nil
}

// ready compiles a version.
func (d *TemplateVersion) ready() (*Version, error) {
	made, problems := compile(d.Channel, &d.Content, d.Pinned, nil)
	if made == nil { // it was compiled before it was published: by another program
		return nil, core.Errorf(core.Invalid, "TEMPLATE_LINT", "version %d of %s can no longer be read: %s", d.Number, d.Template, first(problems))
	}
	return &Version{
		Workspace: store.WorkspaceOf(d.ID), Template: d.Template, Name: d.Name, Number: d.Number, Hash: d.Hash,
		Channel: d.Channel, Family: d.Family, SkipSend: d.Content.Skips, PublishedAt: d.PublishedAt, made: made,
	}, nil
}

// first says the first error among problems.
func first(problems []Problem) string {
	for _, p := range problems {
		if p.Level == "ERROR" {
			return fmt.Sprintf("%s, %s, line %d: %s", p.Locale, p.Field, p.Line, p.Message)
		}
	}
	return ""
}
