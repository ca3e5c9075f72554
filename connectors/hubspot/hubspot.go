// Package hubspot is the connector for HubSpot: contacts, companies, deals and custom
// objects with their associations, both ways; lists, behavioural events and webhooks.
//
// A first load reads the list of records, changes are searched for by the time of the
// last one, and webhooks say when to look. Writing is by batches of 100 whose results
// are matched by a trace id. A spent day parks the connection until midnight where
// the account is.
package hubspot

import (
	"context"
	_ "embed"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/headwater-cdp/headwater/connectors/internal/vendorhttp"
	"github.com/headwater-cdp/headwater/plugins/sdk"
)

//go:embed config.schema.json
var configSchema []byte

// Connector is the connector; it has no state.
type Connector struct{}

var _ sdk.Connector = Connector{}

// Spec implements sdk.Connector.
func (Connector) Spec() sdk.Spec {
	return sdk.Spec{
		Name:         "hubspot",
		Version:      "v1.0.0",
		Title:        "HubSpot",
		Description:  "Contacts, companies, deals, custom objects and their associations, both ways; lists, behavioural events, webhooks.",
		Kinds:        []sdk.Kind{sdk.Source, sdk.Destination},
		ConfigSchema: configSchema,
		Capabilities: []sdk.Capability{sdk.CanPull, sdk.CanReceive, sdk.CanUpsert, sdk.CanDelete, sdk.CanLists, sdk.CanForward, sdk.CanErase, sdk.DedupesUpserts, sdk.DedupesEvents},
		Limits:       sdk.Limits{BatchItems: 500, BatchBytes: 8 << 20, Concurrency: 4, MemoryMiB: 512},
		Hosts:        []string{"api.hubapi.com", "config:baseUrl"},
		Categories:   []string{"IDENTIFIER", "CONTACT", "DEMOGRAPHIC", "BEHAVIOUR", "TRANSACTION", "LOCATION", "INFERRED", "FREE_TEXT", "CONSENT"},
		Processor:    sdk.Processor{Name: "HubSpot, Inc.", Country: "US", URL: "https://legal.hubspot.com/dpa"},
		OAuth:        true,
		Webhooks:     true,
	}
}

// config is the configuration, as its schema says.
type config struct {
	Grant        string `json:"grant"`
	AccessToken  string `json:"accessToken"`
	ClientID     string `json:"clientId"`
	ClientSecret string `json:"clientSecret"`
	RefreshToken string `json:"refreshToken"`
	AppID        string `json:"appId"`
	Unique       string `json:"uniqueProperty"`
	BaseURL      string `json:"baseUrl"`
	AuthorizeURL string `json:"authorizeUrl"`
}

// connection is one account.
type connection struct {
	config config
	host   sdk.Host
	http   *vendorhttp.Client
	pace   pace

	mu      sync.Mutex // guards what follows
	token   string     // of OAuth
	unsaved string     // a rotated refresh token that the host has not kept yet
	account *account

	typesMu sync.Mutex
	types   map[string]*objectType // by stream
	customs []objectType           // nil: not asked for yet

	eventsMu sync.Mutex
	events   map[string]*eventKind // by name; nil: not asked for yet
}

// account is what matters of the account.
type account struct {
	Portal int64  `json:"portalId"`
	Zone   string `json:"timeZone"`
}

var (
	_ sdk.Connection = (*connection)(nil)
	_ sdk.Discoverer = (*connection)(nil)
	_ sdk.Puller     = (*connection)(nil)
	_ sdk.Receiver   = (*connection)(nil)
	_ sdk.Upserter   = (*connection)(nil)
	_ sdk.Lister     = (*connection)(nil)
	_ sdk.Forwarder  = (*connection)(nil)
	_ sdk.Eraser     = (*connection)(nil)
	_ sdk.Authorizer = (*connection)(nil)
)

// Open implements sdk.Connector.
func (Connector) Open(_ context.Context, raw sdk.Config, host sdk.Host) (sdk.Connection, error) {
	c := config{Grant: "oauth", Unique: "headwater_id", BaseURL: "https://api.hubapi.com", AuthorizeURL: "https://app.hubspot.com/oauth/authorize"}
	if err := raw.Into(&c); err != nil {
		return nil, err
	}
	client, err := vendorhttp.New("HubSpot", "baseUrl", c.BaseURL)
	if err != nil {
		return nil, err
	}
	switch {
	case c.Grant != "oauth" && c.Grant != "private_app":
		return nil, sdk.InvalidConfig("grant", "one of oauth, private_app")
	case c.Grant == "private_app" && c.AccessToken == "":
		return nil, sdk.InvalidConfig("accessToken", "write the access token of the private app")
	case c.Grant == "oauth" && c.ClientID == "":
		return nil, sdk.InvalidConfig("clientId", "write the app's client ID")
	case c.Grant == "oauth" && c.ClientSecret == "":
		return nil, sdk.InvalidConfig("clientSecret", "write the app's client secret")
	case !propertyName.MatchString(c.Unique):
		return nil, sdk.InvalidConfig("uniqueProperty", "write the internal name of a property, such as headwater_id")
	}
	if u, err := url.Parse(c.AuthorizeURL); err != nil || u.Host == "" || u.RawQuery != "" {
		return nil, sdk.InvalidConfig("authorizeUrl", "write the whole address, without a query")
	}
	return &connection{config: c, host: host, http: client, types: map[string]*objectType{}}, nil
}

// Check implements sdk.Connection: it asks for the account and looks at contacts, so
// that a scope that is missing is named.
func (c *connection) Check(ctx context.Context) error {
	c.forget()
	if _, err := c.whose(ctx); err != nil {
		return err
	}
	if _, err := c.objectType(ctx, "contacts"); err != nil {
		return err
	}
	return c.call(ctx, http.MethodGet, "/crm/v3/objects/contacts?limit=1", false, nil, nil)
}

// whose is the account that the credential belongs to.
func (c *connection) whose(ctx context.Context) (*account, error) {
	c.mu.Lock()
	a := c.account
	c.mu.Unlock()
	if a != nil {
		return a, nil
	}
	a = &account{}
	if err := c.call(ctx, http.MethodGet, "/account-info/v3/details", false, nil, a); err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.account = a
	return a, nil
}

// forget lets go of all that was learnt, so that the next call proves it.
func (c *connection) forget() {
	c.mu.Lock()
	c.token, c.account = "", nil
	c.mu.Unlock()
	c.typesMu.Lock()
	defer c.typesMu.Unlock()
	clear(c.types)
	c.customs = nil
}

// Close implements sdk.Connection.
func (c *connection) Close() error {
	c.http.Close()
	return nil
}

// midnight is when a spent day is over: the next midnight where the account is.
func (c *connection) midnight(now time.Time) time.Time {
	zone := time.UTC
	c.mu.Lock()
	if c.account != nil {
		if z, err := time.LoadLocation(c.account.Zone); err == nil && c.account.Zone != "" {
			zone = z
		}
	}
	c.mu.Unlock()
	year, month, day := now.In(zone).Date()
	return time.Date(year, month, day+1, 0, 0, 0, 0, zone).UTC()
}
