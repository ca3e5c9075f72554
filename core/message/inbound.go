package message

import (
	"context"
	"slices"
	"strings"
	"time"
	"unicode"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/condition"
	"github.com/headwater-cdp/headwater/core/consent"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/sync"
	"github.com/headwater-cdp/headwater/core/work"
)

// stopWords are the words that end messages where a workspace sets none: those that carriers
// know, in the languages of our customers' customers.
var stopWords = []string{
	"STOP", "STOPALL", "STOP ALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "REVOKE", "OPTOUT", "OPT OUT", "OPT-OUT",
	"ARRET", "ARRÊT", "STOPP", "BAJA", "PARAR", "SAIR", "ABMELDEN", "DEZABONARE",
}

// stops reports whether a text is a stop word and no more than that.
func (t *Settings) stops(text string) bool {
	word := strings.ToUpper(strings.Join(strings.Fields(strings.TrimFunc(text, func(r rune) bool { return !unicode.IsLetter(r) })), " "))
	words := t.StopWords
	if len(words) == 0 {
		words = stopWords
	}
	return slices.Contains(words, word)
}

// repliesFor is how long after a message a text without a reference counts as an answer to it.
const repliesFor = 30 * 24 * time.Hour

// inbound takes what a person wrote. A stop word ends messages over the channel and is told
// to nobody; else it is an event on the person and, where it answers a message, part of what
// became of that.
func (s *Service) inbound(ctx context.Context, c *sync.Connection, in *sync.Inbound) error {
	ws := c.Workspace()
	namespace := namespaceOf(in.Channel)
	if namespace == "" {
		return nil
	}
	who := event.Identifier{Namespace: namespace, Value: in.From}
	p, err := s.Profiles.ByIdentifier(ctx, ws, who)
	if err != nil {
		return err
	}
	t, err := s.settings(ctx, ws)
	if err != nil {
		return err
	}
	if in.Channel == SMS && t.stops(in.Text) {
		return s.stopped(ctx, ws, t, in, who, p != nil)
	}
	if p == nil {
		return nil // nobody we know
	}
	m, err := s.answered(ctx, c, in, p.Parts)
	if err != nil {
		return err
	}
	if m != nil {
		return s.change(ctx, ws, m.MessageID(), func(m *Message) (*turn, error) { return m.replied(in.ID, in.Text, in.At), nil })
	}
	props, err := bson.Marshal(bson.D{{Key: "channel", Value: in.Channel}, {Key: "text", Value: clipped(in.Text)}})
	if err != nil {
		return core.Errorf(core.Invalid, "TEXT", "this text cannot be kept").Wrap(err)
	}
	_, err = s.Committer.Commit(ctx, ws, event.Input{
		MessageID: "inbound:" + c.ConnectionID() + ":" + keyOf(in.ID), Name: condition.MessageEvent(WasReplied), Timestamp: in.At, Properties: props,
	}, p.ProfileID())
	return err
}

// maxReply is how many bytes of a reply are kept.
const maxReply = 4000

func clipped(text string) string { return firstWords(text, maxReply) }

// replied returns what a reply makes of a message; nil when it was told before.
func (m *Message) replied(id, text string, at time.Time) *turn {
	h := Happened{Type: WasReplied, At: at.UTC().Truncate(time.Millisecond), ByKey: keyOf(id)}
	for i := range m.Timeline {
		if m.Timeline[i].ByKey == h.ByKey {
			return nil
		}
	}
	next := *m
	next.happen(h)
	out := &turn{next: &next, counts: []string{WasReplied}}
	if e, ok := m.told(WasReplied, h.ByKey, h.At, bson.E{Key: "text", Value: clipped(text)}); ok {
		out.events = append(out.events, e)
	}
	return out
}

// answered finds the message that a text answers: the one that it names, else the latest to
// that person over the channel; nil when there is none.
func (s *Service) answered(ctx context.Context, c *sync.Connection, in *sync.Inbound, parts []string) (*Message, error) {
	ws := c.Workspace()
	if in.ReplyTo != "" {
		found, err := Messages.Find(ctx, s.Store, store.Query{Workspace: ws, Where: []store.Cond{store.Eq("ref", c.ConnectionID()+"/"+in.ReplyTo)}}, 1)
		if err != nil {
			return nil, storeError("find the message", err)
		}
		if len(found) > 0 && slices.Contains(parts, found[0].Part) {
			return found[0], nil
		}
	}
	var last *Message
	for _, part := range parts {
		list, err := Messages.Find(ctx, s.Store, store.Query{Workspace: ws, Where: []store.Cond{store.Eq("part", part)}, Order: []string{"-at"}}, 50)
		if err != nil {
			return nil, storeError("find the message", err)
		}
		for _, m := range list {
			if m.Channel == in.Channel && m.was(WasSent) && !m.At.After(in.At) && in.At.Sub(m.At) < repliesFor {
				if last == nil || m.At.After(last.At) {
					last = m
				}
				break
			}
		}
	}
	return last, nil
}

// stopped ends messages over SMS to whoever wrote a stop word: their consent is withdrawn, and
// the number suppressed, which holds for a number that is nobody's too. Where the workspace
// has an answer, that is the last thing they get.
func (s *Service) stopped(ctx context.Context, ws string, t *Settings, in *sync.Inbound, who event.Identifier, known bool) error {
	if known {
		p, err := s.Profiles.ByIdentifier(ctx, ws, who)
		if err != nil {
			return err
		}
		if p != nil {
			if err := s.withdraw(ctx, ws, p.ProfileID(), "", SMS, "inbound:"+keyOf(in.ID), "stop_word"); err != nil {
				return err
			}
		}
	}
	_, err := s.Consent.Suppress(ctx, ws, []consent.SuppressInput{{
		Identifier: who, Channel: SMS, Reason: consent.SuppressStopWord, Source: "reply",
	}}, false)
	if err != nil || t.StopReply == "" {
		return err
	}
	id := core.HashID(core.PrefixMessage, ws, "stop", in.ID)
	unused, err := s.unspent(ctx, ws, id)
	if err != nil {
		return err
	}
	ops, err := s.Queue(ctx, ws, Intent{
		ID: id, Channel: SMS, Purpose: consent.Operations, Template: t.StopReply, Test: true, To: in.From,
	})
	if err != nil {
		return err
	}
	return storeError("answer", unlessLost(work.Commit(ctx, s.Store, append(ops, unused)...))) // unless it was answered before
}
