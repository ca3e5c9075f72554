package form

import (
	"context"
	"slices"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/consent"
	"github.com/headwater-cdp/headwater/core/message"
	"github.com/headwater-cdp/headwater/core/store"
)

// Outbox sends messages. *message.Service is one.
type Outbox interface {
	Queue(ctx context.Context, ws string, in message.Intent) ([]store.Op, error)
	Usable(ctx context.Context, ws, template string, version int64, channel string) error
	Wake(ws, channel string)
}

var _ Outbox = (*message.Service)(nil)

// One person is asked to confirm at most maxAsked times in askedWithin: whoever writes
// somebody else's address into forms fills no mailbox.
const (
	maxAsked    = 3
	askedWithin = 24 * time.Hour
)

// asked is when a person was asked to confirm, lately.
type asked struct {
	store.Meta `bson:",inline"` // key: workspace/prof_…
	Times      []time.Time      `bson:"t"`
}

var askeds = store.Declare[asked](store.Spec{
	Name: "form_confirmations", Subject: "_id", Data: map[string]core.Category{"*": core.Consent},
})

// asking gathers the messages of one submission that ask to confirm.
type asking struct {
	t        *taking
	who      string // prof_…
	held     *asked // nil: not read yet
	ops      []store.Op
	channels []string
}

// ask asks to confirm one word, where it will be PENDING. Where there is no address, or the
// person was asked often enough, nothing is sent, and nobody is told so.
func (a *asking) ask(ctx context.Context, c *Consent, p *consent.Prepared) error {
	s, ws := a.t.s, a.t.ws
	token, until, err := s.Consent.Proof(ctx, ws, p)
	channel, to := a.t.address(c.Channel)
	if err != nil || token == "" || to == "" || s.Outbox == nil {
		return err
	}
	now := s.now()
	if a.held == nil {
		key := store.Key(ws, a.who)
		if a.held, err = askeds.Get(ctx, s.Store, key); err != nil {
			return err
		}
		if a.held == nil {
			a.held = &asked{Meta: store.Meta{ID: key}}
		}
		a.held.Times = slices.DeleteFunc(a.held.Times, func(t time.Time) bool { return !t.After(now.Add(-askedWithin)) })
	}
	if len(a.held.Times) >= maxAsked {
		return nil
	}
	a.held.Times = append(a.held.Times, now)
	base := ""
	if s.URL != nil {
		base = s.URL()
	}
	d := a.t.f.Published
	link := base + consent.ConfirmPath + token
	data := bson.D{{Key: "confirm", Value: bson.D{
		{Key: "url", Value: link}, {Key: "purpose", Value: c.Text}, {Key: "form", Value: d.Title}, {Key: "until", Value: until.Format(time.RFC3339)},
	}}}
	in := message.Intent{
		ID: core.HashID(core.PrefixMessage, ws, "confirm", a.t.id, c.Key), Profile: a.who, Channel: channel, Purpose: consent.Operations,
		Quiet: message.QuietSend, To: to,
	}
	if in.Template = d.ConfirmTemplate; in.Template == "" || channel != message.Email {
		w := plainWords(d.Locale)
		in.Template = ""
		data = append(data, bson.E{Key: "subject", Value: w[0]}, bson.E{Key: "text", Value: w[1] + "\n\n" + c.Text + "\n\n" + link + "\n\n" + w[2] + "\n"})
	}
	in.Data = document(data)
	ops, err := s.Outbox.Queue(ctx, ws, in)
	if err != nil {
		return err
	}
	a.ops = append(a.ops, ops...)
	if !slices.Contains(a.channels, channel) {
		a.channels = append(a.channels, channel)
	}
	return nil
}

// all returns what is committed with the submission.
func (a *asking) all() []store.Op {
	if len(a.ops) == 0 {
		return nil
	}
	return append(a.ops, askeds.Put(a.held))
}

// address returns where it is asked whether a word over a channel was the person's: the
// e-mail address that was written for all but SMS, else the number.
func (t *taking) address(channel string) (over, to string) {
	found := map[FieldType]string{}
	for _, f := range t.f.Published.Fields {
		for _, a := range t.answers {
			if text, ok := a.Value.(string); ok && a.Key == f.Key && (f.Type == Email || f.Type == Phone) {
				found[f.Type] = text
			}
		}
	}
	if channel == message.SMS || found[Email] == "" {
		return message.SMS, found[Phone]
	}
	return message.Email, found[Email]
}

// plainWords are the subject, what stands before what was agreed to and the link, and what
// stands after them, of a message without a template.
func plainWords(locale string) [3]string {
	base, _, _ := strings.Cut(strings.ToLower(locale), "-")
	switch base {
	case "de":
		return [3]string{"Bitte bestätigen Sie", "Jemand hat diese Adresse in ein Formular geschrieben und dem zugestimmt:", "Waren Sie es, dann bestätigen Sie es über den Link. Sonst tun Sie nichts: Es geschieht nichts."}
	case "fr":
		return [3]string{"Merci de confirmer", "Quelqu’un a saisi cette adresse dans un formulaire et a accepté ceci :", "Si c’était vous, confirmez par le lien. Sinon ne faites rien : il ne se passera rien."}
	case "ro":
		return [3]string{"Vă rugăm să confirmați", "Cineva a scris această adresă într-un formular și a fost de acord cu:", "Dacă ați fost dumneavoastră, confirmați prin link. Altfel nu faceți nimic: nu se va întâmpla nimic."}
	}
	return [3]string{"Please confirm", "Somebody wrote this address into a form and agreed to this:", "If it was you, confirm it by the link. If not, do nothing: nothing will happen."}
}
