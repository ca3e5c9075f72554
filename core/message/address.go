package message

import (
	"context"
	"strconv"

	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/profile"
)

// address finds where a message goes, and by which identifiers its person may be
// suppressed: the address itself, and what else they are known by that is no other address
// of the same kind. It returns why it goes nowhere.
func (r *round) address(ctx context.Context, l *letter) string {
	if l.m.To != nil && (l.m.Test || l.m.Tries == 0 || l.again) { // one that came back goes where the person is now
		plain, err := r.s.Keys.Open(ctx, r.ws, l.m.To, []byte(l.m.ID))
		if err != nil {
			return "NO_ADDRESS"
		}
		l.to = string(plain)
	}
	way := r.route.way
	namespace := way.Identifier
	if namespace == "" && (r.channel == Email || r.channel == SMS) {
		namespace = map[string]string{Email: profile.Email, SMS: profile.Phone}[r.channel]
	}
	if l.p == nil {
		if l.to == "" {
			return "NO_ADDRESS"
		}
		return ""
	}
	if l.to != "" && namespace != "" && !l.m.Test && profile.LetGoOf(l.p, namespace, l.to) {
		l.to = "" // it is not theirs: to where they are now, if anywhere
	}
	if l.to == "" && !own(r.channel) {
		if l.to = addressOf(l.p, way); l.to == "" {
			return "NO_ADDRESS"
		}
	}
	if l.to != "" && namespace != "" {
		l.ids = append(l.ids, event.Identifier{Namespace: namespace, Value: l.to})
	}
	for _, h := range l.p.Identifiers {
		if h.Namespace != namespace && len(l.ids) < maxSuppressed {
			l.ids = append(l.ids, event.Identifier{Namespace: h.Namespace, Value: h.Value})
		}
	}
	return ""
}

// maxSuppressed is how many identifiers of one person are asked about.
const maxSuppressed = 8

// addressOf returns a person's address: the identifier that was seen last, else what stands
// in the trait. Where the trait names one of several identifiers, it is that one.
func addressOf(p *profile.Profile, w Way) string {
	trait := ""
	if w.Trait != "" {
		if t := p.TraitAt(w.Trait); t != nil {
			trait, _ = t.Value.StringValueOK()
		}
		if profile.LetGoOf(p, w.Identifier, trait) {
			trait = ""
		}
	}
	var last *profile.Held
	for i := range p.Identifiers {
		h := &p.Identifiers[i]
		if w.Identifier == "" || h.Namespace != w.Identifier {
			continue
		}
		if trait != "" && h.Value == trait {
			return trait
		}
		if last == nil || h.Seq > last.Seq {
			last = h
		}
	}
	if last != nil {
		return last.Value
	}
	return trait
}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }
