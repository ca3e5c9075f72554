package ready

import (
	"context"
	"encoding/json"
	"html"
	"slices"
	"strings"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/journey"
	"github.com/headwater-cdp/headwater/core/library"
	"github.com/headwater-cdp/headwater/core/loyalty"
	"github.com/headwater-cdp/headwater/core/segment"
	"github.com/headwater-cdp/headwater/core/store"
)

// Installer makes of a ready journey one of a workspace's own.
type Installer struct {
	Library  *library.Service
	Segments *segment.Service
	Loyalty  *loyalty.Service
	Journeys *journey.Service
}

// Installed is what an installation made.
type Installed struct {
	Journey   *journey.Journey // a draft: nobody enters before it is published
	Templates []string         // tpl_…, drafts in the order of the ready journey: nothing is sent before somebody else has agreed to them
	Segments  []string         // seg_…
	Pools     []string         // cpl_…
}

// Request says what is installed, and how.
type Request struct {
	Key            string
	Choices        Choices
	NeedsApproval  bool   // a version of the journey is published only with the approval of somebody else
	Another        bool   // one more, beside one of the same that is there
	IdempotencyKey string // required
}

// Install makes what a ready journey needs and choices do not name, and the journey. The
// same idempotency key makes everything once: after an error half way the call is made
// again. With another key a second one of the same is CONFLICT, READY_JOURNEY_INSTALLED,
// unless it is asked for: two of them would write to the same people twice.
func (i *Installer) Install(ctx context.Context, ws string, in Request) (*Installed, error) {
	j, err := Find(in.Key)
	if err != nil {
		return nil, err
	}
	choices, idempotencyKey := in.Choices, in.IdempotencyKey
	out, all := &Installed{}, Choices{}
	for name, id := range choices {
		all[name] = id
	}
	once := func(kind, key string) string { return idempotencyKey + ":" + j.Key + ":" + kind + ":" + key }
	if !in.Another {
		if err := i.alone(ctx, ws, j, choices, journey.IDFor(ws, once("journey", ""))); err != nil {
			return nil, err
		}
	}
	for _, t := range j.Templates {
		if all["template."+t.Key] != "" {
			continue
		}
		made, err := i.Library.Create(ctx, ws, library.Input{
			Name: t.Name, Description: "Of the ready journey " + j.Name + ".", Channel: t.Channel, Family: familyOf(t.Family), Tags: []string{j.tag()},
			Content: t.Content(), Edit: library.Edit{IdempotencyKey: once("template", t.Key)},
		})
		if err != nil {
			return nil, err
		}
		all["template."+t.Key] = made.TemplateID()
		out.Templates = append(out.Templates, made.TemplateID())
	}
	for _, p := range j.Pools {
		if all["pool."+p.Key] != "" {
			continue
		}
		made, err := i.Loyalty.CreatePool(ctx, ws, loyalty.Pool{
			Name: j.Name + ": " + p.Key, Description: p.About, OnDemand: true, Prefix: strings.ToUpper(p.Key) + "-", Length: 8, ValidDays: validDays,
		}, once("pool", p.Key))
		if err != nil {
			return nil, err
		}
		all["pool."+p.Key] = made.PoolID()
		out.Pools = append(out.Pools, made.PoolID())
	}
	for _, s := range j.Segments {
		if all["segment."+s.Key] != "" {
			continue
		}
		where, err := j.Condition(s.Key, all)
		if err != nil {
			return nil, err
		}
		made, err := i.Segments.Create(ctx, ws, segment.CreateInput{
			Name: s.Name, Description: "Of the ready journey " + j.Name + ".", Where: where, Tags: []string{j.tag()}, IdempotencyKey: once("segment", s.Key),
		})
		if err != nil {
			return nil, err
		}
		all["segment."+s.Key] = made.Segment.SegmentID()
		out.Segments = append(out.Segments, made.Segment.SegmentID())
	}
	definition, err := j.Define(all)
	if err != nil {
		return nil, err
	}
	out.Journey, _, err = i.Journeys.Create(ctx, ws, journey.CreateInput{
		Name: j.Name, Description: j.About, Tags: []string{j.tag()}, Definition: definition, Approval: in.NeedsApproval,
		IdempotencyKey: once("journey", ""),
	})
	return out, err
}

