package sms

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/headwater-cdp/headwater/connectors/internal/vendorhttp"
	"github.com/headwater-cdp/headwater/plugins/sdk"
)

const (
	// behind is how far before the last text a pull begins again: Twilio's times are of
	// seconds, and a text may show late.
	behind = time.Minute
	// maxTexts is how many texts one pull reads; the newest are left for the next one
	// when there are more.
	maxTexts = 10_000
)

// since is the cursor of the texts.
type since struct {
	At   time.Time `json:"at"`
	Seen []string  `json:"seen,omitempty"` // the ids of the last minute
}

// text is a message from a person.
type text struct {
	SID       string `json:"sid"`
	From      string `json:"from"`
	To        string `json:"to"`
	Body      string `json:"body"`
	Direction string `json:"direction"`
	Sent      string `json:"date_sent"`
	at        time.Time
}

// Discover implements sdk.Discoverer.
func (c *rest) Discover(context.Context) ([]sdk.Stream, error) { return streams(), nil }

// Pull implements sdk.Puller: texts from people that a webhook did not bring, say
// because the host was down. Those that it did bring have the same keys.
func (c *rest) Pull(ctx context.Context, from sdk.PullRequest, emit func(sdk.Page) error) error {
	if from.Stream != inboundStream {
		return sdk.SchemaChanged("", "there is no such stream: discover again")
	}
	place := since{At: from.Since}
	if from.Cursor != nil {
		if err := json.Unmarshal(from.Cursor, &place); err != nil || place.At.IsZero() {
			return sdk.CursorLost("the cursor is not one of this connector: begin again")
		}
	}
	texts, err := c.texts(ctx, place)
	if err != nil {
		return err
	}
	for page := range slices.Chunk(texts, maxPage) {
		place = place.after(page)
		cursor, err := json.Marshal(place)
		if err != nil {
			return err
		}
		out := sdk.Page{Cursor: cursor}
		for _, t := range page {
			out.Events = append(out.Events, sdk.Event{
				Key: t.SID, Name: "SMS Received", At: t.at, Identifiers: map[string]string{"phone": t.From},
				Properties: map[string]any{"text": t.Body, "to": t.To, "keyword": keyword(t.Body)},
			})
			out.Inbound = append(out.Inbound, sdk.Inbound{ID: t.SID, Channel: "SMS", From: t.From, To: t.To, Text: t.Body, At: t.at})
			if word := keyword(t.Body); word == "STOP" || word == "START" {
				out.Consents = append(out.Consents, consent(t.SID, t.From, word, t.at))
			}
		}
		if err := emit(out); err != nil {
			return err
		}
	}
	return nil
}

// texts reads what came after a place, the oldest first: Twilio has the newest first.
func (c *rest) texts(ctx context.Context, place since) ([]text, error) {
	query := url.Values{"PageSize": {"1000"}}
	if c.config.From != "" {
		query.Set("To", c.config.From)
	}
	if !place.At.IsZero() {
		query.Set("DateSent>", place.At.Add(-behind).UTC().Format(time.RFC3339))
	}
	var found []text
	for path := c.path("/Messages.json"); path != ""; {
		var page struct {
			Messages []text  `json:"messages"`
			Next     *string `json:"next_page_uri"`
		}
		if err := c.call(ctx, vendorhttp.Call{Method: http.MethodGet, Path: path, Query: query}, &page); err != nil {
			return nil, err
		}
		for _, t := range page.Messages {
			if t.Direction != "inbound" || slices.Contains(place.Seen, t.SID) {
				continue
			}
			at, err := time.Parse(time.RFC1123Z, t.Sent)
			if err != nil {
				return nil, sdk.Broken("Twilio's text has no time that can be read")
			}
			t.at = at
			found = append(found, t)
		}
		path = ""
		if page.Next != nil && *page.Next != "" {
			var err error
			if path, err = c.client.Path(*page.Next); err != nil {
				return nil, err
			}
			query = nil // it stands in the link
		}
	}
	slices.SortStableFunc(found, func(a, b text) int {
		if order := a.at.Compare(b.at); order != 0 {
			return order
		}
		return strings.Compare(a.SID, b.SID)
	})
	return found[:min(len(found), maxTexts)], nil
}

// after moves the place behind some texts.
func (s since) after(texts []text) since {
	next := since{At: s.At, Seen: slices.Clone(s.Seen)}
	for _, t := range texts {
		if t.at.After(next.At) {
			next.At = t.at
		}
		next.Seen = append(next.Seen, t.SID)
	}
	// 64 KiB hold about 1,800 ids; beyond that the oldest would come again, with the same key.
	if over := len(next.Seen) - 1000; over > 0 {
		next.Seen = next.Seen[over:]
	}
	return next
}
