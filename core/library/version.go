package library

import (
	"context"
	"maps"
	"strings"
	"time"

	"github.com/headwater-cdp/headwater/core/condition"
	"github.com/headwater-cdp/headwater/core/template"
)

// Version is a published version, ready to be rendered by any number at once.
type Version struct {
	Workspace   string
	Template    string // tpl_…
	Name        string // of the template, for people
	Number      int64
	Hash        string // of all that it says: what was approved
	Channel     string
	Family      string
	SkipSend    bool // a message is not sent when something is missing that has no fallback
	PublishedAt time.Time
	made        *compiled
}

// Locale returns the locale that serves a person who reads locale ("" is the default):
// ro-RO, else ro, else the default.
func (v *Version) Locale(locale string) string {
	for _, l := range v.made.content.chain(locale) {
		if _, ok := v.made.fields[l]; ok {
			return l
		}
	}
	return v.made.content.Default
}

// Paths returns what the version reads of people's data, in any language.
func (v *Version) Paths() []template.Read { return v.made.reads() }

// Lookups returns the objects that the version asks for in the language that serves
// locale, by the names of their variables.
func (v *Version) Lookups(locale string) map[string]template.Lookup {
	return v.made.lookups(v.Locale(locale))
}

// Conditions returns the conditions by which parts of layouts are shown. Their answers
// for the person go into the data, under show; what is not there is not shown.
func (v *Version) Conditions() map[string]*condition.Node { return maps.Clone(v.made.show) }

// Rendered is a message's content for one person.
type Rendered struct {
	Locale    string // that it was rendered in
	Hash      string // of the version
	Subject   string
	Preheader string
	FromName  string
	HTML      string
	Text      string // of EMAIL and WEB_CHAT made from HTML when the template has none
	Title     string
	URL       string
	// Skip is set when the message must not be sent: then nothing else is.
	Skip *Skip
}

// Skip says why a message must not be sent.
type Skip struct {
	Missing []string // paths of what was missing, no values: "profile.firstName"
}

// Render makes the content for one person. Errors are those of template.Render: INVALID
// when this data cannot be rendered, and then nothing is to be tried again.
func (v *Version) Render(ctx context.Context, locale string, data template.Data) (Rendered, error) {
	return v.made.render(ctx, v.Locale(locale), v.Hash, v.SkipSend, data)
}

func (c *compiled) render(ctx context.Context, locale, hash string, strict bool, data template.Data) (Rendered, error) {
	out := Rendered{Locale: locale, Hash: hash}
	var missing []string
	for field, t := range c.fields[locale] {
		made, err := t.Render(ctx, data, strict)
		if err != nil {
			return Rendered{}, fieldError(err, locale, field)
		}
		missing = append(missing, made.Missing...)
		out.set(field, made.Text)
	}
	if len(missing) > 0 {
		return Rendered{Locale: locale, Hash: hash, Skip: &Skip{Missing: sorted(missing)}}, nil
	}
	if out.HTML != "" && c.fields[locale]["text"] == nil {
		out.Text = template.TextOf(out.HTML)
	}
	if out.Preheader != "" {
		out.HTML = withPreheader(out.HTML, out.Preheader)
	}
	return out, nil
}

func (r *Rendered) set(field, value string) {
	switch field {
	case "subject":
		r.Subject = value
	case "preheader":
		r.Preheader = value
	case "fromName":
		r.FromName = value
	case "html":
		r.HTML = value
	case "text":
		r.Text = value
	case "title":
		r.Title = value
	case "url":
		r.URL = template.SafeLink(value)
	}
}

// withPreheader puts the preheader, hidden, where inboxes look for it: at the beginning
// of the body.
func withPreheader(html, preheader string) string {
	hidden := `<div style="display:none;max-height:0;overflow:hidden;mso-hide:all">` + template.Escape(preheader) + `</div>`
	lower := strings.ToLower(html)
	if i := strings.Index(lower, "<body"); i >= 0 {
		if j := strings.IndexByte(html[i:], '>'); j >= 0 {
			return html[:i+j+1] + hidden + html[i+j+1:]
		}
	}
	return hidden + html
}
