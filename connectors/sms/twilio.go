package sms

import (
	"context"
	"encoding/base64"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/headwater-cdp/headwater/connectors/internal/vendorhttp"
	"github.com/headwater-cdp/headwater/plugins/sdk"
)

// keyParameter carries a message's key in the address of its status callback.
const keyParameter = "hwkey"

// rest is a connection to Twilio.
type rest struct {
	config config
	client *vendorhttp.Client
}

func openTwilio(c config) (*rest, error) {
	if err := required("accountSid", c.AccountSID, "authToken", c.AuthToken); err != nil {
		return nil, err
	}
	if c.From == "" && c.ServiceSID == "" {
		return nil, sdk.InvalidConfig("from", "give a sender, or a messaging service")
	}
	client, err := vendorhttp.New("Twilio", "baseUrl", c.BaseURL)
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
	if err := c.call(ctx, vendorhttp.Call{Method: http.MethodGet, Path: c.path(".json")}, &account); err != nil {
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
	err := c.call(ctx, vendorhttp.Call{
		Method: http.MethodPost, Path: c.path("/Messages.json"), Body: []byte(form.Encode()), Writes: true,
	}, &answer)
	if err != nil {
		return sdk.Sent{}, err
	}
	if answer.SID == "" {
		return sdk.Sent{}, sdk.UnknownOutcome("Twilio took the message and did not say its id")
	}
	if err := undelivered(answer.Status, answer.Error); err != nil {
		return sdk.Sent{}, err
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
	if err := c.call(ctx, vendorhttp.Call{Method: http.MethodGet, Path: c.path("/Messages/" + url.PathEscape(q.ID) + ".json")}, &m); err != nil {
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
	removed, tried := 0, 0
	for _, side := range []string{"To", "From"} {
		// The first page again and again: what was on it is gone the next time.
		for more := true; more; {
			var page struct {
				Messages []message `json:"messages"`
				Next     *string   `json:"next_page_uri"`
			}
			query := url.Values{side: {phone}, "PageSize": {"100"}}
			if err := c.call(ctx, vendorhttp.Call{Method: http.MethodGet, Path: c.path("/Messages.json"), Query: query}, &page); err != nil {
				return sdk.EraseReceipt{}, err
			}
			for _, m := range page.Messages {
				tried++
				err := c.call(ctx, vendorhttp.Call{Method: http.MethodDelete, Path: c.path("/Messages/" + url.PathEscape(m.SID) + ".json")}, nil)
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
			more = page.Next != nil && *page.Next != "" && len(page.Messages) > 0
			if more && tried >= maxErased {
				return sdk.EraseReceipt{Known: true, Retry: time.Second, Detail: "There are more messages to remove."}, nil
			}
		}
	}
	return sdk.EraseReceipt{
		Done: true, Known: removed > 0, Erased: time.Now().UTC(),
		Detail: "Twilio removed the messages to and from the number; it keeps that they were billed.",
	}, nil
}

// call makes a call and reads its answer into v, which may be nil. Only what does harm
// when it is done twice is marked as a write.
func (c *rest) call(ctx context.Context, call vendorhttp.Call, v any) error {
	credential := base64.StdEncoding.EncodeToString([]byte(c.config.AccountSID + ":" + c.config.AuthToken))
	call.Header = http.Header{"Authorization": {"Basic " + credential}, "Accept": {"application/json"}}
	if call.Body != nil {
		call.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	answer, err := c.client.Do(ctx, call)
	if err != nil {
		return err
	}
	defer answer.Close()
	if !answer.OK() {
		return refusal(answer, call.Writes, time.Now())
	}
	if v != nil {
		return answer.JSON(v)
	}
	if _, err := io.Copy(io.Discard, answer.Body); err != nil { // so that a cut is noticed
		return answer.Cut()
	}
	return nil
}
