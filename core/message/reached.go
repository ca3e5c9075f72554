package message

import (
	"math/rand/v2"
	"regexp"

	"github.com/headwater-cdp/headwater/core/store"
)

// Outcome is what came of messages that were made from one version of a template.
type Outcome struct {
	Template string // tpl_…
	Version  int64
	Sent     int64
	Reached  int64 // of those the messages that reached their goal, told once each
}

// reached reports whether a message reached its goal: that of the journey which sent it, or,
// when it has none, that the person clicked a link in it or answered it. A goal can be told
// before the vendor says that it took the message.
func (m *Message) reached() bool {
	if m.Goal {
		return m.Attained && m.was(WasSent)
	}
	return m.Clicks > 0 || m.was(WasReplied)
}

// moved is a message before and after a change.
type moved struct{ before, after *Message }

// outcomes returns the operations that count, for the commit of some changes, what came of
// templates by them: each message is sent once, and reaches its goal once, whoever says so
// how often.
func (s *Service) outcomes(ws string, list ...moved) []store.Op {
	if s.Outcomes == nil {
		return nil
	}
	var batch []Outcome
	for _, m := range list {
		if m.after.Test || m.after.Template == "" {
			continue
		}
		o := Outcome{Template: m.after.Template, Version: m.after.TemplateVersion}
		if m.after.was(WasSent) && !m.before.was(WasSent) {
			o.Sent = 1
		}
		if m.after.reached() && !m.before.reached() {
			o.Reached = 1
		}
		if o.Sent+o.Reached > 0 {
			batch = append(batch, o)
		}
	}
	if len(batch) == 0 {
		return nil
	}
	return s.Outcomes(ws, rand.IntN(store.Lanes), batch)
}

// observe tells the hooks what became of messages, once it is committed.
func (s *Service) observe(list ...moved) {
	if s.Moved == nil {
		return
	}
	for _, m := range list {
		if m.after.Status != m.before.Status && !m.after.Test {
			s.Moved(m.after.Channel, string(m.after.Status), m.after.word())
		}
	}
}

var ownWord = regexp.MustCompile(`^[A-Z][A-Z_]{0,39}$`)

// word returns why a message stands where it stands, of a set that is bounded: words of
// vendors are told as whose fault it was.
func (m *Message) word() string {
	switch {
	case m.Reason == "" || m.Status == Sent || m.Status == Delivered:
		return ""
	case m.Attempt != nil && m.Attempt.Fault == m.Reason:
		return m.Attempt.Origin
	case m.Status == Failed && m.Reason != "RESOLVED" || !ownWord.MatchString(m.Reason):
		return "OTHER"
	}
	return m.Reason
}