// tag is what a journey that was installed has, and what was made for it.
func (j *Journey) tag() string { return "ready:" + j.Key }

// alone refuses a journey of which there is another, with another id, that lets people in or
// may yet do so.
func (i *Installer) alone(ctx context.Context, ws string, j *Journey, choices Choices, id string) error {
	list, err := journey.Journeys.Find(ctx, i.Journeys.Store, store.Query{Workspace: ws}, 0)
	if err != nil {
		return core.AsError(err)
	}
	for _, other := range list {
		open := other.Mode == journey.Draft || other.Mode == journey.Live || other.Mode == journey.Paused
		if !open || other.JourneyID() == id || !slices.Contains(other.Tags, j.tag()) {
			continue
		}
		v, err := i.Journeys.Version(ctx, ws, other.JourneyID(), other.Latest)
		if err != nil {
			return err
		}
		if v != nil && j.same(v, choices) {
			return core.Errorf(core.Conflict, "READY_JOURNEY_INSTALLED",
				"%s is installed already, as %s: go on with that one, archive it first, or say that you want another", j.Key, other.JourneyID()).At("key")
		}
	}
	return nil
}

// same reports whether a version is about the same things as what is to be installed.
func (j *Journey) same(v *journey.Version, choices Choices) bool {
	var texts any
	if json.Unmarshal([]byte(v.Definition), &texts) != nil {
		return true
	}
	return !slices.ContainsFunc(j.Values, func(value Value) bool { return value.Of && !holds(texts, choices["value."+value.Key]) })
}

// holds reports whether a JSON tree has a text among its values.
func holds(tree any, text string) bool {
	switch v := tree.(type) {
	case string:
		return v == text
	case []any:
		return slices.ContainsFunc(v, func(one any) bool { return holds(one, text) })
	case map[string]any:
		for _, one := range v {
			if holds(one, text) {
				return true
			}
		}
	}
	return false
}

// validDays is how long the coupons of pools that Install makes are good.
const validDays = 7

// familyOf names a family as the library does.
func familyOf(family string) string {
	return map[string]string{"nurture": "NURTURE", "onboarding": "ONBOARDING", "re-engagement": "REENGAGEMENT", "post-sale": "POST_SALE"}[family]
}

// Content is a text to begin with, which shows what the journey gives it and says of the
// rest nothing that a shop would not.
func (t *Template) Content() library.Content {
	hello := `Hello {{ profile.firstName | default: "there" }},`
	var shown []string
	for _, path := range t.Shows {
		label := map[string]string{"coupon.code": "Your code"}[path]
		if label == "" {
			label = "About"
		}
		shown = append(shown, label+`: {{ `+path+` | default: "-" }}`)
	}
	if t.Channel != library.Email {
		c := library.Text{Text: strings.Join(append([]string{t.Name + ". " + hello}, shown...), " ")}
		if t.Channel == library.Push || t.Channel == library.InApp {
			c.Title = t.Name
		}
		return library.Content{Default: "en", Locales: map[string]library.Text{"en": c}}
	}
	// Outlook reads what has no doctype in its oldest mode, and what names no charset as it likes.
	body := `<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>` +
		html.EscapeString(t.Name) + `</title></head><body style="margin:0">` +
		`<table role="presentation" width="600" align="center" cellpadding="0" cellspacing="0" style="font-family:Arial,sans-serif"><tr><td style="padding:24px">` +
		`<h1 style="font-size:22px">` + html.EscapeString(t.Name) + `</h1><p>` + hello + `</p>`
	for _, line := range shown {
		body += `<p>` + line + `</p>`
	}
	const small = `<p style="font-size:12px;color:#666666">`
	body += `{% if unsubscribeUrl %}` + small + `<a href="{{ unsubscribeUrl }}">Unsubscribe</a></p>{% endif %}` +
		`{% if preferencesUrl %}` + small + `<a href="{{ preferencesUrl }}">What we may send you</a></p>{% endif %}</td></tr></table></body></html>`
	return library.Content{Default: "en", Locales: map[string]library.Text{"en": {Subject: t.Name, HTML: body}}}
}
