package sms

import (
	"context"
	"slices"
	"strings"

	"github.com/headwater-cdp/headwater/plugins/sdk"
)

// Connector implements sdk.Connector.
type Connector struct{}

var _ sdk.Connector = Connector{}

// way is what both ways of sending can do, so that the spec is true of either.
type way interface {
	sdk.Connection
	sdk.Sender
	sdk.StatusReader
	sdk.Receiver
	sdk.Eraser
	sdk.Discoverer
	sdk.Puller
}

var (
	_ way = (*rest)(nil)
	_ way = (*centre)(nil)

	_ sdk.Keeper = (*centre)(nil)
)

// inboundStream is the texts from people, and receipts where they come by a session.
const inboundStream = "inbound"

// streams is what both ways discover.
func streams() []sdk.Stream {
	return []sdk.Stream{{
		Name: inboundStream, Title: "Texts from people, and receipts", Modes: []sdk.Mode{sdk.PullChanges}, Person: true,
		Schema: []byte(`{"type":"object","properties":{"text":{"type":"string"},"to":{"type":"string"},"keyword":{"enum":["STOP","START","HELP",""]}}}`),
	}}
}

const configSchema = `{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "type": "object",
  "required": ["provider"],
  "additionalProperties": false,
  "properties": {
    "provider": { "type": "string", "title": "Way", "enum": ["twilio", "smpp"], "default": "twilio" },
    "from": {
      "type": "string", "title": "Sender", "maxLength": 16,
      "description": "A number such as +12025550123, a short code, or a name of up to 11 letters where the network takes one."
    },
    "accountSid": { "type": "string", "title": "Twilio: account SID", "pattern": "^AC[0-9a-fA-F]{32}$" },
    "authToken": {
      "type": "string", "title": "Twilio: auth token", "writeOnly": true,
      "description": "Also the key of the signatures of Twilio's webhooks."
    },
    "messagingServiceSid": { "type": "string", "title": "Twilio: messaging service, instead of a sender", "pattern": "^MG[0-9a-fA-F]{32}$" },
    "baseUrl": { "type": "string", "format": "uri", "title": "Twilio: address of the API", "default": "https://api.twilio.com" },
    "smppAddress": { "type": "string", "title": "SMPP: host and port", "examples": ["smsc.example.com:2775"] },
    "smppTls": { "type": "boolean", "title": "SMPP: over TLS", "default": true },
    "smppSystemId": { "type": "string", "title": "SMPP: system id", "maxLength": 15 },
    "smppPassword": { "type": "string", "title": "SMPP: password", "maxLength": 8, "writeOnly": true },
    "smppSystemType": { "type": "string", "title": "SMPP: system type", "maxLength": 12 },
    "smppWindow": { "type": "integer", "title": "SMPP: messages without an answer", "minimum": 1, "maximum": 1000, "default": 10 }
  }
}`

// Spec implements sdk.Connector.
func (Connector) Spec() sdk.Spec {
	return sdk.Spec{
		Name: "sms", Version: "v1.0.0", Title: "Text messages",
		Description:  "Text messages through Twilio or a message centre (SMPP 3.4), with receipts and replies.",
		Kinds:        []sdk.Kind{sdk.Channel, sdk.Source},
		Channels:     []string{"SMS"},
		ConfigSchema: []byte(configSchema),
		Capabilities: []sdk.Capability{sdk.CanSend, sdk.CanStatus, sdk.CanReceive, sdk.CanPull, sdk.CanErase},
		Limits:       sdk.Limits{Concurrency: 20, MemoryMiB: 128},
		Hosts:        []string{"api.twilio.com", "config:baseUrl", "config:smppAddress"},
		Categories:   []string{"IDENTIFIER", "CONTACT", "FREE_TEXT", "CONSENT"},
		Processor:    sdk.Processor{Name: "Twilio Inc.", Country: "US", URL: "https://www.twilio.com/legal/data-protection-addendum"},
		Webhooks:     true,
	}
}

type config struct {
	Provider   string `json:"provider"`
	From       string `json:"from"`
	AccountSID string `json:"accountSid"`
	AuthToken  string `json:"authToken"`
	ServiceSID string `json:"messagingServiceSid"`
	BaseURL    string `json:"baseUrl"`
	Address    string `json:"smppAddress"`
	TLS        bool   `json:"smppTls"`
	SystemID   string `json:"smppSystemId"`
	Password   string `json:"smppPassword"`
	SystemType string `json:"smppSystemType"`
	Window     int    `json:"smppWindow"`
}

// Open implements sdk.Connector.
func (Connector) Open(_ context.Context, raw sdk.Config, _ sdk.Host) (sdk.Connection, error) {
	c := config{Provider: "twilio", BaseURL: "https://api.twilio.com", TLS: true, Window: 10}
	if err := raw.Into(&c); err != nil {
		return nil, err
	}
	var w way
	var err error
	switch c.Provider {
	case "twilio":
		w, err = openTwilio(c)
	case "smpp":
		w, err = openSMPP(c)
	default:
		err = sdk.InvalidConfig("provider", "it is twilio or smpp")
	}
	if err != nil {
		return nil, err
	}
	return w, nil
}

// required is the fault of the first property without a value.
func required(pairs ...string) error {
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] == "" {
			return sdk.InvalidConfig(pairs[i], "it is needed for this way of sending")
		}
	}
	return nil
}

// sendable says what is wrong with a message before anybody is asked.
func sendable(m sdk.Message) error {
	switch {
	case m.Channel != "SMS" && m.Channel != "":
		return sdk.Unsupported("only text messages are sent here").Because("CHANNEL")
	case !number(m.To):
		return sdk.InvalidRecord("to", "a number is E.164, such as +12025550123").Because("BAD_NUMBER")
	}
	return nil
}

// number says whether a text has the form of E.164.
func number(text string) bool {
	digits, plus := strings.CutPrefix(text, "+")
	return plus && len(digits) >= 7 && len(digits) <= 15 && digits[0] != '0' && strings.Trim(digits, "0123456789") == ""
}

// Words that mean something by themselves, as networks and their rules have them. YES
// is not among them: it may answer anything.
var words = map[string][]string{
	"STOP":  {"STOP", "STOPALL", "STOP ALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "REVOKE", "OPTOUT", "OPT OUT", "ARRET", "FERMA", "BASTA"},
	"START": {"START", "UNSTOP", "SUBSCRIBE", "RESUME"},
	"HELP":  {"HELP", "INFO", "AIDE", "AIUTO"},
}

// keyword is STOP, START or HELP when a text says nothing else, or "".
func keyword(text string) string {
	word := strings.ToUpper(strings.Join(strings.Fields(strings.Trim(text, " \t\r\n.!\"'")), " "))
	for kind, all := range words {
		if slices.Contains(all, word) {
			return kind
		}
	}
	return ""
}
