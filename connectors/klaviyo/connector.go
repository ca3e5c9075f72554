package klaviyo

import (
	"context"
	"encoding/json"
	"net/url"
	"regexp"
	"sync"
	"time"

	"github.com/headwater-cdp/headwater/connectors/internal/vendorhttp"
	"github.com/headwater-cdp/headwater/plugins/sdk"
)

// Connector implements sdk.Connector.
type Connector struct{}

var (
	_ sdk.Connector     = Connector{}
	_ sdk.Discoverer    = (*connection)(nil)
	_ sdk.Puller        = (*connection)(nil)
	_ sdk.Receiver      = (*connection)(nil)
	_ sdk.Upserter      = (*connection)(nil)
	_ sdk.Lister        = (*connection)(nil)
	_ sdk.Forwarder     = (*connection)(nil)
	_ sdk.ConsentSetter = (*connection)(nil)
	_ sdk.Eraser        = (*connection)(nil)
)

// What the vendor takes at once.
const (
	maxImportItems = 10_000
	maxImportBytes = 4_500_000 // of its 5 MB
	maxProfile     = 100 << 10
	maxEvents      = 1000
	maxMembers     = 1000
	maxSubscribe   = 1000
	maxUnsubscribe = 100
	pageSize       = 100
)

const configSchema = `{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "type": "object",
  "required": ["apiKey"],
  "additionalProperties": false,
  "properties": {
    "apiKey": {
      "type": "string", "title": "Private API key", "minLength": 8, "writeOnly": true,
      "description": "From Settings, API keys. It needs the scopes accounts:read, profiles:read, profiles:write, lists:read, lists:write, events:read, events:write, subscriptions:write and data-privacy:write."
    },
    "webhookSecret": {
      "type": "string", "title": "Secret of the webhook", "minLength": 8, "writeOnly": true,
      "description": "The secret_key that the webhook was made with. Without it webhooks are refused."
    },
    "bulkFrom": {
      "type": "integer", "title": "Profiles from which a job is used", "minimum": 1, "maximum": 10000, "default": 25,
      "description": "Fewer are written one by one, which tells the id of each."
    },
    "jobWaitSeconds": {
      "type": "integer", "title": "How long to wait for a job", "minimum": 1, "maximum": 600, "default": 60
    },
    "revision": {
      "type": "string", "title": "Revision of the API", "pattern": "^\\d{4}-\\d{2}-\\d{2}$", "default": "2026-07-15"
    },
    "baseUrl": { "type": "string", "format": "uri", "title": "Address of the API", "default": "https://a.klaviyo.com" }
  }
}`

// Spec implements sdk.Connector.
func (Connector) Spec() sdk.Spec {
	return sdk.Spec{
		Name: "klaviyo", Version: "v1.0.0", Title: "Klaviyo",
		Description:  "Profiles, events, lists and consents to Klaviyo; profiles, events and unsubscribes back.",
		Kinds:        []sdk.Kind{sdk.Source, sdk.Destination},
		ConfigSchema: []byte(configSchema),
		Capabilities: []sdk.Capability{
			sdk.CanPull, sdk.CanReceive, sdk.CanUpsert, sdk.CanLists, sdk.CanForward, sdk.CanConsents, sdk.CanErase,
			sdk.DedupesUpserts, sdk.DedupesEvents,
		},
		Limits:     sdk.Limits{BatchItems: maxImportItems, BatchBytes: maxImportBytes, Concurrency: 4, MemoryMiB: 256},
		Hosts:      []string{"a.klaviyo.com", "config:baseUrl"},
		Categories: []string{"IDENTIFIER", "CONTACT", "DEMOGRAPHIC", "BEHAVIOUR", "TRANSACTION", "LOCATION", "INFERRED", "CONSENT"},
		Processor:  sdk.Processor{Name: "Klaviyo, Inc.", Country: "US", URL: "https://www.klaviyo.com/legal/data-processing-agreement"},
		Webhooks:   true,
	}
}

type config struct {
	APIKey        string `json:"apiKey"`
	WebhookSecret string `json:"webhookSecret"`
	BulkFrom      int    `json:"bulkFrom"`
	JobWait       int    `json:"jobWaitSeconds"`
	Revision      string `json:"revision"`
	BaseURL       string `json:"baseUrl"`
}

var revisionForm = regexp.MustCompile(`^\d{4}-\d{2}-\d{2}$`)

// Open implements sdk.Connector.
func (Connector) Open(_ context.Context, raw sdk.Config, _ sdk.Host) (sdk.Connection, error) {
	c := config{BulkFrom: 25, JobWait: 60, Revision: "2026-07-15", BaseURL: "https://a.klaviyo.com"}
	if err := raw.Into(&c); err != nil {
		return nil, err
	}
	switch {
	case c.APIKey == "":
		return nil, sdk.InvalidConfig("apiKey", "put in a private API key")
	case !revisionForm.MatchString(c.Revision):
		return nil, sdk.InvalidConfig("revision", "a revision is a date such as 2026-07-15")
	case c.BulkFrom < 1:
		return nil, sdk.InvalidConfig("bulkFrom", "it is at least 1")
	case c.JobWait < 1:
		return nil, sdk.InvalidConfig("jobWaitSeconds", "it is at least 1")
	}
	client, err := vendorhttp.New("Klaviyo", "baseUrl", c.BaseURL)
	if err != nil {
		return nil, err
	}
	return &connection{config: c, client: client, asked: map[string]time.Time{}}, nil
}

// connection implements sdk.Connection.
type connection struct {
	config config
	client *vendorhttp.Client

	mu    sync.Mutex
	asked map[string]time.Time // erasures that were asked for, by key and profile
}

// Close implements sdk.Connection.
func (c *connection) Close() error {
	c.client.Close()
	return nil
}

// Check implements sdk.Connection: the key works, and reads what is read first. Scopes
// to write show only when something is written.
func (c *connection) Check(ctx context.Context) error {
	for _, probe := range []struct{ path, size string }{{"/api/accounts", ""}, {"/api/profiles", "1"}, {"/api/lists", "1"}} {
		query := url.Values{}
		if probe.size != "" {
			query.Set("page[size]", probe.size)
		}
		var document struct {
			Data []json.RawMessage `json:"data"`
		}
		if _, err := c.get(ctx, probe.path, query, &document); err != nil {
			return err
		}
	}
	return nil
}
