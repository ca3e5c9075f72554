package message

import (
	"context"
	"maps"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/consent"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/template"
)

// maxText is how long what is sent may be, in bytes.
const maxText = 1 << 20

// render makes what a message says.
func (r *round) render(ctx context.Context, l *letter) error {
	roots, err := r.roots(ctx, l)
	if err != nil {
		return err
	}
	profile, locale := "", r.set.Locale
	if l.p != nil {
		profile = l.p.ProfileID()
		path := r.set.LocaleTrait
		if path == "" {
			path = "locale"
		}
		if t := l.p.TraitAt(path); t != nil {
			if v, ok := t.Value.StringValueOK(); ok && len(v) <= 35 {
				locale = v
			}
		}
	}
	if l.made == nil {
		l.content = said(l.m.Data)
	} else if l.content, err = l.made.Render(ctx, profile, locale, roots); err != nil {
		if e := core.AsError(err); e.Code == core.Invalid {
			r.fallTemplate(l, Failed, e.Reason)
			return nil
		}
		return err
	}
	if len(l.content.Missing) > 0 {
		r.fallTemplate(l, Skipped, "MISSING")
		return nil
	}
	if l.content.Text == "" && l.content.HTML == "" && l.content.Title == "" {
		r.fallTemplate(l, Skipped, "EMPTY")
		return nil
	}
	if len(l.content.HTML) > maxText || len(l.content.Text) > maxText {
		r.fallTemplate(l, Failed, "TOO_LARGE")
		return nil
	}
	return r.instrument(ctx, l)
}

// fallTemplate puts what rendering found into the first answer.
func (r *round) fallTemplate(l *letter, status Status, reason string) {
	l.status, l.check, l.reason = status, CheckTemplate, reason
	for i := range l.checks {
		if l.checks[i].Check == CheckTemplate {
			l.checks[i].Passed, l.checks[i].Reason = false, reason
		}
	}
}

// said reads the words of a message that has no template: those of an operator's own, in
// its data.
func said(data bson.Raw) Content {
	text := func(key string) string { s, _ := data.Lookup(key).StringValueOK(); return s }
	return Content{Subject: text("subject"), Text: text("text"), Title: text("title")}
}

// roots are what a template reads.
func (r *round) roots(ctx context.Context, l *letter) (map[string]any, error) {
	roots := map[string]any{}
	g, err := r.gate(ctx, l.m.Purpose)
	if err != nil {
		return nil, err
	}
	if len(l.m.Data) > 0 {
		var d bson.D
		if err := bson.Unmarshal(l.m.Data, &d); err != nil {
			return nil, core.Errorf(core.Internal, "INTERNAL", "internal error").Wrap(err)
		}
		for _, e := range d {
			roots[e.Key] = plain(e.Value)
		}
		if err := g.entering(ctx, roots); err != nil {
			return nil, err
		}
	}
	person := map[string]any{}
	if l.p != nil {
		person, _ = plain(l.p.Values(g.keeps)).(map[string]any)
		if _, ok := person["id"]; !ok {
			person["id"] = l.p.ProfileID()
		}
	}
	roots["profile"] = person
	if err := r.predicted(ctx, l, g, roots); err != nil {
		return nil, err
	}
	sender := map[string]any{}
	for k, v := range r.set.Sender {
		sender[k] = v
	}
	roots["sender"] = sender
	roots["message"] = map[string]any{"id": l.m.MessageID(), "purpose": l.m.Purpose, "channel": l.m.Channel}
	roots["now"] = r.now.In(l.zone).Format(time.RFC3339)
	if l.p != nil && !l.m.Test {
		var to *consent.Delivery
		if r.channel == Email || r.channel == SMS {
			namespace := "email"
			if r.channel == SMS {
				namespace = "phone"
			}
			if r.route.way.Identifier == namespace {
				to = &consent.Delivery{Channel: r.channel, To: event.Identifier{Namespace: namespace, Value: l.to}}
			}
		}
		if l.links, err = r.s.Consent.LetterLinks(ctx, r.ws, l.who, l.m.Purpose, r.channel, to); err != nil {
			return nil, err
		}
		if l.links != nil {
			roots["preferencesUrl"] = l.links.Preferences.URL
			if l.links.Unsubscribe != nil {
				roots["unsubscribeUrl"] = l.links.Unsubscribe.URL
			}
		}
	}
	return roots, nil
}

// reader is a template that knows what it reads.
type reader interface{ Reads(root string) bool }

// predicted puts in what is predicted of a person, as predictions and, of the lead model, as
// lead, where the template reads it and the purpose allows it: it is INFERRED.
func (r *round) predicted(ctx context.Context, l *letter, g *gate, roots map[string]any) error {
	if r.s.Predictions == nil || l.p == nil || !g.uses(core.Inferred) {
		return nil
	}
	if t, ok := l.made.(reader); ok && !t.Reads("predictions") && !t.Reads("lead") {
		return nil
	}
	values, err := r.s.Predictions(ctx, r.ws, l.p)
	if err != nil {
		return err
	}
	maps.Copy(roots, template.Predicted(values))
	return nil
}

// headers are those of an e-mail beside what the connector makes.
func (l *letter) headers() map[string]string {
	if l.links == nil || l.links.Unsubscribe == nil || l.m.Channel != Email {
		return nil
	}
	return map[string]string{
		"List-Unsubscribe":      l.links.Unsubscribe.ListUnsubscribe,
		"List-Unsubscribe-Post": l.links.Unsubscribe.ListUnsubscribePost,
	}
}

// oneLine makes of a text what may stand in a header.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
