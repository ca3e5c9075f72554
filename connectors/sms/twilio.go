package sms

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/headwater-cdp/headwater/connectors/httpapi"
	"github.com/headwater-cdp/headwater/plugins/sdk"
)

// keyParameter carries a message's key in the address of its status callback.
const keyParameter = "hwkey"

// rest is a connection to Twilio.
type rest struct {
	config config
	client *httpapi.Client
}

func openTwilio(c config) (*rest, error) {
	if err := required("accountSid", c.AccountSID, "authToken", c.AuthToken); err != nil {
		return nil, err
	}
	if c.From == "" && c.ServiceSID == "" {
		return nil, sdk.InvalidConfig("from", "give a sender, or a messaging service")
	}
	client, err := httpapi.New("Twilio", c.BaseURL, func(r *http.Request) {
		r.SetBasicAuth(c.AccountSID, c.AuthToken)
		r.Header.Set("Accept", "application/json")
	})
	if err != nil {
		return nil, err
	}
	return &rest{c, client}, nil
}

// Close implements sdk.Connection.
func (c *rest) Close() error {
	c.client.Close()
	return nil
}

// path is a path beneath the account.
func (c *rest) path(rest string) string { return "/2010-04-01/Accounts/" + c.config.AccountSID + rest }

// Check implements sdk.Connection.
func (c *rest) Check(ctx context.Context) error {
	var account struct {
		Status string `json:"status"`
	}
	if err := c.call(ctx, httpapi.Call{Method: http.MethodGet, Path: c.path(".json")}, &account); err != nil {
		return err
	}
	if account.Status != "active" {
		return sdk.Unauthorized("the account is not active: see what Twilio's console says").Because("ACCOUNT_NOT_ACTIVE")
	}
	return nil
}

// message is Twilio's resource.
type message struct {
	SID      string `json:"sid"`
	Status   string `json:"status"`
	Segments string `json:"num_segments"`
	Error    *int   `json:"error_code"`
	Updated  string `json:"date_updated"`
}

// Send implements sdk.Sender.
func (c *rest) Send(ctx context.Context, m sdk.Message) (sdk.Sent, error) {
	if err := sendable(m); err != nil {
		return sdk.Sent{}, err
	}
	if m.Text == "" && len(m.Media) == 0 {
		return sdk.Sent{}, sdk.InvalidRecord("text", "a message needs a text")
	}
	form := url.Values{"To": {m.To}, "Body": {m.Text}}
	switch {
	case m.From != "":
		form.Set("From", m.From)
	case c.config.ServiceSID != "":
		form.Set("MessagingServiceSid", c.config.ServiceSID)
	default:
		form.Set("From", c.config.From)
	}
	for _, address := range m.Media {
		form.Add("MediaUrl", address)
	}
	if m.CallbackURL != "" {
		callback, err := url.Parse(m.CallbackURL)
		if err != nil || callback.Host == "" {
			return sdk.Sent{}, sdk.InvalidRecord("callbackUrl", "it is no address")
		}
		query := callback.Query()
		query.Set(keyParameter, m.Key)
		callback.RawQuery = query.Encode()
		form.Set("StatusCallback", callback.String())
	}
	var answer message
	err := c.call(ctx, httpapi.Call{
		Method: http.MethodPost, Path: c.path("/Messages.json"), Body: []byte(form.Encode()), Once: true,
		Header: http.Header{"Content-Type": {"application/x-www-form-urlencoded"}},
	}, &answer)
	if err != nil {
		return sdk.Sent{}, err
	}
	if answer.SID == "" {
		return sdk.Sent{}, sdk.UnknownOutcome("Twilio took the message and did not say its id")
	}
	segments, _ := strconv.Atoi(answer.Segments) // "0" until it is known
	state, _ := stateOf(answer.Status, answer.Error)
	return sdk.Sent{ID: answer.SID, State: state, Segments: segments}, nil
}

// Status implements sdk.StatusReader. Twilio keeps no key: of a message without an id
// only its callback tells.
func (c *rest) Status(ctx context.Context, q sdk.StatusQuery) (sdk.Delivery, error) {
	if q.ID == "" {
		return sdk.Delivery{Key: q.Key, State: sdk.DeliveryUnknown, Reason: "Twilio finds messages by its own id only"}, nil
	}
	var m message
	if err := c.call(ctx, httpapi.Call{Method: http.MethodGet, Path: c.path("/Messages/" + url.PathEscape(q.ID) + ".json")}, &m); err != nil {
		return sdk.Delivery{}, err
	}
	state, reason := stateOf(m.Status, m.Error)
	at, _ := time.Parse(time.RFC1123Z, m.Updated) // zero when it does not say
	return sdk.Delivery{Event: m.SID + " " + m.Status, ID: m.SID, Key: q.Key, State: state, Reason: reason, At: at}, nil
}

// maxErased is how many messages one call removes.
const maxErased = 500

// Erase implements sdk.Eraser: the messages to and from a number are removed. What is
// on its way cannot be, yet.
func (c *rest) Erase(ctx context.Context, subject sdk.Subject) (sdk.EraseReceipt, error) {
	phone := subject.Identifiers["phone"]
	if phone == "" {
		return sdk.EraseReceipt{Done: true, Detail: "Twilio knows people by their numbers only, and there was none.", Erased: time.Now().UTC()}, nil
	}
	removed := 0
	for _, side := range []string{"To", "From"} {
		path, query := c.path("/Messages.json"), url.Values{side: {phone}, "PageSize": {"100"}}
		for path != "" {
			var page struct {
				Messages []message `json:"messages"`
				Next     *string   `json:"next_page_uri"`
			}
			if err := c.call(ctx, httpapi.Call{Method: http.MethodGet, Path: path, Query: query}, &page); err != nil {
				return sdk.EraseReceipt{}, err
			}
			for _, m := range page.Messages {
				err := c.call(ctx, httpapi.Call{Method: http.MethodDelete, Path: c.path("/Messages/" + url.PathEscape(m.SID) + ".json")}, nil)
				fault := sdk.AsFault(err)
				switch {
				case err == nil:
					removed++
				case fault.Reason == "IN_PROGRESS":
					return sdk.EraseReceipt{Known: true, Retry: time.Minute, Detail: "A message is still on its way; the others are being removed."}, nil
				case fault.Kind != sdk.FaultRecordGone:
					return sdk.EraseReceipt{}, err
				}
			}
			if removed >= maxErased {
				return sdk.EraseReceipt{Known: true, Retry: time.Second, Detail: "There are more messages to remove."}, nil
			}
			path = ""
			if page.Next != nil && *page.Next != "" {
				var err error
				if path, query, err = c.client.Beneath(*page.Next); err != nil {
					return sdk.EraseReceipt{}, err
				}
			}
		}
	}
	return sdk.EraseReceipt{
		Done: true, Known: removed > 0, Erased: time.Now().UTC(),
		Detail: "Twilio removed the messages to and from the number; it keeps that they were billed.",
	}, nil
}

// call makes a call and reads its answer into v, which may be nil.
func (c *rest) call(ctx context.Context, call httpapi.Call, v any) error {
	answer, err := c.client.Do(ctx, call)
	if err != nil {
		return err
	}
	if !answer.OK() {
		return refusal(answer, call.Once, time.Now())
	}
	if v == nil {
		return nil
	}
	if err := json.Unmarshal(answer.Body, v); err != nil {
		if call.Once {
			return sdk.UnknownOutcome("Twilio's answer cannot be read: it may have taken the message").Because("BROKEN_ANSWER")
		}
		return sdk.Broken("Twilio's answer is not the JSON that it describes")
	}
	return nil
}
