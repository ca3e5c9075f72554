package sms

import (
	"cmp"
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/headwater-cdp/headwater/connectors/internal/vendorhttp"
	"github.com/headwater-cdp/headwater/plugins/sdk"
)

// refusals are Twilio's errors that ask for something in particular. Its own words
// hold the numbers of people, and are not repeated.
var refusals = map[int]*sdk.Fault{
	20003: sdk.Unauthorized("Twilio does not know the account and its token: put in those of its console").Because("BAD_CREDENTIALS"),
	20008: sdk.Unauthorized("these are credentials for tests: put in the live ones").Because("TEST_CREDENTIALS"),
	20009: sdk.RetryAfter(time.Minute, "the message is still on its way").Because("IN_PROGRESS"),
	20404: sdk.RecordGone("Twilio does not have it any more").Because("NOT_FOUND"),
	21211: sdk.InvalidRecord("to", "it is no telephone number, Twilio says").Because(sdk.ReasonHardBounce),
	21212: sdk.InvalidConfig("from", "Twilio does not take the sender").Because("BAD_SENDER"),
	21217: sdk.InvalidRecord("to", "it is no telephone number, Twilio says").Because(sdk.ReasonHardBounce),
	21408: sdk.InvalidRecord("to", "the account may not send to this country: allow it in Twilio's geo permissions").Because("COUNTRY_NOT_ALLOWED"),
	21421: sdk.InvalidRecord("to", "it is no telephone number, Twilio says").Because(sdk.ReasonHardBounce),
	21602: sdk.InvalidRecord("text", "a message needs a text").Because("NO_TEXT"),
	21603: sdk.InvalidConfig("from", "give a sender, or a messaging service").Because("BAD_SENDER"),
	21604: sdk.InvalidRecord("to", "a message needs a number").Because("BAD_NUMBER"),
	21606: sdk.InvalidConfig("from", "the sender is not a number of this account that can send texts").Because("BAD_SENDER"),
	21609: sdk.InvalidRecord("callbackUrl", "Twilio does not take the address of the callback").Because("BAD_CALLBACK"),
	21610: sdk.InvalidRecord("to", "the person wrote STOP: nothing is sent before they write START").Because(sdk.ReasonStopWord),
	21611: sdk.RetryAfter(30*time.Second, "the sender's queue at Twilio is full").Because("QUEUE_FULL"),
	21612: sdk.InvalidRecord("to", "the sender cannot reach this number").Because("UNREACHABLE_NUMBER"),
	21614: sdk.InvalidRecord("to", "it is not the number of a mobile").Because(sdk.ReasonHardBounce),
	21617: sdk.InvalidRecord("text", "a message has at most 1600 characters").Because("TOO_LONG"),
	21659: sdk.InvalidConfig("from", "the sender is not a number of this account").Because("BAD_SENDER"),
	21701: sdk.InvalidConfig("messagingServiceSid", "there is no such messaging service").Because("BAD_SERVICE"),
	21703: sdk.InvalidConfig("messagingServiceSid", "the messaging service has no sender").Because("BAD_SERVICE"),
}

// undelivered is the fault of a message of which Twilio says at once that it did not go: what
// a report of the same error makes of the number, and nil where it says nothing of it.
func undelivered(status string, code *int) error {
	state, words := stateOf(status, code)
	if code != nil && *code == 21610 {
		return refusals[21610]
	}
	switch state {
	case sdk.DeliveryHardBounced:
		return sdk.InvalidRecord("to", words).Because(sdk.ReasonHardBounce)
	case sdk.DeliverySoftBounced:
		return sdk.RetryAfter(10*time.Minute, words).Because("UNREACHABLE")
	case sdk.DeliveryFailed:
		return sdk.InvalidRecord("", "the message failed: "+words).Because("REJECTED")
	}
	return nil
}

// dailyLimits are errors that hold until the day is over.
var dailyLimits = map[int]bool{63038: true, 30022: true, 14107: true}

// refusal is the fault of an answer that is not 2xx.
func refusal(a *vendorhttp.Answer, once bool, now time.Time) error {
	var said struct {
		Code int `json:"code"`
	}
	_ = json.Unmarshal(a.Text(64<<10), &said) // a proxy's page has no code
	if dailyLimits[said.Code] {
		tomorrow := now.UTC().Truncate(24 * time.Hour).Add(24 * time.Hour)
		return sdk.QuotaUntil(tomorrow, "the account has sent all that it may today").Because("DAILY_LIMIT")
	}
	if a.Status == http.StatusTooManyRequests {
		return sdk.RetryAfter(cmp.Or(vendorhttp.RetryAfter(a.Header, now), 2*time.Second), "Twilio takes no more for now").Because("RATE_LIMITED")
	}
	if fault, known := refusals[said.Code]; known {
		return fault
	}
	if _, known := reasons[said.Code]; known {
		return undelivered("failed", &said.Code)
	}
	switch {
	case a.Status == http.StatusServiceUnavailable:
		return sdk.RetryAfter(cmp.Or(vendorhttp.RetryAfter(a.Header, now), 5*time.Second), "Twilio is out of service").Because("VENDOR_ERROR")
	case a.Status >= 500 && once:
		return sdk.UnknownOutcome("Twilio failed while it was sending: it may have taken the message").Because("VENDOR_ERROR")
	case a.Status >= 500:
		return sdk.RetryAfter(5*time.Second, "Twilio has trouble of its own").Because("VENDOR_ERROR")
	case a.Status == http.StatusUnauthorized || a.Status == http.StatusForbidden:
		return refusals[20003]
	case a.Status == http.StatusNotFound:
		return refusals[20404]
	}
	return sdk.InvalidRecord("", "Twilio does not take the message; its error "+strconv.Itoa(said.Code)+" says why").Because("REJECTED")
}

// reasons say what an error of a delivery means, and what it makes of the number.
var reasons = map[int]struct {
	state sdk.DeliveryState
	words string
}{
	30001: {sdk.DeliveryFailed, "the queue overflowed"},
	30002: {sdk.DeliveryFailed, "the account is suspended"},
	30003: {sdk.DeliverySoftBounced, "the handset cannot be reached"},
	30004: {sdk.DeliveryFailed, "the message is blocked"},
	30005: {sdk.DeliveryHardBounced, "the number is not in service"},
	30006: {sdk.DeliveryHardBounced, "it is a landline, or its carrier cannot be reached"},
	30007: {sdk.DeliveryFailed, "the carrier filtered the message"},
	30008: {sdk.DeliveryFailed, "unknown"},
	30034: {sdk.DeliveryFailed, "the sender is not registered for this country"},
	21610: {sdk.DeliveryUnsubscribed, "the person wrote STOP"},
}

// stateOf reads a status of Twilio's, with the code of its error.
func stateOf(status string, code *int) (sdk.DeliveryState, string) {
	switch status {
	case "accepted", "scheduled", "queued":
		return sdk.DeliveryQueued, ""
	case "sending", "sent":
		return sdk.DeliverySent, ""
	case "delivered", "read", "partially_delivered":
		return sdk.DeliveryDelivered, ""
	case "failed", "undelivered", "canceled":
		if code == nil {
			return sdk.DeliveryFailed, status
		}
		if r, known := reasons[*code]; known {
			return r.state, strconv.Itoa(*code) + ": " + r.words
		}
		return sdk.DeliveryFailed, strconv.Itoa(*code)
	}
	return sdk.DeliveryUnknown, ""
}
