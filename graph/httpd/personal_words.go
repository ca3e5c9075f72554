package httpd

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/headwater-cdp/headwater/core/consent"
)

// words are the texts of the pages in one language. Those with %s say what is put there.
type words struct {
	Lang string // of the page: "de"
	day  string // how a date is written

	Title, TitleAt       string // TitleAt: by whom
	Saved, Withdrawn     string
	Intro                string
	Within               string // name of the purpose above
	Use                  string // the box of a purpose without channels
	On                   string // what holds, the date
	Save, Nothing        string // buttons
	Fixed                string // heading
	Contract, Law, Vital string

	Leave, Left    string // heading and button; heading once it is done
	Gone, GoneAt   string // kind; who and kind
	Asked, AskedAt string // kind; kind and who
	Over           string // channel

	Confirm, Confirmed string // heading and button; heading once it is done
	Agree, Agreed      string // kind
	OnTheWay           string // how many messages

	channels map[string]string
	statuses map[string]string    // by status; "on" and "off" where nothing was said
	purposes map[string][2]string // name and description of those that are built in
	faults   map[string]string
}

// language returns the words of the language that a browser asks for first of those that
// there are; English where there is none.
func language(r *http.Request) *words {
	best, rank := &wordsOf[0], 0.0
	for _, part := range strings.Split(strings.Join(r.Header.Values("Accept-Language"), ","), ",") {
		tag, quality, _ := strings.Cut(strings.ToLower(strings.TrimSpace(part)), ";")
		q := 1.0
		if text, ok := strings.CutPrefix(strings.ReplaceAll(quality, " ", ""), "q="); ok {
			var err error
			if q, err = strconv.ParseFloat(text, 64); err != nil {
				q = 0
			}
		}
		if w := spoken(tag); w != nil && q > rank {
			best, rank = w, q
		}
	}
	return best
}

// spoken returns the words of a language tag: "de", "de-at"; nil when there are none.
func spoken(tag string) *words {
	base, _, _ := strings.Cut(strings.TrimSpace(tag), "-")
	for i := range wordsOf {
		if wordsOf[i].Lang == base {
			return &wordsOf[i]
		}
	}
	return nil
}

// Say puts values into a text.
func (w *words) Say(text string, values ...any) string { return fmt.Sprintf(text, values...) }

// Day writes a date.
func (w *words) Day(t time.Time) string { return t.UTC().Format(w.day) }

// Channel names a channel.
func (w *words) Channel(channel string) string { return w.channels[channel] }

// Status says what holds for a choice.
func (w *words) Status(c consent.Choice) string {
	if text, ok := w.statuses[c.Status]; ok {
		return text
	}
	if c.Allowed {
		return w.statuses["on"]
	}
	return w.statuses["off"]
}

// Name and About tell of a purpose: as the workspace wrote it, or in the page's language
// where the text is the one that is built in.
func (w *words) Name(p consent.Purpose) string { return w.builtin(p, 0, p.Name) }

// About describes a purpose.
func (w *words) About(p consent.Purpose) string { return w.builtin(p, 1, p.Description) }

// Kind names a purpose by its key and the name that the workspace gave it.
func (w *words) Kind(key, name string) string { return w.Name(consent.Purpose{Key: key, Name: name}) }

func (w *words) builtin(p consent.Purpose, i int, said string) string {
	ours, ok := w.purposes[p.Key]
	english := builtinTexts[p.Key]
	if !ok || english[i] != said {
		return said
	}
	return ours[i]
}

var builtinTexts = func() map[string][2]string {
	out := map[string][2]string{}
	for _, p := range consent.Builtin() {
		out[p.Key] = [2]string{p.Name, p.Description}
	}
	return out
}()
